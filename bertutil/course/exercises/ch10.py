"""The exercises of chapter 10: attention weights, reading maps, cutting a token off, and what it moves."""

import math
from typing import Any

import torch
from torch import Tensor

from bertutil.course.exercises import Exercise, Wrong, call
from bertutil.course.inputs import tiny_model

CUT = -1e4  # a score this low has a weight of exactly 0 after the softmax
MASK = 103  # the id of [MASK]


def _judge_weights(function: Any) -> None:
    for seed, n, size, padding in [(0, 4, 16, 0), (1, 5, 9, 2), (2, 3, 64, 1)]:
        generator = torch.Generator().manual_seed(seed)
        query, key = torch.randn(2, n, size, generator=generator)
        mask = torch.tensor([1] * (n - padding) + [0] * padding)
        answer = _tensor(call(function, query.clone(), key.clone(), mask.clone()), [n, n], "the weights")
        scores = query @ key.T / size**0.5
        closed = scores.masked_fill(mask == 0, float("-inf"))
        if not torch.allclose(answer, closed.softmax(dim=-1), atol=1e-5):
            raise Wrong(_weights_reason(answer, query, key, mask))


def _weights_reason(answer: Tensor, query: Tensor, key: Tensor, mask: Tensor) -> str:
    n, size = query.shape
    raw, scores = query @ key.T, query @ key.T / size**0.5
    shut = mask == 0

    def same(other: Tensor) -> bool:
        return torch.allclose(answer, other, atol=1e-5)

    if answer.isnan().all():
        return (
            "all weights are NaN. Either the tokens with a 1 in the mask are closed (1 is a real token; close where"
            " it is 0), or 0 is multiplied by infinity, which is NaN: use masked_fill(mask == 0, float('-inf'))"
        )
    if answer.isnan().any():
        return "some weights are NaN: a row has no token left that it may look at; close columns, not rows"
    divisors = [
        (1.0, "not divided by the square root of the head's size, query.shape[-1]"),
        (float(size), "divided by the head's size itself; take its square root"),
        (n**0.5, "divided by the square root of the number of tokens; it must be the head's size, query.shape[-1]"),
    ]
    for divisor, what in divisors:
        unscaled = raw / divisor
        if same(unscaled.softmax(dim=-1)) or same(unscaled.masked_fill(shut, float("-inf")).softmax(dim=-1)):
            return f"the scores are {what}"
    if same(scores.masked_fill(shut, float("-inf"))) or same(scores):
        return "these are the scores; the softmax over the last axis is still missing"
    if same(scores.softmax(dim=0)) or same(scores.masked_fill(shut, float("-inf")).softmax(dim=0)):
        return "each column sums to 1; the softmax must run over the last axis, so that each row does"
    if same(scores.softmax(dim=-1)):
        return f"for the mask {mask.tolist()} the last tokens still get attention; 0 in the mask must give weight 0"
    if same(scores.softmax(dim=-1) * mask):
        return (
            "the padding has weight 0, but the rows no longer sum to 1: set the scores to -inf before the softmax, "
            "and do not put the weights to 0 after it"
        )
    right = scores.masked_fill(shut, float("-inf")).softmax(dim=-1)
    others = {
        "the rows of the padding are set to 0; it is its columns that get no weight, before the softmax": (
            scores.softmax(dim=-1) * mask[:, None]
        ),
        "the mask is added as 0 and 1; the number to add is 0 for a real token and -inf for padding": (
            (scores + mask).softmax(dim=-1)
        ),
        "the scores are MULTIPLIED by the square root of the head's size; divide them": (
            (raw * size**0.5).masked_fill(shut, float("-inf")).softmax(dim=-1)
        ),
        "it is the scores that are divided by the square root of the size, before the softmax, and not the weights": (
            raw.masked_fill(shut, float("-inf")).softmax(dim=-1) / size**0.5
        ),
        "both sides are the query; the scores are query @ key.T": (
            (query @ query.T / size**0.5).masked_fill(shut, float("-inf")).softmax(dim=-1)
        ),
        "all weights together sum to 1; each row must sum to 1: .softmax(dim=-1)": (
            scores.masked_fill(shut, float("-inf")).flatten().softmax(dim=0).unflatten(0, (n, n))
        ),
        "the scores are divided by their sum; a softmax takes the exponential of them first": (
            scores / scores.sum(dim=-1, keepdim=True)
        ),
    }
    for reason, value in others.items():
        if same(value):
            return reason
    if shut.any() and 0 < answer[:, shut].max() < 0.1 and torch.allclose(answer, right, atol=0.1):
        return "the padding still has a little weight: close it with -inf, not with a number that is merely low"
    if same((scores * mask).softmax(dim=-1)):
        return "a score of 0 is not a weight of 0, as the softmax of 0 is not 0; set the scores to -inf"
    if same((key @ query.T / size**0.5).masked_fill(shut, float("-inf")).softmax(dim=-1)):
        return "rows and columns are exchanged: the token of the row asks with its query, so it is query @ key.T"
    logs, spread = (x - x.mean(dim=-1, keepdim=True) for x in (answer.log(), raw))
    divisor = float((spread * spread).sum() / (logs * spread).sum())
    if math.isfinite(divisor) and same((raw / divisor).softmax(dim=-1)):
        return f"the scores are divided by {divisor:.2f}; the root of this head's size is {size**0.5:.2f}"
    return f"for {n} tokens, a head of size {size} and the mask {mask.tolist()} the weights are not the right ones"


