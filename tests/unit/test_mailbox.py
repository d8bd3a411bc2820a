"""Events between a run and who follows it: kept in order, waited for by many, put there from any thread."""

from __future__ import annotations

import threading

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from mce import Emitted
from mce.engine.mailbox import Mailbox

pytestmark = pytest.mark.anyio


def event(value: int) -> Emitted:
    return Emitted("step", 1, 0.0, value)


async def test_events_are_kept_in_order_and_what_is_there_is_not_waited_for() -> None:
    box = Mailbox()
    box.put(event(1))
    box.put(event(2))
    assert await box.wait()
    assert list(box.events) == [event(1), event(2)]


async def test_after_the_end_what_was_kept_is_still_there() -> None:
    box = Mailbox()
    box.put(event(1))
    box.close()
    assert await box.wait()
    box.events.clear()
    assert not await box.wait()


async def test_all_who_wait_are_woken_and_each_event_goes_to_one() -> None:
    box, taken = Mailbox(), list[object]()

    async def take() -> None:
        if await box.wait():
            taken.append(box.events.popleft())
        else:
            taken.append("end")

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        box.put(event(1))
        box.put(event(2))
        await anyio.wait_all_tasks_blocked()
        assert taken == [event(1), event(2)]
        box.close()
    assert taken == [event(1), event(2), "end"]


async def test_who_was_cancelled_while_waiting_is_forgotten() -> None:
    box = Mailbox()
    for _ in range(3):
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(box.wait)
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
    assert not box._waiting
    box.put(event(1))
    assert await box.wait()


async def test_a_thread_wakes_who_waits() -> None:
    box, waits = Mailbox(), threading.Event()

    def put() -> None:
        waits.wait(30)
        box.put(event(1))

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, put)
        group.start_soon(box.wait)
        await anyio.lowlevel.checkpoint()
        waits.set()
    assert list(box.events) == [event(1)]


async def test_an_event_that_comes_before_the_waiter_is_seen_is_not_missed() -> None:
    """Another thread puts it there between the look at the events and the wait."""
    box = Mailbox()
    make = box._make_waiter

    def interrupted() -> object:
        box.events.append(event(1))  # by a thread that saw nobody waiting
        return make()

    box._make_waiter = interrupted  # type: ignore[assignment]
    with anyio.fail_after(30):
        assert await box.wait()
