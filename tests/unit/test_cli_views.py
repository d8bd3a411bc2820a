"""What a run looks like while it goes on: plain lines, and the live view's lines."""

from __future__ import annotations

import io
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from mce import Defect, Emitted, Event, Progress, StateChanged, StepFailed, StepFinished, StepRetried, StepStarted
from mce.cli.lines import STOPPING, Lines, error_text, fields_text
from mce.cli.live import LiveView
from mce.cli.tally import Row, Tally


class Broken(io.StringIO):
    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        raise BrokenPipeError


def started(path: str, at: float = 0, *, attempt: int = 1, given: object = None) -> StepStarted:
    return StepStarted(path, attempt, at, path, given)


def finished(path: str, at: float = 0, value: object = None, *, attempt: int = 1) -> StepFinished:
    return StepFinished(path, attempt, at, path, value)


EVENTS: list[tuple[Event, str]] = [
    (started("plan", 10, given="q"), "    0.000 started  plan  'q'"),
    (started("plan", 10), "    0.000 started  plan"),
    (finished("plan", 11.5, [1]), "    1.500 finished plan  [1]"),
    (finished("plan", 11.5, None, attempt=2), "    1.500 finished plan (attempt 2)  None"),
    (finished("plan", 11.5, "x" * 200), "    1.500 finished plan  '" + "x" * 98 + "…"),
    (StepFailed("plan", 1, 11, "plan", ValueError("no\nway")), "    1.000 failed   plan  ValueError: no way"),
    (StepFailed("plan", 1, 11, "plan", "no"), "    1.000 failed   plan  'no'"),
    (StepFailed("plan", 1, 11, "plan", None, cancelled=True), "    1.000 stopped  plan"),
    (StepRetried("plan", 1, 11, 0.25, KeyError("k")), "    1.000 retry    plan  again in 0.25 s, after KeyError: 'k'"),
    (StateChanged("plan", 1, 11, ("n",), SimpleNamespace(n=3)), "    1.000 state    plan  n=3"),
    (StateChanged("plan", 1, 11, (), 3), "    1.000 state    plan  3"),
    (Emitted("plan", 1, 11, "a\nb"), "    1.000 emitted  plan  'a\\nb'"),
    (Emitted("plan", 1, 11, Progress("reading", 5, 50)), "    1.000 progress plan  reading 5/50"),
]


@pytest.mark.parametrize(("event", "line"), EVENTS, ids=lambda value: type(value).__name__)
def test_an_event_is_a_line(event: Event, line: str) -> None:
    stream = io.StringIO()
    Lines(stream, 10).tell(event)
    assert stream.getvalue() == f"{line}\n"


def test_progress_is_told_in_tenths() -> None:
    stream = io.StringIO()
    lines = Lines(stream, 0)
    for done in range(1001):
        lines.tell(Emitted("a", 1, 0, Progress("reading", done, 1001)))
    lines.tell(Emitted("a", 1, 0, Progress("reading", 1001, 1001)))
    told = [line.rpartition(" ")[2] for line in stream.getvalue().splitlines()]
    assert told == [*(f"{part * 100}/1001" for part in range(11)), "1001/1001"]


def test_a_quiet_run_says_nothing_and_prints_all_the_same() -> None:
    stream = io.StringIO()
    with Lines(stream, 0, quiet=True) as lines:
        lines.tell(started("a"))
        lines.stopping()
        print("from a step")
    assert stream.getvalue() == "from a step\n"


def test_lines_that_nobody_reads_do_not_stop_a_run() -> None:
    stream = Broken()
    lines = Lines(stream, 0)
    for _ in range(3):
        lines.tell(started("a"))
    lines.stopping()
    assert stream.writes == 1


def test_errors_are_one_line_or_whole() -> None:
    error = ValueError("a\n" + "b" * 200)
    assert error_text(error) == "ValueError: a " + "b" * 97 + "…"
    assert error_text(error, None) == f"ValueError: {error}"
    assert error_text(Defect(error, "", "p")) == error_text(error)
    assert error_text(ValueError()) == "ValueError"


def test_of_a_list_that_grows_the_last_is_told() -> None:
    state = SimpleNamespace(log=("a", "b", "c"), one=["a"], n=1)
    assert fields_text(("log", "one", "n", "gone"), state) == "log=(… 2 more, 'c')  one=['a']  n=1  gone=None"


# -- the tally ---------------------------------------------------------------------------------------------------------


def tallied(*events: Event, room: int = 10) -> Any:
    tally = Tally()
    for event in events:
        tally.tell(event)
    return tally.snapshot(room)


