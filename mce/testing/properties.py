"""What of :mod:`mce.testing` needs ``hypothesis``: random flows, laws, and whether two flows do the same."""

from mce.testing.checks_explored import Exploration, assert_deterministic, assert_invariant, assert_no_leak
from mce.testing.equivalence import Observation, assert_equivalent, canonical, observe
from mce.testing.fuzz_report import Finding, FuzzReport
from mce.testing.fuzzing import assert_mended, fuzz
from mce.testing.lawful import LawfulFlow
from mce.testing.laws import check_laws, check_lens, check_reducer
from mce.testing.strategies import arrows, continuations, errors, flows, functions, program, schedules, states, values
from mce.testing.world_strategy import worlds

__all__ = [
    "Exploration",
    "Finding",
    "FuzzReport",
    "LawfulFlow",
    "Observation",
    "arrows",
    "assert_deterministic",
    "assert_equivalent",
    "assert_invariant",
    "assert_mended",
    "assert_no_leak",
    "canonical",
    "check_laws",
    "check_lens",
    "check_reducer",
    "continuations",
    "errors",
    "flows",
    "functions",
    "fuzz",
    "observe",
    "program",
    "schedules",
    "states",
    "values",
    "worlds",
]
