"""Checks of what is passed on: types between neighbours, and steps that one value is not enough for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mce.graph.annotations import shown, surely_differs
from mce.graph.finding import Finding, Subject
from mce.graph.ir import GraphNode
from mce.graph.neighbours import given_by, taken_by, takers
from mce.syntax import Dag

__all__ = ["check_neighbours", "check_required"]


def check_neighbours(subject: Subject) -> Iterator[Finding]:
    """MCE101: a step or function is given a value of a type that it cannot be of."""
    graph = subject.lowered.graph
    mixed = _given_several(subject)
    for edge in graph.edges:
        source, target = graph.by_id[edge.source], graph.by_id[edge.target]
        if edge.kind != "data" or source.parent != target.parent or target.id in mixed:
            continue
        given = given_by(subject.lowered, source)
        for taker in takers(subject.lowered, target) if given is not Any else ():
            taken = taken_by(subject.lowered, taker)
            if surely_differs(given, taken):
                yield Finding(
                    "MCE101",
                    "error",
                    taker.id,
                    f"{taker.label} takes {shown(taken)} and is given {shown(given)} by {source.label}",
                    "put a function between them that makes the one of the other, or correct the annotation",
                )


def _given_several(subject: Subject) -> set[str]:
    """List the tasks of dags that are not given one value as it is, but a tuple of several, or arguments."""
    found: set[str] = set()
    for node in subject.nodes:
        origin = subject.origin(node)
        if isinstance(origin, Dag) and node.kind == "dag":
            tasks = zip(subject.held_by(node), origin.takes, strict=True)
            found |= {task.id for task, takes in tasks if takes.form != "one"}
    return found


def check_required(subject: Subject) -> Iterator[Finding]:
    """MCE102: a step of several required parameters stands where one value is passed on."""
    graph = subject.lowered.graph
    for node, call in subject.calls:
        if call.spec.required < 2 or node.given is not None or _in_dag(subject, node):
            continue
        if any(edge.kind in ("data", "choice", "failure") for edge in graph.arriving.get(node.id, ())):
            yield Finding(
                "MCE102",
                "error",
                node.id,
                f"{node.label} takes {call.spec.required} required arguments, and one value is passed on to it",
                f"call it with all of them, {node.label}(...), or make it take one value that holds them",
            )


def _in_dag(subject: Subject, node: GraphNode) -> bool:
    return node.parent is not None and subject.lowered.graph.by_id[node.parent].kind == "dag"
