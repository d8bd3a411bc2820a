"""A virtual environment for each library, made with the standard library's ``venv`` and pip, latest release."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["LIBRARIES", "NotInstalled", "environment"]

HERE = Path(__file__).parent
LIBRARIES = (
    "langgraph",
    "pydantic_graph",
    "langchain_core",
    "burr",
    "llama_index_workflows",
    "prefect",
    "returns",
)


class NotInstalled(Exception):
    """A library's environment could not be made."""


def environment(library: str, folder: Path) -> Path:
    """Give the Python of the library's environment in ``folder``, which is made if it is not there.

    Raises ``NotInstalled`` with pip's last words.
    """
    home = folder / library
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = home / "installed"
    if not done.exists():
        _call(sys.executable, "-m", "venv", "--clear", str(home))
        _call(str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements(library))
        done.touch()
    return python


def requirements(library: str) -> tuple[str, ...]:
    """Read what the library's module says it ``REQUIRES``, without importing it."""
    for statement in ast.parse((HERE / f"{library}.py").read_text(encoding="utf-8")).body:
        match statement:
            case ast.Assign(targets=[ast.Name("REQUIRES")], value=value):
                found: tuple[str, ...] = ast.literal_eval(value)
                return found
    raise LookupError(f"benchmarks/peers/{library}.py says nothing of what it REQUIRES")


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled((done.stderr.strip() or "no reason given").splitlines()[-1][:200])
