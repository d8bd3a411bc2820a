"""Steps for workers to import: small ones, and some that tell where and how often they ran."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from mce import Append, Context, Flow, Reducer, do, pure, step


@dataclass(frozen=True)
class Tally:
    log: Annotated[tuple[Any, ...], Append()] = ()
    total: Annotated[int, Reducer(lambda b, a: a - b, lambda v, d: v + d, lambda d, e: d + e)] = 0
    last: int = 0


@step
async def inc(value: int) -> int:
    return value + 1


@step
def same(value: Any) -> Any:
    return value


@step
def double(value: int) -> int:
    return value * 2


@step
async def where(value: Any) -> int:
    return os.getpid()


@step
async def wait_and_tell(value: Any) -> int:
    await asyncio.sleep(0.02)
    return os.getpid()


@step(resources={"GPU": 1})
def on_gpu(value: Any) -> int:
    return os.getpid()


@step
async def counts(ctx: Context[Tally], value: int) -> int:
    ctx.update(log=(*ctx.state.log, value), total=ctx.state.total + value)
    return value


@step
async def writes(ctx: Context[Tally], value: int) -> int:
    ctx.update(last=value)
    return value


@do
async def many(n: int) -> int:
    total = 0
    for value in range(n):
        total += await inc(value)
    return total


def again(value: int) -> Flow[None, int]:
    """Recurse by ``bind`` until 200."""
    return pure(value) if value >= 200 else inc(value).bind(again)


class Made:
    """Dependencies that know in which process they were made, and how many had been before."""

    made = 0

    def __init__(self) -> None:
        Made.made += 1
        self.at = (os.getpid(), Made.made)


async def made_in_loop() -> Made:
    await asyncio.sleep(0)
    return Made()


@step
async def deps_at(ctx: Context[Any], value: Any) -> tuple[int, int]:
    await ctx.sleep(0.01)
    return ctx.deps.at  # type: ignore[no-any-return]


class AtHome:
    """A value that must not be unpickled in the process ``home``: it is passed from worker to worker."""

    def __init__(self, home: int) -> None:
        self.home = home

    def __setstate__(self, state: dict[str, int]) -> None:
        if state["home"] == os.getpid():
            raise RuntimeError("the caller was sent a value that it did not ask for")
        self.__dict__ = state


@step
def make_at_home(home: int) -> AtHome:
    return AtHome(home)


@step
def use(value: AtHome) -> int:
    return value.home


@step
async def emits(ctx: Context[Any], folder: str) -> str:
    """Emit, and wait until who listens has answered with a file."""
    ctx.emit("ready")
    while not (Path(folder) / "answer").exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.01)
    return "answered"


@step
def nap(value: int) -> int:
    time.sleep(0.01)
    return value


@step
async def lock(value: Any) -> Any:
    """Give what cannot be pickled."""
    return asyncio.Lock().acquire().__await__()


@step
async def kind(value: Any) -> str:
    return type(value).__name__
