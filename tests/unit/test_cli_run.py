"""``mce run`` from end to end, in this process: what it prints where, and the status it ends with."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from mce.cli import main
from mce.cli.app import app

FLOWS = """
    from __future__ import annotations

    import json
    import sys
    from dataclasses import dataclass
    from enum import Enum
    from typing import Annotated

    from pydantic import BaseModel, SecretStr

    from mce import (Append, Context, Failure, Result, Success, bracket, do, ensure, fail, gather, get, lift, pure,
                     recurs, step, tap, validate)


    class Notes(BaseModel, frozen=True):
        log: Annotated[tuple[str, ...], Append()] = ()
        key: SecretStr = SecretStr("sesame")


    class Needing(BaseModel, frozen=True):
        topic: str


    @dataclass(frozen=True)
    class NoEvidence:
        question: str


    class Letter(BaseModel):
        text: str

        def __str__(self) -> str:
            return f"Dear reader, {self.text}"


    class Mute:
        def __repr__(self) -> str:
            raise RuntimeError("no")


    @step
    async def echo(value):
        return value


    @step
    async def say(ctx: Context[Notes], text: str) -> str:
        ctx.update(log=(*ctx.state.log, f"said {text}"))
        ctx.emit(f"heard {text}")
        print("printed", text)
        return text.upper()


    @step
    async def topic(ctx: Context[Needing]) -> str:
        return ctx.state.topic


    @step
    def refuse(question: str) -> Result[str, NoEvidence]:
        return Failure(NoEvidence(question))


    def helper(n: int) -> int:
        return n // 0


    @step(retry=recurs(1))
    async def divide(n: int) -> int:
        return helper(n)


    @step
    def divide_in_thread(n: int) -> int:
        return helper(n)


    @step
    def read_trace(name: str) -> list[str]:
        with open(name) as file:
            return [json.loads(line)["kind"] for line in file]


    @step
    async def untrue(n: int) -> int:
        return "text"


    @step(validate=False)
    async def untrue_too(n: int) -> list[int]:
        return ["text"]


    @step
    async def leave(n: int) -> int:
        sys.exit(n)


    @step
    def interrupt(n: int) -> int:
        raise KeyboardInterrupt


    @step
    async def two(a: int, b: int) -> int:
        return a + b


    @step
    async def misspell(ctx: Context[Notes], n: int) -> int:
        ctx.update(lgo=n)
        return n


    letter = pure(Letter(text="hello"))
    mute = pure(Mute())
    secret = pure({"key": SecretStr("sesame")})
    failing = say >> gather(pure("beside"), refuse, pure("after"))
    kept = say >> refuse
    finalised = ensure(leave, tap(pure(1), lambda _: print("finalised")))
    closed = pure(3)
    both = validate(fail("first"), fail("second"))
"""


@dataclass
class Ended:
    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


Call = Callable[..., Ended]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """Run ``mce run flows.py:<name>`` with more arguments, in a folder that holds the flows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "flows.py").write_text(dedent(FLOWS))

    def run(name: str, *arguments: str) -> Ended:
        with pytest.raises(SystemExit) as left:
            main(["run", f"flows.py:{name}", *arguments])
        assert isinstance(left.value.code, int)
        said = capsys.readouterr()
        return Ended(left.value.code, said.out, said.err)

    yield run
    sys.modules.pop("flows", None)


@pytest.fixture(params=["inline", "local"])
def backend(request: pytest.FixtureRequest) -> tuple[str, str]:
    return ("--backend", request.param)


# -- what is printed ---------------------------------------------------------------------------------------------------


def test_stdout_holds_the_value_and_nothing_else(call: Call, backend: tuple[str, str]) -> None:
    ended = call("say", "--input", '"hello"', *backend)
    assert (ended.status, ended.out) == (0, "HELLO\n")
    assert [line.split(maxsplit=1)[1] for line in ended.err.splitlines() if line.startswith(" ")] == [
        "started  say  'hello'",
        "state    say  log=('said hello',)",
        "emitted  say  'heard hello'",
        "finished say  'HELLO'",
    ]
    assert "printed hello\n" in ended.err


