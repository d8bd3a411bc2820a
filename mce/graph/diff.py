"""What changed between two versions of a flow, by their graphs.

Nodes are the same when their ids are, which are the paths that runs are stored under. Whether a stored run of the old
version can be resumed by the new one is found in :mod:`mce.graph.resume`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

from mce.errors import brief
from mce.graph.ir import Graph, GraphNode
from mce.graph.resume import Obstacle, Resume, resume_of

__all__ = ["Changed", "Difference", "Field", "Moved", "Obstacle", "diff"]


@dataclass(frozen=True, slots=True)
class Field:
    """What is said of a node in both versions, otherwise in each: as text, empty where nothing is said."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name}: {self.before or 'none'} -> {self.after or 'none'}"


@dataclass(frozen=True, slots=True)
class Changed:
    """A node of which something else is said now."""

    id: str
    fields: tuple[Field, ...]

    def __str__(self) -> str:
        return f"{self.id}  {'; '.join(map(str, self.fields))}"


@dataclass(frozen=True, slots=True)
class Moved:
    """A node that stands elsewhere: gone under one id, there under another, and nothing else like it."""

    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed, in the order of the graphs, and what it means for stored runs.

    ``obstacles`` are steps whose recorded results cannot be used, ``stale`` those whose results are of other inputs
    than they get now, because of what comes before them: a run that had passed one of either cannot be resumed.
    ``kept`` are the steps whose results can be used. ``unseen`` are the places of which a graph cannot tell: blocks and
    dynamic regions.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[Changed, ...] = ()
    moved: tuple[Moved, ...] = ()
    kept: tuple[str, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    stale: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    _resume: Resume | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the graphs say the same."""
        return not (self.added or self.removed or self.changed or self.moved)

    @property
    def resumable(self) -> bool:
        """Whether every stored run of the old version can be resumed, however far it had come."""
        return not self.obstacles and not self.stale

    def in_the_way(self, paths: Iterable[str]) -> tuple[Obstacle, ...]:
        """Give the obstacles for one stored run, by the ``paths`` of the steps that it has recorded.

        A run that had not come so far can be resumed although others cannot.
        """
        return () if self._resume is None else self._resume.in_the_way(paths)

    def to_data(self) -> dict[str, Any]:
        """Give the difference as data for JSON."""
        names = [each.name for each in fields(self) if not each.name.startswith("_")]
        return {"resumable": self.resumable, **{name: [_data(part) for part in getattr(self, name)] for name in names}}


def _data(part: Any) -> Any:
    return part if isinstance(part, str) else asdict(part)


def diff(old: Graph, new: Graph) -> Difference:
    """Compare two versions of a flow; linear in the size of the graphs.

    What is in a step's or function's code is not seen: only where it is defined, what it takes and gives, what it is
    given, and where its input comes from.

    >>> from mce import lift, pure, step
    >>> @step
    ... async def ask(question: str) -> str: ...
    >>> @step
    ... async def check(answer: str) -> bool: ...
    >>> found = diff(ask.graph(), (ask >> check).graph())
    >>> found.added, found.resumable
    (('check',), True)
    >>> for obstacle in diff((ask >> check).graph(), check.graph()).obstacles:
    ...     print(obstacle)
    ask is gone: what it did is not undone, and its result is not used
    check gets its input from the flow's input instead of ask
    """
    moved = _moved(old, new)
    left, come = {move.before for move in moved}, {move.after for move in moved}
    resume = resume_of(old, new, {move.before: move.after for move in moved})
    changed = [(node, _fields(node, now)) for node in old.nodes if (now := new.by_id.get(node.id)) is not None]
    return Difference(
        added=tuple(node.id for node in new.nodes if node.id not in old.by_id and node.id not in come),
        removed=tuple(node.id for node in old.nodes if node.id not in new.by_id and node.id not in left),
        changed=tuple(Changed(node.id, fields) for node, fields in changed if fields),
        moved=moved,
        kept=resume.kept,
        obstacles=resume.obstacles,
        stale=resume.stale,
        unseen=tuple(node.id for node in new.nodes if node.is_opaque and node.id in old.by_id),
        _resume=resume,
    )


def _fields(before: GraphNode, after: GraphNode) -> tuple[Field, ...]:
    names = [name for name in GraphNode.model_fields if name not in ("id", "slot")]
    pairs = [(name, getattr(before, name), getattr(after, name)) for name in names]
    return tuple(Field(name, _text(one), _text(other)) for name, one, other in pairs if one != other)


def _text(value: Any) -> str:
    match value:
        case None | "" | () | False:
            return ""
        case str():
            return value
        case tuple():
            return ", ".join(getattr(part, "text", str(part)) for part in value)
        case _ if hasattr(value, "model_dump"):
            said = value.model_dump(exclude_defaults=True)
            return ", ".join(name if part is True else f"{name}={brief(part, 60)}" for name, part in said.items())
        case _:
            return str(value)


def _moved(old: Graph, new: Graph) -> tuple[Moved, ...]:
    """Pair what is gone with what has come, where there is one of a kind on either side."""
    gone, come = _by_kind(old, new), _by_kind(new, old)
    return tuple(
        Moved(nodes[0].id, come[kind][0].id)
        for kind, nodes in gone.items()
        if len(nodes) == 1 and len(come.get(kind, ())) == 1
    )


def _by_kind(graph: Graph, other: Graph) -> dict[tuple[Any, ...], list[GraphNode]]:
    found: dict[tuple[Any, ...], list[GraphNode]] = {}
    for node in graph.nodes:
        if node.id not in other.by_id and node.kind in ("step", "suspend"):
            where = node.effects.step if node.effects is not None else ""
            found.setdefault((node.kind, node.label, where, node.takes, node.gives, node.given), []).append(node)
    return found
