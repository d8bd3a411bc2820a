"""``Flow``, the one class of the algebra: an immutable description of a computation, wrapped for its types.

It holds a node of :mod:`mce.syntax` and the everyday combinators as methods; the others are in
:mod:`mce.combinators`. Nothing runs before ``run``, ``run_sync``, ``stream`` or ``start``, which hand the tree to
the engine.

One class is one module, and a third of it are overloads: what state a flow asks for is inferred from them. Flows that
make their node late are in :mod:`mce.lazy`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import cache
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Generic, Never, TypedDict, overload

from typing_extensions import TypeVar, Unpack

from mce.errors import DefinitionError, TimedOut, UsageError, brief
from mce.outcome import Outcome
from mce.syntax import Dynamic, Fn, Given, Label, Node, Recover, Retry, Then, Timeout

if TYPE_CHECKING:
    from mce.durations import Estimates
    from mce.engine.handle import Handle, Stream
    from mce.engine.protocol import Backend
    from mce.graph.finding import Finding
    from mce.graph.ir import Graph
    from mce.schedule import Schedule

__all__ = ["NO_INPUT", "Flow", "Op", "RunOptions", "arrow", "flow_node"]

I = TypeVar("I", contravariant=True, default=object)  # noqa: E741
A = TypeVar("A", covariant=True, default=Any)
E = TypeVar("E", covariant=True, default=Never)
S = TypeVar("S", contravariant=True, default=object)
A2 = TypeVar("A2")
B = TypeVar("B")
E2 = TypeVar("E2")
E3 = TypeVar("E3")
I2 = TypeVar("I2")
S2 = TypeVar("S2")
S3 = TypeVar("S3")
X = TypeVar("X")
X2 = TypeVar("X2")


class _NoInput:
    __slots__ = ()

    def __repr__(self) -> str:
        return "NO_INPUT"

    def __reduce__(self) -> str:
        return "NO_INPUT"


NO_INPUT = _NoInput()
"""Stands for the input of a run that was given none, since ``None`` is an ordinary value."""


class RunOptions(TypedDict, total=False):
    """The options that ``run``, ``run_sync``, ``stream`` and ``start`` share.

    ``deps`` is what steps find as ``ctx.deps``: an object, or a function or class that is called once to make it.
    ``backend`` says where the flow runs (default ``LocalBackend()``), ``run_id`` names the run (default 128
    random bits in hexadecimal), ``trace`` keeps the events in the outcome, and ``validate`` checks what every step
    returns against its annotation.
    """

    deps: Any
    backend: Backend
    run_id: str
    trace: bool
    validate: bool


class Op(Generic[E, S]):
    """What a ``yield from flow`` hands to the engine: the flow, seen through its error and state types."""


class Flow(Generic[I, A, E, S]):
    """A computation that takes an ``I`` and, in a state ``S``, gives an ``A`` or fails with an ``E``.

    It denotes ``I -> S -> Task(Result[A, E], S)``: a failure keeps the state at the point of failure. A flow that
    ignores its input is closed (``I`` is ``object``). Flows are built with :func:`mce.step`, :func:`mce.pure` and
    the combinators, never by calling this class. Calling a flow supplies its input: ``flow(x)`` is closed.

    Laws (``=``: same result, final state and step calls; ``tests/laws``): ``map`` is a functor in ``A``,
    ``map_error`` in ``E``; ``bind`` with ``pure`` is a monad; ``>>`` is associative with ``mce.identity`` as unit;
    ``recover`` with ``fail`` is a monoid.

    >>> from mce import pure, fail
    >>> pure(20).map(lambda n: n + 1).bind(lambda n: pure(n * 2)).run_sync()
    Outcome(42)
    >>> (pure(20) >> fail("no")).map(str).run_sync()
    Outcome(failed: 'no' at fail)
    """

    __slots__ = ("node",)
    node: Node

    def __init__(self, node: Node) -> None:
        self.node = node

    # -- composing ------------------------------------------------------------------------------------------------

    # Checkers bind ``self`` before they see the other flow. So where two flows meet, the first overload is for a flow
    # that asks nothing of the state, and takes the state from the other one.

    @overload
    def __rshift__(self: Flow[I2, A2, E2, object], other: Flow[A2, B, E3, S3]) -> Flow[I2, B, E2 | E3, S3]: ...
    @overload
    def __rshift__(self: Flow[I2, A2, E2, S2], other: Flow[A2, B, E3, S2]) -> Flow[I2, B, E2 | E3, S2]: ...
    def __rshift__(self, other: Any) -> Any:
        """Run this flow, then ``other`` with its value; constant time."""
        return Flow(Then(self.node, flow_node(other, ">>")))

    def __rrshift__(self: Flow[A2, B, E3, S2], left: Flow[I2, A2, E2, S2]) -> Flow[I2, B, E2 | E3, S2]:  # type: ignore[misc]
        # Python never gets here, since both sides are flows. Type checkers do where the right side asks for more of the
        # state than the left one, for a subclass: they find its class through this mirrored signature.
        return Flow(Then(flow_node(left, ">>"), self.node))

    def __call__(self, value: I, /) -> Flow[object, A, E, S]:
        """Supply the input: a closed flow."""
        return Flow(Given(value, self.node))

    def map(self, f: Callable[[A], B]) -> Flow[I, B, E, S]:
        """Apply the pure function ``f`` to the value.

        Laws: ``m.map(identity) = m``; ``m.map(f).map(g) = m.map(lambda a: g(f(a)))``.
        """
        return Flow(Then(self.node, Fn(plain_function(f, "map"))))

    @overload
    def bind(self: Flow[I2, A2, E2, object], f: Callable[[A2], Flow[None, B, E3, S3]]) -> Flow[I2, B, E2 | E3, S3]: ...
    @overload
    def bind(self: Flow[I2, A2, E2, S2], f: Callable[[A2], Flow[None, B, E3, S2]]) -> Flow[I2, B, E2 | E3, S2]: ...
    def bind(self, f: Any) -> Any:
        """Continue with the closed flow that ``f`` makes of the value.

        Laws: ``pure(a).bind(f) = f(a)``; ``m.bind(pure) = m``;
        ``m.bind(f).bind(g) = m.bind(lambda a: f(a).bind(g))``.
        Not a law: the two never overlap; ``gather`` is for that.
        """
        return Flow(Then(self.node, arrow(f, "bind")))

    @overload
    def recover(
        self: Flow[I2, A2, E2, object], handler: Callable[[E2], Flow[None, B, E3, S3]]
    ) -> Flow[I2, A2 | B, E3, S3]: ...
    @overload
    def recover(
        self: Flow[I2, A2, E2, S2], handler: Callable[[E2], Flow[None, B, E3, S2]]
    ) -> Flow[I2, A2 | B, E3, S2]: ...
    @overload
    def recover(
        self: Flow[I2, A2, E2, object],
        handler: Callable[[X | X2], Flow[None, B, E3, S3]],
        *,
        on: tuple[type[X], type[X2]],
    ) -> Flow[I2, A2 | B, E2 | E3, S3]: ...
    @overload
    def recover(
        self: Flow[I2, A2, E2, S2], handler: Callable[[X | X2], Flow[None, B, E3, S2]], *, on: tuple[type[X], type[X2]]
    ) -> Flow[I2, A2 | B, E2 | E3, S2]: ...
    @overload
    def recover(
        self: Flow[I2, A2, E2, object],
        handler: Callable[[X], Flow[None, B, E3, S3]],
        *,
        on: type[X] | tuple[type[X], ...],
    ) -> Flow[I2, A2 | B, E2 | E3, S3]: ...
    @overload
    def recover(
        self: Flow[I2, A2, E2, S2], handler: Callable[[X], Flow[None, B, E3, S2]], *, on: type[X] | tuple[type[X], ...]
    ) -> Flow[I2, A2 | B, E2 | E3, S2]: ...
    def recover(self, handler: Any, on: Any = None) -> Any:
        """On a failure continue, in the state at the failure, with the closed flow ``handler`` makes of the error.

        Without ``on`` every expected failure is caught and no defect; with a class (or a tuple of them) failures
        of that class, and defects whose cause is of it: the handler is given the cause. Cancellation is never caught.

        Laws: ``m.recover(fail) = m``; ``fail(e).recover(h) = h(e)``; ``pure(a).recover(h) = pure(a)``;
        ``m.recover(f).recover(g) = m.recover(lambda e: f(e).recover(g))``.
        """
        return Flow(Recover(self.node, arrow(handler, "recover"), exception_classes(on)))

    @overload
    def or_else(self: Flow[I2, A2, E2, object], other: Flow[I2, B, E3, S3]) -> Flow[I2, A2 | B, E3, S3]: ...
    @overload
    def or_else(self: Flow[I2, A2, E2, S2], other: Flow[I2, B, E3, S2]) -> Flow[I2, A2 | B, E3, S2]: ...
    def or_else(self, other: Any) -> Any:
        """On an expected failure run ``other`` instead, with the same input, in the state at the failure.

        Law: associative. Not a law: ``m.or_else(fail(e))`` is not ``m``, since the error is replaced.
        """
        return Flow(Recover(self.node, flow_node(other, "or_else"), None, keeps_input=True))

    def retry(
        self, schedule: Schedule, *, on: type[object] | tuple[type[object], ...] | None = None
    ) -> Flow[I, A, E, S]:
        """Run again after a failure, each attempt from the state and input at entry, with the waits of ``schedule``.

        The first attempt does not count. Failures and defects are retried unless ``on`` narrows them; never a
        cancellation or a ``StateConflict``, nor an attempt in which a step declared ``idempotent=False`` was called.

        Law: ``m.retry(never) = m``.
        """
        return Flow(Retry(self.node, schedule, exception_classes(on)))

    def timeout(self, seconds: float) -> Flow[I, A, E | TimedOut, S]:
        """Fail with :class:`mce.TimedOut` when not done after ``seconds`` on the backend's clock, finalisers first."""
        if not isinstance(seconds, int | float) or seconds < 0 or seconds != seconds:
            raise DefinitionError(f"timeout(seconds={brief(seconds)}): seconds is a number that is not negative")
        return Flow(Timeout(self.node, seconds))

    def named(self, name: str) -> Flow[I, A, E, S]:
        """Make a region called ``name`` of this flow: a part of the paths and a box in the picture."""
        return Flow(Label(self.node, path_label(name)))

    def graph(self, *, name: str = "") -> Graph:
        """Give the graph of this flow: nodes and edges as data, from which pictures and analyses are made."""
        from mce.graph.lower import lower

        return lower(self.node, name=name).graph

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show the flow's picture in a notebook; its tree in words where there is no Graphviz; never raises."""
        shown = {"text/plain": repr(self)}
        try:
            from mce.graph.render import draw
            from mce.graph.text import to_text

            graph = self.graph()
            shown["text/plain"] = to_text(graph)
            shown["image/svg+xml"] = draw(graph, "svg").decode()
        except Exception:  # a notebook would show the traceback in place of the flow
            return shown
        return shown

    def check(self, *, backend: str | None = None) -> tuple[Finding, ...]:
        """Give what is wrong with this flow, or may be, before it runs; see :func:`mce.graph.findings.check`."""
        from mce.graph.findings import check

        return check(self, backend=backend)

    def explain(self, figures: Estimates | None = None) -> str:
        """Say in words what this flow may call and takes, and how it could be rewritten.

        ``figures`` are seconds and costs by step, as :func:`mce.durations.durations_from_json` reads them.
        """
        from mce.graph.explain import explain

        return explain(self, figures)

    def optimise(self, *, keep_paths: bool = True) -> Flow[I, A, E, S]:
        """Give a flow with the same outcome and fewer parts, by laws; see :func:`mce.graph.optimise.optimise`.

        >>> from mce import identity, lift
        >>> (identity() >> lift(abs) >> lift(str)).optimise()
        <Flow Fn(f=Composed(functions=(<built-in function abs>, <class 'str'>)))>
        """
        from mce.graph.optimise import optimise

        return Flow(optimise(self.node, keep_paths=keep_paths).node)

    # -- as ``returns.pointfree`` and ``returns.pipeline`` call it --------------------------------------------------

    lash = recover

    def alt(self: Flow[I2, A2, E2, S2], f: Callable[[E2], E3]) -> Flow[I2, A2, E3, S2]:
        """Apply ``f`` to the error, as :func:`mce.map_error` does."""
        from mce.combinators.functor import map_error

        return map_error(self, f)

    def apply(
        self: Flow[None, A2, E2, S2], function: Flow[None, Callable[[A2], B], E3, S2]
    ) -> Flow[object, B, E2 | E3, S2]:
        """Apply the value of ``function``, which comes first, to the value, as :func:`mce.apply` does."""
        from mce.combinators.applicative import apply

        return apply(function, self)

    # -- awaiting, inside a do block ------------------------------------------------------------------------------

    def __await__(self: Flow[None, A2, E2, S2]) -> Generator[Any, Any, A2]:
        try:
            return (yield self)  # type: ignore[no-any-return]
        except (RuntimeError, TypeError) as refused:  # as asyncio and trio raise when it is they who got the flow
            if repr(self) not in str(refused) or "yield" not in str(refused):
                raise
            raise UsageError(
                "a flow was awaited where no engine drives it: await flows directly in a function under @do, "
                "not in a task that it starts; elsewhere say: outcome = await flow.run()"
            ) from None

    def __iter__(self: Flow[None, A2, E2, S2]) -> Generator[Op[E2, S2], Any, A2]:
        return (yield self)  # type: ignore[misc,no-any-return]  # pyright: ignore

    # -- running --------------------------------------------------------------------------------------------------

    @overload
    async def run(self: Flow[None, A2, E2, None], **options: Unpack[RunOptions]) -> Outcome[A2, E2, None]: ...
    @overload
    async def run(
        self: Flow[None, A2, E2, object], *, state: S3, **options: Unpack[RunOptions]
    ) -> Outcome[A2, E2, S3]: ...
    @overload
    async def run(self: Flow[None, A2, E2, S2], *, state: S2, **options: Unpack[RunOptions]) -> Outcome[A2, E2, S2]: ...
    @overload
    async def run(self: Flow[I2, A2, E2, None], input: I2, **options: Unpack[RunOptions]) -> Outcome[A2, E2, None]: ...
    @overload
    async def run(
        self: Flow[I2, A2, E2, object], input: I2, *, state: S3, **options: Unpack[RunOptions]
    ) -> Outcome[A2, E2, S3]: ...
    @overload
    async def run(
        self: Flow[I2, A2, E2, S2], input: I2, *, state: S2, **options: Unpack[RunOptions]
    ) -> Outcome[A2, E2, S2]: ...
    async def run(self, input: Any = NO_INPUT, *, state: Any = None, **options: Any) -> Any:
        """Run the flow and give its :class:`mce.Outcome`; for the options see :class:`RunOptions`.

        When it returns, nothing of the run is still running. Raises :class:`mce.DefinitionError` before anything
        has started if the call or the flow is wrong; a failure of the flow is never raised.
        """
        return await _engine().run(self, input, state, **options)

    @overload
    def run_sync(self: Flow[None, A2, E2, None], **options: Unpack[RunOptions]) -> Outcome[A2, E2, None]: ...
    @overload
    def run_sync(
        self: Flow[None, A2, E2, object], *, state: S3, **options: Unpack[RunOptions]
    ) -> Outcome[A2, E2, S3]: ...
    @overload
    def run_sync(self: Flow[None, A2, E2, S2], *, state: S2, **options: Unpack[RunOptions]) -> Outcome[A2, E2, S2]: ...
    @overload
    def run_sync(self: Flow[I2, A2, E2, None], input: I2, **options: Unpack[RunOptions]) -> Outcome[A2, E2, None]: ...
    @overload
    def run_sync(
        self: Flow[I2, A2, E2, object], input: I2, *, state: S3, **options: Unpack[RunOptions]
    ) -> Outcome[A2, E2, S3]: ...
    @overload
    def run_sync(
        self: Flow[I2, A2, E2, S2], input: I2, *, state: S2, **options: Unpack[RunOptions]
    ) -> Outcome[A2, E2, S2]: ...
    def run_sync(self, input: Any = NO_INPUT, *, state: Any = None, **options: Any) -> Any:
        """Run the flow from plain code, as :meth:`run` does; inside a running event loop it is a ``UsageError``."""
        return _engine().run_sync(self, input, state, **options)

    @overload
    def stream(self: Flow[None, A2, E2, None], **options: Unpack[RunOptions]) -> Stream[A2, E2, None]: ...
    @overload
    def stream(self: Flow[None, A2, E2, object], *, state: S3, **options: Unpack[RunOptions]) -> Stream[A2, E2, S3]: ...
    @overload
    def stream(self: Flow[None, A2, E2, S2], *, state: S2, **options: Unpack[RunOptions]) -> Stream[A2, E2, S2]: ...
    @overload
    def stream(self: Flow[I2, A2, E2, None], input: I2, **options: Unpack[RunOptions]) -> Stream[A2, E2, None]: ...
    @overload
    def stream(
        self: Flow[I2, A2, E2, object], input: I2, *, state: S3, **options: Unpack[RunOptions]
    ) -> Stream[A2, E2, S3]: ...
    @overload
    def stream(
        self: Flow[I2, A2, E2, S2], input: I2, *, state: S2, **options: Unpack[RunOptions]
    ) -> Stream[A2, E2, S2]: ...
    def stream(self, input: Any = NO_INPUT, *, state: Any = None, **options: Any) -> Any:
        """Run the flow and iterate, asynchronously, over its events; the last item is the outcome.

        The run starts with the iteration. Leaving it early, or ``aclose()``, cancels the run.
        """
        from mce.engine.handle import Stream

        return Stream(self, input, state, options)

    @overload
    def start(self: Flow[None, A2, E2, None], **options: Unpack[RunOptions]) -> Handle[A2, E2, None]: ...
    @overload
    def start(self: Flow[None, A2, E2, object], *, state: S3, **options: Unpack[RunOptions]) -> Handle[A2, E2, S3]: ...
    @overload
    def start(self: Flow[None, A2, E2, S2], *, state: S2, **options: Unpack[RunOptions]) -> Handle[A2, E2, S2]: ...
    @overload
    def start(self: Flow[I2, A2, E2, None], input: I2, **options: Unpack[RunOptions]) -> Handle[A2, E2, None]: ...
    @overload
    def start(
        self: Flow[I2, A2, E2, object], input: I2, *, state: S3, **options: Unpack[RunOptions]
    ) -> Handle[A2, E2, S3]: ...
    @overload
    def start(
        self: Flow[I2, A2, E2, S2], input: I2, *, state: S2, **options: Unpack[RunOptions]
    ) -> Handle[A2, E2, S2]: ...
    def start(self, input: Any = NO_INPUT, *, state: Any = None, **options: Any) -> Any:
        """Start the flow in the running event loop and give a handle: ``result()``, ``cancel()``, ``events()``."""
        from mce.engine.handle import Handle

        return Handle(self, input, state, options)

    # -- as an object ---------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<Flow {self.node!r}>"

    def __reduce__(self) -> Any:
        return Flow, (self.node,)

    def __copy__(self) -> Flow[I, A, E, S]:
        return self

    def __deepcopy__(self, memo: object) -> Flow[I, A, E, S]:
        return self


@cache
def _engine() -> Any:
    """Give the module that runs flows, which imports this one: looked up once, since an import is dear in every run."""
    from mce.engine import run

    return run


def flow_node(value: Any, where: str) -> Node:
    """Give the node of a flow; anything else is a ``DefinitionError`` that names ``where`` it was given."""
    if isinstance(value, Flow):
        return value.node
    if callable(value):
        hint = "decorate the function with @step, or lift a plain one with .map(f)"
    else:
        hint = f"say pure({brief(value, 40)})"
    raise DefinitionError(f"{where} takes a flow, not {type(value).__name__} {brief(value, 60)}: {hint}")


def arrow(value: Any, where: str) -> Node:
    """Give the node of a continuation: a flow as it is, or a function that makes a closed flow of its argument."""
    if isinstance(value, Flow):
        return value.node
    if not callable(value):
        raise DefinitionError(
            f"{where} takes a function that gives a flow, or a flow, not {type(value).__name__} {brief(value, 60)}"
        )
    label = getattr(value, "__name__", where)
    return Dynamic(value, label if label.isidentifier() else where)


def plain_function(f: Any, where: str) -> Callable[[Any], Any]:
    """Give ``f`` if it is a plain function of a value; a flow or a coroutine function is a ``DefinitionError``."""
    if isinstance(f, Flow):
        raise DefinitionError(f"{where} takes a plain function; to continue with a flow use .bind(flow) or >>")
    if not callable(f):
        raise DefinitionError(f"{where} takes a function, not {type(f).__name__} {brief(f, 60)}")
    if iscoroutinefunction(f):
        name = getattr(f, "__name__", "f")
        raise DefinitionError(f"{where} takes a plain function; make the async {name} a step: >> step({name})")
    return f  # type: ignore[no-any-return]


def exception_classes(on: Any) -> tuple[type, ...] | None:
    """Give ``on`` as a tuple of classes, ``None`` as it is; anything else is a ``DefinitionError``."""
    if on is None:
        return None
    classes = on if isinstance(on, tuple) else (on,)
    for found in classes:
        if not isinstance(found, type):
            raise DefinitionError(f"on= takes a class or a tuple of classes, not {type(found).__name__} {brief(found)}")
    return classes


def path_label(name: Any) -> str:
    """Give ``name`` if it can stand in a path: text without ``/ [ ] # ~ :`` and not empty."""
    if not isinstance(name, str) or not name or any(c in "/[]#~:" or not c.isprintable() for c in name):
        raise DefinitionError(f"a name is text without / [ ] # ~ : and not empty, not {brief(name)}")
    return name
