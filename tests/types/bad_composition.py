"""Compositions whose types do not meet: each marked line is an error for both checkers, and no other line is."""

from __future__ import annotations

from typing import Never

from mce import (
    Flow,
    apply,
    as_,
    bimap,
    bind,
    compose,
    fail,
    join,
    lift,
    map,
    map_error,
    pure,
    step,
    tap,
    then,
)
from tests.types.vocabulary import (
    Memory,
    NoFile,
    NoPlan,
    Notes,
    Purse,
    answer,
    area,
    judge,
    length,
    log,
    now,
    plan,
    read,
    show,
    spend,
    upper,
)

# a value of one type into an input of another

length >> length  # E: int into str
upper >> show  # E: str into int
pure(3) >> length  # E: int into str
length("four") >> upper  # E: int into str
log >> upper  # E: None into str
now >> show  # E: float into int
upper >> length >> upper  # E: int into str
plan >> read  # E: int into str
upper >> length.map(str) >> show  # E: str into int
then(length, length)  # E: int into str
compose(length, length)  # E: int into str
pure(None) >> length  # E: None into str
answer >> show  # E: str into int

# two states that have nothing to do with each other


@step
def earn(number: int) -> Flow[object, float, NoPlan, Purse]:
    raise NotImplementedError(number)


plan >> earn  # E: Notes and Purse
pure(1.5) >> spend >> lift(str) >> plan  # E: Purse and Notes
plan.bind(earn)  # E: Notes and Purse
plan.bind(lambda n: earn(n))  # E: Notes and Purse
bind(plan, earn)  # E: Notes and Purse
then(plan, earn).run_sync("why?", state=Notes())  # E: Notes and Purse

# a step that takes several arguments has no one input

pure(3) >> area  # E: two parameters
length >> area  # E: two parameters
length.bind(area)  # E: two parameters

# what is no flow

length >> str  # E: a function
length >> 3  # E: a number
length.bind(str)  # E: gives no flow
length.bind(lambda n: n + 1)  # E: gives no flow
length.bind(3)  # E: no function
bind(length, str)  # E: gives no flow
join(length)  # E: the value is no flow
compose(str, length)  # E: gives no flow
map(str, str)  # E: no flow

# a function, a continuation or a value for another type


def double(number: int) -> int:
    return 2 * number


def needs_word(word: str) -> Flow[object, int]:
    return length(word)


upper.map(double)  # E: int of a str
upper.map(lambda word: word.count)  # a method is a value
upper.map(lambda word: word.cuont)  # E: no such method
length.map(3)  # E: no function
length.bind(needs_word)  # E: str of an int
length.bind(length)  # E: str of an int
length.bind(lambda n: length(n))  # E: str of an int
bind(length, needs_word)  # E: str of an int
map(upper, double)  # E: int of a str
tap(upper, double)  # E: int of a str
upper >> lift(double)  # E: int of a str
map_error(plan, double)  # E: int of a NoPlan
bimap(plan, double, str)  # E: int of a NoPlan
bimap(plan, str, needs_word)  # E: str of an int
apply(pure(double), pure("four"))  # E: int of a str
apply(pure(3), pure("four"))  # E: no function

# a flow that needs an input where a closed one is needed


def make(number: int) -> Flow[str, int]:
    return length if number else upper.map(len)


length.bind(make)  # E: not closed
length.bind(lambda n: plan)  # E: not closed
join(pure(length))  # E: not closed

# a flow that was declared to fail, give or ask for less than it does

sure: Flow[str, int, Never, Notes] = plan  # E: NoPlan
stateless: Flow[str, int, NoPlan] = plan  # E: Notes
general: Flow[str, int, NoPlan, Memory] = plan  # E: Notes, which is more than Memory
words: Flow[str, str, NoPlan, Notes] = plan  # E: int
numbers: Flow[int, int, NoPlan, Notes] = plan  # E: str
closed: Flow[None, int] = length  # E: str
files: Flow[object, int, NoFile] = fail(NoPlan())  # E: NoPlan
as_word: Flow[str, str] = as_(length, 3)  # E: int
unsure: Flow[str, str, NoPlan] = answer  # E: whatever the block fails with
judged: Flow[int, str, str] = judge  # E: Refused
