"""Where the nodes of a graph get their input from, seen through what only stands around others.

Policies, handlers and parts of several nodes add nothing to a path, so putting one around a step must not look like
another input: they are looked through here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from mce.graph.ir import Edge, Graph, GraphNode

__all__ = ["Source", "Sources", "sources_of"]

_LOOKED_THROUGH = frozenset({"sequence", "retry", "timeout", "budget", "guard", "transact", "recover", "label"})


class Source(NamedTuple):
    """Where something comes from: the value of a node, or what goes ``into`` it; only the order if not ``passed``."""

    node: str
    into: bool = False
    passed: bool = True

    def __str__(self) -> str:
        return f"the input of {self.node}" if self.into else self.node


_Found: TypeAlias = frozenset[Source]


@dataclass(frozen=True)
class Sources:
    """For every node, what goes ``into`` it and, for a region, what its value comes ``out_of``."""

    into: dict[str, _Found] = field(default_factory=dict)
    out_of: dict[str, _Found] = field(default_factory=dict)


def sources_of(graph: Graph) -> Sources:
    """Find all sources, in one pass over the nodes in the order in which they would run."""
    found = Sources()
    around: list[GraphNode] = []
    for node in graph.nodes:
        while around and around[-1].id != node.parent:
            _leave(graph, around.pop(), found)
        found.into[node.id] = _into(graph, node, found)
        around.append(node)
    while around:
        _leave(graph, around.pop(), found)
    return found


def _into(graph: Graph, node: GraphNode, found: Sources) -> _Found:
    held = {inner.id for inner in graph.held_by(node.id)}
    into: set[Source] = set()
    for edge in graph.arriving.get(node.id, ()):
        if edge.source in held or edge.kind == "loop":
            continue
        if edge.source == node.parent:
            parent = graph.by_id[edge.source]
            seen = found.into[parent.id] if parent.kind in _LOOKED_THROUGH else {Source(parent.id, into=True)}
        else:
            seen = _value(graph, edge, found)
        into |= {source._replace(passed=source.passed and edge.kind != "order") for source in seen}
    return frozenset(into)


def _leave(graph: Graph, region: GraphNode, found: Sources) -> None:
    """Note what the value of ``region`` comes out of; a handler is an exception to it."""
    out: set[Source] = set()
    for edge in graph.arriving.get(region.id, ()):
        inner = graph.by_id[edge.source]
        if inner.parent == region.id and not (region.kind == "recover" and inner.slot == "handler"):
            out |= _value(graph, edge, found)
    found.out_of[region.id] = frozenset(out)


def _value(graph: Graph, edge: Edge, found: Sources) -> _Found:
    source = graph.by_id[edge.source]
    if source.kind in _LOOKED_THROUGH and found.out_of.get(source.id):
        return found.out_of[source.id]
    return frozenset({Source(source.id)})
