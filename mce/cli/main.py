"""Where ``mce`` starts: what typer and rich are needed for is imported here, late, so that their lack is one line."""

from __future__ import annotations

import io
import os
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
        name = (missing.name or "").partition(".")[0]
        if name not in _EXTRA:
            raise
        print(f"mce: the command line needs {name}: pip install 'mce-agents[cli]'", file=sys.stderr)
        sys.exit(2)
    _open_streams()
    app(None if arguments is None else list(arguments), prog_name="mce")
    sys.exit(0)


def _open_streams() -> None:
    """Make stdout and stderr take any text: what their encoding lacks is escaped, a closed one drops it."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - it lives as long as we do
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
