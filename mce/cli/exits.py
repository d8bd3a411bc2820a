"""How the command line ends: the exit statuses, and which error leads to which.

    0    the flow succeeded
    1    the flow failed
    2    a wrong call: nothing has run
    130  interrupted with Ctrl-C, after the finalisers
    141  whoever read the output went away
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from mce.errors import DefinitionError

__all__ = ["FAILED", "INTERRUPTED", "NOBODY_READS", "OK", "WRONG_CALL", "WrongCall", "exits"]

OK = 0
FAILED = 1
WRONG_CALL = 2
INTERRUPTED = 130
NOBODY_READS = 141


class WrongCall(Exception):
    """What was asked on the command line cannot be done; the message names what, where and the right call."""


@contextmanager
def exits(command: str) -> Iterator[None]:
    """Turn what ends ``command`` early into a message on stderr and the exit status for it."""
    try:
        yield
    except (WrongCall, DefinitionError) as wrong:
        print(f"{command}: {wrong}", file=sys.stderr)
        raise typer.Exit(WRONG_CALL) from None
    except KeyboardInterrupt:
        print(f"{command}: interrupted", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        _drop_output()
        raise typer.Exit(NOBODY_READS) from None


def _drop_output() -> None:
    """Send what is still in the buffer of stdout nowhere: the interpreter would fail on it once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
