"""The checks that try a flow in many worlds: what they let pass, and what they say of the smallest counterexample."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from mce import Context, gather, modify, pure, race, step
from mce.testing import assert_deterministic, assert_invariant, assert_no_leak
from tests.unit.fuzz_flows import BUGGY, CORRECT, NoAnswer, Notes


@step
async def spend(ctx: Context[Notes], amount: int) -> int:
    ctx.update(total=ctx.state.total - amount)
    return amount


@step
async def earn(ctx: Context[Notes], amount: int) -> int:
    await anyio.sleep(1)
    ctx.update(total=ctx.state.total + amount)
    return amount


def test_an_invariant_that_holds() -> None:
    assert_invariant(earn(3) >> spend, lambda notes: notes.total >= 0, state=Notes(), examples=30)


def test_an_invariant_that_breaks_is_shown_as_a_timeline() -> None:
    with pytest.raises(AssertionError) as found:
        assert_invariant(spend(3) >> earn, lambda notes: notes.total >= 0, state=Notes(), examples=30)
    assert str(found.value).splitlines() == [
        "the invariant does not hold at spend: the state is Notes(log=(), total=-3, best='')",
        "  t=0  spend is called with 3",
        "  t=0  spend changes the state: Notes(log=(), total=-3, best='')",
        "  t=0  spend gives 3",
        "  t=0  earn is called with 3",
        "  t=1  earn changes the state: Notes(log=(), total=0, best='')",
        "  t=1  earn gives 3",
        "  <WorldRun Outcome(3, state=Notes(log=(), total=0, best='')), 1 s>",
    ]


def test_an_invariant_that_asserts_says_why() -> None:
    def is_even(n: int) -> None:
        assert n % 2 == 0, f"{n} is odd"

    assert_invariant(modify(lambda n: n + 2), is_even, state=0, examples=5)
    with pytest.raises(AssertionError, match=r"does not hold at modify \(5 is odd"):
        assert_invariant(modify(lambda n: n + 1), is_even, state=4, examples=5)


def test_an_option_that_no_check_has_is_named() -> None:
    with pytest.raises(TypeError, match="no option 'seconds': the options are input, state, examples"):
        assert_no_leak(pure(1), seconds=1)  # type: ignore[call-arg]  # pyright: ignore


def test_an_invariant_of_the_state_at_the_start() -> None:
    with pytest.raises(AssertionError, match="does not hold at the start"):
        assert_invariant(pure(1), lambda n: n > 0, state=0, examples=5)


def test_an_invariant_is_tried_under_faults() -> None:
    @step(raises=NoAnswer)
    async def ask(n: int) -> int: ...  # type: ignore[empty-body]

    flow = (earn(1) >> ask).recover(lambda _: spend(2))
    with pytest.raises(AssertionError, match=r"when \('ask', 1\): Fails\(NoAnswer\(\)\)"):
        assert_invariant(flow, lambda notes: notes.total >= 0, state=Notes(), examples=60)


@pytest.mark.parametrize("name", ["a bracket", "sockets that are closed", "tasks that are awaited"])
def test_nothing_is_left(name: str) -> None:
    assert_no_leak(CORRECT[name], examples=60)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a socket left by a timeout", "dropped: unclosed socket"),
        ("a task left", "the task sleep"),
        ("a connection not given back", "acquire_connection was done and release_connection never called"),
    ],
)
def test_what_is_left_is_named(name: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        assert_no_leak(BUGGY[name][1], examples=80)


def test_a_leak_on_cancellation_alone() -> None:
    lock = asyncio.Lock()

    @step
    async def locks(n: int) -> int:
        await lock.acquire()
        await anyio.lowlevel.checkpoint()
        lock.release()
        return n

    with pytest.raises(AssertionError, match="lock is Lock, locked at the end.*\nwhen it is cancelled before turn"):
        assert_no_leak(locks(1), examples=60)


@pytest.mark.parametrize("name", ["a gather with reducers", "a lock around a counter", "limits in one order"])
def test_the_order_makes_no_difference(name: str) -> None:
    assert_deterministic(CORRECT[name], examples=60)


def test_two_orders_that_differ_are_shown() -> None:
    with pytest.raises(AssertionError) as found:
        assert_deterministic(BUGGY["the first one wins"][1], examples=60)
    text = str(found.value)
    assert text.startswith("the result depends on who goes first: ")
    assert "in the order of those who come:\n  t=0  gather[0]/enrol is called" in text
    assert "in the order [" in text


def test_a_race_on_the_state_of_an_object() -> None:
    class Account:
        balance = 0

    account = Account()

    @step
    async def pay_in(amount: int) -> None:
        before = account.balance
        await anyio.lowlevel.checkpoint()
        account.balance = before + amount

    with pytest.raises(AssertionError, match="account depends on who goes first"):
        assert_deterministic(gather(pay_in(1), pay_in(2)), examples=60)


def test_a_race_depends_on_the_order_on_purpose() -> None:
    @step
    async def one(_: Any) -> int:
        return 1

    @step
    async def two(_: Any) -> int:
        return 2

    assert_deterministic(race(one, two), input=0, examples=40)
