"""What a run did, step by step, from its events: those that it kept, or the lines that ``mce run --trace`` wrote.

A :class:`Recorder` takes in one event after the other, so a report of a run that ended and a view of one that goes on
are made by the same code. What waited for what is in :mod:`mce.graph.history`; values are JSON data, secrets masked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from threading import Lock
from typing import Any, Literal, TypeAlias

from mce.errors import DefinitionError
from mce.events import Event, StepFailed, StepRetried
from mce.graph.history import History
from mce.graph.ir import Graph
from mce.jsonable import error_as_data, jsonable
from mce.outcome import Outcome

__all__ = [
    "Change",
    "InvalidTrace",
    "Occurrence",
    "Recorder",
    "RunRecord",
    "Status",
    "event_as_data",
    "read_trace",
    "record",
]

Status: TypeAlias = Literal["running", "succeeded", "failed", "cancelled"]


class InvalidTrace(DefinitionError):
    """A trace is not what ``mce run --trace`` writes; the message names the line."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a field of the state: the value ``after`` it, and ``before`` if that is ``known``.

    Of a list that only grew, ``after`` holds the new elements alone, and ``grew`` is how many there were before.
    """

    name: str
    after: Any
    before: Any = None
    known: bool = False
    grew: int | None = None


@dataclass(slots=True)
class Occurrence:
    """One attempt of one step; times are in seconds since the run began. It is filled in as events come.

    ``waited_for`` is the number of the occurrence whose end let this one start, ``delay`` the seconds that a retry then
    waited. ``worker`` is where it ran, if the trace says so.
    """

    number: int
    path: str
    attempt: int
    step: str
    started: float
    input: Any
    status: Status = "running"
    ended: float | None = None
    value: Any = None
    error: dict[str, Any] | None = None
    changes: list[Change] = field(default_factory=list)
    emitted: list[Any] = field(default_factory=list)
    waited_for: int | None = None
    delay: float = 0.0
    worker: str | None = None

    def seconds(self, now: float) -> float:
        """Give how long it took, or has taken at ``now``."""
        return (now if self.ended is None else self.ended) - self.started


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run: its occurrences in the order in which they started, and how it ended.

    ``outcome`` is what ``mce run --json`` prints, ``None`` while the run goes on or when the trace was broken off.
    ``merges`` are the changes of the state where branches met, with path and time. ``critical`` are the numbers of
    those who waited for each other up to the last one, or the one that failed the run, in order.
    """

    occurrences: tuple[Occurrence, ...]
    merges: tuple[tuple[str, float, tuple[Change, ...]], ...]
    outcome: dict[str, Any] | None
    seconds: float

    @property
    def failed_at(self) -> int | None:
        """The number of the occurrence that failed the run, if a step did."""
        where = (self.outcome or {}).get("where") or {}
        found = [
            one.number
            for one in self.occurrences
            if one.path == where.get("path") and one.attempt == where.get("attempt") and one.status == "failed"
        ]
        return found[-1] if found else None

    @property
    def critical(self) -> tuple[int, ...]:
        """The chain of who waited for whom that ends in the failing, or in the last finished, occurrence."""
        last = self.failed_at
        if last is None:
            ended = [one for one in self.occurrences if one.ended is not None and one.status != "cancelled"]
            last = max(ended, key=lambda one: (one.ended, one.number)).number if ended else None
        chain: list[int] = []
        while last is not None:
            chain.append(last)
            last = self.occurrences[last].waited_for
        return tuple(reversed(chain))


