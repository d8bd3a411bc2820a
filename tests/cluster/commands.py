"""A cluster as a user starts it by hand: a scheduler and workers, each a command of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from distributed import Client

__all__ = ["command", "started"]

ROOT = Path(__file__).parents[2]


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
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()


@contextmanager
def started(folder: Path, *, workers: int = 2, threads: int = 2) -> Iterator[str]:
    """Have a scheduler and ``workers`` of so many ``threads`` running, and give its address."""
    told = folder / "scheduler.json"
    with ExitStack() as running:
        options = "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(told)
        address = _address(told, running.enter_context(command("scheduler", *options)))
        for _ in range(workers):
            running.enter_context(command("worker", address, "--nthreads", str(threads), "--no-dashboard"))
        with Client(address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(workers, timeout=60)
        yield address


def _address(told: Path, scheduler: subprocess.Popen[bytes]) -> str:
    while scheduler.poll() is None:
        try:
            found = json.loads(told.read_text())
        except (FileNotFoundError, json.JSONDecodeError):  # not written, or not to its end
            time.sleep(0.02)
        else:
            return str(found["address"])
    raise RuntimeError(f"{scheduler.args!r} ended with {scheduler.returncode}")
