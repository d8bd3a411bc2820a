"""What is said of a simulation: percentiles, how runs failed, what the steps did, a histogram; as JSON too."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mce.testing.simulation import Measure, Simulation

__all__ = ["PERCENTILES", "as_data", "show_forecast"]

PERCENTILES = (50, 90, 95, 99)
_MEASURES: tuple[Measure, ...] = ("seconds", "calls", "cost")
_BARS = 40
_STEPS = 20
_WAYS = 10


def as_data(found: Simulation) -> dict[str, Any]:
    """Give a simulation as JSON data: ``runs``, ``failed``, the figures of each measure, ``failures`` and ``steps``."""
    return {
        "runs": found.runs,
        "failed": found.failed,
        "failure_rate": found.failure_rate,
        **{measure: _figures(found, measure) for measure in _MEASURES},
        "failures": [
            {"step": way.step, "error": way.error, "runs": way.runs, "example": way.example} for way in found.failures
        ],
        "steps": [
            {"step": share.step, "calls": share.calls, "failed": share.failed, "seconds": share.seconds}
            for share in found.steps
        ],
    }


def _figures(found: Simulation, measure: Measure) -> dict[str, float]:
    percentiles = {f"p{q}": found.percentile(q, measure) for q in PERCENTILES}
    return {
        "mean": found.mean(measure),
        "min": found.percentile(0, measure),
        **percentiles,
        "max": found.percentile(100, measure),
    }


def show_forecast(console: Console, found: Simulation, title: str) -> None:
    """Write a simulation as tables and bars, in the width of the ``console``."""
    console.print(Text(f"{found.runs} simulated runs of {title}"))
    console.print(_percentiles(found))
    _show_failures(console, found)
    console.print(_steps(found))
    _show_histogram(console, found)


def _percentiles(found: Simulation) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in _figures(found, "seconds"):
        table.add_column(name, justify="right")
    for measure in _MEASURES:
        if measure != "cost" or any(found.cost):
            table.add_row(measure, *map(_number, _figures(found, measure).values()))
    return table


def _show_failures(console: Console, found: Simulation) -> None:
    console.print(Text(f"failed: {found.failure_rate:.2%} ({found.failed} of {found.runs})"))
    for way in found.failures[:_WAYS]:
        where = f" at {way.step}" if way.step else ""
        console.print(Text(f"  {way.runs:>6}  {way.error}{where}"))
        if way.example:
            console.print(Text("\n".join(f"          {line}" for line in way.example.splitlines())))
    if len(found.failures) > _WAYS:
        console.print(Text(f"  and in {len(found.failures) - _WAYS} other ways"))


def _steps(found: Simulation) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("step", "calls a run", "seconds a call", "failed"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for share in found.steps[:_STEPS]:
        mean = share.seconds / share.calls
        failed = f"{share.failed / share.calls:.1%}" if share.failed else ""
        table.add_row(Text(share.step), _number(share.calls / found.runs), _number(mean), failed)
    if len(found.steps) > _STEPS:
        table.add_row(f"and {len(found.steps) - _STEPS} more", "", "", "")
    return table


def _show_histogram(console: Console, found: Simulation) -> None:
    """Draw how many runs took how long, a line an interval."""
    bins = found.histogram()
    most = max(count for _, _, count in bins)
    block = "█" if console.encoding.startswith("utf") else "#"
    ends = [_number(end) for _, end, _ in bins]
    width = max(map(len, ends))
    console.print(Text("seconds up to"))
    for end, (_, _, count) in zip(ends, bins, strict=True):
        bar = block * max(round(_BARS * count / most), 1 if count else 0)
        console.print(Text(f"{end:>{width}} {bar} {count}" if count else f"{end:>{width}}"))


def _number(value: float) -> str:
    """Write a figure with four digits that matter, and none that do not."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
