"""Checks of the state: who writes what where branches meet, and caches that cannot know of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

from mce.errors import MceError
from mce.graph.annotations import state_class
from mce.graph.finding import Finding, Severity, Subject
from mce.graph.ir import GraphNode
from mce.graph.writes import NOTHING, Writes, copied_fields, written_by
from mce.reducers import shape_of
from mce.syntax import Call, StateOp

__all__ = ["check_cached_context", "check_parallel_writes"]

_MEETING = ("gather", "dag")
_UNSURE = ("choice", "recover", "race", "each", "guard")
"""Regions of which a part may not run, or not in every run."""

Written = dict[str, tuple[str, bool]]
"""Per field of the state the place of one that writes it, and whether that surely happens."""


def check_parallel_writes(subject: Subject) -> Iterator[Finding]:
    """MCE103: branches that meet write one field, and it has no reducer: they conflict."""
    plain = _PlainFields(subject)
    if not plain.known:
        return
    done: dict[str, Written] = {}
    for node in reversed(subject.nodes):
        held = [(part, done.pop(part.id)) for part in subject.held_by(node)]
        if not node.is_region:
            done[node.id] = _written_at(subject, node, plain)
            continue
        if node.kind in _MEETING and not node.merges:
            yield from _conflicts(subject, node, held)
        if node.kind == "each" and not node.merges and node.elements not in (0, 1):
            yield from _own_conflicts(node, held)
        done[node.id] = {} if node.kind == "focus" else _merged(node, held)  # there they are fields of a part


class _PlainFields:
    """Which fields of the flow's state have no reducer: those of the class that steps declare, if it is one."""

    def __init__(self, subject: Subject) -> None:
        focused = subject.inherited(lambda node, inside: inside or node.kind == "focus", False)
        whole = [call for node, call in subject.calls if call.spec.takes_context and not focused[node.id]]
        cls = state_class(call.fn for call in whole)
        self.reduced: frozenset[str] = frozenset()
        self.known = cls is not None
        try:
            self.reduced = frozenset(shape_of(cls).reducers) if cls is not None else self.reduced
        except (MceError, TypeError, AttributeError):
            self.known = False

    def of(self, writes: Writes) -> Iterator[tuple[str, bool]]:
        return ((field, field in writes.always) for field in sorted(writes.fields - self.reduced))


def _written_at(subject: Subject, node: GraphNode, plain: _PlainFields) -> Written:
    match subject.origin(node):
        case Call(fn, spec) if spec.takes_context:
            writes = written_by(fn)
        case StateOp(f, "modify"):
            writes = copied_fields(getattr(f, "f", f))
        case _:
            writes = NOTHING
    return {field: (node.id, sure) for field, sure in plain.of(writes)}


def _merged(node: GraphNode, held: list[tuple[GraphNode, Written]]) -> Written:
    sure_inside = node.kind not in _UNSURE
    found: Written = {}
    for _, part in sorted(held, key=lambda one: -len(one[1])):
        if not found and sure_inside:
            found = part
            continue
        for field, (place, sure) in part.items():
            if field not in found or (sure and not found[field][1]):
                found[field] = (place, sure and sure_inside)
    return found


def _conflicts(subject: Subject, node: GraphNode, held: list[tuple[GraphNode, Written]]) -> Iterator[Finding]:
    writers: dict[str, list[_Writer]] = defaultdict(list)
    for at, (part, written) in enumerate(held):
        for field, (place, sure) in written.items():
            writers[field].append(_Writer(at, part.id, place, sure))
    all_meet = node.mode != "quorum" or node.count == len(held)
    for field, found in writers.items():
        pair = _meeting(subject, node, found[:_COMPARED]) if len(found) > 1 else None
        if pair is not None:
            one, other = pair
            yield _conflict(node, field, f"{one.place} and {other.place}", one.sure and other.sure and all_meet)


_COMPARED = 50
"""How many writers of one field are compared with each other."""


class _Writer(NamedTuple):
    """One branch that writes a field: its number and id, the place of the writing step, whether it surely does."""

    at: int
    branch: str
    place: str
    sure: bool


def _meeting(subject: Subject, node: GraphNode, writers: list[_Writer]) -> tuple[_Writer, _Writer] | None:
    """Give two writers whose changes meet, if there are: those that are surer first."""
    before = _tasks_before(subject, node, {one.branch for one in writers}) if node.kind == "dag" else {}
    for one, other in sorted(combinations(writers, 2), key=lambda pair: -(pair[0].sure + pair[1].sure)):
        if node.mode == "speculate" and one.at != 0:
            continue  # of the two branches one is dropped
        if node.mode == "quorum" and node.count == 1:
            continue
        if other.branch not in before.get(one.branch, ()) and one.branch not in before.get(other.branch, ()):
            return one, other
    return None


def _tasks_before(subject: Subject, node: GraphNode, wanted: set[str]) -> dict[str, frozenset[str]]:
    """Give for every task of a dag those of the ``wanted`` ones that it waits for, directly or not."""
    found: dict[str, frozenset[str]] = {}
    for task in subject.held_by(node):
        earlier: frozenset[str] = frozenset()
        for edge in subject.lowered.graph.arriving.get(task.id, ()):
            if edge.source in found:
                earlier |= found[edge.source] | ({edge.source} & wanted)
        found[task.id] = earlier
    return found


def _own_conflicts(node: GraphNode, held: list[tuple[GraphNode, Written]]) -> Iterator[Finding]:
    for _, written in held:
        for field, (place, sure) in written.items():
            yield _conflict(node, field, f"every element's {place}", sure and bool(node.elements))


def _conflict(node: GraphNode, field: str, writers: str, sure: bool) -> Finding:
    severity: Severity = "error" if sure else "warning"
    how = "write" if sure else "may write"
    return Finding(
        "MCE103",
        severity,
        node.id,
        f"{writers} {how} the field {field!r} at the same time, and it has no reducer: that is a StateConflict",
        f"declare how writes meet, {field}: Annotated[..., Append()], write it in one branch, or say merge=",
    )


def check_cached_context(subject: Subject) -> Iterator[Finding]:
    """MCE112: what is cached takes a context, of which the cache knows nothing."""

    def around(node: GraphNode, inside: Any) -> bool:
        return inside or (node.kind == "guard" and any(policy.kind == "cache" for policy in node.policies))

    cached = subject.inherited(around, False)
    for node, call in subject.calls:
        if call.spec.takes_context and (call.spec.cache is not None or cached[node.parent]):
            yield Finding(
                "MCE112",
                "warning",
                node.id,
                f"{node.label} is cached by its input and takes a context: another state or other deps give the same",
                "give it what it reads of them as its input, or leave out the cache",
            )
