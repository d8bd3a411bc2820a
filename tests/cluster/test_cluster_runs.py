"""What becomes tasks, what does not, and what passes between them; on real worker processes."""

from __future__ import annotations

import asyncio
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from mce import (
    ClusterError,
    DaskBackend,
    Defect,
    Emitted,
    Flow,
    InlineBackend,
    Limit,
    Outcome,
    StateConflict,
    each,
    gather,
    iterate,
    lift,
    limit,
    pure,
    settle,
)
from mce.backends.cluster import plan
from mce.backends.cluster.sheet import Needs, Sheet
from mce.engine.compile import compile_node
from mce.errors import RemoteError
from tests.cluster import work
from tests.cluster.work import Tally, counts, double, inc, where


def tasks_of(client: Any, run: Callable[[], Any]) -> int:
    """Count the tasks that workers executed for ``run``."""

    async def executed(dask_worker: Any) -> int:
        while dask_worker.state.executing or dask_worker.state.long_running:  # noqa: ASYNC110 - of which it tells nobody
            await asyncio.sleep(0.005)
        return int(dask_worker.state.executed_count)

    before = sum(client.run(executed).values())
    run()
    found: int = sum(client.run(executed).values()) - before
    return found


def chain(n: int) -> Flow[int, int]:
    flow: Flow[int, int] = inc
    for _ in range(n - 1):
        flow = flow >> inc
    return flow


@pytest.mark.parametrize(
    ("value", "fetched"),
    [("small", 0), ("l" * 100_000, 1), (pickle.PickleBuffer(b"b" * 100_000), 1)],
    ids=["small", "large", "buffer"],
)
def test_a_small_end_is_told_and_a_large_one_fetched(
    client: Any, backend: DaskBackend, monkeypatch: pytest.MonkeyPatch, value: Any, fetched: int
) -> None:
    work.same.run_sync(0, backend=backend)
    asked: list[Any] = []
    fetch = client._gather

    async def fetches(*arguments: Any, **options: Any) -> Any:
        asked.append(arguments)
        return await fetch(*arguments, **options)

    monkeypatch.setattr(client, "_gather", fetches)
    found = work.same.run_sync(value, backend=backend).value
    assert bytes(found) == bytes(value) if isinstance(value, pickle.PickleBuffer) else found == value
    assert len(asked) == fetched


def test_a_flow_is_sent_as_it_is_now(backend: DaskBackend) -> None:
    """Its tree is flattened once for many runs; what it holds may change between them."""
    held = [1]
    flow = pure(held) >> work.same
    assert flow.run_sync(backend=backend).value == [1]
    held.append(2)
    assert flow.run_sync(backend=backend).value == [1, 2]


# -- what becomes tasks ------------------------------------------------------------------------------------------------


def test_a_chain_is_one_task(client: Any, backend: DaskBackend) -> None:
    flow = chain(200)
    assert tasks_of(client, lambda: flow.run_sync(0, backend=backend).unwrap()) == 1


@pytest.mark.parametrize("flow", [work.many(200), pure(0).bind(work.again)], ids=["do", "bind"])
def test_a_dynamic_chain_is_one_task(client: Any, backend: DaskBackend, flow: Flow[Any, Any]) -> None:
    assert tasks_of(client, lambda: flow.run_sync(backend=backend).unwrap()) == 1


def test_chains_side_by_side_are_a_task_each_and_one_that_joins(client: Any, backend: DaskBackend) -> None:
    flow = gather(*[chain(50)] * 20).map(sum)
    assert tasks_of(client, lambda: flow.run_sync(0, backend=backend).unwrap()) == 21


def test_a_narrow_fork_in_a_loop_stays_in_its_task(client: Any, backend: DaskBackend) -> None:
    flow = iterate(gather(inc, double).map(max), until=lambda value: value > 100)
    assert tasks_of(client, lambda: flow.run_sync(1, backend=backend).unwrap()) == 1


def test_a_wide_fork_in_a_loop_goes_back_to_the_cluster(client: Any, backend: DaskBackend) -> None:
    hundred: Any = lift(lambda _: range(100))
    flow = pure(0) >> iterate(hundred >> each(work.wait_and_tell), until=bool)
    found: list[Outcome[Any, Any, Any]] = []
    assert tasks_of(client, lambda: found.append(flow.run_sync(backend=backend))) > 3
    assert len(found[0].unwrap()) == 100
    assert len(set(found[0].unwrap())) == 2


