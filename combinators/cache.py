"""Caches: what was computed once for an input is not computed again, in a run or from run to run."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, ClassVar

from returns.result import Failure, Result, Success
from typing_extensions import TypeVar

from mce.combinators.flights import Hit, Kept
from mce.combinators.keys import input_key, input_text
from mce.combinators.sharing import Named, Visit, begin, entering, internal, leaving
from mce.context import Branch, Context, branch_of
from mce.errors import DefinitionError, UsageError
from mce.flow import Flow, flow_node
from mce.records import dataclass
from mce.shared import Cache, Store
from mce.syntax import (
    Bracket,
    Call,
    Fail,
    Fn,
    Given,
    Label,
    Node,
    Pure,
    Recover,
    Retry,
    StateOp,
    Then,
    Timeout,
    Transact,
    children,
    passes_on,
    postorder,
    same,
)

__all__ = ["Cache", "CachedParts", "Hit", "cached", "cached_parts"]

A = TypeVar("A")
E1 = TypeVar("E1")
I1 = TypeVar("I1")
S1 = TypeVar("S1")


def cached(
    flow: Flow[I1, A, E1, S1],
    *,
    key: Callable[[I1], Hashable] | None = None,
    store: Store | None = None,
    ttl: float | None = None,
    name: str | None = None,
    returns: Any = None,
) -> Flow[I1, A, E1, S1]:
    """Run ``flow`` once for each input and give what it gave for equal ones, in this run or from run to run.

    Inputs are equal that are of one type and equal, or of which ``key`` makes equal keys. Who asks for what is being
    computed waits for it. A failure is not kept and not shared: of those that wait, the next one runs the flow itself;
    so it is when the one that runs it is cancelled. Values are kept for ``ttl`` seconds of the backend's clock, or as
    long as the run. Also declared with ``@step(cache=True)`` or ``@step(cache=Cache(...))``.

    With a ``store``, such as ``FileStore(folder)``, values are kept from run to run as JSON under ``name`` (default:
    the step's or the region's own) and the input; ``returns`` is the type of the value (default: what the step is
    annotated to return). A stored value that is not of that type any more is computed again. ``ttl`` is then in seconds
    of the store's clock.

    A value that was kept makes no state change. A flow that visibly reads or writes the state is refused, and one
    whose steps turn out to have written it fails with a defect; that a step reads it nobody can see: do not cache it.

    Laws: ``cached(m) = m`` for an ``m`` that always gives the same value for an input, but for the number of calls;
    ``cached(cached(m)) = cached(m)``. Not a law: ``cached(m >> n) = cached(m) >> cached(n)``, in the number of calls.

    >>> from mce import each, fail, step
    >>> @step
    ... def measure(text: str) -> int:
    ...     print("measuring", text)
    ...     return len(text)
    >>> each(cached(measure), limit=1).run_sync(["to", "be", "to"])
    measuring to
    measuring be
    Outcome((2, 2, 2))
    >>> cached(fail("no")).run_sync().error
    'no'
    """
    node = flow_node(flow, "cached")
    parts = cached_parts(node, Cache(key=key, store=store, ttl=ttl, name=name, returns=returns))
    return Flow(Recover(Bracket(parts.begin, _after(parts.enter, node), parts.leave), parts.found, (Hit,)))


@dataclass(frozen=True, slots=True)
class CachedParts:
    """What is put around a flow: a bracket of ``begin``, ``enter`` and ``leave``, and ``found`` where it is left."""

    begin: Call
    enter: tuple[Call, ...]
    leave: Node
    found: Fn


def cached_parts(node: Node, cache: Cache) -> CachedParts:
    """Give what makes ``node`` a cached flow; raises :class:`mce.DefinitionError` if it cannot be one."""
    _refuse_state(node)
    given: tuple[Any, ...] = (None,) if _is_closed(node) else ()
    while isinstance(node, Given):  # what calls of one step with other inputs have computed is found
        given, node = (node.value,), node.body
    guard = _CacheGuard(_identity(node), cache, given, "" if cache.store is None else _name(node, cache))
    if cache.store is None:
        return CachedParts(begin(guard.label), (entering(guard),), leaving(guard), Fn(_found))
    codec = _Codec(_returned(node, cache))
    load, save = (internal(step(guard, codec), guard.label, raises=(Hit,)) for step in (_Load, _Save))
    leave = Bracket(Fn(same), Then(internal(_Ended(guard), guard.label), save), leaving(guard))
    return CachedParts(begin(guard.label), (entering(guard), load), leave, Fn(_found))


def _after(steps: tuple[Call, ...], node: Node) -> Node:
    for step in reversed(steps):
        node = Then(step, node)
    return node


def _found(hit: Hit) -> Any:
    return hit.value


# -- what can be cached -----------------------------------------------------------------------------------------------


def _refuse_state(root: Node) -> None:
    for node in postorder(root):
        if isinstance(node, StateOp):
            raise DefinitionError(f"a cached flow cannot use the state, and this one has {node.name!r}: put it outside")


def _is_closed(node: Node) -> bool:
    """Whether ``node`` visibly ignores its input, so that all its calls are the same call."""
    while True:
        match node:
            case Given() | Pure() | Fail():
                return True
            case Call(_, spec):
                return not (spec.accepts or spec.required)
            case Then(first, second):
                node = second if passes_on(first) else first
            case Bracket(acquire, use):
                node = use if passes_on(acquire) else acquire
            case Recover(body) | Label(body) | Retry(body) | Timeout(body) | Transact(body):
                node = body
            case _:
                return False


def _identity(node: Node) -> Hashable:
    """Give what two flows have in common of which one may use what the other has computed."""
    return Named(node.fn) if isinstance(node, Call) and inspect.isroutine(node.fn) else _Identity(node)


def _name(node: Node, cache: Cache) -> str:
    """Say under which name values are kept from run to run."""
    match node:
        case _ if cache.name is not None:
            return cache.name
        case Label(_, name):
            return name
        case Call(fn):
            return f"{getattr(fn, '__module__', '')}.{getattr(fn, '__qualname__', type(fn).__qualname__)}"
        case _:
            raise DefinitionError("a flow that is cached in a store needs a name there: say cached(flow, name=...)")


def _returned(node: Node, cache: Cache) -> Any:
    """Give the type of the values, or the function that is annotated with it."""
    if cache.returns is not None:
        return cache.returns
    while isinstance(node, Label):
        (node,) = children(node)
    annotated = isinstance(node, Call) and "return" in getattr(node.fn, "__annotations__", {})
    if isinstance(node, Call) and annotated:
        return Named(node.fn)
    raise DefinitionError(
        "what is cached in a store needs a type: annotate what the step returns, or say returns=, such as returns=int"
    )


@dataclass(frozen=True, slots=True)
class _Codec:
    """Values as JSON, by a type or by what a function is annotated to return."""

    declared: Any

    def dump(self, value: Any) -> bytes:
        return _adapter(self.declared).dump_json(value)  # type: ignore[no-any-return]

    def load(self, data: bytes) -> Result[Any, Any]:
        """Read a value; a failure if it is not, or no longer, of this type."""
        try:
            return Success(_adapter(self.declared).validate_json(data))
        except ValueError as wrong:
            return Failure(wrong)


@lru_cache(maxsize=4096)
def _adapter(declared: Any) -> Any:
    import pydantic

    if isinstance(declared, Named):
        declared = _annotated(declared.fn)
        if typing.get_origin(declared) is Result:
            declared = typing.get_args(declared)[0]
    return pydantic.TypeAdapter(declared)


def _annotated(fn: Any) -> Any:
    try:
        return typing.get_type_hints(fn, include_extras=True)["return"]
    except NameError as unknown:
        where = f"what {fn.__qualname__} is annotated to return"
        raise DefinitionError(f"{where} cannot be read here, since {unknown}: say returns=") from None


# -- while it runs ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Lookup:
    """What a visit keeps: where it asks, for what, the state it came with, and later how it ended."""

    kept: Kept
    key: Hashable
    text: str
    state: Any
    ended: Result[Any, Any] | None = None
    is_new: bool = False


class _Identity:
    """Stands for one flow object; a copy in another process stands for itself."""

    __slots__ = ("of",)

    def __init__(self, of: object) -> None:
        self.of = of

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.of is self.of

    def __hash__(self) -> int:
        return id(self.of)

    def __reduce__(self) -> Any:
        return _Identity, (object(),)


@dataclass(frozen=True, slots=True)
class _CacheGuard:
    """Lets in who has to compute the value; of a closed flow the input is ``given``, whatever comes in."""

    identity: Hashable
    cache: Cache
    given: tuple[Any, ...]
    name: str
    raises: ClassVar[tuple[type[Exception], ...]] = (Hit,)

    @property
    def label(self) -> str:
        return "cached"

    async def enter(self, branch: Branch, visit: Visit, value: Any) -> None:
        cache = self.cache
        shared = ("cached", self.identity, cache.key, cache.ttl, _Identity(cache.store), self.name)
        kept = branch.shared(shared, self._nothing)
        (asked,) = self.given or (value,)
        if cache.key is not None:
            asked = cache.key(asked)
        text = f"{self.name}:{input_text(asked)}" if self.name else ""
        key = text or input_key(asked)
        visit.kept = _Lookup(kept, key, text, branch.state)
        await kept.ask(branch, visit, key)

    def _nothing(self) -> Kept:
        # a store's clock alone says how long a value of its holds
        return Kept(self.cache.ttl, only_flights=self.cache.store is not None and self.cache.ttl is not None)

    def ended(self, branch: Branch, lookup: _Lookup) -> None:
        """Note how the flow ended; raises :class:`mce.UsageError` if it wrote the state."""
        ending = branch.ending()
        if isinstance(ending, Failure) and isinstance(hit := ending.failure(), Hit):
            lookup.ended = Success(hit.value)
        elif isinstance(ending, Success) and branch.state is not lookup.state:
            raise UsageError(
                "a cached flow has written the state, which a value that was kept could not do: "
                "leave out the cache, or give what is to be written as the value and write it outside"
            )
        else:
            lookup.ended, lookup.is_new = ending, isinstance(ending, Success)

    def leave(self, branch: Branch, visit: Visit) -> None:
        lookup: _Lookup | None = visit.kept
        if lookup is None:
            return
        try:
            if self.cache.store is None:
                self.ended(branch, lookup)
        finally:
            lookup.kept.end(branch, visit, lookup.key, lookup.ended)


@dataclass(frozen=True, slots=True)
class _Load:
    """Looks into the store; plain, so that the backend calls it where plain steps are called."""

    guard: _CacheGuard
    codec: _Codec
    passes_on: ClassVar[bool] = True

    def __call__(self, ctx: Context[Any], value: Any) -> Success[Any]:
        lookup: _Lookup = branch_of(ctx).visits()[-1].kept
        assert self.guard.cache.store is not None
        data = self.guard.cache.store.get(lookup.text)
        if data is not None and isinstance(found := self.codec.load(data), Success):
            raise Hit(found.unwrap())
        return Success(value)


@dataclass(frozen=True, slots=True)
class _Ended:
    """Notes how the flow ended, before the value is saved."""

    guard: _CacheGuard

    async def __call__(self, ctx: Context[Any], _: Any) -> None:
        branch = branch_of(ctx)
        if (lookup := branch.visits()[-1].kept) is not None:
            self.guard.ended(branch, lookup)


@dataclass(frozen=True, slots=True)
class _Save:
    """Puts a new value into the store."""

    guard: _CacheGuard
    codec: _Codec

    def __call__(self, ctx: Context[Any], _: Any) -> None:
        lookup: _Lookup | None = branch_of(ctx).visits()[-1].kept
        if lookup is not None and lookup.is_new and isinstance(lookup.ended, Success):
            assert self.guard.cache.store is not None
            self.guard.cache.store.put(lookup.text, self.codec.dump(lookup.ended.unwrap()), self.guard.cache.ttl)
