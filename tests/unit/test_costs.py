"""What a step costs, as counts that no busy machine changes: calls into the engine, memory held, tasks started.

Each cost is the difference between a large and a small flow, by element: what a run costs once is in neither. The
bounds are a little above what was counted last; one that is crossed is a regression, or a decision to write down. The
seconds are in ``benchmarks/``.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import pytest
from pydantic import BaseModel

from mce import Context, Flow, do, each, gather, iterate, lift, pure, recurs, step

AnyFlow = Flow[Any, Any, Any, Any]
Make = Callable[[int], AnyFlow]

SMALL, LARGE = 300, 300 + 4096  # both checkpoint, which they do every 256 steps


class Tally(BaseModel, frozen=True):
    count: int = 0


def add_one(x: int) -> int:
    return x + 1


@step
async def inc(x: int) -> int:
    return x + 1


@step
async def inc_with_context(ctx: Context[Any], x: int) -> int:
    return x + 1


@step
async def inc_in_state(ctx: Context[Tally], x: int) -> int:
    ctx.update(count=ctx.state.count + 1)
    return x + 1


@step(pure=True)
def inc_pure(x: int) -> int:
    return x + 1


def chained(link: AnyFlow) -> Make:
    def make(size: int) -> AnyFlow:
        flow = link
        for _ in range(size - 1):
            flow = flow >> link
        return flow(0)

    return make


def mapped(size: int) -> AnyFlow:
    flow: AnyFlow = pure(0)
    for _ in range(size):
        flow = flow.map(add_one)
    return flow


def bound(size: int) -> AnyFlow:
    flow: AnyFlow = pure(0)
    for _ in range(size):
        flow = flow.bind(inc)
    return flow


def bound_to_function(size: int) -> AnyFlow:
    flow: AnyFlow = pure(0)
    for _ in range(size):
        flow = flow.bind(lambda value: inc(value))
    return flow


def bound_to_pure(size: int) -> AnyFlow:
    flow: AnyFlow = pure(0)
    for _ in range(size):
        flow = flow.bind(lambda value: pure(value + 1))
    return flow


def bound_to_context(size: int) -> AnyFlow:
    flow: AnyFlow = pure(0)
    for _ in range(size):
        flow = flow.bind(lambda value: inc_with_context(value))
    return flow


def bound_again(size: int) -> AnyFlow:
    def again(value: int) -> Flow[object, int]:
        return pure(value) if value >= size else inc(value).bind(again)

    return pure(0).bind(again)


def bound_in_closures(size: int) -> AnyFlow:
    def again(value: int) -> Flow[object, int]:
        return pure(value) if value >= size else inc(value).bind(lambda found: again(found))

    return pure(0).bind(again)


def block(size: int) -> AnyFlow:
    @do
    async def awaiting() -> int:
        value = 0
        for _ in range(size):
            value = await inc(value)
        return value

    return awaiting


def block_of_pure(size: int) -> AnyFlow:
    @do
    async def awaiting() -> int:
        value = 0
        for _ in range(size):
            value = await pure(value + 1)
        return value

    return awaiting


def block_with_context(size: int) -> AnyFlow:
    @do
    async def awaiting() -> int:
        value = 0
        for _ in range(size):
            value = await inc_with_context(value)
        return value

    return awaiting


def loop(size: int) -> AnyFlow:
    return iterate(inc, until=lambda value: value >= size)(0)


def fan_out(size: int) -> AnyFlow:
    return gather(*[inc] * size)(0)


def fan_out_of_pure(size: int) -> AnyFlow:
    return gather(*[inc_pure] * size)(0)


def each_limited(size: int) -> AnyFlow:
    return each(inc, limit=10)(range(size))


def per_element(count: Callable[[AnyFlow], float], make: Make) -> float:
    """Count for a large and a small flow and give the difference by element."""
    return (count(make(LARGE)) - count(make(SMALL))) / (LARGE - SMALL)


# -- calls ------------------------------------------------------------------------------------------------------------


async def running(flow: AnyFlow) -> bool:
    return (await flow.run(state=Tally())).ok


async def tracing(flow: AnyFlow) -> bool:
    return len((await flow.run(state=Tally(), trace=True)).trace) > 0


async def streaming(flow: AnyFlow) -> bool:
    return [item async for item in flow.stream(state=Tally())][-1].ok  # type: ignore[union-attr]


def engine_calls(flow: AnyFlow, *, before: int = 2, run: Callable[[AnyFlow], Awaitable[bool]] = running) -> int:
    """Count the calls of Python functions of the package, and resumptions of its coroutines, in one run.

    By default in the third: the first compiles, and the second keeps what it found about the inputs.
    """
    found: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_globals.get("__name__", "").startswith("mce."):
            found[frame.f_code.co_qualname] += 1

    async def main() -> None:
        for _ in range(before):
            await run(flow)
        profiler = sys.getprofile()
        sys.setprofile(note)
        try:
            ok = await run(flow)
        finally:
            sys.setprofile(profiler)
        assert ok

    asyncio.run(main())
    return found.total()


CALLS = [
    pytest.param(chained(inc), 0.1, id="a step is awaited by the loop itself"),
    pytest.param(chained(inc_pure), 0.1, id="so is a pure one called"),
    pytest.param(chained(lift(add_one)), 0.1, id="and so are functions"),
    pytest.param(chained(inc_with_context), 1.1, id="a context is made"),
    pytest.param(chained(inc_in_state), 14, id="a change is validated"),
    pytest.param(mapped, 0.1, id="map"),
    pytest.param(bound, 0.1, id="bind to a step"),
    pytest.param(bound_to_function, 1.1, id="bind"),
    pytest.param(bound_to_pure, 2.1, id="bind to pure"),
    pytest.param(bound_to_context, 11.1, id="bind to a step with a context, which needs its place"),
    pytest.param(bound_again, 4.1, id="bind in a bind: no turn is compiled"),
    pytest.param(bound_in_closures, 4.1, id="nor with a new function every turn"),
    pytest.param(block, 3.1, id="an await in a do block"),
    pytest.param(block_of_pure, 4.1, id="of a value"),
    pytest.param(block_with_context, 7.1, id="of a step with a context"),
    pytest.param(loop, 1.1, id="a turn of a loop"),
    pytest.param(chained(inc.retry(recurs(1))), 4.1, id="retry"),
    pytest.param(fan_out, 5.1, id="a branch"),
    pytest.param(fan_out_of_pure, 7.1, id="a pure branch"),
    pytest.param(each_limited, 2.1, id="an element"),
]


@pytest.mark.parametrize(("make", "bound"), CALLS)
def test_calls_into_the_engine(make: Make, bound: float) -> None:
    assert per_element(engine_calls, make) <= bound


@pytest.mark.parametrize(
    ("make", "bound"),
    [
        pytest.param(chained(inc), 8.1, id="chain"),
        pytest.param(mapped, 4.1, id="map"),
        pytest.param(bound_to_function, 12.1, id="bind"),
        pytest.param(fan_out, 11.1, id="fan-out"),
    ],
)
def test_calls_to_compile(make: Make, bound: float) -> None:
    """What the first run costs beyond the third, by node."""

    def compiling(flow: AnyFlow) -> int:
        return engine_calls(flow, before=0) - engine_calls(flow)

    assert per_element(compiling, make) <= bound


@pytest.mark.parametrize(
    ("run", "bound"),
    [pytest.param(tracing, 5.1, id="two events a step"), pytest.param(streaming, 9.1, id="and handed over")],
)
def test_calls_for_a_listener(run: Callable[[AnyFlow], Awaitable[bool]], bound: float) -> None:
    def count(flow: AnyFlow) -> int:
        return engine_calls(flow, run=run)

    assert per_element(count, chained(inc)) <= bound


def test_calls_are_counted() -> None:
    """The context of a step is one call of ours."""
    assert per_element(engine_calls, chained(inc_with_context)) >= 1


# -- memory -----------------------------------------------------------------------------------------------------------


def traced(flow: AnyFlow, read: Callable[[], int]) -> int:
    """Give how much more than before a second run of ``flow`` holds, without collecting cyclic garbage."""

    async def main() -> int:
        await flow.run(state=Tally())
        gc.collect()
        gc.disable()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            outcome = await flow.run(state=Tally())
            assert outcome.ok
            return read() - before
        finally:
            tracemalloc.stop()
            gc.enable()

    return asyncio.run(main())


def bytes_at_most(flow: AnyFlow) -> int:
    """Count the bytes that a run holds when it holds most."""
    return traced(flow, lambda: tracemalloc.get_traced_memory()[1])


def bytes_left(flow: AnyFlow) -> int:
    """Count the bytes that are held when a run is over."""
    return traced(flow, lambda: tracemalloc.get_traced_memory()[0])


STEPS = [
    pytest.param(chained(inc), id="chain"),
    pytest.param(chained(inc_with_context), id="with a context"),
    pytest.param(chained(inc_in_state), id="with a change"),
    pytest.param(mapped, id="map"),
    pytest.param(bound_to_function, id="bind"),
    pytest.param(bound_to_pure, id="bind to pure"),
    pytest.param(bound_again, id="bind in a bind"),
    pytest.param(bound_in_closures, id="bind in a bind, with closures"),
    pytest.param(block, id="do block"),
    pytest.param(block_of_pure, id="do block of values"),
    pytest.param(loop, id="loop"),
    pytest.param(chained(inc.retry(recurs(1))), id="retry"),
]


@pytest.mark.parametrize("make", STEPS)
def test_a_finished_step_leaves_nothing(make: Make) -> None:
    """Neither while the run goes on, nor after it, nor as garbage in cycles; no object has 8 bytes."""
    assert per_element(bytes_at_most, make) < 8
    assert per_element(bytes_left, make) < 8


@pytest.mark.parametrize(
    ("make", "bound"),
    [
        pytest.param(fan_out, 1_800, id="a task and its coroutines"),
        pytest.param(fan_out_of_pure, 300, id="a pure branch"),
        pytest.param(each_limited, 400, id="an element that waits its turn"),
    ],
)
def test_memory_of_a_branch(make: Make, bound: int) -> None:
    assert per_element(bytes_at_most, make) <= bound


def test_memory_is_counted() -> None:
    """A branch's value is at least a place in the tuple that the join gives."""
    assert per_element(bytes_at_most, fan_out_of_pure) >= 8


