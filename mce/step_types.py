"""How type checkers see ``@step``: one overload per shape of function and kind of return.

The order matters and was found by trying: a ``Result`` before a flow before a plain value; the context, found by its
*name* ``ctx``, before any other first parameter; one parameter before several. ``Coroutine`` and not ``Awaitable``,
or a flow would count as an async return. A step of several required parameters has the input ``Never``: it can be
called but not chained. ``tests/types`` holds what is inferred.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Generic, Literal, Never, Protocol, overload

from returns.result import Result
from typing_extensions import ParamSpec, TypeVar

from mce.context import Context
from mce.errors import DefinitionError, InvalidStep
from mce.flow import Flow
from mce.schedule import Schedule
from mce.syntax import Arguments, Call, Dynamic, Given

__all__ = ["Step", "StepDecorator"]

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
In = TypeVar("In", contravariant=True)
I = TypeVar("I", contravariant=True, default=object)  # noqa: E741
A = TypeVar("A", covariant=True, default=Any)
E = TypeVar("E", covariant=True, default=Never)
S = TypeVar("S", contravariant=True, default=object)
I2 = TypeVar("I2")
A2 = TypeVar("A2")
E2 = TypeVar("E2")
S2 = TypeVar("S2")
X = TypeVar("X")
X2 = TypeVar("X2", bound=BaseException)


class Step(Flow[I, A, E, S], Generic[P, I, A, E, S]):
    """A flow made of a function; calling it supplies the arguments and gives a closed flow."""

    __slots__ = ("__dict__", "_one")
    __name__: str
    __wrapped__: Callable[..., Any]

    def __init__(self, node: Call | Dynamic, fn: Callable[..., Any], *, required: int, accepts: int) -> None:
        super().__init__(node)
        functools.update_wrapper(self, fn)
        self._one = required <= 1 <= accepts

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Flow[object, A, E, S]:  # type: ignore[override]
        """Supply the arguments: a closed flow. Wrong ones are a ``DefinitionError`` here and now."""
        if self._one and len(args) == 1 and not kwargs:
            return Flow(Given(args[0], self.node))
        signature = inspect.signature(self.__wrapped__)
        context = (None,) if next(iter(signature.parameters), None) == "ctx" else ()
        try:
            signature.bind(*context, *args, **kwargs)
        except TypeError as wrong:
            given = repr(Arguments(args, kwargs))
            raise DefinitionError(f"{self.__name__}{signature} was called with {given}: {wrong}") from None
        return Flow(Given(Arguments(args, kwargs), self.node))

    def __set_name__(self, owner: type, name: str) -> None:
        if getattr(self.__wrapped__, "__qualname__", "") == f"{owner.__qualname__}.{name}":
            raise InvalidStep(
                f"{owner.__name__}.{name}: a step is a function, not a method; move it out of the class "
                f"and take what it needs as input, state or ctx.deps"
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.__name__}>"

    def __reduce__(self) -> Any:
        return Flow, (self.node,)


class _One(Protocol[In, P, R]):  # pyright: ignore[reportInvalidTypeVarUse]
    @overload
    def __call__(self, arg: In, /) -> R: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


class _ContextOnly(Protocol[S2, R]):
    def __call__(self, ctx: Context[S2]) -> R: ...


class _ContextOne(Protocol[In, P, S2, R]):  # pyright: ignore[reportInvalidTypeVarUse]
    @overload
    def __call__(self, ctx: Context[S2], arg: In, /) -> R: ...
    @overload
    def __call__(self, ctx: Context[S2], *args: P.args, **kwargs: P.kwargs) -> R: ...


class _ContextMany(Protocol[P, S2, R]):
    def __call__(self, ctx: Context[S2], *args: P.args, **kwargs: P.kwargs) -> R: ...


class StepDecorator(Protocol[X]):
    """``step`` itself and what ``step(...options...)`` gives; ``X`` are the exceptions named in ``raises=``."""

    @overload
    def __call__(
        self, fn: _ContextOnly[S2, Coroutine[Any, Any, Result[A2, E2]] | Result[A2, E2]], /
    ) -> Step[[], object, A2, E2 | X, S2]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(
        self, fn: _ContextOne[I2, P, S2, Coroutine[Any, Any, Result[A2, E2]] | Result[A2, E2]], /
    ) -> Step[P, I2, A2, E2 | X, S2]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(
        self, fn: _ContextMany[P, S2, Coroutine[Any, Any, Result[A2, E2]] | Result[A2, E2]], /
    ) -> Step[P, Never, A2, E2 | X, S2]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(
        self, fn: Callable[[], Coroutine[Any, Any, Result[A2, E2]] | Result[A2, E2]], /
    ) -> Step[[], object, A2, E2 | X, object]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(
        self, fn: _One[I2, P, Coroutine[Any, Any, Result[A2, E2]] | Result[A2, E2]], /
    ) -> Step[P, I2, A2, E2 | X, object]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(
        self, fn: Callable[P, Coroutine[Any, Any, Result[A2, E2]] | Result[A2, E2]], /
    ) -> Step[P, Never, A2, E2 | X, object]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(
        self, fn: _ContextOnly[S2, Coroutine[Any, Any, Flow[None, A2, E2, S2]] | Flow[None, A2, E2, S2]], /
    ) -> Step[[], object, A2, E2 | X, S2]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(
        self, fn: _ContextOne[I2, P, S2, Coroutine[Any, Any, Flow[None, A2, E2, S2]] | Flow[None, A2, E2, S2]], /
    ) -> Step[P, I2, A2, E2 | X, S2]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(
        self, fn: _ContextMany[P, S2, Coroutine[Any, Any, Flow[None, A2, E2, S2]] | Flow[None, A2, E2, S2]], /
    ) -> Step[P, Never, A2, E2 | X, S2]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(
        self, fn: Callable[[], Coroutine[Any, Any, Flow[None, A2, E2, S2]] | Flow[None, A2, E2, S2]], /
    ) -> Step[[], object, A2, E2 | X, S2]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(
        self, fn: _One[I2, P, Coroutine[Any, Any, Flow[None, A2, E2, S2]] | Flow[None, A2, E2, S2]], /
    ) -> Step[P, I2, A2, E2 | X, S2]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(
        self, fn: Callable[P, Coroutine[Any, Any, Flow[None, A2, E2, S2]] | Flow[None, A2, E2, S2]], /
    ) -> Step[P, Never, A2, E2 | X, S2]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(self, fn: _ContextOnly[S2, Coroutine[Any, Any, A2]], /) -> Step[[], object, A2, X, S2]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(self, fn: _ContextOne[I2, P, S2, Coroutine[Any, Any, A2]], /) -> Step[P, I2, A2, X, S2]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(self, fn: _ContextMany[P, S2, Coroutine[Any, Any, A2]], /) -> Step[P, Never, A2, X, S2]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(self, fn: Callable[[], Coroutine[Any, Any, A2]], /) -> Step[[], object, A2, X, object]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(self, fn: _One[I2, P, Coroutine[Any, Any, A2]], /) -> Step[P, I2, A2, X, object]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, A2]], /) -> Step[P, Never, A2, X, object]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(self, fn: _ContextOnly[S2, A2], /) -> Step[[], object, A2, X, S2]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(self, fn: _ContextOne[I2, P, S2, A2], /) -> Step[P, I2, A2, X, S2]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(self, fn: _ContextMany[P, S2, A2], /) -> Step[P, Never, A2, X, S2]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(self, fn: Callable[[], A2], /) -> Step[[], object, A2, X, object]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(self, fn: _One[I2, P, A2], /) -> Step[P, I2, A2, X, object]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(self, fn: Callable[P, A2], /) -> Step[P, Never, A2, X, object]: ...  # type: ignore[overload-overlap, overload-cannot-match, unused-ignore]  # pyright: ignore
    @overload
    def __call__(
        self,
        *,
        raises: type[X2] | tuple[type[X2], ...],
        name: str | None = None,
        retry: Schedule | None = None,
        timeout: float | None = None,
        idempotent: bool | None = None,
        pure: bool = False,
        run_in: Literal["thread", "process", "inline"] | None = None,
        resources: Mapping[str, float] | None = None,
        validate: bool = False,
        doc: str | None = None,
    ) -> StepDecorator[X | X2]: ...
    @overload
    def __call__(
        self,
        *,
        name: str | None = None,
        retry: Schedule | None = None,
        timeout: float | None = None,
        idempotent: bool | None = None,
        pure: bool = False,
        run_in: Literal["thread", "process", "inline"] | None = None,
        resources: Mapping[str, float] | None = None,
        validate: bool = False,
        doc: str | None = None,
    ) -> StepDecorator[X]: ...
