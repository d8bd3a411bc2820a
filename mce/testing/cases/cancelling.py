"""Cases of structured concurrency: nothing outlives its run, and a run that is cancelled runs its finalisers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from mce.backends.local import LocalBackend
from mce.combinators import bracket, do, each, ensure, gather, pure, race
from mce.context import Context
from mce.errors import RunCancelled, TimedOut, UsageError
from mce.events import StepStarted
from mce.schedule import recurs, spaced
from mce.step import step
from mce.testing.cases.bench import (
    AnyFlow,
    Bench,
    Cases,
    Diary,
    diary,
    expect,
    expect_among,
    expect_nothing_left,
    running_tasks,
)
from mce.testing.cases.parts import hold, refuse, stumble_until

__all__ = ["CASES"]

CASES = Cases("cancelling")


@step
async def says(ctx: Context[Any], text: str) -> str:
    """Append ``text`` to the diary that is the run's ``deps``, after having waited."""
    await ctx.sleep(0.001)
    ctx.deps.append(text)
    return text


@step
async def waits_for(ctx: Context[Any], text: str) -> None:
    """Wait until somebody has said ``text``."""
    await ctx.deps.wait_for(text)


HOLDS: AnyFlow = says("begun") >> hold(30)


def released(name: str, body: AnyFlow) -> AnyFlow:
    """``body`` with a finaliser that says ``name``."""
    return ensure(body, says(name))


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Expect that no task is left running which was not there before."""
    before = running_tasks()
    yield
    expect_nothing_left(before)


async def cancelled(bench: Bench, flow: AnyFlow, *, held: int = 1) -> list[str]:
    """Run ``flow`` in a scope that is cancelled when ``held`` steps have ``begun``, and give what was said after that.

    Steps that wait for it are told that the scope is ``cancelled``.
    """
    scope = anyio.CancelScope()
    with diary() as said:

        async def cancel() -> None:
            await said.wait_for("begun", times=held)
            scope.cancel()
            said.append("cancelled")

        async with nothing_left(), anyio.create_task_group() as group:
            with scope:
                group.start_soon(cancel)
                await flow.run(backend=bench.make(), deps=said)
            group.cancel_scope.cancel()
        expect(scope.cancelled_caught, True, "that the cancellation came out of the run")
        return [line for line in said.lines if line not in ("begun", "cancelled")]


@CASES
async def cancelling_from_outside_runs_finalisers(bench: Bench) -> None:
    """A run that its caller's scope cancels releases what it holds and raises the cancellation, nothing else."""
    expect(await cancelled(bench, released("a", HOLDS)), ["a"], "what was released")
    nested = released("a", gather(released("b", HOLDS), released("c", HOLDS)))
    both = 1 if bench.sequential else 2
    said = await cancelled(bench, nested, held=both)
    expect((sorted(said), said[-1]), (["a", "b", "c"][: both + 1], "a"), "what was released, and what last")


@CASES
async def no_policy_stops_a_cancellation_from_outside(bench: Bench) -> None:
    """``recover``, ``retry``, ``timeout`` and races let a cancellation from outside pass."""
    caught = released("a", HOLDS).recover(lambda _: pure(1), on=BaseException)
    stumbling = says("begun") >> stumble_until(9)
    for flow in (
        caught.retry(recurs(3)).timeout(20),
        race(caught, caught) if not bench.sequential else race(caught),
        each(caught)([1]),
        stumbling.retry(spaced(30)).recover(lambda _: pure(1), on=BaseException),
    ):
        await cancelled(bench, flow)


@CASES
async def acquiring_is_waited_for(bench: Bench) -> None:
    """A cancellation from outside waits for what is being acquired and for what is being released."""
    acquires = says("begun") >> waits_for("cancelled") >> hold(0.02) >> says("+")
    flow: AnyFlow = bracket(acquires, lambda _: hold(30) >> says("use"), lambda _: hold(0.02) >> says("-"))
    expect(await cancelled(bench, flow), ["+", "-"], "what ran")
    releases = says("begun") >> waits_for("cancelled") >> hold(0.02) >> says("-")
    flow = bracket(pure(1), lambda _: pure(2), lambda _: releases) >> hold(30)
    expect(await cancelled(bench, flow), ["-"], "what ran")


@CASES
async def a_failing_finaliser_does_not_stop_a_cancellation(bench: Bench) -> None:
    """A release that fails during a cancellation is logged, and the cancellation goes on."""
    flow: AnyFlow = bracket(pure(1), lambda _: HOLDS, lambda _: says("-") >> refuse("no"))
    expect(await cancelled(bench, released("outer", flow)), ["-", "outer"], "what ran")


