"""How much of a flow's graph was reached by what was tried: its steps, its branches, and the failures it declares."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

from mce.graph.ir import Graph
from mce.testing.fuzz_report import Coverage

__all__ = ["reached"]


def reached(graph: Graph, called: Iterable[str], failed: Iterable[str]) -> tuple[Coverage, Coverage, Coverage]:
    """Give what was reached of the steps, the branches and the steps that may fail, by the paths of calls and failures.

    A branch is what several parts of the flow stand in, one after the other, and reached when one of its steps is; one
    without a step does not count, nor does what releases a resource.

    >>> from mce import branch, step
    >>> odd, even = step(name="odd")(abs), step(name="even", raises=OSError)(abs)
    >>> steps, branches, failures = reached(branch(bool, odd, odd >> even).graph(), ["branch[true]/odd"], [])
    >>> steps
    Coverage(reached=1, all=3, missed=('branch[false]/odd', 'branch[false]/even'))
    >>> branches.missed, failures.missed
    (('branch{false}',), ('branch[false]/even',))
    """
    parents = {node.id: node.parent for node in graph.nodes}
    steps = [node for node in graph.nodes if node.kind == "step"]
    branches = [node.id for node in graph.nodes if node.kind == "sequence" and "/release/" not in node.id]
    fallible = [node.id for node in steps if node.effects is not None and node.effects.raises]
    there = _with_regions(_located(graph, called), parents)
    holding = _with_regions((node.id for node in steps), parents)
    entered = _with_regions((node.id for node in steps if node.id in there), parents)
    return (
        _coverage([node.id for node in steps], there),
        _coverage([place for place in branches if place in holding], entered),
        _coverage(fallible, set(_located(graph, failed))),
    )


def _located(graph: Graph, paths: Iterable[str]) -> Iterator[str]:
    return (node.id for path in paths if (node := graph.locate(path)) is not None)


def _with_regions(places: Iterable[str], parents: Mapping[str, str | None]) -> set[str]:
    """Give the places and the regions that they are in."""
    found: set[str] = set()
    for place in places:
        at: str | None = place
        while at is not None and at not in found:
            found.add(at)
            at = parents[at]
    return found


def _coverage(all_of_it: list[str], there: Container[str]) -> Coverage:
    missed = [place for place in all_of_it if place not in there]
    return Coverage(len(all_of_it) - len(missed), len(all_of_it), tuple(missed))
