"""Sagas: what was completed is undone, last first, on failure, timeout and cancellation, and nothing is skipped."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from mce import (
    Backend,
    BudgetExceeded,
    Context,
    DefinitionError,
    Flow,
    InlineBackend,
    LocalBackend,
    RunCancelled,
    TimedOut,
    branch,
    budget,
    compensate,
    fail,
    gather,
    lift,
    pure,
    recurs,
    settle,
    sleep,
    step,
)
from tests.unit.virtual import on_all, on_concurrent

Make = Callable[[], Backend]
State = tuple[str, ...]


class Bookings:
    """Steps that book and cancel what they are named after, and note it in a log and in the state."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def book(self, what: str, seconds: float = 0.0) -> Flow[Any, str, Any, Any]:
        @step(name=f"book {what}", raises=ConnectionError)
        async def book(ctx: Context[State | None], before: Any) -> str:
            await ctx.sleep(seconds)
            self._note(ctx, f"+{what}")
            return f"{before}{what}"

        return book

    def undo(self, what: str, error: Exception | None = None, seconds: float = 0.0) -> Flow[str, None, Any, Any]:
        @step(name=f"cancel {what}", raises=ConnectionError)
        async def cancel(ctx: Context[State | None], booked: str) -> None:
            await ctx.sleep(seconds)
            self._note(ctx, f"-{booked}")
            if error is not None:
                raise error

        return cancel

    def stage(self, what: str, **options: Any) -> Any:
        return self.book(what), self.undo(what, **options)

    def _note(self, ctx: Context[State | None], entry: str) -> None:
        self.log.append(entry)
        if ctx.state is not None:
            ctx.put((*ctx.state, entry))


@on_all
def test_without_a_failure_it_is_the_sequence(make: Make) -> None:
    bookings = Bookings()
    flow = compensate(bookings.stage("a"), bookings.book("b"), bookings.stage("c"), bookings.book("d"))
    assert flow.run_sync(">", backend=make()).value == ">abcd"
    assert bookings.log == ["+a", "+b", "+c", "+d"]


@on_all
def test_a_later_failure_undoes_what_was_done_last_first(make: Make) -> None:
    bookings = Bookings()
    flow = compensate(bookings.stage("a"), bookings.book("b"), bookings.stage("c"), fail("no"), bookings.stage("d"))
    outcome = flow.run_sync(">", state=(), backend=make())
    assert outcome.error == "no"
    assert bookings.log == ["+a", "+b", "+c", "->abc", "->a"]
    assert outcome.state == tuple(bookings.log)
    assert outcome.where is not None
    assert (outcome.where.path, outcome.where.notes) == ("fail", ())


@on_all
def test_a_stage_that_fails_itself_is_not_undone(make: Make) -> None:
    bookings = Bookings()
    flow = compensate(bookings.stage("a"), (fail("no"), bookings.undo("b")), bookings.stage("c"))
    outcome = flow.run_sync(">", backend=make())
    assert outcome.error == "no"
    assert outcome.where is not None
    assert outcome.where.notes == ()
    assert bookings.log == ["+a", "->a"]


