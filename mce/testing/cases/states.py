"""Cases of the state: how steps and combinators change it, what failures leave of it, and how branches meet."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, model_validator

from mce.combinators import (
    each,
    fail,
    focus,
    gather,
    get,
    last,
    modify,
    pure,
    put,
    quorum,
    race,
    settle,
    transact,
    validate,
)
from mce.context import Context
from mce.errors import InvalidState, StateConflict
from mce.flow import Flow
from mce.lens import Lens
from mce.reducers import Reducer
from mce.schedule import recurs
from mce.step import step
from mce.testing.cases.bench import AnyFlow, Bench, Cases, expect
from mce.testing.cases.parts import Inner, Notes, blow_up, hold, note, read, refuse, write

__all__ = ["CASES"]

CASES = Cases("states")


def conflict_of(bench: Bench, flow: AnyFlow, state: object = None) -> StateConflict:
    """Run ``flow``, which must fail with a :class:`StateConflict`, and give it."""
    error = bench.run(flow, state=Notes() if state is None else state).error
    if not isinstance(error, StateConflict):
        expect(error, StateConflict, "the error")
    return error  # type: ignore[return-value]


@CASES
def the_state_is_passed_along(bench: Bench) -> None:
    """Every step starts from the state that the one before left; the outcome has the last."""
    outcome = bench.gives(note("a") >> note("b") >> read, Notes(log=("a", "b")), state=Notes())
    expect(outcome.state, Notes(log=("a", "b")), "the state")
    expect(bench.gives(pure(1), 1, state=Notes(n=3)).state, Notes(n=3), "the state of a flow that leaves it alone")
    expect(bench.gives(pure(1), 1).state, None, "the state of a run that was given none")


@CASES
def get_put_and_modify(bench: Bench) -> None:
    """``get`` gives the state, ``put`` replaces it, ``modify`` applies a function; any value may be a state."""
    bench.gives(put(4) >> get(), 4, state=3)
    expect(bench.gives(modify(lambda n: n + 1) >> modify(lambda n: n * 2), None, state=3).state, 8, "the state")
    expect(bench.gives(put(None), None, state=3).state, None, "the state")
    bench.breaks(modify(lambda n: n / 0), ZeroDivisionError, state=3)


@CASES
def an_update_is_validated(bench: Bench) -> None:
    """An unknown field, a wrong value and a state of another class are refused by name and change nothing."""

    @step
    async def puts(ctx: Context[Any], state: object) -> None:
        ctx.put(state)

    for flow, named in ((write({"nn": 1}), "'n'"), (write({"n": "one"}), "Notes.n"), (puts(5), "Notes")):
        outcome, defect = bench.breaks(note("a") >> flow, InvalidState, state=Notes())
        expect((named in str(defect), outcome.state), (True, Notes(log=("a",))), f"{named} in {defect}, and the state")
    bench.breaks(put("three"), InvalidState, state=Notes())


@CASES
def focus_runs_on_a_part(bench: Bench) -> None:
    """``focus`` makes a part the state, and its changes changes of the whole, also when the body fails."""
    body: AnyFlow = modify(lambda inner: inner.model_copy(update={"left": 5})) >> read
    outcome = bench.gives(focus("inner", body), Inner(left=5), state=Notes(n=1))
    expect(outcome.state, Notes(n=1, inner=Inner(left=5)), "the state")
    expect(bench.gives(focus("inner.left", put(7)), None, state=Notes()).state.inner.left, 7, "a part of a part")
    outcome = bench.fails(focus("inner", focus("left", put(7) >> fail("no"))), "no", state=Notes())
    expect(outcome.state.inner.left, 7, "the part at the failure")
    swapped: Lens[Any, Any] = Lens(operator.itemgetter(0), lambda pair, part: (part, pair[1]))
    expect(bench.gives(focus(swapped, put(5)), None, state=(1, 2)).state, (5, 2), "a lens of two functions")


@CASES
def a_part_that_the_whole_refuses(bench: Bench) -> None:
    """A part that does not fit is a defect at ``focus``; after a failure the first error stays, with a note."""
    refused, _ = bench.breaks(focus("n", put(None)), InvalidState, state=Notes())
    expect(refused.where and refused.where.path, "focus", "the path")

    def no_part(_: Any, __: Any) -> Any:
        raise ValueError("not this part")

    lens: Lens[Any, Any] = Lens(operator.itemgetter(0), no_part)
    bench.breaks(focus(lens, put(5)), ValueError, state=(1, 2))
    outcome = bench.fails(focus(lens, put(5) >> refuse("first")), "first", state=(1, 2))
    notes = outcome.where.notes if outcome.where else ()
    expect((["not this part" in text for text in notes], outcome.state), ([True], (1, 2)), "the note and the state")
    late = bench.run(focus(lens, put(5) >> hold(30)).timeout(0.01), state=(1, 2))
    expect((type(late.error).__name__, late.state), ("TimedOut", (1, 2)), "what a deadline leaves")


@CASES
def transact_is_all_or_nothing(bench: Bench) -> None:
    """``transact`` keeps the changes of a success and drops those of a failure, a defect and a cancellation."""
    change = note("a")
    expect(bench.gives(transact(change), "a", state=Notes()).state.log, ("a",), "the log after a success")
    for body in (change >> refuse("no"), change >> blow_up("x"), change >> transact(note("b")) >> fail("no")):
        expect(bench.run(note("0") >> transact(body), state=Notes()).state.log, ("0",), "the log after a failure")
    late = transact(change >> hold(30)).timeout(0.01).recover(lambda _: note("late"))
    expect(bench.gives(late, "late", state=Notes()).state.log, ("late",), "the log after a deadline")


@CASES
def a_deadline_keeps_the_state(bench: Bench) -> None:
    """What was changed before the deadline stays changed, as for every failure."""
    flow = (note("a") >> hold(30)).timeout(0.01).recover(lambda _: note("late"))
    expect(bench.gives(flow, "late", state=Notes()).state.log, ("a", "late"), "the log")


@CASES
def every_attempt_starts_from_the_state_at_entry(bench: Bench) -> None:
    """``retry`` drops what failed attempts changed; the last one's changes stay, also when it fails."""

    @step
    async def tries(ctx: Context[Notes]) -> None:
        ctx.update(log=(*ctx.state.log, f"attempt {ctx.attempt}"))
        if ctx.attempt < 3:
            raise ValueError

    flow = note("a") >> tries.retry(recurs(5))
    expect(bench.gives(flow, None, state=Notes()).state.log, ("a", "attempt 3"), "the log")
    outcome, _ = bench.breaks(note("a") >> tries.retry(recurs(1)), ValueError, state=Notes())
    expect(outcome.state.log, ("a", "attempt 2"), "the log after the last failure")


