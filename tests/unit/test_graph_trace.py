"""Runs read back from their events: what happened, what waited for what, and the graph with what ran in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from pydantic import BaseModel, SecretStr

from mce import (
    Append,
    Context,
    Dag,
    Flow,
    each,
    gather,
    iterate,
    lift,
    race,
    recurs,
    settle,
    spaced,
    step,
)
from mce.backends import InlineBackend, SimulatedBackend
from mce.cli.trace import Trace
from mce.events import StepStarted
from mce.graph.ir import Graph
from mce.graph.overlay import overlay
from mce.graph.trace import InvalidTrace, Recorder, RunRecord, read_trace, record
from mce.graph.unroll import is_pattern, unroll
from mce.graph.wire import Feed, page_data
from mce.testing import flows, states


def two_more(n: int) -> int:
    return n + 2


class Notes(BaseModel, frozen=True):
    log: Annotated[tuple[str, ...], Append()] = ()
    count: int = 0
    key: SecretStr = SecretStr("sesame")


@step
async def note(ctx: Context[Notes], n: int) -> int:
    ctx.update(log=(*ctx.state.log, f"noted {n}"))
    return n + 1


@step
async def count(ctx: Context[Notes], n: int) -> int:
    ctx.update(count=ctx.state.count + n)
    return n


@step
async def plus(n: int) -> int:
    return n + 1


@step
async def odd(n: int) -> int:
    if n % 2 == 0:
        raise ValueError(f"{n} is even")
    return n


@step(retry=recurs(2) & spaced(5.0))
async def third_time(ctx: Context[Notes], n: int) -> int:
    ctx.update(count=ctx.state.count + 1)
    if ctx.attempt < 3:
        raise ValueError(f"attempt {ctx.attempt}")
    return n


@step
async def fan(n: int) -> Flow[Any, Any, Any, Any]:
    return gather(plus(n), plus(n + 1))


def recorded(
    flow: Flow[Any, Any, Any, Any], value: Any, *, seconds: dict[str, float] | None = None, seed: int = 0
) -> tuple[Graph, RunRecord]:
    """Run ``flow`` in simulated time, in which a step takes its ``seconds``, else one."""
    durations = {name: (seconds or {}).get(name, 1.0) for name in ("note", "count", "plus", "odd", "third_time", "fan")}
    backend = SimulatedBackend(seed, durations=durations)
    graph = flow.graph()
    return graph, record(flow.run_sync(value, state=Notes(), trace=True, backend=backend), graph=graph)


def waits(run: RunRecord) -> dict[str, str | None]:
    """Give who came before each occurrence, by paths."""
    paths = [one.path for one in run.occurrences]
    return {one.path: None if one.waited_for is None else paths[one.waited_for] for one in run.occurrences}


# -- reading -----------------------------------------------------------------------------------------------------------


def test_a_trace_gives_the_record_of_the_run(tmp_path: Path) -> None:
    flow = note >> gather(plus, odd)
    outcome = flow.run_sync(1, state=Notes(), trace=True)
    with Trace(tmp_path / "trace.jsonl", outcome.trace[0].time) as trace:
        for event in outcome.trace:
            trace.tell(event)
    read = read_trace((tmp_path / "trace.jsonl").read_text().splitlines(keepends=True))
    assert read.occurrences == record(outcome).occurrences
    assert [(one.path, one.status) for one in read.occurrences] == [
        ("note", "succeeded"),
        ("gather[0]/plus", "succeeded"),
        ("gather[1]/odd", "failed"),
    ]


STARTED = '{"kind": "step_started", "path": "a", "attempt": 1, "time": 0, "step": "a", "input": 1}\n'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1]", "line 2: not an object"),
        ("{", "line 2: not JSON: Expecting property name enclosed in double quotes at column 2"),
        ('{"kind": "step_started", "path": "a"}', "line 2: no 'attempt'"),
        ('{"kind": "outcome", "where": "here"}', "line 2: where the outcome was is an object"),
        ('{"kind": "state_changed", "path": "a", "attempt": 1, "time": 0, "fields": 3, "state": {}}', "line 2: 'int' "),
        ('{"kind": "step_begun", "path": "a", "attempt": 1, "time": 0}', "line 2: unknown kind 'step_begun'"),
        (
            '{"kind": "step_finished", "path": "b", "attempt": 1, "time": 0, "value": 1}',
            "line 2: 'b', attempt 1, ended but had not started",
        ),
        ('{"kind": "emitted", "path": "b", "attempt": 1, "time": "soon"}', "line 2: a path is a text"),
        ('{"kind": "emitted", "path": 3, "attempt": 1, "time": 0}', "line 2: a path is a text"),
        ('{"kind": "emitted", "path": "b", "attempt": [], "time": 0}', "line 2: a path is a text"),
    ],
)
def test_a_bad_line_is_named(line: str, said: str) -> None:
    with pytest.raises(InvalidTrace) as wrong:
        read_trace([STARTED, f"{line}\n"])
    assert str(wrong.value).startswith(said)


def test_a_trace_that_was_broken_off_is_read_to_there() -> None:
    run = read_trace([STARTED, "\n", '{"kind": "step_fini'])
    assert [(one.path, one.status, one.ended) for one in run.occurrences] == [("a", "running", None)]
    assert (run.outcome, run.failed_at, run.critical) == (None, None, ())


# -- what happened -----------------------------------------------------------------------------------------------------


def test_attempts_are_occurrences_and_say_how_long_they_waited() -> None:
    _, run = recorded(third_time, 7)
    assert [(one.attempt, one.status, one.started, one.ended, one.delay) for one in run.occurrences] == [
        (1, "failed", 0.0, 1.0, 0.0),
        (2, "failed", 6.0, 7.0, 5.0),
        (3, "succeeded", 12.0, 13.0, 5.0),
    ]
    assert run.occurrences[0].error == {**(run.occurrences[0].error or {}), "message": "attempt 1"}
    assert [change.before for one in run.occurrences for change in one.changes] == [None, 0, 0]


def test_the_delay_of_a_region_that_is_tried_again_is_that_of_its_first_step() -> None:
    _, run = recorded((plus >> odd).retry(recurs(1) & spaced(5.0)), 1)
    assert [(one.path, one.attempt, one.started, one.delay) for one in run.occurrences] == [
        ("plus", 1, 0.0, 0.0),
        ("odd", 1, 1.0, 0.0),
        ("plus", 2, 7.0, 5.0),
        ("odd", 2, 8.0, 0.0),
    ]


def test_who_lost_a_race_is_cancelled() -> None:
    _, run = recorded(race(plus, note), 1, seconds={"note": 5.0})
    assert {one.step: one.status for one in run.occurrences} == {"plus": "succeeded", "note": "cancelled"}


def test_changes_say_what_a_field_was_and_is() -> None:
    _, run = recorded(note >> count >> note >> count, 1)
    changes = [change for one in run.occurrences for change in one.changes]
    assert [(c.name, c.known, c.before, c.after, c.grew) for c in changes] == [
        ("log", False, None, ["noted 1"], None),
        ("count", True, 0, 2, None),
        ("log", True, None, ["noted 2"], 1),
        ("count", True, 2, 5, None),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_a_branch_changes_the_state_at_its_start_and_not_its_siblings(seed: int) -> None:
    _, run = recorded(count >> gather(note, note), 1, seed=seed)
    changes = {one.path: [(c.after, c.before, c.known) for c in one.changes] for one in run.occurrences}
    assert changes["gather[0]/note"] == changes["gather[1]/note"] == [(["noted 1"], [], True)]
    assert [(path, [c.after for c in made]) for path, _, made in run.merges] == [("gather", [["noted 1", "noted 1"]])]


def test_a_value_is_kept_as_it_was_when_it_was_told() -> None:
    shared = [1]
    recorder = Recorder()
    recorder.tell(StepStarted("a", 1, 7.0, "a", shared))
    shared.append(2)
    assert [(one.input, one.started) for one in recorder.record().occurrences] == [([1], 0.0)]


# -- what waited for what ----------------------------------------------------------------------------------------------


def test_what_is_in_line_waits_for_the_last_before_it() -> None:
    _, run = recorded(plus >> gather(plus >> note, note) >> lift(max) >> odd, 1, seconds={"note": 3.0})
    assert waits(run) == {
        "plus": None,
        "gather[0]/plus": "plus",
        "gather[1]/note": "plus",
        "gather[0]/note": "gather[0]/plus",
        "odd": "gather[0]/note",
    }
    assert [run.occurrences[number].path for number in run.critical] == [
        "plus",
        "gather[0]/plus",
        "gather[0]/note",
        "odd",
    ]


def test_elements_wait_for_a_place_where_there_is_a_limit() -> None:
    _, limited = recorded(lift(range) >> each(plus, limit=2), 4)
    assert waits(limited) == {
        "each[0]/plus": None,
        "each[1]/plus": None,
        "each[2]/plus": limited.occurrences[limited.occurrences[2].waited_for or 0].path,
        "each[3]/plus": limited.occurrences[limited.occurrences[3].waited_for or 0].path,
    }
    assert {limited.occurrences[n].waited_for for n in (2, 3)} <= {0, 1}
    _, free = recorded(lift(range) >> each(plus), 4)
    assert set(waits(free).values()) == {None}


def test_where_one_runs_at_a_time_each_waits_for_the_one_before() -> None:
    flow = gather(plus, plus, plus)
    run = record(flow.run_sync(1, trace=True, backend=InlineBackend()), graph=flow.graph())
    assert [one.waited_for for one in run.occurrences] == [None, 0, 1]
    assert run.critical == (0, 1, 2)


def test_turns_wait_for_the_turn_before() -> None:
    _, run = recorded(iterate(plus >> note, until=lambda n: n > 4), 1)
    assert list(waits(run).values()) == [None, *[one.path for one in run.occurrences[:-1]]]


def test_tasks_of_a_dag_wait_for_the_last_of_those_they_take() -> None:
    dag: Dag[int] = Dag()
    slow = dag.add(note, dag.input, name="slow")
    quick = dag.add(plus, dag.input, name="quick")
    beside = dag.add(plus >> plus >> plus, quick, name="beside")
    last = dag.add(lift(two_more) >> odd, quick, name="last", after=[slow])
    _, run = recorded(dag.flow(last, beside), 0, seconds={"note": 1.5})
    assert waits(run) == {
        "dag/slow/note": None,
        "dag/quick/plus": None,
        "dag/beside/plus": "dag/quick/plus",
        "dag/beside/plus:2": "dag/beside/plus",
        "dag/beside/plus:3": "dag/beside/plus:2",
        "dag/last/odd": "dag/slow/note",
    }


def test_the_critical_path_of_a_failed_run_ends_where_it_failed() -> None:
    _, run = recorded(plus >> gather(odd, note), 1, seconds={"note": 9.0})
    assert run.failed_at is not None
    assert run.occurrences[run.failed_at].path == "gather[0]/odd"
    assert [run.occurrences[number].path for number in run.critical] == ["plus", "gather[0]/odd"]


# -- the graph of what ran ---------------------------------------------------------------------------------------------


def test_elements_and_turns_take_the_place_of_what_stands_for_them() -> None:
    graph, run = recorded(lift(range) >> each(plus >> odd) >> lift(len), 1)
    unrolled = unroll(graph, run)
    assert [(node.id, node.parent) for node in unrolled.nodes] == [
        ("range", None),
        ("each", None),
        ("each[0]", "each"),
        ("each[0]/plus", "each[0]"),
        ("each[0]/odd", "each[0]"),
        ("len", None),
    ]
    edges = {(edge.source, edge.target) for edge in unrolled.edges}
    assert {("each", "each[0]"), ("each[0]", "each[0]/plus"), ("each[0]/plus", "each[0]/odd")} <= edges


def test_what_was_known_when_it_ran_is_in_the_place_of_the_step() -> None:
    graph, run = recorded(fan >> lift(sum), 1)
    assert [(node.id, node.kind) for node in unroll(graph, run).nodes] == [
        ("fan", "label"),
        ("fan/gather", "gather"),
        ("fan/gather[0]", "sequence"),
        ("fan/gather[0]/plus", "step"),
        ("fan/gather[1]", "sequence"),
        ("fan/gather[1]/plus", "step"),
        ("sum", "function"),
    ]


def test_what_did_not_run_stays_where_the_graph_is_fixed() -> None:
    graph, run = recorded(odd >> plus, 2)
    assert [node.id for node in unroll(graph, run).nodes] == ["odd", "plus"]


@given(flow=flows(size=12), state=states())
def test_every_path_of_a_run_is_a_node_of_its_graph(flow: Any, state: Any) -> None:
    graph = flow.graph()
    run = record(flow.run_sync(state=state, trace=True), graph=graph)
    unrolled = unroll(graph, run)
    unrolled.check()
    assert {one.path for one in run.occurrences} <= unrolled.by_id.keys()
    assert {node.id for node in graph.nodes if not is_pattern(node.id)} <= unrolled.by_id.keys()
    assert Graph.from_json(unrolled.to_json()) == unrolled
    for one in run.occurrences:
        before = None if one.waited_for is None else run.occurrences[one.waited_for]
        assert before is None or (before.ended is not None and before.ended <= one.started)


def test_badges_say_how_a_step_ended() -> None:
    graph, run = recorded(third_time >> odd, 2)
    badges = {node.id: [policy.text for policy in node.policies][-1] for node in overlay(graph, run).nodes}
    assert badges == {
        "third_time": "✓ succeeded, 3 s, 3 attempts, critical path",
        "odd": "✗ failed, 1 s, critical path",
    }


# -- what a page is told -----------------------------------------------------------------------------------------------


def test_a_page_is_told_what_is_new_and_ends_with_all() -> None:
    flow = note >> lift(range) >> each(settle(odd, note))
    graph = flow.graph()
    outcome = flow.run_sync(3, state=Notes(), trace=True)
    recorder = Recorder(graph)
    feed = Feed(graph, recorder)
    boxes = {box["id"] for box in page_data(graph)["boxes"]}
    rows: dict[int, Any] = {}
    version = 0
    for event in outcome.trace:
        recorder.tell(event)
        version, news = feed.since(version)
        assert len(news["rows"]) <= 1
        rows |= {row["n"]: row for row in news["rows"]}
        boxes |= {box["id"] for box in news["boxes"]}
        assert feed.since(version)[1]["rows"] == []
    whole = page_data(graph, record(outcome, graph=graph))
    assert [rows[n] for n in sorted(rows)] == whole["rows"]
    assert boxes == {box["id"] for box in whole["boxes"]}
    assert json.loads(json.dumps(feed.since(0)[1]["rows"])) == whole["rows"]


def test_long_values_are_cut_and_say_how_long_they_were() -> None:
    line = json.loads(STARTED) | {"input": "x" * 100_000}
    graph = plus.graph()
    row = page_data(graph, read_trace([json.dumps(line)]))["rows"][0]
    assert (len(row["input"][0]), row["input"][1]) == (20_000, 100_000)
