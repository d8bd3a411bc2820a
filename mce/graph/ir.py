"""The graph of a flow as data: nodes and edges with stable ids, which pictures, analyses and reports are made from.

Nodes form a tree: a region is the ``parent`` of what it holds. Edges join nodes with one parent, or a region and what
it holds: from the region, its input goes in; to the region, its result comes out. So folding a region is leaving out
what it holds, and a join of many branches into many costs the sum and not the product.

The JSON form is versioned and round-trips; :func:`schema` gives its JSON schema.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from mce.errors import InvalidGraph

__all__ = ["VERSION", "Edge", "EdgeKind", "Effects", "Graph", "GraphNode", "NodeKind", "Policy", "schema"]

VERSION: Literal[1] = 1

NodeKind: TypeAlias = Literal[
    "step", "function", "value", "fail", "state", "dynamic", "block", "suspend",
    "sequence", "label", "gather", "each", "choice", "recover", "race", "loop", "dag",
    "retry", "timeout", "budget", "bracket", "guard", "focus", "transact",
]  # fmt: skip
"""What a node is. The kinds of the first line hold no others; ``dynamic`` and ``block`` are opaque before they run.

A ``sequence`` is a part of a region that holds several nodes (a branch, a case, a handler). A ``guard`` is what a
combinator over a shared thing put around its body: a limit, a rate, a circuit breaker, a cache, a saga.
"""

EdgeKind: TypeAlias = Literal["data", "order", "failure", "choice", "loop"]
"""What an edge means: a value is passed on; only the order; taken on a failure; one of several cases; back to begin."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Policy(_Data):
    """A policy that a step was declared with, or that a ``retry``, ``timeout``, ``budget`` or ``guard`` region is.

    ``text`` says it in words. ``attempts`` is the greatest number of calls (``None``: no bound), ``seconds`` the bound
    on the time, ``steps`` and ``cost`` those of a budget; ``waits`` are the seconds between all attempts together.
    """

    kind: Literal["retry", "timeout", "budget", "limit", "rate", "breaker", "cache", "batch", "saga", "other"]
    text: str
    attempts: int | None = None
    waits: float | None = None
    seconds: float | None = None
    steps: int | None = None
    cost: float | None = None


class Effects(_Data):
    """What a step declares: ``step`` is where it is defined, ``raises`` the classes of its expected failures.

    ``idempotent`` is ``None`` when nobody said; a step that ``continues`` may give a flow to go on with, which is known
    only when it runs. ``writes`` are the fields of the state that its code is seen to write, ``None`` when that cannot
    be known.
    """

    step: str
    doc: str = ""
    is_async: bool = True
    pure: bool = False
    idempotent: bool | None = None
    raises: tuple[str, ...] = ()
    run_in: str | None = None
    resources: dict[str, float] = {}
    takes_context: bool = False
    continues: bool = False
    writes: tuple[str, ...] | None = None


class GraphNode(_Data):
    """One node: ``id`` is its path, with ``[*]`` for any element of an ``each`` and ``#*`` for any turn of a loop.

    ``slot`` says which part of its parent the node is, or begins: ``0`` (a branch), ``'book'`` (a case), ``default``,
    ``body``, ``handler``, ``acquire``, ``use``, ``release``, or a task of a dag. ``takes`` and ``gives`` are types as
    text, empty when not known. ``given`` is the input as text where one is supplied.
    """

    id: str
    kind: NodeKind
    label: str
    parent: str | None = None
    slot: str = ""
    takes: str = ""
    gives: str = ""
    given: str | None = None
    value: str | None = None
    """Of a ``value`` or ``fail``: what it gives or fails with."""
    mode: str | None = None
    """Of a ``gather``, ``each`` or ``dag``: how the branches meet (``fail_fast``, ``accumulate``, ``settle``, ...)."""
    count: int | None = None
    """Of a ``quorum``: how many successes are wanted."""
    limit: int | None = None
    """Of an ``each``: how many elements at once; ``None``: all."""
    elements: int | None = None
    """Of an ``each``: how many elements there are, where they are supplied."""
    at_most: int | None = None
    """Of a ``loop``: the greatest number of turns; ``None``: no bound."""
    on: tuple[str, ...] | None = None
    """Of a ``recover`` or ``retry``: the failures it is for; ``None``: every expected one."""
    part: str | None = None
    """Of a ``focus``: the part of the state."""
    merges: bool = False
    """Of a ``gather``, ``each`` or ``dag``: whether states meet in a function of its own."""
    policies: tuple[Policy, ...] = ()
    effects: Effects | None = None
    meta: dict[str, str] = {}
    """Of a ``label``: what the user noted, as text."""

    @property
    def is_region(self) -> bool:
        """Whether nodes of this kind hold others."""
        return self.kind not in ("step", "function", "value", "fail", "state", "dynamic", "block", "suspend")

    @property
    def is_opaque(self) -> bool:
        """Whether what happens here is known only when it runs."""
        return self.kind in ("dynamic", "block")


