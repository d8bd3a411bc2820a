"""Series-parallel decomposition of dags: what of a dag can be said with ``>>`` and ``gather``, and what it costs.

A dag whose tasks fall apart into parts that follow each other, or stand side by side, and so on down to single tasks,
is series-parallel; nothing is lost in writing it so. Any other has an ``N`` in it, ``a`` before ``c`` and ``d``, ``b``
before ``d`` alone, and needs an order that was not there: here, a barrier, chosen by how much longer all takes.
Source: Valdes, Tarjan and Lawler, *The recognition of series parallel digraphs* (1982), for what is decomposed; parts
are found by a scan of topological orders instead of reductions, since that finds the barriers, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeAlias

from mce.errors import DefinitionError, brief
from mce.flow import Flow
from mce.graph.cuts import Cut, Piece, best_cut, series_cuts
from mce.syntax import Dag

__all__ = ["Decomposition", "Parallel", "Series", "SpTree", "Task", "series_parallel"]


@dataclass(frozen=True, slots=True, repr=False)
class _Part:
    def __repr__(self) -> str:
        text = _written(self)
        return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"

    def __str__(self) -> str:
        return _written(self)


_SHOWN = 120


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Task(_Part):
    """One task."""

    name: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Series(_Part):
    """All tasks of a part come before those of the next."""

    parts: tuple[SpTree, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Parallel(_Part):
    """No task of a part comes before one of another."""

    parts: tuple[SpTree, ...]


SpTree: TypeAlias = Task | Series | Parallel


@dataclass(frozen=True, slots=True)
class Decomposition:
    """A dag as a ``tree``; ``span`` is how long it takes at least so written, ``dag_span`` how long the dag itself.

    ``barriers`` counts the synchronisations that were added, ``added`` the direct orders that they add.
    """

    tree: SpTree
    span: float
    dag_span: float
    barriers: int
    added: int

    @property
    def exact(self) -> bool:
        """Whether the dag is series-parallel: nothing was added."""
        return not self.barriers

    @property
    def lost(self) -> float:
        """How much longer it takes than the dag, as a part of the dag's span: 0 is nothing, 1 twice as long."""
        return 0.0 if self.exact or not self.dag_span else (self.span - self.dag_span) / self.dag_span

    def __str__(self) -> str:
        told = "nothing is lost" if self.exact else f"{self.barriers} barriers, {self.lost:.0%} longer"
        return f"{_written(self.tree)}  ({told})"


def series_parallel(
    dag: Flow[Any, Any, Any, Any] | Mapping[str, Iterable[str]], *, durations: Mapping[str, float] | None = None
) -> Decomposition:
    """Decompose a dag: the flow of one, or the names that each task waits for.

    ``durations`` are by task, in any unit, 1 for a task that is not among them; they decide where barriers cost least.
    Raises ``DefinitionError`` for what is no dag. Linear in the size of the dag for each level of the tree.

    >>> print(series_parallel({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}))
    a ; (b | c) ; d  (nothing is lost)
    >>> print(series_parallel({"a": [], "b": [], "c": ["a"], "d": ["a", "b"]}))
    (a | b) ; (c | d)  (1 barriers, 0% longer)
    >>> series_parallel({"a": [], "b": [], "c": ["a"], "d": ["a", "b"]}, durations={"b": 5}).lost
    0.0
    """
    waits = _waits(dag)
    names = _in_order(waits)
    seconds = {name: _seconds(name, (durations or {}).get(name, 1)) for name in names}
    whole = Piece.of({name: waits[name] for name in names}, seconds)
    builder = _Builder(whole)
    tree = builder.build()
    return Decomposition(tree, _span_of(tree, seconds), whole.span, builder.barriers, builder.added)


