"""The laws by which sequences are rewritten: each is taken apart into a list, worked over once, and put together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import groupby
from typing import Any, NamedTuple

from mce.combinators.monad import pure
from mce.errors import brief
from mce.graph.functions import Composed
from mce.graph.laws import Made, Workshop, decided, said
from mce.syntax import Arguments, Choice, Dynamic, Fail, Fn, Given, Node, Pure, Then, same

__all__ = ["rewritten_sequence"]


class _Item(NamedTuple):
    """One node of a sequence, the node of the tree before that it comes from, and whether it is that one still."""

    node: Node
    origin: Node
    intact: bool = False


def rewritten_sequence(root: Node, new: dict[int, Node], shop: Workshop) -> tuple[Node, list[Made]]:
    """Rewrite a sequence whose parts other than ``Then`` and ``Given`` have become those in ``new``."""
    made: list[Made] = []
    items = list(_flattened(root, new, made))
    worked = _fused(_Work(shop, made).through(items), made)
    if not made and all(item.intact for item in items):
        return root, []
    return reduce(Then, [item.node for item in worked]), made


def _flattened(root: Node, new: dict[int, Node], made: list[Made]) -> Iterator[_Item]:
    """List the parts in order; an input that is supplied to several goes to the first of them."""
    stack: list[tuple[Node, Node | None, Given | None]] = [(root, None, None)]
    nested = False
    while stack:
        node, origin, given = stack.pop()
        match node:
            case Then(first, second):
                nested = nested or (origin is None and isinstance(second, Then))
                if given is not None and given.body is node:
                    made.append(Made("(m >> n)(a) = m(a) >> n", root, "an input for a sequence", "one for its first"))
                stack += [(second, origin, None), (first, origin, given)]
            case Given(value, body) if not isinstance(value, Arguments):
                if given is not None:
                    made.append(Made("m(a)(b) = m(a)", root, "an input supplied twice", "once"))
                stack.append((body, origin, node))
            case _:
                found = new[id(node)] if origin is None and not isinstance(node, Given) else node
                if found is not node and isinstance(found, Then | Given):
                    stack.append((found, node, given))
                else:
                    yield _supplied(given, found, origin or node)
    if nested:
        made.append(Made("m >> (n >> k) = (m >> n) >> k", root, "nested sequences", "one"))


def _supplied(given: Given | None, node: Node, origin: Node) -> _Item:
    if given is None:
        return _Item(node, origin, intact=node is origin)
    intact = given.body is node
    return _Item(given if intact else Given(given.value, node), origin, intact)


class _Work:
    """Goes through a sequence once; ``done`` is what has been gone through."""

    def __init__(self, shop: Workshop, made: list[Made]) -> None:
        self.shop = shop
        self.made = made
        self.done: list[_Item] = []

    def through(self, items: Sequence[_Item]) -> list[_Item]:
        for at, item in enumerate(items):
            if self.done and isinstance(self.done[-1].node, Fail) and self._is_dead(items[at:]):
                break
            self.done.append(self._joined(item, alone=len(items) == 1))
            if self._is_unit(self.done[-1].node) and len(items) > 1:
                self._drop_unit(is_first=len(self.done) == 1, is_last=at + 1 == len(items))
        return self.done

    def _note(self, law: str, item: _Item, before: str, after: str) -> None:
        self.made.append(Made(law, item.origin, before, after))

    def _is_dead(self, rest: Sequence[_Item]) -> bool:
        """Whether what follows a failure goes: it never runs."""
        if not self.shop.places.may_go([item.origin for item in rest]):
            return False
        law, error = "fail(e) >> m = fail(e)", said(self.done[-1].node)
        self._note(law, rest[0], f"{error} >> {said(rest[0].node)}, which never runs", error)
        return True

    def _joined(self, item: _Item, *, alone: bool) -> _Item:
        """Give ``item`` with what stands before it, if that is a value, taken into account."""
        item = self._without_input(item)
        if self.done and isinstance(value := self.done[-1].node, Pure):
            item = self._after_value(value, item)
        match item.node:
            case Given(value, Fn(f)) if f is same:
                self._note("identity()(a) = pure(a)", item, said(item.node), said(Pure(value)))
                return _Item(Pure(value), item.origin)
            case Given(value, Choice() as choice) if (found := decided(value, choice)) is not None:
                return self._decided(item, value, choice, found)
            case _:
                return item

    def _without_input(self, item: _Item) -> _Item:
        """Take away an input that is not taken."""
        if isinstance(item.node, Given) and self.shop.facts.of(item.node.body).closed:
            body = item.node.body
            self._note("m(a) = m, where m takes no input", item, said(item.node), said(body))
            return _Item(body, item.origin)
        return item

    def _after_value(self, value: Pure, item: _Item) -> _Item:
        """Give the value before to ``item`` as its input, or drop it."""
        if self.shop.facts.of(item.node).closed:
            self.done.pop()
            law = "pure(a) >> m = m, where m takes no input"
            self._note(law, item, f"{said(value)} >> {said(item.node)}", said(item.node))
            return item
        if isinstance(value.value, Arguments):
            return item
        self.done.pop()
        given = Given(value.value, item.node)
        self._note("pure(a) >> m = m(a)", item, f"{said(value)} >> {said(item.node)}", said(given))
        return _Item(given, item.origin)

    def _decided(self, item: _Item, value: Any, choice: Choice, found: Choice) -> _Item:
        """Leave only the case that is taken."""
        name = brief(found.cases[0][0], 40) if found.cases else "default"
        law = "switch(f, cases)(a) = switch(f, the case f(a) alone)(a)"
        self._note(law, item, f"{len(choice.cases)} cases of {said(item.node)}", f"only {name}")
        return _Item(Given(value, found), item.origin)

    def _is_unit(self, node: Node) -> bool:
        return (isinstance(node, Fn) and node.f is same) or (isinstance(node, Dynamic) and node.f is pure)

    def _drop_unit(self, *, is_first: bool, is_last: bool) -> None:
        """Drop the identity, which was gone through last, unless nothing else is there."""
        unit = self.done[-1]
        bound = isinstance(unit.node, Dynamic)
        if (is_first and (bound or is_last)) or not self._may_take_out(unit):
            return
        self.done.pop()
        if bound:
            self._note("m.bind(pure) = m", unit, f"{said(self.done[-1].node)}.bind(pure)", said(self.done[-1].node))
        elif is_first:
            self._note("identity() >> m = m", unit, "identity() >> m", "m")
        else:
            before = said(self.done[-1].node)
            self._note("m >> identity() = m", unit, f"{before} >> identity()", before)

    def _may_take_out(self, unit: _Item) -> bool:
        """Whether a unit may go; one that has just come to the place of something else, in the next round."""
        if isinstance(unit.node, Fn):
            return not self.shop.places.is_ambiguous
        return unit.node is unit.origin and self.shop.places.take_out(unit.origin)


def _fused(items: Sequence[_Item], made: list[Made]) -> list[_Item]:
    """Make one function of functions that come next to each other."""
    found: list[_Item] = []
    for is_function, group in groupby(items, lambda item: _function_of(item.node) is not None):
        run = list(group)
        while is_function and run:
            end = next((at for at, item in enumerate(run) if at and isinstance(item.node, Given)), len(run))
            found.append(_one_function(run[:end], made))
            run = run[end:]
        found += run
    return found


def _function_of(node: Node) -> Fn | None:
    match node:
        case Fn():
            return node
        case Given(_, Fn() as body):
            return body
        case _:
            return None


def _one_function(run: Sequence[_Item], made: list[Made]) -> _Item:
    first = run[0]
    if len(run) == 1:
        return first
    functions: list[Any] = []
    for item in run:
        one = _function_of(item.node)
        assert one is not None
        functions += one.f.functions if isinstance(one.f, Composed) else (one.f,)
    fused: Node = Fn(Composed(tuple(functions)))
    law = "map(map(m, f), g) = map(m, lambda a: g(f(a)))"
    made.append(Made(law, first.origin, said(fused), f"one function of {len(functions)}"))
    return _Item(Given(first.node.value, fused) if isinstance(first.node, Given) else fused, first.origin)
