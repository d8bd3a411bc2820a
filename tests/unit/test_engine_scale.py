"""Size costs memory, never the stack: a million steps, a million turns, joins and policies nested by the thousand."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest
from returns.result import Failure, Result

from mce import Flow, InlineBackend, LocalBackend, each, gather, iterate, pure, step, switch
from mce.syntax import Then, postorder

AnyFlow = Flow[Any, Any, Any, Any]
MILLION = 1_000_000


@step
async def follow(n: int) -> int:
    return n + 1


@step
async def refuse(n: int) -> Result[NoReturn, int]:
    return Failure(n)


@step
async def blow_up(n: int) -> NoReturn:
    raise ValueError(n)


@pytest.fixture(scope="module")
def chain() -> Iterator[AnyFlow]:
    """One chain of a million steps, without the garbage collector going through it again and again."""
    gc.disable()
    found: AnyFlow = follow
    for _ in range(MILLION - 1):
        found = found >> follow
    yield found
    gc.enable()


def blocks_of(function: Callable[[], object]) -> int:
    """Count the blocks of memory that are allocated after a call and were not before."""
    before = sys.getallocatedblocks()
    kept = function()
    grown = sys.getallocatedblocks() - before
    del kept
    return grown


def test_composing_costs_the_same_at_any_length(chain: AnyFlow) -> None:
    longer = chain >> follow
    assert isinstance(longer.node, Then)
    assert longer.node.first is chain.node
    assert blocks_of(lambda: chain >> follow) == blocks_of(lambda: follow >> follow)


def test_a_chain_of_a_million_steps_has_a_node_for_each_step_and_join(chain: AnyFlow) -> None:
    assert len(postorder(chain.node)) == MILLION


def test_a_chain_of_a_million_steps_runs(chain: AnyFlow) -> None:
    assert chain.run_sync(0).value == MILLION


def test_a_tree_of_a_million_nodes_is_pickled(chain: AnyFlow) -> None:
    again = pickle.loads(pickle.dumps(chain))
    assert len(postorder(again.node)) == MILLION


def test_a_tree_of_a_million_nodes_is_shown_hashed_and_copied(chain: AnyFlow) -> None:
    assert len(repr(chain)) < 200
    assert len({chain, chain, chain.map(str)}) == 2
    assert copy.copy(chain) is copy.deepcopy(chain) is chain


@pytest.mark.parametrize("wrap", [lambda flow: switch(len, {1: flow}), gather, lambda flow: flow.named("deeper")])
def test_a_deep_tree_of_other_nodes_is_shown_and_pickled(wrap: Callable[[AnyFlow], AnyFlow]) -> None:
    flow: AnyFlow = pure(1)
    for _ in range(10_000):
        flow = wrap(flow)
    assert len(repr(flow)) < 400
    assert len(postorder(pickle.loads(pickle.dumps(flow.map(len))).node)) == 10_003
    assert copy.deepcopy(flow) is flow


def test_a_hundred_thousand_binds_nest_to_the_left() -> None:
    flow: AnyFlow = pure(0)
    for _ in range(100_000):
        flow = flow.bind(lambda n: pure(n + 1))
    assert flow.run_sync().value == 100_000


def test_a_hundred_thousand_binds_nest_to_the_right() -> None:
    def down(n: int) -> AnyFlow:
        return pure(0) if n == 0 else pure(n - 1).bind(down)

    def around(n: int) -> AnyFlow:
        return pure(0) if n == 0 else pure(n - 1).bind(around).map(lambda found: found + 1)

    assert down(100_000).run_sync().value == 0
    assert around(100_000).run_sync().value == 100_000


def growth(flow: AnyFlow, turns: int) -> int:
    """Run ``flow`` in a loop, and say how many blocks of memory more there are at its end than after a tenth."""
    seen: list[int] = []

    def watch(n: int) -> bool:
        if n in (turns // 10, turns):
            gc.collect()
            seen.append(sys.getallocatedblocks())
        return n >= turns

    assert iterate(flow, until=watch).run_sync(0).value == turns
    return seen[1] - seen[0]


def test_a_loop_of_a_million_turns_needs_no_memory_for_them() -> None:
    assert growth(follow, MILLION) < 1_000


RECOVERED: dict[str, AnyFlow] = {
    "recover": follow.bind(refuse).recover(pure),
    "or_else": (follow >> refuse).or_else(follow),
    "defect": (follow >> blow_up).recover(lambda error: pure(error.args[0]), on=ValueError),
    "timeout": (follow >> refuse).timeout(60).recover(pure),
    "gather": gather(follow >> refuse, follow).recover(pure),
}


@pytest.mark.parametrize("failing", RECOVERED.values(), ids=RECOVERED)
def test_failures_that_were_recovered_from_leave_nothing_behind(failing: AnyFlow) -> None:
    assert growth(failing, 3_000) < 300


def test_a_hundred_thousand_turns_fail_and_recover() -> None:
    body = (follow >> refuse).recover(pure)
    assert iterate(body, until=lambda n: n >= 100_000).run_sync(0).value == 100_000


def test_ten_thousand_branches_gather() -> None:
    assert gather(*(follow(n) for n in range(10_000))).run_sync().value == tuple(range(1, 10_001))
    assert each(follow, limit=100).run_sync(range(10_000)).value == tuple(range(1, 10_001))


@pytest.mark.parametrize("backend", [InlineBackend(), LocalBackend(), LocalBackend(loop="trio")], ids=repr)
def test_joins_nest_two_thousand_deep(backend: Any) -> None:
    flow: AnyFlow = follow(0)
    for _ in range(2_000):
        flow = gather(flow, follow(0)).map(lambda values: values[0] + 1)
    assert flow.run_sync(backend=backend).value == 2_001


@pytest.mark.parametrize("backend", [InlineBackend(), LocalBackend(), LocalBackend(loop="trio")], ids=repr)
def test_deadlines_nest_two_thousand_deep(backend: Any) -> None:
    flow: AnyFlow = follow(0)
    for _ in range(2_000):
        flow = flow.timeout(60)
    assert flow.run_sync(backend=backend).value == 1
