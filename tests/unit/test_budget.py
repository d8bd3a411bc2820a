"""Budgets: every call, cost and second inside counts, running out cannot be recovered from inside, finalisers run."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mce import (
    Backend,
    BudgetExceeded,
    Context,
    Dag,
    DefinitionError,
    Flow,
    InlineBackend,
    Limit,
    LocalBackend,
    bracket,
    budget,
    cached,
    do,
    each,
    ensure,
    gather,
    iterate,
    lift,
    limit,
    pure,
    recurs,
    settle,
    sleep,
    spaced,
    step,
    timeout,
)
from tests.unit.virtual import on_all, on_concurrent

Make = Callable[[], Backend]


class Work:
    """Steps that count their calls: async, plain, pure and dynamic."""

    def __init__(self) -> None:
        self.calls = 0

        @step
        async def inc(n: int) -> int:
            self.calls += 1
            return n + 1

        @step
        def plain(n: int) -> int:
            self.calls += 1
            return n + 1

        @step(pure=True)
        def quick(n: int) -> int:
            self.calls += 1
            return n + 1

        @step
        async def dynamic(n: int) -> Flow[object, int]:
            self.calls += 1
            return inc(n)

        @step
        async def pay(ctx: Context[object], cost: float) -> float:
            ctx.spend(cost)
            self.calls += 1
            return cost

        self.inc, self.plain, self.quick, self.dynamic, self.pay = inc, plain, quick, dynamic, pay


def shapes(work: Work) -> dict[str, Flow[Any, Any, Any]]:
    """Flows of four calls each."""

    @do
    async def block(n: int) -> int:
        for _ in range(2):
            n = await work.inc(n)
        return await (work.plain(n) >> work.inc)

    inc, dag = work.inc, Dag[int]()
    first = dag.add(inc, dag.input)
    dag.add(inc, dag.add(inc, first))
    dag.add(work.plain, first)
    return {
        "dag": dag.flow(),
        "forked": gather(work.dynamic, inc.bind(inc)),
        "chain": inc >> work.plain >> work.quick >> inc,
        "given": inc(1) >> inc(n=2) >> inc(3) >> inc(4),
        "gather": gather(inc, inc >> inc, inc),
        "each": lift(range) >> each(inc),
        "loop": iterate(inc, until=lambda n: n >= 8),
        "bind": inc.bind(lambda n: inc(n).bind(lambda m: inc(m) >> inc)),
        "dynamic": work.dynamic >> work.dynamic,
        "do": block,
        "retry": (inc >> inc >> pure(1).map(lambda n: n // 0)).retry(recurs(1)),
        "recover": (inc >> inc >> pure(1).map(lambda n: n // 0)).recover(lambda _: inc(1) >> inc, on=ZeroDivisionError),
    }


@pytest.mark.parametrize("name", shapes(Work()))
@on_all
def test_every_call_inside_counts(make: Make, name: str) -> None:
    work = Work()
    flow = shapes(work)[name]
    free = flow.run_sync(4, backend=make())
    assert work.calls == 4
    allowed = budget(flow, steps=4).run_sync(4, backend=make())
    assert (allowed.value if free.ok else allowed.ok) == (free.value if free.ok else False)
    assert work.calls == 8
    outcome = budget(flow, steps=3).run_sync(4, backend=make())
    assert isinstance(outcome.error, BudgetExceeded)
    assert (outcome.error.what, outcome.error.allowed) == ("steps", 3)
    assert outcome.where is not None
    assert outcome.where.path == outcome.error.path
    assert work.calls == 11


@on_all
def test_outside_a_budget_nothing_counts(make: Make) -> None:
    work = Work()
    four = work.inc >> work.inc >> work.inc >> work.inc
    assert (four >> budget(four, steps=4) >> four).run_sync(0, backend=make()).value == 12
    again = iterate(budget(work.inc, steps=1), until=lambda n: n >= 20)
    assert again.run_sync(0, backend=make()).value == 20


@on_all
def test_nothing_inside_recovers_from_it_or_tries_again(make: Make) -> None:
    work = Work()
    inside = settle((work.inc >> work.inc).or_else(pure(0)).retry(recurs(5) & spaced(1))).map(len)
    outcome = budget(inside, steps=1).run_sync(0, backend=make())
    assert isinstance(outcome.error, BudgetExceeded)
    assert work.calls == 1


@on_all
def test_around_it_one_can_recover(make: Make) -> None:
    work = Work()
    flow = budget(work.inc >> work.inc, steps=1).recover(lambda error: pure(error.what), on=BudgetExceeded)
    assert flow.run_sync(0, backend=make()).value == "steps"


@on_all
def test_a_failure_inside_stays_what_it_is(make: Make) -> None:
    work = Work()
    wrong: Flow[int, int] = lift(lambda n: n // 0)
    outcome = budget(work.inc >> wrong, steps=5, seconds=5, cost=5).run_sync(0, backend=make())
    assert outcome.defect is not None
    assert isinstance(outcome.defect.cause, ZeroDivisionError)


@pytest.mark.parametrize(("outer", "inner", "what"), [(2, 3, 2), (3, 2, 2), (2, 2, 2)])
@on_all
def test_of_nested_budgets_all_count(make: Make, outer: int, inner: int, what: int) -> None:
    work = Work()
    outcome = budget(budget(work.inc >> work.inc >> work.inc, steps=inner), steps=outer).run_sync(0, backend=make())
    assert outcome.error == BudgetExceeded("steps", what, "inc:3")
    assert work.calls == 2


@on_all
def test_what_the_outer_budget_refuses_the_inner_one_does_not_answer_for(make: Make) -> None:
    work = Work()
    inner = budget(work.inc >> work.inc >> work.inc, steps=9).recover(lambda _: pure(0), on=BudgetExceeded)
    assert budget(inner, steps=2).run_sync(0, backend=make()).error == BudgetExceeded("steps", 2, "inc:3")


@on_all
def test_who_recovers_from_an_inner_budget_still_has_the_outer(make: Make) -> None:
    work = Work()
    inner = budget(work.inc >> work.inc, steps=1).recover(lambda _: work.inc(0), on=BudgetExceeded)
    assert budget(inner, steps=2).run_sync(0, backend=make()).value == 1
    assert budget(inner >> work.inc, steps=2).run_sync(0, backend=make()).error == BudgetExceeded("steps", 2, "inc:3")


@on_all
def test_what_finalisers_call_is_free_and_runs(make: Make) -> None:
    work = Work()
    closed: list[str] = []

    @step
    async def close(name: str) -> None:
        closed.append(name)

    use = bracket(pure("file"), lambda _: work.inc(0) >> work.inc >> work.inc, close)
    outcome = budget(ensure(use, close("lock")), steps=2).run_sync(backend=make())
    assert isinstance(outcome.error, BudgetExceeded)
    assert closed == ["file", "lock"]
    closing = ensure(work.inc(0), close("lock") >> close("door")) >> work.inc
    assert budget(closing, steps=2).run_sync(backend=make()).ok
    assert not budget(closing >> work.inc, steps=2).run_sync(backend=make()).ok


@on_all
def test_a_cost_that_is_too_much_is_not_spent(make: Make) -> None:
    work = Work()
    flow = work.pay(2.0) >> work.pay(2.5) >> work.pay(1.0)
    assert budget(flow, cost=5.5).run_sync(backend=make()).ok
    assert work.calls == 3
    outcome = budget(flow, cost=5).run_sync(backend=make())
    assert outcome.error == BudgetExceeded("cost", 5, "pay:3")
    assert work.calls == 5


def test_a_cost_without_a_budget_is_nothing() -> None:
    assert Work().pay(1e9).run_sync().ok


def test_a_step_cannot_catch_its_end() -> None:
    @step
    async def stubborn(ctx: Context[object], cost: float) -> str:
        try:
            ctx.spend(cost)
        except Exception:
            return "went on"
        return "was free"

    assert isinstance(budget(stubborn(2.0), cost=1).run_sync().error, BudgetExceeded)


@pytest.mark.parametrize("cost", [-1, float("nan"), float("inf"), "much"])
def test_a_wrong_cost_is_a_defect(cost: Any) -> None:
    outcome = Work().pay(cost).run_sync()
    assert "a cost is a finite number that is not negative" in str(outcome.error)


@pytest.mark.parametrize("backend", [InlineBackend(), LocalBackend(), LocalBackend(loop="trio")], ids=repr)
def test_plain_steps_in_threads_spend_together(backend: Backend) -> None:
    together = threading.Barrier(1 if backend.sequential else 4, timeout=30)

    @step
    def pay(ctx: Context[object], cost: int) -> int:
        together.wait()
        for _ in range(1000):
            ctx.spend(cost)
        return cost

    assert budget(gather(*(pay(1) for _ in range(4))), cost=4000).run_sync(backend=backend).ok
    outcome = budget(gather(*(pay(1) for _ in range(4))), cost=3999).run_sync(backend=backend)
    assert isinstance(outcome.error, BudgetExceeded)
    assert outcome.error.what == "cost"


@on_all
def test_seconds_are_those_of_the_clock(make: Make) -> None:
    assert budget(sleep(5), seconds=6).run_sync("on", backend=make()).value == "on"
    outcome = budget(gather(sleep(5), sleep(10)), seconds=7, steps=9).run_sync("on", backend=make())
    assert isinstance(outcome.error, BudgetExceeded)
    assert (outcome.error.what, outcome.error.allowed) == ("seconds", 7)


@on_all
def test_a_timeout_inside_stays_a_timeout(make: Make) -> None:
    inner = timeout(sleep(10), 5).or_else(pure("in time"))
    assert budget(inner, seconds=7, steps=9).run_sync("on", backend=make()).value == "in time"


@on_concurrent
def test_running_out_cancels_the_other_branches(make: Make) -> None:
    work = Work()
    ended: list[str] = []

    @step
    async def slow(ctx: Context[object]) -> None:
        try:
            await ctx.sleep(60)
        finally:
            ended.append("slow")

    outcome = budget(gather(slow, sleep(1) >> work.inc >> work.inc), steps=3).run_sync(0, backend=make())
    assert outcome.error == BudgetExceeded("steps", 3, "gather[1]/inc:2")
    assert ended == ["slow"]


@on_all
def test_steps_of_combinators_are_free(make: Make) -> None:
    work = Work()
    flow = limit(cached(work.inc), Limit("db", 1))
    assert budget(flow >> flow, steps=2).run_sync(0, backend=make()).value == 2


@on_all
def test_the_state_is_that_at_the_end(make: Make) -> None:
    @step
    async def note(ctx: Context[tuple[str, ...]], word: str) -> str:
        ctx.put((*ctx.state, word))
        return word

    outcome = budget(note("a") >> note("b") >> note("c"), steps=2).run_sync(state=(), backend=make())
    assert outcome.state == ("a", "b")


def test_a_budget_is_seen_while_events_are_listened_to() -> None:
    work = Work()
    outcome = budget(work.inc >> work.inc, steps=1).run_sync(0, trace=True)
    assert isinstance(outcome.error, BudgetExceeded)
    assert len(outcome.trace) == 2


def test_budgets_nest_deeply() -> None:
    work = Work()
    flow: Flow[int, int, Any] = work.inc
    for allowed in range(3000):
        flow = budget(flow, steps=allowed + 1)
    assert flow.run_sync(0, backend=InlineBackend()).value == 1


def test_without_an_event_loop_a_budget_counts_too() -> None:
    work = Work()
    assert budget(work.plain.bind(work.plain), steps=2, cost=1).run_sync(0, backend=InlineBackend()).value == 2
    outcome = budget(work.plain.bind(work.plain), steps=1).run_sync(0, backend=InlineBackend())
    assert outcome.error == BudgetExceeded("steps", 1, "plain:2")


def test_a_budget_is_pickled() -> None:
    flow = pickle.loads(pickle.dumps(budget(sleep(0) >> sleep(0), steps=1)))
    assert flow.run_sync().error == BudgetExceeded("steps", 1, "sleep:2")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({}, "budget without a bound"),
        ({"steps": -1}, "steps is a whole number"),
        ({"steps": 1.5}, "steps is a whole number"),
        ({"seconds": float("inf")}, "seconds is a finite number"),
        ({"cost": -1}, "cost is a finite number"),
    ],
)
def test_what_bounds_nothing_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        budget(pure(1), **wrong)
