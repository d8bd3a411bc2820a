"""Cases of the policies: ``retry``, ``timeout``, ``bracket`` and what they promise to each other."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from mce.combinators import bracket, each, ensure, fail, gather, identity, iterate, lift, pure, race
from mce.context import Context
from mce.errors import StateConflict, TimedOut
from mce.events import Emitted, StepFailed, StepRetried, StepStarted
from mce.outcome import Place
from mce.schedule import exponential, never, recurs, spaced
from mce.step import step
from mce.testing.cases.bench import AnyFlow, AnyOutcome, Bench, Cases, calls, expect
from mce.testing.cases.parts import (
    Notes,
    Refused,
    add_one,
    blow_up,
    hold,
    note,
    refuse,
    refuse_until,
    stumble_until,
    write,
)

__all__ = ["CASES"]

CASES = Cases("policies")


def notes_of(outcome: AnyOutcome) -> tuple[str, ...]:
    """Give the notes of the place where ``outcome`` failed."""
    return outcome.where.notes if outcome.where else ()


# -- retry -------------------------------------------------------------------------------------------------------------


@CASES
def retry_runs_again_after_a_failure(bench: Bench) -> None:
    """``retry`` runs failures and defects again, from the same input; the first attempt is not a retry."""
    for one in (refuse_until, stumble_until):
        outcome = bench.gives(one.retry(recurs(5)), 3, 3, trace=True)
        expect(calls(outcome, one.__name__), 3, "calls")
    expect(bench.run(refuse_until(9).retry(recurs(2)), trace=True).where, Place("refuse_until", 3), "the place")
    outcome = bench.run(refuse_until(9).retry(never), trace=True)
    expect((calls(outcome, "refuse_until"), outcome.where), (1, Place("refuse_until")), "calls and place")
    bench.gives((add_one >> refuse_until).retry(recurs(5)), 3, 2)


@CASES
def retry_on_a_class_leaves_the_rest(bench: Bench) -> None:
    """With ``on`` only failures and defects of that class are tried again."""
    expect(calls(bench.run(refuse_until(9).retry(recurs(3), on=Refused), trace=True), "refuse_until"), 4, "calls")
    expect(calls(bench.run(stumble_until(9).retry(recurs(3), on=ValueError), trace=True), "stumble_until"), 4, "calls")
    expect(calls(bench.run(stumble_until(9).retry(recurs(3), on=KeyError), trace=True), "stumble_until"), 1, "calls")
    expect(calls(bench.run(refuse("no").retry(recurs(3), on=Refused), trace=True), "refuse"), 1, "calls")


@CASES
def retry_waits_as_its_schedule_says(bench: Bench) -> None:
    """Before every retry an event tells the failed attempt, its error and the delay that the schedule gave."""
    schedule = exponential(0.001) & recurs(3)
    outcome = bench.run(refuse_until(9).retry(schedule), trace=True)
    retried = [event for event in outcome.trace if isinstance(event, StepRetried)]
    expect([event.delay for event in retried], list(schedule.delays()), "the delays")
    expect([event.attempt for event in retried], [1, 2, 3], "the attempts that had failed")
    expect([type(event.error) for event in retried], [Refused] * 3, "their errors")
    expect({event.path for event in retried}, {"refuse_until"}, "where")


@CASES
def jitter_is_the_same_in_every_run(bench: Bench) -> None:
    """The delays of a jittered schedule depend on the run's id, the path and the number of the retry alone."""

    def delays(run_id: str) -> list[float]:
        flow = refuse_until(9).retry(spaced(0.001).jittered() & recurs(3))
        outcome = bench.run(flow, trace=True, run_id=run_id)
        return [event.delay for event in outcome.trace if isinstance(event, StepRetried)]

    expect(delays("one"), delays("one"), "the delays of a second run")
    expect(delays("one") == delays("two"), False, "the delays of a run of another id are the same")


@CASES
def the_innermost_retry_counts_attempts(bench: Bench) -> None:
    """``ctx.attempt`` is that of the innermost retry, also in a branch; what follows it is in attempt 1 again."""

    @step
    async def attempt(ctx: Context[object], _: object) -> int:
        return ctx.attempt

    flow = (stumble_until(2) >> gather(attempt, attempt)).retry(recurs(3)) >> gather(identity(), attempt)
    bench.gives(flow, ((2, 2), 1))
    bench.gives((stumble_until(2) >> attempt.retry(recurs(3))).retry(recurs(3)), 1)


