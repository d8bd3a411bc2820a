"""Finding the flow that a TARGET names: ``package.module:name`` or ``path/to/file.py:name``.

What is imported is the user's own code, so whatever goes wrong in it is told as Python would tell it, without our
frames; everything else is a :class:`WrongCall` that names what there is instead.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from mce.cli.exits import WrongCall
from mce.errors import DefinitionError, brief
from mce.flow import Flow
from mce.tracebacks import user_traceback

__all__ = ["folder_of", "load_flow", "load_object"]

T = TypeVar("T")
_LISTED = 8
_FORM = "say package.module:name or path/to/file.py:name"


def load_flow(target: str) -> Flow[Any, Any, Any, Any]:
    """Import what ``target`` names and give its flow; raises :class:`WrongCall` that says what there is instead."""
    place, colon, name = target.rpartition(":")
    if not colon or not all(part.isidentifier() for part in name.split(".")):
        raise WrongCall(_no_name(target))
    return _checked(target, _object(place, name))


def load_object(target: str) -> Any:
    """Import what ``target`` names, whatever it is; raises :class:`WrongCall` that says what there is instead."""
    place, colon, name = target.rpartition(":")
    if not colon or not all(part.isidentifier() for part in name.split(".")):
        raise WrongCall(f"{target!r} names no object: {_FORM}")
    return _object(place, name)


def folder_of(target: str) -> Path:
    """Give the folder that is searched first for what ``target`` imports: its file's, or the current one."""
    place = target.rpartition(":")[0]
    return Path(place).resolve().parent if _is_path(place) else Path.cwd()


def _object(place: str, name: str) -> Any:
    module = _module(place)
    return _guarded(place, lambda: _attribute(module, place, name))


def _no_name(target: str) -> str:
    place = target.rstrip(":")
    if place.endswith(".py") and not Path(place).is_file():
        return _no_file(Path(place))
    problem = f"TARGET {target!r} names no flow: {_FORM}"
    with suppress(WrongCall):
        flows = _flows(_module(place))
        problem += f"; {place} has {_listed(flows)}: say {place}:{flows[-1]}" if flows else ""
    return problem


def _module(place: str) -> ModuleType:
    if not place:
        raise WrongCall(f"TARGET says no module or file before the colon: {_FORM}")
    return _from_file(Path(place)) if _is_path(place) else _from_package(place)


def _is_path(place: str) -> bool:
    return place.endswith(".py") or "/" in place or os.sep in place


# -- files ------------------------------------------------------------------------------------------------------------


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise WrongCall(_no_file(path))
    path = path.resolve()
    _search_first(path.parent)
    known = sys.modules.get(path.stem)
    if known is not None and _is_file_of(known, path):
        return known
    return _guarded(str(path), lambda: _executed(path, known is not None))


def _no_file(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a folder: name a file in it, {path / 'file.py'}:name, or a package, package.module:name"
    if path.with_suffix(".py").is_file():
        return f"there is no file {path}; did you mean {path.with_suffix('.py')}?"
    if not path.parent.is_dir():
        return f"there is no file {path}, and no folder {path.parent}"
    names = [found.name for found in path.parent.glob("*.py")]
    around = "" if path.parent == Path() else f"{path.parent}{os.sep}"
    return f"there is no file {path}{_hint(path.name, names, around=around)}"


def _is_file_of(module: ModuleType, path: Path) -> bool:
    found = getattr(module, "__file__", None)
    return found is not None and Path(found).resolve() == path


def _executed(path: Path, taken: bool) -> ModuleType:
    """Run ``path`` as a module of its own name, under which workers can import it, unless that name is ``taken``."""
    name = path.stem.replace(".", "_") + ("__target" if taken else "")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise WrongCall(f"{path} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _search_first(folder: Path) -> None:
    """Have ``folder`` searched first for imports, as ``python file.py`` has the file's."""
    if sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))


# -- modules ----------------------------------------------------------------------------------------------------------


