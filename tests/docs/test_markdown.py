"""The Python of README and docs runs as it stands; a block's file and line are its name."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(
        page,
        match[1],
        text.count("\n", 0, match.start(1)) + 1,
        id=f"{page.name}:{text.count(chr(10), 0, match.start(1)) + 1}",
    )
    for page in PAGES
    for text in [page.read_text()]
    for match in FENCE.finditer(text)
]


@pytest.mark.parametrize(("page", "code", "line"), BLOCKS)
def test_block_runs(
    page: Path, code: str, line: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where lines end in a comment after ``print(...)``, what the block prints is what the comments say."""
    module = ModuleType("documented")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile("\n" * (line - 1) + code, str(page), "exec", dont_inherit=True), vars(module))
    printed = capsys.readouterr().out.splitlines()
    expected = re.findall(r"^print\(.*\) +# (.*)$", code, re.MULTILINE)
    assert not expected or printed == expected


def test_the_first_example_is_short() -> None:
    first = FENCE.search((ROOT / "README.md").read_text())
    assert first is not None
    assert len(first[1].strip().splitlines()) <= 10
