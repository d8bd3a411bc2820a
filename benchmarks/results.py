"""Results as data: what was measured, where, and when; kept as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.measure import Measured

__all__ = ["Report", "Row", "merge", "read", "versions_of", "write"]


@dataclass(frozen=True)
class Row:
    """One comparison at one size; ``problem`` says why there is none."""

    workload: str
    subject: str
    baseline: str
    size: int
    target: float | None = None
    measured: Measured | None = None
    problem: str = ""
    group: str = ""
    """The part of the page that it stands in; the first if empty."""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None or self.measured is None:
            return None
        return self.measured.ratio <= self.target


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


@dataclass(frozen=True)
class Report:
    """Rows and what they were measured with."""

    rows: list[Row]
    date: str = field(default_factory=_today)
    python: str = field(default_factory=platform.python_version)
    machine: str = field(default_factory=lambda: f"{platform.system()} {platform.machine()}")
    versions: dict[str, str] = field(default_factory=dict)


def versions_of(names: Iterable[str]) -> dict[str, str]:
    """Give the installed releases of the named distributions."""
    return {name: version(name) for name in names}


def write(report: Report, path: Path) -> None:
    """Write ``report`` as JSON."""
    path.write_text(json.dumps(asdict(report), indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> Report:
    """Read what :func:`write` wrote."""
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Report(**{**data, "rows": [_row(each) for each in data["rows"]]})


def _row(data: dict[str, Any]) -> Row:
    found = data["measured"]
    if found is not None:
        found = Measured(**{**found, "quartiles": tuple(found["quartiles"]), "extremes": tuple(found["extremes"])})
    return Row(**{**data, "measured": found})


def merge(reports: Iterable[Report]) -> Report:
    """Give one report of several; a comparison that is in more than one is taken from the last."""
    found = [*reports]
    rows = {(row.workload, row.subject, row.baseline, row.size): row for report in found for row in report.rows}
    versions = {name: release for report in found for name, release in report.versions.items()}
    return Report([*rows.values()], found[-1].date, found[-1].python, found[-1].machine, versions)
