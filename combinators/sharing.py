"""How the policies over shared things are made: internal steps around a flow.

A ``Guard`` decides who may enter a flow and learns how it left. ``guarded`` makes a ``Bracket`` of it, so that whoever
began leaves, however the flow ended; waiting to enter is part of the use and can be cancelled. What one passage keeps
between its steps is its ``Visit``. The shared thing itself lives in the run, under the guard's key; a backend of
several processes puts something in its place that acts on one for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from inspect import iscoroutinefunction
from typing import Any, ClassVar, Protocol

from returns.result import Result, Success

from mce.context import Branch, Context, branch_of
from mce.errors import DefinitionError
from mce.pickling import portable, restored
from mce.records import dataclass
from mce.syntax import Bracket, Call, Node, StepSpec, Then

__all__ = [
    "Entrant",
    "Guard",
    "Named",
    "Visit",
    "begin",
    "check_same",
    "entering",
    "guarded",
    "held_around",
    "internal",
    "is_inside",
    "leaving",
]


class Named:
    """A function, equal to itself, that is pickled by its name even where a decorator took that name over."""

    __slots__ = ("fn",)

    def __init__(self, fn: Any) -> None:
        self.fn = restored(fn)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Named) and other.fn is self.fn

    def __hash__(self) -> int:
        return hash(self.fn)

    def __reduce__(self) -> Any:
        return Named, (portable(self.fn),)


class Visit:
    """One passage through a guarded flow, from its ``Bracket``'s acquire to its release; ``kept`` is the guard's.

    ``holds`` is the key of the shared thing that it has entered, for those that must know of what is around them.
    """

    __slots__ = ("holds", "kept")

    def __init__(self, holds: Hashable = None) -> None:
        self.holds = holds
        self.kept: Any = None


def held_around(branch: Branch) -> tuple[Hashable, ...]:
    """Give the keys of what a branch, and those around it, have entered and not left."""
    visits = (visit for found in branch.lineage() for visit in found.visits())
    return tuple(visit.holds for visit in visits if visit.holds is not None)


def is_inside(branch: Branch, key: Hashable) -> bool:
    """Whether a branch, or one around it, has entered what is shared under ``key``."""
    return key in held_around(branch)


def check_same(known: Any, declared: Any) -> None:
    """Raise ``DefinitionError`` if one name of a run stands for two things."""
    if known != declared:
        raise DefinitionError(
            f"{declared} and {known} are in one run: one name, one meaning; declare it once, share it"
        )


class Entrant(Protocol):
    """Who enters a shared thing: a branch, or what stands for one of another process."""

    @property
    def backend(self) -> Any:
        """The clock: it has ``now()`` and ``sleep(seconds)``."""
        ...

    def path(self) -> str: ...
    def ending(self) -> Result[Any, Any] | None: ...


class Guard(Protocol):
    """Decides who may enter a flow. Guards are data, and what they guard is found through the branch."""

    raises: ClassVar[tuple[type[Exception], ...]]
    """The expected failures of ``enter``."""

    @property
    def label(self) -> str:
        """What the guard's steps are called in a path."""
        ...

    async def enter(self, branch: Branch, visit: Visit, value: Any) -> None:
        """Wait until the flow may be entered with the input ``value``, or raise."""

    def leave(self, branch: Branch, visit: Visit) -> None:
        """Learn that the visit is over, whether or not ``enter`` was called or came to its end."""


def internal(fn: Callable[..., Any], label: str, *, raises: tuple[type[Exception], ...] = ()) -> Call:
    """Make the node of a combinator's own step, which takes a context and a value."""
    is_async = iscoroutinefunction(type(fn).__call__)
    spec = StepSpec(label, takes_context=True, is_async=is_async, raises=raises, idempotent=True, internal=True)
    return Call(fn, spec)


@dataclass(frozen=True, slots=True)
class _Begin:
    passes_on: ClassVar[bool] = True

    async def __call__(self, ctx: Context[Any], value: Any) -> Success[Any]:
        branch_of(ctx).visits().append(Visit())
        return Success(value)


@dataclass(frozen=True, slots=True)
class _Enter:
    guard: Guard
    passes_on: ClassVar[bool] = True

    async def __call__(self, ctx: Context[Any], value: Any) -> Success[Any]:
        branch = branch_of(ctx)
        await self.guard.enter(branch, branch.visits()[-1], value)
        return Success(value)  # wrapped once, so that an input that is itself a Result or a flow stays as it is


@dataclass(frozen=True, slots=True)
class _Leave:
    guard: Guard

    async def __call__(self, ctx: Context[Any], _: Any) -> None:
        branch = branch_of(ctx)
        self.guard.leave(branch, branch.visits().pop())


def begin(label: str) -> Call:
    """Make the step that begins a visit; the release takes it off."""
    return internal(_Begin(), label)


def entering(guard: Guard) -> Call:
    """Make the step that enters; it gives its input on."""
    return internal(_Enter(guard), guard.label, raises=guard.raises)


def leaving(guard: Guard) -> Call:
    """Make the step that ends a visit."""
    return internal(_Leave(guard), guard.label)


def guarded(body: Node, guard: Guard) -> Node:
    """Put ``guard`` around ``body``."""
    return Bracket(begin(guard.label), Then(entering(guard), body), leaving(guard))
