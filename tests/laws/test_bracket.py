"""The laws of ``bracket`` and ``ensure``: what was acquired is released, however its use ended."""

from __future__ import annotations

from hypothesis import given

from mce import bracket, ensure, gather, identity, lift, pure, settle
from mce.testing import arrows, program
from mce.testing.steps import notes, waits
from tests.laws.meanings import AnyFlow, Start, first, not_a_law, rethrown, runs_of, same, some, starts

FLOWS = arrows(deterministic=True)
SAFE = arrows(fails=False, deterministic=True)


@some
@given(use=FLOWS, start=starts())
def test_bracket_around_nothing(use: AnyFlow, start: Start) -> None:
    """``bracket(pure(r), use, pure) = use(r)``."""
    same(bracket(pure(start.value), use, pure), use, start)


@some
@given(acquire=FLOWS, use=FLOWS, release=SAFE, start=starts())
def test_bracket_is_try_and_finally(acquire: AnyFlow, use: AnyFlow, release: AnyFlow, start: Start) -> None:
    """``bracket(m, use, release)`` is ``m``, then ``use``, and however that ended ``release`` and the same end."""

    def used(resource: object) -> AnyFlow:
        released = lift(lambda told: told).bind(lambda told: release(resource).map(lambda _: told))
        return (settle(use(resource)).map(first) >> released).bind(rethrown)

    same(bracket(acquire, use, release), acquire.bind(used), start)


@some
@given(acquire=FLOWS, use=FLOWS, start=starts(beside=False))
def test_release_runs_once_if_acquire_succeeded(acquire: AnyFlow, use: AnyFlow, start: Start) -> None:
    """``release`` runs exactly once if ``acquire`` succeeded, and never if not."""
    acquired = runs_of(start, settle(acquire).map(first))[0].observation.result
    times = 1 if str(acquired).startswith("<Success: <Success") else 0
    for run in runs_of(start, bracket(acquire, use, pure("released") >> waits)):
        assert run.observation.calls.count(("waits", "released")) == times


@some
@given(m=SAFE, release=FLOWS, start=starts())
def test_a_failing_release_fails_a_success(m: AnyFlow, release: AnyFlow, start: Start) -> None:
    """``bracket(pure(r), m, release) = m.bind(lambda a: release(r).map(lambda _: a))`` if ``m`` succeeds."""
    sequence = m.bind(lambda value: release(start.value).map(lambda _: value))
    same(bracket(pure(start.value), m, release), sequence, start)


@some
@given(m=FLOWS, finaliser=FLOWS, start=starts())
def test_ensure_is_a_bracket(m: AnyFlow, finaliser: AnyFlow, start: Start) -> None:
    """``ensure(m, f) = bracket(identity(), m, lambda _: f)``."""
    closed = finaliser(3)
    same(ensure(m, closed), bracket(identity(), m, lambda _: closed), start)


@some
@given(m=FLOWS, start=starts())
def test_ensure_nothing(m: AnyFlow, start: Start) -> None:
    """``ensure(m, pure(a)) = m``."""
    same(ensure(m, pure(3)), m, start)


@some
@given(m=FLOWS, f=SAFE, g=SAFE, start=starts())
def test_ensure_nests(m: AnyFlow, f: AnyFlow, g: AnyFlow, start: Start) -> None:
    """``ensure(ensure(m, f), g) = ensure(m, f >> g)`` for finalisers that succeed."""
    same(ensure(ensure(m, f(1)), g(2)), ensure(m, f(1).bind(lambda _: g(2))), start)


def test_a_cancelled_branch_releases() -> None:
    """A branch that is cancelled, since a sibling failed, has released what it acquired when the join ends."""
    held = bracket(pure(3), waits >> waits >> waits, notes("log"))
    for run in runs_of(Start(3), gather(held, program("waits >> fail(Refused(1))"))):
        begun = [called for called in run.observation.calls if called == ("waits", 3)]
        assert not begun or ("notes", 3) in run.observation.calls


@not_a_law
def test_the_first_failure_stays() -> None:
    """``bracket(m, use, release)`` fails as ``release`` does: not if ``use`` has failed before."""
    use, release = program("fail(Refused(1))"), program("fail(Refused(2))")
    same(bracket(pure(3), use, release), release)
