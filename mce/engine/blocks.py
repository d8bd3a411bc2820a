"""The compiled form of a flow: blocks of operations, one per straight-line stretch of the tree.

An operation's ``code`` says how the loop treats it. Leaf operations are shared between the occurrences of one node;
what differs between occurrences, the ordinal in the path, is kept beside them in the block. A position is read from
the list iterator when somebody asks for a path, so that nobody pays for paths who does not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from operator import itemgetter, length_hint
from typing import TYPE_CHECKING, Any

from mce.syntax import StepSpec

if TYPE_CHECKING:
    from mce.engine.fiber import Fiber

__all__ = ["CALL", "CALL_WITH_CONTEXT", "CAREFUL_CALL", "ENTER", "FN", "FORK", "VALUE", "Block", "Op", "Region", "numbered"]

CALL = 0
"""An async step of one parameter."""
CALL_WITH_CONTEXT = 1
"""The same with a context before it."""
FN = 2
"""Pure functions, one after the other."""
VALUE = 3
"""A constant."""
ENTER = 4
"""A region: pushes a frame and goes on inside."""
FORK = 5
"""Branches: concurrent, or a region of branches in turn, as the backend says."""
CAREFUL_CALL = 6
"""A step with anything else about it: plain, several parameters, watched, validated, not idempotent."""


class Op:
    """A leaf operation."""

    __slots__ = ("code", "fn", "label", "spec", "value")

    def __init__(
        self,
        code: int,
        label: str = "",
        *,
        fn: Callable[..., Any] | tuple[Callable[[Any], Any], ...] | None = None,
        spec: StepSpec | None = None,
        value: Any = None,
    ) -> None:
        self.code = code
        self.label = label
        self.fn: Any = fn
        self.spec = spec
        self.value = value

    def __repr__(self) -> str:
        return f"<Op {self.code} {self.label}>"


class Region(Op):
    """An operation with blocks of its own; ``name`` is its path within its scope."""

    __slots__ = ("name",)

    def __init__(self, label: str, name: str, code: int = ENTER) -> None:
        super().__init__(code, label)
        self.name = name

    def enter(self, fiber: Fiber, ops: Iterator[Op], value: Any) -> tuple[Iterator[Op], Any]:
        """Push a frame that remembers ``ops`` and give what to go on with."""
        raise NotImplementedError

    async def fork(self, fiber: Fiber, value: Any) -> Any:
        """Run the branches concurrently and give their joined value; only for ``FORK``."""
        raise NotImplementedError


class Block:
    """A straight-line stretch of operations, with what is needed to name each of them.

    ``sections`` say from which operation on which prefix holds: the place within the scope (the flow, a loop's turn,
    an element's body, what a dynamic region expanded to). ``ordinals[i]`` tells apart operations of one label:
    ``fetch``, ``fetch:2``.
    """

    __slots__ = ("ops", "ordinals", "sections")

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.ordinals: list[int] = []
        self.sections: list[tuple[int, str]] = []

    def append(self, op: Op, ordinal: int, prefix: str) -> None:
        if not self.sections or self.sections[-1][1] != prefix:
            self.sections.append((len(self.ops), prefix))
        self.ops.append(op)
        self.ordinals.append(ordinal)

    def name(self, ops: Iterator[Op]) -> str:
        """Name, within the scope, the operation that the iterator ``ops`` over this block gave last."""
        at = len(self.ops) - length_hint(ops) - 1
        if at < 0:
            return self.sections[0][1].rstrip("/") if self.sections else ""
        section = bisect_right(self.sections, at, key=itemgetter(0)) - 1
        return self.sections[section][1] + numbered(self.ops[at].label, self.ordinals[at])

    def __repr__(self) -> str:
        return f"<Block of {len(self.ops)}>"


def numbered(label: str, ordinal: int) -> str:
    """Give ``label`` with its ordinal among equal siblings, which the first does not show."""
    return label if ordinal <= 1 else f"{label}:{ordinal}"
