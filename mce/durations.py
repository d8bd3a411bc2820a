"""How long steps take: numbers, distributions, functions of the arguments, and what was recorded of earlier runs.

Data only; :class:`mce.SimulatedBackend` draws from it. All durations are in seconds and not negative.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from os import PathLike
from pathlib import Path
from random import Random
from statistics import NormalDist, fmean
from typing import Any, Protocol, TypeAlias, TypeGuard, runtime_checkable

from mce.errors import DefinitionError, brief

__all__ = [
    "Distribution",
    "Duration",
    "Empirical",
    "Estimates",
    "Exponential",
    "LogNormal",
    "Normal",
    "Uniform",
    "check_cost",
    "check_duration",
    "check_rate",
    "durations_from_json",
    "durations_from_trace",
    "expected_seconds",
    "is_seconds",
    "seconds_of",
]

_STANDARD = NormalDist()
_Z95 = _STANDARD.inv_cdf(0.95)


@runtime_checkable
class Distribution(Protocol):
    """Seconds to draw; one's own class will do, if it is data."""

    def draw(self, random: Random) -> float:
        """Give one duration; ``random`` is the only source of chance."""
        ...

    def expected(self) -> float:
        """Give the mean."""
        ...


@dataclass(frozen=True, slots=True)
class Uniform:
    """Anything from ``low`` to ``high`` seconds, all alike.

    >>> Uniform(1, 3).expected()
    2.0
    >>> Uniform(3, 1)
    Traceback (most recent call last):
    mce.errors.DefinitionError: Uniform(low=3, high=1): low is not above high
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check(self, low=self.low, high=self.high)
        if self.low > self.high:
            raise DefinitionError(f"{self}: low is not above high")

    def draw(self, random: Random) -> float:
        return random.uniform(self.low, self.high)

    def expected(self) -> float:
        return (self.low + self.high) / 2


@dataclass(frozen=True, slots=True)
class Normal:
    """A bell around ``mean`` seconds; what falls below 0 counts as 0."""

    mean: float
    deviation: float

    def __post_init__(self) -> None:
        _check(self, mean=self.mean, deviation=self.deviation)

    def draw(self, random: Random) -> float:
        return max(0.0, random.gauss(self.mean, self.deviation))

    def expected(self) -> float:
        if not self.deviation:
            return float(self.mean)
        z = self.mean / self.deviation
        return self.mean * _STANDARD.cdf(z) + self.deviation * _STANDARD.pdf(z)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Half of them up to ``median`` seconds, 19 of 20 up to ``p95``, a few far longer: what calls of a service do."""

    median: float
    p95: float

    def __post_init__(self) -> None:
        _check(self, median=self.median, p95=self.p95)
        if not 0 < self.median <= self.p95:
            raise DefinitionError(f"{self}: the median is above 0 and not above p95")

    @property
    def _sigma(self) -> float:
        return math.log(self.p95 / self.median) / _Z95

    def draw(self, random: Random) -> float:
        return random.lognormvariate(math.log(self.median), self._sigma)

    def expected(self) -> float:
        return self.median * math.exp(self._sigma**2 / 2)


@dataclass(frozen=True, slots=True)
class Exponential:
    """Waits without memory, ``mean`` seconds on average."""

    mean: float

    def __post_init__(self) -> None:
        _check(self, mean=self.mean)

    def draw(self, random: Random) -> float:
        return random.expovariate(1 / self.mean) if self.mean else 0.0

    def expected(self) -> float:
        return float(self.mean)


