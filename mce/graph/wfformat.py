"""Workflows in WfFormat 1.5, the JSON of the WfCommons project, as dags: recorded runs of scientific workflows.

Read is what makes the dag and its times: tasks, what comes before what, and how long each ran. All else is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mce.combinators.clock import sleep
from mce.combinators.dag_edges import from_edges
from mce.errors import InvalidGraph
from mce.flow import Flow
from mce.graph.drawn import Source, check_order, text_of

__all__ = ["Workflow", "WorkflowTask", "read_wfformat"]


@dataclass(frozen=True, slots=True)
class WorkflowTask:
    """A task: ``id`` is its own, ``name`` may be that of many; ``seconds`` is how long it ran, if that was recorded."""

    id: str
    name: str
    parents: tuple[str, ...] = ()
    input_files: tuple[str, ...] = ()
    output_files: tuple[str, ...] = ()
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow: its ``tasks`` by id, in the order of the file; ``makespan`` is what was recorded of the whole run."""

    name: str
    tasks: Mapping[str, WorkflowTask]
    makespan: float | None = None

    @property
    def runtimes(self) -> dict[str, float]:
        """How many seconds each task ran, by id, of those of which it is recorded."""
        return {id: task.seconds for id, task in self.tasks.items() if task.seconds is not None}

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Pairs of ids, ``(before, after)``."""
        return tuple((parent, id) for id, task in self.tasks.items() for parent in task.parents)

    def flow(
        self, make: Callable[[WorkflowTask], Flow[Any, Any, Any, Any]] | None = None
    ) -> Flow[Any, dict[str, Any], Any, Any]:
        """Give the flow in which every task is the flow that ``make`` makes of it; its value is a dict by id.

        Without ``make`` a task sleeps for as long as it ran, so that a simulated run takes the critical path.
        """
        build = make or _sleeping
        return from_edges({id: build(task) for id, task in self.tasks.items()}, self.edges)


def _sleeping(task: WorkflowTask) -> Flow[Any, Any, Any, Any]:
    return sleep(task.seconds or 0.0)


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


_Id = Annotated[str, Field(min_length=1)]
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Task(_Read):
    id: _Id
    name: str
    parents: tuple[_Id, ...] | None = None
    children: tuple[_Id, ...] | None = None
    inputFiles: tuple[str, ...] = ()
    outputFiles: tuple[str, ...] = ()


class _Specification(_Read):
    tasks: tuple[_Task, ...]


class _Ran(_Read):
    id: _Id
    runtimeInSeconds: _Seconds


class _Execution(_Read):
    makespanInSeconds: _Seconds | None = None
    tasks: tuple[_Ran, ...] = ()


class _Body(_Read):
    specification: _Specification
    execution: _Execution | None = None


class _File(_Read):
    name: str = ""
    schemaVersion: Literal["1.5"]
    workflow: _Body


def read_wfformat(source: Source) -> Workflow:
    """Read a workflow from the text of a WfFormat 1.5 file, or from the file of that name; in linear time.

    Raises :class:`mce.InvalidGraph`, which says where, for anything else, for tasks that are not there or are there
    twice, and for a cycle.

    >>> text = '''{"name": "two", "schemaVersion": "1.5", "workflow": {
    ...   "specification": {"tasks": [{"id": "a", "name": "a", "children": ["b"]},
    ...                               {"id": "b", "name": "b", "parents": ["a"]}]},
    ...   "execution": {"tasks": [{"id": "a", "runtimeInSeconds": 1.5}]}}}'''
    >>> found = read_wfformat(text)
    >>> found.edges, found.runtimes
    ((('a', 'b'),), {'a': 1.5})
    """
    try:
        read = _File.model_validate_json(text_of(source, lambda text: "{" in text))
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the text"
        raise InvalidGraph(f"not a workflow in WfFormat 1.5: at {place}: {first['msg']}") from None
    body = read.workflow
    ran = _by_id(body.execution.tasks if body.execution else (), "execution")
    tasks = _by_id(body.specification.tasks, "specification")
    for id in ran:
        if id not in tasks:
            raise InvalidGraph(f"workflow.execution.tasks: {id!r} is not among the tasks of the specification")
    parents = _parents(tasks)
    check_order(tasks, [(before, id) for id, befores in parents.items() for before in befores], what="the workflow")
    found = {
        id: WorkflowTask(id, t.name, parents[id], t.inputFiles, t.outputFiles, _seconds(ran.get(id)))
        for id, t in tasks.items()
    }
    return Workflow(read.name, found, body.execution.makespanInSeconds if body.execution else None)


def _seconds(ran: _Ran | None) -> float | None:
    return None if ran is None else ran.runtimeInSeconds


def _by_id(tasks: tuple[Any, ...], part: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for task in tasks:
        if task.id in found:
            raise InvalidGraph(f"workflow.{part}.tasks: two tasks have the id {task.id!r}")
        found[task.id] = task
    return found


def _parents(tasks: Mapping[str, _Task]) -> dict[str, tuple[str, ...]]:
    """Give the parents of every task; what is said of children must agree."""
    found: dict[str, dict[str, None]] = {id: dict.fromkeys(task.parents or ()) for id, task in tasks.items()}
    for id, task in tasks.items():
        for other in (*(task.parents or ()), *(task.children or ())):
            if other not in tasks:
                raise InvalidGraph(f"task {id!r} names {other!r}, which is not among the tasks")
    children = {id: None if task.children is None else frozenset(task.children) for id, task in tasks.items()}
    for id, task in tasks.items():
        for child in task.children or ():
            if tasks[child].parents is not None and id not in found[child]:
                raise InvalidGraph(f"task {id!r} has the child {child!r}, which does not have it as a parent")
            found[child][id] = None
        for parent in task.parents or ():
            if (known := children[parent]) is not None and id not in known:
                raise InvalidGraph(f"task {id!r} has the parent {parent!r}, which does not have it as a child")
    return {id: tuple(befores) for id, befores in found.items()}
