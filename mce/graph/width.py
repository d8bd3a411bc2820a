"""How many tasks of a dag can run at the same time: the largest set of which none waits for another.

By Dilworth's theorem it is the smallest number of chains that cover the dag, which a matching finds. For large dags a
greedy cover gives an upper bound in linear time.

Source: Dilworth, *A decomposition theorem for partially ordered sets* (1950); Fulkerson (1956) for the matching.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["EXACT_UP_TO", "widest"]

EXACT_UP_TO = 2_000
"""For more tasks than this a bound is given: the matching takes more than linear time."""


def widest(weights: Sequence[int], before: Mapping[int, Sequence[int]]) -> tuple[int, bool]:
    """Give the greatest sum of ``weights`` of tasks that can run at once, and whether that is exact.

    Tasks are numbered in topological order; ``before`` are the direct predecessors. Not exact is an upper bound.

    >>> widest([1, 1, 1, 1], {1: [0], 2: [0], 3: [1, 2]})
    (2, True)
    >>> widest([1, 5, 1, 1], {1: [0], 2: [0], 3: [1, 2]})
    (6, True)
    """
    if sum(weights) > EXACT_UP_TO or len(weights) > EXACT_UP_TO:
        return _covered(weights, before), False
    copies = [at for at, weight in enumerate(weights) for _ in range(weight)]
    return len(copies) - _matched(copies, _after(len(weights), before)), True


def _after(count: int, before: Mapping[int, Sequence[int]]) -> list[int]:
    """Give for every task all those that wait for it, as bits."""
    following = [0] * count
    for at in reversed(range(count)):
        for earlier in before.get(at, ()):
            following[earlier] |= following[at] | 1 << at
    return following


def _matched(copies: list[int], following: list[int]) -> int:
    """Match copies with copies of tasks that come after theirs, as many as possible (Kuhn)."""
    of_task: dict[int, int] = {}
    for copy, task in enumerate(copies):
        of_task[task] = of_task.get(task, 0) | 1 << copy
    later = [0] * len(following)
    for task in of_task:
        later[task] = _union(of_task, following[task])
    taken_by: dict[int, int] = {}
    return sum(_augment(copy, copies, later, taken_by) for copy in range(len(copies)))


def _union(of_task: Mapping[int, int], tasks: int) -> int:
    found = 0
    while tasks:
        low = tasks & -tasks
        found |= of_task.get(low.bit_length() - 1, 0)
        tasks ^= low
    return found


def _augment(start: int, copies: list[int], later: list[int], taken_by: dict[int, int]) -> bool:
    """Find a partner for ``start``, moving others to new ones along a path; a stack in place of recursion."""
    unseen = ~0
    path = [(start, -1)]
    while path:
        copy, _ = path[-1]
        wanted = later[copies[copy]] & unseen
        if not wanted:
            path.pop()
            continue
        low = wanted & -wanted
        unseen &= ~low
        partner = low.bit_length() - 1
        path[-1] = (copy, partner)
        if partner not in taken_by:
            taken_by.update((chosen, owner) for owner, chosen in path)
            return True
        path.append((taken_by[partner], -1))
    return False


def _covered(weights: Sequence[int], before: Mapping[int, Sequence[int]]) -> int:
    """Sum the heaviest tasks of chains that cover the dag, each continued by the first task that can."""
    chain_of: dict[int, int] = {}
    heaviest: list[int] = []
    continued: set[int] = set()
    for at, weight in enumerate(weights):
        tail = next((earlier for earlier in before.get(at, ()) if earlier not in continued), None)
        if tail is None:
            chain_of[at] = len(heaviest)
            heaviest.append(weight)
        else:
            continued.add(tail)
            chain_of[at] = chain_of[tail]
            heaviest[chain_of[at]] = max(heaviest[chain_of[at]], weight)
    return sum(heaviest)