@pytest.mark.parametrize(("chunk", "tasks"), [(1, 33), (10, 6), (100, 4)])
def test_a_chunk_is_a_task(client: Any, chunk: int, tasks: int) -> None:
    backend = DaskBackend(client, chunk=chunk)
    flow = each(inc).map(sum)
    # besides the chunks: the elements as a list, how many they are, and the join
    assert tasks_of(client, lambda: flow.run_sync(range(30), backend=backend).unwrap()) == tasks


def test_cheap_branches_are_grouped(client: Any, backend: DaskBackend) -> None:
    flow = each(inc).map(sum)
    assert tasks_of(client, lambda: flow.run_sync(range(5_000), backend=backend).unwrap()) < 150


def test_a_hundred_thousand_elements(backend: DaskBackend) -> None:
    outcome = each(inc).map(sum).run_sync(range(100_000), backend=backend)
    assert outcome.unwrap() == sum(range(1, 100_001))


def test_nothing_is_left_on_the_scheduler(client: Any, backend: DaskBackend) -> None:
    def left(dask_scheduler: Any) -> tuple[int, int]:
        return len(dask_scheduler.plugins["mce-2"].cases), sum(
            any(part in str(key) for part in ("inc-0", "each-0")) for key in dask_scheduler.tasks
        )

    each(inc).run_sync(range(100), backend=backend)
    with anyio.from_thread.start_blocking_portal() as portal:
        for _ in range(100):  # the client tells the scheduler soon
            if client.run_on_scheduler(left) == (0, 0):
                break
            portal.call(anyio.sleep, 0.05)
    assert client.run_on_scheduler(left) == (0, 0)


def test_tasks_are_named_after_steps_and_know_their_paths(client: Any, backend: DaskBackend, tmp_path: Path) -> None:
    def paths(dask_scheduler: Any) -> dict[str, str]:
        return {task.prefix.name: task.annotations["path"] for task in dask_scheduler.tasks.values()}

    found: dict[str, str] = {}

    async def main() -> None:
        flow: Any = gather(work.emits, work.emits >> where).named("both")
        async for event in flow.stream(str(tmp_path), backend=backend):
            if isinstance(event, Emitted):
                found.update(client.run_on_scheduler(paths))
                (tmp_path / "answer").touch()

    anyio.run(main)
    assert found["emits"].startswith("both/gather[")
    assert found["gather"] == "both/gather"


# -- what passes between them ------------------------------------------------------------------------------------------


def test_values_pass_from_worker_to_worker(backend: DaskBackend) -> None:
    flow = work.make_at_home >> gather(work.use, work.use, work.use)
    assert flow.run_sync(os.getpid(), backend=backend).unwrap() == (os.getpid(),) * 3


def test_changes_of_the_state_meet(backend: DaskBackend) -> None:
    flow = counts >> gather(counts, inc >> counts >> counts, counts)
    outcome = flow.run_sync(1, state=Tally(), backend=backend)
    assert outcome.state == Tally((1, 1, 2, 2, 1), 7)
    assert outcome == flow.run_sync(1, state=Tally(), backend=InlineBackend())


def test_changes_of_many_elements_meet_in_their_order(backend: DaskBackend) -> None:
    outcome = each(counts).run_sync(range(300), state=Tally(), backend=backend)
    assert outcome.state == Tally(tuple(range(300)), sum(range(300)))


def test_branches_that_write_the_same_field_conflict(backend: DaskBackend) -> None:
    outcome = gather(work.writes, inc >> work.writes).run_sync(1, state=Tally(), backend=backend)
    assert outcome.error == StateConflict("last", ("gather[0]", "gather[1]"), (1, 2), "gather")


def test_what_cannot_be_pickled_stays_within_a_task(backend: DaskBackend) -> None:
    assert (work.lock >> work.kind).run_sync(0, backend=backend).unwrap() == "coroutine_wrapper"


def test_what_cannot_be_pickled_does_not_pass_between_tasks(backend: DaskBackend) -> None:
    outcome = (work.lock >> gather(work.kind, work.kind)).run_sync(0, backend=backend)
    assert outcome.defect is not None
    assert isinstance(outcome.defect.cause, ClusterError)
    assert "the value at lock" in str(outcome.defect.cause)


def test_a_large_input_is_scattered(backend: DaskBackend) -> None:
    large = b"x" * 3_000_000
    assert gather(lift(len), lift(len) >> inc).run_sync(large, backend=backend).unwrap() == (3_000_000, 3_000_001)


