"""Whether a stored run of one version of a flow can be resumed by another: which recorded results keep their meaning.

A run is stored as the results of its steps, under their paths. A result keeps its meaning when under that path there
is the same step, given what it was given. What stands around it, such as a retry, does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mce.graph.ir import Graph, GraphNode
from mce.graph.sources import Source, Sources, sources_of

__all__ = ["Obstacle", "Resume", "resume_of"]

_RECORDED = ("step", "suspend", "dynamic", "block")
"""The kinds of nodes under which results are recorded, their own or those of what they become."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why the result that is recorded under ``path`` cannot be used."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} {self.reason}"


@dataclass(frozen=True, slots=True)
class Resume:
    """What was found: see :class:`mce.graph.diff.Difference`."""

    old: Graph
    kept: tuple[str, ...]
    obstacles: tuple[Obstacle, ...]
    stale: tuple[str, ...]

    def in_the_way(self, paths: Iterable[str]) -> tuple[Obstacle, ...]:
        """Give the obstacles of a run that has recorded results under ``paths``."""
        reached = {node.id for path in paths if (node := self.old.locate(path)) is not None}
        own = tuple(obstacle for obstacle in self.obstacles if obstacle.path in reached)
        after = tuple(Obstacle(id, "was given what another step gives now") for id in self.stale if id in reached)
        return own + after


def resume_of(old: Graph, new: Graph, moved: Mapping[str, str]) -> Resume:
    """Sort the steps of ``old`` by what ``new`` can do with their results; ``moved`` are those that stand elsewhere."""
    before, after = sources_of(old), sources_of(new)
    shifted = _shifted(old, new, before, after)
    kept: list[str] = []
    obstacles: list[Obstacle] = []
    stale: list[str] = []
    for node in old.nodes:
        if node.kind not in _RECORDED:
            continue
        reason = _reason(node, new.by_id.get(node.id), moved.get(node.id))
        if not reason and node.id in new.by_id:
            reason = _other_input(before.into[node.id], after.into[node.id])
        if reason:
            obstacles.append(Obstacle(node.id, reason))
        elif node.id in shifted:
            stale.append(node.id)
        elif node.id in new.by_id:
            kept.append(node.id)
    return Resume(old, tuple(kept), tuple(obstacles), tuple(stale))


def _reason(node: GraphNode, now: GraphNode | None, moved: str | None) -> str:
    """Say why what is there now is not the step that it was; empty if it is, or if nothing is lost."""
    if now is None:
        if moved is not None:
            return f"stands at {moved} now, where its result is not looked for"
        pure = node.effects is not None and node.effects.pure
        return "" if pure else "is gone: what it did is not undone, and its result is not used"
    if now.kind != node.kind:
        return f"is a {now.kind} now and was a {node.kind}"
    if now.effects is not None and node.effects is not None and now.effects.step != node.effects.step:
        return f"is another step now: {now.effects.step} instead of {node.effects.step}"
    for name, word in (("given", "is given"), ("takes", "takes"), ("gives", "gives"), ("value", "waits for")):
        if getattr(now, name) != getattr(node, name):
            return f"{word} {getattr(now, name) or 'nothing known'} instead of {getattr(node, name) or 'nothing known'}"
    return ""


def _other_input(before: frozenset[Source], after: frozenset[Source]) -> str:
    """Say from where else the input of a step comes; empty if it comes from where it came."""
    if before == after:
        return ""
    old, new = before - after, after - before
    if {source.node for source in old} == {source.node for source in new}:
        return "is given the value of what it only followed before, or the other way round"
    passed = any(source.passed for source in old | new)
    return f"{'gets its input from' if passed else 'follows'} {_names(new)} instead of {_names(old)}"


def _names(found: frozenset[Source]) -> str:
    return " and ".join(sorted(map(str, found))) or "the flow's input"


def _shifted(old: Graph, new: Graph, before: Sources, after: Sources) -> set[str]:
    """Find the nodes of ``new`` whose input is not what it was, directly or because of what comes before them."""
    into: set[str] = set()
    value: set[str] = set()
    around: list[GraphNode] = []

    def leave(region: GraphNode) -> None:
        out = after.out_of[region.id]
        if region.is_region and (before.out_of.get(region.id) != out or any(source.node in value for source in out)):
            value.add(region.id)

    for node in new.nodes:
        while around and around[-1].id != node.parent:
            leave(around.pop())
        around.append(node)
        was = old.by_id.get(node.id)
        sources = after.into[node.id]
        if was is None or before.into[node.id] != sources or any(_is_in(s, into, value) for s in sources if s.passed):
            into.add(node.id)
        if was is None or _is_other(was, node) or (node.id in into and not node.is_region):
            value.add(node.id)
    while around:
        leave(around.pop())
    return into


def _is_other(was: GraphNode, node: GraphNode) -> bool:
    """Whether the value of a node is another one for reasons of its own."""
    joins = (was.mode, was.count, was.merges) != (node.mode, node.count, node.merges)
    return joins if node.is_region and was.is_region else bool(_reason(was, node, None))


def _is_in(source: Source, into: set[str], value: set[str]) -> bool:
    return source.node in (into if source.into else value)