# -- where branches meet -----------------------------------------------------------------------------------------------


@CASES
def branches_start_from_the_same_state(bench: Bench) -> None:
    """No branch sees what another wrote; what follows the join sees it all."""
    outcome = bench.gives(
        note("a") >> gather(note("b") >> read, note("c") >> read).bind(lambda seen: pure([s.log for s in seen])),
        [("a", "b"), ("a", "c")],
        state=Notes(),
    )
    expect(outcome.state.log, ("a", "b", "c"), "the log")


@CASES
def one_changer_of_a_field_wins(bench: Bench) -> None:
    """A field that one branch changed has its value as it is, whatever the change."""
    flow = gather(write({"n": 1, "log": ("new",)}), write({"m": 2}), write({"plain": {"a": 1}}))
    state = bench.run(flow, state=Notes(log=("old",))).state
    expect(state, Notes(n=1, m=2, plain={"a": 1}, log=("new",)), "the state")


@CASES
def two_plain_writes_conflict(bench: Bench) -> None:
    """Two branches that write a field without a reducer are a conflict: field, branches and values, in order."""
    conflict = conflict_of(bench, gather(write({"n": 1}), note("b"), write({"n": 2})).named("agent"))
    expect((conflict.field, conflict.branches), ("n", ("agent/gather[0]", "agent/gather[2]")), "field and branches")
    expect((conflict.values, conflict.path), ((1, 2), "agent/gather"), "values and path")
    expect(bench.run(gather(write({"n": 1}), write({"n": 2})), state=Notes(n=5)).state.n, 5, "the field")


