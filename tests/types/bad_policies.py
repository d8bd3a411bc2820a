"""Policies of things that they do not fit, batches and sagas whose parts do not meet."""

from __future__ import annotations

from mce import (
    CircuitBreaker,
    Limit,
    RateLimit,
    batched,
    budget,
    cached,
    circuit_breaker,
    compensate,
    limit,
    rate_limit,
    speculate,
    step,
)
from tests.types.vocabulary import Notes, Purse, area, judge, length, log, plan, read, show, spend, upper

limit(length, 4)  # E: no Limit
limit(length, RateLimit("db", 4, 1))  # E: a rate
limit(len, Limit("db", 4))  # E: no flow
rate_limit(length, Limit("db", 4))  # E: a limit
circuit_breaker(length, Limit("db", 4))  # E: a limit
circuit_breaker(plan, CircuitBreaker("db", 4, 1)).run_sync("a")  # E: no state
RateLimit("db", 4)  # E: per how many seconds
budget(length, steps="many")  # E: no number
budget(length, 3)  # E: of what
cached(length, key=len, store="values")  # E: no store
cached(length, key=abs)  # E: float of str
cached(judge)("a")  # E: str into int
step(cache=3)(print)  # E: no cache
step(limit=3)(print)  # E: no limit


async def one(key: int) -> str:
    return ""


async def nothing(keys: list[int]) -> None: ...


async def values(keys: list[int]) -> list[str]:
    return []


batched(one)  # E: one input
batched(nothing)  # E: gives no values
batched(values)("a")  # E: str into int
length >> batched(values) >> length >> upper  # E: int into str
batched(values, max_size="all")  # E: no number

compensate()  # E: no stage
compensate(length, length)  # E: int into str
compensate((length, log), show)  # E: undoes a str
compensate((length, print), show)  # E: makes no flow
compensate((read, lambda text: plan(text)), log)  # E: bytes into str
compensate(length, show).run_sync(3)  # E: int into str
compensate(plan, area)  # E: takes two
compensate(plan, show).run_sync("a", state=Purse())  # E: another state

speculate(length, upper, upper)  # E: no bool
speculate(str.isalpha, upper, upper)  # E: no flow
speculate(plan, upper, spend).run_sync("a", state=Notes())  # E: int is no bool
