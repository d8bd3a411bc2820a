"""``mce simulate``: how long a flow takes, what it costs and how often it fails, before anything is spent."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import TimeRemainingColumn

from mce.cli.exits import FAILED, OK, WrongCall, calling_steps, complain, exits, writing_result
from mce.cli.figures import note_unknown_steps, read_estimates
from mce.cli.forecast import as_data, show_forecast
from mce.cli.options import FlowArgument, InputFileOption, InputOption, NoProgressOption, StateOption
from mce.cli.plot import check_plot, draw_plot
from mce.cli.reading import read_input, read_state, read_text
from mce.cli.report import is_terminal
from mce.cli.target import load_flow
from mce.cli.trials import nothing_left, progress_bar
from mce.durations import Estimates
from mce.flow import Flow
from mce.jsonable import dumps
from mce.testing.simulation import Simulation, unknown_steps
from mce.testing.simulation import simulate as simulate_runs

__all__ = ["PriorityName", "simulate"]

_TIMELESS = "note: without --durations F, a trace (.jsonl) or seconds by step (.json), every step but a sleep takes 0 s"


class PriorityName(StrEnum):
    """Who of those that wait for a worker goes first."""

    FIFO = "fifo"
    CRITICAL_PATH = "critical_path"


def simulate(
    target: FlowArgument,
    input_text: InputOption = None,
    input_file: InputFileOption = None,
    state_text: StateOption = None,
    durations: Annotated[
        Path | None,
        typer.Option(
            metavar="F",
            help="How long steps take: a trace (.jsonl) of mce run, or durations by step name (.json); else 0 s.",
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="How many steps can be busy at once; else any.")] = None,
    resource: Annotated[
        list[str] | None, typer.Option(metavar="NAME=N", help="How much there is of a resource that steps declare.")
    ] = None,
    priority: Annotated[
        PriorityName, typer.Option(help="Who goes first: who came first, or who has the longest way to the end.")
    ] = PriorityName.FIFO,
    runs: Annotated[int, typer.Option(min=1, help="How many runs to simulate.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same runs.")] = 0,
    real: Annotated[
        bool, typer.Option("--real", help="Call the steps, in simulated time, instead of making up.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="F.svg|F.png|F.html", help="Draw how long the runs took to this file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the figures to stdout as one JSON object.")] = False,
    quiet: NoProgressOption = False,
) -> None:
    """Simulate many runs of the flow TARGET and print how long they took, what they cost and how often they failed.

    No step is called, unless with --real: a call takes a duration, fails as often as recorded, and gives a value made
    up from its return annotation.

    Exit status: 0 some run succeeded, 1 none did, 2 a wrong call, 130 interrupted.

    Example: mce simulate agent.py:agent --input '"hello"' --workers 8 --durations trace.jsonl
    """
    with exits("mce simulate"):
        if plot is not None:
            check_plot(plot)
        with redirect_stdout(sys.stderr):
            flow = load_flow(target)
        value = read_input(flow.node, read_text("--input", input_text, input_file))
        state = read_state(flow.node, read_text("--state", state_text, None))
        estimates = _estimates(flow, durations)
        options = {
            "runs": runs,
            "seed": seed,
            "durations": estimates,
            "workers": workers,
            "resources": _resources(resource or []),
            "priority": priority.value,
            "real": real,
        }
        if durations is None and not real:
            complain(_TIMELESS)
        found = _simulated(flow, value, state, options, quiet)
        if plot is not None:
            draw_plot(found, target, plot)
        _show(found, target, as_json)
    raise typer.Exit(OK if found.failed < found.runs else FAILED)


def _simulated(
    flow: Flow[Any, Any, Any, Any], value: Any, state: Any, options: dict[str, Any], quiet: bool
) -> Simulation:
    with redirect_stdout(sys.stderr), nothing_left(), _progress(options["runs"], quiet) as tell, calling_steps():
        return simulate_runs(flow, value, state=state, progress=tell, **options)


def _estimates(flow: Flow[Any, Any, Any, Any], file: Path | None) -> Estimates:
    if file is None:
        return Estimates({})
    found = read_estimates("--durations", file)
    note_unknown_steps(file, unknown_steps(flow, found))
    return found


def _resources(given: list[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for text in given:
        name, equals, amount = text.partition("=")
        try:
            found[name] = float(amount)
        except ValueError:
            equals = ""
        if not name or not equals:
            raise WrongCall(f"--resource {text!r}: say NAME=N, as in --resource GPU=2")
    return found


@contextmanager
def _progress(runs: int, quiet: bool) -> Iterator[Callable[[int], object]]:
    """Show a bar in a terminal, taken away at the end."""
    console = Console(file=sys.stderr)
    if quiet or not is_terminal(console):
        yield lambda done: None
        return
    with progress_bar(console, "simulating", runs, TimeRemainingColumn()) as tell:
        yield tell


def _show(found: Simulation, target: str, as_json: bool) -> None:
    console = Console(file=sys.stdout)
    if as_json:
        text = f"{dumps(as_data(found), indent=2 if is_terminal(console) else None)}\n"
    else:
        with console.capture() as shown:  # rich itself exits when nobody reads what it writes
            show_forecast(console, found, target)
        text = shown.get()
    with writing_result():
        console.file.write(text)
        console.file.flush()
