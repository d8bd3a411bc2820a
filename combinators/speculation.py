"""Speculation: both branches of a choice are begun while the condition is still being computed."""

from __future__ import annotations

from typing import Any, Never, overload

from typing_extensions import TypeVar

from mce.errors import DefinitionError
from mce.flow import Flow, flow_node
from mce.syntax import Call, Dynamic, Join, Node, Par, Suspend, postorder

__all__ = ["speculate"]

A1 = TypeVar("A1")
A2 = TypeVar("A2")
E1 = TypeVar("E1")
E2 = TypeVar("E2")
E3 = TypeVar("E3")
I1 = TypeVar("I1")
S1 = TypeVar("S1")


@overload
def speculate(
    condition: Flow[I1, bool, Never, S1], if_true: Flow[I1, A1, Never, S1], if_false: Flow[I1, A2, E2, S1]
) -> Flow[I1, A1 | A2, E2, S1]: ...
@overload
def speculate(
    condition: Flow[I1, bool, E1, S1], if_true: Flow[I1, A1, E2, S1], if_false: Flow[I1, A2, E3, S1]
) -> Flow[I1, A1 | A2, E1 | E2 | E3, S1]: ...
def speculate(condition: Any, if_true: Any, if_false: Any) -> Any:
    """Run ``condition``, ``if_true`` and ``if_false`` concurrently on the same input; keep the branch it decides for.

    The other branch is cancelled as soon as the condition is known, and its failure and its state changes are dropped.
    Since it may have been called for nothing, every step of the two branches must be declared ``pure=True`` or
    ``idempotent=True``; what is not visible before it runs (``bind``, ``do``) is refused too. The condition decides by
    the truth of its value; when it fails the flow fails. Its state change and that of the chosen branch are joined as
    in ``gather``. On a backend that runs branches in turn the other branch does not begin.

    Law: ``speculate(lift(p), m, n) = branch(p, m, n)``.
    Not a law: agreement with ``branch`` in the steps that were called; nor in the state, where the condition writes
    what a branch reads.

    >>> from mce import fail, lift
    >>> half = speculate(lift(lambda n: n % 2 == 0), lift(lambda n: n // 2), fail("odd"))
    >>> half.run_sync(4)
    Outcome(2)
    >>> half.run_sync(3).error
    'odd'

    Source: Mokhov, Lukyanov, Marlow and Dimino, *Selective applicative functors* (2019).
    """
    parts = tuple(flow_node(flow, "speculate") for flow in (condition, if_true, if_false))
    for branch in parts[1:]:
        _refuse_unsafe(branch)
    return Flow(Par(parts, Join("speculate"), "speculate"))


def _refuse_unsafe(root: Node) -> None:
    """Raise ``DefinitionError`` if something below ``root`` must not be begun for nothing, or nobody knows."""
    for node in postorder(root):
        match node:
            case Call(_, spec) if not (spec.pure or spec.idempotent):
                raise DefinitionError(
                    f"speculate may call step {spec.name!r} for nothing: declare it pure=True or idempotent=True, "
                    f"or use branch"
                )
            case Dynamic(_, name):
                raise DefinitionError(
                    f"speculate cannot know what {name!r} will call, since it makes its flow when it runs: use branch"
                )
            case Suspend(token):
                raise DefinitionError(f"speculate may ask for {token!r} for nothing: use branch")
            case _:
                pass
