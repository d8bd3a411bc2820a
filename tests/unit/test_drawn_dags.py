"""Mermaid flowcharts and DOT as dags: what is read of them, and what is refused with its line."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mce import InvalidGraph, UsageError, lift
from mce.graph.dot_import import read_dot
from mce.graph.drawn import DrawnDag
from mce.graph.mermaid_import import read_mermaid

needs_parser = pytest.mark.skipif(importlib.util.find_spec("pygraphviz") is None, reason="needs the extra `render`")


def edges(text: str) -> str:
    return " ".join(f"{before}>{after}" for before, after in read_mermaid(text).edges)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("a --> b --> c", "a>b b>c"),
        ("a-->b;b-->c; c-->d", "a>b b>c c>d"),
        ("a & b --> c & d", "a>c a>d b>c b>d"),
        ("a ----> b\na ===> b\na -..-> c\na -.-> d\na --- e", "a>b a>c a>d a>e"),
        ("a --o b\nc --x d", "a>b c>d"),
        ("a ~~~ b --> c", "b>c"),
        ("a <--- b", "b>a"),
        ("a -->|yes & no| b -- text --> c == more ==> d -. some .-> e -- open --- f", "a>b b>c c>d d>e e>f"),
        ('a -- "x --> y" --> b', "a>b"),
        ("a[x --> y] --> b(r) --> c((d)) --> e{f} --> g{{h}} --> i[(j)] --> k>l]", "a>b b>c c>e e>g g>i i>k"),
        ('a["(]"] --> b[/x/] --> c[\\y\\] --> d[/z\\] --> e(((f))) --> g([h]) --> i[[j]]', "a>b b>c c>d d>e e>g g>i"),
        ("a:::big --> b\nclassDef big fill:#f00;\nclass a big\nstyle a fill:#fff\nclick a call x()", "a>b"),
        ("%% a --> x\na --> b %% --> c", "a>b"),
        ("e1@a --> b", None),
        ("a e1@--> b", "a>b"),
        ('a@{ shape: rect, label: "A" } --> b', "a>b"),
        ("a-1 --> b.2 --> c/d", "a-1>b.2 b.2>c/d"),
        ("end1 --> ended", "end1>ended"),
        ("é --> 日本", "é>日本"),
        ("direction LR\nlinkStyle 0 stroke:#ff3\na --> b", "a>b"),
        ("subgraph one [The first]\na --> b\nend\nb --> c", "a>b b>c"),
        ("subgraph one\na --> b\nc\nend\none --> d\ne --> one", "a>b b>d c>d e>a e>c"),
        ("subgraph x\nsubgraph y\na\nend\nb\nend\nx --> c\nc --> z\nsubgraph z\nd\nend", "a>c b>c c>d"),
        ("a", ""),
    ],
)
def test_flowcharts_are_read(body: str, expected: str | None) -> None:
    text = f"flowchart LR\n{body}\n"
    if expected is None:
        with pytest.raises(InvalidGraph, match="line 2: "):
            read_mermaid(text)
    else:
        assert edges(text) == expected
        assert edges(f"graph TD;\r\n  {body}".replace("\n", "\r\n")) == expected


def test_labels_and_the_title_are_kept() -> None:
    found = read_mermaid('---\ntitle: My flow\n---\ngraph TD\na["Plan<br/>it"] -->|when <b>| b[b]\nc -- so --> b')
    assert found.name == "My flow"
    assert found.labels == {"a": "Plan it"}
    assert found.edge_labels == {("a", "b"): "when <b>", ("c", "b"): "so"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sequenceDiagram\n  a->>b: hi", "line 1: a flowchart begins with graph or flowchart, not 'sequenceDiagram'"),
        ("%% only this\n\n", "line 3: a flowchart begins with"),
        ("graph TD\na --> b\nb --> \n", "line 3: here should be a node, not ''"),
        ("graph TD\n\na[open --> b\n", "line 3: this is not closed: '[open --> b'"),
        ("graph TD\na -- text b\n", "line 2: the text of a link has no end"),
        ("graph TD\na b\n", "line 2: this is not understood: 'b'"),
        ("graph TD\nsubgraph x\na --> b\n", "line 2: subgraph 'x' has no end"),
        ("graph TD\nend\n", "line 2: end without a subgraph"),
        ("graph TD\na --> b --> c --> a\n", "the flowchart has a cycle, and a dag has none: "),
        ("graph TD\na <--> b", "the flowchart has a cycle, and a dag has none: "),
        ("---\ntitle: x\n", "line 1: the front matter, which --- begins, has no end"),
        ("nowhere.mmd", "'nowhere.mmd' is neither such a text nor a file: No such file"),
        ("graph TD\n" + "(" * 100_000, "line 2: here should be a node"),
        ("graph TD\na" + "[" * 100_000, "line 2: this is not closed"),
    ],
)
def test_broken_flowcharts_are_refused_with_the_line(text: str, message: str) -> None:
    with pytest.raises(InvalidGraph) as wrong:
        read_mermaid(text)
    assert str(wrong.value).startswith(message)


@given(text=st.text(alphabet='ab-=.<>ox|&[](){}"; \n~%/\\@:', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else is raised, whatever the text."""
    with suppress(InvalidGraph):
        assert isinstance(read_mermaid(f"graph TD\n{text}"), DrawnDag)


