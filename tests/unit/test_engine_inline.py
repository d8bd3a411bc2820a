"""``InlineBackend`` without an event loop: plain steps need none, async ones get one, deadlines hold in both."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, NoReturn

import anyio
import pytest

from mce import Context, Flow, InlineBackend, TimedOut, bracket, do, gather, iterate, lift, pure, sleep, step

INLINE = InlineBackend()
ENDLESS = 30.0


@step
def where() -> tuple[int, bool]:
    """Say in which thread this runs, and whether there is an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return threading.get_ident(), False
    return threading.get_ident(), True


@step
async def hold(seconds: float) -> float:
    await anyio.sleep(seconds)
    return seconds


@step
def holds_later(seconds: float) -> Flow[object, float]:
    """A plain step that continues with an async one, which nobody sees before it runs."""
    return hold(seconds)


@step
def late(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_plain_steps_need_no_loop_and_no_thread() -> None:
    here = (threading.get_ident(), False)
    assert gather(where, where).run_sync(backend=INLINE).value == (here, here)


def test_a_hidden_async_step_gets_a_loop_in_the_middle_of_the_run() -> None:
    seen: list[str] = []

    @step
    def note(ctx: Context[object], text: str) -> None:
        seen.append(text)

    flow = note("before") >> holds_later(0.0) >> where
    assert flow.run_sync(backend=INLINE).value == (threading.get_ident(), True)
    assert seen == ["before"]


@pytest.mark.parametrize(
    "body",
    [
        holds_later(ENDLESS),
        late(0.0) >> sleep(ENDLESS),
        holds_later(0.0) >> sleep(ENDLESS),
        late(0.0) >> step(lambda _: sleep(ENDLESS)(None), name="later"),
        iterate(lift((1).__add__), until=lambda _: False)(0),
    ],
    ids=["hidden", "sleep", "sleep in the loop", "hidden sleep", "nothing waits"],
)
def test_a_deadline_holds_with_and_without_a_loop(body: Flow[object, Any]) -> None:
    outcome = body.timeout(0.01).run_sync(backend=INLINE)
    assert isinstance(outcome.error, TimedOut)


def test_the_nearest_of_several_deadlines_holds() -> None:
    for inner, outer in ((0.01, ENDLESS), (ENDLESS, 0.01)):
        outcome = holds_later(ENDLESS).timeout(inner).timeout(outer).run_sync(backend=INLINE)
        assert outcome.error == TimedOut(0.01, "holds_later/hold")


def test_a_shield_keeps_a_deadline_off() -> None:
    flow = bracket(late(0.02), lambda _: sleep(ENDLESS)(None), lambda _: holds_later(0.02)).timeout(0.01)
    outcome = flow.run_sync(backend=INLINE, trace=True)
    assert isinstance(outcome.error, TimedOut)
    finished = [event.path for event in outcome.trace if type(event).__name__ == "StepFinished"]
    assert [path.rpartition("/")[2] for path in finished] == ["late", "holds_later", "hold"]


@pytest.mark.parametrize("rest", [pure(1), hold(0.0)], ids=["without a loop", "in a loop"])
def test_a_plain_step_that_is_late_has_timed_out(rest: Flow[object, Any]) -> None:
    outcome = (late(0.02) >> rest).timeout(0.01).run_sync(backend=INLINE)
    assert outcome.error == TimedOut(0.01, "late")


def test_a_block_moves_into_a_loop_before_it_awaits() -> None:
    @do
    async def block() -> str:
        await anyio.sleep(0.001)
        return "done"

    assert (late(0.0) >> block).run_sync(backend=INLINE).value == "done"


def test_deps_may_be_made_in_a_loop() -> None:
    @step
    def reads(ctx: Context[object]) -> Any:
        return ctx.deps

    async def make() -> str:
        await anyio.sleep(0.001)
        return "made"

    assert reads.run_sync(backend=INLINE, deps=make).value == "made"


@pytest.mark.parametrize("reason", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_comes_out_of_a_run_without_a_loop(reason: type[BaseException]) -> None:
    @step
    def interrupts() -> NoReturn:
        raise reason

    with pytest.raises(reason):
        interrupts.run_sync(backend=INLINE)
