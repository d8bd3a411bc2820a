"""``LocalBackend``: anyio on asyncio or trio, structured concurrency, worker threads and processes. The default."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Literal, TypeVar

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar, checkpoint_if_cancelled

from mce.backends.base import AnyioBackend
from mce.engine.protocol import Backend
from mce.errors import DefinitionError, InvalidStep
from mce.syntax import StepSpec

__all__ = ["LocalBackend"]

T = TypeVar("T")


class LocalBackend(AnyioBackend):
    """Runs branches concurrently, async steps on the event loop and plain ones in worker threads.

    In a running loop it uses that loop; ``run_sync`` opens one, of the kind named by ``loop``. A plain step that is
    declared ``pure`` or ``run_in="inline"`` runs on the loop, one with ``run_in="process"`` in a worker process, which
    is killed when the step is cancelled; a step in a thread is awaited to its end, since nothing can stop it.

    ``threads`` bounds how many plain steps are in threads at once (default: anyio's limit, 40).
    """

    def __init__(self, *, loop: Literal["asyncio", "trio"] = "asyncio", threads: int | None = None) -> None:
        if loop not in ("asyncio", "trio"):
            raise DefinitionError(f"LocalBackend(loop={loop!r}): loop is 'asyncio' or 'trio'")
        if threads is not None and threads < 1:
            raise DefinitionError(f"LocalBackend(threads={threads!r}): at least one thread is needed")
        self.loop: Literal["asyncio", "trio"] = loop
        self.threads = threads
        self._limiter: RunVar[anyio.CapacityLimiter] = RunVar("mce-threads")  # limiters belong to one event loop

    async def call(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: StepSpec
    ) -> Any:
        if spec.run_in == "inline" or (spec.pure and spec.run_in is None):
            return fn(*args, **kwargs)
        if spec.run_in == "process":
            where = (fn.__module__, fn.__qualname__)
            _check_importable(fn, spec.name)
            from anyio import to_process  # what few need is not loaded for all

            with anyio.CancelScope(shield=True):  # a worker that is cancelled while it starts is left running
                await to_process.run_sync(os.getpid)
            return await to_process.run_sync(_call_by_name, where, args, dict(kwargs), cancellable=True)
        result = await anyio.to_thread.run_sync(_apply, fn, args, kwargs, limiter=self._thread_limit())
        await checkpoint_if_cancelled()  # a thread is awaited to its end, and then it is too late
        return result

    def _thread_limit(self) -> anyio.CapacityLimiter | None:
        if self.threads is None:
            return None
        limiter = self._limiter.get(None)
        if limiter is None:
            self._limiter.set(limiter := anyio.CapacityLimiter(self.threads))
        return limiter

    def run_sync(self, main: Callable[[Backend], Coroutine[Any, Any, T]], *, needs_loop: bool) -> T:
        return anyio.run(self.run, main, backend=self.loop)

    def __repr__(self) -> str:
        threads = "" if self.threads is None else f", threads={self.threads}"
        return f"LocalBackend(loop={self.loop!r}{threads})"


def _apply(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    return fn(*args, **kwargs)


def _check_importable(fn: Callable[..., Any], name: str) -> None:
    if fn.__module__ == "__main__" or "<" in fn.__qualname__:
        raise InvalidStep(
            f"step {name!r} has run_in='process', and a worker process cannot import "
            f"{fn.__module__}.{fn.__qualname__}: define it at the top of a module"
        )


def _call_by_name(where: tuple[str, str], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call, in a worker process, the function under the step at ``where``, which pickle could not find itself."""
    found: Any = importlib.import_module(where[0])
    for name in where[1].split("."):
        found = getattr(found, name)
    return getattr(found, "__wrapped__", found)(*args, **kwargs)
