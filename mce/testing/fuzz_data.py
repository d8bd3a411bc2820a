"""The data that a flow's steps share beside its state: what stands in their modules and in the functions around them.

Every run of a fuzzed flow begins with it as it was; what becomes of it tells of races, leaks and repeated effects.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from mce.errors import brief
from mce.flow import Flow
from mce.testing.fuzz_guard import functions_of, is_own, names_of

__all__ = ["Shared"]

_PLAIN = (int, float, complex, str, bytes, bool, type(None), tuple, frozenset)
_CONTAINERS = (dict, list, set, deque, bytearray)
_DEEP = 6


class Shared:
    """The data that the functions reached from ``roots`` share, as it is now, to be put back by :meth:`restore`."""

    def __init__(self, roots: Iterable[Any]) -> None:
        self.objects: dict[str, Any] = {}
        self.bindings: list[tuple[dict[str, Any], str, Any]] = []
        bound: set[tuple[int, str]] = set()
        for fn in functions_of(list(roots)):
            for name, value in names_of(fn):
                known = fn.__globals__
                if isinstance(value, _PLAIN) and known.get(name, fn) is value and (id(known), name) not in bound:
                    bound.add((id(known), name))
                    self.bindings.append((known, name, value))
                elif _holds_data(value) and all(value is not other for other in self.objects.values()):
                    self.objects[name if name not in self.objects else f"{name} of {fn.__module__}"] = value
        memo: dict[int, Any] = {id(value): value for value in self.objects.values()}
        self.memo = memo
        self.saved = {name: _copied(_content(value), memo) for name, value in self.objects.items()}

    def restore(self) -> None:
        """Put everything back as it was; what is shared stays the same objects."""
        for known, name, value in self.bindings:
            if known.get(name) is not value:
                known[name] = value
        memo = dict(self.memo)
        for name, value in self.objects.items():
            _refill(value, _copied(self.saved[name], memo))

    def seen(self) -> dict[str, str]:
        """Give everything as text, by name, in which the order of a list or a set does not show."""
        found = {name: _text(value, 0) for name, value in self.objects.items()}
        found |= {name: brief(known.get(name)) for known, name, value in self.bindings if known.get(name) is not value}
        return found


def _holds_data(value: Any) -> bool:
    if isinstance(value, ModuleType | Flow | type) or callable(value):
        return False
    return isinstance(value, _CONTAINERS) or is_own(type(value)) or _is_primitive(value)


def _is_primitive(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] in ("anyio", "asyncio")


def _slots(value: Any) -> list[str]:
    names = [name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ())]
    return [name for name in names if hasattr(value, name) and not name.startswith("__")]


def _content(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, _CONTAINERS):
        return list(value)
    found = dict(getattr(value, "__dict__", {}))
    return found | {name: getattr(value, name) for name in _slots(value)}


def _copied(content: Any, memo: dict[int, Any]) -> Any:
    """Copy a content part by part; what cannot be copied stays the same object."""
    if isinstance(content, dict):
        return {key: _one(part, memo) for key, part in content.items()}
    return [_one(part, memo) for part in content]


def _one(part: Any, memo: dict[int, Any]) -> Any:
    try:
        return copy.deepcopy(part, memo)
    except Exception:
        return part


def _refill(value: Any, content: Any) -> None:
    if isinstance(value, dict | set):
        value.clear()
        value.update(content)
    elif isinstance(value, list | bytearray):
        value[:] = content
    elif isinstance(value, deque):
        value.clear()
        value.extend(content)
    else:
        _refill_object(value, content)


def _refill_object(value: Any, content: dict[str, Any]) -> None:
    own = getattr(value, "__dict__", None)
    if own is not None:
        own.clear()
    for name, part in content.items():
        try:
            object.__setattr__(value, name, part)
        except (AttributeError, TypeError):  # read-only, so it never changed
            continue


def _text(value: Any, depth: int) -> str:
    if depth > _DEEP or (isinstance(value, _PLAIN) and not isinstance(value, tuple | frozenset)):
        return brief(value, 200)
    if isinstance(value, dict):
        inner = sorted(f"{_text(key, depth + 1)}: {_text(part, depth + 1)}" for key, part in value.items())
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list | deque | tuple | set | frozenset):
        return "[" + ", ".join(sorted(_text(part, depth + 1) for part in value)) + "]"
    if _is_primitive(value):
        locked = getattr(value, "locked", None)
        return (
            f"{type(value).__name__}, {'locked' if locked() else 'free'}" if callable(locked) else type(value).__name__
        )
    if callable(value):
        return type(value).__name__
    content = _content(value)
    if not isinstance(content, dict) or not content:
        text = brief(value, 200)
        return type(value).__name__ if " at 0x" in text else text
    return f"{type(value).__name__}{_text(content, depth + 1)}"
