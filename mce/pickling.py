"""Trees as flat lists, for ``pickle``, which would recurse over them as deep as they are.

A tree is a list of rows in postorder, each a class of nodes with its values, in which a child is the number of its row,
and which of the values are children.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeAlias, get_args

from mce.records import dataclass
from mce.syntax import Node, postorder

__all__ = ["Flat", "flatten", "portable", "rebuild", "restored"]

Row: TypeAlias = tuple[type[Node], tuple[Any, ...], tuple[int, ...]]

_NODES = frozenset(get_args(Node))

_main_by_code = ContextVar("_main_by_code", default=False)


def flatten(root: Node) -> list[Row]:
    """Give ``root`` as rows, of which it is the last."""
    nodes = postorder(root)
    at_row = {id(node): at for at, node in enumerate(nodes)}
    known: dict[tuple[int, ...], tuple[int, ...]] = {}  # the same tuple for all rows, which pickle writes once
    rows: list[Row] = []
    for node in nodes:
        values, children = [], []
        for place, value in enumerate(_values_of(node)):
            row = at_row.get(id(value))
            if row is not None:
                children.append(place)
                values.append(row)
            else:
                values.append(_numbered(value, at_row))
        where = tuple(children)
        rows.append((type(node), tuple(values), known.setdefault(where, where)))
    return rows


def rebuild(rows: list[Row]) -> Node:
    """Give the tree of ``rows``."""
    built: list[Node] = []
    for cls, values, children in rows:
        found = [_linked(value, built) for value in values]
        for place in children:
            found[place] = built[values[place]]
        built.append(cls(*found))
    return built[-1]


class Flat:
    """A tree that is pickled often, and flattened once; what it becomes elsewhere is its root.

    Its values are pickled as they are by then.
    """

    def __init__(self, root: Node) -> None:
        self.root = root
        self._rows = flatten(root)

    def __reduce__(self) -> Any:
        return rebuild, (flatten(self.root) if _main_by_code.get() else self._rows,)


_getters: dict[type[Node], Callable[[Node], tuple[Any, ...]]] = {}


def _values_of(node: Node) -> tuple[Any, ...]:
    """Give the values of the fields of a node."""
    get = _getters.get(type(node))
    if get is None:
        names = [f.name for f in fields(node)]
        several = attrgetter(*names) if len(names) > 1 else lambda one: tuple(getattr(one, name) for name in names)
        get = _getters[type(node)] = several
    return get(node)


@dataclass(frozen=True, slots=True)
class _Child:
    row: int


@dataclass(frozen=True, slots=True)
class _Decorated:
    """A function whose name a decorator took over: ``pickle`` finds the step or block at that name instead."""

    module: str
    qualname: str

    def find(self) -> Any:
        __import__(self.module)
        return _global(self.module, self.qualname).__wrapped__


@contextmanager
def main_by_code() -> Iterator[None]:
    """Leave functions of ``__main__`` as they are: elsewhere that is another module, so ``cloudpickle`` sends code."""
    before = _main_by_code.set(True)
    try:
        yield
    finally:
        _main_by_code.reset(before)


def portable(value: Any) -> Any:
    """Give ``value``, or for a function whose name a decorator took over what pickles in its place."""
    if not (callable(value) and hasattr(value, "__qualname__")) or getattr(value, "__module__", None) is None:
        return value  # not a function, or one that is a method of a builtin class
    if value.__module__ == "__main__" and _main_by_code.get():
        return value
    owner = _global(value.__module__, value.__qualname__)
    taken_over = owner is not value and getattr(owner, "__wrapped__", None) is value
    return _Decorated(value.__module__, value.__qualname__) if taken_over else value


def restored(value: Any) -> Any:
    """Give the value of which :func:`portable` gave ``value``."""
    return value.find() if isinstance(value, _Decorated) else value


def _global(module: str, qualname: str) -> Any:
    found: Any = sys.modules.get(module)
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found


def _numbered(value: Any, rows: Mapping[int, int]) -> Any:
    """Put row numbers in the place of nodes, and where functions are found in the place of those that are decorated."""
    if type(value) in _NODES:
        return _Child(rows[id(value)])
    if type(value) is tuple:
        held = any(type(v) in _NODES or isinstance(v, tuple) for v in value)
        return tuple(_numbered(v, rows) for v in value) if held else value
    return portable(value)


def _linked(value: Any, built: list[Node]) -> Any:
    """The reverse."""
    if isinstance(value, _Child):
        return built[value.row]
    if type(value) is tuple and any(isinstance(v, _Child | tuple) for v in value):
        return tuple(_linked(v, built) for v in value)
    return restored(value)
