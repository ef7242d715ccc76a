"""python -m bertutil embed and search, as a user meets them."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bertutil
from bertutil import cli, corpus, similarity
from bertutil.cli import main

LINES = ["the river bank", "stealing money from the vault", "fishing on the Mississippi"]


@pytest.fixture
def run(tiny_folder, tmp_path, capsys, monkeypatch):
    """A function that runs `embed` with the tiny checkpoint: (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")

    def run(*arguments, command="embed"):
        model = ["--model", str(tiny_folder)] if command == "embed" else []
        capsys.readouterr()
        status = main([command, *arguments, *model])
        return status, *capsys.readouterr()

    return run


def test_a_text_file_becomes_a_folder(run, tiny):
    status, out, _ = run("lines.txt", "out")
    assert (status, out) == (0, "Corpus('out': 3 lines, vectors [3, 32])\n")
    made = bertutil.open_corpus("out")
    assert list(made.lines) == LINES
    assert_allclose(made.vectors, bertutil.embed(tiny, LINES), atol=1e-5)


def test_every_option_arrives(run):
    options = ["--unit", "token", "--strategy", "last", "--specials", "--dtype", "bfloat16"]
    assert run("lines.txt", "out", *options)[0] == 0
    settings = bertutil.open_corpus("out").settings
    chosen = [settings[name] for name in ("unit", "strategy", "specials", "dtype")]
    assert chosen == ["token", "last", True, "bfloat16"]
    assert run("lines.txt", "max", "--how", "max", "--no-specials")[0] == 0
    assert bertutil.open_corpus("max").settings["how"] == "max"
    assert bertutil.open_corpus("max").settings["specials"] is False
    assert "window is 0" in run("lines.txt", "none", "--window", "0")[2]


def test_standard_input_is_read(run, monkeypatch):
    for _ in range(2):  # the second time, the lines are only compared
        stdin = io.TextIOWrapper(io.BytesIO(b"one\r\ntwo\n"))
        monkeypatch.setattr(sys, "stdin", stdin)
        assert run("-", "out")[0] == 0
    assert list(bertutil.open_corpus("out").lines) == ["one", "two"]


@pytest.mark.parametrize(("name", "separator"), [("table.csv", ","), ("table.tsv", "\t")])
def test_a_column_of_a_csv_file_is_read(run, tmp_path, name, separator):
    rows = [["text", "stars"], ['"two\nlines, quoted"', "5"], ["plain", "1"]]
    data = "\ufeff" + "\r\n".join(separator.join(row) for row in rows)
    (tmp_path / name).write_bytes(data.encode())
    assert run(name, "out", "--column", "text")[0] == 0
    assert list(bertutil.open_corpus("out").lines) == ["two\nlines, quoted", "plain"]
    assert "has no column 'review'; its columns are 'text', 'stars'" in run(name, "other", "--column", "review")[2]
    assert "is a table; name the column" in run(name, "other")[2]


def test_a_column_of_a_parquet_file_is_read(run, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {"text": LINES, "n": [1, 2, 3], "gaps": ["a", None, "b"]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "table.parquet")
    assert run("table.parquet", "out", "--column", "text")[0] == 0
    assert list(bertutil.open_corpus("out").lines) == LINES
    assert "no column 'x'" in run("table.parquet", "other", "--column", "x")[2]
    assert "text 1 is None" in run("table.parquet", "other", "--column", "gaps")[2]


def test_parquet_without_pyarrow_says_what_to_install(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    status, _, error = run("table.parquet", "out", "--column", "text")
    assert (status, error) == (2, "error: Parquet files take pyarrow: pip install 'bertutil[scale]'\n")


def test_an_error_is_one_line_and_status_2(run, tmp_path):
    (tmp_path / "latin1.txt").write_bytes(b"good\nna\xefve\n")
    (tmp_path / "comma.csv").write_text("text,stars\n\nfine,1\nslow, but good,4\n")
    (tmp_path / "quote.csv").write_text('text,stars\n"slow,4\ngood,5\n')
    for arguments, message in [
        (["missing.txt", "out"], "there is no file missing.txt"),
        (["latin1.txt", "out"], "line 2, byte 3: 0xef is not valid UTF-8"),
        (["lines.txt", "out1", "--strategy", "lastt"], "unknown strategy 'lastt'"),
        (["comma.csv", "out2", "--column", "text"], "comma.csv, line 4: the row has 3 cells, and the header has 2"),
        (["quote.csv", "out2", "--column", "text"], "quote.csv, line 3: unexpected end of data; is a quotation mark"),
        (["lines.txt", "out3", "--device", "toaster"], "toaster"),
        (["lines.txt", "out4", "--jsonl", "--unit", "word"], "--jsonl has a form of its own"),
    ]:
        status, out, error = run(*arguments)
        assert (status, out) == (2, ""), arguments
        last = error.splitlines()[-1]
        assert last.startswith("error: ")
        assert message in last
        assert "Traceback" not in error
    assert run("latin1.txt", "out", "--errors", "replace")[0] == 0


def test_lines_without_a_token_are_reported_once(run, tmp_path):
    (tmp_path / "gaps.txt").write_text("a\n\n\nb\n")
    status, _, error = run("gaps.txt", "out")
    assert status == 0
    assert error.count("warning: 2 lines without a token have a row of NaN in out\n") == 1


def test_jsonl_is_the_format_of_extract_features(run, tiny):
    assert run("lines.txt", "out.jsonl", "--jsonl")[0] == 0
    with open("out.jsonl", encoding="utf-8") as stream:
        records = [json.loads(line) for line in stream]
    assert [record["linex_index"] for record in records] == [0, 1, 2]
    encoding = bertutil.encode(tiny, LINES)
    states = bertutil.hidden_states(tiny, encoding)
    for i, record in enumerate(records):
        assert list(record) == ["linex_index", "features"]
        assert [feature["token"] for feature in record["features"]] == encoding.tokens[i]
        for j, feature in enumerate(record["features"]):
            assert [layer["index"] for layer in feature["layers"]] == [-1, -2, -3, -4]
            for layer in feature["layers"]:
                assert_allclose(layer["values"], states[i, j, layer["index"]], atol=1e-5)
                assert layer["values"] == [round(value, 6) for value in layer["values"]]
    status, _, error = run("lines.txt", "out.jsonl", "--jsonl")
    assert status == 2
    assert "out.jsonl exists already" in error


def test_search_prints_the_best_lines_first(run, monkeypatch):
    assert run("lines.txt", "out")[0] == 0
    status, out, _ = run("out", LINES[1], "-k", "2", command="search")
    assert status == 0
    first, second = out.splitlines()
    assert first == f"1.000  line 2: {LINES[1]}"
    assert float(second.split()[0]) < 1
    assert len(run("out", "a bank", command="search")[1].splitlines()) == 3


@pytest.mark.parametrize("options", [["--how", "max", "--specials"], ["--dtype", "bfloat16"]])
def test_search_asks_in_the_way_that_the_folder_was_made(run, options):
    assert run("lines.txt", "out", "--strategy", "embeddings", *options)[0] == 0
    for i, line in enumerate(LINES, start=1):
        status, out, _ = run("out", line, "-k", "1", command="search")
        assert (status, out) == (0, f"1.000  line {i}: {line}\n")


def test_search_tells_where_lines_are_missing(run, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(corpus, "compute", stop)
        assert run("lines.txt", "out")[0] == 130
    assert run("out", "a", command="search") == (0, "", "note: out is not complete; it has 0 lines so far\n")
    assert run("lines.txt", "out")[0] == 0
    assert run("out", "a", command="search")[2] == ""


@pytest.mark.parametrize("block", [1, 1_000_000])  # a row at a time, and all at once
@pytest.mark.parametrize("k", ["1", "5"])
def test_search_never_shows_a_line_without_a_vector(run, tmp_path, monkeypatch, block, k):
    monkeypatch.setattr(similarity, "BLOCK", block)
    (tmp_path / "gaps.txt").write_text("\na\n\n")
    assert run("gaps.txt", "out")[0] == 0
    assert run("out", "a", "-k", k, command="search")[1] == "1.000  line 2: a\n"


def test_search_refuses_what_it_cannot_answer(run, tmp_path):
    run("lines.txt", "words", "--unit", "word")
    assert "has vectors of words" in run("words", "a", command="search")[2]
    run("lines.txt", "out")
    assert "-k is 0" in run("out", "a", "-k", "0", command="search")[2]
    assert "has no token" in run("out", " ", command="search")[2]
    assert "holds no corpus" in run(".", "a", command="search")[2]
    assert "other weights" in run("out", "a", "--model", "minilm", command="search")[2]


def test_ctrl_c_leaves_a_folder_that_goes_on_and_says_how(run, tmp_path, monkeypatch, tiny_folder):
    compute = corpus.compute
    calls = []

    def compute_twice(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return compute(*arguments)

    monkeypatch.setattr(corpus, "compute", compute_twice)
    status, _, error = run("lines.txt", "out", "--window", "1")
    assert status == 130
    command = f"python -m bertutil embed lines.txt out --window 1 --model {tiny_folder}"
    assert f"Stopped. out holds the first 2 lines. To go on, give the same command again: {command}\n" in error
    assert run("lines.txt", "out", "--window", "1")[0] == 0
    assert len(calls) == 4
    assert bertutil.open_corpus("out").complete


def test_a_real_interrupt_of_a_real_process_can_be_resumed(tiny_folder, tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("\n".join(f"line {i} of very many" for i in range(60_000)))
    command = [sys.executable, "-m", "bertutil", "embed", str(lines), str(tmp_path / "out")]
    command += ["--model", str(tiny_folder), "--strategy", "embeddings"]
    old = signal.signal(signal.SIGINT, signal.default_int_handler)  # what ignores it, hands that on to its children
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        signal.signal(signal.SIGINT, old)
        while process.poll() is None and '"n_lines": 10000' not in _text(tmp_path / "out" / "corpus.json"):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        error = process.stderr.read()
    assert process.returncode == 130, error
    assert "To go on, give the same command again" in error
    assert "Traceback" not in error
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = bertutil.open_corpus(tmp_path / "out")
    assert (len(made.lines), made.complete) == (60_000, True)
    assert np.isfinite(made.vectors).all()


def test_an_interrupt_that_falls_into_a_del_still_stops_the_command(run, monkeypatch):
    class Dropped:
        def __del__(self):
            raise KeyboardInterrupt

    def embed(options):
        Dropped()
        for _ in range(6_000):  # one long sleep would not be woken
            time.sleep(0.01)

    hook = sys.unraisablehook
    monkeypatch.setattr(cli, "_embed", embed)
    status, _, error = run("lines.txt", "out")
    assert status == 130
    assert "Stopped. To go on" in error
    assert "Traceback" not in error
    assert sys.unraisablehook is hook


def _text(path):
    return path.read_text() if os.path.exists(path) else ""


def test_help_is_quick_because_torch_is_not_loaded():
    code = "import sys; from bertutil import cli; cli._parser(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit):
        cli.main(["embed", "--help"])
    shown = capsys.readouterr().out
    for option in (
        "--model",
        "--unit",
        "--strategy",
        "--how",
        "--specials",
        "--no-specials",
        "--window",
        "--dtype",
        "--column",
        "--errors",
        "--jsonl",
    ):
        assert option in shown


@pytest.mark.parametrize(("arguments", "status"), [([], 2), (["embedd"], 2), (["--help"], 0), (["-h"], 0)])
def test_what_is_no_command_is_answered_with_the_commands_and_status_2_unless_help_was_asked_for(
    capsys, arguments, status
):
    assert main(arguments) == status
    shown = capsys.readouterr()
    assert (shown.err, shown.out)[status == 0].startswith("usage: ")
    assert (shown.out, shown.err)[status == 0] == ""


def test_a_command_of_the_course_gives_its_own_status(monkeypatch):
    monkeypatch.setitem(cli.COMMANDS, "check", ("", "checking"))
    monkeypatch.setitem(sys.modules, "checking", SimpleNamespace(main=lambda arguments: len(arguments)))
    assert (main(["check"]), main(["check", "a", "b"])) == (1, 3)
