"""Cases of failures: expected ones and defects, what recovers from which, and where an outcome says it happened."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from returns.result import Failure, Success

from mce.combinators import bracket, ensure, fail, gather, iterate, map_error, pure, settle
from mce.context import Context
from mce.errors import Failed, LoopLimit, StateConflict, TimedOut
from mce.flow import Flow
from mce.outcome import Place, Sibling
from mce.step import step
from mce.testing.cases.bench import AnyFlow, Bench, Cases, calls, diary, expect, expect_among, kinds
from mce.testing.cases.parts import Notes, Refused, add_one, blow_up, hold, note, refuse, refuse_until, write

__all__ = ["CASES"]

CASES = Cases("failures")


@step
async def interrupt(reason: type[BaseException]) -> NoReturn:
    raise reason


@step
def interrupt_a_thread(reason: type[BaseException]) -> NoReturn:
    raise reason


@CASES
def a_failure_keeps_the_state(bench: Bench) -> None:
    """An outcome that failed has the state at the point of failure, for failures and defects alike."""
    for failing in (fail("no"), refuse("no"), blow_up("no"), refuse_until(9)):
        outcome = bench.run(note("a") >> failing >> note("b"), state=Notes())
        expect((outcome.ok, outcome.state.log), (False, ("a",)), "success and log")


@CASES
def a_defect_says_where_it_happened(bench: Bench) -> None:
    """A defect has the exception, the text of its traceback, the path and the attempt."""
    outcome, defect = bench.breaks((add_one(1) >> blow_up("bad luck")).named("agent"), ValueError)
    expect(defect.cause.args, ("bad luck",), "the cause")
    expect((defect.path, defect.attempt), ("agent/blow_up", 1), "path and attempt")
    expect(outcome.where, Place("agent/blow_up"), "the place")
    for told in ("blow_up", "bad luck", "raise ValueError"):
        expect(told in defect.traceback, True, f"{told!r} in the traceback")


@CASES
def an_outcome_gives_or_raises(bench: Bench) -> None:
    """``unwrap`` gives the value, or raises the error: itself if it is an exception, else ``Failed``."""
    expect(bench.run(pure(None)).unwrap(), None, "the value")
    for flow, raised in ((fail("no"), Failed("no")), (fail(Refused(1)), Refused), (blow_up("x"), "ValueError: x")):
        try:
            bench.run(flow).unwrap()
        except Exception as error:
            if isinstance(raised, type):
                expect(type(error), raised, "what was raised")
            else:
                expect_among(raised, (error, str(error).partition(" at ")[0]), "what was raised")
        else:
            expect("no error", raised, "what was raised")


@CASES
def recover_catches_expected_failures(bench: Bench) -> None:
    """``recover`` without ``on`` continues with the handler's flow on the error of any expected failure."""
    bench.gives(fail(3).recover(add_one), 4)
    bench.gives(refuse("no").recover(lambda error: pure(error + "!")), "no!")
    bench.gives(refuse_until(2).recover(lambda error: pure(error.args)), (1,))
    bench.gives(hold(30).timeout(0.01).recover(lambda error: pure(error.seconds)), 0.01)
    bench.gives(iterate(add_one, until=lambda _: False, at_most=2).recover(pure), LoopLimit(2, "iterate", 2), 0)
    bench.gives(add_one(1).recover(fail), 2)


@CASES
def recover_leaves_defects_alone(bench: Bench) -> None:
    """Without ``on`` a defect passes ``recover``, ``or_else`` and ``map_error``."""
    bench.breaks(blow_up("x").recover(pure), ValueError)
    bench.breaks(blow_up("x").or_else(pure(1)), ValueError)
    bench.breaks(map_error(blow_up("x"), str), ValueError)


@CASES
def recover_on_a_class_catches_its_failures_and_defects(bench: Bench) -> None:
    """``recover(on=X)`` catches failures of class ``X`` and defects whose cause is one; the handler gets the ``X``."""
    args = {"handler": lambda error: pure(error.args[0])}
    bench.gives(blow_up("x").recover(**args, on=ValueError), "x")
    bench.gives(blow_up("x").recover(**args, on=Exception), "x")
    bench.gives(blow_up("x").recover(**args, on=(KeyError, ValueError)), "x")
    bench.gives(refuse_until(2).recover(**args, on=Refused), 1)
    bench.gives(fail(Refused(5)).recover(**args, on=Refused), 5)


