"""One run of a flow that is fuzzed: what was tried, and all that was seen of it and of what it left behind."""

from __future__ import annotations

import asyncio
import copy
import random
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import anyio

from mce.engine.branches import ForkRegion
from mce.engine.points import Point, Verdict
from mce.errors import UsageError
from mce.flow import NO_INPUT, Flow
from mce.syntax import Call, Loop, postorder
from mce.testing.answers import continues
from mce.testing.decisions import Decision, Happening, Key
from mce.testing.fuzz_data import Shared
from mce.testing.fuzz_guard import Outside, guarded, runs_as_it_is
from mce.testing.fuzz_process import Busy, descriptors, files_left, unclosed_files, watchdog
from mce.testing.oracle import Calm, Oracle
from mce.testing.runs import WorldRun
from mce.testing.script import Constant, Played, Script, StepKey
from mce.testing.stage import Stage

__all__ = ["Bench", "Join", "Ran", "Trial", "Turned"]

T = TypeVar("T")
_TURNS = 100_000
_CALLS = 5_000
_LOOKED_AT = 1_000
"""Before how many turns of a run the data that steps share is looked at."""


@dataclass(frozen=True)
class Trial:
    """What is tried: an input, a state, decisions about ``calls``, an ``order``, and when the run is cancelled.

    ``cut`` is the number of the turn of a task, from 1, before which the whole run is cancelled.
    """

    input: Any = NO_INPUT
    state: Any = None
    calls: Mapping[Key, Decision] = field(default_factory=dict)
    order: tuple[int, ...] = ()
    cut: int | None = None


@dataclass(frozen=True)
class Join:
    """Where branches met: the state before, that of each branch, and the function that makes one of them."""

    path: str
    before: Any
    states: tuple[Any, ...]
    merge: Callable[[list[Any]], Any]


@dataclass(frozen=True)
class Turned:
    """A call that was made: what it changed of the data that steps share, by name."""

    path: str
    step: str
    changed: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Ran:
    """What a trial came to; ``run`` is ``None`` if it was cancelled, or stopped because it never let go (``busy``)."""

    trial: Trial
    run: WorldRun | None
    history: tuple[Happening, ...]
    turns: int
    busy: str
    left: tuple[str, ...]
    """The tasks, files and sockets that are left, as text."""
    joins: tuple[Join, ...]
    calls: tuple[Turned, ...]
    data: dict[str, str]
    """The data that steps share, at the end, where it is another than at the start."""
    moved: frozenset[str]
    """The names of the data that was ever seen changed."""


class _Cut(BaseException):
    """The run was cancelled on purpose."""


class FuzzScript(Script):
    """A script in which every step runs as it is, under faults, that may."""

    made_up: frozenset[str] = frozenset()

    def stub_of(self, point: Point) -> Callable[..., Any] | None:
        told = super().stub_of(point)
        if told is not None:
            return told
        assert point.fn is not None
        assert point.spec is not None
        if point.spec.pure or StepKey(point.step) in self.reals or point.step in self.made_up:
            return None
        if getattr(point.fn, "passes_on", False) or continues(point.fn):
            return None
        return point.fn if _may_run(point.fn) else None


_KNOWN: dict[int, tuple[Any, bool]] = {}


def _may_run(fn: Any) -> bool:
    known = _KNOWN.get(id(fn))
    if known is None or known[0] is not fn:
        known = _KNOWN[id(fn)] = (fn, runs_as_it_is(fn))
    return known[1]


class Bench:
    """Plays trials of one flow; ``made_up`` are the steps that were found to reach outside, and run no more."""

    def __init__(
        self,
        flow: Flow[Any, Any, Any, Any],
        *,
        real: frozenset[str] = frozenset(),
        stubs: Mapping[str, Any] | None = None,
        deps: Any = None,
    ) -> None:
        self.flow = flow
        self.deps = deps
        self.real = real
        self.stubs = {
            StepKey(name): answer if callable(answer) else Constant(answer) for name, answer in (stubs or {}).items()
        }
        self.made_up: dict[str, str] = {}
        bounds = [node.at_most for node in postorder(flow.node) if isinstance(node, Loop) and node.at_most is not None]
        self.at_most = max([_CALLS, *[3 * bound for bound in bounds]])
        self.shared = Shared([flow])
        self.played = 0

    def play(self, trial: Trial, oracle: Oracle | None = None) -> Ran:
        """Run a trial, as often as it takes to learn which steps reach outside; the oracle decides what it leaves."""
        while True:
            watched = _Watched(self, trial, oracle or Calm())
            ran, outside = watched.watch()
            if outside is None:
                return ran
            name, how = outside
            if name in self.made_up:
                raise UsageError(f"step {name!r} reaches outside ({how}) although it does not run")
            self.made_up[name] = how

    def steps(self) -> dict[Any, str]:
        """Give the code of the steps that are not to reach outside, with their names."""
        found: dict[Any, str] = {}
        for node in postorder(self.flow.node):
            if isinstance(node, Call) and not node.spec.internal and node.spec.name not in self.real:
                code = getattr(node.fn, "__code__", None)
                if code is not None:
                    found[code] = node.spec.name
        return found


