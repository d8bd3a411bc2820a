"""``--costs F``: seconds and costs by step, from a file of them or from the trace of a run."""

from __future__ import annotations

from pathlib import Path

from mce.cli.exits import WrongCall, complain
from mce.durations import Estimates, durations_from_json, durations_from_trace
from mce.graph.ir import Graph

__all__ = ["read_figures"]


def read_figures(file: Path | None, graph: Graph) -> Estimates | None:
    """Read the figures of ``--costs``; steps that the graph does not have are named on stderr."""
    if file is None:
        return None
    if file.suffix not in (".json", ".jsonl"):
        raise WrongCall(f"--costs {file}: figures by step end in .json, a trace of mce run in .jsonl")
    figures = durations_from_trace(file) if file.suffix == ".jsonl" else durations_from_json(file)
    known = {node.label for node in graph.nodes if node.kind == "step"}
    for name in figures:
        if name not in known:
            complain(f"note: {file} tells of {name!r}, and this flow has no step of that name")
    return figures
