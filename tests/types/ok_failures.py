"""Alternative: what ``recover``, ``or_else``, ``retry``, ``timeout``, ``race`` and their kin make of the errors."""

from __future__ import annotations

from typing import Never, assert_type

from mce import (
    Flow,
    TimedOut,
    exponential,
    fail,
    first_success,
    hedge,
    or_else,
    pure,
    race,
    recover,
    recurs,
    retry,
    spaced,
    step,
    timeout,
)
from tests.types.vocabulary import (
    NoFile,
    NoPlan,
    Notes,
    Purse,
    Refused,
    answer,
    judge,
    length,
    now,
    plan,
    read,
    show,
    upper,
)

load = plan >> show >> read  # fails with NoPlan or NoFile

# every expected failure: the errors are the handler's, which is given the error

assert_type(plan.recover(lambda error: pure(len(error.reason))), Flow[str, int, Never, Notes])
assert_type(plan.recover(lambda error: pure(error.reason)), Flow[str, int | str, Never, Notes])
assert_type(plan.recover(lambda _: pure(None)), Flow[str, int | None, Never, Notes])
assert_type(plan.recover(fail), Flow[str, int, NoPlan, Notes])
assert_type(judge.recover(lambda error: fail(error.why)), Flow[int, str, str])
assert_type(judge.recover(lambda error: read(error.why)), Flow[int, str | bytes, NoFile])
assert_type(judge.recover(lambda error: plan(error.why)), Flow[int, str | int, NoPlan, Notes])
assert_type(load.recover(lambda error: pure(b"")), Flow[str, bytes, Never, Notes])
assert_type(fail("no").recover(lambda error: pure(error)), Flow[object, str])
assert_type(recover(plan, lambda error: pure(0)), Flow[str, int, Never, Notes])
assert_type(recover(judge, lambda error: plan(error.why)), Flow[int, str | int, NoPlan, Notes])


@step
async def apologise(error: NoPlan | NoFile) -> str:
    return f"sorry: {error}"


@step
async def explain(refused: Refused) -> str:
    return refused.why


assert_type(load.recover(apologise), Flow[str, bytes | str, Never, Notes])
assert_type(plan.recover(apologise), Flow[str, int | str, Never, Notes])
assert_type(judge.recover(explain), Flow[int, str])
assert_type(judge.recover(explain >> length), Flow[int, str | int])
assert_type(recover(judge, explain), Flow[int, str])

# failures of a class, and defects of it: nothing is taken from the errors, the handler's are added

assert_type(load.recover(lambda error: pure(error), on=NoFile), Flow[str, bytes | NoFile, NoPlan | NoFile, Notes])
assert_type(load.recover(lambda error: read(error.path), on=NoFile), Flow[str, bytes, NoPlan | NoFile, Notes])
assert_type(load.recover(lambda _: fail("no"), on=NoFile), Flow[str, bytes, NoPlan | NoFile | str, Notes])
assert_type(load.recover(lambda _: pure(b""), on=(NoFile, NoPlan)), Flow[str, bytes, NoPlan | NoFile, Notes])
assert_type(load.recover(apologise, on=NoFile), Flow[str, bytes | str, NoPlan | NoFile, Notes])
assert_type(load.recover(apologise, on=(NoFile, NoPlan)), Flow[str, bytes | str, NoPlan | NoFile, Notes])
assert_type(upper.recover(lambda error: pure(len(str(error))), on=ValueError), Flow[str, str | int])
assert_type(upper.recover(lambda error: plan(str(error)), on=ValueError), Flow[str, str | int, NoPlan, Notes])
assert_type(plan.recover(lambda error: pure(0), on=OSError), Flow[str, int, NoPlan, Notes])
assert_type(judge.recover(explain, on=Refused), Flow[int, str, Refused])
assert_type(recover(upper, lambda error: pure(0), on=ValueError), Flow[str, str | int])
assert_type(recover(plan, lambda error: read(error.reason), on=NoPlan), Flow[str, int | bytes, NoPlan | NoFile, Notes])
assert_type(recover(judge, lambda error: plan(error.why), on=Refused), Flow[int, str | int, Refused | NoPlan, Notes])

