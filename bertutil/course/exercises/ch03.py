"""The exercises of chapter 3: WordPiece, characters and entries that get lost, the tokens of each word."""

import operator
import random
from collections.abc import Callable, Iterator
from typing import Any

import torch

from bertutil.course.exercises import Exercise, Wrong, call
from bertutil.encoding import Encoding, Word

UNKNOWN = "[UNK]"


class _Endless(Exception):
    """The learner's loop has asked the vocabulary far more often than any search needs to."""


class _Vocabulary(dict[str, int]):
    """A vocabulary that stops a search without an end: such a loop would hang the reader's kernel."""

    asked = 0

    def _count(self) -> None:
        self.asked += 1
        if self.asked > 100_000:
            raise _Endless

    def __contains__(self, key: object) -> bool:
        self._count()
        return super().__contains__(key)

    def __getitem__(self, key: str) -> int:
        self._count()
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._count()
        return super().get(key, default)

    def __iter__(self) -> Iterator[str]:
        self._count()
        return super().__iter__()

    def keys(self) -> Any:
        self._count()
        return super().keys()


def _vocabulary() -> _Vocabulary:
    letters = "abcdefghijklmnoprstuvwx"
    entries = [UNKNOWN, *letters, *(f"##{letter}" for letter in letters)]
    entries += ["bed", "bedroom", "em", "seas", "sea", "river", "bank", "done", "xx"]
    entries += ["##bed", "##room", "##rooms", "##ding", "##hell", "##shell", "##side", "##bank", "##s", "##xx"]
    return _Vocabulary({entry: i for i, entry in enumerate(dict.fromkeys(entries))})


def _splits(word: str, vocab: _Vocabulary, start: int = 0) -> Iterator[list[str]]:
    """Every way to cut a word into entries, the longest front first. WordPiece takes the first one."""
    if start == len(word):
        yield []
    for end in range(len(word), start, -1):
        piece = "##" * (start > 0) + word[start:end]
        if piece in vocab:
            for rest in _splits(word, vocab, end):
                yield [piece, *rest]


def _reference(word: str, vocab: _Vocabulary) -> list[str]:
    """The right answer. Where every character has both of its entries, greedy search never needs to go back."""
    if len(word) > 100 or any(letter not in vocab for letter in word):
        return [UNKNOWN]
    return next(_splits(word, vocab))


def _judge_wordpiece(answer: Any) -> None:
    vocab = _vocabulary()
    rng = random.Random()
    words = ["bed", "bedrooms", "embeddings", "seashell", "riverbank", "roombed", "b", "embed"]
    words += ["done✓", "✓", "done✓bed", "Bed", "x" * 100, "x" * 101, "x" * 40 + "✓", ""]
    words += ["".join(rng.choices("bedroomsaxi✓", weights=[8] * 11 + [1], k=rng.randint(2, 12))) for _ in range(60)]
    for word in words:
        vocab.asked = 0
        expected = _reference(word, vocab)
        vocab.asked = 0
        try:
            found = call(answer, word, vocab)
        except Wrong as error:
            if not isinstance(error.__cause__, _Endless):
                raise
            raise Wrong(
                f"for {word!r} your loop does not end. When no piece fits at a place, stop and return ['[UNK]']; "
                "otherwise move on to where the piece ended"
            ) from None
        if isinstance(found, list) and found != expected and not vocab.asked and 0 < len(word) < 99:
            raise Wrong(
                f"for {word!r} you returned {found!r:.60}, and `vocab` was not asked: look the pieces up in the "
                "one that is handed in. A helper from the notebook, such as longest_piece, reads the notebook's own; "
                "give it `vocab` as an argument, or write its loop inside"
            )
        if not isinstance(found, list) or found != expected:
            raise Wrong(_why_wordpiece(word, found, expected, vocab))


