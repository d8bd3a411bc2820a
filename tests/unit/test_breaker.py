"""Circuit breakers: closed, open, one trial, and closed again; what counts and what does not."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from mce import (
    Backend,
    CircuitBreaker,
    CircuitOpen,
    Context,
    DefinitionError,
    Flow,
    circuit_breaker,
    gather,
    pure,
    recurs,
    retry,
    settle,
    sleep,
    step,
)
from tests.unit.virtual import on_all, on_concurrent

Make = Callable[[], Backend]


class Service:
    """A step ``ask(answer)``, which gives what it is told to, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

        @step(raises=ConnectionError)
        async def ask(ctx: Context[object], answer: Any, seconds: float = 0.0) -> Any:
            self.asked.append(answer)
            await ctx.sleep(seconds)
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.ask = ask


BROKEN = ConnectionError("broken")


def opened(error: object) -> bool:
    return isinstance(error, CircuitOpen)


@on_all
def test_it_opens_after_failures_in_a_row_and_then_fails_fast(make: Make) -> None:
    service, breaker = Service(), CircuitBreaker("search", 3, 30)
    ask = circuit_breaker(service.ask, breaker)
    answers = [BROKEN, BROKEN, "good", BROKEN, BROKEN, BROKEN, "late"]
    flow = settle(ask(answers[0]))
    for answer in answers[1:]:
        flow = flow >> settle(ask(answer))
    (last,) = flow.run_sync(backend=make()).value
    assert service.asked == answers[:-1]
    open: Any = last.failure()
    assert isinstance(open, CircuitOpen)
    assert (open.name, open.path) == ("search", "settle:7[0]/circuit(search)")


@on_all
def test_after_a_while_it_lets_one_try_and_closes_when_that_succeeds(make: Make) -> None:
    service, breaker = Service(), CircuitBreaker("search", 1, 30)
    ask = circuit_breaker(service.ask, breaker)
    flow = settle(ask(BROKEN)) >> sleep(29) >> settle(ask("early")) >> sleep(1) >> ask("trial") >> settle(ask(BROKEN))
    assert flow.run_sync(backend=make()).ok
    assert service.asked == [BROKEN, "trial", BROKEN]


@on_all
def test_a_trial_that_fails_opens_it_as_long_again(make: Make) -> None:
    service, breaker = Service(), CircuitBreaker("search", 2, 30)
    ask = circuit_breaker(service.ask, breaker)
    flow = settle(ask(BROKEN)) >> settle(ask(BROKEN)) >> sleep(30) >> settle(ask(BROKEN))
    flow = flow >> sleep(29) >> settle(ask("early")) >> sleep(1) >> settle(ask("trial"))
    assert flow.run_sync(backend=make()).ok
    assert service.asked == [BROKEN, BROKEN, BROKEN, "trial"]


@on_concurrent
def test_only_one_is_let_through_to_try(make: Make) -> None:
    service, breaker = Service(), CircuitBreaker("search", 1, 30)
    ask = circuit_breaker(service.ask, breaker)

    def slowly(answer: Any, seconds: float) -> Flow[object, Any, Any]:
        return circuit_breaker(service.ask(answer, seconds=seconds), breaker)

    trials = settle(*(slowly(n, seconds=5.0) for n in range(4)))
    results = (settle(ask(BROKEN)) >> sleep(30) >> trials).run_sync(backend=make()).value
    assert len(service.asked) == 2
    assert sum(1 for result in results if opened(result.swap().value_or(None))) == 3


@on_concurrent
def test_a_trial_that_is_cancelled_leaves_the_next_one_to_try(make: Make) -> None:
    service, breaker = Service(), CircuitBreaker("search", 1, 30)
    ask = circuit_breaker(service.ask, breaker)

    def slowly(answer: Any, seconds: float) -> Flow[object, Any, Any]:
        return circuit_breaker(service.ask(answer, seconds=seconds), breaker)

    given_up = settle(slowly("trial", seconds=60.0).timeout(1))
    assert (settle(ask(BROKEN)) >> sleep(30) >> given_up >> ask("next")).run_sync(backend=make()).value == "next"


