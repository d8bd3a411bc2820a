"""Cases of the nodes that steer and compute: values, functions, sequences, choices, loops, dynamic regions, names."""

from __future__ import annotations

from typing import Any

from returns.result import Failure, Success

from mce.combinators import bind, branch, fail, forever_until, identity, iterate, lift, pure, switch, tail_rec, when
from mce.errors import LoopLimit
from mce.flow import Flow
from mce.syntax import Again, Done
from mce.testing.cases.bench import AnyFlow, Bench, Cases, calls, expect
from mce.testing.cases.parts import add_one, blow_up, note, read, refuse

__all__ = ["CASES"]

CASES = Cases("nodes")


@CASES
def pure_gives_its_value_whatever_it_is(bench: Bench) -> None:
    """``pure(x)`` gives ``x`` as it is: ``None``, an exception, a ``Result``, even a flow."""
    for value in (1, None, (), ValueError("a value"), Success(1), Failure(1), pure(1)):
        bench.gives(pure(value), value)


@CASES
def fail_fails_with_its_error_whatever_it_is(bench: Bench) -> None:
    """``fail(e)`` fails with ``e`` as it is; an exception is not raised."""
    for error in ("no", None, 0, KeyError("k"), Success(1)):
        bench.fails(fail(error), error)


@CASES
def what_follows_a_failure_does_not_run(bench: Bench) -> None:
    """A failure skips the rest of the sequence."""
    outcome = bench.fails(add_one(1) >> refuse("no") >> add_one, "no", trace=True)
    expect(calls(outcome, "add_one"), 1, "calls of add_one")


@CASES
def functions_map_the_value(bench: Bench) -> None:
    """``map`` applies functions to the value, one after the other."""
    bench.gives(lift(len).map(lambda n: n * 2).map(str), "6", "abc")
    bench.gives(add_one.map(lambda _: None).map(lambda value: value is None), True, 1)


@CASES
def a_sequence_passes_the_value_on(bench: Bench) -> None:
    """``f >> g`` gives the value of ``f`` to ``g``, and ``>>`` is associative with ``identity`` as its unit."""
    bench.gives(add_one >> (add_one >> add_one), 4, 1)
    bench.gives((add_one >> add_one) >> add_one, 4, 1)
    bench.gives(identity() >> add_one >> identity(), 2, 1)


@CASES
def a_closed_flow_ignores_its_input(bench: Bench) -> None:
    """What was called with its input keeps it, whatever comes before."""
    bench.gives(pure(100) >> add_one(1), 2)
    bench.gives(add_one(1)(100), 2)


@CASES
def an_input_can_be_none(bench: Bench) -> None:
    """``None`` is an ordinary input, value, error and state."""
    bench.gives(identity(), None, None)
    bench.gives(pure(None).bind(lambda value: pure(value is None)), True)
    bench.gives(fail(None).recover(lambda error: pure(error is None)), True)
    bench.gives(read, None, state=None)
    bench.gives(switch(lambda value: value, {None: pure("nothing")}), "nothing", None)


@CASES
def bind_continues_with_the_flow_of_the_value(bench: Bench) -> None:
    """``bind(m, f)`` runs the flow that ``f`` makes of the value; the monad laws hold."""

    def twice(n: int) -> Flow[object, int]:
        return pure(n * 2)

    bench.gives(add_one(1).bind(twice), 4)
    bench.gives(pure(3).bind(twice), 6)
    bench.gives(bind(add_one(1), pure), 2)
    bench.gives(add_one(1).bind(twice).bind(add_one), 5)
    bench.gives(add_one(1).bind(lambda n: twice(n).bind(add_one)), 5)


@CASES
def bind_to_no_flow_is_a_defect(bench: Bench) -> None:
    """A continuation that gives no flow is a defect that says what to write instead."""
    _, defect = bench.breaks(pure(1).bind(lambda n: n), TypeError)  # type: ignore[arg-type, return-value, unused-ignore]  # pyright: ignore
    expect("pure(value)" in str(defect), True, "a hint in the message")


@CASES
def a_function_that_raises_is_a_defect_where_it_stands(bench: Bench) -> None:
    """What a function, a continuation, a selector or ``until`` raises is a defect at its own path."""

    def broken(_: Any) -> Any:
        raise ZeroDivisionError

    flows = (
        ("broken", add_one(1).map(broken)),
        ("broken", add_one(1).bind(broken)),
        ("switch", add_one(1) >> switch(broken, {1: pure(1)})),
        ("branch", add_one(1) >> branch(broken, pure(1), pure(2))),
        ("iterate", add_one(1) >> iterate(add_one, until=broken)),
        ("recover/broken", refuse(1).recover(broken)),
    )
    for path, flow in flows:
        outcome, defect = bench.breaks(flow, ZeroDivisionError)
        expect((defect.path, outcome.where and outcome.where.path), (path, path), "the path of the defect")


