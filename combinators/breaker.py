"""Circuit breakers: after some failures in a row, fail fast for a while instead of trying."""

from __future__ import annotations

from typing import Any, ClassVar

from returns.result import Result, Success
from typing_extensions import TypeVar

from mce.combinators.limits import check_same
from mce.combinators.sharing import Visit, guarded
from mce.context import Branch
from mce.errors import CircuitOpen, DefinitionError, brief
from mce.flow import Flow, flow_node
from mce.records import dataclass
from mce.shared import CircuitBreaker

__all__ = ["CircuitBreaker", "circuit_breaker"]

A = TypeVar("A")
E1 = TypeVar("E1")
I1 = TypeVar("I1")
S1 = TypeVar("S1")


def circuit_breaker(flow: Flow[I1, A, E1, S1], breaker: CircuitBreaker) -> Flow[I1, A, E1 | CircuitOpen, S1]:
    """Run ``flow`` while the circuit is closed; when it is open fail at once with :class:`mce.CircuitOpen`.

    A circuit is shared by name over all flows of a run. It opens when ``breaker.failures`` runs in a row have failed,
    expectedly or with a defect, and lets one run through to try when ``breaker.reset_after`` seconds of the backend's
    clock have passed: if that one succeeds the circuit is closed again, if it fails it is open as long again. Who
    ends when the circuit has changed since it began does not count, nor does a cancellation: put a ``timeout`` inside.
    Inside itself a circuit lets everything through. One name with two meanings is a defect.

    Law: ``circuit_breaker(m, b) = m`` while the circuit is closed.
    Not a law: ``circuit_breaker(m.recover(h), b) = circuit_breaker(m, b).recover(h)``, since what was recovered inside
    has not failed.

    >>> from mce import fail, lift, settle
    >>> search = circuit_breaker(lift(str.upper), CircuitBreaker("search", 1, 30))
    >>> search.run_sync("a")
    Outcome('A')
    >>> broken = circuit_breaker(fail("no"), CircuitBreaker("search", 1, 30))
    >>> (broken.or_else(search)).run_sync("a").error.name
    'search'
    """
    if not isinstance(breaker, CircuitBreaker):
        raise DefinitionError(
            f"circuit_breaker takes a CircuitBreaker such as CircuitBreaker('search', 5, 30), not {brief(breaker, 60)}"
        )
    return Flow(guarded(flow_node(flow, "circuit_breaker"), _CircuitGuard(breaker)))


class _Circuit:
    """One circuit: closed while ``until`` is ``None``; ``period`` counts how often it opened or closed."""

    def __init__(self, breaker: CircuitBreaker) -> None:
        self.declared = breaker
        self.failures = 0
        self.until: float | None = None
        self.trial: Visit | None = None
        self.period = 0
        self.inside: set[Branch] = set()

    def lets_through(self, visit: Visit, now: float) -> bool:
        if self.until is None:
            return True
        if self.trial is not None or now < self.until:
            return False
        self.trial = visit
        return True

    def learn(self, visit: Visit, begun: int, ending: Result[Any, Any] | None, now: float) -> None:
        """Take into account how a visit ended that had ``begun`` in a period."""
        if self.trial is visit:
            self.trial = None
        if begun != self.period or ending is None:
            return
        if isinstance(ending, Success):
            self.failures = 0
            if self.until is not None:
                self._turn(None)
            return
        self.failures += 1
        if self.until is not None or self.failures >= self.declared.failures:
            self._turn(now + self.declared.reset_after)

    def _turn(self, until: float | None) -> None:
        self.until, self.failures = until, 0
        self.period += 1


@dataclass(frozen=True, slots=True)
class _Passage:
    """What a visit keeps: its circuit, and the period in which it was let through."""

    circuit: _Circuit
    period: int


@dataclass(frozen=True, slots=True)
class _CircuitGuard:
    breaker: CircuitBreaker
    raises: ClassVar[tuple[type[Exception], ...]] = (CircuitOpen,)

    @property
    def label(self) -> str:
        return f"circuit({self.breaker.name})"

    async def enter(self, branch: Branch, visit: Visit, value: Any) -> None:
        circuit = branch.shared(("circuit", self.breaker.name), lambda: _Circuit(self.breaker))
        check_same(circuit.declared, self.breaker)
        if any(found in circuit.inside for found in branch.lineage()):
            return
        if not circuit.lets_through(visit, branch.backend.now()):
            assert circuit.until is not None
            raise CircuitOpen(self.breaker.name, circuit.until, branch.path())
        visit.kept = _Passage(circuit, circuit.period)
        circuit.inside.add(branch)

    def leave(self, branch: Branch, visit: Visit) -> None:
        if isinstance(visit.kept, _Passage):
            circuit = visit.kept.circuit
            circuit.inside.discard(branch)
            circuit.learn(visit, visit.kept.period, branch.ending(), branch.backend.now())
