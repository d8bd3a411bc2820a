"""``mce simulate`` from end to end, in this process: figures, notes, plots, and the status it ends with."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any
from xml.etree import ElementTree

import pytest

from mce.cli import main

FLOWS = """
    from mce import Context, Failure, Limit, Result, each, gather, limit, pure, recurs, sleep, step


    @step
    async def plan(question: str) -> list[str]:
        print("planning")
        raise SystemError("called")


    @step(raises=TimeoutError, resources={"GPU": 1})
    async def search(query: str) -> str:
        raise SystemError("called")


    @step
    async def three(ctx: Context[object]) -> list[str]:
        print("three")
        ctx.spend(2)
        await ctx.sleep(60)
        return ["a", "b", "c"]


    @step
    async def leave(n: int) -> int:
        raise SystemExit(3)


    agent = plan >> search
    leaving = leave(1)
    fixed = gather(*[search("?")] * 4)
    earnest = three >> each(sleep(5))
    db, api = Limit("db", 1), Limit("api", 1)
    stuck = gather(limit(sleep(1) >> limit(pure(1), api), db), limit(sleep(1) >> limit(pure(1), db), api))
"""

DURATIONS = {"plan": {"seconds": {"uniform": [1, 3]}, "cost": 0.25}, "search": {"seconds": 2, "fails": 0.2}}


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


Call = Callable[..., Ended]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """Run ``mce simulate flows.py:<name>`` with more arguments, in a folder that holds the flows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "flows.py").write_text(dedent(FLOWS))
    (tmp_path / "durations.json").write_text(json.dumps(DURATIONS))

    def run(name: str, *arguments: str) -> Ended:
        with pytest.raises(SystemExit) as left:
            main(["simulate", f"flows.py:{name}", *arguments])
        assert isinstance(left.value.code, int)
        said = capsys.readouterr()
        return Ended(left.value.code, said.out, said.err)

    yield run
    sys.modules.pop("flows", None)


QUESTION = ("--input", '"?"')
ESTIMATED = (*QUESTION, "--durations", "durations.json")


def test_the_figures_are_a_table_and_nothing_is_called(call: Call) -> None:
    ended = call("agent", *ESTIMATED, "--runs", "200")
    assert ended.status == 0
    assert ended.err == ""
    lines = ended.out.splitlines()
    assert lines[0] == "200 simulated runs of flows.py:agent"
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.strip() and line != "seconds up to"}
    assert rows["mean"] == ["min", "p50", "p90", "p95", "p99", "max"]
    assert 3 <= float(rows["seconds"][1]) <= float(rows["seconds"][2]) <= float(rows["seconds"][6]) <= 5
    assert rows["calls"] == ["2"] * 7
    assert rows["cost"] == ["0.25"] * 7
    assert rows["search"][:2] == ["1", "2"]
    assert "TimeoutError at search" in ended.out
    assert sum(int(line.rsplit(maxsplit=1)[1]) for line in lines if "█" in line) == 200


def test_no_cost_is_not_shown(call: Call) -> None:
    assert "cost" not in call("fixed", "--runs", "2").out


def test_json_is_one_object(call: Call) -> None:
    ended = call("agent", *ESTIMATED, "--runs", "100", "--json")
    assert ended.out.count("\n") == 1
    data = ended.data
    assert data["runs"] == 100
    assert data["failed"] == data["failures"][0]["runs"] > 0
    assert data["failure_rate"] == data["failed"] / 100
    assert data["failures"][0]["error"] == "TimeoutError"
    assert list(data["seconds"]) == ["mean", "min", "p50", "p90", "p95", "p99", "max"]
    assert {share["step"]: share["calls"] for share in data["steps"]} == {"plan": 100, "search": 100}


def test_the_same_seed_gives_the_same_figures(call: Call) -> None:
    one, same, other = (call("agent", *ESTIMATED, "--runs", "20", "--seed", seed, "--json") for seed in "112")
    assert one.out == same.out != other.out


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        ([], 2),
        (["--workers", "2"], 4),
        (["--workers", "1", "--priority", "critical_path"], 8),
        (["--resource", "GPU=3", "--resource", "disk=1"], 4),
    ],
)
def test_capacity(call: Call, arguments: list[str], seconds: float) -> None:
    ended = call("fixed", "--durations", "even.json", "--runs", "3", "--json", *arguments)
    assert ended.data["seconds"]["p50"] == seconds


@pytest.fixture(autouse=True)
def even(tmp_path: Path) -> None:
    (tmp_path / "even.json").write_text('{"search": 2}')


