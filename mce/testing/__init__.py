"""Testing of flows, and of whatever runs them. Nothing of it is loaded by ``import mce``.

The conformance suite needs nothing more than the engine. Random flows, laws and comparisons need ``hypothesis``, which
is loaded when one of them is asked for.
"""

from typing import TYPE_CHECKING, Any

from mce.testing.conformance import Broken, NotConforming, check_backend, conformance_cases

if TYPE_CHECKING:
    from mce.testing.properties import (
        LawfulFlow,
        Observation,
        arrows,
        assert_equivalent,
        canonical,
        check_laws,
        check_lens,
        check_reducer,
        continuations,
        errors,
        flows,
        functions,
        observe,
        program,
        states,
        values,
    )

__all__ = [
    "Broken",
    "LawfulFlow",
    "NotConforming",
    "Observation",
    "arrows",
    "assert_equivalent",
    "canonical",
    "check_backend",
    "check_laws",
    "check_lens",
    "check_reducer",
    "conformance_cases",
    "continuations",
    "errors",
    "flows",
    "functions",
    "observe",
    "program",
    "states",
    "values",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mce.testing import properties

    return getattr(properties, name)
