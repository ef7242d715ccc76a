"""A model that was edited after it was loaded: embed() and hidden_states() give what its own forward gives."""

import copy
from types import MethodType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.modules import module as torch_module
from torch.nn.utils import parametrize
from transformers import AttentionInterface, BertConfig, BertModel
from transformers.models.bert.modeling_bert import BertLayer, BertSelfAttention

import bertutil
from bertutil import layers

TEXTS = ["The bank of the river.", "He robbed a bank, they say, and was never seen again.", "bank", "Don't!"]


@pytest.fixture(scope="module")
def original(bert):
    """Three layers with large random weights, so that each edit shows."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    return bertutil.Bert("tiny", bert.tokenizer, BertModel(BertConfig(**sizes, initializer_range=0.3)).eval())


@pytest.fixture
def fresh(original):
    return bertutil.Bert("tiny", original.tokenizer, copy.deepcopy(original.model))


def own(bert, encoding):
    """[rows, tokens, layers, features], by the model itself."""
    names = ("input_ids", "token_type_ids", "attention_mask")
    with torch.no_grad():
        inputs = {name: getattr(encoding, name) for name in names}
        return torch.stack(bert.model(**inputs, output_hidden_states=True).hidden_states, dim=2)


def off(bert):
    """The largest difference to the model's own states, of hidden_states() and of embed()."""
    encoding = bertutil.encode(bert, TEXTS)
    expected, mask = own(bert, encoding).float(), encoding.attention_mask.bool()
    states = bertutil.hidden_states(bert, encoding).float()
    tokens = bertutil.embed(bert, TEXTS, unit="token", strategy="each", specials=True)
    off_states = (states - expected)[mask].abs().max().item()
    found = torch.cat([torch.as_tensor(rows) for rows in tokens])
    early = bertutil.hidden_states(bert, encoding, [1])[:, :, 0].float()
    assert torch.allclose(early[mask], expected[:, :, 1][mask], atol=1e-5)
    return max(off_states, (found - expected[mask]).abs().max().item())


# --- The edits ----------------------------------------------------------------------------------------------------


class Lora(nn.Module):
    def __init__(self, base):
        super().__init__()
        torch.manual_seed(1)
        self.base, self.down, self.up = base, nn.Linear(32, 2, bias=False), nn.Linear(2, 32, bias=False)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


class Rms(nn.Module):
    def forward(self, x):
        return x / x.square().mean(dim=-1, keepdim=True).sqrt()


class Softmax(nn.Module):
    def forward(self, x):  # over the tokens: it sees which rows stand together, and padding
        return x.softmax(dim=1)


class OwnAttention(BertSelfAttention):
    def forward(self, *args, **kwargs):
        out, weights = super().forward(*args, **kwargs)
        return out * 2, weights


class OwnLayer(BertLayer):
    def forward(self, *args, **kwargs):
        return super().forward(*args, **kwargs) * 1.5


def doubled(module, inputs, output):
    if torch.is_tensor(output):
        return output * 2
    if isinstance(output, tuple):
        return output[0] * 2, *output[1:]
    output.last_hidden_state = output.last_hidden_state * 2
    return output


def first_token_off(module, inputs, output):
    output = output.clone()
    output[:, 0] = 0
    return output


def change_input(module, inputs):
    return (inputs[0] + inputs[0].sin(), *inputs[1:])


def change_named_input(module, args, kwargs):
    return (args[0] * 1.5, *args[1:]), kwargs


PLACES = {
    "the layer": lambda m: m.encoder.layer[1],
    "the first layer": lambda m: m.encoder.layer[0],
    "the attention": lambda m: m.encoder.layer[1].attention,
    "the self-attention": lambda m: m.encoder.layer[1].attention.self,
    "a query": lambda m: m.encoder.layer[0].attention.self.query,
    "a dense part": lambda m: m.encoder.layer[1].output.dense,
    "a norm": lambda m: m.encoder.layer[2].attention.output.LayerNorm,
    "a dropout": lambda m: m.encoder.layer[1].output.dropout,
    "an activation": lambda m: m.encoder.layer[1].intermediate.intermediate_act_fn,
    "the embeddings": lambda m: m.embeddings,
    "the table": lambda m: m.embeddings.word_embeddings,
    "the encoder": lambda m: m.encoder,
    "the model": lambda m: m,
}
TOKENWISE = ["the layer", "a query", "a dense part", "a norm", "a dropout", "the embeddings", "the table"]


