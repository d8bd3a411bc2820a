"""``mce/state.py``, ``mce/reducers.py``, ``mce/lens.py``: single changes and joins, bad input and its messages."""

from __future__ import annotations

import pickle
import traceback
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from math import inf, nan
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, Self

import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    RootModel,
    Secret,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypedDict

from mce.errors import DefinitionError, InvalidState, StateConflict
from mce.lens import Lens
from mce.reducers import Add, Append, Clash, First, Last, Max, MergeKeys, Min, Reducer, Shape, Union, shape_of
from mce.state import Change, Delta, Fields, Write, apply_change, compose, join, replace_state, update_state


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Inner(Frozen):
    count: int = 0
    log: Annotated[tuple[str, ...], Append()] = ()


class Notes(Frozen):
    count: int = 0
    log: Annotated[tuple[str, ...], Append()] = ()
    total: Annotated[float, Add()] = 0.0
    scores: Annotated[dict[str, int], MergeKeys()] = {}
    plain: dict[str, int] = {}
    inner: Inner = Inner()
    maybe: Inner | None = None


@dataclass(frozen=True)
class Slotless:
    count: int = 0
    log: Annotated[tuple[str, ...], Append()] = ()


@dataclass(frozen=True, slots=True)
class Slotted:
    count: int = 0
    log: Annotated[tuple[str, ...], Append()] = ()


class Tree(Frozen):
    """A recursive model."""

    value: int = 0
    left: Tree | None = None


def changed(state: Any, **fields: object) -> Change | None:
    return update_state(state, fields, record=True)[1]


def updated(state: Any, **fields: object) -> Any:
    return update_state(state, fields, record=False)[0]


def refused(state: Any, **fields: object) -> str:
    with pytest.raises(InvalidState) as caught:
        update_state(state, fields, record=True)
    return str(caught.value)


def conflict(base: Any, *changes: Change | None) -> StateConflict:
    with pytest.raises(StateConflict) as caught:
        join(base, changes, [f"g[{at}]" for at in range(len(changes))])
    return caught.value


def joined(base: Any, *changes: Change | None) -> Any:
    return join(base, changes, [f"g[{at}]" for at in range(len(changes))])[0]


# -- updating ----------------------------------------------------------------------------------------------------------

stateful = pytest.mark.parametrize("make", [Inner, Slotless, Slotted])


@stateful
def test_an_update_gives_the_new_state_and_its_change(make: Any) -> None:
    old = make(log=("a",))
    new, change = update_state(old, {"count": 2, "log": ("a", "b")}, record=True)
    assert new == make(count=2, log=("a", "b"))
    assert old == make(log=("a",))
    assert change == Fields({"count": Write(2), "log": Delta(Append(), ("b",), ("a", "b"))})


@stateful
def test_an_update_without_a_record_has_no_change_and_asks_no_reducer(make: Any) -> None:
    assert update_state(make(), {"log": ("a",)}, record=False) == (make(log=("a",)), None)

    def never(*_: object) -> Any:
        raise AssertionError("asked")

    class Guarded(Frozen):
        log: Annotated[tuple[str, ...], Reducer(never, never, never)] = ()

    assert updated(Guarded(), log=("a",)) == Guarded(log=("a",))


@stateful
def test_an_update_of_nothing_is_the_same_state(make: Any) -> None:
    state = make()
    new, change = update_state(state, {}, record=True)
    assert new is state
    assert change is None


@stateful
def test_a_named_field_counts_as_written_even_when_identical(make: Any) -> None:
    state = make(log=("a",))
    assert changed(state, count=state.count, log=state.log) == Fields(
        {"count": Write(0), "log": Delta(Append(), (), ("a",))}
    )


def test_fields_that_were_not_named_keep_their_objects() -> None:
    state = Notes(log=("a", "b"), plain={"k": 1}, inner=Inner(log=("c",)))
    new = updated(state, count=1)
    assert new.log is state.log
    assert new.plain is state.plain
    assert new.inner is state.inner
    assert new.model_fields_set == state.model_fields_set | {"count"}


def test_a_named_structured_field_is_written_where_it_is_no_longer_identical() -> None:
    state = Notes(inner=Inner(count=1, log=("a",)))
    grown = state.inner.model_copy(update={"log": ("a", "b")})
    assert changed(state, inner=grown) == Fields({"inner": Fields({"log": Delta(Append(), ("b",), ("a", "b"))})})
    assert changed(state, inner=state.inner) is None


def test_what_is_structured_goes_by_the_values_and_not_by_the_annotation() -> None:
    assert changed(Notes(), maybe=Inner()) == Fields({"maybe": Write(Inner())})
    there = Notes(maybe=Inner())
    assert changed(there, maybe=Inner(count=3)) == Fields({"maybe": Fields({"count": Write(3)})})
    assert changed(there, maybe=None) == Fields({"maybe": Write(None)})

    class Special(Inner):
        pass

    assert changed(there, maybe=Special()) == Fields({"maybe": Write(Special())})


def test_mappings_do_not_recurse() -> None:
    assert changed(Notes(plain={"a": 1}), plain={"a": 1, "b": 2}) == Fields({"plain": Write({"a": 1, "b": 2})})


