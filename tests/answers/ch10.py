"""Right and wrong answers to the exercises of chapter 10; a wrong one with a part of the reply that it deserves."""

import torch

from bertutil.course.exercises import ch10

INF = float("inf")


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


def strongest(maps, i, j):
    return divmod(maps[:, :, i, j].argmax().item(), maps.shape[1])


def strongest_otherwise(maps, i, j):
    best = max((maps[layer, head, i, j], layer, head) for layer in range(len(maps)) for head in range(maps.shape[1]))
    return list(best[1:])


def cut_off(n, places):
    mask = torch.zeros(1, 1, n, n)
    mask[..., places] = -INF
    mask[:, :, places] = 0
    return mask


def cut_off_otherwise(n, places):
    lowest = torch.finfo(torch.float32).min
    rows = [[lowest if j in places and i not in places else 0 for j in range(n)] for i in range(n)]
    return torch.tensor([[rows]])


def whole_columns(n, places):
    mask = torch.zeros(1, 1, n, n)
    mask[..., places] = -INF
    return mask


def diagonal_kept(n, places):
    return torch.where(torch.eye(n) == 1, 0, whole_columns(n, places))


def moves(model, ids, i, *, mask=torch.ones_like, over=None, at=None):
    """Right as it is; the options make it wrong."""
    before = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
    found = torch.zeros(ids.shape[1])
    for j in range(ids.shape[1]):
        hidden = mask(ids)
        hidden[0, j] = 1 - hidden[0, j]
        after = model(input_ids=ids, attention_mask=hidden).last_hidden_state[0]
        k = i if at is None else at(i, j)
        found[j] = (after - before)[k].norm() / (before[k].norm() if over is None else over(after[k]))
    found[i] = 0
    return found


def moves_in_one_batch(model, ids, i):
    n = ids.shape[1]
    mask = torch.zeros(n + 1, 1, n, n)
    for j in range(n):
        mask[j, :, :, j] = -INF
        mask[j, :, j] = 0
    states = model(input_ids=ids.repeat(n + 1, 1), attention_mask=mask).last_hidden_state[:, i]
    found = (states[:n] - states[n]).norm(dim=1) / states[n].norm()
    return torch.where(torch.arange(n) == i, 0, found)


def hidden_for_good(model, ids, i):
    mask, found = torch.ones_like(ids), torch.zeros(ids.shape[1])
    before = model(input_ids=ids, attention_mask=mask).last_hidden_state[0, i]
    for j in range(ids.shape[1]):
        if j != i:
            mask[0, j] = 0
            after = model(input_ids=ids, attention_mask=mask).last_hidden_state[0, i]
            found[j] = (after - before).norm() / before.norm()
    return found


def replaced(model, ids, i):
    before, found = model(input_ids=ids).last_hidden_state[0, i], torch.zeros(ids.shape[1])
    for j in range(ids.shape[1]):
        other = ids.clone()
        other[0, j] = 103
        found[j] = (model(input_ids=other).last_hidden_state[0, i] - before).norm() / before.norm()
    return found


RIGHT = [
    (ch10.weights, weights),
    (ch10.weights, weights_otherwise),
    (ch10.strongest_head, strongest),
    (ch10.strongest_head, strongest_otherwise),
    (ch10.cut_off_mask, cut_off),
    (ch10.cut_off_mask, cut_off_otherwise),
    (ch10.moves_without, moves),
    (ch10.moves_without, moves_in_one_batch),
]

