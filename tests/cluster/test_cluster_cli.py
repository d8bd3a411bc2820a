"""``mce run --backend dask`` from end to end: on a running cluster, on one of its own, and what is refused."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from textwrap import dedent
from typing import Any, TypeAlias

import pytest
import trustme

from mce.backends.cluster.uploads import Sources, _Prints, sources_below
from mce.cli import main
from mce.cli.cluster import Cluster
from mce.errors import DefinitionError
from tests.cluster.commands import Commands

Run: TypeAlias = Callable[..., tuple[int, str, str]]

FLOWS = """
    from pathlib import Path

    import anyio
    import beside_it
    from beside_it import Word
    from inside import deep

    from mce import Failure, Result, Success, bracket, each, step


    @step
    async def weigh(text: str) -> Result[Word, str]:
        import imported_late

        print("printed", text)
        return Success(Word(text, len(text) * deep.FACTOR)) if text else Failure("nothing to weigh")


    @step
    async def acquire(path: str) -> str:
        return path


    @step
    async def use(path: str) -> str:
        Path(path).write_text("acquired")
        await anyio.sleep_forever()
        return path


    @step
    async def release(path: str) -> None:
        Path(path).write_text("released")


    words = each(weigh)
    held = bracket(acquire, use, release)
"""

BESIDE = """
    from dataclasses import dataclass


    @dataclass(frozen=True)
    class Word:
        text: str
        weight: int
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a file of flows and what that imports, which this process forgets at the end."""
    (tmp_path / "inside").mkdir()
    files = {
        "weighing.py": FLOWS,
        "beside_it.py": BESIDE,
        "imported_late.py": "",
        "inside/__init__.py": "",
        "inside/deep.py": "FACTOR = 2\n",
        "inside/notes.txt": "data",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(dedent(text), encoding="utf-8")
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def mce(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(folder)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["run", *arguments])
        told = capsys.readouterr()
        return int(left.value.code or 0), told.out, told.err

    return run


# -- a cluster that runs already --------------------------------------------------------------------------------------


def test_a_file_runs_on_a_cluster_that_has_not_got_it(mce: Run, cluster: Any) -> None:
    at = cluster.scheduler_address
    status, out, err = mce("weighing.py:words", "--backend", "dask", "--scheduler", at, "--input", '["an", "apple"]')
    assert (status, out) == (0, "(Word(text='an', weight=4), Word(text='apple', weight=10))\n")
    assert sorted(line.split()[1:3] for line in err.splitlines()) == [
        ["finished", "each[0]/weigh"],
        ["finished", "each[1]/weigh"],
        ["started", "each[0]/weigh"],
        ["started", "each[1]/weigh"],
    ]


def test_a_failure_a_trace_and_a_page(mce: Run, cluster: Any, folder: Path) -> None:
    kept = "--quiet", "--trace", "trace.jsonl", "--report", "page.html"
    at = cluster.scheduler_address
    status, out, err = mce("weighing.py:weigh", "--backend", "dask", "--scheduler", at, "--input", '""', *kept)
    assert (status, out) == (1, "")
    assert err.startswith("failed: 'nothing to weigh'\n  at weigh\n")
    lines = [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["step_started", "step_failed", "outcome"]
    assert all(0 <= line["time"] < 60 for line in lines[:2])  # seconds of one clock, whichever process told them
    assert "nothing to weigh" in (folder / "page.html").read_text()


def test_nothing_of_a_run_stays_on_the_cluster(mce: Run, cluster: Any, client: Any) -> None:
    before = client.run(finders)
    assert (
        mce("weighing.py:words", "--backend", "dask", "--scheduler", cluster.scheduler_address, "--input", "[]")[0] == 0
    )
    assert client.run(finders) == before


def finders() -> int:
    return sum(type(one).__name__ == "_Finder" for one in sys.meta_path)


def test_a_cluster_that_speaks_tls(mce: Run, folder: Path) -> None:
    """All of it with keys of one authority: without them, or with those of another, nobody takes part."""
    ours, theirs = keys(folder / "ours"), keys(folder / "theirs")
    with Commands(folder, 1, "--protocol", "tls", *named(ours, "ca-file", "cert", "key")) as started:
        asked = ["weighing.py:words", "--backend", "dask", "--scheduler", started.address, "--input", '["an", "apple"]']
        status, out, _ = mce(*asked, *named(ours, "ca", "cert", "key"))
        assert (status, out) == (0, "(Word(text='an', weight=4), Word(text='apple', weight=10))\n")
        for others in (named(theirs, "ca", "cert", "key"), named((ours[0], *theirs[1:]), "ca", "cert", "key")):
            status, out, err = mce(*asked, *others)
            assert (status, out) == (2, "")
            assert f"no scheduler can be reached at {started.address}" in err


def keys(folder: Path) -> tuple[str, str, str]:
    """Write the certificate of an authority, and a certificate signed by it with its key; give the files."""
    folder.mkdir()
    authority = trustme.CA()
    given = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    given.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    given.private_key_pem.write_to_path(folder / "key.pem")
    return str(folder / "ca.pem"), str(folder / "cert.pem"), str(folder / "key.pem")


def named(files: tuple[str, str, str], *options: str) -> list[str]:
    return [part for option, file in zip(options, files, strict=True) for part in (f"--tls-{option}", file)]


# -- what is sent -----------------------------------------------------------------------------------------------------


def imported(folder: Path, *names: str) -> Sources:
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    for name in names:
        sys.modules.pop(name, None)
        importlib.import_module(name)
    return sources_below(folder)


def test_workers_without_the_folder_get_copies(folder: Path, client: Any) -> None:
    sources = imported(folder, "inside.deep")
    assert sorted(sources.files) == ["inside/__init__.py", "inside/deep.py", "inside/notes.txt"]
    shutil.rmtree(folder / "inside")
    client.register_plugin(sources)
    assert set(client.run(resolve_name, "inside.deep:FACTOR").values()) == {2}
    (place,) = {Path(found).parents[2].name for found in client.run(resolve_name, "inside.deep:__file__").values()}
    assert place != folder.name
    client.unregister_worker_plugin(sources.name)


def test_workers_with_the_folder_use_it(folder: Path, client: Any) -> None:
    (folder / "in_place.py").write_text("")
    client.register_plugin(sources := imported(folder, "in_place"))
    assert set(client.run(resolve_name, "in_place:__file__").values()) == {str(folder / "in_place.py")}
    client.unregister_worker_plugin(sources.name)


def test_a_changed_module_is_imported_anew(folder: Path, client: Any) -> None:
    for number in range(3):
        (folder / "changing.py").write_text(f"NUMBER = {number}{' ' * number}\n")
        client.register_plugin(sources := imported(folder, "changing"))
        assert set(client.run(resolve_name, "changing:NUMBER").values()) == {number}
        client.unregister_worker_plugin(sources.name)


def test_what_was_not_changed_stays(folder: Path, client: Any) -> None:
    """A class stays the same, so that what another run still holds is of it."""
    found = []
    for _ in range(2):
        client.register_plugin(sources := imported(folder, "beside_it"))
        found.append(client.run(identity_of_a_class))
        client.unregister_worker_plugin(sources.name)
    assert found[0] == found[1]


def identity_of_a_class() -> int:
    return id(resolve_name("beside_it:Word"))


def test_installed_modules_and_mce_are_not_sent(folder: Path) -> None:
    assert set(sources_below(Path(pytest.__file__).parents[3]).modules).isdisjoint({"pytest", "json", "anyio", "mce"})
    assert sources_below(folder).files == {}


def test_too_much_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mce.backends.cluster.uploads._LARGEST", 10)
    with pytest.raises(DefinitionError, match="too many to send to every worker"):
        imported(folder, "beside_it")


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--scheduler", "tcp://a:1"], "--scheduler: only --backend dask has a cluster"),
        (["--backend", "inline", "--workers", "2"], "--workers: only --backend dask has a cluster"),
        (["--backend", "dask", "--workers", "2", "--scheduler", "tcp://a:1"], "say one of them"),
        (["--backend", "dask", "--tls-ca", "weighing.py"], "--tls-ca: these are for a --scheduler ADDRESS"),
        (
            ["--backend", "dask", "--scheduler", "tcp://a:1", "--tls-key", "weighing.py"],
            "--tls-key: the scheduler's address must then be tls://a:1",
        ),
        (["--backend", "dask", "--scheduler", "tls://a:1", "--tls-ca", "no.pem"], "there is no file no.pem"),
        (["--backend", "dask", "--scheduler", "tls://a:1", "--tls-ca", "weighing.py"], "tls://a:1 needs keys"),
        (
            ["--backend", "dask", "--scheduler", "tls://a:1", "--tls-ca", "weighing.py", "--tls-cert", "weighing.py"],
            "the keys for tls://a:1 cannot be used",
        ),
        (["--backend", "dask", "--scheduler", "somewhere"], "--scheduler somewhere is no address, such as tcp://"),
    ],
)
def test_what_is_refused(mce: Run, arguments: list[str], problem: str) -> None:
    status, out, err = mce("weighing.py:weigh", "--input", '"a"', *arguments)
    assert (status, out) == (2, "")
    assert problem in err


def test_no_scheduler_there(mce: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mce.cli.cluster._CONNECT", 0.1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else can
        at = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        status, out, err = mce("weighing.py:weigh", "--input", '"a"', "--backend", "dask", "--scheduler", at)
    assert (status, out) == (2, "")
    assert err.startswith(f"mce run: no scheduler can be reached at {at}: ")
    assert err.endswith("to start one: dask scheduler --port 8786\n")


def test_without_dask(mce: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    for name in [name for name in sys.modules if name.startswith("mce.backends.cluster")]:
        monkeypatch.delitem(sys.modules, name)
    status, _, err = mce("weighing.py:weigh", "--input", '"a"', "--backend", "dask")
    assert (status, err) == (2, "mce run: --backend dask needs Dask: pip install 'mce-agents[dask]'\n")


def test_the_options_that_were_said() -> None:
    assert Cluster().said == []
    assert Cluster("tls://a:1", tls_ca=Path("a"), tls_key=Path("b")).said == ["--scheduler", "--tls-ca", "--tls-key"]


# -- what steps print -------------------------------------------------------------------------------------------------


class _PrintedBy:
    """Stands for a worker: keeps what it is to send, and what its event loop is to call later."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.later: list[Callable[[], object]] = []
        self.loop = self

    def log_event(self, topic: str, told: dict[str, Any]) -> None:
        assert (topic, told["end"]) == ("print", "")
        self.sent += told["args"]

    def add_callback(self, call: Any, *args: Any) -> None:
        call(*args)

    def call_later(self, seconds: float, call: Any, *args: Any) -> None:
        self.later.append(partial(call, *args))


