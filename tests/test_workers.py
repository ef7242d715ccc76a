"""How many processes share the tests."""

import os
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools import workers

ROOT = Path(__file__).parent.parent
GB = 2**30


@pytest.mark.parametrize(
    ("cores", "free", "expected"),
    [(2, 24 * GB, 3), (16, 24 * GB, 8), (1, 24 * GB, 2), (2, 7 * GB, 2), (2, 5 * GB, 0), (8, GB, 0)],
)
def test_workers_follow_cores_and_free_memory(cores, free, expected):
    assert workers.count(cores, free) == expected


def asked(monkeypatch, source):
    monkeypatch.setattr(workers.psutil, "virtual_memory", lambda: SimpleNamespace(available=100 * GB))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return workers.pytest_xdist_auto_num_workers(SimpleNamespace(args_source=source))


def test_without_a_path_there_are_workers_with_one_thread_each(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")  # so that what is set here is taken back
    assert asked(monkeypatch, pytest.Config.ArgsSource.TESTPATHS) >= 2
    assert os.environ["OMP_NUM_THREADS"] == "1"


def test_with_a_path_there_is_this_process_alone(monkeypatch):
    assert asked(monkeypatch, pytest.Config.ArgsSource.ARGS) == 0
    assert "OMP_NUM_THREADS" not in os.environ


def test_pytest_asks_for_them_and_keeps_files_whole():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    assert "-n auto --dist loadfile " in settings["addopts"]
