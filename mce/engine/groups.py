"""Task groups for fan-outs, and the task of a run: anyio's guarantees, with what a task costs there taken out.

On asyncio, anyio makes for every task a handle, a coroutine around it and a closure, and its groups enter and leave two
scopes: several times what a task costs. The group here starts plain tasks and puts them into a cancel scope as anyio
does, so that cancellation reaches them again and again, stops at shields, and arrives with deadlines. Its host stays
outside of that scope, and waits for a future. What this needs of anyio's insides is looked for once: where it is not as
expected, anyio's own group is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import cache, partial
from types import TracebackType
from typing import Any, ClassVar, Protocol, TypeVar
from weakref import WeakKeyDictionary, ref

import anyio

__all__ = ["Group", "is_group", "open_group", "run_apart"]

T = TypeVar("T")
Main = Callable[..., Coroutine[Any, Any, None]]


class Group(Protocol):
    """Starts tasks, all of which have ended when the group is left."""

    async def __aenter__(self) -> Group: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> bool | None: ...

    def launch(self, main: Main, *args: Any, name: str) -> None:
        """Start ``main(*args)`` as a task."""
        ...

    def stop(self) -> None:
        """Cancel all tasks of the group."""
        ...

    def wake(self) -> None:
        """Say that all tasks have ended, or end now without waiting: whoever leaves the group may look at once."""
        ...


def open_group() -> Group:
    """Give a group, to be entered with ``async with``; what its tasks raise comes out in an exception group.

    What is under ``async with`` starts tasks and awaits nothing: not every group cancels it when a task fails.
    """
    loop = asyncio._get_running_loop()
    return _OnTrio() if loop is None else _group_on(loop)


def _group_on(loop: asyncio.AbstractEventLoop) -> Group:
    native = native_group() if loop.get_task_factory() is None else None
    return _Anyio() if native is None else native(loop)


async def run_apart(main: Callable[[], Coroutine[Any, Any, T]], *, name: str) -> T:
    """Give what ``main`` gives in a task of its own, which is awaited whatever happens.

    ``asyncio.Task.cancel``, as of a timeout or Ctrl-C, reaches through anyio's shields in the task that it cancels;
    in the task inside it arrives as the cancellation that shields and threads withstand. On trio, which has only that
    one, no task is started.
    """
    loop = asyncio._get_running_loop()  # asked once: in Python 3.11 every question is a call of the system
    if loop is None:
        return await main()
    group = _group_on(loop)
    given: list[T] = []
    broken: list[BaseException] = []

    async def own() -> None:
        try:
            given.append(await main())
        except asyncio.CancelledError:
            raise
        except BaseException as exc:  # an interrupt that ends a task of asyncio's ends the loop under the others
            broken.append(exc)
        group.wake()

    async with group:
        group.launch(own, name=name)
    if broken:
        raise broken[0]
    if not given:
        raise asyncio.CancelledError("the task of the run was cancelled, by itself or a stranger")
    return given[0]


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

    def wake(self) -> None:
        pass


class _OnTrio:
    """A nursery."""

    def __init__(self) -> None:
        import trio

        self.manager = trio.open_nursery()
        self.nursery: Any = None

    async def __aenter__(self) -> _OnTrio:
        self.nursery = await self.manager.__aenter__()
        self.launch = self.nursery.start_soon  # type: ignore[method-assign]  # one call less for every task
        return self

    async def __aexit__(self, kind: Any, exc: Any, traceback: Any) -> bool | None:
        return await self.manager.__aexit__(kind, exc, traceback)

    def launch(self, main: Main, *args: Any, name: str) -> None:
        self.nursery.start_soon(main, *args, name=name)

    def stop(self) -> None:
        self.nursery.cancel_scope.cancel()

    def wake(self) -> None:
        pass


class _Native:
    """A group of plain tasks of asyncio's in a scope of anyio's.

    The scope is filled in by hand where ``CancelScope.__enter__`` would: its parent is the scope that the host is in,
    and its tasks are those of the group, without the host. So its cancellation is theirs alone, and that of a scope
    around reaches host and tasks alike.
    """

    __slots__ = ("_loop", "_raised", "_scope", "_tasks", "_waiting")
    by_task: ClassVar[dict[Any, Any]]
    make_scope: ClassVar[Any]
    make_state: ClassVar[Any]

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()
        self._raised: list[BaseException] = []
        self._waiting: asyncio.Future[None] | None = None
        self._scope = scope = self.make_scope()
        scope._host_task = host = asyncio.current_task(loop)
        around = self.by_task.get(ref(host))
        if around is not None and around.cancel_scope is not None:
            scope._parent_scope = around.cancel_scope
            scope._parent_scope._child_scopes.add(scope)

    def launch(self, main: Main, *args: Any, name: str) -> None:
        task = self._loop.create_task(main(*args), name=name)
        state = self.make_state()
        state.parent_id = 0
        state.cancel_scope = self._scope
        self.by_task[ref(task)] = state
        self._scope._tasks.add(task)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def stop(self) -> None:
        self._scope.cancel()

    def wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.by_task.pop(ref(task)).cancel_scope._tasks.discard(task)
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is not None:
            if not task.cancelled():
                self._raised.append(task.exception())  # type: ignore[arg-type]
            if not self._scope._effectively_cancelled:
                self._scope.cancel()
        if not self._tasks:
            self.wake()

    async def __aenter__(self) -> _Native:
        return self

    async def __aexit__(self, kind: Any, exc: BaseException | None, traceback: Any) -> bool | None:
        cancelled: BaseException | None = None
        if exc is not None:
            self.stop()
            if not isinstance(exc, asyncio.CancelledError):
                self._raised.append(exc)
        try:
            while self._has_tasks():
                self._waiting = self._loop.create_future()
                await self._waiting
        except asyncio.CancelledError as found:
            self.stop()
            cancelled = await self._wait_shielded() or found
        finally:
            if self._scope._parent_scope is not None:
                self._scope._parent_scope._child_scopes.discard(self._scope)
        if self._raised:
            raise BaseExceptionGroup("unhandled errors in the tasks of a group", self._raised) from None
        if cancelled is not None:
            raise cancelled
        return None

    def _has_tasks(self) -> bool:
        return not all(task.done() for task in self._tasks)

    async def _wait_shielded(self) -> asyncio.CancelledError | None:
        """Wait until all tasks have ended; give the last of the cancellations of asyncio's that came meanwhile."""
        cancelled: asyncio.CancelledError | None = None
        with anyio.CancelScope(shield=True):
            while self._has_tasks():
                self._waiting = self._loop.create_future()
                try:
                    await self._waiting
                except asyncio.CancelledError as found:
                    cancelled = found
        return cancelled


def is_group(found: object) -> bool:
    """Whether ``found`` is a group of ours, whose host waits for tasks that it started."""
    return isinstance(found, _Anyio | _OnTrio | _Native)


@cache
def native_group() -> Callable[[asyncio.AbstractEventLoop], Group] | None:
    """Make the class of groups of plain tasks; ``None`` where the insides of anyio are not as expected."""
    try:
        from anyio._backends._asyncio import CancelScope, TaskState, _task_states

        states: Any = _task_states
        scope: Any = CancelScope()
        expected = [scope._tasks, scope._child_scopes]
        host = scope._host_task, scope._parent_scope
        TaskState(parent_id=None, cancel_scope=scope)
    except (ImportError, AttributeError, TypeError):
        return None
    if type(states) is not WeakKeyDictionary or [*map(type, expected)] != [set, set] or host != (None, None):
        return None

    class Native(_Native):
        __slots__ = ()
        by_task = vars(states)["data"]
        make_scope = CancelScope
        make_state = partial(object.__new__, TaskState)

    return Native
