"""Chapter 3: a text into words, words into pieces, and the pieces of a long text into windows."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from bertutil.checkpoints import Bert

Texts = str | Sequence[str] | Sequence[Sequence[str]]
Text = str | tuple[str, ...]  # a text, or the words of one
TypedSpecials = Literal["text", "parse"]
STRIDE = 64  # pieces that neighbouring windows of a long text share
_NO_LIST = (str, bytes, Mapping, set, frozenset)  # can be iterated over, and would not give texts in an order


class SplitText(NamedTuple):
    """One text after tokenization: where its words stand, and piece by piece the id, the token and the word."""

    words: list[tuple[str, int, int]]
    ids: list[int]
    tokens: list[str]
    word_of: list[int]
    is_special: list[bool]  # a "[SEP]" or the like that was typed, and parsed


class Span(NamedTuple):
    """The pieces of a sentence that go into a row, and the part of them that is central there."""

    start: int
    end: int
    central: range


def split_words(text: str) -> list[tuple[int, int]]:
    """Return where each word of a text starts and ends.

    A word is what stands between white space, less the punctuation marks at its two ends, which are words of
    their own. What stands inside a word stays ("don't", "3,141.59"), and so does the last period of an
    abbreviation that has another one inside ("U.S.A.", "e.g."). Punctuation is what BERT's tokenizer takes for it:
    the Unicode categories P* and the ASCII symbols such as $ and +.
    """
    spans = []
    for match in re.finditer(r"\S+", text):
        start, end = match.span()
        while start < end and _is_punctuation(text[start]):
            spans.append((start, start + 1))
            start += 1
        last = end
        while last > start and _is_punctuation(text[last - 1]) and not _ends_abbreviation(text, start, last):
            last -= 1
        if last > start:
            spans.append((start, last))
        spans += [(mark, mark + 1) for mark in range(last, end)]
    return spans


def _is_punctuation(character: str) -> bool:
    if character.isascii():
        return character.isprintable() and not character.isalnum() and character != " "
    return unicodedata.category(character).startswith("P")


def _ends_abbreviation(text: str, start: int, end: int) -> bool:
    """Letters between periods, one of them alone: "e.g." and "Ph.D.", but not "example.com." or "3.14."."""
    if text[end - 1] != "." or not text[end - 2].isalpha():
        return False
    letters = text[start : end - 1].split(".")
    return len(letters) > 1 and all(map(str.isalpha, letters)) and min(map(len, letters)) == 1


def as_list(texts: object) -> list[object]:
    """Return the texts as a list: a str is one text."""
    return [texts] if isinstance(texts, str) else list(in_order(texts))


def in_order(texts: object) -> Iterable[object]:
    """Return what gives one text after the other; refuse all else."""
    if hasattr(texts, "columns"):  # a table would give the names of its columns
        kind = type(texts).__name__
        raise TypeError(f"the texts are a {kind}; give the column that they are in, as in table['text']")
    if isinstance(texts, Iterable) and not isinstance(texts, _NO_LIST):
        return texts
    require_text(texts, "text 0")
    return []


def check_text(text: object, where: str) -> Text:
    """Return a text as a str, or its words as a tuple; raise TypeError or ValueError for all else.

    `where` names it in what is raised, as in "text 3".
    """
    if isinstance(text, Iterable) and not isinstance(text, _NO_LIST):
        return tuple(require_text(word, f"{where}, word {j}") for j, word in enumerate(text))
    return require_text(text, where)


def require_text(value: object, where: str) -> str:
    """Return a str that can be encoded; raise TypeError or ValueError with `where` it stands for all else."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{where} has a lone surrogate at character {error.start}, which stands for no character; "
                "read the source again with its true encoding, or use text.encode('utf-8', 'replace').decode()"
            ) from None
        return value
    if value is None or value != value:  # only NaN, the empty cell of a table, is unequal to itself
        remedy = "an empty cell of a table? Leave it out, or put '' in its place"
    elif isinstance(value, bytes):
        remedy = "decode it first, for instance with .decode('utf-8')"
    elif isinstance(value, _NO_LIST):
        remedy = "give the texts as a list, in their order"
    else:
        remedy = "turn it into a str"
    raise TypeError(f"{where} is {value!r:.40}, of type {type(value).__name__}, and not a str: {remedy}")


def to_pieces(bert: Bert, texts: list[object], kind: str, typed_specials: TypedSpecials) -> list[SplitText]:
    """Check the texts, split them into words and the words into pieces.

    The tokenizer gets the words one by one, so that each piece belongs to exactly one of them.
    """
    tokenizer = bert.tokenizer
    marks = "|".join(map(re.escape, tokenizer.all_special_tokens)) if typed_specials == "parse" else None
    special_ids = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    words = []
    for i, text in enumerate(texts):
        checked = check_text(text, f"{kind} {i}")
        words.append(_found_words(checked, marks) if isinstance(checked, str) else _given_words(checked))
    # the tokenizer deletes some of the characters that Python calls white space, and would glue their neighbours
    batch = [[re.sub(r"\s", " ", word) for word, _, _ in sentence] for sentence in words]
    encodings = bert.splitters[typed_specials].encode_batch(batch, is_pretokenized=True, add_special_tokens=False)
    return [
        SplitText(
            found,
            e.ids,
            e.tokens,
            [word for word in e.word_ids if word is not None],
            [piece in special_ids for piece in e.ids],
        )
        for found, e in zip(words, encodings, strict=True)
    ]


def _found_words(text: str, marks: str | None) -> list[tuple[str, int, int]]:
    spans, start = [], 0
    for mark in re.finditer(marks, text) if marks else ():
        spans += [(start + a, start + b) for a, b in split_words(text[start : mark.start()])] + [mark.span()]
        start = mark.end()
    spans += [(start + a, start + b) for a, b in split_words(text[start:])]
    return [(text[a:b], a, b) for a, b in spans]


def _given_words(texts: Sequence[str]) -> list[tuple[str, int, int]]:
    words, start = [], 0
    for text in texts:
        words.append((text, start, start + len(text)))
        start += len(text) + 1
    return words


def word_end(word_of: list[int], start: int, room: int) -> int:
    """The largest end of a word in reach of `room` pieces; inside a word only where one word fills the room."""
    end = min(start + room, len(word_of))
    if end == len(word_of):
        return end
    cut = end
    while cut > start and word_of[cut] == word_of[cut - 1]:
        cut -= 1
    return cut if cut > start else end


def cut_windows(word_of: list[int], room: int, stride: int) -> list[Span]:
    """Cut pieces at word starts into windows of at most `room`, with at most `stride` pieces in common.

    A piece in two windows is central in the one where it is further from the nearer edge: the change-over lies in
    the middle of the overlap.
    """
    if stride >= room:  # a model of short rows, and the default
        stride = room // 2
    bounds, start, end = [], 0, 0
    while end < len(word_of):
        end = word_end(word_of, start, room)
        bounds.append((start, end))
        overlap = range(max(end - stride, start + 1), end)
        start = next((j for j in overlap if word_of[j] != word_of[j - 1]), end)
    changes = [0, *((later[0] + earlier[1] + 1) // 2 for earlier, later in pairwise(bounds)), len(word_of)]
    return [Span(*bound, range(*change)) for bound, change in zip(bounds, pairwise(changes), strict=True)]