@CASES
def nested_retries_multiply(bench: Bench) -> None:
    """A retry within a retry starts anew in every attempt of the outer one."""
    outcome = bench.run(refuse_until(9).retry(recurs(1)).retry(recurs(2)), trace=True)
    expect(calls(outcome, "refuse_until"), 6, "calls")


@CASES
def the_key_of_a_call_is_the_same_in_every_attempt(bench: Bench) -> None:
    """``ctx.idempotency_key`` is made of run and path: the attempt is no part of it, the occurrence is."""

    @step
    async def keys(ctx: Context[Any], _: object) -> str:
        ctx.emit(ctx.idempotency_key)
        if ctx.attempt < 3:
            raise ValueError
        return ctx.idempotency_key

    both = gather(keys.retry(recurs(5)), keys.retry(recurs(5)))
    outcome = bench.run(both, None, run_id="run-1", trace=True)
    wanted = "run-1:gather[0]/keys", "run-1:gather[1]/keys"
    expect(outcome.value, wanted, "the keys")
    seen = Counter(event.value for event in outcome.trace if isinstance(event, Emitted))
    expect(seen, dict.fromkeys(wanted, 3), "how often each key was seen")


@CASES
def retry_never_repeats_a_conflict(bench: Bench) -> None:
    """A ``StateConflict`` would only happen again; it is not retried, not even with ``on=StateConflict``."""
    conflict = add_one(1) >> gather(write({"n": 1}), write({"n": 2}))
    for flow in (conflict.retry(recurs(3)), conflict.retry(recurs(3), on=StateConflict)):
        outcome = bench.run(flow, state=Notes(), trace=True)
        expect((calls(outcome, "add_one"), type(outcome.error)), (1, StateConflict), "calls and error")


@CASES
def retry_never_repeats_a_cancellation(bench: Bench) -> None:
    """What was cancelled is not tried again, by no retry within the deadline that cancelled it."""
    outcome = bench.fails(hold(30).retry(recurs(3)).timeout(0.01), TimedOut(0.01, "hold"), trace=True)
    expect(calls(outcome, "hold"), 1, "calls")
    outcome = bench.fails(hold(30).timeout(0.01).retry(recurs(2)), TimedOut(0.01, "hold"), trace=True)
    expect(calls(outcome, "hold"), 3, "calls with the deadline within the retry")


@CASES
def a_deadline_holds_while_a_retry_waits(bench: Bench) -> None:
    """The delay before a retry counts against a deadline around it."""
    outcome = bench.run(refuse_until(9).retry(spaced(30)).timeout(0.01), trace=True)
    expect((type(outcome.error), calls(outcome, "refuse_until")), (TimedOut, 1), "error and calls")


@step(idempotent=False)
async def charge(ctx: Context[Any], amount: int) -> int:
    """Must not be called twice."""
    return amount


@CASES
def what_must_not_be_repeated_is_not(bench: Bench) -> None:
    """An attempt in which a step declared ``idempotent=False`` was called is not tried again, and a note says so."""
    refused = refuse_until(9)
    flows: list[AnyFlow] = [
        (charge(1) >> refused).retry(recurs(3)),
        (charge(1) >> refused.retry(recurs(0))).retry(recurs(3)),
        (charge(1) >> refused.retry(spaced(30)).timeout(0.01)).retry(recurs(3)),
        (charge(1) >> refused.retry(spaced(30))).timeout(0.01).retry(recurs(3)),
        gather(charge(1) >> hold(30), hold(0.01) >> refused).retry(recurs(3)),
        gather(charge(1) >> hold(0.01), refused).retry(recurs(3)),
        gather(charge(1) >> hold(30)).timeout(0.01).retry(recurs(3)),
        (each(charge(1) >> hold(0.01)) >> refused).retry(recurs(3)),
        race(charge(1) >> hold(30), hold(0.001)).bind(lambda _: refused).retry(recurs(3)),
    ]
    if bench.sequential:  # where a branch in turn would have to wait for what comes after it
        del flows[8], flows[4]
    for flow in flows:
        outcome = bench.run(flow, [1], trace=True)
        begun = calls(outcome, "charge")
        expect((begun <= 1, outcome.ok), (True, False), f"at most one charge, and success, of {flow!r}")
        told = [text for text in notes_of(outcome) if "charge" in text and "not tried again" in text]
        if begun:
            expect(len(told) >= 1, True, "a note that the retry was refused")


@CASES
def a_retry_that_was_refused_does_not_forbid_others(bench: Bench) -> None:
    """A step that must not be repeated forbids the retries around it and no others."""
    flow = charge(1) >> stumble_until(3).retry(recurs(5))
    bench.gives(flow, 3)
    bench.gives(gather(charge(1), stumble_until(3).retry(recurs(5))), (1, 3))
    bench.gives((charge(1) >> fail("no")).recover(lambda _: stumble_until(2).retry(recurs(1))), 2)


# -- timeout -----------------------------------------------------------------------------------------------------------


@CASES
def what_is_in_time_is_left_alone(bench: Bench) -> None:
    """A flow that is done before its deadline is as without it."""
    bench.gives(add_one(1).timeout(30), 2)
    bench.gives(hold(0.001).timeout(30), 0.001)
    bench.fails(refuse("no").timeout(30), "no")
    bench.breaks(blow_up("x").timeout(30), ValueError)
    bench.gives(pure(1).timeout(float("inf")), 1)


@CASES
def what_is_late_fails_as_timed_out(bench: Bench) -> None:
    """A flow that is not done in time fails with ``TimedOut``, which names the seconds and what was running."""
    outcome = bench.fails((add_one(1) >> hold(30)).named("slow").timeout(0.01), TimedOut(0.01, "slow/hold"))
    expect(outcome.where, Place("slow/hold"), "the place")
    bench.gives(hold(30).timeout(0.01).or_else(pure("instead")), "instead")
    bench.fails(hold(0.001).timeout(0), TimedOut(0, "hold"))


@CASES
def the_earlier_of_nested_deadlines_holds(bench: Bench) -> None:
    """Of nested deadlines the one that is due first ends what it is around."""
    bench.fails(hold(30).timeout(0.01).timeout(20), TimedOut(0.01, "hold"))
    bench.fails(hold(30).timeout(20).timeout(0.01), TimedOut(0.01, "hold"))
    bench.gives(hold(30).timeout(20).recover(lambda _: pure("inner")).timeout(0.01).recover(lambda _: pure(2)), 2)
    bench.gives(hold(30).timeout(0.01).recover(lambda _: pure("inner")).timeout(20), "inner")


@CASES.needing("real time")
def a_deadline_holds_where_nothing_waits(bench: Bench) -> None:
    """A loop that never waits notices its deadline all the same, and so does a chain of pure steps."""

    def follow(n: int) -> int:
        return n + 1

    bodies: list[AnyFlow] = [add_one, lift(follow), step(follow, pure=True)]
    for body in bodies:
        endless = iterate(body, until=lambda _: False)
        expect(type(bench.run(endless.timeout(0.01), 0).error), TimedOut, "the error")


@CASES.needing("real time")
def a_plain_step_that_is_late_is_awaited(bench: Bench) -> None:
    """A plain step cannot be stopped: it is awaited to its end, keeps its ``ctx`` until then, and has timed out."""

    @step
    def sleeps(ctx: Context[Any], seconds: float) -> str:
        time.sleep(seconds)
        ctx.put("done")
        return "done"

    flow = sleeps(0.03)
    for late in (flow.timeout(0.01), (flow >> identity()).timeout(0.01), gather(flow.timeout(0.01))):
        outcome = bench.run(late, state="before")
        expect((type(outcome.error), outcome.state), (TimedOut, "done"), "the error and the state")


@CASES
def finalisers_run_before_a_deadline_is_told(bench: Bench) -> None:
    """When ``TimedOut`` is there, what was acquired within has been released."""
    flow = bracket(pure("r"), lambda _: hold(30), lambda _: note("released")).timeout(0.01)
    told = flow.recover(lambda _: note("timed out"))
    expect(bench.run(told, state=Notes()).state.log, ("released", "timed out"), "the log")


# -- bracket -----------------------------------------------------------------------------------------------------------


def resource(use: AnyFlow) -> AnyFlow:
    """A resource whose three parts say in the log that they ran."""
    return bracket(note("acquired"), lambda _: note("used") >> use, lambda _: note("released"))


@CASES
def a_resource_is_released_however_its_use_ended(bench: Bench) -> None:
    """Release runs exactly once, after the use: on success, failure, defect and deadline."""
    every = ("acquired", "used", "released")
    outcome = bench.gives(resource(pure(1)), 1, state=Notes())
    expect(outcome.state.log, every, "the log")
    for use in (refuse("no"), blow_up("x"), hold(30).timeout(0.01)):
        expect(bench.run(resource(use), state=Notes()).state.log, every, "the log")
    expect(bench.run(resource(hold(30)).timeout(0.01), state=Notes()).state.log, every, "the log after a deadline")
    bench.gives(bracket(pure(5), lambda r: pure(r + 1), lambda r: pure(r + 2)), 6)
    bench.gives(bracket(pure(5), add_one, add_one), 6)


