"""What a flow is run with when nobody says: inputs by annotation, a state of defaults."""

from __future__ import annotations

from typing import Any

from mce.errors import InvalidInput
from mce.flow import NO_INPUT, Flow
from mce.signature import shown, state_type, takers
from mce.testing.fuzz_worlds import pool
from mce.testing.plain import NOTHING, plain
from mce.testing.value_strategies import NoValue

__all__ = ["inputs_of", "state_of"]


def inputs_of(flow: Flow[Any, Any, Any, Any], seed: int) -> list[Any]:
    """Draw inputs for ``flow``, the simplest first; raises :class:`mce.InvalidInput` where it says no type."""
    found = takers(flow.node)
    if not found:
        return [NO_INPUT]
    told = [taker for taker in found if taker.type is not Any]
    if not told:
        raise InvalidInput(f"{found[0].name} takes an input and does not say of which type: give one with input=")
    try:
        return pool(told[0].type, seed)
    except NoValue as none:
        raise InvalidInput(f"{told[0].name} takes {shown(told[0].type)}, which {none}: give one with input=") from None


def state_of(flow: Flow[Any, Any, Any, Any], seed: int) -> Any:
    """Make the state that ``flow`` begins in: of its class's defaults, with drawn values for fields without."""
    declared = state_type(flow.node)
    if declared is Any:
        return None
    try:
        return declared()
    except Exception:  # it has fields without a default
        first = plain(declared)
    if first is not NOTHING:
        return first
    try:
        return pool(declared, seed)[0]
    except NoValue as none:
        raise InvalidInput(f"the state {shown(declared)} {none}: give one with state=") from None
