"""Steps, a block and a dag of which graphs are made whose effects and costs are known."""

from __future__ import annotations

from typing import Any

from mce import Dag, Flow, do, gather, step


@step(idempotent=True)
async def a(value: Any) -> Any: ...


@step(idempotent=True)
async def b(value: Any) -> Any: ...


@step(idempotent=True)
async def c(value: Any) -> Any: ...


@do
async def block(value: Any) -> None:
    await a(value)


def dag() -> Flow[Any, Any, Any, Any]:
    """``a -> (b, c) -> (a, a)``, beside a ``b`` that waits for nothing and whose value nobody takes."""
    built = Dag[int]()
    first = built.add(a, built.input)
    last = built.add(gather(a, a), built.add(b, first), after=[built.add(c, first)])
    built.add(b, built.input)
    return built.flow(last)
