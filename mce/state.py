"""State where branches meet: what a branch changed, recorded as it writes, and how the changes of branches join.

A change is None (nothing was written), a ``Write`` (a new value), a ``Delta`` (of the field's reducer) or
``Fields`` (a change per field). Changes of one branch ``compose``; those of concurrent branches ``join``.
Fields are validated in ``updates.py`` when they are written. What a class declares of its fields is read in
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

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

import pydantic

from mce.errors import InvalidState, StateConflict, brief
from mce.records import dataclass
from mce.reducers import AnyReducer, Clash, Shape, same, shape_of, validates
from mce.updates import check_names, rebuilt, updated, validated, validated_whole

__all__ = [
    "Change",
    "Delta",
    "Fields",
    "Write",
    "apply_change",
    "compose",
    "join",
    "rebound",
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

    >>> from dataclasses import dataclass, replace
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
    new, written = updated(state, fields)
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
    return rebuilt(state, {name: _applied(getattr(state, name), inner, patched) for name, inner in changes})


def rebound(change: Change | None, state: Any, shape: Shape | None = None) -> Change | None:
    """Give ``change``, made to ``state`` in another process, with the reducers that this one knows of its class.

    ``shape`` is that of the place where ``state`` stands, as for :func:`update_state`. A reducer that was pickled by
    the code of its functions is not equal to the one that it was made of.
    """
    if isinstance(change, Delta) and shape is not None and shape.reducer is not None:
        return replace(change, reducer=shape.reducer)
    if isinstance(change, Fields):
        reducers = shape_of(state).reducers
        return Fields({name: _rebound(inner, state, name, reducers) for name, inner in change.changes.items()})
    return change


def _rebound(change: Change, state: Any, name: str, reducers: Mapping[str, AnyReducer]) -> Change:
    if isinstance(change, Delta):
        return replace(change, reducer=reducers.get(name, change.reducer))
    return rebound(change, getattr(state, name)) or change


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
        merged = rebuilt(base, values)
        _check_merged(base, merged, values, [name for name, some in changers.items() if len(some) > 1])
    except InvalidState as refused:
        raise _conflict(f"{path}.{refused.field}".strip("."), written, problem=str(refused)) from None
    return merged, Fields({name: change for name, (_, change) in met.items()})


def _check_merged(base: Any, merged: Any, values: Mapping[str, Any], joined: Sequence[str]) -> None:
    """Refuse a merged state that its class refuses, or would make another of; ``joined`` had several writers."""
    cls: type[Any] = base.__class__
    if not validates(cls):
        seen = {name: validated(cls, name, values[name]) for name in joined}
    elif isinstance(merged, pydantic.BaseModel):
        seen = validated_whole(merged, {})
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