@CASES
async def a_block_is_told_of_a_cancellation(bench: Bench) -> None:
    """``finally`` in a block runs when its run is cancelled, and may await flows within a shield."""

    @do
    async def block() -> None:
        try:
            await HOLDS
        finally:
            with anyio.CancelScope(shield=True):
                await says("finally")

    expect(await cancelled(bench, block()), ["finally"], "what ran")
    expect(await cancelled(bench, gather(block(), hold(30))), ["finally"], "what ran")


@CASES
async def a_cancelled_scope_lets_nothing_wait(bench: Bench) -> None:
    """A run that begins in a scope that is cancelled already is cancelled at its first wait."""
    with diary() as said:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await released("a", hold(30)).run(backend=bench.make(), deps=said)
        expect(scope.cancelled_caught, True, "that it was cancelled")
        wanted = [["a"], []] if bench.remote else [["a"]]  # a run in another process may not even have begun
        expect_among(said.lines, wanted, "what was released")


@CASES
async def a_run_within_a_step_is_cancelled_with_it(bench: Bench) -> None:
    """A deadline around a step ends the run that the step awaits."""
    make = LocalBackend if bench.remote else bench.make

    @step
    async def nested(ctx: Context[Any]) -> None:
        await released("inner", hold(30)).run(backend=make(), deps=ctx.deps)

    with diary() as said:
        async with nothing_left():
            outcome = await released("outer", nested).timeout(0.01).run(backend=bench.make(), deps=said)
        wanted = TimedOut(0.01, "nested"), ["inner", "outer"]
        expect((outcome.error, said.lines), wanted, "error and what was released")


@CASES
async def a_handle_cancels_its_run(bench: Bench) -> None:
    """``cancel`` waits until the finalisers have run, twice as well; the result is then ``RunCancelled``."""
    with diary() as said:
        async with nothing_left():
            handle = released("a", HOLDS).start(backend=bench.make(), deps=said)
            await said.wait_for("begun")
            await handle.cancel()
            await handle.cancel()
        expect((said.lines, handle.done), (["begun", "a"], True), "what was said, and whether the run is done")
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


@CASES.needing("one process")
async def a_step_may_cancel_its_own_run(bench: Bench) -> None:
    """A step that cancels the run it is part of does not wait for itself; one that asks for its result is told so."""
    handles: list[Any] = []

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
    with diary() as said:
        handles[:] = [released("a", cancels).start(backend=bench.make(), deps=said)]
        try:
            await handles[0].result()
        except RunCancelled:
            expect(said.lines, ["a"], "what was released")
        else:
            expect("a result", RunCancelled, "the result")


@CASES
async def who_waits_for_a_stream_may_be_cancelled(bench: Bench) -> None:
    """Cancelling whoever iterates over a stream cancels the run and waits for its finalisers."""
    with diary() as said:
        async with nothing_left():
            with anyio.CancelScope() as scope:
                async for event in released("a", HOLDS).stream(backend=bench.make(), deps=said):
                    if isinstance(event, StepStarted) and event.step == "hold":
                        scope.cancel()
        wanted = True, ["begun", "a"]
        expect((scope.cancelled_caught, said.lines), wanted, "that it was cancelled, and what was said")


@CASES
async def a_stream_that_is_dropped_cancels_its_run(bench: Bench) -> None:
    """A stream that nobody holds any more cancels its run."""
    before = running_tasks()
    with diary() as said:
        async for _ in released("ended", hold(30)).stream(backend=bench.make(), deps=said):
            break
        with anyio.move_on_after(10):
            while running_tasks() - before:  # noqa: ASYNC110 - nobody is left to tell
                await anyio.sleep(0.001)
        expect_nothing_left(before)
        expect(said.lines, ["ended"], "what the finaliser said")


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

    async def end_when_begun(deadline: asyncio.Timeout, said: Diary) -> None:
        await said.wait_for("begun")
        deadline.reschedule(asyncio.get_running_loop().time())

    flow = released("a", gather(released("b", HOLDS), hold(30)))
    with diary() as said:
        async with nothing_left():
            task = asyncio.create_task(flow.run(backend=bench.make(), deps=said))
            await said.wait_for("begun")
            task.cancel()
            await asyncio.wait([task])
        expect((task.cancelled(), said.lines), (True, ["begun", "b", "a"]), "that it was cancelled, and what was said")
    with diary() as said:
        async with nothing_left():
            deadline = asyncio.timeout(30)
            watch = asyncio.create_task(end_when_begun(deadline, said))
            try:
                async with deadline:
                    await flow.run(backend=bench.make(), deps=said)
            except TimeoutError:
                expect(said.lines, ["begun", "b", "a"], "what was said")
            else:
                expect("no error", TimeoutError, "what was raised")
            await watch


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
