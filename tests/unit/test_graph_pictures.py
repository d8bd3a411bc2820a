"""Pictures: what is folded is still stood for, every line joins what is shown, and all text is escaped."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mce import Flow, UsageError, each, fail, gather, lift, pure, recurs, retry, step, switch
from mce.cli.app import app
from mce.graph import fold, lower, schema, to_dot, to_mermaid, to_text
from mce.graph.render import draw
from mce.graph.view import View
from mce.testing import flows

HOSTILE = 'a <b> & "c" \\N ] | } ; %% end `x`'


@step
async def fetch(url: str) -> bytes:
    return url.encode()


@step(pure=True)
def parse(page: bytes) -> str:
    return page.decode()


def count(found: Iterable[str]) -> int:
    return len(list(found))


def points(view: View) -> set[str]:
    return {item.id for item in view.items if item.kind not in ("box", "part")}


@given(flows(size=12), st.none() | st.integers(0, 3), st.integers(4, 30))
def test_nothing_is_lost_and_every_line_joins_what_is_shown(
    flow: Flow[Any, Any, Any, Any], depth: int | None, at_most: int
) -> None:
    graph = lower(flow.node).graph
    view = fold(graph, depth=depth, at_most=at_most)
    assert view.at.keys() == graph.by_id.keys()
    assert set(view.at.values()) <= view.by_id.keys()
    assert {end for line in view.lines for end in (line.source, line.target)} <= points(view)
    assert {item.parent for item in view.items} - {None} <= view.by_id.keys()
    stood_for = sum(item.hidden + (item.kind not in ("rest", "fork", "join")) for item in view.items)
    wrapping = sum(view.at[node.id] != node.id for node in graph.nodes if view.at[node.id] in graph.by_id)
    assert len(graph.nodes) - wrapping <= stood_for <= len(graph.nodes)


@given(flows(size=12))
def test_with_room_all_is_open(flow: Flow[Any, Any, Any, Any]) -> None:
    view = fold(lower(flow.node).graph, at_most=10_000)
    assert not [item for item in view.items if item.hidden]


def test_long_rows_are_shortened() -> None:
    chain = pure(b"") >> gather(*[parse] * 1000)
    view = fold(chain.graph())
    shown = [item for item in view.items if item.kind in ("node", "folded", "rest")]
    assert len(shown) == 13
    assert "989 more parse" in {item.title for item in shown}


def test_the_focus_is_open_and_what_is_beside_it_folded() -> None:
    part = gather(fetch, fetch >> parse)
    graph = gather(part.named("a"), part.named("b")).graph()
    view = fold(graph, focus="gather[1]/b")
    assert {item.id for item in view.items if item.kind == "folded"} == {"gather[0]/a/gather"}
    with pytest.raises(UsageError, match=r"did you mean gather\[1\]/b"):
        fold(graph, focus="gather[1]/bb")


def test_a_policy_around_one_step_is_a_badge() -> None:
    [item] = fold(retry(fetch, recurs(2)).graph()).items
    assert (item.kind, item.title, item.badges) == ("node", "fetch", ("retry recurs(2)",))


def test_the_tree_in_words() -> None:
    flow = switch(count, {1: each(fetch, limit=5), 2: fail(ValueError("no"))}).named("pick")
    assert to_text(flow.graph(name="agent")) == (
        "agent\n  pick: one of\n    if 1: for each, 5 at once\n      fetch\n    if 2: fail: ValueError('no')\n"
    )


def test_text_of_users_is_escaped_in_dot_and_svg() -> None:
    flow = pure(HOSTILE) >> lift(str)
    root = ET.fromstring(draw(flow.graph(name=HOSTILE), "svg"))
    texts = {"".join(found.itertext()) for found in root.iter("{http://www.w3.org/2000/svg}text")}
    assert any('<b> & "c"' in text for text in texts)
    assert "label" in to_dot(flow.graph())


def test_text_of_users_is_escaped_in_mermaid() -> None:
    first = to_mermaid(pure(HOSTILE).graph()).splitlines()[1]
    assert first.startswith('n0(["= ')
    assert first.endswith('"])')
    assert not set(first[len('n0(["') : -len('"])')]) & set('<>"|]}`%\\&')


@pytest.mark.parametrize(("form", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_pictures_are_drawn(form: Any, start: bytes) -> None:
    assert draw((fetch >> parse).graph(), form).startswith(start)


def test_a_notebook_gets_words_where_there_is_no_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "<svg" in fetch._repr_mimebundle_()["image/svg+xml"]
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert fetch._repr_mimebundle_() == {"text/plain": "fetch\n"}
    with pytest.raises(UsageError, match=r"pip install 'mce-agents\[render\]'"):
        draw(fetch.graph(), "svg")


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "drawn.py").write_text("from mce import pure, lift\nagent = pure(1) >> lift(str)\n")

    def call(*rest: str) -> Any:
        return CliRunner().invoke(app, ["graph", *rest])

    target = f"{tmp_path / 'drawn.py'}:agent"
    assert call(target).output == "agent\n  = 1\n  str\n"
    assert json.loads(call("--schema").output) == schema()
    kept = tmp_path / "g.json"
    assert call(target, "-o", str(kept)).exit_code == 0
    assert call(str(kept)).output == "agent\n  = 1\n  str\n"
    for wrong in (["-o", "x.gif"], ["--format", "gif"], ["--focus", "nowhere"], ["-o", str(tmp_path / "no/x.svg")]):
        assert call(target, *wrong).exit_code == 2


def test_branches_side_by_side_are_shortened_earlier_unless_they_are_asked_for() -> None:
    flow = fetch >> gather(*[parse] * 40)

    def branches(view: View) -> int:
        return sum(item.kind == "node" and item.id.startswith("gather") for item in view.items)

    assert branches(fold(flow.graph())) == 11
    assert branches(fold(flow.graph(), depth=1)) == 40
    assert branches(fold(flow.graph(), focus="gather")) == 40


@pytest.mark.parametrize("text", ['"', "<script>&", "a\nb", "ü 漢字", "x" * 500, "]]>", "--", "{a|b}", "\\l"])
def test_every_writer_takes_any_text(text: str) -> None:
    flow = (pure(text) >> step(name='odd <name> & "quotes"')(str.upper)).recover(lambda _: pure(text))
    graph = flow.graph(name=text)
    ET.fromstring(draw(graph, "svg"))
    assert draw(graph, "png").startswith(b"\x89PNG")
    assert len(to_text(graph).splitlines()) >= 3
    assert to_mermaid(graph).splitlines()[0].startswith("flowchart")
    assert to_dot(graph) == to_dot(flow.graph(name=text))


def test_the_dot_on_the_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dot = tmp_path / "dot"
    dot.write_text('#!/bin/sh\ncat > /dev/null\necho "<svg $1></svg>"\n')
    dot.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert b"-Tsvg" in draw(fetch.graph(), "svg")
    dot.write_text("#!/bin/sh\necho 'syntax error in line 3' >&2\nexit 1\n")
    with pytest.raises(UsageError, match="could not draw the graph: syntax error in line 3"):
        draw(fetch.graph(), "png")


def test_an_arrow_into_a_box_ends_at_its_border() -> None:
    assert "lhead=" in to_dot((fetch >> gather(parse, parse)).graph())
    assert "lhead=" not in to_dot((fetch >> parse).graph())
