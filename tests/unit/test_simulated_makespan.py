"""Schedules whose best length is known are simulated exactly: recorded workflows, and graphs of AND and OR."""

from __future__ import annotations

import heapq
import json
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mce import Context, Dag, Deadlock, Flow, SimulatedBackend, gather, iterate, race, sleep, step
from mce.backends.simulated import Priority

# -- recorded workflows -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recorded:
    """A workflow in WfFormat: how long each task took, and which tasks it came after."""

    seconds: Mapping[str, float]
    before: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, document: Any) -> Recorded:
        workflow = document["workflow"]
        tasks = workflow["specification"]["tasks"]
        numbers = {task["id"]: f"task{at}" for at, task in enumerate(tasks)}
        seconds = {numbers[task["id"]]: task["runtimeInSeconds"] for task in workflow["execution"]["tasks"]}
        before = {numbers[task["id"]]: [numbers[each] for each in task["parents"]] for task in tasks}
        return cls(seconds, before)

    @property
    def flow(self) -> Flow[Any, Any]:
        return Dag.from_edges({name: task(name) for name in self.seconds}, self.before)

    @property
    def critical_path(self) -> float:
        ends: dict[str, float] = {}
        for name in TopologicalSorter(self.before).static_order():
            ends[name] = self.seconds[name] + max((ends[each] for each in self.before[name]), default=0.0)
        return max(ends.values())

    def elapsed(self, **options: Any) -> float:
        backend = SimulatedBackend(durations=self.seconds, **options)
        assert self.flow.run_sync(None, backend=backend).ok
        return backend.elapsed


def task(name: str) -> Any:
    @step(name=name)
    async def run(_: Any) -> None:
        pass

    return run


def written(name: str, parents: Sequence[str], seconds: float) -> tuple[Any, Any]:
    return {"id": name, "name": name, "parents": parents, "children": []}, {"id": name, "runtimeInSeconds": seconds}


SMALL = [
    written("split", [], 1.5),
    written("align_#1", ["split"], 10.25),
    written("align_#2", ["split"], 3.0),
    written("merge", ["align_#1", "align_#2"], 0.125),
    written("plot", ["split"], 20.5),
]
DOCUMENT = {
    "workflow": {
        "specification": {"tasks": [task for task, _ in SMALL]},
        "execution": {"tasks": [run for _, run in SMALL]},
    }
}
FOLDER = Path(__file__).parents[3] / "shared" / "cases" / "wfinstances"


def recordings() -> Iterator[Any]:
    """Give a small recording, and those in a folder beside the repository if it is there."""
    yield pytest.param(DOCUMENT, 22.0, id="small")
    if FOLDER.is_dir():
        for entry in json.loads((FOLDER / "MANIFEST.json").read_text()):
            document = json.loads((FOLDER / entry["file"]).read_text())
            yield pytest.param(document, entry["critical_path_s"], id=Path(entry["file"]).stem)


@pytest.mark.parametrize(("document", "longest"), list(recordings()))
def test_a_recorded_workflow_takes_as_long_as_its_longest_way(document: Any, longest: float) -> None:
    recorded = Recorded.of(document)
    took = recorded.elapsed()
    assert took == pytest.approx(recorded.critical_path, rel=1e-9)
    assert took == pytest.approx(longest, abs=0.005 + 1e-9)  # which is written with two decimals


@pytest.mark.parametrize("priority", ["fifo", "critical_path"])
@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize(("document", "longest"), list(recordings()))
def test_with_few_workers_it_is_within_the_bounds(
    document: Any, longest: float, workers: int, priority: Priority
) -> None:
    recorded = Recorded.of(document)
    longest, work = recorded.critical_path, sum(recorded.seconds.values())
    took = recorded.elapsed(workers=workers, priority=priority)
    slack = 1e-9 * work
    assert max(longest, work / workers) - slack <= took <= longest + (work - longest) / workers + slack


# -- graphs of AND and OR ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """From all of ``source``, ``target`` is reached in ``time``; a target of several rules by the first of them."""

    source: tuple[str, ...]
    target: str
    time: float


def read_rules(document: Any) -> list[Rule]:
    """Read ``rules: [{source, target, time}]``, in which a source is a name or a list of names."""
    return [
        Rule((found,) if isinstance(found := rule["source"], str) else tuple(found), rule["target"], rule["time"])
        for rule in document["rules"]
    ]


def earliest(rules: Sequence[Rule], goal: str) -> float | None:
    """Give the best time in which ``goal`` can be reached, by Knuth's generalisation of Dijkstra's algorithm."""
    reached: dict[str, float] = {}
    queue = [(0.0, name) for rule in rules for name in rule.source if all(name != other.target for other in rules)]
    queue += [(rule.time, rule.target) for rule in rules if not rule.source]
    heapq.heapify(queue)
    while queue:
        time, name = heapq.heappop(queue)
        if name in reached:
            continue
        reached[name] = time
        for rule in rules:
            if name in rule.source and all(source in reached for source in rule.source):
                heapq.heappush(queue, (max(reached[source] for source in rule.source) + rule.time, rule.target))
    return reached.get(goal)


def reaching(rules: Sequence[Rule], goal: str) -> Flow[object, Any, Any]:
    """Make a race of a branch for each rule, which waits for its sources, with one that waits for the goal."""

    @step
    async def arrival(ctx: Context[object], name: str) -> None:
        await ctx.deps[name].wait()

    @step
    async def announce(ctx: Context[object], name: str) -> None:
        ctx.deps[name].set()

    def follow(rule: Rule) -> Flow[object, Any]:
        return gather(*(arrival(name) for name in rule.source)) >> sleep(rule.time) >> announce(rule.target)

    targets = {rule.target for rule in rules}
    given_names = {name for rule in rules for name in rule.source} - targets
    start = gather(*(announce(name) for name in sorted(given_names)))
    never = gather(*(follow(rule) for rule in rules)) >> arrival("")
    reached: Flow[object, Any, Any] = race(arrival(goal), never)
    return start >> reached


def events(rules: Sequence[Rule]) -> Any:
    """Give the factory of the events on which the steps of one run wait."""
    names = {"", *(rule.target for rule in rules), *(name for rule in rules for name in rule.source)}
    return lambda: {name: anyio.Event() for name in names}


DOOR = {
    "rules": [
        {"source": ["key", "door"], "target": "inside", "time": 2},
        {"source": "window", "target": "inside", "time": 30},
        {"source": ["inside", "lamp"], "target": "light", "time": 1},
        {"source": "market", "target": "lamp", "time": 20},
        {"source": "neighbour", "target": "lamp", "time": 25},
        {"source": "lamp", "target": "neighbour", "time": 1},
        {"source": "drawer", "target": "key", "time": 9},
    ]
}


def test_a_graph_of_and_and_or_takes_its_optimum() -> None:
    rules = read_rules(DOOR)
    for goal, best in {"key": 9, "inside": 11, "lamp": 20, "light": 21, "neighbour": 21}.items():
        backend = SimulatedBackend()
        assert reaching(rules, goal).run_sync(backend=backend, deps=events(rules)).ok
        assert backend.elapsed == best == earliest(rules, goal)


def test_what_no_rule_reaches_is_a_deadlock() -> None:
    rules = read_rules(
        {"rules": [{"source": "a", "target": "b", "time": 1}, {"source": "b", "target": "a", "time": 1}]}
    )
    with pytest.raises(Deadlock):
        reaching(rules, "a").run_sync(backend=SimulatedBackend(), deps=events(rules))
    assert earliest(rules, "a") is None


NAMES = st.sampled_from("abcdef")
RULES = st.builds(
    Rule,
    st.lists(NAMES, unique=True, max_size=3).map(tuple),
    NAMES,
    st.integers(0, 9).map(float),
)


@given(rules=st.lists(RULES, min_size=1, max_size=9), seed=st.integers(0, 9))
def test_any_graph_of_and_and_or_takes_its_optimum(rules: list[Rule], seed: int) -> None:
    goal = rules[0].target
    best = earliest(rules, goal)
    backend = SimulatedBackend(seed)
    flow = reaching(rules, goal)
    if best is None:
        with pytest.raises(Deadlock):
            flow.run_sync(backend=backend, deps=events(rules))
    else:
        assert flow.run_sync(backend=backend, deps=events(rules)).ok
        assert backend.elapsed == best


# -- long runs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"workers": 2, "priority": "critical_path"}])
def test_memory_does_not_grow_with_the_history(options: dict[str, Any]) -> None:
    @step
    async def tick(n: int) -> int:
        return n + 1

    def peak(turns: int) -> int:
        backend = SimulatedBackend(durations={"tick": 0.5}, **options)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        iterate(tick, until=lambda n: n >= turns).run_sync(0, backend=backend)
        assert backend.elapsed == turns / 2
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        peak(500)
        short, long = peak(500), peak(8_000)
    finally:
        tracemalloc.stop()
    assert long < short + 30_000  # four bytes a step would show
