"""Dynamic regions: what a function makes of a value, and the frame of the flow that it gives.

Mostly that is a step with its input, or a value, which the loop takes apart itself and for which there is no frame.
What is here is for all else, and compiles as little of it as can be, since a recursion makes a new flow every turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import length_hint
from typing import Any

from mce.engine.blocks import BIND, At, Block, Op, Region
from mce.engine.fiber import Fiber
from mce.engine.frames import Frame, Resume, Return
from mce.errors import brief
from mce.flow import Flow, arrow
from mce.lazy import Applied, Bound, Ready
from mce.syntax import Arguments, Given, Node, Pure, Then

__all__ = ["DynamicRegion", "continue_bound", "continue_with", "expand"]


class _Expansion(Frame):
    """What a dynamic region became; ``turn`` counts the tail calls that took this frame over."""

    __slots__ = ("name", "turn")

    def __init__(self, ops: Iterator[Op], block: Block, name: str) -> None:
        super().__init__(ops, block)
        self.name = name
        self.turn = 0

    def scope(self) -> str:
        return f"{self.name}~{self.turn}" if self.turn else self.name


def continue_with(fiber: Fiber, ops: Iterator[Op], flow: Flow[Any, Any, Any, Any], name: str) -> Resume:
    """Go on with the closed ``flow``, which the region called ``name`` became, and then with ``ops``.

    In tail position the frame of the dynamic region around is taken over, so that tail-recursive ``bind`` needs no
    memory and its paths do not grow.
    """
    if isinstance(flow, Ready):
        return ops, flow.value
    if isinstance(flow, Applied):
        value, node = flow.input, flow.body
    else:
        value, node = None, flow.node
        while isinstance(node, Given):
            value, node = node.value, node.body
        if isinstance(node, Pure):
            return ops, node.value
    block = fiber.run.compile(node, fiber.careful or value.__class__ is Arguments)
    expand(fiber, ops, block, name)
    return iter(block.ops), value


def continue_bound(fiber: Fiber, ops: Iterator[Op], flow: Bound[Any, Any, Any, Any], region: DynamicRegion) -> Resume:
    """The same for what ``region`` became where that is a step and a function of its value; compiles its shape.

    The shape is the step and the name of the function, and is kept with the step. Where ``region`` is itself the end of
    such a block, as in a recursion, that block is gone through again with the other function: its frame alone has it.
    """
    f = flow.f
    if fiber.frames:
        top: Any = fiber.frames[-1]
        block: Block = top.block
        if block.bound is flow.body and region.fn.__name__ == f.__name__:
            region.fn = f
            top.turn += 1
            return iter(block.ops), flow.input
    shape = _shape(fiber, flow.body, f)
    last: Any = shape.ops[-1]
    block = shape.ending_with(DynamicRegion(At(last.label, last.names, last.own_name), f))
    block.bound = flow.body
    expand(fiber, ops, block, region.name)
    return iter(block.ops), flow.input


def _shape(fiber: Fiber, body: Node, f: Callable[[Any], Any]) -> Block:
    """Give the block of ``body`` and then a function called as ``f`` is; the last one is kept, without the function."""

    def called_the_same(_: Any) -> Any:
        raise AssertionError("the shape of a flow was run")

    kept: tuple[str, Block] | None = body.compiled[3]
    if kept is None or kept[0] != f.__name__:
        called_the_same.__name__ = f.__name__
        shape = fiber.run.compile(Then(body, arrow(called_the_same, "bind")), False)
        body.compiled[3] = kept = f.__name__, shape
    return kept[1]


def expand(fiber: Fiber, ops: Iterator[Op], block: Block, name: str) -> None:
    """Push the frame of ``block``, which the region called ``name`` became, after which come ``ops``."""
    frames = fiber.frames
    while frames and not length_hint(ops) and frames[-1].__class__ is Return:
        ops = frames.pop().ops
    top = frames[-1] if frames else None
    if isinstance(top, _Expansion) and not length_hint(ops):
        top.turn += 1
        top.block = block
    else:
        frames.append(_Expansion(ops, block, name))


class DynamicRegion(Region):
    """Continue with the flow that a function makes of the value."""

    __slots__ = ()

    def __init__(self, at: At, f: Callable[[Any], Any]) -> None:
        super().__init__(at, BIND)
        self.fn = f

    def expand(self, fiber: Fiber, ops: Iterator[Op], flow: Any) -> Resume:
        """Go on with ``flow``, which the function gave, and then with ``ops``."""
        if not isinstance(flow, Flow):
            raise TypeError(
                f"{self.label} must give a closed flow and gave {type(flow).__name__} {brief(flow, 60)}; "
                f"for a plain value say pure(value), or use map instead of bind"
            )
        return continue_with(fiber, ops, flow, self.name)
