"""Values as JSON: what pydantic can say of them, else their ``repr``; never an error, and secrets masked.

``pydantic_core.to_jsonable_python`` alone would use up generators, give NaN and fail on bytes, cycles and depth, so
containers are walked here and only models and single values are given to it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import deque
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from returns.result import Failure, Result, Success

from mce.errors import Defect, brief
from mce.tracebacks import defect_traceback

__all__ = ["dumps", "error_as_data", "jsonable"]

_DEPTH = 100
_REPR = 1000
_BITS = 10_000  # longer ones Python does not write in decimal


def jsonable(value: object) -> Any:
    """Give ``value`` as JSON data; what has no JSON of its own is its ``repr``, cut to 1000 characters.

    >>> from pydantic import SecretStr
    >>> jsonable({"at": (1, float("nan")), "key": SecretStr("hidden")})
    {'at': [1, 'nan'], 'key': '**********'}
    >>> jsonable([object]), jsonable(iter([]))
    (["<class 'object'>"], '<list_iterator object at ...>')
    """
    return _tried(value, ())


def dumps(data: object, *, indent: int | None = None, ascii_only: bool = True) -> str:
    """Write data made by :func:`jsonable` as JSON text."""
    return json.dumps(data, indent=indent, ensure_ascii=ascii_only, allow_nan=False)


def _tried(value: Any, above: tuple[int, ...]) -> Any:
    try:
        return _data(value, above)
    except Exception:  # a container of one's own whose iteration fails, or that changes meanwhile
        return brief(value, _REPR)


def _data(value: Any, above: tuple[int, ...]) -> Any:
    if value is None or value.__class__ in (bool, str) or (value.__class__ is int and value.bit_length() < _BITS):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if id(value) in above or len(above) > _DEPTH:
        return brief(value, _REPR)
    return _structure(value, (*above, id(value)))


def _structure(value: Any, above: tuple[int, ...]) -> Any:
    match value:
        case Mapping():
            return {_key(key): _data(item, above) for key, item in value.items()}
        case list() | tuple() | set() | frozenset() | deque():
            return [_data(item, above) for item in value]
        case Success() | Failure():
            return _result(value, above)
        case BaseException():
            return error_as_data(value)
        case Iterator() | type() | ModuleType():
            return brief(value, _REPR)
        case BaseModel():
            return _model(value, above)
        case _ if dataclasses.is_dataclass(value):
            return {field.name: _data(getattr(value, field.name, None), above) for field in dataclasses.fields(value)}
        case _:
            return _single(value, above)


def _key(key: object) -> str:
    found = _data(key, ())
    if isinstance(found, str):
        return found
    return brief(key, _REPR) if isinstance(found, list | dict) else json.dumps(found)


def _result(value: Result[Any, Any], above: tuple[int, ...]) -> Any:
    if isinstance(value, Success):
        return {"ok": True, "value": _data(value.unwrap(), above)}
    return {"ok": False, "error": error_as_data(value.failure(), above)}


def _model(value: BaseModel, above: tuple[int, ...]) -> Any:
    """Give what the model's own serialisers say; its fields one by one if they fail."""
    try:
        said = value.__pydantic_serializer__.to_python(
            value, mode="json", by_alias=True, warnings=False, fallback=lambda part: _data(part, above)
        )
    except Exception:
        said = {name: getattr(value, name, None) for name in type(value).__pydantic_fields__}
    return _data(said, above)


def _single(value: Any, above: tuple[int, ...]) -> Any:
    try:
        said = to_jsonable_python(value, fallback=lambda part: brief(part, _REPR))
    except Exception:
        return brief(value, _REPR)
    return said if isinstance(said, str) else _data(said, above)


def error_as_data(error: Any, above: tuple[int, ...] = ()) -> dict[str, Any]:
    """Give an error as ``type`` and ``message``, with what else there is: its value, several errors, a traceback.

    >>> error_as_data(ValueError("no"))
    {'type': 'ValueError', 'message': 'no'}
    """
    match error:
        case Defect():
            said = {"type": type(error.cause).__name__, "message": _message(error.cause), "defect": True}
            traceback = defect_traceback(error)
            return {**said, "traceback": traceback} if traceback else said
        case BaseException():
            return {"type": type(error).__name__, "message": _message(error)}
        case str():
            return {"type": type(error).__name__, "message": error}
        case tuple():
            errors = [error_as_data(part, above) for part in error]
            return {"type": type(error).__name__, "message": brief(error, _REPR), "errors": errors}
        case _:
            return {"type": type(error).__name__, "message": brief(error, _REPR), "value": _tried(error, above)}


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return brief(error, _REPR)
