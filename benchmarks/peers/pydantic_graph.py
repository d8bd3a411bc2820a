"""pydantic-graph: steps of a ``GraphBuilder``; a mapped list and a summing join are its fan-out."""
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return"
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportIndexIssue=false

from __future__ import annotations

from itertools import pairwise
from typing import Any

from pydantic_graph import GraphBuilder, StepContext, reduce_sum

from benchmarks.measure import Runner
from benchmarks.raw import increment, nothing

__all__ = ["REQUIRES", "chain", "fan_out"]

REQUIRES = ("pydantic-graph",)


def chain(size: int) -> Runner:
    builder: Any = GraphBuilder(input_type=int, output_type=int)

    async def link(ctx: StepContext[None, None, int]) -> int:
        return await increment(ctx.inputs)

    steps = [builder.step(link, node_id=f"n{at}") for at in range(size)]
    nodes = [builder.start_node, *steps, builder.end_node]
    builder.add(*(builder.edge_from(a).to(b) for a, b in pairwise(nodes)))
    graph = builder.build()

    async def run() -> int:
        return await graph.run(inputs=0)

    return run


def fan_out(size: int) -> Runner:
    builder: Any = GraphBuilder(input_type=list[int], output_type=int)

    async def branch(ctx: StepContext[None, None, int]) -> int:
        return await nothing(ctx.inputs)

    body = builder.step(branch, node_id="branch")
    total = builder.join(reduce_sum, initial=0)
    builder.add(
        builder.edge_from(builder.start_node).map().to(body),
        builder.edge_from(body).to(total),
        builder.edge_from(total).to(builder.end_node),
    )
    graph = builder.build()

    async def run() -> int:
        return await graph.run(inputs=[1] * size)

    return run
