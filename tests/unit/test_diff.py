"""What changed between two versions of a flow, and whether stored runs of the old one can be resumed."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given

from mce import Flow, fail, gather, lift, pure, recurs, step
from mce.cli import main
from mce.graph.diff import Changed, Difference, Field, Moved, diff
from mce.graph.ir import Graph
from mce.testing import flows
from tests.laws.meanings import AnyFlow, some


@step
async def ask(question: str) -> str:
    return question


@step
async def search(text: str) -> str:
    return text


@step
async def check(text: str) -> str:
    return text


@step(pure=True)
def norm(text: str) -> str:
    return text


@step(name="ask")
async def ask_again(question: str) -> str:
    return question


@step
async def write(found: object) -> str:
    return str(found)


OLD = ask >> gather(search, check) >> write
ALL = ("ask", "gather[0]/search", "gather[1]/check", "write")


def compared(new: AnyFlow, old: AnyFlow = OLD) -> Difference:
    return diff(old.graph(), new.graph())


def test_the_same_flow() -> None:
    found = compared(ask >> gather(search, check) >> write)
    assert found.is_empty
    assert found.resumable
    assert found.kept == ALL


@some
@given(flow=flows(size=12))
def test_a_flow_does_not_differ_from_itself(flow: AnyFlow) -> None:
    """Nor from what was written of it as JSON."""
    graph = flow.graph()
    found = diff(graph, Graph.from_json(graph.to_json()))
    assert found == diff(graph, graph)
    assert found.is_empty
    assert found.resumable


@pytest.mark.parametrize(
    "new",
    [
        pytest.param(ask >> gather(search, check).retry(recurs(2)) >> write.timeout(3), id="policies"),
        pytest.param(ask >> gather(search.recover(lambda _: pure("")), check) >> write, id="a handler"),
        pytest.param(ask.timeout(1).retry(recurs(1)) >> gather(search, check) >> write, id="policies in policies"),
        pytest.param(OLD >> norm >> write, id="more steps at the end"),
        pytest.param(OLD.optimise(), id="optimised"),
    ],
)
def test_changes_after_which_every_run_resumes(new: AnyFlow) -> None:
    found = compared(new)
    assert found.resumable
    assert found.kept == ALL
    assert not found.in_the_way(ALL)


def test_what_is_put_around_a_step_is_added_and_nothing_else() -> None:
    found = compared(ask.timeout(2), ask)
    assert found.added == ("timeout",)
    assert found.changed == (Changed("ask", (Field("parent", "", "timeout"),)),)
    assert str(found.changed[0]) == "ask  parent: none -> timeout"


@pytest.mark.parametrize(
    ("new", "obstacles", "stale"),
    [
        (gather(search, check) >> write, ["ask is gone"], ["gather[0]/search", "gather[1]/check", "write"]),
        (ask_again >> gather(search, check) >> write, ["ask is another step now"], [*ALL[1:]]),
        (ask >> norm >> gather(search, check) >> write, [], [*ALL[1:]]),
        (ask >> gather(search, check, norm) >> write, [], ["write"]),
        (ask >> gather(search, check).map(str) >> write, ["write gets its input from str instead of gather"], []),
        (
            ask >> gather(search.named("s"), check) >> write,
            ["gather[0]/search stands at gather[0]/s/search"],
            ["write"],
        ),
        (ask("a") >> gather(search, check) >> write, ["ask is given 'a' instead of nothing known"], [*ALL[1:]]),
        (ask >> gather(search("b"), check) >> write, ["gather[0]/search is given 'b'"], ["write"]),
    ],
)
def test_changes_that_are_in_the_way(new: AnyFlow, obstacles: list[str], stale: list[str]) -> None:
    found = compared(new)
    assert not found.resumable
    assert len(found.obstacles) == len(obstacles)
    for seen, wanted in zip(found.obstacles, obstacles, strict=True):
        assert str(seen).startswith(wanted)
    assert list(found.stale) == stale
    assert {*found.kept, *found.stale, *(seen.path for seen in found.obstacles)} == {*ALL}


def test_a_run_that_had_not_come_so_far_can_be_resumed() -> None:
    found = compared(ask >> gather(search, check, norm) >> write)
    assert not found.in_the_way(ALL[:3])
    assert [obstacle.path for obstacle in found.in_the_way(ALL)] == ["write"]


def test_a_join_of_fewer_gives_something_else() -> None:
    assert compared(OLD, ask >> gather(search, check, norm) >> write).stale == ("write",)


def test_a_pure_step_that_is_gone_is_no_loss() -> None:
    assert compared(ask, ask >> norm).resumable
    assert not compared(ask, ask >> write).resumable


def test_a_step_under_another_name_has_moved() -> None:
    found = compared(ask.named("first"), ask)
    assert found.moved == (Moved("ask", "first/ask"),)
    assert str(found.moved[0]) == "ask -> first/ask"
    assert found.added == ("first",)
    assert not found.resumable


def test_what_a_graph_does_not_show_is_said() -> None:
    old = ask.bind(lambda text: write(text))
    assert compared(old, old).unseen == ("bind",)
    assert compared(OLD).unseen == ()


def test_other_joins_give_other_values() -> None:
    old, new = gather(fail("no"), ask) >> write, gather(fail("no"), ask, merge=lambda states: states[0]) >> write
    assert compared(new, old).stale == ("write",)


def test_a_long_flow_is_compared_in_one_go() -> None:
    old: Flow[str, str] = ask
    for _ in range(3000):
        old = old >> lift(str) >> search
    found = diff(old.graph(), (old >> check).graph())
    assert len(found.kept) == 3001
    assert found.added == ("check",)


# -- mce diff ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("versions.py").write_text(
        dedent("""
            from mce import gather, step

            @step
            async def ask(question: str) -> str: ...
            @step
            async def write(text: str) -> str: ...

            first = ask >> write
            second = ask >> write >> write
            other = write >> ask
        """)
    )
    return tmp_path


def called(*args: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["diff", *args])
    code = left.value.code
    assert isinstance(code, int)
    return code


def test_the_command_compares_a_file_and_a_flow(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "old.json").write_text((ask >> write).graph().to_json())
    assert called("old.json", "old.json") == 0
    assert "no difference" in capsys.readouterr().out
    assert called("versions.py:first", "versions.py:second") == 0
    assert capsys.readouterr().out.splitlines() == [
        "added:",
        "  write:2",
        "stored runs can be resumed: 2 steps keep their results",
    ]
    assert called("versions.py:first", "versions.py:other") == 1
    assert "  ask gets its input from write instead of the flow's input" in capsys.readouterr().out


def test_the_command_writes_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("versions.py:first", "versions.py:other", "--json") == 1
    data = json.loads(capsys.readouterr().out)
    assert data["resumable"] is False
    assert data["added"] == []
    assert {obstacle["path"] for obstacle in data["obstacles"]} == {"ask", "write"}


@pytest.mark.parametrize(
    ("old", "message"),
    [
        ("none.json", "none.json cannot be read: No such file"),
        ("bad.json", "bad.json: not a graph of version 1"),
        ("versions.py:none", "has no 'none'"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str], old: str, message: str
) -> None:
    (folder / "bad.json").write_text('{"nodes": 3}')
    assert called(old, "versions.py:first") == 2
    assert message in capsys.readouterr().err
