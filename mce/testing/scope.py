"""What a part of a random program may do, so that what is promised of the whole holds."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["DEFECTS", "EXPECTED", "MEETING", "NEVER", "PLAIN", "Scope"]

NEVER, EXPECTED, DEFECTS = 0, 1, 2
"""What a part may end in besides a success: nothing, expected failures, defects as well."""

MEETING = {"ledger": ("log", "total", "seen", "best", "first", "last"), "page": ("tags",)}
PLAIN = {"ledger": ("mark", "votes"), "page": ("count",)}
_PARTS = {
    "ledger": {"page": "page", "total": "number", "log": "log"},
    "ledger alone": {"page.count": "count"},
    "page": {},
    "page alone": {"count": "count"},
}


@dataclass(frozen=True)
class Scope:
    """What a part of a program may do.

    ``fails`` says how it may end, ``most`` the same for parts whose failures are caught. ``shared`` allows only writes
    that meet those of other branches. ``kind`` is the state: a ``ledger``, a ``page``, a ``log``, a ``number`` that
    adds up or a ``count`` that does not; ``fields``, if given, are those that may be read and written.
    ``deterministic`` leaves out what may end in several ways. ``charges`` allows steps that forbid a retry: beside a
    branch that may fail, whether a retry around both is forbidden would depend on which comes first.
    """

    fails: int = DEFECTS
    most: int = DEFECTS
    shared: bool = False
    deterministic: bool = False
    kind: str = "ledger"
    fields: frozenset[str] | None = None
    charges: bool = True

    @property
    def branch(self) -> Scope:
        """What a branch of a join may do, but for failing: where a defect is not allowed, no field may conflict."""
        return replace(self, shared=self.shared or self.fails < DEFECTS)

    def allows(self, field: str) -> bool:
        return self.fields is None or field in self.fields

    @property
    def written(self) -> list[str]:
        """List the fields that may be written."""
        plain = () if self.shared else PLAIN.get(self.kind, ())
        return [field for field in (*MEETING.get(self.kind, ()), *plain) if self.allows(field)]

    @property
    def parts(self) -> dict[str, str]:
        """Give the parts of the state that a ``focus`` may name, with their kinds."""
        found = {**_PARTS.get(self.kind, {}), **({} if self.shared else _PARTS.get(f"{self.kind} alone", {}))}
        return {path: kind for path, kind in found.items() if self.allows(path)}
