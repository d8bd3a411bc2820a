"""What of :mod:`mce.testing` needs ``hypothesis``: random flows, laws, and whether two flows do the same."""

from mce.testing.equivalence import Observation, assert_equivalent, canonical, observe
from mce.testing.lawful import LawfulFlow
from mce.testing.laws import check_laws, check_lens, check_reducer
from mce.testing.strategies import arrows, continuations, errors, flows, functions, program, states, values

__all__ = [
    "LawfulFlow",
    "Observation",
    "arrows",
    "assert_equivalent",
    "canonical",
    "check_laws",
    "check_lens",
    "check_reducer",
    "continuations",
    "errors",
    "flows",
    "functions",
    "observe",
    "program",
    "states",
    "values",
]
