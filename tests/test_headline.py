"""The figure of the README is the one that chapter 7 shows."""

import base64

import nbformat
import pytest

from tools import headline


def test_the_headline_figure_is_the_one_of_the_executed_chapter():
    png, _ = headline.figure(headline.CHAPTER, headline.CELL)
    assert headline.PICTURE.read_bytes() == png, "run python tools/headline.py"


def test_a_figure_comes_with_its_alternative_text(tmp_path):
    data = {"image/png": base64.b64encode(b"a picture").decode()}
    shown = nbformat.v4.new_output("display_data", data=data, metadata={"image/png": {"alt": "what it shows"}})
    cells = [nbformat.v4.new_code_cell("1", id="other"), nbformat.v4.new_code_cell("2", id="wanted", outputs=[shown])]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    assert headline.figure(tmp_path / "a.ipynb", "wanted") == (b"a picture", "what it shows")
    with pytest.raises(ValueError, match=r"'other' of a\.ipynb shows no picture"):
        headline.figure(tmp_path / "a.ipynb", "other")
