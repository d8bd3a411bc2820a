"""What a run gives: its result, the state it ended in, and where it failed.

An outcome is a lawful container of ``returns``, so that its functions (``map_``, ``bind``, ``lash``, ``flow``) take
outcomes as they take results. Its laws are checked by the law suite of ``returns`` itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Never

from returns.interfaces.equable import Equable
from returns.interfaces.specific.result import ResultLikeN
from returns.primitives.hkt import SupportsKindN
from returns.result import Failure, Result, Success
from typing_extensions import TypeVar

from mce.errors import Defect, Failed, brief, words
from mce.records import dataclass

__all__ = ["Outcome", "Place", "Sibling"]

A = TypeVar("A", covariant=True, default=Any)
E = TypeVar("E", covariant=True, default=Never)
S = TypeVar("S", covariant=True, default=object)
B = TypeVar("B")
E2 = TypeVar("E2")
S2 = TypeVar("S2")

if TYPE_CHECKING:
    # To type checkers an outcome is a plain class: the types of the interfaces are made for a plugin of mypy.
    class _Kind: ...

    class _Container(Generic[A, E, S]): ...
else:
    _Kind = SupportsKindN  # a base of its own without parameters, or Hypothesis does not see that an outcome is one

    class _Container(ResultLikeN[A, E, S], Equable):
        __slots__ = ()


@dataclass(frozen=True, slots=True)
class Sibling:
    """What a concurrent branch at ``path`` had produced by the time another one failed."""

    path: str
    result: Result[Any, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a flow failed: the ``path`` in the flow, the ``attempt`` (the first is 1), what its siblings had done.

    ``notes`` say what else happened on the way out: a finaliser that failed too, a retry that was refused.
    """

    path: str
    attempt: int = 1
    siblings: tuple[Sibling, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)  # no slots: with them Outcome[A, E, S](...) fails in Python 3.11
