"""Where branches meet: ``Par``, ``Each`` and ``Race``, concurrently or in turn, and how their ends are joined.

A branch starts from the state at the fork and carries the change it made. ``is_over`` decides after every branch that
ended whether the others still matter; ``meet`` then joins values, faults and changes by the rules of design 5.

At once and in turn stand in one module, though it is long: they are two ways through the same rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from returns.result import Failure, Success

from mce.engine.blocks import ENTER, FN, FORK, PURE_CALL, VALUE, At, Block, Op, Region
from mce.engine.direct import SPECIAL
from mce.engine.fiber import Fault, Fiber, Halt
from mce.engine.frames import Frame, Resume
from mce.engine.groups import open_group
from mce.engine.points import meeting, reach
from mce.engine.tasks import innermost
from mce.errors import brief
from mce.outcome import Place, Sibling
from mce.state import Change, join, replace_state
from mce.syntax import Join, Node

__all__ = ["Branch", "EachRegion", "End", "ForkRegion", "RaceRegion", "run_branch"]


@dataclass(slots=True)
class End:
    """How one branch ended, or a stretch of it: with a ``value`` or a ``fault``, and by ``change`` in ``state``."""

    value: Any
    fault: Fault | None
    state: Any
    change: Change | None


@dataclass(slots=True)
class Branch:
    """What one branch runs; an element's says which of an ``each`` it is, whose name its block is under."""

    block: Block
    value: Any
    region: ForkRegion | None = None
    at: int = 0

    def segment(self) -> str:
        """Name the scope that the branch opens; empty when its block is named in the parent's."""
        return "" if self.region is None else self.region.name_of(self.at)


