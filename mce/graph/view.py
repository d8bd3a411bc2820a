"""What is shown of a graph in a picture: items and lines, which every writer of pictures draws in its own way.

Regions are opened while there is room (:mod:`mce.graph.folding`), so a picture keeps to a size whatever the graph's.
Where several edges go into a region, or come out of it, it gets a point of its own for them: a wide join after a wide
join costs the sum.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Literal, TypeAlias

from mce.errors import UsageError
from mce.graph.folding import Row, Tree, opened, tree_of
from mce.graph.ir import Edge, EdgeKind, Graph, GraphNode
from mce.graph.titles import badges, cut, note, part, title

__all__ = ["AT_MOST", "AT_MOST_ASKED", "Item", "ItemKind", "Line", "View", "find_node", "fold"]

AT_MOST = 60
"""How many nodes are shown before regions fold."""

AT_MOST_ASKED = 1000
"""How many are shown where a depth is asked for."""

_SEARCHED = 20_000
_WRAPPERS_SHOWN = 6

ItemKind: TypeAlias = Literal["node", "box", "part", "folded", "rest", "fork", "join"]
"""A node; an open region, with a border and without one; a folded region; those left out; where edges part or meet."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing in a picture; ``parent`` is the box or part around it, ``hidden`` counts the nodes it leaves out.

    ``node`` is the node of the graph it is made of: of a ``rest`` the first of those it stands for, of a ``fork`` or
    ``join`` its region. ``part`` says which part of the region around it the item is.
    """

    id: str
    kind: ItemKind
    node: GraphNode
    parent: str | None
    title: str = ""
    note: str = ""
    badges: tuple[str, ...] = ()
    part: str = ""
    hidden: int = 0


@dataclass(frozen=True)
class Line:
    """An edge of a picture, never from or to a box: it begins at the border of ``leaves``, ends at ``enters``."""

    source: str
    target: str
    kind: EdgeKind = "data"
    label: str = ""
    leaves: str | None = None
    enters: str | None = None


@dataclass(frozen=True)
class View:
    """What is shown of ``graph``; ``at`` gives for the id of every node the id of the item that stands for it."""

    graph: Graph
    items: tuple[Item, ...]
    lines: tuple[Line, ...]
    at: dict[str, str]

    @cached_property
    def by_id(self) -> dict[str, Item]:
        """The items by their ids."""
        return {item.id: item for item in self.items}

    @cached_property
    def children(self) -> dict[str | None, tuple[Item, ...]]:
        """What every box and part holds, in order; under ``None`` what is in none."""
        found: dict[str | None, list[Item]] = {}
        for item in self.items:
            found.setdefault(item.parent, []).append(item)
        return {parent: tuple(held) for parent, held in found.items()}


def fold(graph: Graph, *, depth: int | None = None, focus: str | None = None, at_most: int | None = None) -> View:
    """Choose what is shown of ``graph``; linear in its size.

    ``depth`` is how many levels of boxes are open, ``at_most`` about how many nodes are shown (default: 60, or 1,000
    where a depth is asked for). With ``focus``, the id of a node or the path of an event, what is in it is shown and
    what is beside it is folded; raises :class:`mce.UsageError` when there is no such node.

    >>> from mce import gather, pure
    >>> view = fold(gather(pure(1), pure(2)).named("both").graph(), depth=0)
    >>> [(item.title, item.hidden) for item in view.items]
    [('both: all of', 2)]
    """
    if at_most is None:
        at_most = AT_MOST if depth is None else AT_MOST_ASKED
    tree = tree_of(graph)
    wanted = None if focus is None else find_node(graph, focus).id
    rows = opened(tree, depth=depth, focus=None if wanted is None else tree.inner.get(wanted, wanted), at_most=at_most)
    items, at = _items(tree, rows)
    lines, points = _Wiring(graph, items, at).drawn()
    return View(graph, (*items.values(), *points), lines, at)


def find_node(graph: Graph, path: str) -> GraphNode:
    """Give the node whose id is ``path``, or at which the event with this path is; else raise with what is near."""
    near = graph.locate(path)
    if near is not None and near.id.count("/") == path.count("/"):
        return near
    close = difflib.get_close_matches(path, islice(graph.by_id, _SEARCHED), 3)
    close = close or [node.id for node in ([near] if near is not None else graph.held_by(None)[:3])]
    hint = f"; did you mean {' or '.join(close)}?" if close else ": it is empty"
    raise UsageError(f"the graph has no node {path!r}{hint}")


# -- items ------------------------------------------------------------------------------------------------------------


def _items(tree: Tree, rows: dict[str | None, Row]) -> tuple[dict[str, Item], dict[str, str]]:
    """Make the items of the open ``rows``, a region before what it holds, and find which stands for which node."""
    groups = {thing: group for row in rows.values() for group in row if len(group) > 1 for thing in group}
    items: dict[str, Item] = {}
    at: dict[str, str] = {}
    for node in tree.graph.nodes:
        above = tree.above[node.id]
        if above not in rows:
            assert above is not None
            at[node.id] = at[above]
        elif node.id in tree.inner:
            continue  # as the thing in it
        elif (group := groups.get(node.id)) is not None:
            if group[0] == node.id:
                rest = _rest(tree, node, group, above)
                items[rest.id] = rest
            at[node.id] = f"{group[0]}[...]"
        else:
            items[node.id] = _item(tree, node, above, is_open=node.id in rows)
            at[node.id] = node.id
    for wrapper, thing in tree.inner.items():
        at[wrapper] = at[thing]
    return items, at


def _item(tree: Tree, node: GraphNode, above: str | None, *, is_open: bool) -> Item:
    region = node.id in tree.held
    wrappers = tree.wrappers.get(node.id, [])
    around, more = wrappers[:_WRAPPERS_SHOWN], len(wrappers) > _WRAPPERS_SHOWN
    own = title(node)
    if node.kind == "sequence":
        own = "" if is_open and node.slot in ("body", "use") else _sequence_title(tree, node, is_open)
    outermost = around[0] if around else node
    words = [badge for wrapper in around for badge in badges(wrapper)] + (["…"] if more else [])
    is_policy = node.kind in ("retry", "timeout", "budget", "guard", "focus", "transact")
    return Item(
        id=node.id,
        kind="node" if not region else "folded" if not is_open else "box" if node.id in tree.bordered else "part",
        node=node,
        parent=above,
        title=cut(": ".join([*(title(wrapper) for wrapper in around if wrapper.kind == "label"), own]), 80),
        note=note(node),
        badges=(*words, *(() if is_policy else badges(node))),
        part=part(outermost, None if outermost.parent is None else tree.graph.by_id[outermost.parent]),
        hidden=0 if is_open else tree.size[node.id] - 1,
    )


def _sequence_title(tree: Tree, node: GraphNode, is_open: bool) -> str:
    """Name a branch of several steps by the task it is, or by the first and the last of them."""
    if node.parent is not None and tree.graph.by_id[node.parent].kind == "dag":
        return cut(node.label)
    if is_open:
        return ""
    known = tree.graph.by_id
    first, last = (title(known[held]) for held in (tree.held[node.id][0], tree.held[node.id][-1]))
    return cut(f"{cut(first, 18)} … {cut(last, 18)}")


def _rest(tree: Tree, node: GraphNode, group: tuple[str, ...], above: str | None) -> Item:
    known = tree.graph.by_id
    names = {title(known[thing]) for thing in group}
    same = f" {names.pop()}" if len(names) == 1 else ""
    hidden = sum(tree.size[thing] for thing in group)
    text = f"{len(group):,} more{same}"
    return Item(id=f"{node.id}[...]", kind="rest", node=node, parent=above, title=text, hidden=hidden)


# -- lines ------------------------------------------------------------------------------------------------------------


class _Wiring:
    """Draws the edges between what is shown: from where one item lets out to where the other lets in."""

    def __init__(self, graph: Graph, items: dict[str, Item], at: dict[str, str]) -> None:
        self.items = items
        self.beside: dict[Line, None] = {}
        self.into: dict[str, dict[Line, None]] = {}
        self.out_of: dict[str, dict[Line, None]] = {}
        for edge in graph.edges:
            self.sort(edge, at[edge.source], at[edge.target])

    def sort(self, edge: Edge, source: str, target: str) -> None:
        """Keep an edge by what it is among the items: into a region, out of one, or between two of one region."""
        if source == target and (edge.source != edge.target or self.items[source].hidden):
            return
        line = Line(source, target, edge.kind, _label(edge))
        if self.items[target].parent == source:
            self.into.setdefault(source, {})[line] = None
        elif self.items[source].parent == target:
            self.out_of.setdefault(target, {})[line] = None
        else:
            self.beside[line] = None

    def drawn(self) -> tuple[tuple[Line, ...], list[Item]]:
        """Give the lines, and the points at which they part and meet."""
        points: dict[str, Item] = {}
        enters = self.ends(self.into, "fork", lambda line: line.target, points)
        leaves = self.ends(self.out_of, "join", lambda line: line.source, points)
        lines = [
            Line(
                leaves[line.source],
                enters[line.target],
                line.kind,
                line.label,
                self.border(line),
                self.entered(line),
            )
            for line in self.beside
        ]
        for region, inner in self.into.items():
            if f"{region}[in]" in points:
                lines += [
                    Line(
                        f"{region}[in]",
                        enters[line.target],
                        line.kind,
                        line.label,
                        enters=self.entered(line),
                    )
                    for line in inner
                ]
        for region, inner in self.out_of.items():
            if f"{region}[out]" in points:
                lines += [Line(leaves[line.source], f"{region}[out]", line.kind, line.label) for line in inner]
        return tuple(dict.fromkeys(lines)), list(points.values())

    def ends(
        self,
        found: dict[str, dict[Line, None]],
        kind: Literal["fork", "join"],
        inner: Callable[[Line], str],
        points: dict[str, Item],
    ) -> dict[str, str]:
        """Find for every item where lines to it (or from it) end: itself, a point of its own, or what it holds."""
        held: dict[str, list[str]] = {}
        for item in self.items.values():
            if item.parent is not None:
                held.setdefault(item.parent, []).append(item.id)
        ends: dict[str, str] = {}
        for item in reversed(self.items.values()):
            inside = {inner(line): None for line in found.get(item.id, ())}
            if item.kind not in ("box", "part"):
                ends[item.id] = item.id
            elif len(inside) > 1 or (kind == "fork" and item.node.kind == "choice"):
                point = f"{item.id}[{'in' if kind == 'fork' else 'out'}]"
                points[point] = Item(id=point, kind=kind, node=item.node, parent=item.id)
                ends[item.id] = point
            else:
                ends[item.id] = ends[next(iter(inside), held[item.id][0 if kind == "fork" else -1])]
        return ends

    def entered(self, line: Line) -> str | None:
        """Give the box at whose border a line ends, not to cross its title; one back to its begin comes from below."""
        return line.target if line.kind != "loop" and self.items[line.target].kind == "box" else None

    def border(self, line: Line) -> str | None:
        """Give the box that a line leaves as a whole: a failure may come from anywhere in it."""
        return line.source if line.kind == "failure" and self.items[line.source].kind == "box" else None


def _label(edge: Edge) -> str:
    match edge.kind, edge.label:
        case "choice", "default":
            return "otherwise"
        case "failure", "":
            return "on failure"
        case "failure", "undo":
            return "to undo"
        case "failure", classes:
            return f"on {cut(classes)}"
        case _, text:
            return cut(text)
