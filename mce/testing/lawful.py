"""Flows as containers of ``returns``, so that its own law suite can be run on them.

    from returns.contrib.hypothesis.laws import check_all_laws
    check_all_laws(LawfulFlow)

This defines a test per law in the calling module: functor, bifunctor, applicative, container, failable, swappable and
equable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from returns.interfaces.equable import Equable
from returns.interfaces.specific.result import ResultLikeN
from returns.primitives.hkt import SupportsKindN
from returns.result import Failure, Result, Success
from typing_extensions import TypeVar

from mce.backends.inline import InlineBackend
from mce.combinators.monad import fail, pure
from mce.engine.protocol import Backend
from mce.flow import Flow
from mce.testing.equivalence import Observation

__all__ = ["LawfulFlow"]

A = TypeVar("A", covariant=True, default=Any)
E = TypeVar("E", covariant=True, default=Any)

if TYPE_CHECKING:
    # To type checkers it is a plain class: the types of the interfaces are made for a plugin of mypy.
    class _Kind: ...

    class _Container(Generic[A, E]): ...
else:
    _Kind = SupportsKindN  # a base of its own without parameters, or Hypothesis does not see that a flow is one

    class _Container(ResultLikeN[A, E, Any], Equable):
        __slots__ = ()


class LawfulFlow(_Kind, _Container[A, E]):
    """A closed flow with the methods of a ``returns`` container; two are equal when they do the same.

    That is asked by running both from ``state`` on ``backend``, which belong to the class: a subclass may name others.

    >>> from mce import pure, fail
    >>> LawfulFlow(pure(3)).map(str) == LawfulFlow(pure("3"))
    True
    >>> LawfulFlow(fail(3)).map(str) == LawfulFlow(pure("3"))
    False
    """

    __slots__ = ("flow",)
    state: ClassVar[Any] = None
    backend: ClassVar[Backend] = InlineBackend()

    def __init__(self, flow: Flow[Any, Any, Any, Any]) -> None:
        self.flow = flow

    @classmethod
    def from_value(cls, inner_value: Any) -> LawfulFlow[Any, Any]:
        """Succeed with a value."""
        return cls(pure(inner_value))

    @classmethod
    def from_failure(cls, inner_value: Any) -> LawfulFlow[Any, Any]:
        """Fail with an error."""
        return cls(fail(inner_value))

    @classmethod
    def from_result(cls, inner_value: Result[Any, Any]) -> LawfulFlow[Any, Any]:
        """Succeed or fail as the result does."""
        return cls(_resulting(inner_value))

    def map(self, function: Callable[[Any], Any]) -> LawfulFlow[Any, Any]:
        """Apply ``function`` to the value."""
        return type(self)(self.flow.map(function))

    def alt(self, function: Callable[[Any], Any]) -> LawfulFlow[Any, Any]:
        """Apply ``function`` to the error."""
        return type(self)(self.flow.alt(function))

    def bind(self, function: Callable[[Any], LawfulFlow[Any, Any]]) -> LawfulFlow[Any, Any]:
        """Continue after a success with the flow that ``function`` makes of the value."""
        return type(self)(self.flow.bind(lambda value: function(value).flow))

    def lash(self, function: Callable[[Any], LawfulFlow[Any, Any]]) -> LawfulFlow[Any, Any]:
        """Continue after a failure with the flow that ``function`` makes of the error."""
        return type(self)(self.flow.lash(lambda error: function(error).flow))

    def apply(self, container: LawfulFlow[Any, Any]) -> LawfulFlow[Any, Any]:
        """Apply the function that is the value of ``container``, which comes first, to the value."""
        return type(self)(self.flow.apply(container.flow))

    def bind_result(self, function: Callable[[Any], Result[Any, Any]]) -> LawfulFlow[Any, Any]:
        """Continue after a success with the result that ``function`` makes of the value."""
        return type(self)(self.flow.bind(lambda value: _resulting(function(value))))

    def swap(self) -> LawfulFlow[Any, Any]:
        """Fail with the value, and succeed with the error of an expected failure."""
        told = self.flow.map(Success).lash(lambda error: pure(Failure(error)))
        return type(self)(told.bind(lambda result: _resulting(result.swap())))

    def equals(self, other: LawfulFlow[Any, Any]) -> bool:
        """Say whether both flows do the same: result and final state, up to paths and tracebacks."""
        return self._observed() == other._observed()

    def _observed(self) -> Observation:
        return Observation.of(self.flow.run_sync(state=self.state, backend=self.backend))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.equals(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"LawfulFlow({self.flow!r})"


def _resulting(result: Result[Any, Any]) -> Flow[Any, Any, Any, Any]:
    return pure(result.unwrap()) if isinstance(result, Success) else fail(result.failure())
