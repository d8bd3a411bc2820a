"""Alternative: what to do when a flow fails, or is slow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Never, TypeAlias, overload

from typing_extensions import TypeVar

from mce.combinators.clock import sleep
from mce.errors import DefinitionError
from mce.flow import Flow, flow_node
from mce.syntax import Race, Then

__all__ = ["first_success", "hedge", "or_else", "race", "recover"]

A = TypeVar("A")
B = TypeVar("B")
E1 = TypeVar("E1")
E2 = TypeVar("E2")
I1 = TypeVar("I1")
S1 = TypeVar("S1")
S2 = TypeVar("S2")
A1 = TypeVar("A1")
A2 = TypeVar("A2")
A3 = TypeVar("A3")
A4 = TypeVar("A4")
E3 = TypeVar("E3")
E4 = TypeVar("E4")
X = TypeVar("X")

_On: TypeAlias = type[X] | tuple[type[X], ...]


@overload
def recover(
    flow: Flow[I1, A, E1, object], handler: Callable[[E1], Flow[None, B, E2, S2]]
) -> Flow[I1, A | B, E2, S2]: ...
@overload
def recover(flow: Flow[I1, A, E1, S1], handler: Callable[[E1], Flow[None, B, E2, S1]]) -> Flow[I1, A | B, E2, S1]: ...
@overload
def recover(
    flow: Flow[I1, A, Never, object], handler: Callable[[X], Flow[None, B, E2, S2]], *, on: _On[X]
) -> Flow[I1, A | B, E2, S2]: ...
@overload
def recover(
    flow: Flow[I1, A, E1, object], handler: Callable[[X], Flow[None, B, E2, S2]], *, on: _On[X]
) -> Flow[I1, A | B, E1 | E2, S2]: ...
@overload
def recover(
    flow: Flow[I1, A, E1, S1], handler: Callable[[X], Flow[None, B, E2, S1]], *, on: _On[X]
) -> Flow[I1, A | B, E1 | E2, S1]: ...
def recover(flow: Any, handler: Any, on: Any = None) -> Any:
    """On a failure continue with the closed flow that ``handler`` makes of the error; see :meth:`mce.Flow.recover`.

    Laws: ``recover`` and ``fail`` form a monoid: ``recover(m, fail) = m``, ``recover(fail(e), h) = h(e)``, associative.
    Not laws: ``bind`` does not distribute over it; with ``on=X`` a defect that was caught and failed with is expected.

    >>> from mce import pure, fail
    >>> recover(fail("no"), lambda error: pure(error + "!")).run_sync()
    Outcome('no!')
    >>> recover(fail("no"), fail).run_sync().error
    'no'
    """
    flow_node(flow, "recover")
    return flow.recover(handler, on) if on is not None else flow.recover(handler)


def or_else(flow: Flow[I1, A, E1, S1], other: Flow[I1, B, E2, S1]) -> Flow[I1, A | B, E2, S1]:
    """On an expected failure run ``other`` instead, with the same input; see :meth:`mce.Flow.or_else`.

    Law: associative. Not a law: a right identity, since the error is replaced by the other's.

    >>> from mce import pure, fail
    >>> or_else(fail("no"), pure(3)).run_sync()
    Outcome(3)
    >>> or_else(fail("no"), fail("never")).run_sync().error
    'never'
    """
    flow_node(flow, "or_else")
    return flow.or_else(other)


@overload
def race() -> Flow[object, Never, tuple[()]]: ...
@overload
def race(f1: Flow[I1, A1, E1, S1], /) -> Flow[I1, A1, tuple[E1], S1]: ...
@overload
def race(f1: Flow[I1, A1, E1, S1], f2: Flow[I1, A2, E2, S1], /) -> Flow[I1, A1 | A2, tuple[E1, E2], S1]: ...
@overload
def race(
    f1: Flow[I1, A1, E1, S1], f2: Flow[I1, A2, E2, S1], f3: Flow[I1, A3, E3, S1], /
) -> Flow[I1, A1 | A2 | A3, tuple[E1, E2, E3], S1]: ...
@overload
def race(
    f1: Flow[I1, A1, E1, S1], f2: Flow[I1, A2, E2, S1], f3: Flow[I1, A3, E3, S1], f4: Flow[I1, A4, E4, S1], /
) -> Flow[I1, A1 | A2 | A3 | A4, tuple[E1, E2, E3, E4], S1]: ...
@overload
def race(
    f1: Flow[I1, A, E1, S1],
    f2: Flow[I1, A, E1, S1],
    f3: Flow[I1, A, E1, S1],
    f4: Flow[I1, A, E1, S1],
    f5: Flow[I1, A, E1, S1],
    /,
    *flows: Flow[I1, A, E1, S1],
) -> Flow[I1, A, tuple[E1, ...], S1]: ...
def race(*flows: Any) -> Any:
    """Run the flows concurrently, each on the same input; the first success wins and the others are cancelled.

    The winner's state is kept. If all fail the flow fails with the tuple of their errors, in branch order, and the
    state at entry; a defect among them outranks: the flow then fails with it.

    Laws: ``race(m) = transact(map_error(m, lambda e: (e,)))``; ``race(fail(e), m) = m`` if ``m`` succeeds.
    Not a law: it commutes only up to which of two that are ready at once wins.

    >>> from mce import pure, fail
    >>> race(fail("no"), pure(3)).run_sync()
    Outcome(3)
    >>> race(fail("a"), fail("b")).run_sync().error
    ('a', 'b')
    """
    return Flow(Race(tuple(flow_node(flow, "race") for flow in flows)))


@overload
def first_success(f1: Flow[I1, A1, E1, S1], /) -> Flow[I1, A1, E1, S1]: ...
@overload
def first_success(f1: Flow[I1, A1, object, S1], f2: Flow[I1, A2, E2, S1], /) -> Flow[I1, A1 | A2, E2, S1]: ...
@overload
def first_success(
    f1: Flow[I1, A1, object, S1], f2: Flow[I1, A2, object, S1], f3: Flow[I1, A3, E3, S1], /
) -> Flow[I1, A1 | A2 | A3, E3, S1]: ...
@overload
def first_success(
    f1: Flow[I1, A1, object, S1],
    f2: Flow[I1, A2, object, S1],
    f3: Flow[I1, A3, object, S1],
    f4: Flow[I1, A4, E4, S1],
    /,
) -> Flow[I1, A1 | A2 | A3 | A4, E4, S1]: ...
@overload
def first_success(
    f1: Flow[I1, A, E1, S1],
    f2: Flow[I1, A, E1, S1],
    f3: Flow[I1, A, E1, S1],
    f4: Flow[I1, A, E1, S1],
    f5: Flow[I1, A, E1, S1],
    /,
    *flows: Flow[I1, A, E1, S1],
) -> Flow[I1, A, E1, S1]: ...
def first_success(first: Any, *others: Any) -> Any:
    """Try the flows one after the other on the same input, until one succeeds; fail as the last one did.

    Laws: ``first_success(m) = m``; ``first_success(a, b, c) = a.or_else(b).or_else(c)``.

    >>> from mce import pure, fail
    >>> first_success(fail("a"), pure(3), fail("b")).run_sync()
    Outcome(3)
    >>> first_success(fail("a"), fail("b")).run_sync().error
    'b'
    """
    flow_node(first, "first_success")
    tried = first
    for other in others:
        tried = tried.or_else(other)
    return tried


def hedge(flow: Flow[I1, A, E1, S1], *, after: float) -> Flow[I1, A, tuple[E1, E1], S1]:
    """Start ``flow`` a second time if it is not done ``after`` seconds; the first success wins, the loser is cancelled.

    Only the winner's state change is kept. Meant for what may be called twice: a step declared ``idempotent=False``
    is refused.

    >>> from mce import pure, fail
    >>> hedge(pure(3), after=1.0).run_sync()
    Outcome(3)
    >>> hedge(fail("no"), after=0.0).run_sync().error
    ('no', 'no')

    Source: Dean and Barroso, *The tail at scale* (2013).
    """
    node = flow_node(flow, "hedge")
    refuse_unrepeatable(node, "hedge")
    return Flow(Race((node, Then(sleep(after).node, node)), "hedge"))


def refuse_unrepeatable(node: Any, where: str) -> None:
    """Raise ``DefinitionError`` if a step below ``node`` is declared ``idempotent=False``."""
    from mce.syntax import Call, postorder

    for found in postorder(node):
        if isinstance(found, Call) and found.spec.idempotent is False:
            raise DefinitionError(
                f"{where} may call step {found.spec.name!r} twice, which is declared idempotent=False"
            )
