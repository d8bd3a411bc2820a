"""What the standard library's sources define, read with ``ast``: none is imported, since some act when they are.

Stands first in the chain ``sources, inspection -> documents -> index``. Which name a thing is known by is left to
``documents``: here a module is what its file says, with its imports and aliases as written.
"""

from __future__ import annotations

import ast
import os
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from inspect import cleandoc
from pathlib import Path
from typing import Literal

__all__ = ["BUILT_IN", "Definition", "Kind", "Module", "NoSources", "find_sources", "read_module"]

Kind = Literal["module", "class", "function", "method", "property", "constant"]

# Tests, programs, tables and packages that were on their way out: nobody asks for their docstrings.
_SKIPPED = frozenset(
    "__pycache__ _bundled dist-packages distutils encodings ensurepip idlelib lib-dynload lib2to3 pydoc_data "
    "site-packages test tests turtledemo".split()
)
_LONGEST_CONSTANT = 80

BUILT_IN = "built-in"  # where things without a Python source are


class NoSources(Exception):
    """This Python came without the sources of its standard library (``folder`` says where they should be)."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self.folder = folder

    def __str__(self) -> str:
        return f"no standard library sources in {self.folder!r}; use a Python that is installed with its .py files"


@dataclass(frozen=True, slots=True)
class Definition:
    """A class, function, method, property or constant: ``path`` is its dotted name inside ``module``.

    ``signature`` is the part after the name (``"(msg=None)"``), ``bases`` the base classes as written.
    """

    module: str
    path: str
    kind: Kind
    signature: str = ""
    doc: str = ""
    line: int = 0
    bases: tuple[str, ...] = ()
    is_async: bool = False


@dataclass(slots=True)
class Module:
    """One module: what it defines, and what it merely names.

    ``imports`` maps a local name to the absolute dotted name it stands for; ``aliases`` maps it to an expression like
    ``"_inst.choice"``; ``instances`` maps it to the class it is an instance of. ``exports`` is ``__all__``, or None;
    ``all_exports`` is false when only a part of it could be read. ``text`` is the source.
    """

    name: str
    file: str
    is_package: bool = False
    doc: str = ""
    deprecated: bool = False
    exports: list[str] | None = None
    all_exports: bool = True
    definitions: dict[str, Definition] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    instances: dict[str, str] = field(default_factory=dict)
    text: str = ""


def find_sources(root: Path | None = None) -> dict[str, Path]:
    """List the source file of every module of the standard library by the module's name; raises ``NoSources``."""
    root = root or Path(sysconfig.get_path("stdlib"))
    found: dict[str, Path] = {}
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and name.isidentifier())
        parts = Path(folder).relative_to(root).parts
        for file in sorted(files):
            stem = file.removesuffix(".py")
            if stem == file or not stem.isidentifier() or stem == "__main__":
                continue
            name = ".".join(parts if stem == "__init__" else (*parts, stem))
            if name.partition(".")[0] in sys.stdlib_module_names:
                found[name] = Path(folder) / file
    if not found:
        raise NoSources(str(root))
    return found


def read_module(name: str, path: Path) -> Module | None:
    """Parse the module ``name`` at ``path``; None when it is no valid Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes in old modules
            source = path.read_bytes()
            tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    is_package = path.name == "__init__.py"
    file = "/".join(path.parts[-len(name.split(".")) - is_package :])
    module = Module(name, file, is_package=is_package, doc=_docstring(tree), text=source.decode(errors="replace"))
    _Reader(module).read(tree)
    return module


def _docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return ast.get_docstring(node) or ""


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Give the statements that run when the block does, those under ``if``, ``try`` and ``with`` included."""
    for node in body:
        yield node
        for name in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With):
                yield from _statements(getattr(node, name, []))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from _statements(handler.body)


