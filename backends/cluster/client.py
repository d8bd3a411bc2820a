"""What is used of Dask's client, with types: Dask's own functions have none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import distributed

__all__ = ["Client", "Future", "client_in_task", "connect", "future_of", "local_cluster"]


class Future(Protocol):
    """The result of a task of Dask's, which stays on the cluster as long as somebody holds it."""

    key: Any
    status: str

    def done(self) -> bool: ...
    def result(self) -> Any: ...
    def release(self) -> None: ...
    def add_done_callback(self, fn: Callable[[Any], object], /) -> None: ...


class Client(Protocol):
    """A ``distributed.Client`` that blocks."""

    id: str
    status: str
    scheduler: Any
    loop: Any
    security: Any
    asynchronous: bool

    def get(self, graph: Any, keys: Sequence[Any], /, *, sync: bool) -> list[Future]: ...
    def gather(self, futures: Sequence[Future], /) -> Sequence[Any]: ...
    def scatter(self, data: Any, /, *, broadcast: bool, hash: bool) -> Any: ...
    def nthreads(self) -> dict[str, int]: ...
    def subscribe_topic(self, topic: str, handler: Callable[[Any], object], /) -> None: ...
    def register_plugin(self, plugin: Any, /) -> Any: ...
    def close(self) -> None: ...


def connect(*where: Any, **options: Any) -> Client:
    """Open a client, which is not made the default one."""
    make: Any = distributed.Client
    return cast(Client, make(*where, set_as_default=False, **options))


def local_cluster(**arguments: Any) -> Any:
    """Start a cluster of worker processes on this machine."""
    make: Any = distributed.LocalCluster
    return make(**arguments)


def client_in_task() -> Client:
    """Give the client of the worker that runs the task of this thread."""
    return cast(Client, distributed.get_client())


def future_of(key: Any, client: Client) -> Future:
    """Give a future of a task that was submitted."""
    make: Any = distributed.Future
    return cast(Future, make(key, client))
