"""The exercises of chapter 4: segment ids, masks and positions."""

from collections.abc import Callable
from operator import index
from typing import Any

import torch
from torch import Tensor

from bertutil.course.exercises import Exercise, Wrong, call, is_right
from bertutil.course.inputs import tiny_model

Run = Callable[[Tensor, Tensor], Tensor]


def _judge_segment_ids(function: Any) -> None:
    for n_first, n_second in [(4, 0), (3, 5), (1, 1), (6, 2)]:
        answer = call(function, n_first, n_second)
        try:
            if isinstance(answer, str):
                raise TypeError
            segments = [index(i) for i in answer]
        except (TypeError, ValueError):
            raise Wrong(f"return one list of whole numbers; yours is {answer!r:.60}") from None
        expected = [0] * (n_first + 2) + ([1] * (n_second + 1) if n_second else [])
        if segments != expected:
            raise Wrong(_segment_reason(segments, expected, n_first, n_second))


def _segment_reason(segments: list[int], expected: list[int], n_first: int, n_second: int) -> str:
    shown = f"for {n_first} and {n_second} tokens it returns {segments}"
    if n_second == 0 and segments and set(segments) == {1}:
        return f"{shown}: a single sentence is segment 0 (the 2019 article has 1 here)"
    if n_second == 0 and segments == [0] * (n_first + 2) + [1]:
        return f"{shown}: without a second sentence there is no second [SEP]"
    if segments == [0] * n_first + [1] * n_second:
        return f"{shown}: [CLS] and the [SEP]s are tokens of the row too and need a segment id each"
    if segments == [value + 1 for value in expected]:
        return f"{shown}: the segments are numbered 0 and 1, not 1 and 2"
    if segments == [1 - value for value in expected]:
        return f"{shown}: the first sentence is segment 0, the second one segment 1"
    if n_second and segments == [*expected[:-1], 0]:
        return f"{shown}: the last [SEP] closes the second sentence, so it is segment 1"
    if n_second == 0 and segments == [*expected[:-1], 1]:
        return f"{shown}: a [SEP] has the segment id of the sentence that it closes, here 0"
    if len(segments) != len(expected):
        return (
            f"{shown}, which is {len(segments)} ids; the row has {len(expected)} tokens: [CLS], the first sentence, "
            f"[SEP]{', the second sentence, [SEP]' if n_second else ''}"
        )
    if segments == [0] * (n_first + 1) + [1] * (n_second + 2):
        return f"{shown}: the [SEP] that closes the first sentence belongs to the first sentence"
    return f"{shown}; expected is {expected}"


def _judge_pad_rows(function: Any) -> None:
    pad = 5
    for rows in ([[101, 21, 22, 23, 102], [101, 31, 102]], [[101, 102], [101, 41, 42, 102], [101, 51, 102]]):
        answer = call(function, [list(row) for row in rows], pad)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise Wrong(
                "return two tensors, `return ids, mask`: the ids and the attention mask; this is a "
                f"{type(answer).__name__}"
            )
        if not all(isinstance(part, Tensor) for part in answer):
            raise Wrong("the two answers must be tensors: torch.tensor makes one of a list of rows of equal length")
        ids, mask = answer
        if ids.is_floating_point():
            raise Wrong(f"the ids are {ids.dtype}; whole numbers are needed (torch.long), to look up rows of a table")
        _compare_padded(ids.long(), mask.long(), rows, pad)


