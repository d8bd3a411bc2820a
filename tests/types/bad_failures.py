"""Handlers for other errors than there are, and policies given something else than their settings."""

from __future__ import annotations

from mce import Flow, bracket, fail, first_success, hedge, or_else, pure, race, recover, recurs, retry, step, timeout
from tests.types.vocabulary import (
    NoFile,
    NoPlan,
    Notes,
    Purse,
    Refused,
    answer,
    judge,
    length,
    log,
    plan,
    read,
    show,
    spend,
    upper,
)

# a handler of another error


def give_path(error: NoFile) -> Flow[object, str]:
    return pure(error.path)


@step
def give_reason(error: NoPlan) -> str:
    return error.reason


def give_size(number: int) -> Flow[object, int]:
    return pure(number)


read.recover(give_path)
plan.recover(give_path)  # E: of NoFile, for NoPlan
read.recover(give_reason)  # E: of NoPlan, for NoFile
judge.recover(give_size)  # E: of int, for Refused
judge.recover(lambda error: pure(error.reason))  # E: Refused has no reason
(plan >> show >> read).recover(give_path)  # E: of NoFile, for NoPlan | NoFile
answer.recover(give_reason)  # E: of NoPlan, for whatever the block fails with
recover(plan, give_path)  # E: of NoFile, for NoPlan
plan.recover(give_path, on=NoFile)
plan.recover(give_path, on=NoPlan)  # E: of NoFile, for NoPlan
plan.recover(give_path, on=(NoFile, NoPlan))  # E: of NoFile, for NoPlan | NoFile
plan.recover(lambda error: pure(error.path.upper()), on=NoPlan)  # E: NoPlan has no path
recover(plan, give_reason, on=NoFile)  # E: of NoPlan, for NoFile

# what is no handler, or no class

plan.recover(3)  # E: no function
plan.recover(pure(3).map)  # E: gives a flow of a function
plan.recover(str)  # E: gives no flow
plan.recover(lambda error: error.reason)  # E: gives no flow
plan.recover(give_reason, on="NoPlan")  # E: no class
plan.recover(give_reason, on=NoPlan())  # E: no class

# another flow with another input or another state

upper.or_else(show)  # E: str and int
plan.or_else(spend)  # E: str and float, Notes and Purse
plan("a").or_else(spend(1.0))  # E: Notes and Purse
plan.or_else("nothing")  # E: no flow
or_else(length, show).run_sync("a")  # E: str and int
race(length, show).run_sync("a")  # E: str and int
first_success(length, show).run_sync("a")  # E: str and int
race(length, "nothing")  # E: no flow
race(plan("a"), spend(1.0)).run_sync(state=Purse())  # E: Notes and Purse

# policies

plan.retry(3)  # E: no schedule
plan.retry(recurs("3"))  # E: no number
plan.retry(recurs(3), on="NoPlan")  # E: no class
plan.timeout("soon")  # E: no number
plan.timeout(None)  # E: no number
plan.named(3)  # E: no text
retry(plan, 3)  # E: no schedule
timeout(plan, "soon")  # E: no number
hedge(plan, after="soon")  # E: no number

# resources


@step
def close(number: int) -> None:
    print(number)


bracket(read, log, log)  # E: bytes into str
bracket(upper, close, log)  # E: str into int
bracket(upper, log, close)  # E: str into int
bracket(upper, str, log)  # E: gives no flow
bracket("a", log, log)  # E: no flow
bracket(plan, show, lambda n: spend(n))  # E: Notes and Purse

# errors that are still there

handled: Flow[str, int, Refused, Notes] = plan.recover(lambda _: pure(3), on=NoPlan)  # E: NoPlan stays
never: Flow[str, int] = length.timeout(3)  # E: TimedOut
one: Flow[object, str, str] = race(fail("a"), fail("b"))  # E: a tuple of them
