"""The checkers of chapter 3: right answers pass, the stub is not tried, typical mistakes are named."""

import pytest

from bertutil.exercises import ch03


def wordpiece(word, vocab, limit=100, unknown=lambda pieces: ["[UNK]"], mark="##"):
    if len(word) > limit:
        return ["[UNK]"]
    pieces, start = [], 0
    while start < len(word):
        end = len(word)
        while end > start and ("##" if start else "") + word[start:end] not in vocab:
            end -= 1
        if end == start:
            return unknown(pieces)
        pieces.append((mark if start else "") + word[start:end])
        start = end
    return pieces


def wordpiece_recursive(word, vocab, inside=False):
    if len(word) > 100:
        return ["[UNK]"]
    if not word:
        return []
    for end in reversed(range(1, len(word) + 1)):
        piece = "##" + word[:end] if inside else word[:end]
        if vocab.get(piece) is not None:
            rest = wordpiece_recursive(word[end:], vocab, inside=True)
            return ["[UNK]"] if rest == ["[UNK]"] else [piece, *rest]
    return ["[UNK]"]


def endless(word, vocab):
    pieces, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = "##" * (start > 0) + word[start:end]
            if piece in vocab:
                pieces.append(piece)
                start = end
                break
    return pieces


def shortest_first(word, vocab):
    if len(word) > 100 or any(letter not in vocab for letter in word):
        return ["[UNK]"]
    return [("##" if i else "") + letter for i, letter in enumerate(word)]


def raises_key_error(word, vocab):
    return [vocab[f"{word}?"]]


def stub(*arguments): ...


def not_implemented(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize("answer", [wordpiece, wordpiece_recursive])
def test_wordpiece_right(answer):
    assert ch03.wordpiece.verdict(answer) == "Right."


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda word, vocab: wordpiece(word, vocab, mark=""), "written with '##' in front"),
        (lambda word, vocab: wordpiece(word, vocab, limit=10**9), "longer than the limit of 100"),
        (lambda word, vocab: wordpiece(word, vocab, limit=99), "exactly 100 characters is still split"),
        (lambda word, vocab: wordpiece(word, vocab, unknown=lambda p: [*p, "[UNK]"]), "the WHOLE word"),
        (lambda word, vocab: wordpiece(word, vocab, unknown=lambda p: p), "a character without an entry"),
        (lambda word, vocab: wordpiece(word, vocab, unknown=lambda p: None), "is a return missing?"),
        (lambda word, vocab: " ".join(wordpiece(word, vocab)), "return a list of pieces, also when"),
        (lambda word, vocab: tuple(wordpiece(word, vocab)), "you returned a tuple"),
        (lambda word, vocab: wordpiece(word, vocab) or [""], "an empty word has no pieces"),
        (lambda word, vocab: wordpiece(word, vocab)[:1], "not the whole word put together"),
        (lambda word, vocab: [word], "not in the vocabulary"),
        (shortest_first, "the longest piece that fits comes first"),
        (endless, "your loop does not end"),
        (lambda word, vocab: [vocab[p] for p in wordpiece(word, vocab)], "each piece is a str"),
        (raises_key_error, "raised KeyError"),
        (wordpiece("bed", {"bed": 0}), "hand in the function itself"),
    ],
)
def test_wordpiece_wrong(answer, reason):
    assert ch03.wordpiece.verdict(answer).startswith("Not right yet: ")
    assert reason in ch03.wordpiece.verdict(answer)


def test_reference_takes_the_longest_front():
    vocab = ch03._vocabulary()
    assert ch03._reference("seashell", vocab) == ["seas", "##hell"]
    assert ch03._reference("bedrooms", vocab) == ["bedroom", "##s"]
    assert ch03._reference("done✓", vocab) == ch03._reference("x" * 101, vocab) == ["[UNK]"]
    assert ch03._reference("x" * 100, vocab) == ["xx", *["##xx"] * 49]


def isolate(text, is_known):
    return "".join(character if is_known(character) else f" {character} " for character in text)


