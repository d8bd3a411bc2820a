"""Values and runs written as plain Python, so that what was drawn once can be pasted as a test."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import inspect
import math
import pathlib
import sys
import uuid
from typing import TYPE_CHECKING, Any, get_args

import pydantic
from returns.result import Failure, Success

from mce.errors import brief
from mce.flow import NO_INPUT, Flow
from mce.syntax import Call, postorder
from mce.testing.decisions import Decision
from mce.testing.records import parts
from mce.testing.script import AT_MOST, Constant

if TYPE_CHECKING:
    from mce.testing.runs import WorldRun

__all__ = ["Writer", "literal", "reproduction"]

_AS_IT_READS = (int, str, bytes, complex, type(None), type(Ellipsis), type(NotImplemented), range)
_OF_ITS_CLASS = (decimal.Decimal, fractions.Fraction, uuid.UUID, pathlib.PurePath)
_OF_DATETIME = (datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo)
_OURS = ("mce.testing.decisions", "mce.testing.world")


class Writer:
    """Writes values as expressions, and keeps what these need: ``names`` to import, and values to be ``defined``."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.modules: set[str] = set()
        self.defined: dict[str, str] = {}

    def write(self, value: Any) -> str:
        """Give an expression for ``value``; for one that has none, a name that is to be defined."""
        kind = type(value)
        if kind is float and not math.isfinite(value):
            return f'float("{value}")'
        if isinstance(value, enum.Enum):
            named = value.name in type(value).__members__  # not so several flags at once
            return f"{self.name(kind)}.{value.name}" if named else f"{self.name(kind)}({value.value!r})"
        if kind in (bool, float) or kind in _AS_IT_READS:
            return repr(value)
        if kind in (list, tuple, set, frozenset, dict):
            return self.container(value)
        if isinstance(value, Success | Failure):
            inner = value.unwrap() if isinstance(value, Success) else value.failure()
            return f"{self.imported(kind.__name__, 'returns.result')}({self.write(inner)})"
        if isinstance(value, _OF_DATETIME):
            self.modules.add("datetime")
            return repr(value)
        if isinstance(value, _OF_ITS_CLASS):
            self.name(kind)
            return repr(value)
        if isinstance(value, BaseException):
            return self.exception(value)
        if inspect.isroutine(value) or isinstance(value, type):
            return self.name(value)
        return self.record(value)

    def container(self, value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{self.write(key)}: {self.write(part)}" for key, part in value.items()) + "}"
        inner = [self.write(part) for part in value]
        if isinstance(value, list | tuple):
            text = ", ".join(inner)
            return f"[{text}]" if isinstance(value, list) else f"({text},)" if len(inner) == 1 else f"({text})"
        text = "{" + ", ".join(sorted(inner)) + "}" if inner else ""
        if isinstance(value, frozenset):
            return f"frozenset({text})"
        return text or "set()"

    def exception(self, error: BaseException) -> str:
        """Write the call that makes the exception: of its arguments, or of attributes named like the parameters."""
        kind = type(error)
        if _makes(error, kind, error.args, {}):
            return f"{self.name(kind)}({', '.join(map(self.write, error.args))})"
        needed = [p.name for p in inspect.signature(kind).parameters.values() if p.default is p.empty]
        given = {name: getattr(error, name) for name in needed if hasattr(error, name)}
        if _makes(error, kind, (), given):
            return f"{self.name(kind)}({self.arguments(given)})"
        return self.unwritten(error)

    def record(self, value: Any) -> str:
        """Write an object of a class with named fields, without those that are as the class makes them."""
        kind = type(value)
        if isinstance(value, pydantic.SecretStr | pydantic.SecretBytes):
            return self.unwritten(value)
        found = parts(kind)
        if found is None:
            return self.unwritten(value)
        needed = value.model_fields_set if isinstance(value, pydantic.BaseModel) else _changed(value)
        given = {part.given: getattr(value, part.name) for part in found if part.required or part.name in needed}
        return f"{self.name(kind)}({self.arguments(given, by_place=isinstance(value, get_args(Decision)))})"

    def arguments(self, given: dict[str, Any], *, by_place: bool = False) -> str:
        """Write keyword arguments; the first one ``by_place``."""
        odd = {name: part for name, part in given.items() if not name.isidentifier()}
        shown = [f"{name}={self.write(part)}" for name, part in given.items() if name not in odd]
        shown += [f"**{self.write(odd)}"] if odd else []
        if by_place and shown and next(iter(given)) in ("value", "error", "exception"):
            shown[0] = shown[0].partition("=")[2]
        return ", ".join(shown)

    def name(self, what: Any) -> str:
        """Write the name of a class or a function, to be imported, or to be defined if it is local to a function."""
        module, path = what.__module__, what.__qualname__
        if module in _OURS:
            module = "mce.testing"
        if "<" in path or module == "__main__":
            own = path.rpartition(">.")[2]
            return self.define(own if own.isidentifier() else "function", brief(what, 60))
        outer, _, inner = path.partition(".")
        return f"{self.imported(outer, module)}.{inner}" if inner else self.imported(outer, module)

    def imported(self, name: str, module: str) -> str:
        """Give what ``name`` of ``module`` is to be called: by its name, if that is free."""
        if module == "builtins" or self.names.setdefault(name, module) == module:
            return name
        self.modules.add(module)
        return f"{module}.{name}"

    def define(self, name: str, meaning: str) -> str:
        self.defined.setdefault(name, meaning)
        return name

    def unwritten(self, value: Any) -> str:
        """Give the name of a value that has no expression."""
        return self.define(f"{type(value).__name__.lower()}_{len(self.defined) + 1}", brief(value, 60))

    def header(self) -> list[str]:
        """Give the lines that import what was written, and name what is to be defined."""
        by_module: dict[str, list[str]] = {}
        for name, module in self.names.items():
            by_module.setdefault(module, []).append(name)
        lines = [f"import {module}" for module in sorted(self.modules)]
        lines += [f"from {module} import {', '.join(sorted(found))}" for module, found in sorted(by_module.items())]
        return lines + [f"# define or import {name}: {meaning}" for name, meaning in self.defined.items()]


