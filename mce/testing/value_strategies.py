"""Strategies from annotations: values that a step could have given, and exceptions it could have raised.

Small rather than large, finite rather than not a number, and without the defaults of a class where they will do.
Whatever is not known here is left to ``hypothesis.strategies.from_type``.
"""

from __future__ import annotations

import enum
import inspect
import math
import re
import types
from collections import abc
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Literal,
    Never,
    NewType,
    NoReturn,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import annotated_types as at
import hypothesis.strategies as st
import pydantic
from returns.result import Failure, Result, Success
from typing_extensions import TypeAliasType

from mce.testing.records import Part, build, constraints, parts

__all__ = ["NoValue", "exceptions_of", "values_of"]

Strategy = st.SearchStrategy[Any]


class NoValue(Exception):
    """No value can be drawn from an annotation, for the reason given."""


def values_of(annotation: Any) -> Strategy:
    """Draw values of ``annotation``: the simplest come first, and every alternative of a union is reached.

    Knows pydantic models, dataclasses, named tuples, typed dicts, unions, literals, enums, constrained types,
    containers and ``Result``; ``Any`` gives simple JSON values, and an exception class its instances.
    Raises :class:`NoValue`, at once or when it is drawn from, where that is not possible.
    """
    return _Reader().read(annotation)


_SIZE = 3
"""The most elements of a container that is not told its size: worlds are to be read."""

_JSON: Strategy = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=_SIZE) | st.dictionaries(st.text(max_size=5), inner, max_size=_SIZE),
    max_leaves=5,
)
_LEAVES: dict[Any, Strategy] = {
    None: st.none(),
    types.NoneType: st.none(),
    Any: _JSON,
    object: _JSON,
    bool: st.booleans(),
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(max_size=20),
    bytes: st.binary(max_size=20),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
}
_LISTS = (list, abc.Sequence, abc.MutableSequence, abc.Collection, abc.Iterable)
_SETS: dict[Any, Callable[..., Strategy]] = {
    set: st.sets,
    abc.Set: st.sets,
    abc.MutableSet: st.sets,
    frozenset: st.frozensets,
}
_DICTS = (dict, abc.Mapping, abc.MutableMapping)
_FORMATS = ("https://example.org/", "someone@example.org", "127.0.0.1", "12345678-1234-4678-9234-567812345678")


class _Reader:
    """Reads one annotation; ``reading`` has the classes it is in the middle of, since a class may hold itself."""

    def __init__(self) -> None:
        self.reading: dict[Any, Strategy] = {}

    def read(self, annotation: Any, limits: tuple[Any, ...] = ()) -> Strategy:
        """Give the strategy for an annotation under the constraints ``limits``."""
        origin, args = get_origin(annotation), get_args(annotation)
        if isinstance(annotation, TypeAliasType):
            return self.read(annotation.__value__, limits)
        if isinstance(annotation, NewType):
            return self.read(annotation.__supertype__, limits)
        if isinstance(annotation, TypeVar):
            return st.one_of([self.read(arg) for arg in annotation.__constraints__ or (annotation.__bound__ or Any,)])
        if origin is Annotated:
            return self.constrained(annotation, args[0], (*limits, *constraints(args[1:])))
        if origin is Literal:
            return st.sampled_from(args)
        if origin in (Union, types.UnionType):
            return st.one_of([self.read(arg) for arg in sorted(args, key=lambda arg: arg is not types.NoneType)])
        if annotation in (Never, NoReturn):
            raise NoValue("allows none")
        if origin is Result:
            return st.one_of(self.read(args[0]).map(Success), self.read(args[1]).map(Failure))
        container = self.container(origin or annotation, args, limits)
        return container if container is not None else self.leaf(annotation, limits)

    def container(self, kind: Any, args: tuple[Any, ...], limits: tuple[Any, ...]) -> Strategy | None:
        sizes = _sizes(limits)
        if kind in _LISTS:
            return st.lists(self.read(args[0] if args else Any), **sizes)
        if kind in _SETS:
            return _SETS[kind](self.read(args[0] if args else int), **sizes)
        if kind in _DICTS:
            keys, values = args or (str, Any)
            return st.dictionaries(self.read(keys), self.read(values), **sizes)
        if kind is tuple and (not args or args[-1] is Ellipsis):
            return st.lists(self.read(args[0] if args else Any), **sizes).map(tuple)
        if kind is tuple:
            return st.tuples(*[self.read(arg) for arg in args])
        return None

    def leaf(self, annotation: Any, limits: tuple[Any, ...]) -> Strategy:
        if annotation in (int, float) and limits:
            return _numbers(annotation, limits)
        if annotation is str and limits:
            return _texts(limits)
        if annotation in _LEAVES:
            return _LEAVES[annotation]
        if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
            return st.sampled_from(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseException):
            return exceptions_of(annotation)
        if annotation in self.reading:
            return self.reading[annotation]
        found = parts(annotation)
        if found is not None:
            return self.record(annotation, found)
        formatted = _formatted(annotation)
        return st.from_type(annotation) if formatted is None else formatted

    def record(self, cls: Any, fields: list[Part]) -> Strategy:
        self.reading[cls] = st.deferred(lambda: made)
        needed = {part.given: self.read(part.annotation) for part in fields if part.required}
        others = {part.given: self.read(part.annotation) for part in fields if not part.required}
        given = st.fixed_dictionaries(needed, optional=others)
        made = given.map(_Accepted(lambda values: build(cls, values))).filter(_is_accepted)
        return made

    def constrained(self, annotation: Any, base: Any, limits: tuple[Any, ...]) -> Strategy:
        """Draw what the type allows and keep what all constraints do, as validation gives it."""
        check = _adapter(annotation)
        return self.read(base, limits).map(_Accepted(check.validate_python)).filter(_is_accepted)


