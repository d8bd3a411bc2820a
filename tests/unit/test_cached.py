"""Caches: one execution for equal inputs, none kept of a failure, and values that outlive the run as checked JSON."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from returns.result import Failure, Result, Success

from mce import (
    Backend,
    Cache,
    Context,
    DefinitionError,
    FileStore,
    Flow,
    InlineBackend,
    InvalidStep,
    LocalBackend,
    MemoryStore,
    SimulatedBackend,
    Store,
    UsageError,
    cached,
    each,
    fail,
    gather,
    get,
    lift,
    modify,
    pure,
    race,
    recurs,
    settle,
    sleep,
    step,
)
from tests.unit.virtual import SEEDS, VirtualTrio, on_all, on_concurrent

Make = Callable[[], Backend]


class Counted:
    """A step ``double(n)`` that counts its calls, takes a second and fails the first ``failing`` times."""

    def __init__(self, failing: int = 0) -> None:
        self.calls: list[Any] = []

        @step(raises=ConnectionError)
        async def double(ctx: Context[object], n: Any, seconds: float = 1.0) -> Any:
            self.calls.append(n)
            await ctx.sleep(seconds)
            if len(self.calls) <= failing:
                raise ConnectionError(n)
            return n * 2

        self.double = double


@on_all
def test_equal_inputs_are_computed_once(make: Make) -> None:
    work = Counted()
    once = cached(work.double)
    assert (each(once) >> each(once)).run_sync([1, 2, 1, 4, 2], backend=make()).value == (4, 8, 4, 16, 8)
    assert sorted(work.calls) == [1, 2, 4, 8]


@on_all
def test_a_run_keeps_nothing_for_the_next(make: Make) -> None:
    work = Counted()
    for _ in range(2):
        assert cached(work.double).run_sync(1, backend=make()).value == 2
    assert work.calls == [1, 1]


@on_concurrent
def test_those_who_ask_while_it_is_computed_wait_for_it(make: Make) -> None:
    work = Counted()
    outcome = gather(*(sleep(n / 10) >> cached(work.double)(3) for n in range(5))).run_sync(backend=make())
    assert outcome.value == (6,) * 5
    assert work.calls == [3]


@on_all
def test_a_failure_is_not_kept_and_those_who_wait_try_themselves(make: Make) -> None:
    work = Counted(failing=2)
    outcome = settle(*(cached(work.double)(3) for _ in range(5))).run_sync(backend=make())
    assert sum(1 for result in outcome.value if result.swap().value_or(None) is not None) == 2
    assert work.calls == [3, 3, 3]


@on_all
def test_a_defect_is_not_kept(make: Make) -> None:
    calls: list[int] = []

    @step
    async def moody(n: int) -> int:
        calls.append(n)
        return n // (len(calls) - 1)

    outcome = settle(cached(moody)(3), cached(moody)(3), cached(moody)(3)).run_sync(backend=make())
    assert [result.value_or(None) for result in outcome.value] in ([None, 3, 3], [3, None, 3], [3, 3, None])
    assert calls == [3, 3]


@on_concurrent
def test_when_the_one_who_computes_is_cancelled_the_next_one_does(make: Make) -> None:
    work = Counted()
    once = cached(work.double)(3)
    leader = once.timeout(0.5).or_else(pure("gave up"))
    outcome = gather(leader, sleep(0.1) >> once, sleep(0.2) >> once).run_sync(backend=make())
    assert outcome.value == ("gave up", 6, 6)
    assert work.calls == [3, 3]


@on_concurrent
def test_who_waits_can_give_up(make: Make) -> None:
    work = Counted()
    once = cached(work.double)(3)
    waiting = (sleep(0.1) >> once.timeout(0.5)).or_else(pure("gave up"))
    outcome = gather(once, waiting, sleep(0.2) >> once).run_sync(backend=make())
    assert outcome.value == (6, "gave up", 6)
    assert work.calls == [3]


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_waits_for_ever_when_leaving_and_handing_over_meet(seed: int) -> None:
    work = Counted(failing=1)
    once = cached(work.double)(3)
    doubtful = [once.timeout(1).or_else(pure("gave up")) for _ in range(3)]
    outcome = settle(once, *doubtful, once).run_sync(backend=SimulatedBackend(seed))
    assert outcome.ok
    assert outcome.value[4].value_or(6) == 6


@on_all
def test_asking_itself_for_the_same_is_a_defect_and_not_a_deadlock(make: Make) -> None:
    def again(n: int) -> Flow[object, int, Any]:
        return gather(sleep(1)(n), sleep(1)(n) >> once).map(sum)

    once: Flow[int, int, Any] = cached(sleep(0).bind(again))
    outcome = once.run_sync(3, backend=make())
    assert outcome.defect is not None
    assert isinstance(outcome.defect.cause, UsageError)
    assert "would wait for ever" in str(outcome.error)


@on_concurrent
def test_who_has_failed_may_ask_again_while_another_computes(make: Make) -> None:
    work = Counted(failing=1)
    once = cached(work.double)(3)
    outcome = gather(settle(once) >> once, sleep(0.5) >> once).run_sync(backend=make())
    assert outcome.value == (6, 6)
    assert work.calls == [3, 3]


@on_concurrent
def test_who_took_over_asking_itself_is_a_defect_too(make: Make) -> None:
    calls: list[int] = []

    def again(n: int) -> Flow[object, int, Any]:
        calls.append(n)
        return fail("no") if len(calls) == 1 else gather(sleep(1)(n), once(n)).map(sum)

    once: Flow[int, int, Any] = cached(sleep(1).bind(again))
    outcome = settle(once(3), sleep(0.5) >> once(3)).timeout(60).run_sync(backend=make())
    assert outcome.value[0].failure() == "no"
    assert "would wait for ever" in str(outcome.value[1].failure())


def test_flows_do_not_share_what_they_keep() -> None:
    flow = gather(*(cached(lift(f)) for f in (str, float, lambda n: n + 1)))
    assert flow.run_sync(3).value == ("3", 3.0, 4)


@on_all
def test_recursion_over_other_inputs_is_fine(make: Make) -> None:
    calls: list[int] = []

    def fibonacci(n: int) -> Flow[object, int, Any]:
        calls.append(n)
        return pure(n) if n < 2 else gather(once(n - 1), once(n - 2)).map(sum)

    once: Flow[int, int, Any] = cached(sleep(0).bind(fibonacci))
    assert once.run_sync(30, backend=make()).value == 832_040
    assert sorted(calls) == list(range(31))


@on_all
def test_a_value_holds_for_its_time(make: Make) -> None:
    work = Counted()
    once = cached(work.double, ttl=10)
    flow = once(1) >> sleep(8) >> once(1) >> sleep(3) >> once(1)
    assert flow.run_sync(backend=make()).value == 2
    assert work.calls == [1, 1]


@on_concurrent
def test_those_who_wait_are_given_a_value_that_holds_for_no_time(make: Make) -> None:
    work = Counted()
    once = cached(work.double, ttl=0)
    assert gather(*(once(1) for _ in range(4))).run_sync(backend=make()).value == (2,) * 4
    assert work.calls == [1]


@pytest.mark.parametrize(
    ("values", "calls"),
    [
        ([1, True, 1.0, 1], 3),
        ([[1, 2], [1, 2], [2, 1]], 2),
        ([{"a": 1, "b": 2}, {"b": 2, "a": 1}], 1),
        ([(1, 2), [1, 2]], 2),
        ([None, None, ""], 2),
    ],
    ids=repr,
)
def test_which_inputs_are_equal(values: list[Any], calls: int) -> None:
    found: list[Any] = []

    @step
    async def look(value: Any) -> None:
        found.append(value)

    assert each(cached(look)).run_sync(values, backend=VirtualTrio()).ok
    assert len(found) == calls


def test_a_key_of_ones_own_says_what_is_equal() -> None:
    work = Counted()
    outcome = each(cached(work.double, key=str.lower), limit=1).run_sync(["a", "A", "b"], backend=VirtualTrio())
    assert outcome.value == ("aa", "aa", "bb")
    assert work.calls == ["a", "b"]


def test_an_input_that_cannot_be_a_key_asks_for_one() -> None:
    outcome = cached(lift(len)).run_sync([object()], backend=InlineBackend())
    assert "give key=" in str(outcome.error)


def test_calls_with_their_arguments_share_what_the_step_has_computed() -> None:
    work = Counted()
    double = work.double
    calls = [double(3), double(3, seconds=1.0), double(n=3), double(3, seconds=1.0)]
    flow = gather(cached(double)(3), *(cached(call) for call in calls))
    assert flow.run_sync(backend=VirtualTrio()).value == (6,) * 5
    assert len(work.calls) == 3


def test_a_closed_flow_is_computed_once_whatever_comes_in() -> None:
    work = Counted()
    closed = cached(work.double(3) >> lift(str))
    assert each(closed).run_sync(["a", object(), [object()]], backend=VirtualTrio()).value == ("6", "6", "6")
    assert work.calls == [3]
    assert each(cached(work.double(4).retry(recurs(1)).timeout(9).named("four"))).run_sync("ab").value == (8, 8)
    assert work.calls == [3, 4]
    assert cached(pure(1)).run_sync().value == 1


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("result", [3, None, fail("no"), pure(2)], ids=["value", "none", "failure", "flow"])
def test_a_hit_gives_what_the_flow_gave(loop: Any, result: Any) -> None:
    once: Flow[Any, Any] = cached(lift(lambda _: result))
    outcome = (once >> lift(lambda _: "in") >> once).run_sync("in", backend=LocalBackend(loop=loop))
    assert outcome.value is result


@on_all
def test_a_step_declares_its_cache(make: Make) -> None:
    calls: list[tuple[int, int]] = []

    @step(cache=True)
    async def add(n: int, m: int) -> int:
        calls.append((n, m))
        return n + m

    assert gather(add(1, 2), add(1, m=2), add(1, 2), add(2, 2)).run_sync(backend=make()).value == (3, 3, 3, 4)
    assert sorted(calls) == [(1, 2), (1, 2), (2, 2)]


def test_a_declared_cache_changes_no_path_and_is_around_retry() -> None:
    calls: list[int] = []

    @step(cache=True, retry=recurs(1))
    async def broken(n: int) -> int:
        calls.append(n)
        raise ValueError(n)

    outcome = settle(broken(1), broken(1)).named("agent").run_sync(backend=VirtualTrio())
    assert calls == [1] * 4
    assert [result.failure().path for result in outcome.value] == ["agent/settle[0]/broken", "agent/settle[1]/broken"]


class Seen(BaseModel, frozen=True):
    words: tuple[str, ...] = ()


@on_all
def test_a_flow_that_writes_the_state_is_not_cached(make: Make) -> None:
    uses: list[Flow[Any, Any]] = [modify(lambda s: s), get(), sleep(0) >> gather(get(), pure(1))]
    for writes in uses:
        with pytest.raises(DefinitionError, match=r"a cached flow cannot use the state"):
            cached(writes)

    @step
    async def note(ctx: Context[Seen], word: str) -> str:
        ctx.update(words=(*ctx.state.words, word))
        return word

    outcome = (settle(cached(note)("a")) >> settle(cached(note)("a"))).run_sync(state=Seen(), backend=make())
    assert "has written the state" in str(outcome.value[0].failure())
    assert outcome.state == Seen(words=("a", "a"))


def test_a_step_that_only_reads_its_context_is_cached() -> None:
    @step
    async def ask(ctx: Context[Seen], word: str) -> str:
        return f"{ctx.deps}{word}"

    flow = cached(ask)("a") >> cached(ask)
    assert flow.run_sync(state=Seen(), deps="x", backend=InlineBackend()).value == "xxa"


@on_concurrent
def test_the_loser_of_a_race_leaves_no_one_waiting(make: Make) -> None:
    work = Counted()
    once = cached(work.double)(3)
    assert race(once, sleep(0.5)("quick")).run_sync(backend=make()).value == "quick"
    contest = race(once >> lift(str), sleep(0.5)("quick"))
    assert gather(contest, sleep(0.1) >> once).run_sync(backend=make()).value == ("quick", 6)


# -- stores -----------------------------------------------------------------------------------------------------------


class Found(BaseModel, frozen=True):
    text: str
    score: float


def finder(calls: list[str]) -> Flow[str, Found]:
    @step
    async def find(text: str) -> Found:
        calls.append(text)
        return Found(text=text, score=len(text))

    return find


def stores(folder: Path) -> list[Store]:
    return [MemoryStore(), FileStore(folder / "cache")]


@pytest.mark.parametrize("which", [0, 1], ids=["memory", "file"])
@on_all
def test_a_store_keeps_values_from_run_to_run(make: Make, which: int, tmp_path: Path) -> None:
    calls: list[str] = []
    once = cached(finder(calls), store=stores(tmp_path)[which])
    first = each(once).run_sync(["a", "bb", "a"], backend=make()).value
    assert each(once).run_sync(["bb", "a"], backend=make()).value == (first[1], first[0])
    assert first[1] == Found(text="bb", score=2)
    assert sorted(calls) == ["a", "bb"]


@pytest.mark.parametrize("backend", [InlineBackend(), LocalBackend(), LocalBackend(loop="trio")], ids=repr)
def test_a_store_is_asked_where_plain_steps_run(backend: Backend, tmp_path: Path) -> None:
    calls: list[str] = []
    once = cached(finder(calls), store=FileStore(tmp_path))
    for _ in range(2):
        assert each(once).run_sync(["a", "b", "a"], backend=backend).ok
    assert sorted(calls) == ["a", "b"]


def test_a_step_declares_its_store(tmp_path: Path) -> None:
    calls: list[int] = []

    @step(cache=Cache(store=FileStore(tmp_path)))
    async def double(n: int, by: int = 2) -> int:
        calls.append(n)
        return n * by

    for _ in range(2):
        assert gather(double(3), double(3, by=3)).run_sync(backend=VirtualTrio()).value == (6, 9)
    assert calls == [3, 3]


def test_a_failure_is_not_stored(tmp_path: Path) -> None:
    work = Counted(failing=1)
    once = cached(work.double, store=FileStore(tmp_path), returns=int)
    assert isinstance(once.run_sync(3, backend=VirtualTrio()).error, ConnectionError)
    assert not list(tmp_path.iterdir())
    assert once.run_sync(3, backend=VirtualTrio()).value == 6


def test_a_result_is_stored_by_its_value(tmp_path: Path) -> None:
    @step
    async def half(n: int) -> Result[Found, str]:
        return Success(Found(text="half", score=n / 2)) if n % 2 == 0 else Failure("odd")

    for _ in range(2):
        assert cached(half, store=FileStore(tmp_path)).run_sync(4).value == Found(text="half", score=2)
        assert cached(half, store=FileStore(tmp_path)).run_sync(5).error == "odd"


def test_a_stored_value_of_another_type_is_computed_again(tmp_path: Path) -> None:
    store, calls = FileStore(tmp_path), list[str]()
    old: Flow[str, list[str]] = lift(lambda text: [text])
    cached(old, store=store, name="find", returns=list[str]).run_sync("a")
    assert cached(finder(calls), store=store, name="find").run_sync("a").value == Found(text="a", score=1)
    assert calls == ["a"]


def test_with_a_store_the_time_is_the_stores(tmp_path: Path) -> None:
    now = [0.0]
    calls: list[str] = []
    once = cached(finder(calls), store=FileStore(tmp_path, clock=lambda: now[0]), ttl=10)

    def at(time: float) -> Flow[Any, Any, Any]:
        return lift(lambda _: now.__setitem__(0, time))

    flow = once("a") >> at(9) >> sleep(3600) >> once("a")
    flow.run_sync(backend=VirtualTrio())
    assert calls == ["a"]
    (once("a") >> at(10) >> once("a")).run_sync(backend=VirtualTrio())
    assert calls == ["a", "a"]


def test_in_memory_too_a_value_expires() -> None:
    now = [0.0]
    store = MemoryStore(clock=lambda: now[0])
    store.put("a", b"1", 10)
    store.put("b", b"2", None)
    now[0] = 9.5
    assert store.get("a") == b"1"
    now[0] = 10
    assert store.get("a") is None
    assert store.get("b") == b"2"


@pytest.mark.parametrize("damage", [b"", b"{}\n1", b"not json", b'{"key": "other", "until": null}\n1'])
def test_a_file_that_is_not_ours_counts_as_nothing(damage: bytes, tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.put("key", b"1", None)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage)
    assert store.get("key") is None
    store.put("key", b"2\n3", None)
    assert store.get("key") == b"2\n3"


def test_processes_share_a_file_store(tmp_path: Path) -> None:
    program = "import sys; from mce import FileStore; FileStore(sys.argv[1]).put('key', b'from there', 60)"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert FileStore(tmp_path).get("key") == b"from there"


def test_a_store_that_breaks_is_a_defect_and_holds_nobody_up(tmp_path: Path) -> None:
    class Full:
        def get(self, key: str) -> bytes | None:
            return None

        def put(self, key: str, data: bytes, ttl: float | None) -> None:
            raise OSError("disk full")

    calls: list[str] = []
    once, store = finder(calls), Full()
    outcome = settle(*(cached(once, store=store)("a") for _ in range(3))).run_sync(backend=VirtualTrio())
    assert ["disk full" in str(result.swap().value_or("")) for result in outcome.value].count(True) == 1
    assert calls == ["a"]


def test_an_annotation_that_cannot_be_read_asks_for_the_type(tmp_path: Path) -> None:
    class Local(BaseModel):
        n: int

    @step
    async def find(n: int) -> Local:
        return Local(n=n)

    outcome = cached(find, store=FileStore(tmp_path)).run_sync(3)
    assert "say returns=" in str(outcome.error)
    assert cached(find, store=FileStore(tmp_path), returns=Local).run_sync(3).value == Local(n=3)


def test_a_store_needs_a_name_and_a_type(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    with pytest.raises(DefinitionError, match=r"say cached\(flow, name=...\)"):
        cached(lift(len), store=store, returns=int)
    with pytest.raises(DefinitionError, match=r"say returns="):
        cached(lift(len), store=store, name="length")
    assert cached(lift(len).named("length"), store=store, returns=int).run_sync("abc").value == 3


def test_what_is_no_cache_is_refused() -> None:
    wrong: list[tuple[Callable[[], object], str]] = [
        (lambda: cached(lift(len), key=3), "takes a function"),  # type: ignore[arg-type]
        (lambda: cached(lift(len), ttl=-1), "ttl are seconds"),
        (lambda: cached(lift(len), name=""), "a name is text"),
        (lambda: cached(lift(len), store="folder"), "takes a store"),  # type: ignore[arg-type]
        (lambda: cached(lift(len), store=MemoryStore), "takes a store"),  # type: ignore[arg-type]
        (lambda: step(cache=3)(print), "cache= is True or a Cache"),  # type: ignore[call-overload]
    ]
    for make, says in wrong:
        with pytest.raises((DefinitionError, InvalidStep)) as refused:
            make()
        assert says in str(refused.value)


@step(cache=Cache(ttl=60))
async def measured(text: str) -> int:
    return len(text)


def test_cached_flows_are_pickled(tmp_path: Path) -> None:
    flow = gather(cached(measured), cached(measured, store=FileStore(tmp_path)), cached(sleep(0) >> measured), measured)
    again = pickle.loads(pickle.dumps(flow))
    assert again.run_sync("abc").value == (3, 3, 3, 3)


def test_a_key_is_made_once_for_a_call() -> None:
    keys: list[Any] = []

    def key(text: Any) -> None:
        keys.append(text)

    cached(lift(len), key=key).run_sync("abc")
    assert keys == ["abc"]
