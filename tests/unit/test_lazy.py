"""Flows whose node is made when somebody asks: they mean what the flow of that node means, in results and in paths."""

from __future__ import annotations

import gc
import itertools
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from mce import Context, Failure, Flow, InlineBackend, Limit, LocalBackend, Success, do, fail, pure, recurs, step
from mce.engine.blocks import CALL
from mce.engine.compile import compile_node
from mce.lazy import Applied, Bound, Called, Ready
from mce.outcome import Place
from mce.syntax import Given, Pure, Then

AnyFlow = Flow[Any, Any, Any, Any]
BACKENDS = [pytest.param(LocalBackend, id="local"), pytest.param(InlineBackend, id="inline")]


@step
async def inc(n: int) -> int:
    return n + 1


@step
async def inc_with_context(ctx: Context[Any], n: int) -> int:
    ctx.emit(ctx.path)
    return n + 1


@step(raises=ValueError)
async def below(n: int) -> int:
    if n >= 3:
        raise ValueError(n)
    return n + 1


@step
async def below_or_failure(n: int) -> Any:
    return Failure("large") if n >= 3 else Success(n + 1)


@step
async def inc_by_flow(n: int) -> Any:
    return inc(n)


@step
async def broken(n: int) -> int:
    raise ZeroDivisionError(n)


# -- what they are ----------------------------------------------------------------------------------------------------


def test_a_step_with_its_input_is_applied() -> None:
    flow = inc(1)
    assert type(flow) is Called
    assert isinstance(flow.node, Given)
    assert flow.node is flow.node
    assert (flow.node.value, flow.node.body) == (1, inc.node)


def test_bind_after_it_is_bound() -> None:
    flow = inc(1).bind(pure)
    assert type(flow) is Bound
    assert isinstance(flow.node, Then)
    assert flow.node is flow.node


def test_bind_with_a_flow_or_an_object_is_not() -> None:
    class Twice:
        def __call__(self, n: int) -> Flow[object, int]:
            return pure(2 * n)

    assert type(inc(1).bind(inc)) is Flow
    assert type(inc(1).bind(Twice())) is Flow
    assert inc(1).bind(Twice()).run_sync().unwrap() == 4


def test_bind_with_something_else_is_refused_at_once() -> None:
    with pytest.raises(Exception, match="bind takes a function that gives a flow"):
        inc(1).bind(3)  # type: ignore[call-overload]  # pyright: ignore


def test_a_value_is_ready() -> None:
    flow = pure(None)
    assert type(flow) is Ready
    assert isinstance(flow.node, Pure)
    assert flow.node is flow.node


@pytest.mark.parametrize("flow", [inc(1), inc_with_context(1), inc(1).bind(inc), pure(2)])
def test_they_are_pickled_as_their_node(flow: AnyFlow) -> None:
    again = pickle.loads(pickle.dumps(Flow(pure(2).node)))
    assert again.run_sync().unwrap() == 2
    assert flow.__reduce__() == (Flow, (flow.node,))


def test_what_is_only_called_is_what_compiles_to_a_call() -> None:
    """Two modules say which steps need no more than a call, and say the same."""
    options: dict[str, tuple[Any, ...]] = {
        "retry": (None, recurs(1)),
        "timeout": (None, 1.0),
        "limit": (None, Limit("a", 1)),
        "cache": (None, True),
        "validate": (False, True),
        "idempotent": (None, True, False),
    }

    def plain(n: int) -> int:
        return n

    async def one(n: int) -> int:
        return n

    async def perhaps(n: int = 0) -> int:
        return n

    async def with_context(ctx: Context[Any], n: int) -> int:
        return n

    found = set()
    for fn in (plain, one, perhaps, with_context):
        for values in itertools.product(*options.values()):
            chosen = dict(zip(options, values, strict=True))
            if chosen["idempotent"] is False and chosen["retry"] is not None:
                continue
            made = step(fn, **chosen)
            single = compile_node(made.node, False).single_call
            assert (type(made(1)) is Called) == (single is not None and single.code == CALL)
            found.add(type(made(1)))
    assert found == {Called, Applied}


# -- what they mean ---------------------------------------------------------------------------------------------------


def eager(flow: AnyFlow) -> AnyFlow:
    """The flow of the same node, of which the engine sees nothing but the node."""
    return Flow(flow.node)


def ends(make: Callable[[Callable[[AnyFlow], AnyFlow]], AnyFlow], backend: Callable[[], Any]) -> list[Any]:
    """Run what ``make`` makes with lazy flows, and with eager ones, watched and not; give how each ended."""
    found = []
    for change, trace in itertools.product((lambda flow: flow, eager), (False, True)):
        outcome = make(change).run_sync(0, backend=backend(), trace=trace)
        found.append((outcome.result, outcome.where))
    return found


def count_down(body: Callable[[int], AnyFlow], ending: Callable[[int], AnyFlow], turns: int) -> Any:
    def make(change: Callable[[AnyFlow], AnyFlow]) -> AnyFlow:
        def again(n: int) -> AnyFlow:
            return change(ending(n) if n >= turns else body(n).bind(again))

        return inc.bind(again)

    return make


def with_closures(change: Callable[[AnyFlow], AnyFlow]) -> AnyFlow:
    """A new function every turn, under one name, and then under another."""

    def turn(n: int, seen: tuple[int, ...]) -> AnyFlow:
        def even(m: int) -> AnyFlow:
            return turn(m, (*seen, n))

        def odd(m: int) -> AnyFlow:
            return turn(m, (*seen, -n))

        if n >= 7:
            return change(inc(len(seen)).bind(lambda m: pure((m, seen))))
        return change(inc(n).bind(even if n % 3 else odd))

    return inc.bind(lambda n: turn(n, ()))