def test_the_flow_of_a_flowchart() -> None:
    found = read_mermaid("graph TD; a --> b & c --> d")
    assert found.flow(lambda name: lift(lambda given: f"{name}({given})")).run_sync("x").value == {
        "a": "a(x)",
        "b": "b(a(x))",
        "c": "c(a(x))",
        "d": "d(('b(a(x))', 'c(a(x))'))",
    }


def as_mermaid(edges: list[tuple[str, str]]) -> str:
    return "graph TD\n" + "\n".join(f"{a}[Task {a}] -->|then| {b}" for a, b in edges)


def as_dot(edges: list[tuple[str, str]]) -> str:
    return "digraph {\n" + "\n".join(f"{a} -> {b};" for a, b in edges) + "}"


@pytest.mark.parametrize(
    ("read", "make"), [(read_mermaid, as_mermaid), pytest.param(read_dot, as_dot, marks=needs_parser)]
)
def test_large_drawings_are_read(
    read: Callable[[str], DrawnDag], make: Callable[[list[tuple[str, str]]], str], tmp_path: Path
) -> None:
    text = make([(f"t{at}", f"t{at + 1}") for at in range(20_000)])
    found = read(text)
    assert len(found.tasks) == 20_001
    assert len(found.edges) == 20_000
    (tmp_path / "flow").write_text(text)
    assert read(str(tmp_path / "flow")) == found


# -- DOT ---------------------------------------------------------------------------------------------------------------


@needs_parser
def test_dot_is_read() -> None:
    found = read_dot(
        'strict digraph "My flow" { a [label="Plan it"]; "x y":n -> a; subgraph cluster_0 { b; c }\n'
        " a -> {b c} [label=go]; /* d -> a */ # e\n}"
    )
    assert found.name == "My flow"
    assert set(found.tasks) == {"a", "x y", "b", "c"}
    assert set(found.edges) == {("x y", "a"), ("a", "b"), ("a", "c")}
    assert found.labels == {"a": "Plan it"}
    assert found.edge_labels == {("a", "b"): "go", ("a", "c"): "go"}


@needs_parser
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("digraph {\n a -> \n}", "not a graph in DOT: syntax error in line 3 near '}'"),
        ("digraph { a -> b", "not a graph in DOT: syntax error in line 1"),
        ("{}", "not a graph in DOT: syntax error in line 1 near '{'"),
        ("graph { a -- b }", "line 1: a dag is a digraph"),
        ("digraph { a -> b -> a }", "the graph has a cycle, and a dag has none: "),
        ("digraph { a \0 }", "not a graph in DOT: there is a NUL in it"),
        ("nowhere.dot", "'nowhere.dot' is neither such a text nor a file"),
    ],
)
def test_broken_dot_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidGraph) as wrong:
        read_dot(text)
    assert str(wrong.value).startswith(message)


def test_without_the_parser_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mce.graph.dot_import.importlib.util.find_spec", lambda _: None)
    with pytest.raises(UsageError, match="mce-agents\\[render\\]"):
        read_dot("digraph { a -> b }")
