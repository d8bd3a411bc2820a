"""How the occurrences in a flow are named: what a path is put together from.

A name is a label with an ordinal among equal siblings. Whoever walks a tree and hands out names in the order in which
it would run, as the engine and the graph do, gives every occurrence the same path.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

from mce.syntax import Bracket, Fail, Focus, Recover, Retry, Timeout, Transact

__all__ = ["Names", "case_name", "numbered", "region_label", "task_names"]


class Names:
    """The names of one place in the flow: hands out ordinals among equal siblings, and knows its prefix.

    The prefix, which ends in a slash unless it is empty, is put together when it is asked for: kept as text in every
    place, those of a deeply nested flow would take quadratic memory.
    """

    __slots__ = ("counts", "parent", "segment")

    def __init__(self, parent: Names | None = None, segment: str = "") -> None:
        self.parent = parent
        self.segment = segment
        self.counts: dict[str, int] = {}

    def ordinal(self, label: str) -> int:
        self.counts[label] = found = self.counts.get(label, 0) + 1
        return found

    def below(self, segment: str) -> Names:
        return Names(self, segment)

    def prefix(self) -> str:
        if not self.segment:
            return ""
        found: list[str] = [""]
        names: Names | None = self
        while names is not None and names.segment:
            found.append(names.segment)
            names = names.parent
        return "/".join(reversed(found))


def numbered(label: str, ordinal: int) -> str:
    """Give ``label`` with its ordinal among equal siblings, which the first does not show."""
    return label if ordinal <= 1 else f"{label}:{ordinal}"


_LABELS = {Fail: "fail", Recover: "recover", Retry: "retry", Timeout: "timeout", Bracket: "bracket"}
_LABELS |= {Focus: "focus", Transact: "transact"}


def region_label(node: Any) -> str:
    """Give what a node with parts of its own is called in a path, before its ordinal."""
    return _LABELS.get(type(node)) or node.name


def case_name(key: Any) -> str:
    """Write the key of a case as it stands in a path."""
    text = key.name if isinstance(key, Enum) else str(key).lower() if isinstance(key, bool) else str(key)
    return "".join("_" if c in "/[]#~:" or not c.isprintable() else c for c in text)[:40]


def task_names(names: Iterable[str]) -> list[str]:
    """Write the names of tasks as they stand in a path, in which some characters have a meaning."""
    found: dict[str, None] = {}
    for name in names:
        plain = "".join(["_" if c in "/[]#~" or not c.isprintable() else c for c in name])
        label, ordinal = plain, 1
        while label in found:
            ordinal += 1
            label = numbered(plain, ordinal)
        found[label] = None
    return list(found)
