"""Write the outputs of the notebooks, and check the rules that every notebook keeps.

python tools/notebooks.py write [notebooks/01_loading.ipynb ...]    execute in place, from a fresh kernel
python tools/notebooks.py check [notebooks/01_loading.ipynb ...]    the rules only; nothing is executed

Writing twice gives the same bytes: no times, no versions, no views of widgets, the ids of the cells stay.
"""

import argparse
import json
import os
import re
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

from bertutil.course.plots.common import WIDGET, in_words

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# Chapters that train, start other processes or take long: their second passes, with other checkpoints, are weekly
SLOW = ("07_", "08_", "09_", "11_", "12_", "13_", "14_", "15_")
MAX_LINES = 20
UNCHECKED = {"nbval-skip", "raises-exception", "skip-execution"}
FOLDERS = "home|Users|root|tmp|work|opt|usr|var|mnt|private|content"
MACHINE = re.compile(rf"(?<![\w.:/])/(?:{FOLDERS})/\S+|\b[A-Z]:\\\S+|\S*site-packages\S*|\b0x[0-9a-f]{{8,}}")


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Fill in all outputs; ValueError if a cell writes to stderr, CellExecutionError if it raises."""
    quiet = Config({"KernelManager": {"transport_encryption": "auto"}})  # ipykernel 7.3 warns about plain TCP
    where = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, kernel_name="python3", timeout=None, config=quiet, resources=where)
    client.coalesce_streams, client.record_timing, client.store_widget_state = True, False, False
    client.execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(code_cells(notebook), 1):
        cell.metadata.pop("execution", None)
        for output in cell.outputs:
            if output.get("name") == "stderr":
                raise ValueError(f"code cell {number} wrote to stderr:\n{output.text}")
            for part in (output.get("data", {}), output.get("metadata", {})):
                part.pop(WIDGET, None)  # the still picture beside it stays


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells that are executed."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def problems(path: Path) -> list[str]:
    """Every rule that a notebook breaks; whether its outputs are true is for `pytest --nbval notebooks`."""
    code, found = code_cells(nbformat.read(path, as_version=4)), []
    parameters = [cell.source for cell in code if "parameters" in cell.metadata.get("tags", [])]
    if len(parameters) != 1 or not re.search(r"^MODEL\b.*=", parameters[0], re.MULTILINE):
        found.append("needs one cell tagged `parameters`, and in it MODEL = ...")
    ids = [cell.get("id") for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]  # nbformat repairs them
    if None in ids or len(set(ids)) < len(ids):
        found.append("cell ids are missing or not unique")
    if (counts := [cell.execution_count for cell in code]) != [*range(1, len(code) + 1)]:
        found.append(f"execution counts are {counts}: write the outputs again (and leave no code cell empty)")
    for number, cell in enumerate(code, 1):
        if (lines := len(cell.source.splitlines())) > MAX_LINES:
            found.append(f"code cell {number} has {lines} lines; {MAX_LINES} are allowed")
        if UNCHECKED & {*cell.metadata.get("tags", [])} or "NBVAL_" in cell.source:
            found.append(f"code cell {number} escapes the check; the one way is the tag nbval-ignore-output")
        for output, after in pairwise([*cell.outputs, {}]):
            data = output.get("data", {})
            if WIDGET in data:
                found.append(
                    f"code cell {number} keeps a widget's view, which has a random id: write the outputs again"
                )
            for text in [output.get("text", ""), *(data[kind] for kind in data if kind.startswith("text/"))]:
                if match := MACHINE.search(text):
                    found.append(f"code cell {number} prints what differs between machines: {match[0]}")
            for kind in data:
                if kind.startswith("image/"):
                    alt = output.metadata.get(kind, {}).get("alt", "")
                    if not alt.strip():
                        found.append(f"code cell {number} shows a figure without alternative text")
                    elif after.get("data") != {"text/html": in_words(alt)}:
                        found.append(f"code cell {number} does not say its figure in words: use plots.show")
    return found


def main() -> int:
    """Run the command line; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["write", "check"])
    parser.add_argument("notebooks", nargs="*", type=Path, default=NOTEBOOKS)
    arguments = parser.parse_args()
    os.environ.pop("BERTUTIL_MODEL", None)  # the committed outputs are those of the default checkpoint
    failed = False
    for path in arguments.notebooks:
        try:
            if arguments.command == "write":
                notebook = nbformat.read(path, as_version=4)
                execute(notebook, path.parent)
                path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")
            found = problems(path)
        except (CellExecutionError, ValueError) as error:
            found = [f"not written: {error}"]
        print(f"{path}: {'; '.join(found) or 'ok'}", flush=True)
        failed = failed or bool(found)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
