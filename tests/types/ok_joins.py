"""Flows side by side: ``gather``, ``validate``, ``settle``, ``each`` keep every value, every error and the state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Never, assert_type

from mce import (
    Flow,
    Result,
    apply,
    as_completed,
    each,
    fail,
    filter_each,
    fold,
    gather,
    last,
    lift,
    partition,
    pure,
    quorum,
    scan,
    sequence,
    settle,
    step,
    tree_reduce,
    validate,
    zip_with,
)
from tests.types.vocabulary import (
    Memory,
    NoFile,
    NoPlan,
    Notes,
    Refused,
    answer,
    judge,
    length,
    now,
    plan,
    read,
    recall,
    upper,
)

# none to six flows, each with its own value and error

assert_type(gather(), Flow[object, tuple[()]])
assert_type(gather(plan), Flow[str, tuple[int], NoPlan, Notes])
assert_type(gather(plan, read), Flow[str, tuple[int, bytes], NoPlan | NoFile, Notes])
assert_type(gather(plan, read, upper), Flow[str, tuple[int, bytes, str], NoPlan | NoFile, Notes])
assert_type(gather(upper, read, upper, plan), Flow[str, tuple[str, bytes, str, int], NoFile | NoPlan, Notes])
assert_type(
    gather(upper, read, upper, plan, length), Flow[str, tuple[str, bytes, str, int, int], NoFile | NoPlan, Notes]
)
assert_type(
    gather(upper, read, upper, plan, length, pure(1.5)),
    Flow[str, tuple[str, bytes, str, int, int, float], NoFile | NoPlan, Notes],
)

# flows that cannot fail

assert_type(gather(upper), Flow[str, tuple[str]])
assert_type(gather(upper, length), Flow[str, tuple[str, int]])
assert_type(gather(upper, length, upper), Flow[str, tuple[str, int, str]])
assert_type(gather(upper, length, upper, length), Flow[str, tuple[str, int, str, int]])
assert_type(gather(upper, length, upper, length, upper), Flow[str, tuple[str, int, str, int, str]])
assert_type(gather(upper, length, upper, length, upper, length), Flow[str, tuple[str, int, str, int, str, int]])
assert_type(gather(pure(1), pure("a")), Flow[object, tuple[int, str]])
assert_type(gather(pure(1), pure("a"), pure(None)), Flow[object, tuple[int, str, None]])

# one that can among others that cannot, in whatever place

assert_type(gather(upper, read), Flow[str, tuple[str, bytes], NoFile])
assert_type(gather(read, upper), Flow[str, tuple[bytes, str], NoFile])
assert_type(gather(upper, upper, read), Flow[str, tuple[str, str, bytes], NoFile])
assert_type(gather(pure(1), fail("no")), Flow[object, tuple[int, Never], str])

# closed beside open, stateless beside stateful, a state beside its subclass

assert_type(gather(upper, pure(3)), Flow[str, tuple[str, int]])
assert_type(gather(now, upper), Flow[str, tuple[float, str]])
assert_type(gather(plan("a"), plan("b")), Flow[object, tuple[int, int], NoPlan, Notes])
assert_type(gather(plan("a"), read), Flow[str, tuple[int, bytes], NoPlan | NoFile, Notes])
assert_type(gather(upper, plan), Flow[str, tuple[str, int], NoPlan, Notes])
assert_type(gather(plan, upper), Flow[str, tuple[int, str], NoPlan, Notes])
assert_type(gather(plan, recall), Flow[str, tuple[int, bool], NoPlan, Notes])
assert_type(gather(recall, upper), Flow[str, tuple[bool, str], Never, Memory])

# any number of one kind

flows: Sequence[Flow[object, int, NoPlan, Notes]] = [plan(word) for word in "abc"]
assert_type(gather(*flows), Flow[object, tuple[int, ...], NoPlan, Notes])
assert_type(gather(*[length(word) for word in "abc"]), Flow[object, tuple[int, ...]])
assert_type(gather(*[upper for _ in range(9)]), Flow[str, tuple[str, ...]])
assert_type(sequence([length(word) for word in "abc"]), Flow[object, tuple[int, ...]])
assert_type(sequence(plan(word) for word in "abc"), Flow[object, tuple[int, ...], NoPlan, Notes])
assert_type(sequence([upper, upper.map(str.lower)]), Flow[str, tuple[str, ...]])
assert_type(sequence([length, plan.map(abs)]), Flow[str, tuple[int, ...], NoPlan, Notes])
assert_type(as_completed(*flows), Flow[object, tuple[int, ...], NoPlan, Notes])
assert_type(quorum(2, *flows), Flow[object, tuple[int, ...], tuple[NoPlan, ...], Notes])

# a merge of one's own


def merged(states: list[Notes]) -> Notes:
    return max(states, key=lambda notes: notes.count)


assert_type(gather(plan, plan, merge=merged), Flow[str, tuple[int, int], NoPlan, Notes])
assert_type(gather(plan, plan, merge=last), Flow[str, tuple[int, int], NoPlan, Notes])
assert_type(each(plan, merge=lambda states: states[0]), Flow[Iterable[str], tuple[int, ...], NoPlan, Notes])

# every error, or every result

assert_type(validate(plan, read), Flow[str, tuple[int, bytes], tuple[NoPlan | NoFile, ...], Notes])
assert_type(validate(upper, read, plan), Flow[str, tuple[str, bytes, int], tuple[NoFile | NoPlan, ...], Notes])
assert_type(validate(read), Flow[str, tuple[bytes], tuple[NoFile, ...]])
assert_type(validate(upper, length), Flow[str, tuple[str, int]])
assert_type(validate(upper), Flow[str, tuple[str]])
assert_type(validate(*flows), Flow[object, tuple[int, ...], tuple[NoPlan, ...], Notes])
assert_type(settle(plan, read), Flow[str, tuple[Result[int, NoPlan], Result[bytes, NoFile]], Never, Notes])
assert_type(settle(upper, plan), Flow[str, tuple[Result[str, Never], Result[int, NoPlan]], Never, Notes])
assert_type(settle(upper, length), Flow[str, tuple[Result[str, Never], Result[int, Never]]])
assert_type(settle(*flows), Flow[object, tuple[Result[int, NoPlan], ...], Never, Notes])

# functions of the values

assert_type(gather(plan, read).map(lambda both: both[1]), Flow[str, bytes, NoPlan | NoFile, Notes])


def repeat(word: str, times: int) -> list[str]:
    return [word] * times


assert_type(zip_with(repeat, upper, length), Flow[str, list[str]])
assert_type(zip_with(repeat, upper, plan), Flow[str, list[str], NoPlan, Notes])
assert_type(zip_with(lambda a, b: (a, b), read, plan), Flow[str, tuple[bytes, int], NoFile | NoPlan, Notes])
assert_type(apply(pure(len), pure("four")), Flow[object, int])
assert_type(apply(read("a").map(lambda _: str), plan("b")), Flow[object, str, NoFile | NoPlan, Notes])

# the body for every element

assert_type(each(length), Flow[Iterable[str], tuple[int, ...]])
assert_type(each(plan, limit=3), Flow[Iterable[str], tuple[int, ...], NoPlan, Notes])
assert_type(pure(["a", "b"]) >> each(plan), Flow[object, tuple[int, ...], NoPlan, Notes])
assert_type(each(plan)(["a", "b"]), Flow[object, tuple[int, ...], NoPlan, Notes])
assert_type(each(each(length)), Flow[Iterable[Iterable[str]], tuple[tuple[int, ...], ...]])
assert_type(each(judge) >> each(upper), Flow[Iterable[int], tuple[str, ...], Refused])
assert_type(partition(plan), Flow[Iterable[str], tuple[tuple[int, ...], tuple[NoPlan, ...]], Never, Notes])
assert_type(filter_each(recall), Flow[Iterable[str], tuple[str, ...], Never, Memory])


@step
async def add(pair: tuple[int, str]) -> Result[int, NoFile]:
    raise NotImplementedError(pair)


@step
async def merge_two(pair: tuple[str, str]) -> str:
    return "".join(pair)


assert_type(fold(add, 0), Flow[Iterable[str], int, NoFile])
assert_type(scan(add, 0), Flow[Iterable[str], tuple[int, ...], NoFile])
assert_type(tree_reduce(merge_two), Flow[Iterable[str], str])

# blocks whose errors cannot be told

assert_type(gather(answer, upper), Flow[str, tuple[str, str], object])
assert_type(gather(answer, answer), Flow[str, tuple[str, str], object | object])
assert_type(settle(answer, plan), Flow[str, tuple[Result[str, object], Result[int, NoPlan]], Never, Notes])
assert_type(each(answer), Flow[Iterable[str], tuple[str, ...], object])

# values with Any in them


@step
async def get_json(url: str) -> Result[dict[str, Any], NoFile]:
    raise NotImplementedError(url)


assert_type(gather(get_json, get_json), Flow[str, tuple[dict[str, Any], dict[str, Any]], NoFile])
assert_type(gather(get_json, upper), Flow[str, tuple[dict[str, Any], str], NoFile])
assert_type(get_json >> lift(len), Flow[str, int, NoFile])