class Early(Frozen):
    """Is not complete when it is made."""

    later: Later | None = None


class Later(Frozen):
    log: Annotated[tuple[str, ...], Append()] = ()


def test_models_are_completed() -> None:
    assert shape_of(Early).names == ("later",)
    assert updated(Early(), later={"log": ["a"]}) == Early(later=Later(log=("a",)))


def test_recursive_models_recurse() -> None:
    tree = Tree(left=Tree(left=Tree(value=1)))
    assert tree.left is not None
    deep = tree.left.model_copy(update={"left": Tree(value=2)})
    assert changed(tree, left=deep) == Fields({"left": Fields({"left": Fields({"value": Write(2)})})})


def test_values_are_validated_and_converted_as_the_class_does() -> None:
    assert updated(Notes(), log=["a"], count="3", inner={"count": 1}) == Notes(
        log=("a",), count=3, inner=Inner(count=1)
    )
    assert updated(Slotted(), log=["a"], count="3") == Slotted(3, ("a",))

    class Strict(BaseModel):
        model_config = ConfigDict(strict=True, str_strip_whitespace=True)
        count: int = 0
        name: Annotated[str, Field(max_length=3)] = ""

    assert updated(Strict(), name=" ab ").name == "ab"
    assert "should be a valid integer, got '3' (str)" in refused(Strict(), count="3")
    assert "at most 3" in refused(Strict(), name="abcd")


def test_fields_go_by_their_names_whatever_their_aliases() -> None:
    class Aliased(BaseModel):
        model_config = ConfigDict(alias_generator=str.upper)
        count: int = 0
        size: int = Field(default=0, alias="Size")

    class Checked(Aliased):
        @model_validator(mode="after")
        def _checked(self) -> Self:
            return self

    for make in (Aliased, Checked):
        new = updated(make(), count=1, size=2)
        assert (new.count, new.size) == (1, 2)
        assert refused(make(), size="no").startswith(f"{make.__name__}.size: ")
        assert "no such field" in refused(make(), Size=1)


class Handle:
    """A class that pydantic does not know, nor typing what it is made of."""

    part: Nowhere  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore[reportUndefinedVariable, reportUnknownVariableType]


@dataclass(frozen=True)
class Holder:
    handle: Handle | None = None


def test_fields_may_be_of_classes_that_pydantic_does_not_know() -> None:
    handle = Handle()
    assert updated(Holder(), handle=handle).handle is handle
    assert refused(Holder(), handle=1).endswith("Input should be an instance of Handle")  # it may hold a secret


def test_what_was_computed_from_old_values_is_computed_again() -> None:
    class Computed(Frozen):
        words: tuple[str, ...] = ()
        other: int = 0
        _kept: list[str] = PrivateAttr(default_factory=list)

        @cached_property
        def size(self) -> int:
            return len(self.words)

    class Indexed(Computed):
        _index: dict[str, int] = PrivateAttr(default_factory=dict)

        def model_post_init(self, context: Any) -> None:
            self._index.update({word: at for at, word in enumerate(self.words)})

        @property
        def index(self) -> dict[str, int]:
            return self._index

    for make in (Computed, Indexed):
        state = make(words=("a",))
        assert state.size == 1
        new = updated(state, words=("a", "b"))
        assert new.size == 2
        assert apply_change(state, changed(state, words=())).size == 0
    assert updated(Indexed(words=("a",)), words=("b", "c")).index == {"b": 0, "c": 1}


def test_a_root_model_is_updated_by_its_root() -> None:
    class Words(RootModel[tuple[str, ...]]):
        root: Annotated[tuple[str, ...], Append()]

    class Checked(Words):
        @model_validator(mode="after")
        def _short(self) -> Self:
            if len(self.root) > 2:
                raise ValueError("too many words")
            return self

    for make in (Words, Checked):
        assert changed(make(("a",)), root=["a", "b"]) == Fields({"root": Delta(Append(), ("b",), ("a", "b"))})
    assert refused(Checked(("a",)), root="abc") == ("Checked: Input should be a valid tuple")


# -- classes with checks of their own ----------------------------------------------------------------------------------


class Span(Frozen):
    """Needs both fields to check either, and computes a third."""

    low: int = 0
    high: int = 10
    width: int = 10
    names: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError("low is above high")
        object.__setattr__(self, "width", self.high - self.low)
        return self

    @field_validator("names")
    @classmethod
    def _sorted(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(names))


@dataclass(frozen=True)
class Range:
    """The same as a dataclass."""

    low: int = 0
    high: int = 10
    width: int = 10
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")
        object.__setattr__(self, "width", self.high - self.low)
        object.__setattr__(self, "names", tuple(sorted(self.names)))


checking = pytest.mark.parametrize("make", [Span, Range])


@checking
def test_named_fields_are_checked_together(make: Any) -> None:
    assert updated(make(), low=20, high=30) == make(low=20, high=30)
    assert "low is above high" in refused(make(), low=20)
    with pytest.raises(InvalidState, match=make.__name__):
        updated(make(), low="x")


