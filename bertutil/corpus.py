"""Chapter 13: many texts: embed() for a list of them, embed_corpus() for more than memory holds."""

import hashlib
import io
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from importlib.metadata import version
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from filelock import FileLock, Timeout
from tokenizers import Tokenizer
from tqdm import tqdm  # type: ignore[import-untyped]

from bertutil.checkpoints import CATALOGUE, Bert
from bertutil.folder import (
    HEADER,
    GrowingFile,
    Lines,
    check_file,
    json_line,
    map_array,
    npy_header,
    read_record,
    require_size,
    write_record,
)
from bertutil.packed import Pieces, Recipe, compute, grouped, make_recipe, tokenize
from bertutil.pieces import Text, check_text, in_order
from bertutil.pooling import Mix, SentenceHow, Unit, WordHow

# A window is what is sorted, computed and committed together, and what memory must hold: fewer texts than are asked
# for, where they are long or their vectors large.
WINDOW_CHARACTERS = 8_000_000
WINDOW_BYTES = 64_000_000  # of vectors; a word or token is taken for four characters


def embed_corpus(
    bert: Bert,
    lines: str | os.PathLike[str] | Iterable[str | bytes | Sequence[str]],
    out: str | os.PathLike[str],
    *,
    unit: Unit = "sentence",
    strategy: Mix | None = None,
    how: SentenceHow | WordHow | None = None,
    specials: bool | None = None,
    errors: Literal["strict", "replace"] = "strict",
    resume: bool = True,
    grow: bool = False,
    window: int = 10_000,
    progress: bool = True,
) -> "Corpus":
    r"""Write the vectors of all lines to the folder `out`, in memory that does not grow with their number.

    `lines`: the path of a text file in UTF-8, whose lines end with \n or \r\n, or any iterable of texts (bytes,
    and what an open file gives, are lines of such a file). `unit`, `strategy`, `how`, `specials`: as in embed(),
    but without strategy "each"; None is what the folder was begun with, and in a new one what suits the checkpoint.
    A line without a token to pool gets a row of NaN, so that row i is line i; they are counted, and a warning tells.
    `errors`: "strict" refuses invalid UTF-8, "replace" puts the character U+FFFD in its place. `progress` shows a
    bar on a terminal, and writes a line now and then where stderr is none.

    With `resume`, a folder that an interrupted call left goes on from the last window of texts that was committed,
    and ends with the bytes of an unbroken run (same machine, same versions, same `window`); a complete one is
    checked and returned. Without it, `out` must be new or empty. Nothing that lies there is ever deleted.
    `grow`: the lines of a complete folder may be the first ones of `lines` (that is checked); the rest is added.
    `window`: how many texts are computed and committed together at the most. It may change from call to call.

    Raises TypeError and ValueError as embed() does, and ValueError for another input or other settings than the
    folder's, for a file in it that is damaged, for a folder of something else, and while another process writes to
    it; OSError where the disk is full (free some space and call again).
    """
    if str(strategy) == "each":
        raise ValueError("strategy 'each' is for embed(); a folder has one vector for each line, word or token")
    if window < 1:
        raise ValueError(f"window is {window}; it must be at least 1")
    if errors not in ("strict", "replace"):
        raise ValueError(f"errors is {errors!r}; it must be 'strict' or 'replace'")
    folder = Path(out)
    record = read_record(folder)
    begun = record["settings"] if record and _binds(record) and record["settings"]["unit"] == unit else {}
    options: dict[str, Any] = {"strategy": strategy, "how": how, "specials": specials}
    recipe = make_recipe(bert, unit, **{k: begun.get(k) if v is None else v for k, v in options.items()})
    if not isinstance(lines, str | os.PathLike):  # what is refused here leaves no folder behind
        in_order(lines)
    elif not Path(lines).exists():
        raise FileNotFoundError(f"there is no file {os.fspath(lines)!r:.200}")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            n_empty = _fill(recipe, lines, folder, errors, resume, grow, window, progress)
    except Timeout:
        raise ValueError(f"another process is writing to {folder}; wait for it, or choose another folder") from None
    if n_empty:
        what = "have a row of NaN" if unit == "sentence" else "have no vector"
        warnings.warn(f"{n_empty:,} lines without a token {what} in {folder}", stacklevel=2)
    return Corpus(folder)


def open_corpus(out: str | os.PathLike[str]) -> "Corpus":
    """Open a folder that embed_corpus() wrote, complete or not; nothing is read into memory.

    Raises ValueError for a folder without a corpus and for a file that is shorter than it should be.
    """
    return Corpus(Path(out))


