"""One run, from the caller's side: the flow is planned and submitted, and what it gives is awaited.

The caller sees outcomes only. When a run is cancelled, everything of it is stopped, and the run ends when that has.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from weakref import WeakSet

import anyio
from distributed.scheduler import KilledWorker

from mce.backends.cluster.chunks import Fork
from mce.backends.cluster.client import Client, Future
from mce.backends.cluster.coordinator import Coordinator
from mce.backends.cluster.fan import Fan
from mce.backends.cluster.host import Spec
from mce.backends.cluster.link import Link
from mce.backends.cluster.outbox import opened
from mce.backends.cluster.plan import Planner, cuts, is_driven, needs_of
from mce.backends.cluster.sheet import Key, Needs, Sheet
from mce.backends.cluster.wire import Ended, Packed, pack, raised_in
from mce.backends.cluster.work import StageAt, scopes_of, width
from mce.engine.blocks import Block
from mce.engine.branches import EachRegion, End, ForkRegion
from mce.engine.compile import compile_node
from mce.engine.fiber import Fault
from mce.engine.pieces import Around
from mce.errors import ClusterError, Defect, words
from mce.events import Event, Listener
from mce.outcome import Place
from mce.syntax import Node

__all__ = ["Driver"]

_LARGE = 1_000_000
"""From how many bytes on an input goes to the workers by itself, and not with all else that they must know."""


class Driver:
    """Drives one run on a cluster."""

    def __init__(
        self,
        client: Client,
        node: Node,
        spec: Callable[[str], Spec],
        listener: Listener | None,
        needs: Needs,
    ) -> None:
        self.client = client
        self.node = node
        self.case = uuid.uuid4().hex
        self.listener = listener
        self.needs = needs
        self.make_spec = spec
        self.events: deque[Event] = deque()
        self.ended: Ended | None = None

    async def run(self) -> End:
        """Run to the end and give it."""
        self.link = Link(self.client, self._stop)
        self.sheet = Sheet(f"0{self.case[:9]}")
        if self.client not in _registered:
            await self.link.call(register, self.client)
        mail = await self.link.mail()
        self.spec = self.make_spec(mail.topic)
        first = Ended(pack((self.spec.input, None, self.spec.state, None, None)))  # what cannot be sent is found here
        large = first.__sizeof__() > _LARGE
        data = pack(replace(self.spec, input=None) if large else self.spec).plain()
        ours = {"run": self.case, "client": self.client.id, "lease": self.spec.lease}
        self.opening = self.link.ask("mce_open", spec=data, **ours)
        mail.readers[self.case] = self._hear
        try:
            return await self._run(await self.link.scatter(self.sheet, first) if large else None)
        finally:
            del mail.readers[self.case]
            self.link.release(self.link.held)
            self._close()
            self._tell()

    async def _run(self, first: Key | None) -> End:
        try:
            future = await self._submitted(first)
            await self.link.answer(self.opening)
            await self._wait([future])
            end = await self._end(future)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self._stopped()
            raise
        if end is None:
            raise ClusterError("the run was stopped from outside, and has no outcome")
        return end

    async def _stopped(self) -> None:
        """Stop all of the run and wait for its end."""
        with suppress(ClusterError):  # with the scheduler, all is gone
            await self.link.stop((), ())
            await self._wait(self.link.held)

    async def _wait(self, futures: list[Future]) -> None:
        for future in futures:
            if not future.done():
                future.add_done_callback(lambda _: self.link.wake())
        while not all(future.done() for future in futures):
            await self.link.news()
            self._tell()

    async def _end(self, future: Future) -> End | None:
        try:
            found = self.ended if self.ended is not None else await self.link.call(future.result)
        except Exception as broken:
            self.link.check()
            return End(None, await self._lost(broken), self.spec.state, None)
        try:
            end = found.open()
        except ClusterError as broken:
            return End(None, await self._lost(broken), self.spec.state, None)
        if end is not None and (raised := raised_in(end)) is not None:
            raise raised
        return end

    async def _lost(self, broken: BaseException) -> Fault:
        """Say what happened to a task of ours that Dask could not bring to its end."""
        path, worker = "", ""
        if isinstance(broken, KilledWorker):
            key, worker, times = broken.task, broken.last_worker.address, broken.allowed_failures + 1
            path = await self._ask("mce_path", key=key)
            problem = (
                f"the worker that ran the task at {path or key} was lost, {times} time{'s' * (times > 1)} in a row, "
                f"at last {worker}: a step of it may take more memory than a worker has, or end its process"
            )
            error = ClusterError(problem)
        elif isinstance(broken, ClusterError):
            error = broken
        else:
            error = ClusterError(f"the cluster could not finish the run: {type(broken).__name__}: {words(broken)}")
        return Fault(Defect(error, "", path, 1, worker), False, Place(path))

    # -- the plan -----------------------------------------------------------------------------------------------------

    async def _submitted(self, first: Key | None) -> Future:
        """Submit the run; where somebody must see how wide a fork is, or how its branches end, wait for that."""
        root = compile_node(self.node, self.spec.careful)
        planner = Planner(self.sheet, self.case, self.needs)
        before = first
        branches: list[Key] = []
        start, joins, order = 0, False, None
        for cut in cuts(root, self.needs):
            lists = isinstance(cut.region, EachRegion)
            if joins or lists or cut.at > start or cut.region is None:
                ends = cut.region is None
                at = StageAt(self.case, (), start, cut.at, joins, lists=lists, order=order, last=ends)
                before = planner.stage(root, at, before, branches)
                branches, joins, order = [], False, None
            start = cut.at
            if cut.forks:
                if is_driven(cut.region) or (isinstance(cut.region, ForkRegion) and (self.spec.chunk or 1) > 1):
                    branches, order = await self._fan(root, cut.at, before)
                else:
                    branches = planner.branches(root, (), cut.at, before)
                start, joins = cut.at + 1, True
        assert before is not None
        (last,) = await self.link.submit(self.sheet, [before])
        return last

    async def _fan(self, root: Block, at: int, before: Key | None) -> tuple[list[Key], tuple[int, ...] | None]:
        """Run the branches of a fork, or write them to the sheet; give the chunks, and their order if it matters."""
        region: Any = root.ops[at]
        size = len(region.blocks)
        if isinstance(region, EachRegion):
            assert before is not None
            size = await self._reached(region, before)
        elif before is not None:
            await self.link.submit(self.sheet, [before])
        if not size:
            return [], None
        scope, name = (at,), uuid.uuid4().hex[:12]
        nthreads = await self.link.nthreads()
        threads, aside = sum(nthreads.values()), self.spec.waiting * len(nthreads)
        needs, chunk = needs_of([region], self.needs), self.spec.chunk
        here = self.link, self.sheet, self.case
        fan = Fan(*here, name, scope, region, size, region.name, chunk, needs, before, threads, aside, self._tell)
        keys = fan.chunks()
        fork = Fork(
            "",
            (),
            at,
            scope,
            scopes_of(()) | {scope},
            Around(),
            spreads=size < threads,
            in_turn=region.limit is not None,
            tells=keys is None,
            reply_to=(await self.link.mail()).topic,
        )
        data = pack(fork).plain()
        await self._ask("mce_publish", name=name, data=data)
        if keys is None:
            keys = [future.key for future in await fan.run()]
        return keys, tuple(fan.order) if fan.ordered else None

    async def _reached(self, region: EachRegion, before: Key) -> int:
        """Say how many branches an ``each`` has; none if it is not reached."""
        number = self.sheet.add("width", region.name, width, before, needs=self.needs)
        _, found = await self.link.submit(self.sheet, [before, number])
        await self._wait([found])
        size, reached = await self._width(found)
        return size if reached else 0

    async def _width(self, future: Future) -> tuple[int, bool]:
        try:
            found: tuple[int, bool] = await self.link.call(future.result)
        except Exception:  # the stage before it has the same to say
            self.link.check()
            return 0, False
        return found

    # -- the coordinator, and events ----------------------------------------------------------------------------------

    async def _ask(self, route: str, **message: Any) -> Any:
        """Ask the coordinator about the run, which is to be open by then."""
        await self.link.answer(self.opening)
        return await self.link.answer(self.link.ask(route, run=self.case, **message))

    async def _stop(self, scope: Any, but: Any) -> None:
        await self._ask("mce_stop", scope=list(scope), but=list(but))

    def _close(self) -> None:
        """Have the cluster forget the run, and do not wait for that: nothing keeps it from happening."""

        def opened(_: object) -> None:
            with suppress(ClusterError):  # with the scheduler, all is gone
                self.link.ask("mce_close", run=self.case)

        self.opening.add_done_callback(opened)

    def _hear(self, message: dict[str, Any]) -> None:
        if "end" in message:
            self.ended = Ended(Packed(message["end"]))
        else:
            opened(message, self.events.append)
        self.link.wake()

    def _tell(self) -> None:
        """Give the events that have come to the listener, in the event loop of the run."""
        while self.events:
            event = self.events.popleft()
            if self.listener is not None:
                self.listener(event)


_registered: WeakSet[Client] = WeakSet()


def register(client: Client) -> None:
    """Have the scheduler coordinate runs of ours, if it does not already; raises :class:`mce.ClusterError`."""
    if client not in _registered:
        try:
            client.register_plugin(Coordinator())
        except Exception as refused:
            problem = f"{type(refused).__name__}: {refused}"
            raise ClusterError(
                f"the scheduler does not take the coordinator of runs: {problem}. "
                f"Install mce-agents where the scheduler runs, in the version that is here"
            ) from refused
        _registered.add(client)
