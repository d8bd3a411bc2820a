"""Every backend of ours, in every kind of loop, keeps every rule of the suite that is shipped for anybody's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from mce.backends import Backend, InlineBackend, LocalBackend
from mce.backends.simulated import SimulatedBackend
from mce.testing import conformance_cases
from mce.testing.cases.bench import Case, Loop

MAKERS: list[tuple[str, Callable[[], Backend], Loop, bool]] = [
    ("inline", InlineBackend, None, True),
    ("inline in asyncio", InlineBackend, "asyncio", True),
    ("inline in trio", InlineBackend, "trio", True),
    ("local", LocalBackend, None, True),
    ("local on trio", partial(LocalBackend, loop="trio"), None, True),
    ("local in asyncio", LocalBackend, "asyncio", True),
    ("local in trio", LocalBackend, "trio", True),
    ("simulated", SimulatedBackend, None, False),
]


@dataclass(frozen=True)
class Check:
    case: Case
    backend: str
    make: Callable[[], Backend]
    loop: Loop

    def __str__(self) -> str:
        return f"{self.case}, {self.backend}"


CHECKS = [
    Check(case, backend, make, loop)
    for backend, make, loop, real_time in MAKERS
    for case in conformance_cases()
    if case.fits(make, loop, real_time=real_time)
]


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_a_backend_keeps_the_rule(check: Check) -> None:
    check.case.check(check.make, check.loop)
