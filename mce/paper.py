"""The paper's own names on this engine: its listings run as printed, with only the import changed.

``AgentMonad`` is a flow that was evaluated: a state, a value and whether it succeeded. ``AsyncAgentMonad`` is the
promise of one, a :class:`mce.Flow` that the engine runs. The agent's state and its tools are in :mod:`mce.paper_tools`.
Where the published code falls short of the published text the text is followed, see ``docs/paper.md``; signatures and
fields are the published ones, so here arguments with defaults are positional. New programs say ``mce.Flow``: it is
typed in its errors and can be drawn before it runs.

Source: Zhang and Wang, *Monadic Context Engineering* (2025).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from inspect import isawaitable, iscoroutine
from typing import TYPE_CHECKING, Any, Generic, Never, cast, overload

from returns.result import Failure
from typing_extensions import TypeVar

from mce.combinators.applicative import gather, last
from mce.combinators.monad import pure
from mce.combinators.state import put
from mce.context import Context
from mce.errors import Defect, DefinitionError, InvalidOutput, UsageError, brief
from mce.flow import NO_INPUT, Flow, RunOptions
from mce.paper_tools import AgentState, ToolCall, ToolHandler, ToolRegistry, ToolResult, default_registry
from mce.reducers import same
from mce.state import apply_change, replace_state
from mce.syntax import Call, StepSpec
from mce.syntax import same as unchanged

if TYPE_CHECKING:
    from mce.engine.protocol import Backend

__all__ = [
    "AgentMonad",
    "AgentState",
    "AsyncAgentMonad",
    "ToolCall",
    "ToolHandler",
    "ToolRegistry",
    "ToolResult",
    "default_registry",
    "gather_sync",
]

S = TypeVar("S", default=Any)
V = TypeVar("V", covariant=True, default=Any)
S2 = TypeVar("S2")
V2 = TypeVar("V2")
R = TypeVar("R")


# -- evaluated --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AgentMonad(Generic[S, V]):
    """A flow that was evaluated: its ``state``, and its ``value`` or, if not ``is_successful``, its ``error_info``.

    ``None`` is an ordinary value. ``error_info`` is what ``failure`` was given, or the exception that was raised.

    Laws (``tests/unit/test_paper.py``): ``map`` is a functor; ``then`` with ``success`` is a monad, for steps that
    return; a failure is left alone by all three. Not a law: a step that raises fails under ``then`` and raises
    when it is called, so left identity ends there.

    >>> AgentMonad.start("s0", 2).then(lambda s, v: AgentMonad.success("s1", v * 3))
    AgentMonad(state='s1', value=6, is_successful=True, error_info=None)
    >>> AgentMonad.start("s0", 2).then(lambda s, v: AgentMonad.failure("s1", "no")).map(str)
    AgentMonad(state='s1', value=None, is_successful=False, error_info='no')
    """

    state: S
    value: V | None
    is_successful: bool = True
    error_info: Any = None
    # The state in which the chain that led here began, which `apply` asks for; not given: this one.
    _origin: Any = field(default=NO_INPUT, repr=False, compare=False, kw_only=True)

    @overload
    @staticmethod
    def start(state: S2) -> AgentMonad[S2, S2]: ...
    @overload
    @staticmethod
    def start(state: S2, initial_value: V2) -> AgentMonad[S2, V2]: ...
    @staticmethod
    def start(state: Any, initial_value: Any = NO_INPUT) -> AgentMonad[Any, Any]:
        """Begin in ``state`` with ``initial_value``, or with the state itself for a value."""
        return AgentMonad(state, state if initial_value is NO_INPUT else initial_value)

    @staticmethod
    def success(state: S2, value: V2) -> AgentMonad[S2, V2]:
        """Succeed in ``state`` with ``value``."""
        return AgentMonad(state, value)

    @staticmethod
    def failure(state: S2, error_info: Any) -> AgentMonad[S2, Never]:
        """Fail in ``state``, which is kept, because of ``error_info``."""
        return AgentMonad(state, None, False, error_info)

    def then(self, func: Callable[[S, V], AgentMonad[S, R]]) -> AgentMonad[S, R]:
        """Continue with what ``func(state, value)`` gives; a failure is passed on and ``func`` not called.

        What ``func`` raises, or that it gives something else, is a failure in the state it was called in.
        """
        if not self.is_successful:
            return self._failed()
        try:
            found = func(self.state, cast("V", self.value))
        except Exception as exc:
            found = AgentMonad.failure(self.state, exc)
        return self._followed_by(found)

    def map(self, func: Callable[[V], R]) -> AgentMonad[S, R]:
        """Apply ``func`` to the value and keep the state; what it raises is a failure."""
        return self.then(_Mapped(func))

    def apply(self, func_flow: AgentMonad[S, Callable[[V], R]]) -> AgentMonad[S, R]:
        """Apply the function that ``func_flow`` holds to the value; the first failure of the two is passed on.

        The states of both are threaded: where both began in the same state, what the steps of ``func_flow`` changed
        is changed in this flow's state, a field at a time. Else the state is that of the flow that began
        where the other one ended, or of ``func_flow``.

        >>> AgentMonad.start("s0", 2).apply(AgentMonad.start("s1", lambda v: v * 5))
        AgentMonad(state='s1', value=10, is_successful=True, error_info=None)
        """
        if not self.is_successful:
            return self._failed()
        try:
            state = self._threaded(func_flow)
        except Exception as exc:  # a state's class may refuse the change, or be declared wrongly
            return self._followed_by(AgentMonad.failure(func_flow.state, exc))
        if not func_flow.is_successful:
            return self._followed_by(AgentMonad.failure(state, func_flow.error_info))
        called = _Mapped(cast("Callable[[V], R]", func_flow.value))
        return self._followed_by(AgentMonad.success(state, cast("V", self.value)).then(called))

    @property
    def _began(self) -> Any:
        return self.state if self._origin is NO_INPUT else self._origin

    def _failed(self) -> AgentMonad[S, Never]:
        return cast("AgentMonad[S, Never]", self)

    def _followed_by(self, found: AgentMonad[S, R]) -> AgentMonad[S, R]:
        """Give ``found`` as the continuation of this flow; what is no ``AgentMonad`` is a failure."""
        if not isinstance(found, AgentMonad):
            found = AgentMonad.failure(self.state, _wrong_result(found))
        return AgentMonad(found.state, found.value, found.is_successful, found.error_info, _origin=self._began)

    def _threaded(self, other: AgentMonad[S, Any]) -> S:
        """Give the state after this flow and then the other."""
        began = self._began
        if began is other.state:
            return self.state
        if same(began, other._began) and type(began) is type(self.state) is type(other.state):
            return cast("S", apply_change(self.state, replace_state(began, other.state, record=True)))
        return other.state


class _Mapped:
    """The step that applies ``func`` to the value and keeps the state."""

    __slots__ = ("__name__", "func")

    def __init__(self, func: Callable[[Any], Any]) -> None:
        self.func = func
        self.__name__ = getattr(func, "__name__", "map")

    def __call__(self, state: Any, value: Any) -> AgentMonad[Any, Any]:
        mapped = self.func(value)
        if iscoroutine(mapped):
            mapped.close()
            raise UsageError(f"{self.__name__!r} is async: map and apply take plain functions, then takes async ones")
        return AgentMonad(state, mapped)


def _wrong_result(found: object) -> InvalidOutput:
    problem = f"it returned {type(found).__name__} {brief(found, 60)}: say AgentMonad.success(state, value)"
    if iscoroutine(found):
        found.close()
        problem = "it is async: chain async steps with AsyncAgentMonad"
    elif isinstance(found, AsyncAgentMonad):
        problem = "it returned an AsyncAgentMonad: chain such steps with AsyncAgentMonad"
    return InvalidOutput("then", "AgentMonad", problem)


def gather_sync(
    flows: Iterable[AgentMonad[S2, V2]], merge_state: Callable[[Sequence[S2]], S2] | None = None
) -> AgentMonad[S2, list[V2]]:
    """Give the list of the flows' values, or the first of them that failed; no flows give the empty list.

    The state is what ``merge_state`` makes of their states, in order, or the last one; what it raises is a failure
    in the last one. Of no flows it is ``None``.

    >>> gather_sync([AgentMonad.start("a", 1), AgentMonad.start("b", 2)])
    AgentMonad(state='b', value=[1, 2], is_successful=True, error_info=None)
    >>> gather_sync([AgentMonad.start("a", 1), AgentMonad.failure("b", "no")])
    AgentMonad(state='b', value=None, is_successful=False, error_info='no')
    """
    found = list(flows)
    for flow in found:
        if not flow.is_successful:
            return flow._failed()
    if not found:
        return AgentMonad(cast("S2", None), [])
    states = [flow.state for flow in found]
    values = [cast("V2", flow.value) for flow in found]
    try:
        return AgentMonad.success((merge_state or last)(states), values)
    except Exception as exc:
        return AgentMonad.failure(states[-1], exc)


# -- promised ---------------------------------------------------------------------------------------------------------


class AsyncAgentMonad(Generic[S, V]):
    """The promise of an :class:`AgentMonad`: nothing runs before ``run``, and every ``run`` runs all of it.

    ``run_func`` gives, when awaited, what the promise begins with. Steps may be async functions or plain ones, and
    give an ``AgentMonad`` or another promise to continue with, which is how a meta-agent runs what it made.

    Laws: those of :class:`AgentMonad`, and running commutes with ``then``, ``map`` and ``apply``.

    >>> import anyio
    >>> async def double(state: str, value: int) -> AgentMonad[str, int]:
    ...     return AgentMonad.success(state + "!", value * 2)
    >>> anyio.run(AsyncAgentMonad.start("s", 2).then(double).then(double).run)
    AgentMonad(state='s!!', value=8, is_successful=True, error_info=None)
    >>> anyio.run(AsyncAgentMonad.start("s", "two").map(int).then(double).run).error_info
    ValueError("invalid literal for int() with base 10: 'two'")
    """

    __slots__ = ("_flow",)
    # The engine's state is the flow as evaluated so far; its value and error are not looked at.
    _flow: Flow[None, Any, Any, _Held]

    def __init__(self, run_func: Callable[[], Awaitable[AgentMonad[S, V]]]) -> None:
        self._flow = pure(None) >> _step(_Then(lambda _state, _value: run_func()), run_func)

    @classmethod
    def _of(cls, flow: Flow[None, Any, Any, _Held]) -> AsyncAgentMonad[Any, Any]:
        made: AsyncAgentMonad[Any, Any] = cls.__new__(cls)
        made._flow = flow
        return made

    @overload
    @staticmethod
    def start(state: S2) -> AsyncAgentMonad[S2, S2]: ...
    @overload
    @staticmethod
    def start(state: S2, initial_value: V2) -> AsyncAgentMonad[S2, V2]: ...
    @staticmethod
    def start(state: Any, initial_value: Any = NO_INPUT) -> AsyncAgentMonad[Any, Any]:
        """Begin in ``state`` with ``initial_value``, or with the state itself for a value."""
        return AsyncAgentMonad._of(put(_Held(AgentMonad(state, state if initial_value is NO_INPUT else initial_value))))

    @overload
    def then(self, func: Callable[[S, V], Awaitable[AgentMonad[S, R]]]) -> AsyncAgentMonad[S, R]: ...
    @overload
    def then(self, func: Callable[[S, V], AgentMonad[S, R] | AsyncAgentMonad[S, R]]) -> AsyncAgentMonad[S, R]: ...
    @overload
    def then(self, func: Callable[[S, V], Awaitable[AsyncAgentMonad[S, R]]]) -> AsyncAgentMonad[S, R]: ...
    def then(self, func: Callable[[S, V], Any]) -> AsyncAgentMonad[Any, Any]:
        """Continue with what ``func(state, value)`` gives, as :meth:`AgentMonad.then` does."""
        return AsyncAgentMonad._of(self._flow >> _step(_Then(func), func))

    def map(self, func: Callable[[V], R]) -> AsyncAgentMonad[S, R]:
        """Apply the plain function ``func`` to the value and keep the state; what it raises is a failure."""
        return self.then(_Mapped(func))

    def apply(self, func_flow: AsyncAgentMonad[S, Callable[[V], R]]) -> AsyncAgentMonad[S, R]:
        """Run this flow, then ``func_flow``, and apply as :meth:`AgentMonad.apply` does.

        After a failure of this flow ``func_flow`` does not run. The two never overlap: ``gather`` is for that.
        """
        return AsyncAgentMonad._of(self._flow >> _step(_Apply(_promised(func_flow, "apply")), "apply"))

    @staticmethod
    def gather(
        flows: Iterable[AsyncAgentMonad[S2, V2]], merge_state: Callable[[Sequence[S2]], S2] | None = None
    ) -> AsyncAgentMonad[S2, list[V2]]:
        """Run the flows concurrently and give the list of their values; states meet as in :func:`gather_sync`.

        The first failure cancels the others, and the state is then that of the flow that failed.
        """
        found = [_promised(flow, "gather") for flow in flows]
        if not found:
            return AsyncAgentMonad._of(put(_Held(gather_sync([]))))
        met = gather(*found, merge=_Met(merge_state))
        return AsyncAgentMonad._of(met >> _step(_Ended(unchanged), "gather"))

    async def run(self, *, backend: Backend | None = None) -> AgentMonad[S, V]:
        """Run the flow, on ``LocalBackend()`` unless another is given, and give what it came to.

        Works on asyncio and trio. Only cancellation is raised; nothing of the run is still running then.
        """
        options: RunOptions = {} if backend is None else {"backend": backend}
        outcome = await self._flow.run(state=_Held(AgentMonad(None, None)), **options)
        flow, error = outcome.state.flow, outcome.error
        if outcome.ok or not flow.is_successful:
            return flow
        # No step failed: one awaited what somebody had cancelled, which the engine calls a defect of the step.
        return AgentMonad.failure(flow.state, error.cause if isinstance(error, Defect) else error)

    def __repr__(self) -> str:
        return f"<AsyncAgentMonad {self._flow.node!r}>"


class _Held:
    """A flow as evaluated so far, as the one opaque value that the engine keeps for its state."""

    __slots__ = ("flow",)

    def __init__(self, flow: AgentMonad[Any, Any]) -> None:
        self.flow = flow


class _Then:
    """Continues with what a step function gives."""

    __slots__ = ("func",)

    def __init__(self, func: Callable[[Any, Any], Any]) -> None:
        self.func = func

    async def __call__(self, ctx: Context[_Held], _: object) -> Any:
        flow = ctx.state.flow
        try:
            found = self.func(flow.state, flow.value)
            if isawaitable(found):
                found = await found
        except Exception as exc:
            found = AgentMonad.failure(flow.state, exc)
        if isinstance(found, AsyncAgentMonad):
            return found._flow >> _step(_Ended(flow._followed_by), "then")
        return _kept(ctx, flow._followed_by(found))


class _Apply:
    """Runs the function's flow, to its end or its failure, and applies."""

    __slots__ = ("func_flow",)

    def __init__(self, func_flow: Flow[None, Any, Any, _Held]) -> None:
        self.func_flow = func_flow

    async def __call__(self, ctx: Context[_Held], _: object) -> Any:
        return self.func_flow.or_else(pure(None)) >> _step(_Ended(ctx.state.flow.apply), "apply")


