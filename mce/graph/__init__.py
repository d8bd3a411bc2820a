"""A flow as a graph: the data, how a flow becomes it, what is drawn from it and what is found in it.

Loaded by ``flow.graph()`` and the commands, not by ``import mce``.
"""

from mce.graph.dot import to_dot
from mce.graph.ir import Edge, Effects, Graph, GraphNode, Policy, schema
from mce.graph.lower import Lowered, lower
from mce.graph.mermaid import to_mermaid
from mce.graph.render import render
from mce.graph.text import to_text
from mce.graph.view import View, fold

__all__ = [
    "Edge",
    "Effects",
    "Graph",
    "GraphNode",
    "Lowered",
    "Policy",
    "View",
    "fold",
    "lower",
    "render",
    "schema",
    "to_dot",
    "to_mermaid",
    "to_text",
]
