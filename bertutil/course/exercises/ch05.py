"""The exercises of chapter 5: hidden states."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from bertutil.course.exercises import Exercise, Wrong, call, compare, number
from bertutil.course.inputs import tiny_model


def _judge_count_values(function: Any) -> None:
    cases = [(3, [7], 8), (12, [22], 768), (6, [5, 9, 4], 16), (2, [6, 6], 4)]
    answers = [_one_number(call(function, n, list(tokens), features)) for n, tokens, features in cases]

    def each(count: Callable[[int, list[int], int], float]) -> list[float]:
        return [count(*case) for case in cases]

    padding = "in a batch each row is padded to the longest one, and the model returns a vector for padding too"
    slips: dict[str, Sequence[float]] = {
        "the embedding output, layer 0, is not counted": each(lambda n, t, f: n * len(t) * max(t) * f),
        padding: each(lambda n, t, f: (n + 1) * sum(t) * f),
        f"layer 0 and the padding are not counted: {padding}": each(lambda n, t, f: n * sum(t) * f),
        "the batch holds more than one text": each(lambda n, t, f: (n + 1) * max(t) * f),
        "there is a vector for each token, not one for each text": each(lambda n, t, f: (n + 1) * len(t) * f),
        "this is one layer": each(lambda n, t, f: len(t) * max(t) * f),
        "the token counts hold [CLS] and [SEP] already": each(lambda n, t, f: (n + 1) * len(t) * (max(t) + 2) * f),
        "[CLS] and [SEP] have vectors too, so do not take them off": each(
            lambda n, t, f: (n + 1) * len(t) * (max(t) - 2) * f
        ),
        "there is one layer more than encoder layers, not two": each(lambda n, t, f: (n + 2) * len(t) * max(t) * f),
        "each vector has several features": each(lambda n, t, f: (n + 1) * len(t) * max(t)),
        "rows are filled up to the longest one, not cut to the shortest": each(
            lambda n, t, f: (n + 1) * len(t) * min(t) * f
        ),
        "rows are filled up to the longest one, which need not be the first": each(
            lambda n, t, f: (n + 1) * len(t) * t[0] * f
        ),
        "the number of rows is len(tokens); the tokens of a row are counted once": each(
            lambda n, t, f: (n + 1) * sum(t) * max(t) * f
        ),
        "the four sizes are to be multiplied, not added": each(lambda n, t, f: n + 1 + len(t) + max(t) + f),
    }
    shown = [f"{n} encoder layers, token counts {tokens} and {features} features" for n, tokens, features in cases]
    compare(answers, each(lambda n, t, f: (n + 1) * len(t) * max(t) * f), slips, shown)


def _one_number(answer: Any) -> float:
    if isinstance(answer, list | tuple):
        raise Wrong(f"return one number, the product of the four sizes; this is {answer!r:.60}")
    return number(answer)


def _judge_cosine_without(function: Any) -> None:
    generator = torch.Generator().manual_seed(5)
    for n, feature in [(6, 2), (9, 0), (5, 4)]:
        a, b = torch.randn(2, n, generator=generator)
        a[feature], b[feature] = -7.0, -9.0
        answer = number(call(function, a, b, feature))
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
        one = torch.where(kept, a, 0)
        others = {
            "this is one feature's share of the whole cosine": (
                a[feature] * b[feature] / (a.norm() * b.norm())
            ).item(),
            "the feature is left out of one of the two vectors only": _cosine(one, b),
            "the feature is left out of one of the two vectors only; it is the second one that still has it": _cosine(
                a, torch.where(kept, b, 0)
            ),
            "the feature is set to 1; that still counts in the product and in the lengths": _cosine(
                torch.where(kept, a, 1), torch.where(kept, b, 1)
            ),
            "everything up to the feature is gone too": _cosine(a[feature + 1 :], b[feature + 1 :]),
            "everything in front of the feature is gone, and the feature is still there": _cosine(
                a[feature:], b[feature:]
            ),
            "divide by BOTH lengths": (a[kept] @ b[kept] / a[kept].norm()).item(),
            "this is the cosine with all features, minus the product of the one; both lengths change as well": (
                _cosine(a, b) - (a[feature] * b[feature]).item()
            ),
        }
        for reason, value in others.items():
            if _near(answer, value):
                raise Wrong(f"{shown}: {reason}")
        if math.isnan(answer):
            raise Wrong(f"{shown}: a feature set to NaN makes every sum NaN; leave it out, or set it to 0")
        if _near(answer, round(_cosine(a[kept], b[kept]), 2)):
            raise Wrong(f"{shown}: this is rounded; return the number as it is")
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
            if "tuple indices must be integers" in str(error):
                raise Wrong(f"{error} (the states are a tuple; torch.stack makes one tensor of them)") from None
            if "The shape of the mask" in str(error):
                raise Wrong(
                    f"{error} (the mask is for the axis of the tokens; which axis stands in its place?)"
                ) from None
            raise
        if not isinstance(answer, Tensor):
            raise Wrong(f"return one tensor; this is a {type(answer).__name__}")
        padded = torch.stack([state[i] for state in states], dim=1)
        expected = padded[: counts[i]]
        if answer.shape == expected.shape and torch.equal(answer, expected):
            continue
        shown = f"{shown} it returns the shape {list(answer.shape)}"
        others = [torch.stack([state[j] for state in states], dim=1)[: counts[j]] for j in range(rows)]
        _explain_states(shown, answer, expected, padded, others, states)


def _explain_states(
    shown: str, answer: Tensor, expected: Tensor, padded: Tensor, others: list[Tensor], states: tuple[Tensor, ...]
) -> None:
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
    if answer.ndim == 2:
        raise Wrong(f"{shown}: an axis is missing; torch.stack keeps the layers apart, torch.cat and a mean do not")
    if answer.shape == expected[:, 1:].shape and torch.equal(answer, expected[:, 1:]):
        raise Wrong(f"{shown}: layer 0 is missing; all of the states are asked for")
    if answer.shape == expected[1:-1].shape and torch.equal(answer, expected[1:-1]):
        raise Wrong(f"{shown}: [CLS] and [SEP] are missing; they are real tokens, and only padding is to go")
    if answer.shape == expected.mT.shape and torch.equal(answer, expected.mT):
        raise Wrong(f"{shown}: the last two axes are exchanged; the order is tokens, layers, features")
    if any(answer.shape == state.shape and torch.equal(answer, state) for state in states):
        raise Wrong(f"{shown}: this is one layer with all texts; the first axis of the states is the layers")
    if answer.shape == padded.shape and len(padded) > len(expected):
        values = {tuple(row) for row in padded[:2].flatten(1).tolist()}
        if {tuple(row) for row in answer.flatten(1).tolist()} <= values:
            raise Wrong(
                f"{shown}: a mask of 0 and 1 is taken for the indices 0 and 1; make it True and False, .bool()"
            )
    if answer.shape in (by_layer.shape, (turned := padded.transpose(0, 1)).shape) and (
        torch.equal(answer[:, : len(expected)], by_layer)
    ):
        raise Wrong(f"{shown}: the layers come first; turn the first two axes")
    if answer.shape == expected.shape and torch.equal(answer.flatten(), by_layer.flatten()):
        raise Wrong(f"{shown}, which is right, but not the numbers. {_RESHAPED}")
    if answer.shape == padded.shape and torch.equal(answer.flatten(), turned.flatten()):
        raise Wrong(f"{shown}, and the numbers are in the wrong places. {_RESHAPED}")
    if answer.shape == expected.shape:
        reshaped = torch.equal(answer.flatten(), turned.reshape(padded.shape)[: len(expected)].flatten())
        raise Wrong(f"{shown}, which is right, but the numbers are not. {_RESHAPED if reshaped else ''}".rstrip())
    raise Wrong(f"{shown}; expected is {list(expected.shape)}, for tokens, layers, features")


def _judge_layer_state(function: Any) -> None:
    for seed, n_layers, n_tokens, k in [(1, 3, 6, 0), (2, 3, 5, 2), (3, 2, 8, 2), (4, 4, 4, 1)]:
        model = tiny_model(seed, n_layers)
        norm: Any = model.embeddings.LayerNorm
        torch.manual_seed(seed)
        with torch.no_grad():  # a fresh one has the weights 1 and the biases 0, so that no one would miss them
            norm.weight.uniform_(0.5, 2)
            norm.bias.uniform_(-1, 1)
        ids = torch.tensor([101, *range(2000 + seed, 2000 + seed + n_tokens - 2), 102])
        with torch.no_grad():
            states = model(input_ids=ids[None], output_hidden_states=True).hidden_states
        computed: list[str] = []
        for name, part in [("model", model), ("embeddings", model.embeddings)]:
            part.register_forward_hook(lambda *_, name=name, computed=computed: computed.append(name))
        for layer in model.encoder.layer:
            layer.register_forward_hook(lambda *_, computed=computed: computed.append("layer"))
        try:
            answer = call(function, model, ids, k)
        except Wrong as error:
            if "index out of range in self" in str(error):
                raise Wrong(f"{error} (a table has no such row: are the ids taken for positions?)") from None
            raise
        if not isinstance(answer, Tensor):
            raise Wrong(f"return one tensor; this is a {type(answer).__name__}")
        shown = f"for a model of {n_layers} layers and k={k}"
        count = computed.count("layer")
        if "model" in computed:
            raise Wrong(f"{shown} your function calls the whole model, so all of its {count} layers were computed")
        if "embeddings" in computed:
            raise Wrong(f"{shown} it calls model.embeddings; build layer 0 from the three tables and the layer norm")
        with torch.no_grad():
            slips = _start_slips(model, ids) if k == 0 else _layer_slips(model, states[0], k)
        _compare_state(shown, answer.detach().float(), count, k, [state[0] for state in states], slips)
        if count > k:
            raise Wrong(f"{shown} the state is right, but {count} layers were computed; stop after {k}")


def _start_slips(model: Any, ids: Tensor) -> dict[str, Tensor]:
    """Wrong ways to layer 0: reason -> what comes out."""
    tables, n = model.embeddings, len(ids)
    word, norm = tables.word_embeddings.weight[ids], tables.LayerNorm
    place, segment = tables.position_embeddings.weight, tables.token_type_embeddings.weight
    total = word + place[:n] + segment[0]
    return {
        "the layer norm is missing": total,
        "the layer norm is there, without its weight and its bias": torch.layer_norm(
            total, total.shape[-1:], eps=norm.eps
        ),
        "the layer norm has its weight, and not its bias": norm(total) - norm.bias,
        "the rows of the positions are missing": norm(word + segment[0]),
        "the row of segment 0 is missing": norm(word + place[:n]),
        "the rows of the positions and of segment 0 are missing": norm(word),
        "the rows of the words are missing": norm(place[:n] + segment[0]),
        "the positions are counted from 1; the first one is 0": norm(word + place[1 : n + 1] + segment[0]),
        "all tokens have the same position; token i has the position i": norm(word + place[0] + segment[0]),
        "the ids are taken for positions; token i has the position i": norm(
            word + place[ids.clamp(max=len(place) - 1)] + segment[0]
        ),
        "the segment is 1; that of this sentence is 0": norm(word + place[:n] + segment[1]),
        "the layer norm comes before the sum; add up the three rows first": norm(word) + place[:n] + segment[0],
        "the layer norm is taken twice": norm(norm(total)),
    }


def _layer_slips(model: Any, state: Tensor, k: int) -> dict[str, Tensor]:
    """Wrong ways from layer 0 to layer k."""
    layers = list(model.encoder.layer)

    def through(chosen: list[Any], state: Tensor = state) -> Tensor:
        for layer in chosen:
            state = layer(state)
        return state

    return {
        "the states went in without a batch, so no token saw another: [None] makes them [1, tokens, features]": (
            through(layers[:k], state[0])
        ),
        "the last layer was given layer 0; each one takes what the one before returns": through([layers[k - 1]])[0],
        "the first layer is skipped, or they are counted from the end: take the first k, encoder.layer[:k]": through(
            layers[1 : k + 1]
        )[0],
        "the layers are taken in the wrong order: encoder.layer[0] comes first": through(layers[:k][::-1])[0],
        "the first layer is taken again and again; go on to the next one": through(layers[:1] * k)[0],
        "layer[k] is taken each time; count with a number of its own, or take encoder.layer[:k]": (
            through(layers[k : k + 1] * k)[0]
        ),
    }


def _compare_state(
    shown: str, answer: Tensor, count: int, k: int, states: list[Tensor], slips: dict[str, Tensor]
) -> None:
    expected = states[k]
    if answer.shape == (1, *expected.shape):
        raise Wrong(
            f"{shown} the answer has the shape {list(answer.shape)}: take the batch of one off again, with [0]"
        )
    if answer.shape != expected.shape:
        raise Wrong(f"{shown} the answer has the shape {list(answer.shape)}; expected is {list(expected.shape)}")
    if torch.allclose(answer, expected, atol=1e-3):
        return
    for j, state in enumerate(states):
        if torch.allclose(answer, state, atol=1e-3):
            raise Wrong(
                f"{shown} this is layer {j}: encoder.layer[0] makes layer 1 of layer 0, so layer k takes k of them"
            )
    for reason, slip in slips.items():
        if torch.allclose(answer, slip, atol=1e-3):
            raise Wrong(f"{shown} {reason}")
    if count != k:
        raise Wrong(f"{shown} {count} encoder layers were computed; layer k is what comes out of the first k of them")
    if k == 0:
        raise Wrong(
            f"{shown} the numbers are not those of layer 0. Token by token: the row of its word, of its position and "
            "of segment 0, added up; then the layer norm of this `model`, over the features. The first number is "
            f"{answer[0, 0]:.3f}, and {expected[0, 0]:.3f} is right"
        )
    raise Wrong(
        f"{shown} {count} encoder layers were computed, as they should, and the numbers are not theirs; for k=0 they "
        "are right. Each layer takes what the one before returns, and the last one's answer is returned as it is"
    )


_RESHAPED = (
    "reshape and view cut the row of numbers into new pieces, they do not turn the box: use permute or transpose"
)

count_values = Exercise(
    "count-values",
    _judge_count_values,
    hints=[
        "There are four dimensions. Write down the size of each one, then multiply.",
        "Layers: the encoder layers and one more. Tokens: as many as the longest row of the batch has.",
    ],
)

cosine_without = Exercise(
    "cosine-without-a-feature",
    _judge_cosine_without,
    hints=[
        "Make two new vectors in which the feature does not count, then take their cosine as usual.",
        "torch.arange(len(a)) != feature is a mask that keeps the other features. A copy with a 0 there works too.",
    ],
)

text_states = Exercise(
    "text-states",
    _judge_text_states,
    hints=[
        "Pick the text by its index before you turn the axes. Then it does not matter how large the batch is.",
        "torch.stack(states)[:, i] is [layers, tokens, features]. Turn the first two axes, then drop the padding.",
        "attention_mask[i].bool() is True at real tokens; index the axis of the tokens with it.",
    ],
)

layer_state = Exercise(
    "layer-state",
    _judge_layer_state,
    hints=[
        "Layer 0 first, as in 'Layer 0, by hand': three rows for each token are added, and a layer norm follows. "
        "model.embeddings.LayerNorm(total) is the whole norm.",
        "An encoder layer takes and returns [texts, tokens, features]: give the states a batch of one by [None].",
        "for layer in model.encoder.layer[:k]: states = layer(states). At the end, states[0] takes the batch off.",
    ],
)
