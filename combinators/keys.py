"""Inputs as keys: which calls are the same call, within a run and from run to run."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from mce.errors import DefinitionError, brief
from mce.syntax import Arguments

__all__ = ["input_key", "input_text"]


def input_key(value: Any) -> Hashable:
    """Give a key that is equal for equal inputs of one type, within a run: the value itself or, if mutable, its JSON.

    Raises :class:`mce.DefinitionError` for what can neither be hashed nor be written as JSON.

    >>> input_key((1, "a")) == input_key((1, "a")), input_key(1) == input_key(True)
    (True, False)
    >>> input_key([1, 2]) == input_key([1, 2])
    True
    """
    if isinstance(value, Arguments):
        return tuple(map(input_key, value.args)), tuple((k, input_key(v)) for k, v in sorted(value.kwargs.items()))
    try:
        hash(value)
    except TypeError:
        return type(value), input_text(value)
    return type(value), value


def input_text(value: Any) -> str:
    """Give ``value`` as JSON with sorted keys: equal in every process, with lists and tuples alike.

    Raises :class:`mce.DefinitionError` for what cannot be written as JSON.

    >>> input_text({"b": (1, 2), "a": None})
    '{"a":null,"b":[1,2]}'
    """
    import json  # with pydantic, only where a key is wanted

    from pydantic_core import PydanticSerializationError, to_jsonable_python

    plain = [list(value.args), dict(value.kwargs)] if isinstance(value, Arguments) else value
    try:
        found = to_jsonable_python(plain)
    except PydanticSerializationError:
        raise DefinitionError(
            f"{type(value).__name__} {brief(value, 60)} cannot be a key: give key=, a function that makes one of it"
        ) from None
    return json.dumps(found, sort_keys=True, separators=(",", ":"))
