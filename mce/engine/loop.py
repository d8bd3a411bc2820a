"""The interpreter: one loop over flat blocks, with explicit frames.

Nothing here recurses with the depth of a flow: regions push frames, and only branches, which are tasks of their own,
open a new loop. There is one loop for watched and unwatched runs; a watched run's blocks hold other calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from operator import length_hint
from typing import Any

import anyio
from returns.result import Failure, Success

from mce.context import Context
from mce.engine.blocks import (
    BIND,
    CALL,
    CALL_WITH_CONTEXT,
    CAREFUL_CALL,
    CHECKPOINT_EVERY,
    ENTER,
    FN,
    PURE_CALL,
    VALUE,
    Block,
    Op,
)
from mce.engine.calls import call
from mce.engine.direct import SPECIAL, Direct
from mce.engine.dynamic import DynamicRegion, continue_bound, continue_with, expand
from mce.engine.fiber import Fault, Fiber, Halt
from mce.engine.frames import Resume
from mce.engine.points import unwinding
from mce.lazy import Bound, Called, Ready

__all__ = ["execute"]


async def execute(fiber: Fiber, block: Block, value: Any) -> Any:
    """Run ``block`` on ``value`` in ``fiber`` and give its value; raises ``Halt`` or what cancels the run.

    Long on purpose: this is the hot path, where a call costs more than the work it would name.
    """
    frames = fiber.frames
    base = len(frames)
    ops = iter(block.ops)
    budget = CHECKPOINT_EVERY
    ctx: Context[Any] | None = None
    called: Called[Any, Any, Any, Any] | None = None
    plain: Any = None  # the class of the last value that was no more than a value, as the next one mostly is
    op: Any = None  # of a region or a leaf, by its code
    while True:
        try:
            while True:
                fiber.ops = ops
                for op in ops:
                    code = op.code
                    if code == CALL:
                        value = await op.fn(value)
                    elif code == BIND:
                        flow = op.fn(value)
                        if flow.__class__ is Called and not fiber.careful:  # which a budget changes on the way
                            called = flow  # its frame is pushed only for what needs a place
                            value = await flow.body.fn(flow.input)
                            kind = value.__class__
                            if kind is not plain:
                                if kind not in SPECIAL:
                                    plain = kind
                                elif kind is Success:
                                    value = value.unwrap()
                                else:
                                    ops, called = _step_into(fiber, ops, op, flow), None
                                    if kind is Failure:
                                        raise Halt(Fault(value.failure(), True, fiber.place()))
                                    ops, value = continue_with(fiber, ops, value, block_name(fiber))
                                    break
                            called = None
                            budget -= 1
                            if budget <= 0 and length_hint(ops):
                                budget = CHECKPOINT_EVERY
                                await fiber.run.backend.checkpoint()
                            continue
                        if flow.__class__ is Ready:
                            value = flow.value
                            continue
                        if flow.__class__ is Bound and not fiber.careful:
                            ops, value = continue_bound(fiber, ops, flow, op)
                        else:
                            ops, value = op.expand(fiber, ops, flow)
                        break
                    elif code == FN:
                        for f in op.fn:
                            value = f(value)
                        continue
                    elif code == CALL_WITH_CONTEXT:
                        ctx = Context(fiber, op.label)
                        value = await op.fn(ctx, value)
                        ctx._host = None  # closed, as by close()
                        ctx = None
                    elif code == VALUE:
                        value = op.value
                        continue
                    elif code == PURE_CALL:
                        value = op.fn(value)
                    elif code == CAREFUL_CALL:
                        value = await call(fiber, op, value)
                    elif code == ENTER or fiber.run.backend.sequential:
                        ops, value = op.enter(fiber, ops, value)
                        break
                    else:
                        value = await op.fork(fiber, value)
                        continue
                    kind = value.__class__
                    if kind is not plain:
                        if kind not in SPECIAL:
                            plain = kind
                        elif kind is Success:
                            value = value.unwrap()
                        elif kind is Failure:
                            raise Halt(Fault(value.failure(), True, fiber.place()))
                        else:
                            ops, value = continue_with(fiber, ops, value, block_name(fiber))
                            break
                    budget -= 1
                    if budget <= 0 and length_hint(ops):  # never between the end of a block and its frame
                        budget = CHECKPOINT_EVERY
                        await fiber.run.backend.checkpoint()
                else:
                    op = None
                    if len(frames) == base:
                        return value
                    frame: Any = frames[-1]
                    if frame.__class__ is Direct:
                        ops, value = await frame.resume(fiber, value)
                    else:
                        ops, value = frame.leave(fiber, value)
                budget -= 1
                if budget <= 0 and length_hint(ops):
                    budget = CHECKPOINT_EVERY
                    await fiber.run.backend.checkpoint()
        except BaseException as exc:
            if ctx is not None:
                ctx.close()
                ctx = None
            if called is not None:
                assert op is not None
                _step_into(fiber, ops, op, called)
                op, called = fiber.frames[-1].block.single_call, None
            raises = op.spec.raises if op is not None and op.spec is not None else ()
            ops, value = await _unwind(fiber, base, exc, raises)


def _step_into(
    fiber: Fiber, ops: Iterator[Op], region: DynamicRegion, flow: Called[Any, Any, Any, Any]
) -> Iterator[Op]:
    """Push the frame of ``flow``, which ``region`` became and which has been called; give what follows: nothing."""
    block = fiber.run.compile(flow.body, False)
    expand(fiber, ops, block, region.name)
    fiber.ops = found = block.past_first()
    return found


def block_name(fiber: Fiber) -> str:
    """Name, within its scope, the operation that is being run."""
    block = fiber.frames[-1].block if fiber.frames else fiber.block
    return block.name(fiber.ops)


async def _unwind(fiber: Fiber, base: int, exc: BaseException, raises: tuple[type[BaseException], ...]) -> Resume:
    """Take frames off until one of them goes on; raise what is left when none does."""
    fault = _fault(fiber, exc, raises)
    place = fiber.place() if fault is None else fault.place
    if fault is None and fiber.run.probe is not None:
        try:
            await unwinding(fiber, exc, place)
        except BaseException as raised:
            exc, fault = raised, _fault(fiber, raised, ())
    frames = fiber.frames
    while len(frames) > base:
        frame = frames.pop()
        fiber.ops = frame.ops  # what is named from here on is the region itself
        try:
            if fault is None:
                resume = await frame.cancel(fiber, exc, place)
            else:
                resume = await frame.fail(fiber, fault)
        except BaseException as raised:
            if raised is not exc:
                exc, fault = raised, _fault(fiber, raised, ())
        else:
            if resume is not None:
                return resume
    if fault is None:
        raise exc
    raise Halt(fault) from None


def _fault(fiber: Fiber, exc: BaseException, raises: tuple[type[BaseException], ...]) -> Fault | None:
    """Make a fault of an exception; ``None`` for what cancels the run."""
    if isinstance(exc, Halt):
        return exc.fault
    if isinstance(exc, Exception):
        return fiber.fault(exc, raises)
    if isinstance(exc, asyncio.CancelledError) and not _cancelling():
        # Nobody cancels this run: the step awaited something that was cancelled, which is its own defect.
        return fiber.fault(
            RuntimeError("the step awaited something that had been cancelled, and nothing cancelled the step")
        )
    return None


def _cancelling() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop, or trio's: nobody cancels with asyncio's exception there
        return False
    return task is None or task.cancelling() > 0 or anyio.current_effective_deadline() == float("-inf")
