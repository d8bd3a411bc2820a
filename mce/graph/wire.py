"""What the page is told of a graph and a run: boxes and rows as JSON data, all at once or only what is new.

A value is ``[text]``, or ``[text, length]`` where the text was cut.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from mce.graph.ir import Graph, GraphNode, Policy
from mce.graph.trace import Change, Occurrence, Recorder, RunRecord
from mce.graph.unroll import Unrolling, is_pattern

__all__ = ["CUT", "Feed", "page_data"]

CUT = 20_000
"""Of one value the page has that many characters; of each one in a run with very much to show, fewer."""

_ALL_VALUES = 30_000_000
_LEAST = 200
_QUOTED = 80


def page_data(graph: Graph, record: RunRecord | None = None) -> dict[str, Any]:
    """Give what the page of ``graph``, with ``record`` laid over it, holds."""
    unrolling = Unrolling(graph)
    boxes = [_box(node, unrolling) for node in graph.nodes]
    if record is None:
        return {"boxes": boxes, "rows": [], "run": None}
    for one in record.occurrences:
        unrolling.visit(one.path, one.step)
    boxes += [_box(node, unrolling) for node in unrolling.added]
    cut = max(_LEAST, min(CUT, _ALL_VALUES // (4 * len(record.occurrences) + 1)))
    rows = [_row(one, cut) for one in record.occurrences]
    return {"boxes": boxes, "rows": rows, "run": _run(record, cut)}


class Feed:
    """What a page does not have yet of a run that goes on: of everything that changes often only the last is told."""

    def __init__(self, graph: Graph, recorder: Recorder) -> None:
        self._recorder = recorder
        self._unrolling = Unrolling(graph)
        self._visited = 0
        self._born: list[int] = []

    @property
    def version(self) -> int:
        """The version there is something to tell of."""
        return self._recorder.version

    def since(self, version: int) -> tuple[int, dict[str, Any]]:
        """Give the version that is told of, and what changed after ``version``; 0 tells all."""
        recorder = self._recorder
        now = recorder.version
        rows = recorder.occurrences[: len(recorder.changed_at)]
        for one in rows[self._visited :]:
            self._unrolling.visit(one.path, one.step)
            self._born += [now] * (len(self._unrolling.added) - len(self._born))
            self._visited += 1
        added = self._unrolling.added
        boxes = [_box(node, self._unrolling) for node, born in zip(added, self._born, strict=True) if born > version]
        changed = [_row(one, CUT // 4) for one, at in zip(rows, recorder.changed_at, strict=False) if at > version]
        merges = () if recorder.outcome is None else tuple(recorder.merges)
        record = RunRecord(tuple(rows), merges, recorder.outcome, recorder.seconds)
        return now, {"boxes": boxes, "rows": changed, "run": _run(record, CUT)}


def _box(node: GraphNode, unrolling: Unrolling) -> dict[str, Any]:
    box: dict[str, Any] = {"id": node.id, "kind": node.kind, "label": node.label}
    about = {
        "parent": node.parent,
        "slot": node.slot,
        "takes": node.takes,
        "gives": node.gives,
        "given": node.given,
        "value": node.value,
        "badges": list(_badges(node)),
        "doc": node.effects.doc if node.effects else "",
        "where": node.effects.step if node.effects else "",
        "on": " or ".join(node.on or ()),
        "meta": node.meta,
        "after": unrolling.after(node),
        "pattern": is_pattern(node.id),
    }
    return box | {name: said for name, said in about.items() if said}


def _badges(node: GraphNode) -> Iterable[str]:
    policies: tuple[Policy, ...] = node.policies
    yield from (policy.text for policy in policies)
    if node.limit is not None:
        yield f"{node.limit} at once"
    if node.kind == "loop" and node.at_most is not None:
        yield f"at most {node.at_most} turns"
    if node.mode and node.mode not in ("fail_fast", "keeps_input", node.label):
        yield node.mode if node.count is None else f"{node.mode} {node.count}"
    if node.part:
        yield f"on {node.part}"
    if node.effects and node.effects.run_in:
        yield f"in a {node.effects.run_in}"


def _row(one: Occurrence, cut: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "n": one.number,
        "path": one.path,
        "attempt": one.attempt,
        "step": one.step,
        "start": round(one.started, 6),
        "end": None if one.ended is None else round(one.ended, 6),
        "status": one.status,
        "input": _text(one.input, cut),
    }
    about = {
        "value": _text(one.value, cut) if one.status == "succeeded" else None,
        "error": _error(one.error, cut) if one.error else None,
        "changes": [_change(change, cut) for change in one.changes],
        "emitted": [_text(value, cut) for value in one.emitted[:100]],
        "delay": one.delay,
        "worker": one.worker,
    }
    row |= {name: said for name, said in about.items() if said}
    return row if one.waited_for is None else row | {"waited": one.waited_for}


def _run(record: RunRecord, cut: int) -> dict[str, Any]:
    outcome = record.outcome
    run: dict[str, Any] = {
        "seconds": round(record.seconds, 6),
        "over": outcome is not None,
        "critical": record.critical,
        "merges": [{"path": path, "time": time, "changes": [_change(c, cut) for c in changes]}
                   for path, time, changes in record.merges if changes],
    }  # fmt: skip
    if outcome is None:
        return run
    run |= {"ok": bool(outcome.get("ok")), "failedAt": record.failed_at}
    if outcome.get("ok"):
        run["value"] = _text(outcome.get("value"), cut)
    else:
        run |= {"error": _error(outcome.get("error"), cut), "where": outcome.get("where")}
    return run | ({"state": _text(outcome["state"], cut)} if outcome.get("state") is not None else {})


def _change(change: Change, cut: int) -> dict[str, Any]:
    said = asdict(change)
    said["after"] = _text(change.after, cut)
    said["before"] = _text(change.before, cut) if change.known and change.grew is None else None
    return {name: value for name, value in said.items() if value is not None and name != "known"}


def _error(error: Any, cut: int) -> dict[str, Any]:
    """Give an error for the page, as ``type`` and texts; an error that a trace tells otherwise is one text."""
    if not isinstance(error, dict):
        return {"type": "", "message": _text(error, cut)}
    message = error.get("message")
    said: dict[str, Any] = {"type": str(error.get("type", ""))}
    said["message"] = _cut(message, cut) if isinstance(message, str) else _text(message, cut)
    if error.get("defect"):
        said["defect"] = True
    rest = {name: error[name] for name in ("traceback", "value", "errors") if name in error}
    return said | {name: _text(value, cut) for name, value in rest.items()}


def _text(value: Any, cut: int) -> list[Any]:
    if isinstance(value, str) and (len(value) > _QUOTED or "\n" in value):
        text = value
    else:
        text = json.dumps(value, indent=1, ensure_ascii=False)
        text = text if len(text) > _QUOTED else json.dumps(value, ensure_ascii=False)
    return _cut(text, cut)


def _cut(text: str, cut: int) -> list[Any]:
    return [text] if len(text) <= cut else [text[:cut], len(text)]