class _Ended:
    """Makes of the flow, as it ended, the one to go on with."""

    __slots__ = ("made",)

    def __init__(self, made: Callable[[Any], AgentMonad[Any, Any]]) -> None:
        self.made = made

    async def __call__(self, ctx: Context[_Held], _: object) -> Any:
        return _kept(ctx, self.made(ctx.state.flow))


class _Met:
    """Merges concurrent branches, each as it ended."""

    __slots__ = ("merge_state",)

    def __init__(self, merge_state: Callable[[Sequence[Any]], Any] | None) -> None:
        self.merge_state = merge_state

    def __call__(self, branches: list[_Held]) -> _Held:
        return _Held(gather_sync([held.flow for held in branches], self.merge_state))


def _kept(ctx: Context[_Held], flow: AgentMonad[Any, Any]) -> Any:
    """Make ``flow`` what was evaluated so far, and fail if it did."""
    ctx.put(_Held(flow))
    return flow if flow.is_successful else Failure(flow.error_info)


def _step(fn: Callable[[Context[_Held], object], Awaitable[Any]], named: object) -> Flow[Any, Any, Any, _Held]:
    """Make a step of ``fn``, named in paths after the function ``named``; chains are long, so without ``@step``."""
    name = named if isinstance(named, str) else getattr(named, "__name__", "")
    return Flow(Call(fn, StepSpec(name=name if name.isidentifier() else "then", takes_context=True)))


def _promised(flow: Any, where: str) -> Flow[None, Any, Any, _Held]:
    if isinstance(flow, AsyncAgentMonad):
        return flow._flow
    given = f"{type(flow).__name__} {brief(flow, 60)}"
    raise DefinitionError(f"AsyncAgentMonad.{where} takes what AsyncAgentMonad.start(...) begins, not {given}")
