"""What tasks of Dask do: stretches of a flow, and tasks of a dag. Chunks of branches are in ``chunks.py``.

Each is a plain function of data that stands in the graph and of what the tasks before it gave. All give an
:class:`Ended`, whatever happens: a task of ours that raises has found a bug of ours.
"""

from __future__ import annotations

import traceback
from bisect import bisect_right
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, NamedTuple

from distributed import get_worker

from mce.backends.cluster.host import Hosted, hosted
from mce.backends.cluster.steps import engine_run, is_alone
from mce.backends.cluster.wire import Chunk, Ended, ended, interrupted, is_interrupt
from mce.engine.blocks import FORK, At, Block, Region
from mce.engine.branches import EachRegion, End
from mce.engine.dag import Course, DagRegion
from mce.engine.fiber import Fault, Fiber, Halt, Run
from mce.engine.loop import execute
from mce.engine.pieces import Address, block_at, part
from mce.errors import ClusterError, Defect
from mce.outcome import Place

__all__ = [
    "StageAt",
    "TaskAt",
    "broken_end",
    "check_complete",
    "dag_task",
    "located",
    "scopes_of",
    "stage",
    "start_of",
    "width",
]


class StageAt(NamedTuple):
    """A stretch of operations, from ``start`` to before ``stop``, of the block at ``address``.

    ``joins``: the fork before it meets in it. ``enters``: it begins a branch. ``lists``: an ``each`` follows, whose
    elements it gives as a list. ``last``: the run ends with it, and whoever drives it is told how.
    """

    run_id: str
    address: Address
    start: int
    stop: int
    joins: bool = False
    enters: bool = False
    lists: bool = False
    order: tuple[int, ...] | None = None
    last: bool = False


class TaskAt(NamedTuple):
    """The task ``place`` of the dag that is operation ``at`` of the block at ``address``."""

    run_id: str
    address: Address
    at: int
    place: int


def scopes_of(address: Address) -> frozenset[Any]:
    """Give the scopes a part is in: the run, each fork around it, and in each the branch."""
    return frozenset(address[:at] for at in range(len(address) + 1))


# -- a stretch ---------------------------------------------------------------------------------------------------------


def stage(at: StageAt, before: Ended | None, *branches: Any) -> Ended:
    """Run a stretch after what ``before`` gave, or the run's own input; a stretch that joins is given the branches."""
    return _in_run(at.run_id, scopes_of(at.address), partial(_stage, at, before, branches), last=at.last)


async def _stage(at: StageAt, before: Ended | None, branches: Sequence[Any], here: Hosted) -> Ended:
    end = start_of(here) if before is None else before.open()
    if end is None or (end.fault is not None and at.enters):  # what follows a failure does not begin
        return Ended(None)
    if end.fault is not None:
        return ended(end, end.fault.place)
    block = block_at(here.root, at.address)
    body = part(block, at.start - at.joins, at.stop + at.lists)
    if at.joins or at.lists:
        body = _with_ends(body, at, _branch_ends(block.ops[at.start - 1], at, end, branches) if at.joins else None)
    run = await engine_run(here, alone=is_alone(body), scopes=scopes_of(at.address))
    fiber = _fiber(run, here.root, body, end, at.address)
    if at.enters:
        fiber.change = None
    end = await _ended(fiber, body, end.value)
    if end is None:
        return Ended(None)
    if end.fault is not None and at.address:
        _stop_siblings(here, at.address, end.fault)
    return ended(end, fiber.place(), len(end.value) if at.lists and end.fault is None else 0)


def start_of(here: Hosted) -> End:
    """Give what the run begins with."""
    return End(here.spec.input, None, here.spec.state, None)


def _fiber(run: Run, root: Block, block: Block, end: End, address: Address) -> Fiber:
    """Make a fiber that goes on from ``end`` in the block at ``address``."""
    if not address:
        return Fiber(run, block, end.state)
    fiber = Fiber(run, block, end.state, parent=Fiber(run, root, end.state))
    fiber.change = end.change
    return fiber


