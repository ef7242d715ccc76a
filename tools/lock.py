"""Write constraints.txt, the tested set of packages, from pyproject.toml: `python tools/lock.py` (needs uv).

Pins that still fit stay as they are; `python tools/lock.py --upgrade` takes the newest releases of everything.
One set for Linux, macOS and Windows and every supported Python. What torch's GPU builds bring along is left to
them, so that the file serves CPU builds too. requirements.txt installs everything that the tests need, within it.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEADER = "# The tested set of packages. Made from pyproject.toml by: python tools/lock.py"
GPU = re.compile(r"(nvidia|cuda|triton)\b")
TORCH = "torch==2.13.0"

FILE = ROOT / "constraints.txt"

command = "uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --all-extras"
subprocess.run(
    [*command.split(), *sys.argv[1:], "--constraint", "-", "--output-file", FILE, "pyproject.toml"],
    cwd=ROOT,
    input=TORCH,
    text=True,
    check=True,
    stdout=subprocess.DEVNULL,  # the same lines once more
)
pins = FILE.read_text(encoding="utf-8").splitlines()
pins = [line for line in pins if not GPU.match(line) and "== 'emscripten'" not in line and line[0] != "#"]
pins = [line for line in pins if not line.startswith("torch==")] + [TORCH]
FILE.write_text("\n".join([HEADER, *sorted(pins)]) + "\n", encoding="utf-8")
