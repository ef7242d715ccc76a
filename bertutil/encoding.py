"""Chapters 2 to 4: texts into token ids, segment ids and masks, with the caller's own words kept in sight."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from bertutil.checkpoints import Bert, require_right_padding
from bertutil.pieces import STRIDE, Span, SplitText, Texts, TypedSpecials, as_list, cut_windows, to_pieces, word_end

TooLong = Literal["error", "truncate", "window"]


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


def encode(
    bert: Bert,
    texts: Texts,
    pairs: Texts | None = None,
    *,
    too_long: TooLong = "error",
    stride: int = STRIDE,
    typed_specials: TypedSpecials = "text",
    specials: None = None,
) -> Encoding:
    """Turn texts into the model's inputs: [CLS] text [SEP], or [CLS] text [SEP] second text [SEP].

    `texts` is a str, a list of str, or a list of lists of str (words already split), or in place of a list any
    iterable, such as an array, a column of a table or a generator; `pairs` has the second texts in the same form. A
    token that was added to the tokenizer is a word. Each character that Python calls white space separates words
    (see split_words).
    `too_long`, for a text of more than bert.max_length tokens: "error" refuses it, "truncate" keeps the whole
    words that fit and reports the others in `dropped`, "window" cuts it at word starts into rows that share up to
    `stride` pieces with their neighbours (half a row where the model's rows are too short for the default).
    `typed_specials` (it was called `specials`): "text" takes a typed "[SEP]" for ordinary characters; "parse" takes
    it for the special token, which then belongs to no word.

    An empty text gives [CLS] [SEP] and no words; an empty list gives tensors of shape [0, 0].

    Raises TypeError or ValueError, with the index of the text, for anything that is not text, for lone
    surrogates and for a text that is too long; ValueError for pairs where the model has one segment type only.
    Sources: the BERT paper (arXiv 1810.04805), section 3 and appendix A.2; the 2019 article, section 2; claims C01,
    C10, C37.
    """
    if specials is not None:  # embed() has an argument of this name, which is something else
        raise TypeError("encode() calls its argument 'specials' 'typed_specials' now; use that name")
    if too_long not in get_args(TooLong):
        raise ValueError(f"too_long is {too_long!r}; it must be 'error', 'truncate' or 'window'")
    if typed_specials not in get_args(TypedSpecials):
        raise ValueError(f"typed_specials is {typed_specials!r}; it must be 'text' or 'parse'")
    if pairs is not None and bert.model.config.type_vocab_size < 2:
        raise ValueError(
            f"{bert.name} has one segment type only, so it cannot tell the second text of a pair from the first; "
            "give the texts without pairs, or take a checkpoint with two"
        )
    require_right_padding(bert)
    firsts = to_pieces(bert, as_list(texts), "text", typed_specials)
    seconds = None if pairs is None else to_pieces(bert, as_list(pairs), "pair", typed_specials)
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


class _Row(NamedTuple):
    ids: list[int]
    tokens: list[str]
    segments: list[int]
    attended: list[int]
    word_index: list[int]
    central: list[bool]


def _count_pieces(sentence: SplitText, end: int, unknown_id: int) -> list[Word]:
    """The sentence's words, with the pieces counted that stand before `end`."""
    counts = [0] * len(sentence.words)
    unknown = [False] * len(sentence.words)
    for word, piece, special in zip(sentence.word_of[:end], sentence.ids, sentence.is_special, strict=False):
        counts[word] += not special
        unknown[word] |= piece == unknown_id
    return [Word(*word, n, odd) for word, n, odd in zip(sentence.words, counts, unknown, strict=True)]


def _plan(
    name: str, i: int, sentences: list[SplitText], capacity: int, too_long: str, stride: int
) -> list[list[Span]]:
    """Decide which pieces of a text's sentences go into its rows: for each row one span a sentence."""
    sizes = [len(sentence.ids) for sentence in sentences]
    if sum(sizes) <= capacity:
        return [[Span(0, size, range(size)) for size in sizes]]
    if too_long == "window" and len(sizes) == 2:
        raise ValueError(
            f"text {i} and its pair have {sum(sizes)} pieces and {capacity} fit; windows are for single texts, "
            "so shorten the pair, or use too_long='truncate'"
        )
    if too_long == "window":
        return [[span] for span in cut_windows(sentences[0].word_of, capacity, stride)]
    if len(sizes) == 1:
        rooms = [capacity]
    else:  # as if the longer one gave up its last piece, again and again
        half = capacity // 2 + (capacity % 2 if sizes[0] > sizes[1] else 0)
        rooms = [max(half, capacity - sizes[1]), max(capacity - half, capacity - sizes[0])]
    ends = [word_end(s.word_of, 0, room) for s, room in zip(sentences, rooms, strict=True)]
    if too_long == "error":
        lost = [s.words[j][0] for s, end in zip(sentences, ends, strict=True) for j in sorted({*s.word_of[end:]})]
        windows = "too_long='window' to keep them all, " if len(sizes) == 1 else ""  # they are for single texts
        raise ValueError(
            f"text {i} has {sum(sizes)} pieces, and {name} takes {capacity} beside the special tokens: {len(lost)} "
            f"words would be lost, from {lost[0]!r:.40} to {lost[-1]!r:.40}. Use {windows}too_long='truncate' to go "
            "without them, or shorten the text."
        )
    return [[Span(0, end, range(end)) for end in ends]]


def _row(sentences: list[SplitText], spans: list[Span], cls: tuple[int, str], sep: tuple[int, str]) -> _Row:
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
