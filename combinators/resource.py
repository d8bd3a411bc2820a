"""Resources: what was acquired is released, however its use ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Never, overload

from typing_extensions import TypeVar

from mce.combinators.saga import compensate
from mce.flow import Flow, arrow, flow_node
from mce.syntax import Bracket, Fn, Given, same

__all__ = ["bracket", "compensate", "ensure"]

A = TypeVar("A")
B = TypeVar("B")
E1 = TypeVar("E1")
E2 = TypeVar("E2")
E3 = TypeVar("E3")
I1 = TypeVar("I1")
R = TypeVar("R")
S1 = TypeVar("S1")


@overload
def bracket(
    acquire: Flow[I1, R, Never, object],
    use: Callable[[R], Flow[None, A, Never, S1]],
    release: Callable[[R], Flow[None, B, E3, S1]],
) -> Flow[I1, A, E3, S1]: ...
@overload
def bracket(
    acquire: Flow[I1, R, E1, object],
    use: Callable[[R], Flow[None, A, E2, S1]],
    release: Callable[[R], Flow[None, B, E3, S1]],
) -> Flow[I1, A, E1 | E2 | E3, S1]: ...
@overload
def bracket(
    acquire: Flow[I1, R, E1, S1],
    use: Callable[[R], Flow[None, A, E2, S1]],
    release: Callable[[R], Flow[None, B, E3, S1]],
) -> Flow[I1, A, E1 | E2 | E3, S1]: ...
def bracket(acquire: Any, use: Any, release: Any) -> Any:
    """Run ``acquire``, ``use`` what it gave, and ``release`` it: on success, failure, timeout and cancellation.

    ``use`` and ``release`` are flows that take the resource, or functions that make a flow of it. Acquiring and
    releasing cannot be cancelled. A failing release fails the flow only when ``use`` had succeeded; otherwise the
    first error stays and a note in the outcome's place tells of the other.

    Laws: release runs exactly once if acquire succeeded and never if not; ``bracket(pure(r), use, pure) = use(r)``.

    >>> from mce import pure, fail, lift
    >>> bracket(pure("file"), lift(str.upper), lift(print)).run_sync()
    file
    Outcome('FILE')
    >>> bracket(pure("file"), lambda _: fail("no"), lift(print)).run_sync().error
    file
    'no'
    """
    return Flow(Bracket(flow_node(acquire, "bracket"), arrow(use, "use"), arrow(release, "release")))


@overload
def ensure(flow: Flow[I1, A, Never, S1], finaliser: Flow[None, B, E2, S1]) -> Flow[I1, A, E2, S1]: ...
@overload
def ensure(flow: Flow[I1, A, E1, S1], finaliser: Flow[None, B, E2, S1]) -> Flow[I1, A, E1 | E2, S1]: ...
def ensure(flow: Any, finaliser: Any) -> Any:
    """Run the closed flow ``finaliser`` after ``flow``, however it ended: ``finally`` for flows.

    Law: ``ensure(m, f) = bracket(identity(), m, lambda _: f)``.

    >>> from mce import pure, fail, tap
    >>> ensure(fail("no"), tap(pure("closed"), print)).run_sync().error
    closed
    'no'
    """
    body, last = flow_node(flow, "ensure"), flow_node(finaliser, "ensure")
    return Flow(Bracket(Fn(same), body, Given(None, last)))
