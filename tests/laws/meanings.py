"""The four meanings that flows have here, and what it is for two flows to be the same in all of them.

``same(left, right, start)`` runs both sides from one start: in line, on asyncio, on trio (watched, which is another way
of calling steps) and in the reference meaning. All eight runs must give the same result and final state, and make the
same calls: in order where branches run in turn, in any order where they are concurrent, unless something was cancelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from returns.result import Result, Success

from mce import Backend, Flow, InlineBackend, LocalBackend, Outcome, fail, gather, pure
from mce.denotation import meaning
from mce.stack import Branch
from mce.testing import Observation, program, states, values
from mce.testing.steps import recording
from mce.testing.vocabulary import Ledger

AnyFlow = Flow[Any, Any, Any, Any]

some = settings(max_examples=settings().max_examples * 2 // 5, phases=set(Phase) - {Phase.explain})
"""For a law: each example is eight runs. To explain a failure, Hypothesis would trace every line of thousands more."""

BESIDE = program("notes('mark') >> notes('log') >> notes('total')")
"""Writes to fields: beside a flow in a join, it tells which of them the flow has written, and how."""


@dataclass(frozen=True)
class Start:
    """What a flow is run from, and whether it is run as it is or beside another branch, where its changes show."""

    value: Any = 3
    state: Any = field(default_factory=Ledger)
    beside: bool = False

    def placed(self, flow: AnyFlow) -> AnyFlow:
        return gather(flow, BESIDE) if self.beside else flow


PLAIN = Start()


def starts(*, beside: bool = True) -> st.SearchStrategy[Start]:
    """Give a strategy for starts; without ``beside`` what counts is the state alone, and not how it was changed."""
    return st.builds(Start, values(), states(), st.booleans() if beside else st.just(False))


@dataclass(frozen=True)
class Seen:
    """One run: what was observed of it, whether branches ran in turn, and whether nothing was cancelled."""

    who: str
    observation: Observation
    in_turn: bool = True
    determined: bool = True


def same(left: AnyFlow, right: AnyFlow, start: Start = PLAIN, *, calls: bool = True) -> None:
    """Assert that two flows are the same from ``start``, in every meaning."""
    assert_agree(runs_of(start, start.placed(left), start.placed(right)), calls=calls)


def assert_agree(runs: Sequence[Seen], *, calls: bool = True) -> None:
    """Assert that in all runs the same was observed."""
    first = runs[0]
    determined = all(run.determined for run in runs)
    for number, run in enumerate(runs):
        compared = calls and (run.in_turn or determined)
        found = first.observation.differences(run.observation, calls=compared, in_order=run.in_turn)
        assert not found, "\n  ".join([f"{first.who}, and {run.who} (run {number + 1} of {len(runs)})", *found])


def runs_of(start: Start, *flows: AnyFlow) -> list[Seen]:
    """Run the flows in all meanings, the reference first; all of one loop in one go, since loops take long to start."""

    async def on_asyncio() -> list[Seen]:
        found: list[Seen] = []
        for flow in flows:
            found += await denoted(flow, start), await run(flow, start, InlineBackend()), await run(flow, start)
        return found

    async def on_trio() -> list[Seen]:
        return [await run(flow, start, trace=True) for flow in flows]

    return [*anyio.run(on_asyncio), *anyio.run(on_trio, backend="trio")]


async def denoted(flow: AnyFlow, start: Start) -> Seen:
    """Run ``flow`` in the reference meaning."""
    with recording() as calls:
        result, branch = await meaning(flow, None)(start.value)(Branch(start.state))()
    outcome = Outcome(result.alt(lambda fault: fault.error), branch.state)
    return Seen("the reference", Observation.of(outcome, calls), determined=not branch.cancels)


async def run(flow: AnyFlow, start: Start, backend: Backend | None = None, *, trace: bool = False) -> Seen:
    """Run ``flow`` in the running event loop, on a ``LocalBackend`` if no other is named; perhaps watched."""
    used = backend or LocalBackend()
    with recording() as calls:
        outcome = await flow.run(start.value, state=start.state, backend=used, trace=trace)
    who = f"{used!r} on {'trio' if trace else 'asyncio'}"
    return Seen(who, Observation.of(outcome, calls), in_turn=used.sequential)


not_a_law = pytest.mark.xfail(strict=True, raises=AssertionError)
"""The docstring of the test states what one might take for a law, and the test has a counterexample."""

MEETING = ("log", "total", "seen", "best", "last")
"""Fields whose reducers make of concurrent changes what they make of the same changes one after the other."""


def rethrown(result: Result[Any, Any]) -> AnyFlow:
    """Succeed or fail as ``result`` does."""
    return pure(result.unwrap()) if isinstance(result, Success) else fail(result.failure())


def first(values: tuple[Any, ...]) -> Any:
    return values[0]


def second(values: tuple[Any, ...]) -> Any:
    return values[1]


def one(error: Any) -> tuple[Any]:
    return (error,)


def always(_: Any) -> bool:
    return True
