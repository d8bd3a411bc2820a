"""What goes wrong on a cluster: the run ends with the right outcome, or with an error that says what happened."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.to_thread
import dask
import pytest

from mce import DaskBackend, Flow, Step, bracket, each, gather, iterate, pure, race, recurs, settle, validate
from mce.backends.cluster.client import connect, local_cluster
from mce.backends.cluster.link import Answer, Link
from mce.errors import ClusterError, RemoteError, Uncertain
from tests.cluster import faulty
from tests.cluster.commands import Commands
from tests.cluster.faulty import Line, Notes, lines

pytestmark = pytest.mark.timeout(60)

AROUND: dict[str, Callable[[Any], Any]] = {
    "alone": lambda flow: flow,
    "after a step": lambda flow: faulty.same >> flow,
    "branch": lambda flow: gather(faulty.same, faulty.same >> flow),
    "element": lambda flow: pure((1, 2, 3)) >> each(flow),
    "turn of a loop": lambda flow: iterate(flow, lambda _: True, at_most=2),
}
"""Where a step may stand: in tasks of all kinds."""


def name_of(flow: Any) -> str:
    """Give the name of a step."""
    return str(flow.node.spec.name)


around = pytest.mark.parametrize("put", AROUND.values(), ids=AROUND)


# -- exceptions and values that do not travel --------------------------------------------------------------------------


@around
@pytest.mark.parametrize(
    ("flow", "kind", "message"),
    [
        (faulty.boom, "ValueError", "('boom', 1)"),
        (faulty.from_unpicklable, "ValueError", "('boom', 1)"),
        (faulty.unpicklable, "Unpicklable", "holds a lock"),
        (faulty.unloadable, "Unloadable", "one, two"),
        (faulty.mute, "Mute", "its str raised RuntimeError"),
        (faulty.mute_and_unpicklable, "MuteAndUnpicklable", "its str raised RuntimeError"),
    ],
    ids=lambda value: name_of(value) if isinstance(value, Step) else None,
)
def test_every_exception_arrives(backend: DaskBackend, put: Any, flow: Any, kind: str, message: str) -> None:
    outcome = put(flow).run_sync(1, backend=backend)
    defect = outcome.defect
    assert defect is not None
    cause = defect.cause
    if isinstance(cause, RemoteError):
        assert (cause.kind, message in cause.message) == (kind, True)
    else:
        assert type(cause).__name__ == kind
    assert "faulty.py" in defect.traceback
    assert kind in defect.traceback
    assert defect.path
    assert defect.path == outcome.where.path
    assert defect.worker.startswith("tcp://")
    assert defect.attempt == 1


def test_a_later_attempt_is_told(backend: DaskBackend) -> None:
    flow = gather(faulty.same, faulty.unpicklable.retry(recurs(2), on=(faulty.Unpicklable,)))
    defect = flow.run_sync(1, backend=backend).defect
    assert defect is not None
    assert (defect.attempt, defect.path) == (3, "gather[1]/unpicklable")


@around
@pytest.mark.parametrize("flow", [faulty.declared_unpicklable, faulty.declared_unloadable, faulty.fails_as_lock])
def test_declared_failures_arrive_as_what_can_be_said_of_them(backend: DaskBackend, put: Any, flow: Any) -> None:
    outcome = put(flow).run_sync(1, backend=backend)
    assert isinstance(outcome.error, RemoteError)
    assert outcome.error.kind in ("Unpicklable", "Unloadable", "lock")
    assert outcome.where.path.endswith(name_of(flow))


def test_of_many_failures_those_that_travel_are_themselves(backend: DaskBackend) -> None:
    outcome = validate(faulty.fails, faulty.declared_unpicklable, faulty.same).run_sync(1, backend=backend)
    assert isinstance(outcome.error, tuple)
    assert [type(error) for error in outcome.error] == [KeyError, RemoteError]


@around
@pytest.mark.parametrize("flow", [faulty.gives_lock, faulty.keeps_lock])
def test_what_cannot_be_sent_is_named_with_its_path(backend: DaskBackend, put: Any, flow: Any) -> None:
    defect = put(flow).run_sync(1, state=Notes(), backend=backend).defect
    assert defect is not None
    assert isinstance(defect.cause, ClusterError)
    assert "lock" in str(defect.cause)
    assert "cannot be pickled" in str(defect.cause)
    assert defect.path
    assert defect.worker.startswith("tcp://")


def test_what_does_not_unpickle_is_named(backend: DaskBackend) -> None:
    pair: Any = gather(faulty.gives_unloadable, faulty.same)
    for flow in (faulty.gives_unloadable, pair, pair >> faulty.same):
        defect = flow.run_sync(1, backend=backend).defect
        assert defect is not None
        assert isinstance(defect.cause, ClusterError)
        assert "cannot be loaded: TypeError" in str(defect.cause)


@around
@pytest.mark.parametrize(("flow", "kind"), [(faulty.interrupts, KeyboardInterrupt), (faulty.exits, SystemExit)])
def test_an_interrupt_in_a_step_ends_the_run_and_no_worker(
    backend: DaskBackend, client: Any, put: Any, flow: Any, kind: type[BaseException]
) -> None:
    workers = set(client.scheduler_info()["workers"])
    with pytest.raises(kind):
        put(flow).run_sync(1, backend=backend)
    with pytest.raises(kind):
        settle(flow, put(flow)).run_sync(1, backend=backend)
    assert set(client.scheduler_info()["workers"]) == workers


def test_an_interrupt_stops_what_runs_beside_it(backend: DaskBackend, tmp_path: Path) -> None:
    flow = iterate(gather(faulty.waits, faulty.interrupts_after) >> faulty.total, lambda _: True)
    with pytest.raises(KeyboardInterrupt):
        flow.run_sync(1, deps=str(tmp_path), backend=backend)
    told = lines(tmp_path)
    assert places(told, "begin") == places(told, "stopped") == [("iterate#0/gather[0]/waits", told[0].pid)]


# -- fail-fast ---------------------------------------------------------------------------------------------------------


def test_a_failure_stops_its_siblings_everywhere(backend: DaskBackend, tmp_path: Path) -> None:
    held = bracket(faulty.opens, faulty.waits, faulty.closes)
    flow = gather(
        faulty.waits,
        faulty.same >> faulty.waits >> faulty.works,
        held >> faulty.works,
        gather(faulty.waits, faulty.same) >> faulty.same,
        pure((1, 2)) >> each(faulty.waits),
        iterate(faulty.waits, lambda _: False),
        pure(7) >> faulty.fails_after,
    )
    outcome = flow.run_sync(1, deps=str(tmp_path), backend=backend)
    assert outcome.defect is not None
    assert outcome.defect.path == "gather[6]/fails_after"
    told = lines(tmp_path)
    after = told[[line.what for line in told].index("failing") + 1 :]
    assert not [line for line in after if line.what in ("begin", "opened")]
    assert places(told, "begin") == places(told, "stopped")
    assert places(told, "opened") == places(told, "closed")


def test_a_plain_step_is_awaited(backend: DaskBackend, tmp_path: Path) -> None:
    flow = gather(faulty.blocks >> faulty.works, faulty.waits, pure(2) >> faulty.fails_after)
    assert not flow.run_sync(1, deps=str(tmp_path), backend=backend).ok
    assert [line.path for line in lines(tmp_path, "ended")] == ["gather[0]/blocks"]


@pytest.mark.parametrize(
    ("flow", "chunk", "in_flight"),
    [
        (faulty.works_or_fails, 1, 8),
        (faulty.works_or_fails, 50, 200),  # all elements of a chunk begin at once
        (faulty.works_in_thread_or_fails, 1, 8),
        (faulty.works_in_thread_or_fails, 50, 8),
        (faulty.works_in_thread_or_fails, None, 8),
    ],
)
def test_few_elements_begin_after_one_has_failed(
    client: Any, tmp_path: Path, flow: Any, chunk: int | None, in_flight: int
) -> None:
    outcome = each(flow).run_sync(range(200), deps=str(tmp_path), backend=DaskBackend(client, chunk=chunk))
    assert outcome.defect is not None
    assert outcome.defect.path.startswith("each[20]/")
    told = [line.what for line in lines(tmp_path)]
    assert told[told.index("failing") :].count("begin") <= in_flight


# -- cancelling --------------------------------------------------------------------------------------------------------


def on_scheduler(dask_scheduler: Any = None) -> tuple[list[str], list[str]]:
    """Give the runs that are known there, and the keys of tasks."""
    plugin = dask_scheduler.plugins.get("mce-2")
    return list(plugin.cases) if plugin else [], [str(key) for key in dask_scheduler.tasks]


def on_worker(dask_worker: Any = None) -> tuple[list[str], list[str]]:
    """Give the runs that are known there, and the tasks."""
    from mce.backends.cluster import host

    return [run for runs in host._known.values() for run in runs], [str(key) for key in dask_worker.state.tasks]


def places(told: list[Line], *what: str) -> list[tuple[str, int]]:
    """Give where and in which processes something happened; acquiring and releasing are in one place."""
    found = [(line.path, line.pid) for line in told if line.what in what]
    return sorted((path.removesuffix("/acquire/opens").removesuffix("/release/closes"), pid) for path, pid in found)


def left(client: Any) -> list[Any]:
    found = [client.run_on_scheduler(on_scheduler), *client.run(on_worker).values()]
    return [part for pair in found for part in pair if part]


def until(condition: Callable[[], Any], missing: Callable[[], Any] = lambda: "it never came to be so") -> Any:
    """Wait till something is so in other processes, and give what it is; ``missing`` tells what is in its way."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(missing())


def check_nothing_is_left(client: Any) -> None:
    """Wait till all is gone that is on its way out: messages to workers are not waited for by a run."""
    until(lambda: not left(client), lambda: left(client))


HELD = bracket(faulty.opens, faulty.waits, faulty.closes)

works: Any = faulty.works
WAITING: dict[str, tuple[Flow[Any, Any, Any, Any], int]] = {
    "chain": (faulty.works >> faulty.waits >> faulty.works, 2),
    "bracket": (HELD, 1),
    "plain step": (faulty.same >> faulty.blocks >> faulty.works, 1),
    "gather": (gather(faulty.waits, HELD, faulty.same >> faulty.waits) >> works, 3),
    "race": (race(faulty.waits, HELD), 2),
    "each": (pure(range(300)) >> each(HELD) >> works, 4),
    "limited each": (pure(range(300)) >> each(HELD, limit=3), 3),
    "loop with an each": (iterate(pure(range(70)) >> each(HELD) >> faulty.same, lambda _: True), 4),
    "retry": (faulty.waits.retry(recurs(3)).timeout(3600), 1),
}


async def _cancel_handle(run: Any, ready: Callable[[], Any]) -> None:
    handle = run("start")
    await ready()
    await handle.cancel()


async def _cancel_task(run: Any, ready: Callable[[], Any]) -> None:
    task = asyncio.ensure_future(run("run"))
    await ready()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _cancel_scope(run: Any, ready: Callable[[], Any]) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(run, "run")
        await ready()
        group.cancel_scope.cancel()


async def _leave_stream(run: Any, ready: Callable[[], Any]) -> None:
    async with run("stream") as events:
        await anext(events)
        await ready()


@pytest.mark.parametrize(
    ("cancel", "loop"),
    [
        (_cancel_handle, "asyncio"),
        (_cancel_task, "asyncio"),
        (_cancel_scope, "trio"),
        (_leave_stream, "asyncio"),
    ],
)
@pytest.mark.parametrize(("flow", "begun"), WAITING.values(), ids=WAITING)
def test_nothing_is_left_of_a_cancelled_run(
    client: Any, backend: DaskBackend, tmp_path: Path, flow: Any, begun: int, cancel: Any, loop: str
) -> None:
    async def ready() -> None:
        await anyio.to_thread.run_sync(until, lambda: len(lines(tmp_path, "begin")) >= begun)
        (tmp_path / "cancelling").touch()

    def run(how: str) -> Any:
        return getattr(flow, how)(1, deps=str(tmp_path), backend=backend)

    anyio.run(cancel, run, ready, backend=loop)
    told = lines(tmp_path)
    assert places(told, "opened") == places(told, "closed")
    waited = [line for line in told if not line.path.endswith("works")]
    assert places(waited, "begin") == places(waited, "stopped", "ended")
    check_nothing_is_left(client)
    assert lines(tmp_path) == told


