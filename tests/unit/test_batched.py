"""Batches: calls that meet are one call, equal inputs are asked for once, and who leaves does not take others along."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from returns.result import Failure, Result, Success

from mce import (
    Backend,
    Context,
    DefinitionError,
    InlineBackend,
    InvalidStep,
    LocalBackend,
    SimulatedBackend,
    StepFinished,
    UsageError,
    batched,
    budget,
    each,
    fail,
    gather,
    hedge,
    pure,
    race,
    recurs,
    settle,
    sleep,
)
from tests.unit.virtual import SEEDS, VirtualInline, VirtualTrio, on_all, on_concurrent

Make = Callable[[], Backend]


class Database:
    """A function over many inputs that takes its time, and what it was asked, when and how it ended."""

    def __init__(self, seconds: float = 1) -> None:
        self.seconds = seconds
        self.asked: list[list[Any]] = []
        self.times: list[float] = []
        self.ended: list[str] = []

    async def fetch(self, keys: list[Any]) -> list[Any]:
        self.asked.append(keys)
        self.times.append(anyio.current_time())
        try:
            await anyio.sleep(self.seconds)
        except BaseException:
            self.ended.append("cancelled")
            raise
        self.ended.append("done")
        return [key * 10 for key in keys]


# When a batch is sent at once depends on who had a turn, so these run where turns are fair; the others wait a moment.
FAIR = [VirtualTrio(), LocalBackend(), LocalBackend(loop="trio"), SimulatedBackend(pick=lambda ready: 0)]
on_fair = pytest.mark.parametrize("backend", FAIR, ids=repr)


@on_fair
def test_sibling_calls_are_one_call_and_equal_inputs_are_asked_for_once(backend: Backend) -> None:
    database = Database(0)
    fetch = batched(database.fetch)
    outcome = gather(fetch(1), fetch(2), fetch(1), each(each(fetch))([[3, 2], [4]])).run_sync(backend=backend)
    assert outcome.value == (10, 20, 10, ((30, 20), (40,)))
    assert [sorted(keys) for keys in database.asked] == [[1, 2, 3, 4]]


def test_where_branches_run_in_turn_each_call_is_a_batch_of_one() -> None:
    database = Database()
    assert each(batched(database.fetch)).run_sync([1, 2, 1], backend=VirtualInline()).value == (10, 20, 10)
    assert database.asked == [[1], [2], [1]]
    assert each(batched(database.fetch, max_wait=1000)).run_sync([1, 2], backend=VirtualInline()).ok
    assert database.times[4] - database.times[3] == 1


@on_fair
def test_rounds_of_calls_are_rounds_of_batches(backend: Backend) -> None:
    database = Database(0)
    fetch = batched(database.fetch)
    assert each(fetch >> fetch >> fetch).run_sync([1, 2, 3], backend=backend).value == (1000, 2000, 3000)
    assert [sorted(keys) for keys in database.asked] == [[1, 2, 3], [10, 20, 30], [100, 200, 300]]


@on_concurrent
def test_a_batch_is_sent_when_it_is_full(make: Make) -> None:
    database = Database()
    assert each(batched(database.fetch, max_size=2, max_wait=1)).run_sync([1, 2, 3, 4, 5], backend=make()).ok
    assert sorted(map(len, database.asked)) == [1, 2, 2]


@on_concurrent
def test_an_input_that_is_there_already_fills_no_place(make: Make) -> None:
    database = Database()
    fetch = batched(database.fetch, max_size=2, max_wait=1)
    late = sleep(0.5) >> fetch
    assert gather(fetch(1), fetch(1), fetch(1), late).run_sync(2, backend=make()).value == (10, 10, 10, 20)
    assert [sorted(keys) for keys in database.asked] == [[1, 2]]


@on_concurrent
def test_a_batch_waits_for_others_as_long_as_it_may(make: Make) -> None:
    database = Database()
    fetch = batched(database.fetch, max_wait=5)
    flow = gather(*(sleep(at) >> fetch for at in (0, 2, 4, 6, 8, 20)))
    assert flow.run_sync(7, backend=make()).ok
    first = database.times[0]
    assert [time - first for time in database.times] == pytest.approx([0, 6, 20])


@on_concurrent
def test_a_full_batch_waits_no_longer(make: Make) -> None:
    database = Database()
    backend = make()
    fetch = batched(database.fetch, max_size=2, max_wait=1000)
    assert gather(fetch(1), sleep(3) >> fetch).run_sync(2, backend=backend).value == (10, 20)
    if isinstance(backend, SimulatedBackend):
        assert backend.elapsed == 4


# -- replies ----------------------------------------------------------------------------------------------------------


@on_all
def test_a_mapping_answers_by_input(make: Make) -> None:
    async def fetch(keys: list[int]) -> dict[int, str]:
        return {key: str(key) for key in keys if key < 3}

    outcome = settle(*(batched(fetch)(n) for n in range(4))).run_sync(backend=make())
    assert [result.value_or(None) for result in outcome.value] == ["0", "1", "2", None]
    assert "the batch gave nothing for 3" in str(outcome.value[3].failure())


@on_all
def test_each_caller_has_its_own_result(make: Make) -> None:
    async def fetch(keys: list[int]) -> list[Result[int, str]]:
        return [Success(key) if key % 2 else Failure(f"{key} is even") for key in keys]

    asked = batched(fetch)
    outcome = settle(*(asked(n) for n in range(3))).run_sync(backend=make())
    assert outcome.value == (Failure("0 is even"), Success(1), Failure("2 is even"))
    assert asked(2).run_sync(backend=make()).error == "2 is even"


@on_all
def test_a_failure_of_the_call_fails_every_caller(make: Make) -> None:
    async def refused(keys: list[int]) -> Result[list[int], str]:
        return Failure("refused")

    async def unreachable(keys: list[int]) -> list[int]:
        raise ConnectionError("down")

    asked, called = batched(refused), batched(unreachable, raises=ConnectionError)
    outcome = settle(asked(1), asked(2), called(1), called(2)).run_sync(backend=make())
    assert outcome.value[:2] == (Failure("refused"), Failure("refused"))
    assert [repr(result.failure()) for result in outcome.value[2:]] == ["ConnectionError('down')"] * 2


@on_all
def test_an_exception_that_nobody_declared_is_a_defect_of_every_caller(make: Make) -> None:
    async def wrong(keys: list[int]) -> list[int]:
        raise ZeroDivisionError(keys)

    step = batched(wrong, max_wait=1)
    outcome = settle(step(1), step(2)).run_sync(backend=make())
    defects: list[Any] = [result.failure() for result in outcome.value]
    assert [defect.path for defect in defects] == ["settle[0]/wrong", "settle[1]/wrong"]
    assert [defect.traceback.count("raise ZeroDivisionError(keys)") for defect in defects] == [1, 1]
    assert len({len(defect.traceback.splitlines()) for defect in defects}) == 1


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ([1], "fetch was given 2 inputs and gave 1 values"),
        ([1, 2, 3], "fetch was given 2 inputs and gave 3 values"),
        ("ab", "a batch gives a list or a mapping"),
        (None, "a batch gives a list or a mapping"),
        ({1, 2}, "a batch gives a list or a mapping"),
    ],
    ids=repr,
)
def test_a_wrong_reply_is_a_defect_that_says_so(reply: Any, says: str) -> None:
    async def fetch(keys: list[int]) -> Any:
        return reply

    step: Any = batched(fetch)
    outcome = settle(step(1), step(2)).run_sync(backend=VirtualTrio())
    assert all(says in str(result.failure()) for result in outcome.value)


@pytest.mark.parametrize("value", [None, (), pure(3), Success(1)], ids=["none", "tuple", "flow", "result"])
def test_inputs_are_whatever_they_are(value: Any) -> None:
    seen: list[Any] = []

    async def look(values: list[Any]) -> list[str]:
        seen.extend(values)
        return ["seen" for _ in values]

    assert batched(look)(value).run_sync(backend=VirtualTrio()).value == "seen"
    assert seen == [value]


def test_a_key_of_ones_own_says_what_is_equal() -> None:
    seen: list[Any] = []

    async def look(values: list[Any]) -> list[str]:
        seen.extend(values)
        return ["seen" for _ in values]

    things = [object(), object()]
    assert each(batched(look, key=type)).run_sync(things, backend=VirtualTrio()).value == ("seen", "seen")
    assert len(seen) == 1
    assert "give key=" in str(batched(look)([object()]).run_sync(backend=VirtualTrio()).error)


# -- who leaves -------------------------------------------------------------------------------------------------------


@on_concurrent
def test_when_the_first_caller_is_cancelled_the_batch_goes_on(make: Make) -> None:
    database = Database()
    fetch = batched(database.fetch, max_wait=1)
    first = fetch(1).timeout(1.5).or_else(pure("gave up"))
    assert gather(first, sleep(0.5) >> fetch(2)).run_sync(backend=make()).value == ("gave up", 20)
    assert database.asked == [[1, 2]]
    assert database.ended == ["done"]


@on_concurrent
def test_who_leaves_before_it_is_sent_is_not_asked_for(make: Make) -> None:
    database = Database()
    fetch = batched(database.fetch, max_wait=2)
    quitter = fetch(1).timeout(1).or_else(pure("gave up"))
    both = fetch(3).timeout(1).or_else(pure("gave up"))
    outcome = gather(quitter, both, sleep(0.5) >> fetch(2), sleep(0.5) >> fetch(3)).run_sync(backend=make())
    assert outcome.value == ("gave up", "gave up", 20, 30)
    assert [sorted(keys) for keys in database.asked] == [[2, 3]]


@on_concurrent
def test_when_all_have_left_it_is_cancelled_before_the_run_goes_on(make: Make) -> None:
    database = Database()
    fetch = batched(database.fetch, max_wait=1)
    flow = gather(fetch(1), fetch(2)).timeout(1.5).recover(lambda _: pure(list(database.ended)))
    assert flow.run_sync(backend=make()).value == ["cancelled"]


@on_concurrent
def test_when_all_have_left_before_it_is_sent_nobody_is_asked(make: Make) -> None:
    database = Database()
    fetch = batched(database.fetch, max_wait=10)
    flow = settle(fetch(1).timeout(1), fetch(2).timeout(2)) >> fetch(3)
    assert flow.run_sync(backend=make()).value == 30
    assert database.asked == [[3]]


@pytest.mark.parametrize("max_wait", [0, 10])
@on_concurrent
def test_who_comes_as_the_last_one_leaves_is_served(make: Make, max_wait: float) -> None:
    database = Database()
    fetch = batched(database.fetch, max_wait=max_wait)
    quitter = fetch(1).timeout(0.5).or_else(pure("gave up"))
    assert gather(quitter, sleep(0.5) >> fetch(2)).run_sync(backend=make()).value == ("gave up", 20)


@on_concurrent
def test_a_failing_sibling_takes_its_own_batch_along(make: Make) -> None:
    database = Database()
    fetch = batched(database.fetch)
    assert gather(fetch(1), sleep(0.5) >> fail("no")).run_sync(backend=make()).error == "no"
    assert database.ended == ["cancelled"]


@on_concurrent
def test_race_hedge_and_budget_leave_as_others_do(make: Make) -> None:
    database = Database()
    fetch = batched(database.fetch)
    assert race(fetch(1), sleep(0.5)("quick")).run_sync(backend=make()).value == "quick"
    assert hedge(fetch, after=0.5).run_sync(1, backend=make()).value == 10
    assert not budget(fetch(1), seconds=0.5).run_sync(backend=make()).ok
    assert budget(gather(fetch(1), fetch(2)), steps=2).run_sync(backend=make()).ok
    assert budget(gather(fetch(1), fetch(2)), steps=1).run_sync(backend=make()).error is not None


@pytest.mark.parametrize("seed", SEEDS)
def test_cleaning_up_may_take_its_time(seed: int) -> None:
    ended: list[str] = []

    async def fetch(keys: list[int]) -> list[int]:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(5)
            ended.append("cleaned up")
        return keys

    step = batched(fetch, max_wait=0.5)
    flow = settle(step(1).timeout(1), step(2).timeout(2)) >> pure(None).map(lambda _: list(ended))
    backend = SimulatedBackend(seed)
    assert flow.run_sync(backend=backend).value == ["cleaned up"]
    assert backend.elapsed == 7


@on_concurrent
def test_a_new_call_begins_a_new_batch_while_one_is_under_way(make: Make) -> None:
    database = Database()
    fetch = batched(database.fetch)
    assert gather(fetch(1), sleep(0.5) >> fetch(1)).run_sync(backend=make()).value == (10, 10)
    assert database.asked == [[1], [1]]


@on_concurrent
def test_every_attempt_is_a_call(make: Make) -> None:
    calls: list[list[int]] = []

    async def flaky(keys: list[int]) -> list[int]:
        calls.append(sorted(keys))
        if len(calls) == 1:
            raise ConnectionError
        return keys

    step = batched(flaky, max_wait=1).retry(recurs(1))
    assert gather(step(1), step(2)).run_sync(backend=make()).value == (1, 2)
    assert calls == [[1, 2], [1, 2]]


# -- as a step --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", [InlineBackend(), LocalBackend(), LocalBackend(loop="trio")], ids=repr)
def test_a_plain_function_is_called_where_plain_steps_are(backend: Backend) -> None:
    def lengths(texts: list[str]) -> dict[str, int]:
        return {text: len(text) for text in texts}

    assert each(batched(lengths)).run_sync(["a", "bb", "a"], backend=backend).value == (1, 2, 1)


@on_all
def test_its_context_has_what_belongs_to_no_branch(make: Make) -> None:
    async def fetch(ctx: Context[Any], keys: list[int]) -> list[str]:
        await ctx.sleep(1)
        ctx.log.debug("fetching")
        return [f"{ctx.deps}{key} at {ctx.path}, attempt {ctx.attempt}" for key in keys]

    assert batched(fetch)(1).run_sync(deps="x", backend=make()).value == "x1 at fetch, attempt 1"


@pytest.mark.parametrize("use", ["state", "update", "put", "emit", "idempotency_key", "spend"])
def test_its_context_has_nothing_of_a_branch(use: str) -> None:
    async def fetch(ctx: Context[Any], keys: list[int]) -> list[int]:
        found = getattr(ctx, use)
        if callable(found):
            found() if use == "update" else found(1)
        return keys

    outcome = batched(fetch)(1).run_sync(state=3, backend=VirtualTrio())
    assert outcome.defect is not None
    assert isinstance(outcome.defect.cause, UsageError)
    assert "serves several branches" in str(outcome.error)


def test_each_call_is_a_step_that_is_seen() -> None:
    database = Database()
    outcome = each(batched(database.fetch, name="get")).run_sync([1, 2], backend=VirtualTrio(), trace=True)
    finished = {event.path: event.value for event in outcome.trace if isinstance(event, StepFinished)}
    assert finished == {"each[0]/get": 10, "each[1]/get": 20}


@batched
async def doubled(numbers: list[int]) -> list[int]:
    """Double the numbers."""
    return [number * 2 for number in numbers]


def test_it_decorates_and_is_pickled() -> None:
    assert doubled.__name__ == "doubled"
    assert doubled.__doc__ == "Double the numbers."
    flow = pickle.loads(pickle.dumps(gather(doubled(1), doubled(2))))
    assert flow.run_sync().value == (2, 4)


def test_what_cannot_be_batched_is_refused() -> None:
    async def two(keys: list[int], more: int) -> list[int]:
        return keys

    async def one(keys: list[int]) -> list[int]:
        return keys

    wrong: list[tuple[Callable[[], object], str]] = [
        (lambda: batched(two), "takes one list of inputs"),  # type: ignore[arg-type]
        (lambda: batched(one, max_size=0), "max_size is a number of at least 1"),
        (lambda: batched(one, max_wait=-1), "max_wait is a number of seconds"),
        (lambda: batched(3), "@step decorates a function"),  # type: ignore[call-overload]
    ]
    for make, says in wrong:
        with pytest.raises((DefinitionError, InvalidStep)) as refused:
            make()
        assert says in str(refused.value)