@on_concurrent
def test_who_began_before_it_opened_does_not_close_it(make: Make) -> None:
    service, breaker = Service(), CircuitBreaker("search", 1, 30)
    ask = circuit_breaker(service.ask, breaker)

    def slowly(answer: Any, seconds: float) -> Flow[object, Any, Any]:
        return circuit_breaker(service.ask(answer, seconds=seconds), breaker)

    old, late = slowly("old", seconds=10.0), sleep(11) >> settle(ask("late"))
    outcome = gather(old, sleep(1) >> settle(ask(BROKEN)), late).run_sync(backend=make())
    assert outcome.value[0] == "old"
    assert opened(outcome.value[2][0].failure())


@on_concurrent
def test_a_failure_of_who_began_before_does_not_prolong_it(make: Make) -> None:
    service, breaker = Service(), CircuitBreaker("search", 1, 30)
    ask = circuit_breaker(service.ask, breaker)

    def slowly(answer: Any, seconds: float) -> Flow[object, Any, Any]:
        return circuit_breaker(service.ask(answer, seconds=seconds), breaker)

    old = settle(slowly(BROKEN, seconds=20.0))
    outcome = gather(old, settle(ask(BROKEN)), sleep(30) >> ask("trial")).run_sync(backend=make())
    assert outcome.value[2] == "trial"


@on_all
def test_defects_count_and_what_is_recovered_inside_does_not(make: Make) -> None:
    service, breaker = Service(), CircuitBreaker("search", 1, 30)
    good = circuit_breaker(service.ask(BROKEN).recover(lambda _: pure("recovered")), breaker)
    wrong = circuit_breaker(service.ask(ZeroDivisionError()), breaker)
    flow = good >> good >> settle(wrong) >> settle(good)
    assert opened(flow.run_sync(backend=make()).value[0].failure())
    assert len(service.asked) == 3


@on_all
def test_inside_itself_it_lets_through_and_counts_once(make: Make) -> None:
    service, breaker = Service(), CircuitBreaker("search", 2, 30)
    inner = circuit_breaker(service.ask, breaker)
    nested = circuit_breaker(gather(sleep(1), sleep(1) >> pure(BROKEN) >> inner), breaker)
    flow = settle(nested) >> settle(nested) >> sleep(30) >> circuit_breaker(inner("trial"), breaker) >> inner("after")
    assert flow.run_sync(backend=make()).value == "after"
    assert service.asked == [BROKEN, BROKEN, "trial", "after"]


@on_all
def test_it_is_a_failure_that_recover_knows(make: Make) -> None:
    service, breaker = Service(), CircuitBreaker("search", 1, 30)
    ask = circuit_breaker(service.ask(BROKEN), breaker)
    flow = retry(ask, recurs(5)).recover(lambda open: pure(open.name), on=CircuitOpen)
    assert flow.run_sync(backend=make()).value == "search"
    assert len(service.asked) == 1


def test_its_error_is_pickled_and_says_until_when() -> None:
    error = CircuitOpen("search", 12.5, "agent/circuit(search)")
    assert pickle.loads(pickle.dumps(error)) == error
    assert str(error) == "circuit 'search' is open until 12.5 s on the backend's clock at agent/circuit(search)"


def test_one_name_with_two_meanings_is_a_defect() -> None:
    flow = circuit_breaker(pure(1), CircuitBreaker("a", 1, 1)) >> circuit_breaker(pure(1), CircuitBreaker("a", 2, 1))
    assert "one name, one meaning" in str(flow.run_sync().error)


def test_what_is_no_breaker_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"failures is a whole number"):
        CircuitBreaker("a", 0, 1)
    with pytest.raises(DefinitionError, match=r"takes a CircuitBreaker such as"):
        circuit_breaker(pure(1), "a")  # type: ignore[arg-type]
