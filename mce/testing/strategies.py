"""Hypothesis strategies: random well-typed flows over a small vocabulary, the states and the inputs they run on.

A random flow is a program: text in the combinators of :mod:`mce` and the words of :mod:`mce.testing.vocabulary` and
:mod:`mce.testing.steps`, which Hypothesis prints when a test fails. :func:`program` makes the flow of it, so that what
was printed can be run. The grammar is in :mod:`mce.testing.grammar`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import islice
from operator import and_, or_
from typing import Any, TypeVar, overload

from hypothesis import strategies as st

from mce import combinators, schedule
from mce.flow import Flow
from mce.schedule import Schedule, exponential, fibonacci, recurs, spaced
from mce.testing import steps, vocabulary
from mce.testing.grammar import arrow_texts
from mce.testing.scope import DEFECTS, EXPECTED, NEVER, Scope
from mce.testing.value_strategies import values_of
from mce.testing.vocabulary import Choice, Ledger, Overdrawn, Page, Plus, Refused, Spread, weight

__all__ = [
    "arrows",
    "continuation",
    "continuations",
    "errors",
    "flows",
    "functions",
    "program",
    "schedules",
    "states",
    "values",
]

M = TypeVar("M")

_WORDS = {
    name: getattr(module, name) for module in (combinators, schedule, vocabulary, steps) for name in module.__all__
}


def program(text: str) -> Flow[Any, Any, Any, Any]:
    """Give the flow that ``text`` describes in the combinators and the words of the vocabulary.

    >>> program("gather(adds(1), adds(2) >> notes('log'))").run_sync(3, state=Ledger()).state.log
    (5,)
    """
    return _read(text)  # type: ignore[no-any-return]


def _read(text: str) -> Any:
    return eval(text, {"__builtins__": {"max": max, "object": object}}, _WORDS)


def continuation(text: str) -> Choice:
    """Give the ``Choice(...)`` that ``text`` describes."""
    return _read(text)  # type: ignore[no-any-return]


def arrows(
    *,
    size: int = 6,
    fails: bool = True,
    defects: bool = True,
    deterministic: bool = False,
    fields: Collection[str] | None = None,
) -> st.SearchStrategy[Flow[Any, Any, Any, Ledger]]:
    """Give a strategy for flows that take any value, of at most about ``size`` words, in a state ``Ledger``.

    ``fails=False`` leaves out all failures, ``defects=False`` those that are defects; ``fields`` are those of the
    state that may be read or written. With ``deterministic`` a flow has the same outcome on every backend: no race,
    hedge, quorum or timeout, and at most one possible failure in each fail-fast join.
    """
    return st.builds(program, arrow_texts(_scope(fails, defects, deterministic, fields), size))


def flows(
    *,
    size: int = 6,
    fails: bool = True,
    defects: bool = True,
    deterministic: bool = False,
    fields: Collection[str] | None = None,
) -> st.SearchStrategy[Flow[object, Any, Any, Ledger]]:
    """Give a strategy for closed flows: those of :func:`arrows`, and its options, with a value supplied."""
    text = arrow_texts(_scope(fails, defects, deterministic, fields), size)
    return st.builds(program, st.builds("({})({})".format, text, st.integers(0, 9)))


def continuations(
    *,
    size: int = 4,
    fails: bool = True,
    defects: bool = True,
    deterministic: bool = False,
    fields: Collection[str] | None = None,
) -> st.SearchStrategy[Choice]:
    """Give a strategy for functions that make a closed flow of a value; they are data, and the value picks the flow.

    The options are those of :func:`arrows`.
    """
    text = st.lists(arrow_texts(_scope(fails, defects, deterministic, fields), size), min_size=1, max_size=3)
    return st.builds(continuation, text.map(lambda found: f"Choice({', '.join(found)})"))


def _scope(fails: bool, defects: bool, deterministic: bool, fields: Collection[str] | None) -> Scope:
    most = NEVER if not fails else DEFECTS if defects else EXPECTED
    return Scope(most, most, deterministic=deterministic, fields=None if fields is None else frozenset(fields))


def values() -> st.SearchStrategy[Any]:
    """Give a strategy for inputs: a small number, or a tuple of them."""
    return st.integers(0, 9) | st.lists(st.integers(0, 9), max_size=3).map(tuple)


@overload
def states() -> st.SearchStrategy[Ledger]: ...
@overload
def states(model: type[M], /) -> st.SearchStrategy[M]: ...
def states(model: type[Any] | None = None, /) -> st.SearchStrategy[Any]:
    """Give a strategy for states of the class ``model``, a pydantic model or a dataclass; else for those of ``flows``.

    Every field is drawn from its annotation, constraints and all, or left to its default; the class's own validation
    has the last word.

    >>> from hypothesis import find
    >>> find(states(Page), lambda page: page.count > 3)
    Page(count=4, tags=frozenset())
    """
    if model is not None:
        return values_of(model)
    number, numbers = st.integers(0, 9), st.frozensets(st.integers(0, 9), max_size=2)
    return st.builds(
        Ledger,
        mark=number,
        log=st.lists(number, max_size=2).map(tuple),
        total=number,
        best=st.none() | number,
        page=st.builds(Page, count=number, tags=numbers),
    )


def schedules(*, ends: bool = True, size: int = 4) -> st.SearchStrategy[Schedule]:
    """Give a strategy for schedules of at most about ``size`` parts, which print as the program that makes them.

    Each gives at most nine delays; with ``ends=False`` some go on for ever. They shrink to ``recurs(0)``.

    >>> from hypothesis import find
    >>> find(schedules(), lambda schedule: True)
    recurs(0)
    """
    seconds = st.integers(0, 9).map(float) | st.floats(0, 100)
    leaves = (
        st.builds(recurs, st.integers(0, 9))
        | st.builds(spaced, seconds)
        | st.builds(exponential, seconds, factor=st.integers(0, 3))
        | st.builds(fibonacci, seconds)
    )
    found = st.recursive(leaves, lambda parts: _larger(parts, seconds), max_leaves=size)
    return found.map(_ending) if ends else found


def _larger(parts: st.SearchStrategy[Schedule], seconds: st.SearchStrategy[float]) -> st.SearchStrategy[Schedule]:
    return st.one_of(
        st.builds(and_, parts, parts),
        st.builds(or_, parts, parts),
        st.builds(Schedule.jittered, parts),
        st.builds(Schedule.capped, parts, seconds),
        st.builds(Schedule.up_to, parts, seconds),
    )


def _ending(schedule: Schedule) -> Schedule:
    return schedule if len(list(islice(schedule.delays(), 10))) < 10 else schedule & recurs(9)


def errors() -> st.SearchStrategy[Any]:
    """Give a strategy for errors of expected failures, of both kinds."""
    return st.builds(Refused, st.integers(0, 9)) | st.builds(Overdrawn, st.integers(0, 9))


def functions() -> st.SearchStrategy[Callable[[Any], Any]]:
    """Give a strategy for pure functions of any value."""
    return st.just(weight) | st.builds(Plus, st.integers(1, 9)) | st.builds(Spread, st.integers(1, 3))