def _compare_padded(ids: Tensor, mask: Tensor, rows: list[list[int]], pad: int) -> None:
    longest = max(map(len, rows))
    shape = [len(rows), longest]
    fill = [longest - len(row) for row in rows]
    expected_ids = torch.tensor([row + [pad] * n for row, n in zip(rows, fill, strict=True)])
    expected_mask = torch.tensor([[1] * len(row) + [0] * n for row, n in zip(rows, fill, strict=True)])
    if torch.equal(ids, expected_mask) and torch.equal(mask, expected_ids):
        raise Wrong("the two answers are in the other order; the ids come first, then the attention mask")
    for name, tensor in (("ids", ids), ("mask", mask)):
        if list(tensor.shape) != shape:
            raise Wrong(
                f"the {name} have the shape {list(tensor.shape)}; for {len(rows)} rows, the longest of {longest} "
                f"tokens, it must be {shape}"
            )
    if torch.equal(ids, torch.tensor([[pad] * n + row for row, n in zip(rows, fill, strict=True)])):
        raise Wrong("the padding stands on the left; BERT counts positions from the left, so it must be on the right")
    if torch.equal(ids, expected_ids.masked_fill(expected_mask == 0, 0)):
        raise Wrong(f"the rows are filled with 0; use the id that is handed in, here pad={pad}")
    if not torch.equal(ids, expected_ids):
        raise Wrong(
            f"for the rows {rows} and pad={pad} the ids are {ids.tolist()}; expected are {expected_ids.tolist()}"
        )
    if torch.equal(mask, torch.ones_like(mask)):
        raise Wrong("the mask is 1 everywhere, so the model would read the padding as text; padding gets 0")
    if not mask.any():
        raise Wrong("the mask is 0 everywhere, so no token would see any other; real tokens get 1")
    if torch.equal(mask, expected_mask.masked_fill(expected_mask == 0, pad)):
        raise Wrong(f"the mask is filled with the id of [PAD], {pad}; padding has 0 in the mask, whatever its id is")
    if torch.equal(mask, expected_mask * (ids != 101) * (ids != 102)):
        raise Wrong("the mask is 0 at [CLS] and [SEP] too; they are real tokens, which the others must see")
    if torch.equal(mask, 1 - expected_mask):
        raise Wrong("the mask is the wrong way round: 1 is for real tokens, 0 for padding")
    if not torch.equal(mask, expected_mask):
        raise Wrong(f"for the rows {rows} the mask is {mask.tolist()}; expected is {expected_mask.tolist()}")


def _judge_ignores_first(function: Any) -> None:
    verdicts = []
    for seed, n_first, n_second in [(1, 4, 3), (2, 2, 6)]:
        ids = torch.tensor([[101, *range(2000, 2000 + n_first), 102, *range(3000, 3000 + n_second), 102]])
        segments = torch.tensor([[0] * (n_first + 2) + [1] * (n_second + 1)])
        for truth, name, run in _calls(seed):
            asked: list[tuple[Tensor, Tensor]] = []

            def call_model(ids: Tensor, segments: Tensor, run: Run = run, asked: Any = asked) -> Tensor:
                asked.append((ids.clone(), segments.clone()))
                return run(ids, segments)

            answer = call(function, call_model, ids, segments)
            if isinstance(answer, Tensor) and answer.numel() == 1:
                answer = answer.item()
            if not isinstance(answer, bool):
                raise Wrong(f"return True or False; this is {answer!r:.60}. torch.equal compares whole tensors")
            verdicts.append((truth, answer, name, _why_not(asked, ids, segments)))
    if not any(truth is answer for truth, answer, *_ in verdicts):
        raise Wrong("every verdict is the wrong way round: True means that the first sentence is ignored")
    for truth, answer, name, reason in verdicts:
        if truth is not answer:
            raise Wrong(f"it returns {answer} for a call that {name}. {reason}")


def _why_not(asked: list[tuple[Tensor, Tensor]], ids: Tensor, segments: Tensor) -> str:
    """What is wrong with a test that has run the model with these inputs."""
    if not asked:
        return "It does not run `call` at all: the only way to find out is to run it, twice, and to compare"
    if any(i.shape != ids.shape for i, _ in asked):
        return "The two rows have different lengths, so every position moves: exchange a token, and cut none off"
    if any(not torch.equal(s, segments) for _, s in asked):
        return "The segment ids are changed; leave them as they are, and change a token of the first sentence, in ids"
    second = segments == 1
    if any(not torch.equal(i[second], ids[second]) for i, _ in asked):
        return (
            "A token of the second sentence is changed, and a token's own vector moves whenever the token is "
            "changed, whatever the mask is: change one of the first sentence, such as ids[0, 1]"
        )
    if all(torch.equal(i, asked[0][0]) for i, _ in asked):
        return "All runs have the same ids: change a token of the first sentence, such as ids[0, 1], in a copy"
    return (
        "The right runs are made; so look at what is compared: the vectors of the SECOND sentence, all of "
        "them and no others, [0, segments[0] == 1], before and after, with no room for differences"
    )