def _sizes(limits: Iterable[Any]) -> dict[str, Any]:
    least = max([limit.min_length for limit in limits if isinstance(limit, at.MinLen)], default=0)
    most = min([limit.max_length for limit in limits if isinstance(limit, at.MaxLen)], default=least + _SIZE)
    return {"min_size": least, "max_size": min(most, least + _SIZE)}


def _numbers(kind: Any, limits: tuple[Any, ...]) -> Strategy:
    """Draw between the bounds; whether a bound itself is allowed is for validation to say."""
    low = _bound(max, limits, at.Ge, "ge", at.Gt, "gt")
    high = _bound(min, limits, at.Le, "le", at.Lt, "lt")
    step = next((limit.multiple_of for limit in limits if isinstance(limit, at.MultipleOf)), None)
    if kind is float:
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    if isinstance(step, int):
        first = None if low is None else math.ceil(low / step)
        last = None if high is None else math.floor(high / step)
        return st.integers(first, last).map(step.__mul__)
    return st.integers(None if low is None else math.ceil(low), None if high is None else math.floor(high))


def _bound(outermost: Callable[..., Any], limits: tuple[Any, ...], *named: Any) -> Any:
    """Give the narrowest of the bounds of the classes ``named``, each followed by the name of its field."""
    found = [
        getattr(limit, name)
        for limit in limits
        for cls, name in zip(named[::2], named[1::2], strict=True)
        if isinstance(limit, cls)
    ]
    return outermost(found, default=None)


def _texts(limits: tuple[Any, ...]) -> Strategy:
    pattern = next((found for limit in limits if (found := getattr(limit, "pattern", None)) is not None), None)
    return st.text(**_sizes(limits)) if pattern is None else st.from_regex(re.compile(pattern), fullmatch=False)


def _formatted(cls: Any) -> Strategy | None:
    """Draw for a type of pydantic's own, such as a URL, what it accepts of some well-known texts."""
    if not getattr(cls, "__module__", "").startswith("pydantic"):
        return None
    check = _adapter(cls)
    accepted = [value for text in _FORMATS if (value := _Accepted(check.validate_python)(text)) is not _REFUSED]
    return st.sampled_from(accepted) if accepted else None


def exceptions_of(cls: type[BaseException]) -> Strategy:
    """Draw exceptions of ``cls``, made with what its constructor requires.

    >>> from hypothesis import find
    >>> find(exceptions_of(TimeoutError), bool)
    TimeoutError()
    """
    if not inspect.isfunction(cls.__init__):  # a constructor of Python's own, which says nothing of what it takes
        if not _takes_nothing(cls):
            raise NoValue(f"names {cls.__name__}, whose constructor does not say what it takes")
        return st.builds(cls)
    hints = get_type_hints(cls.__init__, include_extras=True)
    parameters = [p for p in inspect.signature(cls).parameters.values() if p.default is p.empty]
    given = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    by_place = [values_of(hints.get(p.name, Any)) for p in given if p.kind is not p.KEYWORD_ONLY]
    by_name = {p.name: values_of(hints.get(p.name, Any)) for p in given if p.kind is p.KEYWORD_ONLY}
    return st.builds(cls, *by_place, **by_name)


def _takes_nothing(cls: type[BaseException]) -> bool:
    try:
        cls()
    except TypeError:
        return False
    return True


_REFUSED = object()
_TRIES = 100


class _Accepted:
    """Makes a value of what was drawn, or ``_REFUSED``; raises :class:`NoValue` if nothing is ever accepted."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self.make = make
        self.refusals = 0

    def __call__(self, drawn: Any) -> Any:
        try:
            made = self.make(drawn)
        except (ValueError, TypeError, AssertionError) as refused:
            self.refusals += 1
            if self.refusals >= _TRIES:  # from then on, so that hypothesis sees the same each time
                why = " ".join(str(refused).split())[:200]
                raise NoValue(f"refused {_TRIES} values in a row, the last one since: {why}") from None
            return _REFUSED
        self.refusals = 0
        return made


def _is_accepted(value: Any) -> bool:
    return value is not _REFUSED


def _adapter(annotation: Any) -> pydantic.TypeAdapter[Any]:
    try:
        return pydantic.TypeAdapter(annotation)
    except pydantic.errors.PydanticSchemaGenerationError:
        return pydantic.TypeAdapter(annotation, config=pydantic.ConfigDict(arbitrary_types_allowed=True))
