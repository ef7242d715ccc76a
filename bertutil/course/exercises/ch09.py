"""The exercises of chapter 9."""

from typing import Any

import torch
from torch import Tensor

from bertutil.course.exercises import Exercise, Wrong, call, compare, number
from bertutil.course.inputs import random_values

MADE = {"cosine_similarity", "CosineSimilarity", "search"}  # the functions that compute cosines


def _names(code: Any) -> set[str]:
    """The names that a function's code uses, also those within inner functions."""
    inner = [_names(part) for part in getattr(code, "co_consts", ())]
    return set(getattr(code, "co_names", ())).union(*inner)


def _judge_nearest(function: Any) -> None:
    for n_queries, n_texts, k, seed in ((3, 7, 2, 0), (2, 9, 4, 1), (4, 6, 1, 2), (1, 5, 5, 3)):
        queries = random_values(n_queries, 6, seed=seed) * torch.arange(1, n_queries + 1)[:, None]
        corpus = random_values(n_texts, 6, seed=seed + 10) * (1 + 4 * torch.arange(n_texts) % 7)[:, None] + 0.5
        answer = call(function, queries, corpus, k)
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
            if used := _names(getattr(function, "__code__", None)) & MADE:
                raise Wrong(f"the indices are right; now compute the cosines yourself, without {min(used)}")
            continue
        dots, distances = queries @ corpus.T, torch.cdist(queries, corpus)
        slips = {
            "the worst come first: sort with descending=True": cosines.argsort(dim=1),
            "long vectors win: divide each vector of the corpus by its own length, .norm(dim=1, keepdim=True)": (
                dots.argsort(1, descending=True)
            ),
            "the lengths go over the texts, not over the features: .norm(dim=1, keepdim=True) is one length a row": (
                (queries / queries.norm(dim=0) @ (corpus / corpus.norm(dim=0)).T).argsort(1, descending=True)
            ),
            "the indices begin at 1; to Python the first text is 0": order + 1,
            "the nearest text is left out; the k best begin at place 0": order[:, 1 : k + 1],
            "these are the ranks of the first texts; argsort once gives the texts themselves": order.argsort(dim=1),
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
    answers, expected = [], []
    slips: dict[str, list[float]] = {}
    for n, size, seed in ((4, 6, 0), (5, 9, 1), (3, 20, 2)):
        scores = random_values(n, size, seed=seed)
        right = torch.randint(size, (n,), generator=torch.Generator().manual_seed(seed))
        answer = call(function, scores, right)
        if getattr(answer, "shape", None) == (n,) or (isinstance(answer, list) and len(answer) == n):
            raise Wrong("there is still one number for each query; return their mean")
        answers.append(number(answer))
        row = torch.arange(n)
        own = scores[row, right][:, None]
        ranks = 1.0 + (scores > own).sum(dim=1)
        diagonal = 1.0 + (scores > scores.diagonal()[:, None]).sum(dim=1)
        order = scores.argsort(dim=1, descending=True)
        expected.append(float((1 / ranks).mean()))
        for reason, value in {
            "this is the mean rank; take 1 / rank of each query first": ranks.mean(),
            "this is 1 / (mean rank); take 1 / rank of each query first, and then the mean": 1 / ranks.mean(),
            "this is the share with rank 1 (hits at 1); the task is the mean of 1 / rank": (ranks == 1).sum() / n,
            "this is how many queries have rank 1; the task is the mean of 1 / rank": (ranks == 1).sum(),
            "your ranks begin one too high: the best text has the rank 1": (1 / (ranks + 1)).mean(),
            "the ranking is upside down: the highest score has the rank 1": (
                1 / (1.0 + (scores < own).sum(dim=1))
            ).mean(),
            "this is the sum; divide it by the number of queries": (1 / ranks).sum(),
            "the median is another figure; take the mean": (1 / ranks).median(),
            "these are the scores of the right texts; what counts is their place in the ranking": own.mean(),
            "this is 1 / score; what counts is the place of the right text in the ranking": (1 / own).mean(),
            "text i is taken for the right text of query i; `right` says which one it is": (1 / diagonal).mean(),
            "argsort says which TEXT stands at a place; you need the place at which the right text stands": (
                1 / (order[row, right] + 1)
            ).mean(),
            "the texts that are ahead are counted over the queries (dim=0); count them for each query, dim=1": (
                1 / (1.0 + (scores > own).sum(dim=0))
            ).mean(),
        }.items():
            slips.setdefault(reason, []).append(float(value))
    if float("inf") in answers:
        raise Wrong("1 / 0: your ranks begin at 0; the best text has the rank 1")
    compare(answers, expected, slips, ["scores of 4 queries", "scores of 5 queries", "scores of 3 queries"])


HALF = "A comparison of equal cosines counts one half"


def _judge_share_in_order(function: Any) -> None:
    answers, expected, cases = [], [], []
    slips: dict[str, list[float]] = {}
    for n, m, seed in ((6, 9, 0), (8, 8, 1), (7, 4, 2), (5, 6, 3)):
        alike, unlike = random_values(n, seed=seed) * 0.2 + 0.6, random_values(m, seed=seed + 10) * 0.2 + 0.5
        if seed == 3:
            unlike[:3] = alike[0]  # equal cosines
        try:
            answers.append(number(call(function, alike, unlike)))
        except Wrong as error:
            if "must match the size" not in str(error):
                raise
            raise Wrong(f"{error}. Each of the {n} is compared with each of the {m}: alike[:, None]") from None
        above = (alike[:, None] > unlike).double()
        equal = (alike[:, None] == unlike).double()
        middle, k = torch.cat([alike, unlike]).median(), min(n, m)
        points = above + equal / 2
        expected.append(float(points.mean()))
        cases.append(f"{n} and {m} cosines")
        mixed: dict[str, Tensor] = {}  # what can go wrong together with the equal ones
        for share, more in (points, ""), (above, f". {HALF}"), (above + equal, f". {HALF}, too"):
            mixed |= {
                f"this is the other way round: count where the pair that is alike has the higher cosine{more}": (
                    1 - share.mean()
                ),
                f"this is a number of comparisons; divide it by how many there are{more}": share.sum(),
                f"you divide by len(alike) alone; there are len(alike) * len(unlike) comparisons{more}": (
                    share.sum() / n
                ),
                f"you divide by len(unlike) alone; there are len(alike) * len(unlike) comparisons{more}": (
                    share.sum() / m
                ),
                f"there are len(alike) TIMES len(unlike) comparisons, not their sum{more}": share.sum() / (n + m),
                f"you take away the share that is not in order; return the share that is{more}": 2 * share.mean() - 1,
            }
        for reason, value in {
            **mixed,
            HALF: above.mean(),
            "equal cosines are left out here, also where you count the comparisons; each of them counts one half": (
                above.sum() / (equal == 0).sum()
            ),
            "equal cosines count as right here; such a comparison counts one half": (above + equal).mean(),
            "equal cosines take a half away here; they add a half": (above - equal / 2).mean(),
            "this is a difference of means: a value, not a ranking": alike.mean() - unlike.mean(),
            "this uses a threshold of 0.5; compare the cosines with each other": (
                ((alike > 0.5).sum() + (unlike <= 0.5).sum()) / (n + m)
            ),
            "this uses a threshold; compare the cosines with each other": (
                ((alike > middle).sum() + (unlike <= middle).sum()) / (n + m)
            ),
            "each cosine is compared with the mean of the others; compare it with each one of them": (
                (alike > unlike.mean()).double().mean()
            ),
            "the mean of the cosines that are alike is compared; compare each one of them": (
                (alike.mean() > unlike).double().mean()
            ),
            "the two means are compared, which is one comparison; compare each cosine with each": (
                alike.mean() > unlike.mean()
            ).double(),
            "this asks which are higher than ALL of the others; count single comparisons": (
                above.all(dim=1).double().mean()
            ),
            "this asks which are higher than ANY of the others; count single comparisons": (
                above.any(dim=1).double().mean()
            ),
            "this asks which of the others are lower than ALL that are alike; count single comparisons": (
                above.all(dim=0).double().mean()
            ),
            "each number is compared with one partner only; compare each one with all of the others": (
                (alike[:k] > unlike[:k]).double().mean()
            ),
            "both are sorted first, and each number is compared with one partner only; compare each with all": (
                (alike.sort().values[:k] > unlike.sort().values[:k]).double().mean()
            ),
        }.items():
            slips.setdefault(reason, []).append(float(value))
    compare(answers, expected, slips, cases)


def _with_cosines(cosines: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Rows of two tensors, of very different lengths, that have these cosines."""
    one, two = random_values(len(cosines), 6, seed=seed), random_values(len(cosines), 6, seed=seed + 50)
    one = one / one.norm(dim=1, keepdim=True)
    two = two - (one * two).sum(dim=1, keepdim=True) * one
    two = two / two.norm(dim=1, keepdim=True)
    two = cosines[:, None] * one + (1 - cosines[:, None] ** 2).sqrt() * two
    lengths = 0.2 + 5 * torch.rand(len(cosines), 2, generator=torch.Generator().manual_seed(seed))
    return one * lengths[:, :1], two * lengths[:, 1:]


def _kinds(seed: int) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    """Pairs as vectors of three kinds; best order, highest values, straightest line, order turned round."""
    scores = torch.arange(30) % 6
    clean = scores / 5
    cosines = [
        0.1 + 0.2 * clean**6 + 0.0005 * random_values(30, seed=seed).clamp(-2, 2),
        0.5 + 0.03 * random_values(30, seed=seed + 1).clamp(-2, 2),
        0.3 + 0.3 * clean + 0.06 * random_values(30, seed=seed + 2).clamp(-2, 2),
        0.85 - 0.8 * clean + 0.0005 * random_values(30, seed=seed + 3).clamp(-2, 2),
    ]
    names = ["[CLS]", "mean", "mean with specials", "max"]
    both = {names[(k + seed) % 4]: _with_cosines(values, seed + k) for k, values in enumerate(cosines)}
    both = {name: both[name] for name in names}
    return {k: one for k, (one, _) in both.items()}, {k: two for k, (_, two) in both.items()}, scores


def _ranks(values: Tensor) -> Tensor:
    """Places in the order; equal values share theirs."""
    below = (values[:, None] > values).double() + (values[:, None] == values).double() / 2
    return below.sum(dim=1)


def _correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.double(), b.double()]))[0, 1])


def _highest(measured: dict[str, float]) -> str:
    return max(measured, key=lambda kind: measured[kind])


def _judge_kind(function: Any) -> None:
    found: list[str] = []
    right: list[str] = []
    slips: dict[str, list[str]] = {}
    for seed in (0, 1, 3, 10):
        first, second, scores = _kinds(seed)
        answer = call(
            function, list(first), torch.stack(list(first.values())), torch.stack(list(second.values())), scores
        )
        if not isinstance(answer, str) or answer not in first:
            raise Wrong(f"it returns {answer!r:.60}; return the name of a kind, such as 'mean'")
        found.append(answer)
        cosines = {kind: torch.cosine_similarity(first[kind], second[kind], dim=1) for kind in first}
        dots = {kind: (first[kind] * second[kind]).sum(dim=1) for kind in first}
        order = {kind: _correlation(_ranks(values), _ranks(scores)) for kind, values in cosines.items()}
        right.append(_highest(order))
        for reason, measured in {
            "this is the kind with the worst order (abs() and p-values hide the sign); take the highest one": {
                kind: -value for kind, value in order.items()
            },
            "this is the kind with the highest cosines; compare their ORDER with that of the scores": {
                kind: float(values.mean()) for kind, values in cosines.items()
            },
            "this is the correlation of the values, or looks at the highest and the lowest scores only; Spearman's "
            "is that of the ranks, over all pairs": {
                kind: _correlation(values, scores) for kind, values in cosines.items()
            },
            "these are dot products; divide by both lengths, or use torch.cosine_similarity(..., dim=1)": {
                kind: _correlation(_ranks(values), _ranks(scores)) for kind, values in dots.items()
            },
            "here the scores are compared with distances, which depend on the lengths; take the cosine": {
                kind: -_correlation(_ranks((first[kind] - second[kind]).norm(dim=1)), _ranks(scores))
                for kind in first
            },
        }.items():
            slips.setdefault(reason, []).append(_highest(measured))
    if found == right:
        return
    for reason, names in slips.items():
        if found == names:
            raise Wrong(reason)
    if len(set(found)) == 1:
        raise Wrong(f"it returns {found[0]!r} in every case; which kind is best has to be measured on the pairs")
    k = next(k for k in range(len(found)) if found[k] != right[k])
    raise Wrong(f"in one of the cases it returns {found[k]!r}, and {right[k]!r} puts the pairs in the best order")


nearest = Exercise(
    "nearest-texts",
    _judge_nearest,
    [
        "The cosine is the dot product of two vectors of length 1. Which division makes the rows that long?",
        "`corpus / corpus.norm(dim=1, keepdim=True)` has rows of length 1. One matrix product, `a @ b.T`, then "
        "gives all the scores at once.",
        "`scores.argsort(dim=1, descending=True)` are the indices, best first; `[:, :k]` keeps the first k.",
    ],
)

reciprocal_rank = Exercise(
    "reciprocal-rank",
    _judge_reciprocal_rank,
    [
        "The rank of the right text is 1 plus the number of texts with a higher score.",
        "`own = scores[torch.arange(len(right)), right]` are the scores of the right texts. `scores > own[:, None]` "
        "says which texts are ahead of it; count them with `.sum(dim=1)`.",
    ],
)

share_in_order = Exercise(
    "share-in-order",
    _judge_share_in_order,
    [
        "Each number of the first tensor has to meet each number of the second. `alike[:, None]` is a column; what "
        "does a comparison of a column with a row give?",
        "`(alike[:, None] > unlike).float().mean()` is the share where the first is higher. What is still missing is "
        "half of the share where both are equal.",
    ],
)

best_kind = Exercise(
    "best-kind-of-vector",
    _judge_kind,
    [
        "For each kind one number that says how well its cosines order the pairs. Then the name with the largest.",
        "`torch.cosine_similarity(first[k], second[k], dim=1)` has one cosine for each pair. "
        "Compare their order with that of the scores: `spearmanr(cosines, scores).statistic`.",
        "Keep the numbers in a dictionary, `found[names[k]] = ...`; then `max(found, key=found.get)` is the name.",
    ],
)
