"""The exercises of chapter 14: vectors at work."""

import math
from typing import Any

import torch
from torch import Tensor

from bertutil.course.exercises import Exercise, Wrong, call, compare, number
from bertutil.course.inputs import random_values

LONG = "This lock opens with the code that the app shows you at the station before you take the bike out"


def _pieces(words: list[str], size: int, step: int) -> list[list[str]]:
    """The right answer of the first exercise."""
    starts = range(0, max(1, len(words) - size + step), step)
    return [words[start : start + size] for start in starts]


def _judge_cut(function: Any) -> None:
    for n, size, step in ((10, 4, 2), (11, 4, 2), (18, 6, 6), (20, 6, 4), (5, 8, 4), (8, 8, 4)):
        words = LONG.split()[:n]
        answer, right = call(function, list(words), size, step), _pieces(words, size, step)
        if isinstance(answer, tuple):
            answer = list(answer)
        if not isinstance(answer, list):
            raise Wrong(f"return a list of pieces; your function returns a {type(answer).__name__}")
        if answer and isinstance(answer[0], int):
            raise Wrong("these are places; return the words themselves, words[start : start + size]")
        if answer and isinstance(answer[0], str):
            raise Wrong("each piece is a list of words here, not one string; put them together with join() later")
        if not all(isinstance(piece, list | tuple) for piece in answer):
            raise Wrong("each piece is a list of words, words[start : start + size]")
        answer = [list(piece) for piece in answer]
        if answer == right:
            continue
        case = f"for {n} words, pieces of {size} and a step of {step}"
        if [] in answer:
            raise Wrong(f"{case} there is an empty piece")
        if not answer or answer[-1][-1] != words[-1]:
            raise Wrong(f"{case} the last words are in no piece; the last piece may be shorter than {size} words")
        if any(len(piece) > size for piece in answer):
            raise Wrong(f"{case} a piece has more than {size} words")
        if answer == [words[i : i + size] for i in range(0, n, size)]:
            raise Wrong(f"{case} the pieces do not overlap; each begins {step} words after the one before")
        if answer[: len(right)] == right:
            raise Wrong(
                f"{case} the last piece lies wholly inside the one before: stop where a piece reaches the end"
            )
        if answer == _pieces(words, step, size):
            raise Wrong(f"{case} size and step are exchanged")
        raise Wrong(f"{case} the pieces are {answer}, and {right} is right")


def _judge_recall(function: Any) -> None:
    answers, expected, cases = [], [], []
    slips: dict[str, list[float]] = {}
    for n, k, kept, seed in ((4, 5, 3, 0), (6, 4, 2, 1), (3, 10, 9, 2), (5, 3, 3, 3)):
        generator = torch.Generator().manual_seed(seed)
        exact = torch.stack([torch.randperm(30, generator=generator)[:k] for _ in range(n)])
        rows = []
        for i, row in enumerate(exact):
            right = max(0, kept - i % 2)
            others = [x for x in torch.randperm(30, generator=generator).tolist() if x not in row][: k - right]
            kept_ones = row[torch.randperm(k, generator=generator)[:right]].tolist()
            mixed = torch.tensor([*kept_ones, *others])
            rows.append(mixed[torch.randperm(k, generator=generator)])
        found = torch.stack(rows)
        answer = call(function, found, exact)
        if isinstance(answer, Tensor) and answer.shape == (n,):
            raise Wrong("there is still one number for each query; return their mean")
        answers.append(number(answer))
        cases.append(f"{n} queries and k = {k}")
        hit = (found[:, :, None] == exact[:, None, :]).any(dim=1).double()
        expected.append(float(hit.mean()))
        for reason, value in {
            "place is compared with place; a neighbour that was found counts wherever it stands": (
                (found == exact).double().mean()
            ),
            "a query counts here only where all its neighbours were found; count the share of them": (
                hit.all(dim=1).double().mean()
            ),
            "a query counts here where one neighbour was found; count the share of all k": (
                hit.any(dim=1).double().mean()
            ),
            "only the nearest one is looked for; take all k of `exact`": hit[:, 0].mean(),
            "this is the number of neighbours found for each query; divide by k": hit.sum(dim=1).mean(),
            "the neighbours of all queries are in one heap; look in the query's own row": (
                torch.isin(exact, found).double().mean()
            ),
            "this is the share of what was missed": 1 - hit.mean(),
            "the queries are divided by what was found and missed together (a Jaccard index); divide by k": (
                (hit.sum(dim=1) / (2 * k - hit.sum(dim=1))).mean()
            ),
        }.items():
            slips.setdefault(reason, []).append(float(value))
    compare(answers, expected, slips, cases)


def _int8(low: Tensor, high: Tensor, vectors: Tensor, last: str = "clamp") -> Tensor:
    """Codes from -128 to 127 by the ranges `low` to `high`; `last`: what is done at the end."""
    scaled = (vectors - low) / (high - low) * 255 - 128
    if last == "wrap":
        return scaled.round().to(torch.int64).to(torch.int8)
    if last == "floor":
        return scaled.clamp(-128, 127).floor().to(torch.int8)
    if last == "toward zero":
        return scaled.clamp(-128, 127).to(torch.int8)
    return scaled.round().clamp(-128, 127).to(torch.int8)


def _nearly(one: Tensor, other: Tensor) -> bool:
    """Whether codes are equal but for the rounding of a few."""
    gap = (one.to(torch.int64) - other.to(torch.int64)).abs()
    return bool(gap.max() <= 1 and (gap > 0).double().mean() <= 0.02)