class Recorder:
    """Puts a run together from its events; with its ``graph`` it knows which tasks of a dag wait for which.

    ``version`` counts the events; ``changed_at`` has the version at which each occurrence changed last. Events may come
    from several threads. Whoever reads the version, and then what changed, sees all that belongs to that version, and
    perhaps a part of the next.
    """

    def __init__(self, graph: Graph | None = None, *, start: float | None = None) -> None:
        self.occurrences: list[Occurrence] = []
        self.changed_at: list[int] = []
        self.merges: list[tuple[str, float, tuple[Change, ...]]] = []
        self.outcome: dict[str, Any] | None = None
        self.seconds = 0.0
        self.version = 0
        self._start = start
        self._lock = Lock()
        self._open: dict[tuple[str, int], int] = {}
        self._ended: dict[str, int] = {}
        self._delays: dict[int, float] = {}
        self._ends: History[int] = History(graph)
        self._states: History[Any] = History(graph, only=True)
        self._last: int | None = None

    def tell(self, event: Event) -> None:
        """Take in an event; its values are made JSON data now, so that it does not matter if they change later."""
        if self._start is None:
            self._start = event.time
        self.tell_data(event_as_data(event, self._start))

    def tell_data(self, line: Mapping[str, Any]) -> None:
        """Take in a line of a trace; raises ``KeyError`` for a field that lacks, ``ValueError`` for what cannot be."""
        with self._lock:
            self._take(line)
            self.version += 1

    def _take(self, line: Mapping[str, Any]) -> None:
        kind = line["kind"]
        if kind == "outcome":
            if not isinstance(line.get("where"), dict | None):
                raise ValueError("where the outcome was is an object")
            self.outcome = {key: value for key, value in line.items() if key != "kind"}
            return
        path, attempt, time = line["path"], line["attempt"], line["time"]
        if not (isinstance(path, str) and isinstance(attempt, int) and isinstance(time, int | float)):
            raise ValueError("a path is a text, an attempt and a time are numbers")
        self.seconds = max(self.seconds, time)
        match kind:
            case "step_started":
                self._begin(path, attempt, time, line)
            case "step_finished":
                self._end(path, attempt, time, status="succeeded", value=line["value"])
            case "step_failed":
                status: Status = "cancelled" if line["cancelled"] else "failed"
                self._end(path, attempt, time, status=status, error=line["error"])
            case "step_retried":
                # What starts next is what was tried again, which may begin with another step.
                if path in self._ended:
                    self._delays[self._ended[path]] = float(line["delay"])
            case "state_changed":
                self._change(path, attempt, time, line)
            case "emitted":
                if (number := self._open.get((path, attempt))) is not None:
                    self.occurrences[number].emitted.append(line["value"])
                    self._touch(number)
            case _:
                raise ValueError(f"unknown kind {kind!r}")

    def record(self) -> RunRecord:
        """Give what is known so far."""
        return RunRecord(tuple(self.occurrences), tuple(self.merges), self.outcome, self.seconds)

    def _begin(self, path: str, attempt: int, time: float, line: Mapping[str, Any]) -> None:
        number = len(self.occurrences)
        # With nothing under way, whoever ended last made this one start: so it is on a backend that runs one at a time.
        waited_for = self._ends.before(path) if self._open else self._last
        found = Occurrence(number, path, attempt, line["step"], time, line["input"], waited_for=waited_for)
        found.delay = 0.0 if waited_for is None else self._delays.pop(waited_for, 0.0)
        found.worker = line.get("worker")
        self.occurrences.append(found)
        self.changed_at.append(self.version + 1)
        self._open[path, attempt] = number

    def _end(self, path: str, attempt: int, time: float, **found: Any) -> None:
        number = self._open.pop((path, attempt), None)
        if number is None:
            raise ValueError(f"{path!r}, attempt {attempt}, ended but had not started")
        one = self.occurrences[number]
        one.ended = time
        for name, value in found.items():
            setattr(one, name, value)
        self._touch(number)
        self._ends.add(path, number)
        self._ended[path] = self._last = number

    def _touch(self, number: int) -> None:
        self.changed_at[number] = self.version + 1

    def _change(self, path: str, attempt: int, time: float, line: Mapping[str, Any]) -> None:
        number = self._open.get((path, attempt))
        before = self._states.before(path, as_region=number is None)
        changes = compare(before, line["state"], line["fields"])
        self._states.add(path, line["state"])
        if number is None:
            self.merges.append((path, time, tuple(changes)))
        else:
            self.occurrences[number].changes += changes
            self._touch(number)


