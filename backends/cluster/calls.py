"""Calls that are made at most once over all workers: those of steps declared ``idempotent=False``.

Dask runs a task again whose worker was lost, and also one that had ended and whose result was lost. Such a call is
claimed at the coordinator before it is made, under its path and attempt, and what it gave is kept there before anything
that follows may see it. Who claims it again gets what is kept; if nothing is, the call was interrupted, and whether it
did its work nobody knows: that is the failure :class:`mce.Uncertain`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import anyio

from mce.backends.cluster.host import Hosted
from mce.backends.cluster.pickled import Packed, pack, sendable_error, unpack
from mce.engine.blocks import Op
from mce.engine.fiber import Fault, Fiber, Halt
from mce.engine.protocol import Once
from mce.errors import ClusterError, Uncertain, brief
from mce.state import apply_change, compose, rebound

__all__ = ["once"]


def once(here: Hosted) -> Once:
    """Give what makes the calls of a run at most once."""

    async def guarded(call: Callable[[], Coroutine[Any, Any, Any]], fiber: Fiber, op: Op) -> Any:
        path, attempt = fiber.path(), fiber.attempt()
        name = f"{path}@{attempt}"
        known: Any = None
        with anyio.CancelScope(shield=True):  # a claim whose answer nobody waits for would never be made use of
            known = await here.ask("mce_claim", call=name)
        if known == "begun":
            raise Halt(Fault(Uncertain(path, attempt), True, fiber.place()))
        if known == "over":
            raise ClusterError(f"run {here.run_id} is over")
        if known != "new":
            return _again(fiber, Packed(*known))
        return await _first(here, name, call, fiber)

    return guarded


async def _first(here: Hosted, name: str, call: Callable[[], Coroutine[Any, Any, Any]], fiber: Fiber) -> Any:
    """Make the call, with its own change of the state apart, and keep what it gave and changed."""
    change, recording = fiber.change, fiber.recording
    fiber.change, fiber.recording = None, True
    result, raised = None, None
    try:
        result = await call()
    except Exception as error:
        raised = error
    finally:
        made, fiber.recording = fiber.change, recording
        fiber.change = compose(change, made) if recording else change
    kept = _kept(result, raised, made, name)
    with anyio.CancelScope(shield=True):
        await here.ask("mce_record", call=name, data=kept.plain())
    if raised is not None:
        raise raised
    return result


def _kept(result: Any, raised: Exception | None, made: Any, name: str) -> Packed:
    try:
        packed = pack((result, raised, made))
        unpack(packed)
    except ClusterError:
        lost = ClusterError(f"{name} gave {brief(result, 60)}, which cannot be pickled, and so not be kept")
        return pack((None, lost if raised is None else sendable_error(raised), None))
    return packed


def _again(fiber: Fiber, kept: Packed) -> Any:
    result, raised, made = unpack(kept)
    if made is not None:
        made = rebound(made, fiber.state)
        fiber.adopt(apply_change(fiber.state, made), made)
    if raised is not None:
        raise raised
    return result
