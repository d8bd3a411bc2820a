"""Tasks for Dask, gathered so that they are submitted together.

Keys are tuples, of the name of what runs and the run, and a number, so that all tasks of a step are one group with one
prefix on the scheduler and its dashboard; the path is an annotation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from dask._task_spec import Task, TaskRef
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

__all__ = ["Key", "Needs", "Sheet"]

Key: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Needs:
    """Where a task may run, and how soon: what ``resources`` of a worker it takes, which ``workers``, its priority."""

    resources: tuple[tuple[str, float], ...] = ()
    workers: tuple[str, ...] = ()
    priority: int = 0

    def annotations(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.resources:
            found["resources"] = dict(self.resources)
        if self.workers:
            found |= {"workers": list(self.workers), "allow_other_workers": False}
        if self.priority:
            found["priority"] = self.priority
        return found


class _Paths:
    """Gives the path of a task by its key; called by Dask for the annotation of each."""

    def __init__(self) -> None:
        self.known: dict[Key, str] = {}

    def __call__(self, key: Key) -> str:
        return self.known[key]


@dataclass(slots=True)
class _Layer:
    tasks: dict[Key, Task] = field(default_factory=dict)
    paths: _Paths = field(default_factory=_Paths)


class Sheet:
    """Tasks of one run that have not been submitted yet; ``token`` tells its keys from those of other runs."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.count = 0
        self.layers: dict[Needs, _Layer] = {}

    def key(self, name: str) -> Key:
        """Give a key that is new."""
        self.count += 1
        return (f"{_plain(name)}-{self.token}", self.count)

    def add(
        self,
        name: str,
        path: str,
        function: Callable[..., Any],
        *given: Any,
        needs: Needs,
    ) -> Key:
        """Add ``function(*given)``, in which keys stand for what their tasks give, and give its key."""
        key = self.key(name)
        layer = self.layers.setdefault(needs, _Layer())
        layer.tasks[key] = Task(key, function, *(TaskRef(one) if type(one) is tuple else one for one in given))
        layer.paths.known[key] = path
        return key

    def take(self) -> HighLevelGraph | None:
        """Give the graph of what was added, and begin anew; ``None`` if that is nothing."""
        layers, self.layers = self.layers, {}
        if not layers:
            return None
        named: Mapping[str, Any] = {
            f"{self.token}-{number}": MaterializedLayer(
                layer.tasks, annotations={"path": layer.paths, **needs.annotations()}
            )
            for number, (needs, layer) in enumerate(layers.items())
        }
        everything = set(named)
        return HighLevelGraph(named, {name: everything - {name} for name in named})


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name) or "flow"
