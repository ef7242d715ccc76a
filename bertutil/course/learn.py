"""`bertutil learn`: the chapters in a folder of the reader's own, JupyterLab on it, and what is right so far."""

import argparse
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any

import bertutil
from bertutil.course import exercises, progress, workshop

HOME = Path("~/bertutil-course")
EXAMPLES = """examples:
  bertutil learn                   begin; the next day, go on where you were
  bertutil learn --status          which exercises are right
  bertutil learn here --run 3      execute chapter 3 of the folder "here" without a browser"""
CONTAINER = ("/.dockerenv", "/run/.containerenv")  # Docker's and Podman's own files in their containers


# --- The copies ---


def bring(source: Path, folder: Path) -> dict[str, str]:
    """Write the learners' copies of the chapters in `source` to `folder`, never over a reader's own work.

    A copy that the reader has not changed is replaced where there is a new version; running it is no change. One that
    is changed stays, and the new version comes beside it: 03_tokenization-2.ipynb. Returns what was written: its name
    -> the name that it has in `source`. Raises ValueError or OSError with the name of what cannot be read or written.
    """
    copies = workshop.copies(source, [*workshop.find_chapters(source).values()], workshop.learner)
    if folder.is_dir() and any(folder.iterdir()) and not progress.is_marked(folder):
        raise ValueError(f"{folder} is not empty, and not made by this command; give a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    with progress.changing(folder):  # marked from the first moment on, so that the same call goes on after a crash
        pass
    with progress.changing(folder) as record:
        files, written = {}, {}
        for name, content in copies.items():
            data = content if isinstance(content, bytes) else content.read_bytes()
            place, is_new = _place(folder, name, digest(name, data), record["copies"])
            record["copies"][place] = digest(name, data)
            if is_new:
                files[place], written[place] = data, name
        workshop.put(files, folder)
        record["version"] = bertutil.__version__
    return written


def _place(folder: Path, name: str, new: str, known: Mapping[str, str]) -> tuple[str, bool]:
    """The name under which a copy with the digest `new` belongs, and whether it is to be written there."""
    for number in count(1):
        path = Path(name)
        place = name if number == 1 else path.with_stem(f"{path.stem}-{number}").as_posix()
        was, now = known.get(place), _digest_there(folder / place)
        removed = now is None and number > 1 and was == new  # the reader did not want it beside the own one
        if now == new or (was == new and now is not None) or removed:
            return place, False
        if now is None or now == was:
            return place, True
    raise AssertionError


def digest(name: str, content: bytes) -> str:
    """Return a sum over what a reader writes in a file: of a notebook the text of its cells, not their outputs."""
    if name.endswith(".ipynb"):
        with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):  # damaged: its bytes, then
            sources = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(content)["cells"]]
            content = json.dumps([each for each in sources if each[1].strip()]).encode()
    return hashlib.sha256(content).hexdigest()


def _digest_there(path: Path) -> str | None:
    """The digest of a file in the reader's folder; None where nothing is there, "" for a link or a folder."""
    if not os.path.lexists(path):
        return None
    return digest(path.name, path.read_bytes()) if path.is_file() and not path.is_symlink() else ""


# --- Where the reader is ---


def exercise_ids(path: Path) -> dict[str, str]:
    """Return the exercises of a chapter: number, such as "3.1" -> id. Raises ValueError for a damaged one."""
    found = workshop.exercises(workshop.read(path))
    if not found:
        return {}
    # read off the text, since importing the module would import torch, and take seconds
    module = Path(exercises.__file__).with_name(f"ch{path.name[:2]}.py").read_text(encoding="utf-8")
    ids = dict(re.findall(r'^(\w+) = Exercise\(\s*"([\w-]+)"', module, re.MULTILINE))
    return {exercise.number: ids[exercise.check.partition(".")[2]] for exercise in found}


def find_next(source: Path, folder: Path) -> Path:
    """Return the copy to open: the one run and saved last, or where that is done the next one that is not.

    A chapter is done when its last cell was run and its exercises are right. Raises ValueError for a damaged mark.
    """
    right = {*progress.read(folder)["right"]}
    chapters = [*workshop.find_chapters(source).values()]
    begun, done = {}, set()
    for chapter in chapters:
        for copy in [folder / chapter.name, *sorted(folder.glob(f"{chapter.stem}-*.ipynb"))]:
            counts = _execution_counts(copy)
            if any(counts):
                begun[copy] = chapter
            if counts and counts[-1] and right.issuperset(exercise_ids(chapter).values()):
                done.add(chapter)
    if not begun:
        return folder / chapters[0].name
    last = max(begun, key=lambda copy: copy.stat().st_mtime)
    here = chapters.index(begun[last])
    left = [chapter for chapter in chapters[here:] + chapters[:here] if chapter not in done]
    return last if not left or left[0] == begun[last] else folder / left[0].name


def _execution_counts(path: Path) -> list[Any]:
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        cells = json.loads(path.read_bytes())["cells"]
        return [cell["execution_count"] for cell in cells if cell["cell_type"] == "code" and cell["source"]]
    return []


def status(source: Path, folder: Path) -> str:
    """Return a line a chapter: how many of its exercises are right, and which are not yet."""
    if not progress.is_marked(folder):
        raise ValueError(f"{folder} is not made by this command; `bertutil learn {folder}` begins it")
    right = {*progress.read(folder)["right"]}
    lines, n_left, total = [], 0, 0
    for path in workshop.find_chapters(source).values():
        if ids := exercise_ids(path):
            left = [number for number, id in ids.items() if id not in right]
            n_left, total = n_left + len(left), total + len(ids)
            lines.append(f"{path.stem:26} {len(ids) - len(left)} of {len(ids)} right")
            lines[-1] += f"; not yet: {', '.join(left)}" if left else ""
    return "\n".join([*lines, f"{folder}: {total - n_left} of {total} exercises are right"])


