"""What a run in a world came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mce.errors import Deadlock, MceError
from mce.outcome import Outcome
from mce.testing.answers import NoAnswer
from mce.testing.decisions import Decision, Happening, Key
from mce.testing.oracle import Asked, Calm
from mce.testing.reproduce import literal, reproduction
from mce.testing.script import Played

__all__ = ["Endless", "WorldRun"]


class Endless(MceError):
    """A run in a world made more than ``calls`` calls of steps and was stopped, at ``path``."""

    def __init__(self, calls: int, path: str) -> None:
        super().__init__(calls, path)
        self.calls, self.path = calls, path

    def __str__(self) -> str:
        return f"not done after {self.calls} calls of steps, the last at {self.path}; bound the loop with at_most="


@dataclass(frozen=True, repr=False)
class WorldRun:
    """What happened in a run: its ``history`` in order, and how it ended.

    The history has the events of the run and a :class:`Decided` for every decision. ``elapsed`` are virtual seconds.
    ``deadlock`` says who waited for ever, ``endless`` that the run was stopped for making too many calls; with one of
    them there is no outcome, and ``ended`` is ``None``. ``hangs`` are the calls that hung and that nothing cancelled.
    ``calls`` and ``order`` are the decisions that were used.
    """

    history: tuple[Happening, ...]
    elapsed: float
    ended: Outcome[Any, Any, Any] | None
    deadlock: Deadlock | None
    endless: Endless | None
    hangs: tuple[Key, ...]
    calls: dict[Key, Decision]
    order: tuple[int, ...]
    asked: dict[Key, Asked] = field(repr=False)
    played: Played = field(repr=False)

    @property
    def outcome(self) -> Outcome[Any, Any, Any]:
        """The outcome; raises the :class:`mce.Deadlock` or :class:`Endless` of a run that came to none."""
        if self.ended is None:
            assert self.stuck is not None
            raise self.stuck
        return self.ended

    @property
    def stuck(self) -> Deadlock | Endless | None:
        """Why there is no outcome."""
        return self.deadlock or self.endless

    def faults(self) -> dict[Key, Decision]:
        """Give the decisions that are not what a calm world decides, which gives the simplest value at once."""
        return {key: decision for key, decision in self.calls.items() if not self._is_calm(key)}

    def _is_calm(self, key: Key) -> bool:
        try:
            return literal(Calm().decide(self.asked[key])) == literal(self.calls[key])
        except NoAnswer:
            return False

    def program(self, target: str | None = None, *, name: str = "test_world", check: str | None = None) -> str:
        """Write a test that repeats this run, without hypothesis: decisions that made a difference, run, assertion.

        ``target`` is where the flow is found, ``"module:name"`` (default: the module of one of its steps, if it is
        there). ``name`` is that of the test, ``check`` the statement that follows the run (default: that it comes to
        what it came to). What cannot be imported or written as an expression is named at the top, to be defined.
        """
        return reproduction(self, target, name=name, check=check)

    def __repr__(self) -> str:
        shown = repr(self.ended) if self.ended is not None else f"no outcome: {self.stuck}"
        return f"<WorldRun {shown}, {self.elapsed:g} s>"
