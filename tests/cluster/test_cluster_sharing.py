"""Limits, rates and circuits hold over all processes of a run."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mce import (
    CircuitOpen,
    DaskBackend,
    Flow,
    Limit,
    TimedOut,
    circuit_breaker,
    each,
    gather,
    limit,
    pure,
    quorum,
    rate_limit,
    settle,
)
from mce.backends.cluster.client import connect, local_cluster
from mce.errors import DefinitionError, UsageError
from tests.cluster import sharing
from tests.cluster.sharing import FUSE, ONE, RATE, TWO, most_at_once, noted

pytestmark = pytest.mark.timeout(60)


def until(found: Callable[[], Any], missing: Callable[[], Any] = lambda: "it never came to be so") -> Any:
    """Wait for ``found()`` to be true, and give it; ``missing`` tells what is in its way."""
    ends = time.monotonic() + 30
    while not (value := found()):
        if time.monotonic() > ends:
            raise AssertionError(missing())
        time.sleep(0.01)
    return value


def left_behind(dask_scheduler: Any) -> list[str]:
    """Say which runs the coordinator has, and which tasks of its own."""
    coordinator = dask_scheduler.plugins.get("mce-2")
    names = [str(task.get_coro()) for task in asyncio.all_tasks()]
    return [*coordinator.cases, *(name for name in names if "Shelf" in name)]


@pytest.fixture(autouse=True)
def nothing_is_left(client: Any) -> Iterator[None]:
    yield
    until(lambda: not client.run_on_scheduler(left_behind), lambda: client.run_on_scheduler(left_behind))


# -- limits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flow",
    [
        gather(*[limit(sharing.passes, TWO)] * 12),
        gather(*[limit(sharing.passes_in_a_thread, TWO)] * 12),
        gather(*[sharing.passes_by_declaration] * 12),
    ],
    ids=["gather", "threads", "declared"],
)
def test_a_limit_holds_over_all_workers(client: Any, tmp_path: Path, flow: Flow[Any, Any]) -> None:
    outcome = flow.run_sync(0, deps=str(tmp_path), backend=DaskBackend(client, chunk=1))
    assert most_at_once(tmp_path) == 2
    assert len(noted(tmp_path)) == 24
    assert len(set(outcome.unwrap())) == 2, "both workers take part"


def test_a_limit_holds_over_the_chunks_of_an_each(client: Any, tmp_path: Path) -> None:
    flow = pure(range(12)) >> each(limit(sharing.passes, TWO))
    assert flow.run_sync(deps=str(tmp_path), backend=DaskBackend(client, chunk=1)).ok
    assert (most_at_once(tmp_path), len(noted(tmp_path))) == (2, 24)


def test_limits_of_other_names_do_not_meet(backend: DaskBackend, tmp_path: Path) -> None:
    """Each of the two waits for the other to be inside."""
    flow = gather(limit(sharing.passes, ONE), limit(sharing.passes, Limit("other", 10**30)))
    assert flow.run_sync(0, deps=str(tmp_path), backend=backend).ok
    assert most_at_once(tmp_path) == 2


def test_who_is_cancelled_while_waiting_gives_up_waiting(backend: DaskBackend, tmp_path: Path) -> None:
    waits = sharing.when_held >> limit(sharing.tells, ONE).timeout(0.05).recover(sharing.expires, on=(TimedOut,))
    flow = gather(limit(sharing.holds, ONE), waits) >> limit(sharing.tells, ONE)
    assert flow.run_sync(7, deps=str(tmp_path), backend=backend).value == (7, "TimedOut")
    assert [what for what, _ in noted(tmp_path)] == ["told"]


def test_a_branch_that_fails_gives_its_place_back(backend: DaskBackend, tmp_path: Path) -> None:
    flow = settle(*[limit(sharing.breaks, ONE)] * 6) >> limit(sharing.tells, ONE)
    assert flow.run_sync(1, deps=str(tmp_path), backend=backend).ok
    assert [what for what, _ in noted(tmp_path)] == ["broken"] * 6 + ["told"]


def test_one_name_with_two_sizes(backend: DaskBackend, tmp_path: Path) -> None:
    flow = gather(*(limit(sharing.tells, Limit("db", size)) for size in (1, 2, 1, 2)))
    defect = flow.run_sync(1, deps=str(tmp_path), backend=backend).defect
    assert defect is not None
    assert isinstance(defect.cause, DefinitionError)
    assert "Limit(name='db', size=1)" in str(defect.cause)
    assert "Limit(name='db', size=2)" in str(defect.cause)
    assert "one name, one meaning" in str(defect.cause)


@pytest.mark.parametrize("spread_from", [2, 64], ids=["on another worker", "in one task"])
def test_a_limit_is_not_taken_inside_itself(client: Any, tmp_path: Path, spread_from: int) -> None:
    backend = DaskBackend(client, spread_from=spread_from, chunk=1)
    defect = sharing.inside_itself().run_sync(1, deps=str(tmp_path), backend=backend).defect
    assert defect is not None
    assert isinstance(defect.cause, UsageError)
    assert "is taken inside itself" in str(defect.cause)
    assert noted(tmp_path) == []


# -- rates and circuits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [4, 8])
def test_a_rate_holds_over_all_workers(backend: DaskBackend, tmp_path: Path, width: int) -> None:
    """The window is longer than the run: two begin, and the others would wait for an hour."""
    flow = quorum(2, *[rate_limit(sharing.tells, RATE)] * width)
    assert flow.run_sync(1, deps=str(tmp_path), backend=backend).ok
    assert [what for what, _ in noted(tmp_path)] == ["told"] * 2


def test_a_circuit_opens_over_all_workers(backend: DaskBackend, tmp_path: Path) -> None:
    """Each worker has seen too few failures to open it."""
    broken = circuit_breaker(sharing.breaks_with_others, FUSE)
    after = settle(*[circuit_breaker(sharing.breaks, FUSE)] * 4)
    before = time.time()
    outcome = (settle(*[broken] * 4) >> after).run_sync(1, deps=str(tmp_path), backend=backend)
    assert len(set(noted(tmp_path))) == 2, "both workers take part, and none tries again"
    for found in outcome.unwrap():
        error = found.failure()
        assert isinstance(error, CircuitOpen)
        assert error.name == "api"
        assert before < error.until < time.time() + FUSE.reset_after, "on the clock of the epoch"


def test_a_circuit_within_itself_lets_everything_through(client: Any, tmp_path: Path) -> None:
    backend = DaskBackend(client, spread_from=2, chunk=1)
    flow = sharing.circuit_inside_itself(sharing.breaks)
    assert flow.run_sync(1, deps=str(tmp_path), backend=backend).value == ("OSError",) * 8


# -- leases ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fragile() -> Iterator[Any]:
    cluster = local_cluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0")
    client = connect(cluster)
    yield client
    client.close()
    cluster.close()


def test_a_holder_that_was_killed_gives_its_place_back(fragile: Any, tmp_path: Path) -> None:
    def kill() -> int:
        pid = int(until(lambda: noted(tmp_path))[0][1])
        (tmp_path / "killed").touch()
        os.kill(pid, signal.SIGKILL)
        return pid

    flow = gather(*[limit(sharing.holds_until_killed, ONE)] * 6)
    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill)
        outcome = flow.run_sync(7, deps=str(tmp_path), backend=DaskBackend(fragile, lease=1.0))
        killed = killing.result()
    assert outcome.value == (7,) * 6
    whole = noted(tmp_path)
    assert whole[0] == ("+", killed)
    assert [what for what, _ in whole[1:]] == ["+", "-"] * (len(whole) // 2), "one at a time"
    assert all(pid != killed for _, pid in whole[1:])
    until(lambda: not fragile.run_on_scheduler(left_behind), lambda: fragile.run_on_scheduler(left_behind))


def test_who_holds_for_longer_than_a_lease_renews_it(client: Any, tmp_path: Path) -> None:
    flow = gather(*[limit(sharing.holds_long, ONE)] * 2)
    assert flow.run_sync(1, deps=str(tmp_path), backend=DaskBackend(client, lease=0.5)).ok
    assert [what for what, _ in noted(tmp_path)] == ["+", "-"] * 2