def _why_wordpiece(word: str, found: Any, expected: list[str], vocab: _Vocabulary) -> str:
    shown = word if len(word) < 30 else f"{word[:5]}... ({len(word)} characters)"
    if isinstance(found, str):
        return f"for {shown!r} you returned the str {found!r:.40}; return a list of pieces, also when it is only one"
    if not isinstance(found, list):
        return f"for {shown!r} you returned a {type(found).__name__}; return a list of pieces"
    if not all(isinstance(piece, str) for piece in found):
        return f"for {shown!r} you returned {found!r:.60}; each piece is a str, as it stands in the vocabulary"
    if word == "":
        return f"an empty word has no pieces, so the answer is []; you returned {found!r:.60}"
    if len(word) == 100 and found == [UNKNOWN]:
        return "a word of exactly 100 characters is still split; only longer ones become ['[UNK]']"
    if len(word) > 100:
        return f"a word of {len(word)} characters is longer than the limit of 100: the answer is ['[UNK]']"
    if expected == [UNKNOWN]:
        if UNKNOWN in found:
            return f"one place in {shown!r} fits no piece, so the WHOLE word is ['[UNK]']; you returned {found}"
        return f"{shown!r} holds a character without an entry; the answer is ['[UNK]'], you returned {found}"
    if found == [piece.removeprefix("##") for piece in expected]:
        return f"for {shown!r} you returned {found}: every piece after the first one is written with '##' in front"
    if found and found[0].startswith("##"):
        return f"for {shown!r} you returned {found}: '##' stands in front of every piece but the FIRST"
    if found == [UNKNOWN]:
        return f"for {shown!r} you returned {found}, and it can be written with entries: {expected}"
    if found and any(piece not in vocab for piece in found):
        strange = next(piece for piece in found if piece not in vocab)
        return f"for {shown!r} you returned the piece {strange!r}, which is not in the vocabulary"
    if "".join(piece.removeprefix("##") for piece in found) != word:
        return f"for {shown!r} you returned {found}; put together that is not the whole word. Expected: {expected}"
    return f"for {shown!r} the longest piece that fits comes first, at each place: {expected}; you returned {found}"


wordpiece = Exercise(
    "longest-match",
    _judge_wordpiece,
    [
        "Two loops: the outer one moves `start` through the word, the inner one shortens the piece from its end.",
        "Write '##' in front of word[start:end] when start is greater than 0, look it up, and go on at `end`.",
        "Python's `for ... else` helps: else runs when the inner loop found nothing; there return ['[UNK]'].",
    ],
)


def _judge_isolate(answer: Any) -> None:
    known = set("Babcdefghijklmnopqrstuvwxyzé.,!-'")
    texts = ["love👍", "love 👍", "👍love", "done✓ and ☃done", "so☃so", "a👍☃b", "no change here, it's fine.", "☃"]
    texts += ["don't-do✓that!", "", "  two   spaces ✓", "tab\t✓tab", "Bé✓", "no#sign"]
    for text in texts:
        found = call(answer, text, _is_known(known))
        pieces = [f" {c} " if not c.isspace() and c not in known else c for c in text]
        expected = "".join(pieces).split()
        if not isinstance(found, str):
            raise Wrong(f"return a str; for {text!r} you returned a {type(found).__name__}")
        if found.split() != expected:
            raise Wrong(_why_isolate(text, found, expected, known))


def _is_known(known: set[str]) -> Callable[[str], bool]:
    def is_known(character: str) -> bool:
        if not isinstance(character, str) or len(character) != 1:
            raise ValueError(f"is_known() takes one character, and was asked for {character!r}")
        return character.isspace() or character in known

    return is_known


def _why_isolate(text: str, found: str, expected: list[str], known: set[str]) -> str:
    got = found.split()
    if found == "".join(f" {c} " if c.isspace() or c in known else c for c in text):
        return f"this is the wrong way round: the spaces are for characters that are NOT known: {found!r}"
    strange = {c for c in text if c not in known and not c.isspace()}
    if strange - set(found):
        return f"for {text!r} a character got lost: it has to stay, with a space on each side; you returned {found!r}"
    if "".join(got) != "".join(expected):
        return f"for {text!r} your answer {found!r} no longer holds the same characters"
    if len(got) > len(expected):
        return f"for {text!r} you cut apart more than needed: {found!r}; only unknown characters get their spaces"
    if found == text:
        return f"nothing has changed in {text!r}; a character for which is_known() is False gets a space on each side"
    return (
        f"for {text!r} an unknown character still touches its neighbour: {found!r}. "
        "It needs a space before it AND a space after it, also next to another unknown one"
    )


isolate = Exercise(
    "isolate-unknown-characters",
    _judge_isolate,
    [
        "Go through the text character by character and build a new one.",
        "A known character goes in as it is; an unknown one goes in as f' {character} '.",
        "''.join(character if is_known(character) else f' {character} ' for character in text)",
    ],
)