@CASES
def a_value_set_back_was_written(bench: Bench) -> None:
    """A field that is named in an update was written, even if the value is what it was."""
    back = write({"n": 1}) >> write({"n": 0})
    expect(conflict_of(bench, gather(back, write({"n": 5}))).values, (0, 5), "the values")
    expect(conflict_of(bench, gather(write({"n": 0}), write({"n": 5}))).values, (0, 5), "the values")
    conflict_of(bench, gather(write({"n": 5}), write({"n": 5})))


@CASES
def put_and_modify_write_what_is_another_object(bench: Bench) -> None:
    """``put``, ``modify`` and ``focus`` write the fields that are no longer the identical object, and no others."""

    def with_field(**fields: Any) -> AnyFlow:
        return modify(lambda state: state.model_copy(update=fields))

    state = bench.run(gather(with_field(n=1), with_field(m=2), note("a")), state=Notes()).state
    expect(state, Notes(n=1, m=2, log=("a",)), "the state")
    conflict_of(bench, gather(with_field(n=1), focus("n", put(2))))
    expect(bench.run(gather(focus("n", get()), write({"n": 2})), state=Notes()).state.n, 2, "the field")


@CASES
def nested_models_meet_field_by_field(bench: Bench) -> None:
    """Branches may change different fields of one nested model; a mapping is one value."""
    flow = gather(focus("inner.left", put(1)), focus("inner.right", put(2)))
    expect(bench.run(flow, state=Notes()).state.inner, Inner(left=1, right=2), "the nested model")
    logs = gather(focus("inner.log", put(("a",))), focus("inner.log", put(("b",))))
    expect(bench.run(logs, state=Notes()).state.inner.log, ("a", "b"), "the nested log")
    expect(conflict_of(bench, gather(*[focus("inner.left", put(n)) for n in (1, 2)])).field, "inner.left", "the field")
    expect(conflict_of(bench, gather(*[write({"plain": {k: 1}}) for k in "ab"])).field, "plain", "the field")


@CASES
def deltas_meet_in_branch_order(bench: Bench) -> None:
    """Several deltas of a field's reducer combine, in the order of the branches and not in that of their ends."""
    flow = gather(hold(0.01) >> note("a"), note("b"), each(note))
    outcome = bench.run(pure(["c", "d"]) >> flow, state=Notes(log=("0",)))
    expect(outcome.state.log, ("0", "a", "b", "c", "d"), "the log")


@CASES
def every_shipped_reducer_joins(bench: Bench) -> None:
    """``Append``, ``Add``, ``Union``, ``MergeKeys``, ``Max``, ``Min``, ``First``, ``Last`` join what branches wrote."""
    before = Notes(log=("0",), total=10, seen=frozenset("z"), table={"z": 0}, most=5, least=5)
    one = {"log": ("0", "a"), "total": 11, "seen": frozenset("za"), "table": {"z": 0, "a": 1}}
    two = {"log": ("0", "b"), "total": 13, "seen": frozenset("zb"), "table": {"z": 0, "b": 2}}
    one |= {"most": 7, "least": 4, "first": "one", "last": "one"}
    two |= {"most": 6, "least": 3, "first": "two", "last": "two"}
    joined = Notes(
        log=("0", "a", "b"),
        total=14,
        seen=frozenset("zab"),
        table={"z": 0, "a": 1, "b": 2},
        most=7,
        least=3,
        first="one",
        last="two",
    )
    expect(bench.run(gather(write(one), write(two)), state=before).state, joined, "the joined state")


