"""How a run ended, on its way from the worker of its last task to who asked for it.

It goes with the news that the task is done, in one message: told a moment before, it would delay that by the time for
which streams of Dask gather messages.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from distributed import Worker
from distributed.diagnostics.plugin import WorkerPlugin

from mce.backends.cluster.wire import Ended

__all__ = ["Ends"]

_SMALL = 10_000
"""The most bytes of an end that is told; scheduler and workers keep what they are told for a while."""


class Ends(WorkerPlugin):
    """Tells small ends of runs when Dask has seen that their last task is done; others are fetched."""

    name = "mce-ends"

    def __init__(self) -> None:
        self.kept: dict[Any, Callable[[], None]] = {}

    def keep(self, worker: Worker, topic: str, run: str, end: Ended) -> None:
        """Have ``end`` told, with which the task of this thread ends, and with it the run."""
        packed = end.packed
        if packed is not None and not packed.buffers and len(packed.data) <= _SMALL:
            message = {"run": run, "end": packed.data}
            self.kept[worker.get_current_task()] = partial(worker.log_event, topic, message)

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        """Called by the worker in its event loop whenever the state of a task has changed."""
        if finish == "long-running":  # it makes room for others, and goes on
            return
        tell = self.kept.pop(key, None)
        if tell is not None and finish == "memory":
            tell()
