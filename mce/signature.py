"""What a flow takes, read from its tree: the types of its input and of its state.

The input's type is that of the first parameters that are given it, the state's that of the steps' ``Context[State]``.
A function without annotations asks for nothing; what a dynamic region or a function of ``bind`` will become is not
known before it runs, and is not guessed.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from mce.context import Context
from mce.errors import InvalidInput
from mce.flow import Flow, Op
from mce.syntax import (
    Bracket,
    Call,
    Choice,
    Dag,
    Dynamic,
    Each,
    Fn,
    Focus,
    Given,
    Node,
    Par,
    Race,
    Recover,
    Then,
    children,
    passes_on,
)

__all__ = ["Taker", "shown", "state_type", "takers"]


@dataclass(frozen=True, slots=True)
class Taker:
    """What is given the flow's input, and the type it declares (``Any`` when it declares none).

    One that is ``optional`` is given it only if something before it failed.
    """

    name: str
    type: Any
    optional: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """Where a walk stands: inside so many ``each``, under which choice, after something that may fail."""

    lists: int = 0
    choice: list[Taker] | None = None
    optional: bool = False


def takers(root: Node) -> list[Taker]:
    """List what is given the input of ``root``; nothing when the flow is closed.

    The input must suit all of them. The cases of a choice are one taker, with the union of their types.
    """
    found: list[Taker] = []
    stack = [(root, _Place())]
    choices: list[list[Taker]] = []
    while stack:
        node, place = stack.pop()
        taker = _taker(node)
        if taker is not None:
            placed = Taker(taker.name, _listed(taker.type, place.lists), place.optional)
            if place.choice is None:
                found.append(placed)
            elif not isinstance(node, Choice) or taker.type is not Any:
                place.choice.append(placed)
        if isinstance(node, Choice) and place.choice is None:
            choices.append([])
            place = replace(place, choice=choices[-1])
        stack.extend(reversed([(child, _within(node, child, place)) for child in _given_on(node)]))
    return found + [_any_of(cases) for cases in choices if cases]


def _taker(node: Node) -> Taker | None:
    if passes_on(node):
        return None
    match node:
        case Call(fn, spec) if spec.accepts or spec.required:
            return Taker(f"step {spec.name!r}", _parameter(fn, 1 if spec.takes_context else 0))
        case Fn(f):
            return Taker(f"the function {_name(f)!r}", _parameter(f))
        case Dynamic(f, name, direct) if getattr(f, "accepts", 1):
            return Taker(f"{'the block' if direct else 'the function'} {name!r}", _parameter(f))
        case Each():
            return Taker(f"{node.name!r}", list[Any])
        case Choice(selector):
            return Taker(f"the selector of {node.name!r}", _parameter(selector))
        case Dag(takes=takes) if any(what.takes_input() and what.form != "one" for what in takes):
            return Taker(f"a task of {node.name!r}", Any)
        case _:
            return None


def _given_on(node: Node) -> Iterable[Node]:
    """Give the children that are given the input of ``node``."""
    match node:
        case Given() | Fn() | Call() | Dynamic():
            return ()
        case Then():
            return _starts(node)
        case Par() | Race() | Choice():
            return children(node)
        case Dag(tasks, takes):
            given = zip(tasks, takes, strict=True)
            return [body for (_, body), what in given if what.takes_input() and what.form == "one"]
        case Recover(body, handler, keeps_input=True):
            return (body, handler)
        case Bracket(acquire, use):
            return (acquire, use) if passes_on(acquire) else (acquire,)
        case _:
            return children(node)[:1]


def _within(node: Node, child: Node, place: _Place) -> _Place:
    if isinstance(node, Each):
        return replace(place, lists=place.lists + 1)
    if isinstance(node, Recover) and child is node.handler:
        return replace(place, optional=True)
    return place


def _starts(node: Node) -> Iterator[Node]:
    """Give the first of a sequence, and the ones after it for as long as the input is passed on."""
    rest = [node]
    while rest:
        node = rest.pop()
        while isinstance(node, Then):
            rest.append(node.second)
            node = node.first
        yield node
        if not passes_on(node):
            return


def _listed(declared: Any, depth: int) -> Any:
    for _ in range(depth):
        declared = list[declared]
    return declared


def _any_of(cases: list[Taker]) -> Taker:
    types = tuple(case.type for case in cases)
    declared = Any if Any in types else Union[types]  # noqa: UP007
    name = " or ".join(dict.fromkeys(case.name for case in cases))
    return Taker(name, declared, all(case.optional for case in cases))


# -- the state --------------------------------------------------------------------------------------------------------


def state_type(root: Node) -> Any:
    """Give the type of state that the steps of ``root`` ask for; ``Any`` when none does.

    Of several classes it is the most derived one; raises :class:`mce.InvalidInput` when none of them is all of them.
    Steps under a ``focus`` ask for a part of the state, and for nothing of the whole.
    """
    wanted: list[tuple[str, Any]] = []  # every type once, with who asks for it first
    for node in _outside_focus(root):
        for declared in _asked_of_state(node):
            if not _asks_nothing(declared) and all(declared != other for _, other in wanted):
                wanted.append((_name_of(node), declared))
    for _, declared in wanted:
        if all(_suits(declared, other) for _, other in wanted):
            return declared
    if wanted:
        listed = ", ".join(f"{name!r} for {shown(declared)}" for name, declared in wanted)
        raise InvalidInput(f"the steps of this flow ask for states of which none is the other: {listed}")
    return Any


def _name_of(node: Node) -> str:
    return node.spec.name if isinstance(node, Call) else getattr(node, "name", "")


def _outside_focus(root: Node) -> Iterator[Node]:
    seen: set[int] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if id(node) not in seen and not isinstance(node, Focus):
            seen.add(id(node))
            yield node
            stack.extend(reversed(children(node)))


def _asked_of_state(node: Node) -> Iterator[Any]:
    """Give the states that a step's context, or the flow that it or a dynamic region says it becomes, asks for."""
    if isinstance(node, Call) and node.spec.takes_context:
        yield _argument(_parameter(node.fn), Context, 0)
    if isinstance(node, Call | Dynamic):
        given = _result(node.fn if isinstance(node, Call) else node.f)
        yield _argument(given, Flow, 3)
        yield _argument(_argument(given, Generator, 0), Op, 1)


