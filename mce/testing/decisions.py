"""What a world may decide for one call of a step, as data that prints as it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from mce.events import Event

__all__ = ["Breaks", "Decided", "Decision", "Fails", "Hangs", "Happening", "Key", "Returns", "Runs"]

Key: TypeAlias = tuple[str, int]
"""A call: the path of the step, and how often it was called there by then, from 1.

The number is the attempt, but where retries are nested it goes on counting.
"""


class _Decision:
    """What all decisions share: a ``repr`` that rebuilds them and leaves out what is as usual."""

    def __repr__(self) -> str:
        from mce.testing.reproduce import literal

        return literal(self)


@dataclass(frozen=True, slots=True, repr=False)
class Returns(_Decision):
    """The call gives ``value``, ``after`` so many virtual seconds; the step itself does not run."""

    value: Any = None
    after: float = 0.0


@dataclass(frozen=True, slots=True, repr=False)
class Runs(_Decision):
    """What stands for the step runs, its stub or else the step itself, ``after`` so many virtual seconds."""

    after: float = 0.0


@dataclass(frozen=True, slots=True, repr=False)
class Fails(_Decision):
    """The call fails with a declared ``error``, which is raised if it is an exception of the step's ``raises=``.

    With ``late`` what stands for the step runs before, so that what it did is done although the call failed.
    """

    error: Any
    after: float = 0.0
    late: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Breaks(_Decision):
    """The call raises an ``exception`` that nobody declared: a defect; for ``late`` see :class:`Fails`."""

    exception: Exception
    after: float = 0.0
    late: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Hangs(_Decision):
    """The call never ends, unless it is cancelled."""


Decision: TypeAlias = Returns | Runs | Fails | Breaks | Hangs


@dataclass(frozen=True, slots=True)
class Decided:
    """In a history: what the world decided for the ``number``-th call of ``step`` at ``path``, about to be made."""

    path: str
    number: int
    time: float
    step: str
    decision: Decision


Happening: TypeAlias = Event | Decided
"""What a history consists of."""
