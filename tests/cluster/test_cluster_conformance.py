"""The Dask backend keeps every rule of the suite: on worker processes, and on workers started as commands."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from distributed import Client

from mce.backends import DaskBackend
from mce.testing import conformance_cases
from mce.testing.cases.bench import Case, Loop
from tests.cluster.commands import Commands

ON_TRIO = ("cancelling", "events", "joins.joins_nest", "joins.a_failure_cancels_the_branches_that_wait")
OVER_TCP = ("nodes", "joins", "failures")
SPREAD = ("joins", "states", "policies")


def fitting(loop: Loop, cases: tuple[Case, ...]) -> list[tuple[Case, Loop]]:
    return [(case, loop) for case in cases if case.fits(DaskBackend, loop)]


PLAIN = fitting(None, conformance_cases())
IN_A_LOOP = [(case, loop) for case, loop in fitting("asyncio", conformance_cases()) if (case, None) not in PLAIN]
CHECKS = [*PLAIN, *IN_A_LOOP, *fitting("trio", conformance_cases(ON_TRIO))]


@pytest.fixture(scope="module")
def over_tcp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskBackend]:
    with Commands(tmp_path_factory.mktemp("commands"), 2) as running:
        with Client(running.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(2)
        with DaskBackend(running.address) as backend:
            yield backend


@pytest.mark.parametrize(("case", "loop"), CHECKS, ids=str)
def test_worker_processes_keep_the_rule(case: Case, loop: Loop, client: Client) -> None:
    case.check(partial(DaskBackend, client), loop)


@pytest.mark.parametrize("case", [case for case, _ in fitting(None, conformance_cases(SPREAD))], ids=str)
def test_branches_that_tasks_send_to_other_workers_keep_the_rule(case: Case, client: Client) -> None:
    case.check(partial(DaskBackend, client, chunk=3, spread_from=2))


@pytest.mark.parametrize("case", [case for case, _ in fitting(None, conformance_cases(OVER_TCP))], ids=str)
def test_workers_started_as_commands_keep_the_rule(case: Case, over_tcp: DaskBackend) -> None:
    case.check(lambda: over_tcp)


def test_one_case_alone_is_left_out() -> None:
    left_out = set(conformance_cases()) - {case for case, _ in CHECKS}
    assert {case.name for case in left_out} == {"cancelling.a_step_may_cancel_its_own_run"}