def _judge_strongest(function: Any) -> None:
    found, right, cases = [], [], []
    slips: dict[str, list[tuple[int, int]]] = {}
    for seed in range(8):
        n_layers, n_heads, n, i, j = 3 + seed % 2, 5 - seed % 2, 4 + seed % 3, (1, 0, 3)[seed % 3], 2
        maps = torch.randn(n_layers, n_heads, n, n, generator=torch.Generator().manual_seed(seed)).mul(2).softmax(-1)
        answer = call(function, maps.clone(), i, j)
        shown = f"for maps of {n_layers} layers and {n_heads} heads, {i} looking at {j}, it returns {answer!r:.60}"
        found.append(_two_numbers(answer, shown))
        cases.append(shown)
        weights = maps[:, :, i, j]
        layer, head = _place(weights)
        right.append((layer, head))
        for reason, place in {
            "the layer comes first, then the head": (head, layer),
            "that is for the second token looking at the first. The row looks, the column is looked at": _place(
                maps[:, :, j, i]
            ),
            "layers and heads are counted from 0": (layer + 1, head + 1),
            "there the first token looks hardest at ANY token. Take the weights of column j only": _place(
                maps[:, :, i].amax(dim=-1)
            ),
            "there ANY token looks hardest at the second one. Take the weights of row i only": _place(
                maps[:, :, :, j].amax(dim=-1)
            ),
            "there any token looks hardest at any other. Take the weights [:, :, i, j] first": _place(
                maps.amax(dim=(2, 3))
            ),
            "argmax counts through the heads of each layer: divide by the number of HEADS, maps.shape[1]": divmod(
                int(weights.argmax()), n_layers
            ),
            "the best mean over heads and the best mean over layers need not meet at the largest weight": (
                int(weights.mean(dim=1).argmax()),
                int(weights.mean(dim=0).argmax()),
            ),
            "only layer 0 is searched": (0, int(weights[0].argmax())),
            "that is the smallest weight; the largest one is asked for": _place(-weights),
        }.items():
            slips.setdefault(reason, []).append(place)
    if found == right:
        return
    wrong = next(k for k in range(len(found)) if found[k] != right[k])
    likely = next((reason for reason, places in slips.items() if places == found), f"expected is {right[wrong]}")
    raise Wrong(f"{cases[wrong]}; {likely}")


def _two_numbers(answer: Any, shown: str) -> tuple[int, int]:
    if isinstance(answer, Tensor) and answer.ndim == 0:
        answer = answer.item()
    if isinstance(answer, float):
        raise Wrong(f"{shown}; that is a weight, and what is asked for is where it stands: layer and head")
    if isinstance(answer, int):
        raise Wrong(f"{shown}; two numbers are asked for. argmax counts through all heads: divmod(k, heads)")
    try:
        layer, head = (int(value) for value in answer)
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"{shown}; return two whole numbers, layer and head") from None
    return layer, head


