"""The examples of ``docs/cli.md`` are what the command line does."""

from __future__ import annotations

import doctest
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mce.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[str]:
    return [text for found, text in FENCE.findall(PAGE) if found == language]


def examples() -> Iterator[tuple[str, str]]:
    """Give each command line with what is shown after it."""
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            yield command, shown


@pytest.mark.parametrize(("command", "shown"), list(examples()))
def test_a_command_prints_what_the_page_shows(
    command: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.py").write_text(blocks("python")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    program, *arguments = shlex.split(command)
    assert program == "mce"
    with pytest.raises(SystemExit):
        main(arguments)
    sys.modules.pop("notes", None)
    printed = capsys.readouterr()
    said = printed.err + printed.out
    assert doctest.OutputChecker().check_output(shown, said, doctest.ELLIPSIS), said


def test_there_are_examples() -> None:
    assert len(list(examples())) > 5
