"""How long, how much, how often does it fail: many simulated runs of a flow, before anything is spent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from random import Random
from statistics import fmean
from typing import Any, Literal, TypeAlias

from mce.backends.simulated import Priority
from mce.durations import Duration, Estimates, check_cost, check_rate
from mce.errors import DefinitionError, brief
from mce.flow import NO_INPUT, Flow
from mce.syntax import Call, Dynamic, postorder
from mce.testing.answers import continues
from mce.testing.forecast import Forecast, Model, Pools, Tally

__all__ = ["FailedAs", "Measure", "Simulation", "StepShare", "percentile", "simulate", "unknown_steps"]

Measure: TypeAlias = Literal["seconds", "calls", "cost"]


@dataclass(frozen=True, slots=True)
class FailedAs:
    """A way in which runs failed: at which ``step``, with which kind of ``error``; ``example`` tells more of one."""

    step: str
    error: str
    runs: int
    example: str = ""


@dataclass(frozen=True, slots=True)
class StepShare:
    """What one step had to do with it: over all runs, its ``calls``, how many ``failed``, and how long they took.

    ``seconds`` are those of all calls, with the wait for a worker and with what was cancelled.
    """

    step: str
    calls: int
    failed: int
    seconds: float


@dataclass(frozen=True, repr=False)
class Simulation:
    """What many simulated runs came to, each with its own figures, in the order of the runs.

    ``seconds`` are virtual; ``failures`` and ``steps`` have the most frequent first.
    """

    seconds: tuple[float, ...]
    calls: tuple[float, ...]
    cost: tuple[float, ...]
    failures: tuple[FailedAs, ...]
    steps: tuple[StepShare, ...]

    @property
    def runs(self) -> int:
        """How many there were."""
        return len(self.seconds)

    @property
    def failed(self) -> int:
        """How many did not succeed."""
        return sum(found.runs for found in self.failures)

    @property
    def failure_rate(self) -> float:
        """How often a run failed, from 0 to 1."""
        return self.failed / self.runs

    def mean(self, measure: Measure = "seconds") -> float:
        """Give the mean of a measure over all runs."""
        return fmean(self._of(measure))

    def percentile(self, q: float, measure: Measure = "seconds") -> float:
        """Give the value that ``q`` percent of the runs do not exceed: 50 is the median, 100 the most."""
        return percentile(self._of(measure), q)

    def histogram(self, bins: int = 12, measure: Measure = "seconds") -> list[tuple[float, float, int]]:
        """Count the runs in intervals of equal length: from, to (with it in the last one), and how many."""
        values = self._of(measure)
        low, high = min(values), max(values)
        if low == high:
            return [(low, high, len(values))]
        width = (high - low) / bins
        counts = Counter(min(int((value - low) / width), bins - 1) for value in values)
        return [(low + at * width, low + (at + 1) * width, counts[at]) for at in range(bins)]

    def _of(self, measure: Measure) -> tuple[float, ...]:
        if measure not in ("seconds", "calls", "cost"):
            raise DefinitionError(f"a measure is 'seconds', 'calls' or 'cost', not {brief(measure, 40)}")
        values: tuple[float, ...] = getattr(self, measure)
        return values

    def __repr__(self) -> str:
        median, most = self.percentile(50), self.percentile(95)
        return f"<Simulation of {self.runs} runs: p50 {median:g} s, p95 {most:g} s, {self.failure_rate:.1%} failed>"


def percentile(values: Sequence[float], q: float) -> float:
    """Give the percentile ``q`` (0 to 100) of ``values``, between two of them in proportion.

    >>> percentile([1, 2, 3, 4], 50), percentile([1, 2, 3, 4], 100)
    (2.5, 4)
    """
    if not 0 <= q <= 100:
        raise DefinitionError(f"a percentile is from 0 to 100, not {brief(q, 40)}")
    ordered = sorted(values)
    at = (len(ordered) - 1) * q / 100
    low, high = ordered[floor(at)], ordered[ceil(at)]
    return low if low == high else low + (high - low) * (at - floor(at))


def simulate(
    flow: Flow[Any, Any, Any, Any],
    input: Any = NO_INPUT,
    *,
    state: Any = None,
    deps: Any = None,
    runs: int = 100,
    seed: int = 0,
    durations: Mapping[str, Duration] | None = None,
    failures: Mapping[str, float] | None = None,
    costs: Mapping[str, float] | None = None,
    stubs: Mapping[str, Callable[..., Any]] | None = None,
    workers: int | None = None,
    resources: Mapping[str, float] | None = None,
    priority: Priority = "fifo",
    real: bool = False,
    at_most: int = 100_000,
    progress: Callable[[int], object] | None = None,
) -> Simulation:
    """Run ``flow`` many times in simulated time and tell how long it took, what it cost, how often it failed.

    No step is called: a call takes one of its ``durations`` (default: no time), fails as often as ``failures`` say (0
    to 1), costs what ``costs`` say, which budgets count, and gives a value drawn from the return annotation, or what
    the function in ``stubs`` makes of its arguments. All of them are by step name; where ``durations`` are estimates
    that were read from a file, they have the other two with them. A failure is one that the step declares, else a
    defect. Steps that are declared ``pure``, or to return a flow to continue with, are called; so are the functions of
    ``map``, ``branch`` and the like. No state is written but by those. A ``batched`` step counts as a call an input.
    The figures are those of all runs, also of the ones that failed.

    With ``real`` the steps are called, in simulated time; then nothing fails but what fails, and ``ctx.spend`` counts.

    ``workers``, ``resources`` and ``priority`` are those of :class:`mce.SimulatedBackend`. The same ``seed`` gives the
    same runs. A run with more than ``at_most`` calls is stopped and has failed; so has one that is in a deadlock.
    ``progress`` is called with the number of runs done. Raises ``DefinitionError`` for a name that is given here and
    that no step has, if all steps of the flow can be seen, and for an annotation of which no value can be made up.

    >>> from mce import step
    >>> from mce.durations import Uniform
    >>> @step(raises=TimeoutError)
    ... async def ask(question: str) -> str:
    ...     raise NotImplementedError("this costs money")
    >>> simulate(ask >> ask, "?", durations={"ask": Uniform(1, 3)}, failures={"ask": 0.1}, runs=1000)
    <Simulation of 1000 runs: p50 3.9... s, p95 5... s, 1...% failed>
    """
    if not isinstance(runs, int) or runs < 1:
        raise DefinitionError(f"simulate(runs={brief(runs, 40)}): runs is a whole number of at least 1")
    model = _model(durations, failures, costs, stubs, workers, resources, priority, real, at_most)
    _check_names(flow, durations=durations, failures=failures, costs=costs, stubs=stubs)
    pools = Pools(seed)
    tallies: list[Tally] = []
    for number in range(runs):
        run_seed = Random(f"{seed} {number}").getrandbits(32)
        tallies.append(Forecast(model, pools, run_seed).play(flow, input, state, deps))
        if progress is not None:
            progress(number + 1)
    return _summed(tallies)


def _model(
    durations: Mapping[str, Duration] | None,
    failures: Mapping[str, float] | None,
    costs: Mapping[str, float] | None,
    stubs: Mapping[str, Callable[..., Any]] | None,
    workers: int | None,
    resources: Mapping[str, float] | None,
    priority: Priority,
    real: bool,
    at_most: int,
) -> Model:
    read = durations if isinstance(durations, Estimates) else Estimates(durations or {})
    failures = {**read.failures, **(failures or {})}
    costs = {**read.costs, **(costs or {})}
    for name, rate in failures.items():
        check_rate(name, rate)
    for name, cost in costs.items():
        check_cost(name, cost)
    for name, stub in (stubs or {}).items():
        if not callable(stub):
            raise DefinitionError(f"stubs[{name!r}] is a function of the step's arguments, not {brief(stub, 60)}")
    return Model(read.durations, failures, costs, stubs or {}, workers, resources or {}, priority, real, at_most)


def unknown_steps(flow: Flow[Any, Any, Any, Any], names: Iterable[str]) -> list[str]:
    """Give those of ``names`` that no step of ``flow`` has; none where a part of it is not known before it runs."""
    nodes = postorder(flow.node)
    if any(isinstance(node, Dynamic) or (isinstance(node, Call) and continues(node.fn)) for node in nodes):
        return []
    known = {node.spec.name for node in nodes if isinstance(node, Call)}
    return sorted(set(names) - known)


def _check_names(flow: Flow[Any, Any, Any, Any], **given: Mapping[str, Any] | None) -> None:
    for what, by_name in given.items():
        unknown = [] if isinstance(by_name, Estimates) else unknown_steps(flow, by_name or ())
        if unknown:
            raise DefinitionError(f"{what}[{unknown[0]!r}]: this flow has no step of that name")


def _summed(tallies: Sequence[Tally]) -> Simulation:
    begun: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    busy: dict[str, float] = {}
    ways: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for tally in tallies:
        begun.update(tally.begun)
        failed.update(tally.failed)
        for step, seconds in tally.busy.items():
            busy[step] = busy.get(step, 0.0) + seconds
        if tally.failure is not None:
            ways[tally.failure] += 1
            examples.setdefault(tally.failure, tally.stuck)
    return Simulation(
        tuple([tally.seconds for tally in tallies]),
        tuple([tally.calls for tally in tallies]),
        tuple([tally.cost for tally in tallies]),
        tuple([FailedAs(*way, runs, examples[way]) for way, runs in ways.most_common()]),
        tuple([StepShare(step, calls, failed[step], busy.get(step, 0.0)) for step, calls in begun.most_common()]),
    )
