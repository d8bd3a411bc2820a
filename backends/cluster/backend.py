"""``DaskBackend``: a flow becomes tasks of a Dask cluster, in one submission where that is possible."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar, cast

import anyio
import anyio.to_thread
import distributed

from mce.backends.base import AnyioBackend
from mce.backends.cluster.client import Client, connect, local_cluster
from mce.backends.cluster.driver import Driver
from mce.backends.cluster.host import Spec
from mce.backends.cluster.sheet import Needs
from mce.backends.cluster.wire import pack
from mce.engine.branches import End
from mce.engine.fiber import Run
from mce.engine.protocol import Backend, Remote
from mce.errors import ClusterError, DefinitionError, UsageError
from mce.pickling import Flat
from mce.syntax import Arguments, Node, StepSpec

__all__ = ["DaskBackend"]

T = TypeVar("T")

_CONNECT = 5.0
"""Seconds within which a scheduler must answer."""


class DaskBackend(AnyioBackend):
    """Runs flows on a Dask cluster.

    ``cluster`` is a ``distributed.Client``, the address of a scheduler (``"tcp://10.0.0.1:8786"``), or a cluster object
    of one of Dask's deployment packages. Without one a ``LocalCluster`` is started at the first run, with ``arguments``
    such as ``n_workers=4, threads_per_worker=1``. What this backend opened, ``close()`` or the end of a ``with`` block
    closes.

    Sequences of steps are one task, branches of a fork are tasks of their own that are submitted together, and what
    they give goes from worker to worker. ``chunk`` is how many branches of a wide fork go into a task; without it, the
    first are measured and a chunk made to keep a worker busy for about 0.1 s. A fork inside a loop, a handler or a
    dynamic region runs in the task that it is in, unless it has at least ``spread_from`` branches. A task that waits
    makes room for another on its worker; ``waiting`` is how many may do so at once on each. ``lease`` is for how many
    seconds a worker that is not heard of keeps the places of limits that it holds.

    ``resources``, ``workers`` and ``priority`` hold for all tasks of a run; steps may ask for more resources with
    ``@step(resources={"GPU": 1})``.

    Raises :class:`mce.ClusterError` when there is no scheduler, or none any more.
    """

    def __init__(
        self,
        cluster: Any = None,
        *,
        chunk: int | None = None,
        spread_from: int = 64,
        waiting: int = 32,
        lease: float = 30.0,
        resources: Mapping[str, float] | None = None,
        workers: Sequence[str] = (),
        priority: int = 0,
        **arguments: Any,
    ) -> None:
        if cluster is not None and arguments:
            given = ", ".join(arguments)
            raise DefinitionError(f"DaskBackend({cluster!r}, {given}=...): these are for a LocalCluster of its own")
        if chunk is not None and chunk < 1:
            raise DefinitionError(f"DaskBackend(chunk={chunk!r}): a chunk has at least one branch")
        if spread_from < 2:
            raise DefinitionError(f"DaskBackend(spread_from={spread_from!r}): a fork has at least two branches")
        if waiting < 0:
            raise DefinitionError(f"DaskBackend(waiting={waiting!r}): as many tasks as wait, 0 or more")
        if not lease > 0:
            raise DefinitionError(f"DaskBackend(lease={lease!r}): a lease is a positive number of seconds")
        self.cluster = cluster
        self.chunk = chunk
        self.spread_from = spread_from
        self.waiting = waiting
        self.lease = lease
        self.needs = Needs(tuple(sorted((resources or {}).items())), tuple(workers), priority)
        self.arguments = arguments
        client: Any = cluster
        blocks = isinstance(cluster, distributed.Client) and not cluster.asynchronous
        self._client: Client | None = client if blocks else None
        self._closing: Callable[[], object] | None = None
        self._last: Flat | None = None
        self._lock = threading.Lock()

    @property
    def client(self) -> distributed.Client:
        """The client that it talks through, which is opened when it is first asked for."""
        return cast("distributed.Client", self.connected())

    def connected(self) -> Client:
        """Give the same, with the types that are used here."""
        with self._lock:
            if self._client is None or (self._closing is not None and self._client.status == "closed"):
                self._client = self._opened()
            return self._client

    def _opened(self) -> Client:
        if self.cluster is None:
            options = {"dashboard_address": ":0", **self.arguments}
            cluster = local_cluster(**options)
            client = connect(cluster)
            self._closing = weakref.finalize(self, _close, client, cluster)
            return client
        if isinstance(self.cluster, distributed.Client):  # an asynchronous one belongs to its own event loop
            scheduler = self.cluster.scheduler
            address, security = (scheduler.address if scheduler is not None else None), self.cluster.security
        else:
            address, security = self.cluster, None
        try:
            client = connect(address, security=security, timeout=_CONNECT)
        except (OSError, TimeoutError) as refused:
            raise ClusterError(f"there is no scheduler at {address}: {refused}. Start one, or name another") from None
        self._closing = weakref.finalize(self, _close, client)
        return client

    def now(self) -> float:
        """Seconds of the epoch, as in the events of workers."""
        return time.time()

    @property
    def remote(self) -> Remote:
        """Carries out flows on the cluster."""
        return self._carry_out

    async def _carry_out(self, run: Run, node: Node, value: Any, state: Any) -> End:
        if run.probe is not None:
            raise UsageError("a DaskBackend has no fault points: test with SimulatedBackend")
        client = self._client if self._closing is None else None  # not one of its own, which may have been closed
        if client is None:
            client = await anyio.to_thread.run_sync(self.connected)
        if isinstance(value, Iterator):
            value = _listed(value)

        flow = pack(self._flat(node))  # what cannot be sent is found here

        def spec(reply_to: str) -> Spec:
            return Spec(
                run.run_id,
                flow,
                value,
                state,
                run.deps,
                reply_to if run.listener is not None else None,
                reply_to,
                run.validate,
                run.careful or value.__class__ is Arguments,
                self.spread_from,
                self.chunk,
                self.needs,
                self.waiting,
                self.lease,
            )

        return await Driver(client, node, spec, run.listener, self.needs).run()

    def _flat(self, node: Node) -> Flat:
        """Give what is pickled for a flow; often it is that of the run before."""
        found = self._last
        if found is None or found.root is not node:
            found = self._last = Flat(node)
        return found

    async def call(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: StepSpec
    ) -> Any:
        raise UsageError("the steps of a run on a cluster are called on its workers")

    def run_sync(self, main: Callable[[Backend], Coroutine[Any, Any, T]], *, needs_loop: bool) -> T:
        return anyio.run(self.run, main)

    def close(self) -> None:
        """Close what this backend opened: its client, and its own cluster."""
        with self._lock:
            closing, self._closing = self._closing, None
            if closing is not None:
                self._client = None
                closing()

    def __enter__(self) -> DaskBackend:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self.cluster is None:
            return f"DaskBackend({', '.join(f'{name}={value!r}' for name, value in self.arguments.items())})"
        return f"DaskBackend({self.cluster!r})"


class _CutShort:
    """The elements of an iterator that raised ``error`` after them."""

    def __init__(self, elements: list[Any], error: Exception) -> None:
        self.elements = elements
        self.error = error

    def __iter__(self) -> Iterator[Any]:
        yield from self.elements
        raise self.error


def _listed(values: Iterator[Any]) -> list[Any] | _CutShort:
    """Give what can be sent of an iterator, which cannot."""
    found: list[Any] = []
    try:
        found.extend(values)
    except Exception as error:
        return _CutShort(found, error)
    return found


def _close(*opened: Any) -> None:
    for one in opened:
        one.close()
