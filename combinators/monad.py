"""Monad: ``pure``, ``fail``, ``bind``, their Kleisli arrows, direct style (``do``) and stack-safe loops.

Source: Moggi, *Notions of computation and monads* (1991); ``tail_rec`` is Freeman's ``tailRecM`` (2015).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any, Never, overload

from typing_extensions import ParamSpec, TypeVar

from mce.combinators.sharing import Named
from mce.errors import DefinitionError, LoopLimit, brief
from mce.flow import Flow, Op, arrow, flow_node, plain_function
from mce.lazy import Ready
from mce.step import parameters
from mce.step_types import Step, TakesNone, TakesOne
from mce.syntax import Again, Arguments, Done, Dynamic, Fail, Fn, Loop, Pure, Then, same

__all__ = [
    "Again",
    "Done",
    "bind",
    "compose",
    "do",
    "fail",
    "forever_until",
    "identity",
    "iterate",
    "join",
    "pure",
    "tail_rec",
    "then",
]

P = ParamSpec("P")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
X = TypeVar("X", default=Any)
E1 = TypeVar("E1")
E2 = TypeVar("E2")
I1 = TypeVar("I1")
I2 = TypeVar("I2", default=Any)
S1 = TypeVar("S1")
S2 = TypeVar("S2")


def pure(value: A) -> Flow[object, A]:
    """Succeed with ``value``, whatever it is: a ``Result`` or a flow stays one.

    Laws: see :func:`bind`.

    >>> pure(3).run_sync()
    Outcome(3)
    >>> pure(None).run_sync().ok
    True
    """
    return Ready(value)


def fail(error: E1) -> Flow[object, Never, E1]:
    """Fail with ``error``, of any type; exceptions are not raised.

    Laws: ``fail(e).bind(f) = fail(e)``; ``fail(e).recover(h) = h(e)``; ``m.recover(fail) = m``.

    >>> fail("no").run_sync()
    Outcome(failed: 'no' at fail)
    """
    return Flow(Fail(error))


_IDENTITY: Flow[Any, Any] = Flow(Fn(same))


def identity() -> Flow[X, X]:
    """Give the input: the unit of ``>>``.

    Laws: ``identity() >> m = m``; ``m >> identity() = m``.

    >>> (identity() >> identity()).run_sync(3)
    Outcome(3)
    """
    return _IDENTITY


@overload
def bind(first: Flow[I1, A, Never, object], f: Callable[[A], Flow[None, B, E2, S2]]) -> Flow[I1, B, E2, S2]: ...
@overload
def bind(first: Flow[I1, A, E1, object], f: Callable[[A], Flow[None, B, E2, S2]]) -> Flow[I1, B, E1 | E2, S2]: ...
@overload
def bind(first: Flow[I1, A, E1, S1], f: Callable[[A], Flow[None, B, E2, S1]]) -> Flow[I1, B, E1 | E2, S1]: ...
def bind(first: Any, f: Any) -> Any:
    """Run ``first`` and continue with the closed flow that ``f`` makes of its value.

    Laws (``=``: same result, final state and step calls; ``tests/laws/test_monad.py``):
    left identity   ``bind(pure(a), f) = f(a)``
    right identity  ``bind(m, pure) = m``
    associativity   ``bind(bind(m, f), g) = bind(m, lambda a: bind(f(a), g))``

    Not a law: the two never overlap; ``gather`` is for that. ``bind`` does not distribute over ``or_else``.

    >>> bind(pure(3), lambda n: pure(n + 1)).run_sync()
    Outcome(4)
    >>> bind(pure(3), fail).run_sync()
    Outcome(failed: 3 at fail/fail)
    """
    return Flow(Then(flow_node(first, "bind"), arrow(f, "bind")))


@overload
def then(first: Flow[I1, A, Never, S1], second: Flow[A, B, E2, S1]) -> Flow[I1, B, E2, S1]: ...
@overload
def then(first: Flow[I1, A, E1, S1], second: Flow[A, B, E2, S1]) -> Flow[I1, B, E1 | E2, S1]: ...
def then(first: Any, second: Any) -> Any:
    """Run ``first``, then ``second`` with its value, as ``first >> second`` does.

    Laws: associative, with :func:`identity` as unit on both sides.

    >>> then(pure(3), identity()).run_sync()
    Outcome(3)
    >>> then(fail("no"), identity()).run_sync()
    Outcome(failed: 'no' at fail)
    """
    return Flow(Then(flow_node(first, "then"), flow_node(second, "then")))


@overload
def join(nested: Flow[I1, Flow[None, B, E2, S1], Never, S1]) -> Flow[I1, B, E2, S1]: ...
@overload
def join(nested: Flow[I1, Flow[None, B, E2, S1], E1, S1]) -> Flow[I1, B, E1 | E2, S1]: ...
def join(nested: Any) -> Any:
    """Run ``nested`` and then the closed flow that is its value.

    Laws: ``join(pure(m)) = m``; ``join(m.map(pure)) = m``; ``join(join(m)) = join(m.map(join))``.

    >>> join(pure(pure(3))).run_sync()
    Outcome(3)
    >>> join(pure(fail("no"))).run_sync()
    Outcome(failed: 'no' at join/fail)
    """
    return Flow(Then(flow_node(nested, "join"), Dynamic(same, "join")))


@overload
def compose(
    f: Callable[[A], Flow[None, B, Never, S1]], g: Callable[[B], Flow[None, C, E2, S1]]
) -> Flow[A, C, E2, S1]: ...
@overload
def compose(
    f: Callable[[A], Flow[None, B, E1, S1]], g: Callable[[B], Flow[None, C, E2, S1]]
) -> Flow[A, C, E1 | E2, S1]: ...
def compose(f: Any, g: Any) -> Any:
    """Compose two Kleisli arrows, functions that give a flow or flows that take an input, from left to right.

    Laws: associative; ``compose(pure, f) = f``; ``compose(f, pure) = f``.

    >>> compose(lambda n: pure(n + 1), lambda n: pure(n * 2)).run_sync(3)
    Outcome(8)
    >>> compose(fail, pure).run_sync("no")
    Outcome(failed: 'no' at fail/fail)
    """
    return Flow(Then(arrow(f, "compose"), arrow(g, "compose")))


# -- direct style -----------------------------------------------------------------------------------------------------


class _DirectCall:
    """Starts a block with what its flow was given."""

    __slots__ = ("__wrapped__", "accepts")

    def __init__(self, fn: Callable[..., Any], accepts: int) -> None:
        self.__wrapped__ = fn
        self.accepts = accepts

    def __call__(self, value: Any) -> Any:
        if value.__class__ is Arguments:
            return self.__wrapped__(*value.args, **value.kwargs)
        return self.__wrapped__(value) if self.accepts else self.__wrapped__()

    def __reduce__(self) -> Any:
        return _DirectCall._restore, (Named(self.__wrapped__), self.accepts)

    @staticmethod
    def _restore(named: Named, accepts: int) -> _DirectCall:
        return _DirectCall(named.fn, accepts)


@overload
def do(fn: TakesOne[Generator[Op[E1, S1], Any, A], P, I2], /) -> Step[P, I2, A, E1, S1]: ...
@overload
def do(fn: TakesNone[Generator[Op[E1, S1], Any, A], P], /) -> Step[P, object, A, E1, S1]: ...
@overload
def do(fn: Callable[P, Generator[Op[E1, S1], Any, A]], /) -> Step[P, Never, A, E1, S1]: ...
@overload
def do(fn: TakesOne[Coroutine[Any, Any, A], P, I2], /) -> Step[P, I2, A, object, object]: ...
@overload
def do(fn: TakesNone[Coroutine[Any, Any, A], P], /) -> Step[P, object, A, object, object]: ...
@overload
def do(fn: Callable[P, Coroutine[Any, Any, A]], /) -> Step[P, Never, A, object, object]: ...
def do(fn: Any, /) -> Any:
    """Make a flow of a block in direct style: ``await flow`` in an ``async def``, ``yield from flow`` in a generator.

    Each is a ``bind``: it gives the flow's value, and a failure is raised there, the error itself if it is an
    exception, the cause of a defect, else ``Failed(error)``. One that leaves the block is the same failure again.
    ``async with``, cancel scopes and every other ``await`` work as in any coroutine. On a retry the block runs from
    its start. The generator form keeps the types of error and state; an ``async def`` cannot, its error is an
    ``object``. As a step, the block chains if it has one required parameter, and is called with its arguments
    otherwise.

    >>> @do
    ... async def twice(n: int) -> int:
    ...     first = await pure(n)
    ...     return first + await pure(n)
    >>> twice(4).run_sync()
    Outcome(8)
    >>> @do
    ... async def unlucky() -> int:
    ...     await fail("no")
    ...     return 1
    >>> unlucky().run_sync()
    Outcome(failed: 'no' at unlucky#0/fail)
    """
    import inspect

    if not (inspect.iscoroutinefunction(fn) or inspect.isgeneratorfunction(fn)):
        raise DefinitionError(f"@do decorates an async def or a generator function, not {brief(fn)}")
    name = fn.__name__
    takes_context, required, accepts = parameters(fn, name)
    if takes_context:
        raise DefinitionError(f"@do block {name!r}: a block has no ctx of its own; await get() and put(state) instead")
    return Step(Dynamic(_DirectCall(fn, accepts), name, direct=True), fn, required=required, accepts=accepts)


# -- loops ------------------------------------------------------------------------------------------------------------


@overload
def iterate(body: Flow[A, A, E1, S1], until: Callable[[A], bool], *, at_most: None = None) -> Flow[A, A, E1, S1]: ...
@overload
def iterate(
    body: Flow[A, A, E1, S1], until: Callable[[A], bool], *, at_most: int | None
) -> Flow[A, A, E1 | LoopLimit, S1]: ...
def iterate(body: Any, until: Callable[[Any], bool], *, at_most: int | None = None) -> Any:
    """Run ``body`` on its own value, at least once, until ``until(value)``; memory does not grow with the turns.

    With ``at_most`` the flow fails with :class:`mce.LoopLimit` when that many turns were not enough.

    Law: ``iterate(m, lambda _: True) = m``.

    >>> iterate(identity().map(lambda n: n * 2), until=lambda n: n > 100).run_sync(3)
    Outcome(192)
    >>> iterate(identity().map(lambda n: n * 2), until=lambda n: n > 100, at_most=2).run_sync(3).error
    LoopLimit(2, 'iterate', 12)
    """
    return Flow(Loop(flow_node(body, "iterate"), _turns(at_most, "iterate"), plain_function(until, "until")))


@overload
def tail_rec(body: Flow[A, Again | Done, E1, S1], *, at_most: None = None) -> Flow[A, Any, E1, S1]: ...
@overload
def tail_rec(body: Flow[A, Again | Done, E1, S1], *, at_most: int | None) -> Flow[A, Any, E1 | LoopLimit, S1]: ...
def tail_rec(body: Any, *, at_most: int | None = None) -> Any:
    """Run ``body`` until it gives ``Done(result)``; ``Again(value)`` is another turn (``tailRecM``), stack safe.

    Law: equals the recursion ``body.bind(lambda r: pure(r.value) if done else tail_rec(body)(r.value))``.

    >>> count = identity().map(lambda n: Done("ready") if n == 0 else Again(n - 1))
    >>> tail_rec(count).run_sync(1000)
    Outcome('ready')
    >>> tail_rec(fail("no")).run_sync(1)
    Outcome(failed: 'no' at tail_rec#0/fail)
    """
    return Flow(Loop(flow_node(body, "tail_rec"), _turns(at_most, "tail_rec"), None, "tail_rec"))


@overload
def forever_until(
    body: Flow[None, A, E1, S1], until: Callable[[A], bool], *, at_most: None = None
) -> Flow[object, A, E1, S1]: ...
@overload
def forever_until(
    body: Flow[None, A, E1, S1], until: Callable[[A], bool], *, at_most: int | None
) -> Flow[object, A, E1 | LoopLimit, S1]: ...
def forever_until(body: Any, until: Callable[[Any], bool], *, at_most: int | None = None) -> Any:
    """Run the closed flow ``body`` again and again until ``until(value)``, and give that value.

    Law: ``forever_until(m, lambda _: True) = m``.

    >>> forever_until(pure(3), until=lambda n: n == 3).run_sync()
    Outcome(3)
    >>> forever_until(pure(3), until=lambda n: n == 4, at_most=10).run_sync().error
    LoopLimit(10, 'forever_until', 3)
    """
    node = flow_node(body, "forever_until")
    done = plain_function(until, "until")
    return Flow(Then(Pure(None), Loop(node, _turns(at_most, "forever_until"), done, "forever_until")))


def _turns(at_most: Any, where: str) -> int | None:
    if at_most is not None and (not isinstance(at_most, int) or at_most < 0):
        raise DefinitionError(f"{where}(at_most={brief(at_most)}): at_most is a number of turns that is not negative")
    return at_most
