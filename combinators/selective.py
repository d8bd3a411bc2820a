"""Selective: a choice among finitely many flows that are all visible before anything runs.

Source: Mokhov, Lukyanov, Marlow and Dimino, *Selective applicative functors* (2019).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from typing_extensions import TypeVar

from mce.errors import DefinitionError, brief
from mce.flow import Flow, flow_node, plain_function
from mce.syntax import Choice, Pure

__all__ = ["branch", "switch", "unless", "when"]

A1 = TypeVar("A1")
A2 = TypeVar("A2")
E1 = TypeVar("E1")
E2 = TypeVar("E2")
I1 = TypeVar("I1")
K = TypeVar("K")
S1 = TypeVar("S1")


class _Truth:
    """The truth of a predicate."""

    __slots__ = ("__name__", "f")

    def __init__(self, f: Callable[[Any], Any]) -> None:
        self.f = f
        self.__name__ = getattr(f, "__name__", "branch")

    def __call__(self, value: Any) -> bool:
        return bool(self.f(value))


def branch(
    predicate: Callable[[I1], bool], if_true: Flow[I1, A1, E1, S1], if_false: Flow[I1, A2, E2, S1]
) -> Flow[I1, A1 | A2, E1 | E2, S1]:
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


def switch(
    selector: Callable[[I1], K],
    cases: Mapping[K, Flow[I1, A1, E1, S1]],
    default: Flow[I1, A1, E1, S1] | None = None,
) -> Flow[I1, A1, E1, S1]:
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


def when(predicate: Callable[[I1], bool], body: Flow[I1, A1, E1, S1]) -> Flow[I1, A1 | None, E1, S1]:
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


def unless(predicate: Callable[[I1], bool], body: Flow[I1, A1, E1, S1]) -> Flow[I1, A1 | None, E1, S1]:
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
