"""The rivals of a word's own states: what each of them is, and how its accuracy is counted."""

import random

import numpy as np
import pytest
import torch

import bertutil
from bertutil.course import rivals
from bertutil.course.datasets import Sense
from bertutil.static import StaticVectors

ROWS = [
    Sense("bank", "money", "The bank, she says, has closed my account."),
    Sense("bank", "river", "Reeds grow along the bank of the stream."),
    Sense("bank", "money", "Ask at the bank for a better loan."),
    Sense("bank", "river", "Two herons stood on the far Bank!"),
]


@pytest.fixture(scope="module")
def states(tiny):
    return rivals.sense_states(tiny, ROWS)


def vectors_of(bert, words):
    """The states of the words of one sentence, through encode() and hidden_states()."""
    encoding = bertutil.encode(bert, [words])
    found = bertutil.hidden_states(bert, encoding)[0]
    return [found[encoding.word_index[0] == j].mean(dim=0) for j in range(len(words))]


def near(one, other):
    torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


def test_a_rival_has_one_draw_where_no_chance_is_in_it(states, tiny):
    assert {name: list(found.shape) for name, found in states.items()} == {
        rivals.WORD: [1, 4, tiny.n_layers + 1, 32],
        rivals.OTHERS: [1, 4, tiny.n_layers + 1, 32],
        rivals.MASK: [1, 4, tiny.n_layers + 1, 32],
        rivals.SHUFFLED: [rivals.SHUFFLES, 4, tiny.n_layers + 1, 32],
        rivals.FUNCTION: [rivals.FUNCTION_DRAWS, 4, tiny.n_layers + 1, 32],
    }


def test_a_sentence_is_split_into_words_and_marks_and_its_word_found_whatever_its_capitals():
    texts, places = rivals.split_rows(ROWS)
    assert texts[0] == ["The", "bank", ",", "she", "says", ",", "has", "closed", "my", "account", "."]
    assert places == [1, 4, 3, 6]


def test_the_word_itself_is_the_state_of_the_target(states, tiny):
    texts, places = rivals.split_rows(ROWS)
    for i, (text, place) in enumerate(zip(texts, places, strict=True)):
        near(states[rivals.WORD][0, i], vectors_of(tiny, text)[place])


def test_word_states_are_the_word_itself_alone(states, tiny):
    assert torch.equal(rivals.word_states(tiny, ROWS), states[rivals.WORD])


def test_the_other_words_are_all_but_the_target_and_the_marks(states, tiny):
    text = rivals.split_rows(ROWS)[0][0]
    found = vectors_of(tiny, text)
    near(states[rivals.OTHERS][0, 0], torch.stack([found[j] for j in (0, 3, 4, 6, 7, 8, 9)]).mean(dim=0))


def test_the_mask_stands_in_the_place_of_the_word(states, tiny):
    sentence = "Reeds grow along the [MASK] of the stream."
    encoding = bertutil.encode(tiny, [sentence], typed_specials="parse")
    place = encoding.tokens[0].index("[MASK]")
    near(states[rivals.MASK][0, 1], bertutil.hidden_states(tiny, encoding)[0, place])


def test_a_masked_word_of_several_pieces_is_their_mean(tiny):
    rows = [Sense("teapot", "a", "The teapot is hot."), Sense("teapot", "b", "My teapot broke.")]
    encoding = bertutil.encode(tiny, ["The [MASK] [MASK] is hot."], typed_specials="parse")
    by_hand = bertutil.hidden_states(tiny, encoding)[0, 2:4].mean(dim=0)
    near(rivals.sense_states(tiny, rows)[rivals.MASK][0, 0], by_hand)


def test_the_mask_does_not_depend_on_how_the_rows_are_batched(states, tiny, monkeypatch):
    monkeypatch.setattr(rivals, "BATCH", 3)
    near(rivals.sense_states(tiny, ROWS)[rivals.MASK], states[rivals.MASK])


def test_shuffling_leaves_the_word_and_the_marks_where_they_are():
    text = ["The", "bank", ",", "she", "says", ",", "has", "closed", "."]
    mixed = [rivals._shuffled(text, 1, random.Random(seed)) for seed in range(20)]
    assert all([words[j] for j in (1, 2, 5, 8)] == ["bank", ",", ",", "."] for words in mixed)
    assert all(sorted(words) == sorted(text) for words in mixed)
    assert len(set(map(tuple, mixed))) > 15


