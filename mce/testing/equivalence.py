"""When two flows are the same: what can be observed of their runs, compared up to paths, tracebacks and times.

Observed are the result, the final state and the calls of steps, in their order where a backend runs branches in turn,
else in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from returns.result import Failure, Success

from mce.backends.inline import InlineBackend
from mce.engine.protocol import Backend
from mce.errors import Defect, StateConflict, brief
from mce.events import StepStarted
from mce.flow import NO_INPUT, Flow
from mce.outcome import Outcome

__all__ = ["Observation", "assert_equivalent", "canonical", "observe"]


@dataclass(frozen=True)
class Observation:
    """What can be observed of a run; in ``calls`` each is the name of a step and its input. All is ``canonical``."""

    result: Any
    state: Any
    calls: tuple[Any, ...] = ()

    @staticmethod
    def of(outcome: Outcome[Any, Any, Any], calls: Sequence[tuple[str, Any]] = ()) -> Observation:
        """Give what can be observed of an outcome, and of the ``calls`` on the way to it."""
        return Observation(canonical(outcome.result), canonical(outcome.state), canonical(tuple(calls)))

    def differences(self, other: Observation, *, calls: bool = True, in_order: bool = True) -> list[str]:
        """List what differs, a line each; without ``in_order`` calls may be in any order."""
        found: list[str] = []
        for name in ("result", "state"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                found.append(f"{name}: {brief(mine, 300)} and {brief(theirs, 300)}")
        if calls and in_order and self.calls != other.calls:
            found.append(f"calls: {brief(self.calls, 300)} and {brief(other.calls, 300)}")
        if calls and not in_order:
            for one, another, who in ((self, other, "first"), (other, self, "second")):
                found += [
                    f"a call of the {who} alone: {brief(call, 300)}" for call in _left_over(one.calls, another.calls)
                ]
        return found


def _left_over(calls: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """List the calls for which there is none among the others; they may be unhashable."""
    left = list(others)
    found: list[Any] = []
    for call in calls:
        if call in left:
            left.remove(call)
        else:
            found.append(call)
    return found


def canonical(value: Any) -> Any:
    """Give ``value`` with every exception in it replaced by what identifies it, which leaves out where it happened.

    Looks into results, tuples, lists, dicts, dataclasses and errors.

    >>> from mce import Defect
    >>> canonical(Defect(KeyError("k"), path="here")) == canonical(Defect(KeyError("k"), path="there"))
    True
    >>> canonical(KeyError("k")) == canonical(KeyError("l"))
    False
    """
    match value:
        case Success(inner):
            return Success(canonical(inner))
        case Failure(inner):
            return Failure(canonical(inner))
        case StateConflict():
            return (StateConflict, value.field, canonical(value.values), value.problem)
        case Defect():
            return (type(value), canonical(value.cause))
        case BaseException():
            told = {name: canonical(part) for name, part in vars(value).items() if not name.startswith("__")}
            return (type(value), {**told, "path": ""} if "path" in told else (canonical(value.args), told))
        case tuple() | list() if type(value) in (tuple, list):
            return type(value)(map(canonical, value))
        case dict() if type(value) is dict:
            return {key: canonical(part) for key, part in value.items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            return (type(value), *(canonical(getattr(value, field.name)) for field in fields(value) if field.compare))
        case _:
            return value


def observe(
    flow: Flow[Any, Any, Any, Any],
    input: Any = NO_INPUT,
    *,
    state: Any = None,
    deps: Any = None,
    backend: Backend | None = None,
) -> Observation:
    """Run ``flow`` from plain code, on an ``InlineBackend`` if no other is named, and give what can be observed.

    >>> from mce import step
    >>> @step(pure=True)
    ... def half(n: int) -> int:
    ...     return n // 2
    >>> observe(half >> half, 9).calls
    (('half', 9), ('half', 4))
    """
    outcome = flow.run_sync(input, state=state, deps=deps, backend=backend or InlineBackend(), trace=True)
    return Observation.of(outcome, [(e.step, e.input) for e in outcome.trace if isinstance(e, StepStarted)])


def assert_equivalent(
    flow_a: Flow[Any, Any, Any, Any],
    flow_b: Flow[Any, Any, Any, Any],
    input: Any = NO_INPUT,
    *,
    state: Any = None,
    deps: Any = None,
    backends: Sequence[Backend] = (),
    calls: bool = True,
) -> None:
    """Assert that two flows do the same from ``input`` and ``state``: result, final state and calls of steps.

    Both run on each of ``backends`` (without any, on an ``InlineBackend``), and all runs must agree. On a concurrent
    backend calls may come in any order; say ``calls=False`` where a failure or a race cancels others, since what those
    had called by then is open. ``deps``, if a factory, is called for every run.

    >>> from mce import fail, pure
    >>> assert_equivalent(pure(3).bind(fail), fail(3))
    >>> assert_equivalent(pure(3), fail(3))
    Traceback (most recent call last):
    AssertionError: the flows differ on InlineBackend()
      result: <Success: 3> and <Failure: 3>
    """
    first: Observation | None = None
    for backend in backends or (InlineBackend(),):
        for flow in (flow_a, flow_b):
            seen = observe(flow, input, state=state, deps=deps, backend=backend)
            first = first or seen
            differences = first.differences(seen, calls=calls, in_order=all(b.sequential for b in backends))
            if differences:
                raise AssertionError("\n  ".join([f"the flows differ on {backend!r}", *differences]))
