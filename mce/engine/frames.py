"""Frames of the regions that steer: what is left to be done when a block has ended.

A frame remembers where its parent goes on (``ops``) and which of its own blocks is running (``block``). The loop tells
it how that block ended: ``leave`` with a value, ``fail`` with a fault, ``cancel`` with the exception that cancels.
Policies are in :mod:`mce.engine.policies`, what ``bind`` becomes in :mod:`mce.engine.dynamic`, ``do`` blocks in
:mod:`mce.engine.direct`, branches in :mod:`mce.engine.branches`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from returns.result import Result

from mce.engine.blocks import At, Block, Op, Region
from mce.engine.fiber import Fault, Fiber, Halt
from mce.errors import LoopLimit, brief
from mce.lens import Lens
from mce.outcome import Place
from mce.state import Change
from mce.syntax import Again, Done

__all__ = [
    "ChoiceRegion",
    "FailRegion",
    "FocusRegion",
    "Frame",
    "LoopRegion",
    "RecoverRegion",
    "Resume",
    "Return",
    "StateRegion",
    "TransactRegion",
]

Resume = tuple[Iterator[Op], Any]
"""What to go on with: the operations that follow, and the value they are given."""


class Frame:
    """What is left to be done when the block inside has ended."""

    __slots__ = ("block", "ops")
    attempt = 0
    releasing = False

    def __init__(self, ops: Iterator[Op], block: Block) -> None:
        self.ops = ops
        self.block = block

    def scope(self) -> str:
        """The part of a path that this frame stands for; empty when its blocks are named in the parent's scope."""
        return ""

    def leave(self, fiber: Fiber, value: Any) -> Resume:
        """The block inside gave ``value``: pop, or go on inside."""
        fiber.frames.pop()
        return self.ops, value

    async def fail(self, fiber: Fiber, fault: Fault) -> Resume | None:
        """The block inside failed, and the frame is popped: ``None`` lets the fault pass on."""
        return None

    async def cancel(self, fiber: Fiber, exc: BaseException, place: Place) -> Resume | None:
        """The run is being cancelled at ``place``, and the frame is popped: ``None`` lets it pass on."""
        return None

    def forbid_repeat(self, path: str) -> None:
        """The step at ``path``, inside, is being called and must not be called again."""

    def ending(self) -> Result[Any, Any] | None:
        """Say how the use ended of what this frame is ``releasing``; ``None`` when it was cancelled."""
        raise NotImplementedError


class Return(Frame):
    """Go on in the parent: a region that has nothing to do at its end."""

    __slots__ = ()


class FailRegion(Region):
    """Fail with an error."""

    __slots__ = ()

    def enter(self, fiber: Fiber, ops: Iterator[Op], value: Any) -> Resume:
        raise Halt(Fault(self.value, True, fiber.place()))


class StateRegion(Region):
    """Read the state and perhaps replace it."""

    __slots__ = ()

    def enter(self, fiber: Fiber, ops: Iterator[Op], value: Any) -> Resume:
        value, state = self.fn(fiber.state)
        if state is not fiber.state:
            fiber.replace(state)
        return ops, value


class ChoiceRegion(Region):
    """One of finitely many blocks, by a key of the value."""

    __slots__ = ("cases", "default")

    def __init__(
        self,
        at: At,
        selector: Callable[[Any], Any],
        cases: list[tuple[Any, Block]],
        default: Block | None,
    ) -> None:
        super().__init__(at)
        self.fn = selector
        self.cases = cases
        self.default = default

    def enter(self, fiber: Fiber, ops: Iterator[Op], value: Any) -> Resume:
        key = self.fn(value)
        block = next((block for case, block in self.cases if case is key or case == key), self.default)
        if block is None:
            known = ", ".join(brief(case, 40) for case, _ in self.cases)
            raise LookupError(f"{self.label} selected {brief(key, 60)}, none of its cases {known}, and has no default")
        fiber.frames.append(Return(ops, block))
        return iter(block.ops), value


class LoopRegion(Region):
    """A block over and over."""

    __slots__ = ("at_most", "block", "until")

    def __init__(
        self,
        at: At,
        block: Block,
        at_most: int | None,
        until: Callable[[Any], bool] | None,
    ) -> None:
        super().__init__(at)
        self.block = block
        self.at_most = at_most
        self.until = until

    def enter(self, fiber: Fiber, ops: Iterator[Op], value: Any) -> Resume:
        if self.at_most is not None and self.at_most < 1:
            raise Halt(Fault(LoopLimit(self.at_most, fiber.path(), value), True, fiber.place()))
        fiber.frames.append(_Turns(ops, self))
        return iter(self.block.ops), value


