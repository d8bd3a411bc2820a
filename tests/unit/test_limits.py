"""Limits and rates: how many at once and how often, by name, first come first served, and never a place lost."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from returns.result import Success

from mce import (
    Backend,
    Context,
    DefinitionError,
    Flow,
    InlineBackend,
    InvalidStep,
    Limit,
    LocalBackend,
    RateLimit,
    StepStarted,
    TimedOut,
    UsageError,
    each,
    fail,
    gather,
    identity,
    lift,
    limit,
    pure,
    race,
    rate_limit,
    recurs,
    settle,
    sleep,
    spaced,
    step,
)
from tests.unit.virtual import Room, VirtualTrio, on_all, on_concurrent

Make = Callable[[], Backend]


@on_all
def test_a_limit_holds_over_all_flows_that_use_its_name(make: Make) -> None:
    room, backend = Room(), make()
    one, other = limit(room.stay, Limit("db", 2)), limit(sleep(0) >> room.stay, Limit("db", 2))
    assert gather(*(flow(n) for n in range(4) for flow in (one, other))).run_sync(backend=backend).ok
    assert len(room.entered) == 8
    assert room.most == (1 if backend.sequential else 2)


@on_concurrent
def test_limits_of_other_names_do_not_meet(make: Make) -> None:
    room = Room()
    gather(limit(room.stay("a"), Limit("a", 1)), limit(room.stay("b"), Limit("b", 1))).run_sync(backend=make())
    assert room.most == 2


def test_who_comes_first_is_served_first() -> None:
    room = Room()
    flow = gather(*(sleep(n / 100) >> limit(room.stay(n), Limit("db", 1)) for n in range(20)))
    flow.run_sync(backend=VirtualTrio())
    assert room.who == list(range(20))


@on_concurrent
def test_who_is_cancelled_while_waiting_gives_up_at_once(make: Make) -> None:
    room, places = Room(), Limit("db", 1)
    late = (sleep(1) >> limit(room.stay("late"), places).timeout(2)).or_else(pure("gave up"))
    then = sleep(5) >> limit(room.stay("then"), places)
    outcome = gather(limit(room.stay("first", 10), places), late, then).run_sync(backend=make())
    assert outcome.value == ("first", "gave up", "then")
    assert list(zip(room.who, room.times, strict=True)) == [("first", 0), ("then", 10)]


@on_concurrent
def test_no_place_is_lost_when_one_is_cancelled_in_the_moment_it_is_let_in(make: Make) -> None:
    room, places = Room(), Limit("db", 1)
    doubtful = limit(room.stay("doubtful", 1), places).timeout(5).or_else(pure("gave up"))
    flow = gather(limit(room.stay("first", 5), places), doubtful, limit(room.stay("last", 1), places))
    assert flow.timeout(60).run_sync(backend=make()).value[2] == "last"
    assert room.inside == 0


@on_all
def test_a_failure_and_a_cancellation_inside_give_the_place_back(make: Make) -> None:
    room, places = Room(), Limit("db", 1)
    broken = limit(room.stay("broken", 1, raising=True), places)
    slow = limit(room.stay("slow", 60), places).timeout(1)
    after = limit(room.stay("after"), places)
    assert (settle(broken) >> settle(slow) >> after).timeout(600).run_sync(backend=make()).value == "after"


@pytest.mark.parametrize("size", [1, 3])
@on_all
def test_a_limit_inside_itself_is_a_defect_and_not_a_deadlock(make: Make, size: int) -> None:
    places = Limit("db", size)
    for inner in (limit(pure(1), places), gather(sleep(1), sleep(1) >> limit(pure(1), places))):
        outcome = limit(inner, places).run_sync(backend=make())
        assert outcome.defect is not None
        assert isinstance(outcome.defect.cause, UsageError)
        assert "Limit(name='db'" in str(outcome.error)


@on_all
def test_after_a_limit_inside_itself_the_place_is_still_the_outer_ones(make: Make) -> None:
    room, places = Room(), Limit("db", 1)
    nested = limit(settle(limit(pure(1), places)) >> room.stay("outer", 5), places)
    outcome = gather(nested, sleep(1) >> limit(room.stay("other"), places)).run_sync(backend=make())
    assert outcome.ok
    assert room.most == 1


@on_all
def test_one_name_with_two_sizes_is_a_defect(make: Make) -> None:
    outcome = (limit(pure(1), Limit("db", 1)) >> limit(pure(1), Limit("db", 2))).run_sync(backend=make())
    assert outcome.defect is not None
    assert isinstance(outcome.defect.cause, DefinitionError)
    assert "one name, one meaning" in str(outcome.error)


@pytest.mark.parametrize("given", [3, None, Success(1), Success(Success(1)), pure(2), ()], ids=repr)
@on_all
def test_whatever_the_input_it_is_given_on_as_it_is(make: Make, given: Any) -> None:
    flow: Flow[Any, Any] = rate_limit(limit(lift(lambda value: value), Limit("db", 1)), RateLimit("api", 9, 1))
    assert flow.run_sync(given, backend=make()).value is given


def test_a_run_without_an_event_loop_opens_one_when_it_has_to_wait() -> None:
    def ask(n: int) -> Flow[object, str]:
        return rate_limit(limit(lift(str), Limit("db", 1)), RateLimit("api", 1, 0.0))(n)

    assert pure(3).bind(ask).bind(lambda text: ask(len(text))).run_sync(backend=InlineBackend()).value == "1"


def test_a_closed_flow_stays_closed() -> None:
    assert limit(pure(3), Limit("db", 1)).run_sync().value == 3
    assert rate_limit(fail("no"), RateLimit("api", 1, 1)).run_sync().error == "no"


@on_all
def test_a_step_declares_its_limit(make: Make) -> None:
    room, backend = Room(), make()

    @step(limit=Limit("db", 2))
    async def read(ctx: Context[object], who: str, seconds: float = 1.0) -> str:
        return str(await room.stay.__wrapped__(ctx, who, seconds))

    outcome = gather(read("a"), read("b", seconds=2.0), pure("c") >> read, limit(read, Limit("api", 9))("d")).run_sync(
        backend=backend
    )
    assert outcome.value == ("a", "b", "c", "d")
    assert room.most == (1 if backend.sequential else 2)


@on_concurrent
def test_a_declared_limit_is_inside_retry_and_around_timeout(make: Make) -> None:
    room = Room()

    @step(limit=Limit("db", 1), retry=recurs(1) & spaced(100), timeout=3.0)
    async def read(ctx: Context[object], who: str, seconds: float) -> str:
        return str(await room.stay.__wrapped__(ctx, who, seconds))

    outcome = settle(read("slow", seconds=60.0), sleep(1) >> read("quick", seconds=2.0)).run_sync(backend=make())
    assert outcome.value[0].failure() == TimedOut(3.0, "settle[0]/read")
    # the second waited two seconds for the first, which its own three do not count, and not while that one's retry did
    assert list(zip(room.who, room.times, strict=True)) == [("slow", 0), ("quick", 3), ("slow", 103)]


def test_a_declared_limit_changes_no_path() -> None:
    @step(limit=Limit("db", 1))
    async def broken(n: int) -> int:
        raise ValueError(n)

    outcome = broken(1).named("agent").run_sync()
    assert outcome.where is not None
    assert outcome.where.path == "agent/broken"


def test_what_a_limit_does_gives_no_events() -> None:
    @step
    async def inc(n: int) -> int:
        return n + 1

    outcome = rate_limit(limit(inc, Limit("db", 1)), RateLimit("api", 1, 1)).run_sync(1, trace=True)
    assert [type(event).__name__ for event in outcome.trace] == ["StepStarted", "StepFinished"]
    assert isinstance(outcome.trace[0], StepStarted)
    assert outcome.trace[0].path == "inc"


def test_a_limited_flow_is_pickled() -> None:
    flow = pickle.loads(pickle.dumps(each(limit(lift(str), Limit("db", 1)))))
    assert flow.run_sync([1, 2]).value == ("1", "2")


@on_all
def test_a_rate_holds_in_every_window(make: Make) -> None:
    room, backend = Room(), make()
    flow = gather(*(rate_limit(room.stay(n, 0.5), RateLimit("api", 3, 10)) for n in range(8)))
    assert flow.run_sync(backend=backend).ok
    times = room.times
    assert all(later - earlier >= 10 - 1e-6 for earlier, later in zip(times, times[3:], strict=False))
    if not backend.sequential:
        assert times == [0, 0, 0, 10, 10, 10, 20, 20]


@on_concurrent
def test_the_window_slides(make: Make) -> None:
    room = Room()
    delays = (0, 0, 4, 6, 12)
    flow = gather(*(sleep(at) >> rate_limit(room.stay(at), RateLimit("api", 3, 10)) for at in delays))
    flow.run_sync(backend=make())
    assert room.times == [0, 0, 4, 10, 12]


@on_concurrent
def test_who_is_cancelled_while_waiting_for_a_rate_uses_nothing_up(make: Make) -> None:
    room, rate = Room(), RateLimit("api", 1, 10)
    gone = (sleep(1) >> rate_limit(room.stay("gone"), rate).timeout(2)).or_else(pure("gave up"))
    after = sleep(2) >> rate_limit(room.stay("after"), rate)
    outcome = gather(rate_limit(room.stay("first"), rate), gone, after).run_sync(backend=make())
    assert outcome.value == ("first", "gave up", "after")
    assert list(zip(room.who, room.times, strict=True)) == [("first", 0), ("after", 10)]


@on_concurrent
def test_the_losers_of_a_race_leave_no_place_taken(make: Make) -> None:
    room, places = Room(), Limit("db", 1)
    contest = race(*(limit(room.stay(n, 1 + n), places) for n in range(3)))
    assert (contest >> limit(room.stay("after"), places)).timeout(60).run_sync(backend=make()).value == "after"


@on_all
def test_one_name_with_two_rates_is_a_defect(make: Make) -> None:
    flow = rate_limit(pure(1), RateLimit("api", 1, 1)) >> rate_limit(pure(1), RateLimit("api", 2, 1))
    assert "one name, one meaning" in str(flow.run_sync(backend=make()).error)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_limit_works_on_the_event_loops_of_users(loop: Any) -> None:
    @step
    def text(n: int) -> str:
        return str(n)

    outcome = each(limit(text, Limit("db", 3))).run_sync(range(9), backend=LocalBackend(loop=loop))
    assert "".join(outcome.value) == "012345678"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: Limit("db", 0), "size is a whole number of at least 1"),
        (lambda: Limit("a/b", 1), "a name is text without"),
        (lambda: RateLimit("api", 1, -1), "per_seconds are seconds"),
        (lambda: limit(pure(1), 3), "limit takes a Limit such as"),  # type: ignore[arg-type]
        (lambda: limit(3, Limit("db", 1)), "say pure(3)"),  # type: ignore[arg-type]
        (lambda: rate_limit(identity(), Limit("db", 1)), "rate_limit takes a RateLimit such as"),  # type: ignore[arg-type]
        (lambda: step(limit=3)(print), "limit= takes a Limit such as"),  # type: ignore[call-overload]
    ],
)
def test_what_cannot_be_a_limit_is_refused(wrong: Callable[[], object], says: str) -> None:
    with pytest.raises((DefinitionError, InvalidStep)) as refused:
        wrong()
    assert says in str(refused.value)
