"""Tasks that wait for each other: a ``Dag``, with as much at once as their order leaves, or in turn.

There are no layers and no barrier: a task starts when the last of those it waits for has ended. Whoever ran that one
goes on with a task that became ready and leaves the others to new workers: so a chain is one task of the event loop,
however long. What a task finds as the state, and what all of them make of it, is in :mod:`mce.engine.history`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from returns.result import Failure, Result, Success

from mce.engine.blocks import CHECKPOINT_EVERY, ENTER, FN, FORK, PURE_CALL, VALUE, At, Block, Op, Region
from mce.engine.branches import End
from mce.engine.fiber import Fault, Fiber, Halt
from mce.engine.frames import Frame, Resume
from mce.engine.groups import Group, open_group
from mce.engine.history import History, Meetings
from mce.engine.points import meeting, reach
from mce.engine.tasks import innermost
from mce.errors import StateConflict
from mce.names import task_names
from mce.outcome import Place, Sibling
from mce.state import Change
from mce.syntax import Arguments, Dag, Ref, Takes

__all__ = ["Course", "DagRegion"]


class _Task:
    """One task: what it runs, which tasks it waits for, and in which slots of the values it finds what it takes."""

    __slots__ = ("block", "computes", "followers", "label", "slots", "takes", "waits")

    def __init__(self, label: str, takes: Takes, waits: tuple[int, ...], slots: tuple[int, ...]) -> None:
        self.label = label
        self.takes = takes
        self.waits = waits
        self.slots = slots
        self.followers: list[int] = []
        self.block = Block()
        self.computes = False

    def input(self, values: list[Any]) -> Any:
        found = [values[slot] for slot in self.slots]
        if self.takes.form == "one":
            return found[0] if found else None
        if self.takes.form == "tuple":
            return tuple(found)
        by_place = len(found) - len(self.takes.keywords)
        return Arguments(tuple(found[:by_place]), dict(zip(self.takes.keywords, found[by_place:], strict=True)))


class DagRegion(Region):
    """Tasks in topological order; ``values`` has a slot for each, one for the dag's input, and the constants."""

    __slots__ = ("form", "mode", "outputs", "tasks", "values")

    def __init__(self, at: At, node: Dag) -> None:
        super().__init__(at, FORK)
        number = {name: place for place, (name, _) in enumerate(node.tasks)}
        self.form = node.form
        self.mode = node.join.mode
        self.outputs = [(name, number[name]) for name in node.outputs]
        self.values: list[Any] = [None] * (len(number) + 1)
        self.tasks = [
            _Task(label, takes, tuple([number[name] for name in takes.waits_for()]), self._slots(takes, number))
            for label, takes in zip(task_names(number), node.takes, strict=True)
        ]
        for place, task in enumerate(self.tasks):
            for waited in task.waits:
                self.tasks[waited].followers.append(place)

    def _slots(self, takes: Takes, number: dict[str, int]) -> tuple[int, ...]:
        found: list[int] = []
        for value in takes.values:
            if isinstance(value, Ref):
                found.append(len(number) if value.name is None else number[value.name])
            else:
                found.append(len(self.values))
                self.values.append(value)
        return tuple(found)

    def settle_code(self) -> None:
        """Go through the tasks in turn, with no task group, if each follows the last one before it that may wait.

        Called when all blocks are compiled.
        """
        last, in_line = -1, True
        for place, task in enumerate(self.tasks):
            task.computes = all(op.code in (VALUE, FN, PURE_CALL) for op in task.block.ops)
            in_line = in_line and (last < 0 or any(waited >= last for waited in task.waits))
            last = last if task.computes else place
        if in_line:
            self.code = ENTER

    def name_of(self, place: int) -> str:
        return f"{self.name}/{self.tasks[place].label}"

    def enter(self, fiber: Fiber, ops: Iterator[Op], value: Any) -> Resume:
        return _InTurn(ops, Course(self, fiber, value)).next(fiber)

    async def fork(self, fiber: Fiber, value: Any) -> Any:
        course = Course(self, fiber, value)
        first = [place for place, task in enumerate(self.tasks) if not task.waits]
        try:
            async with open_group() as group:
                workers = _Workers(course, group)
                group.launch(workers.work, first, name=workers.name)
        except BaseExceptionGroup as raised:
            raise innermost(raised) from None
        if fiber.run.probe is not None:
            place = Place(fiber.within(self.name), fiber.attempt())
            await reach(fiber, "merge", place, self.label, course.results())
        return course.finish()


