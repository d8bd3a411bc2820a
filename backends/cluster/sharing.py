"""What all processes of a run share under a name: limits, rates and circuits, kept where the coordinator is.

They are the things that branches of one process share, entered here by what stands for a branch of another. Times are
those of this process. A process is heard of when it enters anything or renews; when it was not for the time of a lease,
what it holds is taken from it, and what it waits for it must ask for again.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from returns.result import Failure, Result, Success

from mce.combinators.breaker import Circuit
from mce.combinators.limits import Places, Window
from mce.combinators.sharing import Visit
from mce.errors import CircuitOpen
from mce.shared import CircuitBreaker, Limit, RateLimit

__all__ = ["Clock", "LoopClock", "Shelf", "Tell", "written"]

Tell: TypeAlias = Callable[[dict[str, Any]], object]
"""Takes the answer to who entered: ``in``, ``open`` with the seconds left, ``known`` with another declaration, or
``lost`` when it was not heard of."""

_KINDS: dict[str, Any] = {
    "limit": (Limit, Places),
    "rate": (RateLimit, Window),
    "circuit": (CircuitBreaker, Circuit),
}


def written(declared: Any) -> str:
    """Write a limit, rate or circuit as it is sent: what numbers it has, the streams of Dask need not know."""
    return json.dumps([getattr(declared, name) for name in declared.__match_args__])


class Clock(Protocol):
    """A time in seconds that never goes back, and how to wait on it."""

    def now(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class LoopClock:
    """The clock of this process."""

    def now(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Entrant:
    """Stands for a branch of another process, which enters a thing with one visit."""

    def __init__(self, thing: Any, clock: Clock, tell: Tell) -> None:
        self.thing = thing
        self.backend: Any = clock
        self.tell = tell
        self.visit = Visit()
        self.ended: Result[Any, Any] | None = None
        self.task: asyncio.Task[None]

    def path(self) -> str:
        return ""

    def ending(self) -> Result[Any, Any] | None:
        return self.ended

    def leave(self) -> None:
        self.task.cancel()
        self.thing.leave(self, self.visit)


class Shelf:
    """The shared things of one run. To be used in an event loop of asyncio."""

    def __init__(self, lease: float, *, clock: Clock | None = None) -> None:
        self.lease = lease
        self.clock = clock or LoopClock()
        self.things: dict[tuple[str, str], Any] = {}
        self.inside: dict[str, dict[int, _Entrant]] = {}
        """Who holds something or waits, by its process and number."""
        self.heard: dict[str, float] = {}
        self._watching: asyncio.Task[None] | None = None

    def enter(self, holder: str, visit: int, what: str, declared: str, tell: Tell) -> None:
        """Have a visit of a process enter what is declared, as ``written``, and tell it when it has."""
        declare, make = _KINDS[what]
        asked = declare(*json.loads(declared))
        thing = self.things.setdefault((what, asked.name), make(asked))
        if thing.declared != asked:
            tell({"known": written(thing.declared)})
            return
        entrant = _Entrant(thing, self.clock, tell)
        self.inside.setdefault(holder, {})[visit] = entrant
        self.renew(holder)
        entrant.task = asyncio.create_task(self._let_in(entrant, holder, visit))
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())

    async def _let_in(self, entrant: _Entrant, holder: str, visit: int) -> None:
        try:
            await entrant.thing.enter(entrant, entrant.visit)
        except CircuitOpen as refused:
            self._forget(holder, visit)
            entrant.tell({"open": refused.until - self.clock.now()})
            return
        if isinstance(entrant.thing, Window):  # nobody leaves a rate
            self._forget(holder, visit)
        entrant.tell({"in": True})

    def leave(self, holder: str, visit: int, succeeded: bool | None) -> None:
        """End a visit, which succeeded, failed, or neither; one that waits gives up; one that is not there is over."""
        entrant = self._forget(holder, visit)
        if entrant is not None:
            if succeeded is not None:
                entrant.ended = Success(None) if succeeded else Failure(None)
            entrant.leave()

    def renew(self, holder: str) -> None:
        """Note that a process was heard of."""
        if holder in self.inside:
            self.heard[holder] = self.clock.now()

    def close(self) -> None:
        """The run is over: forget everything, and end what waits here."""
        if self._watching is not None:
            self._watching.cancel()
        for entrants in self.inside.values():
            for entrant in entrants.values():
                entrant.task.cancel()
        self.inside.clear()
        self.heard.clear()
        self.things.clear()

    def _forget(self, holder: str, visit: int) -> _Entrant | None:
        entrants = self.inside.get(holder, {})
        entrant = entrants.pop(visit, None)
        if not entrants and holder in self.inside:
            del self.inside[holder], self.heard[holder]
        return entrant

    async def _watch(self) -> None:
        """Take from a process what it has, when its lease is over; ends when nobody has anything."""
        while self.heard:
            holder = min(self.heard, key=self.heard.__getitem__)
            left = self.heard[holder] + self.lease - self.clock.now()
            if left > 0:
                await self.clock.sleep(left)
            else:
                self._expire(holder)
        self._watching = None

    def _expire(self, holder: str) -> None:
        del self.heard[holder]
        for entrant in reversed(self.inside.pop(holder).values()):  # who waits first, so that it is given nothing
            entrant.leave()
            entrant.tell({"lost": True})
