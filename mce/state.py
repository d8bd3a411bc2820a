"""State where branches meet: what a branch changed, recorded as it writes, and how the changes of branches join.

A change is None (nothing was written), a ``Write`` (a new value), a ``Delta`` (of the field's reducer) or
``Fields`` (a change per field). Changes of one branch ``compose``; those of concurrent branches ``join``.
Fields are validated here when they are written. What a class declares of its fields is read in
``reducers.py``, parts of a state are in ``lens.py``; when to record and join is the engine's.

Laws (``=``: equal values; a ``StateConflict`` absorbs; ``tests/laws/test_changes.py``):
compose    associative, with identity None
action     ``apply_change(apply_change(s, a), b) = apply_change(s, compose(a, b))``
recording  the composed changes of a branch, applied to its start, give its final state
join       associative, with identity None; of one branch it is that branch; nested joins equal flat ones

Not laws: ``join`` does not commute (``Append``, ``First``, ``Last``); floats under ``Add`` associate up to rounding;
a validator may refuse the state of an inner join and pass that of the flat one.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import pydantic

from mce.errors import InvalidState, StateConflict, brief
from mce.reducers import AnyReducer, Clash, Shape, cached, field_types, is_secret, post_init, same, shape_of, validates

__all__ = [
    "Change",
    "Delta",
    "Fields",
    "Write",
    "apply_change",
    "check_names",
    "compose",
    "join",
    "replace_state",
    "update_state",
]

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Write:
    """A value was written that no reducer explains."""

    value: Any


@dataclass(frozen=True, slots=True)
class Delta:
    """A change that ``reducer`` can express as ``delta``; ``value`` is the field's value as the branch has it."""

    reducer: AnyReducer
    delta: Any
    value: Any


@dataclass(frozen=True, slots=True)
class Fields:
    """Some fields of a structured value changed, each by its own change."""

    changes: Mapping[str, Change]


Change: TypeAlias = Write | Delta | Fields
_Written: TypeAlias = tuple[str, Change]  # a branch, and what it changed
_Met: TypeAlias = tuple[Any, Change]  # a value where branches met, and its change


def update_state(
    state: S, fields: Mapping[str, object], *, record: bool, shape: Shape | None = None
) -> tuple[S, Change | None]:
    """Give ``state`` with ``fields`` set and validated, and the change; a named field counts as written.

    Without ``record`` the change is None, at no cost. ``shape`` is that of the place where ``state`` stands
    (``Lens.shape``), for a state that is itself a field with a reducer. Raises ``InvalidState`` for a state
    without fields, an unknown field or a value that the class refuses.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Notes:
    ...     count: int = 0
    >>> update_state(Notes(), {"count": 2}, record=True)
    (Notes(count=2), Fields(changes={'count': Write(value=2)}))
    >>> update_state(Notes(), {"cuont": 2}, record=True)
    Traceback (most recent call last):
    mce.errors.InvalidState: Notes.cuont: no such field; did you mean 'count'?
    """
    check_names(type(state), fields)
    if not fields:
        return state, None
    new, written = _updated(state, fields)
    if not record:
        return new, None
    if shape is not None and shape.reducer is not None:
        return new, _difference(shape.reducer, state, new)
    return new, _field_changes(state, new, written)


def replace_state(old: object, new: object, *, record: bool, shape: Shape | None = None) -> Change | None:
    """Give the change from ``old`` to ``new``: fields that are no longer the identical object were written.

    Raises ``InvalidState`` if ``new`` is not of the class of ``old``, unless either is None or both are numbers.
    """
    if not _may_replace(old, new):
        problem = f"a value of class {type(new).__name__} cannot take its place; keep the class"
        raise InvalidState(type(old).__name__, "", problem)
    if not record or new is old:
        return None
    return _difference(shape.reducer if shape else None, old, new)


def _may_replace(old: object, new: object) -> bool:
    if old is None or new is None or isinstance(new, type(old)):
        return True
    return all(isinstance(value, (int, float, complex)) and not isinstance(value, bool) for value in (old, new))


def _difference(reducer: AnyReducer | None, before: Any, after: Any) -> Change | None:
    if reducer is not None:
        delta = reducer.diff(before, after)
        return Write(after) if delta is None else Delta(reducer, delta, after)
    names = shape_of(after).names if type(before) is type(after) else ()
    if not names or not same(getattr(before, "__pydantic_extra__", None), getattr(after, "__pydantic_extra__", None)):
        return Write(after)
    return _field_changes(before, after, [n for n in names if getattr(before, n) is not getattr(after, n)])


