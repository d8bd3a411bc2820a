"""Which steps may run as they are while a flow is fuzzed, and what stops those that reach outside after all.

A step runs as it is if its code names nothing but Python's own library, ``mce`` with what that stands on, and the
project's own code. It is stopped when it opens a connection, starts a process, waits for real time, or changes a file
that is no temporary one; from then on its answers are made up. A step without a body is always made up.
"""

from __future__ import annotations

import dis
import inspect
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import CodeType, FrameType, ModuleType
from typing import Any

from mce.flow import Flow
from mce.syntax import Call, Dynamic, Fn, Node, StateOp, children

__all__ = ["Outside", "functions_of", "guarded", "has_body", "is_own", "names_of", "runs_as_it_is"]

_TRUSTED = frozenset({"mce", "anyio", "returns", "pydantic", "pydantic_core", "typing_extensions", "annotated_types"})
_GIVEN = frozenset({"deps", "environ", "getenv"})
"""What a step is given by who runs it, which nobody does here."""
_SEEN = 300
"""How many functions are looked through for one flow, at most."""


class Outside(BaseException):
    """What runs reaches outside, by the audit event ``what``; no step is to catch it."""


_OF_GLOBALS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"})


def names_of(fn: Any) -> Iterator[tuple[str, Any]]:
    """Give what the code of a function names outside of itself, from its module and from the functions around it."""
    fn = _function(fn)
    code = getattr(fn, "__code__", None)
    if code is None:
        return
    known: Mapping[str, Any] = fn.__globals__
    for inner in _codes(code):
        used = {str(found.argval) for found in dis.get_instructions(inner) if found.opname in _OF_GLOBALS}
        for name in sorted(used & known.keys()):
            yield name, known[name]
    for name, cell in zip(code.co_freevars, fn.__closure__ or (), strict=False):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not yet filled
            continue


def functions_of(roots: list[Any]) -> list[Any]:
    """List the functions of the project's own that are reached from ``roots``: functions, flows, classes, objects."""
    found: list[Any] = []
    seen: set[int] = set()
    stack = list(reversed(roots))
    while stack and len(found) < _SEEN:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, Flow):
            stack.append(item.node)
        elif isinstance(item, Node):
            stack.extend([*_functions_in(item), *children(item)])
        elif inspect.isclass(item):
            stack.extend(_methods(item) if is_own(item) else ())
        elif getattr(_function(item), "__code__", None) is not None:
            if is_own(_function(item)):
                found.append(_function(item))
                stack.extend([value for _, value in names_of(item)])
                stack.append(getattr(item, "__self__", None))
        elif is_own(type(item)):
            stack.append(type(item))
    return found


def _functions_in(node: Any) -> list[Any]:
    match node:
        case Call(fn) | Fn(fn) | Dynamic(fn) | StateOp(fn):
            return [fn]
        case _:
            others = (getattr(node, name, None) for name in ("selector", "until"))
            merge = getattr(getattr(node, "join", None), "merge", None)
            return [found for found in (*others, merge) if found is not None]


def _methods(cls: type[Any]) -> list[Any]:
    found = [getattr(value, "__func__", value) for value in vars(cls).values()]
    found += [value.fget for value in vars(cls).values() if isinstance(value, property)]
    return [value for value in found if inspect.isfunction(value)]


def _function(fn: Any) -> Any:
    """Give the function that a partial, a method, a wrapper or one of the combinators' own objects calls."""
    for name in ("__wrapped__", "func", "fn", "__func__"):
        while not inspect.isfunction(fn) and callable(found := getattr(fn, name, None)):
            fn = found
    return inspect.unwrap(fn) if inspect.isfunction(fn) else fn


def _codes(code: CodeType) -> Iterator[CodeType]:
    stack = [code]
    while stack:
        found = stack.pop()
        yield found
        stack.extend([const for const in found.co_consts if isinstance(const, CodeType)])


def _origin(value: Any) -> str:
    """Give the name of the package that ``value`` comes from; empty if it says none."""
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    if not isinstance(name, str):
        name = getattr(type(value), "__module__", "")
    return str(name).partition(".")[0]


def is_own(value: Any) -> bool:
    """Whether a function, a class or a module is the project's own, and neither Python's, ours nor installed."""
    top = _origin(value)
    return bool(top) and top not in sys.stdlib_module_names and top not in _TRUSTED and not _is_installed(top)


