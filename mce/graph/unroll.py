"""The graph of what really ran: elements, turns and what was made while it ran in the place of what stood for them.

The ids of what ran are the paths of its events. What could have run and did not stays where the graph is fixed; of a
region whose parts are made anew for every element or turn, only what ran is there. Under a step or a block that went on
with flows of its own, regions are known by their names in paths alone: branches of one name are a ``gather``, turns a
``loop``, cases a ``choice``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from mce.graph.history import split_mark
from mce.graph.ir import Edge, Graph, GraphNode, NodeKind
from mce.graph.trace import RunRecord

__all__ = ["Unrolling", "is_pattern", "unroll"]

_ELEMENT = re.compile(r"\[(\d+)\]")
_STAR = re.compile(r"\[\*\]|#\*")


def is_pattern(id: str) -> bool:
    """Whether an id stands for any element of an ``each`` or any turn of a loop."""
    return "[*]" in id or "#*" in id


def unroll(graph: Graph, record: RunRecord) -> Graph:
    """Give ``graph`` with what ran in ``record``; linear in nodes and occurrences, times their depth."""
    unrolling = Unrolling(graph)
    for one in record.occurrences:
        unrolling.visit(one.path, one.step)
    return unrolling.graph()


class Unrolling:
    """Grows with every path: ``added`` are the nodes that were not in the graph, each after the one it is in."""

    def __init__(self, graph: Graph) -> None:
        self.source = graph
        self.added: list[GraphNode] = []
        self._ids: set[str] = set(graph.by_id)
        self._patterns: dict[str, str] = {}

    def visit(self, path: str, step: str) -> None:
        """Take in that ``step`` was called at ``path``."""
        if path in self._ids:
            return
        pattern = self.source.locate(path)
        if pattern is None:
            self._below("", path, step)
            return
        segments = path.split("/")
        own = self._made(pattern, segments)
        if own != path:
            self._below(own, path, step)

    def _made(self, pattern: GraphNode, segments: list[str]) -> str:
        """Give the id of what ``pattern`` became at the path of ``segments``; it is added with all it is in."""
        chain: list[GraphNode] = []
        node: GraphNode | None = pattern
        while node is not None and is_pattern(node.id) and (concrete(node.id, segments) not in self._ids):
            chain.append(node)
            node = self.source.by_id[node.parent] if node.parent else None
        for node in reversed(chain):
            self._copy(node, segments)
        return concrete(pattern.id, segments)

    def _copy(self, pattern: GraphNode, segments: list[str]) -> None:
        assert pattern.parent is not None
        id, parent = concrete(pattern.id, segments), concrete(pattern.parent, segments)
        slot = pattern.slot
        if _stars(pattern.id) > _stars(pattern.parent):
            place = "/".join(segments[: pattern.parent.count("/") + 1])
            parent, slot = self._group(parent, place), ""
        self._patterns[id] = pattern.id
        self._add(pattern.model_copy(update={"id": id, "parent": parent, "slot": slot}))

    def _group(self, region: str, place: str) -> str:
        """Give the element or turn of ``region`` that is at the path ``place``."""
        if place not in self._ids:
            mark = split_mark(place.rpartition("/")[2])[1]
            self._add(GraphNode(id=place, kind="sequence", label=mark, parent=region, slot=mark))
        return place

    def _below(self, above: str, path: str, step: str) -> None:
        """Add the regions between ``above``, which went on with a flow of its own, and the step at ``path``."""
        parent: str | None = above or None
        at = above
        for segment in path[len(above) :].lstrip("/").split("/"):
            name, mark = split_mark(segment)  # what follows a block is its part alone, without a name
            if name:
                at = f"{at}/{name}" if at else name
                is_step = at == path
                self._region(at, "step" if is_step else _kind_of(mark), step if is_step else name, parent, "")
                parent = at
            if mark:
                at += mark
                self._region(at, "sequence", mark, parent, mark)
                parent = at

    def _region(self, id: str, kind: NodeKind, label: str, parent: str | None, slot: str) -> None:
        if id not in self._ids:
            self._add(GraphNode(id=id, kind=kind, label=label, parent=parent, slot=slot))

    def _add(self, node: GraphNode) -> None:
        self._ids.add(node.id)
        self.added.append(node)

    def after(self, node: GraphNode) -> list[str]:
        """Give the ids of the tasks that a task of a dag waits for; nothing for other nodes."""
        pattern = self._patterns.get(node.id, node.id)
        origin = self.source.by_id.get(pattern)
        if origin is None or origin.parent is None or self.source.by_id[origin.parent].kind != "dag":
            return []
        sources = [edge.source for edge in self.source.arriving.get(pattern, ()) if edge.source != origin.parent]
        return [concrete(source, node.id.split("/")) for source in sources]

    def graph(self) -> Graph:
        """Give the graph as it is now; a step or block that went on with flows of its own is a ``label`` in it."""
        holding = {node.parent for node in self.added}
        gone: set[str] = set()
        kept: list[GraphNode] = []
        for node in self.source.nodes:
            if node.parent in gone or (is_pattern(node.id) and node.parent in holding):
                gone.add(node.id)
            else:
                kept.append(node)
        nodes = [
            node.model_copy(update={"kind": "label"}) if node.id in holding and not node.is_region else node
            for node in in_order([*kept, *self.added])
        ]
        edges = [edge for edge in self.source.edges if edge.source not in gone and edge.target not in gone]
        edges += dict.fromkeys((*self._copied_edges(), *self._made_edges()))
        said = {name: getattr(self.source, name) for name in ("name", "takes", "gives")}
        return Graph(**said, nodes=tuple(nodes), edges=tuple(edges))

    def _copied_edges(self) -> Iterable[Edge]:
        """Give the edges of what became of patterns, as the patterns have them."""
        for node in self.added:
            pattern = self._patterns.get(node.id)
            if pattern is None:
                continue
            segments = node.id.split("/")
            for edge in (*self.source.leaving.get(pattern, ()), *self.source.arriving.get(pattern, ())):
                if max(_stars(edge.source), _stars(edge.target)) > _stars(pattern):
                    continue
                source, target = (self._end(end, node, segments) for end in (edge.source, edge.target))
                if source in self._ids and target in self._ids and source != target:
                    yield edge.model_copy(update={"source": source, "target": target})

    def _made_edges(self) -> Iterable[Edge]:
        """Give the edges of elements, turns, and what is known from paths: branches side by side, all else in line."""
        held: dict[str, list[str]] = {}
        for node in self.added:
            if node.id not in self._patterns and node.parent is not None:
                held.setdefault(node.parent, []).append(node.id)
        for region, nodes in held.items():
            if split_mark(nodes[0])[1].startswith("[") and split_mark(nodes[0])[0] == region:
                for id in nodes:
                    yield Edge(source=region, target=id)
                    yield Edge(source=id, target=region)
            else:
                for source, target in pairwise([region, *nodes, region]):
                    yield Edge(source=source, target=target, kind="order")

    def _end(self, end: str, node: GraphNode, segments: list[str]) -> str:
        """Give the id of the ``end`` of an edge at ``node``; into and out of an element's region is the element."""
        found = concrete(end, segments)
        group = node.parent or ""
        return group if group.startswith(found) and split_mark(group)[0] == found and group != found else found


