"""What all processes of a run share under a name: limits, rates and circuits, kept where the coordinator is."""

from __future__ import annotations

from typing import Any

__all__ = ["Shelf"]


class Shelf:
    """The shared things of one run."""

    def __init__(self, lease: float) -> None:
        self.lease = lease

    async def enter(self, visit: str, worker: str, what: str, declared: Any) -> Any:
        raise NotImplementedError

    def leave(self, visit: str, ended: Any) -> None:
        raise NotImplementedError

    def renew(self, worker: str) -> None:
        pass

    def close(self) -> None:
        pass
