"""What fuzzing a flow came to, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mce.flow import Flow
from mce.testing.fuzz_stage import Ran, Trial

__all__ = ["Coverage", "Finding", "FuzzReport"]


@dataclass(frozen=True)
class Coverage:
    """What was reached of a flow's graph: ``reached`` of ``all``, and the names of the ``missed``."""

    reached: int
    all: int
    missed: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a flow: its ``kind``, where, what there is to say, and the smallest ``trial``."""

    kind: str
    place: str
    message: str
    trial: Trial = field(repr=False)
    ran: Ran = field(repr=False)

    @property
    def events(self) -> int:
        """How many decisions it takes: answers of calls, a cancellation, turns out of order."""
        return len(self.trial.calls) + (self.trial.cut is not None) + sum(1 for index in self.trial.order if index)


@dataclass(frozen=True)
class FuzzReport:
    """What fuzzing a flow came to: the ``findings``, how many ``runs`` it took, and what was reached.

    ``as_they_are`` are the steps that ran, ``made_up`` those whose answers were made up.
    """

    flow: Flow[Any, Any, Any, Any] = field(repr=False)
    findings: tuple[Finding, ...]
    runs: int
    steps: Coverage
    branches: Coverage
    failures: Coverage
    as_they_are: tuple[str, ...]
    made_up: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings
