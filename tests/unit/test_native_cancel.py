"""asyncio's own cancellation, which knows no shields: what a run has under its care still ends before the run does."""

from __future__ import annotations

import asyncio
import threading

import anyio
import pytest

from mce import Flow, InlineBackend, LocalBackend, bracket, gather, pure, step


def run(main: object) -> None:
    asyncio.run(main)  # type: ignore[arg-type]  # pyright: ignore


def test_a_step_in_a_thread_is_awaited() -> None:
    started, go, log = threading.Event(), threading.Event(), list[str]()

    @step
    def work() -> None:
        started.set()
        go.wait(10)
        log.append("worked")

    async def main() -> None:
        task = asyncio.ensure_future(work.run())
        await asyncio.to_thread(started.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        log.append("cancelled twice")
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert log == ["cancelled twice", "worked"]

    run(main())


@pytest.mark.parametrize("backend", [LocalBackend(), InlineBackend()], ids=repr)
def test_acquiring_and_releasing_withstand_it(backend: LocalBackend | InlineBackend) -> None:
    log = list[str]()

    @step
    async def slowly(what: str) -> str:
        for _ in range(3):
            await asyncio.sleep(0)
        log.append(what)
        return what

    @step
    async def hang() -> None:
        await anyio.sleep_forever()

    async def cancelled_after(turns: int) -> list[str]:
        log.clear()
        held: Flow[object, None] = bracket(slowly("acquire"), lambda _: hang, lambda _: slowly("release"))
        task = asyncio.ensure_future(gather(held, pure(1)).run(backend=backend))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return log.copy()

    async def main() -> None:
        seen = [await cancelled_after(turns) for turns in range(1, 20)]
        assert all(each in ([], ["acquire", "release"]) for each in seen)
        assert ["acquire", "release"] in seen

    run(main())


def test_a_timeout_of_asyncio_around_a_run_is_a_timeout() -> None:
    @step
    async def hang() -> None:
        await anyio.sleep_forever()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await hang.run()

    run(main())


def test_the_first_of_several_interrupts_is_raised_bare() -> None:
    @step
    async def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt.run_sync()


def test_a_run_that_is_cancelled_from_within_is_cancelled() -> None:
    """A step cancels the task that it is in, which nobody else does."""

    @step
    async def give_up() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async def main() -> None:
        with pytest.raises(asyncio.CancelledError):
            await give_up.run()

    run(main())


def test_the_cancellations_of_anyio_and_of_asyncio_both_reach_a_run_and_its_caller() -> None:
    log = list[str]()

    @step
    async def hang() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                for _ in range(3):
                    await asyncio.sleep(0)
            log.append("released")

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        with anyio.CancelScope() as around:
            asyncio.get_running_loop().call_later(0, around.cancel)
            await gather(hang, hang).run()
        assert around.cancelled_caught
        assert log == ["released", "released"]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await gather(hang, hang).run()
        assert log == ["released"] * 4
        assert task.cancelling() == 0
        await asyncio.sleep(0)  # at which nothing is left that would cancel

    run(main())
