"""Learner copies hold no solution and run to the end, solved copies are the chapters; slides need no other host.

That solved copies run, and that every check says "Right.", is checked in test_notebooks.py.
"""

import ast
import builtins
import copy
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import symtable
import sys
import urllib.request
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit
from zipfile import ZipFile

import nbformat
import pytest
from nbclient import NotebookClient

import bertutil
from bertutil.cli import main
from bertutil.course import address, learn, stick, workshop
from bertutil.course.exercises import Exercise, Wrong, call
from tests.browser import launched
from tools.notebooks import NOTEBOOKS

ROOT = Path(__file__).parent.parent
FOLDED = {  # in JupyterLab, and in the book under a word
    "jupyter": {"outputs_hidden": True, "source_hidden": True},
    "mystnb": {"code_prompt_hide": "Solution", "code_prompt_show": "Solution"},
    "tags": ["hide-cell"],
}
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
# Copies that run with every change; the others run in the weekly check, and what they use is looked at with every one
RUN_ALWAYS = ("00_", "03_", "10_")
every_copy = pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[] if path.name.startswith(RUN_ALWAYS) else pytest.mark.weekly) for path in NOTEBOOKS],
    ids=lambda path: path.name,
)

# Runs the learners' copies one after the other, each in an empty namespace, and prints their stdout cell by cell as
# JSON. One process for all: importing torch and transformers takes longer than most chapters do.
RUN = """
import contextlib, io, json, os, sys
from functools import partial
import torch
from IPython.core.interactiveshell import InteractiveShell
from bertutil import probes
from bertutil.course.ledger import evidence
# chapters 8 and 15 train many of them, and how well is not looked at here
probes.sequence_probe = evidence.sequence_probe = partial(probes.sequence_probe, epochs=1)
shell, (folder, checkpoint, *later) = InteractiveShell.instance(), sys.argv[1:]
said = {}
os.chdir(folder)
for name in sorted(name for name in os.listdir() if name.endswith(".ipynb") and name not in later):
    shell.reset(new_session=True)
    torch.set_grad_enabled(True)  # chapters that train nothing switch it off
    printed = said[name] = {}
    for cell in json.load(open(name, encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        source = f"MODEL = {checkpoint!r}" if cell["id"] == "parameters" else cell["source"]
        with contextlib.redirect_stdout(io.StringIO()) as stdout:
            result = shell.run_cell(source)
        printed[cell["id"]] = stdout.getvalue()
        if error := result.error_in_exec or result.error_before_exec:
            printed["error"] = f"{cell['id']}: {error}"
            break
sys.__stdout__.write("SAID" + json.dumps(said))
"""


