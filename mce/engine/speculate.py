"""Speculation: a condition and the two branches it decides between, all started at once.

The branch that turns out not to be wanted is cancelled and leaves nothing behind. In turn, the condition goes first and
the unwanted branch does not begin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import anyio

from mce.engine.blocks import Op
from mce.engine.branches import End, ForkRegion, _InTurn, run_branch
from mce.engine.fiber import Fault, Fiber
from mce.engine.frames import Resume
from mce.engine.tasks import innermost

__all__ = ["SpeculateRegion"]

_CONDITION, _IF_TRUE, _IF_FALSE = range(3)


class SpeculateRegion(ForkRegion):
    """The branches are the condition, what follows if it holds, and what follows if not."""

    __slots__ = ()

    @property
    def _may_wait(self) -> int:
        return 1

    def enter(self, fiber: Fiber, ops: Iterator[Op], value: Any) -> Resume:
        frame = _ConditionFirst(ops, self, self.branches(value), fiber)
        fiber.frames.append(frame)
        return frame.begin(fiber)

    async def fork(self, fiber: Fiber, value: Any) -> Any:
        branches = self.branches(value)
        ends: list[End | None] = [None] * len(branches)
        order: list[int] = []
        scopes = [anyio.CancelScope() for _ in branches]

        async def work(at: int) -> None:
            if scopes[at].cancel_called:  # what has not begun must not begin
                return
            with scopes[at]:
                ends[at] = await run_branch(fiber, branches[at], branches[at].block)
                order.append(at)
            if at == _CONDITION:
                for unwanted in _unwanted(self._end(ends, _CONDITION)):
                    scopes[unwanted].cancel()

        try:
            async with anyio.create_task_group() as group:
                for at in range(len(branches)):
                    group.start_soon(work, at, name=self.name_of(at))
        except BaseExceptionGroup as raised:
            raise innermost(raised) from None
        await self._reach(fiber, ends)
        return self.meet(fiber, ends, order)

    def meet(self, fiber: Fiber, ends: Sequence[End | None], order: Sequence[int] = ()) -> Any:
        condition = self._end(ends, _CONDITION)
        if condition.fault is not None:
            self._fail_as(fiber, ends, _CONDITION, keep_state=True)
        wanted = _IF_TRUE if condition.value else _IF_FALSE
        self._merge(fiber, ends, (_CONDITION, wanted))
        end = self._end(ends, wanted)
        if end.fault is not None:
            self._fail_as(fiber, ends, wanted, keep_state=False)
        return end.value


def _unwanted(condition: End) -> tuple[int, ...]:
    """Say which branches are not wanted, now that the condition has ended so; both if it has no value."""
    if condition.fault is not None:
        return _IF_TRUE, _IF_FALSE
    return (_IF_FALSE,) if condition.value else (_IF_TRUE,)


class _ConditionFirst(_InTurn):
    __slots__ = ()

    def _ended(self, fiber: Fiber, value: Any, fault: Fault | None) -> bool:
        decided = self.at != _CONDITION
        super()._ended(fiber, value, fault)
        if decided or fault is not None:
            return False
        self.at = _IF_TRUE if value else _IF_FALSE
        return True
