"""The groups in which branches run: the cheap one on asyncio keeps every promise of anyio's, and so does each other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from mce import LocalBackend, gather, step
from mce.engine import groups
from mce.engine.groups import open_group
from mce.engine.tasks import innermost

NATIVE: Any = groups.native_group()
MAKERS: dict[str, tuple[str, Callable[[], Any]]] = {
    "native": ("asyncio", lambda: NATIVE(asyncio.get_running_loop())),
    "anyio on asyncio": ("asyncio", groups._Anyio),
    "anyio on trio": ("trio", groups._Anyio),
    "nursery": ("trio", groups._OnTrio),
}
everywhere = pytest.mark.parametrize("kind", MAKERS)


def run(kind: str, main: Callable[[Callable[[], Any]], Any]) -> Any:
    loop, make = MAKERS[kind]
    return anyio.run(main, make, backend=loop)


def test_the_cheap_group_is_used_where_it_can_be() -> None:
    async def main() -> type:
        async with open_group() as group:
            return type(group)

    async def with_a_factory() -> type:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro, **options: asyncio.Task(coro, loop=loop, **options))
        return await main()

    assert NATIVE is not None
    assert anyio.run(main) is NATIVE
    assert anyio.run(with_a_factory) is groups._Anyio
    assert anyio.run(main, backend="trio") is groups._OnTrio


@everywhere
def test_all_tasks_have_ended(kind: str) -> None:
    async def main(make: Any) -> list[int]:
        done: list[int] = []

        async def work(n: int) -> None:
            for _ in range(n):
                await anyio.lowlevel.checkpoint()
            done.append(n)

        async with make() as group:
            for n in (3, 0, 2):
                group.launch(work, n, name=f"work {n}")
        return done

    assert run(kind, main) == [0, 2, 3]


@everywhere
def test_a_failure_cancels_the_others_whose_shielded_finalisers_end(kind: str) -> None:
    async def main(make: Any) -> list[str]:
        told: list[str] = []

        async def wait() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                told.append("cancelled")
                with anyio.CancelScope(shield=True):
                    await anyio.lowlevel.checkpoint()
                    await anyio.lowlevel.checkpoint()
                    told.append("released")

        async def fail() -> None:
            await anyio.lowlevel.checkpoint()
            raise ValueError("no")

        try:
            async with make() as group:
                group.launch(wait, name="wait")
                group.launch(fail, name="fail")
        except BaseExceptionGroup as raised:
            told.append(repr(innermost(raised)))
        return told

    assert run(kind, main) == ["cancelled", "released", "ValueError('no')"]


@everywhere
def test_cancellation_comes_again_until_it_is_heard(kind: str) -> None:
    async def main(make: Any) -> int:
        swallowed = 0

        async def deaf() -> None:
            nonlocal swallowed
            while swallowed < 3:
                try:
                    await anyio.sleep_forever()
                except anyio.get_cancelled_exc_class():
                    swallowed += 1
            await anyio.sleep_forever()

        async with make() as group:
            group.launch(deaf, name="deaf")
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            group.stop()
        return swallowed

    assert run(kind, main) == 3


@everywhere
@pytest.mark.parametrize("shielded", [False, True])
def test_cancellation_from_outside_stops_at_shields(kind: str, shielded: bool) -> None:
    async def main(make: Any) -> list[str]:
        told: list[str] = []

        async def work() -> None:
            try:
                with anyio.CancelScope(shield=shielded):
                    for _ in range(5):
                        await anyio.lowlevel.checkpoint()
                    told.append("worked")
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                told.append("cancelled")
                raise

        with anyio.CancelScope() as outer:
            async with make() as group:
                group.launch(work, name="work")
                await anyio.lowlevel.checkpoint()
                await anyio.lowlevel.checkpoint()
                outer.cancel()
        told.append(f"{outer.cancelled_caught}")
        return told

    assert run(kind, main) == [*(["worked"] if shielded else []), "cancelled", "True"]


@everywhere
def test_tasks_see_the_deadline_around_them_and_their_own_scopes_nest_in_it(kind: str) -> None:
    async def main(make: Any) -> list[bool]:
        seen: list[bool] = []

        async def work(deadline: float) -> None:
            seen.append(anyio.current_effective_deadline() == deadline)
            with anyio.move_on_after(0) as inner:
                await anyio.sleep_forever()
            seen.append(inner.cancelled_caught)
            seen.append(anyio.current_effective_deadline() == deadline)

        with anyio.fail_after(3600) as scope:
            async with make() as group:
                group.launch(work, scope.deadline, name="work")
        return seen

    assert run(kind, main) == [True, True, True]


def test_a_native_cancellation_before_the_start_hangs_nobody() -> None:
    async def main(make: Any) -> bool:
        begun: list[bool] = []

        async def work() -> None:
            begun.append(True)

        async with make() as group:
            before = asyncio.all_tasks()
            group.launch(work, name="work")
            (task,) = asyncio.all_tasks() - before
            task.cancel()
        return bool(begun)

    assert run("native", main) is False


def test_nothing_is_kept_of_tasks_that_have_ended() -> None:
    from anyio._backends._asyncio import _task_states

    async def main() -> int:
        async with NATIVE(asyncio.get_running_loop()) as group:
            for n in range(50):
                group.launch(anyio.sleep, 0, name=str(n))
        return len(_task_states)

    assert anyio.run(main) <= 1


def test_branches_are_tasks_of_their_own() -> None:
    """Each has its own context, and a name by which a debugger tells it."""

    @step
    async def name(_: object) -> str:
        task = asyncio.current_task()
        assert task is not None
        return task.get_name()

    outcome = gather(name, name).run_sync(None, backend=LocalBackend(), trace=True)
    assert outcome.value == ("gather[0]", "gather[1]")


def test_where_anyio_is_not_as_expected_its_own_group_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from anyio._backends import _asyncio

    monkeypatch.setattr(_asyncio, "_task_states", {})
    unexpected = groups.native_group.__wrapped__
    assert unexpected() is None
    monkeypatch.setattr(groups, "native_group", unexpected)
    assert gather(step(anyio.sleep)(0), step(anyio.sleep)(0)).run_sync().ok
