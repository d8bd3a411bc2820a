"""The index of the standard library's documentation: what is in it, how it is kept, and that no query breaks it."""

from __future__ import annotations

import os
import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stdlib_docs import index as index_module
from stdlib_docs.documents import Document, collect_documents
from stdlib_docs.index import (
    BrokenIndex,
    Hit,
    cache_folder,
    find_damage,
    merge_hits,
    open_index,
    read,
    search,
    weigh,
)
from stdlib_docs.sources import NoSources, find_sources
from stdlib_docs.words import stem

EXAMPLES = Path(__file__).parents[2] / "examples"

# -- what is in it ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of the whole library, built once for all modules of tests."""
    return open_index(folder=tmp_path_factory.getbasetemp() / "stdlib")


def named(index: Path, name: str) -> Document:
    """Read the document called ``name``."""
    with sqlite3.connect(index) as db:
        (number,) = db.execute("SELECT id FROM documents WHERE name = ?", (name,)).fetchone()
    return read(index, number)


@pytest.mark.parametrize(
    ("name", "kind", "signature", "place"),
    [
        ("asyncio.TaskGroup", "class", "asyncio.TaskGroup(", "asyncio/taskgroups.py"),
        ("asyncio.sleep", "function", "async asyncio.sleep(delay", "asyncio/tasks.py"),
        ("os.path.join", "function", "os.path.join(", f"{os.path.__name__}.py"),
        ("os.getcwd", "function", "os.getcwd()", "built-in"),
        ("random.choice", "function", "random.choice(seq", "random.py"),
        ("csv.reader", "function", "csv.reader(iterable", "built-in"),
        ("csv.DictReader", "class", "csv.DictReader(f, fieldnames=None", "csv.py"),
        ("collections.abc.Mapping", "class", "collections.abc.Mapping", "_collections_abc.py"),
        ("concurrent.futures.ThreadPoolExecutor", "class", "concurrent.futures.Thread", "concurrent/futures/thread.py"),
        ("multiprocessing.Pool", "function", "multiprocessing.Pool(processes", "multiprocessing/context.py"),
        ("multiprocessing.Process", "class", "multiprocessing.Process(", "multiprocessing/context.py"),
        ("argparse.ArgumentParser.add_argument", "method", "argparse.ArgumentParser.add_", "argparse.py"),
        ("pathlib.PurePath.suffix", "property", "pathlib.PurePath.suffix", "pathlib"),
        ("re.Match.group", "method", "re.Match.group", "built-in"),
        ("sqlite3.connect", "function", "sqlite3.connect", "built-in"),
        ("threading.Lock", None, "threading.Lock", None),
        ("str.split", "method", "str.split(sep=None", "built-in"),
        ("getpass.getpass", "function", "getpass.getpass(", "getpass.py"),
        ("json", "module", "module json", "json/__init__.py:1"),
        ("math", "module", "module math", "built-in"),
        ("hashlib.sha256", None, "hashlib.sha256", None),
        ("sys.argv", "constant", "sys.argv", "built-in"),
    ],
)
def test_a_thing_is_found_under_its_public_name(
    index: Path, name: str, kind: str | None, signature: str, place: str | None
) -> None:
    document = named(index, name)
    assert kind is None or document.kind == kind
    assert document.signature.startswith(signature)
    assert place is None or document.place.startswith(place)


def test_a_document_has_the_text_its_other_names_and_what_it_belongs_to(index: Path) -> None:
    semaphore = named(index, "asyncio.Semaphore")
    assert semaphore.text.startswith("A Semaphore implementation.")
    assert "asyncio.locks.Semaphore" in semaphore.also
    cancel = named(index, "asyncio.Task.cancel")
    assert cancel.parent == named(index, "asyncio.Task").text.partition("\n\n")[0]
    assert "secrets.choice" in named(index, "random.choice").also


