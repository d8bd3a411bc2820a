"""Series-parallel decomposition: exact where that is possible, else every order kept and the loss told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mce import Dag, DefinitionError, gather, identity, lift, pure
from mce.graph.series_parallel import Decomposition, Parallel, Series, SpTree, Task, series_parallel

Waits = dict[str, list[str]]

N_SHAPE: Waits = {"a": [], "b": [], "c": ["a"], "d": ["a", "b"]}


def orders(tree: SpTree) -> set[tuple[str, str]]:
    """List all pairs that the tree puts in order."""
    return _orders(tree)[1]


def _orders(tree: SpTree) -> tuple[list[str], set[tuple[str, str]]]:
    if isinstance(tree, Task):
        return [tree.name], set()
    names: list[str] = []
    found: set[tuple[str, str]] = set()
    for part in tree.parts:
        inner, pairs = _orders(part)
        if isinstance(tree, Series):
            pairs |= {(before, after) for before in names for after in inner}
        names += inner
        found |= pairs
    return names, found


def closure(waits: Waits) -> set[tuple[str, str]]:
    """List all pairs that the dag puts in order; its tasks are in topological order."""
    above: dict[str, set[str]] = {}
    for name, befores in waits.items():
        above[name] = set().union(*({before} | above[before] for before in befores))
    return {(before, name) for name, befores in above.items() for before in befores}


@st.composite
def dags(draw: Any) -> Waits:
    """Draw a dag of up to nine tasks."""
    count = draw(st.integers(1, 9))
    density = draw(st.integers(1, 4))
    return {f"t{at}": [f"t{other}" for other in range(at) if draw(st.integers(0, 4)) < density] for at in range(count)}


@st.composite
def trees(draw: Any, names: tuple[str, ...] = tuple("abcdefgh")) -> SpTree:
    """Draw a tree of the names, in any shape."""
    if len(names) == 1:
        return Task(names[0])
    at = draw(st.integers(1, len(names) - 1))
    kind = draw(st.sampled_from([Series, Parallel]))
    return kind((draw(trees(names[:at])), draw(trees(names[at:]))))  # type: ignore[no-any-return]


@given(dag=dags(), seconds=st.lists(st.integers(0, 5), min_size=9, max_size=9))
def test_every_order_is_kept_and_the_loss_is_told(dag: Waits, seconds: list[int]) -> None:
    durations = dict(zip(dag, seconds, strict=False))
    found = series_parallel(dag, durations=durations)
    assert closure(dag) <= orders(found.tree)
    assert (closure(dag) == orders(found.tree)) == found.exact
    assert found.span == longest(orders(found.tree), durations)
    assert found.dag_span == longest(closure(dag), durations)
    assert found.lost >= 0


def longest(pairs: set[tuple[str, str]], seconds: dict[str, int]) -> float:
    ends: dict[str, int] = {}
    for name in sorted(seconds, key=lambda each: sum(after == each for _, after in pairs)):
        ends[name] = seconds[name] + max((ends[before] for before, after in pairs if after == name), default=0)
    return max(ends.values())


@given(tree=trees())
def test_a_series_parallel_dag_is_found_again(tree: SpTree) -> None:
    """Nothing is lost, whether or not its edges have shortcuts."""
    pairs = orders(tree)
    dag = {name: [before for before, after in sorted(pairs) if after == name] for name in "abcdefgh"}
    found = series_parallel(dag)
    assert found.exact
    assert (found.barriers, found.added, found.lost) == (0, 0, 0)
    assert orders(found.tree) == pairs
    reduced = {
        name: [b for b in befores if not any((b, other) in pairs for other in befores)] for name, befores in dag.items()
    }
    assert orders(series_parallel(reduced).tree) == pairs


@pytest.mark.parametrize(
    ("dag", "text"),
    [
        ({}, "()"),
        ({"a": []}, "a"),
        ({"a": [], "b": ["a"], "c": ["b"]}, "a ; b ; c"),
        ({"a": [], "b": [], "c": ["a", "b"], "d": ["a", "b"]}, "(a | b) ; (c | d)"),
        ({"a": [], "b": ["a"], "c": ["a", "b"]}, "a ; b ; c"),
        ({"a": [], "b": ["a"], "c": []}, "(a ; b) | c"),
    ],
)
def test_trees_as_text(dag: Waits, text: str) -> None:
    found = series_parallel(dag)
    assert str(found.tree) == text
    assert str(found) == f"{text}  (nothing is lost)"


def test_a_barrier_stands_where_it_costs_least() -> None:
    even = series_parallel(N_SHAPE)
    assert str(even.tree) == "(a | b) ; (c | d)"
    assert (even.barriers, even.added, even.lost) == (1, 1, 0)
    free = series_parallel(N_SHAPE, durations={"b": 5, "c": 4})
    assert str(free.tree) == "((a ; c) | b) ; d"
    assert free.lost == 0
    slow = series_parallel(N_SHAPE, durations={"b": 5, "c": 5})
    assert (slow.span, slow.dag_span) == (7, 6)
    assert str(slow).endswith("(1 barriers, 17% longer)")


def test_the_flow_of_a_dag_is_decomposed() -> None:
    dag = Dag[object]()
    first = dag.add(lift(str), dag.input, name="first")
    left, right = dag.add(lift(str), first, name="left"), dag.add(pure(1), name="right", after=[first])
    dag.add(gather(identity(), identity()), left, name="last", after=[right])
    assert str(series_parallel(dag.flow()).tree) == "first ; (left | right) ; last"


@pytest.mark.parametrize(
    ("dag", "durations", "message"),
    [
        ({"a": ["b"], "b": ["a"]}, {}, "a dag has no cycles"),
        ({"a": ["b"]}, {}, "task 'a' waits for 'b', which is not among the tasks"),
        ({"a": []}, {"a": -1.0}, "durations['a'] is a finite number"),
        (pure(1), {}, "takes the flow of a Dag"),
    ],
)
def test_what_is_no_dag_is_refused(dag: Any, durations: dict[str, float], message: str) -> None:
    with pytest.raises(DefinitionError, match=message.replace("[", "\\[")):
        series_parallel(dag, durations=durations)


def test_long_and_deep_dags_take_no_stack() -> None:
    chain = {f"t{at}": [f"t{at - 1}"] if at else [] for at in range(20_000)}
    found = series_parallel(chain)
    assert found.exact
    assert found.span == 20_000
    comb: Waits = {"s0": []}
    for at in range(1, 400):
        comb |= {f"s{at}": [f"s{at - 1}"], f"x{at}": [f"s{at - 1}"]}
    deep = series_parallel(comb)
    assert deep.exact
    assert str(deep.tree).startswith("s0 ; ((s1 ; (")
    assert len(repr(deep.tree)) <= 120


def test_decompositions_are_data() -> None:
    found = series_parallel(N_SHAPE)
    assert isinstance(found, Decomposition)
    assert isinstance(found.tree, Series)
    assert repr(found.tree) == "(a | b) ; (c | d)"
