"""Build the book, a web site made of the notebooks as they are committed: python tools/book.py [FOLDER]

No notebook is executed, nothing is downloaded, and a warning is an error. The explorer's files are computed from the
default checkpoint; without what that needs (see tools/explorer.py) the book is built without it, and says so.
FOLDER: book/_build/html, where none is given.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sphinx.cmd.build import build_main

ROOT = Path(__file__).parent.parent
BOOK = ROOT / "book"
NOTEBOOKS = ROOT / "notebooks"
COLUMNS = ROOT / "bertutil" / "course" / "datasets" / "columns"
PAGES = ["notebooks/*.ipynb", "notebooks/*.md", "bertutil/course/datasets/README.md", "docs/sealed.png"]
MODULES = [
    "reading",
    "checkpoints",
    "pieces",
    "encoding",
    "layers",
    "pooling",
    "similarity",
    "static",
    "intervals",
    "probes",
]
MODULES += ["fine_tuning", "packed", "corpus", "engines"]  # in reading order
FIGURES = ["common", "tokens", "vocabulary", "states", "pooling", "context", "scores", "similarity", "attention"]
FIGURES += ["tuning", "many_texts", "work", "ledger", "tour"]

sys.path[:0] = [str(BOOK), str(ROOT)]
from ledger_page import ledger_page  # noqa: E402
from reference import reference  # noqa: E402
from uses import example_below, examples, figure_below, title_of, uses  # noqa: E402

from tools import explorer  # noqa: E402


def gather(source: Path) -> None:
    """Put the pages and what they show into the folder `source`, each at its place in the repository."""
    for file in [*BOOK.glob("*.md"), *(file for pattern in PAGES for file in ROOT.glob(pattern))]:
        target = source / (file.name if file.parent == BOOK else file.relative_to(ROOT))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    start = readme.split("\n## Start\n")[1].split("\n## ")[0]
    start = start.replace("this repository", "[the repository](repository:)")
    (source / "_start.md").write_text(start, encoding="utf-8")
    (source / "_chapters.md").write_text(cards(readme), encoding="utf-8")
    (source / "_explorer.md").write_text(link_to_explorer(explorer.missing()), encoding="utf-8")
    chapters = {f.stem: json.loads(f.read_text(encoding="utf-8")) for f in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))}
    (source / "_ledger.md").write_text(f"```{{raw}} html\n{ledger(chapters)}\n```\n", encoding="utf-8")
    written, used = examples((BOOK / "examples.txt").read_text(encoding="utf-8")), uses(chapters)
    core = references("bertutil", MODULES, lambda name, returns: example_below(name, written, used))
    (source / "_modules.md").write_text(core, encoding="utf-8")
    figures = references("bertutil.course.plots", FIGURES, lambda name, returns: figure_below(name, returns, used))
    (source / "_plots.md").write_text(figures, encoding="utf-8")


def ledger(chapters: dict[str, Any]) -> str:
    """The ledger of chapter 15, beside what is stored for other checkpoints."""
    titles = {name: title_of(chapter) for name, chapter in chapters.items()}
    records = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(COLUMNS.glob("*.json"))}
    others = {
        f"{name}, {record['date']}": record["verdicts"] for name, record in records.items() if record.get("verdicts")
    }
    (claims,) = (chapter for name, chapter in chapters.items() if name.endswith("_claims"))
    return ledger_page(claims, titles, others)


def references(package: str, modules: list[str], below: Callable[[str, str], str]) -> str:
    """The reference of some modules of a package, in their order; `below`: see reference()."""
    folder = ROOT / package.replace(".", "/")
    exported = set(re.findall(r'^    "(\w+)",$', (folder / "__init__.py").read_text(encoding="utf-8"), re.MULTILINE))
    return "\n".join(reference(folder / f"{name}.py", package, exported, below) for name in modules)


def cards(readme: str) -> str:
    """The README's table of chapters as a list, which the style sheet shows as cards."""
    rows = re.findall(r"^\| (\d+) \| \[(.*)\]\((notebooks/.*?)\) \| (.*?) \|", readme, re.MULTILINE)
    return "\n".join(f"- [{number}. {title}]({file})\n\n  {text}\n" for number, title, file, text in rows)


def link_to_explorer(missing: str) -> str:
    """The way to the explorer, or why this build of the book is without it."""
    if missing:
        return f"This build of the book is without the explorer: {missing}."
    return "[Type your own sentences, and watch the vectors move, layer by layer](explorer:)"


def build(folder: Path) -> int:
    """Build the site in `folder`; the exit status is not 0 where there was a warning."""
    with tempfile.TemporaryDirectory() as temporary:
        source, doctrees = Path(temporary, "source"), Path(temporary, "doctrees")
        gather(source)
        options = ["-c", str(BOOK), "-d", str(doctrees), "-W", "--keep-going", "-q", "-j", "auto"]
        status = build_main([*options, str(source), str(folder)])
    if explorer.missing():
        print(f"The book is without the explorer: {explorer.missing()}.")
    else:
        explorer.build(folder / "explorer")
    return status


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=BOOK / "_build" / "html")
    folder = parser.parse_args().folder
    status = build(folder)
    if status == 0:
        print(f"The book is in {folder}: open {folder / 'index.html'} in a browser.")
    return status


if __name__ == "__main__":
    sys.exit(main())
