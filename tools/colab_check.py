"""What happens on Colab, without Colab: python tools/colab_check.py (about 5 minutes; Linux, macOS)

1. A new virtual environment gets the versions that Colab has, tools/colab.txt (torch: the tested one).
2. The chapters' own install cell runs there, next to a stand-in for google.colab. It installs the last commit: git
   reads the address in the cell as this folder, so nothing has to be published first.
3. No file that was there before has changed, torch's and numpy's least of all: the kernel need not be restarted.
4. Chapters 1 to 6 give the outputs that are committed.

Not seen here: Colab's own pages, its Python if it is another one than this, and its GPU.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from tools import address  # noqa: E402
from tools.binder_check import redirected  # noqa: E402

VERSIONS = ROOT / "tools" / "colab.txt"
CHECKER = ["nbval>=0.11"]  # runs the comparison; not on Colab
AFTER = """
import bertutil, google.colab
print(bertutil.__file__, bertutil.load().name)
"""


def versions() -> list[str]:
    """Colab's packages, with the tested torch, which has a build for CPUs."""
    lines = [line for line in VERSIONS.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    tested = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    torch = next(line for line in tested if line.startswith("torch=="))
    return [torch if line.startswith("torch==") else line for line in lines]


def install_cell(notebooks: list[Path]) -> str:
    """The one install cell of all chapters; ValueError where they differ."""
    cells = {
        cell.source for path in notebooks for cell in nbformat.read(path, 4).cells if cell.get("id") == "install"
    }
    if len(cells) != 1:
        raise ValueError(f"the chapters have {len(cells)} different install cells: python tools/address.py write")
    return cells.pop()


def files(environment: Path) -> dict[str, tuple[int, int, int]]:
    """Every file of the installed packages, by size, time of change and place on the disk."""
    (packages,) = environment.glob("lib/python3.*/site-packages")
    return {
        str(path.relative_to(packages)): (status.st_size, status.st_mtime_ns, status.st_ino)
        for path in packages.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and (status := path.stat())
    }


def colab_environment(folder: Path, repository: Path, slug: str) -> dict[str, str]:
    """Environment variables: a stand-in for google.colab that is loaded already, and git reads `repository`."""
    stand_in = folder / "stand-in" / "google" / "colab"
    stand_in.mkdir(parents=True)
    (stand_in / "__init__.py").touch()
    (stand_in.parents[1] / "sitecustomize.py").write_text("import google.colab\n")
    return os.environ | redirected(repository, slug) | {"PYTHONPATH": str(stand_in.parents[1])}


def run_cell(cell: str, environment: Path, folder: Path, variables: dict[str, str]) -> str:
    """Execute the install cell in a fresh kernel, then import what it installed; what that prints."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in (cell, AFTER)])
    nbformat.write(notebook, folder / "cell.ipynb")
    execute = "import sys, nbformat, nbclient; n = nbformat.read('cell.ipynb', 4); nbclient.execute(n, timeout=600); "
    execute += "print(*(o.get('text', '') for o in n.cells[1].outputs))"
    command = [environment / "bin/python", "-c", execute]
    return subprocess.run(command, cwd=folder, env=variables, check=True, text=True, capture_output=True).stdout


def check(folder: Path) -> list[str]:
    """All that is wrong."""
    here = address.read()
    repository, environment = folder / "repository", folder / "environment"
    subprocess.run(["git", "clone", "--quiet", f"file://{ROOT}", repository], check=True)
    subprocess.run(["git", "branch", "--force", here.ref, "HEAD"], cwd=repository, check=False, capture_output=True)
    notebooks = sorted((repository / "notebooks").glob("*.ipynb"))
    cell = install_cell(notebooks)

    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [environment / "bin/python", "-m", "pip", "install", "-qq"]
    subprocess.run([*pip, *versions(), *CHECKER], check=True)
    before = files(environment)
    variables = colab_environment(folder, repository, here.slug)
    printed = run_cell(cell, environment, folder, variables)
    after = files(environment)
    found = []
    if str(environment) not in printed or "minilm" not in printed:
        found.append(f"the cell installed no bertutil, or not into the environment: {printed!r}")
    if changed := [name for name in before if after.get(name) != before[name]]:
        found.append(f"the cell changed {len(changed)} files that were there, such as {changed[:3]}")
    chapters = [path.relative_to(repository) for path in notebooks if path.name[:2] <= "06"]
    compare = [environment / "bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *chapters]
    if subprocess.run(compare, cwd=repository).returncode:
        found.append("not all outputs are as committed, see above")
    return found


def main() -> int:
    """Check the last commit; 1 if anything is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        found = check(Path(folder).resolve())
    print("\n".join(found) or "the cell works with Colab's versions and leaves them as they are")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