class _Turns(Frame):
    """The turns of a loop; it holds what every turn asks for."""

    __slots__ = ("at_most", "body", "region", "turn", "until")

    def __init__(self, ops: Iterator[Op], region: LoopRegion) -> None:
        super().__init__(ops, region.block)
        self.region = region
        self.body = region.block.ops
        self.until = region.until
        self.at_most = region.at_most
        self.turn = 0

    def scope(self) -> str:
        return f"{self.region.name}#{self.turn}"

    def leave(self, fiber: Fiber, value: Any) -> Resume:
        try:
            if self.until is None:
                done, value = self._said(value)
            else:
                done = self.until(value)
        except Exception:  # it is the loop that failed, not the last step of its body
            fiber.frames.pop()
            fiber.ops = self.ops
            raise
        if done:
            fiber.frames.pop()
            return self.ops, value
        self.turn = turn = self.turn + 1
        if turn != self.at_most:
            return iter(self.body), value
        fiber.frames.pop()
        path = fiber.within(self.region.name)
        raise Halt(Fault(LoopLimit(turn, path, value), True, Place(path, fiber.attempt())))

    def _said(self, value: Any) -> tuple[bool, Any]:
        """Take apart what the body of a loop without a condition gave."""
        if value.__class__ is Done or value.__class__ is Again:
            return value.__class__ is Done, value.value
        wanted = f"the body of {self.region.label} must give Again(value) or Done(value)"
        raise TypeError(f"{wanted}, not {brief(value, 60)}")


class RecoverRegion(Region):
    """A block with a handler for its failures."""

    __slots__ = ("body", "handler", "keeps_input", "on")

    def __init__(
        self,
        at: At,
        body: Block,
        handler: Block,
        on: tuple[type, ...] | None,
        keeps_input: bool,
    ) -> None:
        super().__init__(at)
        self.body = body
        self.handler = handler
        self.on = on
        self.keeps_input = keeps_input

    def enter(self, fiber: Fiber, ops: Iterator[Op], value: Any) -> Resume:
        fiber.frames.append(_Guarded(ops, self, value if self.keeps_input else None))
        return iter(self.body.ops), value


class _Guarded(Frame):
    __slots__ = ("input", "region")

    def __init__(self, ops: Iterator[Op], region: RecoverRegion, input: Any) -> None:
        super().__init__(ops, region.body)
        self.region = region
        self.input = input

    async def fail(self, fiber: Fiber, fault: Fault) -> Resume | None:
        region = self.region
        if not fault.matches(region.on):
            return None
        fiber.frames.append(Return(self.ops, region.handler))
        return iter(region.handler.ops), self.input if region.keeps_input else fault.matched(region.on)


class FocusRegion(Region):
    """A block on a part of the state."""

    __slots__ = ("block", "lens")

    def __init__(self, at: At, block: Block, lens: Lens[Any, Any]) -> None:
        super().__init__(at)
        self.block = block
        self.lens = lens

    def enter(self, fiber: Fiber, ops: Iterator[Op], value: Any) -> Resume:
        part, shape = self.lens.get(fiber.state), self.lens.shape(fiber.state)
        fiber.frames.append(_Focused(ops, self.block, self.lens, fiber))
        fiber.state, fiber.change, fiber.shape = part, None, shape
        return iter(self.block.ops), value


class _Focused(Frame):
    """Holds the whole while the part is the state."""

    __slots__ = ("change", "lens", "shape", "state")

    def __init__(self, ops: Iterator[Op], block: Block, lens: Lens[Any, Any], fiber: Fiber) -> None:
        super().__init__(ops, block)
        self.lens = lens
        self.state, self.change, self.shape = fiber.state, fiber.change, fiber.shape

    def _back(self, fiber: Fiber) -> None:
        """Put the part back into the whole, and its change into the whole's."""
        part, inner = fiber.state, fiber.change
        fiber.state, fiber.change, fiber.shape = self.state, self.change, self.shape
        fiber.adopt(*self.lens.replace(self.state, part, inner, record=fiber.recording))

    def leave(self, fiber: Fiber, value: Any) -> Resume:
        fiber.frames.pop()
        fiber.ops = self.ops
        self._back(fiber)
        return self.ops, value

    async def fail(self, fiber: Fiber, fault: Fault) -> Resume | None:
        try:
            self._back(fiber)
        except Exception as refused:  # the first error stays the error
            raise Halt(fault.noted(f"the state was put back as it was: {brief(refused)}")) from None
        return None

    async def cancel(self, fiber: Fiber, exc: BaseException, place: Place) -> Resume | None:
        with suppress(Exception):  # a part that the whole refuses is dropped with the run
            self._back(fiber)
        return None


class TransactRegion(Region):
    """A block whose changes of the state are kept only if it succeeds."""

    __slots__ = ("block",)

    def __init__(self, at: At, block: Block) -> None:
        super().__init__(at)
        self.block = block

    def enter(self, fiber: Fiber, ops: Iterator[Op], value: Any) -> Resume:
        fiber.frames.append(_Transaction(ops, self.block, fiber.state, fiber.change))
        return iter(self.block.ops), value


class _Transaction(Frame):
    __slots__ = ("change", "state")

    def __init__(self, ops: Iterator[Op], block: Block, state: Any, change: Change | None) -> None:
        super().__init__(ops, block)
        self.state = state
        self.change = change

    async def fail(self, fiber: Fiber, fault: Fault) -> Resume | None:
        fiber.roll_back(self.state, self.change)
        return None

    async def cancel(self, fiber: Fiber, exc: BaseException, place: Place) -> Resume | None:
        fiber.roll_back(self.state, self.change)
        return None
