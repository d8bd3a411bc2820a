"""Policies: how often, how long, how many at once, at what cost.

``retry`` and ``timeout`` are here; the others have a module each and are named here as well.
"""

from __future__ import annotations

from typing_extensions import TypeVar

from mce.combinators.batch import batched
from mce.combinators.breaker import circuit_breaker
from mce.combinators.budget import budget
from mce.combinators.cache import cached
from mce.combinators.limits import limit, rate_limit
from mce.errors import TimedOut
from mce.flow import Flow, flow_node
from mce.schedule import Schedule

__all__ = ["batched", "budget", "cached", "circuit_breaker", "limit", "rate_limit", "retry", "timeout"]

A = TypeVar("A")
E1 = TypeVar("E1")
I1 = TypeVar("I1")
S1 = TypeVar("S1")


def retry(
    flow: Flow[I1, A, E1, S1],
    schedule: Schedule,
    *,
    on: type[object] | tuple[type[object], ...] | None = None,
) -> Flow[I1, A, E1, S1]:
    """Run ``flow`` again after a failure; the first attempt does not count. See :meth:`mce.Flow.retry`.

    Law: ``retry(m, never) = m``.

    >>> from mce import pure, fail, recurs
    >>> retry(pure(3), recurs(2)).run_sync()
    Outcome(3)
    >>> retry(fail("no"), recurs(2)).run_sync()
    Outcome(failed: 'no' at fail, attempt 3)
    """
    flow_node(flow, "retry")
    return flow.retry(schedule, on=on)


def timeout(flow: Flow[I1, A, E1, S1], seconds: float) -> Flow[I1, A, E1 | TimedOut, S1]:
    """Fail with :class:`mce.TimedOut` when ``flow`` is not done after ``seconds``. See :meth:`mce.Flow.timeout`.

    Laws: ``timeout(pure(a), s) = pure(a)`` for ``s > 0``; ``timeout(timeout(m, s), t) = timeout(m, min(s, t))``,
    but for the error's fields.

    >>> from mce import pure, sleep
    >>> timeout(pure(3), 1).run_sync()
    Outcome(3)
    >>> timeout(sleep(60), 0.01).run_sync(None).error
    TimedOut(0.01, 'sleep')
    """
    flow_node(flow, "timeout")
    return flow.timeout(seconds)
