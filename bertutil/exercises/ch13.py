"""The exercises of chapter 13: a rule, a check that can fail, and a claim of one's own."""

import random
from typing import Any, NamedTuple

from bertutil import ledger
from bertutil.exercises import Exercise, Wrong, call
from bertutil.ledger import FAILS, HOLDS, LIMIT, VERDICTS, Claim, claim


class Texts(NamedTuple):
    """The evidence of exercise 13.3: for each text its tokens, counted, and the length of the mean of its vectors."""

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
        if not isinstance(answer, str) or answer not in VERDICTS:
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
    @claim("x", chapter=13, needs=[("a", ">", 0), ("b", "=", "yes")], limits=[("c", "<", 0.5)])
    def c00(evidence: Any) -> ledger.Measured:
        """A claim.

        A test.
        """
        return {}

    cases: list[tuple[dict[str, ledger.Value], str, ledger.Value, bool]] = [
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
    n_tokens = [draw.randint(5, 40) for _ in range(200)]
    return Texts(n_tokens, [20 + slope * n + draw.gauss(0, 2) for n in n_tokens])


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
            [answer.verdict(call(answer.measure, _world(slope, seed))) for seed in range(8)]
            for slope in (-0.3, 0.3, 0)
        )
    except (TypeError, ValueError) as error:
        raise Wrong(f"no verdict follows from what the function returns, {measured}: {error}") from None
    if {*falling, *rising, *flat} == {FAILS}:
        raise Wrong(
            "it says 'does not hold' even where the claim is true: a check that cannot pass. Is it too strict?"
        )
    if len({*falling, *rising, *flat}) == 1:
        raise Wrong(f"it says {falling[0]!r} whether the claim is true or false: a check that cannot fail")
    if HOLDS in rising or LIMIT in rising:
        raise Wrong("in texts whose vectors get longer with more tokens it holds; look at the sign")
    if FAILS in falling:
        raise Wrong("in texts whose vectors do get shorter with more tokens it does not hold; is it too strict?")
    if HOLDS in flat or LIMIT in flat:
        raise Wrong(
            "where lengths and tokens have nothing to do with each other it holds in some samples, by chance; put "
            "the threshold further from 0"
        )


rule = Exercise(
    _judge_rule,
    [
        "Three verdicts need two comparisons. Which one comes first?",
        "First: is at_least above guessing? If not, it is decided. Then: is it above the rival?",
        f"if at_least <= guessing: return {FAILS!r}. Then return {HOLDS!r} if at_least > rival else {LIMIT!r}.",
    ],
)

flips = Exercise(
    _judge_flips,
    [
        "claim.verdict(...) can be asked twice: with what was measured, and with the changed copy.",
        "measured | {quantity: value} is a new dictionary; the old one stays.",
        "return claim.verdict(measured | {quantity: value}) != claim.verdict(measured)",
    ],
)

own_claim = Exercise(
    _judge_own,
    [
        "Which one number falls when the lengths fall with the tokens? A correlation does.",
        "numpy.corrcoef(evidence.n_tokens, evidence.lengths)[0, 1] lies between -1 and 1; 0 is no relation.",
        'Return {"correlation": float(...)} and ask for needs=[("correlation", "<", -0.3)].',
    ],
)
