"""How concurrent changes of one field meet: the reducers, and which field of a state class has which.

A reducer is declared on the field, ``log: Annotated[tuple[str, ...], Append()] = ()``, of a frozen pydantic
model or a frozen dataclass. What is recorded when a field is written, and how whole states are joined, is
left to ``state.py``.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import operator
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from numbers import Number
from typing import Annotated, Any, Generic, ParamSpec, TypeAlias, TypeVar, cast, get_args, get_origin, get_type_hints

import pydantic

from mce.errors import DefinitionError, InvalidState, brief

__all__ = [
    "Add",
    "AnyReducer",
    "Append",
    "Clash",
    "First",
    "Last",
    "Max",
    "MergeKeys",
    "Min",
    "Reducer",
    "Shape",
    "Union",
    "cached",
    "field_types",
    "is_secret",
    "post_init",
    "same",
    "shape_of",
    "validates",
]

V = TypeVar("V")
D = TypeVar("D")
P = ParamSpec("P")
R = TypeVar("R")
AnyReducer: TypeAlias = "Reducer[Any, Any]"


class Clash(Exception):
    """Raised by ``combine`` when two concurrent deltas cannot both hold.

    The join makes a ``StateConflict`` of it that names ``field[detail]``; ``values`` are what the two wrote
    there, for the message (left out: the whole values of the field).
    """

    def __init__(self, detail: str, values: tuple[object, ...] = ()) -> None:
        super().__init__(detail, values)
        self.detail, self.values = detail, values


@dataclass(frozen=True)  # no slots: with them a subscripted call fails in Python 3.11
class Reducer(Generic[V, D]):
    """How several concurrent changes of one field become one; all four are pure functions.

    ``diff(before, after)`` is the delta, or None when the change cannot be expressed as one: it is then a
    plain write. ``patch(value, delta)`` applies it. ``combine(d1, d2)`` joins the deltas of concurrent
    branches, in branch order, and may raise ``Clash``. ``compose(d1, d2)`` is one after the other within a
    branch; left out, it is ``combine``. Pickles when its functions do: define them in a module.

    Laws (``=``: equal values; a ``Clash`` absorbs):
    action         ``patch(b, diff(b, a)) = a`` and ``patch(patch(v, d1), d2) = patch(v, compose(d1, d2))``
    associativity  of ``combine`` and of ``compose``
    identity       ``patch(v, diff(v, v)) = v``

    Not a law: ``combine`` need not commute; branch order decides.

    >>> Append().diff(("a",), ("a", "b"))
    ('b',)
    >>> Append().diff(("a",), ("b",)) is None
    True
    """

    diff: Callable[[V, V], D | None]
    patch: Callable[[V, D], V]
    combine: Callable[[D, D], D]
    compose: Callable[[D, D], D] | None = None
    name: str = dataclasses.field(default="", kw_only=True, compare=False)  # for the repr

    def __post_init__(self) -> None:
        for role in ("diff", "patch", "combine", "compose"):
            function = getattr(self, role)
            if not callable(function) and (role != "compose" or function is not None):
                raise DefinitionError(f"Reducer({role}=...) must be a function, got {brief(function)}")

    def __repr__(self) -> str:
        if self.name:
            return f"{self.name}()"
        functions = (self.diff, self.patch, self.combine, *([self.compose] if self.compose else []))
        return f"Reducer({', '.join(getattr(f, '__qualname__', repr(f)) for f in functions)})"


def same(left: object, right: object) -> bool:
    """Tell whether two values are one object or equal; a comparison that raises is a no."""
    try:
        return left is right or bool(left == right)
    except Exception:
        return False


def cached(function: Callable[P, R]) -> Callable[P, R]:
    """``functools.cache``, with the signature kept."""
    return cast("Callable[P, R]", cache(function))


def Append() -> AnyReducer:
    """Concurrent additions at the end of a tuple, list or string, in branch order."""
    return Reducer(_appended, _sum, _sum, name="Append")


def Add() -> AnyReducer:
    """Concurrent increments of a number (or a ``timedelta``) add up; floats up to rounding."""
    return Reducer(_increment, _sum, _sum, name="Add")


def Union() -> AnyReducer:
    """Concurrent additions to a set; a removed element is a plain write."""
    return Reducer(_new_elements, _united, _united, name="Union")


def MergeKeys() -> AnyReducer:
    """Concurrent writes of different keys of a mapping; the same key clashes, a removed one is a plain write."""
    return Reducer(_written_keys, _with_keys, _disjoint, _united, name="MergeKeys")


def Max() -> AnyReducer:
    """The greatest written, in a total order with ``None`` below all; unordered values clash, lowering is a write."""
    return Reducer(_raised, _greater, _greater, name="Max")


def Min() -> AnyReducer:
    """The least written, in a total order with ``None`` above all; unordered values clash, raising is a write."""
    return Reducer(_lowered, _lesser, _lesser, name="Min")


def First() -> AnyReducer:
    """The first branch that wrote wins; within a branch, its last write."""
    return Reducer(_boxed, _unboxed, _left, _right, name="First")


def Last() -> AnyReducer:
    """The last branch that wrote wins; within a branch, its last write."""
    return Reducer(_boxed, _unboxed, _right, name="Last")


def _sum(first: Any, second: Any) -> Any:
    return first + second


def _united(first: Any, second: Any) -> Any:
    return first | second


def _appended(before: Any, after: Any) -> Any:
    if type(before) is not type(after) or type(before) not in (tuple, list, str, bytes):
        return None
    return after[len(before) :] if same(after[: len(before)], before) else None


def _increment(before: Any, after: Any) -> Any:
    if not (_adds(before) and _adds(after)):
        return None
    try:
        delta = after - before
        back = before + delta
        # Rounding is fine; an infinity or a nan has no difference to anything.
        return delta if same(back, after) or back - back == 0 else None
    except (TypeError, ArithmeticError):
        return None


def _adds(value: object) -> bool:
    return isinstance(value, (Number, timedelta)) and not isinstance(value, bool)


def _new_elements(before: Any, after: Any) -> Any:
    sets = all(isinstance(value, (set, frozenset)) for value in (before, after))
    return after - before if sets and before <= after else None


def _written_keys(before: Any, after: Any) -> Any:
    if not all(isinstance(value, Mapping) for value in (before, after)) or before.keys() - after.keys():
        return None
    return {key: value for key, value in after.items() if key not in before or not same(before[key], value)}


def _with_keys(value: Any, delta: Mapping[Any, Any]) -> Any:
    merged: Any = dict(value) if not isinstance(value, MutableMapping) else copy.copy(cast(Any, value))
    for key, written in delta.items():
        merged[key] = written  # not update(), which adds up in a Counter
    return merged if isinstance(value, MutableMapping) else type(value)(merged)


def _disjoint(first: dict[Any, Any], second: dict[Any, Any]) -> dict[Any, Any]:
    for key in second:
        if key in first:
            raise Clash(brief(key, 40), (first[key], second[key]))
    return {**first, **second}


def _raised(before: Any, after: Any) -> Any:
    return after if _beyond(operator.ge, after, before) else None


def _lowered(before: Any, after: Any) -> Any:
    return after if _beyond(operator.le, after, before) else None


def _greater(first: Any, second: Any) -> Any:
    return _further(operator.ge, first, second)


def _lesser(first: Any, second: Any) -> Any:
    return _further(operator.le, first, second)


def _further(passes: Callable[[Any, Any], object], first: Any, second: Any) -> Any:
    if _beyond(passes, first, second):
        return first
    if _beyond(passes, second, first):
        return second
    raise Clash("no order", (first, second))  # sets, say, or a nan: no lawful maximum


def _beyond(passes: Callable[[Any, Any], object], value: Any, than: Any) -> bool:
    try:
        return than is None or bool(passes(value, than))
    except TypeError:
        return False


def _boxed(before: Any, after: Any) -> tuple[Any]:
    return (after,)  # so that a written None is a delta too


def _unboxed(value: Any, delta: tuple[Any]) -> Any:
    return delta[0]


def _left(first: Any, second: Any) -> Any:
    return first


def _right(first: Any, second: Any) -> Any:
    return second


_SHIPPED = (Append, Add, Union, MergeKeys, Max, Min, First, Last)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a value at one place of the state records its changes.

    *Reduced*: as deltas of ``reducer``. *Structured* (``names`` is not empty): field by field, ``reducers``
    holding those of its fields. *Plain*, neither: as a whole.
    """

    reducer: AnyReducer | None = None
    names: tuple[str, ...] = ()
    reducers: Mapping[str, AnyReducer] = dataclasses.field(default_factory=dict[str, "AnyReducer"])

    def at(self, name: str, value: object) -> Shape:
        """Give the shape of the field ``name`` that holds ``value``: its reducer's, else that of the value's class."""
        reducer = self.reducers.get(name)
        return shape_of(value) if reducer is None else Shape(reducer)


