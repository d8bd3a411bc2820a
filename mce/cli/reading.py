"""From the JSON on the command line to the input and the state that a flow is run with, by the flow's own types."""

from __future__ import annotations

import dataclasses
import difflib
import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import AliasPath, BaseModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from mce.cli.exits import WrongCall, complain
from mce.errors import brief
from mce.flow import NO_INPUT
from mce.reducers import field_types, is_secret
from mce.signature import Taker, shown, state_type, takers
from mce.syntax import Node

__all__ = ["read_input", "read_state", "read_text"]

_SHOWN = 5


def read_text(option: str, text: str | None, file: Path | None) -> str | None:
    """Give the JSON text of an option or of its ``-file`` form; ``-`` is standard input. Both are a wrong call."""
    if text is not None and file is not None:
        raise WrongCall(f"{option} and {option}-file were both given: give one")
    if file is None and text != "-":
        return text
    source = None if file is None or str(file) == "-" else file
    name = "standard input" if source is None else str(source)
    try:
        return _bytes(source).decode("utf-8-sig")
    except OSError as wrong:
        raise WrongCall(f"{option}: {name} cannot be read: {wrong.strerror}") from None
    except UnicodeDecodeError as wrong:
        found = f"byte {wrong.start} is {wrong.object[wrong.start]:#04x}"
        raise WrongCall(f"{option}: {name} is not UTF-8: {found}") from None


def _bytes(source: Path | None) -> bytes:
    if source is not None:
        return source.read_bytes()
    if sys.stdin is None:
        raise WrongCall("standard input is closed")
    return sys.stdin.buffer.read()


def read_input(root: Node, text: str | None) -> Any:
    """Give the input that the JSON ``text`` stands for, as the flow's first steps take it."""
    found = takers(root)
    needing = [taker for taker in found if not taker.optional]
    if text is None:
        if needing:
            raise WrongCall(_no_input(needing))
        return NO_INPUT
    if not found:
        complain("note: this flow takes no input; what --input gives is not used")
    wanted = [taker for taker in found if taker.type is not Any]
    plain = _parsed("--input", text, [taker.type for taker in wanted])
    if not wanted:
        return plain
    return _that_suits(wanted, text)


def _no_input(needing: list[Taker]) -> str:
    first = min(needing, key=lambda taker: "Any" in shown(taker.type))  # the first that says most of what it takes
    kind = "" if first.type is Any else f" ({shown(first.type)})"
    return f"this flow needs an input, which {first.name} takes{kind}: say --input {_sketch(first.type)}"


def _sketch(declared: Any) -> str:
    """Write what JSON for a type looks like, as a shell takes it."""
    if declared is str:
        return "'\"text\"'"
    fields = ", ".join(f'"{name}": ...' for name in _required(declared))
    return f"'{{{fields}}}'" if fields else "JSON"


def _that_suits(wanted: list[Taker], text: str) -> Any:
    """Give the one of the values that the takers' types make of ``text`` which suits every one of them."""
    readers = [(taker, _adapter(taker.type, taker.name)) for taker in wanted]
    values = [_validated(reader, text, "input", taker.type) for taker, reader in readers]
    for value in values:
        if all(_suits(reader, value) for _, reader in readers):
            return value
    listed = ", ".join(f"{taker.name} takes {shown(taker.type)}" for taker in wanted)
    raise WrongCall(f"no input suits all that are given it: {listed}")


def _suits(reader: TypeAdapter[Any], value: Any) -> bool:
    """Whether ``value`` is one of the type already, and need not be converted first."""
    try:
        return bool(reader.validate_python(value, strict=True) == value)
    except ValidationError:
        return False


# -- the state --------------------------------------------------------------------------------------------------------


def read_state(root: Node, text: str | None) -> Any:
    """Give the state that the JSON ``text`` stands for, of the class that the flow's steps ask for.

    Without text it is made of the class's defaults. Unknown fields are refused, also where the class would drop them.
    """
    declared = state_type(root)
    if text is None:
        return None if declared is Any else _default(declared)
    plain = _parsed("--state", text, [declared])
    if declared is Any:
        return plain
    state = _validated(_adapter(declared, "this flow's state"), text, "state", declared)
    unknown = list(_unknown(plain, state, "state"))
    if unknown:
        raise WrongCall(_problems("--state does not fit", declared, unknown))
    return state


def _default(declared: Any) -> Any:
    if not isinstance(declared, type) or not field_types(declared):
        if _suits(_adapter(declared, "this flow's state"), None):
            return None
        raise WrongCall(f"this flow runs in a state, {shown(declared)}: say --state JSON")
    needed = [f"{name} ({shown(field_types(declared)[name])})" for name in _required(declared)]
    if needed:
        has = "has no default" if len(needed) == 1 else "have no defaults"
        what = f"this flow runs in the state {shown(declared)}, of which {', '.join(needed)} {has}"
        raise WrongCall(f"{what}: say --state {_sketch(declared)}")
    try:
        return declared()
    except Exception as broken:
        what = f"the state {shown(declared)} cannot be made of its defaults"
        raise WrongCall(f"{what} ({type(broken).__name__}: {broken}): say --state JSON") from None


