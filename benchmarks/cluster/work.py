"""What workers do, for both sides: plain functions, for Dask by hand, and the steps and flows made of them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anyio
from distributed import Worker, get_worker

from mce import Context, Flow, do, pure, step

__all__ = [
    "LAYER_SECONDS",
    "LENGTH",
    "Broken",
    "add_after_nap",
    "add_step",
    "again",
    "emitting",
    "executing",
    "failing",
    "failing_step",
    "increment",
    "increment_all",
    "increment_step",
    "increment_times",
    "increment_waiting",
    "logging",
    "looped",
    "nap",
    "nap_after",
    "nap_step",
    "nap_waiting",
    "nap_waiting_step",
    "sleep_marked",
    "sum_step",
    "wait_marked",
]

LENGTH = 200
"""How long the dynamic chains are."""

LAYER_SECONDS = 0.02
"""How long a task of a layer sleeps."""

_PAUSE = 0.005


class Broken(Exception):
    """The failure that stops others, raised at the time it carries, in seconds of the epoch."""


# -- trivial -----------------------------------------------------------------------------------------------------------


def increment(x: int) -> int:
    return x + 1


def increment_times(x: int, times: int) -> int:
    """A chain as one function, as whoever writes for Dask by hand fuses it."""
    for _ in range(times):
        x = increment(x)
    return x


def increment_all(values: Iterable[int]) -> list[int]:
    return [increment(x) for x in values]


increment_step = step(increment)
sum_step: Any = step(sum, name="sum")


@step
async def increment_waiting(x: int) -> int:
    return x + 1


@do
async def looped(x: int) -> int:
    for _ in range(LENGTH):
        x = await increment_waiting(x)
    return x


def again(x: int) -> Flow[object, int]:
    """Go on with a flow that is made in every turn."""
    return pure(x) if x >= LENGTH else increment_waiting(x).bind(again)


# -- sleeping ----------------------------------------------------------------------------------------------------------


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


async def nap_waiting(seconds: float) -> float:
    await anyio.sleep(seconds)
    return seconds


def nap_after(seconds: float, *before: float) -> float:
    """Sleep when all that is ``before`` has ended."""
    return nap(seconds)


nap_step = step(nap)
nap_waiting_step = step(nap_waiting)


def add_after_nap(left: int, right: int) -> int:
    nap(LAYER_SECONDS)
    return (left + right) % 1_000_003


add_step = step(add_after_nap)


# -- failing, and telling ----------------------------------------------------------------------------------------------


def failing(at: int, fails: int, folder: str) -> int:
    """Note when element ``at`` started, and take 10 ms; element ``fails`` fails."""
    _mark(folder, f"started-{at}")
    if at == fails:
        raise Broken(time.time())
    time.sleep(0.01)
    return at


@step(raises=Broken)
def failing_step(given: tuple[int, int, str]) -> int:
    return failing(*given)


@step(raises=Broken)
async def wait_marked(folder: str, others: int) -> None:
    """Fail as soon as all the others have started."""
    while _count(folder) < others:  # noqa: ASYNC110  (other processes cannot set an event)
        await anyio.sleep(_PAUSE)
    raise Broken(time.time())


@step
async def sleep_marked(folder: str, number: int) -> None:
    """Sleep until stopped, and note when that was."""
    _mark(folder, f"started-{number}")
    try:
        await anyio.sleep_forever()
    finally:
        _mark(folder, f"ended-{number}")


def _mark(folder: str, name: str) -> None:
    """Write the time to a file, since lists do not cross processes."""
    Path(folder, name).write_text(str(time.time()))


def _count(folder: str) -> int:
    return len([*Path(folder).glob("started-*")])


@step
async def emitting(ctx: Context[Any], times: int) -> int:
    for _ in range(times):
        ctx.emit(time.time())
        await anyio.sleep(_PAUSE)
    return times


def executing(dask_worker: Worker) -> int:
    """Say how many calls run on a worker now."""
    return len(dask_worker.state.executing)


def logging(topic: str, times: int) -> int:
    """Do as ``emitting`` with what Dask has for it."""
    worker = get_worker()
    for _ in range(times):
        worker.log_event(topic, {"time": time.time()})
        time.sleep(_PAUSE)
    return times
