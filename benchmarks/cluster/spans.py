"""How long sleeping work takes over the least it could: steps beside each other, layers, recorded workflows."""

from __future__ import annotations

import uuid
from functools import partial
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Any

from dask._task_spec import Task, TaskRef

from benchmarks.cluster.trial import Compared, Gauge, Here, Trial, Workload, constant, timed, valued
from benchmarks.cluster.work import (
    LAYER_SECONDS,
    add_after_nap,
    add_step,
    increment,
    increment_step,
    nap,
    nap_after,
    nap_step,
    nap_waiting,
    nap_waiting_step,
)
from mce import Dag, each
from mce.graph.wfformat import Workflow, read_wfformat

__all__ = ["SPANS", "instances"]

BOUND = "the least it can take"
PATH = "critical path"
WIDTH = 10


def steps(here: Here, size: int) -> Trial:
    """Steps of 50 ms beside each other; the least is their work over the workers."""
    naps = [0.05] * size

    def by_hand(function: Any) -> Gauge:
        return timed(lambda: tuple(here.client.gather(here.client.map(function, naps, pure=False))), tuple(naps))

    gauges = {
        BOUND: constant(sum(naps) / here.workers),
        "plain": timed(valued(each(nap_step), here.backend(), naps), tuple(naps)),
        "plain by hand": by_hand(nap),
        "async": timed(valued(each(nap_waiting_step), here.backend(), naps), tuple(naps)),
        "async by hand": by_hand(nap_waiting),
    }
    return Trial(
        gauges,
        (
            Compared("steps of 50 ms", "plain", BOUND, 1.1),
            Compared("steps of 50 ms", "plain by hand", BOUND, subject="by hand"),
            Compared("async steps of 50 ms", "async", BOUND, 1.1),
            Compared("async steps of 50 ms", "async by hand", BOUND, subject="by hand"),
        ),
    )


def layers(here: Here, size: int) -> Trial:
    """Layers of ten tasks that each take two of the layer before and sleep for 20 ms."""
    building = Dag[int]()
    handles: list[Any] = [building.add(increment_step, building.input) for _ in range(WIDTH)]
    for _ in range(size):
        handles = [building.add(add_step, handles[at], handles[(at + 1) % WIDTH]) for at in range(WIDTH)]
    flow: Any = building.flow(*handles)
    expected = (pow(2, size, 1_000_003),) * WIDTH
    hand = timed(lambda: tuple(here.client.get(*_layered(size))), expected)
    path = LAYER_SECONDS * size
    mce = timed(valued(flow, here.backend(), 0), expected)
    return _makespan(here, "layers of 10", mce, hand, path, path * WIDTH)


def _layered(size: int) -> tuple[dict[Any, Any], list[Any]]:
    """Give the graph, under keys of its own: what the cluster still has of others would not be run again."""
    names = [f"layer-{uuid.uuid4().hex}-{layer}" for layer in range(size + 1)]
    graph = {(names[0], at): Task((names[0], at), increment, 0) for at in range(WIDTH)}
    for before, name in pairwise(names):
        for at in range(WIDTH):
            given = [TaskRef((before, at)), TaskRef((before, (at + 1) % WIDTH))]
            graph[name, at] = Task((name, at), add_after_nap, *given)
    return graph, [(names[-1], at) for at in range(WIDTH)]


def recorded(file: Path, here: Here, seconds: int) -> Trial:
    """A recorded workflow, scaled down so that its critical path, or a quarter of its work, takes ``seconds``."""
    workflow = read_wfformat(file)
    path, work = _critical_path(workflow), sum(workflow.runtimes.values())
    scale = min(seconds / path, 4 * seconds / work)
    naps = {id: workflow.runtimes.get(id, 0.0) * scale for id in workflow.tasks}
    flow: Any = workflow.flow(lambda task: nap_step(naps[task.id]))

    def by_hand() -> dict[str, float]:
        run = uuid.uuid4().hex
        graph = {
            (run, id): Task((run, id), nap_after, naps[id], *(TaskRef((run, parent)) for parent in task.parents))
            for id, task in workflow.tasks.items()
        }
        return dict(zip(naps, here.client.get(graph, [*graph]), strict=True))

    hand = timed(by_hand, naps)
    mce = timed(valued(flow, here.backend(), None), naps)
    return _makespan(here, f"{file.stem}, {len(naps)} tasks", mce, hand, path * scale, work * scale)


def _makespan(here: Here, name: str, mce: Gauge, hand: Gauge, path: float, work: float) -> Trial:
    name = f"{name}, {here.workers} workers"
    gauges = {BOUND: constant(max(path, work / here.workers)), PATH: constant(path), "by hand": hand, "mce": mce}
    return Trial(
        gauges,
        (
            Compared(name, "mce", "by hand"),
            Compared(name, "mce", BOUND),
            Compared(name, "mce", PATH),
            Compared(name, "by hand", BOUND, subject="by hand"),
        ),
    )


def _critical_path(workflow: Workflow) -> float:
    ends: dict[str, float] = {}
    parents = {id: task.parents for id, task in workflow.tasks.items()}
    for id in TopologicalSorter(parents).static_order():
        ends[id] = max((ends[parent] for parent in parents[id]), default=0.0) + workflow.runtimes.get(id, 0.0)
    return max(ends.values())


def instances(folder: Path) -> list[Workload]:
    """Give a workload for each file in WfFormat under ``folder``."""
    return [
        Workload(f"recorded {file.stem}", partial(recorded, file), (5,), (1,), 2, (2, 4, 8))
        for file in sorted(folder.rglob("*.json"))
        if '"schemaVersion"' in file.read_text(encoding="utf-8")
    ]


SPANS = [
    Workload("steps of 50 ms", steps, (200,), (8,), 2),
    Workload("layers of 10", layers, (100,), (5,), 2, (2, 4, 8)),
]
