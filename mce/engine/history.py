"""State in a dag: what was written on the way to each task, and what becomes of it where such ways meet (design 5).

A :class:`History` says what the tasks before a point have written, each once, in the order of the tasks. A task that
writes nothing makes none, so that a dag that only computes has one history, its entry. Histories share their tails: a
meeting looks back only as far as the last one that all its ways have passed, and tasks with the same writers before
them share one meeting. Of writers that are not side by side the changes are composed first, field by field; what is
left meets by the rules of :mod:`mce.state`, as branches of a ``gather`` do.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from itertools import accumulate, combinations, pairwise, product
from operator import and_, attrgetter
from typing import Any, TypeAlias

from mce.errors import StateConflict
from mce.reducers import Clash
from mce.state import Change, Delta, Fields, Write, compose, join

__all__ = ["History", "Meetings", "Written"]


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """What the task ``name``, the one at ``at`` in the order of the dag's tasks, changed after ``start``."""

    at: int
    name: str
    change: Change
    start: History


_at = attrgetter("at")
_count = attrgetter("count")


class History:
    """The ``state`` after all that was written before a point, and the ``change`` that made it of that of ``tail``.

    ``items`` are what was written since the tail, in the order of the tasks; every task of them comes after all tasks
    of the tail. What is before a task that is held is held too.
    """

    __slots__ = ("change", "count", "depth", "items", "state", "tail")

    def __init__(
        self, state: Any, tail: History | None = None, items: tuple[Written, ...] = (), change: Change | None = None
    ) -> None:
        self.state = state
        self.tail = tail
        self.items = items
        self.change = change
        self.depth: int = 0 if tail is None else tail.depth + 1
        self.count: int = len(items) if tail is None else tail.count + len(items)

    def then(self, at: int, name: str, state: Any, change: Change) -> History:
        """Give the history after a task that started from this one and changed the state to ``state``."""
        return History(state, self, (Written(at, name, change, self),), change)

    def whole_change(self) -> Change | None:
        """Give the change since the entry of the dag."""
        changes: list[Change] = []
        history: History | None = self
        while history is not None and history.change is not None:
            changes.append(history.change)
            history = history.tail
        return _composed(changes[::-1]) if changes else None

    def holds(self, written: Written) -> bool:
        """Whether ``written`` is among what was written before this point."""
        history: History | None = self
        while history is not None and history.items and history.items[-1].at >= written.at:
            if history.items[bisect_left(history.items, written.at, key=_at)] is written:
                return True
            history = history.tail
        return False


class Meetings:
    """Where the histories of one run of a dag meet; ``entry`` is the one in which nothing is written yet."""

    def __init__(self, state: Any) -> None:
        self.entry = History(state)
        self._met: dict[tuple[History, tuple[Written, ...]], History] = {}

    def of(self, histories: Collection[History]) -> History:
        """Give the history of what is in any of ``histories``; raises ``StateConflict`` naming the tasks."""
        largest = max(histories, key=_count, default=self.entry)
        heads = {head for head in set(histories) if not all(map(largest.holds, head.items))}
        if not heads:
            return largest
        tail, items = _since_last_common({largest, *heads})
        found = self._met.get((tail, items))
        if found is None:
            found = self._met[tail, items] = _met(tail, items)
        return found


def _since_last_common(heads: set[History]) -> tuple[History, tuple[Written, ...]]:
    """Give the last history that the ways to all ``heads`` have passed, and what was written since, in order."""
    found: set[Written] = set()
    seen = set(heads)
    deepest = [(-history.depth, id(history), history) for history in heads]
    heapify(deepest)
    while len(deepest) > 1:
        history = heappop(deepest)[2]
        found.update(history.items)
        tail = history.tail
        if tail is not None and tail not in seen:
            seen.add(tail)
            heappush(deepest, (-tail.depth, id(tail), tail))
    return deepest[0][2], tuple(sorted(found, key=_at))


