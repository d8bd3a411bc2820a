"""``dataclass(frozen=True, slots=True)`` of the standard library, at a fraction of its cost when a module is imported.

The standard one writes the text of six methods for each class and compiles it, and there are nearly a hundred such
classes behind ``import mce``. Here ``__init__`` shares its compiled code with all classes of as many fields, and the
other methods are closures. What is not frozen with slots, declares a ``field()`` or inherits fields is left to the
standard library. Type checkers, ``fields``, ``replace``, ``match``, ``pickle`` and ``inspect`` see no difference.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from operator import attrgetter
from reprlib import recursive_repr
from types import CellType, CodeType, FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["dataclass", "unguarded"]

T = TypeVar("T")
Method = Callable[..., Any]
Values = Callable[[Any], tuple[Any, ...]]

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, **options):
        """Make a dataclass of a class; ``options`` are those of the standard library."""

        def made(cls):
            make = _frozen if _is_simple(cls, options) else dataclasses.dataclass
            return make(cls, **options)

        return made if cls is None else made(cls)


def _is_simple(cls: type, options: dict[str, Any]) -> bool:
    if not (options.get("frozen") and options.get("slots")) or options.keys() - {"frozen", "slots", "eq", "repr"}:
        return False
    if any(dataclasses.is_dataclass(base) for base in cls.__mro__):
        return False
    return not any(isinstance(value, dataclasses.Field) for value in vars(cls).values())


def _frozen(plain: type, *, frozen: bool, slots: bool, eq: bool = True, repr: bool = True) -> type:
    """Make the dataclass: the standard library finds the fields, the methods are from here."""
    plain.__doc__ = plain.__doc__ or plain.__name__  # which else would be put together from the signature
    cls: Any = dataclasses.dataclass(init=False, eq=False, repr=False, slots=slots)(plain)
    params = cls.__dataclass_params__
    params.init, params.eq, params.repr, params.frozen = True, eq, repr, frozen
    for method in _methods(cls, eq, repr):
        if vars(plain).get(method.__name__) is None:  # what defines only __eq__ has None for its __hash__
            method.__qualname__, method.__module__ = f"{cls.__qualname__}.{method.__name__}", cls.__module__
            setattr(cls, method.__name__, method)
    return cls  # type: ignore[no-any-return]


def _methods(cls: Any, eq: bool, repr: bool) -> Iterator[Method]:
    fields = dataclasses.fields(cls)
    names = [field.name for field in fields]
    values = _reader(names)
    yield _initialiser(cls, fields)
    yield from _guards(cls, names)
    yield from _pickling(names, values)
    if repr:
        yield _shower(names)
    if eq:
        yield from _comparing(values)


def unguarded(cls: type[T]) -> Callable[..., T]:
    """Give what makes instances of a frozen dataclass with slots in less than half the time, for hot paths.

    It takes all fields, in their order. Another class with the same slots lets them be assigned, of which ``cls`` would
    refuse each, and then the instance is given the class that it is to have.
    """
    fields = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    scope: dict[str, Any] = {"cls": cls, "Open": type(cls.__name__, (), {"__slots__": vars(cls)["__slots__"]})}
    lines = ["made = Open()", *(f"made.{name} = {name}" for name in fields), "made.__class__ = cls", "return made"]
    exec(f"def make({', '.join(fields)}): {'; '.join(lines)}", scope)
    return scope["make"]  # type: ignore[no-any-return]


# -- the methods ------------------------------------------------------------------------------------------------------


def _reader(names: list[str]) -> Values:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda self: tuple([getattr(self, name) for name in names])


def _initialiser(cls: Any, fields: Iterable[dataclasses.Field[Any]]) -> Method:
    """Make ``__init__``, in which the slots are filled past the class, which refuses to."""
    fields = sorted(fields, key=attrgetter("kw_only"))
    plain, after = [field for field in fields if not field.kw_only], getattr(cls, "__post_init__", None)
    names = tuple(field.name for field in fields)
    defaults = {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}
    code = _code(len(plain), len(fields), after is not None)
    held = {f"set{at}": getattr(cls, name).__set__ for at, name in enumerate(names)} | {"after": after}
    made = FunctionType(
        code.replace(co_varnames=("self", *names), co_qualname=f"{cls.__qualname__}.__init__"),
        vars(sys.modules[cls.__module__]),
        "__init__",
        tuple(defaults.pop(field.name) for field in plain if field.name in defaults),
        tuple(CellType(held[name]) for name in code.co_freevars),
    )
    made.__kwdefaults__ = defaults
    made.__annotations__ = {field.name: field.type for field in fields} | {"return": None}
    return made


@cache
def _code(plain: int, count: int, after: bool) -> CodeType:
    """Compile ``__init__`` for ``count`` fields, whose names are put in later; those after ``plain`` go by keyword."""
    fields, setters = [f"field{at}" for at in range(count)], [f"set{at}" for at in range(count)]
    parameters = ", ".join(["self", *fields[:plain], *["*"] * (plain < count), *fields[plain:]])
    calls = [f"{setter}(self, {field})" for setter, field in zip(setters, fields, strict=True)]
    body = "; ".join([*calls, *["after(self)"] * after]) or "pass"
    scope: dict[str, Any] = {}
    exec(f"def make({', '.join([*setters, 'after'])}):\n def __init__({parameters}): {body}\n return __init__", scope)
    return scope["make"](*[None] * (count + 1)).__code__  # type: ignore[no-any-return]


def _guards(cls: Any, names: list[str]) -> tuple[Method, Method]:
    def __setattr__(self: Any, name: str, value: Any) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return __setattr__, __delattr__


def _pickling(names: list[str], values: Values) -> tuple[Method, Method]:
    def __getstate__(self: Any) -> list[Any]:
        return list(values(self))

    def __setstate__(self: Any, state: list[Any]) -> None:
        for name, value in zip(names, state, strict=True):
            object.__setattr__(self, name, value)

    return __getstate__, __setstate__


def _shower(names: list[str]) -> Method:
    def __repr__(self: Any) -> str:
        return f"{self.__class__.__qualname__}({', '.join([f'{name}={getattr(self, name)!r}' for name in names])})"

    return recursive_repr()(__repr__)


def _comparing(values: Values) -> tuple[Method, Method]:
    def __eq__(self: Any, other: object) -> Any:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: Any) -> int:
        return hash(values(self))

    return __eq__, __hash__
