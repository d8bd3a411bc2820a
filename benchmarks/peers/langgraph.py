"""LangGraph: a compiled ``StateGraph``; parallel nodes are joined by a reducer."""
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return"
# pyright: reportMissingImports=false

from __future__ import annotations

import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph

from benchmarks.measure import Runner
from benchmarks.raw import increment, nothing

__all__ = ["REQUIRES", "chain", "fan_out"]

REQUIRES = ("langgraph",)


class _Value(TypedDict):
    value: int


class _Total(TypedDict):
    total: Annotated[int, operator.add]


def chain(size: int) -> Runner:
    async def link(state: _Value) -> _Value:
        return {"value": await increment(state["value"])}

    graph = StateGraph(_Value)
    names = [f"n{at}" for at in range(size)]
    for name in names:
        graph.add_node(name, link)
    for before, after in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(before, after)
    compiled = graph.compile()

    async def run() -> int:
        return (await compiled.ainvoke({"value": 0}, {"recursion_limit": size + 10}))["value"]

    return run


def fan_out(size: int) -> Runner:
    async def branch(state: _Total) -> _Total:
        return {"total": await nothing(1)}

    graph = StateGraph(_Total)
    for at in range(size):
        graph.add_node(f"n{at}", branch)
        graph.add_edge(START, f"n{at}")
        graph.add_edge(f"n{at}", END)
    compiled = graph.compile()

    async def run() -> int:
        return (await compiled.ainvoke({"total": 0}))["total"]

    return run
