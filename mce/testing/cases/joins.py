"""Cases of joins: what ``gather``, ``each``, ``race`` and their kin make of values and failures of branches."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from returns.result import Failure, Success

from mce.combinators import (
    as_completed,
    branch,
    each,
    fail,
    fold,
    gather,
    identity,
    lift,
    partition,
    pure,
    quorum,
    race,
    scan,
    sequence,
    settle,
    tree_reduce,
    validate,
    zip_with,
)
from mce.context import Context
from mce.errors import Defect, TimedOut
from mce.events import StepFailed, StepFinished, StepStarted
from mce.outcome import Place, Sibling
from mce.step import step
from mce.testing.cases.bench import AnyFlow, AnyOutcome, Bench, Cases, calls, expect, expect_among
from mce.testing.cases.parts import add_one, blow_up, hold, refuse

__all__ = ["CASES"]

CASES = Cases("joins")


def most_in_flight(outcome: AnyOutcome) -> int:
    """Give the most steps that ran at one time, by their events."""
    begun = (StepStarted, StepFinished, StepFailed)
    steps = [1 if isinstance(event, StepStarted) else -1 for event in outcome.trace if isinstance(event, begun)]
    return max(accumulate(steps), default=0)


def at_once(bench: Bench, branches: int) -> int:
    """Give how many of so many branches are under way at once, at the least: two where that depends on the workers."""
    return min(branches, 2) if bench.remote else branches


def a_while(bench: Bench, seconds: float) -> float:
    """Give ``seconds``, or how long it is until branches in other processes, which may have to queue, have begun."""
    return 0.2 if bench.remote else seconds


def cancelled(outcome: AnyOutcome) -> set[str]:
    """Give the paths of the steps that were cancelled."""
    return {event.path for event in outcome.trace if isinstance(event, StepFailed) and event.cancelled}


def held(bench: Bench, outcome: AnyOutcome, *paths: str) -> set[str]:
    """Give those of ``paths`` where a step began: all of them, but for a backend whose branches may still be queued."""
    if not bench.remote:
        return set(paths)
    return {event.path for event in outcome.trace if isinstance(event, StepStarted)} & set(paths)


def is_small(n: int) -> bool:
    return n < 5


@CASES
def gather_gives_the_values_in_branch_order(bench: Bench) -> None:
    """``gather`` gives the tuple of its branches' values in the order of the branches, whoever ends first."""
    bench.gives(gather(hold(0.01), add_one(1), pure("a")), (0.01, 2, "a"))
    bench.gives(gather(add_one, add_one >> add_one, identity()), (2, 3, 1), 1)
    bench.gives(gather(pure(None), pure(None)), (None, None))
    bench.gives(sequence(add_one(n) for n in range(3)), (1, 2, 3))
    bench.gives(zip_with(max, add_one(1), add_one(5)), 6)


@CASES
def joins_of_nothing(bench: Bench) -> None:
    """A join of no branches succeeds with nothing; a race of nobody fails with no errors."""
    closed: list[AnyFlow] = [gather(), validate(), settle(), sequence([]), as_completed(), quorum(0, pure(1))]
    for flow in closed:
        bench.gives(flow, ())
    loops: list[AnyFlow] = [each(add_one), each(add_one, limit=2), each(blow_up)]
    for flow in loops:
        bench.gives(flow, (), [])
    bench.fails(race(), ())


@CASES
def joins_of_one(bench: Bench) -> None:
    """A join of one branch is that branch, but for the tuple around its value."""
    bench.gives(gather(add_one(1)), (2,))
    bench.gives(race(add_one(1)), 2)
    bench.gives(quorum(1, add_one(1)), (2,))
    bench.fails(gather(refuse("no")), "no")
    bench.fails(race(refuse("no")), ("no",))
    expect(bench.fails(gather(refuse("no")), "no").where, Place("gather[0]/refuse"), "the place")


@CASES
def gather_fails_with_its_first_failure(bench: Bench) -> None:
    """The first failure is the flow's, with the path of its branch; what has not begun then does not begin."""
    outcome = bench.fails(gather(refuse("no"), hold(30)), "no", trace=True)
    expect(outcome.where and outcome.where.path, "gather[0]/refuse", "the path")
    outcome = bench.fails(each(refuse, limit=1), 0, range(5), trace=True)
    expect(calls(outcome, "refuse"), 1, "calls")


@CASES.needing("concurrency")
def a_failure_cancels_the_branches_that_wait(bench: Bench) -> None:
    """The branches that wait are cancelled when one fails, before or after them, and end before the join does."""
    outcome = bench.fails(gather(hold(30), hold(0.01) >> refuse("no"), hold(30)), "no", trace=True)
    expect(cancelled(outcome), held(bench, outcome, "gather[0]/hold", "gather[2]/hold"), "what was cancelled")


