"""The process of one library: makes a workload, checks it, and times a round whenever it is told to.

Answers are lines of JSON after a mark, since libraries print too.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from importlib.metadata import version
from typing import Any

from benchmarks.measure import Clock, Contest, Pair, Runner
from benchmarks.raw import awaits, nothing, task_group

__all__ = ["MARK", "WORKLOADS", "serve"]

MARK = "benchmark: "
WORKLOADS = {"chain": "chain", "fan-out, no-op": "fan_out"}


def summed(size: int) -> Runner:
    """Run the plain fan-out and add up what its branches gave."""
    run = task_group(nothing, size)

    async def total() -> int:
        return sum(await run())

    return total


def serve(library: str, workload: str, size: int) -> None:
    """Answer on standard output what is asked on standard input, line by line, until it ends."""
    try:
        module: Any = importlib.import_module(f"benchmarks.peers.{library}")
        make = getattr(module, WORKLOADS[workload], None)
        if make is None:
            _answer(problem="it has nothing like it")
            return
        baseline = awaits(size) if workload == "chain" else summed(size)
        clock: Clock = getattr(module, "CLOCK", "cpu")
        asyncio.run(_rounds(Contest(Pair(make(size), baseline, size), clock=clock), module))
    except Exception as error:
        _answer(problem=f"{type(error).__name__}: {error}"[:200])


async def _rounds(contest: Contest, module: Any) -> None:
    await contest.prepare()
    _answer(release=version(module.REQUIRES[0].partition("[")[0]))
    for turn, _ in enumerate(sys.stdin):
        _answer(seconds=await contest.go(turn))


def _answer(**fields: Any) -> None:
    print(MARK + json.dumps(fields), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