def isolate_by_words(text, is_known):
    out = ""
    for character in text:
        if not is_known(character):
            out = out.rstrip() + " " + character + " "
        else:
            out += character
    return out


@pytest.mark.parametrize("answer", [isolate, isolate_by_words])
def test_isolate_right(answer):
    assert ch03.isolate.verdict(answer) == "Right."


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda text, is_known: text, "nothing has changed"),
        (lambda text, is_known: "".join(filter(is_known, text)), "a character got lost"),
        (lambda text, is_known: "".join(c if is_known(c) else f" {c}" for c in text), "still touches"),
        (lambda text, is_known: "".join(c if is_known(c) else f"{c} " for c in text), "still touches"),
        (lambda text, is_known: " ".join(text), "more than needed"),
        (lambda text, is_known: isolate(text, is_known).upper(), "no longer holds the same characters"),
        (lambda text, is_known: isolate(text, is_known).split(), "return a str"),
        (lambda text, is_known: text if is_known(text) else "", "takes one character"),
        (lambda text, is_known: isolate(text, is_known) or None, "is a return missing?"),
    ],
)
def test_isolate_wrong(answer, reason):
    assert ch03.isolate.verdict(answer).startswith("Not right yet: ")
    assert reason in ch03.isolate.verdict(answer)


def tokens_by_word(encoding):
    tokens = [[] for _ in encoding.words[0]]
    for token, i in zip(encoding.tokens[0], encoding.word_index[0].tolist(), strict=False):
        if i >= 0:
            tokens[i].append(token)
    return [(word.text, found) for word, found in zip(encoding.words[0], tokens, strict=True)]


def tokens_by_counting(encoding):
    content = iter(encoding.tokens[0][1:-1])
    return [[word.text, tuple(next(content) for _ in range(word.n_pieces))] for word in encoding.words[0]]


def with_negative_index(encoding):
    tokens = [[] for _ in encoding.words[0]]
    for token, i in zip(encoding.tokens[0], encoding.word_index[0].tolist(), strict=False):
        tokens[i].append(token)
    return [(word.text, found) for word, found in zip(encoding.words[0], tokens, strict=True)]


def by_hashes(encoding):
    found = []
    for token in encoding.tokens[0][1:-1]:
        if token.startswith("##"):
            found[-1][1].append(token)
            found[-1] = (found[-1][0] + token[2:], found[-1][1])
        else:
            found.append((token, [token]))
    return found


@pytest.mark.parametrize("answer", [tokens_by_word, tokens_by_counting])
def test_tokens_by_word_right(answer):
    assert ch03.tokens_by_word.verdict(answer) == "Right."


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (with_negative_index, "the LAST word"),
        (by_hashes, "go by word_index"),
        (lambda e: [pair for pair in tokens_by_word(e) if pair[1]], "a word without tokens got lost"),
        (lambda e: list(dict(tokens_by_word(e)).items()), "the same word twice"),
        (lambda e: list(zip(e.words[0], (t for _, t in tokens_by_word(e)), strict=True)), "word.text"),
        (lambda e: dict(tokens_by_word(e)), "you returned a dict"),
        (lambda e: [tokens for _, tokens in tokens_by_word(e)], "each element is a pair"),
        (lambda e: [(word, tokens[::-1]) for word, tokens in tokens_by_word(e)], "was expected, and yours is"),
    ],
)
def test_tokens_by_word_wrong(answer, reason):
    assert ch03.tokens_by_word.verdict(answer).startswith("Not right yet: ")
    assert reason in ch03.tokens_by_word.verdict(answer)


@pytest.mark.parametrize("exercise", [ch03.wordpiece, ch03.isolate, ch03.tokens_by_word])
@pytest.mark.parametrize("answer", [None, ..., stub, not_implemented])
def test_stub(exercise, answer, capsys):
    assert exercise.verdict(answer) == "Not tried yet."
    exercise.hint(1)
    assert capsys.readouterr().out.startswith("Hint 1 of 3: ")
