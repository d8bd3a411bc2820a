"""How long steps take in simulated time: numbers, distributions, functions, and what was recorded."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mce import (
    Context,
    DefinitionError,
    SimulatedBackend,
    StepStarted,
    each,
    gather,
    recurs,
    step,
)
from mce.cli.trace import Trace
from mce.durations import (
    Distribution,
    Duration,
    Empirical,
    Exponential,
    LogNormal,
    Normal,
    Uniform,
    durations_from_json,
    durations_from_trace,
    expected_seconds,
)


@step
async def ask(n: int) -> int:
    return n


@step
def plan(n: int, *, deep: bool = False) -> int:
    return n


DISTRIBUTIONS: list[Any] = [
    pytest.param(Uniform(1, 3), id="uniform"),
    pytest.param(Normal(10, 2), id="normal"),
    pytest.param(Normal(1, 2), id="normal, cut"),
    pytest.param(Normal(3, 0), id="normal, narrow"),
    pytest.param(LogNormal(2, 9), id="lognormal"),
    pytest.param(LogNormal(2, 2), id="lognormal, narrow"),
    pytest.param(Exponential(4), id="exponential"),
    pytest.param(Exponential(0), id="exponential, none"),
    pytest.param(Empirical((1, 2, 2, 10)), id="empirical"),
]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_the_mean_of_what_is_drawn_is_the_expected_one(distribution: Distribution) -> None:
    random = Random(1)
    drawn = [distribution.draw(random) for _ in range(40_000)]
    assert min(drawn) >= 0
    assert statistics.fmean(drawn) == pytest.approx(distribution.expected(), rel=0.03, abs=1e-9)
    assert isinstance(distribution, Distribution)


def test_lognormal_has_the_percentiles_it_is_made_of() -> None:
    random = Random(1)
    drawn = sorted(LogNormal(2, 9).draw(random) for _ in range(40_000))
    assert drawn[20_000] == pytest.approx(2, rel=0.03)
    assert drawn[38_000] == pytest.approx(9, rel=0.05)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Uniform(3, 1), "low is not above high"),
        (lambda: Uniform(-1, 1), "Uniform(low=-1)"),
        (lambda: Normal(1, float("nan")), "Normal(deviation=nan)"),
        (lambda: LogNormal(0, 1), "above 0"),
        (lambda: LogNormal(3, 1), "not above p95"),
        (lambda: Exponential(float("inf")), "Exponential(mean=inf)"),
        (lambda: Empirical(()), "at least one sample"),
        (lambda: Empirical((1, "2")), "samples[1]"),  # type: ignore[arg-type]
        (lambda: SimulatedBackend(durations={"ask": Uniform}), "is a class: say Uniform(...)"),  # type: ignore[dict-item]
        (lambda: SimulatedBackend(durations={"ask": None}), "durations['ask']"),  # type: ignore[dict-item]
    ],
)
def test_wrong_figures_are_named(make: Any, named: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        make()
    assert named in str(caught.value)


def times(seed: int, duration: Duration, **options: Any) -> dict[str, float]:
    """Run three calls, each twice, and give how long each took, by its path and attempt."""

    @step
    async def flaky(ctx: Context[object], n: int) -> int:
        if ctx.attempt == 1:
            raise ConnectionError
        return n

    backend = SimulatedBackend(seed, durations={"flaky": duration}, **options)
    trace = each(flaky.retry(recurs(1), on=ConnectionError)).run_sync(range(3), backend=backend, trace=True).trace
    begun: dict[str, float] = {}
    took: dict[str, float] = {}
    for event in trace:
        key = f"{event.path} {event.attempt}"
        if isinstance(event, StepStarted):
            begun[key] = event.time
        else:
            took[key] = event.time - begun[key]
    return took


def test_every_call_draws_its_own_and_the_same_in_every_run() -> None:
    first = times(1, Uniform(0, 1))
    assert first == times(1, Uniform(0, 1))
    assert len(set(first.values())) == len(first) == 6
    assert times(2, Uniform(0, 1)) != first


def test_what_is_drawn_does_not_depend_on_the_order_of_the_others() -> None:
    usual = times(1, Uniform(0, 1))
    for pick in (lambda n: 0, lambda n: n - 1):
        assert times(1, Uniform(0, 1), pick=pick) == pytest.approx(usual)


def test_nested_retries_draw_for_every_attempt() -> None:
    @step
    async def broken() -> None:
        raise ConnectionError

    flow = broken.retry(recurs(1), on=ConnectionError).retry(recurs(1), on=ConnectionError)
    backend = SimulatedBackend(durations={"broken": Uniform(0, 1)})
    trace = flow.run_sync(backend=backend, trace=True).trace
    begun = [event.time for event in trace if isinstance(event, StepStarted)]
    took = [after - before for before, after in zip(begun, [*begun[1:], backend.elapsed], strict=True)]
    assert len(set(took)) == 4


def test_a_function_is_given_the_arguments_without_the_context() -> None:
    @step
    async def read(ctx: Context[object], text: str, times: int = 1) -> str:
        return text

    backend = SimulatedBackend(durations={"read": lambda text, times=1: len(text) * times, "plan": lambda: 3})
    assert read("hello", times=4).run_sync(backend=backend).ok
    assert backend.elapsed == 20
    assert gather(plan, plan >> plan).run_sync(1, backend=backend).ok
    assert backend.elapsed == 6


@pytest.mark.parametrize("gives", [-1.0, float("nan"), "1", None])
def test_a_function_that_gives_no_number_is_a_defect_that_names_the_step(gives: Any) -> None:
    outcome = ask.run_sync(1, backend=SimulatedBackend(durations={"ask": lambda n: gives}))
    assert "durations['ask'] gave" in str(outcome.error)


def test_a_distribution_of_ones_own() -> None:
    class Twice:
        def draw(self, random: Random) -> float:
            return 2.0

        def expected(self) -> float:
            return 2.0

    backend = SimulatedBackend(durations={"ask": Twice()})
    assert ask.run_sync(1, backend=backend).ok
    assert backend.elapsed == 2
    assert [expected_seconds(duration) for duration in (Twice(), 3, lambda n: 9.0)] == [2, 3, 0]


# -- recorded ---------------------------------------------------------------------------------------------------------


def record(path: Path, calls: int) -> None:
    """Write the trace of a run in which call ``n`` takes ``n`` seconds, and every third one fails."""

    @step(name="ask", raises=ConnectionError)
    async def numbered(n: int) -> int:
        if n % 3 == 0:
            raise ConnectionError
        return n

    backend = SimulatedBackend(durations={"ask": lambda n: float(n), "plan": 0.5})
    flow = each(numbered.or_else(plan(0)))
    with Trace(path, 0.0) as trace:
        for event in flow.run_sync(range(1, calls + 1), backend=backend, trace=True).trace:
            trace.tell(event)
        trace.write({"kind": "outcome", "ok": True})


def test_a_trace_gives_samples_and_how_often_each_step_failed(tmp_path: Path) -> None:
    record(tmp_path / "run.jsonl", 6)
    found = durations_from_trace(tmp_path / "run.jsonl")
    assert found["ask"] == Empirical((1, 2, 3, 4, 5, 6))
    assert found["plan"] == Empirical((0.5, 0.5))
    assert found.failures == {"ask": 2 / 6, "plan": 0}
    assert (list(found), len(found), found.costs) == (["ask", "plan"], 2, {})
    backend = SimulatedBackend(3, durations=found)
    assert each(ask).run_sync(range(40), backend=backend).ok
    assert backend.elapsed == 6


def test_lines_of_several_runs_are_read_together() -> None:
    assert durations_from_trace([*LINES, *LINES])["ask"] == Empirical((1.5, 1.5))


def test_a_cancelled_call_and_one_that_never_ended_tell_nothing() -> None:
    cancelled = json.dumps({**json.loads(LINES[1]), "kind": "step_failed", "cancelled": True})
    assert not durations_from_trace([LINES[0], cancelled, "", LINES[0]])


LINES = [
    '{"kind": "step_started", "path": "ask", "attempt": 1, "step": "ask", "time": 0.5}',
    '{"kind": "step_finished", "path": "ask", "attempt": 1, "step": "ask", "time": 2.0}',
]


@pytest.mark.parametrize("line", ["no", "[]", "3", '{"kind": "step_started"}', '{"no": 1}', LINES[1][:-5]])
def test_a_line_that_is_no_event_is_named(line: str) -> None:
    with pytest.raises(DefinitionError, match="trace, line 2 is no event"):
        durations_from_trace([LINES[0], line])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for read in (durations_from_trace, durations_from_json):
        with pytest.raises(DefinitionError, match="gone.json cannot be read"):
            read(tmp_path / "gone.json")


# -- written by hand --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (2, 2),
        (0.5, 0.5),
        ([1, 2], Empirical((1, 2))),
        ({"uniform": [1, 2]}, Uniform(1, 2)),
        ({"uniform": {"low": 1, "high": 2}}, Uniform(1, 2)),
        ({"normal": [1, 2]}, Normal(1, 2)),
        ({"lognormal": [1, 2]}, LogNormal(1, 2)),
        ({"exponential": 3}, Exponential(3)),
        ({"seconds": {"exponential": [3]}}, Exponential(3)),
        ({"fails": 0.5}, 0),
    ],
)
def test_a_duration_in_json(said: Any, meant: Duration, tmp_path: Path) -> None:
    file = tmp_path / "durations.json"
    file.write_text(json.dumps({"ask": said}))
    assert durations_from_json(file)["ask"] == durations_from_json({"ask": said})["ask"] == meant


def test_failures_and_costs_in_json() -> None:
    found = durations_from_json({"ask": {"seconds": 1, "fails": 0.5, "cost": 2}, "plan": {"cost": 1}})
    assert (found.failures, found.costs) == ({"ask": 0.5}, {"ask": 2, "plan": 1})


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"ask": "long"}, "'ask' is 'long'; say a number"),
        ({"ask": {"gamma": [1, 2]}}, "'ask'"),
        ({"ask": {"uniform": [1, 2, 3]}}, "'ask'"),
        ({"ask": {"uniform": [2, 1]}}, "low is not above high"),
        ({"ask": -1}, "'ask' is -1"),
        ({"ask": {"seconds": 1, "fail": 1}}, "'ask' has fail"),
        ({"ask": {"fails": 2}}, "failures['ask'] is a frequency"),
        ({"ask": {"cost": -2}}, "costs['ask']"),
        ([], "durations.json is an object"),
    ],
)
def test_wrong_json_is_named(data: Any, named: str, tmp_path: Path) -> None:
    file = tmp_path / "durations.json"
    file.write_text(json.dumps(data))
    with pytest.raises(DefinitionError) as caught:
        durations_from_json(file)
    assert named in str(caught.value)


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    file = tmp_path / "durations.json"
    file.write_text("{")
    with pytest.raises(DefinitionError, match="durations.json is not JSON"):
        durations_from_json(file)
    file.write_bytes(b"\xff")
    with pytest.raises(DefinitionError, match="durations.json is not UTF-8"):
        durations_from_json(file)
