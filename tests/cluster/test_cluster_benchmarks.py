"""Every workload of the benchmarks on a cluster gives, on both sides, what is expected of it; nothing is timed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cluster.spans import instances
from benchmarks.cluster.suite import WORKLOADS
from benchmarks.cluster.trial import Here, Workload, measure

DIAMOND = {
    "name": "diamond",
    "schemaVersion": "1.5",
    "workflow": {
        "specification": {
            "tasks": [
                {"id": "a", "name": "a"},
                {"id": "b", "name": "b", "parents": ["a"]},
                {"id": "c", "name": "c", "parents": ["a"]},
                {"id": "d", "name": "d", "parents": ["b", "c"]},
            ]
        },
        "execution": {"tasks": [{"id": id, "runtimeInSeconds": 0.001} for id in "abcd"]},
    },
}


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_every_workload_gives_what_is_expected(cluster: Any, client: Any, workload: Workload) -> None:
    rows = [*measure(workload.make(Here(cluster, client), 8), 8, 1)]
    assert rows
    assert [row.problem for row in rows] == [""] * len(rows)


def test_a_recorded_workflow_gives_what_is_expected(cluster: Any, client: Any, tmp_path: Path) -> None:
    (tmp_path / "diamond.json").write_text(json.dumps(DIAMOND))
    (workload,) = instances(tmp_path)
    assert workload.make(Here(cluster, client), 1).gauges["critical path"]() == pytest.approx(1)
    at_once = workload.make(Here(cluster, client), 0)
    assert [row.problem for row in measure(at_once, 0, 1)] == [""] * 4
