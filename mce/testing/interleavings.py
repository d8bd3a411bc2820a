"""Whether two runs of a flow, with the same answers in another order, come to the same."""

from __future__ import annotations

from typing import Any

from mce.errors import BudgetExceeded, CircuitOpen, TimedOut, brief
from mce.testing.equivalence import canonical
from mce.testing.fuzz_stage import Ran

__all__ = ["difference"]


def difference(one: Ran, other: Ran) -> tuple[str, str] | None:
    """Say what differs: where (``result``, ``state``, or the name of shared data), and a sentence; ``None`` if nothing.

    Runs that came to no outcome, or that ran out of time or of a budget, are not compared.
    """
    first = one.run.ended if one.run is not None else None
    second = other.run.ended if other.run is not None else None
    if first is None or second is None or any(isinstance(e, _OF_TIME) for e in (first.error, second.error)):
        return None
    if not first.ok and not second.ok:
        return None
    for name in ("result", "state"):
        mine, theirs = canonical(getattr(first, name)), canonical(getattr(second, name))
        if not _same(mine, theirs):
            return (
                name,
                f"the {name} depends on who goes first: {_shown(mine)} in one order, {_shown(theirs)} in another",
            )
    for name in sorted(one.data.keys() | other.data.keys()):
        if one.data.get(name) != other.data.get(name):
            mine, theirs = one.data.get(name, "as it was"), other.data.get(name, "as it was")
            return name, f"{name} depends on who goes first: {brief(mine)} in one order, {brief(theirs)} in another"
    return None


_OF_TIME = (TimedOut, BudgetExceeded, CircuitOpen)


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(one == other) or repr(one) == repr(other)
    except Exception:
        return repr(one) == repr(other)


def _shown(value: Any) -> str:
    return brief(value, 120)
