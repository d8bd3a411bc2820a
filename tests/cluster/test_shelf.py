"""What the processes of a run share, on a plain event loop with a clock that the test moves."""

from __future__ import annotations

import asyncio
import heapq
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytest.importorskip("distributed")

from mce.backends.cluster.sharing import Shelf

LEASE = 9.0


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = 0.0
        self.sleeping: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        awake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self.sleeping, (self.time + seconds, id(awake), awake))
        await awake

    async def move(self, seconds: float) -> None:
        """Go on, stopping whenever somebody wakes."""
        until = self.time + seconds
        await settled()
        while self.sleeping and self.sleeping[0][0] <= until:
            self.time, _, awake = heapq.heappop(self.sleeping)
            if not awake.done():
                awake.set_result(None)
            await settled()
        self.time = until


async def settled() -> None:
    """Let all others go on until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


class Desk:
    """A shelf, its clock, and what it told to whom, in order."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.shelf = Shelf(LEASE, clock=self.clock)
        self.told: list[tuple[str, int, str, Any]] = []

    async def enter(self, holder: str, visit: int, what: str, *declared: Any) -> None:
        def tell(reply: dict[str, Any]) -> None:
            ((kind, detail),) = reply.items()
            self.told.append((holder, visit, kind, detail))

        self.shelf.enter(holder, visit, what, json.dumps(declared), tell)
        await settled()

    async def leave(self, holder: str, visit: int, succeeded: bool | None = True) -> None:
        self.shelf.leave(holder, visit, succeeded)
        await settled()

    def let_in(self) -> list[tuple[str, int]]:
        """List who was let in since the last time."""
        found = [(holder, visit) for holder, visit, kind, _ in self.told if kind == "in"]
        self.told = [told for told in self.told if told[2] != "in"]
        return found


def on_desk(test: Callable[[Desk], Awaitable[None]]) -> None:
    async def main() -> None:
        desk = Desk()
        await test(desk)
        desk.shelf.close()
        await settled()
        assert asyncio.all_tasks() == {asyncio.current_task()}, "a closed shelf leaves nothing behind"

    asyncio.run(main())


def test_places_go_to_who_came_first() -> None:
    async def test(desk: Desk) -> None:
        for visit in range(4):
            await desk.enter("ab"[visit % 2], visit, "limit", "db", 2)
        assert desk.let_in() == [("a", 0), ("b", 1)]
        await desk.leave("b", 1)
        assert desk.let_in() == [("a", 2)]
        await desk.leave("a", 0)
        assert desk.let_in() == [("b", 3)]

    on_desk(test)


def test_who_gives_up_waiting_is_forgotten() -> None:
    async def test(desk: Desk) -> None:
        for visit in range(3):
            await desk.enter("a", visit, "limit", "db", 1)
        await desk.leave("a", 1, None)
        await desk.leave("a", 0)
        assert desk.let_in() == [("a", 0), ("a", 2)]

    on_desk(test)


def test_who_gives_up_when_let_in_keeps_no_place() -> None:
    async def test(desk: Desk) -> None:
        for visit in range(3):
            await desk.enter("a", visit, "limit", "db", 1)
        desk.shelf.leave("a", 0, True)
        desk.shelf.leave("a", 1, None)  # it has the place, and has not been told
        await settled()
        assert desk.let_in() == [("a", 0), ("a", 2)]

    on_desk(test)


def test_names_and_kinds_do_not_meet() -> None:
    async def test(desk: Desk) -> None:
        await desk.enter("a", 0, "limit", "db", 1)
        await desk.enter("a", 1, "limit", "api", 1)
        await desk.enter("a", 2, "circuit", "db", 1, 5)
        assert desk.let_in() == [("a", 0), ("a", 1), ("a", 2)]

    on_desk(test)


