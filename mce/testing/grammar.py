"""The grammar of random flows: which programs there are at a place, written as text.

A ``Scope`` says what a part of a program may do: which failures it may end in, whether branches beside it may write
the same fields, what the state is. Every rule below draws its parts in the scopes that keep the promise of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from hypothesis import strategies as st

from mce.testing.scope import DEFECTS, EXPECTED, MEETING, NEVER, PLAIN, Scope

__all__ = ["arrow_texts"]

_PUTS = {
    "ledger": "put(Ledger(mark={0}, log=({0},)))",
    "page": "put(Page(count={0}))",
    "number": "put({0})",
    "count": "put({0})",
    "log": "put(({0},))",
}
_TIMES = 3
"""How often a part of a traversal or a loop runs, more or less."""

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]


@st.composite
def arrow_texts(draw: Draw, scope: Scope, size: int) -> str:
    """Draw the text of a flow that takes any value, of about ``size`` words."""
    if size <= 1 or not draw(st.integers(0, 9)):
        words: list[str] = draw(st.sampled_from(_words(scope)))
        word: str = draw(st.sampled_from(words))
        return word.format(draw(st.integers(0, 9)), draw(st.integers(0, 9)))
    rules: list[Rule] = draw(st.sampled_from(_rules(scope)))
    rule: Rule = draw(st.sampled_from(rules))
    return rule(_Pen(draw, scope, size - 1))


def _words(scope: Scope) -> list[list[str]]:
    """Give the words of the scope, in groups that are equally likely, with places for two numbers."""
    failing = _failing(scope)
    computing = [*_COMPUTING, "charges"] if scope.charges else _COMPUTING
    return [group for group in (computing, _stateful(scope), failing) if group]


_COMPUTING = [
    *("identity()", "pure({0})", "adds({0})", "lift(Plus({0}))", "lift(weight)", "lift(Spread(3))"),
    *("waits", "doubles", "halves", "sums({0}, second={1})"),
]
_EXPECTED = ["fail(Refused({0}))", "fail(Overdrawn({0}))", "refuses({0})", "overdraws({0})", "flaky(1)"]
_DEFECTS = ["breaks({0})", "lift(Snaps({0}))"]


def _failing(scope: Scope) -> list[str]:
    return [*(_EXPECTED if scope.fails >= EXPECTED else []), *(_DEFECTS if scope.fails >= DEFECTS else [])]


def _stateful(scope: Scope) -> list[str]:
    if scope.kind in ("number", "count", "log"):
        found = ["reads('')", "get()"]
        if scope.kind != "count" or not scope.shared:
            found += ["appends" if scope.kind == "log" else "tallies", "modify(Writes('', {0}))"]
    else:
        words = ("notes('{}')", "reads('{}')", "modify(Writes('{}', {{0}}))")
        plain = [field for field in scope.written if field in PLAIN[scope.kind]]  # twice: only they conflict
        found = [word.format(field) for word in words for field in (*scope.written, *plain)]
    if not scope.shared and scope.fields is None:
        found += [_PUTS[scope.kind], "get()"]
        found += ["put('wrong')", "notes('missing')"] if scope.fails >= DEFECTS and scope.kind == "ledger" else []
    return found


@dataclass
class _Pen:
    """What a rule writes with."""

    draw: Draw
    scope: Scope
    size: int

    def flow(self, parts: int = 1, **scope: Any) -> str:
        """Write one of ``parts`` flows, in the scope here but for what is named.

        What runs several times counts as several: nested, such parts would take exponential time.
        """
        return str(self.draw(arrow_texts(replace(self.scope, **scope), self.size // parts)))

    def doomed(self, parts: int = 1, **scope: Any) -> str:
        """Write a flow of which it matters that it may fail, often after it has done something."""
        wanted = _failing(replace(self.scope, **scope))
        if not wanted or not self.number(0, 2):
            return self.flow(parts, **scope)
        return f"({self.flow(parts, **scope)} >> {self.one_of(*wanted).format(self.number(0, 9))})"

    def flows(self, least: int, most: int, **scope: Any) -> str:
        count = self.number(least, most)
        return ", ".join(self.flow(count, **scope) for _ in range(count))

    def branches(self, least: int = 2, most: int = 3) -> str:
        """Write the branches of a fail-fast join: of a deterministic one, one branch may fail."""
        count, scope = self.number(least, most), self.scope.branch
        if not scope.deterministic or not scope.fails:
            return ", ".join(self.flow(count, shared=scope.shared) for _ in range(count))
        failing = self.number(0, count - 1)
        beside = {"fails": NEVER, "charges": False}
        parts = [self.flow(count, shared=scope.shared, **beside) for _ in range(count)]
        parts[failing] = self.doomed(count, shared=scope.shared)
        return ", ".join(parts)

    def element(self) -> str:
        """Write the body of a fail-fast ``each``: of a deterministic one, it fails for one element or for none."""
        shared = self.scope.branch.shared
        if not self.scope.deterministic:
            return self.flow(_TIMES, shared=shared)
        if self.scope.fails and self.number(0, 1):
            return f"(only({self.number(0, 9)}) >> {self.flow(_TIMES, fails=NEVER, shared=shared, charges=False)})"
        return f"({self.flow(_TIMES, fails=NEVER, shared=shared)} >> lift(weight))"

    def number(self, least: int, most: int) -> int:
        return int(self.draw(st.integers(least, most)))

    def one_of(self, *texts: str) -> str:
        return str(self.draw(st.sampled_from(texts)))


# -- rules: functor, monad ---------------------------------------------------------------------------------------------


def _then(pen: _Pen) -> str:
    count = pen.number(2, 3)
    return f"({' >> '.join(pen.flow(count) for _ in range(count))})"


def _map(pen: _Pen) -> str:
    return f"{pen.flow()}.map({pen.one_of('weight', 'Plus(1)', 'Spread(2)')})"


def _bimap(pen: _Pen) -> str:
    return f"bimap({pen.flow()}, {pen.one_of('weight', 'Plus(1)')}, Plus(2))"


def _bind(pen: _Pen) -> str:
    return f"{pen.flow(2)}.bind(Choice({pen.flows(1, 2)}))"


def _compose(pen: _Pen) -> str:
    return f"compose(Choice({pen.flows(1, 2)}), Choice({pen.flow(2)}))"


def _join(pen: _Pen) -> str:
    return f"join(lift(Choice({pen.flows(1, 2)})))"


def _delegates(pen: _Pen) -> str:
    return f"delegates({pen.flow()})"


def _block(pen: _Pen) -> str:
    return f"{pen.one_of('block', 'generator')}({pen.flows(1, 3)})"


def _guarded(pen: _Pen) -> str:
    return f"guarded({pen.doomed(2)}, {pen.flow(2)})"


def _named(pen: _Pen) -> str:
    return f"{pen.flow()}.named('part')"


# -- rules: applicative, traversable -----------------------------------------------------------------------------------


def _gather(pen: _Pen) -> str:
    merge = pen.one_of("", "", ", merge=last")
    return f"gather({pen.branches()}{merge})"


def _zip_with(pen: _Pen) -> str:
    return f"zip_with(max, {pen.flow(2, fails=NEVER, shared=pen.scope.branch.shared)} >> lift(weight), doubles)"


def _apply(pen: _Pen) -> str:
    return f"apply(pure(Plus({pen.number(0, 9)})), {pen.flow()}({pen.number(0, 9)}))"


def _settle(pen: _Pen) -> str:
    return f"settle({pen.flows(1, 3, fails=pen.scope.most, shared=pen.scope.branch.shared)})"


def _validate(pen: _Pen) -> str:
    return f"validate({pen.flows(1, 3, shared=pen.scope.branch.shared)})"


def _each(pen: _Pen) -> str:
    spread, limit = pen.number(0, 3), pen.one_of("None", "1", "2")
    return f"(lift(Spread({spread})) >> each({pen.element()}, limit={limit}))"


def _partition(pen: _Pen) -> str:
    body = pen.flow(_TIMES, fails=pen.scope.most, shared=pen.scope.branch.shared)
    return f"(lift(Spread(3)) >> partition({body}))"


def _filter_each(pen: _Pen) -> str:
    return f"(lift(Spread(3)) >> filter_each({pen.element()}))"


def _fold(pen: _Pen) -> str:
    fold = pen.one_of("fold", "scan")
    return f"(lift(Spread({pen.number(0, 3)})) >> {fold}({pen.flow(_TIMES)} >> lift(weight), 1))"


def _graph(pen: _Pen) -> str:
    fields = frozenset(field for field in MEETING["ledger"] if field != "first" and pen.scope.allows(field))
    count = pen.number(2, 4)
    failing = pen.number(0, count - 1)
    tasks: list[str] = []
    for at in range(count):
        fails = pen.scope.fails if at == failing or not pen.scope.deterministic else NEVER
        task = pen.flow(count, fails=fails, shared=True, charges=False, fields=fields)
        waits = [f", {before}" for before in range(at) if pen.number(0, 1)]
        tasks.append(f"({task}{''.join(waits)},)")
    return f"graph({', '.join(tasks)})"


def _tree_reduce(pen: _Pen) -> str:
    body = pen.flow(_TIMES, fails=NEVER, shared=pen.scope.branch.shared)
    return f"(lift(Spread({pen.number(1, 5)})) >> tree_reduce({body} >> lift(weight)))"


# -- rules: selective, alternative -------------------------------------------------------------------------------------


def _branch(pen: _Pen) -> str:
    return f"branch(AtLeast({pen.number(0, 9)}), {pen.flow(2)}, {pen.flow(2)})"


def _switch(pen: _Pen) -> str:
    return f"switch(Mod(3), {{0: {pen.flow(3)}, 1: {pen.flow(3)}}}, default={pen.flow(3)})"


def _when(pen: _Pen) -> str:
    return f"{pen.one_of('when', 'unless')}(AtLeast({pen.number(0, 9)}), {pen.flow()})"


def _caught(pen: _Pen) -> int:
    """How a part may end whose expected failures are caught."""
    return min(pen.scope.most, max(EXPECTED, pen.scope.fails))


def _recover(pen: _Pen) -> str:
    return f"{pen.doomed(2, fails=_caught(pen))}.recover(Choice({pen.flows(1, 2)}))"


def _recover_all(pen: _Pen) -> str:
    return f"{pen.doomed(2, fails=pen.scope.most)}.recover(Choice({pen.flow(2)}), on=object)"


def _recover_some(pen: _Pen) -> str:
    return f"{pen.doomed(2)}.recover(Choice({pen.flow(2)}), on={pen.one_of('Overdrawn', 'Refused', 'Mishap')})"


def _or_else(pen: _Pen) -> str:
    return f"{pen.one_of('or_else', 'first_success')}({pen.doomed(2, fails=_caught(pen))}, {pen.flow(2)})"


# -- rules: loops, policies, resources, state --------------------------------------------------------------------------


def _iterate(pen: _Pen) -> str:
    until = f"AtLeast({pen.number(0, 9)})" if pen.scope.fails else "AtLeast(0)"
    return f"iterate({pen.flow(_TIMES)} >> lift(weight), until={until}, at_most=3)"


def _tail_rec(pen: _Pen) -> str:
    return f"tail_rec({pen.flow(_TIMES)} >> lift(Countdown({pen.number(0, 9)})), at_most=3)"


def _forever_until(pen: _Pen) -> str:
    return f"forever_until({pen.flow(_TIMES)}(1), until=AtLeast({pen.number(0, 9)}), at_most=2)"


def _retry(pen: _Pen) -> str:
    on = pen.one_of("", "", ", on=Overdrawn", ", on=Mishap")
    return f"retry({pen.doomed()}, recurs({pen.number(0, 2)}){on})"


def _retry_flaky(pen: _Pen) -> str:
    return pen.one_of("retry({0} >> flaky(1), recurs(1))", "({0} >> persists(1))").format(pen.flow(fails=NEVER))


def _bracket(pen: _Pen) -> str:
    return f"bracket({pen.flow(3)}, {pen.doomed(3)}, {pen.flow(3)})"


def _ensure(pen: _Pen) -> str:
    return f"ensure({pen.doomed(2)}, {pen.flow(2)}({pen.number(0, 9)}))"


def _transact(pen: _Pen) -> str:
    return f"transact({pen.doomed()})"


def _focus(pen: _Pen) -> str:
    path = pen.one_of(*pen.scope.parts)
    return f"focus('{path}', {pen.flow(kind=pen.scope.parts[path])})"


# -- rules: whatever comes first ---------------------------------------------------------------------------------------


def _race(pen: _Pen) -> str:
    return f"race({pen.flows(1, 3)})"


def _hedge(pen: _Pen) -> str:
    return f"hedge({pen.one_of('adds(1)', 'waits')}, after=0)"


def _quorum(pen: _Pen) -> str:
    return f"quorum(1, {pen.flows(1, 3)})"


def _timeout(pen: _Pen) -> str:
    return f"timeout({pen.flow()}, {pen.one_of('0', '3600')})"


def _as_completed(pen: _Pen) -> str:
    return f"as_completed({pen.branches()})"


Rule: TypeAlias = Callable[[_Pen], str]

_SEQUENCES: list[Rule] = [
    *(_then, _then, _bind, _map, _compose, _join, _bimap, _apply, _named, _delegates, _block, _guarded),
    *(_branch, _switch, _when),
]
_JOINS: list[Rule] = [
    *(_gather, _gather, _each, _settle, _validate, _zip_with, _partition, _filter_each, _fold, _tree_reduce),
]
_CATCHES: list[Rule] = [_recover, _or_else, _recover_some, _recover_all]
_REGIONS: list[Rule] = [_retry, _retry_flaky, _bracket, _ensure, _transact, _iterate]
_ENDLESS: list[Rule] = [_tail_rec, _forever_until]
_FIRST: list[Rule] = [_race, _hedge, _quorum, _timeout, _as_completed]


def _rules(scope: Scope) -> list[list[Rule]]:
    """Give the rules of the scope, in groups that are equally likely."""
    regions = _REGIONS + ([_focus, _focus] if scope.parts else []) + (_ENDLESS if scope.fails >= EXPECTED else [])
    first = [] if scope.deterministic or scope.fails < DEFECTS else [_FIRST]
    joins = [*_JOINS, _graph] if scope.kind == "ledger" else _JOINS
    return [_SEQUENCES, joins, *([_CATCHES] if scope.most else []), regions, *first]
