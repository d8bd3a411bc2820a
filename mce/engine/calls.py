"""Calling a step with all that may be declared of it: the careful way, off the hot path."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Coroutine
from functools import lru_cache
from typing import Any, TypeAlias

import pydantic
from returns.result import Failure, Result, Success

from mce.context import Context
from mce.engine.blocks import Op
from mce.engine.fiber import Fiber, Run
from mce.engine.points import instead_of
from mce.errors import InvalidOutput, brief
from mce.events import StepFailed, StepFinished, StepStarted
from mce.flow import Flow
from mce.records import unguarded
from mce.syntax import Arguments, StepSpec

__all__ = ["call", "check_output"]

_started, _finished = unguarded(StepStarted), unguarded(StepFinished)


def call(fiber: Fiber, op: Op, value: Any) -> Coroutine[Any, Any, Any]:
    """Give the call of the step of ``op`` on ``value``, to be awaited: it gives what the step does, as it does."""
    run, spec = fiber.run, op.spec
    assert spec is not None
    if spec.internal:
        return _call(fiber, op, spec, value)
    if fiber.meter is not None:
        fiber.meter.begin_step(fiber)
    if spec.idempotent is False:
        fiber.forbid_repeat()
    if run.listener is None:
        return _call_checked(fiber, op, spec, value)
    return _call_watched(fiber, op, spec, value)


async def _call_checked(fiber: Fiber, op: Op, spec: StepSpec, value: Any) -> Any:
    if spec.idempotent is False and fiber.run.once is not None:
        result = await fiber.run.once(lambda: _call(fiber, op, spec, value), fiber, op)
    elif fiber.run.probe is None:
        result = await _call(fiber, op, spec, value)
    else:
        result = await instead_of(_call, fiber, op, spec, value)
    if fiber.run.validate or spec.validate:
        check_output(op.fn, spec.name, result)
    return result


async def _call(fiber: Fiber, op: Op, spec: StepSpec, value: Any) -> Any:
    args, kwargs = arguments(spec, value)
    backend = fiber.run.backend
    if not spec.takes_context:
        if spec.is_async:
            return await backend.call_async(op.fn, args, kwargs, spec)
        return await backend.call(op.fn, args, kwargs, spec)
    ctx: Context[Any] = Context(fiber, spec.name)
    try:
        if spec.is_async:
            return await backend.call_async(op.fn, (ctx, *args), kwargs, spec)
        return await backend.call(op.fn, (ctx, *args), kwargs, spec)
    finally:
        ctx.close()


def arguments(spec: StepSpec, value: Any) -> tuple[tuple[Any, ...], Any]:
    """Give the positional and keyword arguments for a step that is given ``value``."""
    if value.__class__ is Arguments and not spec.internal:
        return value.args, value.kwargs
    return (() if spec.accepts == 0 else (value,)), {}


async def _call_watched(fiber: Fiber, op: Op, spec: StepSpec, value: Any) -> Any:
    path, attempt = _where(fiber)
    run, name = fiber.run, spec.name
    tell, now = run.listener, run.backend.now
    assert tell is not None
    tell(_started(path, attempt, now(), name, value))
    try:
        if _is_plain(run, spec, value):
            result = await op.fn(value)
        else:
            result = await _call_checked(fiber, op, spec, value)
    except BaseException as exc:
        tell(StepFailed(path, attempt, now(), name, exc, cancelled=not isinstance(exc, Exception)))
        raise
    if result.__class__ is Failure:
        tell(StepFailed(path, attempt, now(), name, result.failure()))
    else:
        shown = result.unwrap() if result.__class__ is Success else result
        tell(_finished(path, attempt, now(), name, shown))
    return result


def _where(fiber: Fiber) -> tuple[str, int]:
    """Give path and attempt; those of a step outside of all regions, without asking for the frames of any."""
    if fiber.frames or fiber.parent is not None or fiber.segment is not None:
        return fiber.path(), fiber.attempt()
    return fiber.block.name(fiber.ops), fiber.begun_attempt


def _is_plain(run: Run, spec: StepSpec, value: Any) -> bool:
    """Whether a watched step is called with its input and nothing besides."""
    if spec.takes_context or not spec.is_async or spec.required != 1 or spec.validate:
        return False
    asked = run.validate or run.probe is not None or run.backend.careful or spec.idempotent is False
    return not asked and value.__class__ is not Arguments


def check_output(fn: Callable[..., Any], name: str, result: Any) -> None:
    """Raise :class:`mce.InvalidOutput` if ``result`` is not what ``fn`` is annotated to return."""
    if isinstance(result, Flow):
        return
    ok, error, shown = _output_checks(fn)
    if isinstance(result, Failure):
        check, given = error, result.failure()
    else:
        check, given = ok, result.unwrap() if isinstance(result, Success) else result
    if check is None:
        return
    try:
        check.validate_python(given, strict=True)
    except pydantic.ValidationError as wrong:
        found = wrong.errors(include_url=False, include_input=False)[0]
        at = "".join(f"[{part!r}]" for part in found["loc"])
        problem = f"it returned {type(given).__name__} {brief(given, 60)}{' at ' + at if at else ''}: {found['msg']}"
        raise InvalidOutput(name, shown, problem) from None


_Check: TypeAlias = "pydantic.TypeAdapter[Any] | None"


@lru_cache(maxsize=4096)
def _output_checks(fn: Callable[..., Any]) -> tuple[_Check, _Check, str]:
    """Make the checks for the value and for the error of ``fn``; ``None`` where nothing is declared."""
    try:
        declared = typing.get_type_hints(fn, include_extras=True).get("return", Any)
    except (NameError, TypeError):  # an annotation that only a type checker can resolve
        return None, None, ""
    shown = inspect.formatannotation(declared)
    if typing.get_origin(declared) is Result:
        ok, error = typing.get_args(declared)
        return _adapter(ok), _adapter(error), shown
    if isinstance(declared, type) and issubclass(declared, Flow | Result):
        return None, None, shown
    return _adapter(declared), None, shown


def _adapter(declared: Any) -> _Check:
    if declared is Any or typing.get_origin(declared) is Flow:
        return None
    try:
        return pydantic.TypeAdapter(declared)
    except pydantic.errors.PydanticUserError:
        pass
    try:
        return pydantic.TypeAdapter(declared, config=pydantic.ConfigDict(arbitrary_types_allowed=True))
    except pydantic.errors.PydanticUserError:
        return None
