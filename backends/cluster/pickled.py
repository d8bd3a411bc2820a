"""Values as bytes, for other processes of the same cluster.

What arrives was pickled by a process of the cluster, which trusts all its members (see the guide on clusters); nothing
else is ever unpickled.

Importing ``distributed`` has ``tblib`` pickle all exceptions known by then with what they were raised from, and with
their tracebacks. An exception raised from one that cannot be pickled would not arrive then, and whether it does would
depend on what was imported first. Here exceptions go alone; what they were raised from is in the traceback's text.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections import ChainMap
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import cloudpickle
import distributed  # noqa: F401 - which registers how exceptions are pickled

from mce.errors import ClusterError, Defect, RemoteError, brief, words
from mce.pickling import main_by_code

__all__ = ["Packed", "arrives", "pack", "sendable_error", "unpack"]


class Packed:
    """A pickled value; large buffers, as of arrays, stand beside the bytes and are never copied."""

    __slots__ = ("buffers", "data")

    def __init__(self, data: bytes, buffers: Sequence[Any] = ()) -> None:
        self.data = data
        self.buffers = buffers

    def plain(self) -> tuple[bytes, list[bytes]]:
        """Give it as bytes, for messages."""
        return self.data, [bytes(buffer) for buffer in self.buffers]

    def __reduce__(self) -> tuple[Any, ...]:
        return Packed, (self.data, self.buffers)

    def __sizeof__(self) -> int:  # what Dask accounts for
        return object.__sizeof__(self) + len(self.data) + sum(memoryview(buffer).nbytes for buffer in self.buffers)


def pack(value: Any) -> Packed:
    """Pickle ``value``, functions without a name of their own by their code; raises :class:`mce.ClusterError`."""
    try:
        packed = _packed(pickle.Pickler, _reducers(), value)
        if b"__main__" not in packed.data:
            return packed
    except Exception:  # what has no name of its own, cloudpickle sends by its code
        pass
    known: Any = cloudpickle.Pickler.dispatch_table
    by_code = ChainMap(*known.maps[:-1], _reducers())
    try:
        with main_by_code():
            return _packed(cloudpickle.Pickler, by_code, value)
    except Exception as refused:
        raise ClusterError(f"{brief(value, 60)} cannot be pickled: {brief(words(refused))}") from None


def unpack(packed: Packed) -> Any:
    """Give back the value; raises :class:`mce.ClusterError`."""
    try:
        return pickle.loads(packed.data, buffers=packed.buffers)
    except Exception as broken:
        raise ClusterError(f"what was sent cannot be loaded: {type(broken).__name__}: {words(broken)}") from broken


def arrives(value: Any) -> bool:
    """Whether ``value`` can be pickled, and what that gives be loaded."""
    try:
        unpack(pack(value))
    except ClusterError:
        return False
    return True


def sendable_error(error: Any) -> Any:
    """Give ``error``, or what stands for it if it would not arrive."""
    if isinstance(error, tuple):
        return tuple(map(sendable_error, error))
    if arrives(error):
        return error
    return RemoteError(type(error).__name__, words(error) if isinstance(error, BaseException) else brief(error))


def _packed(kind: type[pickle.Pickler], reducers: Any, value: Any) -> Packed:
    file, buffers = io.BytesIO(), list[pickle.PickleBuffer]()
    pickler = kind(file, 5, buffer_callback=buffers.append)
    pickler.dispatch_table = reducers
    pickler.dump(value)
    return Packed(file.getvalue(), tuple(buffers))


copyreg.pickle(Defect, Defect.__reduce__)  # type: ignore[arg-type]  # a defect goes without what it was raised from, for whoever pickles it

_Reducer = Callable[[Any], Any]

_known: tuple[int, dict[type, _Reducer]] = 0, {}


def _reducers() -> dict[type, _Reducer]:
    """Give how instances of registered classes are pickled: as everywhere, but for exceptions."""
    global _known
    registered = copyreg.dispatch_table
    if _known[0] != len(registered):
        found = {cls: reduce for cls, reduce in registered.items() if not issubclass(cls, BaseException)}
        found.pop(TracebackType, None)
        _known = len(registered), {**found, Defect: _reduce_defect}
    return _known[1]


def _reduce_defect(defect: Defect) -> tuple[Any, ...]:
    cause = sendable_error(defect.cause)
    return Defect, (cause, defect.traceback, defect.path, defect.attempt, defect.worker)
