"""What a worker puts in the place of limits, rates and circuits: they are entered at the coordinator, in the stream.

Who enters, and who leaves, says so in the stream that the worker has open, and is answered in it: however many wait, no
connection is held for them, and who gives up is never heard of before it came.
"""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Callable, Hashable
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

from returns.result import Success

from mce.backends.cluster.host import Hosted
from mce.backends.cluster.sharing import written
from mce.combinators.sharing import Visit, check_same
from mce.context import Branch
from mce.engine.protocol import Share
from mce.errors import CircuitOpen, ClusterError

__all__ = ["share_at"]

T = TypeVar("T")

_PROCESS = uuid.uuid4().hex[:12]
"""Tells this process from one that had the same address before."""

_RENEWALS = 3
"""How often a lease is renewed in its time."""

_numbers = count()
_MOMENT = 0.01
"""Seconds that a task may wait for its turn without making room for others."""

_waiting: dict[int, Callable[[dict[str, Any]], object]] = {}
"""Who waits for an answer, of all runs of this process."""


class _Turns:
    """What this process holds and waits for of one run, and its renewals as long as there is any."""

    def __init__(self, here: Hosted) -> None:
        self.here = here
        self.lock = threading.Lock()
        self.open: set[int] = set()
        self.renewing = False
        streams: dict[str, Any] = here.worker.stream_handlers
        streams["mce-turn"] = _answered

    def begin(self, what: str, declared: Any) -> tuple[int, asyncio.Future[dict[str, Any]]]:
        """Ask to enter; gives the number of the visit, and its answer to come."""
        loop, number = asyncio.get_running_loop(), next(_numbers)
        answer: asyncio.Future[dict[str, Any]] = loop.create_future()

        def give(reply: dict[str, Any]) -> None:
            with suppress(RuntimeError):  # the event loop is gone, and with it who waited
                loop.call_soon_threadsafe(_give, answer, reply)

        _waiting[number] = give
        with self.lock:
            self.open.add(number)
            first, self.renewing = not self.renewing, True
        self.here.tell("mce-enter", holder=_PROCESS, visit=number, what=what, declared=written(declared))
        if first:
            self.here.worker.loop.add_callback(self._renew_later)
        return number, answer

    def end(self, number: int, succeeded: bool | None) -> None:
        """Leave, or give up waiting."""
        self.over(number)
        self.here.tell("mce-leave", holder=_PROCESS, visit=number, succeeded=succeeded)

    def over(self, number: int) -> None:
        """Forget a visit that the coordinator knows to be over."""
        _waiting.pop(number, None)
        with self.lock:
            self.open.discard(number)

    def _renew_later(self) -> None:
        self.here.worker.loop.call_later(self.here.spec.lease / _RENEWALS, self._renew)

    def _renew(self) -> None:
        with self.lock:
            self.renewing = bool(self.open)
            if not self.renewing:
                return
        self.here.tell("mce-renew", holder=_PROCESS)
        self._renew_later()


def _answered(visit: int, reply: dict[str, Any], **_: Any) -> None:
    """Take an answer, in the event loop of the worker."""
    give = _waiting.pop(visit, None)
    if give is not None:
        give(reply)


def _give(answer: asyncio.Future[dict[str, Any]], reply: dict[str, Any]) -> None:
    if not answer.done():
        answer.set_result(reply)


class _Elsewhere:
    """A limit, a rate or a circuit that is kept at the coordinator."""

    def __init__(self, turns: _Turns, what: str, declared: Any) -> None:
        self.turns = turns
        self.what = what
        self.declared = declared
        self.numbers: dict[Visit, int] = {}

    async def enter(self, branch: Branch, visit: Visit) -> None:
        """Wait until the coordinator lets the visit in; again, at the end of the queue, if our lease had run out."""
        while True:
            reply = await self._asked(visit)
            if "in" in reply:
                if self.what == "rate":
                    self._over(visit)
                return
            self._over(visit)
            if "lost" not in reply:
                self._refused(reply, branch)

    def leave(self, branch: Branch, visit: Visit) -> None:
        """End the visit, if it has entered."""
        number = self.numbers.pop(visit, None)
        if number is not None:
            ending = branch.ending()
            self.turns.end(number, None if ending is None else isinstance(ending, Success))

    async def _asked(self, visit: Visit) -> dict[str, Any]:
        self.numbers[visit], answer = self.turns.begin(self.what, self.declared)
        try:
            await asyncio.wait({answer}, timeout=_MOMENT)
            if not answer.done():  # who holds it may need the threads here to go on
                self.turns.here.make_room()
            return await answer
        except BaseException:
            self.turns.end(self.numbers.pop(visit), None)
            raise

    def _over(self, visit: Visit) -> None:
        self.turns.over(self.numbers.pop(visit))

    def _refused(self, reply: dict[str, Any], branch: Branch) -> None:
        if "over" in reply:
            raise ClusterError(f"run {self.turns.here.run_id} is over")
        if "open" in reply:
            raise CircuitOpen(self.declared.name, branch.backend.now() + reply["open"], branch.path())
        check_same(type(self.declared)(*json.loads(reply["known"])), self.declared)


_turns: WeakValueDictionary[tuple[str, str], _Turns] = WeakValueDictionary()
"""Of each worker and run, as long as a task or a renewal needs them."""

_opening = threading.Lock()


def share_at(here: Hosted) -> Share:
    """Give what puts things kept at the coordinator in the place of limits, rates and circuits."""

    def share(key: Hashable, local: T) -> T:
        if not (isinstance(key, tuple) and key[0] in ("limit", "rate", "circuit")):
            return local
        with _opening:
            turns = _turns.get((here.address, here.run_id))
            if turns is None:
                turns = _turns[here.address, here.run_id] = _Turns(here)
        return cast(T, _Elsewhere(turns, key[0], cast(Any, local).declared))

    return share
