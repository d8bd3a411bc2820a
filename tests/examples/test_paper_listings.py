"""The paper's listings come to what the paper says of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anyio
import pytest

import paper_listings
from mce.paper import AgentMonad, AgentState, AsyncAgentMonad

ROOT = Path(__file__).parents[2]
TASK = "What is a monad?"


def test_the_research_agent_goes_through_its_four_steps() -> None:
    flow = paper_listings.research(TASK)
    assert flow.is_successful
    assert flow.value is not None
    assert flow.value.startswith(f"Report: {TASK} Found for '{TASK}'")
    assert flow.state.history == ["planned to call search", "search answered", "answered", "formatted"]


def test_an_unknown_tool_fails_the_agent_with_the_state_at_that_point() -> None:
    flow = paper_listings.research_with_a_wrong_tool(TASK)
    assert not flow.is_successful
    assert flow.error_info == "Tool not found: guess"
    assert flow.state == AgentState(task=TASK, history=["planned to call guess", "guess failed"])


@pytest.mark.anyio
async def test_the_asynchronous_agent_comes_to_the_same() -> None:
    assert await paper_listings.research_asynchronously(TASK) == paper_listings.research(TASK)


@pytest.mark.anyio
async def test_a_briefing_asks_its_sources_at_once_and_keeps_the_last_state(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = 0
    all_there = anyio.Event()
    fetch = paper_listings.fetch

    async def fetch_when_all_wait(
        state: AgentState, service: str, query: str, answer: str
    ) -> AgentMonad[AgentState, str]:
        nonlocal waiting
        waiting += 1
        if waiting == 3:
            all_there.set()
        await all_there.wait()  # for ever, if the three were asked one after the other
        return await fetch(state, service, query, answer)

    monkeypatch.setattr(paper_listings, "fetch", fetch_when_all_wait)
    with anyio.fail_after(60):
        flow = await paper_listings.create_daily_briefing(AgentState(task="brief me"), "today")
    assert flow.value == "News: nothing new. Weather: sunny. Stocks: up."
    assert flow.state.history == ["asked stocks about today", "briefed"]


@pytest.mark.anyio
async def test_a_meta_agent_runs_the_flows_it_made_and_gathers_what_they_did() -> None:
    flow = await paper_listings.supervise("monads")
    assert flow.value is not None
    assert [flow.value.count(role) for role in ("find sources on monads", "criticise them on monads")] == [1, 1]
    each = ["planned to call search", "search answered"]
    assert flow.state.history == ["split into 2 roles", *each, *each, "formatted"]


def test_a_team_is_a_value_that_has_not_run() -> None:
    made = paper_listings.make_team(AgentState(task="t"), ["one", "two"])
    assert made.value is not None
    assert [type(member) for member in made.value] == [AsyncAgentMonad, AsyncAgentMonad]
    assert made.state.history == []


def test_the_script_shows_all_five() -> None:
    script = ROOT / "examples" / "paper_listings.py"
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    titles = [line for line in ran.stdout.splitlines() if not line.startswith(" ")]
    assert titles == [
        "A research agent",
        "The same, with a tool that is not there",
        "The same, asynchronously",
        "A briefing from three sources",
        "A meta-agent and its team",
    ]
    assert ran.stdout.count("failed: Tool not found: guess") == 1
