"""Task groups for wide fan-outs: anyio's, with what starting a task costs there taken out.

On asyncio, anyio makes for every task a handle, a coroutine around it and a closure, which cost several times the task
itself. The group here starts plain tasks and puts them into the cancel scope as anyio does, so that cancellation
reaches them again and again, stops at shields, and arrives with deadlines; entering and leaving are anyio's own. What
it needs of anyio's insides is looked for once: where it is not as expected, anyio's own group is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Any, Protocol
from weakref import WeakKeyDictionary, ref

import anyio

from mce.engine.tasks import is_trio

__all__ = ["Group", "open_group"]

Main = Callable[..., Coroutine[Any, Any, None]]


class Group(Protocol):
    """Starts tasks, all of which have ended when the group is left."""

    def launch(self, main: Main, *args: Any, name: str) -> None:
        """Start ``main(*args)`` as a task."""
        ...

    def stop(self) -> None:
        """Cancel all tasks of the group, and whoever is about to leave it."""
        ...


def open_group() -> AbstractAsyncContextManager[Group]:
    """Give a group, to be entered with ``async with``; what its tasks raise comes out in an exception group."""
    if is_trio():
        return _OnTrio()
    native = native_group() if _plain_tasks() else None
    return _Anyio() if native is None else native()


def _plain_tasks() -> bool:
    return asyncio.get_running_loop().get_task_factory() is None


class _Anyio:
    """A group of anyio's."""

    def __init__(self) -> None:
        self.group = anyio.create_task_group()

    async def __aenter__(self) -> _Anyio:
        await self.group.__aenter__()
        return self

    async def __aexit__(self, kind: Any, exc: Any, traceback: Any) -> bool | None:
        return await self.group.__aexit__(kind, exc, traceback)

    def launch(self, main: Main, *args: Any, name: str) -> None:
        self.group.start_soon(main, *args, name=name)

    def stop(self) -> None:
        self.group.cancel_scope.cancel()


class _OnTrio:
    """A nursery."""

    def __init__(self) -> None:
        import trio

        self.manager = trio.open_nursery()
        self.nursery: Any = None

    async def __aenter__(self) -> _OnTrio:
        self.nursery = await self.manager.__aenter__()
        return self

    async def __aexit__(self, kind: Any, exc: Any, traceback: Any) -> bool | None:
        return await self.manager.__aexit__(kind, exc, traceback)

    def launch(self, main: Main, *args: Any, name: str) -> None:
        self.nursery.start_soon(main, *args, name=name)

    def stop(self) -> None:
        self.nursery.cancel_scope.cancel()


@cache
def native_group() -> Any:
    """Make the class of groups of plain tasks out of anyio's own; ``None`` where its insides are not as expected."""
    try:
        from anyio._backends._asyncio import TaskGroup, TaskState, _task_states

        states: Any = _task_states
        known = TaskGroup()
        scope: Any = known.cancel_scope
        expected = [known._tasks, scope._tasks, known._exceptions]
        TaskState(parent_id=None, cancel_scope=scope)
    except (ImportError, AttributeError, TypeError):
        return None
    if type(states) is not WeakKeyDictionary or [*map(type, expected)] != [set, set, list]:
        return None
    by_task: dict[Any, Any] = vars(states)["data"]

    base: Any = TaskGroup

    class Native(base):  # type: ignore[misc]
        """A group of anyio's in which starting a task is cheap."""

        def launch(self, main: Main, *args: Any, name: str) -> None:
            task = asyncio.get_running_loop().create_task(main(*args), name=name)
            scope = self.cancel_scope
            state: Any = object.__new__(TaskState)
            state.parent_id = 0
            state.cancel_scope = scope
            by_task[ref(task)] = state
            scope._tasks.add(task)
            self._tasks.add(task)
            task.add_done_callback(self._ended)

        def stop(self) -> None:
            self.cancel_scope.cancel()

        def _ended(self, task: asyncio.Task[None]) -> None:
            by_task.pop(ref(task)).cancel_scope._tasks.discard(task)
            self._tasks.discard(task)
            if task.cancelled() or task.exception() is not None:
                if not task.cancelled():
                    self._exceptions.append(task.exception())
                if not self.cancel_scope._effectively_cancelled:
                    self.cancel_scope.cancel()
            waiting = self._on_completed_fut
            if waiting is not None and not self._tasks and not waiting.done():
                waiting.set_result(None)

    return Native