def literal(value: Any) -> str:
    """Write ``value`` as a Python expression.

    >>> from mce.testing import Fails
    >>> literal([Fails(KeyError("k"), after=3.0), {1.5: None}])
    "[Fails(KeyError('k'), after=3.0), {1.5: None}]"
    """
    return Writer().write(value)


def _makes(error: BaseException, kind: type[BaseException], args: tuple[Any, ...], given: dict[str, Any]) -> bool:
    """Whether the class, called like this, makes the same exception."""
    try:
        made: BaseException = kind(*args, **given)
    except Exception:
        return False
    return type(made) is kind and repr(made) == repr(error) and repr(_told(made)) == repr(_told(error))


def _told(error: BaseException) -> dict[str, Any]:
    return {name: found for name, found in vars(error).items() if not name.startswith("__")}


def _changed(value: Any) -> set[str]:
    """Name the fields of a dataclass or named tuple that are not as its class makes them."""
    usual: dict[str, Any] = dict(getattr(value, "_field_defaults", {}))
    for field in dataclasses.fields(value) if dataclasses.is_dataclass(value) else ():
        if field.default is not dataclasses.MISSING:
            usual[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            usual[field.name] = field.default_factory()
    return {part.name for part in parts(type(value)) or () if _differs(value, part.name, usual)}


def _differs(value: Any, name: str, usual: dict[str, Any]) -> bool:
    found = getattr(value, name)
    return name not in usual or found != usual[name] or type(found) is not type(usual[name])


# -- runs --------------------------------------------------------------------------------------------------------------


def reproduction(
    run: WorldRun, target: str | None = None, *, name: str = "test_world", check: str | None = None
) -> str:
    """Write ``run`` as a test; see :meth:`WorldRun.program`."""
    writer = Writer()
    played = run.played
    flow = _target(writer, target or _found_at(played.flow))
    calls = run.faults()
    order = list(run.order)
    while order and not order[-1]:
        order.pop()
    lines = [f"    world = {writer.imported('World', 'mce.testing')}("]
    if calls:
        shown = [f"            {writer.write(key)}: {writer.write(found)}," for key, found in calls.items()]
        lines += ["        calls={", *shown, "        },"]
    if order:
        lines.append(f"        order={order},")
    if played.at_most != AT_MOST:
        lines.append(f"        at_most={played.at_most},")
    lines = [*lines, "    )"] if len(lines) > 1 else [lines[0] + ")"]
    lines += [f"    world.real({real.label!r})" for real in sorted(played.reals, key=lambda real: real.label)]
    lines += [
        f"    world.stub({step.label!r}, {writer.write(stub.value if isinstance(stub, Constant) else stub)})"
        for step, stub in played.stubs.items()
    ]
    given = [flow] if played.input is NO_INPUT else [flow, writer.write(played.input)]
    given += [
        f"{what}={writer.write(found)}"
        for what, found in (("state", played.state), ("deps", played.deps))
        if found is not None
    ]
    lines.append(f"    run = world.run({', '.join(given)})")
    lines.append(f"    {check or _seen(run)}")
    return "\n".join([*writer.header(), "", "", f"def {name}() -> None:", *lines]) + "\n"


def _target(writer: Writer, target: str | None) -> str:
    if target is None:
        return writer.define("flow", "the flow that was run")
    module, _, name = target.partition(":")
    return writer.imported(name, module)


def _seen(run: WorldRun) -> str:
    """Write what the run came to as an assertion."""
    if run.ended is None:
        return f"assert str(run.stuck) == {str(run.stuck)!r}"
    shown = repr(run.ended)
    if " at 0x" in shown:  # an address is another one in the next run
        return f"assert run.outcome.ok is {run.ended.ok}"
    return f"assert repr(run.outcome) == {shown!r}"


_LOOKED_AT = 100


def _found_at(flow: Flow[Any, Any, Any, Any]) -> str | None:
    """Give the ``module:name`` of a flow that is a global of a module in which one of its steps is defined."""
    modules = {"__main__"}
    for at, node in enumerate(postorder(flow.node)):
        if at > _LOOKED_AT:
            break
        if isinstance(node, Call):
            modules.add(getattr(node.fn, "__module__", ""))
    for module in sorted(modules):
        for name, value in vars(sys.modules.get(module, object)).items():
            if isinstance(value, Flow) and value.node is flow.node:
                return f"{module}:{name}"
    return None
