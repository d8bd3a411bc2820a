"""What needs a process of its own: the time to import, the memory of pending branches, and what finished runs leave.

Each side is a program that checks itself and prints one number; the sides alternate.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Measured, WrongResult, summarise

__all__ = ["FRESH", "Program", "run_program"]

ROOT = Path(__file__).parents[1]

_IMPORT = """
import time
begun = time.process_time()
import {name}
print(time.process_time() - begun)
"""

_PENDING = """
import tracemalloc
import anyio
SIZE = {size}

async def main():
    count = 0
    released = anyio.Event()

    async def wait(_):
        nonlocal count
        count += 1
        if count == SIZE:
            print(tracemalloc.get_traced_memory()[1])
            released.set()
        await released.wait()
        return 1

    tracemalloc.start()
    SUBJECT
anyio.run(main)
"""

_HERE = _PENDING.replace(
    "SUBJECT",
    """flow = gather(*[step(wait)] * SIZE)
    assert sum((await flow.run(None)).unwrap()) == SIZE""",
).replace("import anyio", "import anyio\nfrom mce import gather, step")

_RAW = _PENDING.replace(
    "SUBJECT",
    """async with anyio.create_task_group() as group:
        for _ in range(SIZE):
            group.start_soon(wait, None)
    assert count == SIZE""",
)

_LEFT = """
import asyncio
import gc
import sys
from mce import iterate, step

@step
async def inc(x: int) -> int:
    return x + 1

def left(turns):
    flow = iterate(inc, until=lambda value: value >= turns)(0)

    async def main():
        assert (await flow.run()).unwrap() == turns
        gc.collect()
        before = sys.getallocatedblocks()
        outcome = await flow.run()
        gc.collect()
        assert outcome.unwrap() == turns
        return sys.getallocatedblocks() - before

    return max(1, asyncio.run(main()))
print(left({size}))
"""


@dataclass(frozen=True)
class Program:
    """Two programs that each print a number, the size they are for, and the ratio to reach."""

    name: str
    baseline: str
    subject: str
    raw: str
    size: int
    quick: int
    target: float | None = None


FRESH = [
    Program("import", "import pydantic", _IMPORT.format(name="mce"), _IMPORT.format(name="pydantic"), 1, 1, 3),
    Program("memory of pending branches", "anyio tasks", _HERE, _RAW, 100_000, 10_000, 1.5),
    Program("blocks a loop leaves", "one turn", _LEFT, _LEFT.replace("{size}", "1"), 1_000_000, 10_000),
]


def run_program(program: Program, size: int, rounds: int) -> Measured:
    """Run both sides of ``program`` in turn, ``rounds`` times; raises ``WrongResult`` if one of them fails."""
    found = []
    with tempfile.TemporaryDirectory() as compiled:
        for _ in range(rounds + 1):
            sources = (program.subject, program.raw)
            subject, raw = (_printed(source.replace("{size}", str(size)), program.name, compiled) for source in sources)
            found.append((subject, raw))
    return summarise(found[1:])  # the first round compiled the modules, as an installation does


def _printed(source: str, name: str, compiled: str) -> float:
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    env |= {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": compiled}
    done = subprocess.run([sys.executable, "-c", source], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WrongResult(f"{name}: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    return float(done.stdout)
