"""Cases of steps: every shape of function, every kind of return, every option."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product
from operator import attrgetter
from typing import Any

from returns.result import Failure, Result, Success

from mce.backends.local import LocalBackend
from mce.combinators import do, fail, gather, pure
from mce.context import Context
from mce.errors import InvalidOutput, TimedOut, UsageError
from mce.flow import Flow
from mce.outcome import Place
from mce.schedule import recurs
from mce.step import step
from mce.testing.cases.bench import AnyFlow, Bench, Cases, calls, expect, expect_among, kinds
from mce.testing.cases.parts import Notes, Refused, add_one, hold, note, read, refuse

__all__ = ["CASES", "CallableStep", "in_a_process"]

CASES = Cases("steps")


@step
def plain(n: int) -> int:
    return n + 1


@step(pure=True)
def plain_and_pure(n: int) -> int:
    return n + 1


@step(run_in="inline")
def plain_in_line(n: int) -> int:
    return n + 1


@step(run_in="process")
def in_a_process(n: int) -> int:
    """Runs in a worker process where there are any; so it is public, at the top of a module."""
    return n + 1


@step
def plain_with_context(ctx: Context[Notes], text: str) -> str:
    ctx.update(log=(*ctx.state.log, text))
    return text


@step
async def several(a: int, b: int, /, c: int = 3, *rest: int, d: int = 4, **more: int) -> Any:
    return a, b, c, rest, d, more


@step
async def one_and_defaults(a: int, b: int = 2, *, c: int = 3) -> tuple[int, int, int]:
    return a, b, c


class RefusedToo(Refused):
    """A failure of a class below a declared one."""


@step
async def all_defaults(a: int = 1) -> int:
    return a


@step
async def context_and_several(ctx: Context[Notes], a: str, *, b: str) -> str:
    ctx.update(log=(a, b))
    return a + b


@step
async def nothing() -> str:
    return "nothing"


@step
async def only_keyword(*, key: int) -> int:
    return key


async def claims(value: Any) -> int:
    """Promises more than it keeps."""
    return value  # type: ignore[no-any-return]


class CallableStep:
    """An object with an async ``__call__``."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    async def __call__(self, n: int) -> int:
        return n + self.offset


@CASES
def a_step_takes_its_input(bench: Bench) -> None:
    """A step of one parameter, async or plain, chains and is called with its input."""
    for one in (add_one, plain, plain_and_pure, plain_in_line):
        bench.gives(one, 2, 1)
        bench.gives(one(1), 2)
        bench.gives(pure(1) >> one >> one, 3)
    bench.gives(step(CallableStep(10), name="offset"), 11, 1)


@CASES
def a_step_may_run_in_a_process(bench: Bench) -> None:
    """``run_in="process"`` changes where a step runs and nothing else."""
    bench.gives(in_a_process(1) >> in_a_process, 3)


@CASES
def a_step_is_called_with_all_its_arguments(bench: Bench) -> None:
    """Positional, defaulted, keyword-only and variable parameters are given as they were supplied."""
    bench.gives(several(1, 2), (1, 2, 3, (), 4, {}))
    bench.gives(several(1, 2, 30, 40, d=50, e=60), (1, 2, 30, (40,), 50, {"e": 60}))
    bench.gives(one_and_defaults, (1, 2, 3), 1)
    bench.gives(one_and_defaults(1, 20, c=30), (1, 20, 30))
    bench.gives(one_and_defaults(a=10), (10, 2, 3))
    bench.gives(all_defaults(), 1)
    bench.gives(all_defaults(5), 5)
    bench.gives(only_keyword(key=5), 5)
    bench.gives(pure("ignored") >> several(1, 2), (1, 2, 3, (), 4, {}))


@CASES
def a_step_without_parameters_is_closed(bench: Bench) -> None:
    """A step that takes nothing ignores what comes before it."""
    bench.gives(nothing, "nothing")
    bench.gives(pure(1) >> nothing(), "nothing")
    bench.gives(pure(1) >> nothing, "nothing")


@CASES
def a_step_may_ask_for_a_context(bench: Bench) -> None:
    """A first parameter called ``ctx`` is supplied, before whatever else the step takes, also to plain steps."""
    for one in (note, plain_with_context):
        outcome = bench.gives(one("a") >> one, "a", state=Notes())
        expect(outcome.state.log, ("a", "a"), "the log")
    expect(bench.gives(context_and_several("a", b="b"), "ab", state=Notes()).state.log, ("a", "b"), "the log")
    bench.gives(read, Notes(n=5), state=Notes(n=5))