def _met(tail: History, items: tuple[Written, ...]) -> History:
    parts: list[_Part] = [(item, item.change) for item in items]
    if any(item.start is not tail for item in items):
        parts = _side_by_side(tail.state, parts, "")
    state, change = join(tail.state, [change for _, change in parts], [item.name for item, _ in parts])
    return History(state, tail, items, change)


# -- changes of which some follow others -------------------------------------------------------------------------------

_Part: TypeAlias = tuple[Written, Change]  # a task, and what it changed in some part of the state


def _side_by_side(value: Any, parts: list[_Part], field: str) -> list[_Part]:
    """Give changes that do to ``value`` what ``parts`` do, and meet as those of branches that all started from it."""
    kinds = {type(change) for _, change in parts}
    if kinds == {Fields}:
        return _each_field(value, parts, field)
    if all(_follows(one, other) for one, other in pairwise(parts)):
        return [(parts[-1][0], _composed([change for _, change in parts]))]
    reducers = [change.reducer for _, change in parts if isinstance(change, Delta)]
    if len(reducers) < len(parts) or any(reducer is not reducers[0] and reducer != reducers[0] for reducer in reducers):
        return [(parts[-1][0], _stretches(value, parts, field))]
    return _folded(parts) if reducers[0].compose is None else [(parts[-1][0], _nested(value, parts, field))]


def _follows(one: _Part, other: _Part) -> bool:
    return other[0].start.holds(one[0])


def _composed(changes: Sequence[Change]) -> Change:
    return _by_pairs(compose, changes)  # type: ignore[no-any-return]


def _by_pairs(f: Callable[[Any, Any], Any], values: Sequence[Any]) -> Any:
    """Fold by pairs: from the left, what is appended would be copied over and over."""
    while len(values) > 1:
        pairs = list(map(f, values[::2], values[1::2]))
        values = pairs + list(values[2 * len(pairs) :])
    return values[0]


def _each_field(value: Any, parts: list[_Part], field: str) -> list[_Part]:
    by_name: dict[str, list[_Part]] = {}
    for item, change in parts:
        for name, inner in change.changes.items():  # type: ignore[union-attr]
            by_name.setdefault(name, []).append((item, inner))
    kept: dict[int, tuple[Written, dict[str, Change]]] = {}
    for name, some in by_name.items():
        for item, change in _side_by_side(getattr(value, name), some, f"{field}.{name}".strip(".")):
            kept.setdefault(item.at, (item, {}))[1][name] = change
    return [(item, Fields(changes)) for _, (item, changes) in sorted(kept.items())]


def _folded(parts: list[_Part]) -> list[_Part]:
    """Combine all deltas but the last, of a reducer that combines as it composes: those in line are no exception."""
    *others, last = parts
    deltas: list[Any] = [change for _, change in others]
    try:
        delta = _by_pairs(deltas[0].reducer.combine, [change.delta for change in deltas])
    except Clash:  # the join will name those that clash
        return parts
    return [(others[-1][0], replace(deltas[-1], delta=delta)), last]


def _stretches(value: Any, parts: list[_Part], field: str) -> Change:
    """Compose stretches of changes of one kind, of which a write is one alone; each follows all of the one before."""
    stretches: list[list[_Part]] = []
    for part in parts:
        kind = _kind(part[1])
        if stretches and kind is not Write and _kind(stretches[-1][0][1]) == kind:
            stretches[-1].append(part)
        else:
            stretches.append([part])
    for one, other in (pair for two in pairwise(stretches) for pair in product(*two)):
        if not _follows(one, other):
            _join_at(value, [part for part in parts if part is other or _against(part, other)], field)  # a conflict
    found: Any = None
    for stretch in stretches:
        value, change = _join_at(value, _side_by_side(value, stretch, field), field)
        found = compose(found, change)
    return found  # type: ignore[no-any-return]


def _kind(change: Change) -> Any:
    return change.reducer if isinstance(change, Delta) else type(change)


