"""What ``check`` finds: for every code flows that have it and flows that do not, and no errors in good flows."""

# Flows of wrong types, and steps that do nothing, are what is checked here.
# mypy: disable-error-code="arg-type, empty-body, func-returns-value, operator"
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Annotated, Any, Literal, TypedDict

import pytest
from hypothesis import given
from pydantic import BaseModel

from mce import (
    Append,
    Context,
    Dag,
    DefinitionError,
    Flow,
    Limit,
    Result,
    batched,
    branch,
    cached,
    do,
    each,
    fail,
    focus,
    fold,
    gather,
    identity,
    iterate,
    lift,
    limit,
    modify,
    pure,
    quorum,
    race,
    recurs,
    retry,
    speculate,
    step,
    switch,
    timeout,
)
from mce.graph import lower
from mce.graph.annotations import surely_differs
from mce.graph.finding import Finding
from mce.graph.findings import CHECKS, check, check_lowered
from mce.graph.writes import copied_fields, written_by
from mce.syntax import Choice
from mce.testing import flows
from tests.laws.meanings import some

ROOT = Path(__file__).parents[2]


class Color(Enum):
    RED = 1
    BLUE = 2


@dataclass(frozen=True)
class Page:
    count: int = 0


class Notes(BaseModel, frozen=True):
    topic: str = ""
    count: int = 0
    log: Annotated[tuple[str, ...], Append()] = ()
    page: Page = Page()


@step(idempotent=True)
async def text(n: int) -> str: ...


@step(idempotent=True)
async def number(text: str) -> int: ...


@step(idempotent=True)
async def either(text: str) -> Result[int | None, LookupError]: ...


@step(idempotent=True)
async def several(values: Sequence[str]) -> float: ...


@step(idempotent=True)
async def anything(value: Any) -> Any: ...


@step
async def two(one: int, other: int) -> int: ...


@step(idempotent=False)
async def send(text: str) -> None: ...


@step
async def unsure(text: str) -> str: ...


@step(pure=True)
def plain(text: str) -> str:
    return text


@step
def threaded(text: str) -> str:
    return text


@step(raises=LookupError)
async def declared(text: str) -> str: ...


@step
async def topic(ctx: Context[Notes], value: Any) -> None:
    ctx.update(topic="a")


@step
async def topic_too(ctx: Context[Notes], value: Any) -> None:
    ctx.put(ctx.state.model_copy(update={"topic": "b"}))


@step
async def topic_by_name(ctx: Context[Notes], value: Any) -> None:
    notes = ctx.state
    ctx.put(notes.model_copy(update={"topic": "b"}))


@step
async def renamed(ctx: Context[Notes], value: Any) -> None:
    notes = ctx.state
    notes = Notes()
    ctx.put(notes.model_copy(update={"topic": "b"}))


@step
async def topic_perhaps(ctx: Context[Notes], value: Any) -> None:
    if not value:
        return
    ctx.update(topic="c")


def note(ctx: Context[Notes], line: str) -> None:
    ctx.update(log=(*ctx.state.log, line))


@step
async def logs(ctx: Context[Notes], value: Any) -> None:
    note(ctx, "here")


@step
async def any_field(ctx: Context[Notes], value: Any) -> None:
    ctx.update(**{value: 1})


@step(idempotent=True)
async def harmless(ctx: Context[Notes], value: Any) -> None:
    ctx.update(topic="h")


@step
async def counts(ctx: Context[Notes], value: Any) -> None:
    ctx.update(count=1)


class More(Notes, frozen=True):
    more: str = ""


@step
async def more(ctx: Context[More], value: Any) -> None:
    ctx.update(topic="more")


@step
async def page(ctx: Context[Page], value: Any) -> None:
    ctx.put(replace(ctx.state, count=1))


@step
async def lock(value: Any) -> Lock: ...


@do
async def block(value: Any) -> None: ...


def color(value: Any) -> Color:
    return Color.RED


def word(value: Any) -> Literal["a", "b"]:
    return "a" if value else "b"


