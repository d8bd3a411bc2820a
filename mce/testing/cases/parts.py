"""The state and the steps that conformance cases are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Never

from pydantic import BaseModel
from returns.result import Failure, Result

from mce.context import Context
from mce.reducers import Add, Append, First, Last, Max, MergeKeys, Min, Union
from mce.step import step

__all__ = [
    "Inner",
    "Notes",
    "Refused",
    "add_one",
    "blow_up",
    "hold",
    "note",
    "read",
    "refuse",
    "refuse_until",
    "stumble_until",
    "write",
]


class Inner(BaseModel, frozen=True):
    """A part of the state that has fields of its own."""

    left: int = 0
    right: int = 0
    log: Annotated[tuple[str, ...], Append()] = ()


class Notes(BaseModel, frozen=True):
    """A state with plain fields and one field for every shipped reducer."""

    n: int = 0
    m: int = 0
    plain: Mapping[str, int] = {}
    inner: Inner = Inner()
    log: Annotated[tuple[str, ...], Append()] = ()
    total: Annotated[int, Add()] = 0
    seen: Annotated[frozenset[str], Union()] = frozenset()
    table: Annotated[Mapping[str, int], MergeKeys()] = {}
    most: Annotated[int, Max()] = 0
    least: Annotated[int, Min()] = 0
    first: Annotated[str, First()] = ""
    last: Annotated[str, Last()] = ""


class Refused(Exception):
    """A failure that steps declare."""


@step
async def add_one(n: int) -> int:
    """Give the number that follows."""
    return n + 1


@step
async def note(ctx: Context[Notes], text: str) -> str:
    """Append ``text`` to the log and give it."""
    ctx.update(log=(*ctx.state.log, text))
    return text


@step
async def write(ctx: Context[Any], fields: Mapping[str, Any]) -> None:
    """Update the fields of the state."""
    ctx.update(**fields)


@step
async def read(ctx: Context[Any]) -> Any:
    """Give the state."""
    return ctx.state


@step
async def hold(ctx: Context[object], seconds: float) -> float:
    """Wait on the backend's clock."""
    await ctx.sleep(seconds)
    return seconds


@step
async def refuse(error: Any) -> Result[Never, Any]:
    """Fail with ``error``, as expected."""
    return Failure(error)


@step
async def blow_up(text: str) -> Never:
    """Raise what nobody declared."""
    raise ValueError(text)


@step(raises=Refused)
async def refuse_until(ctx: Context[object], attempt: int) -> int:
    """Fail in every attempt before ``attempt``, which it gives."""
    if ctx.attempt < attempt:
        raise Refused(ctx.attempt)
    return ctx.attempt


@step
async def stumble_until(ctx: Context[object], attempt: int) -> int:
    """As :data:`refuse_until`, with a defect."""
    if ctx.attempt < attempt:
        raise ValueError(ctx.attempt)
    return ctx.attempt
