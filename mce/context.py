"""``Context``, what a step is given of the run it is part of."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Hashable, Iterator
from typing import Any, Generic, NoReturn, Protocol, cast

from returns.result import Result
from typing_extensions import TypeVar

from mce.errors import DefinitionError, UsageError, brief

__all__ = ["Branch", "Context", "Host", "branch_of"]

S = TypeVar("S", default=Any)
T = TypeVar("T")


class Host(Protocol):
    """What a context asks of the engine: the branch of a run that is calling the step."""

    state: Any

    def update(self, fields: dict[str, Any]) -> None: ...
    def replace(self, state: Any) -> None: ...
    def emit(self, value: Any) -> None: ...
    def path(self) -> str: ...
    def attempt(self) -> int: ...
    def idempotency_key(self) -> str: ...
    def spend(self, cost: float) -> None: ...
    async def sleep(self, seconds: float) -> None: ...
    @property
    def deps(self) -> Any: ...


class Branch(Host, Protocol):
    """What the internal steps of combinators ask of the engine besides: what is beyond one step.

    Branches compare by identity. What is here is for the task of the run; a worker thread only reads its ``visits``.
    """

    @property
    def backend(self) -> Any:
        """The :class:`mce.Backend` of the run: its clock, and how it calls functions."""
        ...

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """Give what all branches of the run share under ``key``, made at the first time."""
        ...

    def lineage(self) -> Iterator[Branch]:
        """Give this branch, the one that it was forked from, and so on."""
        ...

    def visits(self) -> list[Any]:
        """Give what this branch has begun and not ended, innermost last; brackets put it there and take it off."""
        ...

    def ending(self) -> Result[Any, Any] | None:
        """Say, in a release, how the use ended; ``None`` when it was cancelled."""
        ...

    def spawn(self, main: Callable[[], Coroutine[Any, Any, None]]) -> object:
        """Run ``main`` in a task of its own, which whoever asked keeps and waits for; ``main`` raises nothing."""
        ...


class Context(Generic[S]):
    """What a step asks for with a first parameter ``ctx: Context[State]``.

    It is the step's own and ends with it: using it later is a :class:`mce.UsageError`. State objects are immutable;
    ``update`` and ``put`` replace the state of this branch of the run.
    """

    __slots__ = ("_host", "_name")

    def __init__(self, host: Host, name: str) -> None:
        self._host: Host | None = host
        self._name = name

    @property
    def state(self) -> S:
        """The state as it is now."""
        host = self._host
        return host.state if host is not None else self._ended()  # type: ignore[no-any-return]

    def update(self, **fields: Any) -> None:
        """Replace the named fields of the state, each validated against its declared type.

        Raises :class:`mce.InvalidState`, which names the field, for an unknown one or a wrong value; the state
        is then as it was.
        """
        (self._host or self._ended()).update(fields)

    def put(self, state: S) -> None:
        """Replace the whole state by another instance of its class."""
        (self._host or self._ended()).replace(state)

    def emit(self, value: Any) -> None:
        """Hand ``value`` to whoever streams this run; without a listener nothing happens."""
        (self._host or self._ended()).emit(value)

    @property
    def deps(self) -> Any:
        """What the caller passed to the run as ``deps``."""
        return (self._host or self._ended()).deps

    @property
    def path(self) -> str:
        """Where in the flow this call stands, the same in every run: ``agent/gather[1]/search``."""
        return (self._host or self._ended()).path()

    @property
    def attempt(self) -> int:
        """Which attempt of the innermost ``retry`` this is; the first is 1."""
        return (self._host or self._ended()).attempt()

    def spend(self, cost: float) -> None:
        """Count ``cost``, in a unit of one's own, in every ``budget`` around; without one nothing happens.

        Say it before what costs: where a budget does not allow it, the step is stopped here, as by a cancellation, and
        the flow under that budget fails with :class:`mce.BudgetExceeded`.
        """
        if not isinstance(cost, int | float) or not 0 <= cost < float("inf"):
            raise DefinitionError(f"ctx.spend({brief(cost)}): a cost is a finite number that is not negative")
        (self._host or self._ended()).spend(cost)

    async def sleep(self, seconds: float) -> None:
        """Wait ``seconds`` on the backend's clock."""
        await (self._host or self._ended()).sleep(seconds)

    @property
    def idempotency_key(self) -> str:
        """A key of this call, the same for every attempt: the run's id and the path."""
        return (self._host or self._ended()).idempotency_key()

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger named ``mce.step.<name>`` that puts the path before every message."""
        host = self._host or self._ended()
        return _StepLogger(logging.getLogger(f"mce.step.{self._name}"), {"path": host.path()})

    def close(self) -> None:
        """End the context; the engine does so when the step has returned."""
        self._host = None

    def _ended(self) -> NoReturn:
        raise UsageError(
            f"the ctx of step {self._name!r} was used after the step had ended: pass on values, not the ctx"
        )

    def __repr__(self) -> str:
        return f"<Context of {self._name} {'ended' if self._host is None else 'at ' + self._host.path()}>"


def branch_of(ctx: Context[Any]) -> Branch:
    """Give the branch of the run that is calling the step; for the combinators' own steps."""
    return cast(Branch, ctx._host or ctx._ended())


class _StepLogger(logging.LoggerAdapter[logging.Logger]):
    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        return f"{self.extra['path']}: {msg}" if self.extra else msg, kwargs
