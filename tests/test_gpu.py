"""On a GPU the same code gives the same vectors: on a real one where there is one, else on a stand-in."""

import numpy as np
import pytest
import torch

import bertutil
from bertutil import fine_tuning, packed
from tests.stand_in_gpu import StandInGpu

TEXTS = ["The bank of the river.", "He robbed a bank, didn't he?", "embeddings " * 60, "Short ☃."]


@pytest.fixture
def gpu(monkeypatch):
    if torch.cuda.is_available():
        yield
    else:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        with StandInGpu():
            yield


@pytest.fixture
def both(tiny_folder, gpu):
    """The same checkpoint on the CPU and on the GPU."""
    return bertutil.load(tiny_folder), bertutil.load(tiny_folder, device="cuda")


def test_the_stand_in_refuses_tensors_of_two_devices():
    with StandInGpu():
        there = torch.ones(3, device="cuda")
        assert there.device.type == (there + 1).device.type == there.to(torch.float64).device.type == "cuda"
        assert there.cpu().device.type == there.to("cpu").device.type == torch.ones(3).device.type == "cpu"
        with pytest.raises(RuntimeError, match="same device"):
            there + torch.ones(3)
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()


def test_auto_takes_a_gpu_where_there_is_one(tiny_folder, gpu):
    assert bertutil.load(tiny_folder, device="auto").model.device.type == "cuda"
    assert bertutil.load(tiny_folder).model.device.type == "cpu"


def test_auto_is_the_cpu_where_there_is_no_gpu(tiny_folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert bertutil.load(tiny_folder, device="auto").model.device.type == "cpu"


@pytest.mark.parametrize("device", ["cuda", "cuda:1", torch.device("cuda")])
def test_a_gpu_that_is_not_there_is_refused(tiny_folder, monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="finds no GPU; use device='cpu', or 'auto'"):
        bertutil.load(tiny_folder, device=device)


def step_by_step(bert, how):
    encoding = bertutil.encode(bert, TEXTS, too_long="window")
    vectors = bertutil.combine_layers(bertutil.hidden_states(bert, encoding))
    words = bertutil.pool_words(vectors, encoding, how)
    return words, bertutil.pool_sentences(vectors, encoding.content_mask, how if how != "sum" else "mean_max")


@pytest.mark.parametrize("how", ["mean", "sum", "first", "last", "max"])
def test_words_and_sentences_are_the_same_on_a_gpu(both, how):
    for ours, theirs in zip(*(step_by_step(bert, how) for bert in both), strict=True):
        assert theirs.device.type == "cuda"
        torch.testing.assert_close(theirs.cpu(), ours, atol=1e-4, rtol=0, equal_nan=True)


@pytest.mark.parametrize("unit", ["sentence", "word", "token"])
def test_embed_gives_the_same_arrays_on_a_gpu(both, unit):
    ours, theirs = (np.concatenate(list(bertutil.embed(bert, TEXTS, unit=unit))) for bert in both)
    np.testing.assert_allclose(theirs, ours, atol=1e-4)


def test_a_batch_holds_more_tokens_in_bfloat16_and_most_on_a_gpu(both, tiny_folder):
    full, gpu = (bert.model for bert in both)
    half = bertutil.load(tiny_folder, dtype=torch.bfloat16).model
    assert packed.batch_tokens(full) < packed.batch_tokens(half) < packed.batch_tokens(gpu)


def test_attention_similarity_and_search_are_the_same_on_a_gpu(both):
    found = []
    for bert in both:
        encoding = bertutil.encode(bert, TEXTS[:2])
        vectors = bertutil.hidden_states(bert, encoding)[:, :, -1].flatten(0, 1)
        centred = bertutil.remove_mean(vectors)
        parts = [bertutil.attentions(bert, encoding), *bertutil.search(centred[:2], centred, k=3)]
        baseline = torch.tensor(bertutil.random_pair_baseline(vectors))
        found.append([part.cpu() for part in (*parts, bertutil.cosine_similarity(vectors), baseline)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=0)


@pytest.mark.skipif(
    torch.backends.cuda.is_built() and not torch.cuda.is_available(),
    reason="the optimizer of a torch that is built for CUDA asks for a driver, which a stand-in does not have",
)
def test_fine_tuning_runs_on_a_gpu(both):
    _, bert = both
    encoding = bertutil.encode(bert, ["good", "bad", "fine", "poor"])
    trained = fine_tuning.train_cls(bert, encoding, [1, 0, 1, 0], epochs=2, learning_rate=1e-3)
    assert trained.logits(encoding).device.type == "cuda"
    assert set(trained.predict(encoding)) <= {"0", "1"}