@on_all
def test_a_defect_undoes_too(make: Make) -> None:
    bookings = Bookings()
    outcome = compensate(bookings.stage("a"), lift(lambda _: 1 // 0)).run_sync(">", backend=make())
    assert outcome.defect is not None
    assert isinstance(outcome.defect.cause, ZeroDivisionError)
    assert bookings.log == ["+a", "->a"]


@on_all
def test_an_undo_that_fails_is_told_and_the_others_run(make: Make) -> None:
    bookings = Bookings()
    broken, wrong = ConnectionError("line is dead"), ZeroDivisionError("bug")
    stages = (bookings.stage("a"), bookings.stage("b", error=wrong), bookings.stage("c", error=broken))
    outcome = compensate(*stages, fail("no")).run_sync(">", backend=make())
    assert outcome.error == "no"
    assert bookings.log == ["+a", "+b", "+c", "->abc", "->ab", "->a"]
    assert outcome.where is not None
    notes = outcome.where.notes
    assert len(notes) == 2
    assert "line is dead" in notes[0]
    assert "cancel c" in notes[0]
    assert "bug" in notes[1]
    assert "cancel b" in notes[1]


@on_all
def test_after_success_nothing_is_undone_any_more(make: Make) -> None:
    bookings = Bookings()
    flow = compensate(bookings.stage("a"), bookings.stage("b")) >> fail("no")
    assert flow.run_sync(">", backend=make()).error == "no"
    assert bookings.log == ["+a", "+b"]


@on_all
def test_a_timeout_undoes_and_the_undo_takes_its_time(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    bookings = Bookings()
    stages = (bookings.stage("a", seconds=100), bookings.stage("b", error=ConnectionError("line is dead")))
    with caplog.at_level(logging.CRITICAL, logger="mce.engine"):
        outcome = compensate(*stages, bookings.book("slow", seconds=10)).timeout(5).run_sync(">", backend=make())
    assert isinstance(outcome.error, TimedOut)
    assert bookings.log == ["+a", "+b", "->ab", "->a"]
    assert outcome.where is not None
    assert ["line is dead" in note for note in outcome.where.notes] == [True]


@on_all
def test_a_stage_can_be_cancelled_on_its_way(make: Make) -> None:
    bookings = Bookings()
    endless = (bookings.book("b", seconds=1000), bookings.undo("b"))
    flow = settle(compensate(bookings.stage("a"), endless, bookings.book("c")).timeout(5)) >> sleep(0)
    assert flow.run_sync(">", backend=make()).ok
    assert bookings.log == ["+a", "->a"]


@on_concurrent
def test_a_failing_sibling_undoes(make: Make) -> None:
    bookings = Bookings()
    saga = compensate(bookings.stage("a"), bookings.book("slow", seconds=10))
    assert gather(saga, sleep(1) >> fail("no")).run_sync(">", backend=make()).error == "no"
    assert bookings.log == ["+a", "->a"]


@on_all
def test_a_budget_that_is_used_up_undoes_all_the_same(make: Make) -> None:
    bookings = Bookings()
    flow = compensate(bookings.stage("a"), bookings.stage("b"), bookings.book("c"))
    assert isinstance(budget(flow, steps=2).run_sync(">", backend=make()).error, BudgetExceeded)
    assert bookings.log == ["+a", "+b", "->ab", "->a"]


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_cancelling_the_run_undoes_before_it_returns(loop: str) -> None:
    bookings = Bookings()
    begun: list[anyio.Event] = []

    @step
    async def hang(_: Any) -> None:
        begun[0].set()
        await anyio.sleep_forever()

    async def main() -> None:
        begun.append(anyio.Event())
        handle = compensate(bookings.stage("a"), hang).start(">")
        await begun[0].wait()
        await handle.cancel()
        assert bookings.log == ["+a", "->a"]
        with pytest.raises(RunCancelled):
            await handle.result()

    anyio.run(main, backend=loop)


@pytest.mark.parametrize("backend", [InlineBackend(), LocalBackend(), LocalBackend(loop="trio")], ids=repr)
def test_wherever_the_cancellation_comes_what_was_done_is_undone(backend: Backend) -> None:
    log: list[str] = []

    @step
    async def inc(n: int) -> int:
        return n + 1

    @step
    async def book(n: int) -> int:
        log.append(f"+{n}")
        return n

    @step
    async def cancel(n: int) -> None:
        log.append(f"-{n}")

    for size in range(230, 270):  # the engine looks for a cancellation every 256 operations
        log.clear()
        action: Flow[int, int] = inc
        for _ in range(size):
            action = action >> inc
        assert not compensate((action >> book, cancel), sleep(0)).timeout(0).run_sync(0, backend=backend).ok
        assert log in ([], [f"+{size + 1}", f"-{size + 1}"])
        nested = branch(lambda n: n >= 0, action >> book, inc)
        assert not compensate((nested, cancel), sleep(0)).timeout(0).run_sync(0, backend=backend).ok
        assert log[2:] in ([], [f"+{size + 1}", f"-{size + 1}"])


@on_all
def test_each_attempt_is_undone_by_itself(make: Make) -> None:
    bookings = Bookings()
    start: State = ()
    outcome = compensate(bookings.stage("a"), fail("no")).retry(recurs(2)).run_sync(">", state=start, backend=make())
    assert bookings.log == ["+a", "->a"] * 3
    assert outcome.state == ("+a", "->a")


@on_all
def test_the_undo_is_a_flow_or_makes_one_of_the_value(make: Make) -> None:
    undone: list[int] = []
    flow = compensate((pure(7), lambda value: lift(undone.append)(value)), (pure(8), lift(undone.append)), fail("no"))
    assert flow.run_sync(backend=make()).error == "no"
    assert undone == [8, 7]


@pytest.mark.parametrize("value", [None, pure(3), fail("no"), ()], ids=["none", "flow", "failing", "tuple"])
@on_all
def test_values_are_whatever_they_are(make: Make, value: Any) -> None:
    undone: list[Any] = []
    first = (pure(value), lift(undone.append))
    assert compensate(first, lift(lambda got: got is value)).run_sync(backend=make()).value is True
    compensate(first, fail("no")).run_sync(backend=make())
    assert undone == [value]


@on_all
def test_sagas_nest(make: Make) -> None:
    bookings = Bookings()
    inner: Any = compensate(bookings.stage("b"), bookings.stage("c"), bookings.book("d"))
    compensate(bookings.stage("a"), (inner, bookings.undo("bcd")), fail("no")).run_sync(">", backend=make())
    assert bookings.log == ["+a", "+b", "+c", "+d", "->abcd", "->a"]


@on_all
def test_branches_undo_their_own(make: Make) -> None:
    bookings = Bookings()
    sagas = (compensate(bookings.stage(what), fail(what)) for what in "abc")
    outcome = settle(*sagas).run_sync(">", backend=make())
    assert [result.failure() for result in outcome.value] == ["a", "b", "c"]
    assert sorted(bookings.log) == ["+a", "+b", "+c", "->a", "->b", "->c"]


def test_long_sagas_are_undone() -> None:
    undone: list[int] = []
    inc: Flow[int, int] = lift(lambda n: n + 1)
    stages: list[Any] = [(inc, lift(undone.append)) for _ in range(3000)]
    compensate(*stages, fail("no")).run_sync(0, backend=InlineBackend())
    assert undone == list(range(3000, 0, -1))


@step
async def booked(what: str) -> str:
    return what


def test_a_saga_is_pickled() -> None:
    flow = pickle.loads(pickle.dumps(compensate((booked, booked), booked)))
    assert flow.run_sync("a").value == "a"


def test_what_is_no_stage_is_refused() -> None:
    wrong: list[tuple[Callable[[], object], str]] = [
        (lambda: compensate(), "compensate without a stage"),  # type: ignore[call-overload]
        (lambda: compensate(3), "compensate, stage 0, takes a flow"),  # type: ignore[call-overload]
        (lambda: compensate(pure(1), (pure(1),)), "stage 1, takes a flow or a pair"),  # type: ignore[arg-type]
        (lambda: compensate((pure(1), 3), pure(1)), "undo takes a function"),  # type: ignore[arg-type]
    ]
    for make, says in wrong:
        with pytest.raises(DefinitionError) as refused:
            make()
        assert says in str(refused.value)
