"""The words that the programs of this folder are made of: states, errors and steps."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from mce import Context, Failure, Flow, Op, Result, Success, do, step

I = TypeVar("I", contravariant=True)  # noqa: E741
A = TypeVar("A", covariant=True)
E = TypeVar("E", covariant=True)
S = TypeVar("S", contravariant=True)


def flow(of: Flow[I, A, E, S]) -> Flow[I, A, E, S]:
    """Give ``of`` itself: of a step, whose type tells its whole signature, what chains."""
    return of


@dataclass(frozen=True)
class Memory:
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Notes(Memory):
    count: int = 0


@dataclass(frozen=True)
class Purse:
    money: float = 0.0


class NoPlan(Exception):
    reason = "no plan"


class NoFile(Exception):
    path = "no/file"


@dataclass(frozen=True)
class Refused:
    """An error that is no exception."""

    why: str


@step
async def length(word: str) -> int:
    return len(word)


@step
def upper(word: str) -> str:
    return word.upper()


@step(pure=True)
def show(number: int) -> str:
    return str(number)


@step
async def plan(ctx: Context[Notes], question: str) -> Result[int, NoPlan]:
    ctx.update(count=ctx.state.count + 1)
    return Success(len(question)) if question else Failure(NoPlan())


@step
def read(path: str, *, encoding: str = "utf-8") -> Result[bytes, NoFile]:
    return Success(path.encode(encoding))


@step
async def judge(number: int) -> Result[str, Refused]:
    return Failure(Refused("too many")) if number > 9 else Success("fine")


@step
async def spend(ctx: Context[Purse], money: float) -> float:
    return ctx.state.money - money


@step
def recall(ctx: Context[Memory], word: str) -> bool:
    return word in ctx.state.facts


@step
def area(width: int, height: int) -> int:
    return width * height


@step
def now() -> float:
    return 0.0


@step
def log(line: str) -> None:
    print(line)


@do
async def answer(question: str) -> str:
    """A block that cannot tell its error."""
    return str(await plan(question))


@do
def typed_answer(question: str) -> Generator[Op[NoPlan | NoFile, Notes], Any, bytes]:
    """A block that tells its error and state."""
    number = yield from plan(question)
    return (yield from read(str(number)))
