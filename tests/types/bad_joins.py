"""Flows that cannot stand side by side, and choices and loops that do not fit together."""

from __future__ import annotations

from enum import Enum

from mce import (
    Flow,
    branch,
    each,
    fold,
    forever_until,
    gather,
    iterate,
    lift,
    pure,
    settle,
    step,
    switch,
    validate,
    when,
    zip_with,
)
from tests.types.vocabulary import NoFile, Notes, Purse, judge, length, now, plan, read, show, spend, upper

# different inputs, different states

gather(length, show)("four")  # E: str and int
gather(length, upper, show).run_sync("four")  # E: str and int
validate(length, show)("four")  # E: str and int
settle(length, show)("four")  # E: str and int
gather(plan("a"), spend(1.0)).run_sync(state=Notes())  # E: Notes and Purse
gather(plan("a"), spend(1.0)).run_sync(state=Purse())  # E: Notes and Purse
gather(length, len)  # E: a function
gather([length, length])  # E: a list
gather(length, merge=3)  # E: no function
gather(length, limit=3)  # E: no such option

# the values of a join into what takes others

gather(length, upper) >> length  # E: a tuple into str
gather(length, upper).map(lambda both: both[2])  # E: there are two
gather(length, upper).map(lambda both: both[1].bit_length())  # E: a str
words: Flow[str, tuple[str, str]] = gather(length, upper)  # E: int and str
sure: Flow[str, tuple[int, bytes], NoFile, Notes] = gather(plan, read)  # E: NoPlan
validated: Flow[str, tuple[bytes, bytes], NoFile] = validate(read, read)  # E: a tuple of errors
zip_with(lambda a, b: a + b, length, upper)  # E: int and str
zip_with(len, length, upper)  # E: takes one value

# each: an iterable of what the body takes

pure(3) >> each(length)  # E: no iterable
pure([3]) >> each(length)  # E: int into str
each(length)(["four", 5])  # E: int into str
each(length, limit="3")  # E: no number
each(len)  # E: a function
fold(length, 0)  # E: takes no pair

# choices


def is_long(word: str) -> bool:
    return len(word) > 9


def is_large(number: int) -> bool:
    return number > 9


class Kind(Enum):
    ONE = 1
    TWO = 2


def kind_of(word: str) -> Kind:
    return Kind(len(word))


branch(is_long, length, show)("four")  # E: str and int
branch(is_large, length, upper)("four")  # E: int and str
branch(is_long, length, "nothing")  # E: no flow
branch(now, length, length)  # E: a flow is no predicate
branch(is_long, plan, spend)("four")  # E: str and float, Notes and Purse
pure(3) >> branch(is_long, length, length)  # E: int into str
pure(3) >> branch(is_long, pure(1), pure(2))  # E: int into str
when(is_large, length)("four")  # E: int and str
pure(3) >> when(is_long, pure(1))  # E: int into str
switch(kind_of, {Kind.ONE: "nothing"})  # E: no flow
switch(kind_of, {Kind.ONE: show})("four")  # E: int and str
switch(kind_of, [length])  # E: no mapping
switch(3, {3: length})  # E: no function
pure(3) >> switch(kind_of, {Kind.ONE: length})  # E: int into str

# loops


@step
def grow(number: int) -> int:
    return number + 1


iterate(length, until=lambda n: n > 3)("four")  # E: gives an int and takes a str
iterate(grow, until=is_long)  # E: str of an int
iterate(grow, is_large, at_most="9")  # E: no number
iterate(grow, until=3)  # E: no function
pure("four") >> iterate(grow, until=is_large)  # E: str into int
bounded: Flow[int, int] = iterate(grow, until=is_large, at_most=9)  # E: LoopLimit
forever_until(length, until=is_large)  # E: not closed
judged: Flow[str, str] = length >> judge >> iterate(upper, until=is_long)  # E: Refused
untyped: Flow[int, float] = lift(is_long)  # E: str
