"""A random flow comes to the same on a cluster as in line and in the reference meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import anyio
from distributed import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from mce.backends import DaskBackend, InlineBackend
from mce.testing import Observation, flows, observe, states
from mce.testing.vocabulary import Ledger
from tests.laws.meanings import AnyFlow, Seen, Start, assert_agree, denoted

some = settings(max_examples=settings().max_examples * 2 // 5)

Way: TypeAlias = Mapping[str, Any]

ways = st.sampled_from([{}, {"chunk": 1}, {"chunk": 3, "spread_from": 2}])
"""How branches become tasks: as measured, each one of its own, and in groups that tasks, too, send to other workers."""


@some
@given(flow=flows(size=12, deterministic=True), state=states(), way=ways)
def test_a_cluster_agrees_with_the_other_meanings(client: Client, flow: AnyFlow, state: Ledger, way: Way) -> None:
    """Equal result and state, and where nothing was cancelled the same calls, in any order."""
    backend = DaskBackend(client, **way)
    reference = anyio.run(denoted, flow, Start(None, state))
    in_line = Seen("in line", observe(flow, state=state), determined=reference.determined)
    watched = Seen("on a cluster", observe(flow, state=state, backend=backend), in_turn=False)
    assert_agree([in_line, watched])
    alone = Seen("on a cluster, not watched", Observation.of(flow.run_sync(state=state, backend=backend)))
    assert_agree([reference, in_line, alone], calls=False)


@some
@given(flow=flows(size=12, deterministic=True), state=states(), way=ways)
def test_a_flow_fails_where_it_fails_in_line(client: Client, flow: AnyFlow, state: Ledger, way: Way) -> None:
    """A failure has the same place, attempt and notes, whichever worker it happened on."""
    in_line = flow.run_sync(state=state, backend=InlineBackend())
    there = flow.run_sync(state=state, backend=DaskBackend(client, **way))
    assert (there.where is None) == (in_line.where is None)
    if there.where is not None and in_line.where is not None:
        assert (there.where.path, there.where.attempt) == (in_line.where.path, in_line.where.attempt)
        assert there.where.notes == in_line.where.notes


@some
@given(flow=flows(size=12), state=states(), way=ways)
def test_any_flow_runs_to_an_outcome(client: Client, flow: AnyFlow, state: Ledger, way: Way) -> None:
    """Races, deadlines and several failures at once: the cluster gives an outcome, and says where it failed."""
    outcome = flow.run_sync(state=state, backend=DaskBackend(client, **way))
    assert isinstance(outcome.state, Ledger)
    assert (outcome.where is None) == outcome.ok
