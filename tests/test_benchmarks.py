"""The benchmark's texts, its arithmetic, and that the pages show its last results."""

import json
import statistics

import pytest

import bertutil
from benchmarks import run


def test_texts_are_different_and_of_the_lengths_that_are_promised():
    for kind, low, high in [("short", 14, 14), ("long", 265, 265), ("mixed", 3, 200)]:
        texts = run.make_texts(kind, 200)
        lengths = [len(text.split()) for text in texts]
        assert len(set(texts)) == 200
        assert low <= min(lengths) <= max(lengths) <= high
    assert statistics.pstdev(lengths) > 10  # mixed


def test_more_texts_begin_with_the_same_ones():
    assert run.make_texts("mixed", 20) == run.make_texts("mixed", 50)[:20]


def test_a_speed_is_the_median_of_the_ratios_within_a_round():
    seconds = {"unit": [1.0, 10.0, 3.0], "way": [0.5, 10.0, 1.0]}  # ratios 2, 1 and 3
    assert run.ratios(seconds, "unit") == {"unit": [1.0, 1.0, 1.0], "way": [2.0, 1.0, 3.0]}
    assert run.medians(run.ratios(seconds, "unit")) == {"unit": 1.0, "way": 2.0}


def test_each_way_is_timed_once_a_round_in_turn_each_round_with_its_own_texts():
    called = []
    ways = {name: lambda texts, name=name: called.append((name, len(texts))) for name in "ab"}
    seconds = run.interleaved(ways, [["text"] * 9, ["text"] * 10])
    assert called == [("a", 8), ("b", 8), ("a", 9), ("b", 9), ("a", 10), ("b", 10)]
    assert {name: len(each) for name, each in seconds.items()} == {"a": 2, "b": 2}


def test_each_seed_draws_other_texts():
    assert not set(run.make_texts("mixed", 20, seed=0)) & set(run.make_texts("mixed", 20, seed=1))


def test_the_pages_show_the_last_results(tmp_path, monkeypatch):
    results = json.loads(run.RESULTS.read_text(encoding="utf-8"))
    readme = run.HERE.parent / "README.md"
    (tmp_path / "README.md").write_bytes(readme.read_bytes())
    (tmp_path / "benchmarks").mkdir()
    committed = (run.HERE / "README.md").read_text(encoding="utf-8")
    monkeypatch.setattr(run, "HERE", tmp_path / "benchmarks")
    run.report(results)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == readme.read_text(encoding="utf-8")
    assert (tmp_path / "benchmarks" / "README.md").read_text(encoding="utf-8") == committed


def test_a_speed_in_bfloat16_is_told_against_the_other_library_in_bfloat16():
    seconds = {"sentence-transformers": [4.0], "embed": [2.0], "sentence-transformers, bfloat16": [2.0]}
    speeds = run.in_precision(seconds | {"embed, bfloat16": [0.5]})
    assert speeds == {
        "sentence-transformers": [1.0],
        "embed": [2.0],
        "sentence-transformers, bfloat16": [2.0],
        "embed, bfloat16": [4.0],
    }


def test_sorted_batches_hold_each_text_once_longest_first_within_the_budget(tiny):
    texts = run.make_texts("mixed", 60)
    batches = list(run.sorted_batches(tiny, texts))
    assert sorted(i for batch, _ in batches for i in batch) == list(range(60))
    sizes = [inputs["input_ids"].shape for _, inputs in batches]
    assert [width for _, width in sizes] == sorted((width for _, width in sizes), reverse=True)
    assert all(rows * width <= run.BUDGET or rows == 1 for rows, width in sizes)


@pytest.mark.parametrize("make", [run.article_loop, run.naive_batches, run.feature_pipeline])
def test_the_plain_ways_give_embeds_vectors(tiny, make):
    texts = run.make_texts("mixed", 40)
    assert (
        run.largest_difference(make(tiny)(texts), bertutil.embed(tiny, texts, strategy="last", specials=True)) < 1e-5
    )


@pytest.mark.parametrize(
    ("library", "make"),
    [
        ("openvino", lambda b: run.openvino(b, "f32")),
        pytest.param("onnxscript", run.onnx_runtime, marks=pytest.mark.weekly),
    ],
)
def test_the_exported_models_give_embeds_vectors_for_padded_texts_too(tiny, library, make):
    pytest.importorskip(library, reason="needs the extra work")
    texts = run.make_texts("mixed", 40)
    assert (
        run.largest_difference(make(tiny)(texts), bertutil.embed(tiny, texts, strategy="last", specials=True)) < 1e-5
    )
