"""encode() and split_words(): the tokenizer's ids, the caller's words, nothing lost in silence."""

import sys
import unicodedata
from collections import Counter
from itertools import pairwise

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertConfig, BertModel

import bertutil

LONG = " ".join(f"number {i} of many" for i in range(300))


def words_of(text):
    return [text[start:end] for start, end in bertutil.split_words(text)]


# What a word is


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the bank.", ["the", "bank", "."]),
        ("don't state-of-the-art U.S.A. 3,141.59", ["don't", "state-of-the-art", "U.S.A.", "3,141.59"]),
        ("e.g. this, i.e. that (a.k.a. it).", ["e.g.", "this", ",", "i.e.", "that", "(", "a.k.a.", "it", ")", "."]),
        ("A Ph.D., in the U.S.!", ["A", "Ph.D.", ",", "in", "the", "U.S.", "!"]),
        ("See example.com. It is 3.14.", ["See", "example.com", ".", "It", "is", "3.14", "."]),
        ('"Quoted," she said...', ['"', "Quoted", ",", '"', "she", "said", ".", ".", "."]),
        ("$5 and 50%", ["$", "5", "and", "50", "%"]),
        (" \t tabs\u00a0and\u2028separators\x0b\n", ["tabs", "and", "separators"]),
        ("", []),
        ("¿Qué? «Oui»", ["¿", "Qué", "?", "«", "Oui", "»"]),
    ],
)
def test_a_word_is_what_stands_between_white_space_less_the_punctuation_at_its_ends(text, words):
    assert words_of(text) == words


def test_an_abbreviation_has_nothing_but_letters_between_its_periods_and_one_of_them_alone():
    assert words_of("Ph.D. e.g. i.i.d.") == ["Ph.D.", "e.g.", "i.i.d."]
    assert words_of("bbc.co.uk. 2.b. a..b.") == ["bbc.co.uk", ".", "2.b", ".", "a..b", "."]


@given(st.text(max_size=60))
def test_words_are_in_order_apart_and_leave_out_nothing_but_white_space(text):
    spans = bertutil.split_words(text)
    covered = "".join(text[start:end] for start, end in spans)
    assert covered == "".join(text.split())
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert all(start < end for start, end in spans)


def test_a_very_long_odd_piece_is_split_in_linear_time():
    assert len(bertutil.split_words("a." * 50_000 + "x" + "." * 50_000)) == 50_000


# Ids, segments and masks


def test_a_single_text_is_what_the_tokenizer_makes_of_it(bert, bank_sentence):
    encoding = bertutil.encode(bert, bank_sentence)
    expected = bert.tokenizer(bank_sentence, return_tensors="pt")
    for name in ("input_ids", "token_type_ids", "attention_mask"):
        assert torch.equal(getattr(encoding, name), expected[name])


def test_a_batch_of_pairs_is_what_the_tokenizer_makes_of_it(bert):
    first, second = ["Where is it?", "A much longer first text, of two parts."], ["Over there, by the river.", "Yes."]
    encoding = bertutil.encode(bert, first, second)
    expected = bert.tokenizer(first, second, padding=True, return_tensors="pt")
    for name in ("input_ids", "token_type_ids", "attention_mask"):
        assert torch.equal(getattr(encoding, name), expected[name])
    assert [row[-1] for row in encoding.tokens] == ["[SEP]", "[SEP]"]


ORDINARY = st.text(
    st.characters(codec="ascii", exclude_characters="\x0b\x0c\x1c\x1d\x1e\x1f") | st.sampled_from("éßñ€日…")
)