def test_what_is_printed_while_importing_goes_to_stderr_too(
    call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loud.py").write_text("from mce import pure\nprint('imported')\nflow = pure(3)")
    ended = called(capsys, "run", "loud.py:flow")
    assert (ended.out, ended.err) == ("3\n", "imported\n")


def test_a_quiet_run_tells_no_events(call: Call) -> None:
    assert call("say", "--input", '"hello"', "-q").err == "printed hello\n"


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (None, "None"),
        (3, "3"),
        ([1, "a"], "[1, 'a']"),
        ("two\nlines", "two\nlines"),
        (list(range(40)), "[\n" + "".join(f"    {n},\n" for n in range(39)) + "    39\n]"),
    ],
)
def test_values_are_written_as_python_does_and_texts_as_they_are(call: Call, data: Any, shown: str) -> None:
    assert call("echo", "--input", json.dumps(data)).out == f"{shown}\n"


def test_a_value_whose_class_says_how_it_reads_reads_so(call: Call) -> None:
    assert call("letter").out == "Dear reader, hello\n"


def test_a_value_that_cannot_be_written_is_no_crash(call: Call) -> None:
    ended = call("mute")
    assert ended.status == 0
    assert "repr" in ended.out
    assert call("mute", "--json").data["value"] == "<Mute: its repr raised RuntimeError>"


def test_a_long_value_is_all_there(call: Call) -> None:
    assert len(call("echo", "--input", json.dumps("x" * 300_000)).out) == 300_001
    assert call("echo", "--input", json.dumps(list(range(5000)))).out.splitlines()[-2] == "    4999"
    huge = list(range(50_000))
    assert call("echo", "--input", json.dumps(huge)).out == f"{huge}\n"