@CASES
def recover_on_a_class_leaves_the_rest(bench: Bench) -> None:
    """``recover(on=X)`` catches nothing else, expected or not."""
    bench.breaks(blow_up("x").recover(pure, on=KeyError), ValueError)
    bench.fails(fail("no").recover(pure, on=ValueError), "no")
    expect(isinstance(bench.run(refuse_until(2).recover(pure, on=KeyError)).error, Refused), True, "the failure stays")


@CASES
def recover_continues_in_the_state_at_failure(bench: Bench) -> None:
    """The handler starts from the state at the failure, not from that at entry."""
    flow = (note("tried") >> fail("no")).recover(lambda _: note("recovered"))
    expect(bench.gives(flow, "recovered", state=Notes()).state.log, ("tried", "recovered"), "the log")
    flow = (note("tried") >> fail("no")).or_else(note("or else"))
    expect(bench.gives(flow, "or else", state=Notes()).state.log, ("tried", "or else"), "the log")


@CASES
def or_else_takes_the_same_input(bench: Bench) -> None:
    """``or_else`` gives the other flow the input of the first; the error is replaced."""
    bench.gives((add_one >> fail("no")).or_else(add_one >> add_one), 7, 5)
    bench.fails(fail("first").or_else(fail("second")), "second")


@CASES
def recover_and_fail_are_a_monoid(bench: Bench) -> None:
    """``m.recover(fail) = m``, and recovering is associative."""
    bench.fails(refuse("no").recover(fail), "no")
    bench.gives(pure(1).recover(fail), 1)
    bench.gives(fail(1).recover(lambda e: fail(e + 1)).recover(lambda e: pure(e + 1)), 3)
    bench.gives(fail(1).recover(lambda e: fail(e + 1).recover(lambda e: pure(e + 1))), 3)


@CASES
def a_handler_may_fail(bench: Bench) -> None:
    """A failure in a handler is the flow's, at a path below ``recover``; the handler does not catch its own."""
    outcome = bench.fails(fail("first").recover(lambda _: refuse("second")), "second")
    expect(outcome.where and outcome.where.path.startswith("recover/"), True, "a path below recover")
    bench.breaks(fail("first").recover(lambda _: blow_up("x"), on=str), ValueError)


@CASES
def map_error_changes_expected_errors(bench: Bench) -> None:
    """``map_error`` applies a function to the error of an expected failure."""
    bench.fails(map_error(fail("no"), len), 2)
    bench.gives(map_error(pure("yes"), len), "yes")


@CASES
def defects_do_not_get_lost(bench: Bench) -> None:
    """A defect within a join, a handler, a policy or a block comes out as that defect, or as what ``settle`` gives."""
    _, defect = bench.breaks(gather(pure(1), gather(pure(2), blow_up("x"))), ValueError)
    expect(defect.path, "gather[1]/gather[1]/blow_up", "the path")
    settled = bench.run(settle(pure(1), blow_up("x"))).value
    expect(settled[0], Success(1), "the branch that succeeded")
    expect(type(settled[1].failure().cause), ValueError, "the branch that did not")


@CASES
def a_state_conflict_is_a_defect(bench: Bench) -> None:
    """``StateConflict`` passes ``recover``, and ``on=StateConflict`` catches it, with its fields."""
    conflict = gather(write({"n": 1}), write({"n": 2}))
    outcome = bench.run(conflict.recover(lambda _: pure("caught")), state=Notes())
    expect(isinstance(outcome.error, StateConflict), True, "the conflict is not caught")
    flow = conflict.recover(lambda error: pure(error.field), on=StateConflict)
    bench.gives(flow, "n", state=Notes())


@CASES
def cancellation_is_never_caught(bench: Bench) -> None:
    """No ``recover`` catches a cancellation, whatever its ``on``; only the deadline that caused it ends it."""
    caught = hold(30).recover(lambda _: pure("caught"), on=BaseException)
    bench.fails(caught.timeout(0.01), TimedOut(0.01, "hold"))
    bench.fails(caught.or_else(pure("or else")).timeout(0.01), TimedOut(0.01, "hold"))


@CASES
def a_cancellation_that_nobody_sent_is_a_defect(bench: Bench) -> None:
    """A step that raises asyncio's ``CancelledError`` with nobody cancelling the run has a defect of its own."""
    both: list[Any] = [interrupt, interrupt_a_thread]
    for one in both:
        for trace in (False, True):
            _, defect = bench.breaks(one(asyncio.CancelledError), RuntimeError, trace=trace)
            expect("cancelled" in str(defect), True, "what happened in the message")
            bench.gives(one(asyncio.CancelledError).recover(lambda _: pure("caught"), on=RuntimeError), "caught")


