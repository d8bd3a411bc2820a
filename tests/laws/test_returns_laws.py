"""The law suite of ``returns`` itself, on outcomes and on flows: ``check_all_laws`` defines a test per law here.

Functor, bifunctor, applicative, container (monad), failable, swappable and equable.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from returns.contrib.hypothesis.laws import check_all_laws
from returns.result import Failure, Success

from mce import Flow, Outcome, bimap
from mce.outcome import Place
from mce.testing import LawfulFlow, flows
from mce.testing.vocabulary import Ledger, Refused, weight

FEW: dict[str, Any] = {"max_examples": 20}
"""The suite clears Hypothesis's caches for every example, which takes most of the time."""


# Outcomes and flows as the suite draws them by default: of values and errors of any type, with no state.

# The suite's own types ask for its base class by name where it looks for the interfaces: it is told nothing of ours.
outcomes: Any = Outcome
lawful_flows: Any = LawfulFlow
check_all_laws(outcomes, settings_kwargs=FEW)
check_all_laws(lawful_flows, settings_kwargs=FEW)


class OutcomeWithAll(Outcome):
    """An outcome under another name, for the names of its tests."""

    __slots__ = ()


ATOMS = st.integers(0, 3) | st.text("ab", max_size=2)
OUTCOMES = st.builds(
    lambda result, state, where, trace: Outcome(result, state, where if isinstance(result, Failure) else None, trace),
    st.builds(Success, ATOMS) | st.builds(Failure, ATOMS),
    st.none() | st.integers(0, 3),
    st.none() | st.builds(Place, st.sampled_from(["a", "b/c"]), st.integers(1, 2)),
    st.lists(st.integers(0, 3), max_size=2).map(tuple),
)
outcomes_with_all: Any = OutcomeWithAll
check_all_laws(outcomes_with_all, settings_kwargs=FEW, container_strategy=OUTCOMES)


class RandomFlow(LawfulFlow):
    """Random flows on a state, compared by what they do to it as well."""

    __slots__ = ()
    state = Ledger(mark=3)


def _random_flow(flow: Flow[object, Any, Any, Ledger]) -> RandomFlow:
    # The functions that the suite draws tell equal values apart that are not the same, as exceptions are not.
    return RandomFlow(bimap(flow, weight, weight))


random_flows: Any = RandomFlow
check_all_laws(
    random_flows,
    settings_kwargs=FEW,
    container_strategy=flows(deterministic=True).map(_random_flow),
    type_strategies={},
)


def test_the_suite_covers_the_structures() -> None:
    """The laws that were checked are those of the structures that outcomes and flows are."""
    names = {interface.__name__ for interface in lawful_flows.laws()}
    assert names == {interface.__name__ for interface in outcomes.laws()}
    assert {"MappableN", "AltableN", "ApplicativeN", "ContainerN", "FailableN", "DiverseFailableN", "Equable"} <= names
    assert sum(len(laws) for laws in lawful_flows.laws().values()) >= 20


def test_laws_can_fail() -> None:
    """Flows that do something else are not equal: by value, by error, by state."""
    assert LawfulFlow.from_value(3) != LawfulFlow.from_value(4)
    assert LawfulFlow.from_value(3) != LawfulFlow.from_failure(3)
    assert LawfulFlow.from_failure(Refused(3)) != LawfulFlow.from_failure(Refused(4))
    assert RandomFlow(_writes(3)) == RandomFlow(_writes(3)) != RandomFlow(_writes(4))


def _writes(n: int) -> Any:
    from mce import put

    return put(Ledger(mark=n))
