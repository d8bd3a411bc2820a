"""One thing after the other: chains, binds, ``do`` blocks, loops, retries, and steps that change the state."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from benchmarks.measure import Pair, Runner
from benchmarks.raw import awaits, increment
from benchmarks.workload import AnyFlow, Workload, running, running_with_state
from mce import Context, Flow, do, iterate, pure, recurs, step

__all__ = ["SEQUENTIAL"]

CHAIN = (10, 1_000, 100_000, 1_000_000)
SMALL = (10, 1_000, 20_000)
MIDDLE = (1_000, 100_000)
LITTLE = (10_000,)


class Tally(BaseModel, frozen=True):
    """A state with a field that changes and two that do not."""

    count: int = 0
    title: str = "tally"
    done: bool = False


inc = step(increment)


@step
async def inc_with_context(ctx: Context[Any], x: int) -> int:
    return x + 1


@step
async def inc_in_state(ctx: Context[Tally], x: int) -> int:
    ctx.update(count=ctx.state.count + 1)
    return x + 1


def add_one(x: int) -> int:
    return x + 1


def _chained(link: AnyFlow, size: int) -> AnyFlow:
    flow = link
    for _ in range(size - 1):
        flow = flow >> link
    return flow(0)


def chain(size: int) -> Pair:
    return Pair(running(_chained(inc, size)), awaits(size), size)


def chain_with_context(size: int) -> Pair:
    return Pair(running(_chained(inc_with_context, size)), awaits(size), size)


def chain_with_state(size: int) -> Pair:
    """Both sides validate the whole new state."""

    async def change(state: Tally, x: int) -> tuple[Tally, int]:
        return Tally.model_validate({**state.__dict__, "count": state.count + 1}), x + 1

    async def raw() -> tuple[int, Tally]:
        state, value = Tally(), 0
        for _ in range(size):
            state, value = await change(state, value)
        return value, state

    subject = running_with_state(_chained(inc_in_state, size), Tally())
    return Pair(subject, raw, (size, Tally(count=size)))


def mapped(size: int) -> Pair:
    flow: AnyFlow = pure(0)
    for _ in range(size):
        flow = flow.map(add_one)
    return Pair(running(flow), _calls(size), size)


def _calls(size: int) -> Runner:
    async def raw() -> int:
        value = 0
        for _ in range(size):
            value = add_one(value)
        return value

    return raw


def bind_steps(size: int) -> Pair:
    flow: AnyFlow = pure(0)
    for _ in range(size):
        flow = flow.bind(lambda value: inc(value))
    return Pair(running(flow), awaits(size), size)


def bind_pure(size: int) -> Pair:
    flow: AnyFlow = pure(0)
    for _ in range(size):
        flow = flow.bind(lambda value: pure(value + 1))
    return Pair(running(flow), awaits(size), size)


def bind_recursive(size: int) -> Pair:
    def again(value: int) -> Flow[object, int]:
        return pure(value) if value >= size else inc(value).bind(again)

    return Pair(running(pure(0).bind(again)), awaits(size), size)


def do_block(size: int) -> Pair:
    @do
    async def block() -> int:
        value = 0
        for _ in range(size):
            value = await inc(value)
        return value

    return Pair(running(block), awaits(size), size)


def loop(size: int) -> Pair:
    flow = iterate(inc, until=lambda value: value >= size)

    async def raw() -> int:
        value = 0
        while True:
            value = await increment(value)
            if value >= size:
                return value

    return Pair(running(flow(0)), raw, size)


def retry(size: int) -> Pair:
    """Every step fails once before it succeeds."""
    failing = _FailsFirst()

    @step(raises=ConnectionError)
    async def shaky(x: int) -> int:
        return await failing(x)

    async def raw() -> int:
        value = 0
        for _ in range(size):
            for attempt in range(4):
                try:
                    value = await failing(value)
                    break
                except ConnectionError:
                    if attempt == 3:
                        raise
        return value

    return Pair(running(_chained(shaky.retry(recurs(3)), size)), raw, size)


class _FailsFirst:
    """Raises at every first call of two."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, x: int) -> int:
        self.calls += 1
        if self.calls % 2:
            raise ConnectionError(x)
        return x + 1


SEQUENTIAL = [
    Workload("chain", "plain awaits", chain, CHAIN, SMALL, 3),
    Workload("chain, with a context", "plain awaits", chain_with_context, CHAIN, SMALL, 4),
    Workload("chain, with a validated change", "awaits and the same change", chain_with_state, MIDDLE, LITTLE, 3),
    Workload("map", "plain calls", mapped, CHAIN, SMALL, 2),
    Workload("bind to a step", "plain awaits", bind_steps, CHAIN, SMALL, 6),
    Workload("bind to pure", "plain awaits", bind_pure, MIDDLE, LITTLE, 6),
    Workload("bind, recursive", "plain awaits", bind_recursive, MIDDLE, LITTLE, 6),
    Workload("do block", "plain awaits", do_block, CHAIN, SMALL, 6),
    Workload("loop", "plain awaits", loop, CHAIN, SMALL, 5),
    Workload("retry, every step once", "awaits under try", retry, MIDDLE, (2_000,)),
]
