"""Cases of what a run tells: its events and their order, contexts, what steps are given of the run, streams."""

from __future__ import annotations

import functools
import os
from itertools import pairwise
from typing import Any

import anyio
import anyio.lowlevel

from mce.combinators import gather, pure, transact
from mce.context import Context
from mce.errors import TimedOut, UsageError
from mce.events import Emitted, StateChanged, StepFailed, StepFinished, StepRetried, StepStarted
from mce.flow import Flow
from mce.outcome import Outcome
from mce.schedule import recurs
from mce.step import step
from mce.testing.cases.bench import Bench, Cases, Diary, diary, expect, expect_nothing_left, kinds, running_tasks
from mce.testing.cases.parts import Notes, add_one, blow_up, hold, note, read, refuse, refuse_until

__all__ = ["CASES"]

CASES = Cases("events")


@step
async def tells(ctx: Context[Any], count: int) -> int:
    for n in range(count):
        ctx.emit(n)
    return count


@step
def tells_in_a_thread(ctx: Context[Any], count: int) -> int:
    for n in range(count):
        ctx.emit(n)
    return count


@step
async def deps(ctx: Context[Any]) -> Any:
    """Give what the run was given as ``deps``."""
    return ctx.deps


@CASES
def a_step_is_told_from_its_start_to_its_end(bench: Bench) -> None:
    """Events of a call come in order: started, what it emitted and changed, finished or failed."""
    outcome = bench.run(note("a") >> refuse("no"), state=Notes(), trace=True)
    began, changed, ended, *_ = outcome.trace
    expect((type(began), began.step, began.input), (StepStarted, "note", "a"), "the first event")
    expect((type(changed), changed.fields, changed.state), (StateChanged, ("log",), Notes(log=("a",))), "the change")
    expect((type(ended), ended.value), (StepFinished, "a"), "the end")
    expect(kinds(outcome.trace, "refuse"), ["StepStarted", "StepFailed"], "what happened at refuse")
    failed = outcome.trace[-1]
    expect((failed.error, failed.cancelled), ("no", False), "the failure")
    _, defect = bench.breaks(blow_up("x"), ValueError, trace=True)
    expect(defect.path, "blow_up", "the path")


@CASES
def events_have_path_attempt_and_time(bench: Bench) -> None:
    """Every event says where, in which attempt, and when on a clock that does not go back."""
    outcome = bench.run((add_one(1) >> refuse_until(2)).named("agent").retry(recurs(2)), trace=True)
    told = [(type(event).__name__, event.path, event.attempt) for event in outcome.trace]
    wanted = [
        ("StepStarted", "agent/add_one", 1),
        ("StepFinished", "agent/add_one", 1),
        ("StepStarted", "agent/refuse_until", 1),
        ("StepFailed", "agent/refuse_until", 1),
        ("StepRetried", "agent/refuse_until", 1),
        ("StepStarted", "agent/add_one", 2),
        ("StepFinished", "agent/add_one", 2),
        ("StepStarted", "agent/refuse_until", 2),
        ("StepFinished", "agent/refuse_until", 2),
    ]
    expect(told, wanted, "the events")
    expect(all(a.time <= b.time for a, b in pairwise(outcome.trace)), True, "times in order")


@CASES
def what_steps_emit_comes_in_order(bench: Bench) -> None:
    """Values that a step emits, async or in a thread, come in order between its start and its end."""
    outcome = bench.run(gather(tells(3), tells_in_a_thread(3)), trace=True)
    for at, name in enumerate(("tells", "tells_in_a_thread")):
        path = f"gather[{at}]/{name}"
        expect(kinds(outcome.trace, path), ["StepStarted", *["Emitted"] * 3, "StepFinished"], f"events of {name}")
        values = [event.value for event in outcome.trace if isinstance(event, Emitted) and event.path == path]
        expect(values, [0, 1, 2], "what was emitted")


@CASES
def without_a_listener_nothing_is_told(bench: Bench) -> None:
    """A run that nobody listens to has no trace; a watched run gives the same outcome as one that is not."""
    flow = gather(note("a") >> tells(2), refuse_until(2).retry(recurs(2)), note("b"))
    watched, alone = (bench.run(flow, state=Notes(), trace=trace) for trace in (True, False))
    expect((bool(watched.trace), alone.trace), (True, ()), "the traces")
    expect((watched.result, watched.state), (alone.result, alone.state), "result and state of the watched run")


@CASES
def a_cancelled_step_is_told_as_cancelled(bench: Bench) -> None:
    """A step that a deadline stopped has failed, without an error of its own."""
    outcome = bench.fails(hold(30).timeout(0.01), TimedOut(0.01, "hold"), trace=True)
    expect([event.cancelled for event in outcome.trace if isinstance(event, StepFailed)], [True], "cancelled")


@CASES
def a_retry_is_told_with_its_delay(bench: Bench) -> None:
    """``StepRetried`` comes after the failure and before the next attempt."""
    outcome = bench.run(refuse_until(2).retry(recurs(1)), trace=True)
    expect(kinds(outcome.trace, "refuse_until")[1:4], ["StepFailed", "StepRetried", "StepStarted"], "the events")
    expect([event.delay for event in outcome.trace if isinstance(event, StepRetried)], [0.0], "the delay")


@CASES
def the_last_change_that_is_told_is_the_state(bench: Bench) -> None:
    """Whoever follows the changes of a sequence has its state in the end, also after a roll back or a retry."""
    changing = note("a") >> note("b") >> refuse_until(2)
    for flow in (transact(changing), changing.retry(recurs(2)), note("0") >> changing.retry(recurs(0))):
        outcome = bench.run(note("first") >> flow, state=Notes(), trace=True)
        changes = [event.state for event in outcome.trace if isinstance(event, StateChanged)]
        expect(changes[-1], outcome.state, "the last state told")