@CASES.needing("concurrency")
def of_several_failures_the_first_branch_counts(bench: Bench) -> None:
    """If several branches failed before the join ended, the failure is that of the lowest index among them."""

    @step
    async def fails_when_cancelled(ctx: Context[object]) -> None:
        try:
            await ctx.sleep(30)
        finally:
            raise KeyError("late")

    flow = gather(fails_when_cancelled, hold(0.01) >> refuse("early"))
    outcome = bench.run(flow, trace=True)
    if bench.remote and not calls(outcome, "fails_when_cancelled"):  # it was still queued when the other failed
        expect(outcome.error, "early", "the error")
        return
    expect(type(outcome.defect and outcome.defect.cause), KeyError, "the defect's cause")
    siblings = outcome.where.siblings if outcome.where else ()
    expect(siblings, (Sibling("gather[1]", Failure("early")),), "the siblings")


@CASES
def settle_gives_every_result(bench: Bench) -> None:
    """``settle`` runs all branches to their end and gives their results; a defect is a ``Failure`` of it."""
    value = bench.run(settle(add_one(1), refuse("no"), blow_up("x"), hold(0.01))).value
    expect(value[:2] + value[3:], (Success(2), Failure("no"), Success(0.01)), "the results")
    expect(type(value[2].failure()), Defect, "the defect")


@CASES
def validate_gathers_every_error(bench: Bench) -> None:
    """``validate`` runs all branches to their end and fails with every error, in branch order."""
    outcome = bench.fails(validate(refuse("a"), add_one(1), hold(0.01) >> refuse("b")), ("a", "b"), trace=True)
    expect((calls(outcome, "add_one"), calls(outcome, "refuse")), (1, 2), "calls")
    told = Success(2), Failure("a"), Failure("b")
    siblings = outcome.where.siblings if outcome.where else ()
    expect([s.result for s in siblings], [told[1], told[0], told[2]], "what the place tells of the branches")
    bench.gives(validate(add_one(1), pure("a")), (2, "a"))


@CASES
def a_defect_outranks_gathered_errors(bench: Bench) -> None:
    """A defect among the errors of ``validate``, ``race`` or ``quorum`` is the failure, whatever else failed."""
    for flow in (
        validate(refuse("no"), blow_up("x")),
        race(refuse("no"), blow_up("x")),
        quorum(2, refuse("no"), blow_up("x"), add_one(1)),
    ):
        outcome, defect = bench.breaks(flow, ValueError)
        expect(defect.path.endswith("[1]/blow_up"), True, "the path of the branch")
        siblings = outcome.where.siblings if outcome.where else ()
        expect(Failure("no") in [s.result for s in siblings], True, "the expected failure among the siblings")


@CASES
def quorum_gives_the_first_winners(bench: Bench) -> None:
    """``quorum(k)`` gives the values of the first ``k`` that succeed; it fails when they cannot be reached any more."""
    outcome = bench.run(quorum(2, add_one(1), refuse("no"), add_one(2)))
    expect_among(outcome.value, ((2, 3), (3, 2)), "the winners")
    expect_among(bench.run(quorum(1, add_one(1), add_one(2))).value, ((2,), (3,)), "the winner")
    bench.fails(quorum(2, refuse("a"), refuse("b"), hold(30)), ("a", "b"))


@CASES.needing("concurrency")
def quorum_cancels_the_rest(bench: Bench) -> None:
    """When ``k`` have succeeded the others are cancelled."""
    bench.gives(quorum(1, hold(30), hold(0.01), hold(30)), (0.01,))


@CASES
def race_gives_the_first_success(bench: Bench) -> None:
    """The first success wins the race; failures are waited out, and if all fail their errors are gathered in order."""
    expect_among(bench.run(race(add_one(1), add_one(2))).value, (2, 3), "the winner")
    bench.gives(race(refuse("no"), hold(0.01)), 0.01)
    bench.gives(race(blow_up("x"), hold(0.01)), 0.01)
    bench.gives(race(pure(None), hold(30)), None)
    outcome = bench.fails(race(refuse("a"), hold(0.01) >> refuse("b")), ("a", "b"))
    siblings = (Sibling("race[0]", Failure("a")), Sibling("race[1]", Failure("b")))
    expect(outcome.where, Place("race", 1, siblings), "the place")


@CASES.needing("concurrency")
def race_cancels_the_losers(bench: Bench) -> None:
    """The losers of a race are cancelled and end before the race does."""
    outcome = bench.gives(race(hold(30), hold(0.01), hold(30)), 0.01, trace=True)
    expect(cancelled(outcome), held(bench, outcome, "race[0]/hold", "race[2]/hold"), "what was cancelled")


@CASES
def as_completed_gives_a_permutation(bench: Bench) -> None:
    """``as_completed`` gives what ``gather`` gives, in the order of completion."""
    late = a_while(bench, 0.02)
    outcome = bench.run(as_completed(hold(late), add_one(1), pure("a")))
    expect(sorted(map(str, outcome.value)), [str(late), "2", "a"], "the values")
    if not bench.sequential:
        expect(outcome.value[-1], late, "the last to complete")


