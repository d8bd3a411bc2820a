"""The paper's vocabulary: the published shapes, the published text where the two differ, and the laws."""

from __future__ import annotations

import asyncio
import dataclasses
import pickle
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Never, assert_type

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mce import InlineBackend, UsageError, gather, get, put
from mce.errors import DefinitionError, InvalidOutput
from mce.paper import (
    AgentMonad,
    AgentState,
    AsyncAgentMonad,
    ToolCall,
    ToolRegistry,
    ToolResult,
    default_registry,
    gather_sync,
)


def note(entry: str) -> Callable[[AgentState, Any], AgentMonad[AgentState, Any]]:
    """Make a step that adds ``entry`` to the history and gives its value on."""
    return lambda state, value: AgentMonad.success(state.with_history(entry), value)


def broken(*_: object) -> Never:
    raise ValueError("broken")


async def tripled(state: str, value: int) -> AgentMonad[str, int]:
    await anyio.lowlevel.checkpoint()
    return AgentMonad.success(state + "!", value * 3)


# -- the published shapes ---------------------------------------------------------------------------------------------


def test_an_evaluated_flow_has_four_fields_and_cannot_be_changed() -> None:
    flow = AgentMonad("s", 1)
    assert (flow.state, flow.value, flow.is_successful, flow.error_info) == ("s", 1, True, None)
    assert flow == AgentMonad.success("s", 1) == AgentMonad.start("s", 1)
    assert AgentMonad("s", None, False, "no") == AgentMonad.failure("s", "no") != flow
    assert repr(flow) == "AgentMonad(state='s', value=1, is_successful=True, error_info=None)"
    with pytest.raises(dataclasses.FrozenInstanceError):
        flow.state = "t"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("given", "value"), [(("s",), "s"), (("s", 0), 0), (("s", None), None)], ids=["only a state", "zero", "None"]
)
async def test_a_flow_starts_with_its_state_for_a_value_unless_one_is_given(given: Any, value: object) -> None:
    assert AgentMonad.start(*given) == AgentMonad("s", value)
    assert await AsyncAgentMonad.start(*given).run() == AgentMonad("s", value)


def test_what_is_inferred() -> None:
    flow = AgentMonad.start("s", 2)
    promise = AsyncAgentMonad.start("s", 2)
    assert_type(flow, AgentMonad[str, int])
    assert_type(AgentMonad.start("s"), AgentMonad[str, str])
    assert_type(AgentMonad.failure("s", "no"), AgentMonad[str, Never])
    assert_type(flow.then(lambda s, v: AgentMonad.success(s, str(v))), AgentMonad[str, str])
    assert_type(flow.map(str), AgentMonad[str, str])
    assert_type(promise.then(tripled), AsyncAgentMonad[str, int])
    assert_type(promise.then(lambda s, v: AsyncAgentMonad.start(s, str(v))), AsyncAgentMonad[str, str])
    assert_type(AsyncAgentMonad.gather([promise, promise]), AsyncAgentMonad[str, list[int]])
    assert_type(gather_sync([flow, flow], merge_state="".join), AgentMonad[str, list[int]])


# -- then, map and apply of an evaluated flow -------------------------------------------------------------------------


def test_then_hands_on_state_and_value() -> None:
    flow = AgentMonad.start("s", 2).then(lambda s, v: AgentMonad.success(s + "t", v * 5))
    assert flow == AgentMonad.success("st", 10)


def test_none_is_a_value() -> None:
    nothing: AgentMonad[str, None] = AgentMonad.success("s", None)
    assert nothing.then(lambda s, v: AgentMonad.success(s, v is None)).value is True
    assert nothing.map(lambda v: v is None).value is True
    assert AgentMonad.start("s", 1).apply(AgentMonad.success("s", lambda _: None)) == nothing
    assert gather_sync([nothing, nothing]) == AgentMonad.success("s", [None, None])


def test_a_failure_is_passed_on_and_nothing_is_called() -> None:
    called: list[object] = []
    failed: AgentMonad[str, Any] = AgentMonad.failure("s", "no")
    assert failed.then(lambda s, v: AgentMonad.success(s, called.append(v))) == failed  # type: ignore[func-returns-value]
    assert failed.map(called.append) == failed
    assert failed.apply(AgentMonad.success("s2", called.append)) == failed
    assert called == []


