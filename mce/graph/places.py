"""Where the nodes of a tree stand: in which namespace, under which name, and which names come after them.

Equal siblings are told apart by ordinals, so what is taken out of a tree may rename what follows. ``Places`` knows what
follows: a rewrite asks it before it takes a name away. The walk gives out names as :mod:`mce.engine.compile` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from mce.graph.functions import function_name
from mce.names import Names, case_name, numbered, region_label, task_names
from mce.syntax import (
    Bracket,
    Call,
    Choice,
    Dag,
    Each,
    Fn,
    Focus,
    Given,
    Label,
    Loop,
    Node,
    Par,
    Pure,
    Race,
    Recover,
    Retry,
    Suspend,
    Then,
    Timeout,
    Transact,
    children,
)

__all__ = ["Places", "label_of"]


@dataclass(frozen=True, slots=True)
class Place:
    """One occurrence of a node: how many names were given out in its namespace with its own, and at its ``end``."""

    names: Names
    name: str
    at: int
    end: int

    @property
    def path(self) -> str:
        """The node's path; that of what it stands in, for a node without a name."""
        return self.names.prefix() + self.name if self.name else self.names.prefix().rstrip("/")


def label_of(node: Node) -> str:
    """Give what ``node`` is called before its ordinal; empty for a node that takes no name."""
    match node:
        case Then() | Given() | Pure() | Suspend():
            return ""
        case Call(_, spec):
            return spec.name
        case Fn(f):
            return function_name(f)
        case _:
            return region_label(node)


class _Run:
    """A straight stretch of operations: whether a function comes next to another one, which takes no name then."""

    __slots__ = ("after_function",)

    def __init__(self) -> None:
        self.after_function = False


_Visit: TypeAlias = tuple[Node, Names, _Run]


class _Leave(NamedTuple):
    """A node of which all has been visited."""

    node: Node
    names: Names
    name: str
    at: int


class Places:
    """Every occurrence of every node below ``root``, and which may be taken out without renaming another.

    Made in time linear in the number of occurrences.
    """

    def __init__(self, root: Node) -> None:
        self._places: dict[int, list[Place]] = {}
        self._taken_at: dict[tuple[Names, str], list[int]] = {}
        self._taken: dict[Names, int] = {}
        self._labels: set[str] = set()
        self._function_labels: set[str] = set()
        self._walk(root)
        self._ambiguous = self._labels & self._function_labels

    def path(self, node: Node) -> str:
        """Give the path of the first occurrence of ``node``."""
        return self._places[id(node)][0].path

    def may_go(self, dropped: Iterable[Node]) -> bool:
        """Whether no step or region is renamed when the ``dropped`` nodes go, with all that they hold."""
        return not self.is_ambiguous and all(map(self._all_last, dropped))

    def take_out(self, node: Node) -> bool:
        """Take ``node`` out, and leave what it holds, if no step or region is renamed by it; say whether it is out.

        From the end of a namespace on, all of one label can be taken out.
        """
        if self.is_ambiguous or isinstance(node, Fn):
            return not self.is_ambiguous
        label = label_of(node)
        taken = [(self._taken_at[place.names, label], place.at) for place in self._places[id(node)]]
        if any(not found or found[-1] != at for found, at in taken):
            return False
        for found, _ in taken:
            found.pop()
        return True

    @property
    def is_ambiguous(self) -> bool:
        """Whether a function is called as some step or region is: then no function may come or go.

        Functions take names too, but for those that come next to another one, which is too much to follow.
        """
        return bool(self._ambiguous)

    def _all_last(self, node: Node) -> bool:
        labels = _labels_within(node)
        places = self._places[id(node)] if labels else []
        found = [(self._taken_at.get((place.names, label)), place.end) for place in places for label in labels]
        return all(not taken or taken[-1] <= end for taken, end in found)

    def _walk(self, root: Node) -> None:
        stack: list[_Visit | _Leave] = [(root, Names(), _Run())]
        while stack:
            found = stack.pop()
            if isinstance(found, _Leave):
                place = Place(found.names, found.name, found.at, self._taken.get(found.names, 0))
                self._places.setdefault(id(found.node), []).append(place)
                continue
            node, names, run = found
            name = self._name(node, names, run)
            stack.append(_Leave(node, names, name, self._taken.get(names, 0)))
            stack.extend(reversed(_inside(node, names, name, run)))

    def _name(self, node: Node, names: Names, run: _Run) -> str:
        """Give out the name of ``node``, as the compiler does."""
        fused = run.after_function
        run.after_function = isinstance(node, Fn) or (fused and isinstance(node, Then | Label))
        if not (label := label_of(node)) or (fused and isinstance(node, Fn)):
            return ""
        at = self._taken[names] = self._taken.get(names, 0) + 1
        if isinstance(node, Fn):
            self._function_labels.add(label)
        else:
            self._labels.add(label)
            self._taken_at.setdefault((names, label), []).append(at)
        return numbered(label, names.ordinal(label))


def _inside(node: Node, names: Names, name: str, run: _Run) -> list[_Visit]:
    """Give the children of ``node`` in the order in which they are named, each with its namespace."""
    match node:
        case Then() | Given():
            return [(child, names, run) for child in children(node)]
        case Label(body):
            return [(body, names.below(name), run)]
        case Par(parts) | Race(parts):
            return [(part, names.below(f"{name}[{at}]"), _Run()) for at, part in enumerate(parts)]
        case Choice(cases=cases, default=default):
            found = [(case, names.below(f"{name}[{case_name(key)}]"), _Run()) for key, case in cases]
            return found if default is None else [*found, (default, names.below(f"{name}[default]"), _Run())]
        case Each(body):
            return [(body, names.below(f"{name}[*]"), _Run())]
        case Loop(body):
            return [(body, names.below(f"{name}#*"), _Run())]
        case Recover(body, handler):
            return [(body, names, _Run()), (handler, names.below(name), _Run())]
        case Bracket(acquire, use, release):
            first, last = names.below(f"{name}/acquire"), names.below(f"{name}/release")
            return [(acquire, first, _Run()), (use, names, _Run()), (release, last, _Run())]
        case Dag(tasks):
            labels = task_names(task for task, _ in tasks)
            named = zip(labels, tasks, strict=True)
            return [(body, names.below(f"{name}/{label}"), _Run()) for label, (_, body) in named]
        case Retry(body) | Timeout(body) | Transact(body) | Focus(_, body):
            return [(body, names, _Run())]
        case _:
            return []


def _labels_within(root: Node) -> set[str]:
    """Give the labels that ``root`` takes in the namespace that it stands in."""
    found: set[str] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if not isinstance(node, Fn):
            found.add(label_of(node))
        match node:
            case Then() | Given() | Retry() | Timeout() | Transact() | Focus():
                stack.extend(children(node))
            case Recover(body):
                stack.append(body)
            case Bracket(use=use):
                stack.append(use)
            case _:
                pass
    return found - {""}
