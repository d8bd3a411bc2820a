"""Task graphs: every task starts as soon as what it takes is there.

:class:`Dag` builds one from Python, with handles that carry the types; ``Dag.from_edges`` makes one of data. Both give
an ordinary flow; how it runs is in :mod:`mce.engine.dag`. The module is long for its overloads, which
:mod:`mce.combinators.dag_types` explains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Generic, Literal, Never, overload

from returns.result import Result
from typing_extensions import TypeVar

from mce.combinators.dag_edges import from_edges
from mce.combinators.dag_tasks import OnFailure, join_of, own_name, task_of
from mce.combinators.dag_types import Handle, Value
from mce.errors import DefinitionError, brief
from mce.flow import Flow, path_label
from mce.syntax import Dag as DagNode
from mce.syntax import Node, Ref, Takes

__all__ = ["Dag", "Handle"]

I = TypeVar("I", default=object)  # noqa: E741
B = TypeVar("B")
A1 = TypeVar("A1", bound=Value | None)
A2 = TypeVar("A2", bound=Value | None)
A3 = TypeVar("A3", bound=Value | None)
A4 = TypeVar("A4", bound=Value | None)
S1 = TypeVar("S1")
E0 = TypeVar("E0")
E1 = TypeVar("E1")
E2 = TypeVar("E2")
E3 = TypeVar("E3")
E4 = TypeVar("E4")
E9 = TypeVar("E9")

_LOOKED_AT = 100
"""How many elements of a constant are looked at for handles, which would not be waited for."""


class Dag(Generic[I]):
    """A graph of tasks in the making: ``add`` gives handles, ``flow`` the flow of all tasks added so far.

    A task starts as soon as those it waits for have ended: there are no layers. Its state is that at entry with the
    changes of all tasks before it, each once, in the order of adding; only tasks neither of which comes before the
    other can conflict. Tasks stand in paths as ``dag/report``. Write ``Dag[str]()`` for a dag that takes a ``str``.

    Laws (``=``: same result and state; ``tests/laws/test_dag.py``): independent tasks are ``gather``, a line of tasks
    is ``>>``; ``flow() = flow(*sinks)``, those no other task waits for; what a task is, where it is added (after what
    it takes) and how it is called change no value.
    Not laws: the order of adding decides how ``Append`` and its like meet; ``flow(out)`` runs the tasks that ``out``
    does not need as well.

    >>> from mce import lift, fail, pure
    >>> dag = Dag[str]()
    >>> word = dag.add(lift(str.upper), dag.input, name="word")
    >>> size = dag.add(lift(len), dag.input, name="size")
    >>> both = dag.add(lambda text, times: pure(text * times), word, size)
    >>> dag.flow(both).run_sync("abc")
    Outcome('ABCABCABC')
    >>> lost = dag.add(fail("no"), name="lost", after=[word])
    >>> dag.flow(both).run_sync("abc").error
    'no'
    """

    def __init__(self, *, name: str = "dag") -> None:
        self._name = path_label(name)
        self._tasks: dict[str, tuple[Node, Takes]] = {}
        self._ordinals: dict[str, int] = {}

    @property
    def input(self) -> Handle[I]:
        """The input of the dag's flow, to be taken by tasks."""
        return Handle(self, None)

    @overload
    def add(
        self,
        flow: Flow[None, B, Never, S1],
        /,
        *,
        name: str | None = ...,
        after: Iterable[Handle[Any, Never, S1]] = ...,
    ) -> Handle[B, Never, S1]: ...
    @overload
    def add(
        self,
        flow: Flow[None, B, E0, S1],
        /,
        *,
        name: str | None = ...,
        after: Iterable[Handle[Any, E9, S1]] = ...,  # pyright: ignore[reportInvalidTypeVarUse]
    ) -> Handle[B, E0 | E9, S1]: ...
    @overload
    def add(
        self,
        flow: Callable[[A1], Flow[None, B, Never, S1]],
        a1: Handle[A1, Never, S1] | A1,
        /,
        *,
        name: str | None = ...,
        after: Iterable[Handle[Any, Never, S1]] = ...,
        **more: Any,
    ) -> Handle[B, Never, S1]: ...
    @overload
    def add(
        self,
        flow: Callable[[A1], Flow[None, B, E0, S1]],
        a1: Handle[A1, E1, object] | A1,
        /,
        *,
        name: str | None = ...,
        after: Iterable[Handle[Any, E9, object]] = ...,  # pyright: ignore[reportInvalidTypeVarUse]
        **more: Any,
    ) -> Handle[B, E0 | E1 | E9, S1]: ...
    @overload
    def add(
        self,
        flow: Callable[[A1], Flow[None, B, E0, S1]],
        a1: Handle[A1, E1, S1] | A1,
        /,
        *,
        name: str | None = ...,
        after: Iterable[Handle[Any, E9, S1]] = ...,  # pyright: ignore[reportInvalidTypeVarUse]
        **more: Any,
    ) -> Handle[B, E0 | E1 | E9, S1]: ...
    @overload
    def add(
        self,
        flow: Callable[[A1, A2], Flow[None, B, Never, S1]],
        a1: Handle[A1, Never, S1] | A1,
        a2: Handle[A2, Never, S1] | A2,
        /,
        *,
        name: str | None = ...,
        after: Iterable[Handle[Any, Never, S1]] = ...,
        **more: Any,
    ) -> Handle[B, Never, S1]: ...
    @overload
    def add(
        self,
        flow: Callable[[A1, A2], Flow[None, B, E0, S1]],
        a1: Handle[A1, E1, object] | A1,
        a2: Handle[A2, E2, object] | A2,
        /,
        *,
        name: str | None = ...,
        after: Iterable[Handle[Any, E9, object]] = ...,  # pyright: ignore[reportInvalidTypeVarUse]
        **more: Any,
    ) -> Handle[B, E0 | E1 | E2 | E9, S1]: ...
    @overload
    def add(
        self,
        flow: Callable[[A1, A2], Flow[None, B, E0, S1]],
        a1: Handle[A1, E1, S1] | A1,
        a2: Handle[A2, E2, S1] | A2,
        /,
        *,
        name: str | None = ...,
        after: Iterable[Handle[Any, E9, S1]] = ...,  # pyright: ignore[reportInvalidTypeVarUse]
        **more: Any,
    ) -> Handle[B, E0 | E1 | E2 | E9, S1]: ...
    @overload
    def add(
        self,
        flow: Callable[[A1, A2, A3], Flow[None, B, Never, S1]],
        a1: Handle[A1, Never, S1] | A1,
        a2: Handle[A2, Never, S1] | A2,
        a3: Handle[A3, Never, S1] | A3,
        /,
        *,
        name: str | None = ...,
        after: Iterable[Handle[Any, Never, S1]] = ...,
        **more: Any,
    ) -> Handle[B, Never, S1]: ...
    @overload
    def add(
        self,
        flow: Callable[[A1, A2, A3], Flow[None, B, E0, S1]],
        a1: Handle[A1, E1, object] | A1,
        a2: Handle[A2, E2, object] | A2,
        a3: Handle[A3, E3, object] | A3,
        /,
        *,
        name: str | None = ...,
        after: Iterable[Handle[Any, E9, object]] = ...,  # pyright: ignore[reportInvalidTypeVarUse]
        **more: Any,
    ) -> Handle[B, E0 | E1 | E2 | E3 | E9, S1]: ...
    @overload
    def add(
        self,
        flow: Callable[[A1, A2, A3], Flow[None, B, E0, S1]],
        a1: Handle[A1, E1, S1] | A1,
        a2: Handle[A2, E2, S1] | A2,
        a3: Handle[A3, E3, S1] | A3,
        /,
        *,
        name: str | None = ...,
        after: Iterable[Handle[Any, E9, S1]] = ...,  # pyright: ignore[reportInvalidTypeVarUse]
        **more: Any,
    ) -> Handle[B, E0 | E1 | E2 | E3 | E9, S1]: ...
    @overload
    def add(
        self,
        flow: Callable[[A1, A2, A3, A4], Flow[None, B, Never, S1]],
        a1: Handle[A1, Never, S1] | A1,
        a2: Handle[A2, Never, S1] | A2,
        a3: Handle[A3, Never, S1] | A3,
        a4: Handle[A4, Never, S1] | A4,
        /,
        *,
        name: str | None = ...,
        after: Iterable[Handle[Any, Never, S1]] = ...,
        **more: Any,
    ) -> Handle[B, Never, S1]: ...
    @overload
    def add(
        self,
        flow: Callable[[A1, A2, A3, A4], Flow[None, B, E0, S1]],
        a1: Handle[A1, E1, object] | A1,
        a2: Handle[A2, E2, object] | A2,
        a3: Handle[A3, E3, object] | A3,
        a4: Handle[A4, E4, object] | A4,
        /,
        *,
        name: str | None = ...,
        after: Iterable[Handle[Any, E9, object]] = ...,  # pyright: ignore[reportInvalidTypeVarUse]
        **more: Any,
    ) -> Handle[B, E0 | E1 | E2 | E3 | E4 | E9, S1]: ...
    @overload
    def add(
        self,
        flow: Callable[[A1, A2, A3, A4], Flow[None, B, E0, S1]],
        a1: Handle[A1, E1, S1] | A1,
        a2: Handle[A2, E2, S1] | A2,
        a3: Handle[A3, E3, S1] | A3,
        a4: Handle[A4, E4, S1] | A4,
        /,
        *,
        name: str | None = ...,
        after: Iterable[Handle[Any, E9, S1]] = ...,  # pyright: ignore[reportInvalidTypeVarUse]
        **more: Any,
    ) -> Handle[B, E0 | E1 | E2 | E3 | E4 | E9, S1]: ...
    @overload
    def add(
        self,
        flow: Callable[..., Flow[None, B, E0, S1]],
        a1: Any,
        a2: Any,
        a3: Any,
        a4: Any,
        a5: Any,
        /,
        *args: Any,
        name: str | None = ...,
        after: Iterable[Handle[Any, Any, S1]] = ...,
        **more: Any,
    ) -> Handle[B, Any, S1]: ...
    def add(
        self,
        flow: Any,
        /,
        *args: Any,
        name: str | None = None,
        after: Iterable[Handle[Any, Any, Any]] = (),
        **more: Any,
    ) -> Any:
        """Add a task and give the handle that stands for its value.

        Arguments that are handles are waited for, all others are constants. A flow takes one argument, or none if it
        is closed; a step takes those of its signature, by keyword too (checkers know the required ones by place only);
        a function, called when they are there, makes a closed flow of them. The task is called ``name``, else after the
        step it begins with. It also waits for the tasks ``after``.
        Raises ``DefinitionError`` for a name already there, a handle of another dag, arguments that do not fit.

        >>> from mce import step
        >>> @step
        ... async def half(n: int) -> int:
        ...     return n // 2
        >>> dag = Dag()
        >>> dag.flow(dag.add(half, dag.add(half, 12))).run_sync()
        Outcome(3)
        >>> dag.add(half, 1, 2)
        Traceback (most recent call last):
        mce.errors.DefinitionError: half(...) -> ... was called with (1, 2): too many positional arguments
        """
        body, takes = task_of(flow, args, more)
        values = tuple(self._taken(value) for value in takes.values)
        waits = tuple(self._task_of(handle, "after=") for handle in after)
        if name is None:
            name = self._unused(own_name(body))
        elif path_label(name) in self._tasks:
            raise DefinitionError(f"dag.add(name={name!r}): a task of this name is there already")
        self._tasks[name] = body, Takes(values, takes.form, takes.keywords, waits)
        return Handle(self, name)

    @overload
    def flow(self, *, on_failure: OnFailure = ...) -> Flow[I, Any, Any, Any]: ...
    @overload
    def flow(  # pyright: ignore[reportOverlappingOverload]
        self, out: Handle[A1, E1, S1], /, *, on_failure: Literal["fail_fast"] = ...
    ) -> Flow[I, A1, E1, S1]: ...
    @overload
    def flow(  # pyright: ignore[reportOverlappingOverload]
        self, out: Handle[A1, E1, S1], /, *, on_failure: Literal["accumulate"]
    ) -> Flow[I, A1, tuple[E1, ...], S1]: ...
    @overload
    def flow(  # pyright: ignore[reportOverlappingOverload]
        self, out: Handle[A1, E1, S1], /, *, on_failure: Literal["settle"]
    ) -> Flow[I, Result[A1, E1], Never, S1]: ...
    @overload
    def flow(
        self,
        out1: Handle[A1, Never, S1],
        out2: Handle[A2, Never, S1],
        /,
        *,
        on_failure: Literal["fail_fast"] = ...,
    ) -> Flow[I, tuple[A1, A2], Never, S1]: ...
    @overload
    def flow(
        self,
        out1: Handle[A1, E1, S1],
        out2: Handle[A2, E2, S1],
        /,
        *,
        on_failure: Literal["fail_fast"] = ...,
    ) -> Flow[I, tuple[A1, A2], E1 | E2, S1]: ...
    @overload
    def flow(
        self,
        out1: Handle[A1, Never, S1],
        out2: Handle[A2, Never, S1],
        out3: Handle[A3, Never, S1],
        /,
        *,
        on_failure: Literal["fail_fast"] = ...,
    ) -> Flow[I, tuple[A1, A2, A3], Never, S1]: ...
    @overload
    def flow(
        self,
        out1: Handle[A1, E1, S1],
        out2: Handle[A2, E2, S1],
        out3: Handle[A3, E3, S1],
        /,
        *,
        on_failure: Literal["fail_fast"] = ...,
    ) -> Flow[I, tuple[A1, A2, A3], E1 | E2 | E3, S1]: ...
    @overload
    def flow(
        self,
        out1: Handle[A1, Never, S1],
        out2: Handle[A2, Never, S1],
        out3: Handle[A3, Never, S1],
        out4: Handle[A4, Never, S1],
        /,
        *,
        on_failure: Literal["fail_fast"] = ...,
    ) -> Flow[I, tuple[A1, A2, A3, A4], Never, S1]: ...
    @overload
    def flow(
        self,
        out1: Handle[A1, E1, S1],
        out2: Handle[A2, E2, S1],
        out3: Handle[A3, E3, S1],
        out4: Handle[A4, E4, S1],
        /,
        *,
        on_failure: Literal["fail_fast"] = ...,
    ) -> Flow[I, tuple[A1, A2, A3, A4], E1 | E2 | E3 | E4, S1]: ...
    @overload
    def flow(
        self, *outs: Handle[A1, E1, S1], on_failure: Literal["fail_fast"] = ...
    ) -> Flow[I, tuple[A1, ...], E1, S1]: ...
    @overload
    def flow(
        self, *outs: Handle[A1, E1, S1], on_failure: Literal["accumulate"]
    ) -> Flow[I, tuple[A1, ...], tuple[E1, ...], S1]: ...
    @overload
    def flow(
        self, *outs: Handle[A1, E1, S1], on_failure: Literal["settle"]
    ) -> Flow[I, tuple[Result[A1, E1], ...], Never, S1]: ...
    def flow(self, *outs: Handle[Any, Any, Any], on_failure: OnFailure = "fail_fast") -> Any:
        """Give the flow of all tasks added so far: its value is that of ``outs``, a tuple if they are several.

        Without ``outs`` they are the tasks that no other one waits for. The first failure cancels the rest; with
        ``on_failure="accumulate"`` all tasks run that wait for none that failed, and the flow fails with the tuple of
        all errors, in task order; with ``"settle"`` it gives results, a task that waited for a failed one having
        failed as that one did, and all state changes are kept.

        Law: ``flow() = flow(*sinks)``.

        >>> from mce import fail, pure, lift
        >>> dag = Dag()
        >>> one, lost = dag.add(pure(1)), dag.add(fail("no"))
        >>> more = dag.add(lift(str), lost)
        >>> dag.flow().run_sync()
        Outcome(failed: 'no' at dag/fail/fail; dag/pure gave 1)
        >>> dag.flow(one, more, on_failure="settle").run_sync()
        Outcome((<Success: 1>, <Failure: no>))
        """
        names = tuple(self._task_of(out, "dag.flow") for out in outs)
        if not outs:
            waited = {name for _, takes in self._tasks.values() for name in takes.waits_for()}
            names = tuple(name for name in self._tasks if name not in waited)
        tasks = tuple((name, body) for name, (body, _) in self._tasks.items())
        takes = tuple(takes for _, takes in self._tasks.values())
        form: Literal["one", "tuple"] = "one" if len(names) == 1 else "tuple"
        return Flow(DagNode(tasks, takes, names, form, join_of(on_failure), self._name))

    from_edges = staticmethod(from_edges)

    def _taken(self, value: Any) -> Any:
        """Give a handle as a reference, and a constant as it is."""
        if isinstance(value, Handle):
            return Ref(self._own(value, "dag.add"))
        if isinstance(value, dict | list | tuple | set | frozenset):
            parts: Any = value.values() if isinstance(value, dict) else value
            for part in islice(parts, _LOOKED_AT):
                if isinstance(part, Handle):
                    kind = type(value).__name__
                    raise DefinitionError(f"dag.add: {part!r} is inside a {kind}: pass it as an argument of its own")
        return value

    def _own(self, handle: Any, where: str) -> str | None:
        if not isinstance(handle, Handle):
            kind = type(handle).__name__
            raise DefinitionError(f"{where} takes handles, which dag.add gives, not {kind} {brief(handle, 60)}")
        if handle.dag is not self:
            raise DefinitionError(f"{where}: {handle!r} is of another dag")
        return handle.name

    def _task_of(self, handle: Any, where: str) -> str:
        name = self._own(handle, where)
        if name is None:
            raise DefinitionError(f"{where} takes handles of tasks, not the dag's input")
        return name

    def _unused(self, base: str) -> str:
        """Give ``base``, or ``base:2`` and so on."""
        while True:
            ordinal = self._ordinals[base] = self._ordinals.get(base, 0) + 1
            name = base if ordinal == 1 else f"{base}:{ordinal}"
            if name not in self._tasks:
                return name

    def __repr__(self) -> str:
        return f"<Dag of {len(self._tasks)} tasks>"
