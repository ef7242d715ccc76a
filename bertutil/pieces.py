"""Chapter 3: a text into words, words into pieces, and the pieces of a long text into windows."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple, TypeGuard

from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from bertutil.checkpoints import Bert

Texts = str | Sequence[str] | Sequence[Sequence[str]]
Text = str | tuple[str, ...]  # a text, or the words of one
TypedSpecials = Literal["text", "parse"]
STRIDE = 64  # pieces that neighbouring windows of a long text share
# The ideographs that BERT's own tokenizer splits off, each with its variation selectors; runs of all else but space.
_IDEOGRAPHS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b81f\U0002b920-\U0002ceaf"
_IDEOGRAPHS += "\U0002f800-\U0002fa1f"
_APART = re.compile(f"[{_IDEOGRAPHS}][\ufe00-\ufe0f\U000e0100-\U000e01ef]*|[^\\s{_IDEOGRAPHS}]+")
_TOGETHER = re.compile(r"\S+")
_BERTS_OWN = BertPreTokenizer()
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


def split_words(text: str, bert: Bert | None = None) -> list[tuple[int, int]]:
    """Return where each word of a text starts and ends.

    A word is what stands between white space, less the punctuation marks at its two ends, which are words of
    their own. What stands inside a word stays ("don't", "3,141.59"), and so does the last period of an
    abbreviation that has another one inside ("U.S.A.", "e.g."). Punctuation is what BERT's tokenizer takes for it:
    the Unicode categories P* and the ASCII symbols such as $ and +; its Unicode tables are older than Python's, so
    some 100 marks of rare scripts, such as U+061D, are letters. A Chinese, Japanese or Korean ideograph is a word by
    itself. With a `bert`, so is a token that a user added to its tokenizer, inside a text too.
    """
    if bert is not None:
        return [(start, end) for _, start, end in _WordFinder(bert.splitters["text"], "text").find(text)]
    return _split(text, _APART)


def _split(text: str, runs: re.Pattern[str]) -> list[tuple[int, int]]:
    spans = []
    for match in runs.finditer(text):
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


@lru_cache(10_000)
def _is_punctuation(character: str) -> bool:
    """Whether BERT's tokenizer splits it off; a lone surrogate, which it does not take, is not printable."""
    return character.isprintable() and len(_BERTS_OWN.pre_tokenize_str(f"a{character}a")) == 3


def _ends_abbreviation(text: str, start: int, end: int) -> bool:
    """Letters between periods, one of them alone: "e.g." and "Ph.D.", but not "example.com." or "3.14."."""
    if text[end - 1] != "." or not text[end - 2].isalpha():
        return False
    letters = text[start : end - 1].split(".")
    return len(letters) > 1 and all(map(str.isalpha, letters)) and min(map(len, letters)) == 1


def as_list(texts: object) -> list[object]:
    """Return the texts as a list: a str is one text."""
    texts = _plain(texts)
    return [texts] if isinstance(texts, str) else list(in_order(texts))


def in_order(texts: object) -> Iterable[object]:
    """Return what gives one text after the other; refuse all else."""
    if hasattr(texts, "columns"):  # a table would give the names of its columns
        kind = type(texts).__name__
        raise TypeError(f"the texts are a {kind}; give the column that they are in, as in table['text']")
    if _is_list(texts):
        return texts
    require_text(texts, "text 0")
    return []


def _is_list(value: object) -> TypeGuard[Iterable[object]]:
    """Whether it gives items in an order; an array without a dimension does not."""
    return isinstance(value, Iterable) and not isinstance(value, _NO_LIST) and getattr(value, "shape", None) != ()


def check_text(text: object, where: str) -> Text:
    """Return a text as a str, or its words as a tuple; raise TypeError or ValueError for all else.

    `where` names it in what is raised, as in "text 3".
    """
    text = _plain(text)
    if _is_list(text):
        return tuple(require_text(word, f"{where}, word {j}") for j, word in enumerate(text))
    return require_text(text, where)


