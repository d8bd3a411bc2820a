"""What a run that is fuzzed does to the process: files it leaves open, and the processor it does not let go of."""

from __future__ import annotations

import gc
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["Busy", "descriptors", "files_left", "line_of", "unclosed_files", "watchdog"]

_BUSY_SECONDS = 8.0


class Busy(BaseException):
    """The run did not let go."""


_FOLDER = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"


def descriptors() -> dict[str, str]:
    """Give what every open file descriptor of the process stands for."""
    found: dict[str, str] = {}
    for name in os.listdir(_FOLDER):
        try:
            found[name] = os.readlink(f"{_FOLDER}/{name}")
        except OSError:  # closed by now: that of the folder itself
            continue
    return found


def files_left(before: dict[str, str], unclosed: list[str]) -> list[str]:
    """List what was opened and is open still, or was dropped without being closed."""
    after = descriptors()
    if after.keys() - before.keys():
        gc.collect()
        after = descriptors()
    opened = [what for name, what in after.items() if before.get(name) != what]
    return [*[f"open: {'a socket' if what.startswith('socket') else what}" for what in opened], *unclosed]


@contextmanager
def unclosed_files() -> Iterator[list[str]]:
    """Collect what Python says of files and sockets that are dropped without being closed."""
    found: list[str] = []

    def note(message: Any, category: type[Warning], *args: Any, **kwargs: Any) -> None:
        if issubclass(category, ResourceWarning):
            found.append(f"dropped: {_without_addresses(str(message))}")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", ResourceWarning)
        warnings.showwarning = note
        yield found


def _without_addresses(text: str) -> str:
    if text.startswith("unclosed <socket"):
        return "unclosed socket"
    return text


def line_of(frame: FrameType) -> str:
    """Say in brackets in which function and line ``frame`` is."""
    return f" ({frame.f_code.co_qualname}, {Path(frame.f_code.co_filename).name} line {frame.f_lineno})"


@contextmanager
def watchdog() -> Iterator[None]:
    """Stop what computes for too long, in seconds of the processor; only in the main thread, and where signals are."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "ITIMER_VIRTUAL"):
        yield
        return

    def stop(_: int, frame: FrameType | None) -> None:
        raise Busy(f"computes for {_BUSY_SECONDS:g} s without letting go{'' if frame is None else line_of(frame)}")

    old = signal.signal(signal.SIGVTALRM, stop)
    seconds, every = signal.setitimer(signal.ITIMER_VIRTUAL, _BUSY_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds, every)
        signal.signal(signal.SIGVTALRM, old)
