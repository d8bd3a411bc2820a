"""Values kept from run to run in files that processes share."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["FileStore"]


class FileStore:
    """Keeps each value in a file of its own in ``folder``, which is made if need be; safe across threads and processes.

    A file is written whole or not at all, and one that cannot be read as ours counts as nothing. ``clock`` gives the
    seconds by which values expire, the same in all processes.
    """

    def __init__(self, folder: str | os.PathLike[str], *, clock: Callable[[], float] = time.time) -> None:
        self.folder = Path(folder)
        self._clock = clock

    def get(self, key: str) -> bytes | None:
        """Give what was put under ``key``, or ``None`` if there is nothing, or nothing any more."""
        try:
            head, _, data = self._file(key).read_bytes().partition(b"\n")
            known = json.loads(head)
            fresh = known["until"] is None or self._clock() < known["until"]
            return data if known["key"] == key and fresh else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: str, data: bytes, ttl: float | None) -> None:
        """Keep ``data`` under ``key``, for ``ttl`` seconds or for ever."""
        self.folder.mkdir(parents=True, exist_ok=True)
        head = json.dumps({"key": key, "until": None if ttl is None else self._clock() + ttl})
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as part:
            part.write(head.encode() + b"\n" + data)
        os.replace(part.name, self._file(key))

    def _file(self, key: str) -> Path:
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()}.cached"

    def __repr__(self) -> str:
        return f"FileStore({str(self.folder)!r})"
