"""What a step's code is seen to do: which fields of the state it writes, whether it may give a flow to go on with.

The source is read, never run: ``ctx.update(field=...)``, ``ctx.put(...)`` of a changed copy, and functions that the
context is handed to. What is not of these shapes is not known, and that is said.
"""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from mce.flow import Flow
from mce.graph.annotations import mentions_flow, returned_by

__all__ = ["NOTHING", "UNKNOWN", "Writes", "copied_fields", "may_continue", "written_by"]

_FOLLOWED = 8
"""How many calls deep a context is followed through functions."""


@dataclass(frozen=True)
class Writes:
    """Fields of the state: ``fields`` may be written, those in ``always`` are whenever the code ends normally.

    Unless ``complete``, others may be written as well.
    """

    fields: frozenset[str] = frozenset()
    always: frozenset[str] = frozenset()
    complete: bool = True

    def __or__(self, other: Writes) -> Writes:
        return Writes(self.fields | other.fields, self.always | other.always, self.complete and other.complete)

    def perhaps(self) -> Writes:
        """Give the same where it is not known whether it happens."""
        return Writes(self.fields, frozenset(), self.complete)


NOTHING = Writes()
UNKNOWN = Writes(complete=False)


def written_by(fn: Any) -> Writes:
    """Give what the step function ``fn`` writes through its context ``ctx``."""
    function = _function(fn)
    return UNKNOWN if function is None else _written(function, "ctx", _FOLLOWED)


def copied_fields(f: Any) -> Writes:
    """Give the fields that ``f``, a function from state to state, changes in the copy it makes of its argument."""
    function = _function(f)
    tree = None if function is None else _tree(function)
    if tree is None:
        return UNKNOWN
    parameters = [found.arg for found in tree.args.args if found.arg != "self"]
    results = [tree.body] if isinstance(tree, ast.Lambda) else _returned(tree)
    if not parameters or len(results) != 1:
        return UNKNOWN
    return _copied(results[0], lambda node: isinstance(node, ast.Name) and node.id == parameters[0])


def may_continue(fn: Any) -> bool:
    """Whether the step function ``fn`` may give a flow: as annotated, or, without a telling annotation, as coded.

    By its code it may when it names, closes over or holds a flow or a function that makes one.
    """
    function = _function(fn)
    if function is None:
        return True
    if function.__module__.startswith("mce.combinators"):  # a step of ours: batches, sleeps
        return False
    declared = returned_by(fn)
    if declared not in (Any, object):
        return mentions_flow(declared)
    text = str(function.__annotations__.get("return", ""))
    if "Flow[" in text:  # that only a type checker can read
        return True
    return any(_makes_flows(found) for found in (*_named(function), *_held(fn)))


def _held(fn: Any) -> Iterable[Any]:
    """Give what an object that can be called holds: fields, or the arguments of a partial."""
    if isinstance(fn, functools.partial):
        return (*fn.args, *fn.keywords.values())
    return () if inspect.isroutine(fn) else getattr(fn, "__dict__", {}).values()


def _makes_flows(found: Any) -> bool:
    if isinstance(found, Flow):
        return True
    returned = getattr(found, "__annotations__", {}).get("return", "")
    text = returned if isinstance(returned, str) else inspect.formatannotation(returned)
    is_ours = str(getattr(found, "__module__", "")).startswith("mce.combinators")
    return is_ours or "Flow[" in text or text == "Flow"


def _named(function: FunctionType) -> Iterable[Any]:
    """Give what the code of ``function`` names and what it closes over."""
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield function.__globals__[name]
    yield from _closed_over(function).values()


def _names(code: CodeType) -> Iterable[str]:
    """Give the global names that the code reads."""
    stack = [code]
    while stack:
        code = stack.pop()
        yield from (found.argval for found in dis.get_instructions(code) if found.opname == "LOAD_GLOBAL")
        stack += [found for found in code.co_consts if isinstance(found, CodeType)]


def _closed_over(function: FunctionType) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not filled yet
            continue
    return found


def _function(fn: Any) -> FunctionType | None:
    """Give the Python function behind what can be called, if there is one."""
    fn = inspect.unwrap(fn)
    fn = getattr(fn, "func", fn)
    if not isinstance(fn, FunctionType):
        fn = getattr(fn, "__func__", None) or getattr(type(fn), "__call__", None)  # noqa: B004
    return fn if isinstance(fn, FunctionType) else None


# -- source -----------------------------------------------------------------------------------------------------------

