"""``LocalBackend``: which step runs where, how many at once, and what becomes of those that are late."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest

from mce import Context, InvalidStep, LocalBackend, TimedOut, each, gather, recurs, step

BACKENDS = [LocalBackend(), LocalBackend(loop="trio")]
on_both = pytest.mark.parametrize("backend", BACKENDS, ids=repr)


@step
def thread(_: object) -> int:
    return threading.get_ident()


@step(pure=True)
def pure_thread(_: object) -> int:
    return threading.get_ident()


@step(run_in="inline")
def inline_thread(_: object) -> int:
    return threading.get_ident()


@step(run_in="process")
def process(_: object) -> int:
    return os.getpid()


@step(run_in="process")
def process_that_hangs(_: object) -> None:
    threading.Event().wait()


@step(run_in="process", raises=LookupError)
def process_that_fails(expected: bool) -> None:
    raise LookupError("expected") if expected else ValueError("not expected")


@on_both
def test_plain_steps_run_in_threads_unless_they_say_otherwise(backend: LocalBackend) -> None:
    here = threading.get_ident()
    assert thread.run_sync(None, backend=backend).value != here
    assert gather(pure_thread, inline_thread).run_sync(None, backend=backend).value == (here, here)


@on_both
def test_a_step_in_a_process_runs_in_another_one(backend: LocalBackend) -> None:
    assert process.run_sync(None, backend=backend).value != os.getpid()


@on_both
def test_a_step_in_a_process_that_is_late_is_killed(backend: LocalBackend) -> None:
    outcome = process_that_hangs(None).timeout(0.05).run_sync(backend=backend)
    assert outcome.error == TimedOut(0.05, "process_that_hangs")


@on_both
def test_failures_come_back_from_a_process(backend: LocalBackend) -> None:
    assert isinstance(process_that_fails(True).run_sync(backend=backend).error, LookupError)
    defect = process_that_fails(False).run_sync(backend=backend).defect
    assert defect is not None
    assert isinstance(defect.cause, ValueError)


def test_a_step_that_a_process_cannot_import_is_refused() -> None:
    @step(run_in="process")
    def local(_: object) -> None: ...

    defect = local(None).run_sync().defect
    assert defect is not None
    assert isinstance(defect.cause, InvalidStep)
    assert "at the top of a module" in str(defect)


@on_both
@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_plain_steps_run_at_once_than_threads_are_allowed(backend: LocalBackend, threads: int) -> None:
    lock = threading.Lock()
    running: set[int] = set()
    most: list[int] = []
    met = threading.Barrier(threads, timeout=30)

    @step
    def meets(n: int) -> None:
        with lock:
            running.add(n)
            most.append(len(running))
        met.wait()  # nobody goes on before as many as may run are there
        with lock:
            running.remove(n)

    limited = LocalBackend(loop=backend.loop, threads=threads)
    assert each(meets).run_sync(range(threads * 4), backend=limited).ok
    assert max(most) == threads


def test_one_backend_serves_several_loops_at_once() -> None:
    backend = LocalBackend(threads=2)

    def run(_: int) -> int:
        return len(each(thread).run_sync(range(20), backend=backend).value)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(8))) == [20] * 8


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_one_backend_serves_loops_of_either_kind(loop: str) -> None:
    backend = LocalBackend(threads=1)
    assert thread.run_sync(None, backend=backend).ok

    async def main() -> bool:
        return (await thread.run(None, backend=backend)).ok

    assert anyio.run(main, backend=loop)


@on_both
def test_a_step_in_a_thread_keeps_its_context_until_it_ends(backend: LocalBackend) -> None:
    deadline = threading.Event()

    @step
    def outlives(ctx: Context[Any]) -> None:
        deadline.wait(0.05)
        ctx.put("written late")

    outcome = outlives.timeout(0.01).run_sync(state="before", backend=backend)
    assert (outcome.error, outcome.state) == (TimedOut(0.01, "outlives"), "written late")


@on_both
def test_a_late_step_in_a_thread_is_tried_again_only_when_it_has_ended(backend: LocalBackend) -> None:
    running: list[int] = []
    together: list[int] = []

    @step
    def slow(ctx: Context[Any]) -> None:
        running.append(ctx.attempt)
        together.append(len(running))
        threading.Event().wait(0.02)
        running.pop()

    outcome = slow.timeout(0.005).retry(recurs(2)).run_sync(backend=backend)
    assert isinstance(outcome.error, TimedOut)
    assert together == [1, 1, 1]


@on_both
def test_a_run_within_a_plain_step_has_a_loop_of_its_own(backend: LocalBackend) -> None:
    @step
    def nested(_: object) -> Any:
        return gather(thread, thread).run_sync(None, backend=LocalBackend(loop=backend.loop)).ok

    assert gather(nested, nested).run_sync(None, backend=backend).value == (True, True)


@pytest.mark.parametrize(
    "wrong",
    [lambda: LocalBackend(loop="curio"), lambda: LocalBackend(threads=0)],  # type: ignore[arg-type]  # pyright: ignore
)
def test_wrong_options_are_refused(wrong: Callable[[], LocalBackend]) -> None:
    with pytest.raises(Exception, match="LocalBackend"):
        wrong()