def test_the_draws_of_shuffled_words_differ(states):
    first, second, _ = states[rivals.SHUFFLED][:, :, -1]
    assert not torch.allclose(first, second, atol=1e-4)


def test_at_layer_0_a_shuffled_context_leaves_the_word_as_it_is(states):
    for draw in states[rivals.SHUFFLED][:, 2]:  # a sentence of words that have one piece each: no position moves
        near(draw[0], states[rivals.WORD][0, 2, 0])


def test_a_function_word_is_drawn_from_those_of_the_sentence(states, tiny):
    text = rivals.split_rows(ROWS)[0][1]
    stops = [v for word, v in zip(text, vectors_of(tiny, text), strict=True) if word in {"along", "the", "of"}]
    for draw in states[rivals.FUNCTION][:, 1]:
        assert min(float((draw - stop).abs().max()) for stop in stops) < 1e-4


def test_where_there_is_no_function_word_any_other_word_is_drawn(tiny):
    rows = [Sense("seal", "a", "Seal envelopes carefully."), Sense("seal", "b", "Seal pups bark.")]
    assert not rivals.sense_states(tiny, rows)[rivals.FUNCTION].isnan().any()


def test_the_same_seed_draws_the_same(states, tiny):
    again, other = rivals.sense_states(tiny, ROWS), rivals.sense_states(tiny, ROWS, seed=1)
    assert torch.equal(again[rivals.SHUFFLED], states[rivals.SHUFFLED])
    assert not torch.equal(other[rivals.FUNCTION], states[rivals.FUNCTION])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (Sense("bank", "money", "Both banks closed."), "row 1: 'bank' is no word of 'Both banks closed.'"),
        (Sense("bank", "money", "Bank!"), "row 1: 'Bank!' has no other word"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tiny, row, message):
    with pytest.raises(ValueError, match=message):
        rivals.sense_states(tiny, [ROWS[0], row])


def test_random_weights_have_the_form_of_the_checkpoint_and_other_values(tiny):
    copy = rivals.random_copy(tiny, seed=1)
    shapes = [{k: v.shape for k, v in each.model.state_dict().items()} for each in (tiny, copy)]
    assert shapes[0] == shapes[1]
    assert copy.name == f"{tiny.name}, random weights"
    assert not torch.equal(copy.model.pooler.dense.weight, tiny.model.pooler.dense.weight)
    assert torch.equal(copy.model.pooler.dense.weight, rivals.random_copy(tiny, seed=1).model.pooler.dense.weight)


def test_random_weights_leave_the_random_numbers_of_others_alone(tiny):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    rivals.random_copy(tiny)
    assert torch.equal(torch.rand(3), expected)


# --- Static averages ---


@pytest.fixture
def words():
    """A table in which each word has a direction of its own; "the" is the most frequent."""
    names = ["the", "money", "loan", "account", "stream"]
    return StaticVectors(names, torch.eye(5))


def test_a_static_average_takes_the_known_words_of_the_context(tiny, words):
    rows = [Sense("bank", "a", "The money of the bank, a loan."), Sense("bank", "b", "The stream: a bank.")]
    found = rivals.static_contexts(tiny, words, rows)["GloVe, stop words out"]
    expected = torch.tensor([[0, 0.5, 0.5, 0, 0], [0, 0, 0, 0, 1]], dtype=torch.double)
    torch.testing.assert_close(found, expected)


def test_with_sif_a_rarer_word_weighs_more(tiny, words):
    rows = [Sense("bank", "a", "Money or a loan, said the bank."), Sense("bank", "b", "The stream: a bank.")]
    (_, money, loan, *_), _ = rivals.static_contexts(tiny, words, rows)["GloVe, SIF"]
    total = np.log(5) + 0.5772
    ratio = (0.001 + 1 / (2 * total)) / (0.001 + 1 / (3 * total))
    assert float(loan / money) == pytest.approx(ratio)


def test_centred_averages_have_the_mean_0(tiny, words):
    for name, found in rivals.static_contexts(tiny, words, ROWS).items():
        assert ("centred" in name) == bool(found.mean(dim=0).abs().max() < 1e-6), name