def _place(weights: Tensor) -> tuple[int, int]:
    """Where the largest value of a matrix stands."""
    row, column = divmod(int(weights.argmax()), weights.shape[1])
    return row, column


def _judge_cut_off(function: Any) -> None:
    for n, places in [(6, [2]), (7, [3, 4]), (4, [0, 3])]:
        answer = _tensor(call(function, n, list(places)), [1, 1, n, n], "the mask")
        mask = answer[0, 0].float()
        shown = f"for n={n} and places={places}:"
        expected = _hidden(n, places)
        if not mask.any():
            raise Wrong(f"{shown} the mask is 0 everywhere, so nothing is cut")
        if (mask > 1).any():
            raise Wrong(f"{shown} plus infinity would give all attention to these places; the cut is MINUS infinity")
        if mask.isnan().any():
            raise Wrong(f"{shown} the mask has NaN in it, as 0 * -inf is NaN; set the squares one by one instead")
        shut = mask <= CUT
        if answer.dtype == torch.bool or set(mask.flatten().tolist()) <= {0.0, 1.0}:
            raise Wrong(f"{shown} the mask holds only 0 and 1; it is added to the scores: 0 is open, -inf is cut")
        if not ((mask == 0) | shut).all():
            raise Wrong(
                f"{shown} 0 (open) or -inf (cut) are allowed; this one holds {sorted({*mask.flatten().tolist()})}"
            )
        if torch.equal(shut, expected):
            continue
        if torch.equal(shut, expected.T):
            raise Wrong(f"{shown} these places no longer look at others. Close their columns: [..., row, column]")
        if torch.equal(shut, expected | expected.T):
            raise Wrong(f"{shown} these places may still look at every token; only their columns are to be closed")
        whole = torch.zeros_like(expected)
        whole[:, places] = True
        alone = whole & ~torch.eye(n, dtype=torch.bool)
        if torch.equal(shut, whole):
            raise Wrong(f"{shown} the places cannot look at themselves any more; leave their own rows open")
        if torch.equal(shut, alone):
            raise Wrong(f"{shown} the places must be able to look at one another; leave their rows open altogether")
        if torch.equal(shut, ~expected):
            raise Wrong(f"{shown} open and cut are the wrong way round: 0 is open, -inf is cut")
        if torch.equal(shut, whole.T):
            raise Wrong(f"{shown} these places may look at nothing at all. Close their columns: [..., row, column]")
        if torch.equal(shut, whole & whole.T):
            raise Wrong(f"{shown} only these places are closed for one another; they are to be closed for the OTHERS")
        if len(places) > 1 and torch.equal(shut, _hidden(n, places[:1])):
            raise Wrong(f"{shown} only the first of the places is cut off; a word can have several")
        row, column = (shut != expected).nonzero()[0].tolist()
        what = "open, and must be cut" if expected[row, column] else "cut, and must be open"
        raise Wrong(f"{shown} the square in row {row} (looks) and column {column} (is looked at) is {what}")


def _hidden(n: int, places: list[int]) -> Tensor:
    """True where a token must not look: the places' columns, but for the rows of the places."""
    shut = torch.zeros(n, n, dtype=torch.bool)
    shut[:, places] = True
    shut[places] = False
    return shut


