"""Checks of what can be reached: cases that are never chosen or missing, handlers and steps that never run."""

from __future__ import annotations

import dis
import types
from collections.abc import Iterator
from enum import Enum, Flag
from typing import Any, Literal, Union, get_args, get_origin

from mce.combinators.selective import _Truth
from mce.errors import brief
from mce.graph.annotations import returned_by
from mce.graph.failures import expected_failures
from mce.graph.finding import Finding, Subject
from mce.graph.ir import GraphNode
from mce.names import case_name
from mce.syntax import Choice

__all__ = ["check_cases", "check_handlers"]


def check_cases(subject: Subject) -> Iterator[Finding]:
    """MCE108: a case is never chosen, or one is missing, as far as the selector says what it can give."""
    for node in subject.nodes:
        origin = subject.origin(node)
        if isinstance(origin, Choice) and node.kind == "choice":
            keys = _selected(origin.selector)
            if keys is None:
                continue
            yield from _missing(node, origin, keys)
            if any(key in keys for key, _ in origin.cases) or origin.default is not None:
                yield from _unreachable(node, origin, keys)


def _selected(selector: Any) -> list[Any] | None:
    """List all that a selector can give, by its code or its annotation; ``None`` when that is not known."""
    is_truth = isinstance(selector, _Truth)
    f = selector.f if is_truth else selector
    found = _constant(f)
    if found is None:
        found = _listed(returned_by(f))
    if found is None:
        return None
    return list(dict.fromkeys(map(bool, found))) if is_truth else found


def _constant(f: Any) -> list[Any] | None:
    """Give the one value of a function that does nothing but return a constant."""
    if not isinstance(f, types.FunctionType):
        return None
    code = [found for found in dis.get_instructions(f) if found.opname not in ("RESUME", "NOP", "CACHE")]
    match [(found.opname, found.argval) for found in code]:
        case [("LOAD_CONST", value), ("RETURN_VALUE", _)] | [("RETURN_CONST", value)]:
            return [value]
        case _:
            return None


def _listed(declared: Any) -> list[Any] | None:
    """List the values of a type that has finitely many: an enumeration, literals, ``bool``, ``None``."""
    if get_origin(declared) is Literal:
        return list(get_args(declared))
    if get_origin(declared) in (Union, types.UnionType):
        parts = [_listed(part) for part in get_args(declared)]
        return None if None in parts else [value for part in parts if part is not None for value in part]
    if isinstance(declared, type) and issubclass(declared, Enum) and not issubclass(declared, Flag):
        return list(declared)
    if declared in (bool, None, type(None)):
        return [True, False] if declared is bool else [None]
    return None


def _unreachable(node: GraphNode, choice: Choice, selected: list[Any]) -> Iterator[Finding]:
    known: list[Any] = []
    for key, _ in choice.cases:
        if key in known or key not in selected:
            why = "an earlier case has the same key" if key in known else _never(selected)
            yield Finding(
                "MCE108",
                "warning",
                f"{node.id}[{case_name(key)}]",
                f"the case {brief(key, 60)} of {node.label} is never chosen: {why}",
                "leave the case out, or correct the selector",
            )
        known.append(key)


def _never(selected: list[Any]) -> str:
    shown = ", ".join(brief(key, 40) for key in selected[:8])
    return f"its selector gives only {shown}{', ...' if len(selected) > 8 else ''}"


def _missing(node: GraphNode, choice: Choice, selected: list[Any]) -> Iterator[Finding]:
    if choice.default is not None:
        return
    keys = [key for key, _ in choice.cases]
    missing = [key for key in selected if key not in keys]
    if missing:
        listed = ", ".join(brief(key, 40) for key in missing[:8])
        yield Finding(
            "MCE108",
            "error" if len(missing) == len(selected) else "warning",
            node.id,
            f"{node.label} has no case for {listed}, which its selector can give, and no default",
            "add the case, or say default=",
        )


# -- handlers ---------------------------------------------------------------------------------------------------------


def check_handlers(subject: Subject) -> Iterator[Finding]:
    """MCE113: a handler of expected failures stands around what has none, so it never runs."""
    failures = expected_failures(subject.lowered)
    for node in subject.nodes:
        if node.kind != "recover" or node.on is not None:
            continue
        body = [part for part in subject.held_by(node) if part.slot == "body"]
        if body and not any(failures[part.id] for part in body):
            yield Finding(
                "MCE113",
                "warning",
                node.id,
                "nothing in the body declares a failure, so the handler never runs: exceptions nobody declared "
                "are defects, which pass it by",
                "declare what is raised, @step(raises=...), return a Result, or catch by class: recover(..., on=X)",
            )
