"""Rewrites one by one: which law applies where, what it makes, and where it must not."""

from __future__ import annotations

import pickle
from enum import Enum
from typing import Any

import pytest

from mce import (
    Context,
    Flow,
    InlineBackend,
    Limit,
    branch,
    each,
    fail,
    gather,
    identity,
    lift,
    limit,
    pure,
    recurs,
    settle,
    step,
    switch,
    validate,
)
from mce.events import StepStarted
from mce.graph.lower import lower
from mce.graph.optimise import Optimised, optimise
from mce.graph.places import Places
from mce.syntax import Call, Choice, Fn, Given, Node, Par, Recover, postorder
from mce.testing import assert_equivalent
from tests.laws.meanings import AnyFlow


@step
async def fetch(url: str) -> str:
    return url


@step
async def save(ctx: Context[Any], page: str) -> str:
    return page


@step
async def blame(error: Exception) -> str:
    return str(error)


@step(pure=True)
def parse(page: str) -> int:
    return len(page)


def laws(flow: AnyFlow, *, keep_paths: bool = True) -> list[str]:
    return [rewrite.law for rewrite in optimise(flow.node, keep_paths=keep_paths).applied]


def kinds(flow: AnyFlow) -> list[str]:
    return [type(node).__name__ for node in postorder(flow.optimise().node)]


def test_functions_become_one() -> None:
    flow = fetch.map(len).map(str).map(len)
    found = optimise(flow.node)
    assert kinds(flow) == ["Call", "Fn", "Then"]
    (rewrite,) = found.applied
    assert str(rewrite) == (
        "map(map(m, f), g) = map(m, lambda a: g(f(a))) at len: len >> str >> len -> one function of 3"
    )
    assert_equivalent(flow, Flow(found.node), "abc")
    assert pickle.loads(pickle.dumps(Flow(found.node))).run_sync("abc").value == 1


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (identity() >> fetch, ["Call"]),
        (fetch >> identity() >> identity(), ["Call"]),
        (identity() >> identity(), ["Fn"]),
        (identity()("a"), ["Pure"]),
        (fetch.bind(pure), ["Call"]),
        (fetch.recover(fail), ["Call"]),
        (pure("a") >> fetch, ["Call", "Given"]),
        (pure("a") >> fetch("b"), ["Call", "Given"]),
        (pure("a") >> pure("b") >> pure("c"), ["Pure"]),
        (fetch("a")("b"), ["Call", "Given"]),
        ((fetch >> save)("a"), ["Call", "Given", "Call", "Then"]),
        (fetch >> (save >> parse), ["Call", "Call", "Then", "Call", "Then"]),
        (fail("no") >> fetch >> save, ["Fail"]),
        (pure(1).recover(lambda _: pure(2), on=ValueError), ["Pure"]),
        (lift(len).recover(lambda _: pure(2)), ["Fn"]),
        (pure(1).retry(recurs(3)), ["Pure"]),
        (each(lift(len)), ["Fn"]),
        (each(lift(len)) >> each(lift(str)), ["Fn"]),
        (pure(3)(1) >> fail("no"), ["Fail"]),
    ],
)
def test_what_is_left(flow: AnyFlow, expected: list[str]) -> None:
    assert kinds(flow) == expected
    assert laws(flow)


@pytest.mark.parametrize(
    "flow",
    [
        fetch,
        fetch >> save,
        pure(3),
        pure(3).map(str),
        fetch.recover(lambda _: pure("")),
        fetch.recover(fail, on=ValueError),
        lift(len).recover(lambda _: pure(2), on=TypeError),
        lift(len).retry(recurs(2), on=TypeError),
        each(fetch),
        each(lift(len), merge=lambda states: states[0]),
        gather(fetch, fetch),
        gather(gather(fetch, save), save),
        validate(parse, parse),
        branch(str.isupper, fetch, save),
        switch(len, {1: fetch}),
        gather(parse("a"), parse("b")),
        gather(parse(["a"]), parse(["a"])),  # type: ignore[arg-type]
        fetch.timeout(1),
        fetch.named("part"),
    ],
)
def test_what_stays_as_it_is(flow: AnyFlow) -> None:
    """No law applies, so the same tree is given; ``pure(3).map(str)`` is not computed before it runs."""
    found = optimise(flow.node)
    assert [law for law in laws(flow) if law != "pure(a) >> m = m(a)"] == []
    assert found.node is flow.node or isinstance(found.node, Given)


# -- dead branches -----------------------------------------------------------------------------------------------------


class Route(Enum):
    SHORT = "short"
    LONG = "long"


def route(text: str) -> Route:
    return Route.SHORT if len(text) < 3 else Route.LONG