def test_a_sentence_without_a_known_word_gets_the_mean_of_the_others(tiny, words):
    found = rivals.static_contexts(tiny, words, ROWS)["GloVe, stop words out"]
    unknown = found[3]  # herons, stood, far
    torch.testing.assert_close(unknown, found[:3].mean(dim=0))


def test_the_input_table_gives_a_word_the_mean_of_its_pieces(tiny):
    table = tiny.model.embeddings.word_embeddings.weight
    ids = tiny.tokenizer.convert_tokens_to_ids(["tea", "##pot"])
    torch.testing.assert_close(rivals.table_rows(tiny, ["teapot"])[0], table[ids].mean(dim=0).detach())


# --- Accuracy ---


def test_accuracy_is_one_number_a_word_in_the_order_in_which_they_come():
    rows = [Sense(word, sense, "") for word in ("seal", "bank") for sense in "aabb"]
    vectors = torch.tensor([[1, 0], [1, 0.1], [0, 1], [0.1, 1], [1, 0], [0, 1], [1, 0.1], [0.1, 1]])
    assert rivals.accuracy_by_word(vectors, rows).tolist() == [1, 0]


def test_accuracies_are_the_mean_over_the_draws():
    rows = [Sense("seal", sense, "") for sense in "aabb"]
    right = torch.tensor([[1, 0], [1, 0.1], [0, 1], [0.1, 1]])
    states = torch.stack([torch.stack([right, right], dim=1), torch.stack([right, right[[0, 2, 1, 3]]], dim=1)])
    assert rivals.accuracies(states, rows).tolist() == [[1, 0.5]]


def test_guessing_is_the_chance_of_another_row_of_the_same_sense():
    rows = [Sense("seal", sense, "") for sense in "aaabbb"] + [Sense("bank", sense, "") for sense in "aabbcc"]
    assert rivals.guessing(rows).tolist() == pytest.approx([2 / 5, 1 / 5])


def test_the_centroid_leaves_the_row_itself_out():
    vectors, labels = torch.tensor([[1.0, 0], [0, 1], [1, 0], [0, 1]]), ["a", "a", "b", "b"]
    assert rivals.centroid_accuracy(vectors, labels) == 0


def test_the_centroid_is_the_mean_of_a_label():
    """Row 0 has its nearest neighbour in b, and the middle of a is nearer to it."""
    vectors = torch.tensor([[1.0, 0.0], [1, 0.5], [1, -0.5], [1, 0.1], [-1, 3.0]])
    labels = ["a", "a", "a", "b", "b"]
    hits = [1, 1, 1, 0, 1]
    assert rivals.centroid_accuracy(vectors, labels) == pytest.approx(sum(hits) / 5)


def test_equally_near_centroids_share():
    assert rivals.centroid_accuracy(torch.ones(6, 3), list("aabbcc")) == pytest.approx(1 / 3)


def test_a_label_with_one_row_is_refused():
    with pytest.raises(ValueError, match="one row only"):
        rivals.centroid_accuracy(torch.ones(3, 2), ["a", "a", "b"])


def test_hits_are_counted_row_by_row_among_the_rows_of_the_same_word():
    rows = [Sense(word, sense, "") for sense in "aabb" for word in ("seal", "bank")]
    seal = torch.tensor([[1, 0], [1, 0.1], [0, 1], [0.1, 1]])
    vectors = torch.stack([seal, seal[[0, 2, 1, 3]]], dim=1).flatten(0, 1)
    assert rivals.hits_by_row(vectors, rows).tolist() == [1, 0, 1, 0, 1, 0, 1, 0]


def test_the_comparison_has_every_rival_with_a_number_for_each_word(tiny, words):
    rows = ROWS + [Sense("seal", row.sense, row.sentence.lower().replace("bank", "seal")) for row in ROWS]
    found = rivals.compare(tiny, words, rows, "input table, SIF")
    assert {name: values.shape for name, values in found.items()} == {
        **dict.fromkeys([rivals.WORD, rivals.OTHERS, rivals.MASK, rivals.SHUFFLED, rivals.FUNCTION], (2, 4)),
        rivals.RANDOM: (2, 4),
        "input table, SIF": (2, 1),
        rivals.GUESSING: (2, 1),
    }
    by_hand = rivals.sense_states(tiny, rows)[rivals.OTHERS][0, :, -1]
    assert found[rivals.OTHERS][:, -1].tolist() == rivals.accuracy_by_word(by_hand, rows).tolist()
