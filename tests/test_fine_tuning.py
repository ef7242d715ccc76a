"""Training a model with a head on [CLS]; what it predicts, and the folder that it is saved in."""

import dataclasses
import json
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.optim.optimizer import register_optimizer_step_pre_hook
from transformers import (
    AutoTokenizer,
    BertForSequenceClassification,
    get_linear_schedule_with_warmup,
)

import bertutil
from bertutil import fine_tuning
from bertutil.fine_tuning import train_cls

WORDS = ["warm", "milk", "ships", "sail", "far", "trains", "run", "late", "cars", "stop", "old", "trees"]
PLAIN = [" ".join((*WORDS, *WORDS)[i : i + 4]) for i in range(12)]
TOYS = [*PLAIN, *(f"{text[:4]} cats {text}" for text in PLAIN)]
LABELS = ["none"] * 12 + ["cat"] * 12  # is there a cat?
LOUD = {"epochs": 10, "batch_size": 8, "learning_rate": 3e-3}  # a random model of 32 features learns with large steps


def weights(classifier):
    return classifier.model.state_dict()


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def toys(tiny):
    return bertutil.encode(tiny, TOYS)


@pytest.fixture(scope="module")
def learned(tiny):
    return train_cls(tiny, TOYS, LABELS, **LOUD)


@pytest.fixture
def saved(learned, tmp_path):
    learned.save(tmp_path / "saved")
    return tmp_path / "saved"


# What it learns


def test_it_learns_a_task_that_words_can_tell(learned):
    assert learned.predict(TOYS) == LABELS
    fresh = ["the cats are late", "cats chase ships", "a train is far", "the ships stop"]
    assert learned.predict(fresh) == ["cat", "cat", "none", "none"]


def test_it_learns_more_than_two_classes(tiny):
    texts = [f"{animal} {text}" for animal in ("cats", "dogs", "birds") for text in PLAIN]
    labels = ["cat"] * 12 + ["dog"] * 12 + ["bird"] * 12
    assert train_cls(tiny, texts, labels, **LOUD | {"epochs": 30}).predict(texts) == labels


def test_whole_numbers_are_names_of_classes_too(tiny):
    trained = train_cls(tiny, TOYS, [10] * 12 + [9] * 12, **LOUD)
    assert trained.labels == ["9", "10"]
    assert trained.predict(TOYS) == ["10"] * 12 + ["9"] * 12


@pytest.mark.parametrize("kind", [np.array, lambda labels: pd.Series(labels, index=range(5, 29))])
def test_labels_may_stand_in_an_array_or_a_column(tiny, learned, kind):
    assert equal(weights(train_cls(tiny, TOYS, kind(LABELS), **LOUD)), weights(learned))


def test_an_encoding_is_trained_on_as_its_texts_are(tiny, toys, learned):
    trained = train_cls(tiny, toys, LABELS, **LOUD)
    assert equal(weights(trained), weights(learned))
    assert torch.equal(trained.logits(toys), learned.logits(TOYS))


def test_the_given_model_stays_as_it_was_bit_for_bit(tiny, toys):
    before = {name: value.clone() for name, value in tiny.model.state_dict().items()}
    trained = train_cls(tiny, toys, LABELS, epochs=1)
    assert equal(tiny.model.state_dict(), before)
    assert not equal(trained.bert.model.state_dict(), before)
    assert not tiny.model.training
    assert tiny.model.config.num_labels == 2
    assert tiny.model.config.id2label == {0: "LABEL_0", 1: "LABEL_1"}
    assert all(parameter.grad is None for parameter in tiny.model.parameters())


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tiny, toys):
    one, same, other = (train_cls(tiny, toys, LABELS, epochs=2, seed=seed) for seed in (3, 3, 4))
    assert equal(weights(one), weights(same))
    assert not equal(weights(one), weights(other))


def test_the_state_of_the_random_numbers_is_left_alone(tiny, toys):
    torch.manual_seed(11)
    train_cls(tiny, toys, LABELS, epochs=1)
    after = torch.rand(3)
    torch.manual_seed(11)
    assert torch.equal(after, torch.rand(3))


