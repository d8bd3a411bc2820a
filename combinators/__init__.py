"""The algebra, a module per structure; the everyday combinators are also in ``mce``."""

from typing import TYPE_CHECKING, Any

from mce.combinators.alternative import first_success, hedge, or_else, race, recover
from mce.combinators.applicative import apply, gather, last, lift, quorum, settle, validate, zip_with
from mce.combinators.clock import sleep
from mce.combinators.dag import Dag
from mce.combinators.functor import as_, bimap, map, map_error, tap
from mce.combinators.monad import bind, compose, do, fail, forever_until, identity, iterate, join, pure, tail_rec, then
from mce.combinators.policy import batched, budget, cached, circuit_breaker, limit, rate_limit, retry, timeout
from mce.combinators.resource import bracket, compensate, ensure
from mce.combinators.selective import branch, speculate, switch, unless, when
from mce.combinators.state import focus, get, modify, put, transact
from mce.combinators.store import MemoryStore
from mce.combinators.traversable import (
    as_completed,
    each,
    filter_each,
    fold,
    partition,
    scan,
    sequence,
    traverse,
    tree_reduce,
)

if TYPE_CHECKING:
    from mce.combinators.filestore import FileStore

__all__ = [
    "Dag",
    "FileStore",
    "MemoryStore",
    "apply",
    "as_",
    "as_completed",
    "batched",
    "bimap",
    "bind",
    "bracket",
    "branch",
    "budget",
    "cached",
    "circuit_breaker",
    "compensate",
    "compose",
    "do",
    "each",
    "ensure",
    "fail",
    "filter_each",
    "first_success",
    "focus",
    "fold",
    "forever_until",
    "gather",
    "get",
    "hedge",
    "identity",
    "iterate",
    "join",
    "last",
    "lift",
    "limit",
    "map",
    "map_error",
    "modify",
    "or_else",
    "partition",
    "pure",
    "put",
    "quorum",
    "race",
    "rate_limit",
    "recover",
    "retry",
    "scan",
    "sequence",
    "settle",
    "sleep",
    "speculate",
    "switch",
    "tail_rec",
    "tap",
    "then",
    "timeout",
    "transact",
    "traverse",
    "tree_reduce",
    "unless",
    "validate",
    "when",
    "zip_with",
]


def __getattr__(name: str) -> Any:
    if name != "FileStore":  # which few need, and what it needs takes time to load
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mce.combinators.filestore import FileStore

    return FileStore
