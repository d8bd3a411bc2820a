"""Cases of ``do`` blocks, async and as generators: values, failures, ``try`` and ``finally``, other awaits, paths."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any, NoReturn

import anyio
import anyio.lowlevel
from returns.result import Failure, Success

from mce.combinators import do, fail, gather, get, iterate, modify, pure, put, settle
from mce.errors import Failed, StateConflict, TimedOut, UsageError
from mce.outcome import Place
from mce.schedule import recurs
from mce.step import step
from mce.testing.cases.bench import AnyFlow, Bench, Cases, calls, expect, expect_among, kinds
from mce.testing.cases.parts import Notes, Refused, add_one, blow_up, hold, note, refuse, refuse_until, write

__all__ = ["CASES"]

CASES = Cases("blocks")

Block = Generator[Any, Any, Any]


@do
async def awaits(flow: AnyFlow) -> Any:
    """Give the value of ``flow``."""
    return await flow


@do
def yields(flow: AnyFlow) -> Block:
    """The same in the form of a generator."""
    return (yield from flow)


BOTH = (awaits, yields)


@CASES
def a_block_gives_what_it_returns(bench: Bench) -> None:
    """``await flow`` gives the flow's value, and the block's own return is its value, whatever it is."""

    @do
    async def adds(n: int, *, times: int = 2) -> int:
        for _ in range(times):
            n = await add_one(n)
        return n

    @do
    def adds_too(n: int, *, times: int = 2) -> Block:
        for _ in range(times):
            n = yield from add_one(n)
        return n

    for counts in (adds, adds_too):
        bench.gives(counts, 3, 1)
        bench.gives(pure(1) >> counts >> counts, 5)
        bench.gives(counts(1, times=0), 1)
        bench.gives(counts(1, times=700), 701)
    for block in BOTH:
        for value in (None, Success(1), Failure("no"), ()):
            bench.gives(block(pure(value)), value)


@CASES
def a_block_awaits_every_kind_of_flow(bench: Bench) -> None:
    """What a block awaits may be a step, a sequence, a join, a loop, a policy or a block."""
    flows = (
        (add_one(1), 2),
        (add_one(1) >> add_one, 3),
        (gather(add_one(1), hold(0)), (2, 0)),
        (iterate(add_one, until=lambda n: n > 3)(0), 4),
        (refuse_until(2).retry(recurs(3)), 2),
        (awaits(yields(pure(1))), 1),
        (pure(1).bind(lambda n: pure(n + 1)), 2),
    )
    for block in BOTH:
        for flow, value in flows:
            bench.gives(block(flow), value)


@CASES
def a_failure_is_raised_where_it_is_awaited(bench: Bench) -> None:
    """The error itself is raised if it is an exception, the cause of a defect, else ``Failed(error)``."""

    @do
    async def catches(flow: AnyFlow) -> Any:
        try:
            return await flow
        except Exception as error:
            return error

    @do
    def catches_too(flow: AnyFlow) -> Block:
        try:
            return (yield from flow)
        except Exception as error:
            return error

    for block in (catches, catches_too):
        bench.gives(block(refuse("no")), Failed("no"))
        bench.gives(block(fail(None)), Failed(None))
        for flow, kind in ((fail(Refused(1)), Refused), (blow_up("x"), ValueError), (refuse_until(9), Refused)):
            expect(type(bench.run(block(flow)).value), kind, "what was raised")
            expect(type(bench.run(block(flow), trace=True).value), kind, "what was raised in a watched run")
        conflict = bench.run(block(gather(write({"n": 1}), write({"n": 2}))), state=Notes()).value
        expect(type(conflict), StateConflict, "what was raised")
        bench.gives(block(hold(30).timeout(0.01)), TimedOut(0.01, f"{block.__name__}#0/hold"))


@CASES
def a_failure_that_leaves_the_block_is_the_same_failure(bench: Bench) -> None:
    """What passes through a block keeps its error, its kind and its place."""
    for block in BOTH:
        outcome = bench.fails(block(refuse("no")).named("agent"), "no")
        expect(outcome.where, Place(f"agent/{block.__name__}#0/refuse"), "the place")
        outcome, defect = bench.breaks(block(blow_up("x")), ValueError)
        expect(defect.path, f"{block.__name__}#0/blow_up", "the path")
        bench.gives(block(refuse("no")).recover(pure), "no")
        bench.breaks(block(blow_up("x")).recover(pure), ValueError)


@CASES
def of_equal_failures_the_last_counts(bench: Bench) -> None:
    """The same exception object may fail twice; the place is that of the failure which left the block."""
    error = Refused("again")

    @do
    async def twice() -> None:
        try:
            await fail(error)
        except Refused:
            await add_one(1)
        await fail(error)

    expect(bench.fails(twice, error).where, Place("twice#2/fail"), "the place")


@CASES
def what_a_block_raises_itself_is_its_own_defect(bench: Bench) -> None:
    """An exception of the block's own is a defect at the block, with its cause kept; ``Failed`` is a failure."""

    @do
    async def wraps() -> NoReturn:
        try:
            await blow_up("inner")
        except ValueError as error:
            raise KeyError("outer") from error
        raise AssertionError

    @do
    async def raises_failed() -> None:
        await add_one(1)
        raise Failed("no")

    outcome, defect = bench.breaks(wraps, KeyError)
    expect((defect.path, outcome.where), ("wraps", Place("wraps")), "path and place")
    expect("inner" in defect.traceback, True, "the cause of the cause in the traceback")
    if not bench.remote:  # an exception goes to another process without what it was raised from
        expect(type(defect.cause.__cause__), ValueError, "the cause of the cause")
    bench.fails(raises_failed, "no")


