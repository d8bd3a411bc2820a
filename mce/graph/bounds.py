"""How often things happen at least and at most: one fold over the regions of a graph, from the leaves up.

Of every part three amounts are kept: what happens in every run of it, however it ends (``sure``); what happens besides
in every run that succeeds (``more``); and what happens at most (``most``). That a run is cancelled from outside does
not count as an end. Amounts are merged small into large, so the fold takes about linear time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import TypeAlias

from mce.graph.ir import Graph, GraphNode, Policy

__all__ = ["Amounts", "Part", "Range", "fold_amounts"]

Amounts: TypeAlias = dict[str, float]
"""How much of what."""

_TOO_MANY = 2.0**53
"""What is more often than this counts as unbounded: it is no longer a whole number."""


@dataclass(frozen=True)
class Range:
    """From ``least`` to ``most``; ``None`` says that there is no bound, or none that is known.

    >>> str(Range(1, 3)), str(Range(2.5, 2.5)), str(Range(10_000_000, None))
    ('1 to 3', '2.5', '10000000 or more')
    """

    least: float
    most: float | None

    def __str__(self) -> str:
        if self.most is None:
            return f"{_written(self.least)} or more"
        return _written(self.least) + ("" if self.least == self.most else f" to {_written(self.most)}")


def _written(amount: float) -> str:
    return str(int(amount)) if amount == int(amount) else f"{amount:.6g}"


@dataclass
class _Most:
    """Upper bounds; those that went to infinity are apart, so that nothing is multiplied for ever."""

    finite: Amounts = field(default_factory=Amounts)
    unbounded: set[str] = field(default_factory=set[str])

    def add(self, other: _Most) -> _Most:
        large, small = (self, other) if len(self.finite) >= len(other.finite) else (other, self)
        _add(large.finite, small.finite)
        return large._with(small)

    def peak(self, other: _Most) -> _Most:
        large, small = (self, other) if len(self.finite) >= len(other.finite) else (other, self)
        for name, amount in small.finite.items():
            large.finite[name] = max(amount, large.finite.get(name, 0))
        return large._with(small)

    def _with(self, other: _Most) -> _Most:
        wide, narrow = sorted((self.unbounded, other.unbounded), key=len, reverse=True)
        self.unbounded = wide
        wide |= narrow
        return self

    def times(self, factor: float | None) -> _Most:
        if factor == 1:
            return self
        if factor == 0:
            return _Most()
        for name, amount in list(self.finite.items()):
            if factor is None or amount * factor > _TOO_MANY:
                self.unbounded.add(name)
                del self.finite[name]
            else:
                self.finite[name] = amount * factor
        return self

    def of(self, name: str) -> float:
        return inf if name in self.unbounded else self.finite.get(name, 0)


@dataclass
class Part:
    """What is known of a part of the graph; ``once`` is what no retry repeats, ``fails`` whether it can fail."""

    sure: Amounts = field(default_factory=Amounts)
    more: Amounts = field(default_factory=Amounts)
    most: _Most = field(default_factory=_Most)
    once: _Most = field(default_factory=_Most)
    fails: bool = False

    def range(self, name: str) -> Range:
        """Give how much of ``name`` there is in a run that succeeds at least, and in any run at most."""
        most = self.most.of(name) + self.once.of(name)
        return Range(self.sure.get(name, 0) + self.more.get(name, 0), None if most == inf else most)

    def names(self) -> list[str]:
        """List all there is anything of."""
        parts = (self.most.finite, self.most.unbounded, self.once.finite, self.once.unbounded)
        return list(dict.fromkeys(name for part in parts for name in part))


def fold_amounts(graph: Graph, amounts: Callable[[GraphNode], Mapping[str, float]]) -> Part:
    """Give the amounts of the whole graph, where ``amounts`` are those of one call of a step."""
    done: dict[str, Part] = {}
    for node in reversed(graph.nodes):  # parts before wholes
        held = [(part, done.pop(part.id)) for part in graph.held_by(node.id)]
        done[node.id] = _leaf(node, amounts) if not node.is_region else _region(graph, node, held)
    return _in_order([done[node.id] for node in graph.held_by(None)])


_Held: TypeAlias = list[tuple[GraphNode, Part]]


def _leaf(node: GraphNode, amounts: Callable[[GraphNode], Mapping[str, float]]) -> Part:
    if node.kind != "step":
        return Part(fails=node.kind != "value")
    found = dict(amounts(node))
    most = _Most({name: amount for name, amount in found.items() if amount})
    never_again = node.effects is not None and node.effects.idempotent is False
    part = Part(found, {}, _Most() if never_again else most, most if never_again else _Most(), fails=True)
    for policy in reversed(node.policies):
        part = _under(policy, part)
    return part


def _under(policy: Policy, part: Part) -> Part:
    """Put a policy around a part."""
    match policy.kind:
        case "retry":
            part.most = part.most.times(policy.attempts)
        case "cache":
            part.sure, part.more = {}, {}
        case _:
            part = _perhaps_refused(part)
    part.fails = True
    return part


def _region(graph: Graph, node: GraphNode, held: _Held) -> Part:
    parts = [part for _, part in held]
    match node.kind:
        case "gather":
            return _joined(node, parts)
        case "race":
            return _some(1, parts)
        case "dag":
            return _dag(graph, node, held)
        case "choice":
            return _one_of(parts)
        case "recover":
            return _recovered(_slot(held, "body"), _slot(held, "handler"))
        case "bracket" | "guard" if any(part.slot == "use" for part, _ in held):
            part = _bracket(*(_slot(held, slot) for slot in ("acquire", "use", "release")), undo=node.kind == "guard")
            return _guarded(node, part)
        case "guard":
            return _guarded(node, _in_order(parts))
        case "each":
            return _each(node, _in_order(parts))
        case "loop":
            part = _in_order(parts)
            part.most, part.once = part.most.times(node.at_most), part.once.times(node.at_most)
            part.fails = True
            return part
        case "retry":
            return _under(node.policies[0], _in_order(parts))
        case "timeout" | "budget" | "focus":
            return _perhaps_refused(_in_order(parts))
        case _:
            return _in_order(parts)


def _slot(held: _Held, slot: str) -> Part:
    return _in_order([part for node, part in held if node.slot == slot])


def _in_order(parts: list[Part]) -> Part:
    """One after the other: what follows a part that can fail is sure only in a success."""
    whole = Part()
    for part in parts:
        if whole.fails:
            whole.more = _sum(whole.more, part.sure)
        else:
            whole.sure = _sum(whole.sure, part.sure)
        whole.more = _sum(whole.more, part.more)
        _at_most(whole, part)
    return whole


def _at_most(whole: Part, part: Part) -> None:
    """Add what happens at most, and whether it can fail."""
    whole.most, whole.once = whole.most.add(part.most), whole.once.add(part.once)
    whole.fails = whole.fails or part.fails


def _beside(parts: list[Part]) -> Part:
    """Side by side, where nothing is known but that each may happen."""
    whole = Part()
    for part in parts:
        _at_most(whole, part)
    return whole


def _joined(node: GraphNode, parts: list[Part]) -> Part:
    if node.mode == "quorum":
        return _some(node.count or len(parts), parts)
    if node.mode == "speculate":
        whole = _beside(parts)
        whole.more = _sum(_success(parts[0]), _least(2, 1, [_success(part) for part in parts[1:]]))
        whole.fails = True
        return whole
    whole = _beside(parts)
    for part in parts:
        if node.mode == "fail_fast" and whole.fails:  # a failure cancels the others, which may not have begun
            whole.more = _sum(whole.more, _success(part))
        else:
            whole.sure = _sum(whole.sure, part.sure)
            whole.more = whole.more if node.mode == "settle" else _sum(whole.more, part.more)
    return whole


def _some(count: int, parts: list[Part]) -> Part:
    """Of parts side by side so many succeed, the others may not even begin."""
    whole = _beside(parts)
    whole.more = _least(len(parts), count, [_success(part) for part in parts])
    return whole


def _one_of(parts: list[Part]) -> Part:
    whole = Part(fails=True)
    for part in parts:
        whole.most, whole.once = whole.most.peak(part.most), whole.once.peak(part.once)
    whole.more = _least(len(parts), 1, [_success(part) for part in parts])
    return whole


def _recovered(body: Part, handler: Part) -> Part:
    if not body.fails:
        return body
    sure = body.sure
    more = _least(2, 1, [body.more, _success(handler)])
    _at_most(body, handler)
    body.sure, body.more = sure, more
    return body


def _bracket(acquire: Part, use: Part, release: Part, *, undo: bool) -> Part:
    if undo:
        release.sure, release.more = {}, {}
    after = _joined_sure([use, release])
    return _in_order([acquire, after])


def _joined_sure(parts: list[Part]) -> Part:
    """All of them run, whatever becomes of the others."""
    whole = _beside(parts)
    for part in parts:
        whole.sure, whole.more = _sum(whole.sure, part.sure), _sum(whole.more, part.more)
    return whole


def _guarded(node: GraphNode, part: Part) -> Part:
    if node.kind != "guard":
        return part
    for policy in node.policies:
        part = _under(policy, part)
    return part


def _each(node: GraphNode, body: Part) -> Part:
    whole = Part(most=body.most.times(node.elements), once=body.once.times(node.elements), fails=True)
    if node.elements:
        surely = body.sure if node.mode == "settle" else _success(body)
        whole.more = {name: min(amount * node.elements, _TOO_MANY) for name, amount in surely.items()}
    return whole


def _dag(graph: Graph, node: GraphNode, held: _Held) -> Part:
    """In a success all tasks ran, unless failures are settled: then those ran that wait for no other."""
    whole = _beside([part for _, part in held])
    for task, part in held:
        waits = any(edge.source != node.id for edge in graph.arriving.get(task.id, ()) if edge.source != task.id)
        if node.mode == "fail_fast" or node.mode is None or (node.mode == "accumulate" and waits):
            whole.more = _sum(whole.more, _success(part))
        elif not waits:
            whole.more = _sum(whole.more, part.sure)
    return whole


def _perhaps_refused(part: Part) -> Part:
    """Something around the part may end it before it begins."""
    part.more, part.sure, part.fails = _success(part), {}, True
    return part


# -- amounts ----------------------------------------------------------------------------------------------------------


def _add(into: Amounts, other: Mapping[str, float]) -> None:
    for name, amount in other.items():
        into[name] = min(into.get(name, 0) + amount, _TOO_MANY)


def _sum(one: Amounts, other: Amounts) -> Amounts:
    """Give the sum, in place of the larger one."""
    large, small = (one, other) if len(one) >= len(other) else (other, one)
    _add(large, small)
    return large


def _success(part: Part) -> Amounts:
    """Give what happens in every success; the part is used up by that."""
    return _sum(part.sure, part.more)


def _least(of: int, count: int, amounts: Iterable[Amounts]) -> Amounts:
    """Give what at least happens when only ``count`` of ``of`` parts do, whichever they are."""
    gathered: dict[str, list[float]] = {}
    for part in amounts:
        for name, amount in part.items():
            gathered.setdefault(name, []).append(amount)
    without = of - count
    return {name: sum(sorted(each)[: len(each) - without]) for name, each in gathered.items() if len(each) > without}
