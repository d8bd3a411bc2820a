"""A flow in words: what it takes and gives, what it may call, what that takes, and how it could be rewritten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mce.durations import Estimates
from mce.flow import Flow
from mce.graph.annotations import shown, state_class
from mce.graph.bounds import Range
from mce.graph.cost import Estimate, estimate
from mce.graph.effects import count_calls
from mce.graph.failures import expected_failures, failure_names
from mce.graph.ir import Graph
from mce.graph.lower import lower
from mce.graph.neighbours import given_by, taken_by, takers
from mce.graph.optimise import Rewrite, optimise
from mce.reducers import field_types, shape_of
from mce.syntax import Call, postorder

__all__ = ["Explanation", "explain", "explanation"]

_LISTED = 40


@dataclass(frozen=True)
class Explanation:
    """What is said of a flow: types as text, empty when not known; ``state`` are the fields of its class."""

    takes: str
    gives: str
    fails: tuple[str, ...]
    state: Mapping[str, str]
    state_class: str
    parts: Mapping[str, int]
    calls: Mapping[str, Range]
    policies: tuple[tuple[str, str], ...]
    takes_of_run: Estimate
    is_timed: bool
    rewrites: tuple[Rewrite, ...]
    size: tuple[int, int]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """Give the explanation as lines of text."""
        yield f"takes {self.takes or 'anything'} and gives {self.gives or 'what is not declared'}"
        yield f"may fail with {', '.join(self.fails)}" if self.fails else "declares no failure"
        if self.state_class:
            yield f"works on the state {self.state_class}"
            yield from (f"  {name}: {said}" for name, said in self.state.items())
        yield "made of " + ", ".join(f"{count} {kind}" for kind, count in self.parts.items())
        yield ""
        yield from self._calls()
        yield ""
        yield from self._bounds()
        if self.policies:
            yield ""
            yield "policies"
            yield from _listed([f"  {place}: {text}" for place, text in self.policies])
        yield ""
        yield from self._rewrites()

    def _calls(self) -> Iterator[str]:
        surely = [name for name, calls in self.calls.items() if calls.least]
        perhaps = [name for name, calls in self.calls.items() if not calls.least]
        yield f"calls surely, when it succeeds: {', '.join(surely) or 'nothing'}"
        yield f"may call besides: {', '.join(perhaps) or 'nothing'}"
        for place in self.takes_of_run.opaque:
            yield f"may call anything: dynamic region at {place}"
        width = max(map(len, self.calls), default=0)
        yield "times each step is called" if self.calls else "calls no step"
        yield from _listed([f"  {name:<{width}}  {calls}" for name, calls in self.calls.items()])

    def _bounds(self) -> Iterator[str]:
        found = self.takes_of_run
        yield f"calls: {found.calls}"
        yield f"steps at once: {found.width}"
        unit = "s" if self.is_timed else "steps"
        if self.is_timed:
            yield f"seconds: {found.seconds}, all calls together {found.work}"
            yield f"cost: {found.cost}"
            if found.unknown:
                yield f"  without figures, counted as 0: {', '.join(found.unknown)}"
        places = found.critical.places
        more = f" -> ... {len(places) - _LISTED} more" if len(places) > _LISTED else ""
        yield f"critical path: {found.critical.seconds:g} {unit}: {' -> '.join(places[:_LISTED]) or 'no step'}{more}"

    def _rewrites(self) -> Iterator[str]:
        if not self.rewrites:
            yield "rewrites: none applies"
            return
        before, after = self.size
        yield f"rewrites: {len(self.rewrites)}, from {before} to {after} nodes of the tree"
        yield from _listed([f"  {rewrite}" for rewrite in self.rewrites])


def _listed(lines: list[str]) -> list[str]:
    more = len(lines) - _LISTED
    return lines if more <= 0 else [*lines[:_LISTED], f"  ... {more} more"]


def explain(flow: Flow[Any, Any, Any, Any], figures: Estimates | None = None) -> str:
    """Say in words what ``flow`` does; with ``figures`` also how long it takes and what it costs.

    >>> from mce import step
    >>> @step(raises=LookupError)
    ... async def ask(question: str) -> int: ...
    >>> print(explain(ask >> ask.map(str)).splitlines()[1])
    may fail with LookupError
    """
    return str(explanation(flow, figures))


def explanation(flow: Flow[Any, Any, Any, Any], figures: Estimates | None = None) -> Explanation:
    """Give what :func:`explain` says as data."""
    lowered = lower(flow.node)
    graph = lowered.graph
    rewritten = optimise(flow.node)
    top = graph.held_by(None)
    takes = [] if not top or top[0].given is not None else [taken_by(lowered, one) for one in takers(lowered, top[0])]
    gives = given_by(lowered, top[-1]) if top else Any
    calls = [origin for origin in lowered.origins.values() if isinstance(origin, Call) and origin.spec.takes_context]
    cls = state_class(call.fn for call in calls)
    return Explanation(
        takes=" and ".join(dict.fromkeys(shown(found) for found in takes if found is not Any)),
        gives="" if gives is Any else shown(gives),
        fails=tuple(failure_names(expected_failures(lowered)[None])),
        state={} if cls is None else _fields(graph, cls),
        state_class="" if cls is None else cls.__qualname__,
        parts=Counter(node.kind for node in graph.nodes if node.kind != "sequence"),
        calls=count_calls(graph),
        policies=tuple((node.id, policy.text) for node in graph.nodes for policy in node.policies),
        takes_of_run=estimate(graph, figures),
        is_timed=bool(figures),
        rewrites=rewritten.applied,
        size=(len(postorder(flow.node)), len(postorder(rewritten.node))),
    )


def _fields(graph: Graph, cls: type) -> dict[str, str]:
    """Say of every field how writes meet, and who is seen to write it."""
    reducers = shape_of(cls).reducers
    writers: dict[str, list[str]] = {}
    for node in graph.nodes:
        for field in (node.effects.writes if node.effects else None) or ():
            writers.setdefault(field, []).append(node.label)
    found: dict[str, str] = {}
    for name in field_types(cls):
        meets = f"meets by {reducers[name]!r}" if name in reducers else "must not be written at the same time"
        written = ", ".join(dict.fromkeys(writers.get(name, [])))
        found[name] = f"{meets}; written by {written}" if written else meets
    return found
