"""Side by side: fan-outs, ``each`` with a limit, layered dags, and branches that change the state."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any

import anyio
import trio
from pydantic import BaseModel

from benchmarks.measure import Pair, Runner
from benchmarks.raw import nothing, sleep_10_ms, task_group, yielding
from benchmarks.workload import AnyFlow, Workload, running, running_with_state
from mce import Add, Context, Dag, each, gather, lift, step

__all__ = ["CONCURRENT"]

WIDTH = 10
WIDE = (10, 100, 1_000, 10_000, 100_000)
WIDE_QUICK = (10, 100, 1_000, 10_000)

Branch = Callable[[int], Coroutine[Any, Any, int]]


class Tally(BaseModel, frozen=True):
    """A state whose one field branches may change at once."""

    count: Annotated[int, Add()] = 0


class Fields(BaseModel, frozen=True):
    """A state of which every branch changes a field of its own."""

    f0: int = 0
    f1: int = 0
    f2: int = 0
    f3: int = 0
    f4: int = 0
    f5: int = 0
    f6: int = 0
    f7: int = 0
    f8: int = 0
    f9: int = 0


def fan_out(branch: Branch) -> Callable[[int], Pair]:
    """Compare ``size`` branches that run ``branch`` with asyncio's own task group."""

    def make(size: int) -> Pair:
        flow: AnyFlow = gather(*[step(branch)] * size)
        return Pair(running(flow(1)), task_group(branch, size), (1,) * size)

    return make


def fan_out_of_pure(size: int) -> Pair:
    def add_one(x: int) -> int:
        return x + 1

    async def raw() -> tuple[int, ...]:
        return tuple([add_one(1) for _ in range(size)])

    flow: AnyFlow = gather(*[lift(add_one)] * size)
    return Pair(running(flow(1)), raw, (2,) * size)


def fan_out_on_trio(size: int) -> Pair:
    async def raw() -> tuple[int | None, ...]:
        found: list[int | None] = [None] * size

        async def work(at: int) -> None:
            found[at] = await nothing(1)

        async with trio.open_nursery() as nursery:
            for at in range(size):
                nursery.start_soon(work, at)
        return tuple(found)

    flow: AnyFlow = gather(*[step(nothing)] * size)
    return Pair(running(flow(1)), raw, (1,) * size)


def each_limited(size: int) -> Pair:
    flow = each(step(nothing), limit=100)
    return Pair(running(flow(range(size))), anyio_tasks(size), tuple(range(size)))


def anyio_tasks(size: int) -> Runner:
    async def raw() -> tuple[int | None, ...]:
        found: list[int | None] = [None] * size

        async def work(at: int) -> None:
            found[at] = await nothing(at)

        async with anyio.create_task_group() as group:
            for at in range(size):
                group.start_soon(work, at)
        return tuple(found)

    return raw


async def add_up(left: int, right: int) -> int:
    return (left + right) % 1_000_003


def dag(layers: int) -> Pair:
    """Compare tasks that each take two of the layer before with a task group of anyio's for each layer."""
    building = Dag[int]()
    adding = step(add_up)
    handles: list[Any] = [building.add(lift(partial(operator.add, at)), building.input) for at in range(WIDTH)]
    for _ in range(layers):
        handles = [building.add(adding, handles[at], handles[(at + 1) % WIDTH]) for at in range(WIDTH)]

    async def raw() -> tuple[int, ...]:
        values = [*range(WIDTH)]
        for _ in range(layers):
            found = [0] * WIDTH

            async def work(at: int, before: list[int], found: list[int]) -> None:
                found[at] = await add_up(before[at], before[(at + 1) % WIDTH])

            async with anyio.create_task_group() as group:
                for at in range(WIDTH):
                    group.start_soon(work, at, values, found)
            values = found
        return tuple(values)

    return Pair(running(building.flow(*handles)(0)), raw, _layered(layers))


def _layered(layers: int) -> tuple[int, ...]:
    values = [*range(WIDTH)]
    for _ in range(layers):
        values = [(values[at] + values[(at + 1) % WIDTH]) % 1_000_003 for at in range(WIDTH)]
    return tuple(values)


