"""Workflows in WfFormat 1.5 as dags: what is read, what is refused, and recorded instances where they are at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mce import InvalidGraph, SimulatedBackend, lift
from mce.graph.series_parallel import series_parallel
from mce.graph.wfformat import Workflow, WorkflowTask, read_wfformat

INSTANCES = Path(__file__).parents[3] / "shared" / "cases" / "wfinstances"


def document(tasks: list[dict[str, Any]], ran: list[dict[str, Any]] | None = None, **more: Any) -> str:
    body: dict[str, Any] = {"specification": {"tasks": tasks, "files": []}}
    if ran is not None:
        body["execution"] = {"makespanInSeconds": 9, "tasks": ran}
    return json.dumps({"name": "flow", "schemaVersion": "1.5", "workflow": body, **more})


def task(id: str, *parents: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "name": id, "parents": list(parents), **more}


DIAMOND = [task("a", outputFiles=["f"]), task("b", "a"), task("c", "a", name="b"), task("d", "b", "c")]
RAN = [{"id": "a", "runtimeInSeconds": 1}, {"id": "b", "runtimeInSeconds": 2.5}, {"id": "c", "runtimeInSeconds": 4}]


def test_tasks_edges_and_times_are_read() -> None:
    found = read_wfformat(document(DIAMOND, RAN))
    assert (found.name, found.makespan) == ("flow", 9)
    assert list(found.tasks) == ["a", "b", "c", "d"]
    assert found.tasks["c"] == WorkflowTask("c", "b", ("a",), (), (), 4)
    assert found.tasks["a"].output_files == ("f",)
    assert found.edges == (("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"))
    assert found.runtimes == {"a": 1, "b": 2.5, "c": 4}


def test_a_file_is_read_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "flow.json").write_text(document(DIAMOND))
    assert read_wfformat(tmp_path / "flow.json") == read_wfformat(str(tmp_path / "flow.json"))
    assert read_wfformat(document(DIAMOND).encode()).runtimes == {}


def test_children_alone_say_as_much_as_parents() -> None:
    found = read_wfformat(document([{"id": "a", "name": "a", "children": ["b"]}, {"id": "b", "name": "b"}]))
    assert found.edges == (("a", "b"),)


def test_the_flow_runs_what_is_made_of_the_tasks() -> None:
    found = read_wfformat(document(DIAMOND, RAN))
    outcome = found.flow(lambda each: lift(lambda given: (each.id, given))).run_sync("in")
    a = ("a", "in")
    assert outcome.value == {"a": a, "b": ("b", a), "c": ("c", a), "d": ("d", (("b", a), ("c", a)))}


def test_without_steps_it_takes_as_long_as_the_critical_path() -> None:
    backend = SimulatedBackend()
    assert read_wfformat(document(DIAMOND, RAN)).flow().run_sync(0, backend=backend).ok
    assert backend.elapsed == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a workflow in WfFormat 1.5: at the text: Invalid JSON: EOF while parsing an object at line 1"),
        ('{\n"name": 1 2}', "at line 2"),
        ("[{}]", "at the text: Input should be an object"),
        (document(DIAMOND, schemaVersion="1.4"), "at schemaVersion: Input should be '1.5'"),
        (document([{"name": "a"}]), "at workflow.specification.tasks.0.id: Field required"),
        (document([task("")]), "at workflow.specification.tasks.0.id: String should have at least 1 character"),
        (document([task("a"), task("a")]), "workflow.specification.tasks: two tasks have the id 'a'"),
        (document([task("a", "b")]), "task 'a' names 'b', which is not among the tasks"),
        (document([task("a", "b"), task("b", "a")]), "the workflow has a cycle, and a dag has none: "),
        (document([task("a", children=["b"]), task("b")]), "'a' has the child 'b', which does not have it as a parent"),
        (document([task("a", children=[]), task("b", "a")]), "'b' has the parent 'a', which does not have it as a"),
        (document(DIAMOND, [{"id": "z", "runtimeInSeconds": 1}]), "'z' is not among the tasks of the specification"),
        (document(DIAMOND, [{"id": "a", "runtimeInSeconds": -1}]), "execution.tasks.0.runtimeInSeconds: Input should"),
        (document(DIAMOND, RAN + RAN), "workflow.execution.tasks: two tasks have the id 'a'"),
        ("nowhere.json", "'nowhere.json' is neither such a text nor a file: No such file"),
        (b'{"\xff', "the text is not text in UTF-8: byte 2"),
        ('{"a":' * 100_000, "not a workflow in WfFormat 1.5: at the text: Invalid JSON: recursion limit exceeded"),
    ],
)
def test_what_is_no_workflow_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(InvalidGraph) as wrong:
        read_wfformat(text)
    assert message in str(wrong.value)


def test_a_wide_and_long_workflow_is_read() -> None:
    lines = [task(f"t{at}", *([f"t{at - 1}"] if at % 1000 else [])) for at in range(20_000)]
    assert len(read_wfformat(document(lines)).edges) == 19_980


def instances() -> list[Any]:
    file = INSTANCES / "MANIFEST.json"
    return json.loads(file.read_text()) if file.is_file() else []


@pytest.mark.skipif(not instances(), reason="the recorded instances are not at hand")
def test_recorded_instances() -> None:
    """Tasks, edges, critical path and work are those that were computed of them by other means."""
    for known in instances():
        found = read_wfformat(INSTANCES / known["file"])
        assert (len(found.tasks), len(found.edges)) == (known["tasks"], known["edges"])
        assert sum(found.runtimes.values()) == pytest.approx(known["total_work_s"], abs=0.01)
        waits = {id: each.parents for id, each in found.tasks.items()}
        parts = series_parallel(waits, durations=found.runtimes)
        assert parts.dag_span == pytest.approx(known["critical_path_s"], abs=0.01)
        assert parts.lost >= 0
        simulated(found, known["critical_path_s"])


def simulated(found: Workflow, seconds: float) -> None:
    if len(found.tasks) <= 200:
        backend = SimulatedBackend()
        assert found.flow().run_sync(None, backend=backend).ok
        assert backend.elapsed == pytest.approx(seconds, abs=0.01)
