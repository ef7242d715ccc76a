"""Right and wrong answers to the exercises of chapter 2; a wrong one with a part of the reply that it deserves."""

import re

import torch

from bertutil.course.exercises import ch02


def lay_out(first, second, cls, sep):
    row = [cls, *first, sep]
    if second is not None:
        row = [*row, *second, sep]
    return row


def lay_out_otherwise(first, second, cls, sep):
    sentences = [first] if second is None else [first, second]
    return torch.tensor([cls] + [i for sentence in sentences for i in (*sentence, sep)])


def changes_its_list(first, second, cls, sep):
    first.insert(0, cls)
    first.append(sep)
    return first + ([] if second is None else [*second, sep])


def text_mask(ids, tokenizer):
    layout = torch.tensor([tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id])
    return ~torch.isin(ids, layout)


def text_mask_otherwise(ids, tokenizer):
    names = [tokenizer.convert_ids_to_tokens(row) for row in ids.tolist()]
    return torch.tensor([[int(name not in ("[CLS]", "[SEP]", "[PAD]")) for name in row] for row in names])


def in_place(ids, tokenizer):
    ids[ids == tokenizer.pad_token_id] = tokenizer.cls_token_id
    return (ids != tokenizer.cls_token_id) & (ids != tokenizer.sep_token_id)


def run(model, ids, positions=None, layer=-1, segment=0):
    positions = torch.tensor([positions or [*range(len(ids))]])
    segments = torch.full((1, len(ids)), segment)
    with torch.no_grad():
        states = model(
            input_ids=torch.tensor([ids]), token_type_ids=segments, position_ids=positions, output_hidden_states=True
        )
    return states.hidden_states[layer][0]


def without(items, place):
    return [item for i, item in enumerate(items) if i != place]


def cosines(model, ids, place, **options):
    whole, rest = run(model, ids, **options), run(model, without(ids, place), **options)
    return torch.cosine_similarity(torch.cat([whole[:place], whole[place + 1 :]]), rest, dim=-1)


def cosines_otherwise(model, ids, place):
    """Lengths first, then the products, one token after the other."""
    whole = model(input_ids=torch.tensor([ids])).last_hidden_state[0].detach()
    rest = model(input_ids=torch.tensor([without(ids, place)])).last_hidden_state[0].detach()
    unit = [v / v.norm(dim=-1, keepdim=True) for v in (whole, rest)]
    return [float(unit[0][i + (i >= place)] @ unit[1][i]) for i in range(len(ids) - 1)]


def apart(model, ids, place, whole=slice(None), rest=None, **options):
    """The cosines of a part of the whole row with a row that is not the right one, or not in its right places."""
    rest = without(ids, place) if rest is None else rest
    return torch.cosine_similarity(run(model, ids)[whole], run(model, rest, **options), dim=-1)


def instead(model, ids, place, other):
    """Another token in the place of the one that is to be left out."""
    row = [*ids[:place], other, *ids[place + 1 :]]
    return without(torch.cosine_similarity(run(model, ids), run(model, row), dim=-1).tolist(), place)


def by_id(model, ids, place):
    kept = [i for i in ids if i != ids[place]]
    return torch.cosine_similarity(run(model, without(ids, place)), run(model, kept), dim=-1)


def first_of_its_id(model, ids, place):
    rest = ids.copy()
    rest.remove(ids[place])
    return apart(model, ids, place, whole=without(range(len(ids)), place), rest=rest)


def old_positions(model, ids, place):
    others = without(range(len(ids)), place)
    return apart(model, ids, place, whole=others, positions=others)


def masked(model, ids, place):
    """A 0 in the mask: the token is there, and no other takes anything from it."""
    mask = torch.ones(1, len(ids), dtype=torch.long)
    mask[0, place] = 0
    row = model(input_ids=torch.tensor([ids]), attention_mask=mask).last_hidden_state[0]
    return without(torch.cosine_similarity(run(model, ids), row, dim=-1).tolist(), place)


def in_its_list(model, ids, place):
    whole = run(model, ids)
    del ids[place]
    return torch.cosine_similarity(torch.cat([whole[:place], whole[place + 1 :]]), run(model, ids), dim=-1)


def disarm(text, specials, how="{} {}", count=-1):
    for mark in specials:
        text = text.replace(mark, how.format(mark[0], mark[1:]), count)
    return text


