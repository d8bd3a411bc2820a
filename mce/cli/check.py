"""``mce check``: what is wrong with a flow, or may be, and what it may call, before it runs."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from mce.cli.exits import FAILED, OK, exits
from mce.cli.figures import read_figures
from mce.cli.options import FlowArgument
from mce.cli.target import load_flow
from mce.graph.cost import Estimate, estimate
from mce.graph.effects import Possible, count_calls, places_of, possible_calls
from mce.graph.finding import Finding
from mce.graph.findings import check_lowered
from mce.graph.ir import Graph
from mce.graph.lower import lower
from mce.jsonable import dumps

__all__ = ["Target", "check_command"]


class Target(StrEnum):
    """The backends that ask for more than being run here."""

    DASK = "dask"


def check_command(
    target: FlowArgument,
    may_call: Annotated[
        bool, typer.Option("--may-call", help="List which steps may be called at all, and which surely are.")
    ] = False,
    deny: Annotated[
        list[str] | None,
        typer.Option(metavar="STEP", help="Fail if this step, a name or module:function, may be called."),
    ] = None,
    costs: Annotated[
        Path | None,
        typer.Option(
            metavar="F", help="Seconds and cost by step (.json), or a trace of mce run (.jsonl): show bounds."
        ),
    ] = None,
    backend: Annotated[Target | None, typer.Option(help="Check for this backend as well.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write all to stdout as one JSON object.")] = False,
) -> None:
    """Check the flow TARGET without running it: findings with their place, their fix and the page that explains them.

    Exit status: 0 nothing worse than warnings, 1 errors, or a denied step may be called, 2 a wrong call.

    Example: mce check examples/research_agent.py:agent --may-call --deny send_mail
    """
    with exits("mce check"):
        with redirect_stdout(sys.stderr):
            flow = load_flow(target)
            lowered = lower(flow.node, name=target)
            findings = check_lowered(lowered, backend=backend)
        graph = lowered.graph
        refusals = [found for step in deny or [] for found in _refusals(graph, step)]
        figures = read_figures(costs, graph)
        bounds = None if figures is None else estimate(graph, figures)
        if as_json:
            print(dumps(_as_data(graph, findings, refusals, bounds)))
        else:
            _show(Console(file=sys.stdout, highlight=False), graph, findings, refusals, may_call, bounds)
    raise typer.Exit(FAILED if refusals or any(found.severity == "error" for found in findings) else OK)


def _refusals(graph: Graph, step: str) -> list[str]:
    """Say why it cannot be said that ``step`` is never called."""
    places = places_of(graph, step)
    if places:
        return [f"{step} may be called, at {', '.join(places[:5])}{', ...' if len(places) > 5 else ''}"]
    return [
        f"{step} may be called: dynamic region at {place} may call anything" for place in possible_calls(graph).opaque
    ]


# -- shown ------------------------------------------------------------------------------------------------------------

_STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def _show(
    console: Console,
    graph: Graph,
    findings: tuple[Finding, ...],
    refusals: list[str],
    may_call: bool,
    bounds: Estimate | None,
) -> None:
    for found in findings:
        _show_finding(console, found)
    if may_call:
        _show_calls(console, graph)
    if bounds is not None:
        _show_bounds(console, bounds)
    for refusal in refusals:
        _line(console, Text.assemble(("denied", "bold red"), f" {refusal}"))
    _line(console, Text(_summary(findings)))


def _line(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)


def _show_finding(console: Console, found: Finding) -> None:
    head = (f"{found.severity} {found.code}", _STYLES[found.severity])
    _line(console, Text.assemble(head, " at ", (found.place, "bold"), f": {found.message}"))
    _line(console, Text(f"  fix: {found.fix}"))
    _line(console, Text(f"  see: {found.page}", style="dim"))


def _show_calls(console: Console, graph: Graph) -> None:
    calls, possible = count_calls(graph), possible_calls(graph)
    width = max(map(len, calls), default=0)
    for name, found in calls.items():
        how = "surely called" if found.least else "may be called"
        times = "time" if str(found) == "1" else "times"
        _line(console, Text(f"{how}  {name:<{width}}  {found} {times}"))
    for place in possible.opaque:
        _line(console, Text(f"may call anything: dynamic region at {place}", style="yellow"))
    if not calls and possible.is_known:
        _line(console, Text("calls no step"))


def _show_bounds(console: Console, bounds: Estimate) -> None:
    for name in ("seconds", "work", "calls", "cost", "width"):
        _line(console, Text(f"{name:<8} {getattr(bounds, name)}"))
    if bounds.unknown:
        _line(console, Text(f"no figures, counted as 0 seconds: {', '.join(bounds.unknown)}"))


def _summary(findings: tuple[Finding, ...]) -> str:
    counts = {one: sum(found.severity == one for found in findings) for one in _STYLES}
    shown = [f"{count} {one}{'s' if count > 1 else ''}" for one, count in counts.items() if count]
    return ", ".join(shown) if shown else "nothing found"


# -- as data ----------------------------------------------------------------------------------------------------------


def _as_data(
    graph: Graph, findings: tuple[Finding, ...], refusals: list[str], bounds: Estimate | None
) -> dict[str, Any]:
    possible: Possible = possible_calls(graph)
    calls = {name: asdict(found) for name, found in count_calls(graph).items()}
    return {
        "findings": [{**asdict(found), "page": found.page} for found in findings],
        "may_call": sorted(possible.steps),
        "may_call_anything_at": list(possible.opaque),
        "surely_calls": sorted(name for name, found in calls.items() if found["least"]),
        "calls": calls,
        "denied": refusals,
        **({} if bounds is None else {"bounds": asdict(bounds)}),
    }
