"""Applicative: independent flows side by side, and what becomes of their values, failures and states.

``gather`` is the parallel applicative (``Par`` in Cats), ``validate`` the accumulating one, which has no monad;
``apply`` is the sequential one that agrees with ``bind``. The module is long for its overloads, which give every branch
its own type in the tuple.
Source: McBride and Paterson, *Applicative programming with effects* (2008).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Never, TypeAlias, overload

from returns.result import Result
from typing_extensions import TypeVar

from mce.errors import DefinitionError, brief
from mce.flow import Flow, flow_node, plain_function
from mce.syntax import Fn, Join, Par, Then

__all__ = ["apply", "gather", "last", "lift", "quorum", "settle", "validate", "zip_with"]

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
X = TypeVar("X", default=Any)  # of a lambda nothing is known
Y = TypeVar("Y", default=Any)
I = TypeVar("I")  # noqa: E741
S = TypeVar("S")
A1 = TypeVar("A1")
A2 = TypeVar("A2")
A3 = TypeVar("A3")
A4 = TypeVar("A4")
A5 = TypeVar("A5")
A6 = TypeVar("A6")
E = TypeVar("E")
E1 = TypeVar("E1")
E2 = TypeVar("E2")
E3 = TypeVar("E3")
E4 = TypeVar("E4")
E5 = TypeVar("E5")
E6 = TypeVar("E6")

_Merge: TypeAlias = Callable[[list[Any]], Any] | None

# Where two errors are ``Never``, pyright makes their union ``Unknown`` instead of ``Never``: the functions below whose
# error is a union have an overload for that, which comes first. The overload for many flows takes at least as many as
# the others do not, since mypy gives up where two overloads fit values with ``Any`` in them.


def last(states: Sequence[S]) -> S:
    """Give the last branch's state: the merge of the paper, where a later branch silently wins."""
    return states[-1]


def _par(flows: tuple[Any, ...], where: str, how: Join) -> Flow[Any, Any, Any, Any]:
    return Flow(Par(tuple(flow_node(flow, where) for flow in flows), how, where))


