"""Time as a step: waiting on the backend's clock."""

from __future__ import annotations

from typing import Any

from returns.result import Success
from typing_extensions import TypeVar

from mce.context import Context
from mce.errors import DefinitionError, brief
from mce.flow import Flow
from mce.step import step

__all__ = ["sleep"]

A = TypeVar("A", default=Any)


def sleep(seconds: float) -> Flow[A, A]:
    """Wait ``seconds`` on the backend's clock and give the input on.

    Laws: ``sleep(0) = identity()``; ``sleep(a) >> sleep(b) = sleep(a + b)``, up to the clock's precision.

    >>> from mce import fail
    >>> sleep(0).run_sync("on")
    Outcome('on')
    >>> (sleep(0) >> fail("no")).run_sync().error
    'no'
    """
    if not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
        raise DefinitionError(f"sleep({brief(seconds)}): seconds is a finite number that is not negative")
    return step(name="sleep")(_Sleep(seconds))


class _Sleep:
    """Waits, with its seconds as data so that pictures and pickles can show them."""

    passes_on = True

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def __call__(self, ctx: Context[object], value: Any) -> Any:
        await ctx.sleep(self.seconds)
        return Success(value)  # so that a value which is a Result or a flow stays one
