"""The events of a run on their way to whoever follows it: kept until they are asked for, in the order they came."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from mce.engine.tasks import Waiter, caller_from_threads, waiter_maker
from mce.events import Event

__all__ = ["Mailbox"]


class Mailbox:
    """Holds the ``events`` that nobody has taken yet. It is made, waited at and closed in the run's event loop."""

    __slots__ = ("_closed", "_make_waiter", "_soon", "_thread", "_waiting", "events")

    def __init__(self) -> None:
        self.events: deque[Event] = deque()
        self._closed = False
        self._waiting: set[Waiter] = set()
        self._make_waiter: Callable[[], Waiter] = waiter_maker()
        self._thread = threading.get_ident()
        self._soon = caller_from_threads()

    def put(self, event: Event) -> None:
        """Keep an event, which may come from any thread, and wake who waits for one."""
        self.events.append(event)
        if self._waiting:
            self._wake()

    def close(self) -> None:
        """Say that no more events come."""
        self._closed = True
        self._wake()

    async def wait(self) -> bool:
        """Wait until there are events; ``False`` when no more come."""
        while not self.events:
            if self._closed:
                return False
            waiter = self._make_waiter()
            self._waiting.add(waiter)
            try:
                if not self.events:  # which another thread may have put there before it could see the waiter
                    await waiter
            finally:
                self._waiting.discard(waiter)
        return True

    def _wake(self) -> None:
        if threading.get_ident() == self._thread:
            self._ring()
        else:
            self._soon(self._ring)

    def _ring(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()
