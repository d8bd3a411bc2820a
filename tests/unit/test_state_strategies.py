"""Strategies for states of one's own class, and for schedules."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Literal

import pytest
from hypothesis import find, given
from pydantic import BaseModel, Field, field_validator

from mce import Append, Max, exponential, fibonacci, recurs, spaced
from mce.schedule import Schedule
from mce.testing import schedules, states
from mce.testing.vocabulary import Ledger


class Page(BaseModel, frozen=True):
    title: str = Field(min_length=2)
    kind: Literal["draft", "final"] = "draft"


class Notes(BaseModel, frozen=True):
    log: Annotated[tuple[str, ...], Append()] = ()
    best: Annotated[int | None, Max()] = None
    budget: Annotated[int, Field(ge=1, le=9)] = 5
    even: int = 0
    pages: dict[str, Page] = {}

    @field_validator("even")
    @classmethod
    def check_even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("odd")
        return value


@dataclass(frozen=True)
class Plain:
    total: int
    tags: frozenset[str] = frozenset()


@given(state=states(Notes))
def test_a_state_is_one_that_its_class_accepts(state: Notes) -> None:
    assert Notes.model_validate(state.model_dump()) == state


@given(state=states(Plain))
def test_a_dataclass_is_a_state_too(state: Plain) -> None:
    assert (type(state.total), type(state.tags)) == (int, frozenset)


@pytest.mark.parametrize(
    "wanted",
    [
        lambda state: state == Notes(),
        lambda state: len(state.log) > 1,
        lambda state: state.best is not None and state.best > 100,
        lambda state: state.budget == 9,
        lambda state: state.even not in (0, 2),
        lambda state: any(page.kind == "final" for page in state.pages.values()),
    ],
)
def test_every_field_is_drawn(wanted: object) -> None:
    assert find(states(Notes), wanted)  # type: ignore[arg-type]


@given(state=states())
def test_without_a_class_it_is_that_of_random_flows(state: Ledger) -> None:
    assert type(state) is Ledger


@given(schedule=schedules())
def test_a_schedule_ends_and_prints_as_the_program_that_makes_it(schedule: Schedule) -> None:
    assert len(list(islice(schedule.delays(), 10))) <= 9
    words = {"recurs": recurs, "spaced": spaced, "exponential": exponential, "fibonacci": fibonacci}
    assert eval(repr(schedule), words) == schedule


@pytest.mark.parametrize(
    "word", ["recurs", "spaced", "exponential", "fibonacci", "jittered", "capped", "up_to", "&", "|"]
)
def test_every_kind_of_schedule_is_drawn(word: str) -> None:
    assert word in repr(find(schedules(), lambda schedule: word in repr(schedule)))


def test_schedules_that_do_not_end_are_drawn_when_they_may() -> None:
    assert find(schedules(ends=False), lambda found: len(list(islice(found.delays(), 100))) == 100) == spaced(0)


def test_a_schedule_shrinks() -> None:
    assert find(schedules(), lambda found: True) == recurs(0)
    small = find(schedules(), lambda found: len(list(found.delays())) >= 3)
    assert len(small.ops) <= 3
