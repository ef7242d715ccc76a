"""Right and wrong answers to the exercises of chapter 15; a wrong one with a part of the reply that it deserves."""

import numpy as np

from bertutil.course.exercises import ch15
from bertutil.course.ledger.rules import claim


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

    return claim("me", chapter="claims", needs=needs)(c39)


def correlation(evidence):
    return {"r": float(np.corrcoef(evidence.n_tokens, evidence.lengths)[0, 1])}


def halves(evidence):
    order = np.argsort(evidence.n_tokens)
    lengths = np.array(evidence.lengths)[order]
    return {"short minus long": float(lengths[:100].mean() - lengths[100:].mean())}


def luck(hits, guessing, *, dim=1, root=0.5, times=1.96):
    """Right as it is; the options make it wrong."""
    p, n = hits.mean(dim=dim), hits.shape[dim]
    return (p - times * (p * (1 - p) / n) ** root > guessing).float().mean()


def luck_with(hits, guessing, error):
    p = hits.mean(dim=1)
    return (p - 1.96 * error(p, hits.shape[1]) > guessing).float().mean()


def luck_one_by_one(hits, guessing):
    held = 0
    for row in hits.tolist():
        p = sum(row) / len(row)
        held += p - 1.96 * (p * (1 - p)) ** 0.5 / len(row) ** 0.5 > guessing
    return held / len(hits)


def luck_by_spread(hits, guessing):
    error = hits.std(dim=1) / hits.shape[1] ** 0.5
    return (hits.mean(dim=1) - 2 * error > guessing).double().mean()


def covers(hits, guessing):
    p = hits.mean(dim=1)
    return ((p - guessing).abs() > 1.96 * (p * (1 - p) / hits.shape[1]) ** 0.5).float().mean()


RIGHT = [
    (ch15.rule, rule),
    (ch15.rule, rule_otherwise),
    (ch15.flips, flips),
    (ch15.flips, flips_otherwise),
    (ch15.own_claim, made(correlation, ("r", "<", -0.3))),
    (ch15.own_claim, made(halves, ("short minus long", ">", 1.5))),
    (ch15.luck, luck),
    (ch15.luck, luck_one_by_one),
    (ch15.luck, luck_by_spread),
]

WRONG = [
    (ch15.rule, lambda a, g, r: "holds", "a check that cannot fail"),
    (ch15.rule, lambda a, g, r: a > g, "there are three verdicts"),
    (ch15.rule, lambda a, g, r: "maybe", "it must be 'holds'"),
    (ch15.rule, lambda a, g, r: "holds" if a > g else "does not hold", "that is the limit"),
    (ch15.rule, lambda a, g, r: rule(a + 1e-9, g, r), "not better than guessing"),
    (ch15.rule, lambda a, g, r: rule(a, g, r - 1e-9), "not better than the rival"),
    (ch15.rule, lambda a, g, r: "holds" if a > r else rule(a, g, r), "Guessing comes first"),
    (ch15.flips, in_place, "changes the dictionary"),
    (ch15.flips, lambda *given: not flips(*given), "the wrong way round"),
    (ch15.flips, lambda c, m, q, v: c.verdict(m | {q: v}) == "does not hold", "compare it with the verdict before"),
    (ch15.flips, lambda c, m, q, v: c.verdict(m | {q: v}) != "holds", "compare it with the verdict before"),
    (ch15.flips, lambda c, m, q, v: c.verdict(m | {q: v}), "True or False is asked for"),
    (ch15.flips, lambda c, m, q, v: m[q] != v, "the verdict goes from"),
    (ch15.own_claim, correlation, "write @claim(...) above"),
    (ch15.own_claim, made(correlation, ("r", ">", 0.3)), "look at the sign"),
    (ch15.own_claim, made(correlation, ("r", "<", 2)), "a check that cannot fail"),
    (ch15.own_claim, made(lambda evidence: {"r": -1}, ("r", "<", 0)), "a check that cannot fail"),
    (ch15.own_claim, made(correlation, ("r", "<", 0)), "by chance"),
    (ch15.own_claim, made(correlation, ("r", "<", -0.99)), "a check that cannot pass"),
    (ch15.own_claim, made(correlation, ("rho", "<", -0.3)), "the rule asks for 'rho'"),
    (ch15.own_claim, made(lambda evidence: correlation(evidence)["r"], ("r", "<", -0.3)), "return a dictionary"),
    (ch15.own_claim, made(lambda evidence: {"r": evidence.typo}, ("r", "<", 0)), "AttributeError"),
    (ch15.own_claim, made(lambda evidence: {"r": float("nan")}, ("r", "<", 0)), "no verdict follows"),
    (ch15.own_claim, made(lambda evidence: {"r": "x"}, ("r", "<", 0)), "no verdict follows"),
    (ch15.own_claim, made(lambda e: {"mean": float(np.mean(e.lengths))}, ("mean", "<", 18)), "Not right yet"),
    (ch15.own_claim, made(lambda e: {"mean": float(np.mean(e.lengths))}, ("mean", "<", 30)), "use both lists"),
    (ch15.own_claim, made(lambda e: {"d": e.lengths[0] - e.lengths[-1]}, ("d", ">", 0)), "use both lists"),
    (ch15.own_claim, made(correlation, ("r", "<", -0.05)), "by chance"),
    (ch15.own_claim, made(correlation, ("r", "<", -0.1)), "by chance"),
    (
        ch15.luck,
        lambda hits, guessing: luck_with(hits, guessing, lambda p, n: p * (1 - p) / n**0.5),
        "only n is under",
    ),
    (ch15.luck, lambda hits, g: luck_with(hits, g, lambda p, n: (g * (1 - g) / n) ** 0.5), "here p is guessing"),
    (ch15.luck, lambda hits, guessing: luck(hits, 0.5), "compared with 0.5"),
    (ch15.luck, lambda hits, guessing: 1 - luck(hits, guessing), "does NOT hold"),
    (ch15.luck, lambda hits, guessing: luck(hits, guessing) * len(hits), "that is their number"),
    (ch15.luck, lambda hits, guessing: luck(hits, guessing, times=-1.96), "the upper end"),
    (ch15.luck, covers, "above OR below"),
    (ch15.luck, lambda hits, guessing: luck(hits, guessing, times=0), "compare the lower end"),
    (ch15.luck, lambda hits, guessing: luck(hits, guessing, times=1), "1.96 is missing"),
    (ch15.luck, lambda hits, guessing: luck(hits, guessing, root=1), "the root is missing"),
    (
        ch15.luck,
        lambda hits, guessing: luck(hits, guessing, times=1.96 * hits.shape[1] ** 0.5),
        "gets smaller with more questions",
    ),
    (
        ch15.luck,
        lambda hits, guessing: luck(hits, guessing, times=1.96 / hits.shape[1] ** 0.5),
        "n belongs under the root",
    ),
    (ch15.luck, lambda hits, guessing: luck(hits, guessing, dim=0), "dim=1"),
    (
        ch15.luck,
        lambda hits, guessing: luck(hits, guessing, times=1.96 * (hits.shape[1] / len(hits)) ** 0.5),
        "not that of the tries",
    ),
    (ch15.luck, lambda hits, guessing: hits.mean(dim=1), "return one number"),
    (ch15.luck, lambda hits, guessing: 0.025, "in every case"),
]