@CASES
def keys_conflict_one_by_one(bench: Bench) -> None:
    """``MergeKeys`` conflicts where two branches wrote one key, and says which."""
    conflict = conflict_of(bench, gather(write({"table": {"a": 1, "b": 1}}), write({"table": {"a": 2}})))
    expect(("a" in conflict.field, conflict.values), (True, (1, 2)), "the key and the values")


@CASES
def a_change_that_a_reducer_cannot_express_is_a_write(bench: Bench) -> None:
    """A log that was cut, a set that lost something, a maximum that was lowered: kept alone, else a conflict."""
    before = Notes(log=("a", "b"), seen=frozenset("ab"), most=5, least=5)
    cut: Sequence[tuple[dict[str, Any], dict[str, Any]]] = (
        ({"log": ("a",)}, {"log": ("a", "b", "c")}),
        ({"seen": frozenset("a")}, {"seen": frozenset("abc")}),
        ({"most": 4}, {"most": 6}),
        ({"least": 6}, {"least": 4}),
    )
    for shrinks, grows in cut:
        (field, value), *_ = shrinks.items()
        expect(getattr(bench.run(gather(write(shrinks), pure(1)), state=before).state, field), value, field)
        expect(conflict_of(bench, gather(write(grows), write(shrinks)), before).field, field, "the field")


@dataclass(frozen=True)
class Longest:
    """A state with a reducer of one's own."""

    word: Annotated[
        str, Reducer(lambda _, new: new, lambda _, new: new, lambda a, b: max(a, b, key=len), lambda _, b: b)
    ] = ""


@CASES
def a_reducer_of_ones_own_joins(bench: Bench) -> None:
    """A ``Reducer`` of functions says how a field's changes meet; a dataclass may be the state."""

    @step
    async def says(ctx: Context[Longest], word: str) -> None:
        ctx.update(word=word)

    flow = gather(says("a"), says("longer") >> says("abc"), says("ab"))
    expect(bench.run(flow, state=Longest()).state, Longest("abc"), "the state")


@CASES
def changes_of_a_branch_compose(bench: Bench) -> None:
    """What a branch wrote step by step is one change, and a nested join hands on the change it made."""
    steps = [note(letter) for letter in "abcdef"]
    nested = [
        gather(*steps),
        gather(gather(*steps[:3]), gather(*steps[3:])),
        gather(steps[0], gather(steps[1], gather(steps[2] >> steps[3], steps[4])), steps[5]),
        steps[0] >> gather(steps[1] >> gather(steps[2], steps[3]) >> steps[4], steps[5]),
    ]
    for flow in nested:
        expect("".join(bench.run(flow, state=Notes()).state.log), "abcdef", "the log")
    conflict = conflict_of(bench, gather(gather(write({"n": 1}), pure(0)), gather(pure(0), write({"n": 2}))))
    expect(conflict.branches, ("gather[0]", "gather[1]"), "the branches")


@CASES
def merge_overrides_the_rules(bench: Bench) -> None:
    """``merge`` makes the state of the branches' states; ``last`` is the paper's; what it raises is a defect there."""
    writes = [write({"n": n, "log": (str(n),)}) for n in (1, 2, 3)]
    expect(bench.run(gather(*writes, merge=last), state=Notes()).state, Notes(n=3, log=("3",)), "the state")

    def summed(states: list[Notes]) -> Notes:
        return Notes(n=sum(state.n for state in states))

    expect(bench.run(gather(*writes, merge=summed), state=Notes()).state, Notes(n=6), "the state")
    expect(bench.run(each(write, merge=summed), [{"n": 1}, {"n": 4}], state=Notes()).state, Notes(n=5), "the state")

    def broken(_: list[Any]) -> Any:
        raise ZeroDivisionError

    _, defect = bench.breaks(gather(*writes, merge=broken), ZeroDivisionError, state=Notes())
    expect(defect.path, "gather", "the path")
    nested = gather(gather(*writes, merge=summed), note("a"))
    expect(bench.run(nested, state=Notes()).state, Notes(n=6, log=("a",)), "the state of a join around")