def replace(place, name, make):
    def edit(model):
        part = PLACES[place](model)
        setattr(part, name, make(getattr(part, name)))

    return edit


def patch_forward(place, times=1.5):
    def edit(model):
        part = PLACES[place](model)
        forward = part.forward

        def patched(*args, **kwargs):
            out = forward(*args, **kwargs)
            return out * times if torch.is_tensor(out) else (out[0] * times, *out[1:])

        part.forward = patched

    return edit


def patched_encoder(model):
    def forward(self, hidden_states, *args, **kwargs):
        return type(self).forward(self, hidden_states * 1.5, *args, **kwargs)

    model.encoder.forward = MethodType(forward, model.encoder)


def patched_model(model):
    forward = model.forward
    model.forward = lambda input_ids, **kwargs: forward(input_ids.flip(1), **kwargs)


class Halved(nn.Module):
    def forward(self, weight):
        return weight / 2


def own_attention(model):
    attention = model.encoder.layer[1].attention
    new = OwnAttention(model.config).eval()
    new.load_state_dict(attention.self.state_dict())
    attention.self = new


def registered_attention(model):
    def attend(module, query, key, value, attention_mask, **_):
        return value.transpose(1, 2).contiguous(), None

    AttentionInterface.register("test_values_only", attend)
    model.config._attn_implementation = "test_values_only"


def own_layer(model):
    new = OwnLayer(model.config).eval()
    new.load_state_dict(model.encoder.layer[1].state_dict())
    model.encoder.layer[1] = new


def function_for_activation(model):
    part = model.encoder.layer[0].intermediate
    del part.intermediate_act_fn
    part.intermediate_act_fn = torch.tanh


def lower_scale(model):
    model.encoder.layer[1].attention.self.scaling = 0.1


def other_positions(model):
    model.embeddings.position_ids = model.embeddings.position_ids.flip(1)


def cut_off(model):
    model.encoder.layer = model.encoder.layer[:2]


def swapped(model):
    model.encoder.layer = nn.ModuleList([model.encoder.layer[i] for i in (2, 0, 1)])


def epsilon(model):
    model.encoder.layer[0].output.LayerNorm.eps = 1.0


def causal(model):
    model.config.is_decoder = True


EDITS = {
    **{f"hook on {place}": lambda m, p=place: PLACES[p](m).register_forward_hook(doubled) for place in PLACES},
    **{
        f"input of {place}": lambda m, p=place: PLACES[p](m).register_forward_pre_hook(change_input)
        for place in ("the layer", "the first layer", "a dense part", "a norm", "the encoder")
    },
    **{
        f"first token of {place}": lambda m, p=place: PLACES[p](m).register_forward_hook(first_token_off)
        for place in TOKENWISE
    },
    **{f"forward of {place}": patch_forward(place) for place in [*TOKENWISE, "the attention", "the self-attention"]},
    "named input of the layer": lambda m: PLACES["the layer"](m).register_forward_pre_hook(
        change_named_input, with_kwargs=True
    ),
    "named hook on the layer": lambda m: PLACES["the layer"](m).register_forward_hook(
        lambda module, args, kwargs, out: out + 1, with_kwargs=True
    ),
    "two hooks on the layer": lambda m: [
        PLACES["the layer"](m).register_forward_hook(lambda module, inputs, out, k=k: out * k) for k in (2, -1)
    ],
    "ReLU": lambda m: [setattr(layer.intermediate, "intermediate_act_fn", nn.ReLU()) for layer in m.encoder.layer],
    "an activation that is a function": function_for_activation,
    "an activation over the tokens": lambda m: setattr(
        m.encoder.layer[2].intermediate, "intermediate_act_fn", Softmax()
    ),
    "another act of GELU": lambda m: setattr(m.encoder.layer[1].intermediate.intermediate_act_fn, "act", torch.sin),
    "another norm": lambda m: setattr(m.encoder.layer[1].output, "LayerNorm", Rms()),
    "a dense part that does nothing": lambda m: setattr(m.encoder.layer[1].attention.output, "dense", nn.Dropout()),
    "a dropout that is a norm": lambda m: setattr(m.encoder.layer[1].output, "dropout", nn.LayerNorm(32)),
    "LoRA": lambda m: setattr(
        m.encoder.layer[0].attention.self, "query", Lora(m.encoder.layer[0].attention.self.query)
    ),
    "parametrized weight": lambda m: parametrize.register_parametrization(
        m.encoder.layer[0].output.dense, "weight", Halved()
    ),
    "attention of one's own": own_attention,
    "a registered attention": registered_attention,
    "a layer of one's own": own_layer,
    "a lower scale": lower_scale,
    "other positions": other_positions,
    "layers cut off": cut_off,
    "layers swapped": swapped,
    "another epsilon": epsilon,
    "a causal mask": causal,
    "patched encoder": patched_encoder,
    "patched model": patched_model,
    "eager": lambda m: setattr(m.config, "_attn_implementation", "eager"),
    "new weights": lambda m: m.encoder.layer[0].output.dense.weight.data.mul_(3),
    "no pooler": lambda m: setattr(m, "pooler", None),
}
UNSEEN = {"eager", "no pooler", "hook on the model"}  # they change no hidden state


