"""Traversable: one flow for every element, folds, and one flow out of many.

Source: Gibbons and Oliveira, *The essence of the iterator pattern* (2009).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Never

from returns.result import Failure, Result, Success
from typing_extensions import TypeVar

from mce.errors import DefinitionError, brief
from mce.flow import Flow, flow_node
from mce.records import dataclass
from mce.step_types import KeepUnions
from mce.syntax import Choice, Each, Fn, Join, Loop, Node, Par, Then, same

__all__ = ["as_completed", "each", "filter_each", "fold", "partition", "scan", "sequence", "traverse", "tree_reduce"]

A = TypeVar("A")
B = TypeVar("B")
E1 = TypeVar("E1")
I1 = TypeVar("I1")
S1 = TypeVar("S1")


def each(
    body: Flow[A, B, E1, S1], limit: int | None = None, *, merge: Callable[[list[Any]], Any] | None = None
) -> Flow[Iterable[A], tuple[B, ...], E1, S1]:
    """Run ``body`` for every element of the input, at most ``limit`` at once, and give the tuple of values; fail fast.

    Values are in the order of the elements. State and failures are as in :func:`mce.gather`.

    Laws: identity ``each(identity()) = lift(tuple)``; naturality ``each(m.map(f)) = each(m).map(map f)``;
    ``each(lift(f) >> m) = lift(map f) >> each(m)``.

    >>> from mce import lift, fail
    >>> each(lift(str)).run_sync([1, 2])
    Outcome(('1', '2'))
    >>> each(fail("no"), limit=1).run_sync([1, 2])
    Outcome(failed: 'no' at each[0]/fail)
    """
    return Flow(Each(flow_node(body, "each"), Join(merge=merge), _limit(limit, "each")))


traverse = each


def sequence(flows: Iterable[Flow[I1, A, E1, S1]] | KeepUnions) -> Flow[I1, tuple[A, ...], E1, S1]:
    """Run many flows concurrently, as ``gather(*flows)`` does.

    Law: ``sequence([]) = pure(())``.

    >>> from mce import pure, fail
    >>> sequence([pure(1), pure(2)]).run_sync()
    Outcome((1, 2))
    >>> sequence([pure(1), fail("no")]).run_sync().error
    'no'
    """
    return Flow(Par(tuple(flow_node(flow, "sequence") for flow in flows), Join()))


def as_completed(*flows: Flow[I1, A, E1, S1]) -> Flow[I1, tuple[A, ...], E1, S1]:
    """Run the flows concurrently and give their values in the order in which they completed; fail fast.

    Law: a permutation of what ``gather`` gives.

    >>> from mce import pure, fail
    >>> sorted(as_completed(pure(1), pure(2)).run_sync().value)
    [1, 2]
    >>> as_completed(fail("no")).run_sync().error
    'no'
    """
    return Flow(Par(tuple(flow_node(flow, "as_completed") for flow in flows), Join(completed=True), "as_completed"))


def partition(
    body: Flow[A, B, E1, S1], limit: int | None = None
) -> Flow[Iterable[A], tuple[tuple[B, ...], tuple[E1, ...]], Never, S1]:
    """Run ``body`` for every element, all to their end, and give the values and, apart from them, the errors.

    Fails only where the states of elements conflict; a defect is among the errors as a :class:`mce.Defect`. Both
    tuples are in the order of the elements.

    Laws: ``partition(m)`` gives as many values and errors as there are elements, those of ``each(settle(m))``.

    >>> from mce import branch, lift, fail
    >>> partition(branch(lambda n: n > 0, lift(str), fail("low"))).run_sync([1, -1, 2])
    Outcome((('1', '2'), ('low',)))
    """
    settled = Each(flow_node(body, "partition"), Join("settle"), _limit(limit, "partition"), "partition")
    return Flow(Then(settled, Fn(_parted)))


def _parted(results: tuple[Result[Any, Any], ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    values = tuple(r.unwrap() for r in results if isinstance(r, Success))
    return values, tuple(r.failure() for r in results if isinstance(r, Failure))


def filter_each(keep: Flow[A, bool, E1, S1], limit: int | None = None) -> Flow[Iterable[A], tuple[A, ...], E1, S1]:
    """Give the elements for which ``keep`` gives a true value, asking for all of them concurrently; fail fast.

    Laws: ``filter_each(pure(True)) = lift(tuple)``; ``filter_each(pure(False)) = lift(lambda _: ())``.

    >>> from mce import lift, fail
    >>> filter_each(lift(lambda n: n > 1)).run_sync([1, 2, 3])
    Outcome((2, 3))
    >>> filter_each(fail("no")).run_sync([1]).error
    'no'
    """
    asked = Each(_beside(flow_node(keep, "filter_each")), Join(), _limit(limit, "filter_each"), "filter_each")
    return Flow(Then(asked, Fn(_kept)))


def _beside(body: Node) -> Node:
    """Keep the input beside the value of ``body``: a pair."""
    return Par((Fn(same), body), Join(), "with")


def _kept(pairs: tuple[tuple[Any, Any], ...]) -> tuple[Any, ...]:
    return tuple(element for element, wanted in pairs if wanted)


@dataclass(frozen=True, slots=True)
class _Fold:
    """A fold under way: the elements, how many were taken, and the accumulated values, newest last."""

    elements: tuple[Any, ...]
    at: int
    found: tuple[Any, ...] | list[Any]


def fold(body: Flow[tuple[B, A], B, E1, S1], initial: B) -> Flow[Iterable[A], B, E1, S1]:
    """Run ``body`` on ``(accumulated, element)`` for one element after the other, from the left; stack safe.

    Laws: of no elements it is ``pure(initial)``; ``fold(m, b)`` of ``xs + ys`` is ``fold(m, b')`` of ``ys``, where
    ``b'`` is ``fold(m, b)`` of ``xs``.

    >>> from mce import lift, fail
    >>> fold(lift(sum), 0).run_sync([1, 2, 3])
    Outcome(6)
    >>> fold(fail("no"), 0).run_sync([1]).error
    'no'
    """
    return Flow(_folding(flow_node(body, "fold"), initial, "fold", keep_all=False))


def scan(body: Flow[tuple[B, A], B, E1, S1], initial: B) -> Flow[Iterable[A], tuple[B, ...], E1, S1]:
    """As :func:`fold`, and give every accumulated value, ``initial`` first.

    Law: the last of ``scan(m, b)`` is ``fold(m, b)``.

    >>> from mce import lift, fail
    >>> scan(lift(sum), 0).run_sync([1, 2, 3])
    Outcome((0, 1, 3, 6))
    >>> scan(fail("no"), 0).run_sync([1]).error
    'no'
    """
    return Flow(_folding(flow_node(body, "scan"), initial, "scan", keep_all=True))


def _folding(body: Node, initial: Any, name: str, *, keep_all: bool) -> Node:
    turn = Then(_beside(Then(Fn(_next_pair), body)), Fn(_Advance(keep_all)))
    turns = Choice(_is_done, ((True, Fn(same)), (False, Loop(turn, None, _is_done, name))), None, "any")
    return Then(Then(Fn(_Begin(initial)), turns), Fn(_all_found if keep_all else _last_found))


class _Begin:
    __slots__ = ("initial",)
    __name__ = "begin"

    def __init__(self, initial: Any) -> None:
        self.initial = initial

    def __call__(self, elements: Iterable[Any]) -> _Fold:
        return _Fold(tuple(elements), 0, [self.initial])


def _is_done(fold: _Fold) -> bool:
    return fold.at == len(fold.elements)


def _next_pair(fold: _Fold) -> tuple[Any, Any]:
    return fold.found[-1], fold.elements[fold.at]


class _Advance:
    __slots__ = ("keep_all",)
    __name__ = "advance"

    def __init__(self, keep_all: bool) -> None:
        self.keep_all = keep_all

    def __call__(self, pair: tuple[_Fold, Any]) -> _Fold:
        fold, value = pair
        if not self.keep_all:
            return _Fold(fold.elements, fold.at + 1, [value])
        # one list for the whole fold: a run owns it, and a copy a turn would make the scan quadratic
        assert isinstance(fold.found, list)
        del fold.found[fold.at + 1 :]
        fold.found.append(value)
        return replace(fold, at=fold.at + 1)


def _last_found(fold: _Fold) -> Any:
    return fold.found[-1]


def _all_found(fold: _Fold) -> tuple[Any, ...]:
    return tuple(fold.found)


def tree_reduce(body: Flow[tuple[A, A], A, E1, S1], *, limit: int | None = None) -> Flow[Iterable[A], A, E1, S1]:
    """Combine neighbours concurrently, round after round, until one value is left: log2(n) rounds for n elements.

    For an associative ``body``, which is given pairs in the order of the elements. No elements are a defect, as there
    is no value to give.

    Law: for an associative ``body`` it gives the value of the fold of all but the first from the first; both call
    ``body`` for all elements but one.

    >>> from mce import lift, fail
    >>> tree_reduce(lift("".join)).run_sync("abcde")
    Outcome('abcde')
    >>> tree_reduce(lift(sum)).run_sync([]).ok
    False
    """
    pair = Choice(len, ((2, flow_node(body, "tree_reduce")),), Fn(_only), "pair")
    rounds = Then(Fn(_pairs), Each(pair, Join(), _limit(limit, "tree_reduce"), "pairs"))
    return Flow(Then(Then(Fn(_some), Loop(rounds, None, _is_single, "tree_reduce")), Fn(_only)))


def _some(elements: Iterable[Any]) -> tuple[Any, ...]:
    found = tuple(elements)
    if not found:
        raise ValueError("tree_reduce of no elements: there is no value to give")
    return found


def _pairs(values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    return [values[at : at + 2] for at in range(0, len(values), 2)]


def _is_single(values: tuple[Any, ...]) -> bool:
    return len(values) == 1


def _only(values: tuple[Any, ...]) -> Any:
    return values[0]


def _limit(limit: Any, where: str) -> int | None:
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise DefinitionError(f"{where}(limit={brief(limit)}): limit is a number of at least 1, or None for no limit")
    return limit