@pytest.mark.parametrize("route", ["mce_open", "mce_stop", "mce_close"])
def test_nothing_is_left_when_the_coordinator_is_slow(
    cluster: Any, client: Any, backend: DaskBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    """A cancellation of asyncio's own, which no scope of anyio's holds back, comes twice while something is asked."""
    faulty.same.run_sync(1, backend=backend)
    handlers, asked = cluster.scheduler.handlers, threading.Event()
    answer = handlers[route]

    async def slowly(**message: Any) -> Any:
        asked.set()
        await asyncio.sleep(0.3)
        return answer(**message)

    async def cancelled() -> None:
        run = asyncio.ensure_future(gather(faulty.waits, HELD).run(1, deps=str(tmp_path), backend=backend))
        if route != "mce_open":
            await anyio.to_thread.run_sync(until, lambda: len(lines(tmp_path, "begin")) >= 2)
            run.cancel()
        await anyio.to_thread.run_sync(asked.wait)
        for _ in range(2):
            run.cancel()
            await asyncio.sleep(0.05)
        with pytest.raises(asyncio.CancelledError):
            await run

    monkeypatch.setitem(handlers, route, slowly)
    asyncio.run(cancelled())
    check_nothing_is_left(client)
    told = lines(tmp_path)
    assert places(told, "opened") == places(told, "closed")


def test_what_is_asked_is_answered_before_a_cancelled_run_goes_on() -> None:
    """Asyncio's own cancellation, which comes as often as somebody asks for it, and through shields of anyio's."""

    async def stop(scope: Any, but: Any) -> None:
        raise AssertionError("nobody stops anything here")

    async def main() -> None:
        client: Any = SimpleNamespace(status="running", scheduler=None)
        asked: Answer[int] = Answer()
        waiting = asyncio.ensure_future(Link(client, stop).answer(asked))
        for _ in range(2):
            await asyncio.sleep(0.01)
            waiting.cancel()
        await asyncio.sleep(0.01)
        assert not waiting.done()
        asked.set_result(1)
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())


