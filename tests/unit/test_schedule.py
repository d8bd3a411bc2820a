"""Single facts about schedules: what each constructor gives, how they print, what they refuse, how deep they go."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from fractions import Fraction
from functools import reduce
from itertools import islice
from math import inf, nan

import pytest

from mce.errors import DefinitionError
from mce.schedule import Schedule, exponential, fibonacci, never, recurs, spaced


def first(n: int, schedule: Schedule, seed: str | int = 0) -> list[float]:
    return list(islice(schedule.delays(seed), n))


@pytest.mark.parametrize(
    ("schedule", "delays"),
    [
        (recurs(3), [0, 0, 0]),
        (never, []),
        (spaced(2.5), [2.5] * 6),
        (exponential(0.5), [0.5, 1, 2, 4, 8, 16]),
        (exponential(1, factor=10), [1, 10, 100, 1000, 10000, 100000]),
        (exponential(8, factor=0.5), [8, 4, 2, 1, 0.5, 0.25]),
        (fibonacci(2), [2, 2, 4, 6, 10, 16]),
        (exponential(1).capped(5), [1, 2, 4, 5, 5, 5]),
        (exponential(1).up_to(7), [1, 2, 4]),
        (exponential(1).up_to(6.9), [1, 2]),
        (exponential(8, factor=0.5).up_to(7), []),
        (exponential(1) & recurs(2), [1, 2]),
        (exponential(1) & spaced(3), [3, 3, 4, 8, 16, 32]),
        (exponential(1) | spaced(3), [1, 2, 3, 3, 3, 3]),
        (exponential(1) & recurs(2) | spaced(30), [1, 2, 30, 30, 30, 30]),
        (recurs(2) | spaced(1) & recurs(4), [0, 0, 1, 1]),
    ],
    ids=repr,
)
def test_delays(schedule: Schedule, delays: list[float]) -> None:
    assert first(6, schedule) == delays


def test_and_binds_tighter_than_or() -> None:
    a, b, c = exponential(0.1).jittered(), recurs(5), spaced(30)
    assert a & b | c == (a & b) | c
    assert a & b | c != a & (b | c)


@pytest.mark.parametrize(
    "schedule", [exponential(1e10, factor=1e200), fibonacci(1e308), spaced(1e308).jittered(low=9, high=9)]
)
def test_too_long_a_delay_stays_finite(schedule: Schedule) -> None:
    delays = first(2000, schedule)
    assert len(delays) == 2000
    assert max(delays) < inf


def test_a_cap_tames_an_exponential_for_ever() -> None:
    assert first(3000, exponential(1).capped(60))[-1] == 60


def test_delays_are_lazy_and_each_call_starts_anew() -> None:
    schedule = exponential(1).up_to(3)
    delays = schedule.delays()
    assert next(delays) == 1
    assert list(schedule.delays()) == [1, 2]
    assert list(delays) == [2]


def test_jitter_depends_on_the_seed_and_the_retry() -> None:
    schedule = spaced(1).jittered()
    assert len(set(first(50, schedule, "a"))) == 50
    assert not set(first(50, schedule, "a")) & set(first(50, schedule, "b"))


def test_jitter_is_the_same_in_every_process_and_release() -> None:
    assert first(3, spaced(1).jittered(), "run-1") == [0.9201533842832825, 1.4711807476564762, 1.017831531191352]


def test_jitter_spreads_over_its_whole_range() -> None:
    delays = first(1000, spaced(1).jittered(low=2, high=4))
    assert min(delays) < 2.02
    assert max(delays) > 3.98
    assert 2.9 < sum(delays) / 1000 < 3.1


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (never, "recurs(0)"),
        (spaced(30), "spaced(30.0)"),
        (exponential(1, factor=3), "exponential(1.0, factor=3.0)"),
        (fibonacci(1).capped(2).up_to(3), "fibonacci(1.0).capped(2.0).up_to(3.0)"),
        (spaced(1).jittered(low=0), "spaced(1.0).jittered(low=0.0, high=1.5)"),
        (spaced(1) & recurs(2) | spaced(3), "spaced(1.0) & recurs(2) | spaced(3.0)"),
        (spaced(1) & (recurs(2) | spaced(3)), "spaced(1.0) & (recurs(2) | spaced(3.0))"),
        (spaced(1) & (recurs(2) & spaced(3)), "spaced(1.0) & (recurs(2) & spaced(3.0))"),
        ((spaced(1) | recurs(2)).jittered(), "(spaced(1.0) | recurs(2)).jittered()"),
    ],
)
def test_repr(schedule: Schedule, text: str) -> None:
    assert repr(schedule) == text


def test_a_schedule_is_a_value() -> None:
    assert spaced(1) == spaced(1.0)
    assert spaced(1) != fibonacci(1)
    assert {recurs(2) & spaced(1): "found"}[recurs(2) & spaced(1)] == "found"
    with pytest.raises(FrozenInstanceError):
        spaced(1).ops = ()  # type: ignore[misc]


NUMBERS: dict[str, Callable[[float], Schedule]] = {
    "spaced: seconds": spaced,
    "exponential: base": exponential,
    "exponential: factor": lambda bad: exponential(1, factor=bad),
    "fibonacci: base": fibonacci,
    "capped: seconds": spaced(1).capped,
    "up_to: seconds": spaced(1).up_to,
    "jittered: low": lambda bad: spaced(1).jittered(low=bad),
    "jittered: high": lambda bad: spaced(1).jittered(low=0, high=bad),
}


@pytest.mark.parametrize("bad", [-1, -0.1, nan, inf, -inf, 10**400, "1", None, True, Fraction(1, 2), 1j], ids=repr)
@pytest.mark.parametrize("named", NUMBERS)
def test_a_bad_number_is_refused_by_name(named: str, bad: float) -> None:
    with pytest.raises(DefinitionError, match=f"^{named} must be a finite number of at least 0, not "):
        NUMBERS[named](bad)


@pytest.mark.parametrize("bad", [-1, 2.0, nan, "2", None, True])
def test_a_bad_count_is_refused_by_name(bad: int) -> None:
    with pytest.raises(DefinitionError, match=r"^recurs: n must be a whole number of at least 0, not "):
        recurs(bad)


def test_jitter_bounds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(DefinitionError, match=r"^jittered: high must be at least low \(2.0\), not 1.0$"):
        spaced(1).jittered(low=2, high=1)


def test_only_schedules_combine() -> None:
    with pytest.raises(TypeError):
        spaced(1) & 5  # type: ignore[operator]
    with pytest.raises(TypeError):
        spaced(1) | 5  # type: ignore[operator]


def left(deep: Schedule, leaf: Schedule) -> Schedule:
    return deep & leaf


def right(deep: Schedule, leaf: Schedule) -> Schedule:
    return leaf & deep


def mixed(deep: Schedule, leaf: Schedule) -> Schedule:
    return leaf | (leaf & deep).capped(9)


@pytest.mark.parametrize(("combine", "steps"), [(left, 10_000), (right, 10_000), (mixed, 5_000)])
def test_deep_schedules_fit_the_stack(combine: Callable[[Schedule, Schedule], Schedule], steps: int) -> None:
    deep = reduce(combine, [spaced(n % 7) for n in range(steps)])
    same = pickle.loads(pickle.dumps(deep))
    assert first(1, copy.deepcopy(deep)) == first(1, deep) != []
    assert same == deep
    assert hash(same) == hash(deep)
    assert repr(same) == repr(deep)