class _Watched(Stage):
    """A stage on which everything is seen that a flow does and leaves."""

    def __init__(self, bench: Bench, trial: Trial, oracle: Oracle) -> None:
        script = FuzzScript(
            dict(trial.calls),
            list(trial.order),
            oracle,
            bench.at_most,
            dict(bench.stubs),
            {StepKey(n) for n in bench.real},
        )
        script.made_up = frozenset(bench.made_up)
        super().__init__(script)
        self.bench = bench
        self.trial = trial
        self.turns = 0
        self.busy = ""
        self.left_behind: list[str] = []
        self.joins: list[Join] = []
        self.made: list[Turned] = []
        self.known = bench.shared.seen()
        self.first = self.known
        self.moved: set[str] = set()
        self.steps = bench.steps()

    def watch(self) -> tuple[Ran, tuple[str, str] | None]:
        """Play the trial; also says which step reached outside and how, if one did."""
        bench = self.bench
        bench.shared.restore()
        bench.played += 1
        self.known = self.first = bench.shared.seen()
        random.seed(0)
        before = descriptors()
        with guarded(self.steps) as outside, unclosed_files() as unclosed, watchdog():
            run = self._run_or_stopped(outside)
            found = outside()
            self._look()
            if run is None or not hasattr(run.ended and run.ended.result.value_or(None), "fileno"):
                self.left_behind += files_left(before, unclosed)
        ran = self._seen(run)
        bench.shared.restore()
        return ran, found

    def _run_or_stopped(self, outside: Callable[[], tuple[str, str] | None]) -> WorldRun | None:
        """Play the trial; ``None`` if it was cancelled, never let go, or reached outside."""
        bench, trial = self.bench, self.trial
        try:
            return self.play(
                Played(bench.flow, _own(trial.input), trial.state, bench.deps, {}, frozenset(), bench.at_most)
            )
        except (_Cut, Outside):
            pass
        except Busy as busy:
            self.busy = self.busy or str(busy)
        except BaseExceptionGroup:
            if not (outside() or self.busy):
                raise
        return None

    def _seen(self, run: WorldRun | None) -> Ran:
        """Tell what was seen; the trial in it also says what was decided on the way."""
        calls = self.used if run is None else run.calls
        data = self.bench.shared.seen()
        return Ran(
            replace(self.trial, calls=dict(calls), order=tuple(self.picked)),
            run,
            tuple(self.history),
            self.turns,
            self.busy,
            tuple(dict.fromkeys(self.left_behind)),
            tuple(self.joins),
            tuple(self.made),
            {name: text for name, text in data.items() if self.first.get(name) != text},
            frozenset(self.moved),
        )

    def run_sync(self, main: Callable[[Any], Coroutine[Any, Any, T]], *, needs_loop: bool) -> T:
        async def watched(backend: Any) -> T:
            given: list[T] = []
            with anyio.CancelScope() as scope:
                self._count_turns(scope)
                given.append(await main(backend))
            self.turns, turns = _TURNS * 2, self.turns  # what follows is no part of the run
            await self._tasks_left()
            self.turns = turns
            if self.busy:
                raise Busy(self.busy)
            if not given:
                raise _Cut
            return given[0]

        return super().run_sync(watched, needs_loop=True)

    def _count_turns(self, scope: anyio.CancelScope) -> None:
        """Count the turns of tasks, to cancel before one of them, and what never ends after very many."""
        ready: Any = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
        popleft = ready.popleft

        def counted() -> Any:
            self.turns += 1
            if self.bench.shared.objects and self.turns < _LOOKED_AT:
                self._note_moved(self.bench.shared.seen())
            if self.turns == self.trial.cut:
                scope.cancel()
            elif self.turns == _TURNS:
                self.busy = f"not done after {_TURNS} turns"
                scope.cancel()
            return popleft()

        ready.popleft = counted

    async def _tasks_left(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        own = (asyncio.current_task(), self.host)
        for task in asyncio.all_tasks():
            if task not in own and not task.done():
                self.left_behind.append(f"the task {_named(task)}")

    async def _at(self, point: Point, /) -> Verdict:
        if point.name == "merge":
            self._note_join(point)
        elif point.name == "call.before":
            self._look()
        elif point.name == "call.after":  # before a late failure strikes
            self._look(point)
        verdict = await super()._at(point)
        if point.name == "call.before":
            self._look()
        return verdict

    def _look(self, point: Point | None = None) -> None:
        """See which data has changed since the last look, and note whose call it was."""
        now = self.bench.shared.seen()
        if point is not None:
            changed = _changes(self.known, now)
            self.made.append(Turned(point.path, point.step, changed))
        self.known = now
        self._note_moved(self.known)

    def _note_moved(self, now: dict[str, str]) -> None:
        self.moved.update(name for name, text in now.items() if self.first.get(name) != text)

    def _note_join(self, point: Point) -> None:
        frame = _frame_of(ForkRegion._reach.__code__)
        if frame is None:
            return
        region, fiber, ends = (frame.f_locals[name] for name in ("self", "fiber", "ends"))
        if region.join.merge is not None and all(end is not None and end.fault is None for end in ends):
            self.joins.append(Join(point.path, fiber.state, tuple([end.state for end in ends]), region.join.merge))


def _changes(before: dict[str, str], now: dict[str, str]) -> tuple[tuple[str, str, str], ...]:
    names = [name for name in {**now, **before} if now.get(name) != before.get(name)]
    return tuple([(name, before.get(name, ""), now.get(name, "")) for name in names])


def _own(value: Any) -> Any:
    try:
        return value if value is NO_INPUT else copy.deepcopy(value)
    except Exception:
        return value


def _frame_of(code: Any) -> FrameType | None:
    frame: FrameType | None = sys._getframe(2)
    for _ in range(40):
        if frame is None or frame.f_code is code:
            return frame
        frame = frame.f_back
    return None


def _named(task: asyncio.Task[Any]) -> str:
    code = getattr(task.get_coro(), "cr_code", None)
    return (
        task.get_name()
        if code is None
        else f"{code.co_qualname}, {Path(code.co_filename).name} line {code.co_firstlineno}"
    )
