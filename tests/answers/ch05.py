"""Right and wrong answers to the exercises of chapter 5; a wrong one with a part of the reply that it deserves."""

import math

import torch
from scipy.spatial.distance import cosine as cosine_distance

from bertutil.course.exercises import ch05


def padded(states, mask, i):
    return torch.stack(states)[:, i].permute(1, 0, 2)


def masked(states, mask, i):
    return padded(states, mask, i)[mask[i].bool()]


def reshaped(states, mask, i):
    kept = torch.stack(states)[:, i][:, mask[i].bool()]
    return kept.reshape(kept.shape[1], kept.shape[0], -1)


def zeroed(a, b, feature):
    a, b = a.clone(), b.clone()
    a[feature] = b[feature] = 0
    return torch.cosine_similarity(a, b, dim=0)


def zeroed_in_place(a, b, feature):
    a[feature] = b[feature] = 0
    return torch.cosine_similarity(a, b, dim=0)


def without(a, b, feature):
    kept = [i for i in range(len(a)) if i != feature]
    return torch.cosine_similarity(a[kept], b[kept], dim=0).item()


def only_product(a, b, feature):
    return (a @ b - a[feature] * b[feature]) / (a.norm() * b.norm())


def previous(a, b, feature):
    return without(a, b, feature - 1)


def summed(model, ids, first=0, segment=0):
    tables = model.embeddings
    positions = torch.arange(first, first + len(ids))
    total = tables.word_embeddings.weight[ids] + tables.position_embeddings.weight[positions]
    return total if segment is None else total + tables.token_type_embeddings.weight[segment]


def through(model, state, k):
    state = state[None]
    for layer in model.encoder.layer[:k]:
        state = layer(state)
    return state[0]


def by_layers(model, ids, chosen):
    states = model.embeddings.LayerNorm(summed(model, ids))[None]
    for layer in chosen(list(model.encoder.layer)):
        states = layer(states)
    return states[0]


def layer_state(model, ids, k):
    with torch.no_grad():
        return through(model, model.embeddings.LayerNorm(summed(model, ids)), k)


def layer_state_by_hand(model, ids, k):
    """The layer norm written out, the tables called, and an index instead of a slice."""
    tables, norm = model.embeddings, model.embeddings.LayerNorm
    total = tables.word_embeddings(ids) + tables.position_embeddings(torch.arange(len(ids)))
    total = total + tables.token_type_embeddings(torch.zeros_like(ids))
    variance, mean = torch.var_mean(total, dim=1, correction=0, keepdim=True)
    states = ((total - mean) / (variance + norm.eps).sqrt() * norm.weight + norm.bias).unsqueeze(0)
    for i in range(k):
        states = model.encoder.layer[i](states)
    return states.squeeze(0)


def every_layer(model, ids, k):
    states = [model.embeddings.LayerNorm(summed(model, ids))[None]]
    for layer in model.encoder.layer:
        states.append(layer(states[-1]))
    return states[k][0]


def never_handed_on(model, ids, k):
    start = state = model.embeddings.LayerNorm(summed(model, ids))[None]
    for layer in model.encoder.layer[:k]:
        state = layer(start)
    return state[0]


def without_batch(model, ids, k):
    states = model.embeddings.LayerNorm(summed(model, ids))
    for layer in model.encoder.layer[:k]:
        states = layer(states)
    return states


RIGHT = [
    (ch05.count_values, lambda n, tokens, features: (n + 1) * len(tokens) * max(tokens) * features),
    (ch05.count_values, lambda n, tokens, features: torch.zeros(n + 1, len(tokens), max(tokens), features).numel()),
    (
        ch05.count_values,
        lambda n, tokens, features: torch.tensor(math.prod((n + 1, len(tokens), max(tokens), features))),
    ),
    (ch05.layer_state, layer_state),
    (ch05.layer_state, layer_state_by_hand),
    (ch05.cosine_without, without),
    (ch05.cosine_without, zeroed),
    (
        ch05.cosine_without,
        lambda a, b, f: 1 - cosine_distance(torch.cat([a[:f], a[f + 1 :]]), torch.cat([b[:f], b[f + 1 :]])),
    ),
    (ch05.text_states, masked),
    (ch05.text_states, lambda states, mask, i: padded(states, mask, i)[: mask[i].sum()]),
    (ch05.text_states, lambda states, mask, i: torch.stack([state[i][mask[i] == 1] for state in states], dim=1)),
    (ch05.text_states, lambda states, mask, i: torch.stack(states, dim=2)[i, mask[i].nonzero().flatten()]),
]

