"""``mce graph``: draw a flow, or write its graph as data."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from mce.cli.exits import WrongCall, exits
from mce.cli.target import load_flow
from mce.cli.webpage import read_run
from mce.graph.dot import to_dot
from mce.graph.ir import Graph, schema
from mce.graph.mermaid import to_mermaid
from mce.graph.overlay import overlay
from mce.graph.page import page
from mce.graph.render import draw
from mce.graph.text import to_text
from mce.graph.view import View, fold

__all__ = ["Writer", "graph_command", "load_graph", "writers"]

Writer: TypeAlias = Callable[[View], str | bytes]


def _page(view: View) -> str:
    return page(view.graph)


writers: dict[str, Writer] = {
    "txt": to_text,
    "dot": to_dot,
    "mmd": to_mermaid,
    "json": lambda view: view.graph.to_json(indent=2) + "\n",
    "svg": lambda view: draw(view, "svg"),
    "png": lambda view: draw(view, "png"),
    "pdf": lambda view: draw(view, "pdf"),
    "html": _page,
}
"""What makes a file's content of what is shown, by the file's ending."""


def graph_command(
    target: Annotated[
        str | None,
        typer.Argument(metavar="TARGET", help="package.module:name, path/to/file.py:name or a graph's .json"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to; its ending says what is written.")
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="What to write, instead of by the ending.")
    ] = None,
    depth: Annotated[int | None, typer.Option(min=0, help="How many levels of boxes are open.")] = None,
    focus: Annotated[
        str | None, typer.Option(metavar="PATH", help="Show what is in this region; fold what is around it.")
    ] = None,
    trace: Annotated[
        Path | None, typer.Option("--trace", metavar="F.jsonl", help="Lay the run over it that mce run --trace wrote.")
    ] = None,
    as_schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of a graph and exit.")] = False,
) -> None:
    """Draw the flow TARGET: as a tree of words on stdout, or into a file.

    Exit status: 0 done, 2 a wrong call.

    Example: mce graph examples/research_agent.py:agent -o agent.svg
    """
    with exits("mce graph"):
        if as_schema:
            sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
            return
        if target is None:
            raise WrongCall("say which flow: mce graph package.module:name")
        writer = _writer(output, form)
        if writer is _page and (depth is not None or focus is not None):
            raise WrongCall("--depth and --focus are for pictures: whoever reads a page folds it there")
        graph = load_graph(target)
        if trace is not None:
            run = read_run(trace, graph)
            if writer is _page:
                _write(page(graph, record=run), output)
                return
            graph = overlay(graph, run)
        _write(writer(fold(graph, depth=depth, focus=focus)), output)


def load_graph(target: str) -> Graph:
    """Give the graph of the flow that ``target`` names, or the one in a ``.json`` file."""
    if not target.endswith(".json"):
        with redirect_stdout(sys.stderr):
            flow = load_flow(target)
        return flow.graph(name=target.rpartition(":")[2])
    try:
        return Graph.from_json(Path(target).read_bytes())
    except OSError as wrong:
        raise WrongCall(f"the graph {target} cannot be read: {wrong.strerror}") from None


def _writer(output: Path | None, form: str | None) -> Writer:
    wanted = form or ("txt" if output is None else output.suffix.lower().removeprefix("."))
    if wanted not in writers:
        known = ", ".join(writers)
        if form is not None:
            raise WrongCall(f"--format {form!r} is none of {known}")
        raise WrongCall(f"{output} does not say what to write: its ending must be one of {known}; or say --format")
    return writers[wanted]


def _write(content: str | bytes, output: Path | None) -> None:
    data = content.encode() if isinstance(content, str) else content
    if output is None:
        sys.stdout.write(content) if isinstance(content, str) else sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    try:
        output.write_bytes(data)
    except OSError as wrong:
        raise WrongCall(f"{output} cannot be written: {wrong.strerror}") from None
