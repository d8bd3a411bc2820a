"""Policies: the failures they add, the steps that batches are, sagas and speculation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Never, assert_type

from mce import (
    BudgetExceeded,
    Cache,
    CircuitBreaker,
    CircuitOpen,
    Context,
    FileStore,
    Flow,
    Limit,
    MemoryStore,
    RateLimit,
    Result,
    Step,
    Store,
    batched,
    budget,
    cached,
    circuit_breaker,
    compensate,
    fail,
    lift,
    limit,
    pure,
    rate_limit,
    speculate,
    step,
)
from tests.types.vocabulary import NoFile, NoPlan, Notes, Refused, area, judge, length, plan, read, show, upper

# policies add their own failure, and nothing else

assert_type(limit(length, Limit("db", 4)), Flow[str, int])
assert_type(limit(plan, Limit("db", 4)), Flow[str, int, NoPlan, Notes])
assert_type(rate_limit(plan("a"), RateLimit("api", 10, 60)), Flow[object, int, NoPlan, Notes])
assert_type(circuit_breaker(length, CircuitBreaker("search", 5, 30)), Flow[str, int, CircuitOpen])
assert_type(circuit_breaker(plan, CircuitBreaker("search", 5, 30)), Flow[str, int, NoPlan | CircuitOpen, Notes])
assert_type(budget(length, steps=3), Flow[str, int, BudgetExceeded])
assert_type(budget(plan, seconds=3, cost=0.5), Flow[str, int, NoPlan | BudgetExceeded, Notes])
assert_type(budget(length, steps=3).recover(lambda error: pure(error.what)), Flow[str, int | str])
assert_type(cached(length, key=str.lower, ttl=60), Flow[str, int])
assert_type(cached(judge, store=FileStore("values")), Flow[int, str, Refused])
assert_type(cached(area(3, 4), store=MemoryStore(), name="area", returns=int), Flow[object, int])

store: Store = FileStore("values")


@step(cache=Cache(store=store, ttl=60), limit=Limit("db", 4))
async def fetch(path: str) -> bytes:
    return path.encode()


@step(cache=True, raises=OSError)
async def look(path: str) -> bytes:
    return path.encode()


assert_type(fetch("a"), Flow[object, bytes])
assert_type(look("a"), Flow[object, bytes, OSError])

# a batch is a step of one input; its values, their errors and its exceptions are its own


async def values(keys: list[int]) -> list[str]:
    return []


def plain_values(keys: list[int]) -> Mapping[int, str]:
    return {}


async def with_context(ctx: Context[Any], keys: list[int]) -> tuple[str, ...]:
    return ()


async def results(keys: list[int]) -> list[Result[str, NoFile]]:
    return []


async def results_by_key(keys: list[int]) -> dict[int, Result[str, NoFile]]:
    return {}


async def all_or_nothing(keys: list[int]) -> Result[list[str], Refused]:
    raise NotImplementedError


assert_type(batched(values), Step[[int], int, str, Never, object])
assert_type(batched(values)(3), Flow[object, str])
assert_type(show >> length >> batched(plain_values, max_size=3), Flow[int, str])
assert_type(batched(with_context, max_wait=0.1), Step[[int], int, str, Never, object])
assert_type(batched(results), Step[[int], int, str, NoFile, object])
assert_type(batched(results_by_key, raises=OSError), Step[[int], int, str, NoFile | OSError, object])
assert_type(batched(all_or_nothing, key=lambda n: n), Step[[int], int, str, Refused, object])

# a saga has the type of the sequence; what an undo fails with is only told


@step
async def book(room: str) -> Result[int, NoFile]:
    raise NotImplementedError


@step
async def cancel(booking: int) -> Result[None, Refused]:
    raise NotImplementedError


assert_type(compensate(upper, length, show), Flow[str, str])
assert_type(compensate((book, cancel), show), Flow[str, str, NoFile])
assert_type(compensate((book, cancel), judge), Flow[str, str, NoFile | Refused])
assert_type(compensate((book, lambda n: cancel(n)), show, (plan, show)), Flow[str, int, NoFile | NoPlan, Notes])
assert_type(compensate((book("a"), cancel), fail("no")), Flow[object, Never, NoFile | str])
assert_type(compensate(upper, (read, lift(len)), lift(bytes.decode), length), Flow[str, int, NoFile])

# speculation has the type of ``branch``


@step(idempotent=True)
async def recall(word: str) -> Result[int, NoFile]:
    raise NotImplementedError


@step(idempotent=True)
async def guess(word: str) -> Result[float, NoPlan]:
    raise NotImplementedError


@step
async def known(word: str) -> Result[bool, Refused]:
    raise NotImplementedError


assert_type(speculate(lift(str.isalpha), lift(len), pure(3)), Flow[str, int])
assert_type(speculate(known, recall, guess), Flow[str, int | float, NoFile | NoPlan | Refused])
assert_type(speculate(lift(str.isalpha), pure("a"), guess), Flow[str, str | float, NoPlan])
