"""A run told in plain lines, one an event: what a pipe or a log file gets on stderr."""

from __future__ import annotations

from contextlib import ExitStack, redirect_stdout
from types import TracebackType
from typing import TextIO, assert_never

from mce.cli.exits import drop
from mce.errors import Defect, brief
from mce.events import Emitted, Event, Progress, StateChanged, StepFailed, StepFinished, StepRetried, StepStarted

__all__ = ["STOPPING", "Lines", "described", "error_text", "fields_text", "shortened"]

STOPPING = "stopping: waiting for finalisers, and for steps in threads"
_VALUE = 100
_EMITTED = 1000


class Lines:
    """Writes every event to ``stream``, with the seconds since ``start``; what steps print goes there too.

    A stream that nobody reads any more is no reason to stop the run: it is written to no further.
    """

    def __init__(self, stream: TextIO, start: float, *, quiet: bool = False) -> None:
        self._stream = stream
        self._start = start
        self._quiet = quiet
        self._redirected = ExitStack()

    def __enter__(self) -> Lines:
        self._redirected.enter_context(redirect_stdout(self._stream))
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._redirected.close()

    def tell(self, event: Event) -> None:
        """Write one line."""
        if self._quiet or (
            isinstance(event, Emitted) and isinstance(event.value, Progress) and _is_between(event.value)
        ):
            return
        kind, text = described(event)
        attempt = f" (attempt {event.attempt})" if event.attempt > 1 else ""
        self._write(f"{event.time - self._start:9.3f} {kind:<8} {event.path}{attempt}{'  ' if text else ''}{text}")

    def stopping(self) -> None:
        """Say that the run was interrupted and what is waited for."""
        self._write(f"          {STOPPING}")

    def _write(self, line: str) -> None:
        if self._quiet:
            return
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._quiet = True
            drop(self._stream)


def _is_between(progress: Progress) -> bool:
    """Whether nothing is lost when this is not told: only every tenth part of the work is worth a line."""
    part = max(1, progress.total // 10)
    return progress.done % part != 0 and progress.done != progress.total


def described(event: Event) -> tuple[str, str]:
    """Give a word for the kind of ``event`` and one line of what happened."""
    match event:
        case StepStarted():
            return "started", "" if event.input is None else brief(event.input, _VALUE)
        case StepFinished():
            return "finished", brief(event.value, _VALUE)
        case StepFailed(cancelled=True):
            return "stopped", ""
        case StepFailed():
            return "failed", error_text(event.error)
        case StepRetried():
            return "retry", f"again in {event.delay:.3g} s, after {error_text(event.error)}"
        case StateChanged():
            return "state", fields_text(event.fields, event.state)
        case Emitted(value=Progress(what, done, total)):
            return "progress", f"{what} {done}/{total}"
        case Emitted():
            return "emitted", brief(event.value, _EMITTED)
        case _:
            assert_never(event)


def error_text(error: object, limit: int | None = _VALUE) -> str:
    """Write an error in one line: an exception as class and message, anything else as its ``repr``.

    Without ``limit`` the message of an exception is given whole, with all its lines.
    """
    if isinstance(error, Defect) and error.cause is not error:
        error = error.cause
    if not isinstance(error, BaseException):
        return brief(error, limit or _EMITTED)
    try:
        message = str(error)
    except Exception as broken:
        message = f"(its message raised {type(broken).__name__})"
    if limit is not None:
        message = shortened(message, limit)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def shortened(text: str, limit: int) -> str:
    """Give ``text`` in one line of at most ``limit`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def fields_text(fields: tuple[str, ...], state: object) -> str:
    """Write the values of the ``fields`` that changed, or the whole ``state`` when it was replaced."""
    if not fields:
        return brief(state, _VALUE)
    return "  ".join(f"{name}={_latest(getattr(state, name, None))}" for name in fields)


def _latest(value: object) -> str:
    """Write a value in short; of a list or tuple that grows, the last."""
    if isinstance(value, list | tuple) and len(value) > 1:
        return f"(… {len(value) - 1} more, {brief(value[-1], _VALUE // 2)})"
    return brief(value, _VALUE // 2)
