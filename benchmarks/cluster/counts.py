"""What is no ratio of times: tasks of a run, what a failure stops and how soon, events' way, the client's memory."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

from benchmarks.cluster.trial import Compared, Gauge, Here, Trial, Workload, constant
from benchmarks.cluster.work import (
    LENGTH,
    Broken,
    again,
    emitting,
    executing,
    failing,
    failing_step,
    increment_step,
    logging,
    looped,
    sleep_marked,
    wait_marked,
)
from benchmarks.measure import WrongResult
from mce import Emitted, each, gather

__all__ = ["COUNTS"]

ROOT = Path(__file__).parents[2]
ONE = "1 task"
STOPPED = "15 ms"
CANCELLED = "gather, then cancel"
LOGGED = "log_event"


def tasks(here: Here, size: int) -> Trial:
    """Count the tasks that the scheduler sees of a chain: a static one, a ``do`` block, and a recursion."""
    chain: Any = increment_step
    for _ in range(size - 1):
        chain = chain >> increment_step
    backend = here.backend()

    def count(flow: Any, expected: int) -> Gauge:
        def gauge() -> float:
            begun = time.time()
            _check(flow.run_sync(0, backend=backend).unwrap(), expected)
            log = here.cluster.scheduler.transition_log
            return float(len({key for key, before, after, *_, at in [*log] if (before, after) == DONE and at >= begun}))

        return gauge

    gauges = {
        ONE: constant(1),
        "static": count(chain, size),
        "do block": count(looped, LENGTH),
        "bind": count(increment_step.bind(again), LENGTH),
    }
    targets = {"static": 1, "do block": 3, "bind": 3}
    return Trial(
        gauges, tuple(Compared(f"tasks of a chain, {name}", name, ONE, most) for name, most in targets.items())
    )


DONE = ("processing", "memory")


def stopping(here: Here, size: int) -> Trial:
    """Fail beside ``size`` branches that sleep, and see how long after it the last of them has cleaned up."""
    backend = here.backend()

    def gauge() -> float:
        with tempfile.TemporaryDirectory() as folder:
            sleeping = [sleep_marked(folder, number) for number in range(size)]
            failed = _failure(gather(*sleeping, wait_marked(folder, size)).run_sync(backend=backend).error)
            ended = [float(file.read_text()) for file in Path(folder).glob("ended-*")]
        _check(len(ended), size)
        return max(ended) - failed

    return Trial({STOPPED: constant(0.015), "mce": gauge}, (Compared("a failure stops branches", "mce", STOPPED),))


def started(here: Here, size: int) -> Trial:
    """Count the calls of 10 ms that start after one of them has failed; by hand, with Dask's own cancel."""
    backend = here.backend()

    def count(run: Callable[[str], float]) -> Gauge:
        def gauge() -> float:
            folder = tempfile.mkdtemp()  # by hand some calls are still under way when it is over
            failed = run(folder)
            _until_quiet(here)
            found = [float(file.read_text()) for file in Path(folder).glob("started-*")]
            shutil.rmtree(folder, ignore_errors=True)
            return float(sum(at > failed for at in found))

        return gauge

    def run(folder: str) -> float:
        given = [(at, size // 4, folder) for at in range(size)]
        return _failure(each(failing_step).run_sync(given, backend=backend).error)

    def run_by_hand(folder: str) -> float:
        futures = here.client.map(failing, range(size), fails=size // 4, folder=folder, pure=False)
        try:
            here.client.gather(futures)
        except Broken as broken:
            return _failure(broken)
        finally:
            here.client.cancel(futures)
        raise WrongResult("nothing failed by hand")

    gauges = {CANCELLED: count(run_by_hand), "mce": count(run)}
    return Trial(gauges, (Compared("calls started after a failure", "mce", CANCELLED),))


def _until_quiet(here: Here) -> None:
    while any(here.client.run(executing).values()):  # what was cancelled too
        time.sleep(0.02)


def _failure(error: Any) -> float:
    """Give when the failure was raised."""
    if not isinstance(error, Broken):
        raise WrongResult(f"failed with {error!r:.80}")
    return float(error.args[0])


def events(here: Here, size: int) -> Trial:
    """Tell ``size`` times, from a step, and see how long it takes to whoever listens: the median."""
    backend = here.backend()

    async def listen() -> list[float]:
        stream = emitting.stream(size, backend=backend)
        return [time.time() - item.value async for item in stream if isinstance(item, Emitted)]

    def emitted() -> float:
        return _middle(anyio.run(listen))

    def by_hand() -> float:
        topic, found, over = f"benchmark-{uuid.uuid4().hex}", [], threading.Event()

        def hear(event: Any) -> None:
            found.append(time.time() - event[1]["time"])
            if len(found) == size:
                over.set()

        here.client.subscribe_topic(topic, hear)
        here.client.submit(logging, topic, size, pure=False).result()
        over.wait(10)
        here.client.unsubscribe_topic(topic)
        return _middle(found)

    def _middle(found: list[float]) -> float:
        _check(len(found), size)
        return statistics.median(found)

    return Trial({LOGGED: by_hand, "mce": emitted}, (Compared("emit to a listener", "mce", LOGGED),))


def memory(here: Here, size: int) -> Trial:
    """Measure by how many bytes a client's process of its own grows at most, beside what one small run takes."""

    def program(side: str) -> Gauge:
        def gauge() -> float:
            command = [sys.executable, "-m", "benchmarks.cluster.apart", side, here.address, str(size)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                raise WrongResult(f"{side}: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
            return float(done.stdout)

        return gauge

    gauges = {"100 batches": program("hand"), "mce": program("mce")}
    return Trial(gauges, (Compared("memory of the client, large each", "mce", "100 batches"),))


def _check(found: Any, expected: Any) -> None:
    if found != expected:
        raise WrongResult(f"a side gave {found!r:.80}, expected {expected!r:.80}")


COUNTS = [
    Workload("tasks of a chain", tasks, (200,), (200,), 3),
    Workload("a failure stops branches", stopping, (20,), (8,), 11),
    Workload("calls started after a failure", started, (400,), (100,), 5),
    Workload("emit to a listener", events, (50,), (10,), 7),
    Workload("memory of the client", memory, (100_000,), (5_000,), 3),
]
