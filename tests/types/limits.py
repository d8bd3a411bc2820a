"""What a checker cannot infer, and how to say it instead. An error with a checker's name is that checker's alone.

The last section holds what no checker can infer. A line that loses its error is a limit that has gone: it moves to
one of the programs that must pass.
"""

from __future__ import annotations

from typing import Any, Never, TypeVar, assert_type

from mce import (
    Failure,
    Flow,
    Outcome,
    Result,
    Success,
    branch,
    compose,
    do,
    fail,
    gather,
    identity,
    lift,
    modify,
    pure,
    put,
    race,
    sequence,
    sleep,
    step,
    switch,
)
from tests.types.vocabulary import NoFile, NoPlan, Notes, Purse, flow, length, plan, read, show, spend, upper

T = TypeVar("T")

# -- mypy -------------------------------------------------------------------------------------------------------------

# More than six flows of different kinds: their values and errors become one common class. Gather them in two groups.
many = gather(upper, plan, read, upper, plan, read, length)
assert_type(many, Flow[str, tuple[str | int | bytes, ...], NoPlan | NoFile, Notes])  # E mypy: object, Exception

# So do values and errors of different classes in a dict or a list. Declare its type: `cases: dict[int, Flow[...]]`.
assert_type(switch(len, {1: plan}, default=read.map(len)), Flow[str, int, NoPlan | NoFile, Notes])  # E mypy: Exception
assert_type(sequence([upper, length]), Flow[str, tuple[str | int, ...]])  # E mypy: object


# So do more than three classes in raises=. Name a common class, or return a Result.
@step(raises=(NoPlan, NoFile, OSError, KeyError))
def risk(word: str) -> str:
    return word


assert_type(flow(risk), Flow[str, str, NoPlan | NoFile | OSError | KeyError])  # E mypy: Exception


# A return annotation of Any fits every kind of return, so nothing is known of the step. Annotate what it returns.
@step
def decode(line: str) -> Any:
    return line


assert_type(flow(decode), Flow[str, Any, Any])  # E mypy: Flow[Any, Any, Any, Any]


# A type variable as the whole return is taken for the first kind of return. Use `lift`, or write the step for its type.
@step
def same(value: T) -> T:
    return value


assert_type(same(3), Flow[object, int])  # E mypy: a coroutine is expected
assert_type(pure(3) >> lift(abs), Flow[object, int])


# Patterns do not see into a Result. Use `outcome.value` and `outcome.error`.
def look(outcome: Outcome[int, NoPlan, Notes]) -> None:
    match outcome.result:
        case Success(value):
            assert_type(value, int)  # E mypy: Any
        case Failure(error):
            assert_type(error, NoPlan)  # E mypy: Any
        case _:
            assert_type(outcome.state, Notes)


# A lambda under on= that cannot fail and gives something of the error: the value is Any. Name the handler.
saved = read.recover(lambda error: pure(error.path), on=NoFile)
assert_type(saved, Flow[str, bytes | str, NoFile])  # E mypy: bytes | Any

# A lambda that puts a state, after a flow that asks for none: nothing is known of the whole. Name the function.
assert_type(length.bind(lambda n: put(Notes(count=n))), Flow[str, None, Never, Notes])  # E mypy: Flow[Any, ...]

# Two inputs or two states that no value can be. No input or no state runs such a flow, and there the error is found.
gather(length, show)  # E pyright: str and int; mypy: Flow[Never, ...]
gather(plan("a"), spend(1.0))  # E pyright: Notes and Purse; mypy: Flow[..., Never]

# -- pyright ----------------------------------------------------------------------------------------------------------

# What gives its input on has no type but from what it meets, and nothing is checked there. Declare it, as below.
assert_type(upper >> identity(), Flow[str, str])  # E pyright: Any
pure(3) >> sleep(1) >> length  # E mypy: int into str
pause: Flow[str, str] = sleep(1)
assert_type(upper >> pause, Flow[str, str])

# Nor has a lambda that is made a flow by itself. Say `upper.map(lambda word: word.title())`.
assert_type(upper >> lift(lambda word: word.title()), Flow[str, str])  # E pyright: Unknown

# Two values that never come make one that is unknown.
assert_type(race(fail("a"), fail("b")), Flow[object, Never, tuple[str, str]])  # E pyright: Unknown
assert_type(branch(str.isupper, fail("a"), fail("b")), Flow[str, Never, str])  # E pyright: Unknown

# A put of another class after a flow with a state: the state is taken to be either. The run refuses it.
plan.bind(lambda n: put(Purse(n)))  # E mypy: Notes and Purse

# -- both -------------------------------------------------------------------------------------------------------------

# A lambda with no typed flow before or beside it. Name the function and annotate its parameter.
assert_type(branch(lambda n: n > 3, pure(1), pure(2)), Flow[int, int])  # E: an object
assert_type(compose(lambda n: pure(n + 1), show), Flow[int, str])  # E: not known
assert_type(modify(lambda notes: notes), Flow[object, None, Never, Notes])  # E: not known


# What an async def under @do may fail with, and its state. Use the generator form.
@do
async def block(question: str) -> int:
    return await plan(question)


assert_type(flow(block), Flow[str, int, NoPlan, Notes])  # E: object, object


# A failure that `recover(on=...)` handles stays among the errors. Recover from all of them instead.
def handled(error: NoPlan) -> Flow[object, int]:
    return pure(len(error.reason))


assert_type(plan.recover(handled, on=NoPlan), Flow[str, int, Never, Notes])  # E: NoPlan
assert_type(plan.recover(handled), Flow[str, int, Never, Notes])


# A union of two kinds of return is a value. Return one kind, with a union inside.
@step
def find(word: str) -> Result[int, NoPlan] | None:
    return Success(len(word)) if word else None


assert_type(flow(find), Flow[str, int | None, NoPlan])  # E: a Result | None
