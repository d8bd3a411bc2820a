"""Baselines that any environment can run: the functions that steps are made of, and plain asyncio around them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from benchmarks.measure import Runner

__all__ = ["awaits", "increment", "nothing", "sleep_10_ms", "task_group", "yielding"]


async def increment(x: int) -> int:
    """The step of every chain."""
    return x + 1


async def nothing(x: int) -> int:
    """The branch of a fan-out that returns at once."""
    return x


async def yielding(x: int) -> int:
    """The branch of a fan-out that lets the others go first."""
    await asyncio.sleep(0)
    return x


async def sleep_10_ms(x: int) -> int:
    await asyncio.sleep(0.01)
    return x


def awaits(size: int) -> Runner:
    """Await the step ``size`` times in a loop."""

    async def run() -> int:
        value = 0
        for _ in range(size):
            value = await increment(value)
        return value

    return run


def task_group(branch: Callable[[int], Coroutine[Any, Any, Any]], size: int) -> Runner:
    """Run ``size`` branches in one of asyncio's task groups and gather their results."""

    async def run() -> tuple[Any, ...]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(branch(1)) for _ in range(size)]
        return tuple(task.result() for task in tasks)

    return run
