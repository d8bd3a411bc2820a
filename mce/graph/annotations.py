"""Types as functions declare them, evaluated where the function was written; what cannot be read says nothing.

``Any`` stands for whatever is not declared, or declares nothing that could be checked.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterable, Iterator
from functools import lru_cache
from types import SimpleNamespace
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from returns.result import Result

from mce.context import Context
from mce.flow import Flow

__all__ = [
    "fails_with",
    "function_of",
    "gives",
    "mentions_flow",
    "open_type",
    "parameter_of",
    "returned_by",
    "shown",
    "state_class",
    "state_of",
    "surely_differs",
    "takes",
]


@lru_cache(maxsize=4096)
def returned_by(fn: Any) -> Any:
    """Give the type that ``fn`` declares to return, as it stands there."""
    found = function_of(fn)
    if isinstance(found, type):
        return found
    try:
        return _resolved(found, inspect.signature(found).return_annotation)
    except (TypeError, ValueError):
        return Any


@lru_cache(maxsize=4096)
def parameter_of(fn: Any, at: int = 0) -> Any:
    """Give the type that the parameter of ``fn`` at position ``at`` declares."""
    found = function_of(fn)
    try:
        declared = [one.annotation for one in inspect.signature(found).parameters.values() if one.kind in _POSITIONAL]
        return _resolved(found, declared[at])
    except (TypeError, ValueError, IndexError):
        return Any


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def takes(fn: Any) -> Any:
    """Give the type of the one value that the step or function ``fn`` is given."""
    return parameter_of(fn, 1 if "ctx" in _first(fn) else 0)


def gives(fn: Any) -> Any:
    """Give the type of the value of the step ``fn``: what a ``Result`` holds, ``Any`` where it gives a flow."""
    declared = returned_by(fn)
    if mentions_flow(declared):
        return Any
    if get_origin(declared) is Result:
        return (*get_args(declared), Any)[0]
    return Any if declared is Result else declared


def fails_with(fn: Any) -> list[Any] | None:
    """List the types of the failures that the step ``fn`` declares to give, ``None`` if that is not known."""
    declared = returned_by(fn)
    if open_type(declared) or mentions_flow(declared):
        return None
    errors = [get_args(part)[1:] for part in _members_of(declared) if get_origin(part) is Result]
    return [member for error in errors for part in error for member in _members_of(part)]


def _members_of(declared: Any) -> list[Any]:
    """Give the members of a union, or the one type."""
    if get_origin(declared) in (Union, types.UnionType):
        return [member for part in get_args(declared) for member in _members_of(part)]
    return [declared]


def state_of(fn: Any) -> Any:
    """Give the type of state that the context of the step ``fn`` is of."""
    declared = parameter_of(fn, 0)
    return (*get_args(declared), Any)[0] if get_origin(declared) is Context else Any


def state_class(fns: Iterable[Any]) -> type | None:
    """Give the class of state that the contexts of the steps ``fns`` are of: the most derived one, if there is one."""
    declared = dict.fromkeys(map(state_of, fns))
    classes = [cls for cls in declared if isinstance(cls, type) and get_origin(cls) is None and not open_type(cls)]
    classes = [cls for cls in classes if cls is not type(None)]
    return next((cls for cls in classes if all(issubclass(cls, other) for other in classes)), None)


def mentions_flow(declared: Any) -> bool:
    """Whether a flow is among what a type is made of."""
    found = (get_origin(part) or part for part in _parts(declared))
    return any(isinstance(part, type) and issubclass(part, Flow) for part in found)


def _parts(declared: Any) -> Iterator[Any]:
    stack = [declared]
    while stack:
        part = stack.pop()
        yield part
        stack += [inner for inner in get_args(part) if not isinstance(inner, list | tuple)]


@lru_cache(maxsize=4096)
def _first(fn: Any) -> str:
    try:
        return next(iter(inspect.signature(function_of(fn)).parameters), "")
    except (TypeError, ValueError):
        return ""


def function_of(fn: Any) -> Any:
    """Give what has the signature: what was wrapped, or the ``__call__`` of an object."""
    fn = getattr(fn, "__wrapped__", fn)
    if inspect.isroutine(fn) or isinstance(fn, type | functools.partial):
        return fn
    return getattr(fn, "__call__", fn)  # noqa: B004


def _resolved(fn: Any, declared: Any) -> Any:
    if declared is inspect.Signature.empty:
        return Any
    source = fn.func if isinstance(fn, functools.partial) else fn
    source = getattr(source, "__init__", None) if isinstance(source, type) else inspect.unwrap(source)
    source = getattr(source, "__func__", source)
    try:
        holder = SimpleNamespace(__annotations__={"it": declared})
        return get_type_hints(holder, getattr(source, "__globals__", {}), include_extras=True)["it"]
    except Exception:  # an annotation may be any expression, which only a type checker can read
        return Any


# -- comparing --------------------------------------------------------------------------------------------------------


def open_type(declared: Any) -> bool:
    """Whether a type says nothing of its values that could be compared."""
    origin = get_origin(declared) or declared
    return declared in (Any, object) or isinstance(declared, TypeVar) or bool(getattr(origin, "_is_protocol", False))


def surely_differs(given: Any, taken: Any) -> bool:
    """Whether no value of the type ``given`` is one of ``taken``; in doubt it is not so.

    Only classes of which one cannot be the other's are compared, unions member by member, generics by their origin.

    >>> surely_differs(int, str), surely_differs(int, float), surely_differs(str | None, int), surely_differs(str, Any)
    (True, False, True, False)
    """
    return all(_classes_differ(one, other) for one in _members(given) for other in _members(taken))


def _members(declared: Any) -> list[Any]:
    if get_origin(declared) is Annotated:
        return _members(get_args(declared)[0])
    if get_origin(declared) in (Union, types.UnionType):
        return [member for part in get_args(declared) for member in _members(part)]
    return [type(None) if declared is None else get_origin(declared) or declared]


_CONVERTED = ({int, float}, {int, complex}, {float, complex}, {bytes, bytearray}, {bytes, memoryview})
"""What type checkers take for each other, by the rules of Python's numbers and buffers."""


def _classes_differ(one: Any, other: Any) -> bool:
    if not (isinstance(one, type) and isinstance(other, type)) or open_type(one) or open_type(other):
        return False
    if any({one, other} <= pair for pair in _CONVERTED):
        return False
    try:
        related = issubclass(one, other) or issubclass(other, one)
    except TypeError:
        return False
    return not (related or inspect.isabstract(one) or inspect.isabstract(other))


def shown(declared: Any) -> str:
    """Write a type as a reader would: classes by their names, without what ``Annotated`` adds."""
    if get_origin(declared) is Annotated:
        declared = get_args(declared)[0]
    if isinstance(declared, type) and not get_args(declared):
        return "None" if declared is type(None) else declared.__qualname__
    return inspect.formatannotation(declared)
