"""Where a flow runs: in line, on anyio, in simulated time, on a cluster."""

from typing import TYPE_CHECKING, Any

from mce.backends.base import AnyioBackend
from mce.backends.inline import InlineBackend
from mce.backends.local import LocalBackend
from mce.engine.protocol import Backend

if TYPE_CHECKING:
    from mce.backends.simulated import SimulatedBackend

__all__ = ["AnyioBackend", "Backend", "InlineBackend", "LocalBackend", "SimulatedBackend"]


def __getattr__(name: str) -> Any:
    if name != "SimulatedBackend":  # loaded when it is asked for: production runs never do
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mce.backends.simulated import SimulatedBackend

    return SimulatedBackend
