"""A run laid over a graph for pictures that know nothing of runs: how each node ended is a badge of it."""

from __future__ import annotations

from mce.graph.ir import Graph, GraphNode, Policy
from mce.graph.trace import Occurrence, RunRecord, Status
from mce.graph.unroll import unroll

__all__ = ["overlay"]

_MARKS: dict[Status, str] = {"succeeded": "✓", "failed": "✗", "cancelled": "■", "running": "▶"}


def overlay(graph: Graph, record: RunRecord) -> Graph:
    """Give the graph of what ran, where every step has a badge: how it ended, how long it took, how often it was tried.

    >>> from mce import step
    >>> from mce.graph.trace import record
    >>> @step
    ... async def half(n: int) -> int:
    ...     return n // 0
    >>> outcome = half.run_sync(1, trace=True)
    >>> overlay(half.graph(), record(outcome)).nodes[0].policies[0].text
    '✗ failed, ... s, critical path'
    """
    unrolled = unroll(graph, record)
    at: dict[str, list[Occurrence]] = {}
    for one in record.occurrences:
        at.setdefault(one.path, []).append(one)
    critical = {record.occurrences[number].path for number in record.critical}
    nodes = tuple(
        _with_badge(node, at[node.id], record.seconds, node.id in critical) if node.id in at else _numbered(node)
        for node in unrolled.nodes
    )
    said = {name: getattr(unrolled, name) for name in ("name", "takes", "gives", "edges")}
    return Graph(**said, nodes=nodes)


def _numbered(node: GraphNode) -> GraphNode:
    """Make an element or a turn a region with a name, since pictures show the names of those."""
    is_part = node.kind == "sequence" and node.slot.startswith(("[", "#"))
    return node.model_copy(update={"kind": "label", "slot": "body"}) if is_part else node


def _with_badge(node: GraphNode, attempts: list[Occurrence], now: float, is_critical: bool) -> GraphNode:
    last = attempts[-1]
    parts = [f"{_MARKS[last.status]} {last.status}", f"{sum(one.seconds(now) for one in attempts):.3g} s"]
    parts += [f"{len(attempts)} attempts"] if len(attempts) > 1 else []
    parts += ["critical path"] if is_critical else []
    badge = Policy(kind="other", text=", ".join(parts))
    return node.model_copy(update={"policies": (*node.policies, badge)})