def test_a_failing_step_keeps_the_state_it_made() -> None:
    failed = AgentMonad.start("s", 1).then(lambda s, _: AgentMonad.failure(s + "t", "no")).map(str)
    assert failed == AgentMonad.failure("st", "no")


def test_then_map_and_apply_capture_what_is_raised_in_the_state_before() -> None:
    flow = AgentMonad.start("s", 1).then(lambda s, v: AgentMonad.success(s + "t", v))
    captured: list[AgentMonad[str, Never]] = [flow.then(broken), flow.map(broken)]
    for failed in (*captured, flow.apply(AgentMonad.success("st", broken))):
        assert (failed.state, failed.value, failed.is_successful) == ("st", None, False)
        assert isinstance(failed.error_info, ValueError)
        assert str(failed.error_info) == "broken"


def test_what_ends_the_program_is_not_captured() -> None:
    with pytest.raises(SystemExit):
        AgentMonad.start("s", 1).map(lambda _: sys.exit())


def test_a_step_that_gives_something_else_fails_and_says_what() -> None:
    wrong: Any = lambda s, v: v  # noqa: E731
    failed = AgentMonad.start("s", 1).then(wrong)
    assert isinstance(failed.error_info, InvalidOutput)
    assert "it returned int 1: say AgentMonad.success(state, value)" in str(failed.error_info)
    promising: Any = lambda s, v: AsyncAgentMonad.start(s, v)  # noqa: E731
    assert "chain such steps with AsyncAgentMonad" in str(AgentMonad.start("s", 1).then(promising).error_info)


def test_an_async_function_where_a_plain_one_belongs_is_named() -> None:
    step: Any = tripled
    assert "chain async steps with AsyncAgentMonad" in str(AgentMonad.start("s", 1).then(step).error_info)

    async def twice(value: int) -> int:
        return value * 2

    error = AgentMonad.start("s", 1).map(twice).error_info
    assert isinstance(error, UsageError)
    assert str(error).startswith("'twice' is async: map and apply take plain functions")


START = AgentState(task="t")


def doubled(value: int) -> int:
    return value * 2


@pytest.mark.parametrize(
    ("value_flow", "func_flow", "history"),
    [
        (AgentMonad.start(START, 2), AgentMonad.start(START, doubled), []),
        (AgentMonad.start(START, 2).then(note("v")), AgentMonad.start(START, doubled), ["v"]),
        (AgentMonad.start(START, 2), AgentMonad.start(START, doubled).then(note("f")), ["f"]),
        (AgentMonad.start(START, 2).then(note("v")), AgentMonad.start(START, doubled).then(note("f")), ["v", "f"]),
    ],
    ids=["neither", "the value's", "the function's", "both"],
)
def test_apply_threads_the_states_of_two_flows_that_began_alike(
    value_flow: AgentMonad[AgentState, int],
    func_flow: AgentMonad[AgentState, Callable[[int], int]],
    history: list[str],
) -> None:
    applied = value_flow.apply(func_flow)
    assert applied.value == 4
    assert applied.state.history == history


def test_apply_threads_the_state_of_a_flow_that_began_where_the_other_ended() -> None:
    value = AgentMonad.start(START, 2).then(note("v"))
    func = AgentMonad.start(value.state, doubled).then(note("f"))
    assert value.apply(func).state.history == ["v", "f"]
    func = AgentMonad.start(START, doubled).then(note("f"))
    value = AgentMonad.start(func.state, 2).then(note("v"))
    assert value.apply(func).state.history == ["f", "v"]


def test_apply_of_unrelated_flows_ends_in_the_function_s_state() -> None:
    assert AgentMonad.success("s", 2).apply(AgentMonad.success("t", doubled)) == AgentMonad.success("t", 4)


def test_apply_threads_no_states_of_different_classes() -> None:
    begun: AgentMonad[Any, Callable[[int], int]] = AgentMonad.start(0, doubled)
    func = begun.then(lambda _, f: AgentMonad.success("counted", f))
    value: AgentMonad[Any, int] = AgentMonad.start(0, 2)
    assert value.apply(func) == AgentMonad.success("counted", 4)


@dataclass(frozen=True)
class Counts:
    read: int = 0
    written: int = 0


