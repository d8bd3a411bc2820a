"""The state and the tools of the paper's agent, under its names; :mod:`mce.paper` has them all.

Source: Zhang and Wang, *Monadic Context Engineering* (2025).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Self, TypeAlias

from pydantic import BaseModel, Field

from mce.reducers import Append

__all__ = ["AgentState", "ToolCall", "ToolHandler", "ToolRegistry", "ToolResult", "default_registry"]


class AgentState(BaseModel):
    """What the paper's agent remembers: its ``task`` and a ``history`` of entries.

    The history appends, so what two branches added to it meets without conflict in ``mce.gather`` too.

    >>> AgentState(task="ask").with_history("asked").history
    ['asked']
    """

    task: str
    history: Annotated[list[str], Append()] = Field(default_factory=list)

    def with_history(self, entry: str) -> Self:
        """Give a copy with ``entry`` added to the history; this one stays as it is."""
        return self.model_copy(update={"history": [*self.history, entry]})


class ToolCall(BaseModel):
    """A request to call the tool ``name`` with ``arguments``; ``tool_id`` tells the answers apart (as in MCP)."""

    tool_id: str
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class ToolResult(BaseModel):
    """The answer to the call ``tool_id``: its ``content``, which says what went wrong if it ``is_error``."""

    tool_id: str
    content: str
    is_error: bool = False

    @classmethod
    def success(cls, tool_id: str, content: str) -> Self:
        """Answer with ``content``."""
        return cls(tool_id=tool_id, content=content)

    @classmethod
    def failure(cls, tool_id: str, content: str) -> Self:
        """Answer that the call failed, and why."""
        return cls(tool_id=tool_id, content=content, is_error=True)


ToolHandler: TypeAlias = Callable[[Any, ToolCall], str]
"""What a tool is: a plain function of the state and the call that gives the content of the answer."""


class ToolRegistry:
    """Tools by name. ``run`` never raises: an unknown tool and one that raises are answers with ``is_error``.

    >>> tools = ToolRegistry()
    >>> tools.register("shout", lambda state, call: call.arguments["text"].upper())
    >>> tools.run(AgentState(task="t"), ToolCall(tool_id="1", name="shout", arguments={"text": "hey"})).content
    'HEY'
    >>> tools.run(AgentState(task="t"), ToolCall(tool_id="2", name="guess"))
    ToolResult(tool_id='2', content='Tool not found: guess', is_error=True)
    """

    def __init__(self) -> None:
        self._tools: dict[str, ToolHandler] = {}

    def register(self, name: str, handler: ToolHandler) -> None:
        """Make ``handler`` the tool called ``name``, in place of one that was there."""
        self._tools[name] = handler

    def run(self, state: Any, call: ToolCall) -> ToolResult:
        """Answer ``call`` with what its tool gives in ``state``."""
        handler = self._tools.get(call.name)
        if handler is None:
            return ToolResult.failure(call.tool_id, f"Tool not found: {call.name}")
        try:
            return ToolResult.success(call.tool_id, handler(state, call))
        except Exception as exc:
            return ToolResult.failure(call.tool_id, f"Tool error: {exc}")

    def __repr__(self) -> str:
        return f"<ToolRegistry of {', '.join(self._tools) or 'no tools'}>"


def default_registry() -> ToolRegistry:
    """Make the registry that the paper's agent falls back on: one tool, ``search``, answered from a fixed text.

    >>> default_registry()
    <ToolRegistry of search>
    """
    registry = ToolRegistry()
    registry.register("search", _search)
    return registry


def _search(state: AgentState, call: ToolCall) -> str:
    query = call.arguments.get("query", state.task)
    return f"Found for {query!r}: a monad composes steps that each give a value in a context."
