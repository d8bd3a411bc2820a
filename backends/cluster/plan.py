"""The translation of a compiled flow into tasks: where it is cut, what runs apart, and what a part needs of a worker.

A sequence is cut where branches fork; what is between two cuts is one task, which also joins the fork before it. The
branches of a narrow fork are tasks in the same graph, and so are the tasks of a dag. Forks whose width is known late,
wide ones, and those whose end decides what others do (races, quorums) are run by a :class:`~...fan.Fan`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mce.backends.cluster.sheet import Key, Needs, Sheet
from mce.backends.cluster.work import StageAt, TaskAt, dag_task, stage
from mce.engine.blocks import FORK, Block, Op, Region
from mce.engine.branches import EachRegion, ForkRegion
from mce.engine.dag import DagRegion
from mce.engine.pieces import Address, blocks_of
from mce.engine.speculate import SpeculateRegion

__all__ = ["Cut", "Planner", "cuts", "is_driven", "needs_of"]

_NARROW = 64
"""The most branches of a fork that stand in the graph one by one."""

_DEEP = 4
"""How deep forks in forks are taken apart; deeper ones run in their branch's task."""

_MANY = 4_000
"""About how many branches of forks in forks become tasks of one graph; those of others run in their branch's task."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a sequence is cut: before operation ``at``, because ``region`` forks there or needs change."""

    at: int
    region: Any = None

    @property
    def forks(self) -> bool:
        return isinstance(self.region, Region)


def is_driven(region: object) -> bool:
    """Whether somebody must see how the branches of a fork end while others have not begun."""
    if not isinstance(region, ForkRegion):
        return False
    if isinstance(region, EachRegion) or region.mode in ("race", "quorum") or region.join.completed:
        return True
    return len(region.blocks) > _NARROW


class Planner:
    """Writes the tasks of parts of one run to a sheet."""

    def __init__(self, sheet: Sheet, run_id: str, base: Needs) -> None:
        self.sheet = sheet
        self.run_id = run_id
        self.base = base
        self.left = _MANY

    def stage(
        self,
        block: Block,
        at: StageAt,
        before: Key | None,
        branches: Sequence[Key] = (),
    ) -> Key:
        """Add the task of a stretch."""
        ops = block.ops[at.start : at.stop]
        named = next((op for op in ops if op.label), block.ops[at.start - 1] if at.joins else None)
        first = at.start - at.joins if at.joins else min(at.start, len(block.ops) - 1)
        path = _name(block, first) if block.ops else ""
        name = named.label if named is not None else "start"
        return self.sheet.add(name, path, stage, at, before, *branches, needs=needs_of(ops, self.base))

    def branches(self, block: Block, address: Address, at: int, before: Key | None) -> list[Key]:
        """Add the tasks of all branches of the fork at operation ``at``, and give the keys of their ends."""
        region: Any = block.ops[at]
        if isinstance(region, DagRegion):
            return self.dag(region, block, address, at, before)
        return [self.branch(inner, (*address, at, number), before) for number, inner in enumerate(region.blocks)]

    def branch(self, block: Block, address: Address, before: Key | None) -> Key:
        parts = list(cuts(block, self.base, static=True))
        self.left -= sum(len(blocks_of(cut.region)) for cut in parts if cut.forks)
        if len(address) >= 2 * _DEEP or self.left < 0:
            parts = list(cuts(block, self.base, static=True, deep=True))
        start, joins, enters, found = 0, False, True, before
        branches: list[Key] = []
        for cut in parts:
            if joins or cut.at > start or cut.region is None:
                at = StageAt(self.run_id, address, start, cut.at, joins, enters)
                found = self.stage(block, at, found, branches)
                enters = False
            branches, joins, start = [], False, cut.at
            if cut.forks:
                if enters:  # a branch that begins with a fork: what is given to it is its own
                    found = self.stage(block, StageAt(self.run_id, address, 0, 0, False, True), found)
                    enters = False
                branches = self.branches(block, address, cut.at, found)
                joins, start = True, cut.at + 1
        assert found is not None
        return found

    def dag(self, region: DagRegion, block: Block, address: Address, at: int, before: Key | None) -> list[Key]:
        keys: list[Key] = []
        path = _name(block, at)
        for place, task in enumerate(region.tasks):
            where = TaskAt(self.run_id, address, at, place)
            given = [keys[waited] for waited in task.waits]
            needs = needs_of(task.block.ops, self.base)
            keys.append(
                self.sheet.add(task.label, f"{path}/{task.label}", dag_task, where, before, *given, needs=needs)
            )
        return keys


def cuts(block: Block, base: Needs, *, static: bool = False, deep: bool = False) -> Iterator[Cut]:
    """Give where a sequence is cut; the last cut is its end. ``static`` leaves out the forks that somebody drives."""
    needs = None
    for at, op in enumerate(block.ops):
        if op.code == FORK and not isinstance(op, SpeculateRegion) and not deep and not (static and is_driven(op)):
            yield Cut(at, op)
            needs = None
            continue
        plain = op.__class__ is Op and (op.spec is None or not op.spec.resources)
        own = base if plain else needs_of([op], base)
        if needs is not None and own is not needs and own != needs:
            yield Cut(at, "needs")
        needs = own
    yield Cut(len(block.ops))


def needs_of(ops: Sequence[Op], base: Needs) -> Needs:
    """Give what a worker must have to run ``ops``: of each resource the most that one of the steps in them takes."""
    found: dict[str, float] = {}
    stack: list[Op] = list(ops)
    seen: set[int] = set()
    while stack:
        op = stack.pop()
        if op.spec is not None and op.spec.resources:
            for name, amount in op.spec.resources.items():
                found[name] = max(amount, found.get(name, 0.0))
        if op.__class__ is Op:
            continue
        for block in _blocks_in(op):
            if id(block) not in seen:
                seen.add(id(block))
                stack.extend(block.ops)
    if not found:
        return base
    for name, amount in base.resources:
        found[name] = max(amount, found.get(name, 0.0))
    return replace(base, resources=tuple(sorted(found.items())))


def _blocks_in(op: Op) -> Iterator[Block]:
    """Give the blocks of a region, whatever it is."""
    if not isinstance(op, Region):
        return
    if isinstance(op, DagRegion):
        yield from (task.block for task in op.tasks)
        return
    for cls in type(op).__mro__:
        for slot in getattr(cls, "__slots__", ()):
            value = getattr(op, slot, None)
            if isinstance(value, Block):
                yield value
            elif isinstance(value, list):
                for one in value:
                    inner = one[1] if isinstance(one, tuple) else one
                    if isinstance(inner, Block):
                        yield inner


def _name(block: Block, at: int) -> str:
    ops = iter(block.ops)
    for _ in range(at + 1):
        next(ops, None)
    return block.name(ops)
