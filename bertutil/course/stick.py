"""A room without a network: all wheels for one system, and a script that installs them and opens the chapters."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import bertutil

NEEDS = ("bertutil", "notebooks", "pyproject.toml", "README.md", "LICENSE", "LICENSE-PROSE")  # to build the package
SAME = "import platform as p, sys; sys.exit((sys.version_info[:2], p.system(), p.machine()) != {here!r})"

SH = """\
#!/bin/sh
# sh start.sh [FOLDER [OPTIONS]]: installs bertutil from this stick, without a network, and opens the chapters.
# All goes into FOLDER (default: bertutil-stick in your home); a second call only opens them. Nothing is left on the
# stick. OPTIONS are those of `bertutil learn`, such as --no-browser.
set -eu
wheels=$(cd "$(dirname "$0")" && pwd)/wheels
place=${{1:-$HOME/bertutil-stick}}
if [ $# -gt 0 ]; then shift; fi
python=
for each in python{minor} python3 python; do
  if "$each" -c "{same}" 2> /dev/null; then python=$each; break; fi
done
if [ -z "$python" ]; then
  echo "This stick is for {system}: install that Python (python.org), or ask for another stick."
  exit 1
fi
if [ ! -e "$place/environment/{ready}" ]; then
  echo "Installing into $place; this takes some minutes and about 2 GB. No network is used."
  "$python" -m venv "$place/environment"
  PIP_CONFIG_FILE=/dev/null "$place/environment/bin/python" -m pip install --quiet --disable-pip-version-check \\
    --no-index --find-links "$wheels" "{requirement}"
  touch "$place/environment/{ready}"
fi
exec "$place/environment/bin/bertutil" learn "$place/chapters" "$@"
"""

BAT = """\
@echo off
rem start.bat [FOLDER [OPTIONS]]: installs bertutil from this stick, without a network, and opens the chapters.
rem All goes into FOLDER (default: bertutil-stick in your home); a second call only opens them. Nothing is left on the
rem stick. OPTIONS are those of `bertutil learn`, such as --no-browser.
setlocal
set "place=%~1"
if "%place%"=="" set "place=%USERPROFILE%\\bertutil-stick"
py -{minor} -c "{same}"
if errorlevel 1 (
  echo This stick is for {system}: install that Python from python.org, or ask for another stick.
  pause
  exit /b 1
)
if not exist "%place%\\environment\\{ready}" (
  echo Installing into %place%; this takes some minutes and about 2 GB. No network is used.
  py -{minor} -m venv "%place%\\environment" || exit /b 1
  set PIP_CONFIG_FILE=nul
  "%place%\\environment\\Scripts\\python" -m pip install --quiet --disable-pip-version-check --no-index --find-links "%~dp0wheels" "{requirement}" || exit /b 1
  type nul > "%place%\\environment\\{ready}"
)
"%place%\\environment\\Scripts\\bertutil" learn "%place%\\chapters" %2 %3 %4 %5
"""  # noqa: E501

README = """\
BERT embeddings, hands on: without a network

This stick is for {system}. Start {script}. It installs what is on the stick into the folder
bertutil-stick in your home (2 GB, some minutes), and opens chapter 0 in your browser. The next time it only opens it.
Another folder is given as: {call} FOLDER

Your work is in bertutil-stick, in the folder chapters. To remove everything, delete bertutil-stick.
"""


def script(windows: bool) -> tuple[str, str]:
    """Return the name and the text of the start script, for this Python's version, system and processor."""
    minor, here = "{}.{}".format(*sys.version_info), (sys.version_info[:2], platform.system(), platform.machine())
    text = (BAT if windows else SH).format(
        minor=minor,
        same=SAME.format(here=here),
        system=_system(),
        ready=f"ready-{bertutil.__version__}",
        requirement=f"bertutil[lab]=={bertutil.__version__}",
    )
    return ("start.bat", text.replace("\n", "\r\n")) if windows else ("start.sh", text)


def _system() -> str:
    return f"{platform.system()} ({platform.machine()}) with Python {sys.version_info[0]}.{sys.version_info[1]}"


def gather(project: Path, wheels: Path, pip: Sequence[str] = (sys.executable, "-m", "pip")) -> None:
    """Put the wheels of bertutil[lab] and of all that it needs, in the tested versions, into the folder `wheels`.

    project: a clone of the repository. They are for the Python that runs here, and come from where its pip finds
    packages. Raises ValueError without a clone, OSError with pip's last lines where it fails.
    """
    if not (project / "constraints.txt").is_file():
        raise ValueError("--offline needs a clone of the repository, with bertutil installed from it: see its README")
    source = wheels.with_name("source")  # a copy, since building leaves files, and takes along what an older one left
    source.mkdir()
    for name in NEEDS:
        here = project / name
        if here.is_dir():
            shutil.copytree(here, source / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(here, source / name)
    command = [*pip, "wheel", "--quiet", "--wheel-dir", str(wheels), "--constraint", str(project / "constraints.txt")]
    done = subprocess.run([*command, f"{source}[lab]"], capture_output=True, text=True)
    if done.returncode:
        raise OSError("pip could not get all packages: " + " ".join(done.stderr.splitlines()[-3:]))


def files(project: Path, folder: Path) -> Mapping[str, bytes | Path]:
    """Return what stands on the stick: name -> the content, or the file to copy. The wheels are made in `folder`."""
    gather(project, folder / "wheels")
    name, text = script(os.name == "nt")
    call = name if os.name == "nt" else f"sh {name}"
    readme = README.format(system=_system(), script=name if os.name == "nt" else f"it with: {call}", call=call)
    wheels: dict[str, bytes | Path] = {f"wheels/{path.name}": path for path in sorted((folder / "wheels").iterdir())}
    return {name: text.encode(), "README.txt": readme.encode(), **wheels}
