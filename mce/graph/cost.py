"""What a flow takes: bounds on time, work, calls and cost, the critical path, and how much runs at once.

Figures by step come from a file or a trace (:mod:`mce.durations`). Times are those of a run where nobody waits for a
worker, a limit or a rate: ``mce simulate`` is for those. A call takes as long as its figure says, whether it fails or
not. Linear in the size of the graph, but for the exact width of a dag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil, inf

from mce.durations import Estimates, expected_seconds
from mce.graph.bounds import Range, fold_amounts
from mce.graph.effects import is_opaque, opaque_places
from mce.graph.ir import Graph, GraphNode
from mce.graph.width import widest

__all__ = ["CriticalPath", "Estimate", "estimate"]


@dataclass(frozen=True)
class CriticalPath:
    """The longest way through: the ``places`` of its steps, and its ``seconds`` (steps, where nothing is timed)."""

    seconds: float
    places: tuple[str, ...]


@dataclass(frozen=True)
class Estimate:
    """What a run takes at least, when it succeeds, and at most, however it ends.

    ``seconds`` is from begin to end, ``work`` that of all calls together; ``width`` is how many steps run at once.
    ``critical`` is the longest way in a run that goes once through every loop and element, without a failure.
    ``unknown`` are steps without a figure for their seconds, which count as 0; what ``opaque`` places do is in no
    lower bound, and leaves no upper one.
    """

    seconds: Range
    work: Range
    calls: Range
    cost: Range
    width: Range
    critical: CriticalPath
    unknown: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()


def estimate(graph: Graph, figures: Estimates | None = None) -> Estimate:
    """Give what a run of the graph takes by the ``figures``; without any, the critical path is the longest in steps.

    >>> from mce import gather, step
    >>> from mce.durations import durations_from_json
    >>> @step
    ... def look(word: str) -> str: ...
    >>> @step
    ... def ask(word: str) -> str: ...
    >>> figures = durations_from_json({"look": {"seconds": 1, "cost": 0.5}, "ask": 3})
    >>> found = estimate(gather(look >> look, ask).graph(), figures)
    >>> found.critical, str(found.seconds), str(found.work), str(found.cost), str(found.width)
    (CriticalPath(seconds=3, places=('gather[1]/ask',)), '3', '5', '1', '2')
    """
    figures = figures or Estimates({})
    timed = {name: expected_seconds(duration) for name, duration in figures.items()}

    def amounts(node: GraphNode) -> Mapping[str, float]:
        name = node.label
        return {"calls": 1, "work": timed.get(name, 0), "cost": figures.costs.get(name, 0)}

    opaque = opaque_places(graph)
    whole = fold_amounts(graph, amounts)
    walk = _Walk(graph, (lambda name: timed.get(name, 0)) if timed else (lambda name: 1))
    span = walk.whole()
    steps = dict.fromkeys(node.label for node in graph.nodes if node.kind == "step")
    bound = (lambda found: Range(found.least, None)) if opaque else (lambda found: found)
    return Estimate(
        seconds=bound(_range(span.least, span.most) if timed else Range(0, 0)),
        work=bound(whole.range("work")),
        calls=bound(whole.range("calls")),
        cost=bound(whole.range("cost")),
        width=bound(_range(*span.width)),
        critical=CriticalPath(span.once, walk.critical()),
        unknown=tuple(name for name in steps if name not in timed),
        opaque=opaque,
    )


def _range(least: float, most: float) -> Range:
    return Range(least, None if most == inf else most)


# -- from begin to end ------------------------------------------------------------------------------------------------


@dataclass
class _Span:
    """Of a part: how long a success takes at least, any end at least, any at most, and going once through.

    ``width`` is how many of its steps run at once: when every element is one, and at most.
    """

    least: float = 0
    ended: float = 0
    most: float = 0
    once: float = 0
    width: tuple[float, float] = (0, 0)
    fails: bool = False


_Held = list[tuple[GraphNode, _Span]]


class _Walk:
    """Folds the graph from the leaves up, and keeps which parts of a region are on its critical path."""

    def __init__(self, graph: Graph, seconds: Callable[[str], float]) -> None:
        self.graph = graph
        self.seconds = seconds
        self.chosen: dict[str | None, list[str]] = {}

    def whole(self) -> _Span:
        done: dict[str, _Span] = {}
        for node in reversed(self.graph.nodes):
            held = [(part, done.pop(part.id)) for part in self.graph.held_by(node.id)]
            done[node.id] = self.region(node, held) if node.is_region else self.leaf(node)
        return self.in_order(None, [(node, done[node.id]) for node in self.graph.held_by(None)])

    def critical(self) -> tuple[str, ...]:
        """Give the places of the steps on the critical path, in order."""
        found: list[str] = []
        stack: list[str | None] = [None]
        while stack:
            place = stack.pop()
            stack += reversed(self.chosen.get(place, []))
            if place is not None and (self.graph.by_id[place].kind == "step" or is_opaque(self.graph.by_id[place])):
                found.append(place)
        return tuple(found)

    def leaf(self, node: GraphNode) -> _Span:
        if node.kind != "step":
            opaque = (1.0, inf) if node.is_opaque else (0.0, 0.0)
            return _Span(most=inf if node.is_opaque else 0, width=opaque, fails=node.kind != "value")
        seconds = self.seconds(node.label)
        span = _Span(seconds, seconds, seconds, seconds, (1, 1), fails=True)
        for policy in reversed(node.policies):
            span = _under(span, policy.kind, policy.attempts, policy.waits, policy.seconds)
        return span

    def region(self, node: GraphNode, held: _Held) -> _Span:
        match node.kind:
            case "gather" if node.mode == "quorum":
                return self.some(node, held, node.count or len(held))
            case "gather" if node.mode == "speculate":
                return self.speculated(node, held)
            case "gather":
                return self.beside(node, held)
            case "race":
                return self.some(node, held, 1)
            case "choice":
                return self.one_of(node, held)
            case "recover":
                return self.recovered(node, held)
            case "dag":
                return self.dag(node, held)
            case "each":
                return _each(node, self.in_order(node.id, held))
            case "loop":
                span = self.in_order(node.id, held)
                span.most = _times(span.most, node.at_most)
                return span
            case "guard":
                return self.guard(node, held)
            case _:
                span = self.in_order(node.id, held)
                for policy in node.policies:
                    span = _under(span, policy.kind, policy.attempts, policy.waits, policy.seconds)
                return span

    def in_order(self, place: str | None, held: _Held) -> _Span:
        self.chosen[place] = [node.id for node, _ in held]
        whole = _Span()
        for _, part in held:
            if not whole.fails:
                whole.ended += part.ended
            whole.least += part.least
            whole.most += part.most
            whole.once += part.once
            whole.width = _widest([whole.width, part.width])
            whole.fails = whole.fails or part.fails
        return whole

    def beside(self, node: GraphNode, held: _Held) -> _Span:
        parts = [part for _, part in held]
        self.longest(node, held)
        ends = [part.ended for part in parts if part.fails]
        ended = min(ends) if ends and node.mode == "fail_fast" else _max(part.ended for part in parts)
        return _Span(
            least=ended if node.mode == "settle" else _max(part.least for part in parts),
            ended=ended,
            most=_max(part.most for part in parts),
            once=_max(part.once for part in parts),
            width=_together(parts),
            fails=bool(ends),
        )

    def longest(self, node: GraphNode, held: _Held) -> None:
        if held:
            self.chosen[node.id] = [max(held, key=lambda part: part[1].once)[0].id]

    def some(self, node: GraphNode, held: _Held, count: int) -> _Span:
        """So many successes are waited for: the fastest, when all goes well."""
        parts = [part for _, part in held]
        fastest = sorted(held, key=lambda part: part[1].once)[:count]
        self.chosen[node.id] = [found.id for found, _ in fastest[-1:]]
        return _Span(
            least=_max(sorted(part.least for part in parts)[:count]),
            ended=_min(part.ended for part in parts),
            most=_max(part.most for part in parts),
            once=fastest[-1][1].once if fastest else 0,
            width=_together(parts),
            fails=True,
        )

    def speculated(self, node: GraphNode, held: _Held) -> _Span:
        condition, *branches = [part for _, part in held]
        self.longest(node, held)
        return _Span(
            least=max(condition.least, _min(part.least for part in branches)),
            most=condition.most + _max(part.most for part in branches),  # a backend may run them in turn
            once=max(condition.once, _max(part.once for part in branches)),
            width=_together([condition, *branches]),
            fails=True,
        )

    def one_of(self, node: GraphNode, held: _Held) -> _Span:
        parts = [part for _, part in held]
        self.longest(node, held)
        return _Span(
            least=_min(part.least for part in parts),
            most=_max(part.most for part in parts),
            once=_max(part.once for part in parts),
            width=_widest([part.width for part in parts]),
            fails=True,
        )

    def recovered(self, node: GraphNode, held: _Held) -> _Span:
        (body_node, body), *rest = held
        self.chosen[node.id] = [body_node.id]
        if not body.fails:
            return body
        handler = rest[0][1] if rest else _Span()
        return _Span(
            least=min(body.least, body.ended + handler.least),
            ended=body.ended,
            most=body.most + handler.most,
            once=body.once,
            width=_widest([body.width, handler.width]),
            fails=True,
        )

    def guard(self, node: GraphNode, held: _Held) -> _Span:
        span = self.in_order(node.id, [part for part in held if part[0].slot != "release"])
        for part, undo in held:
            if part.slot == "release":
                span.most += undo.most
                span.width = _widest([span.width, undo.width])
        for policy in node.policies:
            span = _under(span, policy.kind, None, None, None)
        return span

    def dag(self, node: GraphNode, held: _Held) -> _Span:
        """Every task begins when the last of those it waits for has ended."""
        at = {task.id: number for number, (task, _) in enumerate(held)}
        before = {
            number: [at[edge.source] for edge in self.graph.arriving.get(task, ()) if edge.source in at]
            for task, number in at.items()
        }
        ends = _Ends(held, before)
        self.chosen[node.id] = [held[number][0].id for number in ends.longest_chain()]
        settled = node.mode not in (None, "fail_fast", "accumulate")
        least = _max(ends.by(lambda part: part.least))
        return _Span(
            least=0 if settled else least,
            most=_max(ends.by(lambda part: part.most)),
            once=_max(ends.once),
            width=_dag_width([part for _, part in held], before),
            fails=any(part.fails for _, part in held),
        )


class _Ends:
    """When the tasks of a dag end."""

    def __init__(self, held: _Held, before: Mapping[int, list[int]]) -> None:
        self.parts = [part for _, part in held]
        self.before = before
        self.once = self.by(lambda part: part.once)

    def by(self, seconds: Callable[[_Span], float]) -> list[float]:
        ends: list[float] = []
        for number, part in enumerate(self.parts):
            ends.append(_max(ends[earlier] for earlier in self.before[number]) + seconds(part))
        return ends

    def longest_chain(self) -> list[int]:
        if not self.parts:
            return []
        chain = [max(range(len(self.parts)), key=self.once.__getitem__)]
        while self.before[chain[-1]]:
            chain.append(max(self.before[chain[-1]], key=self.once.__getitem__))
        return chain[::-1]


def _dag_width(parts: list[_Span], before: Mapping[int, list[int]]) -> tuple[float, float]:
    low = [int(part.width[0]) for part in parts]
    high = [part.width[1] for part in parts]
    least, exact = widest(low, before)
    if not exact:
        return _max(low), inf if inf in high else widest([int(width) for width in high], before)[0]
    if inf in high:
        return least, inf
    whole = [int(width) for width in high]
    return least, least if whole == low else widest(whole, before)[0]


def _each(node: GraphNode, body: _Span) -> _Span:
    count, limit = node.elements, node.limit
    at_once = _min(bound for bound in (count, limit) if bound is not None) if count is not None or limit else inf
    rounds = None if count is None else ceil(count / limit) if limit and count else min(count, 1)
    least = body.ended if node.mode == "settle" else body.least
    return _Span(
        least=0 if not count else max(least, least * count / limit) if limit else least,
        most=_times(body.most, rounds if count is not None or limit else 1),
        once=body.once * (1 if rounds is None else rounds),
        width=(0, 0) if count == 0 else (_product(body.width[0], count or 1, limit), _times(body.width[1], at_once)),
        fails=True,
    )


def _product(width: float, count: int, limit: int | None) -> float:
    return width * min(count, limit or count)


def _under(span: _Span, kind: str, attempts: int | None, waits: float | None, seconds: float | None) -> _Span:
    """Put a policy around a part."""
    span.fails = True
    match kind:
        case "retry":
            span.most = _times(span.most, attempts) + (inf if waits is None else waits)
        case "timeout" | "budget" if seconds is not None:
            for name in ("least", "ended", "most", "once"):
                setattr(span, name, min(getattr(span, name), seconds))
        case "cache":
            span.least = span.ended = 0
        case "timeout" | "budget" | "limit" | "breaker" | "other":
            span.ended = 0
        case _:
            pass
    return span


def _times(amount: float, factor: float | None) -> float:
    return 0 if not amount or factor == 0 else amount * (inf if factor is None else factor)


def _together(parts: list[_Span]) -> tuple[float, float]:
    return sum(part.width[0] for part in parts), sum(part.width[1] for part in parts)


def _widest(widths: list[tuple[float, float]]) -> tuple[float, float]:
    return _max(low for low, _ in widths), _max(high for _, high in widths)


def _max(values: Iterable[float]) -> float:
    return max(values, default=0)


def _min(values: Iterable[float]) -> float:
    return min(values, default=0)
