"""The search index: an SQLite FTS5 table over the stems of every document, kept in the user's cache folder.

Built on first use, in a file of its own that takes the index's name when it is complete: whoever looks sees a whole
index or none, and of two processes that build at once the later file stays, which says the same. A finished index is
only ever read. Its tables, columns and weights are here; what a stem is, is left to ``words`` and ``naming``.
"""

from __future__ import annotations

import atexit
import math
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
import warnings
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .documents import Document, Progress, collect_documents
from .naming import Naming
from .words import joined, stems, whole_name

__all__ = ["BrokenIndex", "Hit", "cache_folder", "find_damage", "merge_hits", "open_index", "read", "search", "weigh"]

_SCHEMA = 1  # raise it when documents, stems or tables change: the old file is then not looked at any more
_APPLICATION = 0x6D636531
_TABLES = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    CREATE TABLE documents (
        id INTEGER PRIMARY KEY, name TEXT, kind TEXT, signature TEXT, text TEXT, module TEXT, file TEXT, line INTEGER,
        also TEXT, parent TEXT, likelihood REAL, words TEXT, parts TEXT
    );
    CREATE VIRTUAL TABLE search USING fts5(name, signature, summary, body, parent, content='');
    CREATE VIRTUAL TABLE vocabulary USING fts5vocab(search, row);
"""
_WEIGHTS = "10.0, 3.0, 4.0, 1.0, 1.5"  # how much a word counts in each column of ``search``
_PLACES = 8  # the larger, the less it matters to stand first in one search
_STALE = 3600.0  # seconds
_FILLING = 100  # the steps of progress that filling the tables takes, after the modules were read


class BrokenIndex(Exception):
    """The file at ``path`` cannot be made or used as an index; ``problem`` says why."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return f"no usable search index at {self.path!r}: {self.problem}; open_index() gives the path of a good one"


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that a search found; the higher ``score`` the better, comparable within one search."""

    id: int
    name: str
    score: float


def cache_folder() -> Path:
    """Give the folder of this user for files that can be made again, where the operating system wants it."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        named = os.environ.get("XDG_CACHE_HOME", "")
        base = named if os.path.isabs(named) else Path.home() / ".cache"
    return Path(base) / "mce"


def open_index(progress: Progress | None = None, *, folder: Path | None = None, sources: Path | None = None) -> Path:
    """Give the path of a good index in ``folder`` (by default ``cache_folder()``), building it when there is none.

    ``progress(done, total)`` is called while it is built, a few seconds. Where the folder cannot be written, the index
    lives in a temporary folder until the process ends, and a ``RuntimeWarning`` says so. ``sources``, when they are not
    those of the running Python, want a folder of their own. Raises ``NoSources`` and ``BrokenIndex``.
    """
    name = _file_name()
    try:
        path = (folder or cache_folder()) / name
        if find_damage(path) is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            _build(path, progress, sources)
        return path
    except (OSError, RuntimeError) as problem:  # RuntimeError: there is no home folder
        message = f"the search index cannot be kept ({problem}) and is built for this run only; set XDG_CACHE_HOME"
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    temporary = Path(tempfile.mkdtemp(prefix="mce-"))
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    _build(temporary / name, progress, sources)
    return temporary / name


def _file_name() -> str:
    """Name the index after all that it depends on."""
    python = f"{platform.python_implementation()}-{platform.python_version()}-{sys.platform}".lower()
    return f"stdlib-{python}-{_SCHEMA}.sqlite3"


def find_damage(path: Path) -> str | None:
    """Say why the file at ``path`` is not a good index, or None when it is."""
    if not path.is_file():
        return "there is no such file"
    try:
        with _connect(path) as db:
            if db.execute("PRAGMA application_id").fetchone() != (_APPLICATION,):
                return "it is no search index, or was not finished"
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
            return None if verdict == "ok" else str(verdict)
    except BrokenIndex as broken:
        return broken.problem


def _build(path: Path, progress: Progress | None, sources: Path | None) -> None:
    """Write a new index beside ``path`` and give it that name when it is complete."""
    _remove_leftovers(path)
    handle, part = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    try:
        with closing(sqlite3.connect(part)) as db:
            _fill(db, progress, sources)
        os.replace(part, path)
    except sqlite3.Error as problem:
        raise BrokenIndex(str(path), str(problem)) from problem
    except PermissionError:
        if find_damage(path):  # else another process has just built it, and Windows does not replace an open file
            raise
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part)


