"""Values that are computed once while others wait for them, and then kept: what is behind ``cached`` in one run."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import anyio
from returns.result import Result, Success

from mce.combinators.sharing import Visit
from mce.context import Branch
from mce.errors import UsageError, brief

__all__ = ["Hit", "Kept"]


class Hit(Exception):
    """Leaves a cached flow with the ``value`` that is there already; caught around it."""

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self.value = value


class _Flight:
    """A value that is being computed: who does it, in which branch, and who waits."""

    def __init__(self, leader: Visit, branch: Branch) -> None:
        self.leader = leader
        self.branch = branch
        self.waiting: OrderedDict[Visit, tuple[Branch, anyio.Event]] = OrderedDict()
        self.found: Success[Any] | None = None

    def hand_over(self) -> None:
        """Make the one who has waited longest the one who computes."""
        self.leader, (self.branch, turn) = self.waiting.popitem(last=False)
        turn.set()


class Kept:
    """The values of one cached flow in one run, each with the time until which it holds.

    They hold for ``ttl`` seconds, or as long as the run. With ``only_flights`` nothing is kept once it is computed,
    since something else keeps it: only those who wait at that time are given it.
    """

    def __init__(self, ttl: float | None, *, only_flights: bool) -> None:
        self.ttl = ttl
        self.only_flights = only_flights
        self.values: dict[Hashable, tuple[Any, float]] = {}
        self.flights: dict[Hashable, _Flight] = {}

    async def ask(self, branch: Branch, visit: Visit, key: Hashable) -> None:
        """Raise ``Hit`` with the value, waiting for it if need be, or return to the one who is to compute it."""
        if key in self.values:
            value, until = self.values[key]
            if branch.backend.now() < until:
                raise Hit(value)
        flight = self.flights.get(key)
        if flight is None:
            self.flights[key] = _Flight(visit, branch)
            return
        if flight.branch in branch.lineage():
            raise UsageError(f"a cached flow asks itself for the same input, {brief(key, 60)}, and would wait for ever")
        turn = anyio.Event()
        flight.waiting[visit] = (branch, turn)
        await turn.wait()
        if flight.found is not None:
            raise Hit(flight.found.unwrap())

    def end(self, branch: Branch, visit: Visit, key: Hashable, ended: Result[Any, Any] | None) -> None:
        """Keep what the visit has computed and wake all who wait, or else the next one; forget a visit that waited."""
        flight = self.flights.get(key)
        if flight is None:
            return
        if flight.leader is not visit:
            flight.waiting.pop(visit, None)
        elif isinstance(ended, Success):
            flight.found = ended
            del self.flights[key]
            for _, turn in flight.waiting.values():
                turn.set()
            if not self.only_flights:
                until = float("inf") if self.ttl is None else branch.backend.now() + self.ttl
                self.values[key] = (ended.unwrap(), until)
        elif flight.waiting:
            flight.hand_over()
        else:
            del self.flights[key]
