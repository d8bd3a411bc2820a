"""Workers and resources in simulated time: what a step holds while it is busy, and who waits for it.

Who needs nothing that an earlier one still lacks goes ahead of it; nobody is overtaken in what it lacks. Waiting is in
the order of ranks and then of coming, in a queue for each kind of need, so that a queue of any length costs little.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from heapq import heappop, heappush
from math import inf
from typing import TypeAlias

import anyio

from mce.errors import DefinitionError, brief

__all__ = ["WORKER", "Capacity", "Hold", "Need", "check_capacity"]

WORKER = "worker"
"""What the workers are called among the resources; a step's own resource cannot have this name."""

Need: TypeAlias = tuple[tuple[str, float], ...]
"""Amounts by resource, sorted by name: one kind of need."""


class Hold:
    """What one call of a step holds, or waits for: ``granted`` says which."""

    __slots__ = ("gone", "granted", "need", "step", "task", "turn")

    def __init__(self, step: str, need: Need, turn: asyncio.Future[None], task: asyncio.Task[object] | None) -> None:
        self.step = step
        self.need = need
        self.turn = turn
        self.task = task
        self.granted = False
        self.gone = False


class Capacity:
    """So many workers and so much of each resource in one run; ``None`` and what is not named are without bound.

    With ``at_once`` a free place is given to whoever asks first; else :meth:`grant` is called when all who may ask at
    this time have done so.
    """

    def __init__(self, workers: int | None, resources: Mapping[str, float], *, at_once: bool) -> None:
        self.total = {**resources, WORKER: inf if workers is None else workers}
        self.free = dict(self.total)
        self.at_once = at_once
        self.holders: set[Hold] = set()
        self._queues: dict[Need, list[tuple[float, int, Hold]]] = {}
        self._asked = 0

    def need_of(self, step: str, resources: Mapping[str, float] | None) -> Need:
        """Give what a call of ``step`` needs; raises ``DefinitionError`` if there will never be as much."""
        found = {name: amount for name, amount in (resources or {}).items() if name in self.total}
        for name, amount in found.items():
            if amount > self.total[name]:
                raise DefinitionError(
                    f"step {step!r} needs {amount:g} of {name!r}, and there is {self.total[name]:g}: "
                    f"give the backend more, or the step less"
                )
        return tuple(sorted({**found, WORKER: 1}.items()))

    async def take(self, step: str, need: Need, rank: float) -> Hold:
        """Wait until all of ``need`` is free, before those of a lower ``rank``, and hold it."""
        loop = asyncio.get_running_loop()
        hold = Hold(step, need, loop.create_future(), asyncio.current_task())
        self._asked += 1
        heappush(self._queues.setdefault(need, []), (-rank, self._asked, hold))
        if self.at_once or anyio.current_effective_deadline() == -inf:  # what is cancelled must not wait
            self.grant()
        if not hold.granted:
            try:
                await hold.turn
            except BaseException:
                self.leave(hold)
                raise
        return hold

    def leave(self, hold: Hold) -> None:
        """Give back what is held, or wait no longer."""
        hold.gone = True
        if hold.granted:
            hold.granted = False
            self.holders.discard(hold)
            for name, amount in hold.need:
                self.free[name] += amount
        if self.at_once:
            self.grant()

    def grant(self) -> bool:
        """Let in whoever can be; say whether anybody was."""
        lacking: set[str] = set()
        any_let_in = False
        skipped: set[Need] = set()
        while (need := self._first(skipped)) is not None:
            short = [name for name, amount in need if name in lacking or self.free[name] < amount]
            if short:
                lacking.update(short)
                skipped.add(need)
                if WORKER in short:
                    break  # without one nobody can begin
            else:
                self._let_in(need)
                any_let_in = True
        return any_let_in

    def _first(self, skipped: set[Need]) -> Need | None:
        """Give the need of whoever is first in the queues that are not ``skipped``."""
        found: tuple[tuple[float, int], Need] | None = None
        for need, queue in list(self._queues.items()):
            while queue and queue[0][2].gone:
                heappop(queue)
            if not queue:
                del self._queues[need]
            elif need not in skipped and (found is None or queue[0][:2] < found[0]):
                found = queue[0][:2], need
        return None if found is None else found[1]

    def _let_in(self, need: Need) -> None:
        hold = heappop(self._queues[need])[2]
        for name, amount in need:
            self.free[name] -= amount
        hold.granted = True
        self.holders.add(hold)
        if not hold.turn.done():
            hold.turn.set_result(None)

    def lacking(self, hold: Hold) -> list[str]:
        """List what ``hold`` waits for."""
        return [name for name, amount in hold.need if self.free[name] < amount]


def check_capacity(workers: object, resources: Mapping[str, float]) -> None:
    """Raise ``DefinitionError`` for numbers that cannot be a capacity."""
    if workers is not None and (not isinstance(workers, int) or isinstance(workers, bool) or workers < 1):
        raise DefinitionError(f"SimulatedBackend(workers={brief(workers, 40)}): a whole number of at least 1, or None")
    for name, amount in resources.items():
        if name == WORKER:
            raise DefinitionError(f"resources[{name!r}]: say workers=, which counts them")
        if not isinstance(amount, int | float) or isinstance(amount, bool) or not 0 < amount < inf:
            raise DefinitionError(f"resources[{name!r}] is a number above 0, not {brief(amount, 40)}")
