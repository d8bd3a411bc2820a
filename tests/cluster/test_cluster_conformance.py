"""The Dask backend keeps every rule of the suite: on worker processes, and on workers started as commands."""

from __future__ import annotations

from functools import partial

import pytest
from distributed import Client

from mce.backends import DaskBackend
from mce.testing import conformance_cases
from mce.testing.cases.bench import Case, Loop

ON_TRIO = ("cancelling", "nodes.what_follows_a_failure_does_not_run", "joins.joins_nest", "events")
OVER_TCP = ("nodes", "joins", "failures")


def checks(loop: Loop, cases: tuple[Case, ...]) -> list[tuple[Case, Loop]]:
    return [(case, loop) for case in cases if case.fits(DaskBackend, loop)]


EVERYWHERE = checks(None, conformance_cases())
IN_A_LOOP = [(case, loop) for case, loop in checks("asyncio", conformance_cases()) if (case, None) not in EVERYWHERE]


@pytest.mark.parametrize(("case", "loop"), [*EVERYWHERE, *IN_A_LOOP, *checks("trio", conformance_cases(ON_TRIO))], ids=str)
def test_the_cluster_keeps_the_rule(case: Case, loop: Loop, client: Client) -> None:
    case.check(partial(DaskBackend, client), loop)


@pytest.mark.parametrize(("case", "loop"), checks(None, conformance_cases(OVER_TCP)), ids=str)
def test_workers_started_as_commands_keep_the_rule(case: Case, loop: Loop, commands: str) -> None:
    with DaskBackend(commands) as backend:
        case.check(lambda: backend, loop)


def test_hardly_a_case_is_left_out() -> None:
    left_out = set(conformance_cases()) - {case for case, _ in EVERYWHERE + IN_A_LOOP}
    assert {case.name for case in left_out} == {"cancelling.a_step_may_cancel_its_own_run"}