@pytest.mark.parametrize(("text", "left", "step"), [("ab", "SHORT", "fetch"), ("abc", "LONG", "save")])
def test_of_a_choice_that_is_decided_the_case_is_left(text: str, left: str, step: str) -> None:
    flow = pure(text) >> switch(route, {Route.SHORT: fetch, Route.LONG: save})
    found = flow.optimise()
    assert [node.id for node in found.graph().nodes] == [
        "switch",
        f"switch[{left}]/{'fetch' if left == 'SHORT' else 'save'}",
    ]
    assert_equivalent(flow, found)


def test_a_default_that_is_taken_is_left() -> None:
    flow = pure("abcd") >> switch(len, {1: save}, default=fetch)
    assert [node.id for node in flow.optimise().graph().nodes] == ["switch", "switch[default]/fetch"]
    assert_equivalent(flow, flow.optimise())


def test_a_choice_stays_where_it_is_not_known_what_is_taken() -> None:
    """The input is not a constant, the selector fails, or no case is there for its key."""
    by_length: AnyFlow = switch(len, {1: fetch, 2: save})
    for flow in (
        by_length(["a"]),
        by_length(3),
        by_length("abc"),
    ):
        assert len(flow.optimise().graph().nodes) == 3
        assert_equivalent(flow, flow.optimise())


def test_a_case_after_an_equal_key_is_never_taken() -> None:
    node = Choice(len, ((1, fetch.node), (2, save.node), (1.0, parse.node), (2, parse.node)), None)
    found = optimise(node)
    assert isinstance(found.node, Choice)
    assert [key for key, _ in found.node.cases] == [1, 2]
    assert found.applied[0].law == "the first case whose key is equal is taken"
    assert_equivalent(Flow(node), Flow(found.node), "ab")


# -- joins -------------------------------------------------------------------------------------------------------------


def test_equal_pure_steps_of_a_join_are_called_once() -> None:
    """The branches keep their places, so that no path changes."""
    flow = gather(parse, fetch, parse, parse("ab"), save, parse("ab"))
    found = flow.optimise().run_sync("abc", backend=InlineBackend(), trace=True)
    assert found.value == (3, "abc", 3, 2, "abc", 2)
    paths = [event.path for event in found.trace if isinstance(event, StepStarted)]
    assert paths == ["gather[0]/parse", "gather[1]/fetch", "gather[3]/parse", "gather[4]/save"]


def test_equal_pure_steps_that_fail_fail_once() -> None:
    flow = settle(parse(3), parse(3))  # type: ignore[arg-type]
    assert laws(flow) == ["gather(m, m) = gather(m).map(twice) for pure m"]
    first, second = (each.run_sync().value for each in (flow, flow.optimise()))
    assert len(second) == 2
    assert str(first[1].failure().cause) == str(second[1].failure().cause)


def test_constants_are_equal_when_their_types_are() -> None:
    assert laws(gather(parse("1"), parse("1")))
    for left, right in ((1, True), (0.0, -0.0), (1, 1.0)):
        assert not laws(gather(parse(left), parse(right)))  # type: ignore[arg-type]


def test_a_step_that_may_give_a_flow_is_not_shared() -> None:
    @step(pure=True)
    def unknown(page: str):  # type: ignore[no-untyped-def]
        return page

    @step(pure=True)
    def continues(page: str) -> Flow[object, str]:
        return fetch(page)

    assert not laws(gather(unknown, unknown))
    assert not laws(gather(continues, continues))


def test_nested_joins_become_one_where_paths_need_not_be_kept() -> None:
    flow = gather(fetch, gather(parse, gather(fetch, save)), parse("x"))
    assert not laws(flow)
    found = optimise(flow.node, keep_paths=False)
    assert found.applied[0].moves == (
        ("gather[1]/gather[1]/gather[0]", "gather[1]/gather[1]"),
        ("gather[1]/gather[1]/gather[1]", "gather[1]/gather[2]"),
    )
    assert_equivalent(flow, Flow(found.node), "abc")
    assert sum(isinstance(node, Par) for node in postorder(found.node)) == 1
    assert Flow(found.node).run_sync("abc").value == ("abc", (3, ("abc", "abc")), 1)


def test_nested_joins_whose_states_may_conflict_stay() -> None:
    """The inner conflict would stop the branch beside it before that is called."""
    assert not laws(gather(gather(save, save), fetch), keep_paths=False)
    assert laws(gather(gather(save, fetch), fetch), keep_paths=False)


# -- names -------------------------------------------------------------------------------------------------------------


def step_paths(node: Node) -> list[str]:
    return [id for id, origin in lower(node).origins.items() if isinstance(origin, Call)]


