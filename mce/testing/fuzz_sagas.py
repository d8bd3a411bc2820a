"""Which stages of sagas have no undo although something comes after them that can fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mce.combinators.saga import _Note
from mce.flow import Flow
from mce.syntax import Bracket, Call, Node, Then, postorder

__all__ = ["Stage", "stages_without_undo"]


@dataclass(frozen=True)
class Stage:
    """A step that is completed before the rest of a saga; ``first`` if nothing before it has an undo either."""

    call: Call
    first: bool


def stages_without_undo(flow: Flow[Any, Any, Any, Any]) -> list[Stage]:
    """List the steps that stand before the last stage of a saga and have no undo."""
    nodes = postorder(flow.node)
    sagas = {id(node): node for node in nodes if isinstance(node, Bracket) and _action(node) is not None}
    found: dict[int, Stage] = {}
    for saga in sagas.values():
        assert isinstance(saga.use, Then)
        for call in _before_the_last(saga.use.second):
            found[id(call)] = Stage(call, first=False)
    for node in nodes:
        if isinstance(node, Then) and id(node.second) in sagas and isinstance(node.first, Call):
            found.setdefault(id(node.first), Stage(node.first, first=True))
    return [stage for stage in found.values() if not stage.call.spec.internal]


def _action(node: Bracket) -> Node | None:
    """Give the stage that ``node`` undoes, if it is part of a saga."""
    use = node.use
    if not (isinstance(use, Then) and isinstance(use.first, Bracket)):
        return None
    note = use.first.release
    return use.first.use if isinstance(note, Call) and isinstance(note.fn, _Note) else None


def _before_the_last(rest: Node) -> Iterator[Call]:
    """Give the steps in line before the last one, or before what is a saga itself."""
    line: list[Node] = []
    stack = [rest]
    while stack:
        node = stack.pop()
        if isinstance(node, Then):
            stack += [node.second, node.first]
        else:
            line.append(node)
    return iter([node for node in line[:-1] if isinstance(node, Call)])