def test_a_trace_of_a_run_says_how_long_steps_take(call: Call, tmp_path: Path) -> None:
    lines = [
        {"kind": kind, "path": "search", "attempt": 1, "step": "search", "time": time}
        for kind, time in (("step_started", 1), ("step_finished", 8))
    ]
    (tmp_path / "run.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert call("fixed", "--durations", "run.jsonl", "--runs", "2", "--json").data["seconds"]["max"] == 7


def test_real_steps_are_called_in_simulated_time(call: Call) -> None:
    ended = call("earnest", "--real", "--runs", "2", "--json")
    assert (ended.data["seconds"]["p50"], ended.data["cost"]["p50"]) == (65, 2)
    assert ended.err == "three\nthree\n"


def test_a_real_step_that_ends_the_process_ends_the_simulation(call: Call) -> None:
    ended = call("leaving", "--real")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == "mce simulate: failed: a step ended the process, sys.exit(3)\n"


def test_when_no_run_succeeds_the_status_is_1(call: Call) -> None:
    ended = call("stuck", "--runs", "2")
    assert ended.status == 1
    assert "2  Deadlock" in ended.out
    assert "waits for Limit 'db', held by gather[" in " ".join(ended.out.split())


def test_a_name_that_no_step_has_is_noted(call: Call, tmp_path: Path) -> None:
    (tmp_path / "even.json").write_text('{"search": 2, "serach": 1}')
    ended = call("fixed", "--durations", "even.json", "--runs", "1")
    assert ended.status == 0
    assert ended.err == "note: even.json tells of 'serach', and this flow has no step of that name\n"


def test_without_durations_it_is_said_that_no_step_takes_time(call: Call) -> None:
    ended = call("fixed", "--runs", "2", "--json")
    assert ended.data["seconds"]["max"] == 0
    assert ended.err.startswith("note: without --durations F")
    assert ended.err.count("\n") == 1
    assert call("fixed", "--durations", "even.json", "--runs", "2").err == ""


@pytest.mark.parametrize("kind", ["svg", "png", "html"])
def test_a_plot_is_drawn(call: Call, tmp_path: Path, kind: str) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / f"plot.{kind}"
    assert call("agent", *ESTIMATED, "--runs", "30", "--plot", str(file)).status == 0
    drawn = file.read_bytes()
    if kind == "png":
        assert drawn.startswith(b"\x89PNG")
        return
    text = drawn.decode()
    if kind == "html":
        assert text.startswith("<!DOCTYPE html>")
        text = text[text.index("<svg") : text.index("</body>")]
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "p95" in text
    call("agent", *ESTIMATED, "--runs", "30", "--plot", str(file))
    assert file.read_bytes() == drawn


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--plot", "plot.gif"], "--plot plot.gif: the file's name ends in .svg, .png, .html"),
        (["--plot", "nowhere/plot.svg"], "there is no folder nowhere"),
        (["--resource", "GPU"], "--resource 'GPU': say NAME=N"),
        (["--resource", "=2"], "--resource '=2': say NAME=N"),
        (["--resource", "GPU=two"], "--resource 'GPU=two': say NAME=N"),
        (["--resource", "GPU=-1"], "resources['GPU'] is a number above 0"),
        (["--durations", "durations.txt"], "a trace ends in .jsonl"),
        (["--durations", "gone.json"], "gone.json cannot be read"),
        (["--input", "?"], "--input is not JSON"),
        ([], "this flow needs an input"),
    ],
)
def test_a_wrong_call_is_named_and_simulates_nothing(call: Call, arguments: list[str], named: str) -> None:
    ended = call("agent", *(QUESTION if arguments and "--input" not in arguments else ()), *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert named in ended.err


def test_the_folder_is_left_as_it_was(call: Call, tmp_path: Path) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    call("agent", *ESTIMATED, "--runs", "2")
    assert {path.name for path in tmp_path.iterdir()} - before <= {"__pycache__"}


def test_a_terminal_shows_progress(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("mce.cli.simulate.is_terminal", lambda console: True)
    timed = ("fixed", "--durations", "even.json", "--runs", "3")
    assert "simulating" in call(*timed).err
    assert call(*timed, "-q").err == ""


PAGE = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text(encoding="utf-8")


def test_the_page_shows_what_the_command_prints(call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    (tmp_path / "report.py").write_text([text for kind, text in blocks if kind == "python"][-1])
    (tmp_path / "durations.json").write_text(next(text for kind, text in blocks if kind == "json"))
    console = next(text for kind, text in blocks if kind == "console")
    command, _, shown = console.removeprefix("$ mce ").partition("\n")
    with pytest.raises(SystemExit):
        main(shlex.split(command))
    sys.modules.pop("report", None)
    printed = [line.rstrip() or "<BLANKLINE>" for line in capsys.readouterr().out.splitlines()]
    assert [line.split() for line in printed] == [line.split() for line in shown.splitlines()]