def test_nothing_goes_that_would_rename_what_follows() -> None:
    """A handler is under ``recover``; without the first one the second would have its name."""
    needless = pure("a").recover(lambda _: fetch("b"))
    flow = needless >> fetch.recover(save)
    assert step_paths(flow.node) == step_paths(flow.optimise().node) == ["fetch", "recover:2/save"]
    assert "Recover" in kinds(needless >> fetch.recover(save))
    assert kinds(fetch >> needless) == ["Call", "Pure", "Then"]


def test_of_many_of_one_name_all_go_at_once() -> None:
    flow: AnyFlow = fetch
    for _ in range(2_000):
        flow = flow >> each(lift(str)) >> lift(len).recover(lambda _: fetch("b"))
    found = optimise(flow.node)
    assert [type(node).__name__ for node in postorder(found.node)] == ["Call", "Fn", "Then"]
    assert len(found.applied) == 4_001


def test_a_region_does_not_go_around_one_of_its_name() -> None:
    inner = lift(len).recover(blame, on=TypeError)
    flow = inner.recover(lambda _: pure("x"))
    assert step_paths(flow.node) == step_paths(flow.optimise().node)
    assert "recover:2/blame" in step_paths(flow.optimise().node)


def test_dead_steps_stay_where_a_later_one_has_their_name() -> None:
    flow = (fail("no") >> fetch).recover(lambda _: pure("a")) >> fetch
    assert step_paths(flow.optimise().node) == ["fetch", "fetch:2"]
    other = (fail("no") >> save).recover(lambda _: pure("a")) >> fetch
    assert step_paths(other.optimise().node) == ["fetch"]


def test_a_unit_stays_where_a_later_step_has_its_name() -> None:
    """Also one that has just come to the place of something else."""

    @step(name="pure")
    async def plain(page: str) -> str:
        return page

    for unit in (identity().bind(pure), identity().bind(pure).recover(fail)):
        flow = fetch >> unit >> plain
        assert step_paths(flow.optimise().node) == step_paths(flow.node) == ["fetch", "pure:2"]


def test_functions_called_as_a_step_is_stay() -> None:
    @step(name="len")
    async def length(text: str) -> str:
        return text

    flow = lift(len) >> identity() >> lift(str) >> identity() >> length
    assert step_paths(flow.node) == step_paths(flow.optimise().node)


def test_guards_are_guards_still() -> None:
    flow = limit(identity() >> fetch >> identity(), Limit("db", 2)) >> identity()
    before, after = flow.graph(), flow.optimise().graph()
    assert [node.kind for node in after.nodes] == ["guard", "step"]
    assert [(node.id, node.kind) for node in before.nodes if node.kind != "function"] == [
        (node.id, node.kind) for node in after.nodes
    ]


def test_places_are_the_paths_of_the_graph() -> None:
    flow: AnyFlow = (
        gather(fetch.named("a"), each(save)).retry(recurs(1))
        >> (lift(str) >> fetch).recover(parse)
        >> lift(str)
        >> fetch
    )
    lowered = lower(flow.node)
    places = Places(flow.node)
    for id, origin in lowered.origins.items():
        if lowered.graph.by_id[id].kind != "sequence" and origin is not fetch.node:
            assert places.path(origin) == id


# -- as a whole --------------------------------------------------------------------------------------------------------


def test_rewriting_goes_on_until_nothing_changes() -> None:
    flow = pure(1).recover(lambda _: pure(2)).map(str).recover(lambda _: pure("")).map(len) >> identity()
    found = optimise(flow.node)
    assert isinstance(found, Optimised)
    assert [type(node).__name__ for node in postorder(found.node)] == ["Fn", "Given"]
    assert Flow(found.node).run_sync().value == 1


def test_a_long_flow_is_rewritten_in_one_go() -> None:
    flow: AnyFlow = pure(1)
    for at in range(20_000):
        flow = flow.map(abs) if at % 2 else (flow >> identity() >> parse if at % 100 == 0 else flow.map(str))
    found = optimise(flow.node)
    assert sum(isinstance(node, Fn) for node in postorder(found.node)) == 200
    nested: AnyFlow = fetch
    for _ in range(5_000):
        nested = nested.named("x").recover(fail) >> (identity() >> fetch)
    assert not any(isinstance(node, Recover) for node in postorder(nested.optimise().node))


def test_where_says_the_path() -> None:
    flow = gather(fetch, (fetch >> lift(len) >> lift(str)).named("part"))
    (rewrite,) = (r for r in optimise(flow.node).applied if r.law.startswith("map("))
    assert rewrite.where == "gather[1]/part/len"


def test_a_pure_function_is_not_called_before_the_flow_runs() -> None:
    called: list[int] = []
    flow = pure(3).map(called.append).map(lambda _: [1]) >> each(lift(called.append))
    flow.optimise()
    assert called == []