class Corpus:
    """Vectors in a memory-mapped file, and the lines they belong to.

    `vectors` [vectors, features]: row i belongs to line i (unit "sentence"), or the rows offsets[i] to
    offsets[i + 1] do (units "word" and "token", where `words` has the words or tokens of each line; else `offsets`
    and `words` are None). `lines` and `words` are sequences that read from the disk what is asked for. `settings`:
    how the vectors were made. `complete`: whether the whole input is in. `n_empty`: the lines without a token.
    """

    def __init__(self, folder: Path) -> None:
        """Open the folder; see open_corpus()."""
        record = read_record(folder)
        if record is None:
            raise ValueError(f"{folder} holds no corpus: there is no corpus.json, which embed_corpus() writes")
        self.folder = folder
        self.settings: dict[str, Any] = record["settings"]
        self.complete: bool = record["complete"]
        self.n_empty: int = record["n_empty"]
        self._record = record
        for name, state in record["files"].items():
            require_size(folder / name, state["bytes"])
        arrays = {name: map_array(folder / name, *form) for name, form in _arrays(record).items()}
        self.vectors, self.offsets = arrays["vectors.npy"], arrays.get("offsets.npy")
        self.lines = Lines(folder / "lines.jsonl", record["n_lines"])
        self.words = Lines(folder / "words.jsonl", record["n_lines"]) if "offsets.npy" in arrays else None

    def verify(self) -> None:
        """Read every file and compare it with its sum; raise ValueError with the name of the first that differs."""
        for name, state in self._record["files"].items():
            if state["bytes"]:
                check_file(self.folder / name, state)
        for name, form in _arrays(self._record).items():
            path, size = self.folder / name, self._record["files"][name]["bytes"]
            # no sum covers a header; that of a longer file, which a call left that was stopped, tells of more rows
            if 0 < size == path.stat().st_size and np.fromfile(path, "u1", HEADER).tobytes() != npy_header(*form):
                raise ValueError(f"{path} has a damaged header; the call that wrote the folder mends it")

    def __repr__(self) -> str:
        """Say what is in it."""
        state = "" if self.complete else ", not complete"
        return f"Corpus({str(self.folder)!r}: {len(self.lines):,} lines, vectors {list(self.vectors.shape)}{state})"


# --- Writing the folder ---


def _fill(
    recipe: Recipe, lines: Any, folder: Path, errors: str, resume: bool, grow: bool, window: int, progress: bool
) -> int:
    """Take up the folder where it stands and write window after window; return the number of empty lines."""
    path = Path(lines) if isinstance(lines, str | os.PathLike) else None
    with ExitStack() as stack:
        stream = stack.enter_context(path.open("rb")) if path else lines
        record = _start_record(recipe, folder, resume)
        files = {
            name: stack.enter_context(closing(GrowingFile(folder / name, committed)))
            for name, committed in record["files"].items()
        }
        texts = _skip(read_texts(stream, errors), record, folder, grow)
        _write_headers(files, record)  # no checksum covers them
        total = len(lines) if isinstance(lines, Sequence) else None
        if path:
            total = _count_lines(path) if progress and path.is_file() else None  # a pipe can be read once only
        with progress_bar(total, record["n_lines"], progress) as bar:
            for part in make_windows(recipe, texts, window):
                _append(recipe, part, files, record, bar)
                _commit(folder, files, record)
        if not record["complete"]:
            record["complete"] = True
            _commit(folder, files, record)
    return int(record["n_empty"])


def _start_record(recipe: Recipe, folder: Path, resume: bool) -> dict[str, Any]:
    """Return what the folder has already, or begin anew; refuse a folder of something else."""
    settings = _settings(recipe)
    versions = {name: version(name) for name in ("bertutil", "torch", "transformers", "tokenizers", "numpy")}
    record = read_record(folder)
    own = {".lock", "corpus.json.new"}
    if record and not _binds(record):
        own |= {"corpus.json", *record["files"]}
        record = None
    if record and not resume:
        raise ValueError(f"{folder} holds a corpus already; choose another folder, delete it, or use resume=True")
    if record:
        old = {name: settings[name] for name in CONFIGURATION} | record["settings"]  # version 0.1.0 had none of them
        changed = [name for name in settings if name != "model" and old.get(name) != settings[name]]
        if changed:
            which = " and ".join(f"{name} {old.get(name)!r:.20}, now {settings[name]!r:.20}" for name in changed)
            raise ValueError(f"{folder} was begun with other settings: {which}; choose another folder")
        newer = [f"{name} {v}, now {versions[name]}" for name, v in record["versions"].items() if v != versions[name]]
        if newer and not record["complete"]:
            warnings.warn(
                f"{folder} was begun with {' and '.join(newer)}: the vectors from here on can differ in their last "
                "digits from those of an unbroken run",
                stacklevel=2,
            )
        return record
    others = sorted(path.name for path in folder.iterdir() if path.name not in own)
    if others:
        raise ValueError(f"{folder} is not empty ({others[0]} is in it) and holds no corpus; choose another folder")
    names = ["vectors.npy", "lines.jsonl"] + ["offsets.npy", "words.jsonl"] * (recipe.unit != "sentence")
    record = {
        "settings": settings,
        "versions": versions,
        "complete": False,
        "n_lines": 0,
        "n_vectors": 0,
        "n_empty": 0,
    }
    record["files"] = {name: {"bytes": 0, "sha256": hashlib.sha256().hexdigest()} for name in names}
    write_record(folder, record)
    return record


