"""How the modules depend on each other: one way, without cycles, and with nothing heavy behind ``import mce``.

The rules are functions of a source tree's root, so that the tests below can break each of them in a small tree of
their own and see that it is reported.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Literal

import pytest

ROOT = Path(__file__).parents[2]

# From the bottom up: a module imports from its own layer and from those above it in this list. A package stands for
# all modules in it.
LAYERS = (
    (
        "mce.errors",
        "mce.outcome",
        "mce.events",
        "mce.records",
        "mce.state",
        "mce.updates",
        "mce.reducers",
        "mce.lens",
        "mce.schedule",
        "mce.durations",
        "mce.jsonable",
        "mce.tracebacks",
    ),
    ("mce.syntax", "mce.names", "mce.pickling"),
    ("mce.flow", "mce.lazy", "mce.shared", "mce.step", "mce.step_types", "mce.context", "mce.signature"),
    (
        "mce.combinators",
        "mce.traverse",
        "mce.graph",
        "mce.transformers",
        "mce.stack",
        "mce.dag_meaning",
        "mce.denotation",
    ),
    ("mce.engine",),
    ("mce.backends", "mce.durable"),
    ("mce.__main__", "mce.testing", "mce.agents", "mce.cli", "mce.paper", "mce.paper_tools"),
)
FACADE = "mce"

# `Flow.run` and the methods that build flows name what stands above them: inside function bodies and for type checkers.
# `mce.engine.run` names the default backend.
LOOKS_UP = frozenset({"mce.flow", "mce.engine.run"})

HEAVY = frozenset(
    "cloudpickle dask distributed graphviz hypothesis mcp pydantic_ai pygraphviz "
    "pytest rich starlette trio typer uvicorn".split()
)
BANNED = frozenset({"combinators", "backends"})

When = Literal["import", "call", "typing"]


@dataclass(frozen=True)
class Import:
    """An import statement: ``when`` says whether it runs with the module, in a call, or for type checkers only."""

    importer: str
    target: str
    line: int
    when: When

    def __str__(self) -> str:
        how = {"import": "", "call": " in a function", "typing": " under TYPE_CHECKING"}[self.when]
        return f"{self.importer}, line {self.line}, imports {self.target}{how}"


def modules(root: Path) -> dict[str, Path]:
    """Find every module of the package under ``root``, through the links."""
    found: dict[str, Path] = {}
    for folder, _, files in os.walk(root / FACADE, followlinks=True):
        for file in (Path(folder, name) for name in files if name.endswith(".py")):
            parts = file.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(name: str, file: Path, known: Iterable[str]) -> list[Import]:
    """Find what the module ``name`` imports; a name imported from a package is a module where ``known`` has it."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    reader = _Reader(name, package, frozenset(known))
    reader.visit(ast.parse(file.read_text(encoding="utf-8")))
    return reader.found


class _Reader(ast.NodeVisitor):
    def __init__(self, name: str, package: str, known: frozenset[str]) -> None:
        self.name, self.package, self.known = name, package, known
        self.when: When = "import"
        self.found: list[Import] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit(ast.iter_child_nodes(node), "call")

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit(ast.iter_child_nodes(node), "call")

    def visit_If(self, node: ast.If) -> None:
        checking = ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
        self._visit(node.body, "typing" if checking else self.when)
        self._visit(node.orelse, self.when)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = _absolute(node, self.package)
        for target in (f"{base}.{alias.name}" for alias in node.names):
            self._add(target if target in self.known else base, node)

    def visit_Call(self, node: ast.Call) -> None:
        match node:
            case ast.Call(
                func=ast.Name("import_module") | ast.Attribute(attr="import_module"), args=[ast.Constant(str(to))]
            ):
                self._add(to, node)
            case _:
                self.generic_visit(node)

    def _visit(self, nodes: Iterable[ast.AST], when: When) -> None:
        before, self.when = self.when, when
        for node in nodes:
            self.visit(node)
        self.when = before

    def _add(self, target: str, node: ast.stmt | ast.expr) -> None:
        self.found.append(Import(self.name, target, node.lineno, self.when))