@checking
def test_what_the_checks_changed_counts_as_written(make: Any) -> None:
    state = make(names=("a", "b"))
    new, change = update_state(state, {"low": 4}, record=True)
    assert change == Fields({"low": Write(4), "width": Write(6)})
    assert new.names is state.names
    assert changed(state, names=("b", "a")) == Fields({"names": Write(("a", "b"))})


@checking
def test_a_merged_state_that_the_checks_refuse_is_a_conflict(make: Any) -> None:
    base = make(low=4, high=6, width=2)
    low, high = Fields({"low": Write(6)}), Fields({"high": Write(4)})
    assert joined(base, changed(base, low=6), None) == make(low=6, high=6)
    found = conflict(base, low, high)
    assert "the merged state is refused" in str(found)
    assert "low is above high" in str(found)
    assert found.branches == ("g[0]", "g[1]")
    assert found.values == ({"low": 6}, {"high": 4})
    assert pickle.loads(pickle.dumps(found)) == found


@checking
def test_a_merged_state_that_the_checks_would_change_is_a_conflict(make: Any) -> None:
    found = conflict(make(), Fields({"low": Write(3)}), Fields({"high": Write(9)}))
    assert found.field == "width"
    assert f"{make.__name__}.width: its class makes 6 of 10" in found.problem


def test_a_post_init_that_refuses_is_named() -> None:
    assert refused(Range(), low=20) == "Range.low: ValueError: low is above high"

    class Picky(Frozen):
        count: Annotated[int, Add()] = 0

        def model_post_init(self, context: Any) -> None:
            if self.count > 3:
                raise ValueError("too many")

    assert "too many" in refused(Picky(), count=4)
    two = changed(Picky(), count=2)
    assert "too many" in conflict(Picky(), two, two).problem


def test_fields_computed_by_a_dataclass_are_not_updated() -> None:
    @dataclass(frozen=True)
    class Squared:
        side: int = 0
        area: int = field(init=False, default=0)

        def __post_init__(self) -> None:
            object.__setattr__(self, "area", self.side**2)

    new, change = update_state(Squared(), {"side": 3}, record=True)
    assert new.area == 9
    assert change == Fields({"side": Write(3)})
    assert refused(Squared(), area=4) == "Squared.area: no such field; it has side"


def test_validated_dataclasses_keep_the_objects_of_unnamed_fields() -> None:
    @pydantic_dataclass(frozen=True)
    class Checked:
        names: tuple[str, ...] = ()
        count: Annotated[int, Field(le=3)] = 0

    state = Checked(names=("a", "b"))
    new, change = update_state(state, {"count": "2"}, record=True)
    assert change == Fields({"count": Write(2)})
    assert new.names is state.names
    assert refused(state, count=4) == "Checked.count: Input should be less than or equal to 3, got 4 (int)"

    @pydantic_dataclass(frozen=True)
    class Ordered:
        low: int = 0
        high: int = 9

        @model_validator(mode="after")
        def _ordered(self) -> Self:
            if self.low > self.high:
                raise ValueError("low is above high")
            return self

    assert refused(Ordered(), low=10) == "Ordered: Value error, low is above high"


def _above_low(value: int, info: ValidationInfo) -> int:
    if value < info.data["low"]:
        raise ValueError("below low")
    return value


def test_annotated_validators_are_given_the_other_fields() -> None:
    class Bounds(Frozen):
        low: int = 0
        high: Annotated[int, AfterValidator(int), AfterValidator(_above_low)] = 10

    assert updated(Bounds(low=4), high=5).high == 5
    assert refused(Bounds(low=4), high=3) == "Bounds.high: Value error, below low, got 3 (int)"


def test_a_sum_beyond_the_bound_of_its_field_is_a_conflict() -> None:
    class Bounded(Frozen):
        count: Annotated[int, Add(), Field(le=10)] = 0

    six = changed(Bounded(), count=6)
    assert joined(Bounded(), six) == Bounded(count=6)
    found = conflict(Bounded(), six, six)
    assert found.field == "count"
    assert "Bounded.count: Input should be less than or equal to 10, got 12 (int)" in str(found)


def test_nested_merged_states_are_checked_too() -> None:
    class Outer(Frozen):
        span: Span = Span()

    low, high = Fields({"span": Fields({"low": Write(9)})}), Fields({"span": Fields({"high": Write(1)})})
    found = conflict(Outer(), low, high)
    assert found.field == "span"
    assert "low is above high" in found.problem


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_an_unknown_field_is_named_with_the_closest_one() -> None:
    assert refused(Notes(), cuont=1) == "Notes.cuont: no such field; did you mean 'count'?"
    assert refused(Slotted(), zzz=1) == "Slotted.zzz: no such field; it has count, log"


def test_a_value_of_a_wrong_type_is_named_with_its_place() -> None:
    message = refused(Notes(), inner={"log": ["a", 1]}, count=2)
    assert message == "Notes.inner.log.1: Input should be a valid string, got 1 (int)"
    assert refused(Notes(), plain={"a": "x", "b": "y"}).endswith("got 'x' (str) (and 1 more)")


class Pair(NamedTuple):
    left: int = 0