def either_way(value: Any) -> bool:
    return not value


def named(value: Page) -> str:
    return str(value)


async def many(texts: list[str]) -> list[int]: ...


def dag(ordered: bool) -> Flow[Any, Any, Any, Any]:
    built = Dag[Any]()
    first = built.add(topic, built.input)
    between = built.add(anything, built.input, after=[first])
    return built.flow(built.add(topic_too, built.input, after=[between] if ordered else []), between)


def tasks() -> Flow[Any, Any, Any, Any]:
    """A task of which no parameter but the last takes what the last task gives."""

    @step
    async def both(number: int, text: str) -> str: ...

    built = Dag[Any]()
    n, t = built.add(number, "a"), built.add(text, 1)
    return built.flow(built.add(both, n, t), built.add(two, n, n))


def unpicklable() -> Flow[Any, Any, Any, Any]:
    held = Lock()

    @step(idempotent=True)
    async def closing(value: Any) -> bool:
        return held.locked()

    return closing


def in_a_process() -> Flow[Any, Any, Any, Any]:
    @step(run_in="process", idempotent=True)
    def inner(value: Any) -> int: ...

    return inner


A, B = Limit("a", 1), Limit("b", 1)
ab, ba = limit(limit(plain, B), A), limit(limit(plain, A), B)

HAS: list[tuple[Flow[Any, Any, Any, Any], str, str, str]] = [
    (number >> number, "MCE101", "error", "number:2"),
    (pure(3) >> number, "MCE101", "error", "number"),
    (either >> number, "MCE101", "error", "number"),
    (text.map(named), "MCE101", "error", "named"),
    (text.named("x") >> gather(number, retry(text, recurs(1))).named("y"), "MCE101", "error", "y/gather[1]/text"),
    (text >> two, "MCE102", "error", "two"),
    (gather(text, two), "MCE102", "error", "gather[1]/two"),
    (gather(topic, topic_too), "MCE103", "error", "gather"),
    (gather(topic, anything >> modify(lambda s: s.model_copy(update={"topic": ""}))), "MCE103", "error", "gather"),
    (gather(topic, branch(bool, topic, anything)), "MCE103", "warning", "gather"),
    (gather(topic, topic_perhaps), "MCE103", "warning", "gather"),
    (each(topic), "MCE103", "warning", "each"),
    (each(topic)([1, 2]), "MCE103", "error", "each"),
    (gather(gather(topic, logs), logs, topic_too), "MCE103", "error", "gather"),
    (dag(ordered=False), "MCE103", "error", "dag"),
    (gather(topic, more), "MCE103", "error", "gather"),
    (quorum(2, topic, topic, topic), "MCE103", "warning", "quorum"),
    (quorum(2, topic, topic), "MCE103", "error", "quorum"),
    (gather(topic_perhaps, topic, topic), "MCE103", "error", "gather"),
    (speculate(harmless, anything, harmless), "MCE103", "error", "speculate"),
    (iterate(anything, until=bool), "MCE104", "warning", "iterate"),
    (retry(send, recurs(2)), "MCE105", "error", "send"),
    (retry(text >> branch(bool, unsure, number), recurs(2)), "MCE105", "note", "branch[true]/unsure"),
    (step(retry=recurs(1))(unsure.__wrapped__), "MCE105", "note", "unsure"),
    (lock, "MCE106", "warning", "lock"),
    (unpicklable(), "MCE107", "note", "closing"),
    (in_a_process(), "MCE107", "error", "inner"),
    (switch(color, {Color.RED: anything}), "MCE108", "warning", "switch"),
    (switch(word, {"a": text, "b": text, "c": text}), "MCE108", "warning", "switch[c]"),
    (switch(lambda _: "x", {"a": text}), "MCE108", "error", "switch"),
    (branch(lambda _: True, text, number), "MCE108", "warning", "branch[false]"),
    (timeout(threaded, 3), "MCE109", "note", "threaded"),
    (step(timeout=3)(threaded.__wrapped__), "MCE109", "note", "threaded"),
    (race(send, plain), "MCE110", "warning", "race[0]/send"),
    (quorum(1, unsure, plain), "MCE110", "note", "quorum[0]/unsure"),
    (gather(ab, ba), "MCE111", "warning", "gather[0]/bracket:2"),
    (each(ab >> ba), "MCE111", "warning", "each[*]/bracket:2"),
    (limit(limit(plain, A), A), "MCE111", "error", "bracket:2"),
    (limit(step(limit=A)(plain.__wrapped__), A), "MCE111", "error", "plain"),
    (step(cache=True)(logs.__wrapped__), "MCE112", "warning", "logs"),
    (cached(plain >> logs), "MCE112", "warning", "logs"),
    (number.recover(lambda error: pure(0)), "MCE113", "warning", "recover"),
    (pure(1).or_else(text), "MCE113", "warning", "recover"),
]  # fmt: skip