# -- tasks ------------------------------------------------------------------------------------------------------------


class CountingLoop(asyncio.SelectorEventLoop):
    """A loop that counts the tasks that are started in it."""

    tasks = 0

    def create_task(self, *args: Any, **options: Any) -> Any:
        self.tasks += 1
        return super().create_task(*args, **options)


def tasks_of(flow: AnyFlow) -> int:
    """Count the tasks that a run of ``flow`` starts beyond those of a run of one step."""

    def count(flow: AnyFlow) -> int:
        with asyncio.Runner(loop_factory=CountingLoop) as runner:
            assert runner.run(running(flow))
            used = runner.get_loop()
            assert isinstance(used, CountingLoop)
            return used.tasks

    return count(flow) - count(inc(0))


@pytest.mark.parametrize(
    ("flow", "tasks"),
    [
        pytest.param(fan_out(50), 50, id="a task for an async branch"),
        pytest.param(fan_out_of_pure(50), 0, id="none for a pure one"),
        pytest.param(gather(*[lift(add_one)] * 50, inc)(0), 0, id="none if only the last may wait"),
        pytest.param(each(inc)(range(50)), 50, id="a task for an element"),
        pytest.param(each_limited(50), 10, id="as many as may run at once"),
        pytest.param(each(inc, limit=10)(range(4)), 4, id="not more than there are elements"),
        pytest.param(each(inc_pure)(range(50)), 0, id="none for elements of pure"),
        pytest.param(block(50), 0, id="none in a do block"),
        pytest.param(loop(50), 0, id="none in a loop"),
    ],
)
def test_tasks_started(flow: AnyFlow, tasks: int) -> None:
    assert tasks_of(flow) == tasks