@pytest.mark.parametrize("state", [3, 1.5, (), None, {}, "text", Pair(), Notes])
def test_a_state_without_fields_is_not_updated(state: Any) -> None:
    with pytest.raises(InvalidState) as caught:
        update_state(state, {"count": 1}, record=False)
    kind = type(state).__name__
    assert str(caught.value) == f"{kind}.count: {kind} has no fields; use put or modify"
    with pytest.raises(InvalidState, match="has no fields"):
        update_state(state, {}, record=False)


class Login(TypedDict):
    password: SecretStr


class Account(Frozen):
    password: SecretStr = Field(default=SecretStr("initial"), min_length=3)
    pin: Secret[int] = Secret(0)
    logins: dict[str, list[Login]] = {}
    hidden: int = Field(default=0, repr=False)
    tag: Annotated[str, Append()] = ""


@dataclass(frozen=True)
class Wallet:
    account: Account | None = None
    key: SecretStr | Literal["none"] = "none"
    hidden: int = field(default=0, repr=False)


class Strongbox(Account):
    @model_validator(mode="after")
    def _closed(self) -> Self:
        if self.hidden == 7:
            raise ValueError("not seven")
        return self


SECRETS: list[tuple[Any, dict[str, Any]]] = [
    (Account(), {"password": b"s3"}),
    (Account(), {"password": ["s3same"]}),
    (Account(), {"pin": "s3same"}),
    (Account(), {"logins": {"web": [{"passwort": "s3same"}]}}),
    (Account(), {"logins": {"web": "s3same"}}),
    (Account(), {"hidden": "s3same"}),
    (Account(), {"pasword": "s3same"}),
    (Wallet(), {"account": {"password": {"s3same": 1}}}),
    (Wallet(), {"account": "s3same"}),
    (Wallet(), {"key": ["s3same"]}),
    (Wallet(), {"hidden": "s3same"}),
    (Strongbox(), {"password": ["s3same"]}),
    (Strongbox(), {"password": "s3same", "hidden": 7}),
]


@pytest.mark.parametrize(("state", "fields"), SECRETS)
def test_secrets_are_not_shown(state: Any, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidState) as caught:
        update_state(state, fields, record=True)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "s3" not in shown.replace("test_secrets", "")
    assert next(iter(fields)) in str(caught.value) or type(state) is Strongbox


def test_secrets_in_conflicts_are_masked() -> None:
    first, second = changed(Account(), password="s3same"), changed(Account(), password="s3other")
    message = str(conflict(Account(), first, second))
    assert "s3" not in message
    assert "g[0] wrote SecretStr('**********')" in message


@dataclass(frozen=True)
class Odd:
    part: Annotated[int, Field(discriminator="kind")] = 0


def test_annotations_that_cannot_be_used_are_named() -> None:
    class Missing:
        pass

    @dataclass(frozen=True)
    class Local:
        part: Missing | None = None

    message = refused(Local(), part=None)
    assert message.startswith("Local: its annotations cannot be read: name 'Missing' is not defined; define the class")
    assert refused(Odd(), part=1).startswith("Odd.part: its annotation cannot be validated: ")


class NoBrackets(Frozen):
    log: Annotated[tuple[str, ...], Append] = ()


class NoOwnBrackets(Frozen):
    log: Annotated[tuple[str, ...], Reducer] = ()


class TwoReducers(Frozen):
    count: Annotated[int, Add(), Max()] = 0


class TooDeep(Frozen):
    best: Annotated[int, Max()] | None = None


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (NoBrackets(), "NoBrackets.log: write Append(...) in Annotated, not Append"),
        (NoOwnBrackets(), "NoOwnBrackets.log: write Reducer(...) in Annotated, not Reducer"),
        (TwoReducers(), "TwoReducers.count: one reducer a field, not 2: [Add(), Max()]"),
        (
            TooDeep(),
            "TooDeep.best: Max() inside the type has no effect; put it around the whole type: Annotated[..., Max()]",
        ),
    ],
)
def test_misplaced_reducers_are_named(state: Any, message: str) -> None:
    assert refused(state, log=()) == message


# -- replacing ---------------------------------------------------------------------------------------------------------


def test_a_put_wrote_the_fields_that_are_no_longer_identical() -> None:
    old = Notes(log=("a",), inner=Inner(count=1))
    assert replace_state(old, old, record=True) is None
    assert replace_state(old, old.model_copy(), record=True) is None
    new = old.model_copy(update={"log": ("a", "b"), "inner": Inner(count=2)})
    assert replace_state(old, new, record=True) == Fields(
        {"log": Delta(Append(), ("b",), ("a", "b")), "inner": Fields({"count": Write(2)})}
    )
    assert replace_state(old, new, record=False) is None
    equal = old.model_copy(update={"log": tuple("a")})
    assert replace_state(old, equal, record=True) == Fields({"log": Delta(Append(), (), ("a",))})


def test_a_put_of_a_plain_value_is_a_write() -> None:
    assert replace_state(1, 2, record=True) == Write(2)
    assert replace_state((), (1,), record=True) == Write((1,))
    assert replace_state(None, Notes(), record=True) == Write(Notes())
    assert replace_state(Notes(), None, record=True) == Write(None)
    assert replace_state(1, 2.5, record=True) == Write(2.5)
    assert replace_state(1j, 2, record=True) == Write(2)