def test_steps_run_and_end() -> None:
    seen = tallied(
        started("a", 1),
        started("b", 2),
        started("c", 2),
        started("d", 2),
        finished("a", 4),
        StepFailed("b", 1, 5, "b", ValueError("no")),
        StepFailed("c", 1, 5, "c", None, cancelled=True),
    )
    assert seen.running == [Row("d", 1, "running", 2)]
    assert seen.ended == [
        Row("a", 1, "done", 1, 3),
        Row("b", 1, "failed", 2, 3, "ValueError: no"),
        Row("c", 1, "stopped", 2, 3),
    ]
    assert seen.counts == {"done": 1, "failed": 1, "stopped": 1, "running": 1}


def test_attempts_are_kept_apart() -> None:
    seen = tallied(started("a", 1), finished("a", 2), started("a", 3, attempt=2))
    assert [(row.path, row.attempt) for row in [*seen.ended, *seen.running]] == [("a", 1), ("a", 2)]


def test_a_failure_that_is_tried_again_is_a_retry() -> None:
    failed = StepFailed("a", 1, 2, "a", ValueError("no"))
    again = StepRetried("a", 1, 2, 0.5, ValueError("no"))
    seen = tallied(started("a", 1), failed, again)
    assert seen.ended == [Row("a", 1, "retry", 1, 1, "again in 0.5 s: ValueError: no")]
    assert (seen.counts["failed"], seen.counts["retry"]) == (0, 1)
    other = tallied(started("a", 1), failed, started("b", 1), finished("b", 2), again)
    assert [row.status for row in other.ended] == ["failed", "done", "retry"]


def test_a_flood_is_counted_and_not_kept() -> None:
    tally = Tally()
    for at in range(10_000):
        tally.tell(started(f"a{at}"))
        tally.tell(finished(f"a{at}"))
    for at in range(10_000):
        tally.tell(started(f"b{at}"))
    seen = tally.snapshot(4)
    assert [row.path for row in seen.running] == ["b0", "b1", "b2", "b3"]
    assert len(seen.ended) < 20
    assert seen.counts == {"done": 10_000, "running": 10_000}


def test_the_last_state_and_the_progress_of_running_steps_are_kept() -> None:
    told = [StateChanged("a", 1, 0, ("n",), SimpleNamespace(n=at)) for at in range(3)]
    bars = [Emitted(path, 1, 0, Progress("reading", 1, 2)) for path in ("a", "b")]
    seen = tallied(started("a"), started("b"), *told, *bars, finished("a"))
    assert seen.state == "n=2"
    assert seen.progress == [Progress("reading", 1, 2)]


# -- the live view -----------------------------------------------------------------------------------------------------


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def terminal(width: int = 80, height: int = 24, encoding: str = "utf-8") -> Console:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace", newline="\n")
    return Console(file=file, force_terminal=True, width=width, height=height, color_system=None, legacy_windows=False)


def written(console: Console) -> str:
    file = console.file
    assert isinstance(file, io.TextIOWrapper)
    file.flush()
    raw = file.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode(file.encoding)


def drawn(view: LiveView, console: Console) -> list[str]:
    """Give the lines that the view consists of now."""
    with console.capture() as capture:
        console.print(view._drawn())
    return capture.get().splitlines()


@contextmanager
def still(view: LiveView) -> Generator[None]:
    """Enter the view without the thread that draws it, so that nothing is drawn but what the test draws."""
    view._thread.run = lambda: None  # type: ignore[method-assign]
    with view:
        yield


def test_the_view_shows_what_runs_and_what_ended_last() -> None:
    clock, console = Clock(), terminal()
    view = LiveView(console, "agent.py:agent", clock)
    events: list[Event] = [
        started("plan", 100),
        finished("plan", 101),
        started("gather[0]/search", 101),
        started("gather[1]/search", 101, attempt=2),
        StepFailed("gather[0]/search", 1, 102, "search", ValueError("no")),
        StateChanged("plan", 1, 101, ("log",), SimpleNamespace(log=("a", "b"))),
        Emitted("plan", 1, 101, Progress("reading", 1, 4)),
    ]
    for event in events:
        view.tell(event)
    clock.now = 103.5
    header, *rows = (line.rstrip() for line in drawn(view, console))
    assert header == "agent.py:agent  3.5 s  1 running, 1 done, 1 failed"
    assert rows[:2] == ["✓ plan                 1.0 s", "✗ gather[0]/search     1.0 s ValueError: no"]
    assert rows[2][1:] == " gather[1]/search (2) 2.5 s"
    assert rows[3].startswith("reading ━━━━━━━")
    assert rows[3].endswith(" 1/4")
    assert rows[4:] == ["state log=(… 1 more, 'b')"]


