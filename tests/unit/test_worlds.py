"""Worlds: what they decide, how their runs end, what they find, and that what is found can be pasted as a test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import anyio
import pytest
from hypothesis import HealthCheck, Phase, assume, find, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from returns.result import Failure, Result, Success

from mce import (
    Context,
    Defect,
    DefinitionError,
    Flow,
    InvalidInput,
    Limit,
    StateConflict,
    TimedOut,
    UsageError,
    batched,
    bracket,
    each,
    fail,
    gather,
    get,
    iterate,
    limit,
    pure,
    put,
    recurs,
    settle,
    sleep,
    spaced,
    step,
)
from mce.testing import Breaks, Decided, Endless, Fails, Hangs, Returns, Runs, World, WorldRun, worlds

AnyFlow = Flow[Any, Any, Any, Any]

SETTINGS = settings(
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    print_blob=False,
)


class Refused(Exception):
    pass


class Code(Exception):
    def __init__(self, number: int) -> None:
        super().__init__(f"code {number}")
        self.number = number


class Hit(BaseModel):
    title: str
    score: float = 0.0


class Found(BaseModel):
    hits: list[Hit]


class Nothing(NamedTuple):
    why: str


@dataclass(frozen=True)
class Ambiguous:
    between: tuple[str, str]


@step(raises=Refused)
async def search(query: str) -> Found | Nothing | Ambiguous:
    raise AssertionError("nothing is searched in a world")


@step
async def rate(ctx: Context[object], text: str) -> Result[int, Code]:
    raise AssertionError


@step(pure=True)
def shout(text: str) -> str:
    return text.upper()


@step
def save(text: object) -> None:
    raise AssertionError


@step
async def opaque(text: str) -> Callable[[int], int]:
    raise AssertionError


@step
async def unknown(text: str) -> Elsewhere:  # type: ignore[name-defined]  # noqa: F821
    raise AssertionError


rating = (shout >> gather(rate, rate, search)).named("rating")


# -- what is decided ---------------------------------------------------------------------------------------------------


def test_a_calm_world_gives_the_simplest_values_and_runs_pure_steps() -> None:
    run = World().run(rating, "a")
    assert run.outcome.value == (0, 0, Found(hits=[]))
    assert run.elapsed == 0
    assert run.calls == {
        ("rating/gather[0]/rate", 1): Returns(0),
        ("rating/gather[1]/rate", 1): Returns(0),
        ("rating/gather[2]/search", 1): Returns(Found(hits=[])),
    }
    assert not run.faults()


def test_what_is_written_down_happens() -> None:
    world = World({("search", 1): Returns(Nothing("no network"), after=3), ("search", 2): Returns(Nothing("other"))})
    run = world.run(search, "a")
    assert run.outcome.value == Nothing("no network")
    assert run.elapsed == 3
    assert list(run.calls) == [("search", 1)]
    assert world.run(search, "a").outcome == run.outcome


@pytest.mark.parametrize(
    ("flow", "decision", "error"),
    [
        (search, Fails(Refused("no")), Refused),
        (rate, Fails(Code(4)), Code),
        (rate, Fails("an error"), str),
        (save, Breaks(KeyError("k")), Defect),
        (search, Breaks(Code(4)), Defect),
    ],
)
def test_faults_are_failures_or_defects_of_the_step(flow: AnyFlow, decision: Any, error: type) -> None:
    (name,) = World().run(flow, "a").calls
    outcome = World({name: decision}).run(flow, "a").outcome
    assert isinstance(outcome.error, error)
    assert outcome.where is not None
    assert outcome.where.path == name[0]


def test_a_value_that_is_a_result_or_a_flow_stays_one() -> None:
    for value in (Success(1), Failure(1), pure(1)):
        assert World({("search", 1): Returns(value)}).run(search, "a").outcome.value is value


def test_a_stub_that_is_a_result_is_what_the_step_returns() -> None:
    assert World().stub(rate, Success(7)).run(rate, "a").outcome.value == 7
    assert isinstance(World().stub(rate, Failure(Code(4))).run(rate, "a").outcome.error, Code)


def test_every_call_of_a_retried_step_has_its_number() -> None:
    flow = search.retry(recurs(1)).retry(spaced(5) & recurs(1))
    world = World({("search", at): Fails(Refused(at)) for at in (1, 2, 3)})
    run = world.run(flow, "a")
    assert run.outcome.value == Found(hits=[])
    assert list(run.calls) == [("search", at) for at in (1, 2, 3, 4)]
    assert run.elapsed == 5


def test_order_says_who_goes_next() -> None:
    @step
    async def notes(log: list[str], name: str) -> None:
        await anyio.lowlevel.checkpoint()
        log.append(name)

    def order(world: World) -> str:
        log: list[str] = []
        world.real(notes).run(gather(*[notes(log, name) for name in "abc"]))
        return "".join(log)

    assert order(World()) == "abc"
    assert order(World(order=[2, 1])) == "cba"
    seen = {order(World().shuffled(seed)) for seed in range(60)}
    assert seen == {"abc", "acb", "bac", "bca", "cab", "cba"}
    shuffled = World().shuffled(7)
    world = World()
    world.shuffled(1).stub("notes", 3)
    assert not world._script.stubs
    assert order(shuffled) == order(World(order=shuffled.order))


def test_an_order_that_does_not_fit_is_made_to() -> None:
    assert World(order=[99, 99]).run(rating, "a").outcome.ok


@pytest.mark.parametrize("kind", [list, dict])
def test_calls_of_a_batched_function_are_decided_one_by_one(kind: Any) -> None:
    async def many(texts: list[str]) -> Any:
        raise AssertionError

    many.__annotations__["return"] = list[Hit] if kind is list else dict[str, Hit]
    world = World({("each[0]/many", 1): Returns(Hit(title="first"))})
    run = world.run(each(batched(many)), ["a", "b"])
    assert run.outcome.value == (Hit(title="first"), Hit(title=""))


# -- stubs and real steps ----------------------------------------------------------------------------------------------


def test_stubs_stand_for_steps() -> None:
    async def rated(ctx: Context[Any], text: str) -> Result[int, Code]:
        ctx.put(ctx.state + len(text))
        return Success(ctx.attempt)

    world = World().stub(rate, rated).stub("search", lambda query: Nothing(query))
    run = world.run(gather(rate, search), "abc", 10)
    assert run.outcome.value == (1, Nothing("abc"))
    assert run.outcome.state == 13
    assert run.calls == {("gather[0]/rate", 1): Runs(), ("gather[1]/search", 1): Runs()}
    assert World().stub(rate, lambda text: Success(len(text))).run(rate, "abc").outcome.value == 3
    assert World().stub(rate, 5).run(rate, "abc").outcome.value == 5


def test_a_step_may_stand_for_itself_under_faults() -> None:
    charged: list[int] = []

    @step
    async def charge(amount: int) -> Result[str, Refused]:
        charged.append(amount)
        return Success("receipt")

    lost = World({("charge", 1): Fails(Refused("no answer"), late=True)}).stub(charge, charge)
    assert isinstance(lost.run(charge, 5).outcome.error, Refused)
    assert charged == [5]
    early = World({("charge", 1): Fails(Refused("no way"))}).stub(charge, charge)
    assert isinstance(early.run(charge, 5).outcome.error, Refused)
    assert charged == [5]
    assert World({("charge", 1): Runs(after=60)}).stub(charge, charge).run(charge, 7).elapsed == 60
    assert charged == [5, 7]


def test_a_late_fault_of_a_call_that_failed_by_itself_hits_no_other() -> None:
    @step(raises=(Refused, KeyError))
    async def fails_first(ctx: Context[object], n: int) -> int:
        if ctx.attempt == 1:
            raise Refused
        return n

    world = World({("fails_first", 1): Fails(KeyError("late"), late=True)}).stub(fails_first, fails_first)
    run = world.run(fails_first.retry(recurs(1)), 3)
    assert run.outcome.value == 3


def test_real_steps_run_and_are_not_decided_about() -> None:
    @step
    def length(text: str) -> int:
        return len(text)

    for world in (World().real(length), World().real("length")):
        run = world.run(length, "abc")
        assert run.outcome.value == 3
        assert not run.calls
    assert World({("length", 1): Returns(7)}).real(length).run(length, "abc").outcome.value == 7


def test_steps_that_continue_with_a_flow_and_waits_run_for_real() -> None:
    @step
    async def again(text: str) -> Flow[None, int, Code]:
        return rate(text)

    run = World().run(again >> sleep(4), "abc")
    assert run.outcome.value == 0
    assert run.elapsed == 4
    assert list(run.calls) == [("again/rate", 1)]


def test_deps_and_state_are_the_users() -> None:
    @step
    async def reads(ctx: Context[int], _: object) -> int:
        return int(ctx.deps) + ctx.state

    assert World().real(reads).run(reads, None, 1, 2).outcome.value == 3
    assert World().real(reads).run(reads, None, state=1, deps=lambda: 5).outcome.value == 6


def test_a_flow_is_no_step() -> None:
    with pytest.raises(InvalidInput, match="is a flow of 2 of them"):
        World().stub(shout >> save, 3)
    with pytest.raises(InvalidInput, match="is a flow of 0 of them"):
        World().real(pure(1))


# -- how runs end ------------------------------------------------------------------------------------------------------


def test_a_history_tells_everything_in_order() -> None:
    run = World({("search", 1): Fails(Refused())}).run(search.retry(recurs(1)), "a")
    assert [type(event).__name__ for event in run.history] == [
        "StepStarted",
        "Decided",
        "StepFailed",
        "StepRetried",
        "StepStarted",
        "Decided",
        "StepFinished",
    ]
    decided = [event.decision for event in run.history if isinstance(event, Decided)]
    assert decided == list(run.calls.values())


def test_a_hang_that_nobody_cancels_is_a_deadlock_that_names_it() -> None:
    released: list[str] = []

    @step
    async def release(_: object) -> None:
        released.append("released")

    flow = gather(bracket(pure(1), search("a"), release), rate("b")).named("both")
    world = World({("both/gather[0]/search", 1): Hangs()}).real(release)
    run = world.run(flow)
    assert run.deadlock is not None
    assert run.hangs == (("both/gather[0]/search", 1),)
    assert str(run.deadlock) == "nothing can go on, and no timer is due:\n  both/gather[0]/search hangs"
    assert run.ended is None
    assert run.endless is None
    assert released == ["released"]
    with pytest.raises(type(run.deadlock)):
        _ = run.outcome
    assert repr(run) == f"<WorldRun no outcome: {run.deadlock}, 0 s>"


def test_a_hang_in_a_finaliser_of_a_hung_run_is_cleaned_up() -> None:
    released: list[int] = []

    @step
    async def release(_: object) -> None:
        released.append(1)

    flow = bracket(pure(1), bracket(pure(1), search("a"), save), release)
    run = World({("search", 1): Hangs(), ("bracket:2/release/save", 1): Hangs()}).real(release).run(flow)
    assert run.deadlock is not None
    assert run.hangs == (("search", 1),)
    assert released == [1]


def test_nothing_is_asked_about_finalisers_of_a_hung_run() -> None:
    run = World({("search", 1): Hangs()}).run(bracket(pure("b"), search, opaque))
    assert list(run.calls) == [("search", 1)]


def test_a_hang_that_is_cancelled_is_none() -> None:
    run = World({("search", 1): Hangs()}).run(search.timeout(9), "a")
    assert isinstance(run.outcome.error, TimedOut)
    assert run.elapsed == 9
    assert not run.hangs
    assert run.deadlock is None


def test_a_deadlock_of_the_flow_itself_says_who_waits() -> None:
    def both(first: Limit, second: Limit) -> AnyFlow:
        return limit(search("a") >> limit(save("b"), second), first)

    one, two = Limit("one", 1), Limit("two", 1)
    flow = gather(both(one, two), both(two, one))
    assert World(order=[0] * 9).run(gather(both(one, two))).deadlock is None
    run = World({(f"gather[{at}]/search", 1): Returns(Nothing(""), after=1) for at in (0, 1)}).run(flow)
    assert run.deadlock is not None
    assert not run.hangs
    assert "waits for Limit 'two'" in str(run.deadlock)
    assert "waits for Limit 'one'" in str(run.deadlock)


def test_a_loop_without_an_end_is_stopped() -> None:
    released: list[int] = []

    @step
    async def release(_: object) -> None:
        released.append(1)

    polls = iterate(save.map(str), until=lambda text: text == "done")
    world = World(at_most=50).real(release)
    run = world.run(bracket(pure("a"), polls, release))
    assert isinstance(run.endless, Endless)
    assert run.endless.calls == 50
    assert "the last at iterate#50/save" in str(run.endless)
    assert released == [1]
    with pytest.raises(Endless):
        _ = run.outcome


def test_a_world_inside_a_running_loop_says_what_to_do() -> None:
    async def main() -> None:
        World().run(search, "a")

    with pytest.raises(UsageError, match="inside a running event loop"):
        anyio.run(main)


@pytest.mark.parametrize(("flow", "reason"), [(opaque, "has no value that is sure"), (unknown, "cannot be evaluated")])
def test_an_answer_that_cannot_be_made_up_is_named(flow: AnyFlow, reason: str) -> None:
    released: list[int] = []

    @step
    def release(_: object) -> None:
        released.append(1)

    with pytest.raises(DefinitionError, match=reason) as raised:
        World().real(release).run(bracket(pure(1), flow("a"), release))
    name = flow.node.spec.name  # type: ignore[union-attr]
    assert f"world.stub({name!r}, answer)" in str(raised.value)
    assert f"calls={{({name!r}, 1): Returns(...)}}" in str(raised.value)
    assert released == [1]


# -- drawn worlds ------------------------------------------------------------------------------------------------------


def smallest(flow: AnyFlow, wrong: Callable[[WorldRun], object], world: Any = None, **played: Any) -> WorldRun:
    """Give the smallest run in which something is wrong."""
    runs: list[WorldRun] = []

    def found(drawn: World) -> bool:
        run = drawn.run(flow, **played)
        if wrong(run):
            runs.append(run)
            return True
        return False

    drawn = find(world if world is not None else worlds(flow), found, settings=settings(SETTINGS, max_examples=3000))
    assert drawn.calls == runs[-1].calls
    return runs[-1]


def test_every_kind_of_thing_is_drawn() -> None:
    kinds: set[type] = set()
    values: set[type] = set()

    @given(worlds(search))
    @settings(SETTINGS, max_examples=300)
    def collect(world: World) -> None:
        run = world.run(search, "a")
        kinds.update(type(decision) for decision in run.calls.values())
        if run.elapsed:
            kinds.add(float)
        if run.ended is not None and run.ended.ok:
            values.add(type(run.ended.value))

    collect()
    assert kinds == {Returns, Fails, Breaks, Hangs, float}
    assert values == {Found, Nothing, Ambiguous}


@given(worlds(rating, faults=()))
@settings(SETTINGS)
def test_without_faults_all_goes_well(world: World) -> None:
    run = world.run(rating, "a")
    assert run.outcome.ok
    assert run.elapsed == 0


@given(worlds(rating, faults=["failure"]))
@settings(SETTINGS)
def test_faults_are_those_that_were_asked_for(world: World) -> None:
    run = world.run(rating, "a")
    assert run.outcome.ok or isinstance(run.outcome.error, Code | Refused)


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'crash' is none of failure, defect, delay, hang"):
        worlds(rating, faults=["crash"])  # type: ignore[list-item]


def test_delays_reach_both_sides_of_a_timeout() -> None:
    flow = search.timeout(1000)
    slow_worlds = worlds(flow, faults=["delay"])
    late = smallest(flow, lambda run: isinstance(run.outcome.error, TimedOut), slow_worlds, input="a")
    assert list(late.calls.values()) == [Returns(Found(hits=[]), after=2000.0)]
    slow = smallest(flow, lambda run: run.elapsed > 60 and run.outcome.ok, slow_worlds, input="a")
    assert list(slow.calls.values()) == [Returns(Found(hits=[]), after=500.0)]


def test_exceptions_that_a_flow_catches_are_raised() -> None:
    flow = search.recover(lambda error: pure(None), on=ConnectionResetError)
    run = smallest(flow, lambda run: run.ended is not None and run.ended.ok and run.ended.value is None, input="a")
    assert [repr(decision) for decision in run.calls.values()] == ["Breaks(ConnectionResetError())"]


@step
def length(text: str) -> int:
    return len(text)


@given(
    worlds(gather(rate, length), real=[length], stubs={"rate": lambda text: Success(len(text) + 1)}, faults=["delay"])
)
@settings(SETTINGS)
def test_real_and_stubs_hold_for_all_worlds(world: World) -> None:
    assert world.run(gather(rate, length), "abc").outcome.value == (4, 3)


class Odd:
    def __init__(self, anything) -> None:  # type: ignore[no-untyped-def]
        raise AssertionError


@step
async def odd(text: str) -> Odd:
    raise AssertionError


@pytest.mark.parametrize(("flow", "annotation"), [(unknown, "Elsewhere cannot be evaluated"), (odd, "Odd gives none")])
def test_what_cannot_be_drawn_is_named(flow: AnyFlow, annotation: str) -> None:
    @given(worlds(flow))
    @SETTINGS
    def draws(world: World) -> None:
        world.run(flow, "a")

    with pytest.raises(DefinitionError, match=f"no answer of step .* can be made up: its annotation .*{annotation}"):
        draws()


def test_a_drawn_world_is_calm_beyond_what_was_drawn_outside_of_its_test() -> None:
    world = find(worlds(search), lambda world: world.run(search, "a").outcome.ok, settings=SETTINGS)
    assert world.run(search >> save, "a").outcome.ok


def test_a_world_of_another_test_is_refused() -> None:
    kept: list[World] = []

    @given(worlds(search))
    @settings(SETTINGS, max_examples=2)
    def keep(world: World) -> None:
        kept.append(world)

    @given(st.none())
    @settings(SETTINGS, max_examples=1)
    def use(_: None) -> None:
        kept[0].run(search, "a")

    keep()
    with pytest.raises(UsageError, match="give each test worlds"):
        use()


def test_a_failing_example_is_told_as_a_program() -> None:
    @given(worlds(rating))
    @settings(SETTINGS, phases=[Phase.generate, Phase.shrink])
    def goes_well(world: World) -> None:
        run = world.run(rating, "a")
        assume(run.stuck is None)
        assert run.outcome.defect is None

    with pytest.raises(AssertionError) as raised:
        goes_well()
    (told,) = [note for note in raised.value.__notes__ if "def test_world" in note]
    assert "from tests.unit.test_worlds import rating" in told
    assert told.count("Breaks(") == 1
    assert told.count("Returns(") == 0


# -- seeded bugs -------------------------------------------------------------------------------------------------------


def test_a_lost_update_by_get_then_put_is_found() -> None:
    """Two branches read the balance, wait, and write it: one deposit is lost."""
    balance = {"total": 0}

    @step
    async def read(_: object) -> int:
        return balance["total"]

    @step
    async def write(total: int) -> None:
        balance["total"] = total

    deposit = read.map(lambda total: total + 10) >> write
    flow = gather(deposit(None), deposit(None))

    def lost(run: WorldRun) -> bool:
        total, balance["total"] = balance["total"], 0
        return total != 20

    run = smallest(flow, lost, worlds(flow, real=[read, write], faults=[]))
    assert not run.calls
    assert len([index for index in run.order if index]) <= 2


def test_a_conflict_of_branches_on_the_state_is_found() -> None:
    @step
    async def pick(name: str) -> bool:
        raise AssertionError

    mark = pick.bind(lambda yes: get().map(lambda n: n + 1).bind(put) if yes else pure(None))
    flow: AnyFlow = gather(mark("a"), mark("b"))
    run = smallest(flow, lambda run: run.ended is not None and isinstance(run.ended.error, StateConflict), state=0)
    assert sorted(map(repr, run.faults().values())) == ["Returns(True)", "Returns(True)"]
    assert not any(run.order)


def test_a_retry_around_a_step_that_is_not_idempotent_is_found() -> None:
    charges: list[int] = []

    @step
    async def charge(amount: int) -> int:
        charges.append(amount)
        return amount

    @step(raises=ConnectionError)
    async def confirm(amount: int) -> str:
        raise AssertionError

    flow = (charge >> confirm).retry(spaced(1) & recurs(3))

    def twice(run: WorldRun) -> bool:
        made, charges[:] = list(charges), []
        return len(made) > 1

    run = smallest(flow, twice, worlds(flow, stubs={charge: charge}), input=5)
    assert len(run.faults()) == 1


def test_an_unhandled_case_of_a_union_is_found() -> None:
    def title(found: Found | Nothing | Ambiguous) -> str:
        match found:
            case Found():
                return "found"
            case Nothing(why):
                return why
            case _:
                raise TypeError(f"unexpected {found}")

    flow = search.map(title)
    run = smallest(
        flow, lambda run: run.ended and run.ended.defect and isinstance(run.ended.defect.cause, TypeError), input="a"
    )
    assert run.faults() == {("search", 1): Returns(Ambiguous(("", "")))}


def test_a_failure_that_hides_another_is_found() -> None:
    """The handler notifies somebody, which may fail: then nobody hears of the first failure."""
    flow = rate.recover(lambda error: search(f"about {error}") >> fail(error))

    def hidden(run: WorldRun) -> bool:
        failed = any(isinstance(found, Fails) and isinstance(found.error, Code) for found in run.calls.values())
        return failed and run.ended is not None and not isinstance(run.ended.error, Code)

    run = smallest(flow, hidden, input="a")
    assert len(run.faults()) == 2


def test_a_missing_undo_is_found() -> None:
    flow = search("book") >> save("pay").timeout(30)

    def half_done(run: WorldRun) -> bool:
        return run.ended is not None and not run.ended.ok and len(run.calls) == 2

    assert len(smallest(flow, half_done).faults()) == 1


# -- programs ----------------------------------------------------------------------------------------------------------


def replayed(run: WorldRun) -> WorldRun:
    """Run the program of a run, which must hold what it asserts, and give the run it made."""
    module: dict[str, Any] = {}
    exec(run.program(), module)
    module["test_world"]()
    runs: list[WorldRun] = []
    module = {"runs": runs}
    exec(run.program(check="runs.append(run)"), module)
    module["test_world"]()
    return runs[0]


retried = settle(rate.retry(spaced(5) & recurs(2)), search.timeout(20), each(save)).named("all")
sagas = settle(search("a"), rate("b"), search("c").or_else(pure(0)))


@pytest.mark.parametrize(("flow", "input"), [(rating, "a"), (retried, "ab"), (sagas, None)])
def test_the_program_of_a_run_repeats_it(flow: AnyFlow, input: object) -> None:
    @given(worlds(flow))
    @settings(SETTINGS, max_examples=60)
    def repeats(world: World) -> None:
        run = world.run(flow, input)
        again = replayed(run)
        assert repr(again.history) == repr(run.history)
        assert repr(again) == repr(run)
        assert again.order == run.order

    repeats()


def test_the_program_says_what_made_a_difference_and_no_more() -> None:
    world = World({("gather[0]/rate", 1): Fails(Code(3), after=2.0), ("gather[1]/search", 1): Returns(Found(hits=[]))})
    run = world.stub(save, print).real("shout").run(gather(rate, search, shout), "a", state=Ambiguous(("x", "y")))
    assert run.program("flows:agent", name="test_agent") == dedent(
        """\
        from builtins import print
        from flows import agent
        from mce.testing import Fails, World
        from tests.unit.test_worlds import Ambiguous, Code


        def test_agent() -> None:
            world = World(
                calls={
                    ('gather[0]/rate', 1): Fails(Code(number=3), after=2.0),
                },
            )
            world.real('shout')
            world.stub('save', print)
            run = world.run(agent, 'a', state=Ambiguous(between=('x', 'y')))
            assert repr(run.outcome) == "Outcome(failed: Code('code 3') at gather[0]/rate; gather[1] gave Found(hits=[]); gather[2] gave 'A', state=Ambiguous(between=('x', 'y')))"
        """  # noqa: E501
    ).replace("from builtins import print\n", "")


polling = iterate(rate.map(str), until=lambda text: text == "done")


def test_the_program_of_an_endless_run_is_endless() -> None:
    run = World({("iterate#2/rate", 1): Returns(5)}, at_most=20).run(polling, "a")
    assert run.endless is not None
    assert replayed(run).endless == run.endless


def test_what_cannot_be_written_is_to_be_defined() -> None:
    class Local:
        pass

    program = World().run(pure(Local()).map(lambda _: 1), Local()).program()
    assert "# define or import local_" in program
    assert "# define or import flow: the flow that was run" in program


def test_a_program_runs_without_hypothesis(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        dedent(
            """
            from mce import step
            from pydantic import BaseModel

            class Order(BaseModel):
                amount: int

            class Refused(Exception): ...

            @step(raises=Refused)
            async def pay(order: Order) -> str: ...

            @step
            async def ship(receipt: str) -> Order: ...

            checkout = pay >> ship
            """
        )
    )
    program = f"""
import sys
sys.modules["hypothesis"] = None
sys.path.insert(0, {str(tmp_path)!r})
from shop import Order, Refused, checkout
from mce.testing import Fails, World
run = World({{("pay", 1): Fails(Refused())}}).run(checkout, Order(amount=1))
exec(run.program("shop:checkout"))
test_world()
try:
    World().run(checkout, Order(amount=1))
    print(run)
except BaseException as failed:
    print(repr(failed))
"""
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("<WorldRun Outcome(failed: Refused() at pay), 0 s>\n", "")
