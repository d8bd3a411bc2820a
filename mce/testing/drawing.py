"""Values drawn by Hypothesis outside of a test: some of each annotation, from a seed."""

from __future__ import annotations

from typing import Any

import hypothesis
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from mce.testing.value_strategies import NoValue, exceptions_of, values_of

__all__ = ["NoValue", "drawn_exceptions", "drawn_values"]


def drawn_values(annotation: Any, *, seed: int, count: int) -> list[Any]:
    """Give about ``count`` values of ``annotation``, at least one; raises :class:`NoValue` if there is none.

    >>> sorted(set(drawn_values(bool, seed=1, count=20)))
    [False, True]
    """
    return _drawn(values_of(annotation), seed, count)


def drawn_exceptions(classes: tuple[type[BaseException], ...], *, seed: int, count: int) -> list[BaseException]:
    """Give about ``count`` exceptions of the ``classes``; raises :class:`NoValue` if none can be made."""
    return _drawn(st.one_of([exceptions_of(cls) for cls in classes]), seed, count)


def _drawn(strategy: st.SearchStrategy[Any], seed: int, count: int) -> list[Any]:
    found: list[Any] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),  # pyright: ignore[reportArgumentType]
    )
    @hypothesis.given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    try:
        collect()
    except HypothesisException:  # it gave up, for want of values that are accepted
        if not found:
            raise NoValue("allows none that could be found") from None
    return found