def _remove_leftovers(path: Path) -> None:
    """Remove what processes left that were killed while they built; those that build now have begun lately."""
    for part in path.parent.glob(f"{path.name}.*.part"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > _STALE:
                part.unlink()


def _fill(db: sqlite3.Connection, progress: Progress | None, sources: Path | None) -> None:
    db.executescript(_TABLES)
    modules = 0

    def count_module(done: int, total: int) -> None:
        nonlocal modules
        modules = total
        if progress:
            progress(done, total + _FILLING)

    documents = collect_documents(count_module, root=sources)
    naming = Naming(documents)
    for done, plain in enumerate(documents, 1):
        document = replace(plain, words=naming.words(plain), parts=naming.parts(plain))
        db.execute("INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _row(document))
        db.execute(
            "INSERT INTO search (rowid, name, signature, summary, body, parent) VALUES (?, ?, ?, ?, ?, ?)",
            (document.id, *_index_words(document)),
        )
        if progress and (done % (len(documents) // _FILLING + 1) == 0 or done == len(documents)):
            progress(modules + done * _FILLING // len(documents), modules + _FILLING)
    db.execute("INSERT INTO search (search) VALUES ('optimize')")
    db.execute(f"PRAGMA application_id = {_APPLICATION}")  # the last thing: it says that all is there
    db.commit()


def _row(one: Document) -> tuple[object, ...]:
    also, words = "\n".join(one.also), " ".join(sorted(one.words))
    parts = " ".join("/".join(sorted(part)) for part in one.parts)
    texts = (one.id, one.name, one.kind, one.signature, one.text, one.module, one.file, one.line)
    return (*texts, also, one.parent, one.likelihood, words, parts)


def _index_words(document: Document) -> tuple[str, ...]:
    summary, _, body = document.text.partition("\n\n")
    parts = (document.signature.partition("(")[2], summary, body, document.parent)
    return (" ".join(sorted(document.words)), *(" ".join(stems(part)) for part in parts))


@contextmanager
def _connect(path: Path) -> Generator[sqlite3.Connection]:
    """Open the index to read. It never changes, only another file takes its name, so it needs no locks."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            yield db
    except sqlite3.Error as problem:
        raise BrokenIndex(str(path), str(problem)) from problem


def search(path: Path, query: str, limit: int = 50) -> tuple[Hit, ...]:
    """Find the documents that the words of ``query`` fit best, the best first; any text is a valid query.

    A word after ``=`` is to be the last part of a document's name, as a whole. Raises ``BrokenIndex``.
    """
    words = dict.fromkeys(word for asked in query.split() for word in _asked_stems(asked))
    if not words:
        return ()
    with _connect(path) as db:
        rows = db.execute(
            f"""
            SELECT documents.id, documents.name, -bm25(search, {_WEIGHTS}) * documents.likelihood AS score
            FROM search JOIN documents ON documents.id = search.rowid
            WHERE search MATCH ? ORDER BY score DESC, documents.id LIMIT ?
            """,
            (" OR ".join(f'"{word}"' for word in words), limit),
        ).fetchall()
    return tuple(Hit(*row) for row in rows)


def _asked_stems(asked: str) -> list[str]:
    whole = joined(asked)
    if asked.startswith("="):
        return [whole_name(whole)] if whole else []
    return [word for word in (*stems(asked), whole) if word]


def merge_hits(found: Iterable[Sequence[Hit]], limit: int = 24) -> tuple[Hit, ...]:
    """Join what several searches found: documents that stand high in many of them come first."""
    scores: dict[int, float] = {}
    hits: dict[int, Hit] = {}
    for results in found:
        for place, hit in enumerate(results):
            scores[hit.id] = scores.get(hit.id, 0.0) + 1 / (_PLACES + place)
            hits[hit.id] = hit
    best = sorted(hits, key=lambda number: (-scores[number], number))[:limit]
    return tuple(replace(hits[number], score=scores[number]) for number in best)


def read(path: Path, number: int) -> Document:
    """Read the document whose ``id`` is ``number``; raises ``LookupError`` when there is none, and ``BrokenIndex``."""
    with _connect(path) as db:
        row = db.execute("SELECT * FROM documents WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise LookupError(f"no document {number} in {str(path)!r}; the numbers are the id of a Hit")
    id, name, kind, signature, text, module, file, line, also, parent, likelihood, words, parts = row
    names = tuple(also.split("\n")) if also else ()
    named = frozenset(words.split()), tuple(frozenset(part.split("/")) for part in parts.split())
    return Document(id, name, kind, signature, text, module, file, line, names, parent, likelihood, *named)


def weigh(path: Path, words: Iterable[str]) -> Mapping[str, float]:
    """Say how much each of ``words`` (stems) tells: from 0 for one that is everywhere to 1 for one that is nowhere."""
    with _connect(path) as db:
        (total,) = db.execute("SELECT count(*) FROM documents").fetchone()
        rows = ((word, db.execute("SELECT doc FROM vocabulary WHERE term = ?", (word,)).fetchone()) for word in words)
        return {word: 1 - math.log(1 + (row[0] if row else 0)) / math.log(1 + total) for word, row in rows}
