"""A deadlock in simulated time names who waits, for what, and who holds it."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import anyio
import pytest

from mce import Context, Deadlock, Flow, Limit, SimulatedBackend, cached, each, gather, limit, pure, sleep, step


def reasons(flow: Flow[Any, Any, Any, Any], **options: Any) -> list[str]:
    with pytest.raises(Deadlock) as caught:
        flow.run_sync(backend=SimulatedBackend(**options))
    return list(caught.value.reasons)


def test_two_limits_taken_in_opposite_orders() -> None:
    db, api = Limit("db", 1), Limit("api", 1)
    one = limit(sleep(1) >> limit(pure(1), api), db)
    other = limit(sleep(1) >> limit(pure(2), db), api)
    assert reasons(gather(one, other).named("agent")) == [
        "agent/gather[0]/limit(api) waits for Limit 'api', held by agent/gather[1]/limit(db)",
        "agent/gather[1]/limit(db) waits for Limit 'db', held by agent/gather[0]/limit(api)",
    ]


def test_limits_that_steps_declare() -> None:
    @step(limit=Limit("db", 1))
    async def read(n: int) -> int:
        return n

    @step(limit=Limit("api", 1))
    async def fetch(n: int) -> int:
        return n

    flow = gather(limit(sleep(1) >> fetch, Limit("db", 1))(1), limit(sleep(1) >> read, Limit("api", 1))(1))
    found = reasons(flow)
    assert "waits for Limit 'api', held by gather[1]" in found[0]
    assert "waits for Limit 'db', held by gather[0]" in found[1]


def test_every_holder_of_a_limit_is_named() -> None:
    db, api = Limit("db", 2), Limit("api", 1)
    holder = limit(sleep(1) >> limit(pure(1), api), db)
    found = reasons(gather(holder, holder, limit(sleep(5) >> limit(pure(1), db), api)))
    assert found[-1].endswith("held by gather[0]/limit(api) and gather[1]/limit(api)")


def test_of_many_holders_a_few_are_named() -> None:
    @step
    async def hang(_: int) -> None:
        await anyio.Event().wait()

    holders = each(limit(hang, Limit("db", 8)))(range(8))
    found = reasons(gather(holders, sleep(1) >> limit(pure(1), Limit("db", 8))))
    assert found[-1] == "gather[1]/limit(db) waits for Limit 'db', held by " + " and ".join(
        [*(f"gather[0]/each[{n}]/hang" for n in range(5)), "3 more"]
    )


def test_a_cached_value_that_another_branch_computes() -> None:
    @step
    async def measure(n: int) -> int:
        return n

    db = Limit("db", 1)
    asked = cached(sleep(1) >> limit(measure, db))
    assert reasons(gather(asked(1), sleep(0.5) >> limit(asked(1), db))) == [
        "gather[0]/limit(db) waits for Limit 'db', held by gather[1]/cached",
        "gather[1]/cached waits for a cached value, held by gather[0]/limit(db)",
    ]


def test_locks_of_ones_own_with_the_line_that_waits() -> None:
    first, second = anyio.Lock(), anyio.Lock()

    @step
    async def take(order: tuple[anyio.Lock, anyio.Lock]) -> None:
        async with order[0]:
            await anyio.sleep(1)
            async with order[1]:
                pass

    line = take.__wrapped__.__code__.co_firstlineno + 4
    place = f"take, test_simulated_deadlocks.py line {line}"
    assert reasons(gather(take((first, second)), take((second, first))).named("agent")) == [
        f"agent/gather[0]/take waits for a Lock ({place}), held by agent/gather[1]",
        f"agent/gather[1]/take waits for a Lock ({place}), held by agent/gather[0]",
    ]


@pytest.mark.parametrize(
    ("waited", "called"),
    [
        (lambda: anyio.Event().wait(), "an Event"),
        (lambda: asyncio.Event().wait(), "an Event"),
        (lambda: asyncio.Queue[int]().get(), "a Queue"),
        (lambda: anyio.Semaphore(0).acquire(), "a Semaphore"),
        (lambda: asyncio.get_running_loop().create_future(), "what nothing brings"),
    ],
)
def test_what_a_step_awaits(waited: Any, called: str) -> None:
    @step
    async def hang() -> None:
        await waited()

    assert [reason.partition(" (")[0] for reason in reasons(hang)] == [f"hang waits for {called}"]


def test_workers() -> None:
    opened = anyio.Event()

    @step
    async def wait() -> None:
        await opened.wait()

    @step
    async def opens() -> None:
        opened.set()

    found = reasons(gather(wait, sleep(1) >> opens), workers=1, pick=lambda _: 0)
    assert found[1] == "gather[1]/sleep waits for a worker, held by gather[0]/wait"


def test_a_resource() -> None:
    @step(resources={"GPU": 1})
    async def wait(_: int) -> None:
        await anyio.Event().wait()

    found = reasons(each(wait)(range(2)), resources={"GPU": 1}, workers=5, pick=lambda _: 0)
    assert found[1] == "each[1]/wait waits for 'GPU', held by each[0]/wait"


def test_tasks_that_wait_for_their_own_tasks_are_named_and_give_no_reason() -> None:
    @step
    async def hang(ctx: Context[object]) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.Event().wait, name="inner")

    with pytest.raises(Deadlock) as caught:
        gather(hang, sleep(1)).run_sync(backend=SimulatedBackend())
    assert len(caught.value.reasons) == 1
    assert caught.value.reasons[0].startswith("inner waits for an Event")
    assert {"inner", "gather[0]"} <= set(caught.value.waiting)


def test_the_message_has_a_line_each_and_not_too_many() -> None:
    @step
    async def hang(_: int) -> None:
        await anyio.Event().wait()

    with pytest.raises(Deadlock) as caught:
        each(hang).run_sync(range(30), backend=SimulatedBackend())
    lines = str(caught.value).splitlines()
    assert lines[0] == "nothing can go on, and no timer is due:"
    assert lines[1].startswith("  each[0]/hang waits for an Event (hang, test_simulated_deadlocks.py line")
    assert lines[-1] == "  and others; 31 tasks wait"
    assert len(lines) == 22


def test_a_deadlock_without_reasons_names_who_waits() -> None:
    assert str(Deadlock(("a", "b"))) == "nothing can go on: a, b wait, and no timer is due"


def test_a_deadlock_crosses_process_borders_with_its_reasons() -> None:
    found = Deadlock(("a",), ("a waits for a Lock",))
    copy = pickle.loads(pickle.dumps(found))
    assert copy == found
    assert copy.reasons == found.reasons
