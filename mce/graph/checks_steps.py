"""Checks of steps by themselves: whether what they give can be stored, and whether they can be sent elsewhere."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from mce.graph.annotations import gives, open_type, shown
from mce.graph.checks_cluster import check_functions
from mce.graph.finding import Finding, Subject
from mce.syntax import Call

__all__ = ["check_sendable", "check_storable"]


def check_storable(subject: Subject) -> Iterator[Finding]:
    """MCE106: a step gives a value of a type that cannot be written as JSON and read again."""
    for node, call in subject.functions:
        declared = gives(call.fn)
        if not open_type(declared) and (problem := _unstorable(declared)):
            yield Finding(
                "MCE106",
                "warning",
                node.id,
                f"{node.label} gives {shown(declared)}, which cannot be stored: {problem}",
                "give data (a model, a dataclass, Python's own types), so that a stored run can be resumed",
            )


def _unstorable(declared: Any) -> str:
    try:
        return _problem(declared)
    except TypeError:  # not hashable, so nothing is kept of it
        return _problem.__wrapped__(declared)


@lru_cache(maxsize=4096)
def _problem(declared: Any) -> str:
    import pydantic

    try:
        pydantic.TypeAdapter(declared)
    except pydantic.errors.PydanticUndefinedAnnotation:
        return ""
    except pydantic.errors.PydanticUserError as wrong:
        return str(wrong).split("\n", 1)[0].split(". ", 1)[0].rstrip(".")
    except Exception:  # what a class's own schema raises says nothing of storing
        return ""
    return ""


def check_sendable(subject: Subject) -> Iterator[Finding]:
    """MCE107: a step cannot be pickled, and so not be called in another process."""
    for node, call in subject.functions:
        in_process = call.spec.run_in == "process"
        if call.spec.run_in in ("inline", "thread") or (subject.backend == "dask" and not in_process):
            continue
        if problem := _unsendable(call):
            yield Finding(
                "MCE107",
                "error" if in_process else "note",
                node.id,
                f"{node.label} cannot be sent to a worker: {problem}",
                "define its function at the top of a module, and give it what it closes over as input or deps",
            )
    yield from check_functions(subject)


def _unsendable(call: Call) -> str:
    """Say why the step cannot be pickled by name, as worker processes of this one want it."""
    try:
        pickle.dumps(call)
    except Exception as wrong:
        return str(wrong).split("\n", 1)[0]
    return ""
