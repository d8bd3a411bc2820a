"""JSON becomes the input and the state by the flow's own types, and the message for what does not names the field."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, SecretStr

from mce import Append, Context, branch, each, gather, get, identity, lift, pure, step
from mce.cli.exits import WrongCall
from mce.cli.reading import read_input, read_state, read_text
from mce.flow import NO_INPUT


class Question(BaseModel):
    text: str
    limit: int = 3
    key: SecretStr = SecretStr("none")


class Sub(BaseModel):
    name: str = ""


class Notes(BaseModel, frozen=True):
    log: Annotated[tuple[str, ...], Append()] = ()
    subs: tuple[Sub, ...] = ()
    by_name: dict[str, Sub] = Field(default_factory=dict)
    key: SecretStr = SecretStr("none")


class Needing(BaseModel, frozen=True):
    topic: str
    limit: Annotated[int, Field(gt=0)]
    more: int = 0


@dataclass(frozen=True)
class Plain:
    count: int = 0
    parts: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class PlainNeeding:
    topic: str


class Aliased(BaseModel, frozen=True):
    first: int = Field(1, alias="FIRST")
    second: int = Field(2, validation_alias=AliasChoices("two", AliasPath("second", "deep")))
    third: int = 3


class ByName(BaseModel, frozen=True):
    model_config = ConfigDict(populate_by_name=True)
    first: int = Field(1, alias="FIRST")


class Open(BaseModel, frozen=True):
    model_config = ConfigDict(extra="allow")
    first: int = 1


class Refusing(BaseModel, frozen=True):
    first: int = 1

    def model_post_init(self, context: Any) -> None:
        raise RuntimeError("not today")


def a_step(fn: Callable[..., Any]) -> Any:
    """Make a step of no known type: the tests also combine what does not fit."""
    return step(fn)


@a_step
async def ask(question: Question) -> str:
    return question.text


@a_step
async def say(text: str) -> str:
    return text


@a_step
async def count(n: int) -> int:
    return n


@a_step
async def measure(n: float) -> float:
    return n


@a_step
async def guard(key: SecretStr) -> int:
    return 1


@a_step
async def open_file(file: io.TextIOBase) -> int:
    return 1


def keeping(state: Any) -> Any:
    """Give the node of a flow whose state is of the type ``state``."""

    @a_step
    async def keep(ctx: Context) -> None: ...

    keep.__wrapped__.__annotations__["ctx"] = Context[state]
    return keep.node


def input_of(flow: Any, data: Any) -> Any:
    return read_input(flow.node, None if data is None else json.dumps(data))


def refused(flow: Any, text: str | None) -> str:
    with pytest.raises(WrongCall) as wrong:
        read_input(flow.node, text)
    return str(wrong.value)


def state_refused(state: Any, text: str | None) -> str:
    with pytest.raises(WrongCall) as wrong:
        read_state(keeping(state), text)
    return str(wrong.value)


# -- the text ----------------------------------------------------------------------------------------------------------


def test_text_comes_from_the_option_a_file_or_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "input.json"
    file.write_bytes(b"\xef\xbb\xbf3")
    assert read_text("--input", "3", None) == "3"
    assert read_text("--input", None, None) is None
    assert read_text("--input", None, file) == "3"
    for text, source in (("-", None), (None, Path("-"))):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("é".encode())))
        assert read_text("--input", text, source) == "é"


def test_text_that_cannot_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    latin = tmp_path / "latin.json"
    latin.write_bytes(b'"\xe9"')
    monkeypatch.setattr(sys, "stdin", None)
    for text, file, said in [
        ("1", latin, "--input and --input-file were both given: give one"),
        (None, tmp_path / "none.json", f"--input: {tmp_path / 'none.json'} cannot be read: No such file or directory"),
        (None, tmp_path, f"--input: {tmp_path} cannot be read: Is a directory"),
        (None, latin, f"--input: {latin} is not UTF-8: byte 1 is 0xe9"),
        ("-", None, "standard input is closed"),
    ]:
        with pytest.raises(WrongCall) as wrong:
            read_text("--input", text, file)
        assert str(wrong.value) == said


# -- the input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flow", "data", "value"),
    [
        (say, "q", "q"),
        (ask, {"text": "q"}, Question(text="q")),
        (each(ask), [{"text": "q"}], [Question(text="q")]),
        (lift(len), {"any": [1, "thing"]}, {"any": [1, "thing"]}),
        (count, "5", 5),
        (identity() >> ask, {"text": "q", "limit": 1}, Question(text="q", limit=1)),
        (gather(count, measure), 3, 3),
        (gather(measure, count), 3, 3),
        (branch(bool, ask, say), {"text": "q"}, Question(text="q")),
        (branch(bool, ask, say), "q", "q"),
        (pure(1).or_else(ask), {"text": "q"}, Question(text="q")),
    ],
)
def test_an_input_is_made_by_what_takes_it(flow: Any, data: Any, value: Any) -> None:
    found = input_of(flow, data)
    assert (type(found), found) == (type(value), value)


def test_null_is_an_input() -> None:
    @a_step
    async def maybe(n: int | None) -> None: ...

    assert read_input(maybe.node, "null") is None


def test_a_flow_that_takes_nothing_is_run_without(capsys: pytest.CaptureFixture[str]) -> None:
    assert read_input(pure(1).node, None) is NO_INPUT
    assert not capsys.readouterr().err
    read_input(pure(1).node, "1")
    assert capsys.readouterr().err == "note: this flow takes no input; what --input gives is not used\n"


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        (say, "this flow needs an input, which step 'say' takes (str): say --input '\"text\"'"),
        (ask, "this flow needs an input, which step 'ask' takes (Question): say --input '{\"text\": ...}'"),
        (lift(len), "this flow needs an input, which the function 'len' takes: say --input JSON"),
        (each(count), "this flow needs an input, which step 'count' takes (list[int]): say --input JSON"),
    ],
)
def test_an_input_that_is_missing_is_described(flow: Any, said: str) -> None:
    assert refused(flow, None) == said


@pytest.mark.parametrize(
    ("flow", "text", "said"),
    [
        (say, "3", "input: Input should be a valid string, got 3 (int)"),
        (ask, '{"text": 3}', "input.text: Input should be a valid string, got 3 (int)"),
        (ask, "{}", "input.text: Field required"),
        (each(ask), '[{"text": "a"}, {"text": []}]', "input.1.text: Input should be a valid string"),
        (each(say), '"a"', "input: Input should be a valid array, got 'a' (str)"),
    ],
)
def test_an_input_of_a_wrong_type_names_the_field(flow: Any, text: str, said: str) -> None:
    assert refused(flow, text) == said


def test_several_problems_are_listed() -> None:
    assert refused(ask, '{"limit": "x"}') == (
        "--input does not fit Question:\n"
        "  input.text: Field required\n"
        "  input.limit: Input should be a valid integer, unable to parse string as an integer, got 'x' (str)"
    )
    assert refused(each(count), json.dumps(["x"] * 8)).endswith("got 'x' (str)\n  and 3 more")


def test_an_input_that_cannot_suit_all_names_them() -> None:
    assert (
        refused(gather(ask, say), '{"text": "q"}') == "input: Input should be a valid string, got {'text': 'q'} (dict)"
    )
    assert (
        refused(gather(count, say), '"5"')
        == "no input suits all that are given it: step 'count' takes int, step 'say' takes str"
    )


def test_a_type_that_json_cannot_make_is_named() -> None:
    said = refused(open_file, "3")
    assert said.startswith("step 'open_file' takes TextIOBase, which cannot be read from JSON: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"text": "a" "b"}', 'Expecting \',\' delimiter at line 1, column 14\n  {"text": "a" "b"}\n               ^'),
        ('{\n "a": tru}', 'Expecting value at line 2, column 7\n   "a": tru}\n        ^'),
        ("", "Expecting value at line 1, column 1"),
        ("[" + "1, " * 60 + "x]", f"Expecting value at line 1, column 182\n  {'1, ' * 13}1, x]\n  {' ' * 40}^"),
    ],
)
def test_json_that_does_not_parse_shows_the_place(text: str, said: str) -> None:
    found = refused(lift(len), text)
    assert found.startswith("--input is not JSON: Expecting")
    assert found.split(": ", 1)[1].splitlines()[0] == said.splitlines()[0]
    assert [line.index("^") for line in found.splitlines()[2:]] == [line.index("^") for line in said.splitlines()[2:]]


def test_a_bare_text_is_told_its_quotes() -> None:
    assert refused(say, "it's") == (
        "--input is not JSON: Expecting value at line 1, column 1; a text needs double quotes: --input '\"it'\"'\"'s\"'"
    )


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "[" * 100_000, "1" * 5000])
def test_json_that_python_cannot_hold_is_refused(text: str) -> None:
    assert refused(lift(len), text).startswith("--input is not JSON that can be read: ")


# -- the state ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "text", "value"),
    [
        (Notes, None, Notes()),
        (Notes, '{"log": ["a"], "subs": [{"name": "s"}]}', Notes(log=("a",), subs=(Sub(name="s"),))),
        (Plain, None, Plain()),
        (Plain, '{"count": 2}', Plain(2)),
        (Needing, '{"topic": "t", "limit": 1}', Needing(topic="t", limit=1)),
        (int, "3", 3),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (Notes | None, None, None),
        (Aliased, '{"FIRST": 5, "two": 6, "third": 7}', Aliased.model_validate({"FIRST": 5, "two": 6, "third": 7})),
        (Aliased, '{"second": {"deep": 6}}', Aliased.model_validate({"two": 6})),
        (ByName, '{"first": 5}', ByName.model_validate({"first": 5})),
        (Open, '{"else": 5}', Open.model_validate({"else": 5})),
    ],
)
def test_a_state_is_made_by_its_class(state: Any, text: str | None, value: Any) -> None:
    found = read_state(keeping(state), text)
    assert (type(found), found) == (type(value), value)


def test_a_flow_without_a_known_state_takes_any() -> None:
    assert read_state(get().node, None) is None
    assert read_state(get().node, '{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("state", "text", "said"),
    [
        (Notes, '{"lgo": []}', "state.lgo: no such field; did you mean 'log'?"),
        (Notes, '{"zzz": []}', "state.zzz: no such field; Notes has log, subs, by_name, key"),
        (Notes, '{"log": [1]}', "state.log.0: Input should be a valid string, got 1 (int)"),
        (Notes, '{"subs": [{}, {"nam": "a"}]}', "state.subs.1.nam: no such field; did you mean 'name'?"),
        (Notes, '{"by_name": {"a": {"nam": "a"}}}', "state.by_name.a.nam: no such field; did you mean 'name'?"),
        (Plain, '{"cuont": 1}', "state.cuont: no such field; did you mean 'count'?"),
        (Needing, '{"topic": "t", "limit": 0}', "state.limit: Input should be greater than 0, got 0 (int)"),
        (Aliased, '{"first": 5}', "state.first: no such field; Aliased has FIRST, two, second, third"),
        (int, '"x"', "state: Input should be a valid integer, unable to parse string as an integer, got 'x' (str)"),
    ],
)
def test_a_state_that_does_not_fit_names_the_field(state: Any, text: str, said: str) -> None:
    assert state_refused(state, text) == said


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (
            Needing,
            "this flow runs in the state Needing, of which topic (str), limit (int) have no defaults: "
            'say --state \'{"topic": ..., "limit": ...}\'',
        ),
        (
            PlainNeeding,
            "this flow runs in the state PlainNeeding, of which topic (str) has no default: "
            "say --state '{\"topic\": ...}'",
        ),
        (int, "this flow runs in a state, int: say --state JSON"),
        (Refusing, "the state Refusing cannot be made of its defaults (RuntimeError: not today): say --state JSON"),
    ],
)
def test_a_state_that_is_missing_is_described(state: Any, said: str) -> None:
    assert state_refused(state, None) == said


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_what_may_be_a_secret_is_never_repeated() -> None:
    for said in [
        state_refused(Notes, '{"key": ["sesame"]}'),
        state_refused(Notes, '{"key": "sesame'),
        refused(ask, '{"text": "a", "key": ["sesame"]}'),
        refused(guard, '["sesame"]'),
        refused(guard, "sesame"),
    ]:
        assert said
        assert "sesame" not in said
    assert "'ope' (str)" in refused(ask, '{"text": "a", "limit": "ope"}')
