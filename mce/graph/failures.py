"""Which failures may come out of every part of a flow, as declared; defects, which nobody declares, are left out."""

from __future__ import annotations

from typing import Any, TypeAlias, get_origin

from mce.errors import BudgetExceeded, CircuitOpen, LoopLimit, TimedOut
from mce.graph.annotations import fails_with, open_type, shown
from mce.graph.ir import GraphNode
from mce.graph.lower import Lowered
from mce.syntax import Call, Fail, Recover

__all__ = ["ANYTHING", "Failures", "expected_failures", "failure_names"]

ANYTHING = object
"""Stands for failures of which nothing is known."""

Failures: TypeAlias = frozenset[Any]
"""Types of failures."""

_NONE: Failures = frozenset()


def expected_failures(lowered: Lowered) -> dict[str | None, Failures]:
    """Give the types of the failures that may come out of every node, and under ``None`` out of the flow."""
    found: dict[str | None, Failures] = {}
    graph = lowered.graph
    for node in reversed(graph.nodes):
        held = graph.held_by(node.id)
        found[node.id] = _own(lowered, node) | _passed(lowered, node, held, found)
    found[None] = _all(found, graph.held_by(None))
    return found


def failure_names(failures: Failures) -> list[str]:
    """Write failures as a reader would, sorted."""
    return sorted("anything" if failure is ANYTHING else shown(failure) for failure in failures)


def _all(found: dict[str | None, Failures], nodes: tuple[GraphNode, ...]) -> Failures:
    whole = _NONE
    for node in nodes:
        whole = whole if found[node.id] <= whole else whole | found[node.id]
    return whole


def _own(lowered: Lowered, node: GraphNode) -> Failures:
    """Give the failures that a node itself makes."""
    origin = lowered.origins[node.id]
    match node.kind:
        case "step" if isinstance(origin, Call):
            return _of_step(origin)
        case "fail" if isinstance(origin, Fail):
            return frozenset({type(origin.error)})
        case "fail" | "dynamic" | "block" | "suspend":
            return frozenset({ANYTHING})
        case "timeout":
            return frozenset({TimedOut})
        case "budget":
            return frozenset({BudgetExceeded})
        case "loop" if node.at_most is not None:
            return frozenset({LoopLimit})
        case "guard" if any(policy.kind == "breaker" for policy in node.policies):
            return frozenset({CircuitOpen})
        case _:
            return _NONE


def _of_step(call: Call) -> Failures:
    spec = call.spec
    if str(type(call.fn).__module__).startswith("mce.combinators") and not spec.raises:
        given = [ANYTHING] if spec.name != "sleep" else []
    else:
        declared = fails_with(call.fn)
        given = [ANYTHING] if declared is None else declared
    timed = [TimedOut] if spec.timeout is not None else []
    return frozenset((ANYTHING if open_type(one) else get_origin(one) or one) for one in (*spec.raises, *timed, *given))


def _passed(
    lowered: Lowered, node: GraphNode, held: tuple[GraphNode, ...], found: dict[str | None, Failures]
) -> Failures:
    """Give the failures that pass from inside a node to its outside."""
    if node.mode == "settle":
        return _NONE
    origin = lowered.origins[node.id]
    if node.kind != "recover" or not isinstance(origin, Recover):
        return _all(found, held)
    body = _all(found, tuple(part for part in held if part.slot == "body"))
    if not body and origin.on is None:
        return _NONE
    left = _NONE if origin.on is None else frozenset(one for one in body if not _caught(one, origin.on))
    return left | _all(found, tuple(part for part in held if part.slot == "handler"))


def _caught(failure: Any, on: tuple[type, ...]) -> bool:
    return failure is not ANYTHING and isinstance(failure, type) and issubclass(failure, on)
