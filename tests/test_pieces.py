"""Words and pieces of texts as people have them: tokens of their own, ideographs, columns of tables."""

import threading
import unicodedata
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import BertConfig, BertModel, BertTokenizer

import bertutil

ADDED = ["<user>", "c++", "$num$", "covid", "Straße", "new york", "...", "日本"]


@pytest.fixture
def fresh(tiny_folder):
    """A checkpoint that a test may change."""
    return bertutil.load(tiny_folder)


@pytest.fixture(scope="module")
def grown(tiny_folder):
    """A checkpoint with tokens of the user's, added after the first call."""
    bert = bertutil.load(tiny_folder)
    bertutil.encode(bert, "<user> the first call")
    bert.tokenizer.add_tokens(ADDED)
    bert.tokenizer.add_special_tokens({"additional_special_tokens": ["[E1]", "<br>"]})
    bert.model.resize_token_embeddings(len(bert.tokenizer))
    return bert


def words(bert, text, **options):
    return [word.text for word in bertutil.encode(bert, text, **options).words[0]]


# Tokens of the user's


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<user> paid $num$ dollars", ["<user>", "paid", "$num$", "dollars"]),
        ("(c++), <user>.", ["(", "c++", ")", ",", "<user>", "."]),
        ("pre-COVID covids", ["pre", "-", "COVID", "covid", "s"]),
        ("in New York, not new  york", ["in", "New York", ",", "not", "new", "york"]),
        ("[E1]x[E1] a<br>b [SEP]", ["[E1]", "x", "[E1]", "a", "<br>", "b", "[", "SEP", "]"]),
        ("Wait... U.S.A.", ["Wait", "...", "U.S.A."]),
        ("東日本の", ["東", "日本", "の"]),
    ],
)
def test_a_token_of_the_users_is_a_word_and_a_piece_wherever_it_stands(grown, text, expected):
    assert words(grown, text) == expected
    assert [text[a:b] for a, b in bertutil.split_words(text, grown)] == expected
    for word in bertutil.encode(grown, text).words[0]:
        assert word.n_pieces == 1 or word.text not in ADDED
    assert bertutil.split_words("c++.") == [(0, 1), (1, 2), (2, 3), (3, 4)]  # no tokenizer, no tokens of a user's


@given(
    st.lists(
        st.sampled_from([*ADDED, "[E1]", "<br>", " ", ".", "bank", "x", "é", "-", "\n", "天", "😀"]), max_size=12
    )
)
@settings(max_examples=100, deadline=None)
def test_encode_has_the_tokenizers_own_ids_and_embed_a_vector_for_each(grown, parts):
    text = "".join(parts)
    expected = grown.tokenizer(text)["input_ids"]
    assert bertutil.encode(grown, text).input_ids[0].tolist() == expected
    vectors = bertutil.embed(grown, [text], unit="token", specials=True, strategy="embeddings")[0]
    assert len(vectors) == len(expected)


def test_given_words_and_pairs_have_them_too(grown):
    encoding = bertutil.encode(grown, [["<user>", "c++!"]], [["covid"]])
    assert encoding.tokens[0] == ["[CLS]", "<user>", "c++", "!", "[SEP]", "covid", "[SEP]"]


def test_a_token_of_the_users_is_content_where_typed_special_tokens_are_parsed_too(grown):
    encoding = bertutil.encode(grown, "[E1] he [SEP] <user> [UNK] 😀", typed_specials="parse")
    assert encoding.tokens[0] == ["[CLS]", "[E1]", "he", "[SEP]", "<user>", "[UNK]", "[UNK]", "[SEP]"]
    assert encoding.content_mask[0].tolist() == [False, True, True, False, True, True, True, False]
    assert [word.n_pieces for word in encoding.words[0]] == [1, 1, 0, 1, 1, 1]


def test_tokens_that_take_the_space_beside_them_and_those_that_are_whole_words_only(fresh):
    fresh.tokenizer.add_tokens([AddedToken("<m>", lstrip=True, rstrip=True), AddedToken("bank", single_word=True)])
    text = "a <m>  banks bank-note bankable"
    assert words(fresh, text) == ["a", "<m>", "banks", "bank", "-", "note", "bankable"]
    assert bertutil.encode(fresh, text).input_ids[0].tolist() == fresh.tokenizer(text)["input_ids"]


