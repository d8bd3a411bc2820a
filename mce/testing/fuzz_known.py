"""What is known of a flow that is fuzzed before anything goes wrong, and what a problem with it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mce.flow import Flow
from mce.syntax import Call, Dynamic, Race, Recover, Retry, StepSpec, Timeout, postorder
from mce.testing.fuzz_guard import functions_of
from mce.testing.fuzz_sagas import stages_without_undo
from mce.testing.fuzz_stage import Ran

__all__ = ["Known", "Problem"]


@dataclass(frozen=True)
class Problem:
    """Something that is wrong: its ``kind``, the ``place`` in the flow, and what there is to say."""

    kind: str
    place: str
    message: str


class Known:
    """What is known of a flow before it runs, and of its calm run."""

    def __init__(self, flow: Flow[Any, Any, Any, Any]) -> None:
        nodes = postorder(flow.node)
        self.specs: dict[str, StepSpec] = {n.spec.name: n.spec for n in nodes if isinstance(n, Call)}
        self.fns: dict[str, Any] = {n.spec.name: n.fn for n in nodes if isinstance(n, Call)}
        self.unguarded = stages_without_undo(flow)
        self.caught = tuple(
            [
                cls
                for node in nodes
                if isinstance(node, Recover | Retry)
                for cls in node.on or ()
                if cls not in (Exception, BaseException)
            ]
        )
        self.catches_all = any(
            (isinstance(node, Recover) and any(cls in (Exception, BaseException) for cls in node.on or ()))
            or (isinstance(node, Dynamic) and _names_exception(node.f))
            for node in nodes
        )
        self.is_race = any(
            isinstance(node, Race)
            or getattr(getattr(node, "join", None), "mode", "") in ("quorum", "speculate")
            or getattr(getattr(node, "join", None), "completed", False)
            for node in nodes
        )
        self.calm: Ran | None = None
        self.has_timeouts = any(
            isinstance(node, Timeout) or (isinstance(node, Call) and node.spec.timeout is not None) for node in nodes
        )


def _names_exception(fn: Any) -> bool:
    return any({"Exception", "BaseException"} & set(found.__code__.co_names) for found in functions_of([fn])[:1])
