"""The simplest value of an annotation, found without drawing: what a calm world answers.

It is what hypothesis shrinks to under :mod:`mce.testing.value_strategies`, where that can be told. Where it cannot be
told that a value is allowed there is ``NOTHING``.
"""

from __future__ import annotations

import enum
import types
from collections import abc
from collections.abc import Callable
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin

import pydantic

from mce.testing.records import build, parts

__all__ = ["NOTHING", "plain"]


class _Nothing:
    def __repr__(self) -> str:
        return "NOTHING"


NOTHING: Any = _Nothing()
"""No simplest value is known."""

_SIMPLEST: dict[Any, Callable[[], Any]] = {
    None: lambda: None,
    types.NoneType: lambda: None,
    Any: lambda: None,
    object: lambda: None,
    bool: bool,
    int: int,
    float: float,
    str: str,
    bytes: bytes,
    **dict.fromkeys((list, abc.Sequence, abc.MutableSequence, abc.Collection, abc.Iterable), list),
    **dict.fromkeys((dict, abc.Mapping, abc.MutableMapping), dict),
    **dict.fromkeys((set, abc.Set, abc.MutableSet), set),
    frozenset: frozenset,
}


def plain(annotation: Any) -> Any:
    """Give the simplest value of ``annotation``, or ``NOTHING``.

    >>> plain(int | None), plain(dict[str, int]), plain(Literal["a", "b"]), plain(complex)
    (None, {}, 'a', NOTHING)
    """
    try:
        return _plain(annotation, 0)
    except (pydantic.ValidationError, pydantic.errors.PydanticUserError, ValueError, TypeError, NameError):
        return NOTHING


_DEEP = 20


def _plain(annotation: Any, depth: int) -> Any:
    origin, args = get_origin(annotation), get_args(annotation)
    simplest = _SIMPLEST.get(origin or annotation)
    if depth > _DEEP:  # a class of which each one holds another has no simplest value
        return NOTHING
    if simplest is not None:
        return simplest()
    if isinstance(annotation, NewType):
        return _plain(annotation.__supertype__, depth + 1)
    if origin is Annotated:
        found = _plain(args[0], depth + 1)
        return found if found is NOTHING else pydantic.TypeAdapter(annotation).validate_python(found)
    if origin is Literal:
        return args[0]
    if origin in (Union, types.UnionType):
        return None if types.NoneType in args else _plain(args[0], depth + 1)
    if origin is tuple or annotation is tuple:
        return _plain_tuple(args, depth)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return next(iter(annotation), NOTHING)
    return _plain_record(annotation, depth)


def _plain_tuple(args: tuple[Any, ...], depth: int) -> Any:
    if not args or args[-1] is Ellipsis:
        return ()
    found = tuple([_plain(arg, depth + 1) for arg in args])
    return NOTHING if NOTHING in found else found


def _plain_record(cls: Any, depth: int) -> Any:
    fields = parts(cls)
    if fields is None:
        return NOTHING
    given = {part.given: _plain(part.annotation, depth + 1) for part in fields if part.required}
    return NOTHING if any(found is NOTHING for found in given.values()) else build(cls, given)
