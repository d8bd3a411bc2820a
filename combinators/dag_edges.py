"""A ``Dag`` of data: tasks by name and the edges between them, read, checked and sorted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Any

from typing_extensions import TypeVar

from mce.combinators.dag_tasks import OnFailure, join_of, takes_several, task_of
from mce.errors import DefinitionError, brief
from mce.flow import Flow, flow_node, path_label
from mce.syntax import Dag, Node, Ref, Takes

__all__ = ["from_edges"]

B = TypeVar("B")
E0 = TypeVar("E0")
S1 = TypeVar("S1")

_SHOWN = 12


def from_edges(
    tasks: Mapping[str, Flow[Any, B, E0, S1]],
    edges: Mapping[str, Sequence[str]] | Iterable[tuple[str, str]],
    *,
    outputs: Iterable[str] | None = None,
    on_failure: OnFailure = "fail_fast",
    name: str = "dag",
) -> Flow[Any, dict[str, B], E0, S1]:
    """Make a flow of named tasks and of ``edges``, pairs ``(before, after)`` or a mapping to those before a task.

    A task is given the flow's own input if it is after none, the value of the one it is after, or the tuple of the
    values of several, in the order of the edges; a step of several parameters gets them as its arguments. The value is
    a dict of the values of all tasks, or of ``outputs``. For ``on_failure`` see :meth:`mce.Dag.flow`.
    Raises ``DefinitionError`` for a cycle, which it names, for an edge to no task, and for an edge given twice.

    Law: the order of ``tasks`` changes no value.

    >>> from mce import Dag, identity, lift
    >>> tasks = {"sum": lift(sum), "twice": lift(lambda n: n * 2), "given": identity()}
    >>> Dag.from_edges(tasks, {"twice": ["given"], "sum": ["given", "twice"]}, outputs=["sum"]).run_sync(4)
    Outcome({'sum': 12})
    >>> Dag.from_edges(tasks, [("sum", "twice"), ("twice", "given"), ("given", "sum")])
    Traceback (most recent call last):
    mce.errors.DefinitionError: a dag has no cycles: sum -> twice -> given -> sum
    """
    _check_names(tasks)
    before = _before(tasks, edges)
    chosen = tuple(tasks if outputs is None else _outputs(outputs, tasks))
    order = _sorted(before)
    made = [_task(task, tasks[task], before[task]) for task in order]
    nodes = tuple([(task, body) for task, (body, _) in zip(order, made, strict=True)])
    takes = tuple([takes for _, takes in made])
    return Flow(Dag(nodes, takes, chosen, "dict", join_of(on_failure), path_label(name)))


def _check_names(tasks: Any) -> None:
    if not isinstance(tasks, Mapping):
        raise DefinitionError(f"Dag.from_edges takes its tasks as a mapping from name to flow, not {brief(tasks, 60)}")
    for task in tasks:
        if not isinstance(task, str) or not task:
            raise DefinitionError(f"the name of a task is text and not empty, not {brief(task, 60)}")


def _outputs(outputs: Iterable[str], tasks: Mapping[str, Any]) -> list[str]:
    found = _list(outputs, "outputs")
    for output in found:
        if not isinstance(output, str) or output not in tasks:
            raise DefinitionError(f"outputs: {brief(output, 40)} is not among the tasks")
    return found


def _list(names: Any, where: str) -> list[Any]:
    if isinstance(names, str):
        raise DefinitionError(f"{where} is a list of tasks: say [{names!r}], not {names!r}")
    if not isinstance(names, Iterable):
        raise DefinitionError(f"{where} is a list of tasks, not {brief(names, 60)}")
    return list(names)


def _task(name: str, flow: Any, before: Sequence[str]) -> tuple[Node, Takes]:
    refs = tuple([Ref(each) for each in before]) or (Ref(),)
    if takes_several(flow):
        return task_of(flow, refs, {})
    return flow_node(flow, f"tasks[{name!r}]"), Takes(refs, "one" if len(refs) == 1 else "tuple")


def _before(names: Collection[str], edges: Any) -> dict[str, list[str]]:
    """Give, for every name, the names before it, in the order in which ``edges`` has them.

    ``edges`` maps a name to those before it, or lists pairs ``(before, after)``. Raises ``DefinitionError`` for a name
    that is no task, and for an edge given twice.
    """
    found: dict[str, dict[str, None]] = {name: {} for name in names}
    for before, after in _pairs(edges):
        for name in (before, after):
            if not isinstance(name, str) or name not in found:
                raise DefinitionError(f"edge {_edge(before, after)}: {brief(name, 40)} is not among the tasks")
        if before in found[after]:
            raise DefinitionError(f"edge {_edge(before, after)} is given twice")
        found[after][before] = None
    return {name: list(befores) for name, befores in found.items()}


def _pairs(edges: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(edges, Mapping):
        for after, befores in edges.items():
            for before in _list(befores, f"edges[{after!r}]"):
                yield before, after
        return
    for edge in _list(edges, "edges"):
        if not isinstance(edge, Sequence) or isinstance(edge, str) or len(edge) != 2:
            raise DefinitionError(f"an edge is a pair (before, after), not {brief(edge, 60)}")
        yield edge[0], edge[1]


def _sorted(waits: Mapping[str, Sequence[str]]) -> list[str]:
    """Sort the names after those they wait for, and as they stand where that leaves a choice.

    Raises ``DefinitionError`` with a cycle, if there is one.
    """
    place = {name: at for at, name in enumerate(waits)}
    names = list(waits)
    missing = [len(befores) for befores in waits.values()]
    followers: list[list[int]] = [[] for _ in names]
    for name, befores in waits.items():
        for before in befores:
            followers[place[before]].append(place[name])
    ready = [at for at, count in enumerate(missing) if not count]
    heapify(ready)
    found: list[str] = []
    while ready:
        at = heappop(ready)
        found.append(names[at])
        for follower in followers[at]:
            missing[follower] -= 1
            if not missing[follower]:
                heappush(ready, follower)
    if len(found) < len(names):
        raise DefinitionError(f"a dag has no cycles: {_cycle(waits, set(names) - set(found), place)}")
    return found


def _cycle(waits: Mapping[str, Sequence[str]], stuck: set[str], place: Mapping[str, int]) -> str:
    """Write a cycle among the names that are ``stuck``: each of them waits for another one."""
    way: dict[str, None] = {}
    name = min(stuck, key=place.__getitem__)
    while name not in way:
        way[name] = None
        name = next(before for before in waits[name] if before in stuck)
    passed = list(way)
    cycle = passed[passed.index(name) :][::-1]
    first = cycle.index(min(cycle, key=place.__getitem__))
    shown = [*cycle[first:], *cycle[: first + 1]]
    if len(shown) > _SHOWN:
        shown = [*shown[: _SHOWN - 2], "...", *shown[-2:]]
    return " -> ".join(shown)


def _edge(before: Any, after: Any) -> str:
    return " -> ".join(name if isinstance(name, str) else brief(name, 40) for name in (before, after))