@overload
def gather(*, merge: _Merge = None) -> Flow[object, tuple[()]]: ...
@overload
def gather(f1: Flow[I, A1, E1, S], /, *, merge: _Merge = None) -> Flow[I, tuple[A1], E1, S]: ...
@overload
def gather(
    f1: Flow[I, A1, Never, S], f2: Flow[I, A2, Never, S], /, *, merge: _Merge = None
) -> Flow[I, tuple[A1, A2], Never, S]: ...
@overload
def gather(
    f1: Flow[I, A1, E1, S], f2: Flow[I, A2, E2, S], /, *, merge: _Merge = None
) -> Flow[I, tuple[A1, A2], E1 | E2, S]: ...
@overload
def gather(
    f1: Flow[I, A1, Never, S], f2: Flow[I, A2, Never, S], f3: Flow[I, A3, Never, S], /, *, merge: _Merge = None
) -> Flow[I, tuple[A1, A2, A3], Never, S]: ...
@overload
def gather(
    f1: Flow[I, A1, E1, S], f2: Flow[I, A2, E2, S], f3: Flow[I, A3, E3, S], /, *, merge: _Merge = None
) -> Flow[I, tuple[A1, A2, A3], E1 | E2 | E3, S]: ...
@overload
def gather(
    f1: Flow[I, A1, Never, S],
    f2: Flow[I, A2, Never, S],
    f3: Flow[I, A3, Never, S],
    f4: Flow[I, A4, Never, S],
    /,
    *,
    merge: _Merge = None,
) -> Flow[I, tuple[A1, A2, A3, A4], Never, S]: ...
@overload
def gather(
    f1: Flow[I, A1, E1, S],
    f2: Flow[I, A2, E2, S],
    f3: Flow[I, A3, E3, S],
    f4: Flow[I, A4, E4, S],
    /,
    *,
    merge: _Merge = None,
) -> Flow[I, tuple[A1, A2, A3, A4], E1 | E2 | E3 | E4, S]: ...
@overload
def gather(
    f1: Flow[I, A1, Never, S],
    f2: Flow[I, A2, Never, S],
    f3: Flow[I, A3, Never, S],
    f4: Flow[I, A4, Never, S],
    f5: Flow[I, A5, Never, S],
    /,
    *,
    merge: _Merge = None,
) -> Flow[I, tuple[A1, A2, A3, A4, A5], Never, S]: ...
@overload
def gather(
    f1: Flow[I, A1, E1, S],
    f2: Flow[I, A2, E2, S],
    f3: Flow[I, A3, E3, S],
    f4: Flow[I, A4, E4, S],
    f5: Flow[I, A5, E5, S],
    /,
    *,
    merge: _Merge = None,
) -> Flow[I, tuple[A1, A2, A3, A4, A5], E1 | E2 | E3 | E4 | E5, S]: ...
@overload
def gather(
    f1: Flow[I, A1, Never, S],
    f2: Flow[I, A2, Never, S],
    f3: Flow[I, A3, Never, S],
    f4: Flow[I, A4, Never, S],
    f5: Flow[I, A5, Never, S],
    f6: Flow[I, A6, Never, S],
    /,
    *,
    merge: _Merge = None,
) -> Flow[I, tuple[A1, A2, A3, A4, A5, A6], Never, S]: ...
@overload
def gather(
    f1: Flow[I, A1, E1, S],
    f2: Flow[I, A2, E2, S],
    f3: Flow[I, A3, E3, S],
    f4: Flow[I, A4, E4, S],
    f5: Flow[I, A5, E5, S],
    f6: Flow[I, A6, E6, S],
    /,
    *,
    merge: _Merge = None,
) -> Flow[I, tuple[A1, A2, A3, A4, A5, A6], E1 | E2 | E3 | E4 | E5 | E6, S]: ...
@overload
def gather(
    f1: Flow[I, A, E, S],
    f2: Flow[I, A, E, S],
    f3: Flow[I, A, E, S],
    f4: Flow[I, A, E, S],
    f5: Flow[I, A, E, S],
    f6: Flow[I, A, E, S],
    f7: Flow[I, A, E, S],
    /,
    *flows: Flow[I, A, E, S],
    merge: _Merge = None,
) -> Flow[I, tuple[A, ...], E, S]: ...
def gather(*flows: Any, merge: _Merge = None) -> Any:
    """Run the flows concurrently, each on the same input, and give the tuple of their values; fail fast.

    The first failure cancels the others; the state is then that of the failing branch, and the outcome tells what
    its siblings had produced. Otherwise the branches' state changes are joined (design 5): fields that several wrote
    need a reducer or are a :class:`mce.StateConflict`; ``merge(states)`` makes the state of theirs instead.
    No flows give the empty tuple.

    Laws (``tests/laws/test_applicative.py``): ``gather(a).map(first) = a``; ``gather(pure(x), m).map(second) = m``;
    associative up to nesting of tuples, where at most one branch fails or conflicts; agrees with ``apply`` when all
    branches succeed and none reads or writes what another writes (reducers but ``First`` let them write the same).
    Not a law: agreement with ``bind`` on failures, since a failing sibling drops the other's change.

    >>> from mce import pure, fail
    >>> gather(pure(1), pure("a")).run_sync()
    Outcome((1, 'a'))
    >>> gather(pure(1), fail("no")).run_sync().error
    'no'
    """
    return _par(flows, "gather", Join(merge=merge))