@pytest.mark.parametrize(("flow", "code", "severity", "place"), HAS)
def test_what_is_found(flow: Flow[Any, Any, Any, Any], code: str, severity: str, place: str) -> None:
    found = [(one.code, one.severity, one.place) for one in check(flow)]
    assert (code, severity, place) in found
    assert [one for one in found if one[0] == code] == [(code, severity, place)]


HAS_NOT: list[tuple[Flow[Any, Any, Any, Any], str]] = [
    (text >> number >> text, "MCE101"),
    (number >> anything >> number, "MCE101"),
    (number >> lift(lambda n: str(n)) >> number, "MCE101"),
    (lift(len) >> text, "MCE101"),
    (pure(True) >> text, "MCE101"),
    (lift(Page) >> lift(named), "MCE101"),
    (pure(("a",)) >> several, "MCE101"),
    (number >> step(name="f")(several.__wrapped__).map(lambda f: f), "MCE999"),
    (each(text) >> anything, "MCE101"),
    (identity() >> number, "MCE101"),
    (pure("a") >> batched(many), "MCE101"),
    (two(1, 2) >> text, "MCE102"),
    (gather(topic, logs), "MCE103"),
    (gather(logs, logs), "MCE103"),
    (topic >> topic, "MCE103"),
    (gather(topic, any_field), "MCE103"),
    (gather(counts, focus("page", page)), "MCE103"),
    (gather(topic, topic, merge=lambda states: states[0]), "MCE103"),
    (race(topic, topic), "MCE103"),
    (quorum(1, topic, topic), "MCE103"),
    (speculate(anything, harmless, harmless), "MCE103"),
    (tasks(), "MCE101"),
    (branch(bool, topic, topic), "MCE103"),
    (dag(ordered=True), "MCE103"),
    (iterate(anything, until=bool, at_most=3), "MCE104"),
    (fold(anything, 0), "MCE104"),
    (retry(text >> plain, recurs(1)), "MCE105"),
    (send, "MCE105"),
    (either, "MCE106"),
    (anything, "MCE106"),
    (plain, "MCE107"),
    (in_a_process().map(str), "MCE999"),
    (switch(color, {Color.RED: text, Color.BLUE: text}), "MCE108"),
    (switch(color, {Color.RED: text}, default=text), "MCE108"),
    (switch(lambda v: v, {1: text}), "MCE108"),
    (branch(either_way, text, text), "MCE108"),
    (fold(anything, 0), "MCE108"),
    (timeout(text >> plain, 3), "MCE109"),
    (race(text, plain), "MCE110"),
    (race(send), "MCE110"),
    (ab >> ba, "MCE111"),
    (limit(step(limit=Limit("a b", 1))(plain.__wrapped__), Limit("a c", 1)), "MCE111"),
    (gather(ab, ab), "MCE111"),
    (each(ab >> ba, limit=1), "MCE111"),
    (cached(plain) >> logs, "MCE112"),
    (declared.or_else(text), "MCE113"),
    (either.or_else(text), "MCE113"),
    (anything.or_else(text), "MCE113"),
    (timeout(text, 3).or_else(text), "MCE113"),
    (iterate(anything, until=bool, at_most=2).or_else(text), "MCE113"),
    (block.or_else(text), "MCE113"),
    (fail("no").or_else(text), "MCE113"),
    (number.recover(lambda error: pure(0), on=ValueError), "MCE113"),
]  # fmt: skip


