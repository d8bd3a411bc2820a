"""Who decides what is not written down in a world, and what they are asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from mce.syntax import StepSpec
from mce.testing.answers import Answers, NoAnswer, answers
from mce.testing.decisions import Decision, Returns, Runs
from mce.testing.plain import NOTHING, plain

if TYPE_CHECKING:
    from mce.testing.runs import WorldRun

__all__ = ["Asked", "Calm", "Oracle", "Shuffled"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A call about which a world is to decide: the ``number``-th of the step ``spec.name`` at ``path``.

    ``runs`` says that a stub stands for the step, which gives the value when nothing goes wrong.
    """

    path: str
    number: int
    spec: StepSpec
    fn: Callable[..., Any]
    runs: bool

    def answers(self) -> Answers:
        """Say what the step is declared to answer; raises :class:`NoAnswer` if that cannot be read."""
        try:
            return answers(self.fn, self.spec)
        except NoAnswer as unknown:
            raise unknown.of((self.path, self.number)) from None

    def refusal(self, problem: str) -> NoAnswer:
        """Make the error for an answer that cannot be made up."""
        return NoAnswer(self.spec.name, self.answers().shown, problem, (self.path, self.number))


class Oracle(Protocol):
    """Decides what is not written down in a world."""

    def decide(self, asked: Asked, /) -> Decision:
        """Say what happens to a call."""
        ...

    def pick(self, ready: int, /) -> int:
        """Say which of ``ready`` tasks, of which there are at least two, goes next, from 0."""
        ...

    def ended(self, run: WorldRun, /) -> None:
        """Learn how a run ended."""
        ...


class Calm:
    """Nothing goes wrong, every value is the simplest of its annotation, and who comes first is served first."""

    def decide(self, asked: Asked, /) -> Decision:
        """Let the stub run or give the simplest value; raises :class:`NoAnswer` where none is known."""
        if asked.runs:
            return Runs()
        declared = asked.answers()
        value = plain(declared.value)
        if value is NOTHING:
            raise asked.refusal("has no value that is sure to be the simplest")
        return Returns(value)

    def pick(self, ready: int, /) -> int:
        return 0

    def ended(self, run: WorldRun, /) -> None:
        pass


class Shuffled:
    """Decides about calls as another oracle does, and in an order of its own."""

    def __init__(self, oracle: Oracle, seed: int) -> None:
        self.decide = oracle.decide
        self.pick = Random(seed).randrange

    def ended(self, run: WorldRun, /) -> None:
        pass