def _absolute(statement: ast.ImportFrom, package: str) -> str:
    if not statement.level:
        return statement.module or ""
    return importlib.util.resolve_name("." * statement.level + (statement.module or ""), package)


def inner_imports(root: Path) -> list[Import]:
    """Find every import of one of our modules by another, but for the facade's own."""
    known = modules(root)
    found = (each for name, file in known.items() for each in imports(name, file, known))
    return [each for each in found if each.importer != FACADE and within(each.target, FACADE)]


def within(module: str, package: str) -> bool:
    """Say whether ``module`` is ``package`` or in it."""
    return module == package or module.startswith(f"{package}.")


def layer(module: str) -> int | None:
    """Give the layer of ``module``, counted from the bottom."""
    return next((at for at, packages in enumerate(LAYERS) if any(within(module, each) for each in packages)), None)


def unplaced_modules(root: Path) -> list[str]:
    """Find modules of which nobody has said where they stand."""
    return [
        f"{name}: say in LAYERS which layer it belongs to"
        for name in modules(root)
        if name != FACADE and layer(name) is None
    ]


def loose_modules(root: Path) -> list[str]:
    """Find modules in a folder without an ``__init__.py``, which tools that walk packages do not enter."""
    known = modules(root)
    return [f"{name}: its folder has no __init__.py" for name in known if name.rpartition(".")[0] not in {"", *known}]


def wrong_imports(root: Path) -> list[str]:
    """Find imports of the facade from inside, and imports from a higher layer."""
    return [f"{each}: {why}" for each in inner_imports(root) if (why := _wrong(each))]


def _wrong(each: Import) -> str:
    if each.target == FACADE:
        return "inner modules import from the module that defines a name, never from the facade"
    here, there = layer(each.importer), layer(each.target)
    if here is None or there is None or there <= here:
        return ""
    if each.when == "import":
        return f"layer {here} cannot import from layer {there} above it"
    if each.importer in LOOKS_UP:
        return ""
    return f"layer {here} cannot look up to layer {there}; only {', '.join(sorted(LOOKS_UP))} may"


def cycle(root: Path) -> list[str]:
    """Find a cycle among the modules that load each other when imported, if there is one."""
    loads: dict[str, set[str]] = {}
    for each in inner_imports(root):
        if each.when == "import":
            loads.setdefault(each.importer, set()).update(_loaded(each))
    try:
        TopologicalSorter(loads).prepare()
    except CycleError as found:
        return list(found.args[1])
    return []


def _loaded(each: Import) -> Iterator[str]:
    """Give the target and the packages that Python loads before it, but for those that the importer is in."""
    parts = each.target.split(".")
    names = (".".join(parts[:size]) for size in range(1, len(parts) + 1))
    return (name for name in names if not within(each.importer, name) or name == each.target)


def facade_logic(root: Path) -> list[str]:
    """Find statements in an ``__init__`` that do more than to re-export."""
    return [
        f"{name}, line {statement.lineno}: {type(statement).__name__} in a facade; move it to a module"
        for name, file in modules(root).items()
        if file.name == "__init__.py"
        for statement in ast.parse(file.read_text(encoding="utf-8")).body
        if not _re_exports(statement)
    ]


def _re_exports(statement: ast.stmt) -> bool:
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.Expr(ast.Constant(str())):
            return True
        case ast.Assign(targets=[ast.Name("__all__")]) | ast.AnnAssign(target=ast.Name("__all__")):
            return True
        case ast.FunctionDef(name="__getattr__"):
            return True
        case ast.If(test=ast.Name("TYPE_CHECKING"), body=body, orelse=[]):
            return all(_re_exports(inner) for inner in body)
        case _:
            return False


