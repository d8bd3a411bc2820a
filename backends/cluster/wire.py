"""What goes from process to process: values, ends of branches and programs, pickled once and kept as bytes.

A value that cannot be pickled is found where it was made, whether or not it would have had to travel, so that an
outcome does not depend on which worker ran what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from distributed import get_worker

from mce.backends.cluster.pickled import Packed, arrives, pack, sendable_error, unpack
from mce.engine.branches import End
from mce.engine.fiber import Fault
from mce.errors import ClusterError, Defect, StateConflict, brief
from mce.outcome import Place
from mce.reducers import Shape
from mce.state import rebound

__all__ = [
    "SAME",
    "Chunk",
    "Ended",
    "Packed",
    "ended",
    "interrupted",
    "is_interrupt",
    "pack",
    "raised_in",
    "sendable",
    "unpack",
]


class Ended:
    """How a part of a run ended: what a task of ours gives Dask.

    ``failed`` and ``width``, how many branches the fork that follows has, can be seen without unpacking. One that has
    no ``packed`` did not come to its end, because it was stopped or what it follows had failed. The end of a dag's task
    knows what was ``written`` before it: the change and the state of each task on the way, from the first that wrote.
    """

    __slots__ = ("failed", "opened", "packed", "width", "written")

    def __init__(self, packed: Packed | None, failed: bool = False, width: int = 0) -> None:
        self.packed = packed
        self.failed = failed
        self.width = width
        self.opened: End | None = None
        self.written: dict[int, Any] = {}

    def open(self) -> End | None:
        """Give the end, unpacked once in each process; ``None`` for what did not come to its end."""
        if self.opened is None and self.packed is not None:
            value, fault, state, change, self.written = unpack(self.packed)
            self.opened = End(value, fault, state, rebound(change, state))
        return self.opened

    def __reduce__(self) -> tuple[Any, ...]:
        return Ended, (self.packed, self.failed, self.width)

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + (0 if self.packed is None else self.packed.__sizeof__())


def ended(end: End, place: Place, width: int = 0, written: dict[int, Any] | None = None) -> Ended:
    """Pack ``end``, which was reached at ``place``; what cannot be sent makes it the failure that says so."""
    if end.fault is None:
        try:
            return Ended(pack((end.value, None, end.state, end.change, written)), False, width)
        except ClusterError:
            pass
    end = sendable(end, place)
    return Ended(pack((end.value, end.fault, end.state, end.change, written)), end.fault is not None, width)


class _Interrupt(Exception):
    """Carries what ends a process, raised in a step, to the process that asked for the run."""

    def __init__(self, raised: BaseException) -> None:
        super().__init__(raised)
        self.raised = raised


def interrupted(raised: BaseException, place: Place) -> Fault:
    """Make a fault of an interrupt: it ends the run, and not the worker."""
    return Fault(_Interrupt(raised), False, place)


def is_interrupt(fault: Fault) -> bool:
    """Whether a fault carries what is to be raised where the run was asked for."""
    return isinstance(fault.error, _Interrupt)


def raised_in(end: End) -> BaseException | None:
    """Give the interrupt that ended a run, if one did."""
    error = None if end.fault is None else end.fault.error
    return error.raised if isinstance(error, _Interrupt) else None


def sendable(end: End, place: Place) -> End:
    """Give ``end``, or if it cannot be pickled one that can, with a failure for what could not."""
    if end.fault is not None:
        end = replace(end, fault=_sendable_fault(end.fault))
    if _can_be_sent((end.value, end.state, end.change)):
        return end
    if not _can_be_sent((end.state, end.change)):
        return End(None, _unsendable("the state", end.state, place), None, None)
    return replace(end, value=None, fault=_unsendable("the value", end.value, place))


def _sendable_fault(fault: Fault) -> Fault:
    error = fault.error
    if isinstance(error, StateConflict) and not arrives(error):
        error = StateConflict(error.field, error.branches, [*map(brief, error.values)], error.path, error.problem)
    siblings = tuple(sibling for sibling in fault.place.siblings if arrives(sibling))
    unsent = len(fault.place.siblings) - len(siblings)
    fault = replace(fault, error=sendable_error(error), place=replace(fault.place, siblings=siblings))
    return fault.noted(f"what {unsent} of its siblings had given could not be sent") if unsent else fault


def _can_be_sent(value: Any) -> bool:
    try:
        pack(value)
    except ClusterError:
        return False
    return True


def _unsendable(what: str, value: Any, place: Place) -> Fault:
    problem = f"{what} at {place.path}, {brief(value, 60)}, cannot be pickled, and so not be passed from task to task"
    error = ClusterError(f"{problem}: pass what it is made from, or keep its use within one step")
    return Fault(Defect(error, "", place.path, place.attempt, get_worker().address), False, place)


class Chunk:
    """How the branches from ``low`` on ended, as they ended in ``order``.

    Of branches that all succeeded and left the state alone only the values are sent.
    """

    __slots__ = ("low", "order", "packed", "size")

    def __init__(self, low: int, size: int, order: tuple[int, ...], packed: Packed | None) -> None:
        self.low = low
        self.size = size
        self.order = order
        self.packed = packed

    @staticmethod
    def of(low: int, order: Sequence[int], ends: Sequence[End | None]) -> Chunk:
        """Make a chunk of ends whose state, where it was not changed, is ``SAME``; raises :class:`mce.ClusterError`."""
        plain = all(end is not None and end.fault is None and end.state is SAME for end in ends)
        sent = [end.value for end in ends if end is not None] if plain else list(ends)
        return Chunk(low, len(ends), tuple(order), pack((plain, sent)))

    def ends(self) -> list[End | None]:
        """Give the ends, in which ``SAME`` stands for the state at the fork."""
        if self.packed is None:
            return [None] * self.size
        plain, found = unpack(self.packed)
        return [End(value, None, SAME, None) for value in found] if plain else found

    def open(self, state: Any, shape: Shape | None = None) -> list[End | None]:
        """Give the ends of branches that started from ``state``, which stands in a place of that ``shape``."""
        found = self.ends()
        for end in found:
            if end is None:
                continue
            if end.state is SAME:
                end.state = state
            else:
                end.change = rebound(end.change, end.state, shape)
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return Chunk, (self.low, self.size, self.order, self.packed)

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + (0 if self.packed is None else self.packed.__sizeof__())


class _Same:
    """Stands for the state at the fork, where a branch has not changed it."""

    def __reduce__(self) -> str:
        return "SAME"


SAME = _Same()
