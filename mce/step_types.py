"""How type checkers see ``@step``: one overload per shape of function and kind of return.

The order matters and was found by trying: a ``Result`` before a flow before another value, each of them from an async
function before a plain one; the context, found by its *name* ``ctx``, before any other first parameter; a function that
can be called with one argument before one that can do with none, and both before any other. ``Coroutine`` and not
``Awaitable``, or a flow would count as an async return. A step of several required parameters has the input ``Never``:
it can be called but not chained. ``tests/types`` holds what is inferred.
"""

# The overloads overlap on purpose: the first that fits is meant. A formal type is never a union of an async and a plain
# return, since mypy does not take two overloads that both fit an ``Any`` for ambiguous if what they infer for the
# function is the same type.
# mypy: disable-error-code="overload-overlap, overload-cannot-match"
# pyright: reportOverlappingOverload=false

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, Never, Protocol, TypeAlias, TypedDict, overload

from returns.result import Result
from typing_extensions import ParamSpec, TypeVar, Unpack

from mce.context import Context
from mce.errors import DefinitionError, InvalidStep, TimedOut
from mce.flow import Flow
from mce.lazy import Applied, Called, is_only_called
from mce.schedule import Schedule
from mce.shared import Cache, Limit
from mce.syntax import Arguments, Call, Dynamic, Given

__all__ = ["KeepUnions", "Step", "StepDecorator", "StepOptions", "TakesNone", "TakesOne"]

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
In = TypeVar("In", contravariant=True)
I = TypeVar("I", contravariant=True, default=object)  # noqa: E741
A = TypeVar("A", covariant=True, default=Any)
E = TypeVar("E", covariant=True, default=Never)
S = TypeVar("S", contravariant=True, default=object)
I2 = TypeVar("I2", default=Any)  # mypy finds nothing for a parameter that is annotated Any, and takes the default
A2 = TypeVar("A2")
E2 = TypeVar("E2")
S2 = TypeVar("S2")
X = TypeVar("X")
X1 = TypeVar("X1", bound=BaseException)
X2 = TypeVar("X2", bound=BaseException)
X3 = TypeVar("X3", bound=BaseException)

_NOTHING: Any = object()

KeepUnions: TypeAlias = "tuple[KeepUnions]"
"""Stands, without any values, beside the type of a parameter that takes flows in a dict or a list. Of such flows mypy
makes one type by joining them, for any two steps ``object``; beside a recursive alias it keeps their union.
"""


