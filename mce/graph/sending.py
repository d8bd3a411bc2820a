"""What of a flow can be sent to other processes, how large it is, and which part of a value is to blame.

Clusters pickle what is importable by its name and everything else by its code, which is what ``cloudpickle`` does.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from mce.errors import UsageError, brief
from mce.flow import Flow
from mce.pickling import main_by_code, portable
from mce.syntax import Node, postorder

__all__ = ["Blame", "blame", "need_cloudpickle", "refusal", "size_of"]

_DEEP = 8
_WIDE = 1_000
"""How far a value is searched for the part that is to blame."""

Blame = tuple[str, Any]
"""Where in a value a part is, in words, and the part."""


def need_cloudpickle() -> None:
    """Raise :class:`mce.UsageError` where what clusters pickle with is not installed, so that nothing can be said."""
    if find_spec("cloudpickle") is None:
        raise UsageError("to check a flow for a cluster, Dask must be there: pip install 'mce-agents[dask]'")


def _pickled(value: Any) -> bytes:
    with main_by_code():
        data: bytes = import_module("cloudpickle").dumps(value)
    return data


def refusal(value: Any) -> str:
    """Say why ``value`` cannot be sent; empty if it can."""
    try:
        _pickled(value)
    except Exception as wrong:
        return str(wrong).split("\n", 1)[0] or type(wrong).__name__
    return ""


def size_of(value: Any) -> int:
    """Give how many bytes ``value`` has when it is sent; 0 if it cannot be."""
    try:
        return len(_pickled(value))
    except Exception:
        return 0


def _goes_by_name(function: Any) -> bool:
    """Whether other processes import ``function`` instead of being sent its code."""
    if getattr(function, "__module__", None) in (None, "__main__"):
        return False
    try:
        pickle.dumps(portable(function))
    except Exception:
        return False
    return True


def blame(value: Any, is_bad: Callable[[Any], bool]) -> Blame:
    """Find the innermost part of a bad ``value`` that is bad by itself."""
    where: list[str] = []
    seen: set[int] = set()
    for _ in range(_DEEP):
        seen.add(id(value))
        parts = islice(_parts(value), _WIDE)
        found = next((part for part in parts if id(part[1]) not in seen and is_bad(part[1])), None)
        if found is None:
            break
        name, value = found
        where.append(name)
    return ", ".join(where), value


def _parts(value: Any) -> Iterator[Blame]:
    """Give what is pickled with ``value``, each with where it is."""
    if isinstance(value, FunctionType):
        yield from () if _goes_by_name(value) else _parts_of_code(value)
    elif isinstance(value, MethodType):
        yield "the object it is a method of", value.__self__
    elif isinstance(value, partial):
        yield "the function it calls", value.func
        yield from ((f"its argument {at}", found) for at, found in enumerate(value.args))
        yield from ((f"its argument {name!r}", found) for name, found in value.keywords.items())
    elif isinstance(value, Flow):
        yield from (("a function in it", function) for node in postorder(value.node) for function in _held(node))
    elif isinstance(value, Mapping):
        yield from ((f"its entry {brief(key, 40)}", found) for key, found in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((f"its element {at}", found) for at, found in enumerate(value))
    elif not isinstance(value, type | ModuleType):
        yield from ((f"its field {name!r}", found) for name, found in _fields_of(value))


def _fields_of(value: Any) -> Iterator[tuple[str, Any]]:
    yield from getattr(value, "__dict__", {}).items()
    for cls in type(value).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                yield name, getattr(value, name)


def _held(node: Node) -> Iterator[Any]:
    return (found for f in fields(node) if callable(found := getattr(node, f.name)))


def _parts_of_code(function: FunctionType) -> Iterator[Blame]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if cell != _EMPTY:
            yield f"the variable {name!r} that it closes over", cell.cell_contents
    for name in dict.fromkeys(_names(function.__code__)):
        if name in function.__globals__:
            yield f"the global {name!r}", function.__globals__[name]
    for found in function.__defaults__ or ():
        yield "the default of a parameter", found
    for name, found in (function.__kwdefaults__ or {}).items():
        yield f"the default of {name!r}", found


_EMPTY = CellType()
"""A cell whose variable has no value yet."""


def _names(code: CodeType) -> Iterator[str]:
    stack = [code]
    while stack:
        code = stack.pop()
        yield from code.co_names
        stack.extend(inner for inner in code.co_consts if isinstance(inner, CodeType))
