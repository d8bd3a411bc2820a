"""Checks of steps by themselves: whether what they give can be stored, and whether they can be sent elsewhere."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from mce.graph.annotations import gives, open_type, shown
from mce.graph.finding import Finding, Severity, Subject
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
        if call.spec.run_in in ("inline", "thread") and subject.backend != "dask":
            continue
        problem = _unsendable(call, by_value=subject.backend == "dask" and call.spec.run_in != "process")
        if problem:
            severity: Severity = "error" if subject.backend == "dask" or call.spec.run_in == "process" else "note"
            yield Finding(
                "MCE107",
                severity,
                node.id,
                f"{node.label} cannot be sent to a worker: {problem}",
                "define its function at the top of a module, and give it what it closes over as input or deps",
            )


def _unsendable(call: Call, *, by_value: bool) -> str:
    """Say why the step cannot be pickled; ``by_value`` as clusters do it, with the code of what has no name."""
    by_value = by_value and find_spec("cloudpickle") is not None
    dumps = import_module("cloudpickle").dumps if by_value else pickle.dumps
    try:
        dumps(call)
    except Exception as wrong:
        return str(wrong).split("\n", 1)[0]
    return ""
