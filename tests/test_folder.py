"""The files of a corpus: what was committed is there, what was not is cut off, and damage is told."""

import copy
import hashlib
import json
import os
from types import SimpleNamespace

import numpy as np
import pytest

from bertutil.folder import (
    GrowingFile,
    Lines,
    json_line,
    map_array,
    read_record,
    replacing,
    require_size,
    write_record,
)

NOTHING = {"bytes": 0, "sha256": hashlib.sha256().hexdigest()}


RECORD = {"settings": {"features": 4, "unit": "sentence", "name": "caf\u00e9"}, "versions": {}, "complete": False}
RECORD |= {"n_lines": 1, "n_vectors": 0, "n_empty": 0, "files": {"vectors.npy": NOTHING, "lines.jsonl": NOTHING}}


def grown(path, *data):
    """Append the data to a new file; return what to commit."""
    file = GrowingFile(path, NOTHING)
    for part in data:
        file.append(part)
    state = file.sync()
    file.close()
    return state


def test_the_state_of_a_file_is_its_size_and_digest(tmp_path):
    state = grown(tmp_path / "lines.jsonl", b"one", b"", b"two")
    assert (tmp_path / "lines.jsonl").read_bytes() == b"onetwo"
    assert state == {"bytes": 6, "sha256": hashlib.sha256(b"onetwo").hexdigest()}


def test_what_was_not_committed_is_cut_off(tmp_path):
    state = grown(tmp_path / "file", b"committed")
    with (tmp_path / "file").open("ab") as stream:
        stream.write(b" and this was not, much as it is")
    file = GrowingFile(tmp_path / "file", state)
    file.append(b", and more")
    again = file.sync()
    file.close()
    assert (tmp_path / "file").read_bytes() == b"committed, and more"
    assert again == grown(tmp_path / "unbroken", b"committed, and more")


def test_what_the_system_writes_in_parts_is_written_whole(tmp_path):
    file = GrowingFile(tmp_path / "file", NOTHING)
    real = file.file
    file.file = SimpleNamespace(write=lambda data: real.write(data[:3]), fileno=real.fileno)
    file.append(b"written in four parts")
    assert file.sync() == grown(tmp_path / "other", b"written in four parts")
    real.close()
    assert (tmp_path / "file").read_bytes() == b"written in four parts"


def test_files_and_record_are_on_the_disk_before_the_record_counts(tmp_path, monkeypatch):
    """No test can cut the power; what can be seen is the order of the calls."""
    calls = []
    monkeypatch.setattr("os.fsync", lambda number: calls.append(os.fstat(number).st_ino))
    monkeypatch.setattr("os.replace", lambda old, new: calls.append(new.name))
    grown(tmp_path / "lines.jsonl", b"one")
    write_record(tmp_path, {"n": 1})
    inodes = [(tmp_path / name).stat().st_ino for name in ("lines.jsonl", "corpus.json.new")]
    assert calls == [*inodes, "corpus.json"]


def test_a_file_that_was_changed_or_cut_is_refused(tmp_path):
    state = grown(tmp_path / "file", b"committed")
    (tmp_path / "file").write_bytes(b"Committed")
    with pytest.raises(ValueError, match="file was changed after it was written"):
        GrowingFile(tmp_path / "file", state)
    (tmp_path / "file").write_bytes(b"commit")
    with pytest.raises(ValueError, match="file is damaged: it has 6 bytes, and 9 were written"):
        GrowingFile(tmp_path / "file", state)
    assert (tmp_path / "file").read_bytes() == b"commit"


def test_a_missing_file_is_damaged_if_it_had_bytes(tmp_path):
    require_size(tmp_path / "missing", 0)
    with pytest.raises(ValueError, match="missing is damaged: it has 0 bytes, and 1 were written"):
        require_size(tmp_path / "missing", 1)


def test_a_header_is_no_part_of_the_digest_and_can_be_written_again(tmp_path):
    rows = np.arange(6, dtype="<f4").reshape(3, 2)
    file = GrowingFile(tmp_path / "rows.npy", NOTHING)
    for n in (1, 2, 3):
        file.append(rows[n - 1].tobytes())
        file.write_header("<f4", (n, 2))
    state = file.sync()
    file.close()
    assert state == {"bytes": 128 + 24, "sha256": hashlib.sha256(rows.tobytes()).hexdigest()}
    assert np.array_equal(np.load(tmp_path / "rows.npy"), rows)


