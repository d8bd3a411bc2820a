"""``--trace F.jsonl``: every event of a run as one JSON line, written as it happens, and last the outcome."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from mce.cli.exits import WrongCall
from mce.events import Event
from mce.graph.trace import event_as_data
from mce.jsonable import dumps

__all__ = ["Trace"]


class Trace:
    """A file of events; entered before the run. A line is on its way to the disk before the run goes on.

    Times are seconds since ``start``. A file that cannot be opened is a :class:`WrongCall`; one that cannot be written
    any further stops the trace and not the run, and ``problem`` says what happened.
    """

    def __init__(self, path: Path, start: float) -> None:
        self.problem = ""
        self._path = path
        self._start = start
        self._lock = threading.Lock()
        try:
            self._file = path.open("w", encoding="utf-8", buffering=1)
        except OSError as wrong:
            raise WrongCall(f"--trace {path} cannot be written: {wrong.strerror}") from None

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        try:
            self._file.close()
        except OSError as wrong:
            self._broken(wrong)

    def tell(self, event: Event) -> None:
        """Write one event."""
        self.write(event_as_data(event, self._start))

    def write(self, line: dict[str, Any]) -> None:
        """Write ``line``, data as :func:`mce.graph.trace.event_as_data` gives it."""
        if self.problem:
            return
        try:
            with self._lock:
                self._file.write(dumps(line) + "\n")
        except OSError as wrong:
            self._broken(wrong)

    def _broken(self, wrong: OSError) -> None:
        self.problem = self.problem or f"the trace in {self._path} is incomplete: {wrong.strerror}"
