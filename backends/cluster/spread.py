"""Forks that a task meets on its way, in loops, handlers and dynamic regions: wide ones go back to the cluster.

The task gives up its place in the worker's thread pool while it waits, so that the workers it waits for have all the
threads there are.
"""

from __future__ import annotations

import hashlib
import uuid
from contextlib import suppress
from typing import Any

import anyio

from mce.backends.cluster.chunks import Fork
from mce.backends.cluster.client import client_in_task
from mce.backends.cluster.fan import Fan
from mce.backends.cluster.host import Hosted
from mce.backends.cluster.link import Link
from mce.backends.cluster.plan import needs_of
from mce.backends.cluster.sheet import Sheet
from mce.backends.cluster.wire import Chunk, Packed, pack
from mce.backends.cluster.work import check_complete
from mce.combinators.sharing import held_around
from mce.engine.branches import Branch, EachRegion, End, ForkRegion
from mce.engine.fiber import Fiber
from mce.engine.pieces import Around
from mce.errors import ClusterError

__all__ = ["Spreader"]


class Spreader:
    """Sends the branches of wide forks of one task to other workers."""

    def __init__(self, here: Hosted, scopes: frozenset[Any]) -> None:
        self.here = here
        self.scopes = scopes

    async def __call__(
        self, region: ForkRegion, fiber: Fiber, branches: list[Branch]
    ) -> tuple[list[End | None], list[int]] | None:
        spec = self.here.spec
        if len(branches) < spec.spread_from or fiber.meter is not None or region.mode == "speculate":
            return None
        try:
            program = await self._publish(region, fiber)
            inputs = [branch.value for branch in branches] if isinstance(region, EachRegion) else branches[0].value
            pack((fiber.state, inputs))
        except ClusterError:  # what cannot be sent stays here
            return None
        client = client_in_task()
        self.here.make_room()
        scope, name = ("fork", uuid.uuid4().hex[:12]), uuid.uuid4().hex[:12]
        link = Link(client, self._stop)
        around = Around(tuple(fiber.scopes()), fiber.attempt(), held_around(fiber), fiber.shape)
        reply_to = (await link.mail()).topic
        in_turn = region.limit is not None
        fork = Fork(program, (), 0, scope, self.scopes | {scope}, around, in_turn=in_turn, reply_to=reply_to)
        await self.here.ask("mce_publish", name=name, data=pack(fork).plain())

        def given(low: int, high: int) -> Packed:
            some = inputs[low:high] if isinstance(region, EachRegion) else [inputs] * (high - low)
            return pack((fiber.state, some))

        nthreads = await link.nthreads()
        needs, threads, aside = needs_of([region], spec.needs), sum(nthreads.values()), spec.waiting * len(nthreads)
        sheet, path = Sheet(f"0{uuid.uuid4().hex[:9]}"), fiber.within(region.name)
        case, width = self.here.run_id, len(branches)
        fan = Fan(
            link, sheet, case, name, scope, region, width, path, spec.chunk, needs, given, threads, aside, _nothing
        )
        try:
            futures = await fan.run()
            chunks: list[Chunk] = await link.gather(futures)
        except BaseException:
            self.here.tell("mce-stop", scope=list(scope))
            with anyio.CancelScope(shield=True), suppress(ClusterError):  # with the scheduler, all is gone
                await link.done(link.held)
            raise
        finally:
            link.release(list(link.held))
        if called := await self.here.ask("mce_called", inside=f"{path}["):
            fiber.forbid_repeat(called)
        ends, order = _ends(chunks, fiber, fan)
        check_complete(region, ends)
        return ends, order

    async def _stop(self, scope: Any, but: Any) -> None:
        self.here.tell("mce-stop", scope=list(scope), but=but)

    async def _publish(self, region: ForkRegion, fiber: Fiber) -> str:
        """Have other workers find the fork; gives the name of its program."""
        data = pack((region.node, region.names.prefix(), region.own_name, fiber.careful))
        name = hashlib.blake2b(data.data, digest_size=12).hexdigest()
        await self.here.ask("mce_publish", name=name, data=data.plain())
        return name


def _nothing() -> None:
    pass


def _ends(chunks: list[Chunk], fiber: Fiber, fan: Fan) -> tuple[list[End | None], list[int]]:
    ends: list[End | None] = []
    order: list[int] = []
    for chunk in chunks:
        order.extend(chunk.low + found for found in chunk.order)
        ends.extend(chunk.open(fiber.state, fiber.shape))
    if fan.ordered:
        place = {low: number for number, low in enumerate(fan.order)}
        order.sort(key=lambda found: place.get(found, len(place)))
    return ends, order
