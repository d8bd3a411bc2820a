"""What is tried of a flow: every single fault of a calm run, then random worlds, orders and cancellations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any, Never

from mce.syntax import Call, Timeout, postorder
from mce.testing.answers import NoAnswer
from mce.testing.decisions import Breaks, Decision, Fails, Hangs, Key, Returns, Runs
from mce.testing.drawing import drawn_exceptions, drawn_values
from mce.testing.fuzz_stage import Bench, Ran, Trial
from mce.testing.oracle import Asked, Calm
from mce.testing.plain import NOTHING, plain
from mce.testing.script import StepKey
from mce.testing.value_strategies import NoValue

__all__ = ["Answering", "Calmly", "Pools", "delayed", "pool", "random_trials", "single_faults"]

_VALUES = 24
_GREATEST = 1_000
_CUTS = 60


class Pools:
    """What calls can be decided to do, by step: drawn once, from the annotations."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.seed = seed
        self.known: dict[tuple[StepKey, bool], tuple[list[Decision], list[Decision]]] = {}
        self.delays = _delays(bench)

    def right(self, asked: Asked) -> list[Decision]:
        """List what a call gives when it goes well, the simplest first."""
        return self._both(asked)[0]

    def wrong(self, asked: Asked) -> list[Decision]:
        """List the declared failures of a call."""
        return self._both(asked)[1]

    def _both(self, asked: Asked) -> tuple[list[Decision], list[Decision]]:
        key = (StepKey(asked.spec.name, asked.fn), asked.runs)
        if key not in self.known:
            self.known[key] = (self._values(asked), self._failures(asked))
        return self.known[key]

    def _values(self, asked: Asked) -> list[Decision]:
        if asked.runs:
            return [Runs()]
        declared = asked.answers()
        try:
            return [Returns(value) for value in pool(declared.value, self.seed)]
        except NoValue as none:
            raise asked.refusal(str(none)) from None

    def _failures(self, asked: Asked) -> list[Decision]:
        try:
            declared = asked.answers()
            found = drawn_exceptions(declared.raises, seed=self.seed, count=4) if declared.raises else []
            errors = [] if declared.error is Never else pool(declared.error, self.seed)[:6]
        except (NoAnswer, NoValue):
            if asked.runs:
                return []
            raise
        distinct = {repr(error): error for error in [*found, *errors]}
        early: list[Decision] = [Fails(error) for error in distinct.values()]
        return early + ([Fails(error, late=True) for error in distinct.values()] if asked.runs else [])


_SMALL: dict[Any, list[Any]] = {int: [1, 2, -1], float: [1.0, -1.0], str: ["a"]}


def pool(annotation: Any, seed: int, count: int = _VALUES) -> list[Any]:
    """Give values of ``annotation``, the simplest first and no great numbers; raises :class:`NoValue`."""
    first = plain(annotation)
    drawn = [value for value in drawn_values(annotation, seed=seed, count=count) if _is_small(value)]
    drawn = [*_SMALL.get(annotation, ()), *drawn] if isinstance(annotation, type) else drawn
    drawn.sort(key=lambda value: len(repr(value)))
    return ([] if first is NOTHING else [first]) + drawn or drawn_values(annotation, seed=seed, count=1)


def _is_small(value: Any) -> bool:
    if isinstance(value, int | float):
        return abs(value) < _GREATEST
    if isinstance(value, dict):
        return all(map(_is_small, [*value.keys(), *value.values()]))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_small, value))
    inner = getattr(value, "__dict__", None)
    return inner is None or isinstance(value, type) or all(map(_is_small, inner.values()))


def _delays(bench: Bench) -> list[float]:
    found = {1.0}
    for node in postorder(bench.flow.node):
        seconds = node.seconds if isinstance(node, Timeout) else node.spec.timeout if isinstance(node, Call) else None
        if seconds and math.isfinite(seconds):
            found |= {seconds / 2, seconds * 2}
    return sorted(found)


class Answering(Calm):
    """The oracle of random worlds: ``faults`` and ``delays`` are how many of the calls have one."""

    def __init__(
        self, pools: Pools, rng: Random, *, faults: float = 0.0, delays: float = 0.0, values: float = 0.5
    ) -> None:
        self.pools, self.rng = pools, rng
        self.faults, self.delays, self.values = faults, delays, values

    def decide(self, asked: Asked, /) -> Decision:
        wrong = self.pools.wrong(asked)
        if wrong and self.rng.random() < self.faults:
            return self.rng.choice(wrong)
        right = self.pools.right(asked)
        found = self.rng.choice(right) if self.rng.random() < self.values else right[0]
        if self.rng.random() < self.delays:
            return delayed(found, self.rng.choice(self.pools.delays))
        return found

    def pick(self, ready: int, /) -> int:
        return self.rng.randrange(ready)


class Calmly(Answering):
    """Gives the first of every pool, in the order of those who come."""

    def __init__(self, pools: Pools) -> None:
        super().__init__(pools, Random(0), values=0.0)

    def pick(self, ready: int, /) -> int:
        return 0


def single_faults(calm: Ran, pools: Pools) -> Iterator[Trial]:
    """Change one thing about a calm run: a failure, another value, a delay, a crash of a step, a cancellation."""
    assert calm.run is not None
    for key, asked in calm.run.asked.items():
        changed: list[Decision] = [*pools.wrong(asked), *pools.right(asked)[1:]]
        changed += [delayed(pools.right(asked)[0], seconds) for seconds in pools.delays]
        changed.append(Breaks(RuntimeError("crashed")))
        for decision in changed:
            yield _with(calm.trial, key, decision)
    turns = range(2, calm.turns + 1)
    for cut in turns if len(turns) <= _CUTS else sorted(Random(0).sample(turns, _CUTS)):
        yield replace(calm.trial, cut=cut)


def delayed(decision: Decision, seconds: float) -> Decision:
    """Give a decision that takes effect after so many seconds; one that hangs stays as it is."""
    return decision if isinstance(decision, Hangs) else replace(decision, after=seconds)


def _with(trial: Trial, key: Key, decision: Decision) -> Trial:
    return replace(trial, calls={**trial.calls, key: decision})


def random_trials(inputs: list[Any], state: Any, pools: Pools, rng: Random) -> Iterator[tuple[Trial, Answering]]:
    """Give random worlds for ever: other orders, other values, faults, delays, cancellations, in turn."""
    while True:
        first, any_input = Trial(inputs[0], state), Trial(rng.choice(inputs), state)
        yield first, Answering(pools, rng, values=0.0)
        yield any_input, Answering(pools, rng)
        yield any_input, Answering(pools, rng, faults=0.1, delays=0.1)
        yield any_input, Answering(pools, rng, delays=0.4)
        yield any_input, Answering(pools, rng, faults=0.3)
        yield replace(any_input, cut=rng.randint(2, 40)), Answering(pools, rng, delays=0.2)
