"""Chapter 5: run the model and keep what every layer says: [batch, tokens, layers, features]."""

from collections.abc import Iterator, Sequence
from operator import index
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers.masking_utils import create_bidirectional_mask

from bertutil.checkpoints import Bert
from bertutil.encoding import Encoding


def hidden_states(
    bert: Bert, encoding: Encoding, layers: Sequence[int] | None = None
) -> Float[Tensor, "rows tokens layers features"]:
    """Return the hidden states of the layers asked for, for every token, padding included.

    `layers`: indices from 0, the embedding output, to bert.n_layers; negative ones count from the end; None is all
    n_layers + 1. No layer above the highest one asked for is computed. The values are those of the model's own
    output_hidden_states. What stands at padding is of no meaning: take a mask along.

    Raises ValueError for a layer that does not exist, a model in training mode (its dropout would change the
    vectors at random) and an encoding with padding on the left; TypeError for a text that was not encoded. Sources:
    the 2019 article, 3.1 to 3.2; claims C12 to C14, C31.
    """
    wanted = _resolve(layers, bert.n_layers + 1)
    every = enumerate(run_layers(bert, encoding, depth=max(wanted)))
    kept = {i: state for i, state in every if i in wanted}
    return torch.stack([kept[i] for i in wanted], dim=2)


def attentions(
    bert: Bert, encoding: Encoding, layers: Sequence[int] | None = None
) -> Float[Tensor, "rows layers heads tokens tokens"]:
    """Return how much each token (second to last axis) attends to each other token (last axis).

    `layers`: indices from 0 to n_layers - 1, as in the model's own output: attention i turns hidden state i into
    hidden state i + 1. Each row over the last axis sums to 1, with exactly 0 at padding. The weights are worked out
    from the layer's own queries and keys (the "eager" way), whatever attention the model was loaded with: fused
    kernels never hold them (pitfall 28).

    Raises ValueError as hidden_states() does. Source: "Attention is all you need" (arXiv 1706.03762), 3.2;
    claim C38.
    """
    wanted = _resolve(layers, bert.n_layers)
    state = next(run_layers(bert, encoding, depth=0))
    padding = (encoding.attention_mask == 0)[:, None, None, :]
    maps = []
    for layer in bert.model.encoder.layer[: max(wanted) + 1]:
        state, weights = _eager_layer(layer, state, padding)
        maps.append(weights)
    return torch.stack([maps[i] for i in wanted], dim=1)


@torch.no_grad()
def run_layers(bert: Bert, encoding: Encoding, depth: int) -> Iterator[Float[Tensor, "rows tokens features"]]:
    """Yield the embedding output and then the output of each layer, up to layer `depth`."""
    _check(bert, encoding)
    model = bert.model
    state = model.embeddings(input_ids=encoding.input_ids, token_type_ids=encoding.token_type_ids)
    yield state
    if state.numel() == 0:  # an empty batch: the attention kernels refuse it
        yield from (state for _ in range(depth))
        return
    mask = create_bidirectional_mask(config=model.config, inputs_embeds=state, attention_mask=encoding.attention_mask)
    for layer in model.encoder.layer[:depth]:
        state = layer(state, attention_mask=mask)
        yield state


@torch.no_grad()
def _eager_layer(layer: Any, state: Tensor, padding: Tensor) -> tuple[Tensor, Tensor]:
    """One encoder layer written out: its output, and the attention weights on the way there."""
    attention = layer.attention.self
    query, key, value = (
        projection(state).unflatten(-1, (attention.num_attention_heads, -1)).transpose(1, 2)
        for projection in (attention.query, attention.key, attention.value)
    )
    scores = query @ key.transpose(-1, -2) * attention.attention_head_size**-0.5
    weights = scores.masked_fill(padding, float("-inf")).softmax(dim=-1)
    gathered = (weights @ value).transpose(1, 2).flatten(2)
    attended = layer.attention.output(gathered, state)
    return layer.output(layer.intermediate(attended), attended), weights


def _resolve(layers: Sequence[int] | None, n: int) -> list[int]:
    """Turn negative indices into positive ones and refuse those that do not exist."""
    if layers is None:
        return list(range(n))
    if isinstance(layers, int) or not len(layers):
        raise ValueError(f"layers is {layers!r}; give a list with at least one index, such as [-1], or None for all")
    indices = [index(layer) for layer in layers]
    for layer in indices:
        if not -n <= layer < n:
            raise ValueError(f"there is no layer {layer}: the indices run from 0 to {n - 1}, or from -{n} to -1")
    return [layer % n for layer in indices]


def _check(bert: Bert, encoding: Encoding) -> None:
    if not isinstance(encoding, Encoding):
        raise TypeError(f"encoding is of type {type(encoding).__name__}; give what encode(bert, texts) returns")
    if bert.model.training:
        raise ValueError(
            f"the model of {bert.name} is in training mode, where dropout changes the vectors at random; "
            "call bert.model.eval() first"
        )
    mask = encoding.attention_mask
    for row, (left, empty) in enumerate(
        zip((mask[:, 1:] > mask[:, :-1]).any(dim=1).tolist(), (mask.sum(dim=1) == 0).tolist(), strict=True)
    ):
        if left or empty:
            raise ValueError(
                f"row {row} of the attention mask {'is all zeros' if empty else 'has padding before a token'}; "
                "BERT counts positions from the left, so padding must stand on the right"
            )
