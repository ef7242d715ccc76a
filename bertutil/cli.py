"""The command line: bertutil learn | embed | search | verify | doctor | workshop. Each says more with --help."""

import argparse
import csv
import io
import json
import os
import shlex
import signal
import sys
import threading
import warnings
from _thread import interrupt_main
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import bertutil  # torch comes with the first name that needs it: --help is quick

TABLES = {".csv": ",", ".tsv": "\t"}  # what separates the cells
JSON_LINES = (".jsonl", ".ndjson", ".json")
# What unpacks it, with an open() each
PACKED = {".gz": ["gzip"], ".bz2": ["bz2"], ".xz": ["lzma"], ".zst": ["compression.zstd", "backports.zstd"]}

COMMANDS = {  # what it does, and where the course has a main(["<command>", ...]) for it
    "learn": ("the chapters in a folder of your own, opened in JupyterLab where you were", "bertutil.course.learn"),
    "embed": ("vectors for the lines of a text file or the column of a table, in a folder", None),
    "search": ("the lines of such a folder that are nearest to a query", None),
    "verify": ("is such a folder as it was written? Every file is read and compared with its sum", None),
    "doctor": ("is everything here that the tutorial needs? What to do where it is not", "bertutil.course.doctor"),
    "workshop": ("learner copies of the notebooks without solutions, and solved ones", "bertutil.course.workshop"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name = arguments[0] if arguments else ""
    if name == "--version":
        print("bertutil", bertutil.__version__)
        return 0
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS)
        lines = [f"There is no command {name}; did you mean {' or '.join(near)}?"] if near else []
        lines += ["usage: bertutil COMMAND ..., or --version; each command says more with --help\n"]
        lines += [f"  {command:10} {text}" for command, (text, _) in COMMANDS.items()]
        asked = name in ("-h", "--help")
        print("\n".join(lines), file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    _, module = COMMANDS[name]
    if module:  # loaded late, so that the doctor runs where torch is broken
        return int(import_module(module).main(arguments))
    return _run(arguments)


def _run(arguments: list[str]) -> int:
    """Run a command of this module: 0, 2 for an error (one line on stderr) or 130 for Ctrl-C."""
    options = _parser().parse_args(arguments, argparse.Namespace(arguments=arguments))
    hook, sys.unraisablehook = sys.unraisablehook, _press_again
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            options.run(options)
        for warning in caught:
            if warning.category is UserWarning:
                print(f"warning: {warning.message}", file=sys.stderr)
    except (ValueError, TypeError, OSError, ImportError, RuntimeError, csv.Error) as error:  # RuntimeError: torch's
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(_stopped(options), file=sys.stderr)
        return 130
    finally:
        sys.unraisablehook = hook
    return 0


def _press_again(lost: "sys.UnraisableHookArgs") -> None:
    """Raise a Ctrl-C again that fell into a __del__ of some library: Python would print it there, and go on."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        threading.Timer(0.01, interrupt_main).start()
    else:
        sys.__unraisablehook__(lost)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bertutil")
    commands = parser.add_subparsers(required=True)

    def add(name: str, run: Any, example: str) -> argparse.ArgumentParser:
        example = f"example: bertutil {name} {example}"
        command = commands.add_parser(name, description=COMMANDS[name][0], epilog=example)
        command.set_defaults(run=run)
        return command

    option = add("embed", _embed, "reviews.csv vectors --column text (again: it goes on)").add_argument
    option("input", metavar="INPUT", help="UTF-8 text or a table (--column), also .gz, .bz2, .xz, .zst; - is stdin")
    option("out", metavar="OUT", help="the folder to write, for bertutil.open_corpus(OUT); with --jsonl the file")
    option("--model", help="a name of the catalogue, a folder or a hub id (default: minilm)")
    option("--unit", choices=["sentence", "word", "token"], help="default: sentence")
    option("--strategy", help="layers, as in bertutil.STRATEGIES (default: what suits the checkpoint)")
    option("--how", help="how tokens are pooled (default: mean)")
    counted = "let [CLS] and [SEP] count, or not (default: what suits the checkpoint)"
    option("--specials", action=argparse.BooleanOptionalAction, help=counted)
    option("--window", type=int, help="texts to compute and commit at a time (default: 10000)")
    option("--dtype", default="float32", choices=["float32", "bfloat16", "float16"], help="of the model")
    option("--device", default="auto", help="such as cpu or cuda (default: a GPU where there is one)")
    option("--column", help="the column of a .csv, .tsv, .jsonl or .parquet file with the texts")
    option("--errors", default="strict", choices=["strict", "replace"], help="on invalid UTF-8")
    lines = "the JSON lines of BERT's extract_features.py, with the last four layers of every token"
    option("--jsonl", action="store_true", help=f"write {lines}; a line's ' ||| ' is plain text here")

    verify = add("verify", _verify, "vectors")
    verify.add_argument("folder", metavar="FOLDER", help="written by embed")

    search = add("search", _search, 'vectors "slow delivery, friendly people"')
    search.add_argument("folder", metavar="FOLDER", help="written by embed, unit sentence")
    search.add_argument("query", metavar="QUERY", help="a text")
    search.add_argument("-k", type=int, default=5, help="how many lines (default: 5)")
    search.add_argument("--model", help="where the checkpoint is now, if it has moved")
    return parser


def _embed(options: argparse.Namespace) -> None:
    names = "unit", "strategy", "how", "specials", "window"
    chosen = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.jsonl and chosen:
        raise ValueError(f"--jsonl has a form of its own; it does not go with --{' and --'.join(chosen)}")
    with ExitStack() as stack:
        lines = _lines(options, stack)
        bert = _load(options, options.model, options.dtype, options.device)
        if options.jsonl:
            _write_jsonl(bert, lines, Path(options.out), options.errors)
            return
        _print(str(bertutil.embed_corpus(bert, lines, options.out, errors=options.errors, **chosen)))


def _print(text: str) -> None:
    """Print a line to a terminal of any encoding: what it does not have is written as an escape."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def _import_torch(options: argparse.Namespace) -> None:
    """Import what computes. A Ctrl-C ends the process then and there: a half-made import turns it into any error."""

    def stop(*_: object) -> None:
        os.write(2, f"{_stopped(options)}\n".encode(errors="replace"))
        os._exit(130)

    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual and "bertutil.corpus" not in sys.modules and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, stop)
        import_module("bertutil.corpus")
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _load(options: argparse.Namespace, name: str | None, dtype: str, device: str = "cpu") -> "bertutil.Bert":
    _import_torch(options)
    import torch

    return bertutil.load(name, dtype=getattr(torch, dtype), device=device)


def _lines(options: argparse.Namespace, stack: ExitStack) -> str | Iterable[Any]:
    """What the input holds: the path of a text file, the lines of another source, or a column's cells."""
    path = Path(options.input)
    packing = path.suffix.lower() if path.suffix.lower() in PACKED else ""
    kind = Path(path.stem if packing else path).suffix.lower()
    if kind in (*TABLES, *JSON_LINES, ".parquet") and not options.column:
        raise ValueError(f"{path} is a table; name the column that holds the texts with --column")
    if kind == ".parquet":
        if packing:
            raise ValueError(f"{path}: Parquet is compressed inside; unpack the file first")
        return _parquet_column(options.input, options.column)
    if options.input != "-" and (path.is_dir() or not path.exists()):  # a wrong name is told before a model is loaded
        raise FileNotFoundError(f"there is no file {path}")
    if options.input == "-":
        stream: Iterable[bytes] = sys.stdin.buffer
    elif packing:
        stream = _unpacked(path, _open_packed(path, packing))
    else:
        stream = stack.enter_context(path.open("rb"))
        if path.is_file() and not options.column:
            return str(path)  # a pipe can be opened once only
    if not options.column:
        return stream
    if kind in JSON_LINES:
        return _json_column(stream, options)
    return _csv_column(stream, options, TABLES.get(kind, ","))


def _open_packed(path: Path, packing: str) -> Any:
    for name in PACKED[packing]:
        try:
            return import_module(name).open(path, "rb")
        except ImportError:
            pass
    try:
        import pyarrow  # type: ignore[import-untyped]
    except ImportError:
        raise ImportError(f"{packing} files take Python 3.14 or a package: pip install backports.zstd") from None
    return io.BufferedReader(pyarrow.input_stream(str(path), compression="zstd"))


def _unpacked(path: Path, stream: Any) -> Iterator[bytes]:
    try:
        with stream:
            yield from stream
    except Exception as error:  # each library has its own
        raise ValueError(f"{path} cannot be unpacked ({error}); is it complete?") from None


def _csv_column(stream: Iterable[bytes], options: argparse.Namespace, delimiter: str) -> Iterator[str]:
    from bertutil.corpus import decode

    csv.field_size_limit(2**31 - 1)
    lines = (decode(line, i, options.errors) for i, line in enumerate(stream))
    # in TSV a quotation mark is text
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    rows = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)
    header = next(rows, [])
    _require_column(options.column, header, options.input)
    return _cells(rows, header, options, "" if delimiter == "\t" else "; is a quotation mark missing?")