def _field_changes(before: object, after: object, names: Collection[str]) -> Change | None:
    reducers = shape_of(after).reducers
    found = {n: _difference(reducers.get(n), getattr(before, n), getattr(after, n)) for n in names}
    changes = {name: change for name, change in found.items() if change is not None}
    return Fields(changes) if changes else None


def compose(first: Change | None, second: Change | None) -> Change | None:
    """Give the change of ``first`` and then ``second`` in one branch; associative, with identity None.

    >>> compose(Write((1,)), Write(None))
    Write(value=None)
    """
    if first is None or second is None:
        return second if first is None else first
    return _after(first, second)


def _after(first: Change, second: Change) -> Change:
    if isinstance(second, Fields):
        return _fields_after(first, second)
    if isinstance(first, Delta) and isinstance(second, Delta) and first.reducer == second.reducer:
        with suppress(Clash):  # a reducer without ``compose`` whose ``combine`` refuses: it is a write then
            both = second.reducer.compose or second.reducer.combine
            return Delta(second.reducer, both(first.delta, second.delta), second.value)
    return Write(second.value)


def _fields_after(first: Change, second: Fields) -> Change:
    if not isinstance(first, Fields):
        return Write(apply_change(first.value, second))
    both = dict(first.changes)
    for name, change in second.changes.items():
        both[name] = _after(both[name], change) if name in both else change
    return Fields(both)


def apply_change(state: Any, change: Change | None) -> Any:
    """Give ``state`` with ``change`` made to it; the fields are not validated again.

    >>> from mce.reducers import Append
    >>> apply_change(("a",), Delta(Append(), ("b",), ("x", "b")))
    ('a', 'b')
    """
    if change is None:
        return state
    return _applied(state, change, lambda value, made: made.reducer.patch(value, made.delta))


def _applied(state: Any, change: Change, patched: Callable[[Any, Delta], Any]) -> Any:
    if isinstance(change, Write):
        return change.value
    if isinstance(change, Delta):
        return patched(state, change)
    changes = change.changes.items()
    return _rebuilt(state, {name: _applied(getattr(state, name), inner, patched) for name, inner in changes})


def join(base: S, changes: Sequence[Change | None], branches: Sequence[str]) -> tuple[S, Change | None]:
    """Give the state and the change where concurrent branches meet; ``changes`` are all relative to ``base``.

    ``branches`` names the branch of each change, in branch order. Raises ``StateConflict`` where several
    changed a field and no reducer says how they meet, or when the class refuses the merged state.

    >>> from mce.reducers import Add
    >>> join(1, [Delta(Add(), 2, 3), None, Delta(Add(), 5, 6)], ["a", "b", "c"])
    (8, Delta(reducer=Add(), delta=7, value=8))
    >>> join(1, [Write(2), Write(3)], ["a", "b"])
    Traceback (most recent call last):
    mce.errors.StateConflict: concurrent branches wrote ...: a wrote 2, b wrote 3; ...
    """
    written = [(branch, change) for branch, change in zip(branches, changes, strict=True) if change is not None]
    return _met(base, written, "") if written else (base, None)


def _met(base: Any, written: list[_Written], path: str) -> _Met:
    change = written[0][1]
    if len(written) == 1:
        return _applied(base, change, lambda _, made: made.value), change
    if all(isinstance(c, Fields) for _, c in written):
        return _met_fields(base, written, path)
    deltas = [c for _, c in written if isinstance(c, Delta)]
    if len(deltas) < len(written) or any(c.reducer != deltas[0].reducer for c in deltas):
        raise _conflict(path, written)
    return _met_deltas(base, deltas[0].reducer, [c.delta for c in deltas], written, path)


def _met_deltas(base: Any, reducer: AnyReducer, deltas: list[Any], written: list[_Written], path: str) -> _Met:
    try:
        delta = _folded(reducer.combine, deltas)
    except Clash as clash:
        raise _clashed(reducer, deltas, written, path, clash) from None
    value = reducer.patch(base, delta)
    return value, Delta(reducer, delta, value)