def _from_package(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise WrongCall(f"{name!r} is neither a module nor a file: {_FORM}")
    _search_first(Path.cwd())
    return _guarded(name, lambda: _imported(name))


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name is None or not f"{name}.".startswith(f"{missing.name}."):
            raise  # something that the target itself imports
        raise WrongCall(_no_module(name, missing.name)) from None


def _no_module(name: str, missing: str) -> str:
    """Say that ``name`` is not there, because ``missing``, it or a package around it, is not."""
    above, _, _ = missing.rpartition(".")
    package = sys.modules.get(above)
    if above and not hasattr(package, "__path__"):
        inside = name.removeprefix(f"{above}.")
        return f"there is no module {name}: {above} is a module and not a package; did you mean {above}:{inside}?"
    folders = list(package.__path__) if package is not None else [str(Path.cwd())]
    names = [found.name for found in pkgutil.iter_modules(folders)]
    where = f"in {above}" if above else "in the current folder or among what is installed"
    hint = _hint(missing.removeprefix(f"{above}."), names, around=f"{above}." if above else "")
    return f"there is no module {missing} {where}{hint}"


# -- names ------------------------------------------------------------------------------------------------------------


def _guarded(place: str, load: Callable[[], T]) -> T:
    """Do what runs the user's code, and tell whatever that raises as an error of that code."""
    try:
        return load()
    except WrongCall:
        raise
    except SystemExit as left:
        raise WrongCall(
            f"{place} ends the process when it is imported (sys.exit({left.code!r})): "
            f'put what runs it under if __name__ == "__main__"'
        ) from None
    except Exception as broken:
        what = "defines a flow that cannot work" if isinstance(broken, DefinitionError) else "cannot be imported"
        raise WrongCall(f"{place} {what}\n{user_traceback(broken)}".rstrip()) from None


def _attribute(module: ModuleType, place: str, name: str) -> Any:
    found: Any = module
    for at, part in enumerate(name.split(".")):
        try:
            found = getattr(found, part)
        except AttributeError:
            owner = ".".join([place, *name.split(".")[:at]])
            flows = _flows(found)
            names = flows + [other for other in vars(found) if not other.startswith("_")] if flows or at == 0 else []
            hint = _hint(part, names) or (f"; it has {_listed(flows)}" if flows else "; it has no flow at all")
            raise WrongCall(f"{owner} has no {part!r}{hint}") from None
    return found


def _flows(owner: object) -> list[str]:
    return [name for name, value in getattr(owner, "__dict__", {}).items() if isinstance(value, Flow)]


def _listed(names: list[str]) -> str:
    more = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"the flow{'s' if len(names) > 1 else ''} {', '.join(names[:_LISTED])}{more}"


def _hint(name: str, known: Iterable[str], *, around: str = "") -> str:
    close = difflib.get_close_matches(name, dict.fromkeys(known), 3, 0.75)
    return f"; did you mean {' or '.join(around + found for found in close)}?" if close else ""


def _checked(target: str, value: Any) -> Flow[Any, Any, Any, Any]:
    if isinstance(value, Flow):
        return value
    name = target.rpartition(":")[2]
    if inspect.iscoroutinefunction(value) or inspect.isgeneratorfunction(value):
        hint = "decorate it with @step, or with @do if it awaits flows"
    elif inspect.isroutine(value):
        hint = f"decorate it with @step; if it makes a flow, keep what it gives: agent = {name}(...)"
    elif isinstance(value, ModuleType):
        flows = _flows(value)
        hint = f"it has {_listed(flows)}: say {value.__name__}:{flows[-1]}" if flows else "name a flow in it"
    else:
        hint = "name a flow, made with @step, @do, pure(...) or a combinator"
    raise WrongCall(f"{target} is {_kind(value)}, not a flow: {hint}")


def _kind(value: Any) -> str:
    if inspect.isasyncgenfunction(value) or inspect.isgeneratorfunction(value):
        return "a generator function"
    if inspect.iscoroutinefunction(value):
        return "an async function"
    if inspect.isroutine(value):
        return "a function"
    if isinstance(value, ModuleType):
        return "a module"
    if isinstance(value, type):
        return "a class"
    return f"the {type(value).__name__} {brief(value, 60)}"
