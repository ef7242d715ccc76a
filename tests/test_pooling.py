"""combine_layers(), pool_words() and pool_sentences(): laws of shape and value."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

import bertutil

HOWS = ("mean", "max", "first", "last")


def some_states(layers=5, rows=2, tokens=3, features=4):
    """States in which every value is different."""
    shape = (rows, tokens, layers, features)
    return torch.arange(rows * tokens * layers * features, dtype=torch.float32).reshape(shape)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("embeddings", lambda s: s[:, :, 0]),
        ("last", lambda s: s[:, :, 4]),
        ("second_to_last", lambda s: s[:, :, 3]),
        ("sum_last_4", lambda s: s[:, :, 1] + s[:, :, 2] + s[:, :, 3] + s[:, :, 4]),
        ("mean_last_4", lambda s: (s[:, :, 2] + s[:, :, 3] + s[:, :, 4] + s[:, :, 5]) / 4),
        ("concat_last_4", lambda s: torch.cat([s[:, :, 5], s[:, :, 4], s[:, :, 3], s[:, :, 2]], dim=-1)),
        ("sum_all", lambda s: s[:, :, 1] + s[:, :, 2]),
        ("mean_all", lambda s: (s[:, :, 1] + s[:, :, 2] + s[:, :, 3]) / 3),
        ("concat_all", lambda s: torch.cat([s[:, :, 2], s[:, :, 1]], dim=-1)),
    ],
)
def test_each_strategy_takes_its_layers_by_index(strategy, expected):
    layers = {"mean_last_4": 6, "concat_last_4": 6, "sum_all": 3, "mean_all": 4, "concat_all": 3}.get(strategy, 5)
    states = some_states(layers)
    assert_close(bertutil.combine_layers(states, strategy), expected(states))


def test_weighted_adds_each_state_times_its_weight():
    states = some_states(layers=3)
    expected = 0.5 * states[:, :, 0] - states[:, :, 2]
    assert_close(bertutil.combine_layers(states, "weighted", weights=[0.5, 0, -1]), expected)


def test_the_default_strategy_is_the_sum_of_the_last_four():
    states = some_states()
    assert torch.equal(bertutil.combine_layers(states), bertutil.combine_layers(states, "sum_last_4"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "last_four"}, "unknown strategy 'last_four'.*sum_last_4"),
        ({"strategy": "weighted"}, "weights go with"),
        ({"strategy": "last", "weights": [1, 1]}, "weights go with"),
        ({"strategy": "weighted", "weights": [1, 1]}, r"3 layers and weights has the shape \[2\]"),
        ({"strategy": "sum_last_4"}, "needs 4 layers at least, and the states have 3"),
    ],
)
def test_a_wrong_strategy_or_wrong_weights_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        bertutil.combine_layers(some_states(layers=3), **arguments)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("mean", lambda p: p.mean(0)),
        ("sum", lambda p: p.sum(0)),
        ("first", lambda p: p[0]),
        ("last", lambda p: p[-1]),
        ("max", lambda p: p.amax(0)),
    ],
)
def test_a_words_vector_is_pooled_from_its_own_pieces(tiny, how, expected):
    encoding = bertutil.encode(tiny, ["no pieces of others", "the embeddings here"])
    vectors = torch.randn(*encoding.input_ids.shape, 8, generator=torch.Generator().manual_seed(0))
    pooled = bertutil.pool_words(vectors, encoding, how)
    assert encoding.tokens[1][2:6] == ["em", "##bed", "##ding", "##s"]
    assert_close(pooled[1, 1], expected(vectors[1, 2:6]))
    assert_close(pooled[1, 0], vectors[1, 1])


@pytest.mark.parametrize("how", ["mean", "sum", "first", "last", "max"])
def test_a_word_without_a_piece_is_nan_and_so_is_the_padding_behind_the_words(tiny, how):
    encoding = bertutil.encode(tiny, [["river", "\u200b", "bank"], ["bank"]])
    pooled = bertutil.pool_words(torch.ones(*encoding.input_ids.shape, 2), encoding, how)
    assert pooled.shape == (2, 3, 2)
    assert pooled.isnan().all(dim=-1).tolist() == [[False, True, False], [False, True, True]]


@pytest.mark.parametrize("how", ["mean", "sum", "first", "last", "max"])
def test_of_a_piece_that_two_windows_show_the_central_one_counts(tiny, how):
    encoding = bertutil.encode(tiny, "a " * 700, too_long="window", stride=100)
    vectors = torch.arange(encoding.input_ids.numel(), dtype=torch.float32).reshape(*encoding.input_ids.shape, 1)
    assert encoding.content_mask.sum() == 800
    assert torch.equal(bertutil.pool_words(vectors, encoding, how)[0], vectors[encoding.central])


def test_negative_vectors_stay_negative_under_max(tiny):
    encoding = bertutil.encode(tiny, ["embeddings", "one and two"])
    pooled = bertutil.pool_words(torch.full((*encoding.input_ids.shape, 2), -3.0), encoding, "max")
    assert (pooled[0, 0] == -3).all()


def test_vectors_of_another_encoding_are_refused(tiny):
    encoding = bertutil.encode(tiny, "one text")
    with pytest.raises(ValueError, match=r"\[1, 9\] \[rows, tokens\], the encoding has \[1, 4\]"):
        bertutil.pool_words(torch.ones(1, 9, 2), encoding)


def test_vectors_with_an_axis_too_many_or_too_few_are_refused(tiny):
    encoding = bertutil.encode(tiny, "one text")
    states = bertutil.hidden_states(tiny, encoding)
    with pytest.raises(ValueError, match=r"shape \[1, 4, 4, 32\], .* be \[rows, tokens, features\].*combine_layers"):
        bertutil.pool_words(states, encoding)
    with pytest.raises(ValueError, match=r"shape \[1, 4, 4, 32\], .* be \[rows, tokens, features\].*combine_layers"):
        bertutil.pool_sentences(states, encoding.attention_mask)
    with pytest.raises(ValueError, match=r"shape \[1, 4, 32\], .* be \[rows, tokens, layers, features\]"):
        bertutil.combine_layers(states[:, :, -1])


def test_a_mask_may_be_an_array_or_a_list():
    vectors, mask = torch.randn(2, 3, 4), torch.tensor([[1, 1, 0], [1, 1, 1]])
    for same in (mask.numpy(), mask.tolist(), mask.bool().numpy()):
        assert torch.equal(bertutil.pool_sentences(vectors, same), bertutil.pool_sentences(vectors, mask))


def test_an_unknown_way_of_pooling_is_refused(tiny):
    encoding = bertutil.encode(tiny, "one text")
    with pytest.raises(ValueError, match="how is 'average'"):
        bertutil.pool_words(torch.ones(1, 4, 2), encoding, "average")
    with pytest.raises(ValueError, match="how is 'average'"):
        bertutil.pool_sentences(torch.ones(1, 4, 2), encoding.attention_mask, "average")


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_pooling_a_sentence_sees_nothing_but_the_tokens_of_its_mask(data):
    rows, tokens, features = (data.draw(st.integers(1, 5)) for _ in range(3))
    mask = torch.tensor(
        data.draw(
            st.lists(
                st.lists(st.booleans(), min_size=tokens, max_size=tokens).filter(any), min_size=rows, max_size=rows
            )
        )
    )
    vectors = torch.randn(rows, tokens, features) - 5
    spoiled = vectors.masked_fill(~mask[:, :, None], data.draw(st.sampled_from([0.0, 1e9, -1e9, float("nan")])))
    by_hand = {
        "mean": lambda v: v.mean(0),
        "max": lambda v: v.amax(0),
        "first": lambda v: v[0],
        "last": lambda v: v[-1],
        "mean_max": lambda v: torch.cat([v.mean(0), v.amax(0)]),
    }
    for how, pool in by_hand.items():
        expected = torch.stack([pool(vectors[row][mask[row]]) for row in range(rows)])
        assert_close(bertutil.pool_sentences(spoiled, mask, how), expected)
        assert_close(bertutil.pool_sentences(spoiled, mask.long(), how), expected)


def test_cls_is_the_first_token_whatever_the_mask():
    vectors = torch.randn(2, 3, 4)
    mask = torch.tensor([[0, 1, 1], [0, 0, 0]])
    assert torch.equal(bertutil.pool_sentences(vectors, mask, "cls"), vectors[:, 0])


@pytest.mark.parametrize("how", ["mean", "max", "mean_max", "first", "last"])
def test_a_row_without_a_token_is_refused_by_its_index(how):
    with pytest.raises(ValueError, match="row 1 has no token"):
        bertutil.pool_sentences(torch.ones(2, 3, 4), torch.tensor([[1, 0, 0], [0, 0, 0]]), how)


def test_a_mask_of_token_ids_or_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="values other than 0 and 1"):
        bertutil.pool_sentences(torch.ones(1, 3, 4), torch.tensor([[101, 7592, 102]]))
    with pytest.raises(ValueError, match=r"shape \[1, 2\]"):
        bertutil.pool_sentences(torch.ones(1, 3, 4), torch.ones(1, 2))


@pytest.mark.parametrize(
    ("how", "width"), [("mean", 4), ("max", 4), ("mean_max", 8), ("cls", 4), ("first", 4), ("last", 4)]
)
def test_no_rows_give_no_vectors_of_the_right_width(how, width):
    assert bertutil.pool_sentences(torch.ones(0, 0, 4), torch.ones(0, 0), how).shape == (0, width)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_pooled_in_float32(tiny, dtype):
    encoding = bertutil.encode(tiny, "some embeddings")
    vectors = torch.randn(*encoding.input_ids.shape, 5, 4).to(dtype)
    for result in (
        bertutil.combine_layers(vectors, "sum_all"),
        bertutil.pool_words(vectors[:, :, 0], encoding),
        bertutil.pool_sentences(vectors[:, :, 0], encoding.attention_mask),
    ):
        assert result.dtype == torch.float32
    assert_close(bertutil.combine_layers(vectors, "sum_all"), vectors[:, :, 1:].float().sum(2))


def test_sentence_vectors_are_those_of_sentence_transformers(bert, bank_sentence):
    from sentence_transformers import SentenceTransformer

    texts = [bank_sentence, "Short.", "Naïve café, don't you think?", "A text of middling length, for the batch."]
    folder = bertutil.checkpoints.locate("minilm")
    expected = SentenceTransformer(str(folder), device="cpu").encode(texts, convert_to_tensor=True)
    encoding = bertutil.encode(bert, texts)
    last = bertutil.hidden_states(bert, encoding, layers=[-1])[:, :, 0]
    pooled = bertutil.pool_sentences(last, encoding.attention_mask)
    assert_close(torch.nn.functional.normalize(pooled), expected, atol=1e-6, rtol=0)
