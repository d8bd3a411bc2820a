"""The reference meaning by itself: its shape, and what the random programs of ``test_equivalence.py`` do not hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from returns.result import Failure, Result, Success

from mce import (
    Again,
    Context,
    Dag,
    Defect,
    Done,
    Flow,
    InvalidFlow,
    Limit,
    StateConflict,
    budget,
    do,
    fail,
    gather,
    identity,
    iterate,
    lift,
    limit,
    modify,
    pure,
    put,
    race,
    speculate,
    step,
    switch,
    tail_rec,
    timeout,
)
from mce.syntax import Suspend
from mce.testing import observe, program
from mce.testing.vocabulary import Ledger
from mce.transformers import denote

DEEP = 5_000


def increased(n: int) -> int:
    return n + 1


def meaning_of(flow: Any, value: Any = None, state: Any = None, **options: Any) -> tuple[Result[Any, Any], Any]:
    """Perform what ``flow`` denotes."""

    async def perform() -> Any:
        task: Callable[[], Awaitable[Any]] = denote(flow, **options)(value)(state)
        return await task()

    return anyio.run(perform)  # type: ignore[no-any-return]


def test_a_flow_denotes_a_function_of_input_and_state_to_a_task() -> None:
    assert meaning_of(lift(len) >> pure("ok"), "four", 7) == (Success("ok"), 7)


def test_a_failure_keeps_the_state() -> None:
    assert meaning_of(put(4) >> fail("no"), None, 3) == (Failure("no"), 4)


def test_nothing_happens_before_the_task_is_awaited() -> None:
    seen: list[int] = []

    def note(n: int) -> int:
        seen.append(n)
        return n

    task = denote(lift(note) >> modify(note))(3)(4)
    assert seen == []
    anyio.run(task)
    assert seen == [3, 4]


def test_a_meaning_can_be_performed_again() -> None:
    task = denote(program("gather(notes('log'), notes('total')) >> flaky(1)").or_else(pure("again")))(3)(Ledger())
    assert anyio.run(task) == anyio.run(task)


def nest(flow: Flow[Any, Any, Any, Any], wrap: Callable[[Any], Any]) -> Any:
    for _ in range(DEEP):
        flow = wrap(flow)
    return flow


def countdown(n: int) -> Flow[object, int]:
    return pure(n).bind(lambda n: pure(n) if n == 0 else countdown(n - 1))


@pytest.mark.parametrize(
    "deep",
    [
        nest(identity(), lambda flow: flow >> identity()),
        nest(identity(), lambda flow: identity() >> flow),
        nest(identity(), lambda flow: flow.bind(pure)),
        nest(identity(), lambda flow: flow.or_else(pure(3))),
        nest(fail("no"), lambda flow: flow.recover(fail)).or_else(identity()),
        nest(identity(), lambda flow: gather(flow, pure(0)).map(lambda both: both[0])),
        gather(*[identity()] * DEEP).map(lambda values: values[-1]),
        iterate(lift(increased), until=lambda n: n > DEEP).map(lambda _: 3),
        tail_rec(lift(lambda n: Done(3) if n > DEEP else Again(n + 1))),
        countdown(DEEP).map(lambda _: 3),
    ],
    ids=lambda flow: "",
)
def test_flows_of_any_depth_have_a_meaning(deep: Any) -> None:
    assert meaning_of(deep, 3)[0] == Success(3)


def test_deps_and_attempts_are_found() -> None:
    @step
    async def tell(ctx: Context[object], n: int) -> Any:
        return Success((ctx.deps, ctx.attempt, ctx.path, ctx.idempotency_key)) if ctx.attempt == n else Failure("early")

    from mce import recurs

    assert meaning_of(tell.retry(recurs(3)), 2, deps="deps")[0] == Success(("deps", 2, "", ""))
    assert meaning_of(tell, 2)[0] == Failure("early")


def test_a_context_ends_with_its_step() -> None:
    kept: list[Context[int]] = []

    @step
    async def keeps(ctx: Context[int]) -> int:
        kept.append(ctx)
        await ctx.sleep(3600)
        return ctx.state

    assert meaning_of(keeps, None, 3) == (Success(3), 3)
    assert "ended" in repr(kept[0])


def test_what_nobody_declared_is_a_defect() -> None:
    result, _ = meaning_of(lift(len), 3)
    assert isinstance(result.failure(), Defect)
    assert isinstance(result.failure().cause, TypeError)


@pytest.mark.parametrize(
    ("flow", "cause"),
    [
        (pure(3).bind(lambda n: n), TypeError),  # type: ignore[arg-type,return-value]
        (switch(lambda n: n, {1: pure("one")})(2), LookupError),
        (tail_rec(identity())(2), TypeError),  # pyright: ignore[reportArgumentType]
        (modify(lambda n: "three"), Exception),
    ],
)
def test_the_engine_and_the_meaning_fail_alike(flow: Any, cause: type[Exception]) -> None:
    """Their own defects are of one class; what they say may differ."""
    result, state = meaning_of(flow, None, 3)
    assert type(result.failure().cause) is type(flow.run_sync(state=3).error.cause)
    assert isinstance(result.failure().cause, cause)
    assert state == 3


def test_a_block_may_await_the_event_loop() -> None:
    @do
    async def waits(n: int) -> int:
        with anyio.CancelScope():
            await anyio.lowlevel.checkpoint()
        try:
            await anyio.to_thread.run_sync(int, "none")
        except ValueError:
            n += await pure(1)
        return n

    for loop in ("asyncio", "trio"):
        assert anyio.run(denote(waits)(3)(None), backend=loop) == (Success(4), None)


def test_a_race_is_won_by_the_first_in_order() -> None:
    assert meaning_of(race(fail("a"), put(4), put(5)), None, 3) == (Success(None), 4)
    assert meaning_of(race(put(4) >> fail("a"), fail("b")), None, 3) == (Failure(("a", "b")), 3)


def test_there_is_neither_clock_nor_meter() -> None:
    assert meaning_of(timeout(pure(3), 0))[0] == Success(3)
    assert meaning_of(budget(identity(), steps=0), 3)[0] == Success(3)


@pytest.mark.parametrize("value", [1, 5])
def test_speculation_keeps_the_branch_that_is_wanted(value: int) -> None:
    flow: Any = speculate(
        modify(lambda n: n).map(lambda _: value > 3), put(4).map(lambda _: "big"), put(5) >> fail("small")
    )
    assert meaning_of(flow, value, 3) == ((Success("big"), 4) if value > 3 else (Failure("small"), 5))
    outcome = flow.run_sync(value, state=3)
    assert (outcome.result, outcome.state) == meaning_of(flow, value, 3)


@pytest.mark.parametrize(
    ("flow", "message"),
    [(Flow(Suspend("token")), "somebody outside"), (limit(identity(), Limit("db", 1)), "part of a combinator")],
)
def test_what_has_no_meaning_is_refused(flow: Any, message: str) -> None:
    with pytest.raises(InvalidFlow, match=message):
        meaning_of(flow, 3)


# -- dags --------------------------------------------------------------------------------------------------------------


def diamond(first: Any, left: Any, right: Any, last: Any, **options: Any) -> Any:
    dag = Dag[Any]()
    one = dag.add(first, dag.input, name="one")
    two, three = dag.add(left, one, name="two"), dag.add(right, one, name="three")
    four = dag.add(last, two, after=[three], name="four")
    return (
        dag.flow(*options.pop("outs", [four]), **options) if "outs" not in options else dag.flow(one, four, **options)
    )


WRITES = program("notes('log')")


def agrees(flow: Any, value: Any = 3, state: Any = None) -> tuple[Any, Any]:
    """Assert that the engine gives what the meaning says, and give that."""
    state = state or Ledger()
    result, after = meaning_of(flow, value, state)
    seen = observe(flow, value, state=state)
    assert str(seen.result)[:9] == str(result)[:9]
    assert seen.state == after
    return result, after


def test_tasks_run_in_their_order_and_changes_are_made_once() -> None:
    result, state = agrees(diamond(WRITES, WRITES, program("adds(1) >> notes('log')"), WRITES))
    assert (result, state.log) == (Success(3), (3, 3, 4, 3))


def test_tasks_side_by_side_conflict() -> None:
    mark = program("notes('mark')")
    result, state = agrees(diamond(WRITES, mark, mark, WRITES))
    assert isinstance(result.failure(), StateConflict)
    assert state.log == ()  # the task at which they meet never began: it fails in the state at entry


def test_a_failing_task_ends_the_dag_in_its_own_state() -> None:
    result, state = agrees(diamond(WRITES, WRITES, program("notes('total') >> refuses(0)"), WRITES))
    assert (result.failure().code, state.log, state.total) == (3, (3,), 3)


@pytest.mark.parametrize("on_failure", ["settle", "accumulate"])
def test_a_dag_that_goes_on_passes_over_what_waits_for_a_failure(on_failure: Any) -> None:
    lost = program("notes('total') >> refuses(0)")
    result, state = agrees(diamond(WRITES, lost, WRITES, WRITES, on_failure=on_failure))
    assert (state.log, state.total) == ((3, 3), 3)
    told = result.unwrap() if on_failure == "settle" else result
    assert isinstance(told, Failure)


def test_tasks_take_values_in_every_form() -> None:
    @step
    async def told(*values: Any, more: Any = None) -> Any:
        return values, more

    dag = Dag[int]()
    one = dag.add(lift(increased), dag.input)
    two = dag.add(told, one, "constant", more=dag.input)
    three = dag.add(lambda *values: pure(values), one, two)
    flow = dag.flow(one, three)
    assert meaning_of(flow, 3)[0] == flow.run_sync(3).result == Success((4, (4, ((4, "constant"), 3))))
