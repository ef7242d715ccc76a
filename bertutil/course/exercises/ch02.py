"""The exercises of chapter 2: special tokens."""

import re
from typing import Any

import torch
from torch import Tensor
from transformers import BertModel, BertTokenizer

from bertutil.course.exercises import Exercise, Wrong, call, is_right
from bertutil.course.inputs import tiny_model

_TINY_VOCABULARY = ["[PAD]", "the", "river", "[SEP]", "bank", "##s", "[UNK]", "was", "wide", ".", "[MASK]", "[CLS]"]


def _judge_lay_out(function: Any) -> None:
    cls, sep = 7, 9
    for first, second in [([21, 22, 23], None), ([31], [41, 42]), ([51, 52], [61, 62, 63])]:
        answer = call(function, list(first), second and list(second), cls, sep)
        if isinstance(answer, str):
            raise Wrong(f"return a list of ids; this is the text {answer!r:.40}")
        try:
            row = [int(i) for i in answer]
        except (TypeError, ValueError, OverflowError):
            raise Wrong(f"return one list of ids, with nothing but numbers in it; yours is {answer!r:.60}") from None
        _compare_rows(row, first, second, cls, sep)


def _compare_rows(row: list[int], first: list[int], second: list[int] | None, cls: int, sep: int) -> None:
    expected = [cls, *first, sep] + ([] if second is None else [*second, sep])
    shown = f"for {first} and {second}, with cls={cls} and sep={sep}, it returns {row}"
    if row == expected:
        return
    if {101, 102} & set(row):
        raise Wrong(f"{shown}: the ids 101 and 102 stand in it; take cls and sep from the arguments")
    if row == [*first, *(second or [])]:
        raise Wrong(f"{shown}: there is no special token in it")
    if row == expected[1:]:
        raise Wrong(f"{shown}: [CLS] is missing; it opens every row")
    if row == [*expected[1:], cls]:
        raise Wrong(f"{shown}: [CLS] stands at the end; it opens the row")
    if second is not None and row == [cls, *second, sep, *first, sep]:
        raise Wrong(f"{shown}: the second sentence stands in front of the first one")
    if second is not None and row[len(first) + 1 : len(first) + 3] == [sep, sep]:
        raise Wrong(f"{shown}: there are two [SEP] in the middle; each one CLOSES a sentence, and none opens one")
    if row == expected[:-1]:
        raise Wrong(f"{shown}: the last [SEP] is missing; every sentence is closed by one, the last one too")
    if second is not None and row == [cls, *first, *second, sep]:
        raise Wrong(f"{shown}: there is no [SEP] between the two sentences")
    if second is not None and row == expected[: len(first) + 2]:
        raise Wrong(f"{shown}: the second sentence is missing")
    if row.count(cls) > 1:
        raise Wrong(f"{shown}: [CLS] opens the row once; a second sentence does not get its own")
    if second is None and row == [*expected, sep]:
        raise Wrong(f"{shown}: without a second sentence there is nothing to close a second time")
    raise Wrong(f"{shown}; expected is {expected}")


def _judge_text_mask(function: Any) -> None:
    tokenizer = BertTokenizer(vocab={token: i for i, token in enumerate(_TINY_VOCABULARY)})
    rows = [
        ["[CLS]", "the", "river", "bank", "##s", "[SEP]", "was", "[UNK]", ".", "[SEP]"],
        ["[CLS]", "[UNK]", "was", "wide", ".", "[SEP]", "[PAD]", "[PAD]", "[PAD]", "[PAD]"],
    ]
    ids = torch.tensor(tokenizer.convert_tokens_to_ids([token for row in rows for token in row])).reshape(2, -1)
    answer = call(function, ids, tokenizer)
    if not isinstance(answer, Tensor) or answer.shape != ids.shape:
        what = (
            f"has the shape {list(answer.shape)}" if isinstance(answer, Tensor) else f"is a {type(answer).__name__}"
        )
        raise Wrong(f"return a tensor of the shape {list(ids.shape)}, one value for each id; yours {what}")
    if answer.dtype != torch.bool and not bool(((answer == 0) | (answer == 1)).all()):
        raise Wrong("the values must be True and False (or 1 and 0)")
    mask = answer.bool()
    reasons = {
        "[UNK]": (False, "[UNK] stands for a word of the text, so it must be True"),
        "[PAD]": (True, "[PAD] is filling and no text, so it must be False"),
        "[CLS]": (
            True,
            "[CLS] must be False. (The check has a small vocabulary of its own, where [CLS] is "
            f"{tokenizer.cls_token_id}: ask the tokenizer for the ids)",
        ),
        "[SEP]": (True, "every [SEP] must be False, the one in the middle of a pair too"),
    }
    tokens = [token for row in rows for token in row]
    expected = torch.tensor([token not in ("[CLS]", "[SEP]", "[PAD]") for token in tokens]).reshape(ids.shape)
    if torch.equal(mask, ~expected):
        raise Wrong("the mask is the wrong way round: True is for the tokens of the text")
    if mask.all():
        raise Wrong(
            "every token is True. Joined by `or`, conditions such as `ids != a` are always true: join them by &"
        )
    if not mask.any():
        raise Wrong(
            "every token is False. Do you compare with fixed numbers? The check has a small vocabulary of its own: "
            "ask the tokenizer for the ids of its special tokens"
        )
    if torch.equal(mask, torch.isin(ids, torch.tensor(tokenizer.all_special_ids))):
        raise Wrong("the mask is the wrong way round, and [UNK] counts as text: it stands for a word")
    for token, value in zip(tokens, mask.flatten().tolist(), strict=True):
        if token in reasons and value is reasons[token][0]:
            raise Wrong(reasons[token][1])
    if not torch.equal(mask, expected):
        raise Wrong("some token of the text is False; every one of them must be True")