@CASES
def what_was_not_acquired_is_not_released(bench: Bench) -> None:
    """If acquiring fails, neither use nor release runs."""
    flow: AnyFlow = bracket(note("a") >> refuse("no"), lambda _: note("used"), lambda _: note("released"))
    expect(bench.fails(flow, "no", state=Notes()).state.log, ("a",), "the log")


@CASES
def acquiring_and_releasing_are_not_cancelled(bench: Bench) -> None:
    """A deadline waits for what is being acquired, which is then released unused, and for what is being released."""
    slow = hold(0.03) >> note("acquired")
    flow: AnyFlow = bracket(slow, lambda _: hold(30) >> note("used"), lambda _: hold(0.03) >> note("released"))
    outcome = bench.run(flow.timeout(0.01), state=Notes())
    expect((type(outcome.error), outcome.state.log), (TimedOut, ("acquired", "released")), "error and log")
    flow = bracket(pure(1), lambda _: note("used"), lambda _: hold(0.03) >> note("released"))
    outcome = bench.run((flow >> hold(30)).timeout(0.01), state=Notes())
    expect((type(outcome.error), outcome.state.log), (TimedOut, ("used", "released")), "error and log")


@CASES
def a_release_has_its_own_deadline(bench: Bench) -> None:
    """A release that hangs is ended by a deadline of its own, and by none around."""
    release = hold(30).timeout(0.01)
    outcome = bench.run(ensure(pure(1), release))
    expect(type(outcome.error), TimedOut, "the error after a use that succeeded")
    outcome = bench.fails(ensure(refuse("first"), release), "first")
    expect(["TimedOut" in text for text in notes_of(outcome)], [True], "the note")
    outcome = bench.run(ensure(hold(30), release).timeout(0.005))
    expect(outcome.error, TimedOut(0.005, "hold"), "the error after a deadline")


@CASES
def resources_are_released_in_reverse(bench: Bench) -> None:
    """Nested resources are released innermost first, also when the innermost release fails."""

    def held(name: str, body: AnyFlow) -> AnyFlow:
        return bracket(note(f"+{name}"), lambda _: body, lambda _: note(f"-{name}"))

    order = ("+a", "+b", "-b", "-a")
    for body in (pure(1), refuse("no"), hold(30).timeout(0.01)):
        expect(bench.run(held("a", held("b", body)), state=Notes()).state.log, order, "the log")
    expect(bench.run(held("a", held("b", hold(30))).timeout(0.01), state=Notes()).state.log, order, "the log")
    failing: AnyFlow = bracket(pure("b"), lambda _: pure(1), lambda _: refuse("no"))
    expect(bench.fails(held("a", failing), "no", state=Notes()).state.log, ("+a", "-a"), "the log")


@CASES
def a_retried_resource_is_acquired_anew(bench: Bench) -> None:
    """Every attempt acquires and releases its own."""
    events = bench.run(resource(stumble_until(2)).retry(recurs(3)), state=Notes(), trace=True).trace
    begun = [event.input for event in events if isinstance(event, StepStarted) and event.step == "note"]
    expect(begun, ["acquired", "used", "released"] * 2, "what was noted")


@CASES
def ensure_runs_its_finaliser(bench: Bench) -> None:
    """``ensure`` is ``finally`` for flows, closed or not."""
    bench.gives(ensure(add_one, note("done")), 2, 1, state=Notes())
    bench.gives(ensure(pure(1), note("done")), 1, state=Notes())
    for body in (refuse("no"), blow_up("x"), hold(30).timeout(0.01)):
        expect(bench.run(ensure(body, note("done")), state=Notes()).state.log, ("done",), "the log")


@CASES.needing("concurrency")
def cancelled_branches_release(bench: Bench) -> None:
    """A branch that is cancelled, by a failure beside it or by a winner, releases before the join ends."""
    for flow in (
        gather(ensure(hold(30), note("done")), hold(0.01) >> refuse("no")),
        race(ensure(hold(30), note("done")), hold(0.01)),
    ):
        events = bench.run(flow, state=Notes(), trace=True).trace
        begun = [(event.step, event.path) for event in events if isinstance(event, StepStarted)]
        held = [path for step, path in begun if step == "hold" and "[0]" in path]
        stopped = [event.path for event in events if isinstance(event, StepFailed) and event.cancelled]
        expect(stopped, held, "the steps that were cancelled, and those that held")
        if held or not bench.remote:  # a branch that is queued in another process need not have begun
            expect((begun[-1][0], len(held)), ("note", 1), "the last step, and how many held")
