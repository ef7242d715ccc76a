"""Right and wrong answers to the exercises of chapter 3; a wrong one with a part of the reply that it deserves."""

import unicodedata

from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from bertutil.course.exercises import ch03


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


def words(text, **options):
    clean = BertNormalizer(**{"lowercase": True, "strip_accents": True} | options).normalize_str(text)
    return [word for word, _ in BertPreTokenizer().pre_tokenize_str(clean)]


def as_word(entry, front="a"):
    return front + entry[2:] if entry.startswith("##") else entry


def lost_ids(entries, word=as_word, words=words):
    return [i for i, entry in enumerate(entries) if words(word(entry)) != [word(entry)]]


def lost_ids_by_character(entries):
    """Without any tokenizer: every character by its class."""
    lost = set()
    for i, entry in enumerate(entries):
        text = entry.removeprefix("##")
        alone = len(entry) > 1
        for c in text:
            kind = unicodedata.category(c)
            cuts = not c.isalnum() or "CJK" in unicodedata.name(c, "")
            if unicodedata.normalize("NFD", c) != c or c != c.lower() or kind == "Cf" or (cuts and alone):
                lost.add(i)
    return lost


RIGHT = [
    (ch03.wordpiece, wordpiece),
    (ch03.wordpiece, wordpiece_recursive),
    (ch03.isolate, isolate),
    (ch03.isolate, isolate_by_words),
    (ch03.tokens_by_word, tokens_by_word),
    (ch03.tokens_by_word, tokens_by_counting),
    (ch03.lost_ids, lost_ids),
    (ch03.lost_ids, lost_ids_by_character),
]

