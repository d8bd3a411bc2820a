"""The laws of ``mce.combinators.applicative``: ``apply`` is sequential, the others have their branches side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from returns.result import Failure, Result

from mce import (
    Defect,
    StateConflict,
    apply,
    fail,
    gather,
    get,
    last,
    map_error,
    modify,
    pure,
    quorum,
    settle,
    transact,
    validate,
    zip_with,
)
from mce.syntax import same as unchanged
from mce.testing import arrows, flows, functions, program
from mce.testing.vocabulary import Ledger, Plus, Refused, Writes, weight
from tests.laws.meanings import MEETING, AnyFlow, Start, first, not_a_law, one, rethrown, same, second, some, starts

Function = Callable[[Any], Any]

FLOWS = arrows(deterministic=True)
CLOSED = flows(deterministic=True)
SAFE = arrows(fails=False, deterministic=True)  # they fail neither by themselves nor, being alone, by a conflict
SAFE_CLOSED = flows(fails=False, deterministic=True)
MEET = arrows(fails=False, deterministic=True, fields=MEETING)  # nor beside each other


def plus(value: Any) -> Plus:
    return Plus(weight(value))


FUNCTION_FLOWS = CLOSED.map(lambda m: m.map(plus))


# -- apply, the sequential one -----------------------------------------------------------------------------------------


@some
@given(m=CLOSED, start=starts())
def test_apply_identity(m: AnyFlow, start: Start) -> None:
    """``apply(pure(identity), m) = m``."""
    same(apply(pure(unchanged), m), m, start)


@some
@given(f=functions(), a=st.integers(), start=starts())
def test_apply_homomorphism(f: Function, a: int, start: Start) -> None:
    """``apply(pure(f), pure(a)) = pure(f(a))``."""
    same(apply(pure(f), pure(a)), pure(f(a)), start)


@some
@given(u=FUNCTION_FLOWS, a=st.integers(), start=starts())
def test_apply_interchange(u: AnyFlow, a: int, start: Start) -> None:
    """``apply(u, pure(a)) = apply(pure(lambda f: f(a)), u)``."""
    same(apply(u, pure(a)), apply(pure(lambda f: f(a)), u), start)


@some
@given(u=FUNCTION_FLOWS, v=FUNCTION_FLOWS, w=CLOSED, start=starts())
def test_apply_composition(u: AnyFlow, v: AnyFlow, w: AnyFlow, start: Start) -> None:
    """``apply(apply(apply(pure(compose), u), v), w) = apply(u, apply(v, w))``."""
    composed: AnyFlow = pure(lambda f: lambda g: lambda a: f(g(a)))
    same(apply(apply(apply(composed, u), v), w), apply(u, apply(v, w)), start)


@some
@given(u=FUNCTION_FLOWS, m=CLOSED, start=starts())
def test_apply_agrees_with_bind(u: AnyFlow, m: AnyFlow, start: Start) -> None:
    """``apply(mf, ma) = mf.bind(lambda f: ma.map(f))``."""
    same(apply(u, m), u.bind(lambda f: m.map(f)), start)


# -- gather, the parallel one ------------------------------------------------------------------------------------------


@some
@given(m=FLOWS, start=starts())
def test_gather_of_one(m: AnyFlow, start: Start) -> None:
    """``gather(a).map(first) = a``."""
    same(gather(m).map(first), m, start)


@some
@given(start=starts())
def test_gather_of_none(start: Start) -> None:
    """``gather() = pure(())``."""
    same(gather(), pure(()), start)


@some
@given(m=FLOWS, x=st.integers(), start=starts())
def test_gather_unit(m: AnyFlow, x: int, start: Start) -> None:
    """``gather(pure(x), m).map(second) = m = gather(m, pure(x)).map(first)``."""
    same(gather(pure(x), m).map(second), m, start)
    same(gather(m, pure(x)).map(first), m, start)


@some
@given(m=FLOWS, n=SAFE, f=functions(), g=functions(), start=starts())
def test_gather_naturality(m: AnyFlow, n: AnyFlow, f: Function, g: Function, start: Start) -> None:
    """``gather(a.map(f), b.map(g)) = gather(a, b).map(lambda ab: (f(ab[0]), g(ab[1])))``."""
    both = gather(m, n).map(lambda values: (f(values[0]), g(values[1])))
    same(gather(m.map(f), n.map(g)), both, start)


def nested_left(a: AnyFlow, b: AnyFlow, c: AnyFlow) -> AnyFlow:
    return gather(gather(a, b), c).map(lambda values: (*values[0], values[1]))


def nested_right(a: AnyFlow, b: AnyFlow, c: AnyFlow) -> AnyFlow:
    return gather(a, gather(b, c)).map(lambda values: (values[0], *values[1]))


@some
@given(fails=arrows(deterministic=True, fields=MEETING), b=MEET, c=MEET, at=st.integers(0, 2), start=starts())
def test_gather_associativity(fails: AnyFlow, b: AnyFlow, c: AnyFlow, at: int, start: Start) -> None:
    """Associative up to nesting of tuples, where at most one branch fails and no two conflict."""
    parts = [b, c]
    parts.insert(at, fails)
    same(nested_left(*parts), gather(*parts), start)
    same(nested_right(*parts), gather(*parts), start)


@some
@given(a=SAFE, b=SAFE, c=SAFE, start=starts(beside=False))
def test_gather_associativity_of_conflicts(a: AnyFlow, b: AnyFlow, c: AnyFlow, start: Start) -> None:
    """Nested joins conflict where flat ones do; which field and branches the conflict names may differ."""

    def or_conflict(m: AnyFlow) -> AnyFlow:
        return m.recover(lambda _: pure("conflict"), on=StateConflict)

    same(or_conflict(nested_left(a, b, c)), or_conflict(gather(a, b, c)), start)
    same(or_conflict(nested_right(a, b, c)), or_conflict(gather(a, b, c)), start)


@some
@given(
    a=flows(fails=False, deterministic=True, fields=["mark", "log", "total", "first"]),
    b=flows(fails=False, deterministic=True, fields=["seen", "best", "last", "page"]),
    start=starts(),
)
def test_gather_agrees_with_apply(a: AnyFlow, b: AnyFlow, start: Start) -> None:
    """``gather(a, b) = apply(a.map(pair), b)`` if both succeed and none reads or writes what the other writes."""
    same(gather(a, b), apply(a.map(lambda left: lambda right: (left, right)), b), start)


@some
@given(a=SAFE_CLOSED, b=SAFE_CLOSED, start=starts(beside=False))
def test_merge_overrides_the_rules(a: AnyFlow, b: AnyFlow, start: Start) -> None:
    """``gather(a, b, merge=last)`` ends in the state of ``b``, as if ``a`` had changed nothing, and never conflicts."""

    def undone(before: Any) -> AnyFlow:
        return a.bind(lambda x: modify(lambda _: before) >> b.map(lambda y: (x, y)))

    same(gather(a, b, merge=last), get().bind(undone), start)


@not_a_law
def test_gather_does_not_agree_with_apply_on_failures() -> None:
    """``gather(a, b) = apply(a.map(pair), b)``: a failing sibling drops the other's change."""
    a, b = program("notes('log')"), fail("no")
    same(gather(a(3), b), apply(a(3).map(lambda left: lambda right: (left, right)), b))


