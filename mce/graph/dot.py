"""A graph in the language of Graphviz.

What a thing is shows in its shape and its lines as well as in its colour, so that it can be told in print and by
readers who do not see all colours (the hues are those of Okabe and Ito). Every label is an HTML label with the text in
it escaped: in the others Graphviz expands backslashes and entities.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, NamedTuple

from mce.graph.ir import EdgeKind, Graph
from mce.graph.titles import cut
from mce.graph.view import Item, Line, View, fold

if TYPE_CHECKING:
    from graphviz import Digraph  # type: ignore[import-untyped]

__all__ = ["FAILURE", "LOOKS", "Look", "look_of", "to_dot"]

FAILURE = "#B84E00"
_INK, _FAINT = "#3A3A3A", "#8A8A8A"
_FONT = "Helvetica,Arial,sans-serif"


class Look(NamedTuple):
    """How a node of a picture is drawn; ``name`` is its class in an SVG."""

    name: str
    shape: str
    style: str
    fill: str
    line: str
    width: float = 1.0
    rims: int = 1


_STEP = Look("step", "box", "rounded,filled", "#E3F0FA", "#0072B2", 1.4)
_PLAIN = Look("plain", "box", "filled", "#F2F2F2", "#767676")
_VALUE = Look("plain", "oval", "filled", "#F2F2F2", "#767676")
_FAIL = Look("fail", "octagon", "filled", "#FBE6DB", FAILURE, 1.4)
_STATE = Look("state", "cylinder", "filled", "#DDF2EA", "#00795A", 1.2)
_OPAQUE = Look("opaque", "box", "rounded,filled,dotted", "#FFF6D9", "#7A5E00", 2.0)
_WAIT = Look("wait", "hexagon", "filled", "#F7E6F0", "#A0457A", 1.4)
_FOLDED = Look("folded", "box", "filled", "#FFFFFF", "#4D4D4D", 1.0, 2)
_REST = Look("rest", "plaintext", "", "#FFFFFF", "#4D4D4D")

LOOKS = {
    "step": _STEP,
    "value": _VALUE,
    "fail": _FAIL,
    "state": _STATE,
    "dynamic": _OPAQUE,
    "block": _OPAQUE,
    "suspend": _WAIT,
}
"""How the kinds of nodes are drawn that are not plain."""

_LINES: dict[EdgeKind, dict[str, str]] = {
    "data": {},
    "order": {"color": _FAINT, "arrowhead": "vee"},
    "failure": {"style": "dashed", "color": FAILURE, "fontcolor": FAILURE, "penwidth": "1.4", "arrowhead": "empty"},
    "choice": {},
    "loop": {"style": "bold", "arrowhead": "normal", "constraint": "false"},
}


def look_of(item: Item) -> Look:
    """Give how an item is drawn that is neither a box nor a point."""
    if item.kind == "folded":
        return _FOLDED
    return _REST if item.kind == "rest" else LOOKS.get(item.node.kind, _PLAIN)


def to_dot(graph: Graph | View) -> str:
    """Write a graph, folded to about 60 nodes, or what :func:`mce.graph.fold` chose of it, as DOT.

    The ids of nodes and clusters are the paths in the flow, so that an SVG made of it has them too.

    >>> from mce import pure
    >>> to_dot(pure(1).graph(name="one")).splitlines()[0]
    'digraph one {'
    """
    from graphviz import Digraph

    view = graph if isinstance(graph, View) else fold(graph)
    dot = Digraph(view.graph.name or None)
    dot.attr("graph", compound="true", rankdir="TB", nodesep="0.3", ranksep="0.35", bgcolor="white", fontname=_FONT)
    dot.attr("node", fontname=_FONT, fontsize="12", fontcolor="#1A1A1A", margin="0.14,0.06", height="0.35")
    dot.attr("edge", fontname=_FONT, fontsize="10", color=_INK, fontcolor=_INK, arrowsize="0.7")
    if view.graph.name:
        dot.attr(label=_html(_text(cut(view.graph.name), bold=True)), labelloc="t", fontsize="14")
    names = {item.id: f"n{at}" for at, item in enumerate(view.items)}
    _write_items(dot, view, names)
    for line in view.lines:
        _write_line(dot, line, names)
    return str(dot.source)


def _write_items(dot: Digraph, view: View, names: dict[str, str]) -> None:
    """Write what is shown, boxes as nested clusters, without recursion."""
    stack: list[Item | int] = list(reversed(view.children.get(None, ())))
    depth = 0
    while stack:
        item = stack.pop()
        if isinstance(item, int):
            depth -= 1
            dot.body.append("}\n")
            continue
        if item.kind == "box":
            depth += 1
            _open_cluster(dot, item, names[item.id], depth)
            stack.append(depth)
        elif item.kind != "part":
            _write_node(dot, item, names[item.id])
            continue
        stack += reversed(view.children.get(item.id, ()))


def _open_cluster(dot: Digraph, item: Item, name: str, depth: int) -> None:
    dot.body.append(f'subgraph "cluster_{name}" {{\n')
    shade = "odd" if depth % 2 else "even"
    title = " · ".join(part for part in (item.title, *item.badges) if part)
    label = {"label": _html(_text(title, size=11))} if title else {"label": ""}
    dot.attr(
        **label,
        **{"class": shade, "style": "rounded,filled", "fillcolor": "#F7F7F7" if depth % 2 else "#FFFFFF"},
        id=_escaped(item.id),
        tooltip=_escaped(item.id),
        labeljust="l",
        color=_FAINT,
        fontcolor=_INK,
        margin="10",
    )


def _write_node(dot: Digraph, item: Item, name: str) -> None:
    common = {"id": _escaped(item.id), "tooltip": _tooltip(item)}
    if item.kind in ("fork", "join"):
        is_choice = item.kind == "fork" and item.node.kind == "choice"
        size = (
            {"shape": "diamond", "width": "0.26", "height": "0.26"}
            if is_choice
            else {"shape": "point", "width": "0.08"}
        )
        dot.node(name, label="", style="filled", fillcolor=_INK, color=_INK, **size, **common, **{"class": item.kind})
        return
    look = look_of(item)
    dot.node(
        name,
        label=_html(_label(item)),
        shape=look.shape,
        style=look.style,
        fillcolor=look.fill,
        color=look.line,
        penwidth=f"{look.width:g}",
        peripheries=f"{look.rims}" if look.shape != "plaintext" else "0",
        **common,
        **{"class": look.name},
    )


def _write_line(dot: Digraph, line: Line, names: dict[str, str]) -> None:
    wanted = dict(_LINES[line.kind])
    if line.label:
        wanted["label"] = _html(f" {_text(line.label)} ")
    if line.leaves is not None:
        wanted["ltail"] = f"cluster_{names[line.leaves]}"
    if line.enters is not None:
        wanted["lhead"] = f"cluster_{names[line.enters]}"
    dot.edge(names[line.source], names[line.target], **wanted, **{"class": line.kind})


def _label(item: Item) -> str:
    """Write the title of a node, under it what is to be known, and its badges."""
    rows = [_text(item.title)]
    rows += [_text(item.note, size=10)] if item.note else []
    rows += [_text(f"{item.hidden:,} inside", size=10)] if item.kind == "folded" else []
    cells = [f"<TR><TD>{row}</TD></TR>" for row in rows]
    cells += [
        f'<TR><TD BORDER="1" COLOR="{_FAINT}" CELLPADDING="2">{_text(badge, size=9)}</TD></TR>' for badge in item.badges
    ]
    if len(cells) == 1:
        return rows[0]
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="1" CELLPADDING="0">{"".join(cells)}</TABLE>'


def _text(text: str, *, size: int = 0, bold: bool = False) -> str:
    found = html.escape(text) or " "
    found = f"<B>{found}</B>" if bold else found
    return f'<FONT POINT-SIZE="{size}">{found}</FONT>' if size else found


def _html(text: str) -> str:
    return f"<{text}>"


def _tooltip(item: Item) -> str:
    effects = item.node.effects
    lines = [item.id, *([effects.doc] if effects is not None and effects.doc else [])]
    return _escaped(": ".join(lines))


def _escaped(text: str) -> str:
    from graphviz import escape

    return str(escape(cut(text, 400)))
