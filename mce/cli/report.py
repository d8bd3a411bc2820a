"""What is said of an outcome: the value on stdout; a failure, with where and why, on stderr; both as JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from returns.result import Failure
from rich.console import Console
from rich.pretty import pretty_repr
from rich.text import Text

from mce.cli.lines import error_text
from mce.errors import Defect, brief
from mce.jsonable import error_as_data, jsonable
from mce.outcome import Outcome, Place, Sibling
from mce.tracebacks import defect_traceback

__all__ = ["as_data", "is_terminal", "show_failure", "show_value"]

_WIDTH = 100
_HUGE = 200_000
_ELEMENTS = 200
_CHARACTERS = 10_000
_SIBLINGS = 10
_STATE = 1000


def as_data(outcome: Outcome[Any, Any, Any]) -> dict[str, Any]:
    """Give an outcome as JSON data: ``ok``, then ``value``, or ``error`` and ``where``; last the ``state``."""
    state = jsonable(outcome.state)
    if outcome.ok:
        return {"ok": True, "value": jsonable(outcome.value), "state": state}
    return {"ok": False, "error": error_as_data(outcome.error), "where": _where(outcome.where), "state": state}


def _where(place: Place | None) -> dict[str, Any] | None:
    if place is None:
        return None
    siblings = [_sibling(sibling) for sibling in place.siblings]
    return {"path": place.path, "attempt": place.attempt, "siblings": siblings, "notes": list(place.notes)}


def _sibling(sibling: Sibling) -> dict[str, Any]:
    if isinstance(sibling.result, Failure):
        return {"path": sibling.path, "ok": False, "error": error_as_data(sibling.result.failure())}
    return {"path": sibling.path, "ok": True, "value": jsonable(sibling.result.unwrap())}


def show_value(console: Console, value: object) -> None:
    """Write a value: a text as it is, one whose class says how it reads so, anything else as Python would write it.

    A terminal gets lines folded between words, colours, and the first of very many elements; a pipe gets all as it is.
    """
    terminal = is_terminal(console)
    text = _own_text(value)
    shown = _pretty(value, console.width if terminal else None) if text is None else text
    if terminal:
        console.print(shown, markup=False, emoji=False, highlight=text is None)
    else:
        console.file.write(f"{shown}\n")


def is_terminal(console: Console) -> bool:
    """Whether somebody looks at what ``console`` writes; rich would say so too when it is only to write colours."""
    return console.file.isatty()


def _own_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    try:
        has_own = type(value).__str__ not in (object.__str__, BaseModel.__str__, BaseException.__str__)
        return str(value) if has_own else None
    except Exception:
        return None


def _pretty(value: object, width: int | None) -> str:
    """Write ``value`` on as many lines as it needs; in a ``width`` only the first of very many elements."""
    try:
        if width is not None:
            return pretty_repr(value, max_width=width, max_length=_ELEMENTS, max_string=_CHARACTERS)
        whole = repr(value)
        return pretty_repr(value, max_width=_WIDTH) if _WIDTH < len(whole) < _HUGE else whole
    except Exception:
        return brief(value, _CHARACTERS)


def show_failure(console: Console, outcome: Outcome[Any, Any, Any]) -> None:
    """Write what failed, where, at which attempt, what the concurrent siblings had done, and in which state."""
    error, place = outcome.error, outcome.where
    how = "failed with a defect: " if isinstance(error, Defect) else "failed: "
    said = Text.assemble((how, "bold red"), _what(error))
    if place is not None:
        attempt = f" (attempt {place.attempt})" if place.attempt > 1 else ""
        said.append("\n  at ", "dim").append(place.path or "the flow", "bold").append(attempt)
        for sibling in place.siblings[:_SIBLINGS]:
            said.append("\n  beside it ", "dim").append(f"{sibling.path} {_did(sibling)}")
        if len(place.siblings) > _SIBLINGS:
            said.append(f"\n  and {len(place.siblings) - _SIBLINGS} more beside it", "dim")
        for note in place.notes:
            said.append("\n  note ", "dim").append(note)
    if outcome.state is not None:
        said.append("\n  state ", "dim").append(brief(outcome.state, _STATE))
    if isinstance(error, Defect) and (traceback := defect_traceback(error)):
        said.append(f"\n\n{traceback.rstrip()}", "dim")
    console.print(said, soft_wrap=not is_terminal(console), highlight=False)


def _what(error: object) -> str:
    if isinstance(error, Defect) and error.cause is not error:
        error = error.cause
    if isinstance(error, BaseException):
        return error_text(error, None)
    if isinstance(error, tuple) and error:
        return f"{len(error)} errors" + "".join(f"\n  {error_text(part)}" for part in error)
    return brief(error, _CHARACTERS)


def _did(sibling: Sibling) -> str:
    if isinstance(sibling.result, Failure):
        return f"failed: {error_text(sibling.result.failure())}"
    return f"gave {brief(sibling.result.unwrap(), _WIDTH)}"