# --- Running ---


def run(path: Path) -> int:
    """Execute a chapter in a kernel of its own and print how it went; 0 where it ran to its end. Nothing is saved."""
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError, DeadKernelError
        from traitlets.config import Config
    except ImportError as error:
        raise ImportError(f"{error.name} is missing; it comes with: pip install 'bertutil[lab]'") from None
    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:  # nbformat has many kinds
        raise ValueError(f"{path} is damaged, or no notebook: {error}") from error
    start, trouble = time.monotonic(), ""
    quiet = Config({"KernelManager": {"transport_encryption": "auto"}})  # or ipykernel warns on every start
    where = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, kernel_name="python3", timeout=None, config=quiet, resources=where)
    try:
        client.execute()
    except (CellExecutionError, DeadKernelError) as error:
        trouble = getattr(error, "ename", "") or type(error).__name__
        trouble += f": {getattr(error, 'evalue', error)}"
    heading = None
    for cell in notebook.cells:
        heading = re.match(r"## Exercise (\d+\.\d+)", cell.source) or heading
        if cell.id.endswith("-stub") and heading:
            print(f"exercise {heading[1]}:", said(cell).strip())
    seconds = time.monotonic() - start
    if trouble:
        at = next((cell.id for cell in notebook.cells if _has_error(cell)), "?")
        print(f"{path.name} stopped after {seconds:.0f} s in the cell {at}: {trouble}")
        return 1
    print(f"{path.name} ran to its end in {seconds:.0f} s. The file is as it was")
    return 0


def said(cell: Any) -> str:
    """Return what a cell has printed, and the text of what it shows."""
    parts = []  # of lines, too
    for output in cell.outputs:
        plain = output.get("data", {}).get("text/plain")
        parts.append(output.get("text", "") if plain is None else f"{plain}\n")
    return "".join(parts)


def _has_error(cell: Any) -> bool:
    return any(output.output_type == "error" for output in cell.get("outputs", []))


def open_lab(path: Path, port: int, ip: str | None, browser: bool) -> None:
    """Open JupyterLab at a notebook and print its address; return when it is stopped, with Ctrl-C."""
    try:
        from jupyterlab.labapp import LabApp  # type: ignore[import-untyped]
    except ImportError:
        raise ImportError("JupyterLab is missing: pip install 'bertutil[lab]'") from None
    # A container's own localhost cannot be reached from outside of it. The token is asked for everywhere.
    ip = ip or ("0.0.0.0" if any(map(os.path.exists, CONTAINER)) else "localhost")
    token = token_hex(24)
    arguments = [str(path), f"--ServerApp.root_dir={path.parent}", f"--port={port}", f"--ip={ip}", "--allow-root"]
    arguments += [f"--IdentityProvider.token={token}", "--Application.log_level=ERROR"]
    arguments += ["--KernelManager.transport_encryption=auto"]  # or ipykernel warns on every start
    server: Any = LabApp.initialize_server(arguments + ["--no-browser"] * (not browser or not _has_screen()))

    def tell() -> None:
        host = "127.0.0.1" if ip in ("0.0.0.0", "::", "*") else ip
        address = f"http{'s' * bool(server.certfile)}://{host}:{server.port}{server.base_url}lab/tree/{path.name}"
        address += f"?token={token}"
        print(
            f"JupyterLab is at {address}\nCtrl-C in this terminal ends it. Your work stays in {path.parent}",
            flush=True,
        )

    server.io_loop.add_callback(tell)  # it stands behind the one that takes the port
    server.start()


def _has_screen() -> bool:
    """Whether a browser can be shown: without a screen, Linux would offer one for the terminal."""
    return sys.platform != "linux" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")))


# --- The command line ---


def main(arguments: list[str]) -> int:
    """Run the command line; 0 where all went well."""
    parser = argparse.ArgumentParser(
        prog="bertutil learn",
        description="Write the chapters, without solutions, to a folder of your own, and open JupyterLab there.\n"
        "The same command again goes on where you were. New versions of chapters come along;\n"
        "what you have changed stays, and its new version comes beside it under another name.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, nargs="?", metavar="FOLDER", default=HOME, help=f"default: {HOME}")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--status", action="store_true", help="only say which exercises are right")
    instead.add_argument("--run", type=int, metavar="NN", help="execute this chapter, say how it went, open nothing")
    parser.add_argument("--port", type=int, default=8888, help="of JupyterLab; the next free one is taken")
    parser.add_argument("--ip", help="where it listens (default: localhost; in a container everywhere)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    options = parser.parse_args(arguments[1:])
    try:
        source, folder = workshop.find_notebooks(), options.folder.expanduser().absolute()
        if options.status:
            print(status(source, folder))
            return 0
        chapters = workshop.find_chapters(source)
        if options.run is not None and options.run not in chapters:
            raise ValueError(f"there is no chapter {options.run}; there are {', '.join(map(str, chapters))}")
        _tell(bring(source, folder), folder)
        if options.run is not None:
            return run(folder / chapters[options.run].name)
        open_lab(find_next(source, folder), options.port, options.ip, not options.no_browser)
    except (ValueError, OSError, ImportError) as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    return 0


def _tell(written: Mapping[str, str], folder: Path) -> None:
    chapters = [name for name in written if name.endswith(".ipynb")]
    if chapters:
        print(f"{len(chapters)} chapters are new in {folder}: {', '.join(chapters)}")
    for name, original in written.items():
        if name != original:
            print(f"{original} is your own work and stays as it is; the new version is {name}, beside it")
