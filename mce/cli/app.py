"""The commands of ``mce``, put together; each is a function in a module of its own."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from mce.cli.check import check_command
from mce.cli.diff import diff_command
from mce.cli.explain import explain_command
from mce.cli.fuzz import fuzz
from mce.cli.graph import graph_command
from mce.cli.run import run
from mce.cli.simulate import simulate

__all__ = ["app"]

app = typer.Typer(
    name="mce",
    help="Run flows of mce: typed agent steps, composed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run)
app.command("graph")(graph_command)
app.command("check")(check_command)
app.command("explain")(explain_command)
app.command("diff")(diff_command)
app.command("simulate")(simulate)
app.command("fuzz")(fuzz)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mce {_version()}")
        raise typer.Exit


def _version() -> str:
    try:
        return version("mce-agents")
    except PackageNotFoundError:  # run from a source tree
        return "(not installed)"


@app.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Hold the options that belong to no command."""
