"""How long a run takes at least from a call to its end: the rank of list scheduling by critical path.

It is read off the compiled blocks: what is left in the block of the call, then in those around it, up to the end of the
run. Branches count as the longest of them, a race as the shortest, a loop and an ``each`` as one turn, what a dynamic
region will become as nothing, and every step with the mean of its declared duration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import length_hint
from typing import Any

from mce.engine.blocks import Block, Op
from mce.engine.branches import ForkRegion, RaceRegion
from mce.engine.dag import DagRegion
from mce.engine.fiber import Fiber
from mce.engine.frames import ChoiceRegion, RecoverRegion
from mce.engine.policies import BracketRegion

__all__ = ["RemainingPath"]

_KEPT = 100_000


class RemainingPath:
    """Ranks calls; ``seconds`` gives the mean duration of the step that an operation calls.

    Of the blocks it keeps what was computed, up to a bound, since a dynamic run makes ever new ones.
    """

    def __init__(self, seconds: Callable[[Op], float]) -> None:
        self._seconds = seconds
        self._tails: dict[int, tuple[Block, list[float]]] = {}
        self._after: dict[int, tuple[DagRegion, dict[int, float]]] = {}
        self._bound = _KEPT

    def rank(self, fiber: Fiber) -> float:
        """Give the seconds from the call that ``fiber`` is making, and with it, to the end of the run."""
        if len(self._tails) > self._bound:
            self._tails.clear()
            self._after.clear()
        total, below, own = 0.0, None, 1
        for found in fiber.lineage():
            total += self._in_branch(found, own) + self._after_task(found, below)
            below, own = found, 0
        self._bound = max(self._bound, 2 * len(self._tails))
        return total

    def _in_branch(self, fiber: Fiber, own: int) -> float:
        """Add up what is left in all blocks that ``fiber`` is in, with its operation now if ``own`` is 1."""
        total, ops, back = 0.0, fiber.ops, own
        for frame in reversed(fiber.frames):
            total += self._left(frame.block, ops, back) + self._after_block(frame)
            ops, back = frame.ops, 0
        return total + self._left(fiber.block, ops, back)

    def _left(self, block: Block, ops: Iterator[Op], back: int) -> float:
        tails = self._of(block)
        at = len(block.ops) - length_hint(ops) - back
        return tails[max(0, min(at, len(tails) - 1))]

    def _after_block(self, frame: Any) -> float:
        """Give what follows the block that a frame is running: in a bracket, or in a dag that runs in one branch."""
        if isinstance(region := getattr(frame, "region", None), BracketRegion):
            parts = [region.acquire, region.use, region.release]
            return sum([self._of(part)[0] for part in parts[parts.index(frame.block) + 1 :]])
        course = getattr(frame, "course", None)
        return 0.0 if course is None else self._followers(course.region).get(id(frame.block), 0.0)

    def _after_task(self, fiber: Fiber, below: Fiber | None) -> float:
        """Give what follows the task that the branch ``below`` runs, if ``fiber`` is at a dag."""
        if below is None:
            return 0.0
        block = fiber.frames[-1].block if fiber.frames else fiber.block
        at = len(block.ops) - length_hint(fiber.ops) - 1
        region = block.ops[at] if 0 <= at < len(block.ops) else None
        return self._followers(region).get(id(below.block), 0.0) if isinstance(region, DagRegion) else 0.0

    def _followers(self, region: DagRegion) -> dict[int, float]:
        """Give, for each task's block, how long the longest way takes that follows it."""
        kept = self._after.get(id(region))
        if kept is None:
            after = [0.0] * len(region.tasks)
            for place in reversed(range(len(after))):
                ways = [after[task] + self._of(region.tasks[task].block)[0] for task in region.tasks[place].followers]
                after[place] = max(ways, default=0.0)
            found = {id(task.block): seconds for task, seconds in zip(region.tasks, after, strict=True)}
            kept = self._after[id(region)] = region, found
        return kept[1]

    def _of(self, block: Block) -> list[float]:
        """Give, for each place in ``block``, how long it takes from there to its end; the blocks inside go first."""
        kept = self._tails.get(id(block))
        if kept is not None:
            return kept[1]
        stack = [(block, False)]
        while stack:
            found, is_ready = stack.pop()
            if id(found) in self._tails:
                continue
            if is_ready:
                self._tails[id(found)] = found, self._summed(found)
                continue
            stack.append((found, True))
            stack.extend((inner, False) for op in found.ops for inner in _inside(op) if id(inner) not in self._tails)
        return self._tails[id(block)][1]

    def _summed(self, block: Block) -> list[float]:
        tails = [0.0]
        for op in reversed(block.ops):
            tails.append(tails[-1] + self._cost(op))
        return tails[::-1]

    def _cost(self, op: Op) -> float:
        if op.spec is not None:
            return 0.0 if op.spec.internal else self._seconds(op)
        inside = [self._tails[id(block)][1][0] for block in _inside(op)]
        match op:
            case DagRegion():
                after = self._followers(op)
                return max(
                    (after[id(task.block)] + cost for task, cost in zip(op.tasks, inside, strict=True)), default=0.0
                )
            case RaceRegion():
                return min(inside, default=0.0)
            case ForkRegion() | ChoiceRegion():
                return max(inside, default=0.0)
            case _:
                return sum(inside)


def _inside(op: Op) -> list[Block]:
    """Give the blocks of a region of which it runs some or all; a handler counts as not run."""
    match op:
        case DagRegion():
            return [task.block for task in op.tasks]
        case ForkRegion():
            return op.blocks
        case ChoiceRegion():
            return [block for _, block in op.cases] + ([] if op.default is None else [op.default])
        case RecoverRegion():
            return [op.body]
        case BracketRegion():
            return [op.acquire, op.use, op.release]
        case _:
            block = getattr(op, "block", None)
            return [] if block is None else [block]
