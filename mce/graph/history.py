"""What came before: of everything noted under paths, the last thing that what happens at a path now comes after.

What stands in line comes after all that ended there before it. A branch comes after what was before its region and not
after the other branches, unless it had to wait for a place (an ``each`` with a limit); a task of a dag comes after the
tasks that it waits for. All of that is read off the paths, and for dags and limits off the graph.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Generic

from typing_extensions import TypeVar

from mce.graph.ir import Graph, GraphNode

__all__ = ["History", "split_mark"]

T = TypeVar("T")

_BRANCH = re.compile(r"\[\d+\]")
_MARK = re.compile(r"^(.*?)((?:\[[^\]]*\]|#\d+)+)$")


def split_mark(segment: str) -> tuple[str, str]:
    """Split a segment of a path into the name of the region and which branch or turn of it.

    >>> split_mark("gather[1]"), split_mark("iterate#3"), split_mark("search:2")
    (('gather', '[1]'), ('iterate', '#3'), ('search:2', ''))
    """
    found = _MARK.match(segment)
    return (found[1], found[2]) if found else (segment, "")


@dataclass(slots=True)
class _Line(Generic[T]):
    """What was noted last in one place, under which name; and what last under another name."""

    name: str
    last: T
    other: T | None = None


class History(Generic[T]):
    """Things noted under paths, in the order in which they happened; a thing costs the depth of its path.

    A task of a dag that waits for several comes after the last of them; where that is not enough, as for states, which
    are put together from all, ``only`` gives nothing.
    """

    def __init__(self, graph: Graph | None = None, *, only: bool = False) -> None:
        self._only = only
        self._lines: dict[str, _Line[T]] = {}
        self._under: dict[str, tuple[int, T]] = {}
        self._count = 0
        nodes = () if graph is None else graph.nodes
        self._graph = graph if any(n.kind == "dag" or n.limit is not None for n in nodes) else None
        self._regions: dict[str, GraphNode | None] = {}
        self._waits: dict[str, dict[str, list[str]]] = {}

    def add(self, path: str, thing: T) -> None:
        """Note ``thing`` at ``path``."""
        self._count += 1
        for place, name in (*_places(path), (path, "")):
            line = self._lines.get(place)
            if line is None:
                self._lines[place] = _Line(name, thing)
            elif line.name == name:
                line.last = thing
            else:
                self._lines[place] = _Line(name, thing, line.last)
            if self._graph is not None:
                self._under[_join(place, name)] = (self._count, thing)

    def before(self, path: str, *, as_region: bool = False) -> T | None:
        """Give what is the last before something at ``path`` that happens now; ``None`` if there is nothing.

        With ``as_region`` what happened inside of ``path`` does not count.
        """
        places = _places(path)
        for up, (place, name) in enumerate(reversed(places)):
            region = self._region(place)
            if region is not None and region.kind == "dag":
                found = self._before_task(place, region, name)
            elif _BRANCH.match(name):
                found = self._before_branch(place, region)
            else:
                found = self._before_in_line(place, name if up or as_region else None)
            if found is not None:
                return found
        return None

    def _before_in_line(self, place: str, inside: str | None) -> T | None:
        """Give the last in a place; seen from ``inside`` of one of its parts, the last of another."""
        line = self._lines.get(place)
        return None if line is None else line.last if line.name != inside else line.other

    def _before_branch(self, place: str, region: GraphNode | None) -> T | None:
        line = self._lines.get(place)
        return line.last if line and region and region.limit is not None and not self._only else None

    def _before_task(self, place: str, region: GraphNode, task: str) -> T | None:
        """Give the last of what was noted in the tasks before ``task``, or before those in which nothing was."""
        waits = self._waits_of(region)
        found: list[tuple[int, T]] = []
        seen, stack = {task}, list(waits.get(task, ()))
        while stack:
            name = stack.pop()
            if name in seen:
                continue
            seen.add(name)
            key = _join(place, name)
            if key in self._under:
                found.append(self._under[key])
            else:
                stack += waits.get(name, ())
        if not found or (self._only and len(found) > 1):
            return None
        return max(found, key=lambda pair: pair[0])[1]

    def _waits_of(self, region: GraphNode) -> dict[str, list[str]]:
        assert self._graph is not None
        if region.id not in self._waits:
            slots = {node.id: node.slot for node in self._graph.held_by(region.id)}
            waits: dict[str, list[str]] = {}
            for id, slot in slots.items():
                waits[slot] = [slots[e.source] for e in self._graph.arriving.get(id, ()) if e.source in slots]
            self._waits[region.id] = waits
        return self._waits[region.id]

    def _region(self, path: str) -> GraphNode | None:
        if self._graph is None or not path:
            return None
        if path not in self._regions:
            found = self._graph.locate(path)
            exact = found is not None and found.id.count("/") == path.count("/") and found.is_region
            self._regions[path] = found if exact else None
        return self._regions[path]


def _places(path: str) -> list[tuple[str, str]]:
    """Give every place that ``path`` leads through, each with the name of the part of it that comes next.

    >>> _places("a/each[0]/b")
    [('', 'a'), ('a', 'each'), ('a/each', '[0]'), ('a/each[0]', 'b')]
    """
    found: list[tuple[str, str]] = []
    place = ""
    for segment in path.split("/"):
        name, mark = split_mark(segment)
        found.append((place, name))
        place = _join(place, name)
        if mark:
            found.append((place, mark))
            place += mark
    return found


def _join(place: str, name: str) -> str:
    return f"{place}/{name}" if place and name else place or name
