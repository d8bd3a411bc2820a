"""The page of a graph and of a run: one file, which asks nobody for anything, and says no more than it may."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from mce import Context, each, lift, pure, step
from mce.cli import main
from mce.cli.exits import WrongCall
from mce.cli.serve import Site
from mce.cli.webpage import read_run
from mce.graph.page import live_page, page
from mce.graph.trace import Recorder, record
from mce.graph.wire import Feed
from tests.unit.test_cli_run import Call, call

__all__ = ["call"]

NASTY = "</script><script>alert('x')</script>\"'&<!--\u2028\ud800"


class Vault(BaseModel, frozen=True):
    key: SecretStr = SecretStr("sesame")
    opened: str = ""


@step
async def open_vault(ctx: Context[Vault], key: SecretStr) -> dict[str, Any]:
    ctx.update(opened=f"with {len(key)} letters", key=SecretStr("simsim"))
    return {"key": key, "said": NASTY}


@step
async def refuse(given: dict[str, Any]) -> str:
    raise ValueError(f"refused: {NASTY}")


class Parts(HTMLParser):
    """The elements of a page, with their attributes, and the text in the scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside][-1] += data


@pytest.fixture(scope="module")
def nasty() -> str:
    flow = (open_vault >> refuse).named('a < b & "c"')
    outcome = flow.run_sync(SecretStr("sesame"), state=Vault(), trace=True)
    graph = flow.graph(name=f"flow {NASTY}")
    return page(graph, record=record(outcome, graph=graph))


def test_the_page_has_one_script_of_its_own_and_its_data(nasty: str) -> None:
    parts = Parts(nasty)
    assert [found.get("type") for tag, found in parts.tags if tag == "script"] == ["application/json", None]
    data = json.loads(parts.texts["script"][0])
    assert data["rows"][0]["value"][0].count("<script>") == 1
    assert data["boxes"][0]["label"] == 'a < b & "c"'
    assert data["run"]["error"]["message"][0].startswith("refused: </script><script>")
    assert parts.texts["h1"] == [f"flow {NASTY}".replace("\ud800", "?")]


def test_the_page_names_nothing_outside_of_it(nasty: str) -> None:
    parts = Parts(nasty)
    found = [value for _, attributes in parts.tags for name, value in attributes.items() if name in ("src", "href")]
    assert found == ["data:,"]
    assert not re.search(r"https?:|@import|url\(", nasty)


