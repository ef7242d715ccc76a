"""Write constraints.txt, the tested set of packages, from pyproject.toml: `python tools/lock.py` (needs uv).

Pins that still fit stay as they are; `python tools/lock.py --upgrade` takes the newest releases of everything.
One set for Linux, macOS and Windows and every supported Python. What torch's GPU builds bring along is left to
them, so that the file serves CPU builds too. requirements.txt installs everything that the tests need, within it.
binder/requirements.txt has those of the pins that Binder's image takes: the extra lab's, and nbgitpuller's.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEADER = "# {}. Made from pyproject.toml by: python tools/lock.py"
GPU = re.compile(r"(nvidia|cuda|triton)\b")
TORCH = "torch==2.13.0"
CPU = "--extra-index-url https://download.pytorch.org/whl/cpu"
COMMAND = "uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate"


def pins(*arguments: str, asked: str = "", before: str = "") -> list[str]:
    """What uv resolves pyproject.toml to. asked: further packages. before: the pins that are kept where they fit."""
    with tempfile.TemporaryDirectory() as folder:
        file, more = Path(folder, "pins.txt"), Path(folder, "more.in")
        file.write_text(before, encoding="utf-8")
        more.write_text(asked, encoding="utf-8")
        command = [*COMMAND.split(), *arguments, "--constraint", "-", "--output-file", file, "pyproject.toml", more]
        subprocess.run(command, cwd=ROOT, input=TORCH, text=True, check=True, stdout=subprocess.DEVNULL)
        lines = file.read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if not GPU.match(line) and "== 'emscripten'" not in line and line[0] != "#"]
    return sorted([line for line in lines if not line.startswith("torch==")] + [TORCH])


def write(name: str, *lines: str) -> None:
    """Write a file of the repository."""
    (ROOT / name).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    everything = "constraints.txt"
    before = (ROOT / everything).read_text(encoding="utf-8")
    write(
        everything, HEADER.format("The tested set of packages"), *pins("--all-extras", *sys.argv[1:], before=before)
    )
    image = pins("--extra", "lab", "--constraint", everything, asked="nbgitpuller")
    write("binder/requirements.txt", HEADER.format("Binder's packages"), CPU, *image)
