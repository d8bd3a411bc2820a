"""What is around the many runs of ``mce simulate`` and ``mce fuzz``: a bar in the terminal, and no files left."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn

__all__ = ["nothing_left", "progress_bar"]

_STORAGE = "HYPOTHESIS_STORAGE_DIRECTORY"


@contextmanager
def nothing_left() -> Iterator[None]:
    """Let Hypothesis, which draws values, keep its files elsewhere than in the current folder."""
    if _STORAGE in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="mce-") as folder:
        os.environ[_STORAGE] = folder
        try:
            yield
        finally:
            del os.environ[_STORAGE]


@contextmanager
def progress_bar(console: Console, doing: str, total: int, time: ProgressColumn) -> Iterator[Callable[[int], object]]:
    """Show a bar, taken away at the end, and give the function that is told how many of ``total`` are done."""
    columns = TextColumn(doing), BarColumn(), MofNCompleteColumn(), time
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda done: bar.update(task, completed=done)