# --- What must hold -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_followed(fresh, name):
    before = own(fresh, bertutil.encode(fresh, TEXTS))[:, :, -1]
    bare = bertutil.Bert("tiny", fresh.tokenizer, copy.deepcopy(fresh.model))  # had its recording hooks before
    new = bertutil.Bert("tiny", fresh.tokenizer, BertModel(fresh.model.config).eval())  # gets them after the edit
    new.model.load_state_dict(fresh.model.state_dict())
    for bert in (bare, new):
        if name == "a layer of one's own" and bert is bare:
            continue  # transformers puts its recording hooks in once, and this layer comes later
        bertutil.embed(bert, TEXTS)
        EDITS[name](bert.model)
        bert.model.eval()
        assert off(bert) < 1e-5
        after = own(bert, bertutil.encode(bert, TEXTS))[:, :, -1]
        assert name in UNSEEN or (after - before).abs().max() > 1e-3  # the edit shows


@pytest.mark.parametrize("place", PLACES)
def test_a_hook_that_was_removed_is_forgotten(fresh, place):
    expected = bertutil.embed(fresh, TEXTS)
    handle = PLACES[place](fresh.model).register_forward_hook(doubled)
    bertutil.embed(fresh, TEXTS)
    handle.remove()
    assert abs(bertutil.embed(fresh, TEXTS) - expected).max() < 1e-6


@pytest.mark.parametrize("register", [torch_module.register_module_forward_hook])
def test_a_global_hook_is_followed(fresh, register):
    def hook(module, inputs, output):
        return output * 1.5 if isinstance(module, nn.LayerNorm | BertLayer) else None

    expected = bertutil.embed(fresh, TEXTS)
    handle = register(hook)
    try:
        assert off(fresh) < 1e-5
        assert abs(bertutil.embed(fresh, TEXTS) - expected).max() > 1e-2
    finally:
        handle.remove()


def test_a_global_hook_on_inputs_is_followed(fresh):
    def hook(module, inputs):
        return (inputs[0] * 1.5, *inputs[1:]) if isinstance(module, nn.LayerNorm | BertLayer) else None

    expected = bertutil.embed(fresh, TEXTS)
    handle = torch_module.register_module_forward_pre_hook(hook)
    try:
        assert off(fresh) < 1e-5
        assert abs(bertutil.embed(fresh, TEXTS) - expected).max() > 1e-2
    finally:
        handle.remove()


def test_hooks_before_and_behind_the_one_that_records_are_followed(fresh):
    new = bertutil.Bert("tiny", fresh.tokenizer, BertModel(fresh.model.config).eval())  # nothing was recorded yet
    new.model.load_state_dict(fresh.model.state_dict())
    for times in (2, -0.5):
        new.model.encoder.layer[1].register_forward_hook(lambda module, inputs, output, times=times: output * times)
        assert off(new) < 1e-5  # which leaves the recording hook behind this one


def test_an_attention_that_was_made_causal_is_followed(fresh):
    for layer in fresh.model.encoder.layer:
        layer.attention.self.is_causal = True
    (found,) = bertutil.embed(fresh, TEXTS[0], unit="token", strategy="each", specials=True)
    expected = own(fresh, bertutil.encode(fresh, TEXTS[0]))[
        0
    ]  # alone: transformers forgets it where there is padding
    assert abs(torch.as_tensor(found) - expected).max() < 1e-5


