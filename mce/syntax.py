"""The syntax tree of flows: one closed set of frozen nodes, data only.

A node says what is to be done and never how; meanings are functions over the tree (``compile``, ``graph``,
``denote``), each one ``match`` closed with ``assert_never``. Trees get deep (a million steps), so nothing here
or elsewhere recurses over one: nodes compare by identity, ``repr`` is bounded, and :mod:`mce.pickling` emits a flat
list. Types are left to :class:`mce.Flow`, which wraps a node; here a value is ``Any``.

It is long because the set is closed: the nodes, what they are made of, and the functions that must know each of them
to walk a tree stand in one place, and a node is added in one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, assert_never

from mce.errors import brief
from mce.records import dataclass

if TYPE_CHECKING:
    from mce.schedule import Schedule

__all__ = [
    "Again",
    "Arguments",
    "Bracket",
    "Budget",
    "Call",
    "Choice",
    "Dag",
    "Done",
    "Dynamic",
    "Each",
    "Fail",
    "Fn",
    "Focus",
    "Given",
    "Join",
    "Label",
    "Loop",
    "Node",
    "Par",
    "Pure",
    "Race",
    "Recover",
    "Ref",
    "Retry",
    "StateOp",
    "StepSpec",
    "Suspend",
    "Takes",
    "Then",
    "Timeout",
    "Transact",
    "children",
    "passes_on",
    "postorder",
    "same",
    "with_children",
]


@dataclass(frozen=True, slots=True)
class StepSpec:
    """Everything about a step that engine, graph, checker and backends must know, as data.

    ``seconds`` are wall seconds of the backend's clock. ``idempotent`` is ``None`` when nobody said; ``False``
    keeps ``retry`` from calling the step a second time. ``internal`` steps are parts of a combinator (``limit``,
    ``cached``, ...): they give no events, count in no budget, and what they did is never to be skipped by a resume.
    """

    name: str
    takes_context: bool = False
    is_async: bool = True
    required: int = 1
    accepts: int = 1
    raises: tuple[type[BaseException], ...] = ()
    retry: Schedule | None = None
    timeout: float | None = None
    idempotent: bool | None = None
    pure: bool = False
    run_in: Literal["thread", "process", "inline"] | None = None
    resources: Mapping[str, float] | None = None
    cache: Any = None
    limit: Any = None
    validate: bool = False
    doc: str = ""
    internal: bool = False


@dataclass(frozen=True, slots=True)
class Arguments:
    """The input of a step that was called with something else than one positional argument."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def __repr__(self) -> str:
        shown = [brief(a, 40) for a in self.args] + [f"{k}={brief(v, 40)}" for k, v in self.kwargs.items()]
        return f"({', '.join(shown)})"


@dataclass(frozen=True, slots=True)
class Budget:
    """What a :class:`Timeout` allows besides its ``seconds``; ``None`` is no bound."""

    steps: int | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What the body of a :class:`Loop` gives when the loop is done."""

    value: Any


@dataclass(frozen=True, slots=True)
class Again:
    """What the body of a :class:`Loop` gives when it wants another turn, with that turn's input."""

    value: Any


@dataclass(frozen=True, slots=True)
class Join:
    """How concurrent branches meet.

    ``mode`` is ``fail_fast`` (the first failure cancels the rest), ``accumulate`` (all run, every error is kept),
    ``settle`` (all run, a tuple of results), ``quorum`` (the first ``count`` successes, the rest cancelled) or
    ``speculate`` (the first branch says which of the other two is wanted, the other is cancelled).
    ``merge``, if given, makes the state of the branches' states instead of the rules of :mod:`mce.state`.
    ``completed`` gives the values as they complete instead of in branch order.
    """

    mode: Literal["fail_fast", "accumulate", "settle", "quorum", "speculate"] = "fail_fast"
    merge: Callable[[list[Any]], Any] | None = None
    count: int = 0
    completed: bool = False


@dataclass(frozen=True, slots=True)
class Ref:
    """In what a task of a :class:`Dag` takes: the value of the task ``name``, or without a name the dag's own input."""

    name: str | None = None


