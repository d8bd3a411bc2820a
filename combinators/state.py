"""State: read it, replace it, run on a part of it, all or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Never, overload

from typing_extensions import TypeVar

from mce.errors import DefinitionError, brief
from mce.flow import Flow, flow_node, plain_function
from mce.lens import Lens
from mce.syntax import Focus, StateOp, Transact

__all__ = ["focus", "get", "modify", "put", "transact"]

A = TypeVar("A")
E1 = TypeVar("E1")
I1 = TypeVar("I1")
S1 = TypeVar("S1")
S2 = TypeVar("S2")
S3 = TypeVar("S3", default=Any)  # of a lambda nothing is known


def _read(state: Any) -> tuple[Any, Any]:
    return state, state


_GET: Flow[object, Any, Any, Any] = Flow(StateOp(_read, "get"))


def get() -> Flow[object, Any]:
    """Give the state.

    Laws: ``get().bind(put) = pure(None)``, also where branches meet;
    ``get().bind(lambda s: get().map(lambda t: (s, t))) = get().map(lambda s: (s, s))``.

    >>> get().run_sync(state=3)
    Outcome(3, state=3)
    """
    return _GET


class _Put:
    __slots__ = ("state",)

    def __init__(self, state: Any) -> None:
        self.state = state

    def __call__(self, _: Any) -> tuple[None, Any]:
        return None, self.state


def put(state: S1) -> Flow[object, None, Never, S1]:
    """Replace the state by another of its class; a state of another class is a defect.

    Laws: ``put(s) >> get() = as_(put(s), s)``; ``put(s) >> put(t) = put(t)``, but that fields written by either count
    as written where branches meet.

    >>> put(4).run_sync(state=3)
    Outcome(None, state=4)
    >>> put("four").run_sync(state=3).ok
    False
    """
    return Flow(StateOp(_Put(state), "put"))


class _Modify:
    __slots__ = ("f",)

    def __init__(self, f: Callable[[Any], Any]) -> None:
        self.f = f

    def __call__(self, state: Any) -> tuple[None, Any]:
        return None, self.f(state)


def modify(f: Callable[[S3], S3]) -> Flow[object, None, Never, S3]:
    """Replace the state by ``f`` of it; what ``f`` raises is a defect.

    Laws: ``modify(identity) = pure(None)``; ``modify(f) = get().bind(lambda s: put(f(s)))``;
    ``modify(f) >> modify(g) = modify(lambda s: g(f(s)))`` unless ``g`` raises, which leaves the state after ``f``.

    >>> modify(lambda n: n + 1).run_sync(state=3)
    Outcome(None, state=4)
    >>> modify(lambda n: n / 0).run_sync(state=3).ok
    False
    """
    return Flow(StateOp(_Modify(plain_function(f, "modify")), "modify"))


@overload
def focus(lens: Lens[S1, S2], body: Flow[I1, A, E1, S2]) -> Flow[I1, A, E1, S1]: ...
@overload
def focus(lens: str, body: Flow[I1, A, E1, Any]) -> Flow[I1, A, E1, Any]: ...
def focus(lens: Any, body: Any) -> Any:
    """Run ``body`` on the part of the state that ``lens`` names; a string names a field, ``"a.b"`` one within one.

    What ``body`` changes is a change of that part: where branches meet, the field's reducer applies (of which a lens
    made of two functions of one's own knows nothing). A failure keeps the part as it was at the failure.

    Laws: ``focus(l, pure(a)) = pure(a)``; ``focus(l, m >> n) = focus(l, m) >> focus(l, n)``;
    ``focus(Lens.field("a"), focus(Lens.field("b"), m)) = focus("a.b", m)``.

    >>> from types import SimpleNamespace
    >>> whole = Lens(get=lambda pair: pair[0], set=lambda pair, part: (part, pair[1]))
    >>> focus(whole, put(5)).run_sync(state=(3, 4))
    Outcome(None, state=(5, 4))
    """
    if isinstance(lens, str):
        lens = Lens.field(lens)
    elif not isinstance(lens, Lens):
        raise DefinitionError(f"focus takes a Lens or the name of a field, not {brief(lens, 60)}")
    return Flow(Focus(lens, flow_node(body, "focus")))


def transact(body: Flow[I1, A, E1, S1]) -> Flow[I1, A, E1, S1]:
    """Run ``body`` with its state changes all or nothing: they are dropped when it fails or is cancelled.

    It is the order of the transformers that forgets the state on failure. Effects of steps are not undone;
    ``compensate`` is for that.

    Laws: ``transact(transact(m)) = transact(m)``; ``transact(pure(a)) = pure(a)``;
    ``transact(m) = m`` if ``m`` succeeds.

    >>> from mce import fail
    >>> transact(put(4) >> fail("no")).run_sync(state=3).state
    3
    >>> (put(4) >> fail("no")).run_sync(state=3).state
    4
    """
    return Flow(Transact(flow_node(body, "transact")))
