"""The laws of the policies: where they do not step in they change nothing, and sagas, batches and budgets compose.

What a policy shares between branches it asks of the engine, so the reference meaning has only the other side.
"""

from __future__ import annotations

from typing import Any

import anyio
from hypothesis import given
from hypothesis import strategies as st

from mce import (
    BudgetExceeded,
    CircuitBreaker,
    InlineBackend,
    Limit,
    Outcome,
    RateLimit,
    StepStarted,
    batched,
    budget,
    cached,
    circuit_breaker,
    compensate,
    each,
    lift,
    limit,
    rate_limit,
    settle,
    step,
)
from mce.testing import Observation, arrows, program
from tests.laws.meanings import (
    AnyFlow,
    Seen,
    Start,
    assert_agree,
    denoted,
    first,
    not_a_law,
    rethrown,
    run,
    same,
    some,
    starts,
)

FLOWS = arrows(deterministic=True)
SAFE = arrows(fails=False, deterministic=True)
STATELESS = arrows(fields=(), deterministic=True)


def same_in_engine(left: AnyFlow, right: AnyFlow, start: Start, *, calls: bool = True) -> None:
    """Assert that ``left`` does on every backend what ``right`` does there and means."""
    left, right = start.placed(left), start.placed(right)

    async def on_asyncio() -> list[Seen]:
        in_turn = [await run(flow, start, InlineBackend()) for flow in (left, right)]
        return [await denoted(right, start), *in_turn, *[await run(flow, start) for flow in (left, right)]]

    async def on_trio() -> list[Seen]:
        return [await run(flow, start, trace=True) for flow in (left, right)]

    assert_agree([*anyio.run(on_asyncio), *anyio.run(on_trio, backend="trio")], calls=calls)


@some
@given(m=FLOWS, start=starts())
def test_a_limit_that_is_free_changes_nothing(m: AnyFlow, start: Start) -> None:
    """``limit(m, l) = m``."""
    same_in_engine(limit(m, Limit("one", 1)), m, start)


@some
@given(m=FLOWS, start=starts())
def test_a_rate_that_is_free_changes_nothing(m: AnyFlow, start: Start) -> None:
    """``rate_limit(m, r) = m``, but for time."""
    same_in_engine(rate_limit(m, RateLimit("often", 1000, 1)), m, start)


@some
@given(m=FLOWS, start=starts())
def test_a_circuit_that_is_closed_changes_nothing(m: AnyFlow, start: Start) -> None:
    """``circuit_breaker(m, b) = m`` while the circuit is closed."""
    same_in_engine(circuit_breaker(m, CircuitBreaker("closed", 1000, 1)), m, start)


@some
@given(m=FLOWS, start=starts())
def test_a_budget_that_is_enough_changes_nothing(m: AnyFlow, start: Start) -> None:
    """``budget(m, ...) = m`` if ``m`` uses no more."""
    same(budget(m, steps=10_000, seconds=10_000, cost=10_000), m, start)


@some
@given(m=STATELESS, start=starts())
def test_what_is_asked_for_once_is_computed_once(m: AnyFlow, start: Start) -> None:
    """``cached(m) = m`` for an ``m`` that always gives the same value for an input."""
    same_in_engine(cached(m, key=lambda _: 0), m, start)


def len_of_text(value: Any) -> int:
    return len(str(value))


@some
@given(m=STATELESS, start=starts())
def test_a_cache_of_a_cache_is_a_cache(m: AnyFlow, start: Start) -> None:
    """``cached(cached(m)) = cached(m)``."""
    once = cached(m, key=len_of_text)
    twice = cached(once, key=len_of_text)
    asked = [each(settle(flow), 1)([3, 3, 4]).map(str) for flow in (twice, once)]

    async def both() -> list[Seen]:
        return [await run(flow, start, InlineBackend()) for flow in asked]

    assert_agree(anyio.run(both))


@some
@given(a=FLOWS, b=FLOWS, c=FLOWS, start=starts())
def test_a_saga_without_undos_is_the_sequence(a: AnyFlow, b: AnyFlow, c: AnyFlow, start: Start) -> None:
    """``compensate(a, b, c) = a >> b >> c``."""
    same(compensate(a, b, c), a >> b >> c, start)


@some
@given(a=FLOWS, b=SAFE, u=FLOWS, start=starts())
def test_a_saga_that_succeeds_is_the_sequence(a: AnyFlow, b: AnyFlow, u: AnyFlow, start: Start) -> None:
    """``compensate((a, u), b) = a >> b`` if ``b`` succeeds."""
    same_in_engine(compensate((a, u), b), a >> b, start)


