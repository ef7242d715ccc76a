"""benchmarks/index.py: its texts, its vectors, its recall, and that the page shows the last results."""

import json

import numpy as np
import pytest

from benchmarks import index


def test_sentences_come_from_docstrings_and_are_prose(tmp_path):
    file = tmp_path / "module.py"
    file.write_text(
        '"""The first line says it all. x = f(1) + g[2] * 3 ** 4\n\nThis paragraph goes over\ntwo lines."""\n'
        "# A comment is no docstring at all.\n"
        'def f():\n    """Too short."""\n'
    )
    assert list(index.docstring_sentences(file)) == [
        "The first line says it all.",
        "This paragraph goes over two lines.",
    ]


def test_a_file_that_is_no_python_gives_nothing(tmp_path):
    (tmp_path / "broken.py").write_text("def f(:\n")
    assert list(index.docstring_sentences(tmp_path / "broken.py")) == []


def test_too_few_sentences_are_refused(tmp_path):
    (tmp_path / "one.py").write_text('"""One sentence with five words."""')
    assert index.collect([tmp_path / "one.py"], 1) == ["One sentence with five words."]
    with pytest.raises(ValueError, match="1 different sentences, fewer than 2"):
        index.collect([tmp_path / "one.py"], 2)


def test_a_part_is_the_mean_of_four_neighbouring_words_or_more():
    words = [np.arange(10.0).reshape(5, 2), np.full((4, 2), 7.0)]
    made = index.parts(words, 4)
    expected = [words[0][:4].mean(0), words[0].mean(0), words[0][1:].mean(0), [7, 7]]
    assert sorted(map(tuple, made)) == sorted(map(tuple, expected))
    with pytest.raises(ValueError, match="4 runs of four words or more, fewer than 5"):
        index.parts(words, 5)


def test_recall_counts_what_was_found_at_any_place():
    assert index.recall(np.array([[3, 1], [8, 9]]), np.array([[1, 2], [9, 8]])) == 0.75


def test_a_graph_finds_what_exact_search_finds_where_the_beam_is_wide():
    draw = np.random.default_rng(0)
    vectors = index.unit(draw.standard_normal((300, 8)))
    rows = index.measure(vectors, index.unit(draw.standard_normal((20, 8))), ["f16", "b1"])
    recalls = {(row["way"], row["beam"]): row["recall"] for row in rows}
    assert recalls["graph, float16", 320] > 0.98
    assert recalls["graph, 1 bit", 320] < 0.9
    assert rows[0]["bytes"] == 32


@pytest.mark.skipif(not index.RESULTS.exists(), reason="nothing was measured yet: python benchmarks/index.py")
def test_the_page_shows_the_last_results():
    results = json.loads(index.RESULTS.read_text(encoding="utf-8"))
    assert (index.HERE / "index.md").read_text(encoding="utf-8") == index.report(results)