class Course:
    """One run of a dag: what its tasks have given and written so far, and whether it is ``over`` before its end.

    After a failure that does not end the dag, a task that waits for the failed one is passed over: that failure counts
    as its own.
    """

    __slots__ = ("after", "ended", "faults", "fiber", "meetings", "over", "region", "values")

    def __init__(self, region: DagRegion, fiber: Fiber, value: Any) -> None:
        self.region = region
        self.fiber = fiber
        self.values = region.values.copy()
        self.values[len(region.tasks)] = value
        self.meetings = Meetings(fiber.state)
        self.after: dict[int, History] = {}  # of tasks by whose end something was written
        self.ended: list[int] = []
        self.faults: dict[int, Fault] = {}
        self.over = False

    def begin(self, place: int) -> History | None:
        """Give what was written before a task; ``None`` if it is passed over, or fails before it begins."""
        waits = self.region.tasks[place].waits
        if self.faults:
            inherited = next((fault for waited in waits if (fault := self.faults.get(waited)) is not None), None)
            if inherited is not None:
                self.faults[place] = inherited
                return None
        entry = self.meetings.entry
        if not self.after:
            return entry
        try:
            return self.meetings.of([self.after.get(waited, entry) for waited in waits])
        except StateConflict as conflict:
            path = self.fiber.within(self.region.name_of(place))
            fault = Fault(self._named(conflict).at(path), False, Place(path, self.fiber.attempt()))
        except Exception as raised:  # of a reducer
            fault = self.fiber.fault(raised)
        self.end(place, None, fault, entry, entry.state, None)
        return None

    def end(
        self, place: int, value: Any, fault: Fault | None, start: History, state: Any, change: Change | None
    ) -> None:
        """Keep how a task ended that began after ``start`` and by ``change`` made ``state`` of the state."""
        self.ended.append(place)
        self.values[place] = value
        if change is not None:
            start = start.then(place, self.region.tasks[place].label, state, change)
        if start is not self.meetings.entry:
            self.after[place] = start
        if fault is not None:
            self.faults[place] = fault
            self.over = self.region.mode == "fail_fast"

    def told(self, place: int, end: End | None) -> None:
        """Learn how a task ended that ran elsewhere; ``None`` if it did not come to its end."""
        start = self.begin(place)
        if start is not None and end is not None:
            self.end(place, end.value, end.fault, start, end.state, end.change)

    def results(self) -> tuple[Result[Any, Any], ...]:
        """Give the result of every task that has ended, in the order of the tasks."""
        return tuple(self._result(place) for place in sorted(self.ended))

    def finish(self) -> Any:
        """Give the value of the dag, and the state to its fiber; raises ``Halt`` if the dag failed."""
        if self.over:
            first = min(self.faults)
            self._adopt(self.after.get(first, self.meetings.entry))
            raise Halt(self.faults[first].beside(self._siblings(first)))
        if self.after:
            self._merge()
        if self.faults and self.region.mode == "accumulate":
            raise Halt(self._all_faults())
        found = [(name, self._output(place)) for name, place in self.region.outputs]
        if self.region.form == "dict":
            return dict(found)
        return found[0][1] if self.region.form == "one" else tuple(value for _, value in found)

    def _merge(self) -> None:
        """Take over what all tasks wrote: that of a task is in the history of those that began after it."""
        after, tasks = self.after, self.region.tasks
        last = [after[place] for place in after if not any(follower in after for follower in tasks[place].followers)]
        try:
            self._adopt(self.meetings.of(last))
        except StateConflict as conflict:
            raise self._named(conflict) from None

    def _output(self, place: int) -> Any:
        return self._result(place) if self.region.mode == "settle" else self.values[place]

    def _result(self, place: int) -> Result[Any, Any]:
        fault = self.faults.get(place)
        return Success(self.values[place]) if fault is None else Failure(fault.error)

    def _all_faults(self) -> Fault:
        """Gather the errors of all tasks that failed themselves, in their order; the first defect outranks."""
        failed = [place for place in sorted(self.ended) if place in self.faults]
        for place in failed:
            if not self.faults[place].expected:
                return self.faults[place].beside(self._siblings(place))
        errors = tuple(self.faults[place].error for place in failed)
        fiber = self.fiber
        return Fault(errors, True, Place(fiber.within(self.region.name), fiber.attempt(), self._siblings(None)))

    def _siblings(self, apart: int | None) -> tuple[Sibling, ...]:
        """Tell what the tasks had given that have ended, but for the one ``apart``."""
        path = self.fiber.within
        return tuple(
            Sibling(path(self.region.name_of(place)), self._result(place))
            for place in sorted(self.ended)
            if place != apart
        )

    def _adopt(self, history: History) -> None:
        self.fiber.adopt(history.state, history.whole_change() if self.fiber.recording else None)

    def _named(self, conflict: StateConflict) -> StateConflict:
        """Give the conflict with the tasks' paths for their names."""
        paths = [self.fiber.within(f"{self.region.name}/{label}") for label in conflict.branches]
        return StateConflict(conflict.field, paths, conflict.values, problem=conflict.problem)


