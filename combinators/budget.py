"""Budgets: how many calls, how long and at what cost, as a typed failure."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypeVar

from mce.errors import BudgetExceeded, DefinitionError, brief
from mce.flow import Flow, flow_node
from mce.syntax import Budget, Timeout

__all__ = ["budget"]

A = TypeVar("A")
E1 = TypeVar("E1")
I1 = TypeVar("I1")
S1 = TypeVar("S1")


def budget(
    flow: Flow[I1, A, E1, S1],
    *,
    steps: int | None = None,
    seconds: float | None = None,
    cost: float | None = None,
) -> Flow[I1, A, E1 | BudgetExceeded, S1]:
    """Fail with :class:`mce.BudgetExceeded` where ``flow`` would use more than is allowed; at least one is given.

    ``steps`` are calls of steps begun, in all branches and attempts; ``seconds`` are those of the backend's clock, as
    for ``timeout``; ``cost`` is what steps count with ``ctx.spend(cost)``. The call or the cost that would be too much
    does not take place. Running out unwinds like a timeout: nothing inside ``flow`` recovers from it or tries again;
    what finalisers call counts in no budget. Of nested budgets all count.

    Laws: ``budget(m, steps=n) = m`` if ``m`` makes at most ``n`` calls, and likewise for the others;
    ``budget(budget(m, steps=a), steps=b) = budget(m, steps=min(a, b))``, but for the error's fields.
    Not a law: ``budget(m >> n, ...) = budget(m, ...) >> budget(n, ...)``.

    >>> from mce import pure, step
    >>> @step(pure=True)
    ... def half(n: int) -> int:
    ...     return n // 2
    >>> budget(half >> half, steps=2).run_sync(8)
    Outcome(2)
    >>> budget(half >> half >> half, steps=2).run_sync(8).error
    BudgetExceeded('steps', 2, 'half:3')
    """
    if steps is None and seconds is None and cost is None:
        raise DefinitionError("budget without a bound: say budget(flow, steps=100), seconds=60 or cost=1.5")
    if steps is not None and (not isinstance(steps, int) or isinstance(steps, bool) or steps < 0):
        raise DefinitionError(f"budget(steps={brief(steps)}): steps is a whole number that is not negative")
    for name, amount in (("seconds", seconds), ("cost", cost)):
        _check_amount(name, amount)
    allowed = Budget(steps, cost)
    return Flow(Timeout(flow_node(flow, "budget"), float("inf") if seconds is None else seconds, allowed))


def _check_amount(name: str, amount: Any) -> None:
    if amount is not None and (not isinstance(amount, int | float) or not 0 <= amount < float("inf")):
        raise DefinitionError(f"budget({name}={brief(amount)}): {name} is a finite number that is not negative")
