"""Rewriting a flow by laws: the same outcome from fewer parts.

Children are rewritten before parents, a sequence as a whole, until nothing changes. A rewrite is made only where the
outcome is exactly the same for functions and steps that raise, too: result, state, calls of steps, and the paths of
those calls, which key events and stored runs. What is left out is said in ``docs/rewrites.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

from mce.graph.facts import Facts
from mce.graph.laws import Made, Workshop, rewritten_region
from mce.graph.places import Places
from mce.graph.sequences import rewritten_sequence
from mce.syntax import Given, Node, Then, children, with_children

__all__ = ["Optimised", "Rewrite", "optimise"]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One rewrite: ``law`` is the equation that justifies it, ``where`` the path of the place, the rest in words.

    ``moves`` are the paths that began otherwise before, ``(old, new)``; without ``keep_paths=False`` there are none.
    """

    law: str
    where: str
    before: str
    after: str
    moves: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        place = f" at {self.where}" if self.where else ""
        return f"{self.law}{place}: {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class Optimised:
    """The rewritten tree, and what was ``applied``, in order; ``where`` is in the tree as it was at that time."""

    node: Node
    applied: tuple[Rewrite, ...]


def optimise(root: Node, *, keep_paths: bool = True) -> Optimised:
    """Rewrite ``root`` by the laws until none applies; the node itself if none does.

    With ``keep_paths=False`` nested joins become one, too: steps in them have other paths then, which are told, and a
    run that was stored before cannot be resumed.

    The selector of a choice whose input is a constant is called once, and pure functions not at all.

    Laws (``tests/laws/test_optimise_laws.py``): equal result, state and calls of steps but those declared pure, which
    are equal too but where one call stands for several; idempotent.

    >>> from mce import lift, pure
    >>> found = optimise((pure(3).map(str).map(len) >> lift(abs)).node)
    >>> print(*found.applied, sep=chr(10))
    pure(a) >> m = m(a) at str: pure(3) >> str -> str(3)
    map(map(m, f), g) = map(m, lambda a: g(f(a))) at str: str >> len >> abs -> one function of 3
    """
    applied: list[Rewrite] = []
    facts = Facts()
    while True:
        found, made = _round(root, Workshop(facts, Places(root), keep_paths))
        if not made:
            return Optimised(root, tuple(applied))
        applied += made
        root = found


def _round(root: Node, shop: Workshop) -> tuple[Node, list[Rewrite]]:
    """Go through the tree once, children first, and of siblings the last first: it may go without renaming another."""
    nodes = _from_the_end(root)
    tops = _tops(nodes)
    new: dict[int, Node] = {}
    applied: list[Rewrite] = []
    for node in nodes:
        found, made = node, list[Made]()
        if not isinstance(node, Then | Given):
            found, made = rewritten_region(node, with_children(node, tuple(new[id(c)] for c in children(node))), shop)
        elif id(node) in tops:
            found, made = rewritten_sequence(node, new, shop)
        new[id(node)] = found
        applied += [Rewrite(m.law, shop.places.path(m.origin), m.before, m.after, m.moves) for m in made]
    return new[id(root)], applied


def _from_the_end(root: Node) -> list[Node]:
    """List every distinct node below ``root``, children before parents and later ones before earlier ones."""
    found: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            found.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((child, False) for child in children(node))
    return found


def _tops(nodes: list[Node]) -> set[int]:
    """Find the sequences that are not a part of one; the root is the last of ``nodes``."""
    found = {id(nodes[-1])}
    for node in nodes:
        if not isinstance(node, Then | Given):
            found.update(id(child) for child in children(node))
    return found
