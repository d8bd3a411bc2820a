"""The benchmarks' own logic: a wrong result is never timed, every workload runs, and what was measured is published."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import anyio
import pytest

from benchmarks.__main__ import main
from benchmarks.fresh import FRESH, Program, run_program
from benchmarks.measure import Contest, Effort, Measured, Pair, Runner, WrongResult, compare, summarise
from benchmarks.peers import contest, environments
from benchmarks.plot import draw
from benchmarks.profiles import shares
from benchmarks.results import Report, Row, merge, read, write
from benchmarks.suite import WORKLOADS
from benchmarks.tables import BEGIN, END, growth, number, publish, table
from benchmarks.workload import Workload, run_workload

ONCE = Effort(1, 1, 0)
MEASURED = Measured(2.0, (1.5, 2.5), (1.0, 30.0), 5, 0.2, 0.1)


def giving(*values: object) -> Runner:
    """Give a runner that gives one value after the other, and the last one again and again."""
    left = [*values]

    async def run() -> Any:
        return left.pop(0) if len(left) > 1 else left[0]

    return run


def row(name: str = "chain", *, subject: str = "mce", measured: Measured | None = MEASURED, **more: Any) -> Row:
    return Row(name, subject, "plain awaits", more.pop("size", 10), measured=measured, **more)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (Pair(giving(1), giving(2), 2), "the subject gave 1, expected 2"),
        (Pair(giving(2), giving(1), 2), "the baseline gave 1, expected 2"),
        (Pair(giving(2, 2, 1), giving(2), 2), "a timed run gave 1, expected 2"),
    ],
)
def test_a_wrong_result_is_not_timed(pair: Pair, message: str) -> None:
    with pytest.raises(WrongResult, match=message):
        anyio.run(compare, pair, ONCE)


def test_rounds_alternate() -> None:
    order = []

    def noting(name: str) -> Runner:
        async def run() -> None:
            order.append(name)

        return run

    async def go() -> None:
        trial = Contest(Pair(noting("subject"), noting("baseline"), None), waits=0.01)  # so nothing is repeated
        await trial.prepare()
        order.clear()
        for turn in range(2):
            await trial.go(turn)

    anyio.run(go)
    assert order == ["baseline", "subject", "subject", "baseline"]


def test_ratios_are_of_the_same_round() -> None:
    found = summarise([(2.0, 1.0), (30.0, 10.0), (4.0, 1.0)])
    assert (found.ratio, found.quartiles, found.extremes, found.rounds) == (3.0, (2.5, 3.5), (2.0, 4.0), 3)
    assert (found.subject_seconds, found.baseline_seconds) == (4.0, 1.0)


def test_one_round_is_enough() -> None:
    assert summarise([(2.0, 1.0)]).quartiles == (2.0, 2.0)


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_every_workload_gives_what_is_expected(workload: Workload) -> None:
    assert run_workload(workload, 3, ONCE).rounds == 1


def test_workloads_have_names_of_their_own() -> None:
    assert len({each.name for each in WORKLOADS} | {each.name for each in FRESH}) == len(WORKLOADS) + len(FRESH)


@pytest.mark.parametrize("program", FRESH, ids=lambda program: program.name)
def test_every_program_prints_a_number(program: Program) -> None:
    assert run_program(program, 3, 1).baseline_seconds > 0


def test_a_program_that_fails_is_reported() -> None:
    with pytest.raises(WrongResult, match="broken: ZeroDivisionError: division by zero"):
        run_program(Program("broken", "one", "1 / 0", "print(1)", 1, 1), 1, 1)


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    report = Report([row(), row("loop", measured=None, problem="no")], versions={"anyio": "4"})
    write(report, tmp_path / "found.json")
    assert read(tmp_path / "found.json") == report


def test_the_last_measurement_of_a_comparison_counts() -> None:
    first, second = row(measured=None, problem="no"), row()
    other = row("loop")
    found = merge([Report([first, other], versions={"a": "1"}), Report([second], versions={"b": "2"})])
    assert found.rows == [second, other]
    assert found.versions == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (row(target=3), "| chain | mce | plain awaits | 10 | 2.00 | 1.50 to 2.50 | 1.00 to 30.0 | 5 | 3 met |"),
        (
            row(target=1.5),
            "| chain | mce | plain awaits | 10 | 2.00 | 1.50 to 2.50 | 1.00 to 30.0 | 5 | 1.5 **missed** |",
        ),
        (row(measured=None, problem="not there"), "| chain | mce | plain awaits | 10 | not there | | | | |"),
    ],
)
def test_a_line_of_the_table(found: Row, line: str) -> None:
    assert table([found]).splitlines()[-1] == line


def test_growth_is_the_cost_of_an_element() -> None:
    once = row(size=1)  # 0.2 s
    assert growth([once, row(size=100), row("loop"), row("lost", measured=None)]).splitlines() == [
        "| microseconds | 1 | 100 |",
        "|---|--:|--:|",
        "| chain | 200,000 | 2,000 |",
    ]


@pytest.mark.parametrize(("ratio", "text"), [(0.071, "0.07"), (9.99, "9.99"), (12.34, "12.3"), (1234.5, "1,234")])
def test_ratios_have_three_digits(ratio: float, text: str) -> None:
    assert number(ratio) == text


def test_a_page_keeps_what_is_around_the_tables(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}old{END}\nafter\n")
    for _ in range(2):
        publish(Report([row(), row(subject="other")]), page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("-->\nafter\n")
    assert "old" not in text
    assert text.count("| chain | mce |") == text.count("| chain | other |") == 1
    assert "(page.svg)" in text
    ET.parse(tmp_path / "page.svg")


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="has no lines"):
        publish(Report([row()]), page)


def test_the_plot_shows_the_largest_size_and_the_target() -> None:
    svg = draw([row(size=10), row(size=100, target=3), row("a & b", size=10), row("lost", measured=None)])
    tree = ET.fromstring(svg)
    name = "{http://www.w3.org/2000/svg}"
    assert len(tree.findall(f"{name}circle")) == 2
    assert len([each for each in tree.findall(f"{name}line") if each.get("class") == "target"]) == 1
    texts = [each.text for each in tree.findall(f"{name}text")]
    assert "chain, 100" in texts
    assert "a & b, 10" in texts


def test_the_command_line_measures_and_publishes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = tmp_path / "found.json"
    main(["run", "--quick", "--only", "dag, whole", "--json", str(found)])
    assert "| dag, whole layers | mce |" in capsys.readouterr().out
    page = tmp_path / "page.md"
    page.write_text(BEGIN + END)
    assert main(["publish", str(found), "--page", str(page)]) == 0
    assert "| dag, whole layers | mce |" in page.read_text()


def test_a_profile_adds_up_and_names_the_loop(capsys: pytest.CaptureFixture[str]) -> None:
    chain = WORKLOADS[0]
    found = dict(shares(chain, 500))
    assert sum(found.values()) == pytest.approx(1)
    assert found["loop.execute"] > 0
    assert main(["profile", "--only", "dag, whole"]) == 0
    assert "| dag, whole layers | " in capsys.readouterr().out


def test_every_library_says_what_it_requires() -> None:
    assert {library for library in environments.LIBRARIES if environments.requirements(library)} == {
        path.stem
        for path in environments.HERE.glob("*.py")
        if path.stem not in {"__init__", "contest", "environments", "worker"}
    }


STAND_IN = """
import json, sys
print("noise")
print("benchmark: " + json.dumps({first}), flush=True)
for _ in sys.stdin:
    print("benchmark: " + json.dumps({{"seconds": [6.0, 2.0]}}), flush=True)