def _binds(record: dict[str, Any]) -> bool:
    """Whether there is anything in the folder: a call that was stopped before its first window left nothing."""
    return bool(record["n_lines"] or record["complete"])


def checkpoint_digest(bert: Bert) -> str:
    """Return a sha256 of the tokenizer and the weights."""
    tokenizer = Tokenizer.from_str(bert.tokenizer.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True  # as in the folders of version 0.1.0
    digest = hashlib.sha256(tokenizer.to_str().encode())
    for name, value in sorted(bert.model.state_dict().items()):
        for part in value if isinstance(value, tuple) else (value,):  # a quantized module's weight and bias
            if not isinstance(part, torch.Tensor):
                digest.update(f"{name} {part}".encode())
                continue
            tensor = part.dequantize() if part.is_quantized else part
            digest.update(f"{name} {part.dtype} {list(part.shape)}".encode())
            digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


# What no weight shows, and the vectors depend on
CONFIGURATION = ("num_attention_heads", "hidden_act", "layer_norm_eps")


def checkpoint_settings(bert: Bert) -> dict[str, Any]:
    """Return what tells a checkpoint from others: equal settings, equal vectors."""
    return {"checkpoint": checkpoint_digest(bert)} | {
        name: getattr(bert.model.config, name) for name in CONFIGURATION
    }


def _settings(recipe: Recipe) -> dict[str, Any]:
    """Everything that the vectors depend on, and the checkpoint's name."""
    bert = recipe.bert
    is_folder = bert.name not in CATALOGUE and Path(bert.name).is_dir()
    return {
        "model": str(Path(bert.name).resolve()) if is_folder else bert.name,
        **checkpoint_settings(bert),
        "dtype": str(bert.model.dtype).removeprefix("torch."),
        "device": bert.model.device.type,
        "unit": recipe.unit,
        "strategy": recipe.strategy,
        "how": recipe.how,
        "specials": bool(recipe.specials),
        "features": recipe.n_features,
    }


def read_texts(lines: Iterable[Any], errors: str) -> Iterator[Text]:
    """Yield the texts, checked. Of the lines of a file, bytes or text, only the ending is cut off (pitfall 11)."""
    of_file = isinstance(lines, io.TextIOBase)
    for i, line in enumerate(lines):
        if of_file:
            line = line[:-2] if line.endswith("\r\n") else line.removesuffix("\n")
        if isinstance(line, bytes):
            line = decode(line[:-2] if line.endswith(b"\r\n") else line.removesuffix(b"\n"), i, errors)
        yield check_text(line, f"text {i}")


def decode(line: bytes, i: int, errors: str) -> str:
    """Decode line `i` of a file, or say where it is not UTF-8."""
    if not i and _is_utf16(line[:1000]):
        raise ValueError("line 1 is UTF-16 (or UTF-32) by its first bytes, and not UTF-8; convert the file to UTF-8")
    try:
        text = line.decode(errors=errors)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"line {i + 1}, byte {error.start + 1}: 0x{line[error.start]:02x} is not valid UTF-8; "
            "convert the file from its true encoding, or use errors='replace'"
        ) from None
    return text if i else text.removeprefix("\ufeff")  # the byte order mark, which is no text


def _is_utf16(start: bytes) -> bool:
    """Whether a byte order mark says so, or several NUL bytes, each of them the first or each the second of two."""
    zeros = [at % 2 for at, byte in enumerate(start) if not byte]
    marked = start.startswith((b"\xff\xfe", b"\xfe\xff"))
    return marked or (len(set(zeros)) == 1 and len(zeros) > 1 and 4 * len(zeros) >= min(len(start), 12))


