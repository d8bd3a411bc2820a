"""The stack that flows denote, and what their nodes do in it: try, go on however it ended, branch and join.

It is ``ResultT(StateT(Task()))`` of :mod:`mce.transformers`. Its state is a :class:`Branch`: the user's state, with the
change that led to it since the last fork, so that branches join by the rules of :mod:`mce.state`. Its error is a
:class:`Fault`, which knows a defect from an expected failure. What each node means in it is in
:mod:`mce.denotation`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from returns.result import Failure, Result, Success

from mce.errors import Defect, StateConflict
from mce.lens import Lens
from mce.reducers import Shape
from mce.state import Change, compose, join, replace_state, update_state
from mce.syntax import Join
from mce.transformers import Computation, ResultT, StateT, Task, Thunk, fmap

__all__ = [
    "STACK",
    "STATES",
    "Branch",
    "End",
    "Fault",
    "all_of",
    "computed",
    "defect",
    "focused",
    "fork",
    "however",
    "joined",
    "operated",
    "released",
    "speculated",
    "tried",
    "undone",
    "within",
]

STACK = ResultT(StateT(Task()))
STATES = STACK.base


@dataclass(frozen=True)
class Fault:
    """A failure: the ``error``, and whether it was ``expected`` or is a defect."""

    error: Any
    expected: bool = True

    def matches(self, on: tuple[type, ...] | None) -> bool:
        """Say whether a ``recover`` or ``retry`` with ``on`` is meant."""
        return self.expected if on is None else isinstance(self.error, on) or isinstance(self.cause, on)

    @property
    def cause(self) -> Any:
        """The exception under a defect, else the error."""
        return self.error.cause if isinstance(self.error, Defect) else self.error


@dataclass(frozen=True)
class Branch:
    """The state of one branch and the ``change`` that led to it; ``shape`` is that of the part under a ``focus``.

    ``spent`` says that a step declared ``idempotent=False`` was called, ``cancels`` that a fail-fast join failed or a
    race was won: which calls the other branches made by then is left open.
    """

    state: Any
    change: Change | None = None
    shape: Shape | None = None
    spent: bool = False
    cancels: bool = False

    def update(self, fields: dict[str, Any]) -> Branch:
        return self.adopt(*update_state(self.state, fields, record=True, shape=self.shape))

    def put(self, state: Any) -> Branch:
        return self.adopt(state, replace_state(self.state, state, record=True, shape=self.shape))

    def adopt(self, state: Any, change: Change | None) -> Branch:
        return replace(self, state=state, change=compose(self.change, change))

    def after(self, *others: Branch) -> Branch:
        """Give this branch with what must not be forgotten of ``others``."""
        branches = (self, *others)
        return replace(self, spent=any(b.spent for b in branches), cancels=any(b.cancels for b in branches))


End: TypeAlias = tuple[Result[Any, Fault], Branch]
"""How a computation of the stack ended, and where."""


def tried(f: Callable[[Branch], tuple[Any, Branch]]) -> Computation:
    """Have the value and continue in the branch that ``f`` makes of the branch; what it raises is a defect."""

    def in_branch(branch: Branch) -> Thunk:
        async def perform() -> End:
            try:
                value, after = f(branch)
            except Exception as error:
                return Failure(defect(error)), branch
            return Success(value), after

        return perform

    return in_branch


def computed(f: Callable[[], Any]) -> Computation:
    """Have the value of ``f``; what it raises is a defect."""
    return tried(lambda branch: (f(), branch))


def defect(error: Exception, attempt: int = 1) -> Fault:
    """Give the fault that an exception is which nobody declared."""
    found = error if isinstance(error, StateConflict) else Defect(error, attempt=attempt)
    return Fault(found, expected=False)


def within(branch: Branch, computation: Computation) -> Computation:
    """Perform ``computation`` in another branch than the one here."""
    return STATES.bind(STATES.put(branch), lambda _: computation)


def however(computation: Computation, go_on: Callable[[Result[Any, Fault], Branch], Computation]) -> Computation:
    """Perform ``computation`` and go on however it ended, and where."""
    return STATES.bind(computation, lambda result: STATES.bind(STATES.get(), lambda branch: go_on(result, branch)))


# -- branches ----------------------------------------------------------------------------------------------------------


def joined(parts: Sequence[Computation], how: Join) -> Computation:
    """Perform ``parts`` one after the other, each from the branch here, until the join is decided."""

    def go_on(start: Branch, ends: tuple[End, ...]) -> Computation:
        if len(ends) == len(parts) or _is_decided(ends, len(parts), how):
            return _met(start, ends, how, len(parts))
        part = parts[len(ends)]
        return within(fork(start), however(part, lambda result, branch: go_on(start, (*ends, (result, branch)))))

    return STATES.bind(STATES.get(), lambda start: go_on(start, ()))


def speculated(condition: Computation, if_true: Computation, if_false: Computation) -> Computation:
    """Perform ``condition`` and the branch it decides for, both from the branch here, and join them."""

    def decided(start: Branch, asked: Result[Any, Fault], after: Branch) -> Computation:
        if isinstance(asked, Failure):
            return within(start.after(after).adopt(after.state, after.change), STATES.pure(asked))
        wanted = if_true if asked.unwrap() else if_false
        return within(fork(start), however(wanted, lambda given, end: ended(start, after, given, end)))

    def ended(start: Branch, after: Branch, given: Result[Any, Fault], end: Branch) -> Computation:
        here = replace(start.after(after, end), cancels=True)
        merged = tried(lambda branch: (None, _merged(branch, [(given, after), (given, end)], Join())))
        return STACK.bind(within(here, merged), lambda _: STATES.pure(given))

    return STATES.bind(
        STATES.get(),
        lambda start: within(fork(start), however(condition, lambda asked, after: decided(start, asked, after))),
    )


def fork(start: Branch) -> Branch:
    """Give a branch that starts where ``start`` is."""
    return replace(start, change=None, spent=False)


def _is_decided(ends: Sequence[End], parts: int, how: Join) -> bool:
    won = sum(isinstance(result, Success) for result, _ in ends)
    match how.mode:
        case "fail_fast":
            return won < len(ends)
        case "quorum":
            return won == how.count or len(ends) - won > parts - how.count
        case _:
            return False


def _met(start: Branch, ends: Sequence[End], how: Join, parts: int) -> Computation:
    """Join the changes that are kept and give what the join gives."""
    won = [end for end in ends if isinstance(end[0], Success)]
    lost = [end for end in ends if isinstance(end[0], Failure)]
    cancels = parts > 1 and (how.mode == "quorum" or (how.mode == "fail_fast" and bool(lost)))
    here = start.after(*(branch for _, branch in ends))
    here = replace(here, cancels=here.cancels or cancels)
    match how.mode:
        case "fail_fast" if lost:
            [(failure, branch)] = lost
            return within(here.adopt(branch.state, branch.change), STATES.pure(failure))
        case "accumulate" if lost:
            kept, gives = ends, STACK.fail(all_of(lost))
        case "quorum" if len(won) < how.count:
            kept, gives = [], STACK.fail(all_of(lost))
        case "settle":
            kept, gives = ends, STACK.pure(tuple(result.alt(lambda fault: fault.error) for result, _ in ends))
        case _:
            kept, gives = won, STACK.pure(tuple(result.unwrap() for result, _ in won))
    return STACK.bind(within(here, tried(lambda branch: (None, _merged(branch, kept, how)))), lambda _: gives)


def all_of(lost: Sequence[End]) -> Fault:
    """Give the errors of all, in branch order; a defect outranks."""
    faults = [result.failure() for result, _ in lost]
    return next((f for f in faults if not f.expected), Fault(tuple(f.error for f in faults)))


def _merged(here: Branch, ends: Sequence[End], how: Join) -> Branch:
    branches = [branch for _, branch in ends]
    if how.merge is None:
        return here.adopt(*join(here.state, [b.change for b in branches], [f"[{i}]" for i in range(len(branches))]))
    return here.put(how.merge([b.state for b in branches])) if branches else here


# -- state and resources -----------------------------------------------------------------------------------------------


def released(use: Computation, release: Computation) -> Computation:
    """Perform ``release`` after ``use``, however it ended; the first failure stays."""
    return STATES.bind(use, lambda used: fmap(STATES, lambda last: _first_failure(used, last), release))


def operated(f: Callable[[Any], tuple[Any, Any]]) -> Computation:
    """Have the value and go on in the state that ``f`` makes of the state."""

    def in_branch(branch: Branch) -> tuple[Any, Branch]:
        value, state = f(branch.state)
        return value, branch if state is branch.state else branch.put(state)

    return tried(in_branch)


def focused(lens: Lens[Any, Any], body: Computation) -> Computation:
    """Perform ``body`` on the part, and put it back into the whole, however it ended."""

    def part_of(whole: Branch) -> tuple[Branch, Branch]:
        part = lens.get(whole.state)
        return whole, replace(whole, state=part, change=None, shape=lens.shape(whole.state))

    def back(whole: Branch, result: Result[Any, Fault], part: Branch) -> Computation:
        put_back = tried(
            lambda branch: (None, branch.adopt(*lens.replace(whole.state, part.state, part.change, record=True)))
        )
        return fmap(STATES, lambda put: _first_failure(result, put), within(whole.after(part), put_back))

    return STACK.bind(tried(part_of), lambda whole: however(body, lambda result, part: back(whole, result, part)))


def undone(body: Computation, start: Branch) -> Computation:
    """Perform ``body``; if it fails, go on in the state at the ``start``."""

    def ended(result: Result[Any, Fault], branch: Branch) -> Computation:
        return within(branch if isinstance(result, Success) else start.after(branch), STATES.pure(result))

    return however(body, ended)


def _first_failure(first: Result[Any, Fault], then: Result[Any, Fault]) -> Result[Any, Fault]:
    """Give ``first``, unless it succeeded and what came ``then`` did not."""
    return then if isinstance(first, Success) and isinstance(then, Failure) else first
