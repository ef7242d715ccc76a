"""Store the key figures of all chapters for a checkpoint: `python tools/columns.py bert-base-uncased`.

Each chapter that has a cell with the id `key-figures` is run through papermill with that checkpoint, in a copy whose
last cell prints that cell's `figures`. They go, with the checkpoint's digest, the versions and the date, into
bertutil/course/datasets/columns/NAME.json, where bertutil/course/columns.py finds them.
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


def figures_of(notebook: Path, model: str) -> dict[str, float] | None:
    """Run a chapter with a checkpoint and return its key figures; None where it has none."""
    chapter = nbformat.read(notebook, as_version=4)
    if "key-figures" not in [cell.get("id") for cell in chapter.cells]:
        return None
    last = nbformat.v4.new_code_cell("import json\n\nprint(json.dumps({k: float(v) for k, v in figures.items()}))")
    chapter.cells.append(last)
    with tempfile.TemporaryDirectory() as folder:
        copy, made = Path(folder, notebook.name), Path(folder, "made.ipynb")
        nbformat.write(chapter, copy)
        papermill.execute_notebook(copy, made, {"MODEL": model}, cwd=notebook.parent, **KERNEL)
        printed = nbformat.read(made, as_version=4).cells[-1].outputs[0].text
    return dict(json.loads(printed))


def column(model: str, notebooks: list[Path]) -> dict[str, object]:
    """Return what is stored for a checkpoint: its figures by chapter, and what they were computed with."""
    found = {notebook.stem[3:]: figures_of(notebook, model) for notebook in notebooks}
    return {
        "digest": checkpoint_digest(load(model)),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "date": datetime.now(UTC).date().isoformat(),
        "figures": {chapter: figures for chapter, figures in found.items() if figures is not None},
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
