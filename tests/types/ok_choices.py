"""Selective functors and loops: the errors and states of every case, and of a loop the input that is its output."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal, Never, assert_type

from mce import (
    Again,
    Done,
    Flow,
    LoopLimit,
    Result,
    branch,
    fail,
    forever_until,
    iterate,
    pure,
    step,
    switch,
    tail_rec,
    unless,
    when,
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
    show,
    upper,
)


def is_long(word: str) -> bool:
    return len(word) > 9


# both branches: values and errors are joined, the input is the predicate's and the branches'

assert_type(branch(is_long, upper, upper), Flow[str, str])
assert_type(branch(is_long, upper, length), Flow[str, str | int])
assert_type(branch(is_long, upper, read), Flow[str, str | bytes, NoFile])
assert_type(branch(is_long, read, upper), Flow[str, bytes | str, NoFile])
assert_type(branch(is_long, plan, read), Flow[str, int | bytes, NoPlan | NoFile, Notes])
assert_type(branch(is_long, upper, plan), Flow[str, str | int, NoPlan, Notes])
assert_type(branch(is_long, plan, recall), Flow[str, int | bool, NoPlan, Notes])
assert_type(branch(lambda word: len(word) > 9, length, plan), Flow[str, int, NoPlan, Notes])
assert_type(branch(lambda number: number > 9, judge, show), Flow[int, str, Refused])
assert_type(pure("four") >> branch(is_long, length, plan), Flow[object, int, NoPlan, Notes])

# closed branches: the input is the predicate's

assert_type(branch(is_long, pure(1), pure("a")), Flow[str, int | str])
assert_type(branch(is_long, fail("long"), pure(3)), Flow[str, int, str])
assert_type(branch(is_long, pure(3), fail("short")), Flow[str, int, str])
assert_type(branch(is_long, fail("long"), length), Flow[str, int, str])
assert_type(branch(is_long, plan("a"), now), Flow[str, int | float, NoPlan, Notes])
assert_type(branch(lambda word: word == "four", pure(1), pure("a")), Flow[object, int | str])
assert_type(pure("four") >> branch(lambda word: word == "four", pure(1), fail("a")), Flow[object, int, str])

# one or nothing

assert_type(when(is_long, upper), Flow[str, str | None])
assert_type(when(is_long, plan), Flow[str, int | None, NoPlan, Notes])
assert_type(when(lambda word: len(word) > 9, plan), Flow[str, int | None, NoPlan, Notes])
assert_type(when(is_long, fail("long")), Flow[str, None, str])
assert_type(unless(is_long, plan), Flow[str, int | None, NoPlan, Notes])
assert_type(unless(is_long, pure(3)), Flow[str, int | None])

# one of several: an enum, a literal, a value


class Kind(Enum):
    QUESTION = "question"
    FILE = "file"


def kind_of(word: str) -> Kind:
    return Kind.QUESTION if word.endswith("?") else Kind.FILE


def size_of(word: str) -> Literal["small", "large"]:
    return "large" if is_long(word) else "small"


assert_type(switch(kind_of, {Kind.QUESTION: upper, Kind.FILE: upper}), Flow[str, str])
assert_type(switch(size_of, {"small": plan, "large": plan}), Flow[str, int, NoPlan, Notes])
assert_type(switch(len, {1: upper, 2: upper}, default=upper), Flow[str, str])
assert_type(switch(lambda word: len(word), {1: upper, 2: upper}), Flow[str, str])
assert_type(pure("why?") >> switch(kind_of, {Kind.QUESTION: length, Kind.FILE: length}), Flow[object, int])

# different steps of one output, with different states, and an error of one of them

assert_type(switch(kind_of, {Kind.QUESTION: plan, Kind.FILE: length}), Flow[str, int, NoPlan, Notes])
assert_type(switch(size_of, {"small": length, "large": plan.map(abs)}), Flow[str, int, NoPlan, Notes])
assert_type(switch(kind_of, {Kind.QUESTION: upper}, default=read.map(str)), Flow[str, str, NoFile])
assert_type(switch(size_of, {"small": length, "large": pure(0)}, default=plan), Flow[str, int, NoPlan, Notes])

# closed cases: the input is the selector's

assert_type(switch(kind_of, {Kind.QUESTION: pure("?"), Kind.FILE: pure("!")}), Flow[str, str])
assert_type(switch(size_of, {"small": plan("a"), "large": plan("b")}), Flow[str, int, NoPlan, Notes])

# cases that were declared keep what they were declared to be, in whatever mixture

cases: dict[Kind, Flow[str, int | bytes, NoPlan | NoFile, Notes]] = {Kind.QUESTION: plan, Kind.FILE: read}
assert_type(switch(kind_of, cases), Flow[str, int | bytes, NoPlan | NoFile, Notes])
assert_type(switch(kind_of, cases, default=read), Flow[str, int | bytes, NoPlan | NoFile, Notes])

# loops: a bound on the turns is one more way to fail


@step
async def improve(draft: str) -> Result[str, Refused]:
    raise NotImplementedError(draft)


assert_type(iterate(improve, until=is_long), Flow[str, str, Refused])
assert_type(iterate(improve, until=lambda draft: len(draft) > 9), Flow[str, str, Refused])
assert_type(iterate(improve, is_long, at_most=5), Flow[str, str, Refused | LoopLimit])
assert_type(iterate(upper, until=is_long), Flow[str, str])
assert_type(iterate(upper, until=is_long, at_most=5), Flow[str, str, LoopLimit])
assert_type(iterate(plan >> show, until=is_long), Flow[str, str, NoPlan, Notes])
assert_type(pure("draft") >> iterate(improve, until=is_long), Flow[object, str, Refused])
assert_type(iterate(answer, until=is_long), Flow[str, str, object])
assert_type(forever_until(plan("a"), until=lambda n: n > 3), Flow[object, int, NoPlan, Notes])
assert_type(forever_until(now, until=lambda t: t > 3, at_most=9), Flow[object, float, LoopLimit])


@step
def count_down(number: int) -> Again | Done:
    return Done("ready") if number == 0 else Again(number - 1)


assert_type(tail_rec(count_down), Flow[int, Any])
assert_type(tail_rec(count_down, at_most=9), Flow[int, Any, LoopLimit])

# a choice whose branch is a state's

assert_type(branch(is_long, recall, plan.map(bool)), Flow[str, bool, NoPlan, Notes])
assert_type(when(is_long, recall), Flow[str, bool | None, Never, Memory])
