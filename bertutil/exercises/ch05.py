"""The exercises of chapter 5: hidden states."""

from typing import Any

import torch
from torch import Tensor

from bertutil.exercises import Exercise, Wrong, call


def _judge_count_values(function: Any) -> None:
    for n_layers, tokens, n_features in [(3, [7], 8), (12, [22], 768), (6, [5, 9, 4], 16), (2, [6, 6], 4)]:
        answer = call(function, n_layers, list(tokens), n_features)
        if isinstance(answer, Tensor) and answer.numel() == 1:
            answer = answer.item()
        if isinstance(answer, bool) or not isinstance(answer, int | float):
            raise Wrong(f"return one number; this is a {type(answer).__name__}")
        rows, longest, states = len(tokens), max(tokens), n_layers + 1
        if answer == states * rows * longest * n_features:
            continue
        shown = (
            f"for {n_layers} encoder layers, token counts {tokens} and {n_features} features it returns {answer:,}"
        )
        reasons: dict[float, str] = {  # where two are the same number, the one further down counts
            n_layers * sum(tokens) * n_features: "layer 0 and the padding are not counted",
            n_layers * rows * longest * n_features: "the embedding output, layer 0, is not counted",
            states * sum(tokens) * n_features: "in a batch each row is padded to the longest one, and the model "
            "returns a vector for padding too",
            states * longest * n_features: "the batch holds more than one text",
            states * rows * n_features: "there is a vector for each token, not one for each text",
            rows * longest * n_features: "this is one layer",
            states * rows * (longest + 2) * n_features: "the token counts hold [CLS] and [SEP] already",
            states * rows * longest: "each vector has several features",
        }
        raise Wrong(f"{shown}: {reasons.get(answer, 'multiply the sizes of the four dimensions')}")


def _judge_cosine_without(function: Any) -> None:
    generator = torch.Generator().manual_seed(5)
    for n, feature in [(6, 2), (9, 0), (5, 4)]:
        a, b = torch.randn(2, n, generator=generator)
        a[feature], b[feature] = -7.0, -9.0
        given = a.clone(), b.clone()
        answer = _number(call(function, *given, feature))
        if not (torch.equal(given[0], a) and torch.equal(given[1], b)):
            raise Wrong("your function changes the vectors it is given; work on a copy, for instance a.clone()")
        kept = torch.arange(n) != feature
        if _near(answer, _cosine(a[kept], b[kept])):
            continue
        shown = f"for two vectors of {n} features, without feature {feature}, it returns {answer:.4f}"
        if _near(answer, _cosine(a, b)):
            raise Wrong(f"{shown}: this is the cosine with all features")
        if _near(answer, (a[kept] @ b[kept] / (a.norm() * b.norm())).item()):
            raise Wrong(f"{shown}: the feature is taken out of the product, but it still counts in the two lengths")
        if _near(answer, (a[kept] @ b[kept]).item()):
            raise Wrong(f"{shown}: this is the product; divide it by the two lengths")
        if _near(answer, 1 - _cosine(a[kept], b[kept])):
            raise Wrong(f"{shown}: this is the distance, 1 minus the cosine (SciPy's `cosine` returns it)")
        if feature > 1 and _near(answer, _cosine(a[:feature], b[:feature])):
            raise Wrong(f"{shown}: everything behind the feature is gone too")
        if feature and _near(answer, _cosine(a[torch.arange(n) != feature - 1], b[torch.arange(n) != feature - 1])):
            raise Wrong(f"{shown}: the feature before it is left out; indices begin at 0")
        raise Wrong(f"{shown}, and expected is {_cosine(a[kept], b[kept]):.4f}")


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()))


def _near(a: float, b: float) -> bool:
    return abs(a - b) < 1e-4


def _number(answer: Any) -> float:
    try:
        return float(answer)
    except (TypeError, ValueError, RuntimeError):
        shape = f" of shape {list(answer.shape)}" if isinstance(answer, Tensor) else ""
        raise Wrong(f"return one number; this is a {type(answer).__name__}{shape}") from None


