"""Chapters 2 to 4: texts into token ids, segment ids and masks, with the caller's own words kept in sight."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from bertutil.checkpoints import Bert


class Word(NamedTuple):
    """One of the caller's words: its text, where it stands, and what became of it.

    `start` and `end` count characters of the caller's text (of " ".join(words) where the words were given as a
    list). `n_pieces` is the number of its tokens in the encoding: 0 where the tokenizer deletes all of its
    characters, or where truncation dropped it. `is_unknown`: one of the tokens is [UNK].
    """

    text: str
    start: int
    end: int
    n_pieces: int
    is_unknown: bool


@dataclass(frozen=True, eq=False)
class Encoding:
    """What encode() returns. A row is a text, or one window of a text; a column is a token.

    `input_ids`, `token_type_ids` (segment ids), `attention_mask`: the model's three inputs, padded on the right.
    `content_mask`: real tokens that are not special. `central`: the content tokens to take from this row; it
    differs from `content_mask` only where windows overlap and another row shows a token nearer to its middle.
    `tokens`: the tokens of each row, without padding. `words`: the caller's words of each text (for a pair, the
    first text's and then the second's). `word_index`: for each token the index into the words of its text, -1 for
    special tokens and padding. `dropped`: for each text the words that truncation cut, whole or in part.
    `text_index`: the text that a row belongs to.
    """

    input_ids: Int[Tensor, "rows tokens"]
    token_type_ids: Int[Tensor, "rows tokens"]
    attention_mask: Int[Tensor, "rows tokens"]
    content_mask: Bool[Tensor, "rows tokens"]
    central: Bool[Tensor, "rows tokens"]
    word_index: Int[Tensor, "rows tokens"]
    text_index: Int[Tensor, " rows"]
    tokens: list[list[str]]
    words: list[list[Word]]
    dropped: list[list[Word]]


Texts = str | Sequence[str] | Sequence[Sequence[str]]
STRIDE = 64  # pieces that neighbouring windows of a long text share
_NO_LIST = (str, bytes, Mapping, set, frozenset)  # can be iterated over, and would not give texts in an order


def encode(
    bert: Bert,
    texts: Texts,
    pairs: Texts | None = None,
    *,
    too_long: str = "error",
    stride: int = STRIDE,
    specials: str = "text",
) -> Encoding:
    """Turn texts into the model's inputs: [CLS] text [SEP], or [CLS] text [SEP] second text [SEP].

    `texts` is a str, a list of str, or a list of lists of str (words already split); `pairs` has the second
    texts in the same form. Each character that Python calls white space separates words (see split_words).
    `too_long`, for a text of more than bert.max_length tokens: "error" refuses it, "truncate" keeps the whole
    words that fit and reports the others in `dropped`, "window" cuts it at word starts into rows that share up to
    `stride` pieces with their neighbours (half a row where the model's rows are too short for the default).
    `specials`: "text" takes a typed "[SEP]" for ordinary characters; "parse" takes it for the special token, which
    then belongs to no word.

    An empty text gives [CLS] [SEP] and no words; an empty list gives tensors of shape [0, 0].

    Raises TypeError or ValueError, with the index of the text, for anything that is not text, for lone
    surrogates and for a text that is too long. Sources: the BERT paper (arXiv 1810.04805), section 3 and
    appendix A.2; the 2019 article, section 2; claims C01, C10, C37.
    """
    if too_long not in ("error", "truncate", "window"):
        raise ValueError(f"too_long is {too_long!r}; it must be 'error', 'truncate' or 'window'")
    if specials not in ("text", "parse"):
        raise ValueError(f"specials is {specials!r}; it must be 'text' or 'parse'")
    if bert.tokenizer.padding_side != "right":
        raise ValueError(
            "the tokenizer pads on the left, which moves every token to another position and so changes its "
            "vector; set bert.tokenizer.padding_side = 'right'"
        )
    firsts = _sentences(bert, _as_list(texts), "text", specials)
    seconds = None if pairs is None else _sentences(bert, _as_list(pairs), "pair", specials)
    if seconds is None:
        parts = [[first] for first in firsts]
    elif len(seconds) != len(firsts):
        raise ValueError(f"there are {len(firsts)} texts and {len(seconds)} pairs; each text needs one second text")
    else:
        parts = [[first, second] for first, second in zip(firsts, seconds, strict=True)]

    tokenizer = bert.tokenizer
    cls, sep = (tokenizer.cls_token_id, tokenizer.cls_token), (tokenizer.sep_token_id, tokenizer.sep_token)
    capacity = bert.max_length - (2 if pairs is None else 3)  # [CLS], and a [SEP] after each sentence
    if too_long == "window" and not 0 <= stride < max(capacity, STRIDE + 1):
        raise ValueError(f"stride is {stride}; it must be at least 0 and less than the {capacity} pieces of a window")
    rows: list[_Row] = []
    words: list[list[Word]] = []
    dropped: list[list[Word]] = []
    text_index: list[int] = []
    for i, sentences in enumerate(parts):
        spans = _plan(bert.name, i, sentences, capacity, too_long, stride)
        rows += [_row(sentences, row, cls, sep) for row in spans]
        text_index += [i] * len(spans)
        words.append([])
        dropped.append([])
        for sentence, kept in zip(sentences, spans[-1], strict=True):
            counted = _count_pieces(sentence, kept.end, tokenizer.unk_token_id)
            words[i] += counted
            dropped[i] += [counted[j] for j in sorted({*sentence.word_of[kept.end :]})]

    width = max((len(row.ids) for row in rows), default=0)

    def column(name: str, padding: int = 0) -> Tensor:
        values = [getattr(row, name) for row in rows]
        padded = [value + [padding] * (width - len(value)) for value in values]
        return torch.tensor(padded, dtype=torch.long, device=bert.model.device).reshape(len(rows), width)

    word_index = column("word_index", padding=-1)
    return Encoding(
        input_ids=column("ids", padding=tokenizer.pad_token_id),
        token_type_ids=column("segments"),
        attention_mask=column("attended"),
        content_mask=word_index >= 0,
        central=column("central").bool(),
        word_index=word_index,
        text_index=torch.tensor(text_index, dtype=torch.long, device=bert.model.device),
        tokens=[row.tokens for row in rows],
        words=words,
        dropped=dropped,
    )


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


class _Sentence(NamedTuple):
    """One text after tokenization: where its words stand, and piece by piece the id, the token and the word."""

    words: list[tuple[str, int, int]]
    ids: list[int]
    tokens: list[str]
    word_of: list[int]
    is_special: list[bool]  # a "[SEP]" or the like that was typed, and parsed


class _Span(NamedTuple):
    """The pieces of a sentence that go into a row, and the part of them that is central there."""

    start: int
    end: int
    central: range


class _Row(NamedTuple):
    ids: list[int]
    tokens: list[str]
    segments: list[int]
    attended: list[int]
    word_index: list[int]
    central: list[bool]


def _as_list(texts: object) -> list[object]:
    return [texts] if isinstance(texts, str) else list(_in_order(texts))


def _in_order(texts: object) -> Iterable[object]:
    """Return what gives one text after the other; refuse all else."""
    if hasattr(texts, "columns"):  # a table would give the names of its columns
        kind = type(texts).__name__
        raise TypeError(f"the texts are a {kind}; give the column that they are in, as in table['text']")
    if isinstance(texts, Iterable) and not isinstance(texts, _NO_LIST):
        return texts
    _require_text(texts, "text 0")
    return []


def _require_text(value: object, where: str) -> str:
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


def _sentences(bert: Bert, texts: list[object], kind: str, specials: str) -> list[_Sentence]:
    """Check the texts, split them into words and the words into pieces.

    The tokenizer gets the words one by one, so that each piece belongs to exactly one of them.
    """
    tokenizer = bert.tokenizer
    marks = "|".join(map(re.escape, tokenizer.all_special_tokens)) if specials == "parse" else None
    special_ids = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    words = []
    for i, text in enumerate(texts):
        if isinstance(text, Iterable) and not isinstance(text, _NO_LIST):
            words.append(_given_words([_require_text(word, f"{kind} {i}, word {j}") for j, word in enumerate(text)]))
        else:
            words.append(_found_words(_require_text(text, f"{kind} {i}"), marks))
    # the tokenizer deletes some of the characters that Python calls white space, and would glue their neighbours
    batch = [[re.sub(r"\s", " ", word) for word, _, _ in sentence] for sentence in words]
    encodings = bert.splitters[specials].encode_batch(batch, is_pretokenized=True, add_special_tokens=False)
    return [
        _Sentence(
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


def _given_words(texts: list[str]) -> list[tuple[str, int, int]]:
    words, start = [], 0
    for text in texts:
        words.append((text, start, start + len(text)))
        start += len(text) + 1
    return words


def _count_pieces(sentence: _Sentence, end: int, unknown_id: int) -> list[Word]:
    """The sentence's words, with the pieces counted that stand before `end`."""
    counts = [0] * len(sentence.words)
    unknown = [False] * len(sentence.words)
    for word, piece, special in zip(sentence.word_of[:end], sentence.ids, sentence.is_special, strict=False):
        counts[word] += not special
        unknown[word] |= piece == unknown_id
    return [Word(*word, n, odd) for word, n, odd in zip(sentence.words, counts, unknown, strict=True)]


def _plan(
    name: str, i: int, sentences: list[_Sentence], capacity: int, too_long: str, stride: int
) -> list[list[_Span]]:
    """Decide which pieces of a text's sentences go into its rows: for each row one span a sentence."""
    sizes = [len(sentence.ids) for sentence in sentences]
    if sum(sizes) <= capacity:
        return [[_Span(0, size, range(size)) for size in sizes]]
    if too_long == "window" and len(sizes) == 2:
        raise ValueError(
            f"text {i} and its pair have {sum(sizes)} pieces and {capacity} fit; windows are for single texts, "
            "so shorten the pair, or use too_long='truncate'"
        )
    if too_long == "window":
        return [[span] for span in _windows(sentences[0].word_of, capacity, stride)]
    if len(sizes) == 1:
        rooms = [capacity]
    else:  # as if the longer one gave up its last piece, again and again
        half = capacity // 2 + (capacity % 2 if sizes[0] > sizes[1] else 0)
        rooms = [max(half, capacity - sizes[1]), max(capacity - half, capacity - sizes[0])]
    ends = [_word_end(s.word_of, 0, room) for s, room in zip(sentences, rooms, strict=True)]
    if too_long == "error":
        lost = [s.words[j][0] for s, end in zip(sentences, ends, strict=True) for j in sorted({*s.word_of[end:]})]
        windows = "too_long='window' to keep them all, " if len(sizes) == 1 else ""  # they are for single texts
        raise ValueError(
            f"text {i} has {sum(sizes)} pieces, and {name} takes {capacity} beside the special tokens: {len(lost)} "
            f"words would be lost, from {lost[0]!r:.40} to {lost[-1]!r:.40}. Use {windows}too_long='truncate' to go "
            "without them, or shorten the text."
        )
    return [[_Span(0, end, range(end)) for end in ends]]


def _word_end(word_of: list[int], start: int, room: int) -> int:
    """The largest end of a word in reach of `room` pieces; inside a word only where one word fills the room."""
    end = min(start + room, len(word_of))
    if end == len(word_of):
        return end
    cut = end
    while cut > start and word_of[cut] == word_of[cut - 1]:
        cut -= 1
    return cut if cut > start else end


def _windows(word_of: list[int], room: int, stride: int) -> list[_Span]:
    """Cut pieces at word starts into windows of at most `room`, with at most `stride` pieces in common.

    A piece in two windows is central in the one where it is further from the nearer edge: the change-over lies in
    the middle of the overlap.
    """
    if stride >= room:  # a model of short rows, and the default
        stride = room // 2
    bounds, start, end = [], 0, 0
    while end < len(word_of):
        end = _word_end(word_of, start, room)
        bounds.append((start, end))
        overlap = range(max(end - stride, start + 1), end)
        start = next((j for j in overlap if word_of[j] != word_of[j - 1]), end)
    changes = [0, *((later[0] + earlier[1] + 1) // 2 for earlier, later in pairwise(bounds)), len(word_of)]
    return [_Span(*bound, range(*change)) for bound, change in zip(bounds, pairwise(changes), strict=True)]


def _row(sentences: list[_Sentence], spans: list[_Span], cls: tuple[int, str], sep: tuple[int, str]) -> _Row:
    """Lay out one row: [CLS], then each sentence's pieces and a [SEP]."""
    row = _Row([cls[0]], [cls[1]], [0], [1], [-1], [False])
    n_words = 0
    for segment, (sentence, span) in enumerate(zip(sentences, spans, strict=True)):
        part = slice(span.start, span.end)
        content = [not special for special in sentence.is_special[part]]
        words = [n_words + word if real else -1 for word, real in zip(sentence.word_of[part], content, strict=True)]
        central = [real and j in span.central for j, real in enumerate(content, span.start)]
        row.ids.extend([*sentence.ids[part], sep[0]])
        row.tokens.extend([*sentence.tokens[part], sep[1]])
        row.segments.extend([segment] * (len(content) + 1))
        row.attended.extend([1] * (len(content) + 1))
        row.word_index.extend([*words, -1])
        row.central.extend([*central, False])
        n_words += len(sentence.words)
    return row