def _judge_int8(function: Any) -> None:
    for n, m, seed in ((40, 12, 0), (60, 7, 1)):
        scale = 0.2 + torch.arange(6) % 4
        corpus = random_values(n, 6, seed=seed) * scale + 0.3 * scale
        vectors = 1.4 * random_values(m, 6, seed=seed + 10) * scale + 0.3 * scale
        vectors[0] = corpus.amax(dim=0) + 0.4 * scale  # beyond the ranges
        vectors[1] = corpus.amin(dim=0) - 0.4 * scale
        answer = call(function, corpus, vectors)
        if not isinstance(answer, Tensor):
            raise Wrong(f"your function returns a {type(answer).__name__}; return a tensor of codes")
        if answer.shape != vectors.shape:
            raise Wrong(
                f"the result has the shape {list(answer.shape)}; that of the vectors is {list(vectors.shape)}"
            )
        low, high = corpus.amin(dim=0), corpus.amax(dim=0)
        right = _int8(low, high, vectors)
        if answer.dtype == torch.uint8 and _nearly(answer.to(torch.int64) - 128, right):
            raise Wrong("these are codes from 0 to 255 (uint8); take 128 away and return int8")
        if answer.dtype != torch.int8:
            raise Wrong(f"the codes are of the type {answer.dtype}; they save memory as int8: .to(torch.int8)")
        if _nearly(answer, right):
            continue
        own = vectors.amin(dim=0), vectors.amax(dim=0)
        most = corpus.abs().amax(dim=0)
        slips = {
            "the ranges are those of the vectors themselves; codes fit together only where all use the corpus'": (
                _int8(*own, vectors)
            ),
            "one range for all features; each feature has its own, amin(dim=0) and amax(dim=0)": (
                _int8(corpus.min(), corpus.max(), vectors)
            ),
            "what lies beyond the ranges comes out on the other side; clamp to -128 and 127 first": (
                _int8(low, high, vectors, "wrap")
            ),
            "the codes are cut off, not rounded; write .round() before .to(torch.int8)": (
                _int8(low, high, vectors, "toward zero")
            ),
            "the codes are rounded down; write .round()": _int8(low, high, vectors, "floor"),
            "the ranges here go from minus the largest to the largest number; take amin and amax": (
                (vectors / most * 127).round().clamp(-128, 127).to(torch.int8)
            ),
        }
        for reason, codes in slips.items():
            if _nearly(answer, codes):
                raise Wrong(reason)
        raise Wrong(f"the codes of the third vector are {answer[2].tolist()}, and {right[2].tolist()} are right")


def _judge_needed(function: Any) -> None:
    answers, expected, cases = [], [], []
    slips: dict[str, list[float]] = {}
    for n, lead, seed in ((50, 0.06, 0), (40, -0.1, 1), (60, 0.03, 2)):
        shared = random_values(n, seed=seed).sigmoid()
        ours = (shared + 0.2 * random_values(n, seed=seed + 10) + lead).clamp(0, 1).double()
        theirs = (shared + 0.2 * random_values(n, seed=seed + 20)).clamp(0, 1).double()
        gap = ours - theirs
        mean, sd = gap.mean(), gap.std()
        exact = float((1.96 * sd / mean) ** 2)
        answers.append(number(call(function, ours, theirs)))
        expected.append(math.floor(exact) + 1)
        cases.append(f"{n} questions")
        apart = (ours.var() + theirs.var()).sqrt()
        for reason, value in {
            "questions are whole; round up": exact,
            "this rounds down, and then the interval still reaches 0": math.floor(exact),
            "the spread of each way by itself is taken; what is hard for both cancels out: take the differences": (
                math.floor(float((1.96 * apart / mean) ** 2)) + 1
            ),
            "the square is missing: the interval shrinks with the ROOT of the number of questions": (
                math.floor(abs(float(1.96 * sd / mean))) + 1
            ),
            "1.96 is missing: one standard error to each side is no 95 % interval": (
                math.floor(float((sd / mean) ** 2)) + 1
            ),
            "the variance is taken for the standard deviation": math.floor(float((1.96 * sd**2 / mean) ** 2)) + 1,
            "this is how many MORE questions it takes; return all of them": math.floor(exact) + 1 - n,
            "the variance is divided by n here; .std() of torch divides by n - 1": (
                math.floor(exact * (n - 1) / n) + 1
            ),
        }.items():
            slips.setdefault(reason, []).append(float(value))
    compare(answers, expected, slips, cases)


cut = Exercise(
    "cut-into-windows",
    _judge_cut,
    [
        "The pieces begin at 0, step, 2 * step, and so on; a slice may reach beyond the end of a list.",
        "Collect words[start : start + size] in a loop, and stop behind the first piece that reaches the end: "
        "start + size >= len(words).",
    ],
)
recall = Exercise(
    "recall-of-an-index",
    _judge_recall,
    [
        "For each query: how many of the numbers in its row of `exact` stand anywhere in its row of `found`?",
        "(found[:, :, None] == exact[:, None, :]).any(dim=1) says for each exact neighbour whether it was found.",
    ],
)
int8 = Exercise(
    "one-byte-by-ranges",
    _judge_int8,
    [
        "Of the corpus, take amin(dim=0) and amax(dim=0): two numbers for each feature.",
        "Scale so that low becomes -128 and high 127: (x - low) / (high - low) * 255 - 128.",
        "Then .round(), .clamp(-128, 127), and .to(torch.int8) at the very end.",
    ],
)
needed = Exercise(
    "questions-needed",
    _judge_needed,
    [
        "Take the differences, question by question. The interval is their mean plus and minus 1.96 * sd / sqrt(n).",
        "It leaves out 0 as soon as n is larger than (1.96 * sd / mean) ** 2.",
    ],
)
