"""A cluster of worker processes for the tests of this folder; those that break things start one of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mce import DaskBackend
from mce.backends.cluster.client import connect, local_cluster


@pytest.fixture(scope="package")
def cluster() -> Iterator[Any]:
    with local_cluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0") as cluster:
        yield cluster


@pytest.fixture(scope="package")
def client(cluster: Any) -> Iterator[Any]:
    client = connect(cluster)
    yield client
    client.close()


@pytest.fixture
def backend(client: Any) -> DaskBackend:
    return DaskBackend(client)
