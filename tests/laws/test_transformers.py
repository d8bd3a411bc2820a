"""The laws that ``mce/transformers.py`` states, for every transformer over both bases and over every other transformer.

Computations are drawn as programs: a few operations of the stack in a row. A continuation is a table of programs, and
the value picks one. Two computations are equal when all that can be observed of them is: the results from several
states and environments, the logs, and the effects that were performed, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from returns.result import Failure, Success

from mce.transformers import Identity, Monad, Monoid, ReaderT, ResultT, StateT, Task, WriterT, fmap

Log = tuple[int, ...]


def joined(first: Log, second: Log) -> Log:
    return (*first, *second)


def writer_t(base: Monad) -> WriterT[Monad]:
    return WriterT(base, Monoid((), joined))


BASES = [Identity(), Task()]
LAYERS: list[Callable[[Any], Any]] = [ResultT, StateT, ReaderT, writer_t]
STACKS: list[Any] = [
    *(layer(base) for layer in LAYERS for base in BASES),
    *(outer(inner(Task())) for outer in LAYERS for inner in LAYERS if outer is not inner),
]


def spelled(monad: Any) -> str:
    name = type(monad).__name__
    return f"{name}({spelled(monad.base)})" if hasattr(monad, "base") else name


def every(*kinds: type[Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("monad", [m for m in [*BASES, *STACKS] if isinstance(m, kinds)], ids=spelled)


Transformer = ResultT[Any] | StateT[Any] | ReaderT[Any] | WriterT[Any]
few = settings(max_examples=settings().max_examples // 5)  # a fifth for each of the many stacks


# Random computations and continuations.

performed: list[int] = []


class Pause:
    def __await__(self) -> Generator[None, None, None]:
        yield


def effect(n: int) -> Callable[[], Any]:
    async def performing() -> int:
        await Pause()
        performed.append(n)
        return n

    return performing


OPERATIONS: dict[type[Any], dict[str, Callable[[Any, int], Any]]] = {
    Identity: {"pure": lambda monad, n: monad.pure(n)},
    Task: {"pure": lambda monad, n: monad.pure(n), "effect": lambda monad, n: effect(n)},
    ResultT: {"fail": lambda monad, n: monad.fail(n)},
    StateT: {"get": lambda monad, n: monad.get(), "put": lambda monad, n: fmap(monad, lambda _: n, monad.put(n))},
    ReaderT: {"ask": lambda monad, n: monad.ask()},
    WriterT: {"tell": lambda monad, n: fmap(monad, lambda _: n, monad.tell((n,)))},
}
Program = list[tuple[str, int]]


def vocabulary(monad: Any) -> list[str]:
    own = list(OPERATIONS[type(monad)])
    return [*own, *vocabulary(monad.base)] if hasattr(monad, "base") else own


def operation(monad: Any, name: str, n: int) -> Any:
    """Give the operation of that name, lifted from where it is in the stack; its value is a number."""
    own = OPERATIONS[type(monad)]
    return own[name](monad, n) if name in own else monad.lift(operation(monad.base, name, n))


numbers = st.integers(0, 2)


def meaning(monad: Monad, program: Program) -> Any:
    (name, n), *rest = program
    first = operation(monad, name, n)
    return monad.bind(first, lambda _: meaning(monad, rest)) if rest else first


def programs(monad: Any) -> st.SearchStrategy[Program]:
    return st.lists(st.tuples(st.sampled_from(vocabulary(monad)), numbers), min_size=1, max_size=3)


def computation(data: st.DataObject, monad: Any) -> Any:
    return meaning(monad, data.draw(programs(monad)))


def arrow(data: st.DataObject, monad: Any) -> Callable[[int], Any]:
    table = data.draw(st.lists(programs(monad), min_size=1, max_size=3))
    return lambda n: meaning(monad, table[n % len(table)])


# What can be observed of a computation.


def perform(task: Callable[[], Any]) -> Any:
    steps = task().__await__()
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value


def observed(monad: Any, computation: Any) -> Any:
    match monad:
        case Identity():
            return computation
        case Task():
            performed.clear()
            return perform(computation), list(performed)
        case StateT() | ReaderT():
            return [observed(monad.base, computation(given)) for given in (0, 1, 2)]
        case _:
            return observed(monad.base, computation)


def assert_same(monad: Any, left: Any, right: Any) -> None:
    assert observed(monad, left) == observed(monad, right)


# Every monad.


@every(object)
@few
@given(st.data())
def test_left_identity(monad: Monad, data: st.DataObject) -> None:
    """``bind(pure(a), f) = f(a)``"""
    f, a = arrow(data, monad), data.draw(numbers)
    assert_same(monad, monad.bind(monad.pure(a), f), f(a))


@every(object)
@few
@given(st.data())
def test_right_identity(monad: Monad, data: st.DataObject) -> None:
    """``bind(m, pure) = m``"""
    m = computation(data, monad)
    assert_same(monad, monad.bind(m, monad.pure), m)


@every(object)
@few
@given(st.data())
def test_associativity(monad: Monad, data: st.DataObject) -> None:
    """``bind(bind(m, f), g) = bind(m, lambda a: bind(f(a), g))``"""
    m, f, g = computation(data, monad), arrow(data, monad), arrow(data, monad)
    assert_same(monad, monad.bind(monad.bind(m, f), g), monad.bind(m, lambda a: monad.bind(f(a), g)))


# Every transformer: lift is a monad morphism.


@every(ResultT, StateT, ReaderT, WriterT)
@few
@given(a=numbers)
def test_lift_of_pure_is_pure(monad: Transformer, a: int) -> None:
    """``lift(base.pure(a)) = pure(a)``"""
    assert_same(monad, monad.lift(monad.base.pure(a)), monad.pure(a))


@every(ResultT, StateT, ReaderT, WriterT)
@few
@given(st.data())
def test_lift_of_bind_is_bind_of_lifts(monad: Transformer, data: st.DataObject) -> None:
    """``lift(base.bind(m, f)) = bind(lift(m), lambda a: lift(f(a)))``"""
    m, f = computation(data, monad.base), arrow(data, monad.base)
    assert_same(monad, monad.lift(monad.base.bind(m, f)), monad.bind(monad.lift(m), lambda a: monad.lift(f(a))))


# ResultT


@every(ResultT)
@few
@given(st.data())
def test_fail_is_a_left_zero_of_bind(monad: ResultT[Any], data: st.DataObject) -> None:
    """``bind(fail(e), f) = fail(e)``"""
    e, f = data.draw(numbers), arrow(data, monad)
    assert_same(monad, monad.bind(monad.fail(e), f), monad.fail(e))


@every(ResultT)
@few
@given(st.data())
def test_success_needs_no_recovery(monad: ResultT[Any], data: st.DataObject) -> None:
    """``recover(pure(a), h) = pure(a)``, ``recover(lift(m), h) = lift(m)``"""
    a, m, h = data.draw(numbers), computation(data, monad.base), arrow(data, monad)
    assert_same(monad, monad.recover(monad.pure(a), h), monad.pure(a))
    assert_same(monad, monad.recover(monad.lift(m), h), monad.lift(m))


@every(ResultT)
@few
@given(st.data())
def test_recover_left_identity(monad: ResultT[Any], data: st.DataObject) -> None:
    """``recover(fail(e), h) = h(e)``"""
    e, h = data.draw(numbers), arrow(data, monad)
    assert_same(monad, monad.recover(monad.fail(e), h), h(e))


@every(ResultT)
@few
@given(st.data())
def test_recover_right_identity(monad: ResultT[Any], data: st.DataObject) -> None:
    """``recover(m, fail) = m``"""
    m = computation(data, monad)
    assert_same(monad, monad.recover(m, monad.fail), m)


@every(ResultT)
@few
@given(st.data())
def test_recover_associativity(monad: ResultT[Any], data: st.DataObject) -> None:
    """``recover(recover(m, g), h) = recover(m, lambda e: recover(g(e), h))``"""
    m, g, h = computation(data, monad), arrow(data, monad), arrow(data, monad)
    assert_same(monad, monad.recover(monad.recover(m, g), h), monad.recover(m, lambda e: monad.recover(g(e), h)))


@every(ResultT)
@pytest.mark.xfail(
    strict=True, raises=AssertionError, reason="what follows may fail too: on the right that is recovered"
)
def test_bind_distributes_over_recover(monad: ResultT[Any]) -> None:
    """Not a law: ``bind(recover(m, h), f) = recover(bind(m, f), lambda e: bind(h(e), f))``"""
    m, f = monad.pure(0), monad.fail

    def h(error: int) -> Any:
        return monad.pure(error + 1)

    apart = monad.recover(monad.bind(m, f), lambda e: monad.bind(h(e), f))
    assert_same(monad, monad.bind(monad.recover(m, h), f), apart)


# StateT


def then(monad: Monad, first: Any, second: Any) -> Any:
    return monad.bind(first, lambda _: second)


@every(StateT)
@few
@given(s=numbers, t=numbers)
def test_the_last_put_counts(monad: StateT[Any], s: int, t: int) -> None:
    """``put(s) >> put(t) = put(t)``"""
    assert_same(monad, then(monad, monad.put(s), monad.put(t)), monad.put(t))


@every(StateT)
@few
@given(s=numbers)
def test_get_gives_what_was_put(monad: StateT[Any], s: int) -> None:
    """``put(s) >> get() = put(s) >> pure(s)``"""
    assert_same(monad, then(monad, monad.put(s), monad.get()), then(monad, monad.put(s), monad.pure(s)))


@every(StateT)
def test_putting_what_is_there_changes_nothing(monad: StateT[Any]) -> None:
    """``bind(get(), put) = pure(None)``"""
    assert_same(monad, monad.bind(monad.get(), monad.put), monad.pure(None))


@every(StateT)
@few
@given(st.data())
def test_get_twice_is_get_once(monad: StateT[Any], data: st.DataObject) -> None:
    """``bind(get(), lambda s: bind(get(), lambda t: k(s, t))) = bind(get(), lambda s: k(s, s))``"""
    k = arrow(data, monad)
    twice = monad.bind(monad.get(), lambda s: monad.bind(monad.get(), lambda t: k(s + 3 * t)))
    assert_same(monad, twice, monad.bind(monad.get(), lambda s: k(s + 3 * s)))


# ReaderT


def raised(n: int) -> int:
    return n + 1


def doubled(n: int) -> int:
    return 2 * n


@every(ReaderT)
@few
@given(st.data())
def test_ask_only_reads(monad: ReaderT[Any], data: st.DataObject) -> None:
    """``bind(ask(), lambda _: m) = m``"""
    m = computation(data, monad)
    assert_same(monad, then(monad, monad.ask(), m), m)


@every(ReaderT)
@few
@given(st.data())
def test_ask_twice_is_ask_once(monad: ReaderT[Any], data: st.DataObject) -> None:
    """``bind(ask(), lambda r: bind(ask(), lambda t: k(r, t))) = bind(ask(), lambda r: k(r, r))``"""
    k = arrow(data, monad)
    twice = monad.bind(monad.ask(), lambda r: monad.bind(monad.ask(), lambda t: k(r + 3 * t)))
    assert_same(monad, twice, monad.bind(monad.ask(), lambda r: k(r + 3 * r)))


@every(ReaderT)
def test_local_is_seen_by_ask(monad: ReaderT[Any]) -> None:
    """``local(f, ask()) = fmap(f, ask())``"""
    assert_same(monad, monad.local(raised, monad.ask()), fmap(monad, raised, monad.ask()))


@every(ReaderT)
@few
@given(st.data())
def test_local_changes_no_more(monad: ReaderT[Any], data: st.DataObject) -> None:
    """``local(f, pure(a)) = pure(a)``, ``local(f, lift(m)) = lift(m)``"""
    a, m = data.draw(numbers), computation(data, monad.base)
    assert_same(monad, monad.local(raised, monad.pure(a)), monad.pure(a))
    assert_same(monad, monad.local(raised, monad.lift(m)), monad.lift(m))


@every(ReaderT)
@few
@given(st.data())
def test_local_distributes_over_bind(monad: ReaderT[Any], data: st.DataObject) -> None:
    """``local(f, bind(m, k)) = bind(local(f, m), lambda a: local(f, k(a)))``"""
    m, k = computation(data, monad), arrow(data, monad)
    apart = monad.bind(monad.local(raised, m), lambda a: monad.local(raised, k(a)))
    assert_same(monad, monad.local(raised, monad.bind(m, k)), apart)


@every(ReaderT)
@few
@given(st.data())
def test_local_composes(monad: ReaderT[Any], data: st.DataObject) -> None:
    """``local(f, local(g, m)) = local(lambda r: g(f(r)), m)``"""
    m = then(monad, computation(data, monad), monad.ask())
    assert_same(monad, monad.local(raised, monad.local(doubled, m)), monad.local(lambda r: doubled(raised(r)), m))


# WriterT

logs = st.lists(numbers, max_size=2).map(tuple)


@every(WriterT)
@few
@given(v=logs, w=logs)
def test_tell_is_a_monoid_morphism(monad: WriterT[Any], v: Log, w: Log) -> None:
    """``tell(empty) = pure(None)``, ``bind(tell(v), lambda _: tell(w)) = tell(v + w)``"""
    assert_same(monad, monad.tell(()), monad.pure(None))
    assert_same(monad, then(monad, monad.tell(v), monad.tell(w)), monad.tell(v + w))


@every(WriterT)
@few
@given(st.data())
def test_listen_adds_the_log(monad: WriterT[Any], data: st.DataObject) -> None:
    """``listen`` of ``pure``, ``lift`` and ``tell`` gives an empty log, an empty log, and the one told"""
    a, w, m = data.draw(numbers), data.draw(logs), computation(data, monad.base)
    assert_same(monad, monad.listen(monad.pure(a)), monad.pure((a, ())))
    assert_same(monad, monad.listen(monad.lift(m)), monad.lift(fmap(monad.base, lambda b: (b, ()), m)))
    assert_same(monad, monad.listen(monad.tell(w)), fmap(monad, lambda _: (None, w), monad.tell(w)))


@every(WriterT)
@few
@given(st.data())
def test_listen_distributes_over_bind(monad: WriterT[Any], data: st.DataObject) -> None:
    """``listen(bind(m, k)) = bind(listen(m), lambda (a, v): fmap((b, v + w), listen(k(a))))``"""
    m, k = computation(data, monad), arrow(data, monad)

    def following(heard: tuple[int, Log]) -> Any:
        a, v = heard
        return fmap(monad, lambda more: (more[0], v + more[1]), monad.listen(k(a)))

    assert_same(monad, monad.listen(monad.bind(m, k)), monad.bind(monad.listen(m), following))


# The order of the stack.


def test_result_over_state_keeps_the_state_of_a_failure() -> None:
    flows = ResultT(StateT(Task()))
    failing = then(flows, flows.lift(flows.base.put("new")), flows.fail("no"))
    assert perform(failing("old")) == (Failure("no"), "new")

    recovered = flows.recover(failing, lambda error: fmap(flows, lambda s: (error, s), flows.lift(flows.base.get())))
    assert perform(recovered("old")) == (Success(("no", "new")), "new")


def test_state_over_result_forgets_the_state_of_a_failure() -> None:
    results = ResultT(Task())
    states = StateT(results)
    failing = then(states, states.put("new"), states.lift(results.fail("no")))
    assert perform(failing("old")) == Failure("no")

    recovered = results.recover(failing("old"), lambda error: fmap(states, lambda s: (error, s), states.get())("old"))
    assert perform(recovered) == Success((("no", "old"), "old"))


# Exceptions and depth.


def test_an_exception_is_no_failure_and_passes_through() -> None:
    async def broken() -> int:
        raise ZeroDivisionError

    results = ResultT(Task())
    with pytest.raises(ZeroDivisionError):
        perform(results.recover(results.lift(broken), results.pure))


DEPTH = 10_000


def left_nested(monad: Monad) -> Any:
    chain = monad.pure(0)
    for _ in range(DEPTH):
        chain = monad.bind(chain, lambda n: monad.pure(n + 1))
    return chain


def right_nested(monad: Monad) -> Any:
    def counted(n: int) -> Any:
        return monad.bind(monad.pure(n + 1), lambda m: counted(m) if m < DEPTH else monad.pure(m))

    return counted(0)


DEEP = [Task(), *(layer(Task()) for layer in LAYERS), ResultT(StateT(Task())), StateT(ResultT(Task()))]


@pytest.mark.parametrize("monad", DEEP, ids=spelled)
@pytest.mark.parametrize("nested", [left_nested, right_nested])
def test_long_chains_over_task_fit_the_stack(monad: WriterT[Any], nested: Callable[[Any], Any]) -> None:
    assert_same(monad, nested(monad), monad.pure(DEPTH))


@pytest.mark.xfail(strict=True, raises=RecursionError, reason="Identity is eager")
@pytest.mark.parametrize("nested", [left_nested, right_nested])
def test_long_chains_of_states_over_identity_fit_the_stack(nested: Callable[[Any], Any]) -> None:
    nested(StateT(Identity()))(0)
