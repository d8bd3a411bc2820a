"""What a live view knows of a run while it goes on: who runs, who ended last, how many. Bounded, whatever happens."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import Literal, assert_never

from mce.cli.lines import error_text, fields_text
from mce.events import Emitted, Event, Progress, StateChanged, StepFailed, StepFinished, StepRetried, StepStarted

__all__ = ["Row", "Snapshot", "Status", "Tally"]

Status = Literal["running", "done", "failed", "retry", "stopped"]
_REMEMBERED = 8


@dataclass(frozen=True, slots=True)
class Row:
    """A step that runs or has ended: ``since`` is when it started, ``seconds`` how long it took."""

    path: str
    attempt: int
    status: Status
    since: float
    seconds: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tally at one moment; ``running`` holds the oldest of all that run, ``ended`` the last, newest last.

    ``progress`` is what running steps have told of work that takes long.
    """

    running: list[Row]
    ended: list[Row]
    progress: list[Progress]
    counts: dict[Status, int]
    state: str


@dataclass(slots=True)
class Tally:
    """Counts events; safe to use from several threads, since a step in a thread tells its own."""

    _running: dict[tuple[str, int], Row] = field(default_factory=dict[tuple[str, int], Row])
    _ended: deque[Row] = field(default_factory=lambda: deque[Row](maxlen=_REMEMBERED))
    _progress: dict[str, Progress] = field(default_factory=dict[str, Progress])
    _counts: Counter[Status] = field(default_factory=Counter[Status])
    _changed: StateChanged | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, event: Event) -> None:
        """Take in one event, in constant time."""
        with self._lock:
            match event:
                case StepStarted():
                    row = Row(event.path, event.attempt, "running", event.time)
                    self._running[event.path, event.attempt] = row
                case StepFinished():
                    self._end(event, "done")
                case StepFailed():
                    self._end(event, "stopped" if event.cancelled else "failed", event.error)
                case StepRetried():
                    self._retried(event)
                case StateChanged():
                    self._changed = event
                case Emitted(value=Progress() as progress):
                    self._progress[event.path] = progress
                case Emitted():
                    pass
                case _:
                    assert_never(event)

    def _end(self, event: StepFinished | StepFailed, status: Status, error: object = None) -> None:
        begun = self._running.pop((event.path, event.attempt), None)
        self._progress.pop(event.path, None)
        since = event.time if begun is None else begun.since
        note = error_text(error) if status == "failed" else ""
        self._ended.append(Row(event.path, event.attempt, status, since, event.time - since, note))
        self._counts[status] += 1

    def _retried(self, event: StepRetried) -> None:
        """Turn the failure that is about to be tried again, if it is the last row, into a retry."""
        self._counts["retry"] += 1
        note = f"again in {event.delay:.3g} s: {error_text(event.error)}"
        last = self._ended[-1] if self._ended else None
        if last is not None and (last.path, last.attempt, last.status) == (event.path, event.attempt, "failed"):
            self._counts["failed"] -= 1
            self._ended[-1] = replace(last, status="retry", note=note)
        else:
            self._ended.append(Row(event.path, event.attempt, "retry", event.time, 0.0, note))

    def snapshot(self, room: int) -> Snapshot:
        """Give what there is to show, of the running steps the first ``room``."""
        with self._lock:
            rows = self._running.values()
            running = [row for row, _ in zip(rows, range(room), strict=False)]
            counts: dict[Status, int] = {**self._counts, "running": len(rows)}
            progress = [told for told, _ in zip(self._progress.values(), range(room), strict=False)]
            changed = self._changed
            ended = list(self._ended)
        state = "" if changed is None else fields_text(changed.fields, changed.state)
        return Snapshot(running, ended, progress, counts, state)
