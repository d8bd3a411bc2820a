"""Simulated time: it jumps, it is repeatable, it reaches every interleaving, and it names who waits for ever."""

from __future__ import annotations

import random
import threading

import anyio
import anyio.lowlevel
import pytest

from mce import (
    Context,
    Deadlock,
    DefinitionError,
    Flow,
    SimulatedBackend,
    UsageError,
    each,
    gather,
    recurs,
    sleep,
    spaced,
    step,
)


def workers(log: list[str], names: str = "abc", turns: int = 2) -> Flow[object, tuple[None, ...]]:
    @step
    async def work(name: str) -> None:
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
            log.append(name)

    return gather(*(work(name) for name in names))


def interleaving(seed: int, names: str = "abc") -> str:
    log: list[str] = []
    workers(log, names).run_sync(backend=SimulatedBackend(seed))
    return "".join(log)


def test_a_day_of_retries_takes_a_day_of_virtual_time() -> None:
    calls: list[int] = []

    @step
    async def flaky(ctx: Context[object]) -> None:
        calls.append(ctx.attempt)
        raise ConnectionError

    backend = SimulatedBackend()
    outcome = flaky.retry(spaced(3600) & recurs(24)).run_sync(backend=backend)
    assert not outcome.ok
    assert backend.elapsed == 86_400
    assert calls == list(range(1, 26))


def test_the_same_seed_gives_the_same_run() -> None:
    assert [interleaving(seed) for seed in range(20)] == [interleaving(seed) for seed in range(20)]


def test_every_interleaving_of_two_workers_is_reached() -> None:
    assert {interleaving(seed, "ab") for seed in range(200)} == {"aabb", "abab", "abba", "baab", "baba", "bbaa"}


def test_pick_decides_instead_of_the_seed() -> None:
    asked: list[int] = []

    def first(ready: int) -> int:
        asked.append(ready)
        return 0

    log: list[str] = []
    workers(log).run_sync(backend=SimulatedBackend(pick=first))
    assert "".join(log) == "abcabc"
    assert asked
    assert min(asked) > 1


def test_a_lost_update_shows_under_some_seed() -> None:
    def final(seed: int) -> int:
        box = [0]

        @step
        async def increment() -> None:
            seen = box[0]
            await anyio.lowlevel.checkpoint()
            box[0] = seen + 1

        gather(increment, increment).run_sync(backend=SimulatedBackend(seed))
        return box[0]

    assert {final(seed) for seed in range(20)} == {1, 2}


def test_a_deadlock_names_who_waits() -> None:
    first, second = anyio.Lock(), anyio.Lock()

    @step
    async def take(order: tuple[anyio.Lock, anyio.Lock]) -> None:
        async with order[0]:
            await anyio.sleep(1)
            async with order[1]:
                pass

    flow = gather(take((first, second)), take((second, first))).named("agent")
    with pytest.raises(Deadlock) as caught:
        flow.run_sync(backend=SimulatedBackend())
    assert {"agent/gather[0]", "agent/gather[1]"} <= set(caught.value.waiting)


def test_a_thread_inside_a_step_is_refused() -> None:
    release = threading.Event()

    @step
    async def escape() -> None:
        await anyio.to_thread.run_sync(release.wait)

    try:
        with pytest.raises(UsageError, match="does not live in simulated time"):
            escape.run_sync(backend=SimulatedBackend(pick=random.Random(1).randrange))
    finally:
        release.set()


def test_durations_add_to_what_a_step_awaits() -> None:
    @step
    def think(n: int) -> int:
        return n

    backend = SimulatedBackend(durations={"think": 5})
    assert gather(think, think >> think, think >> sleep(1)).run_sync(1, backend=backend).value == (1, 1, 1)
    assert backend.elapsed == 10


def test_limit_bounds_the_makespan() -> None:
    backend = SimulatedBackend()
    assert each(sleep(1), limit=2).run_sync(range(5), backend=backend).value == (0, 1, 2, 3, 4)
    assert backend.elapsed == 3


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "1"])
def test_a_wrong_duration_is_named(seconds: float) -> None:
    with pytest.raises(DefinitionError, match="durations\\['think'\\]"):
        SimulatedBackend(durations={"think": seconds})


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_run_from_inside_a_loop_has_a_loop_of_its_own(loop: str) -> None:
    async def main() -> None:
        backend = SimulatedBackend()
        assert (await sleep(3600).run("later", backend=backend)).value == "later"
        assert backend.elapsed == 3600
        seen = [item async for item in sleep(60).stream("later", backend=SimulatedBackend())]
        assert [type(item).__name__ for item in seen] == ["StepStarted", "StepFinished", "Outcome"]

    anyio.run(main, backend=loop)
