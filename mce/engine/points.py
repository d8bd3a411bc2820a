"""Fault points: named places in a run at which a test can step in.

A backend that has a ``probe`` is asked at each of them. A run without one pays nothing: what asks stands off the hot
path, behind a test of ``None``. Internal steps of combinators have no points.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any, Literal, Protocol, TypeAlias

from returns.result import Failure, Success

from mce.engine.blocks import CAREFUL_CALL, Block, Op, Region
from mce.engine.fiber import Fault, Fiber, Halt
from mce.engine.frames import Resume, Return
from mce.errors import UsageError, brief
from mce.outcome import Place
from mce.records import dataclass
from mce.syntax import StepSpec

__all__ = ["Calls", "Gives", "Point", "PointName", "Probe", "Verdict", "instead_of", "meeting", "reach", "unwinding"]

PointName = Literal["call.before", "call.after", "merge", "retry.wait", "cancel"]


@dataclass(frozen=True, slots=True)
class Point:
    """A place in a run that was reached: ``path`` and ``attempt`` say where, as in events.

    ======================  ============================  ==========================================
    ``name``                ``step``                      ``value``
    ======================  ============================  ==========================================
    ``call.before``         the step                      its input
    ``call.after``          the step, which returned      what it returned, as it returned it
    ``merge``               the join, all branches ended  the result of each branch that ended
    ``retry.wait``          ``retry``                     the seconds before the next attempt
    ``cancel``              what is cancelled             the exception that cancels
    ======================  ============================  ==========================================

    ``fn`` and ``spec`` are the function and the declaration of a step that is called, else ``None``.
    """

    name: PointName
    path: str
    attempt: int
    step: str
    value: Any
    fn: Callable[..., Any] | None = None
    spec: StepSpec | None = None


@dataclass(frozen=True, slots=True)
class Gives:
    """Go on with ``value``: for what a step returns, or for the seconds of a retry's wait.

    A ``Failure`` fails the call, and at ``merge`` and ``retry.wait`` the join or the retry.
    """

    value: Any


@dataclass(frozen=True, slots=True)
class Calls:
    """Call ``fn``, plain or async, with the step's arguments instead of its own function; for ``call.before``."""

    fn: Callable[..., Any]


Verdict: TypeAlias = Gives | Calls | None


class Probe(Protocol):
    """Is asked at every fault point of a run, in the task that reached it.

    It may wait, which delays the run there, and raise, as the step would (a declared exception is an expected failure,
    any other a defect); where no step is called, what it raises is a defect. ``None`` lets the run go on.
    """

    def __call__(self, point: Point, /) -> Coroutine[Any, Any, Verdict]:
        """Decide what happens at ``point``."""
        ...


async def instead_of(
    call: Callable[[Fiber, Op, StepSpec, Any], Coroutine[Any, Any, Any]],
    fiber: Fiber,
    op: Op,
    spec: StepSpec,
    value: Any,
) -> Any:
    """Call a step as ``call`` does, with the points before and after it."""
    probe = fiber.run.probe
    assert probe is not None
    point = Point("call.before", fiber.path(), fiber.attempt(), spec.name, value, op.fn, spec)
    verdict = await probe(point)
    if isinstance(verdict, Gives):
        result = verdict.value
    elif verdict is None:
        result = await call(fiber, op, spec, value)
    else:
        other = Op(op.code, op.label, fn=_awaiting(verdict.fn), spec=spec)
        result = await call(fiber, other, replace(spec, is_async=True, run_in=None), value)
    point = replace(point, name="call.after", value=result)
    verdict = await probe(point)
    if verdict is None:
        return result
    return verdict.value if isinstance(verdict, Gives) else _refuse(point, verdict)


def _awaiting(fn: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def called(*args: Any, **kwargs: Any) -> Any:
        result = fn(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    return called


async def reach(fiber: Fiber, name: PointName, place: Place, step: str, value: Any) -> Any:
    """Ask the probe at a point where no step is called, and give ``value`` or what it gives instead."""
    probe = fiber.run.probe
    assert probe is not None
    point = Point(name, place.path, place.attempt, step, value)
    match await probe(point):
        case None:
            return value
        case Gives(Failure(error)) if name != "cancel":
            raise Halt(Fault(error, True, place))
        case Gives(found) if name == "retry.wait":
            return found
        case verdict:
            return _refuse(point, verdict)


def _refuse(point: Point, verdict: Any) -> Any:
    raise UsageError(f"at {point.path} the probe gave {brief(verdict, 60)}, which means nothing at {point.name!r}")


async def unwinding(fiber: Fiber, exc: BaseException, place: Place) -> None:
    """Ask the probe where ``fiber`` is being cancelled, before any finaliser; it may wait in spite of that."""
    if isinstance(exc, GeneratorExit):  # the run was closed: nothing can be awaited any more
        return
    with fiber.run.backend.scope(None, shield=True):
        await reach(fiber, "cancel", place, place.path.rpartition("/")[2], exc)


_MERGE = StepSpec("merge", internal=True)


def meeting(fiber: Fiber, ops: Iterator[Op], region: Region, value: Any, meet: Callable[[], Any]) -> Resume:
    """Go on with ``ops`` after the point of a join whose branches went in turn; ``meet`` joins them."""

    async def met(_: Any) -> Any:
        place = Place(fiber.within(region.name), fiber.attempt())
        await reach(fiber, "merge", place, region.label, value)
        return Success(meet())  # so that a joined value which is a result stays one

    block = Block()
    block.append(Op(CAREFUL_CALL, region.own_name, fn=met, spec=_MERGE), 1, region.names)
    fiber.frames.append(Return(ops, block))
    return iter(block.ops), None
