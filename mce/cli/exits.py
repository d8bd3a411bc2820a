"""How the command line ends: the exit statuses, which error leads to which, and output that nobody reads any more.

0 is success and 1 a failure of the flow; 2 a wrong call, after which nothing has run; 130 an interruption with
Ctrl-C, when the finalisers have run; 141 that whoever read the result went away.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TextIO

import typer

from mce.errors import DefinitionError, InvalidState

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "NOBODY_READS",
    "OK",
    "WRONG_CALL",
    "Broken",
    "WrongCall",
    "calling_steps",
    "complain",
    "drop",
    "exits",
    "writing_result",
]

OK = 0
FAILED = 1
WRONG_CALL = 2
INTERRUPTED = 130
NOBODY_READS = 141


class WrongCall(Exception):
    """What was asked on the command line cannot be done; the message names what, where and the right call."""


class Broken(Exception):
    """The run, or the writing of what it gave, ended in a way that has no outcome; the message says how."""


@contextmanager
def exits(command: str) -> Generator[None]:
    """Turn what ends ``command`` early into a message on stderr and the exit status for it."""
    try:
        yield
    except (WrongCall, DefinitionError, InvalidState) as wrong:
        complain(f"{command}: {wrong}")
        raise typer.Exit(WRONG_CALL) from None
    except KeyboardInterrupt:
        complain(f"{command}: interrupted")
        raise typer.Exit(INTERRUPTED) from None
    except Broken as broken:
        complain(f"{command}: {broken}")
        raise typer.Exit(FAILED) from None
    except BrokenPipeError:
        drop(sys.stdout)
        raise typer.Exit(NOBODY_READS) from None


@contextmanager
def calling_steps() -> Generator[None]:
    """Turn a step that ends the process into :class:`Broken`."""
    try:
        yield
    except SystemExit as left:
        raise Broken(f"failed: a step ended the process, sys.exit({left.code!r})") from None


@contextmanager
def writing_result() -> Generator[None]:
    """Turn a result that stdout does not take into :class:`Broken`, but for one that nobody reads."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as wrong:
        drop(sys.stdout)
        raise Broken(f"the result cannot be written: {wrong.strerror}") from None


def complain(text: str) -> None:
    """Write a line to stderr, if anybody reads it."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        drop(sys.stderr)


def drop(stream: TextIO) -> None:
    """Send what ``stream`` still holds, and all that follows, nowhere: Python would fail on it again as it ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