def test_a_map_has_the_rows_that_are_asked_for_whatever_the_header_says(tmp_path):
    np.save(tmp_path / "rows.npy", np.arange(6, dtype=np.float32).reshape(3, 2))
    assert map_array(tmp_path / "rows.npy", np.float32, (2, 2)).tolist() == [[0, 1], [2, 3]]
    assert map_array(tmp_path / "no such file", np.float32, (0, 2)).shape == (0, 2)


def test_a_record_is_read_as_it_was_written_and_replaced_in_one_step(tmp_path, monkeypatch):
    assert read_record(tmp_path) is None
    write_record(tmp_path, RECORD)
    write_record(tmp_path, RECORD | {"n_lines": 2})
    assert read_record(tmp_path) == RECORD | {"n_lines": 2}

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_record(tmp_path, RECORD | {"n_lines": 3})
    assert read_record(tmp_path) == RECORD | {"n_lines": 2}


def test_what_could_not_be_written_whole_is_removed_and_the_old_file_stays(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(TypeError), replacing(tmp_path / "file", tmp_path / "file.new") as stream:
        stream.writelines(["half of it, then what is no text", 5])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file": "old"}


def test_a_file_is_replaced_by_way_of_a_new_one_only(tmp_path):
    (tmp_path / "file.new").write_text("precious")
    with pytest.raises(FileExistsError), replacing(tmp_path / "file", tmp_path / "file.new"):
        pass
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file.new": "precious"}


def test_a_file_in_the_place_of_a_folder_has_no_record(tmp_path):
    (tmp_path / "file").write_text("mine")
    assert read_record(tmp_path / "file") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"n": 1}', '{"n": 2, "sha256": "0"}'])
def test_a_damaged_record_is_refused(tmp_path, text):
    (tmp_path / "corpus.json").write_text(text)
    with pytest.raises(ValueError, match=r"corpus\.json is damaged"):
        read_record(tmp_path)


def test_a_changed_value_in_a_record_is_refused(tmp_path):
    write_record(tmp_path, RECORD)
    record = json.loads((tmp_path / "corpus.json").read_text())
    (tmp_path / "corpus.json").write_text(json.dumps(record | {"n_lines": 2}))
    with pytest.raises(ValueError, match="its sha256 or form does not fit"):
        read_record(tmp_path)


def test_lines_are_read_by_index_by_slice_and_in_turn(tmp_path):
    values = ["", "two\nin one", ["given", "words"], "\u2028 caf\u00e9", "not committed"]
    (tmp_path / "lines.jsonl").write_bytes(b"".join(map(json_line, values)))
    lines = Lines(tmp_path / "lines.jsonl", 4)
    assert list(lines) == values[:4]
    assert [lines[i] for i in range(-4, 4)] == values[:4] * 2
    assert lines[::-2] == values[3::-2]
    assert lines[2:99] == values[2:4]
    for i in (4, -5):
        with pytest.raises(IndexError):
            lines[i]


FORMS = {
    "a file of the user's": lambda record: record["files"].update({"../thesis.txt": record["files"]["lines.jsonl"]}),
    "an absolute path": lambda record: record["files"].update({"/thesis.txt": record["files"]["lines.jsonl"]}),
    "no vectors": lambda record: record["files"].pop("vectors.npy"),
    "no offsets for words": lambda record: record["settings"].update(unit="word"),
    "a number that is text": lambda record: record.update(n_lines="2"),
    "a negative number": lambda record: record.update(n_vectors=-1),
    "no settings": lambda record: record.pop("settings"),
    "files as a list": lambda record: record.update(files=[]),
    "a state that is none": lambda record: record["files"].update({"vectors.npy": 3}),
    "no features": lambda record: record["settings"].pop("features"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_record_of_another_form_is_refused_though_its_sum_fits(tmp_path, form):
    record = copy.deepcopy(RECORD)
    FORMS[form](record)
    write_record(tmp_path, record)
    with pytest.raises(ValueError, match=r"corpus\.json is damaged or another program's"):
        read_record(tmp_path)


def test_no_link_is_written_through(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    for name in ("lines.jsonl", "corpus.json.new"):
        (tmp_path / name).symlink_to(tmp_path / "thesis.txt")
    with pytest.raises(ValueError, match=r"lines\.jsonl is a link"):
        GrowingFile(tmp_path / "lines.jsonl", NOTHING)
    write_record(tmp_path, RECORD)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_lines_are_found_behind_the_first_16_mib(tmp_path):
    values = ["x" * 10_000_000, "y" * 10_000_000, "last"]
    (tmp_path / "lines.jsonl").write_bytes(b"".join(map(json_line, values)))
    lines = Lines(tmp_path / "lines.jsonl", 3)
    assert [lines[i] == values[i] for i in range(3)] == [True] * 3