def _folded(combine: Callable[[Any, Any], Any], deltas: list[Any]) -> Any:
    while len(deltas) > 1:  # by pairs: from the left, n tuples would be copied n times over
        pairs = [combine(left, right) for left, right in zip(deltas[::2], deltas[1::2], strict=False)]
        deltas = pairs + deltas[2 * len(pairs) :]
    return deltas[0]


def _clashed(reducer: AnyReducer, deltas: list[Any], written: list[_Written], path: str, clash: Clash) -> StateConflict:
    """Name the first branch that clashes with an earlier one, and that one; all of them when no two clash."""

    def refusal(some: list[Any]) -> Clash | None:
        try:
            _folded(reducer.combine, some)
        except Clash as refused:
            return refused
        return None

    last = bisect_left(range(len(deltas) - 1), True, key=lambda at: refusal(deltas[: at + 1]) is not None)
    for first in range(last):
        pair = refusal([deltas[first], deltas[last]])
        if pair is not None:
            return _conflict(f"{path}[{pair.detail}]", [written[first], written[last]], values=pair.values)
    return _conflict(f"{path}[{clash.detail}]", written, values=clash.values)


def _met_fields(base: Any, written: list[_Written], path: str) -> _Met:
    changers: dict[str, list[_Written]] = {}
    for branch, change in written:
        for name, inner in change.changes.items() if isinstance(change, Fields) else ():
            changers.setdefault(name, []).append((branch, inner))
    met = {name: _met(getattr(base, name), some, f"{path}.{name}".strip(".")) for name, some in changers.items()}
    values = {name: value for name, (value, _) in met.items()}
    try:
        merged = _rebuilt(base, values)
        _check_merged(base, merged, values, [name for name, some in changers.items() if len(some) > 1])
    except InvalidState as refused:
        raise _conflict(f"{path}.{refused.field}".strip("."), written, problem=str(refused)) from None
    return merged, Fields({name: change for name, (_, change) in met.items()})


def _check_merged(base: Any, merged: Any, values: Mapping[str, Any], joined: Sequence[str]) -> None:
    """Refuse a merged state that its class refuses, or would make another of; ``joined`` had several writers."""
    cls: type[Any] = base.__class__
    if not validates(cls):
        seen = {name: _validated(cls, name, values[name]) for name in joined}
    elif isinstance(merged, pydantic.BaseModel):
        seen = _validated_whole(merged, {})
    else:
        seen = {name: getattr(merged, name) for name in shape_of(cls).names}
    for name, value in seen.items():
        wanted = values[name] if name in values else getattr(base, name)
        if not same(value, wanted):
            raise InvalidState(cls.__name__, name, f"its class makes {brief(value)} of {brief(wanted)}")


def _conflict(path: str, written: list[_Written], *, problem: str = "", values: Sequence[object] = ()) -> StateConflict:
    wrote = values if len(values) == len(written) else [_value(change) for _, change in written]
    return StateConflict(path, [branch for branch, _ in written], wrote, problem=problem)


def _value(change: Change) -> object:
    if isinstance(change, Fields):
        return {name: _value(inner) for name, inner in change.changes.items()}
    return change.value


def check_names(cls: type[Any], names: Iterable[str]) -> None:
    """Raise ``InvalidState`` for a class without fields, and for a name that is not one of its fields."""
    known = shape_of(cls).names
    if not known:
        raise InvalidState(cls.__name__, next(iter(names), ""), f"{cls.__name__} has no fields; use put or modify")
    for name in names:
        if name not in known:
            import difflib

            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known)}"
            raise InvalidState(cls.__name__, name, f"no such field; {hint}")


def _updated(state: Any, fields: Mapping[str, object]) -> tuple[Any, Collection[str]]:
    """Give the validated new state and the names written: those given, and what the class's own checks changed."""
    cls: type[Any] = state.__class__
    whole = validates(cls)
    if whole and isinstance(state, pydantic.BaseModel):
        written = _validated_whole(state, fields)
        return _rebuilt(state, written), written
    new = _rebuilt(state, {name: _validated(cls, name, value) for name, value in fields.items()})
    if not whole:
        return new, fields
    return new, [n for n in shape_of(cls).names if n in fields or getattr(new, n) is not getattr(state, n)]