def test_each_token_is_seen_from_the_call_after_it_was_added_and_so_is_another_normalizer(fresh):
    for i in range(3):
        fresh.tokenizer.add_tokens([f"<{i}>"])
        assert bertutil.encode(fresh, f"a<{i}>").tokens[0][1:-1] == ["a", f"<{i}>"]
    fresh.tokenizer.backend_tokenizer.normalizer = BertNormalizer(lowercase=False)
    assert bertutil.encode(fresh, "Bank").tokens[0][1:-1] == fresh.tokenizer.tokenize("Bank") != ["bank"]


def test_encode_leaves_the_tokenizer_as_it_is_and_is_right_while_tokens_are_added(fresh):
    before = fresh.tokenizer.backend_tokenizer.to_str()
    expected = bertutil.encode(fresh, ["the bank <user>"] * 20).input_ids.tolist()
    assert fresh.tokenizer.backend_tokenizer.to_str() == before
    wrong = []

    def work():
        for _ in range(20):
            if bertutil.encode(fresh, ["the bank <user>"] * 20).input_ids.tolist() != expected:
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(40):
        fresh.tokenizer.add_tokens([f"<other {i}>"])
    for thread in threads:
        thread.join()
    assert not wrong


# Ideographs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("今天天气很好，我们去。", [*"今天天气很好，我们去。"]),
        ("東京タワーへ行く", ["東", "京", "タワーへ", "行", "く"]),
        ("한국어 大韓", ["한국어", "大", "韓"]),
        ("BERT模型(2018年)", ["BERT", "模", "型", "(", "2018", "年", ")"]),
        ("葛\U000e0100城 𠮷野", ["葛\U000e0100", "城", "𠮷", "野"]),
    ],
)
def test_an_ideograph_is_a_word_by_itself(tiny, text, expected):
    assert words(tiny, text) == expected
    assert [text[a:b] for a, b in bertutil.split_words(text)] == expected
    assert len(bertutil.embed(tiny, [text], unit="word")[0]) == len(expected)
    assert bertutil.encode(tiny, text).input_ids[0].tolist() == tiny.tokenizer(text)["input_ids"]


@pytest.mark.no_cover
@pytest.mark.parametrize("step", [17, pytest.param(1, marks=pytest.mark.weekly)])  # 1: every one
def test_the_ideographs_are_those_that_berts_tokenizer_splits_off(step):
    normalizer = BertNormalizer(clean_text=False, strip_accents=False, lowercase=False)
    for point in [i for i in range(0, 0x110000, step) if not 0xD800 <= i < 0xE000]:
        character = chr(point)
        split = len(bertutil.split_words(f"a{character}a")) == 3
        assert split == (normalizer.normalize_str(character) != character)


@pytest.mark.no_cover
def test_the_marks_at_the_ends_of_words_are_those_that_berts_tokenizer_splits_off():
    split, newer, other = BertPreTokenizer().pre_tokenize_str, [], []
    for character in map(chr, range(0x110000)):
        category = unicodedata.category(character)
        if category in ("Cn", "Co", "Cs") or character.isspace() or len(bertutil.split_words(f"a{character}a")) == 3:
            continue
        is_mark = len(split(f"a{character}a")) == 3
        assert len(bertutil.split_words(f"{character}a")) == 1 + is_mark, ascii(character)
        assert len(bertutil.split_words(f"a{character}")) == 1 + is_mark, ascii(character)
        if is_mark != (category[0] == "P") and not character.isascii():
            (other if is_mark else newer).append(character)
    # the tokenizer's Unicode tables are older than Python's, and these know more marks with each version
    assert len(newer) == 104 if unicodedata.unidata_version == "14.0.0" else len(newer) > 104
    assert "\u061d" in newer
    assert other == ["\u166d", "\U000111c9"]


@pytest.mark.parametrize("mark", ["\u061d", "\u2e4c", "\U00010ead", "\u166d", "\U000111c9"])
def test_marks_that_are_none_for_python_or_for_the_tokenizer_change_no_id(tiny, mark):
    text = f"{mark}bank{mark} the{mark}"
    assert bertutil.encode(tiny, text).input_ids[0].tolist() == tiny.tokenizer(text)["input_ids"]


def test_a_lone_surrogate_is_split_without_an_error():
    assert bertutil.split_words("a\ud800 .\udfff") == [(0, 2), (3, 4), (4, 5)]


