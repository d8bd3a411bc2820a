"""Cases of structured concurrency: nothing outlives its run, and a run that is cancelled runs its finalisers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from mce.combinators import bracket, do, each, ensure, gather, pure, race
from mce.context import Context
from mce.errors import RunCancelled, TimedOut, UsageError
from mce.schedule import recurs, spaced
from mce.step import step
from mce.testing.cases.bench import AnyFlow, Bench, Cases, expect, expect_nothing_left, running_tasks
from mce.testing.cases.parts import hold, refuse, stumble_until

__all__ = ["CASES"]

CASES = Cases("cancelling")


@step
async def says(ctx: Context[Any], text: str) -> str:
    """Append ``text`` to the list that is the run's ``deps``, after having waited."""
    await ctx.sleep(0.001)
    ctx.deps.append(text)
    return text


def released(name: str, body: AnyFlow) -> AnyFlow:
    """``body`` with a finaliser that says ``name``."""
    return ensure(body, says(name))


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Expect that no task is left running which was not there before."""
    before = running_tasks()
    yield
    expect_nothing_left(before)


async def cancelled_after(bench: Bench, flow: AnyFlow, seconds: float) -> list[str]:
    """Run ``flow`` in a scope that is cancelled after ``seconds``, and give what its finalisers said by then."""
    said: list[str] = []
    async with nothing_left():
        with anyio.move_on_after(seconds) as scope:
            await flow.run(backend=bench.make(), deps=said)
        expect(scope.cancelled_caught, True, "that the cancellation came out of the run")
    return said


@CASES
async def cancelling_from_outside_runs_finalisers(bench: Bench) -> None:
    """A run that its caller's scope cancels releases what it holds and raises the cancellation, nothing else."""
    expect(await cancelled_after(bench, released("a", hold(30)), 0.01), ["a"], "what was released")
    nested = released("a", gather(released("b", hold(30)), released("c", hold(30))))
    wanted = ["a", "b"] if bench.sequential else ["a", "b", "c"]
    expect(sorted(await cancelled_after(bench, nested, 0.01)), wanted, "what was released")


@CASES
async def no_policy_stops_a_cancellation_from_outside(bench: Bench) -> None:
    """``recover``, ``retry``, ``timeout`` and races let a cancellation from outside pass."""
    caught = released("a", hold(30)).recover(lambda _: pure(1), on=BaseException)
    for flow in (
        caught.retry(recurs(3)).timeout(20),
        race(caught, caught) if not bench.sequential else race(caught),
        each(caught)([1]),
        stumble_until(9).retry(spaced(30)).recover(lambda _: pure(1), on=BaseException),
    ):
        await cancelled_after(bench, flow, 0.01)


@CASES
async def acquiring_is_waited_for(bench: Bench) -> None:
    """A cancellation from outside waits for what is being acquired and for what is being released."""
    flow: AnyFlow = bracket(hold(0.03) >> says("+"), lambda _: says("use"), lambda _: hold(0.02) >> says("-"))
    expect(await cancelled_after(bench, flow, 0.01), ["+", "-"], "what ran")
    flow = released("-", pure(1)) >> hold(30)
    slow: AnyFlow = bracket(pure(1), lambda _: pure(2), lambda _: hold(0.03) >> says("-")) >> hold(30)
    expect(await cancelled_after(bench, slow, 0.01), ["-"], "what ran")


@CASES
async def a_failing_finaliser_does_not_stop_a_cancellation(bench: Bench) -> None:
    """A release that fails during a cancellation is logged, and the cancellation goes on."""
    flow: AnyFlow = bracket(pure(1), lambda _: hold(30), lambda _: says("-") >> refuse("no"))
    expect(await cancelled_after(bench, released("outer", flow), 0.01), ["-", "outer"], "what ran")


@CASES
async def a_block_is_told_of_a_cancellation(bench: Bench) -> None:
    """``finally`` in a block runs when its run is cancelled, and may await flows within a shield."""

    @do
    async def block() -> None:
        try:
            await hold(30)
        finally:
            with anyio.CancelScope(shield=True):
                await says("finally")

    expect(await cancelled_after(bench, block(), 0.01), ["finally"], "what ran")
    expect(await cancelled_after(bench, gather(block(), hold(30)), 0.01), ["finally"], "what ran")


@CASES
async def a_cancelled_scope_lets_nothing_wait(bench: Bench) -> None:
    """A run that begins in a scope that is cancelled already is cancelled at its first wait."""
    said: list[str] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        await released("a", hold(30)).run(backend=bench.make(), deps=said)
    expect((scope.cancelled_caught, said), (True, ["a"]), "that it was cancelled, and what was released")


@CASES
async def a_run_within_a_step_is_cancelled_with_it(bench: Bench) -> None:
    """A deadline around a step ends the run that the step awaits."""

    @step
    async def nested(ctx: Context[Any]) -> None:
        await released("inner", hold(30)).run(backend=bench.make(), deps=ctx.deps)

    said: list[str] = []
    async with nothing_left():
        outcome = await released("outer", nested).timeout(0.01).run(backend=bench.make(), deps=said)
    expect((outcome.error, said), (TimedOut(0.01, "nested"), ["inner", "outer"]), "error and what was released")


