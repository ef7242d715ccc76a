"""How many processes share the tests: as many as there are cores and memory for, where pytest is given no path.

`pytest -n 2` and `pytest tests/test_x.py` do what they say: two processes, and one. A file stays whole, since
a notebook's cells share a kernel.
"""

import os

import psutil
import pytest

MEMORY = 3 * 2**30  # bytes that a worker, its kernels and what it starts need at most, measured


def count(cores: int, free: int) -> int:
    """One more than there are cores, since some test always waits for a browser or a process; 0 for no workers."""
    workers = min(cores + 1, free // MEMORY)
    return workers if workers > 1 else 0


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What `-n auto` in pyproject.toml means; see the module."""
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return 0
    workers = count(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        psutil.virtual_memory().available,
    )
    if workers:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # in each of them: much of the time goes into starting kernels
    return workers
