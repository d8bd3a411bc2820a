"""What conformance cases are written with: the bench that runs flows, what is expected of them, how cases are listed.

A case is a function of a :class:`Bench` whose docstring is the rule that it holds a backend to. It observes through
values, states and events, and a run that is cancelled through a :class:`Diary`, so that it also holds for a backend
whose steps run in other processes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeAlias, TypeVar

import anyio
from returns.result import Failure, Success

from mce.engine.protocol import Backend
from mce.errors import Defect, brief
from mce.events import Event, StepStarted
from mce.flow import NO_INPUT, Flow
from mce.outcome import Outcome
from mce.pickling import flatten

__all__ = [
    "AnyFlow",
    "AnyOutcome",
    "Bench",
    "Case",
    "Cases",
    "Diary",
    "Loop",
    "Mismatch",
    "Need",
    "alike",
    "calls",
    "diary",
    "expect",
    "expect_among",
    "expect_nothing_left",
    "kinds",
    "running_tasks",
]

AnyFlow: TypeAlias = Flow[Any, Any, Any, Any]
AnyOutcome: TypeAlias = Outcome[Any, Any, Any]
Loop: TypeAlias = Literal["asyncio", "trio"] | None
"""The kind of the running event loop that flows are run in; ``None`` for ``run_sync`` in plain code."""

Need: TypeAlias = Literal["loop", "concurrency", "real time", "one process"]

F = TypeVar("F", bound=Callable[..., Any])
_SHOWN = 300


class Mismatch(AssertionError):
    """A backend gave something else than a case expects of it."""

    def __init__(self, what: str, expected: object, got: object) -> None:
        super().__init__(what, expected, got)
        self.what, self.expected, self.got = what, expected, got

    def __str__(self) -> str:
        return f"{self.what}: expected {brief(self.expected, _SHOWN)}, got {brief(self.got, _SHOWN)}"


def expect(got: object, wanted: object, what: str) -> None:
    """Raise :class:`Mismatch` unless ``got`` equals ``wanted``; ``what`` names what was looked at."""
    if got != wanted:
        raise Mismatch(what, wanted, got)


def expect_among(got: object, allowed: Collection[object], what: str) -> None:
    """Raise :class:`Mismatch` unless ``got`` is one of what a backend may give here."""
    if got not in allowed:
        raise Mismatch(f"{what}, one of", allowed, got)


def alike(one: object, other: object) -> bool:
    """Whether two values are equal, if those that only equal themselves are taken for what they are made of.

    These are exceptions and flows, which are other objects when they come back from another process.

    >>> alike((1, KeyError("k")), (1, KeyError("k")))
    True
    >>> alike(KeyError("k"), KeyError("l"))
    False
    """
    if one == other:
        return True
    if isinstance(one, Flow) and isinstance(other, Flow):
        return alike(flatten(one.node), flatten(other.node))
    if type(one) is not type(other):
        return False
    match one, other:
        case (Success(mine), Success(theirs)) | (Failure(mine), Failure(theirs)):
            return alike(mine, theirs)
        case (tuple() | list() as mine, tuple() | list() as theirs):
            return len(mine) == len(theirs) and all(map(alike, mine, theirs))
        case BaseException(args=mine), BaseException(args=theirs) if type(one).__eq__ is object.__eq__:
            return alike(mine, theirs)
        case _:
            return False


@dataclass(frozen=True)
class Diary:
    """A file of lines that steps append to, in whatever process of this machine: for what has no outcome to tell it."""

    file: Path

    def append(self, line: str) -> None:
        """Add a line to the end, whoever else does so."""
        with self.file.open("a") as file:
            file.write(f"{line}\n")

    @property
    def lines(self) -> list[str]:
        """What has been appended so far."""
        return self.file.read_text().splitlines()

    async def wait_for(self, line: str, *, times: int = 1) -> None:
        """Wait until ``line`` has been appended so many times."""
        while self.lines.count(line) < times:  # noqa: ASYNC110 - another process may append it
            await anyio.sleep(0.001)


@contextmanager
def diary() -> Iterator[Diary]:
    """Open an empty diary, and throw it away in the end."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "diary")
        file.touch()
        yield Diary(file)


