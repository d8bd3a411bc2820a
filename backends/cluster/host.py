"""What a worker process keeps of the runs it takes part in: their programs, dependencies, and what runs here now.

Tasks of Dask come in threads of the worker. Each has an event loop for itself, in which the engine runs and which later
ones take over; the worker's loop is only asked to talk. Stopping a scope reaches the cancel scopes of all tasks in it.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import anyio
from distributed import Worker, get_worker, secede

from mce.backends.cluster.ends import Ends
from mce.backends.cluster.outbox import Outbox
from mce.backends.cluster.sheet import Needs
from mce.backends.cluster.wire import Packed, unpack
from mce.engine.blocks import Block
from mce.engine.compile import compile_node, compile_region
from mce.engine.run import made
from mce.errors import ClusterError
from mce.syntax import Node

__all__ = ["Hosted", "Spec", "hosted"]

T = TypeVar("T")

_MOMENT = 0.002
"""Seconds that a task may wait without making room for others."""


@dataclass(frozen=True, slots=True)
class Spec:
    """All that a worker must know of a run: sent once to each worker that takes part in it."""

    run_id: str
    flow: Packed
    """Its node, packed by itself: a worker keeps the flows that it has loaded."""
    input: Any
    state: Any
    deps: Any
    topic: str | None
    """Where events are told to; ``None`` when nobody listens."""
    reply_to: str
    """Where the end of the run is told to."""
    validate: bool
    careful: bool
    spread_from: int
    """The least number of branches that a fork within a task must have for them to become tasks."""
    chunk: int | None
    needs: Needs
    waiting: int
    """How many tasks of a worker may wait aside, so that others run."""
    lease: float


class _Selector(selectors.DefaultSelector):
    """Says when an event loop is about to wait for longer than a moment."""

    idle: Callable[[], None] | None = None

    def select(self, timeout: float | None = None) -> Any:
        if self.idle is None or (timeout is not None and timeout <= _MOMENT):
            return super().select(timeout)
        found = super().select(_MOMENT)
        if found:
            return found
        idle, self.idle = self.idle, None
        idle()
        return super().select(None if timeout is None else max(0.0, timeout - _MOMENT))


class _Loop:
    """An event loop for one task after the other, in whatever thread; what is made in it lasts as long as it."""

    def __init__(self) -> None:
        self.selector = _Selector()
        self.loop = asyncio.SelectorEventLoop(self.selector)
        self.deps: WeakKeyDictionary[Hosted, Any] = WeakKeyDictionary()
        self.aside = False

    def end_all(self) -> None:
        """Cancel what is left in the loop, and run it to its end."""
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        if left:
            self.loop.run_until_complete(asyncio.wait(left))

    def __del__(self) -> None:
        self.loop.close()


_free: list[_Loop] = []
_here = threading.local()


def _loop_here() -> _Loop:
    """Give the loop of the task of this thread."""
    found: _Loop = _here.loop
    return found


class Hosted:
    """One run on one worker."""

    def __init__(self, run_id: str, worker: Worker, ends: Ends) -> None:
        self.run_id = run_id
        self.worker = worker
        self.ends = ends
        self.address: str = worker.address
        self.lock = threading.Lock()
        """Of what runs here; the worker's event loop takes it too, so that nothing is waited for under it."""
        self.loading = threading.RLock()
        """Of what is fetched or made once."""
        self.spec: Spec
        self.root: Block
        self.outbox: Outbox | None = None
        self._programs: dict[str, Block] = {}
        self._published: dict[str, Any] = {}
        self._stopped: dict[Hashable, frozenset[Hashable]] = {}
        self._running: dict[object, tuple[frozenset[Hashable], Callable[[], object]]] = {}
        self._deps: tuple[Any] | None = None
        self._aside = 0
        self._over = False

    def join(self) -> None:
        """Ask for the run; raises :class:`mce.ClusterError` if it is over, or if its flow cannot be loaded here."""
        reply = self.wait_for("mce_join", worker=self.address)
        if reply is None:
            raise ClusterError(f"run {self.run_id} is over")
        for scope, but in reply["stopped"]:
            self.stop(_scope(scope), frozenset(map(_scope, but)))
        try:
            self.spec = unpack(Packed(*reply["spec"]))
            node = _loaded(self.spec.flow)
        except ClusterError as broken:
            raise ClusterError(
                f"worker {self.address} cannot load the flow: {broken}. Its modules must be importable there"
            ) from broken
        self.root = compile_node(node, self.spec.careful)
        if self.spec.topic is not None:
            self.outbox = Outbox(self.worker, self.spec.topic, self.run_id)

    # -- talking ------------------------------------------------------------------------------------------------------

    async def ask(self, route: str, **message: Any) -> Any:
        """Ask the coordinator, from the event loop of a task."""
        return await asyncio.wrap_future(self._asked(route, message))

    def wait_for(self, route: str, **message: Any) -> Any:
        """The same from plain code."""
        return self._asked(route, message).result()

    def _asked(self, route: str, message: dict[str, Any]) -> Any:
        scheduler: Any = self.worker.scheduler
        asking = getattr(scheduler, route)(run=self.run_id, **message)
        return asyncio.run_coroutine_threadsafe(asking, self.worker.loop.asyncio_loop)  # type: ignore[attr-defined]

    def tell(self, op: str, **message: Any) -> None:
        """Tell the coordinator something, in order with what this worker tells the scheduler of its tasks."""
        if self.outbox is not None:
            self.outbox.flush()
        self.worker.loop.add_callback(self.worker.batched_send, {"op": op, "run": self.run_id, **message})

    # -- what runs ----------------------------------------------------------------------------------------------------

    def run(self, scopes: frozenset[Hashable], main: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        """Run ``main`` in a loop of ours to its end; ``None`` if one of its scopes is stopped before that."""
        try:
            loop = _free.pop()
        except IndexError:
            loop = _Loop()
        _here.loop, loop.aside = loop, False
        loop.selector.idle = lambda: self.make_room(at_most=self.spec.waiting)
        try:
            return loop.loop.run_until_complete(self._run(scopes, main))
        except (KeyboardInterrupt, SystemExit):  # raised in a branch, it ends the loop under the others
            loop.end_all()
            raise
        finally:
            loop.selector.idle = None
            if loop.aside:
                with self.lock:
                    self._aside -= 1
            _free.append(loop)

    def make_room(self, *, at_most: float = float("inf")) -> None:
        """Give up the place of this thread's task among those that the worker runs at once; the task itself goes on.

        Not if ``at_most`` others have given up theirs.
        """
        loop = _loop_here()
        with self.lock:
            if loop.aside or self._aside >= at_most:
                return
            self._aside += 1
        loop.aside = True
        step_aside: Any = secede
        step_aside()

    async def _run(self, scopes: frozenset[Hashable], main: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        loop, key, found = asyncio.get_running_loop(), object(), None
        with anyio.CancelScope() as cancelling:
            with self.lock:
                if self.is_stopped(scopes):
                    return None
                self._running[key] = scopes, (lambda: loop.call_soon_threadsafe(cancelling.cancel))
            try:
                found = await main()
            finally:
                with self.lock:
                    del self._running[key]
        return found

    def stop(self, scope: Hashable, but: frozenset[Hashable]) -> None:
        """Stop what runs in ``scope``, and let nothing in it begin any more, except what is ``but`` or in it."""
        with self.lock:
            self._stopped[scope] = but
            for inside, cancel in self._running.values():
                if scope in inside and but.isdisjoint(inside):
                    cancel()

    def is_stopped(self, scopes: frozenset[Hashable]) -> bool:
        """Whether nothing in ``scopes`` is to run any more."""
        stopped = self._stopped
        if not stopped:
            return self._over
        return self._over or any(scope in stopped and stopped[scope].isdisjoint(scopes) for scope in scopes)

    def forget(self) -> None:
        """The run is over: stop what is left of it."""
        with self.lock:
            self._over = True
            for _, cancel in self._running.values():
                cancel()

    # -- what it needs ------------------------------------------------------------------------------------------------

    async def deps(self) -> Any:
        """Give the dependencies, made by a plain factory once in this process and by an async one once in a loop."""
        given = self.spec.deps
        if asyncio.iscoroutinefunction(getattr(given, "func", given)):
            kept = _loop_here().deps
            if self not in kept:
                kept[self] = await made(given, _in_loop)
            return kept[self]
        with self.loading:
            if self._deps is None:
                self._deps = (await made(given, _in_loop),)
            return self._deps[0]

    def published(self, name: str) -> Any:
        """Give what the run published on its way under ``name``; asked for once."""
        found = self._published.get(name)
        if found is None:
            with self.loading:
                if name not in self._published:
                    reply = self.wait_for("mce_published", name=name)
                    if reply is None:
                        raise ClusterError(f"run {self.run_id} is over")
                    self._published[name] = unpack(Packed(*reply))
                found = self._published[name]
        return found

    def program(self, name: str) -> Block:
        """Give the block of the flow, or of a fork that the run met on its way and published under ``name``."""
        if not name:
            return self.root
        with self.loading:
            if name not in self._programs:
                self._programs[name] = compile_region(*self.published(name))
            return self._programs[name]


async def _in_loop() -> None:
    """Tell that an event loop is running."""


_flows: OrderedDict[bytes, Node] = OrderedDict()
_KEPT = 32


def _loaded(flow: Packed) -> Node:
    """Unpack a flow, unless the same was unpacked before; compiled forms are kept with its node."""
    name = blake2b(flow.data, digest_size=16).digest()
    with _knowing:
        found = _flows.get(name)
        if found is not None and not flow.buffers:
            _flows.move_to_end(name)
            return found
    node: Node = unpack(flow)
    with _knowing:
        _flows[name] = node
        if len(_flows) > _KEPT:
            _flows.popitem(last=False)
    return node


_known: WeakKeyDictionary[Worker, dict[str, Hosted]] = WeakKeyDictionary()
_ends: WeakKeyDictionary[Worker, Ends] = WeakKeyDictionary()
_knowing = threading.RLock()


def hosted(run_id: str) -> Hosted:
    """Give what this worker keeps of a run; raises :class:`mce.ClusterError` if it cannot take part."""
    worker = get_worker()
    with _knowing:
        runs = _known.get(worker)
        if runs is None:
            runs = _known[worker] = {}
            _listen(worker, runs)
        found = runs.get(run_id)
        if found is None:
            found = runs[run_id] = Hosted(run_id, worker, _ends[worker])
    with found.loading:
        if not hasattr(found, "spec"):
            try:
                found.join()
            except BaseException:
                with _knowing:
                    runs.pop(run_id, None)
                raise
    return found


def _listen(worker: Worker, runs: dict[str, Hosted]) -> None:
    """Have the worker heed what the coordinator tells it, and tell how runs end."""

    def stop(run: str, scope: Any, but: Any, **_: Any) -> None:
        if run in runs:
            runs[run].stop(_scope(scope), frozenset(map(_scope, but)))

    def forget(run: str, **_: Any) -> None:
        if run in runs:
            runs.pop(run).forget()

    worker.stream_handlers |= {"mce-stop": stop, "mce-forget": forget}
    ends = _ends[worker] = Ends()
    worker.loop.add_callback(worker.plugin_add, ends)


def _scope(found: Any) -> Hashable:
    """Give a scope as it was before the wire made a list of it."""
    return tuple(found) if isinstance(found, list) else found
