"""What is wrong with a run, if anything: each oracle reads what was seen of it, and blames the flow alone.

A declared failure that comes out is right; so is what a step does that was made to crash. What is left: defects of the
flow's own code, runs that never end, what is left behind, writes that are lost, effects that are
repeated or not undone.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from mce.errors import Defect, Failed, StateConflict, brief
from mce.events import StepFailed, StepFinished, StepRetried, StepStarted
from mce.reducers import field_types
from mce.testing.decisions import Breaks, Decided, Fails
from mce.testing.fuzz_guard import is_own
from mce.testing.fuzz_known import Known, Problem
from mce.testing.fuzz_stage import Join, Ran

__all__ = ["problems"]


def problems(ran: Ran, known: Known) -> list[Problem]:
    """List what is wrong with a run, each thing once."""
    for asked in ran.run.asked.values() if ran.run is not None else ():  # a block calls steps that the tree has not
        known.specs.setdefault(asked.spec.name, asked.spec)
        known.fns.setdefault(asked.spec.name, asked.fn)
    found = {(p.kind, p.place): p for oracle in _ORACLES for p in oracle(ran, known)}
    return list(found.values())


def _crashed(ran: Ran) -> bool:
    """Whether a step was made to raise what nobody declared."""
    return any(isinstance(decision, Breaks) for decision in ran.trial.calls.values())


def _defects(ran: Ran, known: Known) -> Iterator[Problem]:
    ended = ran.run.ended if ran.run is not None else None
    if ended is None or ended.ok or ended.defect is None or _crashed(ran):
        return
    defect = ended.defect
    place = ended.where.path if ended.where is not None else ""
    cause = defect.cause
    if isinstance(defect, StateConflict):
        yield Problem("state conflict", place, str(defect))
    elif isinstance(cause, LookupError) and "none of its cases" in str(cause):
        yield Problem("unhandled case", place, str(cause))
    else:
        yield Problem(
            "defect", place, f"{type(cause).__name__}: {brief(str(cause), 200)}, which nobody declared{_line(cause)}"
        )


def _line(cause: BaseException) -> str:
    own = [(frame, line) for frame, line in _frames(cause.__traceback__) if is_own(_module_of(frame))]
    return f" ({own[-1][0].f_code.co_qualname}, line {own[-1][1]})" if own else ""


def _frames(traceback: TracebackType | None) -> Iterator[tuple[Any, int]]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _module_of(frame: Any) -> Any:
    return sys.modules.get(frame.f_globals.get("__name__", ""), frame)


def _stuck(ran: Ran, known: Known) -> Iterator[Problem]:
    if ran.busy:
        yield Problem("hang", _last_started(ran), f"the run does not end: {ran.busy}")
    elif ran.run is not None and ran.run.deadlock is not None and not ran.run.hangs:
        reasons = ran.run.deadlock.reasons
        yield Problem("deadlock", "", "nothing can go on: " + "; ".join(reasons or ran.run.deadlock.waiting))
    elif ran.run is not None and ran.run.endless is not None:
        path = re.sub(r"#\d+", "#*", ran.run.endless.path)
        yield Problem(
            "endless loop", path, f"{ran.run.endless.calls} calls of steps and no end; bound the loop with at_most="
        )


def _last_started(ran: Ran) -> str:
    going: list[str] = []
    for event in ran.history:
        if isinstance(event, StepStarted):
            going.append(event.path)
        elif (
            isinstance(event, StepFinished | StepFailed)
            and not getattr(event, "cancelled", False)
            and event.path in going
        ):
            going.remove(event.path)
    return going[-1] if going else ""


def _left(ran: Ran, known: Known) -> Iterator[Problem]:
    how = "when it was cancelled" if ran.trial.cut is not None else "when it was over"
    for what in ran.left:
        yield Problem("leak", re.sub(r"\d+", "*", what), f"{what}: it was left {how}")
    calm = known.calm
    if (
        calm is None
        or calm.run is None
        or calm.run.ended is None
        or not calm.run.ended.ok
        or _went_well(ran)
        or ran.busy
    ):
        return
    for name in sorted((calm.moved - calm.data.keys()) & ran.data.keys()):
        if any(path == _last_change(calm, name) for path in _struck(ran)):  # what puts it back was made to fail
            continue
        yield Problem(
            "leak", name, f"{name} is {ran.data[name]} at the end; where all goes well it is as it was before"
        )
    for taken, given in _pairs(known):
        if _finished(calm, taken) and _finished(calm, given) and _finished(ran, taken) and not _started(ran, given):
            yield Problem("leak", taken, f"{taken} was done and {given} never called: put both into a bracket")


def _struck(ran: Ran) -> list[str]:
    return [path for (path, _), decision in ran.trial.calls.items() if isinstance(decision, Breaks | Fails)]


def _last_change(ran: Ran, name: str) -> str:
    """Give the path of the call that was the last to change shared data of that name."""
    return next((call.path for call in reversed(ran.calls) if any(name == n for n, *_ in call.changed)), "")


def _went_well(ran: Ran) -> bool:
    return ran.trial.cut is None and ran.run is not None and ran.run.ended is not None and ran.run.ended.ok


_OPPOSITES = [
    ("acquire", "release"), ("open", "close"), ("connect", "disconnect"), ("lock", "unlock"), ("checkout", "checkin"),
    ("check_out", "check_in"), ("borrow", "give_back"), ("lease", "release"), ("allocate", "free"),
    ("mount", "unmount"), ("login", "logout"), ("start", "stop"), ("connect", "close"),
    ("acquire", "free"), ("enter", "exit"),
]  # fmt: skip


def _pairs(known: Known) -> list[tuple[str, str]]:
    """List the steps of which, by their names, one takes and the other gives back."""
    found = []
    for taking, giving in _OPPOSITES:
        for name in known.specs:
            words = name.lower().split("_")
            if taking in words or name.lower().startswith(taking):
                found += [(name, other) for other in known.specs if other != name and other.lower().startswith(giving)]
    return found


def _finished(ran: Ran, step: str) -> bool:
    return any(isinstance(event, StepFinished) and event.step == step for event in ran.history)


def _started(ran: Ran, step: str) -> bool:
    return any(isinstance(event, StepStarted) and event.step == step for event in ran.history)


# -- writes that are lost ----------------------------------------------------------------------------------------------


def _lost(ran: Ran, known: Known) -> Iterator[Problem]:
    for join in ran.joins:
        merged, turned = _merged(join, join.states), _merged(join, join.states[::-1])
        if merged is None or turned is None:
            continue
        for name in _fields(join.before):
            before = _part(join.before, name)
            wrote = {at: _part(state, name) for at, state in enumerate(join.states) if _part(state, name) != before}
            kept, other = _part(merged, name), _part(turned, name)
            lost = [at for at, value in wrote.items() if value != kept]
            if lost and kept != other and (kept in wrote.values() or kept == before):
                at = lost[0]
                what = f"the state's field {name!r}" if name else "the state"
                yield Problem(
                    "lost update",
                    f"{join.path} {name}".strip(),
                    f"{join.path}[{at}] wrote {brief(wrote[at], 80)} to {what}, and after the join it is "
                    f"{brief(kept, 80)}: which write is kept depends on the order of the branches alone; "
                    f"declare a reducer instead of merge=",
                )


def _merged(join: Join, states: tuple[Any, ...]) -> Any:
    try:
        return join.merge(list(states))
    except Exception:
        return None


def _fields(state: Any) -> list[str]:
    return list(field_types(type(state))) or [""]


def _part(state: Any, name: str) -> Any:
    return getattr(state, name, None) if name else state


# -- effects that are repeated, or not undone --------------------------------------------------------------------------


def _retries(ran: Ran, known: Known) -> Iterator[Problem]:
    ended = ran.run.ended if ran.run is not None else None
    for note in ended.where.notes if ended is not None and ended.where is not None else ():
        if note.startswith("not tried again: "):
            step = note.removeprefix("not tried again: ").partition(",")[0]
            yield Problem(
                "retry",
                step,
                f"step {step!r} is declared idempotent=False and stands under a retry, which is therefore "
                f"refused as soon as it was called: put the retry around the other steps alone",
            )
    if not any(isinstance(event, StepRetried) for event in ran.history):
        return
    done: dict[tuple[str, str], tuple[tuple[str, str, str], ...]] = {}
    for call in ran.calls:
        spec = known.specs.get(call.step)
        earlier = done.get((call.path, call.step))
        if earlier and call.changed and not (spec is not None and spec.idempotent) and _repeats(ran, call.path):
            grown = [(name, old, new) for name, old, new in call.changed if not _is_count(old, new)]
            if {name for name, *_ in grown} & {name for name, *_ in earlier}:
                name, old, new = grown[0]
                yield Problem(
                    "retry",
                    call.step,
                    f"step {call.step!r} had its effect, and a retry called it again: {name} went from "
                    f"{brief(old, 80)} to {brief(new, 80)}; retry the steps after it alone, or use ctx.idempotency_key",
                )
        done.setdefault((call.path, call.step), call.changed)


def _repeats(ran: Ran, path: str) -> bool:
    """Whether what is at ``path`` was called a second time with the same input, after a retry."""
    calls = [event for event in ran.history if isinstance(event, StepStarted) and event.path == path]
    return len(calls) > 1 and calls[-1].attempt > calls[0].attempt and brief(calls[0].input) == brief(calls[-1].input)


def _is_count(old: str, new: str) -> bool:
    """Whether all that changed is a number that went up by one: a counter of calls."""
    before, after = re.findall(r"-?\d+", old), re.findall(r"-?\d+", new)
    if re.sub(r"-?\d+", "*", old) != re.sub(r"-?\d+", "*", new):
        return False
    return all(int(b) + 1 == int(a) for b, a in zip(before, after, strict=True) if a != b)


_READS = frozenset(
    "get fetch check validate verify find look lookup read load compute calculate plan quote search list price count "
    "is has select choose parse format render summarize summarise classify ask think rate score log notify".split()
)
_DOES = frozenset(
    "book reserve charge create send order pay buy debit transfer place allocate hold issue ship publish write delete "
    "insert register deploy provision withdraw deposit credit".split()
)


def _undone(ran: Ran, known: Known) -> Iterator[Problem]:
    ended = ran.run.ended if ran.run is not None else None
    if ended is None or ended.ok:
        return
    changes = {call.step for call in ran.calls if call.changed}
    for stage in known.unguarded:
        spec = stage.call.spec
        word = spec.name.lower().split("_")[0]
        if spec.pure or not _finished(ran, spec.name) or not _failed_after(ran, spec.name):
            continue
        has_effect = spec.idempotent is False or spec.name in changes or word in _DOES
        if has_effect or (not stage.first and word not in _READS and not spec.idempotent):
            yield Problem(
                "missing undo",
                spec.name,
                f"{spec.name} was completed, a later stage of compensate(...) failed, and {spec.name} has no undo: "
                f"say ({spec.name}, its undo), or declare it pure=True if there is nothing to undo",
            )


def _failed_after(ran: Ran, step: str) -> bool:
    seen = False
    for event in ran.history:
        seen = seen or (isinstance(event, StepFinished) and event.step == step)
        if seen and isinstance(event, StepFailed):
            return True
    return False


# -- failures that hide others -----------------------------------------------------------------------------------------


def _hidden(ran: Ran, known: Known) -> Iterator[Problem]:
    ended = ran.run.ended if ran.run is not None else None
    if ended is None or _crashed(ran):
        return
    decided = [d.decision.error for d in ran.history if isinstance(d, Decided) and isinstance(d.decision, Fails)]
    final = ended.error
    for event in ran.history:
        if not isinstance(event, StepFailed) or event.cancelled or any(event.error is error for error in decided):
            continue
        if _is(final, event.error):
            continue
        if not ended.ok and "/release/" in event.path:
            yield Problem(
                "hidden failure",
                event.path,
                f"{event.step} failed with {brief(event.error, 80)} while the flow was failing with "
                f"{brief(final, 80)}: only a note tells of it; a release must not fail",
            )
        elif _is_undeclared(event, known) and known.catches_all and not isinstance(event.error, known.caught):
            yield Problem(
                "hidden failure",
                event.path,
                f"{event.step} raised {brief(event.error, 80)}, which nobody declared, and the flow came to "
                f"{'a success' if ended.ok else brief(final, 80)}: an except or a recover(on=Exception) swallows it",
            )
    yield from _in_finally(final)


def _is(final: Any, error: Any) -> bool:
    inner = final.cause if isinstance(final, Defect) else final.error if isinstance(final, Failed) else final
    if isinstance(inner, tuple):
        return any(_is(part, error) for part in inner)
    return inner is error or (type(inner) is type(error) and repr(inner) == repr(error))


def _is_undeclared(event: StepFailed, known: Known) -> bool:
    spec = known.specs.get(event.step)
    return isinstance(event.error, Exception) and spec is not None and not isinstance(event.error, spec.raises)


def _in_finally(final: Any) -> Iterator[Problem]:
    error = final.cause if isinstance(final, Defect) else final
    if not isinstance(error, BaseException) or error.__context__ is None or error.__suppress_context__:
        return
    for frame, line in _frames(error.__traceback__):
        if is_own(_module_of(frame)) and _is_in_finally(frame.f_code, line):
            yield Problem(
                "hidden failure",
                frame.f_code.co_qualname,
                f"{brief(error, 80)} was raised in the finally of {frame.f_code.co_qualname} and hides "
                f"{brief(error.__context__, 80)}: catch what the finally does",
            )
            return


def _is_in_finally(code: Any, line: int) -> bool:
    try:
        lines, first = inspect.getsourcelines(code)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, SyntaxError, TypeError):
        return False
    at = line - first + 1
    return any(
        last.lineno <= at <= (last.end_lineno or last.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
        for last in node.finalbody
    )


def _nothing_given(ran: Ran, known: Known) -> Iterator[Problem]:
    """Find a step that gives ``None`` where it promises something: a case that it does not handle."""
    for event in ran.history:
        if isinstance(event, StepFinished) and event.value is None and event.step in known.fns:
            promised = _promised(known.fns[event.step])
            if promised and not _MAY_BE_NONE.search(promised):
                told = f"{event.step} gave None for {_input(ran, event.path)}, and says it gives {promised}"
                yield Problem("unhandled case", event.path, told)


_MAY_BE_NONE = re.compile(r"None|Any|object|Optional|Flow|Result|TypeVar|\b[A-Z]\b")


def _promised(fn: Any) -> str:
    """Write what a function says it gives; empty if it says nothing."""
    declared = inspect.signature(inspect.unwrap(fn)).return_annotation
    if declared is inspect.Signature.empty:
        return ""
    return declared if isinstance(declared, str) else inspect.formatannotation(declared)


def _input(ran: Ran, path: str) -> str:
    return next((brief(e.input, 80) for e in ran.history if isinstance(e, StepStarted) and e.path == path), "its input")


_ORACLES: list[Callable[[Ran, Known], Iterator[Problem]]] = [
    _defects, _stuck, _left, _lost, _retries, _undone, _hidden, _nothing_given,
]  # fmt: skip
