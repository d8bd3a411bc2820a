"""The reference meaning: monads and monad transformers as plain values, to test the engine against.

A monad here is an object with ``pure`` and ``bind``; a transformer is a class that makes a monad of a base monad and
adds operations. What a computation *is* differs:

    monad         a computation is                      adds
    Identity      a plain value
    Task          a thunk () -> Awaitable[A]
    ResultT       a base computation of Result[A, E]    fail, recover
    StateT        state -> base computation of (A, S)   get, put
    ReaderT       environment -> base computation of A  ask, local
    WriterT       base computation of (A, log)          tell, listen

``lift`` brings a computation of the base into the monad made of it, and is a monad morphism:
``lift(base.pure(a)) = pure(a)`` and ``lift(base.bind(m, f)) = bind(lift(m), lambda a: lift(f(a)))``.

The order of the stack decides what a failure does to the state. A flow's context is ``ResultT(StateT(Task()))``, a
computation ``S -> Task((Result[A, E], S))``: a failure keeps the state. ``StateT(ResultT(Task()))``, a computation
``S -> Task(Result[(A, S), E])``, forgets it:

>>> keeping = ResultT(StateT(Identity()))
>>> keeping.bind(keeping.lift(keeping.base.put("new")), lambda _: keeping.fail("no"))("old")
(<Failure: no>, 'new')
>>> forgetting = StateT(ResultT(Identity()))
>>> forgetting.bind(forgetting.put("new"), lambda _: forgetting.lift(forgetting.base.fail("no")))("old")
<Failure: no>

Only clarity counts here, since nobody runs flows with it. Python has no type for "a computation of this monad", so
computations are ``Any`` and the laws are tested. The ideas are those of Moggi, "Notions of computation and monads"
(1991), and of Liang, Hudak and Jones, "Monad transformers and modular interpreters" (1995).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

from returns.result import Failure, Result, Success

if TYPE_CHECKING:
    from mce.flow import Flow

__all__ = ["Identity", "Monad", "Monoid", "ReaderT", "ResultT", "StateT", "Task", "WriterT", "denote", "fmap"]

Computation: TypeAlias = Any
Arrow: TypeAlias = Callable[[Any], Computation]
Thunk: TypeAlias = Callable[[], Awaitable[Any]]


class Monad(Protocol):
    """What every monad here has.

    Laws (``=``: same observable meaning; ``tests/laws/test_transformers.py``, for all monads of this module):
    left identity   ``bind(pure(a), f) = f(a)``
    right identity  ``bind(m, pure) = m``
    associativity   ``bind(bind(m, f), g) = bind(m, lambda a: bind(f(a), g))``
    """

    def pure(self, value: Any) -> Computation:
        """Give the computation that does nothing and has ``value``."""

    def bind(self, first: Computation, then: Arrow) -> Computation:
        """Give the computation that does ``first`` and then what ``then`` makes of its value."""


B = TypeVar("B", bound=Monad)


def fmap(monad: Monad, f: Callable[[Any], Any], computation: Computation) -> Computation:
    """Apply ``f`` to the value of ``computation``: ``bind(computation, lambda a: pure(f(a)))``."""
    return monad.bind(computation, lambda value: monad.pure(f(value)))


@dataclass(frozen=True)
class Identity:
    """The monad without effects: a computation is its value.

    Eager, and the only monad here that is not stack safe: a chain of ``bind`` over it that does not run at once (below
    ``StateT`` or ``ReaderT``, or nested to the right) may be some hundreds long.

    >>> Identity().bind(20, lambda n: n + 1)
    21
    """

    def pure(self, value: Any) -> Any:
        """Give ``value``."""
        return value

    def bind(self, first: Any, then: Callable[[Any], Any]) -> Any:
        """Give ``then(first)``."""
        return then(first)


@dataclass(frozen=True)
class Task:
    """The monad of asynchronous effects: a computation is a thunk, and ``await computation()`` performs it.

    Every function without parameters that gives an awaitable is one. Chains of any length and nesting run, since
    ``bind`` only notes what to do and a loop does it.

    >>> import asyncio
    >>> async def fetch() -> int:
    ...     return 20
    >>> asyncio.run(Task().bind(fetch, lambda n: Task().pure(n + 1))())
    21
    """

    def pure(self, value: Any) -> Thunk:
        """Give the thunk that only returns ``value``."""

        async def returned() -> Any:
            return value

        return returned

    def bind(self, first: Thunk, then: Callable[[Any], Thunk]) -> Thunk:
        """Give the thunk that performs ``first`` and then what ``then`` makes of its value."""
        return _Bound(first, then)


@dataclass(frozen=True, eq=False, repr=False)
class _Bound:
    first: Thunk
    then: Callable[[Any], Thunk]

    async def __call__(self) -> Any:
        current: Thunk = self
        waiting: list[Callable[[Any], Thunk]] = []
        while True:
            while isinstance(current, _Bound):
                waiting.append(current.then)
                current = current.first
            value = await current()
            if not waiting:
                return value
            current = waiting.pop()(value)


@dataclass(frozen=True)
class ResultT(Generic[B]):
    """Failures over ``base``: a computation is a base computation of a ``Result``.

    Laws, besides those of ``Monad`` and ``lift``; ``fail`` and ``recover`` are ``pure`` and ``bind`` of the errors:
    fail ends the chain    ``bind(fail(e), f) = fail(e)``
    success needs no help  ``recover(pure(a), h) = pure(a)``, ``recover(lift(m), h) = lift(m)``
    left identity          ``recover(fail(e), h) = h(e)``
    right identity         ``recover(m, fail) = m``
    associativity          ``recover(recover(m, g), h) = recover(m, lambda e: recover(g(e), h))``

    Not a law: ``bind`` does not distribute over ``recover``, since ``recover(bind(m, f), h)`` also covers ``f``.

    >>> results = ResultT(Identity())
    >>> results.bind(results.pure(20), lambda n: results.pure(n + 1))
    <Success: 21>
    >>> results.bind(results.fail("no"), lambda n: results.pure(n + 1))
    <Failure: no>
    """

    base: B

    def pure(self, value: Any) -> Computation:
        """Succeed with ``value``."""
        return self.base.pure(Success(value))

    def bind(self, first: Computation, then: Arrow) -> Computation:
        """Continue after a success; a failure stays as it is."""

        def proceed(result: Result[Any, Any]) -> Computation:
            return then(result.unwrap()) if isinstance(result, Success) else self.base.pure(result)

        return self.base.bind(first, proceed)

    def lift(self, computation: Computation) -> Computation:
        """Perform a computation of the base; it succeeds."""
        return fmap(self.base, Success, computation)

    def fail(self, error: Any) -> Computation:
        """Fail with ``error``."""
        return self.base.pure(Failure(error))

    def recover(self, computation: Computation, handler: Arrow) -> Computation:
        """Continue after a failure with what ``handler`` makes of the error; a success stays as it is."""

        def proceed(result: Result[Any, Any]) -> Computation:
            return handler(result.failure()) if isinstance(result, Failure) else self.base.pure(result)

        return self.base.bind(computation, proceed)


@dataclass(frozen=True)
class StateT(Generic[B]):
    """A state over ``base``: a computation is a function of the state to a base computation of ``(value, state)``.

    Laws, besides those of ``Monad`` and ``lift`` (``a >> b`` is ``bind(a, lambda _: b)``):
    put put  ``put(s) >> put(t) = put(t)``
    put get  ``put(s) >> get() = put(s) >> pure(s)``
    get put  ``bind(get(), put) = pure(None)``
    get get  ``bind(get(), lambda s: bind(get(), lambda t: k(s, t))) = bind(get(), lambda s: k(s, s))``

    >>> states = StateT(Identity())
    >>> states.bind(states.get(), lambda n: states.put(n + 1))(20)
    (None, 21)
    """

    base: B

    def pure(self, value: Any) -> Arrow:
        """Have ``value`` and leave the state."""
        return lambda state: self.base.pure((value, state))

    def bind(self, first: Computation, then: Arrow) -> Arrow:
        """Continue in the state that ``first`` leaves."""
        return lambda state: self.base.bind(_applied(self.base, first, state), lambda pair: then(pair[0])(pair[1]))

    def lift(self, computation: Computation) -> Arrow:
        """Perform a computation of the base and leave the state."""
        return lambda state: fmap(self.base, lambda value: (value, state), computation)

    def get(self) -> Arrow:
        """Have the state as the value."""
        return lambda state: self.base.pure((state, state))

    def put(self, state: Any) -> Arrow:
        """Replace the state by ``state``; the value is ``None``."""
        return lambda _: self.base.pure((None, state))


@dataclass(frozen=True)
class ReaderT(Generic[B]):
    """An environment over ``base``: a computation is a function of the environment to a base computation.

    Laws, besides those of ``Monad`` and ``lift``:
    ask only reads        ``bind(ask(), lambda _: m) = m``
    ask ask               ``bind(ask(), lambda r: bind(ask(), lambda t: k(r, t))) = bind(ask(), lambda r: k(r, r))``
    local is seen by ask  ``local(f, ask()) = fmap(f, ask())``
    local changes no more ``local(f, pure(a)) = pure(a)``, ``local(f, lift(m)) = lift(m)``
    local distributes     ``local(f, bind(m, k)) = bind(local(f, m), lambda a: local(f, k(a)))``
    local composes        ``local(f, local(g, m)) = local(lambda r: g(f(r)), m)``

    >>> readers = ReaderT(Identity())
    >>> readers.local(lambda n: n + 1, readers.ask())(20)
    21
    """

    base: B

    def pure(self, value: Any) -> Arrow:
        """Have ``value`` in every environment."""
        return lambda _: self.base.pure(value)

    def bind(self, first: Computation, then: Arrow) -> Arrow:
        """Continue in the same environment."""
        return lambda given: self.base.bind(_applied(self.base, first, given), lambda value: then(value)(given))

    def lift(self, computation: Computation) -> Arrow:
        """Perform a computation of the base in every environment."""
        return lambda _: computation

    def ask(self) -> Arrow:
        """Have the environment as the value."""
        return self.base.pure

    def local(self, change: Callable[[Any], Any], computation: Computation) -> Arrow:
        """Perform ``computation`` in the environment that ``change`` makes of this one."""
        return lambda given: computation(change(given))


@dataclass(frozen=True)
class Monoid:
    """An associative ``combine`` and its identity ``empty``."""

    empty: Any
    combine: Callable[[Any, Any], Any]


@dataclass(frozen=True)
class WriterT(Generic[B]):
    """A log over ``base``: a computation is a base computation of ``(value, log)``; logs are joined by ``monoid``.

    Laws, besides those of ``Monad`` and ``lift`` (``+`` is ``monoid.combine``):
    tell is a monoid morphism  ``tell(empty) = pure(None)``, ``bind(tell(v), lambda _: tell(w)) = tell(v + w)``
    listen adds the log        ``listen(pure(a)) = pure((a, empty))``, ``listen(lift(m)) = lift(fmap((a, empty), m))``,
                               ``listen(tell(w)) = fmap((None, w), tell(w))``
    listen distributes         ``listen(bind(m, k)) = bind(listen(m), lambda (a, v): fmap((b, v + w), listen(k(a))))``

    >>> writers = WriterT(Identity(), Monoid("", lambda a, b: a + b))
    >>> writers.bind(writers.tell("one, "), lambda _: writers.listen(writers.tell("two")))
    ((None, 'two'), 'one, two')
    """

    base: B
    monoid: Monoid

    def pure(self, value: Any) -> Computation:
        """Have ``value`` with an empty log."""
        return self.base.pure((value, self.monoid.empty))

    def bind(self, first: Computation, then: Arrow) -> Computation:
        """Continue and join the logs in order."""

        def proceed(start: tuple[Any, Any]) -> Computation:
            value, log = start
            return fmap(self.base, lambda end: (end[0], self.monoid.combine(log, end[1])), then(value))

        return self.base.bind(first, proceed)

    def lift(self, computation: Computation) -> Computation:
        """Perform a computation of the base with an empty log."""
        return fmap(self.base, lambda value: (value, self.monoid.empty), computation)

    def tell(self, log: Any) -> Computation:
        """Add ``log`` to the log; the value is ``None``."""
        return self.base.pure((None, log))

    def listen(self, computation: Computation) -> Computation:
        """Add to the value of ``computation`` the log it writes."""
        return fmap(self.base, lambda end: (end, end[1]), computation)


def _applied(base: Monad, arrow: Arrow, argument: Any) -> Computation:
    """Give ``arrow(argument)``, by left identity, but let the base call it: a lazy one does so off our stack."""
    return base.bind(base.pure(argument), arrow)


def denote(flow: Flow[Any, Any, Any, Any], *, deps: Any = None) -> Callable[[Any], Callable[[Any], Thunk]]:
    """Give the reference meaning of ``flow``: an input, to a state, to a task of the result and the final state.

    ``deps`` is what its steps find as ``ctx.deps``. What each node means is in :mod:`mce.denotation`; a ``Suspend``
    has no meaning without somebody outside and raises :class:`mce.InvalidFlow` when it is reached.

    >>> import asyncio
    >>> from mce import fail, lift, modify
    >>> count = modify(lambda n: n + 1)
    >>> asyncio.run(denote(lift(len))("four")(0)())
    (<Success: 4>, 0)
    >>> asyncio.run(denote(count >> fail("no"))(None)(0)())
    (<Failure: no>, 1)
    """
    from mce.denotation import denote

    return denote(flow, deps=deps)