def test_a_put_with_other_extra_fields_is_a_write() -> None:
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")
        count: int = 0

    old = Open.model_validate({"count": 1, "more": 2})
    new = Open.model_validate({"count": 2, "more": 3})
    assert replace_state(old, new, record=True) == Write(new)
    assert changed(old, count=5) == Fields({"count": Write(5)})
    assert updated(old, count=5).model_extra == {"more": 2}


@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (Notes(), {}, "Notes: a value of class dict cannot take its place; keep the class"),
        (Inner(), Notes(), "Inner: a value of class Notes cannot take its place; keep the class"),
        ((), [], "tuple: a value of class list cannot take its place; keep the class"),
        (True, 1, "bool: a value of class int cannot take its place; keep the class"),
        (1.5, True, "float: a value of class bool cannot take its place; keep the class"),
        (SecretStr("x"), "s3same", "SecretStr: a value of class str cannot take its place; keep the class"),
    ],
)
def test_a_put_of_another_class_is_refused(old: Any, new: Any, message: str, record: bool) -> None:
    with pytest.raises(InvalidState) as caught:
        replace_state(old, new, record=record)
    assert str(caught.value) == message


def test_a_put_where_a_reducer_stands_is_its_delta() -> None:
    assert replace_state((1,), (1, 2), record=True, shape=Shape(Append())) == Delta(Append(), (2,), (1, 2))
    assert replace_state((1,), (2,), record=True, shape=Shape(Append())) == Write((2,))


# -- composing and applying --------------------------------------------------------------------------------------------

APPEND_A, APPEND_B = Delta(Append(), ("a",), ("a",)), Delta(Append(), ("b",), ("a", "b"))


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (Write(1), Write(2), Write(2)),
        (Write(("a",)), APPEND_B, Write(("a", "b"))),
        (APPEND_A, APPEND_B, Delta(Append(), ("a", "b"), ("a", "b"))),
        (APPEND_A, Write(()), Write(())),
        (Fields({"count": Write(1)}), Write(Inner()), Write(Inner())),
        (Write(Inner()), Fields({"count": Write(1)}), Write(Inner(count=1))),
        (
            Fields({"a": Write(1), "b": Write(2)}),
            Fields({"b": Write(3), "c": Write(4)}),
            Fields({"a": Write(1), "b": Write(3), "c": Write(4)}),
        ),
        (Delta(Add(), 1, 1), Delta(Max(), 5, 5), Write(5)),
        (Delta(First(), ("a",), "a"), Delta(First(), ("b",), "b"), Delta(First(), ("b",), "b")),
        (
            Delta(MergeKeys(), {"a": 1}, {"a": 1}),
            Delta(MergeKeys(), {"a": 2}, {"a": 2}),
            Delta(MergeKeys(), {"a": 2}, {"a": 2}),
        ),
    ],
)
def test_changes_of_one_branch_compose(first: Change, second: Change, both: Change) -> None:
    assert compose(first, second) == both


def always_clash(first: Any, second: Any) -> Any:
    raise Clash("never")


def as_it_is(before: Any, after: Any) -> Any:
    return after


def latest(value: Any, delta: Any) -> Any:
    return delta


def test_deltas_that_do_not_compose_are_a_write() -> None:
    picky = Reducer(as_it_is, latest, always_clash)
    assert compose(Delta(picky, 1, 1), Delta(picky, 2, 2)) == Write(2)


def test_a_change_is_applied_without_validation() -> None:
    state = Notes(log=("a",))
    change = Fields({"count": Write("not checked"), "log": APPEND_B})
    assert apply_change(state, change).model_dump(warnings=False, include={"count", "log"}) == {
        "count": "not checked",
        "log": ("a", "b"),
    }
    assert apply_change(Slotted(log=("a",)), Fields({"log": APPEND_B})) == Slotted(log=("a", "b"))
    with pytest.raises(InvalidState, match="Range.low: ValueError: low is above high"):
        apply_change(Range(), Fields({"low": Write(11)}))


# -- joining -----------------------------------------------------------------------------------------------------------


def test_nothing_changed_is_the_base_itself() -> None:
    base = Notes()
    assert join(base, [None, None], ["a", "b"]) == (base, None)
    assert join(base, [None, None], ["a", "b"])[0] is base
    assert join(base, [], [])[0] is base


def test_one_changer_is_taken_as_it_is() -> None:
    base = Notes(total=0.1, log=("a",))
    new, change = update_state(base, {"total": 0.1 + 0.7, "log": ["a", "b"]}, record=True)
    state, joint = join(base, [None, change, None], ["a", "b", "c"])
    assert state == new
    assert state.total is new.total
    assert joint is change


