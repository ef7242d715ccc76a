"""What the test suites of four other projects expect of the same kinds of inputs, in our words and on our names.

The projects are google-research/bert, transformers, flair and sentence-transformers; each test's docstring or id
names the file and the tests that it answers. What they expect and another file here tests already in the same form
(Chinese, white space, truncated pairs, empty texts, windows) is not repeated. Where we answer otherwise on purpose,
the test says so.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from transformers import BertConfig, BertModel, pipeline

import bertutil

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = ["re", "##bak", "##ing", "bak", "garden", "##s", ",", "!", "'"]
PIECES += ["gr\u00fcn", "grun", "Gr\u00fcn", "Grun"]
TEXTS = ["The otter swims.", "A ferry, later than usual, left the harbour at noon", "rain"]


@pytest.fixture
def small(tmp_path):
    """Make a checkpoint with a vocabulary of a few pieces: small(max_position_embeddings=6, do_lower_case=True)."""

    def load(do_lower_case=True, strip_accents=None, **config):
        torch.manual_seed(0)
        sizes = {"hidden_size": 16, "num_hidden_layers": 5, "num_attention_heads": 4, "intermediate_size": 24}
        BertModel(BertConfig(vocab_size=len(SPECIAL + PIECES), **sizes | config)).save_pretrained(tmp_path)
        (tmp_path / "vocab.txt").write_text("".join(f"{piece}\n" for piece in SPECIAL + PIECES), encoding="utf-8")
        settings = {"do_lower_case": do_lower_case, "strip_accents": strip_accents}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
        return bertutil.load(tmp_path)

    return load


def content(bert, text, **options):
    """The tokens of a text between [CLS] and [SEP]."""
    return bertutil.encode(bert, text, **options).tokens[0][1:-1]


# google-research/bert


def test_a_word_becomes_the_longest_pieces_of_the_vocabulary_with_its_ids(small):
    """google-research/bert, tokenization_test.py: test_full_tokenizer, test_convert_tokens_to_ids."""
    bert = small()
    encoding = bertutil.encode(bert, "REbak\u00efng,gardens")
    pieces = ["re", "##bak", "##ing", ",", "garden", "##s"]
    assert encoding.tokens[0][1:-1] == pieces
    assert encoding.input_ids[0, 1:-1].tolist() == [(SPECIAL + PIECES).index(piece) for piece in pieces]


def test_one_letter_without_a_piece_makes_its_whole_word_unknown_and_no_other(small):
    """google-research/bert, tokenization_test.py: test_wordpiece_tokenizer."""
    words = bertutil.encode(small(), "rebakingq gardens").words[0]
    assert [(word.text, word.n_pieces, word.is_unknown) for word in words] == [
        ("rebakingq", 1, True),
        ("gardens", 2, False),
    ]


@pytest.mark.parametrize("mark", ["-", "$", "`", "."])
def test_a_mark_at_the_end_of_a_word_is_a_word(mark):
    """google-research/bert, tokenization_test.py: test_is_punctuation."""
    assert bertutil.split_words(f"{mark}bank{mark}") == [(0, 1), (1, 5), (5, 6)]


def test_letters_and_spaces_are_no_marks():
    """google-research/bert, tokenization_test.py: test_is_punctuation."""
    assert bertutil.split_words("A A") == [(0, 1), (2, 3)]


@pytest.mark.parametrize("character", ["\x05", "\x7f", "\u200d"])
def test_a_control_character_inside_a_word_changes_no_token_and_stays_in_the_word(tiny, character):
    """google-research/bert, tokenization_test.py: test_is_control."""
    text = f"riv{character}er bank"
    encoding = bertutil.encode(tiny, text)
    assert encoding.tokens == bertutil.encode(tiny, "river bank").tokens
    assert [text[word.start : word.end] for word in encoding.words[0]] == [f"riv{character}er", "bank"]


@pytest.mark.parametrize("character", ["\t", "\r", "\n"])
def test_tab_and_line_ends_are_white_space_and_not_control_characters(tiny, character):
    """google-research/bert, tokenization_test.py: test_is_control, test_is_whitespace."""
    assert content(tiny, f"river{character}bank") == ["river", "bank"]


def test_there_is_a_state_for_the_embeddings_and_one_for_each_layer(small):
    """google-research/bert, modeling_test.py: test_default."""
    bert = small(num_hidden_layers=5, hidden_size=32, type_vocab_size=16)
    encoding = bertutil.encode(bert, ["gardens"] * 13)
    states = bertutil.hidden_states(bert, encoding)
    assert states.shape == (13, 4, 6, 32)
    with torch.no_grad():
        embedded = bert.model.embeddings(encoding.input_ids, encoding.token_type_ids)
    assert torch.equal(states[:, :, 0], embedded)


def test_the_layers_of_extract_features_are_the_last_four_from_the_top_down(tiny):
    """google-research/bert, extract_features.py: its default --layers is -1,-2,-3,-4."""
    encoding = bertutil.encode(tiny, TEXTS)
    chosen = bertutil.hidden_states(tiny, encoding, layers=[-1, -2, -3, -4])
    concatenated = bertutil.combine_layers(bertutil.hidden_states(tiny, encoding), "concat_last_4")
    assert torch.equal(chosen.flatten(2), concatenated)


# transformers


@pytest.mark.parametrize(
    ("lower", "strip", "expected"),
    [
        pytest.param(True, None, "grun", id="test_basic_tokenizer_lower_strip_accents_default"),
        pytest.param(True, True, "grun", id="test_basic_tokenizer_lower_strip_accents_true"),
        pytest.param(True, False, "gr\u00fcn", id="test_basic_tokenizer_lower_strip_accents_false"),
        pytest.param(False, None, "Gr\u00fcn", id="test_basic_tokenizer_no_lower"),
        pytest.param(False, False, "Gr\u00fcn", id="test_basic_tokenizer_no_lower_strip_accents_false"),
        pytest.param(False, True, "Grun", id="test_basic_tokenizer_no_lower_strip_accents_true"),
    ],
)
def test_case_and_accents_are_two_settings_of_the_folder(small, lower, strip, expected):
    """transformers, tests/models/bert/test_tokenization_bert.py."""
    bert = small(do_lower_case=lower, strip_accents=strip)
    assert content(bert, " \tGr\u00fcn!\n Gr\u00fcn ") == [expected, "!", expected]


def test_the_tokens_split_at_every_mark_and_the_words_only_at_those_of_their_ends(small):
    """transformers, test_tokenization_bert.py: test_basic_tokenizer_splits_on_punctuation."""
    text = "garden's,\n'bak!!"
    encoding = bertutil.encode(small(), text)
    assert encoding.tokens[0][1:-1] == ["garden", "'", "[UNK]", ",", "'", "bak", "!", "!"]
    assert [word.text for word in encoding.words[0]] == ["garden's", ",", "'", "bak", "!", "!"]


def test_a_soft_hyphen_alone_has_no_token(small):
    """transformers, test_tokenization_bert.py: test_clean_text."""
    bert = small()
    assert [content(bert, text) for text in ("bak", "\xad", "ba\xadk")] == [["bak"], [], ["bak"]]


def test_a_pair_is_built_from_the_ids_of_its_two_texts(tiny):
    """transformers, test_tokenization_bert.py: test_sequence_builders; test_tokenization_bert_legacy.py:
    test_create_token_type_ids_from_sequences, test_get_special_tokens_mask.
    """
    cls, sep = tiny.tokenizer.cls_token_id, tiny.tokenizer.sep_token_id
    first, second = (bertutil.encode(tiny, text).input_ids[0, 1:-1].tolist() for text in TEXTS[:2])
    pair = bertutil.encode(tiny, TEXTS[0], TEXTS[1])
    assert pair.input_ids[0].tolist() == [cls, *first, sep, *second, sep]
    assert pair.token_type_ids[0].tolist() == [0] * (len(first) + 2) + [1] * (len(second) + 1)
    assert (~pair.content_mask[0]).nonzero()[:, 0].tolist() == [0, len(first) + 1, len(first) + len(second) + 2]


def test_places_are_counted_in_the_text_as_it_was_typed(tiny):
    """transformers, test_tokenization_bert.py: test_offsets_with_special_characters."""
    text = "Oui, d\u00e9ja\u0300 vu [MASK] OpenRiver."
    words = bertutil.encode(tiny, text, typed_specials="parse").words[0]
    assert [(word.start, word.end, word.text) for word in words] == [
        (0, 3, "Oui"),
        (3, 4, ","),
        (5, 10, "d\u00e9ja\u0300"),
        (11, 13, "vu"),
        (14, 20, "[MASK]"),
        (21, 30, "OpenRiver"),
        (30, 31, "."),
    ]


def test_for_one_text_the_mask_and_the_segments_are_what_the_model_takes_without_them(tiny):
    """transformers, tests/models/bert/test_modeling_bert.py: test_model."""
    encoding = bertutil.encode(tiny, TEXTS[1])
    with torch.no_grad():
        bare = tiny.model(encoding.input_ids).last_hidden_state
    assert_allclose(bertutil.hidden_states(tiny, encoding, [-1])[:, :, 0], bare, atol=1e-6)


def test_what_stands_at_padding_changes_no_other_token(tiny):
    """transformers, test_modeling_bert.py: test_for_warning_if_padding_and_no_attention_mask."""
    encoding = bertutil.encode(tiny, TEXTS)
    real = encoding.attention_mask.bool()
    assert torch.equal(encoding.input_ids != tiny.tokenizer.pad_token_id, real)
    other = replace(encoding, input_ids=encoding.input_ids.masked_fill(~real, tiny.tokenizer.mask_token_id))
    states, expected = (bertutil.hidden_states(tiny, one) for one in (other, encoding))
    assert_allclose(states[real], expected[real], atol=1e-6)
    assert not torch.equal(states[~real], expected[~real])  # the other ids were there


def test_a_saved_copy_gives_the_same_vectors_in_every_digit(tiny, tmp_path):
    """transformers, test_modeling_bert.py: test_save_load; flair, tests/embedding_test_utils.py:
    test_default_embeddings_stay_the_same_after_saving_and_loading.
    """
    tiny.model.save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    copy = bertutil.load(tmp_path)
    assert np.array_equal(bertutil.embed(copy, TEXTS), bertutil.embed(tiny, TEXTS))
    for found, expected in zip(*(bertutil.embed(one, TEXTS, unit="word") for one in (copy, tiny)), strict=True):
        assert np.array_equal(found, expected)


def test_the_states_are_those_of_the_feature_extraction_pipeline(tiny):
    """transformers, tests/pipelines/test_pipelines_feature_extraction.py: run_pipeline_test."""
    extract = pipeline("feature-extraction", model=tiny.model, tokenizer=tiny.tokenizer, device="cpu")
    encoding = bertutil.encode(tiny, TEXTS)
    states = bertutil.hidden_states(tiny, encoding, [-1])[:, :, 0]
    assert len(states) == len(TEXTS)
    for row, mask, text in zip(states, encoding.attention_mask, TEXTS, strict=True):
        assert_allclose(row[mask.bool()], extract(text)[0], atol=1e-5)


def test_truncated_texts_of_any_length_fill_the_rows_of_a_short_model(small):
    """transformers, test_pipelines_feature_extraction.py: test_tokenization_small_model_pt."""
    bert = small(max_position_embeddings=4)
    texts = ["bak garden", "bak", "bak garden bak", "bak " * 8]
    with pytest.raises(ValueError, match="text 2 has 3 pieces"):  # there in silence; here on request
        bertutil.encode(bert, texts)
    encoding = bertutil.encode(bert, texts, too_long="truncate")
    assert bertutil.hidden_states(bert, encoding, [-1]).shape == (4, 4, 1, 16)
    assert encoding.attention_mask.sum(1).tolist() == [4, 3, 4, 4]


# flair


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a spin , xx \u0304 of it", id="a combining mark alone"),
        pytest.param("some ~ 3nmK - 2 [ 5,6 ] .", id="signs and numbers"),
        pytest.param("\U0001f9a6 \U0001f9a6  \U0001f9a6 \u00fcber", id="emoji and two spaces"),
        pytest.param("\U0001f9a6na \U0001f9a6", id="an emoji before a word"),
        pytest.param("\U0001f9a6", id="one emoji"),
    ],
)
def test_every_word_of_an_odd_text_has_a_vector(tiny, text):
    """flair, tests/embedding_test_utils.py: test_embedding_works_with_weird_text.

    A word of which the tokenizer deletes every character has zeros there; here it is NaN, and can be told apart.
    """
    words = bertutil.encode(tiny, text).words[0]
    (vectors,) = bertutil.embed(tiny, [text], unit="word")
    assert vectors.shape == (len(words), tiny.hidden_size)
    assert np.isfinite(vectors).all(axis=1).tolist() == [word.n_pieces > 0 for word in words]
    assert bertutil.embed(tiny, [text]).shape == (1, tiny.hidden_size)


def test_given_words_of_white_space_keep_their_places(tiny):
    """flair, tests/embedding_test_utils.py: test_embedding_also_sets_trailing_whitespaces.

    There they have vectors; here NaN, since no token stands for them.
    """
    (vectors,) = bertutil.embed(tiny, [["one", " ", "two", "\t"]], unit="word")
    (without,) = bertutil.embed(tiny, [["one", "two"]], unit="word")
    assert np.isnan(vectors).all(axis=1).tolist() == [False, True, False, True]
    assert_allclose(vectors[[0, 2]], without, atol=1e-6)


@pytest.mark.parametrize("unit", ["sentence", "word"])
def test_the_other_order_of_the_texts_is_the_other_order_of_the_vectors(tiny, unit):
    """flair, tests/embedding_test_utils.py: test_keep_batch_order."""
    there, back = (bertutil.embed(tiny, texts, unit=unit) for texts in (TEXTS, TEXTS[::-1]))
    for one, other in zip(there, back[::-1], strict=True):
        assert_allclose(one, other, atol=1e-6)


def test_a_checkpoint_is_loaded_in_evaluation_mode(tiny_folder):
    """flair, tests/embedding_test_utils.py: test_embeddings_load_in_eval_mode."""
    assert not any(module.training for module in bertutil.load(tiny_folder).model.modules())


def test_padding_up_to_the_longest_row_changes_no_vector(tiny):
    """flair, tests/embeddings/test_transformer_word_embeddings.py: test_transformer_force_max_length."""
    short, long = bertutil.encode(tiny, TEXTS[0]), bertutil.encode(tiny, [TEXTS[0], "rain " * 510])
    assert short.input_ids.shape[1] < long.input_ids.shape[1] == tiny.max_length
    expected = bertutil.hidden_states(tiny, short)[0]
    assert_allclose(bertutil.hidden_states(tiny, long)[0, : len(expected)], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "word_index"),
    [
        (["YES", "EMBEDDINGS", "SWIMS", "-"], [-1, 0, 1, 1, 1, 1, 2, 2, 3, -1]),
        (["Is", "n't", "it", "odd"], [-1, 0, 1, 1, 1, 2, 3, -1]),
        (["now", "and", "/", "or", "then", ","], [-1, 0, 1, 2, 3, 4, 5, -1]),
    ],
    ids=["several pieces", "another cut than the tokenizer's", "marks without spaces"],
)
def test_each_piece_belongs_to_the_callers_word(tiny, words, word_index):
    """flair, tests/embeddings/test_transformer_word_embeddings.py: test_token_subtoken_mapping."""
    assert bertutil.encode(tiny, [words]).word_index[0].tolist() == word_index


@pytest.mark.parametrize(
    ("strategy", "pick"),
    [
        ("concat_last_4", lambda each: np.concatenate([each[:, -i] for i in range(1, 5)], axis=1)),
        ("mean_last_4", lambda each: each[:, -4:].mean(axis=1)),
        ("weighted", lambda each: each.mean(axis=1)),
        ("last", lambda each: each[:, -1]),
    ],
    ids=["layers=-1,-2,-3,-4 layer_mean=False", "layers=-1,-2,-3,-4 layer_mean=True", "layers=all", "layers=-1"],
)
def test_the_layers_that_people_choose_there_are_strategies_here(tiny, strategy, pick):
    """flair, tests/embeddings/test_transformer_word_embeddings.py: valid_args; "all" has layer 0 too."""
    encoding = bertutil.encode(tiny, TEXTS[1])
    weights = [1 / (tiny.n_layers + 1)] * (tiny.n_layers + 1) if strategy == "weighted" else None
    vectors = bertutil.combine_layers(bertutil.hidden_states(tiny, encoding), strategy, weights=weights)
    (each,) = bertutil.embed(tiny, TEXTS[1], unit="word", strategy="each")
    assert_allclose(bertutil.pool_words(vectors, encoding)[0], pick(each), atol=1e-5)


def test_a_text_of_many_rows_has_a_vector_for_each_word(tiny):
    """flair, tests/embeddings/test_transformer_word_embeddings.py: test_layoutlmv3_embeddings_with_long_context."""
    (vectors,) = bertutil.embed(tiny, [["a", "calm", "otter"] * 400], unit="word")
    assert vectors.shape == (1200, tiny.hidden_size)
    assert np.isfinite(vectors).all()


# sentence-transformers


def test_token_vectors_are_as_many_as_the_tokenizer_s_ids(tiny):
    """sentence-transformers, tests/test_compute_embeddings.py: test_encode_token_embeddings."""
    found = bertutil.embed(tiny, TEXTS, unit="token", specials=True)
    assert [len(vectors) for vectors in found] == [len(tiny.tokenizer(text)["input_ids"]) for text in TEXTS]


def test_a_text_alone_in_a_list_and_among_others_has_one_vector(tiny):
    """sentence-transformers, tests/test_compute_embeddings.py: test_encode_single_sentences.

    There a str has the shape [features]; here it is one text, [1, features], as everywhere in bertutil.
    """
    alone, listed, among = (bertutil.embed(tiny, texts) for texts in (TEXTS[0], TEXTS[:1], TEXTS))
    assert alone.shape == listed.shape == (1, tiny.hidden_size)
    assert among.shape == (3, tiny.hidden_size)
    assert_allclose(alone, listed)
    assert_allclose(alone[0], among[0], atol=1e-6)


def test_a_tuple_of_texts_is_the_words_of_one_and_a_pair_is_asked_for_by_name(tiny):
    """sentence-transformers, tests/test_compute_embeddings.py: test_encode_tuple_sentences.

    There a tuple is a pair of texts; here a text whose words are given.
    """
    encoding = bertutil.encode(tiny, [("an otter", "slept")])
    assert [word.text for word in encoding.words[0]] == ["an otter", "slept"]
    assert encoding.token_type_ids.sum() == 0
    assert bertutil.encode(tiny, ["an otter"], ["slept"]).token_type_ids.sum() == 2


def test_texts_of_like_meaning_are_nearer_than_others(bert):
    """sentence-transformers, tests/test_sentence_transformer.py: test_similarity_score."""
    texts = ["It rains a lot today.", "Such wet weather outside!", "She repaired her bicycle.", "He fixed his bike."]
    scores = bertutil.cosine_similarity(bertutil.embed(bert, texts, normalize=True))
    assert scores.shape == (4, 4)
    assert_allclose(scores.diagonal(), 1, atol=1e-4)
    assert min(scores[0, 1], scores[2, 3]) > max(scores[0, 2], scores[0, 3], scores[1, 2], scores[1, 3])


def test_weights_in_either_format_give_the_same_vectors(tiny, tmp_path):
    """sentence-transformers, tests/test_sentence_transformer.py: test_load_with_safetensors."""
    for name in ("a", "b"):
        tiny.model.save_pretrained(tmp_path / name)
        tiny.tokenizer.save_pretrained(tmp_path / name)
    (tmp_path / "b" / "model.safetensors").unlink()
    torch.save(tiny.model.state_dict(), tmp_path / "b" / "pytorch_model.bin")
    safe, pickled = (bertutil.embed(bertutil.load(tmp_path / name), TEXTS) for name in ("a", "b"))
    assert np.array_equal(safe, pickled)


def test_a_normalize_module_needs_no_folder(tiny_folder, tmp_path):
    """sentence-transformers, tests/test_sentence_transformer.py: test_load_local_without_normalize_directory."""
    library = pytest.importorskip("sentence_transformers")
    modules = pytest.importorskip("sentence_transformers.sentence_transformer.modules")
    parts = [modules.Transformer(str(tiny_folder)), modules.Pooling(32), modules.Normalize()]
    peer = library.SentenceTransformer(modules=parts, device="cpu")
    peer.save(str(tmp_path))
    folder = tmp_path / "2_Normalize"
    for file in folder.iterdir() if folder.is_dir() else []:
        file.unlink()
    if folder.is_dir():
        folder.rmdir()
    found = bertutil.embed(bertutil.load(tmp_path), TEXTS, normalize=True)
    assert_allclose(found, peer.encode(TEXTS), atol=1e-5)


@pytest.mark.parametrize(
    ("how", "mode"), [("mean", "mean"), ("max", "max"), ("cls", "cls"), ("last", "lasttoken")], ids=str
)
def test_each_way_of_pooling_gives_that_librarys_vector(how, mode):
    """sentence-transformers, tests/modules/test_pooling.py: test_pooling_forward_all_strategies,
    test_pooling_max_respects_attention_mask, test_pooling_lasttoken_finds_last_attended_token.
    """
    modules = pytest.importorskip("sentence_transformers.sentence_transformer.modules")
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 0, 1, 1, 0], [1, 1, 1, 1, 1]])
    vectors = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    vectors[0, 4] = 100.0  # the largest, and masked
    expected = modules.Pooling(8, mode)({"token_embeddings": vectors.clone(), "attention_mask": mask.clone()})
    assert_allclose(bertutil.pool_sentences(vectors, mask, how), expected["sentence_embedding"], atol=1e-6)


def test_the_cosines_of_equal_right_angled_and_opposite_vectors():
    """sentence-transformers, tests/util/test_similarity.py: test_dot_score_cos_sim."""
    found = bertutil.cosine_similarity([[2.0, 0.0]], [[1.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])
    assert found.tolist() == [[1.0, 0.0, -1.0]]


def test_search_finds_what_semantic_search_finds():
    """sentence-transformers, tests/util/test_retrieval.py: test_semantic_search."""
    util = pytest.importorskip("sentence_transformers.util")
    numbers = np.random.default_rng(0)
    corpus, queries = numbers.normal(size=(1000, 100)), numbers.normal(size=(20, 100))
    scores, indices = bertutil.search(queries, corpus, k=10)
    expected = util.semantic_search(
        torch.from_numpy(queries), torch.from_numpy(corpus), top_k=10, query_chunk_size=5, corpus_chunk_size=17
    )
    assert indices.tolist() == [[hit["corpus_id"] for hit in hits] for hits in expected]
    assert_allclose(scores, [[hit["score"] for hit in hits] for hits in expected], atol=1e-6)
