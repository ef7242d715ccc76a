"""bertutil learn: copies never over own work, progress in the learner's folder only, JupyterLab where one was."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from zipfile import ZipFile

import nbformat
import pytest

from bertutil.cli import main
from bertutil.course import learn, progress, workshop
from bertutil.course.exercises import Exercise, Wrong
from tests.browser import launched
from tools import lab

ROOT = Path(__file__).parent.parent
SOURCE = workshop.find_notebooks()


def cell(id, source, kind="code"):
    code = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"id": id, "cell_type": kind, "metadata": {}, "source": source} | code


def chapter(*lines, exercise=None):
    """A chapter of a few cells; `exercise`: its number and its check, such as ("1.1", "ch01.megabytes")."""
    cells = [cell("install", "import os"), *(cell(f"line-{i}", line) for i, line in enumerate(lines))]
    if exercise:
        number, check = exercise
        module = check.partition(".")[0]
        cells += [
            cell("exercise-1", f"## Exercise {number}: something", "markdown"),
            cell(
                "exercise-1-stub",
                f"from bertutil.course.exercises import {module}\ndef own(x): ...\n\n{check}.check(own)",
            ),
            cell(
                "exercise-1-solution", f"# @title Solution\ndef own_solution(x): ...\n\n{check}.check(own_solution)"
            ),
        ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def source(tmp_path):
    """Three chapters and a glossary, as a release brings them."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "00_tour.ipynb").write_text(chapter("print('tour')"))
    (folder / "01_one.ipynb").write_text(chapter("x = 1", exercise=("1.1", "ch01.megabytes")))
    (folder / "02_two.ipynb").write_text(chapter("x = 2"))
    (folder / "glossary.md").write_text("words")
    return folder


@pytest.fixture
def mine(source, tmp_path):
    """A learner's folder, just begun."""
    folder = tmp_path / "mine"
    learn.bring(source, folder)
    return folder


def edit(path, line=None, ran=False, when=None):
    """What a reader does in JupyterLab: writes a line, runs all cells, saves."""
    notebook = json.loads(path.read_text())
    if line:
        notebook["cells"][1]["source"] = line
    for number, each in enumerate(notebook["cells"] if ran else [], 1):
        if each["cell_type"] == "code":
            each |= {"execution_count": number, "outputs": [{"output_type": "stream", "name": "stdout", "text": "x"}]}
    notebook["cells"].append(cell("new", ""))  # as Lab does below the last cell
    path.write_text(json.dumps(notebook))
    if when:
        os.utime(path, (when, when))


def text(path):
    return [each["source"] for each in json.loads(path.read_text())["cells"]]


