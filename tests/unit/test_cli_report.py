"""What is said of an outcome, to a reader and to a program."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from mce import Defect, Failure, Outcome, Place, Sibling, StateConflict, Success
from mce.cli.report import as_data, show_failure, show_value


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        return "Broken"


def shown(value: object, file: io.StringIO) -> str:
    show_value(Console(file=file, width=30, color_system=None, legacy_windows=False), value)
    return file.getvalue()


def failed(outcome: Outcome[Any, Any, Any], file: io.StringIO | None = None) -> str:
    file = file or io.StringIO()
    show_failure(Console(file=file, width=30, color_system=None, legacy_windows=False), outcome)
    return file.getvalue()


def test_a_terminal_folds_and_shortens_what_a_pipe_gets_whole() -> None:
    words = "word " * 20
    assert shown(words, io.StringIO()) == f"{words}\n"
    assert all(len(line) <= 30 for line in shown(words, Screen()).splitlines())
    numbers = list(range(1000))
    assert shown(numbers, io.StringIO()).count("\n") == 1002
    assert shown(numbers, Screen()).splitlines()[-2:] == ["    ... +800", "]"]


def test_markup_in_a_value_is_left_alone() -> None:
    for value in ("[bold]:smile:[/]", ["[bold]", ":smile:"]):
        for file in (io.StringIO(), Screen()):
            assert "[bold]" in shown(value, file)
            assert ":smile:" in shown(value, file)


def test_a_value_that_does_not_say_how_it_reads_is_its_repr() -> None:
    assert shown(Broken(), io.StringIO()) == "Broken\n"
    assert shown(Broken(), Screen()) == "Broken\n"


def test_many_siblings_are_counted_and_notes_told() -> None:
    siblings = tuple(Sibling(f"each[{at}]", Failure(ValueError("no")) if at == 0 else Success(at)) for at in range(13))
    said = failed(Outcome(Failure("lost"), None, Place("each[13]", 2, siblings, ("closing failed too",))))
    lines = said.splitlines()
    assert lines[:4] == [
        "failed: 'lost'",
        "  at each[13] (attempt 2)",
        "  beside it each[0] failed: ValueError: no",
        "  beside it each[1] gave 1",
    ]
    assert lines[-2:] == ["  and 3 more beside it", "  note closing failed too"]


def test_a_failure_is_folded_in_a_terminal_only() -> None:
    outcome = Outcome(Failure("word " * 20), None, Place("a"))
    assert failed(outcome).count("\n") == 2
    assert all(len(line) <= 30 for line in failed(outcome, Screen()).splitlines())


def test_a_failure_without_a_place_is_told_too() -> None:
    outcome = Outcome(Failure("lost"), 3)
    assert failed(outcome) == "failed: 'lost'\n  state 3\n"
    assert as_data(outcome) == {
        "ok": False,
        "error": {"type": "str", "message": "lost"},
        "where": None,
        "state": 3,
    }


def test_a_traceback_that_was_sent_as_text_is_shown() -> None:
    sent = Defect(ValueError("no"), 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n', "a")
    assert failed(Outcome(Failure(sent), None, Place("a"))).endswith(
        '\n\nTraceback (most recent call last):\n  File "a.py", line 1, in f\n'
    )
    assert "Traceback" not in failed(Outcome(Failure(StateConflict("n", ("a", "b"), (1, 2))), None, Place("a")))


@pytest.mark.parametrize("result", [Success({1: {2}}), Failure({1: {2}})])
def test_what_the_siblings_did_is_data(result: Any) -> None:
    found = as_data(Outcome(Failure("lost"), None, Place("a[1]", 1, (Sibling("a[0]", result),), ("a note",))))
    (sibling,) = found["where"]["siblings"]
    if isinstance(result, Success):
        assert sibling == {"path": "a[0]", "ok": True, "value": {"1": [2]}}
    else:
        assert sibling["error"]["value"] == {"1": [2]}
    assert found["where"]["notes"] == ["a note"]
