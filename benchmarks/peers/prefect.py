"""Prefect: async tasks in a flow, against its own temporary server."""
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return"
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportIndexIssue=false

from __future__ import annotations

import os

os.environ.update(PREFECT_LOGGING_LEVEL="CRITICAL", PREFECT_SERVER_ANALYTICS_ENABLED="false", DO_NOT_TRACK="1")

from prefect import flow, task

from benchmarks.measure import Clock, Runner
from benchmarks.raw import increment, nothing

__all__ = ["CLOCK", "REQUIRES", "chain", "fan_out"]

REQUIRES = ("prefect", "fastapi==0.139.*")  # the server of 3.8.8 does not start with a newer one
CLOCK: Clock = "wall"  # much of it runs in the server's process


def chain(size: int) -> Runner:
    link = task(increment)

    @flow
    async def run() -> int:
        value = 0
        for _ in range(size):
            value = await link(value)
        return value

    return run


def fan_out(size: int) -> Runner:
    branch = task(nothing)

    @flow
    async def run() -> int:
        futures = [branch.submit(1) for _ in range(size)]
        return sum(future.result() for future in futures)

    return run