def _cells(rows: Any, header: list[str], options: argparse.Namespace, hint: str) -> Iterator[str]:
    """The column's cells. A row that does not fit the header is refused: its text may have been cut at a comma."""
    place, n_blank = header.index(options.column), 0
    try:
        for row in rows:
            if not row and len(header) > 1:
                n_blank += 1
                continue
            cells = row or [""]  # in a table of one column, a blank line is an empty cell
            if len(cells) != len(header):
                raise csv.Error(f"the row has {len(cells)} cells, and the header has {len(header)}")
            yield cells[place]
    except csv.Error as error:
        raise ValueError(f"{options.input}, line {rows.line_num}: {error}{hint}") from None
    _tell_blank(n_blank, options.input)


def _json_column(stream: Iterable[bytes], options: argparse.Namespace) -> Iterator[Any]:
    """The values of one name, of which each line's JSON object must have one."""
    from bertutil.corpus import decode

    n_blank = 0
    for i, line in enumerate(stream):
        text = decode(line, i, options.errors)
        if not text.strip():
            n_blank += 1
            continue
        try:
            pairs = json.loads(text, object_pairs_hook=tuple)
            if not isinstance(pairs, tuple):
                raise ValueError("not an object")
        except ValueError as error:
            raise ValueError(f"{options.input}, line {i + 1}: {error}; JSON Lines have one object a line") from None
        _require_column(options.column, [name for name, _ in pairs], f"{options.input}, line {i + 1},")
        yield dict(pairs)[options.column]
    _tell_blank(n_blank, options.input)


