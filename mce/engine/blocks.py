"""The compiled form of a flow: blocks of operations, one per straight-line stretch of the tree.

An operation's ``code`` says how the loop treats it. Leaf operations are shared between the occurrences of one node;
what differs between occurrences, the ordinal in the path, is kept beside them in the block. A position is read from
the list iterator when somebody asks for a path, so that nobody pays for paths who does not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from operator import itemgetter, length_hint
from typing import TYPE_CHECKING, Any, NamedTuple

from mce.names import Names, numbered
from mce.syntax import Node, StepSpec

if TYPE_CHECKING:
    from mce.engine.fiber import Fiber

__all__ = [
    "BIND",
    "CALL",
    "CALL_WITH_CONTEXT",
    "CAREFUL_CALL",
    "CHECKPOINT_EVERY",
    "ENTER",
    "FN",
    "FORK",
    "PURE_CALL",
    "VALUE",
    "Block",
    "Op",
    "Region",
]

CHECKPOINT_EVERY = 256
"""Operations between two checkpoints: a chain that never waits would otherwise notice no deadline."""

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
PURE_CALL = 6
"""A plain step of one parameter that is declared pure: it is called in line on every backend."""
CAREFUL_CALL = 7
"""A step with anything else about it: plain, several parameters, watched, validated, not idempotent."""
BIND = 8
"""A dynamic region: what the function gives is often one step, or a value, and is then run without a frame."""


class Op:
    """A leaf operation."""

    __slots__ = ("code", "fn", "label", "spec", "value")

    def __init__(
        self,
        code: int,
        label: str = "",
        *,
        fn: Callable[..., Any] | list[Callable[[Any], Any]] | None = None,
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


class At(NamedTuple):
    """Where a region stands: its label, and what it is called among its siblings in ``names``."""

    label: str
    names: Names
    own_name: str


class Region(Op):
    """An operation with blocks of its own, called ``own_name`` among its siblings."""

    __slots__ = ("names", "own_name")

    def __init__(self, at: At, code: int = ENTER) -> None:
        super().__init__(code, at.label)
        self.names = at.names
        self.own_name = at.own_name

    @property
    def name(self) -> str:
        """The path of this region within its scope."""
        return self.names.prefix() + self.own_name

    def enter(self, fiber: Fiber, ops: Iterator[Op], value: Any) -> tuple[Iterator[Op], Any]:
        """Push a frame that remembers ``ops`` and give what to go on with."""
        raise NotImplementedError

    async def fork(self, fiber: Fiber, value: Any) -> Any:
        """Run the branches concurrently and give their joined value; only for ``FORK``."""
        raise NotImplementedError


_NAMES_KEPT = 100_000
"""How many names a block remembers, for those who watch: a loop or a second run asks for the same ones again.

The nodes and operations that they name take more memory than they do.
"""


class Block:
    """A straight-line stretch of operations, with what is needed to name each of them.

    ``sections`` say from which operation on which names hold: those of a place within the scope (the flow, a loop's
    turn, an element's body, what a dynamic region expanded to). ``ordinals[i]`` tells apart operations of one label:
    ``fetch``, ``fetch:2``.
    """

    __slots__ = ("bound", "names", "ops", "ordinals", "sections", "single_call")

    def __init__(self) -> None:
        self.names: dict[int, str] = {}  # by how many operations follow, which is what an iterator tells
        self.ops: list[Op] = []
        self.ordinals: list[int] = []
        self.sections: list[tuple[int, Names]] = []
        self.bound: Node | None = None
        """What is before the last operation, in a block that its frame alone has: see :func:`continue_bound`."""
        self.single_call: Any = None
        """The operation, if it is the only one and an async call without a context: the hot case of ``do`` blocks."""

    def append(self, op: Op, ordinal: int, names: Names) -> None:
        if not self.sections or self.sections[-1][1] is not names:
            self.sections.append((len(self.ops), names))
        self.ops.append(op)
        self.ordinals.append(ordinal)
        self.single_call = op if op.code == CALL and len(self.ops) == 1 else None

    def ending_with(self, last: Op) -> Block:
        """Give a copy of this block with another ``last`` operation, which is called the same."""
        found = Block()
        found.names, found.ordinals, found.sections = self.names, self.ordinals, self.sections
        found.ops = [*self.ops[:-1], last]
        return found

    def replaying(self, exc: BaseException | None, value: Any) -> Block:
        """Give this block of one call as one in which the call, which has been made, raises or gives the same again."""

        async def replay(_: Any) -> Any:
            if exc is not None:
                raise exc
            return value

        found = Block()
        call = self.ops[0]
        found.ops, found.ordinals, found.sections = (
            [Op(CALL, call.label, fn=replay, spec=call.spec)],
            self.ordinals,
            self.sections,
        )
        return found

    def past_first(self) -> Iterator[Op]:
        """Give the operations that follow the first, in an iterator from which :meth:`name` can name the first."""
        ops = iter(self.ops)
        next(ops)
        return ops

    def name(self, ops: Iterator[Op]) -> str:
        """Name, within the scope, the operation that the iterator ``ops`` over this block gave last."""
        left = length_hint(ops)
        known = self.names.get(left)
        return self._find_name(left) if known is None else known

    def _find_name(self, left: int) -> str:
        """Put together the name of the operation after which ``left`` come, and keep it."""
        at = len(self.ops) - left - 1
        if at < 0:
            return self.sections[0][1].prefix().rstrip("/") if self.sections else ""
        section = bisect_right(self.sections, at, key=itemgetter(0)) - 1 if len(self.sections) > 1 else 0
        found = self.sections[section][1].prefix() + numbered(self.ops[at].label, self.ordinals[at])
        if len(self.names) < _NAMES_KEPT:
            self.names[left] = found
        return found

    def __repr__(self) -> str:
        return f"<Block of {len(self.ops)}>"