def test_half_precision_is_followed(fresh):
    fresh.model.bfloat16()
    assert off(fresh) < 0.2  # of states up to 12, with two or three digits


def test_a_recording_model_still_runs_packed(fresh):
    own(fresh, bertutil.encode(fresh, TEXTS))  # transformers leaves its recording hooks in the layers
    assert fresh.model.encoder.layer[0]._forward_hooks
    assert layers.can_be_written_out(fresh.model, 3)


@pytest.mark.parametrize("place", ["the layer", "the model", "a norm"])
def test_attentions_refuses_a_layer_that_it_cannot_write_out(fresh, place):
    PLACES[place](fresh.model).register_forward_hook(doubled)
    with pytest.raises(ValueError, match=r"was edited.*output_attentions"):
        bertutil.attentions(fresh, bertutil.encode(fresh, TEXTS))


def test_attentions_follows_what_it_can(fresh):
    lower_scale(fresh.model)
    encoding = bertutil.encode(fresh, TEXTS)
    found = bertutil.attentions(fresh, encoding)
    fresh.model.config._attn_implementation = "eager"
    inputs = {"input_ids": encoding.input_ids, "attention_mask": encoding.attention_mask}
    expected = torch.stack(fresh.model(**inputs, output_attentions=True).attentions, dim=1)
    real = encoding.attention_mask.bool()
    assert (found - expected).transpose(1, 3)[real].abs().max() < 1e-5


def test_a_layer_that_is_no_bert_layer_is_refused_where_it_cannot_be_recorded(fresh):
    class Nothing(nn.Module):
        def forward(self, hidden_states, *args, **kwargs):
            return hidden_states

    fresh.model.encoder.layer[1] = Nothing()
    fresh.model.register_forward_hook(lambda *_: None)
    with pytest.raises(ValueError, match=r"records 3 hidden states for 3 layers.*BertLayer"):
        bertutil.embed(fresh, TEXTS)


TRAINING = {
    "the model": lambda m: m.train(),
    "a layer": lambda m: m.encoder.layer[1].train(),
    "a dropout": lambda m: m.encoder.layer[1].output.dropout.train(),
    "the embeddings' dropout": lambda m: m.embeddings.dropout.train(),
    "a self-attention": lambda m: setattr(m.encoder.layer[1].attention.self, "training", True),
    "an LSTM": lambda m: m.add_module("extra", nn.LSTM(2, 2, 2, dropout=0.1).train()),
}


@pytest.mark.parametrize("part", TRAINING)
def test_dropout_in_training_mode_of_any_part_is_refused_by_every_function(fresh, part, tmp_path):
    encoding = bertutil.encode(fresh, TEXTS)
    TRAINING[part](fresh.model)
    for call in (
        lambda: bertutil.embed(fresh, TEXTS),
        lambda: bertutil.hidden_states(fresh, encoding),
        lambda: bertutil.attentions(fresh, encoding),
        lambda: bertutil.embed_corpus(fresh, TEXTS, tmp_path / "out"),
    ):
        with pytest.raises(ValueError, match="training mode"):
            call()


def test_a_part_without_dropout_may_be_in_training_mode(fresh):
    fresh.model.encoder.layer[0].intermediate.intermediate_act_fn = nn.ReLU()  # a new module trains by default
    for part in fresh.model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    fresh.model.encoder.layer[0].train()
    assert off(fresh) < 1e-5


@settings(max_examples=40, deadline=None)
@given(names=st.lists(st.sampled_from(sorted(EDITS)), min_size=1, max_size=3, unique=True))
def test_edits_together_are_followed(original, names):
    bert = bertutil.Bert("tiny", original.tokenizer, copy.deepcopy(original.model))
    for name in names:
        try:
            EDITS[name](bert.model)
        except (AttributeError, IndexError, TypeError, RuntimeError):  # the part is gone, or of another kind by now
            return
    bert.model.eval()
    try:
        own(bert, bertutil.encode(bert, TEXTS))
    except (AttributeError, IndexError, TypeError, RuntimeError):
        return
    assert off(bert) < 1e-4