"""


@pytest.mark.parametrize(
    ("program", "problem", "ratio"),
    [
        (STAND_IN.format(first='{"release": "1.2"}'), "", 3.0),
        (STAND_IN.format(first='{"problem": "it is broken"}'), "it is broken", None),
        ("", "its process ended without an answer, or gave none in 180 s", None),
    ],
)
def test_a_library_is_measured_or_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, problem: str, ratio: float | None
) -> None:
    python = stand_in(tmp_path, program)
    monkeypatch.setattr(contest, "environment", lambda library, folder: python)
    versions: dict[str, str] = {}
    rows = [*contest.measure_peers(tmp_path, versions, rounds=2, only="burr")]
    assert [each.problem for each in rows] == [problem] * 4
    assert [each.measured and each.measured.ratio for each in rows] == [ratio] * 4
    assert versions == ({} if problem else {"burr": "1.2"})


def stand_in(folder: Path, program: str) -> Path:
    """Write an executable that runs ``program`` whatever it is told to run."""
    (folder / "program.py").write_text(program)
    path = folder / "python"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder}/program.py"\n')
    path.chmod(0o755)
    return path


def test_a_library_that_cannot_be_installed_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(library: str, folder: Path) -> Path:
        raise environments.NotInstalled("no such release")

    monkeypatch.setattr(contest, "environment", refuse)
    rows = [*contest.measure_peers(tmp_path, {}, rounds=2)]
    assert {each.problem for each in rows} == {"not installed: no such release"}
    assert {each.subject for each in rows} == {name.replace("_", "-") for name in environments.LIBRARIES}


def test_an_environment_is_made_once_with_what_is_required(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[str, ...]] = []

    def call(*command: str) -> None:
        calls.append(command)

    monkeypatch.setattr(environments, "_call", call)
    (tmp_path / "returns").mkdir()
    python = environments.environment("returns", tmp_path)
    assert python.is_relative_to(tmp_path / "returns")
    assert calls[-1][-2:] == ("returns", "anyio")
    assert len(calls) == 2
    environments.environment("returns", tmp_path)
    assert len(calls) == 2


def test_the_reason_of_a_failed_installation_is_kept() -> None:
    with pytest.raises(environments.NotInstalled, match="ZeroDivisionError: division by zero"):
        environments._call(sys.executable, "-c", "1 / 0")
