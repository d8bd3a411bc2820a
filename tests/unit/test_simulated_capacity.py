"""Workers and resources in simulated time: how many are busy at once, who goes first, how long it all takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mce import (
    Context,
    Dag,
    DefinitionError,
    Failure,
    Flow,
    Limit,
    SimulatedBackend,
    StepFinished,
    TimedOut,
    batched,
    bracket,
    branch,
    each,
    gather,
    identity,
    iterate,
    limit,
    pure,
    race,
    recurs,
    settle,
    sleep,
    step,
)
from mce.backends.simulated import Priority
from mce.testing import check_backend

PRIORITIES: list[Priority] = ["fifo", "critical_path"]
both = pytest.mark.parametrize("priority", PRIORITIES)


def elapsed(flow: Flow[Any, Any, Any, Any], **options: Any) -> float:
    backend = SimulatedBackend(**options)
    outcome = flow.run_sync(0, backend=backend)
    assert outcome.ok, outcome
    return backend.elapsed


def task(name: str, **options: Any) -> Any:
    @step(name=name, **options)
    async def work(_: Any) -> str:
        return name

    return work


# -- dags -------------------------------------------------------------------------------------------------------------


@st.composite
def task_graphs(draw: st.DrawFn) -> tuple[dict[str, float], dict[str, list[str]]]:
    """Durations of up to eight tasks, and for each those before it."""
    names = [f"t{at}" for at in range(draw(st.integers(1, 8)))]
    seconds = {name: float(draw(st.integers(0, 9))) for name in names}
    before = {
        name: draw(st.lists(st.sampled_from(names[:at]), unique=True, max_size=3)) if at else []
        for at, name in enumerate(names)
    }
    return seconds, before


def critical_path(seconds: Mapping[str, float], before: Mapping[str, list[str]]) -> float:
    ends: dict[str, float] = {}
    for name, waits in before.items():
        ends[name] = seconds[name] + max((ends[each] for each in waits), default=0.0)
    return max(ends.values())


@both
@given(graph=task_graphs(), workers=st.integers(1, 4), seed=st.integers(0, 99))
def test_a_greedy_schedule_is_within_its_bounds(
    graph: tuple[dict[str, float], dict[str, list[str]]], workers: int, seed: int, priority: Priority
) -> None:
    seconds, before = graph
    flow = Dag.from_edges({name: task(name) for name in seconds}, before)
    longest, work = critical_path(seconds, before), sum(seconds.values())
    assert elapsed(flow, seed=seed, durations=seconds) == longest
    took = elapsed(flow, seed=seed, durations=seconds, workers=workers, priority=priority)
    assert max(longest, work / workers) - 1e-9 <= took <= longest + (work - longest) / workers + 1e-9


def test_the_longest_way_first_beats_first_come_first_served() -> None:
    seconds = {"short1": 1.0, "short2": 1.0, "head": 1.0, "tail": 10.0}
    flow = Dag.from_edges({name: task(name) for name in seconds}, [("head", "tail")])
    fifo = {elapsed(flow, seed=seed, durations=seconds, workers=1) for seed in range(9)}
    assert fifo == {13.0}
    two = {elapsed(flow, seed=seed, durations=seconds, workers=2) for seed in range(20)}
    assert two == {11.0, 12.0}
    ranked = {elapsed(flow, seed=s, durations=seconds, workers=2, priority="critical_path") for s in range(20)}
    assert ranked == {11.0}


LONG = task("long")
FORKED = Dag.from_edges(
    {"a": task("a"), "x": task("x"), "y": task("x"), "b": task("b"), "short": task("x"), "long": LONG},
    [("a", "x"), ("x", "y"), ("b", "short"), ("b", "long")],
)


@pytest.mark.parametrize(
    ("flow", "first"),
    [
        (gather(task("a"), task("b") >> LONG), "b"),
        (gather(task("a") >> LONG, task("b")), "a"),
        (gather(task("a") >> sleep(50), task("b")), "a"),
        (gather(task("a"), task("b") >> gather(task("x"), LONG)), "b"),
        (gather(gather(task("a"), pure(1)) >> LONG, task("b")), "a"),
        (gather(task("a"), (task("b") >> LONG).retry(recurs(1)).timeout(1000).or_else(task("x"))), "b"),
        (gather(task("a") >> race(task("x"), LONG), task("b") >> task("x") >> task("x")), "b"),
        (gather(task("a") >> branch(bool, LONG, task("x")), task("b") >> task("x")), "a"),
        (gather(task("a") >> iterate(LONG, until=bool), task("b") >> task("x")), "a"),
        (gather(task("a"), bracket(task("b"), identity(), LONG)), "b"),
        (gather(task("a") >> task("x"), task("b") >> Dag.from_edges({"x": task("x"), "y": LONG}, [("x", "y")])), "b"),
        (gather(task("a") >> task("x"), Dag.from_edges({"b": task("b"), "y": LONG}, [("b", "y")])), "b"),
        (FORKED, "b"),
    ],
)
def test_a_rank_sees_what_follows_in_regions_of_any_kind(flow: Flow[Any, Any, Any], first: str) -> None:
    seconds = {"a": 1.0, "b": 1.0, "x": 1.0, "long": 50.0}
    for seed in range(6):
        backend = SimulatedBackend(seed, durations=seconds, workers=1, priority="critical_path")
        trace = flow.run_sync(0, backend=backend, trace=True).trace
        assert next(event.step for event in trace if isinstance(event, StepFinished)) == first


# -- who is busy ------------------------------------------------------------------------------------------------------


class Room:
    """Counts who is in it; its step stays for a second or longer."""

    def __init__(self, **options: Any) -> None:
        self.inside = 0
        self.most = 0
        self.order: list[int] = []

        @step(**options)
        async def stay(ctx: Context[object], who: int, seconds: float = 1) -> int:
            self.order.append(who)
            self.inside += 1
            self.most = max(self.most, self.inside)
            try:
                await ctx.sleep(seconds)
            finally:
                self.inside -= 1
            return who

        self.stay: Any = stay


@both
@pytest.mark.parametrize(("workers", "seconds"), [(1, 12.0), (3, 4.0), (5, 3.0), (12, 1.0), (None, 1.0)])
def test_no_more_are_busy_than_there_are_workers(workers: int | None, seconds: float, priority: Priority) -> None:
    room = Room()
    backend = SimulatedBackend(workers=workers, priority=priority)
    assert each(room.stay).run_sync(range(12), backend=backend).value == tuple(range(12))
    assert (room.most, backend.elapsed) == (min(workers or 12, 12), seconds)


def test_a_worker_is_held_during_the_declared_duration_too() -> None:
    assert elapsed(gather(*[task("t")] * 6), workers=2, durations={"t": 5}) == 15


@pytest.mark.parametrize("seed", range(5))
def test_who_comes_first_is_served_first(seed: int) -> None:
    room = Room(resources={"gpu": 1})
    flow = gather(*(sleep((n * 7 % 9) / 100) >> room.stay(n) for n in range(9)))
    flow.run_sync(backend=SimulatedBackend(seed, resources={"gpu": 1}))
    assert room.order == sorted(range(9), key=lambda n: n * 7 % 9)


@both
def test_resources_bound_those_that_need_them(priority: Priority) -> None:
    seconds = {"train": 10.0, "read": 10.0}
    train, read = task("train", resources={"GPU": 2, "disk": 9}), task("read")
    flow = gather(train, train, train, read, read)
    assert elapsed(flow, durations=seconds, resources={"GPU": 4}, priority=priority) == 20
    assert elapsed(flow, durations=seconds, resources={"GPU": 3.5}, priority=priority) == 30
    assert elapsed(flow, durations=seconds, priority=priority) == 10
    assert elapsed(flow, durations=seconds, resources={"GPU": 6}, workers=1, priority=priority) == 50


def test_nobody_is_overtaken_in_what_it_lacks_and_others_go_ahead() -> None:
    big = task("big", resources={"GPU": 2})
    small = task("small", resources={"GPU": 1})
    seconds = {"small": 4.0, "big": 1.0, "plain": 1.0}
    late = gather(sleep(1) >> big, sleep(2) >> small, sleep(2) >> task("plain"))
    backend = SimulatedBackend(durations=seconds, resources={"GPU": 2})
    trace = gather(small, late).run_sync(0, backend=backend, trace=True).trace
    ended = [(event.step, event.time) for event in trace if isinstance(event, StepFinished) and event.step != "sleep"]
    assert ended == [("plain", 3.0), ("small", 4.0), ("big", 5.0), ("small", 9.0)]


def test_more_than_there_is_of_a_resource_is_a_defect_that_says_so() -> None:
    outcome = task("train", resources={"GPU": 8}).run_sync(0, backend=SimulatedBackend(resources={"GPU": 2}))
    assert "step 'train' needs 8 of 'GPU', and there is 2" in str(outcome.error)


@both
def test_who_is_cancelled_while_waiting_or_busy_keeps_nothing(priority: Priority) -> None:
    room = Room(resources={"GPU": 1})
    flow = gather(
        room.stay(0, 10),
        settle(room.stay(1).timeout(3)),
        settle(race(room.stay(2, 100), sleep(20))),
        sleep(30) >> gather(room.stay(3), room.stay(4)),
    )
    backend = SimulatedBackend(workers=3, resources={"GPU": 2}, priority=priority)
    assert flow.run_sync(backend=backend).ok
    assert backend.elapsed == 31
    assert room.inside == 0


@both
def test_who_is_cancelled_in_its_declared_duration_gives_the_worker_back(priority: Priority) -> None:
    flow = settle(task("slow").timeout(3)) >> task("quick")
    assert elapsed(flow, workers=1, priority=priority, durations={"slow": 10, "quick": 1}) == 4


@both
def test_a_failure_gives_the_worker_back(priority: Priority) -> None:
    @step
    def broken(_: int) -> int:
        raise ConnectionError

    @step
    async def broken_later(ctx: Context[object], _: int) -> int:
        await ctx.sleep(1)
        raise ConnectionError

    flow = settle(broken, broken_later, broken, broken_later, task("fine"))
    assert elapsed(flow, workers=1, priority=priority, durations={"broken": 2, "fine": 3}) == 9


@both
def test_a_step_that_runs_a_flow_holds_no_worker_meanwhile(priority: Priority) -> None:
    work = task("work")

    backend = SimulatedBackend(workers=1, priority=priority, durations={"work": 5})

    @step
    async def nested(ctx: Context[object], n: int) -> Any:
        await ctx.sleep(1)
        inner = await gather(work, work).run(n, backend=backend)
        await ctx.sleep(1)
        return inner.value

    assert each(nested).run_sync(range(2), backend=backend).value == (("work", "work"),) * 2
    assert backend.elapsed == 2 * (1 + 5 + 5 + 1)


def test_a_batch_is_one_call_and_those_who_wait_for_it_hold_no_worker() -> None:
    async def many(numbers: list[int]) -> list[int]:
        return [n + 1 for n in numbers]

    flow = each(batched(many, name="many", max_wait=1))
    backend = SimulatedBackend(workers=1, durations={"many": 7})
    assert flow.run_sync(range(4), backend=backend).value == (1, 2, 3, 4)
    assert backend.elapsed == 8


def test_a_sleep_waits_as_long_as_it_says_and_no_longer() -> None:
    assert elapsed(sleep(3) >> task("t"), durations={"sleep": 9, "t": 1}) == 4


def test_a_limit_is_waited_for_without_a_worker() -> None:
    slow = limit(task("slow"), Limit("db", 1))
    backend = SimulatedBackend(workers=2, durations={"slow": 10, "quick": 1})
    trace = gather(slow, slow, slow, task("quick")).run_sync(0, backend=backend, trace=True).trace
    assert backend.elapsed == 30
    assert [e.time for e in trace if isinstance(e, StepFinished) and e.step == "quick"] == [1.0]


def test_waiting_for_a_worker_counts_in_a_timeout() -> None:
    backend = SimulatedBackend(workers=1, durations={"t": 5}, pick=lambda _: 0)
    outcome = gather(task("t"), settle(task("t").timeout(3))).run_sync(0, backend=backend)
    assert outcome.value == ("t", (Failure(TimedOut(3, "gather[1]/settle[0]/t")),))


def test_a_backend_serves_many_runs() -> None:
    backend = SimulatedBackend(workers=1, durations={"t": 1})
    for _ in range(3):
        assert elapsed_on(backend, gather(task("t"), task("t"))) == 2


def elapsed_on(backend: SimulatedBackend, flow: Flow[Any, Any]) -> float:
    assert flow.run_sync(0, backend=backend).ok
    return backend.elapsed


def test_many_wait_and_each_is_served() -> None:
    backend = SimulatedBackend(workers=10, durations={"t": 1})
    assert len(each(task("t")).run_sync(range(2000), backend=backend).value) == 2000
    assert backend.elapsed == 200


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"workers": 0}, "workers=0"),
        ({"workers": 1.5}, "workers=1.5"),
        ({"workers": True}, "workers=True"),
        ({"resources": {"GPU": 0}}, "resources['GPU']"),
        ({"resources": {"GPU": float("inf")}}, "resources['GPU']"),
        ({"resources": {"GPU": "2"}}, "resources['GPU']"),
        ({"resources": {"worker": 2}}, "say workers="),
        ({"priority": "longest"}, "'critical_path'"),
    ],
)
def test_wrong_figures_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        SimulatedBackend(**options)
    assert named in str(caught.value)


def test_the_repr_shows_the_capacity() -> None:
    backend = SimulatedBackend(3, workers=2, resources={"GPU": 1}, priority="critical_path")
    assert repr(backend) == "SimulatedBackend(seed=3, workers=2, resources={'GPU': 1}, priority='critical_path')"
    assert repr(SimulatedBackend()) == "SimulatedBackend(seed=0)"


@both
def test_with_enough_workers_every_rule_for_backends_holds(priority: Priority) -> None:
    check_backend(lambda: SimulatedBackend(1, workers=64, priority=priority), real_time=False, loops=[None])