def test_colours_that_are_forced_change_nothing_else(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert call("echo", "--input", json.dumps(list(range(300)))).out.splitlines()[-2] == "    299"
    assert call("closed", "--json").out == '{"ok": true, "value": 3, "state": null}\n'


def test_json_is_one_object_on_one_line(call: Call, backend: tuple[str, str]) -> None:
    ended = call("say", "--input", '"é"', "--json", *backend)
    assert ended.data == {"ok": True, "value": "É", "state": {"log": ["said é"], "key": "**********"}}
    assert ended.out.count("\n") == 1


def test_secrets_are_never_printed(call: Call, tmp_path: Path) -> None:
    trace = tmp_path / "t.jsonl"
    for name, *arguments in [
        ("secret",),
        ("say", "--input", '"a"'),
        ("kept", "--input", '"a"'),
        ("misspell", "--input", "1"),
    ]:
        for json_too in ((), ("--json",)):
            ended = call(name, *arguments, "--trace", str(trace), *json_too)
            said = ended.out + ended.err + trace.read_text()
            assert "sesame" not in said
            assert "**********" in said


# -- what failed -------------------------------------------------------------------------------------------------------


def test_a_failure_says_what_where_and_beside_what(call: Call, backend: tuple[str, str]) -> None:
    ended = call("failing", "--input", '"q"', "-q", *backend)
    assert (ended.status, ended.out) == (1, "")
    lines = ended.err.splitlines()
    assert lines[:3] == ["printed q", "failed: NoEvidence(question='Q')", "  at gather[1]/refuse"]
    assert "  beside it gather[0] gave 'beside'" in lines
    assert lines[-1] == "  state Notes(log=('said q',), key=SecretStr('**********'))"
    assert "Traceback" not in ended.err


def test_a_defect_shows_the_users_own_frames(call: Call, backend: tuple[str, str]) -> None:
    ended = call("divide", "--input", "3", "-q", *backend)
    assert ended.status == 1
    head, _, traceback = ended.err.partition("\n\nTraceback (most recent call last):\n")
    failed = "failed with a defect: ZeroDivisionError: integer division or modulo by zero"
    assert head == f"{failed}\n  at divide (attempt 2)"
    assert re.findall(r"^  File .*, in (\w+)$", traceback, re.MULTILINE) == ["divide", "helper"]
    assert traceback.endswith("ZeroDivisionError: integer division or modulo by zero\n")


def test_a_defect_in_a_thread_shows_no_carrier(call: Call, backend: tuple[str, str]) -> None:
    said = call("divide_in_thread", "--input", "3", "-q", *backend).err
    assert re.findall(r"^  File .*, in (\w+)$", said, re.MULTILINE) == ["divide_in_thread", "helper"]


def test_several_errors_are_listed(call: Call) -> None:
    assert call("both", "-q").err.startswith("failed: 2 errors\n  'first'\n  'second'\n  at validate\n")


def test_a_failure_as_json(call: Call, backend: tuple[str, str]) -> None:
    ended = call("failing", "--input", '"q"', "--json", *backend)
    assert ended.status == 1
    assert ended.data["ok"] is False
    assert ended.data["error"] == {
        "type": "NoEvidence",
        "message": "NoEvidence(question='Q')",
        "value": {"question": "Q"},
    }
    assert ended.data["where"]["path"] == "gather[1]/refuse"
    assert ended.data["where"]["attempt"] == 1
    assert ended.data["where"]["notes"] == []
    assert {"path": "gather[0]", "ok": True, "value": "beside"} in ended.data["where"]["siblings"]
    assert ended.data["state"]["log"] == ["said q"]
    assert "failed: NoEvidence" in ended.err


def test_a_defect_as_json(call: Call) -> None:
    found = call("divide", "--input", "3", "--json").data
    assert (found["error"]["type"], found["error"]["defect"]) == ("ZeroDivisionError", True)
    assert "in helper" in found["error"]["traceback"]
    assert "mce/engine" not in found["error"]["traceback"]
    assert found["where"]["attempt"] == 2


@pytest.mark.parametrize("name", ["untrue", "untrue_too"])
def test_what_steps_return_is_always_checked(call: Call, backend: tuple[str, str], name: str) -> None:
    ended = call(name, "--input", "3", "-q", *backend)
    assert ended.status == 1
    assert ended.err.startswith(f"failed with a defect: InvalidOutput: step '{name}' is declared to return ")
    assert "Traceback" not in ended.err


def test_a_wrong_update_of_the_state_is_the_steps_defect(call: Call) -> None:
    ended = call("misspell", "--input", "3", "-q")
    assert ended.err.startswith("failed with a defect: InvalidState: Notes.lgo: no such field; did you mean 'log'?\n")
    assert "mce/context.py" not in ended.err


# -- other ends --------------------------------------------------------------------------------------------------------


def test_a_step_that_leaves_the_process_is_a_failure(call: Call, backend: tuple[str, str]) -> None:
    ended = call("finalised", "--input", "0", "-q", *backend)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == "finalised\nmce run: failed: a step ended the process, sys.exit(0)\n"


def test_an_interrupt_has_its_own_status(call: Call, backend: tuple[str, str]) -> None:
    ended = call("interrupt", "--input", "0", "-q", *backend)
    assert (ended.status, ended.err) == (130, "mce run: interrupted\n")


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("nothing", [], "flows.py has no 'nothing'"),
        ("helper", [], "flows.py:helper is a function, not a flow: decorate it with @step"),
        ("say", [], "this flow needs an input, which step 'say' takes (str): say --input '\"text\"'"),
        ("say", ["--input", "3"], "input: Input should be a valid string, got 3 (int)"),
        (
            "say",
            ["--input", "hello"],
            "--input is not JSON: Expecting value at line 1, column 1; a text needs double quotes",
        ),
        ("say", ["--input", '"a"', "--state", '{"lgo": []}'], "state.lgo: no such field; did you mean 'log'?"),
        ("say", ["--input", '"a"', "--state", '{"log": [1]}'], "state.log.0: Input should be a valid string"),
        ("say", ["--input", '"a"', "--state", "{"], "--state is not JSON: Expecting property name"),
        ("say", ["--input", '"a"', "--input-file", "a.json"], "--input and --input-file were both given: give one"),
        ("say", ["--input-file", "a.json"], "--input: a.json cannot be read: No such file or directory"),
        ("topic", [], "this flow runs in the state Needing, of which topic (str) has no default"),
        ("two", ["--input", "3"], "step 'two' takes 2 required arguments"),
        ("closed", ["--trace", "none/t.jsonl"], "--trace none/t.jsonl cannot be written: No such file or directory"),
    ],
)
def test_a_wrong_call_is_one_message_and_nothing_runs(call: Call, name: str, arguments: list[str], said: str) -> None:
    ended = call(name, *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"mce run: {said}")
    assert "Traceback" not in ended.err
    assert "started" not in ended.err


