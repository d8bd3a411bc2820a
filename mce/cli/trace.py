"""``--trace F.jsonl``: every event of a run as one JSON line, written as it happens, and last the outcome."""

from __future__ import annotations

import re
import threading
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any

from mce.cli.exits import WrongCall
from mce.cli.jsonable import dumps, error_as_data, jsonable
from mce.events import Event, StepFailed, StepRetried

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
        names = [field.name for field in fields(event)]
        data = {name: jsonable(getattr(event, name)) for name in names if name not in ("time", "error")}
        if isinstance(event, StepFailed | StepRetried):
            data["error"] = error_as_data(event.error)
        self.write({"kind": _kind(event), **data, "time": round(event.time - self._start, 6)})

    def write(self, line: dict[str, Any]) -> None:
        """Write ``line``, data as :func:`jsonable` gives it."""
        if self.problem:
            return
        try:
            with self._lock:
                self._file.write(dumps(line) + "\n")
        except OSError as wrong:
            self._broken(wrong)

    def _broken(self, wrong: OSError) -> None:
        self.problem = self.problem or f"the trace in {self._path} is incomplete: {wrong.strerror}"


def _kind(event: Event) -> str:
    """Give the name of the event's class in small letters: ``step_started``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
