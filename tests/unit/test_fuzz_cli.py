"""``mce fuzz`` from end to end, in this process: what it says, the tests that it writes, its status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from mce.cli import main

FLOWS = """
    from typing import Literal

    from pydantic import BaseModel

    from mce import Context, recurs, spaced, step, switch


    class Cart(BaseModel):
        total: int = 0


    charges: list[int] = []


    @step
    async def charge(ctx: Context[Cart], amount: int) -> int:
        charges.append(amount)
        ctx.update(total=ctx.state.total + amount)
        return amount


    @step(raises=ConnectionError)
    async def post(amount: int) -> str: ...


    @step
    async def kind(text: str) -> Literal["bill", "claim"]: ...


    @step
    async def opaque(text: str) -> complex: ...


    @step
    async def leave(n: int) -> int:
        if n is not None:
            raise SystemExit(3)
        return n


    wrong = (charge >> post).retry(spaced(60) & recurs(3), on=ConnectionError)
    right = charge >> post.retry(spaced(60) & recurs(3), on=ConnectionError)
    partly = kind >> switch(str, {"bill": post.map(str)})


    def not_negative(cart: Cart) -> bool:
        return cart.total >= 0
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "fuzzed_shop.py").write_text(dedent(FLOWS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "fuzzed_shop", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def fuzz(*args: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["fuzz", *args, "--examples", "60"])
    return int(ended.value.code or 0)


def test_a_flow_that_is_right(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz("fuzzed_shop.py:right", "-q") == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].endswith("runs, no findings")
    assert "reached: steps 2 of 2, failing steps 1 of 1" in out
    assert "run as they are: charge\nmade up: post" in out
    assert err == ""
    assert [found.name for found in shop.iterdir() if not found.name.startswith("__")] == ["fuzzed_shop.py"]


def test_a_finding_is_told_and_saved(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz("fuzzed_shop.py:wrong") == 1
    out, err = capsys.readouterr()
    assert "1. retry: step 'charge' had its effect, and a retry called it again" in out
    assert "when ('post', 1): Fails(ConnectionError())" in out
    assert "t=60  charge is called with 0 (attempt 2)" in out
    assert "60 of 60 worlds tried" in err
    saved = shop / "test_fuzz_wrong.py"
    assert _failed(saved) == 1
    flow = shop / "fuzzed_shop.py"
    flow.write_text(flow.read_text().replace("wrong = (charge >> post).retry", "wrong = charge >> post.retry"))
    assert _failed(saved) == 0


def test_the_tests_can_go_elsewhere(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "tests").mkdir()
    saved = shop / "tests" / "test_shop.py"
    assert fuzz("fuzzed_shop.py:wrong", "--output", str(saved), "-q") == 1
    assert f"pytest {saved}" in capsys.readouterr().out
    assert _failed(saved) == 1


def test_an_invariant(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz("fuzzed_shop:right", "--invariant", "fuzzed_shop:not_negative", "-q") == 1
    assert "invariant: does not hold at charge: the state is Cart(total=-1)" in capsys.readouterr().out
    assert fuzz("fuzzed_shop:right", "--invariant", "fuzzed_shop:not_negative", "--input", "5", "-q") == 0
    assert _failed(shop / "test_fuzz_right.py") == 1


def test_a_case_that_is_missing(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz("fuzzed_shop:partly", "-q") == 1
    assert "unhandled case" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["fuzzed_shop:nothing"], "has no 'nothing'"),
        (["fuzzed_shop:right", "--input", "five"], "--input is not JSON"),
        (["fuzzed_shop:right", "--invariant", "fuzzed_shop"], "say module:function"),
        (["fuzzed_shop:right", "--invariant", "fuzzed_shop:right"], "is no function of the state"),
        (["fuzzed_shop:wrong", "--output", "no/such/folder.py"], "cannot be written"),
    ],
)
def test_a_wrong_call(shop: Path, capsys: pytest.CaptureFixture[str], args: list[str], said: str) -> None:
    assert fuzz(*args, "-q") == 2
    assert said in capsys.readouterr().err


def test_a_step_that_ends_the_process(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz("fuzzed_shop:leave", "-q") == 1
    assert "a step ended the process, sys.exit(3)" in capsys.readouterr().err


def _failed(tests: Path) -> int:
    """Run a file of tests in a process of its own; gives the status of pytest."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tests.parent),
        str(tests),
    ]
    return subprocess.run(command, cwd=tests.parent, capture_output=True, check=False).returncode
