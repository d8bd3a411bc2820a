"""``mce run``: run a flow, show it while it runs, and say how it ended."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, redirect_stdout, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Protocol

import anyio
import typer
from rich.console import Console

from mce.backends.inline import InlineBackend
from mce.backends.local import LocalBackend
from mce.cli.cluster import (
    Cluster,
    SchedulerOption,
    TlsCa,
    TlsCert,
    TlsKey,
    WorkersOption,
    calling_cluster,
    opened,
)
from mce.cli.exits import FAILED, OK, WrongCall, calling_steps, complain, exits, writing_result
from mce.cli.lines import Lines
from mce.cli.live import LiveView
from mce.cli.options import FlowArgument, InputFileOption, InputOption, StateOption
from mce.cli.reading import read_input, read_state, read_text
from mce.cli.report import as_data, is_terminal, show_failure, show_value
from mce.cli.target import folder_of, load_flow
from mce.cli.trace import Trace
from mce.cli.webpage import Report, Server, Web
from mce.engine.protocol import Backend
from mce.engine.run import prepare, run_sync
from mce.errors import ClusterError
from mce.events import Event
from mce.flow import Flow
from mce.graph.trace import event_as_data
from mce.jsonable import dumps
from mce.outcome import Outcome

__all__ = ["BackendName", "run"]


class BackendName(StrEnum):
    """The backends that a run can be sent to from the command line."""

    INLINE = "inline"
    LOCAL = "local"
    DASK = "dask"


class Watcher(AbstractContextManager[Any], Protocol):
    """Is told the events of the run that happens while it is entered, and that it is to stop; it never raises."""

    def tell(self, event: Event) -> None: ...
    def stopping(self) -> None: ...


class Follower(AbstractContextManager[Any], Protocol):
    """Is told the events as lines of a trace, and last the outcome; ``problem`` says later what went wrong."""

    problem: str

    def write(self, line: dict[str, Any]) -> None: ...


def run(
    target: FlowArgument,
    input_text: InputOption = None,
    input_file: InputFileOption = None,
    state_text: StateOption = None,
    backend: Annotated[
        BackendName,
        typer.Option(help="inline: one step after the other; local: concurrently; dask: in other processes."),
    ] = BackendName.LOCAL,
    scheduler: SchedulerOption = None,
    workers: WorkersOption = None,
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the outcome to stdout as one JSON object.")] = False,
    trace: Annotated[
        Path | None, typer.Option("--trace", metavar="F.jsonl", help="Write every event to this file, one a line.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="F.html", help="Write a page of the run, also of a failed one.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Serve that page to a browser on this machine while the flow runs.")
    ] = False,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The port for --live; else any free one.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show nothing while the flow runs.")] = False,
) -> None:
    """Run the flow TARGET and print its value.

    While it runs, a terminal shows the steps and a pipe gets a line an event, on stderr, where prints go too.

    Exit status: 0 success, 1 the flow failed, 2 a wrong call, 130 interrupted.

    Example: mce run examples/research_agent.py:agent --input '"How do I cancel a task group?"'
    """
    with exits("mce run"):
        with redirect_stdout(sys.stderr):
            flow = load_flow(target)
        value = read_input(flow.node, read_text("--input", input_text, input_file))
        state = read_state(flow.node, read_text("--state", state_text, None))
        if port is not None and not live:
            raise WrongCall("--port is for --live: say --live too")
        cluster = Cluster(scheduler, workers, tls_ca, tls_cert, tls_key)
        with _backend(backend, cluster, target) as where:
            web = Web(flow, target)
            start = where.now()
            followers: list[Follower] = [] if trace is None else [Trace(trace, start)]
            followers += [] if report is None else [Report(report, web)]
            followers += [Server(web, port or 0)] if live else []
            outcome = _run_watched(flow, value, state, where, _watcher(target, where, quiet), followers, start)
        _show(outcome, as_json)
    raise typer.Exit(OK if outcome.ok else FAILED)


def _backend(name: BackendName, cluster: Cluster, target: str) -> AbstractContextManager[Backend]:
    """Give what the flow is run by, to be entered and left around the run."""
    if name is BackendName.DASK:
        return opened(cluster, folder_of(target))
    if cluster.said:
        raise WrongCall(f"{', '.join(cluster.said)}: only --backend dask has a cluster")
    return nullcontext(InlineBackend() if name is BackendName.INLINE else LocalBackend())


def _watcher(title: str, backend: Backend, quiet: bool) -> Watcher:
    console = Console(file=sys.stderr)
    if quiet or not (is_terminal(console) and console.is_interactive):
        return Lines(sys.stderr, backend.now(), quiet=quiet)
    return LiveView(console, title, backend.now)


def _run_watched(
    flow: Flow[Any, Any, Any, Any],
    value: Any,
    state: Any,
    backend: Backend,
    watcher: Watcher,
    followers: list[Follower],
    start: float,
) -> Outcome[Any, Any, Any]:
    with ExitStack() as stack:
        for follower in followers:
            stack.enter_context(follower)

        def write(line: dict[str, Any]) -> None:
            for follower in followers:
                follower.write(line)

        def tell(event: Event) -> None:
            watcher.tell(event)
            if followers:
                write(event_as_data(event, start))

        options = {"backend": backend, "validate": True, "listener": tell}
        with calling_cluster(), calling_steps(), watcher:
            outcome = _run(flow, value, state, options, watcher.stopping)
        if followers:
            write({"kind": "outcome", **as_data(outcome)})
    for problem in [follower.problem for follower in followers if follower.problem]:
        complain(f"mce run: {problem}")
    return outcome


def _run(
    flow: Flow[Any, Any, Any, Any], value: Any, state: Any, options: dict[str, Any], stopping: Callable[[], None]
) -> Outcome[Any, Any, Any]:
    """Run to the end; on Ctrl-C say that it is ``stopping``, let finalisers end, and raise ``KeyboardInterrupt``."""
    if isinstance(options["backend"], InlineBackend):
        return run_sync(flow, value, state, **options)

    prepared = prepare(flow, value, state, **options)
    ended: list[Outcome[Any, Any, Any] | BaseException] = []

    async def work(done: anyio.Event) -> None:
        try:
            ended.append(await prepared.backend.run(prepared.run))
        except (KeyboardInterrupt, SystemExit) as left:  # a step raised it; asyncio would drop everything at once
            ended.append(left)
        except ClusterError as left:
            ended.append(left)
        done.set()

    async def main() -> None:
        # Ctrl-C cancels this task past all of anyio's shields; the run is in another, which is cancelled properly.
        async with anyio.create_task_group() as group:
            group.start_soon(work, done := anyio.Event())
            try:
                await done.wait()
            except anyio.get_cancelled_exc_class():
                stopping()
                raise

    anyio.run(main)
    if isinstance(ended[0], BaseException):
        raise ended[0]
    return ended[0]


def _show(outcome: Outcome[Any, Any, Any], as_json: bool) -> None:
    if not outcome.ok:
        with suppress(OSError, SystemExit):  # rich exits when nobody reads what it writes
            show_failure(Console(file=sys.stderr), outcome)
    with writing_result():
        _write_result(Console(file=sys.stdout), outcome, as_json)


def _write_result(console: Console, outcome: Outcome[Any, Any, Any], as_json: bool) -> None:
    if as_json:
        unicode = console.encoding.startswith("utf")
        text = dumps(as_data(outcome), indent=2 if is_terminal(console) else None, ascii_only=not unicode)
        console.file.write(f"{text}\n")
    elif outcome.ok:
        show_value(console, outcome.value)
    console.file.flush()
