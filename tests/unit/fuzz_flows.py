# mypy: disable-error-code="empty-body"
"""Flows to be fuzzed: ``CORRECT``, in which nothing must be found, and ``BUGGY``, each with the kind of its bug."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import anyio
import anyio.lowlevel
from pydantic import BaseModel, Field
from returns.result import Failure, Result, Success

from mce import (
    Add,
    Append,
    Context,
    Flow,
    Limit,
    bracket,
    branch,
    compensate,
    do,
    each,
    ensure,
    first_success,
    gather,
    iterate,
    lift,
    limit,
    pure,
    race,
    recurs,
    settle,
    spaced,
    step,
    switch,
    validate,
)

AnyFlow = Flow[Any, Any, Any, Any]


class NoAnswer(Exception):
    pass


class Declined(Exception):
    pass


class Order(BaseModel):
    item: str = Field(min_length=1)
    count: int = Field(ge=1, le=9)


class Notes(BaseModel):
    log: Annotated[tuple[str, ...], Append()] = ()
    total: Annotated[int, Add()] = 0
    best: str = ""


# -- steps whose answers are made up -----------------------------------------------------------------------------------


@step(raises=NoAnswer, idempotent=True)
async def search(query: str) -> list[str]: ...


@step(raises=NoAnswer)
async def ask(question: str) -> str: ...


@step
async def kind(text: str) -> Literal["bill", "claim", "other"]: ...


@step(raises=Declined, idempotent=False)
async def pay(order: Order) -> str: ...


@step
async def audit(text: str) -> Result[int, str]: ...


@dataclass(frozen=True)
class Final:
    text: str


@dataclass(frozen=True)
class Tool:
    name: str


@step
async def think(question: str) -> Final | Tool: ...


# -- steps that run as they are ----------------------------------------------------------------------------------------


@step
async def note(ctx: Context[Notes], text: str) -> str:
    ctx.update(log=(*ctx.state.log, text), total=ctx.state.total + 1)
    await anyio.sleep(1)
    return text


@step(pure=True)
def shorten(text: str) -> str:
    return text[:10]


LEDGER: dict[str, int] = {}
HELD: set[str] = set()
SEATS: dict[str, str] = {}
ROOMS: dict[str, str] = {}
LOCK = anyio.Lock()
COUNTER = {"n": 0}


@step(raises=ConnectionError)
async def credit(ctx: Context[Any], amount: int) -> int:
    LEDGER[ctx.idempotency_key] = amount
    await anyio.sleep(0.1)
    return amount


@step
async def hold(name: str) -> str:
    HELD.add(name)
    return name


@step
async def drop(name: str) -> None:
    HELD.discard(name)


@step
async def book_seat(name: str) -> str:
    SEATS[name] = "seat"
    return name


@step
async def free_seat(name: str) -> None:
    SEATS.pop(name, None)


@step
async def book_room(name: str) -> str:
    ROOMS[name] = "room"
    return name


@step
async def free_room(name: str) -> None:
    ROOMS.pop(name, None)


@step(raises=Declined)
async def settle_bill(name: str) -> str: ...


@step
async def count_up(n: int) -> int:
    async with LOCK:
        before = COUNTER["n"]
        await anyio.lowlevel.checkpoint()
        COUNTER["n"] = before + 1
    return n


@step(limit=Limit("model", 2))
async def embed(text: str) -> list[float]: ...


@step(timeout=5, raises=NoAnswer)
async def quick(text: str) -> str: ...


@step
async def classified(text: str) -> str:
    return "question" if text.endswith("?") else "statement"


@step
async def looped(n: int) -> int:
    await anyio.sleep(0.01)
    return n + 1


@do
async def talk(question: str) -> str:
    found = await search(question)
    try:
        return await ask(" ".join(found))
    except NoAnswer:
        return "nobody knows"


@do
def typed(question: str) -> Generator[Any, Any, str]:
    answer: Final | Tool = yield from think(question)
    match answer:
        case Final(text):
            return text
        case Tool(name):
            found: str = yield from ask(name)
            return found


DB, API = Limit("db", 1), Limit("api", 1)


@step
async def query(text: str) -> str:
    await anyio.sleep(1)
    return text


@step
async def listen(port: str) -> str:
    one, other = socket.socketpair()
    try:
        await anyio.sleep(1)
        return port
    finally:
        one.close()
        other.close()


@step
async def together(n: int) -> int:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 1)
        group.start_soon(anyio.sleep, 2)
    return n


@step
async def checked(order: Order) -> Result[Order, str]:
    return Success(order) if order.count < 5 else Failure("too many")


def is_short(text: str) -> bool:
    return len(text) < 3


CORRECT: dict[str, AnyFlow] = {
    "a retry of an idempotent step": search.retry(spaced(1) & recurs(3), on=NoAnswer),
    "a gather with reducers": gather(note("a"), note("b"), note("c")),
    "a saga with undos": compensate((book_seat, free_seat), (book_room, free_room), settle_bill),
    "limits in one order": gather(limit(limit(query("a"), API), DB), limit(limit(query("b"), API), DB)),
    "a bracket": bracket(hold, lambda name: ask(name), drop),
    "a timeout with a fallback": ask.timeout(10).or_else(pure("too late")),
    "a block that catches": talk,
    "a loop with a bound": iterate(looped, until=lambda n: n > 5, at_most=2_000),
    "a credit with a key, retried": credit.retry(recurs(2), on=ConnectionError),
    "a choice over a literal": kind >> switch(str, {"bill": ask, "claim": ask, "other": lift(str.upper)}),
    "a union that is handled": typed,
    "each with a limit": each(embed, limit=3),
    "a race of idempotent steps": race(search, search),
    "a lock around a counter": gather(count_up(1), count_up(2)),
    "a payment outside of the retry": pay >> search.retry(recurs(2)),
    "settled failures": settle(search, search).map(len),
    "validation": validate(audit, audit),
    "a branch": branch(is_short, ask, search.map(" ".join)),
    "sockets that are closed": listen.timeout(0.5),
    "tasks that are awaited": gather(together(1), together(2)),
    "a result that is passed on": checked.map(lambda order: order.item),
    "a step with a timeout": quick.recover(lambda _: pure("")),
    "an ensure": ensure(search("x"), note("done")),
    "first of several": first_success(ask, ask).map(len),
}


# -- buggy -------------------------------------------------------------------------------------------------------------

STOCK = {"left": 10}
CHARGED: list[int] = []
FIRST: list[str] = []
POOL: list[str] = ["connection"]
SOCKETS: list[socket.socket] = []
TASKS: set[asyncio.Task[None]] = set()


@step
async def take(n: int) -> int:
    left = STOCK["left"]
    await anyio.lowlevel.checkpoint()
    STOCK["left"] = left - n
    return n


@step
async def charge(amount: int) -> int:
    CHARGED.append(amount)
    return amount


@step(raises=NoAnswer)
async def post(amount: int) -> str: ...


@step(idempotent=False)
async def send(text: str) -> str: ...


@step
async def choose(ctx: Context[Notes], name: str) -> str:
    await anyio.sleep(1)
    ctx.update(best=name)
    return name


@step
async def socket_open(text: str) -> str:
    one, other = socket.socketpair()
    await anyio.sleep(1)
    one.close()
    other.close()
    return text


@step
async def background(text: str) -> str:
    task = asyncio.create_task(asyncio.sleep(3600))
    TASKS.add(task)
    return text


@step
async def acquire_connection(text: str) -> str:
    return POOL.pop()


@step
async def release_connection(name: str) -> str:
    POOL.append(name)
    return name


@step(raises=NoAnswer)
async def use(name: str) -> str: ...


@step
async def hotel(name: str) -> str:
    return f"a room in {name}"


@step
async def enrol(name: str) -> str:
    await anyio.lowlevel.checkpoint()
    if not FIRST:
        FIRST.append(name)
    return FIRST[0]


@step
async def give_up(n: int) -> int:
    while True:
        await anyio.lowlevel.checkpoint()


@step
async def close(name: str) -> None:
    raise OSError("already closed")


@step(raises=Declined)
async def decline(name: str) -> str: ...


@step(raises=NoAnswer)
async def tidy(name: str) -> None: ...


@do
async def finally_fails(name: str) -> str:
    try:
        return await decline(name)
    finally:
        await tidy(name)


@step
async def divide(n: int) -> float:
    return 1 / n


@do
async def swallows(n: int) -> float:
    try:
        return await divide(n)
    except Exception:
        return 0.0


@step
async def respond(answer: Literal["yes", "no", "maybe"]) -> str:
    match answer:
        case "yes":
            return "good"
        case "no":
            return "bad"
    return None  # type: ignore[return-value]


@step
async def write_best(ctx: Context[Notes], name: str) -> str:
    ctx.update(best=name)
    return name


BUGGY: dict[str, tuple[str, AnyFlow]] = {
    "a race on shared data": ("order", gather(take(1), take(2))),
    "a charge under a retry": ("retry", (charge >> post).retry(recurs(2), on=NoAnswer)),
    "a step declared not idempotent under a retry": ("retry", (send >> ask).retry(recurs(2))),
    "a lost update": ("lost update", gather(choose("a"), choose("b"), merge=lambda states: states[-1])),
    "a state conflict": ("state conflict", gather(write_best("a"), write_best("b"))),
    "a socket left by a timeout": ("leak", socket_open.timeout(0.5).or_else(pure(""))),
    "a task left": ("leak", background("x")),
    "a connection not given back": ("leak", acquire_connection >> use >> release_connection),
    "a case that is missing": ("unhandled case", kind >> switch(str, {"bill": ask, "claim": ask})),
    "a match that is not complete": ("unhandled case", respond),
    "limits in two orders": (
        "deadlock",
        gather(limit(query("a") >> limit(query, API), DB), limit(query("b") >> limit(query, DB), API)),
    ),
    "a release that fails": ("hidden failure", bracket(pure("door"), decline, close)),
    "a finally that fails": ("hidden failure", finally_fails),
    "an except that swallows": ("hidden failure", swallows),
    "a saga without an undo": ("missing undo", compensate((book_seat, free_seat), hotel, settle_bill)),
    "the first one wins": ("order", gather(enrol("a"), enrol("b"))),
    "a loop without an end": ("endless loop", iterate(ask >> lift(str.upper), until=lambda _: False)),
    "a step that never ends": ("hang", give_up(1)),
    "a division by zero": ("defect", divide),
}
