"""A flow in words, and which failures may come out of it."""

# mypy: disable-error-code="empty-body"

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from mce import (
    CircuitBreaker,
    Flow,
    Result,
    budget,
    circuit_breaker,
    do,
    fail,
    gather,
    iterate,
    lift,
    map_error,
    pure,
    settle,
    step,
    timeout,
)
from mce.durations import Estimates
from mce.errors import Defect
from mce.graph import lower
from mce.graph.explain import explain, explanation
from mce.graph.failures import ANYTHING, expected_failures, failure_names
from mce.testing import flows, states
from tests.laws.meanings import some


class Lost(Exception): ...


class LostForGood(Lost): ...


@step(raises=Lost)
async def lost(value: Any) -> int: ...


@step
async def gone(value: Any) -> Result[int, LostForGood | str]: ...


@step
async def fine(value: Any) -> int: ...


@step
async def bare(value):  # type: ignore[no-untyped-def]
    return value


@do
async def block(value: Any) -> None: ...


@pytest.mark.parametrize(
    ("flow", "names"),
    [
        (fine >> lift(str), []),
        (lost >> gone, ["Lost", "LostForGood", "str"]),
        (fail(3), ["int"]),
        (map_error(lost, str), ["anything"]),
        (bare, ["anything"]),
        (block, ["anything"]),
        (timeout(fine, 3), ["TimedOut"]),
        (step(timeout=3)(fine.__wrapped__), ["TimedOut"]),
        (budget(fine, steps=3), ["BudgetExceeded"]),
        (iterate(fine, until=bool, at_most=3), ["LoopLimit"]),
        (iterate(fine, until=bool), []),
        (circuit_breaker(fine, CircuitBreaker("c", 1, 1)), ["CircuitOpen"]),
        (settle(lost, gone), []),
        (gather(lost, gone), ["Lost", "LostForGood", "str"]),
        (lost.or_else(fine), []),
        (gone.or_else(lost), ["Lost"]),
        (gather(lost, gone).recover(lambda error: pure(1), on=Lost), ["anything", "str"]),
        (gather(lost, gone).recover(fine, on=LostForGood), ["Lost", "str"]),
        (fine.or_else(lost), []),
    ],
)
def test_failures_as_declared(flow: Flow[Any, Any, Any, Any], names: list[str]) -> None:
    assert failure_names(expected_failures(lower(flow.node))[None]) == names


@some
@given(flow=flows(size=14), state=states())
def test_a_run_fails_as_declared(flow: Flow[Any, Any, Any, Any], state: Any) -> None:
    """Every expected failure of a run is of a type that was told, but where errors were gathered into a tuple."""
    outcome = flow.run_sync(state=state)
    told = expected_failures(lower(flow.node))[None]
    if not outcome.ok and not isinstance(outcome.error, Defect | tuple):
        assert ANYTHING in told or any(isinstance(outcome.error, one) for one in told)


def test_figures_and_what_is_opaque_are_told() -> None:
    text = explain(fine >> block, Estimates({"fine": 2}, {}, {"fine": 3}))
    assert "may call anything: dynamic region at block" in text
    assert "seconds: 2 or more, all calls together 2 or more" in text
    assert "cost: 3 or more" in text
    assert "critical path: 2 s: fine -> block" in text


def test_long_lists_are_cut() -> None:
    names = [step(name=f"step{at}")(fine.__wrapped__) for at in range(100)]
    lines = explain(gather(*names)).splitlines()
    assert "  ... 60 more" in lines
    assert len(lines) < 60


def test_rewrites_are_told_with_their_laws() -> None:
    found = explanation(lift(str) >> lift(len) >> lift(abs))
    assert [rewrite.law for rewrite in found.rewrites]
    assert str(found).splitlines()[-1].strip() == str(found.rewrites[-1])
    assert str(explanation(fine)).endswith("rewrites: none applies")


def test_a_method() -> None:
    assert fine.explain() == explain(fine)
    assert fine.check() == ()


@some
@given(flow=flows(size=14))
def test_every_flow_can_be_explained(flow: Flow[Any, Any, Any, Any]) -> None:
    assert explain(flow).count("\n") > 5
