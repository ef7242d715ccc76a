"""Right and wrong answers to the exercises of chapter 14; a wrong one with a part of the reply that it deserves."""

import math

import numpy as np
import torch

from bertutil.course.exercises import ch14


def cut(words, size, step):
    pieces = []
    for start in range(0, len(words), step):
        pieces.append(words[start : start + size])
        if start + size >= len(words):
            break
    return pieces


def cut_by_counting(words, size, step):
    n = 1 + math.ceil(max(0, len(words) - size) / step)
    return [tuple(words[i * step : i * step + size]) for i in range(n)]


def recall(found, exact):
    return (found[:, :, None] == exact[:, None, :]).any(dim=1).float().mean()


def recall_with_sets(found, exact):
    shares = [len({*a} & {*b}) / len(b) for a, b in zip(found.tolist(), exact.tolist(), strict=True)]
    return sum(shares) / len(shares)


def codes(corpus, vectors):
    low, high = corpus.amin(dim=0), corpus.amax(dim=0)
    return ((vectors - low) / (high - low) * 255 - 128).round().clamp(-128, 127).to(torch.int8)


def codes_with_numpy(corpus, vectors):
    low, high = corpus.numpy().min(axis=0), corpus.numpy().max(axis=0)
    inside = np.clip(vectors.numpy(), low, high)
    return torch.from_numpy(np.rint((inside - low) * (255 / (high - low)) - 128).astype(np.int8))


def needed(ours, theirs):
    gap = ours - theirs
    return math.ceil((1.96 * gap.std() / gap.mean()) ** 2)


def needed_by_trying(ours, theirs):
    gap, n = ours - theirs, 1
    while 1.96 * gap.std() / n**0.5 >= abs(gap.mean()):
        n += 1
    return torch.tensor(n)


def exactly(ours, theirs):
    gap = ours - theirs
    return (1.96 * gap.std() / gap.mean()) ** 2


def scaled(corpus, vectors):
    low, high = corpus.amin(dim=0), corpus.amax(dim=0)
    return (vectors - low) / (high - low) * 255 - 128


RIGHT = [
    (ch14.cut, cut),
    (ch14.cut, cut_by_counting),
    (ch14.recall, recall),
    (ch14.recall, recall_with_sets),
    (ch14.int8, codes),
    (ch14.int8, codes_with_numpy),
    (ch14.needed, needed),
    (ch14.needed, needed_by_trying),
]

WRONG = [
    (ch14.cut, lambda w, n, s: [w[i : i + n] for i in range(0, len(w) - n + 1, s)], "the last words are in no piece"),
    (ch14.cut, lambda w, n, s: [w[i : i + n] for i in range(0, len(w), s)], "wholly inside the one before"),
    (ch14.cut, lambda w, n, s: cut(w, n, n), "do not overlap"),
    (ch14.cut, lambda w, n, s: [" ".join(piece) for piece in cut(w, n, s)], "not one string"),
    (ch14.cut, lambda w, n, s: list(range(0, len(w), s)), "these are places"),
    (ch14.cut, lambda w, n, s: [*cut(w, n, s), []], "empty piece"),
    (ch14.cut, lambda w, n, s: cut(w, n + 1, s), "more than 4 words"),
    (ch14.cut, lambda w, n, s: 3, "return a list of pieces"),
    (ch14.recall, lambda f, e: (f == e).float().mean(), "place is compared with place"),
    (ch14.recall, lambda f, e: torch.isin(e, f).float().mean(), "in one heap"),
    (ch14.recall, lambda f, e: (f[:, :, None] == e[:, None]).any(1).all(1).float().mean(), "only where all"),
    (ch14.recall, lambda f, e: (f == e[:, :1]).any(1).float().mean(), "only the nearest one"),
    (ch14.recall, lambda f, e: recall(f, e) * e.shape[1], "divide by k"),
    (ch14.recall, lambda f, e: 1 - recall(f, e), "what was missed"),
    (ch14.recall, lambda f, e: 100 * recall(f, e), "in percent"),
    (ch14.recall, lambda f, e: (f[:, :, None] == e[:, None]).any(1).float().mean(1), "one number for each query"),
    (ch14.int8, lambda c, v: codes(v, v), "the ranges are those of the vectors themselves"),
    (ch14.int8, lambda c, v: scaled(c, v).round().to(torch.int64).to(torch.int8), "on the other side"),
    (ch14.int8, lambda c, v: scaled(c, v).clamp(-128, 127).to(torch.int8), "cut off, not rounded"),
    (ch14.int8, lambda c, v: scaled(c, v).clamp(-128, 127).floor().to(torch.int8), "rounded down"),
    (ch14.int8, lambda c, v: codes(c.flatten()[:, None].expand(-1, c.shape[1]), v), "one range for all features"),
    (ch14.int8, lambda c, v: (scaled(c, v) + 128).round().clamp(0, 255).to(torch.uint8), "take 128 away"),
    (ch14.int8, lambda c, v: scaled(c, v).round().clamp(-128, 127), "as int8"),
    (ch14.int8, lambda c, v: codes(c, v)[0], "the result has the shape"),
    (
        ch14.int8,
        lambda c, v: (v / c.abs().amax(0) * 127).round().clamp(-128, 127).to(torch.int8),
        "from minus the largest",
    ),
    (ch14.needed, exactly, "round up"),
    (ch14.needed, lambda a, b: int(exactly(a, b)), "rounds down"),
    (ch14.needed, lambda a, b: math.ceil(1.96**2 * (a.var() + b.var()) / (a - b).mean() ** 2), "cancels out"),
    (ch14.needed, lambda a, b: math.ceil(exactly(a, b) ** 0.5), "the square is missing"),
    (ch14.needed, lambda a, b: math.ceil(exactly(a, b) / 1.96**2), "1.96 is missing"),
    (ch14.needed, lambda a, b: needed(a, b) - len(a), "how many MORE"),
    (ch14.needed, lambda a, b: 400, "in every case"),
]
