"""The exercises of chapter 15: a rule, a check that can fail, a claim of one's own, and luck."""

import random
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bertutil.course.exercises import Exercise, Wrong, call, compare, number
from bertutil.course.ledger import rules
from bertutil.course.ledger.rules import FAILS, HOLDS, LIMIT, Claim, claim


class Texts(NamedTuple):
    """The evidence of exercise 15.3: for each text its tokens, counted, and the length of the mean of its vectors."""

    n_tokens: list[int]
    lengths: list[float]


def _judge_rule(function: Any) -> None:
    cases = [
        (0.42, 0.33, 0.40, HOLDS),
        (0.61, 0.50, 0.72, LIMIT),
        (0.20, 0.25, 0.10, FAILS),
        (0.25, 0.25, 0.20, FAILS),
        (0.40, 0.10, 0.40, LIMIT),
        (0.05, 0.10, 0.90, FAILS),
        (0.90, 0.10, 0.05, HOLDS),
    ]
    answers = []
    for at_least, guessing, rival, _ in cases:
        answer = call(function, at_least, guessing, rival)
        if isinstance(answer, bool):
            raise Wrong(f"it returns {answer}; there are three verdicts, so return one of the words")
        if not isinstance(answer, str) or answer not in (HOLDS, LIMIT, FAILS):
            raise Wrong(f"it returns {answer!r:.40}; it must be {HOLDS!r}, {LIMIT!r} or {FAILS!r}")
        answers.append(answer)
    for (at_least, guessing, rival, expected), answer in zip(cases, answers, strict=True):
        if answer == expected:
            continue
        shown = f"at_least={at_least}, guessing={guessing}, rival={rival}: {answer!r} should be {expected!r}"
        if len(set(answers)) == 1:
            raise Wrong(f"it says {answer!r} whatever was measured: a check that cannot fail. {shown}")
        if at_least == guessing:
            raise Wrong(f"{shown}. Equal to guessing is not better than guessing")
        if at_least == rival:
            raise Wrong(f"{shown}. Equal to the rival is not better than the rival")
        if expected == FAILS:
            raise Wrong(f"{shown}. Guessing comes first: what is not above it does not hold, whatever the rival does")
        if LIMIT not in answers:
            raise Wrong(f"{shown}. Above guessing, but not above the rival: that is the limit")
        raise Wrong(shown)


def _judge_flips(function: Any) -> None:
    @claim("x", chapter="claims", needs=[("a", ">", 0), ("b", "=", "yes")], limits=[("c", "<", 0.5)])
    def c00(evidence: Any) -> rules.Measured:
        """A claim.

        A test.
        """
        return {}

    cases: list[tuple[dict[str, rules.Value], str, rules.Value, bool]] = [
        ({"a": 1, "b": "yes", "c": 0.9}, "a", -1, True),
        ({"a": 1, "b": "yes", "c": 0.9}, "a", 5, False),
        ({"a": 1, "b": "yes", "c": 0.9}, "c", 0.1, True),
        ({"a": -1, "b": "yes", "c": 0.1}, "a", 3, True),
        ({"a": -1, "b": "yes", "c": 0.9}, "c", 0.1, False),
        ({"a": -1, "b": "no", "c": 0.9}, "a", 3, False),
    ]
    answers = []
    for measured, quantity, value, _ in cases:
        answers.append(call(function, c00, measured, quantity, value))
        if not isinstance(answers[-1], bool):
            raise Wrong(f"it returns {answers[-1]!r:.40}; True or False is asked for")
    expected = [case[3] for case in cases]
    if answers == expected:
        return
    if answers == [not flag for flag in expected]:
        raise Wrong("True and False are the wrong way round: True where the verdict changes")
    after = [c00.verdict(measured | {quantity: value}) for measured, quantity, value, _ in cases]
    if answers in ([verdict == HOLDS for verdict in after], [verdict != HOLDS for verdict in after]):
        raise Wrong("it looks at the verdict after the change only; compare it with the verdict before")
    if answers in ([verdict == FAILS for verdict in after], [verdict != FAILS for verdict in after]):
        raise Wrong("it looks at the verdict after the change only; compare it with the verdict before")
    i = next(i for i, pair in enumerate(zip(answers, expected, strict=True)) if pair[0] != pair[1])
    measured, quantity, value, flag = cases[i]
    raise Wrong(
        f"for needs a > 0 and b = yes, limit c < 0.5, measured {measured} and {quantity} = {value} it returns "
        f"{answers[i]}; the verdict goes from {c00.verdict(measured)!r} to {after[i]!r}, so it should be {flag}"
    )


def _world(slope: float, seed: int) -> Texts:
    """200 texts in which the mean vector gets longer (slope above 0), shorter, or neither, with more tokens."""
    draw = random.Random(seed)
    typical = 20 + 7 * (seed % 8)  # how long they are says nothing: a claim has to look at both lists
    n_tokens = [draw.randint(5, 40) for _ in range(200)]
    return Texts(n_tokens, [typical + slope * n + draw.gauss(0, 2) for n in n_tokens])


