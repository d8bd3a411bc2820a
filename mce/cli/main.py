"""Where ``mce`` starts: what typer and rich are needed for is imported here, late, so that their lack is one line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main"]

_EXTRA = frozenset({"rich", "typer"})


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line on ``arguments`` (default: those of the process) and exit with its status."""
    try:
        from mce.cli.app import app
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in _EXTRA:
            raise
        print(f"mce: the command line needs {missing.name}: pip install 'mce-agents[cli]'", file=sys.stderr)
        sys.exit(2)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # what the terminal's encoding lacks is written as \uXXXX, never a crash
            stream.reconfigure(errors="backslashreplace")
    app(None if arguments is None else list(arguments), prog_name="mce")
    sys.exit(0)
