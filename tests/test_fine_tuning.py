"""Training a model with a linear head on [CLS]; pairs for the next-sentence task."""

import dataclasses

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

import bertutil
from bertutil import fine_tuning
from bertutil.fine_tuning import train_cls

WORDS = ["warm", "milk", "ships", "sail", "far", "trains", "run", "late", "cars", "stop", "old", "trees"]
PLAIN = [" ".join((*WORDS, *WORDS)[i : i + 4]) for i in range(12)]
TOYS = [*PLAIN, *(f"{text[:4]} cats {text}" for text in PLAIN)]
LABELS = [0] * 12 + [1] * 12  # is there a cat?
LOUD = {"epochs": 10, "batch_size": 8, "learning_rate": 3e-3}  # a random model of 32 features learns with large steps


def weights(classifier):
    return {**classifier.bert.model.state_dict(), **{f"head.{k}": v for k, v in classifier.head.state_dict().items()}}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def toys(tiny):
    return bertutil.encode(tiny, TOYS)


@pytest.fixture(scope="module")
def learned(tiny, toys):
    return train_cls(tiny, toys, LABELS, **LOUD)


def test_it_learns_a_task_that_words_can_tell(tiny, learned):
    fresh = ["the cats are late", "cats chase ships", "a train is far", "the ships stop"]
    assert learned.predict(bertutil.encode(tiny, TOYS)).tolist() == LABELS
    assert learned.predict(bertutil.encode(tiny, fresh)).tolist() == [1, 1, 0, 0]


def test_it_learns_more_than_two_classes(tiny):
    texts = [f"{animal} {text}" for animal in ("cats", "dogs", "birds") for text in PLAIN]
    encoding, labels = bertutil.encode(tiny, texts), [0] * 12 + [1] * 12 + [2] * 12
    assert train_cls(tiny, encoding, labels, **LOUD).predict(encoding).tolist() == labels


def test_the_given_model_stays_as_it_was_bit_for_bit(tiny, toys):
    before = {name: value.clone() for name, value in tiny.model.state_dict().items()}
    trained = train_cls(tiny, toys, LABELS, epochs=1)
    assert equal(tiny.model.state_dict(), before)
    assert not equal(trained.bert.model.state_dict(), before)
    assert not tiny.model.training
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
    assert moved == {"encoder.layer.1", "encoder.layer.2"}
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


def test_the_result_is_in_evaluation_mode_and_answers_alike_twice(learned, toys):
    assert not learned.bert.model.training
    assert torch.equal(learned.logits(toys), learned.logits(toys))
    assert not learned.logits(toys).requires_grad


def test_logits_are_the_head_on_the_last_state_of_cls(learned, toys):
    states = bertutil.hidden_states(learned.bert, toys, [-1])[:, 0, 0]
    expected = states @ learned.head.weight.T + learned.head.bias
    torch.testing.assert_close(learned.logits(toys), expected, atol=1e-5, rtol=0)
    assert torch.equal(learned.predict(toys), expected.argmax(dim=1))


def test_logits_do_not_depend_on_the_other_rows_of_a_batch(learned, toys):
    alone = torch.cat([learned.logits(bertutil.encode(learned.bert, text)) for text in TOYS])
    torch.testing.assert_close(learned.logits(toys), alone, atol=1e-5, rtol=0)


def test_more_rows_than_are_computed_at_a_time_all_have_logits(tiny, learned):
    found = learned.logits(bertutil.encode(tiny, TOYS * 6))
    assert len(found) == 144
    torch.testing.assert_close(found, found[:24].repeat(6, 1), atol=1e-5, rtol=0)


def test_segment_ids_reach_the_model(tiny, learned):
    pair = bertutil.encode(tiny, ["cats like"], ["warm milk"])
    one_segment = dataclasses.replace(pair, token_type_ids=torch.zeros_like(pair.token_type_ids))
    assert not torch.allclose(learned.logits(pair), learned.logits(one_segment), atol=1e-4)


def test_rows_that_belong_together_meet_in_one_batch(tiny, toys, monkeypatch):
    seen = []

    def spy(bert, encoding, rows, real=fine_tuning.cls_states):
        seen.append(rows.tolist())
        return real(bert, encoding, rows)

    monkeypatch.setattr(fine_tuning, "cls_states", spy)
    train_cls(tiny, toys, LABELS, epochs=2, batch_size=20, together=2)
    assert [len(rows) for rows in seen] == [20, 4, 20, 4]
    for rows in seen:
        assert all(rows[i] % 2 == 0 and rows[i + 1] == rows[i] + 1 for i in range(0, len(rows), 2))
    assert sorted(seen[0] + seen[1]) == list(range(24))


def test_the_learning_rate_rises_falls_and_ends_near_zero():
    factors = [fine_tuning.warm_up(40)(step) for step in range(40)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1]
    assert factors[4] == 1
    assert factors[4:] == sorted(factors[4:], reverse=True)
    assert factors[-1] == pytest.approx(1 / 36)
    assert fine_tuning.warm_up(1)(0) == 1


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
        ({"labels": [0, 1]}, "24 rows and there are 2 labels"),
        ({"labels": [0] * 24}, "the same label"),
        ({"labels": [0, 1, 3, 3] * 6}, r"\[0, 1, 3\]; they must be the whole numbers from 0"),
        ({"labels": [1, 2] * 12}, "whole numbers from 0"),
        ({"labels": [0.0, 1.0] * 12}, r"label 0 is 0\.0; a list of whole numbers"),
        ({"labels": torch.tensor([0, 1] * 12)}, r"label 0 is tensor\(0\).*\.tolist\(\)"),
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
    encoding = bertutil.encode(tiny, ["a bank", "a river"] * 2)
    expected = train_cls(tiny, encoding, [0, 1, 0, 1], epochs=1).head.weight
    torch.set_default_dtype(torch.float64)
    try:
        found = train_cls(tiny, encoding, [0, 1, 0, 1], epochs=1).head.weight
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(found, expected)
