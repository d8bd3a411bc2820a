"""A run as it goes on, in a terminal: a few lines at the bottom that are drawn again and again.

Events only change a tally; a thread draws it ten times a second, so the view costs a run the same however many steps
it has, and keeps its clock going while a step blocks the event loop. What a step emits or prints is written above,
and stays.
"""

from __future__ import annotations

import io
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr, redirect_stdout, suppress
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from mce.cli.lines import STOPPING, shortened
from mce.cli.tally import Row, Snapshot, Status, Tally
from mce.errors import brief
from mce.events import Emitted, Event, Progress

__all__ = ["LiveView"]

_EVERY = 0.1
_ROWS = 16
_ENDED = 5
_BARS = 4
_NARROW = 60
_STYLES: dict[Status, str] = {"running": "cyan", "done": "green", "failed": "red", "retry": "yellow", "stopped": "dim"}
_MARKS: dict[Status, str] = {"running": "", "done": "✓", "failed": "✗", "retry": "↻", "stopped": "■"}
_ASCII: dict[Status, str] = {"running": "", "done": "+", "failed": "x", "retry": "~", "stopped": "-"}


class LiveView:
    """Shows a run on ``console``, a terminal; entered before the run and left after it, when the view is taken away."""

    def __init__(self, console: Console, title: str, now: Callable[[], float]) -> None:
        self._console = console
        self._title = title
        self._now = now
        self._start = now()
        self._tally = Tally()
        self._stopping = False
        self._plain = not console.encoding.startswith("utf")
        self._spinner = Spinner("line" if self._plain else "dots", style=_STYLES["running"])
        self._above: deque[Text] = deque()
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=self._drawn,
        )
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_drawing, name="mce live view", daemon=True)
        self._redirected = ExitStack()

    def __enter__(self) -> LiveView:
        stderr = sys.stderr
        for redirect in (redirect_stdout, redirect_stderr):
            printed = _Printed(self._above, stderr)
            self._redirected.callback(printed.finish)
            self._redirected.enter_context(redirect(printed))
        self._live.start(refresh=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self._redirected.close()
        with suppress(OSError, SystemExit):  # the terminal went away
            self.draw()
            self._live.stop()
            self._console.print(self._header(self._tally.snapshot(0), self._console.width))

    def tell(self, event: Event) -> None:
        """Take in one event; what it emits will be written above the view."""
        self._tally.tell(event)
        if isinstance(event, Emitted) and not isinstance(event.value, Progress):
            said = event.value if isinstance(event.value, str) else brief(event.value, 1000)
            self._above.append(Text(f"{event.path} ", "dim").append_text(Text.from_ansi(said)))

    def stopping(self) -> None:
        """Say from now on that the run was interrupted and what is waited for."""
        self._stopping = True

    def draw(self) -> None:
        """Write what is to stand above and draw the view anew."""
        lines = [self._above.popleft() for _ in range(len(self._above))]
        with self._console:
            if lines:
                self._console.print(Group(*lines), highlight=False)
            self._live.refresh()

    def _keep_drawing(self) -> None:
        with suppress(OSError):
            while not self._over.wait(_EVERY):
                self.draw()

    # -- what it looks like -------------------------------------------------------------------------------------------

    def _drawn(self) -> RenderableType:
        width, height = self._console.size
        seen = self._tally.snapshot(_ROWS)
        bars = seen.progress[: min(_BARS, height // 6)]
        room = max(1, min(_ROWS, height - 5 - len(bars)))
        ended = min(_ENDED, max(room // 3, room - len(seen.running)))
        running = seen.running[: room - ended]
        parts: list[RenderableType] = [self._header(seen, width)]
        parts.append(self._table([*seen.ended[len(seen.ended) - ended :], *running], width))
        if len(running) < seen.counts["running"]:
            parts.append(Text(f"  and {seen.counts['running'] - len(running)} more running", style="dim"))
        parts.extend(_bar(progress, width) for progress in bars)
        if self._stopping:
            parts.append(Text(STOPPING, "yellow", no_wrap=True, overflow="ellipsis"))
        if seen.state:
            parts.append(Text.assemble(("state ", "dim"), seen.state, no_wrap=True, overflow="ellipsis"))
        return Group(*parts)

    def _table(self, rows: list[Row], width: int) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        if width >= _NARROW:
            table.add_column(no_wrap=True, overflow="ellipsis", style="dim")
        for row in rows:
            table.add_row(*self._cells(row, width))
        return table

    def _header(self, seen: Snapshot, width: int) -> RenderableType:
        counts = [f"{count} {status}" for status in _MARKS if (count := seen.counts.get(status, 0))]
        told = f"{_clock(self._now() - self._start)}  {', '.join(counts)}"
        title = _tail(self._title, max(8, width - len(told) - 2), self._plain)
        return Text.assemble((title, "bold"), "  ", told, no_wrap=True, overflow="ellipsis")

    def _cells(self, row: Row, width: int) -> list[RenderableType]:
        style = _STYLES[row.status]
        running = row.status == "running"
        mark = self._spinner if running else Text((_ASCII if self._plain else _MARKS)[row.status], style)
        attempt = f" ({row.attempt})" if row.attempt > 1 else ""
        path = _tail(row.path, max(8, width // (2 if width >= _NARROW else 1) - 12 - len(attempt)), self._plain)
        name = Text(path + attempt, "" if running else "dim")
        seconds = Text(_clock(self._now() - row.since if running else row.seconds), style)
        return [mark, name, seconds, Text(row.note)] if width >= _NARROW else [mark, name, seconds]


class _Printed(io.TextIOBase):
    """Stands for a standard stream while the view is on: whole lines go above it; for all else it is ``stream``."""

    def __init__(self, above: deque[Text], stream: TextIO) -> None:
        self._above = above
        self._stream = stream
        self._rest = ""
        self._lock = threading.Lock()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Take in ``text``; of a line that was written over and over, the last form counts."""
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            self._above.extend(Text.from_ansi(line.rstrip("\r").rpartition("\r")[2]) for line in lines)
        return len(text)

    def finish(self) -> None:
        """Give out what has no line end yet."""
        if self._rest:
            self.write("\n")


def _bar(progress: Progress, width: int) -> RenderableType:
    numbers = f"{progress.done}/{progress.total}"
    what = shortened(progress.what, max(4, width - len(numbers) - 8))
    room = max(4, min(30, width - len(what) - len(numbers) - 3))
    row = Table.grid(padding=(0, 1))
    row.add_row(what, ProgressBar(progress.total or 1, progress.done, width=room), numbers)
    return row


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _tail(text: str, room: int, plain: bool) -> str:
    """Cut ``text`` to ``room`` characters from the left: the end of a path is what tells steps apart."""
    dots = "..." if plain else "…"
    return text if len(text) <= room else dots + text[len(dots) - room :]
