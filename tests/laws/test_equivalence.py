"""Every backend does what the reference meaning says, for random flows of the kind for which design 6 promises it.

``pytest --hypothesis-profile=search`` tries ten times as many.
"""

from __future__ import annotations

from hypothesis import given, settings

from mce.syntax import postorder
from mce.testing import flows, states
from mce.testing.vocabulary import Ledger
from tests.laws.meanings import AnyFlow, Start, assert_agree, runs_of

PROMISED = 500


def test_all_meanings_agree() -> None:
    """In line, on asyncio, on trio and in the reference meaning: equal result, state and calls, for 500 flows or more."""
    programs: set[str] = set()

    @settings(max_examples=max(settings().max_examples, PROMISED + PROMISED // 4))
    @given(flow=flows(size=12, deterministic=True), state=states())
    def agree(flow: AnyFlow, state: Ledger) -> None:
        programs.add(str([repr(node) for node in postorder(flow.node)]))
        assert_agree(runs_of(Start(None, state), flow))

    agree()
    assert len(programs) >= PROMISED