def _encoding(words: list[tuple[str, list[str]]], padding: int) -> Encoding:
    """One encoded text, made by hand: words and their tokens between [CLS] and [SEP], then padding."""
    tokens, index, places, start = ["[CLS]"], [-1], [], 0
    for i, (word, pieces) in enumerate(words):
        tokens += pieces
        index += [i] * len(pieces)
        places.append(Word(word, start, start + len(word), len(pieces), UNKNOWN in pieces))
        start += len(word) + 1
    tokens.append("[SEP]")
    word_index = torch.tensor([[*index, -1, *[-1] * padding]])
    real = torch.tensor([[1] * len(tokens) + [0] * padding])
    return Encoding(
        input_ids=real * 7,
        token_type_ids=torch.zeros_like(real),
        attention_mask=real,
        content_mask=word_index >= 0,
        central=word_index >= 0,
        word_index=word_index,
        text_index=torch.tensor([0]),
        tokens=[tokens],
        words=[places],
        dropped=[[]],
    )


def _judge_tokens_by_word(answer: Any) -> None:
    texts: list[list[tuple[str, list[str]]]] = [
        [("the", ["the"]), ("walrus", ["wal", "##rus"]), ("sleeps", ["sleeps"]), (".", ["."])],
        [("don't", ["don", "'", "t"]), ("cut", ["cut"]), ("U.S.A.", ["u", ".", "s", ".", "a", "."])],
        [("\ufffd", []), ("and", ["and"]), ("\u200b", []), ("done✓", [UNKNOWN]), ("\u0301", [])],
        [("bank", ["bank"]), ("to", ["to"]), ("bank", ["bank"])],
        [],
    ]
    for words in texts:
        for padding in (0, 2):
            found = call(answer, _encoding(words, padding))
            if not isinstance(found, list):
                raise Wrong(f"return a list of (word, tokens) pairs; you returned a {type(found).__name__}")
            if any(isinstance(part, str) for pair in found if isinstance(pair, tuple) for part in pair[1:]):
                raise Wrong("the second part of a pair is a list of tokens, also for one token; yours is a str")
            try:
                pairs = [(str(word), list(tokens)) for word, tokens in found]
            except (TypeError, ValueError):
                raise Wrong(f"each element is a pair (word, list of tokens); yours begins with {found[:1]}") from None
            if pairs != words:
                raise Wrong(_why_tokens(pairs, words))


def _why_tokens(found: list[tuple[str, list[str]]], words: list[tuple[str, list[str]]]) -> str:
    tokens = [token for _, pieces in found for token in pieces]
    if found == [("[CLS]", ["[CLS]"]), *words, ("[SEP]", ["[SEP]"])]:
        return "[CLS] and [SEP] are no words of the text: leave out the tokens with word_index -1"
    if found[1:] == words[1:] and found and words and found[0] == (words[0][0], []):
        return "the tokens of the first word got lost: it has the index 0, so the test is index >= 0"
    if words and [(w, [t.removeprefix("##") for t in ts]) for w, ts in words] == found:
        return "the tokens stay as they are, with '##' where they have it"
    if len({len(pieces) for _, pieces in found}) == 1 < len(found) == len(words) and found[0][1] == [
        token for _, pieces in words for token in pieces
    ]:
        return "every word has all the tokens: do they share one list? `[[]] * n` is n times the SAME list"
    if any(word.startswith("Word(") for word, _ in found):
        return "the first part of a pair is the word's text, a str: word.text"
    if "[CLS]" in tokens or "[SEP]" in tokens:
        return (
            "[CLS] or [SEP] is among a word's tokens. Their word_index is -1, and in Python the index -1 means "
            "the LAST word: leave out the tokens with word_index -1"
        )
    if len(found) < len(words) and all(pieces for _, pieces in found):
        if len({word for word, _ in words}) < len(words):
            return "a text can hold the same word twice, and each one is a pair of its own: go by the word's index"
        return "a word without tokens got lost; it belongs in the list as well, with an empty list of tokens"
    if len(found) == len(words) and all(len(pieces) == 1 for _, pieces in found):
        return (
            "each word has one token here. Words and tokens do not run side by side, as a word can have several "
            "tokens or none: go by word_index"
        )
    if len(found) > len(words) or any(
        pieces and word == pieces[0] != expected for (word, pieces), (expected, _) in zip(found, words, strict=False)
    ):
        return (
            "your pairs follow the tokens without '##'. Such a token does not always begin one of our words "
            '("don\'t" has three of them), and its text is not that of the word: go by word_index'
        )
    pair, expected = next((a, b) for a, b in zip([*found, None], [*words, None], strict=False) if a != b)
    return f"the pair {expected} was expected, and yours is {pair}"