def _judge_moves(function: Any) -> None:
    for seed, n, i in [(0, 5, 2), (1, 7, 5), (2, 4, 0)]:
        model = tiny_model(seed)
        ids = torch.randint(1000, 30_000, (1, n), generator=torch.Generator().manual_seed(seed))
        uneven: Any = model.encoder.layer[-1]  # else all vectors are equally long
        uneven.output.LayerNorm.weight.data[::2] *= 3
        with torch.no_grad():
            answer = _tensor(call(function, model, ids.clone(), i), [n], "the moves")
            if answer.isnan().any():
                raise Wrong("some moves are NaN; is the whole sentence hidden at once?")
            hidden = 1 - torch.eye(n, dtype=torch.long)  # row j hides token j
            passed = (torch.arange(n)[:, None] >= torch.arange(n)) & (torch.arange(n) != i)
            before = _last(model, ids, torch.ones_like(ids))
            after = _last(model, ids.expand(n, -1), hidden)
            still = _last(model, ids.expand(n, -1), (~passed).long())
            alone = _last(model, ids.expand(n, -1), 1 - hidden)
            replaced = _last(model, ids.where(hidden == 1, MASK), torch.ones_like(hidden))
        size, far = before.norm(dim=-1), (after - before).norm(dim=-1)  # far: [hidden, moved]
        right = far[:, i] / size[0, i]
        others = torch.arange(n) != i
        slips = {
            "these are lengths; divide by the length of the vector before: a share": far[:, i],
            "divide by the length BEFORE, when nothing is hidden": far[:, i] / after[:, i].norm(dim=-1),
            f"that is how far the others move when token {i} is hidden; token {i} is the one to watch": (far / size)[
                i
            ],
            "that is how far the hidden token itself moves; the token to watch is i": (far / size).diagonal(),
            "that is the mean over all tokens; take the vector of token i alone": (far / size).mean(dim=1),
            "these are cosines, or 1 minus them; a move is the length of the difference": 1
            - torch.cosine_similarity(after[:, i], before[:, i], dim=-1),
            "the tokens of earlier rounds are still hidden; begin each round with a mask of ones": (
                (still - before).norm(dim=-1)[:, i] / size[0, i]
            ),
            "open and hidden are the wrong way round: 1 is a token that is seen, 0 one that is hidden": (
                (alone - before).norm(dim=-1)[:, i] / size[0, i]
            ),
            "the token was replaced by [MASK]; leave the ids as they are, and hide it with attention_mask": (
                (replaced - before).norm(dim=-1)[:, i] / size[0, i]
            ),
            "nothing moves. Is the mask with the 0 handed to the model?": torch.zeros(n),
        }
        if torch.allclose(answer[others], right[others], atol=1e-4):
            if answer[i] != 0:
                raise Wrong(f"the others are right; entry {i}, of the token itself, must be 0: leave it out")
            continue
        for reason, slip in slips.items():
            if torch.allclose(answer[others], slip[others], atol=1e-4):
                raise Wrong(reason)
        j = int((answer - right).abs().where(others, torch.tensor(0.0)).argmax())
        raise Wrong(
            f"with token {j} of {n} hidden, token {i} moves by {right[j]:.3f} of its length in the last layer; "
            f"yours is {answer[j]:.3f}"
        )


def _last(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    states: Tensor = model(input_ids=ids, attention_mask=mask).last_hidden_state
    return states


def _tensor(answer: Any, shape: list[int], what: str) -> Tensor:
    if not isinstance(answer, Tensor):
        raise Wrong(f"return a tensor; this is a {type(answer).__name__}")
    if list(answer.shape) != shape:
        raise Wrong(f"the shape of {what} is {list(answer.shape)}; it must be {shape}")
    return answer.float()


weights = Exercise(
    "attention-weights",
    _judge_weights,
    [
        "Three steps: the scores, -inf where the mask is 0, the softmax. Which axis must sum to 1?",
        "scores = query @ key.T / size**0.5, where size = query.shape[-1].",
        "scores.masked_fill(mask == 0, float('-inf')) closes the columns; then .softmax(dim=-1).",
    ],
)

strongest_head = Exercise(
    "strongest-head",
    _judge_strongest,
    [
        "maps[:, :, i, j] has one weight for each layer and head: i is the row, j the column.",
        "argmax() counts through all the weights, line by line. With h heads a line, k is line k // h, place k % h.",
        "divmod(maps[:, :, i, j].argmax().item(), maps.shape[1]) is (layer, head).",
    ],
)

cut_off_mask = Exercise(
    "cut-off-mask",
    _judge_cut_off,
    [
        "Draw the square for n=3, places=[1]. Which rows must not look at column 1, and which may?",
        "Begin with torch.zeros(1, 1, n, n). Close whole columns first; then open the rows of the places again.",
        "mask[..., places] = float('-inf') closes columns; mask[:, :, places] = 0 opens rows.",
    ],
)

moves_without = Exercise(
    "moves-without-a-token",
    _judge_moves,
    [
        "Run the model once with a mask of ones: that is before. Then once for each other token, with one 0.",
        "mask = torch.ones_like(input_ids); mask[0, j] = 0; then model(input_ids=..., attention_mask=mask).",
        "With before and after for last_hidden_state[0, i]: (after - before).norm() / before.norm().",
    ],
)
