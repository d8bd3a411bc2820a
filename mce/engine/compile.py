"""From tree to program: a flow's node becomes blocks of operations, once.

Sequences are flattened, adjacent pure functions fused, ``Given`` and ``Label`` compiled away: the first becomes a
constant, the second a part of the names. Names come out of namespaces, which count equal siblings; policies open
none, so that adding a retry changes no path. An explicit stack takes the place of recursion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

from mce.combinators.cache import Hit, cached_parts
from mce.combinators.limits import LimitGuard
from mce.combinators.sharing import begin, entering, leaving
from mce.engine.blocks import (
    CALL,
    CALL_WITH_CONTEXT,
    CAREFUL_CALL,
    FN,
    PURE_CALL,
    VALUE,
    At,
    Block,
    Op,
    Region,
)
from mce.engine.branches import EachRegion, ForkRegion, RaceRegion
from mce.engine.budget import BudgetRegion
from mce.engine.dag import DagRegion
from mce.engine.direct import DirectRegion
from mce.engine.dynamic import DynamicRegion
from mce.engine.frames import (
    ChoiceRegion,
    FailRegion,
    FocusRegion,
    LoopRegion,
    RecoverRegion,
    StateRegion,
    TransactRegion,
)
from mce.engine.policies import BracketRegion, RetryRegion, TimeoutRegion
from mce.engine.speculate import SpeculateRegion
from mce.errors import InvalidFlow, brief
from mce.names import Names, case_name, numbered, region_label
from mce.syntax import (
    Arguments,
    Bracket,
    Call,
    Choice,
    Dag,
    Dynamic,
    Each,
    Fail,
    Fn,
    Focus,
    Given,
    Label,
    Loop,
    Node,
    Par,
    Pure,
    Race,
    Recover,
    Retry,
    StateOp,
    StepSpec,
    Suspend,
    Then,
    Timeout,
    Transact,
)

__all__ = ["check_takes_one", "compile_node", "compile_region"]


def compile_node(node: Node, careful: bool) -> Block:
    """Give the block of ``node``, made at the first call and kept with the node.

    In a ``careful`` block every step is called the careful way, which listeners and validation need.
    Raises :class:`mce.InvalidFlow` for what cannot run.
    """
    kept: list[Any]
    try:
        kept = node.compiled
    except AttributeError:
        kept = [None, None, None, None]
        object.__setattr__(node, "compiled", kept)
    if kept[careful] is None:
        kept[careful] = _Compiler(careful).block(node, Names())
    return kept[careful]  # type: ignore[no-any-return]


def compile_region(node: Node, prefix: str, own_name: str, careful: bool) -> Block:
    """Give a block of the region ``node`` alone, in which it is named as where it was found: ``prefix/own_name``."""
    block = Block()
    at = At(region_label(node), Names(None, prefix.rstrip("/")), own_name)
    compiler = _Compiler(careful)
    block.append(compiler.region(node, at), 1, at.names)
    compiler.finish()
    return block


def check_takes_one(spec: StepSpec) -> None:
    """Raise :class:`mce.InvalidFlow` for a step of several required parameters where one value is passed on."""
    if spec.required > 1:
        raise InvalidFlow(
            f"step {spec.name!r} takes {spec.required} required arguments, so nothing can be passed on to it: "
            f"call it with all of them, {spec.name}(...), or make it take one"
        )


class _Compiler:
    """Compiles one tree; ``leaves`` shares the operations of nodes that occur more than once.

    They are known by their ``id``, so that nodes which are ``made`` on the way are kept.
    """

    def __init__(self, careful: bool) -> None:
        self.careful = careful
        self.root: Node | None = None
        self.leaves: dict[tuple[int, bool], Op] = {}
        self.made: list[Node] = []
        self.work: list[tuple[Node, Block, Names]] = []
        self.forks: list[ForkRegion | DagRegion] = []

    def block(self, node: Node, names: Names) -> Block:
        block = Block()
        self.root = node
        self.work.append((node, block, names))
        self.finish()
        return block

    def finish(self) -> None:
        """Compile all that is left to be compiled."""
        while self.work:
            self.emit(*self.work.pop())
        for fork in self.forks:
            fork.settle_code()

    def later(self, node: Node, names: Names) -> Block:
        """Give the block that ``node`` will be compiled into; whatever is asked for last is compiled first."""
        block = Block()
        self.work.append((node, block, names))
        return block

    def emit(self, node: Node, block: Block, names: Names) -> None:
        match node:
            case Then(first, second):
                self.work.append((second, block, names))
                self.work.append((first, block, names))
            case Call():
                self.emit_call(node, block, names, given=False)
            case Given(value, body):
                block.append(Op(VALUE, value=value), 1, names)
                if isinstance(body, Call):
                    self.emit_call(body, block, names, given=isinstance(value, Arguments))
                else:
                    self.work.append((body, block, names))
            case Pure(value):
                block.append(Op(VALUE, value=value), 1, names)
            case Fn(f):
                self.emit_function(f, block, names)
            case Label(body, name):
                self.work.append((body, block, names.below(numbered(name, names.ordinal(name)))))
            case Suspend():
                raise InvalidFlow(f"suspend({brief(node.token)}) needs durable runs, which are not there yet")
            case _:
                self.emit_region(node, block, names)

    def emit_function(self, f: Any, block: Block, names: Names) -> None:
        if block.ops and block.ops[-1].code == FN:
            block.ops[-1].fn.append(f)
            return
        found = getattr(f, "__name__", "map")
        label = found if found.isidentifier() else "map"
        block.append(Op(FN, label, fn=[f]), names.ordinal(label), names)

    def emit_call(self, node: Call, block: Block, names: Names, *, given: bool) -> None:
        spec = node.spec
        if not given and node is not self.root:  # what gives the root its input may have taken off a Given
            check_takes_one(spec)
        ordinal = names.ordinal(spec.name)
        own = numbered(spec.name, ordinal)
        if spec.cache is not None:
            block = self.cache(node, block, At("cached", names, own))
        if (schedule := spec.retry) is not None:
            block = self.wrap(block, names, lambda inner: RetryRegion(At("retry", names, own), inner, schedule, None))
        if spec.limit is not None:
            guard = LimitGuard(spec.limit)
            parts = (begin(guard.label), (entering(guard),), leaving(guard))
            block = self.guard(block, At("limit", names, own), *parts)
        if (seconds := spec.timeout) is not None:
            block = self.wrap(block, names, lambda inner: TimeoutRegion(At("timeout", names, own), inner, seconds))
        block.append(self.leaf(node, given), ordinal, names)

    @staticmethod
    def wrap(block: Block, names: Names, make: Callable[[Block], Region]) -> Block:
        """Put into ``block`` the policy that ``make`` makes of the block inside, and give that one."""
        inner = Block()
        block.append(make(inner), 1, names)
        return inner

    def guard(self, block: Block, at: At, begin: Call, enter: tuple[Call, ...], leave: Node) -> Block:
        """Put into ``block`` the bracket of a guard, and give the block of what it guards."""
        self.made += (begin, *enter, leave)
        inner = Block()
        for step in enter:
            inner.append(self.leaf(step, given=False), 1, at.names)
        last = self.later(leave, at.names.below(f"{at.own_name}/release"))
        first = self.later(begin, at.names.below(f"{at.own_name}/acquire"))
        block.append(BracketRegion(at, first, inner, last), 1, at.names)
        return inner

    def cache(self, node: Call, block: Block, at: At) -> Block:
        """The same for the cache that a step is declared with."""
        parts = cached_parts(node, node.spec.cache)
        found = self.later(parts.found, at.names)
        inner = self.wrap(block, at.names, lambda body: RecoverRegion(at, body, found, (Hit,), False))
        return self.guard(inner, at, parts.begin, parts.enter, parts.leave)

    def leaf(self, node: Call, given: bool) -> Op:
        op = self.leaves.get((id(node), given))
        if op is None:
            code = CAREFUL_CALL if given else self.call_code(node.spec)
            op = self.leaves[id(node), given] = Op(code, node.spec.name, fn=node.fn, spec=node.spec)
        return op

    def call_code(self, spec: StepSpec) -> int:
        simple = spec.required == 1 and not spec.validate and spec.idempotent is not False
        if simple and not self.careful:
            if spec.is_async:
                return CALL_WITH_CONTEXT if spec.takes_context else CALL
            if spec.pure and spec.run_in is None and not spec.takes_context:
                return PURE_CALL
        return CAREFUL_CALL

    def emit_region(self, node: Any, block: Block, names: Names) -> None:
        label = region_label(node)
        ordinal = names.ordinal(label)
        name = numbered(label, ordinal)
        region = self.region(node, At(label, names, name))
        if isinstance(region, ForkRegion):
            region.node = node
        if isinstance(region, ForkRegion | DagRegion):
            self.forks.append(region)
        block.append(region, ordinal, names)

    def region(self, node: Any, at: At) -> Region:
        """Make the operation of a node with blocks of its own."""
        names, name = at.names, at.own_name
        match node:
            case Fail(error):
                region: Region = FailRegion(at)
                region.value = error
                return region
            case StateOp(f):
                region = StateRegion(at)
                region.fn = f
                return region
            case Dynamic(f, _, direct):
                return DirectRegion(at, f) if direct else DynamicRegion(at, f)
            case Par(parts, how) if how.mode == "speculate":
                return SpeculateRegion(at, self.parts(parts, names, name), how)
            case Par(parts, how):
                return ForkRegion(at, self.parts(parts, names, name), how)
            case Race(parts):
                return RaceRegion(at, self.parts(parts, names, name))
            case Each(body, how, limit):
                return EachRegion(at, self.later(body, Names()), how, limit)
            case Loop(body, at_most, until):
                return LoopRegion(at, self.later(body, Names()), at_most, until)
            case Choice():
                return self.choice(node, at)
            case Recover(body, handler, on, keeps_input):
                after = self.later(handler, names.below(name))
                return RecoverRegion(at, self.later(body, names), after, on, keeps_input)
            case Retry(body, schedule, on):
                return RetryRegion(at, self.later(body, names), schedule, on)
            case Timeout(body, seconds, budget) if budget is not None:
                return BudgetRegion(at, self.metered(body, names), seconds, budget)
            case Timeout(body, seconds):
                return TimeoutRegion(at, self.later(body, names), seconds)
            case Bracket(acquire, use, release):
                last = self.later(release, names.below(f"{name}/release"))
                middle = self.later(use, names)
                return BracketRegion(at, self.later(acquire, names.below(f"{name}/acquire")), middle, last)
            case Focus(lens, body):
                return FocusRegion(at, self.later(body, names), lens)
            case Transact(body):
                return TransactRegion(at, self.later(body, names))
            case Dag():
                return self.dag(node, at)
            case _:
                assert_never(node)

    def metered(self, node: Node, names: Names) -> Block:
        """Give the block of ``node`` with every call in it made the careful way, so that it can be counted."""
        return self.later(node, names) if self.careful else _Compiler(careful=True).block(node, names)

    def parts(self, parts: tuple[Node, ...], names: Names, name: str) -> list[Block]:
        last = len(parts) - 1
        found = [self.later(part, names.below(f"{name}[{last - at}]")) for at, part in enumerate(reversed(parts))]
        return found[::-1]

    def dag(self, node: Dag, at: At) -> DagRegion:
        region = DagRegion(at, node)
        for task, (_, body) in zip(reversed(region.tasks), reversed(node.tasks), strict=True):
            names = at.names.below(f"{at.own_name}/{task.label}")
            if isinstance(body, Call):
                self.emit_call(body, task.block, names, given=task.takes.form == "arguments")
            else:
                self.work.append((body, task.block, names))
        return region

    def choice(self, node: Choice, at: At) -> Region:
        names, name = at.names, at.own_name
        default = None if node.default is None else self.later(node.default, names.below(f"{name}[default]"))
        cases = [
            (key, self.later(body, names.below(f"{name}[{case_name(key)}]"))) for key, body in reversed(node.cases)
        ]
        return ChoiceRegion(at, node.selector, cases[::-1], default)
