"""Who gives what to whom: the types that steps and functions declare, through the regions in between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mce.graph.annotations import gives, parameter_of, takes
from mce.graph.ir import GraphNode
from mce.graph.lower import Lowered
from mce.syntax import Call, Fn, Pure

__all__ = ["given_by", "taken_by", "takers"]

_PASSES_IN = ("sequence", "label", "gather", "race", "retry", "timeout", "budget", "focus", "transact", "guard")
"""Regions that give their input to what their edges enter, as it is."""
_PASSES_OUT = ("sequence", "label", "retry", "timeout", "budget", "focus", "transact", "guard")
"""Regions whose value is that of what they hold last."""


def given_by(lowered: Lowered, node: GraphNode) -> Any:
    """Give the type of a node's value, ``Any`` where it is not certain."""
    while node.kind in _PASSES_OUT:
        held = [part for part in lowered.graph.held_by(node.id) if part.slot != "release"]
        if not held:
            return Any
        node = held[-1]
    match lowered.origins[node.id]:
        case Call(fn):
            return gives(fn)
        case Fn(f) if ", " not in node.label:
            return gives(f)
        case Pure(value):
            return type(value)
        case _:
            return Any


def takers(lowered: Lowered, node: GraphNode) -> Iterator[GraphNode]:
    """Give the steps and functions that get what ``node`` is given."""
    graph = lowered.graph
    stack = [node]
    while stack:
        node = stack.pop()
        if node.kind in ("step", "function"):
            yield node
        elif node.kind in _PASSES_IN:
            entered = [edge.target for edge in graph.leaving.get(node.id, ()) if edge.kind == "data"]
            stack += [graph.by_id[id] for id in entered if graph.by_id[id].parent == node.id]


def taken_by(lowered: Lowered, node: GraphNode) -> Any:
    """Give the type that a step or function declares to take, ``Any`` where it says nothing."""
    match lowered.origins[node.id]:
        case Call(fn, spec) if spec.accepts:
            return takes(fn)
        case Fn(f):
            return parameter_of(f)
        case _:
            return Any
