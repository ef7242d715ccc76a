"""Chapter 4's exercises: right answers pass in more than one form, wrong ones are told why."""

import pytest
import torch

from bertutil.exercises import ch04


def segment_ids(n_first, n_second):
    segments = [0] * (n_first + 2)
    if n_second:
        segments = segments + [1] * (n_second + 1)
    return segments


def segment_ids_otherwise(n_first, n_second):
    length = n_first + 2 + (n_second + 1 if n_second else 0)
    return (torch.arange(length) >= n_first + 2).long()


@pytest.mark.parametrize("answer", [segment_ids, segment_ids_otherwise])
def test_segment_ids_right(answer):
    assert ch04.segment_ids.verdict(answer) == "Right."


@pytest.mark.parametrize("stub", [None, ..., lambda a, b: ..., lambda a, b: None])
def test_segment_ids_untouched(stub):
    assert ch04.segment_ids.verdict(stub) == "Not tried yet."


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda a, b: [1] * (a + 2) if not b else segment_ids(a, b), "a single sentence is segment 0"),
        (lambda a, b: [0] * (a + 2) + [1] * (b + 1), "no second [SEP]"),
        (lambda a, b: [0] * a + [1] * b, "need a segment id each"),
        (lambda a, b: [i + 1 for i in segment_ids(a, b)], "a single sentence is segment 0"),
        (lambda a, b: [i + 1 for i in segment_ids(a, b)] if b else segment_ids(a, b), "not 1 and 2"),
        (
            lambda a, b: [1 - i for i in segment_ids(a, b)] if b else segment_ids(a, b),
            "the first sentence is segment 0",
        ),
        (lambda a, b: [0] * (a + 2) + [1] * b, "[CLS], the first sentence"),
        (lambda a, b: [0] * (a + 1) + [1] * (b + 2) if b else segment_ids(a, b), "belongs to the first sentence"),
        (lambda a, b: [0] * len(segment_ids(a, b)), "expected is"),
        (lambda a, b: 0, "return a list"),
        (lambda a, b: [0] / a, "your function raised TypeError"),
    ],
)
def test_segment_ids_wrong(answer, reason):
    verdict = ch04.segment_ids.verdict(answer)
    assert verdict.startswith("Not right yet: ")
    assert reason in verdict


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


@pytest.mark.parametrize("answer", [pad_rows, pad_rows_otherwise])
def test_pad_rows_right(answer):
    assert ch04.pad_rows.verdict(answer) == "Right."


def test_pad_rows_untouched():
    assert ch04.pad_rows.verdict(lambda rows, pad: ...) == "Not tried yet."


def left(rows, pad):
    ids, mask = pad_rows([row[::-1] for row in rows], pad)
    return ids.flip(1), mask.flip(1)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda r, p: (pad_rows(r, p)[0], torch.ones_like(pad_rows(r, p)[1])), "the mask is 1 everywhere"),
        (lambda r, p: (pad_rows(r, p)[0], 1 - pad_rows(r, p)[1]), "wrong way round"),
        (lambda r, p: pad_rows(r, 0), "filled with 0"),
        (left, "on the left"),
        (lambda r, p: pad_rows(r, p)[::-1], "other order"),
        (lambda r, p: pad_rows(r, p)[0], "return two tensors"),
        (lambda r, p: (r, r), "rows of equal length"),
        (lambda r, p: pad_rows([row[: min(map(len, r))] for row in r], p), "have the shape"),
        (lambda r, p: (pad_rows(r, p)[0].flip(0), pad_rows(r, p)[1]), "expected are"),
        (lambda r, p: (pad_rows(r, p)[0], pad_rows(r, p)[1].flip(1)), "expected is"),
    ],
)
def test_pad_rows_wrong(answer, reason):
    verdict = ch04.pad_rows.verdict(answer)
    assert verdict.startswith("Not right yet: ")
    assert reason in verdict


def ignores_first(call, ids, segments):
    other = ids.clone()
    other[0, 1] += 1
    second = segments[0] == 1
    return torch.equal(call(ids, segments)[0, second], call(other, segments)[0, second])


def ignores_first_otherwise(call, ids, segments):
    """Change all of sentence A, [CLS] too, and allow a little noise."""
    other = torch.where(segments == 0, 5000, ids)
    return ((call(other, segments) - call(ids, segments)) * segments[..., None]).abs().max() < 1e-5


@pytest.mark.parametrize("answer", [ignores_first, ignores_first_otherwise])
def test_ignores_first_right(answer):
    assert ch04.ignores_first.verdict(answer) == "Right."


def test_ignores_first_untouched():
    assert ch04.ignores_first.verdict(lambda call, ids, segments: ...) == "Not tried yet."


def changes_second(call, ids, segments):
    other = ids.clone()
    other[0, -2] += 1
    return torch.equal(call(ids, segments)[0, segments[0] == 1], call(other, segments)[0, segments[0] == 1])


def looks_everywhere(call, ids, segments):
    other = ids.clone()
    other[0, 1] += 1
    return torch.equal(call(ids, segments), call(other, segments))


def in_place(call, ids, segments):
    before = call(ids, segments)
    ids[0, 1] += 1
    return torch.equal(before[0, segments[0] == 1], call(ids, segments)[0, segments[0] == 1])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda call, ids, segments: True, "returns True for a call that hands over mask and segment ids"),
        (lambda call, ids, segments: False, "returns False for a call that gives the segment ids as the attention"),
        (looks_everywhere, "vectors of the second sentence"),
        (changes_second, "gives the segment ids as the attention mask"),
        (in_place, "changes the tensors"),
        (lambda *args: not ignores_first(*args), "the wrong way round"),
        (lambda call, ids, segments: call(ids, segments), "return True or False"),
        (lambda call, ids, segments: "yes", "return True or False"),
    ],
)
def test_ignores_first_wrong(answer, reason):
    verdict = ch04.ignores_first.verdict(answer)
    assert verdict.startswith("Not right yet: ")
    assert reason in verdict


@pytest.mark.parametrize("exercise", [ch04.segment_ids, ch04.pad_rows, ch04.ignores_first])
def test_hints_come_in_steps(exercise, capsys):
    exercise.hint()
    exercise.hint(9)
    first, last = capsys.readouterr().out.splitlines()
    assert "hint(2) says more" in first
    assert "Hint 3 of 3" in last