def test_an_unknown_backend_is_refused(call: Call) -> None:
    ended = call("closed", "--backend", "cloud")
    assert ended.status == 2
    assert "cloud" in ended.err


def test_input_and_state_come_from_their_options(call: Call, tmp_path: Path) -> None:
    (tmp_path / "input.json").write_text('"from a file"')
    assert call("say", "--input-file", "input.json").out == "FROM A FILE\n"
    assert call("topic", "--state", '{"topic": "given"}').out == "given\n"
    assert call("closed", "--input", "1").out == "3\n"


# -- the trace ---------------------------------------------------------------------------------------------------------


def test_a_trace_has_a_line_an_event_and_last_the_outcome(call: Call, tmp_path: Path, backend: tuple[str, str]) -> None:
    call("failing", "--input", '"q"', "--trace", "t.jsonl", *backend)
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [(line["kind"], line.get("path")) for line in lines[:5]] == [
        ("step_started", "say"),
        ("state_changed", "say"),
        ("emitted", "say"),
        ("step_finished", "say"),
        ("step_started", "gather[1]/refuse"),
    ]
    assert lines[0] == {
        "kind": "step_started",
        "path": "say",
        "attempt": 1,
        "step": "say",
        "input": "q",
        "time": lines[0]["time"],
    }
    assert lines[1]["fields"] == ["log"]
    assert lines[1]["state"] == {"log": ["said q"], "key": "**********"}
    times = [line["time"] for line in lines[:-1]]
    assert times == sorted(times)
    assert 0 <= times[0] < 60
    (failed,) = (line for line in lines if line["kind"] == "step_failed")
    assert failed["error"]["type"] == "NoEvidence"
    assert failed["cancelled"] is False
    assert lines[-1]["kind"] == "outcome"
    assert lines[-1]["where"]["path"] == "gather[1]/refuse"


def test_a_trace_is_on_disk_while_the_flow_runs(call: Call, backend: tuple[str, str]) -> None:
    ended = call("read_trace", "--input", '"t.jsonl"', "--trace", "t.jsonl", *backend)
    assert ended.out == "['step_started']\n"


def test_a_trace_tells_retries(call: Call, tmp_path: Path) -> None:
    call("divide", "--input", "1", "--trace", "t.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    (retried,) = (line for line in lines if line["kind"] == "step_retried")
    assert (retried["attempt"], retried["delay"], retried["error"]["type"]) == (1, 0, "ZeroDivisionError")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_trace_that_cannot_go_on_does_not_stop_the_run(call: Call) -> None:
    ended = call("say", "--input", '"a"', "--trace", "/dev/full", "-q")
    assert (ended.status, ended.out) == (0, "A\n")
    assert ended.err.endswith("mce run: the trace in /dev/full is incomplete: No space left on device\n")


# -- around it ---------------------------------------------------------------------------------------------------------


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ended:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert isinstance(left.value.code, int)
    said = capsys.readouterr()
    return Ended(left.value.code, said.out, said.err)


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    ended = called(capsys, "--version")
    assert ended.status == 0
    assert ended.out.startswith("mce ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["Usage: mce", "run", "--version"]),
        (
            ["run", "--help"],
            ["TARGET", "--input", "--input-file", "--state", "--backend", "--json", "--trace", "Exit status"],
        ),
    ],
)
def test_help_names_everything(capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]) -> None:
    ended = called(capsys, *arguments)
    assert ended.status == 0
    shown = re.sub(r"\x1b\[[0-9;]*m", "", ended.out)
    for word in words:
        assert word in shown


def test_a_call_without_a_target_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert called(capsys, "run").status == 2
    assert called(capsys, "walk").status == 2


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_one_line_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for name in [name for name in sys.modules if name.startswith("mce.cli.") and name != "mce.cli.main"]:
        monkeypatch.delitem(sys.modules, name)
    for name in {missing, *(name for name in sys.modules if name.startswith(f"{missing}."))}:
        monkeypatch.setitem(sys.modules, name, None)
    ended = called(capsys, "run", "flows.py:closed")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == f"mce: the command line needs {missing}: pip install 'mce-agents[cli]'\n"


def test_commands_are_modules_of_their_own() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        assert command.callback.__module__ == f"mce.cli.{command.name}"