tokens_by_word = Exercise(
    "tokens-by-word",
    _judge_tokens_by_word,
    [
        "Begin with one empty list for every word of encoding.words[0].",
        "encoding.tokens[0] and encoding.word_index[0].tolist() run side by side: zip() them.",
        "Skip the tokens whose index is -1; put each other token into the list at its index.",
    ],
)


_ARRIVE = ["bank", "river", "ø", "1990", "#", "!", "東", "a", "##s", "##bed", "##ø", "##9"]
_UPPER = "is in capitals or has an accent; fold leaves neither, so no text leads to it"
_CUT = "is cut by split before WordPiece sees it: only a mark by itself, or a word without one, arrives"
_CLEANED = "holds a character that clean deletes"
_BEHIND = (
    "is a continuation, and a mark or a Chinese character continues no word: it is cut off. Put a letter in front"
)
_LOST = {  # entry: why no text leads to it
    "Bank": _UPPER,
    "café": _UPPER,
    "É": _UPPER,
    "##S": _UPPER,
    "##é": _UPPER,
    "e-mail": _CUT,
    "don't": _CUT,
    "東京": _CUT,
    "[SEP]": "is cut by split: a special token is put into the row, and no word becomes one",
    "[unused7]": "is cut by split at its brackets: what a user types so becomes several tokens",
    "zero\u200bwidth": _CLEANED,
    "##\u200b": _CLEANED,
    "##!": _BEHIND,
    "##'": _BEHIND,
    "##東": _BEHIND,
    "###": "is the continuation '#': take off two characters, entry[2:]. The '#' that is left is a mark, and cuts",
}


def _judge_lost_ids(answer: Any) -> None:
    entries = [*_ARRIVE, *_LOST]
    for seed in (1, 2):
        random.Random(seed).shuffle(entries)
        by_id = dict(enumerate(entries))
        found = call(answer, list(entries))
        if isinstance(found, str | bytes | dict):
            raise Wrong(f"return a list of ids; you returned a {type(found).__name__}")
        try:
            listed = list(found)
        except TypeError:
            raise Wrong(f"return a list of ids; you returned a {type(found).__name__}") from None
        if len(listed) == len(entries) and all(isinstance(value, bool) for value in listed):
            raise Wrong("this is True or False for each entry; return the ids of the lost ones")
        if listed and all(isinstance(value, str) for value in listed):
            raise Wrong("these are the entries; return their ids. enumerate(entries) gives both")
        try:
            lost = {by_id[operator.index(value)] for value in listed}
        except (TypeError, KeyError):
            raise Wrong(f"an id is a number from 0 to {len(entries) - 1}; you returned {listed!r:.60}") from None
        if reason := _why_lost(lost, set(entries)):
            raise Wrong(reason)


def _why_lost(found: set[str], entries: set[str]) -> str:
    """What is wrong with the entries that are said to be lost; nothing where they are right."""
    if found == entries:
        return (
            "this says that every entry is lost, 'bank' too. split returns a list, and a list never equals a str: "
            "compare with [word]"
        )
    if not found:
        return "this says that no entry is lost; what do clean, fold and split make of 'Bank' and of 'e-mail'?"
    if found == entries - _LOST.keys():
        return "it is the other way round: these are the entries that a text can lead to"
    if found >= {entry for entry in entries if entry.startswith("##")}:
        return (
            "every continuation is among the lost ones. Their '##' is a sign of the list and stands in no text: take "
            "it off, and put a letter in front, as in a word"
        )
    if {"#", "!"} <= found:
        return "'#' and '!' are words by themselves, and entries: only a continuation has something in front of it"
    if "東" in found:
        return "'東' is an entry of one character: clean puts spaces around it, and split takes them off again"
    if wrong := sorted(found - _LOST.keys()):
        return f"{wrong[0]!r} is among the lost ones, and a text can lead to it"
    missing = [entry for entry in _LOST if entry not in found]
    return f"{missing[0]!r} is not among the lost ones. It {_LOST[missing[0]]}" if missing else ""


lost_ids = Exercise(
    "lost-ids",
    _judge_lost_ids,
    [
        "Take the entry as a text: what do clean, fold and split, one after the other, make of it?",
        "split(fold(clean(word))) is a list of words. The entry arrives where this is the list [word].",
        "A continuation stands behind something. For '##s' take the word 'as': 'a' + entry[2:].",
    ],
)
