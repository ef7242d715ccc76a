"""The exercises of chapter 9."""

from typing import Any

import torch
from torch import Tensor

from bertutil.exercises import Exercise, Wrong, call


def _random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)


def _judge_nearest(function: Any) -> None:
    for n_queries, n_texts, k, seed in ((3, 7, 2, 0), (2, 9, 4, 1), (4, 6, 1, 2), (1, 5, 5, 3)):
        queries = _random(n_queries, 6, seed=seed) * torch.arange(1, n_queries + 1)[:, None]
        corpus = _random(n_texts, 6, seed=seed + 10) * (1 + 4 * torch.arange(n_texts) % 7)[:, None] + 0.5
        before = queries.clone(), corpus.clone()
        answer = call(function, queries, corpus, k)
        if not (torch.equal(queries, before[0]) and torch.equal(corpus, before[1])):
            raise Wrong("your function has changed the tensors that it was given; work on new ones")
        cosines = torch.cosine_similarity(queries[:, None], corpus[None], dim=2)
        if isinstance(answer, tuple):
            raise Wrong("your function returns several things; return the indices alone")
        if not isinstance(answer, Tensor):
            raise Wrong(f"your function returns a {type(answer).__name__}; return a tensor of indices [queries, k]")
        order = cosines.argsort(dim=1, descending=True)
        if answer.is_floating_point():
            raise Wrong("these are scores, not indices: argsort gives the indices, sort gives the values first")
        if answer.shape == order.shape and torch.equal(answer, order) and k < n_texts:
            raise Wrong("the order is right; return only the first k of each query, [:, :k]")
        if answer.shape == (k, n_queries) and k != n_queries:
            raise Wrong("the result is [k, queries]; it must be [queries, k]: one row for each query")
        if answer.shape != (n_queries, k):
            raise Wrong(f"the result has the shape {list(answer.shape)}; it must be [queries, k] = {[n_queries, k]}")
        if torch.equal(answer, order[:, :k]):
            continue
        dots, distances = queries @ corpus.T, torch.cdist(queries, corpus)
        slips = {
            "the worst come first: sort with descending=True": cosines.argsort(dim=1),
            "long vectors win: divide the vectors of the corpus by their lengths": dots.argsort(1, descending=True),
            "you sort by distance, which depends on the lengths; the task is the cosine": distances.argsort(dim=1),
            "the right ones, but the worst of them comes first": order[:, :k].flip(1),
        }
        for reason, indices in slips.items():
            if torch.equal(answer, indices[:, :k]):
                raise Wrong(reason)
        raise Wrong(
            f"for the first query you return {answer[0].tolist()}, and the nearest are {order[0, :k].tolist()}"
        )


def _judge_reciprocal_rank(function: Any) -> None:
    for n, size, seed in ((4, 6, 0), (5, 9, 1), (3, 20, 2)):
        scores = _random(n, size, seed=seed)
        right = torch.randint(size, (n,), generator=torch.Generator().manual_seed(seed))
        before = scores.clone()
        answer = call(function, scores, right)
        if not torch.equal(scores, before):
            raise Wrong("your function has changed the scores that it was given; work on a copy")
        if isinstance(answer, Tensor | list) and len(torch.as_tensor(answer).shape) == 1:
            raise Wrong("there is still one number for each query; return their mean")
        try:
            value = float(answer)
        except (TypeError, ValueError):
            raise Wrong(f"your function returns a {type(answer).__name__}; return one number") from None
        own = scores[torch.arange(n), right][:, None]
        ranks = 1.0 + (scores > own).sum(dim=1)
        upside_down = 1.0 + (scores < own).sum(dim=1)
        slips = {
            "this is the mean rank; take 1 / rank of each query first": ranks.mean(),
            "this is 1 / (mean rank); take 1 / rank of each query first, and then the mean": 1 / ranks.mean(),
            "this is the share with rank 1 (hits at 1); the task is the mean of 1 / rank": (ranks == 1).sum() / n,
            "your ranks begin one too high: the best text has the rank 1": (1 / (ranks + 1)).mean(),
            "the ranking is upside down: the highest score has the rank 1": (1 / upside_down).mean(),
            "this is the sum; divide it by the number of queries": (1 / ranks).sum(),
            "the median is another figure; take the mean": (1 / ranks).median(),
        }
        if value == float("inf"):
            raise Wrong("1 / 0: your ranks begin at 0; the best text has the rank 1")
        _compare(value, float((1 / ranks).mean()), {reason: float(slip) for reason, slip in slips.items()})


