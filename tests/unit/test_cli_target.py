"""TARGET: what it names is found as Python would find it, and what is wrong with it is said."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from mce.cli.exits import WrongCall
from mce.cli.target import load_flow

AGENT = """
    from mce import pure, step
    import shared

    LIMIT = 3

    @step
    async def plan(question: str) -> str:
        return question

    def helper(x): ...

    async def search(x): ...

    def chunks():
        yield 1

    class Answer: ...

    class Group:
        inner = pure(1)

    agent = plan >> plan
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in an empty folder, and forget afterwards what was imported from it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]


def write(path: Path, text: str = AGENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text))
    return path


@pytest.fixture
def agent(folder: Path) -> Path:
    write(folder / "sub" / "shared.py", "")
    return write(folder / "sub" / "agent_file.py")


def wrong(target: str) -> str:
    with pytest.raises(WrongCall) as found:
        load_flow(target)
    return str(found.value)


def test_a_file_finds_its_neighbours_as_a_script_does(agent: Path) -> None:
    assert load_flow("sub/agent_file.py:agent").run_sync("q").value == "q"
    assert sys.path[0] == str(agent.parent)
    assert sys.modules["agent_file"].__name__ == "agent_file"


def test_a_file_is_run_once(agent: Path) -> None:
    assert load_flow("sub/agent_file.py:agent") is load_flow(f"{agent}:agent")


def test_a_module_is_found_from_the_current_folder(folder: Path) -> None:
    write(folder / "inner_package" / "__init__.py", "")
    write(folder / "inner_package" / "flows.py", "from mce import pure\nagent = pure(3)")
    assert load_flow("inner_package.flows:agent").run_sync().value == 3


def test_a_file_named_like_a_loaded_module_does_not_take_its_place(folder: Path) -> None:
    write(folder / "json.py", "from mce import pure\nagent = pure(3)")
    assert load_flow("json.py:agent").run_sync().value == 3
    assert sys.modules["json"].__file__ != str(folder / "json.py")


def test_a_dotted_name_reaches_into_a_class(agent: Path) -> None:
    assert load_flow("sub/agent_file.py:Group.inner").run_sync().value == 1


def test_a_target_without_a_name_lists_the_flows(agent: Path) -> None:
    assert wrong("sub/agent_file.py") == (
        "TARGET 'sub/agent_file.py' names no flow: say package.module:name or path/to/file.py:name; "
        "sub/agent_file.py has the flows plan, agent: say sub/agent_file.py:agent"
    )


@pytest.mark.parametrize("target", ["", ":", "nothing", "sub/agent_file.py:two words", "sub/agent_file.py:"])
def test_a_target_of_another_form_is_told_the_form(agent: Path, target: str) -> None:
    assert "say package.module:name or path/to/file.py:name" in wrong(target)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("sub/agent_fill.py:agent", "there is no file sub/agent_fill.py; did you mean sub/agent_file.py?"),
        ("sub/agent_file:agent", "there is no file sub/agent_file; did you mean sub/agent_file.py?"),
        ("sub/agent_fill.py", "there is no file sub/agent_fill.py; did you mean sub/agent_file.py?"),
        ("nowhere/x.py:agent", "there is no file nowhere/x.py, and no folder nowhere"),
        ("./sub:agent", "sub is a folder: name a file in it, sub/file.py:name, or a package, package.module:name"),
        ("..:agent", "'..' is neither a module nor a file: say package.module:name or path/to/file.py:name"),
        ("jsom:agent", "there is no module jsom in the current folder or among what is installed"),
        ("json.scannr:agent", "there is no module json.scannr in json; did you mean json.scanner?"),
        (
            "textwrap.dedent:agent",
            "there is no module textwrap.dedent: textwrap is a module and not a package; did you mean textwrap:dedent?",
        ),
    ],
)
def test_a_place_that_is_not_there_is_named_with_what_is_near(agent: Path, target: str, said: str) -> None:
    assert wrong(target) == said


def test_a_module_near_by_is_offered(folder: Path) -> None:
    write(folder / "research_agent.py", "")
    assert wrong("reserch_agent:agent").endswith("; did you mean research_agent?")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("agnt", "sub/agent_file.py has no 'agnt'; did you mean agent?"),
        ("nothing", "sub/agent_file.py has no 'nothing'; it has the flows plan, agent"),
        ("Group.iner", "sub/agent_file.py.Group has no 'iner'; did you mean inner?"),
        ("LIMIT.agent", "sub/agent_file.py.LIMIT has no 'agent'; it has no flow at all"),
    ],
)
def test_a_name_that_is_not_there_is_named_with_what_is_near(agent: Path, name: str, said: str) -> None:
    assert wrong(f"sub/agent_file.py:{name}") == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "helper",
            "a function, not a flow: decorate it with @step; "
            "if it makes a flow, keep what it gives: agent = helper(...)",
        ),
        ("search", "an async function, not a flow: decorate it with @step, or with @do if it awaits flows"),
        ("chunks", "a generator function, not a flow: decorate it with @step, or with @do if it awaits flows"),
        ("Answer", "a class, not a flow: name a flow, made with @step, @do, pure(...) or a combinator"),
        ("LIMIT", "the int 3, not a flow: name a flow, made with @step, @do, pure(...) or a combinator"),
        ("shared", "a module, not a flow: name a flow in it"),
    ],
)
def test_what_is_not_a_flow_is_said_to_be_what_it_is(agent: Path, name: str, said: str) -> None:
    assert wrong(f"sub/agent_file.py:{name}") == f"sub/agent_file.py:{name} is {said}"


def test_an_error_of_the_users_code_is_shown_with_its_own_frames(folder: Path) -> None:
    write(folder / "broken.py", "def f():\n    return 1 / 0\nf()")
    said = wrong("broken.py:agent")
    assert said.startswith(f"{folder / 'broken.py'} cannot be imported\nTraceback")
    assert "line 3, in <module>" in said
    assert said.endswith("ZeroDivisionError: division by zero")
    assert "mce/cli" not in said
    assert "importlib" not in said


def test_an_import_that_is_missing_inside_is_not_the_targets(folder: Path) -> None:
    write(folder / "needs_more.py", "import not_installed_anywhere")
    for target in ("needs_more.py:agent", "needs_more:agent"):
        assert wrong(target).endswith("ModuleNotFoundError: No module named 'not_installed_anywhere'")


def test_a_syntax_error_shows_the_place(folder: Path) -> None:
    write(folder / "unfinished.py", "def f(:")
    assert "def f(:\n          ^\nSyntaxError: invalid syntax" in wrong("unfinished.py:agent")


def test_a_step_that_cannot_be_one_is_the_flows_definition(folder: Path) -> None:
    write(folder / "no_step.py", "from mce import step\n@step\ndef f():\n    yield 1")
    said = wrong("no_step.py:agent")
    assert "defines a flow that cannot work" in said
    assert "InvalidStep: step 'f' yields" in said
    assert "mce/step.py" not in said


def test_a_script_that_exits_is_told_to_guard_its_main_part(folder: Path) -> None:
    write(folder / "leaves.py", "import sys\nsys.exit(3)")
    assert 'sys.exit(3)): put what runs it under if __name__ == "__main__"' in wrong("leaves.py:agent")


def test_a_broken_import_leaves_no_half_module_behind(folder: Path) -> None:
    path = write(folder / "twice.py", "1 / 0")
    assert "cannot be imported" in wrong("twice.py:agent")
    write(path, "from mce import pure\nagent = pure(3)")
    assert load_flow("twice.py:agent").run_sync().value == 3