WRONG = [
    (
        ch05.count_values,
        lambda n, tokens, features: n * len(tokens) * max(tokens) * features,
        "the embedding output, layer 0, is not",
    ),
    (ch05.count_values, lambda n, tokens, features: (n + 1) * sum(tokens) * features, "padded to the longest"),
    (ch05.count_values, lambda n, tokens, features: (n + 1) * max(tokens) * features, "more than one text"),
    (ch05.count_values, lambda n, tokens, features: len(tokens) * max(tokens) * features, "this is one layer"),
    (ch05.count_values, lambda n, tokens, features: (n + 1) * len(tokens) * features, "for each token"),
    (ch05.count_values, lambda n, tokens, features: (n + 1) * len(tokens) * (max(tokens) + 2) * features, "already"),
    (
        ch05.count_values,
        lambda n, tokens, features: n + 1 + len(tokens) + max(tokens) + features,
        "multiplied, not added",
    ),
    (
        ch05.count_values,
        lambda n, tokens, features: (n + 1, len(tokens), max(tokens), features),
        "this is (4, 1, 7, 8)",
    ),
    (ch05.count_values, 219_648, "hand in the function"),
    (ch05.count_values, lambda n, tokens, features: n * sum(tokens) * features, "layer 0 and the padding"),
    (ch05.count_values, lambda n, tokens, features: (n + 1) * len(tokens) * (max(tokens) - 2) * features, "off"),
    (ch05.count_values, lambda n, tokens, features: (n + 2) * len(tokens) * max(tokens) * features, "not two"),
    (ch05.count_values, lambda n, tokens, features: (n + 1) * len(tokens) * min(tokens) * features, "the shortest"),
    (ch05.count_values, lambda n, tokens, features: (n + 1) * len(tokens) * tokens[0] * features, "the first"),
    (ch05.count_values, lambda n, tokens, features: (n + 1) * tokens * features, "the product of the four sizes"),
    (ch05.cosine_without, lambda a, b, f: torch.cosine_similarity(a, b, dim=0), "with all features"),
    (ch05.cosine_without, only_product, "still counts in the two lengths"),
    (ch05.cosine_without, zeroed_in_place, "changes the tensor"),
    (ch05.cosine_without, lambda a, b, f: torch.cosine_similarity(a[f + 1 :], b[f + 1 :], dim=0), "everything up to"),
    (ch05.cosine_without, lambda a, b, f: a[f] * b[f] / (a.norm() * b.norm()), "one feature's share"),
    (ch05.cosine_without, lambda a, b, f: round(without(a, b, f), 2), "rounded"),
    (ch05.cosine_without, lambda a, b, f: without(a, b, f) * math.nan, "NaN"),
    (ch05.cosine_without, previous, "indices begin at 0"),
    (ch05.cosine_without, lambda a, b, f: torch.cosine_similarity(a[:f], b[:f], dim=0), "everything behind"),
    (ch05.cosine_without, lambda a, b, f: 1 - without(a, b, f), "1 minus the cosine"),
    (ch05.cosine_without, lambda a, b, f: a @ b - a[f] * b[f], "divide it by the two lengths"),
    (ch05.cosine_without, lambda a, b, f: 0.123, "expected is"),
    (ch05.cosine_without, lambda a, b, f: torch.ones(3), "of the shape [3]"),
    (ch05.cosine_without, lambda a, b, f: "much", "returns a str"),
    (ch05.text_states, lambda s, mask, i: torch.stack(s).squeeze(1).permute(1, 0, 2), "squeeze changes nothing"),
    (ch05.text_states, lambda s, mask, i: torch.stack(s).transpose(0, 1), "batch axis is still there"),
    (ch05.text_states, padded, "the padding is still there"),
    (ch05.text_states, lambda s, mask, i: masked(s, mask, i).mean(1), "an axis is missing"),
    (ch05.text_states, lambda s, mask, i: masked(s, mask, i)[1:-1], "[CLS] and [SEP] are missing"),
    (ch05.text_states, lambda s, mask, i: s[i], "one layer with all texts"),
    (ch05.text_states, lambda s, mask, i: padded(s, mask, i)[mask[i]], "taken for the indices 0 and 1"),
    (
        ch05.text_states,
        lambda s, mask, i: torch.stack(s)[:, i].reshape(s[0].shape[1], len(s), -1)[mask[i].bool()],
        "they do not turn the box",
    ),
    (ch05.text_states, lambda s, mask, i: padded(s, mask, i) * mask[i][:, None, None], "not set to 0"),
    (ch05.text_states, lambda s, mask, i: torch.stack(s)[:, i], "the layers come first"),
    (ch05.text_states, lambda s, mask, i: masked(s, mask, i).transpose(0, 1), "the layers come first"),
    (ch05.text_states, lambda s, mask, i: masked(s, mask, 0), "the vectors of text 0"),
    (ch05.text_states, lambda s, mask, i: masked(s, mask, i).transpose(1, 2), "the last two axes are exchanged"),
    (ch05.text_states, lambda s, mask, i: masked(s[1:], mask, i), "layer 0 is missing"),
    (ch05.text_states, lambda s, mask, i: masked(s, mask, i) + 1, "the numbers are not"),
    (ch05.text_states, lambda s, mask, i: [state[i] for state in s], "this is a list"),
    (ch05.text_states, lambda s, mask, i: s[99], "your function raised IndexError"),
    (ch05.text_states, lambda s, mask, i: s[:, i], "torch.stack makes one tensor of them"),
    (ch05.text_states, lambda s, mask, i: s[i][mask[i].bool()], "the mask is for the axis of the tokens"),
    (
        ch05.text_states,
        lambda s, mask, i: torch.stack(s)[:, i][mask[i].bool()],
        "the mask is for the axis of the tokens",
    ),
    (ch05.text_states, reshaped, "they do not turn the box"),
    (
        ch05.text_states,
        lambda s, mask, i: torch.stack(s)[:, i].reshape(s[0].shape[1], len(s), -1),
        "the numbers are in the wrong places",
    ),
    (
        ch05.layer_state,
        lambda m, ids, k: m(input_ids=ids[None], output_hidden_states=True).hidden_states[k][0],
        "calls the whole model",
    ),
    (ch05.layer_state, lambda m, ids, k: through(m, m.embeddings(ids[None])[0], k), "it calls model.embeddings"),
    (ch05.layer_state, every_layer, "layers were computed; stop after 0"),
    (ch05.layer_state, lambda m, ids, k: layer_state(m, ids, k + 1), "this is layer 1"),
    (ch05.layer_state, lambda m, ids, k: layer_state(m, ids, max(k - 1, 0)), "this is layer 1"),
    (ch05.layer_state, lambda m, ids, k: layer_state(m, ids, k)[None], "with [0]"),
    (ch05.layer_state, lambda m, ids, k: through(m, summed(m, ids), k), "the layer norm is missing"),
    (
        ch05.layer_state,
        lambda m, ids, k: through(m, m.embeddings.LayerNorm(summed(m, ids) * 2 + 1), k) * 2,
        "not those of layer 0",
    ),
    (
        ch05.layer_state,
        lambda m, ids, k: through(m, m.embeddings.LayerNorm(summed(m, ids, segment=1)), k),
        "the segment is 1",
    ),
    (
        ch05.layer_state,
        lambda m, ids, k: through(m, m.embeddings.LayerNorm(m.embeddings.word_embeddings.weight[ids]), k),
        "the rows of the positions and of segment 0 are missing",
    ),
    (ch05.layer_state, lambda m, ids, k: by_layers(m, ids, lambda all: all[1 : k + 1]), "the first layer is skipped"),
    (ch05.layer_state, lambda m, ids, k: by_layers(m, ids, lambda all: all[len(all) - k :]), "counted from the end"),
    (ch05.layer_state, lambda m, ids, k: by_layers(m, ids, lambda all: all[:k][::-1]), "the wrong order"),
    (ch05.layer_state, lambda m, ids, k: by_layers(m, ids, lambda all: [all[0]] * k), "again and again"),
    (ch05.layer_state, lambda m, ids, k: layer_state(m, ids, k) * (1 + (k > 0)), "as they should, and the numbers"),
    (
        ch05.layer_state,
        lambda m, ids, k: through(m, m.embeddings.LayerNorm(summed(m, ids, segment=None)), k),
        "the row of segment 0 is missing",
    ),
    (
        ch05.layer_state,
        lambda m, ids, k: through(m, m.embeddings.LayerNorm(summed(m, ids, first=1)), k),
        "the positions are counted from 1",
    ),
    (
        ch05.layer_state,
        lambda m, ids, k: through(m, torch.layer_norm(summed(m, ids), (32,)), k),
        "without its weight and its bias",
    ),
    (ch05.layer_state, never_handed_on, "the last layer was given layer 0"),
    (ch05.layer_state, without_batch, "without a batch"),
    (
        ch05.layer_state,
        lambda m, ids, k: by_layers(m, ids, lambda all: all[k : k + 1] * k),
        "layer[k] is taken each time",
    ),
    (
        ch05.layer_state,
        lambda m, ids, k: m.embeddings.position_embeddings(ids),
        "are the ids taken for positions?",
    ),
    (ch05.layer_state, lambda m, ids, k: layer_state(m, ids, k)[1:-1], "expected is [6, 32]"),
]
