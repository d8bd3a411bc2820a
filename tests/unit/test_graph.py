"""The graph of a flow: ids that are the paths of the run, edges as data flows, JSON that round-trips."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from pydantic import SecretStr

from mce import (
    CircuitBreaker,
    Flow,
    InvalidGraph,
    Limit,
    RateLimit,
    bracket,
    branch,
    budget,
    cached,
    circuit_breaker,
    compensate,
    do,
    each,
    gather,
    iterate,
    lift,
    limit,
    pure,
    rate_limit,
    recurs,
    retry,
    settle,
    spaced,
    step,
    timeout,
)
from mce.events import StepStarted
from mce.graph import Graph, lower, schema
from mce.testing import flows, states
from tests.laws.meanings import some


@step(retry=recurs(2), timeout=3.0)
async def fetch(url: str) -> bytes:
    return url.encode()


@step(pure=True)
def parse(page: bytes) -> str:
    return page.decode()


@step(raises=LookupError, idempotent=False)
async def send(text: str) -> None: ...


@step
async def close(page: bytes) -> None: ...


@do
async def block(text: str) -> None:
    await send(text)


def shown(flow: Flow[Any, Any, Any, Any]) -> list[str]:
    return [f"{node.id} {node.kind}" for node in flow.graph().nodes]


def joined(flow: Flow[Any, Any, Any, Any]) -> set[str]:
    return {f"{e.source} -> {e.target} {e.kind} {e.label}".rstrip() for e in flow.graph().edges}


def test_a_chain() -> None:
    graph = (fetch >> parse >> send).graph(name="mail")
    assert [(n.id, n.takes, n.gives) for n in graph.nodes] == [
        ("fetch", "str", "bytes"),
        ("parse", "bytes", "str"),
        ("send", "str", "None"),
    ]
    assert joined(fetch >> parse >> send) == {"fetch -> parse data", "parse -> send data"}
    assert (graph.name, graph.takes, graph.gives) == ("mail", "str", "None")
    assert [policy.text for policy in graph.by_id["fetch"].policies] == ["retry recurs(2)", "timeout 3 s"]
    assert graph.by_id["fetch"].policies[0].attempts == 3
    effects = graph.by_id["send"].effects
    assert effects is not None
    assert (effects.step, effects.idempotent, effects.raises) == (f"{__name__}:send", False, ("LookupError",))


def test_equal_steps_are_told_apart_as_in_a_run() -> None:
    flow = (fetch >> parse >> fetch >> parse).named("twice")
    assert shown(flow) == [
        "twice label",
        "twice/fetch step",
        "twice/parse step",
        "twice/fetch:2 step",
        "twice/parse:2 step",
    ]


def test_functions_that_are_fused_are_one_node() -> None:
    node = (lift(str.upper) >> lift(len)).map(abs).graph().nodes
    assert [(n.id, n.label) for n in node] == [("upper", "upper, len, abs")]


def test_branches_go_in_and_come_out_of_their_region() -> None:
    assert joined(gather(fetch, fetch >> parse)) == {
        "gather -> gather[0]/fetch data",
        "gather[0]/fetch -> gather data",
        "gather -> gather{1} data",
        "gather{1} -> gather[1]/fetch data",
        "gather[1]/fetch -> gather[1]/parse data",
        "gather[1]/parse -> gather{1} data",
        "gather{1} -> gather data",
    }


def test_a_wide_join_after_a_wide_join_costs_the_sum() -> None:
    texts = gather(*[parse] * 300)
    lengths = gather(*[lift(len)] * 300)
    assert len((texts >> lengths).graph().edges) == 4 * 300 + 1


def test_cases_failures_and_turns_are_told_by_their_edges() -> None:
    assert "branch -> branch[true]/fetch choice true" in joined(branch(bool, fetch, fetch))
    recovered = joined(send.recover(lambda error: pure(None), on=LookupError))
    assert "send -> recover/recover failure LookupError" in recovered
    assert "recover/recover -> recover data" in recovered
    assert "iterate#*/parse -> iterate#*/parse loop again" in joined(iterate(parse, until=bool, at_most=3))
    opened = joined(bracket(fetch("a"), parse, close))
    assert "bracket/acquire/fetch -> parse data" in opened
    assert "parse -> bracket/release/close order release" in opened


def test_an_input_that_is_supplied_is_no_data_edge() -> None:
    assert joined(fetch("a") >> parse >> fetch("b")) == {"fetch -> parse data", "parse -> fetch:2 order"}
    assert [node.given for node in fetch("a").graph().nodes] == ["'a'"]


def test_regions_say_what_bounds_them() -> None:
    flow = each(timeout(retry(budget(parse, steps=3), spaced(2.0)), 5), limit=4)
    nodes = flow.graph().by_id
    assert nodes["each"].limit == 4
    assert [p.seconds for p in nodes["each[*]/timeout"].policies] == [5]
    assert [p.attempts for p in nodes["each[*]/retry"].policies] == [None]
    assert [p.steps for p in nodes["each[*]/timeout:2"].policies] == [3]
    assert settle(parse, parse).graph().by_id["settle"].mode == "settle"


@pytest.mark.parametrize(
    ("flow", "text"),
    [
        (limit(parse, Limit("db", 2)), "limit db"),
        (circuit_breaker(parse, CircuitBreaker("api", failures=2, reset_after=9)), "circuit api"),
        (cached(parse), "cached"),
        (compensate((parse, send), fetch), "compensate"),
    ],
)
def test_what_a_combinator_puts_around_a_flow_is_a_guard(flow: Flow[Any, Any, Any, Any], text: str) -> None:
    graph = flow.graph()
    assert [(n.kind, n.policies[0].text) for n in graph.nodes if n.kind == "guard"] == [("guard", text)]
    assert not [node for node in graph.nodes if node.effects is not None and "sharing" in node.effects.step]


def test_a_rate_is_no_step() -> None:
    assert [node.id for node in rate_limit(parse, RateLimit("api", 3, 60)).graph().nodes] == ["parse"]


def test_what_is_known_only_when_it_runs_is_opaque() -> None:
    graph = (fetch.bind(lambda page: pure(str(page))) >> block).graph()
    assert [(n.id, n.is_opaque) for n in graph.nodes] == [("fetch", False), ("bind", True), ("block", True)]
    found = graph.locate("block#0/send")
    assert found is not None
    assert found.id == "block"


def test_no_secret_is_in_a_graph() -> None:
    assert "hunter2" not in (pure(SecretStr("hunter2")) >> lift(str)).graph().to_json()


@some
@given(flow=flows(size=12), state=states())
def test_the_events_of_a_run_are_found_in_the_graph(flow: Flow[Any, Any, Any, Any], state: Any) -> None:
    """Every call is at a node for its step, or inside an opaque one; the graph is whole and round-trips."""
    graph = lower(flow.node).graph
    graph.check()
    assert Graph.from_json(graph.to_json()) == graph
    outcome = flow.run_sync(state=state, trace=True)
    for event in outcome.trace:
        if isinstance(event, StepStarted):
            node = graph.locate(event.path)
            assert node is not None, event.path
            inside = event.path.startswith((f"{node.id}/", f"{node.id}~"))  # a step may go on with a flow
            assert node.is_opaque or inside or (node.kind, node.label) == ("step", event.step), event.path


def test_every_node_is_there_but_what_stands_for_nothing() -> None:
    lowered = lower((fetch >> parse).node)
    assert {id: type(node).__name__ for id, node in lowered.origins.items()} == {"fetch": "Call", "parse": "Call"}


@pytest.mark.parametrize("wrap", [lambda f: retry(f, recurs(1)), lambda f: f.recover(lambda e: pure(1)), lambda f: f])
def test_deep_flows(wrap: Any) -> None:
    flow: Flow[Any, Any, Any, Any] = parse
    for _ in range(5_000):
        flow = wrap(flow) >> parse
    graph = flow.graph()
    graph.check()
    assert sum(node.kind == "step" for node in graph.nodes) == 5_001


def test_the_schema_is_that_of_the_json() -> None:
    found = schema()
    assert set(json.loads(parse.graph().to_json())) <= set(found["properties"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not a graph of version 1: at the text"),
        ('{"version": 2, "nodes": [], "edges": []}', "at version"),
        ('{"nodes": [{"id": "a", "kind": "step"}], "edges": []}', "at nodes.0.label"),
        ('{"nodes": [], "edges": [{"source": "a", "target": "b"}]}', "'a' -> 'b' has no node 'a'"),
        (
            '{"nodes": [{"id":"a","kind":"step","label":""}, {"id":"a","kind":"step","label":""}], "edges": []}',
            "two nodes have the id 'a'",
        ),
        ('{"nodes": [{"id": "a", "kind": "step", "label": "a", "parent": "b"}], "edges": []}', "is in 'b', which"),
    ],
)
def test_what_is_no_graph_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidGraph, match="graph|node|edge|ids?") as refused:
        Graph.from_json(text)
    assert problem in str(refused.value)
