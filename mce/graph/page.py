"""The page of a graph, and of a run over it: one HTML file that holds all it needs and asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from functools import lru_cache
from importlib.resources import files
from string import Template
from typing import Any

from mce.graph.ir import Graph
from mce.graph.trace import RunRecord
from mce.graph.wire import page_data

__all__ = ["live_page", "page"]

_SCRIPTS = ("model.js", "graph.js", "timeline.js", "details.js", "main.js")


def page(graph: Graph, *, record: RunRecord | None = None, title: str | None = None) -> str:
    """Give the HTML page of ``graph``, with the run ``record`` laid over it.

    The file works from anywhere: a policy in it allows no request, and no script but its own. What the flow's names,
    values and errors say is shown as text. ``title`` is the graph's name unless given.

    >>> from mce import pure
    >>> page(pure(1).graph(name="one")).splitlines()[8]
    '<title>one</title>'
    """
    return _filled(page_data(graph, record), title or graph.name or "flow", connect="'none'")


def live_page(graph: Graph, *, title: str | None = None) -> str:
    """Give the page of a run that goes on: it follows the ``events`` that are told beside it, and nothing else."""
    data = {**page_data(graph), "live": True}
    return _filled(data, title or graph.name or "flow", connect="'self'")


def _filled(data: dict[str, Any], title: str, *, connect: str) -> str:
    style = _asset("report.css")
    script = "\n".join(_asset(name) for name in _SCRIPTS)
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; img-src data:; "
        f"connect-src {connect}; base-uri 'none'; form-action 'none'"
    )
    parts = {"policy": policy, "title": html.escape(title), "style": style, "script": script, "data": _embedded(data)}
    text = Template(_asset("report.html")).substitute(parts)
    return text.encode("utf-8", "replace").decode()  # half of a character cannot be written to a file


def _embedded(data: dict[str, Any]) -> str:
    """Write data as JSON that cannot end the element it is in, whatever the values say."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    escapes = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
    return text.translate(escapes)


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@lru_cache
def _asset(name: str) -> str:
    return (files("mce.graph") / "assets" / name).read_text(encoding="utf-8")