@CASES
def branch_runs_one_of_two_on_the_same_input(bench: Bench) -> None:
    """``branch`` gives the input to the one that the predicate picks, and does not run the other."""
    either = branch(lambda n: n > 0, add_one, note("not positive"))
    outcome = bench.gives(either, 2, 1, trace=True)
    expect(calls(outcome, "note"), 0, "calls of the other branch")
    bench.gives(when(lambda n: n > 0, add_one), None, -1)


@CASES
def switch_runs_the_case_with_an_equal_key(bench: Bench) -> None:
    """``switch`` runs the case whose key equals the selector's, else the default; with neither it is a defect."""
    route = switch(len, {1: pure("one"), 2: pure("two")})
    bench.gives(route, "two", "ab")
    bench.gives(switch(len, {1: pure("one")}, default=pure("many")), "many", "abc")
    _, defect = bench.breaks(route, LookupError, "abc")
    expect("3" in str(defect), True, "the key in the message")


@CASES
def the_case_is_in_the_path(bench: Bench) -> None:
    """Paths name the case: ``switch[two]``, ``branch[true]``, ``switch[default]``."""
    lost = fail("lost")
    flows: dict[str, AnyFlow] = {
        "switch[2]/fail": switch(lambda n: n, {2: lost}),
        "branch[true]/fail": branch(lambda n: n == 2, lost, pure(1)),
        "switch[default]/fail": switch(lambda n: n, {3: pure(1)}, default=lost),
    }
    for path, flow in flows.items():
        outcome = bench.fails(flow, "lost", 2)
        expect(outcome.where and outcome.where.path, path, "the path")


@CASES
def iterate_runs_until_the_predicate_holds(bench: Bench) -> None:
    """``iterate`` runs its body at least once, on its own value, until ``until(value)``."""
    bench.gives(iterate(add_one, until=lambda n: n >= 5), 5, 0)
    bench.gives(iterate(add_one, until=lambda _: True), 1, 0)
    bench.gives(forever_until(pure(3), until=lambda n: n == 3), 3)


@CASES
def a_loop_that_is_not_done_fails_with_its_last_value(bench: Bench) -> None:
    """``at_most`` turns that were not enough are the expected failure ``LoopLimit``."""
    loop = iterate(add_one, until=lambda n: n > 100, at_most=3)
    outcome = bench.fails(loop.named("count"), LoopLimit(3, "count/iterate", 3), 0, trace=True)
    expect(calls(outcome, "add_one"), 3, "turns")
    bench.gives(loop.recover(lambda error: pure(error.last)), 3, 0)
    bench.fails(iterate(add_one, until=lambda _: True, at_most=0), LoopLimit(0, "iterate", 0), 0)
    bench.gives(iterate(add_one, until=lambda n: n == 3, at_most=3), 3, 0)


@CASES
def tail_rec_runs_until_done(bench: Bench) -> None:
    """``Again(value)`` is another turn, ``Done(value)`` the end, anything else a defect at the loop."""
    count = identity().map(lambda n: Done("ready") if n == 0 else Again(n - 1))
    bench.gives(tail_rec(count), "ready", 10)
    bench.gives(tail_rec(pure(Done(None))), None, 1)
    _, defect = bench.breaks(tail_rec(add_one), TypeError, 1)  # type: ignore[arg-type, unused-ignore]  # pyright: ignore
    expect(defect.path, "tail_rec", "the path of the defect")


@CASES
def turns_count_from_zero_in_paths(bench: Bench) -> None:
    """A failure in a loop says in which turn: ``iterate#2/...``."""
    body = add_one >> branch(lambda n: n == 3, blow_up("late"), identity())
    _, defect = bench.breaks(iterate(body, until=lambda n: n > 5), ValueError, 0)
    expect(defect.path, "iterate#2/branch[true]/blow_up", "the path")


@CASES
def names_and_equal_siblings_make_paths(bench: Bench) -> None:
    """``named`` opens a region; equal siblings are told apart by ``:2``, also equal regions."""
    flow = (add_one >> add_one).named("first") >> add_one >> (add_one >> fail("lost")).named("first")
    outcome = bench.fails(flow, "lost", 1, trace=True)
    paths = [event.path for event in outcome.trace if hasattr(event, "input")]
    expect(paths, ["first/add_one", "first/add_one:2", "add_one", "first:2/add_one"], "paths of the calls")
    expect(outcome.where and outcome.where.path, "first:2/fail", "the path of the failure")


@CASES
def tail_recursive_bind_does_not_grow_paths(bench: Bench) -> None:
    """A flow that continues with itself in tail position has ``~n`` in its path, not ``n`` parts."""

    def count(n: int) -> Flow[object, int, str]:
        return fail("landed") if n == 0 else pure(n - 1).bind(count)

    outcome = bench.fails(pure(50).bind(count), "landed")
    expect(outcome.where and outcome.where.path, "count~50/fail", "the path")


@CASES
def a_flow_can_be_run_again(bench: Bench) -> None:
    """Flows are values: a second run, alone or within another flow, gives the same."""
    flow = add_one >> add_one.map(lambda n: n * 2)
    bench.gives(flow, 6, 1)
    bench.gives(flow, 6, 1)
    bench.gives(flow >> flow, 16, 1)