def test_apply_threads_field_by_field() -> None:
    value = AgentMonad.start(Counts(), 2).then(lambda s, v: AgentMonad.success(Counts(s.read + 1, 1), v))
    func = AgentMonad.start(Counts(), doubled).then(lambda s, f: AgentMonad.success(Counts(s.read, 7), f))
    assert value.apply(func).state == Counts(read=1, written=7)


def test_apply_fails_as_the_first_of_the_two_with_the_states_threaded() -> None:
    value = AgentMonad.start(START, 2).then(note("v"))
    func = AgentMonad.start(START, doubled).then(lambda s, _: AgentMonad.failure(s.with_history("f"), "no"))
    assert value.apply(func) == AgentMonad.failure(AgentState(task="t", history=["v", "f"]), "no")
    failed = value.then(lambda s, _: AgentMonad.failure(s, "first"))
    assert failed.apply(func) == AgentMonad.failure(AgentState(task="t", history=["v"]), "first")


class Guarded(AgentState):
    """Refuses to be made anew once it has a history."""

    def model_post_init(self, _: object) -> None:
        if len(self.history) > 1:
            raise ValueError("full")


def test_a_state_that_refuses_to_be_threaded_is_a_failure() -> None:
    value = AgentMonad.start(Guarded(task="t"), 2).then(lambda s, v: AgentMonad.success(s.with_history("v"), v))
    func = AgentMonad.start(Guarded(task="t"), doubled).then(lambda s, f: AgentMonad.success(s.with_history("f"), f))
    failed = value.apply(func)
    assert "full" in str(failed.error_info)
    assert failed.state.history == ["f"]


def test_an_evaluated_flow_keeps_where_it_began_when_pickled() -> None:
    value = pickle.loads(pickle.dumps(AgentMonad.start(START, 2).then(note("v"))))
    plain = pickle.loads(pickle.dumps(AgentMonad.start(START, 2)))
    func = AgentMonad.start(START, doubled).then(note("f"))
    assert value.apply(func).state.history == ["v", "f"]
    assert plain.apply(func).state.history == ["f"]


def test_a_chain_of_100_000_steps() -> None:
    flow = AgentMonad.start(0, 0)
    for _ in range(100_000):
        flow = flow.then(lambda s, v: AgentMonad.success(s + 1, v + 2))
    assert flow == AgentMonad.success(100_000, 200_000)


# -- gather_sync ------------------------------------------------------------------------------------------------------


def test_gathered_flows_give_their_values_and_the_last_state() -> None:
    flows = [AgentMonad.start("a", 1), AgentMonad.start("b", 2)]
    assert gather_sync(iter(flows)) == AgentMonad.success("b", [1, 2])
    assert gather_sync(flows, lambda states: "+".join(states)) == AgentMonad.success("a+b", [1, 2])


def test_the_first_failure_is_that_of_all() -> None:
    flows = [AgentMonad.start("a", 1), AgentMonad.failure("b", "no"), AgentMonad.failure("c", "neither")]
    assert gather_sync(flows) == AgentMonad.failure("b", "no")


def test_no_flows_give_the_empty_list() -> None:
    assert gather_sync([]) == AgentMonad.success(None, [])


def test_a_merge_that_raises_is_a_failure_in_the_last_state() -> None:
    failed = gather_sync([AgentMonad.start("a", 1), AgentMonad.start("b", 2)], broken)
    assert failed.state == "b"
    assert isinstance(failed.error_info, ValueError)


# -- laws -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Move:
    """A step on numbers, as data: what it adds to the log, and the value it fails on."""

    entry: str
    adds: int
    fails_on: int

    def __call__(self, state: AgentState, value: int) -> AgentMonad[AgentState, int]:
        after = state.with_history(self.entry)
        if value % 4 == self.fails_on:
            return AgentMonad.failure(after, f"{self.entry} refused {value}")
        return AgentMonad.success(after, value + self.adds)


@dataclass(frozen=True)
class Adds:
    """A pure function on numbers that may raise."""

    n: int

    def __call__(self, value: int) -> int:
        if (value + self.n) % 7 == 0:
            raise ArithmeticError(value)
        return value + self.n

    def more(self, n: int) -> Adds:
        return Adds(self.n + n)


Link = Move | Adds | tuple[Adds, list[Move | Adds]]
"""A link of a chain: for ``then``, for ``map``, or for ``apply`` with a flow of its own."""

