"""Functor in the value, and bifunctor in value and error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typing_extensions import TypeVar

from mce.flow import Flow, flow_node, plain_function
from mce.syntax import Dynamic, Fail, Fn, Recover, Then

__all__ = ["as_", "bimap", "map", "map_error", "tap"]

A = TypeVar("A")
B = TypeVar("B")
E1 = TypeVar("E1")
E2 = TypeVar("E2")
I1 = TypeVar("I1")
S1 = TypeVar("S1")


def map(flow: Flow[I1, A, E1, S1], f: Callable[[A], B]) -> Flow[I1, B, E1, S1]:
    """Apply the pure function ``f`` to the value; what it raises is a defect.

    Laws (``tests/laws/test_functor.py``): ``map(m, identity) = m``;
    ``map(map(m, f), g) = map(m, lambda a: g(f(a)))``.

    >>> from mce import pure, fail
    >>> map(pure(3), str).run_sync()
    Outcome('3')
    >>> map(fail("no"), str).run_sync()
    Outcome(failed: 'no' at fail)
    """
    return Flow(Then(flow_node(flow, "map"), Fn(plain_function(f, "map"))))


class _Always:
    """The constant function."""

    __slots__ = ("value",)
    __name__ = "as_"

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, _: Any) -> Any:
        return self.value


def as_(flow: Flow[I1, A, E1, S1], value: B) -> Flow[I1, B, E1, S1]:
    """Give ``value`` instead of the flow's own.

    Law: ``as_(m, b) = map(m, lambda _: b)``.

    >>> from mce import pure, fail
    >>> as_(pure(3), "done").run_sync()
    Outcome('done')
    >>> as_(fail("no"), "done").run_sync().ok
    False
    """
    return Flow(Then(flow_node(flow, "as_"), Fn(_Always(value))))


class _FailWith:
    """Makes of an error the flow that fails with ``f`` of it."""

    __slots__ = ("f",)
    __name__ = "map_error"

    def __init__(self, f: Callable[[Any], Any]) -> None:
        self.f = f

    def __call__(self, error: Any) -> Flow[object, Any, Any]:
        return Flow(Fail(self.f(error)))


def map_error(flow: Flow[I1, A, E1, S1], f: Callable[[E1], E2]) -> Flow[I1, A, E2, S1]:
    """Apply the pure function ``f`` to the error of an expected failure; defects are left alone.

    Laws: ``map_error(m, identity) = m``; ``map_error(map_error(m, f), g) = map_error(m, lambda e: g(f(e)))``.

    >>> from mce import pure, fail
    >>> map_error(pure(3), len).run_sync()
    Outcome(3)
    >>> map_error(fail("no"), len).run_sync().error
    2
    """
    handler = Dynamic(_FailWith(plain_function(f, "map_error")), "map_error")
    return Flow(Recover(flow_node(flow, "map_error"), handler))


def bimap(flow: Flow[I1, A, E1, S1], on_error: Callable[[E1], E2], on_value: Callable[[A], B]) -> Flow[I1, B, E2, S1]:
    """Map the error with ``on_error`` and the value with ``on_value``.

    Laws: ``bimap(m, identity, identity) = m``; ``bimap(m, f, g) = map(map_error(m, f), g)``.

    >>> from mce import pure, fail
    >>> bimap(pure(3), len, str).run_sync()
    Outcome('3')
    >>> bimap(fail("no"), len, str).run_sync().error
    2
    """
    return map(map_error(flow, on_error), on_value)


class _Tap:
    """Calls ``f`` and gives the value on."""

    __slots__ = ("f",)
    __name__ = "tap"

    def __init__(self, f: Callable[[Any], object]) -> None:
        self.f = f

    def __call__(self, value: Any) -> Any:
        self.f(value)
        return value


def tap(flow: Flow[I1, A, E1, S1], f: Callable[[A], object]) -> Flow[I1, A, E1, S1]:
    """Call ``f`` with the value and give the value on; what ``f`` returns is dropped, what it raises is a defect.

    Law: ``tap(m, f) = map(m, lambda a: (f(a), a)[1])``.

    >>> from mce import pure, fail
    >>> tap(pure(3), print).run_sync()
    3
    Outcome(3)
    >>> tap(fail("no"), print).run_sync().ok
    False
    """
    return Flow(Then(flow_node(flow, "tap"), Fn(_Tap(plain_function(f, "tap")))))
