"""Circuit breakers: after some failures in a row, fail fast for a while instead of trying."""

from __future__ import annotations

from typing import Any, ClassVar

from returns.result import Result, Success
from typing_extensions import TypeVar

from mce.combinators.sharing import Entrant, Visit, check_same, guarded, is_inside
from mce.context import Branch
from mce.errors import CircuitOpen, DefinitionError, brief
from mce.flow import Flow, flow_node
from mce.records import dataclass
from mce.shared import CircuitBreaker

__all__ = ["Circuit", "CircuitBreaker", "circuit_breaker"]

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


class Circuit:
    """One circuit: closed while ``until`` is ``None``; ``period`` counts how often it opened or closed."""

    def __init__(self, declared: CircuitBreaker) -> None:
        self.declared = declared
        self.failures = 0
        self.until: float | None = None
        self.trial: Visit | None = None
        self.period = 0
        self.begun: dict[Visit, int] = {}
        """The period in which each that is inside was let through."""

    async def enter(self, who: Entrant, visit: Visit) -> None:
        """Be let through, or raise :class:`mce.CircuitOpen`."""
        if not self._lets_through(visit, who.backend.now()):
            assert self.until is not None
            raise CircuitOpen(self.declared.name, self.until, who.path())
        self.begun[visit] = self.period

    def leave(self, who: Entrant, visit: Visit) -> None:
        """Take into account how a visit ended, if it was let through."""
        begun = self.begun.pop(visit, None)
        if begun is not None:
            self._learn(visit, begun, who.ending(), who.backend.now())

    def _lets_through(self, visit: Visit, now: float) -> bool:
        if self.until is None:
            return True
        if self.trial is not None or now < self.until:
            return False
        self.trial = visit
        return True

    def _learn(self, visit: Visit, begun: int, ending: Result[Any, Any] | None, now: float) -> None:
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
class _CircuitGuard:
    breaker: CircuitBreaker
    raises: ClassVar[tuple[type[Exception], ...]] = (CircuitOpen,)

    @property
    def label(self) -> str:
        return f"circuit({self.breaker.name})"

    async def enter(self, branch: Branch, visit: Visit, value: Any) -> None:
        key = ("circuit", self.breaker.name)
        circuit = branch.shared(key, lambda: Circuit(self.breaker))
        check_same(circuit.declared, self.breaker)
        if is_inside(branch, key):
            return
        visit.kept = circuit
        await circuit.enter(branch, visit)
        visit.holds = key

    def leave(self, branch: Branch, visit: Visit) -> None:
        if visit.kept is not None:
            visit.kept.leave(branch, visit)