@overload
def validate() -> Flow[object, tuple[()]]: ...
@overload
def validate(f1: Flow[I, A1, Never, S], /) -> Flow[I, tuple[A1], Never, S]: ...
@overload
def validate(f1: Flow[I, A1, E1, S], /) -> Flow[I, tuple[A1], tuple[E1, ...], S]: ...
@overload
def validate(f1: Flow[I, A1, Never, S], f2: Flow[I, A2, Never, S], /) -> Flow[I, tuple[A1, A2], Never, S]: ...
@overload
def validate(f1: Flow[I, A1, E1, S], f2: Flow[I, A2, E2, S], /) -> Flow[I, tuple[A1, A2], tuple[E1 | E2, ...], S]: ...
@overload
def validate(
    f1: Flow[I, A1, Never, S], f2: Flow[I, A2, Never, S], f3: Flow[I, A3, Never, S], /
) -> Flow[I, tuple[A1, A2, A3], Never, S]: ...
@overload
def validate(
    f1: Flow[I, A1, E1, S], f2: Flow[I, A2, E2, S], f3: Flow[I, A3, E3, S], /
) -> Flow[I, tuple[A1, A2, A3], tuple[E1 | E2 | E3, ...], S]: ...
@overload
def validate(
    f1: Flow[I, A1, Never, S], f2: Flow[I, A2, Never, S], f3: Flow[I, A3, Never, S], f4: Flow[I, A4, Never, S], /
) -> Flow[I, tuple[A1, A2, A3, A4], Never, S]: ...
@overload
def validate(
    f1: Flow[I, A1, E1, S], f2: Flow[I, A2, E2, S], f3: Flow[I, A3, E3, S], f4: Flow[I, A4, E4, S], /
) -> Flow[I, tuple[A1, A2, A3, A4], tuple[E1 | E2 | E3 | E4, ...], S]: ...
@overload
def validate(
    f1: Flow[I, A1, Never, S],
    f2: Flow[I, A2, Never, S],
    f3: Flow[I, A3, Never, S],
    f4: Flow[I, A4, Never, S],
    f5: Flow[I, A5, Never, S],
    /,
) -> Flow[I, tuple[A1, A2, A3, A4, A5], Never, S]: ...
@overload
def validate(
    f1: Flow[I, A1, E1, S],
    f2: Flow[I, A2, E2, S],
    f3: Flow[I, A3, E3, S],
    f4: Flow[I, A4, E4, S],
    f5: Flow[I, A5, E5, S],
    /,
) -> Flow[I, tuple[A1, A2, A3, A4, A5], tuple[E1 | E2 | E3 | E4 | E5, ...], S]: ...
@overload
def validate(
    f1: Flow[I, A1, Never, S],
    f2: Flow[I, A2, Never, S],
    f3: Flow[I, A3, Never, S],
    f4: Flow[I, A4, Never, S],
    f5: Flow[I, A5, Never, S],
    f6: Flow[I, A6, Never, S],
    /,
) -> Flow[I, tuple[A1, A2, A3, A4, A5, A6], Never, S]: ...
@overload
def validate(
    f1: Flow[I, A1, E1, S],
    f2: Flow[I, A2, E2, S],
    f3: Flow[I, A3, E3, S],
    f4: Flow[I, A4, E4, S],
    f5: Flow[I, A5, E5, S],
    f6: Flow[I, A6, E6, S],
    /,
) -> Flow[I, tuple[A1, A2, A3, A4, A5, A6], tuple[E1 | E2 | E3 | E4 | E5 | E6, ...], S]: ...
@overload
def validate(
    f1: Flow[I, A, E, S],
    f2: Flow[I, A, E, S],
    f3: Flow[I, A, E, S],
    f4: Flow[I, A, E, S],
    f5: Flow[I, A, E, S],
    f6: Flow[I, A, E, S],
    f7: Flow[I, A, E, S],
    /,
    *flows: Flow[I, A, E, S],
) -> Flow[I, tuple[A, ...], tuple[E, ...], S]: ...
def validate(*flows: Any) -> Any:
    """Run the flows concurrently, all to their end, and fail with the tuple of every error, in branch order.

    Every branch's state change is kept, failed ones too. A defect outranks: the flow then fails as the first branch
    with a defect did, and its place tells what the siblings had produced.

    Laws: those of an applicative, with errors in the free monoid, where no two branches conflict;
    ``validate(*ms) = settle(*ms).bind(collect)``. Not a law: agreement with ``bind``.

    >>> from mce import pure, fail
    >>> validate(pure(1), pure(2)).run_sync()
    Outcome((1, 2))
    >>> validate(fail("a"), pure(2), fail("b")).run_sync().error
    ('a', 'b')
    """
    return _par(flows, "validate", Join("accumulate"))


