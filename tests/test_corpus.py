"""embed_corpus(): the same vectors in a folder, whatever happens on the way."""

import errno
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from numpy.testing import assert_allclose

import bertutil
from bertutil import corpus

LINES = [f"line {i % 37} about the bank {'and the river ' * (i % 11)}number {i}." for i in range(300)]


def contents(folder):
    """Every file's bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def write(bert, lines, folder, **options):
    """embed_corpus() in small windows."""
    return corpus.embed_corpus(bert, lines, folder, progress=False, **{"window": 20} | options)


class Interrupted(Exception):
    pass


def interrupted(lines, after):
    """The lines up to `after` and then an accident."""
    yield from lines[:after]
    raise Interrupted


def test_the_vectors_are_embeds_and_the_lines_are_the_callers(tiny, tmp_path):
    made = write(tiny, LINES, tmp_path / "out")
    assert_allclose(made.vectors, bertutil.embed(tiny, LINES), atol=1e-5)
    assert list(made.lines) == LINES
    assert (made.lines[7], made.lines[-1], made.lines[5:8]) == (LINES[7], LINES[-1], LINES[5:8])
    assert (len(made.lines), made.complete, made.n_empty, made.words, made.offsets) == (300, True, 0, None, None)
    with pytest.raises(IndexError):
        made.lines[300]


def test_the_vectors_are_a_plain_npy_file(tiny, tmp_path):
    made = write(tiny, LINES, tmp_path / "out")
    plain = np.load(tmp_path / "out" / "vectors.npy", mmap_mode="r")
    assert (plain.shape, plain.dtype) == ((300, 32), np.float32)
    assert np.array_equal(plain, made.vectors)
    assert isinstance(made.vectors, np.memmap)


@pytest.mark.parametrize(("unit", "specials"), [("word", False), ("token", False), ("token", True)])
def test_words_and_tokens_have_offsets_and_names(tiny, tmp_path, unit, specials):
    lines = [*LINES, "", "don't \u200b stop.", ["given", "words"]]
    with pytest.warns(UserWarning, match="1 lines without a token") if not specials else warnings.catch_warnings():
        made = write(tiny, lines, tmp_path / "out", unit=unit, specials=specials)
    expected = bertutil.embed(tiny, lines, unit=unit, specials=specials)
    assert made.offsets.tolist() == [0, *np.cumsum([len(vectors) for vectors in expected])]
    for i, vectors in enumerate(expected):
        assert_allclose(made.vectors[made.offsets[i] : made.offsets[i + 1]], vectors, atol=1e-5)
    encoding = bertutil.encode(tiny, lines)
    if unit == "word":
        assert list(made.words) == [[word.text for word in words] for words in encoding.words]
    else:
        assert list(made.words) == [tokens if specials else tokens[1:-1] for tokens in encoding.tokens]
    assert made.lines[-1] == ["given", "words"]


def test_an_empty_line_is_a_row_of_nan_and_counted(tiny, tmp_path):
    with pytest.warns(UserWarning, match="2 lines without a token have a row of NaN"):
        made = write(tiny, ["a", "", "b", "\u200b"], tmp_path / "out")
    assert np.isnan(made.vectors).all(axis=1).tolist() == [False, True, False, True]
    assert made.n_empty == corpus.open_corpus(tmp_path / "out").n_empty == 2


@pytest.mark.parametrize("unit", ["sentence", "word"])
def test_an_empty_file_gives_an_empty_corpus(tiny, tmp_path, unit):
    (tmp_path / "empty.txt").write_bytes(b"")
    made = write(tiny, tmp_path / "empty.txt", tmp_path / "out", unit=unit)
    assert (made.vectors.shape, list(made.lines), made.complete) == ((0, 32), [], True)
    assert np.load(tmp_path / "out" / "vectors.npy").shape == (0, 32)


def test_only_line_ends_are_cut_off_a_line_of_a_file(tiny, tmp_path):
    data = "\ufeffone\r\ntwo\x0b\x0c\x85\u2028 still two\n three \n\r\nmac\rstays\nno end".encode()  # with a BOM
    (tmp_path / "lines.txt").write_bytes(data)
    with pytest.warns(UserWarning, match="1 lines without a token"):
        made = write(tiny, str(tmp_path / "lines.txt"), tmp_path / "out")
    assert list(made.lines) == ["one", "two\x0b\x0c\x85\u2028 still two", " three ", "", "mac\rstays", "no end"]


def test_a_byte_order_mark_is_text_but_at_the_start_of_a_file(tiny, tmp_path):
    made = write(tiny, ["\ufeffone".encode()] * 2, tmp_path / "out")
    assert list(made.lines) == ["one", "\ufeffone"]


@pytest.mark.parametrize("newline", [None, ""])
def test_an_open_text_file_gives_the_same_lines_as_its_path(tiny, tmp_path, newline):
    (tmp_path / "lines.txt").write_bytes(b"one\r\n two \nno end")
    with (tmp_path / "lines.txt").open(encoding="utf-8", newline=newline) as stream:
        assert list(write(tiny, stream, tmp_path / "out").lines) == ["one", " two ", "no end"]


def test_invalid_utf8_is_refused_by_line_and_byte_or_replaced(tiny, tmp_path):
    (tmp_path / "latin1.txt").write_bytes("good\nna\u00efve\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"line 2, byte 3: 0xef is not valid UTF-8.*errors='replace'"):
        write(tiny, tmp_path / "latin1.txt", tmp_path / "out")
    made = write(tiny, tmp_path / "latin1.txt", tmp_path / "replaced", errors="replace")
    assert list(made.lines) == ["good", "na\ufffdve"]
    with pytest.raises(ValueError, match="errors is 'ignore'"):
        write(tiny, [], tmp_path / "other", errors="ignore")


def test_what_is_not_text_is_refused_by_its_index(tiny, tmp_path):
    with pytest.raises(TypeError, match="text 30 is None"):
        write(tiny, [*LINES[:30], None], tmp_path / "out")


@pytest.mark.parametrize("lines", [{"a", "b"}, {"a": "b"}, pd.DataFrame({"text": ["a"]}), None])
def test_what_gives_no_lines_in_an_order_is_refused_and_leaves_no_folder(tiny, tmp_path, lines):
    with pytest.raises(TypeError, match=r"in their order|give the column|empty cell"):
        write(tiny, lines, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.weekly
def test_one_line_of_a_million_words_is_one_vector(tiny, tmp_path):
    line = "the river bank " * 333_334
    made = write(tiny, ["a", line, "b"], tmp_path / "out", strategy="embeddings")
    assert np.isfinite(made.vectors).all()
    assert made.lines[1] == line
    repeated = bertutil.embed(tiny, "the river bank " * 10_000, strategy="embeddings")
    assert bertutil.cosine_similarity(made.vectors[1].copy(), repeated).item() > 0.999


@pytest.mark.weekly
def test_equal_lines_are_computed_once_a_window(tiny, tmp_path):
    start = time.perf_counter()
    made = write(tiny, ["equal lines"] * 100_000, tmp_path / "out", window=10_000)
    assert time.perf_counter() - start < 30
    assert len(made.vectors) == 100_000
    assert (made.vectors == made.vectors[0]).all()


@pytest.mark.parametrize("unit", ["sentence", "word"])
@pytest.mark.parametrize("after", [0, 5, 20, 133, 300])
def test_an_interrupted_call_goes_on_to_the_same_bytes(tiny, tmp_path, unit, after):
    write(tiny, LINES, tmp_path / "whole", unit=unit)
    with pytest.raises(Interrupted):
        write(tiny, interrupted(LINES, after), tmp_path / "out", unit=unit)
    partial = corpus.open_corpus(tmp_path / "out")
    assert (len(partial.lines), partial.complete) == (max(0, after - 1) // 20 * 20, False)
    write(tiny, iter(LINES), tmp_path / "out", unit=unit)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_the_window_may_change_from_call_to_call(tiny, tmp_path):
    with pytest.raises(Interrupted):
        write(tiny, interrupted(LINES, 130), tmp_path / "out", window=50)
    assert len(corpus.open_corpus(tmp_path / "out").lines) == 100
    with pytest.raises(Interrupted):
        write(tiny, interrupted(LINES, 130), tmp_path / "out", window=7)
    assert len(corpus.open_corpus(tmp_path / "out").lines) == 128
    made = write(tiny, LINES, tmp_path / "out", window=1000)
    assert_allclose(made.vectors, bertutil.embed(tiny, LINES), atol=1e-5)
    assert "window" not in made.settings


def test_a_window_without_a_text_is_refused_and_leaves_no_folder(tiny, tmp_path):
    with pytest.raises(ValueError, match="window is 0; it must be at least 1"):
        write(tiny, LINES, tmp_path / "out", window=0)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("specials", [False, True])
def test_what_is_left_open_is_what_the_folder_was_begun_with(tiny, tmp_path, specials):
    begun = {"unit": "token", "specials": specials, "strategy": "last"}
    with pytest.raises(Interrupted):
        write(tiny, interrupted(LINES, 130), tmp_path / "out", **begun)
    settings = write(tiny, LINES, tmp_path / "out", unit="token").settings
    assert {name: settings[name] for name in begun} == begun


def test_a_folder_of_the_default_checkpoint_without_specials_goes_on(bert, tmp_path):
    with pytest.raises(Interrupted):
        write(bert, interrupted(LINES, 30), tmp_path / "out", specials=False)
    made = write(bert, LINES[:30], tmp_path / "out")
    assert (made.complete, made.settings["specials"]) == (True, False)
    assert_allclose(made.vectors, bertutil.embed(bert, LINES[:30], specials=False), atol=1e-5)


def test_a_call_that_left_nothing_has_no_say_in_what_is_left_open(tiny, tmp_path):
    with pytest.raises(Interrupted):
        write(tiny, interrupted(LINES, 5), tmp_path / "out", strategy="last")
    assert write(tiny, LINES[:20], tmp_path / "out").settings["strategy"] == "second_to_last"


def test_a_folder_of_another_unit_has_no_say_in_what_is_left_open(tiny, tmp_path):
    write(tiny, LINES[:20], tmp_path / "out", unit="token", specials=True)
    with pytest.raises(ValueError, match="unit 'token', now 'word'"):
        write(tiny, LINES[:20], tmp_path / "out", unit="word")


def test_every_layers_vectors_are_refused_and_leave_no_folder(tiny, tmp_path):
    with pytest.raises(ValueError, match=r"'each' is for embed\(\); a folder has one vector for each line"):
        write(tiny, LINES, tmp_path / "out", strategy="each")
    assert not (tmp_path / "out").exists()


def test_a_small_file_system_that_fills_up_can_be_resumed(tiny, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system takes root")
    try:
        with pytest.raises(OSError, match=r"No space left.*what was committed stays") as caught:
            write(tiny, LINES, disk / "out")
        assert caught.value.errno == errno.ENOSPC
        assert 0 < len(corpus.open_corpus(disk / "out").lines) < 300
        subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
        write(tiny, LINES, disk / "out")
        write(tiny, LINES, tmp_path / "whole")
        assert contents(disk / "out") == contents(tmp_path / "whole")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_without_room_for_the_record_says_what_stays(tiny, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match=r"No space left.*corpus\.json; what was committed stays"):
            write(tiny, LINES, tmp_path / "out")
    assert write(tiny, LINES, tmp_path / "out").complete


def test_going_on_with_another_version_of_a_library_is_said(tiny, tmp_path, monkeypatch):
    with pytest.raises(Interrupted):
        write(tiny, interrupted(LINES, 130), tmp_path / "out")
    monkeypatch.setattr(corpus, "version", lambda name: "99" if name == "torch" else version(name))
    with pytest.warns(UserWarning, match=r"was begun with torch .*, now 99: the vectors from here on can differ"):
        assert write(tiny, LINES, tmp_path / "out").complete
    with warnings.catch_warnings(action="error"):  # nothing is computed for a complete one
        write(tiny, LINES, tmp_path / "out")


def test_a_complete_folder_is_checked_and_returned_without_computing(tiny, tmp_path, monkeypatch):
    write(tiny, LINES, tmp_path / "out")
    before = contents(tmp_path / "out")
    monkeypatch.setattr(corpus, "compute", None)
    assert write(tiny, LINES, tmp_path / "out").complete
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("change", ["another line", "fewer lines"])
def test_another_input_is_refused(tiny, tmp_path, complete, change):
    if complete:
        write(tiny, LINES, tmp_path / "out")
    else:
        with pytest.raises(Interrupted):
            write(tiny, interrupted(LINES, 130), tmp_path / "out")
    other = ["other", *LINES[1:]] if change == "another line" else LINES[:50]
    with pytest.raises(ValueError, match="begun with another input"):
        write(tiny, other, tmp_path / "out")


def test_more_lines_than_a_complete_corpus_has_are_refused(tiny, tmp_path):
    write(tiny, LINES, tmp_path / "out")
    with pytest.raises(ValueError, match=r"is complete with 300 lines, and this input has more.*grow=True"):
        write(tiny, [*LINES, "more"], tmp_path / "out")


def test_the_digest_of_a_checkpoint_is_that_of_version_0_1_0(bert):
    # or no folder that was begun with it could be resumed; made by that version, with tokenizers 0.23
    digest = "6b612a2b14466c61f35fa7c248ce9ea78295242fa25b5b412abb34c7d1f3bcec"
    assert corpus.checkpoint_digest(bert) == digest


def test_growing_adds_the_new_lines_and_leaves_the_old_vectors(tiny, tmp_path):
    first = np.array(write(tiny, LINES[:130], tmp_path / "out").vectors)
    made = write(tiny, LINES, tmp_path / "out", grow=True)
    assert (made.complete, [*made.lines]) == (True, LINES)
    assert np.array_equal(made.vectors[:130], first)
    assert_allclose(made.vectors, bertutil.embed(tiny, LINES), atol=1e-5)
    made.verify()
    before = contents(tmp_path / "out")
    write(tiny, LINES, tmp_path / "out", grow=True)  # nothing new
    assert contents(tmp_path / "out") == before


def test_growing_checks_what_is_there_and_can_be_interrupted(tiny, tmp_path):
    write(tiny, LINES[:130], tmp_path / "out", unit="word")
    with pytest.raises(ValueError, match="begun with another input"):
        write(tiny, ["other", *LINES[1:]], tmp_path / "out", unit="word", grow=True)
    assert bertutil.open_corpus(tmp_path / "out").complete
    with pytest.raises(Interrupted):
        write(tiny, interrupted(LINES, 200), tmp_path / "out", unit="word", grow=True, window=20)
    half = bertutil.open_corpus(tmp_path / "out")
    assert (half.complete, len(half.lines)) == (False, 190)
    made = write(tiny, LINES, tmp_path / "out", unit="word")  # an incomplete folder goes on by itself
    assert (made.complete, len(made.lines), len(made.offsets)) == (True, 300, 301)


@pytest.mark.parametrize("name", ["vectors.npy", "lines.jsonl", "offsets.npy", "words.jsonl"])
def test_verify_names_the_file_in_which_a_bit_was_flipped(tiny, tmp_path, name):
    made = write(tiny, LINES[:20], tmp_path / "out", unit="word")
    made.verify()
    path = tmp_path / "out" / name
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=rf"{name} was changed after it was written"):
        made.verify()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"how": "max"}, "how 'mean', now 'max'"),
        ({"strategy": "last"}, "strategy 'second_to_last', now 'last'"),
        ({"specials": True}, "specials False, now True"),
        ({"unit": "word"}, "unit 'sentence', now 'word'"),
    ],
)
def test_other_settings_are_refused_by_name(tiny, tmp_path, options, message):
    write(tiny, LINES[:20], tmp_path / "out")
    with pytest.raises(ValueError, match=message):
        write(tiny, LINES[:20], tmp_path / "out", **options)


def test_other_weights_are_refused(tiny, tiny_folder, tmp_path):
    write(tiny, LINES[:20], tmp_path / "out")
    other = bertutil.load(tiny_folder)
    other.model.encoder.layer[0].output.dense.bias.data += 1
    with pytest.raises(ValueError, match="other settings: checkpoint"):
        write(other, LINES[:20], tmp_path / "out")


@pytest.mark.parametrize("setting", [("layer_norm_eps", 1e-5), ("hidden_act", "relu"), ("num_attention_heads", 2)])
def test_another_configuration_with_the_same_weights_is_refused_by_name(tiny, tiny_folder, tmp_path, setting):
    name, value = setting
    write(tiny, LINES[:20], tmp_path / "out")
    shutil.copytree(tiny_folder, tmp_path / "other")
    config = json.loads((tmp_path / "other" / "config.json").read_text())
    (tmp_path / "other" / "config.json").write_text(json.dumps(config | {name: value}))
    other = bertutil.load(tmp_path / "other")
    assert corpus.checkpoint_digest(other) == corpus.checkpoint_digest(tiny)
    with pytest.raises(ValueError, match=rf"begun with other settings: {name} {config[name]!r}.*, now {value!r}"):
        write(other, LINES[:20], tmp_path / "out")


def test_a_folder_from_before_the_configuration_was_recorded_goes_on(tiny, tmp_path):
    with pytest.raises(Interrupted):
        write(tiny, interrupted(LINES, 130), tmp_path / "out")
    record = corpus.read_record(tmp_path / "out")
    for name in corpus.CONFIGURATION:
        del record["settings"][name]
    corpus.write_record(tmp_path / "out", record)
    made = write(tiny, LINES, tmp_path / "out")
    assert (made.complete, len(made.lines)) == (True, 300)


@pytest.mark.parametrize("n_lines", [0, 130])
def test_verify_takes_what_an_interrupted_call_left(tiny, tmp_path, n_lines):
    with pytest.raises(Interrupted):
        write(tiny, interrupted(LINES, n_lines), tmp_path / "out", unit="word")
    with (tmp_path / "out" / "vectors.npy").open("r+b") as stream:  # as where it is killed before it commits
        stream.write(corpus.npy_header("<f4", (9_999, 32)))
        stream.seek(0, os.SEEK_END)
        stream.write(b"rows that were not committed")
    corpus.open_corpus(tmp_path / "out").verify()


def test_verify_takes_a_folder_in_which_no_file_was_made_yet(tiny, tmp_path):
    with pytest.raises(Interrupted):
        write(tiny, interrupted(LINES, 0), tmp_path / "out")
    for name in ("vectors.npy", "lines.jsonl"):
        (tmp_path / "out" / name).unlink()
    corpus.open_corpus(tmp_path / "out").verify()


@pytest.mark.parametrize("name", ["vectors.npy", "lines.jsonl", "offsets.npy", "words.jsonl"])
def test_a_file_truncated_by_hand_is_refused(tiny, tmp_path, name):
    with pytest.raises(Interrupted):
        write(tiny, interrupted(LINES, 130), tmp_path / "out", unit="word")
    size = json.loads((tmp_path / "out" / "corpus.json").read_text())["files"][name]["bytes"]
    os.truncate(tmp_path / "out" / name, size - 1)
    for attempt in (
        lambda: corpus.open_corpus(tmp_path / "out"),
        lambda: write(tiny, LINES, tmp_path / "out", unit="word"),
    ):
        with pytest.raises(ValueError, match=f"{name} is damaged"):
            attempt()


@pytest.mark.parametrize("name", ["vectors.npy", "lines.jsonl", "offsets.npy", "words.jsonl"])
def test_a_file_changed_by_hand_is_refused(tiny, tmp_path, name):
    with pytest.raises(Interrupted):
        write(tiny, interrupted(LINES, 130), tmp_path / "out", unit="word")
    with (tmp_path / "out" / name).open("r+b") as stream:
        stream.seek(200)
        byte = stream.read(1)
        stream.seek(200)
        stream.write(bytes([byte[0] ^ 1]))
    with pytest.raises(ValueError, match=f"{name} was changed after it was written"):
        write(tiny, LINES, tmp_path / "out", unit="word")


def test_a_damaged_record_and_a_folder_of_something_else_are_refused(tiny, tmp_path):
    with pytest.raises(ValueError, match="holds no corpus"):
        corpus.open_corpus(tmp_path)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"not empty \(thesis.txt is in it\)"):
        write(tiny, LINES, tmp_path)
    (tmp_path / "corpus.json").write_text("{")
    with pytest.raises(ValueError, match=r"corpus\.json is damaged"):
        corpus.open_corpus(tmp_path)
    (tmp_path / "corpus.json").write_text('{"settings": {}}')  # whose sha256 is missing
    with pytest.raises(ValueError, match="damaged or another program's"):
        corpus.open_corpus(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["n_lines", "n_vectors", "n_empty", "bytes"])
def test_a_digit_changed_in_the_record_is_refused(tiny, tmp_path, name):
    with pytest.raises(Interrupted):
        write(tiny, interrupted(LINES, 130), tmp_path / "out", unit="word")
    record = (tmp_path / "out" / "corpus.json").read_text()
    (tmp_path / "out" / "corpus.json").write_text(re.sub(rf'("{name}": )\d', r"\g<1>7", record, count=1))
    for attempt in (
        lambda: corpus.open_corpus(tmp_path / "out"),
        lambda: write(tiny, LINES, tmp_path / "out", unit="word"),
    ):
        with pytest.raises(ValueError, match=r"corpus\.json is damaged"):
            attempt()


def test_a_damaged_npy_header_is_mended(tiny, tmp_path):
    write(tiny, LINES, tmp_path / "out", unit="word")
    whole = contents(tmp_path / "out")
    for name in ("vectors.npy", "offsets.npy"):
        (tmp_path / "out" / name).write_bytes(b"?" * 128 + whole[name][128:])
    write(tiny, LINES, tmp_path / "out", unit="word")
    assert contents(tmp_path / "out") == whole


def test_a_call_that_fails_before_its_first_window_binds_nothing(tiny, tmp_path):
    with pytest.raises(FileNotFoundError):
        write(tiny, tmp_path / "typo.txt", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(Interrupted):
        write(tiny, interrupted(LINES, 5), tmp_path / "out", unit="word")
    write(tiny, LINES, tmp_path / "out", how="max", resume=False)
    write(tiny, LINES, tmp_path / "whole", how="max")
    ours, whole = contents(tmp_path / "out"), contents(tmp_path / "whole")
    assert {name: ours[name] for name in whole} == whole


def test_without_resume_an_existing_corpus_is_refused_and_stays(tiny, tmp_path):
    write(tiny, LINES[:20], tmp_path / "out", resume=False)
    before = contents(tmp_path / "out")
    with pytest.raises(ValueError, match="holds a corpus already"):
        write(tiny, LINES[:20], tmp_path / "out", resume=False)
    assert contents(tmp_path / "out") == before


def test_a_second_process_on_the_folder_is_refused(tiny, tmp_path):
    (tmp_path / "out").mkdir()
    code = f"""