NUMBERS = st.integers(0, 20)
MOVES = st.builds(Move, st.sampled_from("abc"), NUMBERS, st.integers(0, 9))
FUNCTIONS = st.builds(Adds, NUMBERS)
STATES = st.builds(AgentState, task=st.just("t"), history=st.lists(st.sampled_from("xy"), max_size=2))
FLOWS = st.one_of(st.builds(AgentMonad.success, STATES, NUMBERS), st.builds(AgentMonad.failure, STATES, st.text()))
LINKS = st.one_of(MOVES, FUNCTIONS)
CHAINS = st.lists(st.one_of(LINKS, st.tuples(FUNCTIONS, st.lists(LINKS, max_size=3))), max_size=6)


def seen(flow: AgentMonad[Any, Any]) -> tuple[object, ...]:
    """Give all that a program can tell of ``flow``; exceptions are told by class and arguments."""
    error = flow.error_info
    shown = (type(error), error.args) if isinstance(error, Exception) else error
    return flow.state, flow.value, flow.is_successful, shown


@given(FLOWS)
def test_map_identity(m: AgentMonad[AgentState, int]) -> None:
    """``m.map(identity) = m``."""
    assert m.map(lambda v: v) == m


@given(FLOWS, FUNCTIONS, FUNCTIONS)
def test_map_composition(m: AgentMonad[AgentState, int], f: Adds, g: Adds) -> None:
    """``m.map(f).map(g) = m.map(lambda v: g(f(v)))``."""
    assert seen(m.map(f).map(g)) == seen(m.map(lambda v: g(f(v))))


@given(STATES, NUMBERS, MOVES)
def test_left_identity(state: AgentState, value: int, f: Move) -> None:
    """``success(s, v).then(f) = f(s, v)``, for an ``f`` that returns."""
    assert AgentMonad.success(state, value).then(f) == f(state, value)


@given(FLOWS)
def test_right_identity(m: AgentMonad[AgentState, int]) -> None:
    """``m.then(success) = m``."""
    assert m.then(AgentMonad.success) == m


@given(FLOWS, MOVES, MOVES)
def test_associativity(m: AgentMonad[AgentState, int], f: Move, g: Move) -> None:
    """``m.then(f).then(g) = m.then(lambda s, v: f(s, v).then(g))``."""
    assert m.then(f).then(g) == m.then(lambda s, v: f(s, v).then(g))


@pytest.mark.xfail(raises=ValueError, reason="not a law: a step that raises fails under then, and raises by itself")
def test_left_identity_of_a_step_that_raises() -> None:
    """``success(s, v).then(f) = f(s, v)``, for an ``f`` that raises."""
    assert seen(AgentMonad.success("s", 1).then(broken)) == seen(broken("s", 1))


@given(FLOWS, FUNCTIONS)
def test_apply_identity_and_map(m: AgentMonad[AgentState, int], f: Adds) -> None:
    """``m.apply(success(m.state, f)) = m.map(f)``, so with the identity it is ``m``."""
    assert seen(m.apply(AgentMonad.success(m.state, f))) == seen(m.map(f))


def evaluated(state: AgentState, value: int, chain: Sequence[Link]) -> AgentMonad[AgentState, int]:
    flow = AgentMonad.start(state, value)
    for link in chain:
        match link:
            case Move():
                flow = flow.then(link)
            case Adds():
                flow = flow.map(link)
            case (f, moves):
                flow = flow.apply(evaluated(state, value, moves).map(f.more))
    return flow


def promised(state: AgentState, value: int, chain: Sequence[Link]) -> AsyncAgentMonad[AgentState, int]:
    flow = AsyncAgentMonad.start(state, value)
    for link in chain:
        match link:
            case Move():
                flow = flow.then(link)
            case Adds():
                flow = flow.map(link)
            case (f, moves):
                flow = flow.apply(promised(state, value, moves).map(f.more))
    return flow


@given(STATES, NUMBERS, CHAINS)
def test_running_commutes(state: AgentState, value: int, chain: Sequence[Link]) -> None:
    """A promise comes to what the evaluated flow of the same steps is, whatever they do."""
    assert seen(anyio.run(promised(state, value, chain).run)) == seen(evaluated(state, value, chain))


