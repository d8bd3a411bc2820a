"""Where a flow runs: in line, on anyio, in simulated time, on a cluster."""

from typing import TYPE_CHECKING, Any

from mce.backends.base import AnyioBackend
from mce.backends.inline import InlineBackend
from mce.backends.local import LocalBackend
from mce.engine.protocol import Backend

if TYPE_CHECKING:
    from mce.backends.cluster.backend import DaskBackend as DaskBackend  # not in __all__: import * must not need Dask
    from mce.backends.simulated import SimulatedBackend

__all__ = ["AnyioBackend", "Backend", "InlineBackend", "LocalBackend", "SimulatedBackend"]


def __getattr__(name: str) -> Any:
    # Loaded when it is asked for: few processes run a cluster, and production runs never simulate.
    if name == "SimulatedBackend":
        from mce.backends.simulated import SimulatedBackend

        return SimulatedBackend
    if name == "DaskBackend":
        try:
            from mce.backends.cluster.backend import DaskBackend
        except ModuleNotFoundError as missing:
            if missing.name not in ("dask", "distributed"):
                raise
            raise ImportError("DaskBackend needs Dask: pip install 'mce-agents[dask]'") from None
        return DaskBackend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