def _tell_blank(n: int, path: str) -> None:
    if n:
        warnings.warn(f"{n:,} blank lines of {path} are no rows of the table", stacklevel=2)


def _parquet_column(path: str, column: str) -> Iterator[str | None]:
    try:
        from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]
    except ImportError:
        raise ImportError("Parquet files take pyarrow: pip install 'bertutil[work]'") from None
    table = ParquetFile(path)
    _require_column(column, table.schema_arrow.names, path)
    return (text for batch in table.iter_batches(columns=[column]) for text in batch.column(0).to_pylist())


def _require_column(column: str, columns: list[str], path: str) -> None:
    if column not in columns:
        raise ValueError(f"{path} has no column {column!r}; its columns are {', '.join(map(repr, columns))}")
    if columns.count(column) > 1:
        raise ValueError(f"{path} has {columns.count(column)} columns {column!r}; give one of them another name")


def _write_jsonl(bert: "bertutil.Bert", lines: str | Iterable[Any], out: Path, errors: str) -> None:
    """Write what extract_features.py writes, with its spelling of linex_index: 4 layers, 6 digits, a line a text."""
    from bertutil import corpus, folder, packed

    recipe = packed.make_recipe(bert, "token", "concat_last_4", "mean", True)
    unfinished = out.with_name(out.name + ".part")
    for path in (out, unfinished):  # the user's own, or of a run that was killed
        if os.path.lexists(path):
            raise ValueError(f"{path} exists already, and would be written to; rename or remove it")
    with ExitStack() as stack:
        source = stack.enter_context(open(lines, "rb")) if isinstance(lines, str) else lines
        stream = stack.enter_context(folder.replacing(out, unfinished))
        bar = stack.enter_context(corpus.progress_bar(None, 0, True))
        number = 0
        for window in corpus.make_windows(recipe, corpus.read_texts(source, errors), 10_000):
            pieces = list(packed.tokenize(recipe, window))
            vectors, starts = packed.compute(recipe, pieces, bar.update)
            layers = vectors.reshape(len(vectors), 4, -1).astype(float).round(6)
            for one, start in zip(pieces, starts, strict=False):
                features = []
                for token, values in zip(corpus.labels(recipe, one), layers[start:], strict=False):
                    of_token = [{"index": -1 - i, "values": v.tolist()} for i, v in enumerate(values)]
                    features.append({"token": token, "layers": of_token})
                with folder.writing(out, "nothing of it is kept"):
                    print(json.dumps({"linex_index": number, "features": features}), file=stream, flush=True)
                number += 1
        if os.path.lexists(out):
            raise ValueError(f"{out} was made by another program meanwhile; choose another file")


