"""What the flows of a run share: limits, rates and breakers, each under a name, and caches. Data only.

Two flows that use one name use one thing, wherever they stand in the flow; a name that is given two meanings in one
run is a :class:`mce.DefinitionError`. How a run keeps them is the business of :mod:`mce.combinators` and the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import KW_ONLY
from typing import Any, Protocol, runtime_checkable

from mce.errors import DefinitionError, brief
from mce.flow import path_label
from mce.records import dataclass

__all__ = ["Cache", "CircuitBreaker", "Limit", "RateLimit", "Store"]


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``size`` at once, over all flows of a run that use ``name``; first come, first served.

    >>> Limit("db", 4)
    Limit(name='db', size=4)
    >>> Limit("db", 0)
    Traceback (most recent call last):
    mce.errors.DefinitionError: Limit('db', size=0): size is a whole number of at least 1
    """

    name: str
    size: int

    def __post_init__(self) -> None:
        path_label(self.name)
        _check_count("Limit", self.name, "size", self.size)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``calls`` begun within any ``per_seconds`` seconds of the backend's clock: a sliding window.

    >>> RateLimit("api", 10, 60)
    RateLimit(name='api', calls=10, per_seconds=60)
    """

    name: str
    calls: int
    per_seconds: float

    def __post_init__(self) -> None:
        path_label(self.name)
        _check_count("RateLimit", self.name, "calls", self.calls)
        _check_seconds("RateLimit", self.name, "per_seconds", self.per_seconds)


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """Opens after ``failures`` failures in a row and lets one try after ``reset_after`` seconds of the backend's clock.

    >>> CircuitBreaker("search", 5, 30)
    CircuitBreaker(name='search', failures=5, reset_after=30)
    """

    name: str
    failures: int
    reset_after: float

    def __post_init__(self) -> None:
        path_label(self.name)
        _check_count("CircuitBreaker", self.name, "failures", self.failures)
        _check_seconds("CircuitBreaker", self.name, "reset_after", self.reset_after)


@runtime_checkable
class Store(Protocol):
    """Where a cache keeps values from run to run: bytes by key. Plain functions, called as plain steps are."""

    def get(self, key: str) -> bytes | None:
        """Give what was put under ``key``, or ``None`` if there is nothing, or nothing any more."""

    def put(self, key: str, data: bytes, ttl: float | None) -> None:
        """Keep ``data`` under ``key``, for ``ttl`` seconds of the store's clock or for ever."""


@dataclass(frozen=True, slots=True)
class Cache:
    """How values are kept: see :func:`mce.cached`, whose arguments these are."""

    _: KW_ONLY
    key: Callable[[Any], Hashable] | None = None
    store: Store | None = None
    ttl: float | None = None
    name: str | None = None
    returns: Any = None

    def __post_init__(self) -> None:
        if self.key is not None and not callable(self.key):
            raise DefinitionError(f"Cache(key=...) takes a function of the input, not {brief(self.key, 60)}")
        if self.store is not None and (isinstance(self.store, type) or not isinstance(self.store, Store)):
            raise DefinitionError(f"Cache(store=...) takes a store like FileStore(folder), not {brief(self.store, 50)}")
        if self.name is not None and (not isinstance(self.name, str) or not self.name):
            raise DefinitionError(f"Cache(name={brief(self.name)}): a name is text that is not empty")
        if self.ttl is not None:
            _check_seconds("Cache", self.name or "", "ttl", self.ttl)


def _check_count(kind: str, name: str, field: str, count: Any) -> None:
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise DefinitionError(f"{kind}({name!r}, {field}={brief(count)}): {field} is a whole number of at least 1")


def _check_seconds(kind: str, name: str, field: str, seconds: Any) -> None:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds < float("inf"):
        raise DefinitionError(f"{kind}({name!r}, {field}={brief(seconds)}): {field} are seconds, and not negative")
