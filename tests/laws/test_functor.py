"""The laws of ``mce.combinators.functor``: functor in the value; the bifunctor is in ``test_bifunctor.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mce import as_, identity, lift, map, tap
from mce.syntax import same as unchanged
from mce.testing import arrows, functions
from mce.testing.vocabulary import Snaps
from tests.laws.meanings import AnyFlow, Start, same, some, starts

Function = Callable[[Any], Any]

FLOWS = arrows(deterministic=True)
FUNCTIONS = functions() | st.builds(Snaps, st.integers(0, 9))  # some raise


@some
@given(m=FLOWS, start=starts())
def test_map_identity(m: AnyFlow, start: Start) -> None:
    """``map(m, identity) = m``."""
    same(map(m, unchanged), m, start)


@some
@given(m=FLOWS, f=FUNCTIONS, g=FUNCTIONS, start=starts())
def test_map_composition(m: AnyFlow, f: Function, g: Function, start: Start) -> None:
    """``map(map(m, f), g) = map(m, lambda a: g(f(a)))``."""
    same(map(map(m, f), g), map(m, lambda a: g(f(a))), start)


@some
@given(m=FLOWS, value=st.integers(), start=starts())
def test_as_is_a_constant_map(m: AnyFlow, value: int, start: Start) -> None:
    """``as_(m, b) = map(m, lambda _: b)``."""
    same(as_(m, value), map(m, lambda _: value), start)


@some
@given(m=FLOWS, f=FUNCTIONS, start=starts())
def test_tap_is_a_map(m: AnyFlow, f: Function, start: Start) -> None:
    """``tap(m, f) = map(m, lambda a: (f(a), a)[1])``."""
    same(tap(m, f), map(m, lambda a: (f(a), a)[1]), start)


@some
@given(start=starts())
def test_lift_identity(start: Start) -> None:
    """``lift(identity) = identity()``."""
    same(lift(unchanged), identity(), start)


@some
@given(f=FUNCTIONS, g=FUNCTIONS, start=starts())
def test_lift_composition(f: Function, g: Function, start: Start) -> None:
    """``lift(f) >> lift(g) = lift(lambda a: g(f(a)))``."""
    same(lift(f) >> lift(g), lift(lambda a: g(f(a))), start)


@some
@given(m=FLOWS, f=FUNCTIONS, start=starts())
def test_lift_after_a_flow_is_map(m: AnyFlow, f: Function, start: Start) -> None:
    """``m >> lift(f) = m.map(f)``."""
    same(m >> lift(f), m.map(f), start)
