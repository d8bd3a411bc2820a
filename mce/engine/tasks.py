"""Tasks that belong to no branch: what several branches wait for outlives the one that asked for it.

Whoever starts one keeps it, and waits until it has ended, so that nothing is left running after a run.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol

import anyio

__all__ = ["Waiter", "caller_from_threads", "innermost", "is_trio", "spawn", "waiter_maker"]


def is_trio() -> bool:
    """Whether the event loop that runs here is trio's."""
    return "trio" in sys.modules and asyncio._get_running_loop() is None


def spawn(main: Callable[[], Coroutine[Any, Any, None]]) -> object:
    """Start ``main``, which raises nothing, as a task outside all task groups, and give the task, to be kept."""
    if is_trio():
        import trio

        return trio.lowlevel.spawn_system_task(main, context=contextvars.copy_context())
    return asyncio.get_running_loop().create_task(main())


def caller_from_threads() -> Callable[[Callable[[], object]], object]:
    """Give what calls a function soon in the event loop that runs here, and may itself be called in any thread.

    It raises ``RuntimeError`` when the loop is gone.
    """
    if is_trio():
        import trio

        return trio.lowlevel.current_trio_token().run_sync_soon
    return asyncio.get_running_loop().call_soon_threadsafe


class Waiter(Protocol):
    """What one task awaits until another sets a result, which is nothing but a sign."""

    def done(self) -> bool: ...
    def set_result(self, result: None, /) -> None: ...
    def __await__(self) -> Generator[Any, Any, None]: ...


def waiter_maker() -> Callable[[], Waiter]:
    """Give what makes waiters in the event loop that runs here: a future costs a quarter of an event."""
    if is_trio():
        return _TrioWaiter
    return asyncio.get_running_loop().create_future


class _TrioWaiter:
    def __init__(self) -> None:
        self._event = anyio.Event()

    def done(self) -> bool:
        return self._event.is_set()

    def set_result(self, result: None, /) -> None:
        self._event.set()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._event.wait().__await__()


def innermost(group: BaseExceptionGroup[Any]) -> BaseException:
    """Give the exception that a task group wraps; of several, one that does not come of its being cancelled.

    It may be a group itself, which a step raised.
    """
    cancelled = anyio.get_cancelled_exc_class()
    return next((found for found in group.exceptions if not isinstance(found, cancelled)), group.exceptions[0])
