"""The laws of ``retry`` and ``timeout``.

The reference meaning has no clock, so those of ``timeout`` are tested on the backends alone, with deadlines that have
passed or are an hour away.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mce import InlineBackend, LocalBackend, fail, map_error, never, pure, recurs, retry, sleep, timeout, transact
from mce.testing import arrows, assert_equivalent, errors, program
from mce.testing.vocabulary import Mishap, Overdrawn, Refused
from tests.laws.meanings import AnyFlow, Start, not_a_law, same, some, starts

FLOWS = arrows(deterministic=True)
SCHEDULES = st.builds(recurs, st.integers(0, 2))
FAILING = st.builds(
    program,
    st.builds(
        "notes('log') >> {} >> notes('mark') >> {}({})".format,
        st.sampled_from(["waits", "adds(1)", "notes('seen')"]),
        st.sampled_from(["refuses", "overdraws", "breaks"]),
        st.integers(0, 9),
    ),
)  # each writes to the state and may then fail, whatever the attempt
HOUR = 3600.0
BACKENDS = (InlineBackend(), LocalBackend(), LocalBackend(loop="trio"))


# -- retry -------------------------------------------------------------------------------------------------------------


@some
@given(m=FLOWS, start=starts())
def test_retry_never(m: AnyFlow, start: Start) -> None:
    """``retry(m, never) = m``."""
    same(retry(m, never), m, start)


@some
@given(m=arrows(fails=False, deterministic=True), schedule=SCHEDULES, start=starts())
def test_retry_of_a_success(m: AnyFlow, schedule: Any, start: Start) -> None:
    """``retry(m, s) = m`` if ``m`` succeeds."""
    same(retry(m, schedule), m, start)


@some
@given(e=errors(), schedule=SCHEDULES, start=starts())
def test_retry_of_a_failure(e: Any, schedule: Any, start: Start) -> None:
    """``retry(fail(e), s) = fail(e)``."""
    same(retry(fail(e), schedule), fail(e), start)


@some
@given(m=FAILING, times=st.integers(0, 2), start=starts())
def test_each_attempt_starts_from_the_state_at_entry(m: AnyFlow, times: int, start: Start) -> None:
    """``retry(m, recurs(n))`` is ``transact(m)`` recovered with that ``n - 1`` times, and last ``m`` itself."""
    unrolled = m(start.value)
    for _ in range(times):
        again = unrolled
        handler: Any = lambda _, again=again: again  # noqa: E731
        unrolled = transact(m(start.value)).recover(handler, on=object)
    same(retry(m, recurs(times)), unrolled, start)


@some
@given(m=FAILING, schedule=SCHEDULES, start=starts())
def test_retry_for_a_class_that_does_not_occur(m: AnyFlow, schedule: Any, start: Start) -> None:
    """``retry(m, s, on=X) = m`` if ``m`` does not fail with an ``X``."""
    same(retry(m, schedule, on=KeyError), m, start)


@some
@given(m=FAILING, schedule=SCHEDULES, start=starts())
def test_retry_for_all_classes_that_occur(m: AnyFlow, schedule: Any, start: Start) -> None:
    """``retry(m, s, on=(X, Y)) = retry(m, s)`` if ``m`` fails with one of these, or a defect of one of these."""
    same(retry(m, schedule, on=(Refused, Overdrawn, Mishap)), retry(m, schedule), start)


@some
@given(m=FAILING, schedule=SCHEDULES, start=starts())
def test_what_must_not_be_called_twice_is_not(m: AnyFlow, schedule: Any, start: Start) -> None:
    """``retry(charge >> m, s) = charge >> m`` for a step ``charge`` declared ``idempotent=False``."""
    charged = program("charges") >> m
    same(retry(charged, schedule), charged, start)


@not_a_law
def test_retry_does_not_distribute() -> None:
    """``retry(m >> n, s) = retry(m, s) >> retry(n, s)``: the one calls ``m`` again when ``n`` fails."""
    m, n = program("adds(1)"), program("flaky(1)")
    same(retry(m >> n, recurs(1)), retry(m, recurs(1)) >> retry(n, recurs(1)))


# -- timeout -----------------------------------------------------------------------------------------------------------


def same_on_backends(left: AnyFlow, right: AnyFlow) -> None:
    assert_equivalent(left, right, 3, backends=BACKENDS)


@pytest.mark.parametrize("seconds", [0.001, HOUR])
def test_timeout_of_a_value(seconds: float) -> None:
    """``timeout(pure(a), s) = pure(a)`` for ``s > 0``."""
    same_on_backends(timeout(pure(3), seconds), pure(3))


@pytest.mark.parametrize("outer", [0.0, HOUR])
@pytest.mark.parametrize("inner", [0.0, HOUR])
def test_timeout_twice(inner: float, outer: float) -> None:
    """``timeout(timeout(m, s), t) = timeout(m, min(s, t))``, but for the error's fields."""
    m = sleep(HOUR) if min(inner, outer) == 0 else pure(3)
    twice, once = timeout(timeout(m, inner), outer), timeout(m, min(inner, outer))
    same_on_backends(map_error(twice, type), map_error(once, type))


def test_timeout_is_an_expected_failure() -> None:
    """``timeout(m, s).or_else(n)`` is ``n`` if ``m`` takes longer than ``s``."""
    assert_equivalent(timeout(sleep(HOUR), 0).or_else(pure(4)), pure(4), 3, backends=BACKENDS, calls=False)


@not_a_law
def test_timeout_does_not_distribute() -> None:
    """``timeout(m >> n, s) = timeout(m, s) >> timeout(n, s)``: ``n`` would get all the time that ``m`` took."""
    m, n = sleep(0), sleep(HOUR)
    slow, quick = timeout(n, 0).or_else(pure("late")), timeout(m >> n, 0).or_else(pure("late"))
    same_on_backends(quick.map(str), (timeout(m, HOUR) >> slow).map(lambda late: f"m, then {late}"))