def with_closures_that_raise(change: Callable[[AnyFlow], AnyFlow]) -> AnyFlow:
    """The last function has another name than the one before, which shows in the path of what it raises."""

    def turn(n: int) -> AnyFlow:
        def on(m: int) -> AnyFlow:
            return turn(m)

        def off(m: int) -> AnyFlow:
            raise KeyError(m)

        return change(inc(n).bind(off if n == 4 else on))

    return inc.bind(turn)


def with_two_steps(change: Callable[[AnyFlow], AnyFlow]) -> AnyFlow:
    def first(n: int) -> AnyFlow:
        return change(pure(n) if n >= 9 else inc(n).bind(second))

    def second(n: int) -> AnyFlow:
        return change(inc_with_context(n).bind(first))

    return inc.bind(first)


def not_in_tail_position(change: Callable[[AnyFlow], AnyFlow]) -> AnyFlow:
    def again(n: int) -> AnyFlow:
        return change(inc(n).bind(again)) >> below if n < 2 else change(below(n))

    return inc.bind(again)


def of_a_name_that_the_step_has(change: Callable[[AnyFlow], AnyFlow]) -> AnyFlow:
    def broken(n: int) -> AnyFlow:
        return change(fail("large") if n >= 3 else inc(n).bind(inc_))

    def inc_(n: int) -> AnyFlow:
        return broken(n)

    inc_.__name__ = "inc"
    return inc.bind(broken)


def of_a_function_that_raises(change: Callable[[AnyFlow], AnyFlow]) -> AnyFlow:
    def again(n: int) -> AnyFlow:
        return change(inc(n).bind(again)) if n < 3 else 1 // 0  # type: ignore[return-value]

    return inc.bind(again)


def of_a_function_that_gives_no_flow(change: Callable[[AnyFlow], AnyFlow]) -> AnyFlow:
    def again(n: int) -> Any:
        return change(inc(n).bind(again)) if n < 3 else n

    return inc.bind(again)


def under_retry(change: Callable[[AnyFlow], AnyFlow]) -> AnyFlow:
    def again(n: int) -> AnyFlow:
        return change(below(n).bind(again))

    return inc.bind(again).retry(recurs(2))


def in_a_block(change: Callable[[AnyFlow], AnyFlow]) -> AnyFlow:
    def again(n: int) -> AnyFlow:
        return change(pure(n) if n >= 2 else inc(n).bind(again))

    @do
    async def block(n: int) -> Any:
        n = await change(inc(n))
        n = await change(inc_with_context(n).bind(again))
        n = await change(pure(n)) + await change(inc(n).bind(again))
        return await change(below(n))

    return block


MAKES = [
    pytest.param(count_down(inc, pure, 4), id="a step that is only called"),
    pytest.param(count_down(inc_with_context, pure, 4), id="a step with a context"),
    pytest.param(count_down(below, pure, 4), id="a step that fails"),
    pytest.param(count_down(below_or_failure, pure, 9), id="a step that gives a failure"),
    pytest.param(count_down(inc_by_flow, pure, 4), id="a step that gives a flow"),
    pytest.param(count_down(inc, broken, 3), id="and then a defect"),
    pytest.param(count_down(inc, fail, 3), id="and then a failure"),
    pytest.param(count_down(step(inc.__wrapped__, name="often", retry=recurs(1)), fail, 3), id="a step with a policy"),
    pytest.param(with_closures, id="closures"),
    pytest.param(with_closures_that_raise, id="closures that raise"),
    pytest.param(with_two_steps, id="two steps in turn"),
    pytest.param(not_in_tail_position, id="not in tail position"),
    pytest.param(of_a_name_that_the_step_has, id="a function called as the step"),
    pytest.param(of_a_function_that_raises, id="a function that raises"),
    pytest.param(of_a_function_that_gives_no_flow, id="a function that gives no flow"),
    pytest.param(under_retry, id="under retry"),
    pytest.param(in_a_block, id="in a do block"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("make", MAKES)
def test_they_mean_what_their_node_means(make: Any, backend: Callable[[], Any]) -> None:
    """Same result at the same place, whether the engine takes the flow apart or compiles its node."""
    first, *others = (_comparable(end) for end in ends(make, backend))
    assert all(other == first for other in others)


def _comparable(end: tuple[Any, Any]) -> tuple[str, Any]:
    return repr(end[0]), end[1] and (end[1].path, end[1].attempt)


def test_paths_of_a_recursion_count_its_turns() -> None:
    outcome = count_down(below, pure, 9)(lambda flow: flow).run_sync(0)
    assert outcome.where == Place("again~2/below")


def test_a_shape_holds_no_function_of_a_run() -> None:
    """What a step keeps between runs is its own block and a name, not the closure that was bound to it."""

    class Held:
        pass

    def run() -> weakref.ref[Held]:
        held = Held()
        assert inc(1).bind(lambda n: pure(n) if held else fail("none")).run_sync().unwrap() == 2
        assert pure(1).bind(lambda n: inc(n).bind(lambda m: pure(m) if held else fail("none"))).run_sync().ok
        return weakref.ref(held)

    found = run()
    gc.collect()
    assert found() is None
