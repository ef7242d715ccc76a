"""The buttons: one address for all of them, Binder's folder, the install cell for Colab, links that lead somewhere.

What takes minutes is done by tools/binder_check.py and tools/colab_check.py, whose parts are tested here.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import types
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bertutil.course.address import ENVIRONMENT, LACKING
from tools import address, binder_check, colab_check, lab, links

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
HERE = address.read()
linux = pytest.mark.skipif(sys.platform != "linux", reason="Binder's machines run Linux")


def git(folder, *arguments):
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


# One address


@pytest.fixture
def fork(tmp_path, monkeypatch):
    """A small copy of the repository in which address.py works."""
    git(tmp_path, "init")
    (tmp_path / "notebooks").mkdir()
    for name in ("pyproject.toml", "README.md", "CITATION.cff", *(f"notebooks/{n.name}" for n in NOTEBOOKS[:2])):
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(address, "ROOT", tmp_path)
    return tmp_path


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["address.py", *arguments])
    return address.main()


def test_every_file_has_the_address_of_pyproject():
    differing = [
        path.name for path in address.files(ROOT) if address.rewrite(path, HERE, HERE) != path.read_text("utf-8")
    ]
    assert differing == [], "python tools/address.py write"


def test_one_command_moves_everything_to_a_fork_and_back(fork, monkeypatch, capsys):
    before = {path: path.read_bytes() for path in address.files(fork)}
    assert run(monkeypatch, "set", "https://github.com/me/fork", "--ref", "workshop") == 0
    after = [path.read_text("utf-8") for path in before]
    assert all("/me/fork" in text and f"/{HERE.slug}" not in text for text in after)
    text = "".join(after)
    assert "https://mybinder.org/v2/gh/me/fork/binder?urlpath=git-pull" in text
    assert "//github.com/me/fork%26branch%3Dworkshop%26" in text
    monkeypatch.setattr(address, "read", lambda root=fork: address.Address("me/fork", "workshop"))
    assert run(monkeypatch, "check") == 0
    assert run(monkeypatch, "set", f"https://github.com/{HERE.slug}", "--ref", HERE.ref) == 0
    assert {path: path.read_bytes() for path in address.files(fork)} == before


def test_a_button_that_leads_elsewhere_is_named(fork, monkeypatch, capsys):
    notebook = fork / "notebooks" / NOTEBOOKS[1].name
    text = notebook.read_text("utf-8").replace(f"v2/gh/{HERE.slug}", "v2/gh/someone/else")
    notebook.write_text(text, encoding="utf-8")
    assert run(monkeypatch, "check") == 1
    assert capsys.readouterr().out.startswith(f"notebooks{os.sep}{NOTEBOOKS[1].name}: not as {HERE.slug}")


def test_a_chapter_without_the_links_gets_them_below_its_title(fork, monkeypatch, capsys):
    notebook = fork / "notebooks" / NOTEBOOKS[0].name
    whole = notebook.read_text("utf-8")
    opened = nbformat.reads(whole, 4)
    title = opened.cells[0]
    lines = title.source.splitlines()
    assert lines[1:4] == ["", HERE.links(notebook.name), ""]
    title.source = "\n".join([*lines[:2], *lines[4:]])
    notebook.write_text(nbformat.writes(opened) + "\n", encoding="utf-8")
    assert run(monkeypatch, "write") == 0
    assert notebook.read_text("utf-8") == whole


@pytest.mark.parametrize("url", ["https://gitlab.com/me/fork", "github.com/me/fork", "https://github.com/me"])
def test_an_address_that_colab_and_binder_cannot_open_is_refused(url):
    with pytest.raises(ValueError, match="give https://github"):
        address.parse(url, "main")


def test_a_ref_with_a_slash_is_refused():
    with pytest.raises(ValueError, match="without a slash"):
        address.parse("https://github.com/me/fork", "feature/x")


def test_buttons_that_open_a_versions_tag_open_this_versions():
    version = binder_check.project(ROOT)["version"]
    assert not re.match(r"v\d", HERE.ref) or HERE.ref == f"v{version}"


@pytest.mark.parametrize("notebook", [path.name for path in NOTEBOOKS])
def test_the_readmes_table_opens_every_chapter_in_colab_and_binder(notebook):
    rows = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    (row,) = (row for row in rows if row.startswith("|") and f"](notebooks/{notebook})" in row)
    assert row.endswith(f"| {HERE.short_links(notebook)} |")


def test_the_readme_opens_the_web_site_and_the_tour_before_anything_is_installed():
    before, _, _ = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Start")
    opened = re.findall(r"\]\((https:[^)\s]+)\)", before)
    assert [HERE.colab(address.TOUR), HERE.binder(address.TOUR)] == [link for link in opened if address.TOUR in link]
    assert opened[:2] == [
        f"https://bert-embeddings.github.io/hands-on/{page}" for page in ("", "explorer/index.html")
    ]


def test_the_links_in_the_readmes_table_are_written_once_however_often(fork, monkeypatch, capsys):
    readme = fork / "README.md"
    whole = readme.read_text("utf-8")
    readme.write_text(re.sub(r" \[Colab\]\(.*", "", whole), encoding="utf-8")
    for _ in range(2):
        assert run(monkeypatch, "write") == 0
        assert readme.read_text("utf-8") == whole


# Binder


@pytest.fixture
def copy(tmp_path):
    """What Binder's check reads, to be spoiled."""
    shutil.copytree(ROOT / "binder", tmp_path / "binder")
    for name in ("constraints.txt", "environment.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def replace(file, old, new):
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_conda_s_environment_and_pyproject_agree():
    assert binder_check.environment_problems(ROOT) == []


def test_binders_packages_are_those_of_the_extra_lab_as_they_are_pinned():
    assert binder_check.pin_problems(ROOT) == []


def test_another_pin_than_the_tested_one_and_a_package_that_is_missing_are_named(copy):
    pins = copy / "binder" / "requirements.txt"
    text = re.sub(r"^pandas==.*\n", "", pins.read_text(encoding="utf-8"), flags=re.MULTILINE)
    pins.write_text(text + "tqdm==1.0\n", encoding="utf-8")
    assert binder_check.pin_problems(copy) == [
        "binder/requirements.txt has tqdm==1.0, and constraints.txt not: python tools/lock.py",
        "binder/requirements.txt lacks pandas: python tools/lock.py",
    ]


def test_a_package_that_only_pyproject_has_is_named(copy):
    replace(copy / "environment.yml", "  - scipy >=1.14\n", "")
    (found,) = binder_check.environment_problems(copy)
    assert found == "pyproject.toml asks for scipy >=1.14: environment.yml lacks it"


def test_a_package_that_only_the_environment_has_is_named(copy):
    replace(copy / "environment.yml", "  - scipy >=1.14\n", "  - scipy >=1.14\n  - seaborn >=0.13\n")
    (found,) = binder_check.environment_problems(copy)
    assert found == "environment.yml has seaborn >=0.13: not in pyproject.toml"


def test_another_version_than_pyprojects_is_named_from_both_sides(copy):
    replace(copy / "environment.yml", "pandas >=2.2", "pandas >=2.0")
    found = binder_check.environment_problems(copy)
    assert [text.partition(":")[0] for text in found] == [
        "pyproject.toml asks for pandas >=2.2",
        "environment.yml has pandas >=2.0",
    ]


def test_a_spec_that_conda_cannot_read_is_named(copy):
    replace(copy / "environment.yml", "pandas >=2.2", "pandas =>2.2")
    assert "conda cannot read 'pandas =>2.2'" in binder_check.environment_problems(copy)[0]


@pytest.mark.parametrize("python", ["python >=3.11", "python =3.9"])
def test_the_python_must_be_one_that_binder_understands_and_bertutil_supports(copy, python):
    line = next(line for line in (copy / "environment.yml").read_text().splitlines() if "- python " in line)
    replace(copy / "environment.yml", line, f"  - {python}")
    (found,) = binder_check.environment_problems(copy)
    assert "python" in found


@linux
def test_binders_script_can_run():
    assert binder_check.script_problems(ROOT) == []


@linux
def test_a_lost_run_bit_windows_line_ends_and_a_missing_script_are_noticed(copy):
    script = copy / "binder" / "start"
    script.chmod(0o644)
    assert binder_check.script_problems(copy) == [
        "binder/start cannot be run: git update-index --chmod=+x binder/start"
    ]
    script.chmod(0o755)
    script.write_bytes(script.read_bytes().replace(b"\n", b"\r\n"))
    assert binder_check.script_problems(copy) == [
        "binder/start must begin with #!/usr/bin/env bash and have Unix line ends"
    ]
    script.unlink()
    assert binder_check.script_problems(copy) == ["binder/start is missing"]


def test_the_workflow_makes_the_branch_of_the_folder_and_only_when_it_changes(tmp_path):
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "binder.yml").read_text(encoding="utf-8"))
    assert workflow[True]["push"]["paths"] == ["binder/**"]  # YAML reads the key "on" as true
    (line,) = re.findall(r"^git push .*$", workflow["jobs"]["publish"]["steps"][1]["run"], re.MULTILINE)
    assert line.endswith(f':refs/heads/{ENVIRONMENT}"')
    git(tmp_path, "init", "--bare", "origin.git")
    git(tmp_path, "init", "work")
    work = tmp_path / "work"
    shutil.copytree(ROOT / "binder", work / "binder")
    for command in (["add", "."], ["commit", "-m", "x"], ["remote", "add", "origin", str(tmp_path / "origin.git")]):
        git(work, "-c", "user.name=t", "-c", "user.email=t@e", *command)
    names = {f"GIT_{who}_{what}": "t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for _ in range(2):  # again over what is there
        subprocess.run(line, shell=True, cwd=work, env=os.environ | names, check=True, capture_output=True)
    git(tmp_path, "clone", "--branch", ENVIRONMENT, "origin.git", "branch")
    there = {path.name: path.read_bytes() for path in (tmp_path / "branch").iterdir() if path.is_file()}
    assert there == {path.name: path.read_bytes() for path in (ROOT / "binder").iterdir()}
    assert os.access(tmp_path / "branch" / "start", os.X_OK)


@linux
def test_repo2docker_takes_binders_files():
    pytest.importorskip("repo2docker", reason="needs jupyter-repo2docker")
    assert binder_check.image_problems(ROOT) == []


@linux
def test_what_repo2docker_leaves_out_is_named(copy):
    pytest.importorskip("repo2docker", reason="needs jupyter-repo2docker")
    (copy / "binder" / "start").unlink()
    assert binder_check.image_problems(copy) == ["repo2docker builds no image that starts through start"]


def test_a_package_missing_from_the_environment_is_named():
    needed = [Requirement(text) for text in ("torch>=2", "numpy>=99", "no-such-package>=1")]
    numpy, absent = binder_check.missing_packages(sys.executable, needed)
    assert numpy.startswith("numpy>=99 is asked for, and the environment has 2")
    assert absent == "no-such-package>=1 is asked for, and the environment has none"


@linux
def test_start_limits_the_threads_and_the_arenas_and_runs_the_command_it_is_given():
    say = 'echo "$OMP_NUM_THREADS $MALLOC_ARENA_MAX $ON_BINDER $0 $1"'
    command = [ROOT / "binder" / "start", "sh", "-c", say, "one", "two words"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "1 1 1 one two words\n"


@linux
def test_an_ordinary_user_owns_nothing_of_roots(tmp_path):
    if os.getuid():
        pytest.skip("matters where root runs the check")
    command = [*binder_check.ordinary_user(), sys.executable, "-c", f"open({str(tmp_path / 'new')!r}, 'w')"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert "PermissionError" in result.stderr


# Memory


HEAVIEST = "11_fine_tuning_cls.ipynb"  # by: python tools/lab.py


@linux
@pytest.mark.skipif(os.environ.get("BERTUTIL_LAB") != "all", reason="three minutes; in the weekly check")
def test_the_heaviest_chapter_and_the_server_take_less_than_binder_gives(tmp_path):
    notebook = shutil.copy(ROOT / "notebooks" / HEAVIEST, tmp_path)
    with lab.serve(tmp_path, lab.AS_ON_BINDER) as server, server.peak_memory() as peak:
        assert server.run(Path(notebook).name) == []
    assert 0.2e9 < peak[0] < 1.5e9


# Colab


def test_every_chapter_begins_with_the_same_install_cell():
    assert colab_check.install_cell(NOTEBOOKS) == HERE.install_cell()


def test_the_install_cell_is_short_and_narrow():
    title, *lines = HERE.install_cell().splitlines()
    assert title.startswith("# @title Set-up")  # all that shows of it where it is folded
    assert len(lines) <= 13
    assert max(map(len, [title, *lines])) <= 79


@pytest.fixture
def without_bertutil(monkeypatch):
    """bertutil cannot be found; commands are written down and not run."""
    commands = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append((command, check)))
    return commands


def test_the_install_cell_does_nothing_where_bertutil_is(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("something was run"))
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    exec(HERE.install_cell(), {})


def test_without_bertutil_and_not_on_colab_the_cell_says_where_to_look(without_bertutil):
    with pytest.raises(ModuleNotFoundError, match="bertutil is missing: see README, 'Start'"):
        exec(HERE.install_cell(), {})
    assert without_bertutil == []


def test_on_colab_the_cell_installs_this_version_and_nothing_that_is_there(without_bertutil, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    exec(HERE.install_cell(), {})
    ((command, check),) = without_bertutil
    assert check
    assert command[:6] == [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    assert command[6:] == [f"git+https://github.com/{HERE.slug}@{HERE.ref}", *LACKING]


def test_on_binder_too(without_bertutil, monkeypatch):
    monkeypatch.setenv("ON_BINDER", "1")
    exec(HERE.install_cell(), {})
    assert len(without_bertutil) == 1


def needed(names, present):
    """The packages among `names` and what they need, that are not `present`."""
    found = {}
    for text in names:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name in present or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found[name] = str(requirement) if "==" in str(requirement.specifier) else requirement.name
        try:
            found |= needed(requires(name) or [], present | {*found})
        except PackageNotFoundError:
            pytest.fail(f"{name} is not installed here, so what it needs is unknown")
    return found


def test_the_cell_names_exactly_what_colab_lacks():
    colab = {canonicalize_name(Requirement(line).name) for line in colab_check.versions()}
    colab |= {canonicalize_name(Requirement(text).name) for text in requires("torch")}  # torch is there, and they too
    extras = binder_check.project(ROOT)["optional-dependencies"]
    not_used_there = ("jupyterlab",)
    asked = [
        r for r in [*binder_check.project(ROOT)["dependencies"], *extras["lab"]] if not r.startswith(not_used_there)
    ]
    assert sorted(needed(asked, colab).values()) == sorted(LACKING)


# The dev container


def test_the_dev_container_needs_no_gpu_and_installs_what_a_reader_needs_in_the_tested_versions():
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8")
    container = yaml.safe_load(text)  # JSON is YAML
    assert "gpu" not in str(container.get("runArgs", "")).lower()
    assert container["postCreateCommand"].endswith("-c constraints.txt -e '.[lab]'")
    python = re.search(r":(?:[\d.]+-)?(3\.\d+)", container["image"])[1]
    assert Requirement(f"x{binder_check.project(ROOT)['requires-python']}").specifier.contains(f"{python}.0")


# Links


def test_every_link_inside_the_project_leads_to_a_file_and_a_heading():
    assert links.internal_problems(ROOT) == []


def test_a_link_to_a_missing_file_or_heading_is_named(tmp_path):
    (tmp_path / "a.md").write_text("# One\n\n[x](#one) [y](#two) [z](b.md) [w](https://example.org/c.md)\n")
    assert links.internal_problems(tmp_path, [tmp_path / "a.md"]) == [
        "a.md: no heading for #two",
        "a.md: no file b.md",
    ]


def test_external_links_are_collected_without_their_punctuation(tmp_path):
    (tmp_path / "a.md").write_text(
        "<https://a.org/x>, https://b.org/y. [c](https://c.org/z_(w)) `https://d.org/no`\n"
    )
    assert sorted(links.external([tmp_path / "a.md"])) == [
        "https://a.org/x",
        "https://b.org/y",
        "https://c.org/z_(w)",
    ]
