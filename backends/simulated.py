"""``SimulatedBackend``: virtual time, a seeded scheduler and a model of capacity, for tests and forecasts.

The event loop is in :mod:`mce.backends.virtual_loop`, who gets a worker in :mod:`mce.backends.capacity`, by which rank
in :mod:`mce.backends.remaining`, how long a step takes in :mod:`mce.durations`.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from typing import Any, Literal, TypeVar

import anyio
import anyio.to_thread

from mce.backends.base import AnyioBackend
from mce.backends.capacity import Capacity, Hold, check_capacity
from mce.backends.remaining import RemainingPath
from mce.backends.virtual_loop import Pick, VirtualLoop
from mce.backends.whereabouts import calling, turns
from mce.combinators.desk import Ask
from mce.durations import Duration, check_duration, expected_seconds, is_seconds, seconds_of
from mce.engine.blocks import Op
from mce.engine.protocol import Backend
from mce.errors import DefinitionError, brief
from mce.syntax import StepSpec

__all__ = ["Pick", "Priority", "SimulatedBackend"]

T = TypeVar("T")
Priority = Literal["fifo", "critical_path"]


class SimulatedBackend(AnyioBackend):
    """Runs a flow in virtual time, with every interleaving of its suspension points reachable and repeatable.

    The same ``seed`` gives the same run; ``pick`` decides instead of it who of those that are ready goes next, such as
    a draw of hypothesis. Plain steps run in line and are atomic. :attr:`elapsed` is the virtual time that the last run
    took, in seconds.

    ``durations`` says, by a step's name, how many virtual seconds it takes beyond what it awaits itself: a number, a
    distribution such as ``LogNormal(2, 9)``, a function of the step's arguments, or what ``durations_from_trace`` read.
    A draw depends on the seed, the path and the attempts alone, so that runs with other capacities compare.

    At most ``workers`` steps are busy at once, and no more of ``resources`` (``{"GPU": 2}``) is in use than there is,
    counting what steps declare with ``@step(resources=...)``; a resource that is not named here has no bound. A step is
    busy during its duration and its body, not while a flow that it runs itself goes on. The others wait, first come,
    first served; with ``priority="critical_path"`` the one goes first from which the longest way leads to the end, by
    the mean durations.

    Law, for a dag of steps of which each waits for nothing else: with unlimited workers it takes as long as its longest
    way ``CP``; with ``w``, and the sum ``W`` of all durations, ``max(CP, W/w) <= elapsed <= CP + (W - CP)/w``.

    Raises :class:`mce.Deadlock` out of the run when all tasks wait and no timer is due, naming who waits for whom. A
    step that opens a thread is refused by name, since a thread does not live in virtual time.

    >>> from mce import each, sleep
    >>> backend = SimulatedBackend(seed=1)
    >>> sleep(86_400).run_sync("a day later", backend=backend), backend.elapsed
    (Outcome('a day later'), 86400.0)
    >>> backend = SimulatedBackend(workers=2)
    >>> each(sleep(10)).run_sync(range(5), backend=backend), backend.elapsed
    (Outcome((0, 1, 2, 3, 4)), 30.0)
    """

    careful = True

    def __init__(
        self,
        seed: int = 0,
        *,
        pick: Pick | None = None,
        durations: Mapping[str, Duration] | None = None,
        workers: int | None = None,
        resources: Mapping[str, float] | None = None,
        priority: Priority = "fifo",
    ) -> None:
        self.seed = seed
        self.pick = pick
        self.durations = dict(durations or {})
        self.workers = workers
        self.resources = dict(resources or {})
        self.priority: Priority = priority
        self.elapsed = 0.0
        for name, duration in self.durations.items():
            check_duration(name, duration)
        check_capacity(workers, self.resources)
        if priority not in ("fifo", "critical_path"):
            raise DefinitionError(
                f"SimulatedBackend(priority={brief(priority, 40)}): priority is 'fifo' or 'critical_path'"
            )

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def call(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: StepSpec
    ) -> Any:
        busy = await self._begin(fn, args, kwargs, spec)
        try:
            return fn(*args, **kwargs)
        finally:
            _end(busy)

    async def call_async(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: StepSpec
    ) -> Any:
        busy = await self._begin(fn, args, kwargs, spec)
        if busy is None:
            return await fn(*args, **kwargs)
        token = _BUSY.set(busy)
        try:
            return await fn(*args, **kwargs)
        finally:
            _BUSY.reset(token)
            _end(busy)

    # -- capacity and durations ---------------------------------------------------------------------------------------

    async def _begin(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: StepSpec
    ) -> _Busy | None:
        """Wait for what the call needs, then for as long as it takes; give what it holds, to be given to ``_end``."""
        if spec.internal or isinstance(fn, Ask):  # which waits for a batch: the call of that is the one that works
            return None
        duration = None if getattr(fn, "passes_on", False) else self.durations.get(spec.name)  # a sleep knows its own
        capacity = _capacity()
        if capacity is None:
            if duration is not None:
                await anyio.sleep(self._seconds(duration, args, kwargs, spec))
            return None
        busy = _Busy(capacity, await self._take(capacity, spec))
        try:
            if duration is not None:
                await anyio.sleep(self._seconds(duration, args, kwargs, spec))
        except BaseException:
            _end(busy)
            raise
        return busy

    async def _take(self, capacity: Capacity, spec: StepSpec) -> Hold:
        rank = 0.0
        if isinstance(capacity, _Ranked):
            fiber = calling()
            rank = 0.0 if fiber is None else capacity.remaining.rank(fiber)
        return await capacity.take(spec.name, capacity.need_of(spec.name, spec.resources), rank)

    def _seconds(self, duration: Duration, args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: StepSpec) -> float:
        own = args[1:] if spec.takes_context else args
        return seconds_of(spec.name, duration, lambda: self._chance(spec, "seconds"), own, kwargs)

    def _chance(self, spec: StepSpec, what: str) -> random.Random:
        """Give the source of chance for ``what`` of the call that is being made: its own, whatever else happens."""
        fiber = calling()
        if fiber is None:  # of a batch, which belongs to no branch
            loop = _loop()
            loop.calls[spec.name] += 1
            return random.Random(f"{self.seed} {what} {spec.name} #{loop.calls[spec.name]}")
        return random.Random(f"{self.seed} {what} {fiber.path()} {turns(fiber)}")

    # -- running ------------------------------------------------------------------------------------------------------

    async def run(self, main: Callable[[Backend], Coroutine[Any, Any, T]]) -> T:
        """Run in a loop of its own, in a thread that is awaited: a loop cannot be simulated inside another.

        In simulated time it is part of the step that runs it, which holds no worker meanwhile.
        """
        if not isinstance(asyncio._get_running_loop(), VirtualLoop):
            return await anyio.to_thread.run_sync(functools.partial(self.run_sync, main, needs_loop=True))
        busy = _BUSY.get()
        if busy is None:
            return await main(self)
        busy.lend()
        try:
            return await main(self)
        finally:
            await busy.take_back()

    def run_sync(self, main: Callable[[Backend], Coroutine[Any, Any, T]], *, needs_loop: bool) -> T:
        loop = VirtualLoop(self.pick or random.Random(self.seed).randrange)
        loop.capacity = capacity = self._new_capacity()
        if isinstance(capacity, _Ranked):
            loop.on_idle = capacity.grant
        try:
            return anyio.run(main, self, backend="asyncio", backend_options={"loop_factory": lambda: loop})
        finally:
            self.elapsed = loop.time()

    def _new_capacity(self) -> Capacity | None:
        if self.workers is None and not self.resources:
            return None
        if self.priority == "fifo":
            return Capacity(self.workers, self.resources, at_once=True)
        return _Ranked(self.workers, self.resources, RemainingPath(self._expected))

    def _expected(self, op: Op) -> float:
        """Give the mean duration of a step, with what a ``sleep`` waits of itself."""
        waits = getattr(op.fn, "seconds", 0.0)
        return expected_seconds(self.durations.get(op.label, 0.0)) + (waits if is_seconds(waits) else 0.0)

    def __repr__(self) -> str:
        said = {"workers": self.workers, "resources": self.resources or None}
        shown = "".join(f", {name}={value!r}" for name, value in said.items() if value is not None)
        ranked = "" if self.priority == "fifo" else f", priority={self.priority!r}"
        return f"SimulatedBackend(seed={self.seed}{shown}{ranked})"


class _Ranked(Capacity):
    """Capacity that is given to those with the longest way to the end, when all that are ready have asked."""

    def __init__(self, workers: int | None, resources: Mapping[str, float], remaining: RemainingPath) -> None:
        super().__init__(workers, resources, at_once=False)
        self.remaining = remaining


class _Busy:
    """What a step holds in its body; lent while flows go on that the step itself runs."""

    __slots__ = ("capacity", "guests", "hold")

    def __init__(self, capacity: Capacity, hold: Hold) -> None:
        self.capacity = capacity
        self.hold = hold
        self.guests = 0

    def lend(self) -> None:
        self.guests += 1
        if self.guests == 1:
            self.capacity.leave(self.hold)

    async def take_back(self) -> None:
        self.guests -= 1
        if not self.guests:
            self.hold = await self.capacity.take(self.hold.step, self.hold.need, float("inf"))


_BUSY: ContextVar[_Busy | None] = ContextVar("busy", default=None)


def _end(busy: _Busy | None) -> None:
    if busy is not None:
        busy.capacity.leave(busy.hold)


def _loop() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def _capacity() -> Capacity | None:
    found = asyncio.get_running_loop()
    return found.capacity if isinstance(found, VirtualLoop) else None
