"""Runs that were started or streamed: events from any thread, interrupts, factories that fail, lost streams."""

from __future__ import annotations

import threading
from typing import NoReturn

import anyio
import anyio.to_thread
import pytest

from mce import Context, Emitted, Outcome, StepStarted, UsageError, ensure, pure, step
from mce.engine.run import prepare

pytestmark = pytest.mark.anyio
ENDLESS = 30.0


@step
async def hold(seconds: float) -> float:
    await anyio.sleep(seconds)
    return seconds


async def wait_for(thread: threading.Thread) -> None:
    await anyio.to_thread.run_sync(thread.join)


async def test_a_step_emits_from_threads_of_its_own() -> None:
    @step
    async def starts_threads(ctx: Context[object]) -> None:
        threads = [threading.Thread(target=ctx.emit, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
            await wait_for(thread)

    events = [event async for event in starts_threads.stream()]
    assert [event.value for event in events if isinstance(event, Emitted)] == [0, 1, 2]


async def test_whoever_waits_for_an_event_is_woken_from_a_thread() -> None:
    go_on = threading.Event()

    @step
    def emits(ctx: Context[object]) -> None:
        go_on.wait(ENDLESS)
        ctx.emit("late")

    stream = emits.stream()
    assert isinstance(await anext(stream), StepStarted)
    go_on.set()
    assert isinstance(await anext(stream), Emitted)
    assert isinstance([item async for item in stream][-1], Outcome)


async def test_a_stream_that_is_lost_in_another_thread_cancels_its_run() -> None:
    released = anyio.Event()

    @step
    async def release() -> None:
        released.set()

    kept = [ensure(hold(ENDLESS), release).stream()]
    await anext(kept[0])
    thread = threading.Thread(target=kept.clear)
    thread.start()
    await wait_for(thread)
    with anyio.fail_after(10):
        await released.wait()


async def test_a_run_whose_deps_cannot_be_made_raises_what_the_factory_raised() -> None:
    def make() -> NoReturn:
        raise ConnectionError("no database")

    async def stream() -> None:
        async for _ in pure(1).stream(deps=make):
            pass

    async def start() -> None:
        await pure(1).start(deps=make).result()

    async def run() -> None:
        await pure(1).run(deps=make)

    for way in (run, start, stream):
        with pytest.raises(ConnectionError, match="no database"):
            await way()


async def test_events_are_asked_for_right_after_the_start() -> None:
    handle_of_an_ended_run = hold(0.0).start()
    await handle_of_an_ended_run.result()
    events = hold(0.0).start().events()
    await anyio.wait_all_tasks_blocked()
    assert [type(event).__name__ async for event in events] == ["StepStarted", "StepFinished"]
    with pytest.raises(UsageError, match="right after start"):
        handle_of_an_ended_run.events()


async def test_a_wrong_call_is_refused_before_anything_starts() -> None:
    before = len(anyio.get_running_tasks())
    with pytest.raises(TypeError):
        pure(1).start(unknown=1)  # type: ignore[call-overload]  # pyright: ignore
    with pytest.raises(UsageError, match="await flow.run"):
        pure(1).run_sync()
    assert len(anyio.get_running_tasks()) == before


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_an_interrupt_in_a_started_run_reaches_its_caller(loop: str) -> None:
    @step
    async def interrupts() -> NoReturn:
        raise KeyboardInterrupt

    async def main() -> None:
        await interrupts.start().result()

    with pytest.raises(KeyboardInterrupt):
        anyio.run(main, backend=loop)


async def test_what_a_listener_raises_is_a_defect_of_the_step_it_was_told_of() -> None:
    def broken(event: object) -> None:
        raise ZeroDivisionError("listener")

    prepared = prepare(hold(0.0), None, None, listener=broken)
    outcome = await prepared.run(prepared.backend)
    assert outcome.where is not None
    assert outcome.where.path == "hold"
    assert isinstance(outcome.defect and outcome.defect.cause, ZeroDivisionError)
