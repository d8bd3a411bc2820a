"""The handles of a ``Dag``, which carry its types: errors and state too, since adding a task cannot change the dag's.

What makes both checkers infer them was found by trying; ``tests/types`` holds what is inferred. ``Dag.add`` has three
overloads for each number of arguments. The first is for what cannot fail, or pyright would make the union of two
``Never`` unknown. The second is for handles that ask nothing of the state, or mypy, which looks at them before it
looks at the flow, would take theirs for the flow's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Never, Protocol

from typing_extensions import TypeVar

from mce.errors import UsageError

__all__ = ["Handle", "Value"]

A = TypeVar("A", covariant=True, default=Any)
E = TypeVar("E", covariant=True, default=Never)
S = TypeVar("S", contravariant=True, default=object)


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
    """Whatever is no :class:`Handle`, but for ``None``: so mypy infers the errors of ``Handle[A, E, S] | A``."""

    def __format__(self, spec: str, /) -> str: ...
