"""The laws of flows as a bifunctor, in value and error: ``map_error`` and ``bimap`` of ``mce.combinators.functor``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mce import bimap, fail, map, map_error, pure
from mce.syntax import same as unchanged
from mce.testing import arrows, errors, functions
from mce.testing.vocabulary import Snaps
from tests.laws.meanings import AnyFlow, Start, not_a_law, same, some, starts

Function = Callable[[Any], Any]

FLOWS = arrows(deterministic=True)
FUNCTIONS = functions() | st.builds(Snaps, st.integers(0, 9))  # some raise


@some
@given(m=FLOWS, start=starts())
def test_map_error_identity(m: AnyFlow, start: Start) -> None:
    """``map_error(m, identity) = m``."""
    same(map_error(m, unchanged), m, start)


@some
@given(m=FLOWS, f=FUNCTIONS, g=FUNCTIONS, start=starts())
def test_map_error_composition(m: AnyFlow, f: Function, g: Function, start: Start) -> None:
    """``map_error(map_error(m, f), g) = map_error(m, lambda e: g(f(e)))``."""
    same(map_error(map_error(m, f), g), map_error(m, lambda e: g(f(e))), start)


@some
@given(e=errors(), f=FUNCTIONS, start=starts())
def test_map_error_of_a_failure(e: Any, f: Function, start: Start) -> None:
    """``map_error(fail(e), f) = fail(f(e))``, as a function that raises is a defect."""
    same(map_error(fail(e), f), pure(e).map(f).bind(fail), start)


@some
@given(m=FLOWS, start=starts())
def test_bimap_identity(m: AnyFlow, start: Start) -> None:
    """``bimap(m, identity, identity) = m``."""
    same(bimap(m, unchanged, unchanged), m, start)


@some
@given(m=FLOWS, f=FUNCTIONS, g=FUNCTIONS, start=starts())
def test_bimap_is_both_maps_in_any_order(m: AnyFlow, f: Function, g: Function, start: Start) -> None:
    """``bimap(m, f, g) = map(map_error(m, f), g) = map_error(map(m, g), f)``."""
    same(bimap(m, f, g), map(map_error(m, f), g), start)
    same(bimap(m, f, g), map_error(map(m, g), f), start)


@some
@given(m=FLOWS, f=functions(), g=functions(), h=functions(), k=functions(), start=starts())
def test_bimap_composition(m: AnyFlow, f: Function, g: Function, h: Function, k: Function, start: Start) -> None:
    """``bimap(bimap(m, f, g), h, k) = bimap(m, lambda e: h(f(e)), lambda a: k(g(a)))``."""
    same(bimap(bimap(m, f, g), h, k), bimap(m, lambda e: h(f(e)), lambda a: k(g(a))), start)


@not_a_law
def test_a_defect_is_no_error() -> None:
    """``map_error`` maps what ``recover(on=Exception)`` catches: it leaves defects alone."""
    broken = pure(3).map(Snaps(0))
    same(map_error(broken, lambda _: "no"), broken.recover(lambda _: fail("no"), on=Exception))
