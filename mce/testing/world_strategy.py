"""``worlds(flow)``: a hypothesis strategy of worlds, which are drawn while they run and shrink to few faults."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Never, TypeAlias, get_args

import hypothesis.strategies as st
from hypothesis import currently_in_test_context, note
from hypothesis.errors import Flaky, Frozen, UnsatisfiedAssumption

from mce.errors import InvalidInput, MceError, UsageError, brief
from mce.flow import Flow
from mce.syntax import Call, Node, Recover, Retry, Timeout, postorder
from mce.testing.answers import NoAnswer
from mce.testing.decisions import Breaks, Decision, Fails, Hangs, Returns, Runs
from mce.testing.oracle import Asked, Calm
from mce.testing.plain import NOTHING, plain
from mce.testing.runs import WorldRun
from mce.testing.script import StepKey
from mce.testing.value_strategies import NoValue, exceptions_of, values_of
from mce.testing.world import World

__all__ = ["Fault", "worlds"]

Fault: TypeAlias = Literal["failure", "defect", "delay", "hang"]
Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]

_FAULTS: tuple[Fault, ...] = get_args(Fault)


def worlds(
    flow: Flow[Any, Any, Any, Any],
    *,
    faults: Collection[Fault] = _FAULTS,
    real: Iterable[Flow[Any, Any, Any, Any] | str] = (),
    stubs: Mapping[Any, Any] | None = None,
    at_most: int = 1_000,
) -> st.SearchStrategy[World]:
    """Draw worlds for ``flow``: what every call of every step gives, when, and in which order concurrent steps go.

    ``faults`` says what may go wrong: a declared ``failure``, a ``defect`` that nobody declared, a ``delay``, a
    ``hang``. ``real`` and ``stubs`` are what :meth:`World.real` and :meth:`World.stub` say, for all worlds; a run that
    makes more than ``at_most`` calls is ``endless``.

    A world is drawn while it runs, and the program that repeats a failing run is printed with the example. The
    simplest world is calm: every call returns the simplest value of its annotation at once, first come, first served.

    Raises, when it runs, :class:`mce.DefinitionError` for a step whose annotation no value can be drawn from.
    """
    for fault in faults:
        if fault not in _FAULTS:
            raise InvalidInput(f"worlds(faults=...): {brief(fault)} is none of {', '.join(_FAULTS)}")
    told = _Told.of(flow)
    kinds: tuple[Fault, ...] = tuple(fault for fault in _FAULTS if fault in faults)

    @st.composite
    def drawn(draw: Draw) -> World:
        world = World(oracle=_Drawing(draw, kinds, told), at_most=at_most).real(*real)
        for step, answer in (stubs or {}).items():
            world.stub(step, answer)
        return world

    return drawn()


@dataclass(frozen=True)
class _Told:
    """What a flow tells about itself before it runs: the delays and the defects that make a difference to it."""

    delays: tuple[float, ...]
    defects: tuple[Exception, ...]
    strategies: dict[Any, st.SearchStrategy[Any]]

    @classmethod
    def of(cls, flow: Flow[Any, Any, Any, Any]) -> _Told:
        delays = {1.0, 60.0}
        defects: dict[type, Exception] = {RuntimeError: RuntimeError("a defect")}
        for node in postorder(flow.node):
            for seconds in _deadlines(node):
                delays |= {seconds / 2, seconds * 2}
            for caught in _caught(node):
                if issubclass(caught, Exception) and not issubclass(caught, MceError) and _is_simple(caught):
                    defects.setdefault(caught, caught())
        return cls(tuple(sorted(s for s in delays if 0 < s <= _LONGEST)), tuple(defects.values()), {})


def _deadlines(node: Node) -> Iterator[float]:
    match node:
        case Timeout(_, seconds):
            found: float | None = seconds
        case Call(_, spec):
            found = spec.timeout
        case _:
            found = None
    if found is not None and found < float("inf"):
        yield float(found)


def _caught(node: Node) -> tuple[type, ...]:
    match node:
        case Retry(_, _, on) | Recover(_, _, on):
            return on or ()
        case _:
            return ()


def _is_simple(cls: type[Exception]) -> bool:
    try:
        cls()
    except Exception:
        return False
    return True


_LONGEST = 1e7
"""Seconds: beyond, a virtual clock has no microseconds left."""

_MORE = st.sampled_from([False] + [True] * 11)
_GAPS = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3, 5, 8])


class _Turns:
    """Draws when the next thing happens that is not as usual.

    What is as usual costs no choice. So hypothesis, which prefers few choices, shrinks to few faults, and not to a
    fault that ends the run before it would have made more calls.
    """

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.left: int | None = None
        self.over = False

    def usual(self) -> bool:
        """Whether this time all is as usual."""
        if self.left is None and not self.over:
            self.over = not self.draw(_MORE)
            self.left = self.draw(_GAPS) if not self.over else None
        if self.left is None:
            return True
        self.left = self.left - 1 if self.left else None
        return self.left is not None


def _jumps(draw: Draw) -> Iterator[int]:
    """Draw all of an order at once, so that it shrinks by itself: how far back whoever goes next is, time by time."""
    found: list[int] = []
    while draw(_MORE):
        found += [*[0] * draw(_GAPS), draw(st.integers(1, 60))]
    return iter(found)


class _Drawing(Calm):
    """The oracle that draws; outside of the test that it draws for it is calm."""

    def __init__(self, draw: Draw, faults: tuple[Fault, ...], told: _Told) -> None:
        self.draw = draw
        self.faults = faults
        self.told = told
        self.calls = _Turns(draw)
        self.jumps: Iterator[int] | None = None

    def decide(self, asked: Asked, /) -> Decision:
        """Draw what happens to a call; raises :class:`NoAnswer` if that cannot be made up."""
        if not currently_in_test_context():
            return super().decide(asked)
        try:
            return self._drawn(asked)
        except Frozen:
            raise UsageError(_FROZEN) from None
        except (NoAnswer, *_CONTROL):
            raise
        except Exception as problem:  # of reading the annotation, of drawing, or of a constructor that is called then
            reason = str(problem) if isinstance(problem, NoValue) else f"gives none: {brief(str(problem))}"
            raise asked.refusal(reason) from problem

    def _drawn(self, asked: Asked) -> Decision:
        usual = self.calls.usual()
        if usual and (asked.runs or plain(asked.answers().value) is not NOTHING):
            return super().decide(asked)
        known, key = self.told.strategies, (StepKey(asked.spec.name, asked.fn), asked.runs, usual)
        if key not in known:
            known[key] = _right(asked, st.just(0.0)) if usual else _decisions(asked, self.faults, self.told)
        return self.draw(known[key])  # type: ignore[no-any-return]

    def pick(self, ready: int, /) -> int:
        if not currently_in_test_context():
            return super().pick(ready)
        if self.jumps is None:
            try:
                self.jumps = _jumps(self.draw)
            except Frozen:
                raise UsageError(_FROZEN) from None
        return next(self.jumps, 0) % ready

    def ended(self, run: WorldRun, /) -> None:
        if currently_in_test_context():
            note(_Lazy(run))


_FROZEN = "a world was run in another test than the one it was drawn in: give each test worlds(flow) of its own"


class _Lazy:
    """The program of a run, written when it is printed, which few are."""

    def __init__(self, run: WorldRun) -> None:
        self.run = run

    def __repr__(self) -> str:
        return self.run.program()


_CONTROL = (UnsatisfiedAssumption, Flaky)
"""What hypothesis raises to steer, among exceptions."""


def _decisions(asked: Asked, faults: tuple[Fault, ...], told: _Told) -> st.SearchStrategy[Decision]:
    """Make the strategy for the calls of one step: it goes well in most of them, and first of all."""
    late = st.booleans() if asked.runs else st.just(False)
    errors = _errors(asked)
    defects = [defect for defect in told.defects if not isinstance(defect, asked.spec.raises)]
    wrong: list[st.SearchStrategy[Decision]] = []
    if "failure" in faults and errors:
        wrong.append(st.builds(Fails, st.one_of(errors), late=late))
    if "defect" in faults and defects:
        wrong.append(st.builds(Breaks, st.sampled_from(defects), late=late))
    if "delay" in faults:
        wrong.append(_right(asked, st.sampled_from(told.delays)))
    if "hang" in faults:
        wrong.append(st.builds(Hangs))
    return st.one_of([_right(asked, st.just(0.0))] * (2 * len(wrong) + 1) + wrong)


def _right(asked: Asked, after: st.SearchStrategy[float]) -> st.SearchStrategy[Decision]:
    if asked.runs:
        return st.builds(Runs, after)
    return st.builds(Returns, values_of(asked.answers().value), after)


def _errors(asked: Asked) -> list[st.SearchStrategy[Any]]:
    """List how the failures are drawn that a step declares; for a stubbed step, if they can be."""
    try:
        declared = asked.answers()
        raised = [exceptions_of(cls) for cls in declared.raises]
        return raised + ([] if declared.error is Never else [values_of(declared.error)])
    except (NoAnswer, NoValue):
        if asked.runs:
            return []
        raise
