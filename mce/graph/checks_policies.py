"""Checks of policies: loops and retries, timeouts around threads, races of what has effects, limits in a ring."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mce.graph.finding import Finding, Severity, Subject
from mce.graph.ir import GraphNode
from mce.syntax import Loop

__all__ = [
    "check_limits",
    "check_loops",
    "check_races",
    "check_retries",
    "check_timeouts",
]


def check_loops(subject: Subject) -> Iterator[Finding]:
    """MCE104: a loop without a bound, but for those that go over the elements they are given."""
    for node in subject.nodes:
        origin = subject.origin(node)
        if isinstance(origin, Loop) and origin.at_most is None and not _over_elements(origin):
            yield Finding(
                "MCE104",
                "warning",
                node.id,
                f"{node.label} turns until its condition holds, and nothing bounds how often",
                f"say {node.label}(..., at_most=N): after that it fails with LoopLimit",
            )


def _over_elements(loop: Loop) -> bool:
    return str(getattr(loop.until, "__module__", "")) == "mce.combinators.traversable"


def check_retries(subject: Subject) -> Iterator[Finding]:
    """MCE105: a step is retried that must not be called twice, or of which nobody said that it may."""

    def around(node: GraphNode, retry: str | None) -> str | None:
        return node.id if node.kind == "retry" else retry

    within = subject.inherited(around, None)
    for node, call in subject.calls:
        spec, retry = call.spec, within[node.parent]
        if spec.pure or spec.idempotent or not (retry or spec.retry):
            continue
        if spec.idempotent is False:
            yield Finding(
                "MCE105",
                "error",
                node.id,
                f"{node.label} is declared idempotent=False: after it was called {retry} tries nothing again",
                "retry what comes before it by itself, or make it safe to repeat and declare idempotent=True",
            )
        else:
            yield Finding(
                "MCE105",
                "note",
                node.id,
                f"{node.label} is retried, and nobody said whether it may be called twice",
                "declare it idempotent=True (ctx.idempotency_key helps) or idempotent=False",
            )


def check_timeouts(subject: Subject) -> Iterator[Finding]:
    """MCE109: a timeout around a step in a thread, which cannot be stopped: it is waited for."""

    def around(node: GraphNode, timed: bool) -> bool:
        return timed or (node.kind in ("timeout", "budget") and any(policy.seconds for policy in node.policies))

    timed = subject.inherited(around, False)
    for node, call in subject.calls:
        spec = call.spec
        threaded = not spec.is_async and not spec.pure and spec.run_in in (None, "thread")
        if threaded and (spec.timeout is not None or timed[node.parent]):
            yield Finding(
                "MCE109",
                "note",
                node.id,
                f"{node.label} runs in a thread, which a timeout cannot stop: the flow goes on when it is done",
                "make it async, or declare run_in='process', which can be ended",
            )


def check_races(subject: Subject) -> Iterator[Finding]:
    """MCE110: what loses a race has begun, and is cancelled in the middle of its effects."""

    def around(node: GraphNode, race: str | None) -> str | None:
        cancels = node.kind == "race" or node.mode == "quorum"
        return node.id if cancels and len(subject.held_by(node)) > 1 else race

    within = subject.inherited(around, None)
    for node, call in subject.calls:
        race, spec = within[node.parent], call.spec
        if race is None or spec.pure or spec.idempotent:
            continue
        severity: Severity = "warning" if spec.idempotent is False else "note"
        said = "is declared idempotent=False" if spec.idempotent is False else "does not say idempotent=True"
        yield Finding(
            "MCE110",
            severity,
            node.id,
            f"{node.label} {said} and races in {race}: what loses may have taken effect",
            "let only reads race, and act on the winner's value afterwards",
        )


# -- limits -----------------------------------------------------------------------------------------------------------


def check_limits(subject: Subject) -> Iterator[Finding]:
    """MCE111: a limit is taken inside itself, or limits are taken in opposite orders by what runs at the same time."""
    taken: dict[tuple[str, str], list[GraphNode]] = {}
    held = subject.inherited(lambda node, outer: (*outer, *_limits(node)) if node.is_region else outer, ())
    for node in subject.nodes:
        outer: tuple[str, ...] = held[node.parent]
        for name in _limits(node):
            if name in outer:
                yield _taken_twice(node, name)
            elif outer:
                taken.setdefault((outer[-1], name), []).append(node)
    for (outer_name, inner), places in taken.items():
        back = taken.get((inner, outer_name), []) if outer_name < inner else []
        pair = next(((one, other) for one in places for other in back if _are_beside(subject, one, other)), None)
        if pair is not None:
            yield Finding(
                "MCE111",
                "warning",
                pair[0].id,
                f"here {inner!r} is taken inside {outer_name!r}, and at {pair[1].id} {outer_name!r} inside {inner!r}: "
                f"each may wait for the other for ever",
                f"take {outer_name!r} and {inner!r} in one order everywhere",
            )


def _limits(node: GraphNode) -> tuple[str, ...]:
    """Name the limits that are taken at a node; that of a step is told with its size."""
    said = [policy.text.removeprefix("limit ") for policy in node.policies if policy.kind == "limit"]
    return tuple(text.rpartition(" ")[0] if node.kind == "step" else text for text in said)


def _taken_twice(node: GraphNode, name: str) -> Finding:
    return Finding(
        "MCE111",
        "error",
        node.id,
        f"the limit {name!r} is taken inside itself, and would wait for itself",
        "take it once, around the outer flow or in each of the inner ones",
    )


def _are_beside(subject: Subject, one: GraphNode, other: GraphNode) -> bool:
    """Whether two nodes may run at the same time: in branches that meet, or in elements of one ``each``."""
    ways = [_way(subject, node) for node in (one, other)]
    shared = 0
    while shared < min(map(len, ways)) and ways[0][shared].id == ways[1][shared].id:
        shared += 1
    around = ways[0][:shared]
    return bool(around and around[-1].kind in ("gather", "race", "dag")) or any(
        region.kind == "each" and region.limit != 1 for region in around
    )


def _way(subject: Subject, node: GraphNode) -> list[GraphNode]:
    found: list[Any] = [node]
    while (parent := found[-1].parent) is not None:
        found.append(subject.lowered.graph.by_id[parent])
    return found[::-1]
