"""``mce simulate``: how long a flow takes, what it costs and how often it fails, before anything is spent."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mce.cli.exits import FAILED, OK, Broken, WrongCall, complain, drop, exits
from mce.cli.forecast import as_data, show_forecast
from mce.cli.plot import check_plot, draw_plot
from mce.cli.reading import read_input, read_state, read_text
from mce.cli.report import is_terminal
from mce.cli.target import load_flow
from mce.durations import Estimates, durations_from_json, durations_from_trace
from mce.flow import Flow
from mce.jsonable import dumps
from mce.testing.simulation import Simulation, unknown_steps
from mce.testing.simulation import simulate as simulate_runs

__all__ = ["PriorityName", "simulate"]


class PriorityName(StrEnum):
    """Who of those that wait for a worker goes first."""

    FIFO = "fifo"
    CRITICAL_PATH = "critical_path"


def simulate(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="package.module:name or path/to/file.py:name")],
    input_text: Annotated[
        str | None, typer.Option("--input", metavar="JSON", help="The flow's input; - reads it from standard input.")
    ] = None,
    input_file: Annotated[
        Path | None, typer.Option("--input-file", metavar="F", help="A file that holds the input as JSON.")
    ] = None,
    state_text: Annotated[
        str | None, typer.Option("--state", metavar="JSON", help="The state to start in; else its class's defaults.")
    ] = None,
    durations: Annotated[
        Path | None,
        typer.Option(
            metavar="F", help="How long steps take: a trace (.jsonl) of mce run, or durations by step name (.json)."
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
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
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
        estimates = _estimates(durations)
        for name in unknown_steps(flow, estimates):
            complain(f"note: {durations} tells of {name!r}, and this flow has no step of that name")
        options = {
            "runs": runs,
            "seed": seed,
            "durations": estimates,
            "workers": workers,
            "resources": _resources(resource or []),
            "priority": priority.value,
            "real": real,
        }
        found = _simulated(flow, value, state, options, quiet)
        if plot is not None:
            draw_plot(found, target, plot)
        _show(found, target, as_json)
    raise typer.Exit(OK if found.failed < found.runs else FAILED)


def _simulated(
    flow: Flow[Any, Any, Any, Any], value: Any, state: Any, options: dict[str, Any], quiet: bool
) -> Simulation:
    with redirect_stdout(sys.stderr), _nothing_left(), _progress(options["runs"], quiet) as tell:
        try:
            return simulate_runs(flow, value, state=state, progress=tell, **options)
        except SystemExit as left:
            raise Broken(f"failed: a step ended the process, sys.exit({left.code!r})") from None


def _estimates(file: Path | None) -> Estimates:
    if file is None:
        return Estimates({})
    if file.suffix == ".jsonl":
        return durations_from_trace(file)
    if file.suffix == ".json":
        return durations_from_json(file)
    raise WrongCall(f"--durations {file}: a trace ends in .jsonl, durations by step name in .json")


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
def _nothing_left() -> Iterator[None]:
    """Let Hypothesis, which makes up values, keep its files elsewhere than in the current folder."""
    if _STORAGE in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="mce-") as folder:
        os.environ[_STORAGE] = folder
        try:
            yield
        finally:
            del os.environ[_STORAGE]


_STORAGE = "HYPOTHESIS_STORAGE_DIRECTORY"


@contextmanager
def _progress(runs: int, quiet: bool) -> Iterator[Callable[[int], object]]:
    """Show a bar in a terminal, taken away at the end."""
    console = Console(file=sys.stderr)
    if quiet or not is_terminal(console):
        yield lambda done: None
        return
    columns = TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task("runs", total=runs)
        yield lambda done: bar.update(task, completed=done)


def _show(found: Simulation, target: str, as_json: bool) -> None:
    console = Console(file=sys.stdout)
    if as_json:
        text = f"{dumps(as_data(found), indent=2 if is_terminal(console) else None)}\n"
    else:
        with console.capture() as shown:  # rich itself exits when nobody reads what it writes
            show_forecast(console, found, target)
        text = shown.get()
    try:
        console.file.write(text)
        console.file.flush()
    except BrokenPipeError:
        raise
    except OSError as wrong:
        drop(sys.stdout)
        raise Broken(f"the result cannot be written: {wrong.strerror}") from None
