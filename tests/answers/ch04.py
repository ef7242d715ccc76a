"""Right and wrong answers to the exercises of chapter 4; a wrong one with a part of the reply that it deserves."""

import torch

from bertutil.course.exercises import ch04
from bertutil.course.inputs import tiny_model


def segment_ids(n_first, n_second):
    segments = [0] * (n_first + 2)
    if n_second:
        segments = segments + [1] * (n_second + 1)
    return segments


def segment_ids_otherwise(n_first, n_second):
    length = n_first + 2 + (n_second + 1 if n_second else 0)
    return (torch.arange(length) >= n_first + 2).long()


def pad_rows(rows, pad):
    longest = max(len(row) for row in rows)
    ids = [row + [pad] * (longest - len(row)) for row in rows]
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
    return torch.tensor(ids), torch.tensor(mask)


def pad_rows_otherwise(rows, pad):
    tensors = [torch.tensor(row) for row in rows]
    ids = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=pad)
    lengths = torch.tensor([len(row) for row in rows])
    return [ids, torch.arange(ids.shape[1])[None] < lengths[:, None]]


def left(rows, pad):
    ids, mask = pad_rows([row[::-1] for row in rows], pad)
    return ids.flip(1), mask.flip(1)


def ignores_first(call, ids, segments):
    other = ids.clone()
    other[0, 1] += 1
    second = segments[0] == 1
    return torch.equal(call(ids, segments)[0, second], call(other, segments)[0, second])


def ignores_first_otherwise(call, ids, segments):
    """Change all of sentence A, [CLS] too, and allow a little noise."""
    other = torch.where(segments == 0, 5000, ids)
    return ((call(other, segments) - call(ids, segments)) * segments[..., None]).abs().max() < 1e-5


def changes_second(call, ids, segments):
    other = ids.clone()
    other[0, -2] += 1
    return torch.equal(call(ids, segments)[0, segments[0] == 1], call(other, segments)[0, segments[0] == 1])


def last_token_only(call, ids, segments):
    other = ids.clone()
    other[0, 1] += 1
    return torch.equal(call(ids, segments)[0, -1], call(other, segments)[0, -1])


def looks_everywhere(call, ids, segments):
    other = ids.clone()
    other[0, 1] += 1
    return torch.equal(call(ids, segments), call(other, segments))


def in_place(call, ids, segments):
    before = call(ids, segments)
    ids[0, 1] += 1
    return torch.equal(before[0, segments[0] == 1], call(ids, segments)[0, segments[0] == 1])


def all_states(model, ids, segment, *by_position):
    segments = torch.full_like(ids, segment)
    with torch.no_grad():
        if by_position:
            output = model(ids, segments, output_hidden_states=True)
        else:
            output = model(input_ids=ids, token_type_ids=segments, output_hidden_states=True)
    return torch.stack(output.hidden_states)[:, 0]


def cosines(model, ids, *by_position):
    one, other = (all_states(model, ids, segment, *by_position) for segment in (0, 1))
    return torch.cosine_similarity(one, other, dim=-1)


def other_segments(model, ids, *segments, mask=1):
    with torch.no_grad():
        runs = [
            model(
                input_ids=ids,
                attention_mask=torch.full_like(ids, mask),
                token_type_ids=torch.zeros_like(ids) + segment,
                output_hidden_states=True,
            )
            for segment in segments
        ]
    one, other = (torch.stack(run.hidden_states)[:, 0] for run in runs)
    return torch.cosine_similarity(one, other, dim=-1).amin(dim=-1)


def of_rows(model, ids, rows):
    return torch.cosine_similarity(*(rows(all_states(model, ids, segment)) for segment in (0, 1)), dim=-1)


def segment_effect(model, ids):
    return cosines(model, ids).amin(dim=-1)


def segment_effect_otherwise(model, ids):
    """Both settings as the two rows of one batch, and a loop over the layers."""
    output = model(
        input_ids=ids.repeat(2, 1),
        attention_mask=torch.ones_like(ids).repeat(2, 1),
        token_type_ids=torch.tensor([[0], [1]]).expand(2, ids.shape[1]),
        output_hidden_states=True,
    )
    units = [state / state.norm(dim=-1, keepdim=True) for state in output.hidden_states]
    return [min((unit[0] * unit[1]).sum(dim=-1).tolist()) for unit in units]


def segment_effect_with_gradients(model, ids):
    """Without no_grad, and a list of tensors."""
    one = model(input_ids=ids, output_hidden_states=True).hidden_states
    other = model(input_ids=ids, token_type_ids=torch.ones_like(ids), output_hidden_states=True).hidden_states
    return [torch.cosine_similarity(a, b, dim=-1).min() for a, b in zip(one, other, strict=True)]


