"""The laws of ``mce.combinators.traversable``: a flow for every element, folds, one flow out of many."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from returns.result import Success

from mce import (
    as_completed,
    each,
    filter_each,
    fold,
    gather,
    identity,
    lift,
    partition,
    pure,
    scan,
    sequence,
    settle,
    tree_reduce,
)
from mce.testing import arrows, functions
from mce.testing.steps import adds, notes, only
from mce.testing.vocabulary import AtLeast, weight
from tests.laws.meanings import MEETING, AnyFlow, Start, first, not_a_law, same, some, starts

Function = Callable[[Any], Any]

FLOWS = arrows(deterministic=True)
SAFE = arrows(fails=False, deterministic=True)
MEET = arrows(fails=False, deterministic=True, fields=MEETING)
BODIES = SAFE | st.builds(lambda n, m: only(n) >> m, st.integers(0, 3), SAFE)  # that fail for one element at most
ELEMENTS = st.lists(st.integers(0, 9), max_size=3, unique=True)
LIMITS = st.sampled_from([None, 1, 2])


def mapped(f: Function) -> Function:
    return lambda values: tuple(map(f, values))


# -- each --------------------------------------------------------------------------------------------------------------


@some
@given(elements=ELEMENTS, limit=LIMITS, start=starts())
def test_each_identity(elements: list[int], limit: int | None, start: Start) -> None:
    """``each(identity()) = lift(tuple)``."""
    unit: AnyFlow = each(identity(), limit)
    everything: AnyFlow = lift(tuple)
    same(unit(elements), everything(elements), start)


@some
@given(m=BODIES, f=functions(), elements=ELEMENTS, limit=LIMITS, start=starts())
def test_each_naturality(m: AnyFlow, f: Function, elements: list[int], limit: int | None, start: Start) -> None:
    """``each(m.map(f)) = each(m).map(map f)``."""
    same(each(m.map(f), limit)(elements), each(m, limit).map(mapped(f))(elements), start)


@some
@given(m=BODIES, elements=ELEMENTS, start=starts())
def test_what_comes_before_each_element_can_come_before_all(m: AnyFlow, elements: list[int], start: Start) -> None:
    """``each(lift(f) >> m) = lift(map f) >> each(m)``."""

    def shifted(value: int) -> int:
        return value + 1  # keeps different elements different

    same(each(lift(shifted) >> m)(elements), (lift(mapped(shifted)) >> each(m))(elements), start)


@some
@given(m=BODIES, elements=ELEMENTS, start=starts())
def test_each_is_gather(m: AnyFlow, elements: list[int], start: Start) -> None:
    """``each(m)`` of ``(a, b, ...)`` is ``gather(m(a), m(b), ...)``, in values, states and conflicts."""
    same(each(m)(elements), gather(*[m(element) for element in elements]), start)


@some
@given(m=FLOWS, start=starts())
def test_each_of_one(m: AnyFlow, start: Start) -> None:
    """``each(m)`` of ``(a,)`` is ``m(a).map(lambda b: (b,))``."""
    same(each(m)((start.value,)), m.map(lambda value: (value,)), start)


@some
@given(m=SAFE, elements=ELEMENTS, start=starts())
def test_a_limit_changes_nothing_but_time(m: AnyFlow, elements: list[int], start: Start) -> None:
    """``each(m, limit) = each(m)`` if nothing fails."""
    same(each(m, 1)(elements), each(m)(elements), start)
    same(each(m, 2)(elements), each(m)(elements), start)


# -- many flows --------------------------------------------------------------------------------------------------------


@some
@given(m=FLOWS, n=SAFE, start=starts())
def test_sequence_is_gather(m: AnyFlow, n: AnyFlow, start: Start) -> None:
    """``sequence([a, b]) = gather(a, b)``, and ``sequence([]) = pure(())``."""
    same(sequence([m, n]), gather(m, n), start)
    same(sequence([]), pure(()), start)


@some
@given(m=FLOWS, n=SAFE, start=starts())
def test_as_completed_is_a_permutation(m: AnyFlow, n: AnyFlow, start: Start) -> None:
    """``as_completed(a, b)`` is ``gather(a, b)`` up to the order of values."""

    def in_some_order(values: tuple[Any, ...]) -> list[str]:
        return sorted(map(repr, values))

    same(as_completed(m, n).map(in_some_order), gather(m, n).map(in_some_order), start)


@some
@given(m=arrows(deterministic=True, fields=MEETING), elements=ELEMENTS, start=starts())
def test_partition_counts(m: AnyFlow, elements: list[int], start: Start) -> None:
    """``partition(m)`` gives as many values and errors as there are elements."""
    counted = partition(m).map(lambda parts: len(parts[0]) + len(parts[1]))
    same(counted(elements), partition(m).map(lambda _: len(elements))(elements), start)


@some
@given(m=FLOWS, elements=ELEMENTS, limit=LIMITS, start=starts())
def test_partition_settles_each(m: AnyFlow, elements: list[int], limit: int | None, start: Start) -> None:
    """``partition(m)`` parts the results of ``each(settle(m).map(first))``."""

    def parted(results: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        lost = tuple(r.failure() for r in results if not isinstance(r, Success))
        return tuple(r.unwrap() for r in results if isinstance(r, Success)), lost

    same(partition(m, limit)(elements), each(settle(m).map(first), limit).map(parted)(elements), start)


@not_a_law
def test_partition_fails_where_elements_conflict() -> None:
    """``partition(m)`` never fails: it does if several elements write a field that has no reducer."""
    same(partition(notes("mark")).map(len)((1, 2)), pure(2), calls=False)


@some
@given(elements=ELEMENTS, start=starts())
def test_filter_each_of_constants(elements: list[int], start: Start) -> None:
    """``filter_each(pure(True)) = lift(tuple)``; ``filter_each(pure(False)) = lift(lambda _: ())``."""
    everything: AnyFlow = lift(tuple)
    same(filter_each(pure(True))(elements), everything(elements), start)
    same(filter_each(pure(False))(elements), everything.map(lambda _: ())(elements), start)


@some
@given(m=BODIES, p=st.builds(AtLeast, st.integers(0, 9)), elements=ELEMENTS, limit=LIMITS, start=starts())
def test_filter_each_asks_each(m: AnyFlow, p: AtLeast, elements: list[int], limit: int | None, start: Start) -> None:
    """``filter_each(m)`` keeps the elements for which ``each(m)`` gives a true value."""

    def kept(answers: tuple[Any, ...]) -> tuple[int, ...]:
        return tuple(element for element, wanted in zip(elements, answers, strict=True) if wanted)

    same(filter_each(m.map(p), limit)(elements), each(m.map(p), limit).map(kept)(elements), start)


# -- folds -------------------------------------------------------------------------------------------------------------


@some
@given(m=FLOWS, initial=st.integers(0, 9), start=starts())
def test_fold_of_none(m: AnyFlow, initial: int, start: Start) -> None:
    """``fold(m, b)`` of no elements is ``pure(b)``, and ``scan(m, b)`` is ``pure((b,))``."""
    same(fold(m, initial)(()), pure(initial), start)
    same(scan(m, initial)(()), pure((initial,)), start)


@some
@given(m=FLOWS, initial=st.integers(0, 9), left=ELEMENTS, right=ELEMENTS, start=starts())
def test_fold_in_two_parts(m: AnyFlow, initial: int, left: list[int], right: list[int], start: Start) -> None:
    """``fold(m, b)`` of ``xs + ys`` is ``fold(m, b')`` of ``ys``, where ``b'`` is ``fold(m, b)`` of ``xs``."""
    body = m.map(weight)
    in_parts = fold(body, initial)(left).bind(lambda found: fold(body, found)(right))
    same(fold(body, initial)([*left, *right]), in_parts, start)


@some
@given(m=FLOWS, initial=st.integers(0, 9), elements=ELEMENTS, start=starts())
def test_fold_is_a_chain_of_binds(m: AnyFlow, initial: int, elements: list[int], start: Start) -> None:
    """``fold(m, b)`` of ``(x, y)`` is ``m((b, x)).bind(lambda c: m((c, y)))``."""
    chain: AnyFlow = pure(initial)
    for element in elements:
        following: Any = lambda found, element=element: m((found, element)).map(weight)  # noqa: E731
        chain = chain.bind(following)
    folded: AnyFlow = fold(m.map(weight), initial)
    same(folded(elements), chain, start)


@some
@given(m=FLOWS, initial=st.integers(0, 9), elements=ELEMENTS, start=starts())
def test_scan_ends_in_fold(m: AnyFlow, initial: int, elements: list[int], start: Start) -> None:
    """The last of ``scan(m, b)`` is ``fold(m, b)``, and the others those of its beginnings."""
    body = m.map(weight)
    same(scan(body, initial).map(lambda found: found[-1])(elements), fold(body, initial)(elements), start)
    if elements:
        shorter = scan(body, initial)(elements[:-1])
        longer = scan(body, initial)(elements).map(lambda found: found[:-1])
        same(shorter.bind(lambda _: longer), shorter >> longer, start)


@some
@given(words=st.lists(st.text("abc", max_size=2), min_size=1, max_size=9), limit=LIMITS, start=starts())
def test_tree_reduce_is_a_fold_of_the_rest(words: list[str], limit: int | None, start: Start) -> None:
    """For an associative body the value is that of the fold of all but the first from the first."""
    body: AnyFlow = lift("".join)
    same(tree_reduce(body, limit=limit)(words), fold(body, words[0])(words[1:]), start)
    assert tree_reduce(body, limit=limit)(words).run_sync().value == reduce(str.__add__, words)


@some
@given(count=st.integers(1, 9), start=starts())
def test_tree_reduce_calls_its_body_for_all_but_one(count: int, start: Start) -> None:
    """``tree_reduce`` of ``n`` elements calls its body ``n - 1`` times, as the fold does."""
    counted = notes("total") >> adds(0)
    elements = [1] * count
    same(
        tree_reduce(pure(1) >> counted)(elements).map(lambda _: None),
        fold(pure(1) >> counted, 1)(elements[1:]).map(lambda _: None),
        start,
    )


@some
@given(m=MEET, start=starts())
def test_tree_reduce_of_one_calls_nothing(m: AnyFlow, start: Start) -> None:
    """``tree_reduce(m)`` of ``(a,)`` is ``pure(a)``."""
    same(tree_reduce(m)((start.value,)), pure(start.value), start)


@not_a_law
def test_tree_reduce_needs_an_associative_body() -> None:
    """``tree_reduce(m)`` is the fold of all but the first from the first: not of a difference."""
    subtract: Any = lambda pair: pair[0] - pair[1] if len(pair) == 2 else pair[0]  # noqa: E731
    difference: AnyFlow = lift(subtract)
    same(tree_reduce(difference)((1, 2, 3, 4)), fold(difference, 1)((2, 3, 4)))