@dataclass(frozen=True, slots=True)
class Empirical:
    """One of the ``samples``, each as likely as it is frequent among them.

    >>> Empirical([3, 1, 2]).expected()
    2.0
    """

    samples: Sequence[float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", tuple(self.samples))
        if not self.samples:
            raise DefinitionError("Empirical(()): at least one sample is needed")
        for place, seconds in enumerate(self.samples):
            if not is_seconds(seconds):
                raise DefinitionError(f"Empirical: samples[{place}] is a number of seconds, not {brief(seconds, 40)}")

    def draw(self, random: Random) -> float:
        return random.choice(self.samples)

    def expected(self) -> float:
        return fmean(self.samples)

    def __repr__(self) -> str:
        return f"Empirical({brief(self.samples, 60)})"


Duration: TypeAlias = float | Distribution | Callable[..., float]
"""A number of seconds, a distribution, or a function of the step's arguments (or of none) that gives a number."""


@dataclass(frozen=True, slots=True)
class Estimates(Mapping[str, Duration]):
    """Durations by step name, with how often each step fails (0 to 1) and what a call of it costs."""

    durations: Mapping[str, Duration]
    failures: Mapping[str, float] = field(default_factory=dict[str, float])
    costs: Mapping[str, float] = field(default_factory=dict[str, float])

    def __getitem__(self, name: str) -> Duration:
        return self.durations[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.durations)

    def __len__(self) -> int:
        return len(self.durations)


# -- checks and draws -------------------------------------------------------------------------------------------------


def is_seconds(value: object) -> TypeGuard[float]:
    """Whether ``value`` is a finite number that is not negative."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def check_duration(name: str, duration: object) -> None:
    """Raise ``DefinitionError`` if ``duration`` cannot say how long the step ``name`` takes."""
    if isinstance(duration, type):
        raise DefinitionError(f"durations[{name!r}] is a class: say {duration.__name__}(...)")
    if not is_seconds(duration) and not isinstance(duration, Distribution) and not callable(duration):
        raise DefinitionError(
            f"durations[{name!r}] is a number of seconds, a distribution such as Uniform(1, 3) "
            f"or a function of the step's arguments, not {brief(duration, 60)}"
        )


def check_rate(name: str, rate: object) -> None:
    """Raise ``DefinitionError`` if ``rate`` cannot say how often the step ``name`` fails."""
    if not is_seconds(rate) or rate > 1:
        raise DefinitionError(f"failures[{name!r}] is a frequency from 0 to 1, not {brief(rate, 60)}")


def check_cost(name: str, cost: object) -> None:
    """Raise ``DefinitionError`` if ``cost`` cannot be what a call of the step ``name`` costs."""
    if not is_seconds(cost):
        raise DefinitionError(f"costs[{name!r}] is a number that is not negative, not {brief(cost, 60)}")


def seconds_of(
    name: str, duration: Duration, random: Callable[[], Random], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> float:
    """Give how long one call of the step ``name`` takes; ``random`` is asked for only where chance has a part."""
    if isinstance(duration, int | float):
        return duration
    drawn = duration.draw(random()) if isinstance(duration, Distribution) else _called(duration, args, kwargs)
    if not is_seconds(drawn):
        raise DefinitionError(f"durations[{name!r}] gave {brief(drawn, 60)}, which is no number of seconds")
    return drawn


def expected_seconds(duration: Duration) -> float:
    """Give the mean of a duration as far as it can be known beforehand: 0 for a function of the arguments."""
    if isinstance(duration, Distribution):
        return duration.expected()
    return duration if isinstance(duration, int | float) else 0.0


def _called(duration: Callable[..., float], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> float:
    return duration(*args, **kwargs) if signature(duration).parameters else duration()


def _check(distribution: object, **values: float) -> None:
    for name, value in values.items():
        if not is_seconds(value):
            kind = type(distribution).__name__
            raise DefinitionError(f"{kind}({name}={brief(value, 40)}): {name} is a number of seconds, not negative")


# -- files ------------------------------------------------------------------------------------------------------------


def durations_from_trace(source: str | PathLike[str] | Iterable[str]) -> Estimates:
    """Read what ``mce run --trace`` wrote, of one run or of several: how long every step took and how often it failed.

    ``source`` is a path, or the lines. A call that was cancelled tells neither; one that failed counts as a sample too.
    Raises ``DefinitionError`` for a line that is no event, with its number.

    >>> found = durations_from_trace([
    ...     '{"kind": "step_started", "path": "ask", "attempt": 1, "step": "ask", "time": 0.5}',
    ...     '{"kind": "step_finished", "path": "ask", "attempt": 1, "step": "ask", "time": 2.0}',
    ... ])
    >>> found["ask"], found.failures["ask"]
    (Empirical((1.5,)), 0.0)
    """
    where = "trace"
    if isinstance(source, str | PathLike):
        where, source = str(source), _text(source).splitlines()
    begun: dict[tuple[Any, Any], float] = {}
    samples: dict[str, list[float]] = {}
    failed: Counter[str] = Counter()
    for number, line in enumerate(source, 1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
            kind = event["kind"]
            if kind == "step_started":
                begun[event["path"], event["attempt"]] = event["time"]
            elif kind in ("step_finished", "step_failed"):
                since = begun.pop((event["path"], event["attempt"]), None)
                if since is not None and not event.get("cancelled"):
                    samples.setdefault(event["step"], []).append(max(0.0, event["time"] - since))
                    failed[event["step"]] += kind == "step_failed"
        except (ValueError, KeyError, TypeError):
            raise DefinitionError(f"{where}, line {number} is no event of a trace: {brief(line, 80)}") from None
    return Estimates(
        {name: Empirical(found) for name, found in samples.items()},
        {name: failed[name] / len(found) for name, found in samples.items()},
    )


def durations_from_json(source: str | PathLike[str] | Mapping[str, Any]) -> Estimates:
    """Read estimates by step name, from a JSON file or the data in it.

    A duration is a number, a list of samples, or an object that names a distribution: ``{"lognormal": [2, 9]}``. With
    more to say it is in an object: ``{"seconds": 2.5, "fails": 0.1, "cost": 0.02}``.

    >>> found = durations_from_json({"plan": 2, "ask": {"seconds": {"uniform": [1, 3]}, "fails": 0.25, "cost": 0.5}})
    >>> found["ask"], found.failures, found.costs
    (Uniform(low=1, high=3), {'ask': 0.25}, {'ask': 0.5})
    """
    where = "durations" if isinstance(source, Mapping) else str(source)
    data = source if isinstance(source, Mapping) else _json(where, _text(source))
    if not isinstance(data, Mapping):
        raise DefinitionError(f"{where} is an object with a duration for each step, not {brief(data, 60)}")
    durations: dict[str, Duration] = {}
    failures: dict[str, float] = {}
    costs: dict[str, float] = {}
    for name, said in data.items():
        more: Mapping[str, Any] = said if isinstance(said, Mapping) and _MORE & said.keys() else {"seconds": said}
        if unknown := sorted(more.keys() - _MORE):
            raise DefinitionError(f"{where}: {name!r} has {', '.join(unknown)}; known are seconds, fails and cost")
        durations[name] = _duration(where, name, more.get("seconds", 0))
        if "fails" in more:
            failures[name] = more["fails"]
            check_rate(name, failures[name])
        if "cost" in more:
            costs[name] = more["cost"]
            check_cost(name, costs[name])
    return Estimates(durations, failures, costs)


_MORE = frozenset({"seconds", "fails", "cost"})
_KINDS: Mapping[str, Callable[..., Distribution]] = {
    "uniform": Uniform,
    "normal": Normal,
    "lognormal": LogNormal,
    "exponential": Exponential,
}


def _duration(where: str, name: str, said: Any) -> Duration:
    if isinstance(said, list):
        return Empirical(said)
    if isinstance(said, Mapping) and len(said) == 1:
        kind, given = next(iter(said.items()))
        values = given if isinstance(given, list) else [given]
        if kind in _KINDS:
            try:
                return _KINDS[kind](**given) if isinstance(given, Mapping) else _KINDS[kind](*values)
            except TypeError:
                pass
    if is_seconds(said):
        return said
    raise DefinitionError(
        f"{where}: {name!r} is {brief(said, 60)}; say a number of seconds, a list of samples, or one of "
        f'{{"uniform": [low, high]}}, {{"normal": [mean, deviation]}}, {{"lognormal": [median, p95]}}, '
        f'{{"exponential": mean}}'
    )


def _text(path: str | PathLike[str]) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as wrong:
        raise DefinitionError(f"{path} cannot be read: {wrong.strerror}") from None
    except UnicodeDecodeError:
        raise DefinitionError(f"{path} is not UTF-8 text") from None


def _json(where: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as wrong:
        raise DefinitionError(f"{where} is not JSON: {wrong}") from None
