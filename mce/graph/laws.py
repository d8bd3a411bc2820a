"""The laws by which regions are rewritten: joins, choices, and what is around something that cannot fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from mce.combinators.monad import fail
from mce.errors import brief
from mce.graph.facts import Facts, Fails, is_plain, is_shareable
from mce.graph.functions import Composed, Dealt, Elementwise, Run, function_name
from mce.graph.places import Places, label_of
from mce.syntax import (
    Arguments,
    Call,
    Choice,
    Dynamic,
    Each,
    Fail,
    Fn,
    Given,
    Join,
    Label,
    Node,
    Par,
    Pure,
    Recover,
    Retry,
    Then,
)

__all__ = ["Made", "Workshop", "decided", "rewritten_region", "said"]


class Made(NamedTuple):
    """A rewrite that was made; ``origin`` is the node whose place it was made at."""

    law: str
    origin: Node
    before: str
    after: str
    moves: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Workshop:
    """What rewrites ask: facts of the nodes, places in the tree as it was before this round, and what is wanted."""

    facts: Facts
    places: Places
    keep_paths: bool


def said(node: Node) -> str:
    """Say what ``node`` is, in a word or two."""
    match node:
        case Pure(value):
            return f"pure({brief(value, 40)})"
        case Fail(error):
            return f"fail({brief(error, 40)})"
        case Given(value, body):
            return f"{said(body)}({brief(value, 40)})" if not isinstance(body, Given | Then) else "a supplied input"
        case Fn(Composed(functions)):
            return " >> ".join(function_name(f) for f in functions[:_SAID]) + (" >> ..." if functions[_SAID:] else "")
        case Then():
            return "a sequence"
        case _:
            return label_of(node) or type(node).__name__.lower()


_SAID = 4


def rewritten_region(origin: Node, node: Node, shop: Workshop) -> tuple[Node, list[Made]]:
    """Rewrite ``node``, which is ``origin`` with its children rewritten, by the first law that applies."""
    for law in _LAWS.get(type(node), ()):
        if (made := law(origin, node, shop)) is not None:
            found, rewrite = made
            return found, [rewrite]
    return node, []


# -- joins ------------------------------------------------------------------------------------------------------------


def _is_fail_fast(join: Join) -> bool:
    return join.mode == "fail_fast" and join.merge is None and not join.completed


def _each_of_function(origin: Node, node: Any, shop: Workshop) -> tuple[Node, Made] | None:
    """``each(lift(f)) = lift(map f)``: the same calls in the same order, and the same first failure."""
    if not isinstance(node.body, Fn) or not _is_fail_fast(node.join) or not shop.places.take_out(origin):
        return None
    found = Fn(Elementwise(node.body.f, node.name))
    return found, Made("each(lift(f)) = lift(map f)", origin, said(node), f"one function, {said(node.body)} of each")


def _shared(origin: Node, node: Any, shop: Workshop) -> tuple[Node, Made] | None:
    """Call a pure step once for all branches that are equal; their places are kept, so that no path changes."""
    if node.join.mode not in ("fail_fast", "settle") or node.join.completed:
        return None
    first: dict[Any, int] = {}
    places = tuple([at if key is None else first.setdefault(key, at) for at, key in enumerate(map(_key, node.parts))])
    again = [at for at, place in enumerate(places) if place != at]
    if not again or shop.places.is_ambiguous:
        return None
    parts = tuple(
        [part if place == at else Pure(None) for (at, part), place in zip(enumerate(node.parts), places, strict=True)]
    )
    law = "gather(m, m) = gather(m).map(twice) for pure m"
    before, after = f"{node.name} of {len(parts)}, {len(again)} of them again", "each called once"
    return Then(replace(node, parts=parts), Fn(Dealt(places))), Made(law, origin, before, after)


_LONGEST = 16


def _key(part: Node) -> Any:
    """Give a key that is equal for branches that do the same pure work; ``None`` where that is not known."""
    keys: list[Any] = []
    stack = [part]
    steps = 0
    while stack:
        node = stack.pop()
        match node:
            case Then(first, second):
                stack += [second, first]
            case Label(body):
                stack.append(body)
            case Given(value, body) if (given := _constant(value)) is not None:
                keys.append(given)
                stack.append(body)
            case Fn(f):
                keys.append(("function", id(f)))
            case Call(fn, spec) if is_shareable(node):
                steps += 1
                keys.append(("step", id(fn), id(spec)))
            case _:
                return None
        if len(keys) + len(stack) > _LONGEST:
            return None
    return tuple(keys) if steps else None


def _constant(value: Any) -> Any:
    """Give a key of a constant: equal for equal ones of one type, which ``1`` and ``True`` are not."""
    if isinstance(value, Arguments):
        parts = (*value.args, *value.kwargs.values())
        return ("arguments", repr(value.args), repr(sorted(value.kwargs.items()))) if is_plain(parts) else None
    return ("given", repr(value)) if is_plain(value) else None


def _nested(origin: Node, node: Any, shop: Workshop) -> tuple[Node, Made] | None:
    """One join for a join in a join, where the inner one's states cannot conflict; the steps in it have other paths."""
    if shop.keep_paths or not _is_fail_fast(node.join) or shop.places.is_ambiguous:
        return None
    inner = [_opened(part, shop) for part in node.parts]
    if not any(inner):
        return None
    parts: list[Node] = []
    places: list[int | Run] = []
    moves: list[tuple[str, str]] = []
    here = shop.places.path(origin)
    for at, (part, found) in enumerate(zip(node.parts, inner, strict=True)):
        place = len(parts)
        if found is None:
            parts.append(part)
            places.append(place)
            moves += [(f"{here}[{at}]", f"{here}[{place}]")] if place != at else []
        else:
            join, deal = found
            parts += join.parts
            places.append(Run(place, len(parts), deal))
            moves += [(f"{here}[{at}]/{join.name}[{n}]", f"{here}[{place + n}]") for n in range(len(join.parts))]
    after = f"one {node.name} of {len(parts)}, dealt out again"
    made = Made("gather is associative up to nesting of tuples", origin, f"nested {node.name}", after, tuple(moves))
    return Then(replace(node, parts=tuple(parts)), Fn(Dealt(tuple(places)))), made