class Edge(_Data):
    """From node to node, by id; ``label`` is the case of a choice, the failures of a failure edge."""

    source: str
    target: str
    kind: EdgeKind = "data"
    label: str = ""


class Graph(_Data):
    """A flow as nodes, in the order in which they would run with a region before what it holds, and edges."""

    version: Literal[1] = VERSION
    name: str = ""
    takes: str = ""
    gives: str = ""
    nodes: tuple[GraphNode, ...]
    edges: tuple[Edge, ...]

    @cached_property
    def by_id(self) -> dict[str, GraphNode]:
        """The nodes by their ids."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def children(self) -> dict[str | None, tuple[GraphNode, ...]]:
        """What every region holds, in order; under ``None`` what is in no region."""
        found: dict[str | None, list[GraphNode]] = {}
        for node in self.nodes:
            found.setdefault(node.parent, []).append(node)
        return {parent: tuple(held) for parent, held in found.items()}

    @cached_property
    def leaving(self) -> dict[str, tuple[Edge, ...]]:
        """The edges by their sources."""
        return _grouped(self.edges, lambda edge: edge.source)

    @cached_property
    def arriving(self) -> dict[str, tuple[Edge, ...]]:
        """The edges by their targets."""
        return _grouped(self.edges, lambda edge: edge.target)

    def held_by(self, region: str | None) -> tuple[GraphNode, ...]:
        """Give what ``region`` holds directly, in order."""
        return self.children.get(region, ())

    def locate(self, path: str) -> GraphNode | None:
        """Give the node that an event's ``path`` is at: itself, or the innermost one around it that is known."""
        segments = path.split("/")
        while segments:
            pattern = self._pattern(segments)
            for wanted in (pattern, re.sub(r"[#~][\d*]+$", "", pattern)):
                if (found := self.by_id.get(wanted)) is not None:
                    return found
            segments.pop()
        return None

    def _pattern(self, segments: list[str]) -> str:
        """Write a path with ``[*]`` and ``#*`` where it names one element of an ``each`` or one turn of a loop."""
        known = ""
        for segment in segments:
            path = f"{known}/{segment}" if known else segment
            known = path if self._is_prefix(path) else re.sub(r"\[\d+\]$", "[*]", re.sub(r"#\d+$", "#*", path))
        return known

    def _is_prefix(self, path: str) -> bool:
        return path in self._prefixes

    @cached_property
    def _prefixes(self) -> frozenset[str]:
        found: set[str] = set()
        for node in self.nodes:
            at = len(node.id)
            while at > 0 and node.id[:at] not in found:
                found.add(node.id[:at])
                at = node.id.rfind("/", 0, at)
        return frozenset(found)

    def to_json(self, *, indent: int | None = None) -> str:
        """Write the graph as JSON, without what is not said of a node."""
        return self.model_dump_json(indent=indent, exclude_unset=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Graph:
        """Read what :meth:`to_json` wrote; raises :class:`mce.InvalidGraph` that says what is wrong and where."""
        try:
            graph = cls.model_validate_json(text)
        except ValidationError as wrong:
            first = wrong.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the text"
            raise InvalidGraph(f"not a graph of version {VERSION}: at {place}: {first['msg']}") from None
        graph.check()
        return graph

    def check(self) -> None:
        """Raise :class:`mce.InvalidGraph` for two nodes of one id, a parent or an edge's end that is not there."""
        if len(self.by_id) < len(self.nodes):
            seen: set[str] = set()
            twice = next(node.id for node in self.nodes if node.id in seen or seen.add(node.id))  # type: ignore[func-returns-value]
            raise InvalidGraph(f"two nodes have the id {twice!r}")
        known: set[str] = set()
        for node in self.nodes:
            if node.parent is not None and node.parent not in known:
                raise InvalidGraph(f"node {node.id!r} is in {node.parent!r}, which is not before it")
            known.add(node.id)
        for edge in self.edges:
            for end in (edge.source, edge.target):
                if end not in known:
                    raise InvalidGraph(f"the edge {edge.source!r} -> {edge.target!r} has no node {end!r}")


def _grouped(edges: tuple[Edge, ...], key: Any) -> dict[str, tuple[Edge, ...]]:
    found: dict[str, list[Edge]] = {}
    for edge in edges:
        found.setdefault(key(edge), []).append(edge)
    return {name: tuple(group) for name, group in found.items()}


def schema() -> dict[str, Any]:
    """Give the JSON schema of the JSON form."""
    return Graph.model_json_schema()
