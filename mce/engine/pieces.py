"""Parts of a compiled flow that run apart from each other, each perhaps in another process.

A block is cut where branches fork; what is between two cuts is a stretch. A stretch, and a branch, is found
again by its address in the same program compiled elsewhere. What passes from one part to the next is an :class:`End`:
between regions a fiber is its value, its state and its change, and nothing besides.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, TypeAlias

from mce.combinators.sharing import Visit
from mce.engine.blocks import Block, Op
from mce.engine.branches import ForkRegion
from mce.engine.dag import DagRegion
from mce.engine.fiber import Fiber, Run
from mce.reducers import Shape

__all__ = ["Address", "Around", "block_at", "blocks_of", "part", "root_of"]

Address: TypeAlias = tuple[int, ...]
"""Which branch of which operation, from the root block on: pairs of an operation's and a branch's number."""


@dataclass(frozen=True, slots=True)
class Around:
    """What a part must know of what is around it: the scopes of its path, the attempt, the keys of what is held.

    ``shape`` is that of the place of the state that is in focus.
    """

    scopes: tuple[str, ...] = ()
    attempt: int = 1
    held: tuple[Hashable, ...] = ()
    shape: Shape | None = None


def blocks_of(region: Op) -> list[Block]:
    """Give the blocks of the branches of a fork, of which those of an ``each`` have one in common."""
    if isinstance(region, DagRegion):
        return [task.block for task in region.tasks]
    assert isinstance(region, ForkRegion)
    return region.blocks


def block_at(root: Block, address: Address) -> Block:
    """Find the block at ``address``."""
    block = root
    for at, branch in zip(address[::2], address[1::2], strict=True):
        blocks = blocks_of(block.ops[at])
        block = blocks[min(branch, len(blocks) - 1)]
    return block


def part(block: Block, start: int, stop: int) -> Block:
    """Give the operations from ``start`` to before ``stop`` as a block of their own, named as they are in ``block``."""
    if start == 0 and stop == len(block.ops):
        return block
    found = Block()
    found.ops = block.ops[start:stop]
    found.ordinals = block.ordinals[start:stop]
    first = max((at for at, (begin, _) in enumerate(block.sections) if begin <= start), default=0)
    found.sections = [(max(0, begin - start), names) for begin, names in block.sections[first:] if begin < stop]
    found.single_call = None
    return found


def root_of(run: Run, block: Block, state: Any, around: Around) -> Fiber:
    """Make the fiber that stands for all that is around a part of a run."""
    fiber = Fiber(run, block, state)
    fiber.begun_attempt, fiber.shape = around.attempt, around.shape
    fiber.begun_visits = [Visit(key) for key in around.held]
    if around.scopes:
        path = "/".join(around.scopes)
        fiber.segment = lambda: path
    return fiber
