"""All comparisons on a cluster, measured one by one on one local cluster that grows where a workload asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster

from benchmarks.cluster.counts import COUNTS
from benchmarks.cluster.pairs import PAIRS
from benchmarks.cluster.spans import SPANS, instances
from benchmarks.cluster.trial import Here, Workload, measure
from benchmarks.results import Row

__all__ = ["WORKLOADS", "measure_cluster"]

WORKLOADS = [*COUNTS, *PAIRS, *SPANS]


def measure_cluster(*, quick: bool, only: str = "", recorded: Path | None = None) -> Iterator[Row]:
    """Start a cluster of worker processes of one thread each, and measure every workload whose name contains ``only``.

    ``recorded`` is a folder with workflows in WfFormat, which are measured too.
    """
    found = [one for one in [*WORKLOADS, *(instances(recorded) if recorded else [])] if only in one.name]
    start: Any = LocalCluster
    open_client: Any = Client
    with (
        start(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        open_client(cluster, set_as_default=False) as client,
    ):
        here = Here(cluster, client)
        for number in sorted({number for workload in found for number in workload.workers}):
            here = _scaled(here, number)
            yield from _measured([one for one in found if number in one.workers], here, quick)


def _scaled(here: Here, workers: int) -> Here:
    here.cluster.scale(workers)
    here.client.wait_for_workers(workers)
    return replace(here, workers=workers)


def _measured(workloads: Sequence[Workload], here: Here, quick: bool) -> Iterator[Row]:
    for workload in workloads:
        for size in workload.quick if quick else workload.sizes:
            yield from measure(workload.make(here, size), size, 2 if quick else workload.rounds)
