import pytest
import torch

from bertutil.exercises import ch09

UNIT = torch.nn.functional.normalize


def nearest_solution(queries, corpus, k):
    queries = queries / queries.norm(dim=1, keepdim=True)
    corpus = corpus / corpus.norm(dim=1, keepdim=True)
    return (queries @ corpus.T).argsort(dim=1, descending=True)[:, :k]


def nearest_with_loops(queries, corpus, k):
    rows = []
    for query in queries:
        scores = [float(torch.cosine_similarity(query, text, dim=0)) for text in corpus]
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


@pytest.mark.parametrize(
    ("exercise", "function"),
    [
        (ch09.nearest, nearest_solution),
        (ch09.nearest, nearest_with_loops),
        (ch09.reciprocal_rank, reciprocal_rank_solution),
        (ch09.reciprocal_rank, reciprocal_rank_by_sorting),
        (ch09.share_in_order, share_solution),
        (ch09.share_in_order, share_with_loops),
    ],
)
def test_correct_answers_pass(exercise, function):
    assert exercise.verdict(function) == "Right."


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda q, c, k: (UNIT(q) @ UNIT(c).T).argsort(1)[:, :k], "worst come first"),
        (lambda q, c, k: (q @ c.T).argsort(1, descending=True)[:, :k], "long vectors win"),
        (lambda q, c, k: (UNIT(q) @ c.T).argsort(1, descending=True)[:, :k], "long vectors win"),
        (lambda q, c, k: torch.cdist(q, c).argsort(1)[:, :k], "by distance"),
        (lambda q, c, k: nearest_solution(q, c, len(c)), "only the first k"),
        (lambda q, c, k: nearest_solution(q, c, k).T, "must be [queries, k]"),
        (lambda q, c, k: nearest_solution(q, c, k).flip(1), "worst of them"),
        (lambda q, c, k: (UNIT(q) @ UNIT(c).T).sort(1, descending=True).values[:, :k], "scores, not indices"),
        (lambda q, c, k: (UNIT(q) @ UNIT(c).T).topk(k), "several things"),
        (lambda q, c, k: nearest_solution(q, c, k).tolist(), "returns a list"),
        (lambda q, c, k: nearest_solution(q, c, k) * 0, "nearest are"),
        (lambda q, c, k: nearest_solution(q.div_(q.norm(dim=1, keepdim=True)), c, k), "has changed"),
        (lambda q, c: q, "raised TypeError"),
        (torch.zeros(2), "hand in the function itself"),
    ],
)
def test_nearest_names_the_mistake(function, reason):
    verdict = ch09.nearest.verdict(function)
    assert verdict.startswith("Not right yet: ")
    assert reason in verdict


def ranks(scores, right):
    return 1 + (scores > scores[torch.arange(len(right)), right][:, None]).sum(dim=1)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda s, r: ranks(s, r).float().mean(), "mean rank"),
        (lambda s, r: 1 / ranks(s, r).float().mean(), "1 / (mean rank)"),
        (lambda s, r: (ranks(s, r) == 1).float().mean(), "hits at 1"),
        (lambda s, r: (1 / (ranks(s, r) + 1)).mean(), "one too high"),
        (lambda s, r: (1 / (ranks(s, r) - 1)).mean(), "begin at 0"),
        (lambda s, r: (1 / ranks(-s, r)).mean(), "upside down"),
        (lambda s, r: (1 / ranks(s, r)).sum(), "the sum"),
        (lambda s, r: 1 / ranks(s, r), "one number for each query"),
        (lambda s, r: (1 / ranks(s, r)).mean() + 0.1, "the right number is"),
        (lambda s, r: "0.5 or so", "returns a str"),
        (lambda s, r: reciprocal_rank_solution(s.neg_().neg_().add_(1), r), "has changed"),
    ],
)
def test_reciprocal_rank_names_the_mistake(function, reason):
    verdict = ch09.reciprocal_rank.verdict(function)
    assert verdict.startswith("Not right yet: ")
    assert reason in verdict


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda a, b: (a[:, None] > b).float().mean(), "counts one half"),
        (lambda a, b: (a[:, None] >= b).float().mean(), "equal cosines count as right"),
        (lambda a, b: 1 - share_solution(a, b), "the other way round"),
        (lambda a, b: share_solution(a, b) * len(a) * len(b), "number of comparisons"),
        (lambda a, b: a.mean() - b.mean(), "difference of means"),
        (lambda a, b: ((a > 0.5).sum() + (b <= 0.5).sum()) / (len(a) + len(b)), "threshold of 0.5"),
        (lambda a, b: (a > b).float().mean() if len(a) == len(b) else share_solution(a, b), "one partner only"),
        (lambda a, b: a[:, None] > b, "one number, a share"),
        (lambda a, b: "half", "returns a str"),
        (lambda a, b: 0.123, "the right number is"),
        (lambda a, b: a > b, "raised RuntimeError"),
    ],
)
def test_share_in_order_names_the_mistake(function, reason):
    verdict = ch09.share_in_order.verdict(function)
    assert verdict.startswith("Not right yet: ")
    assert reason in verdict


def test_hints_go_step_by_step(capsys):
    for exercise in (ch09.nearest, ch09.reciprocal_rank, ch09.share_in_order):
        exercise.hint()
        exercise.hint(9)
    assert capsys.readouterr().out.count("Hint ") == 6
