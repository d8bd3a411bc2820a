"""Sides that are measured in turns on one cluster, and what is compared with what."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.measure import WrongResult, summarise
from benchmarks.results import Row
from mce import DaskBackend

__all__ = ["GROUP", "Compared", "Gauge", "Here", "Trial", "Workload", "constant", "measure", "timed", "valued"]

GROUP = "cluster"

Gauge = Callable[[], float]
"""Does what is measured once and gives the number: seconds, or what else the comparison is of."""


@dataclass(frozen=True)
class Here:
    """A local cluster of worker processes of one thread each, a client, and how many workers there are."""

    cluster: Any
    client: Any
    workers: int = 2

    @property
    def address(self) -> str:
        return str(self.cluster.scheduler_address)

    def backend(self, **options: Any) -> DaskBackend:
        return DaskBackend(self.client, **options)


@dataclass(frozen=True)
class Compared:
    """A row: the gauge ``of``, ``against`` another, and the ratio to reach."""

    name: str
    of: str
    against: str
    target: float | None = None
    subject: str = "mce"


@dataclass(frozen=True)
class Trial:
    """Gauges by name, in the order of a round, and which are compared."""

    gauges: Mapping[str, Gauge]
    compared: tuple[Compared, ...]


@dataclass(frozen=True)
class Workload:
    """Makes a trial for a size; on as many ``workers``, in so many ``rounds``, of which a quick one has two."""

    name: str
    make: Callable[[Here, int], Trial]
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    rounds: int = 7
    workers: tuple[int, ...] = field(default=(2,))


def measure(trial: Trial, size: int, rounds: int) -> Iterator[Row]:
    """Run all sides once to check their results, then in turns, first one way and then the other; give the rows."""
    names = [*trial.gauges]
    found: dict[str, list[float]] = {name: [] for name in names}
    try:
        for name in names:
            trial.gauges[name]()
        for turn in range(rounds):
            for name in names if turn % 2 else reversed(names):
                found[name].append(trial.gauges[name]())
        problem = ""
    except WrongResult as wrong:
        problem = str(wrong)
    for one in trial.compared:
        measured = None if problem else summarise([*zip(found[one.of], found[one.against], strict=True)])
        yield Row(one.name, one.subject, one.against, size, one.target, measured, problem, GROUP)


def timed(run: Callable[[], Any], expected: Any) -> Gauge:
    """Measure the seconds that ``run`` takes, by the wall's clock, since most of it is not this process's.

    The gauge raises ``WrongResult`` if it does not give what is expected.
    """

    def gauge() -> float:
        gc.collect()
        gc.disable()
        try:
            begun = time.perf_counter()
            found = run()
            seconds = time.perf_counter() - begun
        finally:
            gc.enable()
        if found != expected:
            raise WrongResult(f"a side gave {found!r:.80}, expected {expected!r:.80}")
        return seconds

    return gauge


def valued(flow: Any, backend: DaskBackend, *given: Any) -> Callable[[], Any]:
    """Give what runs ``flow`` on the cluster and gives its value."""
    return lambda: flow.run_sync(*given, backend=backend).unwrap()


def constant(number: float) -> Gauge:
    """Give the gauge of a bound that needs no measuring."""
    return lambda: number
