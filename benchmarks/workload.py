"""What is measured: a workload makes, for a size, the two sides of a comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import anyio

from benchmarks.measure import Clock, Effort, Measured, Pair, Runner, compare
from mce import Flow

__all__ = ["AnyFlow", "Workload", "run_workload", "running", "running_with_state"]

AnyFlow = Flow[Any, Any, Any, Any]


@dataclass(frozen=True)
class Workload:
    """A workload: what it is compared with, how its sides are made, at which sizes, and the ratio to reach."""

    name: str
    baseline: str
    make: Callable[[int], Pair]
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    target: float | None = None
    clock: Clock = "cpu"
    loop: Literal["asyncio", "trio"] = "asyncio"
    waits: float = 0.0


def run_workload(workload: Workload, size: int, effort: Effort) -> Measured:
    """Measure ``workload`` at one size in an event loop of its own; raises ``WrongResult``."""
    pair = workload.make(size)

    async def main() -> Measured:
        return await compare(pair, effort, clock=workload.clock, waits=workload.waits)

    return anyio.run(main, backend=workload.loop)


def running(flow: AnyFlow) -> Runner:
    """Give what runs the closed ``flow`` on the default backend and gives its value."""

    async def run() -> Any:
        return (await flow.run()).unwrap()

    return run


def running_with_state(flow: AnyFlow, state: Any) -> Runner:
    """Give what runs the closed ``flow`` from ``state`` and gives its value and the state at the end."""

    async def run() -> Any:
        outcome = await flow.run(state=state)
        return outcome.unwrap(), outcome.state

    return run
