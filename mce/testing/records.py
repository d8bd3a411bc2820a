"""Classes with named fields, read alike: pydantic models, dataclasses, named tuples and typed dicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, Required, get_args, get_origin, get_type_hints

import annotated_types
import pydantic
from pydantic.fields import FieldInfo
from typing_extensions import ReadOnly, is_typeddict

__all__ = ["Part", "build", "constraints", "parts"]


@dataclass(frozen=True, slots=True)
class Part:
    """A field: its ``name``, the name it is ``given`` by, its annotation, and whether it must be given."""

    name: str
    given: str
    annotation: Any
    required: bool


def parts(cls: Any) -> list[Part] | None:
    """List the fields that ``cls`` is made of; ``None`` if it is no such class.

    >>> from typing import NamedTuple
    >>> class Point(NamedTuple):
    ...     x: int
    ...     y: int = 0
    >>> [(part.name, part.required) for part in parts(Point)]
    [('x', True), ('y', False)]
    """
    if is_typeddict(cls):
        hints = get_type_hints(cls, include_extras=True)
        return [_of_dict(name, hint, name in cls.__required_keys__) for name, hint in hints.items()]
    if not isinstance(cls, type):
        return None
    if issubclass(cls, pydantic.BaseModel):
        return [_of_model(name, field) for name, field in cls.model_fields.items()]
    if dataclasses.is_dataclass(cls):
        hints = get_type_hints(cls, include_extras=True)
        return [Part(f.name, f.name, hints[f.name], _must(f)) for f in dataclasses.fields(cls) if f.init]
    names: tuple[str, ...] | None = getattr(cls, "_fields", None)
    if issubclass(cls, tuple) and names is not None:
        hints = get_type_hints(cls, include_extras=True)
        defaults: dict[str, Any] = getattr(cls, "_field_defaults", {})
        return [Part(name, name, hints.get(name, Any), name not in defaults) for name in names]
    return None


def build(cls: Any, given: Mapping[str, Any]) -> Any:
    """Make one of ``cls``, which has :func:`parts`, of values by name; raises what its constructor raises."""
    return cls(**given)


def _of_dict(name: str, hint: Any, required: bool) -> Part:
    while (origin := get_origin(hint)) in (Required, NotRequired, ReadOnly):
        required = origin is Required or (required and origin is ReadOnly)
        hint = get_args(hint)[0]
    return Part(name, name, hint, required)


def _of_model(name: str, field: FieldInfo) -> Part:
    annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    alias = field.validation_alias if field.validation_alias is not None else field.alias
    return Part(name, alias if isinstance(alias, str) else name, annotation, field.is_required())


def _must(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def constraints(metadata: Iterable[Any]) -> Iterator[Any]:
    """List what stands behind the type in an ``Annotated``, each constraint by itself."""
    for found in metadata:
        if isinstance(found, FieldInfo):
            yield from constraints(found.metadata)
        elif isinstance(found, annotated_types.GroupedMetadata):
            yield from constraints(found)
        else:
            yield found