@not_a_law
def test_gather_does_not_agree_with_apply_where_one_reads_what_the_other_writes() -> None:
    """``gather(a, b) = apply(a.map(pair), b)``: branches start from the same state."""
    a, b = program("notes('log')(3)"), program("reads('log')(3)")
    same(gather(a, b), apply(a.map(lambda left: lambda right: (left, right)), b))


@not_a_law
def test_gather_does_not_agree_with_apply_on_first() -> None:
    """``gather(a, b) = apply(a.map(pair), b)``: of two branches the first writer wins, of two writes the last."""
    a, b = program("notes('first')(3)"), program("notes('first')(4)")
    same(gather(a, b), apply(a.map(lambda left: lambda right: (left, right)), b))


@some
@given(a=FLOWS, b=SAFE, start=starts())
def test_zip_with_is_a_mapped_gather(a: AnyFlow, b: AnyFlow, start: Start) -> None:
    """``zip_with(f, a, b) = gather(a, b).map(lambda ab: f(*ab))``."""

    def f(left: Any, right: Any) -> int:
        return weight(left) - weight(right)

    same(zip_with(f, a, b), gather(a, b).map(lambda ab: f(*ab)), start)


# -- settle and validate, which run all to their end -------------------------------------------------------------------


@some
@given(m=FLOWS, start=starts())
def test_settle_of_one_succeeds(m: AnyFlow, start: Start) -> None:
    """``settle(m)`` succeeds for every ``m`` with its result: failing with it again is ``m``."""
    same(settle(m).map(len), settle(m).map(lambda _: 1), start)
    same(settle(m).map(first).bind(rethrown), m, start)


@some
@given(m=FLOWS, n=FLOWS, start=starts())
def test_settle_is_gather_of_settled_branches(m: AnyFlow, n: AnyFlow, start: Start) -> None:
    """``settle(a, b) = gather(settle(a).map(first), settle(b).map(first))``: the states of failed branches are kept."""
    same(settle(m, n), gather(settle(m).map(first), settle(n).map(first)), start)


@not_a_law
def test_settle_does_not_commute_with_recover() -> None:
    """``settle(m.recover(h)) = settle(m).recover(h)``."""
    m = fail(3)
    same(settle(m.recover(pure)), settle(m).recover(pure))


