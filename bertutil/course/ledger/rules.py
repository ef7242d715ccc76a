"""Chapter 15: how a claim becomes a verdict: what is measured, and conditions on it that are data.

A verdict is never written down. A claim is a function that measures and a rule, and the rule that is printed is the
rule that is used. The claims stand in claims.py, what they share in evidence.py, stored figures in stored.py.
"""

import inspect
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from bertutil.course.ledger.evidence import Evidence

HOLDS = "holds"
LIMIT = "holds with a limit"
FAILS = "does not hold"
PUBLISHED = "published, not re-measured here"
UNDECIDED = "not decided on our data"
SEEDS = "depends on the seed"
UNFIT = "cannot be measured with this checkpoint"
VERDICTS = (HOLDS, LIMIT, UNDECIDED, SEEDS, FAILS, PUBLISHED, UNFIT)
AHEAD = "ahead"  # the relation that looks at an interval: three outcomes

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

_OUTCOMES: Mapping[bool | None, str] = {True: "yes", False: "no", None: "not decided"}


class UnfitError(ValueError):
    """A claim cannot be measured with this checkpoint; the message says why."""


class Condition(NamedTuple):
    """A threshold: the name of a quantity, one of = ≠ < > ≤ ≥, and the bound that it is compared with.

    Or a lead: the relation is "ahead", and the bound the smallest difference that matters. It looks at both ends of
    the 95 % interval of the quantity, a paired difference.
    """

    quantity: str
    relation: str
    bound: Bound

    @property
    def quantities(self) -> tuple[str, ...]:
        """The names of what it looks at."""
        ends = (f"{self.quantity}, at least", f"{self.quantity}, at most")
        return ends if self.relation == AHEAD else (self.quantity,)

    def met(self, measured: Measured) -> bool | None:
        """Whether the quantity passes; None for a lead that these data cannot decide.

        A lead is met where the interval lies above 0, and not met where it lies wholly below the smallest difference
        that matters, so that a lead which is sure but too small is none. KeyError where the quantity was not measured
        at all, ValueError where it is NaN.
        """
        values = [measured[name] for name in self.quantities]
        if any(isinstance(value, float) and math.isnan(value) for value in values):
            raise ValueError(f"{self.quantity!r} is NaN; no verdict can follow from that")
        if self.relation != AHEAD:
            return bool(_RELATIONS[self.relation](values[0], self.bound))
        low, high = values
        if high < self.bound:  # type: ignore[operator]
            return False
        return True if low > 0 else None  # type: ignore[operator]

    def __str__(self) -> str:
        """As the ledger prints it."""
        bound = f"{self.bound:g}" if isinstance(self.bound, float) else shown(self.bound)
        return f"{self.quantity} {'> 0, matters from' if self.relation == AHEAD else self.relation} {bound}"


