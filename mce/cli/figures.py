"""``--costs F`` and ``--durations F``: seconds and costs by step, from a file of them or from the trace of a run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mce.cli.exits import WrongCall, complain
from mce.durations import Estimates, durations_from_json, durations_from_trace
from mce.graph.ir import Graph

__all__ = ["note_unknown_steps", "read_estimates", "read_figures"]


def read_figures(file: Path | None, graph: Graph) -> Estimates | None:
    """Read the figures of ``--costs``; steps that the graph does not have are named on stderr."""
    if file is None:
        return None
    figures = read_estimates("--costs", file)
    known = {node.label for node in graph.nodes if node.kind == "step"}
    note_unknown_steps(file, [name for name in figures if name not in known])
    return figures


def read_estimates(option: str, file: Path) -> Estimates:
    """Read the figures by step that ``option`` names a ``file`` of; its ending says what it holds."""
    if file.suffix == ".jsonl":
        return durations_from_trace(file)
    if file.suffix == ".json":
        return durations_from_json(file)
    raise WrongCall(f"{option} {file}: a trace ends in .jsonl, figures by step name in .json")


def note_unknown_steps(file: Path, names: Iterable[str]) -> None:
    """Say on stderr which ``names`` in ``file`` are those of no step of the flow."""
    for name in names:
        complain(f"note: {file} tells of {name!r}, and this flow has no step of that name")
