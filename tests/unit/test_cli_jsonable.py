"""Any value becomes JSON data, whatever it is, and no secret is in it."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import sys
from collections import OrderedDict, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Secret, SecretBytes, SecretStr, field_serializer

from mce import Defect, Failure, StateConflict, Success, TimedOut
from mce.jsonable import dumps, error_as_data, jsonable


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 2


class Word(enum.StrEnum):
    HI = "hi"


@dataclasses.dataclass
class Point:
    x: int
    secret: SecretStr = dataclasses.field(default=SecretStr("sesame"))


class Model(BaseModel):
    at: float = float("inf")
    raw: bytes = b"\xff"
    key: SecretStr = SecretStr("sesame")
    parts: tuple[Point, ...] = (Point(1),)


class Unwritable(BaseModel):
    n: int = 1

    @field_serializer("n")
    def refuse(self, value: int) -> int:
        raise RuntimeError("no")


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


class Moving(dict[str, int]):
    def items(self) -> Any:
        raise RuntimeError("dictionary changed size during iteration")

    def __repr__(self) -> str:
        return "Moving"


MASKED = "**********"


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, None),
        (True, True),
        ("é", "é"),
        (1.5, 1.5),
        (float("nan"), "nan"),
        ([1, (2, {3}), deque([4])], [1, [2, [3]], [4]]),
        (OrderedDict(a=1), {"a": 1}),
        ({Colour.RED: 1, (1, 2): 2, None: 3, 1.5: 4, b"k": 5}, {"1": 1, "(1, 2)": 2, "null": 3, "1.5": 4, "k": 5}),
        ({SecretStr("sesame"): 1}, {MASKED: 1}),
        (Colour.RED, 1),
        (Level.LOW, 2),
        (Word.HI, "hi"),
        (Point(3), {"x": 3, "secret": MASKED}),
        (Model(), {"at": "inf", "raw": "b'\\xff'", "key": MASKED, "parts": [{"x": 1, "secret": MASKED}]}),
        (Unwritable(), {"n": 1}),
        (Secret[int](3), MASKED),
        (SecretBytes(b"sesame"), MASKED),
        (datetime.date(2020, 1, 2), "2020-01-02"),
        (decimal.Decimal("1.50"), "1.50"),
        (Path("a/b"), "a/b"),
        (b"ab", "ab"),
        (Success(Point(1)), {"ok": True, "value": {"x": 1, "secret": MASKED}}),
        (Failure("no"), {"ok": False, "error": {"type": "str", "message": "no"}}),
        (ValueError("no"), {"type": "ValueError", "message": "no"}),
        (Point, "<class 'tests.unit.test_cli_jsonable.Point'>"),
        (Mute(), "<Mute: its repr raised RuntimeError>"),
        (Moving(a=1), "Moving"),
        (10**5000, "<int: its repr raised ValueError>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_what_it_says_or_its_repr(value: object, data: Any) -> None:
    assert jsonable(value) == data
    assert json.loads(dumps(jsonable(value))) == data


def test_an_iterator_is_not_used_up() -> None:
    def numbers() -> Iterator[int]:
        yield 1

    made = numbers()
    assert "generator" in jsonable([made])[0]
    assert list(made) == [1]


def test_cycles_and_depth_end() -> None:
    cycle: list[Any] = [1]
    cycle.append(cycle)
    assert jsonable(cycle) == [1, "[1, [...]]"]
    deep: list[Any] = []
    for _ in range(sys.getrecursionlimit() * 2):
        deep = [deep]
    assert "RecursionError" in dumps(jsonable(deep))


def test_the_same_value_twice_is_no_cycle() -> None:
    part = Point(1)
    assert jsonable([part, part]) == [{"x": 1, "secret": MASKED}] * 2


@pytest.mark.parametrize(
    ("error", "data"),
    [
        ("no", {"type": "str", "message": "no"}),
        (TimedOut(2, "a"), {"type": "TimedOut", "message": "timed out after 2 s at a"}),
        (
            Point(1),
            {"type": "Point", "message": f"Point(x=1, secret=SecretStr('{MASKED}'))", "value": jsonable(Point(1))},
        ),
        (
            ("a", ValueError("b")),
            {
                "type": "tuple",
                "message": "('a', ValueError('b'))",
                "errors": [{"type": "str", "message": "a"}, {"type": "ValueError", "message": "b"}],
            },
        ),
        (Defect(ValueError("no"), "", "a"), {"type": "ValueError", "message": "no", "defect": True}),
        (
            Defect(ValueError("no"), 'Traceback\n  File "agent.py", line 3', "a"),
            {
                "type": "ValueError",
                "message": "no",
                "defect": True,
                "traceback": 'Traceback\n  File "agent.py", line 3',
            },
        ),
        (Silent(), {"type": "Silent", "message": "Silent()"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_its_type_its_message_and_more(error: Any, data: Any) -> None:
    assert error_as_data(error) == data


def test_an_error_whose_value_cannot_be_walked_is_no_crash() -> None:
    assert error_as_data(Moving(a=1)) == {"type": "Moving", "message": "Moving", "value": "Moving"}
    assert jsonable([Failure(Moving(a=1))])[0]["error"]["value"] == "Moving"


def test_a_conflict_is_a_defect_with_its_own_name() -> None:
    data = error_as_data(StateConflict("n", ("a", "b"), (1, 2)))
    assert (data["type"], data["defect"]) == ("StateConflict", True)
    assert "a wrote 1, b wrote 2" in data["message"]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.dates()
    | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers() | st.binary(), inner),
    max_leaves=20,
)


@given(values)
def test_every_value_is_written_and_read_back(value: object) -> None:
    data = jsonable(value)
    assert json.loads(dumps(data)) == data
    assert json.loads(dumps(data, indent=2, ascii_only=False)) == data
