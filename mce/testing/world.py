"""``World``: what the outside does during a run, decided call by call, and the order in which things happen.

A world runs flows in simulated time. For every call of a step that is not run for real it decides what comes back and
when, and among tasks that could go on which one does. What is not written down in it is asked of its *oracle*: a calm
one gives the simplest value and serves first who comes first; that of :func:`mce.testing.worlds` draws. What was
decided is kept, so that a world runs again as it did and prints as a program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mce.errors import InvalidInput, brief
from mce.flow import NO_INPUT, Flow
from mce.syntax import Call, postorder
from mce.testing.decisions import Decision, Key
from mce.testing.oracle import Calm, Oracle, Shuffled
from mce.testing.reproduce import literal
from mce.testing.runs import WorldRun
from mce.testing.script import AT_MOST, Constant, Played, Script, StepKey
from mce.testing.stage import Stage

__all__ = ["World"]


class World:
    """Decides what the outside does: in each of the written ``calls``, and in ``order`` who goes next.

    ``calls`` has decisions (:class:`Returns`, :class:`Fails`, :class:`Breaks`, :class:`Hangs`, :class:`Runs`) by the
    path of a step and the number of its call there, from 1. ``order`` has, for each time that several tasks could go
    on, the index of the one that does. Beyond that the ``oracle`` decides (default :class:`Calm`) and both are added
    to. Steps that are declared ``pure`` or to return a flow run for real, all others do not run at all, unless
    :meth:`stub` or :meth:`real` says so; a step that does not run writes no state.

    >>> from mce import step
    >>> from mce.testing import Returns
    >>> @step
    ... def search(query: str) -> list[str]:
    ...     raise ConnectionError("there is no network in a test")
    >>> World().run(search, "monads").outcome
    Outcome([])
    >>> World({("search", 1): Returns(["found"], after=3)}).run(search, "monads")
    <WorldRun Outcome(['found']), 3 s>
    """

    def __init__(
        self,
        calls: Mapping[Key, Decision] | None = None,
        order: Sequence[int] = (),
        *,
        oracle: Oracle | None = None,
        at_most: int = AT_MOST,
    ) -> None:
        self._script = Script(dict(calls or {}), list(order), oracle or Calm(), at_most)

    @property
    def calls(self) -> dict[Key, Decision]:
        """The decisions about calls so far."""
        return self._script.calls

    @property
    def order(self) -> list[int]:
        """Who went next, so far, as indexes among the ready tasks."""
        return self._script.order

    def stub(self, step: Flow[Any, Any, Any, Any] | str, answer: Any) -> World:
        """Let ``answer`` stand for a step, which is given itself or by name; gives this world.

        A function, plain or async, is called with what the step is called with, and with the ``ctx`` if that is its
        first parameter; a step stands for its function; anything else is what the step returns. Faults may still hit
        the step: to run it as it is, but under faults, say ``world.stub(charge, charge)``.
        """
        if isinstance(answer, Flow):
            answer = _the_call(answer).fn
        self._script.stubs[_key(step)] = answer if callable(answer) else Constant(answer)
        return self

    def real(self, *steps: Flow[Any, Any, Any, Any] | str) -> World:
        """Run these steps, given themselves or by name, as they are and without faults; gives this world."""
        self._script.reals.update(map(_key, steps))
        return self

    def run(
        self, flow: Flow[Any, Any, Any, Any], input: Any = NO_INPUT, state: Any = None, deps: Any = None
    ) -> WorldRun:
        """Run ``flow`` in this world, in virtual time, and tell what happened.

        A run in which nothing can go on, as when a call hangs and nobody cancels it, ends as a ``deadlock``; one of
        more than ``at_most`` calls of steps as ``endless``. Either way finalisers run before this returns.

        Raises :class:`mce.DefinitionError` if the flow cannot run, or if an answer of a step cannot be made up.
        """
        script = self._script
        stubs, reals = dict(script.stubs), frozenset(script.reals)
        run = Stage(script).play(Played(flow, input, state, deps, stubs, reals, script.at_most))
        script.oracle.ended(run)
        return run

    def shuffled(self, seed: int) -> World:
        """Give a world that decides the same about calls, and by ``seed`` who goes next."""
        script = self._script
        other = World()
        other._script = replace(
            script,
            calls=dict(script.calls),
            order=[],
            oracle=Shuffled(script.oracle, seed),
            stubs=dict(script.stubs),
            reals=set(script.reals),
        )
        return other

    def __repr__(self) -> str:
        shown = [f"{name}={literal(found)}" for name, found in (("calls", self.calls), ("order", self.order)) if found]
        return f"World({', '.join(shown)})"


def _key(step: Flow[Any, Any, Any, Any] | str) -> StepKey:
    if isinstance(step, str):
        return StepKey(step)
    call = _the_call(step)
    return StepKey(call.spec.name, call.fn)


def _the_call(step: Flow[Any, Any, Any, Any]) -> Call:
    found = [node for node in postorder(step.node) if isinstance(node, Call) and not node.spec.internal]
    if len(found) != 1:
        raise InvalidInput(f"a world is told of steps, and {brief(step, 60)} is a flow of {len(found)} of them")
    return found[0]
