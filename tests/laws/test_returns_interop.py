"""The functions of ``returns.pointfree`` and ``returns.pipeline`` take our flows and outcomes, as they take results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from returns import pipeline, pointfree
from returns.result import Failure, Success

from mce import InlineBackend, Outcome, apply, fail, map_error, pure
from mce.testing import continuations, flows, functions
from mce.testing.vocabulary import Choice, Plus
from tests.laws.meanings import AnyFlow, Start, same, some, starts

# The functions are typed for a plugin of mypy, and what they take is found out when they are called.
words: Any = pointfree
flow: Any = pipeline.flow
pipe: Any = pipeline.pipe

CLOSED = flows(deterministic=True)


@some
@given(m=CLOSED, f=functions(), start=starts())
def test_map_(m: AnyFlow, f: Callable[[Any], Any], start: Start) -> None:
    """``map_(f)(m) = m.map(f)``."""
    same(words.map_(f)(m), m.map(f), start)


@some
@given(m=CLOSED, f=continuations(deterministic=True), start=starts())
def test_bind(m: AnyFlow, f: Choice, start: Start) -> None:
    """``bind(f)(m) = m.bind(f)``."""
    same(words.bind(f)(m), m.bind(f), start)


@some
@given(m=CLOSED, f=functions(), start=starts())
def test_alt(m: AnyFlow, f: Callable[[Any], Any], start: Start) -> None:
    """``alt(f)(m) = map_error(m, f)``."""
    same(words.alt(f)(m), map_error(m, f), start)


@some
@given(m=CLOSED, h=continuations(deterministic=True), start=starts())
def test_lash(m: AnyFlow, h: Choice, start: Start) -> None:
    """``lash(h)(m) = m.recover(h)``."""
    same(words.lash(h)(m), m.recover(h), start)


@some
@given(m=CLOSED, n=CLOSED, start=starts())
def test_apply(m: AnyFlow, n: AnyFlow, start: Start) -> None:
    """``apply(function)(m) = mce.apply(function, m)``: the function's effects come first."""
    function = n.map(lambda _: Plus(1))
    same(words.apply(function)(m), apply(function, m), start)


@some
@given(m=CLOSED, f=functions(), g=functions(), start=starts())
def test_bimap(m: AnyFlow, f: Callable[[Any], Any], g: Callable[[Any], Any], start: Start) -> None:
    """``bimap(f, g)(m) = m.map(f)`` with ``g`` for the errors."""
    same(words.bimap(f, g)(m), map_error(m.map(f), g), start)


def half(n: int) -> Any:
    return pure(n // 2) if n % 2 == 0 else fail(f"{n} is odd")


STEPS = (words.map_(lambda n: n + 1), words.bind(half), words.alt(len), words.lash(lambda size: pure(-size)))


@pytest.mark.parametrize(("start", "end"), [(3, 2), (4, -len("5 is odd"))])
def test_flow_and_pipe_run_through_our_flows(start: int, end: int) -> None:
    """``flow(m, f, g)`` is ``g(f(m))``, and ``pipe(f, g)(m)`` the same."""
    assert flow(pure(start), *STEPS).run_sync(backend=InlineBackend()).value == end
    assert pipe(*STEPS)(pure(start)).run_sync(backend=InlineBackend()).value == end


def outcome_of_half(n: int) -> Outcome[Any, Any, Any]:
    return Outcome(Success(n // 2), "halved") if n % 2 == 0 else Outcome(Failure(f"{n} is odd"), "refused")


def test_flow_runs_through_our_outcomes() -> None:
    """Outcomes too: a bound outcome's own state is kept, else that from before."""
    steps = (words.map_(lambda n: n + 1), words.bind(outcome_of_half))
    assert flow(Outcome(Success(3), "begun"), *steps) == Outcome(Success(2), "halved")
    assert flow(Outcome(Success(4), "begun"), *steps, words.alt(len)) == Outcome(Failure(len("5 is odd")), "refused")
    assert flow(Outcome(Success(3), "begun"), words.bind(Outcome.from_value)) == Outcome(Success(3), "begun")
    assert flow(Outcome(Failure(3), "begun"), words.lash(Outcome.from_value)) == Outcome(Success(3), "begun")


def test_the_function_comes_first_in_apply() -> None:
    """``apply`` fails as the function does when both fail, for outcomes as for flows."""
    first, second = Outcome(Failure("function"), 1), Outcome(Failure("argument"), 2)
    assert words.apply(first)(second) == first
    assert words.apply(fail("function"))(fail("argument")).run_sync(backend=InlineBackend()).error == "function"
