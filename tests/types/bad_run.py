"""Runs without the input or the state that the flow needs, and outcomes taken for what they are not."""

from __future__ import annotations

from mce import Outcome, gather, pure
from tests.types.vocabulary import (
    Memory,
    NoFile,
    NoPlan,
    Notes,
    Purse,
    answer,
    area,
    length,
    now,
    plan,
    read,
    recall,
    spend,
)

# the input

length.run_sync()  # E: the input is missing
length.run_sync(4)  # E: int for str
length.run_sync(None)  # E: None for str
plan.run_sync(state=Notes())  # E: the input is missing
plan.run_sync(3, state=Notes())  # E: int for str
(length >> pure(3)).run_sync()  # E: the input is missing
gather(length, pure(3)).run_sync()  # E: the input is missing
area.run_sync(3)  # E: a step of two parameters is called with them
area.run_sync((3, 4))  # E: a step of two parameters is called with them
length.run_sync("four", "five")  # E: one too many
answer.run_sync()  # E: the input is missing

# the state

plan.run_sync("why?")  # E: the state is missing
plan("why?").run_sync()  # E: the state is missing
plan("why?").run_sync(state=Purse())  # E: Purse for Notes
plan("why?").run_sync(state=Memory())  # E: Memory is less than Notes
plan("why?").run_sync(state=None)  # E: None for Notes
plan("why?").run_sync(state=Notes)  # E: the class
(length >> pure("why?") >> plan).run_sync("four")  # E: the state is missing
recall("fact").run_sync(state=Purse())  # E: Purse for Memory
spend.run_sync(1.0)  # E: the state is missing
plan("why?").stream()  # E: the state is missing
plan.stream("why?", state=Purse())  # E: Purse for Notes
length.start()  # E: the input is missing
plan.start("why?")  # E: the state is missing

# the options

now.run_sync(trace="yes")  # E: no truth value
now.run_sync(backend="dask")  # E: no backend
now.run_sync(sate=Notes())  # E: no such option
now.run_sync(run_id=3)  # E: no text


async def in_a_loop() -> None:
    await length.run()  # E: the input is missing
    await plan("why?").run()  # E: the state is missing
    await plan.run("why?", state=Purse())  # E: Purse for Notes
    for _ in plan.stream("why?", state=Notes()):  # E: asynchronous
        pass


# outcomes

missing: Outcome[int, NoFile, None] = read.run_sync("a")  # E: bytes
unlike: Outcome[int, NoFile, Notes] = plan.run_sync("why?", state=Notes())  # E: NoPlan
elsewhere: Outcome[int, NoPlan, Purse] = plan.run_sync("why?", state=Notes())  # E: Notes
word: str = length.run_sync("four").value  # E: int
error: NoFile | None = plan.run_sync("why?", state=Notes()).error  # E: NoPlan
reason = plan.run_sync("why?", state=Notes()).error.reason  # E: perhaps None
money = plan.run_sync("why?", state=Notes()).state.money  # E: Notes
length.run_sync("four").value = 3  # E: outcomes are immutable
