"""What the processes of a run agree on: a plugin of the scheduler, the one process that all of them talk to.

It keeps, while a run goes on, what a worker needs to take part in it, which of its scopes were stopped, and which steps
that must not be called twice have been called. Workers ask with the routes ``mce_*``; who only tells something does so
in the stream that the worker has open anyway, so that it arrives before whatever the worker tells later.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable, Sequence
from contextlib import suppress
from typing import Any

from distributed.diagnostics.plugin import SchedulerPlugin

from mce.backends.cluster.sharing import Shelf

__all__ = ["PLUGIN", "Coordinator"]

PLUGIN = "mce-2"
"""The name of the plugin; its number changes when the routes do."""

_OPENS = 10.0
"""Seconds that a worker waits for a run to be opened, whose tasks it has."""

_CLOSED = 10_000
"""How many runs are remembered to be over."""


class _Case:
    """One run: its ``spec``, who asked for it, who takes part, what was stopped, what was begun and recorded."""

    def __init__(self, client: str, spec: Any, lease: float) -> None:
        self.client = client
        self.published: dict[str, Any] = {"": spec}
        self.workers: set[str] = set()
        self.stopped: dict[Hashable, Any] = {}
        self.calls: dict[str, Any] = {}
        self.shelf = Shelf(lease)


class Coordinator(SchedulerPlugin):
    """Lives in the scheduler and serves all runs of all clients."""

    name = PLUGIN
    idempotent = True

    def __init__(self) -> None:
        self.cases: dict[str, _Case] = {}
        self.closed: deque[str] = deque(maxlen=_CLOSED)
        self.awaited: dict[str, asyncio.Event] = {}
        self.scheduler: Any = None

    async def start(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        scheduler.handlers |= {
            "mce_open": self.open,
            "mce_close": self.close_run,
            "mce_join": self.join,
            "mce_publish": self.publish,
            "mce_published": self.published,
            "mce_claim": self.claim,
            "mce_record": self.record,
            "mce_called": self.called,
            "mce_stop": self.stop,
            "mce_path": self.path,
        }
        scheduler.stream_handlers |= {
            "mce-stop": self.told_to_stop,
            "mce-enter": self.enter,
            "mce-leave": self.leave,
            "mce-renew": self.renew,
        }

    # -- runs ---------------------------------------------------------------------------------------------------------

    def open(self, run: str, client: str, spec: Any, lease: float) -> None:
        """Begin a run."""
        self.cases[run] = _Case(client, spec, lease)
        if run in self.awaited:
            self.awaited[run].set()

    def close_run(self, run: str) -> None:
        """Forget a run, here and on its workers."""
        case = self.cases.pop(run, None)
        self.closed.append(run)
        if case is not None:
            case.shelf.close()
            self._tell(case, {"op": "mce-forget", "run": run})

    def remove_client(self, scheduler: Any, client: str) -> None:
        """Stop and forget the runs of a client that has gone."""
        for run in [run for run, case in self.cases.items() if case.client == client]:
            self.stop(run, ())
            self.close_run(run)

    def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
        for case in self.cases.values():
            case.workers.discard(worker)

    async def join(self, run: str, worker: str) -> Any:
        """Have a worker take part: give the spec and what was stopped so far; ``None`` if the run is over.

        A run is opened and its tasks are submitted at the same time, and a worker may be the first to come.
        """
        if run not in self.cases and run not in self.closed:
            opened = self.awaited.setdefault(run, asyncio.Event())
            with suppress(TimeoutError):
                async with asyncio.timeout(_OPENS):
                    await opened.wait()
            self.awaited.pop(run, None)
        case = self.cases.get(run)
        if case is None:
            return None
        case.workers.add(worker)
        return {"spec": case.published[""], "stopped": list(case.stopped.items())}

    def publish(self, run: str, name: str, data: Any) -> None:
        """Keep what a run made on its way for all its workers."""
        if run in self.cases:
            self.cases[run].published[name] = data

    def published(self, run: str, name: str) -> Any:
        """Give what was published; ``None`` if the run is over."""
        case = self.cases.get(run)
        return None if case is None else case.published.get(name)

    def path(self, run: str, key: Sequence[Any]) -> str:
        """Give the path of a task; empty if it is not known."""
        task = self.scheduler.tasks.get(tuple(key))
        return "" if task is None else str((task.annotations or {}).get("path", ""))

    # -- stopping -----------------------------------------------------------------------------------------------------

    def stop(self, run: str, scope: Any, but: Any = ()) -> None:
        """Stop what runs in a scope, on all workers; what has not begun will not begin.

        ``but`` is what decided that, which must be found again when its result is lost with a worker.
        """
        case = self.cases.get(run)
        if case is None or tuple(scope) in case.stopped:
            return
        case.stopped[tuple(scope)] = but
        self._tell(case, {"op": "mce-stop", "run": run, "scope": scope, "but": but})

    def told_to_stop(self, run: str, scope: Any, but: Any = (), worker: str = "") -> None:
        self.stop(run, scope, but)

    def _tell(self, case: _Case, message: dict[str, Any]) -> None:
        for worker in case.workers:
            stream = self.scheduler.stream_comms.get(worker)
            if stream is not None:
                stream.send(message)

    # -- calls that must not be made twice ----------------------------------------------------------------------------

    def claim(self, run: str, call: str) -> Any:
        """Say whether a call may be made: ``new``, or ``begun``, or what was recorded of it."""
        case = self.cases.get(run)
        if case is None:
            return "over"
        if call not in case.calls:
            case.calls[call] = "begun"
            return "new"
        return case.calls[call]

    def record(self, run: str, call: str, data: Any) -> None:
        """Keep what a call gave."""
        if run in self.cases:
            self.cases[run].calls[call] = data

    def called(self, run: str, inside: str) -> str:
        """Give the path of a call that was claimed and begins with ``inside``; empty if there is none."""
        case = self.cases.get(run)
        calls = () if case is None else case.calls
        return next((call.rpartition("@")[0] for call in calls if call.startswith(inside)), "")

    # -- what is shared under a name ----------------------------------------------------------------------------------

    def enter(self, run: str, holder: str, visit: int, what: str, declared: str, worker: str = "") -> None:
        """Have a visit enter, and tell its worker when it may; see :class:`mce.backends.cluster.sharing.Shelf`."""

        def tell(reply: dict[str, Any]) -> None:
            stream = self.scheduler.stream_comms.get(worker)
            if stream is not None:
                stream.send({"op": "mce-turn", "visit": visit, "reply": reply})

        if run in self.cases:
            self.cases[run].shelf.enter(holder, visit, what, declared, tell)
        else:
            tell({"over": True})

    def leave(self, run: str, holder: str, visit: int, succeeded: bool | None, worker: str = "") -> None:
        if run in self.cases:
            self.cases[run].shelf.leave(holder, visit, succeeded)

    def renew(self, run: str, holder: str, worker: str = "") -> None:
        if run in self.cases:
            self.cases[run].shelf.renew(holder)
