"""An asyncio loop on a virtual clock, which picks who goes next.

Used through anyio, so that code which awaits sleeps, events and locks runs as it is. Time stands still while anything
can run and jumps to the next timer when nothing can. Which of several ready tasks goes next is picked by a function;
callbacks that are no tasks keep their order, since serving them first livelocks under anyio's cancellation. Waiting
with nothing due is a deadlock.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
from bisect import insort
from collections import Counter, deque
from collections.abc import Callable
from itertools import count
from operator import itemgetter
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from mce.backends.capacity import Capacity
from mce.backends.deadlocks import deadlock
from mce.errors import UsageError

__all__ = ["Pick", "VirtualLoop"]

Pick: TypeAlias = Callable[[int], int]
"""Picks one of ``n`` ready tasks, as an index; it is not asked when there is only one."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop of one run; ``on_idle`` is called before time goes on, and says whether it made anything ready."""

    _scheduled: list[asyncio.TimerHandle]  # asyncio's heap of timers

    def __init__(self, pick: Pick) -> None:
        self._virtual = _VirtualSelector(self)
        super().__init__(self._virtual)
        self._ready = _Ready(pick)
        self._clock_resolution = 1e-9
        self._threads = set(threading.enumerate())
        self.capacity: Capacity | None = None
        self.on_idle: Callable[[], bool] = _nothing
        self.calls: Counter[str] = Counter()

    def time(self) -> float:
        return self._virtual.clock

    def only_waits_for_ever(self) -> bool:
        """Whether the next timer is one of ``anyio.sleep_forever``, which is never due."""
        return bool(self._scheduled) and self._scheduled[0].when() == math.inf

    def stuck(self) -> BaseException:
        """Say why nothing can go on."""
        tasks = [task for task in asyncio.all_tasks(self) if not task.done()]
        opened = [thread.name for thread in threading.enumerate() if thread not in self._threads]
        if opened:
            waiting = ", ".join(sorted(task.get_name() for task in tasks))
            return UsageError(
                f"a step opened the thread {opened[0]!r}, which does not live in simulated time; waiting for it: "
                f"{waiting}; make it a plain step, which runs in line, or stub it"
            )
        return deadlock(tasks)


def _nothing() -> bool:
    return False


class _Ready:
    """The queue of what is ready: among tasks the next is picked, anything else keeps its turn.

    Tasks that one callback made ready stand in the order of their creation: anyio keeps those it cancels in sets, whose
    order is another one in every run.
    """

    def __init__(self, pick: Pick) -> None:
        self.pick = pick
        self.tasks: list[tuple[int, Any]] = []
        self.turns: list[int] = []
        self.others: deque[tuple[int, Any]] = deque()
        self.numbers = count()
        self.created: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self.fresh = 0

    def append(self, handle: Any) -> None:
        number = next(self.numbers)
        if not _steps_a_task(handle):
            self.others.append((number, handle))
            return
        created = self.created.setdefault(handle._callback.__self__, number)
        insort(self.tasks, (created, handle), lo=self.fresh, key=itemgetter(0))
        self.turns.append(number)

    def popleft(self) -> Any:
        tasks, others = self.tasks, self.others
        if not tasks or (others and others[0][0] < self.turns[0]):
            found = others.popleft()[1]
        else:
            at = self.pick(len(tasks)) if len(tasks) > 1 else 0
            del self.turns[at]
            found = tasks.pop(at)[1]
        self.fresh = len(tasks)
        return found

    def clear(self) -> None:
        self.tasks.clear()
        self.turns.clear()
        self.others.clear()
        self.fresh = 0

    def __len__(self) -> int:
        return len(self.tasks) + len(self.others)


def _steps_a_task(handle: Any) -> bool:
    return isinstance(getattr(handle._callback, "__self__", None), asyncio.Task)


class _VirtualSelector(selectors.DefaultSelector):
    """Never waits: a wait for a timer becomes a jump of the clock, a wait for ever a deadlock."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self.clock = 0.0
        self.loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout != 0 and not self.loop.on_idle():
            if timeout is None or self.loop.only_waits_for_ever():
                raise self.loop.stuck()
            self.clock += max(0.0, timeout)
            self.loop._clock_resolution = max(1e-9, 2 * math.ulp(self.clock))  # or a timer that is due never is
        return super().select(0)
