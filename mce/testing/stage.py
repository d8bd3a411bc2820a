"""Playing one run of a world: the probe that decides about every call, on a simulated backend that asks who goes next.

A run that can go on no more is wound up: finalisers run, what hangs is cancelled, nothing is left.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

import anyio
from returns.result import Failure, Success

from mce.backends.base import AnyioBackend
from mce.backends.simulated import SimulatedBackend
from mce.engine.points import Calls, Gives, Point, Verdict
from mce.engine.run import run_sync
from mce.errors import Deadlock
from mce.events import StepFailed
from mce.outcome import Outcome
from mce.testing.decisions import Breaks, Decided, Decision, Fails, Hangs, Happening, Key, Returns
from mce.testing.oracle import Asked
from mce.testing.runs import Endless, WorldRun
from mce.testing.script import Played, Script

__all__ = ["Stage"]

T = TypeVar("T")


_RUN = "mce run"
"""What the task of a run is called."""


class _Stopped(BaseException):
    """Unwinds a run that is not to go on; never seen outside."""


class Stage(SimulatedBackend):
    """Plays one run by a script, to which it adds what the oracle decides."""

    def __init__(self, script: Script) -> None:
        super().__init__(pick=self._pick)
        self.probe = self._at
        self.script = script
        self.history: list[Happening] = []
        self.used: dict[Key, Decision] = {}
        self.asked: dict[Key, Asked] = {}
        self.picked: list[int] = []
        self.numbers: dict[str, int] = {}
        self.left = script.at_most
        self.hanging: dict[Key, None] = {}
        self.late: dict[str, Fails | Breaks] = {}
        self.host: asyncio.Task[Any] | None = None
        self.endless: Endless | None = None
        self.broken: BaseException | None = None
        """What the oracle raised: the run is wound up, and then this is raised."""
        self.winding_up = False

    # -- the run as a whole -------------------------------------------------------------------------------------------

    def play(self, played: Played) -> WorldRun:
        """Run a flow to its end, or until it cannot go on, and tell what happened."""
        ended: Outcome[Any, Any, Any] | None = None
        deadlock: Deadlock | None = None
        try:
            ended = run_sync(
                played.flow,
                played.input,
                played.state,
                deps=played.deps,
                backend=self,
                run_id="world",
                listener=self._tell,
            )
        except _Stopped:
            pass
        except Deadlock as found:
            deadlock = self._told(found)
        if self.broken is not None:
            raise self.broken
        if self.endless is not None:
            ended = deadlock = None
        return WorldRun(
            tuple(self.history),
            self.elapsed,
            ended,
            deadlock,
            self.endless,
            tuple(self.hanging),
            self.used,
            tuple(self.picked),
            self.asked,
            played,
        )

    def run_sync(self, main: Callable[[Any], Coroutine[Any, Any, T]], *, needs_loop: bool) -> T:
        async def world(backend: Any) -> T:
            self.host = asyncio.current_task()
            return await AnyioBackend.run(self, main)

        return super().run_sync(world, needs_loop=True)

    @property
    def _closing(self) -> bool:
        """Whether the event loop is closing after a deadlock: nothing else cancels the task around the run."""
        return self.host is not None and self.host.cancelling() > 0

    def _told(self, found: Deadlock) -> Deadlock:
        """Say of a deadlock which calls hang, and what tasks wait for that wait for something else."""
        hung = [path for path, _ in self.hanging]
        others = [told for told in found.reasons if not _leads_to(told.partition(" waits ")[0], hung)]
        own = (_RUN, self.host.get_name() if self.host is not None else "")
        return Deadlock(
            tuple([name for name in found.waiting if name not in own]), (*[f"{path} hangs" for path in hung], *others)
        )

    def _tell(self, event: Happening) -> None:
        if self._closing:  # in what order tasks are cancelled then is not ours to say
            return
        if isinstance(event, StepFailed) and event.cancelled:  # whose message has addresses, which differ
            event = replace(event, error=asyncio.CancelledError())
        self.history.append(event)

    def _pick(self, ready: int) -> int:
        at, order = len(self.picked), self.script.order
        if at < len(order):
            index = min(order[at], ready - 1)
        elif self.winding_up or self.broken is not None or self._closing:
            return 0
        else:
            try:
                index = self.script.oracle.pick(ready)
            except BaseException as raised:  # the event loop is no place to raise it
                self.broken = raised
                return 0
            order.append(index)
        self.picked.append(index)
        return index

    # -- one call -----------------------------------------------------------------------------------------------------

    async def _at(self, point: Point, /) -> Verdict:
        if point.name == "call.before":
            return await self._before(point)
        if point.name == "call.after" and (fault := self.late.pop(point.path, None)) is not None:
            return _strike(fault, point)
        return None

    async def _before(self, point: Point) -> Verdict:
        self.winding_up = self.winding_up or self._closing
        number = self.numbers[point.path] = self.numbers.get(point.path, 0) + 1
        key = (point.path, number)
        self.late.pop(point.path, None)  # of a call that failed by itself
        self._count(point)
        decision = self._decision(key, point)
        if decision is None:
            assert point.spec is not None
            if not point.spec.pure:
                await self._turn(0.0)
            return None
        self._tell(Decided(point.path, number, self.now(), point.step, decision))
        if isinstance(decision, Hangs):
            await self._hang(key)
            return None
        await self._turn(decision.after)
        if isinstance(decision, Returns):
            return Gives(Success(decision.value))  # so that a value which is a result or a flow stays one
        stub = self.script.stub_of(point)
        if isinstance(decision, Fails | Breaks):
            if not decision.late or (stub is None and not self.script.is_real(point)):
                return _strike(decision, point)
            self.late[point.path] = decision
        return None if stub is None else Calls(_fitting(stub, point))

    def _count(self, point: Point) -> None:
        self.left -= 1
        if self.left < 0:
            self.left = self.script.at_most  # for finalisers
            self.endless = self.endless or Endless(self.script.at_most, point.path)
            self._wind_up()
        if self.broken is not None and not self.winding_up:
            self._wind_up()

    def _decision(self, key: Key, point: Point) -> Decision | None:
        """Say what happens to a call; ``None`` if the step just runs."""
        script = self.script
        decision = script.calls.get(key)
        if decision is None and script.is_real(point):
            return None
        assert point.spec is not None
        assert point.fn is not None
        asked = Asked(*key, point.spec, point.fn, script.stub_of(point) is not None)
        if decision is None:
            if self.winding_up:
                return Returns()
            decision = script.calls[key] = self._ask(asked)
        self.used[key], self.asked[key] = decision, asked
        return decision

    def _ask(self, asked: Asked) -> Decision:
        try:
            return self.script.oracle.decide(asked)
        except BaseException as raised:
            self.broken = raised
            self._wind_up()

    def _wind_up(self) -> NoReturn:
        """Stop the run; what its finalisers call goes well and is not asked about."""
        self.winding_up = True
        raise _Stopped

    async def _turn(self, seconds: float) -> None:
        """Let others go first, as whoever asks the outside does, for so many seconds."""
        if seconds:
            await self.sleep(seconds)
        elif not self.winding_up:
            await self.checkpoint()

    async def _hang(self, key: Key) -> None:
        if self._closing:  # written down for what a finaliser calls after a deadlock
            raise asyncio.CancelledError
        self.hanging[key] = None
        try:
            await anyio.Event().wait()  # not sleep_forever, which is a timer
        finally:
            if not self._closing:
                del self.hanging[key]


def _leads_to(place: str, paths: list[str]) -> bool:
    """Whether who waits at ``place`` does so for what is at one of the ``paths``."""
    return any(path == place or path.startswith((f"{place}/", f"{place}[")) for path in paths)


def _strike(fault: Fails | Breaks, point: Point) -> Gives:
    """Fail a call, by raising or by the result it gives."""
    assert point.spec is not None
    if isinstance(fault, Breaks):
        raise fault.exception.with_traceback(None)
    if isinstance(fault.error, point.spec.raises):
        raise fault.error.with_traceback(None)
    return Gives(Failure(fault.error))


def _fitting(stub: Callable[..., Any], point: Point) -> Callable[..., Any]:
    """Give ``stub`` so that it can be called as the step is: without the ``ctx`` if it does not take one."""
    assert point.spec is not None
    if not point.spec.takes_context or "ctx" in list(inspect.signature(stub).parameters)[:1]:
        return stub
    return lambda ctx, *args, **kwargs: stub(*args, **kwargs)