def test_what_has_no_docstring_is_described_by_its_module_its_base_or_its_members(index: Path) -> None:
    assert "ASCII letters" in named(index, "string.ascii_letters").text
    assert "sha256()" in named(index, "hashlib.sha256").text
    assert named(index, "multiprocessing.Process").text.startswith("Process objects represent activity")
    assert named(index, "csv.DictReader").text == "Members: fieldnames."


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("shutil.copytree", [{"copy"}, {"tree"}]),
        ("os.rmdir", [{"rm", "remove"}, {"dir", "directory"}]),
        ("asyncio.TaskGroup", [{"task"}, {"group"}]),
        ("subprocess.check_output", [{"check"}, {"output"}]),
        ("set.isdisjoint", [{"is"}, {"disjoint"}]),
        ("list.append", [{"append"}]),
    ],
)
def test_a_name_is_known_by_the_words_it_is_made_of(index: Path, name: str, parts: list[set[str]]) -> None:
    assert [set(part) for part in named(index, name).parts] == [{stem(word) for word in part} for part in parts]


def test_what_is_in_use_is_likelier_asked_for(index: Path) -> None:
    much, little, internal = "re.sub", "re.purge", "pickletools.ArgumentDescriptor"
    assert named(index, much).likelihood > named(index, little).likelihood > named(index, internal).likelihood


def test_names_are_unique_and_none_is_private_or_a_test(index: Path) -> None:
    with sqlite3.connect(index) as db:
        names = [name for (name,) in db.execute("SELECT name FROM documents")]
    assert len(names) == len(set(names)) > 5000
    assert not [name for name in names if name.startswith(("test.", "idlelib", "lib2to3", "_"))]
    assert not [name for name in names if "._" in name]


# -- reading sources --------------------------------------------------------------------------------------------------

