"""Pictures as SVG, PNG and PDF: by the ``dot`` on the PATH, else by the Graphviz that comes with ``pygraphviz`` 2.

Graphviz runs in a process of its own, also the one in the wheel: it is C code that is given other people's text, and
what it says on stderr is not for the user.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from mce.errors import UsageError
from mce.graph.dot import to_dot
from mce.graph.ir import Graph
from mce.graph.view import View

__all__ = ["Format", "draw", "render"]

Format: TypeAlias = Literal["svg", "png", "pdf"]

_CARRIED = """
import sys, pygraphviz
picture = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode("utf-8"))
sys.stdout.buffer.write(picture.draw(format=sys.argv[1], prog="dot", args=" ".join(sys.argv[2:])))
"""
_SHARP = "-Gdpi=144"

_DARK = """<style>
@media (prefers-color-scheme: dark) {
svg.mce .graph > polygon { fill: #16191c }
svg.mce text { fill: #ececec }
svg.mce .cluster path { stroke: #7d868e }
svg.mce .cluster.odd path { fill: #1e2226 }
svg.mce .cluster.even path { fill: #16191c }
svg.mce .edge path { stroke: #c4cad0 }
svg.mce .edge polygon { stroke: #c4cad0; fill: #c4cad0 }
svg.mce .edge.order path, svg.mce .edge.order polygon { stroke: #8d959c }
svg.mce .edge.failure path, svg.mce .edge.failure polygon { stroke: #f08a4b; fill: none }
svg.mce .edge.failure text { fill: #f08a4b }
svg.mce :is(.fork, .join) :is(polygon, ellipse, path) { fill: #c4cad0; stroke: #c4cad0 }
svg.mce .step path { fill: #12324a; stroke: #56b4e9 }
svg.mce .plain :is(polygon, ellipse, path) { fill: #2b3035; stroke: #9aa3ab }
svg.mce .fail :is(polygon, path) { fill: #4a2512; stroke: #f08a4b }
svg.mce .state :is(polygon, path) { fill: #0f3a2e; stroke: #2fc39a }
svg.mce .opaque :is(polygon, path) { fill: #3d3410; stroke: #f0e442 }
svg.mce .wait :is(polygon, path) { fill: #43263a; stroke: #e3a1c4 }
svg.mce .folded :is(polygon, path) { fill: #16191c; stroke: #c4cad0 }
svg.mce .node polygon[fill="none"] { fill: none; stroke: #8d959c }
}
</style>"""


def render(graph: Graph | View, path: str | os.PathLike[str]) -> None:
    """Draw a graph into the file ``path``, whose ending says as what: ``.svg``, ``.png`` or ``.pdf``.

    A graph is folded to about 60 nodes; draw what :func:`mce.graph.fold` gives for more or less. Raises
    :class:`mce.UsageError` for another ending, or when there is no Graphviz, and ``OSError`` of the file.
    """
    ending = Path(path).suffix.lower().removeprefix(".")
    for known in get_args(Format):
        if ending == known:
            Path(path).write_bytes(draw(graph, known))
            return
    raise UsageError(f"a picture cannot be drawn as {str(path)!r}: its name must end in .svg, .png or .pdf")


def draw(graph: Graph | View, form: Format) -> bytes:
    """Draw a graph as ``svg``, ``png`` or ``pdf`` and give the file's content; raises as :func:`render` does."""
    done = subprocess.run(_command(form), input=to_dot(graph).encode(), capture_output=True, check=False)
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise UsageError(f"Graphviz could not draw the graph: {said[-1] if said else f'status {done.returncode}'}")
    return _styled(done.stdout) if form == "svg" else done.stdout


def _command(form: Format) -> list[str]:
    """Give the command that makes a picture of DOT on stdin."""
    options = [_SHARP] if form == "png" else []
    if (dot := shutil.which("dot")) is not None:
        return [dot, f"-T{form}", *options]
    if importlib.util.find_spec("pygraphviz") is not None:
        return [sys.executable, "-P", "-c", _CARRIED, form, *options]
    raise UsageError("there is no Graphviz to draw with: pip install 'mce-agents[render]'")


def _styled(svg: bytes) -> bytes:
    """Put the colours for the dark into an SVG, and the class that they are for."""
    head, tag, rest = svg.partition(b"<svg ")
    opening, end, body = rest.partition(b">")
    return head + tag + b'class="mce" ' + opening + end + b"\n" + _DARK.encode() + body
