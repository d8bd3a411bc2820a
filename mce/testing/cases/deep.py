"""Cases of size: depth and length cost memory, never the stack."""

from __future__ import annotations

from typing import Any

from mce.combinators import do, ensure, gather, iterate, pure, switch, tail_rec
from mce.flow import Flow
from mce.schedule import recurs
from mce.step import step
from mce.syntax import Again, Done
from mce.testing.cases.bench import AnyFlow, Bench, Cases, expect
from mce.testing.cases.parts import add_one, refuse

__all__ = ["CASES"]

CASES = Cases("deep")

DEPTH = 1_200
"""More than Python's stack holds."""


def repeated(flow: AnyFlow, times: int) -> AnyFlow:
    """``flow`` after itself, so many times."""
    chain = flow
    for _ in range(times - 1):
        chain = chain >> flow
    return chain


@CASES
def a_long_chain(bench: Bench) -> None:
    """A chain may be of any length, built from the left or from the right."""
    bench.gives(repeated(add_one, DEPTH), DEPTH, 0)
    chain: AnyFlow = add_one
    for _ in range(DEPTH - 1):
        chain = add_one >> chain
    bench.gives(chain, DEPTH, 0)


@CASES
def binds_nest_in_both_directions(bench: Bench) -> None:
    """Binds nest to the left, to the right, and around what comes back."""
    left: AnyFlow = pure(0)
    for _ in range(DEPTH):
        left = left.bind(lambda n: pure(n + 1))
    bench.gives(left, DEPTH)

    def right(n: int) -> Flow[object, int]:
        return pure(0) if n == 0 else pure(n - 1).bind(right)

    def around(n: int) -> Flow[object, int]:
        return pure(0) if n == 0 else pure(n - 1).bind(around).map(lambda found: found + 1)

    bench.gives(right(DEPTH), 0)
    bench.gives(around(DEPTH), DEPTH)


@CASES
def steps_that_continue_with_themselves(bench: Bench) -> None:
    """A dynamic step and a block may call themselves to any depth."""

    @step
    async def steps(n: int) -> Flow[object, Any]:
        return pure(0) if n == 0 else steps(n - 1)

    @do
    async def blocks(n: int) -> int:
        return 0 if n == 0 else await blocks(n - 1) + 1

    bench.gives(steps(DEPTH), 0)
    bench.gives(blocks(DEPTH), DEPTH)


@CASES
def long_loops(bench: Bench) -> None:
    """Loops turn as often as they must."""
    bench.gives(iterate(add_one, until=lambda n: n >= 10 * DEPTH), 10 * DEPTH, 0)
    turn = add_one.map(lambda n: Done(n) if n >= DEPTH else Again(n))
    bench.gives(tail_rec(turn), DEPTH, 0)


@CASES
def regions_nest(bench: Bench) -> None:
    """Policies, choices, resources, recoveries and names nest to any depth, on success and on failure."""

    def nested(inner: AnyFlow, depth: int) -> AnyFlow:
        for _ in range(depth // 5):
            inner = ensure(inner.recover(refuse), pure(None)).retry(recurs(0)).named("deeper")
            inner = switch(lambda _: 1, {1: inner})
        return inner

    bench.gives(nested(add_one, DEPTH), 1, 0)
    bench.fails(nested(refuse, DEPTH), "no", "no")


@CASES
def joins_nest_deep(bench: Bench) -> None:
    """Joins nest deeper than the stack, when they succeed and when they fail, and say where."""
    for inner in (add_one, refuse):
        flow: AnyFlow = inner
        for _ in range(DEPTH):
            flow = gather(flow).map(lambda values: values[0])
        outcome = bench.run(flow, 0)
        if inner is add_one:
            expect(outcome.value, 1, "the value")
        else:
            expect(outcome.where and outcome.where.path.count("gather[0]"), DEPTH, "the joins in the path")


@CASES
def branches_that_wait_nest_deep(bench: Bench) -> None:
    """Branches that are tasks of their own nest deeper than the stack too, and a failure comes out of them."""
    flow: AnyFlow = refuse("no")
    for _ in range(DEPTH):
        flow = gather(flow, add_one(1))
    outcome = bench.fails(flow, "no")
    expect(outcome.where and outcome.where.path.count("gather[0]"), DEPTH, "the joins in the path")
