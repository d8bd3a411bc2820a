"""``mce run`` as a process: in a terminal, interrupted, with pipes that end early, in other encodings."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import dedent
from typing import IO, Any

import pytest

FLOWS = """
    import sys

    import anyio

    from mce import Context, Progress, bracket, gather, pure, step, tap


    @step
    async def quick(n: int) -> int:
        return n


    @step(run_in="thread")
    def wait(ctx: Context[object], n: int) -> int:
        ctx.emit(f"emitted {n}")
        print("waiting", flush=True)
        sys.stdin.readline()
        print("waited", flush=True)
        return n


    @step
    async def sleep(n: int) -> int:
        print("waiting", flush=True)
        await anyio.sleep_forever()
        return n


    @step
    async def close(n: int) -> None:
        await anyio.sleep(0)
        print("closed", flush=True)


    @step(run_in="process")
    def square(n: int) -> int:
        return n * n


    @step
    async def word(n: int) -> str:
        return "é—😀" * n


    @step
    async def words(n: int) -> list[str]:
        return ["é—😀" * n]


    waiting = quick >> wait
    asleep = bracket(quick, sleep, close)
    in_thread = bracket(quick, wait, close)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flows.py").write_text(dedent(FLOWS), encoding="utf-8")
    return tmp_path


def environment(**changed: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
    return {**kept, "TERM": "xterm", "PYTHONUTF8": "1", **changed}


_UNWANTED = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PYTHONIOENCODING", "PYTHONUNBUFFERED", "COV_CORE_SOURCE"}


@contextmanager
def running(folder: Path, *arguments: str, env: dict[str, str] | None = None, **streams: Any) -> Generator[Any]:
    """Start ``mce run flows.py:...``; whatever happens, the process has ended afterwards."""
    command = [sys.executable, "-m", "mce.cli", "run", *arguments]
    options: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        **streams,
    }
    with subprocess.Popen(command, cwd=folder, env=env or environment(), **options) as process:
        try:
            yield process
        finally:
            process.kill()


def until(stream: IO[bytes], text: bytes) -> bytes:
    """Read lines up to one with ``text`` in it."""
    read = b""
    while text not in read:
        line = stream.readline()
        assert line, read
        read += line
    return read


# -- a terminal --------------------------------------------------------------------------------------------------------


@contextmanager
def terminal() -> Generator[tuple[int, int]]:
    master, slave = pty.openpty()
    try:
        yield master, slave
    finally:
        for end in (master, slave):
            with suppress(OSError):
                os.close(end)


def read_until(master: int, text: str) -> str:
    read = b""
    while text.encode() not in read:
        read += os.read(master, 65536)
    return read.decode()


def read_all(master: int) -> str:
    read = b""
    with suppress(OSError):  # how Linux says that nobody has the other end open
        while part := os.read(master, 65536):
            read += part
    return read.decode()


def test_a_terminal_sees_the_steps_and_then_the_value(folder: Path) -> None:
    with (
        terminal() as (master, slave),
        running(
            folder,
            "flows.py:waiting",
            "--input",
            "7",
            stdout=slave,
            stderr=slave,
            env=environment(COLUMNS="60", LINES="20"),
        ) as process,
    ):
        os.close(slave)
        before = read_until(master, "1 running, 1 done")
        before += read_until(master, "wait")
        process.stdin.write(b"\n")
        process.stdin.close()
        shown = before + read_all(master)
        assert process.wait() == 0
    assert "\x1b[?25l" in shown
    assert "✓" in shown
    above = plain(shown)
    assert "waiting\n" in above
    assert "wait emitted 7\n" in above
    after = plain(shown.rpartition("\x1b[2K")[2])
    assert re.fullmatch(r"flows.py:waiting  \d+\.\d s  2 done\n7\n", after)
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "")


def test_stdout_in_a_pipe_gets_the_value_alone_while_the_terminal_shows_the_steps(folder: Path) -> None:
    with (
        terminal() as (master, slave),
        running(folder, "flows.py:quick", "--input", "7", "--json", stderr=slave) as process,
    ):
        os.close(slave)
        shown = read_all(master)
        assert process.stdout.read() == b'{"ok": true, "value": 7, "state": null}\n'
    assert "quick" in shown


