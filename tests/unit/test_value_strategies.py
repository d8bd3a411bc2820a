"""Values from annotations: they are allowed, the simplest is known without drawing, and each can be written down."""

from __future__ import annotations

import datetime
import decimal
import enum
import pathlib
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, Never, NewType, NotRequired, TypeVar

import annotated_types as at
import pytest
from hypothesis import HealthCheck, find, given, settings
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, SecretStr, TypeAdapter, model_validator
from returns.result import Failure, Result, Success
from typing_extensions import TypedDict

from mce import TimedOut
from mce.testing.plain import NOTHING, plain
from mce.testing.reproduce import Writer, literal
from mce.testing.value_strategies import NoValue, exceptions_of, values_of

SETTINGS = settings(
    deadline=None,
    database=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

UserId = NewType("UserId", int)
T = TypeVar("T", int, str)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Flags(enum.IntFlag):
    A = 1
    B = 2


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


class Account(BaseModel):
    model_config = ConfigDict(frozen=True)
    id: UserId
    name: str = Field(min_length=2, max_length=4)
    age: int = Field(gt=17, lt=20)
    share: float = Field(default=0.5, ge=0, le=1)
    email: str = Field(alias="e-mail", pattern=r"^[a-z]+@[a-z]+$")


class Ordered(BaseModel):
    low: int
    high: int

    @model_validator(mode="after")
    def _in_order(self) -> Ordered:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0
    tags: list[str] = field(default_factory=list)


class Pair(NamedTuple):
    left: int
    right: str = ""


class Options(TypedDict):
    limit: int
    verbose: NotRequired[bool]


class Coded(Exception):
    def __init__(self, code: int, *, why: str, more: int = 0) -> None:
        super().__init__(f"{code}: {why}")
        self.code, self.why = code, why


ANNOTATIONS: list[Any] = [
    None,
    bool,
    int,
    float,
    str,
    bytes,
    int | None,
    str | int,
    Literal["a", 1],
    Colour,
    Flags,
    list[int],
    Sequence[str],
    tuple[int, str],
    tuple[int, ...],
    set[int],
    frozenset[str],
    dict[str, int],
    Mapping[str, list[int]],
    UserId,
    Tree,
    Account,
    Ordered,
    Point,
    Pair,
    Options,
    list[Point | None],
    Annotated[int, at.Ge(3), at.Le(5)],
    Annotated[int, at.MultipleOf(7), at.Gt(10)],
    Annotated[int, at.MultipleOf(7)],
    Annotated[float, at.Gt(0), at.Lt(1)],
    Annotated[int, at.Interval(gt=1, le=3)],
    Annotated[str, at.Len(2, 3)],
    Annotated[str, Field(pattern="^a+$")],
    Annotated[list[Annotated[int, at.Ge(1)]], at.MinLen(1)],
    Annotated[int, AfterValidator(lambda n: abs(n))],
    datetime.datetime,
    datetime.date,
    datetime.timedelta,
    decimal.Decimal,
    uuid.UUID,
    HttpUrl,
]


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=lambda annotation: str(annotation)[:60])
def test_what_is_drawn_is_allowed_and_can_be_written(annotation: Any) -> None:
    check = TypeAdapter(annotation)

    @given(values_of(annotation))
    @SETTINGS
    def holds(value: Any) -> None:
        check.validate_python(value)
        writer = Writer()
        text = writer.write(value)
        if writer.defined:  # pydantic's own types
            return
        module: dict[str, Any] = {}
        exec("\n".join([*writer.header(), f"value = {text}"]), module)
        assert module["value"] == value
        assert type(module["value"]) is type(value)

    holds()


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=lambda annotation: str(annotation)[:60])
def test_the_simplest_value_is_what_drawing_shrinks_to(annotation: Any) -> None:
    simplest = plain(annotation)
    if simplest is NOTHING:
        assert annotation in ANNOTATIONS[-20:] or annotation in (Account, Flags)
        return
    smallest = find(values_of(annotation), lambda value: True, settings=SETTINGS)
    assert simplest == smallest
    assert type(simplest) is type(smallest)


