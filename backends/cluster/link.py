"""How whoever drives tasks, the caller's process or a task on a worker, talks to the cluster.

Dask's client blocks; it is called in threads, so that the event loop of the run, asyncio's or trio's, goes on. What is
asked of the scheduler alone is awaited in the client's own event loop.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future as Answer
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import anyio

from mce.backends.cluster.client import Client, Future, future_of
from mce.backends.cluster.sheet import Key, Sheet
from mce.engine.tasks import Waiter, caller_from_threads, waiter_maker
from mce.errors import ClusterError

__all__ = ["Answer", "Link"]

T = TypeVar("T")

_WATCH = 0.1
"""Seconds between two looks at whether the scheduler is still there."""

_threads = ThreadPoolExecutor(32, "mce-cluster")


class _Mail:
    """The messages for one client, by the name of whom they are for."""

    def __init__(self, client: Client) -> None:
        self.topic = f"mce-{uuid.uuid4().hex[:12]}"
        self.readers: dict[str, Callable[[dict[str, Any]], None]] = {}
        client.subscribe_topic(self.topic, self._read)

    def _read(self, event: Any) -> None:
        message = event[1]
        reader = self.readers.get(message.get("fan") or message.get("run"))
        if reader is not None:
            reader(message)


_mail: WeakKeyDictionary[Client, _Mail] = WeakKeyDictionary()
_opening = threading.Lock()


class Link:
    """A client, with what a run needs of it. To be made in the event loop of the run.

    ``stop(scope, but)`` stops what runs in a scope, except what is ``but`` or in it.
    """

    def __init__(self, client: Client, stop: Callable[[Any, Any], Awaitable[None]]) -> None:
        self.client = client
        self.stop = stop
        self._soon = caller_from_threads()
        self._news = anyio.Event()
        self.held: list[Future] = []

    # -- messages -----------------------------------------------------------------------------------------------------

    async def mail(self) -> _Mail:
        """Give the mail of the client, which is opened at the first time."""
        found = _mail.get(self.client)
        return found if found is not None else await self.call(self._opened)

    def _opened(self) -> _Mail:
        with _opening:
            found = _mail.get(self.client)
            if found is None:
                found = _mail[self.client] = _Mail(self.client)
            return found

    def wake(self) -> None:
        """Wake whoever waits for news; may be called in any thread."""
        with suppress(RuntimeError):  # the event loop of the run is gone, and nobody waits
            self._soon(self._wake)

    def _wake(self) -> None:
        self._news.set()

    async def news(self, seconds: float = _WATCH) -> None:
        """Wait for news, but no longer than ``seconds``; raises :class:`mce.ClusterError` if the scheduler is gone."""
        with anyio.move_on_after(seconds):
            await self._news.wait()
        self._news = anyio.Event()
        self.check()

    def check(self) -> None:
        """Raise :class:`mce.ClusterError` unless the scheduler is there."""
        if self.client.status != "running":
            raise self._gone()

    def _gone(self) -> ClusterError:
        where = getattr(self.client.scheduler, "address", "of the cluster")
        return ClusterError(
            f"the scheduler {where} is gone (the client is {self.client.status}): the run was lost with it. "
            f"Start a scheduler and run the flow again"
        )

    async def answer(self, asked: Answer[T]) -> T:
        """Wait for what was asked for; raises :class:`mce.ClusterError` as soon as the scheduler is gone.

        It is not left before that, not even when the run is cancelled, so that what was submitted is known.
        """
        make_waiter, cancelled = waiter_maker(), None
        with anyio.CancelScope(shield=True):
            while not asked.done():
                waiter = make_waiter()
                asked.add_done_callback(partial(self._ring, waiter))
                try:
                    with anyio.move_on_after(_WATCH):
                        await waiter
                    if not asked.done():
                        self.check()
                except asyncio.CancelledError as native:  # asyncio's own, which no scope holds back
                    cancelled = native
            if asked.cancelled():  # with the client's event loop
                raise self._gone()
            if isinstance(asked.exception(), OSError):  # the client may not have seen yet what that comes of
                await anyio.sleep(_WATCH)
                self.check()
        if cancelled is not None:
            raise cancelled
        return asked.result()

    def _ring(self, waiter: Waiter, _: object) -> None:
        with suppress(RuntimeError):  # the event loop of the run is gone, and nobody waits
            self._soon(lambda: None if waiter.done() else waiter.set_result(None))

    def ask(self, route: str, **message: Any) -> Answer[Any]:
        """Ask the scheduler, and do not wait for the answer."""
        self.check()
        asked = getattr(self.client.scheduler, route)(**message)
        try:
            return asyncio.run_coroutine_threadsafe(asked, self.client.loop.asyncio_loop)
        except RuntimeError:  # the client was closed, and its event loop with it
            asked.close()
            raise self._gone() from None

    async def call(self, fn: Callable[..., T], *args: Any) -> T:
        """Call ``fn``, which blocks, in a thread, and wait for it as for any answer."""
        self.check()
        return await self.answer(_threads.submit(fn, *args))

    # -- tasks --------------------------------------------------------------------------------------------------------

    async def submit(self, sheet: Sheet, keys: Sequence[Key]) -> list[Future]:
        """Submit what is on a sheet and give the futures of ``keys``."""
        graph = sheet.take()
        self.check()
        if graph is None:
            return [future_of(key, self.client) for key in keys]
        return await self.call(self._submit, graph, list(keys))

    def _submit(self, graph: Any, keys: list[Key]) -> list[Future]:
        futures = self.client.get(graph, keys, sync=False)
        self.held.extend(futures)
        return futures

    async def scatter(self, sheet: Sheet, value: Any) -> Key:
        """Send a value to all workers, and give its key."""
        key = sheet.key("input")
        await self.call(self._scatter, key, value)
        return key

    def _scatter(self, key: Key, value: Any) -> None:
        self.held += self.client.scatter({key: value}, broadcast=True, hash=False).values()

    async def done(self, futures: Sequence[Future]) -> None:
        """Wait until all have ended, well or not."""
        for future in futures:
            if not future.done():
                future.add_done_callback(lambda _: self.wake())
        while not all(future.done() for future in futures):
            await self.news()

    async def gather(self, futures: Sequence[Future]) -> list[Any]:
        """Give the results of tasks that have ended."""
        return await self.call(lambda: list(self.client.gather(list(futures))))

    def release(self, futures: Sequence[Future]) -> None:
        """Let the cluster forget results that nothing needs any more."""
        gone = set(map(id, futures))
        self.held = [future for future in self.held if id(future) not in gone]
        for future in futures:
            future.release()

    async def nthreads(self) -> dict[str, int]:
        """Say how many tasks each worker can run at once."""
        return await self.call(self.client.nthreads)
