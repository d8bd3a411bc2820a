"""A client in a process of its own: ``python -m benchmarks.cluster.apart mce|hand ADDRESS SIZE`` prints its growth.

That is by how many bytes its largest size in memory is more after a run of so many elements than after one of a few.
It needs Linux.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from distributed import Client

from benchmarks.cluster.pairs import large
from benchmarks.cluster.trial import Here

__all__ = ["main"]

_FEW = 100


def main(side: str, address: str, size: int) -> int:
    """Run both sizes on the cluster at ``address`` and give the difference in bytes; the values are checked."""
    open_client: Any = Client
    with open_client(address, set_as_default=False) as client:
        here = Here(None, client)
        run: Any = {"mce": "mce", "hand": "100 batches"}[side]
        large(here, _FEW).gauges[run]()
        before = _most()
        large(here, size).gauges[run]()
        return _most() - before


def _most() -> int:
    """Give the largest size so far: of this program alone, while ``getrusage`` counts what its parent had, too."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status does not say VmHWM")


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
