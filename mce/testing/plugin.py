"""The pytest plugin: simulated backends and worlds as fixtures, repeated with other seeds, told when a test fails.

It is loaded by every run of pytest where ``mce`` is installed, so what it needs is imported by its fixtures.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mce.backends.simulated import SimulatedBackend
    from mce.testing.world import World

__all__ = [
    "mce_seed",
    "pytest_addoption",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_runtest_makereport",
    "simulated",
    "world",
]

_TELLS = pytest.StashKey[list[Callable[[], str]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--mce-seed``."""
    group = parser.getgroup("mce")
    group.addoption("--mce-seed", type=int, default=None, metavar="N", help="the seed of simulated runs and worlds")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        "mce(seed=None, interleavings=1): the seed of simulated runs, and with how many seeds to repeat a test",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat a test that is marked with ``interleavings`` with as many seeds."""
    marker = metafunc.definition.get_closest_marker("mce")
    if marker is None:
        return
    told = _told(marker, metafunc.definition.nodeid)
    count = told.get("interleavings", 1)
    if metafunc.config.getoption("--mce-seed") is not None or count == 1:
        return
    first = told.get("seed", 0)
    if "mce_seed" not in metafunc.fixturenames:
        metafunc.fixturenames.append("mce_seed")
    metafunc.parametrize("mce_seed", range(first, first + count), indirect=True, ids=lambda seed: f"seed{seed}")


def _told(marker: pytest.Mark, where: str) -> dict[str, int]:
    """Give the arguments of a marker; raises ``UsageError`` for one that is not known or no number."""
    unknown = [*map(repr, marker.args), *sorted(marker.kwargs.keys() - {"seed", "interleavings"})]
    wrong = [name for name, value in marker.kwargs.items() if type(value) is not int]
    if unknown or wrong or marker.kwargs.get("interleavings", 1) < 1:
        raise pytest.UsageError(f"{where}: say pytest.mark.mce(seed=7, interleavings=20), both whole numbers")
    return marker.kwargs  # type: ignore[return-value]


@pytest.fixture
def mce_seed(request: pytest.FixtureRequest) -> int:
    """Give the seed of this test: of ``--mce-seed``, of its marker, or else of its name."""
    given = request.config.getoption("--mce-seed")
    marker = request.node.get_closest_marker("mce")
    if given is not None:
        return int(given)
    if hasattr(request, "param"):
        return int(request.param)
    if marker is not None and "seed" in marker.kwargs:
        return int(_told(marker, request.node.nodeid)["seed"])
    return zlib.crc32(request.node.nodeid.encode())


@pytest.fixture
def simulated(request: pytest.FixtureRequest, mce_seed: int) -> SimulatedBackend:
    """Give a :class:`mce.SimulatedBackend` with the seed of this test; a failure tells who went when."""
    from mce.backends.simulated import SimulatedBackend

    picks: list[int] = []
    chance = Random(mce_seed).randrange

    def pick(ready: int) -> int:
        picks.append(chance(ready))
        return picks[-1]

    _tell(request, lambda: f"simulated: the seed is {mce_seed}, who went next is {_shortened(picks)}")
    return SimulatedBackend(mce_seed, pick=pick)


@pytest.fixture
def world(request: pytest.FixtureRequest, mce_seed: int) -> World:
    """Give a :class:`mce.testing.World` of simplest answers, in an order by the seed; a failure tells it."""
    from mce.testing.world import World

    made = World().shuffled(mce_seed)
    _tell(request, lambda: f"world: the seed is {mce_seed}\n{made!r}")
    return made


def _tell(request: pytest.FixtureRequest, tell: Callable[[], str]) -> None:
    request.node.stash.setdefault(_TELLS, []).append(tell)


_SHOWN = 200


def _shortened(picks: list[int]) -> str:
    more = f", and {len(picks) - _SHOWN} more" if len(picks) > _SHOWN else ""
    return f"{picks[:_SHOWN]}{more}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Add to the report of a failed test how to repeat it."""
    report = yield
    tells = item.stash.get(_TELLS, [])
    if report.when == "call" and report.failed and tells:
        seed = item.funcargs.get("mce_seed") if isinstance(item, pytest.Function) else None
        lines = [tell() for tell in tells]
        report.sections.append(("mce", "\n".join([*lines, f'again: pytest "{item.nodeid}" --mce-seed={seed}'])))
    return report
