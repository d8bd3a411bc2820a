"""Every error crosses process borders whole, equals itself there, and says what, where and what to do."""

from __future__ import annotations

import inspect
import pickle

import pytest
from returns.result import Failure

from mce import Outcome, errors
from mce.errors import (
    BudgetExceeded,
    CircuitOpen,
    ClusterError,
    Deadlock,
    Defect,
    DefinitionError,
    EngineError,
    ExpectedFailure,
    Failed,
    InvalidFlow,
    InvalidGraph,
    InvalidInput,
    InvalidOutput,
    InvalidState,
    InvalidStep,
    LoopLimit,
    MceError,
    RemoteError,
    RunCancelled,
    StateConflict,
    TimedOut,
    Uncertain,
    UsageError,
    brief,
)

SAMPLES: list[MceError] = [
    BudgetExceeded("steps", 10, "agent/search"),
    CircuitOpen("search", 12.5),
    ClusterError("the scheduler is gone"),
    Deadlock(("agent/gather[0]", "agent/gather[1]")),
    Defect(ValueError("bad"), "Traceback", "agent/search", 2),
    DefinitionError("wrong"),
    EngineError("ours"),
    ExpectedFailure("expected"),
    Failed({"code": 3}),
    InvalidFlow("cannot run"),
    InvalidGraph("no graph"),
    InvalidInput("input: wrong"),
    InvalidOutput("search", "list[str]", "it returned int 3"),
    InvalidState("Notes", "log", "not a tuple"),
    InvalidStep("not a step"),
    LoopLimit(5, "agent/iterate", 17),
    MceError("root"),
    RemoteError("ValueError", "bad"),
    RunCancelled("run x was cancelled"),
    StateConflict("log", ("gather[0]", "gather[1]"), (1, 2), "gather"),
    StateConflict("", (), (), "gather", problem="n: at most 10"),
    TimedOut(2.5, "agent/search"),
    Uncertain("agent/pay", 2),
    UsageError("wrong moment"),
]


def all_errors() -> set[type]:
    return {found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, MceError)}


def test_every_error_has_a_sample() -> None:
    assert {type(sample) for sample in SAMPLES} == all_errors()


def test_the_tree_in_the_docstring_is_complete() -> None:
    assert errors.__doc__ is not None
    missing = [
        found.__name__ for found in all_errors() if found is not RemoteError if found.__name__ not in errors.__doc__
    ]
    assert not missing


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_whole(error: MceError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert copy == error
    assert str(copy) == str(error)
    assert vars(copy).keys() == vars(error).keys()


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_errors_of_other_fields_or_classes_differ(error: MceError) -> None:
    assert error != MceError("something else")
    assert error != "something else"
    assert hash(error) == hash(pickle.loads(pickle.dumps(error)))


class Unpicklable(Exception):
    def __init__(self) -> None:
        super().__init__(lambda: None)

    def __str__(self) -> str:
        return "holds a function"


def test_a_cause_that_cannot_be_pickled_arrives_with_its_type_and_message() -> None:
    copy = pickle.loads(pickle.dumps(Defect(Unpicklable(), "the traceback", "agent/search", 3)))
    assert copy.cause == RemoteError("Unpicklable", "holds a function")
    assert (copy.traceback, copy.path, copy.attempt) == ("the traceback", "agent/search", 3)
    assert str(copy.cause) == "Unpicklable: holds a function"


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def test_a_cause_without_words_does_not_silence_the_defect() -> None:
    assert str(Defect(Mute(), "", "agent/search")) == "Mute: <its str raised RuntimeError> at agent/search"
    assert repr(Outcome(Failure(Defect(Mute())), None)) == "Outcome(failed: Mute: '<its str raised RuntimeError>')"


def test_brief_never_raises_and_never_runs_long() -> None:
    assert brief(Broken()) == "<Broken: its repr raised RuntimeError>"
    assert len(brief("x" * 1000, 60)) == 60
    assert brief("a\nb") == r"'a\nb'"


def test_messages_say_what_where_and_what_to_do() -> None:
    assert str(TimedOut(2.5, "agent/search")) == "timed out after 2.5 s at agent/search"
    assert str(LoopLimit(5, "agent/iterate", 17)) == "not done after 5 turns at agent/iterate; last value: 17"
    assert str(Defect(ValueError("bad"), "", "agent/search", 2)) == "ValueError: bad at agent/search (attempt 2)"
    conflict = str(StateConflict("log", ("gather[0]", "gather[1]"), (1, 2), "gather"))
    assert "'log' at gather: gather[0] wrote 1, gather[1] wrote 2; declare how they meet: Annotated" in conflict


def test_a_conflict_is_its_own_cause() -> None:
    conflict = StateConflict("log", ("a", "b"), (1, 2))
    assert conflict.cause is conflict
    assert isinstance(conflict, Defect)
    assert conflict.at("gather").path == "gather"
