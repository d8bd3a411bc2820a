"""From tree to graph: every occurrence of a node becomes a graph node whose id is its path.

The names are given out as in :mod:`mce.engine.compile`, in the same order, so that the paths of events are found. What
combinators put around a flow for themselves (internal steps, identities) is left out; the bracket it stands in is a
``guard``. A trampoline takes the place of recursion.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, assert_never

from mce.graph.ir import VERSION, EdgeKind, Graph, NodeKind
from mce.graph.occurrences import Item, flattened, is_silent
from mce.graph.words import (
    bounding,
    continuation_kind,
    effects_of,
    function_label,
    joining,
    lens_text,
    policies_of,
    policy_of_guard,
    schedule_policy,
    signature,
    value_text,
)
from mce.names import Names, case_name, numbered, region_label, task_names
from mce.syntax import (
    Bracket,
    Call,
    Choice,
    Dag,
    Dynamic,
    Each,
    Fail,
    Fn,
    Focus,
    Label,
    Loop,
    Node,
    Par,
    Pure,
    Race,
    Recover,
    Ref,
    Retry,
    StateOp,
    Suspend,
    Timeout,
    Transact,
)

__all__ = ["Lowered", "lower"]


@dataclass(frozen=True)
class Lowered:
    """A graph, under ``origins`` the syntax node that each of its nodes was made of, and the ``root`` of the tree."""

    graph: Graph
    origins: dict[str, Node]
    root: Node


def lower(root: Node, *, name: str = "") -> Lowered:
    """Give the graph of the flow ``root``; linear in the number of occurrences of nodes."""
    lowering = _Lowering()
    drive(lowering.slot(root, Names(), _Place(None)))
    top = [node for node in lowering.nodes if "parent" not in node]
    takes, gives = ("", "") if not top else (top[0].get("takes", ""), top[-1].get("gives", ""))
    shown = {"name": name, "takes": "" if top and "given" in top[0] else takes, "gives": gives}
    graph = Graph.model_validate({**shown, "version": VERSION, "nodes": lowering.nodes, "edges": lowering.edges})
    return Lowered(graph, lowering.origins, root)


class _Span(NamedTuple):
    """The first and the last node of a part: where its input goes, and where its value comes from."""

    first: str
    last: str


class _Place(NamedTuple):
    """Where a part stands: in which region, and as which part of it."""

    parent: str | None
    slot: str = ""


Part: TypeAlias = "Generator[Part, _Span, _Span]"


def drive(part: Part) -> _Span:
    """Run a part, and the parts that it asks for, to its end."""
    stack = [part]
    found: Any = None
    while stack:
        try:
            asked = stack[-1].send(found)
        except StopIteration as end:
            stack.pop()
            found = end.value
        else:
            stack.append(asked)
            found = None
    return found  # type: ignore[no-any-return]


class _Lowering:
    """Lowers one tree."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.edges: list[dict[str, Any]] = []
        self.origins: dict[str, Node] = {}

    # -- parts --------------------------------------------------------------------------------------------------------

    def slot(self, node: Node, names: Names, place: _Place, *, alone: bool = False) -> Part:
        """Lower a part of a region; a part of several nodes is a ``sequence`` unless it stands there ``alone``."""
        items = list(flattened(node, names))
        shown = sum(not item.hidden for item in items)
        outer = place
        if shown != 1 and place.parent is not None and not alone:
            start = self.add(f"{place.parent}{{{place.slot}}}", "sequence", place.slot, place, node)
            outer = _Place(start)
        first = last = ""
        for item in items:
            if item.hidden:
                self.take_name(item)
                continue
            span: _Span = yield self.item(item, outer if first or outer.parent != place.parent else place)
            if first:
                self.edge(last, span.first, "data" if item.given is None else "order")
            elif outer is not place:
                self.edge(str(outer.parent), span.first, "data" if item.given is None else "order")
            first, last = first or span.first, span.last
        if outer is not place:
            assert outer.parent is not None
            if first:
                self.edge(last, outer.parent)
            return _Span(outer.parent, outer.parent)
        return _Span(first, last)

    def take_name(self, item: Item) -> None:
        label = item.node.spec.name if isinstance(item.node, Call) else region_label(item.node)
        item.names.ordinal(label)

    def item(self, item: Item, place: _Place) -> Part:
        """Lower one node of a sequence."""
        node, names = item.node, item.names
        match node:
            case Call(fn, spec):
                found = self.leaf(item, spec.name, "step", place)
                takes, gives = signature(fn)
                self.amend(found, takes=takes, gives=gives, policies=policies_of(spec), effects=effects_of(fn, spec))
            case Fn():
                labels = [function_label(f) for f in item.fused]
                found = self.leaf(item, labels[0], "function", place, shown=", ".join(labels))
                takes, gives = signature(item.fused[0])[0], signature(item.fused[-1])[1]
                self.amend(found, takes=takes, gives=gives)
            case Pure(value):
                found = self.add(names.prefix() + "pure", "value", "pure", place, node)
                self.amend(found, value=value_text(value), gives=type(value).__name__)
            case Fail(error):
                found = self.leaf(item, "fail", "fail", place)
                self.amend(found, value=value_text(error), gives="Never")
            case StateOp(_, name):
                found = self.leaf(item, name, "state", place)
            case Dynamic(f, name, direct):
                found = self.leaf(item, name, "block" if direct else continuation_kind(f), place)
                takes, gives = signature(f)
                self.amend(found, takes=takes, gives=gives)
            case Suspend(token):
                found = self.leaf(item, "suspend", "suspend", place)
                self.amend(found, value=value_text(token))
            case _:
                return (yield self.region(item, place))
        return _Span(found, found)
        yield  # an item is a part: a generator even where it asks for nothing

    def leaf(self, item: Item, label: str, kind: NodeKind, place: _Place, *, shown: str = "") -> str:
        own = numbered(label, item.names.ordinal(label))
        return self.add(item.names.prefix() + own, kind, shown or label, place, item.node, given=item.given)

    # -- regions ------------------------------------------------------------------------------------------------------

    def region(self, item: Item, place: _Place) -> Part:
        """Lower a node that holds others."""
        node, names = item.node, item.names
        label = node.name if isinstance(node, Label) else region_label(node)
        own = numbered(label, names.ordinal(label))
        region = self.add(names.prefix() + own, "label", label, place, node, given=item.given)
        match node:
            case Par(parts, join):
                self.amend(region, kind="gather", **joining(join))
                yield self.branches(
                    [(str(at), part, names.below(f"{own}[{at}]")) for at, part in enumerate(parts)], region
                )
            case Race(parts):
                self.amend(region, kind="race")
                yield self.branches(
                    [(str(at), part, names.below(f"{own}[{at}]")) for at, part in enumerate(parts)], region
                )
            case Choice(_, cases, default):
                self.amend(region, kind="choice")
                shown = [(case_name(key), case) for key, case in cases]
                shown += [] if default is None else [("default", default)]
                yield self.branches(
                    [(key, case, names.below(f"{own}[{key}]")) for key, case in shown], region, "choice"
                )
            case Recover(body, handler, on, keeps_input):
                classes = None if on is None else tuple(found.__name__ for found in on)
                self.amend(region, kind="recover", on=classes, mode="keeps_input" if keeps_input else None)
                inner = yield self.branch(body, names, region, "body")
                after = yield self.slot(handler, names.below(own), _Place(region, "handler"))
                self.edge(inner.last, after.first, "failure", " or ".join(classes or ("any expected failure",)))
                self.edge(after.last, region)
            case Bracket():
                yield self.bracket(node, names, own, region)
            case Dag():
                yield self.dag(node, names, own, region)
            case _:
                yield self.around(item, own, region)
        return _Span(region, region)

    def around(self, item: Item, own: str, region: str) -> Part:
        """Lower a region of one part: a name, a traversal, a loop, a policy, a part of the state."""
        node, names = item.node, item.names
        match node:
            case Label(_, _, meta):
                self.amend(region, meta={key: value_text(value) for key, value in (meta or {}).items()})
                names = names.below(own)
            case Each(_, join, limit):
                self.amend(region, kind="each", limit=limit, elements=item.elements, **joining(join))
                names = names.below(f"{own}[*]")
            case Loop(_, at_most):
                self.amend(region, kind="loop", at_most=at_most)
                names = names.below(f"{own}#*")
            case Retry(_, schedule, on):
                classes = None if on is None else tuple(found.__name__ for found in on)
                self.amend(region, kind="retry", policies=(schedule_policy(schedule),), on=classes)
            case Timeout(_, seconds, budget):
                self.amend(region, **bounding(seconds, budget))
            case Focus(lens):
                self.amend(region, kind="focus", part=lens_text(lens))
            case Transact():
                self.amend(region, kind="transact")
            case _:
                assert_never(node)
        inner: _Span = yield self.only(node.body, names, region)
        if isinstance(node, Loop):
            self.edge(inner.last, inner.first, "loop", "again")
        return inner

    def branches(self, parts: list[tuple[str, Node, Names]], region: str, kind: EdgeKind = "data") -> Part:
        """Lower the parts of a region that stand side by side, each in its slot."""
        for slot, part, names in parts:
            yield self.branch(part, names, region, slot, kind)
        return _Span(region, region)

    def only(self, body: Node, names: Names, region: str) -> Part:
        """Lower the one part of a region, whose value is the region's."""
        span: _Span = yield self.slot(body, names, _Place(region, "body"), alone=True)
        if span.first:
            self.edge(region, span.first)
            self.edge(span.last, region)
        return span if span.first else _Span(region, region)

    def branch(self, part: Node, names: Names, region: str, slot: str, kind: EdgeKind = "data") -> Part:
        """Lower one of several parts of a region, whose value may be the region's."""
        span: _Span = yield self.slot(part, names, _Place(region, slot))
        self.edge(region, span.first, kind, slot if kind == "choice" else "")
        self.edge(span.last, region)
        return span

    def bracket(self, node: Bracket, names: Names, own: str, region: str) -> Part:
        guard = isinstance(node.acquire, Call) and node.acquire.spec.internal
        if guard:
            assert isinstance(node.acquire, Call)
            label = node.acquire.spec.name
            self.amend(region, kind="guard", label=label, policies=(policy_of_guard(label),))
        else:
            self.amend(region, kind="bracket")
        first: _Span | None = None
        if not is_silent(node.acquire):
            first = yield self.slot(node.acquire, names.below(f"{own}/acquire"), _Place(region, "acquire"))
            self.edge(region, first.first)
        quiet = is_silent(node.release)
        if quiet and first is None:
            return (yield self.only(node.use, names, region))
        use: _Span = yield self.slot(node.use, names, _Place(region, "use"))
        if first is None:
            self.edge(region, use.first)
        else:
            self.edge(first.last, use.first)
        self.edge(use.last, region)
        if not quiet:
            last = yield self.slot(node.release, names.below(f"{own}/release"), _Place(region, "release"))
            self.edge(use.last, last.first, "failure" if guard else "order", "undo" if guard else "release")
        return _Span(region, region)

    def dag(self, node: Dag, names: Names, own: str, region: str) -> Part:
        self.amend(region, kind="dag", **joining(node.join))
        spans: dict[str, _Span] = {}
        labels = task_names(task for task, _ in node.tasks)
        for (task, body), takes, label in zip(node.tasks, node.takes, labels, strict=True):
            span: _Span = yield self.slot(body, names.below(f"{own}/{label}"), _Place(region, label))
            spans[task] = span
            given = {value.name for value in takes.values if isinstance(value, Ref)}
            for before in takes.waits_for():
                self.edge(spans[before].last, span.first, "data" if before in given else "order")
            if takes.takes_input() or not takes.waits_for():
                self.edge(region, span.first, "data" if takes.takes_input() else "order")
        for task in node.outputs:
            self.edge(spans[task].last, region)
        return _Span(region, region)

    # -- nodes and edges ----------------------------------------------------------------------------------------------

    def add(
        self, wanted: str, kind: NodeKind, label: str, place: _Place, origin: Node, *, given: str | None = None
    ) -> str:
        id, ordinal = wanted, 1
        while id in self.origins:
            ordinal += 1
            id = numbered(wanted, ordinal)
        self.origins[id] = origin
        self.nodes.append({"id": id, "kind": kind, "label": label})
        self.amend(id, parent=place.parent, slot=place.slot, given=given)
        return id

    def amend(self, id: str, **fields: Any) -> None:
        """Say more of the node that was added last."""
        assert self.nodes[-1]["id"] == id
        self.nodes[-1].update({name: value for name, value in fields.items() if value not in (None, "", (), {})})

    def edge(self, source: str, target: str, kind: EdgeKind = "data", label: str = "") -> None:
        fields: dict[str, Any] = {"source": source, "target": target}
        fields |= {"kind": kind} if kind != "data" else {}
        fields |= {"label": label} if label else {}
        self.edges.append(fields)
