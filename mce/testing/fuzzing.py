"""``fuzz(flow)``: everything that can be tried of a flow without a model, a network or a test written.

Trials are in :mod:`mce.testing.fuzz_worlds`, what is seen of them in :mod:`mce.testing.fuzz_stage`, what is wrong with
what was seen in :mod:`mce.testing.fuzz_oracles`.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from random import Random
from typing import Any

from mce.errors import InvalidInput, brief
from mce.events import StateChanged, StepFailed, StepStarted
from mce.flow import NO_INPUT, Flow
from mce.syntax import Call, postorder
from mce.testing.decisions import Breaks, Decision, Fails, Key
from mce.testing.fuzz_coverage import reached
from mce.testing.fuzz_inputs import inputs_of, state_of
from mce.testing.fuzz_known import Known, Problem
from mce.testing.fuzz_oracles import problems
from mce.testing.fuzz_report import Finding, FuzzReport
from mce.testing.fuzz_shrink import shrunk
from mce.testing.fuzz_stage import Bench, Ran, Trial
from mce.testing.fuzz_worlds import Answering, Calmly, Pools, delayed, random_trials, single_faults
from mce.testing.interleavings import difference
from mce.testing.timeline import timeline

__all__ = ["Explorer", "assert_mended", "fuzz"]

_SLOW = 2
"""After how many runs without an end no more are tried."""

Predicate = Callable[[Any], object]
Progress = Callable[[int, int], object]


def fuzz(
    flow: Flow[Any, Any, Any, Any],
    *,
    input: Any = NO_INPUT,
    state: Any = None,
    examples: int = 300,
    seed: int = 0,
    invariant: Predicate | None = None,
    real: Iterable[Flow[Any, Any, Any, Any] | str] = (),
    stubs: Mapping[str, Any] | None = None,
    deps: Any = None,
    seconds: float | None = None,
    progress: Progress | None = None,
) -> FuzzReport:
    """Try a flow in about ``examples`` worlds and tell what is wrong with it, each thing with its smallest world.

    Without ``input`` it is drawn from the annotation of the first step, without ``state`` it is made of its class's
    defaults. Steps that name nothing but Python's library and the project's own code run as they are, under faults,
    until they reach outside; the answers of all others are made up from their annotations. ``real`` steps run
    without faults and may reach outside, ``stubs`` stand for steps by name. ``invariant`` must hold of every state.
    ``seconds`` is the wall time after which nothing new is tried. ``progress`` is told runs done and planned.

    What steps share in their modules is put back before every run. A declared failure is no finding, nor is what
    comes of a made-up crash alone. The same ``seed`` tries the same.

    Raises :class:`mce.DefinitionError` for a flow that cannot run, and for an annotation no value can be drawn from.

    >>> from mce import step, switch
    >>> from typing import Literal
    >>> @step
    ... async def kind(text: str) -> Literal["bill", "claim"]: ...
    >>> @step
    ... async def pay(kind: str) -> str: ...
    >>> fuzz(kind >> switch(str, {"bill": pay}), examples=50).findings[0].message
    "switch selected 'claim', none of its cases 'bill', and has no default"
    """
    explorer = Explorer(
        flow, input=input, state=state, examples=examples, seed=seed, invariant=invariant, real=real, stubs=stubs,
        deps=deps, seconds=seconds, progress=progress,
    )  # fmt: skip
    return explorer.report()


def _name(step: Flow[Any, Any, Any, Any] | str) -> str:
    if isinstance(step, str):
        return step
    found = [node.spec.name for node in postorder(step.node) if isinstance(node, Call) and not node.spec.internal]
    if len(found) != 1:
        raise InvalidInput(f"fuzz(real=...): {brief(step, 60)} is no single step: give the step, or its name")
    return found[0]


class Explorer:
    """What :func:`fuzz` and the checks do: tries worlds, keeps what was found by kind and place, and what was reached.

    The options are those of :func:`fuzz`; ``only`` are the kinds that are looked for, by default all.
    """

    def __init__(
        self,
        flow: Flow[Any, Any, Any, Any],
        *,
        input: Any = NO_INPUT,
        state: Any = None,
        examples: int = 300,
        seed: int = 0,
        invariant: Predicate | None = None,
        real: Iterable[Flow[Any, Any, Any, Any] | str] = (),
        stubs: Mapping[Any, Any] | None = None,
        deps: Any = None,
        seconds: float | None = None,
        progress: Progress | None = None,
        only: frozenset[str] | None = None,
    ) -> None:
        told = {_name(step): _function(answer) for step, answer in (stubs or {}).items()}
        self.bench = Bench(flow, real=frozenset(map(_name, real)), stubs=told, deps=deps)
        self.inputs = inputs_of(flow, seed) if input is NO_INPUT else [input]
        self.state = state_of(flow, seed) if state is None else state
        self.seed, self.examples, self.invariant, self.only = seed, examples, invariant, only
        self.until = float("inf") if seconds is None else time.monotonic() + seconds
        self.progress = progress or (lambda done, planned: None)
        self.known = Known(flow)
        self.pools = Pools(self.bench, seed)
        self.found: dict[tuple[str, str], tuple[Problem, Ran]] = {}
        self.paths: set[str] = set()
        self.failed: set[str] = set()
        self.ran: set[str] = set()
        self.done = 0
        self.slow = 0

    def first(self) -> Finding | None:
        """Try worlds until something is found."""
        with _cheap_collections():
            self._explore(until_found=True)
            found = next(iter(self.found.values()), None)
            return None if found is None else self._finding(*found)

    def report(self) -> FuzzReport:
        """Try all worlds and tell what was found and reached."""
        with _cheap_collections():
            self._explore()
            findings = tuple([self._finding(*found) for found in _distinct(self.found.values())])
        graph = self.bench.flow.graph()
        steps, branches, failures = reached(graph, self.paths, self.failed)
        called = sorted({node.label for node in graph.nodes if node.kind == "step"})
        notes = [f"{name} reaches outside ({how}) and was stopped" for name, how in self.bench.made_up.items()]
        return FuzzReport(
            self.bench.flow,
            findings,
            self.bench.played,
            steps,
            branches,
            failures,
            as_they_are=tuple(sorted(self.ran)),
            made_up=tuple([name for name in called if name not in self.ran]),
            notes=tuple(notes),
        )

    # -- what is tried ------------------------------------------------------------------------------------------------

    def _explore(self, *, until_found: bool = False) -> None:
        rng = Random(self.seed)
        try:
            calm = self.calm()
        except _Enough:
            return
        for trial, oracle in self._trials(calm, rng):
            if self.done >= self.examples or self._is_over() or (until_found and self.found):
                break
            self.done += 1
            self._judge(self.bench.play(trial, oracle))
            self.progress(self.done, self.examples)

    def _is_over(self) -> bool:
        return self.slow > _SLOW or time.monotonic() >= self.until

    def calm(self) -> Ran:
        """Find an input with which a calm run goes well, or else the first."""
        first: Ran | None = None
        for value in self.inputs[:8]:
            ran = self.bench.play(Trial(value, self.state), Calmly(self.pools))
            first = first or ran
            self._judge(ran)
            if ran.run is not None and ran.run.ended is not None and ran.run.ended.ok:
                self.inputs = [value, *[other for other in self.inputs if other is not value]]
                self.known.calm = ran
                return ran
        assert first is not None
        if first.run is None:
            raise _Enough
        return first

    def _trials(self, calm: Ran, rng: Random) -> Iterator[tuple[Trial, Answering]]:
        """Take turns: one single fault, then a random world."""
        random = random_trials(self.inputs, self.state, self.pools, rng)
        calmly = Calmly(self.pools)
        for trial in single_faults(calm, self.pools):
            yield trial, calmly
            yield next(random)
        yield from random

    def _judge(self, ran: Ran) -> None:
        self._note_reached(ran)
        self.slow += bool(ran.busy or (ran.run is not None and ran.run.endless))
        for problem in self.problems(ran):
            self.found.setdefault((problem.kind, problem.place), (problem, ran))

    def problems(self, ran: Ran) -> list[Problem]:
        """List what is wrong with a run, of what is looked for."""
        found = problems(ran, self.known) + ([] if self.invariant is None else broken(self.invariant, ran))
        found = [problem for problem in found if self.only is None or problem.kind in self.only]
        if not self._wants("order"):
            return found
        if not found and not ran.trial.cut and ran.run is not None and not self.known.is_race:
            found += self._order(ran)
        return found

    def _wants(self, kind: str) -> bool:
        return self.only is None or kind in self.only

    def _order(self, ran: Ran) -> list[Problem]:
        """Compare a run without faults with that of the same answers, given at once, in the order of those who come."""
        calls = {key: delayed(decision, 0.0) for key, decision in ran.trial.calls.items()}
        is_late = any(getattr(decision, "after", 0.0) for decision in ran.trial.calls.values())
        if not (any(ran.trial.order) or is_late) or (is_late and self.known.has_timeouts):
            return []
        if any(isinstance(decision, Fails | Breaks) for decision in calls.values()):
            return []
        first = self.bench.play(replace(ran.trial, calls=calls, order=()), Calmly(self.pools))
        told = difference(first, ran)
        if told is None or difference(self.bench.play(ran.trial, Calmly(self.pools)), ran) is not None:
            return []
        return [] if problems(first, self.known) else [Problem("order", *told)]

    def _note_reached(self, ran: Ran) -> None:
        for event in ran.history:
            if isinstance(event, StepStarted):
                self.paths.add(event.path)
            elif isinstance(event, StepFailed):
                self.failed.add(event.path)
        if ran.run is not None:
            self.ran.update(asked.spec.name for asked in ran.run.asked.values() if asked.runs)
            decided = {path for path, _ in ran.run.calls}
            self.ran.update(e.step for e in ran.history if isinstance(e, StepStarted) and e.path not in decided)
        self.ran -= self.bench.made_up.keys()

    # -- what is found ------------------------------------------------------------------------------------------------

    def _finding(self, problem: Problem, ran: Ran) -> Finding:
        key = (problem.kind, problem.place)

        def shows(trial: Trial) -> bool:
            return any((p.kind, p.place) == key for p in self.problems(self.again(trial)))

        trial = ran.trial
        if problem.kind == "hang" or not shows(trial):
            return Finding(problem.kind, problem.place, problem.message, trial, ran)
        best = shrunk(trial, shows, inputs=self.inputs)
        again = self.again(best)
        told = next((p for p in self.problems(again) if (p.kind, p.place) == key), problem)
        return Finding(told.kind, told.place, told.message, best, again)

    def again(self, trial: Trial) -> Ran:
        """Play a trial; what it does not say is calm."""
        return self.bench.play(trial, Calmly(self.pools))


@contextmanager
def _cheap_collections() -> Iterator[None]:
    """Leave what is there already out of garbage collections, of which a leak needs many."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _function(answer: Any) -> Any:
    """Give the function of a step that stands for another, and anything else as it is."""
    if not isinstance(answer, Flow):
        return answer
    return next(node.fn for node in postorder(answer.node) if isinstance(node, Call) and not node.spec.internal)


