"""What can be a step, what cannot, and what is said of it."""

from __future__ import annotations

import functools
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from mce import Context, DefinitionError, InvalidFlow, InvalidInput, InvalidStep, Step, pure, recurs, step


@step
async def double(n: int) -> int:
    """Twice."""
    return 2 * n


@step
def scaled(n: int, *, by: int = 3) -> int:
    return n * by


@step
def add(left: int, right: int) -> int:
    return left + right


@step
def nothing() -> None:
    return None


@step
def late(n: int = 7) -> int:
    return n


def test_a_step_chains_and_is_called() -> None:
    assert (double >> double).run_sync(1).value == 4
    assert double(4).run_sync().value == 8
    assert scaled(2, by=5).run_sync().value == 10
    assert add(1, right=2).run_sync().value == 3
    assert (pure(1) >> nothing).run_sync().value is None
    assert late().run_sync().value == 7
    assert (double >> late).run_sync(1).value == 2


def test_a_step_keeps_what_it_is_made_of() -> None:
    assert double.__name__ == "double"
    assert double.__doc__ == "Twice."
    assert double.__module__ == __name__
    assert repr(double) == "<Step double>"


@pytest.mark.parametrize("flow", [double, double(3), scaled(2, by=5), double >> scaled], ids=repr)
def test_steps_cross_process_borders(flow: Any) -> None:
    copy = pickle.loads(pickle.dumps(flow))
    assert copy.run_sync(5).value == flow.run_sync(5).value


def test_arguments_are_checked_when_the_step_is_called() -> None:
    with pytest.raises(DefinitionError, match=r"add\(left: 'int', right: 'int'\).* was called with \(1\): missing"):
        add(1)  # type: ignore[call-arg]  # pyright: ignore
    with pytest.raises(DefinitionError, match="unexpected keyword argument 'ny'"):
        scaled(1, ny=3)  # type: ignore[call-arg]  # pyright: ignore
    with pytest.raises(DefinitionError, match="too many positional"):
        nothing(1)  # type: ignore[call-arg]  # pyright: ignore


def test_a_step_of_several_parameters_cannot_be_chained() -> None:
    several: Any = add
    for flow in (pure(1) >> several, several, several.retry(recurs(1))):
        with pytest.raises(InvalidFlow, match="step 'add' takes 2 required arguments"):
            flow.run_sync(1)
    outcome = pure(1).bind(lambda _: several).run_sync()
    assert "missing 1 required positional argument" in str(outcome.error)
    assert pure(1).bind(lambda n: add(n, 2)).run_sync().value == 3


def test_a_flow_that_needs_an_input_says_who_takes_it() -> None:
    with pytest.raises(InvalidInput, match="step 'double'"):
        double.run_sync()  # type: ignore[call-overload]  # pyright: ignore


def yields() -> Iterator[int]:
    yield 1


async def yields_later() -> AsyncIterator[int]:
    yield 1


def context_last(n: int, ctx: Context[object]) -> None: ...
def context_misnamed(n: int, context: Context[object]) -> None: ...
def no_context(ctx: int) -> None: ...


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (3, "@step decorates a function, not int 3"),
        (yields, "step 'yields' yields"),
        (yields_later, "step 'yields_later' yields"),
        (double, "double is a step already"),
        (context_last, "the context is the first parameter and called ctx"),
        (context_misnamed, "the context is the first parameter and called ctx, here 'context' is not"),
        (no_context, "ctx is annotated int"),
    ],
    ids=repr,
)
def test_what_cannot_be_a_step_is_refused(fn: Any, said: str) -> None:
    with pytest.raises(InvalidStep) as caught:
        step(fn)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"raises": 3}, "raises= takes exception classes, not 3"),
        ({"raises": BaseException}, "raises= takes exception classes"),
        ({"retry": 3}, "retry= takes a schedule such as recurs(3), not 3"),
        ({"retry": recurs(1), "idempotent": False}, "which idempotent=False forbids"),
        ({"timeout": -1}, "timeout= is a number of seconds"),
        ({"run_in": "cloud"}, "run_in= is 'thread', 'process' or 'inline', not 'cloud'"),
        ({"name": "a/b"}, "a name has none of"),
    ],
    ids=repr,
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], said: str) -> None:
    def plain(n: int) -> int:
        return n

    with pytest.raises(InvalidStep) as caught:
        step(**options)(plain)
    assert "'" + options.get("name", "plain") in str(caught.value) or "plain" in str(caught.value)
    assert said in str(caught.value)


def test_an_async_step_takes_no_thread() -> None:
    async def later(n: int) -> int:
        return n

    with pytest.raises(InvalidStep, match="run_in= is for plain functions"):
        step(later, run_in="thread")


def test_a_method_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(RuntimeError) as caught:

        class Tools:
            @step
            def search(self, query: str) -> str:
                return query

    cause = caught.value.__cause__
    assert isinstance(cause, InvalidStep)
    assert "Tools.search: a step is a function, not a method" in str(cause)


def test_a_class_may_hold_a_step_that_was_made_elsewhere() -> None:
    class Tools:
        twice = double

    assert Tools.twice(2).run_sync().value == 4


def test_partials_builtins_and_callable_objects_are_steps() -> None:
    class Adder:
        def __init__(self, n: int) -> None:
            self.n = n

        def __call__(self, m: int) -> int:
            return self.n + m

    half: Callable[[int], int] = functools.partial(pow, 2)
    assert step(half)(3).run_sync().value == 8
    assert step(len).run_sync("four").value == 4
    assert step(Adder(2)).run_sync(3).value == 5
    assert isinstance(step(len), Step)