@CASES
def each_runs_its_body_for_every_element(bench: Bench) -> None:
    """``each`` gives the values in the order of the elements; ``None`` is an element, a generator an input."""

    def elements() -> Iterator[int]:
        yield from (1, 2, 3)

    for limit in (None, 1, 2, 10):
        bench.gives(each(add_one, limit=limit), (2, 3, 4), [1, 2, 3])
        bench.gives(each(add_one, limit=limit), (2, 3, 4), elements())
        bench.gives(each(identity(), limit=limit), (None, 1, None), (None, 1, None))
        bench.gives(each(hold, limit=limit), (0.01, 0, 0), (0.01, 0, 0))
    bench.gives(each(each(add_one)), ((2, 3), (), (4,)), ([1, 2], [], [3]))
    bench.gives(lift(range) >> each(add_one), (1, 2, 3), 3)


@CASES
def each_keeps_within_its_limit(bench: Bench) -> None:
    """At most ``limit`` elements are under way at once."""
    for limit in (1, 2, 3):
        outcome = bench.run(each(hold, limit=limit), [a_while(bench, 0.001)] * 5, trace=True)
        most = most_in_flight(outcome)
        expect(most <= limit, True, f"{most} in flight, at most {limit}")
        if not bench.sequential:
            expect(most >= at_once(bench, limit), True, f"{most} in flight, with a limit of {limit}")


@CASES.needing("concurrency")
def branches_run_at_the_same_time(bench: Bench) -> None:
    """Without a limit all branches, those of ``gather`` and ``each``, are under way at once, if there is room."""
    held = [a_while(bench, 0.01)] * 5
    for flow in (gather(*map(hold, held)), each(hold)):
        most = most_in_flight(bench.run(flow, held, trace=True))
        expect(at_once(bench, 5) <= most <= 5, True, f"{most} of 5 in flight")


@CASES
def each_fails_with_the_path_of_the_element(bench: Bench) -> None:
    """A failure in an element is the flow's, at ``each[i]/...``; ``partition`` gives values and errors apart."""
    body: AnyFlow = add_one >> branch(is_small, identity(), blow_up("x"))
    for limit in (None, 1, 2):
        _, defect = bench.breaks(each(body, limit=limit), ValueError, [0, 1, 9])
        expect(defect.path, "each[2]/branch[false]/blow_up", "the path")
    bench.gives(partition(refuse), ((), (1, 2)), [1, 2])
    bench.gives(partition(add_one), ((2, 3), ()), [1, 2])


@CASES
def each_takes_an_iterable(bench: Bench) -> None:
    """What is no iterable, and an iterable that raises, are defects at ``each`` that say so."""

    def broken() -> Iterator[int]:
        yield 1
        raise KeyError("broken")

    _, defect = bench.breaks(each(add_one), TypeError, 5)
    expect(("iterable" in str(defect), defect.path), (True, "each"), "the message and the path")
    _, defect = bench.breaks(each(add_one), KeyError, broken())
    expect(defect.path, "each", "the path")


@CASES
def folds_go_from_the_left(bench: Bench) -> None:
    """``fold``, ``scan`` and ``tree_reduce`` combine the elements in order."""
    joined: AnyFlow = lift("".join)
    bench.gives(fold(joined, ""), "abc", "abc")
    bench.gives(scan(joined, ""), ("", "a", "ab", "abc"), "abc")
    bench.gives(tree_reduce(joined), "abcde", "abcde")
    bench.gives(fold(joined, 7), 7, [])


@CASES
def joins_nest(bench: Bench) -> None:
    """A join may stand in any branch of another, and its paths tell where."""
    size: AnyFlow = lift(len)
    flow: AnyFlow = gather(each(add_one), race(fail("a"), size), settle(fail("no"), gather(lift(sum))))
    bench.gives(flow, ((2, 3), 2, (Failure("no"), Success((3,)))), [1, 2])
    outcome = bench.fails(each(gather(pure(1), identity() >> refuse)), "x", ["x"])
    expect(outcome.where and outcome.where.path, "each[0]/gather[1]/refuse", "the path")


@CASES
def a_join_under_a_deadline(bench: Bench) -> None:
    """A deadline around a join cancels all of it; one in a branch is that branch's failure."""
    outcome = bench.run(each(hold).timeout(0.01), [30, 30])
    expect(type(outcome.error), TimedOut, "the error")
    bench.fails(gather(pure(1), hold(30).timeout(0.01)), TimedOut(0.01, "gather[1]/hold"))
    bench.gives(settle(hold(30).timeout(0.01)), (Failure(TimedOut(0.01, "settle[0]/hold")),))


@CASES
def a_wide_join(bench: Bench) -> None:
    """A thousand branches are a join like any other."""
    bench.gives(gather(*(add_one(n) for n in range(1_000))), tuple(range(1, 1_001)))
    bench.gives(each(add_one, limit=7), tuple(range(1, 1_001)), range(1_000))


@CASES
def values_may_be_anything(bench: Bench) -> None:
    """Branches give values that look like failures, flows or results without any of them being taken for one."""
    values: tuple[Any, ...] = (None, Failure("no"), ValueError("a value"), (), pure(1))
    bench.gives(gather(*map(pure, values)), values)
    bench.gives(each(identity()), values, values)
