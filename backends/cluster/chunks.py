"""What tasks of Dask do with the branches of a fork that are many: some of them each, a chunk.

A chunk tells whoever drives the fork how it ended and how long the worker was busy with it; see ``fan.py``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from mce.backends.cluster.host import Hosted, hosted
from mce.backends.cluster.steps import engine_run, runs_in_turn
from mce.backends.cluster.wire import SAME, Chunk, Ended, Packed, sendable, unpack
from mce.backends.cluster.work import broken_end, located, start_of
from mce.engine.branches import Branch, EachRegion, End, ForkRegion, run_branch
from mce.engine.fiber import Fiber
from mce.engine.pieces import Address, Around, block_at, part, root_of
from mce.errors import ClusterError
from mce.outcome import Place

__all__ = ["Fork", "chunk", "concatenated"]


@dataclass(frozen=True, slots=True)
class Fork:
    """A fork of which chunks run: operation ``at`` of the block at ``address``; published once to all workers.

    In a ``program`` that a run published on its way the fork is the only operation, and ``around`` says what is around.
    ``tells`` who drives it, under ``reply_to``, how each chunk ended.
    """

    program: str
    address: Address
    at: int
    scope: tuple[Any, ...]
    scopes: frozenset[Any]
    around: Around
    spreads: bool = False
    in_turn: bool = False
    tells: bool = True
    reply_to: str = ""


def chunk(run_id: str, fork: str, low: int, high: int, before: Ended | Packed | None) -> Chunk:
    """Run the branches from ``low`` to before ``high`` of a published fork.

    ``before`` is the end before it or, of a fork within a task, the state and the branches' inputs.
    """
    here = hosted(run_id)  # what prevents that fails the run, however branches meet
    at: Fork = here.published(fork)
    scopes = at.scopes | {(fork, low)}
    try:
        found = here.run(scopes, partial(_chunk, at, fork, low, high, before, here))
    except (Exception, KeyboardInterrupt, SystemExit) as broken:
        _tell(at, fork, here, low, 1.0, high - low, high - low)
        return _broken_chunk(low, high - low, broken)
    return found or Chunk(low, high - low, (), None)


async def _chunk(at: Fork, name: str, low: int, high: int, before: Ended | Packed | None, here: Hosted) -> Chunk:
    block = block_at(here.program(at.program), at.address)
    region: Any = block.ops[at.at]
    if isinstance(before, Packed):
        state, inputs = unpack(before)
        end: End | None = End(None, None, state, None)
    else:
        end = start_of(here) if before is None else before.open()
        inputs = None if end is None or end.fault is not None else _inputs(region, end.value, low, high)
    if end is None or inputs is None:
        return Chunk(low, high - low, (), None)
    branches = _branches(region, inputs, low)
    alone = runs_in_turn(branches)
    run = await engine_run(here, alone=alone, scopes=at.scopes | {(name, low)}, spreads=at.spreads)
    fiber = root_of(run, part(block, at.at, at.at + 1), end.state, at.around)
    next(ops := iter(fiber.block.ops))
    fiber.ops = ops
    in_turn = at.in_turn or alone
    clock = time.perf_counter if in_turn else time.thread_time
    begun = clock()
    if len(branches) == 1:
        ends: list[End | None] = [await run_branch(fiber, branches[0], branches[0].block)]
        order = [0]
    else:
        ends, order = await region.run(fiber, branches, 1 if in_turn else None)
    seconds = clock() - begun
    failed = sum(one is not None and one.fault is not None for one in ends)
    if failed and region.mode == "fail_fast":
        here.tell("mce-stop", scope=at.scope, but=[(name, low)])
    _tell(at, name, here, low, seconds, len(order), failed)
    return _chunk_of(low, ends, order, fiber, region)


def _tell(at: Fork, name: str, here: Hosted, low: int, seconds: float, ended: int, failed: int) -> None:
    if here.outbox is not None:
        here.outbox.flush()
    if at.tells:
        told = {"fan": name, "low": low, "seconds": seconds, "ended": ended, "failed": failed}
        here.worker.log_event(at.reply_to, told)


def _inputs(region: Any, value: Any, low: int, high: int) -> list[Any]:
    return value[low:high] if isinstance(region, EachRegion) else [value] * (high - low)


def _branches(region: ForkRegion, inputs: Sequence[Any], low: int) -> list[Branch]:
    if isinstance(region, EachRegion):
        return [Branch(region.blocks[0], value, region, low + at) for at, value in enumerate(inputs)]
    return [Branch(region.blocks[low + at], value) for at, value in enumerate(inputs)]


def _chunk_of(low: int, ends: list[End | None], order: Sequence[int], fiber: Fiber, region: ForkRegion) -> Chunk:
    """Pack ends; the state of a branch that did not change it is known where they meet."""
    for end in ends:
        if end is not None:
            if end.fault is not None:
                located(end.fault, fiber)
            if end.state is fiber.state:
                end.state = SAME
    if all(end is None or end.fault is None for end in ends):
        with suppress(ClusterError):
            return Chunk.of(low, order, ends)
    place = fiber.within(region.name)
    sent = [end and sendable(end, Place(f"{place}[{low + at}]")) for at, end in enumerate(ends)]
    return Chunk.of(low, order, sent)


def _broken_chunk(low: int, size: int, broken: BaseException) -> Chunk:
    return Chunk.of(low, range(size), [broken_end(broken)] * size)


def concatenated(*chunks: Chunk) -> Chunk:
    """Make one chunk of several that follow each other."""
    low = chunks[0].low
    ends = [end for one in chunks for end in one.ends()]
    return Chunk.of(low, [one.low - low + found for one in chunks for found in one.order], ends)