RIGHT = [
    (ch04.segment_ids, segment_ids),
    (ch04.segment_ids, segment_ids_otherwise),
    (ch04.pad_rows, pad_rows),
    (ch04.pad_rows, pad_rows_otherwise),
    (ch04.ignores_first, ignores_first),
    (ch04.ignores_first, ignores_first_otherwise),
    (ch04.segment_effect, segment_effect),
    (ch04.segment_effect, segment_effect_otherwise),
    (ch04.segment_effect, segment_effect_with_gradients),
]

WRONG = [
    (ch04.segment_ids, lambda a, b: [1] * (a + 2) if not b else segment_ids(a, b), "a single sentence is segment 0"),
    (ch04.segment_ids, lambda a, b: [0] * (a + 2) + [1] * (b + 1), "no second [SEP]"),
    (ch04.segment_ids, lambda a, b: [0] * a + [1] * b, "need a segment id each"),
    (ch04.segment_ids, lambda a, b: [i + 1 for i in segment_ids(a, b)], "a single sentence is segment 0"),
    (ch04.segment_ids, lambda a, b: [i + 1 for i in segment_ids(a, b)] if b else segment_ids(a, b), "not 1 and 2"),
    (
        ch04.segment_ids,
        lambda a, b: [1 - i for i in segment_ids(a, b)] if b else segment_ids(a, b),
        "the first sentence is segment 0",
    ),
    (ch04.segment_ids, lambda a, b: [0] * (a + 2) + [1] * b, "[CLS], the first sentence"),
    (
        ch04.segment_ids,
        lambda a, b: [0] * (a + 1) + [1] * (b + 2) if b else segment_ids(a, b),
        "belongs to the first sentence",
    ),
    (ch04.segment_ids, lambda a, b: [0] * len(segment_ids(a, b)), "expected is"),
    (ch04.segment_ids, lambda a, b: 0, "return one list"),
    (ch04.segment_ids, lambda a, b: "".join(map(str, segment_ids(a, b))), "return one list"),
    (ch04.segment_ids, lambda a, b: [segment_ids(a, b)], "return one list"),
    (ch04.segment_ids, lambda a, b: [i + 0.5 for i in segment_ids(a, b)], "whole numbers"),
    (ch04.segment_ids, lambda a, b: [*segment_ids(a, b)[:-1], 0] if b else segment_ids(a, b), "the last [SEP]"),
    (ch04.segment_ids, lambda a, b: segment_ids(a, b) if b else [0] * (a + 1) + [1], "that it closes, here 0"),
    (ch04.segment_ids, lambda a, b: segment_ids(a, b) if b else None, "is a return missing?"),
    (ch04.segment_ids, lambda a, b: [0] / a, "your function raised TypeError"),
    (ch04.pad_rows, lambda r, p: (pad_rows(r, p)[0], torch.ones_like(pad_rows(r, p)[1])), "the mask is 1 everywhere"),
    (ch04.pad_rows, lambda r, p: (pad_rows(r, p)[0], 1 - pad_rows(r, p)[1]), "wrong way round"),
    (ch04.pad_rows, lambda r, p: pad_rows(r, 0), "filled with 0"),
    (ch04.pad_rows, left, "on the left"),
    (ch04.pad_rows, lambda r, p: (pad_rows(r, p)[0], pad_rows(r, p)[1] * 0), "the mask is 0 everywhere"),
    (
        ch04.pad_rows,
        lambda r, p: (pad_rows(r, p)[0], pad_rows(r, p)[1].masked_fill(pad_rows(r, p)[1] == 0, p)),
        "id of",
    ),
    (ch04.pad_rows, lambda r, p: (pad_rows(r, p)[0], (pad_rows(r, p)[0] < 100) * pad_rows(r, p)[1]), "real tokens"),
    (ch04.pad_rows, lambda r, p: pad_rows(r, p)[::-1], "other order"),
    (ch04.pad_rows, lambda r, p: pad_rows(r, p)[0], "return two tensors"),
    (ch04.pad_rows, lambda r, p: (r, r), "rows of equal length"),
    (ch04.pad_rows, lambda r, p: pad_rows([row[: min(map(len, r))] for row in r], p), "have the shape"),
    (ch04.pad_rows, lambda r, p: (pad_rows(r, p)[0].flip(0), pad_rows(r, p)[1]), "expected are"),
    (ch04.pad_rows, lambda r, p: (pad_rows(r, p)[0], pad_rows(r, p)[1].flip(1)), "expected is"),
    (
        ch04.ignores_first,
        lambda call, ids, segments: True,
        "returns True for a call that hands over mask and segment ids",
    ),
    (
        ch04.ignores_first,
        lambda call, ids, segments: False,
        "returns False for a call that gives the segment ids as the attention",
    ),
    (ch04.ignores_first, looks_everywhere, "vectors of the SECOND sentence"),
    (ch04.ignores_first, changes_second, "gives the segment ids as the attention mask"),
    (ch04.ignores_first, in_place, "changes the tensor"),
    (ch04.ignores_first, lambda call, ids, segments: bool(ids[0, 1]), "does not run `call` at all"),
    (ch04.ignores_first, lambda call, i, s: torch.equal(call(i, s), call(i.clone(), s)), "the same ids"),
    (ch04.ignores_first, lambda call, i, s: torch.equal(call(i, s), call(i, 0 * s)), "segment ids are changed"),
    (ch04.ignores_first, changes_second, "A token of the second sentence is changed"),
    (ch04.ignores_first, lambda call, i, s: torch.equal(call(i, s), call(i[:, 1:], s[:, 1:])), "cut none off"),
    (ch04.ignores_first, lambda *args: not ignores_first(*args), "the wrong way round"),
    (ch04.ignores_first, lambda call, ids, segments: call(ids, segments), "return True or False"),
    (ch04.ignores_first, lambda call, ids, segments: "yes", "return True or False"),
    (ch04.pad_rows, lambda rows, pad: [part.tolist() for part in pad_rows(rows, pad)], "must be tensors"),
    (ch04.pad_rows, lambda rows, pad: (pad_rows(rows, pad)[0].float(), pad_rows(rows, pad)[1]), "whole numbers"),
    (ch04.pad_rows, lambda rows, pad: rows.sort() or pad_rows(rows, pad), "changes the list"),
    (ch04.ignores_first, last_token_only, "into one vector of the second"),
    (ch04.ignores_first, lambda call, i, s: ignores_first(lambda *x: call(*x).round(decimals=1), i, s), "no room"),
    (ch04.segment_effect, lambda m, ids: cosines(m, ids, "by position").amin(dim=-1), "became the attention mask"),
    (ch04.segment_effect, lambda m, ids: cosines(m, ids).mean(dim=-1), "this is the mean"),
    (ch04.segment_effect, lambda m, ids: cosines(m, ids).amax(dim=-1), "this is the highest"),
    (
        ch04.segment_effect,
        lambda m, ids: torch.cosine_similarity(all_states(m, ids, 0), all_states(m, ids, 1)).amin(dim=-1),
        "a token's vector is the last axis",
    ),
    (ch04.segment_effect, lambda m, ids: cosines(m, ids).amin(dim=0), "the lowest of the TOKENS"),
    (ch04.segment_effect, lambda m, ids: cosines(m, ids)[-1].min(), "not one for all"),
    (ch04.segment_effect, lambda m, ids: cosines(m, ids).amin(dim=-1)[1:], "layer 0 is asked for, too"),
    (ch04.segment_effect, cosines, "every token of every layer"),
    (ch04.segment_effect, lambda m, ids: cosines(m, ids)[:, 0], "[CLS] alone"),
    (ch04.segment_effect, lambda m, ids: cosines(m, ids)[:, 1:-1].amin(dim=-1), "left out"),
    (ch04.segment_effect, lambda m, ids: 1 - cosines(m, ids).amin(dim=-1), "distances"),
    (
        ch04.segment_effect,
        lambda m, ids: torch.cosine_similarity(*[all_states(m, ids, 0)] * 2, dim=-1).amin(dim=-1),
        "The segment ids of the runs are [0]",
    ),
    (
        ch04.segment_effect,
        lambda m, ids: (all_states(m, ids, 0) * all_states(m, ids, 1)).sum(dim=-1).amin(dim=-1),
        "dot products",
    ),
    (ch04.segment_effect, lambda m, ids: cosines(m, ids).amin(dim=-1) ** 2, "The right runs are made"),
    (
        ch04.segment_effect,
        lambda m, ids: segment_effect(tiny_model(9, m.config.num_hidden_layers), ids),
        "was not run",
    ),
    (
        ch04.segment_effect,
        lambda m, ids: other_segments(m, ids, 1, 1)[..., None].amin(dim=-1),
        "The segment ids of the runs are [1]",
    ),
    (
        ch04.segment_effect,
        lambda m, ids: other_segments(m, ids, 0, torch.arange(ids.shape[1]) % 2),
        "all tokens have the same",
    ),
    (
        ch04.segment_effect,
        lambda m, ids: other_segments(m, ids[:, [0, *range(1, ids.shape[1]), -1]], 0, 1),
        "of `ids`",
    ),
    (
        ch04.segment_effect,
        lambda m, ids: other_segments(m, ids, 1, 1) ** 2 / 2,
        "The segment ids of the runs are [1]",
    ),
    (ch04.segment_effect, lambda m, ids: other_segments(m, ids, 0, 1, mask=0), "zeros in the attention mask"),
    (
        ch04.segment_effect,
        lambda m, ids: of_rows(m, ids, lambda x: x.flatten(1)),
        "one cosine of all the layer's numbers",
    ),
    (ch04.segment_effect, lambda m, ids: of_rows(m, ids, lambda x: x.mean(dim=1)), "of the means over the tokens"),
    (
        ch04.segment_effect,
        lambda m, ids: (all_states(m, ids, 0) - all_states(m, ids, 1)).norm(dim=-1).amin(dim=-1),
        "these are distances; return cosines",
    ),
]
