"""Checks for ``backend="dask"``: whether all of a flow can be sent to the workers of a cluster, and should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mce.errors import brief
from mce.graph.annotations import state_class
from mce.graph.finding import Finding, Subject
from mce.graph.sending import blame, need_cloudpickle, refusal, size_of
from mce.syntax import (
    Call,
    Choice,
    Dag,
    Dynamic,
    Each,
    Fail,
    Fn,
    Focus,
    Given,
    Loop,
    Node,
    Par,
    Pure,
    Ref,
    StateOp,
    children,
)

__all__ = ["check_constants", "check_functions", "check_local_states", "check_main", "check_sizes"]

_LARGE = 2**20
"""Bytes from which on a part of a flow is called large: all of them go to every worker that takes part in the run."""


class _Part(NamedTuple):
    """Something in a flow that is sent with it: a constant, or a function."""

    place: str
    title: str
    value: Any
    constant: bool


def check_functions(subject: Subject) -> Iterator[Finding]:
    """MCE107: a function cannot be pickled, and so not be called on a worker."""
    for part in _suspects(subject):
        if not part.constant and (problem := refusal(part.value)):
            yield Finding(
                "MCE107",
                "error",
                part.place,
                f"{part.title} cannot be sent to a worker: {_blamed(part.value, problem)}",
                "make what it needs inside the step, or take it from the run's deps, for which a factory can be given",
            )


def check_main(subject: Subject) -> Iterator[Finding]:
    """MCE114: steps stand in ``__main__``, which is another module on the workers."""
    if subject.backend != "dask":
        return
    own = [(node, held) for node, held in _named(subject) if held.__module__ == "__main__"]
    if own:
        names = list(dict.fromkeys(node.label for node, _ in own))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield Finding(
            "MCE114",
            "warning",
            own[0][0].id,
            f"{', '.join(names[:3])}{more} {'is' if len(names) == 1 else 'are'} defined in __main__, which on a worker "
            f"is another module: what they use of it goes there by its code, as copies, and so do its classes, with "
            f"every value",
            "define them in a module that workers can import, and run that with mce run or from a short script",
        )


def check_constants(subject: Subject) -> Iterator[Finding]:
    """MCE115: a constant cannot be pickled, or is an iterator, which is used up where it is read."""
    if subject.backend != "dask":
        return
    for part in _parts(subject):
        if part.constant and isinstance(part.value, Iterator):
            problem = refusal(part.value)
            yield Finding(
                "MCE115",
                "error" if problem else "warning",
                part.place,
                f"{part.title} is an iterator: {problem or 'every worker gets a copy that starts anew'}",
                "give what it iterates over, as a list or tuple, or make it in a step",
            )
    for part in _suspects(subject):
        if part.constant and not isinstance(part.value, Iterator) and (problem := refusal(part.value)):
            yield Finding(
                "MCE115",
                "error",
                part.place,
                f"{part.title} cannot be sent to a worker: {_blamed(part.value, problem)}",
                "make it inside a step, or take it from the run's deps, for which a factory can be given",
            )


def check_sizes(subject: Subject) -> Iterator[Finding]:
    """MCE116: a part of the flow is so large that every worker should not be sent it."""
    for part in _suspects(subject):
        size = size_of(part.value)
        if size > _LARGE:
            where, _ = blame(part.value, lambda inner: size_of(inner) > _LARGE)
            what = f"{part.title} ({where})" if where else part.title
            yield Finding(
                "MCE116",
                "warning",
                part.place,
                f"{what} has {size / 2**20:.1f} MB when it is pickled, and goes to every worker with the flow",
                "pass it as the run's input, or give its path and read it in a step",
            )


def check_local_states(subject: Subject) -> Iterator[Finding]:
    """MCE117: the state's class stands inside a function, where no other process finds it."""
    if subject.backend != "dask":
        return
    for node, call in subject.functions:
        cls = state_class([call.fn]) if call.spec.takes_context else None
        if cls is not None and "<locals>" in cls.__qualname__:
            yield Finding(
                "MCE117",
                "warning",
                node.id,
                f"the state's class {cls.__qualname__} can be found in no module: every state that is sent carries its "
                f"code along, kilobytes instead of bytes, and no later process can read what was stored",
                f"define {cls.__name__} at the top of a module",
            )
            return


# -- what a flow consists of ------------------------------------------------------------------------------------------


def _suspects(subject: Subject) -> Iterator[_Part]:
    """Give the parts if something may be wrong with one: the whole cannot be sent, or is large."""
    if subject.backend != "dask":
        return
    need_cloudpickle()
    if not 0 < size_of(subject.lowered.root) <= _LARGE:
        yield from _parts(subject)


_SMALL = (bool, int, float, type(None), type)


def _parts(subject: Subject) -> Iterator[_Part]:
    """Give what a flow is made of besides its nodes, each thing once, in the order in which it would run."""
    at = {id(origin): place for place, origin in reversed(subject.lowered.origins.items())}
    labels = {node.id: node.label for node in subject.nodes}
    here = next(iter(labels), "")
    seen: set[int] = set()
    stack: list[Node] = [subject.lowered.root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        here = at.get(id(node), here)
        stack.extend(reversed(children(node)))
        for what, value, constant in _held(node):
            if id(value) not in seen and not isinstance(value, _SMALL):
                seen.add(id(value))
                place = _first(node.body, at, here) if isinstance(node, Given) else here
                yield _Part(place, what.replace("{}", labels.get(place, place)), value, constant)


def _first(node: Node, at: dict[int, str], otherwise: str) -> str:
    """Give the place of what runs first in ``node``."""
    while id(node) not in at:
        if not (inside := children(node)):
            return otherwise
        node = inside[0]
    return at[id(node)]


def _held(node: Node) -> Iterator[tuple[str, Any, bool]]:
    """Give what a node holds besides its children: in words, the thing, and whether it is a constant."""
    match node:
        case Pure(value):
            yield "the value of {}", value, True
        case Fail(error):
            yield "the error of {}", error, True
        case Given(value):
            yield "the input of {}", value, True
        case Dag(takes=takes):
            values = ((place, value) for place, task in enumerate(takes) for value in task.values)
            for place, value in values:
                if not isinstance(value, Ref):
                    yield f"an input of {node.tasks[place][0]}", value, True
        case Call(fn, spec):
            yield "{}", fn, False
            yield "what {} is declared with", spec, False
        case Fn(f) | Dynamic(f) | StateOp(f):
            yield "the function of {}", f, False
        case Choice(selector):
            yield "the selector of {}", selector, False
        case Loop(until=until):
            yield "the condition of {}", until, False
        case Focus(lens):
            yield "the lens of {}", lens, False
        case _:
            pass
    if isinstance(node, Par | Each | Dag) and node.join.merge is not None:
        yield "the merge of {}", node.join.merge, False


def _named(subject: Subject) -> Iterator[tuple[Any, Callable[..., Any]]]:
    """Give the steps and the blocks, with their functions."""
    for node in subject.nodes:
        match subject.origin(node):
            case Call(fn) if node.kind == "step" and hasattr(fn, "__module__"):
                yield node, fn
            case Dynamic(f, direct=True) if hasattr(f, "__module__"):
                yield node, f
            case _:
                pass


def _blamed(value: Any, problem: str) -> str:
    where, part = blame(value, lambda inner: bool(refusal(inner)))
    if not where:
        return problem
    return f"{where}, {brief(part, 60)}: {refusal(part) or problem}"