def _judge_cosines_without(function: Any) -> None:
    for seed, length, place in [(1, 9, 3), (2, 6, 0), (3, 7, 6)]:
        model = tiny_model(seed)
        ids = [101, *range(2000 + seed, 2000 + seed + length - 2), 102]
        if 1 < place < length - 1:
            ids[1] = ids[place]  # a word that stands in the row twice
        try:
            answer = call(function, model, list(ids), place)
        except Wrong as error:
            if "must match the size" not in str(error):
                raise
            if f"({length - 2})" in str(error):
                raise Wrong(f"{error}. {_BY_ID}") from None
            raise Wrong(
                f"{error}. The whole row has one token more: leave token {place} out of its vectors too"
            ) from None
        try:
            values = torch.as_tensor(answer, dtype=torch.float32).detach()
        except (TypeError, ValueError, RuntimeError):
            raise Wrong(f"return a tensor of cosines; this is a {type(answer).__name__}") from None
        _compare_cosines(values, model, ids, place)


_BY_ID = "The row has the id at `place` twice: leave one token out, by its place"


def _compare_cosines(values: Tensor, model: BertModel, ids: list[int], place: int) -> None:
    n = len(ids) - 1
    if values.ndim == 0:
        raise Wrong(f"return one cosine for each of the {n} other tokens, not one number for all")
    if values.shape != (n,):
        raise Wrong(
            f"for a row of {len(ids)} ids the answer has the shape {list(values.shape)}; it must be [{n}], "
            "one cosine for every token but the one that is left out"
        )
    others = [i for i in range(len(ids)) if i != place]
    shorter = [ids[i] for i in others]
    whole, rest = _last(model, ids), _last(model, shorter)
    first_gone = ids.copy()
    first_gone.remove(ids[place])
    masked = [*ids[:place], 103, *ids[place + 1 :]]
    padded = [*ids[:place], 0, *ids[place + 1 :]]

    def cosine(one: Tensor, other: Tensor) -> Tensor:
        return torch.cosine_similarity(one, other, dim=-1)

    in_place = "another token stands in the place of the one that is left out; the shorter row has one id less"
    candidates = [
        (cosine(whole[others], rest), None),
        (
            cosine(whole[others], _last(model, shorter, positions=others)),
            "each token kept its old position (position_ids, or a 0 in the mask); let those behind the gap move up",
        ),
        (cosine(whole[others], _last(model, first_gone)), f"{_BY_ID}, and not the first of its id"),
        (
            cosine(whole[:-1], rest),
            "the tokens behind the gap are compared one place apart: there, token i belongs to token i + 1 of the "
            "whole row",
        ),
        (
            cosine(whole[1:], rest),
            "the tokens before the gap are compared one place apart; they have the same index in both rows",
        ),
        (cosine(whole[1:], _last(model, ids[1:])), "here [CLS] is left out; leave out the token at `place`"),
        (cosine(whole[:-1], _last(model, ids[:-1])), "here the LAST token is left out; leave out the one at `place`"),
        (
            torch.ones(n),
            "all cosines are 1; is the token left out in one of the two runs, and is the layer the last?",
        ),
        (
            cosine(_last(model, ids, layer=-2)[others], _last(model, shorter, layer=-2)),
            "this is the second-to-last layer; take the last one, index -1",
        ),
        (cosine(whole, _last(model, masked))[others], in_place),
        (cosine(whole, _last(model, padded))[others], in_place),
        (
            cosine(whole[others], _last(model, shorter, segment=1)),
            "the segment ids of the two runs differ; they are 0 in both",
        ),
        ((whole[others] * rest).sum(dim=-1), "these are dot products; the cosine divides by both lengths"),
        (1 - cosine(whole[others], rest), "these are cosine distances, 1 - cosine; return the cosines"),
    ]
    if not is_right(values, candidates):
        raise Wrong(
            "these are not the cosines at the last layer. Does your function use the `model` it is given (not "
            "bert.model), with the same segment ids (all 0) and an attention mask of ones in both runs?"
        )


