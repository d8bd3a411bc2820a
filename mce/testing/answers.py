"""What a step is declared to answer, read from its annotations: values, failures, or a flow to continue with."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from types import UnionType
from typing import Any, Never, Union

from returns.result import Result

from mce.combinators.desk import Ask
from mce.errors import DefinitionError
from mce.flow import Flow
from mce.syntax import StepSpec

__all__ = ["Answers", "NoAnswer", "answers", "continues"]


class NoAnswer(DefinitionError):
    """No answer of ``step`` can be made up from its ``annotation``; ``call`` is the path and number of the call."""

    def __init__(self, step: str, annotation: str, problem: str, call: tuple[str, int] | None = None) -> None:
        super().__init__(step, annotation, problem, call)
        self.step, self.annotation, self.problem, self.call = step, annotation, problem, call

    def of(self, call: tuple[str, int]) -> NoAnswer:
        """Give the same error, of a ``call``."""
        return NoAnswer(self.step, self.annotation, self.problem, call)

    def __str__(self) -> str:
        written = f", or write it down: calls={{{self.call!r}: Returns(...)}}" if self.call else ""
        return (
            f"no answer of step {self.step!r} can be made up: its annotation {self.annotation} {self.problem}; "
            f"say world.stub({self.step!r}, answer), with a value or a function{written}"
        )


@dataclass(frozen=True, slots=True)
class Answers:
    """What a step gives: a ``value`` or an ``error``, both annotations (``Never``: none), or an exception it raises.

    ``shown`` is the whole annotation as it reads.
    """

    value: Any
    error: Any
    raises: tuple[type[BaseException], ...]
    shown: str

    @property
    def fails(self) -> bool:
        """Whether the step declares any failure."""
        return self.error is not Never or bool(self.raises)


def answers(fn: Callable[..., Any], spec: StepSpec) -> Answers:
    """Read what the step with the function ``fn`` is declared to answer; :class:`NoAnswer` if that cannot be read.

    >>> def plan(question: str) -> "Result[int, KeyError]": ...
    >>> found = answers(plan, StepSpec("plan"))
    >>> found.value, found.error
    (<class 'int'>, <class 'KeyError'>)
    """
    try:
        declared = _declared(fn)
    except Exception as unknown:  # whatever evaluating an annotation raises
        raise NoAnswer(spec.name, _written(fn), f"cannot be evaluated: {unknown}") from None
    shown = inspect.formatannotation(declared)
    if typing.get_origin(declared) is Result:
        value, error = typing.get_args(declared)
        return Answers(value, error, spec.raises, shown)
    if declared is Result:
        return Answers(Any, Any, spec.raises, shown)
    return Answers(declared, Never, spec.raises, shown)


def continues(fn: Callable[..., Any]) -> bool:
    """Whether a step is declared to return a flow to continue with, alone or in a union."""
    try:
        declared = _declared(fn)
    except Exception:  # then it is not known to
        return False
    parts = typing.get_args(declared) if typing.get_origin(declared) in (Union, UnionType) else (declared,)
    origins = [typing.get_origin(part) or part for part in parts]
    return any(isinstance(origin, type) and issubclass(origin, Flow) for origin in origins)


def _declared(fn: Callable[..., Any]) -> Any:
    """Give the return annotation, evaluated; ``Any`` if there is none."""
    if isinstance(fn, Ask):  # a call of a batched function, which answers for many
        many = _declared(fn.many.fn)
        return (typing.get_args(many) or (Any,))[-1]
    return typing.get_type_hints(_function(fn), include_extras=True).get("return", Any)


def _written(fn: Callable[..., Any]) -> str:
    return str(getattr(_function(fn), "__annotations__", {}).get("return", "of what it returns"))


def _function(fn: Any) -> Any:
    """Give the function whose annotations are those of the callable ``fn``."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return fn if inspect.isroutine(fn) else type(fn).__call__
