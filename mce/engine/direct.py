"""Direct style: the frame that drives a ``do`` block.

The block is a coroutine or a generator. What it awaits of ours comes out of ``send`` as a flow and is run by the
engine; everything else it awaits is handed on to the event loop, so that its own ``async with`` and cancel scopes work.
A failure is raised at the ``await``; if the block lets it pass it is the same failure again.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Callable, Generator, Iterator
from inspect import iscoroutine, isgenerator
from typing import Any

from returns.result import Failure, Success

from mce.engine.blocks import CHECKPOINT_EVERY, At, Block, Op, Region
from mce.engine.dynamic import continue_with
from mce.engine.fiber import Fault, Fiber, Halt
from mce.engine.frames import Frame, Resume
from mce.errors import Defect, Failed, StateConflict, UsageError, brief
from mce.flow import Flow
from mce.lazy import Applied, Bound, Called, Ready
from mce.outcome import Place
from mce.step_types import Step
from mce.syntax import Arguments, Given

__all__ = ["SPECIAL", "Direct", "DirectRegion"]

SPECIAL: frozenset[Any] = frozenset((Success, Failure, Flow, Applied, Bound, Called, Ready, Step))
"""The classes of which a step's own return is more than a value."""

_EMPTY = Block()
_REMEMBERED = 32


@types.coroutine
def _hand_on(awaited: Any) -> Generator[Any, Any, Any]:
    """Give to the event loop what the block awaits of it."""
    return (yield awaited)


class DirectRegion(Region):
    """A block of Python that awaits flows."""

    __slots__ = ()

    def __init__(self, at: At, f: Callable[[Any], Any]) -> None:
        super().__init__(at)
        self.fn = f

    def enter(self, fiber: Fiber, ops: Iterator[Op], value: Any) -> Resume:
        block = self.fn(value)
        if not (iscoroutine(block) or isgenerator(block)):
            raise TypeError(f"{self.label} under @do must be an async def or a generator, and gave {brief(block, 60)}")
        fiber.frames.append(Direct(ops, self.name, block, fiber.run.compile))
        return iter(()), None


class Direct(Frame):
    """A ``do`` block in the middle of its run; ``turn`` counts the flows it has awaited."""

    __slots__ = ("compile", "coroutine", "name", "running", "thrown", "turn")
    running: Block | Called[Any, Any, Any, Any]

    def __init__(self, ops: Iterator[Op], name: str, coroutine: Any, compile: Callable[[Any, bool], Block]) -> None:
        super().__init__(ops, _EMPTY)
        self.name = name
        self.coroutine = coroutine
        self.compile = compile
        self.turn = -1
        self.thrown: deque[tuple[BaseException, Fault]] = deque(maxlen=_REMEMBERED)

    @property
    def block(self) -> Block:
        """The block of what is awaited; of a step that is only called, found when somebody asks."""
        running = self.running
        return running if isinstance(running, Block) else self.compile(running.body, False)

    @block.setter
    def block(self, block: Block) -> None:
        self.running = block

    def scope(self) -> str:
        return f"{self.name}#{self.turn}" if self.turn >= 0 else self.name

    async def resume(self, fiber: Fiber, value: Any, exc: BaseException | None = None) -> Resume:
        """Go on in the block with ``value``, or with ``exc`` raised in it, until it awaits a flow or ends.

        Long on purpose: a step that is awaited, the common case, is called here without going back to the loop.
        """
        run, coroutine, careful = fiber.run, self.coroutine, fiber.careful
        plain: Any = None  # the class of the last value that was no more than a value, as the next one mostly is
        if self.turn < 0 and run.careful and iscoroutine(coroutine):
            await run.backend.need_loop()
        budget = CHECKPOINT_EVERY
        while True:
            try:
                awaited = coroutine.send(value) if exc is None else coroutine.throw(exc)
            except StopIteration as end:
                fiber.frames.pop()
                return self.ops, end.value
            except BaseException as error:
                fiber.frames.pop()
                again = self._again(fiber, error)
                if again is None:
                    raise
                raise Halt(again) from None
            exc = None
            if awaited.__class__ is Called and not careful:
                self.turn += 1
                self.running = awaited
                value, fn = awaited.input, awaited.body.fn
            elif awaited.__class__ is Ready:
                self.turn += 1
                self.running = _EMPTY
                value = awaited.value
                budget -= 1
                if not budget:
                    budget = CHECKPOINT_EVERY
                    await run.backend.checkpoint()
                continue
            elif isinstance(awaited, Flow):
                self.turn += 1
                if isinstance(awaited, Applied):
                    value, node = awaited.input, awaited.body
                else:
                    value, node = None, awaited.node
                    if isinstance(node, Given):
                        value, node = node.value, node.body
                self.running = block = run.compile(node, careful or value.__class__ is Arguments)
                if (op := block.single_call) is None:
                    return iter(block.ops), value
                fn = op.fn
            else:
                self.running = self.block  # while it waits, it holds no input of a step that has ended
                value, exc = await self._pass(awaited)
                continue
            try:
                value = await fn(value)
                kind = value.__class__
                if kind is not plain:
                    if kind not in SPECIAL:
                        plain = kind
                    elif kind is Success:
                        value = value.unwrap()
                    else:
                        ops = fiber.ops = self.block.past_first()
                        if kind is Failure:
                            raise Halt(Fault(value.failure(), True, fiber.place()))
                        return continue_with(fiber, ops, value, self.block.name(ops))
                budget -= 1
                if not budget:
                    budget = CHECKPOINT_EVERY
                    await run.backend.checkpoint()
            except Halt as halt:
                exc = self._raised(halt.fault)
            except Exception as error:
                fiber.ops = self.block.past_first()
                exc = self._raised(fiber.fault(error, self.block.single_call.spec.raises))
            except BaseException:  # goes the way of every cancellation: through the loop, and from there into the block
                fiber.ops = self.block.past_first()
                raise

    def _again(self, fiber: Fiber, error: BaseException) -> Fault | None:
        """Give the failure that ``error`` stands for when the block lets it pass; ``None`` if it is the block's own."""
        for known, fault in reversed(self.thrown):
            if known is error:
                return fault
        if isinstance(error, Failed):
            return Fault(error.error, True, Place(fiber.within(self.name), fiber.attempt()))
        return None

    async def _pass(self, awaited: Any) -> tuple[Any, BaseException | None]:
        if isgenerator(self.coroutine):
            wrong = UsageError(
                f"{self.name} yielded {brief(awaited, 60)}: in a generator under @do say yield from flow"
            )
            return None, wrong
        try:
            return await _hand_on(awaited), None
        except BaseException as error:
            return None, error

    def _raised(self, fault: Fault) -> BaseException:
        """Give the exception that the block sees for ``fault``, and remember it."""
        error = fault.error
        if isinstance(error, Defect) and not isinstance(error, StateConflict):
            error = error.cause
        exc = error if isinstance(error, BaseException) else Failed(error)
        self.thrown.append((exc, fault))
        return exc

    async def fail(self, fiber: Fiber, fault: Fault) -> Resume | None:
        fiber.frames.append(self)
        return await self.resume(fiber, None, self._raised(fault))

    async def cancel(self, fiber: Fiber, exc: BaseException, place: Place) -> Resume | None:
        if isinstance(exc, GeneratorExit):
            self.coroutine.close()
            return None
        fiber.frames.append(self)
        return await self.resume(fiber, None, exc)
