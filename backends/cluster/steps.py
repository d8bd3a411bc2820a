"""How the engine runs inside a task of a worker: its backend, and what it asks of the rest of the cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import anyio.lowlevel

from mce.backends.cluster.calls import once
from mce.backends.cluster.host import Hosted
from mce.backends.cluster.turns import share_at
from mce.backends.local import LocalBackend
from mce.engine.blocks import CALL, CALL_WITH_CONTEXT, CAREFUL_CALL, FN, PURE_CALL, VALUE, Block
from mce.engine.branches import Branch
from mce.engine.compile import compile_node
from mce.engine.fiber import Run
from mce.engine.loop import execute
from mce.syntax import StepSpec

__all__ = ["WorkerBackend", "engine_run", "is_alone", "runs_in_turn"]

_EPOCH = time.time() - time.monotonic()


class WorkerBackend(LocalBackend):
    """The local backend on a thread of a worker; ``alone`` when nothing else shares the task's event loop.

    A plain step then runs in the thread that Dask gave the task, in which ``distributed.get_worker()`` works. The clock
    is the epoch's, so that the times of events compare between machines as far as their clocks agree.
    """

    def __init__(self, address: str, alone: bool, stopped: Callable[[], bool]) -> None:
        super().__init__()
        self.address = address
        self.alone = alone
        self.stopped = stopped

    def now(self) -> float:
        return time.monotonic() + _EPOCH

    async def call(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: StepSpec
    ) -> Any:
        if not self.alone or spec.run_in == "process":
            return await super().call(fn, args, kwargs, spec)
        if self.stopped():  # which the event loop has not seen while a step held it
            await anyio.lowlevel.checkpoint()
        return fn(*args, **kwargs)  # under no deadline: with that, there would be more than steps

    def __repr__(self) -> str:
        return f"WorkerBackend({self.address!r})"


async def engine_run(here: Hosted, *, alone: bool, scopes: frozenset[Any], spreads: bool = True) -> Run:
    """Make the run of one task."""
    from mce.backends.cluster.spread import Spreader

    spec = here.spec
    run = Run(
        spec.run_id,
        WorkerBackend(here.address, alone, partial(here.is_stopped, scopes)),
        execute,
        compile_node,
        await here.deps(),
        None if here.outbox is None else here.outbox.tell,
        spec.validate,
        spec.careful,
    )
    run.once = once(here)
    run.share = share_at(here)
    if spreads:
        run.spread = Spreader(here, scopes)
    return run


_LEAVES = (CALL, CALL_WITH_CONTEXT, CAREFUL_CALL, FN, PURE_CALL, VALUE)


def is_alone(block: Block) -> bool:
    """Whether nothing in ``block`` runs beside anything else: it has steps only, one after the other."""
    return all(op.code in _LEAVES for op in block.ops)


def runs_in_turn(branches: Iterable[Branch]) -> bool:
    """Whether branches gain nothing by running at the same time: none of them ever waits."""
    seen: set[int] = set()
    for branch in branches:
        if id(branch.block) in seen:
            continue
        seen.add(id(branch.block))
        for op in branch.block.ops:
            if op.code not in _LEAVES or (op.spec is not None and (op.spec.is_async or op.spec.run_in == "process")):
                return False
    return True