def require_text(value: object, where: str) -> str:
    """Return a str that can be encoded; raise TypeError or ValueError with `where` it stands for all else."""
    value = _plain(value)
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{where} has a lone surrogate at character {error.start}, which stands for no character; "
                "read the source again with its true encoding, or use text.encode('utf-8', 'replace').decode()"
            ) from None
        return value
    if _is_missing(value):
        remedy = "an empty cell of a table? Leave it out, or put '' in its place"
    elif isinstance(value, bytes):
        remedy = "decode it first, for instance with .decode('utf-8')"
    elif isinstance(value, _NO_LIST):
        remedy = "give the texts as a list, in their order"
    else:
        remedy = "turn it into a str"
    raise TypeError(f"{where} is {value!r:.40}, of type {type(value).__name__}, and not a str: {remedy}")


def _plain(value: object) -> object:
    """Return what pyarrow wraps, a text or a list, and all else as it is."""
    return value.as_py() if hasattr(value, "as_py") else value


def _is_missing(value: object) -> bool:
    """Whether it is the empty cell of a table: None, pandas' NA, or unequal to itself, as NaN and NaT are."""
    if value is None or type(value).__name__ in ("NAType", "MaskedConstant"):
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError, ArithmeticError):  # an array; the signalling NaN of decimal
        return type(value).__name__ == "Decimal"


def to_pieces(bert: Bert, texts: list[object], kind: str, typed_specials: TypedSpecials) -> list[SplitText]:
    """Check the texts, split them into words and the words into pieces.

    The tokenizer gets the words one by one, so that each piece belongs to exactly one of them.
    """
    splitter = bert.splitters[typed_specials]
    finder = _WordFinder(splitter, typed_specials)
    special_ids = {i for i, token in splitter.get_added_tokens_decoder().items() if token.special}
    special_ids.discard(bert.tokenizer.unk_token_id)
    words = []
    for i, text in enumerate(texts):
        checked = check_text(text, f"{kind} {i}")
        words.append(finder.find(checked) if isinstance(checked, str) else _given_words(checked))
    batch = [[finder.spaced(word) for word, _, _ in sentence] for sentence in words]
    encodings = splitter.encode_batch(batch, is_pretokenized=True, add_special_tokens=False)
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


class _WordFinder:
    """Finds the words of a text: those of split_words(), and the added tokens that the tokenizer finds there."""

    def __init__(self, splitter: Tokenizer, typed_specials: TypedSpecials) -> None:
        added = splitter.get_added_tokens_decoder()
        self.splitter = splitter
        self.whole = {i: token for i, token in added.items() if typed_specials == "parse" or not token.special}
        spaces = {c for token in self.whole.values() for c in token.content if c.isspace()}
        self.space = re.compile(f"[^\\S{''.join(spaces)}]")
        # a tokenizer that was told to leave Chinese together has other pieces for two ideographs than for each
        self.runs = _APART if len(set(splitter.encode("\u4e00\u4e00").word_ids)) == 2 else _TOGETHER

    def spaced(self, text: str) -> str:
        """Put spaces: the tokenizer deletes some of what Python calls white space, and would glue its neighbours."""
        return self.space.sub(" ", text)

    def find(self, text: str) -> list[tuple[str, int, int]]:
        """Return the words and where they stand."""
        spans, start = [], 0
        for first, last in [*self._added(text), (len(text), len(text))]:
            spans += [(start + a, start + b) for a, b in _split(text[start:first], self.runs)]
            spans += [(first, last)] if first < last else []
            start = last
        return [(text[a:b], a, b) for a, b in spans]

    def _added(self, text: str) -> Iterator[tuple[int, int]]:
        if not self.whole:
            return
        e = self.splitter.encode(self.spaced(text), add_special_tokens=False)
        pieces_of = Counter(e.word_ids)
        for piece, word, (start, end) in zip(e.ids, e.word_ids, e.offsets, strict=True):
            token = self.whole.get(piece)
            # a word's first piece, or [UNK] for an unknown one, is no token that was found
            if not token or pieces_of[word] > 1 or (token.special and text[start:end].strip() != token.content):
                continue
            if token.lstrip and not token.content[0].isspace():
                start = end - len(text[start:end].lstrip())
            if token.rstrip and not token.content[-1].isspace():
                end = start + len(text[start:end].rstrip())
            yield start, end


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
