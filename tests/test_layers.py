"""hidden_states() and attentions(): the model's own values, no more of them than asked for."""

from dataclasses import replace

import pytest
import torch

import bertutil


def own_outputs(bert, encoding, **options):
    """What transformers' model returns for the same input."""
    with torch.no_grad():
        return bert.model(
            input_ids=encoding.input_ids,
            attention_mask=encoding.attention_mask,
            token_type_ids=encoding.token_type_ids,
            **options,
        )


@pytest.mark.parametrize("texts", [["A short text."], ["A short text.", "A rather longer text of a few more words."]])
def test_the_states_are_the_models_own_bit_for_bit_for_every_layer(bert, texts):
    encoding = bertutil.encode(bert, texts)
    own = own_outputs(bert, encoding, output_hidden_states=True).hidden_states
    states = bertutil.hidden_states(bert, encoding)
    assert states.shape == (*encoding.input_ids.shape, bert.n_layers + 1, bert.hidden_size)
    for layer, state in enumerate(own):
        assert torch.equal(states[:, :, layer], state)


def test_a_pair_keeps_its_segments(bert):
    encoding = bertutil.encode(bert, "Where is the bank?", "By the river.")
    own = own_outputs(bert, encoding)
    assert torch.equal(bertutil.hidden_states(bert, encoding, [-1])[:, :, 0], own.last_hidden_state)


def test_a_text_alone_and_in_a_padded_batch_have_the_same_states(bert):
    alone = bertutil.encode(bert, "Two words.")
    batch = bertutil.encode(bert, ["Two words.", "A text that is longer, so that the first one is padded."])
    n = alone.input_ids.shape[1]
    torch.testing.assert_close(
        bertutil.hidden_states(bert, batch)[:1, :n], bertutil.hidden_states(bert, alone), atol=1e-5, rtol=0
    )


def test_layers_come_in_the_order_asked_for_and_negative_ones_count_from_the_end(tiny):
    encoding = bertutil.encode(tiny, "in any order")
    every = bertutil.hidden_states(tiny, encoding)
    some = bertutil.hidden_states(tiny, encoding, layers=[-1, 0, 2, 0])
    assert torch.equal(some, every[:, :, [tiny.n_layers, 0, 2, 0]])


@pytest.mark.parametrize("highest", range(4))
def test_no_layer_above_the_highest_one_asked_for_is_computed(tiny, highest):
    called = []
    hooks = [
        layer.register_forward_hook(lambda *_, number=number: called.append(number))
        for number, layer in enumerate(tiny.model.encoder.layer, start=1)
    ]
    bertutil.hidden_states(tiny, bertutil.encode(tiny, "early exit"), layers=[0, highest])
    for hook in hooks:
        hook.remove()
    assert called == list(range(1, highest + 1))


def test_no_gradients_are_kept(tiny):
    assert not bertutil.hidden_states(tiny, bertutil.encode(tiny, "no gradients")).requires_grad
    assert not bertutil.attentions(tiny, bertutil.encode(tiny, "no gradients")).requires_grad


@pytest.mark.parametrize("layers", [[4], [-5], [], 2, [0, 17]])
def test_a_layer_that_does_not_exist_is_refused_with_the_range(tiny, layers):
    with pytest.raises(ValueError, match=r"no layer .* from 0 to 3|give a list"):
        bertutil.hidden_states(tiny, bertutil.encode(tiny, "x"), layers=layers)


@pytest.mark.parametrize("layers", [[1.5], ["1"], "all"])
def test_layers_that_are_no_integers_are_refused(tiny, layers):
    with pytest.raises(TypeError, match="integer"):
        bertutil.hidden_states(tiny, bertutil.encode(tiny, "x"), layers=layers)


@pytest.mark.parametrize("text", ["not encoded", ["not", "encoded"]])
def test_a_text_that_was_not_encoded_is_refused(tiny, text):
    for function in (bertutil.hidden_states, bertutil.attentions):
        with pytest.raises(TypeError, match=r"give what encode\(bert, texts\) returns"):
            function(tiny, text)


def test_a_model_in_training_mode_is_refused(tiny):
    tiny.model.train()
    try:
        with pytest.raises(ValueError, match=r"training mode.*eval\(\)"):
            bertutil.hidden_states(tiny, bertutil.encode(tiny, "dropout"))
    finally:
        tiny.model.eval()


def test_padding_on_the_left_is_refused_with_the_row(tiny):
    encoding = bertutil.encode(tiny, ["short", "a longer text"])
    turned = replace(encoding, attention_mask=encoding.attention_mask.flip(1), input_ids=encoding.input_ids.flip(1))
    with pytest.raises(ValueError, match="row 0 of the attention mask has padding before a token"):
        bertutil.hidden_states(tiny, turned)


def test_a_mask_of_zeros_is_refused_with_the_row(tiny):
    encoding = bertutil.encode(tiny, ["one", "two"])
    mask = encoding.attention_mask.clone()
    mask[1] = 0
    with pytest.raises(ValueError, match="row 1 of the attention mask is all zeros"):
        bertutil.hidden_states(tiny, replace(encoding, attention_mask=mask))


def test_an_empty_batch_gives_empty_states_of_the_right_shape(tiny):
    states = bertutil.hidden_states(tiny, bertutil.encode(tiny, []))
    assert states.shape == (0, 0, tiny.n_layers + 1, tiny.hidden_size)


def test_the_attentions_are_those_of_the_eager_model(bert, bank_sentence):
    encoding = bertutil.encode(bert, [bank_sentence, "A short one."])
    bert.model.set_attn_implementation("eager")
    try:
        own = own_outputs(bert, encoding, output_attentions=True).attentions
    finally:
        bert.model.set_attn_implementation("sdpa")
    torch.testing.assert_close(bertutil.attentions(bert, encoding), torch.stack(own, dim=1), atol=1e-6, rtol=0)


def test_attention_sums_to_one_and_is_exactly_zero_at_padding(tiny):
    encoding = bertutil.encode(tiny, ["short", "quite a bit longer than the other"])
    maps = bertutil.attentions(tiny, encoding)
    assert maps.shape == (2, tiny.n_layers, 4, *encoding.input_ids.shape[1:] * 2)
    torch.testing.assert_close(maps.sum(-1), torch.ones_like(maps.sum(-1)))
    assert (maps[0][..., encoding.attention_mask[0] == 0] == 0).all()


def test_attentions_of_chosen_layers_are_a_part_of_all(tiny):
    encoding = bertutil.encode(tiny, "chosen layers")
    assert torch.equal(
        bertutil.attentions(tiny, encoding, layers=[-1, 0]), bertutil.attentions(tiny, encoding)[:, [2, 0]]
    )
