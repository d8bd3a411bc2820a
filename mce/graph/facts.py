"""What is known of a flow before it runs: whether it takes an input, how it may fail, whether it may write the state.

Each is an over-approximation: what is not known is assumed. Only the types that steps declare are trusted.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from types import UnionType
from typing import Any

from mce.flow import Flow
from mce.syntax import (
    Arguments,
    Bracket,
    Call,
    Choice,
    Dag,
    Dynamic,
    Each,
    Fail,
    Fn,
    Focus,
    Given,
    Loop,
    Node,
    Par,
    Pure,
    Race,
    Recover,
    StateOp,
    Suspend,
    Timeout,
    children,
    same,
)

__all__ = ["Facts", "Fails", "Known", "gives_plain_value", "is_plain", "is_shareable"]


class Fails(IntEnum):
    """How a flow may end besides a success."""

    NEVER = 0
    DEFECT = 1
    """Only in defects: a function that raises, states that do not meet."""
    EXPECTED = 2


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a flow: ``closed`` takes no input, ``writes`` may write the state."""

    closed: bool
    fails: Fails
    writes: bool


class Facts:
    """What is known of nodes, found once for each."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Node, Known]] = {}

    def of(self, root: Node) -> Known:
        """Give what is known of ``root``; linear in the number of nodes below it that were not asked for before."""
        stack = [root]
        while stack:
            node = stack[-1]
            if id(node) in self._known:
                stack.pop()
                continue
            waiting = [child for child in children(node) if id(child) not in self._known]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            self._known[id(node)] = node, _known(node, [self._known[id(child)][1] for child in children(node)])
        return self._known[id(root)][1]


def _known(node: Node, inner: list[Known]) -> Known:
    fails = max((found.fails for found in inner), default=Fails.NEVER)
    writes = any(found.writes for found in inner)
    match node:
        case Pure():
            return Known(True, Fails.NEVER, False)
        case Fail() | Suspend():
            return Known(True, Fails.EXPECTED, False)
        case Fn(f):
            return Known(False, Fails.NEVER if f is same else Fails.DEFECT, False)
        case StateOp():
            return Known(True, Fails.DEFECT, True)
        case Call(fn, spec):
            return Known(False, Fails.EXPECTED, spec.takes_context or spec.internal or not gives_plain_value(fn))
        case Dynamic():
            return Known(False, Fails.EXPECTED, True)
        case Given():
            return Known(True, fails, writes)
        case Par(join=join):
            expected = join.mode in ("accumulate", "quorum", "speculate")
            least = Fails.EXPECTED if expected else Fails.DEFECT if join.merge is not None or writes else Fails.NEVER
            return Known(all(found.closed for found in inner), max(fails, least), writes or join.merge is not None)
        case Race():
            return Known(all(found.closed for found in inner), Fails.EXPECTED, writes)
        case Choice() | Each():
            return Known(False, max(fails, Fails.DEFECT), writes or (isinstance(node, Each) and bool(node.join.merge)))
        case Dag():
            return Known(False, Fails.EXPECTED, True)
        case Recover(keeps_input=keeps_input):
            closed = inner[0].closed and (inner[1].closed or not keeps_input)
            return Known(closed, fails, writes)
        case Loop() | Timeout() | Bracket():
            return Known(inner[0].closed, Fails.EXPECTED, writes)
        case Focus():
            return Known(inner[0].closed, max(fails, Fails.DEFECT), writes)
        case _:
            return Known(inner[0].closed, fails, writes)


def is_plain(value: Any) -> bool:
    """Whether ``value`` is a constant in all of its parts: numbers, text, bytes, ``None``, and tuples of them."""
    stack, seen = [value], 0
    while stack:
        found = stack.pop()
        seen += 1
        if type(found) is tuple:
            stack.extend(found)
        elif found is not None and type(found) not in (bool, int, float, complex, str, bytes):
            return False
        if seen > _LOOKED_AT:
            return False
    return True


_LOOKED_AT = 64


def is_shareable(node: Node) -> bool:
    """Whether ``node`` is a step declared pure of which nothing is lost when one call stands for several."""
    if not isinstance(node, Call):
        return False
    spec = node.spec
    plain = spec.retry is None and spec.timeout is None and spec.limit is None and spec.cache is None
    return spec.pure and plain and not spec.takes_context and not spec.internal and gives_plain_value(node.fn)


def gives_plain_value(fn: Callable[..., Any]) -> bool:
    """Whether the annotation of a step says that it gives a value: anything else may be a flow to continue with."""
    try:
        return _gives_plain_value(fn)
    except TypeError:  # a callable that cannot be hashed
        return False


@lru_cache(maxsize=4096)
def _gives_plain_value(fn: Callable[..., Any]) -> bool:
    found = inspect.unwrap(fn) if inspect.isroutine(fn) else type(fn).__call__
    try:
        hint = typing.get_type_hints(found).get("return", Any)
    except Exception:  # an annotation may be any expression
        return False
    return _is_value_type(hint)


def _is_value_type(hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, UnionType):
        return all(_is_value_type(part) for part in typing.get_args(hint))
    if origin is typing.Literal:
        return True
    cls = origin or hint
    return isinstance(cls, type) and cls not in (object, Any) and not issubclass(cls, Flow | Arguments)
