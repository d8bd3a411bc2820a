"""A plot of ratios, in SVG and by hand: a dot and its spread on a logarithmic scale need no library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from benchmarks.measure import Measured
from benchmarks.results import Row

__all__ = ["draw"]

LEFT, RIGHT, LINE, TOP = 330, 60, 20, 34
WIDTH = 900

STYLE = """
text { font: 12px sans-serif; fill: #555 }
.grid { stroke: #8884 } .one { stroke: #888 }
.spread { stroke: #3b75af; stroke-width: 2 }
.mce { fill: #3b75af } .other { fill: #c66 } .target { stroke: #2a2; stroke-width: 2 }
"""


def draw(rows: Sequence[Row]) -> str:
    """Give an SVG with a line for the largest size of each comparison: the median, its quartiles, the target."""
    largest = {(row.workload, row.subject): row for row in sorted(rows, key=lambda row: row.size) if row.measured}
    shown = [row for row in rows if largest.get((row.workload, row.subject)) is row]
    scale = _Scale([value for row in shown for value in _values(row)])
    height = TOP + LINE * len(shown) + 10
    body = [*_grid(scale, height), *(part for at, row in enumerate(shown) for part in _line(row, at, scale))]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="Ratios to the baseline">\n<style>{STYLE}</style>\n' + "\n".join(body) + "\n</svg>\n"
    )


class _Scale:
    """A logarithmic scale from the power of ten below the least value to the one above the greatest."""

    def __init__(self, values: Sequence[float]) -> None:
        logs = [math.log10(max(value, 1e-3)) for value in [*values, 1.0]]
        self.low, self.high = math.floor(min(logs)), max(math.ceil(max(logs)), 1)

    def place(self, value: float) -> float:
        share = (math.log10(max(value, 1e-3)) - self.low) / (self.high - self.low)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _values(row: Row) -> list[float]:
    measured = _measured(row)
    return [*measured.quartiles, *([] if row.target is None else [row.target])]


def _measured(row: Row) -> Measured:
    assert row.measured is not None, f"{row.workload} was not measured"
    return row.measured


def _grid(scale: _Scale, height: int) -> list[str]:
    parts = []
    for power in range(scale.low, scale.high + 1):
        x = scale.place(10.0**power)
        kind = "one" if power == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{x}" x2="{x}" y1="{TOP - 10}" y2="{height}"/>')
        parts.append(f'<text x="{x}" y="14" text-anchor="middle">{10.0**power:,.9g}</text>')
    return parts


def _line(row: Row, at: int, scale: _Scale) -> list[str]:
    y, found = TOP + LINE * at + LINE // 2, _measured(row)
    low, high = map(scale.place, found.quartiles)
    who = "" if row.subject == "mce" else f"{row.subject}: "
    parts = [
        f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{escape(f"{who}{row.workload}, {row.size:,}")}</text>',
        f'<line class="spread" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>',
        f'<circle class="{"mce" if row.subject == "mce" else "other"}" cx="{scale.place(found.ratio)}" cy="{y}" r="4">'
        f"<title>{found.ratio:.2f}</title></circle>",
    ]
    if row.target is not None:
        x = scale.place(row.target)
        parts.append(f'<line class="target" x1="{x}" x2="{x}" y1="{y - 6}" y2="{y + 6}"/>')
    return parts