def test_it_trains_where_gradients_are_switched_off(tiny, toys):
    with torch.no_grad():
        trained = train_cls(tiny, toys, LABELS, epochs=1)
        assert not torch.is_grad_enabled()
    assert not equal(trained.bert.model.state_dict(), tiny.model.state_dict())


def test_frozen_parameters_do_not_move(tiny_folder, toys):
    bert = bertutil.load(tiny_folder)
    bert.model.embeddings.requires_grad_(False)
    trained = train_cls(bert, toys, LABELS, epochs=2)
    old, new = bert.model.state_dict(), trained.bert.model.state_dict()
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert not any(name.startswith("embeddings.") for name in moved)
    assert any(name.startswith("encoder.layer.0.") for name in moved)


def test_only_the_upper_layers_move_where_so_many_are_asked_for(tiny, toys):
    old = {name: value.clone() for name, value in tiny.model.state_dict().items()}
    new = train_cls(tiny, toys, LABELS, epochs=2, layers=2).bert.model.state_dict()
    moved = {".".join(name.split(".")[:3]) for name in old if not torch.equal(old[name], new[name])}
    assert moved == {"encoder.layer.1", "encoder.layer.2", "pooler.dense.weight", "pooler.dense.bias"}
    assert equal(tiny.model.state_dict(), old)
    assert all(parameter.requires_grad for parameter in tiny.model.parameters())


def test_what_is_frozen_is_shared_and_takes_no_memory(tiny):
    def places(bert, part):
        return {name: value.data_ptr() for name, value in bert.model.get_submodule(part).state_dict().items()}

    made = fine_tuning.trainable_copy(tiny, layers=1)
    for part, same in (("embeddings", True), ("encoder.layer.1", True), ("encoder.layer.2", False)):
        assert (places(made, part) == places(tiny, part)) == same
    whole = fine_tuning.trainable_copy(tiny)
    assert not set(places(whole, "").values()) & set(places(tiny, "").values())


def test_a_frozen_part_in_half_precision_is_trained_upon_in_float32_and_stays(tiny_folder, toys):
    half = bertutil.load(tiny_folder, dtype=torch.bfloat16)
    trained = train_cls(half, toys, LABELS, epochs=1, layers=1)
    assert {parameter.dtype for parameter in trained.bert.model.parameters()} == {torch.float32}
    assert {parameter.dtype for parameter in half.model.parameters()} == {torch.bfloat16}


# A checkpoint without a pooler


@pytest.fixture(scope="module")
def without_pooler(tiny_folder):
    bert = bertutil.load(tiny_folder)
    bert.model.pooler = None
    return bert


def test_a_missing_pooler_is_new_from_the_seed_and_a_warning_says_so(without_pooler):
    with pytest.warns(UserWarning, match="has no pooler: a new one is trained, random with seed 5"):
        one = train_cls(without_pooler, TOYS, LABELS, epochs=1, seed=5)
    with pytest.warns(UserWarning, match="has no pooler"):
        same = train_cls(without_pooler, TOYS, LABELS, epochs=1, seed=5)
    assert equal(weights(one), weights(same))
    assert without_pooler.model.pooler is None


def test_with_a_new_pooler_it_learns_too(without_pooler):
    with pytest.warns(UserWarning, match="has no pooler"):
        assert train_cls(without_pooler, TOYS, LABELS, **LOUD).predict(TOYS) == LABELS


