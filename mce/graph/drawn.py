"""Dags that were read from a file: names, edges, and the flow of them once there are steps for the names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from os import PathLike
from pathlib import Path
from typing import Any

from mce.combinators.dag_edges import from_edges
from mce.errors import InvalidGraph, brief
from mce.flow import Flow

__all__ = ["DrawnDag", "Source", "check_order", "text_of"]

Source = str | bytes | PathLike[str]
"""What is read: text, or where it is; text is told from a path by what every such text has in it."""


@dataclass(frozen=True, slots=True)
class DrawnDag:
    """Tasks by name, in the order in which they are named first, and ``edges`` ``(before, after)``, each once.

    ``labels`` are what is written on a task, or between two of them, if it is something else than the name.
    """

    name: str
    tasks: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    labels: Mapping[str, str]
    edge_labels: Mapping[tuple[str, str], str]

    def flow(self, make: Callable[[str], Flow[Any, Any, Any, Any]]) -> Flow[Any, dict[str, Any], Any, Any]:
        """Give the flow in which every task is the flow that ``make`` makes of its name; a dict of all values.

        A task is given the flow's own input if it is after none, else the value of the one it is after, or the tuple
        of several; see :meth:`mce.Dag.from_edges`.
        """
        return from_edges({name: make(name) for name in self.tasks}, self.edges)


def text_of(source: Source, is_text: Callable[[str], bool]) -> str:
    """Give the text of ``source``: itself where ``is_text``, else what is in the file of that name.

    Raises :class:`mce.InvalidGraph` for a file that cannot be read, or is no text.
    """
    try:
        text = source.decode("utf-8-sig") if isinstance(source, bytes) else source
        if isinstance(text, str) and is_text(text):
            return text
        if isinstance(source, bytes):
            return str(text)
        return Path(source).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise InvalidGraph(f"{_name(source)} is not text in UTF-8: byte {wrong.start}") from None
    except (OSError, ValueError) as wrong:
        reason = getattr(wrong, "strerror", None) or str(wrong)
        raise InvalidGraph(f"{_name(source)} is neither such a text nor a file: {reason}") from None


def _name(source: Source) -> str:
    return "the text" if isinstance(source, bytes) else brief(str(source), 60)


def check_order(tasks: Iterable[str], edges: Iterable[tuple[str, str]], *, what: str) -> None:
    """Raise :class:`mce.InvalidGraph` with a cycle, if there is one."""
    waits: dict[str, list[str]] = {task: [] for task in tasks}
    for before, after in edges:
        waits[after].append(before)
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as found:
        cycle = " -> ".join(found.args[1])
        raise InvalidGraph(f"{what} has a cycle, and a dag has none: {cycle[:_SHOWN]}") from None


_SHOWN = 300
