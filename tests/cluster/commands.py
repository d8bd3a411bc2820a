"""A scheduler and workers that were started by their own commands, and can be killed one by one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[2]


class Commands:
    """``dask scheduler`` and ``dask worker`` in processes of their own, which end with the ``with`` block.

    ``options`` are given to all of them.
    """

    def __init__(self, folder: Path, workers: int, *options: str) -> None:
        self.folder = folder
        self.options = options
        self.file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--scheduler-file", str(self.file), "--port", "0")
        self.workers = [self.add_worker() for _ in range(workers)]

    @property
    def address(self) -> str:
        while True:
            try:
                return str(json.loads(self.file.read_text())["address"])
            except (OSError, ValueError):  # it is being written
                assert self.scheduler.poll() is None
                time.sleep(0.02)

    def add_worker(self) -> subprocess.Popen[bytes]:
        place = ("--local-directory", str(self.folder))
        return self._start("worker", self.address, "--no-nanny", "--nthreads", "2", "--no-dashboard", *place)

    def _start(self, command: str, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with open(self.folder / "output", "ab") as output:
            line = [sys.executable, "-m", "dask", command, *arguments, *self.options]
            return subprocess.Popen(line, env=environment, stdout=output, stderr=output)

    def __enter__(self) -> Commands:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in [*self.workers, self.scheduler]:
            process.send_signal(signal.SIGKILL)
            process.wait()