@CASES
async def a_handle_cancels_its_run(bench: Bench) -> None:
    """``cancel`` waits until the finalisers have run, twice as well; the result is then ``RunCancelled``."""
    said: list[str] = []
    async with nothing_left():
        handle = released("a", hold(30)).start(backend=bench.make(), deps=said)
        await anyio.sleep(0.01)
        await handle.cancel()
        await handle.cancel()
    expect((said, handle.done), (["a"], True), "what was released, and whether the run is done")
    for _ in range(2):
        try:
            await handle.result()
        except RunCancelled:
            continue
        expect("a result", RunCancelled, "the result")
    ended = pure(1).start(backend=bench.make())
    expect((await ended.result()).value, 1, "the result of a run that ended")
    await ended.cancel()
    expect((await ended.result()).value, 1, "the result after a cancellation that came too late")


@CASES
async def a_step_may_cancel_its_own_run(bench: Bench) -> None:
    """A step that cancels the run it is part of does not wait for itself; one that asks for its result is told so."""
    handles: list[Any] = []
    said: list[str] = []

    @step
    async def asks_for_the_result() -> None:
        await handles[0].result()

    @step
    async def cancels() -> None:
        await handles[0].cancel()
        await anyio.sleep(30)

    handles.append(asks_for_the_result.start(backend=bench.make()))
    outcome = await handles.pop().result() if handles[0].done else await handles[0].result()
    expect(type(outcome.defect.cause), UsageError, "the defect")
    handles[:] = [released("a", cancels).start(backend=bench.make(), deps=said)]
    try:
        await handles[0].result()
    except RunCancelled:
        expect(said, ["a"], "what was released")
    else:
        expect("a result", RunCancelled, "the result")


@CASES
async def who_waits_for_a_stream_may_be_cancelled(bench: Bench) -> None:
    """Cancelling whoever iterates over a stream cancels the run and waits for its finalisers."""
    said: list[str] = []
    async with nothing_left():
        with anyio.move_on_after(0.01) as scope:
            async for _ in released("a", hold(30)).stream(backend=bench.make(), deps=said):
                pass
    expect((scope.cancelled_caught, said), (True, ["a"]), "that it was cancelled, and what was released")


@CASES
async def a_stream_that_is_dropped_cancels_its_run(bench: Bench) -> None:
    """A stream that nobody holds any more cancels its run."""
    ended = anyio.Event()

    @step
    async def end() -> None:
        ended.set()

    async with nothing_left():
        async for _ in ensure(hold(30), end).stream(backend=bench.make()):
            break
        with anyio.move_on_after(10):
            await ended.wait()
        await anyio.wait_all_tasks_blocked()
    expect(ended.is_set(), True, "that the finaliser ran")


@CASES
async def waiting_for_a_result_may_be_given_up(bench: Bench) -> None:
    """Cancelling whoever waits for a handle's result leaves the run alone."""
    handle = hold(0.02).start(backend=bench.make())
    with anyio.move_on_after(0.001) as scope:
        await handle.result()
    expect((scope.cancelled_caught, handle.done), (True, False), "that the waiting was cancelled, and the run was not")
    expect((await handle.result()).value, 0.02, "the result")


@CASES
async def asyncio_may_cancel_the_task_of_a_run(bench: Bench) -> None:
    """On asyncio, ``Task.cancel()`` and ``asyncio.timeout`` cancel a run as a scope does."""
    if bench.loop != "asyncio":
        return
    said: list[str] = []
    flow = released("a", gather(released("b", hold(30)), hold(30)))
    async with nothing_left():
        task = asyncio.create_task(flow.run(backend=bench.make(), deps=said))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        expect((task.cancelled(), said), (True, ["b", "a"]), "that it was cancelled, and what was released")
        said.clear()
        try:
            async with asyncio.timeout(0.01):
                await flow.run(backend=bench.make(), deps=said)
        except TimeoutError:
            expect(said, ["b", "a"], "what was released")
        else:
            expect("no error", TimeoutError, "what was raised")


@CASES
async def the_loops_own_deadlines_work_in_blocks_and_steps(bench: Bench) -> None:
    """On asyncio, ``asyncio.timeout`` and ``asyncio.TaskGroup`` around a flow, or in a step, mean what they mean."""
    if bench.loop != "asyncio":
        return

    @do
    async def block() -> str:
        try:
            async with asyncio.timeout(0.01):
                await gather(hold(30), hold(30))
        except TimeoutError:
            return "late"
        return "in time"

    @do
    async def failing_child() -> str:
        async def child() -> None:
            await asyncio.sleep(0.001)
            raise KeyError("child")

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
                await gather(hold(30), hold(30))
        except* KeyError:
            pass
        return "caught"

    @step
    async def late() -> None:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(30)

    async with nothing_left():
        for flow, value in ((block(), "late"), (failing_child(), "caught")):
            expect((await flow.run(backend=bench.make())).value, value, "the value")
        outcome = await late.recover(lambda error: pure(type(error)), on=TimeoutError).run(backend=bench.make())
        expect(outcome.value, TimeoutError, "what the step raised")
