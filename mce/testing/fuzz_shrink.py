"""The smallest trial that still shows a problem: fewer decisions, no odd order, a simple input."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from mce.testing.fuzz_stage import Trial
from mce.testing.fuzz_worlds import delayed

__all__ = ["shrunk"]

_PLAYS = 250
_LONG = 300
"""From how many decisions on only the whole of them is left out: such a run takes long."""


def shrunk(trial: Trial, shows: Callable[[Trial], bool], *, inputs: Iterable[Any] = (), plays: int = _PLAYS) -> Trial:
    """Give a trial that still ``shows`` it, of which nothing more can be left out; at most so many ``plays``.

    ``inputs`` are simpler ones to be tried, the simplest first.
    """
    return _Shrinking(shows, plays).shrink(trial, inputs)


class _Shrinking:
    def __init__(self, shows: Callable[[Trial], bool], plays: int) -> None:
        self.shows = shows
        self.left = plays

    def try_out(self, best: Trial, other: Trial) -> Trial:
        """Give ``other`` if it shows the problem too, else ``best``."""
        if self.left <= 0:
            return best
        self.left -= 1
        return other if self.shows(other) else best

    def shrink(self, best: Trial, inputs: Iterable[Any]) -> Trial:
        for value in inputs:
            if repr(value) == repr(best.input):
                break
            other = self.try_out(best, replace(best, input=value))
            if other is not best:
                best = other
                break
        if best.cut is not None:
            best = self.try_out(best, replace(best, cut=None))
        best = self._calls(self._order(self.try_out(best, replace(best, calls={}))))
        best = self._times(best)
        best = self._order(best)
        return replace(best, order=_trimmed(best.order)) if best.order else best

    def _order(self, best: Trial) -> Trial:
        best = self.try_out(best, replace(best, order=())) if best.order else best
        size = len(best.order)
        while size:
            at = 0
            while at < len(best.order):
                part = best.order[at : at + size]
                if any(part):
                    calm = (*best.order[:at], *([0] * len(part)), *best.order[at + size :])
                    best = self.try_out(best, replace(best, order=calm))
                at += size
            size //= 2
        return replace(best, order=_trimmed(best.order))

    def _calls(self, best: Trial) -> Trial:
        if len(best.calls) > _LONG:
            return best
        size = len(best.calls)
        while size:
            keys = list(best.calls)
            for at in range(0, len(keys), size):
                gone = set(keys[at : at + size])
                kept = {key: found for key, found in best.calls.items() if key not in gone}
                if len(kept) < len(best.calls):
                    best = self.try_out(best, replace(best, calls=kept))
            size //= 2
        return best

    def _times(self, best: Trial) -> Trial:
        for key, decision in best.calls.items():
            if getattr(decision, "after", 0.0):
                best = self.try_out(best, replace(best, calls={**best.calls, key: delayed(decision, 0.0)}))
        return best


def _trimmed(order: tuple[int, ...]) -> tuple[int, ...]:
    while order and not order[-1]:
        order = order[:-1]
    return order
