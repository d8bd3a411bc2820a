"""Flows whose node is made when somebody asks for it, which inside a run nobody does.

The functions that ``bind`` is given, and ``do`` blocks, make flows over and over: a step with its input, perhaps with
a ``bind`` after it, or a value. The engine takes such a flow apart by its fields. A field costs less than the node
would, and less than a call: so there is no ``__init__`` where a step makes one, and the node is a property and not left
to ``__getattr__``, which slows every other field down.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, Never

from typing_extensions import TypeVar

from mce.flow import Flow, arrow
from mce.syntax import Given, Node, Pure, StepSpec, Then

__all__ = ["Applied", "Bound", "Called", "Ready", "is_only_called"]

I = TypeVar("I", contravariant=True, default=object)  # noqa: E741
A = TypeVar("A", covariant=True, default=Any)
E = TypeVar("E", covariant=True, default=Never)
S = TypeVar("S", contravariant=True, default=object)

_kept: Any = Flow.__dict__["node"]  # the slot that the property hides


class _Lazy(Flow[I, A, E, S]):
    """A flow that makes its node at the first question, and keeps it."""

    __slots__ = ()

    if not TYPE_CHECKING:  # for whom it is a field, as it is of every flow

        @property
        def node(self) -> Node:
            try:
                return _kept.__get__(self)
            except AttributeError:
                _kept.__set__(self, found := self._node())
                return found

    def _node(self) -> Node:
        raise NotImplementedError


class Applied(_Lazy[I, A, E, S]):
    """A step whose input is supplied; whoever makes one sets ``body``, the step's node, and ``input``."""

    __slots__ = ("body", "input")
    body: Any
    input: Any

    if not TYPE_CHECKING:
        __init__ = object.__init__

        def bind(self, f):
            if f.__class__ is not FunctionType:
                return Flow.bind(self, f)
            found = Bound()
            found.body = self.body
            found.input = self.input
            found.f = f
            return found

    def _node(self) -> Node:
        return Given(self.input, self.body)


class Called(Applied[I, A, E, S]):
    """The same of a step that :func:`is_only_called`: its ``body`` is a ``Call``, whose function the engine calls."""

    __slots__ = ()


class Bound(_Lazy[I, A, E, S]):
    """A step whose input is supplied, and the function ``f`` that makes of its value what follows."""

    __slots__ = ("body", "f", "input")
    body: Node
    input: Any
    f: Callable[[Any], Any]

    if not TYPE_CHECKING:
        __init__ = object.__init__

    def _node(self) -> Node:
        return Then(Given(self.input, self.body), arrow(self.f, "bind"))


class Ready(_Lazy[I, A, E, S]):
    """A flow that gives ``value``."""

    __slots__ = ("value",)
    value: Any

    def __init__(self, value: Any) -> None:
        self.value = value

    def _node(self) -> Node:
        return Pure(self.value)


def is_only_called(spec: StepSpec) -> bool:
    """Whether a step is called with its input, awaited, and nothing else, as long as nobody watches the run."""
    plain = spec.is_async and spec.required == 1 and not spec.takes_context
    policies = (spec.retry, spec.timeout, spec.cache, spec.limit)
    return plain and not spec.validate and spec.idempotent is not False and policies == (None, None, None, None)
