"""From tree to graph: every occurrence of a node becomes a graph node whose id is its path.

The names are given out as in :mod:`mce.engine.compile`, in the same order, so that the paths of events are found. What
combinators put around a flow for themselves (internal steps, identities) is left out; the bracket it stands in is a
``guard``. A trampoline takes the place of recursion.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, assert_never

from mce.combinators.cache import Hit
from mce.combinators.functor import _FailWith
from mce.combinators.monad import fail, pure
from mce.graph.ir import VERSION, EdgeKind, Graph, NodeKind, Policy
from mce.graph.words import (
    counted,
    effects_of,
    given_text,
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
    Given,
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
    Then,
    Timeout,
    Transact,
    same,
)

__all__ = ["Lowered", "lower"]


@dataclass(frozen=True)
class Lowered:
    """A graph, and under ``origins`` the syntax node that each of its nodes was made of."""

    graph: Graph
    origins: dict[str, Node]


def lower(root: Node, *, name: str = "") -> Lowered:
    """Give the graph of the flow ``root``; linear in the number of occurrences of nodes."""
    lowering = _Lowering(root)
    drive(lowering.slot(root, Names(), _Place(None)))
    top = [node for node in lowering.nodes if "parent" not in node]
    takes, gives = ("", "") if not top else (top[0].get("takes", ""), top[-1].get("gives", ""))
    shown = {"name": name, "takes": "" if top and "given" in top[0] else takes, "gives": gives}
    graph = Graph.model_validate({**shown, "version": VERSION, "nodes": lowering.nodes, "edges": lowering.edges})
    return Lowered(graph, lowering.origins)


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


class _Item(NamedTuple):
    """One node of a sequence, in the namespace it is named in; ``hidden`` ones only take their place in the names."""

    node: Any
    names: Names
    given: str | None = None
    elements: int | None = None
    hidden: bool = False
    fused: tuple[Callable[..., Any], ...] = ()


class _Lowering:
    """Lowers one tree."""

    def __init__(self, root: Node) -> None:
        self.root = root
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

    def take_name(self, item: _Item) -> None:
        label = item.node.spec.name if isinstance(item.node, Call) else region_label(item.node)
        item.names.ordinal(label)

    def item(self, item: _Item, place: _Place) -> Part:
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

    def leaf(self, item: _Item, label: str, kind: NodeKind, place: _Place, *, shown: str = "") -> str:
        own = numbered(label, item.names.ordinal(label))
        return self.add(item.names.prefix() + own, kind, shown or label, place, item.node, given=item.given)

    # -- regions ------------------------------------------------------------------------------------------------------

    def region(self, item: _Item, place: _Place) -> Part:
        """Lower a node that holds others."""
        node, names = item.node, item.names
        if isinstance(node, Label):
            own = numbered(node.name, names.ordinal(node.name))
        else:
            label = region_label(node)
            own = numbered(label, names.ordinal(label))
        here = names.prefix() + own
        region = self.add(here, "label", node_label(node), place, node, given=item.given)
        match node:
            case Label(body, _, meta):
                self.amend(region, meta={key: value_text(value) for key, value in (meta or {}).items()})
                yield self.only(body, names.below(own), region)
            case Par(parts, join):
                self.amend(region, kind="gather", **joining(join))
                for at, part in enumerate(parts):
                    yield self.branch(part, names.below(f"{own}[{at}]"), region, str(at))
            case Race(parts):
                self.amend(region, kind="race")
                for at, part in enumerate(parts):
                    yield self.branch(part, names.below(f"{own}[{at}]"), region, str(at))
            case Each(body, join, limit):
                self.amend(region, kind="each", limit=limit, elements=item.elements, **joining(join))
                yield self.only(body, names.below(f"{own}[*]"), region)
            case Choice(_, cases, default):
                self.amend(region, kind="choice")
                for key, case in cases:
                    yield self.branch(case, names.below(f"{own}[{case_name(key)}]"), region, case_name(key), "choice")
                if default is not None:
                    yield self.branch(default, names.below(f"{own}[default]"), region, "default", "choice")
            case Recover(body, handler, on, keeps_input):
                classes = None if on is None else tuple(found.__name__ for found in on)
                self.amend(region, kind="recover", on=classes, mode="keeps_input" if keeps_input else None)
                inner = yield self.branch(body, names, region, "body")
                after = yield self.slot(handler, names.below(own), _Place(region, "handler"))
                self.edge(inner.last, after.first, "failure", " or ".join(classes or ("any expected failure",)))
                self.edge(after.last, region)
            case Loop(body, at_most):
                self.amend(region, kind="loop", at_most=at_most)
                inner = yield self.only(body, names.below(f"{own}#*"), region)
                self.edge(inner.last, inner.first, "loop", "again")
            case Bracket():
                yield self.bracket(node, names, own, region)
            case Dag():
                yield self.dag(node, names, own, region)
            case Retry(body, schedule, on):
                policy = schedule_policy(schedule)
                classes = None if on is None else tuple(found.__name__ for found in on)
                self.amend(region, kind="retry", policies=(policy,), on=classes)
                yield self.only(body, names, region)
            case Timeout(body, seconds, budget):
                self.amend(region, **bounding(seconds, budget))
                yield self.only(body, names, region)
            case Focus(lens, body):
                self.amend(region, kind="focus", part=lens_text(lens))
                yield self.only(body, names, region)
            case Transact(body):
                self.amend(region, kind="transact")
                yield self.only(body, names, region)
            case _:
                assert_never(node)
        return _Span(region, region)

    def only(self, body: Node, names: Names, region: str) -> Part:
        """Lower the one part of a region, whose value is the region's."""
        span: _Span = yield self.slot(body, names, _Place(region, "body"), alone=True)
        if span.first:
            self.enter(region, span.first)
            self.edge(span.last, region)
        return span if span.first else _Span(region, region)

    def branch(self, part: Node, names: Names, region: str, slot: str, kind: EdgeKind = "data") -> Part:
        """Lower one of several parts of a region, whose value may be the region's."""
        span: _Span = yield self.slot(part, names, _Place(region, slot))
        self.enter(region, span.first, kind, slot if kind == "choice" else "")
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
            self.enter(region, first.first)
        quiet = is_silent(node.release)
        if quiet and first is None:
            return (yield self.only(node.use, names, region))
        use: _Span = yield self.slot(node.use, names, _Place(region, "use"))
        if first is None:
            self.enter(region, use.first)
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

    def enter(self, region: str, first: str, kind: EdgeKind = "data", label: str = "") -> None:
        self.edge(region, first, kind, label)

    def edge(self, source: str, target: str, kind: EdgeKind = "data", label: str = "") -> None:
        fields: dict[str, Any] = {"source": source, "target": target}
        fields |= {"kind": kind} if kind != "data" else {}
        fields |= {"label": label} if label else {}
        self.edges.append(fields)


