"""All libraries at one workload: a process each, rounds taken by turns, ratios to plain asyncio in the same process."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import summarise
from benchmarks.peers.environments import LIBRARIES, NotInstalled, environment
from benchmarks.peers.worker import MARK, WORKLOADS
from benchmarks.results import Row

__all__ = ["SIZES", "measure_peers"]

ROOT = Path(__file__).parents[2]
SIZES = {"chain": (10, 100), "fan-out, no-op": (10, 100)}
BASELINES = {"chain": "plain awaits", "fan-out, no-op": "asyncio.TaskGroup"}
_PATIENCE = 180.0
"""Seconds after which a library that does not answer is given up."""


def measure_peers(folder: Path, versions: dict[str, str], *, rounds: int, only: str = "") -> Iterator[Row]:
    """Measure every library whose name contains ``only`` at every workload; what cannot be measured is a row too.

    Environments are kept in ``folder``; the releases that were measured are put into ``versions``.
    """
    pythons: dict[str, Path | str] = {library: _python(library, folder) for library in LIBRARIES if only in library}
    for workload in WORKLOADS:
        for size in SIZES[workload]:
            yield from _contest(workload, size, pythons, versions, rounds)


def _python(library: str, folder: Path) -> Path | str:
    try:
        return environment(library, folder)
    except NotInstalled as problem:
        return f"not installed: {problem}"


def _contest(
    workload: str, size: int, pythons: dict[str, Path | str], versions: dict[str, str], rounds: int
) -> Iterator[Row]:
    with contextlib.ExitStack() as stack:
        problems = {library: python for library, python in pythons.items() if isinstance(python, str)}
        workers: dict[str, Worker] = {}
        times: dict[str, list[tuple[float, float]]] = {library: [] for library in pythons}
        for library, python in pythons.items():
            if isinstance(python, Path):
                workers[library] = worker = stack.enter_context(Worker(python, library, workload, size))
                _note(library, worker.answer(), versions, problems)
        for _ in range(rounds):
            for library in [name for name in workers if name not in problems]:
                answer = workers[library].ask()
                if "seconds" in answer:
                    times[library].append(tuple(answer["seconds"]))
                else:
                    problems[library] = answer["problem"]
        for library in pythons:
            problem = problems.get(library, "")
            measured = None if problem else summarise(times[library])
            yield Row(workload, library.replace("_", "-"), BASELINES[workload], size, None, measured, problem)


def _note(library: str, answer: dict[str, Any], versions: dict[str, str], problems: dict[str, str]) -> None:
    if "release" in answer:
        versions[library.replace("_", "-")] = answer["release"]
    else:
        problems[library] = answer["problem"]


class Worker:
    """A process that times one library; leaving it ends the process."""

    def __init__(self, python: Path, library: str, workload: str, size: int) -> None:
        self.process = subprocess.Popen(
            [python, "-m", "benchmarks.peers.worker", library, workload, str(size)],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def ask(self) -> dict[str, Any]:
        """Have it time one round."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Wait for an answer; one that never comes, or a process that ends, is a problem."""
        assert self.process.stdout is not None
        timer = threading.Timer(_PATIENCE, self.process.kill)
        timer.start()
        try:
            for line in self.process.stdout:
                if line.startswith(MARK):
                    found: dict[str, Any] = json.loads(line.removeprefix(MARK))
                    return found
        finally:
            timer.cancel()
        return {"problem": f"its process ended without an answer, or gave none in {_PATIENCE:g} s"}