def disarm_by_brackets(text, specials):
    """Every bracket stands alone, also where it belongs to no special token."""
    return re.sub(r"([\[\]])", r" \1 ", text)


def disarm_in_one_go(text, specials):
    return re.sub("|".join(map(re.escape, specials)), lambda found: f"{found[0][:-1]} {found[0][-1]}", text)


RIGHT = [
    (ch02.lay_out, lay_out),
    (ch02.lay_out, lay_out_otherwise),
    (ch02.text_mask, text_mask),
    (ch02.text_mask, text_mask_otherwise),
    (ch02.cosines_without, cosines),
    (ch02.cosines_without, cosines_otherwise),
    (ch02.disarm, disarm),
    (ch02.disarm, disarm_by_brackets),
    (ch02.disarm, disarm_in_one_go),
]

WRONG = [
    (ch02.lay_out, lambda a, b, c, s: [c, *a, s, *(b or [])], "the last [SEP] is missing"),
    (ch02.lay_out, lambda a, b, c, s: [c, *a], "the last [SEP] is missing"),
    (ch02.lay_out, lambda a, b, c, s: [c, *a, s] + ([c, *b, s] if b else []), "opens the row once"),
    (ch02.lay_out, lambda a, b, c, s: [c, *a, *(b or []), s], "no [SEP] between"),
    (ch02.lay_out, lambda a, b, c, s: [c, *a, s], "the second sentence is missing"),
    (ch02.lay_out, lambda a, b, c, s: [c, *a, s, *(b or []), s], "nothing to close"),
    (ch02.lay_out, lambda a, b, c, s: [101, *a, 102], "101 and 102"),
    (ch02.lay_out, lambda a, b, c, s: a + (b or []), "no special token"),
    (ch02.lay_out, lambda a, b, c, s: [s, *a, c], "expected is"),
    (ch02.lay_out, lambda a, b, c, s: [c, a, s], "nothing but numbers in it"),
    (ch02.lay_out, lambda a, b, c, s: ["[CLS]", *a, "[SEP]"], "nothing but numbers in it"),
    (ch02.lay_out, lambda a, b, c, s: f"{c} {a} {s}", "this is the text"),
    (ch02.lay_out, lambda a, b, c, s: [*a, s], "[CLS] is missing"),
    (ch02.lay_out, lambda a, b, c, s: [*a, s, c], "stands at the end"),
    (ch02.lay_out, lambda a, b, c, s: [c, *a, s] + ([s, *b, s] if b else []), "none opens one"),
    (ch02.lay_out, lambda a, b, c, s: [c, *b, s, *a, s] if b else [c, *a, s], "in front of the first one"),
    (ch02.lay_out, lambda a, b, c, s: [c, *a, s, *b, s], "called with ([21, 22, 23], None, 7, 9)"),
    (ch02.lay_out, lambda a, b, c, s: [c].extend(a), "is a return missing?"),
    (ch02.lay_out, lambda a, b, c, s: [c, *a, s, *b, s], "your function raised TypeError"),
    (ch02.lay_out, lambda a, b, c, s: 3, "return one list"),
    (ch02.lay_out, changes_its_list, "changes the list"),
    (ch02.lay_out, [7, 1, 9], "hand in the function itself"),
    (ch02.text_mask, lambda ids, t: ~torch.isin(ids, torch.tensor(t.all_special_ids)), "[UNK] stands for a word"),
    (ch02.text_mask, lambda ids, t: (ids != t.cls_token_id) & (ids != t.sep_token_id), "[PAD] is filling"),
    (ch02.text_mask, lambda ids, t: (ids != t.pad_token_id) & (ids != t.sep_token_id), "[CLS] must be False"),
    (ch02.text_mask, lambda ids, t: (ids != t.pad_token_id) & (ids != t.cls_token_id), "every [SEP] must be False"),
    (ch02.text_mask, lambda ids, t: ids != t.pad_token_id, "[CLS] must be False"),
    (ch02.text_mask, lambda ids, t: ~text_mask(ids, t), "wrong way round"),
    (
        ch02.text_mask,
        lambda ids, t: text_mask(ids, t) & (ids != t.convert_tokens_to_ids(".")),
        "some token of the text",
    ),
    (ch02.text_mask, lambda ids, t: text_mask(ids, t)[0], "of the shape [2, 10]"),
    (ch02.text_mask, lambda ids, t: text_mask(ids, t).tolist(), "of the shape [2, 10]"),
    (ch02.text_mask, lambda ids, t: ids, "True and False"),
    (ch02.text_mask, lambda ids, t: ids > 103, "every token is False"),
    (ch02.text_mask, lambda ids, t: (ids != t.cls_token_id) | (ids != t.sep_token_id), "join them by &"),
    (ch02.text_mask, lambda ids, t: (ids != t.cls_token_id) and (ids != t.pad_token_id), "between tensors write &"),
    (ch02.text_mask, lambda ids, t: ~torch.isin(ids, torch.tensor([101, 102, 0])), "a small vocabulary of its own"),
    (ch02.text_mask, lambda ids, t: torch.isin(ids, torch.tensor(t.all_special_ids)), "and [UNK] counts as text"),
    (ch02.text_mask, in_place, "changes the tensor"),
    (ch02.cosines_without, old_positions, "kept its old position"),
    (ch02.cosines_without, by_id, "leave one token out, by its place"),
    (ch02.cosines_without, first_of_its_id, "and not the first of its id"),
    (ch02.cosines_without, masked, "kept its old position"),
    (
        ch02.cosines_without,
        lambda m, i, k: apart(m, i, k, slice(0, -1)),
        "behind the gap are compared one place apart",
    ),
    (ch02.cosines_without, lambda m, i, k: apart(m, i, k, slice(1, None)), "before the gap are compared one place"),
    (ch02.cosines_without, lambda m, i, k: apart(m, i, k, slice(1, None), i[1:]), "here [CLS] is left out"),
    (ch02.cosines_without, lambda m, i, k: apart(m, i, k, slice(0, -1), i[:-1]), "the LAST token is left out"),
    (ch02.cosines_without, lambda m, i, k: cosines(m, i, k, layer=0) * 0 + 1, "all cosines are 1"),
    (ch02.cosines_without, lambda m, i, k: cosines(m, i, k, layer=-2), "second-to-last layer"),
    (ch02.cosines_without, lambda m, i, k: instead(m, i, k, 103), "another token stands in the place"),
    (ch02.cosines_without, lambda m, i, k: instead(m, i, k, 0), "another token stands in the place"),
    (
        ch02.cosines_without,
        lambda m, i, k: apart(m, i, k, without(range(len(i)), k), segment=1),
        "segment ids of the two runs differ",
    ),
    (
        ch02.cosines_without,
        lambda m, i, k: (run(m, i)[without(range(len(i)), k)] * run(m, without(i, k))).sum(dim=-1),
        "dot products",
    ),
    (ch02.cosines_without, lambda m, i, k: 1 - cosines(m, i, k), "distances"),
    (ch02.cosines_without, lambda m, i, k: cosines(m, i, k).mean(), "not one number for all"),
    (ch02.cosines_without, lambda m, i, k: cosines(m, i, k)[1:], "has the shape"),
    (ch02.cosines_without, lambda m, i, k: cosines(m, i, k) ** 2, "Does your function use the `model`"),
    (ch02.cosines_without, lambda m, i, k: "0.9", "return a tensor"),
    (ch02.cosines_without, lambda m, i, k: apart(m, i, k), "one token more"),
    (ch02.cosines_without, in_its_list, "changes the list"),
    (ch02.disarm, lambda text, specials: text, "nothing has changed"),
    (ch02.disarm, lambda text, specials: disarm(text, specials, ""), "something that the user wrote is lost"),
    (ch02.disarm, lambda text, specials: disarm(text, ["[SEP]"]), "[CLS] stands in it"),
    (ch02.disarm, lambda text, specials: disarm(text, specials, " {}{} "), "Spaces around it do not help"),
    (ch02.disarm, lambda text, specials: disarm(text, specials, count=1), "stands in it again"),
    (ch02.disarm, lambda text, specials: text.lower(), "capitals are lost"),
    (ch02.disarm, lambda text, specials: text.replace("[", "(").replace("]", ")"), "add spaces, and nothing else"),
    (ch02.disarm, lambda text, specials: re.sub(r"(?<=\w)(?=\w)", " ", text), "a word was cut in two"),
    (
        ch02.disarm,
        lambda text, specials: (
            disarm(text, specials) if text.count("[") != 2 or "C[S" not in text else text.replace("[SEP]", "")
        ),
        "now [CLS] is there",
    ),
    (ch02.disarm, lambda text, specials: text.split(), "return the text, a str"),
]