# -- what is seen, and what is passed over ----------------------------------------------------------------------------


def flattened(node: Node, names: Names) -> Iterator[_Item]:
    """List the nodes of a sequence in order, with functions that are fused in one, and what only takes a name."""
    stack: list[tuple[Any, str | None, int | None]] = [(node, None, None)]
    fused: list[Callable[..., Any]] = []
    waiting: _Item | None = None
    while stack:
        node, given, elements = stack.pop()
        if isinstance(node, Fn) and waiting is not None and given is None:
            fused.append(node.f)
            continue
        if isinstance(node, Then):
            stack += [(node.second, None, None), (node.first, given, elements)]
            continue
        if isinstance(node, Given):
            stack.append((node.body, given_text(node.value), counted(node.value)))
            continue
        if waiting is not None:
            yield from _functions(waiting, fused)
            waiting, fused = None, []
        if isinstance(node, Fn):
            waiting, fused = _Item(node, names, given), [node.f]
            continue
        if (body := _inside(node)) is not None:
            yield _Item(node, names, hidden=True)
            stack.append((body, given, elements))
        else:
            yield _Item(node, names, given, elements, hidden=isinstance(node, Call) and node.spec.internal)
    if waiting is not None:
        yield from _functions(waiting, fused)


def _functions(first: _Item, fused: list[Callable[..., Any]]) -> Iterator[_Item]:
    """Give what is seen of fused functions: not those that only pass their input on, unless there is nothing else."""
    seen = tuple(f for f in fused if f is not same) or tuple(fused[:1])
    yield first._replace(fused=seen)


def _inside(node: Node) -> Node | None:
    """Give the body where a combinator's own region is not to be seen: a cache's hit, a note at a saga's stage."""
    match node:
        case Recover(body, _, (found,)) if found is Hit:
            return body
        case Bracket(Fn(f), use, release) if f is same and is_silent(release):
            return use
        case _:
            return None


_LOOKED_AT = 16
"""In how many nodes what a combinator put somewhere for itself is looked for: it is never more."""


def is_silent(node: Node) -> bool:
    """Whether ``node`` is nothing but internal steps and identities, and so gives no event."""
    stack: list[Node] = [node]
    for _ in range(_LOOKED_AT):
        if not stack:
            return True
        match stack.pop():
            case Then(first, second):
                stack += [first, second]
            case Bracket(acquire, use, release):
                stack += [acquire, use, release]
            case Fn(f) if f is same:
                pass
            case Call(_, spec) if spec.internal:
                pass
            case _:
                return False
    return not stack


def continuation_kind(f: Callable[..., Any]) -> NodeKind:
    """Give what a continuation is: of those that only give a value, or fail with one, nothing is opaque."""
    if isinstance(f, _FailWith) or f is fail:
        return "fail"
    return "function" if f is pure else "dynamic"


def function_label(f: Callable[..., Any]) -> str:
    """Give what a pure function is called in a path."""
    found = getattr(f, "__name__", "map")
    return found if found.isidentifier() else "map"


def node_label(node: Any) -> str:
    """Give the name of a region as it is shown."""
    return node.name if isinstance(node, Label) else region_label(node)


def joining(join: Any) -> dict[str, Any]:
    """Give what a graph node says of a join."""
    how: dict[str, Any] = {"mode": join.mode}
    if join.count:
        how["count"] = join.count
    if join.merge is not None:
        how["merges"] = True
    return how


def bounding(seconds: float, budget: Any) -> dict[str, Any]:
    """Give what a graph node says of a timeout or a budget."""
    bound = None if seconds == float("inf") else seconds
    if budget is None:
        return {"kind": "timeout", "policies": (Policy(kind="timeout", text=f"timeout {seconds:g} s", seconds=bound),)}
    parts = [(budget.steps, "{} steps"), (bound, "{:g} s"), (budget.cost, "cost {:g}")]
    text = "budget " + ", ".join(form.format(amount) for amount, form in parts if amount is not None)
    policy = Policy(kind="budget", text=text, seconds=bound, steps=budget.steps, cost=budget.cost)
    return {"kind": "budget", "policies": (policy,)}


def lens_text(lens: Any) -> str:
    """Name the part of the state that a lens is for, if it says so."""
    names = getattr(lens, "names", ())
    return ".".join(names) if names else value_text(lens)
