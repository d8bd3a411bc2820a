"""Tracebacks as the user needs them: the frames of the user's code and of what it calls, none of ours."""

from __future__ import annotations

import os
import sysconfig
import traceback
from pathlib import Path

import anyio

import mce.errors
from mce.errors import Defect

__all__ = ["defect_traceback", "user_traceback"]

_OURS = str(Path(mce.errors.__file__).parent)
_STDLIB = Path(sysconfig.get_path("stdlib"))
_CARRIERS = (
    _OURS,
    str(Path(anyio.__file__).parent),
    *(str(_STDLIB / name) for name in ("asyncio", "concurrent", "importlib", "threading.py")),
)
_FROZEN = "<frozen importlib"


def user_traceback(error: BaseException) -> str:
    """Format ``error``, and the errors it came from, with the frames from the user's first on and without ours."""
    found = traceback.TracebackException.from_exception(error, limit=-40, compact=True)
    chain = [found]
    while chain:
        part = chain.pop()
        part.stack = _of_user(part.stack)
        chain.extend(other for other in (part.__cause__, part.__context__, *(part.exceptions or ())) if other)
    return "".join(found.format())


def defect_traceback(defect: Defect) -> str:
    """Give the traceback of a defect; empty when no frame of it is the user's."""
    cause = defect.cause
    text = user_traceback(cause) if cause.__traceback__ is not None else defect.traceback
    return text if '  File "' in text else ""


def _of_user(stack: traceback.StackSummary) -> traceback.StackSummary:
    frames = list(stack)
    while frames and _is_in(frames[0].filename, _CARRIERS):
        del frames[0]
    return traceback.StackSummary.from_list([frame for frame in frames if not _is_in(frame.filename, (_OURS,))])


def _is_in(file: str, places: tuple[str, ...]) -> bool:
    return file.startswith(_FROZEN) or any(file == place or file.startswith(place + os.sep) for place in places)
