"""The laws of ``mce.combinators.monad``: monad, Kleisli arrows, ``do`` blocks and loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mce import (
    Again,
    Done,
    Failed,
    Flow,
    bind,
    compose,
    do,
    fail,
    forever_until,
    gather,
    get,
    identity,
    iterate,
    join,
    lift,
    pure,
    put,
    tail_rec,
    then,
)
from mce.testing import arrows, continuations, errors, flows, functions
from mce.testing.steps import block, generator
from mce.testing.vocabulary import AtLeast, Choice, Mishap, Snaps, weight
from tests.laws.meanings import AnyFlow, Start, always, not_a_law, same, second, some, starts

FLOWS = arrows(deterministic=True)
CLOSED = flows(deterministic=True)
ARROWS = continuations(deterministic=True)
VALUES = st.integers(0, 9)


@some
@given(a=VALUES, f=ARROWS, start=starts())
def test_left_identity(a: int, f: Choice, start: Start) -> None:
    """``bind(pure(a), f) = f(a)``."""
    same(bind(pure(a), f), f(a), start)


@some
@given(m=FLOWS, start=starts())
def test_right_identity(m: AnyFlow, start: Start) -> None:
    """``bind(m, pure) = m``."""
    same(bind(m, pure), m, start)


@some
@given(m=FLOWS, f=ARROWS, g=ARROWS, start=starts())
def test_associativity(m: AnyFlow, f: Choice, g: Choice, start: Start) -> None:
    """``bind(bind(m, f), g) = bind(m, lambda a: bind(f(a), g))``."""
    same(bind(bind(m, f), g), bind(m, lambda a: bind(f(a), g)), start)


@some
@given(e=errors(), f=ARROWS, start=starts())
def test_fail_ends_the_chain(e: Any, f: Choice, start: Start) -> None:
    """``fail(e).bind(f) = fail(e)``."""
    same(fail(e).bind(f), fail(e), start)


@some
@given(m=FLOWS, f=functions(), start=starts())
def test_map_is_bind_with_pure(m: AnyFlow, f: Callable[[Any], Any], start: Start) -> None:
    """``m.map(f) = m.bind(lambda a: pure(f(a)))``."""
    same(m.map(f), m.bind(lambda a: pure(f(a))), start)


@not_a_law
def test_bind_is_not_gather() -> None:
    """``m.bind(lambda _: n) = gather(m, n).map(second)``: the second of a ``bind`` starts where the first has ended."""
    m, n = put(5), get()
    same(m.bind(lambda _: n), gather(m, n).map(second), Start(None, 3))


# -- then, join, Kleisli arrows ----------------------------------------------------------------------------------------


@some
@given(m=FLOWS, start=starts())
def test_identity_is_the_unit_of_then(m: AnyFlow, start: Start) -> None:
    """``identity() >> m = m = m >> identity()``."""
    same(identity() >> m, m, start)
    same(then(m, identity()), m, start)


@some
@given(l=FLOWS, m=FLOWS, n=FLOWS, start=starts())
def test_then_associativity(l: AnyFlow, m: AnyFlow, n: AnyFlow, start: Start) -> None:  # noqa: E741
    """``(l >> m) >> n = l >> (m >> n)``."""
    same((l >> m) >> n, l >> (m >> n), start)


@some
@given(m=FLOWS, f=ARROWS, start=starts())
def test_bind_is_then_with_an_arrow(m: AnyFlow, f: Choice, start: Start) -> None:
    """``m.bind(f) = m >> compose(pure, f)``."""
    same(m.bind(f), m >> compose(pure, f), start)


@some
@given(m=FLOWS, start=starts())
def test_join_of_pure(m: AnyFlow, start: Start) -> None:
    """``join(pure(m)) = m`` for a closed ``m``, and ``join(m.map(pure)) = m``."""
    same(join(pure(m(start.value))), m, start)
    same(join(m.map(pure)), m, start)


@some
@given(m=FLOWS, f=ARROWS, g=ARROWS, start=starts())
def test_join_associativity(m: AnyFlow, f: Choice, g: Choice, start: Start) -> None:
    """``join(join(m)) = join(m.map(join))``."""
    nested = m.map(lambda a: f(a).map(g))
    same(join(join(nested)), join(nested.map(join)), start)


@some
@given(m=FLOWS, f=ARROWS, start=starts())
def test_bind_is_join_after_map(m: AnyFlow, f: Choice, start: Start) -> None:
    """``m.bind(f) = join(m.map(f))``."""
    same(m.bind(f), join(m.map(f)), start)


@some
@given(f=ARROWS, start=starts())
def test_pure_is_the_unit_of_compose(f: Choice, start: Start) -> None:
    """``compose(pure, f) = f = compose(f, pure)``."""
    same(compose(pure, f), identity().bind(f), start)
    same(compose(f, pure), identity().bind(f), start)


@some
@given(f=ARROWS, g=ARROWS, h=FLOWS, start=starts())
def test_compose_associativity(f: Choice, g: Choice, h: AnyFlow, start: Start) -> None:
    """``compose(compose(f, g), h) = compose(f, compose(g, h))``, of functions and of flows that take an input."""
    same(compose(compose(f, g), h), compose(f, compose(g, h)), start)


# -- do blocks ---------------------------------------------------------------------------------------------------------


@some
@given(m=FLOWS, n=FLOWS, start=starts())
def test_await_is_bind(m: AnyFlow, n: AnyFlow, start: Start) -> None:
    """A block that awaits ``m`` and then ``n`` on its value is ``m >> n``, and so is a generator."""
    same(block(m, n), m >> n, start)
    same(generator(m, n), m >> n, start)


@some
@given(m=FLOWS, n=FLOWS, start=starts())
def test_except_is_recover(m: AnyFlow, n: AnyFlow, start: Start) -> None:
    """``try: await m; except`` a failure and await ``n``, is ``m.recover``."""

    @do
    async def tried(value: Any) -> Any:
        try:
            return await m(value)
        except Failed as failed:
            return await n(failed.error)
        except Mishap as cause:
            return await n(cause)

    same(tried, recovered(m, n), start)


def recovered(m: AnyFlow, n: AnyFlow) -> AnyFlow:
    """Recover with ``n`` from what is no exception, and from a ``Mishap``, but not from what ``n`` makes of either."""
    told = m.map(Done).recover(lambda e: fail(e) if isinstance(e, Exception) else pure(Again(e)))
    caught = told.recover(lambda cause: pure(Again(cause)), on=Mishap)
    return caught.bind(lambda found: pure(found.value) if isinstance(found, Done) else n(found.value))


# -- loops -------------------------------------------------------------------------------------------------------------


@some
@given(m=FLOWS, start=starts())
def test_iterate_until_at_once(m: AnyFlow, start: Start) -> None:
    """``iterate(m, lambda _: True) = m``."""
    same(iterate(m, always), m, start)


@some
@given(m=FLOWS, until=st.builds(AtLeast, VALUES) | st.builds(Snaps, VALUES), start=starts())
def test_iterate_is_tail_rec(m: AnyFlow, until: Callable[[Any], Any], start: Start) -> None:
    """``iterate(m, p) = tail_rec(m.map(lambda a: Done(a) if p(a) else Again(a)))``."""
    body = m.map(weight)
    turned = body.map(lambda a: Done(a) if until(a) else Again(a))
    same(iterate(body, until, at_most=3), tail_rec(turned, at_most=3), start)


@some
@given(m=FLOWS, turns=st.integers(0, 3), start=starts())
def test_tail_rec_is_recursion(m: AnyFlow, turns: int, start: Start) -> None:
    """``tail_rec(m) = m.bind(lambda r: pure(r.value) if it is Done else tail_rec(m)(r.value))``."""

    def body(taken: tuple[int, Any]) -> AnyFlow:
        turn, value = taken
        return m(value).map(lambda found: Done(found) if turn == turns else Again((turn + 1, found)))

    def recursion(taken: tuple[int, Any]) -> AnyFlow:
        return body(taken).bind(lambda r: pure(r.value) if isinstance(r, Done) else recursion(r.value))

    begun: AnyFlow = lift(lambda value: (0, value))
    same(begun >> tail_rec(identity().bind(body)), begun.bind(recursion), start)


@some
@given(m=CLOSED, start=starts())
def test_forever_until_at_once(m: Flow[Any, Any, Any, Any], start: Start) -> None:
    """``forever_until(m, lambda _: True) = m``."""
    same(forever_until(m, always), m, start)


@some
@given(m=CLOSED, until=st.builds(AtLeast, VALUES), start=starts())
def test_forever_until_is_iterate(m: Flow[Any, Any, Any, Any], until: AtLeast, start: Start) -> None:
    """``forever_until(m, p) = iterate(m, p)`` for a closed ``m``."""
    same(forever_until(m, until, at_most=3), iterate(m, until, at_most=3), start)
