"""The search index: an SQLite FTS5 table over the stems of every document, kept in the user's cache folder.

Built on first use, in a file of its own that takes the index's name when it is complete: whoever looks sees a whole
index or none, and of two processes that build at once the last one's file stays, which says the same.
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
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .documents import Document, Progress, collect_documents, likelihood
from .naming import Naming
from .words import joined, stems

__all__ = ["BrokenIndex", "Hit", "cache_folder", "open_index", "read", "search", "weigh"]

_SCHEMA = 1  # raise it whenever the documents, the stems or the tables change
_APPLICATION = 0x6D636531
_FOLDER = "mce"
# How much a word counts, by where it is found; in the order of the columns.
_COLUMNS = {"name": 10.0, "signature": 3.0, "summary": 4.0, "body": 1.0, "context": 1.5}


class BrokenIndex(Exception):
    """The file at ``path`` cannot be used as an index; ``problem`` says why. ``open_index`` gives a good one."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return f"no usable index at {self.path!r} ({self.problem}); call open_index() for its path: it builds a new one"


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that a search found; the higher ``score`` the better, comparable within one search."""

    id: int
    name: str
    score: float


def cache_folder() -> Path:
    """Give the folder for files that can be made again, as the operating system wants it."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / _FOLDER


def index_name() -> str:
    """Name the index's file after all that it depends on."""
    python = f"{platform.python_implementation()}-{platform.python_version()}-{sys.platform}"
    return f"stdlib-{python}-{_SCHEMA}.sqlite3".lower()


def open_index(progress: Progress | None = None, *, folder: Path | None = None) -> Path:
    """Give the path of a good index in ``folder`` (the user's cache), building it when there is none.

    ``progress(done, total)`` is called while it is built. When the folder cannot be written, the index lives in a
    temporary folder until the process ends, and a ``RuntimeWarning`` says so. Raises ``NoSources``.
    """
    path = (folder or cache_folder()) / index_name()
    if find_damage(path) is None:
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _build(path, progress)
    except (OSError, sqlite3.OperationalError) as problem:
        message = f"cannot keep the search index in {str(path.parent)!r} ({problem}); it is built for this run only"
        warnings.warn(message, RuntimeWarning, stacklevel=2)
        path = Path(tempfile.mkdtemp(prefix="mce-")) / path.name
        atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
        _build(path, progress)
    return path


def find_damage(path: Path) -> str | None:
    """Say what is wrong with the index at ``path``, or None."""
    if not path.exists():
        return "there is no such file"
    try:
        with _connect(path) as db:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            if application != _APPLICATION:
                return "it is not an index"
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
            return None if verdict == "ok" else str(verdict)
    except (sqlite3.Error, BrokenIndex) as problem:
        return str(problem)


def _build(path: Path, progress: Progress | None) -> None:
    """Write a new index beside ``path`` and give it the name when it is complete."""
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    try:
        with closing(sqlite3.connect(name)) as db:
            _fill(db, collect_documents(progress))
        try:
            os.replace(name, path)
        except PermissionError:  # Windows: another process has it open, so it is there
            if find_damage(path):
                raise
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def _fill(db: sqlite3.Connection, documents: list[Document]) -> None:
    naming = Naming(documents)
    db.executescript(
        f"""
        PRAGMA journal_mode = OFF;
        PRAGMA synchronous = OFF;
        CREATE TABLE documents (
            id INTEGER PRIMARY KEY, name TEXT, kind TEXT, signature TEXT, text TEXT, module TEXT, file TEXT,
            line INTEGER, also TEXT, parent TEXT, uses INTEGER, deprecated INTEGER, owner INTEGER, words TEXT, parts TEXT, weight REAL
        );
        CREATE VIRTUAL TABLE search USING fts5({", ".join(_COLUMNS)}, content='');
        CREATE VIRTUAL TABLE vocabulary USING fts5vocab(search, row);
        """
    )
    documents = [replace(one, words=naming.words(one), parts=naming.parts(one)) for one in documents]
    marks = ", ".join("?" * 16)
    db.executemany(f"INSERT INTO documents VALUES ({marks})", map(_row, documents))
    marks = ", ".join("?" * len(_COLUMNS))
    db.executemany(
        f"INSERT INTO search (rowid, {', '.join(_COLUMNS)}) VALUES (?, {marks})",
        ((document.id, *_index_words(document)) for document in documents),
    )
    db.execute("INSERT INTO search (search) VALUES ('optimize')")
    db.execute(f"PRAGMA application_id = {_APPLICATION}")
    db.commit()


def _row(document: Document) -> tuple[object, ...]:
    one = document
    texts = (one.id, one.name, one.kind, one.signature, one.text, one.module, one.file, one.line)
    parts = " ".join("/".join(part) for part in one.parts)
    notes = (one.parent, one.uses, one.deprecated, one.owner_uses, " ".join(one.words), parts, likelihood(one))
    return (*texts, "\n".join(one.also), *notes)


def _index_words(document: Document) -> tuple[str, ...]:
    summary, _, body = document.text.partition("\n\n")
    signature = document.signature.partition("(")[2]
    parts = (signature, summary, body, document.parent)
    return (" ".join(document.words), *(" ".join(stems(part)) for part in parts))


@contextmanager
def _connect(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the index to read; it is never written again, only replaced, so no locks are needed."""
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    except sqlite3.Error as problem:
        raise BrokenIndex(str(path), str(problem)) from problem
    with closing(db):
        try:
            yield db
        except sqlite3.Error as problem:
            raise BrokenIndex(str(path), str(problem)) from problem


def search(path: Path, query: str, limit: int = 20) -> tuple[Hit, ...]:
    """Find the documents that the words of ``query`` fit best, the best first; any text is a valid query."""
    words = dict.fromkeys([*stems(query), *(joined(word) for word in query.split())])
    if not any(words):
        return ()
    ask = " OR ".join(f'"{word}"' for word in words if word)
    weights = ", ".join(map(str, _COLUMNS.values()))
    with _connect(path) as db:
        rows = db.execute(
            f"""
            SELECT documents.id, documents.name, -bm25(search, {weights}) * documents.weight AS score
            FROM search JOIN documents ON documents.id = search.rowid
            WHERE search MATCH ? ORDER BY score DESC, documents.id LIMIT ?
            """,
            (ask, limit),
        ).fetchall()
    return tuple(Hit(*row) for row in rows)


def read(path: Path, id: int) -> Document:
    """Read the document ``id``; raises ``LookupError`` when there is none."""
    with _connect(path) as db:
        row = db.execute("SELECT * FROM documents WHERE id = ?", (id,)).fetchone()
    if row is None:
        raise LookupError(f"no document {id} in {str(path)!r}; ids come from search()")
    *fields, also, parent, uses, deprecated, owner, words, parts, _ = row
    named = frozenset(words.split()), tuple(frozenset(part.split("/")) for part in parts.split())
    return Document(*fields, tuple(also.split("\n")) if also else (), parent, uses, bool(deprecated), owner, *named)


def weigh(path: Path, words: Iterable[str]) -> Mapping[str, float]:
    """Say how much each word (a stem) tells: from 0 for one that is everywhere to 1 for one that is nowhere."""
    with _connect(path) as db:
        (total,) = db.execute("SELECT count(*) FROM documents").fetchone()
        counts = {
            word: (db.execute("SELECT doc FROM vocabulary WHERE term = ?", (word,)).fetchone() or (0,))[0]
            for word in set(words)
        }
    return {word: math.log((total + 1) / (count + 1)) / math.log(total + 1) for word, count in counts.items()}
