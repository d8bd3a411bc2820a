"""Blocks that await, declare or give what they should not."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from mce import Flow, Op, do
from tests.types.vocabulary import NoFile, NoPlan, Notes, Purse, answer, flow, length, plan, read, typed_answer, upper


@do
async def careless(question: str) -> int:
    await upper  # E: its input is missing
    await len(question)  # E: no flow
    word: str = await length(question)  # E: int
    return await upper(word)  # E: str


careless(3)  # E: int for str
careless()  # E: the question is missing


@do
def undeclared(question: str) -> Generator[Op[NoFile, Notes], Any, int]:
    return (yield from plan(question))  # E: NoPlan


@do
def stateless(question: str) -> Generator[Op[NoPlan], Any, int]:
    return (yield from plan(question))  # E: Notes


@do
def other_state(question: str) -> Generator[Op[NoPlan, Purse], Any, int]:
    return (yield from plan(question))  # E: Notes


@do
def open_flow(question: str) -> Generator[Op[NoFile], Any, bytes]:
    print(question)
    return (yield from read)  # E: its input is missing


@do
def other_value(question: str) -> Generator[Op[NoFile], Any, int]:
    return (yield from read(question))  # E: bytes


# what is no block


@do  # E: neither async nor a generator
def plain(word: str) -> int:
    return len(word)


do(3)  # E: no function

# a block in a composition

answer >> length >> length  # E: int into str
typed_answer >> length  # E: bytes into str
typed_answer.run_sync("why?")  # E: the state is missing
typed_answer.run_sync("why?", state=Purse())  # E: Purse for Notes
sure: Flow[str, str] = flow(answer)  # E: whatever the block fails with
