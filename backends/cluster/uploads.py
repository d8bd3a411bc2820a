"""What the workers of a cluster are given besides the flow: the files it was loaded from, and where prints go.

Both are plugins of Dask's workers, which a worker that comes later gets too.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from distributed import Worker
from distributed.diagnostics.plugin import WorkerPlugin

from mce.errors import DefinitionError

__all__ = ["PrintsToClient", "Sources", "sources_below"]

_LARGEST = 64 * 2**20
"""How many bytes of files are sent to every worker at most."""

_LINE = 0.1
"""Seconds for which the beginning of a printed line waits for its end."""


class Sources(WorkerPlugin):
    """Makes modules importable on the workers under the names that they have here.

    ``modules`` are top-level names, each with its file, or for a package the one of its ``__init__``; ``files`` has all
    files, by their paths in ``folder``. A worker that sees the same files in ``folder`` itself, because it is on this
    machine or the file system is shared, uses them where they are, with whatever lies beside them. Others get copies.

    A module of which a worker knows another version is imported anew, so a worker should run one version at a time.
    """

    def __init__(self, folder: Path, modules: Mapping[str, str], files: Mapping[str, bytes]) -> None:
        self.name = f"mce-sources-{uuid.uuid4().hex[:12]}"
        self.folder = str(folder)
        self.modules = dict(modules)
        self.files = dict(files)

    def setup(self, worker: Worker) -> None:
        """Let the worker import the modules."""
        folder = Path(self.folder)
        self._copy: Path | None = None
        if not all(_holds(folder / path, data) for path, data in self.files.items()):
            folder = self._copy = Path(worker.local_directory) / self.name
            for path, data in self.files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(data)
        for name in self.modules:
            self._drop_other_version(name)
        self._finder = _Finder({name: folder / path for name, path in self.modules.items()})
        self._searched = str(folder)
        sys.meta_path.insert(0, self._finder)
        sys.path.insert(0, self._searched)

    def teardown(self, worker: Worker) -> None:
        """Forget where the modules are; what was imported stays for whoever uses it."""
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        if self._searched in sys.path:
            sys.path.remove(self._searched)
        if self._copy is not None:
            shutil.rmtree(self._copy, ignore_errors=True)

    def _drop_other_version(self, name: str) -> None:
        version = self._version(name)
        known, _versions[name] = _versions.get(name), version
        loaded = sys.modules.get(name)
        if loaded is None or known == version or name in sys.stdlib_module_names:
            return
        if known is None and _holds(Path(getattr(loaded, "__file__", None) or ""), self.files[self.modules[name]]):
            return
        for part in [part for part in sys.modules if part == name or part.startswith(f"{name}.")]:
            del sys.modules[part]

    def _version(self, name: str) -> str:
        path = Path(self.modules[name])
        package = path.parent.as_posix() + "/" if path.name == "__init__.py" else path.as_posix()
        found = hashlib.blake2b(digest_size=16)
        for file, data in sorted(self.files.items()):
            if file.startswith(package):
                found.update(repr((file, len(data))).encode() + data)
        return found.hexdigest()


_versions: dict[str, str] = {}
"""Which version of a module this worker process was given last."""


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


class _Finder:
    """Finds modules at the files that they are known to have."""

    def __init__(self, places: Mapping[str, Path]) -> None:
        self.places = places

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        place = self.places.get(fullname)
        if place is None:
            return None
        inside = [str(place.parent)] if place.name == "__init__.py" else None
        return spec_from_file_location(fullname, place, submodule_search_locations=inside)


def sources_below(folder: Path) -> Sources:
    """Collect the modules that this process has imported from ``folder``, of packages all their files.

    What is installed is left out, and ``mce`` itself; workers must have both. Raises :class:`mce.DefinitionError` if
    that is more than 64 MB.
    """
    folder = folder.resolve()
    modules: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for name, module in list(sys.modules.items()):
        place = _place(name, module, folder)
        if place is None:
            continue
        modules[name] = place.relative_to(folder).as_posix()
        for file in _files(place.parent) if place.name == "__init__.py" else [place]:
            files[file.relative_to(folder).as_posix()] = file.read_bytes()
    if (size := sum(map(len, files.values()))) > _LARGEST:
        raise DefinitionError(
            f"what was imported from {folder} has {size / 2**20:.0f} MB of files, too many to send to every worker: "
            f"install it where the workers run"
        )
    return Sources(folder, modules, files)


def _place(name: str, module: ModuleType, folder: Path) -> Path | None:
    """Give the file of a top-level module of the user's own below ``folder``."""
    file = getattr(module, "__file__", None)
    if "." in name or name in ("mce", "__main__", "__mp_main__") or not (file and file.endswith(".py")):
        return None
    place = Path(file).resolve()
    installed = {"site-packages", "dist-packages"}.intersection(place.parts) or place.is_relative_to(_STDLIB)
    return place if place.is_relative_to(folder) and not installed and place.is_file() else None


_STDLIB = Path(io.__file__).resolve().parent


def _files(package: Path) -> Iterator[Path]:
    for file in sorted(package.rglob("*")):
        inside = file.relative_to(package).parts
        if (
            file.is_file()
            and file.suffix != ".pyc"
            and not any(part.startswith((".", "__pycache__")) for part in inside)
        ):
            yield file


class PrintsToClient(WorkerPlugin):
    """Has what is printed on the workers printed by the client instead."""

    name = "mce-prints"

    def setup(self, worker: Worker) -> None:
        """Take over the standard output of the worker's process."""
        sys.stdout = _Prints(worker)


class _Prints(io.TextIOBase):
    """A text stream whose writes go to the client as Dask's own ``distributed.print`` does it.

    ``print`` writes its arguments one by one: a thread's text goes when its line is whole, so that lines of threads and
    workers are not mixed, and what ends with no line break goes a moment later.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._lock = threading.Lock()
        self._begun: dict[int, str] = {}

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        thread = threading.get_ident()
        with self._lock:
            whole, ending, begun = (self._begun.pop(thread, "") + text).rpartition("\n")
            if begun:
                self._begun[thread] = begun
        self._send(whole + ending)
        if begun:
            self.worker.loop.add_callback(self.worker.loop.call_later, _LINE, self._flush, thread)
        return len(text)

    def flush(self) -> None:
        self._flush(threading.get_ident())

    def _flush(self, thread: int) -> None:
        with self._lock:
            text = self._begun.pop(thread, "")
        self._send(text)

    def _send(self, text: str) -> None:
        if text:
            told: dict[str, Any] = {"args": (text,), "sep": None, "end": "", "file": None, "flush": False}
            self.worker.log_event("print", told)
