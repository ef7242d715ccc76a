"""python -m bertutil embed and search, as a user meets them."""

import bz2
import gzip
import io
import json
import lzma
import os
import re
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

import bertutil
from bertutil import cli, corpus, packed, similarity
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


def test_a_column_of_a_csv_file_is_read(run, tmp_path):
    (tmp_path / "table.csv").write_bytes('\ufefftext,stars\r\n"two\nlines, quoted",5\r\nplain,1'.encode())
    assert run("table.csv", "out", "--column", "text")[0] == 0
    assert list(bertutil.open_corpus("out").lines) == ["two\nlines, quoted", "plain"]
    assert "has no column 'review'; its columns are 'text', 'stars'" in run("table.csv", "o", "--column", "review")[2]
    assert "is a table; name the column" in run("table.csv", "other")[2]


def test_a_tsv_file_is_read_as_it_is_written(run, tmp_path):
    (tmp_path / "t.tsv").write_bytes(b'label\ttext\r\n1\t"Great film he said\r\n0\tit was bad"\r\n1\t"a, b" c\r\n')
    assert run("t.tsv", "out", "--column", "text")[0] == 0
    assert list(bertutil.open_corpus("out").lines) == ['"Great film he said', 'it was bad"', '"a, b" c']
    (tmp_path / "short.tsv").write_text("label\ttext\n1\n")
    assert (
        "short.tsv, line 2: the row has 1 cells, and the header has 2\n"
        in run("short.tsv", "o", "--column", "text")[2]
    )


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.ndjson", "rows.json"])
def test_a_name_of_json_lines_is_read(run, tmp_path, name):
    (tmp_path / name).write_text(
        '\ufeff{"id": 7, "text": "hello \\u00e9"}\n\n{"text": ["New York", "is"], "id": {}}\n', "utf-8"
    )
    status, _, error = run(name, "out", "--column", "text")
    assert (status, "warning: 1 blank lines of " in error) == (0, True)
    assert list(bertutil.open_corpus("out").lines) == ["hello é", ["New York", "is"]]
    assert "is a table; name the column" in run(name, "other")[2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "rows.jsonl, line 2: not an object; JSON Lines have one object a line"),
        ('{"text": "a"', "rows.jsonl, line 2: Expecting"),
        ('{"id": 1}', "rows.jsonl, line 2, has no column 'text'; its columns are 'id'"),
        ('{"text": "a", "text": "b"}', "rows.jsonl, line 2, has 2 columns 'text'"),
        ('{"text": null}', "text 1 is None"),
        ('{"text": 5}', "text 1 is 5, of type int"),
    ],
)
def test_a_line_of_json_without_its_text_is_refused_by_its_number(run, tmp_path, line, message):
    (tmp_path / "rows.jsonl").write_text(f'{{"text": "a"}}\n{line}\n')
    status, _, error = run("rows.jsonl", "out", "--column", "text")
    assert (status, message in error) == (2, True), error


def test_a_column_that_is_there_twice_is_refused(run, tmp_path):
    (tmp_path / "t.csv").write_text("text,text,n,n\nwrong,right,1,2\n")
    assert "t.csv has 2 columns 'text'; give one of them another name" in run("t.csv", "out", "--column", "text")[2]
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.Table.from_arrays([pyarrow.array(["a"]), pyarrow.array(["b"])], names=["text", "text"])
    parquet.write_table(table, tmp_path / "t.parquet")
    assert "t.parquet has 2 columns 'text'" in run("t.parquet", "out", "--column", "text")[2]


def test_a_blank_line_of_a_table_is_counted(run, tmp_path):
    (tmp_path / "one.csv").write_text("text\na\n\nb\n")
    status, _, error = run("one.csv", "one", "--column", "text")
    assert (status, "1 lines without a token have a row of NaN" in error) == (0, True)
    assert list(bertutil.open_corpus("one").lines) == ["a", "", "b"]
    (tmp_path / "two.csv").write_text("text,n\na,1\n\nb,2\n\n")
    status, _, error = run("two.csv", "two", "--column", "text")
    assert (status, "warning: 2 blank lines of two.csv are no rows of the table" in error) == (0, True)
    assert list(bertutil.open_corpus("two").lines) == ["a", "b"]


def _pack(path, data):
    if path.suffix != ".zst":
        path.write_bytes({".gz": gzip, ".bz2": bz2, ".xz": lzma}[path.suffix].compress(data))
        return
    pyarrow = pytest.importorskip("pyarrow")
    with pyarrow.output_stream(str(path), compression="zstd") as stream:
        stream.write(data)


@pytest.mark.parametrize("packing", [".gz", ".bz2", ".xz", ".zst"])
def test_a_packed_file_is_read_and_a_damaged_one_is_refused(run, tmp_path, packing):
    _pack(tmp_path / f"lines.txt{packing}", b"one\r\ntwo\n")
    _pack(tmp_path / f"table.csv{packing}", b'n,text\n1,"a, b"\n')
    _pack(tmp_path / f"long.txt{packing}", os.urandom(20_000).hex().encode())
    for name, options, lines in [("lines.txt", [], ["one", "two"]), ("table.csv", ["--column", "text"], ["a, b"])]:
        assert run(name + packing, f"out {name}", *options)[0] == 0
        assert list(bertutil.open_corpus(f"out {name}").lines) == lines
    assert "is a table; name the column" in run("table.csv" + packing, "o")[2]
    (tmp_path / f"cut{packing}").write_bytes((tmp_path / f"long.txt{packing}").read_bytes()[:-100])
    (tmp_path / f"no{packing}").write_text("this is not packed")
    for name in ("cut", "no"):
        status, _, error = run(name + packing, "o" + name)
        assert (status, f"{name}{packing} cannot be unpacked" in error) == (2, True), error


