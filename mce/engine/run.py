"""Running a flow from outside: what the call gave is checked, the interpreter started, its end made an outcome."""

from __future__ import annotations

import functools
import inspect
import os
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import anyio
from returns.result import Failure, Success

from mce.engine.compile import check_takes_one, compile_node
from mce.engine.fiber import Fiber, Halt, Run
from mce.engine.loop import execute
from mce.engine.protocol import Backend
from mce.errors import InvalidInput, UsageError
from mce.events import Event, Listener
from mce.flow import NO_INPUT, Flow
from mce.outcome import Outcome
from mce.syntax import (
    Arguments,
    Bracket,
    Call,
    Choice,
    Dag,
    Dynamic,
    Each,
    Fn,
    Given,
    Node,
    Par,
    Race,
    Then,
    Timeout,
    children,
    passes_on,
    postorder,
)

__all__ = ["Prepared", "made", "prepare", "run", "run_sync"]


def run(
    flow: Flow[Any, Any, Any, Any], input: Any, state: Any, **options: Any
) -> Coroutine[Any, Any, Outcome[Any, Any, Any]]:
    """Give the run of ``flow``, to be awaited in the running event loop; see :meth:`mce.Flow.run`."""
    prepared = prepare(flow, input, state, **options)
    return prepared.backend.run(prepared.run)


def run_sync(flow: Flow[Any, Any, Any, Any], input: Any, state: Any, **options: Any) -> Outcome[Any, Any, Any]:
    """Run ``flow`` from plain code; see :meth:`mce.Flow.run_sync`."""
    if _in_loop():
        raise UsageError("run_sync was called inside a running event loop: say outcome = await flow.run(...)")
    prepared = prepare(flow, input, state, **options)
    backend = prepared.backend
    return backend.run_sync(prepared.run, needs_loop=backend.remote is not None or _needs_loop(flow.node))


def _in_loop() -> bool:
    try:
        anyio.current_time()
    except RuntimeError:  # anyio's NoEventLoopError
        return False
    return True


@dataclass(slots=True)
class Prepared:
    """A run that was checked and has not started."""

    node: Node
    input: Any
    state: Any
    backend: Backend
    deps: Any
    run_id: str
    trace: bool
    validate: bool
    listener: Listener | None

    async def run(self, backend: Backend) -> Outcome[Any, Any, Any]:
        """Run to the end on ``backend`` and give the outcome; only cancellation is raised."""
        events: list[Event] = []
        listener = _both(events.append, self.listener) if self.trace else self.listener
        probe = backend.probe
        careful = listener is not None or self.validate or backend.careful or probe is not None
        deps, remote = self.deps, backend.remote
        if deps is not None and remote is None:
            deps = await made(deps, backend.need_loop)
        shared = Run(self.run_id, backend, execute, compile_node, deps, listener, self.validate, careful, probe)
        node, value = self.node, self.input
        while isinstance(node, Given):
            value, node = node.value, node.body
        if remote is not None:
            end = await remote(shared, node, value, self.state)
            if end.fault is not None:
                return Outcome(Failure(end.fault.error), end.state, end.fault.place, tuple(events))
            return Outcome(Success(end.value), end.state, None, tuple(events))
        block = compile_node(node, careful or value.__class__ is Arguments)
        fiber = Fiber(shared, block, self.state)
        try:
            result: Any = Success(await execute(fiber, block, value))
        except Halt as halt:
            fault = halt.fault
            return Outcome(Failure(fault.error), fiber.state, fault.place, tuple(events))
        return Outcome(result, fiber.state, None, tuple(events))