@some
@given(a=FLOWS, b=FLOWS, u=FLOWS, start=starts())
def test_a_saga_that_fails_runs_the_undo_on_what_was_done(a: AnyFlow, b: AnyFlow, u: AnyFlow, start: Start) -> None:
    """``compensate((a, u), b)`` is ``a``, then ``b``, and if that failed ``u`` on what ``a`` gave, and the same end."""

    def tried(value: Any) -> AnyFlow:
        return settle(b(value)).map(first).bind(lambda end: ended(value, end))

    def ended(value: Any, end: Any) -> AnyFlow:
        failed = end.swap().value_or(None) is not None
        return settle(u(value)).bind(lambda _: rethrown(end)) if failed else rethrown(end)

    same_in_engine(compensate((a, u), b), a.bind(tried), start)


@some
@given(a=FLOWS, b=FLOWS, c=FLOWS, u=FLOWS, v=FLOWS, start=starts())
def test_sagas_associate_to_the_right(a: AnyFlow, b: AnyFlow, c: AnyFlow, u: AnyFlow, v: AnyFlow, start: Start) -> None:
    """``compensate((a, u), compensate((b, v), c)) = compensate((a, u), (b, v), c)``."""

    async def both() -> list[Seen]:
        nested, flat = compensate((a, u), compensate((b, v), c)), compensate((a, u), (b, v), c)
        return [await run(start.placed(flow), start, InlineBackend()) for flow in (nested, flat)]

    assert_agree(anyio.run(both))


@not_a_law
def test_sagas_do_not_associate_to_the_left() -> None:
    """``compensate(compensate((a, u), b), c) = compensate((a, u), b, c)``: the inner one is over when ``c`` fails."""
    a, u, b, c = (program(text) for text in ("adds(1)", "notes('log')", "adds(2)", "fail(3)"))

    async def both() -> list[Seen]:
        nested, flat = compensate(compensate((a, u), b), c), compensate((a, u), b, c)
        return [await run(flow, Start(), InlineBackend()) for flow in (nested, flat)]

    assert_agree(anyio.run(both))


def run_in_turn(flow: AnyFlow, start: Start) -> Outcome[Any, Any, Any]:
    return flow.run_sync(start.value, state=start.state, backend=InlineBackend(), trace=True)


def calls_of(outcome: Outcome[Any, Any, Any]) -> int:
    """Count the calls that count: those of finalisers do not."""
    started = (event.path for event in outcome.trace if isinstance(event, StepStarted))
    return sum("/release/" not in path for path in started)


@some
@given(m=FLOWS, start=starts())
def test_a_budget_allows_as_many_calls_as_are_made_and_no_fewer(m: AnyFlow, start: Start) -> None:
    """``budget(m, steps=n) = m`` for the ``n`` calls of ``m``, and fails for any less."""
    free = run_in_turn(m, start)
    calls = calls_of(free)
    enough = run_in_turn(budget(m, steps=calls), start)
    assert Observation.of(enough) == Observation.of(free)
    if calls:
        short = run_in_turn(budget(m, steps=calls - 1), start)
        assert isinstance(short.error, BudgetExceeded)
        assert calls_of(short) == calls - 1


@some
@given(m=FLOWS, a=st.integers(0, 8), b=st.integers(0, 8), start=starts())
def test_of_two_budgets_the_smaller_one_counts(m: AnyFlow, a: int, b: int, start: Start) -> None:
    """``budget(budget(m, steps=a), steps=b) = budget(m, steps=min(a, b))``."""
    nested, flat = budget(budget(m, steps=a), steps=b), budget(m, steps=min(a, b))
    first, second = (run_in_turn(flow, start) for flow in (nested, flat))
    assert Observation.of(first) == Observation.of(second)


@given(numbers=st.lists(st.integers(0, 5)), limit=st.none() | st.integers(1, 3))
def test_a_batch_gives_what_the_function_gives(numbers: list[int], limit: int | None) -> None:
    """``each(batched(f)) = lift(list) >> step(f) >> lift(tuple)``, for an ``f`` that treats inputs independently."""

    async def squares(asked: list[int]) -> list[int]:
        return [number * number for number in asked]

    expected = (lift(list[int]) >> step(squares) >> lift(tuple[int, ...])).run_sync(numbers)
    assert each(batched(squares, max_size=limit)).run_sync(numbers) == expected


@not_a_law
def test_a_cache_does_not_distribute_over_a_sequence() -> None:
    """``cached(m >> n) = cached(m) >> cached(n)``: the one calls ``n`` for each input, the other for each value."""
    m, n = (program(text) for text in ("halves", "waits"))
    left, right = each(cached(m >> n), 1), each(cached(m) >> cached(n), 1)

    async def both() -> list[Seen]:
        return [await run(flow, Start([1, 2, 3]), InlineBackend()) for flow in (left, right)]

    assert_agree(anyio.run(both))