def _calls(seed: int) -> list[tuple[bool, str, Run]]:
    """Ways to run a pair: whether the first sentence is ignored, in words, and the function."""
    model = tiny_model(seed)

    def run(**inputs: Tensor) -> Tensor:
        with torch.no_grad():
            states: Tensor = model(**inputs).last_hidden_state
        return states

    def right(ids: Tensor, segments: Tensor) -> Tensor:
        return run(input_ids=ids, attention_mask=torch.ones_like(ids), token_type_ids=segments)

    def trapped(ids: Tensor, segments: Tensor) -> Tensor:
        return run(input_ids=ids, attention_mask=segments)

    def without_segments(ids: Tensor, segments: Tensor) -> Tensor:
        return run(input_ids=ids, attention_mask=torch.ones_like(ids))

    def faint(ids: Tensor, segments: Tensor) -> Tensor:
        states, at = trapped(ids, segments), int(segments[0].argmax())
        states[:, at] += 0.01 * right(ids, segments)[:, at]
        return states

    return [
        (False, "hands over mask and segment ids as it should", right),
        (True, "gives the segment ids as the attention mask", trapped),
        (False, "leaves the segment ids out but masks nothing", without_segments),
        (False, "lets the first sentence into one vector of the second, by a little", faint),
    ]


segment_ids = Exercise(
    "segment-ids",
    _judge_segment_ids,
    [
        "On paper, for 2 and 3 tokens: [CLS] a a [SEP] b b b [SEP]. How many tokens are in each segment?",
        "The first segment has n_first + 2 tokens: [CLS], the sentence and its [SEP]. The second has n_second + 1.",
        "[0] * 3 is [0, 0, 0], and lists are joined with +. Leave the second part out where n_second is 0.",
    ],
)

pad_rows = Exercise(
    "pad-rows",
    _judge_pad_rows,
    [
        "How long is the longest row? How many ids are missing in each of the others?",
        "longest = max(len(row) for row in rows); a row becomes row + [pad] * (longest - len(row)).",
        "The mask of a row is [1] * len(row) + [0] * (longest - len(row)). torch.tensor(rows) makes the tensors.",
    ],
)

ignores_first = Exercise(
    "ignores-first",
    _judge_ignores_first,
    [
        "Do as in 'Sentence A could be anything': change a token of sentence A, and watch the vectors of sentence B.",
        "other = ids.clone(); other[0, 1] = another id, for instance ids[0, 1] + 1. Compare call(ids, segments) with "
        "call(other, segments).",
        "second = segments[0] == 1 picks the tokens of sentence B: torch.equal(one[0, second], two[0, second]).",
    ],
)


def _judge_segment_effect(function: Any) -> None:
    for seed, n_layers, n_tokens in [(3, 3, 7), (4, 2, 5)]:
        model = tiny_model(seed, n_layers)
        ids = torch.tensor([[101, *range(2000 + seed, 2000 + seed + n_tokens - 2), 102]])
        runs: list[dict[str, Any]] = []
        model.register_forward_pre_hook(
            lambda _, by_place, named, runs=runs: _note(runs, by_place, named), with_kwargs=True
        )
        answer = call(function, model, ids)
        if isinstance(answer, list | tuple):  # torch warns where such a list is made a tensor without this
            answer = [one.detach() if isinstance(one, Tensor) else one for one in answer]
        asked = [dict(run) for run in runs]
        try:
            values = torch.as_tensor(answer, dtype=torch.float32).detach()
        except (TypeError, ValueError, RuntimeError):
            raise Wrong(f"return one number for each layer; this is a {type(answer).__name__}") from None
        reasons = {
            (): "return one number for each layer, not one for all",
            (n_layers,): "the model has one state more than layers: layer 0 is asked for, too",
            (
                n_tokens,
            ): "this is one number for each token; in each layer, take the lowest of the TOKENS: .amin(dim=-1)",
            (
                n_layers + 1,
                n_tokens,
            ): "this is every token of every layer; take the lowest of each layer: .amin(dim=-1)",
        }
        if (shape := tuple(values.shape)) != (n_layers + 1,):
            shown = f"for {n_layers} layers and {n_tokens} tokens the answer has the shape {list(shape)}"
            raise Wrong(f"{shown}: {reasons.get(shape, f'expected is {[n_layers + 1]}')}")
        _compare_effect(values, model, ids, asked)


