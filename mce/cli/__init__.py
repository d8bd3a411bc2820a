"""The command line: ``mce run`` and, as they come, the other commands, each in a module of its own."""

from mce.cli.main import main

__all__ = ["main"]
