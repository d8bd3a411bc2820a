"""What is decided before a run: answers of calls, the order of tasks, and who stands for which step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mce.engine.points import Point
from mce.flow import Flow
from mce.testing.answers import continues
from mce.testing.decisions import Decision, Key
from mce.testing.oracle import Oracle

__all__ = ["AT_MOST", "Constant", "Played", "Script", "StepKey"]

AT_MOST = 10_000
"""How many calls a run may make."""


class StepKey:
    """A step as a key: by its function, which is equal to itself alone, or by its ``label`` if there is none."""

    __slots__ = ("fn", "label")

    def __init__(self, label: str, fn: Callable[..., Any] | None = None) -> None:
        self.label = label
        self.fn = fn

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StepKey) or other.fn is not self.fn:
            return False
        return self.fn is not None or other.label == self.label

    def __hash__(self) -> int:
        return hash(self.label) if self.fn is None else id(self.fn)

    def __repr__(self) -> str:
        return f"<StepKey {self.label}>"


class Constant:
    """A stub that returns the same at every call."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.value


@dataclass
class Script:
    """What a world has decided; the ``oracle`` decides about the rest, which is added."""

    calls: dict[Key, Decision]
    order: list[int]
    oracle: Oracle
    at_most: int
    stubs: dict[StepKey, Callable[..., Any]] = field(default_factory=dict)
    reals: set[StepKey] = field(default_factory=set)

    def stub_of(self, point: Point) -> Callable[..., Any] | None:
        """Give the function that stands for the step about to be called."""
        stubs = self.stubs
        return stubs.get(StepKey(point.step, point.fn)) or stubs.get(StepKey(point.step)) if stubs else None

    def is_real(self, point: Point) -> bool:
        """Whether the step about to be called runs as it is, where no decision for the call says otherwise."""
        assert point.spec is not None
        assert point.fn is not None
        if StepKey(point.step, point.fn) in self.reals or StepKey(point.step) in self.reals:
            return True
        if self.stub_of(point) is not None:
            return False
        return point.spec.pure or getattr(point.fn, "passes_on", False) or continues(point.fn)


@dataclass(frozen=True)
class Played:
    """What was run, and by whom steps were stood for."""

    flow: Flow[Any, Any, Any, Any]
    input: Any
    state: Any
    deps: Any
    stubs: dict[StepKey, Callable[..., Any]]
    reals: frozenset[StepKey]
    at_most: int
