"""Right and wrong answers to the exercises of chapter 13; a wrong one with a part of the reply that it deserves."""

import numpy as np

from bertutil.exercises import ch13
from bertutil.ledger import claim


def rule(at_least, guessing, rival):
    if at_least <= guessing:
        return "does not hold"
    return "holds" if at_least > rival else "holds with a limit"


def rule_otherwise(at_least, guessing, rival):
    return ["does not hold", "holds with a limit", "holds"][
        (at_least > guessing) + (at_least > guessing and at_least > rival)
    ]


def flips(entry, measured, quantity, value):
    return entry.verdict(measured | {quantity: value}) != entry.verdict(measured)


def flips_otherwise(entry, measured, quantity, value):
    changed = dict(measured)
    changed[quantity] = value
    return len({entry.verdict(measured), entry.verdict(changed)}) == 2


def in_place(entry, measured, quantity, value):
    before = entry.verdict(measured)
    measured[quantity] = value
    return entry.verdict(measured) != before


def made(measure, *needs):
    """A claim with this measurement and these conditions."""

    def c39(evidence):
        """A claim.

        A test.
        """
        return measure(evidence)

    return claim("me", chapter=13, needs=needs)(c39)


def correlation(evidence):
    return {"r": float(np.corrcoef(evidence.n_tokens, evidence.lengths)[0, 1])}


def halves(evidence):
    order = np.argsort(evidence.n_tokens)
    lengths = np.array(evidence.lengths)[order]
    return {"short minus long": float(lengths[:100].mean() - lengths[100:].mean())}


RIGHT = [
    (ch13.rule, rule),
    (ch13.rule, rule_otherwise),
    (ch13.flips, flips),
    (ch13.flips, flips_otherwise),
    (ch13.own_claim, made(correlation, ("r", "<", -0.3))),
    (ch13.own_claim, made(halves, ("short minus long", ">", 1.5))),
]

WRONG = [
    (ch13.rule, lambda a, g, r: "holds", "a check that cannot fail"),
    (ch13.rule, lambda a, g, r: a > g, "there are three verdicts"),
    (ch13.rule, lambda a, g, r: "maybe", "it must be 'holds'"),
    (ch13.rule, lambda a, g, r: "holds" if a > g else "does not hold", "that is the limit"),
    (ch13.rule, lambda a, g, r: rule(a + 1e-9, g, r), "not better than guessing"),
    (ch13.rule, lambda a, g, r: rule(a, g, r - 1e-9), "not better than the rival"),
    (ch13.rule, lambda a, g, r: "holds" if a > r else rule(a, g, r), "Guessing comes first"),
    (ch13.flips, in_place, "changes the dictionary"),
    (ch13.flips, lambda *given: not flips(*given), "the wrong way round"),
    (ch13.flips, lambda c, m, q, v: c.verdict(m | {q: v}) == "does not hold", "compare it with the verdict before"),
    (ch13.flips, lambda c, m, q, v: c.verdict(m | {q: v}) != "holds", "compare it with the verdict before"),
    (ch13.flips, lambda c, m, q, v: c.verdict(m | {q: v}), "True or False is asked for"),
    (ch13.flips, lambda c, m, q, v: m[q] != v, "the verdict goes from"),
    (ch13.own_claim, correlation, "write @claim(...) above"),
    (ch13.own_claim, made(correlation, ("r", ">", 0.3)), "look at the sign"),
    (ch13.own_claim, made(correlation, ("r", "<", 2)), "a check that cannot fail"),
    (ch13.own_claim, made(lambda evidence: {"r": -1}, ("r", "<", 0)), "a check that cannot fail"),
    (ch13.own_claim, made(correlation, ("r", "<", 0)), "by chance"),
    (ch13.own_claim, made(correlation, ("r", "<", -0.99)), "a check that cannot pass"),
    (ch13.own_claim, made(correlation, ("rho", "<", -0.3)), "the rule asks for 'rho'"),
    (ch13.own_claim, made(lambda evidence: correlation(evidence)["r"], ("r", "<", -0.3)), "return a dictionary"),
    (ch13.own_claim, made(lambda evidence: {"r": evidence.typo}, ("r", "<", 0)), "AttributeError"),
    (ch13.own_claim, made(lambda evidence: {"r": float("nan")}, ("r", "<", 0)), "no verdict follows"),
    (ch13.own_claim, made(lambda evidence: {"r": "x"}, ("r", "<", 0)), "no verdict follows"),
]
