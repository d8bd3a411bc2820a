"""The conformance suite for backends: what every backend promises, ours and anybody's.

The rules are cases, functions of a :class:`~mce.testing.cases.bench.Bench`, in :mod:`mce.testing.cases`. They are
deterministic, judge no time, and where backends may differ they allow what is allowed. To run them one by one under
pytest, parametrise over :func:`conformance_cases`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from mce.engine.protocol import Backend
from mce.errors import DefinitionError, brief
from mce.testing.cases import blocks, cancelling, deep, events, failures, joins, nodes, policies, states, steps
from mce.testing.cases.bench import Case, Loop, Mismatch

__all__ = ["Broken", "NotConforming", "check_backend", "conformance_cases"]

_TOPICS = (nodes, steps, failures, joins, states, policies, blocks, events, cancelling, deep)
_CASES = tuple(case for topic in _TOPICS for case in topic.CASES.found)


@dataclass(frozen=True, slots=True)
class Broken:
    """A case that a backend did not pass: in which loop, and what was raised."""

    case: Case
    loop: Loop
    error: BaseException

    def __str__(self) -> str:
        where = "by run_sync" if self.loop is None else f"in a loop of {self.loop}"
        what = str(self.error) if isinstance(self.error, Mismatch) else f"raised {brief(self.error, 300)}"
        return f"{self.case.name} ({where}): {what}\n    rule: {self.case.rule}"


class NotConforming(AssertionError):
    """A backend breaks rules of the suite; ``broken`` says which and how."""

    def __init__(self, backend: str, checked: int, broken: Sequence[Broken]) -> None:
        super().__init__(backend, checked, tuple(broken))
        self.backend, self.checked, self.broken = backend, checked, tuple(broken)

    def __str__(self) -> str:
        head = f"{self.backend} does not pass {len(self.broken)} of {self.checked} conformance cases:"
        return "\n".join([head, *(f"  {found}" for found in self.broken)])


def conformance_cases(only: Collection[str] | None = None) -> tuple[Case, ...]:
    """Give the cases of the suite, all of them or those named: ``joins`` is a topic, ``joins.joins_nest`` a case.

    Raises :class:`mce.DefinitionError` for a name that is none of them.

    >>> [case.name for case in conformance_cases(only=["nodes.pure_gives_its_value_whatever_it_is"])]
    ['nodes.pure_gives_its_value_whatever_it_is']
    >>> conformance_cases(only=["joints"])
    Traceback (most recent call last):
    mce.errors.DefinitionError: 'joints' is no case and no topic of the suite; did you mean 'joins'?
    """
    if only is None:
        return _CASES
    if isinstance(only, str):
        raise DefinitionError(f"only={only!r} is a collection of names: say only=[{only!r}]")
    known = {case.name for case in _CASES} | {_topic(case) for case in _CASES}
    for name in only:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise DefinitionError(f"{name!r} is no case and no topic of the suite{hint}")
    return tuple(case for case in _CASES if case.name in only or _topic(case) in only)


def _topic(case: Case) -> str:
    return case.name.partition(".")[0]


def check_backend(
    make: Callable[[], Backend],
    *,
    only: Collection[str] | None = None,
    loops: Sequence[Loop] = (None, "asyncio"),
    real_time: bool = True,
) -> None:
    """Check that the backends that ``make`` gives keep every rule of the suite.

    ``make`` is called for each run and gives a fresh backend. ``only`` names the cases or topics to check. ``loops``
    says how flows are run: ``None`` by ``run_sync``, ``"asyncio"`` and ``"trio"`` in a running loop of that kind. With
    ``real_time=False`` cases are left out in which work takes time that the backend's clock does not see. Steps that
    run in other processes must find this machine's files.

    Raises :class:`NotConforming`, which lists every case that was not passed, with what was expected and what came.

    >>> from mce import InlineBackend
    >>> check_backend(InlineBackend, only=["nodes"], loops=[None])
    >>> class Forgetful(InlineBackend):
    ...     async def call(self, fn, args, kwargs, spec):
    ...         return None
    >>> check_backend(Forgetful, only=["steps.a_step_takes_its_input"], loops=[None])
    Traceback (most recent call last):
    mce.testing.conformance.NotConforming: InlineBackend() does not pass 1 of 1 conformance cases:
      steps.a_step_takes_its_input (by run_sync): the result: expected <Success: 2>, got <Success: None>
        rule: A step of one parameter, async or plain, chains and is called with its input.
    """
    if not callable(make):
        raise DefinitionError(f"check_backend takes a function that makes a backend, not {brief(make)}: pass the class")
    checked: list[tuple[Case, Loop]] = [
        (case, loop) for case in conformance_cases(only) for loop in loops if case.fits(make, loop, real_time=real_time)
    ]
    broken = [Broken(case, loop, error) for case, loop in checked if (error := _failure(case, make, loop)) is not None]
    if broken:
        raise NotConforming(brief(make()), len(checked), broken) from broken[0].error


def _failure(case: Case, make: Callable[[], Backend], loop: Loop) -> BaseException | None:
    try:
        case.check(make, loop)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a cancellation that leaks out of a run, too, is the backend's fault
        return error
    return None