def _judge_own(answer: Any) -> None:
    if not isinstance(answer, Claim):
        call(answer, _world(-0.3, 0))
        raise Wrong("this is no Claim; write @claim(...) above the function")
    measured = call(answer.measure, _world(-0.3, 0))
    if not isinstance(measured, dict):
        raise Wrong(f"the function returns {type(measured).__name__}; return a dictionary from names to numbers")
    missing = [c.quantity for c in (*answer.needs, *answer.limits) if c.quantity not in measured]
    if missing:
        raise Wrong(f"the rule asks for {missing[0]!r}, and the function returns {sorted(measured)}")
    try:
        falling, rising, flat = (
            [answer.verdict(call(answer.measure, _world(slope, seed))) for seed in range(count)]
            for slope, count in ((-0.3, 8), (0.3, 8), (0, 40))  # what holds by chance does so in some of 40
        )
    except (TypeError, ValueError) as error:
        raise Wrong(f"no verdict follows from what the function returns, {measured}: {error}") from None
    if {*falling, *rising, *flat} == {FAILS}:
        raise Wrong(
            "it says 'does not hold' even where the claim is true: a check that cannot pass. Is it too strict?"
        )
    if len({*falling, *rising, *flat}) == 1:
        raise Wrong(f"it says {falling[0]!r} whether the claim is true or false: a check that cannot fail")
    world = _world(-0.3, 0)
    if call(answer.measure, world._replace(n_tokens=world.n_tokens[::-1])) == measured:
        raise Wrong("it measures the same when the texts exchange their numbers of tokens; it has to use both lists")
    if HOLDS in rising or LIMIT in rising:
        raise Wrong("in texts whose vectors get longer with more tokens it holds; look at the sign")
    if FAILS in falling:
        raise Wrong("in texts whose vectors do get shorter with more tokens it does not hold; is it too strict?")
    if HOLDS in flat or LIMIT in flat:
        raise Wrong(
            "where lengths and tokens have nothing to do with each other it holds in some samples, by chance; put "
            "the threshold further from 0"
        )


def _judge_luck(function: Any) -> None:
    answers, expected, cases = [], [], []
    slips: dict[str, list[float]] = {}
    for seed, tries, n, chance, guessing in [
        (0, 400, 50, 0.5, 0.5),
        (1, 300, 63, 0.6, 0.5),
        (2, 200, 43, 0.4, 0.25),
        (3, 300, 150, 0.1, 0.05),
    ]:
        hits = (torch.rand(tries, n, generator=torch.Generator().manual_seed(seed)) < chance).float()
        answers.append(number(call(function, hits.clone(), guessing)))
        share = hits.mean(dim=1)
        spread = (share * (1 - share)).sqrt()
        error = 1.96 * spread / n**0.5
        held = share - error > guessing
        expected.append(_part(held))
        cases.append(f"{tries} tries with {n} questions each, and guessing={guessing}")
        columns = hits.mean(dim=0)
        for reason, value in {
            "that is the share of tries in which the claim does NOT hold": 1 - expected[-1],
            "that is their number; divide it by the number of tries": float(held.sum()),
            "that is the upper end of the interval; the lower end must be above guessing": _part(
                share + error > guessing
            ),
            "there the interval leaves guessing out, above OR below; the claim holds only above": _part(
                (share - guessing).abs() > error
            ),
            "the share itself is compared with guessing; compare the lower end, 1.96 standard errors below": _part(
                share > guessing
            ),
            "1.96 is missing: the lower end lies 1.96 standard errors below the share": _part(
                share - error / 1.96 > guessing
            ),
            "the standard error gets smaller with more questions: p (1 - p) is divided by n, under the root": _part(
                share - 1.96 * spread > guessing
            ),
            "only n is under the root here; a standard error is the root of all of p (1 - p) / n": _part(
                share - 1.96 * spread**2 / n**0.5 > guessing
            ),
            "here p is guessing; for the standard error take the share of each try": _part(
                share - 1.96 * (guessing * (1 - guessing) / n) ** 0.5 > guessing
            ),
            "the lower end is compared with 0.5; compare it with `guessing`": _part(share - error > 0.5),
            "n belongs under the root, too": _part(share - 1.96 * spread / n > guessing),
            "the root is missing: a standard error is the root of p (1 - p) / n": _part(
                share - 1.96 * spread**2 / n > guessing
            ),
            "n is the number of questions, hits.shape[1], and not that of the tries": _part(
                share - 1.96 * spread / tries**0.5 > guessing
            ),
            "a try is a row: take the mean over dim=1": _part(
                columns - 1.96 * (columns * (1 - columns) / tries).sqrt() > guessing
            ),
        }.items():
            slips.setdefault(reason, []).append(value)
    compare(answers, expected, slips, cases)


def _part(flags: Tensor) -> float:
    return flags.float().mean().item()


rule = Exercise(
    "rule-of-a-verdict",
    _judge_rule,
    [
        "Three verdicts need two comparisons. Which one comes first?",
        "First: is at_least above guessing? If not, it is decided. Then: is it above the rival?",
        f"if at_least <= guessing: return {FAILS!r}. Then return {HOLDS!r} if at_least > rival else {LIMIT!r}.",
    ],
)

flips = Exercise(
    "verdict-that-flips",
    _judge_flips,
    [
        "claim.verdict(...) can be asked twice: with what was measured, and with the changed copy.",
        "measured | {quantity: value} is a new dictionary; the old one stays.",
        "return claim.verdict(measured | {quantity: value}) != claim.verdict(measured)",
    ],
)

own_claim = Exercise(
    "own-claim",
    _judge_own,
    [
        "Which one number falls when the lengths fall with the tokens? A correlation does.",
        "numpy.corrcoef(evidence.n_tokens, evidence.lengths)[0, 1] lies between -1 and 1; 0 is no relation.",
        'Return {"correlation": float(...)} and ask for needs=[("correlation", "<", -0.3)].',
    ],
)

luck = Exercise(
    "verdict-by-luck",
    _judge_luck,
    [
        "One share for each try: hits.mean(dim=1). Then the lower end of each, and how many lie above guessing?",
        "error = (p * (1 - p) / n) ** 0.5, with p for the shares and n = hits.shape[1].",
        "(p - 1.96 * error > guessing).float().mean() is the share of tries in which the claim holds.",
    ],
)