def everything(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- The copies ---


def test_a_new_folder_gets_the_copies_that_a_workshop_gives_its_learners(tmp_path):
    learn.bring(SOURCE, tmp_path / "mine")
    assert main(["workshop", str(tmp_path / "workshop")]) == 0
    copies = {name: data for name, data in everything(tmp_path / "mine").items() if progress.NAME not in name}
    assert copies == everything(tmp_path / "workshop" / "learner")


def test_the_set_up_is_folded_and_model_is_in_sight(tmp_path):
    learn.bring(SOURCE, tmp_path)
    for path in tmp_path.glob("*.ipynb"):
        cells = {each.id: each for each in nbformat.read(path, as_version=4).cells}
        assert cells["install"].metadata.jupyter.source_hidden is True
        assert cells["parameters"].metadata == {"tags": ["parameters"]}


def test_a_second_call_writes_nothing(source, mine):
    before = everything(mine)
    assert learn.bring(source, mine) == {}
    assert everything(mine) == before


def test_a_new_chapter_comes_and_a_copy_that_was_only_run_is_renewed(source, mine):
    edit(mine / "02_two.ipynb", ran=True)
    (source / "02_two.ipynb").write_text(chapter("x = 'corrected'"))
    (source / "03_three.ipynb").write_text(chapter("x = 3"))
    (source / "glossary.md").write_text("more words")
    assert sorted(learn.bring(source, mine)) == ["02_two.ipynb", "03_three.ipynb", "glossary.md"]
    assert text(mine / "02_two.ipynb") == ["import os", "x = 'corrected'"]
    assert (mine / "glossary.md").read_text() == "more words"


def test_a_copy_that_was_run_stays_as_it_is_while_there_is_no_new_version(source, mine):
    edit(mine / "02_two.ipynb", ran=True)
    before = everything(mine)
    assert learn.bring(source, mine) == {}
    assert everything(mine) == before


def test_a_changed_copy_stays_and_the_new_version_comes_beside_it(source, mine, capsys):
    edit(mine / "01_one.ipynb", "x = 'my own'")
    (mine / "glossary.md").write_text("my words")
    own = everything(mine)
    (source / "01_one.ipynb").write_text(chapter("x = 'corrected'", exercise=("1.1", "ch01.megabytes")))
    (source / "glossary.md").write_text("more words")
    beside = {"01_one-2.ipynb": "01_one.ipynb", "glossary-2.md": "glossary.md"}
    assert learn.bring(source, mine) == beside
    for name in beside.values():
        assert (mine / name).read_bytes() == own[name]
    assert text(mine / "01_one-2.ipynb")[1] == "x = 'corrected'"
    assert learn.bring(source, mine) == {}


def test_a_changed_copy_gets_nothing_beside_it_while_there_is_no_new_version(source, mine):
    edit(mine / "02_two.ipynb", "x = 'my own'")
    assert learn.bring(source, mine) == {}


def test_each_further_version_renews_the_one_beside_until_that_is_changed_too(source, mine):
    edit(mine / "02_two.ipynb", "x = 'my own'")
    for version, place in [("a", "02_two-2.ipynb"), ("b", "02_two-2.ipynb"), ("c", "02_two-3.ipynb")]:
        (source / "02_two.ipynb").write_text(chapter(f"x = {version!r}"))
        assert learn.bring(source, mine) == {place: "02_two.ipynb"}
        if version == "b":
            edit(mine / "02_two-2.ipynb", "x = 'my own, again'")
    assert [text(mine / name)[1] for name in ("02_two.ipynb", "02_two-2.ipynb", "02_two-3.ipynb")] == [
        "x = 'my own'",
        "x = 'my own, again'",
        "x = 'c'",
    ]


def test_a_removed_copy_comes_back_and_a_removed_one_beside_own_work_does_not(source, mine):
    (mine / "00_tour.ipynb").unlink()
    edit(mine / "02_two.ipynb", "x = 'my own'")
    (source / "02_two.ipynb").write_text(chapter("x = 'corrected'"))
    assert sorted(learn.bring(source, mine)) == ["00_tour.ipynb", "02_two-2.ipynb"]
    (mine / "02_two-2.ipynb").unlink()
    assert learn.bring(source, mine) == {}


@pytest.mark.parametrize("content", ["", "[1]", '{"cells": 3}', '{"cells": [{}]}', "my notes"])
def test_a_copy_that_is_no_notebook_any_more_counts_as_own_work(content, source, mine):
    (mine / "02_two.ipynb").write_text(content)
    (source / "02_two.ipynb").write_text(chapter("x = 'corrected'"))
    assert learn.bring(source, mine) == {"02_two-2.ipynb": "02_two.ipynb"}
    assert (mine / "02_two.ipynb").read_text() == content


def test_neither_a_link_nor_what_it_leads_to_is_replaced(source, mine, tmp_path):
    elsewhere = tmp_path / "elsewhere.ipynb"
    (mine / "02_two.ipynb").rename(elsewhere)
    (mine / "02_two.ipynb").symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    (source / "02_two.ipynb").write_text(chapter("x = 'corrected'"))
    assert learn.bring(source, mine) == {"02_two-2.ipynb": "02_two.ipynb"}
    assert (mine / "02_two.ipynb").is_symlink()
    assert elsewhere.read_bytes() == before


def test_a_folder_with_other_things_in_it_is_left_alone(source, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="full is not empty, and not made by this command; give a new folder"):
        learn.bring(source, tmp_path / "full")
    assert everything(tmp_path / "full") == {"thesis.txt": b"precious"}


def test_the_repository_s_own_chapters_are_no_learner_s_folder(capsys):
    assert main(["learn", str(ROOT / "notebooks"), "--no-browser"]) == 2
    assert "notebooks is not empty, and not made by this command" in capsys.readouterr().err
    assert [path for path in ROOT.rglob(progress.NAME) if ".venv" not in path.parts] == []


def test_a_damaged_chapter_is_named_before_anything_is_written(source, tmp_path):
    (source / "02_two.ipynb").write_text("{")
    with pytest.raises(ValueError, match=r"02_two\.ipynb is damaged"):
        learn.bring(source, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_a_call_that_was_killed_while_it_wrote_is_made_good_by_the_next_one(source, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(workshop, "put", stop)
        with pytest.raises(KeyboardInterrupt):
            learn.bring(source, tmp_path / "mine")
    workshop.put({"00_tour.ipynb": b"half"}, tmp_path / "mine")  # own work, for all that the mark knows
    written = learn.bring(source, tmp_path / "mine")
    assert sorted(written) == ["00_tour-2.ipynb", "01_one.ipynb", "02_two.ipynb", "glossary.md"]
    assert (tmp_path / "mine" / "00_tour.ipynb").read_bytes() == b"half"


# --- From an installed package ---


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the package as pip installs it, from a wheel that was built of a copy of the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    left_out = shutil.ignore_patterns("__pycache__", ".*")
    for name in ("bertutil", "notebooks"):
        shutil.copytree(ROOT / name, folder / "copy" / name, ignore=left_out)
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-PROSE"):
        shutil.copy(ROOT / name, folder / "copy")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "."]
    built = subprocess.run([*command, "-w", folder], cwd=folder / "copy", capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_carries_all_of_the_package_the_chapters_and_the_command(site):
    wanted = {path.relative_to(ROOT) for path in (ROOT / "bertutil").rglob("*") if path.is_file()}
    chapters = [*(ROOT / "notebooks").glob("*.ipynb"), ROOT / "notebooks" / "glossary.md"]
    wanted |= {Path("bertutil/course/notebooks", path.name) for path in chapters}
    wanted = {path for path in wanted if path.suffix != ".pyc" and ".ipynb_checkpoints" not in path.parts}
    assert {path for path in wanted if not (site / path).is_file()} == set()
    (entries,) = site.glob("*.dist-info/entry_points.txt")
    assert "bertutil = bertutil.__main__:run" in entries.read_text()


def test_an_installed_package_writes_the_same_copies_as_a_checkout(site, tmp_path):
    code = "import sys; from bertutil.__main__ import run; run()"
    environment = os.environ | {"PYTHONPATH": str(site)}
    command = [sys.executable, "-c", code, "learn", str(tmp_path / "installed"), "--run", "0"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^00_tour\.ipynb ran to its end", done.stdout, re.M)
    learn.bring(SOURCE, tmp_path / "checkout")
    installed, checkout = everything(tmp_path / "installed"), everything(tmp_path / "checkout")
    for files in (installed, checkout):
        del files[progress.NAME]
    assert installed == checkout


def test_without_the_chapters_it_is_said_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(workshop, "PROJECT", tmp_path)
    assert main(["learn", str(tmp_path / "mine")]) == 2
    assert "bertutil/course/notebooks is missing: install bertutil again" in capsys.readouterr().err


# --- Progress ---


TRY = Exercise("try-it", lambda answer: None if answer == 1 else _raise(Wrong("it is 1")), ["1"])


def _raise(error):
    raise error


@pytest.fixture
def here(mine, monkeypatch):
    """The learner's folder, with this process in it as a notebook's kernel is."""
    monkeypatch.chdir(mine)
    return mine


def test_a_right_answer_is_remembered_by_the_id_of_its_exercise(here):
    for answer in (None, 2):
        TRY.check(answer)
        assert progress.read(here)["right"] == []
    TRY.check(1)
    TRY.check(1)
    assert progress.read(here)["right"] == ["try-it"]


def test_what_was_right_once_stays_so(here):
    for answer in (1, 2, None):
        TRY.check(answer)
    assert progress.read(here)["right"] == ["try-it"]


def test_a_verdict_alone_is_not_remembered(here):
    assert TRY.verdict(1) == "Right."
    assert progress.read(here)["right"] == []


def test_anywhere_else_a_check_leaves_no_trace(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    TRY.check(1)
    assert [*tmp_path.iterdir()] == []
    assert capsys.readouterr().out == "Right.\n"


DAMAGED = [
    "",
    "{",
    "[]",
    "3",
    '{"right": 3}',
    '{"right": [3]}',
    '{"right": "try"}',
    '{"copies": []}',
    '{"copies": {"a": 1}}',
    b"\xe9",
]


@pytest.mark.parametrize("content", [*DAMAGED, "[" * 100_000])
def test_a_damaged_mark_is_named_and_spoils_no_check(content, here, source, capsys):
    (here / progress.NAME).write_bytes(content if isinstance(content, bytes) else content.encode())
    before = everything(here)
    TRY.check(1)
    right, trouble = capsys.readouterr().out.splitlines()
    assert right == "Right."
    assert trouble.startswith(f"(It could not be noted as right: {here / progress.NAME} is damaged")
    with pytest.raises(ValueError, match=r"Write {} into it to begin it anew"):
        learn.bring(source, here)
    assert everything(here) == before


def test_the_remedy_for_a_damaged_mark_works_and_touches_no_own_work(here, source):
    edit(here / "02_two.ipynb", "x = 'my own'")
    own = (here / "02_two.ipynb").read_bytes()
    (here / progress.NAME).write_text("{}")
    assert learn.bring(source, here) == {"02_two-2.ipynb": "02_two.ipynb"}
    assert (here / "02_two.ipynb").read_bytes() == own
    (source / "00_tour.ipynb").write_text(chapter("print('corrected')"))
    assert learn.bring(source, here) == {"00_tour.ipynb": "00_tour.ipynb"}


def test_no_link_is_followed_to_write_the_mark(here, tmp_path, capsys):
    (here / progress.NAME).rename(tmp_path / "mark")
    (here / progress.NAME).symlink_to(tmp_path / "mark")
    before = (tmp_path / "mark").read_bytes()
    TRY.check(1)
    assert f"{progress.NAME} is a link" in capsys.readouterr().out
    assert (tmp_path / "mark").read_bytes() == before


def test_a_full_disk_leaves_the_mark_as_it_was_and_is_told(here, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    before = everything(here)
    with monkeypatch.context() as patch:
        patch.setattr(progress.json, "dump", full)
        TRY.check(1)
    assert f"No space left on device while writing {here / progress.NAME}" in capsys.readouterr().out
    assert everything(here) == before


KERNEL = """
import sys, time
from bertutil.course import progress
print("ready", flush=True)
sys.stdin.readline()
for number in range(50):
    assert progress.remember(f"{sys.argv[1]}-{number}") == ""
"""


def test_two_kernels_at_once_lose_nothing(mine):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": mine}
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    kernels = [subprocess.Popen([sys.executable, "-c", KERNEL, name], env=environment, **pipes) for name in "ab"]
    assert [kernel.stdout.readline() for kernel in kernels] == ["ready\n"] * 2
    for kernel in kernels:
        kernel.stdin.write("go\n")
        kernel.stdin.flush()
    for kernel in kernels:
        kernel.communicate()
    assert [kernel.returncode for kernel in kernels] == [0, 0]
    assert {*progress.read(mine)["right"]} == {f"{name}-{number}" for name in "ab" for number in range(50)}


def test_a_kernel_that_waits_too_long_says_so(here, monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS", 0.1)
    held, done = threading.Event(), threading.Event()

    def hold():
        with progress.changing(here):
            held.set()
            done.wait(30)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(30)
    TRY.check(1)
    done.set()
    other.join()
    assert f"{progress.NAME}.lock" in capsys.readouterr().out


def test_status_says_what_is_right_in_each_chapter(tmp_path, capsys):
    learn.bring(SOURCE, tmp_path)
    with progress.changing(tmp_path) as record:
        record["right"] = [learn.exercise_ids(workshop.find_chapters(SOURCE)[6])["6.2"], "of-another-version"]
    before = everything(tmp_path)
    assert main(["learn", str(tmp_path), "--status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("06_pooling")]
    assert re.fullmatch(r"06_pooling +1 of \d+ right; not yet: 6\.1, 6\.3.*", line)
    assert re.fullmatch(rf"{tmp_path}: 1 of \d+ exercises are right", lines[-1])
    assert everything(tmp_path) == before


def test_status_of_another_folder_says_how_to_begin(tmp_path, capsys):
    assert main(["learn", str(tmp_path), "--status"]) == 2
    assert f"`bertutil learn {tmp_path}` begins it" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


# --- Where the reader is ---


def test_one_begins_at_the_first_chapter(source, mine):
    assert learn.find_next(source, mine) == mine / "00_tour.ipynb"
    edit(mine / "02_two.ipynb", "x = 'only written'")
    assert learn.find_next(source, mine) == mine / "00_tour.ipynb"


def test_one_goes_on_at_the_chapter_that_was_run_last(source, mine):
    edit(mine / "00_tour.ipynb", ran=True, when=2_000)
    edit(mine / "01_one.ipynb", ran=True, when=3_000)  # its exercise is not right yet
    edit(mine / "02_two.ipynb", ran=True, when=1_000)
    assert learn.find_next(source, mine) == mine / "01_one.ipynb"


def test_after_a_chapter_that_is_done_comes_the_next_one_that_is_not(source, mine):
    edit(mine / "00_tour.ipynb", ran=True)
    assert learn.find_next(source, mine) == mine / "01_one.ipynb"
    edit(mine / "01_one.ipynb", ran=True)
    assert learn.find_next(source, mine) == mine / "01_one.ipynb"
    with progress.changing(mine) as record:
        record["right"] = [*learn.exercise_ids(source / "01_one.ipynb").values()]
    assert learn.find_next(source, mine) == mine / "02_two.ipynb"
    edit(mine / "02_two.ipynb", ran=True)
    assert learn.find_next(source, mine).name.startswith("02_two")


def test_a_copy_beside_own_work_can_be_where_one_was(source, mine):
    edit(mine / "01_one.ipynb", "x = 'my own'", ran=True, when=1_000)
    (source / "01_one.ipynb").write_text(chapter("x = 'corrected'", exercise=("1.1", "ch01.megabytes")))
    learn.bring(source, mine)
    assert learn.find_next(source, mine) == mine / "01_one.ipynb"
    edit(mine / "01_one-2.ipynb", ran=True)
    assert learn.find_next(source, mine) == mine / "01_one-2.ipynb"


# --- Running ---


def test_run_executes_a_chapter_in_a_kernel_says_how_it_went_and_records_what_is_right(tmp_path, capsys):
    mine = tmp_path / "mine"
    learn.bring(SOURCE, mine)
    path = mine / "01_loading.ipynb"
    notebook = nbformat.read(path, as_version=4)
    answer = "def count_parameters(module):\n    return sum(p.numel() for p in module.parameters())\n"
    for each in notebook.cells:
        if each.id == "exercise-1-stub":
            each.source = answer + each.source[each.source.index("ch01.") :]
    nbformat.write(notebook, path)
    before = path.read_bytes()
    assert main(["learn", str(mine), "--run", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["exercise 1.1: Right.", "exercise 1.2: Not tried yet."]
    assert re.fullmatch(r"01_loading\.ipynb ran to its end in \d+ s\. The file is as it was", lines[-1])
    assert path.read_bytes() == before
    assert progress.read(mine)["right"] == [learn.exercise_ids(SOURCE / "01_loading.ipynb")["1.1"]]


def test_run_says_where_a_chapter_stopped(source, mine, capsys):
    edit(mine / "02_two.ipynb", "1 / 0")
    assert learn.run(mine / "02_two.ipynb") == 1
    assert re.fullmatch(
        r"02_two\.ipynb stopped after \d+ s in the cell line-0: ZeroDivisionError: division by zero\n",
        capsys.readouterr().out,
    )


def test_run_of_a_kernel_that_dies_and_of_a_file_that_is_no_notebook_is_told(source, mine, capsys):
    edit(mine / "02_two.ipynb", "os._exit(1)")
    assert learn.run(mine / "02_two.ipynb") == 1
    assert "DeadKernelError" in capsys.readouterr().out
    (mine / "02_two.ipynb").write_text("{")
    with pytest.raises(ValueError, match=r"02_two\.ipynb is damaged, or no notebook"):
        learn.run(mine / "02_two.ipynb")


def test_run_of_a_chapter_that_is_not_there_names_those_that_are(tmp_path, capsys):
    assert main(["learn", str(tmp_path / "mine"), "--run", "77"]) == 2
    assert "there is no chapter 77; there are 0, 1, 2" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(("option", "missing"), [("--run=1", "nbclient"), ("--no-browser", "jupyterlab.labapp")])
def test_what_is_not_installed_is_named_with_what_brings_it(option, missing, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["learn", str(tmp_path / "mine"), option]) == 2
    assert "pip install 'bertutil[lab]'" in capsys.readouterr().err


# --- JupyterLab ---


@pytest.fixture
def settings(tmp_path):
    """The environment of a user without settings, without a screen, with a home of its own."""
    news = tmp_path / lab.NEWS
    news.parent.mkdir(parents=True)
    news.write_text('{"fetchNews": "false", "checkForUpdates": false}')  # its question would cover the page
    names = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTER_DATA_DIR": "data"}
    names |= {"IPYTHONDIR": "ipython", "JUPYTERLAB_SETTINGS_DIR": "lab/user-settings"}
    names |= {"JUPYTERLAB_WORKSPACES_DIR": "workspaces", "HOME": "home"}
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return kept | {name: str(tmp_path / value) for name, value in names.items()} | {"PYTHONPATH": str(ROOT)}


@pytest.fixture
def started(settings, tmp_path):
    """A function that starts `bertutil learn`: the process and the address that it prints."""
    processes = []

    def started(*arguments, **more):
        command = [sys.executable, "-m", "bertutil", "learn", *arguments]
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env=settings | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        said = []
        for line in process.stdout:
            said.append(line)
            if address := re.search(r"http://\S+", line):
                return process, address[0]
        raise AssertionError("".join(said))

    yield started
    for process in processes:
        process.terminate()  # it ends its kernels first; one that is just starting can make it wait for ever
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
        process.stdout.close()


def get(address):
    with urllib.request.urlopen(address, timeout=60) as answer:
        return answer.read().decode()


needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="the server is stopped with signals")


@needs_signals
def test_one_line_opens_jupyterlab_at_chapter_0_in_a_folder_at_home(started, tmp_path):
    _, address = started(f"--port={lab.free_port()}")
    assert re.search(r"/lab/tree/00_tour\.ipynb\?token=\w+$", address)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        get(re.sub(r"/lab/.*", "/api/contents", address))
    contents = json.loads(get(re.sub(r"/lab/tree/[^?]*", "/api/contents", address)))
    assert {each["name"] for each in contents["content"]} >= {"00_tour.ipynb", "glossary.md", "files"}
    assert progress.is_marked(tmp_path / "home" / "bertutil-course")
    with launched() as browser:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector(".jp-RenderedMarkdown h1:has-text('The tour')", timeout=120_000)
        page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", timeout=120_000)


@needs_signals
def test_port_and_ip_are_passed_on(started):
    port, ip = lab.free_port(), "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
    _, address = started("course", "--no-browser", "--port", str(port), "--ip", ip)
    assert address.startswith(f"http://{ip}:{port}/lab/tree/00_tour.ipynb?token=")
    assert "JupyterLab" in get(address)


@needs_signals
def test_a_browser_is_opened_at_the_chapter_where_there_is_one(started, tmp_path):
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.new; mv {opened}.new {opened}\n')
    browser.chmod(0o755)
    _, address = started("course", f"--port={lab.free_port()}", BROWSER=str(browser))
    end = time.monotonic() + 60
    while not opened.exists():
        assert time.monotonic() < end
        time.sleep(0.1)
    page = Path(opened.read_text().strip().removeprefix("file://")).read_text()
    assert address.partition("/lab")[2] in page


def test_without_a_screen_no_browser_is_looked_for(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    assert not learn._has_screen()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert learn._has_screen()
    monkeypatch.delenv("WAYLAND_DISPLAY")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert learn._has_screen()