_NONE: Any = object()


def compare(before: Any, after: Any, names: Iterable[str]) -> list[Change]:
    """Give what changed between two states as JSON data; of ``names`` if there are any, else whatever differs."""
    if not isinstance(after, dict):
        return [Change("state", after, before, known=before is not None)]
    old = before if isinstance(before, dict) else {}
    named = list(names) or [name for name in after if old.get(name, _NONE) != after[name]]
    return [_changed(name, old.get(name, _NONE), after.get(name)) for name in named]


def _changed(name: str, before: Any, after: Any) -> Change:
    if before is _NONE:
        return Change(name, after)
    if isinstance(before, list) and isinstance(after, list) and before and after[: len(before)] == before:
        return Change(name, after[len(before) :], grew=len(before), known=True)
    return Change(name, after, before, known=True)


def event_as_data(event: Event, start: float) -> dict[str, Any]:
    """Give an event as JSON data, as a line of a trace has it; its time is in seconds since ``start``."""
    names = [found.name for found in fields(event)]
    data = {name: jsonable(getattr(event, name)) for name in names if name not in ("time", "error")}
    if isinstance(event, StepFailed | StepRetried):
        data["error"] = error_as_data(event.error)
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
    return {"kind": kind, **data, "time": round(event.time - start, 6)}


def record(outcome: Outcome[Any, Any, Any], *, graph: Graph | None = None) -> RunRecord:
    """Give the record of a run made with ``trace=True``; times count from its first event.

    >>> from mce import lift, step
    >>> @step
    ... async def double(n: int) -> int:
    ...     return 2 * n
    >>> flow = double >> double
    >>> [(one.path, one.status, one.value) for one in record(flow.run_sync(1, trace=True)).occurrences]
    [('double', 'succeeded', 2), ('double:2', 'succeeded', 4)]
    """
    recorder = Recorder(graph)
    for event in outcome.trace:
        recorder.tell(event)
    recorder.tell_data({"kind": "outcome", **outcome_as_data(outcome)})
    return recorder.record()


def outcome_as_data(outcome: Outcome[Any, Any, Any]) -> dict[str, Any]:
    """Give what a record keeps of an outcome: whether it is a success, the value, or the error and where it was."""
    state = jsonable(outcome.state)
    if outcome.ok:
        return {"ok": True, "value": jsonable(outcome.value), "state": state}
    place = outcome.where
    where = None if place is None else {"path": place.path, "attempt": place.attempt, "notes": list(place.notes)}
    return {"ok": False, "error": error_as_data(outcome.error), "where": where, "state": state}


def read_trace(lines: Iterable[str], *, graph: Graph | None = None) -> RunRecord:
    """Read the lines of a trace, also of one that was broken off.

    Raises :class:`InvalidTrace` that names the first bad line by its number. A last line without an end, as
    a process that was killed leaves it, is passed over.

    >>> read_trace(['{"kind": "step_begun"}'])
    Traceback (most recent call last):
        ...
    mce.graph.trace.InvalidTrace: line 1: no 'path'
    """
    recorder = Recorder(graph)
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            line = json.loads(text.strip())
            if not isinstance(line, dict):
                raise ValueError("not an object")
            recorder.tell_data(line)
        except KeyError as missing:
            raise InvalidTrace(f"line {number}: no {missing.args[0]!r}") from None
        except json.JSONDecodeError as wrong:
            if not text.endswith("\n") and number > 1:
                break
            raise InvalidTrace(f"line {number}: not JSON: {wrong.msg} at column {wrong.colno}") from None
        except (ValueError, TypeError, AttributeError) as wrong:
            raise InvalidTrace(f"line {number}: {wrong}") from None
    return recorder.record()
