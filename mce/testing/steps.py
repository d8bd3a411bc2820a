"""The steps of random flows. While ``recording()`` is on, each notes its calls.

A step takes any value and gives it on, or a small number that depends on it; what it writes to the state is the weight
of the value. Those with a parameter are functions that give the step.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias

from returns.result import Failure, Result, Success

from mce.combinators.applicative import lift
from mce.combinators.dag import Dag
from mce.combinators.monad import do
from mce.context import Context
from mce.errors import Failed, StateConflict
from mce.flow import Flow
from mce.schedule import recurs
from mce.step import step
from mce.testing.vocabulary import AtLeast, Mishap, Overdrawn, Refused, weight, written

__all__ = [
    "Called",
    "adds",
    "appends",
    "block",
    "breaks",
    "charges",
    "delegates",
    "doubles",
    "flaky",
    "generator",
    "graph",
    "guarded",
    "halves",
    "notes",
    "only",
    "overdraws",
    "persists",
    "reads",
    "recording",
    "refuses",
    "sums",
    "tallies",
    "waits",
]

Word: TypeAlias = Flow[Any, Any, Any, Any]
Called: TypeAlias = tuple[str, Any]
"""The name of a step, and what it was called with."""

_calls: ContextVar[list[Called] | None] = ContextVar("calls", default=None)


@contextmanager
def recording() -> Generator[list[Called], None, None]:
    """Collect every call that these steps get in this context, in order."""
    calls: list[Called] = []
    token = _calls.set(calls)
    try:
        yield calls
    finally:
        _calls.reset(token)


def _noted(name: str, value: Any) -> int:
    calls = _calls.get()
    if calls is not None:
        calls.append((name, value))
    return weight(value)


# -- that give a number ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Adds:
    n: int

    async def __call__(self, value: Any) -> int:
        return (_noted("adds", value) + self.n) % 10


def adds(n: int) -> Word:
    """Add to the weight: async, without a context."""
    return step(name="adds")(_Adds(n))


@step
def halves(value: Any) -> int:
    """Halve the weight: plain, for a thread."""
    return _noted("halves", value) // 2


@step(pure=True)
def doubles(value: Any) -> int:
    """Double the weight: plain and declared pure."""
    return _noted("doubles", value) * 2


@step(run_in="inline")
def sums(first: int, *, second: int = 0) -> int:
    """Add two numbers: called with arguments of both kinds."""
    _noted("sums", (first, second))
    return first + second


@dataclass(frozen=True)
class _Reads:
    field: str

    async def __call__(self, ctx: Context[Any], value: Any) -> int:
        part = getattr(ctx.state, self.field) if self.field else ctx.state
        return (_noted("reads", value) + weight(part)) % 10


def reads(field: str) -> Word:
    """Add to the weight that of a field of the state, or without a field that of the state itself."""
    return step(name="reads")(_Reads(field))


# -- that give the value on --------------------------------------------------------------------------------------------


@step
async def waits(ctx: Context[Any], value: Any) -> Any:
    """Let others run, and emit the value."""
    _noted("waits", value)
    await ctx.sleep(0)
    ctx.emit(value)
    return value


@step(idempotent=False)
async def charges(value: Any) -> Any:
    """Forbid a retry to call it again."""
    _noted("charges", value)
    return value


@dataclass(frozen=True)
class _Notes:
    field: str

    async def __call__(self, ctx: Context[Any], value: Any) -> Any:
        n = _noted("notes", value)
        ctx.update(**{self.field: written(self.field, getattr(ctx.state, self.field, None), n)})
        return value


def notes(field: str) -> Word:
    """Write to a field of the state."""
    return step(name="notes")(_Notes(field))


@step
async def tallies(ctx: Context[Any], value: Any) -> Any:
    """Add to a state that is a number."""
    ctx.put(ctx.state + _noted("tallies", value))
    return value


@step
async def appends(ctx: Context[Any], value: Any) -> Any:
    """Append to a state that is a tuple."""
    ctx.put((*ctx.state, _noted("appends", value)))
    return value


# -- that fail ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Refuses:
    refused: Callable[[int], bool]

    async def __call__(self, value: Any) -> Result[Any, Refused]:
        n = _noted("refuses", value)
        return Failure(Refused(n)) if self.refused(n) else Success(value)


def refuses(at_least: int) -> Word:
    """Fail with ``Refused`` from a weight on."""
    return step(name="refuses")(_Refuses(AtLeast(at_least)))


def only(n: int) -> Word:
    """Fail with ``Refused`` for this one weight."""
    return step(name="only")(_Refuses(n.__eq__))


@dataclass(frozen=True)
class _Raises:
    error: type[Exception]
    at_least: int

    async def __call__(self, ctx: Context[Any], value: Any) -> Any:
        n = _noted(self.error.__name__, value)
        if n >= self.at_least:
            raise self.error(n)
        return value


def overdraws(at_least: int) -> Word:
    """Raise the declared ``Overdrawn`` from a weight on."""
    return step(name="overdraws", raises=Overdrawn)(_Raises(Overdrawn, at_least))


def breaks(at_least: int) -> Word:
    """Raise the undeclared ``Mishap`` from a weight on."""
    return step(name="breaks")(_Raises(Mishap, at_least))


@dataclass(frozen=True)
class _Flaky:
    times: int

    async def __call__(self, ctx: Context[Any], value: Any) -> Result[Any, Refused]:
        _noted("flaky", (value, ctx.attempt))
        return Failure(Refused(ctx.attempt)) if ctx.attempt <= self.times else Success(value)


def flaky(times: int) -> Word:
    """Fail in the first attempts of the retry around."""
    return step(name="flaky")(_Flaky(times))


def persists(times: int) -> Word:
    """Fail in the first attempts of its own retry, which is enough."""
    return step(name="persists", retry=recurs(times))(_Flaky(times))


# -- that continue with a flow -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Delegates:
    flow: Word

    async def __call__(self, value: Any) -> Word:
        _noted("delegates", value)
        return self.flow(value)


def delegates(flow: Word) -> Word:
    """Continue with ``flow``: the step returns it."""
    return step(name="delegates")(_Delegates(flow))


def graph(*tasks: tuple[Any, ...]) -> Word:
    """Make a ``Dag``: a task is a flow and the numbers of those it waits for; the first of them gives it its value."""
    dag = Dag[Any]()
    handles: list[Any] = []
    for flow, *waits in tasks:
        taken, *after = [handles[at] for at in waits] or [dag.input]
        handles.append(dag.add(lift(weight) >> flow, taken, after=after))
    return dag.flow(handles[-1])


def block(*flows: Word) -> Word:
    """Await the flows one after the other, in a ``do`` block."""

    @do
    async def block(value: Any) -> Any:
        for flow in flows:
            value = await flow(value)
        return value

    return block


def generator(*flows: Word) -> Word:
    """Yield from the flows one after the other, in a ``do`` block."""

    @do
    def generator(value: Any) -> Generator[Any, Any, Any]:
        for flow in flows:
            value = yield from flow(value)
        return value

    return generator


def guarded(flow: Word, handler: Word) -> Word:
    """Await ``flow``, and the ``handler`` on the error after any failure but ``Overdrawn``, in a ``do`` block."""

    @do
    async def guarded(value: Any) -> Any:
        try:
            return await flow(value)
        except Failed as failed:
            return await handler(failed.error)
        except (Mishap, StateConflict) as defect:
            return await handler(defect)

    return guarded