class ForkRegion(Region):
    """Branches and how they meet."""

    __slots__ = ("blocks", "join", "node")

    def __init__(self, at: At, blocks: list[Block], how: Join) -> None:
        super().__init__(at, FORK)
        self.blocks = blocks
        self.join = how
        self.node: Node | None = None
        """What it was compiled of, for those who send it elsewhere."""

    def settle_code(self) -> None:
        """Go through the branches in turn, with no task, when none but the last does more than compute.

        Called when all blocks are compiled. The others would have ended anyway before the last one waits.
        """
        if all(op.code in (VALUE, FN, PURE_CALL) for block in self.blocks[: self._may_wait] for op in block.ops):
            self.code = ENTER

    @property
    def _may_wait(self) -> int:
        """How many of the branches, from the first, must not wait if they are to go in turn."""
        return len(self.blocks) - 1

    @property
    def mode(self) -> str:
        return self.join.mode

    @property
    def limit(self) -> int | None:
        return None

    def branches(self, value: Any) -> list[Branch]:
        return [Branch(block, value) for block in self.blocks]

    def name_of(self, index: int) -> str:
        return f"{self.name}[{index}]"

    def enter(self, fiber: Fiber, ops: Iterator[Op], value: Any) -> Resume:
        branches = self.branches(value)
        if not branches:
            return ops, self.meet(fiber, [])
        frame = _InTurn(ops, self, branches, fiber)
        fiber.frames.append(frame)
        return frame.begin(fiber)

    async def fork(self, fiber: Fiber, value: Any) -> Any:
        branches = self.branches(value)
        if not branches:
            return self.meet(fiber, [])
        ended = None if fiber.run.spread is None else await fiber.run.spread(self, fiber, branches)
        ends, order = ended or await self.run(fiber, branches, self.limit)
        await self._reach(fiber, ends)
        return self.meet(fiber, ends, order)

    async def run(
        self, fiber: Fiber, branches: Sequence[Branch], limit: int | None
    ) -> tuple[list[End | None], list[int]]:
        """Run ``branches``, at most ``limit`` at once, till the others do not matter; give their ends, and the order.

        The one call that a branch often is needs no interpreter, unless it gives or raises more than a value. Long on
        purpose: what stands here is paid for every branch.
        """
        count = len(branches)
        ends: list[End | None] = [None] * count
        order: list[int] = []
        state, over, careful = fiber.state, False, fiber.careful
        only_failures_matter = self.mode not in ("race", "quorum")
        group = open_group()

        async def work(queue: Iterable[int]) -> None:
            nonlocal over
            for at in queue:
                if over:  # cancelling stops what waits; what has not begun must not begin
                    return
                branch = branches[at]
                call = None if careful else branch.block.single_call
                if call is None:
                    end = await run_branch(fiber, branch, branch.block)
                else:
                    try:
                        value = await call.fn(branch.value)
                    except BaseException as exc:
                        end = await run_branch(fiber, branch, branch.block.replaying(exc, None))
                    else:
                        if value.__class__ in SPECIAL:
                            end = await run_branch(fiber, branch, branch.block.replaying(None, value))
                        else:
                            end = End(value, None, state, None)
                ends[at] = end
                order.append(at)
                if only_failures_matter and end.fault is None:
                    continue
                if self.is_over(ends, order, end):
                    over = True
                    group.stop()
            if len(order) == count:
                group.wake()

        try:
            async with group:
                name = fiber.within(self.name) if careful else self.label  # a path takes time to put together
                launch = group.launch
                if limit is None:
                    for at in range(count):
                        launch(work, (at,), name=f"{name}[{at}]")
                else:
                    waiting = iter(range(count))
                    for worker in range(min(limit, count)):
                        launch(work, waiting, name=f"{name}, worker {worker}")
        except BaseExceptionGroup as raised:
            raise innermost(raised) from None
        return ends, order

    def is_over(self, ends: Sequence[End | None], order: Sequence[int], end: End) -> bool:
        """Whether the branches still running do not matter any more, now that ``end`` is there."""
        match self.mode:
            case "fail_fast":
                return end.fault is not None
            case "race":
                return end.fault is None
            case "quorum":
                won = sum(1 for at in order if (found := ends[at]) is not None and found.fault is None)
                lost = len(order) - won
                return won >= self.join.count or lost > len(ends) - self.join.count
            case _:
                return False

    async def _reach(self, fiber: Fiber, ends: Sequence[End | None]) -> None:
        if fiber.run.probe is not None:
            place = Place(fiber.within(self.name), fiber.attempt())
            await reach(fiber, "merge", place, self.label, _results(ends))

    # -- meeting ------------------------------------------------------------------------------------------------------

    def meet(self, fiber: Fiber, ends: Sequence[End | None], order: Sequence[int] = ()) -> Any:
        """Join what the branches made; ``order`` lists them as they ended. Raises ``Halt`` when the join fails."""
        if self._gives_values and (values := _plain_values(ends)) is not None:
            return values
        won = [at for at in order if (end := ends[at]) is not None and end.fault is None]
        lost = sorted(at for at in order if (end := ends[at]) is not None and end.fault is not None)
        match self.mode:
            case "fail_fast" if lost:
                self._fail_as(fiber, ends, lost[0], keep_state=True)
            case "accumulate" if lost:
                self._merge(fiber, ends, range(len(ends)))
                self._fail_all(fiber, ends, lost)
            case "race" | "quorum" if len(won) < self._needed:
                self._fail_all(fiber, ends, lost)
            case "race" | "quorum":
                won = won[: self._needed]
                self._merge(fiber, ends, sorted(won))
                values = tuple(self._end(ends, at).value for at in won)
                return values if self.mode == "quorum" else values[0]
        self._merge(fiber, ends, range(len(ends)))
        chosen = order if self.join.completed else range(len(ends))
        found = [self._end(ends, at) for at in chosen]
        if self.mode == "settle":
            return tuple(Success(e.value) if e.fault is None else Failure(e.fault.error) for e in found)
        return tuple([e.value for e in found])

    @property
    def _gives_values(self) -> bool:
        """Whether the value is that of all branches, in their order, if none failed or changed the state."""
        join = self.join
        return self.mode in ("fail_fast", "accumulate") and not join.completed and join.merge is None

    @property
    def _needed(self) -> int:
        return 1 if self.mode == "race" else self.join.count

    @staticmethod
    def _end(ends: Sequence[End | None], at: int) -> End:
        end = ends[at]
        assert end is not None
        return end

    def _merge(self, fiber: Fiber, ends: Sequence[End | None], chosen: Sequence[int]) -> None:
        """Take over the state changes of the branches ``chosen``, which are in branch order."""
        found = [self._end(ends, at) for at in chosen]
        if self.join.merge is not None and found:
            merged = self.join.merge([end.state for end in found])
            if merged is not fiber.state:
                fiber.adopt(merged, replace_state(fiber.state, merged, record=True))
            return
        if not any(end.change is not None for end in found):
            return
        names = [fiber.within(self.name_of(at)) for at in chosen]
        state, change = join(fiber.state, [end.change for end in found], names)
        fiber.adopt(state, change)

    def _fail_as(self, fiber: Fiber, ends: Sequence[End | None], at: int, *, keep_state: bool) -> None:
        """Fail as branch ``at`` did, telling what its siblings had produced."""
        end = self._end(ends, at)
        assert end.fault is not None
        if keep_state:
            fiber.adopt(end.state, end.change)
        siblings = tuple(
            Sibling(fiber.within(self.name_of(other)), _result(found))
            for other, found in enumerate(ends)
            if found is not None and other != at
        )
        raise Halt(end.fault.beside(siblings))

    def _fail_all(self, fiber: Fiber, ends: Sequence[End | None], lost: Sequence[int]) -> None:
        """Fail with the errors of all branches ``lost``, in branch order; as the first defect if one is among them."""
        faults = {at: fault for at in lost if (fault := self._end(ends, at).fault) is not None}
        for at, fault in faults.items():
            if not fault.expected:
                self._fail_as(fiber, ends, at, keep_state=False)
        errors = tuple(fault.error for fault in faults.values())
        siblings = tuple(
            Sibling(fiber.within(self.name_of(at)), _result(end)) for at, end in enumerate(ends) if end is not None
        )
        raise Halt(Fault(errors, True, Place(fiber.within(self.name), fiber.attempt(), siblings)))


