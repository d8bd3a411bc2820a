"""A flow as a graph: the data, how a flow becomes it, what is drawn from it and what is found in it.

Loaded by ``flow.graph()`` and the commands, not by ``import mce``.
"""

from mce.graph.ir import Edge, Effects, Graph, GraphNode, Policy, schema
from mce.graph.lower import Lowered, lower

__all__ = ["Edge", "Effects", "Graph", "GraphNode", "Lowered", "Policy", "lower", "schema"]
