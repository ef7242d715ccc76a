"""Texts drawn over all planes of Unicode: spans, counts, and a text alone as among others."""

import random
from itertools import pairwise

import numpy as np
import pytest
import torch

import bertutil

N = 3_000
SOME = {  # what to draw from, besides any code point that a str can hold; a range or the characters themselves
    "ascii": range(0x20, 0x7F),
    "latin": range(0xA0, 0x250),
    "greek to thai": range(0x370, 0xE80),
    "combining": [*range(0x300, 0x370), *range(0x1DC0, 0x1E00), *range(0x20D0, 0x2100), 0x3099, 0x1D165],
    "punctuation": [*range(0x2010, 0x205F), *range(0x2E00, 0x2E5E), *range(0x3000, 0x3020), 0x61D, 0x10EAD],
    "japanese and chinese": [*range(0x3040, 0x3100), *range(0x4E00, 0x9FFF, 97), *range(0x20000, 0x2FA20, 251)],
    "hangul": [*range(0x1100, 0x1200), *range(0xAC00, 0xD7A4, 37)],
    "emoji": [*range(0x1F300, 0x1FAFF), 0x200D, 0xFE0F, *range(0x1F1E6, 0x1F200)],
    "controls": [*range(0x20), *range(0x7F, 0xA0), 0xAD, *range(0x200B, 0x2010), 0xFEFF, 0xFFFD, 0xE0001],
    "spaces": [0x20, 9, 10, 11, 12, 13, 28, 31, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x202F, 0x3000],
    "private, unassigned and no characters": [0xE000, 0x378, 0xFFFE, 0xFFFF, 0x40000, 0xDFFFF, 0xF0000, 0x10FFFF],
}
TYPED = ["[SEP]", "[CLS]", "[MASK]", "[UNK]", "[PAD]", "##ing", "bank", "U.S.A.", "don't", " "]


def draw(numbers):
    """One text: some runs of characters, each of a kind, here and there with a space or a typed token between."""
    runs = []
    for _ in range(numbers.randint(1, 8)):
        kind = numbers.choice([*SOME, "any", "any"])
        points = SOME.get(kind, range(0x110000))
        runs += [
            chr(point) for point in numbers.choices(points, k=numbers.randint(1, 9)) if not 0xD800 <= point < 0xE000
        ]
        runs += numbers.choices(TYPED, k=numbers.randint(0, 1)) + numbers.choices(["", " "])
    return "".join(runs)


@pytest.fixture(scope="module")
def texts():
    numbers = random.Random(19)
    return [draw(numbers) for _ in range(N)]


@pytest.fixture(scope="module")
def together(tiny, texts):
    return bertutil.encode(tiny, texts)


def test_they_reach_every_plane(texts):
    assert len(set(texts)) > 0.99 * N
    assert {ord(character) >> 16 for text in texts for character in text} == set(range(17))


def test_the_spans_are_in_order_apart_and_cover_all_but_white_space(texts):
    for text in texts:
        spans = bertutil.split_words(text)
        assert all(0 <= start < end <= len(text) for start, end in spans), ascii(text)
        assert all(end <= start for (_, end), (start, _) in pairwise(spans)), ascii(text)
        covered = {place for start, end in spans for place in range(start, end)}
        assert covered == {place for place, character in enumerate(text) if not character.isspace()}, ascii(text)


def test_encodes_words_are_those_spans_and_their_texts(texts, together):
    for text, words in zip(texts, together.words, strict=True):
        assert [(word.start, word.end) for word in words] == bertutil.split_words(text), ascii(text)
        assert all(text[word.start : word.end] == word.text for word in words), ascii(text)


def test_the_pieces_of_the_words_are_the_content_tokens(texts, together):
    assert together.text_index.tolist() == list(range(N))
    for row, (text, words, tokens) in enumerate(zip(texts, together.words, together.tokens, strict=True)):
        counts = [word.n_pieces for word in words]
        assert sum(counts) == len(tokens) - 2 == together.content_mask[row].sum(), ascii(text)
        expected = [i for i, n in enumerate(counts) for _ in range(n)]
        assert together.word_index[row, 1 : len(tokens) - 1].tolist() == expected, ascii(text)


def test_a_typed_special_token_is_none(tiny, together):
    special = torch.tensor([tiny.tokenizer.cls_token_id, tiny.tokenizer.sep_token_id, tiny.tokenizer.mask_token_id])
    assert (torch.isin(together.input_ids, special).sum(1) == 2).all()  # the row's own [CLS] and [SEP]


def test_a_text_alone_has_the_tokens_and_words_it_has_among_the_others(tiny, texts, together):
    for row, text in enumerate(texts):
        alone = bertutil.encode(tiny, text)
        assert alone.words[0] == together.words[row], ascii(text)
        assert alone.tokens[0] == together.tokens[row], ascii(text)
        n = len(alone.tokens[0])
        for name in ("input_ids", "token_type_ids", "attention_mask", "word_index", "content_mask", "central"):
            assert torch.equal(getattr(alone, name)[0], getattr(together, name)[row, :n]), ascii(text)
        assert not together.attention_mask[row, n:].any()


def test_embeds_tokens_are_encodes(tiny, texts, together):
    counts = [len(vectors) for vectors in bertutil.embed(tiny, texts, unit="token", strategy="embeddings")]
    assert counts == together.content_mask.sum(1).tolist()


@pytest.mark.parametrize("unit", ["sentence", "word"])
def test_a_text_alone_has_the_vectors_it_has_among_the_others(tiny, texts, unit):
    sample = texts[::30]
    among = bertutil.embed(tiny, sample, unit=unit, specials=True if unit == "sentence" else None)
    for text, expected in zip(sample, among, strict=True):
        (alone,) = bertutil.embed(tiny, text, unit=unit, specials=True if unit == "sentence" else None)
        np.testing.assert_allclose(alone, expected, atol=1e-5, err_msg=ascii(text))


def test_the_words_vectors_are_those_of_the_slow_way(tiny, texts):
    sample = texts[7::60]
    encoding = bertutil.encode(tiny, sample)
    slow = bertutil.pool_words(bertutil.combine_layers(bertutil.hidden_states(tiny, encoding)), encoding)
    found = bertutil.embed(tiny, sample, unit="word")
    for text, words, vectors, expected in zip(sample, encoding.words, found, slow, strict=True):
        np.testing.assert_allclose(vectors, expected[: len(words)], atol=3e-5, err_msg=ascii(text))
        assert np.isfinite(vectors).all(axis=1).tolist() == [word.n_pieces > 0 for word in words]
