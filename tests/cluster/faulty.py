"""Steps that wait, fail and get lost, for workers to import. What they do is told in a file, a line each.

The dependencies of a run are the folder of that file. A line says what happened, at which path, in which process and
at which attempt.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from distributed import get_worker
from returns.result import Failure, Result

from mce import Append, Context, Dag, DaskBackend, Flow, LoopLimit, do, each, gather, iterate, pure, step


@dataclass(frozen=True)
class Notes:
    log: Annotated[tuple[Any, ...], Append()] = ()
    thing: Any = None


@dataclass(frozen=True)
class Line:
    what: str
    path: str
    pid: int
    attempt: int


def note(ctx: Context[Any], what: str) -> None:
    """Add a line, in one write."""
    with open(Path(ctx.deps) / "lines", "ab", buffering=0) as file:
        file.write(f"{what} {ctx.path} {os.getpid()} {ctx.attempt}\n".encode())


def lines(folder: Path | str, *what: str) -> list[Line]:
    """Read the lines of a run, those of ``what`` only if it is given."""
    file = Path(folder) / "lines"
    found = [line.split(" ") for line in file.read_text().splitlines()] if file.exists() else []
    return [Line(w, path, int(pid), int(n)) for w, path, pid, n in found if not what or w in what]


# -- exceptions and values that do not travel --------------------------------------------------------------------------


class Unpicklable(Exception):
    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.lock = threading.Lock()


class Unloadable(Exception):
    """Pickles, and does not unpickle: it is made of two arguments and keeps one."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}, {why}")


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class MuteAndUnpicklable(Mute, Unpicklable):
    pass


@step(raises=(KeyError,))
async def fails(x: int) -> int:
    raise KeyError(x)


@step
async def boom(x: int) -> int:
    raise ValueError("boom", x)


@step
async def from_unpicklable(x: int) -> int:
    raise ValueError("boom", x) from Unpicklable("the cause of it")


@step
async def unpicklable(x: int) -> int:
    raise Unpicklable("holds a lock")


@step(raises=(Unpicklable,))
async def declared_unpicklable(x: int) -> int:
    raise Unpicklable("holds a lock")


@step
async def unloadable(x: int) -> int:
    raise Unloadable("one", "two")


@step(raises=(Unloadable,))
async def declared_unloadable(x: int) -> int:
    raise Unloadable("one", "two")


@step
async def mute(x: int) -> int:
    raise Mute("a word")


@step
async def mute_and_unpicklable(x: int) -> int:
    raise MuteAndUnpicklable("a word")


@step
async def fails_as_lock(x: int) -> Result[int, Any]:
    return Failure(threading.Lock())


@step
async def gives_lock(x: int) -> Any:
    return threading.Lock()


@step
async def gives_unloadable(x: int) -> Any:
    return Unloadable("one", "two")


@step
async def keeps_lock(ctx: Context[Notes], x: int) -> int:
    ctx.update(thing=threading.Lock())
    return x


@step
async def interrupts(x: int) -> int:
    raise KeyboardInterrupt


@step
async def exits(x: int) -> int:
    raise SystemExit(3)


@step
async def total(xs: tuple[int, ...]) -> int:
    return sum(xs)


# -- waiting -----------------------------------------------------------------------------------------------------------


@step
async def same(x: Any) -> Any:
    return x


async def wait_till_stopped(ctx: Context[Any]) -> None:
    note(ctx, "begin")
    try:
        await asyncio.sleep(3600)
    finally:
        note(ctx, "stopped")


@step
async def waits(ctx: Context[Any], x: int) -> int:
    await wait_till_stopped(ctx)
    return x


@step
def blocks(ctx: Context[Any], x: int) -> int:
    """Hold its thread until something has failed or was cancelled, and a little longer."""
    note(ctx, "begin")
    while not (lines(ctx.deps, "failing") or (Path(ctx.deps) / "cancelling").exists()):
        time.sleep(0.005)
    time.sleep(0.1)
    note(ctx, "ended")
    return x


async def work(ctx: Context[Any], x: int) -> int:
    note(ctx, "begin")
    await asyncio.sleep(0.005)
    note(ctx, "ended")
    return x


def hold(ctx: Context[Any], x: int) -> int:
    note(ctx, "begin")
    while not (Path(ctx.deps) / "let go").exists():
        time.sleep(0.005)
    return x


@step
def holds(ctx: Context[Any], x: int) -> int:
    """Hold its thread until it is let go."""
    return hold(ctx, x)


@step
async def wins_after(ctx: Context[Any], begun: int) -> int:
    """Give a value when so many steps have begun."""
    await others_have_begun(ctx, begun)
    note(ctx, "failing")
    return begun


@step
async def works(ctx: Context[Any], x: int) -> int:
    return await work(ctx, x)


@step
def works_in_thread(ctx: Context[Any], x: int) -> int:
    note(ctx, "begin")
    time.sleep(0.005)
    note(ctx, "ended")
    return x


async def others_have_begun(ctx: Context[Any], count: int) -> None:
    while len(lines(ctx.deps, "begin")) < count:  # noqa: ASYNC110  (by other processes)
        await asyncio.sleep(0.005)


async def fail_after(ctx: Context[Any], begun: int) -> None:
    await others_have_begun(ctx, begun)
    note(ctx, "failing")
    raise ValueError("after all had begun")


@step
async def fails_after(ctx: Context[Any], begun: int) -> int:
    """Fail when so many steps have begun."""
    await fail_after(ctx, begun)
    return begun


@step
def holds_or_fails(ctx: Context[Any], x: int) -> int:
    if x != 1:
        return hold(ctx, x)
    while not lines(ctx.deps, "begin"):
        time.sleep(0.005)
    note(ctx, "failing")
    raise ValueError("after all had begun")


@step
async def interrupts_after(ctx: Context[Any], begun: int) -> int:
    await others_have_begun(ctx, begun)
    raise KeyboardInterrupt


@step
async def waits_or_fails(ctx: Context[Any], x: int) -> int:
    """Fail as the second element, when another has begun; wait as any other."""
    await (fail_after(ctx, 1) if x == 1 else wait_till_stopped(ctx))
    return x


@step
async def works_or_fails(ctx: Context[Any], x: int) -> int:
    if x == 20:
        await fail_after(ctx, 1)
    return await work(ctx, x)


@step
def works_in_thread_or_fails(ctx: Context[Any], x: int) -> int:
    if x == 20:
        note(ctx, "failing")
        raise ValueError("in a thread")
    note(ctx, "begin")
    time.sleep(0.05)
    return x


@step
async def opens(ctx: Context[Any], x: int) -> int:
    note(ctx, "opened")
    return x


@step
async def closes(ctx: Context[Any], x: int) -> None:
    note(ctx, "closed")


@step
async def fails_to_close(ctx: Context[Any], x: int) -> None:
    note(ctx, "closed")
    raise OSError("does not close")


@step
async def grows(ctx: Context[Any], x: int) -> int:
    """Take memory till there is none."""
    note(ctx, "begin")
    held = []
    while True:
        held.append(b"x" * 20_000_000)
        await asyncio.sleep(0.01)


@step
async def ends_its_process(ctx: Context[Any], x: int) -> int:
    note(ctx, "begin")
    os._exit(7)


def dag_that_fails() -> Flow[int, Any, Any, Any]:
    found: Dag[int] = Dag()
    first = found.add(same, found.input, name="first")
    lost = found.add(fails_after, first, name="lost")
    held = found.add(holds, found.input, name="held")
    return found.flow(lost, held)


@step
async def runs_another(x: int) -> int:
    """Run a flow on the cluster that this step is run on."""
    with DaskBackend(get_worker().scheduler.address) as backend:
        outcome = await (pure(range(x)) >> each(same) >> total).run(backend=backend)
    return outcome.value


# -- work that a killed worker interrupts ------------------------------------------------------------------------------


@step
async def adds(ctx: Context[Notes], x: int) -> int:
    await asyncio.sleep(0.01)
    note(ctx, "ended")
    ctx.update(log=(*ctx.state.log, f"{x}"))
    return x + 1


@step(idempotent=False)
async def adds_once(ctx: Context[Notes], x: int) -> int:
    """Say that it begins, and that it ends, and change the state between."""
    note(ctx, "once")
    await asyncio.sleep(0.01)
    ctx.update(log=(*ctx.state.log, f"once {x}"))
    note(ctx, "ended")
    return x + 1


@step
def adds_in_thread(ctx: Context[Notes], x: int) -> int:
    time.sleep(0.01)
    note(ctx, "ended")
    return x + 1


@step
async def up_to(x: int) -> range:
    return range(20)


@do
async def block(x: int) -> int:
    for _ in range(10):
        x = await adds(x)
        x = await adds_once(x)
    return sum(await gather(adds(x), adds_once(x), adds_in_thread(x)))


def chain(length: int) -> Flow[int, int, Any, Notes]:
    flow: Flow[int, int, Any, Notes] = adds
    for at in range(1, length):
        flow = flow >> (adds_once if at % 3 == 0 else adds)
    return flow


def dag() -> Flow[int, int, Any, Notes]:
    found: Dag[int] = Dag()
    layer = [found.add(adds, found.input, name=f"first{at}") for at in range(4)]
    for row in range(5):
        layer = [
            found.add(gather(adds, adds_once) >> total, layer[at], name=f"row{row}_{at}", after=[layer[at - 1]])
            for at in range(4)
        ]
    return found.flow(*layer) >> total


wide = up_to >> each(adds >> adds_once) >> total

SHAPES: dict[str, Flow[Any, Any, Any, Any]] = {
    "chain": chain(40),
    "gather of chains": gather(*(chain(10) for _ in range(8))) >> total >> adds_once,
    "each": pure(range(300)) >> each(adds >> adds_once) >> total,
    "each of plain steps": pure(range(300)) >> each(adds_in_thread) >> total >> adds_once,
    "dag": dag(),
    "loop": iterate(wide, lambda _: False, at_most=3).recover(lambda limit: pure(limit.last), on=(LoopLimit,)),
    "do block": gather(block, block, block) >> total,
}