def test_an_iterator_is_an_input(backend: DaskBackend) -> None:
    assert each(inc).run_sync(iter(range(3)), backend=backend).unwrap() == (1, 2, 3)


@pytest.mark.parametrize("made", [work.Made, work.made_in_loop])
def test_dependencies_are_made_once_where_they_are_used(backend: DaskBackend, made: Any) -> None:
    outcome = each(work.deps_at).run_sync(range(200), deps=made, backend=backend)
    found = set(outcome.unwrap())
    most = 1 if made is work.Made else 2 + 32  # an async factory once for each event loop: of those that run or wait
    assert len({pid for pid, _ in found}) == 2
    assert all(sum(pid == other for other, _ in found) <= most for pid, _ in found)


def test_events_stream_while_the_run_goes_on(backend: DaskBackend, tmp_path: Path) -> None:
    async def main() -> list[Any]:
        found: list[Any] = []
        async for event in work.emits.stream(str(tmp_path), backend=backend):
            found.append(event)
            if isinstance(event, Emitted):
                (tmp_path / "answer").touch()
        return found

    events = anyio.run(main)
    assert isinstance(events[-1], Outcome)
    assert events[-1].unwrap() == "answered"


def test_a_run_goes_on_in_a_loop_of_trio(backend: DaskBackend) -> None:
    async def main() -> Any:
        return await gather(inc, double).run(3, backend=backend)

    assert anyio.run(main, backend="trio").unwrap() == (4, 6)


def test_a_defect_is_pickled_without_what_it_was_raised_from() -> None:
    class Held(Exception):
        def __reduce__(self) -> str:
            raise TypeError("cannot be pickled")

    defect = pickle.loads(pickle.dumps(Defect(Held("held"), "the traceback", "agent/search", 2, "tcp://worker")))
    assert defect.cause == RemoteError("Held", "held")
    assert (defect.traceback, defect.worker) == ("the traceback", "tcp://worker")


def test_settled_failures_say_on_which_worker(client: Any, backend: DaskBackend) -> None:
    outcome = settle(inc, lift(lambda value: value / 0)).run_sync(1, backend=backend)
    failed: Any = outcome.unwrap()[1].failure()
    assert isinstance(failed.cause, ZeroDivisionError)
    assert failed.worker in client.scheduler_info()["workers"]
    assert "ZeroDivisionError" in failed.traceback


# -- where it runs -----------------------------------------------------------------------------------------------------


def test_all_tasks_run_on_the_workers_that_were_named(client: Any) -> None:
    pids = client.run(os.getpid)
    for worker, pid in pids.items():
        backend = DaskBackend(client, workers=[worker], priority=5)
        assert set(gather(*[where] * 4).run_sync(0, backend=backend).unwrap()) == {pid}
        hundred: Any = lift(lambda _: range(100))
        wide = pure(0) >> iterate(hundred >> each(where), until=bool)
        assert set(wide.run_sync(backend=backend).unwrap()) == {pid}


def test_a_step_that_takes_resources_is_a_task_of_its_own() -> None:
    needs = Needs()
    block = compile_node((inc >> work.on_gpu >> double).node, False)
    found = [(cut.at, cut.region) for cut in plan.cuts(block, needs)]
    assert found == [(1, "needs"), (2, "needs"), (3, None)]
    assert plan.needs_of(block.ops[1:2], needs).annotations() == {"resources": {"GPU": 1}}


def test_forks_in_forks_do_not_become_more_tasks_than_a_graph_should_have() -> None:
    flow: Flow[int, Any] = inc
    for _ in range(4):
        flow = gather(*[flow >> double] * 30)
    block = compile_node(flow.node, False)
    sheet = Sheet("token")
    planner = plan.Planner(sheet, "run", Needs())
    planner.branches(block, (), 0, None)
    assert 900 < sheet.count < 10_000


def test_who_holds_a_limit_goes_on_though_all_threads_wait_for_it(client: Any) -> None:
    """Of six that take the limit, one has it and spreads a hundred branches; the others fill the threads."""
    backend = DaskBackend(client, waiting=0, spread_from=50)
    hundred: Any = lift(lambda _: range(100))
    one: Any = limit(iterate(hundred >> each(work.wait_and_tell), until=bool), Limit("one", 1))
    outcome = gather(*[one] * 6).run_sync(0, backend=backend)
    assert [len(found) for found in outcome.unwrap()] == [100] * 6
