"""Words and pieces where the tokenizer has tokens of the user's, and in Chinese, Japanese and Korean."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken
from tokenizers.normalizers import BertNormalizer
from transformers import BertTokenizer

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


def test_the_ideographs_are_those_that_berts_tokenizer_splits_off():
    normalizer = BertNormalizer(clean_text=False, strip_accents=False, lowercase=False)
    for point in [i for i in range(0x110000) if not 0xD800 <= i < 0xE000]:
        character = chr(point)
        split = len(bertutil.split_words(f"a{character}a")) == 3
        assert split == (normalizer.normalize_str(character) != character)


def test_a_tokenizer_that_keeps_ideographs_together_keeps_its_pieces(tiny, tmp_path):
    tiny.tokenizer.save_pretrained(tmp_path)
    tokenizer = BertTokenizer.from_pretrained(tmp_path, tokenize_chinese_chars=False)
    bert = bertutil.Bert("together", tokenizer, tiny.model)
    assert words(bert, "日本 x") == ["日本", "x"]
    assert bertutil.encode(bert, "日本 x").input_ids[0].tolist() == tokenizer("日本 x")["input_ids"]