def test_a_tokenizer_that_keeps_ideographs_together_keeps_its_pieces(tiny, tmp_path):
    tiny.tokenizer.save_pretrained(tmp_path)
    tokenizer = BertTokenizer.from_pretrained(tmp_path, tokenize_chinese_chars=False)
    bert = bertutil.Bert("together", tokenizer, tiny.model)
    assert words(bert, "日本 x") == ["日本", "x"]
    assert bertutil.encode(bert, "日本 x").input_ids[0].tolist() == tokenizer("日本 x")["input_ids"]


# Texts as tables have them


@pytest.mark.parametrize(
    "value",
    [
        None,
        float("nan"),
        np.nan,
        np.float32("nan"),
        pd.NA,
        pd.NaT,
        np.datetime64("NaT"),
        Decimal("NaN"),
        Decimal("sNaN"),
    ],
)
def test_a_missing_value_is_named_by_its_index_as_an_empty_cell(tiny, value):
    for call in (bertutil.encode, bertutil.embed):
        with pytest.raises(TypeError, match=r"text 1 is .*an empty cell of a table\?"):
            call(tiny, ["a", value])
        with pytest.raises(TypeError, match=r"text 0, word 1 is .*an empty cell of a table\?"):
            call(tiny, [["a", value]])


@pytest.mark.parametrize("dtype", ["string", "object", "category"])
def test_a_missing_value_of_a_column_is_named_by_its_place(tiny, dtype):
    with pytest.raises(TypeError, match=r"text 1 is .*an empty cell"):
        bertutil.embed(tiny, pd.Series(["a", None, "b"], dtype=dtype, index=[7, 8, 9]))
    with pytest.raises(TypeError, match=r"text 1 is None.*an empty cell"):
        bertutil.encode(tiny, pytest.importorskip("pyarrow").array(["a", None]))


def test_columns_and_arrays_of_texts_and_generators_are_texts(tiny):
    texts = ["the bank", "x", ""]
    expected = bertutil.embed(tiny, texts, specials=True)
    pyarrow = pytest.importorskip("pyarrow")
    ways = [np.array(texts), np.array(texts, dtype=object), pd.Series(texts, dtype="string"), pd.Index(texts)]
    ways += [pyarrow.array(texts), pyarrow.chunked_array([texts]), (text for text in texts)]
    for way in ways:
        np.testing.assert_allclose(bertutil.embed(tiny, way, specials=True), expected, atol=1e-5, rtol=0)


def test_columns_and_arrays_of_words_are_words(tiny):
    texts = [["the", "bank."], ["x"]]
    expected = bertutil.embed(tiny, texts, unit="word")
    pyarrow = pytest.importorskip("pyarrow")
    ways = [
        lambda: pd.Series([np.array(words) for words in texts]),
        lambda: pd.Series([np.array(words, dtype=object) for words in texts]),
        lambda: pyarrow.array(texts),
        lambda: [pyarrow.array(words) for words in texts],
        lambda: [pd.Series(words) for words in texts],
        lambda: ((word for word in words) for words in texts),
    ]
    for way in ways:
        for found, right in zip(bertutil.embed(tiny, way(), unit="word"), expected, strict=True):
            np.testing.assert_allclose(found, right, atol=1e-5, rtol=0)
        assert [word.text for word in bertutil.encode(tiny, way()).words[0]] == ["the", "bank."]
    assert len(bertutil.embed(tiny, np.array([["a", "b"], ["c", "d"]]), unit="word")[1]) == 2


def test_an_array_without_a_dimension_and_one_with_too_many_are_refused(tiny):
    with pytest.raises(TypeError, match=r"text 0 is array\('a'"):
        bertutil.embed(tiny, np.array("a"))
    with pytest.raises(TypeError, match=r"text 0, word 0 is array\("):
        bertutil.embed(tiny, np.array([[["a"]]]))


def test_a_text_or_a_list_of_pyarrow_is_what_it_stands_for(tiny):
    pyarrow = pytest.importorskip("pyarrow")
    for texts in (pyarrow.scalar("the bank"), pyarrow.scalar(["the bank"])):
        assert bertutil.encode(tiny, texts).tokens == bertutil.encode(tiny, "the bank").tokens


# Segments


def test_a_pair_is_refused_where_the_model_has_one_segment_type(tiny):
    config = BertConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=64, type_vocab_size=1
    )
    bert = bertutil.Bert("one", tiny.tokenizer, BertModel(config).eval())
    with pytest.raises(ValueError, match="one has one segment type only"):
        bertutil.encode(bert, ["a"], ["b"])
    assert bertutil.embed(bert, ["a b"]).shape == (1, 32)