def test_zst_without_a_package_says_what_to_install(run, tmp_path, monkeypatch):
    for name in ("compression", "compression.zstd", "backports", "backports.zstd", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "lines.txt.zst").write_bytes(b"")
    assert "pip install backports.zstd" in run("lines.txt.zst", "out")[2]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
@pytest.mark.parametrize("options", [[], ["--column", "text"]])
def test_a_pipe_is_read(run, tmp_path, options):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=["text\nhello\n"])
    writer.start()
    assert run("pipe", "out", *options)[0] == 0
    writer.join()
    assert list(bertutil.open_corpus("out").lines) == ["text", "hello"][len(options) // 2 :]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("options", [[], ["--column", "text"]])
def test_utf_16_is_said_by_name(run, tmp_path, encoding, options):
    (tmp_path / "t.csv").write_text("text\nhello\n", encoding)
    (tmp_path / "t.txt").write_text("text\nhello\n", encoding)
    name = "t.csv" if options else "t.txt"
    for errors in ("strict", "replace"):
        status, _, error = run(name, "out", *options, "--errors", errors)
        assert (status, "line 1 is UTF-16" in error) == (2, True), error


def test_utf_16_without_a_mark_is_seen_by_its_spaces_and_a_nul_alone_is_text(run, tmp_path):
    (tmp_path / "russian.txt").write_text("о том что было и чего нет\n", "utf-16-le")
    assert "line 1 is UTF-16" in run("russian.txt", "o")[2]
    (tmp_path / "nul.txt").write_bytes(b"\0\na\0b\n")
    assert run("nul.txt", "out")[0] == 0


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_a_hit_is_printed_in_any_encoding(run, tmp_path, monkeypatch, encoding):
    (tmp_path / "odd.txt").write_text("I love it \U0001f600 \u2028 日本\n", encoding="utf-8")
    assert run("odd.txt", "out")[0] == 0
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["search", "out", "love"]) == 0
    out.flush()
    printed = out.buffer.getvalue().decode(encoding)
    assert "line 1: I love it " in printed
    assert ("\U0001f600" if encoding == "utf-8" else "\\U0001f600") in printed


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
    assert (status, error) == (2, "error: Parquet files take pyarrow: pip install 'bertutil[work]'\n")


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


def test_jsonl_touches_no_file_that_it_did_not_make(run, tmp_path):
    (tmp_path / "texts.part").write_text("my only copy")
    (tmp_path / "out.part").write_text("precious")
    for source, out in (("texts.part", "texts"), ("lines.txt", "out")):
        status, _, error = run(source, out, "--jsonl")
        assert (status, "exists already, and would be written to" in error) == (2, True)
        assert not (tmp_path / out).exists()
    assert (tmp_path / "texts.part").read_text() == "my only copy"
    assert (tmp_path / "out.part").read_text() == "precious"


def test_jsonl_writes_over_no_file_that_was_made_meanwhile(run, tmp_path, monkeypatch):
    compute = packed.compute

    def meanwhile(*arguments):
        (tmp_path / "out").write_text("precious")
        return compute(*arguments)

    monkeypatch.setattr(packed, "compute", meanwhile)
    status, _, error = run("lines.txt", "out", "--jsonl")
    assert (status, "out was made by another program meanwhile" in error) == (2, True)
    assert {path.name: path.read_text() for path in tmp_path.glob("out*")} == {"out": "precious"}


def test_jsonl_that_fails_leaves_nothing_behind(run, tmp_path):
    (tmp_path / "in.txt").write_bytes(b"fine\n\xff\n")
    assert run("in.txt", "out", "--jsonl")[0] == 2
    assert [*tmp_path.glob("out*")] == []


def test_verify_says_whether_a_folder_is_as_it_was_written(run, tmp_path):
    run("lines.txt", "out")
    said = "Corpus('out': 3 lines, vectors [3, 32]): every file is as it was written\n"
    assert run("out", command="verify")[:2] == (0, said)
    lines = tmp_path / "out" / "lines.jsonl"
    lines.write_bytes(lines.read_bytes().replace(b"bank", b"tank"))
    status, _, error = run("out", command="verify")
    assert (status, "lines.jsonl was changed after it was written" in error) == (2, True)


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
    assert (
        "minilm is another checkpoint than out was made with (checkpoint)"
        in run("out", "a", "--model", "minilm", command="search")[2]
    )


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


def test_version_is_the_installed_one(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"bertutil {bertutil.__version__}\n"


@pytest.mark.parametrize(("typed", "meant"), [("lern", "learn"), ("embedd", "embed"), ("doktor", "doctor")])
def test_a_misspelt_command_is_asked_about(typed, meant, capsys):
    assert main([typed]) == 2
    assert capsys.readouterr().err.startswith(f"There is no command {typed}; did you mean {meant}?\nusage: ")


def test_what_resembles_no_command_is_not_guessed_at(capsys):
    assert main(["xyz"]) == 2
    assert "did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_each_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = capsys.readouterr().out
    assert re.search(rf"^examples?:\s+bertutil {command} ", shown, re.M)


@pytest.mark.parametrize(("arguments", "status"), [([], 2), (["xyz"], 2), (["--help"], 0), (["-h"], 0)])
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
