"""Checks that try a flow in many worlds: an invariant of its state, nothing left behind, no dependence on the order.

They try what :func:`mce.testing.fuzz` tries, look for one thing, and show the smallest world in which it goes wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypedDict

from typing_extensions import Unpack

from mce.flow import NO_INPUT, Flow
from mce.testing.fuzz_report import Finding
from mce.testing.fuzzing import Explorer
from mce.testing.reproduce import literal
from mce.testing.timeline import timeline

__all__ = ["Exploration", "assert_deterministic", "assert_invariant", "assert_no_leak"]

AnyFlow = Flow[Any, Any, Any, Any]


class Exploration(TypedDict, total=False):
    """The options that the checks share, with the meaning that they have for :func:`mce.testing.fuzz`.

    ``input`` (default: drawn from the annotation of the first step) and ``state`` (default: its class's defaults) are
    what a run begins with; about ``examples`` worlds are tried (default 200), the same for the same ``seed`` (default
    0). ``stubs`` stand for steps, ``real`` steps run without faults and may reach outside, both by step or by name.
    ``deps`` is what steps find as ``ctx.deps``.
    """

    input: Any
    state: Any
    examples: int
    seed: int
    stubs: Mapping[AnyFlow | str, Any] | None
    real: Iterable[AnyFlow | str]
    deps: Any


def assert_invariant(flow: AnyFlow, predicate: Callable[[Any], object], **options: Unpack[Exploration]) -> None:
    """Check that ``predicate`` holds of every state that ``flow`` reaches, in every world that is tried.

    It breaks where ``predicate`` gives ``False`` or raises ``AssertionError``. The states are that at the start, after
    each change, and at the end. For the options see :class:`Exploration`.

    Raises ``AssertionError`` with the smallest world in which it does not hold, as a timeline.

    >>> from mce import modify
    >>> assert_invariant(modify(lambda n: n + 1) >> modify(lambda n: n - 2), lambda n: n >= 0, state=0, examples=10)
    Traceback (most recent call last):
    AssertionError: the invariant does not hold at modify:2: the state is -1
    ...
    """
    explorer = _explorer(flow, "invariant", options, invariant=predicate)
    found = explorer.first()
    if found is not None:
        raise AssertionError(f"the invariant {found.message}\n{_world(found)}{timeline(found.ran)}")


def assert_no_leak(flow: AnyFlow, **options: Unpack[Exploration]) -> None:
    """Check that ``flow`` leaves nothing behind: no task, file or socket, nothing taken that is given back otherwise.

    Tried are success, failures, crashes, timeouts, and a cancellation before every turn of a task. For the options
    see :class:`Exploration`.

    Raises ``AssertionError`` that says what was left, with the smallest world and its timeline.
    """
    explorer = _explorer(flow, "leak", options)
    found = explorer.first()
    if found is not None:
        raise AssertionError(f"{found.message}\n{_world(found)}{timeline(found.ran)}")


def assert_deterministic(flow: AnyFlow, **options: Unpack[Exploration]) -> None:
    """Check that what ``flow`` comes to does not depend on who goes first, given the same answers of the outside.

    Compared are the result, the state, and the data that steps share in their modules. A flow with a ``race`` or a
    ``quorum`` depends on it on purpose and is not for this check. For the options see :class:`Exploration`.

    Raises ``AssertionError`` with the two smallest schedules that differ, as timelines.
    """
    explorer = _explorer(flow, "order", options)
    found = explorer.first()
    if found is not None:
        first = explorer.again(replace(found.trial, order=()))
        raise AssertionError(
            f"{found.message}\n{_world(found)}in the order of those who come:\n{timeline(first)}\n"
            f"in the order {list(found.trial.order)}:\n{timeline(found.ran)}"
        )


def _explorer(
    flow: AnyFlow, kind: str, options: Exploration, *, invariant: Callable[[Any], object] | None = None
) -> Explorer:
    """Make what looks for one kind of finding; it takes more options than are meant here, so the names are checked."""
    known = Exploration.__annotations__
    for name in options:
        if name not in known:
            raise TypeError(f"there is no option {name!r}: the options are {', '.join(known)}")
    told: Exploration = {"examples": 200, **options}
    return Explorer(flow, **told, invariant=invariant, only=frozenset({kind}))


def _world(found: Finding) -> str:
    """Say what the world did, a line each."""
    trial = found.trial
    lines = [] if trial.input is NO_INPUT else [f"with the input {literal(trial.input)}"]
    lines += [f"when {literal(key)}: {literal(made)}" for key, made in list(trial.calls.items())[:20]]
    lines += [f"when it is cancelled before turn {trial.cut}"] if trial.cut is not None else []
    return "".join(f"{line}\n" for line in lines)