def dag_dense(layers: int) -> Pair:
    """As ``dag``, and every task waits for the whole layer before it."""
    building = Dag[int]()
    taking = step(nothing)
    handles: list[Any] = [building.add(taking, building.input) for _ in range(WIDTH)]
    for _ in range(layers - 1):
        handles = [building.add(taking, handles[at], after=handles) for at in range(WIDTH)]

    async def raw() -> tuple[int | None, ...]:
        values: list[int | None] = [1] * WIDTH
        for _ in range(layers):
            found: list[int | None] = [None] * WIDTH

            async def work(at: int, given: Any, found: list[int | None]) -> None:
                found[at] = await nothing(given)

            async with anyio.create_task_group() as group:
                for at in range(WIDTH):
                    group.start_soon(work, at, values[at], found)
            values = found
        return tuple(values)

    return Pair(running(building.flow(*handles)(1)), raw, (1,) * WIDTH)


def joins_with_reducer(joins: int) -> Pair:
    """Ten branches add to one field, again and again; the baseline adds up itself, and validates as often."""

    @step
    async def add(ctx: Context[Tally], _: object) -> None:
        ctx.update(count=ctx.state.count + 1)

    async def change(state: Tally) -> Tally:
        return Tally.model_validate({"count": state.count + 1})

    async def raw() -> tuple[None, Tally]:
        state = Tally()
        for _ in range(joins):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(change(state)) for _ in range(WIDTH)]
            added = sum(task.result().count - state.count for task in tasks)
            state = Tally.model_validate({"count": state.count + added})
        return None, state

    subject = running_with_state(_joined([add] * WIDTH, joins), Tally())
    return Pair(subject, raw, (None, Tally(count=WIDTH * joins)))


def joins_without_reducer(joins: int) -> Pair:
    """Ten branches each change a field of their own."""
    names = [f"f{at}" for at in range(WIDTH)]

    def add_to(name: str) -> AnyFlow:
        @step
        async def add(ctx: Context[Fields], _: object) -> None:
            ctx.update(**{name: getattr(ctx.state, name) + 1})

        return add

    async def change(state: Fields, name: str) -> Fields:
        return Fields.model_validate({**state.__dict__, name: getattr(state, name) + 1})

    async def raw() -> tuple[None, Fields]:
        state = Fields()
        for _ in range(joins):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(change(state, name)) for name in names]
            changed = {name: getattr(task.result(), name) for name, task in zip(names, tasks, strict=True)}
            state = Fields.model_validate({**state.__dict__, **changed})
        return None, state

    subject = running_with_state(_joined([add_to(name) for name in names], joins), Fields())
    return Pair(subject, raw, (None, Fields(**dict.fromkeys(names, joins))))


def _nothing(_: object) -> None:
    return None


def _joined(branches: list[AnyFlow], joins: int) -> AnyFlow:
    one: AnyFlow = gather(*branches).map(_nothing)
    flow = one
    for _ in range(joins - 1):
        flow = flow >> one
    return flow(None)


GROUP = "asyncio.TaskGroup"

CONCURRENT = [
    Workload("fan-out, no-op", GROUP, fan_out(nothing), WIDE, WIDE_QUICK, 2),
    Workload("fan-out, sleep(0)", GROUP, fan_out(yielding), WIDE, (1_000,), 2),
    Workload("fan-out on trio", "trio nursery", fan_out_on_trio, (10, 100, 1_000, 10_000), (1_000,), 1.2, loop="trio"),
    Workload("fan-out of pure", "plain calls", fan_out_of_pure, (10, 1_000, 100_000), (1_000,)),
    Workload("fan-out of sleeps, over 10 ms", GROUP, fan_out(sleep_10_ms), (1_000,), (1_000,), 1.5, "wall", waits=0.01),
    Workload("each, limit=100", "anyio task per element", each_limited, (1_000, 100_000), (20_000,), 0.1),
    Workload("dag of 10 a layer", "anyio group a layer", dag, (10, 100, 1_000), (100,), 0.7),
    Workload("dag, whole layers", "anyio group a layer", dag_dense, (100,), (100,), 0.7),
    Workload("joins of 10, a reducer", "TaskGroup, same changes", joins_with_reducer, (1_000,), (100,)),
    Workload("joins of 10, a field each", "TaskGroup, same changes", joins_without_reducer, (1_000,), (100,)),
]