def test_a_pooler_that_is_there_is_taken_without_a_word(tiny, toys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained = train_cls(tiny, toys, LABELS, epochs=1, batch_size=24)  # one step, with the learning rate 0
    assert equal(trained.bert.model.state_dict(), tiny.model.state_dict())


def test_the_new_weights_of_the_head_are_small_and_its_biases_nothing(bert):
    head = train_cls(bert, ["a bank", "a river"], [0, 1], epochs=1).model.classifier  # one step, which moves nothing
    assert head.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not head.bias.any()


# What it answers


def test_the_result_is_in_evaluation_mode_and_answers_alike_twice(learned, toys):
    assert not learned.model.training
    assert torch.equal(learned.logits(toys), learned.logits(toys))
    assert not learned.logits(toys).requires_grad


def test_logits_are_those_of_the_librarys_own_class(learned, toys):
    own = BertForSequenceClassification(learned.model.config).eval()
    own.load_state_dict(weights(learned))
    inputs = {name: getattr(toys, name) for name in ("input_ids", "attention_mask", "token_type_ids")}
    with torch.no_grad():
        torch.testing.assert_close(learned.logits(TOYS), own(**inputs).logits, atol=1e-5, rtol=0)


def test_logits_are_a_linear_map_of_the_pooled_state_of_cls(learned, toys):
    states = bertutil.hidden_states(learned.bert, toys, [-1])[:, 0, 0]
    pooler, head = learned.bert.model.pooler.dense, learned.model.classifier
    pooled = torch.tanh(states @ pooler.weight.T + pooler.bias)
    expected = pooled @ head.weight.T + head.bias
    torch.testing.assert_close(learned.logits(toys), expected, atol=1e-5, rtol=0)


def test_probabilities_are_the_softmax_of_the_logits_and_the_likeliest_class_is_named(learned):
    found = learned.probabilities(TOYS)
    torch.testing.assert_close(found, learned.logits(TOYS).softmax(dim=1))
    assert learned.labels == ["cat", "none"]  # by letter
    assert learned.predict(TOYS) == ["cat" if row[0] > row[1] else "none" for row in found.tolist()]


def test_one_text_may_be_given_without_a_list_and_no_text_has_no_answer(learned):
    assert learned.predict("the cats are late") == ["cat"]
    assert learned.predict([]) == []
    assert learned.probabilities([]).shape == (0, 2)


def test_a_text_that_is_too_long_is_named_and_may_be_given_cut(learned):
    texts = ["cats", "milk " * 600]
    with pytest.raises(ValueError, match="text 1 has 600 pieces"):
        learned.predict(texts)
    assert len(learned.predict(bertutil.encode(learned.bert, texts, too_long="truncate"))) == 2


@pytest.mark.parametrize("part", ["", "dropout", "bert.encoder.layer.0"])
def test_a_part_in_training_mode_is_refused(tiny, part):
    trained = train_cls(tiny, TOYS, LABELS, epochs=1)
    trained.model.get_submodule(part).train()
    with pytest.raises(ValueError, match=r"training mode.*\.model\.eval\(\)"):
        trained.predict("a cat")


def test_logits_do_not_depend_on_the_other_rows_of_a_batch(learned, toys):
    alone = torch.cat([learned.logits(text) for text in TOYS])
    torch.testing.assert_close(learned.logits(toys), alone, atol=1e-5, rtol=0)


def test_more_rows_than_are_computed_at_a_time_all_have_logits(learned):
    found = learned.logits(TOYS * 6)
    assert len(found) == 144
    torch.testing.assert_close(found, found[:24].repeat(6, 1), atol=1e-5, rtol=0)


def test_segment_ids_reach_the_model(tiny, learned):
    pair = bertutil.encode(tiny, ["cats like"], ["warm milk"])
    one_segment = dataclasses.replace(pair, token_type_ids=torch.zeros_like(pair.token_type_ids))
    assert not torch.allclose(learned.logits(pair), learned.logits(one_segment), atol=1e-4)


def test_rows_that_belong_together_meet_in_one_batch(tiny, toys, monkeypatch):
    seen = []

    def spy(model, encoding, rows, real=fine_tuning.row_logits):
        seen.append(rows.tolist())
        return real(model, encoding, rows)

    monkeypatch.setattr(fine_tuning, "row_logits", spy)
    train_cls(tiny, toys, LABELS, epochs=2, batch_size=20, together=2)
    assert [len(rows) for rows in seen] == [20, 4, 20, 4]
    for rows in seen:
        assert all(rows[i] % 2 == 0 and rows[i + 1] == rows[i] + 1 for i in range(0, len(rows), 2))
    assert sorted(seen[0] + seen[1]) == list(range(24))


def test_the_learning_rate_rises_falls_and_ends_near_zero():
    factors = [fine_tuning.warm_up(40)(step) for step in range(40)]
    assert factors[:5] == [0, 0.25, 0.5, 0.75, 1]
    assert factors[4:] == sorted(factors[4:], reverse=True)
    assert factors[-1] == pytest.approx(1 / 36)
    assert fine_tuning.warm_up(1)(0) == 0


@pytest.mark.parametrize(("n_steps", "rise"), [(1, 1), (24, 3), (40, 4)])
def test_the_learning_rate_is_that_of_the_librarys_schedule(n_steps, rise):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = get_linear_schedule_with_warmup(optimizer, rise, n_steps)
    for step in range(n_steps):
        assert fine_tuning.warm_up(n_steps)(step) == schedule.get_last_lr()[0]
        optimizer.step()
        schedule.step()


def test_decay_spares_biases_and_the_weights_of_layer_norms(learned):
    decays, spared = fine_tuning.decay_groups(list(learned.model.parameters()))
    assert (decays["weight_decay"], spared["weight_decay"]) == (0.01, 0)
    names = {parameter: name for name, parameter in learned.model.named_parameters()}
    expected = {name for name in names.values() if name.endswith("bias") or "LayerNorm" in name}
    assert {names[parameter] for parameter in spared["params"]} == expected
    assert len(decays["params"]) + len(spared["params"]) == len(names)


def test_long_gradients_are_clipped_to_a_length_of_one(tiny, toys):
    lengths = []

    def keep(optimizer, *_):
        gradients = [p.grad.flatten() for group in optimizer.param_groups for p in group["params"]]
        lengths.append(torch.cat(gradients).norm().item())

    handle = register_optimizer_step_pre_hook(keep)
    train_cls(tiny, toys, LABELS, **LOUD)
    handle.remove()
    assert max(lengths) == pytest.approx(1, abs=1e-3)
    assert min(lengths) < 0.9


@pytest.mark.parametrize(("batch_size", "steps"), [(8, 6), (20, 4)])  # 24 rows, twice; the last batch may be smaller
def test_each_step_has_its_share_of_the_learning_rate(tiny, toys, batch_size, steps):
    rates = []
    handle = register_optimizer_step_pre_hook(lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"]))
    train_cls(tiny, toys, LABELS, epochs=2, batch_size=batch_size, learning_rate=1e-3)
    handle.remove()
    factor = fine_tuning.warm_up(steps)
    assert rates == [1e-3 * factor(step) for step in range(steps)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [0, 1]}, "24 texts and 2 labels"),
        ({"labels": [0] * 24}, "the same label"),
        ({"labels": ["a"] * 24}, "the same label"),
        ({"labels": [0.0, 1.0] * 12}, r"label 0 is 0\.0; names \(str\) are needed, or whole numbers"),
        ({"labels": torch.tensor([0, 1] * 12)}, r"label 0 is tensor\(0\).*\.tolist\(\)"),
        ({"labels": [0, True] * 12}, "label 1 is True"),
        ({"labels": ["a", 1] * 12}, "label 1 is 1"),
        ({"labels": [1, "a"] * 12}, "label 1 is 'a'"),
        ({"labels": ["a", None] * 12}, "label 1 is None"),
        ({"epochs": 0}, r"epochs \(0\)"),
        ({"learning_rate": -1.0}, "all above 0"),
        ({"together": 32}, "together is 32"),
        ({"together": 3}, "together is 3"),
        ({"layers": 0}, "layers is 0; this model has 3"),
        ({"layers": 4}, "layers is 4; this model has 3"),
    ],
)
def test_what_cannot_be_trained_is_refused(tiny, toys, change, message):
    with pytest.raises(ValueError, match=message):
        train_cls(tiny, toys, **({"labels": LABELS} | change))