def shape_of(value: object) -> Shape:
    """Give the shape of a value, or of a class: structured for pydantic models and dataclasses, else plain.

    Raises ``InvalidState`` for a field whose reducer is misplaced or lacks its brackets.
    """
    return _class_shape(value if isinstance(value, type) else type(value))


@cached
def _class_shape(cls: type[Any]) -> Shape:
    types = field_types(cls)
    found = {name: _reducer(cls, name, declared) for name, declared in types.items()}
    return Shape(None, tuple(types), {name: reducer for name, reducer in found.items() if reducer is not None})


def _reducer(cls: type[Any], name: str, declared: Any) -> AnyReducer | None:
    declared, metadata = (declared.__origin__, _metadata(declared)) if _metadata(declared) else (declared, ())
    for item in metadata:
        if any(item is made for made in (Reducer, *_SHIPPED)):
            raise InvalidState(cls.__name__, name, f"write {item.__name__}(...) in Annotated, not {item.__name__}")
    for part in _parts(declared):
        if isinstance(part, Reducer):
            hint = f"put it around the whole type: Annotated[..., {part!r}]"
            raise InvalidState(cls.__name__, name, f"{part!r} inside the type has no effect; {hint}")
    reducers: list[AnyReducer] = [item for item in metadata if isinstance(item, Reducer)]
    if len(reducers) > 1:
        raise InvalidState(cls.__name__, name, f"one reducer a field, not {len(reducers)}: {reducers!r}")
    return reducers[0] if reducers else None