def test_the_policy_allows_the_script_and_the_style_by_their_digests(nasty: str) -> None:
    parts = Parts(nasty)
    policy = next(found["content"] for tag, found in parts.tags if found.get("http-equiv")) or ""
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules == {
        "default-src": "'none'",
        "script-src": f"'{digest(parts.texts['script'][1])}'",
        "style-src": f"'{digest(parts.texts['style'][0])}'",
        "img-src": "data:",
        "connect-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_secrets_are_not_in_the_page(nasty: str) -> None:
    assert "sesame" not in nasty
    assert "simsim" not in nasty
    assert "**********" in nasty


def test_a_graph_has_a_page_without_a_run() -> None:
    data = json.loads(Parts(page((open_vault >> refuse).graph(name="g"))).texts["script"][0])
    assert (data["run"], [box["id"] for box in data["boxes"]]) == (None, ["open_vault", "refuse"])


def test_ten_thousand_steps_make_a_page_of_bounded_size() -> None:
    flow = lift(range) >> each(pure("x" * 1000) >> echo)
    graph = flow.graph()
    text = page(graph, record=record(flow.run_sync(10_000, trace=True), graph=graph))
    assert len(text) < 40_000_000
    assert len(json.loads(Parts(text).texts["script"][0])["rows"]) == 10_000


@step(pure=True)
def echo(text: str) -> str:
    return text


# -- the command -------------------------------------------------------------------------------------------------------


def data_in(text: str) -> Any:
    return json.loads(Parts(text).texts["script"][0])


def test_a_report_is_written(call: Call) -> None:
    assert call("say", "--input", '"hello"', "-q", "--report", "run.html").status == 0
    data = data_in(Path("run.html").read_text())
    assert (data["run"]["ok"], data["run"]["value"], data["rows"][0]["emitted"]) == (
        True,
        ['"HELLO"'],
        [['"heard hello"']],
    )


def test_a_report_is_written_of_a_failed_run(call: Call) -> None:
    assert call("kept", "--input", '"hello"', "-q", "--report", "run.html").status == 1
    run = data_in(Path("run.html").read_text())["run"]
    assert (run["ok"], run["failedAt"], run["error"]["type"]) == (False, 1, "NoEvidence")


def test_a_report_is_written_of_a_run_that_was_broken_off(call: Call) -> None:
    assert call("interrupt", "--input", "1", "-q", "--report", "run.html").status == 130
    data = data_in(Path("run.html").read_text())
    assert (data["run"]["over"], [row["step"] for row in data["rows"]]) == (False, ["interrupt"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--report", "no/run.html"), "mce run: --report no/run.html cannot be written: No such file or directory\n"),
        (("--port", "80"), "mce run: --port is for --live: say --live too\n"),
    ],
)
def test_a_wrong_call_is_said_before_the_run(call: Call, arguments: tuple[str, ...], said: str) -> None:
    ended = call("say", "--input", '"hello"', *arguments)
    assert (ended.status, ended.out, ended.err) == (2, "", said)


def test_a_port_that_is_taken_is_said_before_the_run(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = call("say", "--input", '"hello"', "--live", "--port", str(port))
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"mce run: --port {port} cannot be served: Address already in use")


def test_what_the_live_page_needs_is_named(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mce.cli.serve")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    ended = call("say", "--input", '"hello"', "--live")
    assert (ended.status, ended.err) == (2, "mce run: --live needs uvicorn: pip install 'mce-agents[live]'\n")


def test_the_page_and_the_pictures_of_a_trace(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    call("kept", "--input", '"hello"', "-q", "--trace", "run.jsonl")
    for arguments in (("-o", "run.html"), ("--format", "txt")):
        with pytest.raises(SystemExit) as left:
            main(["graph", "flows.py:kept", "--trace", "run.jsonl", *arguments])
        assert left.value.code in (0, None)
    assert data_in(Path("run.html").read_text())["run"]["failedAt"] == 1
    assert re.search("say.*✓ succeeded(.|\n)*refuse.*✗ failed", capsys.readouterr().out)


@pytest.mark.parametrize("option", ["--depth", "--focus"])
def test_a_page_is_not_folded_beforehand(call: Call, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["graph", "flows.py:kept", "-o", "flow.html", option, "1"])
    assert left.value.code == 2
    assert "whoever reads a page folds it there" in capsys.readouterr().err


def test_a_trace_is_read_for_a_page(call: Call) -> None:
    assert call("say", "--input", '"hello"', "-q", "--trace", "run.jsonl").status == 0
    run = read_run(Path("run.jsonl"), echo.graph())
    assert [(one.path, one.value) for one in run.occurrences] == [("say", "HELLO")]
    assert run.outcome is not None
    assert run.outcome["ok"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "--trace run.jsonl cannot be read: No such file or directory"),
        (b"[]\n", "--trace run.jsonl is not a trace of a run: line 1: not an object"),
        (b"\xff\n", "--trace run.jsonl is not a trace of a run: 'utf-8' codec can't decode"),
    ],
)
def test_a_file_that_is_no_trace_is_a_wrong_call(
    content: bytes | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("run.jsonl").write_bytes(content)
    with pytest.raises(WrongCall) as wrong:
        read_run(Path("run.jsonl"), echo.graph())
    assert str(wrong.value).startswith(said)


# -- the server --------------------------------------------------------------------------------------------------------


@pytest.fixture
def site() -> Iterator[tuple[Site, str, Recorder]]:
    """Serve the page of a flow; gives also the address and what is told to the page."""
    graph = echo.graph(name="echo")
    recorder = Recorder(graph)
    site = Site(live_page(graph), Feed(graph, recorder))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=site.serve, args=(listening,))
        thread.start()
        yield site, site.url(listening.getsockname()[1]), recorder
        site.stop()
        thread.join()


def fetch(url: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, ""


def test_the_live_page_may_ask_for_its_events_alone(site: tuple[Site, str, Recorder]) -> None:
    status, text = fetch(site[1])
    assert status == 200
    assert "connect-src 'self'" in text


def test_without_the_token_nothing_is_told(site: tuple[Site, str, Recorder]) -> None:
    base = site[1].rsplit("/", 2)[0]
    assert [fetch(f"{base}{path}")[0] for path in ("/", "/events", "/other/", "/other/events")] == [404] * 4


def test_a_request_in_another_name_is_refused(site: tuple[Site, str, Recorder]) -> None:
    assert fetch(site[1], Host="evil.example")[0] == 400
    assert fetch(f"{site[1]}events", Host="evil.example:80")[0] == 400


def test_the_events_tell_what_is_new_and_end_with_the_run(site: tuple[Site, str, Recorder]) -> None:
    server, url, recorder = site
    events = echo.run_sync("hello", trace=True).trace
    recorder.tell(events[0])
    with urllib.request.urlopen(f"{url}events") as answer:
        first = told(answer)
        recorder.tell(events[1])
        recorder.tell_data({"kind": "outcome", "ok": True, "value": "hello"})
        rest = [told(answer)]
        while not rest[-1]["run"]["over"]:
            rest.append(told(answer))
        assert answer.read() == b""
    assert [row["status"] for row in first["rows"]] == ["running"]
    assert [row["status"] for row in rest[-1]["rows"] or rest[-2]["rows"]] == ["succeeded"]
    assert server.told_end.wait(10)
    _, again = fetch(f"{url}events", **{"Last-Event-ID": "3"})
    assert json.loads(again.split("data: ")[1])["rows"] == []


def told(answer: Any) -> Any:
    """Read one event."""
    lines = [answer.readline().decode() for _ in range(3)]
    assert lines[0].startswith("id: ")
    assert lines[2] == "\n"
    return json.loads(lines[1].removeprefix("data: "))
