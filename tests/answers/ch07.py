"""Right and wrong answers to the exercises of chapter 7; a wrong one with a part of the reply that it deserves."""

import torch

from bertutil import cosine_similarity, remove_mean
from bertutil.course.exercises import ch07


def guess_solution(counts):
    n = sum(counts)
    return sum(k * (k - 1) for k in counts) / (n * (n - 1))


def guess_by_counting(counts):
    labels = [sense for sense, k in enumerate(counts) for _ in range(k)]
    pairs = [(a, b) for i, a in enumerate(labels) for j, b in enumerate(labels) if i != j]
    return sum(a == b for a, b in pairs) / len(pairs)


def middle_solution(vectors, labels):
    hits = 0
    for i in range(len(labels)):
        cosines = {}
        for sense in set(labels):
            rows = [j for j in range(len(labels)) if labels[j] == sense and j != i]
            cosines[sense] = torch.cosine_similarity(vectors[i], vectors[rows].mean(dim=0), dim=0)
        hits += max(cosines, key=cosines.get) == labels[i]
    return hits / len(labels)


def middle_by_sums(vectors, labels, leave_out=True):
    """All at once: a sense's sum, less the sentence itself, points the same way as its mean."""
    names = sorted(set(labels))
    own = torch.tensor([[float(label == name) for name in names] for label in labels])
    sums = (own.T @ vectors)[None] - (own[:, :, None] * vectors[:, None] if leave_out else 0)
    scores = torch.cosine_similarity(sums, vectors[:, None], dim=2)
    return (scores.argmax(dim=1) == own.argmax(dim=1)).float().mean()


def middle_with(vectors, labels, score):
    hits = 0
    for i, label in enumerate(labels):
        rows = {s: [j for j, other in enumerate(labels) if other == s and j != i] for s in sorted(set(labels))}
        scores = {s: float(score(vectors[i], vectors[found].mean(dim=0))) for s, found in rows.items()}
        hits += max(scores, key=scores.get) == label
    return hits / len(labels)


def nearest_sentence(vectors, labels):
    nearest = cosines(vectors).fill_diagonal_(-1).argmax(dim=1).tolist()
    return sum(labels[i] == labels[j] for i, j in enumerate(nearest)) / len(labels)


def gap_solution(vectors, labels, background):
    cosines = cosine_similarity(remove_mean(vectors, background.mean(dim=0)))
    same = torch.tensor([[a == b for b in labels] for a in labels])
    other = ~torch.eye(len(labels), dtype=torch.bool)
    return cosines[same & other].mean() - cosines[~same].mean()


def gap_with_loops(vectors, labels, background):
    vectors = vectors - background.mean(dim=0)
    found = {True: [], False: []}
    for i in range(len(labels)):
        for j in range(i):
            found[labels[i] == labels[j]].append(torch.cosine_similarity(vectors[i], vectors[j], dim=0))
    return float(torch.stack(found[True]).mean() - torch.stack(found[False]).mean())


def cosines(vectors):
    return cosine_similarity(vectors)


def halves(vectors, labels, with_self=False):
    table, same = cosines(vectors), torch.tensor([[a == b for b in labels] for a in labels])
    own = same if with_self else same & ~torch.eye(len(labels), dtype=torch.bool)
    return float(table[own].mean()), float(table[~same].mean())


def scaled_too_early(vectors, labels, background):
    same, different = halves(vectors / vectors.norm(dim=1, keepdim=True) - background.mean(dim=0), labels)
    return same - different


def mean_cosine_to_each(vectors, labels):
    table, hits = cosines(vectors), 0
    for i, label in enumerate(labels):
        scores = {
            name: table[i, [j for j, other in enumerate(labels) if other == name and j != i]].mean()
            for name in set(labels)
        }
        hits += max(scores, key=scores.get) == label
    return hits / len(labels)


def in_place(vectors, labels, *_):
    vectors /= vectors.norm(dim=1, keepdim=True)
    return 0.5


def joined(pieces, way):
    return {"mean": pieces.mean(dim=0), "first": pieces[0], "last": pieces[-1], "max": pieces.amax(dim=0)}[way]


def found_solution(words, texts, way, other=None):
    one = torch.stack([joined(word, way) for word in words])
    two = torch.stack([joined(word, other or way) for word in texts])
    nearest = cosine_similarity(one, two).argmax(dim=1)
    return (nearest == torch.arange(len(words))).float().mean()


