"""What is behind ``batched`` in one run: a desk where calls come together until a batch of them is sent.

A batch is served by a task of its own, since it must not end with the call that began it; each call waits for it, and
the last to leave a batch cancels its task and waits for its end, so that nothing is left running.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, NoReturn, cast

import anyio
from returns.result import Failure, Result, Success

from mce.combinators.keys import input_key
from mce.combinators.sharing import Named
from mce.context import Branch, Context, Host, branch_of
from mce.errors import UsageError, brief
from mce.records import dataclass
from mce.syntax import StepSpec

__all__ = ["Ask"]


_QUIET_TURNS = 3
"""How often all who are ready have had a turn, and nobody came, before a batch is sent: branches within branches begin
a turn later."""


class _Batch:
    """Calls that are answered together: ``inputs`` by key, and how many wait for each."""

    def __init__(self) -> None:
        self.inputs: dict[Hashable, Any] = {}
        self.callers: dict[Hashable, int] = {}
        self.joined = 0
        self.is_sent = False
        self.full = anyio.Event()
        self.done = anyio.Event()
        self.scope = anyio.CancelScope()
        self.task: object = None
        self.reply: Result[Mapping[Hashable, Any], Any] | None = None
        self.raised: BaseException = RuntimeError("the batch has no reply: what it awaited had been cancelled")
        self.traceback: TracebackType | None = None

    def join(self, key: Hashable, value: Any) -> None:
        self.joined += 1
        self.inputs.setdefault(key, value)
        self.callers[key] = self.callers.get(key, 0) + 1

    def leave(self, key: Hashable) -> None:
        """Wait no longer for ``key``, which nobody need ask for if nobody else waits."""
        self.callers[key] -= 1
        if not self.callers[key]:
            del self.callers[key]
            if not self.is_sent:
                del self.inputs[key]

    def answer(self, key: Hashable) -> Any:
        """Give what the step gives for ``key``, or raise what the call raised."""
        if self.reply is None:
            raise self.raised.with_traceback(self.traceback)  # each caller adds its own way to the same traceback
        if isinstance(self.reply, Failure):
            return self.reply
        values = self.reply.unwrap()
        if key not in values:
            raise LookupError(f"the batch gave nothing for {brief(self.inputs[key], 60)}")
        return values[key]


class _Desk:
    """The batch that calls may still join, if there is one."""

    def __init__(self) -> None:
        self.open: _Batch | None = None

    def close(self, batch: _Batch) -> None:
        if self.open is batch:
            self.open = None


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """The step of one input: puts it into a batch and waits for the answer."""

    many: Named
    spec: StepSpec
    max_size: int | None
    max_wait: float
    key: Callable[[Any], Hashable] | None

    async def __call__(self, ctx: Context[Any], value: Any) -> Any:
        branch, key = branch_of(ctx), input_key(value if self.key is None else self.key(value))
        if branch.backend.sequential:
            alone = _Batch()
            alone.join(key, value)
            alone.reply = await self._call(branch, alone)
            return alone.answer(key)
        desk = branch.shared(("batched", self), _Desk)
        batch = desk.open
        if batch is None:
            batch = desk.open = _Batch()
            batch.task = branch.spawn(partial(self._serve, branch, desk, batch))
        batch.join(key, value)
        if len(batch.inputs) == self.max_size:
            desk.close(batch)
            batch.full.set()
        try:
            await batch.done.wait()
        except anyio.get_cancelled_exc_class():
            await self._leave(desk, batch, key)
            raise
        return batch.answer(key)

    async def _leave(self, desk: _Desk, batch: _Batch, key: Hashable) -> None:
        batch.leave(key)
        if not batch.callers:
            desk.close(batch)
            batch.scope.cancel()
            with anyio.CancelScope(shield=True):
                await batch.done.wait()

    async def _serve(self, branch: Branch, desk: _Desk, batch: _Batch) -> None:
        """Wait for more calls, call the function, and wake all who wait."""
        try:
            with batch.scope:
                await self._wait_for_more(branch, batch)
                desk.close(batch)
                batch.is_sent = True
                batch.reply = await self._call(branch, batch)
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as raised:  # for those who wait, an interrupt too
            batch.raised, batch.traceback = raised, raised.__traceback__
        finally:
            desk.close(batch)
            batch.done.set()

    async def _wait_for_more(self, branch: Branch, batch: _Batch) -> None:
        if not self.max_wait:
            quiet = 0
            while quiet < _QUIET_TURNS and not batch.full.is_set():
                known = batch.joined
                await branch.backend.checkpoint()
                quiet = quiet + 1 if batch.joined == known else 0
            return

        async def wait() -> None:
            await branch.backend.sleep(self.max_wait)
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await batch.full.wait()
            group.cancel_scope.cancel()

    async def _call(self, branch: Branch, batch: _Batch) -> Result[Mapping[Hashable, Any], Any]:
        """Call the function with the inputs and give its values by key, or its failure."""
        call = branch.backend.call_async if self.spec.is_async else branch.backend.call
        inputs = list(batch.inputs.values())
        if self.spec.takes_context:
            ctx: Context[Any] = Context(cast(Host, _BatchHost(branch, self.spec.name)), self.spec.name)
            try:
                reply = await call(self.many.fn, (ctx, inputs), {}, self.spec)
            finally:
                ctx.close()
        else:
            reply = await call(self.many.fn, (inputs,), {}, self.spec)
        if isinstance(reply, Failure):
            return reply
        return Success(self._by_key(batch.inputs, reply.unwrap() if isinstance(reply, Success) else reply))

    def _by_key(self, inputs: Mapping[Hashable, Any], values: Any) -> Mapping[Hashable, Any]:
        if isinstance(values, Mapping):
            return {key: values[value] for key, value in inputs.items() if value in values}
        if not isinstance(values, Sequence) or isinstance(values, str | bytes):
            raise TypeError(f"{self.spec.name} gave {brief(values, 60)}: a batch gives a list or a mapping of values")
        if len(values) != len(inputs):
            raise ValueError(f"{self.spec.name} was given {len(inputs)} inputs and gave {len(values)} values")
        return dict(zip(inputs, values, strict=True))


class _BatchHost:
    """What a context has that belongs to no branch: the dependencies, the clock, a name for the log."""

    def __init__(self, branch: Branch, name: str) -> None:
        self._branch = branch
        self._name = name

    @property
    def deps(self) -> Any:
        return self._branch.deps

    async def sleep(self, seconds: float) -> None:
        await self._branch.backend.sleep(seconds)

    def path(self) -> str:
        return self._name

    def attempt(self) -> int:
        return 1

    def __getattr__(self, what: str) -> NoReturn:
        raise UsageError(
            f"{self._name} serves several branches of the run at once, so its ctx has deps, sleep, path and log "
            f"but no {what}: give what is needed with the inputs, and use the values in a step that follows"
        )
