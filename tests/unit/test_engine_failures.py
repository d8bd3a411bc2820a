"""Failures where one looks last: in merges, schedules and reprs, in errors that cannot be sent, far down a nest."""

from __future__ import annotations

import operator
import pickle
from collections.abc import Iterator
from typing import Any, NoReturn

import anyio
import pytest

from mce import (
    Context,
    Defect,
    Flow,
    InlineBackend,
    InvalidFlow,
    Lens,
    LocalBackend,
    Outcome,
    Schedule,
    TimedOut,
    do,
    ensure,
    fail,
    focus,
    gather,
    pure,
    put,
    recurs,
    step,
    tap,
)

AnyFlow = Flow[Any, Any, Any, Any]
BACKENDS = [InlineBackend(), LocalBackend(), LocalBackend(loop="trio")]
everywhere = pytest.mark.parametrize("backend", BACKENDS, ids=repr)


@step
async def blow_up(error: Exception) -> NoReturn:
    raise error


@step
async def hold(ctx: Context[object], seconds: float) -> None:
    await ctx.sleep(seconds)


@step
async def add(a: int, b: int) -> int:
    return a + b


@step
async def add_to(a: int, b: int = 1) -> int:
    return a + b


class Unsendable(Exception):
    """Cannot be pickled, nor be made again from its ``args``."""

    def __init__(self, kept: object, also: object) -> None:
        super().__init__("told")
        self.kept = lambda: (kept, also)


class Mute(Exception):
    """Cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def raising(error: Exception) -> NoReturn:
    raise error


@everywhere
def test_an_outcome_with_an_error_that_cannot_be_pickled_is_pickled(backend: Any) -> None:
    outcome: Outcome[Any, Any, Any] = blow_up(Unsendable(1, 2)).run_sync(backend=backend)
    again = pickle.loads(pickle.dumps(outcome))
    assert isinstance(again.error, Defect)
    assert (str(again.error), again.where) == ("RemoteError: Unsendable: told at blow_up", outcome.where)
    assert "Unsendable" in again.error.traceback


@everywhere
def test_errors_that_cannot_be_shown_take_no_place(backend: Any) -> None:
    lens: Lens[Any, Any] = Lens(operator.itemgetter(0), lambda whole, part: raising(Mute()))
    released: Flow[Any, Any, Any, Any] = ensure(blow_up(ValueError("first")), blow_up(Mute()))
    focused: Flow[Any, Any, Any, Any] = focus(lens, put(2) >> fail("first"))
    for flow in (released, focused):
        outcome: Outcome[Any, Any, Any] = flow.run_sync(state=(1,), backend=backend)
        assert "first" in str(outcome.error)
        assert outcome.where is not None
        assert ["Mute: its repr raised RuntimeError" in note for note in outcome.where.notes] == [True]


@everywhere
def test_a_schedule_that_raises_is_a_defect_at_the_retry(backend: Any) -> None:
    class Broken(Schedule):
        def delays(self, seed: str | int = 0) -> Iterator[float]:
            raise ZeroDivisionError("schedule")

    outcome: Outcome[Any, Any, Any] = blow_up(ValueError("first")).retry(Broken(())).run_sync(backend=backend)
    assert outcome.defect is not None
    assert isinstance(outcome.defect.cause, ZeroDivisionError)
    assert "first" in outcome.defect.traceback


@everywhere
def test_arguments_reach_a_step_wherever_it_stands_alone(backend: Any) -> None:
    @do
    async def block() -> tuple[int, int]:
        return await add(1, 2), await add_to(1, b=5)

    @step
    async def delegates(flow: AnyFlow) -> AnyFlow:
        return flow

    for trace in (False, True):
        assert add(1, 2).run_sync(backend=backend, trace=trace).value == 3
        assert add_to(1, b=5).run_sync(backend=backend, trace=trace).value == 6
        assert pure(1).bind(lambda n: add(n, 2)).run_sync(backend=backend, trace=trace).value == 3
        assert delegates(add_to(1, b=5)).run_sync(backend=backend, trace=trace).value == 6
        assert block.run_sync(backend=backend, trace=trace).value == (3, 6)


def test_a_step_of_several_parameters_takes_no_input() -> None:
    several: Any = add
    for flow in (several, pure(1) >> several):
        with pytest.raises(InvalidFlow, match=r"call it with all of them, add\(...\)"):
            flow.run_sync(1)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_cancellation_unwinds_a_deep_nest(loop: Any) -> None:
    released: list[int] = []
    flow: AnyFlow = hold(30)
    for depth in range(300):
        flow = ensure(gather(flow, pure(depth)), tap(pure(depth), released.append)).timeout(60).retry(recurs(3))
    outcome = flow.timeout(0.05).run_sync(backend=LocalBackend(loop=loop))
    assert isinstance(outcome.error, TimedOut)
    assert released == list(range(300))


@everywhere
def test_a_generator_that_is_stopped_runs_its_finally(backend: Any) -> None:
    seen: list[str] = []

    @do
    def block() -> Any:
        try:
            yield from hold(30)
        finally:
            seen.append("finally")

    outcome = block.timeout(0.01).run_sync(backend=backend)
    assert (type(outcome.error), seen) == (TimedOut, ["finally"])


@everywhere
def test_a_group_with_an_interrupt_ends_the_run(backend: Any) -> None:
    @step
    async def raises() -> NoReturn:
        raise BaseExceptionGroup("both", [ValueError(1), KeyboardInterrupt()])

    flows: list[Flow[Any, Any, Any, Any]] = [raises, gather(raises, hold(30))]
    for flow in (*flows, gather(pure(1), flows[1])):
        with pytest.raises(BaseExceptionGroup, match="both"):
            flow.run_sync(backend=backend)


@everywhere
def test_finalisers_run_before_an_interrupt_leaves(backend: Any) -> None:
    seen: list[str] = []

    @step
    async def interrupts() -> NoReturn:
        raise KeyboardInterrupt

    async def release() -> None:
        await anyio.sleep(0.001)
        seen.append("released")

    flow: Flow[object, Any, Any] = ensure(ensure(interrupts, step(release)), step(release, name="again"))
    with pytest.raises(KeyboardInterrupt):
        flow.run_sync(backend=backend)
    assert seen == ["released", "released"]
