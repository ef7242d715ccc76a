"""The pitfalls measured in other libraries and in transformers itself: one test for each, by number."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from transformers import BertModel, BertTokenizer

import bertutil

SHORT, LONG = "The bank.", "A much longer text stands beside it, so that the short one gets a lot of padding."


def last_layer(bert, encoding):
    return bertutil.hidden_states(bert, encoding, layers=[-1])[:, :, 0]


@given(st.lists(st.text("abc don't.", min_size=1, max_size=80), min_size=1, max_size=5))
@settings(max_examples=20, deadline=None)
def test_pitfall_01_a_texts_mean_does_not_depend_on_its_batch(tiny, texts):
    batch = bertutil.encode(tiny, texts)
    together = bertutil.pool_sentences(last_layer(tiny, batch), batch.attention_mask)
    for row, text in enumerate(texts):
        alone = bertutil.encode(tiny, text)
        assert_close(
            together[row],
            bertutil.pool_sentences(last_layer(tiny, alone), alone.attention_mask)[0],
            atol=1e-5,
            rtol=0,
        )


def test_pitfall_01_a_mean_over_padding_would_be_another_vector(bert):
    encoding = bertutil.encode(bert, [SHORT, LONG])
    vectors = last_layer(bert, encoding)
    masked = bertutil.pool_sentences(vectors, encoding.attention_mask)
    assert bertutil.cosine_similarity(masked[0], vectors[0].mean(0)) < 0.9


def test_pitfall_02_no_padding_is_handed_out_as_tokens(bert):
    encoding = bertutil.encode(bert, [SHORT, LONG])
    assert [len(tokens) for tokens in encoding.tokens] == encoding.attention_mask.sum(1).tolist()


def test_pitfall_03_the_attention_mask_is_always_passed(bert):
    encoding = bertutil.encode(bert, [SHORT, LONG])
    with torch.no_grad():
        unmasked = bert.model(input_ids=encoding.input_ids).last_hidden_state
    n = len(encoding.tokens[0])
    assert_close(
        last_layer(bert, encoding)[0, :n], last_layer(bert, bertutil.encode(bert, SHORT))[0], atol=1e-5, rtol=0
    )
    assert (unmasked[0, :n] - last_layer(bert, encoding)[0, :n]).abs().max() > 0.5


def test_pitfall_04_max_pooling_ignores_padding_where_all_values_are_negative(tiny):
    encoding = bertutil.encode(tiny, [SHORT, LONG])
    vectors = torch.full((*encoding.input_ids.shape, 4), -2.0)
    assert (bertutil.pool_sentences(vectors, encoding.attention_mask, "max") == -2).all()


def test_pitfall_05_special_tokens_are_in_the_mean_only_if_the_caller_wants_them(bert):
    encoding = bertutil.encode(bert, SHORT)
    vectors = last_layer(bert, encoding)
    assert_close(bertutil.pool_sentences(vectors, encoding.attention_mask)[0], vectors[0].mean(0))
    assert_close(bertutil.pool_sentences(vectors, encoding.content_mask)[0], vectors[0, 1:-1].mean(0))


def test_pitfall_06_a_word_is_the_callers_word(tiny):
    words = bertutil.encode(tiny, ["don't state-of-the-art U.S.A. 3,141.59", "the bank."]).words
    assert [len(of_text) for of_text in words] == [4, 3]
    assert [word.n_pieces for word in words[0]] == [3, 7, 6, 5]


def test_pitfall_07_a_word_without_pieces_keeps_its_place_and_is_nan(tiny):
    encoding = bertutil.encode(tiny, "the \u200b bank")
    pooled = bertutil.pool_words(last_layer(tiny, encoding), encoding)[0]
    assert [word.n_pieces for word in encoding.words[0]] == [1, 0, 1]
    assert pooled.isnan().any(dim=1).tolist() == [False, True, False]


def test_pitfall_08_accents_and_hangul_stay_with_their_words(tiny):
    words = bertutil.encode(tiny, "cafe\u0301 한국 x").words[0]
    assert [word.text for word in words] == ["cafe\u0301", "한국", "x"]
    assert words[0].n_pieces == 1
    assert words[1].n_pieces > 1
    assert words[2].n_pieces == 1


@pytest.mark.parametrize("odd", ["😀", "🇩🇪", "𝔹", "☃", "love👍"])
def test_pitfall_09_emoji_flags_and_mathematical_letters_are_flagged_as_unknown(tiny, odd):
    word = bertutil.encode(tiny, f"the {odd} bank").words[0][1]
    assert (word.n_pieces, word.is_unknown) == (1, True)


@pytest.mark.parametrize(("length", "pieces", "unknown"), [(100, 50, False), (101, 1, True)])
def test_pitfall_10_a_word_of_more_than_100_characters_is_unknown(tiny, length, pieces, unknown):
    word = bertutil.encode(tiny, "x" * length).words[0][0]
    assert (word.n_pieces, word.is_unknown) == (pieces, unknown)


@pytest.mark.parametrize("space", ["\x0b", "\x0c", "\x85", "\t", "\r", "\n", "\u00a0", "\u2028"])
def test_pitfall_11_no_white_space_glues_two_words_together(tiny, space):
    assert bertutil.encode(tiny, f"river{space}bank").tokens[0][1:-1] == ["river", "bank"]
    assert bertutil.encode(tiny, [[f"river{space}bank"]]).tokens[0][1:-1] == ["river", "bank"]  # as a given word, too


def test_pitfall_12_a_text_is_never_cut_in_silence(tiny):
    with pytest.raises(ValueError, match="490 words would be lost, from 'word' to 'word'"):
        bertutil.encode(tiny, "word " * 1000)


@pytest.mark.parametrize("stride", [0, 1, 64])
def test_pitfall_13_windows_begin_and_end_with_whole_words(tiny, stride):
    encoding = bertutil.encode(tiny, "embeddings " * 1000, too_long="window", stride=stride)
    assert len(encoding.tokens) > 5
    assert {(tokens[1], tokens[-2]) for tokens in encoding.tokens} == {("em", "##s")}


@pytest.mark.parametrize("pieces", [1, 509, 510, 511, 700])
@pytest.mark.parametrize("too_long", ["truncate", "window"])
def test_pitfall_14_the_last_token_is_sep_at_any_length(tiny, pieces, too_long):
    encoding = bertutil.encode(tiny, ["a " * pieces, "b"], too_long=too_long)
    last = encoding.attention_mask.sum(1) - 1
    assert (encoding.input_ids[torch.arange(len(last)), last] == tiny.tokenizer.sep_token_id).all()


def test_pitfall_15_a_typed_sep_is_plain_text(tiny):
    for text in ("he said [SEP]", ["he", "said", "[SEP]"]):
        encoding = bertutil.encode(tiny, [text])
        assert encoding.input_ids[0].tolist().count(tiny.tokenizer.sep_token_id) == 1
        assert encoding.content_mask.sum() == 5  # he said [ sep ]


def test_pitfall_16_segment_ids_by_position_are_taken_for_the_mask(bert):
    encoding = bertutil.encode(bert, "First sentence.", "Second sentence.")
    with torch.no_grad():
        by_position = bert.model(encoding.input_ids, encoding.token_type_ids).last_hidden_state
        as_mask = bert.model(input_ids=encoding.input_ids, attention_mask=encoding.token_type_ids).last_hidden_state
    assert torch.equal(by_position, as_mask)
    assert (last_layer(bert, encoding) - by_position).abs().max() > 0.5


def test_pitfall_17_dropout_is_off_and_two_runs_are_equal(tiny):
    encoding = bertutil.encode(tiny, LONG)
    assert not tiny.model.training
    assert torch.equal(last_layer(tiny, encoding), last_layer(tiny, encoding))
    fresh = bertutil.Bert("in training mode", tiny.tokenizer, BertModel(tiny.model.config))
    with pytest.raises(ValueError, match=r"training mode.*eval\(\)"):
        bertutil.hidden_states(fresh, encoding)


def test_pitfall_18_the_batch_and_the_kind_of_attention_matter_only_in_the_last_digits(bert):
    texts = [f"{SHORT} {LONG}"[: 20 + i] for i in range(24)]
    encoding = bertutil.encode(bert, texts)
    together = last_layer(bert, encoding)
    eager = bertutil.load(attention="eager")
    assert_close(last_layer(eager, encoding), together, atol=1e-5, rtol=0)
    for row in (0, 23):
        n = len(encoding.tokens[row])
        alone = last_layer(bert, bertutil.encode(bert, texts[row]))[0]
        assert_close(together[row, :n], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("dtype", "worst"), [(torch.float16, 0.01), (torch.bfloat16, 0.06)])
def test_pitfall_19_lower_precision_is_pooled_in_float32_and_stays_close(bert, dtype, worst):
    half = bertutil.load(dtype=dtype)
    encoding = bertutil.encode(bert, [SHORT, LONG])
    full, lower = last_layer(bert, encoding), last_layer(half, encoding)
    assert (full - lower.float()).abs().max() < worst
    assert torch.cosine_similarity(full, lower.float(), dim=-1).min() > 0.9995
    assert bertutil.pool_sentences(lower, encoding.attention_mask).dtype == torch.float32


def test_pitfall_20_every_layer_has_its_index(tiny):
    encoding = bertutil.encode(tiny, SHORT)
    with torch.no_grad():
        own = tiny.model(
            input_ids=encoding.input_ids, attention_mask=encoding.attention_mask, output_hidden_states=True
        ).hidden_states
    assert len(own) == tiny.n_layers + 1
    for layer in range(-len(own), len(own)):
        assert torch.equal(bertutil.hidden_states(tiny, encoding, layers=[layer])[:, :, 0], own[layer])


@pytest.mark.parametrize("how", ["mean", "max", "first", "last", "cls"])
def test_pitfall_21_pooling_keeps_the_batch(how):
    assert bertutil.pool_sentences(torch.randn(7, 3, 5), torch.ones(7, 3), how).shape == (7, 5)


def test_pitfall_22_a_repeated_word_has_a_vector_of_its_own_at_each_place(bert, bank_sentence):
    encoding = bertutil.encode(bert, bank_sentence)
    vectors = last_layer(bert, encoding)
    pooled = bertutil.pool_words(vectors, encoding)[0]
    banks = [i for i, word in enumerate(encoding.words[0]) if word.text == "bank"]
    for word, token in zip(banks, [6, 10, 19], strict=True):
        assert torch.equal(pooled[word], vectors[0, token])


def test_pitfall_23_nothing_to_pool_is_an_error_and_no_texts_are_no_rows(tiny):
    empty = bertutil.encode(tiny, ["full", ""])
    with pytest.raises(ValueError, match="row 1 has no token in the mask"):
        bertutil.pool_sentences(last_layer(tiny, empty), empty.content_mask)
    none = bertutil.encode(tiny, [])
    assert bertutil.pool_sentences(last_layer(tiny, none), none.content_mask).shape == (0, tiny.hidden_size)
    assert bertutil.pool_words(last_layer(tiny, none), none).shape == (0, 0, tiny.hidden_size)


def test_pitfall_24_nan_is_found_last_and_zero_is_named():
    corpus = torch.tensor([[float("nan")] * 2, [0.5, 1.0], [-1.0, -1.0]])
    assert bertutil.search(torch.ones(1, 2), corpus, k=3)[1].tolist() == [[1, 2, 0]]
    with pytest.raises(ValueError, match="row 2 of corpus is a zero vector"):
        bertutil.search(torch.ones(1, 2), torch.tensor([[1.0, 0], [0, 1.0], [0, 0]]), k=1)


def test_pitfall_25_left_padding_is_refused(tiny):
    encoding = bertutil.encode(tiny, [SHORT, LONG])
    with pytest.raises(ValueError, match=r"row 0 .* padding before a token"):
        bertutil.hidden_states(tiny, replace(encoding, attention_mask=encoding.attention_mask.flip(1)))


def test_pitfall_26_encode_is_right_in_threads_whatever_they_do_with_the_tokenizer(tiny):
    texts = [f"{'word ' * (i % 50 + 1)}number {i}" for i in range(200)]
    expected = [bertutil.encode(tiny, text).input_ids.tolist() for text in texts]

    def work(i):
        tiny.tokenizer(texts[i], truncation=True, max_length=5, padding="max_length")
        return bertutil.encode(tiny, texts[i]).input_ids.tolist()

    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert list(pool.map(work, range(200))) == expected


def test_pitfall_27_a_tokenizer_of_five_tokens_is_refused(tiny):
    with pytest.raises(ValueError, match="the tokenizer knows 5 tokens"):
        bertutil.Bert("mismatch", BertTokenizer(), tiny.model)


def test_pitfall_28_attentions_are_there_under_sdpa(bert):
    assert bert.model.config._attn_implementation == "sdpa"
    assert bertutil.attentions(bert, bertutil.encode(bert, SHORT)).shape == (1, 6, 12, 5, 5)


def test_pitfall_29_the_default_dtype_is_float32(tiny, tmp_path):
    BertModel.from_pretrained(tiny.name, dtype=torch.float16).save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    assert bertutil.load(tmp_path).model.dtype == torch.float32


@pytest.mark.parametrize("depth", range(7))
def test_pitfall_30_an_early_exit_gives_the_states_of_the_full_run(bert, depth):
    encoding = bertutil.encode(bert, LONG)
    full = bertutil.hidden_states(bert, encoding)
    assert torch.equal(bertutil.hidden_states(bert, encoding, layers=[depth])[:, :, 0], full[:, :, depth])


def test_pitfall_31_no_fixed_padding_is_left_in_the_tokenizer(bert):
    assert len(bert.tokenizer.backend_tokenizer.encode("short").ids) == 3


def test_pitfall_32_loading_shows_no_bar_and_no_report(capfd):
    bertutil.load()
    assert capfd.readouterr() == ("", "")
