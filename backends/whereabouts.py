"""Where a task of the event loop stands in a flow, read off its coroutines as a debugger would.

A backend is told which step it is to call and not where that stands in the flow; tasks that wait tell nobody what they
wait for. Both are on the stack of the interpreter, and are looked for only when asked for: at the call of a step whose
duration is drawn or which queues by critical path, and at a deadlock.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from mce.engine import calls, loop
from mce.engine.fiber import Fiber

__all__ = ["awaiting", "calling", "fiber_among", "turns"]

_NEAR = 40
"""How many frames above itself a backend's call looks for the interpreter; subclasses put theirs between."""


def calling() -> Fiber | None:
    """Give the branch for which the step is called that is being called here; ``None`` outside of one."""
    frame: FrameType | None = sys._getframe(1)
    for _ in range(_NEAR):
        if frame is None:
            return None
        if frame.f_code is calls._call.__code__:
            fiber: Fiber = frame.f_locals["fiber"]
            return fiber
        frame = frame.f_back
    return None


def turns(fiber: Fiber) -> tuple[int, ...]:
    """List the attempt of every retry around the call that is going on, innermost last: with the path, a call's key."""
    lineage = reversed(list(fiber.lineage()))
    return tuple([frame.attempt for found in lineage for frame in found.frames if frame.attempt])


def awaiting(coroutine: Any) -> Iterator[FrameType]:
    """Give the frames of a coroutine that is suspended, from the outermost to the one that waits."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None:
            yield frame
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)


def fiber_among(frames: list[FrameType]) -> Fiber | None:
    """Give the branch that the innermost interpreter among ``frames`` is running."""
    for frame in reversed(frames):
        if frame.f_code is loop.execute.__code__:
            fiber: Fiber = frame.f_locals["fiber"]
            return fiber
    return None
