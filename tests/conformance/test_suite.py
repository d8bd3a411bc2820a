"""The suite itself: it finds what is wrong with a backend, says it, and can be asked for parts."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from multiprocessing import get_context
from typing import Any

import anyio
import pytest
from returns.result import Failure, Success

from mce import DefinitionError, InlineBackend, LocalBackend, TimedOut, pure
from mce.testing import NotConforming, check_backend, conformance_cases
from mce.testing.cases.bench import Bench, Case, Cases, Mismatch, diary, expect, expect_among


class SwapsArguments(LocalBackend):
    """Calls steps with their arguments the wrong way round."""

    careful = True

    async def call_async(self, fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: Any) -> Any:
        return await super().call_async(fn, args[::-1], kwargs, spec)


class CallsTwice(LocalBackend):
    """Calls plain steps a second time."""

    async def call(self, fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: Any) -> Any:
        await super().call(fn, args, kwargs, spec)
        return await super().call(fn, args, kwargs, spec)


class NeverLate(LocalBackend):
    """Knows no deadlines."""

    def scope(self, seconds: float | None, *, shield: bool = False) -> Any:
        return super().scope(None, shield=shield)

    async def sleep(self, seconds: float) -> None:
        await super().sleep(min(seconds, 0.001))


class NoShield(LocalBackend):
    """Lets cancellations into what must not be cancelled."""

    def scope(self, seconds: float | None, *, shield: bool = False) -> Any:
        return nullcontext() if shield else super().scope(seconds)


class LeavesThreads(LocalBackend):
    """Gives up on threads that are late instead of waiting for them."""

    async def call(self, fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], spec: Any) -> Any:
        return await anyio.to_thread.run_sync(lambda: fn(*args, **kwargs), abandon_on_cancel=True)


class LeavesTasks(LocalBackend):
    """Leaves a task running behind every run."""

    async def run(self, main: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        self.left = asyncio.ensure_future(asyncio.sleep(0.1))
        return await super().run(main)


class ClaimsToBeConcurrent(InlineBackend):
    """Runs plain steps on the loop, where nothing else can run meanwhile, and goes backwards in time."""

    sequential = False

    def now(self) -> float:
        return -time.monotonic()


class Elsewhere(InlineBackend):
    """Says that it runs flows in another process."""

    @property
    def remote(self) -> Any:
        return self


WRONG: list[tuple[Callable[[], Any], str]] = [
    (SwapsArguments, "steps.a_step_is_called_with_all_its_arguments"),
    (CallsTwice, "events.what_steps_emit_comes_in_order"),
    (NeverLate, "policies.what_is_late_fails_as_timed_out"),
    (NoShield, "policies.acquiring_and_releasing_are_not_cancelled"),
    (NoShield, "cancelling.acquiring_is_waited_for"),
    (LeavesThreads, "policies.a_plain_step_that_is_late_is_awaited"),
    (LeavesTasks, "nodes.pure_gives_its_value_whatever_it_is"),
    (ClaimsToBeConcurrent, "events.events_have_path_attempt_and_time"),
]


@pytest.mark.parametrize(("make", "name"), WRONG, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_wrong_backend_is_found_out(make: Callable[[], Any], name: str) -> None:
    with pytest.raises(NotConforming) as raised:
        check_backend(make, only=[name])
    found = {broken.case.name for broken in raised.value.broken}
    assert found == {name}
    assert f"{name} (" in str(raised.value)
    assert "rule: " in str(raised.value)


def test_our_backends_are_not_found_out() -> None:
    names = [name for _, name in WRONG]
    for make in (InlineBackend, LocalBackend):
        check_backend(make, only=names)


def test_the_error_lists_what_is_broken_and_how() -> None:
    with pytest.raises(NotConforming) as raised:
        check_backend(CallsTwice, only=["events.what_steps_emit_comes_in_order", "nodes"], loops=[None])
    error = raised.value
    assert (error.backend, len(error.broken)) == ("LocalBackend(loop='asyncio')", 1)
    assert error.checked == len(conformance_cases(only=["nodes"])) + 1
    text = str(error)
    assert "does not pass 1 of" in text
    assert "events.what_steps_emit_comes_in_order (by run_sync)" in text
    assert "expected ['StepStarted', 'Emitted', 'Emitted', 'Emitted', 'StepFinished'], got" in text
    assert isinstance(error.__cause__, Mismatch)


def test_each_loop_is_reported_on_its_own() -> None:
    with pytest.raises(NotConforming) as raised:
        check_backend(CallsTwice, only=["events.what_steps_emit_comes_in_order"], loops=[None, "asyncio", "trio"])
    assert [broken.loop for broken in raised.value.broken] == [None, "asyncio", "trio"]
    assert "in a loop of trio" in str(raised.value)


def test_what_a_broken_backend_raises_is_reported_and_an_interrupt_is_not() -> None:
    class Breaks(InlineBackend):
        raised: BaseException = OSError("no such machine")

        def scope(self, seconds: float | None, *, shield: bool = False) -> Any:
            raise self.raised

        def run_sync(self, main: Any, *, needs_loop: bool) -> Any:
            raise self.raised

    with pytest.raises(NotConforming, match="raised OSError"):
        check_backend(Breaks, only=["nodes.an_input_can_be_none"], loops=[None])
    Breaks.raised = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        check_backend(Breaks, only=["nodes.an_input_can_be_none"], loops=[None])


def test_cases_are_named_once_and_say_their_rule() -> None:
    cases = conformance_cases()
    assert len({case.name for case in cases}) == len(cases) > 150
    assert all(case.rule.endswith((".", "``.")) for case in cases)
    assert [str(case) for case in cases] == [case.name for case in cases]


def test_cases_can_be_picked_by_topic_and_by_name() -> None:
    joins = conformance_cases(only=["joins"])
    assert {case.name.partition(".")[0] for case in joins} == {"joins"}
    both = conformance_cases(only={"joins", "deep.long_loops"})
    assert len(both) == len(joins) + 1
    assert conformance_cases(only=[]) == ()


@pytest.mark.parametrize(
    ("only", "told"),
    [
        (["joints"], "did you mean 'joins'?"),
        (["nowhere.at_all"], "no case and no topic"),
        ("joins", r"only=\['joins'\]"),
    ],
)
def test_an_unknown_name_is_refused(only: Any, told: str) -> None:
    with pytest.raises(DefinitionError, match=told):
        check_backend(InlineBackend, only=only)


def test_a_backend_is_not_a_maker_of_backends() -> None:
    with pytest.raises(DefinitionError, match="pass the class"):
        check_backend(InlineBackend())  # type: ignore[arg-type]  # pyright: ignore


def test_needs_say_where_a_case_fits() -> None:
    cases = Cases("some")

    @cases
    def plain(bench: Bench) -> None:
        """Always."""

    @cases
    async def asynchronous(bench: Bench) -> None:
        """In a loop."""

    @cases.needing("concurrency", "real time")
    def demanding(bench: Bench) -> None:
        """With everything."""

    @cases.needing("one process")
    def sharing(bench: Bench) -> None:
        """With what steps share with the caller."""

    always, looped, most, shared = cases.found
    assert all(always.fits(InlineBackend, loop) for loop in (None, "asyncio", "trio"))
    assert [looped.fits(InlineBackend, loop) for loop in (None, "asyncio")] == [False, True]
    assert [most.fits(make) for make in (InlineBackend, LocalBackend)] == [False, True]
    assert not most.fits(LocalBackend, real_time=False)
    assert [shared.fits(make) for make in (InlineBackend, Elsewhere)] == [True, False]


class Plain(Exception):
    """Equal to itself alone."""


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (Plain(1), Plain(1), True),
        (Plain(1), Plain(2), False),
        (Plain(1), KeyError(1), False),
        (Success((1, [Plain(1)])), Success((1, [Plain(1)])), True),
        (Failure(Plain(1)), Success(Plain(1)), False),
        (Failure(Plain(1)), Failure(Plain(2)), False),
        ((Plain(1),), (Plain(1), Plain(1)), False),
        ((Plain(1),), [Plain(1)], False),
        (pure(1), pure(1), True),
        (pure(1), pure(2), False),
        (pure(1) >> pure(2), pure(1) >> pure(2), True),
        (pure(1) >> pure(2), pure(1) >> pure(3), False),
        (TimedOut(1, "a"), TimedOut(1, "b"), False),
        (object(), object(), False),
    ],
)
def test_what_comes_from_another_process_is_compared_by_what_it_is_made_of(
    one: object, other: object, alike: bool
) -> None:
    assert Bench(Elsewhere).same(one, other) is alike
    assert Bench(Elsewhere).same(one, one)
    assert not Bench(InlineBackend).same(one, other)


def test_steps_of_all_processes_write_one_diary() -> None:
    with diary() as kept, ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(kept.append, ["a", "b", "a"]))
        assert sorted(kept.lines) == ["a", "a", "b"]
        anyio.run(partial(kept.wait_for, "a", times=2))
        file = kept.file
    assert not file.exists()


def test_an_async_case_is_run_in_the_loop_it_is_given() -> None:
    seen: list[str] = []

    async def look(bench: Bench) -> None:
        seen.append(anyio.get_cancelled_exc_class().__module__)

    for loop in ("asyncio", "trio"):
        Case("look", look, frozenset({"loop"})).check(InlineBackend, loop)
    assert [module.partition(".")[0] for module in seen] == ["asyncio", "trio"]


def test_mismatches_tell_and_travel() -> None:
    with pytest.raises(Mismatch) as raised:
        expect(1, 2, "the sum")
    assert str(raised.value) == "the sum: expected 2, got 1"
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)
    with pytest.raises(Mismatch, match="one of: expected"):
        expect_among(1, (2, 3), "the winner")
    expect(1, 1, "the sum")
    expect_among(2, (2, 3), "the winner")