def test_torch_s_default_precision_changes_no_training(tiny):
    expected = train_cls(tiny, ["a bank", "a river"] * 2, [0, 1, 0, 1], epochs=2)
    torch.set_default_dtype(torch.float64)
    try:
        found = train_cls(tiny, ["a bank", "a river"] * 2, [0, 1, 0, 1], epochs=2)
    finally:
        torch.set_default_dtype(torch.float32)
    assert equal(weights(found), weights(expected))


# A folder


def test_what_was_saved_answers_as_before(learned, saved):
    again = bertutil.load_classifier(saved)
    assert again.labels == learned.labels
    assert torch.equal(again.logits(TOYS), learned.logits(TOYS))
    assert again.predict("the cats are late") == ["cat"]


def test_what_was_saved_can_be_saved_once_more(learned, saved, tmp_path):
    bertutil.load_classifier(saved).save(tmp_path / "again")
    assert equal(load_file(tmp_path / "again/model.safetensors"), load_file(saved / "model.safetensors"))


def test_what_was_saved_opens_in_transformers_in_a_fresh_process(bert, tmp_path):
    texts = ["A warm bank.", "The Café by the river, 3,141.59 miles", "no end " * 20]
    trained = train_cls(bert, texts, ["a", "b", "a"], epochs=2, batch_size=2, learning_rate=1e-3, layers=1)
    trained.save(tmp_path / "saved")
    program = """
import json, sys, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
folder, texts = sys.argv[1], json.loads(sys.argv[2])
model = AutoModelForSequenceClassification.from_pretrained(folder)
inputs = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
with torch.no_grad():
    print(json.dumps([model.config.id2label, model(**inputs).logits.tolist(), "bertutil" in sys.modules]))
"""
    command = [sys.executable, "-c", program, tmp_path / "saved", json.dumps(texts)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    names, logits, helped = json.loads(done.stdout)
    assert (names, helped) == ({"0": "a", "1": "b"}, False)
    torch.testing.assert_close(torch.tensor(logits), trained.logits(texts), atol=1e-5, rtol=0)


def test_a_cased_tokenizer_stays_cased(tiny, tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Bank", "bank"]))
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    tiny.model.save_pretrained(tmp_path)
    cased = bertutil.load(tmp_path)
    train_cls(cased, ["Bank", "bank"], ["name", "noun"], epochs=1).save(tmp_path / "saved")
    again = bertutil.load_classifier(tmp_path / "saved")
    assert bertutil.encode(again.bert, "Bank bank").tokens == [["[CLS]", "Bank", "bank", "[SEP]"]]


def test_a_classifier_that_transformers_saved_is_read(tiny, tmp_path):
    torch.manual_seed(3)
    own = BertForSequenceClassification(learned_config(tiny, {0: "no", 1: "yes", 2: "maybe"})).eval()
    own.save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    inputs = AutoTokenizer.from_pretrained(tmp_path)(TOYS, padding=True, return_tensors="pt")
    found = bertutil.load_classifier(tmp_path)
    assert found.labels == ["no", "yes", "maybe"]
    with torch.no_grad():
        torch.testing.assert_close(found.logits(TOYS), own(**inputs).logits, atol=1e-5, rtol=0)


def learned_config(bert, names, **settings):
    config = type(bert.model.config)(**bert.model.config.to_dict() | settings)
    config.id2label, config.label2id = names, {name: i for i, name in names.items()}
    return config


def test_the_vectors_of_the_trained_model_can_be_had_from_the_folder(learned, saved):
    expected = bertutil.embed(learned.bert, TOYS)
    np.testing.assert_array_equal(bertutil.embed(bertutil.load(saved), TOYS), expected)


def test_saving_writes_nothing_on_the_screen_and_overwrites_nothing(learned, tmp_path, capfd):
    learned.save(tmp_path / "new")
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ValueError, match="is not empty"):
        learned.save(tmp_path / "new")


def test_a_folder_without_a_head_is_refused(tiny_folder):
    with pytest.raises(ValueError, match="no classifier for 2 classes"):
        bertutil.load_classifier(tiny_folder)


def test_a_folder_without_a_pooler_is_refused(saved):
    state = load_file(saved / "model.safetensors")
    kept = {name: value for name, value in state.items() if ".pooler." not in name}
    save_file(kept, saved / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="no pooler"):
        bertutil.load_classifier(saved)


def test_a_head_for_another_number_of_classes_is_refused(saved):
    state = load_file(saved / "model.safetensors")
    save_file(state | {"classifier.weight": torch.ones(3, 32)}, saved / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"no classifier for 2 classes.*size mismatch"):
        bertutil.load_classifier(saved)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"problem_type": "multi_label_classification"}, "multi_label_classification with 2 outputs"),
        ({"problem_type": "regression"}, "regression with 2 outputs"),
        ({"id2label": {"0": "score"}, "label2id": {"score": 0}, "problem_type": None}, "with 1 outputs"),
    ],
)
def test_a_model_that_does_not_choose_one_class_is_refused(saved, settings, message):
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(config | settings))
    with pytest.raises(ValueError, match=message):
        bertutil.load_classifier(saved)