@pytest.mark.parametrize(("flow", "code"), HAS_NOT)
def test_what_is_not_found(flow: Flow[Any, Any, Any, Any], code: str) -> None:
    assert [one for one in check(flow) if one.code == code] == []


def test_two_cases_of_one_key() -> None:
    twice = Flow[Any, Any, Any, Any](Choice(word, (("a", text.node), ("a", text.node), ("b", text.node)), None))
    assert [(one.code, one.place) for one in check(twice)] == [("MCE108", "switch[a]")]


# -- for a cluster ----------------------------------------------------------------------------------------------------


def of_cluster(flow: Flow[Any, Any, Any, Any]) -> list[tuple[str, str, str]]:
    """What is found for a cluster, but for what was found without one."""
    codes = ("MCE107", *OF_CLUSTERS)
    return [(one.code, one.severity, one.place) for one in check(flow, backend="dask") if one.code in codes]


class Connection:
    def __init__(self) -> None:
        self.lock = Lock()


connection: Any = Connection()


def using_a_global() -> Flow[Any, Any, Any, Any]:
    return lift(lambda value: (value, connection))


def defaulted() -> Callable[..., Any]:
    return lambda value, held=connection: value


def nested() -> Flow[Any, Any, Any, Any]:
    held = {"rows": [Connection()]}

    def inner(value: Any, other: Any = None) -> Any:
        return held

    @step
    async def outer(value: Any) -> Any:
        return inner(value)

    return outer


def sized() -> Flow[Any, Any, Any, Any]:
    table = {"rows": "r" * 2_000_000}

    @step
    async def look(value: Any) -> Any:
        return table

    return look


def local_state() -> Flow[Any, Any, Any, Any]:
    class Local(BaseModel, frozen=True):
        count: int = 0

    async def count(ctx: Any, value: Any) -> None: ...

    count.__annotations__["ctx"] = Context[Local]
    return step(count)


def taking(value: Any) -> Flow[Any, Any, Any, Any]:
    built = Dag[Any]()
    return built.flow(built.add(anything, value))


HAS_FOR_A_CLUSTER: list[tuple[Flow[Any, Any, Any, Any], list[tuple[str, str, str]]]] = [
    (plain >> each(text) >> lift(lambda x: x), []),
    (unpicklable(), [("MCE107", "error", "closing")]),
    (plain >> using_a_global(), [("MCE107", "error", "map")]),
    (modify(lambda s: connection), [("MCE107", "error", "modify")]),
    (switch(lambda _: connection, {"a": text}, default=text), [("MCE107", "error", "switch")]),
    (gather(text, text, merge=lambda states: connection), [("MCE107", "error", "gather")]),
    (iterate(text, until=lambda _: connection, at_most=2), [("MCE107", "error", "iterate")]),
    (nested(), [("MCE107", "error", "outer")]),
    (in_a_process(), [("MCE107", "error", "inner")]),
    (text >> pure(connection), [("MCE115", "error", "pure")]),
    (fail(Lock()), [("MCE115", "error", "fail")]),
    (gather(text, anything(connection)), [("MCE115", "error", "gather[1]/anything")]),
    (taking(connection), [("MCE115", "error", "dag")]),
    (each(text)(n for n in range(3)), [("MCE115", "error", "each")]),
    (each(text)(iter([1, 2])), [("MCE115", "warning", "each")]),
    (text >> plain("p" * 2_000_000), [("MCE116", "warning", "plain")]),
    (sized(), [("MCE116", "warning", "look")]),
    (plain("p" * 500_000), []),
    (local_state(), [("MCE117", "warning", "count")]),
    (topic, []),
]


