"""Chapter 5: run the model and keep what every layer says: [batch, tokens, layers, features]."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from operator import index
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention
from torch.nn.modules import module as torch_module
from transformers import BertConfig, BertModel
from transformers.activations import GELUActivation, NewGELUActivation
from transformers.masking_utils import create_bidirectional_mask
from transformers.models.bert import modeling_bert as own
from transformers.utils import output_capturing

from bertutil.checkpoints import Bert, require_ready
from bertutil.encoding import Encoding


def hidden_states(
    bert: Bert, encoding: Encoding, layers: Sequence[int] | None = None
) -> Float[Tensor, "rows tokens layers features"]:
    """Return the hidden states of the layers asked for, for every token, padding included.

    `layers`: indices from 0, the embedding output, to bert.n_layers; negative ones count from the end; None is all
    n_layers + 1. No layer above the highest one asked for is computed. The values are those of the model's own
    output_hidden_states, also after it was edited (hooks, other modules, other precision; see run_model). What
    stands at padding is of no meaning: take a mask along.

    Raises ValueError for a layer that does not exist, a model with any part in training mode (its dropout would
    change the vectors at random) and an encoding with padding on the left; TypeError for a text that was not
    encoded. Sources: the 2019 article, 3.1 to 3.2; claims C12 to C14, C31.
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

    Raises ValueError as hidden_states() does, and for an edited model, whose layers cannot be written out.
    Source: "Attention is all you need" (arXiv 1706.03762), 3.2; claim C38.
    """
    wanted = _resolve(layers, bert.n_layers)
    state = next(run_layers(bert, encoding, depth=0))
    if not can_be_written_out(bert.model, depth=max(wanted) + 1):
        raise ValueError(
            f"the model of {bert.name} was edited (a hook, or a module or forward of another kind), so its weights "
            "cannot be worked out from outside; use load(attention='eager') and the model's own output_attentions"
        )
    padding = (encoding.attention_mask == 0)[:, None, None, :]
    maps = []
    for layer in bert.model.encoder.layer[: max(wanted) + 1]:
        state, weights = eager_layer(layer, state, padding)
        maps.append(weights)
    return torch.stack([maps[i] for i in wanted], dim=1)


def run_layers(bert: Bert, encoding: Encoding, depth: int) -> Iterator[Float[Tensor, "rows tokens features"]]:
    """Yield the embedding output and then the output of each layer, up to layer `depth`; see hidden_states()."""
    _check(bert, encoding)
    names = ("input_ids", "token_type_ids", "attention_mask")
    return run_model(bert.model, {name: getattr(encoding, name) for name in names}, depth)


@torch.no_grad()
def run_model(
    model: BertModel, inputs: Mapping[str, Int[Tensor, "rows tokens"]], depth: int
) -> Iterator[Float[Tensor, "rows tokens features"]]:
    """Yield what the model's own output_hidden_states gives for its three inputs, up to layer `depth`.

    Layer after layer, and no further than `depth`, where the model and its encoder do what the library wrote. Where
    they were edited (a hook, another forward, another class) they run themselves, all the way.
    """
    ids = inputs["input_ids"]
    if ids.numel() == 0:  # an empty batch: the attention kernels refuse it
        yield from (model.embeddings(**_without_mask(inputs)) for _ in range(depth + 1))
    elif _runs_as_written(model):
        state = model.embeddings(**_without_mask(inputs))
        mask = inputs["attention_mask"]
        mask = create_bidirectional_mask(config=model.config, inputs_embeds=state, attention_mask=mask)
        yield state
        for layer in model.encoder.layer[:depth]:
            state, recorded = _run_layer(layer, state, mask)
            yield recorded
    else:
        states = model(**inputs, output_hidden_states=True, return_dict=True).hidden_states
        if len(states) != len(model.encoder.layer) + 1:
            raise ValueError(
                f"the edited model records {len(states)} hidden states for {len(model.encoder.layer)} layers: a "
                "layer of a class of your own must be a subclass of transformers' BertLayer to be recorded"
            )
        yield from states[: depth + 1]


def _without_mask(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in inputs.items() if name != "attention_mask"}


def _run_layer(layer: nn.Module, state: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """The output of a layer, and what the model's own output_hidden_states records of it.

    transformers records with a forward hook. Hooks that were registered after that one change what the next layer
    gets, and not what was recorded.
    """
    hooks = list(layer._forward_hooks.items())
    place = next((i for i, (_, hook) in enumerate(hooks) if _records(hook)), len(hooks))
    if place >= len(hooks) - 1:
        output = layer(state, mask)
        return output, output
    first = copy.copy(layer)
    first._forward_hooks = type(layer._forward_hooks)(hooks[:place])
    recorded = output = first(state, mask)
    for key, hook in hooks[place + 1 :]:
        options: list[Any] = [{}] if key in layer._forward_hooks_with_kwargs else []
        changed = hook(layer, (state, mask), *options, output)
        output = output if changed is None else changed
    return output, recorded


# --- A layer written out, twice -----------------------------------------------------------------------------------


@torch.no_grad()
def eager_layer(
    layer: Any, state: Float[Tensor, "rows tokens features"], padding: Tensor
) -> tuple[Float[Tensor, "rows tokens features"], Float[Tensor, "rows heads tokens tokens"]]:
    """One encoder layer written out: its output, and the attention weights on the way there.

    `padding` [rows, 1, 1, tokens] is true where nobody may look. The layer must be one that is_plain().
    """
    attention = layer.attention.self
    query, key, value = (
        projection(state).unflatten(-1, (-1, attention.attention_head_size)).transpose(1, 2)
        for projection in (attention.query, attention.key, attention.value)
    )
    scores = query @ key.transpose(-1, -2) * attention.scaling
    weights = scores.masked_fill(padding, float("-inf")).softmax(dim=-1)
    gathered = (weights @ value).transpose(1, 2).flatten(2)
    attended = layer.attention.output(gathered, state)
    return layer.output(layer.intermediate(attended), attended), weights


def packed_layer(
    layer: Any, state: Float[Tensor, "tokens features"], runs: Sequence[tuple[int, int]]
) -> Float[Tensor, "tokens features"]:
    """One encoder layer written out for rows that lie end to end, without padding; the layer must be is_plain().

    `runs`: a length, and how many rows in turn have it. Rows of one length are a batch without padding, so the
    fastest attention kernels apply, which take no mask. Sums and GELU overwrite their input, the largest tensors of
    a layer: together 4 to 7 % less time on two cores, 8 to 15 % in bfloat16.
    """
    attention = layer.attention.self
    sizes = [length * n for length, n in runs]
    parts = []
    projected = [torch.split(p(state), sizes) for p in (attention.query, attention.key, attention.value)]
    for (length, n), *run in zip(runs, *projected, strict=True):
        q, k, v = (x.view(n, length, -1, attention.attention_head_size).transpose(1, 2) for x in run)
        parts.append(scaled_dot_product_attention(q, k, v, scale=attention.scaling).transpose(1, 2).flatten(0, 1))
    output = layer.attention.output
    attended = output.LayerNorm(output.dense(torch.cat(parts).flatten(1)).add_(state))
    inner, activation = layer.intermediate.dense(attended), layer.intermediate.intermediate_act_fn
    in_place = isinstance(activation, GELUActivation) and activation.act is gelu
    inner = torch.ops.aten.gelu_(inner) if in_place else activation(inner)
    result: Tensor = layer.output.LayerNorm(layer.output.dense(inner).add_(attended))
    return result


# --- Whether a module does what the library wrote -----------------------------------------------------------------

# As the library makes them, to compare with; on "meta" they hold no numbers, and draw no random ones
with torch.device("meta"):
    _TINY = BertConfig(vocab_size=1, hidden_size=1, num_attention_heads=1, intermediate_size=1)
    _PARTS = {type(part): dict(part.named_modules()) for part in (own.BertLayer(_TINY), own.BertEmbeddings(_TINY))}
_ACTIVATION = "intermediate.intermediate_act_fn"
_ACTIVATIONS = (GELUActivation, NewGELUActivation, nn.ReLU, nn.SiLU)  # each works on every number alone
_KINDS = {type(module) for modules in _PARTS.values() for module in modules.values()}
_FORWARD = {kind: kind.forward for kind in (BertModel, own.BertEncoder, *_ACTIVATIONS, *_KINDS)}


def is_plain(part: nn.Module) -> bool:
    """Whether a layer, or the embeddings, can be written out: no hook in it, and no class or forward but BERT's own.

    What is left open are weights, their precision, the epsilon of a norm and the scale of the attention: whoever
    writes the layer out must take these from its modules.
    """
    expected, found = _PARTS.get(type(part), {}), dict(part.named_modules())
    return found.keys() == expected.keys() and all(
        (type(module) in _ACTIVATIONS if name == _ACTIVATION else type(module) is type(expected[name]))
        and _does_what_was_written(module)
        and not getattr(module, "is_causal", False)
        for name, module in found.items()
    )


def can_be_written_out(model: BertModel, depth: int) -> bool:
    """Whether the layers up to `depth` are plain, and neither their attention nor what runs them was edited."""
    name = model.config._attn_implementation
    attention = own.ALL_ATTENTION_FUNCTIONS.get(name, own.eager_attention_forward)
    known = str(attention.__module__).startswith("transformers.")
    return known and _runs_as_written(model) and all(map(is_plain, model.encoder.layer[:depth]))


def _runs_as_written(model: BertModel) -> bool:
    """Whether the model does no more than to call its embeddings, and then layer after layer."""
    first = model.encoder.layer[0] if len(model.encoder.layer) else None
    return (
        not torch_module._global_forward_hooks
        and not torch_module._global_forward_pre_hooks
        and not model.config.is_decoder
        and not (first is not None and first._forward_pre_hooks)  # what it makes of the embeddings is recorded
        and _does_what_was_written(model)
        and _does_what_was_written(model.encoder)
    )


def _does_what_was_written(module: nn.Module) -> bool:
    written = _FORWARD.get(type(module))
    hooks = [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
    own_forward = written is not None and getattr(module.forward, "__func__", None) is written
    return own_forward and all(map(_records, hooks))


def _records(hook: Any) -> bool:
    """Whether a hook is one of transformers' own, which records outputs and changes nothing."""
    return bool(getattr(hook, "__module__", None) == output_capturing.__name__)


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
    require_ready(bert)
    mask = encoding.attention_mask
    for row, (left, empty) in enumerate(
        zip((mask[:, 1:] > mask[:, :-1]).any(dim=1).tolist(), (mask.sum(dim=1) == 0).tolist(), strict=True)
    ):
        if left or empty:
            raise ValueError(
                f"row {row} of the attention mask {'is all zeros' if empty else 'has padding before a token'}; "
                "BERT counts positions from the left, so padding must stand on the right"
            )
