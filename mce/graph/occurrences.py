"""A sequence of nodes as it is seen: flattened, functions fused as they run, and what combinators add passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mce.combinators.cache import Hit
from mce.graph.words import counted, given_text
from mce.names import Names
from mce.syntax import Bracket, Call, Fn, Given, Node, Recover, Then, same

__all__ = ["Item", "flattened", "is_silent"]


class Item(NamedTuple):
    """One node of a sequence, in the namespace it is named in; ``hidden`` ones only take their place in the names."""

    node: Any
    names: Names
    given: str | None = None
    elements: int | None = None
    hidden: bool = False
    fused: tuple[Callable[..., Any], ...] = ()


def flattened(node: Node, names: Names) -> Iterator[Item]:
    """List the nodes of a sequence in order, with functions that are fused in one, and what only takes a name."""
    stack: list[tuple[Any, str | None, int | None]] = [(node, None, None)]
    fused: list[Callable[..., Any]] = []
    waiting: Item | None = None
    while stack:
        node, given, elements = stack.pop()
        if isinstance(node, Fn) and waiting is not None and given is None:
            fused.append(node.f)
            continue
        if isinstance(node, Then):
            stack += [(node.second, None, None), (node.first, given, elements)]
            continue
        if isinstance(node, Given):
            stack.append((node.body, given_text(node.value), counted(node.value)))
            continue
        if waiting is not None:
            yield from _functions(waiting, fused)
            waiting, fused = None, []
        if isinstance(node, Fn):
            waiting, fused = Item(node, names, given), [node.f]
            continue
        if (body := _inside(node)) is not None:
            yield Item(node, names, hidden=True)
            stack.append((body, given, elements))
        else:
            yield Item(node, names, given, elements, hidden=isinstance(node, Call) and node.spec.internal)
    if waiting is not None:
        yield from _functions(waiting, fused)


def _functions(first: Item, fused: list[Callable[..., Any]]) -> Iterator[Item]:
    """Give what is seen of fused functions: not those that only pass their input on, unless there is nothing else."""
    seen = tuple(f for f in fused if f is not same) or tuple(fused[:1])
    yield first._replace(fused=seen)


def _inside(node: Node) -> Node | None:
    """Give the body where a combinator's own region is not to be seen: a cache's hit, a note at a saga's stage."""
    match node:
        case Recover(body, _, (found,)) if found is Hit:
            return body
        case Bracket(Fn(f), use, release) if f is same and is_silent(release):
            return use
        case _:
            return None


_LOOKED_AT = 16
"""In how many nodes what a combinator put somewhere for itself is looked for: it is never more."""


def is_silent(node: Node) -> bool:
    """Whether ``node`` is nothing but internal steps and identities, and so gives no event."""
    stack: list[Node] = [node]
    for _ in range(_LOOKED_AT):
        if not stack:
            return True
        match stack.pop():
            case Then(first, second):
                stack += [first, second]
            case Bracket(acquire, use, release):
                stack += [acquire, use, release]
            case Fn(f) if f is same:
                pass
            case Call(_, spec) if spec.internal:
                pass
            case _:
                return False
    return not stack
