"""What a run gives: its result, the state it ended in, and where it failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Never

from returns.result import Failure, Result, Success
from typing_extensions import TypeVar

from mce.errors import Defect, Failed, brief

__all__ = ["Outcome", "Place", "Sibling"]

A = TypeVar("A", covariant=True, default=Any)
E = TypeVar("E", covariant=True, default=Never)
S = TypeVar("S", covariant=True, default=object)


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


@dataclass(frozen=True, slots=True, repr=False)
class Outcome(Generic[A, E, S]):
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

    def __repr__(self) -> str:
        kept = "" if self.state is None else f", state={brief(self.state)}"
        if isinstance(self.result, Success):
            return f"Outcome({brief(self.result.unwrap())}{kept})"
        return f"Outcome(failed: {_what(self.error)}{_where(self.where)}{kept})"


def _what(error: object) -> str:
    if isinstance(error, Defect):
        return f"{type(error.cause).__name__}: {brief(str(error.cause))}"
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
