"""What happens to processes and disks: kills, full disks, flipped bits, two writers, Ctrl-C. Nothing is lost unsaid.

Every moment and place is drawn by a seeded generator. The writers are forked off the test's own process, where the
imports are done: a fresh process takes seconds to come that far.
"""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

import bertutil
from bertutil import cli, corpus

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
resource = pytest.importorskip("resource", reason="needs limits of a process")

LINES = [f"line {i % 37} about the bank {'and the river ' * (i % 11)}number {i}." for i in range(300)]
FILES = ["vectors.npy", "lines.jsonl", "offsets.npy", "words.jsonl", "corpus.json"]


def write(bert, folder, lines=LINES, **options):
    return corpus.embed_corpus(bert, lines, folder, unit="word", progress=False, **{"window": 20} | options)


def contents(folder):
    """Every file's bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def start(work, said):
    """Fork a process that does `work`, and leaves what was said to it in the file `said`; return its number."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    except (ValueError, OSError) as error:
        said.write_text(f"{type(error).__name__}: {error}")
    finally:
        os._exit(status)


def end(child):
    """The exit status of a process, or minus the number of the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    """What an undisturbed call writes, and the seconds that it takes in a forked process."""
    folder = tmp_path_factory.mktemp("chaos")
    before = time.perf_counter()
    assert end(start(lambda: write(tiny, folder / "whole"), folder / "said")) == 0
    return contents(folder / "whole"), time.perf_counter() - before


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_random_moments_and_resumed_it_ends_with_the_same_bytes(tiny, tmp_path, whole, seed):
    """Four kills for each seed: two while it is written, two while it grows from two thirds."""
    expected, duration = whole
    chance = random.Random(seed)
    out = tmp_path / "out"
    for lines, options in ((LINES[:200], {}), (LINES, {"grow": True})):
        for _ in range(2):
            child = start(lambda lines=lines, options=options: write(tiny, out, lines, **options), tmp_path / "said")
            time.sleep(chance.uniform(0, duration * len(lines) / 400))
            os.kill(child, signal.SIGKILL)
            assert end(child) in (0, -signal.SIGKILL)
        write(tiny, out, lines, **options).verify()
    assert contents(out) == expected


def test_killed_amid_its_windows_it_goes_on_with_the_next(tiny, tmp_path, whole):
    def die(window):
        yield from LINES[:window]
        os.kill(os.getpid(), signal.SIGKILL)

    for n in (130, 250):
        assert end(start(lambda n=n: write(tiny, tmp_path / "out", die(n)), tmp_path / "said")) == -signal.SIGKILL
        left = bertutil.open_corpus(tmp_path / "out")
        assert (len(left.lines), left.complete) == ((n - 1) // 20 * 20, False)
        left.verify()
    write(tiny, tmp_path / "out")
    assert contents(tmp_path / "out") == whole[0]


@pytest.mark.parametrize("limit", [600, 6_000, 9_000, 15_000, 30_000, 100_000, 200_000])
def test_a_full_disk_names_the_file_and_the_same_call_goes_on(tiny, tmp_path, whole, limit):
    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        write(tiny, tmp_path / "out")

    assert end(start(work, tmp_path / "said")) == 1
    said = (tmp_path / "said").read_text()
    assert said.startswith("OSError: ")
    assert any(f"while writing {tmp_path / 'out' / name}; what was committed stays" in said for name in FILES)
    write(tiny, tmp_path / "out").verify()
    assert contents(tmp_path / "out") == whole[0]


def test_a_full_disk_leaves_no_half_written_jsonl(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").write_text("\n".join(LINES))

    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        os.dup2(os.open("said", os.O_CREAT | os.O_WRONLY), 2)
        sys.stderr = os.fdopen(2, "w")
        status = cli.main(["embed", "in.txt", "out", "--jsonl", "--model", str(tiny_folder)])
        sys.stderr.flush()
        assert status == 2

    assert end(start(work, tmp_path / "error")) == 0
    assert "while writing out; nothing of it is kept" in (tmp_path / "said").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"in.txt", "said"}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("seed", range(8))
def test_a_flipped_bit_anywhere_is_found_and_its_file_named(tmp_path, whole, name, seed):
    for each, data in whole[0].items():
        (tmp_path / each).write_bytes(data)
    data = bytearray(whole[0][name])
    place = random.Random(f"{name} {seed}").randrange(128 if seed == 0 else len(data))  # once in the header
    data[place] ^= 1 << seed
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=rf"{name} (was changed|has a damaged header|is damaged)"):
        bertutil.open_corpus(tmp_path).verify()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("seed", range(3))
def test_a_truncated_file_is_named_and_nothing_is_written_to_the_folder(tiny, tmp_path, whole, name, seed):
    for each, data in whole[0].items():
        (tmp_path / each).write_bytes(data)
    os.truncate(tmp_path / name, random.Random(f"{name} {seed}").randrange(len(whole[0][name])) if seed else 0)
    damaged = contents(tmp_path)
    for attempt in (lambda: bertutil.open_corpus(tmp_path), lambda: write(tiny, tmp_path)):
        with pytest.raises(ValueError, match=rf"{name} is damaged"):
            attempt()
    assert contents(tmp_path) == damaged


def test_of_writers_at_once_one_writes_and_the_others_are_refused(tiny, tmp_path, whole):
    """The lock dies with the process that held it."""

    def slowly():
        for i, line in enumerate(LINES):
            time.sleep(0.01 * (i % 20 == 0))
            yield line

    out = tmp_path / "out"
    children = [start(lambda: write(tiny, out, slowly()), tmp_path / f"said{i}") for i in range(4)]
    ended = [end(child) for child in children]
    assert 0 in ended
    said = [(tmp_path / f"said{i}").read_text() for i, status in enumerate(ended) if status]
    assert said
    assert all(f"another process is writing to {out}" in each for each in said)
    assert contents(out) == whole[0]


def stopped(tiny_folder, folder, options=(), **environment):
    """Run `embed` in a process with the usual handler of Ctrl-C, and return it and what is to be said of it."""
    (folder / "in.txt").write_text("one\ntwo\n")
    arguments = ["embed", "in.txt", "out", "--model", str(tiny_folder), "--device", "cpu"]
    command = [sys.executable, *options, "-m", "bertutil", *arguments]
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # who ignores it hands that on to its children
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder, env=os.environ | environment)
    signal.signal(signal.SIGINT, usual)
    return process, f"Stopped. To go on, give the same command again: python -m bertutil {' '.join(arguments)}"


@pytest.mark.parametrize("seed", range(2))
def test_ctrl_c_while_importing_ends_cleanly(tiny_folder, tmp_path, seed):
    """The moment is that of an import, drawn among those that follow after torch's first."""
    process, expected = stopped(tiny_folder, tmp_path, ["-X", "importtime"])
    left = random.Random(seed).randrange(1500)
    with process:
        for line in process.stderr:
            left -= "torch" in line or left < 0
            if left < 0:
                break
        process.send_signal(signal.SIGINT)
        said = [line for line in process.stderr if not line.startswith("import time:")]
    assert process.returncode == 130
    assert "".join(said).strip() == expected


def test_ctrl_c_that_an_import_would_turn_into_an_error_of_its_own_ends_cleanly(tiny_folder, tmp_path):
    code = "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\n    [*range(10**6)]\n"
    (tmp_path / "filelock.py").write_text(f"{code}except BaseException:\n    raise AttributeError('half made')\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    process, expected = stopped(tiny_folder, tmp_path, PYTHONPATH=path)
    said = process.communicate()[1]
    assert (process.returncode, said.strip()) == (130, expected)
