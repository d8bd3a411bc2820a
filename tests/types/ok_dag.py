"""``Dag``: handles carry the value, the errors and the state of a task and of all tasks before it into the flow."""

from __future__ import annotations

from typing import Any, Never, assert_type

from mce import Dag, Flow, Result, fail, gather, lift, pure
from mce.combinators.dag import Handle
from tests.types.vocabulary import (
    Memory,
    NoFile,
    NoPlan,
    Notes,
    Refused,
    answer,
    area,
    judge,
    length,
    now,
    plan,
    read,
    recall,
    show,
    typed_answer,
    upper,
)

# tasks of none to four arguments, constants and handles

dag = Dag()
time = dag.add(now)
assert_type(time, Handle[float])
assert_type(dag.add(pure("four")), Handle[str])
assert_type(dag.add(fail("no")), Handle[Never, str])
size = dag.add(length, "four")
assert_type(size, Handle[int])
assert_type(dag.add(show, size), Handle[str])
assert_type(dag.add(area, size, 3), Handle[int])
assert_type(dag.add(area, size, size), Handle[int])
content = dag.add(read, "no/file", encoding="utf-8")
assert_type(content, Handle[bytes, NoFile])
planned = dag.add(plan, dag.add(show, size))
assert_type(planned, Handle[int, NoPlan, Notes])
assert_type(dag.add(area, planned, 3), Handle[int, NoPlan, Notes])
assert_type(dag.add(judge, planned), Handle[str, Refused | NoPlan, Notes])
assert_type(dag.add(recall, dag.add(judge, 3)), Handle[bool, Refused, Memory])
assert_type(dag.add(recall, dag.add(show, planned)), Handle[bool, NoPlan, Notes])

# any flow is a task, and so is a function that makes one

assert_type(dag.add(length >> show, "four"), Handle[str])
assert_type(dag.add(plan.map(str), dag.add(judge, size)), Handle[str, NoPlan | Refused, Notes])
assert_type(dag.add(lift(len), content), Handle[int, NoFile])
assert_type(dag.add(gather(length, read), "four"), Handle[tuple[int, bytes], NoFile])
assert_type(dag.add(typed_answer, "why"), Handle[bytes, NoPlan | NoFile, Notes])
assert_type(dag.add(answer, "why"), Handle[str, object, object])  # a block that cannot tell its error


def compare(one: int, other: float, text: str, rest: bytes) -> Flow[object, bool, Refused]:
    return pure(one > other).bind(lambda found: pure(found) if text or rest else fail(Refused("nothing")))


assert_type(dag.add(compare, size, time, "text", content), Handle[bool, Refused | NoFile])
assert_type(dag.add(lambda one, other, text: pure(f"{one}{other}{text}"), size, time, "!"), Handle[str])

# what a task waits for besides

assert_type(dag.add(now, after=[content]), Handle[float, NoFile])
assert_type(dag.add(now, after=[size, time]), Handle[float])
assert_type(dag.add(length, "four", name="last", after=[planned]), Handle[int, NoPlan, Notes])

# the flow

assert_type(dag.flow(size), Flow[object, int])
assert_type(dag.flow(planned), Flow[object, int, NoPlan, Notes])
assert_type(dag.flow(size, time), Flow[object, tuple[int, float]])
assert_type(dag.flow(planned, content), Flow[object, tuple[int, bytes], NoPlan | NoFile, Notes])
assert_type(dag.flow(planned, content, time, size), Flow[object, tuple[int, bytes, float, int], NoPlan | NoFile, Notes])
assert_type(dag.flow(*[size, size]), Flow[object, tuple[int, ...]])
assert_type(dag.flow(planned, on_failure="accumulate"), Flow[object, int, tuple[NoPlan, ...], Notes])
assert_type(dag.flow(planned, on_failure="settle"), Flow[object, Result[int, NoPlan], Never, Notes])
assert_type(dag.flow(size, planned, on_failure="settle"), Flow[object, tuple[Result[int, NoPlan], ...], Never, Notes])
assert_type(dag.flow(), Flow[object, Any, Any, Any])
assert_type(dag.flow(planned).run_sync(state=Notes()).result, Result[int, NoPlan])

# the input of a dag

taking = Dag[str]()
assert_type(taking.input, Handle[str])
assert_type(taking.flow(taking.add(plan, taking.input)), Flow[str, int, NoPlan, Notes])
assert_type(upper >> taking.flow(taking.add(length, taking.input)), Flow[str, int])

# graphs of data

assert_type(Dag.from_edges({"a": upper, "b": upper}, [("a", "b")]), Flow[Any, dict[str, str]])
assert_type(Dag.from_edges({"a": plan}, {}, outputs=["a"]), Flow[Any, dict[str, int], NoPlan, Notes])
mixed: dict[str, Flow[Any, Any, Any, Any]] = {"a": upper, "b": plan, "c": show}
assert_type(Dag.from_edges(mixed, {"b": ["a"]}), Flow[Any, dict[str, Any], Any, Any])
