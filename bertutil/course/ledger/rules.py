"""Chapter 15: how a claim becomes a verdict: what is measured, and conditions on it that are data.

A verdict is never written down. A claim is a function that measures and a rule, and the rule that is printed is the
rule that is used. The 38 claims stand in claims.py, what they share in evidence.py.
"""

import inspect
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from bertutil.course.ledger.evidence import Evidence

HOLDS = "holds"
LIMIT = "holds with a limit"
FAILS = "does not hold"
PUBLISHED = "published, not re-measured here"
UNFIT = "cannot be measured with this checkpoint"
VERDICTS = (HOLDS, LIMIT, FAILS, PUBLISHED, UNFIT)

# A measured quantity. A tuple has one number a layer; None: it cannot be measured here, for want of a file or layers.
Value = bool | int | float | str | tuple[float, ...] | None
Measured = Mapping[str, Value]
Bound = bool | int | float | str

_RELATIONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "≠": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "≤": operator.le,
    "≥": operator.ge,
}


class UnfitError(ValueError):
    """A claim cannot be measured with this checkpoint; the message says why."""


class Condition(NamedTuple):
    """A threshold: the name of a quantity, one of = ≠ < > ≤ ≥, and the bound that it is compared with."""

    quantity: str
    relation: str
    bound: Bound

    def met(self, measured: Measured) -> bool:
        """Whether the quantity passes; KeyError where it was not measured at all, ValueError where it is NaN."""
        value = measured[self.quantity]
        if isinstance(value, float) and math.isnan(value):
            raise ValueError(f"{self.quantity!r} is NaN; no verdict can follow from that")
        return bool(_RELATIONS[self.relation](value, self.bound))

    def __str__(self) -> str:
        """As the ledger prints it."""
        bound = f"{self.bound:g}" if isinstance(self.bound, float) else shown(self.bound)
        return f"{self.quantity} {self.relation} {bound}"


@dataclass(frozen=True)
class Claim:
    """One entry of the ledger.

    `id`: "C01" and so on. `source`: where it is said. `says`: the claim in our words; `how`: what is done to test it.
    `chapter`: the topic of the chapter that treats it, which is the name of its notebook without the number, so that
    nothing changes here when chapters are renumbered. `measure`: the function that returns the quantities. `needs`:
    conditions that must all be met, or the claim does not hold; `limits`: where one of them is met, it holds with a
    limit. `published`: other people's figures, with their source; `beside`: the quantities to compare with them.
    """

    id: str
    source: str
    says: str
    how: str
    chapter: str
    measure: Callable[["Evidence"], Measured]
    needs: tuple[Condition, ...]
    limits: tuple[Condition, ...] = ()
    published: str = ""
    beside: tuple[str, ...] = ()

    def verdict(self, measured: Measured) -> str:
        """Return one of VERDICTS. It depends on `measured` and on the conditions, and on nothing else."""
        if any(measured[condition.quantity] is None for condition in self.needs):
            return PUBLISHED if self.published else UNFIT
        if not all([condition.met(measured) for condition in self.needs]):
            return FAILS
        return LIMIT if any([condition.met(measured) for condition in self.limits]) else HOLDS

    def examine(self, evidence: "Evidence") -> "Finding":
        """Measure the claim on the checkpoint of `evidence`; where that cannot be done, "why" says why."""
        try:
            measured = self.measure(evidence)
        except UnfitError as error:
            conditions = (*self.needs, *self.limits)
            names = (*self.beside, *(condition.quantity for condition in conditions))
            measured = {"why": str(error), **dict.fromkeys(names)}
        return Finding(self, measured, self.verdict(measured))


class Finding(NamedTuple):
    """A claim, what was measured for it, and the verdict that follows."""

    claim: Claim
    measured: Measured
    verdict: str

    def __str__(self) -> str:
        """All quantities; then each condition with its outcome; then the verdict."""
        width = max(map(len, self.measured)) + 2
        lines = [f"{name:{width}}{shown(value)}" for name, value in self.measured.items()]
        for kind, conditions in (("needed", self.claim.needs), ("limit ", self.claim.limits)):
            for condition in conditions:
                missing = self.measured[condition.quantity] is None
                outcome = "not measured" if missing else shown(condition.met(self.measured))
                lines.append(f"{kind}  {condition}: {outcome}")
        return "\n".join([*lines, f"=> {self.verdict}"])


def claim(
    source: str,
    *,
    chapter: str,
    needs: Sequence[tuple[str, str, Bound]],
    limits: Sequence[tuple[str, str, Bound]] = (),
    published: str = "",
    beside: Sequence[str] = (),
) -> Callable[[Callable[["Evidence"], Measured]], Claim]:
    """Make a Claim of a function: its name is the id, its docstring the claim and, as second paragraph, the test.

    Raises ValueError for a docstring without two paragraphs, a relation that does not exist, and a rule that needs
    nothing, which could not fail.
    """

    def make(measure: Callable[["Evidence"], Measured]) -> Claim:
        name = measure.__name__.upper()
        says, _, how = (inspect.getdoc(measure) or "").partition("\n\n")
        if not says or not how:
            raise ValueError(f"{name}: the docstring must have two paragraphs, the claim and how it is tested")
        if not needs:
            raise ValueError(f"{name}: a rule that needs nothing cannot fail; give one condition at least")
        unknown = [relation for _, relation, _ in (*needs, *limits) if relation not in _RELATIONS]
        if unknown:
            raise ValueError(f"{name}: {unknown[0]!r} is no relation; it must be one of {' '.join(_RELATIONS)}")
        return Claim(
            id=name,
            source=source,
            says=" ".join(says.split()),
            how=" ".join(how.split()),
            chapter=chapter,
            measure=measure,
            needs=tuple(Condition(*parts) for parts in needs),
            limits=tuple(Condition(*parts) for parts in limits),
            published=published,
            beside=tuple(beside),
        )

    return make


def chapters(folder: str | Path) -> dict[str, str]:
    """The notebooks of a folder by topic, for instance {"context": "07_context.ipynb"}."""
    return {file.stem[3:]: file.name for file in sorted(Path(folder).glob("[0-9][0-9]_*.ipynb"))}


def as_table(findings: Sequence[Finding], notebooks: Mapping[str, str], checkpoint: str) -> str:
    """The ledger as a Markdown table, with the quantities of the rules and those beside published figures.

    `notebooks`, as chapters() finds them, give the numbers and the links; a chapter that is not among them is named
    by its topic. `checkpoint` is what was measured.
    """
    rows = [("id", "claim", "verdict", f"measured: {checkpoint}", "published", "source", "chapter"), ("---",) * 7]
    for claim, measured, verdict in findings:
        conditions = (*claim.needs, *claim.limits)
        quantities = dict.fromkeys((*claim.beside, *(condition.quantity for condition in conditions)))
        here = "; ".join(f"{name}: {shown(measured[name])}" for name in quantities)
        file = notebooks.get(claim.chapter)
        link = f"[{int(file[:2])}]({file})" if file else claim.chapter
        rows.append((claim.id, claim.says, f"**{verdict}**", here, claim.published, claim.source, link))
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)


def shown(value: Value) -> str:
    """A quantity as text, with three decimals."""
    if value is None:
        return "not measured"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{round(value, 3) + 0.0:.3f}"  # + 0.0: no minus before a zero
    return value if isinstance(value, str) else " ".join(map(shown, value))
