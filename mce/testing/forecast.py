"""One simulated run in which nothing is called: how long a call takes, whether it fails and what it gives is drawn.

The forecasts of :mod:`mce.testing.simulation` are many of these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import Any, Never, get_args

from returns.result import Failure, Success

from mce.backends.simulated import Priority, SimulatedBackend
from mce.backends.whereabouts import calling
from mce.combinators.desk import Ask
from mce.context import Context, branch_of
from mce.durations import Duration
from mce.engine.points import Calls, Point, Verdict
from mce.engine.run import run_sync
from mce.errors import Deadlock, Defect, DefinitionError, MceError
from mce.events import Event, StepFailed, StepFinished, StepStarted
from mce.flow import Flow
from mce.outcome import Outcome
from mce.syntax import StepSpec
from mce.testing.answers import Answers, answers, continues

__all__ = ["Forecast", "Model", "Pools", "SimulatedFailure", "Tally"]

_POOL = 40


class SimulatedFailure(MceError):
    """Stands for the failure of a step in a simulation which declares none: a defect, as it would be in earnest."""


class _Stopped(BaseException):
    """Unwinds a run that is not to go on; never seen outside."""


@dataclass(frozen=True)
class Model:
    """What a simulation supposes: about the steps, by their names, and about where they run."""

    durations: Mapping[str, Duration]
    failures: Mapping[str, float]
    costs: Mapping[str, float]
    stubs: Mapping[str, Callable[..., Any]]
    workers: int | None
    resources: Mapping[str, float]
    priority: Priority
    real: bool
    at_most: int


@dataclass
class Tally:
    """What one run came to; ``failure`` is the step and the kind of error with which it failed."""

    seconds: float = 0.0
    calls: int = 0
    cost: float = 0.0
    failure: tuple[str, str] | None = None
    stuck: str = ""
    begun: Counter[str] = field(default_factory=Counter[str])
    failed: Counter[str] = field(default_factory=Counter[str])
    busy: dict[str, float] = field(default_factory=dict[str, float])


class Pools:
    """Values and errors that steps could have given: some of each annotation, drawn once and then chosen from."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._kept: dict[tuple[int, str], tuple[Any, list[Any]]] = {}

    def value(self, fn: Any, spec: StepSpec, random: Random) -> Any:
        """Choose a value of what the step returns; ``DefinitionError`` if none can be made up."""
        return self._choose(fn, spec, "value", random)

    def error(self, fn: Any, spec: StepSpec, random: Random) -> Any:
        """Choose a declared failure, as a ``Failure`` or an exception; one of ours if none is declared."""
        found = _answers(fn, spec)
        if found.error is not Never:
            return Failure(self._choose(fn, spec, "error", random))
        if found.raises:
            return self._choose(fn, spec, "raised", random)
        return SimulatedFailure(f"step {spec.name!r} failed in this simulation")

    def _choose(self, fn: Any, spec: StepSpec, what: str, random: Random) -> Any:
        kept = self._kept.get((id(fn), what))
        if kept is None:
            kept = self._kept[id(fn), what] = fn, self._drawn(fn, spec, what)
        return _fresh(random.choice(kept[1]))

    def _drawn(self, fn: Any, spec: StepSpec, what: str) -> list[Any]:
        try:
            from mce.testing.drawing import NoValue, drawn_exceptions, drawn_values
        except ModuleNotFoundError:
            raise DefinitionError(
                f"to make up what step {spec.name!r} gives needs hypothesis: pip install 'mce-agents[testing]'"
            ) from None
        found = _answers(fn, spec)
        try:
            if what == "raised":
                return drawn_exceptions(found.raises, seed=self._seed, count=_POOL)
            annotation = found.value if what == "value" else found.error
            return drawn_values(annotation, seed=self._seed, count=_POOL)
        except NoValue as impossible:
            raise DefinitionError(
                f"no {what} of step {spec.name!r} can be made up: its annotation {found.shown} {impossible}; "
                f"say stubs={{{spec.name!r}: function}}"
            ) from None


def _fresh(value: Any) -> Any:
    """Give a copy, so that what one run does to a value is not seen by the next; an exception without its past."""
    if isinstance(value, BaseException):
        return value.with_traceback(None)
    try:
        return deepcopy(value)
    except Exception:  # of a class that cannot be copied
        return value


def _answers(fn: Any, spec: StepSpec) -> Answers:
    if not isinstance(fn, Ask):
        return answers(fn, spec)
    many = answers(fn.many.fn, spec)  # of a batch: one of them
    of_each = get_args(many.value)
    return Answers(of_each[-1] if of_each else Any, many.error, many.raises, many.shown)