# -- promises ---------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_nothing_runs_before_run_and_every_run_runs_all() -> None:
    called: list[int] = []

    async def counted(state: str, value: int) -> AgentMonad[str, int]:
        called.append(value)
        return AgentMonad.success(state, value + 1)

    flow = AsyncAgentMonad.start("s", 1).then(counted).then(counted)
    assert called == []
    assert await flow.run() == await flow.run() == AgentMonad.success("s", 3)
    assert called == [1, 2, 1, 2]


@pytest.mark.anyio
async def test_a_promise_of_what_a_function_gives() -> None:
    async def begin() -> AgentMonad[str, int]:
        return AgentMonad.success("s", 2)

    assert await AsyncAgentMonad(begin).then(tripled).run() == AgentMonad.success("s!", 6)

    async def fails() -> AgentMonad[str, int]:
        raise ValueError("broken")

    failed = await AsyncAgentMonad(fails).then(tripled).run()
    assert isinstance(failed.error_info, ValueError)


@pytest.mark.anyio
async def test_a_step_may_be_plain_or_async_and_give_a_flow_or_a_promise() -> None:
    async def promising(state: str, value: int) -> AsyncAgentMonad[str, int]:
        return AsyncAgentMonad.start(state + "?", value).then(tripled)

    flow = (
        AsyncAgentMonad.start("s", 1)
        .then(tripled)
        .then(lambda s, v: AgentMonad.success(s, v + 1))
        .then(lambda s, v: AsyncAgentMonad.start(s, v).then(tripled))
        .then(promising)
    )
    assert await flow.run() == AgentMonad.success("s!!?!", 36)
    assert await flow.run(backend=InlineBackend()) == AgentMonad.success("s!!?!", 36)


@pytest.mark.anyio
async def test_a_promise_that_a_step_gives_goes_on_from_where_its_flow_began() -> None:
    value = AsyncAgentMonad.start(START, 2).then(note("u"))
    value = value.then(lambda s, v: AsyncAgentMonad.start(s, v).then(note("v")))
    func = AsyncAgentMonad.start(START, doubled).then(note("f"))
    assert (await value.apply(func).run()).state.history == ["u", "v", "f"]


@pytest.mark.anyio
async def test_a_promise_captures_what_is_raised_in_the_state_before() -> None:
    async def raises(state: str, value: int) -> AgentMonad[str, int]:
        await anyio.lowlevel.checkpoint()
        raise ValueError("broken")

    flow = AsyncAgentMonad.start("s", 1).then(tripled)
    func = AsyncAgentMonad.start("s!", broken)
    for failing in (flow.then(raises), flow.then(broken), flow.map(broken), flow.apply(func)):
        failed = await failing.map(str).run()
        assert (failed.state, failed.value, failed.is_successful) == ("s!", None, False)
        assert isinstance(failed.error_info, ValueError)


@pytest.mark.anyio
async def test_the_error_of_a_promise_is_the_one_that_was_given() -> None:
    """Also when it is an error of the engine's, which a step got from a flow of its own."""
    outcome = await (get() >> put(1).map(broken)).run(state=0)
    failed = await AsyncAgentMonad.start("s", 1).then(lambda s, _: AgentMonad.failure(s, outcome.error)).run()
    assert failed.error_info is outcome.error


@pytest.mark.anyio
async def test_a_promise_may_change_the_class_of_its_state() -> None:
    started: AsyncAgentMonad[Any, int] = AsyncAgentMonad.start("s", 1)
    found: AgentMonad[Any, int] = await started.then(lambda _, v: AgentMonad.success(["list"], v)).run()
    assert found == AgentMonad.success(["list"], 1)


@pytest.mark.anyio
async def test_apply_runs_nothing_after_a_failure() -> None:
    called: list[int] = []
    func = AsyncAgentMonad.start("s", called.append).map(lambda f: f)
    failing = AsyncAgentMonad.start("s", 1).then(lambda s, _: AgentMonad.failure(s, "no"))
    assert await failing.apply(func).run() == AgentMonad.failure("s", "no")
    assert called == []


@pytest.mark.anyio
async def test_a_promise_of_100_000_steps() -> None:
    flow = AsyncAgentMonad.start(0, 0)
    for _ in range(100_000):
        flow = flow.then(lambda s, v: AgentMonad.success(s + 1, v + 2))
    assert await flow.run() == AgentMonad.success(100_000, 200_000)


