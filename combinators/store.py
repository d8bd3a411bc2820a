"""Where cached values are kept from run to run, as bytes: here in memory, in ``mce.combinators.filestore`` in files."""

from __future__ import annotations

import time
from collections.abc import Callable

from mce.shared import Store

__all__ = ["MemoryStore", "Store"]


class MemoryStore:
    """Keeps values as long as this object lives; ``clock`` gives the seconds by which they expire.

    >>> store = MemoryStore()
    >>> store.put("a", b"1", None)
    >>> store.get("a"), store.get("b")
    (b'1', None)
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[bytes, float | None]] = {}

    def get(self, key: str) -> bytes | None:
        """Give what was put under ``key``, or ``None`` if there is nothing, or nothing any more."""
        data, until = self._kept.get(key, (None, None))
        return data if until is None or self._clock() < until else None

    def put(self, key: str, data: bytes, ttl: float | None) -> None:
        """Keep ``data`` under ``key``, for ``ttl`` seconds or for ever."""
        self._kept[key] = (data, None if ttl is None else self._clock() + ttl)

    def __repr__(self) -> str:
        return f"<MemoryStore of {len(self._kept)}>"
