"""``--backend dask``: the cluster that ``mce run`` starts for itself, or the one whose scheduler it is told of."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields
from multiprocessing import resource_tracker
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from mce.cli.exits import Broken, WrongCall, complain
from mce.errors import ClusterError

if TYPE_CHECKING:
    from mce.backends.cluster.backend import DaskBackend
    from mce.backends.cluster.client import Client
    from mce.backends.cluster.uploads import Sources

__all__ = ["Cluster", "SchedulerOption", "TlsCa", "TlsCert", "TlsKey", "WorkersOption", "calling_cluster", "opened"]

SchedulerOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="ADDRESS", help="dask: the scheduler of a running cluster."),
]
WorkersOption: TypeAlias = Annotated[
    int | None, typer.Option("--workers", min=1, help="dask: worker processes to start here; else one a core.")
]
TlsCa: TypeAlias = Annotated[
    Path | None, typer.Option("--tls-ca", metavar="F.pem", help="dask: the authority that signed the scheduler's key.")
]
TlsCert: TypeAlias = Annotated[
    Path | None, typer.Option("--tls-cert", metavar="F.pem", help="dask: the certificate to show the scheduler.")
]
TlsKey: TypeAlias = Annotated[
    Path | None, typer.Option("--tls-key", metavar="F.pem", help="dask: its key, unless it is in the same file.")
]

_CONNECT = 10
"""Seconds to wait for a scheduler."""


@dataclass(frozen=True)
class Cluster:
    """What was said of the cluster on the command line."""

    scheduler: str | None = None
    workers: int | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @property
    def said(self) -> list[str]:
        """The options that were given."""
        return [f"--{f.name.replace('_', '-')}" for f in fields(self) if getattr(self, f.name) is not None]

    @property
    def tls(self) -> list[str]:
        return [option for option in self.said if option.startswith("--tls")]


@contextmanager
def opened(cluster: Cluster, folder: Path) -> Iterator[DaskBackend]:
    """Connect to the cluster, or start one, whose workers can import what was imported from ``folder``.

    Raises :class:`WrongCall` when the options exclude each other, Dask is not installed, or no scheduler is there.
    """
    _check(cluster)
    try:
        from mce.backends.cluster.backend import DaskBackend
        from mce.backends.cluster.uploads import PrintsToClient, sources_below
    except ModuleNotFoundError as missing:
        if missing.name not in ("dask", "distributed", "cloudpickle"):
            raise
        raise WrongCall("--backend dask needs Dask: pip install 'mce-agents[dask]'") from None
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # that a scheduler is lost is told by the run
    with ExitStack() as stack:
        backend = stack.enter_context(DaskBackend(*_place(cluster, stack), **_own(cluster)))
        client = _started(backend)
        sources = sources_below(folder)
        stack.callback(_withdraw, client, sources.name)
        _send(client, sources)
        if cluster.scheduler is None:
            client.register_plugin(PrintsToClient())
        elif not client.nthreads():
            complain(f"mce run: the scheduler at {cluster.scheduler} has no workers yet: waiting for one")
        yield backend


def _started(backend: DaskBackend) -> Client:
    try:
        with _interrupts_wait():
            return backend.connected()
    except (ClusterError, OSError, RuntimeError) as failed:
        raise Broken(f"the cluster cannot be started: {failed}") from None


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Hold back Ctrl-C: worker processes inherit this, for good, and so leave it to the command to end them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # as it starts, it lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _place(cluster: Cluster, stack: ExitStack) -> list[Client]:
    """Connect to the cluster that was named, if one was."""
    if cluster.scheduler is None:
        return []
    client = _connected(cluster, cluster.scheduler)
    stack.callback(client.close)
    return [client]


def _own(cluster: Cluster) -> dict[str, Any]:
    """Say what cluster to start, if none was named."""
    return {} if cluster.scheduler is not None else {"n_workers": cluster.workers or _cores()}


def _check(cluster: Cluster) -> None:
    if cluster.scheduler is not None and cluster.workers is not None:
        raise WrongCall("--workers starts a cluster here, and --scheduler names one that runs: say one of them")
    if cluster.tls and cluster.scheduler is None:
        raise WrongCall(f"{', '.join(cluster.tls)}: these are for a --scheduler ADDRESS")
    if cluster.tls and cluster.scheduler is not None and not cluster.scheduler.startswith("tls://"):
        _, _, address = cluster.scheduler.rpartition("://")
        raise WrongCall(f"{', '.join(cluster.tls)}: the scheduler's address must then be tls://{address}")
    for file in (cluster.tls_ca, cluster.tls_cert, cluster.tls_key):
        if file is not None and not file.is_file():
            raise WrongCall(f"there is no file {file}")


def _cores() -> int:
    from dask.system import CPU_COUNT

    return CPU_COUNT


def _connected(cluster: Cluster, address: str) -> Client:
    from mce.backends.cluster.client import connect

    security = _security(cluster, address)
    try:
        return connect(address, timeout=_CONNECT, security=security)
    except OSError as refused:
        raise WrongCall(
            f"no scheduler can be reached at {address}: {refused}; to start one: dask scheduler --port 8786"
        ) from None


def _security(cluster: Cluster, address: str) -> Any:
    """Give the keys that were named, else those of Dask's own configuration, if they and the address can be used.

    A client that fails over what can be seen here takes twenty seconds to give up.
    """
    from distributed import Security
    from distributed.comm.addressing import get_address_host_port

    make: Any = Security
    try:
        get_address_host_port(address)
    except ValueError as wrong:
        raise WrongCall(f"--scheduler {address} is no address, such as tcp://10.0.0.1:8786: {wrong}") from None
    named = {"tls_ca_file": cluster.tls_ca, "tls_client_cert": cluster.tls_cert, "tls_client_key": cluster.tls_key}
    try:
        security = make(**{name: str(file) for name, file in named.items() if file is not None})
        context = security.get_connection_args("client").get("ssl_context")
    except OSError as wrong:
        raise WrongCall(f"the keys for {address} cannot be used: {wrong}") from None
    if address.startswith("tls://") and context is None:
        raise WrongCall(
            f"{address} needs keys: say --tls-ca, --tls-cert and --tls-key, or name them in Dask's configuration, "
            f"distributed.comm.tls"
        )
    return security


def _send(client: Any, sources: Sources) -> None:
    """Send the workers what they are to import; a plugin that they could not load would make them hang."""
    try:
        client.run_on_scheduler(resolve_name, "mce:__name__")
        client.run(resolve_name, "mce:__name__")
        client.register_plugin(sources)
    except Exception as refused:  # by any of them, in whatever way
        problem = str(refused) or type(refused).__name__
        raise WrongCall(
            f"the cluster cannot take part: {problem}; "
            f"mce-agents must be installed where its scheduler and its workers run, in the same version as here"
        ) from None


def _withdraw(client: Any, name: str) -> None:
    if client.status == "running":
        with suppress(Exception):  # what was not sent cannot be withdrawn
            client.unregister_worker_plugin(name)


@contextmanager
def calling_cluster() -> Iterator[None]:
    """Turn a cluster that is lost in the middle of a run into :class:`Broken`."""
    try:
        yield
    except ClusterError as lost:
        raise Broken(str(lost)) from None