@CASES
def a_returned_result_is_unwrapped_once(bench: Bench) -> None:
    """A step's own ``Success`` is its value and its own ``Failure`` an expected failure; a value stays what it is."""

    @step
    async def returns(result: Any) -> Any:
        return result

    bench.gives(returns(Success(1)), 1)
    bench.gives(returns(Success(Success(1))), Success(1))
    bench.gives(returns(Success(None)), None)
    bench.fails(returns(Failure("no")), "no")
    bench.fails(returns(Failure(None)), None)
    bench.fails(returns(Success(1)) >> returns(Failure(Failure(2))), Failure(2))
    bench.gives(pure(Success(1)), Success(1))
    bench.gives(pure(Success(1)).map(lambda result: result), Success(1))


@CASES
def plain_steps_return_results_and_flows_too(bench: Bench) -> None:
    """What a return means does not depend on how the step runs."""

    def half(n: int) -> Result[int, str]:
        return Success(n // 2) if n % 2 == 0 else Failure("odd")

    def half_as_flow(n: int) -> Flow[object, int, str]:
        return pure(n // 2) if n % 2 == 0 else fail("odd")

    both: list[Any] = [half, half_as_flow]
    for function in both:
        flows: list[AnyFlow] = [step(function), step(function, pure=True), step(function, run_in="inline")]
        for one in flows:
            bench.gives(one >> add_one, 3, 4)
            bench.fails(one >> add_one, "odd", 3)


@CASES
def a_dynamic_step_continues_with_the_flow_it_returns(bench: Bench) -> None:
    """A returned flow runs in the place of the step, in its state; its paths lie below the step's."""

    @step
    async def choose(name: str) -> Flow[object, str, str, Notes]:
        return (note(name) >> note).named(name) if name else fail("no name")

    outcome = bench.gives(note("before") >> choose("a").map(str.upper), "A", state=Notes(), trace=True)
    expect(outcome.state.log, ("before", "a", "a"), "the log")
    expect(kinds(outcome.trace, "choose/a/note:2")[0], "StepStarted", "what happened in the flow it returned")
    expect(bench.fails(choose(""), "no name").where, Place("choose/fail"), "the place")
    bench.gives(choose("a") >> choose("b") >> choose, "b", state=Notes())


@CASES
def a_dynamic_step_may_return_itself(bench: Bench) -> None:
    """A step that returns a flow that ends in the step is a loop."""

    @step
    async def count_down(n: int) -> Flow[Any, Any, Any, Any]:
        return pure("landed") if n == 0 else add_one(n - 2) >> count_down

    bench.gives(count_down, "landed", 500)


@CASES
def equal_steps_in_a_sequence_are_told_apart(bench: Bench) -> None:
    """The second call of a step in a sequence has the path ``step:2``."""
    outcome = bench.fails(add_one(1) >> add_one >> refuse(1).recover(fail) >> add_one, 1, trace=True)
    expect(kinds(outcome.trace, "add_one:2"), ["StepStarted", "StepFinished"], "what happened at add_one:2")


@CASES
def declared_exceptions_are_expected(bench: Bench) -> None:
    """What ``raises=`` names, and its subclasses, are expected failures; everything else stays a defect."""

    @step(raises=(Refused, KeyError))
    async def raises(error: Exception) -> int:
        raise error

    @step(raises=Refused)
    def raises_in_a_thread(error: Exception) -> int:
        raise error

    for error in (Refused(1), RefusedToo(2), KeyError(3)):
        bench.fails(raises(error), error)
        bench.gives(raises(error).recover(pure), error)
    bench.breaks(raises(ValueError()), ValueError)
    expect(isinstance(bench.run(raises_in_a_thread(Refused(4))).error, Refused), True, "an expected failure")
    bench.breaks(raises_in_a_thread(KeyError()), KeyError)


@CASES
def declared_exceptions_are_the_steps_own(bench: Bench) -> None:
    """``raises=`` says nothing about the flow that a dynamic step returns."""

    @step(raises=ValueError)
    async def delegates() -> Flow[object, int]:
        return pure(1).map(lambda _: int("not a number"))

    bench.breaks(delegates(), ValueError)


@CASES
def a_step_may_retry_itself(bench: Bench) -> None:
    """``@step(retry=...)`` is ``retry`` around the step alone."""

    @step(retry=recurs(3))
    async def third_time(ctx: Context[object]) -> int:
        if ctx.attempt < 3:
            raise ValueError
        return ctx.attempt

    outcome = bench.gives(add_one(1) >> third_time, 3, trace=True)
    expect((calls(outcome, "add_one"), calls(outcome, "third_time")), (1, 3), "calls")


@CASES
def a_step_may_have_a_timeout(bench: Bench) -> None:
    """``@step(timeout=...)`` bounds every attempt on its own."""

    @step(timeout=0.02, retry=recurs(1))
    async def late(ctx: Context[object]) -> None:
        await ctx.sleep(30)

    outcome = bench.fails(late(), TimedOut(0.02, "late"), trace=True)
    expect(outcome.where, Place("late", 2), "the place")
    expect(calls(outcome, "late"), 2, "calls")


@CASES
def what_a_step_returns_can_be_validated(bench: Bench) -> None:
    """With ``validate`` a return that the annotation excludes is a defect that names the step; else it is a value."""
    _, defect = bench.breaks(step(claims, validate=True)("one"), InvalidOutput)
    expect("claims" in str(defect) and "int" in str(defect), True, "step and annotation in the message")
    bench.breaks(step(claims)("one"), InvalidOutput, validate=True)
    bench.gives(step(claims)("one"), "one")
    bench.gives(step(claims, validate=True)(1), 1)


KEPT: list[Context[Any]] = []
USES: tuple[Callable[[Context[Any]], object], ...] = (
    *map(attrgetter, ("state", "path", "attempt", "deps", "idempotency_key", "log")),
    lambda ctx: ctx.emit(1),
    lambda ctx: ctx.put(1),
    lambda ctx: ctx.update(n=1),
)


@step
async def keeps(ctx: Context[Any]) -> None:
    KEPT.append(ctx)


@step
def keeps_in_a_thread(ctx: Context[Any]) -> None:
    KEPT.append(ctx)


@step
async def keeps_and_breaks(ctx: Context[Any]) -> None:
    KEPT.append(ctx)
    raise ValueError


@step
async def uses_what_was_kept(_: object) -> list[str]:
    """Give the step that the error of each use names; nothing for a use that was let through."""
    told: list[str] = []
    while KEPT:
        ctx = KEPT.pop()
        for use in USES:
            try:
                use(ctx)
            except UsageError as refused:
                told += re.findall(r"\bkeeps\w*", str(refused))[:1]
            else:
                told.append("nobody")
    return told


@CASES
def a_context_ends_with_its_step(bench: Bench) -> None:
    """Whatever is asked of a ``ctx`` after its step has ended is an error that names the step."""
    for one, trace in product((keeps, keeps_in_a_thread, keeps_and_breaks), (False, True)):
        told = bench.run(one.recover(pure, on=ValueError) >> uses_what_was_kept, trace=trace).value
        wanted = [[one.__name__] * len(USES)]
        if bench.remote:  # another process may use what it has kept, which is nothing
            wanted.append([])
        expect_among(told, wanted, "the steps that the errors name")


@CASES
def a_flow_is_not_awaited_in_a_step(bench: Bench) -> None:
    """Awaiting a flow outside of a ``do`` block is a defect that says what to do instead."""

    @step
    async def awaits() -> int:
        return await add_one(1)

    @do
    async def block() -> int:
        return await awaits()

    for flow in (awaits(), block()):
        for trace in (False, True):
            _, defect = bench.breaks(flow, UsageError, trace=trace)
            expect("@do" in str(defect), True, "a hint in the message")


@CASES
def steps_may_run_flows_of_their_own(bench: Bench) -> None:
    """A run within a step is a run like any other."""

    make = LocalBackend if bench.remote else bench.make

    @step
    async def nested(n: int) -> Any:
        return (await gather(add_one(n), add_one(n)).run(backend=make())).value

    if bench.loop is not None:
        bench.gives(gather(nested(1), nested(2)), ((2, 2), (3, 3)))
        bench.fails(hold(30).timeout(0.01).bind(lambda _: nested(1)), TimedOut(0.01, "hold"))
