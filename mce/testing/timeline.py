"""A run as a timeline: who did what when, and the state after each change."""

from __future__ import annotations

from collections.abc import Iterable

from mce.errors import brief
from mce.events import Emitted, StateChanged, StepFailed, StepFinished, StepRetried, StepStarted
from mce.testing.decisions import Breaks, Decided, Fails, Hangs, Happening
from mce.testing.fuzz_stage import Ran

__all__ = ["lines_of", "timeline"]

_SHOWN = 60


def timeline(ran: Ran) -> str:
    """Write what happened in a run, a line each."""
    lines = lines_of(ran.history)
    if ran.trial.cut is not None:
        lines.append("the run was cancelled")
    elif ran.run is not None:
        lines.append(brief(ran.run, 200))
    return "\n".join(f"  {line}" for line in lines)


def lines_of(history: Iterable[Happening]) -> list[str]:
    """Write a history, a line each; what is long is left out in the middle.

    >>> from mce import step
    >>> from mce.testing import World
    >>> @step
    ... async def search(query: str) -> int: ...
    >>> for line in lines_of(World().run(search, "monads").history):
    ...     print(line)
    t=0  search is called with 'monads'
    t=0  search gives 0
    """
    lines = [f"t={event.time:g}  {text}" for event in history if (text := _told(event))]
    if len(lines) > _SHOWN:
        half = _SHOWN // 2
        lines = [*lines[:half], f"... {len(lines) - _SHOWN} more ...", *lines[-half:]]
    return lines


def _told(event: Happening) -> str:
    match event:
        case StepStarted():
            attempt = f" (attempt {event.attempt})" if event.attempt > 1 else ""
            return f"{event.path} is called with {brief(event.input, 60)}{attempt}"
        case StepFinished():
            return f"{event.path} gives {brief(event.value, 60)}"
        case StepFailed(cancelled=True):
            return f"{event.path} is cancelled"
        case StepFailed():
            return f"{event.path} fails: {brief(event.error, 80)}"
        case StepRetried():
            return f"{event.path} is tried again after {event.delay:g} s"
        case StateChanged():
            return f"{event.path} changes the state: {brief(event.state, 100)}"
        case Emitted():
            return f"{event.path} emits {brief(event.value, 60)}"
        case Decided(decision=Fails() | Breaks() | Hangs()):
            return f"{event.path}: the world decides {brief(event.decision, 80)}"
        case _:
            return ""