@cached
def field_types(cls: type[Any]) -> Mapping[str, Any]:
    """Give the fields that a state of class ``cls`` is updated by, with their types; empty if it has none."""
    try:
        if issubclass(cls, pydantic.BaseModel):
            if not cls.__pydantic_complete__:
                cls.model_rebuild()
            return {name: _annotated(info) for name, info in cls.__pydantic_fields__.items()}
        if dataclasses.is_dataclass(cls):
            hints = get_type_hints(cls, include_extras=True)
            return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}
    except (NameError, pydantic.errors.PydanticUserError) as unresolved:
        hint = "define the class, and what its annotations name, in a module's scope"
        raise InvalidState(cls.__name__, "", f"its annotations cannot be read: {unresolved}; {hint}") from unresolved
    return {}


def _annotated(info: Any) -> Any:
    return Annotated[info.annotation, *info.metadata, pydantic.Field(discriminator=info.discriminator)]


def _metadata(declared: Any) -> tuple[Any, ...]:
    return declared.__metadata__ if get_origin(declared) is Annotated else ()


def _parts(annotation: object) -> Iterator[object]:
    """Walk a type and all it is made of: origin, arguments, ``Annotated`` metadata and what an alias stands for."""
    todo, seen = [annotation], dict[int, object]()
    while todo:
        part = todo.pop()
        if id(part) not in seen:
            seen[id(part)] = part
            yield part
            todo += (get_origin(part), *get_args(part), getattr(part, "__value__", None))


@cached
def validates(cls: type[Any]) -> bool:
    """Tell whether a class has validators of its own, which may look at several fields at once."""
    found = getattr(cls, "__pydantic_decorators__", None)
    if found and (found.validators or found.field_validators or found.root_validators or found.model_validators):
        return True
    if issubclass(cls, pydantic.BaseModel):
        metadata = (item for declared in field_types(cls).values() for item in _metadata(declared))
        return post_init(cls) or any(_takes_info(item) for item in metadata)
    return hasattr(cls, "__post_init__") or pydantic.dataclasses.is_pydantic_dataclass(cls)


def _takes_info(item: object) -> bool:
    """Tell whether ``item`` is a validator that is also given the values of the fields before it."""
    plain = (pydantic.AfterValidator, pydantic.BeforeValidator, pydantic.PlainValidator)
    if not isinstance(item, (*plain, pydantic.WrapValidator)):
        return False
    try:
        return len(inspect.signature(item.func).parameters) > (1 if isinstance(item, plain) else 2)
    except (TypeError, ValueError):  # a builtin that does not tell
        return False


@cached
def post_init(cls: type[pydantic.BaseModel]) -> bool:
    """Tell whether a model defines ``model_post_init``; for private attributes pydantic puts in one of its own."""
    method = cls.model_post_init
    return method is not pydantic.BaseModel.model_post_init and method.__name__ == "model_post_init"


def is_secret(cls: type[Any], name: str) -> bool:
    """Tell whether a refused value of the field may hold a secret: by its type, ``repr=False``, or when in doubt."""
    declared = getattr(cls, "__pydantic_fields__", None) or getattr(cls, "__dataclass_fields__", {})
    if name not in declared or not declared[name].repr or getattr(cls, "model_config", {}).get("hide_input_in_errors"):
        return True
    try:
        return _holds_secret(field_types(cls)[name], set())
    except Exception:  # an annotation that cannot be read
        return True


def _holds_secret(annotation: object, seen: set[type[Any]]) -> bool:
    classes = {part for part in _parts(annotation) if isinstance(part, type)} - seen
    seen |= classes
    if any(issubclass(cls, (pydantic.Secret, pydantic.SecretStr, pydantic.SecretBytes)) for cls in classes):
        return True
    members = (member for cls in classes for member in (field_types(cls) or get_type_hints(cls)).values())
    return any(_holds_secret(member, seen) for member in members)