def test_a_worker_that_comes_before_the_run_is_opened_waits(
    cluster: Any, client: Any, backend: DaskBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = cluster.scheduler.handlers
    open_run, join, came = handlers["mce_open"], handlers["mce_join"], asyncio.Event()

    async def opens_late(**message: Any) -> Any:
        await came.wait()
        return open_run(**message)

    def joins(**message: Any) -> Any:
        came.set()
        return join(**message)

    monkeypatch.setitem(handlers, "mce_open", opens_late)
    monkeypatch.setitem(handlers, "mce_join", joins)
    assert gather(faulty.same, faulty.same).run_sync(7, backend=backend).value == (7, 7)
    check_nothing_is_left(client)


def test_a_worker_that_comes_after_the_run_is_told_so(cluster: Any, client: Any, backend: DaskBackend) -> None:
    faulty.same.run_sync(1, backend=backend)
    coordinator = cluster.scheduler.plugins["mce-2"]
    check_nothing_is_left(client)
    over = coordinator.closed[-1]
    assert client.sync(client.scheduler.mce_join, run=over, worker="tcp://anywhere:1") is None
    assert coordinator.awaited == {}


def threads_and_files(dask_worker: Any = None) -> tuple[int, int]:
    return threading.active_count(), len(os.listdir("/proc/self/fd"))


def test_many_runs_leave_nothing_on_workers(client: Any, backend: DaskBackend, tmp_path: Path) -> None:
    async def cancelled() -> None:
        begun = len(lines(tmp_path, "begin"))
        handle = gather(faulty.waits, faulty.waits).start(1, deps=str(tmp_path), backend=backend)
        await anyio.to_thread.run_sync(until, lambda: len(lines(tmp_path, "begin")) == begun + 2)
        await handle.cancel()

    def some() -> None:
        for at in range(6):
            assert gather(faulty.same, faulty.boom, faulty.same).run_sync(at, backend=backend).defect is not None
            assert iterate(faulty.same, lambda _: True).run_sync(at, backend=backend).value == at
            assert each(faulty.same).run_sync(range(5), backend=backend).value == (0, 1, 2, 3, 4)
            assert race(faulty.same, faulty.waits).run_sync(at, deps=str(tmp_path), backend=backend).value == at
        anyio.run(cancelled)

    some()
    check_nothing_is_left(client)
    before = client.run(threads_and_files)
    for _ in range(4):
        some()
    check_nothing_is_left(client)
    after = client.run(threads_and_files)
    assert {worker: _few(after[worker], before[worker]) for worker in before} == dict.fromkeys(before, True)


def _few(after: tuple[int, int], before: tuple[int, int]) -> bool:
    """Whether a worker has hardly more than before: it keeps a pool of threads, of which not all have been started."""
    return after[0] - before[0] <= 4 and after[1] - before[1] <= 12


def test_runs_at_the_same_time_keep_apart(cluster: Any, client: Any) -> None:
    """Two clients, five runs: each has its own outcome, and its own failures stop nobody else."""
    other = connect(cluster)
    flows: list[Flow[Any, Any, Any, Any]] = [
        pure(range(100)) >> each(faulty.same) >> faulty.total,
        gather(faulty.same, faulty.same) >> faulty.total,
        gather(faulty.same, faulty.boom),
        iterate(faulty.same, lambda _: True),
        faulty.runs_another,
    ]

    async def all_of_them() -> list[Any]:
        backends = (DaskBackend(client), DaskBackend(other))
        return list(await asyncio.gather(*(flow.run(7, backend=backends[at % 2]) for at, flow in enumerate(flows))))

    sums, pair, failed, turned, nested = asyncio.run(all_of_them())
    assert (sums.value, pair.value, turned.value, nested.value) == (4950, 14, 7, 21)
    assert failed.defect.path == "gather[1]/boom"
    other.close()
    check_nothing_is_left(client)


# -- finalisers --------------------------------------------------------------------------------------------------------


@around
def test_a_finaliser_that_fails_is_told(backend: DaskBackend, tmp_path: Path, put: Any) -> None:
    flow = put(bracket(faulty.opens, faulty.works, faulty.fails_to_close))
    outcome = flow.run_sync(1, deps=str(tmp_path), backend=backend)
    assert outcome.defect.path.endswith("bracket/release/fails_to_close")
    assert isinstance(outcome.defect.cause, OSError)
    assert len(lines(tmp_path, "closed")) == len(lines(tmp_path, "opened"))


def test_a_finaliser_that_fails_after_a_failure_is_noted(backend: DaskBackend, tmp_path: Path) -> None:
    flow = gather(faulty.same, bracket(faulty.opens, faulty.boom, faulty.fails_to_close))
    outcome: Any = flow.run_sync(1, deps=str(tmp_path), backend=backend)
    assert isinstance(outcome.defect.cause, ValueError)
    assert "does not close" in str(outcome.where.notes)
    assert len(lines(tmp_path, "closed")) == 1


# -- workers that are killed -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fragile() -> Iterator[tuple[Any, Any]]:
    """A cluster whose workers are killed, and are started again."""
    with local_cluster(n_workers=3, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster:
        client = connect(cluster)
        yield cluster, client
        client.close()


def kill_one(client: Any, folder: Path, after: int, chance: random.Random) -> int:
    """Kill a worker when so many lines were written, preferably one that has written any; give its process id."""
    until(lambda: len(lines(folder)) >= after)
    told = sorted({line.pid for line in lines(folder)} & set(client.run(os.getpid).values()))
    pid = chance.choice(told)
    os.kill(pid, signal.SIGKILL)
    return pid


@pytest.mark.parametrize("seed", range(10))
def test_a_killed_worker_changes_no_outcome(fragile: tuple[Any, Any], tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    name = sorted(faulty.SHAPES)[seed % len(faulty.SHAPES)]
    flow = faulty.SHAPES[name]
    (tmp_path / "here").mkdir()
    wanted = flow.run_sync(1, state=Notes(), deps=str(tmp_path / "here"))
    after = chance.randrange(5, len(lines(tmp_path / "here")) * 3 // 4)
    cluster, client = fragile
    cluster.scale(3)  # Dask gives up a worker now and then that was killed soon after its start
    client.wait_for_workers(3)
    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill_one, client, tmp_path, after, chance)
        outcome = flow.run_sync(1, state=Notes(), deps=str(tmp_path), backend=DaskBackend(client))
    killed = killing.result()
    once = [line.path for line in lines(tmp_path, "once")]
    assert len(once) == len(set(once))
    if isinstance(outcome.error, Uncertain):  # and only what the killed worker was inside of is
        assert {line.pid for line in lines(tmp_path) if line.path == outcome.error.path} <= {killed}
    else:
        assert (outcome.value, outcome.state) == (wanted.value, wanted.state)


# -- workers that are lost for good ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("put", "where", "flow"),
    [
        ("branch", "gather[1]/same", faulty.grows),
        ("element", "each[", faulty.ends_its_process),
    ],
)
def test_a_step_that_ends_its_workers_is_named(tmp_path: Path, put: str, where: str, flow: Any) -> None:
    setting: Any = getattr(dask, "config").set  # noqa: B009 - which Dask does not export to type checkers
    once_more = setting({"distributed.scheduler.allowed-failures": 1})
    with (
        once_more,
        DaskBackend(n_workers=1, threads_per_worker=1, memory_limit="300MB") as backend,
    ):
        outcome = AROUND[put](flow).run_sync(1, deps=str(tmp_path), backend=backend)
    defect = outcome.defect
    assert isinstance(defect.cause, ClusterError)
    assert f"the worker that ran the task at {where}" in str(defect.cause)
    assert "2 times in a row" in str(defect.cause)
    assert "memory" in str(defect.cause)
    assert defect.path.startswith(where)
    assert defect.worker.startswith("tcp://")
    assert outcome.where.path == defect.path


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """A scheduler and workers started by commands; no worker is started again."""
    with Commands(tmp_path_factory.mktemp("commands"), 3) as commands:
        yield commands


def holds_results(dask_worker: Any = None) -> tuple[int, bool]:
    return os.getpid(), bool(dask_worker.data)


def test_the_others_do_the_work_of_a_worker_that_is_lost(lasting: Commands, tmp_path: Path) -> None:
    flow = pure(range(300)) >> each(faulty.adds_in_thread >> faulty.adds) >> faulty.total
    with DaskBackend(lasting.address) as backend, ThreadPoolExecutor(1) as pool:
        client: Any = backend.client
        until(lambda: len(client.nthreads()) == 3)
        killing = pool.submit(kill_one, client, tmp_path, 100, random.Random(1))
        outcome = flow.run_sync(1, state=Notes(), deps=str(tmp_path), backend=backend)
        killing.result()
        assert len(client.nthreads()) == 2
    assert outcome.value == sum(range(300)) + 600
    assert outcome.state.log == tuple(str(x + 1) for x in range(300))


def test_a_call_is_not_made_again_when_its_result_is_lost(lasting: Commands, tmp_path: Path) -> None:
    """What has ended on the worker is needed after that was killed, and is taken from what was recorded."""
    flow = gather(faulty.adds >> faulty.adds_once, faulty.blocks) >> faulty.total
    with DaskBackend(lasting.address) as backend, ThreadPoolExecutor(1) as pool:
        client: Any = backend.client

        def kill() -> int:
            ended = until(lambda: [x for x in lines(tmp_path, "ended") if x.path.endswith("adds_once")])
            until(lambda: (ended[0].pid, True) in client.run(holds_results).values())
            os.kill(ended[0].pid, signal.SIGKILL)
            (tmp_path / "cancelling").touch()
            return int(ended[0].pid)

        killing = pool.submit(kill)
        outcome = flow.run_sync(1, state=Notes(), deps=str(tmp_path), backend=backend)
        killed = killing.result()
    assert (outcome.value, outcome.state) == (4, Notes(("1", "once 2")))
    assert [line.pid for line in lines(tmp_path, "once")] == [killed]
    assert len([line for line in lines(tmp_path, "ended") if line.path == "gather[0]/adds"]) == 2


@pytest.mark.parametrize(
    ("flow", "wanted"),
    [
        (gather(pure(1) >> faulty.fails_after, faulty.holds), "after all had begun"),
        (
            gather(pure(1) >> faulty.same >> gather(faulty.same, faulty.fails_after), faulty.holds),
            "after all had begun",
        ),
        (race(pure(1) >> faulty.wins_after, faulty.holds), 1),
        (faulty.dag_that_fails(), "after all had begun"),
    ],
    ids=["gather", "nested", "race", "dag"],
)
def test_what_decided_is_found_again_when_it_is_lost(lasting: Commands, tmp_path: Path, flow: Any, wanted: Any) -> None:
    """A branch fails, or wins, and others are stopped; its worker is killed before they have ended."""
    lasting.workers.append(lasting.add_worker())
    with DaskBackend(lasting.address) as backend, ThreadPoolExecutor(1) as pool:
        client: Any = backend.client
        until(lambda: len(client.nthreads()) >= 2)

        def kill() -> None:
            decider = until(lambda: lines(tmp_path, "failing"))[0].pid
            workers = client.nthreads()
            until(lambda: (decider, True) in client.run(holds_results).values())
            os.kill(decider, signal.SIGKILL)
            until(lambda: len(client.nthreads()) < len(workers))
            (tmp_path / "let go").touch()

        killing = pool.submit(kill)
        outcome = flow.run_sync(1, deps=str(tmp_path), backend=backend)
        killing.result()
    assert outcome.value == wanted if outcome.ok else wanted in str(outcome.error)


@pytest.mark.parametrize("how", ["run_sync", "run", "stream"])
def test_a_scheduler_that_goes_away_ends_the_run(tmp_path: Path, how: str) -> None:
    total: Any = faulty.total
    flow = gather(faulty.waits, pure(range(100)) >> each(faulty.waits)) >> total

    async def stream() -> Any:
        return [event async for event in flow.stream(1, deps=str(tmp_path), backend=backend)]

    ways: dict[str, Callable[[], Any]] = {
        "run_sync": lambda: flow.run_sync(1, deps=str(tmp_path), backend=backend),
        "run": lambda: anyio.run(partial(flow.run, 1, deps=str(tmp_path), backend=backend), backend="trio"),
        "stream": lambda: anyio.run(stream),
    }

    def kill() -> None:
        until(lambda: len(lines(tmp_path, "begin")) >= 2)
        commands.scheduler.kill()

    with Commands(tmp_path, 1) as commands, ThreadPoolExecutor(1) as pool:
        backend = DaskBackend(commands.address)
        assert faulty.same.run_sync(1, backend=backend).value == 1
        killing = pool.submit(kill)
        with pytest.raises(ClusterError, match=f"the scheduler {commands.address} is gone"):
            ways[how]()
        killing.result()
        with pytest.raises(ClusterError, match=commands.address):
            faulty.same.run_sync(1, backend=backend)
        backend.close()


def test_a_scheduler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[DaskBackend.__module__], "_CONNECT", 0.5)
    with socket.socket() as taken:  # and not listened to
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ClusterError, match=f"there is no scheduler at {address}"):
            faulty.same.run_sync(1, backend=DaskBackend(address))