@dataclass(frozen=True, slots=True)
class Takes:
    """What a task of a :class:`Dag` is given, and which tasks it waits for besides (``after``).

    ``values`` are constants and :class:`Ref`. The task is given the only one of them, ``None`` if there is none, or
    their tuple, or :class:`Arguments` of which the last ones go by ``keywords``.
    """

    values: tuple[Any, ...] = ()
    form: Literal["one", "tuple", "arguments"] = "one"
    keywords: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def waits_for(self) -> tuple[str, ...]:
        """Name the tasks that must have ended before this one starts, each once."""
        taken = (value.name for value in self.values if isinstance(value, Ref) and value.name is not None)
        return tuple(dict.fromkeys((*taken, *self.after)))

    def takes_input(self) -> bool:
        """Whether the dag's own input is among the values."""
        return any(isinstance(value, Ref) and value.name is None for value in self.values)


class _Node:
    """What all nodes share: identity, a bounded ``repr``, copies that are the node itself, flat pickles.

    ``compiled`` is a place for the engine to keep what it made of the node; it is no part of the data.
    """

    __slots__ = ("compiled",)
    compiled: Any

    def __repr__(self) -> str:
        shown = ", ".join(f"{f.name}={_shown(getattr(self, f.name))}" for f in fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({shown})"

    def __copy__(self) -> _Node:
        return self

    def __deepcopy__(self, memo: object) -> _Node:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        from mce.pickling import flatten, rebuild

        return rebuild, (flatten(self),)  # type: ignore[arg-type]


_SHOWN = 100


def _shown(value: object) -> str:
    if isinstance(value, _Node):
        return f"{type(value).__name__}(…)"
    if isinstance(value, tuple) and (len(value) > _SHOWN or any(isinstance(v, _Node) for v in value)):
        return f"<{len(value)} {'nodes' if isinstance(value[0], _Node) else 'items'}>"
    return brief(value, 60)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Pure(_Node):
    """Succeed with ``value``."""

    value: Any


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fail(_Node):
    """Fail with ``error``."""

    error: Any


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Fn(_Node):
    """A pure function of the input, called in line."""

    f: Callable[[Any], Any]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call(_Node):
    """A step: the only place where effects happen."""

    fn: Callable[..., Any]
    spec: StepSpec


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dynamic(_Node):
    """``f(input)`` is a closed flow to continue with, or, if ``direct``, a block that awaits flows (``do``)."""

    f: Callable[[Any], Any]
    name: str = "bind"
    direct: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Then(_Node):
    """``first``, then ``second`` with its value. Flattened once, when the flow is compiled."""

    first: Node
    second: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Par(_Node):
    """The same input to all ``parts``, concurrently; ``join`` says how they meet."""

    parts: tuple[Node, ...]
    join: Join
    name: str = "gather"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Each(_Node):
    """``body`` for every element of the input, at most ``limit`` at once (``None``: all)."""

    body: Node
    join: Join
    limit: int | None = None
    name: str = "each"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Choice(_Node):
    """The case whose key equals ``selector(input)``, with the same input; else ``default``."""

    selector: Callable[[Any], Any]
    cases: tuple[tuple[Any, Node], ...]
    default: Node | None
    name: str = "switch"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Recover(_Node):
    """On a failure that matches ``on`` (``None``: any expected one) continue with ``handler`` on the error,
    or, if it ``keeps_input``, on the input of ``body``.
    """

    body: Node
    handler: Node
    on: tuple[type, ...] | None = None
    keeps_input: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Race(_Node):
    """The first success wins and the others are cancelled."""

    parts: tuple[Node, ...]
    name: str = "race"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Loop(_Node):
    """``body`` over and over until ``until(value)``; without it the body gives ``Again`` or ``Done`` (``tailRecM``)."""

    body: Node
    at_most: int | None = None
    until: Callable[[Any], bool] | None = None
    name: str = "iterate"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dag(_Node):
    """Named ``tasks``, each started as soon as those that ``takes``, which is parallel to them, names have ended.

    The tasks stand in topological order, as declared where that leaves a choice. The value is that of the one output,
    the tuple of those of several, or a dict by name, as ``form`` says.
    """

    tasks: tuple[tuple[str, Node], ...]
    takes: tuple[Takes, ...]
    outputs: tuple[str, ...]
    form: Literal["one", "tuple", "dict"] = "one"
    join: Join = Join()
    name: str = "dag"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Retry(_Node):
    """``body`` again after a failure that matches ``on``, with the waits of ``schedule``."""

    body: Node
    schedule: Schedule
    on: tuple[type, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Timeout(_Node):
    """``body``, cancelled after ``seconds`` on the backend's clock, or when its ``budget`` is used up."""

    body: Node
    seconds: float
    budget: Budget | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Bracket(_Node):
    """``release`` runs on what ``acquire`` gave, however ``use`` of it ended."""

    acquire: Node
    use: Node
    release: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StateOp(_Node):
    """``f(state)`` is the value and the state that follows."""

    f: Callable[[Any], tuple[Any, Any]]
    name: str = "modify"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Focus(_Node):
    """``body`` on the part of the state that ``lens`` names."""

    lens: Any
    body: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Transact(_Node):
    """``body``, whose state changes are dropped when it fails."""

    body: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Suspend(_Node):
    """Wait for a value of ``schema`` that somebody outside gives for ``token``."""

    token: str
    schema: Any = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Given(_Node):
    """``body`` with ``value`` for its input."""

    value: Any
    body: Node


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Label(_Node):
    """``body``, as a region with a ``name``."""

    body: Node
    name: str
    meta: Mapping[str, Any] | None = None


Node: TypeAlias = (
    Pure
    | Fail
    | Fn
    | Call
    | Dynamic
    | Then
    | Par
    | Each
    | Choice
    | Recover
    | Race
    | Loop
    | Dag
    | Retry
    | Timeout
    | Bracket
    | StateOp
    | Focus
    | Transact
    | Suspend
    | Given
    | Label
)


def same(value: Any) -> Any:
    """Give ``value``: the one identity function, by which analyses know that an input is only passed on."""
    return value


def passes_on(node: Node) -> bool:
    """Whether ``node`` gives its input on as it is, whatever it is, and so needs none: identity, sleeping."""
    match node:
        case Fn(f):
            return f is same
        case Call(fn):
            return getattr(fn, "passes_on", False)
        case _:
            return False


def children(node: Node) -> tuple[Node, ...]:
    """Give the direct children of ``node`` in the order in which they would run."""
    match node:
        case Pure() | Fail() | Fn() | Call() | Dynamic() | StateOp() | Suspend():
            return ()
        case Then(first, second):
            return (first, second)
        case Par(parts) | Race(parts):
            return parts
        case Choice(cases=cases, default=default):
            found = tuple(body for _, body in cases)
            return found if default is None else (*found, default)
        case Recover(body, handler):
            return (body, handler)
        case Dag(tasks):
            return tuple(body for _, body in tasks)
        case Bracket(acquire, use, release):
            return (acquire, use, release)
        case Each() | Loop() | Retry() | Timeout() | Focus() | Transact() | Given() | Label():
            return (node.body,)
        case _:
            assert_never(node)


def with_children(node: Node, new: tuple[Node, ...]) -> Node:
    """Give ``node`` with ``new`` for its children, in the order of :func:`children`; itself if they are the same."""
    if len(old := children(node)) == len(new) and all(map(_same, old, new)):
        return node
    match node:
        case Pure() | Fail() | Fn() | Call() | Dynamic() | StateOp() | Suspend():
            return node
        case Then():
            return Then(*new)
        case Par() | Race():
            return replace(node, parts=new)
        case Choice(cases=cases):
            keys = [key for key, _ in cases]
            default = new[-1] if len(new) > len(keys) else None
            return replace(node, cases=tuple(zip(keys, new, strict=False)), default=default)
        case Recover():
            return replace(node, body=new[0], handler=new[1])
        case Dag(tasks):
            return replace(node, tasks=tuple((name, body) for (name, _), body in zip(tasks, new, strict=True)))
        case Bracket():
            return Bracket(*new)
        case Each() | Loop() | Retry() | Timeout() | Focus() | Transact() | Given() | Label():
            return replace(node, body=new[0])
        case _:
            assert_never(node)


def _same(old: object, new: object) -> bool:
    return old is new


def postorder(root: Node) -> list[Node]:
    """List every distinct node below ``root``, children before parents, ``root`` last."""
    found: list[Node] = []
    seen: set[int] = set()
    begun: list[Node] = []
    stack: list[Node | None] = [root]  # ``None``: all below the last that was begun is found
    while stack:
        node = stack.pop()
        if node is None:
            found.append(begun.pop())
        elif id(node) not in seen:
            seen.add(id(node))
            below = children(node)
            if below:
                begun.append(node)
                stack.append(None)
                stack.extend(reversed(below))
            else:
                found.append(node)
    return found
