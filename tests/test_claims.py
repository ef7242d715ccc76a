"""The claims of the sources that chapters 1 to 6 treat, by their numbers in the ledger."""

import inspect

import pytest
import torch
from torch.testing import assert_close

import bertutil


@pytest.fixture(scope="module")
def bank(bert, bank_sentence):
    """The article's example: encoding and all hidden states."""
    encoding = bertutil.encode(bert, bank_sentence)
    return encoding, bertutil.hidden_states(bert, encoding)


def test_c01_the_first_sentence_has_14_tokens_and_embeddings_four(bert):
    tokens = bertutil.encode(bert, "Here is the sentence I want embeddings for.").tokens[0]
    assert len(tokens) == 14
    assert tokens[7:11] == ["em", "##bed", "##ding", "##s"]


def test_c02_entries_5000_to_5019_by_id(bert):
    assert bert.tokenizer.convert_ids_to_tokens(range(5000, 5020)) == [
        *("knight", "lap", "survey", "ma", "##ow", "noise", "billy", "##ium", "shooting", "guide"),
        *("bedroom", "priest", "resistance", "motor", "homes", "sounded", "giant", "##mer", "150", "scenes"),
    ]


def test_c03_the_bank_sentence_has_the_articles_ids(bank):
    ids = "101 2044 11065 2769 2013 1996 2924 11632 1010 1996 2924 27307 2001 2464 5645 2006 1996"
    ids += " 5900 2314 2924 1012 102"
    assert bank[0].input_ids.tolist() == [[int(i) for i in ids.split()]]


def test_c04_the_vocabulary_has_30522_entries_of_several_kinds(bert):
    vocabulary = bert.tokenizer.get_vocab()
    assert len(vocabulary) == 30_522
    assert sum(token.startswith("##") for token in vocabulary) == 5_828
    assert sum(token.startswith("[unused") for token in vocabulary) == 994
    assert sum(len(token) == 1 for token in vocabulary) == 997


def test_c05_does_not_hold_one_unknown_character_makes_the_whole_word_unknown(bert):
    for odd in ("love👍", "☃", "✓", "a" * 101):
        assert bertutil.encode(bert, odd).tokens[0] == ["[CLS]", "[UNK]", "[SEP]"]


def test_c06_a_piece_at_the_front_shares_its_entry_with_the_free_word(bert):
    front, free = bertutil.encode(bert, ["embeddings", "em"]).input_ids[:, 1]
    assert front == free


def test_c07_bed_inside_a_word_is_another_entry_than_bed(bert):
    bed, inside = bert.tokenizer.convert_tokens_to_ids(["bed", "##bed"])
    assert bed != inside
    table = bert.model.embeddings.word_embeddings.weight.detach()
    assert bertutil.cosine_similarity(table[bed], table[inside]) < 0.99


def test_c08_the_mean_of_the_pieces_finds_the_word_in_another_sentence(bert):
    words = ["embeddings", "kayaking", "rhubarb", "typewriter", "photosynthesis", "marmalade"]
    first = bertutil.encode(bert, [f"I read a book about {word} last year." for word in words])
    second = bertutil.encode(bert, [f"My sister says that {word} would be her choice." for word in words])
    assert all(first.words[i][5].n_pieces > 1 for i in range(len(words)))
    queries, corpus = (
        bertutil.pool_words(bertutil.combine_layers(bertutil.hidden_states(bert, encoding)), encoding)[:, place]
        for encoding, place in ((first, 5), (second, 4))
    )
    assert bertutil.search(queries, corpus, k=1)[1].flatten().tolist() == list(range(len(words)))


def test_c09_the_special_tokens_can_be_left_out_and_the_other_vectors_move(bert, bank):
    encoding, states = bank
    with torch.no_grad():
        bare = bert.model(
            input_ids=encoding.input_ids[:, 1:-1], attention_mask=encoding.attention_mask[:, 1:-1]
        ).last_hidden_state
    cosines = torch.cosine_similarity(bare[0], states[0, 1:-1, -1], dim=-1)
    assert bare.isfinite().all()
    assert 0.5 < cosines.mean() < 0.999


def test_c10_a_single_sentence_is_segment_0_and_a_pair_0_then_1(bert, bank_sentence):
    assert set(bert.tokenizer(bank_sentence)["token_type_ids"]) == {0}
    pair = bert.tokenizer("First one.", "Second.")
    cut = pair["input_ids"].index(bert.tokenizer.sep_token_id) + 1
    assert pair["token_type_ids"] == [0] * cut + [1] * (len(pair["input_ids"]) - cut)


def test_c11_does_not_hold_the_second_parameter_is_the_attention_mask(bert, bank):
    ids = bank[0].input_ids
    ones = torch.ones_like(ids)
    assert list(inspect.signature(bert.model.forward).parameters)[1] == "attention_mask"
    with torch.no_grad():
        as_written = bert.model(ids, ones).last_hidden_state
        as_mask = bert.model(input_ids=ids, attention_mask=ones).last_hidden_state
        as_segments = bert.model(input_ids=ids, token_type_ids=ones).last_hidden_state
    assert torch.equal(as_written, as_mask)
    assert not torch.allclose(as_written, as_segments, atol=0.1)


def test_c11_an_honest_pair_vector_in_that_place_hides_the_first_sentence(bert):
    def second_half(first):
        encoding = bertutil.encode(bert, first, "It was very good.")
        with torch.no_grad():
            output = bert.model(encoding.input_ids, encoding.token_type_ids).last_hidden_state
        return output[encoding.token_type_ids == 1]

    assert_close(second_half("The soup was hot."), second_half("My dog can sing."), atol=1e-5, rtol=0)


