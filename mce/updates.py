"""Setting fields of a state: names are checked, values validated as the class declares, and the state is made anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pydantic

from mce.errors import InvalidState, brief
from mce.reducers import cached, field_types, is_secret, post_init, same, shape_of, validates

__all__ = ["check_names", "rebuilt", "updated", "validated", "validated_whole"]


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


def updated(state: Any, fields: Mapping[str, object]) -> tuple[Any, Collection[str]]:
    """Give the validated new state and the names written: those given, and what the class's own checks changed."""
    cls: type[Any] = state.__class__
    whole = validates(cls)
    if whole and isinstance(state, pydantic.BaseModel):
        written = validated_whole(state, fields)
        return rebuilt(state, written), written
    new = rebuilt(state, {name: validated(cls, name, value) for name, value in fields.items()})
    if not whole:
        return new, fields
    return new, [n for n in shape_of(cls).names if n in fields or getattr(new, n) is not getattr(state, n)]


def validated_whole(state: pydantic.BaseModel, fields: Mapping[str, object]) -> dict[str, Any]:
    """Validate all fields at once; give those that were named and those that came out unequal."""
    cls, old = type(state), state.__dict__
    names = shape_of(cls).names
    data = {**(state.__pydantic_extra__ or {}), **{name: old[name] for name in names}, **fields}
    try:
        checked = cls.model_validate(data["root"] if cls.__pydantic_root_model__ else data, by_name=True).__dict__
    except pydantic.ValidationError as error:
        raise _refusal(cls, error) from None
    return {name: checked[name] for name in names if name in fields or not same(checked[name], old[name])}


def validated(cls: type[Any], name: str, value: object) -> Any:
    """Give ``value`` as the field ``name`` of ``cls`` has it; raises ``InvalidState`` where the class refuses it."""
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


def rebuilt(state: Any, values: Mapping[str, Any]) -> Any:
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
