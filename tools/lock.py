"""Write constraints.txt, the tested set of packages, from pyproject.toml: `python tools/lock.py` (needs uv).

One set for Linux, macOS and Windows and every supported Python. What torch's GPU builds bring along is left to
them, so that the file serves CPU builds too. requirements.txt installs everything that the tests need, within it.
"""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEADER = "# The tested set of packages. Made from pyproject.toml by: python tools/lock.py"
GPU = re.compile(r"(nvidia|cuda|triton)\b")
TORCH = "torch==2.13.0"

command = "uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --all-extras"
compiled = subprocess.run(
    [*command.split(), "--constraint", "-", "pyproject.toml"],
    cwd=ROOT,
    input=TORCH,
    text=True,
    check=True,
    capture_output=True,
)
pins = [line for line in compiled.stdout.splitlines() if not GPU.match(line) and "== 'emscripten'" not in line]
pins = [line for line in pins if not line.startswith("torch==")] + [TORCH]
(ROOT / "constraints.txt").write_text("\n".join([HEADER, *sorted(pins)]) + "\n", encoding="utf-8")