# another flow instead, on the same input

assert_type(plan.or_else(length), Flow[str, int, Never, Notes])
assert_type(length.or_else(plan), Flow[str, int, NoPlan, Notes])
assert_type(plan.or_else(read), Flow[str, int | bytes, NoFile, Notes])
assert_type(read.or_else(pure(None)), Flow[str, bytes | None])
assert_type(fail("no").or_else(pure(3)), Flow[object, int])
assert_type(fail("no").or_else(fail(3)), Flow[object, Never, int])
assert_type(or_else(upper, plan), Flow[str, str | int, NoPlan, Notes])
assert_type(or_else(plan, upper), Flow[str, int | str, Never, Notes])
assert_type(first_success(plan), Flow[str, int, NoPlan, Notes])
assert_type(first_success(plan, read), Flow[str, int | bytes, NoFile, Notes])
assert_type(first_success(read, plan, upper), Flow[str, bytes | int | str, Never, Notes])
assert_type(first_success(upper, plan, read, plan), Flow[str, str | int | bytes, NoPlan, Notes])

# policies

assert_type(plan.retry(recurs(3)), Flow[str, int, NoPlan, Notes])
assert_type(plan.retry(exponential(0.1).jittered() & recurs(5), on=NoPlan), Flow[str, int, NoPlan, Notes])
assert_type(judge.retry(spaced(1.0), on=(Refused, OSError)), Flow[int, str, Refused])
assert_type(retry(upper, recurs(3)), Flow[str, str])
assert_type(plan.timeout(3), Flow[str, int, NoPlan | TimedOut, Notes])
assert_type(upper.timeout(0.5), Flow[str, str, TimedOut])
assert_type(timeout(plan, 3), Flow[str, int, NoPlan | TimedOut, Notes])
assert_type(plan.timeout(3).retry(recurs(2)).timeout(9), Flow[str, int, NoPlan | TimedOut, Notes])

# the first success wins; if there is none, the errors come in branch order

assert_type(race(), Flow[object, Never, tuple[()]])
assert_type(race(plan), Flow[str, int, tuple[NoPlan], Notes])
assert_type(race(plan, read), Flow[str, int | bytes, tuple[NoPlan, NoFile], Notes])
assert_type(race(read, upper), Flow[str, bytes | str, tuple[NoFile, Never]])
assert_type(race(upper, read, plan), Flow[str, str | bytes | int, tuple[Never, NoFile, NoPlan], Notes])
assert_type(race(plan, plan, plan, read), Flow[str, int | bytes, tuple[NoPlan, NoPlan, NoPlan, NoFile], Notes])
assert_type(race(plan("a"), now), Flow[object, int | float, tuple[NoPlan, Never], Notes])
assert_type(race(*[plan(word) for word in "abc"]), Flow[object, int, tuple[NoPlan, ...], Notes])
assert_type(hedge(plan, after=0.1), Flow[str, int, tuple[NoPlan, NoPlan], Notes])

# a block whose errors cannot be told: the handler is given anything, and a class finds what is meant

assert_type(answer.recover(lambda error: pure(str(error))), Flow[str, str])
assert_type(answer.recover(apologise, on=(NoPlan, NoFile)), Flow[str, str, object])
assert_type(answer.timeout(3).retry(recurs(1)), Flow[str, str, object | TimedOut])
assert_type(race(answer, read), Flow[str, str | bytes, tuple[object, NoFile]])


# a handler that needs a state of its own


@step
def refund(error: NoFile) -> Flow[object, float, Never, Purse]:
    raise NotImplementedError(error)


assert_type(read.recover(refund), Flow[str, bytes | float, Never, Purse])
assert_type(read.recover(refund, on=NoFile), Flow[str, bytes | float, NoFile, Purse])
