"""The typing contract: mypy and pyright, both strict, infer what the programs of this folder say and refuse wrong ones.

Each checker runs once over the folder. A line is marked ``# E:`` where both are to report an error, ``# E mypy:`` or
``# E pyright:`` where one of them is; what follows says why. ``ok_*.py`` state with ``assert_type`` what is inferred,
and have no marks; in ``bad_*.py`` every wrong line has one; ``limits.py`` holds what a checker cannot infer.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import pytest

pytestmark = pytest.mark.timeout(900)  # two type checkers, perhaps from a cold cache

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
PROGRAMS = sorted(path.name for path in FOLDER.glob("*.py") if path.name not in ("__init__.py", Path(__file__).name))
OK = [name for name in PROGRAMS if name.startswith("ok_")]
BAD = [name for name in PROGRAMS if name.startswith("bad_")]

Line: TypeAlias = tuple[str, int]
"""A file's name and the number of a line in it."""


def marked(name: str, checker: str) -> set[int]:
    """Give the lines of a program that are marked for ``checker``."""
    mark = re.compile(rf"# E( {checker})?:")
    lines = (FOLDER / name).read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if mark.search(line)}


def run_checker(*arguments: str | Path) -> str:
    """Run a checker as a module of this Python and give what it prints; an end that is no verdict fails the test."""
    command = [sys.executable, "-m", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def errors_of_mypy() -> Iterator[tuple[Line, str]]:
    """Run mypy over the programs, with the settings of the project."""
    for row in run_checker("mypy", "--output=json", *(FOLDER / name for name in PROGRAMS)).splitlines():
        found: dict[str, Any] = json.loads(row)
        if found["severity"] == "error" and (ROOT / found["file"]).parent == FOLDER:
            yield (Path(found["file"]).name, found["line"]), f"{found['message']} [{found['code']}]"


def errors_of_pyright() -> Iterator[tuple[Line, str]]:
    """Run pyright over the programs, with the settings of the folder: strict, but for expressions that are not used."""
    report = json.loads(run_checker("pyright", "--pythonpath", sys.executable, "--project", FOLDER, "--outputjson"))
    assert report["summary"]["filesAnalyzed"] >= len(PROGRAMS)
    for found in report["generalDiagnostics"]:
        if found["severity"] == "error":
            line = found["range"]["start"]["line"] + 1
            yield (Path(found["file"]).name, line), f"{found['message']} [{found.get('rule', 'syntax')}]"


@pytest.fixture(scope="module")
def errors() -> dict[str, dict[Line, str]]:
    """Give, for each checker, the lines with an error and what it says there."""
    return {"mypy": dict(errors_of_mypy()), "pyright": dict(errors_of_pyright())}


def differences(name: str, expected: set[int], found: dict[Line, str]) -> list[str]:
    """List the lines of a program that are marked and have no error, or have one and are not marked."""
    lines = {line for program, line in found if program == name}
    missing = (f"{name}:{line} is marked and has no error" for line in sorted(expected - lines))
    surplus = (f"{name}:{line} is not marked: {found[name, line]}" for line in sorted(lines - expected))
    return [*missing, *surplus]


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_the_marked_lines_and_no_others_have_an_error(
    checker: str, name: str, errors: dict[str, dict[Line, str]]
) -> None:
    assert differences(name, marked(name, checker), errors[checker]) == []


@pytest.mark.parametrize("name", OK)
def test_what_passes_the_checkers_can_be_composed(name: str) -> None:
    import_module(f"tests.types.{Path(name).stem}")


def all_marks(names: Iterable[str]) -> dict[str, list[str]]:
    """Give the marks of each program, as they are written."""
    return {name: re.findall(r"# E[^:\n]*:", (FOLDER / name).read_text()) for name in names}


def test_programs_that_pass_have_no_marks() -> None:
    assert {name: marks for name, marks in all_marks([*OK, "vocabulary.py"]).items() if marks} == {}


def test_wrong_programs_are_refused_by_both_checkers() -> None:
    assert {name: set(marks) for name, marks in all_marks(BAD).items()} == {name: {"# E:"} for name in BAD}


def test_a_limit_is_of_one_checker_or_of_both() -> None:
    (marks,) = all_marks(["limits.py"]).values()
    assert set(marks) == {"# E:", "# E mypy:", "# E pyright:"}


def test_a_missing_and_a_surplus_error_are_told() -> None:
    found = {("bad.py", 3): "int is no str", ("bad.py", 5): "no such name", ("other.py", 4): "no such name"}
    assert differences("bad.py", {3, 4}, found) == [
        "bad.py:4 is marked and has no error",
        "bad.py:5 is not marked: no such name",
    ]