@pytest.mark.parametrize(("flow", "found"), HAS_FOR_A_CLUSTER)
def test_what_is_found_for_a_cluster(flow: Flow[Any, Any, Any, Any], found: list[tuple[str, str, str]]) -> None:
    assert of_cluster(flow) == found
    assert [one for one in check(flow) if one.code in OF_CLUSTERS] == []


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        (unpicklable(), "the variable 'held' that it closes over, <unlocked _thread.lock"),
        (
            nested(),
            "the variable 'inner' that it closes over, the variable 'held' that it closes over, its entry 'rows', "
            "its element 0, its field 'lock', <unlocked _thread.lock",
        ),
        (modify(lambda s: connection), "its field 'f', the global 'connection', its field 'lock', <unlocked"),
        (lift(defaulted()), "the function of map cannot be sent to a worker: the default of"),
        (pure(Connection()), "the value of pure cannot be sent to a worker: its field 'lock', <unlocked _thread.lock"),
        (each(text)(n for n in range(3)), "the input of each is an iterator: cannot pickle 'generator' object"),
        (sized(), "look (the variable 'table' that it closes over, its entry 'rows') has 1.9 MB"),
        (plain("p" * 2_000_000), "the input of plain has 1.9 MB when it is pickled, and goes to every worker"),
        (local_state(), "the state's class local_state.<locals>.Local can be found in no module"),
    ],
)
def test_what_is_to_blame_is_named(flow: Flow[Any, Any, Any, Any], message: str) -> None:
    (found,) = (one for one in check(flow, backend="dask") if one.code in ("MCE107", *OF_CLUSTERS))
    assert message in found.message


def test_a_step_that_calls_itself_can_be_sent() -> None:
    """Its code holds the step, whose code holds it."""

    @step
    async def again(value: int) -> Any:
        return again(value - 1) if value else 0

    assert of_cluster(again) == []


def test_steps_of_main_are_named_together(monkeypatch: pytest.MonkeyPatch) -> None:
    flows = [step(name=f"s{n}")(in_main(n)) for n in range(5)]
    (found,) = check(gather(*flows), backend="dask")
    assert (found.code, found.severity, found.place) == ("MCE114", "warning", "gather[0]/s0")
    assert found.message.startswith(
        "s0, s1, s2 and 2 more are defined in __main__, which on a worker is another module"
    )
    (alone,) = check(flows[0], backend="dask")
    assert alone.message.startswith("s0 is defined in __main__")


def in_main(n: int) -> Callable[..., Any]:
    async def found(value: Any) -> Any:
        return n

    found.__module__ = "__main__"
    return found


def test_without_dask_nothing_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mce.graph.sending.find_spec", lambda name: None)
    with pytest.raises(DefinitionError, match="pip install 'mce-agents"):
        check(plain, backend="dask")
    assert check(plain) == ()


def test_errors_come_first() -> None:
    found = check(retry(iterate(send, until=bool), recurs(1)) >> lock >> gather(topic, topic_too))
    severities = [one.severity for one in found]
    assert severities == sorted(severities, key=("error", "warning", "note").index)
    assert str(found[0]) == (
        "MCE103 error at gather: gather[0]/topic and gather[1]/topic_too write the field 'topic' at the same time, "
        "and it has no reducer: that is a StateConflict; declare how writes meet, topic: Annotated[..., Append()], "
        "write it in one branch, or say merge="
    )


@some
@given(flow=flows(size=14, defects=False))
def test_good_flows_have_no_errors(flow: Flow[Any, Any, Any, Any]) -> None:
    """But for a step that forbids what the retry around it wants, which the generated flows have on purpose."""
    assert [one for one in check(flow) if one.severity == "error" and one.code != "MCE105"] == []


def test_the_examples_have_no_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    import research_agent

    assert [one for one in check(research_agent.agent) if one.severity != "note"] == []


class Shape(ABC):
    @abstractmethod
    def area(self) -> float: ...