def test_deltas_combine_in_branch_order() -> None:
    base = Notes(log=("x",), total=1.0, scores={"k": 0})
    first = changed(base, log=("x", "a"), total=2.0, scores={"k": 0, "a": 1})
    second = changed(base, log=("x", "b"), total=4.0, scores={"k": 1})
    state, change = join(base, [first, None, second], ["a", "b", "c"])
    assert state == Notes(log=("x", "a", "b"), total=5.0, scores={"k": 1, "a": 1})
    assert change == Fields(
        {
            "log": Delta(Append(), ("a", "b"), ("x", "a", "b")),
            "total": Delta(Add(), 4.0, 5.0),
            "scores": Delta(MergeKeys(), {"a": 1, "k": 1}, {"k": 1, "a": 1}),
        }
    )


def test_different_fields_of_a_nested_model_meet() -> None:
    base = Notes(inner=Inner(log=("x",)), maybe=Inner())
    first = changed(base, inner=base.inner.model_copy(update={"count": 1}), maybe=Inner(count=2))
    second = changed(base, inner=base.inner.model_copy(update={"log": ("x", "a")}))
    third = changed(base, inner=base.inner.model_copy(update={"log": ("x", "b")}))
    assert joined(base, first, second, third) == Notes(inner=Inner(count=1, log=("x", "a", "b")), maybe=Inner(count=2))


@pytest.mark.parametrize(
    ("first", "second", "place"),
    [
        ({"count": 1}, {"count": 2}, "count"),
        ({"count": 1}, {"count": 1}, "count"),
        ({"log": ("x", "a")}, {"log": ()}, "log"),
        ({"inner": Inner(count=1)}, {"inner": Inner(count=2)}, "inner.count"),
        ({"maybe": None}, {"maybe": Inner(count=1)}, "maybe"),
        ({"scores": {"k": 1, "a": 1}}, {"scores": {"k": 0, "a": 1}}, "scores['a']"),
    ],
)
def test_fields_that_do_not_meet_conflict(first: dict[str, Any], second: dict[str, Any], place: str) -> None:
    base = Notes(log=("x",), scores={"k": 0}, maybe=Inner())
    found = conflict(base, changed(base, **first), None, changed(base, **second))
    assert found.field == place
    assert found.branches == ("g[0]", "g[2]")


def test_a_conflict_names_the_field_the_branches_and_the_values() -> None:
    found = conflict(Notes(), changed(Notes(), inner=Inner(count=1)), changed(Notes(), inner=Inner(count=2)))
    assert str(found).startswith(
        "concurrent branches wrote the state's field 'inner.count': g[0] wrote 1, g[1] wrote 2; declare how they meet"
    )
    assert pickle.loads(pickle.dumps(found)) == found


def test_a_clash_names_the_two_branches_and_what_they_wrote_there() -> None:
    base = Notes(scores={})
    keys = [{"a": 1}, {"b": 2}, {"c": 3}, {"d": 4}, {"b": 5}, {"c": 6}]
    found = conflict(base, *(changed(base, scores=some) for some in keys))
    assert found.field == "scores['b']"
    assert found.branches == ("g[1]", "g[4]")
    assert found.values == (2, 5)


def at_most_two(first: int, second: int) -> int:
    if first + second > 2:
        raise Clash("crowd", ("one value for all",))
    return first + second


def test_a_clash_of_more_than_two_names_them_all() -> None:
    crowd = Reducer(as_it_is, latest, at_most_two)
    found = conflict(0, *(Delta(crowd, 1, at) for at in range(3)))
    assert found.field == "[crowd]"
    assert found.branches == ("g[0]", "g[1]", "g[2]")
    assert found.values == (0, 1, 2)
    assert "[crowd]" in str(found)


def test_whole_states_conflict_as_a_whole() -> None:
    assert joined(1, Write(2), None) == 2
    found = conflict(1, Write(2), Write(3))
    assert (found.field, found.values) == ("", (2, 3))
    assert conflict(Notes(), Write(None), Fields({"count": Write(1)})).values == (None, {"count": 1})
    assert conflict(0, Delta(Add(), 1, 1), Delta(Max(), 1, 1)).values == (1, 1)


