"""What a check says, and what it is given: a finding, and the flow as a graph with the live objects behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from mce.graph.ir import GraphNode
from mce.graph.lower import Lowered
from mce.syntax import Call, Node

__all__ = ["Check", "Finding", "Severity", "Subject"]

Severity: TypeAlias = Literal["error", "warning", "note"]
"""An error surely goes wrong; a warning may; a note is good to know."""


@dataclass(frozen=True)
class Finding:
    """Something about a flow at a ``place``, a path, and how to ``fix`` it; ``docs/findings.md`` tells of each code."""

    code: str
    severity: Severity
    place: str
    message: str
    fix: str

    @property
    def page(self) -> str:
        """Where the code is explained."""
        return f"docs/findings.md#{self.code.lower()}"

    def __str__(self) -> str:
        return f"{self.code} {self.severity} at {self.place}: {self.message}; {self.fix}"


@dataclass(frozen=True)
class Subject:
    """A flow that is checked; ``backend`` is where it is to run, if that was said."""

    lowered: Lowered
    backend: str | None = None

    @property
    def nodes(self) -> tuple[GraphNode, ...]:
        return self.lowered.graph.nodes

    def origin(self, node: GraphNode) -> Node:
        """Give the syntax node that a graph node was made of."""
        return self.lowered.origins[node.id]

    def held_by(self, node: GraphNode) -> tuple[GraphNode, ...]:
        return self.lowered.graph.held_by(node.id)

    @cached_property
    def calls(self) -> list[tuple[GraphNode, Call]]:
        """The steps, each occurrence with its syntax node."""
        found = ((node, self.origin(node)) for node in self.nodes if node.kind == "step")
        return [(node, origin) for node, origin in found if isinstance(origin, Call)]

    @cached_property
    def functions(self) -> list[tuple[GraphNode, Call]]:
        """The steps, each function at its first occurrence."""
        known: set[int] = set()
        return [
            (node, call)
            for node, call in self.calls
            if not (id(call.fn) in known or known.add(id(call.fn)))  # type: ignore[func-returns-value]
        ]

    def inherited(self, value: Callable[[GraphNode, Any], Any], start: Any) -> dict[str | None, Any]:
        """Give for every node what holds inside it: ``value`` of it and of what holds around it."""
        found: dict[str | None, Any] = {None: start}
        for node in self.nodes:
            found[node.id] = value(node, found[node.parent])
        return found


Check: TypeAlias = Callable[[Subject], Iterator[Finding]]
