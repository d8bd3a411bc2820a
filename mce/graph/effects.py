"""Which steps a flow may call and which it surely calls: an over-approximation and an under-approximation.

A flow whose choices are all visible can be asked before it runs (Mokhov, Lukyanov, Marlow and Dimino, *Selective
applicative functors*, 2019). What is ``certain`` is called in every run that ends in success. A run that fails, or is
cancelled, may have called less; so a part that can fail and is recovered from has no more than its first call certain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mce.graph.bounds import Range, fold_amounts
from mce.graph.ir import Graph, GraphNode

__all__ = [
    "Possible",
    "certain_calls",
    "count_calls",
    "is_opaque",
    "may_call",
    "opaque_places",
    "places_of",
    "possible_calls",
]


@dataclass(frozen=True)
class Possible:
    """What may be called: the ``steps`` by name, and anything at all at the ``opaque`` places, which are paths."""

    steps: frozenset[str]
    opaque: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether nothing else can be called."""
        return not self.opaque

    def __str__(self) -> str:
        known = ", ".join(sorted(self.steps)) or "no step"
        places = ", ".join(self.opaque)
        return f"{known}, and anything at {places}" if places else known


def possible_calls(graph: Graph) -> Possible:
    """Give all steps that a run may call, by name, and the places that may call anything, since they are opaque.

    Laws: of ``m >> n``, ``gather(m, n)`` and ``branch(p, m, n)`` it is the union of both.

    >>> from mce import branch, lift, step
    >>> @step
    ... def ask(question: str) -> str: ...
    >>> @step
    ... def guess(question: str) -> str: ...
    >>> found = possible_calls(branch(str.isupper, ask, guess >> ask).graph())
    >>> sorted(found.steps), found.is_known
    (['ask', 'guess'], True)
    """
    return Possible(frozenset(node.label for node in graph.nodes if node.kind == "step"), opaque_places(graph))


def certain_calls(graph: Graph) -> frozenset[str]:
    """Give the steps that every run calls that ends in success, by name.

    Laws: of ``m >> n`` and ``gather(m, n)`` it is the union of both, of ``branch(p, m, n)`` and ``race(m, n)`` what
    they share. It is a part of ``possible_calls(graph).steps``.

    >>> from mce import branch, lift, step
    >>> @step
    ... def ask(question: str) -> str: ...
    >>> @step
    ... def guess(question: str) -> str: ...
    >>> sorted(certain_calls(branch(str.isupper, ask, guess >> ask).graph()))
    ['ask']
    """
    return frozenset(step for step, calls in count_calls(graph).items() if calls.least)


def count_calls(graph: Graph) -> Mapping[str, Range]:
    """Give for every step how often a successful run calls it at least, and any run at most.

    Retries, turns of loops and elements count at most as often as they are declared or supplied; a retry never
    repeats a step declared ``idempotent=False``. What opaque places call is not counted.
    """
    found = fold_amounts(graph, lambda node: {node.label: 1})
    names = dict.fromkeys(node.label for node in graph.nodes if node.kind == "step")
    return {name: found.range(name) for name in names}


def may_call(graph: Graph, step: str) -> bool:
    """Whether ``step``, a name or the ``module:name`` of its function, may be called; at opaque places anything may."""
    return bool(opaque_places(graph)) or bool(places_of(graph, step))


def places_of(graph: Graph, step: str) -> tuple[str, ...]:
    """Give the paths at which ``step``, a name or the ``module:name`` of its function, is called."""
    return tuple(node.id for node in graph.nodes if node.kind == "step" and _is(node, step))


def _is(node: GraphNode, step: str) -> bool:
    return node.label == step or (node.effects is not None and node.effects.step == step)


def opaque_places(graph: Graph) -> tuple[str, ...]:
    """Give the paths at which what is called is known only when it runs: ``bind``, ``do``, steps that give flows."""
    return tuple(node.id for node in graph.nodes if is_opaque(node))


def is_opaque(node: GraphNode) -> bool:
    """Whether anything may be called at a node."""
    return node.is_opaque or (node.effects is not None and node.effects.continues)
