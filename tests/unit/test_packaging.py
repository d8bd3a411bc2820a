"""What is built and what an installation of it does: the two top-level folders are in the package, and only there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]

PROGRAM = """
import json

import backends
import combinators
import mce.backends
import mce.combinators
from mce import pure, step

@step
async def double(number: int) -> int:
    return 2 * number

flow = pure(2).map(lambda number: number + 1) >> double
modules = (mce, mce.backends, mce.combinators, backends, combinators)
print(json.dumps([flow.run_sync().value, [module.__file__ for module in modules]]))
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Run ``command`` in the folder ``cwd`` and give what it prints; its errors fail the test."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def source_files() -> set[str]:
    """List every file of the package in the source tree, through the links."""
    return {
        str((Path(folder) / name).relative_to(ROOT))
        for folder, _, names in os.walk(ROOT / "mce", followlinks=True)
        for name in names
        if Path(folder).name != "__pycache__"
    }


def package_files(wheel: Path) -> set[str]:
    """List the files of a wheel, but for what describes it."""
    return {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source archive, and the wheel out of that archive."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """Give the one wheel that was built."""
    (found,) = built.glob("mce_agents-*.whl")
    return found


def test_the_source_archive_holds_what_builds_the_wheel_and_no_more(built: Path) -> None:
    (archive,) = built.glob("mce_agents-*.tar.gz")
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    assert {name.partition("/")[0] for name in names} == {
        *{"mce", "combinators", "backends"},
        *{"pyproject.toml", "README.md", "LICENSE", "PKG-INFO", ".gitignore"},
    }
    assert {"combinators/__init__.py", "backends/__init__.py", "mce/py.typed"} <= names


def test_the_wheel_holds_the_package_and_no_more(wheel: Path) -> None:
    names = package_files(wheel)
    assert {"mce/combinators/__init__.py", "mce/backends/__init__.py", "mce/py.typed"} <= names
    assert names == source_files()


def test_the_wheel_is_the_same_when_built_from_the_tree(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT, cwd=tmp_path)
    (found,) = tmp_path.glob("mce_agents-*.whl")
    assert package_files(found) == source_files()


@pytest.mark.timeout(600)  # installs the dependencies
def test_an_installation_works_beside_folders_of_the_same_names(wheel: Path, tmp_path: Path) -> None:
    for name in ("backends", "combinators"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "program.py").write_text(PROGRAM)
    run(sys.executable, "-m", "venv", "environment", cwd=tmp_path)
    python = tmp_path / "environment" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)

    value, files = json.loads(run(python, "program.py", cwd=tmp_path))

    assert value == 6
    site = next((tmp_path / "environment").glob("lib/python*/site-packages"))
    ours = [site / "mce", site / "mce" / "backends", site / "mce" / "combinators"]
    theirs = [tmp_path / "backends", tmp_path / "combinators"]
    assert [Path(file).parent for file in files] == ours + theirs
