"""``mce explain``: a flow in words."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from mce.cli.exits import exits
from mce.cli.figures import read_figures
from mce.cli.options import FlowArgument
from mce.cli.target import load_flow
from mce.graph.explain import explanation

__all__ = ["explain_command"]


def explain_command(
    target: FlowArgument,
    costs: Annotated[
        Path | None,
        typer.Option(metavar="F", help="Seconds and cost by step (.json), or a trace of mce run (.jsonl)."),
    ] = None,
) -> None:
    """Say in words what the flow TARGET takes and gives, what it may call, how long it takes, and how to rewrite it.

    Nothing is run. Exit status: 0, or 2 for a wrong call.

    Example: mce explain examples/research_agent.py:agent --costs costs.json
    """
    with exits("mce explain"):
        with redirect_stdout(sys.stderr):
            flow = load_flow(target)
            said = explanation(flow, read_figures(costs, flow.graph()))
        console = Console(file=sys.stdout, highlight=False)
        console.print(Text(target, style="bold"), soft_wrap=True)
        for line in said.lines():
            console.print(Text(line), soft_wrap=True)
