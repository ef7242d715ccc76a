"""Chapter 13: a folder that survives a crash: files that grow, and a record of what of them counts."""

import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

HEADER = 128  # bytes of a .npy header; numpy leaves room in it for any number of rows
# Whatever a record says, no other file is opened
NAMES = {"vectors.npy", "lines.jsonl", "offsets.npy", "words.jsonl"}
_FORM = {"settings": dict, "versions": dict, "complete": bool, "files": dict}
_FORM |= {"n_lines": int, "n_vectors": int, "n_empty": int}


# --- Writing ---


class GrowingFile:
    """A file to append to. It knows its size and sha256, and goes back to the ones that were committed last."""

    def __init__(self, path: Path, committed: dict[str, Any]) -> None:
        """Open or create the file, check what was committed, and cut off what was not."""
        self.path = path
        require_no_link(path)
        path.touch()
        self.digest = check_file(path, committed)
        self.size = committed["bytes"] or _start(path)
        self.file = path.open("r+b", buffering=0)
        self.file.truncate(self.size)
        self.file.seek(self.size)

    def append(self, data: bytes) -> None:
        """Write at the end."""
        self._write(data)
        self.digest.update(data)
        self.size += len(data)

    def write_header(self, dtype: str, shape: tuple[int, ...]) -> None:
        """Write what makes the file a .npy file."""
        self.file.seek(0)
        self._write(npy_header(dtype, shape))
        self.file.seek(self.size)

    def sync(self) -> dict[str, Any]:
        """Bring everything to the disk; return the state to commit."""
        with writing(self.path):
            os.fsync(self.file.fileno())
        return {"bytes": self.size, "sha256": self.digest.hexdigest()}

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        with writing(self.path):
            while view:
                view = view[self.file.write(view) :]


def json_line(value: object) -> bytes:
    """Return the line that Lines reads as `value`."""
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return what corpus.json says, or None where there is none; raise ValueError for a damaged one."""
    try:
        record: dict[str, Any] = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        good = record.pop("sha256", None) == _digest(record)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, AttributeError, TypeError, RecursionError) as error:  # no JSON, or no dict
        raise ValueError(f"{folder / 'corpus.json'} is damaged ({error})") from error
    if not good or not _has_the_form(record):
        raise ValueError(f"{folder / 'corpus.json'} is damaged or another program's: its sha256 or form does not fit")
    return record


def _has_the_form(record: dict[str, Any]) -> bool:
    """Whether a record can be one of ours: every number is one, and only our own files are named."""
    if any(type(record.get(name)) is not kind for name, kind in _FORM.items()):
        return False
    files, settings = record["files"], record["settings"]
    numbers = [record["n_lines"], record["n_vectors"], record["n_empty"], settings.get("features")]
    states = [state if isinstance(state, dict) else {} for state in files.values()]
    return (
        NAMES >= files.keys() >= {"vectors.npy", "lines.jsonl"}
        and ("words.jsonl" in files) == ("offsets.npy" in files) == (settings.get("unit") in ("word", "token"))
        and all(type(number) is int and number >= 0 for number in [*numbers, *(s.get("bytes") for s in states)])
        and all(isinstance(state.get("sha256"), str) for state in states)
    )


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Replace corpus.json in one step: after a crash there is the old one or the new one."""
    with writing(folder / "corpus.json"):
        (folder / "corpus.json.new").unlink(missing_ok=True)
        with replacing(folder / "corpus.json", folder / "corpus.json.new") as stream:
            json.dump(record | {"sha256": _digest(record)}, stream, indent=1)


def _digest(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record).encode()).hexdigest()


def npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Return what makes the bytes of an array behind it a .npy file."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
    if len(header.getvalue()) != HEADER:
        raise RuntimeError(f"numpy wrote a header of {len(header.getvalue())} bytes, expected {HEADER}")
    return header.getvalue()


def require_no_link(path: Path) -> None:
    """Raise ValueError where writing to a path would change what lies elsewhere."""
    if path.is_symlink():
        raise ValueError(f"{path} is a link, and writing would change what it leads to; give a new folder")


@contextmanager
def replacing(path: Path, beside: Path) -> Iterator[IO[str]]:
    """Write a file under the name `beside`, which must be new, and give it its own in one step.

    Where that fails, what was written is removed, and the file that was there stays.
    """
    stream = beside.open("x", encoding="utf-8")  # "x" follows no link, and writes over nothing
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def writing(path: Path, lost: str = "what was committed stays, the same call goes on") -> Iterator[None]:
    """Say of a full disk, and the like, which file it met, and what is lost."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} while writing {path}; {lost}") from error


# --- Reading ---


def require_size(path: Path, size: int) -> None:
    """Raise ValueError for a file that has fewer bytes than were committed; it may have more."""
    found = path.stat().st_size if path.exists() else 0
    if found < size:
        raise ValueError(f"{path} is damaged: it has {found:,} bytes, and {size:,} were written; start a new folder")


def check_file(path: Path, committed: dict[str, Any]) -> Any:
    """Return the sha256 object of what was committed; raise ValueError where the file has something else."""
    require_size(path, committed["bytes"])
    digest, left = hashlib.sha256(), max(0, committed["bytes"] - _start(path))
    with path.open("rb") as stream:
        stream.seek(_start(path))
        while left and (block := stream.read(min(left, 1 << 24))):
            digest.update(block)
            left -= len(block)
    if digest.hexdigest() != committed["sha256"]:
        raise ValueError(f"{path} was changed after it was written; the folder cannot be used, start a new one")
    return digest


def _start(path: Path) -> int:
    """Where the data of a file begin: no sum covers the header of a .npy file."""
    return HEADER if path.suffix == ".npy" else 0


def map_array(path: Path, dtype: str | type, shape: tuple[int, ...]) -> NDArray[Any]:
    """Map a .npy file; the shape is told, since its header may speak of rows that were not committed."""
    if not shape[0]:  # an empty file cannot be mapped
        return np.empty(shape, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r", offset=HEADER, shape=shape)


class Lines(Sequence[Any]):
    """The lines of a JSON Lines file, read when asked for."""

    def __init__(self, path: Path, n: int) -> None:
        """Take the first `n` lines of the file."""
        self.path, self.n = path, n

    def __len__(self) -> int:
        """Count the lines."""
        return self.n

    def __getitem__(self, index: Any) -> Any:
        """Read one line, or a list of them."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self.n))]
        with self.path.open("rb") as stream:
            stream.seek(self._starts[range(self.n)[index]])
            return json.loads(stream.readline())

    def __iter__(self) -> Iterator[Any]:
        """Read all lines, one after the other."""
        with self.path.open("rb") as stream:
            yield from map(json.loads, islice(stream, self.n))

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """Where each line starts: found by one quick pass over the file, at the first question."""
        starts, position = [np.zeros(1, dtype=np.int64)], 0
        with self.path.open("rb") as stream:
            while block := stream.read(1 << 24):
                ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == ord("\n"))
                starts.append(ends + position + 1)
                position += len(block)
        return np.concatenate(starts)[: self.n]
