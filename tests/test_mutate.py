"""tools/mutate.py: its list fits the code, and it tells what is noticed from what is not."""

import ast
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools import mutate
from tools.mutate import MUTATIONS, Mutation

ROOT = Path(__file__).parent.parent
every_mutation = pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: f"{m.file}: {m.text} -> {m.instead}")


@every_mutation
def test_the_text_stands_once_in_its_file(mutation):
    assert mutate.missing(mutation) == ""


@every_mutation
def test_what_stands_there_instead_is_other_code_that_python_can_read(mutation):
    before = (ROOT / mutation.file).read_text(encoding="utf-8")
    after = before.replace(mutation.text, mutation.instead)
    assert ast.dump(ast.parse(before)) != ast.dump(ast.parse(after))


@every_mutation
def test_the_test_that_must_notice_it_is_there(mutation):
    module, *_, name = mutation.test.split("::")
    assert re.search(rf"^ *def {name}\(", (ROOT / module).read_text(encoding="utf-8"), re.MULTILINE)


def test_no_mutation_stands_twice():
    changes = [mutation[:3] for mutation in MUTATIONS]
    assert len(set(changes)) == len(changes)


@dataclass
class Tree:
    """A working tree with a function and its test."""

    root: Path

    def tried(self, text, instead, lives=""):
        """What is wrong after one mutation."""
        return mutate.try_all([Mutation("code.py", text, instead, "test_code.py::test_sum", lives)], self.root)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they take longer than the test
    (tmp_path / "code.py").write_text("def add(a, b, more=0):\n    return a + b + more\n")
    (tmp_path / "test_code.py").write_text("from code import add\n\n\ndef test_sum():\n    assert add(2, 2) == 4\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return Tree(tmp_path)


def test_a_mutation_that_a_test_notices_is_killed_and_the_tree_is_left_alone(tree, capsys):
    before = (tree.root / "code.py").read_bytes()
    assert tree.tried("a + b", "a - b") == []
    assert capsys.readouterr().out.startswith("killed ")
    assert (tree.root / "code.py").read_bytes() == before


def test_a_mutation_that_survives_is_wrong_unless_it_says_why_it_may_live(tree, capsys):
    (found,) = tree.tried("a + b", "a * b")
    assert found == "code.py: 'a + b' -> 'a * b': survived test_code.py::test_sum"
    assert capsys.readouterr().out.startswith("SURVIVED ")
    assert tree.tried("more=0", "more=None or 0", lives="the same") == []
    assert capsys.readouterr().out.startswith("lives ")


def test_a_text_that_is_gone_or_stands_twice_is_wrong(tree):
    assert tree.tried("a - b", "a + b") == ["code.py: 'a - b' -> 'a + b': its text stands 0 times in the file"]
    assert tree.tried("more", "less") == ["code.py: 'more' -> 'less': its text stands 2 times in the file"]


def test_tests_that_fail_without_a_mutation_notice_nothing(tree):
    (tree.root / "code.py").write_text("def add(a, b):\n    return 5\n")
    (found,) = tree.tried("return 5", "return 6")
    assert found.startswith("the tests fail without any mutation: FAILED test_code.py::test_sum")


def test_it_runs_the_tests_of_this_project_whatever_options_its_pytest_has():
    assert mutate.noticed(ROOT, ["tests/test_mutate.py::test_no_mutation_stands_twice"]) is None


def test_a_test_that_is_not_there_is_an_error(tree):
    with pytest.raises(RuntimeError, match="no_such_test"):
        mutate.try_all([Mutation("code.py", "a + b", "a - b", "test_code.py::no_such_test")], tree.root)
