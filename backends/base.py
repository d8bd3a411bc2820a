"""What all backends on an anyio event loop have in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.lowlevel

from mce.engine.groups import run_apart
from mce.engine.points import Probe
from mce.engine.protocol import Remote, Scope
from mce.syntax import StepSpec

__all__ = ["AnyioBackend"]

T = TypeVar("T")


class AnyioBackend:
    """Steps are awaited, time is the event loop's."""

    sequential = False
    careful = False
    probe: Probe | None = None
    """Who is asked at the fault points of a run; see :mod:`mce.engine.points`."""

    async def run(self, main: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """Run ``main`` in a task of its own, which is awaited whatever happens."""
        return await run_apart(partial(main, self), name="mce run")

    @property
    def remote(self) -> Remote | None:
        """Who carries out the flow, if not the engine in this process."""
        return None

    now = staticmethod(time.monotonic)  # who watches asks twice a step, and a method of Python would be two calls more

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def checkpoint(self) -> None:
        await anyio.lowlevel.checkpoint()

    async def need_loop(self) -> None:
        pass

    def scope(self, seconds: float | None, *, shield: bool = False) -> Scope:
        deadline = float("inf") if seconds is None else anyio.current_time() + seconds
        return anyio.CancelScope(deadline=deadline, shield=shield)

    async def call_async(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: StepSpec
    ) -> Any:
        return await fn(*args, **kwargs)
