"""The words of random flows: a state, two kinds of failure, and functions as data.

Values are small numbers and whatever combinators make of them; every function takes any value, by :func:`weight`, so
that all compositions are well typed. The steps are in :mod:`mce.testing.steps`, the programs made of both in
:mod:`mce.testing.strategies`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Annotated, Any

from pydantic import BaseModel
from returns.result import Failure, Success

from mce.errors import Defect, ExpectedFailure, LoopLimit, StateConflict
from mce.flow import Flow
from mce.reducers import Add, Append, First, Last, Max, MergeKeys, Union
from mce.syntax import Again, Done

__all__ = [
    "AtLeast",
    "Choice",
    "Countdown",
    "Ledger",
    "Mishap",
    "Mod",
    "Overdrawn",
    "Page",
    "Plus",
    "Refused",
    "Snaps",
    "Spread",
    "Writes",
    "weight",
    "written",
]


# -- the state, and two kinds of failure besides a defect -----------------------------------------------------------


@dataclass(frozen=True)
class Page:
    """A part of the state: a plain field, and one that meets."""

    count: int = 0
    tags: Annotated[frozenset[int], Union()] = frozenset()


class Ledger(BaseModel, frozen=True):
    """The state: where branches meet ``mark`` conflicts, and ``votes`` for one key; the others have their reducers."""

    mark: int = 0
    log: Annotated[tuple[int, ...], Append()] = ()
    total: Annotated[int, Add()] = 0
    seen: Annotated[frozenset[int], Union()] = frozenset()
    best: Annotated[int | None, Max()] = None
    first: Annotated[int | None, First()] = None
    last: Annotated[int | None, Last()] = None
    votes: Annotated[Mapping[int, int], MergeKeys()] = {}
    page: Page = Page()


@dataclass(frozen=True)
class Refused:
    """A failure that is a value."""

    code: int


class Overdrawn(Exception):
    """A failure that is an exception, which its step declares."""


class Mishap(Exception):
    """An exception that no step declares: a defect."""


# -- functions --------------------------------------------------------------------------------------------------------


def weight(value: Any) -> int:
    """Give a number from 0 to 9 that depends on all of ``value`` but on paths, for values of any kind."""
    return _weight(value) % 10


def _weight(value: Any) -> int:
    match value:
        case int():
            return abs(value)
        case str():
            return len(value)
        case tuple() | list():
            return sum(at * weight(part) for at, part in enumerate(value, 1))
        case frozenset():
            return sum(map(weight, value))
        case Mapping():
            return sum(3 * weight(key) + weight(part) for key, part in value.items())
        case Success(inner) | Done(inner) | Again(inner):
            return 3 + weight(inner)
        case Failure(inner):
            return 7 + weight(inner)
        case StateConflict():
            return 4
        case Defect():
            return 5 + weight(value.cause)
        case LoopLimit():
            return 1 + weight(value.last)
        case ExpectedFailure():
            return 2
        case BaseException():
            return weight(value.args)
        case BaseModel():
            return weight([getattr(value, name) for name in type(value).model_fields])
        case _ if is_dataclass(value) and not isinstance(value, type):
            return weight([getattr(value, field.name) for field in fields(value)])
        case _:
            return 0


@dataclass(frozen=True)
class Plus:
    """Add to the weight."""

    n: int
    __name__ = "plus"

    def __call__(self, value: Any) -> int:
        return (weight(value) + self.n) % 10


@dataclass(frozen=True)
class Snaps:
    """Raise a ``Mishap`` from a weight on, as a function that is not total does."""

    at: int
    __name__ = "snaps"

    def __call__(self, value: Any) -> Any:
        if weight(value) >= self.at:
            raise Mishap(weight(value))
        return value


@dataclass(frozen=True)
class Spread:
    """Make ``n`` different elements of a value."""

    n: int
    __name__ = "spread"

    def __call__(self, value: Any) -> tuple[int, ...]:
        return tuple((weight(value) + at) % 10 for at in range(self.n))


@dataclass(frozen=True)
class AtLeast:
    """Say whether the weight is at least ``n``."""

    n: int
    __name__ = "at_least"

    def __call__(self, value: Any) -> bool:
        return weight(value) >= self.n


@dataclass(frozen=True)
class Mod:
    """Select by the weight."""

    n: int
    __name__ = "mod"

    def __call__(self, value: Any) -> int:
        return weight(value) % self.n


@dataclass(frozen=True)
class Countdown:
    """Want another turn, one lower, above ``n``."""

    n: int
    __name__ = "countdown"

    def __call__(self, value: Any) -> Again | Done:
        return Again(weight(value) - 1) if weight(value) > self.n else Done(value)


@dataclass(frozen=True)
class Writes:
    """Write ``n`` to a field of the state, or without a field to the state itself, as its reducer understands it."""

    field: str
    n: int
    __name__ = "writes"

    def __call__(self, state: Any) -> Any:
        if not self.field:
            return (*state, self.n) if isinstance(state, tuple) else state + self.n
        change = {self.field: written(self.field, getattr(state, self.field), self.n)}
        return state.model_copy(update=change) if isinstance(state, BaseModel) else replace(state, **change)


def written(field: str, old: Any, n: int) -> Any:
    """Give what the field holds after ``n`` was written to it, in a way that its reducer understands."""
    match field:
        case "log":
            return (*old, n)
        case "total":
            return old + n
        case "seen" | "tags":
            return old | {n}
        case "best":
            return n if old is None else max(old, n)
        case "votes":
            return {**old, n: n}
        case _:
            return n


class Choice:
    """A continuation as data: the weight of the value picks one of the flows, which is given the value."""

    __name__ = "choice"

    def __init__(self, *flows: Flow[Any, Any, Any, Any]) -> None:
        self.flows = flows

    def __call__(self, value: Any) -> Flow[Any, Any, Any, Any]:
        return self.flows[weight(value) % len(self.flows)](value)

    def __repr__(self) -> str:
        return f"Choice({', '.join(map(repr, self.flows))})"