def in_order(nodes: list[GraphNode]) -> tuple[GraphNode, ...]:
    """Sort nodes so that each region is followed by all it holds, and elements by their indexes."""
    held: dict[str | None, list[GraphNode]] = {}
    for node in nodes:
        held.setdefault(node.parent, []).append(node)
    for parts in held.values():
        parts.sort(key=_index)
    found: list[GraphNode] = []
    stack = held.get(None, [])[::-1]
    while stack:
        node = stack.pop()
        found.append(node)
        stack += held.get(node.id, ())[::-1]
    return tuple(found)


def _index(node: GraphNode) -> int:
    """Give the index of an element, which may have started after later ones; other nodes keep their order."""
    found = _ELEMENT.fullmatch(node.slot)
    return int(found[1]) if found else -1


def concrete(pattern: str, segments: list[str]) -> str:
    """Write ``pattern`` with the elements and turns of the path of ``segments`` in the place of its stars.

    >>> concrete("a/each[*]/loop#*/b", ["a", "each[3]", "loop#0", "c"])
    'a/each[3]/loop#0/b'
    """
    if not is_pattern(pattern):
        return pattern
    parts = pattern.split("/")
    return "/".join(
        segments[at] if _STAR.search(part) and at < len(segments) else part for at, part in enumerate(parts)
    )


def _stars(id: str) -> int:
    return len(_STAR.findall(id))


def _kind_of(mark: str) -> NodeKind:
    if not mark:
        return "label"
    if mark.startswith("#"):
        return "loop"
    return "gather" if mark[1:-1].isdigit() else "choice"
