"""Direct style: what an ``await`` and a ``yield from`` give, and what the block is as a flow."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Any, Never, assert_type

from returns.result import Result

from mce import Flow, Op, do, each, fail, gather, get, pure, put, settle
from tests.types.vocabulary import (
    NoFile,
    NoPlan,
    Notes,
    Purse,
    answer,
    area,
    flow,
    length,
    now,
    plan,
    read,
    typed_answer,
    upper,
)

# an async def: every await is typed, the error of the block is not known, and neither is its state


@asynccontextmanager
async def opened(path: str) -> AsyncGenerator[str, None]:
    yield path


@do
async def research(question: str, *, times: int = 1) -> bytes:
    number = await plan(question)
    assert_type(number, int)
    both = await gather(length(question), read(question))
    assert_type(both, tuple[int, bytes])
    every = await each(upper)([question] * times)
    assert_type(every, tuple[str, ...])
    results = await settle(plan(question), now)
    assert_type(results, tuple[Result[int, NoPlan], Result[float, Never]])
    assert_type(await area(3, 4), int)
    assert_type(await pure(None), None)
    await put(Notes())
    async with opened(question) as path:
        try:
            return await read(path)
        except NoFile as error:
            return error.path.encode()


@do
async def tick() -> float:
    return await now


@do
async def wide(width: int, height: int) -> int:
    return await area(width, height)


assert_type(flow(research), Flow[str, bytes, object])
assert_type(research("why?", times=3), Flow[object, bytes, object])
assert_type(flow(tick), Flow[object, float, object])
assert_type(tick(), Flow[object, float, object])
assert_type(flow(wide), Flow[Never, int, object])
assert_type(wide(3, height=4), Flow[object, int, object])

# a block is a flow like any other

assert_type(upper >> research, Flow[str, bytes, object])
assert_type(research.map(len), Flow[str, int, object])
assert_type(upper.bind(answer), Flow[str, str, object])
assert_type(upper.bind(lambda word: research(word, times=2)), Flow[str, bytes, object])
assert_type(answer.bind(length), Flow[str, int, object])
assert_type(gather(answer, research), Flow[str, tuple[str, bytes], object | object])
assert_type(answer.recover(lambda error: pure(repr(error))), Flow[str, str])
assert_type(answer("why?").run_sync(state=Notes()).state, Notes)

# a generator: it says which errors and which state, and is held to it


@do
def find(question: str) -> Generator[Op[NoPlan | NoFile, Notes], Any, bytes]:
    number = yield from plan(question)
    assert_type(number, int)
    word = yield from upper(str(number))
    assert_type(word, str)
    both = yield from gather(length(word), read(word))
    assert_type(both, tuple[int, bytes])
    yield from put(Notes(count=both[0]))
    return both[1]


@do
def give_up() -> Generator[Op[str], Any, int]:
    return (yield from fail("no"))


@do
def sure(word: str) -> Generator[Op, Any, int]:
    return (yield from length(word))


@do
def between(low: int, high: int = 9, *, purse: bool = False) -> Generator[Op[Never, Purse], Any, float]:
    yield from put(Purse(low))
    return (yield from pure(high / low if purse else 0.0))


@do
def counted(low: int, high: int) -> Generator[Op[Never, Notes], Any, int]:
    found = yield from get()
    return low + high + len(repr(found))


assert_type(flow(find), Flow[str, bytes, NoPlan | NoFile, Notes])
assert_type(find("why?"), Flow[object, bytes, NoPlan | NoFile, Notes])
assert_type(flow(typed_answer), Flow[str, bytes, NoPlan | NoFile, Notes])
assert_type(flow(give_up), Flow[object, int, str])
assert_type(flow(sure), Flow[str, int])
assert_type(flow(between), Flow[int, float, Never, Purse])
assert_type(between(1, purse=True), Flow[object, float, Never, Purse])
assert_type(flow(counted), Flow[Never, int, Never, Notes])
assert_type(counted(1, high=2), Flow[object, int, Never, Notes])
assert_type(upper >> find, Flow[str, bytes, NoPlan | NoFile, Notes])
assert_type(find.recover(lambda error: pure(str(error))), Flow[str, bytes | str, Never, Notes])
