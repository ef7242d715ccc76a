"""Copy the headline figure out of the executed chapter 7 to docs/sealed.png: `python tools/headline.py`.

Run it after `tools/notebooks.py write notebooks/07_context.ipynb`. It prints the figure's alternative text.
"""

import base64
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent
CHAPTER, CELL, PICTURE = ROOT / "notebooks" / "07_context.ipynb", "senses-figure", ROOT / "docs" / "sealed.png"


def figure(notebook: Path, cell_id: str) -> tuple[bytes, str]:
    """Return the picture that a cell shows, and its alternative text; ValueError where it shows none."""
    for cell in nbformat.read(notebook, as_version=4).cells:
        for output in cell.get("outputs", []) if cell.id == cell_id else []:
            if "image/png" in output.get("data", {}):
                return base64.b64decode(output.data["image/png"]), output.metadata["image/png"]["alt"]
    raise ValueError(f"the cell {cell_id!r} of {notebook.name} shows no picture; write its outputs first")


def main() -> int:
    """Write the picture."""
    png, alt = figure(CHAPTER, CELL)
    PICTURE.write_bytes(png)
    print(alt)
    return 0


if __name__ == "__main__":
    sys.exit(main())