def _judge_text_states(function: Any) -> None:
    generator = torch.Generator().manual_seed(7)
    for layers, counts, features, i in [(4, [5, 3, 4], 6, 1), (3, [4], 8, 0), (5, [2, 5], 5, 1)]:
        rows, longest = len(counts), max(counts)
        states = tuple(torch.randn(rows, longest, features, generator=generator) for _ in range(layers))
        mask = torch.tensor([[int(k < count) for k in range(longest)] for count in counts])
        shown = f"for {layers} layers, a batch of {rows} and text {i}, which has {counts[i]} of {longest} tokens,"
        try:
            answer = call(function, states, mask, i)
        except Wrong as error:
            if rows > 1 and "number of dimensions" in str(error):
                raise Wrong(f"{error} ({shown} squeeze changes nothing; pick the text by its index)") from None
            raise
        if not isinstance(answer, Tensor):
            raise Wrong(f"return one tensor; this is a {type(answer).__name__}")
        padded = torch.stack([state[i] for state in states], dim=1)
        expected = padded[: counts[i]]
        if answer.shape == expected.shape and torch.equal(answer, expected):
            continue
        shown = f"{shown} it returns the shape {list(answer.shape)}"
        others = [torch.stack([state[j] for state in states], dim=1)[: counts[j]] for j in range(rows)]
        _explain_states(shown, answer, expected, padded, others)


def _explain_states(shown: str, answer: Tensor, expected: Tensor, padded: Tensor, others: list[Tensor]) -> None:
    by_layer = expected.transpose(0, 1)
    if answer.ndim == 4:
        raise Wrong(f"{shown}: the batch axis is still there; pick the text by its index")
    for j, other in enumerate(others):
        if answer.shape == other.shape and torch.equal(answer, other):
            raise Wrong(f"{shown}: these are the vectors of text {j}")
    if answer.shape == padded.shape and torch.equal(answer, padded):
        raise Wrong(f"{shown}: the padding is still there; the attention mask of the text says which tokens are real")
    if answer.shape == padded.shape and torch.equal(
        answer[len(expected) :], torch.zeros_like(padded[len(expected) :])
    ):
        raise Wrong(f"{shown}: padding is to be left out, not set to 0")
    if answer.shape in (by_layer.shape, (turned := padded.transpose(0, 1)).shape) and (
        torch.equal(answer[:, : len(expected)], by_layer)
    ):
        raise Wrong(f"{shown}: the layers come first; turn the first two axes")
    if answer.shape == expected.shape and torch.equal(answer.flatten(), by_layer.flatten()):
        raise Wrong(f"{shown}, which is right, but not the numbers. {_RESHAPED}")
    if answer.shape == padded.shape and torch.equal(answer.flatten(), turned.flatten()):
        raise Wrong(f"{shown}, and the numbers are in the wrong places. {_RESHAPED}")
    if answer.shape == expected.shape:
        raise Wrong(f"{shown}, which is right, but the numbers are others")
    raise Wrong(f"{shown}; expected is {list(expected.shape)}, for tokens, layers, features")


_RESHAPED = (
    "reshape and view cut the row of numbers into new pieces, they do not turn the box: use permute or transpose"
)

count_values = Exercise(
    _judge_count_values,
    hints=[
        "There are four dimensions. Write down the size of each one, then multiply.",
        "Layers: the encoder layers and one more. Tokens: as many as the longest row of the batch has.",
    ],
)

cosine_without = Exercise(
    _judge_cosine_without,
    hints=[
        "Make two new vectors in which the feature does not count, then take their cosine as usual.",
        "torch.arange(len(a)) != feature is a mask that keeps the other features. A copy with a 0 there works too.",
    ],
)

text_states = Exercise(
    _judge_text_states,
    hints=[
        "Pick the text by its index before you turn the axes. Then it does not matter how large the batch is.",
        "torch.stack(states)[:, i] is [layers, tokens, features]. Turn the first two axes, then drop the padding.",
        "attention_mask[i].bool() is True at real tokens; index the axis of the tokens with it.",
    ],
)