def _argument(declared: Any, origin: type, at: int) -> Any:
    """Give the type argument of ``declared`` at position ``at``, if it is one of ``origin``; else ``Any``."""
    found = get_args(declared) if get_origin(declared) is origin else ()
    return found[at] if at < len(found) else Any


def _asks_nothing(declared: Any) -> bool:
    return _is_open(declared) or declared is type(None)


def _suits(declared: Any, other: Any) -> bool:
    if isinstance(declared, type) and isinstance(other, type) and not (get_args(declared) or get_args(other)):
        return issubclass(declared, other)
    return bool(declared == other)


# -- annotations ------------------------------------------------------------------------------------------------------


_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)


def _parameter(fn: Any, at: int = 0) -> Any:
    """Give the type that the parameter of ``fn`` at position ``at`` declares, ``Any`` if none that can be read."""
    fn = _function(fn)
    try:
        parameters = inspect.signature(fn).parameters.values()
        declared = [found.annotation for found in parameters if found.kind in _POSITIONAL][at]
    except (TypeError, ValueError, IndexError):
        return Any
    return _readable(_resolved(fn, declared))


def _result(fn: Any) -> Any:
    """Give the type that ``fn`` declares to return, ``Any`` if none that can be read."""
    fn = _function(fn)
    try:
        return _resolved(fn, inspect.signature(fn).return_annotation)
    except (TypeError, ValueError):
        return Any


def _resolved(fn: Any, declared: Any) -> Any:
    """Evaluate an annotation of ``fn`` where ``fn`` was written."""
    if declared is inspect.Signature.empty:
        return Any
    source = _function(fn.func) if isinstance(fn, functools.partial) else fn
    source = getattr(source, "__init__", None) if isinstance(source, type) else inspect.unwrap(source)
    source = getattr(source, "__func__", source)
    try:
        holder = SimpleNamespace(__annotations__={"it": declared})
        return get_type_hints(holder, getattr(source, "__globals__", {}), include_extras=True)["it"]
    except (NameError, TypeError, SyntaxError):
        return Any


def _function(fn: Any) -> Any:
    """Give what has the signature: what was wrapped, or the ``__call__`` of an object."""
    fn = getattr(fn, "__wrapped__", fn)
    if inspect.isroutine(fn) or isinstance(fn, type | functools.partial):
        return fn
    return fn.__call__


def _readable(declared: Any) -> Any:
    """Give a type of which JSON can make a value once: pydantic would read an iterable lazily."""
    origin = get_origin(declared) or declared
    if origin in (Iterable, Iterator):
        return list[get_args(declared) or (Any,)]  # type: ignore[misc]
    return Any if _is_open(declared) else declared


def _is_open(declared: Any) -> bool:
    """Whether a type says nothing of its values that could be checked."""
    origin = get_origin(declared) or declared
    return declared in (Any, object) or isinstance(declared, TypeVar) or getattr(origin, "_is_protocol", False)


def _name(f: Any) -> str:
    return getattr(f, "__name__", None) or type(f).__name__


def shown(declared: Any) -> str:
    """Write a type as a reader would: classes by their names, without what ``Annotated`` adds."""
    if get_origin(declared) is Annotated:
        declared = get_args(declared)[0]
    if isinstance(declared, type) and not get_args(declared):
        return declared.__qualname__
    return inspect.formatannotation(declared)