def _skip(texts: Iterator[Text], record: dict[str, Any], folder: Path, grow: bool) -> Iterator[Text]:
    """Pass over the lines that the folder has already, if they are the same, and return the others."""
    digest, n = hashlib.sha256(), 0
    for text in islice(texts, record["n_lines"]):
        digest.update(json_line(text))
        n += 1
    if n < record["n_lines"] or digest.hexdigest() != record["files"]["lines.jsonl"]["sha256"]:
        raise ValueError(
            f"{folder} was begun with another input: its {record['n_lines']:,} lines are not the first ones of this "
            "one; choose another folder"
        )
    added = list(islice(texts, 1))
    if added and record["complete"]:
        if not grow:
            raise ValueError(
                f"{folder} is complete with {n:,} lines, and this input has more after them; to add these, give "
                "grow=True"
            )
        record["complete"] = False
    return chain(added, texts)


def make_windows(recipe: Recipe, texts: Iterator[Text], most_texts: int) -> Iterator[list[Text]]:
    """Group the texts into windows; where one ends depends on the arguments alone."""
    n_vectors = max(1, WINDOW_BYTES // (4 * recipe.n_features))
    most_characters = WINDOW_CHARACTERS
    if recipe.unit == "sentence":
        most_texts = min(most_texts, n_vectors)
    else:
        most_characters = min(most_characters, 4 * n_vectors)
    return grouped(texts, lambda text: sum(map(len, text)), most_characters, most_texts)


def _append(
    recipe: Recipe, texts: list[Text], files: dict[str, GrowingFile], record: dict[str, Any], bar: Any
) -> None:
    """Compute a window's vectors and append them to the files."""
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    pieces = list(tokenize(recipe, list(places)))
    done = 0

    def advance(n: int) -> None:  # a text that comes again is counted at the end of the window
        nonlocal done
        done += n
        bar.update(n)

    vectors, starts = compute(recipe, pieces, advance)
    order = [places[text] for text in texts]
    counts = [starts[place + 1] - starts[place] for place in order]
    if "words.jsonl" in files:
        offsets = record["n_vectors"] + np.cumsum([0, *counts])
        files["offsets.npy"].append(offsets[bool(record["n_lines"]) :].astype("<i8").tobytes())
        files["words.jsonl"].append(b"".join(json_line(labels(recipe, pieces[place])) for place in order))
    rows = [np.arange(starts[place], starts[place + 1]) for place in order]
    files["vectors.npy"].append(vectors[np.concatenate(rows)].astype("<f4", copy=False).tobytes())
    files["lines.jsonl"].append(b"".join(map(json_line, texts)))
    record["n_lines"] += len(texts)
    record["n_vectors"] += sum(counts)
    empty = [recipe.has_nothing_to_pool(one) or not recipe.n_vectors(one) for one in pieces]
    record["n_empty"] += sum(empty[place] for place in order)
    bar.update(len(texts) - done)


def labels(recipe: Recipe, pieces: Pieces) -> list[str]:
    """Return what the vectors of a text belong to: its words, or its tokens."""
    if recipe.unit == "word":
        return list(pieces.words)
    tokenizer = recipe.bert.tokenizer
    tokens: Any = tokenizer.convert_ids_to_tokens(pieces.ids.tolist())
    return [tokenizer.cls_token, *tokens, tokenizer.sep_token] if recipe.specials else list(tokens)


def _commit(folder: Path, files: dict[str, GrowingFile], record: dict[str, Any]) -> None:
    """Make what was appended count: first the files, then the record, which is replaced in one step."""
    _write_headers(files, record)
    for name, file in files.items():
        record["files"][name] = file.sync()
    write_record(folder, record)


def _write_headers(files: dict[str, GrowingFile], record: dict[str, Any]) -> None:
    """Say in the .npy files how much of them there is."""
    for name, form in _arrays(record).items():
        files[name].write_header(*form)


def _arrays(record: dict[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The type and shape of what each .npy file holds."""
    n = record["n_lines"]
    vectors = ("<f4", (record["n_vectors"], record["settings"]["features"]))
    arrays = {"vectors.npy": vectors, "offsets.npy": ("<i8", (n + 1 if n else 0,))}
    return {name: form for name, form in arrays.items() if name in record["files"]}


# --- Progress ---


class _LogLines(io.TextIOBase):
    """Where stderr is no terminal: plain lines in place of a bar that is drawn over itself."""

    def write(self, text: str) -> int:
        if line := text.strip():
            sys.stderr.write(line + "\n")
        return len(text)


def progress_bar(total: int | None, initial: int, shown: bool) -> Any:
    """Count lines: a bar with rate and time left on a terminal, else a plain line every half minute."""
    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=initial,
        disable=not shown,
        unit=" lines",
        mininterval=0.1 if terminal else 30,
        file=sys.stderr if terminal else _LogLines(),
        bar_format=None if terminal else "{n_fmt} of {total_fmt} lines, {rate_fmt}, {remaining} left",
    )


def _count_lines(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(1 for _ in stream)
