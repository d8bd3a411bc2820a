"""Pieces of a dag, and where they can be cut in two so that all of the one comes before all of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Cut", "Piece", "best_cut", "series_cuts"]


class Cut(NamedTuple):
    """A cut after the first ``at`` names of an ``order``, which ``missing`` pairs of tasks would have to respect."""

    order: tuple[str, ...]
    at: int
    missing: int


@dataclass(frozen=True)
class Piece:
    """Some tasks of a dag in topological order, with what each waits for and what waits for it in the piece."""

    names: tuple[str, ...]
    before: Mapping[str, tuple[str, ...]]
    after: Mapping[str, tuple[str, ...]]
    seconds: Mapping[str, float]

    def __len__(self) -> int:
        return len(self.names)

    @staticmethod
    def of(waits: Mapping[str, Iterable[str]], seconds: Mapping[str, float]) -> Piece:
        """Make the piece of all tasks of a dag, which are in topological order."""
        after: dict[str, list[str]] = {name: [] for name in waits}
        for name, befores in waits.items():
            for before in befores:
                after[before].append(name)
        befores = {name: tuple(found) for name, found in waits.items()}
        return Piece(tuple(waits), befores, {name: tuple(found) for name, found in after.items()}, seconds)

    def part(self, names: Sequence[str]) -> Piece:
        """Give the piece of the tasks ``names``, in that order."""
        kept = set(names)
        before = {name: tuple([each for each in self.before[name] if each in kept]) for name in names}
        after = {name: tuple([each for each in self.after[name] if each in kept]) for name in names}
        return Piece(tuple(names), before, after, self.seconds)

    def components(self) -> list[Piece]:
        """Give the pieces that have nothing to do with each other, by the first of their names."""
        number: dict[str, int] = {}
        groups: list[list[str]] = []
        for root in self.names:
            if root in number:
                continue
            number[root] = len(groups)
            stack = [root]
            while stack:
                name = stack.pop()
                for other in (*self.before[name], *self.after[name]):
                    if other not in number:
                        number[other] = len(groups)
                        stack.append(other)
            groups.append([])
        for name in self.names:
            groups[number[name]].append(name)
        return [self] if len(groups) == 1 else [self.part(group) for group in groups]

    def cut_at(self, cuts: Sequence[Cut]) -> list[Piece]:
        """Give the pieces between cuts of one order."""
        order = cuts[0].order
        ends = [0, *(cut.at for cut in cuts), len(order)]
        return [self.part(order[start:end]) for start, end in pairwise(ends)]

    @cached_property
    def ends(self) -> dict[str, float]:
        """When each task has ended at the earliest."""
        found: dict[str, float] = {}
        for name in self.names:
            found[name] = self.seconds[name] + max([found[each] for each in self.before[name]], default=0.0)
        return found

    @cached_property
    def tails(self) -> dict[str, float]:
        """How long it takes at least from the start of each task to the end of all."""
        found: dict[str, float] = {}
        for name in reversed(self.names):
            found[name] = self.seconds[name] + max([found[each] for each in self.after[name]], default=0.0)
        return found

    @cached_property
    def levels(self) -> dict[str, float]:
        """How many tasks come before each in the longest line."""
        found: dict[str, float] = {}
        for name in self.names:
            found[name] = 1 + max([found[each] for each in self.before[name]], default=0.0)
        return found

    @cached_property
    def span(self) -> float:
        """How long all takes at least."""
        return max(self.ends.values(), default=0.0)


def series_cuts(piece: Piece) -> list[Cut]:
    """Give all cuts where everything before comes before everything after already.

    Every topological order has them at the same places.
    """
    return [cut for cut in _cuts(piece, piece.names) if not cut.missing]


def best_cut(piece: Piece) -> Cut:
    """Give the cut after which all takes the least time, and of those the one that adds the fewest orders.

    Looked at are the cuts of three topological orders: by earliest ends, by latest starts, by levels.
    """
    keys: list[Callable[[str], float]] = [
        piece.ends.__getitem__,
        lambda name: -piece.tails[name],
        piece.levels.__getitem__,
    ]
    found: list[tuple[float, int, int, Cut]] = []
    for number, key in enumerate(keys):
        order = tuple(sorted(piece.names, key=key))  # stable: names are in topological order where keys are equal
        lengths = _lengths(piece, order)
        found += [(lengths[cut.at], cut.missing, number, cut) for cut in _cuts(piece, order)]
    return min(found, key=lambda each: each[:3])[3]


def _lengths(piece: Piece, order: Sequence[str]) -> list[float]:
    """Give for every cut of an order how long the one part after the other takes."""
    rest = [0.0]
    for name in reversed(order):
        rest.append(max(rest[-1], piece.tails[name]))
    rest.reverse()
    found, done = [rest[0]], 0.0
    for at, name in enumerate(order, 1):
        done = max(done, piece.ends[name])
        found.append(done + rest[at])
    return found


def _cuts(piece: Piece, order: tuple[str, ...]) -> Iterator[Cut]:
    """Go through an order, and say of every cut how many pairs of a last before and a first after are not in order.

    A last before it has none after it in its part, a first after it none before. So a pair is in order only by an edge
    of its own, and edges can be counted: every one is looked at a few times in all.
    """
    waiting = {name: len(piece.before[name]) for name in order}
    lasts: set[str] = set()
    firsts = {name for name, count in waiting.items() if not count}
    joined = 0
    for at, name in enumerate(order[:-1], 1):
        firsts.discard(name)
        joined -= sum(1 for each in piece.before[name] if each in lasts)
        for each in piece.before[name]:
            if each in lasts:
                lasts.discard(each)
                joined -= sum(1 for other in piece.after[each] if other in firsts)
        lasts.add(name)
        for other in piece.after[name]:
            waiting[other] -= 1
            if not waiting[other]:
                firsts.add(other)
                joined += sum(1 for each in piece.before[other] if each in lasts)
        yield Cut(order, at, len(lasts) * len(firsts) - joined)
