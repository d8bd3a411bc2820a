"""Mermaid flowcharts as dags: nodes are tasks, links are what comes before what.

Read are the flowcharts that people draw of workflows: all node shapes, links with and without text, chains, ``&``,
subgraphs, comments; styles, classes, clicks and directions say nothing of the order and are passed over. A link to or
from a subgraph is one to its first, or from its last tasks. Links without a head go from left to right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from mce.errors import InvalidGraph, brief
from mce.graph.drawn import DrawnDag, Source, check_order, text_of

__all__ = ["read_mermaid"]

_HEADER = re.compile(r"(?:graph|flowchart(?:-elk)?)\b[ \t]*(?:TB|TD|BT|RL|LR|[<>^v])?(?=\s|;|$)")
_SKIPPED = re.compile(r"(?:style|classDef|class|click|linkStyle|direction|accTitle|accDescr|title)\b[^\n]*")
_SPACE = re.compile(r"(?:[ \t\r]|%%[^\n]*)*")
_BREAK = re.compile(r"(?:[\s;]|%%[^\n]*)*")
_ID = re.compile(r"\w+(?:[-./]\w+)*")
_CLASS = re.compile(r":::[\w-]+")
_EDGE_ID = re.compile(r"\w+@(?=[<ox]?[-=~])")
_LINK = re.compile(r"(?P<left>[<ox](?=[-=]))?(?:(?:--+|==+|-\.+-?)(?P<right>[>ox])|---+|===+|-\.+-|(?P<hidden>~~~+))")
_TEXT_LINK = re.compile(r"(?P<left>[<ox](?=[-=]))?(?P<kind>--|==|-\.)(?=[ \t\"])")
_TEXT_END = re.compile(r"(?:--+|==+|\.+-)(?P<right>[>ox])?(?=[\s\w|&\"]|$)")
_LABEL = re.compile(r"[ \t]*\|(?P<text>\"[^\"]*\"|[^|\n]*)\|")
_QUOTED = re.compile(r"\"(?P<text>[^\"]*)\"")
_SUBGRAPH = re.compile(r"subgraph\b[ \t]*(?P<rest>[^\n;]*)")
_END = re.compile(r"end\b(?![ \t]*(?:[-=~<&\[({]|:::))")
_DATA = re.compile(r"@\{[^}]*\}")
_DATA_LABEL = re.compile(r"label:\s*\"(?P<text>[^\"]*)\"")

_SHAPES = {
    "(((": (")))",), "((": ("))",), "([": ("])",), "[[": ("]]",), "[(": (")]",), "{{": ("}}",),
    "[/": ("/]", "\\]"), "[\\": ("\\]", "/]"), "(": (")",), "[": ("]",), "{": ("}",), ">": ("]",),
}  # fmt: skip


def read_mermaid(source: Source) -> DrawnDag:
    """Read a flowchart from its text, or from the file of that name; in linear time.

    Raises :class:`mce.InvalidGraph` with the line for what is no flowchart, and for a cycle.

    >>> found = read_mermaid("graph TD; plan[Make a plan] --> search & ask -->|both| report")
    >>> found.tasks
    ('plan', 'search', 'ask', 'report')
    >>> found.edges
    (('plan', 'search'), ('plan', 'ask'), ('search', 'report'), ('ask', 'report'))
    >>> found.labels
    {'plan': 'Make a plan'}
    """
    text = text_of(source, lambda text: "\n" in text or _HEADER.match(text.lstrip()) is not None)
    return _Reader(text).read()


class _Link(NamedTuple):
    """A link: which way it goes, its label, and whether it is only there for the picture."""

    back: bool
    forth: bool
    label: str
    hidden: bool


class _Group(NamedTuple):
    """A subgraph that is open: where it began, and who is in it."""

    name: str
    at: int
    members: dict[str, None]


class _Reader:
    """Reads a text from the front; ``at`` is how far it has come."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.title = ""
        self.tasks: dict[str, None] = {}
        self.labels: dict[str, str] = {}
        self.links: dict[tuple[str, str], str] = {}
        self.groups: dict[str, dict[str, None]] = {}
        self.open: list[_Group] = []

    def read(self) -> DrawnDag:
        self.header()
        while self.skip(_BREAK) < len(self.text):
            self.statement()
        if self.open:
            self.at = self.open[-1].at
            self.fail(f"subgraph {self.open[-1].name!r} has no end")
        edges = dict(self.edges())
        written = {edge: label for edge, label in edges.items() if label}
        tasks = tuple(name for name in self.tasks if name not in self.groups)
        check_order(tasks, edges, what="the flowchart")
        labels = {name: label for name, label in self.labels.items() if name not in self.groups and label != name}
        return DrawnDag(self.title, tasks, tuple(edges), labels, written)

    # -- statements ---------------------------------------------------------------------------------------------------

    def header(self) -> None:
        if self.text.startswith("---"):
            front = re.compile(r"---[ \t\r]*\n(?P<body>(?:(?!---)[^\n]*\n)*)---").match(self.text)
            if front is None:
                self.fail("the front matter, which --- begins, has no end")
            self.at = front.end()
            titled = re.search(r"^title:[ \t]*(.*?)[ \t\r]*$", front["body"], re.MULTILINE)
            self.title = titled[1].strip("\"'") if titled else ""
        self.skip(_BREAK)
        if self.take(_HEADER) is None:
            self.fail(f"a flowchart begins with graph or flowchart, not {self.ahead()}")

    def statement(self) -> None:
        if (found := self.take(_SUBGRAPH)) is not None:
            self.begin_group(found["rest"].strip(), found.start())
        elif self.take(_END) is not None:
            self.end_group()
        elif self.take(_SKIPPED) is None:
            self.chain()
        self.skip(_SPACE)
        if self.at < len(self.text) and self.text[self.at] not in "\n;":
            self.fail(f"this is not understood: {self.ahead()}")

    def begin_group(self, rest: str, at: int) -> None:
        found = re.fullmatch(r"(?P<id>[\w./-]+)[ \t]*(?:\[(?P<title>.*)\])?", rest)
        name = found["id"] if found else rest.strip('"') or f"subgraph at {at}"
        members = self.groups.setdefault(name, {})
        self.open.append(_Group(name, at, members))

    def end_group(self) -> None:
        if not self.open:
            self.fail("end without a subgraph")
        closed = self.open.pop()
        if self.open:
            self.open[-1].members[closed.name] = None

    def chain(self) -> None:
        """Read nodes and links in turn."""
        before = self.nodes()
        while (link := self.link()) is not None:
            after = self.nodes()
            for first in before:
                for second in after:
                    self.connect(first, second, link)
            before = after

    def connect(self, first: str, second: str, link: _Link) -> None:
        if link.hidden:
            return
        if link.forth or not link.back:
            self.links.setdefault((first, second), link.label)
        if link.back:
            self.links.setdefault((second, first), link.label)

    # -- nodes --------------------------------------------------------------------------------------------------------

    def nodes(self) -> list[str]:
        found = [self.node()]
        while self.skip(_SPACE) < len(self.text) and self.text[self.at] == "&":
            self.at += 1
            found.append(self.node())
        return found

    def node(self) -> str:
        self.skip(_SPACE)
        found = self.take(_ID)
        if found is None:
            self.fail(f"here should be a node, not {self.ahead()}")
        name = found[0]
        self.tasks.setdefault(name)
        if self.open:
            self.open[-1].members[name] = None
        if (label := self.shape()) is not None:
            self.labels[name] = " ".join(re.sub(r"<br\s*/?>", " ", label).split())
        self.take(_CLASS)
        return name

    def shape(self) -> str | None:
        """Read what is written on a node, between the brackets of its shape."""
        if (data := self.take(_DATA)) is not None:
            found = _DATA_LABEL.search(data[0])
            return found["text"] if found else None
        begin = next((sign for sign in _SHAPES if self.text.startswith(sign, self.at)), None)
        if begin is None:
            return None
        start = self.at
        self.at += len(begin)
        self.skip(_SPACE)
        quoted = self.take(_QUOTED)
        end = self.next_of(_SHAPES[begin])
        if end is None or (quoted and self.text[self.at : end[0]].strip()):
            self.at = start
            self.fail(f"this is not closed: {self.ahead()}")
        text = quoted["text"] if quoted else self.text[self.at : end[0]]
        self.at = end[0] + len(end[1])
        return text

    def next_of(self, signs: tuple[str, ...]) -> tuple[int, str] | None:
        """Find the next of some signs on this line."""
        stop = self.text.find("\n", self.at)
        stop = len(self.text) if stop < 0 else stop
        found = [(at, sign) for sign in signs if (at := self.text.find(sign, self.at, stop)) >= 0]
        return min(found, default=None)

    # -- links --------------------------------------------------------------------------------------------------------

    def link(self) -> _Link | None:
        self.skip(_SPACE)
        self.take(_EDGE_ID)
        if (found := self.take(_LINK)) is not None:
            label = self.take(_LABEL)
            text = label["text"].strip().strip('"') if label else ""
            return _Link(found["left"] is not None, found["right"] is not None, text, found["hidden"] is not None)
        if (begun := self.take(_TEXT_LINK)) is None:
            return None
        start = self.at
        quoted = self.take(re.compile(r"[ \t]*\"([^\"]*)\"[ \t]*"))
        stop = self.text.find("\n", self.at)
        end = _TEXT_END.search(self.text, self.at, len(self.text) if stop < 0 else stop)
        if end is None:
            self.fail("the text of a link has no end: say a -- text --> b")
        text = quoted[1] if quoted else self.text[start : end.start()]
        self.at = end.end()
        return _Link(begun["left"] is not None, end["right"] is not None, text.strip(), False)

    def edges(self) -> Iterator[tuple[tuple[str, str], str]]:
        """Give the links between tasks: those of a subgraph are those of its first or last tasks."""
        named = {(end, side) for edge in self.links for side, end in enumerate(edge) if end in self.groups}
        ends = {(name, side): self.ends(name, side) for name, side in named}
        for (first, second), label in self.links.items():
            for before in ends.get((first, 0), [first]):
                for after in ends.get((second, 1), [second]):
                    yield (before, after), label

    def ends(self, name: str, side: int) -> list[str]:
        """Give the tasks of a subgraph that come before none in it (side 0), or after none (side 1)."""
        members = self.members(name)
        linked = {edge[side] for edge in self.links if edge[0] in members and edge[1] in members}
        return [task for task in self.tasks if task in members and task not in linked]

    def members(self, name: str) -> set[str]:
        """Give the tasks of a subgraph and of those in it."""
        found: set[str] = set()
        seen = {name}
        stack = [name]
        while stack:
            for member in self.groups[stack.pop()]:
                if member not in self.groups:
                    found.add(member)
                elif member not in seen:
                    seen.add(member)
                    stack.append(member)
        return found

    # -- reading ------------------------------------------------------------------------------------------------------

    def skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.at)
        assert found is not None
        self.at = found.end()
        return self.at

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def ahead(self) -> str:
        return brief(self.text[self.at : self.at + 40].split("\n", 1)[0], 60)

    def fail(self, problem: str) -> NoReturn:
        raise InvalidGraph(f"line {self.text.count(chr(10), 0, self.at) + 1}: {problem}")
