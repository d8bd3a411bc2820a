"""The benchmarks on a cluster, without one: sides take turns, wrong results are rows, rows have a part of the page."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.cluster.spans import instances
from benchmarks.cluster.trial import Compared, Trial, constant, measure, timed
from benchmarks.measure import WrongResult
from benchmarks.results import Report, Row, merge, read, write
from benchmarks.tables import BEGIN, END, publish

COMPARED = (Compared("work", "ours", "hand", 1.5), Compared("work", "other", "hand", subject="by hand"))


def test_sides_take_turns_after_one_round_that_does_not_count() -> None:
    order: list[str] = []

    def noting(name: str, *numbers: float) -> Callable[[], float]:
        left = [*numbers]

        def gauge() -> float:
            order.append(name)
            return left.pop(0)

        return gauge

    gauges = {"ours": noting("ours", 9, 2, 6), "hand": noting("hand", 9, 1, 2), "other": constant(4)}
    ours, other = measure(Trial(gauges, COMPARED), 7, 2)
    assert order == ["ours", "hand", "hand", "ours", "ours", "hand"]
    assert (ours.measured and ours.measured.ratio, ours.met, ours.size, ours.group) == (2.5, False, 7, "cluster")
    assert (other.measured and other.measured.extremes, other.subject) == ((2.0, 4.0), "by hand")


def test_a_wrong_result_is_a_row_that_says_so() -> None:
    gauges = {"ours": timed(lambda: 3, 4), "hand": constant(1), "other": constant(1)}
    found = [*measure(Trial(gauges, COMPARED), 1, 1)]
    assert [row.problem for row in found] == ["a side gave 3, expected 4"] * 2
    assert [row.measured for row in found] == [None, None]
    assert timed(lambda: 4, 4)() >= 0
    with pytest.raises(WrongResult):
        timed(lambda: 3, 4)()


def test_rows_of_a_cluster_have_a_table_of_their_own(tmp_path: Path) -> None:
    rows = [*measure(Trial({"ours": constant(2), "hand": constant(1), "other": constant(1)}, COMPARED), 1, 1)]
    write(Report(rows), tmp_path / "found.json")
    report = read(tmp_path / "found.json")
    assert report.rows == rows
    page = tmp_path / "page.md"
    page.write_text(BEGIN + END)
    publish(Report([Row("chain", "mce", "plain awaits", 1, measured=rows[0].measured), *report.rows]), page)
    before, after = page.read_text().split("### On a cluster, against Dask by hand")
    assert "| chain | mce |" in before
    assert "| work |" not in before
    assert "| work | mce | hand | 1 | 2.00 |" in after
    assert "| work | by hand | hand | 1 | 1.00 |" in after
    assert len(ET.parse(tmp_path / "page.svg").findall("{http://www.w3.org/2000/svg}circle")) == 1


def test_comparisons_with_different_baselines_are_all_kept() -> None:
    rows = [Row("work", "mce", baseline, 1) for baseline in ("hand", "bound", "hand")]
    assert [row.baseline for row in merge([Report(rows)]).rows] == ["hand", "bound"]


def test_recorded_workflows_are_found_by_their_format(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "two.json").write_text('{"schemaVersion": "1.5"}')
    (tmp_path / "list.json").write_text("[]")
    assert [one.name for one in instances(tmp_path)] == ["recorded two"]
