"""Events on their way from a worker to whoever watches the run: at once, or if many come, together."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from distributed import Worker

from mce.backends.cluster.wire import Packed, pack, unpack
from mce.errors import ClusterError, brief
from mce.events import Event

__all__ = ["Outbox", "opened"]

_TOGETHER = 0.002
"""Seconds for which an event may wait for others."""


class Outbox:
    """Sends the events of one run on one worker, in order, and before the end of the task they are of."""

    def __init__(self, worker: Worker, topic: str, run_id: str) -> None:
        self.worker = worker
        self.topic = topic
        self.run_id = run_id
        self.lock = threading.Lock()
        self.kept: list[bytes] = []
        self.sent = 0.0

    def tell(self, event: Event) -> None:
        """Send an event soon; may be called in any thread."""
        data = _packed(event)
        with self.lock:
            self.kept.append(data)
            first, quiet = len(self.kept) == 1, time.monotonic() - self.sent > _TOGETHER
        if first and quiet:
            self.flush()
        elif first:
            self.worker.loop.add_callback(self.worker.loop.call_later, _TOGETHER, self.flush)

    def flush(self) -> None:
        """Send what is kept; always in the worker's event loop, one after the other, so that the order holds."""
        with self.lock:
            kept, self.kept = self.kept, []
            if kept:
                self.sent = time.monotonic()
                message = {"run": self.run_id, "events": kept}
                self.worker.loop.add_callback(self.worker.log_event, self.topic, message)


def _packed(event: Event) -> bytes:
    """Pickle an event; of what cannot be pickled, its ``repr``."""
    try:
        return _in_band(event)
    except ClusterError:
        shown = {f.name: _shown(getattr(event, f.name)) for f in fields(event)}
        return _in_band(replace(event, **shown))


def _shown(value: Any) -> Any:
    try:
        _in_band(value)
    except ClusterError:
        return brief(value)
    return value


def _in_band(value: Any) -> bytes:
    packed = pack(value)
    return packed.data if not packed.buffers else pickle.dumps(packed, 5)


def opened(message: dict[str, Any], tell: Callable[[Event], None]) -> None:
    """Give the events in a message to ``tell``, in order."""
    for data in message["events"]:
        event = unpack(Packed(data))
        tell(unpack(event) if isinstance(event, Packed) else event)