class EachRegion(ForkRegion):
    """One block for every element of the input."""

    __slots__ = ("_limit",)

    def __init__(self, at: At, body: Block, how: Join, limit: int | None) -> None:
        super().__init__(at, [body], how)
        self._limit = limit

    @property
    def limit(self) -> int | None:
        return self._limit

    @property
    def _may_wait(self) -> int:
        return 1

    def branches(self, value: Any) -> list[Branch]:
        try:
            elements = list(value)
        except TypeError:
            if hasattr(value, "__iter__"):
                raise
            raise TypeError(
                f"{self.label} takes an iterable and was given {type(value).__name__} {brief(value, 60)}"
            ) from None
        block = self.blocks[0]
        return [Branch(block, element, self, at) for at, element in enumerate(elements)]


class RaceRegion(ForkRegion):
    """The first success wins; the others are cancelled."""

    __slots__ = ()

    def __init__(self, at: At, blocks: list[Block]) -> None:
        super().__init__(at, blocks, Join())

    @property
    def mode(self) -> str:
        return "race"


async def run_branch(parent: Fiber, branch: Branch, block: Block) -> End:
    """Run ``block`` as the branch to its end; only cancellation is raised."""
    fiber = Fiber(parent.run, block, parent.state, parent=parent, segment=branch.segment)
    try:
        value = await parent.run.execute(fiber, block, branch.value)
    except Halt as halt:
        return End(None, halt.fault, fiber.state, fiber.change)
    return End(value, None, fiber.state, fiber.change)


class _InTurn(Frame):
    """The branches one after the other in one task, left to right: the executable reference."""

    __slots__ = ("at", "branches", "change", "ends", "order", "recording", "region", "state")

    def __init__(self, ops: Iterator[Op], region: ForkRegion, branches: list[Branch], fiber: Fiber) -> None:
        super().__init__(ops, branches[0].block)
        self.region = region
        self.branches = branches
        self.ends: list[End | None] = [None] * len(branches)
        self.order: list[int] = []
        self.at = 0
        self.state, self.change, self.recording = fiber.state, fiber.change, fiber.recording

    def scope(self) -> str:
        return self.branches[self.at].segment()

    def begin(self, fiber: Fiber) -> Resume:
        """Start the branch ``at`` from the state at the fork."""
        fiber.state, fiber.change, fiber.recording = self.state, None, True
        branch = self.branches[self.at]
        self.block = branch.block
        return iter(branch.block.ops), branch.value

    def _ended(self, fiber: Fiber, value: Any, fault: Fault | None) -> bool:
        """Keep how the branch ended; say whether the next one is to start."""
        end = End(value, fault, fiber.state, fiber.change)
        self.ends[self.at] = end
        self.order.append(self.at)
        over = self.region.is_over(self.ends, self.order, end) or self.at + 1 == len(self.branches)
        if not over:
            self.at += 1
        return not over

    def _join(self, fiber: Fiber) -> Any:
        self._restore(fiber)
        return self.region.meet(fiber, self.ends, self.order)

    def _restore(self, fiber: Fiber) -> None:
        fiber.state, fiber.change, fiber.recording = self.state, self.change, self.recording

    def leave(self, fiber: Fiber, value: Any) -> Resume:
        if self._ended(fiber, value, None):
            return self.begin(fiber)
        fiber.frames.pop()
        fiber.ops = self.ops
        if fiber.run.probe is None:
            return self.ops, self._join(fiber)
        self._restore(fiber)
        return meeting(fiber, self.ops, self.region, _results(self.ends), lambda: self._join(fiber))

    async def fail(self, fiber: Fiber, fault: Fault) -> Resume | None:
        if self._ended(fiber, None, fault):
            fiber.frames.append(self)
            return self.begin(fiber)
        self._restore(fiber)
        await self.region._reach(fiber, self.ends)
        return self.ops, self._join(fiber)

    async def cancel(self, fiber: Fiber, exc: BaseException, place: Place) -> Resume | None:
        self._restore(fiber)
        return None


def _plain_values(ends: Sequence[End | None]) -> tuple[Any, ...] | None:
    """Give the values of all branches, if that is all there is to join: none failed, or changed the state."""
    values = []
    for end in ends:
        if end is None or end.fault is not None or end.change is not None:
            return None
        values.append(end.value)
    return tuple(values)


def _result(end: End) -> Any:
    return Success(end.value) if end.fault is None else Failure(end.fault.error)


def _results(ends: Sequence[End | None]) -> tuple[Any, ...]:
    """Give the result of every branch that has ended, in branch order."""
    return tuple(_result(end) for end in ends if end is not None)
