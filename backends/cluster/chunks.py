"""What tasks of Dask do with the branches of a fork that are many: some of them each, a chunk.

A chunk tells whoever drives the fork how it ended and how long the worker was busy with it; see ``fan.py``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from distributed import get_worker

from mce.backends.cluster.host import Hosted, hosted
from mce.backends.cluster.steps import engine_run, runs_in_turn
from mce.backends.cluster.wire import SAME, Chunk, Ended, Packed, pack, sendable, unpack
from mce.backends.cluster.work import broken_end, located, start_of
from mce.engine.branches import Branch, EachRegion, End, ForkRegion
from mce.engine.fiber import Fiber
from mce.engine.pieces import Address, Around, block_at, part, root_of
from mce.errors import ClusterError
from mce.outcome import Place

__all__ = ["ChunkAt", "chunk", "concatenated"]


@dataclass(frozen=True, slots=True)
class ChunkAt:
    """The branches from ``low`` to before ``high`` of the fork that is operation ``at`` of the block at ``address``.

    In a ``program`` that a run published on its way the fork is the only operation, and ``around`` says what is around.
    """

    run_id: str
    program: str
    address: Address
    at: int
    low: int
    high: int
    scope: tuple[Any, ...]
    scopes: frozenset[Any]
    around: Around
    reply_to: str = ""
    fan: str = ""
    spreads: bool = False
    in_turn: bool = False


def chunk(at: ChunkAt, before: Ended | Packed | None) -> Chunk:
    """Run some branches of a fork, given what was before it or, of a fork within a task, the branches' inputs."""
    try:
        here = hosted(at.run_id)
        found = here.run(at.scopes, partial(_chunk, at, before, here))
    except (Exception, KeyboardInterrupt, SystemExit) as broken:
        return _broken_chunk(at, broken)
    return found or Chunk(at.low, at.high - at.low, (), None)


async def _chunk(at: ChunkAt, before: Ended | Packed | None, here: Hosted) -> Chunk:
    block = block_at(here.program(at.program), at.address)
    region: Any = block.ops[at.at]
    if isinstance(before, Packed):
        state, inputs = unpack(before)
        end: End | None = End(None, None, state, None)
    else:
        end = start_of(here) if before is None else before.open()
        inputs = None if end is None or end.fault is not None else _inputs(region, end.value, at.low, at.high)
    size = at.high - at.low
    if end is None or inputs is None:
        return Chunk(at.low, size, (), None)
    branches = _branches(region, inputs, at.low)
    alone = at.in_turn or runs_in_turn(branches)
    run = await engine_run(here, alone=alone, scopes=at.scopes, spreads=at.spreads)
    fiber = root_of(run, part(block, at.at, at.at + 1), end.state, at.around)
    next(ops := iter(fiber.block.ops))
    fiber.ops = ops
    clock = time.perf_counter if alone else time.thread_time
    begun = clock()
    ends, order = await region.run(fiber, branches, 1 if alone else None)
    seconds = clock() - begun
    failed = [found for found, one in enumerate(ends) if one is not None and one.fault is not None]
    if failed and region.mode == "fail_fast":
        here.tell("mce-stop", scope=at.scope)
    _report(at, here, seconds, order, failed)
    return Chunk(at.low, size, tuple(order), _packed(ends, fiber, region))


def _report(at: ChunkAt, here: Hosted, seconds: float, order: Sequence[int], failed: Sequence[int]) -> None:
    if here.outbox is not None:
        here.outbox.flush()
    told = {"fan": at.fan, "low": at.low, "seconds": seconds, "ended": len(order), "failed": len(failed)}
    here.worker.log_event(at.reply_to, told)


def _inputs(region: Any, value: Any, low: int, high: int) -> list[Any]:
    return value[low:high] if isinstance(region, EachRegion) else [value] * (high - low)


def _branches(region: ForkRegion, inputs: Sequence[Any], low: int) -> list[Branch]:
    if isinstance(region, EachRegion):
        return [Branch(region.blocks[0], value, region, low + at) for at, value in enumerate(inputs)]
    return [Branch(region.blocks[low + at], value) for at, value in enumerate(inputs)]


def _packed(ends: list[End | None], fiber: Fiber, region: ForkRegion) -> Packed:
    """Pack ends; the state of a branch that did not change it is known where they meet."""
    for end in ends:
        if end is not None:
            if end.fault is not None:
                located(end.fault, fiber)
            if end.state is fiber.state:
                end.state = SAME
    if all(end is None or end.fault is None for end in ends):
        try:
            return pack(ends)
        except ClusterError:
            pass
    place = fiber.within(region.name)
    return pack([end and sendable(end, Place(f"{place}[{at}]")) for at, end in enumerate(ends)])


def _broken_chunk(at: ChunkAt, broken: BaseException) -> Chunk:
    size = at.high - at.low
    told = {"fan": at.fan, "low": at.low, "seconds": 0.0, "ended": size, "failed": size}
    get_worker().log_event(at.reply_to, told)
    return Chunk(at.low, size, tuple(range(size)), pack([broken_end(broken)] * size))


def concatenated(*chunks: Chunk) -> Chunk:
    """Make one chunk of several that follow each other."""
    low = chunks[0].low
    ends = [end for one in chunks for end in ([None] * one.size if one.packed is None else unpack(one.packed))]
    order = tuple(one.low - low + found for one in chunks for found in one.order)
    return Chunk(low, len(ends), order, pack(ends))