def _note(runs: list[dict[str, Any]], by_place: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Note what a model is called with, by the names of the arguments."""
    runs.append(dict(zip(("input_ids", "attention_mask", "token_type_ids"), by_place, strict=False)) | named)


def _why_effect(asked: list[dict[str, Any]], ids: Tensor) -> str:
    """What is wrong with the runs that a function has made of the model, or where to look if nothing is."""
    if not asked:
        return "The `model` that is handed in was not run. Is another one in its place, such as the notebook's own?"
    if any(run.get("input_ids") is None or run["input_ids"].shape[-1] != ids.shape[1] for run in asked):
        return "The rows that are run do not have the tokens of `ids`; hand over input_ids=ids in both runs"
    if any(run.get("attention_mask") is not None and not run["attention_mask"].all() for run in asked):
        return (
            "A run has zeros in the attention mask; there is no padding here, so leave the mask out or make it all 1"
        )
    segments = [run.get("token_type_ids") for run in asked]
    found = {i for one in segments for i in ([0] if one is None else one.unique().tolist())}
    if found != {0, 1}:
        return f"The segment ids of the runs are {sorted(found)}; 0 in one run and 1 in the other is asked for"
    if any(one is not None and (one != one[:, :1]).any() for one in segments):
        return "In one run some tokens have the segment 0 and some 1; all tokens have the same one in each"
    return (
        "The right runs are made; so look at what is done with the states: in each layer the cosine of every token "
        "with itself, over the features, dim=-1, and the lowest of these"
    )


def _compare_effect(values: Tensor, model: Any, ids: Tensor, asked: list[dict[str, Any]]) -> None:
    ones, zeros = torch.ones_like(ids), torch.zeros_like(ids)

    @torch.no_grad()
    def states(**inputs: Tensor) -> Tensor:
        return torch.stack(model(input_ids=ids, **inputs, output_hidden_states=True).hidden_states)[:, 0]

    why = _why_effect(asked, ids)
    whole, other = states(token_type_ids=zeros), states(token_type_ids=ones)
    cosine = torch.cosine_similarity(whole, other, dim=-1)
    masked = torch.cosine_similarity(whole, states(attention_mask=zeros), dim=-1)
    candidates = [
        (cosine.amin(dim=-1), None),
        (
            masked.amin(dim=-1),
            "the segment ids were handed over by position, and became the attention mask: write token_type_ids=...",
        ),
        (
            torch.ones(len(values)),
            f"all cosines are 1, so two runs that are the same were compared. {why}",
        ),
        (
            torch.cosine_similarity(whole, other, dim=1).amin(dim=-1),
            "these are cosines of features, each over all tokens; a token's vector is the last axis, dim=-1",
        ),
        (
            cosine.mean(dim=-1),
            "this is the mean of the tokens, or one cosine of all the layer's numbers, which is nearly the same; the "
            "lowest token of each layer is asked for",
        ),
        (cosine.amax(dim=-1), "this is the highest token of each layer; the lowest one is asked for"),
        (cosine[:, 0], "this is [CLS] alone; take the lowest of all tokens"),
        (cosine[:, 1:-1].amin(dim=-1), "[CLS] and [SEP] are left out; they are tokens of the row as well"),
        (cosine.amin(dim=-1).flip(0), "the order is turned round; layer 0 comes first"),
        (
            torch.cosine_similarity(whole.mean(dim=1), other.mean(dim=1), dim=-1),
            "this is the cosine of the means over the tokens; take that of each token, and then the lowest",
        ),
        ((whole - other).norm(dim=-1).amin(dim=-1), "these are distances; return cosines"),
        (1 - cosine.amin(dim=-1), "these are cosine distances, 1 - cosine; return the cosines"),
        ((whole * other).sum(dim=-1).amin(dim=-1), "these are dot products; the cosine divides by both lengths"),
    ]
    if not is_right(values, candidates):
        raise Wrong(
            f"it returns {[round(v, 3) for v in values.tolist()]}, and expected is "
            f"{[round(v, 3) for v in cosine.amin(dim=-1).tolist()]}. {why}"
        )


segment_effect = Exercise(
    "segment-effect",
    _judge_segment_effect,
    [
        "Do as in `states` of the last section, but with the model and the ids that are handed in.",
        "torch.zeros_like(ids) and torch.ones_like(ids) are the two sets of segment ids: token_type_ids=...",
        "torch.stack(output.hidden_states)[:, 0] is [layers, tokens, features]. The cosine with dim=-1 leaves "
        "[layers, tokens], and .amin(dim=-1) of that the lowest of each layer.",
    ],
)
