"""What a ``Dag`` means: its tasks one after the other, in their order, each in the state that those before it make.

The changes of the tasks before a point are made one after the other, provided that no two that are side by side
conflict. That is what a join makes of them, for every reducer that combines as it composes: all but ``First``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, TypeAlias

from returns.result import Failure, Result

from mce.stack import STACK, STATES, Branch, Fault, all_of, fork, however, tried, within
from mce.state import Change, Delta, Fields, apply_change, join
from mce.syntax import Arguments, Dag, Join, Node, Ref, Takes
from mce.transformers import Computation, fmap

__all__ = ["dag_meaning"]

_Turn: TypeAlias = tuple[Sequence[int], Callable[[Sequence[Any]], Computation]]
"""The numbers of the tasks that one waits for, and what to do with the values of all so far."""


def dag_meaning(dag: Dag, value: Any, on: Callable[[Node, Any], Computation]) -> Computation:
    """Give the computation of ``dag`` on ``value``; ``on(body, input)`` is that of a task's body."""
    number = {name: at for at, (name, _) in enumerate(dag.tasks)}

    def turn(body: Node, takes: Takes) -> _Turn:
        waits = [number[name] for name in takes.waits_for()]
        return waits, lambda values: on(body, _taken(takes, {None: value, **dict(zip(number, values, strict=False))}))

    def outputs(results: Sequence[Result[Any, Fault]]) -> Any:
        settled = dag.join.mode == "settle"
        told = [result.alt(lambda fault: fault.error) if settled else result.unwrap() for result in results]
        found = [told[number[name]] for name in dag.outputs]
        if dag.form == "dict":
            return dict(zip(dag.outputs, found, strict=True))
        return found[0] if dag.form == "one" else tuple(found)

    turns = [turn(body, takes) for (_, body), takes in zip(dag.tasks, dag.takes, strict=True)]
    return fmap(STACK, outputs, _in_order(turns, dag.join))


def _taken(takes: Takes, values: Mapping[str | None, Any]) -> Any:
    """Give the input of a task that takes some of ``values``."""
    found = [values[taken.name] if isinstance(taken, Ref) else taken for taken in takes.values]
    if takes.form == "one":
        return found[0] if found else None
    by_place = len(found) - len(takes.keywords)
    by_name = dict(zip(takes.keywords, found[by_place:], strict=True))
    return tuple(found) if takes.form == "tuple" else Arguments(tuple(found[:by_place]), by_name)


@dataclass(frozen=True)
class _Task:
    """What is left of a task of a dag: how it ended, what it changed, and which tasks came ``before`` it."""

    result: Result[Any, Fault]
    change: Change | None
    before: frozenset[int]
    ran: bool = True


def _in_order(tasks: Sequence[_Turn], how: Join) -> Computation:
    """Perform tasks one after the other, each in the state that those before it make; have their results."""

    def go_on(start: Branch, ends: tuple[_Task, ...]) -> Computation:
        failed = any(isinstance(end.result, Failure) for end in ends)
        if len(ends) == len(tasks) or (failed and how.mode == "fail_fast"):
            return _finished(start, ends, how)
        waits, begin = tasks[len(ends)]
        before = frozenset(waits).union(*(ends[at].before for at in waits))
        lost = next((ends[at] for at in waits if isinstance(ends[at].result, Failure)), None)
        if lost is not None:
            passed_over = _Task(lost.result, None, before, ran=False)
            return within(start, STATES.bind(STATES.get(), lambda _: go_on(start, (*ends, passed_over))))

        def ended(result: Result[Any, Fault], branch: Branch) -> Computation:
            return go_on(start.after(branch), (*ends, _Task(result, branch.change, before)))

        def begun(met: Result[Any, Fault], branch: Branch) -> Computation:
            if isinstance(met, Failure):
                return ended(met, fork(start))
            return within(fork(branch), however(begin([end.result.value_or(None) for end in ends]), ended))

        return within(start, however(tried(lambda branch: (None, _made(branch, ends, before))), begun))

    return STATES.bind(STATES.get(), lambda start: go_on(start, ()))


def _finished(start: Branch, ends: Sequence[_Task], how: Join) -> Computation:
    lost = [at for at, end in enumerate(ends) if isinstance(end.result, Failure) and end.ran]
    if lost and how.mode == "fail_fast":
        kept, gives = {*ends[lost[0]].before, lost[0]}, STATES.pure(ends[lost[0]].result)
        start = replace(start, cancels=True)
    elif lost and how.mode == "accumulate":
        kept, gives = set(range(len(ends))), STACK.fail(all_of([(ends[at].result, start) for at in lost]))
    else:
        kept, gives = set(range(len(ends))), STACK.pure([end.result for end in ends])
    return STACK.bind(within(start, tried(lambda branch: (None, _made(branch, ends, kept)))), lambda _: gives)


def _made(start: Branch, ends: Sequence[_Task], which: Collection[int]) -> Branch:
    """Make the changes of some tasks in their order; a ``StateConflict`` is raised if two side by side conflict."""
    for one, other in combinations(sorted(which), 2):
        if one not in ends[other].before:
            join(start.state, [ends[one].change, ends[other].change], [f"[{one}]", f"[{other}]"])
    branch = start
    for change in (ends[at].change for at in sorted(which)):
        state = apply_change(branch.state, change)
        branch = branch.adopt(state, _as_seen(change, state))
    return branch


def _as_seen(change: Change | None, state: Any) -> Change | None:
    """Give ``change`` with the values that fields have by now, where it was made to another state than its own."""
    if isinstance(change, Fields):
        return Fields({name: _as_seen(inner, getattr(state, name)) or inner for name, inner in change.changes.items()})
    return replace(change, value=state) if isinstance(change, Delta) else change
