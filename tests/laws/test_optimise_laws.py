"""An optimised flow is the flow: its outcome, the calls of its steps and their paths, for random flows of any kind.

Steps that are declared pure may be called once for several; what they are called with stays the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mce import (
    InlineBackend,
    LocalBackend,
    Outcome,
    branch,
    each,
    fail,
    gather,
    identity,
    lift,
    pure,
    recurs,
    settle,
    switch,
)
from mce.events import StepStarted
from mce.graph.optimise import optimise
from mce.testing import arrows, canonical, flows, program, states, values
from mce.testing.vocabulary import AtLeast, Ledger, Mishap, Mod, Plus, Snaps, Spread, weight
from tests.laws.meanings import AnyFlow, some

DOUBLES, HALVES = program("doubles"), program("halves")
PURE = {"doubles"}


def calls(outcome: Outcome[Any, Any, Any]) -> list[Any]:
    """List the calls of steps, with their paths, but for those of steps declared pure."""
    started = [event for event in outcome.trace if isinstance(event, StepStarted)]
    return [
        (event.path, event.step, canonical(event.input), event.attempt) for event in started if event.step not in PURE
    ]


def assert_same(flow: AnyFlow, found: AnyFlow, value: Any, state: Ledger, *, paths: bool = True) -> None:
    """Assert that ``found`` does what ``flow`` does, in line and concurrently."""
    first, second = (each.run_sync(value, state=state, backend=InlineBackend(), trace=True) for each in (flow, found))
    assert canonical(first.result) == canonical(second.result)
    assert first.state == second.state
    if paths:
        assert calls(first) == calls(second)
    else:
        assert [call[1:] for call in calls(first)] == [call[1:] for call in calls(second)]


@settings(max_examples=max(settings().max_examples, 600))
@given(flow=arrows(size=14), value=values(), state=states())
def test_an_optimised_flow_does_the_same(flow: AnyFlow, value: Any, state: Ledger) -> None:
    """``flow.optimise() = flow``: result, state, calls of steps, their order and their paths."""
    assert_same(flow, flow.optimise(), value, state)


REDEXES: list[Callable[[AnyFlow, AnyFlow], AnyFlow]] = [
    lambda m, n: gather(DOUBLES, m, DOUBLES, n),
    lambda m, n: settle(DOUBLES(3) >> DOUBLES, m, DOUBLES(3) >> DOUBLES, DOUBLES(4)) >> n,
    lambda m, n: gather(gather(m, lift(Plus(1))), gather(pure(1), n), DOUBLES),
    lambda m, n: gather(gather(gather(lift(Snaps(4)), lift(weight)), HALVES), m).map(weight) >> n,
    lambda m, n: pure(2) >> switch(Mod(3), {0: m, 2: n, 1: fail("never")}) >> m,
    lambda m, n: branch(AtLeast(5), m, n)(7) >> branch(AtLeast(5), m, n)(1),
    lambda m, n: pure(4) >> switch(Snaps(3), {4: m}, default=n),
    lambda m, n: m.recover(fail) >> n.bind(pure),
    lambda m, n: lift(Snaps(5)).recover(lambda _: m(1)) >> lift(Snaps(3)).recover(lambda _: n(2), on=Mishap),
    lambda m, n: lift(Spread(3)) >> each(lift(Snaps(7))) >> each(lift(Plus(1)), limit=1) >> each(m) >> n,
    lambda m, n: each(lift(weight)) >> m,
    lambda m, n: m >> fail("no") >> n >> m,
    lambda m, n: identity() >> m >> identity() >> (lift(weight) >> (lift(Snaps(6)) >> n)),
    lambda m, n: (pure(1) >> m)(2)(3) >> pure(5) >> pure(6) >> n(4),
    lambda m, n: pure(3).retry(recurs(2)).recover(lambda _: m(0), on=object) >> (m >> n)(3),
]
"""Flows of two parts to which the laws apply."""


@settings(max_examples=max(settings().max_examples, 400))
@given(
    redex=st.sampled_from(REDEXES),
    first=arrows(size=5),
    second=arrows(size=5),
    keep=st.booleans(),
    value=values(),
    state=states(),
)
def test_each_law_holds_around_any_parts(
    redex: Callable[[AnyFlow, AnyFlow], AnyFlow],
    first: AnyFlow,
    second: AnyFlow,
    keep: bool,
    value: Any,
    state: Ledger,
) -> None:
    """The laws, with any flows for their letters: parts that fail, have defects and write the state."""
    flow = redex(first, second)
    assert_same(flow, flow.optimise(keep_paths=keep), value, state, paths=keep)


@some
@given(flow=flows(size=12), state=states())
def test_closed_flows_stay_closed(flow: AnyFlow, state: Ledger) -> None:
    """An optimised flow asks for an input if and only if the flow does."""
    first, second = (each.run_sync(state=state, backend=InlineBackend()) for each in (flow, flow.optimise()))
    assert canonical(first.result) == canonical(second.result)


@some
@given(flow=arrows(size=12, deterministic=True), value=values(), state=states())
def test_an_optimised_flow_does_the_same_concurrently(flow: AnyFlow, value: Any, state: Ledger) -> None:
    """The same on the event loop, where the outcome is determined."""
    first, second = (each.run_sync(value, state=state, backend=LocalBackend()) for each in (flow, flow.optimise()))
    assert canonical(first.result) == canonical(second.result)
    assert first.state == second.state


@settings(max_examples=max(settings().max_examples, 400))
@given(flow=arrows(size=14), value=values(), state=states())
def test_nested_joins_made_one_do_the_same(flow: AnyFlow, value: Any, state: Ledger) -> None:
    """``gather`` is associative up to nesting: equal result, state and calls, in their order."""
    assert_same(flow, flow.optimise(keep_paths=False), value, state, paths=False)


@some
@given(flow=arrows(size=14), keep_paths=st.booleans())
def test_optimising_is_idempotent(flow: AnyFlow, keep_paths: bool) -> None:
    """``optimise(optimise(m)) = optimise(m)``: nothing more is to be done, and the same node is given."""
    once = optimise(flow.node, keep_paths=keep_paths).node
    again = optimise(once, keep_paths=keep_paths)
    assert again.node is once
    assert not again.applied