WRONG = [
    (ch03.wordpiece, lambda word, vocab: wordpiece(word, vocab, mark=""), "written with '##' in front"),
    (ch03.wordpiece, lambda word, vocab: wordpiece(word, vocab, limit=10**9), "longer than the limit of 100"),
    (ch03.wordpiece, lambda word, vocab: wordpiece(word, vocab, limit=99), "exactly 100 characters is still split"),
    (ch03.wordpiece, lambda word, vocab: wordpiece(word, vocab, unknown=lambda p: [*p, "[UNK]"]), "the WHOLE word"),
    (ch03.wordpiece, lambda word, vocab: wordpiece(word, vocab, unknown=lambda p: p), "a character without an entry"),
    (ch03.wordpiece, lambda word, vocab: wordpiece(word, vocab, unknown=lambda p: None), "is a return missing?"),
    (ch03.wordpiece, lambda word, vocab: " ".join(wordpiece(word, vocab)), "return a list of pieces, also when"),
    (ch03.wordpiece, lambda word, vocab: tuple(wordpiece(word, vocab)), "you returned a tuple"),
    (ch03.wordpiece, lambda word, vocab: wordpiece(word, vocab) or [""], "an empty word has no pieces"),
    (ch03.wordpiece, lambda word, vocab: wordpiece(word, vocab)[:1], "put together that is not the whole word"),
    (ch03.wordpiece, lambda word, vocab: [word], "was not asked"),
    (ch03.wordpiece, lambda word, vocab: [word] if all(c in vocab for c in word) else ["[UNK]"], "not in the vocab"),
    (ch03.wordpiece, shortest_first, "the longest piece that fits comes first"),
    (ch03.wordpiece, endless, "your loop does not end"),
    (ch03.wordpiece, lambda word, vocab: [f"##{piece}" for piece in shortest_first(word, vocab)], "but the FIRST"),
    (ch03.wordpiece, lambda word, vocab: [word] if word in vocab else ["[UNK]"], "it can be written with entries"),
    (ch03.wordpiece, lambda word, vocab: print(wordpiece(word, vocab)), "is a return missing?"),
    (ch03.wordpiece, lambda word, vocab: [vocab[p] for p in wordpiece(word, vocab)], "each piece is a str"),
    (ch03.wordpiece, lambda word, vocab: wordpiece(word, {"bed", "bedrooms"}), "was not asked"),
    (ch03.wordpiece, lambda word, vocab: shortest_first(word, set(vocab)), "the longest piece that fits comes first"),
    (
        ch03.wordpiece,
        lambda word, vocab: shortest_first(word, vocab.keys()),
        "the longest piece that fits comes first",
    ),
    (ch03.wordpiece, raises_key_error, "raised KeyError"),
    (ch03.wordpiece, wordpiece("bed", {"bed": 0}), "hand in the function itself"),
    (ch03.isolate, lambda text, is_known: text, "nothing has changed"),
    (ch03.isolate, lambda text, is_known: isolate(text, lambda c: not is_known(c)), "the wrong way round"),
    (ch03.isolate, lambda text, is_known: "".join(filter(is_known, text)), "a character got lost"),
    (ch03.isolate, lambda text, is_known: "".join(c if is_known(c) else f" {c}" for c in text), "still touches"),
    (ch03.isolate, lambda text, is_known: "".join(c if is_known(c) else f"{c} " for c in text), "still touches"),
    (ch03.isolate, lambda text, is_known: " ".join(text), "more than needed"),
    (ch03.isolate, lambda text, is_known: isolate(text, is_known).upper(), "no longer holds the same characters"),
    (ch03.isolate, lambda text, is_known: isolate(text, is_known).split(), "return a str"),
    (ch03.isolate, lambda text, is_known: text if is_known(text) else "", "takes one character"),
    (ch03.isolate, lambda text, is_known: isolate(text, is_known) or None, "is a return missing?"),
    (ch03.tokens_by_word, with_negative_index, "the LAST word"),
    (ch03.tokens_by_word, by_hashes, "go by word_index"),
    (ch03.tokens_by_word, lambda e: [(w, " ".join(t)) for w, t in tokens_by_word(e)], "yours is a str"),
    (ch03.tokens_by_word, lambda e: [("[CLS]", ["[CLS]"]), *tokens_by_word(e), ("[SEP]", ["[SEP]"])], "are no words"),
    (
        ch03.tokens_by_word,
        lambda e: [(w.text, [t]) for w, t in zip(e.words[0], e.tokens[0][1:], strict=False)],
        "do not run side by side",
    ),
    (ch03.tokens_by_word, lambda e: [(w, [] if i == 0 else t) for i, (w, t) in enumerate(tokens_by_word(e))], ">= 0"),
    (ch03.tokens_by_word, lambda e: [(w, [t.strip("#") for t in ts]) for w, ts in tokens_by_word(e)], "as they are"),
    (ch03.tokens_by_word, lambda e: [(w.text, e.tokens[0][1:-1]) for w in e.words[0]], "the SAME list"),
    (
        ch03.tokens_by_word,
        lambda e: [pair for pair in tokens_by_word(e) if pair[1]],
        "a word without tokens got lost",
    ),
    (ch03.tokens_by_word, lambda e: list(dict(tokens_by_word(e)).items()), "the same word twice"),
    (
        ch03.tokens_by_word,
        lambda e: list(zip(e.words[0], (t for _, t in tokens_by_word(e)), strict=True)),
        "word.text",
    ),
    (ch03.tokens_by_word, lambda e: dict(tokens_by_word(e)), "you returned a dict"),
    (ch03.tokens_by_word, lambda e: [tokens for _, tokens in tokens_by_word(e)], "each element is a pair"),
    (
        ch03.tokens_by_word,
        lambda e: [(word, tokens[::-1]) for word, tokens in tokens_by_word(e)],
        "was expected, and yours is",
    ),
    (ch03.wordpiece, lambda word, vocab: wordpiece(word.lower(), vocab), "'Bed' holds a character"),
    (ch03.isolate, lambda t, is_known: "".join(c if c.isascii() else f" {c} " for c in t), "more than needed"),
    (ch03.isolate, lambda t, is_known: isolate(t, is_known).lower(), "no longer holds the same characters"),
    (ch03.lost_ids, lambda entries: lost_ids(entries, word=lambda entry: entry), "every continuation is among"),
    (ch03.lost_ids, lambda entries: lost_ids(entries, word=lambda entry: as_word(entry, "")), "continues no word"),
    (ch03.lost_ids, lambda entries: lost_ids(entries, word=lambda e: "a" + e.removeprefix("##")), "by themselves"),
    (
        ch03.lost_ids,
        lambda entries: lost_ids(entries, word=lambda e: "a" + e.lstrip("#") if e.startswith("##") else e),
        "take off two characters",
    ),
    (
        ch03.lost_ids,
        lambda entries: lost_ids(entries, words=lambda text: words(text, lowercase=False)),
        "in capitals",
    ),
    (ch03.lost_ids, lambda entries: lost_ids(entries, words=lambda t: words(t, clean_text=False)), "clean deletes"),
    (ch03.lost_ids, lambda entries: lost_ids(entries, words=lambda text: [text.lower()]), "has an accent"),
    (
        ch03.lost_ids,
        lambda entries: lost_ids(entries, words=lambda t: [BertNormalizer(lowercase=True).normalize_str(t)]),
        "split takes them off again",
    ),
    (
        ch03.lost_ids,
        lambda entries: [i for i, e in enumerate(entries) if words(as_word(e)) != as_word(e)],
        "compare with [word]",
    ),
    (ch03.lost_ids, lambda entries: [], "no entry is lost"),
    (ch03.lost_ids, lambda entries: split_of_a_cell_that_waits(entries), "has the cell been run that defines it?"),  # noqa: F821
    (ch03.lost_ids, lambda entries: [entries[i] for i in lost_ids(entries)], "return their ids"),
    (ch03.lost_ids, lambda entries: [i in lost_ids(entries) for i in range(len(entries))], "True or False for each"),
    (ch03.lost_ids, lambda entries: sorted({*range(len(entries))} - {*lost_ids(entries)}), "the other way round"),
    (ch03.lost_ids, lambda entries: [i + 1 for i in lost_ids(entries)], "Not right yet"),
    (ch03.lost_ids, lambda entries: len(lost_ids(entries)), "return a list of ids"),
]
