"""Exercises of chapter 7: guessing, the nearest middle, the gap without the mean, words found again."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from bertutil.course.exercises import Exercise, call, compare, number


def _judge_guess(function: Any) -> None:
    cases = [[20, 4], [12, 12], [12, 12, 12], [3, 5, 2], [1, 9]]
    answers = [number(call(function, list(counts))) for counts in cases]

    def each(share: Callable[[list[int], int], float]) -> list[float]:
        """share(counts, their sum) for each case."""
        return [share(counts, sum(counts)) for counts in cases]

    right = each(lambda c, n: sum(k * (k - 1) for k in c) / (n * (n - 1)))
    slips: dict[str, Sequence[float]] = {
        "this is 1 divided by the number of senses; but senses need not be equally frequent, and the sentence itself "
        "is left out": each(lambda c, n: 1 / len(c)),
        "the sentence itself is still among those to pick from: take one away above and below": each(
            lambda c, n: sum((k / n) ** 2 for k in c)
        ),
        "the sentence is left out of its own sense, but not of all sentences: there are n - 1 to pick from": each(
            lambda c, n: sum(k * (k - 1) for k in c) / n**2
        ),
        "the sentence is left out of all sentences, but not of its own sense, which has one fewer to pick": each(
            lambda c, n: sum(k * k for k in c) / (n * (n - 1))
        ),
        "this is right where all senses are equally frequent; here they are not, so weigh each sense by how many of "
        "the sentences are of it": each(lambda c, n: sum((k - 1) / (n - 1) for k in c) / len(c)),
        "the shares of the senses are added up; weigh each one by how many of the sentences are of that sense": each(
            lambda c, n: sum((k - 1) / (n - 1) for k in c)
        ),
        "this looks at the first sense only": each(lambda c, n: (c[0] - 1) / (n - 1)),
        "this looks at the most frequent sense only": each(lambda c, n: (max(c) - 1) / (n - 1)),
        "this is what always naming the most frequent sense would reach; the pick here is random": each(
            lambda c, n: max(c) / n
        ),
        "one sentence is left out, so n - 1 are left to pick from, whatever the number of senses": each(
            lambda c, n: sum(k * (k - 1) for k in c) / (n * (n - len(c)))
        ),
        "these are pairs of the same sense; divide by all pairs, n * (n - 1)": each(
            lambda c, n: sum(k * (k - 1) for k in c)
        ),
        "a pair is counted once above and twice below: divide k * (k - 1) / 2 by n * (n - 1) / 2": [
            v / 2 for v in right
        ],
        "this divides by n - 1 only; divide by n, too, for the mean over the sentences": each(
            lambda c, n: sum(k * (k - 1) for k in c) / (n - 1)
        ),
        "this divides by n only; each sentence has n - 1 others to pick from": each(
            lambda c, n: sum(k * (k - 1) for k in c) / n
        ),
        "this looks at the first two senses only; there may be more": each(
            lambda c, n: sum(k * (k - 1) for k in c[:2]) / (n * (n - 1))
        ),
        "this takes all other pairs to be of the same sense, which needs two senses; there may be more": each(
            lambda c, n: 1 - 2 * c[0] * c[1] / (n * (n - 1))
        ),
        "this is for two senses that are equally frequent; use the counts": each(lambda c, n: (n / 2 - 1) / (n - 1)),
        "each sense counts once; weigh it by its k sentences, k * (k - 1)": each(
            lambda c, n: sum((k - 1) / (n - 1) for k in c) / n
        ),
        "this looks at the most frequent sense, and the sentence itself is still in it": each(
            lambda c, n: max(c) / (n - 1)
        ),
        "this is the chance to pick one sentence; how many of the others have the same sense?": each(
            lambda c, n: 1 / (n - 1)
        ),
        "this is the share of wrong guesses": [1 - value for value in right],
    }
    compare(answers, right, slips, [f"counts {counts}" for counts in cases])


def _clusters(seed: int) -> tuple[Tensor, list[str]]:
    """Vectors of three overlapping senses in shuffled order, of very different lengths, with a common direction."""
    generator = torch.Generator().manual_seed(seed)
    labels = [("river", "money", "row")[int(i)] for i in torch.randint(3, (18,), generator=generator)]
    labels += ["river", "river", "money", "money", "row", "row"]
    middles = {name: torch.randn(6, generator=generator) for name in ("river", "money", "row")}
    common = 2 * torch.randn(6, generator=generator)
    rows = [middles[name] + 1.1 * torch.randn(6, generator=generator) + common for name in labels]
    lengths = torch.rand(len(rows), 1, generator=generator) * 8 + 0.2
    return torch.stack(rows) * lengths, labels


def _middles(vectors: Tensor, labels: list[str], leave_out: bool = True, measure: str = "cosine") -> float:
    """The share of rows that are nearest to the middle of their own sense."""
    names = sorted(set(labels))
    hits = 0
    for i, label in enumerate(labels):
        rows = {
            name: [j for j, other in enumerate(labels) if other == name and (j != i or not leave_out)]
            for name in names
        }
        middles = torch.stack([vectors[rows[name]].mean(dim=0) for name in names])
        if measure == "each":
            cosines = torch.cosine_similarity(vectors, vectors[i], dim=1)
            scores = torch.stack([cosines[rows[name]].mean() for name in names])
        elif measure in ("cosine", "furthest"):
            scores = torch.cosine_similarity(middles, vectors[i], dim=1) * (1 if measure == "cosine" else -1)
        else:
            scores = middles @ vectors[i] if measure == "dot" else -(middles - vectors[i]).norm(dim=1)
        hits += names[int(scores.argmax())] == label
    return hits / len(labels)


def _neighbours(vectors: Tensor, labels: list[str]) -> float:
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    nearest = (unit @ unit.T).fill_diagonal_(-2).argmax(dim=1).tolist()
    return float(sum(labels[i] == labels[j] for i, j in enumerate(nearest)) / len(labels))


def _judge_middle(function: Any) -> None:
    answers, expected = [], []
    slips: dict[str, list[float]] = {}
    for seed in (1, 2, 3, 4, 5):
        vectors, labels = _clusters(seed)
        answers.append(number(call(function, vectors, list(labels))))
        right = _middles(vectors, labels)
        unit = vectors / vectors.norm(dim=1, keepdim=True)
        expected.append(right)
        for reason, value in {
            "the sentence itself is still in the middle of its own sense and pulls it to itself; take it out before "
            "you take the mean": _middles(vectors, labels, leave_out=False),
            "the nearest middle is looked for by the dot product; the task is the cosine": _middles(
                vectors, labels, measure="dot"
            ),
            "the nearest middle is looked for by distance; the task is the cosine": _middles(
                vectors, labels, measure="distance"
            ),
            "the vectors are scaled to length 1 before the mean; take the mean of the vectors as they are": _middles(
                unit, labels
            ),
            "this looks for the nearest sentence, not for the nearest middle": _neighbours(vectors, labels),
            "this is the mean of the cosines with each sentence; take the mean of the vectors first, and one cosine "
            "with it": _middles(vectors, labels, measure="each"),
            "every sentence is a hit: does it find itself? It must not be among those it is compared with": 1,
            "this is the number of hits; divide it by the number of sentences": right * len(labels),
            "the middle that is furthest away is taken; the nearest one has the HIGHEST cosine": _middles(
                vectors, labels, measure="furthest"
            ),
            "a common mean is taken out first; the task is the cosine of the vectors as they are": _middles(
                vectors - vectors.mean(dim=0), labels
            ),
            "one sentence is left out at a time, but all of them are tried: divide by n, not by n - 1": (
                right * len(labels) / (len(labels) - 1)
            ),
            "this is the share of misses": 1 - right,
        }.items():
            slips.setdefault(reason, []).append(value)
    compare(answers, expected, slips, ["24 vectors of three senses"] * len(answers))


def _gap(vectors: Tensor, labels: list[str], keep_self: bool = False, scale: bool = True) -> tuple[float, float]:
    """Mean cosines (without `scale`: dot products) of the same sense and of different senses."""
    unit = vectors / vectors.norm(dim=1, keepdim=True) if scale else vectors
    cosines = unit @ unit.T
    same = torch.tensor([[a == b for b in labels] for a in labels])
    pairs = same if keep_self else same & ~torch.eye(len(labels), dtype=torch.bool)
    return float(cosines[pairs].mean()), float(cosines[~same].mean())


def _judge_gap(function: Any) -> None:
    answers, expected = [], []
    slips: dict[str, list[float]] = {}
    for seed in (4, 5, 6):
        vectors, labels = _clusters(seed)
        background = _clusters(seed + 10)[0] / 3 + vectors.mean(dim=0)
        answers.append(number(call(function, vectors, list(labels), background)))
        mean = background.mean(dim=0)
        same, different = _gap(vectors - mean, labels)
        raw_same, raw_different = _gap(vectors, labels)
        with_self, _ = _gap(vectors - mean, labels, keep_self=True)
        own_same, own_different = _gap(vectors - vectors.mean(dim=0), labels)
        unit = vectors / vectors.norm(dim=1, keepdim=True)
        late_same, late_different = _gap(unit - mean, labels)
        units_mean = (background / background.norm(dim=1, keepdim=True)).mean(dim=0)
        units_same, units_different = _gap(unit - units_mean, labels)
        raw_with_self, _ = _gap(vectors, labels, keep_self=True)
        float_same, float_different = _gap(vectors - background.mean(), labels)
        added_same, added_different = _gap(vectors + mean, labels)
        dot_same, dot_different = _gap(vectors - mean, labels, scale=False)
        centred = (vectors - mean) / (vectors - mean).norm(dim=1, keepdim=True)
        every = float((centred @ centred.T).mean())
        expected.append(same - different)
        for reason, value in {
            "the mean of the background has not been removed": raw_same - raw_different,
            "each vector's cosine with itself, which is 1, is among the pairs of the same sense; leave the diagonal "
            "out": with_self - different,
            "you remove the mean of the vectors themselves; the task is the mean of the background": (
                own_same - own_different
            ),
            "the vectors are scaled to length 1 before the mean is removed; remove it first": (
                late_same - late_different
            ),
            "vectors and background are scaled to length 1 before the mean is removed; remove it first": (
                units_same - units_different
            ),
            "the mean is one number here; take the mean over the rows of the background, .mean(dim=0)": (
                float_same - float_different
            ),
            "these are dot products; divide the vectors by their lengths first": dot_same - dot_different,
            "this is the ratio of the two; the task is their difference": same / different,
            "this is minus the mean of ALL cosines; the task is minus that of different senses": same - every,
            "the mean has not been removed, and each vector's cosine with itself is among the pairs": (
                raw_with_self - raw_different
            ),
            "the mean of the background is added; subtract it": added_same - added_different,
            "this is different minus same; the task is same minus different": different - same,
            "this is the mean cosine of the same sense; subtract the one of different senses": same,
            "this is the mean cosine of different senses; the task is same minus different": different,
        }.items():
            slips.setdefault(reason, []).append(value)
    compare(answers, expected, slips, ["24 vectors of three senses"] * len(answers))


def _split_words(seed: int) -> tuple[list[Tensor], list[Tensor]]:
    """12 words as pieces, and the same words in other sentences with 20 more behind them; words share pieces."""
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.randn(16, 6, generator=generator) + torch.randn(6, generator=generator)
    words: list[Tensor] = []
    texts: list[Tensor] = []
    for i in range(32):
        chosen = torch.randint(16, (1 + i % 3,), generator=generator)
        for kept in (words, texts) if i < 12 else (texts,):
            pieces = kinds[chosen] + 0.5 * torch.randn(len(chosen), 6, generator=generator)
            kept.append(pieces * (0.3 + 3 * torch.rand(1, generator=generator)))
    return words, texts


WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda pieces: pieces.mean(dim=0),
    "first": lambda pieces: pieces[0],
    "last": lambda pieces: pieces[-1],
    "max": lambda pieces: pieces.amax(dim=0),
}


def _found(words: list[Tensor], texts: list[Tensor], way: str, other: str = "", measure: str = "cosine") -> float:
    """The share of words found again; `other` is the way of the texts where it is not the same."""
    one = torch.stack([WAYS[way](word) for word in words])
    two = torch.stack([WAYS[other or way](word) for word in texts])
    if measure == "distance":
        scores = -torch.cdist(one, two)
    else:
        scores = one @ two.T if measure == "dot" else torch.cosine_similarity(one[:, None], two[None], dim=2)
    best = scores.argmin(dim=1) if measure == "furthest" else scores.argmax(dim=1)
    return float((best == torch.arange(len(words))).double().mean())


def _judge_found(function: Any) -> None:
    answers, expected, cases = [], [], []
    slips: dict[str, list[float]] = {}
    for seed, way in enumerate(["mean", "first", "last"] * 2):
        words, texts = _split_words(seed)
        cases.append(f"12 words among 32, way {way!r},")
        answers.append(number(call(function, words, texts, way)))
        right = _found(words, texts, way)
        expected.append(right)
        n = len(words)
        for reason, value in {
            "this takes the mean, whatever `way` says": _found(words, texts, "mean"),
            "this takes the first piece, whatever `way` says": _found(words, texts, "first"),
            "this takes the last piece, whatever `way` says": _found(words, texts, "last"),
            "first and last are exchanged: pieces[0] is the first, pieces[-1] the last": _found(
                words, texts, {"mean": "mean", "first": "last", "last": "first"}[way]
            ),
            "for 'mean' this takes the largest value of each feature": _found(
                words, texts, "max" if way == "mean" else way
            ),
            "the words are joined by `way`, but the texts by their mean; join both in the same way": _found(
                words, texts, way, "mean"
            ),
            "this looks for the largest dot product; the task is the cosine": _found(
                words, texts, way, measure="dot"
            ),
            "this looks for the smallest distance; the task is the cosine": _found(
                words, texts, way, measure="distance"
            ),
            "the text that is furthest away is taken; the nearest one has the HIGHEST cosine": _found(
                words, texts, way, measure="furthest"
            ),
            "the texts behind the words are left out; look among ALL texts": _found(words, texts[:n], way),
            "this looks for each text among the words; look for each word among the texts": _found(
                texts[:n], words, way
            ),
            "every word is found: are the words looked for among themselves? Look among the texts": 1,
            "this is the number of words found; divide it by how many are looked for": right * n,
            "divide by the number of words that are looked for, not by the number of texts": right * n / len(texts),
            "this is the share of words that are NOT found": 1 - right,
        }.items():
            slips.setdefault(reason, []).append(value)
    compare(answers, expected, slips, cases)


guess = Exercise(
    "chance-of-a-sense",
    _judge_guess,
    [
        "Take one sentence out. How many sentences are left to pick from, and how many of them have its sense?",
        "For a sense with k of the n sentences, the pick is right with the share (k - 1) / (n - 1). How many "
        "sentences have this sense?",
        "Add up k * (k - 1) over the senses, and divide by n * (n - 1).",
    ],
)
middle = Exercise(
    "nearest-middle",
    _judge_middle,
    [
        "For each sentence, one mean for each sense. For its own sense, take the sentence out of the list first.",
        "For row i: rows = [j for j in range(n) if labels[j] == sense and j != i], then the mean of vectors[rows].",
        "Compare torch.cosine_similarity(vectors[i], middle, dim=0) of all senses; count how often labels[i] has the "
        "largest, and divide by n.",
    ],
)
gap = Exercise(
    "gap-without-the-mean",
    _judge_gap,
    [
        "First subtract the mean row of the background, then take all cosines, then two means over pairs.",
        "Make a table [n, n] that is True where two labels are the same. The diagonal belongs to neither mean.",
        "same[i][j] = labels[i] == labels[j]; cosines[same & ~eye].mean() - cosines[~same].mean(), where eye is "
        "torch.eye(n).bool().",
    ],
)
found_again = Exercise(
    "words-found-again",
    _judge_found,
    [
        "First make one vector of each list of pieces, in the same way on both sides. Then it is a search by cosine.",
        "A dictionary helps: {'mean': p.mean(dim=0), 'first': p[0], 'last': p[-1]}[way]. torch.stack makes the rows.",
        "bertutil.cosine_similarity(one, two).argmax(dim=1) are the nearest texts. Word i is found where number i of "
        "them is i: compare with torch.arange(len(words)), and take the mean.",
    ],
)
