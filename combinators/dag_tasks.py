"""What a task of a ``Dag`` is made of: the node it runs, how it is given what it takes, what it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from typing import Any, Literal, TypeAlias

from mce.errors import DefinitionError, brief
from mce.flow import Flow, flow_node
from mce.step_types import Step
from mce.syntax import Arguments, Call, Dynamic, Fn, Given, Join, Label, Node, Takes, children

__all__ = ["OnFailure", "join_of", "own_name", "takes_several", "task_of"]

OnFailure: TypeAlias = Literal["fail_fast", "accumulate", "settle"]


def task_of(flow: Any, args: tuple[Any, ...], more: Mapping[str, Any]) -> tuple[Node, Takes]:
    """Give the node of a task, and how it takes the arguments, in which anything may stand for a value to come.

    Raises ``DefinitionError`` for what is no task, and for arguments that it does not take.
    """
    as_arguments = Takes((*args, *more.values()), "arguments", tuple(more))
    if isinstance(flow, Step):
        given: Any = flow(*args, **more).node
        return given.body, as_arguments if isinstance(given.value, Arguments) else Takes(args)
    if callable(flow) and not isinstance(flow, Flow):
        if iscoroutinefunction(flow):
            raise DefinitionError(f"dag.add takes a flow: decorate the async function {_name_of(flow)} with @step")
        return Dynamic(_Called(flow), _name_of(flow)), as_arguments
    node = flow_node(flow, "dag.add")
    if more or len(args) > 1:
        raise DefinitionError(
            f"dag.add: {flow!r} takes one argument, not {Arguments(args, more)!r}: a step takes several"
        )
    if args and isinstance(node, Given):
        raise DefinitionError(f"dag.add: {flow!r} has its input already: to wait for a task say after=[handle]")
    return node, Takes(args)


class _Called:
    """Calls a function with the arguments of its task."""

    __slots__ = ("f",)

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f

    def __call__(self, given: Arguments) -> Any:
        return self.f(*given.args, **given.kwargs)


def takes_several(flow: object) -> bool:
    """Whether a flow is a step that takes more than one argument, or its one by keyword, and so cannot be chained."""
    if not isinstance(flow, Step) or flow._one:
        return False
    what: Any = flow.node.spec if isinstance(flow.node, Call) else flow.node.f  # type: ignore[union-attr]  # pyright: ignore
    return bool(what.accepts > 0)


def own_name(node: Node) -> str:
    """Name a task after the step, label or region that it begins with."""
    while not isinstance(node, Label) and not hasattr(node, "name") and (inner := children(node)):
        node = inner[0]
    if isinstance(node, Call):
        return node.spec.name
    return getattr(node, "name", "") or (_name_of(node.f) if isinstance(node, Fn) else type(node).__name__.lower())


def _name_of(f: Any) -> str:
    name = getattr(f, "__name__", "")
    return name if name.isidentifier() else "task"


def join_of(on_failure: Any) -> Join:
    """Give the join of tasks for ``on_failure``; raises ``DefinitionError`` for what it cannot be."""
    if on_failure not in ("fail_fast", "accumulate", "settle"):
        raise DefinitionError(f"on_failure is 'fail_fast', 'accumulate' or 'settle', not {brief(on_failure, 40)}")
    return Join(on_failure)
