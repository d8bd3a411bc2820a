"""``mce fuzz``: look for what is wrong with a flow, without a test, a model or a network."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import TimeElapsedColumn

from mce.cli.exits import FAILED, OK, WrongCall, calling_steps, complain, exits
from mce.cli.options import FlowArgument, NoProgressOption, StateOption
from mce.cli.reading import read_input, read_state, read_text
from mce.cli.report import is_terminal
from mce.cli.target import load_flow, load_object
from mce.cli.trials import nothing_left, progress_bar
from mce.flow import NO_INPUT, Flow
from mce.testing.answers import NoAnswer
from mce.testing.reproduce import literal
from mce.testing.timeline import timeline

if TYPE_CHECKING:
    from mce.testing.fuzz_report import Coverage, Finding, FuzzReport

__all__ = ["fuzz"]


def fuzz(
    target: FlowArgument,
    input_text: Annotated[
        str | None, typer.Option("--input", metavar="JSON", help="The flow's input; else it is drawn from its type.")
    ] = None,
    state_text: StateOption = None,
    examples: Annotated[int, typer.Option(min=1, help="How many worlds to try.")] = 300,
    seed: Annotated[int, typer.Option(help="The same seed tries the same.")] = 0,
    invariant: Annotated[
        str | None, typer.Option(metavar="MODULE:FUNCTION", help="What must hold of every state that is reached.")
    ] = None,
    real: Annotated[
        list[str] | None, typer.Option(metavar="STEP", help="A step to run as it is, whatever it does; repeatable.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="After how long nothing new is tried.")] = 40.0,
    output: Annotated[
        Path | None, typer.Option(metavar="F.py", help="Where the tests go; else test_fuzz_NAME.py, here.")
    ] = None,
    quiet: NoProgressOption = False,
) -> None:
    """Look for what is wrong with the flow TARGET, and save the smallest reproductions as tests.

    Steps that stay inside Python and the project run as they are, under faults; what others answer is made up.

    Exit status: 0 nothing was found, 1 something was, 2 a wrong call, 130 interrupted.

    Example: mce fuzz examples/research_agent.py:agent
    """
    with exits("mce fuzz"):
        with redirect_stdout(sys.stderr):
            flow = load_flow(target)
            predicate = None if invariant is None else _function(invariant)
        steps = tuple(real or ())
        options: dict[str, Any] = {
            "input": NO_INPUT if input_text is None else read_input(flow.node, read_text("--input", input_text, None)),
            "state": None if state_text is None else read_state(flow.node, read_text("--state", state_text, None)),
            "examples": examples,
            "seed": seed,
            "invariant": predicate,
            "real": steps,
            "seconds": seconds,
        }
        report = _fuzzed(flow, options, quiet)
        saved = None
        if report.findings:
            saved = output or Path(f"test_fuzz_{target.rpartition(':')[2].replace('.', '_')}.py")
            _save(saved, report, target, invariant, steps, seed)
        _show(report, target, saved)
    raise typer.Exit(OK if report.ok else FAILED)


def _function(place: str) -> Callable[[Any], object]:
    if ":" not in place:
        raise WrongCall(f"--invariant {place!r}: say module:function or path/to/file.py:function")
    found = load_object(place)
    if not callable(found) or isinstance(found, Flow):
        raise WrongCall(f"--invariant {place} is no function of the state")
    return found  # type: ignore[no-any-return]


def _fuzzed(flow: Flow[Any, Any, Any, Any], options: dict[str, Any], quiet: bool) -> FuzzReport:
    try:
        from mce.testing.fuzzing import fuzz as fuzz_flow
    except ModuleNotFoundError as missing:
        raise WrongCall(f"fuzzing needs {missing.name}: pip install 'mce-agents[testing]'") from None
    with redirect_stdout(sys.stderr), nothing_left(), _progress(options["examples"], quiet) as tell, calling_steps():
        try:
            return fuzz_flow(flow, progress=tell, **options)
        except NoAnswer as unknown:
            raise WrongCall(
                f"step {unknown.step!r} is not run, and no answer of it can be made up: its annotation "
                f"{unknown.annotation} {unknown.problem}; run it as it is: --real {unknown.step}"
            ) from None


@contextmanager
def _progress(examples: int, quiet: bool) -> Iterator[Callable[[int, int], object]]:
    """Show a bar in a terminal, taken away at the end; in a pipe a line now and then."""
    console = Console(file=sys.stderr)
    if quiet:
        yield lambda done, planned: None
        return
    if not is_terminal(console):
        every = max(1, examples // 4)
        yield lambda done, planned: complain(f"{done} of {planned} worlds tried") if done % every == 0 else None
        return
    with progress_bar(console, "fuzzing", examples, TimeElapsedColumn()) as tell:
        yield lambda done, planned: tell(done)


# -- what was found ----------------------------------------------------------------------------------------------------


def _save(file: Path, report: FuzzReport, target: str, invariant: str | None, real: tuple[str, ...], seed: int) -> None:
    from mce.testing.fuzz_file import written_tests

    module, folder = _importable(target, file)
    function = None if invariant is None else _importable(invariant, file)[0]
    text = written_tests(report, module, invariant=function, real=real, seed=seed, folder=folder)
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as wrong:
        raise WrongCall(f"--output {file} cannot be written: {wrong.strerror}") from None


def _importable(target: str, tests: Path) -> tuple[str, Path | None]:
    """Give ``target`` as ``module:name``, and from which folder it is imported if not from that of the tests."""
    place, _, name = target.rpartition(":")
    folder = Path(place).resolve().parent if place.endswith(".py") else Path.cwd()
    module = Path(place).stem if place.endswith(".py") else place
    here = tests.resolve().parent
    return f"{module}:{name}", None if folder == here else Path(os.path.relpath(folder, here))


def _show(report: FuzzReport, target: str, saved: Path | None) -> None:
    lines = [f"{target}: {report.runs} runs, {_counted(len(report.findings), 'finding')}"]
    for at, finding in enumerate(report.findings, 1):
        lines += ["", *_told(at, finding)]
    lines += ["", *_reached(report)]
    if saved is not None:
        lines += [f"the tests in {saved} fail until this is mended: pytest {saved}"]
    print("\n".join(lines), flush=True)


def _told(at: int, finding: Finding) -> list[str]:
    trial = finding.trial
    where = f" at {finding.place}" if finding.place and finding.place not in finding.message else ""
    lines = [f"{at}. {finding.kind}{where}: {finding.message}"]
    if trial.input is not NO_INPUT:
        lines.append(f"   with the input {literal(trial.input)}")
    lines += [f"   when {literal(key)}: {literal(made)}" for key, made in list(trial.calls.items())[:20]]
    if any(trial.order):
        lines.append(f"   in the order {list(trial.order)}")
    if trial.cut is not None:
        lines.append(f"   when it is cancelled before turn {trial.cut}")
    return [*lines, *[f"   {line}" for line in timeline(finding.ran).splitlines()]]


def _reached(report: FuzzReport) -> list[str]:
    def shown(name: str, found: Coverage) -> str:
        missed = (
            f" (not {', '.join(found.missed[:5])}{', ...' if len(found.missed) > 5 else ''})" if found.missed else ""
        )
        return f"{name} {found.reached} of {found.all}{missed}"

    parts = [("steps", report.steps), ("branches", report.branches), ("failing steps", report.failures)]
    lines = ["reached: " + ", ".join(shown(name, found) for name, found in parts if found.all)]
    lines += [f"run as they are: {', '.join(report.as_they_are)}"] if report.as_they_are else []
    lines += [f"made up: {', '.join(report.made_up)}"] if report.made_up else []
    return lines + [f"note: {note}" for note in report.notes]


def _counted(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"
