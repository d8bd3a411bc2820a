"""Laws as checks: those that every flow keeps, and those that reducers and lenses of one's own must keep.

A law that is broken raises an ``AssertionError`` that states it and shows the values for which it does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any, TypeAlias

from mce.combinators.alternative import first_success
from mce.combinators.applicative import gather, validate
from mce.combinators.functor import map_error
from mce.combinators.monad import fail, identity, iterate, pure
from mce.combinators.selective import branch
from mce.combinators.state import transact
from mce.engine.protocol import Backend
from mce.errors import brief
from mce.flow import NO_INPUT, Flow
from mce.lens import Lens
from mce.reducers import AnyReducer, Clash
from mce.schedule import never
from mce.syntax import same
from mce.testing.equivalence import Observation, observe

__all__ = ["check_laws", "check_lens", "check_reducer"]

_Flow: TypeAlias = Flow[Any, Any, Any, Any]


def _first(values: tuple[Any, ...]) -> Any:
    return values[0]


def _always(_: Any) -> bool:
    return True


_LAWS: dict[str, Callable[[_Flow], _Flow]] = {
    "m = m, run twice": same,
    "m.map(identity) = m": lambda m: m.map(same),
    "map_error(m, identity) = m": lambda m: map_error(m, same),
    "identity() >> m = m": lambda m: identity() >> m,
    "m >> identity() = m": lambda m: m >> identity(),
    "m.bind(pure) = m": lambda m: m.bind(pure),
    "m.recover(fail) = m": lambda m: m.recover(fail),
    "fail(e).or_else(m) = m": lambda m: fail("e").or_else(m),
    "first_success(m) = m": first_success,
    "gather(m).map(first) = m": lambda m: gather(m).map(_first),
    "validate(m).map(first) = m, and its error": lambda m: map_error(validate(m).map(_first), _first),
    "branch(always, m, m) = m": lambda m: branch(_always, m, m),
    "iterate(m, until=always) = m": lambda m: iterate(m, _always),
    "m.retry(never) = m": lambda m: m.retry(never),
    "transact(transact(m)) = transact(m)": lambda m: transact(transact(m)),
}
"""The laws that are about one flow: what is equal to it, or for the last one to ``transact`` of it."""


def check_laws(
    flow: _Flow, input: Any = NO_INPUT, *, state: Any = None, deps: Any = None, backend: Backend | None = None
) -> None:
    """Check the laws that are about a single flow at ``flow``, from ``input`` and ``state``.

    They hold for every flow whose steps depend on nothing but their input, the state and ``deps``; one that breaks them
    keeps something between runs, or waits for chance. Steps are called for real, once for every law; ``deps``, if a
    factory, is called for every run.

    >>> from mce import lift, step
    >>> check_laws(lift(len), "four")
    >>> seen = []
    >>> @step(pure=True)
    ... def count(word: str) -> int:
    ...     seen.append(word)
    ...     return len(seen)
    >>> check_laws(count, "four")
    Traceback (most recent call last):
    AssertionError: m = m, run twice: does not hold for <Step count>
      result: <Success: 1> and <Success: 2>
    """
    options: Any = {"state": state, "deps": deps, "backend": backend}
    plain = observe(flow, input, **options)
    given = None if input is NO_INPUT else input
    for statement, made in _LAWS.items():
        wanted = observe(transact(flow), given, **options) if statement.startswith("transact") else plain
        _compare(statement, flow, wanted, observe(made(flow), given, **options), in_order=_in_order(backend))


def _in_order(backend: Backend | None) -> bool:
    return backend is None or backend.sequential


def _compare(statement: str, flow: _Flow, wanted: Observation, seen: Observation, *, in_order: bool) -> None:
    differences = wanted.differences(seen, in_order=in_order)
    if differences:
        raise AssertionError("\n  ".join([f"{statement}: does not hold for {brief(flow)}", *differences]))


def check_reducer(reducer: AnyReducer, values: Iterable[Any]) -> None:
    """Check the laws of a reducer on every combination of ``values``, which are what its field may hold.

    A few values that differ in what matters to the reducer are enough: their number counts to the fourth power.

    >>> from mce import Append, Reducer
    >>> check_reducer(Append(), [(), (1,), (1, 2)])
    >>> difference = Reducer(lambda before, after: after - before, lambda n, d: n + d, lambda c, d: c - d)
    >>> check_reducer(difference, [0, 1])
    Traceback (most recent call last):
    AssertionError: patch(patch(v, c), d) = patch(v, compose(c, d)): 1 and -1 for v=0, c=0, d=1
    """
    held = list(values)
    pairs = [(before, after, reducer.diff(before, after)) for before, after in product(held, repeat=2)]
    composed = reducer.compose or reducer.combine
    for before, after, delta in pairs:
        if delta is not None:
            patched = reducer.patch(before, delta)
            _equal("patch(b, diff(b, a)) = a", patched, after, b=before, a=after)
    for v in held:
        none = reducer.diff(v, v)
        if none is not None:
            _equal("patch(v, diff(v, v)) = v", reducer.patch(v, none), v, v=v)
    deltas = _distinct(delta for _, _, delta in pairs if delta is not None)
    for v, c, d in product(held, deltas, deltas):
        both = _met(composed, c, d)
        if both is not _CLASH:
            one_by_one = reducer.patch(reducer.patch(v, c), d)
            _equal("patch(patch(v, c), d) = patch(v, compose(c, d))", one_by_one, reducer.patch(v, both), v=v, c=c, d=d)
    for name, f in (("combine", reducer.combine), ("compose", composed)):
        for b, c, d in product(deltas, repeat=3):
            left, right = _met(f, _met(f, b, c), d), _met(f, b, _met(f, c, d))
            _equal(f"{name}({name}(b, c), d) = {name}(b, {name}(c, d))", left, right, b=b, c=c, d=d)


_CLASH = "a Clash"


def _met(f: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
    """Give ``f`` of both; a clash absorbs."""
    if one is _CLASH or other is _CLASH:
        return _CLASH
    try:
        return f(one, other)
    except Clash:
        return _CLASH


def _distinct(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def check_lens(lens: Lens[Any, Any], wholes: Iterable[Any], parts: Iterable[Any]) -> None:
    """Check the laws of a lens on every combination of ``wholes`` and ``parts``.

    >>> pair = Lens(get=lambda whole: whole[0], set=lambda whole, part: (part, whole[1]))
    >>> check_lens(pair, [(1, 2), (3, 4)], [1, 5])
    >>> check_lens(Lens(get=pair.get, set=lambda whole, part: (part, 0)), [(1, 2)], [1])
    Traceback (most recent call last):
    AssertionError: set(s, get(s)) = s: (1, 0) and (1, 2) for s=(1, 2)
    """
    held = list(parts)
    for s in wholes:
        _equal("set(s, get(s)) = s", lens.set(s, lens.get(s)), s, s=s)
        for a in held:
            _equal("get(set(s, a)) = a", lens.get(lens.set(s, a)), a, s=s, a=a)
            for b in held:
                _equal("set(set(s, a), b) = set(s, b)", lens.set(lens.set(s, a), b), lens.set(s, b), s=s, a=a, b=b)


def _equal(law: str, left: Any, right: Any, **given: Any) -> None:
    if left != right:
        where = ", ".join(f"{name}={brief(value, 60)}" for name, value in given.items())
        raise AssertionError(f"{law}: {brief(left, 100)} and {brief(right, 100)} for {where}")
