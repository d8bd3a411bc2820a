"""What all backends on an anyio event loop have in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import anyio
import anyio.lowlevel

from mce.engine.protocol import Scope
from mce.syntax import StepSpec

__all__ = ["AnyioBackend"]

T = TypeVar("T")


class AnyioBackend:
    """Steps are awaited, time is the event loop's."""

    sequential = False
    careful = False

    async def run(self, main: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        return await main(self)

    def now(self) -> float:
        return time.monotonic()

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
