"""``SimulatedBackend``: virtual time and a seeded scheduler, for tests.

It is an asyncio event loop of ours, used through anyio, so that code which awaits sleeps, events and locks runs as it
is. Time stands still while anything can run and jumps to the next timer when nothing can. Which of several ready
tasks goes next is picked by the seed, or by a function of one's own; callbacks that are no tasks keep their order,
since serving them first livelocks under anyio's cancellation. Waiting with nothing due is a deadlock.
"""

from __future__ import annotations

import asyncio
import functools
import random
import selectors
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from mce.backends.base import AnyioBackend
from mce.engine.protocol import Backend
from mce.errors import Deadlock, DefinitionError, UsageError, brief
from mce.syntax import StepSpec

__all__ = ["SimulatedBackend"]

T = TypeVar("T")
Pick = Callable[[int], int]
"""Picks one of ``n`` ready tasks, as an index; it is not asked when there is only one."""


class SimulatedBackend(AnyioBackend):
    """Runs a flow in virtual time, with every interleaving of its suspension points reachable and repeatable.

    The same ``seed`` gives the same run; ``pick`` decides instead of it, such as a draw of hypothesis. Plain steps run
    in line and are atomic; ``durations`` says how many virtual seconds a step takes beyond what it awaits itself, by
    its name. :attr:`elapsed` is the virtual time that the last run took, in seconds.

    Raises :class:`mce.Deadlock` out of the run when all tasks wait and no timer is due, naming who waits. A step that
    opens a thread is refused by name, since a thread does not live in virtual time.

    >>> from mce import sleep
    >>> backend = SimulatedBackend(seed=1)
    >>> sleep(86_400).run_sync("a day later", backend=backend), backend.elapsed
    (Outcome('a day later'), 86400.0)
    """

    careful = True

    def __init__(
        self, seed: int = 0, *, pick: Pick | None = None, durations: Mapping[str, float] | None = None
    ) -> None:
        self.seed = seed
        self.durations = dict(durations or {})
        for name, seconds in self.durations.items():
            if not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
                raise DefinitionError(f"durations[{name!r}] is a number of seconds, not {brief(seconds)}")
        self.pick = pick
        self.elapsed = 0.0

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def call(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: StepSpec
    ) -> Any:
        await self._take(spec)
        return fn(*args, **kwargs)

    async def call_async(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: StepSpec
    ) -> Any:
        await self._take(spec)
        return await fn(*args, **kwargs)

    async def _take(self, spec: StepSpec) -> None:
        seconds = self.durations.get(spec.name)
        if seconds is not None:
            await anyio.sleep(seconds)

    async def run(self, main: Callable[[Backend], Coroutine[Any, Any, T]]) -> T:
        """Run in a loop of its own, in a thread that is awaited: a loop cannot be simulated inside another."""
        if isinstance(asyncio._get_running_loop(), _SimulatedLoop):
            return await main(self)
        return await anyio.to_thread.run_sync(functools.partial(self.run_sync, main, needs_loop=True))

    def run_sync(self, main: Callable[[Backend], Coroutine[Any, Any, T]], *, needs_loop: bool) -> T:
        pick = self.pick or random.Random(self.seed).randrange
        loop = _SimulatedLoop(pick)
        try:
            return anyio.run(main, self, backend="asyncio", backend_options={"loop_factory": lambda: loop})
        finally:
            self.elapsed = loop.time()

    def __repr__(self) -> str:
        return f"SimulatedBackend(seed={self.seed})"


class _Ready(deque[Any]):
    """The queue of what is ready: among tasks the next is picked, anything else keeps its turn."""

    def __init__(self, pick: Pick) -> None:
        super().__init__()
        self.pick = pick

    def popleft(self) -> Any:
        if not _steps_a_task(self[0]):
            return super().popleft()
        tasks = [at for at, handle in enumerate(self) if _steps_a_task(handle)]
        at = tasks[self.pick(len(tasks))] if len(tasks) > 1 else tasks[0]
        handle = self[at]
        del self[at]
        return handle


def _steps_a_task(handle: Any) -> bool:
    return isinstance(getattr(handle._callback, "__self__", None), asyncio.Task)


class _VirtualSelector(selectors.DefaultSelector):
    """Never waits: a wait for a timer becomes a jump of the clock, a wait for ever a deadlock."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = 0.0
        self.on_deadlock: Callable[[], BaseException] = lambda: Deadlock(())

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise self.on_deadlock()
        self.clock += max(0.0, timeout)
        return super().select(0)


class _SimulatedLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on a virtual clock."""

    def __init__(self, pick: Pick) -> None:
        self._virtual = _VirtualSelector()
        super().__init__(self._virtual)
        self._virtual.on_deadlock = self._deadlock
        self._ready = _Ready(pick)
        self._clock_resolution = 1e-9
        self._threads = set(threading.enumerate())

    def time(self) -> float:
        return self._virtual.clock

    def _deadlock(self) -> BaseException:
        waiting = sorted(task.get_name() for task in asyncio.all_tasks(self) if not task.done())
        opened = [thread.name for thread in threading.enumerate() if thread not in self._threads]
        if opened:
            return UsageError(
                f"a step opened the thread {opened[0]!r}, which does not live in simulated time; waiting for it: "
                f"{', '.join(waiting)}; make it a plain step, which runs in line, or stub it"
            )
        return Deadlock(tuple(waiting))