def test_a_line_is_sent_whole_whatever_other_threads_print() -> None:
    worker: Any = _PrintedBy()
    prints = _Prints(worker)
    turns = threading.Barrier(2)

    def line(*words: str) -> None:
        for word in words:
            turns.wait(timeout=30)
            prints.write(word)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(line, ("an", "red"), (" ", " "), ("apple", "pear"), ("\n", "\n")))
    assert sorted(worker.sent) == ["an apple\n", "red pear\n"]


def test_a_line_that_is_not_ended_is_sent_a_moment_later() -> None:
    worker: Any = _PrintedBy()
    prints = _Prints(worker)
    print("a\nb", end="", file=prints)
    assert worker.sent == ["a\n"]
    for call in worker.later:
        call()
    assert worker.sent == ["a\n", "b"]
    print("c", end="", file=prints, flush=True)
    assert worker.sent == ["a\n", "b", "c"]


# -- processes of its own ---------------------------------------------------------------------------------------------


def test_a_cluster_of_its_own(folder: Path) -> None:
    """What steps print on workers goes to stderr, as everywhere; stdout holds the value alone."""
    asked = ["weighing.py:words", "--backend", "dask", "--workers", "2", "--input", '["an", "apple"]']
    ended = subprocess.run(command(*asked), cwd=folder, capture_output=True, text=True, check=False)
    assert ended.stdout == "(Word(text='an', weight=4), Word(text='apple', weight=10))\n"
    assert ended.returncode == 0
    assert {"printed an", "printed apple"} <= set(ended.stderr.splitlines())


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another thing there")
def test_an_interrupt_lets_finalisers_run_on_the_workers(folder: Path) -> None:
    """Ctrl-C reaches every process of a terminal; workers leave it to the command."""
    asked = ["weighing.py:held", "--backend", "dask", "--workers", "1", "--input", json.dumps(str(folder / "held"))]
    options: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(command(*asked), cwd=folder, **options) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if " started  use " in line:
                break
        os.killpg(running.pid, signal.SIGINT)
        _, err = running.communicate()
    assert (folder / "held").read_text() == "released"
    assert running.returncode == 130
    assert err.endswith("mce run: interrupted\n")
    assert "Traceback" not in err