def _verify(options: argparse.Namespace) -> None:
    _import_torch(options)
    corpus = bertutil.open_corpus(options.folder)
    corpus.verify()
    print(f"{corpus}: every file is as it was written")


def _search(options: argparse.Namespace) -> None:
    _import_torch(options)
    import numpy as np

    from bertutil.corpus import checkpoint_settings

    corpus = bertutil.open_corpus(options.folder)
    settings = corpus.settings
    if settings["unit"] != "sentence":
        raise ValueError(f"{options.folder} has vectors of {settings['unit']}s; search takes a folder of sentences")
    if options.k < 1:
        raise ValueError(f"-k is {options.k}; it must be at least 1")
    if not corpus.complete:
        print(f"note: {options.folder} is not complete; it has {len(corpus.lines):,} lines so far", file=sys.stderr)
    bert = _load(options, options.model or settings["model"], settings["dtype"])
    if changed := [name for name, now in checkpoint_settings(bert).items() if settings.get(name, now) != now]:
        raise ValueError(f"{bert.name} is another checkpoint than {options.folder} was made with ({changed[0]})")
    if not len(corpus.lines):
        return
    chosen = {name: settings[name] for name in ("strategy", "how", "specials")}
    query = np.asarray(bertutil.embed(bert, [options.query], **chosen))
    scores, indices = bertutil.search(query, corpus, k=min(options.k, len(corpus.lines)))
    for score, i in zip(scores[0].tolist(), indices[0].tolist(), strict=True):
        line = corpus.lines[i]
        if score == score:  # NaN: a line without a token
            _print(f"{score:.3f}  line {i + 1}: {line if isinstance(line, str) else ' '.join(line)}")


def _stopped(options: argparse.Namespace) -> str:
    """What to say after a Ctrl-C. It may have come amid an import, so nothing is imported here."""
    if options.run is not _embed or options.jsonl:
        return "\nStopped."
    try:
        n_lines = json.loads((Path(options.out) / "corpus.json").read_bytes())["n_lines"]
        done = f" {options.out} holds the first {n_lines:,} lines."
    except (OSError, ValueError, LookupError, TypeError):
        done = ""
    piped = not Path(options.input).is_file()
    again = "the same command, with the same input," if piped else "the same command"
    command = shlex.join(["python", "-m", "bertutil", *options.arguments])
    return f"\nStopped.{done} To go on, give {again} again: {command}"
