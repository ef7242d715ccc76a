"""Ray Data and Hugging Face datasets give the vectors of embed, in the order of the texts."""

import pickle

import numpy as np
import pytest
import torch

import bertutil
from bertutil.engines import Embedder

TEXTS = [f"Sentence number {i} {'is longer than the others, ' * (i % 4)}and ends here." for i in range(60)]


@pytest.fixture(scope="module")
def ray():
    """A local Ray with a core for each of two workers and one for its own tasks, without which it waits for ever."""
    ray = pytest.importorskip("ray", reason="needs Ray: pip install -e .[scale]")
    try:
        ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, configure_logging=False)
    except Exception as error:  # its servers have 30 s to start, which a busy machine may not grant
        pytest.skip(f"Ray did not start: {error}")
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield ray
    ray.shutdown()


@pytest.fixture
def table():
    return pytest.importorskip("datasets", reason="needs datasets: pip install -e .[scale]").Dataset


def test_a_batch_gets_a_column_of_embeds_vectors(tiny_folder, tiny):
    batch = Embedder(tiny_folder, strategy="last", specials=True)({"text": TEXTS, "id": list(range(60))})
    np.testing.assert_allclose(
        batch["vector"], bertutil.embed(tiny, TEXTS, strategy="last", specials=True), atol=1e-5, rtol=0
    )
    assert batch["id"] == list(range(60))


def test_words_are_an_array_a_row(tiny_folder, tiny):
    rows = Embedder(tiny_folder, column="line", unit="word")({"line": ["one", "two words"]})["vector"]
    assert [row.shape for row in rows] == [(1, 32), (2, 32)]


def test_a_batch_without_the_column_is_refused_by_name(tiny_folder):
    with pytest.raises(ValueError, match=r"no column 'text'.*review"):
        Embedder(tiny_folder)({"review": ["good"]})


def test_the_checkpoint_is_loaded_once_and_as_asked(tiny_folder, monkeypatch):
    asked = []

    def load(**options):
        asked.append(options)
        return bertutil.load(**options)

    monkeypatch.setattr("bertutil.engines.load", load)
    embedder = Embedder(tiny_folder, dtype=torch.float64)
    assert asked == []
    assert np.array_equal(embedder({"text": ["one"]})["vector"], embedder({"text": ["one"]})["vector"])
    assert asked == [{"name": tiny_folder, "device": "cpu", "dtype": torch.float64}]


def test_pickling_leaves_the_model_behind(tiny_folder):
    embedder = Embedder(tiny_folder)
    before = pickle.dumps(embedder)
    embedder({"text": TEXTS[:2]})
    assert pickle.dumps(embedder) == before
    assert len(before) < 10_000


def test_ray_data_with_two_workers_gives_embeds_vectors_in_order(ray, tiny_folder, tiny):
    rows = [{"text": text, "id": i} for i, text in enumerate(TEXTS)]
    data = ray.data.from_items(rows, override_num_blocks=6)
    found = data.map_batches(
        Embedder, fn_constructor_args=[str(tiny_folder)], batch_size=10, compute=ray.data.ActorPoolStrategy(size=2)
    ).take_all()
    found.sort(key=lambda row: row["id"])
    assert [row["text"] for row in found] == TEXTS
    vectors = np.stack([row["vector"] for row in found])
    np.testing.assert_allclose(vectors, bertutil.embed(tiny, TEXTS), atol=1e-5, rtol=0)


def test_ray_data_holds_word_vectors_too_of_rows_of_equal_length_and_others(ray, tiny_folder, tiny):
    texts = ["one", "two", *TEXTS[:6]]
    data = ray.data.from_items([{"text": text} for text in texts], override_num_blocks=1)
    arguments = {"fn_constructor_args": [str(tiny_folder)], "fn_constructor_kwargs": {"unit": "word"}}
    made = data.map_batches(Embedder, batch_size=2, concurrency=1, **arguments)  # the first batch: one word a row
    found = {row["text"]: row["vector"] for row in made.take_all()}
    for text, expected in zip(texts, bertutil.embed(tiny, texts, unit="word"), strict=True):
        np.testing.assert_allclose(np.stack(list(found[text])), expected, atol=1e-5, rtol=0)


def test_hugging_face_datasets_give_embeds_vectors_in_order(table, tiny_folder, tiny):
    found = table.from_dict({"text": TEXTS}).map(Embedder(tiny_folder), batched=True, batch_size=16)
    assert list(found["text"]) == TEXTS
    np.testing.assert_allclose(np.array(found["vector"]), bertutil.embed(tiny, TEXTS), atol=1e-5, rtol=0)


def test_hugging_face_datasets_hold_word_vectors_too(table, tiny_folder, tiny):
    found = table.from_dict({"text": TEXTS[:5]}).map(Embedder(tiny_folder, unit="word"), batched=True)
    for row, expected in zip(found["vector"], bertutil.embed(tiny, TEXTS[:5], unit="word"), strict=True):
        np.testing.assert_allclose(np.array(row), expected, atol=1e-5, rtol=0)