class Capped(BaseModel, frozen=True):
    """A state whose class refuses some combinations of its fields."""

    a: int = 0
    b: int = 0

    @model_validator(mode="after")
    def _check(self) -> Capped:
        if self.a + self.b > 1:
            raise ValueError("too much")
        return self


@CASES
def a_merged_state_is_validated(bench: Bench) -> None:
    """A merged state that its own class refuses is a conflict that says why."""
    conflict = conflict_of(bench, gather(write({"a": 1}), write({"b": 1})), Capped())
    expect("too much" in str(conflict), True, "the reason in the message")


@CASES
def after_a_failure_the_state_is_that_of_the_failing_branch(bench: Bench) -> None:
    """A join that fails fast has the state of the branch that failed; what its siblings changed is dropped."""
    flow = note("0") >> gather(note("a"), note("b") >> refuse("no"))
    expect(bench.fails(flow, "no", state=Notes()).state.log, ("0", "b"), "the log")
    nested = note("0") >> gather(note("a"), note("b") >> gather(note("c"), note("d") >> fail("no")))
    expect(bench.fails(nested, "no", state=Notes()).state.log, ("0", "b", "d"), "the log")


@CASES
def settled_branches_all_count(bench: Bench) -> None:
    """``settle`` and a ``validate`` that fails merge what every branch changed, failed ones too."""
    branches: list[Flow[object, Any, Any, Any]] = [note("a") >> fail(1), note("b"), note("c") >> fail(2)]
    for flow in (settle(*branches), validate(*branches)):
        expect(bench.run(flow, state=Notes()).state.log, ("a", "b", "c"), "the log")
    conflict_of(bench, settle(write({"n": 1}) >> fail(1), write({"n": 2})))


@CASES
def winners_count(bench: Bench) -> None:
    """``quorum`` merges its winners' changes and ``race`` keeps the winner's; losers leave nothing behind."""
    outcome = bench.run(quorum(2, note("a") >> fail(1), note("b"), note("c")), state=Notes())
    expect(outcome.state.log, ("b", "c"), "the log")
    outcome = bench.run(race(note("a") >> fail(1), note("b") >> hold(0.01)), state=Notes())
    expect(outcome.state.log, ("b",), "the log")


@CASES
def if_all_lose_the_state_is_that_at_entry(bench: Bench) -> None:
    """A race or a quorum that fails leaves the state as it was at its beginning."""
    losers = [note("a") >> fail(1), note("b") >> fail(2)]
    for flow in (race(*losers), quorum(1, *losers)):
        expect(bench.fails(note("0") >> flow, (1, 2), state=Notes()).state.log, ("0",), "the log")


@CASES
def a_join_under_focus_and_transact(bench: Bench) -> None:
    """Branches within ``focus`` change the part, and a rolled back branch leaves no change behind."""
    flow = focus("inner", gather(focus("left", put(1)), focus("right", put(2))))
    expect(bench.run(flow, state=Notes()).state.inner, Inner(left=1, right=2), "the part")
    focused = focus("inner.log", gather(put(("a",)), put(("b",))))
    expect(bench.run(focused, state=Notes()).state.inner.log, ("a", "b"), "a focused field with a reducer")
    rolled_back = transact(write({"n": 1}) >> fail("no")).recover(lambda _: pure(0))
    expect(bench.run(gather(rolled_back, write({"n": 2})), state=Notes()).state.n, 2, "the field")
    retried = (write({"n": 1}) >> fail("no")).retry(recurs(1)).recover(lambda _: pure(0))
    conflict_of(bench, gather(retried, write({"n": 2})))