class _Reader:
    """Fills a module with what the statements of its file define and name."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.lists: dict[str, list[str]] = {}  # lists of strings at module level, that __all__ may be made of

    def read(self, tree: ast.Module) -> None:
        for node in _statements(tree.body):
            match node:
                case ast.ClassDef():
                    self._class(node, "")
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self._function(node, "")
                case ast.Import():
                    self._import(node)
                case ast.ImportFrom():
                    self._import_from(node)
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self._assign(name, value, node.lineno, "")
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    self._assign(name, value, node.lineno, "")
                case ast.AugAssign(target=ast.Name(id="__all__"), value=value):
                    self._export(value)
                case ast.Expr(value=ast.Call() as call):
                    self._call(call)
                case _:
                    pass

    def _define(self, definition: Definition) -> None:
        known = self.module.definitions.get(definition.path)
        if known is None or (definition.doc and not known.doc):
            self.module.definitions[definition.path] = definition

    def _class(self, node: ast.ClassDef, outer: str) -> None:
        path = f"{outer}{node.name}"
        signature, doc = "", _docstring(node)
        for item in _statements(node.body):
            match item:
                case ast.FunctionDef(name="__init__") | ast.FunctionDef(name="__new__"):
                    signature = signature or _signature(item, bound=True)
                    doc = "\n\n".join(filter(None, (doc, _docstring(item))))
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self._function(item, f"{path}.")
                case ast.ClassDef():
                    self._class(item, f"{path}.")
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self._assign(name, value, item.lineno, f"{path}.")
                case _:
                    pass
        bases = tuple(text for base in node.bases if (text := _dotted(base)))
        self._define(Definition(self.module.name, path, "class", signature, cleandoc(doc), node.lineno, bases))

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, outer: str) -> None:
        decorators = [_dotted(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list]
        last = {name.rpartition(".")[2] for name in decorators}
        if last & {"overload", "setter", "deleter"}:
            return
        kind: Kind = "method" if outer else "function"
        signature = _signature(node, bound=bool(outer) and "staticmethod" not in last)
        if outer and any("property" in name for name in last):
            kind, signature = "property", ""
        is_async = isinstance(node, ast.AsyncFunctionDef)
        path, doc = f"{outer}{node.name}", _docstring(node)
        self._define(Definition(self.module.name, path, kind, signature, doc, node.lineno, (), is_async))

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            self.module.imports.setdefault(name, alias.name if alias.asname else name)

    def _import_from(self, node: ast.ImportFrom) -> None:
        source = self._absolute(node)
        for alias in node.names:
            if alias.name == "*":
                self.module.stars.append(source)
            else:
                self.module.imports.setdefault(alias.asname or alias.name, f"{source}.{alias.name}")

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.module.name.split(".")
        parts = parts[: len(parts) - node.level + self.module.is_package]
        return ".".join([*parts, node.module] if node.module else parts)

    def _assign(self, name: str, value: ast.expr, line: int, outer: str) -> None:
        path = f"{outer}{name}"
        if path == "__all__":
            self._export(value)
        elif path == "__doc__" and isinstance(value, ast.Constant):
            self.module.doc = self.module.doc or cleandoc(str(value.value))
        elif isinstance(value, ast.Name | ast.Attribute) and (text := _dotted(value)):
            self.module.aliases.setdefault(path, text)
        elif isinstance(value, ast.Call) and (text := _dotted(value.func)) and not outer:
            self.module.instances.setdefault(path, text)
        elif isinstance(value, ast.List | ast.Tuple) and not outer and (names := _strings(value, {})):
            self.lists[name] = names
        elif not outer and isinstance(value, ast.Constant | ast.BinOp | ast.JoinedStr):
            text = ast.unparse(value)
            if len(text) <= _LONGEST_CONSTANT:
                self._define(Definition(self.module.name, path, "constant", f" = {text}", "", line))

    def _export(self, value: ast.expr) -> None:
        """Add what ``value`` is known to hold to ``__all__``; other modules' lists come with their star imports."""
        names = _strings(value, self.lists)
        self.module.exports = [*(self.module.exports or ()), *names]
        self.module.all_exports = self.module.all_exports and bool(names)

    def _call(self, call: ast.Call) -> None:
        match call.func:
            case ast.Attribute(value=ast.Name(id="__all__"), attr="extend" | "append"):
                self._export(ast.List(call.args) if call.func.attr == "append" else call.args[0])
            case ast.Attribute(value=ast.Name(id="warnings"), attr="_deprecated" | "warn"):
                self.module.deprecated = True
            case _:
                pass


def _strings(value: ast.expr, known: dict[str, list[str]]) -> list[str]:
    """The strings of a list or tuple display, of a name for one, or of a sum of these."""
    match value:
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]
        case ast.Name(id=name):
            return known.get(name, [])
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _strings(left, known) + _strings(right, known)
        case _:
            return []


def _dotted(node: ast.expr) -> str:
    """``a.b.c`` as text, or nothing when the expression is not that simple."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            inner = _dotted(value)
            return f"{inner}.{attr}" if inner else ""
        case ast.Subscript(value=value):
            return _dotted(value)
        case _:
            return ""


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, *, bound: bool) -> str:
    args = node.args
    if bound and (first := args.posonlyargs or args.args):
        first.pop(0)  # self or cls; the tree is ours alone
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"({ast.unparse(args)}){returns}"
