"""Speculation: the outcome of ``branch``, in the time of the slower of the condition and the branch that is chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from returns.result import Failure, Result, Success

from mce import (
    Append,
    Backend,
    Context,
    Defect,
    DefinitionError,
    Flow,
    InlineBackend,
    Limit,
    LocalBackend,
    SimulatedBackend,
    StateConflict,
    branch,
    cached,
    do,
    fail,
    lift,
    limit,
    modify,
    pure,
    recurs,
    sleep,
    speculate,
    step,
)
from tests.unit.virtual import SEEDS, VirtualInline, VirtualTrio, on_all, on_concurrent

Make = Callable[[], Backend]


class Notes(BaseModel, frozen=True):
    log: Annotated[tuple[str, ...], Append()] = ()
    count: int = 0


class Guess:
    """A condition and two branches, each of which takes its time, and what they did."""

    def __init__(self, *, condition: float = 1, true: float = 1, false: float = 1) -> None:
        self.log: list[str] = []
        self.condition = self._decide(condition)
        self.if_true = self._branch("true", true)
        self.if_false = self._branch("false", false)

    def _decide(self, seconds: float) -> Flow[int, bool, str, Any]:
        @step
        async def positive(ctx: Context[Any], n: int) -> Result[bool, str]:
            await ctx.sleep(seconds)
            self.log.append("decided")
            return Failure("undecided") if n == 0 else Success(n > 0)

        return positive

    def _branch(self, name: str, seconds: float) -> Flow[int, str, str, Any]:
        @step(name=name, idempotent=True)
        async def work(ctx: Context[Notes], n: int) -> Result[str, str]:
            self.log.append(f"{name} begun")
            try:
                await ctx.sleep(seconds)
            except BaseException:
                self.log.append(f"{name} cancelled at {anyio.current_time():g}")
                raise
            if ctx.state is not None:
                ctx.update(log=(*ctx.state.log, name))
            self.log.append(f"{name} done")
            return Failure(f"{name} failed") if abs(n) > 1 else Success(name)

        return work

    def flow(self) -> Flow[int, str, Any, Any]:
        return speculate(self.condition, self.if_true, self.if_false)


@pytest.mark.parametrize("times", [(1, 3, 3), (3, 1, 1), (2, 3, 1), (2, 1, 3), (0, 0, 0)], ids=repr)
@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, Success("true")),
        (-1, Success("false")),
        (2, Failure("true failed")),
        (-2, Failure("false failed")),
        (0, Failure("undecided")),
    ],
)
@on_all
def test_it_gives_what_branch_gives(make: Make, n: int, expected: Any, times: tuple[float, float, float]) -> None:
    guess = Guess(condition=times[0], true=times[1], false=times[2])
    outcome = guess.flow().run_sync(n, state=Notes(), backend=make())
    assert outcome.result == expected
    assert outcome.state == Notes(log=() if n == 0 else ("true",) if n > 0 else ("false",))


@on_concurrent
def test_the_branches_run_while_the_condition_is_computed(make: Make) -> None:
    backend, guess = make(), Guess(condition=5, true=7, false=7)
    assert guess.flow().run_sync(1, state=Notes(), backend=backend).value == "true"
    if isinstance(backend, SimulatedBackend):
        assert backend.elapsed == 7


def test_the_loser_is_cancelled_as_soon_as_the_condition_is_known() -> None:
    for seed in SEEDS:
        guess = Guess(condition=2, true=60, false=50)
        guess.flow().run_sync(1, state=Notes(), backend=SimulatedBackend(seed))
        assert sorted(guess.log[:2]) == ["false begun", "true begun"]
        assert guess.log[2:] == ["decided", "false cancelled at 2", "true done"]


@on_concurrent
def test_when_the_condition_fails_both_are_cancelled(make: Make) -> None:
    guess = Guess(condition=2, true=60, false=50)
    outcome = guess.flow().run_sync(0, state=Notes(), backend=make())
    assert outcome.error == "undecided"
    assert sum("cancelled" in entry for entry in guess.log) == 2


def test_in_turn_the_loser_does_not_begin() -> None:
    guess = Guess()
    guess.flow().run_sync(-1, state=Notes(), backend=VirtualInline())
    assert guess.log == ["decided", "false begun", "false done"]


@pytest.mark.parametrize("backend", [InlineBackend(), LocalBackend(), LocalBackend(loop="trio")], ids=repr)
def test_a_condition_that_needs_no_time_begins_no_loser(backend: Backend) -> None:
    guess = Guess(true=0, false=0)
    flow = speculate(lift(lambda n: n > 0), guess.if_true, guess.if_false)
    assert flow.run_sync(1, state=Notes(), backend=backend).ok
    assert guess.log == ["true begun", "true done"]


def test_what_has_not_begun_when_it_is_decided_does_not_begin() -> None:
    begun: list[str] = []

    @step
    async def decide(n: int) -> bool:
        return n > 0

    @step(idempotent=True)
    async def begin(n: int) -> int:
        begun.append("begun")
        return n

    for backend in (LocalBackend(), SimulatedBackend(pick=lambda ready: 0)):  # the condition has the first turn
        assert speculate(decide, pure("good"), begin).run_sync(1, backend=backend).value == "good"
    assert begun == []


@on_all
def test_the_condition_decides_by_the_truth_of_its_value(make: Make) -> None:
    condition: Any = sleep(0) >> lift(list)
    flow = speculate(condition, pure("some"), pure("none"))
    assert [flow.run_sync(text, backend=make()).value for text in ("ab", "")] == ["some", "none"]


@on_all
def test_the_failure_and_the_defect_of_the_loser_are_dropped(make: Make) -> None:
    wrongs: list[Any] = [fail("no"), lift(lambda _: 1 // 0)]
    for wrong in wrongs:
        assert speculate(sleep(1) >> lift(bool), pure("good"), wrong).run_sync(1, backend=make()).value == "good"
        assert speculate(sleep(1) >> lift(bool), wrong, pure("good")).run_sync(0, backend=make()).value == "good"


@on_all
def test_the_state_changes_of_condition_and_branch_are_joined(make: Make) -> None:
    @step
    async def decide(ctx: Context[Notes], n: int) -> bool:
        ctx.update(log=(*ctx.state.log, "decided"))
        return n > 0

    guess = Guess()
    outcome = speculate(decide, guess.if_true, guess.if_false).run_sync(1, state=Notes(log=("begin",)), backend=make())
    assert outcome.state == Notes(log=("begin", "decided", "true"))
    failed = speculate(decide, guess.if_true, guess.if_false).run_sync(2, state=Notes(), backend=make())
    assert failed.error == "true failed"
    assert failed.state == Notes(log=("decided", "true"))


@on_all
def test_where_both_write_one_field_it_is_a_conflict(make: Make) -> None:
    count = modify(lambda notes: Notes(count=notes.count + 1))
    flow = speculate(sleep(1) >> count.map(lambda _: True), count, pure(None))
    outcome = flow.run_sync(1, state=Notes(), backend=make())
    assert isinstance(outcome.error, StateConflict)


@on_all
def test_where_it_failed_names_the_branch(make: Make) -> None:
    outcome = Guess().flow().run_sync(2, state=Notes(), backend=make())
    assert outcome.where is not None
    assert outcome.where.path == "speculate[1]/true"
    assert [sibling.path for sibling in outcome.where.siblings if "[0]" in sibling.path] == ["speculate[0]"]


@on_concurrent
def test_a_timeout_around_it_cancels_all(make: Make) -> None:
    guess = Guess(condition=60, true=60, false=60)
    assert not guess.flow().timeout(2).run_sync(1, state=Notes(), backend=make()).ok
    assert sum("cancelled" in entry for entry in guess.log) == 2


def test_a_policy_around_safe_steps_is_safe() -> None:
    guess = Guess()
    policies = limit(cached(lift(str)), Limit("db", 1)).retry(recurs(1)).timeout(60).named("agent")
    assert speculate(guess.condition, policies, guess.if_false).run_sync(1, state=Notes(), backend=VirtualTrio()).ok


@step
async def send(n: int) -> int:
    return n


@step(idempotent=False)
async def pay(n: int) -> int:
    return n


@do
async def block(n: int) -> int:
    return await send(n)


@pytest.mark.parametrize(
    ("unsafe", "named"),
    [
        (send, "'send'"),
        (pay, "'pay'"),
        (lift(int) >> send, "'send'"),
        (block, "'block'"),
        (pure(1).bind(pure), "'pure'"),
    ],
    ids=["step", "once", "chain", "do", "bind"],
)
def test_what_may_not_be_begun_for_nothing_is_refused(unsafe: Flow[Any, Any, Any], named: str) -> None:
    guess = Guess()
    for branches in ((unsafe, guess.if_false), (guess.if_true, unsafe)):
        with pytest.raises(DefinitionError) as refused:
            speculate(guess.condition, *branches)
        assert named in str(refused.value)
    assert speculate(unsafe.map(bool), pure(1), pure(2)) is not None


@given(st.integers(-2, 2), st.tuples(*[st.integers(0, 2)] * 3), st.integers(0, 99))
def test_it_equals_branch(n: int, times: tuple[int, int, int], seed: int) -> None:
    """``speculate(lift(p), m, n) = branch(p, m, n)``, and the same for a condition that takes its time."""
    guess = Guess(condition=times[0], true=times[1], false=times[2])
    decided = branch(lambda n: n > 0, guess.if_true, guess.if_false)
    expected = decided.run_sync(n, state=Notes(), backend=SimulatedBackend(seed))
    quick = speculate(lift(lambda n: n > 0), guess.if_true, guess.if_false)
    positive: Flow[int, bool] = lift(lambda n: n > 0)
    slow = speculate(sleep(times[0]) >> positive, guess.if_true, guess.if_false)
    for flow in (quick, slow):
        outcome = flow.run_sync(n, state=Notes(), backend=SimulatedBackend(seed))
        assert (outcome.result, outcome.state) == (expected.result, expected.state)


def test_a_defect_of_the_chosen_branch_is_its_defect() -> None:
    wrong: Flow[int, int] = lift(lambda n: n // 0)
    outcome = speculate(sleep(0) >> lift(bool), wrong, pure(1)).run_sync(1)
    assert isinstance(outcome.error, Defect)
    assert isinstance(outcome.error.cause, ZeroDivisionError)