class Outcome(_Kind, _Container[A, E, S]):
    """The result of a run, a ``returns`` ``Result``, with the ``state`` it ended in.

    A failure keeps the state at the point of failure and says in ``where`` which step failed, at which attempt and
    what its concurrent siblings had produced. ``trace`` holds the run's events when they were asked for.

    >>> Outcome(Success(3), None)
    Outcome(3)
    >>> Outcome(Failure("no"), None, Place("agent/search", 2))
    Outcome(failed: 'no' at agent/search, attempt 2)
    >>> match Outcome(Success(3), None):
    ...     case Outcome(Success(value), _):
    ...         print(value)
    3
    """

    result: Result[A, E]
    state: S
    where: Place | None = None
    trace: tuple[Any, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the run succeeded."""
        return isinstance(self.result, Success)

    @property
    def value(self) -> A:
        """The value of a success; on a failure the error is raised as :meth:`unwrap` does."""
        return self.unwrap()

    @property
    def error(self) -> E | None:
        """The error of a failure, which may be a :class:`mce.Defect`; ``None`` on a success."""
        return self.result.failure() if isinstance(self.result, Failure) else None

    @property
    def defect(self) -> Defect | None:
        """The error if nobody declared it, else ``None``."""
        error: object = self.error
        return error if isinstance(error, Defect) else None

    def unwrap(self) -> A:
        """Give the value, or raise the error: itself if it is an exception, else ``Failed(error)``."""
        if not isinstance(self.result, Failure):
            return self.result.unwrap()
        error = self.result.failure()
        raise error if isinstance(error, BaseException) else Failed(error)

    # -- as a container of ``returns``: functor, bifunctor, applicative, monad of the values and of the errors ---------

    @classmethod
    def from_value(cls, inner_value: B) -> Outcome[B, Never, None]:
        """Give the success with a value; its state is ``None``, which says nothing of the state."""
        return Outcome(Success(inner_value), None)

    @classmethod
    def from_failure(cls, inner_value: E2) -> Outcome[Never, E2, None]:
        """Give the failure with an error; its state is ``None``."""
        return Outcome(Failure(inner_value), None)

    @classmethod
    def from_result(cls, inner_value: Result[B, E2]) -> Outcome[B, E2, None]:
        """Give the outcome of a result; its state is ``None``."""
        return Outcome(inner_value, None)

    def map(self, function: Callable[[A], B]) -> Outcome[B, E, S]:
        """Apply ``function`` to the value."""
        return Outcome(self.result.map(function), self.state, self.where, self.trace)

    def alt(self, function: Callable[[E], E2]) -> Outcome[A, E2, S]:
        """Apply ``function`` to the error."""
        return Outcome(self.result.alt(function), self.state, self.where, self.trace)

    def bind(self, function: Callable[[A], Outcome[B, E2, S2]]) -> Outcome[B, E | E2, S | S2]:
        """Continue after a success with the outcome that ``function`` makes of the value; the later state is kept.

        >>> Outcome(Success(3), "before").bind(lambda n: Outcome(Failure(n), "after"))
        Outcome(failed: 3, state='after')
        >>> Outcome(Success(3), "before").bind(Outcome.from_failure)
        Outcome(failed: 3, state='before')
        """
        return self._then(function(self.result.unwrap()) if isinstance(self.result, Success) else None)

    def lash(self, function: Callable[[E], Outcome[B, E2, S2]]) -> Outcome[A | B, E2, S | S2]:
        """Continue after a failure with the outcome that ``function`` makes of the error; the later state is kept."""
        return self._then(function(self.result.failure()) if isinstance(self.result, Failure) else None)

    def apply(self, container: Outcome[Callable[[A], B], E2, S2]) -> Outcome[B, E | E2, S | S2]:
        """Apply the function that is the value of ``container``, which comes first, to the value."""
        return container.bind(self.map)

    def bind_result(self, function: Callable[[A], Result[B, E2]]) -> Outcome[B, E | E2, S]:
        """Continue after a success with the result that ``function`` makes of the value."""
        return self._then(Outcome(function(self.result.unwrap()), None) if isinstance(self.result, Success) else None)

    def swap(self) -> Outcome[E, A, S]:
        """Give the error for the value, and the value for the error."""
        return Outcome(self.result.swap(), self.state, self.where, self.trace)

    def equals(self, other: object) -> bool:
        """Say whether both are equal in all they have."""
        return self == other

    def _then(self, then: Outcome[Any, Any, Any] | None) -> Outcome[Any, Any, Any]:
        if then is None:
            return self
        state = self.state if then.state is None else then.state
        where = None if then.ok else then.where or self.where
        return Outcome(then.result, state, where, self.trace + then.trace)

    def __repr__(self) -> str:
        kept = "" if self.state is None else f", state={brief(self.state)}"
        if isinstance(self.result, Success):
            return f"Outcome({brief(self.result.unwrap())}{kept})"
        return f"Outcome(failed: {_what(self.error)}{_where(self.where)}{kept})"


def _what(error: object) -> str:
    if isinstance(error, Defect):
        return f"{type(error.cause).__name__}: {brief(words(error.cause))}"
    return brief(error)


def _where(place: Place | None) -> str:
    if place is None:
        return ""
    attempt = f", attempt {place.attempt}" if place.attempt > 1 else ""
    return (f" at {place.path}" if place.path else "") + attempt + _beside(place.siblings)


_SHOWN = 3


def _beside(siblings: tuple[Sibling, ...]) -> str:
    shown = [
        f"{found.path} gave {brief(found.result.unwrap(), 40)}"
        if isinstance(found.result, Success)
        else f"{found.path} failed: {_what(found.result.failure())}"
        for found in siblings[:_SHOWN]
    ]
    more = [f"{len(siblings) - _SHOWN} more had ended"] if len(siblings) > _SHOWN else []
    return "".join(f"; {text}" for text in shown + more)
