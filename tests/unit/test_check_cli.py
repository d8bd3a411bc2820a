"""``mce check`` and ``mce explain`` from end to end: what they print, and the status they end with."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from mce.cli import main

FLOWS = """
    from typing import Annotated

    from pydantic import BaseModel

    from mce import Append, Context, each, gather, iterate, pure, recurs, retry, step


    class Notes(BaseModel, frozen=True):
        topic: str = ""
        log: Annotated[tuple[str, ...], Append()] = ()


    @step(idempotent=True, raises=LookupError)
    async def look(ctx: Context[Notes], word: str) -> list[str]:
        ctx.update(log=(word,))
        return [word]


    @step(idempotent=True)
    async def topic(ctx: Context[Notes], word: str) -> str:
        ctx.update(topic=word)
        return word


    @step(idempotent=False)
    async def mail(words: list[str]) -> None: ...


    good = gather(look, topic).map(lambda both: both[0]) >> mail
    conflicting = gather(topic, topic)
    endless = iterate(topic, until=bool)
    opaque = look.bind(lambda words: pure(words))
    folded = look.map(len).map(str).map(len)
"""


@pytest.fixture
def mce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    (tmp_path / "checked.py").write_text(dedent(FLOWS), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(list(arguments))
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    yield run
    sys.modules.pop("checked", None)


Run = Callable[..., tuple[int, str, str]]


def test_nothing_found(mce: Run) -> None:
    assert mce("check", "checked.py:good") == (0, "nothing found\n", "")


def test_an_error_fails_and_says_all(mce: Run) -> None:
    status, out, _ = mce("check", "checked.py:conflicting")
    assert status == 1
    head, fix, page, summary = out.splitlines()
    assert head.startswith("error MCE103 at gather: gather[0]/topic and gather[1]/topic write the field 'topic'")
    assert fix.startswith("  fix: declare how writes meet")
    assert (page, summary) == ("  see: docs/findings.md#mce103", "1 error")


def test_warnings_do_not_fail(mce: Run) -> None:
    status, out, _ = mce("check", "checked.py:endless")
    assert (status, out.splitlines()[0][:14], out.splitlines()[-1]) == (0, "warning MCE104", "1 warning")


def test_what_may_be_called(mce: Run) -> None:
    _, out, _ = mce("check", "checked.py:opaque", "--may-call")
    assert out.splitlines() == [
        "surely called  look  1 time",
        "may call anything: dynamic region at bind",
        "nothing found",
    ]


@pytest.mark.parametrize(
    ("flow", "step", "status", "said"),
    [
        ("good", "mail", 1, "denied mail may be called, at mail"),
        ("good", "checked:mail", 1, "denied checked:mail may be called, at mail"),
        ("good", "delete", 0, ""),
        ("opaque", "delete", 1, "denied delete may be called: dynamic region at bind may call anything"),
    ],
)
def test_a_denied_step(mce: Run, flow: str, step: str, status: int, said: str) -> None:
    found, out, _ = mce("check", f"checked.py:{flow}", "--deny", step)
    assert found == status
    assert [line for line in out.splitlines() if line.startswith("denied")] == ([said] if said else [])


def test_all_as_json(mce: Run) -> None:
    status, out, _ = mce("check", "checked.py:conflicting", "--json", "--deny", "topic")
    found = json.loads(out)
    assert status == 1
    assert [one["code"] for one in found["findings"]] == ["MCE103"]
    assert found["findings"][0]["page"] == "docs/findings.md#mce103"
    assert (found["may_call"], found["surely_calls"], found["may_call_anything_at"]) == (["topic"], ["topic"], [])
    assert found["calls"] == {"topic": {"least": 2, "most": 2}}
    assert found["denied"] == ["topic may be called, at gather[0]/topic, gather[1]/topic"]
    assert "bounds" not in found


def test_bounds_from_figures(mce: Run) -> None:
    Path("costs.json").write_text('{"look": {"seconds": 2, "cost": 0.5}, "topic": 3, "other": 1}')
    status, out, err = mce("check", "checked.py:good", "--costs", "costs.json")
    assert status == 0
    assert out.splitlines()[:5] == ["seconds  3", "work     5", "calls    3", "cost     0.5", "width    2"]
    assert "no figures, counted as 0 seconds: mail" in out
    assert err == "note: costs.json tells of 'other', and this flow has no step of that name\n"
    assert json.loads(mce("check", "checked.py:good", "--costs", "costs.json", "--json")[1])["bounds"]["seconds"] == {
        "least": 3.0,
        "most": 3.0,
    }


def test_figures_from_a_trace(mce: Run) -> None:
    assert mce("run", "checked.py:folded", "--input", '"a"', "--trace", "t.jsonl", "-q")[0] == 0
    status, out, _ = mce("explain", "checked.py:folded", "--costs", "t.jsonl")
    assert status == 0
    assert "critical path: " in out
    assert "without figures" not in out


@pytest.mark.parametrize("arguments", [["--costs", "costs.yaml"], ["--costs", "none.json"]])
def test_wrong_calls(mce: Run, arguments: list[str]) -> None:
    for command in ("check", "explain"):
        status, out, err = mce(command, "checked.py:good", *arguments)
        assert (status, out) == (2, "")
        assert err.startswith(f"mce {command}: ")
        assert arguments[1] in err


def test_a_flow_in_words(mce: Run) -> None:
    status, out, _ = mce("explain", "checked.py:good")
    assert status == 0
    lines = out.splitlines()
    assert lines[:6] == [
        "checked.py:good",
        "takes str and gives None",
        "may fail with LookupError",
        "works on the state Notes",
        "  topic: must not be written at the same time; written by topic",
        "  log: meets by Append(); written by look",
    ]
    assert "calls surely, when it succeeds: look, topic, mail" in lines
    assert "critical path: 2 steps: gather[0]/look -> mail" in lines


def test_rewrites_with_their_laws(mce: Run) -> None:
    out = mce("explain", "checked.py:folded")[1]
    *_, head, rewrite = out.splitlines()
    assert head.startswith("rewrites: 1, from 7 to ")
    assert "map(map(m, f), g) = " in rewrite
