"""Checks that try a flow in many worlds: an invariant of its state, nothing left behind, no dependence on the order.

They try what :func:`mce.testing.fuzz` tries, look for one thing, and show the smallest world in which it goes wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from mce.flow import NO_INPUT, Flow
from mce.testing.fuzz_report import Finding
from mce.testing.fuzzing import Explorer
from mce.testing.reproduce import literal
from mce.testing.timeline import timeline

__all__ = ["assert_deterministic", "assert_invariant", "assert_no_leak"]

AnyFlow = Flow[Any, Any, Any, Any]


def assert_invariant(
    flow: AnyFlow,
    predicate: Callable[[Any], object],
    *,
    input: Any = NO_INPUT,
    state: Any = None,
    examples: int = 200,
    seed: int = 0,
    stubs: Mapping[AnyFlow | str, Any] | None = None,
    real: Iterable[AnyFlow | str] = (),
    deps: Any = None,
) -> None:
    """Check that ``predicate`` holds of every state that ``flow`` reaches, in every world that is tried.

    It breaks where ``predicate`` gives ``False`` or raises ``AssertionError``. The states are that at the start, after
    each change, and at the end. Worlds are made as by :func:`mce.testing.fuzz`, whose options the others are.

    Raises ``AssertionError`` with the smallest world in which it does not hold, as a timeline.

    >>> from mce import modify
    >>> assert_invariant(modify(lambda n: n + 1) >> modify(lambda n: n - 2), lambda n: n >= 0, state=0, examples=10)
    Traceback (most recent call last):
    AssertionError: the invariant does not hold at modify:2: the state is -1
    ...
    """
    explorer = Explorer(
        flow, input=input, state=state, examples=examples, seed=seed, invariant=predicate,
        stubs=stubs, real=real, deps=deps, only=frozenset({"invariant"}),
    )  # fmt: skip
    found = explorer.first()
    if found is not None:
        raise AssertionError(f"the invariant {found.message}\n{_world(found)}{timeline(found.ran)}")


def assert_no_leak(
    flow: AnyFlow,
    *,
    input: Any = NO_INPUT,
    state: Any = None,
    examples: int = 200,
    seed: int = 0,
    stubs: Mapping[AnyFlow | str, Any] | None = None,
    real: Iterable[AnyFlow | str] = (),
    deps: Any = None,
) -> None:
    """Check that ``flow`` leaves nothing behind: no task, file or socket, nothing taken that is given back otherwise.

    Tried are success, failures, crashes, timeouts, and a cancellation before every turn of a task. Worlds are made as
    by :func:`mce.testing.fuzz`, whose options these are.

    Raises ``AssertionError`` that says what was left, with the smallest world and its timeline.
    """
    explorer = Explorer(
        flow, input=input, state=state, examples=examples, seed=seed,
        stubs=stubs, real=real, deps=deps, only=frozenset({"leak"}),
    )  # fmt: skip
    found = explorer.first()
    if found is not None:
        raise AssertionError(f"{found.message}\n{_world(found)}{timeline(found.ran)}")


def assert_deterministic(
    flow: AnyFlow,
    *,
    input: Any = NO_INPUT,
    state: Any = None,
    examples: int = 200,
    seed: int = 0,
    stubs: Mapping[AnyFlow | str, Any] | None = None,
    real: Iterable[AnyFlow | str] = (),
    deps: Any = None,
) -> None:
    """Check that what ``flow`` comes to does not depend on who goes first, given the same answers of the outside.

    Compared are the result, the state, and the data that steps share in their modules. A flow with a ``race`` or a
    ``quorum`` depends on it on purpose and is not for this check. Worlds are made as by :func:`mce.testing.fuzz`,
    whose options these are.

    Raises ``AssertionError`` with the two smallest schedules that differ, as timelines.
    """
    explorer = Explorer(
        flow, input=input, state=state, examples=examples, seed=seed,
        stubs=stubs, real=real, deps=deps, only=frozenset({"order"}),
    )  # fmt: skip
    found = explorer.first()
    if found is not None:
        first = explorer.again(replace(found.trial, order=()))
        raise AssertionError(
            f"{found.message}\n{_world(found)}in the order of those who come:\n{timeline(first)}\n"
            f"in the order {list(found.trial.order)}:\n{timeline(found.ran)}"
        )


def _world(found: Finding) -> str:
    """Say what the world did, a line each."""
    trial = found.trial
    lines = [] if trial.input is NO_INPUT else [f"with the input {literal(trial.input)}"]
    lines += [f"when {literal(key)}: {literal(made)}" for key, made in list(trial.calls.items())[:20]]
    lines += [f"when it is cancelled before turn {trial.cut}"] if trial.cut is not None else []
    return "".join(f"{line}\n" for line in lines)
