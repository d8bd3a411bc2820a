"""The laws of ``mce.combinators.state``: state monad, lenses, and the order that forgets the state on failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mce import Lens, as_, fail, focus, gather, get, modify, pure, put, race, transact
from mce.syntax import same as unchanged
from mce.testing import arrows, program, states
from mce.testing.grammar import arrow_texts
from mce.testing.scope import NEVER, Scope
from mce.testing.vocabulary import Ledger, Page, Writes
from tests.laws.meanings import MEETING, AnyFlow, Start, not_a_law, same, some, starts

FLOWS = arrows(deterministic=True)
CHANGES = st.builds(Writes, st.sampled_from(["mark", *MEETING, "first", "votes"]), st.integers(0, 9))

PARTS = {"page": "page", "page.count": "count", "total": "number", "log": "log"}
"""Parts of a ledger, and what kind of state each is."""


def parts(path: str, *, shared: bool = False, fails: bool = True) -> st.SearchStrategy[AnyFlow]:
    """Give a strategy for flows on the part ``path`` of a ledger."""
    scope = Scope(shared=shared, deterministic=True, kind=PARTS[path])
    if not fails:
        scope = Scope(NEVER, NEVER, shared, True, PARTS[path])
    return st.builds(program, arrow_texts(scope, 5))


def of_each_part(test: Callable[..., None]) -> Callable[..., None]:
    marked: Callable[..., None] = pytest.mark.parametrize("path", PARTS)(test)
    return marked


# -- get, put, modify --------------------------------------------------------------------------------------------------


@some
@given(start=starts())
def test_get_put(start: Start) -> None:
    """``get().bind(put) = pure(None)``, also where branches meet: nothing was written."""
    same(get().bind(put), pure(None), start)


@some
@given(start=starts())
def test_get_get(start: Start) -> None:
    """``get().bind(lambda s: get().map(lambda t: (s, t))) = get().map(lambda s: (s, s))``."""
    same(get().bind(lambda s: get().map(lambda t: (s, t))), get().map(lambda s: (s, s)), start)


@some
@given(s=states(), start=starts())
def test_put_get(s: Ledger, start: Start) -> None:
    """``put(s) >> get() = as_(put(s), s)``."""
    same(put(s) >> get(), as_(put(s), s), start)


@some
@given(s=states(), t=states(), start=starts(beside=False))
def test_put_put(s: Ledger, t: Ledger, start: Start) -> None:
    """``put(s) >> put(t) = put(t)``, in the state."""
    same(put(s) >> put(t), put(t), start)


@not_a_law
def test_put_put_where_branches_meet() -> None:
    """``put(s) >> put(t) = put(t)``: a field that was written and set back counts as written where branches meet."""
    there, back = Ledger(mark=1), Ledger()
    same(put(there) >> put(back), put(back), Start(3, Ledger(), beside=True))


@some
@given(start=starts())
def test_modify_identity(start: Start) -> None:
    """``modify(identity) = pure(None)``."""
    same(modify(unchanged), pure(None), start)


@some
@given(f=CHANGES, g=CHANGES, start=starts())
def test_modify_composition(f: Writes, g: Writes, start: Start) -> None:
    """``modify(f) >> modify(g) = modify(lambda s: g(f(s)))`` for functions that raise nothing."""
    same(modify(f) >> modify(g), modify(lambda s: g(f(s))), start)


@not_a_law
def test_modify_composition_where_the_second_raises() -> None:
    """``modify(f) >> modify(g) = modify(lambda s: g(f(s)))``: the state at the failure of ``g`` is that after ``f``."""

    def broken(_: Ledger) -> Ledger:
        raise ValueError("broken")

    f = Writes("mark", 3)
    same(modify(f) >> modify(broken), modify(lambda s: broken(f(s))))


@some
@given(f=CHANGES, start=starts())
def test_modify_is_get_and_put(f: Writes, start: Start) -> None:
    """``modify(f) = get().bind(lambda s: put(f(s)))``."""
    same(modify(f), get().bind(lambda s: put(f(s))), start)


@some
@given(m=FLOWS, start=starts())
def test_a_failure_keeps_the_state(m: AnyFlow, start: Start) -> None:
    """``(m >> fail(e)).recover(lambda _: get()) = m >> get()`` if ``m`` succeeds: the state at the failure."""
    kept = (m.recover(lambda _: pure(None), on=object) >> fail("no")).recover(lambda _: get())
    same(kept, m.recover(lambda _: pure(None), on=object) >> get(), start)


# -- focus -------------------------------------------------------------------------------------------------------------


@of_each_part
@some
@given(a=st.integers(), start=starts())
def test_focus_on_a_value(path: str, a: int, start: Start) -> None:
    """``focus(l, pure(a)) = pure(a)``."""
    same(focus(path, pure(a)), pure(a), start)


@of_each_part
@some
@given(data=st.data(), start=starts())
def test_focus_distributes_over_then(path: str, data: st.DataObject, start: Start) -> None:
    """``focus(l, m >> n) = focus(l, m) >> focus(l, n)``."""
    m, n = data.draw(parts(path)), data.draw(parts(path))
    same(focus(path, m >> n), focus(path, m) >> focus(path, n), start)


@of_each_part
@some
@given(data=st.data(), start=starts())
def test_focus_distributes_over_gather(path: str, data: st.DataObject, start: Start) -> None:
    """``focus(l, gather(m, n)) = gather(focus(l, m), focus(l, n))`` where no two conflict: reducers apply inside."""
    m, n = (data.draw(parts(path, shared=path != "page.count", fails=False)) for _ in range(2))
    if path == "page.count":
        n = pure(3)
    same(focus(path, gather(m, n)), gather(focus(path, m), focus(path, n)), start)


@some
@given(m=parts("page.count"), start=starts())
def test_focus_within_focus(m: AnyFlow, start: Start) -> None:
    """``focus("page", focus("count", m)) = focus("page.count", m)``."""
    same(focus("page", focus("count", m)), focus("page.count", m), start)


@of_each_part
@some
@given(start=starts())
def test_focus_get_and_put(path: str, start: Start) -> None:
    """``focus(l, get()) = get().map(l.get)``; ``focus(l, put(a)) = modify(lambda s: l.set(s, a))``."""
    lens = Lens.field(path)
    same(focus(lens, get()), get().map(lens.get), start)
    part: Any = {"page": Page(7), "log": (1, 2, 3)}.get(path, 7)
    same(focus(lens, put(part)), modify(lambda s: lens.set(s, part)), start)


@some
@given(m=parts("page", shared=True, fails=False), start=starts(beside=False))
def test_focus_through_a_lens_of_ones_own(m: AnyFlow, start: Start) -> None:
    """``focus(Lens(l.get, l.set), m) = focus(l, m)``, in the state, for a part that is no field with a reducer."""
    lens = Lens.field("page")
    same(focus(Lens(get=lens.get, set=lens.set), m), focus(lens, m), start)


@not_a_law
def test_a_lens_of_ones_own_knows_no_reducer() -> None:
    """``focus(Lens(l.get, l.set), m) = focus(l, m)``: what the field declares is not known through two functions."""
    lens = Lens.field("total")
    both = gather(modify(Writes("", 1)), modify(Writes("", 2)))
    same(focus(Lens(get=lens.get, set=lens.set), both), focus(lens, both))


# -- transact ----------------------------------------------------------------------------------------------------------


@some
@given(m=FLOWS, start=starts())
def test_transact_twice(m: AnyFlow, start: Start) -> None:
    """``transact(transact(m)) = transact(m)``."""
    same(transact(transact(m)), transact(m), start)


@some
@given(m=arrows(fails=False, deterministic=True), start=starts())
def test_transact_of_a_success(m: AnyFlow, start: Start) -> None:
    """``transact(m) = m`` if ``m`` succeeds."""
    same(transact(m), m, start)


@some
@given(m=arrows(fails=False, deterministic=True), start=starts())
def test_transact_of_a_failure(m: AnyFlow, start: Start) -> None:
    """``transact(m >> fail(e))`` is ``m`` with nothing written, also where branches meet, and then ``fail(e)``."""
    unwritten = transact(m >> fail("no")).recover(lambda _: get())
    calls_alone = race(fail("no"), m >> fail("no")).recover(lambda _: get())
    same(unwritten, calls_alone, start)


@not_a_law
def test_transact_is_not_the_flow() -> None:
    """``transact(m) = m``: a failure keeps the state, and ``transact`` does not."""
    m = program("notes('log') >> fail(Refused(1))")
    same(transact(m), m)


@not_a_law
def test_transact_does_not_distribute() -> None:
    """``transact(m >> n) = transact(m) >> transact(n)``: one rolls back both."""
    m, n = program("notes('log')"), program("fail(Refused(1))")
    same(transact(m >> n), transact(m) >> transact(n))
