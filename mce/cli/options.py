"""The arguments and options that several commands take, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = ["FlowArgument", "InputFileOption", "InputOption", "NoProgressOption", "StateOption"]

FlowArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="TARGET", help="package.module:name or path/to/file.py:name")
]
InputOption: TypeAlias = Annotated[
    str | None, typer.Option("--input", metavar="JSON", help="The flow's input; - reads it from standard input.")
]
InputFileOption: TypeAlias = Annotated[
    Path | None, typer.Option("--input-file", metavar="F", help="A file that holds the input as JSON.")
]
StateOption: TypeAlias = Annotated[
    str | None, typer.Option("--state", metavar="JSON", help="The state to start in; else its class's defaults.")
]
NoProgressOption: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
