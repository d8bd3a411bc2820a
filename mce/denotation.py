"""The reference meaning: what every node of a flow does in the stack, in a few lines each.

A flow denotes ``I -> S -> Task((Result[A, E], S))``, a computation of ``ResultT(StateT(Task()))`` over its input: a
failure keeps the state. Every backend is tested against this meaning, so it is written without the engine, for
clarity alone. It goes from left to right in one task, and has neither clock nor meter: waits take no time, nothing
times out or uses up a budget, and a race is won by the first branch in order that succeeds. Nobody listens to
``emit``, jitter has the seed 0, paths are empty. What asks the engine for more than a step may (``limit``, ``cached``,
``compensate`` and the like) has no meaning here.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, assert_never

from returns.result import Failure, Result, Success

from mce.context import Context
from mce.dag_meaning import dag_meaning
from mce.errors import Failed, InvalidFlow, LoopLimit, StateConflict, brief
from mce.flow import Flow
from mce.schedule import Schedule
from mce.stack import (
    STACK,
    STATES,
    Branch,
    End,
    Fault,
    computed,
    defect,
    focused,
    however,
    joined,
    operated,
    released,
    speculated,
    undone,
    within,
)
from mce.syntax import (
    Again,
    Arguments,
    Bracket,
    Call,
    Choice,
    Dag,
    Done,
    Dynamic,
    Each,
    Fail,
    Fn,
    Focus,
    Given,
    Join,
    Label,
    Loop,
    Node,
    Par,
    Pure,
    Race,
    Recover,
    Retry,
    StateOp,
    StepSpec,
    Suspend,
    Then,
    Timeout,
    Transact,
)
from mce.transformers import Arrow, Computation, Task, Thunk, fmap

__all__ = ["denote", "meaning"]

pure, bind = STACK.pure, STACK.bind


@dataclass(frozen=True)
class _Run:
    """What computations find around them: what the caller passed, and the ``attempt`` of the innermost retry."""

    deps: Any
    attempt: int = 1


def denote(flow: Flow[Any, Any, Any, Any], *, deps: Any = None) -> Callable[[Any], Callable[[Any], Thunk]]:
    """Give the meaning of ``flow``; see :func:`mce.transformers.denote`."""
    arrow = meaning(flow, deps)
    return lambda value: lambda state: fmap(Task(), _observed, bind(pure(value), arrow)(Branch(state)))


def _observed(end: End) -> tuple[Result[Any, Any], Any]:
    result, branch = end
    return result.alt(lambda fault: fault.error), branch.state


def meaning(flow: Flow[Any, Any, Any, Any], deps: Any) -> Arrow:
    """Give the meaning of ``flow`` as an arrow of the stack: an input, to a computation that tells all it did."""
    return _arrow(flow.node, _Run(deps))


def _arrow(node: Node, run: _Run) -> Arrow:
    return lambda value: _meaning(node, value, run)


def _meaning(node: Node, value: Any, run: _Run) -> Computation:
    """Give the computation of ``node`` on ``value``; what is in it is for later, so that flows may be of any depth.

    It is one ``match`` over the closed set of nodes, and as long as the set.
    """

    def on(body: Node, given: Any) -> Computation:
        return bind(pure(given), _arrow(body, run))

    match node:
        case Pure(result):
            return pure(result)
        case Fail(error):
            return STACK.fail(Fault(error))
        case Fn(f):
            return computed(lambda: f(value))
        case Call(_, spec) if spec.internal:
            raise InvalidFlow(f"{spec.name!r} is a part of a combinator and asks the engine for more than a step may")
        case Call(_, spec) if spec.retry is not None:
            return _retried(lambda nth: _called(node, value, nth), spec.retry, None, run)
        case Call():
            return _called(node, value, run)
        case Dynamic(f, direct=True):
            return bind(computed(lambda: f(value)), lambda block: _driven(block, run))
        case Dynamic(f):
            return bind(computed(lambda: _flow(f(value))), lambda flow: on(flow.node, None))
        case Then(first, second):
            return bind(on(first, value), _arrow(second, run))
        case Given(given, body):
            return on(body, given)
        case Label(body) | Timeout(body):
            return on(body, value)
        case Par((condition, if_true, if_false), Join("speculate")):
            return speculated(on(condition, value), on(if_true, value), on(if_false, value))
        case Par(parts, how):
            return joined([on(part, value) for part in parts], how)
        case Each(body, how):
            elements = computed(lambda: list(value))
            return bind(elements, lambda found: joined([on(body, element) for element in found], how))
        case Race(parts):
            won = joined([on(part, value) for part in parts], Join("quorum", count=1))
            return bind(won, lambda values: pure(values[0]))
        case Choice(selector, cases, default):
            chosen = computed(lambda: _case(selector(value), cases, default))
            return bind(chosen, lambda body: on(body, value))
        case Recover(body, handler, matching, keeps_input):
            given = (lambda fault: value) if keeps_input else (lambda fault: _handed(fault, matching))
            return STACK.recover(
                on(body, value),
                lambda fault: on(handler, given(fault)) if fault.matches(matching) else STACK.fail(fault),
            )
        case Loop():
            return _turns(node, value, run, 0)
        case Retry(body, schedule, matching):
            return _retried(lambda nth: bind(pure(value), _arrow(body, nth)), schedule, matching, run)
        case Bracket(acquire, use, release):
            return bind(
                on(acquire, value),
                lambda resource: released(on(use, resource), on(release, resource)),
            )
        case StateOp(f):
            return operated(f)
        case Focus(lens, body):
            return focused(lens, on(body, value))
        case Transact(body):
            return STATES.bind(STATES.get(), lambda start: undone(on(body, value), start))
        case Dag():
            return dag_meaning(node, value, on)
        case Suspend():
            raise InvalidFlow(f"suspend({brief(node.token)}) waits for somebody outside: it has no meaning of its own")
        case _:
            assert_never(node)


# -- steps -------------------------------------------------------------------------------------------------------------


def _called(node: Call, value: Any, run: _Run) -> Computation:
    """Perform the step, which says how to go on: the one place where effects happen."""
    spec = node.spec

    def in_branch(branch: Branch) -> Thunk:
        async def perform() -> End:
            host = _Host(replace(branch, spent=branch.spent or spec.idempotent is False), run)
            ctx: Context[Any] = Context(host, spec.name)
            args, kwargs = _arguments(spec, value)
            try:
                returned = node.fn(*([ctx] if spec.takes_context else []), *args, **kwargs)
                returned = await returned if spec.is_async else returned
            except Exception as error:
                expected = isinstance(error, spec.raises)
                return Failure(Fault(error) if expected else defect(error, run.attempt)), host.branch
            finally:
                ctx.close()
            return Success(_returned(returned, run)), host.branch

        return perform

    return bind(in_branch, lambda going_on: going_on)


def _arguments(spec: StepSpec, value: Any) -> tuple[tuple[Any, ...], Any]:
    if isinstance(value, Arguments):
        return value.args, value.kwargs
    return (value,) if spec.accepts else (), {}


def _returned(returned: Any, run: _Run) -> Computation:
    match returned:
        case Success(value):
            return pure(value)
        case Failure(error):
            return STACK.fail(Fault(error))
        case Flow():
            return bind(pure(None), _arrow(returned.node, run))
        case _:
            return pure(returned)


class _Host:
    """What the context of one call asks for."""

    def __init__(self, branch: Branch, run: _Run) -> None:
        self.branch = branch
        self.state = branch.state
        self.run = run

    @property
    def deps(self) -> Any:
        return self.run.deps

    def update(self, fields: dict[str, Any]) -> None:
        self._go_on(self.branch.update(fields))

    def replace(self, state: Any) -> None:
        self._go_on(self.branch.put(state))

    def _go_on(self, branch: Branch) -> None:
        self.branch, self.state = branch, branch.state

    def emit(self, value: Any) -> None:
        pass

    def path(self) -> str:
        return ""

    def attempt(self) -> int:
        return self.run.attempt

    def idempotency_key(self) -> str:
        return ""

    def spend(self, cost: float) -> None:
        pass

    async def sleep(self, seconds: float) -> None:
        pass


# -- do blocks ---------------------------------------------------------------------------------------------------------


def _driven(block: Any, run: _Run) -> Computation:
    """Bind each flow that the ``do`` block awaits; a failure is raised in it, and one that it lets pass is the same."""
    raised: list[tuple[BaseException, Fault]] = []

    def resumed(result: Result[Any, Fault]) -> Computation:
        return STATES.bind(STATES.lift(lambda: advance(result)), went_on)

    async def advance(result: Result[Any, Fault]) -> Result[Any, Fault]:
        value, error = (result.unwrap(), None) if isinstance(result, Success) else (None, _exception(result.failure()))
        if isinstance(result, Failure) and error is not None:
            raised.append((error, result.failure()))
        while True:
            try:
                awaited = block.send(value) if error is None else block.throw(error)
            except StopIteration as end:
                return Success(Done(end.value))
            except Exception as passed:
                return Failure(next((fault for known, fault in raised if known is passed), _passed(passed)))
            if isinstance(awaited, Flow):
                return Success(awaited)
            try:
                value, error = await _handed_on(awaited), None
            except BaseException as thrown:
                value, error = None, thrown

    def went_on(found: Result[Any, Fault]) -> Computation:
        match found:
            case Success(Done(value)):
                return pure(value)
            case Success(flow):
                return STATES.bind(bind(pure(None), _arrow(flow.node, run)), resumed)
            case _:
                return STATES.pure(found)

    return resumed(Success(None))


def _exception(fault: Fault) -> BaseException:
    return fault.cause if isinstance(fault.cause, BaseException) else Failed(fault.error)


def _passed(error: Exception) -> Fault:
    return Fault(error.error) if isinstance(error, Failed) else defect(error)


@types.coroutine
def _handed_on(awaited: Any) -> Generator[Any, Any, Any]:
    """Give to the event loop what the block awaits of it."""
    return (yield awaited)


# -- the other nodes ---------------------------------------------------------------------------------------------------


def _flow(found: Any) -> Flow[Any, Any, Any, Any]:
    if not isinstance(found, Flow):
        raise TypeError(f"bind takes a function that gives a flow, and was given {brief(found)}")
    return found


def _case(key: Any, cases: Sequence[tuple[Any, Node]], default: Node | None) -> Node:
    chosen = next((body for case, body in cases if case == key), default)
    if chosen is None:
        raise LookupError(f"no case for {brief(key)}")
    return chosen


def _handed(fault: Fault, on: tuple[type, ...] | None) -> Any:
    """Give what a handler is given: the error, or the cause of a defect that was caught by it."""
    return fault.error if on is None or not isinstance(fault.cause, on) else fault.cause


def _turns(loop: Loop, value: Any, run: _Run, turn: int) -> Computation:
    if turn == loop.at_most:
        return STACK.fail(Fault(LoopLimit(turn, last=value)))
    body = bind(pure(value), _arrow(loop.body, run))
    judged = bind(body, lambda found: computed(lambda: _judged(loop, found)))
    return bind(
        judged,
        lambda end: pure(end.value) if isinstance(end, Done) else _turns(loop, end.value, run, turn + 1),
    )


def _judged(loop: Loop, found: Any) -> Again | Done:
    if loop.until is not None:
        return Done(found) if loop.until(found) else Again(found)
    if not isinstance(found, Again | Done):
        raise TypeError(f"the body of {loop.name} must give Again(value) or Done(value), not {brief(found)}")
    return found


def _retried(
    body: Callable[[_Run], Computation], schedule: Schedule, on: tuple[type, ...] | None, run: _Run
) -> Computation:
    """Perform ``body`` again and again from the branch here, as often as the schedule has delays."""

    def attempt(start: Branch, number: int, delays: Iterator[float]) -> Computation:
        def ended(result: Result[Any, Fault], branch: Branch) -> Computation:
            wanted = isinstance(result, Failure) and not branch.spent and _repeats(result.failure(), on)
            if wanted and next(delays, None) is not None:
                return attempt(start.after(branch), number + 1, delays)
            return within(branch.after(start), STATES.pure(result))

        return within(replace(start, spent=False), however(body(replace(run, attempt=number)), ended))

    return STATES.bind(STATES.get(), lambda start: attempt(start, 1, schedule.delays()))


def _repeats(fault: Fault, on: tuple[type, ...] | None) -> bool:
    return not isinstance(fault.error, StateConflict) and (on is None or fault.matches(on))