async def _ended(fiber: Fiber, block: Block, value: Any) -> End | None:
    try:
        value = await execute(fiber, block, value)
    except (KeyboardInterrupt, SystemExit) as raised:
        return End(None, interrupted(raised, fiber.place()), fiber.state, fiber.change)
    except Halt as halt:
        return None if halt.fault is _STOPPED else End(None, located(halt.fault, fiber), fiber.state, fiber.change)
    return End(value, None, fiber.state, fiber.change)


_STOPPED = Fault(None, False, Place(""))
"""The end of a fork of which some branches did not end although none failed: the run is being stopped."""


def located(fault: Fault, fiber: Fiber) -> Fault:
    """Put the worker's address into a defect that has none yet."""
    error, address = fault.error, getattr(fiber.run.backend, "address", "")
    if isinstance(error, Defect) and not error.worker:
        error.worker = address
    return fault


class _Joined(Region):
    """In the place of a fork: its branches have run elsewhere, and meet."""

    __slots__ = ("ends", "order", "region")

    def __init__(self, region: Any, ends: list[End | None], order: list[int]) -> None:
        super().__init__(At(region.label, region.names, region.own_name), FORK)
        self.region, self.ends, self.order = region, ends, order

    async def fork(self, fiber: Fiber, value: Any) -> Any:
        if isinstance(self.region, DagRegion):
            return _finish(Course(self.region, fiber, value), self.ends)
        check_complete(self.region, self.ends)
        return self.region.meet(fiber, self.ends, self.order)


def check_complete(region: Any, ends: Sequence[End | None]) -> None:
    """Raise ``Halt`` if a branch was interrupted, or if branches are missing of which nothing says that they may be."""
    faults = [end.fault for end in ends if end is not None and end.fault is not None]
    for fault in faults:
        if is_interrupt(fault):
            raise Halt(fault)
    missing, lost = sum(end is None for end in ends), len(faults)
    won = len(ends) - missing - lost
    match region.mode:
        case "fail_fast":
            explained = lost > 0
        case "race":
            explained = won > 0
        case "quorum":
            explained = won >= region.join.count or lost > len(ends) - region.join.count
        case _:
            explained = False
    if missing and not explained:
        raise Halt(_STOPPED)


class _Listed(Region):
    """In the place of an ``each``: gives its elements as a list."""

    __slots__ = ("region",)

    def __init__(self, region: EachRegion) -> None:
        super().__init__(At(region.label, region.names, region.own_name), FORK)
        self.region = region

    async def fork(self, fiber: Fiber, value: Any) -> Any:
        return [branch.value for branch in self.region.branches(value)]


def _with_ends(body: Block, at: StageAt, ends: tuple[list[End | None], list[int]] | None) -> Block:
    found = part(body, 0, len(body.ops))
    copied = Block()
    copied.ops, copied.ordinals, copied.sections = list(found.ops), found.ordinals, found.sections
    if ends is not None:
        copied.ops[0] = _Joined(copied.ops[0], *ends)
    if at.lists:
        region: Any = copied.ops[-1]
        copied.ops[-1] = _Listed(region)
    return copied


def _branch_ends(region: Any, at: StageAt, end: End, branches: Sequence[Any]) -> tuple[list[End | None], list[int]]:
    """Give the ends of all branches, and the order in which they ended as far as it matters."""
    ends: list[End | None] = []
    order: list[int] = []
    for given in branches:
        if isinstance(given, Chunk):
            order.extend(given.low + found for found in given.order)
            ends.extend(given.open(end.state))
        else:
            found = given.open()
            if found is not None:
                order.append(len(ends))
            ends.append(found)
    if at.order is not None:  # of chunks, as they ended: the branches of a chunk ended together
        place = {low: number for number, low in enumerate(at.order)}
        lows = sorted(place)
        order.sort(key=lambda found: place[lows[_below(lows, found)]])
    return ends, order


def _below(lows: Sequence[int], found: int) -> int:
    return bisect_right(lows, found) - 1


def _stop_siblings(here: Hosted, address: Address, fault: Fault) -> None:
    """Stop what runs beside a branch that has failed, if the fork fails with it."""
    region: Any = block_at(here.root, address[:-2]).ops[address[-2]]
    if region.mode == "fail_fast" or is_interrupt(fault):
        here.tell("mce-stop", scope=address[:-1], but=[address])