@overload
def settle() -> Flow[object, tuple[()]]: ...
@overload
def settle(f1: Flow[I, A1, E1, S], /) -> Flow[I, tuple[Result[A1, E1]], Never, S]: ...
@overload
def settle(
    f1: Flow[I, A1, E1, S], f2: Flow[I, A2, E2, S], /
) -> Flow[I, tuple[Result[A1, E1], Result[A2, E2]], Never, S]: ...
@overload
def settle(
    f1: Flow[I, A1, E1, S], f2: Flow[I, A2, E2, S], f3: Flow[I, A3, E3, S], /
) -> Flow[I, tuple[Result[A1, E1], Result[A2, E2], Result[A3, E3]], Never, S]: ...
@overload
def settle(
    f1: Flow[I, A1, E1, S], f2: Flow[I, A2, E2, S], f3: Flow[I, A3, E3, S], f4: Flow[I, A4, E4, S], /
) -> Flow[I, tuple[Result[A1, E1], Result[A2, E2], Result[A3, E3], Result[A4, E4]], Never, S]: ...
@overload
def settle(
    f1: Flow[I, A1, E1, S],
    f2: Flow[I, A2, E2, S],
    f3: Flow[I, A3, E3, S],
    f4: Flow[I, A4, E4, S],
    f5: Flow[I, A5, E5, S],
    /,
) -> Flow[I, tuple[Result[A1, E1], Result[A2, E2], Result[A3, E3], Result[A4, E4], Result[A5, E5]], Never, S]: ...
@overload
def settle(
    f1: Flow[I, A1, E1, S],
    f2: Flow[I, A2, E2, S],
    f3: Flow[I, A3, E3, S],
    f4: Flow[I, A4, E4, S],
    f5: Flow[I, A5, E5, S],
    f6: Flow[I, A6, E6, S],
    /,
) -> Flow[
    I, tuple[Result[A1, E1], Result[A2, E2], Result[A3, E3], Result[A4, E4], Result[A5, E5], Result[A6, E6]], Never, S
]: ...
@overload
def settle(
    f1: Flow[I, A, E, S],
    f2: Flow[I, A, E, S],
    f3: Flow[I, A, E, S],
    f4: Flow[I, A, E, S],
    f5: Flow[I, A, E, S],
    f6: Flow[I, A, E, S],
    f7: Flow[I, A, E, S],
    /,
    *flows: Flow[I, A, E, S],
) -> Flow[I, tuple[Result[A, E], ...], Never, S]: ...
def settle(*flows: Any) -> Any:
    """Run the flows concurrently, all to their end, and give their results; fails only where their states conflict.

    A defect is a ``Failure`` of a :class:`mce.Defect`. Every branch's state change is kept, failed ones too.

    Laws: ``settle(m)`` succeeds for every ``m``, and failing with its error again is ``m``;
    ``settle(a, b) = gather(settle(a).map(first), settle(b).map(first))``.
    Not a law: it does not commute with ``recover``.

    >>> from mce import pure, fail
    >>> settle(pure(1), fail("no")).run_sync().value
    (<Success: 1>, <Failure: no>)
    """
    return _par(flows, "settle", Join("settle"))


