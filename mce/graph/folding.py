"""Which regions of a graph are open in a picture: the tree of what can fold, and the choice of what does.

A region that only adds a policy or a name to one other thing is no level of its own: it *wraps* that thing. A branch
of several steps has no border, and can be folded all the same.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from mce.graph.ir import Graph, GraphNode

__all__ = ["Row", "Tree", "opened", "tree_of"]

_WRAPPERS = frozenset({"label", "retry", "timeout", "budget", "guard", "focus", "transact"})
_BORDERED = frozenset({("recover", "body"), ("bracket", "use"), ("guard", "use")})
"""Parts in which a branch of several steps gets a border: something leads out of it as a whole."""

_FIRST, _LAST = 8, 3
_SHORT = _FIRST + 1 + _LAST
_WIDE = 16
"""How many stand side by side in a picture that is to be read: more are shown where somebody asks for them."""
_SIDE_BY_SIDE = frozenset({"gather", "race", "choice"})

Row: TypeAlias = "tuple[tuple[str, ...], ...]"
"""What is shown of what an open region holds: things by themselves, and as groups of several those left out."""


@dataclass(frozen=True)
class Tree:
    """What of ``graph`` can be seen, by ids: things, ``above`` which there are others, and the wrappers of things.

    ``inner`` gives the thing in a wrapper, ``wrappers`` those around a thing, the outermost first, ``held`` what is in
    a thing (under ``None``: in none), ``size`` how many nodes a thing is, and ``bordered`` which regions are boxes.
    """

    graph: Graph
    inner: dict[str, str] = field(default_factory=dict)
    wrappers: dict[str, list[GraphNode]] = field(default_factory=dict)
    above: dict[str, str | None] = field(default_factory=dict)
    held: dict[str | None, list[str]] = field(default_factory=dict)
    size: dict[str, int] = field(default_factory=dict)
    bordered: set[str] = field(default_factory=set)

    def around(self, thing: str) -> list[str | None]:
        """List what ``thing`` is in, the outermost first, which is ``None``."""
        found: list[str | None] = []
        above = self.above[thing]
        while above is not None:
            found.append(above)
            above = self.above[above]
        return [None, *reversed(found)]


def tree_of(graph: Graph) -> Tree:
    """Find what can be seen of ``graph``; linear in its size."""
    tree = Tree(graph)
    for node in reversed(graph.nodes):
        held = graph.held_by(node.id)
        if len(held) == 1 and node.kind in _WRAPPERS and held[0].kind != "sequence":
            tree.inner[node.id] = tree.inner.get(held[0].id, held[0].id)
        tree.size[node.id] = 1 + sum(tree.size[inside.id] for inside in held)
    for node in graph.nodes:
        above = tree.above.get(node.parent, node.parent) if node.parent in tree.inner else node.parent
        tree.above[node.id] = above
        if node.id in tree.inner:
            tree.wrappers.setdefault(tree.inner[node.id], []).append(node)
        else:
            tree.held.setdefault(above, []).append(node.id)
            if _has_border(graph, node):
                tree.bordered.add(node.id)
    return tree


def _has_border(graph: Graph, node: GraphNode) -> bool:
    if node.kind != "sequence":
        return True
    parent = None if node.parent is None else graph.by_id[node.parent]
    return parent is not None and (parent.kind == "dag" or (parent.kind, node.slot) in _BORDERED)


def opened(tree: Tree, *, depth: int | None, focus: str | None, at_most: int) -> dict[str | None, Row]:
    """Choose the regions that are open, each with its row: from the outside in while ``at_most`` nodes are shown.

    All that ``focus`` is in is open, and what stands beside it there is folded. Only levels of boxes count as
    ``depth``, in the focus if there is one.
    """
    known = tree.graph.by_id
    rows: dict[str | None, Row] = {}
    path = [] if focus is None else [*tree.around(focus), focus]
    for region, kept in pairwise(path):
        rows[region] = _beside(tree.held[region], kept)
    shown = 1 + sum(len(row) - 1 for row in rows.values())
    waiting: list[tuple[int, bool, int, int, str | None]] = [(-1, False, 0, 0, focus)]
    while waiting:
        level, bordered, _, _, region = heapq.heappop(waiting)
        if not (held := tree.held.get(region)) or (bordered and depth is not None and level >= depth):
            continue
        room = at_most - shown + 1
        if depth is None and region != focus and region is not None and known[region].kind in _SIDE_BY_SIDE:
            room = min(room, _WIDE)
        row = _row(held, room, forced=level < 0)
        if row is None:
            continue
        rows[region] = row
        shown += len(row) - 1
        inside = level + 1 if bordered or level < 0 else level
        for group in row:
            if len(group) == 1 and (count := len(tree.held.get(group[0], ()))):
                heapq.heappush(waiting, (inside, group[0] in tree.bordered, count, len(waiting) + shown, group[0]))
    return rows


def _row(held: Sequence[str], room: int, *, forced: bool) -> Row | None:
    """Give the whole row where there is room, else a short one of many; ``None`` where there is no room for that."""
    if len(held) <= room or (forced and len(held) <= _SHORT):
        return tuple((thing,) for thing in held)
    if len(held) <= _SHORT or (room < _SHORT and not forced):
        return None
    return _grouped(held, [(0, _FIRST), (len(held) - _LAST, len(held))])


def _beside(held: Sequence[str], kept: str | None) -> Row:
    """Give a row in which ``kept`` is shown, with its neighbours only if it is long."""
    if len(held) <= _SHORT:
        return tuple((thing,) for thing in held)
    assert kept is not None
    at = held.index(kept)
    return _grouped(held, [(max(at - 1, 0), at + 2)])


def _grouped(held: Sequence[str], shown: list[tuple[int, int]]) -> Row:
    """Give a row of those in the ranges ``shown``, and groups of those between them."""
    groups: list[tuple[str, ...]] = []
    done = 0
    for start, end in [*shown, (len(held), len(held))]:
        if start > done:
            groups.append(tuple(held[done:start]))
        groups += [(thing,) for thing in held[start:end]]
        done = max(done, min(end, len(held)))
    return tuple(groups)