def test_a_wide_join_combines_once_a_branch() -> None:
    calls: list[int] = []

    def counted(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
        calls.append(len(first) + len(second))
        return first + second

    collect = Reducer(as_it_is, latest, counted)
    width = 4096
    state, _ = join((), [Delta(collect, (at,), ()) for at in range(width)], list(map(str, range(width))))
    assert state == tuple(range(width))
    assert len(calls) == width - 1
    assert sum(calls) == width * 12  # elements copied: width * log2(width), where a fold from the left copies 8 million


def test_first_and_last_go_by_branch_order() -> None:
    class Winners(Frozen):
        first: Annotated[str | None, First()] = None
        last: Annotated[str | None, Last()] = None

    base = Winners(first="x", last="x")
    one = compose(changed(base, first="a", last="a"), changed(base, first="b", last="b"))
    assert joined(base, one, changed(base, first="c", last=None)) == Winners(first="b", last=None)


def test_changes_travel() -> None:
    change = changed(Notes(), count=1, log=("a",), inner=Inner(count=1), scores={"a": 1})
    copy = pickle.loads(pickle.dumps(change))
    assert copy == change
    assert joined(Notes(), changed(Notes(), log=("b",)), copy).log == ("b", "a")


# -- reducers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reducer", "before", "after", "delta"),
    [
        (Append(), ("a",), ("a", "b"), ("b",)),
        (Append(), "ab", "abc", "c"),
        (Append(), ("a",), (), None),
        (Append(), ("a",), ["a", "b"], None),
        (Append(), None, ("a",), None),
        (Append(), Pair(1), Pair(1), None),
        (Add(), 1, 4, 3),
        (Add(), timedelta(1), timedelta(3), timedelta(2)),
        (Add(), 0.0, inf, inf),
        (Add(), inf, 1.0, None),
        (Add(), inf, inf, None),
        (Add(), -1.7e308, 1.7e308, None),
        (Add(), 1.0, nan, None),
        (Add(), True, False, None),
        (Add(), None, 1, None),
        (Add(), timedelta(1), 1, None),
        (Add(), 10**400, 1.5, None),
        (Union(), frozenset({1}), frozenset({1, 2}), frozenset({2})),
        (Union(), {1}, {2}, None),
        (Union(), (1,), {1}, None),
        (MergeKeys(), {"a": 1}, {"a": 2, "b": 3}, {"a": 2, "b": 3}),
        (MergeKeys(), {"a": 1}, {"a": 1}, {}),
        (MergeKeys(), {"a": [1]}, {"a": [1], "b": 2}, {"b": 2}),
        (MergeKeys(), {"a": 1}, {"b": 1}, None),
        (MergeKeys(), None, {}, None),
        (Max(), 1, 2, 2),
        (Max(), 2, 1, None),
        (Max(), None, 1, 1),
        (Max(), 1, None, None),
        (Max(), 1, "a", None),
        (Max(), 1.0, nan, None),
        (Min(), 2, 1, 1),
        (Min(), 1, 2, None),
        (First(), 1, None, (None,)),
        (Last(), 1, None, (None,)),
    ],
)
def test_what_a_reducer_can_express(reducer: Reducer[Any, Any], before: Any, after: Any, delta: Any) -> None:
    found = reducer.diff(before, after)
    assert found == delta
    assert type(found) is type(delta)


def test_merge_keys_keeps_the_kind_of_mapping() -> None:
    assert MergeKeys().patch(Counter(a=1), {"a": 3}) == Counter(a=3)
    assert MergeKeys().patch(MappingProxyType({"a": 1}), {"b": 2}) == MappingProxyType({"a": 1, "b": 2})
    kept = {"a": 1}
    MergeKeys().patch(kept, {"a": 2})
    assert kept == {"a": 1}


def test_values_that_have_no_order_clash() -> None:
    with pytest.raises(Clash, match="no order"):
        Max().combine(1, "a")


def test_values_that_cannot_be_compared_are_a_plain_write() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ValueError("ambiguous")

        __hash__ = None  # type: ignore[assignment]

    assert Append().diff((Odd(),), (Odd(), 1)) is None
    odd = Odd()
    assert Append().diff((odd,), (odd, 1)) == (1,)


def test_reducers_are_values() -> None:
    assert Append() == Append()
    assert Append() != Add()
    assert hash(Append()) == hash(Append())
    assert repr([Append(), MergeKeys()]) == "[Append(), MergeKeys()]"
    assert repr(Reducer(as_it_is, latest, at_most_two)) == "Reducer(as_it_is, latest, at_most_two)"
    clash = Clash("k", (1, 2))
    copy = pickle.loads(pickle.dumps(clash))
    assert (copy.detail, copy.values) == ("k", (1, 2))