def _validated_whole(state: pydantic.BaseModel, fields: Mapping[str, object]) -> dict[str, Any]:
    """Validate all fields at once; give those that were named and those that came out unequal."""
    cls, old = type(state), state.__dict__
    names = shape_of(cls).names
    data = {**(state.__pydantic_extra__ or {}), **{name: old[name] for name in names}, **fields}
    try:
        checked = cls.model_validate(data["root"] if cls.__pydantic_root_model__ else data, by_name=True).__dict__
    except pydantic.ValidationError as error:
        raise _refusal(cls, error) from None
    return {name: checked[name] for name in names if name in fields or not same(checked[name], old[name])}


def _validated(cls: type[Any], name: str, value: object) -> Any:
    try:
        return _one_field(cls, name).__pydantic_validator__.validate_python({"value": value}).value
    except pydantic.ValidationError as error:
        raise _refusal(cls, error, name) from None  # its text would show the input, which may be a secret


@cached
def _one_field(cls: type[Any], name: str) -> Any:
    """Make the model that validates one field as its class does, without the class's aliases."""
    declared = getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", None)
    config: Any = {**(declared or {"arbitrary_types_allowed": True}), "alias_generator": None, "defer_build": False}
    field: Any = (field_types(cls)[name], ...)
    try:
        return pydantic.create_model(cls.__name__, __config__=config, value=field)
    except Exception as error:  # pydantic raises many kinds where it cannot make a schema
        raise InvalidState(cls.__name__, name, f"its annotation cannot be validated: {error}") from error


def _refusal(cls: type[Any], error: pydantic.ValidationError, field: str = "") -> InvalidState:
    first, *more = error.errors(include_url=False, include_context=False)
    place = [field, *first["loc"][1:]] if field else [*first["loc"]]
    problem = first["msg"]
    if place and first["type"] != "missing" and not is_secret(cls, str(place[0])):
        problem += f", got {brief(first['input'])} ({type(first['input']).__name__})"
    if more:
        problem += f" (and {len(more)} more)"
    return InvalidState(cls.__name__, ".".join(map(str, place)), problem)


def _rebuilt(state: Any, values: Mapping[str, Any]) -> Any:
    """Give ``state`` with other values in some fields, unvalidated but for what its class does when it is made."""
    return _copied(state, values) if isinstance(state, pydantic.BaseModel) else _replaced(state, values)


def _copied(state: pydantic.BaseModel, values: Mapping[str, Any]) -> pydantic.BaseModel:
    cls = type(state)
    new = _sketched(state, values) if _is_plain(cls) else state.model_copy(update=values)
    stored: Any = new.__dict__
    if len(stored) > len(cls.__pydantic_fields__):  # cached properties, made of the old values
        for name in stored.keys() - cls.__pydantic_fields__.keys():
            del stored[name]
    if post_init(cls):  # as are private attributes
        object.__setattr__(new, "__pydantic_private__", None)
        try:
            new.model_post_init(None)
        except Exception as error:
            raise InvalidState(cls.__name__, "", f"{type(error).__name__}: {error}") from error
    return new


@cached
def _is_plain(cls: type[Any]) -> bool:
    """Whether a copy of a model is its fields and nothing besides, made in no way of its own."""
    own = cls.model_copy is not pydantic.BaseModel.model_copy or cls.__copy__ is not pydantic.BaseModel.__copy__
    return not own and not cls.__private_attributes__ and cls.model_config.get("extra") != "allow"


def _sketched(state: pydantic.BaseModel, values: Mapping[str, Any]) -> pydantic.BaseModel:
    """Do what ``state.model_copy(update=values)`` does for a plain model, in a quarter of the time."""
    cls = type(state)
    new = cls.__new__(cls)
    _set(new, "__dict__", {**state.__dict__, **values})
    _set(new, "__pydantic_fields_set__", state.__pydantic_fields_set__ | values.keys())
    _set(new, "__pydantic_extra__", None)
    _set(new, "__pydantic_private__", None)
    return new


_set = object.__setattr__


def _replaced(state: Any, values: Mapping[str, Any]) -> Any:
    cls: type[Any] = state.__class__
    try:
        new = dataclasses.replace(state, **values)
    except pydantic.ValidationError as error:
        raise _refusal(cls, error) from None
    except Exception as error:
        raise InvalidState(cls.__name__, ", ".join(values), f"{type(error).__name__}: {error}") from error
    for name in shape_of(cls).names if validates(cls) else ():
        old = getattr(state, name)
        if name not in values and same(getattr(new, name), old):
            object.__setattr__(new, name, old)  # made anew, yet not written
    return new
