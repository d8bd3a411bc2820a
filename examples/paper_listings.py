"""The listings of *Monadic Context Engineering* (Zhang and Wang, 2025), run with the paper's names.

    python examples/paper_listings.py

A research agent of four steps; the same agent when it asks for a tool that is not there; its asynchronous version; a
briefing gathered from three sources at once; a meta-agent whose steps make the flows of sub-agents and run them.
What a model would say is fixed here, so that nothing needs a network.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio
import anyio.lowlevel

from mce.paper import AgentMonad, AgentState, AsyncAgentMonad, ToolCall, default_registry

__all__ = [
    "create_daily_briefing",
    "main",
    "research",
    "research_asynchronously",
    "research_with_a_wrong_tool",
    "supervise",
]

V = TypeVar("V")
R = TypeVar("R")

TOOLS = default_registry()


# -- the four steps of the research agent -----------------------------------------------------------------------------


def plan_action(state: AgentState, task: str, tool: str = "search") -> AgentMonad[AgentState, ToolCall]:
    """Decide which tool to call; a model would."""
    call = ToolCall(tool_id="call-1", name=tool, arguments={"query": task})
    return AgentMonad.success(state.with_history(f"planned to call {tool}"), call)


def execute_tool(state: AgentState, call: ToolCall) -> AgentMonad[AgentState, str]:
    """Call the tool; a result with an error flag is a failure of the flow."""
    result = TOOLS.run(state, call)
    if result.is_error:
        return AgentMonad.failure(state.with_history(f"{call.name} failed"), result.content)
    return AgentMonad.success(state.with_history(f"{call.name} answered"), result.content)


def synthesize_answer(state: AgentState, evidence: str) -> AgentMonad[AgentState, str]:
    """Answer from the evidence; a model would."""
    return AgentMonad.success(state.with_history("answered"), f"{state.task} {evidence}")


def format_output(state: AgentState, answer: str) -> AgentMonad[AgentState, str]:
    """Make a report of the answer."""
    return AgentMonad.success(state.with_history("formatted"), f"Report: {answer}")


# -- one after the other ----------------------------------------------------------------------------------------------


def research(task: str) -> AgentMonad[AgentState, str]:
    """Run the agent."""
    initial_state = AgentState(task=task)
    return (
        AgentMonad.start(initial_state)
        .then(lambda s, _: plan_action(s, task))
        .then(lambda s, call: execute_tool(s, call))
        .then(synthesize_answer)
        .then(format_output)
    )


def research_with_a_wrong_tool(task: str) -> AgentMonad[AgentState, str]:
    """Run the agent when its plan names a tool that nobody registered: the last two steps are not called."""
    initial_state = AgentState(task=task)
    return (
        AgentMonad.start(initial_state)
        .then(lambda s, _: plan_action(s, task, tool="guess"))
        .then(lambda s, call: execute_tool(s, call))
        .then(synthesize_answer)
        .then(format_output)
    )


def waiting(
    step: Callable[[AgentState, V], AgentMonad[AgentState, R]],
) -> Callable[[AgentState, V], Awaitable[AgentMonad[AgentState, R]]]:
    """Make an async step of a plain one, which lets others run first, as a call over a network would."""

    async def waits(state: AgentState, value: V) -> AgentMonad[AgentState, R]:
        await anyio.lowlevel.checkpoint()
        return step(state, value)

    return waits


async_plan_action = waiting(plan_action)
async_execute_tool = waiting(execute_tool)
async_synthesize_answer = waiting(synthesize_answer)
async_format_output = waiting(format_output)


async def research_asynchronously(task: str) -> AgentMonad[AgentState, str]:
    """Run the agent with steps that wait."""
    initial_state = AgentState(task=task)
    async_flow = (
        AsyncAgentMonad.start(initial_state)
        .then(lambda s, _: async_plan_action(s, task))
        .then(async_execute_tool)
        .then(async_synthesize_answer)
        .then(async_format_output)
    )
    return await async_flow.run()


# -- side by side -----------------------------------------------------------------------------------------------------


async def async_fetch_news(state: AgentState, query: str) -> AgentMonad[AgentState, str]:
    """Ask a news service."""
    return await fetch(state, "news", query, "nothing new")


async def async_fetch_weather(state: AgentState, query: str) -> AgentMonad[AgentState, str]:
    """Ask a weather service."""
    return await fetch(state, "weather", query, "sunny")


async def async_fetch_stocks(state: AgentState, query: str) -> AgentMonad[AgentState, str]:
    """Ask a stock exchange."""
    return await fetch(state, "stocks", query, "up")


async def fetch(state: AgentState, service: str, query: str, answer: str) -> AgentMonad[AgentState, str]:
    """Ask ``service``, which gives ``answer``."""
    await anyio.lowlevel.checkpoint()
    return AgentMonad.success(state.with_history(f"asked {service} about {query}"), answer)


async def create_daily_briefing(state: AgentState, user_query: str) -> AgentMonad[AgentState, str]:
    """Ask three sources at once; the state is that of the last one, as the paper has it by default."""
    news_task = AsyncAgentMonad.start(state, user_query).then(async_fetch_news)
    weather_task = AsyncAgentMonad.start(state, user_query).then(async_fetch_weather)
    stocks_task = AsyncAgentMonad.start(state, user_query).then(async_fetch_stocks)

    gathered_data_flow = AsyncAgentMonad.gather([news_task, weather_task, stocks_task])
    return await gathered_data_flow.then(async_synthesize_briefing).run()


async def async_synthesize_briefing(state: AgentState, found: list[str]) -> AgentMonad[AgentState, str]:
    """Make one text of what the sources said."""
    news, weather, stocks = found
    return AgentMonad.success(state.with_history("briefed"), f"News: {news}. Weather: {weather}. Stocks: {stocks}.")


# -- agents that make agents ------------------------------------------------------------------------------------------


def decompose(state: AgentState, goal: str) -> AgentMonad[AgentState, list[str]]:
    """Name the roles that the goal needs, with the prompt of each; a model would, from a meta-prompt."""
    roles = [f"find sources on {goal}", f"criticise them on {goal}"]
    return AgentMonad.success(state.with_history(f"split into {len(roles)} roles"), roles)


def make_team(state: AgentState, roles: list[str]) -> AgentMonad[AgentState, list[AsyncAgentMonad[AgentState, str]]]:
    """Make a flow for every role: values like others, and nothing of them runs yet."""
    team = [AsyncAgentMonad.start(state, role).then(async_plan_action).then(async_execute_tool) for role in roles]
    return AgentMonad.success(state, team)


def run_team(state: AgentState, team: list[AsyncAgentMonad[AgentState, str]]) -> AsyncAgentMonad[AgentState, list[str]]:
    """Continue with the whole team at once, and keep what each of its members did."""

    def all_histories(states: Sequence[AgentState]) -> AgentState:
        entries = [entry for found in states for entry in found.history[len(state.history) :]]
        return state.model_copy(update={"history": [*state.history, *entries]})

    return AsyncAgentMonad.gather(team, merge_state=all_histories)


async def supervise(goal: str) -> AgentMonad[AgentState, str]:
    """Run the meta-agent."""
    return await (
        AsyncAgentMonad.start(AgentState(task=goal), goal)
        .then(decompose)
        .then(make_team)
        .then(run_team)
        .map(" ".join)
        .then(format_output)
        .run()
    )


# -- all of them ------------------------------------------------------------------------------------------------------


def show(title: str, flow: AgentMonad[AgentState, str]) -> None:
    """Print what a flow came to, and what its agent remembers."""
    print(f"{title}\n  {flow.value if flow.is_successful else f'failed: {flow.error_info}'}")
    for entry in flow.state.history:
        print(f"  - {entry}")


async def main() -> None:
    """Run every listing."""
    task = "What is a monad?"
    show("A research agent", research(task))
    show("The same, with a tool that is not there", research_with_a_wrong_tool(task))
    show("The same, asynchronously", await research_asynchronously(task))
    show("A briefing from three sources", await create_daily_briefing(AgentState(task="brief me"), "today"))
    show("A meta-agent and its team", await supervise("monads"))


if __name__ == "__main__":
    anyio.run(main)
