"""The typed events of a run, as ``flow.stream()`` yields them and ``trace=True`` keeps them.

Every event has the ``path`` of the occurrence in the flow, the ``attempt`` (the first is 1) and the ``time`` in
seconds of the backend's monotonic clock. A stream ends in the :class:`mce.Outcome`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from mce.records import dataclass

__all__ = [
    "Emitted",
    "Event",
    "Listener",
    "Progress",
    "StateChanged",
    "StepFailed",
    "StepFinished",
    "StepRetried",
    "StepStarted",
]


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step was called with ``input``."""

    path: str
    attempt: int
    time: float
    step: str
    input: Any


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step gave ``value``."""

    path: str
    attempt: int
    time: float
    step: str
    value: Any


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A step failed with ``error``; ``cancelled`` if it was stopped and has no error of its own."""

    path: str
    attempt: int
    time: float
    step: str
    error: Any
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class StepRetried:
    """What is at ``path`` failed with ``error`` in ``attempt`` and starts again after ``delay`` seconds."""

    path: str
    attempt: int
    time: float
    delay: float
    error: Any


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The state is now ``state``; ``fields`` are those that were written, empty when it was replaced whole."""

    path: str
    attempt: int
    time: float
    fields: tuple[str, ...]
    state: Any


@dataclass(frozen=True, slots=True)
class Emitted:
    """A step handed ``value`` to the caller with ``ctx.emit``."""

    path: str
    attempt: int
    time: float
    value: Any


@dataclass(frozen=True, slots=True)
class Progress:
    """A value to ``ctx.emit`` for work that takes long: ``done`` of ``total`` steps of ``what``.

    Whoever watches the run may show it as a bar, as ``mce run`` does.
    """

    what: str
    done: int
    total: int


Event: TypeAlias = StepStarted | StepFinished | StepFailed | StepRetried | StateChanged | Emitted
Listener: TypeAlias = Callable[[Event], None]
