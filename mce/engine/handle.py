"""A run that goes on while its caller does something else: ``flow.start()`` and ``flow.stream()``.

The run has a task of its own, so that its cancel scopes never reach into the caller's, and ends with it: leaving a
stream, cancelling whoever waits for it, or dropping it cancels the run.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any, Generic, Never

import anyio
from anyio.lowlevel import checkpoint_if_cancelled
from typing_extensions import TypeVar

from mce.engine.mailbox import Mailbox
from mce.engine.run import prepare
from mce.engine.tasks import caller_from_threads, spawn
from mce.errors import RunCancelled, UsageError
from mce.events import Event
from mce.flow import Flow
from mce.outcome import Outcome

__all__ = ["Handle", "Stream"]

A = TypeVar("A", covariant=True, default=Any)
E = TypeVar("E", covariant=True, default=Never)
S = TypeVar("S", covariant=True, default=object)


class Handle(Generic[A, E, S]):
    """A run that was started: wait for its ``result``, ``cancel`` it, follow its ``events``."""

    def __init__(self, flow: Flow[Any, Any, Any, Any], input: Any, state: Any, options: dict[str, Any]) -> None:
        self._prepared = prepare(flow, input, state, **options)
        self.run_id = self._prepared.run_id
        self._scope = anyio.CancelScope()
        self._done = anyio.Event()
        self._mail = Mailbox()
        self._outcome: Outcome[A, E, S] | None = None
        self._broken: BaseException | None = None
        self._watched = False
        self._started = False
        self._soon = caller_from_threads()
        self._task = spawn(self._main)

    async def _main(self) -> None:
        self._started = True
        _around.set(self)
        if self._watched:
            self._prepared.listener = self._mail.put
        try:
            with self._scope:
                self._outcome = await self._prepared.backend.run(self._prepared.run)
        except BaseException as broken:  # for whoever asks for the result
            self._broken = broken
            if isinstance(broken, anyio.get_cancelled_exc_class()):
                raise
        finally:
            self._done.set()
            self._mail.close()

    @property
    def done(self) -> bool:
        """Whether the run has ended, in whatever way."""
        return self._done.is_set()

    async def result(self) -> Outcome[A, E, S]:
        """Wait for the outcome; raises :class:`mce.RunCancelled` if the run was cancelled."""
        if _around.get() is self:
            raise UsageError("a step waits for the result of the run that it is part of, which waits for the step")
        await self._done.wait()
        if self._broken is not None:
            raise self._broken
        if self._outcome is None:
            raise RunCancelled(f"run {self.run_id} was cancelled and has no outcome")
        return self._outcome

    async def cancel(self) -> None:
        """Cancel the run and wait until its finalisers have run; nothing happens if it has ended.

        A step may cancel the run that it is part of, and does not wait.
        """
        self._scope.cancel()
        if _around.get() is self:
            await checkpoint_if_cancelled()
            return
        with anyio.CancelScope(shield=True):
            await self._done.wait()

    def events(self) -> AsyncIterator[Event]:
        """Iterate over the events; to be asked for before the first ``await`` that follows ``start()``.

        Of several iterations each event goes to one.
        """
        return self._events(self.watch())

    async def _events(self, mail: Mailbox) -> AsyncIterator[Event]:
        while await mail.wait():
            yield mail.events.popleft()

    def watch(self) -> Mailbox:
        """Have events kept from the start of the run, and give where."""
        if self._started and not self._watched:
            raise UsageError(
                "events() of a run that is under way and was not watched: ask right after start(), or use stream()"
            )
        self._watched = True
        return self._mail

    def abandon(self) -> None:
        """Cancel the run without waiting, when nobody is left to wait."""
        if not self._done.is_set():
            with contextlib.suppress(RuntimeError):  # the event loop is gone, and the run with it
                self._soon(self._scope.cancel)  # it may be the garbage collector that calls, in any thread


_around: ContextVar[Handle[Any, Any, Any] | None] = ContextVar("mce_run", default=None)
"""The handle of the run that the code here is part of."""


class Stream(Generic[A, E, S]):
    """The events of a run as they come, and last its outcome; also an async context manager."""

    def __init__(self, flow: Flow[Any, Any, Any, Any], input: Any, state: Any, options: dict[str, Any]) -> None:
        self._arguments = (flow, input, state, options)
        self._handle: Handle[A, E, S] | None = None
        self._ended = False
        self._here: deque[Event] = deque()  # the run's own, from its start until this is closed

    def __aiter__(self) -> Stream[A, E, S]:
        return self

    async def __anext__(self) -> Event | Outcome[A, E, S]:
        if self._here:
            return self._here.popleft()
        if self._ended:
            raise StopAsyncIteration
        handle = self._handle or self._start()
        mail = handle.watch()
        try:
            if await mail.wait():
                return mail.events.popleft()
            self._ended = True
            return await handle.result()
        except anyio.get_cancelled_exc_class():
            await self.aclose()
            raise

    def _start(self) -> Handle[A, E, S]:
        handle: Handle[A, E, S] = Handle(*self._arguments)
        self._here = handle.watch().events
        self._handle = handle
        return handle

    async def aclose(self) -> None:
        """Cancel the run if it still goes on, and wait until it has ended."""
        self._ended, self._here = True, deque()
        if self._handle is not None:
            await self._handle.cancel()

    async def __aenter__(self) -> Stream[A, E, S]:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        handle = getattr(self, "_handle", None)
        if handle is not None:
            handle.abandon()