SOURCES: dict[str, str | bytes] = {
    "this.py": '"""Acts when it is imported."""\nraise SystemExit("it was imported")\n',
    "json/__init__.py": '''
"""Encode and decode.

    loads -- decode
    OPTIONS    what can be set,
               and what it does
"""
from .inner import *
from .inner import __all__ as _all
from ._private import helper
from .other import unlisted
import os
__all__ = ["dumps"]
__all__ += _all
__all__.append("OPTIONS")
__all__.append("gone")
OPTIONS = make()

async def dumps(value, *, indent: int = 2) -> str:
    """Encode ``value``."""
''',
    "json/inner.py": '''
__all__ = ["Reader", "loads", "default_reader"]

class Base:
    """Reads things."""

    def __init__(self, path):
        """Open ``path``."""

    def close(self):
        """Close it."""

class Reader(Base):
    def close(self):
        pass

    def read(self, size=-1):
        """Read ``size`` bytes."""

    @property
    def name(self):
        """The name."""

    def _secret(self):
        """Nobody's business."""

_reader = Reader("x")
default_reader = _reader.read

if True:
    def loads(text):
        """Decode ``text``."""
else:
    def loads(text):
        """Never read."""
''',
    "json/_private.py": 'def helper():\n    """Help."""\n',
    "json/other.py": 'def unlisted():\n    """Not handed on."""\n',
    "csv.py": "def broken(:\n",
    "string.py": b'# coding: latin-1\n"""Caf\xe9."""\n',
    "test/test_json.py": '"""A test."""\n',
    "site-packages/numpy.py": '"""Not ours."""\n',
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small library, in files."""
    root = tmp_path_factory.mktemp("library")
    for name, text in SOURCES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


@pytest.fixture(scope="module")
def small(sources: Path) -> dict[str, Document]:
    """The documents of the small library, and of the modules in C, by name."""
    return {document.name: document for document in collect_documents(root=sources)}


def test_sources_are_read_and_never_run(small: dict[str, Document]) -> None:
    assert small["this"].text == "Acts when it is imported."
    assert "this" not in sys.modules


def test_a_package_hands_on_what_it_lists(small: dict[str, Document]) -> None:
    assert small["json.Reader"].place == "json/inner.py:13"
    assert small["json.loads"].text == "Decode ``text``."
    assert small["json.dumps"].signature == "async json.dumps(value, *, indent: int=2) -> str"
    assert small["json.default_reader"].signature == "json.default_reader(size=-1)"
    assert small["json.default_reader"].kind == "function"
    assert not {"json.helper", "json.unlisted", "json.os", "json.Base", "json.Reader._secret"} & small.keys()
    assert small["json.other.unlisted"].text == "Not handed on."


def test_a_class_takes_signature_text_and_members_from_its_bases(small: dict[str, Document]) -> None:
    assert small["json.Reader"].signature == "json.Reader(path)"
    assert small["json.Reader"].text == "Reads things.\n\nOpen ``path``."
    assert small["json.Reader.close"].text == "Close it."
    assert small["json.Reader.name"].kind == "property"


def test_a_listed_name_without_a_definition_is_what_the_module_says_of_it(small: dict[str, Document]) -> None:
    assert small["json.OPTIONS"].text.split() == ["OPTIONS", "what", "can", "be", "set,", "and", "what", "it", "does"]
    assert "json.gone" not in small


def test_files_that_are_no_modules_of_the_library_are_left_out(sources: Path, small: dict[str, Document]) -> None:
    assert not {"numpy", "test.test_json", "csv"} & small.keys()
    assert small["string"].text == "Café."
    assert set(find_sources(sources)) >= {"this", "json", "json.inner", "csv", "string"}


def test_progress_counts_up_to_the_total(sources: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    open_index(lambda done, total: seen.append((done, total)), folder=tmp_path, sources=sources)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len({total for _, total in seen}) == 1
    assert seen[-1][0] == seen[-1][1]


def test_a_python_without_sources_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoSources, match="use a Python that is installed with its .py files"):
        open_index(folder=tmp_path / "cache", sources=tmp_path)


# -- how it is kept ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_index(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of the small library."""
    return open_index(folder=tmp_path_factory.mktemp("cache"), sources=sources)


def test_the_file_is_named_after_python_and_the_schema(small_index: Path) -> None:
    assert f"-{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}" in small_index.name
    assert f"-{index_module._SCHEMA}.sqlite3" in small_index.name
    assert find_damage(small_index) is None


def test_a_kept_index_is_not_built_again(small_index: Path, sources: Path) -> None:
    calls: list[int] = []
    before = small_index.stat()
    assert open_index(lambda done, _: calls.append(done), folder=small_index.parent, sources=sources) == small_index
    assert not calls
    assert small_index.stat().st_ino == before.st_ino


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def overwrite(data: bytes) -> bytes:
    return data[:8192] + b"\xff" * 65536 + data[8192 + 65536 :]


def unfinished(data: bytes) -> bytes:
    return data[:68] + bytes(4) + data[72:]  # the application id is the last thing written


@pytest.mark.parametrize("damage", [cut, overwrite, unfinished, lambda _: b"", lambda _: b"not a database" * 100])
def test_a_damaged_file_is_built_again(
    small_index: Path, sources: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / small_index.name
    path.write_bytes(damage(small_index.read_bytes()))
    assert find_damage(path) is not None
    assert open_index(folder=tmp_path, sources=sources) == path
    assert find_damage(path) is None
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_new_schema_has_a_new_file(small_index: Path, sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "_SCHEMA", index_module._SCHEMA + 1)
    other = open_index(folder=small_index.parent, sources=sources)
    assert other != small_index
    assert find_damage(other) is find_damage(small_index) is None


def test_where_nothing_can_be_kept_the_index_serves_this_run(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.warns(RuntimeWarning, match="cannot be kept .*built for this run only; set XDG_CACHE_HOME"):
        path = open_index(folder=tmp_path / "cache", sources=sources)
    assert tmp_path not in path.parents
    assert search(path, "decode")


def test_a_build_that_is_stopped_leaves_nothing(sources: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_index(stop, folder=tmp_path, sources=sources)
    assert not list(tmp_path.iterdir())


OPEN = """
import os, sys
from pathlib import Path
from stdlib_docs.index import open_index

def tell(done, total):
    if sys.argv[3] == "die" and done > total - 50:
        os._exit(7)

print("ready", flush=True)
sys.stdin.readline()
print(open_index(tell, folder=Path(sys.argv[1]), sources=Path(sys.argv[2])))
"""


def opener(folder: Path, sources: Path, mode: str) -> subprocess.Popen[str]:
    """Start a process that opens the index as soon as it gets a line."""
    command = [sys.executable, "-c", OPEN, str(folder), str(sources), mode]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=EXAMPLES)


def test_two_processes_that_build_at_once_both_get_a_good_index(sources: Path, tmp_path: Path) -> None:
    processes = [opener(tmp_path, sources, "live") for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    paths = {Path(process.communicate(timeout=100)[0].strip()) for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    (path,) = paths
    assert find_damage(path) is None
    assert list(tmp_path.iterdir()) == [path]
    assert search(path, "json.loads")[0].name == "json.loads"


def test_a_process_that_dies_while_it_builds_breaks_nothing(sources: Path, tmp_path: Path) -> None:
    process = opener(tmp_path, sources, "die")
    process.communicate("go\n", timeout=100)
    assert process.returncode == 7
    (part,) = tmp_path.iterdir()
    assert part.suffix == ".part"
    path = open_index(folder=tmp_path, sources=sources)
    assert find_damage(path) is None
    assert part.exists()  # for all that is known, it is being written
    path.unlink()
    os.utime(part, (0, 0))
    open_index(folder=tmp_path, sources=sources)
    assert not part.exists()


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/mce"),
        ("linux", {"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/mce"),
        ("linux", {"HOME": "/h"}, "/h/.cache/mce"),
        ("darwin", {"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/h/Library/Caches/mce"),
        ("win32", {"LOCALAPPDATA": "/l", "HOME": "/h"}, "/l/mce"),
        ("win32", {"HOME": "/h"}, "/h/AppData/Local/mce"),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="paths are written as on POSIX")
def test_the_cache_is_where_the_system_wants_it(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], folder: str
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder() == Path(folder)


# -- searching --------------------------------------------------------------------------------------------------------


SYNTAX = st.text(alphabet="\"'`*^:()=-+.,;{}[]\\%_ ANDORNEAR\x00é\n")


@given(query=st.text() | SYNTAX, limit=st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_no_text_breaks_a_search(small_index: Path, query: str, limit: int) -> None:
    hits = search(small_index, query, limit)
    assert len(hits) <= limit
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(read(small_index, hit.id).name == hit.name for hit in hits)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("copy directory tree", "shutil.copytree"),
        ("TaskGroup", "asyncio.TaskGroup"),
        ("task_group", "asyncio.TaskGroup"),
        ("asyncio.taskgroup", "asyncio.TaskGroup"),
        ("pathlib.Path.stem", "pathlib.PurePath.stem"),
        ("parsing JSON documents", "json.loads"),
        ("=deepcopy", "copy.deepcopy"),
    ],
)
def test_words_and_names_find_documents_however_they_are_written(index: Path, query: str, name: str) -> None:
    assert name in [hit.name for hit in search(index, query, 10)]


@pytest.mark.parametrize("query", ["", "   ", "?!", "=", "= ="])
def test_a_query_without_words_finds_nothing(index: Path, query: str) -> None:
    assert search(index, query) == ()


def test_an_equals_sign_asks_for_a_whole_name(index: Path) -> None:
    assert {hit.name.rpartition(".")[2].lower() for hit in search(index, "=copy")} == {"copy"}


def test_hits_of_several_searches_are_merged_by_their_places() -> None:
    a, b, c = (Hit(number, name, 1.0) for number, name in enumerate("abc"))
    assert [hit.name for hit in merge_hits([[a, b], [c, b], [b]])] == ["b", "a", "c"]
    assert [hit.name for hit in merge_hits([[a, b], [c, b], [b]], 1)] == ["b"]
    assert merge_hits([]) == merge_hits([[], []]) == ()


def test_rare_words_tell_more_than_frequent_ones(index: Path) -> None:
    weights = weigh(index, ["return", "gzip", "blorp"])
    assert 0 < weights["return"] < weights["gzip"] < weights["blorp"] == 1
    assert weigh(index, []) == {}


def test_an_unknown_number_is_named(index: Path) -> None:
    with pytest.raises(LookupError, match="no document 0 in .*the id of a Hit"):
        read(index, 0)


def test_a_missing_or_broken_index_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.sqlite3"
    broken.write_bytes(b"not a database" * 100)
    for path in (tmp_path / "missing.sqlite3", broken):
        with pytest.raises(BrokenIndex, match="no usable search index at .*open_index"):
            search(path, "copy")


@pytest.mark.parametrize("error", [BrokenIndex("/a/path", "it is empty"), NoSources("/a/folder")])
def test_errors_cross_process_borders(error: Exception) -> None:
    sent = pickle.loads(pickle.dumps(error))
    assert (type(sent), sent.args, str(sent)) == (type(error), error.args, str(error))
