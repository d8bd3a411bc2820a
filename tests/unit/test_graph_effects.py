"""What may be called and what surely is: known cases, and for random flows the run itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given

from mce import (
    Flow,
    Result,
    Success,
    bimap,
    bracket,
    branch,
    cached,
    compensate,
    each,
    exponential,
    fail,
    first_success,
    fold,
    gather,
    hedge,
    identity,
    iterate,
    lift,
    map_error,
    pure,
    quorum,
    race,
    recurs,
    retry,
    settle,
    spaced,
    speculate,
    step,
    switch,
    timeout,
    validate,
    when,
)
from mce.backends import InlineBackend, SimulatedBackend
from mce.events import StepStarted
from mce.graph import Graph
from mce.graph.effects import certain_calls, count_calls, may_call, opaque_places, possible_calls
from mce.testing import flows, states
from tests.laws.meanings import some
from tests.unit.graph_flows import a, b, block, c, dag


@step(idempotent=False)
async def send(value: Any) -> Any: ...


@step
async def planned(value: Any) -> Flow[object, int]:
    return pure(1)


@step
async def bare(value):  # type: ignore[no-untyped-def]
    return value


@step
async def bare_and_dynamic(value):  # type: ignore[no-untyped-def]
    return a(value)


def counted(flow: Flow[Any, Any, Any, Any]) -> dict[str, str]:
    return {name: str(calls) for name, calls in count_calls(flow.graph()).items()}


CASES: list[tuple[Flow[Any, Any, Any, Any], dict[str, str]]] = [
    (pure(1), {}),
    (a >> b >> a, {"a": "2", "b": "1"}),
    (gather(a, b >> a), {"a": "2", "b": "1"}),
    (branch(bool, a, b >> a), {"a": "1", "b": "0 to 1"}),
    (branch(bool, a >> a >> a, a >> b), {"a": "1 to 3", "b": "0 to 1"}),
    (when(bool, a), {"a": "0 to 1"}),
    (switch(str, {"x": a >> b, "y": a}, default=b), {"a": "0 to 1", "b": "0 to 1"}),
    ((a >> b).recover(lambda error: pure(1)), {"a": "1", "b": "0 to 1"}),
    ((a >> b).or_else(c >> b), {"a": "1", "b": "1 to 2", "c": "0 to 1"}),
    (gather(a, b).or_else(c), {"a": "0 to 1", "b": "0 to 1", "c": "0 to 1"}),
    (gather(pure(1), lift(str) >> a).or_else(c), {"a": "0 to 1", "c": "0 to 1"}),
    (first_success(a, b, c), {"a": "1", "b": "0 to 1", "c": "0 to 1"}),
    (pure(1).or_else(a), {"a": "0"}),
    (race(a, b), {"a": "0 to 1", "b": "0 to 1"}),
    (race(a >> b, b, b >> c), {"a": "0 to 1", "b": "1 to 3", "c": "0 to 1"}),
    (hedge(a, after=1), {"a": "1 to 2", "sleep": "0 to 1"}),
    (quorum(2, a, a >> b, b), {"a": "1 to 2", "b": "1 to 2"}),
    (quorum(3, a, b, c), {"a": "1", "b": "1", "c": "1"}),
    (settle(a >> b, c), {"a": "1", "b": "0 to 1", "c": "1"}),
    (validate(a >> b, c), {"a": "1", "b": "1", "c": "1"}),
    (each(a), {"a": "0 or more"}),
    (each(a >> b)([1, 2, 3]), {"a": "3", "b": "3"}),
    (each(a)([]), {"a": "0"}),
    (fold(a, 0), {"a": "0 or more"}),
    (iterate(a, until=bool), {"a": "1 or more"}),
    (iterate(a >> b, until=bool, at_most=5), {"a": "1 to 5", "b": "1 to 5"}),
    (retry(a >> b, recurs(2)), {"a": "1 to 3", "b": "1 to 3"}),
    (retry(a, spaced(1.0)), {"a": "1 or more"}),
    (retry(retry(a, recurs(1)), exponential(1).jittered() & recurs(2)), {"a": "1 to 6"}),
    (retry(a >> send, recurs(2)), {"a": "1 to 3", "send": "1"}),
    (iterate(retry(send, recurs(9)), until=bool, at_most=2), {"send": "1 to 2"}),
    (timeout(a, 3), {"a": "1"}),
    (settle(timeout(a, 3)), {"a": "0 to 1"}),
    (cached(a), {"a": "0 to 1"}),
    (bracket(a, b, c), {"a": "1", "b": "1", "c": "1"}),
    (bracket(a, b, c).or_else(pure(1)), {"a": "1", "b": "0 to 1", "c": "0 to 1"}),
    (bracket(pure(1), b, c).or_else(pure(1)), {"b": "1", "c": "1"}),
    (compensate((a, b), c), {"a": "1", "b": "0 to 1", "c": "1"}),
    (speculate(a, b >> c, c), {"a": "1", "b": "0 to 1", "c": "1 to 2"}),
    (dag(), {"a": "3", "b": "2", "c": "1"}),
    ((fail("no") >> a).or_else(b), {"a": "0 to 1", "b": "0 to 1"}),
    (a.bind(lambda value: b(value)), {"a": "1"}),
]  # fmt: skip


@pytest.mark.parametrize(("flow", "calls"), CASES)
def test_how_often_steps_are_called(flow: Flow[Any, Any, Any, Any], calls: dict[str, str]) -> None:
    graph = flow.graph()
    assert counted(flow) == calls
    assert possible_calls(graph).steps == set(calls)
    assert certain_calls(graph) == {name for name, found in calls.items() if not found.startswith("0")}


def test_what_is_known_only_when_it_runs_is_told() -> None:
    graph = (gather(a, b.bind(lambda value: c(value))) >> block >> planned).graph()
    assert opaque_places(graph) == ("gather[1]/bind", "block", "planned")
    found = possible_calls(graph)
    assert not found.is_known
    assert str(found) == "a, b, planned, and anything at gather[1]/bind, block, planned"
    assert may_call(graph, "anything")


def test_continuations_that_only_give_or_fail_are_known() -> None:
    for flow in (map_error(a, str), bimap(a, str, str), a.recover(fail), a.bind(pure)):
        assert opaque_places(flow.graph()) == ()
        assert counted(flow) == {"a": "1"}


def test_a_step_without_annotation_is_taken_at_its_code() -> None:
    assert opaque_places(bare.graph()) == ()
    assert opaque_places(bare_and_dynamic.graph()) == ("bare_and_dynamic",)


def test_a_step_is_known_by_its_function_too() -> None:
    graph = (a >> step(name="other")(b.__wrapped__)).graph()
    assert may_call(graph, "tests.unit.graph_flows:b")
    assert may_call(graph, "other")
    assert not may_call(graph, "b")
    assert not may_call(graph, "c")


def test_steps_with_policies_of_their_own() -> None:
    kept = step(name="kept", cache=True)(a.__wrapped__)
    tried = step(name="tried", retry=recurs(4), timeout=3)(a.__wrapped__)
    assert counted(kept >> tried) == {"kept": "0 to 1", "tried": "1 to 5"}
    assert counted(settle(tried)) == {"tried": "0 to 5"}


def test_a_graph_that_was_stored_gives_the_same() -> None:
    graph = (each(branch(bool, a, b))([1, 2]) >> planned).graph()
    again = Graph.from_json(graph.to_json())
    assert count_calls(again) == count_calls(graph)
    assert possible_calls(again) == possible_calls(graph)


def test_what_is_more_than_can_be_counted_has_no_bound() -> None:
    flow: Flow[Any, Any, Any, Any] = a
    for _ in range(60):
        flow = retry(flow, recurs(1))
    assert counted(flow) == {"a": "1 or more"}


@pytest.mark.parametrize("wrap", [lambda f: retry(f, recurs(1)), lambda f: settle(f, b), lambda f: f.or_else(c)])
def test_deep_flows(wrap: Any) -> None:
    flow: Flow[Any, Any, Any, Any] = a
    for at in range(1_000):
        flow = wrap(flow) >> step(name=f"step{at}")(b.__wrapped__)
    assert len(count_calls(flow.graph())) >= 1_001


@some
@given(flow=flows(size=14), state=states())
def test_a_run_calls_what_it_may_and_what_it_must(flow: Flow[Any, Any, Any, Any], state: Any) -> None:
    """Every call is possible, unless a place is opaque; what is certain is called in every success."""
    graph = flow.graph()
    bounds, possible = count_calls(graph), possible_calls(graph)
    for backend in (InlineBackend(), SimulatedBackend(1), SimulatedBackend(2)):
        outcome = flow.run_sync(state=state, trace=True, backend=backend)
        calls = Counter(event.step for event in outcome.trace if isinstance(event, StepStarted))
        if possible.is_known:
            assert set(calls) <= possible.steps
            for name, found in bounds.items():
                assert found.most is None or calls[name] <= found.most, name
        if outcome.ok:
            for name, found in bounds.items():
                assert calls[name] >= found.least, name


def test_an_identity_is_nothing() -> None:
    assert counted(identity() >> lift(str) >> identity()) == {}


def test_results_are_no_flows() -> None:
    async def checked(value: int) -> Result[int, str]:
        return Success(value)

    assert opaque_places(step(checked).graph()) == ()