def test_a_lost_scheduler(folder: Path) -> None:
    with Commands(folder, 1) as started:
        asked = ["weighing.py:held", "--backend", "dask", "--scheduler", started.address]
        line = command(*asked, "--input", json.dumps(str(folder / "held")))
        with subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            assert running.stderr is not None
            for told in running.stderr:
                if " started  use " in told:
                    break
            started.scheduler.kill()
            _, err = running.communicate()
    assert running.returncode == 1
    assert err.startswith(f"mce run: the scheduler {started.address} is gone")
    assert "Traceback" not in err


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mce", "run", *arguments]


SCRIPT = """
    from dataclasses import dataclass

    from mce import DaskBackend, each, pure, step


    @dataclass(frozen=True)
    class Word:
        text: str


    class Empty(Exception):
        pass


    @step(raises=Empty)
    async def read(text: str) -> Word:
        if not text:
            raise Empty
        return Word(text)


    @step
    async def again(word: Word) -> Word:
        assert type(word) is Word
        return word if len(word.text) > 3 else await_more(word)


    def await_more(word: Word) -> Word:
        return Word(word.text * 2)


    flow = each((read >> again).recover(lambda error: pure(Word("none")), on=Empty))

    if __name__ == "__main__":
        with DaskBackend(n_workers=2, threads_per_worker=1) as backend:
            words = flow.run_sync(["ab", "", "long"], backend=backend).unwrap()
            print(words, {type(word) is Word for word in words})
            failed = read.run_sync("", backend=backend)
            print(repr(failed.error), type(failed.error) is Empty)
"""


def test_what_stands_in_a_script(folder: Path) -> None:
    """Steps of ``__main__`` go by their code: declared failures are caught, and classes are the script's own."""
    (folder / "script.py").write_text(dedent(SCRIPT))
    ended = subprocess.run([sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert ended.stdout.splitlines() == [
        "(Word(text='abab'), Word(text='none'), Word(text='long')) {True}",
        "Empty() True",
    ], ended.stderr