_Def = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@lru_cache(maxsize=4096)
def _tree(function: FunctionType) -> _Def | None:
    """Give the syntax of ``function``; ``None`` where its source is not there, or not certainly its own."""
    try:
        lines = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError, IndentationError):
        return None
    tree = _parsed(lines)
    kinds = ast.Lambda if function.__name__ == "<lambda>" else (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [node for node in ast.walk(tree) if isinstance(node, kinds)] if tree is not None else []
    named = [node for node in found if isinstance(node, ast.Lambda) or node.name == function.__name__]
    taken = function.__code__.co_varnames[: function.__code__.co_argcount]
    fitting = [node for node in named if tuple(arg.arg for arg in node.args.posonlyargs + node.args.args) == taken]
    if isinstance(fitting[0] if fitting else None, ast.Lambda) and len(fitting) > 1:
        return None
    return fitting[0] if fitting else None


def _parsed(lines: str) -> ast.Module | None:
    """Parse the lines in which a function stands; those of a lambda may be a part of a statement."""
    for text in (lines, lines.strip().rstrip(","), f"({lines.strip().rstrip(',')})", lines.strip().rstrip(",)") + ")"):
        try:
            return ast.parse(text)
        except SyntaxError:
            continue
    return None


def _returned(tree: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value is not None]


# -- following a context ----------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _written(function: FunctionType, context: str, depth: int) -> Writes:
    """Give what ``function`` writes through its parameter ``context``."""
    tree = _tree(function)
    if tree is None or not depth:
        return UNKNOWN
    reader = _Reader(function, tree, context, depth)
    if isinstance(tree, ast.Lambda):
        return reader.expression(tree.body)
    return reader.body(tree.body)


class _Reader:
    """Reads the code of one function."""

    def __init__(self, function: FunctionType, tree: ast.AST, context: str, depth: int) -> None:
        self.function = function
        self.context = context
        self.depth = depth
        self.states: set[str] = set()
        self.states = self._states(tree)

    def body(self, statements: list[ast.stmt]) -> Writes:
        """Read statements; what follows a place that may leave the function is only perhaps done."""
        found, certain = NOTHING, True
        for statement in statements:
            part = self.statement(statement)
            found |= part if certain else part.perhaps()
            certain = certain and not _may_leave(statement)
        return found

    def statement(self, statement: ast.stmt) -> Writes:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return self.expression(statement).perhaps()
            case ast.With() | ast.AsyncWith():
                heads = [self.expression(item.context_expr) for item in statement.items]
                return _all([*heads, self.body(statement.body)])
            case ast.If() | ast.For() | ast.AsyncFor() | ast.While() | ast.Try() | ast.Match():
                return self.expression(statement).perhaps()
            case _:
                return self.expression(statement)

    def expression(self, root: ast.AST) -> Writes:
        """Read all calls below ``root``; what stands in an ``if`` or a loop of an expression is perhaps done."""
        found = NOTHING
        known: set[int] = set()
        conditional = {id(part) for node in ast.walk(root) if isinstance(node, _CONDITIONAL) for part in ast.walk(node)}
        for node in ast.walk(root):
            if isinstance(node, ast.Call):
                part, used = self.call(node)
                found |= part.perhaps() if id(node) in conditional else part
                known |= used
            elif isinstance(node, ast.Attribute) and self.is_context(node.value):
                known.add(id(node.value))
                if node.attr in ("update", "put") and id(node) not in known:
                    found |= UNKNOWN
        strays = [node for node in ast.walk(root) if self.is_context(node) and id(node) not in known]
        return found | UNKNOWN if strays else found

    def is_context(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id == self.context and isinstance(node.ctx, ast.Load)

    def call(self, node: ast.Call) -> tuple[Writes, set[int]]:
        """Give what one call writes, and the nodes that are accounted for by that."""
        if isinstance(node.func, ast.Attribute) and self.is_context(node.func.value):
            used = {id(node.func), id(node.func.value)}
            if node.func.attr == "update":
                names = frozenset(keyword.arg for keyword in node.keywords if keyword.arg)
                complete = all(keyword.arg for keyword in node.keywords) and not node.args
                return Writes(names, names, complete), used
            if node.func.attr == "put":
                return (_copied(node.args[0], self.is_state) if len(node.args) == 1 else UNKNOWN), used
            return NOTHING, used
        return self.handed_on(node)

    def is_state(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Name):
            return node.id in self.states
        return isinstance(node, ast.Attribute) and node.attr == "state" and self.is_context(node.value)

    def _states(self, tree: ast.AST) -> set[str]:
        """List the names that stand for ``ctx.state`` and nothing else."""
        stored = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
        found: list[str] = []
        for node in ast.walk(tree):
            match node:
                case ast.Assign([ast.Name(name)], value) if self.is_state(value):
                    found.append(name)
                case _:
                    pass
        return {name for name in found if stored.count(name) == 1}

    def handed_on(self, node: ast.Call) -> tuple[Writes, set[int]]:
        """Follow the context into a function that it is handed to by position."""
        places = [at for at, given in enumerate(node.args) if self.is_context(given)]
        if len(places) != 1 or not isinstance(node.func, ast.Name):
            return NOTHING, set()
        known = {**self.function.__globals__, **_closed_over(self.function)}
        called = known.get(node.func.id)
        if not isinstance(called, FunctionType) or places[0] >= called.__code__.co_argcount:
            return NOTHING, set()
        parameter = called.__code__.co_varnames[places[0]]
        return _written(called, parameter, self.depth - 1), {id(node.args[places[0]])}


_CONDITIONAL = (
    ast.IfExp,
    ast.BoolOp,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)
_LEAVES = (ast.Return, ast.Raise, ast.Break, ast.Continue)


def _may_leave(statement: ast.stmt) -> bool:
    return any(isinstance(node, _LEAVES) for node in ast.walk(statement))


def _all(parts: Iterable[Writes]) -> Writes:
    found = NOTHING
    for part in parts:
        found |= part
    return found


def _copied(node: ast.expr, is_state: Callable[[ast.AST], bool]) -> Writes:
    """Give the fields that differ in a copy: ``state.model_copy(update={...})`` or ``replace(state, ...)``."""
    match node:
        case ast.Call(ast.Attribute(whole, "model_copy"), [], [ast.keyword("update", ast.Dict(keys))]) if is_state(
            whole
        ):
            names = frozenset(key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str))
            return Writes(names, names, len(names) == len(keys))
        case ast.Call(ast.Name("replace") | ast.Attribute(_, "replace"), [whole], keywords) if is_state(whole):
            names = frozenset(keyword.arg for keyword in keywords if keyword.arg)
            return Writes(names, names, all(keyword.arg for keyword in keywords))
        case _ if is_state(node):
            return NOTHING
        case _:
            return UNKNOWN