class Forecast(SimulatedBackend):
    """Runs a flow once under a model. With ``model.real`` the steps run, and what they spend is counted."""

    def __init__(self, model: Model, pools: Pools, seed: int) -> None:
        super().__init__(
            seed,
            durations=model.durations,
            workers=model.workers,
            resources=model.resources,
            priority=model.priority,
        )
        self.probe = self._at
        self.model = model
        self.pools = pools
        self.tally = Tally()
        self._since: dict[tuple[str, int], float] = {}
        self._broken: BaseException | None = None
        self._endless = ""

    def play(self, flow: Flow[Any, Any, Any, Any], input: Any, state: Any, deps: Any) -> Tally:
        """Run ``flow`` and tell what it came to; ``DefinitionError`` if it cannot be run or simulated."""
        tally = self.tally
        try:
            outcome = run_sync(flow, input, state, deps=deps, backend=self, run_id="simulation", listener=self._tell)
            tally.failure = None if outcome.ok else _failure(outcome)
        except _Stopped:
            pass
        except Deadlock as deadlock:
            tally.failure, tally.stuck = ("", "Deadlock"), str(deadlock)
        if self._broken is not None:
            raise self._broken
        if self._endless:
            tally.failure, tally.stuck = ("", "Endless"), self._endless
        tally.seconds = self.elapsed
        return tally

    def _tell(self, event: Event) -> None:
        tally = self.tally
        match event:
            case StepStarted():
                tally.calls += 1
                tally.begun[event.step] += 1
                self._since[event.path, event.attempt] = event.time
            case StepFinished() | StepFailed():
                since = self._since.pop((event.path, event.attempt), event.time)
                tally.busy[event.step] = tally.busy.get(event.step, 0.0) + event.time - since
                tally.failed[event.step] += isinstance(event, StepFailed) and not event.cancelled

    async def _at(self, point: Point, /) -> Verdict:
        if point.name != "call.before":
            return None
        if self.tally.calls > self.model.at_most:
            self._endless = f"not done after {self.model.at_most} calls of steps, the last at {point.path}"
        if self._endless or self._broken is not None:
            raise _Stopped
        assert point.spec is not None
        if self.model.real or getattr(point.fn, "passes_on", False):  # a sleep
            return None
        return Calls(_StandIn(self, point.fn, point.spec))

    async def call(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: StepSpec
    ) -> Any:
        with self._counted(fn, args, spec) as own:
            return await super().call(fn, own, kwargs, spec)

    async def call_async(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: StepSpec
    ) -> Any:
        with self._counted(fn, args, spec) as own:
            return await super().call_async(fn, own, kwargs, spec)

    @contextmanager
    def _counted(self, fn: Any, args: tuple[Any, ...], spec: StepSpec) -> Generator[tuple[Any, ...]]:
        """Give the arguments of a call with a context in them that counts what the step spends."""
        if not self.model.real or spec.internal or isinstance(fn, Ask):
            yield args
            return
        self._spend(spec)
        if not spec.takes_context:
            yield args
            return
        ctx = _Counted(branch_of(args[0]), spec.name)
        ctx.tally = self.tally
        try:
            yield (ctx, *args[1:])
        finally:
            ctx.close()

    def answer(self, fn: Any, spec: StepSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Give what the step gives in this run, or raise how it fails; what it is said to cost is spent."""
        self._spend(spec)
        random = self._chance(spec, "answer")
        if random.random() < self.model.failures.get(spec.name, 0.0):
            error = self._made_up(self.pools.error, fn, spec, random)
            if isinstance(error, BaseException):
                raise error
            return error
        if (stub := self.model.stubs.get(spec.name)) is not None:
            return stub(*(args[1:] if spec.takes_context else args), **kwargs)
        if spec.pure or continues(fn):
            return fn(*args, **kwargs)
        return Success(self._made_up(self.pools.value, fn, spec, random))  # so that a value which is a flow stays one

    def _spend(self, spec: StepSpec) -> None:
        cost = self.model.costs.get(spec.name, 0.0)
        if cost and (fiber := calling()) is not None:  # a batch belongs to no branch, and so to no budget
            fiber.spend(cost)
        self.tally.cost += cost

    def _made_up(self, make: Callable[[Any, StepSpec, Random], Any], fn: Any, spec: StepSpec, random: Random) -> Any:
        try:
            return make(fn, spec, random)
        except DefinitionError as problem:  # no matter of the flow's: the simulation cannot go on
            self._broken = problem
            raise _Stopped from None


class _StandIn:
    """Is called instead of a step."""

    def __init__(self, forecast: Forecast, fn: Any, spec: StepSpec) -> None:
        self.forecast = forecast
        self.fn = fn
        self.spec = spec

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forecast.answer(self.fn, self.spec, args, kwargs)


class _Counted(Context[Any]):
    __slots__ = ("tally",)
    tally: Tally

    def spend(self, cost: float) -> None:
        super().spend(cost)
        self.tally.cost += cost


def _failure(outcome: Outcome[Any, Any, Any]) -> tuple[str, str]:
    """Name the step, or the region, that failed and the kind of its error."""
    error = outcome.error.cause if isinstance(outcome.error, Defect) else outcome.error
    path = "" if outcome.where is None else outcome.where.path
    return path.rpartition("/")[2].partition(":")[0], type(error).__name__
