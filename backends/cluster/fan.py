"""A fork whose branches are submitted in windows: many, or such that what one gives decides about the others.

Cheap branches are grouped, since a task of Dask costs about two milliseconds: the first are measured, and then as many
go into a chunk as make it last about a tenth of a second. A chunk says how it ended in a message, which comes with or
before the news that its task is done; values stay on the workers.
"""

from __future__ import annotations

import math
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mce.backends.cluster.chunks import ChunkAt, chunk, concatenated
from mce.backends.cluster.client import Future
from mce.backends.cluster.link import Link
from mce.backends.cluster.sheet import Key, Needs, Sheet

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
    """Runs the branches of one fork; ``template`` says where it is, ``before`` what every chunk is given."""

    link: Link
    sheet: Sheet
    template: ChunkAt
    width: int
    mode: str
    count: int
    completed: bool
    limit: int | None
    chunk: int | None
    needs: Needs
    name: str
    path: str
    before: Any
    """The key of the end before the fork; or a function that gives the packed inputs of a range of branches."""
    aside: int
    """How many tasks of the cluster may wait aside while others run."""
    told: Callable[[], None]
    """Called whenever there is news."""
    sent: list[_Sent] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    messages: deque[dict[str, Any]] = field(default_factory=deque)
    won: int = 0
    lost: int = 0

    async def run(self) -> list[Future]:
        """Run the branches till the others do not matter, and give the futures of the chunks, in branch order."""
        mail = await self.link.mail()
        fan = uuid.uuid4().hex[:12]
        mail.readers[fan] = self._hear
        self.template = replace(self.template, reply_to=mail.topic, fan=fan)
        try:
            await self._run()
        finally:
            del mail.readers[fan]
        return [sent.future for sent in sorted(self.sent, key=lambda sent: sent.low)]

    @property
    def ordered(self) -> bool:
        """Whether the order matters in which branches end."""
        return self.completed or self.mode in ("race", "quorum")

    async def _run(self) -> None:
        threads = self.link.threads
        sizes = Sizes(1 if self.mode in ("race", "quorum") else self.chunk, threads)
        low, over, quiet = 0, False, 0
        while True:
            window = self._window(sizes, threads, quiet)
            batch: list[tuple[int, int]] = []
            pending = sum(not sent.ended for sent in self.sent)
            while not over and low < self.width and pending + len(batch) < window:
                size = sizes.next(self.width - low)
                batch.append((low, size))
                low += size
            if batch:
                await self._submit(batch)
            elif not pending:
                return
            ended = len(self.order)
            await self.link.news()
            self.told()
            self._learn(sizes)
            quiet = quiet + 1 if len(self.order) == ended else 0
            if not over and self._is_over():
                over = True
                await self.link.stop(self.template.scope)
            if len(self.sent) > 4 * _TOGETHER and not self.ordered:
                await self._merge()

    def _window(self, sizes: Sizes, threads: int, quiet: int) -> int:
        """Say how many chunks may be under way; more, if ``quiet`` times in a row nothing has ended: they wait."""
        if self.limit is not None:
            return self.limit
        if sizes.fixed is not None:
            return _AT_ONCE
        usual = threads * _AHEAD if sizes.measured else threads
        return usual + min(max(0, quiet - 1) * threads * _AHEAD, self.aside)

    async def _submit(self, batch: Sequence[tuple[int, int]]) -> None:
        keys: list[Key] = []
        for low, size in batch:
            at = replace(self.template, low=low, high=low + size, in_turn=self.limit is not None)
            given = self.before(low, low + size) if callable(self.before) else self.before
            keys.append(self.sheet.add(self.name, f"{self.path}[{low}]", chunk, at, given, needs=self.needs))
        futures = await self.link.submit(self.sheet, keys)
        self.sent += [
            _Sent(low, size, key, future) for (low, size), key, future in zip(batch, keys, futures, strict=True)
        ]

    def _hear(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        self.link.wake()

    def _learn(self, sizes: Sizes) -> None:
        """Take into account what chunks have told, and what has become of those that did not."""
        by_low = {sent.low: sent for sent in self.sent if not sent.ended}
        while self.messages:
            message = self.messages.popleft()
            sent = by_low.pop(message["low"], None)
            if sent is None:  # told before, by a worker that was lost since
                continue
            sent.ended = True
            self.order.append(sent.low)
            self.lost += message["failed"]
            self.won += message["ended"] - message["failed"]
            sizes.learn(sent.size, message["seconds"])
        for sent in by_low.values():
            if sent.future.done():
                sent.ended = True
                if sent.future.status == "error":
                    self.lost += 1

    def _is_over(self) -> bool:
        match self.mode:
            case "fail_fast":
                return self.lost > 0
            case "race":
                return self.won > 0
            case "quorum":
                return self.won >= self.count or self.lost > self.width - self.count
            case _:
                return False

    async def _merge(self) -> None:
        """Make one chunk of those that have ended and stand side by side."""
        self.sent.sort(key=lambda sent: sent.low)
        found: list[_Sent] = []
        run: list[_Sent] = []
        for sent in [*self.sent, None]:
            if sent is not None and sent.ended and sent.future.status == "finished" and len(run) < _TOGETHER:
                run.append(sent)
                continue
            if len(run) == _TOGETHER:
                key = self.sheet.add(self.name, self.path, concatenated, *[one.key for one in run], needs=self.needs)
                (future,) = await self.link.submit(self.sheet, [key])
                self.link.release([one.future for one in run])
                found.append(_Sent(run[0].low, sum(one.size for one in run), key, future, True))
            else:
                found += run
            run = [sent] if sent is not None and sent.ended else []
            if sent is not None and not sent.ended:
                found.append(sent)
        self.sent = found
