"""Dataclasses made without compiling their methods: the same as the standard library's, in all that can be seen."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import typing
from collections.abc import Callable
from dataclasses import KW_ONLY
from typing import Any, ClassVar

import pydantic
import pytest

from mce.records import dataclass, unguarded

Make = Callable[..., Any]


def none(make: Make) -> type[Any]:
    class Empty:
        pass

    return make(Empty, frozen=True, slots=True)  # type: ignore[no-any-return]


def one(make: Make) -> type[Any]:
    class One:
        """One field."""

        a: int

    return make(One, frozen=True, slots=True)  # type: ignore[no-any-return]


def several(make: Make) -> type[Any]:
    class Several:
        unit: ClassVar[str] = "s"
        a: int
        b: str = "b"
        c: Any = None

        def doubled(self) -> int:
            return self.a * 2

    return make(Several, frozen=True, slots=True)  # type: ignore[no-any-return]


def by_keyword(make: Make) -> type[Any]:
    class Keyed:
        a: int
        _: KW_ONLY
        b: int
        c: int = 3

        def __post_init__(self) -> None:
            if self.a < 0:
                raise ValueError("a is negative")

    return make(Keyed, frozen=True, slots=True)  # type: ignore[no-any-return]


def by_identity(make: Make) -> type[Any]:
    class Node:
        a: int

        def __repr__(self) -> str:
            return "a node"

    return make(Node, frozen=True, slots=True, eq=False, repr=False)  # type: ignore[no-any-return]


def compared(make: Make) -> type[Any]:
    class Compared:
        a: int

        def __eq__(self, other: object) -> bool:
            return True

    return make(Compared, frozen=True, slots=True)  # type: ignore[no-any-return]


def hashed(make: Make) -> type[Any]:
    class Hashed:
        a: int

        def __hash__(self) -> int:
            return 7

    return make(Hashed, frozen=True, slots=True)  # type: ignore[no-any-return]


def with_factory(make: Make) -> type[Any]:
    class Listed:
        a: list[int] = dataclasses.field(default_factory=list[int])

    return make(Listed, frozen=True, slots=True)  # type: ignore[no-any-return]


def mutable(make: Make) -> type[Any]:
    class Mutable:
        a: int = 1

    return make(Mutable)  # type: ignore[no-any-return]


def inheriting(make: Make) -> type[Any]:
    class Below(one(make)):  # type: ignore[misc]
        b: int = 2

    return make(Below, frozen=True, slots=True)  # type: ignore[no-any-return]


CLASSES = [none, one, several, by_keyword, by_identity, compared, hashed, with_factory, mutable, inheriting]
CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((1,), {}),
    ((), {"a": 1}),
    ((1, "x"), {}),
    ((1,), {"b": 2}),
    ((1,), {"b": 2, "c": 4}),
    ((-1,), {"b": 2}),
    ((1, 2, 3), {}),
    ((1, 2, 3, 4), {}),
    ((1,), {"a": 1}),
    ((1,), {"z": 1}),
    (([],), {}),
]


def seen(cls: type[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[object]:
    """List all that can be seen of an instance, or how it was refused."""
    found: list[object] = []

    def note(see: Callable[[], object]) -> None:
        try:
            found.append(see())
        except Exception as refused:
            found.append((type(refused), str(refused)))

    try:
        made = cls(*args, **kwargs)
    except Exception as refused:
        return [(type(refused), str(refused))]
    note(lambda: repr(made))
    note(lambda: made == cls(*args, **kwargs))
    note(lambda: made == copy.copy(made))
    note(lambda: made.__eq__(1))
    note(lambda: None if cls.__hash__ is vars(object)["__hash__"] else hash(made))
    if hasattr(made, "a"):
        note(lambda: setattr(made, "a", 2))
        note(lambda: delattr(made, "a"))
    note(lambda: dataclasses.asdict(made))
    note(lambda: repr(dataclasses.replace(made, a=5)))
    note(lambda: repr(copy.deepcopy(made)))
    note(lambda: hasattr(made, "__dict__"))
    return found


@pytest.mark.parametrize(("args", "kwargs"), CALLS)
@pytest.mark.parametrize("define", CLASSES)
def test_instances_are_as_those_of_the_standard_library(
    define: Callable[[Make], type[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    assert seen(define(dataclass), args, kwargs) == seen(define(dataclasses.dataclass), args, kwargs)


@pytest.mark.parametrize("define", CLASSES)
def test_classes_are_as_those_of_the_standard_library(define: Callable[[Make], type[Any]]) -> None:
    ours, standard = define(dataclass), define(dataclasses.dataclass)
    assert ours.__doc__ in (standard.__doc__, ours.__name__)
    assert ours.__match_args__ == standard.__match_args__
    assert vars(ours).get("__slots__") == vars(standard).get("__slots__")
    assert repr(dataclasses.fields(ours)) == repr(dataclasses.fields(standard))
    assert repr(ours.__dataclass_params__) == repr(standard.__dataclass_params__)
    assert inspect.signature(ours) == inspect.signature(standard)
    assert typing.get_type_hints(ours.__init__) == typing.get_type_hints(standard.__init__)
    assert vars(ours).keys() == vars(standard).keys()
    for name in ("__init__", "__eq__", "__hash__", "__repr__"):
        assert getattr(getattr(ours, name), "__qualname__", None) == getattr(
            getattr(standard, name), "__qualname__", None
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """Two values, at the top of a module, where ``pickle`` finds it."""

    left: Any
    right: Any = 0


def test_pickles() -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(Pair(1, [2]), protocol)) == Pair(1, [2])


def test_a_value_that_holds_itself_is_shown() -> None:
    held: list[Any] = []
    pair = Pair(held)
    held.append(pair)
    assert repr(pair) == "Pair(left=[...], right=0)"


def test_values_are_compared_as_in_a_tuple() -> None:
    """By identity first, and only with the same class."""
    nan = float("nan")
    assert Pair(nan) == Pair(nan)
    assert Pair(1).__eq__((1, 0)) is NotImplemented


def test_patterns_match() -> None:
    match Pair(1, 2):
        case Pair(left, right=2):
            assert left == 1
        case _:
            pytest.fail("no match")


def test_pydantic_takes_it_for_a_dataclass() -> None:
    @dataclass(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 2

    checked = pydantic.TypeAdapter(Point)
    assert checked.validate_python({"x": "1"}) == Point(1, 2)
    assert checked.dump_python(Point(1)) == {"x": 1, "y": 2}


def test_a_class_below_guards_the_fields_and_only_them() -> None:
    class Below(Pair):
        pass

    below = Below(1)
    below.note = "set"  # type: ignore[attr-defined]
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'left'"):
        below.left = 2  # type: ignore[misc]


def test_what_is_no_field_is_refused_as_well() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="unknown"):
        Pair(1).unknown = 2  # type: ignore[attr-defined]


def test_unguarded_makes_the_same_instances() -> None:
    made = unguarded(Pair)(1, 2)
    assert type(made) is Pair
    assert made == Pair(1, 2)
    assert hash(made) == hash(Pair(1, 2))
    assert pickle.loads(pickle.dumps(made)) == made
    with pytest.raises(dataclasses.FrozenInstanceError, match="left"):
        made.left = 3  # type: ignore[misc]
