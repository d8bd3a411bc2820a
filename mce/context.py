"""``Context``, what a step is given of the run it is part of."""

from __future__ import annotations

import logging
from typing import Any, Generic, NoReturn, Protocol

from typing_extensions import TypeVar

from mce.errors import UsageError

__all__ = ["Context", "Host"]

S = TypeVar("S", default=Any)


class Host(Protocol):
    """What a context asks of the engine: the branch of a run that is calling the step."""

    state: Any

    def update(self, fields: dict[str, Any]) -> None: ...
    def replace(self, state: Any) -> None: ...
    def emit(self, value: Any) -> None: ...
    def path(self) -> str: ...
    def attempt(self) -> int: ...
    def idempotency_key(self) -> str: ...
    async def sleep(self, seconds: float) -> None: ...
    @property
    def deps(self) -> Any: ...


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


class _StepLogger(logging.LoggerAdapter[logging.Logger]):
    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        return f"{self.extra['path']}: {msg}" if self.extra else msg, kwargs
