"""What workers do, for both sides: plain functions, for Dask by hand, and the steps and flows made of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import anyio
from distributed import get_worker

from mce import Context, Flow, do, pure, step

__all__ = [
    "LENGTH",
    "Broken",
    "add_of_two",
    "again",
    "emitting",
    "failing",
    "failing_step",
    "increment",
    "increment_all",
    "increment_step",
    "increment_times",
    "increment_waiting",
    "last",
    "layer_task",
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


def nap_after(seconds: float, before: Sequence[float]) -> float:
    return nap(seconds)


nap_step = step(nap)
nap_waiting_step = step(nap_waiting)


def layer_task(left: int, right: int, seconds: float) -> int:
    nap(seconds)
    return (left + right) % 1_000_003


def last(*values: Any) -> tuple[Any, ...]:
    return values


@step
def add_of_two(left: int, right: int) -> int:
    return layer_task(left, right, 0.02)


# -- failing, and telling ----------------------------------------------------------------------------------------------


def failing(at: int, fails: int, folder: str) -> int:
    """Note when element ``at`` started, and take 10 ms; element ``fails`` fails."""
    Path(folder, f"started-{at}").write_text(str(time.time()))
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
    while len([*Path(folder).glob("started-*")]) < others:
        await anyio.sleep(_PAUSE)
    raise Broken(time.time())


@step
async def sleep_marked(folder: str, number: int) -> None:
    """Sleep until stopped, and note when that was."""
    Path(folder, f"started-{number}").touch()
    try:
        await anyio.sleep_forever()
    finally:
        Path(folder, f"ended-{number}").write_text(str(time.time()))


@step
async def emitting(ctx: Context[Any], times: int) -> int:
    for _ in range(times):
        ctx.emit(time.time())
        await anyio.sleep(_PAUSE)
    return times


def logging(topic: str, times: int) -> int:
    """Do as ``emitting`` with what Dask has for it."""
    worker = get_worker()
    for _ in range(times):
        worker.log_event(topic, {"time": time.time()})
        time.sleep(_PAUSE)
    return times