def wrong_exports(module: ModuleType) -> list[str]:
    """Find what is wrong with the ``__all__`` of a module: that it is not there, or names that do not exist."""
    if not hasattr(module, "__all__"):
        return [f"{module.__name__} has no __all__"]
    return [f"{module.__name__}.__all__ names {name!r}" for name in module.__all__ if not hasattr(module, name)]


def heavy_modules(root: Path) -> set[str]:
    """Import the package under ``root`` in a new interpreter and find what it loads of the heavy ones."""
    program = "import sys, mce; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split()) & HEAVY


def bare_imports(root: Path) -> list[str]:
    """Find every import of the two folders by their bare names, in all Python files under ``root``."""
    return [
        f"{each}: say mce.{each.target}"
        for file in _sources(root)
        for each in imports(str(file.relative_to(root)), file, ())
        if each.target.partition(".")[0] in BANNED
    ]


def _sources(root: Path) -> Iterator[Path]:
    for folder, inner, files in os.walk(root):
        inner[:] = [name for name in inner if not name.startswith(".") and name not in {"build", "dist"}]
        yield from (Path(folder, name) for name in files if name.endswith(".py"))


def test_modules_are_found_through_the_links() -> None:
    assert {"mce", "mce.errors", "mce.combinators", "mce.backends"} <= modules(ROOT).keys()


def test_every_module_has_its_layer() -> None:
    assert not unplaced_modules(ROOT)


def test_every_folder_is_a_package() -> None:
    assert not loose_modules(ROOT)


def test_imports_go_one_way() -> None:
    assert not wrong_imports(ROOT)


def test_no_import_cycle() -> None:
    assert not cycle(ROOT)


def test_facades_hold_no_logic() -> None:
    assert not facade_logic(ROOT)


@pytest.mark.parametrize("name", sorted(modules(ROOT)))
def test_every_exported_name_exists(name: str) -> None:
    assert not wrong_exports(importlib.import_module(name))


def test_importing_the_package_is_light() -> None:
    assert not heavy_modules(ROOT)


def test_nothing_imports_the_folders_by_their_bare_names() -> None:
    assert not bare_imports(ROOT)


# The tests of the rules: a small tree that keeps them all, and what is reported when it breaks one.

