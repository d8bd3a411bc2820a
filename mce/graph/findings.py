"""``check(flow)``: what is wrong with a flow, or may be, before it runs. The checks are the table below.

Each is a function of one subject; ``docs/findings.md`` has a section for every code.
"""

from __future__ import annotations

from typing import Any

from mce.flow import Flow
from mce.graph.checks_cluster import check_constants, check_local_states, check_main, check_sizes
from mce.graph.checks_policies import check_limits, check_loops, check_races, check_retries, check_timeouts
from mce.graph.checks_reach import check_cases, check_handlers
from mce.graph.checks_state import check_cached_context, check_parallel_writes
from mce.graph.checks_steps import check_sendable, check_storable
from mce.graph.checks_types import check_neighbours, check_required
from mce.graph.finding import Check, Finding, Subject
from mce.graph.lower import Lowered, lower

__all__ = ["CHECKS", "check", "check_lowered"]

CHECKS: dict[str, Check] = {
    "MCE101": check_neighbours,
    "MCE102": check_required,
    "MCE103": check_parallel_writes,
    "MCE104": check_loops,
    "MCE105": check_retries,
    "MCE106": check_storable,
    "MCE107": check_sendable,
    "MCE108": check_cases,
    "MCE109": check_timeouts,
    "MCE110": check_races,
    "MCE111": check_limits,
    "MCE112": check_cached_context,
    "MCE113": check_handlers,
    "MCE114": check_main,
    "MCE115": check_constants,
    "MCE116": check_sizes,
    "MCE117": check_local_states,
}
"""The check that gives the findings of each code."""

_ORDER = ("error", "warning", "note")


def check(flow: Flow[Any, Any, Any, Any], *, backend: str | None = None) -> tuple[Finding, ...]:
    """Give what is found in ``flow``: errors first, then warnings, then notes, each by code and in the flow's order.

    Only what is certain is an error; ``backend="dask"`` checks for a cluster as well. What a dynamic region does is
    known only when it runs, and is not checked.

    >>> from mce import iterate, lift, step
    >>> @step
    ... def half(n: int) -> int:
    ...     return n // 2
    >>> first, *_ = check(iterate(half, until=lambda n: n < 2))
    >>> first.code, first.severity, first.place
    ('MCE104', 'warning', 'iterate')
    """
    return check_lowered(lower(flow.node), backend=backend)


def check_lowered(lowered: Lowered, *, backend: str | None = None) -> tuple[Finding, ...]:
    """Give what is found in a flow that was lowered already; see :func:`check`."""
    subject = Subject(lowered, backend)
    at = {node.id: number for number, node in enumerate(subject.nodes)}
    found = [finding for run in CHECKS.values() for finding in run(subject)]
    found.sort(key=lambda one: (_ORDER.index(one.severity), one.code, at.get(one.place, len(at))))
    return tuple(dict.fromkeys(found))