def test_colours_can_be_refused(folder: Path) -> None:
    shown: list[str] = []
    for env in (environment(), environment(NO_COLOR="1")):
        with (
            terminal() as (master, slave),
            running(folder, "flows.py:quick", "--input", "7", stdout=slave, stderr=slave, env=env),
        ):
            os.close(slave)
            shown.append(read_all(master))
    colour = re.compile(r"\x1b\[([0-9]+;)*3[0-9]m")
    assert [bool(colour.search(text)) for text in shown] == [True, False]


def test_a_dumb_terminal_gets_lines(folder: Path) -> None:
    with (
        terminal() as (master, slave),
        running(folder, "flows.py:quick", "--input", "7", stdout=slave, stderr=slave, env=environment(TERM="dumb")),
    ):
        os.close(slave)
        shown = read_all(master)
    assert "\x1b" not in shown
    assert "finished quick  7" in shown


# -- interrupted -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["inline", "local"])
def test_an_interrupted_run_ends_when_its_finalisers_have_run(folder: Path, backend: str) -> None:
    with running(folder, "flows.py:asleep", "--input", "7", "--backend", backend) as process:
        until(process.stderr, b"waiting")
        process.send_signal(signal.SIGINT)
        said = process.stderr.read().decode()
        assert process.wait() == 130
        assert process.stdout.read() == b""
    assert "closed\n" in said
    assert said.endswith("mce run: interrupted\n")
    assert "Traceback" not in said


def test_an_interrupted_run_waits_for_steps_in_threads(folder: Path) -> None:
    with running(folder, "flows.py:in_thread", "--input", "7") as process:
        until(process.stderr, b"waiting")
        process.send_signal(signal.SIGINT)
        assert b"closed" not in until(process.stderr, b"stopping: waiting for finalisers")
        process.stdin.write(b"\n")
        process.stdin.close()
        said = process.stderr.read().decode()
        assert process.wait() == 130
    assert said.index("waited\n") < said.index("closed\n")


# -- pipes -------------------------------------------------------------------------------------------------------------


def test_a_result_that_nobody_reads_is_no_traceback(folder: Path) -> None:
    with running(folder, "flows.py:waiting", "--input", "7") as process:
        process.stdout.close()
        process.stdin.write(b"\n")
        process.stdin.close()
        said = process.stderr.read().decode()
        assert process.wait() == 141
    assert "BrokenPipe" not in said


def test_events_that_nobody_reads_do_not_stop_the_run(folder: Path) -> None:
    with running(folder, "flows.py:waiting", "--input", "7") as process:
        process.stderr.close()
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.stdout.read() == b"7\n"
        assert process.wait() == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_result_that_cannot_be_written_is_a_failure(folder: Path) -> None:
    with (
        open("/dev/full", "wb") as full,
        running(folder, "flows.py:quick", "--input", "7", "-q", stdout=full) as process,
    ):
        assert process.stderr.read() == b"mce run: the result cannot be written: No space left on device\n"
        assert process.wait() == 1


def test_the_input_can_come_through_a_pipe(folder: Path) -> None:
    with running(folder, "flows.py:quick", "--input", "-", "-q") as process:
        assert process.communicate(b"41") == (b"41\n", b"")


def test_streams_may_be_closed(folder: Path) -> None:
    closed = f"exec {sys.executable} -m mce.cli run flows.py:quick --input 7 <&- 2>&- >&-"
    assert subprocess.run(["sh", "-c", closed], cwd=folder, env=environment(), check=False).returncode == 0


# -- encodings, processes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "shown"), [("utf-8", "é—😀"), ("latin-1", "é\\u2014\\U0001f600"), ("ascii", "\\xe9\\u2014\\U0001f600")]
)
def test_what_an_encoding_lacks_is_escaped(folder: Path, encoding: str, shown: str) -> None:
    env = environment(PYTHONIOENCODING=encoding)
    with running(folder, "flows.py:word", "--input", "1", env=env) as process:
        out, err = process.communicate()
    assert out.decode(encoding) == f"{shown}\n"
    assert f"finished word  '{shown}'\n" in err.decode(encoding)
    with running(folder, "flows.py:words", "--input", "1", "--json", env=env) as process:
        out, _ = process.communicate()
    expected = "é—😀" if encoding == "utf-8" else "\\u00e9\\u2014\\ud83d\\ude00"
    assert out.decode(encoding) == f'{{"ok": true, "value": ["{expected}"], "state": null}}\n'


def test_a_step_of_a_file_can_run_in_a_process(folder: Path) -> None:
    with running(folder, "flows.py:square", "--input", "7", "-q") as process:
        assert process.communicate() == (b"49\n", b"")