class Bench:
    """Runs flows, each on a fresh backend of ``make``, in plain code or in a running event loop."""

    def __init__(self, make: Callable[[], Backend], loop: Loop = None) -> None:
        self.make = make
        self.loop: Loop = loop

    @property
    def sequential(self) -> bool:
        """Whether branches run one after the other."""
        return self.make().sequential

    @property
    def remote(self) -> bool:
        """Whether flows are run in other processes."""
        return self.make().remote is not None

    def same(self, got: object, wanted: object) -> bool:
        """Whether a run that was to give ``wanted`` gave it: the object itself, or what may come back of it."""
        return got == wanted or (self.remote and alike(got, wanted))

    def run(self, flow: AnyFlow, input: Any = NO_INPUT, **options: Any) -> AnyOutcome:
        """Run ``flow`` and give its outcome; in a loop, nothing of it may be running any more after that."""
        if self.loop is None:
            return flow.run_sync(input, backend=self.make(), **options)
        return anyio.run(functools.partial(self._run_in_loop, flow, input, options), backend=self.loop)

    async def _run_in_loop(self, flow: AnyFlow, input: Any, options: dict[str, Any]) -> AnyOutcome:
        before = running_tasks()
        outcome: AnyOutcome = await flow.run(input, backend=self.make(), **options)
        expect_nothing_left(before)
        return outcome

    def gives(self, flow: AnyFlow, value: object, input: Any = NO_INPUT, **options: Any) -> AnyOutcome:
        """Run ``flow``, which must succeed with ``value``."""
        outcome = self.run(flow, input, **options)
        if not self.same(outcome.result, Success(value)):
            raise _told(Mismatch("the result", Success(value), outcome.result), outcome)
        return outcome

    def fails(self, flow: AnyFlow, error: object, input: Any = NO_INPUT, **options: Any) -> AnyOutcome:
        """Run ``flow``, which must fail with the expected failure ``error``."""
        outcome = self.run(flow, input, **options)
        if not self.same(outcome.result, Failure(error)):
            raise _told(Mismatch("the result", Failure(error), outcome.result), outcome)
        return outcome

    def breaks(
        self, flow: AnyFlow, cause: type[BaseException], input: Any = NO_INPUT, **options: Any
    ) -> tuple[AnyOutcome, Defect]:
        """Run ``flow``, which must fail with a defect of exactly this ``cause``, and give both."""
        outcome = self.run(flow, input, **options)
        defect = outcome.defect
        if defect is None or type(defect.cause) is not cause:
            raise _told(Mismatch("the defect's cause", cause, outcome.result), outcome)
        return outcome, defect


def _told(mismatch: Mismatch, outcome: AnyOutcome) -> Mismatch:
    if outcome.defect is not None:
        mismatch.add_note(outcome.defect.traceback)
    return mismatch


def calls(outcome: AnyOutcome, step: str) -> int:
    """Count how often ``step`` was called, by the events that ``trace=True`` keeps."""
    return sum(isinstance(event, StepStarted) and event.step == step for event in outcome.trace)


def kinds(events: Collection[Event], path: str) -> list[str]:
    """List what happened at ``path``, in order, by the names of the events."""
    return [type(event).__name__ for event in events if event.path == path]


def running_tasks() -> frozenset[int]:
    """Give the ids of the tasks of the running event loop, but for what keeps worker processes."""
    return frozenset(task.id for task in anyio.get_running_tasks() if "process" not in (task.name or ""))


def expect_nothing_left(before: frozenset[int]) -> None:
    """Raise :class:`Mismatch` if tasks are running that were not among those ``before``."""
    left = [task.name for task in anyio.get_running_tasks() if task.id in running_tasks() - before]
    expect(left, [], "the tasks that are left running")


@dataclass(frozen=True, slots=True)
class Case:
    """One rule that backends keep: ``function(bench)`` raises if it is broken.

    A coroutine function needs a ``loop``: it drives the backend from within a running one. ``concurrency`` is needed
    where branches must run at the same time, ``real time`` where work takes time that no clock is told of, and ``one
    process`` where steps use what they share with who runs the flow.
    """

    name: str
    function: Callable[[Bench], Any]
    needs: frozenset[Need] = frozenset()

    @property
    def rule(self) -> str:
        """What the case holds a backend to, in a sentence or two."""
        return " ".join((inspect.getdoc(self.function) or "").split())

    def fits(self, make: Callable[[], Backend], loop: Loop = None, *, real_time: bool = True) -> bool:
        """Whether the case can be checked on the backends of ``make`` in this ``loop``."""
        there: set[Need] = set() if loop is None else {"loop"}
        if real_time:
            there.add("real time")
        if "concurrency" in self.needs and not make().sequential:
            there.add("concurrency")
        if "one process" in self.needs and make().remote is None:
            there.add("one process")
        return self.needs <= there

    def check(self, make: Callable[[], Backend], loop: Loop = None) -> None:
        """Check the backends of ``make``; raises :class:`Mismatch`, or whatever else a broken backend raises."""
        bench = Bench(make, loop)
        if "loop" in self.needs:
            anyio.run(self.function, bench, backend=loop or "asyncio")
        else:
            self.function(bench)

    def __str__(self) -> str:
        return self.name


class Cases:
    """The cases of one topic, added to by decorating functions with it, or with ``cases.needing(...)``."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.found: list[Case] = []

    def __call__(self, function: F) -> F:
        return self.needing()(function)

    def needing(self, *needs: Need) -> Callable[[F], F]:
        """Add a case that needs more than most."""

        def add(function: F) -> F:
            loop: tuple[Need, ...] = ("loop",) if inspect.iscoroutinefunction(function) else ()
            self.found.append(Case(f"{self.topic}.{function.__name__}", function, frozenset(needs + loop)))
            return function

        return add
