"""The laws that ``mce/schedule.py`` states, over random schedules and seeds, on a prefix of the delays.

``delays_of(a, seed) == delays_of(b, seed)`` is the ``=`` of the laws: the schedules may be written differently.
"""

from __future__ import annotations

import pickle
from itertools import islice, zip_longest
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mce.schedule
from mce.schedule import Schedule, exponential, fibonacci, never, recurs, spaced

PREFIX = 12

seconds = st.one_of(st.sampled_from([0.0, 0.1, 1.0, 5.0, 1e300]), st.floats(0, 100))
leaves = st.one_of(
    st.builds(recurs, st.integers(0, PREFIX)),
    st.builds(spaced, seconds),
    st.builds(exponential, seconds, factor=st.sampled_from([0.0, 0.5, 1.0, 2.0, 1e200])),
    st.builds(fibonacci, seconds),
)


def jittered(schedule: Schedule, low: float, spread: float) -> Schedule:
    return schedule.jittered(low=low, high=low + spread)


def grown(inner: st.SearchStrategy[Schedule]) -> st.SearchStrategy[Schedule]:
    return st.one_of(
        st.builds(Schedule.__and__, inner, inner),
        st.builds(Schedule.__or__, inner, inner),
        st.builds(jittered, inner, seconds, seconds),
        st.builds(Schedule.jittered, inner),
        st.builds(Schedule.capped, inner, seconds),
        st.builds(Schedule.up_to, inner, seconds),
    )


schedules = st.recursive(leaves, grown, max_leaves=6)
seeds = st.one_of(st.integers(), st.text())


def delays_of(schedule: Schedule, seed: str | int) -> list[float]:
    return list(islice(schedule.delays(seed), PREFIX))


# What & and | mean, said once more with lists.


@given(schedules, schedules, seeds)
def test_and_is_the_longer_delay_while_both_go_on(a: Schedule, b: Schedule, seed: str | int) -> None:
    """``(a & b)[n] = max(a[n], b[n])``, as long as both have an n-th delay"""
    expected = [max(x, y) for x, y in zip(delays_of(a, seed), delays_of(b, seed), strict=False)]
    assert delays_of(a & b, seed) == expected


@given(schedules, schedules, seeds)
def test_or_is_the_shorter_delay_of_those_that_go_on(a: Schedule, b: Schedule, seed: str | int) -> None:
    """``(a | b)[n] = min(a[n], b[n])``, or the one there is"""
    expected = [min(x, y) for x, y in zip_longest(delays_of(a, seed), delays_of(b, seed), fillvalue=inf)]
    assert delays_of(a | b, seed) == expected


# The lattice.


@given(schedules, schedules, schedules, seeds)
def test_associativity(a: Schedule, b: Schedule, c: Schedule, seed: str | int) -> None:
    """``(a & b) & c = a & (b & c)``, ``(a | b) | c = a | (b | c)``"""
    assert delays_of((a & b) & c, seed) == delays_of(a & (b & c), seed)
    assert delays_of((a | b) | c, seed) == delays_of(a | (b | c), seed)


@given(schedules, schedules, seeds)
def test_commutativity(a: Schedule, b: Schedule, seed: str | int) -> None:
    """``a & b = b & a``, ``a | b = b | a``"""
    assert delays_of(a & b, seed) == delays_of(b & a, seed)
    assert delays_of(a | b, seed) == delays_of(b | a, seed)


@given(schedules, seeds)
def test_idempotence(a: Schedule, seed: str | int) -> None:
    """``a & a = a``, ``a | a = a``"""
    assert delays_of(a & a, seed) == delays_of(a, seed)
    assert delays_of(a | a, seed) == delays_of(a, seed)


@given(schedules, schedules, seeds)
def test_absorption(a: Schedule, b: Schedule, seed: str | int) -> None:
    """``a & (a | b) = a``, ``a | (a & b) = a``"""
    assert delays_of(a & (a | b), seed) == delays_of(a, seed)
    assert delays_of(a | (a & b), seed) == delays_of(a, seed)


@given(schedules, schedules, schedules, seeds)
def test_distributivity(a: Schedule, b: Schedule, c: Schedule, seed: str | int) -> None:
    """``a & (b | c) = (a & b) | (a & c)``, ``a | (b & c) = (a | b) & (a | c)``"""
    assert delays_of(a & (b | c), seed) == delays_of((a & b) | (a & c), seed)
    assert delays_of(a | (b & c), seed) == delays_of((a | b) & (a | c), seed)


@given(schedules, seeds)
def test_identities(a: Schedule, seed: str | int) -> None:
    """``a & spaced(0) = a``, ``a | never = a``"""
    assert delays_of(a & spaced(0), seed) == delays_of(a, seed)
    assert delays_of(a | never, seed) == delays_of(a, seed)


# The methods.


