"""Running: with and without an input and a state, and what the outcome holds."""

from __future__ import annotations

from typing import Any, Never, assert_type

from mce import (
    Defect,
    Flow,
    InlineBackend,
    LocalBackend,
    Outcome,
    Result,
    fail,
    pure,
)
from mce.engine.handle import Handle, Stream
from mce.events import Event
from tests.types.vocabulary import Memory, NoFile, NoPlan, Notes, answer, length, log, now, plan, read, recall, upper


def run_plainly() -> None:
    assert_type(length("four").run_sync(), Outcome[int, Never, None])
    assert_type(now.run_sync(), Outcome[float, Never, None])
    assert_type(length.run_sync("four"), Outcome[int, Never, None])
    assert_type(read.run_sync("a.txt"), Outcome[bytes, NoFile, None])
    assert_type(plan("why?").run_sync(state=Notes()), Outcome[int, NoPlan, Notes])
    assert_type(plan.run_sync("why?", state=Notes()), Outcome[int, NoPlan, Notes])
    assert_type(log.run_sync("line"), Outcome[None, Never, None])
    assert_type(fail("no").run_sync(), Outcome[Never, str, None])

    # a flow that asks nothing of the state takes any, and ends in it; one that asks for less takes more
    assert_type(length("four").run_sync(state=Notes()), Outcome[int, Never, Notes])
    assert_type(length.run_sync("four", state=3), Outcome[int, Never, int])
    assert_type(answer.run_sync("why?", state=Notes()), Outcome[str, object, Notes])
    assert_type(answer.run_sync("why?"), Outcome[str, object, None])
    assert_type(recall.run_sync("fact", state=Notes()), Outcome[bool, Never, Memory])

    # None is an input and a state like any other
    nothing: Flow[None, int, Never, None] = pure(3)
    assert_type(nothing.run_sync(None), Outcome[int, Never, None])
    assert_type(nothing.run_sync(state=None), Outcome[int, Never, None])
    assert_type(pure(3).run_sync(None), Outcome[int, Never, None])


def run_with_options() -> None:
    assert_type(
        plan.run_sync("why?", state=Notes(), deps={"key": "value"}, backend=InlineBackend(), run_id="r1", trace=True),
        Outcome[int, NoPlan, Notes],
    )
    assert_type(now.run_sync(backend=LocalBackend(loop="trio"), validate=True), Outcome[float, Never, None])


async def run_in_a_loop() -> None:
    assert_type(await length("four").run(), Outcome[int, Never, None])
    assert_type(await length.run("four"), Outcome[int, Never, None])
    assert_type(await plan("why?").run(state=Notes()), Outcome[int, NoPlan, Notes])
    assert_type(await plan.run("why?", state=Notes(), trace=True), Outcome[int, NoPlan, Notes])
    assert_type(await length("four").run(state=Notes()), Outcome[int, Never, Notes])
    assert_type(await length.run("four", state=Notes()), Outcome[int, Never, Notes])


async def stream_events() -> None:
    assert_type(upper("four").stream(), Stream[str, Never, None])
    assert_type(upper.stream("four"), Stream[str, Never, None])
    assert_type(plan("why?").stream(state=Notes()), Stream[int, NoPlan, Notes])
    assert_type(upper.stream("four", state=Notes()), Stream[str, Never, Notes])
    assert_type(upper("four").stream(state=Notes()), Stream[str, Never, Notes])
    async with plan.stream("why?", state=Notes(), trace=True) as events:
        async for item in events:
            assert_type(item, Event | Outcome[int, NoPlan, Notes])
            if isinstance(item, Outcome):
                assert_type(item.state, Notes)


async def start_and_wait() -> None:
    assert_type(upper("four").start(), Handle[str, Never, None])
    assert_type(upper.start("four"), Handle[str, Never, None])
    assert_type(plan("why?").start(state=Notes()), Handle[int, NoPlan, Notes])
    assert_type(upper("four").start(state=Notes()), Handle[str, Never, Notes])
    assert_type(upper.start("four", state=Notes()), Handle[str, Never, Notes])
    handle = plan.start("why?", state=Notes())
    async for event in handle.events():
        assert_type(event, Event)
    assert_type(await handle.result(), Outcome[int, NoPlan, Notes])
    await handle.cancel()


def look(outcome: Outcome[int, NoPlan, Notes]) -> str:
    assert_type(outcome.result, Result[int, NoPlan])
    assert_type(outcome.state, Notes)
    assert_type(outcome.value, int)
    assert_type(outcome.unwrap(), int)
    assert_type(outcome.error, NoPlan | None)
    assert_type(outcome.defect, Defect | None)
    assert_type(outcome.ok, bool)
    assert_type(outcome.state.count, int)
    if outcome.error is not None:
        return outcome.error.reason
    return outcome.where.path if outcome.where is not None else str(outcome.value)


def look_at_one_that_cannot_fail(outcome: Outcome[int, Never, None]) -> None:
    assert_type(outcome.error, None)
    assert_type(outcome.result, Result[int, Never])
    assert_type(outcome.state, None)


def widen(outcome: Outcome[int, NoPlan, Notes]) -> Outcome[object, NoPlan | NoFile, Memory]:
    return outcome


def unknown(flow: Flow[Any, Any, Any, Any]) -> Outcome[Any, Any, Any]:
    return flow.run_sync(3, state=Notes())