def prepare(
    flow: Flow[Any, Any, Any, Any],
    input: Any,
    state: Any,
    *,
    deps: Any = None,
    backend: Backend | None = None,
    run_id: str | None = None,
    trace: bool = False,
    validate: bool = False,
    listener: Listener | None = None,
) -> Prepared:
    """Check the call; raises :class:`mce.DefinitionError` if the flow cannot run or is not given what it needs."""
    body, value = flow.node, input
    while isinstance(body, Given):
        value, body = body.value, body.body
    compile_node(body, False)
    if input is NO_INPUT:
        taker = first_taker(flow.node)
        if taker is not None:
            raise InvalidInput(
                f"this flow needs an input, which {taker} takes, and was run without one: say run(value)"
            )
        input = None
    if isinstance(backend, type):
        raise InvalidInput(f"backend={backend.__name__} is a class: say backend={backend.__name__}()")
    if isinstance(body, Call) and not isinstance(value, Arguments):
        check_takes_one(body.spec)
    return Prepared(
        flow.node,
        input,
        state,
        backend or _default_backend(),
        deps,
        run_id or _new_id(),
        trace,
        validate,
        listener,
    )


@functools.cache
def _default_backend() -> Backend:
    """Give the backend of runs that are given none: one for all, since it keeps nothing of any."""
    from mce.backends.local import LocalBackend

    return LocalBackend()


def _new_id() -> str:
    """Give 128 random bits, as a UUID has them, without asking the system for them each time."""
    return f"{_random.getrandbits(128):032x}"


_random = random.Random()
if hasattr(os, "register_at_fork"):  # or parent and child would go on with the same numbers
    os.register_at_fork(after_in_child=_random.seed)


def first_taker(root: Node) -> str | None:
    """Say what, of all that ``root`` may run first, takes an input; ``None`` when the flow is closed."""
    if isinstance(root, Given):
        return None
    kept = root.compiled if hasattr(root, "compiled") else None
    if kept is None:
        return _find_taker(root)
    if kept[2] is None:
        kept[2] = (_find_taker(root),)
    return kept[2][0]  # type: ignore[no-any-return]


def _find_taker(root: Node) -> str | None:
    stack = [root]
    while stack:
        node = stack.pop()
        match node:
            case Call(_, spec):
                if passes_on(node):
                    continue
                if spec.accepts or spec.required:
                    return f"step {spec.name!r}"
            case Fn() if passes_on(node):
                continue
            case Fn(f):
                return f"the function {getattr(f, '__name__', f)!r}"
            case Dynamic(f, _, True) if not getattr(f, "accepts", 1):
                continue
            case Dynamic(_, name, direct):
                return f"{'the block' if direct else 'the function of bind'} {name!r}"
            case Each():
                return f"{node.name!r}, an iterable"
            case Choice():
                return f"the selector of {node.name!r}"
            case Given():
                continue
            case Then(first, second):
                if passes_on(first):
                    stack.append(second)
                stack.append(first)
            case Par() | Race():
                stack.extend(reversed(children(node)))
            case Dag(tasks, takes):
                given = [(task, what) for task, what in zip(tasks, takes, strict=True) if what.takes_input()]
                for (name, _), what in given:
                    if what.form == "arguments":
                        return f"task {name!r} of {node.name!r}"
                stack.extend(body for (_, body), _ in reversed(given))
            case Bracket(acquire, use):
                if passes_on(acquire):
                    stack.append(use)
                stack.append(acquire)
            case _:
                stack.extend(children(node)[:1])
    return None


def _needs_loop(root: Node) -> bool:
    """Whether a flow surely calls an async step, or may hide one under a timeout, which could not interrupt it."""
    nodes = postorder(root)
    if any(isinstance(node, Call) and node.spec.is_async for node in nodes):
        return True
    return any(isinstance(node, Timeout) for node in nodes) and any(isinstance(node, Dynamic) for node in nodes)


async def made(deps: Any, need_loop: Callable[[], Coroutine[Any, Any, None]]) -> Any:
    """Call ``deps`` if it is a factory: a function, a method, a class or a partial."""
    factory = inspect.isroutine(deps) or isinstance(deps, type | functools.partial)
    if not factory:
        return deps
    made = deps()
    if inspect.isawaitable(made):
        await need_loop()
        made = await made
    return made


def _both(first: Listener, second: Listener | None) -> Listener:
    if second is None:
        return first

    def tell(event: Event) -> None:
        first(event)
        second(event)

    return tell
