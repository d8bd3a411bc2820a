"""Every backend does what the reference meaning says, for random flows of the kind for which design 6 promises it.

``pytest --hypothesis-profile=search`` tries ten times as many. Here, too, are the tests of what finds differences.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from mce import Append, Defect, InlineBackend, Lens, LocalBackend, Outcome, Reducer, fail, gather, lift, pure, step
from mce.syntax import postorder
from mce.testing import Observation, assert_equivalent, check_laws, check_lens, check_reducer, flows, program, states
from mce.testing.steps import recording
from mce.testing.vocabulary import Ledger, Mishap, Refused
from tests.laws.meanings import AnyFlow, Seen, Start, assert_agree, not_a_law, runs_of, same, some

PROMISED = 500


def in_line(flow: AnyFlow, state: Ledger) -> Seen:
    """Run ``flow`` from plain code, which takes no event loop if the flow needs none."""
    with recording() as calls:
        outcome = flow.run_sync(state=state, backend=InlineBackend())
    return Seen("in line", Observation.of(outcome, calls))


def test_all_meanings_agree() -> None:
    """In line, on asyncio, on trio and in the reference meaning: equal result, state and calls, for 500 flows."""
    programs: set[str] = set()

    @settings(max_examples=max(settings().max_examples, PROMISED * 3 // 2))
    @given(flow=flows(size=12, deterministic=True), state=states())
    def agree(flow: AnyFlow, state: Ledger) -> None:
        programs.add(str([repr(node) for node in postorder(flow.node)]))
        assert_agree([*runs_of(Start(None, state), flow), in_line(flow, state)])

    agree()
    assert len(programs) >= PROMISED


# -- what the strategies promise ---------------------------------------------------------------------------------------


@some
@given(flow=flows(size=12), state=states())
def test_any_flow_runs_to_an_outcome(flow: AnyFlow, state: Ledger) -> None:
    """Races, deadlines and several failures at once: every backend gives an outcome, and says where it failed."""
    for backend in (InlineBackend(), LocalBackend(), LocalBackend(loop="trio")):
        outcome = flow.run_sync(state=state, backend=backend)
        assert isinstance(outcome.state, Ledger)
        assert (outcome.where is None) == outcome.ok


@some
@given(flow=flows(size=12, deterministic=True), state=states())
def test_a_watched_run_fails_where_an_unwatched_one_does(flow: AnyFlow, state: Ledger) -> None:
    """The interpreter takes shortcuts where nobody watches: paths, attempts and notes are the same without them."""
    for backend in (InlineBackend(), LocalBackend()):
        plain = flow.run_sync(state=state, backend=backend)
        watched = flow.run_sync(state=state, backend=backend, trace=True)
        assert Observation.of(plain) == Observation.of(watched)
        assert (plain.where is None) == (watched.where is None)
        if plain.where is not None and watched.where is not None:
            for what in ("path", "attempt", "notes"):
                assert getattr(plain.where, what) == getattr(watched.where, what)


@some
@given(flow=flows(size=12, fails=False), state=states())
def test_flows_that_do_not_fail(flow: AnyFlow, state: Ledger) -> None:
    """``flows(fails=False)`` succeed."""
    assert flow.run_sync(state=state, backend=InlineBackend()).ok


@some
@given(flow=flows(size=12, defects=False), state=states())
def test_flows_without_defects(flow: AnyFlow, state: Ledger) -> None:
    """``flows(defects=False)`` succeed or fail as expected."""
    assert flow.run_sync(state=state, backend=InlineBackend()).defect is None


@some
@given(flow=flows(size=12, fails=False, fields=["log", "total"]), state=states())
def test_flows_that_know_some_fields(flow: AnyFlow, state: Ledger) -> None:
    """``flows(fields=...)`` write no other field, and do the same whatever is in the others."""
    other = Ledger(log=state.log, total=state.total)
    found, again = (flow.run_sync(state=start, backend=InlineBackend()) for start in (state, other))
    assert found.value == again.value
    assert found.state == state.model_copy(update={"log": again.state.log, "total": again.state.total})


# -- what finds differences --------------------------------------------------------------------------------------------


@step
async def add_one(n: int) -> int:
    return n + 1


@step(name="add_one")
async def add_one_too(n: int) -> int:
    return n + 1


@step
async def add_two(n: int) -> int:
    return n + 2


@step(pure=True)
def breaks(_: int) -> int:
    raise Mishap("broken")


def test_flows_that_do_the_same_are_equivalent() -> None:
    """Paths, tracebacks and how it was written make no difference."""
    assert_equivalent(add_one >> add_one, add_one.named("a") >> add_one_too, 3)
    assert_equivalent(breaks, breaks.named("elsewhere"), 3)
    assert_equivalent(gather(add_one, add_two), gather(add_one, add_two), 3, backends=[LocalBackend(), InlineBackend()])


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        (pure(3), pure(4), "result: <Success: 3> and <Success: 4>"),
        (pure(3), fail(3), "result: <Success: 3> and <Failure: 3>"),
        (program("put(Ledger(mark=1))"), program("put(Ledger(mark=2))"), "state: Ledger(mark=1"),
        (add_one >> add_one, add_two, "calls: (('add_one', 3), ('add_one', 4)) and (('add_two', 3),)"),
        (lift((1).__add__), add_one, "calls: () and (('add_one', 3),)"),
        (breaks, fail(Mishap("broken")), "Defect"),
        (breaks, breaks.map(str).recover(lambda e: fail("other"), on=Mishap), "other"),
    ],
)
def test_flows_that_do_something_else_are_told_apart(left: AnyFlow, right: AnyFlow, message: str) -> None:
    with pytest.raises(AssertionError, match="the flows differ on InlineBackend") as raised:
        assert_equivalent(left, right, 3, state=Ledger())
    assert message in str(raised.value)


def test_the_order_of_calls_counts_where_branches_run_in_turn() -> None:
    left, right = gather(add_one, add_two).map(set), gather(add_two, add_one).map(set)
    assert_equivalent(left, right, 3, backends=[LocalBackend()])
    with pytest.raises(AssertionError, match="calls"):
        assert_equivalent(left, right, 3)
    assert_equivalent(left, right, 3, calls=False)


def test_a_difference_between_backends_is_told() -> None:
    """A step that does something else in another run is told, though it is the same flow."""
    seen: list[int] = []

    @step(pure=True)
    def count(_: int) -> int:
        seen.append(0)
        return len(seen)

    with pytest.raises(AssertionError, match="the flows differ on"):
        assert_equivalent(count, count, 3, backends=[InlineBackend(), LocalBackend()])


def test_the_laws_of_a_flow() -> None:
    check_laws(add_one >> add_two, 3)
    check_laws(fail("no"))
    check_laws(program("gather(notes('log'), refuses(2))"), 3, state=Ledger(), backend=LocalBackend())


def test_the_laws_find_what_a_flow_keeps_to_itself() -> None:
    kept: list[int] = []

    @step(pure=True)
    def remembers(n: int) -> int:
        kept.append(n)
        return sum(kept)

    with pytest.raises(AssertionError, match="m = m, run twice: does not hold for <Step remembers>"):
        check_laws(remembers, 3)


def test_the_laws_of_a_reducer_and_of_a_lens() -> None:
    check_reducer(Append(), [(), (1,), (1, 2)])
    check_lens(Lens.field("page.count"), [Ledger(), Ledger(mark=1)], [0, 3])


def take_left(first: Any, second: Any) -> Any:
    return first


def difference(before: int, after: int) -> int:
    return after - before


def total(first: int, second: int) -> int:
    return first + second


@pytest.mark.parametrize(
    ("reducer", "law"),
    [
        (Reducer(difference, take_left, total), "patch(b, diff(b, a)) = a"),
        (Reducer(difference, total, take_left), "patch(patch(v, c), d) = patch(v, compose(c, d))"),
        (
            Reducer(difference, total, lambda c, d: c - d, total),
            "combine(combine(b, c), d) = combine(b, combine(c, d))",
        ),
        (Reducer(lambda b, a: a - b or 1, total, total), "patch(b, diff(b, a)) = a"),
    ],
)
def test_a_reducer_that_breaks_a_law_is_told(reducer: Any, law: str) -> None:
    with pytest.raises(AssertionError) as raised:
        check_reducer(reducer, [0, 1, 3])
    assert str(raised.value).startswith(law)


@pytest.mark.parametrize(
    ("lens", "law"),
    [
        (Lens[Any, Any](get=lambda s: s[0], set=lambda s, a: s), "get(set(s, a)) = a"),
        (Lens[Any, Any](get=lambda s: s[0], set=lambda s, a: (a, s[1] + 1)), "set(s, get(s)) = s"),
        (
            Lens[Any, Any](get=lambda s: s[0], set=lambda s, a: s if a == s[0] else (a, s[1] + 1)),
            "set(set(s, a), b) = set(s, b)",
        ),
    ],
)
def test_a_lens_that_breaks_a_law_is_told(lens: Any, law: str) -> None:
    with pytest.raises(AssertionError) as raised:
        check_lens(lens, [(1, 1), (2, 2)], [3, 4])
    assert str(raised.value).startswith(law)


@not_a_law
def test_meanings_are_told_apart() -> None:
    """``same`` holds for all flows."""
    same(pure(3), pure(4))


def test_a_call_too_many_is_told() -> None:
    """Runs that made other calls do not agree, in whatever order."""
    outcome = Outcome(pure(3).run_sync().result, None)
    one, two = Observation.of(outcome, [("a", 1)]), Observation.of(outcome, [("b", 2), ("a", 1)])
    assert one.differences(two, in_order=False) == ["a call of the second alone: ('b', 2)"]
    assert one.differences(one, in_order=False) == []
    assert Observation.of(Outcome(fail(Defect(KeyError(1), path="a")).run_sync().result, None)) == Observation.of(
        Outcome(fail(Defect(KeyError(1), path="b")).run_sync().result, None)
    )
    assert Observation.of(Outcome(fail(Refused(1)).run_sync().result, None)) != one