@given(st.lists(ORDINARY, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_any_ordinary_text_has_the_tokenizers_ids(bert, texts):
    encoding = bertutil.encode(bert, texts)
    for row, text in enumerate(texts):
        expected = bert.tokenizer(text, split_special_tokens=True)["input_ids"]
        assert encoding.input_ids[row][encoding.attention_mask[row] == 1].tolist() == expected


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_masks_tokens_and_words_agree_on_any_text(tiny, texts):
    encoding = bertutil.encode(tiny, texts)
    assert [len(tokens) for tokens in encoding.tokens] == encoding.attention_mask.sum(1).tolist()
    assert torch.equal(encoding.content_mask, encoding.word_index >= 0)
    assert torch.equal(encoding.content_mask, encoding.central)
    assert not (encoding.content_mask & (encoding.attention_mask == 0)).any()
    assert encoding.content_mask.sum(1).tolist() == (encoding.attention_mask.sum(1) - 2).tolist()
    for row, (text, words) in enumerate(zip(texts, encoding.words, strict=True)):
        assert [(w.text, w.start, w.end) for w in words] == [(text[a:b], a, b) for a, b in bertutil.split_words(text)]
        index = encoding.word_index[row].tolist()
        assert [w.n_pieces for w in words] == [index.count(i) for i in range(len(words))]


def test_the_order_of_the_arguments_of_a_pair_is_seen_in_the_segments(tiny):
    encoding = bertutil.encode(tiny, "a b", "c")
    assert encoding.tokens == [["[CLS]", "a", "b", "[SEP]", "c", "[SEP]"]]
    assert encoding.token_type_ids.tolist() == [[0, 0, 0, 0, 1, 1]]
    assert encoding.word_index.tolist() == [[-1, 0, 1, -1, 2, -1]]
    assert [word.text for word in encoding.words[0]] == ["a", "b", "c"]


def test_tensors_stand_where_the_model_stands(tiny):
    assert bertutil.encode(tiny, "where").input_ids.device == tiny.model.device


# Words given by the caller


def test_words_given_as_a_list_are_taken_as_they_are(tiny):
    encoding = bertutil.encode(tiny, [["don't", "New York", "bank.", "", "..."]])
    words = encoding.words[0]
    assert [(word.text, word.n_pieces) for word in words] == [
        ("don't", 3),
        ("New York", 2),
        ("bank.", 2),
        ("", 0),
        ("...", 3),
    ]
    joined = "don't New York bank.  ..."
    assert [joined[word.start : word.end] for word in words] == [word.text for word in words]


def test_a_repeated_word_is_found_by_its_position(tiny, bank_sentence):
    encoding = bertutil.encode(tiny, bank_sentence)
    banks = [i for i, word in enumerate(encoding.words[0]) if word.text == "bank"]
    assert [encoding.word_index[0].tolist().index(i) for i in banks] == [6, 10, 19]


def test_texts_may_come_as_any_iterable(tiny):
    expected = bertutil.encode(tiny, ["one", "two"]).input_ids
    for texts in (("one", "two"), iter(["one", "two"]), dict.fromkeys(["one", "two"]).keys()):
        assert torch.equal(bertutil.encode(tiny, texts).input_ids, expected)


# Every character


@pytest.mark.no_cover
@pytest.mark.parametrize("step", [17, pytest.param(1, marks=pytest.mark.weekly)])  # 1: every one
def test_every_code_point_keeps_the_callers_word_count_alone_and_between_two_words(tiny, step):
    points = [chr(c) for c in range(0, sys.maxunicode + 1, step) if not 0xD800 <= c <= 0xDFFF]
    chunks = [points[start : start + 400] for start in range(0, len(points), 400)]
    for start in range(0, len(chunks), 50):
        texts = [f"river {' '.join(chunk)} bank" for chunk in chunks[start : start + 50]]
        encoding = bertutil.encode(tiny, texts, too_long="window")
        for chunk, words in zip(chunks[start:], encoding.words, strict=False):
            expected = ["river", *(word for character in chunk for word in character.split()), "bank"]
            assert [word.text for word in words] == expected


def test_every_character_of_white_space_splits_and_glues_nothing(tiny):
    spaces = [chr(c) for c in range(sys.maxunicode) if chr(c).isspace()]
    for encoding in (bertutil.encode(tiny, [f"river{space}bank" for space in spaces]),):
        assert {tuple(tokens[1:-1]) for tokens in encoding.tokens} == {("river", "bank")}


def test_a_character_the_tokenizer_deletes_leaves_a_word_without_pieces(tiny):
    for character in "\x00\u200b\ufeff\ufffd\u0301":
        words = bertutil.encode(tiny, f"river {character} bank").words[0]
        assert [(word.text, word.n_pieces, word.is_unknown) for word in words] == [
            ("river", 1, False),
            (character, 0, False),
            ("bank", 1, False),
        ]


def test_a_word_is_unknown_where_any_one_of_its_pieces_is(tiny):
    texts = ["\U0001f980-a", "a-\U0001f980", "a-\U0001f980-a", "a-a"]
    words = bertutil.encode(tiny, [texts]).words[0]
    assert [word.n_pieces for word in words] == [3, 3, 5, 3]
    assert [word.is_unknown for word in words] == [True, True, True, False]


def test_decomposed_accents_and_hangul_stay_with_their_word(tiny):
    text = unicodedata.normalize("NFD", "café 한국어 end")
    words = bertutil.encode(tiny, text).words[0]
    assert [word.text for word in words] == text.split()
    assert all(word.n_pieces > 0 for word in words)
    assert sum(word.n_pieces for word in words) == len(bertutil.encode(tiny, text).tokens[0]) - 2


# Special tokens that a user types


def test_a_typed_special_token_is_plain_text_by_default(tiny):
    encoding = bertutil.encode(tiny, "he said [SEP] and [MASK]")
    assert encoding.tokens[0][1:-1] == ["he", "said", "[", "sep", "]", "and", "[", "mask", "]"]
    assert (encoding.input_ids == tiny.tokenizer.sep_token_id).sum() == 1


def test_a_typed_special_token_can_be_parsed_and_is_then_no_content(tiny):
    encoding = bertutil.encode(tiny, "he said [SEP] to[MASK]me", typed_specials="parse")
    assert encoding.tokens[0] == ["[CLS]", "he", "said", "[SEP]", "to", "[MASK]", "me", "[SEP]"]
    assert encoding.content_mask.tolist() == [[False, True, True, False, True, False, True, False]]
    assert [(w.text, w.n_pieces) for w in encoding.words[0]] == [
        ("he", 1),
        ("said", 1),
        ("[SEP]", 0),
        ("to", 1),
        ("[MASK]", 0),
        ("me", 1),
    ]


# Texts that are too long


@pytest.mark.parametrize(("pieces", "fits"), [(510, True), (511, False)])
def test_the_limit_is_the_models(tiny, pieces, fits):
    text = "a " * pieces
    if fits:
        assert bertutil.encode(tiny, text).input_ids.shape == (1, tiny.max_length)
    else:
        with pytest.raises(ValueError, match=r"text 0 has 511 pieces, .* takes 510 .* 1 words would be lost"):
            bertutil.encode(tiny, text)


def test_the_error_names_the_text_the_words_and_the_ways_out(tiny):
    with pytest.raises(ValueError, match=r"text 1 .* from 'of' to 'many'.*too_long='window'.*too_long='truncate'"):
        bertutil.encode(tiny, ["short", LONG])


def test_truncation_keeps_whole_words_and_reports_the_others(tiny):
    words = ["embeddings"] * 200  # four pieces each: 510 is no multiple
    encoding = bertutil.encode(tiny, ["short", words], too_long="truncate")
    assert encoding.tokens[1][-2:] == ["##s", "[SEP]"]
    assert [len(words) for words in encoding.dropped] == [0, 200 - 510 // 4]
    assert len(encoding.words[1]) == 200
    assert encoding.dropped[1] == [word for word in encoding.words[1] if word.n_pieces == 0]


def test_truncation_cuts_inside_a_word_only_where_it_fills_the_row(tiny):
    encoding = bertutil.encode(tiny, [["a-" * 400, "b"]], too_long="truncate")
    assert encoding.input_ids.shape == (1, tiny.max_length)
    assert [(w.n_pieces, w in encoding.dropped[0]) for w in encoding.words[0]] == [(510, True), (0, True)]


@pytest.mark.parametrize(("n", "m"), [(600, 5), (5, 600), (400, 300), (600, 600)])
def test_truncating_a_pair_shortens_the_longer_one(tiny, n, m):
    encoding = bertutil.encode(tiny, "a " * n, "b " * m, too_long="truncate")
    expected = tiny.tokenizer("a " * n, "b " * m, truncation="longest_first", max_length=512)
    assert encoding.input_ids[0].tolist() == expected["input_ids"]
    assert len(encoding.dropped[0]) == n + m - 509


PIECES = {"a": 1, "don't": 3, "embeddings": 4, "\u200b": 0, "3,141.59": 5}


# Long lists only: hypothesis would draw short ones, and these need no windows
@given(st.lists(st.sampled_from(list(PIECES)), min_size=300, max_size=600), st.integers(0, 80) | st.integers(0, 509))
@settings(max_examples=20, deadline=None)
def test_windows_hold_whole_words_cover_every_piece_and_share_at_most_the_stride(tiny, words, stride):
    encoding = bertutil.encode(tiny, [words], too_long="window", stride=stride)
    assert [word.n_pieces for word in encoding.words[0]] == [PIECES[word] for word in words]
    central, before = [], Counter()
    for row, tokens in enumerate(encoding.tokens):
        assert len(tokens) <= tiny.max_length
        assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")
        index = encoding.word_index[row].tolist()
        inside = Counter(word for word in index if word >= 0)
        assert all(n == PIECES[words[word]] for word, n in inside.items())
        assert (inside & before).total() <= stride
        central += [word for word, mine in zip(index, encoding.central[row].tolist(), strict=True) if mine]
        before = inside
    assert central == [i for i, word in enumerate(words) for _ in range(PIECES[word])]


@pytest.mark.parametrize("stride", [100, 101])  # with an odd one, a piece in the middle is as far from either edge
def test_a_token_in_several_windows_is_central_where_it_is_furthest_from_an_edge(tiny, stride):
    encoding = bertutil.encode(tiny, "a " * 1200, too_long="window", stride=stride)
    places = {}
    for row in range(len(encoding.tokens)):
        index = encoding.word_index[row].tolist()
        content = [i for i, word in enumerate(index) if word >= 0]
        for i in content:
            depth = min(i - content[0], content[-1] - i)
            places.setdefault(index[i], []).append((depth, -row, bool(encoding.central[row, i])))
    assert len(places) == 1200
    for candidates in places.values():
        assert max(candidates)[2]
        assert sum(central for _, _, central in candidates) == 1


def test_a_text_that_fits_is_the_same_with_and_without_windows(bert, bank_sentence):
    plain = bertutil.encode(bert, [bank_sentence, "Short."])
    windows = bertutil.encode(bert, [bank_sentence, "Short."], too_long="window")
    for name in ("input_ids", "token_type_ids", "attention_mask", "central", "word_index", "text_index"):
        assert torch.equal(getattr(plain, name), getattr(windows, name))


def test_rows_know_the_text_they_belong_to(tiny):
    encoding = bertutil.encode(tiny, ["first", "a " * 1000, "last"], too_long="window")
    assert encoding.text_index.tolist() == [0, 1, 1, 1, 2]
    assert [len(words) for words in encoding.words] == [1, 1000, 1]


@pytest.mark.parametrize("stride", [-1, 510, 10_000])
def test_a_stride_that_makes_no_window_is_refused(tiny, stride):
    for text in (LONG, "short"):
        with pytest.raises(ValueError, match=f"stride is {stride}; .* less than the 510 pieces"):
            bertutil.encode(tiny, text, too_long="window", stride=stride)


def test_a_model_of_short_rows_has_windows_too(bert):
    config = BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, max_position_embeddings=64
    )
    short = bertutil.Bert("short", bert.tokenizer, BertModel(config).eval())
    encoding = bertutil.encode(short, "a " * 100, too_long="window")
    assert encoding.attention_mask.sum(1).tolist() == [64, 64, 40]  # 62 pieces, and 31 of them again in the next row
    assert len(bertutil.embed(short, ["a " * 100], unit="word", strategy="last")[0]) == 100


def test_a_pair_that_is_too_long_is_not_cut_into_windows(tiny):
    with pytest.raises(ValueError, match=r"text 0 and its pair have 602 pieces.*windows are for single texts"):
        bertutil.encode(tiny, "a " * 600, "b c", too_long="window")
    with pytest.raises(ValueError, match=r"text 0 has 602 pieces.*Use too_long='truncate' to go without them"):
        bertutil.encode(tiny, "a " * 600, "b c")


def test_a_text_of_100_000_characters_is_one_unknown_word_or_many_windows(tiny):
    assert bertutil.encode(tiny, "x" * 100_000).words[0][0].is_unknown
    encoding = bertutil.encode(tiny, "river bank " * 9_000, too_long="window")
    assert sum(word.n_pieces for word in encoding.words[0]) == 18_000


# Nothing, and what is no text


@pytest.mark.parametrize("text", ["", " \t\n", "\u00a0"])
def test_an_empty_text_is_cls_and_sep_and_no_words(tiny, text):
    encoding = bertutil.encode(tiny, ["full", text])
    assert encoding.tokens[1] == ["[CLS]", "[SEP]"]
    assert encoding.words[1] == []


def test_no_texts_give_empty_tensors(tiny):
    encoding = bertutil.encode(tiny, [])
    assert encoding.input_ids.shape == encoding.content_mask.shape == (0, 0)
    assert encoding.words == encoding.tokens == encoding.dropped == []


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        (None, TypeError, "text 0 is None.*not a str.*empty cell"),
        (float("nan"), TypeError, "text 0 is nan.*empty cell"),
        (b"bytes", TypeError, r"text 0 is b'bytes'.*decode"),
        (7, TypeError, "text 0 is 7, of type int"),
        ({"a": "b"}, TypeError, "text 0 is .*of type dict.*as a list"),
        ({"a", "b"}, TypeError, "text 0 is .*of type set.*as a list, in their order"),
        (["good", {"a", "b"}], TypeError, "text 1 is .*of type set"),
        (pd.DataFrame({"text": ["good"]}), TypeError, r"a DataFrame; give the column.*table\['text'\]"),
        (["good", None], TypeError, "text 1 is None"),
        (["good", float("nan")], TypeError, "text 1 is nan"),
        (["good", b"bytes"], TypeError, "text 1 is b'bytes'"),
        ([["good", 3]], TypeError, "text 0, word 1 is 3"),
        (["good", "\ud800"], ValueError, "text 1 has a lone surrogate at character 0"),
        ([["good"], ["fine", "bad\udfff"]], ValueError, "text 1, word 1 has a lone surrogate at character 3"),
    ],
)
def test_what_is_no_text_is_refused_with_its_index_and_a_remedy(tiny, texts, error, message):
    with pytest.raises(error, match=message):
        bertutil.encode(tiny, texts)


def test_a_bad_second_text_is_named_as_a_pair(tiny):
    with pytest.raises(TypeError, match="pair 1 is None"):
        bertutil.encode(tiny, ["a", "b"], ["c", None])
    with pytest.raises(ValueError, match="2 texts and 1 pairs"):
        bertutil.encode(tiny, ["a", "b"], ["c"])


def test_the_old_name_of_typed_specials_is_refused_with_the_new_one(tiny):
    with pytest.raises(TypeError, match="'typed_specials' now"):
        bertutil.encode(tiny, "he said [SEP]", specials="parse")


@pytest.mark.parametrize("option", ["too_long", "typed_specials"])
def test_an_unknown_option_is_refused(tiny, option):
    with pytest.raises(ValueError, match=f"{option} is 'maybe'"):
        bertutil.encode(tiny, "x", **{option: "maybe"})


def test_a_tokenizer_that_pads_on_the_left_is_refused(tiny_folder):
    turned = bertutil.load(tiny_folder)
    turned.tokenizer.padding_side = "left"
    with pytest.raises(ValueError, match="pads on the left"):
        bertutil.encode(turned, "x")
