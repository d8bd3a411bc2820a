"""Functor and monad: what ``>>``, ``map``, ``bind`` and their kin infer of input, output, errors and state."""

from __future__ import annotations

from typing import Never, assert_type

from mce import (
    Failure,
    Flow,
    Result,
    Success,
    as_,
    bimap,
    bind,
    compose,
    fail,
    identity,
    join,
    lift,
    map,
    map_error,
    pure,
    sleep,
    step,
    tap,
    then,
)
from tests.types.vocabulary import (
    Memory,
    NoFile,
    NoPlan,
    Notes,
    Refused,
    answer,
    flow,
    judge,
    length,
    log,
    now,
    plan,
    read,
    recall,
    show,
    upper,
)

# values

assert_type(pure(3), Flow[object, int])
assert_type(pure(None), Flow[object, None])
assert_type(pure(Success(3)), Flow[object, Success[int]])
assert_type(pure(pure(3)), Flow[object, Flow[object, int]])
assert_type(fail("no"), Flow[object, Never, str])
assert_type(fail(NoPlan()), Flow[object, Never, NoPlan])

# one after the other: the errors are joined, the state is what either asks for

assert_type(upper >> length, Flow[str, int])
assert_type(length >> show >> length, Flow[str, int])
assert_type(length >> judge, Flow[str, str, Refused])
assert_type(judge >> read, Flow[int, bytes, Refused | NoFile])
assert_type(upper >> plan, Flow[str, int, NoPlan, Notes])
assert_type(plan >> show, Flow[str, str, NoPlan, Notes])
assert_type(plan >> judge >> plan, Flow[str, int, NoPlan | Refused, Notes])
assert_type(upper >> read >> as_(now, "a") >> plan, Flow[str, int, NoFile | NoPlan, Notes])

# closed flows: at the start they close the whole, later they ignore the value

assert_type(pure("four") >> length, Flow[object, int])
assert_type(pure("how?") >> plan >> judge, Flow[object, str, NoPlan | Refused, Notes])
assert_type(length("four") >> show, Flow[object, str])
assert_type(length >> pure("done"), Flow[str, str])
assert_type(length >> now, Flow[str, float])
assert_type(plan >> fail("no"), Flow[str, Never, NoPlan | str, Notes])
assert_type(log >> pure(None), Flow[str, None])

# two states, one a subclass of the other: the flow asks for the more special one, in either order

assert_type(flow(recall), Flow[str, bool, Never, Memory])
assert_type(plan >> show >> recall, Flow[str, bool, NoPlan, Notes])
assert_type(recall >> lift(str) >> plan, Flow[str, int, NoPlan, Notes])

# a value of a subclass, or of one member of a union, is taken


@step
def tell(value: int | str | None) -> str:
    return str(value)


assert_type(length >> tell, Flow[str, str])
assert_type(pure(True) >> tell, Flow[object, str])

# functions of the value

assert_type(length.map(lambda n: n + 1), Flow[str, int])
assert_type(length.map(str), Flow[str, str])
assert_type(plan.map(lambda n: (n, str(n))), Flow[str, tuple[int, str], NoPlan, Notes])
assert_type(length.map(lambda _: None), Flow[str, None])
assert_type(map(plan, str), Flow[str, str, NoPlan, Notes])
assert_type(as_(plan, "done"), Flow[str, str, NoPlan, Notes])
assert_type(tap(plan, print), Flow[str, int, NoPlan, Notes])
assert_type(upper >> lift(len), Flow[str, int])


def halve(number: int) -> float:
    return number / 2


assert_type(lift(halve), Flow[int, float])
assert_type(length >> lift(halve), Flow[str, float])


def why(error: NoPlan) -> str:
    return error.reason


assert_type(map_error(plan, why), Flow[str, int, str, Notes])
assert_type(map_error(plan, lambda error: error.reason), Flow[str, int, str, Notes])
assert_type(bimap(plan, why, str), Flow[str, str, str, Notes])

# continuations: functions that make a flow, steps, and flows, all alike

assert_type(length.bind(lambda n: pure(n + 1)), Flow[str, int])
assert_type(length.bind(pure), Flow[str, int])
assert_type(length.bind(fail), Flow[str, Never, int])
assert_type(length.bind(judge), Flow[str, str, Refused])
assert_type(length.bind(lambda n: judge(n)), Flow[str, str, Refused])
assert_type(length.bind(judge >> read), Flow[str, bytes, Refused | NoFile])
assert_type(length.bind(judge.map(len)), Flow[str, int, Refused])
assert_type(upper.bind(plan), Flow[str, int, NoPlan, Notes])
assert_type(upper.bind(lambda word: plan(word)), Flow[str, int, NoPlan, Notes])
assert_type(plan.bind(show), Flow[str, str, NoPlan, Notes])
assert_type(plan.bind(lambda n: read(str(n))), Flow[str, bytes, NoPlan | NoFile, Notes])
assert_type(plan.bind(lambda n: plan(str(n))), Flow[str, int, NoPlan, Notes])
assert_type(pure("four").bind(length).bind(show), Flow[object, str])
assert_type(length.bind(lambda n: now), Flow[str, float])
assert_type(length.bind(lambda n: pure(n) if n else fail("no")), Flow[str, int, str])
assert_type(bind(pure("four"), length), Flow[object, int])
assert_type(bind(upper, plan), Flow[str, int, NoPlan, Notes])
assert_type(bind(plan, lambda n: read(str(n))), Flow[str, bytes, NoPlan | NoFile, Notes])
assert_type(then(upper, length), Flow[str, int])
assert_type(then(upper, plan), Flow[str, int, NoPlan, Notes])
assert_type(then(plan, judge), Flow[str, str, NoPlan | Refused, Notes])
assert_type(join(pure(pure(3))), Flow[object, int])
assert_type(join(plan.map(lambda n: read(str(n)))), Flow[str, bytes, NoPlan | NoFile, Notes])
assert_type(join(length.map(lambda n: plan(str(n)))), Flow[str, int, NoPlan, Notes])
assert_type(compose(upper, length), Flow[str, int])
assert_type(compose(upper, plan), Flow[str, int, NoPlan, Notes])
assert_type(compose(plan, judge), Flow[str, str, NoPlan | Refused, Notes])


def from_result(result: Result[int, Refused]) -> Flow[object, int, Refused]:
    return pure(result.unwrap()) if isinstance(result, Success) else fail(result.failure())


assert_type(pure(Failure(Refused("no"))).bind(from_result), Flow[object, int, Refused])
assert_type(compose(from_result, judge), Flow[Result[int, Refused], str, Refused])

# what waits and what names leaves the rest as it is

assert_type(plan.named("planning"), Flow[str, int, NoPlan, Notes])
assert_type(plan >> sleep(1) >> judge, Flow[str, str, NoPlan | Refused, Notes])
same: Flow[str, str] = identity()
assert_type(same >> length, Flow[str, int])

# a flow can be declared with more errors, a wider value, a narrower input and a more special state than it has

wider: Flow[str, object, NoPlan | NoFile, Notes] = upper
closed: Flow[None, int, NoPlan, Notes] = length("four")
opened: Flow[str, float] = now

# a block whose errors cannot be told may fail with anything

assert_type(upper >> answer, Flow[str, str, object])
assert_type(answer >> length, Flow[str, int, object])
