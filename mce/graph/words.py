"""What a graph says of values, signatures and declarations, as text; nothing of it is evaluated."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from itertools import islice
from typing import Any

from mce.combinators.functor import _FailWith
from mce.combinators.monad import fail, pure
from mce.errors import brief
from mce.graph.ir import Effects, NodeKind, Policy
from mce.graph.writes import NOTHING, may_continue, written_by
from mce.schedule import Schedule, _Jittered
from mce.syntax import Arguments, StepSpec

__all__ = [
    "bounding",
    "continuation_kind",
    "counted",
    "effects_of",
    "function_label",
    "given_text",
    "joining",
    "lens_text",
    "policies_of",
    "policy_of_guard",
    "schedule_policy",
    "signature",
    "value_text",
]

_SHOWN = 200
_COUNTED = 10_000
"""Of a schedule with more delays than that it is said that it has no bound."""


def value_text(value: Any) -> str:
    """Write a value on one line, cut to 200 characters; never raises."""
    return brief(value, _SHOWN)


def given_text(value: Any) -> str:
    """Write an input that is supplied, arguments as in a call."""
    return repr(value) if isinstance(value, Arguments) else value_text(value)


def counted(value: Any) -> int | None:
    """Say how many elements an input that is supplied has, if it is a collection of Python's own."""
    return len(value) if type(value) in (list, tuple, str, set, frozenset, dict, range) else None


def signature(fn: Callable[..., Any]) -> tuple[str, str]:
    """Give the types of what ``fn`` takes, but for a context, and of what it returns, as text; empty if not known."""
    return _signature(getattr(fn, "fn", fn) if not inspect.isroutine(fn) else fn)


@lru_cache(maxsize=4096)
def _signature(fn: Any) -> tuple[str, str]:
    try:
        found = inspect.signature(fn)
    except (TypeError, ValueError):
        return "", ""
    taken = [_annotation(p.annotation) for name, p in found.parameters.items() if name != "ctx" and _required(p)]
    shown = taken[0] if len(taken) == 1 else f"({', '.join(part or '?' for part in taken)})" if taken else ""
    return shown, _annotation(found.return_annotation)


def _required(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind not in (
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
    )


def _annotation(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def effects_of(fn: Callable[..., Any], spec: StepSpec) -> Effects:
    """Give what is declared of a step."""
    found = inspect.unwrap(fn) if inspect.isroutine(fn) else fn
    name = getattr(found, "__qualname__", type(found).__qualname__)
    fields: dict[str, Any] = {"step": f"{getattr(found, '__module__', '?')}:{name}"}
    fields |= {"doc": spec.doc.split("\n", 1)[0]} if spec.doc else {}
    fields |= {"is_async": False} if not spec.is_async else {}
    fields |= {"pure": True} if spec.pure else {}
    fields |= {"idempotent": spec.idempotent} if spec.idempotent is not None else {}
    fields |= {"raises": tuple(cls.__name__ for cls in spec.raises)} if spec.raises else {}
    fields |= {"run_in": spec.run_in} if spec.run_in else {}
    fields |= {"resources": dict(spec.resources)} if spec.resources else {}
    fields |= {"takes_context": True} if spec.takes_context else {}
    fields |= {"continues": True} if may_continue(fn) else {}
    writes = written_by(fn) if spec.takes_context else NOTHING
    fields |= {"writes": tuple(sorted(writes.fields))} if writes.complete else {}
    return Effects(**fields)


def policies_of(spec: StepSpec) -> tuple[Policy, ...]:
    """Give the policies that a step was declared with, the outermost first."""
    found: list[Policy] = []
    if spec.cache is not None:
        found.append(Policy(kind="cache", text="cached"))
    if spec.retry is not None:
        found.append(schedule_policy(spec.retry))
    if spec.limit is not None:
        found.append(Policy(kind="limit", text=f"limit {spec.limit.name} {spec.limit.size}"))
    if spec.timeout is not None:
        found.append(Policy(kind="timeout", text=f"timeout {spec.timeout:g} s", seconds=spec.timeout))
    return tuple(found)


def schedule_policy(schedule: Schedule) -> Policy:
    """Give the policy of a retry: how often something is called at most, which is once more than there are delays.

    Jitter is taken at its bounds; where it decides how many delays there are, it is not known how long they take.
    """
    fewest, most = (list(islice(_jittered_by(at, schedule).delays(), _COUNTED)) for at in (1, 0))
    text = f"retry {schedule!r}"
    if len(most) == _COUNTED:
        return Policy(kind="retry", text=text, attempts=None)
    waits = sum(fewest) if len(fewest) == len(most) else None
    return Policy(kind="retry", text=text, attempts=len(most) + 1, waits=waits)


def _jittered_by(at: int, schedule: Schedule) -> Schedule:
    """Give the schedule with all jitter at its low bound (0) or at its high one (1)."""

    def fixed(op: Any) -> Any:
        bound = (op.low, op.high)[at] if isinstance(op, _Jittered) else 0.0
        return _Jittered(bound, bound) if isinstance(op, _Jittered) else op

    return Schedule(tuple(map(fixed, schedule.ops)))


_GUARDS = {"limit": "limit", "rate": "rate", "circuit": "breaker", "cached": "cache", "compensate": "saga"}


def policy_of_guard(label: str) -> Policy:
    """Give the policy of a guard by the label of its steps, such as ``limit(db)``."""
    kind, _, name = label.partition("(")
    return Policy(kind=_GUARDS.get(kind, "other"), text=f"{kind} {name.rstrip(')')}".rstrip())  # type: ignore[arg-type]


def continuation_kind(f: Callable[..., Any]) -> NodeKind:
    """Give what a continuation is: of those that only give a value, or fail with one, nothing is opaque."""
    if isinstance(f, _FailWith) or f is fail:
        return "fail"
    return "function" if f is pure else "dynamic"


def function_label(f: Callable[..., Any]) -> str:
    """Give what a pure function is called in a path."""
    found = getattr(f, "__name__", "map")
    return found if found.isidentifier() else "map"


def joining(join: Any) -> dict[str, Any]:
    """Give what a graph node says of a join."""
    how: dict[str, Any] = {"mode": join.mode}
    if join.count:
        how["count"] = join.count
    if join.merge is not None:
        how["merges"] = True
    return how


def bounding(seconds: float, budget: Any) -> dict[str, Any]:
    """Give what a graph node says of a timeout or a budget."""
    bound = None if seconds == float("inf") else seconds
    if budget is None:
        return {"kind": "timeout", "policies": (Policy(kind="timeout", text=f"timeout {seconds:g} s", seconds=bound),)}
    parts = [(budget.steps, "{} steps"), (bound, "{:g} s"), (budget.cost, "cost {:g}")]
    text = "budget " + ", ".join(form.format(amount) for amount, form in parts if amount is not None)
    policy = Policy(kind="budget", text=text, seconds=bound, steps=budget.steps, cost=budget.cost)
    return {"kind": "budget", "policies": (policy,)}


def lens_text(lens: Any) -> str:
    """Name the part of the state that a lens is for, if it says so."""
    names = getattr(lens, "names", ())
    return ".".join(names) if names else value_text(lens)
