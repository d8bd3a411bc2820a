"""``--plot``: how long the simulated runs took, as a picture; drawn by matplotlib, the extra ``plot``."""

from __future__ import annotations

import html
import io
from pathlib import Path
from typing import Any

from mce.cli.exits import Broken, WrongCall
from mce.cli.forecast import PERCENTILES
from mce.testing.simulation import Simulation

__all__ = ["check_plot", "draw_plot"]

_KINDS = (".svg", ".png", ".html")


def check_plot(path: Path) -> None:
    """Raise ``WrongCall`` if a plot cannot be drawn to ``path``, before anything is simulated."""
    if path.suffix not in _KINDS:
        raise WrongCall(f"--plot {path}: the file's name ends in {', '.join(_KINDS)}")
    if not path.parent.is_dir():
        raise WrongCall(f"--plot {path}: there is no folder {path.parent}")
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError:
        raise WrongCall("--plot needs matplotlib: pip install 'mce-agents[plot]'") from None


def draw_plot(found: Simulation, title: str, path: Path) -> None:
    """Draw a histogram of the seconds with its percentiles, and the share of runs that are done by a time."""
    data = _png(found, title) if path.suffix == ".png" else _svg(found, title)
    try:
        path.write_bytes(_page(title, data.decode()).encode() if path.suffix == ".html" else data)
    except OSError as wrong:
        raise Broken(f"--plot {path} cannot be written: {wrong.strerror}") from None


def _png(found: Simulation, title: str) -> bytes:
    picture = io.BytesIO()
    _figure(found, title).savefig(picture, format="png")
    return picture.getvalue()


def _svg(found: Simulation, title: str) -> bytes:
    """Draw without the date and with fixed ids: equal simulations give equal pictures."""
    import matplotlib

    picture = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "mce"}):
        _figure(found, title).savefig(picture, format="svg", metadata={"Date": None})
    return picture.getvalue()


def _figure(found: Simulation, title: str) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    failed = f", {found.failure_rate:.2%} failed" if found.failed else ""
    above.set_title(f"{title}: {found.runs} simulated runs{failed}", pad=14)
    above.hist(found.seconds, bins=min(60, max(1, found.runs // 5)), color="#4878a8")
    above.set_ylabel("runs")
    ordered = sorted(found.seconds)
    below.step(ordered, [100 * (at + 1) / len(ordered) for at in range(len(ordered))], where="post", color="#4878a8")
    below.set_ylabel("done, %")
    below.set_xlabel("seconds")
    for q in PERCENTILES:
        seconds = found.percentile(q)
        above.axvline(seconds, color="#a04040", linewidth=0.8)
        below.axvline(seconds, color="#a04040", linewidth=0.8)
        above.annotate(f"p{q}", (seconds, 1), xycoords=("data", "axes fraction"), fontsize=8, color="#a04040")
    return figure


def _page(title: str, svg: str) -> str:
    drawing = svg[svg.index("<svg") :]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title></head>\n'
        f"<body>\n{drawing}</body></html>\n"
    )
