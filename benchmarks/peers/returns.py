"""returns: binds of a ``FutureResult``. It has no fan-out."""
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return"
# pyright: reportMissingImports=false

from __future__ import annotations

from typing import Any

from returns.future import FutureResult, FutureSuccess
from returns.unsafe import unsafe_perform_io

from benchmarks.measure import Runner
from benchmarks.raw import increment

__all__ = ["REQUIRES", "chain"]

REQUIRES = ("returns", "anyio")


def chain(size: int) -> Runner:
    async def run() -> int:
        flow: FutureResult[int, Any] = FutureSuccess(0)
        for _ in range(size):
            flow = flow.bind_awaitable(increment)
        return unsafe_perform_io((await flow.awaitable()).unwrap())

    return run
