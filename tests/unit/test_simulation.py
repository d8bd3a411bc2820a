"""``simulate``: nothing is called, and the figures are those that the durations, failures and costs make."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, Self

import anyio
import pytest
from pydantic import BaseModel, model_validator

from mce import (
    Context,
    DefinitionError,
    Failure,
    Flow,
    Limit,
    Result,
    SimulatedBackend,
    Success,
    batched,
    budget,
    do,
    each,
    fail,
    gather,
    iterate,
    limit,
    pure,
    race,
    recurs,
    sleep,
    spaced,
    step,
)
from mce.durations import Duration, Exponential, Uniform, durations_from_json, durations_from_trace
from mce.testing.simulation import FailedAs, Simulation, percentile, simulate, unknown_steps


class Plan(BaseModel):
    queries: list[str]
    depth: Literal["shallow", "deep"]


@dataclass(frozen=True)
class NoPlan:
    reason: str


class Impossible(BaseModel):
    """Accepts nothing."""

    fd: int

    @model_validator(mode="after")
    def refuse(self) -> Self:
        raise ValueError("there is none")


def called(*_: object) -> None:
    raise AssertionError("a step was called")


@step
async def plan(ctx: Context[object], question: str) -> Result[Plan, NoPlan]:
    called()
    return Failure(NoPlan(question))


@step(raises=TimeoutError)
def search(query: str) -> list[str]:
    called()
    return [query]


@step
async def note_on(query: str) -> str:
    called()
    return query


@step
async def note(query: Any) -> int:
    called()
    return 0


# -- nothing is called ------------------------------------------------------------------------------------------------


def test_no_step_is_called_and_values_fit_what_follows() -> None:
    seen: list[Plan] = []

    def queries(found: Plan) -> list[str]:
        seen.append(found)
        return found.queries

    flow = plan.map(queries) >> each(search)
    found = simulate(flow, "?", runs=30)
    assert found.failed == 0
    assert {type(value) for value in seen} == {Plan}
    assert {value.depth for value in seen} == {"shallow", "deep"}
    assert found.calls == tuple(1 + len(value.queries) for value in seen)
    assert len(set(found.calls)) > 1


def test_pure_steps_stubs_and_steps_that_give_flows_are_called() -> None:
    @step(pure=True)
    def double(n: int) -> int:
        return 2 * n

    @step
    async def decide(n: int) -> Flow[object, int]:
        return note(n) if n == 42 else pure(n)

    got: list[int] = []
    flow = note >> double >> decide >> double.map(got.append)
    simulate(flow, 1, runs=3, stubs={"note": lambda n: 21 if n == 1 else 5})
    assert got == [10, 10, 10]


def test_a_value_that_is_drawn_is_not_shared_between_runs() -> None:
    grown: list[int] = []

    def grow(found: list[str]) -> None:
        found.append("more")
        grown.append(len(found))

    simulate(search.map(grow), "?", runs=200)
    assert max(grown) <= 4


def test_a_batch_is_stood_in_for_too() -> None:
    async def weigh(texts: list[str]) -> list[int]:
        called()
        return []

    got: list[Any] = []
    simulate(each(batched(weigh)).map(got.extend), ["a", "b"], runs=5)
    assert len(got) == 10
    assert all(isinstance(value, int) for value in got)


def test_blocks_of_direct_style_await_made_up_values() -> None:
    @do
    async def agent(question: str) -> list[str]:
        found = await plan(question)
        assert isinstance(found, Plan)
        return await search(found.depth)

    found = simulate(agent, "?", runs=5, durations={"plan": 1, "search": 2})
    assert (found.seconds, found.failed) == ((3.0,) * 5, 0)


def test_an_annotation_of_which_nothing_can_be_made_is_named() -> None:
    @step
    async def open_file(name: str) -> Impossible:
        raise AssertionError

    with pytest.raises(DefinitionError, match="step 'open_file'"):
        simulate(open_file, "f", runs=2)
    assert simulate(open_file, "f", runs=2, stubs={"open_file": lambda name: name}).failed == 0


# -- how long, how much, how often ------------------------------------------------------------------------------------


def test_figures_that_do_not_vary_are_exact() -> None:
    flow = gather(note, note >> note)
    found = simulate(flow, 0, runs=4, durations={"note": 2.5}, costs={"note": 3})
    assert found.seconds == (5.0,) * 4
    assert found.calls == (3,) * 4
    assert found.cost == (9.0,) * 4
    assert (found.runs, found.failed, found.failure_rate) == (4, 0, 0)
    assert [found.percentile(q) for q in (0, 50, 100)] == [5, 5, 5]
    assert repr(found) == "<Simulation of 4 runs: p50 5 s, p95 5 s, 0.0% failed>"


def test_the_seconds_follow_the_distribution() -> None:
    found = simulate(note >> note, 0, runs=2000, durations={"note": Exponential(3)})
    assert found.mean() == pytest.approx(6, rel=0.05)
    assert statistics.stdev(found.seconds) == pytest.approx(3 * 2**0.5, rel=0.1)


def test_failures_come_as_often_as_they_are_said_to() -> None:
    found = simulate(search, "?", runs=2000, failures={"search": 0.25})
    assert found.failure_rate == pytest.approx(0.25, abs=0.03)
    assert found.failures == (FailedAs("search", "TimeoutError", found.failed),)
    again = simulate(search.retry(recurs(1)), "?", runs=2000, failures={"search": 0.5})
    assert again.failure_rate == pytest.approx(0.25, abs=0.03)
    (share,) = again.steps
    assert share.failed / share.calls == pytest.approx(0.5, abs=0.03)


def test_whether_a_call_fails_says_nothing_about_how_long_it_takes() -> None:
    flow = search.or_else(sleep(100))
    found = simulate(flow, "?", runs=2000, failures={"search": 0.5}, durations={"search": Uniform(0, 1)})
    after_failure = [seconds - 100 for seconds in found.seconds if seconds >= 100]
    assert statistics.fmean(after_failure) == pytest.approx(0.5, abs=0.04)


def test_a_call_that_was_cancelled_has_not_failed() -> None:
    found = simulate(race(note, note_on), "?", runs=3, durations={"note": 1, "note_on": 2})
    assert {(share.step, share.failed, share.seconds) for share in found.steps} == {("note", 0, 3), ("note_on", 0, 3)}


@pytest.mark.parametrize(
    ("flow", "error"), [(plan, "NoPlan"), (search, "TimeoutError"), (note, "SimulatedFailure"), (fail("no"), "str")]
)
def test_a_failure_is_one_that_the_step_declares_else_a_defect(flow: Flow[Any, Any, Any], error: str) -> None:
    steps = {"plan", "search", "note"} & {getattr(flow, "__name__", "")}
    found = simulate(flow, "?", runs=3, failures=dict.fromkeys(steps, 1.0))
    assert [(way.error, way.runs) for way in found.failures] == [(error, 3)]


def test_a_declared_failure_is_recovered_from() -> None:
    found = simulate(plan.recover(lambda _: note(0)), "?", runs=50, failures={"plan": 1})
    assert (found.failed, {share.step: share.calls for share in found.steps}) == (0, {"plan": 50, "note": 50})


def test_what_is_waited_for_counts_and_a_sleep_is_a_sleep() -> None:
    flow = sleep(10) >> search.retry(spaced(5) & recurs(3))
    found = simulate(flow, "?", runs=3, failures={"search": 1}, durations={"search": 1, "sleep": 7})
    assert found.seconds == (10 + 4 + 15,) * 3


def test_declared_costs_count_in_budgets() -> None:
    found = simulate(budget(note >> note >> note, cost=5), 0, runs=2, costs={"note": 2})
    assert [(way.error, way.runs) for way in found.failures] == [("BudgetExceeded", 2)]
    assert simulate(budget(note >> note, cost=5), 0, runs=2, costs={"note": 2}).cost == (4, 4)


def test_workers_resources_and_priority_are_those_of_the_backend() -> None:
    @step(resources={"GPU": 1})
    async def train(n: int) -> int:
        return n

    flow = each(train)
    durations: dict[str, Duration] = {"train": 2}
    assert simulate(flow, range(6), runs=1, durations=durations).seconds == (2,)
    assert simulate(flow, range(6), runs=1, durations=durations, workers=2).seconds == (6,)
    assert simulate(flow, range(6), runs=1, durations=durations, resources={"GPU": 3}).seconds == (4,)
    two = gather(note, note, note_on >> plan)
    options: Any = {"workers": 2, "durations": {"note": 1, "note_on": 1, "plan": 10}, "runs": 20}
    assert set(simulate(two, "?", **options).seconds) == {11, 12}
    assert set(simulate(two, "?", priority="critical_path", **options).seconds) == {11}


def test_more_workers_are_never_compared_on_other_draws() -> None:
    options: Any = {"durations": {"note": Uniform(1, 9)}, "runs": 40}
    one, many = (simulate(each(note), range(5), workers=workers, **options) for workers in (1, 5))
    assert all(slow >= fast for slow, fast in zip(one.seconds, many.seconds, strict=True))
    busy = [sum(share.seconds for share in found.steps) for found in (many, simulate(each(note), range(5), **options))]
    assert busy[0] == pytest.approx(busy[1])


def test_the_same_seed_gives_the_same_runs() -> None:
    def run(seed: int) -> Simulation:
        flow = plan.map(lambda found: found.queries) >> each(search)
        options: Any = {"durations": {"search": Uniform(0, 1)}, "failures": {"plan": 0.2}}
        return simulate(flow, "?", seed=seed, runs=20, **options)

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_estimates_that_were_read_have_failures_and_costs_with_them() -> None:
    read = durations_from_json({"note": {"seconds": 2, "fails": 1, "cost": 3}, "gone": 1})
    found = simulate(note, 0, runs=2, durations=read)
    assert (found.seconds, found.cost, found.failed) == ((2, 2), (3, 3), 2)
    assert simulate(note, 0, runs=2, durations=read, failures={"note": 0}).failed == 0
    assert unknown_steps(note, read) == ["gone"]
    lines = [
        '{"kind": "step_started", "path": "note", "attempt": 1, "step": "note", "time": 0}',
        '{"kind": "step_finished", "path": "note", "attempt": 1, "step": "note", "time": 4}',
    ]
    assert simulate(note, 0, runs=2, durations=durations_from_trace(lines)).seconds == (4, 4)


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_deadlock_is_a_way_to_fail() -> None:
    one, other = Limit("db", 1), Limit("api", 1)
    flow = gather(limit(sleep(1) >> limit(note, other), one), limit(sleep(1) >> limit(note, one), other))
    found = simulate(flow, 0, runs=3)
    (way,) = found.failures
    assert (way.error, way.runs) == ("Deadlock", 3)
    assert "waits for Limit 'db', held by" in way.example


def test_a_run_without_an_end_is_stopped() -> None:
    found = simulate(iterate(note, until=lambda n: False), 0, runs=2, at_most=50, durations={"note": 1})
    (way,) = found.failures
    assert (way.error, way.runs) == ("Endless", 2)
    assert "not done after 50 calls of steps, the last at iterate#50/note" in way.example
    assert found.calls == (51, 51)


def test_a_function_that_fails_on_what_was_made_up_is_a_defect() -> None:
    found = simulate(search.map(lambda texts: texts[0]), "?", runs=60)
    assert {way.error for way in found.failures} == {"IndexError"}
    assert 0 < found.failed < 60


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"runs": 0}, "runs=0"),
        ({"failures": {"note": 2}}, "failures['note']"),
        ({"costs": {"note": -1}}, "costs['note']"),
        ({"stubs": {"note": 3}}, "stubs['note']"),
        ({"durations": {"nto": 3}}, "durations['nto']: this flow has no step of that name"),
        ({"stubs": {"nto": len}}, "stubs['nto']"),
        ({"durations": {"note": -3}}, "durations['note']"),
        ({"workers": 0}, "workers=0"),
    ],
)
def test_wrong_figures_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        simulate(note, 0, **options)
    assert named in str(caught.value)


def test_names_are_not_refused_where_not_all_steps_can_be_seen() -> None:
    assert simulate(pure(1).bind(lambda n: note(n)), runs=2, durations={"note": 3, "other": 4}).seconds == (3, 3)


def test_an_input_that_is_missing_is_an_error_and_no_figure() -> None:
    with pytest.raises(DefinitionError, match="needs an input"):
        simulate(note)


# -- in earnest -------------------------------------------------------------------------------------------------------


def test_real_steps_are_called_in_simulated_time_and_what_they_spend_counts() -> None:
    @step
    async def ask(ctx: Context[int], n: int) -> int:
        ctx.spend(2.5)
        ctx.put(ctx.state + 1)
        await anyio.sleep(3600)
        return n

    @step
    def tell(n: int) -> Result[int, str]:
        return Failure("no") if n else Success(n)

    flow = ask >> ask >> tell
    found = simulate(flow, 0, state=1, runs=2, real=True, costs={"tell": 1}, durations={"tell": 4}, failures={"ask": 1})
    assert (found.seconds, found.cost, found.failed) == ((7204, 7204), (6, 6), 0)
    failing = simulate(flow, 1, state=1, runs=2, real=True)
    assert [(way.step, way.error) for way in failing.failures] == [("tell", "str")]


def test_progress_is_told_after_every_run() -> None:
    told: list[int] = []
    simulate(note, 0, runs=3, progress=told.append)
    assert told == [1, 2, 3]


# -- figures ----------------------------------------------------------------------------------------------------------


def test_percentiles_are_those_of_the_standard_library() -> None:
    random = Random(1)
    values = [random.random() for _ in range(101)]
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    assert [percentile(values, q) for q in range(1, 100)] == pytest.approx(cuts)
    assert percentile([3], 37) == 3


@pytest.mark.parametrize("q", [-1, 101, float("nan")])
def test_a_percentile_is_between_0_and_100(q: float) -> None:
    with pytest.raises(DefinitionError, match="from 0 to 100"):
        percentile([1, 2], q)


def test_a_histogram_counts_every_run_once() -> None:
    found = Simulation(tuple(map(float, (0, 1, 1, 2, 10))), (1,) * 5, (0,) * 5, (), ())
    assert found.histogram(5) == [(0, 2, 3), (2, 4, 1), (4, 6, 0), (6, 8, 0), (8, 10, 1)]
    assert found.histogram(measure="calls") == [(1, 1, 5)]
    with pytest.raises(DefinitionError, match="a measure is"):
        found.histogram(measure="cots")  # type: ignore[arg-type]


def test_simulating_leaves_other_backends_alone() -> None:
    simulate(note, 0, runs=1)
    outcome = note.run_sync(0, backend=SimulatedBackend())
    assert outcome.defect is not None
    assert isinstance(outcome.defect.cause, AssertionError)


def test_a_declared_cost_that_a_budget_does_not_allow_is_not_spent() -> None:
    found = simulate(budget(note >> note >> note, cost=5), 0, runs=2, costs={"note": 2})
    assert found.cost == (4, 4)


def test_a_definition_that_is_wrong_inside_a_step_is_a_failure_of_the_run() -> None:
    @step(pure=True)
    def wrong(n: int) -> int:
        raise DefinitionError("no")

    assert [way.error for way in simulate(wrong, 1, runs=2).failures] == ["DefinitionError"]


def test_exceptions_that_cannot_be_copied_are_raised_all_the_same() -> None:
    class Odd(Exception):
        def __init__(self, *, code: int) -> None:
            super().__init__()
            self.code = code

    @step(raises=Odd)
    async def odd(n: int) -> int:
        raise AssertionError

    assert [way.error for way in simulate(odd, 1, runs=5, failures={"odd": 1}).failures] == ["Odd"]
