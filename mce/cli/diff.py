"""``mce diff``: what changed between two versions of a flow, and whether stored runs of the old one can be resumed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from mce.cli.exits import FAILED, OK, WrongCall, exits
from mce.cli.target import load_flow
from mce.errors import InvalidGraph
from mce.graph.diff import Difference, diff
from mce.graph.ir import Graph

__all__ = ["diff_command"]

_LISTED = 40


def diff_command(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The graph of the old version: a .json, or a target.")],
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="package.module:name, path/to/file.py:name, or a .json")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Write the difference to stdout as one JSON object.")] = False,
) -> None:
    """Say what changed from OLD to TARGET, and whether stored runs of OLD can be resumed.

    OLD is what mce graph TARGET -o OLD.json wrote when the runs were made.

    Exit status: 0 every stored run can be resumed, 1 some cannot, 2 a wrong call.

    Example: mce diff before.json examples/research_agent.py:agent
    """
    with exits("mce diff"):
        found = diff(_graph(old), _graph(target))
        if as_json:
            sys.stdout.write(f"{json.dumps(found.to_data())}\n")
        else:
            sys.stdout.writelines(f"{line}\n" for line in _lines(found))
        sys.stdout.flush()
    raise typer.Exit(OK if found.resumable else FAILED)


def _graph(named: str) -> Graph:
    """Read a graph from a file of JSON, or make that of a flow."""
    if not named.endswith(".json"):
        with redirect_stdout(sys.stderr):
            return load_flow(named).graph()
    try:
        text = Path(named).read_bytes()
    except OSError as wrong:
        raise WrongCall(f"{named} cannot be read: {wrong.strerror}") from None
    try:
        return Graph.from_json(text)
    except InvalidGraph as wrong:
        raise WrongCall(f"{named}: {wrong}") from None


def _lines(found: Difference) -> Iterable[str]:
    if found.is_empty:
        yield "no difference"
    yield from _section("added", found.added)
    yield from _section("removed", found.removed)
    yield from _section("moved", found.moved)
    yield from _section("changed", found.changed)
    if found.resumable:
        yield f"stored runs can be resumed: {len(found.kept)} steps keep their results"
    else:
        yield from _section("in the way of resuming a run that has passed it", found.obstacles)
        yield from _section("given something else now, so in the way as well", found.stale)
    yield from _section("what these become is not in a graph, so not compared", found.unseen)


def _section(title: str, entries: Iterable[object]) -> Iterable[str]:
    listed = list(entries)
    if listed:
        yield f"{title}:"
        yield from (f"  {entry}" for entry in listed[:_LISTED])
        if len(listed) > _LISTED:
            yield f"  and {len(listed) - _LISTED} more"