@pytest.mark.anyio
async def test_a_step_that_calls_for_itself_10_000_times() -> None:
    def down(state: int, value: int) -> AgentMonad[int, str] | AsyncAgentMonad[int, str]:
        return AsyncAgentMonad.start(state + 1, value - 1).then(down) if value else AgentMonad.success(state, "down")

    assert await AsyncAgentMonad.start(0, 10_000).then(down).run() == AgentMonad.success(10_000, "down")


@pytest.mark.anyio
async def test_a_cancelled_run_is_cancelled() -> None:
    async def forever(state: str, value: int) -> AgentMonad[str, int]:
        scope.cancel()
        await anyio.sleep_forever()
        raise AssertionError("not reached")

    with anyio.CancelScope() as scope:
        await AsyncAgentMonad.start("s", 1).then(forever).run()
    assert scope.cancelled_caught


def test_a_step_that_awaits_what_was_cancelled_fails_in_the_state_it_was_called_in() -> None:
    async def awaits_cancelled(state: str, value: int) -> AgentMonad[str, int]:
        waiting = asyncio.get_running_loop().create_future()
        waiting.cancel()
        await waiting
        raise AssertionError("not reached")

    failed = asyncio.run(AsyncAgentMonad.start("s", 1).then(tripled).then(awaits_cancelled).run())
    assert failed.state == "s!"
    assert "awaited something that had been cancelled" in str(failed.error_info)


# -- gather -----------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_branches_run_at_once_and_their_values_keep_their_order() -> None:
    arrived: list[int] = []
    second_is_done = anyio.Event()

    async def first(state: str, value: int) -> AgentMonad[str, int]:
        await second_is_done.wait()
        arrived.append(1)
        return AgentMonad.success(state, value)

    async def second(state: str, value: int) -> AgentMonad[str, int]:
        arrived.append(2)
        second_is_done.set()
        return AgentMonad.success(state, value)

    flows = [AsyncAgentMonad.start("a", 1).then(first), AsyncAgentMonad.start("b", 2).then(second)]
    with anyio.fail_after(60):
        assert await AsyncAgentMonad.gather(flows).run() == AgentMonad.success("b", [1, 2])
    assert arrived == [2, 1]


