"""The pytest plugin, in a pytest of its own: fixtures, the marker, ``--mce-seed``, and what a failure tells."""

from __future__ import annotations

import re

import pytest

pytest_plugins = ["pytester"]

ORDERS = """
    import anyio
    import pytest
    from mce import gather, step

    SEEN = []

    @step
    async def first(n: int) -> int:
        await anyio.lowlevel.checkpoint()
        SEEN.append("first")
        return n

    @step
    async def second(n: int) -> int:
        await anyio.lowlevel.checkpoint()
        SEEN.append("second")
        return n

    both = gather(first(1), second(2))

    @pytest.fixture(autouse=True)
    def nothing_seen():
        SEEN.clear()
"""


@pytest.fixture
def runs(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Load the plugin by name alone, whether or not it is installed as one."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\naddopts = -p mce.testing.plugin --strict-markers -p no:cacheprovider")
    return pytester


def test_a_simulated_backend_runs_in_virtual_time(runs: pytest.Pytester) -> None:
    runs.makepyfile("""
        from mce import sleep

        def test_a_day(simulated):
            assert sleep(86_400).run_sync(1, backend=simulated).ok
            assert simulated.elapsed == 86_400
    """)
    runs.runpytest().assert_outcomes(passed=1)


def test_a_world_gives_the_simplest_answers(runs: pytest.Pytester) -> None:
    runs.makepyfile("""
        from mce import step

        @step
        async def search(query: str) -> list[str]: ...

        def test_search(world):
            assert world.run(search, "x").outcome.value == []
            assert world.stub(search, ["a"]).run(search, "x").outcome.value == []
    """)
    result = runs.runpytest()
    result.assert_outcomes(passed=1)


def test_a_failure_tells_how_to_repeat_it(runs: pytest.Pytester) -> None:
    runs.makepyfile(
        ORDERS
        + """
    @pytest.mark.mce(seed=0, interleavings=20)
    def test_first_goes_first(simulated):
        both.run_sync(backend=simulated)
        assert SEEN[0] == "first"
    """
    )
    result = runs.runpytest()
    counts = result.parseoutcomes()
    assert counts["failed"] + counts["passed"] == 20
    assert 0 < counts["failed"] < 20
    found = re.search(r'again: pytest "(.+?)\[seed(\d+)\]" --mce-seed=(\d+)', result.stdout.str())
    assert found is not None
    assert found[2] == found[3]
    result.stdout.fnmatch_lines(["*- mce -*", "simulated: the seed is *, who went next is [[]*"])
    runs.runpytest(found[1], f"--mce-seed={found[3]}").assert_outcomes(failed=1)


def test_a_failing_world_is_written_down(runs: pytest.Pytester) -> None:
    runs.makepyfile("""
        from mce import step

        @step
        async def search(query: str) -> list[str]: ...

        def test_search(world):
            assert world.run(search, "x").outcome.value == ["a"]
    """)
    result = runs.runpytest("--mce-seed=7")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["world: the seed is 7", "World(calls={('search', 1): Returns([[][]])}*)"])


def test_the_seed_is_that_of_the_name_or_the_marker(runs: pytest.Pytester) -> None:
    runs.makepyfile("""
        import zlib
        import pytest

        def test_by_name(mce_seed, request):
            assert mce_seed == zlib.crc32(request.node.nodeid.encode())

        @pytest.mark.mce(seed=5)
        def test_by_marker(mce_seed, simulated):
            assert mce_seed == simulated.seed == 5

        @pytest.mark.mce(interleavings=3)
        def test_without_fixtures():
            pass
    """)
    runs.runpytest().assert_outcomes(passed=5)
    runs.runpytest("--mce-seed=5").assert_outcomes(passed=2, failed=1)


@pytest.mark.parametrize("said", ["7", "seeds=3", "interleavings=0", "seed='a'"])
def test_a_wrong_marker_is_refused(runs: pytest.Pytester, said: str) -> None:
    runs.makepyfile(f"""
        import pytest

        @pytest.mark.mce({said})
        def test_it(simulated):
            pass
    """)
    result = runs.runpytest()
    assert result.ret != 0
    assert "say pytest.mark.mce(seed=7, interleavings=20)" in result.stdout.str() + result.stderr.str()
