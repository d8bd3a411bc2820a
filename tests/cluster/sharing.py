"""Steps under limits, rates and circuits, for workers to import; ``deps`` is the folder where they meet.

A line in the file ``lines`` says what happened and in which process; a file of its own lets others go on.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from mce import CircuitBreaker, Context, Flow, Limit, RateLimit, circuit_breaker, each, limit, pure, step

TWO = Limit("two", 2)
ONE = Limit("one", 1)
RATE = RateLimit("api", 2, 3600)
FUSE = CircuitBreaker("api", 4, 3600)


def note(ctx: Context[Any], what: str) -> None:
    """Add a line, in one write."""
    with open(Path(ctx.deps) / "lines", "ab", buffering=0) as file:
        file.write(f"{what} {os.getpid()}\n".encode())


def noted(folder: Path | str) -> list[tuple[str, int]]:
    """Read the lines."""
    file = Path(folder) / "lines"
    found = [line.split(" ") for line in file.read_text().splitlines()] if file.exists() else []
    return [(what, int(pid)) for what, pid in found]


def most_at_once(folder: Path) -> int:
    """Say how many were inside at most, each from its ``+`` to its ``-``."""
    inside = most = 0
    for what, _ in noted(folder):
        inside += {"+": 1, "-": -1}[what]
        most = max(most, inside)
    return most


async def begun(ctx: Context[Any], what: str, times: int) -> None:
    """Wait until so many lines say ``what``."""
    while sum(found == what for found, _ in noted(ctx.deps)) < times:  # noqa: ASYNC110 (others write)
        await asyncio.sleep(0.002)


async def touched(ctx: Context[Any], name: str) -> None:
    """Wait until there is a file ``name``."""
    while not (Path(ctx.deps) / name).exists():  # noqa: ASYNC110 (others touch it)
        await asyncio.sleep(0.002)


async def be_inside(ctx: Context[Any]) -> int:
    """Be inside with another one, at least at the beginning, and long enough for a third to be seen."""
    note(ctx, "+")
    await begun(ctx, "+", 2)
    await asyncio.sleep(0.01)
    note(ctx, "-")
    return os.getpid()


@step
async def passes(ctx: Context[Any], value: Any) -> int:
    return await be_inside(ctx)


@step
def passes_in_a_thread(ctx: Context[Any], value: Any) -> int:
    note(ctx, "+")
    while sum(found == "+" for found, _ in noted(ctx.deps)) < 2:
        time.sleep(0.002)
    time.sleep(0.01)
    note(ctx, "-")
    return os.getpid()


@step(limit=TWO)
async def passes_by_declaration(ctx: Context[Any], value: Any) -> int:
    return await be_inside(ctx)


@step
async def tells(ctx: Context[Any], value: Any) -> Any:
    note(ctx, "told")
    return value


@step(raises=(OSError,))
async def breaks_with_others(ctx: Context[Any], value: Any) -> Any:
    """Fail when four have begun."""
    note(ctx, "begun")
    await begun(ctx, "begun", 4)
    raise OSError("no")


@step(raises=(OSError,))
async def breaks(ctx: Context[Any], value: Any) -> Any:
    note(ctx, "broken")
    raise OSError("no")


@step
async def holds(ctx: Context[Any], value: Any) -> Any:
    (Path(ctx.deps) / "held").touch()
    await touched(ctx, "expired")
    return value


@step
async def when_held(ctx: Context[Any], value: Any) -> Any:
    await touched(ctx, "held")
    return value


@step
async def expires(ctx: Context[Any], error: Any) -> str:
    (Path(ctx.deps) / "expired").touch()
    return type(error).__name__


@step
async def holds_until_killed(ctx: Context[Any], value: Any) -> Any:
    """Hold at the first time until the process is killed."""
    note(ctx, "+")
    if not (Path(ctx.deps) / "killed").exists():
        await asyncio.sleep(3600)
    note(ctx, "-")
    return value


@step
def holds_long(ctx: Context[Any], value: Any) -> Any:
    """Hold for several leases."""
    note(ctx, "+")
    time.sleep(1.5)
    note(ctx, "-")
    return value


def inside_itself() -> Flow[Any, Any]:
    """Take a limit within itself, where the inner one is in a fork that goes back to the cluster."""
    return limit(pure(range(8)) >> each(limit(tells, ONE)), ONE)


def circuit_inside_itself(inner: Flow[Any, Any, Any]) -> Flow[Any, Any, Any]:
    fuse = CircuitBreaker("inner", 1, 3600)
    return circuit_breaker(pure(range(8)) >> each(circuit_breaker(inner, fuse).recover(named), limit=1), fuse)


@step
async def named(ctx: Context[Any], error: Any) -> str:
    return type(error).__name__
