"""Store the key figures of all chapters for a checkpoint: `python tools/columns.py bert-base-uncased`.

Each chapter that has a cell with the id `key-figures` is run through papermill with that checkpoint, in a copy whose
last cell prints that cell's `figures`. They go, with the ledger's verdicts, the checkpoint's digest, the versions and
the date, into bertutil/course/datasets/columns/NAME.json, where bertutil/course/columns.py and the book find them.
"""

import argparse
import json
import platform
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import nbformat
import papermill

from bertutil import load
from bertutil.corpus import checkpoint_digest
from bertutil.course.labels import label

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "bertutil" / "course" / "datasets" / "columns"
KERNEL = {"kernel_name": "python3", "language": "python", "progress_bar": False}
PACKAGES = ("bertutil", "torch", "transformers", "numpy", "scikit-learn")


def run(notebook: Path, model: str) -> nbformat.NotebookNode | None:
    """Run a chapter with a checkpoint; its last cell prints its key figures. None where it has none."""
    chapter = nbformat.read(notebook, as_version=4)
    if "key-figures" not in [cell.get("id") for cell in chapter.cells]:
        return None
    last = nbformat.v4.new_code_cell("import json\n\nprint(json.dumps({k: float(v) for k, v in figures.items()}))")
    chapter.cells.append(last)
    with tempfile.TemporaryDirectory() as folder:
        copy, made = Path(folder, notebook.name), Path(folder, "made.ipynb")
        nbformat.write(chapter, copy)
        papermill.execute_notebook(copy, made, {"MODEL": model}, cwd=notebook.parent, **KERNEL)
        return nbformat.read(made, as_version=4)


def verdicts(made: nbformat.NotebookNode) -> dict[str, str]:
    """The verdict on each claim, by its id, as the cell `ledger-table` of a chapter prints them; none without it."""
    printed = [cell.outputs[0].data["text/plain"] for cell in made.cells if cell.get("id") == "ledger-table"]
    return {line[:3]: line[4:].partition(":")[0] for text in printed for line in text.splitlines()}


def column(model: str, notebooks: list[Path]) -> dict[str, object]:
    """Return what is stored for a checkpoint: its figures by chapter, and what they were computed with."""
    made = {notebook.stem[3:]: run(notebook, model) for notebook in notebooks}
    found = {chapter: each for chapter, each in made.items() if each is not None}
    return {
        "digest": checkpoint_digest(load(model)),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "date": datetime.now(UTC).date().isoformat(),
        "figures": {chapter: json.loads(each.cells[-1].outputs[0].text) for chapter, each in found.items()},
        "verdicts": {id: verdict for each in found.values() for id, verdict in verdicts(each).items()},
    }


def main(arguments: list[str]) -> int:
    """Write the column of one checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a catalogue name, a hub id or a folder")
    parser.add_argument("notebooks", nargs="*", type=Path, help="chapters (default: all)")
    parser.add_argument("--into", type=Path, default=FOLDER, help="the folder to write to")
    options = parser.parse_args(arguments)
    chapters = options.notebooks or sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    made = column(options.model, [notebook.resolve() for notebook in chapters])
    options.into.mkdir(parents=True, exist_ok=True)
    file = options.into / f"{label(load(options.model))}.json"
    file.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{file.name}: {', '.join(made['figures'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
