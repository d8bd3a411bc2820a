"""A fork whose branches are submitted in windows: many, or such that what one gives decides about the others.

Cheap branches are grouped, since a task of Dask costs about two milliseconds: the first are measured, and then as many
go into a chunk as make it last about a tenth of a second. A chunk says how it ended in a message, which comes with or
before the news that its task is done; values stay on the workers.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mce.backends.cluster.chunks import chunk, concatenated
from mce.backends.cluster.client import Future
from mce.backends.cluster.link import Link
from mce.backends.cluster.sheet import Key, Needs, Sheet
from mce.engine.branches import ForkRegion

__all__ = ["Fan", "Sizes"]

_SECONDS = 0.1
"""How long a chunk is to last."""

_AHEAD = 4
"""Chunks per thread that are submitted ahead, and into how many per thread the rest is divided at least."""

_GROWTH = 64
"""How many times larger a chunk may be than the one before."""

_AT_ONCE = 10_000
"""The most tasks in a window whose chunks have a fixed size."""

_TOGETHER = 256
"""Chunks that are made one when they have ended, so that the number of results to be held is bounded."""


class Sizes:
    """Decides how many branches go into a chunk, by how long a worker was busy with those of the last chunks."""

    def __init__(self, fixed: int | None, threads: int) -> None:
        self.fixed = fixed
        self.threads = threads
        self.size = fixed or 1
        self.measured = fixed is not None

    def learn(self, size: int, seconds: float) -> None:
        """Take into account that a worker was busy so long with a chunk of ``size``."""
        self.measured = True
        if self.fixed is None and size >= self.size:
            wanted = _SECONDS * size / max(seconds, 1e-7)
            self.size = max(1, min(round(wanted), _GROWTH * size))

    def next(self, left: int) -> int:
        """Say how many of the branches that are ``left`` go into the next chunk."""
        if self.fixed is not None:
            return min(left, self.fixed)
        return max(1, min(self.size, math.ceil(left / (self.threads * _AHEAD)), left))


@dataclass(slots=True)
class _Sent:
    """A chunk that was submitted."""

    low: int
    size: int
    key: Key
    future: Future
    ended: bool = False


@dataclass(slots=True)
class Fan:
    """Runs the branches of the ``fork`` of that name, which was published for the run of ``case``."""

    link: Link
    sheet: Sheet
    case: str
    fork: str
    scope: tuple[Any, ...]
    region: ForkRegion
    width: int
    path: str
    chunk: int | None
    needs: Needs
    before: Any
    """The key of the end before the fork; or a function that gives the packed inputs of a range of branches."""
    threads: int
    """How many tasks the cluster can run at once."""
    aside: int
    """How many tasks of the cluster may wait aside while others run."""
    told: Callable[[], None]
    """Called whenever there is news."""
    sent: list[_Sent] = field(default_factory=list)
    pending: dict[int, _Sent] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    messages: deque[dict[str, Any]] = field(default_factory=deque)
    won: int = 0
    lost: int = 0
    broken: bool = False
    """Whether Dask could not bring a chunk to its end, which the run does not outlive."""

    @property
    def ordered(self) -> bool:
        """Whether the order matters in which branches end."""
        return self.region.join.completed or self.region.mode in ("race", "quorum")

    def chunks(self) -> list[Key] | None:
        """Write all chunks to the sheet, if it is known how large they are and nobody must watch how they end."""
        if self.chunk is None or self.ordered or self.region.limit is not None:
            return None
        if self.width > self.chunk * _AT_ONCE:
            return None
        lows = range(0, self.width, self.chunk)
        return [self._write(low, min(self.chunk, self.width - low)) for low in lows]

    async def run(self) -> list[Future]:
        """Run the branches till the others do not matter, and give the futures of the chunks, in branch order."""
        mail = await self.link.mail()
        mail.readers[self.fork] = self._hear
        try:
            await self._run()
        finally:
            del mail.readers[self.fork]
        return [sent.future for sent in sorted(self.sent, key=lambda sent: sent.low)]

    async def _run(self) -> None:
        threads = max(1, self.threads)
        sizes = Sizes(1 if self.region.mode in ("race", "quorum") else self.chunk, threads)
        low, over, quiet = 0, False, 0
        while True:
            window = self._window(sizes, threads, quiet)
            batch: list[tuple[int, int]] = []
            while not over and low < self.width and len(self.pending) + len(batch) < window:
                size = sizes.next(self.width - low)
                batch.append((low, size))
                low += size
            if batch:
                await self._submit(batch)
            elif not self.pending:
                return
            ended = len(self.order)
            await self.link.news()
            self.told()
            self._learn(sizes)
            if len(self.order) > ended:
                quiet = 0
            else:
                quiet += 1
                self._look()
            if not over and self._is_over():
                over = True
                await self.link.stop(self.scope, [(self.fork, low) for low in self.order])
            if len(self.sent) - len(self.pending) > 4 * _TOGETHER and not self.ordered:
                await self._merge()

    def _window(self, sizes: Sizes, threads: int, quiet: int) -> int:
        """Say how many chunks may be under way; more, if ``quiet`` times in a row nothing has ended: they wait."""
        if self.region.limit is not None:
            return self.region.limit
        if sizes.fixed is not None:
            return _AT_ONCE
        usual = threads * _AHEAD if sizes.measured else threads
        return usual + min(max(0, quiet - 1) * threads * _AHEAD, self.aside)

    def _write(self, low: int, size: int) -> Key:
        given = self.before(low, low + size) if callable(self.before) else self.before
        path, needs = f"{self.path}[{low}]", self.needs
        return self.sheet.add(self.region.label, path, chunk, self.case, self.fork, low, low + size, given, needs=needs)

    async def _submit(self, batch: Sequence[tuple[int, int]]) -> None:
        keys = [self._write(low, size) for low, size in batch]
        futures = await self.link.submit(self.sheet, keys)
        for (low, size), key, future in zip(batch, keys, futures, strict=True):
            sent = self.pending[low] = _Sent(low, size, key, future)
            self.sent.append(sent)

    def _hear(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        self.link.wake()

    def _learn(self, sizes: Sizes) -> None:
        """Take into account what chunks have told."""
        while self.messages:
            message = self.messages.popleft()
            sent = self.pending.pop(message["low"], None)
            if sent is None:  # told before, by a worker that was lost since
                continue
            sent.ended = True
            self.order.append(sent.low)
            self.lost += message["failed"]
            self.won += message["ended"] - message["failed"]
            sizes.learn(sent.size, message["seconds"])

    def _look(self) -> None:
        """Find out what has become of chunks that tell nothing: they were stopped, or their workers lost."""
        for low, sent in list(self.pending.items()):
            if sent.future.done():
                del self.pending[low]
                sent.ended = True
                self.broken |= sent.future.status == "error"

    def _is_over(self) -> bool:
        if self.broken:
            return True
        match self.region.mode:
            case "fail_fast":
                return self.lost > 0
            case "race":
                return self.won > 0
            case "quorum":
                count = self.region.join.count
                return self.won >= count or self.lost > self.width - count
            case _:
                return False

    async def _merge(self) -> None:
        """Make one chunk of those that have ended and stand side by side, so that fewer results are held."""
        self.sent.sort(key=lambda sent: sent.low)
        found: list[_Sent] = []
        side_by_side: list[_Sent] = []
        for sent in self.sent:
            if not sent.ended or sent.future.status != "finished":
                found += [*side_by_side, sent]
                side_by_side = []
                continue
            side_by_side.append(sent)
            if len(side_by_side) == _TOGETHER:
                found.append(await self._merged(side_by_side))
                side_by_side = []
        self.sent = found + side_by_side

    async def _merged(self, chunks: Sequence[_Sent]) -> _Sent:
        keys = [one.key for one in chunks]
        key = self.sheet.add(self.region.label, self.path, concatenated, *keys, needs=self.needs)
        (future,) = await self.link.submit(self.sheet, [key])
        self.link.release([one.future for one in chunks])
        return _Sent(chunks[0].low, sum(one.size for one in chunks), key, future, True)