def quorum(k: int, *flows: Flow[I, A, E, S]) -> Flow[I, tuple[A, ...], tuple[E, ...], S]:
    """Give the values of the first ``k`` flows to succeed, as they complete; the rest are cancelled.

    The winners' state changes are kept. When ``k`` can no longer be reached the flow fails with the errors so far,
    in branch order, and the state at entry; a defect among them outranks, as in :func:`validate`.

    Laws: ``quorum(0, *ms) = pure(())``; ``quorum(1, m).map(first) = transact(map_error(m, lambda e: (e,)))``;
    ``quorum(n, *ms)`` of ``n`` flows that succeed is ``gather(*ms)``, up to the order of values.
    Not a law: ``quorum(1, m)`` keeps the state of a failure no more than ``race`` does.

    >>> from mce import pure, fail
    >>> quorum(2, pure(1), fail("no"), pure(3)).run_sync().value
    (1, 3)
    >>> quorum(2, pure(1), fail("no")).run_sync().error
    ('no',)
    """
    if not isinstance(k, int) or not 0 <= k <= len(flows):
        raise DefinitionError(f"quorum({brief(k)}, ...) of {len(flows)} flows: k is a number from 0 to {len(flows)}")
    if k == 0:
        return _par((), "quorum", Join())
    return _par(flows, "quorum", Join("quorum", count=k))


def lift(f: Callable[[X], Y]) -> Flow[X, Y]:
    """Make a flow of the pure function ``f`` of the input.

    Laws: ``lift(identity) = identity()``; ``lift(f) >> lift(g) = lift(lambda a: g(f(a)))``;
    ``m >> lift(f) = m.map(f)``.

    >>> lift(len).run_sync("four")
    Outcome(4)
    >>> type(lift(len).run_sync(4).error.cause).__name__
    'TypeError'
    """
    return Flow(Fn(plain_function(f, "lift")))


class _MapOver:
    """Maps the function it is given over ``flow``."""

    __slots__ = ("flow",)
    __name__ = "apply"

    def __init__(self, flow: Flow[Any, Any, Any, Any]) -> None:
        self.flow = flow

    def __call__(self, f: Callable[[Any], Any]) -> Flow[Any, Any, Any, Any]:
        return self.flow.map(f)


@overload
def apply(
    function: Flow[None, Callable[[A], B], Never, S], argument: Flow[None, A, E2, S]
) -> Flow[object, B, E2, S]: ...
@overload
def apply(
    function: Flow[None, Callable[[A], B], E1, S], argument: Flow[None, A, E2, S]
) -> Flow[object, B, E1 | E2, S]: ...
def apply(function: Any, argument: Any) -> Any:
    """Run ``function``, then ``argument``, and apply the one's value to the other's: sequential, agrees with ``bind``.

    Laws: identity ``apply(pure(identity), m) = m``; homomorphism ``apply(pure(f), pure(a)) = pure(f(a))``;
    interchange ``apply(u, pure(a)) = apply(pure(lambda f: f(a)), u)``; composition;
    ``apply(mf, ma) = mf.bind(lambda f: ma.map(f))``.

    >>> from mce import pure, fail
    >>> apply(pure(len), pure("four")).run_sync()
    Outcome(4)
    >>> apply(fail("first"), fail("second")).run_sync().error
    'first'
    """
    flow_node(function, "apply")
    flow_node(argument, "apply")
    return function.bind(_MapOver(argument))


class _Spread:
    """Calls ``f`` with the parts of a tuple."""

    __slots__ = ("f",)
    __name__ = "zip_with"

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f

    def __call__(self, values: tuple[Any, ...]) -> Any:
        return self.f(*values)


@overload
def zip_with(f: Callable[[A, B], C], first: Flow[I, A, Never, S], second: Flow[I, B, E2, S]) -> Flow[I, C, E2, S]: ...
@overload
def zip_with(f: Callable[[A, B], C], first: Flow[I, A, E1, S], second: Flow[I, B, E2, S]) -> Flow[I, C, E1 | E2, S]: ...
def zip_with(f: Callable[..., Any], first: Any, second: Any) -> Any:
    """Run both concurrently and give ``f`` of their values.

    Law: ``zip_with(f, a, b) = gather(a, b).map(lambda ab: f(*ab))``.

    >>> from mce import pure, fail
    >>> zip_with(max, pure(1), pure(2)).run_sync()
    Outcome(2)
    >>> zip_with(max, pure(1), fail("no")).run_sync().error
    'no'
    """
    return Flow(Then(_par((first, second), "gather", Join()).node, Fn(_Spread(plain_function(f, "zip_with")))))