@torch.no_grad()
def _last(
    model: BertModel, ids: list[int], positions: list[int] | None = None, layer: int = -1, segment: int = 0
) -> Tensor:
    """The vectors of a row at the last layer or another one; `positions`: 0, 1, 2, ..., where none are given."""
    output = model(
        input_ids=torch.tensor([ids]),
        token_type_ids=torch.full((1, len(ids)), segment),
        position_ids=torch.tensor([positions or [*range(len(ids))]]),
        output_hidden_states=True,
    )
    states: Tensor = output.hidden_states[layer][0]
    return states


def _judge_disarm(function: Any) -> None:
    specials = ["[CLS]", "[SEP]", "[MASK]"]
    texts = ["Good phone. [SEP] Bad battery.", "a[MASK]b, [MASK] and [CLS].", "[[SEP]] [SEP][SEP]", "[C[SEP]LS]"]
    texts += ["A list [1] and [sep], f[0]", "No sign in here.", ""]
    for text in texts:
        found = call(function, text, list(specials))
        if not isinstance(found, str):
            raise Wrong(f"return the text, a str; for {text!r} you returned a {type(found).__name__}")
        if reason := _disarm_reason(text, found, specials):
            raise Wrong(f"for {text!r} it returns {found!r}: {reason}")


def _disarm_reason(text: str, found: str, specials: list[str]) -> str:
    """What is wrong with a text that is said to be free of special tokens; nothing where it is right."""
    old, new = ("".join(t.split()) for t in (text, found))
    left = [mark for mark in specials if mark in found]
    if old != new and old.lower() == new.lower():
        return "in lower case no mark is found, and the user's capitals are lost, which a cased checkpoint reads"
    if len(new) < len(old) and left:
        return f"what was deleted stood in the middle of another mark: now {left[0]} is there. Add spaces instead"
    if len(new) < len(old):
        return "something that the user wrote is lost; what is typed is to stay, as text"
    if old != new:
        return "there are other characters in it than in the text; add spaces, and nothing else"
    if found == text and left:
        return f"nothing has changed, and {left[0]} stands in it"
    if [mark for mark in left if found.count(mark) < text.count(mark)]:
        return f"{left[0]} was found once, and stands in it again; every one of them must be taken apart"
    if left:
        return (
            f"{left[0]} is still whole. Spaces around it do not help: put one INSIDE, and do so for all of `specials`"
        )
    if re.findall(r"\w+|[^\w\s]", found) != re.findall(r"\w+|[^\w\s]", text):
        return "a word was cut in two, and its pieces are other tokens; a space behind the bracket cuts no word"
    return ""


lay_out = Exercise(
    "lay-out-a-row",
    _judge_lay_out,
    [
        "A row is a list, and [a, *b] is a list with a and then all of b. Which parts are there in every row?",
        "Start with row = [cls, *first, sep]. What has to follow where second is not None?",
        "if second is not None: row = [*row, *second, sep]",
    ],
)

text_mask = Exercise(
    "text-mask",
    _judge_text_mask,
    [
        "Which of the five special tokens stand for no word of the text? tokenizer.cls_token_id is the id of [CLS].",
        "torch.isin(ids, other) is True where an id is one of the tensor `other`; ~ turns True and False round.",
        "[UNK] stands for a word, so tokenizer.all_special_ids has one id too many for this purpose.",
    ],
)

cosines_without = Exercise(
    "cosines-without-a-token",
    _judge_cosines_without,
    [
        "The shorter row is ids[:place] + ids[place + 1 :]; last_vectors(model, ...) has its vectors.",
        "The whole row has one vector more, the one at `place`. torch.cat([whole[:place], whole[place + 1 :]]) is "
        "the whole row's vectors without it.",
        "Compare these two, token by token: torch.cosine_similarity(..., ..., dim=-1).",
    ],
)

disarm = Exercise(
    "disarm-specials",
    _judge_disarm,
    [
        "A special token is recognised by its exact spelling. How does one space change it, and cut no word in two?",
        "'[SEP]' with a space behind its bracket is '[ SEP]'. For any mark of the list: mark[0] + ' ' + mark[1:].",
        "for mark in specials: text = text.replace(mark, mark[0] + ' ' + mark[1:])",
    ],
)
