"""``Dag``: what is built and refused, what runs when, what a failure leaves, where state goes, and how much fits."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import anyio
import anyio.lowlevel
import pytest

from mce import (
    Add,
    Append,
    Context,
    Dag,
    Defect,
    DefinitionError,
    Failure,
    First,
    Flow,
    InlineBackend,
    InvalidFlow,
    InvalidInput,
    Lens,
    LocalBackend,
    Max,
    MergeKeys,
    Result,
    StateConflict,
    Success,
    TimedOut,
    UsageError,
    do,
    each,
    fail,
    focus,
    gather,
    identity,
    lift,
    modify,
    pure,
    recurs,
    step,
    transact,
)
from mce.combinators.dag import Handle
from mce.engine.history import History, Meetings
from mce.reducers import Reducer
from mce.state import Delta
from mce.syntax import Dag as DagNode
from mce.syntax import Ref, Takes, children, with_children

BACKENDS: list[Any] = [InlineBackend, LocalBackend, lambda: LocalBackend(loop="trio")]
on_all = pytest.mark.parametrize("make", BACKENDS, ids=["inline", "asyncio", "trio"])
on_inline_and_asyncio = pytest.mark.parametrize("make", BACKENDS[:2], ids=["inline", "asyncio"])
on_concurrent = pytest.mark.parametrize("make", BACKENDS[1:], ids=["asyncio", "trio"])


@step
async def inc(n: int) -> int:
    return n + 1


@step
async def double(n: int) -> int:
    return n * 2


@step
async def report(news: str, weather: str, *, days: int = 3) -> str:
    return f"{news}, {weather}, {days}"


@step
async def scale(n: int, by: int = 2) -> int:
    return n * by


@step
async def now() -> str:
    return "now"


@step
async def boom(n: int) -> int:
    raise ZeroDivisionError("boom")


@do
async def both(one: int, other: int) -> int:
    return await inc(one) + await inc(other)


# -- what is built ----------------------------------------------------------------------------------------------------


@on_all
def test_arguments_are_handles_and_constants_by_place_and_by_keyword(make: Any) -> None:
    dag = Dag()
    news, weather, days = dag.add(pure("rain")), dag.add(pure("cold")), dag.add(pure(5))
    by_place = dag.add(report, news, "dry")
    by_keyword = dag.add(report, "sun", weather=weather, days=days)  # type: ignore[arg-type]  # pyright: ignore
    scaled = dag.add(scale, days, by=days)
    assert dag.flow(by_place, by_keyword, scaled).run_sync(backend=make()).value == ("rain, dry, 3", "sun, cold, 5", 25)


@on_all
def test_a_task_is_a_step_a_flow_a_block_or_a_function(make: Any) -> None:
    dag = Dag[int]()
    given = dag.add(inc >> double, dag.input)
    closed = dag.add(now)
    block = dag.add(both, given, 1)
    made = dag.add(lambda n, text: pure((n, text)), block, closed)
    assert dag.flow(made).run_sync(3, backend=make()).value == (11, "now")


def test_a_step_of_one_argument_is_given_what_a_handle_stands_for_whatever_it_is() -> None:
    dag = Dag()
    told = dag.add(identity(), dag.add(pure(None)))
    assert dag.flow(told, dag.add(identity(), (1, 2))).run_sync().value == (None, (1, 2))


def test_after_orders_tasks_that_give_each_other_nothing() -> None:
    order: list[str] = []

    @step
    async def note(name: str) -> None:
        order.append(name)

    dag = Dag()
    first = dag.add(note, "a")
    second = dag.add(note, "b", after=[first])
    dag.add(note, "c", after=[second, first])
    assert dag.flow().run_sync().ok
    assert order == ["a", "b", "c"]


def test_the_value_is_that_of_the_outputs_or_of_the_sinks() -> None:
    dag = Dag()
    one = dag.add(pure(1))
    assert dag.flow().run_sync().value == 1
    two, three = dag.add(inc, one), dag.add(inc, 2)
    assert dag.flow().run_sync().value == (2, 3)
    assert dag.flow(three).run_sync().value == 3
    assert dag.flow(one, two, one).run_sync().value == (1, 2, 1)


@on_all
def test_an_empty_dag_succeeds_with_nothing(make: Any) -> None:
    assert Dag().flow().run_sync(backend=make()).value == ()
    nothing: dict[str, Flow[Any, Any]] = {}
    assert Dag.from_edges(nothing, {}).run_sync(backend=make()).value == {}


def test_a_flow_has_the_tasks_added_before_it() -> None:
    dag = Dag()
    flow = dag.flow(dag.add(pure(1)))
    dag.add(fail("later"))
    assert flow.run_sync().value == 1


def test_tasks_are_named_after_what_they_begin_with() -> None:
    dag = Dag()
    closed: list[Flow[None, Any, Any, Any]] = [
        inc(1),
        inc(1).map(str),
        (inc >> double).named("line")(1),
        lift(len)("x"),
    ]
    closed += [pure(1), fail(1), gather(), now, each(inc)([])]
    names = [dag.add(flow).name for flow in closed]
    names += [dag.add(both, 1, 2).name, dag.add(lambda n: pure(n), 1).name, dag.add(inc, 1, name="mine").name]
    assert " ".join(map(str, names)) == "inc inc:2 line len pure fail gather now each both task mine"


def test_a_name_is_given_once() -> None:
    dag = Dag()
    dag.add(inc, 1, name="a")
    with pytest.raises(DefinitionError, match=r"dag.add\(name='a'\): a task of this name is there already"):
        dag.add(inc, 1, name="a")
    with pytest.raises(DefinitionError, match="a name is text without"):
        dag.add(inc, 1, name="a/b")
    dag.add(inc, 1, name="inc")
    assert dag.add(inc, 1).name == "inc:2"


def test_a_handle_is_no_value() -> None:
    dag = Dag[str]()
    news = dag.add(pure("rain"), name="news")
    assert repr(news) == "<Handle of 'news'>"
    assert repr(dag.input) == "<Handle of the dag's input>"
    assert repr(dag) == "<Dag of 1 tasks>"
    with pytest.raises(UsageError, match="<Handle of 'news'> has no value to make text of yet"):
        f"about {news}"


OTHER = Dag[int]()


@pytest.mark.parametrize(
    ("task", "args", "more", "message"),
    [
        (3, (), {}, r"dag.add takes a flow, not int 3: say pure\(3\)"),
        (inc, (), {}, r"inc\(n: 'int'\) -> 'int' was called with \(\): missing a required argument: 'n'"),
        (report, ("a",), {}, r"was called with \('a'\): missing a required argument: 'weather'"),
        (report, ("a", "b"), {"hours": 1}, "got an unexpected keyword argument 'hours'"),
        (now, (1,), {}, "too many positional arguments"),
        (lift(len), (1, 2), {}, r"takes one argument, not \(1, 2\): a step takes several"),
        (inc >> double, (1,), {"m": 2}, r"takes one argument, not \(1, m=2\)"),
        (inc(1), (2,), {}, r"has its input already: to wait for a task say after=\[handle\]"),
        (inc, (OTHER.input,), {}, "<Handle of the dag's input> is of another dag"),
        (lift(len), ([1, OTHER.input],), {}, "<Handle of the dag's input> is inside a list: pass it as an argument"),
        (lift(len), ({"a": OTHER.input},), {}, "is inside a dict: pass it as an argument of its own"),
    ],
)
def test_what_cannot_be_a_task_is_refused(task: Any, args: Any, more: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Dag().add(task, *args, **more)


def test_handles_are_asked_for_where_tasks_are_named() -> None:
    dag = Dag[int]()
    with pytest.raises(DefinitionError, match="decorate the async function _total with @step"):
        dag.add(_total, (1,))  # type: ignore[arg-type]  # pyright: ignore
    with pytest.raises(DefinitionError, match="after= takes handles, which dag.add gives, not str 'a'"):
        dag.add(inc, 1, after=["a"])  # type: ignore[list-item]  # pyright: ignore
    with pytest.raises(DefinitionError, match="after= takes handles of tasks, not the dag's input"):
        dag.add(inc, 1, after=[dag.input])
    with pytest.raises(DefinitionError, match="dag.flow takes handles, which dag.add gives, not Step"):
        dag.flow(inc)  # type: ignore[call-overload]  # pyright: ignore
    with pytest.raises(DefinitionError, match="dag.flow: <Handle of the dag's input> is of another dag"):
        dag.flow(OTHER.input)
    with pytest.raises(DefinitionError, match="on_failure is 'fail_fast', 'accumulate' or 'settle', not 'never'"):
        dag.flow(on_failure="never")  # type: ignore[call-overload]  # pyright: ignore


# -- graphs of data ---------------------------------------------------------------------------------------------------

TASKS: dict[str, Flow[Any, Any, Any, Any]] = {"out": identity(), "b": double, "a": inc, "c": lift(lambda n: n - 1)}


@on_all
@pytest.mark.parametrize(
    "edges",
    [
        {"b": ["a"], "c": ["a"], "out": ["c", "b"]},
        [("a", "b"), ("a", "c"), ("c", "out"), ("b", "out")],
    ],
)
def test_a_task_is_given_the_values_of_those_before_it(make: Any, edges: Any) -> None:
    flow = Dag.from_edges(TASKS, edges)
    assert flow.run_sync(3, backend=make()).value == {"out": (3, 8), "b": 8, "a": 4, "c": 3}
    assert list(flow.run_sync(3, backend=make()).value) == list(TASKS)
    assert Dag.from_edges(TASKS, edges, outputs=["out", "a"]).run_sync(3).value == {"out": (3, 8), "a": 4}


@on_all
def test_a_step_of_several_parameters_is_given_them_apart(make: Any) -> None:
    tasks: dict[str, Flow[Any, Any, Any, Any]] = {"report": report, "b": pure("cold"), "a": pure("rain"), "now": now}
    flow = Dag.from_edges(tasks, {"report": ["a", "b"], "now": ["report"]})
    assert flow.run_sync(backend=make()).value == {"report": "rain, cold, 3", "b": "cold", "a": "rain", "now": "now"}
    with pytest.raises(DefinitionError, match="was called with .*: missing a required argument: 'weather'"):
        Dag.from_edges(tasks, {"report": ["a"]})


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([("a", "b"), ("b", "c"), ("c", "a")], "a dag has no cycles: a -> b -> c -> a"),
        ({"c": ["b", "a"], "a": ["c"]}, "a dag has no cycles: a -> c -> a"),
        ([("a", "a")], "a dag has no cycles: a -> a"),
        ([("a", "x")], "edge a -> x: 'x' is not among the tasks"),
        ({"x": ["a"]}, "edge a -> x: 'x' is not among the tasks"),
        ({"a": [3]}, "edge 3 -> a: 3 is not among the tasks"),
        ([("a", "b"), ("a", "b")], "edge a -> b is given twice"),
        ({"b": "a"}, r"edges\['b'\] is a list of tasks: say \['a'\], not 'a'"),
        ({"b": None}, r"edges\['b'\] is a list of tasks, not None"),
        ({"b": [["a"]]}, r"edge \['a'\] -> b: \['a'\] is not among the tasks"),
        (None, "edges is a list of tasks, not None"),
        ([("a", "b", "c")], r"an edge is a pair \(before, after\), not \('a', 'b', 'c'\)"),
        (["ab"], r"an edge is a pair \(before, after\), not 'ab'"),
    ],
)
def test_wrong_edges_are_refused(edges: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Dag.from_edges({"a": inc, "b": inc, "c": inc}, edges)


def test_a_long_cycle_is_shown_by_its_ends() -> None:
    names = [f"t{n}" for n in range(1000)]
    edges = [*itertools.pairwise(names), (names[-1], names[0])]
    with pytest.raises(DefinitionError, match=r"t0 -> t1 -> .* -> t9 -> \.\.\. -> t999 -> t0$"):
        Dag.from_edges(dict.fromkeys(names, inc), edges)


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"tasks\['a'\] takes a flow, not int 3"):
        Dag.from_edges({"a": 3}, {})  # type: ignore[arg-type]  # pyright: ignore
    with pytest.raises(DefinitionError, match="the name of a task is text and not empty, not ''"):
        Dag.from_edges({"": inc}, {})
    with pytest.raises(DefinitionError, match="outputs: 'b' is not among the tasks"):
        Dag.from_edges({"a": inc}, {}, outputs=["b"])
    with pytest.raises(DefinitionError, match=r"outputs is a list of tasks: say \['a'\], not 'a'"):
        Dag.from_edges({"a": inc}, {}, outputs="a")
    with pytest.raises(DefinitionError, match=r"takes its tasks as a mapping from name to flow, not \[3\]"):
        Dag.from_edges([3], {})  # type: ignore[arg-type]  # pyright: ignore


# -- the node ---------------------------------------------------------------------------------------------------------


def test_a_dag_is_data_and_pickles() -> None:
    dag = Dag[int](name="briefing")
    one = dag.add(inc, dag.input)
    flow = dag.flow(dag.add(both, one, 5, after=[one]))
    node = flow.node
    assert isinstance(node, DagNode)
    assert node.takes == (Takes((Ref(),)), Takes((Ref("inc"), 5), "arguments", after=("inc",)))
    assert node.takes[1].waits_for() == ("inc",)
    assert [takes.takes_input() for takes in node.takes] == [True, False]
    assert pickle.loads(pickle.dumps(flow)).run_sync(1).value == flow.run_sync(1).value == 9
    changed = with_children(node, tuple(double.node if child is inc.node else child for child in children(node)))
    assert Flow(changed).run_sync(1).value == 9
    assert with_children(node, children(node)) is node


def test_the_repr_of_a_dag_is_bounded() -> None:
    flow = Dag.from_edges({f"t{n}": inc for n in range(200)}, {})
    assert "tasks=<200 items>" in repr(flow)
    assert len(repr(flow)) < 300


def test_a_run_without_the_input_that_a_task_takes_is_refused() -> None:
    assert Dag[int]().flow().run_sync().ok  # type: ignore[call-overload]  # pyright: ignore
    dag = Dag[int]()
    dag.add(both, dag.add(pure(1)), 2)
    dag.add(inc, dag.input)
    with pytest.raises(InvalidInput, match="needs an input, which step 'inc' takes"):
        dag.flow().run_sync()  # type: ignore[call-overload]  # pyright: ignore
    dag = Dag[int]()
    dag.add(both, dag.input, 2)
    with pytest.raises(InvalidInput, match="needs an input, which task 'both' of 'dag' takes"):
        dag.flow().run_sync()  # type: ignore[call-overload]  # pyright: ignore
    assert Dag.from_edges({"a": pure(1)}, {}).run_sync().ok


def test_a_task_that_cannot_run_is_refused_before_the_run() -> None:
    dag = Dag()
    dag.add(pure(1) >> report)  # type: ignore[operator]  # pyright: ignore
    with pytest.raises(InvalidFlow, match="step 'report' takes 2 required arguments"):
        dag.flow().run_sync()


# -- what runs when ---------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_task_starts_when_its_own_inputs_are_there() -> None:
    """In a diamond the successor of the fast branch starts while the slow branch still waits: there is no barrier."""
    started = anyio.Event()

    @step
    async def slow(n: int) -> int:
        with anyio.fail_after(10):
            await started.wait()
        return n

    @step
    async def next_one(n: int) -> int:
        started.set()
        return n

    dag = Dag()
    top = dag.add(inc, 0)
    left = dag.add(slow, top)
    right = dag.add(next_one, dag.add(inc, top))
    outcome = await dag.flow(dag.add(both, left, right)).run()
    assert outcome.value == 5


@on_concurrent
def test_as_many_run_at_once_as_the_order_leaves(make: Any) -> None:
    running, most = 0, 0

    @step
    async def busy(given: object) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        running -= 1
        return 1

    tasks = {f"{layer}.{n}": busy for layer in range(3) for n in range(5)}
    edges = [(f"{layer}.{n}", f"{layer + 1}.{m}") for layer in range(2) for n in range(5) for m in range(5)]
    assert Dag.from_edges(tasks, edges).run_sync(0, backend=make()).ok
    assert most == 5


@pytest.mark.anyio
async def test_a_line_within_a_dag_is_one_task_of_the_loop() -> None:
    ran_in: list[int] = []

    @step
    async def where(n: int) -> int:
        await anyio.lowlevel.checkpoint()
        ran_in.append(anyio.get_current_task().id)
        return n

    dag = Dag()
    other, line = dag.add(where, 0), dag.add(inc, 0)
    for _ in range(20):
        line = dag.add(where, line)
    await dag.flow(other, line).run()
    assert len(ran_in) == 21
    assert len(set(ran_in)) == 2


@pytest.mark.anyio
async def test_what_only_computes_has_no_task_of_its_own() -> None:
    seen: list[int] = []

    @step
    async def count(n: int) -> int:
        seen.append(len(anyio.get_running_tasks()))
        return n

    await count(1).run()
    dag = Dag()
    for n in range(300):
        dag.add(lift(str), dag.add(pure(n)))
    dag.add(count, 1)
    dag.add(count, 1)
    assert (await dag.flow().run()).ok
    assert max(seen) <= seen[0] + 2


def test_in_turn_tasks_run_in_topological_order_then_as_declared() -> None:
    order: list[str] = []

    @step
    async def note(ctx: Context[object], given: object) -> None:
        order.append(ctx.path.split("/")[1])

    edges = {"a": ["d"], "e": ["a", "c"]}
    assert Dag.from_edges(dict.fromkeys("abcde", note), edges).run_sync(0, backend=InlineBackend()).ok
    assert order == ["b", "c", "d", "a", "e"]


@on_all
def test_plain_steps_and_nested_dags_run(make: Any) -> None:
    @step
    def plain(n: int) -> int:
        return n + 1

    flow: Flow[Any, int, Any, Any] = plain
    for _ in range(4):
        dag = Dag[int]()
        one, other = dag.add(flow, dag.input), dag.add(plain, dag.input)
        flow = dag.flow(dag.add(lambda a, b: pure(a + b), one, other))
    assert flow.run_sync(1, backend=make()).value == 10


@on_all
def test_a_deep_nest_of_dags_needs_no_stack(make: Any) -> None:
    flow: Flow[Any, int, Any, Any] = inc
    for _ in range(2000):
        dag = Dag[int]()
        flow = dag.flow(dag.add(flow, dag.add(inc, dag.input)))
    assert flow.run_sync(0, backend=make()).value == 2001


# -- failure ----------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_first_failure_cancels_the_rest_and_nothing_is_left_running() -> None:
    log: list[str] = []

    @step
    async def endless(n: int) -> int:
        try:
            await anyio.sleep_forever()
        finally:
            log.append("cancelled")
        return n

    @step
    async def refuse(n: int) -> Result[int, str]:
        await anyio.lowlevel.checkpoint()
        return Failure("refused")

    dag = Dag()
    known = dag.add(pure(1), name="known")
    dag.add(endless, known)
    dag.add(inc, dag.add(refuse, known, name="asking"))
    tasks = len(anyio.get_running_tasks())
    outcome = await dag.flow().run()
    assert outcome.error == "refused"
    assert log == ["cancelled"]
    assert len(anyio.get_running_tasks()) == tasks
    assert outcome.where is not None
    assert outcome.where.path == "dag/asking/refuse"
    assert [(sibling.path, sibling.result) for sibling in outcome.where.siblings] == [("dag/known", Success(1))]


@pytest.mark.anyio
async def test_of_several_failures_the_first_in_the_order_of_the_tasks_counts() -> None:
    failing = anyio.Event()

    @step
    async def early(ctx: Context[Notes], given: object) -> Result[int, str]:
        with anyio.CancelScope(shield=True):
            await failing.wait()
        ctx.update(plain=1)
        return Failure("early")

    @step
    async def late(ctx: Context[Notes], given: object) -> Result[int, str]:
        failing.set()
        ctx.update(plain=2)
        return Failure("late")

    dag = Dag()
    dag.add(early, 0)
    dag.add(late, 0)
    outcome = await dag.flow().run(state=Notes())
    assert (outcome.error, outcome.state) == ("early", Notes(plain=1))
    assert outcome.where is not None
    assert [sibling.result for sibling in outcome.where.siblings] == [Failure("late")]


@on_all
def test_what_has_not_begun_does_not_begin_after_a_failure(make: Any) -> None:
    calls: list[int] = []

    @step
    async def note(n: int) -> int:
        calls.append(n)
        return n

    dag = Dag()
    dag.add(fail("no"))
    for n in range(5):
        dag.add(note, n)
    assert dag.flow().run_sync(backend=make()).error == "no"
    assert calls == []


@on_all
def test_accumulating_gathers_all_errors_and_a_defect_outranks(make: Any) -> None:
    dag = Dag()
    lost, good = dag.add(fail("a"), name="lost"), dag.add(pure(1), name="good")
    dag.add(inc, lost)
    dag.add(fail("b"), after=[good])
    outcome = dag.flow(good, on_failure="accumulate").run_sync(backend=make())
    assert outcome.error == ("a", "b")
    assert outcome.where is not None
    assert outcome.where.path == "dag"
    assert [sibling.path for sibling in outcome.where.siblings] == ["dag/lost", "dag/good", "dag/fail"]
    dag.add(boom, 1)
    outcome = dag.flow(good, on_failure="accumulate").run_sync(backend=make())
    assert isinstance(outcome.error, Defect)
    assert outcome.where is not None
    assert outcome.where.path == "dag/boom/boom"


@on_all
def test_settling_gives_results_and_what_waited_for_a_failure_failed_as_it_did(make: Any) -> None:
    tasks: dict[str, Flow[Any, Any, Any, Any]] = {"a": fail("a"), "b": inc, "c": inc, "d": fail("d"), "e": identity()}
    flow = Dag.from_edges(tasks, {"b": ["a"], "e": ["c", "d", "b"]}, on_failure="settle")
    assert flow.run_sync(1, backend=make()).value == {
        "a": Failure("a"),
        "b": Failure("a"),
        "c": Success(2),
        "d": Failure("d"),
        "e": Failure("d"),
    }


@on_concurrent
def test_a_deadline_is_noticed_among_tasks_that_never_wait(make: Any) -> None:
    calls = 0

    @step
    async def count(n: int) -> int:
        nonlocal calls
        calls += 1
        return n

    dag = Dag()
    ends = [dag.add(count, 0), dag.add(count, 0)]
    for _ in range(1500):
        ends = [dag.add(count, end) for end in ends]
    assert isinstance(dag.flow().timeout(0).run_sync(backend=make()).error, TimedOut)
    assert 0 < calls < 1200


@on_all
def test_a_dag_is_retried_and_recovered_from_as_any_flow(make: Any) -> None:
    left = [2]

    @step
    async def flaky(n: int) -> Result[int, str]:
        left[0] -= 1
        return Success(n) if left[0] < 0 else Failure("not yet")

    dag = Dag()
    dag.add(inc, 1)
    flow = dag.flow(dag.add(flaky, 5))
    assert flow.retry(recurs(1)).recover(lambda e: pure(e)).run_sync(backend=make()).value == "not yet"
    assert flow.retry(recurs(1)).run_sync(backend=make()).value == 5


def test_names_stand_in_paths_without_what_has_a_meaning_there() -> None:
    paths: list[str] = []

    @step
    async def where(ctx: Context[object], given: object) -> None:
        paths.append(ctx.path)

    names = ["a/b", "a[b", "a_b", "ünï → x", "line\n2"]
    dag = Dag.from_edges(dict.fromkeys(names, where), {}, name="graph")
    assert dag.named("agent").run_sync(0, backend=InlineBackend()).ok
    assert paths == [f"agent/graph/{name}/where" for name in ["a_b", "a_b:2", "a_b:3", "ünï → x", "line_2"]]


# -- state ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Notes:
    plain: int = 0
    other: int = 0
    log: Annotated[tuple[str, ...], Append()] = ("start",)
    total: Annotated[int, Add()] = 0
    top: Annotated[frozenset[str] | None, Max()] = None
    first: Annotated[str, First()] = ""
    keys: Annotated[Mapping[str, str], MergeKeys()] = field(default_factory=dict[str, str])


@step
async def write(ctx: Context[Notes], fields: Mapping[str, Any]) -> None:
    ctx.update(**fields)


@step
async def log(ctx: Context[Notes], text: str) -> None:
    ctx.update(log=(*ctx.state.log, text))


@step
async def key(ctx: Context[Notes], name: str, text: str) -> None:
    ctx.update(keys={**ctx.state.keys, name: text})


@on_all
def test_two_tasks_side_by_side_cannot_write_one_field(make: Any) -> None:
    """It is found where they meet: at the first task after both, else at the end; the state is that at entry."""
    dag = Dag()
    top = dag.add(write, {"other": 1}, name="top")
    one = dag.add(write, {"plain": 1}, name="one", after=[top])
    two = dag.add(write, {"plain": 2}, name="two", after=[top])
    at_the_end = dag.flow()
    dag.add(pure(1), name="meet", after=[one, two])
    for flow, place in ((at_the_end, "dag"), (dag.flow(), "dag/meet")):
        outcome = flow.map(str).run_sync(state=Notes(), backend=make())
        assert outcome.error == StateConflict("plain", ("dag/one", "dag/two"), (1, 2), place)
        assert outcome.where is not None
        assert outcome.where.path == place
        assert outcome.state == Notes()
    field_of = dag.flow().recover(lambda found: pure(found.field), on=StateConflict)
    assert field_of.run_sync(state=Notes(), backend=make()).value == "plain"


@on_all
def test_a_conflict_names_those_that_are_side_by_side_and_no_others(make: Any) -> None:
    dag = Dag()
    first = dag.add(write, {"plain": 1}, name="first")
    second = dag.add(write, {"plain": 2, "other": 1}, name="second", after=[first])
    dag.add(write, {"other": 2}, name="beside", after=[first])
    dag.add(log, "x", name="apart")
    dag.add(write, {"plain": 3}, name="third", after=[second])
    error: Any = dag.flow().run_sync(state=Notes(), backend=make()).error
    assert (error.field, error.branches) == ("other", ("dag/second", "dag/beside"))


@on_all
def test_a_write_parts_what_was_added_before_it_from_what_is_added_after(make: Any) -> None:
    """Two tasks add to a field that the task before them had cut, while another one writes elsewhere."""
    dag = Dag()
    cut = dag.add(write, {"log": ("cut",)}, after=[dag.add(log, "lost")])
    ends = [dag.add(log, text, after=[cut]) for text in "ab"]
    last = dag.add(log, "c", after=ends)
    dag.add(write, {"other": 1})
    assert dag.flow(last).run_sync(state=Notes(), backend=make()).state == Notes(0, 1, ("cut", "a", "b", "c"))


@on_all
def test_the_first_of_those_side_by_side_wins_with_its_last_write(make: Any) -> None:
    dag = Dag()
    one = dag.add(write, {"first": "a"})
    dag.add(write, {"first": "c"})
    dag.add(write, {"first": "b"}, after=[one])
    dag.add(write, {"other": 1})
    assert dag.flow().run_sync(state=Notes(), backend=make()).state == Notes(other=1, first="b")
    dag = Dag()
    dag.add(write, {"first": "a"})
    dag.add(write, {"first": "c"}, after=[dag.add(write, {"first": "b"})])
    dag.add(write, {"other": 1})
    assert dag.flow().run_sync(state=Notes(), backend=make()).state == Notes(other=1, first="a")


@on_all
def test_keys_meet_where_tasks_are_neither_nested_nor_in_line(make: Any) -> None:
    """Of ``a``, ``b``, ``c`` after ``a``, ``d`` after both: a later one writes a key again, two side by side clash."""

    def state(**keys: str) -> Any:
        dag = Dag()
        a, b = (dag.add(key, keys[name], name, name=name) for name in "ab")
        dag.add(key, keys["c"], "c", name="c", after=[a])
        dag.add(key, keys["d"], "d", name="d", after=[a, b])
        dag.add(write, {"other": 1})
        return dag.flow().run_sync(state=Notes(), backend=make())

    assert state(a="x", b="y", c="x", d="y").state.keys == {"x": "c", "y": "d"}
    assert state(a="x", b="y", c="z", d="x").state.keys == {"x": "d", "y": "b", "z": "c"}
    error = state(a="x", b="y", c="y", d="z").error
    assert (error.field, error.branches) == ("keys['y']", ("dag/b", "dag/c"))
    error = state(a="x", b="y", c="z", d="z").error
    assert (error.field, error.branches) == ("keys['z']", ("dag/c", "dag/d"))


@on_all
def test_a_failure_keeps_the_state_of_the_task_that_failed(make: Any) -> None:
    @step
    async def lose(ctx: Context[Notes], given: object) -> Result[None, str]:
        ctx.update(plain=7)
        return Failure("lost")

    dag = Dag()
    known = dag.add(log, "known")
    dag.add(lose, known)
    dag.add(log, "beside", after=[known])
    outcome = dag.flow().run_sync(state=Notes(), backend=InlineBackend())
    assert outcome.state == Notes(7, log=("start", "known"))
    inside = gather(dag.flow(), log("other")).recover(pure)
    assert inside.run_sync(state=Notes(), backend=InlineBackend()).state.plain == 7
    assert transact(dag.flow()).run_sync(state=Notes(), backend=make()).state == Notes()


@on_all
def test_a_dag_on_a_part_of_the_state_and_within_another(make: Any) -> None:
    dag = Dag()
    for n in (1, 2):
        dag.add(modify(lambda total, n=n: total + n))  # type: ignore[misc]
    part = focus(Lens.field("total"), dag.flow())
    outer = Dag()
    outer.add(part, name="one")
    outer.add(gather(part, log("x")))
    assert outer.flow().run_sync(state=Notes(), backend=make()).state == Notes(log=("start", "x"), total=6)


@on_all
def test_a_cancelled_dag_leaves_the_state_as_it_was(make: Any) -> None:
    dag = Dag()
    ends = [dag.add(add_one), dag.add(add_one)]
    for _ in range(600):
        ends = [dag.add(add_one, after=[end]) for end in ends]
    outcome = dag.flow().timeout(0).recover(pure, on=TimedOut).run_sync(state=Notes(), backend=make())
    assert outcome.ok
    assert outcome.state == Notes()


@on_all
def test_values_without_an_order_clash_under_max(make: Any) -> None:
    """Found by the reducer, which only then needs to know which tasks they are."""
    dag = Dag()
    one = dag.add(write, {"top": frozenset("a")}, name="one")
    dag.add(write, {"top": frozenset("b")}, name="other")
    dag.add(write, {"top": frozenset("ac")}, after=[one], name="more")
    error: Any = dag.flow().run_sync(state=Notes(), backend=make()).error
    assert (error.field, error.branches) == ("top[no order]", ("dag/one", "dag/other"))


def _too_much(one: Any, other: Any) -> Any:
    raise OverflowError("too much")


@dataclass(frozen=True)
class Odd:
    n: Annotated[int, Reducer(lambda old, new: new, lambda old, delta: delta, _too_much)] = 0


@on_all
def test_what_a_reducer_raises_is_a_defect_of_the_dag(make: Any) -> None:
    dag = Dag()
    ends = [dag.add(modify(lambda state, n=n: Odd(n))) for n in (1, 2)]  # type: ignore[misc]
    dag.add(pure(1), after=ends)
    outcome = dag.flow().map(str).run_sync(state=Odd(), backend=make())
    error: Any = outcome.error
    assert (type(error.cause), error.path, outcome.state) == (OverflowError, "dag", Odd())


def test_histories_are_shared() -> None:
    """A way that holds the others is where they meet; ways with the same writers have one meeting."""
    meetings = Meetings(0)

    def after(start: History, at: int) -> History:
        return start.then(at, f"t{at}", start.state + 1, Delta(Add(), 1, start.state + 1))

    assert meetings.of([]) is meetings.of([meetings.entry]) is meetings.entry
    a, b = after(meetings.entry, 0), after(meetings.entry, 1)
    c = after(a, 2)
    assert meetings.of([a, meetings.entry, c, a]) is c
    both_ways = meetings.of([b, c])
    assert (both_ways.state, both_ways.count, both_ways.tail) == (3, 3, meetings.entry)
    assert meetings.of([a, c, b]) is both_ways
    assert meetings.of([b, both_ways, a]) is both_ways
    d = after(both_ways, 3)
    assert meetings.of([d, after(both_ways, 4)]).tail is both_ways
    assert [d.holds(written) for written in both_ways.items] == [True, True, True]
    assert not both_ways.holds(d.items[0])
    assert meetings.of([d, b]).whole_change() == Delta(Add(), 4, 4)


# -- how much fits ----------------------------------------------------------------------------------------------------

MANY = 100_000


@pytest.fixture(scope="module")
def line() -> Flow[Any, int]:
    dag = Dag[int]()
    end: Handle[int] = dag.input
    for _ in range(MANY):
        end = dag.add(inc, end)
    return dag.flow(end)


@on_all
def test_a_line_of_100_000_tasks(make: Any, line: Flow[Any, int]) -> None:
    assert line.run_sync(0, backend=make()).value == MANY


@pytest.fixture(scope="module")
def fan() -> Flow[Any, Any]:
    dag = Dag[int]()
    ends = [dag.add(inc, dag.input) for _ in range(MANY)]
    return dag.flow(ends[0], ends[-1])


def test_a_task_after_100_000_others() -> None:
    names = [f"t{n}" for n in range(MANY)]
    total: dict[str, Flow[Any, Any]] = {**dict.fromkeys(names, identity()), "total": lift(sum)}
    flow = Dag.from_edges(total, {"total": names}, outputs=["total"])
    assert flow.run_sync(2).value == {"total": 2 * MANY}


@on_inline_and_asyncio
def test_100_000_tasks_side_by_side(make: Any, fan: Flow[Any, Any]) -> None:
    assert fan.run_sync(0, backend=make()).value == (1, 1)


@on_all
def test_ten_layers_of_a_hundred(make: Any) -> None:
    total = step(name="total")(_total)
    tasks: dict[str, Flow[Any, Any]] = {f"{layer}.{n}": total for layer in range(10) for n in range(100)}
    edges = [(f"{layer}.{n}", f"{layer + 1}.{m}") for layer in range(9) for n in range(100) for m in range(100)]
    outcome = Dag.from_edges(tasks, edges, outputs=["9.0"]).run_sync((1,), backend=make())
    assert outcome.value == {"9.0": pow(100, 9, 9973)}


async def _total(numbers: tuple[int, ...]) -> int:
    return sum(numbers) % 9973


@on_inline_and_asyncio
def test_3_000_tasks_that_write_in_the_shape_of_a_ladder(make: Any) -> None:
    """Every rung meets only what the last one did not: in line with the number of tasks, not with its square."""
    dag = Dag()
    ends: list[Handle[Any, Any, Any]] = []
    for _ in range(1000):
        rung = [dag.add(add_one, after=ends), dag.add(add_one, after=ends)]
        ends = [dag.add(add_one, after=rung)]
    assert dag.flow().run_sync(state=Notes(), backend=make()).state.total == 3000


@step
async def add_one(ctx: Context[Notes]) -> None:
    ctx.update(total=ctx.state.total + 1)
