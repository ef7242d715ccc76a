"""The mark of a learner's folder, .bertutil-learn.json: which copies were written, which exercises are right.

`bertutil learn` writes it, and so does the check of an exercise, but only where it is there already: a notebook that
runs anywhere else, in the repository for instance, leaves no trace. Nothing is sent.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from bertutil.folder import replacing, require_no_link, writing

NAME = ".bertutil-learn.json"
SECONDS = 10  # to wait for another kernel that writes; it takes milliseconds


def is_marked(folder: Path) -> bool:
    """Whether a folder is a learner's."""
    return os.path.lexists(folder / NAME)


def read(folder: Path) -> dict[str, Any]:
    """Return the mark: `copies` (name -> digest of what was written) and `right` (ids); both empty in a new one.

    Raises ValueError, with the file's name, where it is damaged, and OSError where it cannot be read.
    """
    path = folder / NAME
    try:
        record = {"copies": {}, "right": []} | (json.loads(path.read_bytes()) if is_marked(folder) else {})
        strings = [*record["copies"], *record["copies"].values(), *record["right"]]
        if not isinstance(record["right"], list) or not all(isinstance(text, str) for text in strings):
            raise ValueError("it has another form")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged ({error}). Write {{}} into it to begin it anew: your notebooks stay as they are, and "
            "an exercise counts again when its check has been run"
        ) from error
    return record


@contextmanager
def changing(folder: Path) -> Iterator[dict[str, Any]]:
    """Hand out the mark to be changed, to one process at a time, and replace it in one step.

    Raises what `read` raises, ValueError where the mark is a link, and OSError where it cannot be written.
    """
    path, beside, lock = (folder / f"{NAME}{end}" for end in ("", ".new", ".lock"))
    for each in (path, lock):
        require_no_link(each)
    with FileLock(lock, timeout=SECONDS):
        record = read(folder)
        yield record
        beside.unlink(missing_ok=True)  # of a process that was killed
        with writing(path, "what it held before stays"), replacing(path, beside) as stream:
            json.dump(record, stream, indent=1)


def remember(exercise: str) -> str:
    """Note an exercise as right where this process runs in a learner's folder; return what went wrong, else ""."""
    try:
        folder = Path.cwd()
        if is_marked(folder) and exercise not in read(folder)["right"]:
            with changing(folder) as record:
                record["right"] = [*dict.fromkeys([*record["right"], exercise])]
    except (OSError, ValueError) as error:
        return str(error)
    return ""
