"""A graph as an indented tree in words, for terminals: one line a node, what a region holds below it."""

from __future__ import annotations

from mce.graph.ir import Graph
from mce.graph.view import Item, View, fold

__all__ = ["to_text"]

_DEEPEST = 40
"""How many levels are indented: beyond that the tree would be mostly blanks."""


def to_text(graph: Graph | View) -> str:
    """Write a graph, folded to about 60 nodes, or what :func:`mce.graph.fold` chose of it, as a tree in words.

    >>> from mce import gather, pure
    >>> print(to_text(gather(pure(1), pure(2)).named("both").graph()), end="")
    both: all of
      = 1
      = 2
    """
    view = graph if isinstance(graph, View) else fold(graph)
    found: list[str] = [view.graph.name] if view.graph.name else []
    start = 1 if found else 0
    stack = [(item, start) for item in reversed(view.children.get(None, ()))]
    while stack:
        item, level = stack.pop()
        if item.kind in ("fork", "join"):
            continue
        if text := _line(item):
            found.append("  " * min(level, _DEEPEST) + text)
        inside = level + 1 if text else level
        stack += [(held, inside) for held in reversed(view.children.get(item.id, ()))]
    return "".join(f"{line}\n" for line in found)


def _line(item: Item) -> str:
    """Write one item: the part it plays, its title, what is to be known of it, and its badges."""
    name = item.title
    if item.part and item.part != name:
        name = f"{item.part}: {name}" if name else f"{item.part}:"
    elif not name and item.kind == "part":
        name = "in turn:"
    more = [item.note, *item.badges, f"{item.hidden:,} inside" if item.kind == "folded" else ""]
    shown = ", ".join(part for part in more if part)
    return f"{name} [{shown}]".lstrip() if shown else name
