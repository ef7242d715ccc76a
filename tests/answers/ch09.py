"""Right and wrong answers to the exercises of chapter 9; a wrong one with a part of the reply that it deserves."""

import torch
from scipy.stats import kendalltau, spearmanr

from bertutil.course.exercises import ch09

UNIT = torch.nn.functional.normalize


def nearest_solution(queries, corpus, k):
    queries = queries / queries.norm(dim=1, keepdim=True)
    corpus = corpus / corpus.norm(dim=1, keepdim=True)
    return (queries @ corpus.T).argsort(dim=1, descending=True)[:, :k]


def nearest_with_loops(queries, corpus, k):
    rows = []
    for query in queries:
        scores = [float(query @ text / text.norm()) for text in corpus]
        rows.append(sorted(range(len(corpus)), key=lambda i, scores=scores: -scores[i])[:k])
    return torch.tensor(rows)


def reciprocal_rank_solution(scores, right):
    own = scores[torch.arange(len(right)), right]
    ranks = 1 + (scores > own[:, None]).sum(dim=1)
    return (1 / ranks).mean()


def reciprocal_rank_by_sorting(scores, right):
    total = 0.0
    for row, index in zip(scores, right.tolist(), strict=True):
        total += 1 / (row.argsort(descending=True).tolist().index(index) + 1)
    return total / len(right)


def share_solution(alike, unlike):
    higher = (alike[:, None] > unlike).float()
    equal = (alike[:, None] == unlike).float()
    return (higher + equal / 2).mean()


def share_with_loops(alike, unlike):
    points = sum((a > b) + 0.5 * (a == b) for a in alike.tolist() for b in unlike.tolist())
    return points / (len(alike) * len(unlike))


def ranks(scores, right):
    return 1 + (scores > scores[torch.arange(len(right)), right][:, None]).sum(dim=1)


def kind_by(names, first, second, scores, measure):
    found = [float(measure(values, scores)) for values in torch.cosine_similarity(first, second, dim=2)]
    return names[found.index(max(found))]


def spearman(values, scores):
    return spearmanr(values, scores).statistic


def kind_solution(*given):
    return kind_by(*given, spearman)


def kind_by_hand(names, first, second, scores):
    found = []
    for one, two in zip(first, second, strict=True):
        cosines = torch.stack([a @ b / (a.norm() * b.norm()) for a, b in zip(one, two, strict=True)])
        ranks = torch.stack([x.argsort().argsort().double() for x in (cosines, scores)])
        found.append(torch.corrcoef(ranks)[0, 1])
    return names[int(torch.stack(found).argmax())]


def pearson(values, scores):
    return torch.corrcoef(torch.stack([values.double(), scores.double()]))[0, 1]


def kind_of_products(names, first, second, scores):
    found = [spearman((a * b).sum(dim=1), scores) for a, b in zip(first, second, strict=True)]
    return names[found.index(max(found))]


def kind_of_distances(names, first, second, scores):
    found = [spearman((a - b).norm(dim=1), scores) for a, b in zip(first, second, strict=True)]
    return names[found.index(min(found))]


RIGHT = [
    (ch09.best_kind, kind_solution),
    (ch09.best_kind, kind_by_hand),
    (ch09.best_kind, lambda *given: kind_by(*given, lambda v, s: kendalltau(v, s).statistic)),
    (ch09.nearest, nearest_solution),
    (ch09.nearest, nearest_with_loops),
    (ch09.reciprocal_rank, reciprocal_rank_solution),
    (ch09.reciprocal_rank, reciprocal_rank_by_sorting),
    (ch09.share_in_order, share_solution),
    (ch09.share_in_order, share_with_loops),
]

