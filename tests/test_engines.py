"""Ray Data and Hugging Face datasets give the vectors of embed, in the order of the texts."""

import os
import pickle
import signal

import numpy as np
import pandas as pd
import pytest
import torch

import bertutil
from bertutil.engines import Embedder

TEXTS = [f"Sentence number {i} {'is longer than the others, ' * (i % 4)}and ends here." for i in range(60)]


@pytest.fixture(scope="module")
def ray():
    """A local Ray with a core for each of two workers and one for its own tasks, without which it waits for ever."""
    ray = pytest.importorskip("ray", reason="needs Ray: pip install -e .[work]")
    try:
        ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, configure_logging=False)
    except Exception as error:  # its servers have 30 s to start, which a busy machine may not grant
        pytest.skip(f"Ray did not start: {error}")
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield ray
    ray.shutdown()


@pytest.fixture
def table():
    return pytest.importorskip("datasets", reason="needs datasets: pip install -e .[work]").Dataset


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


@pytest.mark.parametrize("kind", ["table", "batch", "pandas", "numpy"])
def test_a_batch_may_be_a_table_of_pyarrow_or_pandas_or_of_arrays(tiny_folder, tiny, kind):
    pyarrow = pytest.importorskip("pyarrow")
    columns = {"text": TEXTS[:3], "id": [7, 8, 9]}
    batch = {
        "table": pyarrow.table(columns),
        "batch": pyarrow.RecordBatch.from_pydict(columns),
        "pandas": pd.DataFrame(columns),
        "numpy": {name: np.array(column, dtype=object) for name, column in columns.items()},
    }[kind]
    made = Embedder(tiny_folder)(batch)
    assert list(made) == ["text", "id", "vector"]
    assert (list(made["text"]), list(made["id"])) == (TEXTS[:3], [7, 8, 9])
    np.testing.assert_allclose(made["vector"], bertutil.embed(tiny, TEXTS[:3]), atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match=r"no column 'review'; give column=, one of text, id"):
        Embedder(tiny_folder, column="review")(batch)


def test_words_may_be_columns_of_lists(tiny_folder, tiny):
    pyarrow = pytest.importorskip("pyarrow")
    words = [["New York", "is"], ["here"]]
    made = Embedder(tiny_folder, unit="word")(pyarrow.table({"text": words}))
    for found, expected in zip(made["vector"], bertutil.embed(tiny, words, unit="word"), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


def test_rows_without_a_token_are_nan_and_counted_in_one_warning(tiny_folder, tiny):
    batch = {"text": ["one", "", "two", " \n", ""]}
    with pytest.warns(
        UserWarning, match=r"^3 rows without a token have a row of NaN; the first is row 1 of the batch$"
    ):
        found = Embedder(tiny_folder, normalize=True)(batch)["vector"]
    assert np.isnan(found).all(axis=1).tolist() == [False, True, False, True, True]
    expected = bertutil.embed(tiny, ["one", "two"], normalize=True)
    np.testing.assert_allclose(found[[0, 2]], expected, atol=1e-5, rtol=0)
    with pytest.warns(UserWarning, match=r"^3 rows .* have no vector; the first is row 11 of the data set$"):
        words = Embedder(tiny_folder, unit="word")(batch, [10, 11, 12, 13, 14])["vector"]
    assert [len(row) for row in words] == [1, 0, 1, 0, 0]


def test_what_is_no_text_is_named_by_its_row(tiny_folder):
    for value in (None, np.nan, pd.NA):
        with pytest.raises(TypeError, match=r"row 1 of the batch is .*an empty cell"):
            Embedder(tiny_folder)({"text": ["one", value]})
    with pytest.raises(TypeError, match="row 41 of the data set is None"):
        Embedder(tiny_folder)({"text": ["one", None]}, np.array([40, 41]))


def test_hugging_face_datasets_name_the_row_of_the_data_set(table, tiny_folder):
    data = table.from_dict({"text": [*TEXTS[:10], None]})
    with pytest.raises(TypeError, match="row 10 of the data set is None"):
        data.map(Embedder(tiny_folder), batched=True, batch_size=4, with_indices=True)
    data = table.from_dict({"text": TEXTS[:4]}).with_format("arrow")
    found = data.map(Embedder(tiny_folder), batched=True).with_format(None)
    assert np.array(found["vector"]).shape == (4, 32)


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


@pytest.fixture
def two_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("work", ["embed", "load and embed", "encode", "search"])
def test_a_process_that_is_forked_after_torch_has_used_its_threads_computes(tiny_folder, tiny, two_threads, work):
    vectors = bertutil.embed(tiny, TEXTS)
    many = np.random.default_rng(0).normal(size=(5_000, 32)).astype(np.float32)
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # what hangs is ended
        signal.alarm(60)
        if work == "search":
            good = bertutil.search(many[:9], many, k=1)[1].ravel().tolist() == [*range(9)]
        elif work == "encode":
            good = bertutil.encode(tiny, TEXTS).input_ids.shape[0] == len(TEXTS)
        else:
            bert = tiny if work == "embed" else bertutil.load(tiny_folder)
            good = np.allclose(bertutil.embed(bert, TEXTS), vectors, atol=1e-5, rtol=0)
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert torch.get_num_threads() == 2


def test_hugging_face_datasets_with_two_processes_give_embeds_vectors_in_order(table, tiny_folder, tiny, two_threads):
    expected = bertutil.embed(tiny, TEXTS)
    made = table.from_dict({"text": TEXTS}).map(Embedder(tiny_folder), batched=True, batch_size=16, num_proc=2)
    assert list(made["text"]) == TEXTS
    np.testing.assert_allclose(np.array(made["vector"]), expected, atol=1e-5, rtol=0)


@pytest.mark.weekly  # Ray's own start takes a minute
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


@pytest.mark.weekly
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
