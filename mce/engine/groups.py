"""Task groups for fan-outs, and the task of a run: anyio's guarantees, with what a task costs there taken out.

On asyncio, anyio makes for every task a handle, a coroutine around it and a closure, and for every group two scopes
that its host enters and leaves, which cost several times the task itself. The group here starts plain tasks and puts
them into a cancel scope as anyio does, so that cancellation reaches them again and again, stops at shields, and arrives
with deadlines. Its host stays outside of that scope, and waits for a future. What it needs of anyio's insides is looked
for once: where it is not as expected, anyio's own group is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeVar
from weakref import WeakKeyDictionary, ref

import anyio

from mce.engine.tasks import is_trio

__all__ = ["Group", "open_group", "run_apart"]

T = TypeVar("T")
Main = Callable[..., Coroutine[Any, Any, None]]


class Group(Protocol):
    """Starts tasks, all of which have ended when the group is left."""

    def launch(self, main: Main, *args: Any, name: str) -> None:
        """Start ``main(*args)`` as a task."""
        ...

    def stop(self) -> None:
        """Cancel all tasks of the group."""
        ...


def open_group() -> AbstractAsyncContextManager[Group]:
    """Give a group, to be entered with ``async with``; what its tasks raise comes out in an exception group.

    What is under ``async with`` starts tasks and awaits nothing, since not all groups cancel it with their tasks.
    """
    if is_trio():
        return _OnTrio()
    loop = asyncio.get_running_loop()
    found = insides() if loop.get_task_factory() is None else None
    return _Anyio() if found is None else Native(found, loop)


async def run_apart(main: Callable[[], Coroutine[Any, Any, T]], *, name: str) -> T:
    """Run ``main`` in a task of its own, which has ended when this does, whatever happens; give what it gives.

    ``asyncio.Task.cancel``, as of a timeout or Ctrl-C, reaches through anyio's shields in the task that it cancels;
    to the task inside it comes as the cancellation that shields and threads withstand. On trio there is no such thing,
    and no task.
    """
    if is_trio():
        return await main()
    given: list[T] = []
    broken: list[BaseException] = []

    async def own(group: Group) -> None:
        try:
            given.append(await main())
        except asyncio.CancelledError:
            raise
        except BaseException as exc:  # an interrupt that ends a task of asyncio's ends the loop under the others
            broken.append(exc)
        group.ending()

    async with open_group() as group:
        group.launch(own, group, name=name)
    if broken:
        raise broken.pop()
    return given[0]