def _is_installed(top: str) -> bool:
    file = getattr(sys.modules.get(top), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file


def runs_as_it_is(fn: Any) -> bool:
    """Whether a step has a body, and neither it nor what it calls names what is installed, given, or set outside."""
    if not has_body(fn):
        return False
    for found in functions_of([fn]) or [_function(fn)]:
        if any(_GIVEN & set(code.co_names) for code in _codes(found.__code__)):
            return False
        imported = {name.partition(".")[0] for code in _codes(found.__code__) for name in _imports(code)}
        if any(top not in _TRUSTED and _is_installed(top) for top in imported):
            return False
        for _, value in names_of(found):
            top = _origin(value)
            if top not in _TRUSTED and _is_installed(top):
                return False
    return getattr(_function(fn), "__code__", None) is not None


def _imports(code: CodeType) -> list[str]:
    return [str(found.argval) for found in dis.get_instructions(code) if found.opname == "IMPORT_NAME"]


_IDLE = frozenset({"RESUME", "RETURN_GENERATOR", "POP_TOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "NOP"})


def has_body(fn: Any) -> bool:
    """Whether a function does anything: not if it is ``...``, or promises a value and only ever raises.

    >>> def search(query: str) -> str: ...
    >>> def later(query: str) -> str:
    ...     raise NotImplementedError("soon")
    >>> has_body(search), has_body(later), has_body(has_body)
    (False, False, True)
    """
    code = getattr(_function(fn), "__code__", None)
    if code is None:
        return callable(fn)
    used = {found.opname for found in dis.get_instructions(code)}
    if "RAISE_VARARGS" in used and not used & {"RETURN_VALUE", "RETURN_CONST", "YIELD_VALUE"}:
        return _promises_nothing(fn) and not {"NotImplementedError", "AssertionError"} & set(code.co_names)
    return bool(used - _IDLE) or _constant(code) is not None


_IDLE = frozenset(
    "RESUME RETURN_GENERATOR POP_TOP LOAD_CONST RETURN_VALUE RETURN_CONST NOP CALL_INTRINSIC_1 RERAISE".split()
)


def _promises_nothing(fn: Any) -> bool:
    return getattr(_function(fn), "__annotations__", {}).get("return", ...) in (None, "None")


def _constant(code: CodeType) -> Any:
    """Give what a body that does nothing else returns."""
    found = [i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_CONST", "RETURN_CONST")]
    return found[-1] if found else None


# -- what is stopped ---------------------------------------------------------------------------------------------------

_STOPPED = frozenset(
    "socket.connect socket.getaddrinfo socket.gethostbyname socket.sendto socket.bind subprocess.Popen os.system "
    "os.posix_spawn os.exec os.fork os.forkpty pty.spawn os.remove os.rename os.rmdir os.truncate os.chmod os.chown "
    "shutil.rmtree shutil.move webbrowser.open urllib.Request smtplib.connect ftplib.connect os.kill time.sleep".split()
)


class _Watch:
    """What is watched now: the code of steps by name, and where the first of them that reached outside did."""

    def __init__(self) -> None:
        self.found: tuple[CodeType | None, str] | None = None
        self.steps: Mapping[CodeType, Any] = {}
        self.active = False
        self.temporary = ""


_WATCH = _Watch()
_INSTALLED: list[bool] = []


@contextmanager
def guarded(steps: Mapping[CodeType, Any]) -> Iterator[Callable[[], tuple[Any, str] | None]]:
    """Stop what reaches outside in here; the function given says which of ``steps``, by its code, and how it did."""
    if not _INSTALLED:  # an audit hook stays for as long as the process lives
        sys.addaudithook(_hook)
        _INSTALLED.append(True)
    _WATCH.temporary = tempfile.gettempdir()  # which writes a file, and must not be asked in the hook
    _WATCH.found, _WATCH.steps, _WATCH.active = None, steps, True

    def found() -> tuple[Any, str] | None:
        if _WATCH.found is None:
            return None
        code, what = _WATCH.found
        return (None if code is None else steps[code]), what

    try:
        yield found
    finally:
        _WATCH.active = False


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _WATCH.active or not (event in _STOPPED or (event == "open" and _changes_a_file(args))):
        return
    if event in _OF_FILES and _is_temporary(args[0]):
        return
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code in _WATCH.steps:
            _WATCH.found = _WATCH.found or (frame.f_code, event)
            raise Outside(event)
        frame = frame.f_back


def _changes_a_file(args: tuple[Any, ...]) -> bool:
    path, mode, flags = (*args, None, None, None)[:3]
    writes = any(letter in str(mode or "") for letter in "wax+") or bool(isinstance(flags, int) and flags & 0o1103)
    return writes and isinstance(path, str | bytes) and not _is_temporary(path)


_OF_FILES = frozenset({"os.remove", "os.rename", "os.rmdir", "os.truncate", "os.chmod", "shutil.rmtree"})


def _is_temporary(path: Any) -> bool:
    text = path.decode(errors="replace") if isinstance(path, bytes) else str(path)
    return text.startswith((_WATCH.temporary, "/dev/null")) or "__pycache__" in text
