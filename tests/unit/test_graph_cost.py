"""What a flow takes: known bounds, critical paths and widths; for random flows, the run in simulated time."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mce import (
    Flow,
    bracket,
    branch,
    cached,
    compensate,
    each,
    gather,
    hedge,
    iterate,
    lift,
    pure,
    quorum,
    race,
    recurs,
    retry,
    settle,
    spaced,
    speculate,
    step,
    timeout,
    validate,
)
from mce.backends import SimulatedBackend
from mce.durations import Estimates
from mce.graph.cost import Estimate, estimate
from mce.graph.width import EXACT_UP_TO, widest
from mce.testing import flows, states
from tests.laws.meanings import some
from tests.unit.graph_flows import a, b, block, c, dag

FIGURES = Estimates({"a": 1, "b": 2, "c": 5}, {}, {"a": 10, "b": 20})


def found(flow: Flow[Any, Any, Any, Any]) -> Estimate:
    return estimate(flow.graph(), FIGURES)


SECONDS: list[tuple[Flow[Any, Any, Any, Any], str, float, str]] = [
    (a >> b >> c, "8", 8, "1"),
    (gather(a >> b, c), "5", 5, "2"),
    (gather(gather(a, a), b), "2", 2, "3"),
    (settle(a >> b, pure(1)), "1 to 3", 3, "1"),
    (validate(a, b), "2", 2, "2"),
    (branch(bool, a, c), "1 to 5", 5, "1"),
    ((a >> b).or_else(c), "3 to 8", 3, "1"),
    (race(c, b), "2 to 5", 2, "2"),
    (quorum(2, a, b, c), "2 to 5", 2, "3"),
    (hedge(c, after=1), "5", 5, "2"),
    (speculate(b, a, c), "2 to 7", 5, "3"),
    (retry(b, recurs(2)), "2 to 6", 2, "1"),
    (retry(b, spaced(4).jittered() & recurs(2)), "2 to 18", 2, "1"),
    (retry(b, spaced(4)), "2 or more", 2, "1"),
    (timeout(c, 3), "3", 3, "1"),
    (retry(timeout(c, 3), recurs(1)), "3 to 6", 3, "1"),
    (iterate(b, until=bool), "2 or more", 2, "1"),
    (iterate(b, until=bool, at_most=4), "2 to 8", 2, "1"),
    (cached(b), "0 to 2", 2, "1"),
    (compensate((a, c), b), "3 to 8", 3, "1"),
    (bracket(a, b, c), "8", 8, "1"),
    (each(b), "0 to 2", 2, "1 or more"),
    (each(b, limit=3), "0 or more", 2, "1 to 3"),
    (each(b)([1, 2, 3]), "2", 2, "3"),
    (each(b, limit=2)([1, 2, 3]), "3 to 4", 4, "2"),
    (each(b)([]), "0", 0, "0"),
    (dag(), "7", 7, "3"),
    (lift(str) >> pure(2), "0", 0, "0"),
]  # fmt: skip


@pytest.mark.parametrize(("flow", "seconds", "critical", "width"), SECONDS)
def test_times_and_widths(flow: Flow[Any, Any, Any, Any], seconds: str, critical: float, width: str) -> None:
    known = found(flow)
    assert (str(known.seconds), known.critical.seconds, str(known.width)) == (seconds, critical, width)


def test_the_critical_path_names_its_steps() -> None:
    assert found(a >> gather(b >> b, a >> c)).critical.places == ("a", "gather[1]/a", "gather[1]/c")
    assert found(branch(bool, a, c >> a)).critical.places == ("branch[false]/c", "branch[false]/a")
    assert found(race(c, b)).critical.places == ("race[1]/b",)
    assert found(dag()).critical.places == ("dag/a/a", "dag/c/c", "dag/gather/gather[0]/a")


def test_calls_and_costs() -> None:
    known = found(each(gather(a, b))([1, 2, 3]) >> branch(bool, a, c))
    assert (str(known.calls), str(known.work), str(known.cost)) == ("7", "10 to 14", "90 to 100")


def test_steps_without_a_figure_are_named() -> None:
    assert found(a >> step(name="odd")(b.__wrapped__)).unknown == ("odd",)


def test_without_figures_the_critical_path_is_the_longest_in_steps() -> None:
    known = estimate(gather(a >> a >> a, c).graph())
    assert (known.critical.seconds, len(known.critical.places), str(known.seconds)) == (3, 3, "0")


def test_what_is_opaque_leaves_no_upper_bound() -> None:
    known = found(a >> block >> b)
    assert (str(known.seconds), str(known.calls), str(known.width)) == ("3 or more", "2 or more", "1 or more")
    assert known.opaque == ("block",)
    assert known.critical.places == ("a", "block", "b")


def test_a_wide_dag_has_a_bound() -> None:
    count = EXACT_UP_TO + 1
    assert widest([1] * count, {at: [at - 1] for at in range(1, count)}) == (1, False)
    assert widest([1] * count, {}) == (count, False)


@given(
    weights=st.lists(st.integers(0, 3), max_size=6),
    pairs=st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda pair: pair[0] < pair[1])),
)
def test_the_width_is_that_of_the_widest_set(weights: list[int], pairs: set[tuple[int, int]]) -> None:
    """The reference: all sets of tasks of which none waits for another."""
    tasks = range(len(weights))
    before = {at: [one for one, other in pairs if other == at] for at in tasks}
    assert widest(weights, before) == (
        max(sum(weights[at] for at in held) for held in _antichains(tasks, before)),
        True,
    )


def _antichains(tasks: range, before: Mapping[int, list[int]]) -> list[tuple[int, ...]]:
    above: dict[int, set[int]] = {}
    for at in tasks:
        above[at] = set(before[at]).union(*(above[earlier] for earlier in before[at]))
    sets = [held for size in range(len(tasks) + 1) for held in combinations(tasks, size)]
    return [held for held in sets if not any(one in above[other] for one, other in combinations(held, 2))]


@some
@given(flow=flows(size=14), state=states())
def test_a_run_takes_what_is_estimated(flow: Flow[Any, Any, Any, Any], state: Any) -> None:
    figures = Estimates({"adds": 1, "halves": 2, "doubles": 4, "sums": 8, "notes": 3, "reads": 7, "refuses": 5})
    known = estimate(flow.graph(), figures)
    for seed in (1, 2):
        backend = SimulatedBackend(seed, durations=figures)
        outcome = flow.run_sync(state=state, backend=backend)
        assert known.seconds.most is None or backend.elapsed <= known.seconds.most
        assert not outcome.ok or backend.elapsed >= known.seconds.least


def test_deep_and_wide_flows() -> None:
    flow: Flow[Any, Any, Any, Any] = a
    for _ in range(1_000):
        flow = gather(flow >> a, b).or_else(a)
    known = found(flow)
    assert (known.seconds.least, known.critical.seconds, known.width.most) == (2, 1_001, 1_001)
