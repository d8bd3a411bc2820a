"""LangChain's expression language: ``RunnableSequence`` and ``RunnableParallel``."""
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return"
# pyright: reportMissingImports=false

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnableSequence

from benchmarks.measure import Runner
from benchmarks.raw import increment, nothing

__all__ = ["REQUIRES", "chain", "fan_out"]

REQUIRES = ("langchain-core",)


def chain(size: int) -> Runner:
    flow: Any = RunnableSequence(*[RunnableLambda(increment) for _ in range(size)])

    async def run() -> int:
        return await flow.ainvoke(0)

    return run


def fan_out(size: int) -> Runner:
    flow: Any = RunnableParallel({f"n{at}": RunnableLambda(nothing) for at in range(size)})

    async def run() -> int:
        return sum((await flow.ainvoke(1)).values())

    return run
