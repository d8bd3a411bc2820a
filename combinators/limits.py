"""Limits: how many at once, and how many in a time, over all flows of a run that share a name."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any, ClassVar

import anyio
from returns.result import Success
from typing_extensions import TypeVar

from mce.combinators.sharing import Entrant, Visit, check_same, guarded, internal, is_inside
from mce.context import Branch, Context, branch_of
from mce.errors import DefinitionError, UsageError, brief
from mce.flow import Flow, flow_node
from mce.records import dataclass
from mce.shared import Limit, RateLimit
from mce.syntax import Then

__all__ = ["Limit", "LimitGuard", "Places", "RateLimit", "Window", "limit", "rate_limit"]

A = TypeVar("A")
E1 = TypeVar("E1")
I1 = TypeVar("I1")
S1 = TypeVar("S1")


def limit(flow: Flow[I1, A, E1, S1], limit: Limit) -> Flow[I1, A, E1, S1]:
    """Run ``flow`` when one of the places of ``limit`` is free; first come, first served.

    A limit is shared by name over all flows of a run, and also declared with ``@step(limit=...)``. Who is cancelled
    while waiting gives up waiting. On a backend that runs branches in turn nobody ever waits. To take a limit inside
    itself would be to wait for oneself, and is a defect that says so; so is one name with two sizes. Two limits that
    are taken in different orders can wait for each other for ever: take them in one order.

    Laws: ``limit(m, l) = m``; never more than ``l.size`` run at once.
    Not a law: ``limit(m >> n, l) = limit(m, l) >> limit(n, l)``, since others may come between.

    >>> from mce import each, fail, lift
    >>> each(limit(lift(str.upper), Limit("db", 2))).run_sync("abc")
    Outcome(('A', 'B', 'C'))
    >>> limit(fail("no"), Limit("db", 2)).run_sync().error
    'no'
    """
    if not isinstance(limit, Limit):
        raise DefinitionError(f"limit takes a Limit such as Limit('db', 4), not {brief(limit, 60)}")
    return Flow(guarded(flow_node(flow, "limit"), LimitGuard(limit)))


def rate_limit(flow: Flow[I1, A, E1, S1], rate: RateLimit) -> Flow[I1, A, E1, S1]:
    """Begin ``flow`` when ``rate`` allows it; first come, first served, on the backend's clock.

    A rate is shared by name over all flows of a run: at most ``rate.calls`` of them begin within any
    ``rate.per_seconds`` seconds (a sliding window). How long they take does not matter. Who is cancelled while
    waiting has not begun and uses nothing up. One name with two rates is a defect.

    Laws: ``rate_limit(m, r) = m``, but for time; ``rate_limit(pure(a) >> m, r) = pure(a) >> rate_limit(m, r)``.

    >>> from mce import each, fail, lift
    >>> each(rate_limit(lift(str.upper), RateLimit("api", 3, 60))).run_sync("abc")
    Outcome(('A', 'B', 'C'))
    >>> rate_limit(fail("no"), RateLimit("api", 3, 60)).run_sync().error
    'no'
    """
    if not isinstance(rate, RateLimit):
        raise DefinitionError(f"rate_limit takes a RateLimit such as RateLimit('api', 10, 60), not {brief(rate, 60)}")
    return Flow(Then(internal(_Turn(rate), f"rate({rate.name})"), flow_node(flow, "rate_limit")))


class _Queue:
    """At most ``size`` inside; the others wait in the order in which they came."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.inside: set[Visit] = set()
        self.waiting: OrderedDict[Visit, anyio.Event] = OrderedDict()

    async def enter(self, visit: Visit) -> None:
        if len(self.inside) < self.size:
            self.inside.add(visit)
            return
        self.waiting[visit] = turn = anyio.Event()
        await turn.wait()

    def leave(self, visit: Visit) -> None:
        """Let the next one in, if the visit was inside; forget it if it was waiting; else nothing."""
        self.waiting.pop(visit, None)
        if visit not in self.inside:
            return
        self.inside.discard(visit)
        if self.waiting:
            following, turn = self.waiting.popitem(last=False)
            self.inside.add(following)
            turn.set()


class Places:
    """The places of one limit, and who holds one."""

    def __init__(self, declared: Limit) -> None:
        self.declared = declared
        self.queue = _Queue(declared.size)
        self.holders: set[Entrant] = set()

    async def enter(self, who: Entrant, visit: Visit) -> None:
        """Wait for a place."""
        await self.queue.enter(visit)
        self.holders.add(who)

    def leave(self, who: Entrant, visit: Visit) -> None:
        """Give the place back, or give up waiting for one."""
        self.holders.discard(who)
        self.queue.leave(visit)


@dataclass(frozen=True, slots=True)
class LimitGuard:
    """Lets in as many as the limit allows."""

    limit: Limit
    raises: ClassVar[tuple[type[Exception], ...]] = ()

    @property
    def label(self) -> str:
        return f"limit({self.limit.name})"

    async def enter(self, branch: Branch, visit: Visit, value: Any) -> None:
        key = ("limit", self.limit.name)
        places = branch.shared(key, lambda: Places(self.limit))
        check_same(places.declared, self.limit)
        if is_inside(branch, key):
            raise UsageError(
                f"{self.limit} is taken inside itself, and would wait for itself: take it once, "
                f"around the outer flow or in each of the inner ones"
            )
        visit.kept = places
        await places.enter(branch, visit)
        visit.holds = key

    def leave(self, branch: Branch, visit: Visit) -> None:
        if visit.kept is not None:
            visit.kept.leave(branch, visit)


class Window:
    """When the last calls under one rate began; the first in the queue waits for the clock, the others for it."""

    def __init__(self, declared: RateLimit) -> None:
        self.declared = declared
        self.turnstile = _Queue(1)
        self.begun: deque[float] = deque(maxlen=declared.calls)

    async def enter(self, who: Entrant, visit: Visit) -> None:
        """Wait until a call may begin, which it then does: there is nothing to leave."""
        clock = who.backend
        try:
            await self.turnstile.enter(visit)
            wait = self.wait_for(clock.now())
            if wait:
                await clock.sleep(wait)
            self.begun.append(clock.now())
        finally:
            self.turnstile.leave(visit)

    def leave(self, who: Entrant, visit: Visit) -> None:
        """Give up waiting."""
        self.turnstile.leave(visit)

    def wait_for(self, now: float) -> float:
        """Say for how many seconds from ``now`` on the next call has to wait."""
        if len(self.begun) < self.declared.calls:
            return 0.0
        return max(0.0, self.begun[0] + self.declared.per_seconds - now)


@dataclass(frozen=True, slots=True)
class _Turn:
    """Waits for the rate."""

    rate: RateLimit
    passes_on: ClassVar[bool] = True

    async def __call__(self, ctx: Context[Any], value: Any) -> Success[Any]:
        branch = branch_of(ctx)
        window = branch.shared(("rate", self.rate.name), lambda: Window(self.rate))
        check_same(window.declared, self.rate)
        await window.enter(branch, Visit())
        return Success(value)
