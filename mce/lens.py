"""Parts of a state, and how the change of a part becomes a change of the whole; ``focus`` runs flows on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from mce.errors import DefinitionError, brief
from mce.records import dataclass
from mce.reducers import Shape, same, shape_of
from mce.state import Change, Fields, replace_state, update_state
from mce.updates import check_names

__all__ = ["Lens"]

S = TypeVar("S")
A = TypeVar("A")


@dataclass(frozen=True)  # no slots: with them a subscripted call fails in Python 3.11
class Lens(Generic[S, A]):
    """A part of a state: ``get(whole)`` reads it, ``set(whole, part)`` gives the whole with another part.

    ``Lens.field("notes.log")`` is the lens of a field, by its dotted name. One made of two functions of one's
    own works as well, but its changes are found by comparing the wholes, field by field.

    Laws, which functions of one's own must keep:
    ``get(set(s, a)) = a``,  ``set(s, get(s)) = s``,  ``set(set(s, a), b) = set(s, b)``

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Notes:
    ...     count: int = 0
    >>> count = Lens.field("count")
    >>> count.get(Notes(3)), count.set(Notes(3), 4)
    (3, Notes(count=4))
    >>> Lens.field("cuont").get(Notes(3))
    Traceback (most recent call last):
    mce.errors.InvalidState: Notes.cuont: no such field; did you mean 'count'?
    """

    get: Callable[[S], A]
    set: Callable[[S, A], S]
    names: tuple[str, ...] = dataclasses.field(default=(), kw_only=True)

    @staticmethod
    def field(path: str) -> Lens[Any, Any]:
        """Give the lens of the field ``path``, a name or names joined by dots; what is set is validated."""
        names = tuple(path.split(".")) if isinstance(path, str) else ()
        if not names or not all(name.isidentifier() for name in names):
            raise DefinitionError(f"Lens.field takes a field's name, such as 'log' or 'notes.log', not {brief(path)}")
        return Lens(_Get(names), _Set(names), names=names)

    def __repr__(self) -> str:
        if self.names:
            return f"Lens.field({'.'.join(self.names)!r})"
        return f"Lens({', '.join(getattr(f, '__qualname__', repr(f)) for f in (self.get, self.set))})"

    def shape(self, whole: S) -> Shape:
        """Give how changes of the part are recorded: by its reducer, if the field that it is has one."""
        if not self.names:
            return shape_of(self.get(whole))
        holder: Any = _Get(self.names[:-1])(whole)
        return shape_of(holder).at(self.names[-1], _Get(self.names[-1:])(holder))

    def lift(self, change: Change | None) -> Change | None:
        """Give the change of the whole that ``change`` of the part is; None for a lens of one's own functions.

        >>> from mce.state import Write
        >>> Lens.field("notes.count").lift(Write(1))
        Fields(changes={'notes': Fields(changes={'count': Write(value=1)})})
        """
        if change is None or not self.names:
            return None
        for name in reversed(self.names):
            change = Fields({name: change})
        return change

    def replace(self, whole: S, part: A, change: Change | None, *, record: bool) -> tuple[S, Change | None]:
        """Give the whole with ``part``, to which ``change`` led, and the whole's change.

        It is ``change`` lifted, with what the classes around the part made of it: fields that their validators
        changed too, a part that they normalised, the delta of a reducer that some field around the part has.
        Raises ``InvalidState`` when they refuse the part. Without ``record`` the change is None.
        """
        if change is None and part is self.get(whole):
            return whole, None
        if self.names:
            return _replaced(whole, self.names, part, change, record)
        new = self.set(whole, part)
        return new, replace_state(whole, new, record=record)


@dataclass(frozen=True, slots=True)
class _Get:
    names: tuple[str, ...]

    def __call__(self, whole: Any) -> Any:
        for name in self.names:
            check_names(whole.__class__, (name,))
            whole = getattr(whole, name)
        return whole


@dataclass(frozen=True, slots=True)
class _Set:
    names: tuple[str, ...]

    def __call__(self, whole: Any, part: Any) -> Any:
        if part is _Get(self.names)(whole):
            return whole
        return _replaced(whole, self.names, part, None, False)[0]


def _replaced(
    whole: Any, names: tuple[str, ...], part: Any, change: Change | None, record: bool
) -> tuple[Any, Change | None]:
    name, *inner = names
    if inner:
        part, change = _replaced(_Get((name,))(whole), tuple(inner), part, change, record)
    new, written = update_state(whole, {name: part}, record=record)
    if not record:
        return new, None
    changes = dict(written.changes) if isinstance(written, Fields) else {}
    skips_reducer = name in shape_of(whole).reducers and isinstance(change, Fields)
    if change is not None and not skips_reducer and same(getattr(new, name), part):
        changes[name] = change  # as it was recorded, step by step
    return new, Fields(changes) if changes else None
