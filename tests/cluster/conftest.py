"""A cluster of worker processes for the tests of this folder; those that break things start one of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from distributed import Client, LocalCluster

from mce import DaskBackend


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    with LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def client(cluster: Any) -> Iterator[Any]:
    with Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture
def backend(client: Any) -> DaskBackend:
    return DaskBackend(client)