@CASES
def finally_means_finally(bench: Bench) -> None:
    """``finally`` runs on success, failure and deadline, and may await flows."""

    @do
    async def guarded(flow: AnyFlow) -> Any:
        try:
            return await flow
        finally:
            with anyio.CancelScope(shield=True):
                await note("done")

    @do
    def guarded_too(flow: AnyFlow) -> Block:
        try:
            return (yield from flow)
        finally:
            yield from note("done")

    for block in (guarded, guarded_too):
        for flow in (pure(1), refuse("no"), blow_up("x"), hold(30).timeout(0.01)):
            expect(bench.run(block(flow), state=Notes()).state.log, ("done",), "the log")
        late = bench.run(block(hold(30)).timeout(0.01), state=Notes())
        expect((type(late.error), late.state.log), (TimedOut, ("done",)), "error and log after a deadline")


@CASES
def a_block_reads_and_changes_the_state(bench: Bench) -> None:
    """State is read and changed by awaiting ``get``, ``put``, ``modify`` and steps; a failure keeps it."""

    @do
    async def counts(steps: int) -> int:
        for _ in range(steps):
            await modify(lambda n: n + 1)
        await put(await get() * 10)
        found: int = await get()
        return found

    expect(bench.gives(counts(3), 40, state=1).state, 40, "the state")
    expect(bench.fails(awaits(put(5) >> fail("no")), "no", state=1).state, 5, "the state at the failure")
    expect(bench.run(gather(awaits(note("a")), yields(note("b"))), state=Notes()).state.log, ("a", "b"), "the log")


@CASES
def a_block_awaits_the_event_loop_too(bench: Bench) -> None:
    """Every other ``await`` works as in any coroutine: sleeps, task groups, cancel scopes around flows."""

    @do
    async def mixed() -> Any:
        found: list[Any] = [await add_one(1)]
        await anyio.lowlevel.checkpoint()
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0)
            found.append(await add_one(2))
        with anyio.move_on_after(0.01) as scope:
            await gather(hold(30), hold(30))
        found.append(scope.cancelled_caught)
        found.append(await gather(add_one(3), add_one(4)))
        return found

    bench.gives(mixed, [2, 3, True, (4, 5)])
    bench.gives(gather(mixed, mixed), ([2, 3, True, (4, 5)], [2, 3, True, (4, 5)]))


