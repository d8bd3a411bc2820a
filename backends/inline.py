"""``InlineBackend``: one task, left to right, plain steps in line: the executable reference, kept plain."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from operator import attrgetter
from types import TracebackType, coroutine
from typing import Any, TypeVar

import anyio

from mce.backends.base import AnyioBackend
from mce.engine.protocol import Backend, Scope
from mce.errors import EngineError
from mce.syntax import StepSpec

__all__ = ["InlineBackend"]

T = TypeVar("T")


class InlineBackend(AnyioBackend):
    """Runs everything in the task of the run: branches from left to right, plain steps in line.

    In a running loop it uses that loop. ``run_sync`` drives a flow of plain steps with no loop at all, and opens one
    for the run as soon as an async step is called.
    """

    sequential = True

    async def call(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: StepSpec
    ) -> Any:
        result = fn(*args, **kwargs)
        await self.checkpoint()
        return result

    async def checkpoint(self) -> None:
        if anyio.current_effective_deadline() <= anyio.current_time():  # it passed while a plain step held the loop
            await anyio.sleep_forever()  # until the cancellation that is due
        await super().checkpoint()

    def run_sync(self, main: Callable[[Backend], Coroutine[Any, Any, T]], *, needs_loop: bool) -> T:
        changed = type(self) is not InlineBackend or self.probe is not None
        if needs_loop or changed:  # what a subclass or a probe changes holds with a loop
            return anyio.run(self.run, main)
        running = main(_Loopless())
        try:
            asked = running.send(None)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if asked is not _LOOP:
            running.close()
            raise EngineError(f"a run without an event loop awaited {asked!r}")
        found: T = anyio.run(_go_on, running)
        return found

    def __repr__(self) -> str:
        return "InlineBackend()"


_LOOP = object()
"""What a run without a loop yields when it needs one; it is then driven on, the same coroutine, inside a loop."""


@coroutine
def _ask_for_loop() -> Generator[Any, Any, None]:
    yield _LOOP


@coroutine
def _go_on(running: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    value: T = yield from running
    return value


class _Expired(BaseException):
    """Cancels the stretch of a loopless run that is under a deadline that has passed."""


class _Deadline:
    """A deadline without a loop: nothing can interrupt a plain step, so it is asked for between steps."""

    def __init__(self, owner: _Loopless, deadline: float, shield: bool) -> None:
        self.owner = owner
        self.deadline = deadline
        self.shield = shield

    def __enter__(self) -> _Deadline:
        self.owner.deadlines.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self.owner.deadlines.remove(self)
        return isinstance(exc, _Expired) and exc.args[0] is self


class _Loopless(InlineBackend):
    """The same run with no event loop: sleeps block, deadlines are looked at between steps."""

    careful = True

    def __init__(self) -> None:
        self.deadlines: list[_Deadline] = []
        self.in_loop = False

    async def sleep(self, seconds: float) -> None:
        if self.in_loop:
            await self._in_time(anyio.sleep(seconds))
        else:
            time.sleep(self._until_deadline(seconds))  # noqa: ASYNC251 - there is no loop to block
            self._check()

    def _until_deadline(self, seconds: float) -> float:
        nearest = min((found.deadline for found in self._felt()), default=float("inf"))
        return max(0.0, min(seconds, nearest - self.now()))

    async def checkpoint(self) -> None:
        self._check()
        if self.in_loop:
            await super().checkpoint()

    def _felt(self) -> list[_Deadline]:
        """List the deadlines that hold here: up to the innermost shield."""
        found: list[_Deadline] = []
        for deadline in reversed(self.deadlines):
            found.append(deadline)
            if deadline.shield:
                break
        return found

    def _check(self) -> None:
        for found in self._felt():
            if self.now() >= found.deadline:
                raise _Expired(found)

    def scope(self, seconds: float | None, *, shield: bool = False) -> Scope:
        return _Deadline(self, float("inf") if seconds is None else self.now() + seconds, shield)

    async def need_loop(self) -> None:
        if not self.in_loop:
            await _ask_for_loop()
            self.in_loop = True

    async def call_async(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: StepSpec
    ) -> Any:
        await self.need_loop()
        return await self._in_time(super().call_async(fn, args, kwargs, spec))

    async def _in_time(self, waiting: Awaitable[T]) -> T:
        """Wait in the loop, to which the run has come since, but no longer than the nearest deadline allows."""
        nearest = min(self._felt(), key=attrgetter("deadline"), default=None)
        if nearest is None:
            return await waiting
        with anyio.CancelScope(deadline=anyio.current_time() + nearest.deadline - self.now()):
            return await waiting
        raise _Expired(nearest)
