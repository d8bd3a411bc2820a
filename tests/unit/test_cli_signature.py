"""What a flow takes is read from its tree."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeVar, cast

import pytest
from pydantic import BaseModel, Field

from mce import (
    Context,
    Dag,
    Flow,
    Op,
    bracket,
    branch,
    compose,
    do,
    each,
    ensure,
    fail,
    filter_each,
    focus,
    fold,
    gather,
    identity,
    iterate,
    lift,
    pure,
    race,
    recurs,
    step,
    switch,
    tap,
    tree_reduce,
    when,
)
from mce.errors import InvalidInput
from mce.signature import Taker, shown, state_type, takers

T = TypeVar("T")


@dataclass(frozen=True)
class Notes:
    count: int = 0


@dataclass(frozen=True)
class MoreNotes(Notes):
    more: int = 0


@dataclass(frozen=True)
class Other:
    count: int = 0


class HasCount(Protocol):
    @property
    def count(self) -> int: ...


class Model(BaseModel):
    text: str


def a_step(fn: Callable[..., Any]) -> Any:
    """Make a step of no known type: the tests also combine what does not fit."""
    return step(fn)


def a_block(fn: Callable[..., Any]) -> Any:
    return do(fn)


@a_step
async def number(n: int) -> int:
    return n


@a_step
def text(value: str) -> int:
    return len(value)


@a_step
async def unannotated(value):  # type: ignore[no-untyped-def]
    return value


@a_step
async def nothing() -> int:
    return 1


@a_step
async def with_default(n: int = 3, *, other: str = "") -> int:
    return n


@a_step
async def noted(ctx: Context[Notes], n: int) -> int:
    return n


@a_step
async def more_noted(ctx: Context[MoreNotes], n: int) -> int:
    return n


@a_step
async def other_noted(ctx: Context[Other], n: int) -> int:
    return n


@a_step
async def counted(ctx: Context[HasCount]) -> int:
    return ctx.state.count


@a_step
async def with_any_state(ctx: Context, n: int) -> int:
    return n


def arrow(n: int) -> Flow[None, int, str, Notes]:
    flow: Flow[None, int, str, Notes] = noted(n)
    return flow


@a_block
async def block(question: str) -> int:
    found: int = await number(len(question))
    return found


@a_block
def typed_block(question: str) -> Generator[Op[str, Notes], Any, int]:
    found: int = yield from noted(len(question))
    return found


@a_step
async def of_two_step(first: str, n: int) -> int:
    return n


def is_short(value: str) -> bool:
    return len(value) < 3


class Measure:
    def __call__(self, n: float) -> float:
        return n


def of_two(first: str, n: int) -> int:
    return n


def types(flow: Any) -> list[Any]:
    return [taker.type for taker in takers(flow.node)]


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (number, [int]),
        (text, [str]),
        (number >> text, [int]),
        (noted, [int]),
        (with_default, [int]),
        (unannotated, [Any]),
        (nothing, []),
        (counted, []),
        (number(3), []),
        (pure(3) >> number, []),
        (fail("no"), []),
        (number.named("a").retry(recurs(1)).timeout(3).recover(arrow), [int]),
        (iterate(number, until=bool), [int]),
        (focus("count", number), [int]),
        (lift(arrow), [int]),
        (lift(len), [Any]),
        (lift(lambda n: n), [Any]),
        (lift(Measure()), [float]),
        (lift(functools.partial(of_two, "a")), [int]),
        (lift(cast("Any", Model)), [Any]),
        (a_step(Measure()), [float]),
        (compose(arrow, pure), [int]),
        (block, [str]),
        (typed_block, [str]),
        (pure(3).bind(arrow), []),
    ],
)
def test_the_input_is_that_of_what_runs_first(flow: Any, expected: list[Any]) -> None:
    assert types(flow) == expected


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (gather(number, text), [int, str]),
        (gather(number, nothing), [int]),
        (race(number, with_default), [int, int]),
        (identity() >> number, [int]),
        (identity() >> identity() >> number >> text, [int]),
        (tap(number, print), [int]),
        (ensure(number, nothing), [int]),
        (bracket(number, text, text), [int]),
    ],
)
def test_several_may_be_given_the_input(flow: Any, expected: list[Any]) -> None:
    assert types(flow) == expected


def test_what_runs_only_after_a_failure_is_optional() -> None:
    first, second = takers(number.or_else(with_default).node)
    assert (first.optional, second.optional) == (False, True)
    (only,) = takers(nothing.or_else(number).node)
    assert only == Taker("step 'number'", int, optional=True)


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (branch(lambda n: n > 0, number, with_default), [Any, int]),
        (branch(lambda n: n > 0, number, text), [Any, int | str]),
        (switch(is_short, {True: text, False: text}), [str, str]),
        (when(lambda n: n > 0, number), [Any, int]),
        (switch(len, {1: unannotated, 2: number}), [Any, Any]),
        (branch(bool, number, branch(bool, text, noted)), [Any, int | str]),
        (branch(bool, pure(1), pure(2)), [Any]),
    ],
)
def test_cases_are_one_taker_with_the_union_of_their_types(flow: Any, expected: list[Any]) -> None:
    assert types(flow) == expected


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (each(number), [list[Any], list[int]]),
        (each(each(text)), [list[Any], list[list[Any]], list[list[str]]]),
        (each(pure(1)), [list[Any]]),
        (filter_each(number), [list[Any], list[int]]),
        (tree_reduce(number), [list[Any]]),
        (fold(number, 0), [list[Any]]),
    ],
)
def test_what_goes_over_elements_takes_a_list(flow: Any, expected: list[Any]) -> None:
    assert types(flow) == expected


def test_an_iterable_is_read_as_a_list() -> None:
    def total(values: Iterable[int]) -> int:
        return sum(values)

    def any_of(values: T) -> T:
        return values

    assert types(lift(total)) == [list[int]]
    assert types(lift(any_of)) == [Any]


def test_an_annotation_that_cannot_be_resolved_asks_for_nothing() -> None:
    def hidden(value: NotThere) -> int:  # type: ignore[name-defined]  # noqa: F821
        return 1

    assert types(lift(hidden)) == [Any]


def test_tasks_that_take_the_input_of_a_dag_are_given_it() -> None:
    dag: Any = Dag()
    first = dag.add(number, dag.input)
    dag.add(text, first)
    assert types(dag.flow()) == [int]
    dag.add(of_two_step, "a", dag.input)
    assert types(dag.flow()) == [Any, int]


def test_takers_are_named_as_the_reader_knows_them() -> None:
    flow = gather(number, lift(len), each(text), block, branch(is_short, text, text))
    assert [taker.name for taker in takers(flow.node)] == [
        "step 'number'",
        "the function 'len'",
        "'each'",
        "step 'text'",
        "the block 'block'",
        "the selector of 'branch'",
        "step 'text'",
    ]


def test_a_long_chain_is_no_problem() -> None:
    flow: Any = identity()
    for _ in range(20_000):
        flow = flow >> identity()
    assert types(flow >> number)[-1] is int
    assert state_type((flow >> noted).node) is Notes


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (number, Any),
        (noted, Notes),
        (number >> noted, Notes),
        (gather(noted, more_noted), MoreNotes),
        (more_noted.recover(lambda _: noted(1)) >> noted, MoreNotes),
        (with_any_state >> noted, Notes),
        (counted.bind(arrow), Notes),
        (typed_block, Notes),
        (block, Any),
        (focus("other", other_noted) >> noted, Notes),
        (counted, Any),
        (each(noted).or_else(fail("no")), Notes),
    ],
)
def test_the_state_is_what_the_steps_ask_for(flow: Any, expected: Any) -> None:
    assert state_type(flow.node) == expected


def test_states_of_which_none_is_the_other_are_refused() -> None:
    with pytest.raises(InvalidInput, match="none is the other: 'noted' for Notes, 'other_noted' for Other"):
        state_type((noted >> other_noted).node)


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        (Notes, "Notes"),
        (list[int], "list[int]"),
        (int | None, "int | None"),
        (Annotated[str, Field(max_length=3)], "str"),
    ],
)
def test_types_are_shown_as_they_are_written(declared: Any, text: str) -> None:
    assert shown(declared) == text