WRONG = [
    (ch10.weights, lambda q, k, m: closed(q @ k.T, m).softmax(-1), "not divided by the square root"),
    (ch10.weights, lambda q, k, m: closed(q @ k.T / q.shape[-1], m).softmax(-1), "the head's size itself"),
    (ch10.weights, lambda q, k, m: closed(q @ k.T / len(q) ** 0.5, m).softmax(-1), "the number of tokens"),
    (
        ch10.weights,
        lambda q, k, m: closed(q @ k.T / q.shape[-1] ** 0.5, m),
        "softmax over the last axis is still missing",
    ),
    (ch10.weights, lambda q, k, m: closed(q @ k.T / q.shape[-1] ** 0.5, m).softmax(0), "each column sums to 1"),
    (ch10.weights, lambda q, k, m: (q @ k.T / q.shape[-1] ** 0.5).softmax(-1), "still get attention"),
    (ch10.weights, lambda q, k, m: (q @ k.T / q.shape[-1] ** 0.5).softmax(-1) * m, "no longer sum to 1"),
    (
        ch10.weights,
        lambda q, k, m: (q @ k.T / q.shape[-1] ** 0.5 * m).softmax(-1),
        "a score of 0 is not a weight of 0",
    ),
    (ch10.weights, lambda q, k, m: weights(k, q, m), "rows and columns are exchanged"),
    (ch10.weights, lambda q, k, m: weights(q, k, 1 - m), "1 is a real token"),
    (ch10.weights, lambda q, k, m: (q @ k.T / q.shape[-1] ** 0.5 + m).softmax(-1), "added as 0 and 1"),
    (ch10.weights, lambda q, k, m: closed(q @ k.T * q.shape[-1] ** 0.5, m).softmax(-1), "MULTIPLIED"),
    (ch10.weights, lambda q, k, m: closed(q @ k.T, m).softmax(-1) / q.shape[-1] ** 0.5, "and not the weights"),
    (ch10.weights, lambda q, k, m: (q @ k.T / q.shape[-1] ** 0.5).masked_fill(m == 0, -9).softmax(-1), "merely low"),
    (ch10.weights, lambda q, k, m: closed(q @ k.T / q.shape[-1] ** 0.5, m[:, None]).softmax(-1), "NaN"),
    (ch10.weights, lambda q, k, m: weights(q, k, m) @ k, "shape"),
    (ch10.weights, lambda q, k, m: weights(q, k, m).tolist(), "return a tensor"),
    (ch10.weights, lambda q, k, m: torch.full((len(q), len(q)), 1 / len(q)), "not the right ones"),
    (ch10.strongest_head, lambda maps, i, j: strongest(maps, j, i), "The row looks"),
    (ch10.strongest_head, lambda maps, i, j: strongest(maps, i, j)[::-1], "the layer comes first"),
    (ch10.strongest_head, lambda maps, i, j: maps[:, :, i, j].argmax(), "divmod"),
    (ch10.strongest_head, lambda maps, i, j: maps[:, :, i, j].max(), "that is a weight"),
    (ch10.strongest_head, lambda maps, i, j: [k + 1 for k in strongest(maps, i, j)], "counted from 0"),
    (ch10.strongest_head, lambda maps, i, j: strongest(maps.amax(dim=-1, keepdim=True), i, 0), "of column j only"),
    (ch10.strongest_head, lambda maps, i, j: (9, 9), "expected is"),
    (ch10.strongest_head, lambda maps, i, j: divmod(maps[:, :, i, j].argmax().item(), len(maps)), "number of HEADS"),
    (ch10.strongest_head, lambda maps, i, j: strongest(maps.amax((2, 3), True), 0, 0), "[:, :, i, j] first"),
    (ch10.strongest_head, lambda maps, i, j: strongest(-maps, i, j), "the smallest weight"),
    (ch10.strongest_head, lambda maps, i, j: (0, maps[0, :, i, j].argmax().item()), "only layer 0"),
    (
        ch10.strongest_head,
        lambda maps, i, j: [maps[:, :, i, j].mean(axis).argmax() for axis in (1, 0)],
        "need not meet",
    ),
    (ch10.strongest_head, lambda maps, i, j: "layer", "two whole numbers"),
    (ch10.cut_off_mask, lambda n, places: cut_off(n, places).mT, "Close their columns"),
    (ch10.cut_off_mask, lambda n, places: cut_off(n, places) + cut_off(n, places).mT, "only their columns"),
    (ch10.cut_off_mask, whole_columns, "cannot look at themselves"),
    (ch10.cut_off_mask, diagonal_kept, "look at one another"),
    (ch10.cut_off_mask, lambda n, places: whole_columns(n, places).mT, "look at nothing at all"),
    (ch10.cut_off_mask, lambda n, places: torch.zeros(1, 1, n, n), "nothing is cut"),
    (ch10.cut_off_mask, lambda n, places: -cut_off(n, places), "MINUS infinity"),
    (ch10.cut_off_mask, lambda n, places: cut_off(n, places[:1]), "only the first of the places"),
    (ch10.cut_off_mask, lambda n, places: (cut_off(n, places) == 0).long(), "only 0 and 1"),
    (ch10.cut_off_mask, lambda n, places: cut_off(n, places) == 0, "only 0 and 1"),
    (ch10.cut_off_mask, lambda n, places: torch.where(cut_off(n, places) == 0, -INF, 0.0), "the wrong way round"),
    (ch10.cut_off_mask, lambda n, places: cut_off(n, places).clamp(min=-1), "0 (open) or -inf (cut)"),
    (ch10.cut_off_mask, lambda n, places: cut_off(n, places) * 0, "NaN"),
    (ch10.cut_off_mask, lambda n, places: cut_off(n, places)[0, 0], "shape"),
    (ch10.cut_off_mask, lambda n, places: cut_off(n, [k - 1 for k in places]), "must be open"),
    (
        ch10.weights,
        lambda q, k, m: (q @ k.T / q.shape[-1] ** 0.5 + (1 - m) * -torch.inf).softmax(-1),
        "0 is multiplied",
    ),
    (ch10.weights, lambda q, k, m: closed(q @ k.T / 8, m).softmax(-1), "are divided by 8.00"),
    (ch10.weights, lambda q, k, m: weights(q, q, m), "both sides are the query"),
    (ch10.moves_without, lambda m, ids, i: moves(m, ids, i, over=lambda after: 1), "divide by the length of the vec"),
    (ch10.moves_without, lambda m, ids, i: moves(m, ids, i, over=torch.norm), "the length BEFORE"),
    (ch10.moves_without, lambda m, ids, i: moves(m, ids, i, mask=torch.zeros_like), "the wrong way round: 1 is a"),
    (ch10.moves_without, lambda m, ids, i: moves(m, ids, i, at=lambda i, j: j), "the hidden token itself moves"),
    (
        ch10.moves_without,
        lambda m, ids, i: torch.stack([moves(m, ids, k)[i] for k in range(ids.shape[1])]),
        "how far the others move",
    ),
    (ch10.moves_without, lambda m, ids, i: moves(m, ids, i) + (torch.arange(ids.shape[1]) == i), "must be 0"),
    (ch10.moves_without, hidden_for_good, "the tokens of earlier rounds are still hidden"),
    (ch10.moves_without, replaced, "replaced by [MASK]"),
    (ch10.moves_without, lambda m, ids, i: torch.zeros(ids.shape[1]), "nothing moves"),
    (ch10.moves_without, lambda m, ids, i: moves(m, ids, i) / 0, "NaN"),
    (ch10.moves_without, lambda m, ids, i: moves(m, ids, i) * 2, "of its length in the last layer; yours is"),
    (ch10.moves_without, lambda m, ids, i: moves(m, ids, i)[1:], "shape"),
]
