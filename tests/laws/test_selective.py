"""The laws of ``mce.combinators.selective``: a choice is a ``bind`` whose branches are seen before it runs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mce import branch, identity, pure, switch, unless, when
from mce.testing import arrows
from mce.testing.vocabulary import AtLeast, Mod
from tests.laws.meanings import AnyFlow, Start, always, same, some, starts

FLOWS = arrows(deterministic=True)
PREDICATES = st.builds(AtLeast, st.integers(0, 9))
SELECTORS = st.builds(Mod, st.integers(1, 4))


@some
@given(m=FLOWS, n=FLOWS, start=starts())
def test_branch_that_always_holds(m: AnyFlow, n: AnyFlow, start: Start) -> None:
    """``branch(lambda _: True, m, n) = m``."""
    same(branch(always, m, n), m, start)


@some
@given(p=PREDICATES, m=FLOWS, n=FLOWS, start=starts())
def test_branch_of_the_negation(p: AtLeast, m: AnyFlow, n: AnyFlow, start: Start) -> None:
    """``branch(p, m, n) = branch(not p, n, m)``."""
    same(branch(p, m, n), branch(lambda value: not p(value), n, m), start)


@some
@given(p=PREDICATES, m=FLOWS, n=FLOWS, k=FLOWS, start=starts())
def test_what_follows_a_branch_can_be_in_it(p: AtLeast, m: AnyFlow, n: AnyFlow, k: AnyFlow, start: Start) -> None:
    """``branch(p, m, n) >> k = branch(p, m >> k, n >> k)``."""
    same(branch(p, m, n) >> k, branch(p, m >> k, n >> k), start)


@some
@given(p=PREDICATES, m=FLOWS, n=FLOWS, start=starts())
def test_branch_is_a_bind(p: AtLeast, m: AnyFlow, n: AnyFlow, start: Start) -> None:
    """``branch(p, m, n) = identity().bind(lambda a: m(a) if p(a) else n(a))``."""
    same(branch(p, m, n), identity().bind(lambda value: m(value) if p(value) else n(value)), start)


@some
@given(f=SELECTORS, m=FLOWS, key=st.integers(0, 3), start=starts())
def test_switch_between_equal_cases(f: Mod, m: AnyFlow, key: int, start: Start) -> None:
    """``switch(f, {k: m}, default=m) = m``."""
    same(switch(f, {key: m}, default=m), m, start)


@some
@given(f=SELECTORS, m=FLOWS, n=FLOWS, k=FLOWS, start=starts())
def test_what_follows_a_switch_can_be_in_it(f: Mod, m: AnyFlow, n: AnyFlow, k: AnyFlow, start: Start) -> None:
    """``switch(f, cases) >> n = switch(f, {k: m >> n for k, m in cases})``, the default too."""
    same(switch(f, {0: m, 1: n}, default=k) >> k, switch(f, {0: m >> k, 1: n >> k}, default=k >> k), start)


@some
@given(p=PREDICATES, m=FLOWS, n=FLOWS, start=starts())
def test_branch_is_a_switch(p: AtLeast, m: AnyFlow, n: AnyFlow, start: Start) -> None:
    """``branch(p, m, n) = switch(p, {True: m, False: n})``."""
    same(branch(p, m, n), switch(p, {True: m, False: n}), start)


@some
@given(p=PREDICATES, m=FLOWS, start=starts())
def test_when_is_a_branch(p: AtLeast, m: AnyFlow, start: Start) -> None:
    """``when(p, m) = branch(p, m, pure(None))``."""
    same(when(p, m), branch(p, m, pure(None)), start)


@some
@given(p=PREDICATES, m=FLOWS, start=starts())
def test_unless_is_when_not(p: AtLeast, m: AnyFlow, start: Start) -> None:
    """``unless(p, m) = when(lambda i: not p(i), m)``."""
    same(unless(p, m), when(lambda value: not p(value), m), start)
