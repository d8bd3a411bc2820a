"""Burr: actions and transitions; a ``MapStates`` action is its fan-out."""
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return"
# pyright: reportMissingImports=false

from __future__ import annotations

from typing import Any

from burr.core import ApplicationBuilder, State, action
from burr.core.parallelism import MapStates

from benchmarks.measure import Runner
from benchmarks.raw import increment, nothing

__all__ = ["REQUIRES", "chain", "fan_out"]

REQUIRES = ("burr[tracking]",)  # without it its parallelism cannot be imported


@action(reads=["value"], writes=["value"])
async def link(state: State) -> State:
    return state.update(value=await increment(state["value"]))


@action(reads=["value"], writes=["value"])
async def branch(state: State) -> State:
    return state.update(value=await nothing(state["value"]))


def chain(size: int) -> Runner:
    """The last action leads to the first, so that one application serves for all runs."""
    names = [f"n{at}" for at in range(size)]
    builder = ApplicationBuilder().with_actions(**dict.fromkeys(names, link)).with_state(value=0)
    builder = builder.with_transitions(*zip(names, [*names[1:], names[0]], strict=True)).with_entrypoint(names[0])
    app = builder.build()

    async def run() -> int:
        app.update_state(app.state.update(value=0))
        _, _, state = await app.arun(halt_after=[names[-1]])
        return state["value"]

    return run


def fan_out(size: int) -> Runner:
    class Wide(MapStates):
        def action(self, state: State, inputs: dict[str, Any]) -> Any:
            return branch

        async def states(self, state: State, context: Any, inputs: dict[str, Any]) -> Any:
            for _ in range(size):
                yield state.update(value=1)

        async def reduce(self, state: State, states: Any) -> State:
            total = 0
            async for each in states:
                total += each["value"]
            return state.update(total=total)

        def is_async(self) -> bool:
            return True

        @property
        def reads(self) -> list[str]:
            return ["value"]

        @property
        def writes(self) -> list[str]:
            return ["total"]

    builder = ApplicationBuilder().with_actions(wide=Wide()).with_state(value=1, total=0)
    app = builder.with_transitions(("wide", "wide")).with_entrypoint("wide").build()

    async def run() -> int:
        _, _, state = await app.arun(halt_after=["wide"])
        return state["total"]

    return run