def test_an_interrupted_run_says_what_it_waits_for() -> None:
    console = terminal()
    view = LiveView(console, "a", Clock())
    assert STOPPING not in drawn(view, console)
    view.stopping()
    assert STOPPING in [line.rstrip() for line in drawn(view, console)]


@pytest.mark.parametrize(("width", "height"), [(40, 24), (40, 8), (24, 5), (200, 60)])
def test_the_view_fits_the_terminal(width: int, height: int) -> None:
    console = terminal(width, height)
    view = LiveView(console, "examples/a_long_name/research_agent.py:agent", Clock())
    for at in range(300):
        view.tell(
            started(f"gather[{at}]/a/very/long/path/that/goes/on/and/on/and/never/ends/search{at}", attempt=at % 3 + 1)
        )
    for at in range(100):
        view.tell(StepFailed(f"gather[{at}]/x", 1, 0, "search", ValueError("no " * 50)))
        view.tell(Emitted(f"a{at}", 1, 0, Progress("reading the whole of the library", at, 1000)))
    view.tell(StateChanged("a", 1, 0, ("log",), SimpleNamespace(log="word " * 99)))
    view.stopping()
    lines = drawn(view, console)
    assert all(cell_len(line) <= width for line in lines)
    assert len(lines) <= height
    assert any(line.strip().startswith("and ") and line.strip().endswith(" more running") for line in lines)


def test_paths_are_cut_from_the_left() -> None:
    console = terminal(40)
    view = LiveView(console, "a", Clock())
    view.tell(started("gather[12]/a/very/long/path/that/goes/on/search"))
    assert " …ng/path/that/goes/on/search " in "\n".join(drawn(view, console))


def test_a_terminal_without_unicode_gets_none() -> None:
    console = terminal(40, encoding="ascii")
    view = LiveView(console, "a" * 60, Clock())
    with still(view):
        view.tell(started("gather[12]/a/very/long/path/that/goes/on/search"))
        view.tell(finished("plan"))
        view.tell(Emitted("plan", 1, 0, Progress("reading", 1, 2)))
    assert written(console).isascii()
    assert "\\u" not in written(console)


def test_what_is_emitted_and_printed_stays_above_the_view() -> None:
    console = terminal()
    view = LiveView(console, "agent", Clock())
    with still(view):
        view.tell(Emitted("plan", 1, 0, "[bold]as it is[/]"))
        view.tell(Emitted("plan", 1, 0, [1, 2]))
        print("printed", "text", end="")
        print()
        print("on stderr", file=sys.stderr)
        sys.stderr.write("10%\r50%\r100%\n")
        view.draw()
        print("no line end", end="")
    shown = written(console)
    for line in ("plan [bold]as it is[/]", "plan [1, 2]", "printed text", "on stderr", "100%", "no line end"):
        assert f"{line}\n" in shown
    assert "50%" not in shown


def test_the_streams_are_given_back() -> None:
    before = sys.stdout, sys.stderr

    def fail() -> None:
        with still(LiveView(terminal(), "agent", Clock())):
            assert sys.stdout is not before[0]
            assert not sys.stdout.isatty()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (sys.stdout, sys.stderr) == before


def test_a_stream_that_is_replaced_does_what_the_other_does() -> None:
    stderr = sys.stderr
    with still(LiveView(terminal(), "agent", Clock())):
        sys.stdout.flush()
        assert sys.stdout.writable()
        assert sys.stdout.encoding == stderr.encoding
        assert sys.stdout.buffer is stderr.buffer


def test_events_draw_nothing_by_themselves() -> None:
    console = terminal()
    view = LiveView(console, "agent", Clock())
    with still(view):
        before = len(written(console))
        for at in range(1000):
            view.tell(started(f"a{at}"))
            view.tell(finished(f"a{at}"))
            view.tell(Emitted("a", 1, 0, at))
        assert len(written(console)) == before
    assert "999" in written(console)


def test_the_view_is_taken_away_and_a_summary_left() -> None:
    clock, console = Clock(), terminal()
    view = LiveView(console, "agent", clock)
    with still(view):
        view.tell(started("plan", 100))
        view.tell(finished("plan", 101))
        clock.now = 101.25
    assert written(console).endswith("\x1b[2Kagent  1.2 s  1 done\n")
    assert written(console).count("\x1b[?25h") == 1
