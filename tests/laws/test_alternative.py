"""The laws of ``mce.combinators.alternative``: ``recover`` and ``fail`` are ``bind`` and ``pure`` of the errors."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mce import fail, first_success, lift, map_error, or_else, pure, race, recover, transact
from mce.testing import arrows, continuations, errors, program
from mce.testing.vocabulary import Choice, Mishap, Overdrawn, Refused
from tests.laws.meanings import AnyFlow, Start, not_a_law, one, runs_of, same, some, starts

FLOWS = arrows(deterministic=True)
ARROWS = continuations(deterministic=True)
CLASSES = st.sampled_from([None, object, Exception, Overdrawn, Refused, Mishap])


@some
@given(m=FLOWS, start=starts())
def test_recover_right_identity(m: AnyFlow, start: Start) -> None:
    """``recover(m, fail) = m``."""
    same(recover(m, fail), m, start)


@some
@given(e=errors(), h=ARROWS, start=starts())
def test_recover_left_identity(e: Any, h: Choice, start: Start) -> None:
    """``recover(fail(e), h) = h(e)``."""
    same(recover(fail(e), h), h(e), start)


@some
@given(m=FLOWS, f=ARROWS, g=ARROWS, start=starts())
def test_recover_associativity(m: AnyFlow, f: Choice, g: Choice, start: Start) -> None:
    """``recover(recover(m, f), g) = recover(m, lambda e: recover(f(e), g))``."""
    same(recover(recover(m, f), g), recover(m, lambda e: recover(f(e), g)), start)


@some
@given(a=st.integers(), h=ARROWS, on=CLASSES, start=starts())
def test_a_success_needs_no_help(a: int, h: Choice, on: Any, start: Start) -> None:
    """``pure(a).recover(h) = pure(a)``, whatever it is for."""
    same(recover(pure(a), h, on=on), pure(a), start)


@some
@given(m=FLOWS, f=ARROWS, g=ARROWS, on=CLASSES, start=starts())
def test_recover_for_a_class_is_associative(m: AnyFlow, f: Choice, g: Choice, on: Any, start: Start) -> None:
    """``recover(recover(m, f, on=X), g, on=X) = recover(m, lambda e: recover(f(e), g, on=X), on=X)``."""
    same(recover(recover(m, f, on=on), g, on=on), recover(m, lambda e: recover(f(e), g, on=on), on=on), start)


@not_a_law
def test_recover_for_a_class_has_no_right_identity() -> None:
    """``recover(m, fail, on=X) = m``: a defect that was caught and failed with is no defect any more."""
    broken = program("breaks(0)")
    same(recover(recover(broken, fail, on=Mishap), pure), recover(broken, pure))


@not_a_law
def test_bind_does_not_distribute_over_recover() -> None:
    """``recover(m, h).bind(f) = recover(m.bind(f), h)``: the latter covers what ``f`` makes as well."""
    m = pure(3)
    same(recover(m, pure).bind(fail), recover(m.bind(fail), pure))


# -- or_else, first_success --------------------------------------------------------------------------------------------


@some
@given(l=FLOWS, m=FLOWS, n=FLOWS, start=starts())
def test_or_else_associativity(l: AnyFlow, m: AnyFlow, n: AnyFlow, start: Start) -> None:  # noqa: E741
    """``or_else(or_else(l, m), n) = or_else(l, or_else(m, n))``."""
    same(or_else(or_else(l, m), n), or_else(l, or_else(m, n)), start)


@some
@given(m=FLOWS, e=errors(), start=starts())
def test_fail_is_the_left_identity_of_or_else(m: AnyFlow, e: Any, start: Start) -> None:
    """``or_else(fail(e), m) = m``."""
    same(or_else(fail(e), m), m, start)


@some
@given(m=FLOWS, n=FLOWS, start=starts())
def test_or_else_is_a_recover_that_keeps_the_input(m: AnyFlow, n: AnyFlow, start: Start) -> None:
    """``or_else(m, n)(a) = recover(m(a), lambda _: n(a))``."""
    same(or_else(m, n), recover(m, lambda _: n(start.value)), start)


@not_a_law
def test_or_else_has_no_right_identity() -> None:
    """``or_else(m, fail(e)) = m``: the error is replaced by the other's."""
    same(or_else(fail("mine"), fail("yours")), fail("mine"))


@not_a_law
def test_bind_does_not_distribute_over_or_else() -> None:
    """``or_else(m, n).bind(f) = or_else(m.bind(f), n.bind(f))``: only what fails before ``f`` is replaced."""
    m, n = pure(3), pure(4)

    def f(a: int) -> AnyFlow:
        return fail("three") if a == 3 else pure(a)

    same(or_else(m, n).bind(f), or_else(m.bind(f), n.bind(f)))


@some
@given(m=FLOWS, start=starts())
def test_first_success_of_one(m: AnyFlow, start: Start) -> None:
    """``first_success(m) = m``."""
    same(first_success(m), m, start)


@some
@given(l=FLOWS, m=FLOWS, n=FLOWS, start=starts())
def test_first_success_is_or_else(l: AnyFlow, m: AnyFlow, n: AnyFlow, start: Start) -> None:  # noqa: E741
    """``first_success(a, b, c) = a.or_else(b).or_else(c)``."""
    same(first_success(l, m, n), l.or_else(m).or_else(n), start)


# -- race --------------------------------------------------------------------------------------------------------------


@some
@given(m=FLOWS, start=starts())
def test_race_of_one(m: AnyFlow, start: Start) -> None:
    """``race(m) = transact(map_error(m, lambda e: (e,)))``."""
    same(race(m), transact(map_error(m, one)), start)


@some
@given(m=arrows(fails=False, deterministic=True), e=errors(), start=starts())
def test_who_fails_loses_the_race(m: AnyFlow, e: Any, start: Start) -> None:
    """``race(fail(e), m) = m = race(m, fail(e))`` if ``m`` succeeds."""
    same(race(fail(e), m), m, start)
    same(race(m, fail(e)), m, start)


@some
@given(d=errors(), e=errors(), start=starts())
def test_a_lost_race_tells_all_errors(d: Any, e: Any, start: Start) -> None:
    """``race(fail(d), fail(e)) = fail((d, e))``."""
    same(race(fail(d), fail(e)), fail((d, e)), start)


@some
@given(m=arrows(fails=False, deterministic=True), n=arrows(fails=False, deterministic=True), start=starts(beside=False))
def test_someone_wins_the_race(m: AnyFlow, n: AnyFlow, start: Start) -> None:
    """``race(m, n)`` is ``m`` or ``n``, in value and state, if both succeed."""
    raced, *others = (runs_of(start, flow) for flow in (race(m, n), m, n))
    for run in raced:
        assert any(not run.observation.differences(found[0].observation, calls=False) for found in others)


@not_a_law
def test_race_does_not_keep_the_state_of_a_failure() -> None:
    """``race(m) = map_error(m, lambda e: (e,))``: a lost race ends in the state at entry."""
    m = program("notes('log') >> fail(Refused(1))")
    same(race(m), map_error(m, one))


@not_a_law
def test_race_does_not_commute() -> None:
    """``race(m, n) = race(n, m)``: of two that are ready at once, one wins."""
    m, n = lift(lambda _: "m"), lift(lambda _: "n")
    same(race(m, n), race(n, m))