def made_once(said: Diary) -> tuple[int]:
    """Make a tuple of the process, and say that it was made there."""
    said.append(str(os.getpid()))
    return (os.getpid(),)


@CASES
def deps_are_what_the_caller_passed(bench: Bench) -> None:
    """``deps`` is an object as it is, or what a function, class or coroutine function makes for the steps to share."""

    @step
    async def whose(ctx: Context[Any]) -> tuple[int, int]:
        return ctx.deps[0], id(ctx.deps)

    async def make_async() -> str:
        await anyio.lowlevel.checkpoint()
        return "made"

    for given in (5, None, "text", (1, 2)):
        bench.gives(deps, given, deps=given)
    with diary() as said:
        outcome = bench.run(gather(whose, whose, whose), deps=functools.partial(made_once, said))
        made = [int(line) for line in said.lines]
        expect(len(made), len(set(made)) if bench.remote else 1, "how often it was made")
        owners = sorted(process for process, _ in set(outcome.value))
        expect([made.count(process) for process in owners], [1] * len(owners), "how many share what was made")
        expect(len(owners), len(set(owners)), "in how many processes it was used")
    bench.gives(deps, "made", deps=make_async)
    bench.gives(deps, {}, deps=dict)
    bench.gives(deps, 4, deps=functools.partial(len, "four"))


@CASES
def a_plain_step_is_given_async_deps(bench: Bench) -> None:
    """A flow of plain steps may have ``deps`` that an async factory makes."""

    @step
    def plain(ctx: Context[Any]) -> Any:
        return ctx.deps

    async def make() -> str:
        await anyio.lowlevel.checkpoint()
        return "made"

    bench.gives(plain, "made", deps=make)


@CASES
def a_context_says_where_it_is(bench: Bench) -> None:
    """``ctx.path`` is the path of the call, and ``ctx.log`` a logger of the step."""

    @step
    async def asks(ctx: Context[Any], _: object) -> tuple[str, int, str]:
        return ctx.path, ctx.attempt, ctx.log.logger.name

    flow = gather(asks, asks.named("named") >> asks)
    bench.gives(
        flow,
        (("gather[0]/asks", 1, "mce.step.asks"), ("gather[1]/asks", 1, "mce.step.asks")),
        None,
    )


@CASES
def run_ids_are_the_callers_or_new(bench: Bench) -> None:
    """``run_id`` names the run in every key; without it every run has a new one."""

    @step
    async def key(ctx: Context[Any]) -> str:
        return ctx.idempotency_key

    bench.gives(key, "mine:key", run_id="mine")
    expect(bench.run(key).value == bench.run(key).value, False, "two runs have one id")


@CASES
async def a_stream_ends_in_the_outcome(bench: Bench) -> None:
    """``stream`` yields the events as they come and last the outcome, which is that of ``run``."""
    flow: Flow[Any, Any, Any, Any] = note("a") >> gather(tells(2), tells_in_a_thread(2)) >> read
    items = [item async for item in flow.stream(state=Notes(), backend=bench.make())]
    outcome = items[-1]
    expect(isinstance(outcome, Outcome), True, "an outcome comes last")
    expect(getattr(outcome, "value", None), Notes(log=("a",)), "the value")
    expect(kinds(items[:-1], "gather[1]/tells_in_a_thread").count("Emitted"), 2, "events from a thread")  # type: ignore[arg-type]
    failed = [item async for item in refuse("no").stream(backend=bench.make())]
    expect(getattr(failed[-1], "error", None), "no", "the error")


@CASES
async def a_stream_that_is_left_cancels_its_run(bench: Bench) -> None:
    """Leaving a stream early, or closing it, cancels the run and leaves nothing behind."""
    before = running_tasks()
    stream = (tells(1) >> hold(30)).stream(backend=bench.make())
    async with stream:
        async for event in stream:
            if isinstance(event, Emitted):
                break
    expect_nothing_left(before)
    expect([item async for item in stream], [], "what a closed stream yields")


@CASES
async def a_handle_gives_events_and_the_result(bench: Bench) -> None:
    """``start`` runs in the background; several may wait for the result, and events are kept from the start."""
    handle = (tells(2) >> hold(0.001)).start(backend=bench.make())
    events = handle.events()
    results: list[Any] = []

    async def wait() -> None:
        results.append((await handle.result()).value)

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        group.start_soon(wait)
    seen = [event async for event in events]
    expect(results, [0.001, 0.001], "the results")
    expect(kinds(seen, "tells"), ["StepStarted", "Emitted", "Emitted", "StepFinished"], "the events")
    try:
        pure(1).start(backend=bench.make()).events()
        late = pure(1).start(backend=bench.make())
        await late.result()
        late.events()
    except UsageError as refused:
        expect("stream()" in str(refused), True, "a hint in the message")
    else:
        expect("given", UsageError, "events of a run that was not watched")


@CASES
async def two_may_follow_one_run(bench: Bench) -> None:
    """Of several iterations over the events of a run each event goes to one, and all of them end."""
    handle = (tells(5) >> hold(0.001)).start(backend=bench.make())
    seen: list[Any] = []

    async def follow(events: Any) -> None:
        seen.extend([event async for event in events])

    async with anyio.create_task_group() as group:
        for events in (handle.events(), handle.events()):
            group.start_soon(follow, events)
    expect(len(seen), 9, "events")
