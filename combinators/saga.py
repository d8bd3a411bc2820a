"""Sagas: a sequence in which what was done is undone, last first, when something later fails.

Source: Garcia-Molina and Salem, *Sagas* (1987).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Never, TypeAlias, overload

from returns.result import Success
from typing_extensions import TypeVar

from mce.combinators.sharing import begin, internal
from mce.context import Context, branch_of
from mce.errors import DefinitionError
from mce.flow import Flow, arrow, flow_node
from mce.records import dataclass
from mce.syntax import Bracket, Choice, Fn, Node, Pure, Then, same

__all__ = ["compensate"]

A = TypeVar("A")
E = TypeVar("E")
I = TypeVar("I")  # noqa: E741
S = TypeVar("S")
A1 = TypeVar("A1")
A2 = TypeVar("A2")
A3 = TypeVar("A3")
A4 = TypeVar("A4")
A5 = TypeVar("A5")
E1 = TypeVar("E1")
E2 = TypeVar("E2")
E3 = TypeVar("E3")
E4 = TypeVar("E4")
E5 = TypeVar("E5")

Stage: TypeAlias = Flow[I, A, E, S] | tuple[Flow[I, A, E, S], Callable[[A], Flow[None, Any, Any, S]]]
"""A flow, or one and how to undo it: a flow that takes its value, or a function that makes a flow of it."""


@overload
def compensate(s1: Stage[I, A1, E1, S], /) -> Flow[I, A1, E1, S]: ...
@overload
def compensate(s1: Stage[I, A1, Never, S], s2: Stage[A1, A2, Never, S], /) -> Flow[I, A2, Never, S]: ...
@overload
def compensate(s1: Stage[I, A1, E1, S], s2: Stage[A1, A2, E2, S], /) -> Flow[I, A2, E1 | E2, S]: ...
@overload
def compensate(
    s1: Stage[I, A1, Never, S], s2: Stage[A1, A2, Never, S], s3: Stage[A2, A3, Never, S], /
) -> Flow[I, A3, Never, S]: ...
@overload
def compensate(
    s1: Stage[I, A1, E1, S], s2: Stage[A1, A2, E2, S], s3: Stage[A2, A3, E3, S], /
) -> Flow[I, A3, E1 | E2 | E3, S]: ...
@overload
def compensate(
    s1: Stage[I, A1, Never, S], s2: Stage[A1, A2, Never, S], s3: Stage[A2, A3, Never, S], s4: Stage[A3, A4, Never, S], /
) -> Flow[I, A4, Never, S]: ...
@overload
def compensate(
    s1: Stage[I, A1, E1, S], s2: Stage[A1, A2, E2, S], s3: Stage[A2, A3, E3, S], s4: Stage[A3, A4, E4, S], /
) -> Flow[I, A4, E1 | E2 | E3 | E4, S]: ...
@overload
def compensate(
    s1: Stage[I, A1, Never, S],
    s2: Stage[A1, A2, Never, S],
    s3: Stage[A2, A3, Never, S],
    s4: Stage[A3, A4, Never, S],
    s5: Stage[A4, A5, Never, S],
    /,
) -> Flow[I, A5, Never, S]: ...
@overload
def compensate(
    s1: Stage[I, A1, E1, S],
    s2: Stage[A1, A2, E2, S],
    s3: Stage[A2, A3, E3, S],
    s4: Stage[A3, A4, E4, S],
    s5: Stage[A4, A5, E5, S],
    /,
) -> Flow[I, A5, E1 | E2 | E3 | E4 | E5, S]: ...
@overload
def compensate(
    s1: Stage[I, A1, E1, S],
    s2: Stage[Any, Any, Any, S],
    s3: Stage[Any, Any, Any, S],
    s4: Stage[Any, Any, Any, S],
    s5: Stage[Any, Any, Any, S],
    s6: Stage[Any, Any, Any, S],
    /,
    *more: Stage[Any, Any, Any, S],
) -> Flow[I, Any, Any, S]: ...
def compensate(*stages: Any) -> Any:
    """Run the stages one after the other, as ``a >> b >> c`` does; when one fails, undo those before it, last first.

    A stage is a flow, or a pair ``(flow, undo)`` where ``undo`` takes the value that the flow gave. When a later stage
    fails, times out or is cancelled, the undos of the stages that were completed run, in the state at the failure, and
    cannot be cancelled. An undo that fails is told in ``outcome.where.notes`` (after a cancellation it is logged too),
    the others run all the same, and the flow fails with the first error. A stage that fails itself is not undone, nor
    is anything once the last stage is completed: put what belongs together into one ``compensate``.

    Laws: ``compensate(a, b, c) = a >> b >> c``; ``compensate((a, u), b) = a >> b`` if ``b`` succeeds;
    ``compensate((a, u), compensate((b, v), c)) = compensate((a, u), (b, v), c)``.
    Not a law: ``compensate(compensate((a, u), b), c) = compensate((a, u), b, c)``, since the inner one is over when
    ``c`` fails.

    >>> from mce import fail, lift, step
    >>> @step
    ... def book(room: str) -> str:
    ...     return f"booking of {room}"
    >>> @step
    ... def cancel(booking: str) -> None:
    ...     print("cancelled the", booking)
    >>> compensate((book, cancel), lift(len)).run_sync("room 7")
    Outcome(17)
    >>> compensate((book, cancel), fail("no money")).run_sync("room 7").error
    cancelled the booking of room 7
    'no money'
    """
    if not stages:
        raise DefinitionError("compensate without a stage: say compensate((book, cancel), pay)")
    node: Node | None = None
    for at, stage in reversed(list(enumerate(stages))):
        node = _before(node, *_parts(stage, at))
    assert node is not None
    return Flow(node)


def _parts(stage: Any, at: int) -> tuple[Node, Node | None]:
    """Give the nodes of a stage: what it does, and how that is undone."""
    where = f"compensate, stage {at},"
    if not isinstance(stage, tuple):
        return flow_node(stage, where), None
    if len(stage) != 2:
        raise DefinitionError(f"{where} takes a flow or a pair (flow, undo), not a tuple of {len(stage)}")
    return flow_node(stage[0], where), arrow(stage[1], "undo")


def _before(rest: Node | None, action: Node, undo: Node | None) -> Node:
    """Put a stage before the ``rest``; after the last one there is nothing to undo."""
    if rest is None:
        return action
    if undo is None:
        return Then(action, rest)
    noted = Bracket(Fn(same), action, internal(_Note(), "compensate"))
    undone = Choice(_is_undo, ((True, Then(Fn(_value), undo)), (False, Pure(None))), None, "undo")
    return Bracket(begin("compensate"), Then(noted, rest), Then(internal(_Settle(), "compensate"), undone))


@dataclass(frozen=True, slots=True)
class _Undo:
    """What is to be undone: the value that the action gave."""

    value: Any


@dataclass(frozen=True, slots=True)
class _Note:
    """Keeps, in the moment in which the action ends, that it was completed and with which value."""

    async def __call__(self, ctx: Context[Any], _: Any) -> None:
        branch = branch_of(ctx)
        if isinstance(ended := branch.ending(), Success):
            branch.visits()[-1].kept = _Undo(ended.unwrap())


@dataclass(frozen=True, slots=True)
class _Settle:
    """Says what is to be undone, now that the stages after the action have ended: nothing if they succeeded."""

    async def __call__(self, ctx: Context[Any], _: Any) -> _Undo | None:
        branch = branch_of(ctx)
        done: _Undo | None = branch.visits().pop().kept
        return None if isinstance(branch.ending(), Success) else done


def _is_undo(found: Any) -> bool:
    return isinstance(found, _Undo)


def _value(undo: _Undo) -> Any:
    return undo.value