def found_with_loops(words, texts, way):
    hits = 0
    for i, word in enumerate(words):
        scores = []
        for text in texts:
            a, b = (p.sum(0) if way == "mean" else p[0] if way == "first" else p[len(p) - 1] for p in (word, text))
            scores.append(float(a @ b / (a.norm() * b.norm())))
        hits += scores.index(max(scores)) == i
    return hits / len(words)


def found_by(words, texts, way, score):
    one, two = (torch.stack([joined(word, way) for word in side]) for side in (words, texts))
    return (score(one, two).argmax(dim=1) == torch.arange(len(words))).float().mean()


RIGHT = [
    (ch07.found_again, found_solution),
    (ch07.found_again, found_with_loops),
    (ch07.guess, guess_solution),
    (ch07.guess, guess_by_counting),
    (ch07.middle, middle_solution),
    (ch07.middle, middle_by_sums),
    (ch07.gap, gap_solution),
    (ch07.gap, gap_with_loops),
]

WRONG = [
    (ch07.guess, lambda c: guess_solution(c) / 2, "once above and twice below"),
    (ch07.guess, lambda c: guess_solution(c) * sum(c), "divide by n, too"),
    (ch07.guess, lambda c: guess_solution(c) * (sum(c) - 1), "n - 1 others"),
    (ch07.guess, lambda c: sum(k * (k - 1) for k in c[:2]) / (sum(c) * (sum(c) - 1)), "the first two senses only"),
    (ch07.guess, lambda c: 1 - 2 * c[0] * c[1] / (sum(c) * (sum(c) - 1)), "which needs two senses"),
    (ch07.guess, lambda c: (sum(c) / 2 - 1) / (sum(c) - 1), "two senses that are equally frequent"),
    (ch07.guess, lambda c: sum((k - 1) / (sum(c) - 1) for k in c) / sum(c), "each sense counts once"),
    (ch07.guess, lambda c: max(c) / (sum(c) - 1), "still in it"),
    (ch07.guess, lambda c: 1 / (sum(c) - 1), "the chance to pick one sentence"),
    (ch07.found_again, lambda w, t, way: found_solution(w, t, "mean"), "takes the mean, whatever"),
    (ch07.found_again, lambda w, t, way: found_solution(w, t, "first"), "takes the first piece, whatever"),
    (ch07.found_again, lambda w, t, way: found_solution(w, t, "last"), "takes the last piece, whatever"),
    (
        ch07.found_again,
        lambda w, t, way: found_solution([p.flip(0) for p in w], [p.flip(0) for p in t], way),
        "are exchanged",
    ),
    (ch07.found_again, lambda w, t, way: found_solution(w, t, "max" if way == "mean" else way), "largest value"),
    (ch07.found_again, lambda w, t, way: found_solution(w, t, way, "mean"), "the texts by their mean"),
    (ch07.found_again, lambda w, t, way: found_by(w, t, way, lambda a, b: a @ b.T), "dot product"),
    (ch07.found_again, lambda w, t, way: found_by(w, t, way, lambda a, b: -torch.cdist(a, b)), "smallest distance"),
    (
        ch07.found_again,
        lambda w, t, way: found_by(w, t, way, lambda a, b: -cosine_similarity(a, b)),
        "furthest away",
    ),
    (ch07.found_again, lambda w, t, way: found_solution(w, t[: len(w)], way), "among ALL texts"),
    (ch07.found_again, lambda w, t, way: found_solution(t[: len(w)], w, way), "each text among the words"),
    (ch07.found_again, lambda w, t, way: found_solution(w, w, way), "among themselves"),
    (ch07.found_again, lambda w, t, way: found_solution(w, t, way) * len(w), "number of words found"),
    (ch07.found_again, lambda w, t, way: found_solution(w, t, way) * len(w) / len(t), "not by the number of texts"),
    (ch07.found_again, lambda w, t, way: 1 - found_solution(w, t, way), "NOT found"),
    (ch07.found_again, lambda w, t, way: [1.0, 0.0], "return one number"),
    (ch07.guess, lambda c: 1 / len(c), "divided by the number of senses"),
    (ch07.guess, lambda c: sum((k / sum(c)) ** 2 for k in c), "itself is still among those to pick from"),
    (ch07.guess, lambda c: sum(k * k for k in c) / (sum(c) * (sum(c) - 1)), "but not of its own sense"),
    (ch07.guess, lambda c: sum(k * (k - 1) for k in c) / sum(c) ** 2, "but not of all sentences"),
    (ch07.guess, lambda c: sum(k - 1 for k in c) / (sum(c) - 1) / len(c), "weigh each sense"),
    (ch07.guess, lambda c: (c[0] - 1) / (sum(c) - 1), "first sense only"),
    (ch07.guess, lambda c: 1 - guess_solution(c), "share of wrong guesses"),
    (ch07.guess, lambda c: max(c) / sum(c), "always naming the most frequent"),
    (ch07.guess, lambda c: (max(c) - 1) / (sum(c) - 1), "the most frequent sense only"),
    (ch07.guess, lambda c: sum((k - 1) / (sum(c) - 1) for k in c), "are added up"),
    (ch07.guess, lambda c: 100 * guess_solution(c), "in percent"),
    (ch07.guess, lambda c: round(guess_solution(c), 2), "rounded"),
    (ch07.guess, lambda c: str(guess_solution(c)), "returns a str"),
    (ch07.guess, lambda c: 0.3, "0.3 in every case"),
    (ch07.middle, lambda v, labels: middle_by_sums(v, labels, leave_out=False), "pulls it to itself"),
    (ch07.middle, lambda v, labels: middle_with(v, labels, torch.dot), "by the dot product"),
    (ch07.middle, lambda v, labels: middle_with(v, labels, lambda a, b: -(a - b).norm()), "by distance"),
    (ch07.middle, lambda v, labels: middle_solution(v / v.norm(dim=1, keepdim=True), labels), "scaled to length 1"),
    (ch07.middle, nearest_sentence, "nearest sentence"),
    (
        ch07.middle,
        lambda v, labels: middle_with(v, labels, lambda a, b: -a @ b / a.norm() / b.norm()),
        "furthest away",
    ),
    (ch07.middle, lambda v, labels: v[labels == "river"].mean(), "NaN comes from a mean over nothing"),
    (ch07.middle, lambda v, labels: middle_solution(v, labels) * len(labels), "number of hits"),
    (ch07.middle, lambda v, labels: 1 - middle_solution(v, labels), "share of misses"),
    (ch07.middle, lambda v, labels: cosines(v), "return one number"),
    (ch07.middle, lambda v, labels: 0.01, "0.01 in every case"),
    (ch07.middle, in_place, "changes the tensor"),
    (ch07.gap, lambda v, labels, b: halves(v, labels)[0] - halves(v, labels)[1], "has not been removed"),
    (
        ch07.gap,
        lambda v, labels, b: halves(v - b.mean(0), labels, True)[0] - halves(v - b.mean(0), labels)[1],
        "diagonal",
    ),
    (ch07.gap, lambda v, labels, b: gap_solution(v, labels, v), "mean of the vectors themselves"),
    (ch07.gap, scaled_too_early, "remove it first"),
    (ch07.gap, lambda v, labels, b: float.__sub__(*halves(v - b.mean(), labels)), ".mean(dim=0)"),
    (ch07.gap, lambda v, labels, b: float.__sub__(*halves(v + b.mean(0), labels)), "subtract it"),
    (ch07.gap, lambda v, labels, b: float.__truediv__(*halves(v - b.mean(0), labels)), "the ratio"),
    (ch07.gap, lambda v, labels, b: halves(v - b.mean(0), labels), "returns a tuple"),
    (ch07.gap, lambda v, labels, b: -gap_solution(v, labels, b), "different minus same"),
    (ch07.gap, lambda v, labels, b: halves(v - b.mean(0), labels)[0], "subtract the one of different senses"),
    (ch07.gap, lambda v, labels, b: halves(v - b.mean(0), labels)[1], "mean cosine of different senses"),
    (ch07.gap, lambda v, labels, b: {}, "returns a dict"),
    (ch07.gap, in_place, "changes the tensor"),
    (
        ch07.gap,
        lambda v, labels, b: scaled_too_early(v, labels, b / b.norm(dim=1, keepdim=True)),
        "vectors and background are scaled",
    ),
    (ch07.middle, lambda v, labels: 1.0, "does it find itself?"),
    (ch07.middle, mean_cosine_to_each, "take the mean of the vectors first"),
]