@not_a_law
def test_settle_fails_where_branches_conflict() -> None:
    """``settle(a, b)`` succeeds for all ``a`` and ``b``: not if both write a field that has no reducer."""
    m = program("notes('mark')")
    same(settle(m, m).map(len), pure(2), Start(3), calls=False)


@some
@given(m=FLOWS, start=starts())
def test_validate_of_one(m: AnyFlow, start: Start) -> None:
    """``validate(m).map(first) = m``, up to the error's tuple."""
    same(map_error(validate(m).map(first), first), m, start)


@some
@given(m=FLOWS, x=st.integers(), start=starts())
def test_validate_unit(m: AnyFlow, x: int, start: Start) -> None:
    """``validate(pure(x), m).map(second) = m = validate(m, pure(x)).map(first)``, up to the error's tuple."""
    same(map_error(validate(pure(x), m).map(second), first), m, start)
    same(map_error(validate(m, pure(x)).map(first), first), m, start)


@dataclass(frozen=True)
class Told:
    """An error that can be told from a tuple of errors."""

    error: Any


def flat(error: Any) -> tuple[Any, ...]:
    return (error,) if isinstance(error, Told) else tuple(found for part in error for found in flat(part))


@some
@given(
    parts=st.tuples(*[arrows(deterministic=True, fields=MEETING).map(lambda m: map_error(m, Told))] * 3),
    start=starts(),
)
def test_validate_associativity(parts: tuple[AnyFlow, AnyFlow, AnyFlow], start: Start) -> None:
    """Associative up to nesting of tuples, those of values and those of errors, where no two branches conflict."""
    a, b, c = parts
    left = validate(validate(a, b), c).map(lambda values: (*values[0], values[1]))
    right = validate(a, validate(b, c)).map(lambda values: (values[0], *values[1]))
    same(map_error(left, flat), validate(a, b, c), start)
    same(map_error(right, flat), validate(a, b, c), start)


def collected(results: tuple[Result[Any, Any], ...]) -> AnyFlow:
    lost = [result.failure() for result in results if isinstance(result, Failure)]
    defect = next((error for error in lost if isinstance(error, Defect)), None)
    if lost:
        return fail(tuple(lost) if defect is None else defect)
    return pure(tuple(result.unwrap() for result in results))


@some
@given(m=FLOWS, n=FLOWS, start=starts())
def test_validate_collects_what_settle_gives(m: AnyFlow, n: AnyFlow, start: Start) -> None:
    """``validate(a, b) = settle(a, b).bind(collect)``: all errors in branch order, of which a defect outranks."""
    same(validate(m, n), settle(m, n).bind(collected), start)


@not_a_law
def test_validate_does_not_agree_with_bind() -> None:
    """``validate(a, b) = a.bind(lambda x: b.map(lambda y: (x, y)))``: it also runs what a failure would leave out."""
    a, b = fail(Refused(1)), fail(Refused(2))
    same(validate(a, b), map_error(a.bind(lambda x: b.map(lambda y: (x, y))), one))


# -- quorum, which cancels the rest ------------------------------------------------------------------------------------


@some
@given(m=FLOWS, start=starts())
def test_quorum_of_none(m: AnyFlow, start: Start) -> None:
    """``quorum(0, *ms) = pure(())``."""
    same(quorum(0, m, m), pure(()), start)


@some
@given(m=FLOWS, start=starts())
def test_quorum_of_one(m: AnyFlow, start: Start) -> None:
    """``quorum(1, m).map(first) = transact(map_error(m, lambda e: (e,)))``."""
    same(quorum(1, m).map(first), transact(map_error(m, one)), start)


@some
@given(a=MEET, b=MEET, start=starts())
def test_quorum_of_all(a: AnyFlow, b: AnyFlow, start: Start) -> None:
    """``quorum(n, *ms)`` of ``n`` flows that succeed is ``gather(*ms)``, up to the order of values."""
    same(quorum(2, a, b).map(sorted_by_repr), gather(a, b).map(sorted_by_repr), start)


def sorted_by_repr(values: Any) -> list[Any]:
    return sorted(values, key=repr)


@not_a_law
def test_quorum_does_not_keep_the_state_of_a_failure() -> None:
    """``quorum(1, m).map(first) = map_error(m, lambda e: (e,))``: a failing quorum ends in the state at entry."""
    m = program("notes('log') >> fail(Refused(1))")
    same(quorum(1, m).map(first), map_error(m, one))


@not_a_law
def test_apply_does_not_agree_with_gather_on_conflicts() -> None:
    """``gather(a, b) = apply(a.map(pair), b)``: concurrent writes of a plain field conflict."""
    a = modify(Writes("mark", 1))
    same(gather(a, a), apply(a.map(lambda left: lambda right: (left, right)), a), Start(3, Ledger()))