@pytest.mark.parametrize(
    ("what", "one", "other"), [("limit", (2,), (3,)), ("rate", (2, 5), (2, 6)), ("circuit", (2, 5), (3, 5))]
)
def test_one_name_with_two_declarations(what: str, one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    async def test(desk: Desk) -> None:
        await desk.enter("a", 0, what, "db", *one)
        await desk.enter("b", 1, what, "db", *other)
        assert desk.told == [("a", 0, "in", True), ("b", 1, "known", json.dumps(["db", *one]))]

    on_desk(test)


def test_a_rate_lets_in_so_many_in_each_window() -> None:
    async def test(desk: Desk) -> None:
        for visit in range(5):
            await desk.enter("ab"[visit % 2], visit, "rate", "api", 2, 5)
        assert desk.let_in() == [("a", 0), ("b", 1)]
        await desk.clock.move(4.9)
        assert desk.let_in() == []
        await desk.clock.move(0.1)
        assert desk.let_in() == [("a", 2), ("b", 3)]
        desk.shelf.renew("a")
        await desk.clock.move(5)
        assert desk.let_in() == [("a", 4)]
        assert not desk.shelf.inside, "nobody leaves a rate"

    on_desk(test)


def test_who_gives_up_waiting_for_a_rate_uses_nothing_up() -> None:
    async def test(desk: Desk) -> None:
        for visit in range(3):
            await desk.enter("a", visit, "rate", "api", 1, 5)
        await desk.leave("a", 1, None)
        await desk.clock.move(5)
        assert desk.let_in() == [("a", 0), ("a", 2)]

    on_desk(test)


def test_a_circuit_opens_over_all_processes_and_lets_one_try() -> None:
    async def test(desk: Desk) -> None:
        for visit, holder in enumerate("ab"):
            await desk.enter(holder, visit, "circuit", "api", 2, 30)
            await desk.leave(holder, visit, False)
        await desk.clock.move(10)
        desk.told.clear()
        await desk.enter("a", 2, "circuit", "api", 2, 30)
        assert desk.told == [("a", 2, "open", 20.0)]
        await desk.clock.move(20)
        desk.told.clear()
        await desk.enter("a", 3, "circuit", "api", 2, 30)
        await desk.enter("b", 4, "circuit", "api", 2, 30)
        assert [told[:3] for told in desk.told] == [("a", 3, "in"), ("b", 4, "open")]
        await desk.leave("a", 3, True)
        await desk.enter("b", 5, "circuit", "api", 2, 30)
        assert desk.told[-1] == ("b", 5, "in", True)

    on_desk(test)


def test_what_a_silent_process_holds_goes_to_the_next_and_it_is_told() -> None:
    async def test(desk: Desk) -> None:
        for visit, holder in enumerate("aaab"):
            await desk.enter(holder, visit, "limit", "db", 2)
        assert desk.let_in() == [("a", 0), ("a", 1)]
        await desk.clock.move(LEASE - 1)
        desk.shelf.renew("b")
        await desk.clock.move(0.9)
        assert desk.let_in() == []
        await desk.clock.move(0.1)
        assert desk.let_in() == [("b", 3)], "and not to who waits in the same process"
        assert sorted(desk.told) == [("a", visit, "lost", True) for visit in range(3)]
        await desk.leave("a", 0)
        await desk.enter("b", 4, "limit", "db", 2)
        await desk.enter("b", 5, "limit", "db", 2)
        assert desk.let_in() == [("b", 4)], "who comes back to leave gives back what it has not"

    on_desk(test)


def test_who_renews_keeps_what_it_holds() -> None:
    async def test(desk: Desk) -> None:
        await desk.enter("a", 0, "limit", "db", 1)
        await desk.enter("b", 1, "limit", "db", 1)
        for _ in range(10):
            await desk.clock.move(LEASE / 3)
            desk.shelf.renew("a")
            desk.shelf.renew("b")
        assert desk.told == [("a", 0, "in", True)]

    on_desk(test)


def test_a_trial_whose_process_is_lost_is_another_ones() -> None:
    async def test(desk: Desk) -> None:
        await desk.enter("a", 0, "circuit", "api", 1, 5)
        await desk.leave("a", 0, False)
        await desk.clock.move(5)
        await desk.enter("a", 1, "circuit", "api", 1, 5)
        await desk.clock.move(LEASE)
        desk.told.clear()
        await desk.enter("b", 2, "circuit", "api", 1, 5)
        assert desk.let_in() == [("b", 2)]

    on_desk(test)


def test_nothing_is_watched_when_nobody_holds_anything() -> None:
    async def test(desk: Desk) -> None:
        await desk.enter("a", 0, "limit", "db", 1)
        await desk.leave("a", 0)
        await desk.clock.move(2 * LEASE)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await desk.enter("a", 1, "limit", "db", 1)
        await desk.clock.move(LEASE)
        assert desk.told[-1] == ("a", 1, "lost", True), "it is watched again"

    on_desk(test)


def test_who_waits_when_the_run_ends_is_let_in_by_nobody() -> None:
    async def test(desk: Desk) -> None:
        await desk.enter("a", 0, "limit", "db", 1)
        await desk.enter("a", 1, "limit", "db", 1)
        desk.shelf.close()
        await desk.leave("a", 0)
        assert desk.let_in() == [("a", 0)]

    on_desk(test)
