"""Clusters of real worker processes, each started once for all tests of this folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from distributed import Client, LocalCluster

T = TypeVar("T")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalCluster]:
    """Two workers of two threads, which this process started."""
    with LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def client(cluster: LocalCluster) -> Iterator[Client]:
    with Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler that was started as a command, as were its two workers of two threads."""
    told = tmp_path_factory.mktemp("commands") / "scheduler.json"
    with ExitStack() as running:
        options = "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(told)
        scheduler = running.enter_context(command("scheduler", *options))
        address: str = awaited(scheduler, lambda: _address(told))
        for _ in range(2):
            running.enter_context(command("worker", address, "--nthreads", "2", "--no-dashboard"))
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield address


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Have ``dask`` with ``arguments`` running as a process of its own, which finds the modules of this repository."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    running = subprocess.Popen([sys.executable, "-m", "dask", *arguments], env=environment, stderr=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(30)


def awaited(process: subprocess.Popen[bytes], look: Callable[[], T | None], *, seconds: float = 60.0) -> T:
    """Give what ``look`` gives as soon as that is something; raises ``RuntimeError`` if the process ended before."""
    end = time.monotonic() + seconds
    while (found := look()) is None:
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{process.args!r} did not come up: {process.poll()}")
        time.sleep(0.02)
    return found


def _address(file: Path) -> Any:
    try:
        return json.loads(file.read_text())["address"]
    except (FileNotFoundError, json.JSONDecodeError):  # not written, or not to its end
        return None