def _against(one: _Part, other: _Part) -> bool:
    """Whether two changes are side by side and of kinds that cannot meet."""
    return _beside(one, other) and (_kind(other[1]) is Write or _kind(one[1]) != _kind(other[1]))


def _beside(one: _Part, other: _Part) -> bool:
    return one is not other and not _follows(one, other) and not _follows(other, one)


def _join_at(value: Any, parts: list[_Part], field: str) -> tuple[Any, Change | None]:
    """Join changes of what is at ``field`` of the state."""
    try:
        return join(value, [change for _, change in parts], [item.name for item, _ in parts])
    except StateConflict as found:
        place = f"{field}{found.field}" if found.field.startswith("[") else f"{field}.{found.field}".strip(".")
        raise StateConflict(place, found.branches, found.values, problem=found.problem) from None


# -- deltas whose reducer tells one after the other from side by side --------------------------------------------------


def _nested(value: Any, parts: list[_Part], field: str) -> Change:
    """Compose what is in line and combine what is side by side, however deep the one is in the other.

    Where tasks are neither (one before two, of which the second also follows another), no two that are side by side
    may clash, and all are composed in the order of the tasks.
    """
    try:
        delta: Any = _evaluated(value, parts, field)
    except StateConflict:
        _check_pairs(value, parts, field)  # to name those that clash
        raise
    return Delta(delta.reducer, delta.delta, delta.reducer.patch(value, delta.delta))


def _evaluated(value: Any, parts: list[_Part], field: str) -> Change | None:
    before = [sum(1 << one for one in range(at) if _follows(parts[one], parts[at])) for at in range(len(parts))]
    todo: list[tuple[list[Any], Callable[..., Any] | None]] = [(list(range(len(parts))), None)]
    done: list[_Part] = []
    while todo:
        group, meet = todo.pop()
        if meet is not None:
            met = done[-len(group) :]
            done[-len(group) :] = [(met[-1][0], meet(value, met, field))]
        elif len(group) == 1:
            done.append(parts[group[0]])
        else:
            groups, meet = _split(group, before)
            todo.append((groups, meet))
            todo.extend((each, None) for each in reversed(groups))
    return done[0][1]


def _split(group: list[int], before: list[int]) -> tuple[list[list[int]], Callable[..., Any]]:
    """Take apart a group of tasks, and say how its parts meet; ``before[i]`` has the bits of those before task i."""
    beside = _unrelated(group, before)
    if len(beside) > 1:
        return beside, _combined
    line = _consecutive(group, before)
    if len(line) > 1:
        return line, _in_line
    return [[each] for each in group], _in_order


def _unrelated(group: list[int], before: list[int]) -> list[list[int]]:
    found: list[int] = []
    for at in group:
        related = [mask for mask in found if mask & before[at]]
        found = [mask for mask in found if not mask & before[at]]
        found.append(sum(related) | 1 << at)
    return [[at for at in group if mask >> at & 1] for mask in sorted(found, key=lambda mask: mask & -mask)]


def _consecutive(group: list[int], before: list[int]) -> list[list[int]]:
    shared = list(accumulate((before[at] for at in reversed(group)), and_))[::-1]
    found: list[list[int]] = []
    passed = 0
    for at, after_all in zip(group, shared, strict=True):
        if after_all & passed == passed:
            found.append([])
        found[-1].append(at)
        passed |= 1 << at
    return found


def _combined(value: Any, parts: list[_Part], field: str) -> Change | None:
    return _join_at(value, parts, field)[1]


def _in_line(value: Any, parts: list[_Part], field: str) -> Change | None:
    return _composed([change for _, change in parts])


def _in_order(value: Any, parts: list[_Part], field: str) -> Change | None:
    _check_pairs(value, parts, field)
    return _in_line(value, parts, field)


def _check_pairs(value: Any, parts: list[_Part], field: str) -> None:
    for one, other in combinations(parts, 2):
        if _beside(one, other):
            _join_at(value, [one, other], field)