_DEEPEST = 50


def _opened(part: Node, shop: Workshop) -> tuple[Par, Dealt | None] | None:
    """Give the join that a branch is, and how its values are dealt out, if it ends as its branches would without it.

    Several of them that write could conflict before the branches beside this one have ended.
    """
    deal: Dealt | None = None
    match part:
        case Then(first, Fn(Dealt() as found)):
            part, deal = first, found
        case _:
            pass
    if not isinstance(part, Par) or not _is_fail_fast(part.join) or (deal is not None and deal.depth > _DEEPEST):
        return None
    return (part, deal) if sum(shop.facts.of(each).writes for each in part.parts) <= 1 else None


# -- choices ----------------------------------------------------------------------------------------------------------


def _first_of_equal_cases(origin: Node, node: Any, shop: Workshop) -> tuple[Node, Made] | None:
    """Drop a case after one with an equal key, which is never reached."""
    try:
        cases = dict(reversed([(key, (key, body)) for key, body in node.cases]))
    except TypeError:  # keys that cannot be hashed are compared when the choice is made
        return None
    if len(cases) == len(node.cases):
        return None
    kept = tuple(reversed(cases.values()))
    law = "the first case whose key is equal is taken"
    return replace(node, cases=kept), Made(law, origin, f"{len(node.cases)} cases of {node.name}", f"{len(kept)}")


_NOTHING: Any = object()


def decided(value: Any, node: Choice) -> Choice | None:
    """Give the choice with only the case that it takes for the constant ``value``; ``None`` if nothing is to be gained.

    The case keeps its name, and so its paths.
    """
    if len(node.cases) + (node.default is not None) < 2 or not is_plain(value):
        return None
    try:
        key = node.selector(value)
        taken = next((case for case in node.cases if case[0] is key or case[0] == key), None)
    except Exception:  # it will be a defect when the flow runs, at its place
        return None
    if taken is not None:
        return replace(node, cases=(taken,), default=None)
    return None if node.default is None else replace(node, cases=())


# -- around what cannot fail ------------------------------------------------------------------------------------------


def _needless_recover(origin: Node, node: Any, shop: Workshop) -> tuple[Node, Made] | None:
    """Take away a handler for failures that do not happen, or one that fails with the same error."""
    fails, body, handler = shop.facts.of(node.body).fails, said(node.body), node.handler
    if fails is Fails.NEVER or (fails is Fails.DEFECT and node.on is None):
        law, before = "pure(a).recover(h) = pure(a)", f"recover around {body}, of which it catches nothing"
    elif node.on is None and not node.keeps_input and isinstance(handler, Dynamic) and handler.f is fail:
        law, before = "m.recover(fail) = m", f"{body}.recover(fail)"
    else:
        return None
    return (node.body, Made(law, origin, before, body)) if shop.places.take_out(origin) else None


def _needless_retry(origin: Node, node: Any, shop: Workshop) -> tuple[Node, Made] | None:
    """Take away a retry of what never fails."""
    if shop.facts.of(node.body).fails is not Fails.NEVER or not shop.places.take_out(origin):
        return None
    return node.body, Made("pure(a).retry(s) = pure(a)", origin, f"retry of {said(node.body)}", said(node.body))


_Law = Callable[[Node, Any, Workshop], "tuple[Node, Made] | None"]

_LAWS: dict[type[Any], tuple[_Law, ...]] = {
    Each: (_each_of_function,),
    Par: (_shared, _nested),
    Choice: (_first_of_equal_cases,),
    Recover: (_needless_recover,),
    Retry: (_needless_retry,),
}