class Step(Flow[I, A, E, S], Generic[P, I, A, E, S]):
    """A flow made of a function; calling it supplies the arguments and gives a closed flow."""

    __slots__ = ("__dict__", "_one")
    __name__: str
    __wrapped__: Callable[..., Any]

    def __init__(self, node: Call | Dynamic, fn: Callable[..., Any], *, required: int, accepts: int) -> None:
        super().__init__(node)
        if not hasattr(node, "compiled"):
            object.__setattr__(node, "compiled", [None, None, None, None])  # where the engine looks first
        functools.update_wrapper(self, fn)
        if not hasattr(self, "__name__"):  # of an object that can be called
            self.__name__ = node.spec.name if isinstance(node, Call) else node.name
        self._one = _flow_of_one(node) if required <= 1 <= accepts else None

    if TYPE_CHECKING:

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Flow[object, A, E, S]:  # type: ignore[override]
            """Supply the arguments: a closed flow. Wrong ones are a ``DefinitionError`` here and now."""
            ...

    else:

        def __call__(self, value=_NOTHING, /, *more, **kwargs):
            """Supply the arguments: a closed flow. Wrong ones are a ``DefinitionError`` here and now."""
            one = self._one
            if one is not None and not more and not kwargs and value is not _NOTHING:
                found = one()
                found.body = self.node
                found.input = value
                return found
            return self._applied(() if value is _NOTHING else (value, *more), kwargs)

    def _applied(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Flow[object, A, E, S]:
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
        return _made_again, (self.node, self._one is not None)


def _made_again(node: Call | Dynamic, one: bool) -> Step[..., Any, Any, Any, Any]:
    """Make the step of an unpickled node; its function is the node's."""
    fn: Any = node.fn if isinstance(node, Call) else node.f
    return Step(node, getattr(fn, "__wrapped__", fn), required=1 if one else 2, accepts=1 if one else 2)


def _flow_of_one(node: Call | Dynamic) -> type[Applied[Any, Any, Any, Any]]:
    """Give the class of the flows that a step or block makes of one argument."""
    return Called if isinstance(node, Call) and is_only_called(node.spec) else Applied


class TakesOne(Protocol[R, P, In]):  # pyright: ignore[reportInvalidTypeVarUse]
    """A function that can be called with one argument, whatever else its signature ``P`` allows."""

    @overload
    def __call__(self, arg: In, /) -> R: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


class TakesNone(Protocol[R, P]):
    """A function that can be called with no argument."""

    @overload
    def __call__(self) -> R: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


class _ContextOne(Protocol[R, P, S2, In]):  # pyright: ignore[reportInvalidTypeVarUse]
    @overload
    def __call__(self, ctx: Context[S2], arg: In, /) -> R: ...
    @overload
    def __call__(self, ctx: Context[S2], *args: P.args, **kwargs: P.kwargs) -> R: ...


class _ContextNone(Protocol[R, P, S2]):
    @overload
    def __call__(self, ctx: Context[S2]) -> R: ...
    @overload
    def __call__(self, ctx: Context[S2], *args: P.args, **kwargs: P.kwargs) -> R: ...


class _ContextMany(Protocol[R, P, S2]):
    def __call__(self, ctx: Context[S2], *args: P.args, **kwargs: P.kwargs) -> R: ...


_Async: TypeAlias = Coroutine[Any, Any, R]


class StepOptions(TypedDict, total=False):
    """The options of ``@step`` that do not show in the type of the step; see :func:`mce.step`."""

    name: str | None
    retry: Schedule | None
    idempotent: bool | None
    pure: bool
    run_in: Literal["thread", "process", "inline"] | None
    resources: Mapping[str, float] | None
    cache: bool | Cache | None
    limit: Limit | None
    validate: bool
    doc: str | None


class StepDecorator(Protocol[X]):  # pyright: ignore[reportInvalidTypeVarUse]
    """``step`` itself and what ``step(...options...)`` gives; ``X`` are the failures that the options add."""

    # a ``Result``
    @overload
    def __call__(
        self, fn: _ContextOne[_Async[Result[A2, E2]], P, S2, I2], /, **options: Unpack[StepOptions]
    ) -> Step[P, I2, A2, E2 | X, S2]: ...
    @overload
    def __call__(
        self, fn: _ContextNone[_Async[Result[A2, E2]], P, S2], /, **options: Unpack[StepOptions]
    ) -> Step[P, object, A2, E2 | X, S2]: ...
    @overload
    def __call__(
        self, fn: _ContextMany[_Async[Result[A2, E2]], P, S2], /, **options: Unpack[StepOptions]
    ) -> Step[P, Never, A2, E2 | X, S2]: ...
    @overload
    def __call__(
        self, fn: TakesOne[_Async[Result[A2, E2]], P, I2], /, **options: Unpack[StepOptions]
    ) -> Step[P, I2, A2, E2 | X, object]: ...
    @overload
    def __call__(
        self, fn: TakesNone[_Async[Result[A2, E2]], P], /, **options: Unpack[StepOptions]
    ) -> Step[P, object, A2, E2 | X, object]: ...
    @overload
    def __call__(
        self, fn: Callable[P, _Async[Result[A2, E2]]], /, **options: Unpack[StepOptions]
    ) -> Step[P, Never, A2, E2 | X, object]: ...
    @overload
    def __call__(
        self, fn: _ContextOne[Result[A2, E2], P, S2, I2], /, **options: Unpack[StepOptions]
    ) -> Step[P, I2, A2, E2 | X, S2]: ...
    @overload
    def __call__(
        self, fn: _ContextNone[Result[A2, E2], P, S2], /, **options: Unpack[StepOptions]
    ) -> Step[P, object, A2, E2 | X, S2]: ...
    @overload
    def __call__(
        self, fn: _ContextMany[Result[A2, E2], P, S2], /, **options: Unpack[StepOptions]
    ) -> Step[P, Never, A2, E2 | X, S2]: ...
    @overload
    def __call__(
        self, fn: TakesOne[Result[A2, E2], P, I2], /, **options: Unpack[StepOptions]
    ) -> Step[P, I2, A2, E2 | X, object]: ...
    @overload
    def __call__(
        self, fn: TakesNone[Result[A2, E2], P], /, **options: Unpack[StepOptions]
    ) -> Step[P, object, A2, E2 | X, object]: ...
    @overload
    def __call__(
        self, fn: Callable[P, Result[A2, E2]], /, **options: Unpack[StepOptions]
    ) -> Step[P, Never, A2, E2 | X, object]: ...
    # a flow to continue with
    @overload
    def __call__(
        self, fn: _ContextOne[_Async[Flow[None, A2, E2, S2]], P, S2, I2], /, **options: Unpack[StepOptions]
    ) -> Step[P, I2, A2, E2 | X, S2]: ...
    @overload
    def __call__(
        self, fn: _ContextNone[_Async[Flow[None, A2, E2, S2]], P, S2], /, **options: Unpack[StepOptions]
    ) -> Step[P, object, A2, E2 | X, S2]: ...
    @overload
    def __call__(
        self, fn: _ContextMany[_Async[Flow[None, A2, E2, S2]], P, S2], /, **options: Unpack[StepOptions]
    ) -> Step[P, Never, A2, E2 | X, S2]: ...
    @overload
    def __call__(
        self, fn: TakesOne[_Async[Flow[None, A2, E2, S2]], P, I2], /, **options: Unpack[StepOptions]
    ) -> Step[P, I2, A2, E2 | X, S2]: ...
    @overload
    def __call__(
        self, fn: TakesNone[_Async[Flow[None, A2, E2, S2]], P], /, **options: Unpack[StepOptions]
    ) -> Step[P, object, A2, E2 | X, S2]: ...
    @overload
    def __call__(
        self, fn: Callable[P, _Async[Flow[None, A2, E2, S2]]], /, **options: Unpack[StepOptions]
    ) -> Step[P, Never, A2, E2 | X, S2]: ...
    @overload
    def __call__(
        self, fn: _ContextOne[Flow[None, A2, E2, S2], P, S2, I2], /, **options: Unpack[StepOptions]
    ) -> Step[P, I2, A2, E2 | X, S2]: ...
    @overload
    def __call__(
        self, fn: _ContextNone[Flow[None, A2, E2, S2], P, S2], /, **options: Unpack[StepOptions]
    ) -> Step[P, object, A2, E2 | X, S2]: ...
    @overload
    def __call__(
        self, fn: _ContextMany[Flow[None, A2, E2, S2], P, S2], /, **options: Unpack[StepOptions]
    ) -> Step[P, Never, A2, E2 | X, S2]: ...
    @overload
    def __call__(
        self, fn: TakesOne[Flow[None, A2, E2, S2], P, I2], /, **options: Unpack[StepOptions]
    ) -> Step[P, I2, A2, E2 | X, S2]: ...
    @overload
    def __call__(
        self, fn: TakesNone[Flow[None, A2, E2, S2], P], /, **options: Unpack[StepOptions]
    ) -> Step[P, object, A2, E2 | X, S2]: ...
    @overload
    def __call__(
        self, fn: Callable[P, Flow[None, A2, E2, S2]], /, **options: Unpack[StepOptions]
    ) -> Step[P, Never, A2, E2 | X, S2]: ...
    # a plain value
    @overload
    def __call__(
        self, fn: _ContextOne[_Async[A2], P, S2, I2], /, **options: Unpack[StepOptions]
    ) -> Step[P, I2, A2, X, S2]: ...
    @overload
    def __call__(
        self, fn: _ContextNone[_Async[A2], P, S2], /, **options: Unpack[StepOptions]
    ) -> Step[P, object, A2, X, S2]: ...
    @overload
    def __call__(
        self, fn: _ContextMany[_Async[A2], P, S2], /, **options: Unpack[StepOptions]
    ) -> Step[P, Never, A2, X, S2]: ...
    @overload
    def __call__(
        self, fn: TakesOne[_Async[A2], P, I2], /, **options: Unpack[StepOptions]
    ) -> Step[P, I2, A2, X, object]: ...
    @overload
    def __call__(
        self, fn: TakesNone[_Async[A2], P], /, **options: Unpack[StepOptions]
    ) -> Step[P, object, A2, X, object]: ...
    @overload
    def __call__(
        self, fn: Callable[P, _Async[A2]], /, **options: Unpack[StepOptions]
    ) -> Step[P, Never, A2, X, object]: ...
    @overload
    def __call__(self, fn: _ContextOne[A2, P, S2, I2], /, **options: Unpack[StepOptions]) -> Step[P, I2, A2, X, S2]: ...
    @overload
    def __call__(
        self, fn: _ContextNone[A2, P, S2], /, **options: Unpack[StepOptions]
    ) -> Step[P, object, A2, X, S2]: ...
    @overload
    def __call__(self, fn: _ContextMany[A2, P, S2], /, **options: Unpack[StepOptions]) -> Step[P, Never, A2, X, S2]: ...
    @overload
    def __call__(self, fn: TakesOne[A2, P, I2], /, **options: Unpack[StepOptions]) -> Step[P, I2, A2, X, object]: ...
    @overload
    def __call__(self, fn: TakesNone[A2, P], /, **options: Unpack[StepOptions]) -> Step[P, object, A2, X, object]: ...
    @overload
    def __call__(self, fn: Callable[P, A2], /, **options: Unpack[StepOptions]) -> Step[P, Never, A2, X, object]: ...
    # the options
    @overload
    def __call__(
        self, *, raises: type[X1], timeout: float, **options: Unpack[StepOptions]
    ) -> StepDecorator[X | X1 | TimedOut]: ...
    @overload
    def __call__(
        self, *, raises: type[X1], timeout: None = None, **options: Unpack[StepOptions]
    ) -> StepDecorator[X | X1]: ...
    @overload
    def __call__(
        self, *, raises: tuple[type[X1], type[X2]], timeout: float, **options: Unpack[StepOptions]
    ) -> StepDecorator[X | X1 | X2 | TimedOut]: ...
    @overload
    def __call__(
        self, *, raises: tuple[type[X1], type[X2]], timeout: None = None, **options: Unpack[StepOptions]
    ) -> StepDecorator[X | X1 | X2]: ...
    @overload
    def __call__(
        self, *, raises: tuple[type[X1], type[X2], type[X3]], timeout: float, **options: Unpack[StepOptions]
    ) -> StepDecorator[X | X1 | X2 | X3 | TimedOut]: ...
    @overload
    def __call__(
        self, *, raises: tuple[type[X1], type[X2], type[X3]], timeout: None = None, **options: Unpack[StepOptions]
    ) -> StepDecorator[X | X1 | X2 | X3]: ...
    @overload
    def __call__(
        self, *, raises: tuple[type[X1], ...], timeout: float, **options: Unpack[StepOptions]
    ) -> StepDecorator[X | X1 | TimedOut]: ...
    @overload
    def __call__(
        self, *, raises: tuple[type[X1], ...], timeout: None = None, **options: Unpack[StepOptions]
    ) -> StepDecorator[X | X1]: ...
    @overload
    def __call__(self, *, timeout: float, **options: Unpack[StepOptions]) -> StepDecorator[X | TimedOut]: ...
    @overload
    def __call__(self, *, timeout: None = None, **options: Unpack[StepOptions]) -> StepDecorator[X]: ...
