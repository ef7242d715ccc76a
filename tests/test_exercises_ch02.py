"""Chapter 2's exercises: right answers pass in more than one form, wrong ones are told why."""

import pytest
import torch

from bertutil.exercises import ch02


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


@pytest.mark.parametrize("answer", [lay_out, lay_out_otherwise])
def test_lay_out_right(answer):
    assert ch02.lay_out.verdict(answer) == "Right."


@pytest.mark.parametrize("stub", [None, ..., lambda first, second, cls, sep: ..., lambda *args: None])
def test_lay_out_untouched(stub):
    assert ch02.lay_out.verdict(stub) == "Not tried yet."


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda a, b, c, s: [c, *a, s, *(b or [])], "the last [SEP] is missing"),
        (lambda a, b, c, s: [c, *a], "the last [SEP] is missing"),
        (lambda a, b, c, s: [c, *a, s] + ([c, *b, s] if b else []), "opens the row once"),
        (lambda a, b, c, s: [c, *a, *(b or []), s], "no [SEP] between"),
        (lambda a, b, c, s: [c, *a, s], "the second sentence is missing"),
        (lambda a, b, c, s: [c, *a, s, *(b or []), s], "nothing to close"),
        (lambda a, b, c, s: [101, *a, 102], "101 and 102"),
        (lambda a, b, c, s: a + (b or []), "no special token"),
        (lambda a, b, c, s: [s, *a, c], "expected is"),
        (lambda a, b, c, s: [c, *a, s, *b, s], "your function raised TypeError"),
        (lambda a, b, c, s: 3, "return a list"),
        (changes_its_list, "changes the lists"),
        ([7, 1, 9], "hand in the function itself"),
    ],
)
def test_lay_out_wrong(answer, reason):
    verdict = ch02.lay_out.verdict(answer)
    assert verdict.startswith("Not right yet: ")
    assert reason in verdict


def text_mask(ids, tokenizer):
    layout = torch.tensor([tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id])
    return ~torch.isin(ids, layout)


def text_mask_otherwise(ids, tokenizer):
    names = [tokenizer.convert_ids_to_tokens(row) for row in ids.tolist()]
    return torch.tensor([[int(name not in ("[CLS]", "[SEP]", "[PAD]")) for name in row] for row in names])


def in_place(ids, tokenizer):
    ids[ids == tokenizer.pad_token_id] = tokenizer.cls_token_id
    return (ids != tokenizer.cls_token_id) & (ids != tokenizer.sep_token_id)


@pytest.mark.parametrize("answer", [text_mask, text_mask_otherwise])
def test_text_mask_right(answer):
    assert ch02.text_mask.verdict(answer) == "Right."


def test_text_mask_untouched():
    assert ch02.text_mask.verdict(lambda ids, tokenizer: ...) == "Not tried yet."


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda ids, t: ~torch.isin(ids, torch.tensor(t.all_special_ids)), "[UNK] stands for a word"),
        (lambda ids, t: (ids != t.cls_token_id) & (ids != t.sep_token_id), "[PAD] is filling"),
        (lambda ids, t: (ids != t.pad_token_id) & (ids != t.sep_token_id), "[CLS] must be False"),
        (lambda ids, t: (ids != t.pad_token_id) & (ids != t.cls_token_id), "every [SEP] must be False"),
        (lambda ids, t: ids != t.pad_token_id, "[CLS] must be False"),
        (lambda ids, t: ~text_mask(ids, t), "wrong way round"),
        (lambda ids, t: text_mask(ids, t) & (ids != t.convert_tokens_to_ids(".")), "some token of the text"),
        (lambda ids, t: text_mask(ids, t)[0], "of the shape [2, 10]"),
        (lambda ids, t: text_mask(ids, t).tolist(), "of the shape [2, 10]"),
        (lambda ids, t: ids, "True and False"),
        (in_place, "changes the tensor"),
    ],
)
def test_text_mask_wrong(answer, reason):
    verdict = ch02.text_mask.verdict(answer)
    assert verdict.startswith("Not right yet: ")
    assert reason in verdict


def run(model, ids, start=0, layer=-1):
    positions = torch.arange(start, start + len(ids))[None]
    with torch.no_grad():
        states = model(input_ids=torch.tensor([ids]), position_ids=positions, output_hidden_states=True)
    return states.hidden_states[layer][0]


def cosines(model, ids):
    return torch.cosine_similarity(run(model, ids)[1:], run(model, ids[1:], 1), dim=-1)


def cosines_otherwise(model, ids):
    """[CLS] stays in its place and is masked: the same, in another way."""
    mask = torch.ones(1, len(ids), dtype=torch.long)
    whole = model(input_ids=torch.tensor([ids]), attention_mask=mask).last_hidden_state[0]
    mask[0, 0] = 0
    hidden = model(input_ids=torch.tensor([ids]), attention_mask=mask).last_hidden_state[0]
    unit = [v / v.norm(dim=-1, keepdim=True) for v in (whole, hidden)]
    return (unit[0] * unit[1]).sum(dim=-1)[1:].tolist()


@pytest.mark.parametrize("answer", [cosines, cosines_otherwise])
def test_cosines_without_cls_right(answer):
    assert ch02.cosines_without_cls.verdict(answer) == "Right."


def test_cosines_without_cls_untouched():
    assert ch02.cosines_without_cls.verdict(lambda model, ids: ...) == "Not tried yet."


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda m, i: torch.cosine_similarity(run(m, i)[1:], run(m, i[1:]), dim=-1), "moved to other positions"),
        (lambda m, i: torch.cosine_similarity(run(m, i)[:-1], run(m, i[1:], 1), dim=-1), "one token apart"),
        (lambda m, i: torch.cosine_similarity(run(m, i)[:-1], run(m, i[1:]), dim=-1), "apart, and the tokens moved"),
        (
            lambda m, i: torch.cosine_similarity(run(m, i, layer=0)[1:], run(m, i[1:], 1, layer=0), dim=-1),
            "all cosines are 1",
        ),
        (lambda m, i: (run(m, i)[1:] * run(m, i[1:], 1)).sum(dim=-1), "dot products"),
        (lambda m, i: 1 - cosines(m, i), "distances"),
        (lambda m, i: cosines(m, i).mean(), "not one number for all"),
        (lambda m, i: cosines(m, i)[1:], "has the shape"),
        (lambda m, i: cosines(m, i) ** 2, "Does your function use the `model`"),
        (lambda m, i: "0.9", "return a tensor"),
    ],
)
def test_cosines_without_cls_wrong(answer, reason):
    verdict = ch02.cosines_without_cls.verdict(answer)
    assert verdict.startswith("Not right yet: ")
    assert reason in verdict


def test_checking_leaves_the_random_numbers_of_the_notebook_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    ch02.cosines_without_cls.verdict(cosines)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("exercise", [ch02.lay_out, ch02.text_mask, ch02.cosines_without_cls])
def test_hints_come_in_steps(exercise, capsys):
    exercise.hint()
    exercise.hint(9)
    first, last = capsys.readouterr().out.splitlines()
    assert "hint(2) says more" in first
    assert "Hint 3 of 3" in last