SOUND = {
    "mce/__init__.py": """
        '''Facade.'''
        from mce.flow import Flow
        __all__ = ["Flow"]
        def __getattr__(name): ...
    """,
    "mce/errors.py": "",
    "mce/flow.py": """
        from mce import errors
        class Flow:
            def run(self):
                from mce.engine import loop
    """,
    "mce/engine/__init__.py": "",
    "mce/engine/loop.py": "from mce.combinators.functor import map",
    "mce/engine/frames.py": """
        from mce.errors import MceError
        def spin():
            import mce.engine.loop
    """,
    "combinators/__init__.py": "from mce.combinators.functor import map",
    "combinators/functor.py": "from mce.flow import Flow",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Write the sound tree, with its link."""
    for name, text in SOUND.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(dedent(text).strip())
    (tmp_path / "mce" / "combinators").symlink_to("../combinators")
    return tmp_path


def add(tree: Path, name: str, text: str) -> None:
    """Add ``text`` to the end of a file of the tree, or write a new one."""
    with (tree / name).open("a") as file:
        file.write(f"\n{text}")


def test_a_sound_tree_breaks_no_rule(tree: Path) -> None:
    for rule in (unplaced_modules, loose_modules, wrong_imports, cycle, facade_logic, bare_imports):
        assert not rule(tree), rule.__name__


def test_an_unplaced_module_is_reported(tree: Path) -> None:
    add(tree, "mce/misc.py", "")
    assert unplaced_modules(tree) == ["mce.misc: say in LAYERS which layer it belongs to"]


def test_a_loose_module_is_reported(tree: Path) -> None:
    (tree / "mce" / "graph").mkdir()
    add(tree, "mce/graph/lower.py", "")
    assert loose_modules(tree) == ["mce.graph.lower: its folder has no __init__.py"]


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("import mce.flow", "imports mce.flow: layer 0 cannot import from layer 2 above it"),
        ("from mce.flow import Flow", "imports mce.flow: layer 0 cannot import"),
        ("from .flow import Flow", "imports mce.flow: layer 0 cannot import"),
        ("from . import flow", "imports mce.flow: layer 0 cannot import"),
        ("try:\n    import mce.flow\nfinally: ...", "imports mce.flow: layer 0 cannot import"),
        ("class A:\n    import mce.flow", "imports mce.flow: layer 0 cannot import"),
        ("if TYPE_CHECKING: ...\nelse:\n    import mce.flow", "imports mce.flow: layer 0 cannot import"),
        (
            "if TYPE_CHECKING:\n    import mce.flow",
            "under TYPE_CHECKING: layer 0 cannot look up to layer 2; only mce.engine.run, mce.flow may",
        ),
        (
            "async def f():\n    import mce.flow",
            "in a function: layer 0 cannot look up to layer 2; only mce.engine.run, mce.flow may",
        ),
        (
            "def f():\n    import_module('mce.flow')",
            "in a function: layer 0 cannot look up to layer 2; only mce.engine.run, mce.flow may",
        ),
        ("import mce", "imports mce: inner modules import from the module that defines a name"),
        ("from mce import Flow", "imports mce: inner modules import from the module that defines a name"),
    ],
)
def test_a_wrong_import_is_reported(tree: Path, text: str, reported: str) -> None:
    add(tree, "mce/errors.py", text)
    (found,) = wrong_imports(tree)
    assert reported in found


def test_a_wrong_import_is_found_through_the_links(tree: Path) -> None:
    add(tree, "combinators/functor.py", "from ..engine.loop import spin")
    (found,) = wrong_imports(tree)
    assert found.startswith("mce.combinators.functor, line 2, imports mce.engine.loop: layer 3 cannot import")


def test_a_cycle_is_reported(tree: Path) -> None:
    add(tree, "mce/step.py", "from mce.flow import Flow")
    add(tree, "mce/flow.py", "from mce.step import step")
    assert set(cycle(tree)) == {"mce.flow", "mce.step"}


def test_a_cycle_through_a_package_is_reported(tree: Path) -> None:
    add(tree, "combinators/functor.py", "from mce.traverse import walk")
    add(tree, "mce/traverse.py", "from mce.combinators.monad import bind")
    add(tree, "combinators/monad.py", "")
    assert set(cycle(tree)) == {"mce.combinators", "mce.combinators.functor", "mce.traverse"}


def test_a_package_that_its_own_module_imports_from_is_reported(tree: Path) -> None:
    add(tree, "combinators/functor.py", "from mce.combinators import map")
    assert set(cycle(tree)) == {"mce.combinators", "mce.combinators.functor"}


@pytest.mark.parametrize(
    "text", ["def f(): ...", "x = 1", "if x:\n    import y", "if TYPE_CHECKING:\n    x = 1", "print()"]
)
def test_logic_in_a_facade_is_reported(tree: Path, text: str) -> None:
    add(tree, "combinators/__init__.py", text)
    (found,) = facade_logic(tree)
    assert found.startswith("mce.combinators, line 2: ")


def test_wrong_exports_are_reported() -> None:
    module = ModuleType("module")
    assert wrong_exports(module) == ["module has no __all__"]
    module.__dict__.update(__all__=["there", "gone"], there=1)
    assert wrong_exports(module) == ["module.__all__ names 'gone'"]


def test_a_heavy_import_is_reported(tree: Path) -> None:
    assert not heavy_modules(tree)
    add(tree, "mce/errors.py", "import trio")
    assert heavy_modules(tree) == {"trio"}


@pytest.mark.parametrize(
    "text", ["import backends.inline", "from combinators import map", "def f():\n    import backends"]
)
def test_a_bare_import_is_reported(tree: Path, text: str) -> None:
    add(tree, "script.py", text)
    (found,) = bare_imports(tree)
    assert found.startswith("script.py, line ")
