"""Where the time of a workload goes, by function, as ``cProfile`` sees it: calls look dearer than they are."""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.suite import WORKLOADS
from benchmarks.workload import Workload

__all__ = ["profile_all", "shares"]

LARGE = 5_000
_SHOWN = 6


def profile_all(*, only: str = "") -> Iterator[str]:
    """Give a Markdown table, line by line: the functions with the largest shares of each workload on asyncio."""
    yield "| workload | share of the time |"
    yield "|---|---|"
    for workload in WORKLOADS:
        if only in workload.name and workload.loop == "asyncio" and not workload.waits:
            found = shares(workload, min(LARGE, max(workload.sizes)))
            top = [f"{share:.0%} `{name}`" for name, share in found[:_SHOWN]]
            yield f"| {workload.name} | {', '.join(top)} |"


def shares(workload: Workload, size: int) -> list[tuple[str, float]]:
    """Give every function that the third run of ``workload`` called and its share of the time, largest first."""
    runner = workload.make(size).subject
    profiler = cProfile.Profile()

    async def main() -> None:
        for _ in range(2):
            await runner()
        profiler.enable()
        await runner()
        profiler.disable()

    asyncio.run(main())
    stats: Any = pstats.Stats(profiler)
    total = sum(spent for _, _, spent, _, _ in stats.stats.values())
    found: defaultdict[str, float] = defaultdict(float)
    for (file, _, function), (_, _, spent, _, _) in stats.stats.items():
        found[_title(file, function)] += spent / total
    return sorted(found.items(), key=lambda each: -each[1])


def _title(file: str, function: str) -> str:
    """Name a function by its module, as ``loop.execute``, and a built-in one without its address."""
    return re.sub(" (of|at) .*", "", function.strip("<>")) if file == "~" else f"{Path(file).stem}.{function}"
