"""Testing of flows, and of whatever runs them. Nothing of it is loaded by ``import mce``.

The conformance suite needs nothing more than the engine. Random flows, laws and comparisons need ``hypothesis``, which
is loaded when one of them is asked for.
"""

from typing import TYPE_CHECKING, Any

from mce.engine.points import Calls, Gives, Point, Probe
from mce.testing.conformance import Broken, NotConforming, check_backend, conformance_cases
from mce.testing.decisions import Breaks, Decided, Fails, Hangs, Returns, Runs
from mce.testing.runs import Endless, WorldRun
from mce.testing.simulation import Simulation, simulate
from mce.testing.world import World

if TYPE_CHECKING:
    from mce.testing.properties import (
        Exploration,
        Finding,
        FuzzReport,
        LawfulFlow,
        Observation,
        arrows,
        assert_deterministic,
        assert_equivalent,
        assert_invariant,
        assert_mended,
        assert_no_leak,
        canonical,
        check_laws,
        check_lens,
        check_reducer,
        continuations,
        errors,
        flows,
        functions,
        fuzz,
        observe,
        program,
        schedules,
        states,
        values,
        worlds,
    )

__all__ = [
    "Breaks",
    "Broken",
    "Calls",
    "Decided",
    "Endless",
    "Exploration",
    "Fails",
    "Finding",
    "FuzzReport",
    "Gives",
    "Hangs",
    "LawfulFlow",
    "NotConforming",
    "Observation",
    "Point",
    "Probe",
    "Returns",
    "Runs",
    "Simulation",
    "World",
    "WorldRun",
    "arrows",
    "assert_deterministic",
    "assert_equivalent",
    "assert_invariant",
    "assert_mended",
    "assert_no_leak",
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
    "fuzz",
    "observe",
    "program",
    "schedules",
    "simulate",
    "states",
    "values",
    "worlds",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mce.testing import properties

    return getattr(properties, name)
