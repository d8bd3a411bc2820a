"""What all backends on an anyio event loop have in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import anyio
import anyio.lowlevel

from mce.engine.groups import open_group
from mce.engine.points import Probe
from mce.engine.protocol import Remote, Scope
from mce.engine.tasks import is_trio
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
        """Run ``main`` in a task of its own, which is awaited whatever happens.

        ``asyncio.Task.cancel``, as of a timeout or Ctrl-C, reaches through anyio's shields in the task that it cancels;
        from the task group around, it arrives inside as the cancellation that shields and threads withstand.
        """
        if is_trio():
            return await main(self)
        given: list[T] = []
        broken: list[BaseException] = []

        async def own() -> None:
            try:
                given.append(await main(self))
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as exc:  # an interrupt that ends a task of asyncio's ends the loop under the others
                broken.append(exc)

        async with open_group() as group:
            group.launch(own, name="mce run")
        if broken:
            raise broken[0]
        return given[0]

    @property
    def remote(self) -> Remote | None:
        """Who carries out the flow, if not the engine in this process."""
        return None

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