def _required(cls: Any) -> list[str]:
    """Give the fields of a class that have no default; none for a type without fields."""
    if not isinstance(cls, type) or not field_types(cls):
        return []
    model: type[Any] = cls
    if issubclass(model, BaseModel):
        return [name for name, field in model.model_fields.items() if field.is_required()]
    missing = dataclasses.MISSING
    return [
        field.name
        for field in dataclasses.fields(cls)
        if field.init and field.default is missing and field.default_factory is missing
    ]


def _unknown(plain: Any, made: Any, place: str) -> Iterator[str]:
    """Find the fields in ``plain`` that the value ``made`` of it has no place for."""
    if isinstance(plain, list) and isinstance(made, list | tuple):
        for at, (part, value) in enumerate(zip(plain, made, strict=False)):
            yield from _unknown(part, value, f"{place}.{at}")
    elif isinstance(plain, dict) and isinstance(made, Mapping):
        for key, part in plain.items():
            yield from _unknown(part, made.get(key), f"{place}.{key}")
    elif isinstance(plain, dict) and (names := _names(type(made))):
        for key, part in plain.items():
            if key in names:
                yield from _unknown(part, getattr(made, names[key], None), f"{place}.{key}")
            elif _config(type(made)).get("extra") != "allow":
                close = difflib.get_close_matches(key, names, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"{shown(type(made))} has {', '.join(names)}"
                yield f"{place}.{key}: no such field; {hint}"


def _names(cls: type[Any]) -> dict[str, str]:
    """Give the keys that JSON may have for the fields of ``cls``, each with the field's name: it, or its aliases."""
    declared = getattr(cls, "__pydantic_fields__", None) or {}
    by_name = _config(cls).get("populate_by_name") or _config(cls).get("validate_by_name")
    found: dict[str, str] = {}
    for name in field_types(cls):
        alias = declared[name].validation_alias if name in declared else None
        if alias is None or by_name:
            found[name] = name
        for choice in getattr(alias, "choices", [alias]):
            key = choice.path[0] if isinstance(choice, AliasPath) else choice
            if isinstance(key, str):
                found[key] = name
    return found


def _config(cls: type[Any]) -> Mapping[str, Any]:
    return getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", None) or {}


# -- JSON -------------------------------------------------------------------------------------------------------------


def _parsed(option: str, text: str, types: list[Any]) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as wrong:
        raise WrongCall(_not_json(option, text, wrong, types)) from None
    except (ValueError, RecursionError) as wrong:
        raise WrongCall(f"{option} is not JSON that can be read: {wrong}") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _not_json(option: str, text: str, wrong: json.JSONDecodeError, types: list[Any]) -> str:
    problem = f"{option} is not JSON: {wrong.msg} at line {wrong.lineno}, column {wrong.colno}"
    if any(_may_hold_secret(declared) for declared in types):
        return problem
    if str in types and "\n" not in text and len(text) < 100:
        return f"{problem}; a text needs double quotes: {option} {shlex.quote(json.dumps(text, ensure_ascii=False))}"
    line = text.splitlines()[wrong.lineno - 1] if text.strip() else ""
    before, after = line[: wrong.colno - 1][-40:], line[wrong.colno - 1 :][:30]
    return f"{problem}\n  {before}{after}\n  {' ' * len(before)}^" if line else problem


def _adapter(declared: Any, who: str) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(declared)
    except (PydanticUserError, NameError, TypeError) as wrong:
        problem = str(wrong).splitlines()[0]
        raise WrongCall(f"{who} takes {shown(declared)}, which cannot be read from JSON: {problem}") from None


def _validated(reader: TypeAdapter[Any], text: str, what: str, declared: Any) -> Any:
    try:
        return reader.validate_json(text)
    except ValidationError as error:
        wrong = [_problem(found, what, declared) for found in error.errors(include_url=False, include_context=False)]
        raise WrongCall(_problems(f"--{what} does not fit", declared, wrong)) from None


def _problems(what: str, declared: Any, problems: list[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    return "\n  ".join([f"{what} {shown(declared)}:", *problems[:_SHOWN], *more])


def _problem(found: Any, what: str, declared: Any) -> str:
    place = ".".join([what, *map(str, found["loc"])])
    if found["type"] == "missing" or _is_secret(declared, found["loc"]):
        return f"{place}: {found['msg']}"
    return f"{place}: {found['msg']}, got {brief(found['input'], 60)} ({type(found['input']).__name__})"


def _is_secret(declared: Any, place: tuple[Any, ...]) -> bool:
    if place and isinstance(declared, type) and field_types(declared):
        return is_secret(declared, str(place[0]))
    return _may_hold_secret(declared)


def _may_hold_secret(declared: Any) -> bool:
    """Whether a value of the type may hold a secret anywhere, so that what is wrong of it is not to be shown."""
    return declared is not Any and is_secret(dataclasses.make_dataclass("_Value", [("value", declared)]), "value")
