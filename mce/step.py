"""``@step``: a function becomes a flow of one step, with everything declared about it as data."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Never

from mce.errors import InvalidStep, brief
from mce.schedule import Schedule
from mce.shared import Cache, Limit
from mce.step_types import Step, StepDecorator
from mce.syntax import Call, StepSpec

__all__ = ["parameters", "specify", "step"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class _StepMaker:
    """The one object behind ``@step`` and ``@step(...)``; its call is typed by :class:`StepDecorator`."""

    __name__ = "step"

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options

    def __call__(self, fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        options = {**self._options, **{k: v for k, v in options.items() if v is not None}}
        if fn is None:
            return _StepMaker(options)
        spec = specify(fn, **options)
        return Step(Call(fn, spec), fn, required=spec.required, accepts=spec.accepts)

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={brief(v, 40)}" for k, v in self._options.items())
        return f"step({shown})" if shown else "step"


def specify(
    fn: Callable[..., Any],
    *,
    name: str | None = None,
    raises: type[BaseException] | tuple[type[BaseException], ...] = (),
    retry: Schedule | None = None,
    timeout: float | None = None,
    idempotent: bool | None = None,
    pure: bool = False,
    run_in: Any = None,
    resources: Mapping[str, float] | None = None,
    cache: bool | Cache | None = None,
    limit: Limit | None = None,
    validate: bool = False,
    doc: str | None = None,
) -> StepSpec:
    """Read what ``fn`` is from its signature and check it against what was declared.

    Raises :class:`mce.InvalidStep` for what cannot be a step: a generator, ``*args``, a required keyword-only
    parameter, options that contradict each other.
    """
    label = name or _label(fn)
    is_async = inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004
    _check_kind(fn, label)
    takes_context, required, accepts = parameters(fn, label)
    classes = raises if isinstance(raises, tuple) else (raises,)
    _check_options(label, classes, retry, timeout, idempotent, run_in, is_async, takes_context)
    _check_shared(label, cache, limit)
    return StepSpec(
        name=label,
        takes_context=takes_context,
        is_async=is_async,
        required=required,
        accepts=accepts,
        raises=classes,
        retry=retry,
        timeout=timeout,
        idempotent=idempotent,
        pure=pure,
        run_in=run_in,
        resources=resources,
        cache=Cache() if cache is True else cache or None,
        limit=limit,
        validate=validate,
        doc=doc or inspect.getdoc(fn) or "",
    )


def _label(fn: Any) -> str:
    found = getattr(fn, "__name__", None) or getattr(getattr(fn, "func", None), "__name__", None) or type(fn).__name__
    return "".join(c for c in str(found) if c not in "<>/[]#~:") or "step"


def _check_kind(fn: Any, label: str) -> None:
    if not callable(fn):
        raise InvalidStep(f"@step decorates a function, not {type(fn).__name__} {brief(fn)}")
    if isinstance(fn, Step):
        raise InvalidStep(f"{label} is a step already")
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise InvalidStep(
            f"step {label!r} yields; a step returns one value: use ctx.emit(value) to stream, or @do for a block"
        )
    if any(c in "/[]#~:" for c in label):
        raise InvalidStep(f"step name {label!r}: a name has none of / [ ] # ~ :, which stand in paths")


def parameters(fn: Callable[..., Any], label: str) -> tuple[bool, int, int]:
    """Give whether ``fn`` takes a context, how many more parameters it requires and how many it accepts by position."""
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        raise InvalidStep(f"step {label!r}: {brief(fn)} has no signature; wrap it in a function of your own") from None
    takes_context = bool(parameters) and parameters[0].name == "ctx"
    if takes_context:
        annotation = parameters.pop(0).annotation
        if annotation is not inspect.Parameter.empty and "Context" not in str(annotation):
            raise InvalidStep(f"step {label!r}: ctx is annotated {annotation}; say ctx: Context[State], or rename it")
    misplaced = [p.name for p in parameters if p.name == "ctx" or "Context[" in str(p.annotation)]
    if misplaced:
        raise InvalidStep(
            f"step {label!r}: the context is the first parameter and called ctx, here {misplaced[0]!r} is not"
        )
    required = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    accepts = sum(p.kind in _POSITIONAL for p in parameters) + any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if len(required) == 1 and required[0].kind is inspect.Parameter.KEYWORD_ONLY:
        return takes_context, 2, 0  # it can be called, and not chained: nothing can be passed by position
    return takes_context, len(required), accepts


def _check_options(
    label: str,
    raises: tuple[Any, ...],
    retry: Any,
    timeout: Any,
    idempotent: bool | None,
    run_in: Any,
    is_async: bool,
    takes_context: bool,
) -> None:
    for found in raises:
        if not (isinstance(found, type) and issubclass(found, Exception)):
            raise InvalidStep(f"step {label!r}: raises= takes exception classes, not {brief(found)}")
    if retry is not None and not isinstance(retry, Schedule):
        raise InvalidStep(f"step {label!r}: retry= takes a schedule such as recurs(3), not {brief(retry)}")
    if retry is not None and idempotent is False:
        raise InvalidStep(f"step {label!r}: retry= would call it again, which idempotent=False forbids")
    if timeout is not None and not (isinstance(timeout, int | float) and timeout >= 0):
        raise InvalidStep(f"step {label!r}: timeout= is a number of seconds that is not negative, not {brief(timeout)}")
    if run_in not in (None, "thread", "process", "inline"):
        raise InvalidStep(f"step {label!r}: run_in= is 'thread', 'process' or 'inline', not {brief(run_in)}")
    if run_in is not None and is_async:
        raise InvalidStep(f"step {label!r}: run_in= is for plain functions, and this one is async")
    if run_in == "process" and takes_context:
        raise InvalidStep(f"step {label!r}: run_in='process' cannot take a ctx, which lives in this process")


def _check_shared(label: str, cache: Any, limit: Any) -> None:
    if not isinstance(cache, bool | Cache | None):
        raise InvalidStep(f"step {label!r}: cache= is True or a Cache(...), not {brief(cache, 60)}")
    if not isinstance(limit, Limit | None):
        raise InvalidStep(f"step {label!r}: limit= takes a Limit such as Limit('db', 4), not {brief(limit, 60)}")


step: StepDecorator[Never] = _StepMaker({})
"""Make a flow of one step from a function, async or plain.

A first parameter named ``ctx`` is supplied by the engine; the rest are the step's input. With one required parameter
the step chains with ``>>``; calling it, ``fetch(url, timeout=3)``, gives a closed flow. It returns its value, a
``returns`` ``Result``, or a closed flow to continue with. Exceptions named in ``raises=`` are failures, all others
defects.

Options: ``name`` in paths and pictures; ``raises``; ``retry``, a schedule, and ``timeout`` in seconds for each
attempt; ``idempotent=False`` forbids a second call; ``pure=True`` runs a plain function in line; ``run_in`` sends it
to a ``thread`` (the default), a ``process`` or runs it ``inline``; ``resources`` for clusters; ``cache=True`` or a
``Cache`` keeps what it gave, as :func:`mce.cached` does; ``limit``, such as ``Limit("db", 4)``, bounds how many of
these calls are made at once, not counting the waits of ``retry``; ``validate`` checks what it returns; ``doc``.

>>> from mce import step, Success, Failure
>>> @step
... def half(n: int) -> "Result[int, str]":
...     return Success(n // 2) if n % 2 == 0 else Failure(f"{n} is odd")
>>> half(4).run_sync()
Outcome(2)
>>> (half >> half).run_sync(2)
Outcome(failed: '1 is odd' at half:2)
"""
