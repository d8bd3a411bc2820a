"""Who waits for whom when nothing can go on: read off the tasks' coroutines, as far as it can be known."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

import anyio
import anyio.abc

from mce.backends.capacity import WORKER, Capacity, Hold
from mce.backends.whereabouts import awaiting, fiber_among
from mce.combinators.flights import Kept
from mce.combinators.limits import LimitGuard
from mce.engine.groups import is_group
from mce.errors import Deadlock

__all__ = ["deadlock"]


def deadlock(tasks: Iterable[asyncio.Task[Any]]) -> Deadlock:
    """Describe ``tasks``, of which every one waits; those that wait for tasks of their own are named and no more."""
    stacks = {task: list(awaiting(task.get_coro())) for task in sorted(tasks, key=asyncio.Task.get_name)}
    names = tuple([task.get_name() for task in stacks])
    waiting = [task for task, frames in stacks.items() if not _waits_for_its_own(frames)]
    return Deadlock(names, tuple(sorted([_reason(task, stacks[task], stacks) for task in waiting[:_DESCRIBED]])))


_DESCRIBED = 100
_HOLDERS = 5


def _reason(task: asyncio.Task[Any], frames: list[FrameType], stacks: dict[asyncio.Task[Any], list[FrameType]]) -> str:
    what, holders = _awaited(frames, stacks)
    place = _user_line(frames)
    shown = sorted(holders)[:_HOLDERS] + ([f"{len(holders) - _HOLDERS} more"] if len(holders) > _HOLDERS else [])
    held = f", held by {' and '.join(shown)}" if holders else ""
    return f"{_where(task, frames)} waits for {what}{f' ({place})' if place else ''}{held}"


def _where(task: asyncio.Task[Any], frames: list[FrameType]) -> str:
    """Give the path in the flow at which ``task`` stands, else its name."""
    fiber = fiber_among(frames)
    return task.get_name() if fiber is None else fiber.path() or task.get_name()


def _awaited(frames: list[FrameType], stacks: dict[asyncio.Task[Any], list[FrameType]]) -> tuple[str, list[str]]:
    """Say what is waited for, and who has it: a thing of ours if it is one, else the innermost primitive."""
    for frame in frames:
        known, own = frame.f_code, frame.f_locals
        if known is Capacity.take.__code__:
            return _of_capacity(own["self"], own["hold"], stacks)
        if known is LimitGuard.enter.__code__:
            return f"Limit {own['self'].limit.name!r}", [holder.path() for holder in own["places"].holders]
        if known is Kept.ask.__code__:
            return "a cached value", [own["flight"].branch.path()]
    for frame in reversed(frames):
        if isinstance(waited := frame.f_locals.get("self"), _WAITED_FOR):
            return _of_primitive(waited)
    return "what nothing brings", []


def _of_capacity(
    capacity: Capacity, hold: Hold, stacks: dict[asyncio.Task[Any], list[FrameType]]
) -> tuple[str, list[str]]:
    lacking = capacity.lacking(hold)
    what = " and ".join("a worker" if name == WORKER else repr(name) for name in lacking)
    holders = [found for found in capacity.holders if any(name in lacking for name, _ in found.need)]
    return what, [_where(found.task, stacks.get(found.task, [])) if found.task else found.step for found in holders]


_WAITED_FOR = (
    anyio.Lock,
    anyio.Semaphore,
    anyio.CapacityLimiter,
    anyio.Condition,
    anyio.Event,
    asyncio.Lock,
    asyncio.Semaphore,
    asyncio.Condition,
    asyncio.Event,
    asyncio.Queue,
)


def _of_primitive(waited: Any) -> tuple[str, list[str]]:
    kind = next(known.__name__ for known in _WAITED_FOR if isinstance(waited, known))
    article = "an" if kind[0] in "AEIOU" else "a"
    owner = waited.statistics().owner if isinstance(waited, anyio.Lock) else None
    return f"{article} {kind}", [] if owner is None else [str(owner.name)]


_OURS = ("mce.", "anyio.", "asyncio.", "contextlib", "concurrent.")


def _user_line(frames: list[FrameType]) -> str:
    """Name the innermost line of the user's own code among ``frames``."""
    for frame in reversed(frames):
        if not f"{frame.f_globals.get('__name__', '')}.".startswith(_OURS):
            return f"{frame.f_code.co_name}, {Path(frame.f_code.co_filename).name} line {frame.f_lineno}"
    return ""


def _waits_for_its_own(frames: list[FrameType]) -> bool:
    """Whether a task does nothing but wait for tasks that it started, which tell why themselves."""
    waiting = frames[-1].f_locals.get("self") if frames else None
    return isinstance(waiting, anyio.abc.TaskGroup | asyncio.TaskGroup) or is_group(waiting)