@pytest.mark.parametrize(
    ("one", "other", "differs"),
    [
        (int, str, True),
        (int, float, False),
        (bool, int, False),
        (Page, Color, True),
        (Page, Shape, False),
        (Shape, Page, False),
        (Notes, More, False),
        (str | None, int | None, False),
        (str | None, int, True),
        (list[int], list[str], False),
        (list[int], tuple[int, ...], True),
        (tuple[int, ...], Sequence[str], False),
        (Annotated[int, "small"], str, True),
        (Literal["a"], int, False),
        (None, int, True),
        (Any, int, False),
        (TypedDict("Data", {"a": int}), int, False),
    ],
)
def test_types_that_surely_differ(one: Any, other: Any, differs: bool) -> None:
    assert surely_differs(one, other) == differs


# -- what a step's code is seen to write ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flow", "fields", "always", "complete"),
    [
        (topic, {"topic"}, {"topic"}, True),
        (topic_too, {"topic"}, {"topic"}, True),
        (topic_by_name, {"topic"}, {"topic"}, True),
        (renamed, set(), set(), False),
        (topic_perhaps, {"topic"}, set(), True),
        (logs, {"log"}, {"log"}, True),
        (any_field, set(), set(), False),
        (page, {"count"}, {"count"}, True),
    ],
)
def test_writes(flow: Any, fields: set[str], always: set[str], complete: bool) -> None:
    found = written_by(flow.node.fn)
    assert (set(found.fields), set(found.always), found.complete) == (fields, always, complete)


def escaping(ctx: Context[Notes], value: Any) -> None:
    held = ctx
    held.update(topic="")


def handing(ctx: Context[Notes], value: Any) -> None:
    [c.update(topic="") for c in [ctx]]


def taking_a_method(ctx: Context[Notes], value: Any) -> None:
    write = ctx.update
    write(topic="")


@pytest.mark.parametrize("fn", [escaping, handing, taking_a_method, exec])
def test_a_context_that_escapes_may_write_anything(fn: Callable[..., Any]) -> None:
    assert not written_by(fn).complete


def test_functions_of_the_state() -> None:
    assert copied_fields(lambda s: replace(s, count=s.count + 1)).fields == {"count"}
    assert not copied_fields(lambda s: s.changed()).complete
    assert not copied_fields(len).complete


def test_the_graph_says_what_a_step_writes() -> None:
    effects = [node.effects for node in gather(topic, plain, any_field).graph().nodes if node.effects]
    assert [found.writes for found in effects] == [("topic",), (), None]


# -- the pages --------------------------------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
OF_CLUSTERS = ("MCE114", "MCE115", "MCE116", "MCE117")
SECTIONS = dict(re.findall(r"^## (MCE\d+)\b[^\n]*\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_every_code_has_a_section() -> None:
    assert list(SECTIONS) == list(CHECKS)


@pytest.mark.parametrize("code", CHECKS)
def test_the_example_of_a_section_gives_its_finding(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every section the first block makes ``flow``, which has the finding, the second ``mended``, which has not."""
    wrong, right = re.findall(r"^```python\n(.*?)^```", SECTIONS[code], re.MULTILINE | re.DOTALL)
    backend = "dask" if code in OF_CLUSTERS else None
    assert code in found_in(wrong, "flow", backend, "__main__" if code == "MCE114" else "documented", monkeypatch)
    assert code not in found_in(right, "mended", backend, "documented", monkeypatch)


def found_in(block: str, name: str, backend: str | None, title: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    line = PAGE.count("\n", 0, PAGE.index(block))
    module = ModuleType(title)
    monkeypatch.setitem(__import__("sys").modules, module.__name__, module)
    exec(compile("\n" * line + block, str(ROOT / "docs" / "findings.md"), "exec", dont_inherit=True), vars(module))
    return {one.code for one in check(vars(module)[name], backend=backend)}


def test_a_page_is_named() -> None:
    assert Finding("MCE101", "error", "a", "b", "c").page == "docs/findings.md#mce101"


def test_deep_flows() -> None:
    flow: Flow[Any, Any, Any, Any] = topic
    for _ in range(2_000):
        flow = gather(retry(flow, recurs(1)), logs).recover(lambda error: pure(1)) >> anything
    assert check_lowered(lower(flow.node))