@CASES
def a_flow_is_awaited_by_the_block_itself(bench: Bench) -> None:
    """A child task of a block cannot await flows, and is told so."""

    @do
    async def delegates() -> None:
        async def child() -> None:
            await add_one(1)

        async with anyio.create_task_group() as group:
            group.start_soon(child)

    _, defect = bench.breaks(delegates, ExceptionGroup)
    group: Any = defect.cause
    expect([type(error) for error in group.exceptions], [UsageError], "the errors in the group")


@CASES
def a_generator_yields_flows_only(bench: Bench) -> None:
    """What a generator yields that is no flow is an error that says what to write."""

    @do
    def wrong() -> Block:
        yield 5

    _, defect = bench.breaks(wrong, UsageError)
    expect("yield from" in str(defect), True, "a hint in the message")


@CASES
def the_flows_of_a_block_are_numbered(bench: Bench) -> None:
    """The k-th flow that a block awaits has ``#k`` in its path, from 0."""

    @do
    async def three() -> None:
        await add_one(1)
        await (add_one(1) >> add_one)
        await gather(add_one(1), pure(2)).named("both")

    outcome = bench.run(three, trace=True)
    begun = [event.path for event in outcome.trace if hasattr(event, "input")]
    wanted = ["three#0/add_one", "three#1/add_one", "three#1/add_one:2", "three#2/both/gather[0]/add_one"]
    expect(begun, wanted, "the paths")


@CASES
def a_retried_block_runs_from_its_start(bench: Bench) -> None:
    """``retry`` runs the whole block again."""

    @do
    async def block() -> int:
        await add_one(1)
        return await refuse_until(3)

    outcome = bench.gives(block.retry(recurs(5)), 3, trace=True)
    expect(calls(outcome, "add_one"), 3, "calls")
    expect(kinds(outcome.trace, "block#0/add_one"), ["StepStarted", "StepFinished"] * 3, "what happened")


@CASES.needing("real time")
def a_block_notices_a_deadline_where_nothing_waits(bench: Bench) -> None:
    """A block whose flows never wait notices a deadline all the same."""

    @do
    async def endless() -> NoReturn:
        while True:
            await add_one(1)

    @do
    def endless_too() -> Block:
        while True:
            yield from add_one(1)

    for block in (endless, endless_too):
        outcome = bench.run(block.timeout(0.01))
        expect(type(outcome.error), TimedOut, "the error")
        path = outcome.where.path if outcome.where else ""
        expect_among(path.partition("#")[0], (block.__name__,), "the block in the path")


@CASES
def a_block_may_swallow_a_cancellation(bench: Bench) -> None:
    """A block that catches the cancellation and returns has won against its deadline."""

    @do
    async def swallows() -> str:
        try:
            await hold(30)
        except BaseException:
            return "swallowed"
        return "not cancelled"

    bench.gives(swallows.timeout(0.01), "swallowed")


@CASES
def a_cancellation_that_nobody_sent_is_an_error_in_a_block(bench: Bench) -> None:
    """A step that raises ``CancelledError`` of its own fails in a block as it does elsewhere, watched or not."""

    @step
    async def raises() -> None:
        raise asyncio.CancelledError

    @do
    async def catches() -> str:
        try:
            await raises()
        except Exception as error:
            return type(error).__name__
        return "nothing"

    for trace in (False, True):
        bench.gives(catches, "RuntimeError", trace=trace)


@CASES
def blocks_nest_in_joins(bench: Bench) -> None:
    """Blocks run in branches, and fail there as any flow does."""
    flow = settle(awaits(refuse("no")), yields(pure(1)), awaits(awaits(pure(2))))
    bench.gives(flow, (Failure("no"), Success(1), Success(2)))
    outcome = bench.fails(gather(pure(1), awaits(gather(pure(2), yields(refuse("no"))))), "no")
    expect(outcome.where and outcome.where.path, "gather[1]/awaits#0/gather[1]/yields#0/refuse", "the path")
