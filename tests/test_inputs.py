"""What the chapters do where a checkpoint lacks something: they say so in a line, and go on."""

import json
from dataclasses import replace

import pytest
import torch
from transformers import BertConfig, BertModel

import bertutil
from bertutil import Bert
from bertutil.course.inputs import is_cased, up_to_four, with_pooler, with_two_segments

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


@pytest.fixture
def make(tiny):
    """A maker of checkpoints with the real vocabulary, for parts of a configuration."""
    return lambda **config: Bert("made", tiny.tokenizer, BertModel(BertConfig(**SIZES | config)).eval())


@pytest.mark.parametrize(("layers", "taken"), [(1, 1), (3, 3), (4, 4), (12, 4)])
def test_the_last_four_layers_are_all_where_there_are_fewer(make, layers, taken, capsys):
    assert up_to_four(make(num_hidden_layers=layers)) == taken
    assert (f"has {layers} layers" in capsys.readouterr().out) == (layers < 4)


def test_two_segment_types_stay_what_they_are_in_silence(make, capsys):
    bert = make()
    assert with_two_segments(bert) is bert
    assert capsys.readouterr().out == ""


def test_a_second_segment_type_is_said_and_changes_nothing_for_a_single_text(make, capsys):
    one = make(type_vocab_size=1)
    two = with_two_segments(one)
    assert "one segment type" in capsys.readouterr().out
    encoding = bertutil.encode(two, "The bank closed.")
    assert torch.equal(bertutil.hidden_states(two, encoding), bertutil.hidden_states(one, encoding))


def test_a_second_segment_type_tells_the_texts_of_a_pair_apart(make):
    one = make(type_vocab_size=1)
    two = with_two_segments(one)
    pair = bertutil.encode(two, "The bank closed.", "We went home.")
    alike = replace(pair, token_type_ids=torch.zeros_like(pair.token_type_ids))
    assert not torch.equal(bertutil.hidden_states(two, pair), bertutil.hidden_states(two, alike))
    with pytest.raises(ValueError, match="one segment type only"):
        bertutil.encode(one, "The bank closed.", "We went home.")


def test_a_vocabulary_is_cased_where_its_folder_says_so(tiny, tiny_folder, tmp_path):
    assert not is_cased(tiny)
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).write_bytes((tiny_folder / file).read_bytes())
    entries = tiny.tokenizer.convert_ids_to_tokens(list(range(len(tiny.tokenizer))))
    (tmp_path / "vocab.txt").write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    assert is_cased(bertutil.load(tmp_path))


def test_a_pooler_that_is_there_stays_what_it_is_in_silence(make, capsys):
    bert = make()
    assert with_pooler(bert) is bert
    assert capsys.readouterr().out == ""


def test_a_new_pooler_is_said_and_moves_no_state(make, capsys):
    bert = make()
    bert.model.pooler = None
    one, same = with_pooler(bert), with_pooler(bert)
    assert "has no pooler" in capsys.readouterr().out
    assert bert.model.pooler is None
    encoding = bertutil.encode(bert, "The bank closed.")
    assert torch.equal(bertutil.hidden_states(one, encoding), bertutil.hidden_states(bert, encoding))
    assert torch.equal(one.model.pooler.dense.weight, same.model.pooler.dense.weight)