class _InTurn(Frame):
    """The tasks one after the other in one task of the event loop, in their order: the executable reference."""

    __slots__ = ("change", "course", "place", "recording", "start", "state")

    def __init__(self, ops: Iterator[Op], course: Course) -> None:
        super().__init__(ops, Block())
        self.course = course
        self.place = -1
        self.start = course.meetings.entry
        fiber = course.fiber
        self.state, self.change, self.recording = fiber.state, fiber.change, fiber.recording

    def next(self, fiber: Fiber) -> Resume:
        """Start the next task that is not passed over; after the last one go on behind the dag."""
        course, tasks = self.course, self.course.region.tasks
        fiber.ops = self.ops
        while not course.over and self.place + 1 < len(tasks):
            self.place += 1
            start = course.begin(self.place)
            if start is not None:
                self.start, self.block = start, tasks[self.place].block
                fiber.state, fiber.change, fiber.recording = start.state, None, True
                fiber.frames.append(self)
                return iter(self.block.ops), tasks[self.place].input(course.values)
        self._restore(fiber)
        if fiber.run.probe is None:
            return self.ops, course.finish()
        return meeting(fiber, self.ops, course.region, course.results(), course.finish)

    def _restore(self, fiber: Fiber) -> None:
        fiber.state, fiber.change, fiber.recording = self.state, self.change, self.recording

    def leave(self, fiber: Fiber, value: Any) -> Resume:
        fiber.frames.pop()
        self.course.end(self.place, value, None, self.start, fiber.state, fiber.change)
        return self.next(fiber)

    async def fail(self, fiber: Fiber, fault: Fault) -> Resume | None:
        self.course.end(self.place, None, fault, self.start, fiber.state, fiber.change)
        return self.next(fiber)

    async def cancel(self, fiber: Fiber, exc: BaseException, place: Place) -> Resume | None:
        self._restore(fiber)
        return None


class _Workers:
    """Those who run the tasks of one run of a dag, each a task of the event loop; ``missing`` counts what waits for."""

    __slots__ = ("course", "group", "missing", "name")

    def __init__(self, course: Course, group: Group) -> None:
        self.course = course
        self.group = group
        self.missing = [len(task.waits) for task in course.region.tasks]
        fiber, region = course.fiber, course.region
        self.name = fiber.within(region.name) if fiber.careful else region.label  # a path takes time to put together

    async def work(self, ready: Iterable[int]) -> None:
        """Run tasks that are ready, then those that became ready by it; all that may wait, but one, get workers."""
        course, tasks = self.course, self.course.region.tasks
        computing: deque[int] = deque()
        waiting: int | None = None
        budget = CHECKPOINT_EVERY
        while not course.over:
            for place in ready:
                if tasks[place].computes:
                    computing.append(place)
                elif waiting is None:
                    waiting = place
                else:
                    self.group.launch(self.work, (place,), name=f"{self.name}/{tasks[place].label}")
            if computing:
                place = computing.popleft()
            elif waiting is not None:
                place, waiting = waiting, None
            else:
                return
            await self._run(place)
            ready = self._released(place)
            budget -= 1
            if not budget:
                budget = CHECKPOINT_EVERY
                await course.fiber.run.backend.checkpoint()
        self.group.stop()

    async def _run(self, place: int) -> None:
        start = self.course.begin(place)
        if start is None:
            return
        parent, task = self.course.fiber, self.course.region.tasks[place]
        fiber = Fiber(parent.run, task.block, start.state, parent=parent)
        value, fault = None, None
        try:
            value = await parent.run.execute(fiber, task.block, task.input(self.course.values))
        except Halt as halt:
            fault = halt.fault
        self.course.end(place, value, fault, start, fiber.state, fiber.change)

    def _released(self, place: int) -> list[int]:
        """Give the tasks for which the one at ``place`` was the last they waited for."""
        found: list[int] = []
        for follower in self.course.region.tasks[place].followers:
            self.missing[follower] -= 1
            if not self.missing[follower]:
                found.append(follower)
        return found
