"""Backends on which time is virtual: it stands still while anything can run, and jumps when nothing can."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import anyio
import pytest
from trio.testing import MockClock

from mce import Backend, Context, InlineBackend, LocalBackend, SimulatedBackend, step

T = TypeVar("T")


class VirtualTrio(LocalBackend):
    """``LocalBackend`` on trio, on a clock that jumps."""

    def __init__(self) -> None:
        super().__init__(loop="trio")

    def now(self) -> float:
        return anyio.current_time()

    def run_sync(self, main: Callable[[Backend], Coroutine[Any, Any, T]], *, needs_loop: bool) -> T:
        return anyio.run(main, self, backend="trio", backend_options={"clock": _clock()})


class VirtualInline(InlineBackend):
    """``InlineBackend`` in a loop on a clock that jumps."""

    def now(self) -> float:
        return anyio.current_time()

    def run_sync(self, main: Callable[[Backend], Coroutine[Any, Any, T]], *, needs_loop: bool) -> T:
        return anyio.run(main, self, backend="trio", backend_options={"clock": _clock()})


def _clock() -> MockClock:
    clock = MockClock()
    clock.autojump_threshold = 0
    return clock


SEEDS = range(6)
"""Enough of them to reach what a few tasks can do to each other, as ``test_simulated.py`` shows."""

CONCURRENT: list[Any] = [
    pytest.param(VirtualTrio, id="trio"),
    *(pytest.param(partial(SimulatedBackend, seed), id=f"asyncio-{seed}") for seed in SEEDS),
]
ALL: list[Any] = [pytest.param(VirtualInline, id="inline"), *CONCURRENT]

on_all = pytest.mark.parametrize("make", ALL)
"""Runs a test in turn, on trio, and on asyncio in several interleavings."""

on_concurrent = pytest.mark.parametrize("make", CONCURRENT)
"""The same without the backend that runs branches in turn."""


class Room:
    """A place that counts who is in it: ``stay(seconds)`` is a step that goes in and waits there."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.entered: list[tuple[Any, float]] = []

        @step
        async def stay(ctx: Context[object], who: Any, seconds: float = 1.0, raising: bool = False) -> Any:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.entered.append((who, anyio.current_time()))
            try:
                await ctx.sleep(seconds)
            finally:
                self.inside -= 1
            if raising:
                raise ConnectionError(who)
            return who

        self.stay = stay

    @property
    def who(self) -> list[Any]:
        return [who for who, _ in self.entered]

    @property
    def times(self) -> list[float]:
        """When each went in, in seconds after the first."""
        return [round(time - self.entered[0][1], 6) for _, time in self.entered]