import filelock
with filelock.FileLock({str(tmp_path / "out" / ".lock")!r}):
    print("locked", flush=True)
    input()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(ValueError, match="another process is writing"):
            write(tiny, LINES[:20], tmp_path / "out")
        other.communicate("\n")
    assert write(tiny, LINES[:20], tmp_path / "out").complete
    with FileLock(tmp_path / "out" / ".lock", timeout=0):  # the lock was given back
        assert corpus.open_corpus(tmp_path / "out").complete  # and reading needs none


MEMORY = """
import re, sys
import torch; torch.set_num_threads(1)
import bertutil
bert = bertutil.load({folder!r})
lines = (f"short line {{i}}" for i in range(int(sys.argv[1])))
bertutil.embed_corpus(bert, lines, sys.argv[2], strategy="embeddings", progress=False)
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024)  # ru_maxrss counts the parent
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak is read from /proc")
@pytest.mark.weekly
def test_memory_does_not_grow_with_the_corpus(tiny_folder, tmp_path):
    peak = {}
    for n in (2_000, 200_000):
        code = [sys.executable, "-c", MEMORY.format(folder=str(tiny_folder)), str(n), str(tmp_path / str(n))]
        done = subprocess.run(code, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        peak[n] = float(done.stdout)
    print(f"peak memory: {peak}")
    assert peak[200_000] - peak[2_000] < 150


def test_windows_are_bounded_by_texts_characters_and_vectors(tiny, monkeypatch):
    def sizes(unit, texts):
        recipe = corpus.make_recipe(tiny, unit, "last", "mean", False)
        return [len(window) for window in corpus.make_windows(recipe, iter(texts), 4)]

    monkeypatch.setattr(corpus, "WINDOW_CHARACTERS", 100)
    assert sizes("sentence", ["abc"] * 9) == [4, 4, 1]
    assert sizes("sentence", ["x" * 60, "x" * 40, "x" * 41, "x" * 500, "x"]) == [2, 1, 1, 1]
    monkeypatch.setattr(corpus, "WINDOW_BYTES", 2 * 4 * 32)  # two vectors
    assert sizes("sentence", ["abc"] * 5) == [2, 2, 1]
    assert sizes("word", ["abc"] * 5) == [2, 2, 1]


def test_progress_is_plain_lines_where_stderr_is_no_terminal(tiny, tmp_path, monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    (tmp_path / "lines.txt").write_text("\n".join(LINES), encoding="utf-8")
    corpus.embed_corpus(tiny, tmp_path / "lines.txt", tmp_path / "out")
    assert "\r" not in log.getvalue()
    assert log.getvalue().splitlines()[-1].startswith("300 of 300 lines, ")


def test_progress_is_a_bar_with_rate_and_time_left_on_a_terminal(tiny, tmp_path, monkeypatch):
    log = io.StringIO()
    log.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", log)
    with pytest.raises(Interrupted):
        corpus.embed_corpus(tiny, interrupted(LINES, 130), tmp_path / "out", window=20)
    corpus.embed_corpus(tiny, LINES, tmp_path / "out", window=20)
    last = log.getvalue().split("\r")[-1]
    assert re.search(r"100%.*300/300 \[\d+:\d+<00:00, .*lines/s\]", last), last
    assert "| 120/300 [" in log.getvalue()  # where the interrupted call had stopped
