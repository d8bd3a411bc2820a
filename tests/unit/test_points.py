"""Fault points: where a probe is asked, what it can do there, and that a run without one pays nothing."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from returns.result import Failure, Result, Success

from mce import (
    Context,
    Dag,
    Defect,
    Flow,
    InlineBackend,
    Limit,
    LocalBackend,
    SimulatedBackend,
    TimedOut,
    UsageError,
    bracket,
    gather,
    limit,
    pure,
    race,
    recurs,
    settle,
    spaced,
    speculate,
    step,
)
from mce.engine.points import Calls, Gives, Point, PointName, Verdict


class Refused(Exception):
    pass


@step(raises=Refused)
async def half(n: int) -> int:
    return n // 2


@step
def plain_half(n: int) -> int:
    return n // 2


@step
async def checked(ctx: Context[object], n: int, *, least: int = 0) -> Result[int, str]:
    await ctx.sleep(0)
    return Success(n) if n >= least else Failure("too small")


@step(pure=True)
def odd(n: int) -> bool:
    return n % 2 == 1


@step(idempotent=True)
def plain_odd(n: int) -> bool:
    return n % 2 == 1


class Watching:
    """A probe that keeps the points and answers at one of them."""

    def __init__(self, at: PointName | None = None, answer: Callable[[Point], Any] = lambda point: None) -> None:
        self.at = at
        self.answer = answer
        self.points: list[Point] = []

    async def __call__(self, point: Point, /) -> Verdict:
        self.points.append(point)
        if point.name != self.at:
            return None
        answer = self.answer(point)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await anyio.sleep(answer)
            return None
        assert answer is None or isinstance(answer, Gives | Calls)
        return answer

    def told(self, *names: PointName) -> list[tuple[str, str, int, Any]]:
        return [(p.name, p.path, p.attempt, p.value) for p in self.points if not names or p.name in names]


def probed(probe: Watching, make: Callable[[], Any] = SimulatedBackend) -> Any:
    backend = make()
    backend.probe = probe
    return backend


BACKENDS = [InlineBackend, LocalBackend, lambda: LocalBackend(loop="trio"), SimulatedBackend]
every_backend = pytest.mark.parametrize("make", BACKENDS, ids=["inline", "asyncio", "trio", "simulated"])


# -- where it is asked -------------------------------------------------------------------------------------------------


@every_backend
def test_it_is_asked_before_and_after_every_call(make: Callable[[], Any]) -> None:
    probe = Watching()
    outcome = (half >> plain_half >> checked).run_sync(9, backend=probed(probe, make))
    assert outcome.value == 2
    assert probe.told() == [
        ("call.before", "half", 1, 9),
        ("call.after", "half", 1, 4),
        ("call.before", "plain_half", 1, 4),
        ("call.after", "plain_half", 1, 2),
        ("call.before", "checked", 1, 2),
        ("call.after", "checked", 1, Success(2)),
    ]
    assert [point.step for point in probe.points[::2]] == ["half", "plain_half", "checked"]
    assert all(point.fn is not None and point.spec is not None for point in probe.points)


@every_backend
@pytest.mark.parametrize(
    ("flow", "path", "results"),
    [
        (gather(half, plain_half), "gather", (Success(4), Success(4))),
        (gather(pure(1), pure(2)).named("g"), "g/gather", (Success(1), Success(2))),
        (settle(half, checked), "settle", (Success(4), Success(9))),
        (speculate(odd, plain_odd, plain_odd), "speculate", None),
        (half >> gather(half, pure(0)) >> gather(pure(1), half(3)).named("second"), "second/gather", None),
    ],
)
def test_it_is_asked_at_the_merge_of_a_join(
    make: Callable[[], Any], flow: Flow[Any, Any, Any, Any], path: str, results: Any
) -> None:
    probe = Watching()
    assert flow.run_sync(9, backend=probed(probe, make)).ok
    found = probe.told("merge")[-1]
    assert found[:3] == ("merge", path, 1)
    assert results is None or found[3] == results


@every_backend
def test_it_is_asked_at_the_end_of_a_dag(make: Callable[[], Any]) -> None:
    dag = Dag[int]()
    first = dag.add(half, dag.input)
    second, third = dag.add(plain_half, first), dag.add(half, first)
    probe = Watching()
    outcome = dag.flow(second, third).run_sync(9, backend=probed(probe, make))
    assert outcome.value == (2, 2)
    assert probe.told("merge") == [("merge", "dag", 1, (Success(4), Success(2), Success(2)))]


@every_backend
def test_a_branch_that_fails_in_the_end_is_a_result_at_the_merge(make: Callable[[], Any]) -> None:
    probe = Watching()
    outcome = gather(half, half >> checked(0, least=1)).run_sync(9, backend=probed(probe, make))
    assert outcome.error == "too small"
    assert probe.told("merge")[0][3][-1] == Failure("too small")


@every_backend
def test_a_join_under_a_probe_keeps_values_that_are_results(make: Callable[[], Any]) -> None:
    probe = Watching()
    assert race(pure(Success(1))).run_sync(backend=probed(probe, make)).value == Success(1)
    assert probe.told("merge")


def test_it_is_asked_at_every_wait_of_a_retry() -> None:
    probe = Watching()
    backend = probed(probe)
    outcome = checked(0, least=1).retry(spaced(5) & recurs(2)).run_sync(backend=backend)
    assert outcome.error == "too small"
    assert probe.told("retry.wait") == [("retry.wait", "checked", 1, 5.0), ("retry.wait", "checked", 2, 5.0)]
    assert [attempt for _, _, attempt, _ in probe.told("call.before")] == [1, 2, 3]
    assert backend.elapsed == 10


@every_backend
def test_it_is_asked_in_a_branch_that_is_cancelled_before_its_finalisers(make: Callable[[], Any]) -> None:
    probe = Watching()

    @step
    async def waits(_: object) -> None:
        await anyio.Event().wait()

    @step
    async def release(_: object) -> None:
        pass

    guarded = bracket(pure(1), waits.timeout(0), release)
    outcome = guarded.run_sync(backend=probed(probe, make))
    assert isinstance(outcome.error, TimedOut)
    (cancelled,) = probe.told("cancel")
    assert cancelled[1:3] == ("waits", 1)
    assert [point.name for point in probe.points if point.step in ("release", "waits")] == [
        "call.before",
        "cancel",
        "call.before",
        "call.after",
    ]


def test_parts_of_combinators_have_no_points() -> None:
    probe = Watching()
    assert limit(half, Limit("one", 1)).run_sync(9, backend=probed(probe)).value == 4
    assert [point.step for point in probe.points] == ["half", "half"]


# -- what it can do ----------------------------------------------------------------------------------------------------


@every_backend
def test_what_it_gives_before_a_call_stands_for_the_call(make: Callable[[], Any]) -> None:
    called: list[int] = []

    @step
    async def notes(n: int) -> int:
        called.append(n)
        return n

    probe = Watching("call.before", lambda point: Gives(70))
    assert notes.run_sync(9, backend=probed(probe, make)).value == 70
    assert not called
    assert probe.told("call.after") == [("call.after", "notes", 1, 70)]


@every_backend
def test_what_it_calls_instead_is_called_as_the_step_is(make: Callable[[], Any]) -> None:
    async def other(ctx: Context[object], n: int, *, least: int) -> tuple[str, int, int]:
        return ctx.path, n, least

    probe = Watching("call.before", lambda point: Calls(other))
    assert checked(3, least=1).run_sync(backend=probed(probe, make)).unwrap() == ("checked", 3, 1)  # type: ignore[comparison-overlap]
    probe = Watching("call.before", lambda point: Calls(lambda n: -n))
    assert plain_half.run_sync(3, backend=probed(probe, make)).value == -3


def test_what_it_gives_after_a_call_replaces_what_the_step_gave() -> None:
    probe = Watching("call.after", lambda point: Gives(point.value + 1))
    assert (half >> half).run_sync(9, backend=probed(probe)).value == 3


@pytest.mark.parametrize("at", ["call.before", "call.after"])
def test_a_failure_that_it_gives_is_one_of_the_step(at: PointName) -> None:
    outcome = checked.run_sync(9, backend=probed(Watching(at, lambda point: Gives(Failure("no")))))
    assert outcome.error == "no"
    assert outcome.where is not None
    assert outcome.where.path == "checked"


@pytest.mark.parametrize("at", ["call.before", "call.after"])
def test_what_it_raises_at_a_call_is_expected_if_the_step_declares_it(at: PointName) -> None:
    declared = half.run_sync(9, backend=probed(Watching(at, lambda point: Refused())))
    assert isinstance(declared.error, Refused)
    undeclared = plain_half.run_sync(9, backend=probed(Watching(at, lambda point: Refused())))
    assert undeclared.defect is not None
    assert undeclared.defect.path == "plain_half"


@every_backend
@pytest.mark.parametrize("flow", [gather(half, half), gather(pure(1), half)], ids=["concurrent", "in turn"])
def test_what_it_raises_at_a_merge_is_a_defect_of_the_join(
    make: Callable[[], Any], flow: Flow[int, Any, Any, Any]
) -> None:
    outcome = flow.run_sync(9, backend=probed(Watching("merge", lambda point: Refused()), make))
    assert isinstance(outcome.error, Defect)
    assert outcome.error.path == "gather"


def test_a_failure_that_it_gives_at_a_merge_or_a_wait_is_expected() -> None:
    at_merge = probed(Watching("merge", lambda point: Gives(Failure("no"))))
    assert gather(half, checked).run_sync(9, backend=at_merge).error == "no"
    at_wait = probed(Watching("retry.wait", lambda point: Gives(Failure("enough"))))
    assert checked(0, least=1).retry(recurs(3)).run_sync(backend=at_wait).error == "enough"
    assert len(at_wait.probe.told("call.before")) == 1


def test_it_may_change_a_retrys_wait() -> None:
    backend = probed(Watching("retry.wait", lambda point: Gives(100.0)))
    assert not checked(0, least=1).retry(spaced(5) & recurs(2)).run_sync(backend=backend).ok
    assert backend.elapsed == 200


@pytest.mark.parametrize("at", ["call.before", "call.after", "merge", "cancel"])
def test_it_may_wait_wherever_it_is_asked(at: PointName) -> None:
    @step
    async def forever(_: object) -> None:
        await anyio.Event().wait()

    backend = probed(Watching(at, lambda point: 7.0))
    assert settle(half, forever.timeout(1)).run_sync(9, backend=backend).ok
    waited = {"call.before": 7, "call.after": 7, "merge": 8, "cancel": 8}
    assert backend.elapsed == waited[at]


def test_what_it_raises_in_a_cancellation_takes_its_place() -> None:
    @step
    async def forever(_: object) -> None:
        await anyio.Event().wait()

    backend = probed(Watching("cancel", lambda point: Refused()))
    outcome = forever.timeout(1).run_sync(None, backend=backend)
    assert outcome.defect is not None
    assert isinstance(outcome.defect.cause, Refused)


@pytest.mark.parametrize(
    ("at", "verdict"),
    [("merge", Gives(1)), ("merge", Calls(print)), ("call.after", Calls(print)), ("retry.wait", Calls(print))],
)
def test_a_verdict_that_means_nothing_is_refused(at: PointName, verdict: Verdict) -> None:
    flow = gather(half, checked(0, least=1).retry(recurs(1)).recover(pure))
    outcome = flow.run_sync(9, backend=probed(Watching(at, lambda point: verdict)))
    assert outcome.defect is not None
    assert isinstance(outcome.defect.cause, UsageError)
    assert f"means nothing at {at!r}" in str(outcome.defect.cause)


def test_answers_of_a_probe_are_validated_like_those_of_the_step() -> None:
    backend = probed(Watching("call.before", lambda point: Gives("text")))
    assert half.run_sync(9, backend=backend, validate=True).defect is not None
    assert half.run_sync(9, backend=backend).value == "text"  # type: ignore[comparison-overlap]


# -- what it costs -----------------------------------------------------------------------------------------------------


def test_a_run_without_a_probe_asks_nothing() -> None:
    """Counted, not timed: of the functions of the fault points none is called, and none of careful calls."""

    @step(pure=True)
    def total(numbers: tuple[int, ...]) -> int:
        return sum(numbers)

    flow: Flow[int, Any, Any, Any] = half >> gather(half, half >> half) >> total
    calls: Counter[str] = Counter()

    def count(frame: Any, event: str, arg: object) -> None:
        if event == "call":
            calls[frame.f_globals.get("__name__", "")] += 1

    sys.setprofile(count)
    try:
        assert flow.run_sync(90, backend=LocalBackend()).value == 33
    finally:
        sys.setprofile(None)
    assert calls["mce.engine.loop"]
    assert not calls["mce.engine.points"]
    assert not calls["mce.engine.calls"]