@CASES
def an_exception_group_is_one_defect(bench: Bench) -> None:
    """A group that a step raises is its defect, as it is."""

    @step
    async def raises_group() -> None:
        raise ExceptionGroup("two", [ValueError(1), KeyError(2)])

    _, defect = bench.breaks(raises_group(), ExceptionGroup)
    group: Any = defect.cause
    expect([type(error) for error in group.exceptions], [ValueError, KeyError], "the exceptions in the group")


@CASES
def an_interrupt_ends_the_run(bench: Bench) -> None:
    """``KeyboardInterrupt`` and ``SystemExit`` are no failures: finalisers run, and they leave the run as they are."""

    @step
    async def release(ctx: Context[Any]) -> None:
        ctx.deps.append("released")

    for reason in (KeyboardInterrupt, SystemExit):
        both: list[AnyFlow] = [interrupt(reason), interrupt_a_thread(reason)]
        for one in both:
            caught = ensure(one.recover(lambda _: pure("caught"), on=BaseException), release())
            with diary() as said:
                try:
                    bench.run(caught, deps=said)
                except reason:
                    expect(said.lines, ["released"], "what the finaliser did")
                else:
                    expect("the run went on", reason, "what left the run")


@CASES
def stop_iteration_is_a_defect(bench: Bench) -> None:
    """``StopIteration`` from a step or a function does not end anything else than the flow."""

    def stops(_: Any) -> Any:
        raise StopIteration("stop")

    @step
    async def stops_in_a_step() -> Any:
        stops(None)

    for flow in (pure(1).map(stops), pure(1).bind(stops), stops_in_a_step(), gather(stops_in_a_step(), pure(1))):
        outcome = bench.run(flow)
        expect_among(type(outcome.defect and outcome.defect.cause), (StopIteration, RuntimeError), "the cause")


@CASES
def siblings_tell_what_was_done_by_then(bench: Bench) -> None:
    """The place of a failure lists what the concurrent branches had produced when it failed."""
    outcome = bench.fails(gather(pure(1), refuse("no")).named("agent"), "no")
    wanted = [Place("agent/gather[1]/refuse", 1, (Sibling("agent/gather[0]", Success(1)),))]
    if bench.remote:  # what comes before it in the flow may come after it in another process
        wanted.append(Place("agent/gather[1]/refuse"))
    expect_among(outcome.where, wanted, "the place")
    outcome = bench.fails(gather(refuse("a"), pure(2)), "a")
    wanted = [Place("gather[0]/refuse"), Place("gather[0]/refuse", 1, (Sibling("gather[1]", Success(2)),))]
    expect_among(outcome.where, wanted, "the place")


@CASES
def siblings_of_siblings_are_told_too(bench: Bench) -> None:
    """A failure that passes several joins tells what the branches of each had produced."""
    outcome = bench.fails(gather(pure(1), gather(pure(2), refuse("no"))), "no")
    siblings = outcome.where.siblings if outcome.where else ()
    told = {(sibling.path, str(sibling.result)) for sibling in siblings}
    wanted = {("gather[0]", str(Success(1))), ("gather[1]/gather[0]", str(Success(2)))}
    expect(told, told & wanted if bench.remote else wanted, "the siblings")


@CASES
def the_first_error_stays_the_error(bench: Bench) -> None:
    """A finaliser that fails after a failure leaves a note in the place; after a success it is the failure."""
    failing: Flow[Any, Any, Any, Any] = bracket(pure("r"), lambda _: refuse("first"), lambda _: refuse("second"))
    outcome = bench.fails(failing, "first")
    notes = outcome.where.notes if outcome.where else ()
    expect([("second" in text, "release" in text) for text in notes], [(True, True)], "the notes")
    bench.fails(bracket(pure("r"), lambda _: pure(1), lambda _: refuse("second")), "second")


@CASES
def what_follows_recovery_runs_as_ever(bench: Bench) -> None:
    """After a failure that was recovered from, the rest of the flow runs, with events in order."""
    outcome = bench.gives(add_one(1) >> refuse(5).recover(pure) >> add_one, 6, trace=True)
    expect(kinds(outcome.trace, "refuse"), ["StepStarted", "StepFailed"], "what happened at refuse")
    expect(calls(outcome, "add_one"), 2, "calls of add_one")
    expect(outcome.where, None, "the place of a success")


@CASES
def a_failed_result_of_a_result_stays_what_it_is(bench: Bench) -> None:
    """An error may be a ``Result`` itself, as a value may."""
    bench.fails(fail(Failure(1)), Failure(1))
    bench.gives(fail(Success(1)).recover(pure), Success(1))
