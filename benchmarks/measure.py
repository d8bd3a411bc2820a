"""Timing two coroutines against each other: results are checked, the runs alternate, and the ratio is what counts.

Only the standard library is imported here: the same code times other libraries in environments of their own.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["QUICK", "Clock", "Contest", "Effort", "Measured", "Pair", "Runner", "WrongResult", "compare", "summarise"]

Runner = Callable[[], Awaitable[Any]]
Clock = Literal["cpu", "wall"]

_CLOCKS: dict[Clock, Callable[[], float]] = {"cpu": time.process_time, "wall": time.perf_counter}
_LONG_ENOUGH = 0.005
"""Seconds below which a baseline is run several times a round, so that a clock's resolution does not matter."""


class WrongResult(AssertionError):
    """A contestant gave another result than expected, so that its time means nothing."""


@dataclass(frozen=True)
class Pair:
    """What is measured, what it is compared with, and the result that both must give."""

    subject: Runner
    baseline: Runner
    expected: Any


@dataclass(frozen=True)
class Effort:
    """How often to measure: at least ``least`` rounds, then on until ``seconds`` or ``most`` rounds are over."""

    least: int = 5
    most: int = 21
    seconds: float = 5.0


QUICK = Effort(3, 9, 0.8)


@dataclass(frozen=True)
class Measured:
    """A ratio's median, quartiles and extremes over ``rounds``, and the median seconds of either side."""

    ratio: float
    quartiles: tuple[float, float]
    extremes: tuple[float, float]
    rounds: int
    subject_seconds: float
    baseline_seconds: float


class Contest:
    """A pair that was checked and is timed round by round; ``waits`` seconds of each run are no cost.

    ``clock`` is the processor time of this process, which a busy machine disturbs least, or the wall's for what waits.
    """

    def __init__(self, pair: Pair, *, clock: Clock = "cpu", waits: float = 0.0) -> None:
        self.pair = pair
        self.clock = _CLOCKS[clock]
        self.waits = waits
        self.repeats: dict[Runner, int] = {}

    async def prepare(self) -> None:
        """Run both sides once to check their results, and once more to see how often a round must repeat them.

        Raises ``WrongResult`` when a side does not give what is expected.
        """
        for runner, which in ((self.pair.subject, "the subject"), (self.pair.baseline, "the baseline")):
            self._check(await runner(), which)
            self.repeats[runner] = 1
            once = await self._time(runner)
            self.repeats[runner] = 1 if self.waits else max(1, round(_LONG_ENOUGH / max(once, 1e-7)))

    async def go(self, turn: int) -> tuple[float, float]:
        """Time both sides once, in an order that ``turn`` alternates; give their seconds a run."""
        if turn % 2:
            subject, baseline = await self._time(self.pair.subject), await self._time(self.pair.baseline)
        else:
            baseline, subject = await self._time(self.pair.baseline), await self._time(self.pair.subject)
        return subject, baseline

    async def _time(self, runner: Runner) -> float:
        """Time ``runner`` without the garbage collector, as ``timeit`` does, and check its last result."""
        repeats, found = self.repeats[runner], None
        gc.collect()
        gc.disable()
        try:
            begun = self.clock()
            for _ in range(repeats):
                found = await runner()
            seconds = self.clock() - begun
        finally:
            gc.enable()
        self._check(found, "a timed run")
        return seconds / repeats - self.waits

    def _check(self, found: Any, which: str) -> None:
        if found != self.pair.expected:
            raise WrongResult(f"{which} gave {found!r:.80}, expected {self.pair.expected!r:.80}")


async def compare(pair: Pair, effort: Effort, *, clock: Clock = "cpu", waits: float = 0.0) -> Measured:
    """Check the results of ``pair``, then time its sides by turns; see :class:`Contest`. Raises ``WrongResult``."""
    contest = Contest(pair, clock=clock, waits=waits)
    await contest.prepare()
    begun, rounds = time.perf_counter(), []
    for turn in range(effort.most):
        if turn >= effort.least and time.perf_counter() - begun > effort.seconds:
            break
        rounds.append(await contest.go(turn))
    return summarise(rounds)


def summarise(rounds: Sequence[tuple[float, float]]) -> Measured:
    """Give the ratio of the two numbers of each round, which are of the same moment."""
    ratios = [subject / max(baseline, 1e-9) for subject, baseline in rounds]
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return Measured(
        statistics.median(ratios),
        (low, high),
        (min(ratios), max(ratios)),
        len(ratios),
        *(statistics.median(side) for side in zip(*rounds, strict=True)),
    )