def _judge_share_in_order(function: Any) -> None:
    for n, m, seed in ((6, 9, 0), (8, 8, 1), (7, 4, 2), (5, 6, 3)):
        alike, unlike = _random(n, seed=seed) * 0.2 + 0.6, _random(m, seed=seed + 10) * 0.2 + 0.5
        if seed == 3:
            unlike[:3] = alike[0]  # equal cosines
        answer = call(function, alike, unlike)
        if isinstance(answer, Tensor) and answer.numel() > 1:
            raise Wrong(f"the result has the shape {list(answer.shape)}; return one number, a share")
        try:
            value = float(answer)
        except (TypeError, ValueError):
            raise Wrong(f"your function returns a {type(answer).__name__}; return one number") from None
        above = (alike[:, None] > unlike).double()
        equal = (alike[:, None] == unlike).double()
        middle = torch.cat([alike, unlike]).median()
        slips = {
            "a comparison of equal cosines counts one half": above.mean(),
            "equal cosines count as right here; such a comparison counts one half": (above + equal).mean(),
            "this is the other way round: count where the pair that is alike has the higher cosine": (
                1 - above - equal / 2
            ).mean(),
            "this is a number of comparisons; divide it by how many there are": (above + equal / 2).sum(),
            "this is a difference of means: a value, not a ranking": alike.mean() - unlike.mean(),
            "this uses a threshold of 0.5; compare the cosines with each other": (
                ((alike > 0.5).sum() + (unlike <= 0.5).sum()) / (n + m)
            ),
            "this uses a threshold; compare the cosines with each other": (
                ((alike > middle).sum() + (unlike <= middle).sum()) / (n + m)
            ),
        }
        if n == m:
            slips["each number is compared with one partner only; compare each one with all of the others"] = (
                (alike > unlike).double().mean()
            )
        _compare(value, float((above + equal / 2).mean()), {reason: float(slip) for reason, slip in slips.items()})


def _compare(value: float, expected: float, slips: dict[str, float]) -> None:
    """Accept the expected number; else name the slip that it comes from."""
    if abs(value - expected) < 1e-5:
        return
    for reason, slip in slips.items():
        if abs(value - slip) < 1e-5:
            raise Wrong(reason)
    raise Wrong(f"your function returns {value:.4f}, and the right number is {expected:.4f}")


nearest = Exercise(
    _judge_nearest,
    [
        "The cosine is the dot product of two vectors of length 1. Which division makes the rows that long?",
        "`corpus / corpus.norm(dim=1, keepdim=True)` has rows of length 1. One matrix product, `a @ b.T`, then "
        "gives all the scores at once.",
        "`scores.argsort(dim=1, descending=True)` are the indices, best first; `[:, :k]` keeps the first k.",
    ],
)

reciprocal_rank = Exercise(
    _judge_reciprocal_rank,
    [
        "The rank of the right text is 1 plus the number of texts with a higher score.",
        "`own = scores[torch.arange(len(right)), right]` are the scores of the right texts. `scores > own[:, None]` "
        "says which texts are ahead of it; count them with `.sum(dim=1)`.",
    ],
)

share_in_order = Exercise(
    _judge_share_in_order,
    [
        "Each number of the first tensor has to meet each number of the second. `alike[:, None]` is a column; what "
        "does a comparison of a column with a row give?",
        "`(alike[:, None] > unlike).float().mean()` is the share where the first is higher. What is still missing is "
        "half of the share where both are equal.",
    ],
)
