"""How type checkers see the tasks of a ``Dag``: the handle, and flows by the parameters they take.

Errors and state travel in the handle's type, since adding a task cannot change that of the dag. What makes both
checkers infer them was found by trying; ``tests/types`` holds what is inferred. A flow that may fail is a Protocol,
whose state mypy takes from the flow and the handles together; as a ``Callable`` it would bind it too early. One that
cannot fail comes first and is a ``Callable``, or pyright would make the union of two ``Never`` unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Never, Protocol

from typing_extensions import TypeVar

from mce.errors import UsageError
from mce.flow import Flow

__all__ = ["Handle", "Takes1", "Takes2", "Takes3", "Takes4", "Value"]

A = TypeVar("A", covariant=True, default=Any)
E = TypeVar("E", covariant=True, default=Never)
S = TypeVar("S", contravariant=True, default=object)
P1 = TypeVar("P1", contravariant=True)
P2 = TypeVar("P2", contravariant=True)
P3 = TypeVar("P3", contravariant=True)
P4 = TypeVar("P4", contravariant=True)


class Handle(Generic[A, E, S]):
    """Stands for the value, of type ``A``, that a task of a :class:`mce.Dag` will give.

    ``E`` is what the task and those before it fail with, and ``S`` the state that they ask for.
    """

    __slots__ = ("dag", "name")

    def __init__(self, dag: object, name: str | None) -> None:
        self.dag = dag
        self.name = name

    if TYPE_CHECKING:
        __format__: None  # type: ignore[assignment]  # pyright: ignore
    else:

        def __format__(self, spec: str) -> str:
            raise UsageError(f"{self!r} has no value to make text of yet: pass it to a task that makes the text")

    def __repr__(self) -> str:
        return "<Handle of the dag's input>" if self.name is None else f"<Handle of {self.name!r}>"


class Value(Protocol):
    """Whatever is no :class:`Handle`: told apart, mypy infers the errors of ``Handle[A, E, S] | A``."""

    def __format__(self, spec: str, /) -> str: ...


class Takes1(Protocol[P1, A, E, S]):
    """A flow, or a function that makes one, of one argument."""

    def __call__(self, a1: P1, /) -> Flow[None, A, E, S]: ...


class Takes2(Protocol[P1, P2, A, E, S]):
    """The same of two arguments."""

    def __call__(self, a1: P1, a2: P2, /) -> Flow[None, A, E, S]: ...


class Takes3(Protocol[P1, P2, P3, A, E, S]):
    """The same of three arguments."""

    def __call__(self, a1: P1, a2: P2, a3: P3, /) -> Flow[None, A, E, S]: ...


class Takes4(Protocol[P1, P2, P3, P4, A, E, S]):
    """The same of four arguments."""

    def __call__(self, a1: P1, a2: P2, a3: P3, a4: P4, /) -> Flow[None, A, E, S]: ...
