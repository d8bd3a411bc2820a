"""``fuzz`` finds what is wrong with flows, shrinks it to a few events, and finds nothing in flows that are right."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest

from mce import Context, Flow, InvalidInput, gather, lift, modify, pure, recurs, step
from mce.testing import Breaks, Fails, assert_mended, fuzz
from mce.testing.fuzz_data import Shared
from mce.testing.fuzz_file import written_tests
from mce.testing.fuzz_guard import has_body, runs_as_it_is
from mce.testing.fuzz_report import Finding
from mce.testing.fuzz_shrink import shrunk
from mce.testing.fuzz_stage import Bench, Trial
from tests.unit.fuzz_flows import BUGGY, CORRECT, HELD, NoAnswer, Notes, charge, post, take

MOST_EVENTS = 3


@pytest.mark.parametrize("name", CORRECT)
def test_nothing_is_found_in_a_flow_that_is_right(name: str) -> None:
    report = fuzz(CORRECT[name], examples=150, seed=3)
    assert report.findings == ()
    assert report.ok
    assert report.steps.reached == report.steps.all, report.steps.missed


@pytest.mark.parametrize("name", BUGGY)
def test_a_bug_is_found_and_shrunk(name: str) -> None:
    kind, flow = BUGGY[name]
    report = fuzz(flow, examples=150, seed=3)
    assert kind in [finding.kind for finding in report.findings]
    assert not report.ok
    for finding in report.findings:
        assert finding.events <= MOST_EVENTS, finding


@pytest.mark.parametrize(
    "name", [name for name in BUGGY if name not in ("a step that never ends", "a loop without an end")]
)
def test_a_finding_is_found_again_in_its_trial_alone(name: str) -> None:
    kind, flow = BUGGY[name]
    finding = _of_kind(flow, kind)
    with pytest.raises(AssertionError, match=f"^{re.escape(finding.kind)}: ") as found:
        _again(flow, finding)
    assert "t=0" in str(found.value)


def test_a_mended_flow_passes() -> None:
    kind, flow = BUGGY["a charge under a retry"]
    finding = _of_kind(flow, kind)
    mended = charge >> post.retry(recurs(2), on=NoAnswer)
    _again(mended, finding)


def test_the_same_seed_finds_the_same() -> None:
    flow = gather(take(1), take(2))
    one, other = fuzz(flow, examples=40, seed=5), fuzz(flow, examples=40, seed=5)
    assert [(f.kind, f.message, f.trial.order) for f in one.findings] == [
        (f.kind, f.message, f.trial.order) for f in other.findings
    ]
    assert one.runs == other.runs


def test_a_crash_of_a_step_is_no_finding() -> None:
    @step
    async def search(query: str) -> str: ...  # type: ignore[empty-body]

    report = fuzz(search >> lift(str.upper), examples=60)
    assert report.ok


def test_an_invariant_that_breaks_is_found_with_the_smallest_input() -> None:
    @step
    async def spend(ctx: Context[Notes], amount: int) -> int:
        ctx.update(total=ctx.state.total - amount)
        return amount

    report = fuzz(spend, examples=40, invariant=lambda notes: notes.total >= 0)
    (finding,) = report.findings
    assert (finding.kind, finding.events) == ("invariant", 0)
    assert len(str(finding.trial.input)) == 1
    assert "does not hold at spend" in finding.message


def test_what_steps_share_is_put_back() -> None:
    fuzz(CORRECT["a bracket"], examples=30)
    fuzz(gather(take(1), take(2)), examples=30)
    assert not HELD


def test_coverage_names_what_was_missed() -> None:
    @step
    async def never(n: int) -> int: ...  # type: ignore[empty-body]

    @step(raises=NoAnswer)
    async def ask(n: int) -> int: ...  # type: ignore[empty-body]

    from mce import branch

    report = fuzz(branch(lambda n: n > 5_000, never, ask), examples=40)
    assert report.steps.missed == tuple(node.id for node in report.flow.graph().nodes if node.label == "never")
    assert report.failures.reached == report.failures.all == 1
    assert report.made_up == ("ask", "never")


def test_an_input_without_a_type_is_asked_for() -> None:
    with pytest.raises(InvalidInput, match="does not say of which type: give one with input="):
        fuzz(lift(lambda text: text))
    assert fuzz(lift(lambda text: text), input="x", examples=5).ok


def test_a_failing_release_that_was_made_to_fail_is_no_leak() -> None:
    bench = Bench(CORRECT["a bracket"])
    ran = bench.play(Trial("x", calls={("bracket/release/drop", 1): Breaks(RuntimeError("crashed"))}))
    assert ran.data == {"HELD": "['x']"}
    assert fuzz(CORRECT["a bracket"], input="x", examples=60).ok


# -- what runs as it is ------------------------------------------------------------------------------------------------


def test_a_step_that_reaches_outside_is_stopped_and_made_up() -> None:
    @step
    async def connect(host: str) -> int:
        with socket.create_connection((host or "localhost", 9)):
            return 1

    report = fuzz(connect, examples=10)
    assert report.ok
    assert report.made_up == ("connect",)
    assert "connect reaches outside (socket." in report.notes[0]


def test_a_real_step_runs_without_faults() -> None:
    called: list[str] = []

    @step(raises=NoAnswer)
    async def note(text: str) -> str:
        called.append(text)
        return text

    report = fuzz(note, input="x", examples=5, real=[note])
    assert report.ok
    assert report.failures.missed == ("note",)


def test_a_stub_stands_for_a_step() -> None:
    @step
    async def search(query: str) -> int: ...  # type: ignore[empty-body]

    report = fuzz(search.map(lambda n: 1 / n), input="x", examples=5, stubs={"search": 0})
    assert [finding.kind for finding in report.findings] == ["defect"]
    assert "ZeroDivisionError" in report.findings[0].message


def test_what_needs_deps_is_made_up() -> None:
    @step
    async def asks(ctx: Context[Any], text: str) -> str:
        answer: str = ctx.deps.model(text)
        return answer

    assert not runs_as_it_is(asks.node.fn)  # type: ignore[union-attr]
    assert fuzz(asks, examples=5).ok


def test_bodies() -> None:
    async def nothing(n: int) -> int: ...  # type: ignore[empty-body]

    async def refused(n: int) -> int:
        raise RuntimeError("not in a test")

    async def closes(n: int) -> None:
        raise OSError("closed")

    async def constant(n: int) -> int:
        return 3

    assert [has_body(fn) for fn in (nothing, refused, closes, constant)] == [False, False, True, True]


def test_shared_data_is_found_through_functions_and_objects() -> None:
    class Bank:
        def __init__(self) -> None:
            self.balance = 3
            self.log: list[str] = []

        def take(self) -> None:
            self.balance -= 1
            self.log.append("taken")

    bank = Bank()

    def spend() -> None:
        bank.take()

    shared = Shared([spend])
    spend()
    assert shared.seen() == {"bank": "Bank{'balance': 2, 'log': ['taken']}"}
    shared.restore()
    assert (bank.balance, bank.log) == (3, [])


# -- shrinking and writing ---------------------------------------------------------------------------------------------


def test_shrinking_keeps_what_matters_alone() -> None:
    calls: Any = {(f"s{n}", 1): Fails(NoAnswer()) for n in range(20)}
    best = shrunk(
        Trial("long input", calls=calls, order=(2, 1, 0, 3, 1), cut=9),
        lambda trial: ("s7", 1) in trial.calls and trial.order[3:4] == (3,),
        inputs=["", "long input"],
    )
    assert (best.input, list(best.calls), best.order, best.cut) == ("", [("s7", 1)], (0, 0, 0, 3), None)


def test_shrinking_stops() -> None:
    tried: list[Trial] = []

    def shows(trial: Trial) -> bool:
        tried.append(trial)
        return True

    shrunk(Trial(order=(1,) * 500), shows, plays=7)
    assert len(tried) <= 7


def test_a_file_of_tests_fails_until_the_flow_is_mended() -> None:
    _, flow = BUGGY["a charge under a retry"]
    report = fuzz(flow, examples=60)
    text = written_tests(report, "shop:checkout", invariant=None, real=(), seed=0, folder=None)
    assert "from shop import checkout" in text
    text = text.replace("from shop import checkout", "")
    mended = charge >> post.retry(recurs(2), on=NoAnswer)
    names: dict[str, Any] = {}
    exec(compile(text, "test_fuzz_checkout.py", "exec"), names)
    test = names["test_retry_1"]
    names["checkout"] = flow
    with pytest.raises(AssertionError, match="retry: step 'charge' had its effect"):
        test()
    names["checkout"] = mended
    test()


def test_a_state_that_only_grows_is_not_a_loss() -> None:
    merged = gather(modify(lambda n: max(n, 4)), modify(lambda n: max(n, 7)), merge=max)
    assert fuzz(merged, state=1, examples=20).ok


def test_a_closed_flow_without_steps() -> None:
    assert fuzz(pure(1), examples=5).ok


def _of_kind(flow: Flow[Any, Any, Any, Any], kind: str) -> Finding:
    return next(finding for finding in fuzz(flow, examples=150, seed=3).findings if finding.kind == kind)


def _again(flow: Flow[Any, Any, Any, Any], finding: Finding) -> None:
    trial = finding.trial
    assert_mended(
        flow,
        finding.kind,
        finding.place,
        input=trial.input,
        state=trial.state,
        calls=trial.calls,
        order=trial.order,
        cut=trial.cut,
        seed=3,
    )
