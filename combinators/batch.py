"""Batches: what sibling branches ask of one step at the same time becomes one call of a function over many.

Source: Marlow, Brandy, Coens and Purdy, *There is no fork: an abstraction for efficient, concurrent, and concise data
access* (2014).
"""

# A list of Results is a list, too: the overloads overlap on purpose, and the first that fits is meant.
# mypy: disable-error-code="overload-overlap"

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias, overload

from returns.result import Result
from typing_extensions import TypeVar

from mce.combinators.desk import Ask
from mce.combinators.sharing import Named
from mce.context import Context
from mce.errors import DefinitionError, InvalidStep, brief
from mce.step import specify
from mce.step_types import Step
from mce.syntax import Call

__all__ = ["batched"]

K = TypeVar("K")
V = TypeVar("V")
E = TypeVar("E")
R = TypeVar("R")
X = TypeVar("X", bound=Exception)

Many: TypeAlias = (
    Callable[[list[K]], Coroutine[Any, Any, R]]
    | Callable[[list[K]], R]
    | Callable[[Context[Any], list[K]], Coroutine[Any, Any, R]]
    | Callable[[Context[Any], list[K]], R]
)
"""A function over many inputs, async or plain, with or without a context."""

Raises: TypeAlias = type[X] | tuple[type[X], ...]
RunIn: TypeAlias = Literal["thread", "process", "inline"] | None


@overload
def batched(
    fn: Many[K, Result[Sequence[V], E]] | Many[K, Result[Mapping[K, V], E]],
    *,
    max_size: int | None = None,
    max_wait: float = 0.0,
    key: Callable[[K], Hashable] | None = None,
    name: str | None = None,
    idempotent: bool | None = None,
    run_in: RunIn = None,
) -> Step[[K], K, V, E]: ...
@overload
def batched(
    fn: Many[K, Sequence[Result[V, E]]] | Many[K, Mapping[K, Result[V, E]]],
    *,
    max_size: int | None = None,
    max_wait: float = 0.0,
    key: Callable[[K], Hashable] | None = None,
    name: str | None = None,
    idempotent: bool | None = None,
    run_in: RunIn = None,
) -> Step[[K], K, V, E]: ...
@overload
def batched(
    fn: Many[K, Sequence[V]] | Many[K, Mapping[K, V]],
    *,
    max_size: int | None = None,
    max_wait: float = 0.0,
    key: Callable[[K], Hashable] | None = None,
    name: str | None = None,
    idempotent: bool | None = None,
    run_in: RunIn = None,
) -> Step[[K], K, V]: ...
@overload
def batched(
    fn: Many[K, Sequence[Result[V, E]]] | Many[K, Mapping[K, Result[V, E]]],
    *,
    raises: Raises[X],
    max_size: int | None = None,
    max_wait: float = 0.0,
    key: Callable[[K], Hashable] | None = None,
    name: str | None = None,
    idempotent: bool | None = None,
    run_in: RunIn = None,
) -> Step[[K], K, V, E | X]: ...
@overload
def batched(
    fn: Many[K, Sequence[V]] | Many[K, Mapping[K, V]],
    *,
    raises: Raises[X],
    max_size: int | None = None,
    max_wait: float = 0.0,
    key: Callable[[K], Hashable] | None = None,
    name: str | None = None,
    idempotent: bool | None = None,
    run_in: RunIn = None,
) -> Step[[K], K, V, X]: ...
def batched(
    fn: Any,
    *,
    raises: Any = (),
    max_size: int | None = None,
    max_wait: float = 0.0,
    key: Any = None,
    name: str | None = None,
    idempotent: bool | None = None,
    run_in: RunIn = None,
) -> Any:
    """Make a step of one input of ``fn``, which takes a list of inputs; calls that meet become one call of ``fn``.

    ``fn`` is async or plain and gives a value for each input, as a sequence in the order of the inputs or as a mapping.
    Values may be ``Result``s, each for its own caller; a ``Failure`` instead of them, or an exception, fails every
    caller, expectedly if the exception is named in ``raises``. Inputs that are equal, or of which ``key`` makes equal
    keys, are asked for once. A reply of another length, or without the input, is a defect that says so.

    A batch is sent when it has ``max_size`` inputs, or ``max_wait`` seconds of the backend's clock after its first; by
    default when all who were ready had a few turns and nobody came. Who is cancelled leaves its batch, which goes on
    without; when all have left it is cancelled. ``fn`` may take a ``ctx`` for ``ctx.deps`` and ``ctx.log``; as it
    serves several branches it has no state. Where branches run in turn each call is a batch of one.

    Law: ``each(batched(f)) = lift(list) >> step(f) >> lift(tuple)``, for an ``f`` that gives a list and treats its
    inputs independently.
    Not a law: agreement in the number of calls of ``f`` between backends.

    >>> from mce import each
    >>> async def lengths(texts: list[str]) -> list[int]:
    ...     print("one call for", texts)
    ...     return [len(text) for text in texts]
    >>> each(batched(lengths)).run_sync(["to", "be", "to"])
    one call for ['to', 'be']
    Outcome((2, 2, 2))
    >>> async def too_few(texts: list[str]) -> list[int]:
    ...     return []
    >>> batched(too_few).run_sync("to")
    Outcome(failed: ValueError: 'too_few was given 1 inputs and gave 0 values' at too_few)
    """
    if max_size is not None and (not isinstance(max_size, int) or max_size < 1):
        raise DefinitionError(f"batched(max_size={brief(max_size)}): max_size is a number of at least 1, or None")
    if not isinstance(max_wait, int | float) or not 0 <= max_wait < float("inf"):
        raise DefinitionError(f"batched(max_wait={brief(max_wait)}): max_wait is a number of seconds, not negative")
    if key is not None and not callable(key):
        raise DefinitionError(f"batched(key={brief(key)}): key is a function of the input")
    many = specify(fn, name=name, raises=raises, idempotent=idempotent, run_in=run_in)
    if many.required != 1:
        raise InvalidStep(f"{many.name}: a function to be batched takes one list of inputs: def f(ids: list[int])")
    ask = Ask(Named(fn), many, max_size, max_wait, key)
    return Step(Call(ask, replace(many, takes_context=True, is_async=True, run_in=None)), fn, required=1, accepts=1)