def test_a_reducer_is_made_of_functions() -> None:
    with pytest.raises(DefinitionError, match=r"Reducer\(patch=...\) must be a function, got 3"):
        Reducer(as_it_is, 3, latest)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(DefinitionError, match=r"Reducer\(compose=...\) must be a function, got 'x'"):
        Reducer(as_it_is, latest, latest, "x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_shapes() -> None:
    shape = shape_of(Notes)
    assert shape == shape_of(Notes())
    assert shape.names == ("count", "log", "total", "scores", "plain", "inner", "maybe")
    assert shape.reducers == {"log": Append(), "total": Add(), "scores": MergeKeys()}
    assert shape.at("log", ()) == Shape(Append())
    assert shape.at("maybe", Inner()) == shape_of(Inner)
    assert shape.at("maybe", None) == shape_of(int) == Shape()
    assert pickle.loads(pickle.dumps(shape)) == shape


# -- lenses ------------------------------------------------------------------------------------------------------------


class Outer(Frozen):
    notes: Notes = Notes()
    span: Span = Span()
    whole: Annotated[Inner, Last()] = Inner()
    name: Annotated[str, Field(max_length=5)] = ""

    model_config = ConfigDict(frozen=True, str_strip_whitespace=True)


def test_a_field_lens_reads_and_sets_by_dotted_name() -> None:
    lens = Lens.field("notes.inner.count")
    outer = Outer()
    assert lens.get(outer) == 0
    assert lens.get(lens.set(outer, 3)) == 3
    assert lens.set(outer, lens.get(outer)) is outer
    assert Lens.field("log").set(Slotted(), ["a"]) == Slotted(log=("a",))
    with pytest.raises(InvalidState, match="Inner.count: Input should be a valid integer"):
        lens.set(outer, "x")
    with pytest.raises(InvalidState, match="Notes.inn: no such field"):
        Lens.field("notes.inn").get(outer)
    with pytest.raises(InvalidState, match="NoneType.count: NoneType has no fields"):
        Lens.field("notes.maybe.count").get(outer)


@pytest.mark.parametrize("path", ["", "a.", ".a", "a b", "a..b", 3])
def test_a_field_lens_needs_names(path: Any) -> None:
    with pytest.raises(DefinitionError, match="Lens.field takes a field's name"):
        Lens.field(path)


def test_lenses_are_values() -> None:
    lens = Lens.field("notes.log")
    assert lens == pickle.loads(pickle.dumps(lens))
    assert repr(lens) == "Lens.field('notes.log')"
    assert repr(Lens(first_word, with_first_word)) == "Lens(first_word, with_first_word)"


def test_a_lens_gives_the_shape_of_its_part() -> None:
    assert Lens.field("notes.log").shape(Outer()) == Shape(Append())
    assert Lens.field("notes.inner").shape(Outer()) == shape_of(Inner)
    assert Lens.field("notes").shape(Outer()) == shape_of(Notes)
    assert Lens.field("whole.log").shape(Outer()) == Shape(Append())
    assert Lens(first_word, with_first_word).shape(Notes(log=("a",))) == Shape()


def test_a_change_is_lifted_to_the_whole() -> None:
    assert Lens.field("notes.log").lift(APPEND_A) == Fields({"notes": Fields({"log": APPEND_A})})
    assert Lens.field("notes").lift(None) is None
    assert Lens(first_word, with_first_word).lift(Write("x")) is None


def focused(lens: Lens[Any, Any], whole: Any, *parts: Any) -> tuple[Any, Change | None]:
    """Put one part after the other, as a flow under ``focus`` does, then go back to the whole."""
    part, change, shape = lens.get(whole), None, lens.shape(whole)
    for new in parts:
        change = compose(change, replace_state(part, new, record=True, shape=shape))
        part = new
    return lens.replace(whole, part, change, record=True)


def test_focused_branches_meet_by_the_reducer_of_the_field() -> None:
    lens, base = Lens.field("notes.log"), Outer(notes=Notes(log=("x",)))
    _, first = focused(lens, base, ("x", "a"), ("x", "a", "b"))
    state, second = focused(lens, base, ("x", "c"))
    assert state.notes.log == ("x", "c")
    assert first == lens.lift(Delta(Append(), ("a", "b"), ("x", "a", "b")))
    assert joined(base, first, second).notes.log == ("x", "a", "b", "c")


def test_a_focus_keeps_what_was_recorded_even_when_it_led_back() -> None:
    base = Outer()
    inner = base.notes.inner
    state, change = focused(Lens.field("notes.inner"), base, inner.model_copy(update={"count": 1}), inner)
    assert state == base
    assert change == Fields({"notes": Fields({"inner": Fields({"count": Write(0)})})})
    assert Lens.field("notes").replace(base, base.notes, None, record=True) == (base, None)


def test_a_focus_records_what_the_classes_around_the_part_made_of_it() -> None:
    state, change = focused(Lens.field("span.low"), Outer(), 4)
    assert state.span == Span(low=4)
    assert change == Fields({"span": Fields({"low": Write(4), "width": Write(6)})})
    state, change = focused(Lens.field("name"), Outer(), " ab ")
    assert state.name == "ab"
    assert change == Fields({"name": Write("ab")})
    with pytest.raises(InvalidState, match="low is above high"):
        focused(Lens.field("span.low"), Outer(), 40)


def test_a_focus_into_a_reduced_field_is_a_delta_of_its_reducer() -> None:
    state, change = focused(Lens.field("whole.count"), Outer(), 4)
    assert state.whole == Inner(count=4)
    assert change == Fields({"whole": Delta(Last(), (Inner(count=4),), Inner(count=4))})


def test_an_update_of_a_part_with_a_reducer_is_its_delta() -> None:
    lens = Lens.field("whole")
    part, change = update_state(Inner(), {"count": 4}, record=True, shape=lens.shape(Outer()))
    assert change == Delta(Last(), (Inner(count=4),), Inner(count=4))
    assert lens.replace(Outer(), part, change, record=True) == (Outer(whole=part), lens.lift(change))


def test_a_focus_without_a_record_has_no_change() -> None:
    assert Lens.field("notes.count").replace(Outer(), 3, None, record=False) == (Outer(notes=Notes(count=3)), None)


def first_word(notes: Notes) -> str:
    return notes.log[0]


def with_first_word(notes: Notes, word: str) -> Notes:
    return notes.model_copy(update={"log": (word, *notes.log[1:])})


def test_the_change_through_functions_of_ones_own_is_found_by_identity() -> None:
    lens, base = Lens(first_word, with_first_word), Notes(log=("a", "b"), count=3)
    new, change = lens.replace(base, "z", Write("z"), record=True)
    assert new == Notes(log=("z", "b"), count=3)
    assert change == Fields({"log": Write(("z", "b"))})
