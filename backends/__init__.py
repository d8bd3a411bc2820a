"""Where a flow runs: in line, on anyio, in simulated time, on a cluster."""

from mce.backends.base import AnyioBackend
from mce.backends.inline import InlineBackend
from mce.backends.local import LocalBackend
from mce.backends.simulated import SimulatedBackend
from mce.engine.protocol import Backend

__all__ = ["AnyioBackend", "Backend", "InlineBackend", "LocalBackend", "SimulatedBackend"]
