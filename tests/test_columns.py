"""Key figures: a chapter's own beside those stored for other checkpoints, and the command that stores them."""

import json
import shutil

import nbformat
import pytest

from bertutil.corpus import checkpoint_digest
from bertutil.course import columns, labels
from tools import columns as command

OWN = {"last layer": 0.8364, "GloVe": 0.69}


@pytest.fixture
def stand_in(monkeypatch):
    """A column that stands in for bert-base-uncased's; the figures are made up."""
    record = {"date": "2026-11-29", "figures": {"context": {"last layer": 0.5, "one that left": 0.1}, "search": {}}}
    monkeypatch.setattr(columns, "stored", lambda: {"bert-base-uncased": record})


def test_without_a_stored_column_there_is_only_this_checkpoint_s(bert, monkeypatch):
    monkeypatch.setattr(columns, "stored", dict)
    table = columns.beside("context", bert, OWN)
    assert list(table.columns) == ["minilm"]
    assert table["minilm"].to_dict() == {"last layer": 0.836, "GloVe": 0.69}


def test_a_stored_column_stands_beside_with_its_date(bert, stand_in):
    table = columns.beside("context", bert, OWN)
    assert list(table.columns) == ["minilm", "bert-base-uncased, 2026-11-29"]
    assert table.loc["last layer"].tolist() == [0.836, 0.5]


def test_a_figure_that_was_not_stored_is_nan(bert, stand_in):
    assert columns.beside("context", bert, OWN).isna().sum().to_list() == [0, 1]


def test_a_chapter_that_was_not_stored_has_no_such_column(bert, stand_in):
    assert list(columns.beside("layer_choice", bert, OWN).columns) == ["minilm"]


def test_the_stored_column_of_this_very_checkpoint_is_left_out(bert, monkeypatch):
    monkeypatch.setattr(columns, "stored", lambda: {"minilm": {"date": "", "figures": {"context": OWN}}})
    assert list(columns.beside("context", bert, OWN).columns) == ["minilm"]


def test_a_stored_file_is_read_by_its_name(bert, monkeypatch, tmp_path):
    (tmp_path / "columns").mkdir()
    (tmp_path / "columns" / "other.json").write_text('{"date": "2026-12-01", "figures": {}}')
    monkeypatch.setattr(columns, "files", lambda package: tmp_path)
    assert columns.stored() == {"other": {"date": "2026-12-01", "figures": {}}}


def test_the_command_runs_a_chapter_and_stores_its_figures(tiny, tiny_folder, tmp_path, capsys):
    cells = [nbformat.v4.new_code_cell("MODEL = None"), nbformat.v4.new_code_cell("figures = {}")]
    cells[0].metadata["tags"] = ["parameters"]
    with_figures = "import bertutil\nfigures = {'layers': bertutil.load(MODEL).n_layers}"
    cells[1].update(id="key-figures", source=with_figures)
    lines = "C01 holds: the first.\\nC02 does not hold: this: too."
    ledger = nbformat.v4.new_code_cell(f"display({{'text/plain': '{lines}'}}, raw=True)")
    ledger["id"] = "ledger-table"
    cells.append(ledger)
    chapter, silent = tmp_path / "07_context.ipynb", tmp_path / "08_silent.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), chapter)
    nbformat.write(nbformat.v4.new_notebook(cells=cells[:1]), silent)
    model = tmp_path / "little"
    shutil.copytree(tiny_folder, model)
    assert command.main([str(model), str(chapter), str(silent), "--into", str(tmp_path / "columns")]) == 0
    stored = json.loads((tmp_path / "columns" / "little.json").read_text())
    assert stored["figures"] == {"context": {"layers": 3}}
    assert stored["verdicts"] == {"C01": "holds", "C02": "does not hold"}
    assert stored["digest"] == checkpoint_digest(tiny)
    assert stored["versions"].keys() >= {"python", "torch", "transformers"}
    assert capsys.readouterr().out == "little.json: context\n"


def test_a_label_is_a_catalogue_name_or_the_end_of_a_path(bert, tiny, tiny_folder):
    assert (labels.label(bert), labels.label(tiny)) == ("minilm", tiny_folder.name)


def test_the_box_names_the_checkpoint_once_with_its_size_and_says_what_differs(bert):
    text = labels.box(bert, "The last layer is tuned for sentences.").data
    assert text.startswith("> **Computed with minilm** (all-MiniLM-L6-v2: 6 layers, 384 features, tuned")
    assert text.count("6 layers") == 1
    assert text.endswith("\n>\n> **Not carried over:** The last layer is tuned for sentences.")


def test_the_box_of_another_checkpoint_has_its_size_too(tiny):
    assert "3 layers, 32 features" in labels.box(tiny, "x").data