def test_c12_there_is_one_state_more_than_layers(bert, bank):
    assert bank[1].shape == (1, 22, bert.n_layers + 1, bert.hidden_size)
    assert bank[1].numel() == 59_136


def test_c13_most_values_lie_within_2_and_a_few_features_stand_out_in_all_tokens(bert, bank):
    states = bank[1][0]
    assert ((states.abs() <= 2).float().mean(dim=(0, 2)) > 0.95).all()
    for layer in range(1, bert.n_layers):  # the layers between the embeddings and the last
        sizes = states[:, layer].abs()
        outlier = sizes.mean(dim=0).argmax()
        rank = (sizes > sizes[:, outlier, None]).sum(dim=1)  # 0: the largest of all the token's features
        assert rank.median() <= 2
        assert sizes.mean(dim=0)[outlier] > 5 * sizes.mean()


def test_c14_stack_squeeze_permute_works_for_one_text_and_squeeze_does_nothing_for_two(bert, bank):
    def own(encoding):
        with torch.no_grad():
            return bert.model(
                input_ids=encoding.input_ids, attention_mask=encoding.attention_mask, output_hidden_states=True
            ).hidden_states

    encoding, states = bank
    assert torch.equal(torch.stack(own(encoding), dim=0).squeeze(dim=1).permute(1, 0, 2), states[0])
    two = torch.stack(own(bertutil.encode(bert, ["one text", "two texts"])), dim=0)
    assert two.squeeze(dim=1).shape == two.shape
    with pytest.raises(RuntimeError):
        two.squeeze(dim=1).permute(1, 0, 2)


def test_c15_concatenating_four_layers_gives_four_times_the_features_summing_as_many(bert, bank):
    assert bertutil.combine_layers(bank[1], "concat_last_4").shape[-1] == 4 * bert.hidden_size
    assert bertutil.combine_layers(bank[1], "sum_last_4").shape[-1] == bert.hidden_size


def test_c16_a_sentence_vector_is_the_mean_of_the_second_to_last_layer(bert, bank):
    encoding, states = bank
    vector = bertutil.pool_sentences(bertutil.combine_layers(states, "second_to_last"), encoding.attention_mask)
    assert vector.shape == (1, bert.hidden_size)
    assert_close(vector[0], states[0, :, -2].mean(dim=0))


def test_c17_the_two_money_banks_are_more_alike_than_robber_and_river(bank):
    encoding, states = bank
    words = bertutil.pool_words(bertutil.combine_layers(states), encoding)[0]
    vault, robber, river = (words[i] for i, word in enumerate(encoding.words[0]) if word.text == "bank")
    same, different = bertutil.cosine_similarity(robber, torch.stack([vault, river]))[0].tolist()
    assert same == pytest.approx(0.9406, abs=5e-5)
    assert different == pytest.approx(0.8887, abs=5e-5)


def test_c18_a_static_table_has_one_vector_for_bank_and_bert_two(bert):
    encoding = bertutil.encode(
        bert, ["The man was accused of robbing a bank.", "The man went fishing by the bank of the river."]
    )
    places = [tokens.index("bank") for tokens in encoding.tokens]
    ids = encoding.input_ids[[0, 1], places]
    table = bert.model.embeddings.word_embeddings(ids)
    assert torch.equal(table[0], table[1])
    first, second = bertutil.hidden_states(bert, encoding, layers=[-1])[[0, 1], places, 0]
    assert torch.cosine_similarity(first, second, dim=0) < 0.9


def test_c19_holds_with_a_limit_the_first_state_knows_the_position(bank):
    banks = bank[1][0, [6, 10, 19], 0]
    assert not torch.allclose(banks[0], banks[1], atol=0.1)


def test_c25_the_mean_and_the_sum_of_pieces_have_the_same_direction(bank, bert):
    encoding = bertutil.encode(bert, "Here is the sentence I want embeddings for.")
    vectors = bertutil.combine_layers(bertutil.hidden_states(bert, encoding))
    mean, total = (bertutil.pool_words(vectors, encoding, how)[0] for how in ("mean", "sum"))
    assert_close(torch.cosine_similarity(mean, total, dim=-1), torch.ones(len(mean)))


def test_c30_uncased_ignores_case_and_accents(bert):
    assert bertutil.encode(bert, "Naïve CAFÉ").tokens == bertutil.encode(bert, "naive cafe").tokens


def test_c31_there_is_one_vector_per_token_per_layer(bert, bank):
    assert bank[1][0, 6].shape == (bert.n_layers + 1, bert.hidden_size)


def test_c37_the_inputs_can_be_built_by_hand_and_encode_plus_is_gone(bert):
    first, second = "my dog", "barks"
    pieces = [bert.tokenizer.tokenize(text) for text in (first, second)]
    tokens = ["[CLS]", *pieces[0], "[SEP]", *pieces[1], "[SEP]"]
    expected = bert.tokenizer(first, second)
    assert bert.tokenizer.convert_tokens_to_ids(tokens) == expected["input_ids"]
    assert [0] * (len(pieces[0]) + 2) + [1] * (len(pieces[1]) + 1) == expected["token_type_ids"]
    assert [1] * len(tokens) == expected["attention_mask"]
    assert not hasattr(bert.tokenizer, "encode_plus")
