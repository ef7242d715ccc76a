"""One place for each fact: what is pinned and what conda installs agree with pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from tools import package_page

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [Requirement(r) for part in [PROJECT["dependencies"], *EXTRAS.values()] for r in part]
COLAB = {"torch": "2.11.0", "transformers": "5.15.0", "numpy": "2.1.3", "pandas": "2.2.3", "matplotlib": "3.10.0"}
COLAB |= {
    "accelerate": "1.12.0",
    "anywidget": "0.9.21",
    "huggingface-hub": "1.27.0",
    "ipython": "7.34.0",
    "ipykernel": "6.17.1",
    "ipywidgets": "7.7.1",
}


def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if "==" in line]


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda r: r.name)
def test_every_requirement_is_pinned_within_its_range(requirement):
    versions = [str(pin.specifier).removeprefix("==") for pin in pins() if pin.name == requirement.name]
    assert versions
    assert all(requirement.specifier.contains(version) for version in versions)


def test_torch_is_pinned_without_a_build_of_its_own_and_without_gpu_packages():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "\ntorch==2.13.0\n" in text
    assert not any(word in text for word in ("+cpu", "nvidia", "triton", "://"))


@pytest.mark.parametrize("name", COLAB)
def test_the_floors_admit_what_colab_has(name):
    (requirement,) = (r for r in REQUIREMENTS if r.name == name)
    assert requirement.specifier.contains(Version(COLAB[name]))


def test_the_tests_install_every_extra():
    (line,) = re.findall(r"^-e \.\[(.+)\]$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M)
    assert set(line.split(",")) == set(EXTRAS)


def test_the_versions_of_package_citation_and_changelog_are_the_same():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    releases = re.findall(r"^## \[(.+)\] - (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert citation["version"] == PROJECT["version"]
    assert releases[0] == (PROJECT["version"], str(citation["date-released"]))
    assert releases == sorted(releases, key=lambda release: Version(release[0]), reverse=True)


def commands(text):
    """The quick checks in a text: lines that run ruff or mypy."""
    return set(re.findall(r"(?:^|: )(\.venv/bin/(?:ruff|mypy).*)$", text, re.M))


def test_the_hooks_before_a_commit_run_the_quick_checks_of_ci():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert commands(hooks) == commands((ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    assert len(commands(hooks)) == 3


def test_the_hooks_need_nothing_from_elsewhere_and_look_at_the_notebooks_that_change():
    (source,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    hooks = {hook["id"]: hook for hook in source["hooks"]}
    assert source["repo"] == "local"
    assert {hook["language"] for hook in hooks.values()} == {"system"}
    notebook = hooks["notebooks"]
    assert notebook["entry"] == ".venv/bin/python tools/notebooks.py check"
    assert notebook.get("pass_filenames", True)
    changed = ["notebooks/01_loading.ipynb", "notebooks/glossary.md", "book/index.md"]
    assert [name for name in changed if re.search(notebook["files"], name)] == changed[:1]


def test_new_versions_are_asked_for_where_there_is_something_to_update():
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    kinds = {"github-actions"} | ({"npm"} if (ROOT / "package.json").exists() else set())
    assert {update["package-ecosystem"] for update in updates} == kinds


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def workflow(request):
    return yaml.safe_load(request.param.read_text(encoding="utf-8"))


def test_a_workflow_says_what_becomes_of_the_run_before(workflow):
    assert workflow["concurrency"]["group"]
    assert "cancel-in-progress" in workflow["concurrency"]


def test_a_pull_request_cancels_its_own_older_run_and_no_other():
    (path,) = (path for path in WORKFLOWS if path.name == "tests.yml")
    concurrency = yaml.safe_load(path.read_text(encoding="utf-8"))["concurrency"]
    assert concurrency["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"
    assert "&& github.ref || github.sha" in concurrency["group"]


def test_actions_have_a_version_and_jobs_an_end(workflow):
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        assert [step["uses"] for step in job["steps"] if not re.search(r"@v\d", step.get("uses", "@v0"))] == []


def test_mutations_and_timings_are_in_the_weekly_check():
    (path,) = (path for path in WORKFLOWS if path.name == "weekly.yml")
    job = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]["drift"]
    runs = {entry["what"]: entry for entry in job["strategy"]["matrix"]["include"]}
    assert runs["mutations"]["run"] == "python tools/mutate.py"
    assert runs["timings"]["run"] == "pytest -m weekly tests --ignore=tests/test_notebooks.py"
    others = runs["every chapter with other checkpoints"]
    assert (others["run"], others["weekly"]) == ("pytest -m weekly tests/test_notebooks.py", "1")
    (variables,) = (step["env"] for step in job["steps"] if step.get("run") == "${{ matrix.run }}")
    assert (variables["BERTUTIL_WEEKLY"], runs["timings"]["weekly"]) == ("${{ matrix.weekly }}", "1")


def test_a_tag_publishes_what_was_tried_and_only_after_a_review():
    (path,) = (path for path in WORKFLOWS if path.name == "release.yml")
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    build = "\n".join(step.get("run", "") for step in jobs["build"]["steps"])
    order = ["package_page.py", "-m build", "twine check --strict", 'pip" install', "bertutil --version", "--run 0"]
    assert sorted(order, key=build.index) == order
    publish = jobs["publish"]
    assert (publish["needs"], publish["environment"]["name"]) == ("build", "pypi")
    assert publish["permissions"] == {"id-token": "write"}  # and no token of a person
    assert publish["if"] == "startsWith(github.ref, 'refs/tags/')"


def test_the_packages_page_has_no_link_to_a_file_beside_it():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    page = package_page.whole(readme, "https://github.com/a/b", "v1")
    links = re.findall(r"\]\(([^)\s]+)\)", page)
    assert [link for link in links if not link.startswith(("https://", "http://", "#"))] == []
    assert "](https://github.com/a/b/blob/v1/notebooks/00_tour.ipynb)" in page
    assert "(https://raw.githubusercontent.com/a/b/v1/docs/sealed.png)" in page
    assert re.sub(r"https://(github\.com|raw\.githubusercontent\.com)/a/b/(blob/)?v1/", "", page) == readme


def test_each_extra_is_resolved_for_each_python_that_the_tests_run_with():
    (path,) = (path for path in WORKFLOWS if path.name == "tests.yml")
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    pythons = {*matrix["python"], *(each["python"] for each in matrix["include"])}
    script = jobs["pins"]["steps"][-1]["run"]
    assert {*re.search(r"for python in (.+);", script)[1].split()} == pythons
    assert {*re.search(r"for extra in (.+);", script)[1].split()} == {*EXTRAS}


def test_the_key_figures_of_the_articles_model_are_offered_as_a_change_and_not_committed():
    (path,) = (path for path in WORKFLOWS if path.name == "weekly.yml")
    job = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]["columns"]
    assert job["permissions"] == {"contents": "write", "pull-requests": "write"}
    commands = "\n".join(step.get("run", "") for step in job["steps"])
    order = [
        "tools/columns.py bert-base-uncased",
        "tools/notebooks.py write",
        "git switch -c",
        "git push",
        "gh pr create",
    ]
    assert sorted(order, key=commands.index) == order


def test_the_readmes_two_commands_are_single_lines_and_install_within_the_tested_versions():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line.startswith("python3 -m venv .venv && ")]
    assert len(commands) == 2
    lab, tests = (command.split(" && ") for command in commands)
    assert lab[0] == tests[0]
    assert lab[1] == ".venv/bin/pip install -c constraints.txt -e '.[lab]'"
    assert tests[1] == ".venv/bin/pip install -r requirements.txt"
    assert "-c constraints.txt" in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert lab[2:] == [".venv/bin/bertutil learn"]
    assert tests[2:] == [".venv/bin/pytest"]


def test_the_readmes_code_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(code, names)
    assert [names["encoding"].words[i][j].text for i, j in [(0, 1), (1, 3)]] == ["bank", "bank"]
    assert capsys.readouterr().out.startswith("tensor([[0.")