class _Enough(Exception):
    """There is no calm run to begin with."""


def _distinct(found: Iterable[tuple[Problem, Ran]]) -> list[tuple[Problem, Ran]]:
    """Leave out what is surely the same problem seen elsewhere: the kinds that tell no place are told once."""
    once: dict[str, tuple[Problem, Ran]] = {}
    for problem, ran in found:
        tells_no_place = problem.kind in ("order", "deadlock", "hang", "endless loop")
        key = problem.kind if tells_no_place else f"{problem.kind} {problem.place}"
        once.setdefault(key, (problem, ran))
    return list(once.values())


def broken(invariant: Predicate, ran: Ran) -> list[Problem]:
    """Say where ``invariant`` does not hold of a state that a run reached."""
    states = [(event.path, event.state) for event in ran.history if isinstance(event, StateChanged)]
    ended = ran.run.ended if ran.run is not None else None
    first = [("the start", ran.trial.state)] if ran.trial.state is not None else []
    last = [("the end", ended.state)] if ended is not None and ended.state is not None else []
    for path, state in [*first, *states, *last]:
        try:
            holds, why = invariant(state), ""
        except AssertionError as refused:
            holds, why = False, f" ({refused})" if str(refused) else ""
        if holds is False:
            return [Problem("invariant", "", f"does not hold at {path}{why}: the state is {brief(state, 200)}")]
    return []


def assert_mended(
    flow: Flow[Any, Any, Any, Any],
    kind: str,
    place: str = "",
    *,
    input: Any = NO_INPUT,
    state: Any = None,
    calls: Mapping[Key, Decision] | None = None,
    order: Iterable[int] = (),
    cut: int | None = None,
    invariant: Predicate | None = None,
    real: Iterable[str] = (),
    seed: int = 0,
) -> None:
    """Raise ``AssertionError`` if a flow still has a problem of ``kind`` in the one world in which fuzzing found it.

    It is what the tests call that ``mce fuzz`` writes; the arguments say that world. ``cut`` is the turn of a task
    before which the run is cancelled; ``seed`` makes the values for which none is simplest.
    """
    __tracebackhide__ = True
    explorer = Explorer(flow, input=input, state=state, seed=seed, invariant=invariant, real=real)
    with suppress(_Enough):
        explorer.calm()
    ran = explorer.again(Trial(input, explorer.state, dict(calls or {}), tuple(order), cut))
    for problem in explorer.problems(ran):
        if problem.kind == kind and (problem.place == place or not place):
            raise AssertionError(f"{problem.kind}: {problem.message}\n{timeline(ran)}")
