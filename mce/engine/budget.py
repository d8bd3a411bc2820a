"""Budgets: a region in which calls, costs and time are counted, and which ends when one of them is used up.

Running out unwinds like a deadline: nothing inside can recover from it or try again, finalisers run, and the region
fails. Calls are counted in the careful way of calling steps, so that nobody pays for budgets who has none.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from mce.engine.blocks import At, Block, Op, Region
from mce.engine.fiber import Fault, Fiber, Halt
from mce.engine.frames import Frame, Resume
from mce.engine.policies import noted
from mce.errors import BudgetExceeded
from mce.outcome import Place
from mce.syntax import Budget

__all__ = ["BudgetRegion", "Meter"]


class UsedUp(BaseException):
    """Unwinds from ``place`` to the budget of ``meter``, of which ``what`` is used up; never seen outside."""

    def __init__(self, meter: Meter, what: str, allowed: float, place: Place) -> None:
        super().__init__(what, allowed)
        self.meter, self.what, self.allowed, self.place = meter, what, allowed, place


class Meter:
    """What is used so far of a budget, by all branches in it; ``outer`` is that of the budget around."""

    __slots__ = ("allowed", "lock", "outer", "used")

    def __init__(self, budget: Budget, outer: Meter | None) -> None:
        self.allowed = {"steps": budget.steps, "cost": budget.cost}
        self.used = {"steps": 0.0, "cost": 0.0}
        self.outer = outer
        self.lock: Any = threading.Lock() if outer is None else outer.lock  # steps in threads spend at the same time

    def begin_step(self, fiber: Fiber) -> None:
        """Count the call that is about to be made; raises ``UsedUp`` if it is not allowed."""
        self._use(fiber, "steps", 1)

    def spend(self, fiber: Fiber, cost: float) -> None:
        """Count ``cost``; raises ``UsedUp`` if it is not allowed."""
        self._use(fiber, "cost", cost)

    def _use(self, fiber: Fiber, what: str, amount: float) -> None:
        with self.lock:
            meters = list(self._with_outer())
            for meter in meters:
                allowed = meter.allowed[what]
                if allowed is not None and meter.used[what] + amount > allowed:
                    raise UsedUp(meter, what, allowed, fiber.place())
            for meter in meters:
                meter.used[what] += amount

    def _with_outer(self) -> Iterator[Meter]:
        meter: Meter | None = self
        while meter is not None:
            yield meter
            meter = meter.outer


class BudgetRegion(Region):
    """A block with a deadline and a meter."""

    __slots__ = ("block", "budget", "seconds")

    def __init__(self, at: At, block: Block, seconds: float, budget: Budget) -> None:
        super().__init__(at)
        self.block = block
        self.seconds = seconds
        self.budget = budget

    def enter(self, fiber: Fiber, ops: Iterator[Op], value: Any) -> Resume:
        fiber.frames.append(_Metered(ops, self, fiber))
        return iter(self.block.ops), value


class _Metered(Frame):
    __slots__ = ("careful", "deadline", "meter", "outer", "region")

    def __init__(self, ops: Iterator[Op], region: BudgetRegion, fiber: Fiber) -> None:
        super().__init__(ops, region.block)
        self.region = region
        self.outer, self.careful = fiber.meter, fiber.careful
        self.deadline = fiber.run.backend.scope(region.seconds)
        self.deadline.__enter__()
        fiber.meter = self.meter = Meter(region.budget, fiber.meter)
        fiber.careful = True

    def _back(self, fiber: Fiber) -> None:
        fiber.meter, fiber.careful = self.outer, self.careful

    def leave(self, fiber: Fiber, value: Any) -> Resume:
        fiber.frames.pop()
        self._back(fiber)
        self.deadline.__exit__(None, None, None)
        return self.ops, value

    async def fail(self, fiber: Fiber, fault: Fault) -> Resume | None:
        self._back(fiber)
        self.deadline.__exit__(None, None, None)
        return None

    async def cancel(self, fiber: Fiber, exc: BaseException, place: Place) -> Resume | None:
        self._back(fiber)
        late = self.deadline.__exit__(type(exc), exc, exc.__traceback__)
        if isinstance(exc, UsedUp) and exc.meter is self.meter:
            error, place = BudgetExceeded(exc.what, exc.allowed, exc.place.path), exc.place
        elif late:
            error = BudgetExceeded("seconds", self.region.seconds, place.path)
        else:
            return None
        raise Halt(Fault(error, True, noted(place, exc))) from None