# -- tasks of a dag ----------------------------------------------------------------------------------------------------


def dag_task(at: TaskAt, before: Ended | None, *given: Ended) -> Ended:
    """Run a task of a dag, given how those ended that it waits for, in its order."""
    scopes = scopes_of((*at.address, at.at, at.place))
    return _in_run(at.run_id, scopes, partial(_dag_task, at, before, given))


async def _dag_task(at: TaskAt, before: Ended | None, given: Sequence[Ended], here: Hosted) -> Ended:
    entry = start_of(here) if before is None else before.open()
    if entry is None or entry.fault is not None:
        return Ended(None)
    block = block_at(here.root, at.address)
    region: Any = block.ops[at.at]
    task = region.tasks[at.place]
    scopes = scopes_of((*at.address, at.at, at.place))
    run = await engine_run(here, alone=is_alone(task.block), scopes=scopes)
    parent = _fiber(run, here.root, part(block, at.at, at.at + 1), entry, at.address)
    next(ops := iter(parent.block.ops))
    parent.ops = ops
    course = Course(region, parent, entry.value)
    waited = dict(zip(task.waits, given, strict=True))
    ends = {place: found.open() for place, found in waited.items()}
    written: dict[int, Any] = {}
    for found in waited.values():
        written |= found.written or {}
    for place in sorted({*written, *ends}):
        course.told(place, ends[place] if place in ends else End(None, None, *written[place]))
    if any(end is None for end in ends.values()):
        return Ended(None)
    start = course.begin(at.place)
    if start is None:  # what it waits for has failed, or does not meet: whoever joins the dag will see it too
        return Ended(None)
    fiber = Fiber(run, task.block, start.state, parent=parent)
    end = await _ended(fiber, task.block, task.input(course.values))
    if end is None:
        return Ended(None)
    if end.fault is not None and region.mode == "fail_fast":
        decided = [(*at.address, at.at, place) for place in (at.place, *_ancestors(region, at.place))]
        here.tell("mce-stop", scope=(*at.address, at.at), but=decided)
    if end.change is not None or start is not course.meetings.entry:
        written[at.place] = (end.state, end.change)
    return ended(end, fiber.place(), written=written or None)


def _ancestors(region: DagRegion, place: int) -> set[int]:
    """Give the places of all tasks that the one at ``place`` waits for."""
    found: set[int] = set()
    left = list(region.tasks[place].waits)
    while left:
        place = left.pop()
        if place not in found:
            found.add(place)
            left.extend(region.tasks[place].waits)
    return found


def _finish(course: Course, ends: list[End | None]) -> Any:
    """Give what a dag gives whose tasks have all run elsewhere."""
    for place, end in enumerate(ends):
        course.told(place, end)
    if len(course.ended) + len(course.faults) == 0 and ends:
        raise Halt(_STOPPED)
    if not course.faults and len(course.ended) < len(ends):
        raise Halt(_STOPPED)
    return course.finish()


# -- all of them -------------------------------------------------------------------------------------------------------


def _in_run(
    run_id: str, scopes: frozenset[Any], main: Callable[[Hosted], Coroutine[Any, Any, Ended]], *, last: bool = False
) -> Ended:
    try:
        here = hosted(run_id)
        found = here.run(scopes, lambda: main(here))
    except (Exception, KeyboardInterrupt, SystemExit) as broken:
        return ended(broken_end(broken), Place(""))
    if here.outbox is not None:
        here.outbox.flush()
    if found is None:
        return Ended(None)
    if last:
        here.ends.keep(here.worker, here.spec.reply_to, run_id, found)
    return found


def broken_end(broken: BaseException) -> End:
    """Make an end of what went wrong beside the flow: a defect, or what the caller is to see raised."""
    place = Place("")
    if isinstance(broken, ClusterError):
        return End(None, Fault(Defect(broken, "", worker=get_worker().address), False, place), None, None)
    broken.add_note("".join(traceback.format_exception(broken)))
    return End(None, interrupted(broken, place), None, None)


def width(before: Ended) -> tuple[int, bool]:
    """Say how many branches a fork has, and whether it is reached at all."""
    return before.width, before.packed is not None and not before.failed