@pytest.mark.parametrize(
    ("annotation", "wanted"),
    [
        (int | str | None, {int, str, type(None)}),
        (Any, {type(None), bool, int, float, str, list, dict}),
        (Result[int, str], {Success, Failure}),
        (T, {int, str}),
        (Literal["a", 1], {str, int}),
    ],
)
def test_every_alternative_is_reached(annotation: Any, wanted: set[type]) -> None:
    found: set[type] = set()

    @given(values_of(annotation))
    @settings(SETTINGS, max_examples=400)
    def collect(value: Any) -> None:
        found.add(type(value))

    collect()
    assert found == wanted


def test_defaults_are_left_and_overruled() -> None:
    assert find(values_of(Point), lambda point: True) == Point(0)
    assert find(values_of(Point), lambda point: bool(point.tags)) == Point(0, tags=[""])
    assert find(values_of(Tree), lambda tree: len(tree.children) > 1).children[0] == Tree(name="")
    assert "verbose" not in find(values_of(Options), lambda options: True)


@pytest.mark.parametrize(
    ("cls", "shown"),
    [(KeyError, "KeyError()"), (Coded, "Coded(code=0, why='')"), (TimedOut, "TimedOut(0.0, '')")],
)
def test_exceptions_are_made_with_what_they_require(cls: type[BaseException], shown: str) -> None:
    assert literal(find(exceptions_of(cls), lambda error: True)) == shown


def test_an_exception_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(NoValue, match="names UnicodeDecodeError, whose constructor does not say what it takes"):
        exceptions_of(UnicodeDecodeError)


@pytest.mark.parametrize("annotation", [Never, list[Never]])
def test_what_has_no_values_is_refused(annotation: Any) -> None:
    with pytest.raises(NoValue, match="allows none"):
        values_of(annotation)


def test_what_refuses_everything_is_refused() -> None:
    def never(value: int) -> int:
        raise ValueError("not this one")

    @given(values_of(Annotated[int, AfterValidator(never)]))
    @settings(SETTINGS, max_examples=1000)
    def test(value: int) -> None:
        pass

    with pytest.raises(NoValue, match="refused 100 values in a row, the last one since: .*not this one"):
        test()


# -- what is not drawn but written -------------------------------------------------------------------------------------


class Outer:
    @dataclass
    class Inner:
        n: int


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), 'float("nan")'),
        (-float("inf"), 'float("-inf")'),
        ((1,), "(1,)"),
        (frozenset({2, 1}), "frozenset({1, 2})"),
        (set(), "set()"),
        (Success([1]), "Success([1])"),
        (Outer.Inner(1), "Outer.Inner(n=1)"),
        (Colour.BLUE, "Colour.BLUE"),
        (Flags.A | Flags.B, "Flags(3)"),
        (len, "len"),
        (datetime.timedelta(seconds=3), "datetime.timedelta(seconds=3)"),
        (Point(1, tags=["a"]), "Point(x=1, tags=['a'])"),
        (
            Account.model_validate({"id": 1, "name": "ab", "age": 18, "e-mail": "a@b"}),
            "Account(id=1, name='ab', age=18, **{'e-mail': 'a@b'})",
        ),
    ],
)
def test_values_are_written_as_expressions(value: Any, text: str) -> None:
    assert literal(value) == text


def test_a_name_that_is_taken_is_written_in_full() -> None:
    class Path(pathlib.PurePosixPath):
        __module__ = sys.__name__
        __qualname__ = "PurePosixPath"

    writer = Writer()
    assert writer.write([pathlib.PurePosixPath, Path]) == "[PurePosixPath, sys.PurePosixPath]"
    assert writer.header() == ["import sys", "from pathlib import PurePosixPath"]


def test_secrets_are_not_written() -> None:
    writer = Writer()
    text = writer.write(SecretStr("hunter2"))
    assert "hunter2" not in "\n".join([text, *writer.header()])


def test_what_has_no_expression_is_named() -> None:
    def local() -> None: ...

    made: Callable[[], None] = lambda: None  # noqa: E731
    writer = Writer()
    assert writer.write([local, made, object()])[:17] == "[local, function,"
    assert len(writer.header()) == 3
    assert all(line.startswith("# define or import") for line in writer.header())
