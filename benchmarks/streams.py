"""What a listener costs: streams against the same run without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.measure import Pair, Runner
from benchmarks.raw import increment, yielding
from benchmarks.workload import AnyFlow, Workload, running
from mce import Context, Outcome, step

__all__ = ["STREAMS"]

inc = step(increment)


@step
async def inc_with_context(ctx: Context[Any], x: int) -> int:
    return x + 1


@step
async def inc_and_emit(ctx: Context[Any], x: int) -> int:
    ctx.emit(x)
    return x + 1


def _chained(link: AnyFlow, size: int) -> AnyFlow:
    flow = link
    for _ in range(size - 1):
        flow = flow >> link
    return flow(0)


def streamed(link: AnyFlow) -> Callable[[int], Pair]:
    """Compare a chain of ``link`` that somebody listens to with the same that nobody does."""

    def make(size: int) -> Pair:
        flow = _chained(link, size)
        return Pair(_listening(flow), running(flow), size if link is inc else 0)

    return make


def _listening(flow: AnyFlow) -> Runner:
    async def listen() -> Any:
        last: object = None
        async for item in flow.stream():
            last = item
        assert isinstance(last, Outcome)
        return last.unwrap()

    return listen


def emitting_to_nobody(size: int) -> Pair:
    return Pair(running(_chained(inc_and_emit, size)), running(_chained(inc_with_context, size)), size)


STREAMS = [
    Workload("streamed chain", "the same, not streamed", streamed(inc), (1_000, 100_000), (2_000,), 3),
    Workload("streamed, sleep(0)", "the same, not streamed", streamed(step(yielding)), (1_000, 10_000), (2_000,), 3),
    Workload("emit without a listener", "the same, no emit", emitting_to_nobody, (1_000, 100_000), (10_000,)),
]