@dataclass(frozen=True)
class Claim:
    """One entry of the ledger.

    `id`: "C01" and so on. `source`: where it is said. `says`: the claim in our words; `how`: what is done to test it.
    `chapter`: the topic of the chapter that treats it, which is the name of its notebook without the number, so that
    nothing changes here when chapters are renumbered. `measure`: the function that returns the quantities. `needs`:
    conditions that must all be met, or the claim does not hold; `limits`: where one of them is met, it holds with a
    limit. `published`: other people's figures, with their source; `beside`: the quantities to compare with them.
    `learned`: whether it speaks of what a model has learned, so that it should not hold for random weights and is
    not said of a checkpoint that was not measured; `trained`: whether something is trained for it, so that it has
    a seed.
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
    learned: bool = False
    trained: bool = False

    @property
    def quantities(self) -> tuple[str, ...]:
        """What stands beside published figures, and what the rule looks at."""
        ruled = (name for condition in (*self.needs, *self.limits) for name in condition.quantities)
        return tuple(dict.fromkeys((*self.beside, *ruled)))

    def verdict(self, *runs: Measured) -> str:
        """Return one of VERDICTS. It depends on what was measured and on the conditions, and on nothing else.

        `runs`: what was measured, once for each seed. Runs with different verdicts make it depend on the seed.
        """
        verdicts = {self._verdict(measured) for measured in runs}
        return verdicts.pop() if len(verdicts) == 1 else SEEDS

    def _verdict(self, measured: Measured) -> str:
        if not self.needs or any(measured[name] is None for need in self.needs for name in need.quantities):
            return PUBLISHED if self.published else UNFIT
        outcomes = [need.met(measured) for need in self.needs]
        if False in outcomes:
            return FAILS
        if None in outcomes:
            return UNDECIDED
        return LIMIT if any([limit.met(measured) for limit in self.limits]) else HOLDS

    def examine(self, evidence: "Evidence", *others: Measured) -> "Finding":
        """Measure the claim on the checkpoint of `evidence`; where that cannot be done, "why" says why.

        `others`: the stored runs of other seeds.
        """
        try:
            measured = self.measure(evidence)
        except UnfitError as error:
            measured = {"why": str(error), **dict.fromkeys(self.quantities)}
        return Finding(self, measured, self.verdict(measured, *others), others)


class Finding(NamedTuple):
    """A claim, what was measured for it, the verdict that follows, and the runs of other seeds that it hangs on."""

    claim: Claim
    measured: Measured
    verdict: str
    others: tuple[Measured, ...] = ()

    def __str__(self) -> str:
        """All quantities; then each condition with its outcome; then the seeds; then the verdict."""
        width = max(map(len, self.measured), default=0) + 2
        lines = [f"{name:{width}}{shown(value)}" for name, value in self.measured.items()]
        for kind, conditions in (("needed", self.claim.needs), ("limit ", self.claim.limits)):
            for condition in conditions:
                missing = any(self.measured[name] is None for name in condition.quantities)
                outcome = "not measured" if missing else _OUTCOMES[condition.met(self.measured)]
                lines.append(f"{kind}  {condition}: {outcome}")
        if self.claim.trained:
            verdicts = [self.claim.verdict(run) for run in (self.measured, *self.others)]
            named = dict.fromkeys(verdicts)
            told = "; ".join(f"{verdict}: {verdicts.count(verdict)} of {len(verdicts)}" for verdict in named)
            lines.append(f"seeds   {told}")
        return "\n".join([*lines, f"=> {self.verdict}"])


def claim(
    source: str,
    *,
    chapter: str,
    needs: Sequence[tuple[str, str, Bound]],
    limits: Sequence[tuple[str, str, Bound]] = (),
    published: str = "",
    beside: Sequence[str] = (),
    learned: bool = False,
    trained: bool = False,
) -> Callable[[Callable[["Evidence"], Measured]], Claim]:
    """Make a Claim of a function: its name is the id, its docstring the claim and, as second paragraph, the test.

    A claim that needs nothing is not measured, and must have published figures.

    Raises ValueError for a docstring without two paragraphs, a relation that does not exist, and a rule that needs
    nothing, which could not fail, where nothing is published either.
    """

    def make(measure: Callable[["Evidence"], Measured]) -> Claim:
        name = measure.__name__.upper()
        says, _, how = (inspect.getdoc(measure) or "").partition("\n\n")
        if not says or not how:
            raise ValueError(f"{name}: the docstring must have two paragraphs, the claim and how it is tested")
        if not needs and not published:
            raise ValueError(f"{name}: a rule that needs nothing cannot fail; give one condition at least")
        relations = (*_RELATIONS, AHEAD)
        unknown = [relation for _, relation, _ in (*needs, *limits) if relation not in relations]
        if unknown:
            raise ValueError(f"{name}: {unknown[0]!r} is no relation; it must be one of {' '.join(relations)}")
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
            learned=learned,
            trained=trained,
        )

    return make


def chapters(folder: str | Path) -> dict[str, str]:
    """The notebooks of a folder by topic, for instance {"context": "07_context.ipynb"}."""
    return {file.stem[3:]: file.name for file in sorted(Path(folder).glob("[0-9][0-9]_*.ipynb"))}


def as_table(
    findings: Sequence[Finding],
    notebooks: Mapping[str, str],
    checkpoint: str,
    random: Mapping[str, Measured] = MappingProxyType({}),
) -> str:
    """The ledger as a Markdown table, with the quantities of the rules and those beside published figures.

    `notebooks`, as chapters() finds them, give the numbers and the links; a chapter that is not among them is named
    by its topic. `checkpoint` is what was measured; where it is not bert-base-uncased, which most sources speak of, a
    verdict on what a model has learned says so. `random`: by id, what was measured with random weights.
    """
    head = ("id", "claim", "verdict", f"measured: {checkpoint}", "random weights", "published", "source", "chapter")
    rows = [head, ("---",) * len(head)]
    for finding in findings:
        claim, measured = finding.claim, finding.measured
        here = "; ".join(f"{name}: {shown(measured[name])}" for name in claim.quantities)
        file = notebooks.get(claim.chapter)
        link = f"[{int(file[:2])}]({file})" if file else claim.chapter
        verdict = f"**{finding.verdict}**"
        if claim.learned and claim.needs and checkpoint != "bert-base-uncased":
            verdict += f" (for {checkpoint}; BERT itself not measured)"
        untaught = claim.verdict(random[claim.id]) if claim.id in random else ""
        rows.append((claim.id, claim.says, verdict, here, untaught, claim.published, claim.source, link))
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
