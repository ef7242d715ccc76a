"""Chapter 10's exercises: right answers pass in more than one form, wrong ones are told why."""

import pytest
import torch

from bertutil.exercises import ch10
from bertutil.exercises.ch02 import tiny_model

INF = float("inf")


def refused(exercise, answer, reason):
    verdict = exercise.verdict(answer)
    assert verdict.startswith("Not right yet: ")
    assert reason in verdict


def weights(query, key, mask):
    scores = query @ key.T / query.shape[-1] ** 0.5
    return scores.masked_fill(mask == 0, -INF).softmax(dim=-1)


def weights_otherwise(query, key, mask):
    result = torch.zeros(len(query), len(query))
    for i, asking in enumerate(query):
        powers = [real * torch.exp((asking @ k) / len(asking) ** 0.5) for k, real in zip(key, mask, strict=True)]
        result[i] = torch.stack(powers) / sum(powers)
    return result


def closed(scores, mask):
    return scores.masked_fill(mask == 0, -INF)


@pytest.mark.parametrize("answer", [weights, weights_otherwise])
def test_weights_right(answer):
    assert ch10.weights.verdict(answer) == "Right."


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda q, k, m: closed(q @ k.T, m).softmax(-1), "not divided by the square root"),
        (lambda q, k, m: closed(q @ k.T / q.shape[-1], m).softmax(-1), "the head's size itself"),
        (lambda q, k, m: closed(q @ k.T / len(q) ** 0.5, m).softmax(-1), "the number of tokens"),
        (lambda q, k, m: closed(q @ k.T / q.shape[-1] ** 0.5, m), "softmax over the last axis is still missing"),
        (lambda q, k, m: closed(q @ k.T / q.shape[-1] ** 0.5, m).softmax(0), "each column sums to 1"),
        (lambda q, k, m: (q @ k.T / q.shape[-1] ** 0.5).softmax(-1), "still get attention"),
        (lambda q, k, m: (q @ k.T / q.shape[-1] ** 0.5).softmax(-1) * m, "no longer sum to 1"),
        (lambda q, k, m: (q @ k.T / q.shape[-1] ** 0.5 * m).softmax(-1), "a score of 0 is not a weight of 0"),
        (lambda q, k, m: weights(k, q, m), "rows and columns are exchanged"),
        (lambda q, k, m: closed(q @ k.T / q.shape[-1] ** 0.5, m[:, None]).softmax(-1), "NaN"),
        (lambda q, k, m: weights(q, k, m) @ k, "shape"),
        (lambda q, k, m: weights(q, k, m).tolist(), "return a tensor"),
        (lambda q, k, m: torch.full((len(q), len(q)), 1 / len(q)), "not the right ones"),
    ],
)
def test_weights_wrong(answer, reason):
    refused(ch10.weights, answer, reason)


def strongest(maps, i, j):
    return divmod(maps[:, :, i, j].argmax().item(), maps.shape[1])


def strongest_otherwise(maps, i, j):
    best = max((maps[layer, head, i, j], layer, head) for layer in range(len(maps)) for head in range(maps.shape[1]))
    return list(best[1:])


@pytest.mark.parametrize("answer", [strongest, strongest_otherwise])
def test_strongest_head_right(answer):
    assert ch10.strongest_head.verdict(answer) == "Right."


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda maps, i, j: strongest(maps, j, i), "The row looks"),
        (lambda maps, i, j: strongest(maps, i, j)[::-1], "the layer comes first"),
        (lambda maps, i, j: maps[:, :, i, j].argmax(), "divmod"),
        (lambda maps, i, j: maps[:, :, i, j].max(), "that is a weight"),
        (lambda maps, i, j: [k + 1 for k in strongest(maps, i, j)], "counted from 0"),
        (lambda maps, i, j: strongest(maps.amax(dim=-1, keepdim=True), i, 0), "of column 3 only"),
        (lambda maps, i, j: (9, 9), "expected is"),
        (lambda maps, i, j: "layer", "two whole numbers"),
    ],
)
def test_strongest_head_wrong(answer, reason):
    refused(ch10.strongest_head, answer, reason)


def cut_off(n, places):
    mask = torch.zeros(1, 1, n, n)
    mask[..., places] = -INF
    mask[:, :, places] = 0
    return mask


def cut_off_otherwise(n, places):
    lowest = torch.finfo(torch.float32).min
    rows = [[lowest if j in places and i not in places else 0 for j in range(n)] for i in range(n)]
    return torch.tensor([[rows]])


@pytest.mark.parametrize("answer", [cut_off, cut_off_otherwise])
def test_cut_off_mask_right(answer):
    assert ch10.cut_off_mask.verdict(answer) == "Right."


@pytest.mark.parametrize("answer", [cut_off, cut_off_otherwise])
def test_a_right_mask_does_cut_a_token_off(answer):
    model, ids = tiny_model(0), torch.arange(2000, 2006)[None]
    other = ids.clone()
    other[0, 2:4] += 500
    with torch.no_grad():
        one, two = (
            model(input_ids=row, attention_mask=answer(6, [2, 3])).last_hidden_state[0] for row in (ids, other)
        )
    assert [torch.equal(a, b) for a, b in zip(one, two, strict=True)] == [True, True, False, False, True, True]


def whole_columns(n, places):
    mask = torch.zeros(1, 1, n, n)
    mask[..., places] = -INF
    return mask


def diagonal_kept(n, places):
    return torch.where(torch.eye(n) == 1, 0, whole_columns(n, places))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda n, places: cut_off(n, places).mT, "Close their columns"),
        (lambda n, places: cut_off(n, places) + cut_off(n, places).mT, "only their columns"),
        (whole_columns, "cannot look at themselves"),
        (diagonal_kept, "look at one another"),
        (lambda n, places: (cut_off(n, places) == 0).long(), "only 0 and 1"),
        (lambda n, places: cut_off(n, places) == 0, "only 0 and 1"),
        (lambda n, places: torch.where(cut_off(n, places) == 0, -INF, 0.0), "the wrong way round"),
        (lambda n, places: cut_off(n, places).clamp(min=-1), "0 (open) or -inf (cut)"),
        (lambda n, places: cut_off(n, places) * 0, "NaN"),
        (lambda n, places: cut_off(n, places)[0, 0], "shape"),
        (lambda n, places: cut_off(n, [k - 1 for k in places]), "squares are not"),
    ],
)
def test_cut_off_mask_wrong(answer, reason):
    refused(ch10.cut_off_mask, answer, reason)


@pytest.mark.parametrize("exercise", [ch10.weights, ch10.strongest_head, ch10.cut_off_mask])
def test_untouched_stubs_and_hints(exercise, capsys):
    for stub in (None, ..., lambda *_: ..., lambda *_: None):
        assert exercise.verdict(stub) == "Not tried yet."
    exercise.hint()
    exercise.hint(9)
    first, last = capsys.readouterr().out.splitlines()
    assert "hint(2) says more" in first
    assert "Hint 3 of 3" in last