class Branches:
    """Counts branches that wait for ever: how many began, were cancelled, went on."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.began = self.cancelled = self.went_on = 0
        self.all_began = anyio.Event()

    async def wait(self, state: str, value: int) -> AgentMonad[str, int]:
        self.began += 1
        if self.began == self.expected:
            self.all_began.set()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        self.went_on += 1
        return AgentMonad.success(state, value)


@pytest.mark.anyio
@pytest.mark.parametrize("raises", [False, True], ids=["returns", "raises"])
async def test_a_failing_branch_cancels_the_others(raises: bool) -> None:
    branches = Branches(3)
    error = ValueError("broken")

    async def fails(state: str, value: int) -> AgentMonad[str, int]:
        await branches.all_began.wait()
        if raises:
            raise error
        return AgentMonad.failure(state + "!", error)

    waiting = [AsyncAgentMonad.start(f"s{i}", i).then(branches.wait) for i in range(3)]
    flows = [*waiting[:2], AsyncAgentMonad.start("f", 9).then(fails), waiting[2]]
    with anyio.fail_after(60):
        failed = await AsyncAgentMonad.gather(flows).map(broken).run()
    assert failed == AgentMonad.failure("f" if raises else "f!", error)
    assert (branches.began, branches.cancelled, branches.went_on) == (3, 3, 0)


@pytest.mark.anyio
async def test_of_no_flows_gather_gives_the_empty_list() -> None:
    assert await AsyncAgentMonad.gather([]).run() == AgentMonad.success(None, [])
    assert await AsyncAgentMonad.gather([], broken).map(len).run() == AgentMonad.success(None, 0)


@pytest.mark.anyio
async def test_gathered_states_meet_as_merge_state_says() -> None:
    flows = [AsyncAgentMonad.start(name, name.upper()).map(str) for name in "abc"]
    assert await AsyncAgentMonad.gather(flows).run() == AgentMonad.success("c", ["A", "B", "C"])
    merged = AsyncAgentMonad.gather(flows, merge_state=lambda states: "".join(states))
    assert await merged.then(lambda s, v: AgentMonad.success(s, len(v))).run() == AgentMonad.success("abc", 3)


@pytest.mark.anyio
async def test_a_raising_merge_fails_and_cancels_what_runs_beside_it() -> None:
    branches = Branches(1)
    flows = [AsyncAgentMonad.start("a", 1), AsyncAgentMonad.start("b", 2).then(tripled)]

    async def after_the_others_began(state: str, value: int) -> AgentMonad[str, int]:
        await branches.all_began.wait()
        return AgentMonad.success(state, value)

    merging = AsyncAgentMonad.gather([*flows, AsyncAgentMonad.start("c", 3).then(after_the_others_began)], broken)
    beside = AsyncAgentMonad.start("d", 4).then(branches.wait).map(lambda v: [v])
    with anyio.fail_after(60):
        failed = await AsyncAgentMonad.gather([beside, merging]).run()
    assert failed.state == "c"
    assert isinstance(failed.error_info, ValueError)
    assert branches.cancelled == 1


@pytest.mark.anyio
async def test_a_gather_in_a_chain_and_in_a_gather() -> None:
    inner = AsyncAgentMonad.gather([AsyncAgentMonad.start("a", 1), AsyncAgentMonad.start("b", 2).then(tripled)])
    outer = AsyncAgentMonad.gather([inner, inner.map(lambda found: [sum(found)])], merge_state="+".join)
    assert await outer.run() == AgentMonad.success("b!+b!", [[1, 6], [7]])
    chained = AsyncAgentMonad.start("s", 1).then(lambda s, v: AsyncAgentMonad.gather([AsyncAgentMonad.start(s, v)] * 2))
    assert await chained.map(sum).run() == AgentMonad.success("s", 2)


def test_gather_and_apply_say_what_they_take() -> None:
    flow = AsyncAgentMonad.start("s", 1)
    assert repr(flow).startswith("<AsyncAgentMonad StateOp(")
    wrong: Any = AgentMonad.start("s", 1)
    with pytest.raises(
        DefinitionError, match=r"AsyncAgentMonad.gather takes what .* begins, not AgentMonad AgentMonad"
    ):
        AsyncAgentMonad.gather([flow, wrong])
    with pytest.raises(DefinitionError, match=r"AsyncAgentMonad.apply takes what AsyncAgentMonad.start\(...\) begins"):
        flow.apply(wrong)


# -- agents and tools -------------------------------------------------------------------------------------------------


def test_a_state_remembers_in_copies() -> None:
    state = AgentState(task="t")
    assert (state.task, state.history) == ("t", [])
    assert state.with_history("a").with_history("b") == AgentState(task="t", history=["a", "b"])
    assert state.history == []


def test_histories_meet_in_flows_of_the_engine() -> None:
    def added(entry: str) -> Any:
        return get().bind(lambda state: put(state.with_history(entry)))

    assert gather(added("a"), added("b")).run_sync(state=START).state.history == ["a", "b"]


def test_a_registry_answers_every_call() -> None:
    tools = ToolRegistry()
    tools.register("shout", lambda state, call: f"{state.task}: {call.arguments['text'].upper()}")
    answer = tools.run(START, ToolCall(tool_id="1", name="shout", arguments={"text": "hey"}))
    assert answer == ToolResult.success("1", "t: HEY") == ToolResult(tool_id="1", content="t: HEY", is_error=False)
    unknown = tools.run(START, ToolCall(tool_id="2", name="guess"))
    assert unknown == ToolResult.failure("2", "Tool not found: guess")
    raised = tools.run(START, ToolCall(tool_id="3", name="shout"))
    assert raised == ToolResult(tool_id="3", content="Tool error: 'text'", is_error=True)
    tools.register("shout", lambda state, call: "quiet")
    assert tools.run(START, ToolCall(tool_id="4", name="shout")).content == "quiet"


def test_the_default_registry_searches_for_the_query_or_else_the_task() -> None:
    tools = default_registry()
    assert "'cats'" in tools.run(START, ToolCall(tool_id="1", name="search", arguments={"query": "cats"})).content
    assert "'t'" in tools.run(START, ToolCall(tool_id="1", name="search")).content