WRONG = [
    (
        ch09.nearest,
        lambda q, c, k: torch.cosine_similarity(q[:, None], c, dim=2).argsort(1, descending=True)[:, :k],
        "without cosine_similarity",
    ),
    (ch09.best_kind, lambda *given: kind_by(*given, lambda v, s: -spearmanr(v, s).statistic), "the worst order"),
    (ch09.best_kind, lambda *given: kind_by(*given, lambda v, s: v.mean()), "the highest cosines"),
    (ch09.best_kind, lambda *given: kind_by(*given, pearson), "correlation of the values"),
    (ch09.best_kind, kind_of_products, "these are dot products"),
    (ch09.best_kind, kind_of_distances, "depend on the lengths"),
    (ch09.best_kind, lambda *given: kind_by(*given, lambda v, s: v[s == s.max()].mean()), "all pairs"),
    (ch09.best_kind, lambda *given: kind_by(*given, lambda v, s: abs(spearmanr(v, s).statistic)), "hide the sign"),
    (ch09.best_kind, lambda *given: kind_by(*given, lambda v, s: -spearmanr(v, s).pvalue), "p-values"),
    (
        ch09.best_kind,
        lambda *given: kind_by(*given, lambda v, s: v[s == s.max()].mean() - v[s == s.min()].mean()),
        "the highest and the lowest scores only",
    ),
    (ch09.best_kind, lambda *given: kind_by(*given, lambda v, s: v.std()), "Not right yet"),
    (ch09.best_kind, lambda *given: kind_by(*given, lambda v, s: -((v - s / 5) ** 2).mean()), "Not right yet"),
    (ch09.best_kind, lambda *given: "mean", "has to be measured"),
    (ch09.best_kind, lambda *given: 0.8, "the name of a kind"),
    (ch09.nearest, lambda q, c, k: (UNIT(q) @ UNIT(c).T).argsort(1)[:, :k], "worst come first"),
    (ch09.nearest, lambda q, c, k: (q @ c.T).argsort(1, descending=True)[:, :k], "long vectors win"),
    (ch09.nearest, lambda q, c, k: (UNIT(q) @ c.T).argsort(1, descending=True)[:, :k], "long vectors win"),
    (ch09.nearest, lambda q, c, k: torch.cdist(q, c).argsort(1)[:, :k], "by distance"),
    (ch09.nearest, lambda q, c, k: nearest_solution(q, c, len(c)), "only the first k"),
    (ch09.nearest, lambda q, c, k: nearest_solution(q, c, k).T, "must be [queries, k]"),
    (ch09.nearest, lambda q, c, k: nearest_solution(q, c, k).flip(1), "worst of them"),
    (
        ch09.nearest,
        lambda q, c, k: (UNIT(q) @ UNIT(c).T).sort(1, descending=True).values[:, :k],
        "scores, not indices",
    ),
    (ch09.nearest, lambda q, c, k: (UNIT(q) @ UNIT(c).T).topk(k), "several things"),
    (ch09.nearest, lambda q, c, k: nearest_solution(q, c, k).tolist(), "returns a list"),
    (ch09.nearest, lambda q, c, k: nearest_solution(q, c, k) * 0, "nearest are"),
    (ch09.nearest, lambda q, c, k: nearest_solution(q.div_(q.norm(dim=1, keepdim=True)), c, k), "changes the tensor"),
    (ch09.nearest, lambda q, c: q, "raised TypeError"),
    (ch09.nearest, lambda q, c, k: nearest_solution(q, c, k) + 1, "begin at 1"),
    (ch09.nearest, lambda q, c, k: nearest_solution(q, c, k + 1)[:, 1:], "the nearest text is left out"),
    (
        ch09.nearest,
        lambda q, c, k: (q / q.norm(dim=0) @ (c / c.norm(dim=0)).T).argsort(1, descending=True)[:, :k],
        "go over the texts",
    ),
    (ch09.nearest, torch.zeros(2), "hand in the function itself"),
    (ch09.reciprocal_rank, lambda s, r: ranks(s, r).float().mean(), "mean rank"),
    (ch09.reciprocal_rank, lambda s, r: 1 / ranks(s, r).float().mean(), "1 / (mean rank)"),
    (ch09.reciprocal_rank, lambda s, r: (ranks(s, r) == 1).float().mean(), "hits at 1"),
    (ch09.reciprocal_rank, lambda s, r: (1 / (ranks(s, r) + 1)).mean(), "one too high"),
    (ch09.reciprocal_rank, lambda s, r: (1 / (ranks(s, r) - 1)).mean(), "begin at 0"),
    (ch09.reciprocal_rank, lambda s, r: (1 / ranks(-s, r)).mean(), "upside down"),
    (ch09.reciprocal_rank, lambda s, r: (1 / ranks(s, r)).sum(), "the sum"),
    (ch09.reciprocal_rank, lambda s, r: (ranks(s, r) == 1).sum(), "how many queries have rank 1"),
    (ch09.reciprocal_rank, lambda s, r: s[torch.arange(len(r)), r].mean(), "the scores of the right texts"),
    (ch09.reciprocal_rank, lambda s, r: (1 / ranks(s, torch.arange(len(r)))).mean(), "`right` says which"),
    (
        ch09.reciprocal_rank,
        lambda s, r: (1 / (s.argsort(1, descending=True)[torch.arange(len(r)), r] + 1)).mean(),
        "which TEXT stands at a place",
    ),
    (ch09.reciprocal_rank, lambda s, r: [1 / rank for rank in ranks(s, r).tolist()], "one number for each query"),
    (ch09.reciprocal_rank, lambda s, r: 1 / ranks(s, r), "one number for each query"),
    (ch09.reciprocal_rank, lambda s, r: (1 / ranks(s, r)).mean() + 0.1, "is right"),
    (ch09.reciprocal_rank, lambda s, r: "0.5 or so", "returns a str"),
    (ch09.reciprocal_rank, lambda s, r: reciprocal_rank_solution(s.neg_().neg_().add_(1), r), "changes the tensor"),
    (
        ch09.share_in_order,
        lambda a, b: (a[:, None] > b).float().mean(),
        "comparison of equal cosines counts one half",
    ),
    (
        ch09.share_in_order,
        lambda a, b: (a[:, None] < b).float().mean(),
        "the other way round",
    ),
    (
        ch09.share_in_order,
        lambda a, b: (a[:, None] < b).float().mean(),
        ". A comparison of equal cosines counts",
    ),
    (ch09.share_in_order, lambda a, b: 1 - (a[:, None] > b).float().mean(), "the other way round"),
    (ch09.share_in_order, lambda a, b: (a[:, None] > b).sum(), "is a number of comparisons"),
    (ch09.share_in_order, lambda a, b: (a[:, None] > b).sum() / len(a), "divide by len(alike) alone"),
    (ch09.share_in_order, lambda a, b: (a[:, None] >= b).sum() / len(b), "divide by len(unlike) alone"),
    (ch09.share_in_order, lambda a, b: (a[:, None] > b).sum() / (len(a) + len(b)), "TIMES len(unlike)"),
    (ch09.share_in_order, lambda a, b: (a[:, None] - b).sign().mean(), "take away the share that is not in order"),
    (
        ch09.share_in_order,
        lambda a, b: (a[:, None] > b).sum() / (a[:, None] != b).sum(),
        "equal cosines are left out",
    ),
    (ch09.share_in_order, lambda a, b: (a.mean() > b).float().mean(), "the mean of the cosines that are alike"),
    (ch09.share_in_order, lambda a, b: a.mean() > b.mean(), "the two means are compared"),
    (ch09.share_in_order, lambda a, b: (a.min() > b).float().mean(), "lower than ALL that are alike"),
    (ch09.share_in_order, lambda a, b: (a[:, None] > b).float().mean(1), "of the shape [6]"),
    (
        ch09.share_in_order,
        lambda a, b: sum(x > y for x, y in zip(sorted(a), sorted(b), strict=False)) / min(len(a), len(b)),
        "sorted first",
    ),
    (ch09.share_in_order, lambda a, b: (a[:, None] >= b).float().mean(), "equal cosines count as right"),
    (ch09.share_in_order, lambda a, b: 1 - share_solution(a, b), "the other way round"),
    (ch09.share_in_order, lambda a, b: share_solution(a, b) * len(a) * len(b), "is a number of comparisons"),
    (ch09.share_in_order, lambda a, b: a.mean() - b.mean(), "difference of means"),
    (ch09.share_in_order, lambda a, b: ((a > 0.5).sum() + (b <= 0.5).sum()) / (len(a) + len(b)), "threshold of 0.5"),
    (
        ch09.share_in_order,
        lambda a, b: sum(x > y for x, y in zip(a, b, strict=False)) / min(len(a), len(b)),
        "one partner only",
    ),
    (ch09.share_in_order, lambda a, b: a[:, None] > b, "of the shape [6, 9]"),
    (ch09.share_in_order, lambda a, b: "half", "returns a str"),
    (ch09.share_in_order, lambda a, b: (a > b.mean()).float().mean(), "the mean of the others"),
    (ch09.share_in_order, lambda a, b: (a > b.max()).float().mean(), "higher than ALL"),
    (ch09.share_in_order, lambda a, b: (a[:, None] > b).any(1).float().mean(), "higher than ANY"),
    (ch09.share_in_order, lambda a, b: share_solution(a, b) * len(b), "divide by len(alike) alone"),
    (ch09.share_in_order, lambda a, b: (a[:, None] > b).mean(), "write .float() first"),
    (ch09.share_in_order, lambda a, b: 0.123, "0.123 in every case"),
    (ch09.share_in_order, lambda a, b: a > b, "Each of the 6 is compared with each of the 9"),
]