@pytest.fixture(scope="session")
def out(tmp_path_factory):
    """The copies of all chapters."""
    folder = tmp_path_factory.mktemp("workshop") / "out"
    assert main(["workshop", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def said(out, tiny_folder):
    """What learners' copies print with the tiny random checkpoint: file name -> cell id -> text, or "error"."""
    weekly = os.environ.get("BERTUTIL_WEEKLY")
    later = [path.name for path in NOTEBOOKS if not (weekly or path.name.startswith(RUN_ALWAYS))]
    result = subprocess.run(
        [sys.executable, "-c", RUN, str(out / "learner"), str(tiny_folder), *later],
        env=os.environ | {"MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.partition("SAID")[2])


def sources(path, kind="code"):
    return {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind}


@every_notebook
def test_every_exercise_is_marked_by_its_cell_ids(path):
    notebook = workshop.read(path)
    found = workshop.exercises(notebook)
    chapter = int(path.name[:2])
    assert [exercise.number for exercise in found] == [f"{chapter}.{n}" for n in range(1, len(found) + 1)]
    cells = {cell["id"]: cell for cell in notebook["cells"]}
    order = list(cells)
    headings = [i for i in order if "## Exercise" in cells[i]["source"]]
    assert headings == [exercise.cell for exercise in found]
    for exercise in found:
        stub, solution = cells[f"{exercise.cell}-stub"], cells[f"{exercise.cell}-solution"]
        assert order.index(exercise.cell) < order.index(stub["id"]) < order.index(solution["id"])
        assert exercise.check.startswith(f"ch{chapter:02}.")
        assert exercise.solution.endswith("_solution")
        assert solution["source"].startswith("# @title Solution\n")
        assert solution["metadata"] == FOLDED
        assert "Not tried yet." in json.dumps(stub["outputs"])
        assert "Right." in json.dumps(solution["outputs"])
    loose = [i for i, cell in cells.items() if "_solution(" in cell["source"] and ".check(" in cell["source"]]
    assert loose == [f"{exercise.cell}-solution" for exercise in found]


@every_notebook
def test_a_learner_copy_holds_no_line_of_a_solution_and_all_the_rest(path, out):
    original, copy = sources(path), sources(out / "learner" / path.name)
    copy = {id: source for id, source in copy.items() if not source.startswith("intuition.") and id != "intuition"}
    solutions = {i for i in original if i.endswith("-solution")}
    assert bool(solutions) is (path.name[:2] != "00")  # the tour has no exercise
    assert [*copy] == [i for i in original if i not in solutions]
    elsewhere = {line.strip() for i in [*original] if i not in solutions for line in original[i].splitlines()}
    secret = {line.strip() for i in solutions for line in original[i].splitlines()} - elsewhere
    text = (out / "learner" / path.name).read_text(encoding="utf-8")
    assert not secret & {line.strip() for source in copy.values() for line in source.splitlines()}
    assert "_solution" not in text
    assert "folded solution" not in text
    assert sources(path, "markdown").keys() == sources(out / "learner" / path.name, "markdown").keys()
    changed = [i for i in copy if copy[i] != original[i]]
    assert [i for i in changed if not copy[i].startswith("if ch") or i.endswith("-stub")] == []


@every_notebook
def test_a_learner_copy_has_no_outputs(path, out):
    cells = nbformat.read(out / "learner" / path.name, as_version=4).cells
    assert [cell.id for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []


@every_notebook
@pytest.mark.parametrize("kind", ["learner", "solved"])
def test_copies_are_valid_notebooks(path, out, kind):
    nbformat.validate(nbformat.read(out / kind / path.name, as_version=4))


@every_copy
def test_a_learner_copy_runs_to_the_end_and_nothing_is_tried_yet(path, said):
    printed = said[path.name]
    assert printed.get("error") is None
    stubs = [f"{exercise.cell}-stub" for exercise in workshop.exercises(workshop.read(path))]
    assert [printed[stub] for stub in stubs] == ["Not tried yet.\n"] * len(stubs)
    guesses = ("-guess", "-seen", "-score")
    assert [id for id, text in printed.items() if id.endswith(guesses) and text] == []


def names(table, top=True):
    """The global names that a piece of code uses, and those that it defines."""
    used, defined = set(), set()
    for symbol in table.get_symbols():
        is_global = top or symbol.is_global()
        if is_global and (symbol.is_assigned() or symbol.is_imported()):
            defined.add(symbol.get_name())
        if is_global and symbol.is_referenced():
            used.add(symbol.get_name())
    for inner in table.get_children():
        more, _ = names(inner, top=False)
        used |= more
    return used, defined


@every_notebook
def test_a_learner_copy_uses_no_name_that_only_a_solution_defines(path, out):
    known = {*dir(builtins), "__name__", "get_ipython"}
    for cell in nbformat.read(out / "learner" / path.name, as_version=4).cells:
        if cell.cell_type == "code":
            used, defined = names(symtable.symtable(cell.source, cell.id, "exec"))
            known |= defined
            assert used - known == set(), cell.id


def test_a_cell_that_needs_a_solution_waits_for_the_learner_s_own(said):
    waiting = "Exercise 3.1 comes first: this cell needs what you write there.\n"
    assert said["03_tokenization.ipynb"]["compare"] == waiting
    assert said["03_tokenization.ipynb"]["tokenize-by-hand"] == waiting  # it uses a name from that cell
    assert "comes first" not in said["03_tokenization.ipynb"]["split"]  # exercise 3.4 needs it, and not 3.1


def cell(name, source):
    return {"id": name, "cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": 1}


def two_exercises():
    """A notebook with the exercises 9.1, double, and 9.2, half, and cells that need the one, both, or neither."""
    cells = []
    for number, (name, body) in enumerate({"double": "2 * x", "half": "x / 2"}.items(), 1):
        heading = {"id": f"exercise-{name}", "cell_type": "markdown", "source": f"## Exercise 9.{number}: {name}"}
        stub = f"def my_{name}(x): ...\n\nch09.{name}.check(my_{name})"
        solution = f"# @title Solution\ndef {name}_solution(x): return {body}\n\nch09.{name}.check({name}_solution)"
        cells += [heading, cell(f"exercise-{name}-stub", stub), cell(f"exercise-{name}-solution", solution)]
    cells += [
        cell("one", "six = double_solution(3)\nprint(six)"),
        cell("later", "print(six + 1)"),
        cell("both", "print(half_solution(double_solution(5)))"),
        cell("anew", "six = 60"),
        cell("after", "print(six)"),
    ]
    return {"cells": cells}


def printed_by_the_learners_copy(capsys, **answers):
    """What the cells below the exercises print, with the learner's answers in the stubs' places."""

    def judge(expected):
        def check(function):
            if call(function, 8) != expected:
                raise Wrong("no")

        return Exercise("own", check, ["try"])

    names = {"ch09": SimpleNamespace(double=judge(16), half=judge(4))}
    printed = {}
    for each in workshop.learner(two_exercises())["cells"]:
        if each["cell_type"] == "code":
            answer = answers.get(each["id"].removeprefix("exercise-").removesuffix("-stub"))
            exec(f"my_{answer}" if answer else each["source"], names)
            printed[each["id"]] = capsys.readouterr().out.strip()
    return [printed[name] for name in ("one", "later", "both", "after")]


WAITS = "Exercise {} comes first: this cell needs what you write there."


def test_cells_wait_for_each_exercise_that_they_need(capsys):
    one, both = WAITS.format("9.1"), WAITS.format("9.1, 9.2")
    assert printed_by_the_learners_copy(capsys) == [one, one, both, "60"]


def test_a_cell_opens_when_the_learners_own_is_right(capsys):
    double = "double = lambda x: x + x"
    assert printed_by_the_learners_copy(capsys, double=double)[:2] == ["6", "7"]
    assert printed_by_the_learners_copy(capsys, double=double, half="half = lambda x: 0.5 * x")[2] == "5.0"


def test_a_cell_stays_shut_while_one_of_the_exercises_that_it_needs_is_not_right(capsys):
    both = WAITS.format("9.1, 9.2")
    assert printed_by_the_learners_copy(capsys, double="double = lambda x: x + x")[2] == both
    assert printed_by_the_learners_copy(capsys, half="half = lambda x: 0.5 * x")[2] == both
    assert printed_by_the_learners_copy(capsys, double="double = lambda x: 0")[:2] == [WAITS.format("9.1")] * 2


def test_a_copy_runs_in_a_real_kernel_with_the_default_checkpoint(out):
    path = out / "solved" / "01_loading.ipynb"
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    printed = [learn.said(cell) for cell in notebook.cells if cell.id.endswith("-stub")]
    assert [text.startswith("Right.") for text in printed] == [True] * len(printed)
    assert len(printed) >= 3


@every_notebook
def test_a_solved_copy_keeps_the_outputs_and_counts_its_cells(path, out):
    original = {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}
    code = [c for c in nbformat.read(out / "solved" / path.name, as_version=4).cells if c.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [*range(1, len(code) + 1)]
    for cell in code:
        source = original[cell.id.replace("-stub", "-solution")]
        data = [[output.get("text"), output.get("data")] for output in cell.outputs]
        assert data == [[output.get("text"), output.get("data")] for output in source.outputs]


@pytest.mark.parametrize("kind", ["learner", "solved"])
def test_every_link_of_the_copies_leads_somewhere(kind, out):
    texts = {path: path.read_text(encoding="utf-8") for path in (out / kind).glob("*.md")}
    for path in (out / kind).glob("*.ipynb"):
        texts[path] = "\n".join(sources(path, "markdown").values())
    for path, text in texts.items():
        links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
        assert [link for link in links if link and not (path.parent / link).exists()] == []


def test_a_link_to_a_chapter_that_is_left_out_becomes_text(tmp_path):
    assert main(["workshop", str(tmp_path / "out"), "--chapters", "1", "3"]) == 0
    assert sorted(path.name for path in (tmp_path / "out" / "learner").glob("*.ipynb")) == [
        "01_loading.ipynb",
        "03_tokenization.ipynb",
    ]
    text = sources(tmp_path / "out" / "learner" / "03_tokenization.ipynb", "markdown")["title"]
    assert "chapters [1](01_loading.ipynb) and 2." in text


# --- A room on Colab or Binder ---


FORK, BRANCH = "https://github.com/me/fork", "room"


def git(folder, *arguments):
    name = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """A fork with the branch as the command's own lines push it, read again as Colab and Binder do: a clone.

    Git reads the fork's address as a bare repository here.
    """
    folder, patch = tmp_path_factory.mktemp("room"), pytest.MonkeyPatch()
    git(folder, "init", "--bare", "fork.git")
    for name, value in {"KEY": f"url.{(folder / 'fork.git').as_uri()}.insteadOf", "VALUE": FORK}.items():
        patch.setenv(f"GIT_CONFIG_{name}_0", value)
    patch.setenv("GIT_CONFIG_COUNT", "1")
    patch.setenv("GIT_ALLOW_PROTOCOL", "file")  # a connection to another machine fails
    arguments = ["--address", FORK, "--ref", BRANCH, "--chapters", "0", "1", "3", "6"]
    command = [sys.executable, "-m", "bertutil", "workshop", str(folder / "out"), *arguments]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for who in ("AUTHOR", "COMMITTER"):
        patch.setenv(f"GIT_{who}_NAME", "t")
        patch.setenv(f"GIT_{who}_EMAIL", "t@example.org")
    for line in said.splitlines():
        if line.startswith("  git "):
            subprocess.run(line, shell=True, cwd=folder / "out", check=True, capture_output=True)
    git(folder, "clone", "--branch", BRANCH, FORK, "clone")
    yield folder / "clone"
    patch.undo()


def test_a_pushed_branch_has_the_learners_copies_and_no_solved_one(pushed):
    found = {path.relative_to(pushed).as_posix() for path in pushed.rglob("*") if ".git" not in path.parts}
    names = [name for name in found if name.endswith(".ipynb")]
    assert len(names) == 4
    assert all(name.startswith("learner/") for name in names)
    assert found >= {"README.md", "learner/glossary.md"}
    assert "_solution" not in "".join((pushed / name).read_text(encoding="utf-8") for name in names)


def file_of(link):
    """The file of the branch that a link to Colab, to Binder or to a page on GitHub opens; None for other links."""
    parts = urlsplit(link)
    if parts.netloc == "mybinder.org":
        pulled = parse_qs(urlsplit(parse_qs(parts.query)["urlpath"][0]).query)
        assert pulled["repo"] == [FORK]
        assert pulled["branch"] == [BRANCH]
        (target,) = pulled["targetPath"]
        return pulled["urlpath"][0].removeprefix(f"lab/tree/{target}/")
    if parts.netloc not in ("github.com", "colab.research.google.com"):
        return None
    place = parts.path.removeprefix("/github")
    return place.removeprefix(f"/me/fork/blob/{BRANCH}/") if place.startswith("/me/") else None


def test_the_page_of_the_branch_opens_each_copy_on_colab_and_on_binder(pushed):
    text = (pushed / "README.md").read_text(encoding="utf-8")
    copies = sorted(f"learner/{path.name}" for path in (pushed / "learner").glob("*.ipynb"))
    for host in ("https://colab.research.google.com/", "https://mybinder.org/"):
        assert [file_of(link) for link in re.findall(rf"\(({host}\S+)\)", text)] == copies
    local = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert local == copies


def test_a_copys_links_lead_to_the_branch_and_to_files_that_are_there(pushed):
    for path in (pushed / "learner").glob("*.ipynb"):
        text = "\n".join(sources(path, "markdown").values())
        links = re.findall(r"\]\(([^)\s]+)\)", text)
        assert [link for link in links if "://" not in link and link[0] != "#"] == []
        files = [file.partition("#")[0] for link in links if (file := file_of(link))]
        assert [file for file in files if not (pushed / file).is_file()] == []
        assert files.count(f"learner/{path.name}") >= 2  # Colab, Binder
        assert f"learner/{'glossary.md'}" in files
        title = sources(path, "markdown")["title"].splitlines()
        assert [line for line in title if line.startswith("[Open in Colab]")] == [title[2]]


def test_binders_image_is_the_projects_own(pushed):
    text = "".join(
        path.read_text(encoding="utf-8") for path in [pushed / "README.md", *pushed.glob("learner/*.ipynb")]
    )
    (image,) = set(re.findall(r"mybinder\.org/v2/gh/([^?]+)\?", text))
    assert image == f"{address.project()}/{address.ENVIRONMENT}"


def test_a_copy_installs_bertutil_from_the_projects_repository(pushed):
    original = sources(NOTEBOOKS[1])["install"]
    assert sources(pushed / "learner" / NOTEBOOKS[1].name)["install"] == original
    assert f"git+https://github.com/{address.project()}@" in original


def test_a_copy_of_the_branch_runs(pushed):
    path = pushed / "learner" / "01_loading.ipynb"
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    printed = [learn.said(cell) for cell in notebook.cells if cell.id.endswith("-stub")]
    assert set(printed) == {"Not tried yet.\n"}


def test_nbgitpuller_fetches_what_binders_link_names(pushed, tmp_path):
    pytest.importorskip("nbgitpuller", reason="needs nbgitpuller: pip install -e .[test]")
    from nbgitpuller.pull import GitPuller

    [*GitPuller(FORK, str(tmp_path / "course"), branch=BRANCH).pull()]
    assert (tmp_path / "course" / "learner" / "00_tour.ipynb").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--address", FORK], "--address and --ref go together"),
        (["--ref", "room"], "--address and --ref go together"),
        (["--address", "https://gitlab.com/me/fork", "--ref", "room"], "give https://github.com/owner/name"),
        (["--address", FORK, "--ref", "a/b"], "without a slash"),
    ],
)
def test_an_address_that_cannot_be_opened_is_refused(arguments, said, refused):
    assert said in refused(*arguments)


# --- A room without a network ---


def wheel(folder, requires=""):
    """A package "bertutil" of this version, whose command prints what it is called with."""
    name = f"bertutil-{bertutil.__version__}"
    information = f"Metadata-Version: 2.1\nName: bertutil\nVersion: {bertutil.__version__}\nProvides-Extra: lab\n"
    files = {
        "bertutil.py": "import sys\n\n\ndef run():\n    print(sys.argv[1:])\n",
        f"{name}.dist-info/METADATA": information + requires,
        f"{name}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{name}.dist-info/entry_points.txt": "[console_scripts]\nbertutil = bertutil:run\n",
    }
    folder.mkdir()
    with ZipFile(folder / f"{name}-py3-none-any.whl", "w") as packed:
        for path, text in files.items():
            packed.writestr(path, text)
        packed.writestr(f"{name}.dist-info/RECORD", "".join(f"{path},,\n" for path in files))


@pytest.fixture
def tiny_stick(tmp_path):
    """A stick with one tiny package in the place of bertutil and all that it needs."""
    name, text = stick.script(windows=False)
    (tmp_path / "a stick").mkdir()
    (tmp_path / "a stick" / name).write_text(text)
    wheel(tmp_path / "a stick" / "wheels")
    return tmp_path / "a stick"


UNREACHABLE = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "all")}


def start(stick, home, *arguments, **variables):
    """Run start.sh with a home folder of its own, and every way to a network led into nothing."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PIP_") and k != "PYTHONPATH"}
    environment |= UNREACHABLE | {"HOME": str(home)} | variables
    command = ["sh", str(stick / "start.sh"), *map(str, arguments)]
    return subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True)


posix = pytest.mark.skipif(os.name == "nt", reason="start.sh is for Linux and macOS")


@posix
def test_the_stick_installs_into_the_home_folder_and_opens_the_chapters(tiny_stick, tmp_path):
    (tmp_path / "home").mkdir()
    before = sorted(tiny_stick.rglob("*"))
    done = start(tiny_stick, tmp_path / "home")
    assert (done.returncode, done.stderr) == (0, "")
    place = tmp_path / "home" / "bertutil-stick"
    assert done.stdout.splitlines()[-1] == str(["learn", str(place / "chapters")])
    assert "No network is used" in done.stdout
    assert sorted(tiny_stick.rglob("*")) == before


@posix
def test_the_stick_takes_another_folder_and_learns_options_and_installs_once(tiny_stick, tmp_path):
    place = tmp_path / "my place"
    expected = f"{['learn', str(place / 'chapters'), '--port', '9000']}\n"
    assert start(tiny_stick, tmp_path, place, "--port", "9000").stdout.endswith(expected)
    assert start(tiny_stick, tmp_path, place, "--port", "9000").stdout == expected


@posix
def test_an_installation_that_failed_is_done_again(tiny_stick, tmp_path):
    (whole,) = (tiny_stick / "wheels").iterdir()
    whole.rename(tmp_path / whole.name)
    failed = start(tiny_stick, tmp_path)
    assert failed.returncode
    assert "No matching distribution found for bertutil" in failed.stderr
    (tmp_path / whole.name).rename(whole)
    assert start(tiny_stick, tmp_path).returncode == 0


@posix
def test_a_stick_that_lacks_a_package_gets_it_from_nowhere_else(tiny_stick, tmp_path):
    shutil.rmtree(tiny_stick / "wheels")
    wheel(tiny_stick / "wheels", requires='Requires-Dist: filelock ; extra == "lab"\n')
    failed = start(tiny_stick, tmp_path)
    assert failed.returncode
    assert "No matching distribution found for filelock" in failed.stderr


@posix
def test_a_stick_for_another_python_or_system_says_which_it_is_for(tiny_stick, tmp_path):
    script = tiny_stick / "start.sh"
    here = repr(platform.machine())
    script.write_text(script.read_text().replace(here, "'another'"))
    done = start(tiny_stick, tmp_path)
    assert done.returncode == 1
    assert f"This stick is for {platform.system()} ({platform.machine()}) with Python 3." in done.stdout
    assert not (tmp_path / "bertutil-stick").exists()


def test_the_script_for_windows_has_its_line_ends_and_says_the_same():
    name, text = stick.script(windows=True)
    assert name == "start.bat"
    assert text.count("\r\n") == text.count("\n")
    for part in ("--no-index", f"bertutil[lab]=={bertutil.__version__}", "learn", f"ready-{bertutil.__version__}"):
        assert part in text


def test_a_stick_is_made_from_a_clone_only(tmp_path, refused, monkeypatch):
    monkeypatch.setattr(workshop, "PROJECT", tmp_path / "site-packages")
    assert "--offline needs a clone" in refused("--offline", "--notebooks", str(ROOT / "notebooks"))


def test_where_pip_fails_its_words_are_told_and_nothing_is_written(refused, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    assert "pip could not get all packages" in refused("--offline", "--chapters", "0")


@posix
@pytest.mark.weekly
def test_a_whole_stick_starts_jupyterlab_without_a_network(tmp_path):
    out = tmp_path / "out"
    assert main(["workshop", str(out), "--chapters", "0", "--offline"]) == 0
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PIP_") and k != "PYTHONPATH"}
    environment |= UNREACHABLE | {"HOME": str(tmp_path), "no_proxy": "127.0.0.1,localhost"}
    command = ["sh", str(out / "stick" / "start.sh"), str(tmp_path / "place"), "--no-browser", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        lines = iter(process.stdout.readline, "")
        address = next(line for line in lines if "JupyterLab is at" in line).split()[-1]
        assert f":{port}/lab/tree/00_tour.ipynb" in address
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert answer.status == 200
        run = start(out / "stick", tmp_path, tmp_path / "place", "--run", "0")
        assert "00_tour.ipynb ran to its end" in run.stdout
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def test_a_folder_that_is_not_empty_is_left_alone_unless_forced(tmp_path, capsys):
    own = tmp_path / "learner" / "01_loading.ipynb"
    own.parent.mkdir()
    own.write_text("my answers")
    assert main(["workshop", str(tmp_path), "--chapters", "1"]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert own.read_text() == "my answers"
    assert main(["workshop", str(tmp_path), "--chapters", "1", "--force"]) == 0
    assert own.read_text() != "my answers"


def test_without_notebooks_and_with_an_unknown_chapter_the_error_says_what_to_do(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["workshop", str(tmp_path / "out"), "--notebooks", str(tmp_path / "empty")]) == 1
    assert "give its folder with --notebooks" in capsys.readouterr().err
    assert main(["workshop", str(tmp_path / "out"), "--chapters", "1", "77"]) == 1
    assert "there is no chapter 77; there are 0, 1, 2, 3" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


GOOD = {"cell_type": "code", "id": "a", "source": "1", "outputs": [], "metadata": {}, "execution_count": None}
DAMAGED = {
    "empty": "",
    "cut off": '{"cells": [',
    "a list": "[1]",
    "without cells": "{}",
    "cells that are none": '{"cells": 3}',
    "a cell that is none": '{"cells": ["a"]}',
    "without an id": json.dumps({"cells": [{**GOOD, "id": None}]}),
    "without outputs": json.dumps({"cells": [{k: v for k, v in GOOD.items() if k != "outputs"}]}),
    "outputs that are none": json.dumps({"cells": [{**GOOD, "outputs": [3]}]}),
    "a source that is none": json.dumps({"cells": [{**GOOD, "source": [3]}]}),
    "a syntax error": json.dumps({"cells": [{**GOOD, "source": "def"}]}),
    "an id twice": json.dumps({"cells": [GOOD, GOOD]}),
    "half a character": json.dumps({"cells": [{**GOOD, "source": "'\ud800'"}]}),
    "deep": "[" * 100_000,
    "Latin-1": b"\xe9",
}


@pytest.fixture
def refused(tmp_path, capsys):
    """Make the copies, which must fail; the one line on stderr. Nothing may be left behind."""

    def refused(*arguments, out="out"):
        before = {path: path.read_bytes() if path.is_file() else None for path in tmp_path.rglob("*")}
        assert main(["workshop", str(tmp_path / out), *arguments]) == 1
        assert {path: path.read_bytes() if path.is_file() else None for path in tmp_path.rglob("*")} == before
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return refused


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_notebook_is_named_and_nothing_is_written(kind, tmp_path, refused):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_good.ipynb").write_text(json.dumps({"cells": [GOOD]}))
    content = DAMAGED[kind]
    (tmp_path / "notebooks" / "02_bad.ipynb").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert "02_bad.ipynb" in refused("--notebooks", str(tmp_path / "notebooks"))


def test_notebooks_that_cannot_be_read_and_two_of_one_chapter_are_named(tmp_path, refused):
    (tmp_path / "notebooks" / "02_folder.ipynb").mkdir(parents=True)
    assert "02_folder.ipynb" in refused("--notebooks", str(tmp_path / "notebooks"))
    (tmp_path / "notebooks" / "02_copy.ipynb").touch()
    assert "02_copy.ipynb and 02_folder.ipynb are of one chapter" in refused(
        "--notebooks", str(tmp_path / "notebooks")
    )
    (tmp_path / "notebooks" / "02_copy.ipynb").unlink()
    (tmp_path / "notebooks" / "02_folder.ipynb").rmdir()
    (tmp_path / "notebooks" / "01_good.ipynb").write_text(json.dumps({"cells": [GOOD]}))
    (tmp_path / "notebooks" / "glossary.md").write_bytes(b"\xe9")
    assert "glossary.md: " in refused("--notebooks", str(tmp_path / "notebooks"))


@pytest.mark.parametrize("out", ["file", "file/out", "file/a/out", "link", "f\0"])
def test_an_out_that_cannot_be_a_folder_is_named(out, tmp_path, refused):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert "nothing was written: " in refused("--chapters", "1", out=out)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="not even root can write there")
def test_an_out_where_one_may_not_write_is_named(capsys):
    assert main(["workshop", "/proc/out", "--chapters", "1"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "/proc" in line


def test_a_full_disk_leaves_nothing(refused, monkeypatch):
    def write(path, content):
        path.touch()
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(workshop.Path, "write_bytes", write)
    assert "No space left on device" in refused("--chapters", "1")


@pytest.mark.parametrize("name", ["learner", "solved/01_loading.ipynb/x"])
def test_what_stands_in_the_way_is_named_before_anything_is_replaced(name, tmp_path, refused):
    (tmp_path / "out" / name).parent.mkdir(parents=True)
    (tmp_path / "out" / name).write_text("mine")
    assert name.removesuffix("/x") in refused("--chapters", "1", "--force")


def test_no_link_below_the_folder_is_followed(tmp_path, refused):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "01_loading.ipynb").write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "learner").symlink_to(tmp_path / "mine")
    assert "learner is a link" in refused("--chapters", "1", "--force")
    assert {path.read_text() for path in (tmp_path / "mine").iterdir()} == {"precious"}


def test_copies_may_be_read_by_others_as_other_files_may(out, tmp_path):
    (tmp_path / "folder").mkdir()
    assert (out / "learner").stat().st_mode == (tmp_path / "folder").stat().st_mode


def test_an_exercise_that_is_not_marked_as_agreed_is_refused():
    notebook = workshop.read(NOTEBOOKS[1])
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] != "exercise-1-solution"]
    with pytest.raises(ValueError, match=r"exercise-1: needs the cells exercise-1 .* and exercise-1-solution"):
        workshop.learner(notebook)


def test_a_solution_that_is_checked_as_another_exercise_is_refused():
    notebook = two_exercises()
    notebook["cells"][2]["source"] = notebook["cells"][2]["source"].replace("ch09.double", "ch09.half")
    with pytest.raises(ValueError, match=r"exercise-double: needs the cells"):
        workshop.learner(notebook)


@pytest.mark.parametrize(
    ("link", "mended", "files"),
    [
        ("[1](01_a.ipynb#part)", "[1](01_a.ipynb#part)", []),
        ("[2](02_b.ipynb)", "2", []),
        ("[data](../data/x.md#top)", "[data](files/data/x.md#top)", ["files/data/x.md"]),
        ("[gone](../data/y.md)", "gone", []),
        ("[out](https://example.org/../x)", "[out](https://example.org/../x)", []),
        ("[here](#part)", "[here](#part)", []),
        ("[cli](../bertutil/cli.py)", "[cli](files/bertutil/cli.py)", ["files/bertutil/cli.py"]),  # from a wheel
    ],
)
def test_links_are_mended_for_a_folder_of_its_own(tmp_path, link, mended, files):
    for name in ("data/x.md", "notebooks/01_a.ipynb", "notebooks/02_b.ipynb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    text, found = workshop.relink(link, tmp_path / "notebooks", {"01_a.ipynb"})
    assert (text, list(found)) == (mended, files)


@every_notebook
def test_a_guarded_cell_is_the_cell_indented(path):
    notebook = workshop.read(path)
    originals = {cell["id"]: cell["source"] for cell in workshop.solved(notebook)["cells"]}
    for cell in workshop.learner(notebook)["cells"]:
        if cell["cell_type"] == "code" and cell["source"].startswith("if ch"):
            (guard,) = ast.parse(cell["source"]).body
            assert ast.dump(ast.Module(guard.body, [])) == ast.dump(ast.parse(originals[cell["id"]]))


SHOWN = ["03_tokenization", "10_attention"]


@pytest.fixture(scope="session")
def slides(tmp_path_factory):
    """The slides of chapters 3 and 10: as picked, and of copies in which no cell is picked."""
    folder = tmp_path_factory.mktemp("slides")
    (folder / "notebooks").mkdir()
    for path in NOTEBOOKS:
        if path.stem in SHOWN:
            notebook = workshop.read(path)
            for each in notebook["cells"]:
                each["metadata"]["tags"] = [tag for tag in each["metadata"].get("tags", []) if tag != "slide"]
            (folder / "notebooks" / path.name).write_text(json.dumps(notebook), encoding="utf-8")
    for kind, place in {"picked": ROOT / "notebooks", "all": folder / "notebooks"}.items():
        arguments = ["--chapters", "3", "10", "--slides", "--notebooks", str(place)]
        assert main(["workshop", str(folder / kind), *arguments]) == 0
    return {kind: folder / kind / "slides" for kind in ("picked", "all")}


def text(name, source, **metadata):
    return {"id": name, "cell_type": "markdown", "source": source, "metadata": metadata}


def picked(name, source, output, title=None):
    metadata = {"tags": ["slide"]} | ({"slide": title} if title else {})
    return cell(name, source) | {"outputs": [output], "metadata": metadata}


PRINTED = {"output_type": "stream", "name": "stdout", "text": "the result"}
DRAWN = {"output_type": "display_data", "data": {"image/png": "aGk="}, "metadata": {}}
PICKED = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {},
    "cells": [
        text("title", "# 9. A chapter\n\nWhat it is about"),
        cell("left-out", "not_shown = 1"),
        text("section", "## A section\n\nsome prose"),
        picked("titled", "short = 2", PRINTED, title="What was found"),
        picked("untitled", "other = 3", PRINTED),
        picked("long", "\n".join(f"line_{i} = {i}" for i in range(12)), PRINTED),
        picked("figure", "draw = 4", DRAWN),
        text("after", "## The end\n\nshown as it is", tags=["slide"]),
    ],
}


def shown(html):
    """The slides: what each one says without the speaker's notes, and the notes."""
    import bs4

    found = bs4.BeautifulSoup(html, "html.parser").select(".slides > section")
    notes = [" ".join(note.extract().get_text(" ", strip=True) for note in slide.select("aside")) for slide in found]
    return found, [slide.get_text(" ", strip=True).replace("¶", "").split() for slide in found], notes


def test_picked_cells_are_the_slides_each_under_its_title_and_the_prose_is_in_the_notes():
    pytest.importorskip("bs4", reason="needs bs4: pip install -e .[docs]")
    slides, words, notes = shown(workshop.slides(PICKED, "a chapter"))
    assert [" ".join(each) for each in words] == [
        "9. A chapter",
        "What was found short = 2 the result",
        "A section other = 3 the result",
        "A section the result",
        "",
        "The end shown as it is",
    ]
    assert "What it is about" in notes[0]
    assert "some prose" in notes[0]
    assert "not_shown" not in "".join(notes)
    assert [bool(slide.select("img")) for slide in slides] == [False] * 4 + [True, False]


def test_a_chapter_without_picked_cells_shows_all_of_them_and_that_is_said(tmp_path, capsys):
    notebook = copy.deepcopy(PICKED)
    for each in notebook["cells"]:
        each["metadata"] = {}
    _, words, _ = shown(workshop.slides(notebook, "a chapter"))
    assert any("not_shown" in each for each in words)
    (tmp_path / "notebooks").mkdir()
    for name, content in {"01_picked": PICKED, "02_whole": notebook}.items():
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(json.dumps(content))
    arguments = ["--slides", "--notebooks", str(tmp_path / "notebooks")]
    assert main(["workshop", str(tmp_path / "out"), *arguments]) == 0
    assert "No cell has the tag 'slide' in 02_whole.ipynb: their slides show every cell" in capsys.readouterr().out


@every_notebook
def test_a_chapter_has_some_twelve_picked_slides_and_none_is_of_an_exercise(path):
    cells = [each for each in workshop.read(path)["cells"] if "slide" in each["metadata"].get("tags", [])]
    assert 8 <= len(cells) <= 16
    code = [each for each in cells if each["cell_type"] == "code"]
    assert [each["id"] for each in code if not each["outputs"]] == []
    assert all(each["metadata"].get("slide", "x").strip() for each in cells)
    kept_off = workshop.NOT_ON_SLIDES
    assert [each["id"] for each in cells if each["id"].startswith("exercise-") or each["id"] in kept_off] == []


@pytest.mark.parametrize("kind", ["picked", "all"])
@pytest.mark.parametrize("name", SHOWN)
def test_slides_hold_the_headings_and_no_solution(name, kind, slides):
    (path,) = (path for path in NOTEBOOKS if path.stem == name)
    html = (slides[kind] / f"{name}.html").read_text(encoding="utf-8")
    headings = [text.splitlines()[0] for text in sources(path, "markdown").values() if text.startswith("## ")]
    for heading in headings:
        assert re.sub(r"[#`\[\]]", "", heading).split(":")[0].split()[-1] in html
    assert "_solution" not in html
    assert "@title" not in html


@pytest.mark.parametrize("name", SHOWN)
def test_each_picked_cell_of_a_chapter_is_a_slide_under_its_title_in_their_order(name, slides):
    pytest.importorskip("bs4", reason="needs bs4: pip install -e .[docs]")
    (path,) = (path for path in NOTEBOOKS if path.stem == name)
    first, *rest = workshop.read(path)["cells"]
    found, words, _ = shown((slides["picked"] / f"{name}.html").read_text(encoding="utf-8"))
    assert words[0] == first["source"].splitlines()[0].lstrip("# ").split()
    chosen = [each for each in rest if "slide" in each["metadata"].get("tags", [])]
    for each, slide, said in zip(chosen, found[1:], words[1:], strict=True):
        title = each["metadata"].get("slide", "").split()
        assert said[: len(title)] == title
        assert title or slide.select("img"), each["id"]


@pytest.mark.parametrize("kind", ["picked", "all"])
@pytest.mark.parametrize("name", SHOWN)
def test_slides_show_everything_in_a_browser_and_ask_no_other_host(name, kind, slides):
    with launched() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        complaints = []
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: complaints.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
        page.goto((slides[kind] / f"{name}.html").as_uri())
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        total = page.evaluate("Reveal.getTotalSlides()")
        cut = page.evaluate(
            """() => Reveal.getSlides().filter(slide => {
                const {h, v} = Reveal.getIndices(slide); Reveal.slide(h, v);
                return slide.scrollWidth > slide.clientWidth + 2 || slide.scrollHeight > slide.clientHeight + 2;
            }).map(slide => slide.innerText.slice(0, 80))"""
        )
    assert complaints == []
    assert total > 40 if kind == "all" else 8 < total < 18  # the title, and 8 to 16 cells
    assert cut == []
