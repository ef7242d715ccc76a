"""One place for each fact: what is pinned and what conda installs agree with pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [Requirement(r) for part in [PROJECT["dependencies"], *EXTRAS.values()] for r in part]
COLAB = {"torch": "2.11.0", "transformers": "5.15.0", "numpy": "2.1.3", "pandas": "2.2.3", "matplotlib": "3.10.0"}
COLAB |= {"huggingface-hub": "1.27.0", "ipython": "7.34.0", "ipykernel": "6.17.1", "ipywidgets": "7.7.1"}


def pins():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if "==" in line]


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda r: r.name)
def test_every_requirement_is_pinned_within_its_range(requirement):
    versions = [str(pin.specifier).removeprefix("==") for pin in pins() if pin.name == requirement.name]
    assert versions
    assert all(requirement.specifier.contains(version) for version in versions)


def test_torch_is_pinned_without_a_build_of_its_own_and_without_gpu_packages():
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert "\ntorch==2.13.0\n" in text
    assert not any(word in text for word in ("+cpu", "nvidia", "triton", "://"))


@pytest.mark.parametrize("name", COLAB)
def test_the_floors_admit_what_colab_has(name):
    (requirement,) = (r for r in REQUIREMENTS if r.name == name)
    assert requirement.specifier.contains(Version(COLAB[name]))


def test_the_versions_of_package_and_citation_are_the_same():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]


def test_the_readmes_two_commands_are_single_lines_and_install_alike():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line.startswith("python3 -m venv .venv && ")]
    assert len(commands) == 2
    lab, tests = (command.split(" && ") for command in commands)
    assert lab[:2] == tests[:2]
    assert lab[2].startswith(".venv/bin/jupyter lab ")
    assert lab[2].endswith(" notebooks/01_loading.ipynb")
    assert tests[2:] == [".venv/bin/pytest"]


def test_the_readmes_code_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(code, names)
    assert [names["encoding"].words[i][j].text for i, j in [(0, 1), (1, 3)]] == ["bank", "bank"]
    assert capsys.readouterr().out.startswith("tensor([[0.")