def _waits(dag: Any) -> dict[str, tuple[str, ...]]:
    if isinstance(dag, Flow):
        if not isinstance(node := dag.node, Dag):
            raise DefinitionError(f"series_parallel takes the flow of a Dag, not {brief(dag, 60)}")
        return {name: takes.waits_for() for (name, _), takes in zip(node.tasks, node.takes, strict=True)}
    found = {name: tuple(dict.fromkeys(before)) for name, before in dag.items()}
    for name, befores in found.items():
        for before in befores:
            if before not in found:
                raise DefinitionError(f"task {name!r} waits for {before!r}, which is not among the tasks")
    return found


def _in_order(waits: Mapping[str, tuple[str, ...]]) -> list[str]:
    try:
        return list(TopologicalSorter(waits).static_order())
    except CycleError as found:
        raise DefinitionError(
            f"a dag has no cycles: {' -> '.join(brief(name, 40) for name in found.args[1])}"
        ) from None


def _seconds(name: str, duration: float) -> float:
    if not 0 <= duration < float("inf"):
        raise DefinitionError(f"durations[{name!r}] is a finite number that is not negative, not {brief(duration)}")
    return float(duration)


class _Builder:
    """Takes a dag apart; an explicit stack holds what is still to be done, and ``built`` what has been."""

    def __init__(self, whole: Piece) -> None:
        self.todo: list[Piece | tuple[type[Series] | type[Parallel], int]] = [whole]
        self.built: list[SpTree] = []
        self.barriers = 0
        self.added = 0

    def build(self) -> SpTree:
        while self.todo:
            task = self.todo.pop()
            if isinstance(task, tuple):
                self._join(*task)
            elif len(task) == 1:
                self.built.append(Task(task.names[0]))
            else:
                self._split(task)
        return self.built[0]

    def _split(self, piece: Piece) -> None:
        parts = piece.components()
        if len(parts) != 1:
            self._later(Parallel, parts)
            return
        cuts = series_cuts(piece) or [self._barrier(piece)]
        self._later(Series, piece.cut_at(cuts))

    def _barrier(self, piece: Piece) -> Cut:
        cut = best_cut(piece)
        self.barriers += 1
        self.added += cut.missing
        return cut

    def _later(self, kind: type[Series] | type[Parallel], parts: list[Piece]) -> None:
        self.todo.append((kind, len(parts)))
        self.todo.extend(reversed(parts))

    def _join(self, kind: type[Series] | type[Parallel], count: int) -> None:
        parts = self.built[len(self.built) - count :]
        del self.built[len(self.built) - count :]
        flat: list[SpTree] = []
        for part in parts:
            flat += part.parts if isinstance(part, kind) else (part,)
        self.built.append(kind(tuple(flat)))


# -- the tree ---------------------------------------------------------------------------------------------------------


def _written(tree: Any) -> str:
    """Write a tree: ``;`` for what follows, ``|`` for what stands side by side."""
    found: list[str] = []
    stack: list[Any] = [tree]
    while stack:
        part = stack.pop()
        if isinstance(part, str):
            found.append(part)
        elif isinstance(part, Task):
            found.append(part.name)
        elif not part.parts:
            found.append("()")
        else:
            sign = " ; " if isinstance(part, Series) else " | "
            inner = [text for each in part.parts for text in (sign, *_bracketed(each))][1:]
            stack.extend(reversed(inner))
    return "".join(found)


def _bracketed(part: SpTree) -> Iterator[Any]:
    yield from (part,) if isinstance(part, Task) else ("(", part, ")")


def _span_of(tree: SpTree, seconds: Mapping[str, float]) -> float:
    """Give how long a tree takes at least."""
    found: list[float] = []
    stack: list[tuple[SpTree, bool]] = [(tree, False)]
    while stack:
        part, ready = stack.pop()
        if isinstance(part, Task):
            found.append(seconds[part.name])
        elif not ready:
            stack.append((part, True))
            stack.extend((each, False) for each in reversed(part.parts))
        else:
            spans = found[len(found) - len(part.parts) :]
            del found[len(found) - len(part.parts) :]
            found.append(sum(spans) if isinstance(part, Series) else max(spans, default=0.0))
    return found[0]
