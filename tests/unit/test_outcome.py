"""What a run gives, as people read it, take it apart and send it."""

from __future__ import annotations

import pickle

import pytest

from mce import Defect, Failed, Failure, Lens, Outcome, Place, Sibling, Success

GOOD: Outcome[int] = Outcome(Success(3), {"log": 1})
BAD: Outcome[int, str] = Outcome(
    Failure("no"), None, Place("agent/search", 2, (Sibling("agent/gather[1]", Success("x")),), ("a note",))
)
BROKEN: Outcome[int, object] = Outcome(
    Failure(Defect(KeyError("k"), "the traceback", "agent/search")), None, Place("agent/search")
)


def test_the_value_of_a_success() -> None:
    assert (GOOD.ok, GOOD.value, GOOD.unwrap(), GOOD.error, GOOD.defect) == (True, 3, 3, None, None)
    assert repr(GOOD) == "Outcome(3, state={'log': 1})"


def test_the_error_of_a_failure() -> None:
    assert (BAD.ok, BAD.error, BAD.defect) == (False, "no", None)
    assert repr(BAD) == "Outcome(failed: 'no' at agent/search, attempt 2; agent/gather[1] gave 'x')"
    with pytest.raises(Failed) as caught:
        BAD.unwrap()
    assert caught.value.error == "no"


def test_a_defect_is_raised_as_itself() -> None:
    assert isinstance(BROKEN.defect, Defect)
    with pytest.raises(Defect, match="KeyError: 'k' at agent/search"):
        _ = BROKEN.value


def test_patterns_take_it_apart() -> None:
    found: object = None
    match BAD:
        case Outcome(Success(value), _):
            found = value
        case Outcome(Failure(error), state):
            found = (error, state)
    assert found == ("no", None)


def test_many_siblings_are_counted() -> None:
    siblings = tuple(Sibling(f"gather[{at}]", Success(at)) for at in range(10))
    assert repr(Outcome(Failure("no"), None, Place("gather[10]", siblings=siblings))).endswith("; 7 more had ended)")


@pytest.mark.parametrize("outcome", [GOOD, BAD, BROKEN], ids=repr)
def test_it_crosses_process_borders(outcome: Outcome[int, object]) -> None:
    assert pickle.loads(pickle.dumps(outcome)) == outcome


def test_generic_classes_can_be_called_with_their_types() -> None:
    assert Outcome[int, str, None](Success(3), None).value == 3
    assert Lens[tuple[int, int], int](get=lambda pair: pair[0], set=lambda pair, part: (part, pair[1])).get((1, 2)) == 1