@given(schedules, schedules, seeds)
def test_jittered_distributes_over_both(a: Schedule, b: Schedule, seed: str | int) -> None:
    """``(a & b).jittered() = a.jittered() & b.jittered()``, the same for ``|``"""
    assert delays_of((a & b).jittered(), seed) == delays_of(a.jittered() & b.jittered(), seed)
    assert delays_of((a | b).jittered(), seed) == delays_of(a.jittered() | b.jittered(), seed)


@given(schedules, schedules, seconds, seeds)
def test_capped_distributes_over_both(a: Schedule, b: Schedule, cap: float, seed: str | int) -> None:
    """``(a & b).capped(t) = a.capped(t) & b.capped(t)``, the same for ``|``"""
    assert delays_of((a & b).capped(cap), seed) == delays_of(a.capped(cap) & b.capped(cap), seed)
    assert delays_of((a | b).capped(cap), seed) == delays_of(a.capped(cap) | b.capped(cap), seed)


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="the longer delays add up to more than either side's")
def test_up_to_distributes_over_and() -> None:
    """Not a law: ``(a & b).up_to(t) = a.up_to(t) & b.up_to(t)``"""
    a, b = exponential(4, factor=0.5), spaced(3)
    assert delays_of((a & b).up_to(6), 0) == delays_of(a.up_to(6) & b.up_to(6), 0)


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="the shorter delays add up to less than either side's")
def test_up_to_distributes_over_or() -> None:
    """Not a law: ``(a | b).up_to(t) = a.up_to(t) | b.up_to(t)``"""
    a, b = exponential(4, factor=0.5), spaced(3)
    assert delays_of((a | b).up_to(6), 0) == delays_of(a.up_to(6) | b.up_to(6), 0)


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="the cap makes room for more retries")
def test_up_to_commutes_with_capped() -> None:
    """Not a law: ``a.up_to(s).capped(t) = a.capped(t).up_to(s)``"""
    assert delays_of(spaced(4).up_to(5).capped(1), 0) == delays_of(spaced(4).capped(1).up_to(5), 0)


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="the draw makes room for fewer or more retries")
def test_up_to_commutes_with_jittered() -> None:
    """Not a law: ``a.up_to(s).jittered() = a.jittered().up_to(s)``"""
    a = spaced(4)
    assert delays_of(a.up_to(8).jittered(low=3, high=3), 0) == delays_of(a.jittered(low=3, high=3).up_to(8), 0)


@given(schedules, seconds, seeds)
def test_capped_shortens_delays_and_drops_none(a: Schedule, cap: float, seed: str | int) -> None:
    """``a.capped(t)[n] = min(a[n], t)``"""
    assert delays_of(a.capped(cap), seed) == [min(delay, cap) for delay in delays_of(a, seed)]


@given(schedules, seeds)
def test_jitter_stays_between_its_bounds(a: Schedule, seed: str | int) -> None:
    """``low * a[n] <= a.jittered(low=low, high=high)[n] <= high * a[n]``, with as many delays"""
    plain = delays_of(a.capped(1e300), seed)
    jittered = delays_of(a.capped(1e300).jittered(low=0.25, high=4), seed)
    assert [0.25 * x <= y <= 4 * x for x, y in zip(plain, jittered, strict=True)] == [True] * len(plain)


@given(schedules, seconds, seeds)
def test_up_to_gives_the_longest_prefix_within_the_sum(a: Schedule, limit: float, seed: str | int) -> None:
    """``a.up_to(t)`` is the longest prefix of ``a`` whose sum is at most ``t``"""
    plain, kept = delays_of(a, seed), delays_of(a.up_to(limit), seed)
    assert kept == plain[: len(kept)]
    assert sum(kept) <= limit
    assert kept == plain or sum(plain[: len(kept) + 1]) > limit


# What holds for all schedules.


@given(schedules, seeds)
def test_delays_are_finite_and_not_negative(a: Schedule, seed: str | int) -> None:
    """``0 <= a[n] < inf``"""
    assert all(0 <= delay < inf for delay in delays_of(a, seed))


@given(schedules, seeds)
def test_an_ended_schedule_stays_ended(a: Schedule, seed: str | int) -> None:
    """No delay comes after the end"""
    delays = a.delays(seed)
    ended = len(list(islice(delays, PREFIX))) < PREFIX
    assert not ended or next(delays, None) is None


@given(schedules, seeds)
def test_equal_seeds_give_equal_delays(a: Schedule, seed: str | int) -> None:
    """``a.delays(seed) = a.delays(seed)``"""
    assert delays_of(a, seed) == delays_of(a, seed)


@given(schedules)
def test_repr_rebuilds_the_schedule(a: Schedule) -> None:
    """``eval(repr(a)) == a``"""
    assert eval(repr(a), dict(vars(mce.schedule))) == a


@given(schedules)
def test_equality_hash_and_pickle_are_by_value(a: Schedule) -> None:
    """``loads(dumps(a)) == a``, with the same hash"""
    copy = pickle.loads(pickle.dumps(a))
    assert copy == a
    assert hash(copy) == hash(a)
    assert a.capped(1) != a
