"""Graphs in DOT as dags: Graphviz' own parser reads them, in a process of its own.

The parser comes with ``pygraphviz`` 2 (``pip install mce-agents[render]``). The process keeps what goes wrong in it
away from here, and gives the parser's messages, which have the line. Nothing is laid out, and nothing run.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from typing import Any

from mce.errors import InvalidGraph, UsageError
from mce.graph.drawn import DrawnDag, Source, check_order, text_of

__all__ = ["read_dot"]

_SECONDS = 60
_PARSE = """
import json, sys, pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode("utf-8"))
nodes = [(str(node), node.attr["label"] or "") for node in graph.nodes_iter()]
edges = [(str(edge[0]), str(edge[1]), edge.attr["label"] or "") for edge in graph.edges_iter()]
json.dump({"name": graph.name or "", "directed": graph.directed, "nodes": nodes, "edges": edges}, sys.stdout)
"""


def read_dot(source: Source) -> DrawnDag:
    """Read a directed graph in DOT from its text, or from the file of that name.

    Raises :class:`mce.InvalidGraph`, with the line, for what is no graph in DOT, for one that is not directed, and for
    a cycle; :class:`mce.UsageError` when ``pygraphviz`` is not there.

    >>> found = read_dot('digraph { plan -> {search ask} -> report; plan [label="Make a plan"] }')
    >>> found.tasks
    ('plan', 'search', 'ask', 'report')
    >>> found.edges
    (('plan', 'search'), ('plan', 'ask'), ('search', 'report'), ('ask', 'report'))
    """
    read = _parsed(text_of(source, lambda text: "{" in text))
    if not read["directed"]:
        raise InvalidGraph("line 1: a dag is a digraph, with edges a -> b; this is a graph without directions")
    edges: dict[tuple[str, str], str] = {}
    for before, after, label in read["edges"]:
        edges.setdefault((before, after), label)
    tasks = tuple(name for name, _ in read["nodes"])
    check_order(tasks, edges, what="the graph")
    labels = {name: label for name, label in read["nodes"] if label and label not in (name, "\\N")}
    return DrawnDag(read["name"], tasks, tuple(edges), labels, {edge: label for edge, label in edges.items() if label})


def _parsed(text: str) -> dict[str, Any]:
    if importlib.util.find_spec("pygraphviz") is None:
        raise UsageError("to read DOT, install the parser: pip install 'mce-agents[render]'")
    if "\0" in text:
        raise InvalidGraph("not a graph in DOT: there is a NUL in it")
    command = [sys.executable, "-I", "-c", _PARSE]
    try:
        run = subprocess.run(command, input=text.encode(), capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise InvalidGraph(f"not read: the parser of DOT took more than {_SECONDS} s") from None
    if run.returncode:
        said = run.stderr.decode(errors="replace").splitlines()
        problem = next((line.removeprefix("Error: ") for line in said if line.startswith("Error: ")), "")
        raise InvalidGraph(f"not a graph in DOT: {problem or 'the parser refused it'}")
    return json.loads(run.stdout)  # type: ignore[no-any-return]
