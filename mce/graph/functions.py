"""Functions that rewrites put in the place of others, as data: they can be pickled, and say what they are made of."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from mce.errors import brief

__all__ = ["Composed", "Dealt", "Elementwise", "Run", "function_name"]


def function_name(f: Callable[..., Any]) -> str:
    """Give what the engine calls a pure function in a path."""
    found = getattr(f, "__name__", "map")
    return found if found.isidentifier() else "map"


@dataclass(frozen=True, slots=True, eq=False)
class Composed:
    """Several functions, one after the other; named after the first, as the engine names functions that it fuses.

    >>> Composed((str, len))(1234)
    4
    """

    functions: tuple[Callable[[Any], Any], ...]

    @property
    def __name__(self) -> str:
        return function_name(self.functions[0])

    @property
    def __signature__(self) -> inspect.Signature:
        try:
            first, last = inspect.signature(self.functions[0]), inspect.signature(self.functions[-1])
        except (TypeError, ValueError):
            raise AttributeError("__signature__") from None
        return first.replace(return_annotation=last.return_annotation)

    def __call__(self, value: Any) -> Any:
        for f in self.functions:
            value = f(value)
        return value


@dataclass(frozen=True, slots=True, eq=False)
class Elementwise:
    """``f`` for every element of an iterable: the tuple of what it gives, as of the region called ``label``.

    >>> Elementwise(str)([1, 2])
    ('1', '2')
    >>> Elementwise(str)(7)
    Traceback (most recent call last):
    TypeError: each takes an iterable and was given int 7
    """

    f: Callable[[Any], Any]
    label: str = "each"
    __name__ = "map"

    def __call__(self, elements: Any) -> tuple[Any, ...]:
        try:
            found = list(elements)
        except TypeError:
            if hasattr(elements, "__iter__"):
                raise
            given = f"{type(elements).__name__} {brief(elements, 60)}"
            raise TypeError(f"{self.label} takes an iterable and was given {given}") from None
        return tuple([self.f(element) for element in found])


class Run(NamedTuple):
    """The values from ``start`` to before ``stop``, as a tuple, which is dealt out again by ``deal`` if it is there."""

    start: int
    stop: int
    deal: Dealt | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Dealt:
    """Of a tuple, the values at ``places``, in their order.

    >>> Dealt((0, 1, 0))(("a", "b", None))
    ('a', 'b', 'a')
    >>> Dealt((Run(0, 2), 2))(("a", "b", "c"))
    (('a', 'b'), 'c')
    """

    places: tuple[int | Run, ...]
    __name__ = "dealt"

    @property
    def depth(self) -> int:
        """How deep tuples are nested in what it gives; not more than rewrites make, so that calls may nest as deep."""
        inner = [place.deal.depth if place.deal else 0 for place in self.places if isinstance(place, Run)]
        return 1 + max(inner, default=-1)

    def __call__(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple([self._at(place, values) for place in self.places])

    @staticmethod
    def _at(place: int | Run, values: tuple[Any, ...]) -> Any:
        if isinstance(place, int):
            return values[place]
        found = values[place.start : place.stop]
        return found if place.deal is None else place.deal(found)
