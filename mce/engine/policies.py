"""Frames of the policies: retry, timeout, bracket."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from returns.result import Failure, Result, Success

from mce.engine.blocks import At, Block, Op, Region
from mce.engine.fiber import Fault, Fiber, Halt
from mce.engine.frames import Frame, Resume
from mce.engine.points import reach
from mce.errors import Defect, StateConflict, TimedOut, brief
from mce.events import StepRetried
from mce.outcome import Place
from mce.schedule import Schedule
from mce.state import Change

__all__ = ["BracketRegion", "RetryRegion", "TimeoutRegion", "noted"]

_log = logging.getLogger("mce.engine")


class RetryRegion(Region):
    """A block that is run again after a failure, with the waits of a schedule."""

    __slots__ = ("block", "on", "schedule")

    def __init__(self, at: At, block: Block, schedule: Schedule, on: tuple[type, ...] | None) -> None:
        super().__init__(at)
        self.block = block
        self.schedule = schedule
        self.on = on

    def enter(self, fiber: Fiber, ops: Iterator[Op], value: Any) -> Resume:
        fiber.frames.append(_Attempts(ops, self, value, fiber))
        return iter(self.block.ops), value


class _Attempts(Frame):
    __slots__ = ("attempt", "change", "delays", "input", "region", "state", "unrepeatable")

    def __init__(self, ops: Iterator[Op], region: RetryRegion, value: Any, fiber: Fiber) -> None:
        super().__init__(ops, region.block)
        self.region = region
        self.input = value
        self.state: Any = fiber.state
        self.change: Change | None = fiber.change
        self.delays: Iterator[float] | None = None
        self.attempt = 1
        self.unrepeatable = ""

    def forbid_repeat(self, path: str) -> None:
        self.unrepeatable = path

    async def fail(self, fiber: Fiber, fault: Fault) -> Resume | None:
        delay = self._delay(fiber, fault)
        if delay is None:
            if self.unrepeatable and self._wanted(fault):
                called = f"{self.unrepeatable}, declared idempotent=False, had been called"
                raise Halt(fault.noted(f"not tried again: {called}"))
            return None
        run = fiber.run
        if run.probe is not None:
            delay = await reach(fiber, "retry.wait", fault.place, self.region.label, delay)
        if run.listener is not None:
            run.listener(StepRetried(fault.place.path, self.attempt, run.backend.now(), delay, fault.error))
        fiber.roll_back(self.state, self.change)
        await run.backend.sleep(delay)
        self.attempt += 1
        fiber.frames.append(self)
        return iter(self.block.ops), self.input

    def _wanted(self, fault: Fault) -> bool:
        if isinstance(fault.error, StateConflict):
            return False
        return self.region.on is None or fault.matches(self.region.on)

    def _delay(self, fiber: Fiber, fault: Fault) -> float | None:
        """Say how long to wait before the next attempt, or ``None`` when there is to be none."""
        if self.unrepeatable or not self._wanted(fault):
            return None
        if self.delays is None:
            seed = f"{fiber.run.run_id}:{fiber.within(self.region.name)}"
            self.delays = self.region.schedule.delays(seed)
        return next(self.delays, None)


class TimeoutRegion(Region):
    """A block that is cancelled when a deadline has passed."""

    __slots__ = ("block", "seconds")

    def __init__(self, at: At, block: Block, seconds: float) -> None:
        super().__init__(at)
        self.block = block
        self.seconds = seconds

    def enter(self, fiber: Fiber, ops: Iterator[Op], value: Any) -> Resume:
        scope = fiber.run.backend.scope(self.seconds)
        scope.__enter__()
        fiber.frames.append(_Deadline(ops, self, scope))
        return iter(self.block.ops), value


class _Deadline(Frame):
    __slots__ = ("region", "scope_of_time")

    def __init__(self, ops: Iterator[Op], region: TimeoutRegion, scope: Any) -> None:
        super().__init__(ops, region.block)
        self.region = region
        self.scope_of_time = scope

    def leave(self, fiber: Fiber, value: Any) -> Resume:
        fiber.frames.pop()
        self.scope_of_time.__exit__(None, None, None)
        return self.ops, value

    async def fail(self, fiber: Fiber, fault: Fault) -> Resume | None:
        self.scope_of_time.__exit__(None, None, None)
        return None

    async def cancel(self, fiber: Fiber, exc: BaseException, place: Place) -> Resume | None:
        if self.scope_of_time.__exit__(type(exc), exc, exc.__traceback__):
            raise Halt(Fault(TimedOut(self.region.seconds, place.path), True, noted(place, exc)))
        return None


class BracketRegion(Region):
    """A resource: ``release`` runs on what ``acquire`` gave, however ``use`` of it ended.

    Acquiring and releasing are shielded from cancellation, so that nothing is lost in between.
    """

    __slots__ = ("acquire", "release", "use")

    def __init__(self, at: At, acquire: Block, use: Block, release: Block) -> None:
        super().__init__(at)
        self.acquire = acquire
        self.use = use
        self.release = release

    def enter(self, fiber: Fiber, ops: Iterator[Op], value: Any) -> Resume:
        fiber.frames.append(_Resource(ops, self, fiber))
        return iter(self.acquire.ops), value


def _shield(fiber: Fiber) -> Any:
    scope = fiber.run.backend.scope(None, shield=True)
    scope.__enter__()
    return scope


class _Resource(Frame):
    """Walks through acquire, use and release; ``pending`` is the fault of ``use`` while its release runs.

    What a release does counts in no budget: it must run even when there is nothing left.
    """

    __slots__ = ("cancelled", "meter", "pending", "region", "resource", "result", "shield")

    def __init__(self, ops: Iterator[Op], region: BracketRegion, fiber: Fiber) -> None:
        super().__init__(ops, region.acquire)
        self.region = region
        self.shield = _shield(fiber)
        self.resource: Any = None
        self.result: Any = None
        self.pending: Fault | None = None
        self.cancelled = False
        self.meter = fiber.meter

    @property
    def releasing(self) -> bool:  # type: ignore[override]
        return self.block is self.region.release

    def ending(self) -> Result[Any, Any] | None:
        if self.cancelled:
            return None
        return Success(self.result) if self.pending is None else Failure(self.pending.error)

    def leave(self, fiber: Fiber, value: Any) -> Resume:
        region = self.region
        if self.block is region.acquire:
            self.shield.__exit__(None, None, None)
            self.resource, self.block = value, region.use
            return iter(region.use.ops), value
        if self.block is region.use:
            self.result = value
            return self._start_release(fiber)
        fiber.frames.pop()
        self._end_release(fiber)
        if self.pending is not None:
            raise Halt(self.pending)
        return self.ops, self.result

    def _start_release(self, fiber: Fiber) -> Resume:
        self.shield, self.block, fiber.meter = _shield(fiber), self.region.release, None
        return iter(self.block.ops), self.resource

    def _end_release(self, fiber: Fiber) -> None:
        self.shield.__exit__(None, None, None)
        fiber.meter = self.meter

    async def fail(self, fiber: Fiber, fault: Fault) -> Resume | None:
        if self.block is self.region.use:
            self.pending = fault
            fiber.frames.append(self)
            return self._start_release(fiber)
        self._end_release(fiber)
        if self.pending is not None:  # the first error stays the error
            raise Halt(self.pending.noted(_failed_too(fault)))
        return None

    async def cancel(self, fiber: Fiber, exc: BaseException, place: Place) -> Resume | None:
        if self.block is not self.region.use:  # shielded: only a deadline or an interrupt of its own gets here
            self.shield.__exit__(type(exc), exc, exc.__traceback__)
            fiber.meter = self.meter
            return None
        if isinstance(exc, GeneratorExit):
            _log.error("%s: the run was closed without being cancelled; its resource was not released", place.path)
            return None
        self.block, self.cancelled, fiber.meter = self.region.release, True, None
        fiber.frames.append(self)
        try:
            with fiber.run.backend.scope(None, shield=True):
                await fiber.run.execute(fiber, self.block, self.resource)
        except Halt as halt:
            _log.error("%s: %s", place.path, _failed_too(halt.fault))
            exc.add_note(_failed_too(halt.fault))
        finally:
            fiber.frames.pop()
            fiber.meter = self.meter
        return None


def _failed_too(fault: Fault) -> str:
    error = fault.error.cause if isinstance(fault.error, Defect) else fault.error
    return f"its release failed too: {brief(error)} at {fault.place.path}"


def noted(place: Place, exc: BaseException) -> Place:
    """Give ``place`` with the notes that finalisers left on the exception that cancels."""
    notes = getattr(exc, "__notes__", ())
    return replace(place, notes=(*place.notes, *notes)) if notes else place
