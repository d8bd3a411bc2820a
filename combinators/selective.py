"""Selective: a choice among finitely many flows that are all visible before anything runs.

Source: Mokhov, Lukyanov, Marlow and Dimino, *Selective applicative functors* (2019).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Never, overload

from typing_extensions import TypeVar

from mce.combinators.speculation import speculate
from mce.errors import DefinitionError, brief
from mce.flow import Flow, flow_node, plain_function
from mce.step_types import KeepUnions
from mce.syntax import Choice, Pure

__all__ = ["branch", "speculate", "switch", "unless", "when"]

A1 = TypeVar("A1")
A2 = TypeVar("A2")
E1 = TypeVar("E1")
E2 = TypeVar("E2")
I1 = TypeVar("I1")
I2 = TypeVar("I2", default=object)
K = TypeVar("K")
S1 = TypeVar("S1")

# The first overload of ``branch`` is for pyright, which makes the union of two errors that are ``Never`` unknown. Those
# that take closed flows are for mypy, which finds the input in the flows before it looks at the function, and in closed
# flows finds ``object``. The default of their ``I2`` is for a lambda; pyright wants such a variable to come last.


class _Truth:
    """The truth of a predicate."""

    __slots__ = ("__name__", "f")

    def __init__(self, f: Callable[[Any], Any]) -> None:
        self.f = f
        self.__name__ = getattr(f, "__name__", "branch")

    def __call__(self, value: Any) -> bool:
        return bool(self.f(value))


@overload
def branch(
    predicate: Callable[[I1], bool], if_true: Flow[I1, A1, Never, S1], if_false: Flow[I1, A2, E2, S1]
) -> Flow[I1, A1 | A2, E2, S1]: ...
@overload
def branch(
    predicate: Callable[[I1], bool], if_true: Flow[I1, A1, E1, S1], if_false: Flow[I1, A2, E2, S1]
) -> Flow[I1, A1 | A2, E1 | E2, S1]: ...
@overload
def branch(  # pyright: ignore[reportGeneralTypeIssues]
    predicate: Callable[[I2], bool], if_true: Flow[object, A1, E1, S1], if_false: Flow[object, A2, E2, S1]
) -> Flow[I2, A1 | A2, E1 | E2, S1]: ...
def branch(predicate: Callable[[Any], bool], if_true: Any, if_false: Any) -> Any:
    """Run ``if_true`` or ``if_false``, by ``predicate`` of the input, on the same input; both are visible.

    Laws: ``branch(lambda _: True, m, n) = m``; ``branch(p, m, n) = branch(not p, n, m)``;
    ``branch(p, m, n) >> k = branch(p, m >> k, n >> k)``.

    >>> from mce import lift, fail
    >>> half = branch(lambda n: n % 2 == 0, lift(lambda n: n // 2), fail("odd"))
    >>> half.run_sync(4)
    Outcome(2)
    >>> half.run_sync(3).error
    'odd'
    """
    cases = ((True, flow_node(if_true, "branch")), (False, flow_node(if_false, "branch")))
    return Flow(Choice(_Truth(plain_function(predicate, "branch")), cases, None, "branch"))


@overload
def switch(
    selector: Callable[[I1], K],
    cases: Mapping[K, Flow[I1, A1, E1, S1]] | KeepUnions,
    default: Flow[I1, A1, E1, S1] | None = None,
) -> Flow[I1, A1, E1, S1]: ...
@overload
def switch(  # pyright: ignore[reportGeneralTypeIssues]
    selector: Callable[[I2], K],
    cases: Mapping[K, Flow[object, A1, E1, S1]] | KeepUnions,
    default: Flow[object, A1, E1, S1] | None = None,
) -> Flow[I2, A1, E1, S1]: ...
def switch(selector: Callable[[Any], Any], cases: Any, default: Any = None) -> Any:
    """Run the case whose key equals ``selector`` of the input, on the same input; every case is visible.

    Without a matching case and without ``default`` the flow fails with a defect that names the key.

    Laws: ``switch(f, {k: m}, default=m) = m``; ``switch(f, cases) >> n = switch(f, {k: m >> n for k, m in cases})``.

    >>> from mce import pure, lift
    >>> route = switch(len, {1: pure("one"), 2: pure("two")})
    >>> route.run_sync("ab")
    Outcome('two')
    >>> route.run_sync("abc").ok
    False
    """
    if not isinstance(cases, Mapping):
        raise DefinitionError(f"switch takes its cases as a mapping from key to flow, not {brief(cases, 60)}")
    if not cases and default is None:
        raise DefinitionError("switch without a case and without a default can never run")
    nodes = tuple((key, flow_node(flow, f"switch, case {brief(key, 40)},")) for key, flow in cases.items())
    other = None if default is None else flow_node(default, "switch, default,")
    return Flow(Choice(plain_function(selector, "switch"), nodes, other, "switch"))


@overload
def when(predicate: Callable[[I1], bool], body: Flow[I1, A1, E1, S1]) -> Flow[I1, A1 | None, E1, S1]: ...
@overload
def when(  # pyright: ignore[reportGeneralTypeIssues]
    predicate: Callable[[I2], bool], body: Flow[object, A1, E1, S1]
) -> Flow[I2, A1 | None, E1, S1]: ...
def when(predicate: Callable[[Any], bool], body: Any) -> Any:
    """Run ``body`` if ``predicate`` of the input holds, else give ``None``.

    Law: ``when(p, m) = branch(p, m, pure(None))``.

    >>> from mce import lift
    >>> when(lambda n: n > 0, lift(str)).run_sync(3)
    Outcome('3')
    >>> when(lambda n: n > 0, lift(str)).run_sync(-3)
    Outcome(None)
    """
    cases = ((True, flow_node(body, "when")), (False, Pure(None)))
    return Flow(Choice(_Truth(plain_function(predicate, "when")), cases, None, "when"))


@overload
def unless(predicate: Callable[[I1], bool], body: Flow[I1, A1, E1, S1]) -> Flow[I1, A1 | None, E1, S1]: ...
@overload
def unless(  # pyright: ignore[reportGeneralTypeIssues]
    predicate: Callable[[I2], bool], body: Flow[object, A1, E1, S1]
) -> Flow[I2, A1 | None, E1, S1]: ...
def unless(predicate: Callable[[Any], bool], body: Any) -> Any:
    """Run ``body`` unless ``predicate`` of the input holds; then give ``None``.

    Law: ``unless(p, m) = when(lambda i: not p(i), m)``.

    >>> from mce import lift
    >>> unless(lambda n: n > 0, lift(str)).run_sync(-3)
    Outcome('-3')
    >>> unless(lambda n: n > 0, lift(str)).run_sync(3)
    Outcome(None)
    """
    cases = ((False, flow_node(body, "unless")), (True, Pure(None)))
    return Flow(Choice(_Truth(plain_function(predicate, "unless")), cases, None, "unless"))
