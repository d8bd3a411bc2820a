"""A graph as a Mermaid flowchart: open regions are subgraphs, shapes say what a node is, all text is escaped."""

from __future__ import annotations

from mce.graph.ir import EdgeKind, Graph
from mce.graph.view import Item, View, fold

__all__ = ["to_mermaid"]

_SHAPES = {
    "step": ("(", ")"),
    "value": ("([", "])"),
    "fail": ("{{", "}}"),
    "state": ("[(", ")]"),
    "dynamic": ("(", ")"),
    "block": ("(", ")"),
    "suspend": ("{{", "}}"),
}
_ARROWS: dict[EdgeKind, str] = {"data": "-->", "order": "-->", "failure": "-.->", "choice": "-->", "loop": "==>"}
_CLASSES = """classDef step fill:#E3F0FA,stroke:#0072B2,color:#1A1A1A
classDef fail fill:#FBE6DB,stroke:#B84E00,color:#1A1A1A
classDef state fill:#DDF2EA,stroke:#00795A,color:#1A1A1A
classDef opaque fill:#FFF6D9,stroke:#7A5E00,color:#1A1A1A,stroke-dasharray:2 3
classDef suspend fill:#F7E6F0,stroke:#A0457A,color:#1A1A1A"""


def to_mermaid(graph: Graph | View) -> str:
    """Write a graph, folded to about 60 nodes, or what :func:`mce.graph.fold` chose of it, as a Mermaid flowchart.

    >>> from mce import lift, pure
    >>> print(to_mermaid((pure(1) >> lift(str)).graph()).split("classDef")[0].rstrip())
    flowchart TD
    n0(["= 1"])
    n1["str"]
    n0 --> n1
    """
    view = graph if isinstance(graph, View) else fold(graph)
    names = {item.id: f"n{at}" for at, item in enumerate(view.items)}
    lines = ["flowchart TD", *_items(view, names)]
    for line in view.lines:
        label = f'|"{_escaped(line.label)}"|' if line.label else ""
        lines.append(f"{names[line.source]} {_ARROWS[line.kind]}{label} {names[line.target]}")
    return "\n".join([*lines, _CLASSES, ""])


def _items(view: View, names: dict[str, str]) -> list[str]:
    """Write what is shown, boxes as nested subgraphs, without recursion."""
    found: list[str] = []
    stack: list[Item | None] = list(reversed(view.children.get(None, ())))
    while stack:
        item = stack.pop()
        if item is None:
            found.append("end")
            continue
        if item.kind == "box":
            found.append(f'subgraph {names[item.id]}["{_escaped(" · ".join((item.title, *item.badges)))}"]')
            stack.append(None)
        elif item.kind != "part":
            found.append(_node(item, names[item.id]))
            continue
        stack += reversed(view.children.get(item.id, ()))
    return found


def _node(item: Item, name: str) -> str:
    if item.kind in ("fork", "join"):
        is_choice = item.kind == "fork" and item.node.kind == "choice"
        return f'{name}{{"?"}}' if is_choice else f'{name}((" "))'
    inside = f"{item.hidden:,} inside" if item.kind == "folded" else ""
    label = "<br/>".join(_escaped(text) for text in (item.title, item.note, inside, *item.badges) if text)
    if item.kind == "folded":
        return f'{name}[["{label}"]]'
    kind = "rest" if item.kind == "rest" else item.node.kind
    opening, closing = _SHAPES.get(kind, ("[", "]"))
    style = "opaque" if item.node.is_opaque else kind if kind in ("step", "fail", "state", "suspend") else ""
    return f'{name}{opening}"{label}"{closing}' + (f":::{style}" if style else "")


def _escaped(text: str) -> str:
    """Write all that Mermaid, its Markdown or HTML could read as more than a character as a numbered entity."""
    return "".join(c if c.isalnum() or c in " .,:()=+-·…'/?!" else f"#{ord(c)};" for c in text) or " "
