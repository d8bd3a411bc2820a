"""Time against Dask by hand: fan-outs and joins, chains, a large ``each``, and starting up."""

from __future__ import annotations

from typing import Any

from distributed import Client

from benchmarks.cluster.trial import Compared, Here, Trial, Workload, timed, valued
from benchmarks.cluster.work import (
    increment,
    increment_all,
    increment_step,
    increment_times,
    increment_waiting,
    sum_step,
)
from mce import DaskBackend, each, gather

__all__ = ["PAIRS"]

MAPPED = "client.map and sum"
FUSED = "a fused task a chain"
BATCHED = "100 batches"
SUBMITTED = "client.submit"


def fan_out(here: Here, size: int) -> Trial:
    """Trivial branches and a join of them, grouped and one by one, as ``each`` and as ``gather``."""

    def by_hand() -> Any:
        return here.client.submit(sum, here.client.map(increment, range(size), pure=False), pure=False).result()

    grouped, single = here.backend(), here.backend(chunk=1)
    listed: Any = each(increment_step) >> sum_step
    waiting: Any = each(increment_waiting) >> sum_step
    gathered: Any = gather(*[increment_step(x) for x in range(size)]) >> sum_step
    elements, expected = [*range(size)], size * (size + 1) // 2
    gauges = {
        MAPPED: timed(by_hand, expected),
        "each": timed(valued(listed, grouped, elements), expected),
        "each, async": timed(valued(waiting, grouped, elements), expected),
        "each, chunk=1": timed(valued(listed, single, elements), expected),
        "gather": timed(valued(gathered, grouped), expected),
        "gather, chunk=1": timed(valued(gathered, single), expected),
    }
    targets = [(name, 1.15 if "chunk" in name else 0.2) for name in gauges if name != MAPPED]
    return Trial(gauges, tuple(Compared(f"fan-out, {name}", name, MAPPED, target) for name, target in targets))


def chains(here: Here, size: int) -> Trial:
    """Chains of 50 trivial steps beside each other, and a join of them."""

    def by_hand() -> Any:
        done = here.client.map(increment_times, range(size), times=50, pure=False)
        return here.client.submit(sum, done, pure=False).result()

    flow: Any = gather(*[_chain(x, 50) for x in range(size)]) >> sum_step
    expected = sum(x + 50 for x in range(size))
    gauges = {FUSED: timed(by_hand, expected), "mce": timed(valued(flow, here.backend()), expected)}
    return Trial(gauges, (Compared("chains of 50", "mce", FUSED, 1.1),))


def _chain(first: int, length: int) -> Any:
    flow: Any = increment_step
    for _ in range(length - 1):
        flow = flow >> increment_step
    return flow(first)


def large(here: Here, size: int) -> Trial:
    """Many elements, against a hundred batches that were cut by hand."""

    def by_hand() -> Any:
        batches = [range(low, min(low + step, size)) for low in range(0, size, step)]
        found = here.client.gather(here.client.map(increment_all, batches, pure=False))
        return tuple(x for batch in found for x in batch)

    step = max(1, size // 100)
    expected = tuple(range(1, size + 1))
    flow: Any = each(increment_step)
    gauges = {BATCHED: timed(by_hand, expected), "mce": timed(valued(flow, here.backend(), range(size)), expected)}
    return Trial(gauges, (Compared("large each", "mce", BATCHED),))


def starting(here: Here, size: int) -> Trial:
    """One step, on a cluster that runs: with a backend that was used before, with a new one, and with a new client."""

    def opened() -> Any:
        with DaskBackend(here.address) as backend:
            return increment_step.run_sync(size, backend=backend).unwrap()

    def opened_by_hand() -> Any:
        open_client: Any = Client
        with open_client(here.address, set_as_default=False) as client:
            return client.submit(increment, size, pure=False).result()

    used = here.backend()
    gauges = {
        SUBMITTED: timed(lambda: here.client.submit(increment, size, pure=False).result(), size + 1),
        "mce": timed(valued(increment_step, used, size), size + 1),
        "mce, backend made": timed(lambda: valued(increment_step, here.backend(), size)(), size + 1),
        "Client and submit": timed(opened_by_hand, size + 1),
        "mce, client opened": timed(opened, size + 1),
    }
    return Trial(
        gauges,
        (
            Compared("one step", "mce", SUBMITTED),
            Compared("one step, backend made for it", "mce, backend made", SUBMITTED),
            Compared("one step, client opened for it", "mce, client opened", "Client and submit"),
        ),
    )


PAIRS = [
    Workload("fan-out", fan_out, (2_000,), (100,), 3),
    Workload("chains", chains, (20,), (20,), 21),
    Workload("starting", starting, (1,), (1,), 21),
    Workload("large each", large, (100_000,), (5_000,), 5),
]
