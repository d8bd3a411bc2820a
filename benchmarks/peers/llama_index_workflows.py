"""LlamaIndex workflows: a step that sends itself the next event; a fan-out of events that a last step collects."""
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return"
# pyright: reportMissingImports=false

from __future__ import annotations

from typing import Any

from workflows import Context, Workflow, step
from workflows.events import Event, StartEvent, StopEvent

from benchmarks.measure import Runner
from benchmarks.raw import increment, nothing

__all__ = ["REQUIRES", "chain", "fan_out"]

REQUIRES = ("llama-index-workflows",)


class Next(Event):
    value: int


class Work(Event):
    value: int


class Worked(Event):
    value: int


class _Chain(Workflow):
    size = 0

    @step
    async def begin(self, ev: StartEvent) -> Next:
        return Next(value=0)

    @step
    async def link(self, ev: Next) -> Next | StopEvent:
        value = await increment(ev.value)
        return Next(value=value) if value < self.size else StopEvent(result=value)


class _FanOut(Workflow):
    size = 0

    @step
    async def begin(self, ctx: Context, ev: StartEvent) -> Work | None:
        for _ in range(self.size):
            ctx.send_event(Work(value=1))
        return None

    @step(num_workers=1_000)
    async def work(self, ev: Work) -> Worked:
        return Worked(value=await nothing(ev.value))

    @step
    async def collect(self, ctx: Context, ev: Worked) -> StopEvent | None:
        found = ctx.collect_events(ev, [Worked] * self.size)
        return None if found is None else StopEvent(result=sum(each.value for each in found))


def chain(size: int) -> Runner:
    return _running(_Chain(timeout=None), size)


def fan_out(size: int) -> Runner:
    return _running(_FanOut(timeout=None), size)


def _running(workflow: Any, size: int) -> Runner:
    workflow.size = size

    async def run() -> int:
        return await workflow.run()

    return run
